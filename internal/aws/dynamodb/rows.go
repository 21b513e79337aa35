package dynamodb

import (
	"cmp"
	"context"
	"fmt"
	"time"

	"rootguard/internal/accountcheck"
	"rootguard/internal/daytwo"
	"rootguard/internal/digestwork"
	"rootguard/internal/ending"
	"rootguard/internal/failure"
	"rootguard/internal/mfadeadline"
	"rootguard/internal/quarantine"
	"rootguard/internal/worker"
)

// rowsOf are the rows of one kind. An Update fails where others keep changing the
// same row for several seconds, and repeats decide until then.
type rowsOf[T worker.Row] struct {
	s      *Store
	key    func(rowKey string) key
	shard  string // of the index, "" of rows that are never listed
	keep   bool   // also rows that are never due, for ever
	before func(ctx context.Context, row *T) error
}

// Get is worker.Rows'.
func (r rowsOf[T]) Get(ctx context.Context, rowKey string) (value T, err error) {
	k := r.key(rowKey)
	rows, err := r.s.read(ctx, k)
	if err != nil {
		return value, err
	}
	was := rows[k]
	return value, was.decode(r.s.now(), &value)
}

// Update is worker.Rows'.
func (r rowsOf[T]) Update(ctx context.Context, rowKey string, decide func(T) T) error {
	k := r.key(rowKey)
	return change(ctx, r.s, k, k.sk, func(value T) (out row, write bool, err error) {
		value = decide(value)
		if value.RowKey() == "" {
			return row{}, false, nil
		}
		if own := value.RowKey(); own != rowKey {
			return row{}, false, failure.Permanent(fmt.Errorf("storing %q: only %q was read", own, rowKey))
		}
		if r.before != nil {
			if err := r.before(ctx, &value); err != nil {
				return row{}, false, err
			}
		}
		if out, err = rowOf(k, value); err != nil {
			return row{}, false, err
		}
		switch due := value.RowDue(); {
		case !due.IsZero() && r.shard != "":
			out.shard, out.due = dueShardOf(r.shard, rowKey), dueAt(due)
		case !r.keep:
			out.expires = r.s.now().Add(WindowTTL).Unix()
		}
		return out, true, nil
	})
}

// Due is worker.Rows'.
func (r rowsOf[T]) Due(ctx context.Context, at time.Time, limit int) ([]T, error) {
	if r.shard == "" {
		return []T{}, ctx.Err()
	}
	isDue := func(row T) bool { return !row.RowDue().IsZero() && !row.RowDue().After(at) }
	return due(ctx, r.s, r.shard, at, limit, isDue, func(a, b T) int {
		return cmp.Or(a.RowDue().Compare(b.RowDue()), cmp.Compare(a.RowKey(), b.RowKey()))
	})
}

// Deadlines are when which user is to be checked.
func (s *Store) Deadlines() worker.Rows[mfadeadline.Deadline] {
	return rowsOf[mfadeadline.Deadline]{s: s, key: keysOf(userPrefix), shard: deadlineShard}
}

// Quarantines are how far the quarantine of each user has come.
func (s *Store) Quarantines() quarantine.Rows {
	return rowsOf[quarantine.Quarantine]{s: s, key: keysOf(quarantinePrefix), shard: quarantineShard}
}

// Summaries are when the summaries of announcements are due.
func (s *Store) Summaries() worker.Rows[ending.Row] {
	return rowsOf[ending.Row]{s: s, key: keysOf(recapPrefix), shard: recapShard}
}

// DigestStates has how far digests have come: one row.
func (s *Store) DigestStates() worker.Rows[digestwork.State] {
	return rowsOf[digestwork.State]{s: s, key: digestRow, keep: true}
}

// DigestCollections are what was collected for the digests of the last weeks.
func (s *Store) DigestCollections() worker.Rows[digestwork.Collection] {
	return rowsOf[digestwork.Collection]{s: s, key: digestRow}
}

func digestRow(rowKey string) key { return key{digestPartition, sortKey(digestPrefix, rowKey)} }

// Expiries are when the ends of suppressions are to be reported.
func (s *Store) Expiries() worker.Rows[ending.Row] {
	return rowsOf[ending.Row]{s: s, key: keysOf(expiryPrefix), shard: expiryShard}
}

func keysOf(prefix string) func(string) key {
	return func(rowKey string) key { return deadlineRow(prefix, rowKey) }
}

// Checks are when which account is to be checked.
func (s *Store) Checks() accountcheck.Checks { return checks{s} }

type checks struct{ s *Store }

// Of is accountcheck.Rounds'.
func (r checks) Of(kind accountcheck.Kind) worker.Rows[accountcheck.Check] {
	rows := rowsOf[accountcheck.Check]{s: r.s, key: roundRow, keep: true}
	rows.before = func(ctx context.Context, row *accountcheck.Check) error {
		if row.Kind != kind {
			return failure.Permanent(fmt.Errorf("storing round %q of kind %q as one of kind %q", row.Key, row.Kind, kind))
		}
		return r.s.register(ctx, row.Account)
	}
	if kind != accountcheck.KindDiscovery {
		rows.shard = roundShard + string(kind) + "#"
	}
	return rows
}

// DayTwo is what the last check of an account found of the steps of day two, nothing
// where none was made. It needs dynamodb:Query alone.
func (s *Store) DayTwo(ctx context.Context, account string) ([]daytwo.Result, error) {
	k := roundRow(accountcheck.DayTwoKey(account))
	rows, err := s.query(ctx, k.pk, k.sk)
	if err != nil {
		return nil, err
	}
	var check accountcheck.Check
	for i := range rows {
		if rows[i].key == k {
			err = rows[i].decode(s.now(), &check)
		}
	}
	return check.DayTwo.Results, err
}

// Accounts is accountcheck.Rounds'.
func (r checks) Accounts(ctx context.Context) ([]string, error) { return r.s.Accounts(ctx) }
