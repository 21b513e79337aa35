package worker_test

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"pgregory.net/rapid"

	"rootguard/internal/failure"
	"rootguard/internal/testenv"

	"rootguard/internal/worker"
)

var (
	t0           = time.Date(2025, 3, 1, 12, 0, 0, 0, time.UTC)
	errDown      = errors.New("down")
	errPermanent = failure.Permanent(errors.New("refused for good"))
)

// row is a row of the model.
type row struct {
	key      string
	due      time.Time
	failures int
	revision int
}

// table keeps rows, as an adapter does.
type table struct {
	mu   sync.Mutex
	rows map[string]row
	down error // of listing
	deny error // of putting off
}

func (tb *table) due(_ context.Context, at time.Time, limit int) ([]row, error) {
	tb.mu.Lock()
	defer tb.mu.Unlock()
	if tb.down != nil {
		return nil, tb.down
	}
	var due []row
	for _, r := range tb.rows {
		if !r.due.IsZero() && !r.due.After(at) {
			due = append(due, r)
		}
	}
	slices.SortFunc(due, func(a, b row) int { return cmp.Or(a.due.Compare(b.due), cmp.Compare(a.key, b.key)) })
	return due[:min(limit, len(due))], nil
}

func (tb *table) store(was *row, due time.Time, failures int) bool {
	tb.mu.Lock()
	defer tb.mu.Unlock()
	now := tb.rows[was.key]
	if now.revision != was.revision {
		return false
	}
	now.due, now.failures = due, failures
	now.revision++
	tb.rows[was.key] = now
	return true
}

func (tb *table) loop(at time.Time, do func(context.Context, *row) worker.Result) worker.Loop[row] {
	return worker.Loop[row]{
		What: "rows due", At: at, Now: func() time.Time { return at },
		Page: 8, Batch: 2, Backoff: worker.Backoff{First: 2 * time.Minute, Max: time.Hour},
		Due: tb.due,
		Row: func(r *row) (string, int) { return r.key, r.failures },
		Do: func(ctx context.Context, _ int, rows []row) []worker.Result {
			results := make([]worker.Result, len(rows))
			for i := range rows {
				results[i] = do(ctx, &rows[i])
			}
			return results
		},
		PutOff: func(_ context.Context, r *row, failures int, until time.Time) (bool, error) {
			if tb.deny != nil {
				return false, tb.deny
			}
			return tb.store(r, until, failures), nil
		},
	}
}

// behavior is how a row of the model is handled.
type behavior int

const (
	healthy   behavior = iota
	sometimes          // fails at random
	always             // by what a retry might cure
	permanent          // by what no retry cures
	unchanged          // its row changes while it is handled
)

// TestFailingRowsHoldNothingBack runs a worker every five minutes over rows of
// which some fail for good and some at times. Each healthy row is handled in a
// bounded number of runs after it is due, the distance of attempts at one that
// fails grows up to an hour, and none is handled twice at once.
func TestFailingRowsHoldNothingBack(t *testing.T) {
	testenv.Check(t, 100, func(rt *rapid.T) {
		n := rapid.IntRange(1, 120).Draw(rt, "rows")
		tb := &table{rows: map[string]row{}}
		is := map[string]behavior{}
		due := map[string]time.Time{}
		bad := 0
		for i := range n {
			key := fmt.Sprintf("row-%03d", i)
			is[key] = rapid.SampledFrom([]behavior{healthy, healthy, sometimes, always, permanent, unchanged}).Draw(rt, "behavior")
			due[key] = t0.Add(time.Duration(rapid.IntRange(0, 600).Draw(rt, "due")) * time.Minute)
			tb.rows[key] = row{key: key, due: due[key]}
			if is[key] != healthy {
				bad++
			}
		}
		fails := rapid.SliceOfN(rapid.Bool(), 64, 64).Draw(rt, "fails")
		attempts := map[string][]time.Time{}
		handled := map[string]time.Time{}
		tries := 0
		busy := map[string]bool{}
		var mu sync.Mutex
		const every = 5 * time.Minute
		for at := t0; at.Before(t0.Add(24 * time.Hour)); at = at.Add(every) {
			loop := tb.loop(at, func(_ context.Context, r *row) worker.Result {
				mu.Lock()
				if busy[r.key] {
					rt.Errorf("%s is handled twice at once", r.key)
				}
				busy[r.key] = true
				attempts[r.key] = append(attempts[r.key], at)
				tries++
				try := tries
				mu.Unlock()
				defer func() { mu.Lock(); busy[r.key] = false; mu.Unlock() }()
				switch is[r.key] {
				case always:
					return worker.Result{Outcome: worker.Failed, Err: errDown}
				case permanent:
					return worker.Result{Outcome: worker.Failed, Err: errPermanent}
				case sometimes:
					if fails[try%len(fails)] && len(attempts[r.key]) < 6 {
						return worker.Result{Outcome: worker.Failed, Err: errDown}
					}
				case unchanged:
					if len(attempts[r.key]) == 1 {
						changed := *r
						tb.store(&changed, r.due, r.failures)
						return worker.Result{Outcome: worker.Left}
					}
				case healthy:
				}
				if !tb.store(r, time.Time{}, 0) {
					rt.Errorf("%s changed under the worker", r.key)
				}
				handled[r.key] = at
				return worker.Result{Outcome: worker.Moved}
			})
			run := loop.Run(context.Background())
			if run.Err() != nil && bad == 0 {
				rt.Errorf("at %v: %v", at, run.Err())
			}
		}
		for key, b := range is {
			switch b {
			case always, permanent:
				if !handled[key].IsZero() {
					rt.Errorf("%s was handled", key)
				}
				growing(rt, key, attempts[key], b == permanent)
			case healthy:
				// Twenty failures in a row end a run, and are put off.
				runs := 1 + bad/20
				if late := handled[key].Sub(due[key]); handled[key].IsZero() || late > time.Duration(runs+1)*every {
					rt.Errorf("%s, due at %v, was handled at %v: %d other rows are not well", key, due[key], handled[key], bad)
				}
			case sometimes, unchanged:
				if handled[key].IsZero() {
					rt.Errorf("%s was never handled, after %v", key, attempts[key])
				}
			}
		}
	})
}

