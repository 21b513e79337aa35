package dynamodb

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	sdk "github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"rootguard/internal/accountcheck"
	"rootguard/internal/announcement"
	"rootguard/internal/config"
	"rootguard/internal/failure"
	"rootguard/internal/guard"
	"rootguard/internal/incident"
	"rootguard/internal/repeats"
)

// How long rows that are no longer needed are kept.
const (
	ClaimTTL  = 400 * 24 * time.Hour // longer than any log is replayed from CloudTrail's own history
	WindowTTL = 30 * 24 * time.Hour
)

// workers is how many requests are made at a time for what takes many.
const workers = 8

var (
	_ guard.Claims          = (*Store)(nil)
	_ guard.Facts           = (*Store)(nil)
	_ accountcheck.FactRows = (*Store)(nil)
	_ accountcheck.Checks   = checks{}

	_ announcement.Store = (*Store)(nil)
	_ incident.Store     = (*Store)(nil)
)

// Store is all that the guard keeps, in one table. It is safe for concurrent use,
// in this process and others.
type Store struct {
	client *sdk.Client
	table  string
	now    func() time.Time

	known sync.Map // accounts that this process has registered
}

// New returns a Store on a table that exists.
func New(client *sdk.Client, table string, now func() time.Time) *Store {
	return &Store{client: client, table: table, now: now}
}

// Update is guard.ClaimRows'. It fails where others keep changing the same rows
// for several seconds, and repeats decide until then. decide must return rows
// under the keys it was given, or under none.
func (s *Store) Update(ctx context.Context, claimKey, seriesKey string,
	decide func(guard.Claim, repeats.Series) (guard.Claim, repeats.Series)) error {
	keys := []key{claimRow(claimKey)}
	if seriesKey != "" {
		keys = append(keys, seriesRow(seriesKey))
	}
	var tried []row
	var last error
	for attempt := 1; attempt <= attempts; attempt++ {
		rows, err := s.read(ctx, keys...)
		if err != nil {
			return err
		}
		if slices.ContainsFunc(tried, func(r row) bool { return rows[r.key].version == r.version }) {
			return nil // the attempt before had gone through, and its answer got lost
		}
		write, account, err := s.decided(claimKey, seriesKey, rows, decide)
		if err != nil || len(write) == 0 {
			return err
		}
		if err := s.register(ctx, account); err != nil {
			return err
		}
		if err = s.write(ctx, rows, write); err == nil {
			return nil
		}
		if !conflict(err) {
			return classed("storing claim "+claimKey, err)
		}
		tried, last = write, err
		if err := pause(ctx, attempt); err != nil {
			return fmt.Errorf("storing claim %s: %w", claimKey, err)
		}
	}
	return fmt.Errorf("storing claim %s: others kept changing it: %w", claimKey, last)
}

// decided asks decide about what was read, and returns the rows to write.
func (s *Store) decided(claimKey, seriesKey string, rows map[key]row, decide func(guard.Claim, repeats.Series) (guard.Claim,
	repeats.Series)) (write []row, account string, err error) {
	var c guard.Claim
	var sr repeats.Series
	now := s.now()
	claim := rows[claimRow(claimKey)]
	if err := claim.decode(now, &c); err != nil {
		return nil, "", err
	}
	if seriesKey != "" {
		series := rows[seriesRow(seriesKey)]
		if err := series.decode(now, &sr); err != nil {
			return nil, "", err
		}
	}
	c, sr = decide(c, sr)
	if (c.Key != "" && c.Key != claimKey) || (sr.Key != "" && sr.Key != seriesKey) {
		return nil, "", failure.Permanent(fmt.Errorf("storing claim %q and series %q: only %q and %q were read", c.Key,
			sr.Key, claimKey, seriesKey))
	}
	if c.Key != "" {
		r, err := rowOf(claimRow(claimKey), c)
		if err != nil {
			return nil, "", err
		}
		r.expires = now.Add(ClaimTTL).Unix()
		if f := c.Finding; f != nil {
			account = f.Account
			switch {
			case f.Announced != nil:
				r.shard, r.due = announcedShard(f.Announced.ID), dueAt(f.EventTime)
			case c.State == guard.Withheld && c.Suppression != "":
				r.shard, r.due = suppressedShard(c.Suppression), dueAt(f.EventTime)
			}
		}
		write = append(write, r)
	}
	if sr.Key != "" {
		r, err := rowOf(seriesRow(seriesKey), sr)
		if err != nil {
			return nil, "", err
		}
		r.expires = now.Add(WindowTTL).Unix()
		write = append(write, r)
	}
	for i := range write {
		if err := write[i].fits(); err != nil {
			return nil, "", err
		}
	}
	return write, account, nil
}

// write stores rows if none of them has changed since it was read.
func (s *Store) write(ctx context.Context, was map[key]row, rows []row) error {
	if len(rows) == 1 {
		return s.put(ctx, &rows[0], was[rows[0].key].version)
	}
	items := make([]types.TransactWriteItem, len(rows))
	for i := range rows {
		cond := unchanged{was[rows[i].key].version}
		items[i].Put = &types.Put{
			TableName: &s.table, Item: rows[i].item(), ConditionExpression: cond.expression(),
			ExpressionAttributeNames: cond.names(), ExpressionAttributeValues: cond.values(),
		}
	}
	_, err := s.client.TransactWriteItems(ctx, &sdk.TransactWriteItemsInput{TransactItems: items})
	return err
}

