package pace_test

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"rootguard/internal/alert"
	"rootguard/internal/cloudtrail"
	"rootguard/internal/detect"
	"rootguard/internal/fake"
	"rootguard/internal/guard"
	"rootguard/internal/pace"
)

// turns is a pace.Turns in memory.
type turns struct {
	mu   sync.Mutex
	next time.Time
	err  error
}

func (t *turns) Take(_ context.Context, now time.Time, within, step time.Duration) (time.Time, bool, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	at := t.next
	if at.Before(now) {
		at = now
	}
	if t.err != nil || at.After(now.Add(within)) {
		return time.Time{}, false, t.err
	}
	t.next = at.Add(step)
	return at, true, nil
}

func TestTurn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		shared := &turns{}
		p := pace.Pacer{Turns: shared, Now: time.Now, Sleep: pace.Sleep}
		began := time.Now()
		for i := range 5 {
			ok, err := p.Turn(t.Context(), time.Second)
			if want := time.Duration(i) * pace.Step; !ok || err != nil || time.Since(began) != want {
				t.Errorf("turn %d after %v, want %v: %v, %v", i, time.Since(began), want, ok, err)
			}
		}
		if ok, err := p.Turn(t.Context(), 0); ok || err != nil || time.Since(began) != 4*pace.Step {
			t.Errorf("a turn that is too far off: %v, %v, after %v", ok, err, time.Since(began))
		}
		ctx, cancel := context.WithTimeout(t.Context(), pace.Step/2)
		defer cancel()
		if ok, err := p.Turn(ctx, time.Second); ok || !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("the context ends while it waits: %v, %v", ok, err)
		}
		shared.err = errors.New("throttled")
		if ok, err := p.Turn(t.Context(), time.Second); ok || !errors.Is(err, shared.err) {
			t.Errorf("throttled: %v, %v", ok, err)
		}
	})
}

// ledger is a guard.Ledger in memory that takes some time, as a table does. It
// keeps what is due apart, as an index does.
type ledger struct {
	latency time.Duration
	mu      sync.Mutex
	claims  map[string]guard.Claim
	windows map[string]guard.Window
	unsent  map[string]bool
	order   []guard.Window // those unsent, and some that no longer are, in the order in which they are due
}

func (l *ledger) Update(_ context.Context, claimKey, windowKey string, decide func(guard.Claim, guard.Window) (guard.Claim, guard.Window)) error {
	time.Sleep(l.latency)
	l.mu.Lock()
	defer l.mu.Unlock()
	w := l.windows[windowKey]
	w.Pending.Actions, w.Recent = slices.Clone(w.Pending.Actions), slices.Clone(w.Recent)
	c, w := decide(l.claims[claimKey], w)
	if c.Key != "" {
		l.claims[c.Key] = c
	}
	if w.Key != "" {
		l.windows[w.Key] = w
		switch {
		case !w.Unsent():
			delete(l.unsent, w.Key)
		case !l.unsent[w.Key]:
			l.unsent[w.Key], l.order = true, nil
		}
	}
	return nil
}

func (l *ledger) Due(_ context.Context, at time.Time, limit int) ([]guard.Window, error) {
	time.Sleep(l.latency)
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.order == nil {
		for key := range l.unsent {
			l.order = append(l.order, l.windows[key])
		}
		slices.SortFunc(l.order, func(a, b guard.Window) int { return cmp.Or(a.Until.Compare(b.Until), cmp.Compare(a.Key, b.Key)) })
	}
	var due []guard.Window
	for _, w := range l.order {
		if len(due) == limit || w.Until.After(at) {
			break
		}
		if l.unsent[w.Key] {
			due = append(due, l.windows[w.Key])
		}
	}
	return due, nil
}

type detector struct{}

func (detector) Detect(rec *cloudtrail.Record, _ *detect.AssumedRoot) detect.Outcome {
	return detect.Outcome{Kind: detect.Matched, Finding: detect.Finding{
		ID: detect.RootSignin, Severity: detect.Critical, Title: "Root sign-in", Account: rec.RecipientAccountID, EventID: rec.EventID,
		EventTime: rec.EventTime, EventSource: rec.EventSource, EventName: rec.EventName, Session: "root",
	}}
}

// publisher notes when each alert was published, and about what.
type publisher struct {
	mu    sync.Mutex
	at    []time.Time
	told  map[string]int // events by account
	alone int            // accounts told of in an alert of their own
}

