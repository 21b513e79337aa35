package dynamodb

import (
	"context"
	"errors"
	"slices"
	"strconv"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	sdk "github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	"github.com/aws/smithy-go"

	"rootguard/internal/guard"
	"rootguard/internal/pace"
)

var _ pace.Turns = (*Store)(nil)

// turnAttribute has when the next turn begins, in milliseconds since 1970.
const turnAttribute = "turn"

// farthest is how far ahead a turn can be at most. One beyond was taken by a
// clock that is ahead, and would hold everybody up until that time has come.
const farthest = 30 * time.Second

// Take is pace.Turns's. In a queue it is one write, which adds to the row and so
// never meets another. Only who finds that the last turn is past, or that none
// was ever taken, begins anew, and may meet others who do.
func (s *Store) Take(ctx context.Context, now time.Time, within, step time.Duration) (at time.Time, ok bool, err error) {
	for attempt := 1; attempt <= attempts; attempt++ {
		at, err := s.queueUp(ctx, now, within, step)
		if err == nil {
			return at, true, nil
		}
		var refused *types.ConditionalCheckFailedException
		switch {
		case throttled(err):
			return time.Time{}, false, nil
		case !errors.As(err, &refused):
			return time.Time{}, false, classed("taking a turn", err)
		}
		next, known := turnOf(refused.Item)
		if known && !next.Before(now) && next.Before(now.Add(farthest)) {
			return time.Time{}, false, nil
		}
		switch err := s.beginAnew(ctx, now.Add(step), refused.Item); {
		case err == nil:
			return now, true, nil
		case throttled(err):
			return time.Time{}, false, nil
		case !errors.As(err, &refused):
			return time.Time{}, false, classed("taking a turn", err)
		}
	}
	return time.Time{}, false, errors.New("taking a turn: others kept beginning anew")
}

// queueUp takes the turn after those taken, if it is not past nor too far off.
func (s *Store) queueUp(ctx context.Context, now time.Time, within, step time.Duration) (time.Time, error) {
	out, err := s.client.UpdateItem(ctx, &sdk.UpdateItemInput{
		TableName: &s.table, Key: turnRow.attributes(),
		UpdateExpression:         ptr("ADD #turn :step"),
		ConditionExpression:      ptr("#turn >= :now AND #turn <= :end"),
		ExpressionAttributeNames: map[string]string{"#turn": turnAttribute},
		ExpressionAttributeValues: map[string]types.AttributeValue{
			":step": number(step.Milliseconds()), ":now": number(now.UnixMilli()), ":end": number(now.Add(within).UnixMilli()),
		},
		ReturnValues:                        types.ReturnValueAllNew,
		ReturnValuesOnConditionCheckFailure: types.ReturnValuesOnConditionCheckFailureAllOld,
	}, impatient)
	if err != nil {
		return time.Time{}, err
	}
	next, ok := turnOf(out.Attributes)
	if !ok {
		return time.Time{}, guard.Permanent(errors.New("DynamoDB did not say which turn was taken"))
	}
	return next.Add(-step), nil
}

// beginAnew stores when the next turn begins, if the row is still as it was.
func (s *Store) beginAnew(ctx context.Context, next time.Time, was map[string]types.AttributeValue) error {
	item := turnRow.attributes()
	item[turnAttribute] = number(next.UnixMilli())
	in := &sdk.PutItemInput{
		TableName: &s.table, Item: item, ConditionExpression: ptr("attribute_not_exists(#turn)"),
		ExpressionAttributeNames: map[string]string{"#turn": turnAttribute},
	}
	if old, ok := was[turnAttribute]; ok {
		in.ConditionExpression = ptr("#turn = :old")
		in.ExpressionAttributeValues = map[string]types.AttributeValue{":old": old}
	}
	_, err := s.client.PutItem(ctx, in, impatient)
	return err
}

// impatient has the client repeat nothing that was throttled.
func impatient(o *sdk.Options) { o.Retryer = impatientRetryer{o.Retryer} }

type impatientRetryer struct{ aws.Retryer }

func (r impatientRetryer) IsErrorRetryable(err error) bool {
	return !throttled(err) && r.Retryer.IsErrorRetryable(err)
}

// throttled reports whether DynamoDB refused since too much is asked of it.
func throttled(err error) bool {
	var api smithy.APIError
	return errors.As(err, &api) &&
		slices.Contains([]string{"ProvisionedThroughputExceededException", "ThrottlingException", "RequestLimitExceeded"}, api.ErrorCode())
}

func turnOf(item map[string]types.AttributeValue) (time.Time, bool) {
	n, ok := item[turnAttribute].(*types.AttributeValueMemberN)
	if !ok {
		return time.Time{}, false
	}
	ms, err := strconv.ParseInt(n.Value, 10, 64)
	return time.UnixMilli(ms), err == nil
}

func number(n int64) types.AttributeValue {
	return &types.AttributeValueMemberN{Value: strconv.FormatInt(n, 10)}
}