// growing holds that attempts come at growing distance, and go on.
func growing(rt *rapid.T, key string, attempts []time.Time, permanent bool) {
	for i := 1; i < len(attempts); i++ {
		whole := min(time.Hour, 2*time.Minute<<min(i-1, 10))
		if permanent {
			whole = time.Hour
		}
		if gap := attempts[i].Sub(attempts[i-1]); gap < whole*3/4 || gap > whole+30*time.Minute {
			rt.Errorf("%s: attempt %d came %v after the one before, want about %v", key, i+1, gap, whole)
		}
	}
	if len(attempts) < 8 {
		rt.Errorf("%s was tried %d times in a day", key, len(attempts))
	}
}

// TestOutcomes holds what each outcome does to the run.
func TestOutcomes(t *testing.T) {
	newTable := func(n int) *table {
		tb := &table{rows: map[string]row{}}
		for i := range n {
			key := fmt.Sprintf("row-%03d", i)
			tb.rows[key] = row{key: key, due: t0.Add(time.Duration(i) * time.Second)}
		}
		return tb
	}
	const n = 50
	at := t0.Add(time.Hour)
	for name, tt := range map[string]struct {
		do     func(tb *table, calls int, r *row) worker.Result
		change func(*worker.Loop[row])
		calls  int
		run    worker.Run
		err    string
	}{
		"moved": {func(tb *table, _ int, r *row) worker.Result {
			tb.store(r, time.Time{}, 0)
			return worker.Result{Outcome: worker.Moved}
		}, nil, n, worker.Run{Moved: n}, ""},
		"left": {func(*table, int, *row) worker.Result { return worker.Result{} }, nil, n, worker.Run{}, ""},
		"said to be moved, and still due": {func(*table, int, *row) worker.Result {
			return worker.Result{Outcome: worker.Moved}
		}, nil, 5 * n, worker.Run{Moved: 5 * n}, ""},
		"again, to the last": {func(*table, int, *row) worker.Result {
			return worker.Result{Outcome: worker.Again}
		}, nil, 8, worker.Run{More: true}, ""},
		"stop": {func(tb *table, calls int, r *row) worker.Result {
			if calls == 4 {
				return worker.Result{Outcome: worker.Stop}
			}
			tb.store(r, time.Time{}, 0)
			return worker.Result{Outcome: worker.Moved}
		}, nil, 4, worker.Run{Moved: 3, More: true}, ""},
		"down": {func(*table, int, *row) worker.Result {
			return worker.Result{Outcome: worker.Failed, Err: errDown}
		}, nil, 20, worker.Run{PutOff: 20, More: true}, "down"},
		"refused for good": {func(*table, int, *row) worker.Result {
			return worker.Result{Outcome: worker.Failed, Err: errPermanent}
		}, nil, n, worker.Run{PutOff: n}, "refused for good"},
		"down, and cannot be put off": {func(tb *table, _ int, _ *row) worker.Result {
			tb.deny = errDown
			return worker.Result{Outcome: worker.Failed, Err: errPermanent}
		}, nil, n, worker.Run{}, "putting off row-000: down"},
		"a bounded number": {func(tb *table, _ int, r *row) worker.Result {
			tb.store(r, time.Time{}, 0)
			return worker.Result{Outcome: worker.Moved}
		}, func(l *worker.Loop[row]) { l.Most = 5 }, 6, worker.Run{Moved: 6, More: true}, ""},
		"an error beside": {func(tb *table, _ int, r *row) worker.Result {
			tb.store(r, time.Time{}, 0)
			return worker.Result{Outcome: worker.Moved, Err: fmt.Errorf("%s: %w", r.key, errPermanent)}
		}, nil, n, worker.Run{Moved: n}, "and 45 more errors"},
	} {
		t.Run(name, func(t *testing.T) {
			tb, calls := newTable(n), 0
			loop := tb.loop(at, nil)
			loop.Do = func(_ context.Context, _ int, rows []row) []worker.Result {
				results := make([]worker.Result, len(rows))
				for i := range rows {
					calls++
					results[i] = tt.do(tb, calls, &rows[i])
					if results[i].Outcome == worker.Stop {
						break
					}
				}
				return results
			}
			if tt.change != nil {
				tt.change(&loop)
			}
			run := loop.Run(t.Context())
			if run.Moved != tt.run.Moved || run.PutOff != tt.run.PutOff || run.More != tt.run.More {
				t.Errorf("%+v, want %+v", run, tt.run)
			}
			if calls != tt.calls {
				t.Errorf("%d rows were handed out, want %d", calls, tt.calls)
			}
			if err := run.Err(); (err == nil) != (tt.err == "") || err != nil && !strings.Contains(err.Error(), tt.err) {
				t.Errorf("error %v, want %q", err, tt.err)
			}
		})
	}
}

