package dynamodb

import (
	"cmp"
	"context"
	"fmt"
	"time"

	"rootguard/internal/guard"
)

// Reschedule is guard.Deadlines', of users. It fails where others keep changing the
// same row for several seconds, and repeats decide until then.
func (s *Store) Reschedule(ctx context.Context, deadlineKey string, decide func(guard.Deadline) guard.Deadline) error {
	return s.reschedule(ctx, userPrefix, deadlineShard, deadlineKey, decide)
}

// Overdue is guard.Deadlines', of users.
func (s *Store) Overdue(ctx context.Context, at time.Time, limit int) ([]guard.Deadline, error) {
	return s.overdue(ctx, deadlineShard, at, limit)
}

// Recaps are the deadlines by which the recaps of announcements are due.
func (s *Store) Recaps() guard.Deadlines { return recaps{s} }

type recaps struct{ s *Store }

func (r recaps) Reschedule(ctx context.Context, key string, decide func(guard.Deadline) guard.Deadline) error {
	return r.s.reschedule(ctx, recapPrefix, recapShard, key, decide)
}

func (r recaps) Overdue(ctx context.Context, at time.Time, limit int) ([]guard.Deadline, error) {
	return r.s.overdue(ctx, recapShard, at, limit)
}

func (s *Store) reschedule(ctx context.Context, prefix, shard, deadlineKey string, decide func(guard.Deadline) guard.Deadline) error {
	return schedule(ctx, s, deadlineRow(prefix, deadlineKey), shard, deadlineKey, decide,
		func(d *guard.Deadline) (string, time.Time) { return d.Key, d.Due })
}

// ChangeQuarantine is guard.Quarantines'. It fails and repeats as Reschedule does.
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

func (s *Store) overdue(ctx context.Context, shard string, at time.Time, limit int) ([]guard.Deadline, error) {
	isDue := func(d guard.Deadline) bool { return !d.Due.IsZero() && !d.Due.After(at) }
	return due(ctx, s, shard, at, limit, isDue, func(a, b guard.Deadline) int {
		return cmp.Or(a.Due.Compare(b.Due), cmp.Compare(a.Key, b.Key))
	})
}