// put stores one row if it is still of a version, or absent where that is "".
func (s *Store) put(ctx context.Context, r *row, version string) error {
	cond := unchanged{version}
	_, err := s.client.PutItem(ctx, &sdk.PutItemInput{
		TableName: &s.table, Item: r.item(), ConditionExpression: cond.expression(),
		ExpressionAttributeNames: cond.names(), ExpressionAttributeValues: cond.values(),
		ReturnValuesOnConditionCheckFailure: types.ReturnValuesOnConditionCheckFailureAllOld,
	})
	return err
}

// due reads the shards of one kind, and returns what is due of it in order,
// also beside the error that reports rows which cannot be decoded.
func due[T any](ctx context.Context, s *Store, kind string, at time.Time, limit int, isDue func(T) bool, order func(a, b T) int) ([]T,
	error) {
	if limit <= 0 {
		return []T{}, nil
	}
	var shards [dueShards][]T
	var malformed [dueShards]error
	err := parallel(ctx, dueShards, dueShards, func(ctx context.Context, i int) (err error) {
		shards[i], malformed[i], err = dueOf(ctx, s, dueShard(kind, uint32(i)), at, limit, isDue) //nolint:gosec // i is below dueShards
		return err
	})
	if err != nil {
		return nil, err
	}
	all := slices.Concat(shards[:]...)
	slices.SortFunc(all, order)
	return all[:min(limit, len(all))], errors.Join(malformed[:]...)
}

// dueOf is due for one partition of the index.
func dueOf[T any](ctx context.Context, s *Store, shard string, at time.Time, limit int, isDue func(T) bool) (due []T, malformed,
	err error) {
	malformed, err = pages(ctx, s, shard, at, limit, func(page []T) (bool, error) {
		for _, one := range page {
			if isDue(one) {
				due = append(due, one)
			}
		}
		return len(due) < limit, nil
	})
	return due, malformed, err
}

// pages calls fn with the rows of one partition of the index whose time has come,
// a page of at most size at a time, until it wants no more. The index lags behind the
// table, so it only says where to look. malformed is of rows that cannot be decoded.
func pages[T any](ctx context.Context, s *Store, shard string, at time.Time, size int, fn func(page []T) (more bool, err error)) (malformed,
	err error) {
	in := &sdk.QueryInput{
		TableName:                 &s.table,
		IndexName:                 ptr(config.TableDueIndex),
		KeyConditionExpression:    ptr("#shard = :shard AND #at <= :at"),
		ExpressionAttributeNames:  map[string]string{"#shard": config.TableDuePartition, "#at": config.TableDueSort},
		ExpressionAttributeValues: map[string]types.AttributeValue{":shard": text(shard), ":at": text(dueAt(at))},
		Limit:                     ptr(int32(min(size, maxBatchGet))), //nolint:gosec // at most maxBatchGet
	}
	for {
		out, err := s.client.Query(ctx, in)
		if err != nil {
			return nil, classed("listing what is due in "+shard, err)
		}
		keys := make([]key, len(out.Items))
		for i, item := range out.Items {
			keys[i] = rowFrom(item).key
		}
		rows, err := s.read(ctx, keys...)
		if err != nil {
			return nil, err
		}
		page := make([]T, 0, len(keys))
		for _, k := range keys {
			var one T
			r := rows[k]
			if err := r.decode(s.now(), &one); err != nil {
				malformed = cmp.Or(malformed, err) // one is enough to report
				continue
			}
			page = append(page, one)
		}
		more, err := fn(page)
		if err != nil || !more || len(out.LastEvaluatedKey) == 0 {
			return malformed, err
		}
		in.ExclusiveStartKey = out.LastEvaluatedKey
	}
}

// register puts an account on the list, once a process. It comes before what it
// is about, so that nothing is stored under an account that is not listed.
func (s *Store) register(ctx context.Context, account string) error {
	if _, done := s.known.Load(account); done || account == "" {
		return nil
	}
	r, err := rowOf(accountRow(account), account)
	if err != nil {
		return err
	}
	var known *types.ConditionalCheckFailedException
	if err := s.put(ctx, &r, ""); err != nil && !errors.As(err, &known) {
		return classed("registering account "+account, err)
	}
	s.known.Store(account, true)
	return nil
}

func decoded[T any](rows []row, now time.Time) ([]T, error) {
	all := make([]T, len(rows))
	for i := range rows {
		if err := rows[i].decode(now, &all[i]); err != nil {
			return nil, err
		}
	}
	return all, nil
}

// parallel calls do for 0 to n-1, some at a time, and returns the first error,
// which ends the context of the others.
func parallel(ctx context.Context, n, workers int, do func(ctx context.Context, i int) error) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	var wg sync.WaitGroup
	next := make(chan int)
	for range min(n, workers) {
		wg.Go(func() {
			for i := range next {
				if err := do(ctx, i); err != nil {
					cancel(err)
				}
			}
		})
	}
feed:
	for i := range n {
		select {
		case next <- i:
		case <-ctx.Done():
			break feed
		}
	}
	close(next)
	wg.Wait()
	return context.Cause(ctx)
}
