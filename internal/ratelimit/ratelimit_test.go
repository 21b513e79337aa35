package ratelimit_test

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"pgregory.net/rapid"

	"rootguard/internal/repeats"
	"rootguard/internal/testenv"

	"rootguard/internal/alert"
	"rootguard/internal/cloudtrail"
	"rootguard/internal/detect"
	"rootguard/internal/fake"
	"rootguard/internal/guard"
	"rootguard/internal/ratelimit"
)

// seconds is a ratelimit.Seconds in memory.
type seconds struct {
	mu    sync.Mutex
	taken map[int64]int
	calls int
	err   error
	full  bool // someone has taken every token there is
}

func (s *seconds) Take(_ context.Context, second time.Time, past, limit int) (int, bool, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.calls++
	token := max(s.taken[second.Unix()], past)
	if s.err != nil || s.full || past >= limit || token >= limit {
		return 0, false, s.err
	}
	if s.taken == nil {
		s.taken = map[int64]int{}
	}
	s.taken[second.Unix()] = token + 1
	return token, true, nil
}

const step = time.Second / ratelimit.PerSecond

func limiter(s *seconds) *ratelimit.Limiter {
	return &ratelimit.Limiter{Seconds: s, Now: time.Now, Sleep: ratelimit.Sleep}
}

func TestWait(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		shared := &seconds{}
		l := limiter(shared)
		began := time.Now() // a whole second, in a bubble
		for i := range 20 {
			if i == 10 {
				time.Sleep(step / 2)
			}
			ok, err := l.Wait(t.Context(), 2*time.Second)
			if want := time.Duration(i) * step; !ok || err != nil || i != 10 && i != 11 && time.Since(began) != want {
				t.Errorf("token %d after %v, want %v: %v, %v", i, time.Since(began), want, ok, err)
			}
		}
		if ok, err := l.Wait(t.Context(), 0); ok || err != nil {
			t.Errorf("a second token for this moment: %v, %v", ok, err)
		}
		time.Sleep(700 * time.Millisecond) // what was not taken in time is gone
		at := time.Now()
		for i := range 3 {
			if ok, err := l.Wait(t.Context(), time.Second); !ok || err != nil {
				t.Errorf("token %d: %v, %v", i, ok, err)
			}
		}
		if took := time.Since(at); took <= step || took > 2*step {
			t.Errorf("three tokens in %v", took)
		}
		ctx, cancel := context.WithTimeout(t.Context(), step/2)
		defer cancel()
		if ok, err := l.Wait(ctx, time.Second); !ok || !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("the context ends while it waits: %v, %v", ok, err)
		}
		shared.err = fmt.Errorf("asking: %w", ratelimit.ErrThrottled)
		before := shared.calls
		if ok, err := l.Wait(t.Context(), 10*time.Second); ok || err != nil || shared.calls != before+1 {
			t.Errorf("throttled: %v, %v, after %d calls", ok, err, shared.calls-before)
		}
		shared.err = errors.New("denied")
		if ok, err := l.Wait(t.Context(), time.Second); ok || !errors.Is(err, shared.err) {
			t.Errorf("denied: %v, %v", ok, err)
		}
		shared.err, shared.full, before = nil, true, shared.calls
		if ok, err := l.Wait(t.Context(), 10*time.Second); ok || err != nil || shared.calls-before > 11 {
			t.Errorf("no token left: %v, %v, after %d calls", ok, err, shared.calls-before)
		}
	})
}

// TestWaitAtAnyMoment holds, for any moment and wait, that a token is for a time
// from now to the end of the wait.
func TestWaitAtAnyMoment(t *testing.T) {
	testenv.Check(t, 100, func(t *rapid.T) {
		now := time.Unix(1_700_000_000, rapid.Int64Range(0, 2e9).Draw(t, "ns"))
		within := time.Duration(rapid.Int64Range(0, int64(12*time.Second)).Draw(t, "within"))
		var slept time.Duration
		l := &ratelimit.Limiter{Seconds: &seconds{}, Now: func() time.Time { return now }, Sleep: func(_ context.Context, d time.Duration) error { slept = d; return nil }}
		granted := 0
		for {
			slept = 0
			ok, err := l.Wait(context.Background(), within)
			if err != nil {
				t.Fatal(err)
			}
			if !ok {
				break
			}
			if granted++; slept > within {
				t.Fatalf("waits %v of %v", slept, within)
			}
		}
		if want := int(within / step); granted < want || granted > want+2 {
			t.Fatalf("%d tokens within %v", granted, within)
		}
	})
}