// TestNoTime holds that a run begins nothing that it has no time for, and that a
// row which took all the time there was is put off all the same.
func TestNoTime(t *testing.T) {
	tb := &table{rows: map[string]row{"slow": {key: "slow", due: t0}}}
	calls := 0
	loop := tb.loop(t0, func(ctx context.Context, _ *row) worker.Result {
		calls++
		<-ctx.Done()
		return worker.Result{Outcome: worker.Failed, Err: ctx.Err()}
	})
	loop.Now, loop.Reserve = time.Now, time.Hour
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	if run := loop.Run(ctx); calls != 0 || !run.More || run.Err() != nil {
		t.Errorf("without time: %d rows, %+v, %v", calls, run, run.Err())
	}
	loop.Reserve = 0
	if run := loop.Run(ctx); calls != 1 || run.PutOff != 1 || !errors.Is(run.Err(), context.DeadlineExceeded) {
		t.Errorf("%d rows, %+v, %v", calls, run, run.Err())
	}
	if got := tb.rows["slow"]; got.failures != 1 || !got.due.After(t0) {
		t.Errorf("stored %+v", got)
	}
}

// TestListingFails holds that a listing's error ends the run, unless it is about
// rows that cannot be read.
func TestListingFails(t *testing.T) {
	for _, failure := range []error{errDown, errPermanent} {
		tb := &table{rows: map[string]row{"a": {key: "a", due: t0}}}
		calls := 0
		loop := tb.loop(t0, func(_ context.Context, r *row) worker.Result {
			calls++
			tb.store(r, time.Time{}, 0)
			return worker.Result{Outcome: worker.Moved}
		})
		loop.Due = func(ctx context.Context, at time.Time, limit int) ([]row, error) {
			due, _ := tb.due(ctx, at, limit)
			return due, failure
		}
		run := loop.Run(t.Context())
		want := 0
		if errors.Is(failure, errPermanent) {
			want = 1
		}
		if calls != want || !errors.Is(run.Err(), failure) || !strings.HasPrefix(run.Err().Error(), "listing rows due: ") || strings.Count(run.Err().Error(), failure.Error()) != 1 {
			t.Errorf("%v: %d rows handled, %v", failure, calls, run.Err())
		}
	}
}

func TestBackoff(t *testing.T) {
	b := worker.Backoff{First: 2 * time.Minute, Max: time.Hour}
	spread := map[time.Duration]bool{}
	for failures, whole := range map[int]time.Duration{0: 2 * time.Minute, 1: 2 * time.Minute, 2: 4 * time.Minute, 5: 32 * time.Minute, 6: time.Hour, 7: time.Hour, 28: time.Hour, 30: time.Hour, 1000: time.Hour} {
		for i := range 100 {
			key := strconv.Itoa(i)
			got := b.After(key, failures)
			if got > whole || got < whole*3/4 {
				t.Errorf("after %d failures %v, want at most %v and three quarters of it", failures, got, whole)
			}
			if got != b.After(key, failures) {
				t.Errorf("%s: another time in another process", key)
			}
			spread[got] = true
		}
	}
	if len(spread) < 500 {
		t.Errorf("700 rows come back at %d times", len(spread))
	}
}

// TestPutOffAsListed holds that what a failed attempt made of its row is not taken
// for the row that was listed.
func TestPutOffAsListed(t *testing.T) {
	at := time.Date(2025, 3, 1, 12, 0, 0, 0, time.UTC)
	tb := &table{rows: map[string]row{"a": {key: "a", due: at}}}
	loop := tb.loop(at, func(_ context.Context, r *row) worker.Result {
		tb.store(r, time.Time{}, 0) // it goes through, and its answer is lost
		*r = tb.rows["a"]
		return worker.Result{Outcome: worker.Failed, Err: errors.New("the answer is lost")}
	})
	if run := loop.Run(t.Context()); run.PutOff != 0 || !tb.rows["a"].due.IsZero() {
		t.Errorf("put off %d, due %v", run.PutOff, tb.rows["a"].due)
	}
}
