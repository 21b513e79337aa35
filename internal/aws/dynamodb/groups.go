package dynamodb

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"hash/fnv"
	"slices"
	"strconv"
	"time"

	sdk "github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"rootguard/internal/config"
	"rootguard/internal/failure"
	"rootguard/internal/guard"
)

const (
	// eventsAttribute has the claims in a part of a batch, a set of strings.
	eventsAttribute = "events"
	// sealedAttribute is there where the part takes no more.
	sealedAttribute = "sealed"

	// batchParts spreads a batch over rows, each in a partition of its own: a write
	// costs by the size of its row, and a partition takes 1,000 units a second
	// (Amazon DynamoDB Developer Guide, "Best practices for designing and using
	// partition keys effectively").
	batchParts = 16
)

// Read is guard.ClaimRows'.
func (s *Store) Read(ctx context.Context, claimKeys []string) ([]guard.Claim, error) {
	keys := make([]key, len(claimKeys))
	for i, k := range claimKeys {
		keys[i] = claimRow(k)
	}
	rows, err := s.read(ctx, keys...)
	if err != nil {
		return nil, err
	}
	claims := make([]guard.Claim, len(keys))
	for i, k := range keys {
		r := rows[k]
		if err := r.decode(s.now(), &claims[i]); err != nil {
			return nil, err
		}
	}
	return claims, nil
}

// UpdateGroup is guard.Groups'. It fails and repeats as Reschedule does.
func (s *Store) UpdateGroup(ctx context.Context, groupKey string, decide func(guard.Group) guard.Group) error {
	k := windowRow(groupKey)
	return change(ctx, s, k, k.sk, func(gr guard.Group) (r row, write bool, err error) {
		gr = decide(gr)
		switch {
		case gr.Key == "":
			return row{}, false, nil
		case gr.Key != groupKey:
			return row{}, false, failure.Permanent(fmt.Errorf("storing group %q: only %q was read", gr.Key, groupKey))
		}
		if r, err = rowOf(k, gr); err != nil {
			return row{}, false, err
		}
		if gr.Unsent() {
			r.shard, r.due = dueShardOf(windowShard, groupKey), dueAt(gr.Due())
		} else {
			r.expires = s.now().Add(WindowTTL).Unix()
		}
		return r, true, nil
	})
}

// Count is guard.Groups'. It is one write that no other one conflicts with, since it
// is in no transaction; what fails may have been done, and can be done again.
func (s *Store) Count(ctx context.Context, group string, batch int, claim string) (counted bool, err error) {
	_, err = s.client.UpdateItem(ctx, &sdk.UpdateItemInput{
		TableName: &s.table, Key: batchRow(group, batch, partOf(claim)).attributes(),
		UpdateExpression:         ptr("ADD #events :events SET #expires = :expires"),
		ConditionExpression:      ptr("attribute_not_exists(#sealed) OR contains(#events, :event)"),
		ExpressionAttributeNames: map[string]string{"#events": eventsAttribute, "#sealed": sealedAttribute, "#expires": config.TableTTL},
		ExpressionAttributeValues: map[string]types.AttributeValue{
			":events": &types.AttributeValueMemberSS{Value: []string{claim}}, ":event": text(claim), ":expires": s.batchExpires(),
		},
	})
	var refused *types.ConditionalCheckFailedException
	switch {
	case errors.As(err, &refused):
		return false, nil
	case err != nil:
		return false, classed("counting claim "+claim, err)
	}
	return true, nil
}

// Counted is guard.Groups'. It reads with strong consistency.
func (s *Store) Counted(ctx context.Context, group string, from, to int, claim string) (batch int, found bool, err error) {
	var keys []key
	numbers := map[key]int{}
	for batch = from; batch < to; batch++ {
		k := batchRow(group, batch, partOf(claim))
		keys = append(keys, k)
		numbers[k] = batch
	}
	rows, err := s.read(ctx, keys...)
	if err != nil {
		return 0, false, fmt.Errorf("looking for claim %s: %w", claim, err)
	}
	for k := range rows {
		if slices.Contains(rows[k].events, claim) {
			return numbers[k], true, nil
		}
	}
	return 0, false, nil
}

// Seal is guard.Groups'.
func (s *Store) Seal(ctx context.Context, group string, batch int) ([]string, error) {
	var parts [batchParts][]string
	err := parallel(ctx, batchParts, workers, func(ctx context.Context, part int) error {
		out, err := s.client.UpdateItem(ctx, &sdk.UpdateItemInput{
			TableName: &s.table, Key: batchRow(group, batch, part).attributes(),
			UpdateExpression:          ptr("SET #sealed = :sealed, #expires = :expires"),
			ExpressionAttributeNames:  map[string]string{"#sealed": sealedAttribute, "#expires": config.TableTTL},
			ExpressionAttributeValues: map[string]types.AttributeValue{":sealed": number(1), ":expires": s.batchExpires()},
			ReturnValues:              types.ReturnValueAllNew,
		})
		if err != nil {
			return classed(fmt.Sprintf("sealing batch %d of group %s", batch, group), err)
		}
		if set, ok := out.Attributes[eventsAttribute].(*types.AttributeValueMemberSS); ok {
			parts[part] = set.Value
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	claims := slices.Concat(parts[:]...)
	slices.Sort(claims)
	return claims, nil
}

// batchExpires is as long as that of the claims in it: an event that comes again
// finds that it was counted.
func (s *Store) batchExpires() types.AttributeValue { return number(s.now().Add(ClaimTTL).Unix()) }

// partOf is the part of a batch that a claim is in.
func partOf(claim string) int {
	h := fnv.New32a()
	_, _ = h.Write([]byte(claim)) // never fails
	return int(h.Sum32() % batchParts)
}

func batchRow(group string, batch, part int) key {
	return key{fit(batchPrefix+strconv.Itoa(part)+"#"+group, maxPartitionKey), batchPrefix + strconv.Itoa(batch)}
}

// Due is guard.Groups'.
func (s *Store) Due(ctx context.Context, at time.Time, limit int) ([]guard.Group, error) {
	isDue := func(gr guard.Group) bool { return gr.Unsent() && !gr.Due().After(at) }
	return due(ctx, s, windowShard, at, limit, isDue, func(a, b guard.Group) int {
		return cmp.Or(a.Due().Compare(b.Due()), cmp.Compare(a.Key, b.Key))
	})
}
