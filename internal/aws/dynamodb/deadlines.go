package dynamodb

import (
	"cmp"
	"context"
	"fmt"
	"time"

	"rootguard/internal/guard"
)

// ChangeQuarantine is guard.Quarantines'. It fails and repeats as an Update does.
func (s *Store) ChangeQuarantine(ctx context.Context, quarantineKey string, decide func(guard.Quarantine) guard.Quarantine) error {
	return schedule(ctx, s, deadlineRow(quarantinePrefix, quarantineKey), quarantineShard, quarantineKey, decide,
		func(q *guard.Quarantine) (string, time.Time) { return q.Key, q.Due })
}

// QuarantinesDue is guard.Quarantines'.
func (s *Store) QuarantinesDue(ctx context.Context, at time.Time, limit int) ([]guard.Quarantine, error) {
	isDue := func(q guard.Quarantine) bool { return !q.Due.IsZero() && !q.Due.After(at) }
	return due(ctx, s, quarantineShard, at, limit, isDue, func(a, b guard.Quarantine) int {
		return cmp.Or(a.Due.Compare(b.Due), cmp.Compare(a.Key, b.Key))
	})
}

// schedule changes a row that may have a time at which it is due. of returns the
// row's own key, "" where nothing is to be stored, and that time, zero where it
// has none.
func schedule[T any](ctx context.Context, s *Store, k key, shard, rowKey string, decide func(T) T, of func(*T) (string, time.Time)) error {
	return change(ctx, s, k, k.sk, func(value T) (r row, write bool, err error) {
		value = decide(value)
		own, due := of(&value)
		if own == "" {
			return row{}, false, nil
		}
		if own != rowKey {
			return row{}, false, guard.Permanent(fmt.Errorf("storing %q: only %q was read", own, rowKey))
		}
		if r, err = rowOf(k, value); err != nil {
			return row{}, false, err
		}
		if due.IsZero() {
			r.expires = s.now().Add(WindowTTL).Unix()
		} else {
			r.shard, r.due = dueShardOf(shard, rowKey), dueAt(due)
		}
		return r, true, nil
	})
}

// change reads a row, asks decide and stores what it returns, if the row is then
// still as it was read; else it does so again. what names the row in errors.
func change[T any](ctx context.Context, s *Store, k key, what string, decide func(was T) (r row, write bool, err error)) error {
	tried := ""
	var last error
	for attempt := 1; attempt <= attempts; attempt++ {
		rows, err := s.read(ctx, k)
		if err != nil {
			return err
		}
		was := rows[k]
		if tried != "" && was.version == tried {
			return nil // the attempt before had gone through, and its answer got lost
		}
		var value T
		if err := was.decode(s.now(), &value); err != nil {
			return err
		}
		r, write, err := decide(value)
		if err != nil || !write {
			return err
		}
		if err := r.fits(); err != nil {
			return err
		}
		if err = s.put(ctx, &r, was.version); err == nil {
			return nil
		}
		if !conflict(err) {
			return classed("storing "+what, err)
		}
		tried, last = r.version, err
		if err := pause(ctx, attempt); err != nil {
			return fmt.Errorf("storing %s: %w", what, err)
		}
	}
	return fmt.Errorf("storing %s: others kept changing it: %w", what, last)
}
