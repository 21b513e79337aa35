package dynamodb

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	sdk "github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	"github.com/aws/smithy-go"

	"rootguard/internal/config"
	"rootguard/internal/failure"
	"rootguard/internal/ratelimit"
)

var _ ratelimit.Seconds = (*Store)(nil)

const (
	// tokensAttribute has how many tokens of a second are taken or past.
	tokensAttribute = "tokens"
	// secondTTL is how long the row of a second is kept.
	secondTTL = 10 * time.Minute
)

// Take is ratelimit.Seconds's. It is one write, and one more where others took
// tokens in the same second and some of its tokens are past.
//
// The row may hold anything: what is no count from 0 to limit denies the token.
func (s *Store) Take(ctx context.Context, second time.Time, past, limit int) (token int, ok bool, err error) {
	if past >= limit {
		return 0, false, nil
	}
	if past > 0 {
		token, ok, err = s.count(ctx, second, "SET #tokens = :tokens, #expires = :expires", "attribute_not_exists(#tokens) OR #tokens <= :past",
			map[string]int{":tokens": past + 1, ":past": past})
		if ok || err != nil {
			return token, ok, err
		}
	}
	return s.count(ctx, second, "ADD #tokens :one SET #expires = :expires", "attribute_not_exists(#tokens) OR #tokens BETWEEN :none AND :most",
		map[string]int{":one": 1, ":none": 0, ":most": limit - 1})
}

// count changes the count of a second under a condition, and returns the number
// of the token that is taken by it. ok is false where the condition does not hold.
func (s *Store) count(ctx context.Context, second time.Time, update, condition string, numbers map[string]int) (token int, ok bool,
	err error) {
	values := map[string]types.AttributeValue{":expires": number(second.Add(secondTTL).Unix())}
	for name, n := range numbers {
		values[name] = number(int64(n))
	}
	out, err := s.client.UpdateItem(ctx, &sdk.UpdateItemInput{
		TableName: &s.table, Key: secondRow(second).attributes(),
		UpdateExpression: &update, ConditionExpression: &condition,
		ExpressionAttributeNames:  map[string]string{"#tokens": tokensAttribute, "#expires": config.TableTTL},
		ExpressionAttributeValues: values,
		ReturnValues:              types.ReturnValueUpdatedNew,
	}, impatient)
	var refused *types.ConditionalCheckFailedException
	switch {
	case errors.As(err, &refused):
		return 0, false, nil
	case throttled(err):
		return 0, false, fmt.Errorf("%w: %w", ratelimit.ErrThrottled, err)
	case err != nil:
		return 0, false, classed("taking a rate limit token", err)
	}
	n, isNumber := out.Attributes[tokensAttribute].(*types.AttributeValueMemberN)
	if !isNumber {
		return 0, false, failure.Permanent(errors.New("taking a rate limit token: DynamoDB returned no count"))
	}
	taken, err := strconv.Atoi(n.Value)
	if err != nil {
		return 0, false, failure.Permanent(fmt.Errorf("taking a rate limit token: the row counts %q tokens", n.Value))
	}
	return taken - 1, true, nil
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

func number(n int64) types.AttributeValue {
	return &types.AttributeValueMemberN{Value: strconv.FormatInt(n, 10)}
}
