// Package ending reports, once each, that something which lasts for a time is over: an
// announcement of root use, a suppression of alerts. A row says when. One whose report
// fails is put off by itself, and what a run leaves is due for the next.
package ending

import (
	"cmp"
	"context"
	"fmt"
	"strings"
	"time"

	"rootguard/internal/guard"
	"rootguard/internal/keys"
	"rootguard/internal/worker"
)

// reserve is what must be left of the context's time for one more.
const reserve = 3 * time.Second

// Row is when to report that one is over.
type Row struct {
	Key      string    `json:"key"` // see Key
	Account  string    `json:"account"`
	Due      time.Time `json:"due,omitzero"` // zero: it was reported
	Revision int       `json:"revision"`     // of the row, which begins at 1
	Failures int       `json:"failures,omitempty"`
}

// RowKey is worker.Row's.
func (r Row) RowKey() string { return r.Key }

// RowDue is worker.Row's.
func (r Row) RowDue() time.Time { return r.Due }

// Key is that of the row of an ID of an account: "account/time/ID", in whole seconds.
func Key(account string, at time.Time, id string) string {
	return keys.Account(account) + "/" + at.UTC().Format(time.RFC3339) + "/" + id
}

// Time is the time in the row's key.
func (r Row) Time() (time.Time, error) {
	_, rest, _ := strings.Cut(r.Key, "/")
	at, _, _ := strings.Cut(rest, "/")
	return time.Parse(time.RFC3339, at) //nolint:wrapcheck // the caller says of what
}

// Schedule keeps when what is reported.
type Schedule struct {
	Rows  worker.Rows[Row]
	Now   func() time.Time
	What  string // what ends, for the errors of Run: "suppressions that ended"
	Batch int    // rows read at a time; 0 is 64
}

// Add has a row reported at a time, if not earlier.
func (s Schedule) Add(ctx context.Context, key, account string, at time.Time) error {
	return s.Rows.Update(ctx, key, func(r Row) Row { //nolint:wrapcheck // the caller says of what
		if r.Key != "" && (r.Due.IsZero() || r.Due.Before(at)) {
			return Row{}
		}
		r.Key, r.Account, r.Due = key, account, at
		r.Revision++
		return r
	})
}

// Done says what Run did.
type Done struct {
	Ended int  // reported to be over
	More  bool // some are due that were left to the next run
}

// Run has report called for each row that is due at a time, until one succeeds. report
// says whether it reported that something is over.
func (s Schedule) Run(ctx context.Context, at time.Time, report func(ctx context.Context, r Row) (ended bool, err error)) (done Done,
	err error) {
	loop := worker.Loop[Row]{
		What: s.What, At: at, Now: s.Now, Page: cmp.Or(s.Batch, 64), Batch: 1, Reserve: reserve, Backoff: worker.AfterFailure(),
		Due:    s.Rows.Due,
		Row:    func(r *Row) (string, int) { return r.Key, r.Failures },
		PutOff: s.move,
	}
	loop.Do = worker.One(func(ctx context.Context, r *Row) worker.Result {
		ended, err := report(ctx, *r)
		if ended {
			done.Ended++
		}
		if err == nil {
			err = s.clear(ctx, r)
		}
		if err != nil {
			err = fmt.Errorf("reporting %s: %w", s.What, err)
		}
		return guard.ResultOf(err)
	})
	run := loop.Run(ctx)
	done.More = run.More
	return done, run.Err()
}

// clear takes a row off the index.
func (s Schedule) clear(ctx context.Context, r *Row) error {
	if _, err := s.move(ctx, r, 0, time.Time{}); err != nil {
		return fmt.Errorf("storing that the end of %s was reported: %w", r.Key, err)
	}
	return nil
}

// move stores when a row is due, unless it has changed.
func (s Schedule) move(ctx context.Context, r *Row, failures int, due time.Time) (stored bool, err error) {
	err = s.Rows.Update(ctx, r.Key, func(cur Row) Row {
		if stored = cur.Revision == r.Revision; !stored {
			return Row{}
		}
		cur.Due, cur.Failures = due, failures
		cur.Revision++
		return cur
	})
	return stored, err //nolint:wrapcheck // the callers say which row
}