// claimStore is a guard.Claims in memory that takes some time, as a table does. It
// keeps what is due apart, as an index does.
type claimStore struct {
	latency time.Duration
	mu      sync.Mutex
	claims  map[string]guard.Claim
	series  map[string]repeats.Series
	groups  map[string]guard.Group
	batches map[string]map[string]bool
	sealed  map[string]bool
	unsent  map[string]bool
	order   []guard.Group // those unsent, and some that no longer are, in the order in which they are due
}

func newClaims(latency time.Duration) *claimStore {
	return &claimStore{
		latency: latency, claims: map[string]guard.Claim{}, series: map[string]repeats.Series{}, groups: map[string]guard.Group{},
		batches: map[string]map[string]bool{}, sealed: map[string]bool{}, unsent: map[string]bool{},
	}
}

func (l *claimStore) Update(_ context.Context, claimKey, seriesKey string, decide func(guard.Claim, repeats.Series) (guard.Claim, repeats.Series)) error {
	time.Sleep(l.latency)
	l.mu.Lock()
	defer l.mu.Unlock()
	sr := l.series[seriesKey]
	sr.Grants, sr.Quiet, sr.Attempts = slices.Clone(sr.Grants), slices.Clone(sr.Quiet), slices.Clone(sr.Attempts)
	c, sr := decide(l.claims[claimKey], sr)
	if c.Key != "" {
		l.claims[c.Key] = c
	}
	if sr.Key != "" {
		l.series[sr.Key] = sr
	}
	return nil
}

func (l *claimStore) Read(_ context.Context, keys []string) (claims []guard.Claim, err error) {
	time.Sleep(l.latency)
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, key := range keys {
		claims = append(claims, l.claims[key])
	}
	return claims, nil
}

func (l *claimStore) UpdateGroup(_ context.Context, key string, decide func(guard.Group) guard.Group) error {
	time.Sleep(l.latency)
	l.mu.Lock()
	defer l.mu.Unlock()
	gr := decide(l.groups[key])
	if gr.Key == "" {
		return nil
	}
	was := l.groups[key]
	l.groups[key] = gr
	switch {
	case !gr.Unsent():
		delete(l.unsent, key)
	case !l.unsent[key] || !was.Until.Equal(gr.Until):
		l.unsent[key], l.order = true, nil
	}
	return nil
}

func (l *claimStore) Count(_ context.Context, group string, number int, claim string) (bool, error) {
	time.Sleep(l.latency)
	l.mu.Lock()
	defer l.mu.Unlock()
	key := fmt.Sprint(group, " ", number)
	if !l.sealed[key] {
		if l.batches[key] == nil {
			l.batches[key] = map[string]bool{}
		}
		l.batches[key][claim] = true
	}
	return l.batches[key][claim], nil
}

func (l *claimStore) Counted(_ context.Context, group string, from, to int, claim string) (number int, found bool, err error) {
	time.Sleep(l.latency)
	l.mu.Lock()
	defer l.mu.Unlock()
	for number = from; number < to; number++ {
		if l.batches[fmt.Sprint(group, " ", number)][claim] {
			return number, true, nil
		}
	}
	return 0, false, nil
}

func (l *claimStore) Seal(_ context.Context, group string, number int) ([]string, error) {
	time.Sleep(l.latency)
	l.mu.Lock()
	defer l.mu.Unlock()
	key := fmt.Sprint(group, " ", number)
	l.sealed[key] = true
	return slices.Sorted(maps.Keys(l.batches[key])), nil
}

func (l *claimStore) Due(_ context.Context, at time.Time, limit int) ([]guard.Group, error) {
	time.Sleep(l.latency)
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.order == nil {
		for key := range l.unsent {
			l.order = append(l.order, l.groups[key])
		}
		slices.SortFunc(l.order, func(a, b guard.Group) int { return cmp.Or(a.Until.Compare(b.Until), cmp.Compare(a.Key, b.Key)) })
	}
	var due []guard.Group
	for _, gr := range l.order {
		if len(due) == limit || gr.Until.After(at) {
			break
		}
		if l.unsent[gr.Key] {
			due = append(due, l.groups[gr.Key])
		}
	}
	return due, nil
}

// detector flags each record as a sign-in of root, of a severity.
type detector struct{ severity detect.Severity }

