package guard

import (
	"context"
	"errors"
	"time"

	"rootguard/internal/worker"
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

// backoff is how long a row is put off that failed. The second attempt is made by
// the next run, which comes five minutes later.
var backoff = worker.Backoff{First: 2 * time.Minute, Max: lastRetry}

// unansweredBackoff is how long one is put off about whom IAM does not answer.
var unansweredBackoff = worker.Backoff{First: firstRetry, Max: lastRetry}

// loopOf is a loop over rows that are handled one by one.
func loopOf[T any](g *Guard, what string, at time.Time) worker.Loop[T] {
	return worker.Loop[T]{
		What: what, At: at, Now: g.deps.Now, Retryable: Retryable, Page: g.settings.Batch, Batch: 1, Reserve: insistReserve, Backoff: backoff,
	}
}

// each1 handles rows one after the other.
func each1[T any](do func(ctx context.Context, row *T) worker.Result) func(context.Context, int, []T) []worker.Result {
	return func(ctx context.Context, _ int, rows []T) []worker.Result {
		results := make([]worker.Result, len(rows))
		for i := range rows {
			results[i] = do(ctx, &rows[i])
		}
		return results
	}
}

// resultOf is the result of a row that is moved on unless there is an error.
func resultOf(err error) worker.Result {
	switch {
	case err == nil:
		return worker.Result{Outcome: worker.Moved}
	case errors.Is(err, ErrBusy):
		return worker.Result{Outcome: worker.Left}
	case errors.Is(err, errRateLimited):
		return worker.Result{Outcome: worker.Stop}
	default:
		return worker.Result{Outcome: worker.Failed, Err: err}
	}
}

// putOffIn stores that a deadline's attempt failed, unless the row has changed.
func putOffIn(rows Rows[Deadline]) func(ctx context.Context, d *Deadline, failures int, until time.Time) (bool, error) {
	return func(ctx context.Context, d *Deadline, failures int, until time.Time) (stored bool, err error) {
		err = rows.Update(ctx, d.Key, func(cur Deadline) Deadline {
			if stored = cur.Revision == d.Revision; !stored {
				return Deadline{}
			}
			cur.Due, cur.Failures = until, failures
			cur.Revision++
			return cur
		})
		return stored, err
	}
}
