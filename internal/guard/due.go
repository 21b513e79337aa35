package guard

import (
	"context"
	"errors"
	"slices"
	"time"
)

// short reports whether less than a time is left of the context's.
func (g *Guard) short(ctx context.Context, need time.Duration) bool {
	deadline, limited := ctx.Deadline()
	return limited && deadline.Sub(g.deps.Now()) < need
}

// spent reports whether too little time is left for another batch of live checks.
func (g *Guard) spent(ctx context.Context) bool {
	return ctx.Err() != nil || g.short(ctx, sweepReserve)
}

// retryIn is how long one is put off about whom IAM was silent that many times before.
func retryIn(unanswered int) time.Duration { return min(lastRetry, firstRetry<<min(unanswered, 10)) }

// faults are what went wrong in one run.
type faults struct {
	failures int  // in a row, of what a retry may cure
	halt     bool // the rest would fail too
	errs     []error
}

func (f *faults) fail(err error) {
	f.errs = append(f.errs, err)
	if !Retryable(err) {
		return // a fault of the one, which keeps no other back
	}
	if f.failures++; f.failures >= maxFailures {
		f.halt = true
	}
}

// drain has do look at each row that is due, once, the earliest first, until none
// is left. It leaves the rest to the next run, and more is true, where the time
// is up, several fail in a row, or do returns errRateLimited.
func drain[T any](ctx context.Context, g *Guard, what string, list func(limit int) ([]T, error), key func(*T) string, do func(*T) error) (more bool, err error) {
	var f faults
	passed := map[string]bool{} // done with, failed, or being worked on by another invocation
	for {
		due, err := list(g.settings.Batch + len(passed))
		if !listed(&f.errs, what, err) {
			return false, errors.Join(f.errs...)
		}
		due = slices.DeleteFunc(due, func(row T) bool { return passed[key(&row)] })
		if len(due) == 0 {
			return false, errors.Join(f.errs...)
		}
		for i := range due {
			if f.halt || g.short(ctx, insistReserve) {
				return true, errors.Join(f.errs...)
			}
			passed[key(&due[i])] = true
			switch err := do(&due[i]); {
			case errors.Is(err, ErrBusy):
			case errors.Is(err, errRateLimited):
				return true, errors.Join(f.errs...)
			case err != nil:
				f.fail(err)
			default:
				f.failures = 0
			}
		}
	}
}
