package dynamodb

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"fmt"
	"math"
	mathrand "math/rand/v2"
	"slices"
	"strconv"
	"time"

	sdk "github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"rootguard/internal/config"
	"rootguard/internal/failure"
)

const (
	docAttribute     = "doc"
	versionAttribute = "ver"

	maxItem     = 400 << 10 // bytes, names of the attributes included
	maxBatchGet = 100

	// attempts bounds how often a read or write that met others is repeated.
	// With these pauses that is about 4 s in the mean.
	attempts   = 16
	firstPause = 20 * time.Millisecond
	maxPause   = 800 * time.Millisecond
)

// row is one item of the table.
type row struct {
	key
	doc     string
	version string
	expires int64  // epoch seconds; 0: never
	shard   string // "": not in the index
	due     string
	events  []string // of a part of a batch, as it is read
}

// rowOf encodes a value. Its version is new.
func rowOf(k key, value any) (row, error) {
	doc, err := json.Marshal(value)
	if err != nil {
		return row{}, failure.Permanent(fmt.Errorf("encoding %s: %w", k.sk, err))
	}
	return row{key: k, doc: string(doc), version: newVersion()}, nil
}

// newVersion is a random word.
func newVersion() string { return rand.Text() }

// size is the item's size as DynamoDB counts it (Amazon DynamoDB Developer
// Guide, "DynamoDB item sizes and formats"), rounded up.
func (r *row) size() int {
	n := 0
	for name, value := range r.item() {
		n += len(name)
		switch v := value.(type) {
		case *types.AttributeValueMemberS:
			n += len(v.Value)
		case *types.AttributeValueMemberN:
			n += len(v.Value) + 1
		}
	}
	return n
}

func (r *row) fits() error {
	if n := r.size(); n > maxItem {
		return failure.Permanent(fmt.Errorf("storing %.80s of %s: it has %d bytes, and an item of DynamoDB at most %d", r.sk, r.pk, n, maxItem))
	}
	return nil
}

func (r *row) item() map[string]types.AttributeValue {
	item := map[string]types.AttributeValue{
		config.TablePartitionKey: text(r.pk),
		config.TableSortKey:      text(r.sk),
		docAttribute:             text(r.doc),
		versionAttribute:         text(r.version),
	}
	if r.expires != 0 {
		item[config.TableTTL] = &types.AttributeValueMemberN{Value: strconv.FormatInt(r.expires, 10)}
	}
	if r.shard != "" {
		item[config.TableDuePartition], item[config.TableDueSort] = text(r.shard), text(r.due)
	}
	return item
}

func rowFrom(item map[string]types.AttributeValue) row {
	r := row{
		key:     key{textOf(item[config.TablePartitionKey]), textOf(item[config.TableSortKey])},
		doc:     textOf(item[docAttribute]),
		version: textOf(item[versionAttribute]),
	}
	if set, ok := item[eventsAttribute].(*types.AttributeValueMemberSS); ok {
		r.events = set.Value
	}
	if n, ok := item[config.TableTTL].(*types.AttributeValueMemberN); ok {
		if at, err := strconv.ParseFloat(n.Value, 64); err == nil && at > 0 && at < math.MaxInt64 {
			r.expires = int64(at)
		}
	}
	return r
}

// expired reports whether the row counts as absent, though DynamoDB has not
// deleted it yet.
func (r *row) expired(now time.Time) bool { return r.expires != 0 && r.expires <= now.Unix() }

// decode reads the row into value, which stays as it is where there is no row.
func (r *row) decode(now time.Time, value any) error {
	if r.doc == "" || r.expired(now) {
		return nil
	}
	if err := json.Unmarshal([]byte(r.doc), value); err != nil {
		return failure.Permanent(fmt.Errorf("decoding %s of %s: %w", r.sk, r.pk, err))
	}
	return nil
}

func text(s string) types.AttributeValue { return &types.AttributeValueMemberS{Value: s} }

func textOf(v types.AttributeValue) string {
	if s, ok := v.(*types.AttributeValueMemberS); ok {
		return s.Value
	}
	return ""
}

func (k key) attributes() map[string]types.AttributeValue {
	return map[string]types.AttributeValue{config.TablePartitionKey: text(k.pk), config.TableSortKey: text(k.sk)}
}

// unchanged is the condition that a row is still as it was read. version is ""
// where there was none.
type unchanged struct{ version string }

func (u unchanged) expression() *string {
	if u.version == "" {
		return ptr("attribute_not_exists(#k)")
	}
	return ptr("#k = :v")
}

func (u unchanged) names() map[string]string {
	if u.version == "" {
		return map[string]string{"#k": config.TablePartitionKey}
	}
	return map[string]string{"#k": versionAttribute}
}

func (u unchanged) values() map[string]types.AttributeValue {
	if u.version == "" {
		return nil
	}
	return map[string]types.AttributeValue{":v": text(u.version)}
}

