package fake

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"sync"
	"time"

	"rootguard/internal/guard"
)

var _ guard.Deadlines = (*Deadlines)(nil)

// Deadlines is a guard.Deadlines in memory. The zero value is ready.
type Deadlines struct {
	Script *Script
	// Conflicts makes every Reschedule call decide once in vain.
	Conflicts bool

	mu  sync.Mutex
	all map[string][]byte
}

// Reschedule is guard.Deadlines'.
func (d *Deadlines) Reschedule(ctx context.Context, key string, decide func(guard.Deadline) guard.Deadline) error {
	return d.Script.call("Deadlines.Reschedule", func() error {
		d.mu.Lock()
		defer d.mu.Unlock()
		if err := ctx.Err(); err != nil {
			return fmt.Errorf("storing deadline %s: %w", key, err)
		}
		var was guard.Deadline
		if raw, ok := d.all[key]; ok {
			if err := json.Unmarshal(raw, &was); err != nil {
				return fmt.Errorf("decoding deadline %s: %w", key, err)
			}
		}
		if d.Conflicts {
			decide(was)
		}
		now := decide(was)
		if now.Key == "" {
			return nil
		}
		raw, err := json.Marshal(now)
		if err != nil {
			return fmt.Errorf("encoding deadline %s: %w", key, err)
		}
		if d.all == nil {
			d.all = map[string][]byte{}
		}
		d.all[key] = raw
		return nil
	})
}

// Overdue is guard.Deadlines'.
func (d *Deadlines) Overdue(ctx context.Context, at time.Time, limit int) (due []guard.Deadline, err error) {
	err = d.Script.call("Deadlines.Overdue", func() error {
		d.mu.Lock()
		defer d.mu.Unlock()
		if err := ctx.Err(); err != nil {
			return fmt.Errorf("listing deadlines: %w", err)
		}
		all, err := rows[guard.Deadline](d.all)
		if err != nil {
			return err
		}
		due = slices.DeleteFunc(all, func(d guard.Deadline) bool { return d.Due.IsZero() || d.Due.After(at) })
		slices.SortFunc(due, func(a, b guard.Deadline) int { return cmp.Or(a.Due.Compare(b.Due), cmp.Compare(a.Key, b.Key)) })
		due = due[:min(limit, len(due))]
		return nil
	})
	if err != nil {
		return nil, err
	}
	return due, nil
}
