package guard

import (
	"context"
	"errors"
	"fmt"
	"hash/fnv"
	"slices"
	"sync"
	"time"
)

// daily is how often an account's users are listed, and the accounts themselves.
const daily = 24 * time.Hour

// namedAccounts is how many accounts are named where IAM was silent about more.
const namedAccounts = 10

// slot is when an account is looked at next: a time of its own within the
// interval, so that ten thousand accounts are not all due at once, and at least
// half an interval away.
func slot(account string, every time.Duration, at time.Time) time.Time {
	next := at.Truncate(every).Add(spread(account, every))
	for next.Before(at.Add(every / 2)) {
		next = next.Add(every)
	}
	return next
}

// spread is a part of an interval, of each account another.
func spread(account string, every time.Duration) time.Duration {
	h := fnv.New64a()
	_, _ = h.Write([]byte(account))                 // never fails
	return time.Duration(h.Sum64() % uint64(every)) //nolint:gosec // below every
}

// silence puts a round off that got no answer.
func (r *Round) silence(at time.Time) {
	r.Due = at.Add(retryIn(r.Unanswered))
	r.Unanswered++
}

// rounds is one run through the rounds of a kind.
type rounds struct {
	*Guard
	faults // its halt also where the rest is too much
	at     time.Time
	stuck  map[string]bool // rounds that could not be moved on, or that go on in another run
	more   bool
}

// walk hands the rounds that are due to do, a batch at a time, the earliest
// first, until none is left or the time is up.
func (r *rounds) walk(ctx context.Context, kind RoundKind, batch int, do func(ctx context.Context, due []Round)) error {
	r.stuck = map[string]bool{}
	for {
		if ctx.Err() != nil {
			r.more = true
			return errors.Join(r.errs...)
		}
		due, err := r.deps.Rounds.Rounds(ctx, kind, r.at, batch+len(r.stuck))
		if !listed(&r.errs, fmt.Sprintf("accounts due for %s", kind), err) {
			return errors.Join(r.errs...)
		}
		due = slices.DeleteFunc(due, func(d Round) bool { return r.stuck[d.Key] })
		if len(due) == 0 {
			return errors.Join(r.errs...)
		}
		if r.halt || r.spent(ctx) {
			r.more = true
			return errors.Join(r.errs...)
		}
		due = due[:min(batch, len(due))]
		for _, d := range due {
			r.stuck[d.Key] = true
		}
		do(ctx, due)
	}
}

// store writes what became of a round, unless the row changed since it was
// read: then another run did the same, or the account was dropped meanwhile.
// Where it goes on, the row that was read becomes the row that was written.
func (r *rounds) store(ctx context.Context, was *Round, now Round) (stored bool) {
	now.Revision = was.Revision + 1
	err := r.deps.Rounds.Revise(ctx, was.Key, func(d Round) Round {
		if stored = d.Revision == was.Revision; !stored {
			return Round{}
		}
		now.Listed = d.Listed
		return now
	})
	if err != nil {
		r.fail(fmt.Errorf("storing when to look at account %s again: %w", was.Account, err))
		return false
	}
	if stored {
		r.failures = 0
		*was = now
	}
	return stored
}

// each calls do for 0 to n-1, some at a time.
func each(n int, do func(i int)) {
	var wg sync.WaitGroup
	next := make(chan int)
	for range min(n, liveWorkers) {
		wg.Go(func() {
			for i := range next {
				do(i)
			}
		})
	}
	for i := range n {
		next <- i
	}
	close(next)
	wg.Wait()
}