func (d detector) Detect(rec *cloudtrail.Record, _ *detect.AssumedRoot) detect.Outcome {
	return detect.Outcome{Kind: detect.Matched, Finding: detect.Finding{
		ID: detect.RootSignin, Severity: d.severity, Title: "Root sign-in", Account: rec.RecipientAccountID, EventID: rec.EventID,
		EventTime: rec.EventTime, EventSource: rec.EventSource, EventName: rec.EventName, Session: "root",
	}}
}

// publisher notes when each alert was published, and about what.
type publisher struct {
	mu       sync.Mutex
	at       []time.Time
	reported map[string]int // events by account
	alone    int            // accounts reported in an alert of their own
}

func (p *publisher) Publish(_ context.Context, a alert.Alert) error {
	p.mu.Lock()
	p.at = append(p.at, time.Now())
	if a.Kind == alert.RollUp {
		p.reported[a.Finding.Account] += a.Count
	} else {
		p.reported[a.Finding.Account]++
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

// TestFlood has the root users of 10,000 accounts sign in within one second. Some
// instances of the functions handle that, with the 28 seconds each that an
// invocation has, and then three send roll-ups every five minutes. Every sign-in is
// published once, and no receiver gets more than 10 e-mails in any second as long
// as no more than 80 critical alerts wait at once.
func TestFlood(t *testing.T) {
	for i, tt := range []struct {
		name             string
		functions        int
		severity         detect.Severity
		full             bool // no token is ever left
		handled, overall time.Duration
		alone            int // at least
		fastest          int // at most
	}{
		{"all get a token in time", 50, detect.Critical, false, 21 * time.Minute, 21 * time.Minute, 10_000, 10},
		{"most are rolled up", 1000, detect.High, false, 15 * time.Second, 5 * time.Hour, 24, 10},
		{"what is critical is not held back", 1000, detect.Critical, false, time.Minute, time.Minute, 10_000, 10_000},
		{"what is critical needs no token", 50, detect.Critical, true, 10 * time.Second, 10 * time.Second, 10_000, 10_000},
		{"a roll-up needs none after some minutes", 50, detect.High, true, 10 * time.Second, 55 * time.Minute, 0, 10_000},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if i > 0 {
				testenv.Soak(t) // the same goroutines as in the first
			}
			pub := flood(t, tt.functions, tt.severity, &seconds{full: tt.full}, tt.handled, tt.overall)
			if pub.alone < tt.alone || pub.fastest() > tt.fastest {
				t.Errorf("%d alerted at once, want %d; %d published in one second, want at most %d", pub.alone, tt.alone, pub.fastest(), tt.fastest)
			}
		})
	}
}

