package fake

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"rootguard/internal/accountcheck"
	"rootguard/internal/ending"
	"rootguard/internal/failure"
	"rootguard/internal/mfadeadline"
	"rootguard/internal/quarantine"
	"rootguard/internal/worker"
)

var (
	_ worker.Rows[mfadeadline.Deadline] = (*Deadlines)(nil)
	_ quarantine.Rows                   = (*Quarantines)(nil)
	_ worker.Rows[ending.Row]           = (*Ends)(nil)
	_ accountcheck.Checks               = (*Checks)(nil)
)

// Deadlines are when users are to be checked.
type Deadlines = Rows[mfadeadline.Deadline]

// Quarantines are how far the quarantine of each user has come.
type Quarantines = Rows[quarantine.Quarantine]

// Ends are when it is reported that something is over.
type Ends = Rows[ending.Row]

// Rows is a worker.Rows in memory. The zero value is ready.
type Rows[T worker.Row] struct {
	Script *Script
	// Conflicts makes every Update call decide once in vain.
	Conflicts bool
	// Lag makes Due find what the index had at the call before: an index is
	// eventually consistent (Amazon DynamoDB Developer Guide, global secondary
	// indexes). Rows are returned as they are, if they are still due.
	Lag bool

	mu    sync.Mutex
	all   table[T]
	index map[string]time.Time // when the rows were due at the last Due
}

// name is the rows' in a Script: "Deadlines" of mfadeadline.Deadline.
func (r *Rows[T]) name() string {
	var none T
	_, name, _ := strings.Cut(fmt.Sprintf("%T", none), ".")
	if stem, ok := strings.CutSuffix(name, "y"); ok {
		return stem + "ies"
	}
	return name + "s"
}

// Get is worker.Rows'.
func (r *Rows[T]) Get(ctx context.Context, key string) (row T, err error) {
	err = r.Script.call(r.name()+".Get", func() error {
		r.mu.Lock()
		defer r.mu.Unlock()
		if err := ctx.Err(); err != nil {
			return fmt.Errorf("reading %s: %w", key, err)
		}
		row, _ = r.all.get(key)
		return nil
	})
	if err != nil {
		var none T
		return none, err
	}
	return row, nil
}

// Update is worker.Rows'.
func (r *Rows[T]) Update(ctx context.Context, key string, decide func(T) T) error {
	return r.Script.call(r.name()+".Update", func() error {
		r.mu.Lock()
		defer r.mu.Unlock()
		if err := ctx.Err(); err != nil {
			return fmt.Errorf("storing %s: %w", key, err)
		}
		was, _ := r.all.get(key)
		if r.Conflicts {
			decide(was)
			was, _ = r.all.get(key)
		}
		now := decide(was)
		if k := now.RowKey(); k != "" && k != key {
			return failure.Permanent(fmt.Errorf("storing %q: only %q was read", now.RowKey(), key))
		}
		return r.all.put(now.RowKey(), now)
	})
}

// Due is worker.Rows'.
func (r *Rows[T]) Due(ctx context.Context, at time.Time, limit int) (due []T, err error) {
	err = r.Script.call(r.name()+".Due", func() error {
		r.mu.Lock()
		defer r.mu.Unlock()
		if err := ctx.Err(); err != nil {
			return fmt.Errorf("listing what is due: %w", err)
		}
		isDue := func(due time.Time) bool { return !due.IsZero() && !due.After(at) }
		shown := r.index
		if r.Lag {
			r.index = make(map[string]time.Time, len(r.all.rows))
			for key, row := range r.all.rows {
				r.index[key] = row.RowDue()
			}
		}
		var keys []string
		for key, row := range r.all.rows {
			if isDue(row.RowDue()) && (!r.Lag || isDue(shown[key])) {
				keys = append(keys, key)
			}
		}
		slices.SortFunc(keys, func(a, b string) int {
			return cmp.Or(r.all.rows[a].RowDue().Compare(r.all.rows[b].RowDue()), cmp.Compare(a, b))
		})
		due = make([]T, min(limit, len(keys)))
		for i := range due {
			due[i], _ = r.all.get(keys[i])
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	return due, nil
}

// Checks is a accountcheck.Rounds in memory. The zero value is ready.
type Checks struct {
	Script *Script
	// Conflicts makes every Update call decide once in vain.
	Conflicts bool
	// Others are accounts on record that have no round.
	Others []string

	mu    sync.Mutex
	kinds map[accountcheck.Kind]*Rows[accountcheck.Check]
}

// Of is accountcheck.Rounds'.
func (r *Checks) Of(kind accountcheck.Kind) worker.Rows[accountcheck.Check] {
	r.mu.Lock()
	defer r.mu.Unlock()
	rows := r.kinds[kind]
	if rows == nil {
		if r.kinds == nil {
			r.kinds = map[accountcheck.Kind]*Rows[accountcheck.Check]{}
		}
		rows = &Rows[accountcheck.Check]{Script: r.Script, Conflicts: r.Conflicts}
		r.kinds[kind] = rows
	}
	if kind == accountcheck.KindDiscovery {
		return unlisted{rows}
	}
	return rows
}

// unlisted are rows that are never listed as due.
type unlisted struct{ rows *Rows[accountcheck.Check] }

// Get is worker.Rows'.
func (u unlisted) Get(ctx context.Context, key string) (accountcheck.Check, error) {
	return u.rows.Get(ctx, key)
}

// Update is worker.Rows'.
func (u unlisted) Update(ctx context.Context, key string, decide func(accountcheck.Check) accountcheck.Check) error {
	return u.rows.Update(ctx, key, decide)
}

// Due is worker.Rows'.
func (u unlisted) Due(ctx context.Context, _ time.Time, _ int) ([]accountcheck.Check, error) {
	return []accountcheck.Check{}, ctx.Err()
}

// Accounts is accountcheck.Rounds'.
func (r *Checks) Accounts(ctx context.Context) (accounts []string, err error) {
	err = r.Script.call("Checks.Accounts", func() error {
		r.mu.Lock()
		defer r.mu.Unlock()
		if err := ctx.Err(); err != nil {
			return fmt.Errorf("listing accounts: %w", err)
		}
		accounts = slices.Clone(r.Others)
		for _, rows := range r.kinds {
			rows.mu.Lock()
			for key := range rows.all.rows {
				account, _, _ := strings.Cut(key, "/")
				accounts = append(accounts, account)
			}
			rows.mu.Unlock()
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
