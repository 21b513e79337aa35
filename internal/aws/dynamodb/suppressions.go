package dynamodb

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"time"

	sdk "github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"rootguard/internal/config"
	"rootguard/internal/suppression"
)

var _ suppression.Store = suppressions{}

// suppressions are who suppressed alerts, in the table.
type suppressions struct{ s *Store }

// Suppressions are who suppressed alerts.
func (s *Store) Suppressions() suppression.Store { return suppressions{s} }

// Append is suppression.Store's.
func (p suppressions) Append(ctx context.Context, e suppression.AuditEvent) (suppression.AuditEvent, error) {
	return appended(ctx, p.s, timedRow(suppressionPrefix, e.Key), e.Account, "suppression "+e.Key, e.Until.Add(suppression.KeptFor).Unix(), e)
}

// Events is suppression.Store's. It is one query.
func (p suppressions) Events(ctx context.Context, account string, from, to time.Time) ([]suppression.AuditEvent, error) {
	rows, err := p.s.between(ctx, partition(account), suppressionPrefix, from, to)
	if err != nil {
		return nil, err
	}
	events, err := decoded[suppression.AuditEvent](rows, p.s.now())
	if err != nil {
		return nil, err
	}
	events = slices.DeleteFunc(events, func(e suppression.AuditEvent) bool {
		return e.Key == "" || e.Until.Before(from) || e.Until.After(to) // without a key it expired
	})
	slices.SortFunc(events, byUntil)
	return events, nil
}

// AllSuppressions returns what is on record of an account, of all accounts where
// account is "", by Until.
func (s *Store) AllSuppressions(ctx context.Context, account string) ([]suppression.AuditEvent, error) {
	events, err := all[suppression.AuditEvent](ctx, s, account, suppressionPrefix)
	if err != nil {
		return nil, err
	}
	slices.SortFunc(events, byUntil)
	return events, nil
}

func byUntil(a, b suppression.AuditEvent) int {
	return cmp.Or(a.Until.Compare(b.Until), cmp.Compare(a.Key, b.Key))
}

// suppressedShard is the partition of the index with what a suppression held back.
func suppressedShard(id string) string { return fit(suppressedPartition+id, maxPartitionKey) }

// Uses is suppression.Store's. It reads keys alone, about 5,000 a request.
func (p suppressions) Uses(ctx context.Context, id string) (uses int, err error) {
	in := &sdk.QueryInput{
		TableName:                 &p.s.table,
		IndexName:                 ptr(config.TableDueIndex),
		KeyConditionExpression:    ptr("#shard = :shard"),
		ExpressionAttributeNames:  map[string]string{"#shard": config.TableDuePartition},
		ExpressionAttributeValues: map[string]types.AttributeValue{":shard": text(suppressedShard(id))},
		Select:                    types.SelectCount,
	}
	for {
		out, err := p.s.client.Query(ctx, in)
		if err != nil {
			return 0, classed(fmt.Sprintf("counting what suppression %s held back", id), err)
		}
		uses += int(out.Count)
		if len(out.LastEvaluatedKey) == 0 {
			return uses, nil
		}
		in.ExclusiveStartKey = out.LastEvaluatedKey
	}
}
