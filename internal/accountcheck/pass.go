package accountcheck

import (
	"context"
	"errors"
	"fmt"
	"hash/fnv"
	"maps"
	"slices"
	"time"

	"rootguard/internal/worker"
)

// daily is how often an account's users are listed, and the accounts themselves.
const daily = 24 * time.Hour

// namedAccounts is how many accounts are named where IAM was silent about more.
const namedAccounts = 10

// nextCheck is when an account is checked next: a time of its own within the
// interval, so that ten thousand accounts are not all due at once, and at least
// half an interval away.
func nextCheck(account string, every time.Duration, at time.Time) time.Time {
	next := at.Truncate(every).Add(jitter(account, every))
	for next.Before(at.Add(every / 2)) {
		next = next.Add(every)
	}
	return next
}

// jitter is a part of an interval, of each account another.
func jitter(account string, every time.Duration) time.Duration {
	h := fnv.New64a()
	_, _ = h.Write([]byte(account))                 // never fails
	return time.Duration(h.Sum64() % uint64(every)) //nolint:gosec // below every
}

// noAnswer puts a check off that got no answer.
func (r *Check) noAnswer(at time.Time) {
	r.UnansweredChecks++
	r.Due = at.Add(worker.Unreachable().After(r.Key, r.UnansweredChecks))
}

// checksPage is how many batches of checks are listed at a time.
const checksPage = 8

// pass is one run through the checks of a kind.
type pass struct {
	*Checker
	at   time.Time
	halt bool // the rest would fail too, or is too much
	more bool

	errs   []error          // beside the checks
	failed map[string]error // checks that could not be handled, by key
	moved  map[string]bool  // checks that are not due any more, by key
}

// fail notes what went wrong beside the checks.
func (r *pass) fail(err error) { r.errs = append(r.errs, err) }

// failCheck notes that a check could not be handled: it is put off.
func (r *pass) failCheck(was *Check, err error) {
	if r.failed == nil {
		r.failed = map[string]error{}
	}
	r.failed[was.Key] = errors.Join(r.failed[was.Key], err)
}

// err is what went wrong where one check was handled outside of a walk.
func (r *pass) err() error {
	errs := slices.Clone(r.errs)
	for _, key := range slices.Sorted(maps.Keys(r.failed)) {
		errs = append(errs, r.failed[key])
	}
	return errors.Join(errs...)
}

// walk hands the checks that are due to do, a batch at a time, the earliest
// first, until none is left or the time is up.
func (r *pass) walk(ctx context.Context, kind Kind, batch int, do func(ctx context.Context, due []Check)) error {
	loop := worker.Loop[Check]{
		What: fmt.Sprintf("accounts due for %s", kind), At: r.at, Now: r.deps.Now, Backoff: worker.AfterFailure(),
		Page: checksPage * batch, Batch: batch, Reserve: reserve,
		Due: r.deps.Checks.Of(kind).Due,
		Row: func(d *Check) (string, int) { return d.Key, max(d.Failures, d.UnansweredChecks) },
		Do: func(ctx context.Context, _ int, due []Check) []worker.Result {
			results := make([]worker.Result, len(due))
			if r.halt {
				results[0].Outcome = worker.Stop
				return results
			}
			r.failed, r.moved = map[string]error{}, map[string]bool{}
			do(ctx, due)
			for i := range due {
				switch key := due[i].Key; {
				case r.failed[key] != nil:
					results[i] = worker.Result{Outcome: worker.Failed, Err: r.failed[key]}
				case r.moved[key]:
					results[i].Outcome = worker.Moved
				}
			}
			return results
		},
		PutOff: func(ctx context.Context, d *Check, failures int, until time.Time) (stored bool, err error) {
			err = r.schedule.revise(ctx, d.Account, kind, func(now Check) (Check, bool) {
				stored = now.Revision == d.Revision
				now.Due, now.Failures = until, failures
				return now, stored
			})
			return stored, err
		},
	}
	run := loop.Run(ctx)
	r.more = r.more || run.More
	return errors.Join(append(r.errs, run.Err())...)
}

// store writes what became of a check, unless the row changed since it was
// read: then another run did the same, or the account was dropped meanwhile.
// Where it goes on, the row that was read becomes the row that was written.
func (r *pass) store(ctx context.Context, was *Check, now Check) (stored bool) {
	now.Revision, now.Failures = was.Revision+1, 0
	err := r.deps.Checks.Of(was.Kind).Update(ctx, was.Key, func(d Check) Check {
		if stored = d.Revision == was.Revision; !stored {
			return Check{}
		}
		now.Listed = d.Listed
		return now
	})
	if err != nil {
		r.failCheck(was, fmt.Errorf("storing when to check account %s again: %w", was.Account, err))
		return false
	}
	if stored {
		if r.moved != nil {
			r.moved[was.Key] = now.Due.IsZero() || now.Due.After(r.at)
		}
		*was = now
	}
	return stored
}
