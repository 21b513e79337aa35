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

var _ guard.Rounds = (*Rounds)(nil)

// Rounds is a guard.Rounds in memory. The zero value is ready.
type Rounds struct {
	Script *Script
	// Conflicts makes every Revise call decide once in vain.
	Conflicts bool
	// Others are accounts on record that have no round.
	Others []string

	mu  sync.Mutex
	all map[string]roundRow
}

// roundRow is a row, and what it is found by: decoding ten thousand to find the
// few that are due would take most of a test's time.
type roundRow struct {
	raw     []byte
	kind    guard.RoundKind
	due     time.Time
	account string
}

// Revise is guard.Rounds'.
func (r *Rounds) Revise(ctx context.Context, key string, decide func(guard.Round) guard.Round) error {
	return r.Script.call("Rounds.Revise", func() error {
		r.mu.Lock()
		defer r.mu.Unlock()
		if err := ctx.Err(); err != nil {
			return fmt.Errorf("storing round %s: %w", key, err)
		}
		var was guard.Round
		if row, ok := r.all[key]; ok {
			if err := json.Unmarshal(row.raw, &was); err != nil {
				return fmt.Errorf("decoding round %s: %w", key, err)
			}
		}
		if r.Conflicts {
			decide(was)
		}
		now := decide(was)
		if now.Key == "" {
			return nil
		}
		raw, err := json.Marshal(now)
		if err != nil {
			return fmt.Errorf("encoding round %s: %w", key, err)
		}
		if r.all == nil {
			r.all = map[string]roundRow{}
		}
		r.all[key] = roundRow{raw, now.Kind, now.Due, now.Account}
		return nil
	})
}

// Rounds is guard.Rounds'.
func (r *Rounds) Rounds(ctx context.Context, kind guard.RoundKind, at time.Time, limit int) (due []guard.Round, err error) {
	err = r.Script.call("Rounds.Rounds", func() error {
		r.mu.Lock()
		defer r.mu.Unlock()
		if err := ctx.Err(); err != nil {
			return fmt.Errorf("listing rounds: %w", err)
		}
		var keys []string
		for key, row := range r.all {
			if row.kind == kind && !row.due.IsZero() && !row.due.After(at) {
				keys = append(keys, key)
			}
		}
		slices.SortFunc(keys, func(a, b string) int { return cmp.Or(r.all[a].due.Compare(r.all[b].due), cmp.Compare(a, b)) })
		due = make([]guard.Round, min(limit, len(keys)))
		for i := range due {
			if err := json.Unmarshal(r.all[keys[i]].raw, &due[i]); err != nil {
				return fmt.Errorf("decoding round %s: %w", keys[i], err)
			}
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	return due, nil
}

// Accounts is guard.Rounds'.
func (r *Rounds) Accounts(ctx context.Context) (accounts []string, err error) {
	err = r.Script.call("Rounds.Accounts", func() error {
		r.mu.Lock()
		defer r.mu.Unlock()
		if err := ctx.Err(); err != nil {
			return fmt.Errorf("listing accounts: %w", err)
		}
		accounts = slices.Clone(r.Others)
		for _, row := range r.all {
			accounts = append(accounts, row.account)
		}
		slices.Sort(accounts)
		accounts = slices.Compact(accounts)
		return nil
	})
	if err != nil {
		return nil, err
	}
	return accounts, nil
}