func flood(t *testing.T, functions int, severity detect.Severity, shared *seconds, handling, overall time.Duration) *publisher {
	t.Helper()
	const accounts = 10_000
	pub := &publisher{reported: map[string]int{}}
	synctest.Test(t, func(t *testing.T) {
		const work = 28 * time.Second
		l := newClaims(5 * time.Millisecond)
		began := time.Now()
		newGuard := func() *guard.Guard {
			return guard.New(guard.Deps{
				Detector: detector{severity}, Claims: l, Facts: &fake.Facts{}, Publisher: pub, Now: time.Now,
				Limiter: limiter(shared),
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
		if handled > handling {
			t.Errorf("handling took %v", handled)
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
		t.Logf("handled in %v, %d alerted at once; all reported after %v, at most %d e-mails a second", handled, pub.alone, time.Since(began), pub.fastest())
		if len(pub.reported) != accounts || len(l.unsent) > 0 {
			t.Errorf("%d accounts were reported, %d windows are still held", len(pub.reported), len(l.unsent))
		}
		for account, n := range pub.reported {
			if n != 1 {
				t.Errorf("account %s: %d sign-ins reported", account, n)
			}
		}
		if took := time.Since(began); took > overall {
			t.Errorf("it took %v", took)
		}
	})
	return pub
}

// poisoned is a ratelimit.Seconds of which someone else rewrites rows.
type poisoned struct {
	seconds
	rows map[int64]int // what was written last for a second; taken over by the next who asks
}

func (p *poisoned) Take(ctx context.Context, second time.Time, past, limit int) (int, bool, error) {
	p.mu.Lock()
	if n, ok := p.rows[second.Unix()]; ok {
		if p.taken == nil {
			p.taken = map[int64]int{}
		}
		p.taken[second.Unix()] = n
		delete(p.rows, second.Unix())
	}
	p.mu.Unlock()
	return p.seconds.Take(ctx, second, past, limit)
}

// occurrence is one event of a model.
type occurrence struct {
	after, ahead time.Duration // when it is handled, and by how much the clock of its instance is ahead
	severity     detect.Severity
}

// TestLimiterModel runs guards whose clocks differ, some by minutes, over tokens
// that someone else sets to anything, and compares with what is promised: what is
// critical is published within the wait and no later, a roll-up within the
// minutes after which it needs no token and the sweep's five, and with clocks that
// agree and no one else's rows the rate holds.
func TestLimiterModel(t *testing.T) {
	testenv.Check(t, 100, func(rt *rapid.T) {
		hostile := rapid.Bool().Draw(rt, "hostile")
		shared := &poisoned{rows: map[int64]int{}}
		ahead := rapid.Just(0)
		if hostile {
			shared.full = rapid.Bool().Draw(rt, "full")
			ahead = rapid.IntRange(-120, 120)
			bubble := time.Date(2000, 1, 1, 0, 0, 0, 0, time.UTC).Unix() // where the time of one begins
			for range rapid.IntRange(0, 60).Draw(rt, "rows") {
				at := bubble + rapid.Int64Range(-130, 400).Draw(rt, "second")
				shared.rows[at] = rapid.SampledFrom([]int{0, 1, 7, 8, 9, 1 << 40}).Draw(rt, "tokens")
			}
		}
		events := make([]occurrence, rapid.IntRange(1, 120).Draw(rt, "events"))
		for i := range events {
			events[i] = occurrence{
				after:    time.Duration(rapid.IntRange(0, 20_000).Draw(rt, "after")) * time.Millisecond,
				ahead:    time.Duration(ahead.Draw(rt, "ahead")) * time.Second,
				severity: rapid.SampledFrom([]detect.Severity{detect.Medium, detect.High, detect.Critical}).Draw(rt, "severity"),
			}
		}
		for _, wrong := range runModel(t, events, shared, hostile) {
			rt.Error(wrong)
		}
	})
}

// runModel handles the events, and then sweeps until 12 minutes are over. It
// returns what was not as promised.
func runModel(t *testing.T, events []occurrence, shared *poisoned, hostile bool) (wrong []string) {
	t.Helper()
	var mu sync.Mutex
	fail := func(format string, args ...any) {
		mu.Lock()
		defer mu.Unlock()
		wrong = append(wrong, fmt.Sprintf(format, args...))
	}
	synctest.Test(t, func(t *testing.T) {
		l := newClaims(time.Millisecond)
		pub := &publisher{reported: map[string]int{}}
		newGuard := func(ahead time.Duration, severity detect.Severity) *guard.Guard {
			now := func() time.Time { return time.Now().Add(ahead) }
			return guard.New(guard.Deps{
				Detector: detector{severity}, Claims: l, Facts: &fake.Facts{}, Publisher: pub, Now: now,
				Limiter: &ratelimit.Limiter{Seconds: shared, Now: now, Sleep: ratelimit.Sleep},
			}, guard.Settings{})
		}
		began := time.Now()
		var wg sync.WaitGroup
		for n, o := range events {
			wg.Go(func() {
				time.Sleep(o.after)
				at := time.Now()
				res, err := newGuard(o.ahead, o.severity).Handle(t.Context(), &cloudtrail.Record{
					RecipientAccountID: fmt.Sprintf("%012d", n), EventID: fmt.Sprintf("event-%d", n), EventTime: at, EventName: "ConsoleLogin",
				})
				took := time.Since(at)
				if err != nil || took > 11*time.Second || o.severity == detect.Critical && res.Disposition != guard.Alerted {
					fail("event %d of %s is %q after %v: %v", n, o.severity, res.Disposition, took, err)
				}
			})
		}
		wg.Wait()
		// The last event is at 20 s, its roll-up due a minute later and overdue five
		// minutes after that: the sweep after sends it, if none before did.
		for len(l.unsent) > 0 && time.Since(began) < 9*time.Minute {
			time.Sleep(5*time.Minute - time.Since(began)%(5*time.Minute))
			ctx, cancel := context.WithTimeout(t.Context(), 28*time.Second)
			if _, err := newGuard(0, 0).Flush(ctx, time.Now()); err != nil {
				fail("flush: %v", err)
			}
			cancel()
		}
		if len(l.unsent) > 0 || len(pub.reported) != len(events) {
			fail("%d of %d accounts published, %d windows unsent", len(pub.reported), len(events), len(l.unsent))
		}
		if n := pub.fastest(); !hostile && n > ratelimit.PerSecond+1 {
			fail("%d published in one second", n)
		}
	})
	return wrong
}
