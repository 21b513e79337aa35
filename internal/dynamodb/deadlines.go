package dynamodb

import (
	"cmp"
	"context"
	"fmt"
	"time"

	"rootguard/internal/guard"
)

// Reschedule is guard.Deadlines'. It fails where others keep changing the same
// row for several seconds, and repeats decide until then.
func (s *Store) Reschedule(ctx context.Context, deadlineKey string, decide func(guard.Deadline) guard.Deadline) error {
	k := deadlineRow(deadlineKey)
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
		var d guard.Deadline
		if err := was.decode(s.now(), &d); err != nil {
			return err
		}
		if d = decide(d); d.Key == "" {
			return nil
		}
		if d.Key != deadlineKey {
			return guard.Permanent(fmt.Errorf("storing deadline %q: only %q was read", d.Key, deadlineKey))
		}
		r, err := rowOf(k, d)
		if err != nil {
			return err
		}
		if d.Due.IsZero() {
			r.expires = s.now().Add(WindowTTL).Unix()
		} else {
			r.shard, r.due = dueShardOf(deadlineShard, deadlineKey), dueAt(d.Due)
		}
		if err := r.fits(); err != nil {
			return err
		}
		if err = s.put(ctx, &r, was.version); err == nil {
			return nil
		}
		if !conflict(err) {
			return classed("storing deadline "+deadlineKey, err)
		}
		tried, last = r.version, err
		if err := pause(ctx, attempt); err != nil {
			return fmt.Errorf("storing deadline %s: %w", deadlineKey, err)
		}
	}
	return fmt.Errorf("storing deadline %s: others kept changing it: %w", deadlineKey, last)
}

// Overdue is guard.Deadlines'.
func (s *Store) Overdue(ctx context.Context, at time.Time, limit int) ([]guard.Deadline, error) {
	isDue := func(d guard.Deadline) bool { return !d.Due.IsZero() && !d.Due.After(at) }
	return due(ctx, s, deadlineShard, at, limit, isDue, func(a, b guard.Deadline) int {
		return cmp.Or(a.Due.Compare(b.Due), cmp.Compare(a.Key, b.Key))
	})
}