func (p *publisher) Publish(_ context.Context, a alert.Alert) error {
	p.mu.Lock()
	p.at = append(p.at, time.Now())
	if a.Kind == alert.RollUp {
		p.told[a.Finding.Account] += a.Count
	} else {
		p.told[a.Finding.Account]++
		p.alone++
	}
	p.mu.Unlock()
	time.Sleep(20 * time.Millisecond)
	return nil
}

// fastest is the most publishes in any one second.
func (p *publisher) fastest() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	slices.SortFunc(p.at, time.Time.Compare)
	most, from := 0, 0
	for to := range p.at {
		for p.at[to].Sub(p.at[from]) >= time.Second {
			from++
		}
		most = max(most, to-from+1)
	}
	return most
}

// TestFlood has the root users of 10,000 accounts sign in within one second.
// Some instances of the functions handle that, with the 28 seconds each that an
// invocation has, and then three send roll-ups every five minutes: nobody gets
// more than 10 e-mails in any second, and every sign-in is told of once.
//
// 50 instances are a queue in which everybody gets a turn in time. Of 1,000, most
// do not, and what they handle is told of in roll-ups.
func TestFlood(t *testing.T) {
	for _, tt := range []struct {
		functions        int
		handled, overall time.Duration // at most
		alone            int           // at least
	}{{50, 21 * time.Minute, 21 * time.Minute, 10_000}, {1000, 15 * time.Second, 5 * time.Hour, 80}} {
		t.Run(strconv.Itoa(tt.functions), func(t *testing.T) { flood(t, tt.functions, tt.handled, tt.overall, tt.alone) })
	}
}

func flood(t *testing.T, functions int, handling, overall time.Duration, alone int) {
	t.Helper()
	const accounts = 10_000
	synctest.Test(t, func(t *testing.T) {
		const work = 28 * time.Second
		l := &ledger{latency: 5 * time.Millisecond, claims: map[string]guard.Claim{}, windows: map[string]guard.Window{}, unsent: map[string]bool{}}
		pub, shared := &publisher{told: map[string]int{}}, &turns{}
		began := time.Now()
		newGuard := func() *guard.Guard {
			return guard.New(guard.Deps{
				Detector: detector{}, Ledger: l, Journal: &fake.Journal{}, Publisher: pub, Now: time.Now,
				Pacer: &pace.Pacer{Turns: shared, Now: time.Now, Sleep: pace.Sleep},
			}, guard.Settings{})
		}
		events := make(chan int)
		var wg sync.WaitGroup
		for range functions {
			wg.Go(func() {
				g := newGuard()
				for n := range events {
					ctx, cancel := context.WithTimeout(t.Context(), work)
					_, err := g.Handle(ctx, &cloudtrail.Record{
						RecipientAccountID: fmt.Sprintf("%012d", n), EventID: fmt.Sprintf("event-%d", n),
						EventTime: began.Add(time.Duration(n) * time.Second / accounts), EventSource: "signin.amazonaws.com", EventName: "ConsoleLogin",
					})
					cancel()
					if err != nil {
						t.Errorf("event %d: %v", n, err)
					}
				}
			})
		}
		for n := range accounts {
			events <- n
		}
		close(events)
		wg.Wait()
		handled := time.Since(began)
		if handled > handling || pub.alone < alone {
			t.Errorf("handling took %v, %d were alerted", handled, pub.alone)
		}

		rounds := 0
		for len(l.unsent) > 0 && rounds < 100 {
			rounds++
			time.Sleep(5*time.Minute - time.Since(began)%(5*time.Minute))
			at := time.Now()
			for range 3 {
				wg.Go(func() {
					ctx, cancel := context.WithTimeout(t.Context(), work)
					defer cancel()
					if _, err := newGuard().Flush(ctx, at); err != nil {
						t.Errorf("flush: %v", err)
					}
				})
			}
			wg.Wait()
		}
		t.Logf("handled in %v, %d alerted at once; all told after %v, at most %d e-mails a second", handled, pub.alone, time.Since(began), pub.fastest())
		if n := pub.fastest(); n > 10 {
			t.Errorf("%d published in one second", n)
		}
		if len(pub.told) != accounts || len(l.unsent) > 0 {
			t.Errorf("%d accounts were told of, %d windows are still held", len(pub.told), len(l.unsent))
		}
		for account, n := range pub.told {
			if n != 1 {
				t.Errorf("account %s: told of %d sign-ins", account, n)
			}
		}
		if took := time.Since(began); took > overall {
			t.Errorf("it took %v", took)
		}
	})
}