// read returns rows with strong consistency. One that does not exist has no version.
func (s *Store) read(ctx context.Context, keys ...key) (map[key]row, error) {
	rows := make(map[key]row, len(keys))
	for start := 0; start < len(keys); start += maxBatchGet {
		if err := s.readBatch(ctx, keys[start:min(start+maxBatchGet, len(keys))], rows); err != nil {
			return nil, err
		}
	}
	return rows, nil
}

func (s *Store) readBatch(ctx context.Context, keys []key, into map[key]row) error {
	want := make([]map[string]types.AttributeValue, len(keys))
	for i, k := range keys {
		want[i] = k.attributes()
	}
	ask := map[string]types.KeysAndAttributes{s.table: {Keys: want, ConsistentRead: ptr(true)}}
	left := len(want)
	for attempt := 1; ; attempt++ { // those in which nothing is read
		out, err := s.client.BatchGetItem(ctx, &sdk.BatchGetItemInput{RequestItems: ask})
		if err != nil {
			return classed("reading "+keys[0].sk, err)
		}
		for _, item := range out.Responses[s.table] {
			r := rowFrom(item)
			into[r.key] = r
		}
		if ask = out.UnprocessedKeys; len(ask) == 0 {
			return nil
		}
		if n := len(ask[s.table].Keys); n < left {
			left, attempt = n, 1
		}
		if attempt == attempts {
			return fmt.Errorf("reading %s: DynamoDB left keys unread %d times", keys[0].sk, attempts)
		}
		if err := pause(ctx, attempt); err != nil {
			return fmt.Errorf("reading %s: %w", keys[0].sk, err)
		}
	}
}

// query returns the rows of a partition whose sort key has a prefix, with
// strong consistency, without those that expired.
func (s *Store) query(ctx context.Context, pk, prefix string) ([]row, error) {
	rows, err := s.pages(ctx, s.begins(pk, prefix), prefix+" of "+pk)
	now := s.now()
	return slices.DeleteFunc(rows, func(r row) bool { return r.expired(now) }), err
}

// begins is the query of a partition's rows whose sort key has a prefix.
func (s *Store) begins(pk, prefix string) *sdk.QueryInput {
	return &sdk.QueryInput{
		KeyConditionExpression:    ptr("#pk = :pk AND begins_with(#sk, :prefix)"),
		ExpressionAttributeValues: map[string]types.AttributeValue{":pk": text(pk), ":prefix": text(prefix)},
	}
}

// between returns the timed rows of a partition from one second to another, both
// included, with strong consistency, also those that expired.
func (s *Store) between(ctx context.Context, pk, prefix string, from, to time.Time) ([]row, error) {
	in := &sdk.QueryInput{
		KeyConditionExpression: ptr("#pk = :pk AND #sk BETWEEN :from AND :to"),
		ExpressionAttributeValues: map[string]types.AttributeValue{
			":pk":   text(pk),
			":from": text(prefix + from.UTC().Format(time.RFC3339)),
			":to":   text(prefix + to.UTC().Format(time.RFC3339) + "/~"), // "~" comes after all that an ID has
		},
	}
	return s.pages(ctx, in, prefix+" of "+pk)
}

// pages returns all rows of a query by the table's own keys.
func (s *Store) pages(ctx context.Context, in *sdk.QueryInput, what string) ([]row, error) {
	var all []row
	err := s.eachPage(ctx, in, what, func(rows []row) error {
		all = append(all, rows...)
		return nil
	})
	return all, err
}

// eachPage calls fn with each page of a query by the table's own keys, those rows
// too that expired.
func (s *Store) eachPage(ctx context.Context, in *sdk.QueryInput, what string, fn func([]row) error) error {
	in.TableName, in.ConsistentRead = &s.table, ptr(true)
	in.ExpressionAttributeNames = map[string]string{"#pk": config.TablePartitionKey, "#sk": config.TableSortKey}
	for {
		out, err := s.client.Query(ctx, in)
		if err != nil {
			return classed("reading "+what, err)
		}
		rows := make([]row, len(out.Items))
		for i, item := range out.Items {
			rows[i] = rowFrom(item)
		}
		if err := fn(rows); err != nil {
			return err
		}
		if len(out.LastEvaluatedKey) == 0 {
			return nil
		}
		in.ExclusiveStartKey = out.LastEvaluatedKey
	}
}

// pause waits before another attempt, for a random time up to a bound that
// doubles, so that those who met do not meet again.
func pause(ctx context.Context, attempt int) error {
	bound := min(maxPause, firstPause<<min(attempt-1, 10))
	timer := time.NewTimer(mathrand.N(bound)) //nolint:gosec // spreads load, guards nothing
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

func ptr[T any](v T) *T { return &v }
