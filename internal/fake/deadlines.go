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

var (
	_ guard.Quarantines = (*Quarantines)(nil)
)

// Quarantines is a guard.Quarantines in memory. The zero value is ready.
type Quarantines struct {
	Script *Script
	// Conflicts makes every ChangeQuarantine call decide once in vain.
	Conflicts bool

	rows dueRows[guard.Quarantine]
}

// ChangeQuarantine is guard.Quarantines'.
func (q *Quarantines) ChangeQuarantine(ctx context.Context, key string, decide func(guard.Quarantine) guard.Quarantine) error {
	return q.Script.call("Quarantines.ChangeQuarantine", func() error {
		return q.rows.change(ctx, key, q.Conflicts, decide, func(q guard.Quarantine) string { return q.Key })
	})
}

// QuarantinesDue is guard.Quarantines'.
func (q *Quarantines) QuarantinesDue(ctx context.Context, at time.Time, limit int) (due []guard.Quarantine, err error) {
	err = q.Script.call("Quarantines.QuarantinesDue", func() (err error) {
		due, err = q.rows.due(ctx, at, limit, func(q guard.Quarantine) (time.Time, string) { return q.Due, q.Key })
		return err
	})
	if err != nil {
		return nil, err
	}
	return due, nil
}

// dueRows are rows that may have a time at which they are due.
type dueRows[T any] struct {
	mu  sync.Mutex
	all map[string][]byte
}

func (r *dueRows[T]) change(ctx context.Context, key string, conflicts bool, decide func(T) T, keyOf func(T) string) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if err := ctx.Err(); err != nil {
		return fmt.Errorf("storing %s: %w", key, err)
	}
	var was T
	if raw, ok := r.all[key]; ok {
		if err := json.Unmarshal(raw, &was); err != nil {
			return fmt.Errorf("decoding %s: %w", key, err)
		}
	}
	if conflicts {
		decide(was)
	}
	now := decide(was)
	if keyOf(now) == "" {
		return nil
	}
	raw, err := json.Marshal(now)
	if err != nil {
		return fmt.Errorf("encoding %s: %w", key, err)
	}
	if r.all == nil {
		r.all = map[string][]byte{}
	}
	r.all[key] = raw
	return nil
}

func (r *dueRows[T]) due(ctx context.Context, at time.Time, limit int, of func(T) (due time.Time, key string)) ([]T, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if err := ctx.Err(); err != nil {
		return nil, fmt.Errorf("listing what is due: %w", err)
	}
	all, err := rows[T](r.all)
	if err != nil {
		return nil, err
	}
	due := slices.DeleteFunc(all, func(one T) bool {
		due, _ := of(one)
		return due.IsZero() || due.After(at)
	})
	slices.SortFunc(due, func(a, b T) int {
		dueA, keyA := of(a)
		dueB, keyB := of(b)
		return cmp.Or(dueA.Compare(dueB), cmp.Compare(keyA, keyB))
	})
	return due[:min(limit, len(due))], nil
}
