// Package worker works through rows that are due: the earliest first, in bounded
// time and number. A row that fails is put off by itself, with a back-off that is
// stored on it, and holds nothing else back.
package worker

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"rootguard/internal/failure"
)

// Outcome is what became of a row in a run.
type Outcome uint8

// The outcomes.
const (
	Left   Outcome = iota // still due, and not handed out again in this run: another invocation has it, say
	Moved                 // done with: it is stored when it is due next, or that it is not
	Again                 // still due, and may be handed out again in this run
	Failed                // Err says why; the loop puts it off
	Stop                  // still due, and so is the rest: this run goes on no further
)

// Result is the outcome of one row. A row may have an error beside any outcome.
type Result struct {
	Outcome Outcome
	Err     error
}

const (
	// inARow is a Loop's GiveUp where that is 0.
	inARow = 20

	// handOuts bounds how often a row is handed out in a run, whatever is said of it:
	// none that stays due keeps a run from its end.
	handOuts = 5

	// namedErrors is how many errors of a kind a run returns one by one.
	namedErrors = 5

	// lateWrite bounds storing that a row is put off whose handling took all the
	// time there was.
	lateWrite = 2 * time.Second
)

// Loop is one kind of row and what is done about it. All fields but Most,
// Reserve and GiveUp are needed.
type Loop[T any] struct {
	What string    // the rows, in errors: "users due"
	At   time.Time // rows are handled that are due by then
	Now  func() time.Time

	Page  int // rows listed at a time
	Batch int // rows handed to Do at a time
	// Most is after how many rows, moved or put off, a run ends; 0: no bound.
	Most int
	// Reserve is what must be left of the context's time for one more batch.
	Reserve time.Duration
	// GiveUp is how many rows may fail in a row, by what a retry may cure, before a
	// run ends: what they need, such as the topic of alerts, is down. They are put
	// off, so that the next run begins with others. 0: 20.
	GiveUp  int
	Backoff Backoff

	// Due lists at most limit rows, the earliest first. An error that is not
	// retryable is about rows that cannot be read; the others come beside it.
	Due func(ctx context.Context, at time.Time, limit int) ([]T, error)
	// Row is a row's key, and how often it failed in a row by what is stored.
	Row func(row *T) (key string, failures int)
	// Do handles rows, which it may change, and returns a result for each. page
	// counts the listings: rows of one page are as they were when it was listed.
	Do func(ctx context.Context, page int, rows []T) []Result
	// PutOff stores on a row, which it is given as it was listed, that it failed, how
	// often, and until when it is put off. stored is false where the row has changed since it was listed, and stays.
	PutOff func(ctx context.Context, row *T, failures int, until time.Time) (stored bool, err error)
}

// Run is what became of one run.
type Run struct {
	Moved  int  // rows
	PutOff int  // rows that failed
	More   bool // rows that are due were left to the next run

	kept map[bool][]error // by whether a retry may cure them
	more map[bool]int     // errors beyond those kept
	last map[bool]error
}

// Err joins the errors of the run, a few of each kind by themselves. It can be
// cured by a retry where one of them can.
func (r *Run) Err() error {
	var all []error
	for _, retryable := range []bool{true, false} {
		all = append(all, r.kept[retryable]...)
		if n := r.more[retryable]; n > 0 {
			all = append(all, fmt.Errorf("and %d more errors, the last: %w", n, r.last[retryable]))
		}
	}
	return errors.Join(all...)
}

func (r *Run) fail(err error, retryable bool) {
	if r.kept == nil {
		r.kept, r.more, r.last = map[bool][]error{}, map[bool]int{}, map[bool]error{}
	}
	if slices.ContainsFunc(r.kept[retryable], func(e error) bool { return e.Error() == err.Error() }) {
		return // a listing says the same at every page
	}
	if len(r.kept[retryable]) < namedErrors {
		r.kept[retryable] = append(r.kept[retryable], err)
		return
	}
	r.more[retryable]++
	r.last[retryable] = err
}

// Run hands out the rows that are due until none is left, the time is short, Most
// is reached, or many fail in a row. Of the rows of a page, those that failed
// before come last.
func (l *Loop[T]) Run(ctx context.Context) (run Run) { //nolint:gocognit // the one loop over due rows, whose order is what it promises
	left, handed := map[string]bool{}, map[string]int{}
	failed := 0 // in a row
	for page := 1; ; page++ {
		if ctx.Err() != nil {
			run.More = true
			return run
		}
		due, err := l.list(ctx, left, &run)
		if err != nil || len(due) == 0 {
			return run
		}
		progress := false
		for rows := range slices.Chunk(due, max(1, l.Batch)) {
			if failed >= cmp.Or(l.GiveUp, inARow) || l.Most > 0 && run.Moved+run.PutOff >= l.Most || l.short(ctx) {
				run.More = true
				return run
			}
			results := l.Do(ctx, page, slices.Clone(rows)) // PutOff gets each as it was listed
			for i := range rows {
				key, _ := l.Row(&rows[i])
				res := results[i]
				if handed[key]++; handed[key] >= handOuts {
					left[key] = true
				}
				if res.Err != nil {
					run.fail(res.Err, failure.Retryable(res.Err))
				}
				switch res.Outcome {
				case Moved:
					run.Moved++
					failed, progress = 0, true
				case Again:
				case Left:
					left[key], progress = true, true
				case Failed:
					progress = true
					if failure.Retryable(res.Err) {
						failed++
					}
					if !l.putOff(ctx, &rows[i], res.Err, &run) {
						left[key] = true
					}
				case Stop:
					run.More = true
					return run
				}
			}
		}
		if !progress {
			run.More = true
			return run
		}
	}
}

// list is the next page.
func (l *Loop[T]) list(ctx context.Context, left map[string]bool, run *Run) ([]T, error) {
	due, err := l.Due(ctx, l.At, l.Page+len(left))
	if err != nil {
		retryable := failure.Retryable(err)
		run.fail(fmt.Errorf("listing %s: %w", l.What, err), retryable)
		if retryable {
			return nil, err
		}
	}
	due = slices.DeleteFunc(due, func(row T) bool {
		key, _ := l.Row(&row)
		return left[key]
	})
	due = due[:min(len(due), l.Page)]
	slices.SortStableFunc(due, func(a, b T) int {
		_, failuresA := l.Row(&a)
		_, failuresB := l.Row(&b)
		return min(failuresA, 1) - min(failuresB, 1)
	})
	return due, nil
}

// putOff reports whether the row is due later by now.
func (l *Loop[T]) putOff(ctx context.Context, row *T, cause error, run *Run) bool {
	if errors.Is(ctx.Err(), context.DeadlineExceeded) {
		// Else a row that takes all the time would do so in every run.
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(context.WithoutCancel(ctx), lateWrite)
		defer cancel()
	}
	key, failures := l.Row(row)
	failures++
	after := l.Backoff.After(key, failures)
	if !failure.Retryable(cause) {
		after = l.Backoff.Max - jitter(key, failures, l.Backoff.Max/4)
	}
	stored, err := l.PutOff(ctx, row, failures, l.At.Add(after))
	if err != nil {
		err = fmt.Errorf("putting off %s: %w", key, err)
		run.fail(err, failure.Retryable(err))
		return false
	}
	if stored {
		run.PutOff++
	}
	return stored
}

func (l *Loop[T]) short(ctx context.Context) bool {
	deadline, limited := ctx.Deadline()
	return ctx.Err() != nil || limited && deadline.Sub(l.Now()) < l.Reserve
}
