package guard_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"rootguard/internal/alert"
	"rootguard/internal/bootstrap"
	"rootguard/internal/cloudtrail"
	"rootguard/internal/detect"
	"rootguard/internal/failure"
	"rootguard/internal/fake"
	"rootguard/internal/guard"
	"rootguard/internal/repeats"
	"rootguard/internal/wire"

	"rootguard/internal/testenv"
)

var t0 = time.Date(2025, 3, 1, 12, 0, 0, 0, time.UTC)

const account = "123456789012"

// detectorFunc is a guard.Detector.
type detectorFunc func(rec *cloudtrail.Record, assumed *detect.AssumedRoot) detect.Outcome

func (f detectorFunc) Detect(rec *cloudtrail.Record, assumed *detect.AssumedRoot) detect.Outcome {
	return f(rec, assumed)
}

// world is a guard over fakes.
type world struct {
	*parts
	script   *fake.Script
	ledger   *fake.Ledger
	journal  *fake.Facts
	pub      *fake.Publisher
	clock    *fake.Clock
	settings wire.Settings
	findings map[string]detect.Finding // by event ID, of the events that record makes
	assumed  []*detect.AssumedRoot     // what the detector was given

	token func(within time.Duration) (bool, error) // of the limiter; nil grants every token
}

// Wait is guard.Limiter's.
func (w *world) Wait(_ context.Context, within time.Duration) (bool, error) {
	if w.token == nil {
		return true, nil
	}
	return w.token(within)
}

func newWorld(change ...func(*wire.Settings)) *world {
	script := &fake.Script{}
	w := &world{
		script:   script,
		ledger:   &fake.Ledger{Script: script, Conflicts: true},
		journal:  &fake.Facts{Script: script},
		pub:      &fake.Publisher{Script: script},
		clock:    fake.NewClock(t0.Add(time.Hour)),
		settings: wire.DefaultSettings(),
		findings: map[string]detect.Finding{},
	}
	for _, c := range change {
		c(&w.settings)
	}
	w.parts = newParts(wire.Deps{
		Detector: detectorFunc(func(rec *cloudtrail.Record, assumed *detect.AssumedRoot) detect.Outcome {
			w.assumed = append(w.assumed, assumed)
			if f, ok := w.findings[rec.EventID]; ok {
				return detect.Outcome{Kind: detect.Matched, Finding: f}
			}
			return detect.Outcome{Kind: detect.Skipped, Reason: "no rule"}
		}),
		Ledger: w.ledger, Facts: w.journal, Publisher: w.pub, Limiter: w, Now: w.clock.Now,
		AccountName: func(a string) string { return "name of " + a },
	}, w.settings)
	return w
}

// finding is one as a detector makes it; the event ID is unique by number.
func finding(id detect.ID, sev detect.Severity, session string, n int, at time.Time) detect.Finding {
	return detect.Finding{
		ID: id, Severity: sev, Title: string(id), Account: account, Session: session,
		EventID: fmt.Sprintf("event-%03d", n), EventTime: at,
		EventSource: "iam.amazonaws.com", EventName: fmt.Sprintf("Call%d", n%3),
	}
}

// record registers a finding and returns a record that the detector takes for it.
func (w *world) record(f detect.Finding) *cloudtrail.Record {
	w.findings[f.EventID] = f
	return &cloudtrail.Record{
		EventID: f.EventID, EventTime: f.EventTime, EventSource: f.EventSource, EventName: f.EventName,
		RecipientAccountID: f.Account,
	}
}

// createUser is a record that carries facts as well.
func (w *world) createUser(n int, at time.Time) *cloudtrail.Record {
	f := finding(detect.UserCreated, detect.Info, "s", n, at)
	w.findings[f.EventID] = f
	name := fmt.Sprintf("user-%d", n)
	return &cloudtrail.Record{
		EventID: f.EventID, EventTime: at, EventSource: "iam.amazonaws.com", EventName: "CreateUser",
		RecipientAccountID: account,
		UserIdentity:       cloudtrail.UserIdentity{Type: "IAMUser", UserName: "boss", PrincipalID: "AIDABOSS"},
		RequestParameters:  fmt.Appendf(nil, `{"userName":%q}`, name),
		ResponseElements:   fmt.Appendf(nil, `{"user":{"userName":%q,"userId":"AIDA%d"}}`, name, n),
	}
}

func (w *world) handle(t *testing.T, rec *cloudtrail.Record, want guard.Disposition) guard.Result {
	t.Helper()
	res, err := w.Handle(t.Context(), rec)
	if err != nil {
		t.Fatalf("handling %s: %v", rec.EventID, err)
	}
	if res.Disposition != want {
		t.Errorf("%s is %q, want %q", rec.EventID, res.Disposition, want)
	}
	return res
}

func (w *world) flush(t *testing.T, at time.Time, want int) {
	t.Helper()
	n, err := w.Flush(t.Context(), at)
	if err != nil {
		t.Fatalf("flushing: %v", err)
	}
	if n != want {
		t.Errorf("Flush published %d, want %d", n, want)
	}
}

// reported is what was published, one line an alert: kind, severity, count.
func (w *world) told() []string {
	var got []string
	for _, a := range w.pub.Published() {
		line := fmt.Sprintf("%s %s %s", a.Kind, a.Finding.Severity, a.Finding.EventID)
		if a.Count > 0 {
			line += fmt.Sprintf(" x%d", a.Count)
		}
		got = append(got, line)
	}
	return got
}

func (w *world) wantTold(t *testing.T, want ...string) {
	t.Helper()
	if diff := cmp.Diff(want, w.told()); diff != "" {
		t.Errorf("alerts (-want +got):\n%s", diff)
	}
}

// states counts the claims of events by state.
func (w *world) states(t *testing.T) map[guard.ClaimState]int {
	t.Helper()
	claims, err := w.ledger.Claims()
	if err != nil {
		t.Fatal(err)
	}
	got := map[guard.ClaimState]int{}
	for _, c := range claims {
		if c.Finding != nil {
			got[c.State]++
		}
	}
	return got
}

// settleAll redelivers what failed until all of it is handled, as a queue does,
// and then flushes until nothing is due. The clock goes on by a lease each time.
func (w *world) settleAll(tb interface {
	Helper()
	Fatalf(string, ...any)
}, failed []*cloudtrail.Record) {
	tb.Helper()
	w.script.Restart()
	for try := 0; len(failed) > 0; try++ {
		if try > 10 {
			tb.Fatalf("%d records still fail after 10 redeliveries", len(failed))
		}
		w.clock.Advance(w.settings.Lease + time.Second)
		failed = slices.DeleteFunc(failed, func(rec *cloudtrail.Record) bool {
			_, err := w.Handle(context.Background(), rec)
			return err == nil
		})
	}
	w.clock.Advance(w.settings.Lease + time.Second)
	// A flush only notes what one that died had sent; the next sends what came since.
	for range 2 {
		if _, err := w.Flush(context.Background(), t0.Add(1000*time.Hour)); err != nil {
			tb.Fatalf("the last flush: %v", err)
		}
	}
}

// covered sums up what the published alerts report, each ID once, and how many
// copies were sent beyond that. Copies of one roll-up must be equal.
func (w *world) covered(tb interface {
	Helper()
	Errorf(string, ...any)
}) (events map[string]int, extra int) {
	tb.Helper()
	events = map[string]int{}
	seen := map[string]alert.Alert{}
	for _, a := range w.pub.Published() {
		if first, ok := seen[a.ID]; ok {
			extra++
			if a.Kind == alert.RollUp {
				if diff := cmp.Diff(first, a); diff != "" {
					tb.Errorf("two copies of alert %s differ:\n%s", a.ID, diff)
				}
			}
			continue
		}
		seen[a.ID] = a
		n := 1
		if a.Summary != nil {
			for _, of := range a.Summary.Accounts {
				for _, it := range of.Findings {
					session := ""
					if it.MFADue.Reminder > 0 {
						session = fmt.Sprintf("reminder %d", it.MFADue.Reminder)
					}
					events[string(it.Finding)+" "+session]++
				}
			}
			continue
		}
		if a.Kind == alert.RollUp {
			n = a.Count
			listed := a.ActionsOmitted
			for _, act := range a.Actions {
				listed += act.Count
			}
			if listed != n {
				tb.Errorf("roll-up of %d lists %d", n, listed)
			}
		}
		events[string(a.Finding.ID)+" "+a.Finding.Session] += n
	}
	return events, extra
}

func TestAlertOfOneEvent(t *testing.T) {
	w := newWorld()
	rec := w.createUser(1, t0)
	res := w.handle(t, rec, guard.Alerted)
	if res.NewFacts == 0 {
		t.Error("no facts were recorded")
	}
	want := alert.Alert{
		Schema: alert.Schema, ID: res.Alert.ID, Kind: alert.First, AccountName: "name of " + account,
		Finding: w.findings[rec.EventID], Deadline: t0.Add(24 * time.Hour),
	}
	if diff := cmp.Diff([]alert.Alert{want}, w.pub.Published()); diff != "" {
		t.Errorf("published (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff(want, *res.Alert); diff != "" {
		t.Errorf("result (-want +got):\n%s", diff)
	}
	if len(res.Alert.ID) != 32 {
		t.Errorf("alert ID %q", res.Alert.ID)
	}
	// The second trail's copy.
	if res := w.handle(t, rec, guard.Duplicate); res.Alert != nil || res.NewFacts != 0 {
		t.Errorf("the copy made %+v", res)
	}
	if n := len(w.pub.Published()); n != 1 {
		t.Errorf("%d alerts", n)
	}
}

func TestIgnoredRecordTouchesNothing(t *testing.T) {
	w := newWorld()
	rec := &cloudtrail.Record{EventID: "e", EventSource: "s3.amazonaws.com", EventName: "GetObject", RecipientAccountID: account}
	w.handle(t, rec, guard.Ignored)
	if calls := w.script.Calls(); len(calls) != 0 {
		t.Errorf("calls: %v", calls)
	}
	g := newParts(wire.Deps{Detector: detectorFunc(func(*cloudtrail.Record, *detect.AssumedRoot) detect.Outcome {
		return detect.Outcome{Kind: detect.Skipped}
	})}, wire.Settings{})
	ctx := t.Context()
	if n := testing.AllocsPerRun(100, func() { _, _ = g.Handle(ctx, rec) }); n > 0 {
		t.Errorf("%v allocations for a record that matters to nobody", n)
	}
}

func TestRecordWithFactsAlone(t *testing.T) {
	w := newWorld()
	rec := w.createUser(1, t0)
	delete(w.findings, rec.EventID)
	w.handle(t, rec, guard.Recorded)
	if diff := cmp.Diff([]string{"Facts.Add"}, w.script.Calls()); diff != "" {
		t.Errorf("calls (-want +got):\n%s", diff)
	}
	w.script.Inject(1, fake.FailBefore)
	if _, err := w.Handle(t.Context(), rec); !errors.Is(err, fake.ErrFault) {
		t.Errorf("a failing journal: %v", err)
	}
}

// TestEveryStepFails makes each call of handling one event go wrong in each
// way, alone and together with each other call, and redelivers the event until
// it is handled.
func TestEveryStepFails(t *testing.T) {
	clean := newWorld()
	clean.handle(t, clean.createUser(1, t0), guard.Alerted)
	steps := clean.script.Calls()
	if diff := cmp.Diff([]string{"Facts.Add", "Ledger.Update", "Publisher.Publish", "Ledger.Update"}, steps); diff != "" {
		t.Fatalf("steps (-want +got):\n%s", diff)
	}
	faults := []fake.Fault{fake.FailBefore, fake.FailAfter, fake.CrashBefore, fake.CrashAfter}
	run := func(t *testing.T, plan map[int]fake.Fault, atMost int) {
		t.Helper()
		w := newWorld()
		for step, f := range plan {
			w.script.Inject(step, f)
		}
		rec := w.createUser(1, t0)
		_, err := w.Handle(t.Context(), rec)
		if err == nil {
			t.Fatal("Handle hid the fault")
		}
		if !failure.Retryable(err) {
			t.Errorf("not retryable: %v", err)
		}
		w.settleAll(t, []*cloudtrail.Record{rec})
		if n := len(w.pub.Published()); n < 1 || n > atMost {
			t.Errorf("published %d times, want 1 to %d", n, atMost)
		}
		covered, _ := w.covered(t)
		if diff := cmp.Diff(map[string]int{"user.created s": 1}, covered); diff != "" {
			t.Errorf("covered (-want +got):\n%s", diff)
		}
		if diff := cmp.Diff(map[guard.ClaimState]int{guard.Sent: 1}, w.states(t)); diff != "" {
			t.Errorf("claims (-want +got):\n%s", diff)
		}
		facts, err := w.journal.Facts(t.Context(), account)
		if err != nil || len(facts) == 0 {
			t.Errorf("%d facts, %v", len(facts), err)
		}
		if series, err := w.ledger.Series(); err != nil || len(series) != 1 || len(series[0].Grants) != 1 {
			t.Errorf("series %+v, %v", series, err)
		}
		w.handle(t, rec, guard.Duplicate)
	}
	for i := range steps {
		for _, f := range faults {
			// Twice only where the alert went out and that is not on record.
			atMost := 1
			if i == 2 && (f == fake.FailAfter || f == fake.CrashAfter) || i == 3 && (f == fake.FailBefore || f == fake.CrashBefore) {
				atMost = 2
			}
			t.Run(fmt.Sprintf("%d %s %s", i+1, steps[i], f), func(t *testing.T) {
				run(t, map[int]fake.Fault{i + 1: f}, atMost)
			})
			// The fifth call is the release after a failed publish.
			for j := i + 1; j < len(steps)+1; j++ {
				for _, g := range faults {
					t.Run(fmt.Sprintf("%d %s, %d %s", i+1, f, j+1, g), func(t *testing.T) {
						run(t, map[int]fake.Fault{i + 1: f, j + 1: g}, 2)
					})
				}
			}
		}
	}
}

// TestEveryStepOfARollUpFails does the same over a session of several events
// and the flushes after it, with the failed events redelivered at once or only
// after the others.
func TestEveryStepOfARollUpFails(t *testing.T) {
	const events = 5
	scenario := func(t *testing.T, w *world, atOnce bool) {
		t.Helper()
		var failed []*cloudtrail.Record
		for i := range events {
			// The last event is after the window's end.
			at := t0.Add(time.Duration(i*4) * time.Minute)
			rec := w.record(finding(detect.RootActivity, detect.High, "s", i, at))
			if _, err := w.Handle(t.Context(), rec); err == nil {
				continue
			}
			w.script.Restart()
			if atOnce {
				w.clock.Advance(w.settings.Lease)
				if _, err := w.Handle(t.Context(), rec); err == nil {
					continue
				}
			}
			failed = append(failed, rec)
		}
		if _, err := w.Flush(t.Context(), t0.Add(2*time.Hour)); err != nil {
			w.script.Restart()
		}
		w.settleAll(t, failed)
	}
	clean := newWorld()
	scenario(t, clean, true)
	steps := clean.script.Calls()
	clean.wantTold(t, "first high event-000", "roll_up high event-000 x3", "roll_up high event-000 x1")

	for _, atOnce := range []bool{true, false} {
		for i := range steps {
			for _, f := range testenv.Turn(i, fake.FailBefore, fake.FailAfter, fake.CrashBefore, fake.CrashAfter) {
				t.Run(fmt.Sprintf("at once %v, %d %s %s", atOnce, i+1, steps[i], f), func(t *testing.T) {
					w := newWorld()
					w.script.Inject(i+1, f)
					scenario(t, w, atOnce)
					covered, extra := w.covered(t)
					if diff := cmp.Diff(map[string]int{"root.activity s": events}, covered); diff != "" {
						t.Errorf("covered (-want +got):\n%s\n%s", diff, strings.Join(w.told(), "\n"))
					}
					if extra > 1 {
						t.Errorf("%d extra copies", extra)
					}
					if states := w.states(t); states[guard.Sent] == 0 || states[guard.Sent]+states[guard.Folded] != events {
						t.Errorf("claims: %v", states)
					}
				})
			}
		}
	}
}

func TestConcurrentCopiesAreOneAlert(t *testing.T) {
	w := newWorld()
	rec := w.record(finding(detect.RootActivity, detect.High, "s", 1, t0))
	var mu sync.Mutex
	got := map[string]int{}
	inside := make(chan struct{})
	var once sync.Once
	w.pub.Refuse = func(alert.Alert) error {
		<-inside // every other copy arrives while the alert is on its way
		return nil
	}
	const copies = 32
	g := newParts(wire.Deps{
		Detector: detectorFunc(func(*cloudtrail.Record, *detect.AssumedRoot) detect.Outcome {
			return detect.Outcome{Kind: detect.Matched, Finding: w.findings[rec.EventID]}
		}),
		Ledger: w.ledger, Facts: w.journal, Publisher: w.pub, Now: w.clock.Now,
	}, wire.Settings{})
	var wg sync.WaitGroup
	for range copies {
		wg.Go(func() {
			res, err := g.Handle(t.Context(), rec)
			mu.Lock()
			defer mu.Unlock()
			switch {
			case errors.Is(err, guard.ErrBusy) && failure.Retryable(err):
				got["busy"]++
			case err != nil:
				t.Errorf("handling: %v", err)
			default:
				got[string(res.Disposition)]++
			}
			if got["busy"] == copies-1 {
				once.Do(func() { close(inside) })
			}
		})
	}
	wg.Wait()
	if diff := cmp.Diff(map[string]int{"busy": copies - 1, "alerted": 1}, got); diff != "" {
		t.Errorf("results (-want +got):\n%s", diff)
	}
	if n := len(w.pub.Published()); n != 1 {
		t.Errorf("%d alerts", n)
	}
	w.handle(t, rec, guard.Duplicate)
}

func TestConcurrentSession(t *testing.T) {
	w := newWorld()
	const events, copies = 60, 2
	recs := make([]*cloudtrail.Record, events)
	for i := range recs {
		recs[i] = w.record(finding(detect.RootActivity, detect.High, "s", i, t0.Add(time.Duration(i)*time.Minute)))
	}
	g := newParts(wire.Deps{
		Detector: detectorFunc(func(rec *cloudtrail.Record, _ *detect.AssumedRoot) detect.Outcome {
			return detect.Outcome{Kind: detect.Matched, Finding: w.findings[rec.EventID]}
		}),
		Ledger: w.ledger, Facts: w.journal, Publisher: w.pub, Now: w.clock.Now,
	}, wire.Settings{})
	var wg sync.WaitGroup
	for i := range copies * events {
		wg.Go(func() {
			for {
				_, err := g.Handle(t.Context(), recs[i%events])
				if err == nil {
					return
				}
				if !errors.Is(err, guard.ErrBusy) {
					t.Errorf("handling: %v", err)
					return
				}
			}
		})
	}
	for i := range 8 {
		wg.Go(func() {
			if _, err := g.Flush(t.Context(), t0.Add(time.Duration(i*10)*time.Minute)); err != nil {
				t.Errorf("flushing: %v", err)
			}
		})
	}
	wg.Wait()
	w.settleAll(t, nil)
	covered, extra := w.covered(t)
	if diff := cmp.Diff(map[string]int{"root.activity s": events}, covered); diff != "" || extra != 0 {
		t.Errorf("%d extra copies, covered (-want +got):\n%s", extra, diff)
	}
}

// TestRootSession is the shape of a real one: 538 calls under 9 access keys in
// a session of some hours, with every fourth delivered by two trails.
func TestRootSession(t *testing.T) {
	w := newWorld()
	const calls = 538
	for i := range calls {
		f := finding(detect.RootActivity, detect.High, "arn:aws:iam::123456789012:root@2025-03-01T11:58:00Z", i, t0.Add(time.Duration(i)*20*time.Second))
		f.EventName = fmt.Sprintf("Call%d", i)
		f.Actor.AccessKeyID = fmt.Sprintf("ASIA%d", i%9)
		rec := w.record(f)
		rec.UserIdentity.AccessKeyID = f.Actor.AccessKeyID
		want := guard.RolledUp
		if i == 0 {
			want = guard.Alerted
		}
		w.handle(t, rec, want)
		if i%4 == 0 {
			w.handle(t, rec, guard.Duplicate)
		}
	}
	w.flush(t, t0.Add(24*time.Hour), 12)
	kinds := map[alert.Kind]int{}
	sum := 0
	for _, a := range w.pub.Published() {
		kinds[a.Kind]++
		sum += a.Count
		if len(a.Actions) > w.settings.Actions {
			t.Errorf("%d actions listed", len(a.Actions))
		}
		if a.Kind == alert.RollUp && a.LastTime.Sub(a.FirstTime) >= w.settings.DedupWindow {
			t.Errorf("a roll-up from %v to %v", a.FirstTime, a.LastTime)
		}
	}
	// 537 calls at 20 s are 178 min 40 s, so 12 windows of 15 min.
	if diff := cmp.Diff(map[alert.Kind]int{alert.First: 1, alert.RollUp: 12}, kinds); diff != "" {
		t.Errorf("alerts (-want +got):\n%s", diff)
	}
	if sum != calls-1 {
		t.Errorf("the roll-ups count %d, want %d", sum, calls-1)
	}
	w.covered(t)
}

func TestWindows(t *testing.T) {
	at := func(minute float64) time.Time { return t0.Add(time.Duration(minute * float64(time.Minute))) }
	type step struct {
		f     detect.Finding
		want  guard.Disposition
		flush time.Time // instead
		n     int
	}
	root := func(n int, minute float64, want guard.Disposition) step {
		return step{f: finding(detect.RootActivity, detect.High, "s", n, at(minute)), want: want}
	}
	of := func(s step, change func(*detect.Finding)) step { change(&s.f); return s }
	flush := func(minute float64, n int) step { return step{flush: at(minute), n: n} }
	for name, tt := range map[string]struct {
		steps []step
		told  []string
	}{
		"the last moment of a window, and the first after it": {
			[]step{root(1, 0, guard.Alerted), root(2, 14.99, guard.RolledUp), flush(14.99, 0), flush(15, 1), flush(15, 0)},
			[]string{"first high event-001", "roll_up high event-001 x1"},
		},
		"a window without repeats ends": {
			[]step{root(1, 0, guard.Alerted), flush(60, 0), root(2, 15, guard.Alerted)},
			[]string{"first high event-001", "first high event-002"},
		},
		"a window with repeats goes on after its roll-up": {
			[]step{root(1, 0, guard.Alerted), root(2, 1, guard.RolledUp), flush(15, 1), root(3, 29.9, guard.RolledUp), flush(29.9, 0), flush(30, 1), flush(60, 0), root(4, 45, guard.Alerted)},
			[]string{"first high event-001", "roll_up high event-001 x1", "roll_up high event-001 x1", "first high event-004"},
		},
		"what an ended group holds is sent by the flush, whatever comes after": {
			[]step{root(1, 0, guard.Alerted), root(2, 1, guard.RolledUp), root(3, 31, guard.Alerted), flush(300, 1)},
			[]string{"first high event-001", "first high event-003", "roll_up high event-001 x1"},
		},
		"a flush early or late makes no difference to what goes on": {
			[]step{root(1, 0, guard.Alerted), root(2, 1, guard.RolledUp), root(3, 16, guard.RolledUp), flush(300, 2)},
			[]string{"first high event-001", "roll_up high event-001 x1", "roll_up high event-001 x1"},
		},
		"an event from shortly before, delivered late, is a repeat": {
			[]step{root(1, 20, guard.Alerted), root(2, 6, guard.RolledUp), flush(35, 1)},
			[]string{"first high event-001", "roll_up high event-001 x1"},
		},
		"one from long before, delivered late, is a repeat": {
			[]step{root(1, 50, guard.Alerted), root(3, 51, guard.RolledUp), root(2, 5, guard.RolledUp), flush(20, 1), flush(300, 1)},
			[]string{"first high event-001", "roll_up high event-001 x1", "roll_up high event-001 x1"},
		},
		"another session": {
			[]step{root(1, 0, guard.Alerted), of(root(2, 0, guard.Alerted), func(f *detect.Finding) { f.Session = "s2" })},
			[]string{"first high event-001", "first high event-002"},
		},
		"another account": {
			[]step{root(1, 0, guard.Alerted), of(root(1, 0, guard.Alerted), func(f *detect.Finding) { f.Account = "2" })},
			[]string{"first high event-001", "first high event-001"},
		},
		"another kind in the session": {
			[]step{root(1, 0, guard.Alerted), of(root(2, 1, guard.Alerted), func(f *detect.Finding) { f.ID, f.Severity = detect.GuardTampered, detect.Critical })},
			[]string{"first high event-001", "first critical event-002"},
		},
		"more severe than all before": {
			[]step{
				root(1, 0, guard.Alerted), of(root(2, 1, guard.RolledUp), func(f *detect.Finding) { f.Severity = detect.Low }),
				of(root(3, 2, guard.Alerted), func(f *detect.Finding) { f.Severity = detect.Critical }),
				of(root(4, 3, guard.RolledUp), func(f *detect.Finding) { f.Severity = detect.Critical }), flush(15, 1),
			},
			[]string{"first high event-001", "first critical event-003", "roll_up critical event-001 x2"},
		},
		"records without a time": {
			[]step{
				of(root(1, 0, guard.Alerted), func(f *detect.Finding) { f.EventTime = time.Time{} }),
				of(root(2, 0, guard.RolledUp), func(f *detect.Finding) { f.EventTime = time.Time{} }), flush(15, 0), flush(75, 1),
			},
			[]string{"first high event-001", "roll_up high event-001 x1"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld()
			for _, s := range tt.steps {
				if s.f.ID == "" {
					w.flush(t, s.flush, s.n)
				} else {
					w.handle(t, w.record(s.f), s.want)
				}
			}
			w.wantTold(t, tt.told...)
		})
	}
}

// TestBurst holds that a script which creates users is reported user by user,
// until it is a flood.
func TestBurst(t *testing.T) {
	w := newWorld()
	for i := range 14 {
		want := guard.Alerted
		if i >= 10 {
			want = guard.RolledUp
		}
		w.handle(t, w.createUser(i, t0.Add(time.Duration(i)*time.Second)), want)
	}
	w.flush(t, t0.Add(time.Hour), 1)
	if told := w.told(); len(told) != 11 || told[10] != "roll_up info event-000 x4" {
		t.Errorf("alerts: %v", told)
	}
}

func TestRollUpListsActions(t *testing.T) {
	w := newWorld(func(s *wire.Settings) { s.Actions = 2 })
	for i, f := range []detect.Finding{
		{EventName: "CreateUser", Target: detect.Target{UserName: "a"}},
		{EventName: "CreateUser", Target: detect.Target{UserName: "b", UserID: "AIDAB"}},
		{EventName: "CreateUser", Target: detect.Target{UserName: "b"}},
		{EventName: "DeleteUser", Target: detect.Target{UserID: "AIDAC"}},
		{EventName: "CreateUser", Target: detect.Target{Resource: "r"}},
		{EventName: "CreateUser", Target: detect.Target{UserName: "b"}},
		{EventName: "ListUsers"},
	} {
		whole := finding(detect.RootActivity, detect.High, "s", i, t0.Add(-time.Duration(i)*time.Minute))
		whole.EventName, whole.Target = f.EventName, f.Target
		if i == 3 {
			whole.EventSource = ""
		}
		want := guard.RolledUp
		if i == 0 {
			want = guard.Alerted
		}
		w.handle(t, w.record(whole), want)
	}
	w.flush(t, t0.Add(time.Hour), 1)
	got := w.pub.Published()[1]
	want := alert.Alert{
		Schema: alert.Schema, ID: got.ID, Kind: alert.RollUp, AccountName: "name of " + account, Finding: w.pub.Published()[0].Finding,
		Count: 6, Actions: []alert.Action{{Name: "iam:ListUsers", Count: 1}, {Name: "iam:CreateUser", Target: "b", Count: 3}}, // by event time
		ActionsOmitted: 2, FirstTime: t0.Add(-6 * time.Minute), LastTime: t0.Add(-time.Minute),
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("roll-up (-want +got):\n%s", diff)
	}
}

func failedSignin(n int, at time.Time) detect.Finding {
	f := finding(detect.RootSigninFailed, detect.Medium, fmt.Sprintf("session %d", n), n, at)
	f.EventSource, f.EventName, f.SourceIP = "signin.amazonaws.com", "ConsoleLogin", "203.0.113.5"
	return f
}

func TestFailedSigninsEscalate(t *testing.T) {
	for name, tt := range map[string]struct {
		minutes []float64
		told    []string
	}{
		"four": {
			[]float64{0, 1, 2, 3},
			[]string{"first medium event-000", "roll_up medium event-000 x3"},
		},
		"five, and more": {
			[]float64{0, 1, 2, 3, 4, 5, 6},
			[]string{"first medium event-000", "escalation high event-004 x5", "roll_up high event-000 x5"},
		},
		"five in more than a window": {
			[]float64{0, 5, 10, 14, 15},
			[]string{"first medium event-000", "roll_up medium event-000 x3", "roll_up medium event-000 x1"},
		},
		"five across two windows": {
			[]float64{0, 10, 13, 14, 16, 17},
			[]string{"first medium event-000", "escalation high event-005 x5", "roll_up medium event-000 x3", "roll_up high event-000 x1"},
		},
		"out of order": {
			[]float64{4, 3, 2, 1, 0},
			[]string{"first medium event-000", "escalation high event-004 x5", "roll_up high event-000 x3"},
		},
		"a quiet time between": {
			[]float64{0, 1, 2, 60, 61},
			[]string{"first medium event-000", "first medium event-003", "roll_up medium event-000 x2", "roll_up medium event-003 x1"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld()
			for i, minute := range tt.minutes {
				if _, err := w.Handle(t.Context(), w.record(failedSignin(i, t0.Add(time.Duration(minute*float64(time.Minute)))))); err != nil {
					t.Fatal(err)
				}
			}
			if _, err := w.Flush(t.Context(), t0.Add(24*time.Hour)); err != nil {
				t.Fatal(err)
			}
			w.wantTold(t, tt.told...)
			for _, a := range w.pub.Published() {
				if a.Kind == alert.Escalation && (!a.FirstTime.Before(a.LastTime) || a.LastTime.Sub(a.FirstTime) >= 15*time.Minute) {
					t.Errorf("escalation from %v to %v", a.FirstTime, a.LastTime)
				}
				if a.Kind == alert.RollUp && a.Actions[0].Target != "from 203.0.113.5" {
					t.Errorf("actions: %+v", a.Actions)
				}
			}
		})
	}
}

// TestEscalationSurvives holds that an escalation that failed is one when it is retried.
func TestEscalationSurvives(t *testing.T) {
	for _, fault := range []fake.Fault{fake.FailBefore, fake.CrashBefore} {
		t.Run(fault.String(), func(t *testing.T) {
			w := newWorld()
			for i := range 4 {
				if _, err := w.Handle(t.Context(), w.record(failedSignin(i, t0.Add(time.Duration(i)*time.Minute)))); err != nil {
					t.Fatal(err)
				}
			}
			rec := w.record(failedSignin(4, t0.Add(4*time.Minute)))
			w.script.Inject(2, fault)
			if _, err := w.Handle(t.Context(), rec); err == nil {
				t.Fatal("Handle hid the fault")
			}
			w.settleAll(t, []*cloudtrail.Record{rec})
			told := w.told()
			if diff := cmp.Diff([]string{"first medium event-000", "escalation high event-004 x5", "roll_up high event-000 x3"}, told); diff != "" {
				t.Errorf("alerts (-want +got):\n%s", diff)
			}
			series, err := w.ledger.Series()
			series = slices.DeleteFunc(series, func(s repeats.Series) bool { return strings.HasSuffix(s.Key, string(detect.RootSigninSpraying)) })
			if err != nil || len(series) != 1 || len(series[0].Attempts) != 5 || len(series[0].Grants) != 2 {
				t.Errorf("series %+v, %v", series, err)
			}
			if a := w.pub.Published()[1]; !a.FirstTime.Equal(t0) || !a.LastTime.Equal(t0.Add(4*time.Minute)) {
				t.Errorf("escalation from %v to %v", a.FirstTime, a.LastTime)
			}
		})
	}
}

// TestPartlyPublished holds that who took an alert, or a roll-up, is not sent it
// again when it is retried for the sake of the others, and that what is reported
// after it goes to all.
func TestPartlyPublished(t *testing.T) {
	w := newWorld()
	root := func(n int) *cloudtrail.Record {
		return w.record(finding(detect.RootActivity, detect.High, "s", n, t0.Add(time.Duration(n)*time.Minute)))
	}
	has := map[string][]string{} // receiver to the alerts it took
	down := 0
	w.pub.Refuse = func(a alert.Alert) error {
		took := slices.Clone(a.DeliveredTo)
		for _, receiver := range []string{"one", "two", "three"} {
			if slices.Contains(took, receiver) || receiver == "two" && down > 0 {
				continue
			}
			has[receiver] = append(has[receiver], fmt.Sprintf("%s %s x%d", a.Kind, a.Finding.EventID, a.Count))
			took = append(took, receiver)
		}
		if down > 0 {
			down--
			return &guard.Partial{DeliveredTo: took, Err: fake.ErrFault}
		}
		return nil
	}
	down = 2
	for range 2 {
		if _, err := w.Handle(t.Context(), root(0)); !errors.Is(err, fake.ErrFault) {
			t.Fatalf("got %v, want the fault", err)
		}
	}
	w.handle(t, root(0), guard.Alerted)
	w.handle(t, root(0), guard.Duplicate)
	w.handle(t, root(1), guard.RolledUp)
	down = 2
	for range 2 {
		if n, err := w.Flush(t.Context(), t0.Add(time.Hour)); n != 0 || !errors.Is(err, fake.ErrFault) {
			t.Fatalf("flush: %d, %v", n, err)
		}
	}
	w.flush(t, t0.Add(time.Hour), 1)
	w.flush(t, t0.Add(time.Hour), 0)
	all := []string{"first event-000 x0", "roll_up event-000 x1"}
	if diff := cmp.Diff(map[string][]string{"one": all, "two": all, "three": all}, has); diff != "" {
		t.Errorf("receivers (-want +got):\n%s", diff)
	}
}

// TestFailedEscalationHoldsNoOtherBack holds that the next failed sign-in
// escalates where the one that was to has not been published.
func TestFailedEscalationHoldsNoOtherBack(t *testing.T) {
	w := newWorld()
	var recs []*cloudtrail.Record
	for i := range 6 {
		recs = append(recs, w.record(failedSignin(i, t0.Add(time.Duration(i)*time.Minute))))
	}
	for _, rec := range recs[:4] {
		if _, err := w.Handle(t.Context(), rec); err != nil {
			t.Fatal(err)
		}
	}
	w.script.Inject(2, fake.FailBefore)
	if _, err := w.Handle(t.Context(), recs[4]); !errors.Is(err, fake.ErrFault) {
		t.Fatalf("the fifth: %v", err)
	}
	w.handle(t, recs[5], guard.Alerted)
	w.handle(t, recs[4], guard.Alerted)
	w.flush(t, t0.Add(time.Hour), 1)
	w.wantTold(t, "first medium event-000", "escalation high event-005 x5", "escalation high event-004 x5", "roll_up high event-000 x3")
}

// TestFailureLeavesALaterGroupAlone covers an alert that fails when another of its
// session was published.
func TestFailureLeavesALaterGroupAlone(t *testing.T) {
	w := newWorld()
	root := func(n int, at time.Time) *cloudtrail.Record {
		return w.record(finding(detect.RootActivity, detect.High, "s", n, at))
	}
	w.pub.Refuse = func(alert.Alert) error {
		w.pub.Refuse = nil
		w.handle(t, root(2, t0.Add(time.Hour)), guard.Alerted)
		return errors.New("throttled")
	}
	if _, err := w.Handle(t.Context(), root(1, t0)); err == nil {
		t.Fatal("Handle hid the error")
	}
	w.handle(t, root(3, t0.Add(time.Hour+time.Minute)), guard.RolledUp)
}

// TestOthersFoldBehindAFailedAlert covers a window whose opening alert failed
// or died while other events were counted in it.
func TestOthersFoldBehindAFailedAlert(t *testing.T) {
	events := func(w *world) (opener, second, third *cloudtrail.Record) {
		return w.record(finding(detect.RootActivity, detect.High, "s", 1, t0)),
			w.record(finding(detect.RootActivity, detect.High, "s", 2, t0.Add(time.Minute))),
			w.record(finding(detect.RootActivity, detect.High, "s", 3, t0.Add(2*time.Minute)))
	}
	t.Run("folded while it was on its way, and it failed", func(t *testing.T) {
		w := newWorld()
		opener, second, third := events(w)
		w.pub.Refuse = func(alert.Alert) error {
			w.pub.Refuse = nil
			w.handle(t, second, guard.RolledUp)
			return errors.New("the topic is gone")
		}
		if _, err := w.Handle(t.Context(), opener); err == nil {
			t.Fatal("Handle hid the error")
		}
		// Nothing of the session was reported, so the next event is not held back.
		w.handle(t, third, guard.Alerted)
		// And the retry needs no lease to run out, and is not folded.
		w.handle(t, opener, guard.Alerted)
		w.flush(t, t0.Add(time.Hour), 1)
		w.wantTold(t, "first high event-003", "first high event-001", "roll_up high event-001 x1")
	})
	t.Run("folded after it died", func(t *testing.T) {
		w := newWorld()
		opener, second, third := events(w)
		w.script.Inject(2, fake.CrashBefore)
		if _, err := w.Handle(t.Context(), opener); !errors.Is(err, fake.ErrCrash) {
			t.Fatal(err)
		}
		w.script.Restart()
		w.handle(t, second, guard.RolledUp)
		if _, err := w.Handle(t.Context(), opener); !errors.Is(err, guard.ErrBusy) {
			t.Fatalf("while the lease runs: %v", err)
		}
		w.clock.Advance(w.settings.Lease)
		w.handle(t, opener, guard.Alerted)
		w.handle(t, third, guard.RolledUp)
		w.flush(t, t0.Add(time.Hour), 1)
		w.wantTold(t, "first high event-001", "roll_up high event-001 x2")
	})
	t.Run("a more severe one failed", func(t *testing.T) {
		w := newWorld()
		opener, second, third := events(w)
		for _, rec := range []*cloudtrail.Record{second, third} {
			f := w.findings[rec.EventID]
			f.Severity = detect.Critical
			w.findings[rec.EventID] = f
		}
		w.handle(t, opener, guard.Alerted)
		w.script.Inject(2, fake.FailBefore)
		if _, err := w.Handle(t.Context(), second); err == nil {
			t.Fatal("Handle hid the fault")
		}
		w.handle(t, third, guard.Alerted)
		w.handle(t, second, guard.Alerted)
		w.wantTold(t, "first high event-001", "first critical event-003", "first critical event-002")
	})
}

// TestStalledInvocation covers one whose lease ran out while it published.
func TestStalledInvocation(t *testing.T) {
	for name, fails := range map[string]bool{"and published": false, "and failed": true} {
		t.Run(name, func(t *testing.T) {
			w := newWorld()
			rec := w.record(finding(detect.RootActivity, detect.High, "s", 1, t0))
			w.pub.Refuse = func(alert.Alert) error {
				w.pub.Refuse = nil
				w.clock.Advance(w.settings.Lease)
				w.handle(t, rec, guard.Alerted)
				if fails {
					return errors.New("timed out")
				}
				return nil
			}
			if _, err := w.Handle(t.Context(), rec); (err != nil) != fails {
				t.Fatalf("Handle: %v", err)
			}
			if diff := cmp.Diff(map[guard.ClaimState]int{guard.Sent: 1}, w.states(t)); diff != "" {
				t.Errorf("claims (-want +got):\n%s", diff)
			}
			w.handle(t, rec, guard.Duplicate)
		})
	}
}

// TestStalledFlush covers a flush whose lease ran out while it published, and
// which comes back when the window is already at its next roll-up.
func TestStalledFlush(t *testing.T) {
	w := newWorld()
	root := func(n int, minute int) *cloudtrail.Record {
		return w.record(finding(detect.RootActivity, detect.High, "s", n, t0.Add(time.Duration(minute)*time.Minute)))
	}
	w.handle(t, root(1, 0), guard.Alerted)
	w.handle(t, root(2, 1), guard.RolledUp)
	w.pub.Refuse = func(alert.Alert) error {
		w.pub.Refuse = nil
		w.clock.Advance(w.settings.Lease)
		w.flush(t, t0.Add(15*time.Minute), 1)
		w.handle(t, root(3, 16), guard.RolledUp)
		w.script.Inject(2, fake.FailBefore) // the lease is taken, and publishing fails
		if _, err := w.Flush(t.Context(), t0.Add(30*time.Minute)); err == nil {
			t.Error("Flush hid the fault")
		}
		return nil
	}
	if _, err := w.Flush(t.Context(), t0.Add(15*time.Minute)); err != nil {
		t.Fatal(err)
	}
	w.flush(t, t0.Add(30*time.Minute), 0) // put off, since it failed
	w.flush(t, t0.Add(35*time.Minute), 1)
	if covered, extra := w.covered(t); covered["root.activity s"] != 3 || extra != 1 {
		t.Errorf("covered %v, %d extra:\n%s", covered, extra, strings.Join(w.told(), "\n"))
	}
}

// oldLedger lists groups as they were some time ago, as an index of DynamoDB
// may, and forgets claims on demand, as its time to live may.
type oldLedger struct {
	*fake.Ledger
	due    []guard.Group
	forget bool
}

func (l *oldLedger) Due(ctx context.Context, at time.Time, limit int) ([]guard.Group, error) {
	if due := l.due; due != nil {
		l.due = nil
		return due, nil
	}
	return l.Ledger.Due(ctx, at, limit)
}

func (l *oldLedger) Update(ctx context.Context, claimKey, windowKey string, decide func(guard.Claim, repeats.Series) (guard.Claim, repeats.Series)) error {
	return l.Ledger.Update(ctx, claimKey, windowKey, func(c guard.Claim, w repeats.Series) (guard.Claim, repeats.Series) {
		if l.forget {
			c = guard.Claim{}
		}
		return decide(c, w)
	})
}

func TestOldListOfGroups(t *testing.T) {
	w := newWorld()
	old := &oldLedger{Ledger: w.ledger}
	g := newParts(wire.Deps{Ledger: old, Publisher: w.pub, Now: w.clock.Now}, w.settings)
	root := func(n int, minute int) *cloudtrail.Record {
		return w.record(finding(detect.RootActivity, detect.High, "s", n, t0.Add(time.Duration(minute)*time.Minute)))
	}
	w.handle(t, root(1, 0), guard.Alerted)
	w.handle(t, root(2, 1), guard.RolledUp)
	stale, err := w.ledger.Due(t.Context(), t0.Add(time.Hour), 10)
	if err != nil {
		t.Fatal(err)
	}
	w.flush(t, t0.Add(15*time.Minute), 1)
	w.handle(t, root(3, 14), guard.RolledUp) // late: a batch of its own

	old.due = stale
	if n, err := g.Flush(t.Context(), t0.Add(time.Hour)); n != 0 || err != nil {
		t.Errorf("from the old list: %d, %v", n, err)
	}
	if n, err := g.Flush(t.Context(), t0.Add(time.Hour+15*time.Minute)); n != 1 || err != nil {
		t.Errorf("from the new list: %d, %v", n, err)
	}
	if covered, extra := w.covered(t); covered["root.activity s"] != 3 || extra != 0 {
		t.Errorf("covered %v, %d extra", covered, extra)
	}
}

// TestExpiredRow covers claims that are gone when their alert was published.
func TestExpiredRow(t *testing.T) {
	w := newWorld()
	old := &oldLedger{Ledger: w.ledger}
	w.pub.Refuse = func(alert.Alert) error { old.forget = true; return nil }
	g := newParts(wire.Deps{Ledger: old, Publisher: w.pub, Now: w.clock.Now}, w.settings)
	raise := func(n int, want guard.Disposition) {
		t.Helper()
		old.forget = false
		res, err := g.Raise(t.Context(), finding(detect.RootActivity, detect.High, "s", n, t0))
		if err != nil || res.Disposition != want {
			t.Errorf("event %d: %q, %v, want %q", n, res.Disposition, err, want)
		}
	}
	raise(1, guard.Alerted)
	raise(1, guard.Duplicate)
	raise(2, guard.RolledUp)
	if n, err := g.Flush(t.Context(), t0.Add(time.Hour)); n != 1 || err != nil {
		t.Errorf("Flush: %d, %v", n, err)
	}
	claims, err := w.ledger.Claims()
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range claims {
		if c.Key == "" || (c.State != guard.Sent && c.State != guard.Folded) {
			t.Errorf("claim %+v", c)
		}
	}
}

func TestJournalErrorHoldsNoAlertBack(t *testing.T) {
	w := newWorld()
	rec := w.createUser(1, t0)
	w.script.Inject(1, fake.FailBefore)
	res, err := w.Handle(t.Context(), rec)
	if !errors.Is(err, fake.ErrFault) || !failure.Retryable(err) {
		t.Errorf("error %v", err)
	}
	if res.Disposition != guard.Alerted || len(w.pub.Published()) != 1 {
		t.Errorf("%q, %d alerts", res.Disposition, len(w.pub.Published()))
	}
	if res := w.handle(t, rec, guard.Duplicate); res.NewFacts == 0 {
		t.Error("the retry recorded no facts")
	}
	if n := len(w.pub.Published()); n != 1 {
		t.Errorf("%d alerts after the retry", n)
	}
}

func TestLedgerErrorFailsClosed(t *testing.T) {
	w := newWorld()
	rec := w.createUser(1, t0)
	w.script.Inject(2, fake.FailBefore)
	if _, err := w.Handle(t.Context(), rec); !errors.Is(err, fake.ErrFault) {
		t.Errorf("error %v", err)
	}
	if n := len(w.pub.Published()); n != 0 {
		t.Errorf("%d alerts without a claim", n)
	}
}

func rootCall(w *world, n int) *cloudtrail.Record {
	rec := w.record(finding(detect.RootActivity, detect.High, "s", n, t0))
	rec.UserIdentity = cloudtrail.UserIdentity{Type: "Root", AccountID: account, AccessKeyID: "ASIAKEY"}
	return rec
}

func TestAssumedRootIsLookedUp(t *testing.T) {
	key := bootstrap.Fact{
		Account: account, ID: bootstrap.AssumedRootFactID("ASIAKEY"), Time: t0.Add(-time.Minute), EventID: "assume",
		Actor: "security-admin", TaskPolicy: "IAMAuditRootUserCredentials", AccessKeyID: "ASIAKEY",
	}
	t.Run("known", func(t *testing.T) {
		w := newWorld()
		if _, err := w.journal.Add(t.Context(), []bootstrap.Fact{key}); err != nil {
			t.Fatal(err)
		}
		w.handle(t, rootCall(w, 1), guard.Alerted)
		want := []*detect.AssumedRoot{{TaskPolicy: "IAMAuditRootUserCredentials", By: "security-admin", EventID: "assume"}}
		if diff := cmp.Diff(want, w.assumed); diff != "" {
			t.Errorf("assumed (-want +got):\n%s", diff)
		}
	})
	t.Run("not known, or nothing to look up", func(t *testing.T) {
		w := newWorld()
		if _, err := w.journal.Add(t.Context(), []bootstrap.Fact{key}); err != nil {
			t.Fatal(err)
		}
		other, none, marked := rootCall(w, 1), rootCall(w, 2), rootCall(w, 3)
		other.UserIdentity.AccessKeyID = "ASIAOTHER"
		none.UserIdentity.AccessKeyID = ""
		marked.UserIdentity.Session.AssumedRoot = cloudtrail.Yes
		for _, rec := range []*cloudtrail.Record{other, none, marked} {
			if _, err := w.Handle(t.Context(), rec); err != nil {
				t.Fatal(err)
			}
		}
		if diff := cmp.Diff([]*detect.AssumedRoot{nil, nil, nil}, w.assumed); diff != "" {
			t.Errorf("assumed (-want +got):\n%s", diff)
		}
		lookups := 0
		for _, c := range w.script.Calls() {
			if c == "Facts.Fact" {
				lookups++
			}
		}
		if lookups != 1 {
			t.Errorf("%d lookups, want 1", lookups)
		}
	})
	t.Run("the lookup fails", func(t *testing.T) {
		w := newWorld()
		rec := rootCall(w, 1)
		at := 1 + len(bootstrap.FactsOf(rec)) // one call adds them
		w.script.Inject(min(at, 2), fake.FailBefore)
		res, err := w.Handle(t.Context(), rec)
		if !errors.Is(err, fake.ErrFault) || res.Disposition != guard.Alerted {
			t.Fatalf("%q, %v", res.Disposition, err)
		}
		if d := w.pub.Published()[0].Finding.Detail; !strings.Contains(d, "sts:AssumeRoot could not be looked up") {
			t.Errorf("the alert does not say so: %q", d)
		}
		w.handle(t, rec, guard.Duplicate)
	})
}

func TestEventWithoutID(t *testing.T) {
	w := newWorld()
	f := finding(detect.RootActivity, detect.High, "s", 1, t0)
	f.EventID = ""
	a, b := w.record(f), w.record(f)
	a.Raw, b.Raw = []byte(`{"a":1}`), []byte(`{"b":2}`)
	w.handle(t, a, guard.Alerted)
	w.handle(t, a, guard.Duplicate)
	w.handle(t, b, guard.RolledUp)
}

func TestFlush(t *testing.T) {
	fill := func(t *testing.T, w *world, sessions int) {
		t.Helper()
		for i := range sessions {
			session := fmt.Sprintf("s%02d", i)
			at := t0.Add(time.Duration(i) * time.Minute)
			w.handle(t, w.record(finding(detect.RootActivity, detect.High, session, 2*i, at)), guard.Alerted)
			w.handle(t, w.record(finding(detect.RootActivity, detect.High, session, 2*i+1, at)), guard.RolledUp)
		}
	}
	t.Run("more than a batch", func(t *testing.T) {
		w := newWorld(func(s *wire.Settings) { s.Batch = 3 })
		fill(t, w, 20)
		w.flush(t, t0.Add(15*time.Minute-time.Nanosecond), 0)
		w.flush(t, t0.Add(15*time.Minute), 15)
		w.flush(t, t0.Add(time.Hour), 5)
	})
	t.Run("a roll-up that is refused keeps no other back", func(t *testing.T) {
		w := newWorld(func(s *wire.Settings) { s.Batch = 1 })
		fill(t, w, 6)
		w.pub.Refuse = func(a alert.Alert) error {
			if a.Finding.Session == "s00" || a.Finding.Session == "s03" {
				return failure.Permanent(errors.New("invalid message"))
			}
			return nil
		}
		n, err := w.Flush(t.Context(), t0.Add(time.Hour))
		if n != 4 || err == nil || failure.Retryable(err) {
			t.Errorf("%d published, %v", n, err)
		}
		w.pub.Refuse = nil
		w.flush(t, t0.Add(2*time.Hour), 2)
		if covered, extra := w.covered(t); len(covered) != 6 || extra != 0 {
			t.Errorf("%d extra, covered %v", extra, covered)
		}
	})
	t.Run("it gives up where all fail", func(t *testing.T) {
		w := newWorld()
		fill(t, w, 20)
		tries := 0
		w.pub.Refuse = func(alert.Alert) error { tries++; return errors.New("throttled") }
		if n, err := w.Flush(t.Context(), t0.Add(time.Hour)); n != 0 || err == nil || !failure.Retryable(err) {
			t.Errorf("%d published, %v", n, err)
		}
		if tries != 5 {
			t.Errorf("%d tries", tries)
		}
		w.pub.Refuse = nil
		w.flush(t, t0.Add(time.Hour), 15) // those that failed are put off
		w.flush(t, t0.Add(time.Hour+5*time.Minute), 5)
	})
	t.Run("another invocation is at it", func(t *testing.T) {
		w := newWorld()
		fill(t, w, 1)
		inside := false
		w.pub.Refuse = func(alert.Alert) error {
			if inside {
				return nil
			}
			inside = true
			w.flush(t, t0.Add(time.Hour), 0)
			// What arrives meanwhile waits for the next roll-up.
			w.handle(t, w.record(finding(detect.RootActivity, detect.High, "s00", 9, t0.Add(16*time.Minute))), guard.RolledUp)
			return nil
		}
		w.flush(t, t0.Add(20*time.Minute), 1)
		w.flush(t, t0.Add(30*time.Minute), 1)
		w.wantTold(t, "first high event-000", "roll_up high event-000 x1", "roll_up high event-000 x1")
	})
	t.Run("the ledger fails", func(t *testing.T) {
		w := newWorld()
		fill(t, w, 1)
		w.script.Inject(1, fake.FailBefore)
		if _, err := w.Flush(t.Context(), t0.Add(time.Hour)); !errors.Is(err, fake.ErrFault) {
			t.Errorf("error %v", err)
		}
	})
}

// TestCanceledWhilePublishing holds that an alert which went out is on record
// even where the caller gave up meanwhile.
func TestCanceledWhilePublishing(t *testing.T) {
	w := newWorld()
	ctx, cancel := context.WithCancel(t.Context())
	w.pub.Refuse = func(alert.Alert) error { cancel(); return nil }
	rec := w.record(finding(detect.RootActivity, detect.High, "s", 1, t0))
	if _, err := w.Handle(ctx, rec); err != nil {
		t.Fatal(err)
	}
	w.handle(t, rec, guard.Duplicate)
}

func TestRaiseNeedsNoRecord(t *testing.T) {
	w := newWorld()
	f := detect.Unhealthy(account, "us-east-1", "trail", "no trail is logging", t0)
	res, err := w.Raise(t.Context(), f)
	if err != nil || res.Disposition != guard.Alerted {
		t.Fatalf("%q, %v", res.Disposition, err)
	}
	if res, err := w.Raise(t.Context(), f); err != nil || res.Disposition != guard.Duplicate {
		t.Errorf("again: %q, %v", res.Disposition, err)
	}
}

func TestRetryable(t *testing.T) {
	plain := errors.New("timeout")
	perm := failure.Permanent(errors.New("invalid"))
	for name, tt := range map[string]struct {
		err  error
		want bool
	}{
		"none":                         {nil, false},
		"unknown":                      {plain, true},
		"wrapped unknown":              {fmt.Errorf("publishing: %w", plain), true},
		"busy":                         {fmt.Errorf("claiming: %w", guard.ErrBusy), true},
		"permanent":                    {perm, false},
		"wrapped permanent":            {fmt.Errorf("publishing: %w", perm), false},
		"permanent around a plain one": {failure.Permanent(fmt.Errorf("x: %w", plain)), false},
		"both":                         {errors.Join(perm, plain), true},
		"two permanent":                {errors.Join(perm, fmt.Errorf("x: %w", perm)), false},
		"wrapped join":                 {fmt.Errorf("x: %w", errors.Join(perm, perm)), false},
	} {
		if got := failure.Retryable(tt.err); got != tt.want {
			t.Errorf("%s: %v, want %v", name, got, tt.want)
		}
	}
	if failure.Permanent(nil) != nil {
		t.Error("Permanent(nil) is an error")
	}
	if !errors.Is(failure.Permanent(plain), plain) || failure.Permanent(plain).Error() != "timeout" {
		t.Error("Permanent hides the error")
	}
}

// TestTimeOutOfRange holds that an event is reported and recorded whatever its
// eventTime says: JSON has no year beyond 9999 or before 0, and a window or a
// deadline lies after its event.
func TestTimeOutOfRange(t *testing.T) {
	for _, at := range []string{
		"9999-12-31T23:59:59Z", "9999-12-31T23:59:59-05:00", "0000-01-01T00:00:00+05:00", "0000-01-01T00:00:00Z", "9998-12-31T23:59:59Z",
	} {
		t.Run(at, func(t *testing.T) {
			when, err := time.Parse(time.RFC3339, at)
			if err != nil {
				t.Fatal(err)
			}
			w := newWorld()
			w.handle(t, w.createUser(1, when), guard.Alerted)
			w.handle(t, w.createUser(1, when), guard.Duplicate)
			w.handle(t, w.createUser(2, t0), guard.Alerted)
			if got := w.pub.Published(); len(got) != 2 {
				t.Errorf("%d alerts, want 2", len(got))
			}
		})
	}
}

// TestRowsAreBounded holds that no text of a caller's choice makes a row that a
// store refuses: a DynamoDB item has at most 400 KiB.
func TestRowsAreBounded(t *testing.T) {
	w := newWorld(func(s *wire.Settings) { s.Burst = map[detect.ID]int{} })
	held := 0
	for i := range 120 {
		f := finding(detect.GuardTampered, detect.Critical, "s", i, t0)
		long := strconv.Itoa(i) + strings.Repeat("<", 50_000)
		f.Title, f.Detail, f.Target.Resource, f.UserAgent, f.EventName = long, long, long, long, long
		res, err := w.Handle(t.Context(), w.record(f))
		if err != nil {
			t.Fatal(err)
		}
		if res.Disposition == guard.RolledUp {
			held++
		}
		if i == 60 {
			// Cut off for sending and not sent: the row holds this and what follows.
			w.pub.Refuse = func(alert.Alert) error { return errors.New("throttled") }
			if _, err := w.Flush(t.Context(), t0.Add(time.Hour)); err == nil {
				t.Fatal("the roll-up was sent")
			}
		}
	}
	claims, err := w.ledger.Claims()
	if err != nil {
		t.Fatal(err)
	}
	groups, err := w.ledger.Groups()
	if err != nil {
		t.Fatal(err)
	}
	series, err := w.ledger.Series()
	if err != nil {
		t.Fatal(err)
	}
	if len(claims) != 121 || held != 119 || len(groups) != 1 || groups[0].Batches != 2 || len(series) != 1 {
		t.Fatalf("%d claims, %d groups, %d series, %d held: not what is to be measured", len(claims), len(groups), len(series), held)
	}
	check := func(what string, row any) {
		raw, err := json.Marshal(row)
		if err != nil {
			t.Fatal(err)
		}
		if len(raw) > 390<<10 {
			t.Errorf("%s has %d bytes", what, len(raw))
		}
	}
	for _, c := range claims {
		check("claim "+c.Key, c)
	}
	check("group", groups[0])
	check("series", series[0])
}

// TestClockSetBack holds that a lease ends also where the clock that made it was ahead.
func TestClockSetBack(t *testing.T) {
	w := newWorld()
	rec := w.createUser(1, t0)
	w.script.Inject(3, fake.CrashBefore) // Add and the claim went well; the publish did not begin
	if _, err := w.Handle(t.Context(), rec); !errors.Is(err, fake.ErrCrash) {
		t.Fatalf("got %v", err)
	}
	w.script.Restart()
	w.clock.Advance(-w.settings.Lease)
	if _, err := w.Handle(t.Context(), rec); !errors.Is(err, guard.ErrBusy) {
		t.Errorf("clocks that differ by a lease: %v", err)
	}
	w.clock.Advance(-24 * time.Hour)
	w.handle(t, rec, guard.Alerted)
}

// TestFailureAfterACrashHoldsNoOtherBack holds that an event whose invocation
// died gives its place in the window back where its retry cannot be published.
func TestFailureAfterACrashHoldsNoOtherBack(t *testing.T) {
	w := newWorld()
	first := w.record(finding(detect.RootActivity, detect.High, "s", 1, t0))
	w.script.Inject(2, fake.CrashBefore)
	if _, err := w.Handle(t.Context(), first); !errors.Is(err, fake.ErrCrash) {
		t.Fatalf("got %v", err)
	}
	w.script.Restart()
	w.clock.Advance(time.Hour)
	refused := failure.Permanent(errors.New("refused"))
	w.pub.Refuse = func(alert.Alert) error { return refused }
	if _, err := w.Handle(t.Context(), first); !errors.Is(err, refused) {
		t.Fatalf("got %v", err)
	}
	w.pub.Refuse = nil
	w.handle(t, w.record(finding(detect.RootActivity, detect.High, "s", 2, t0.Add(time.Second))), guard.Alerted)
	w.handle(t, w.record(finding(detect.RootActivity, detect.High, "s", 3, t0.Add(2*time.Second))), guard.RolledUp)
	w.handle(t, first, guard.Alerted)
	w.flush(t, t0.Add(time.Hour), 1)
	w.wantTold(t, "first high event-002", "first high event-001", "roll_up high event-002 x1")
}

// TestRefusedRollUpsHoldNoOtherBack holds that roll-ups which no retry can
// publish, and which stay due, do not keep those after them waiting for ever.
func TestRefusedRollUpsHoldNoOtherBack(t *testing.T) {
	w := newWorld(func(s *wire.Settings) { s.Batch = 3 })
	const sessions = 8
	for i := range 2 * sessions {
		f := finding(detect.RootActivity, detect.High, fmt.Sprintf("s%d", i/2), i, t0.Add(time.Duration(i)*time.Second))
		if _, err := w.Handle(t.Context(), w.record(f)); err != nil {
			t.Fatal(err)
		}
	}
	refused := failure.Permanent(errors.New("refused"))
	w.pub.Refuse = func(a alert.Alert) error {
		if a.Finding.Session != "s7" {
			return refused
		}
		return nil
	}
	if n, err := w.Flush(t.Context(), t0.Add(time.Hour)); n != 1 || !errors.Is(err, refused) {
		t.Errorf("%d roll-ups, %v", n, err)
	}
	w.pub.Refuse = nil
	w.flush(t, t0.Add(2*time.Hour), sessions-1)
}

// publisherFunc is a guard.Publisher.
type publisherFunc func(ctx context.Context, a alert.Alert) error

func (f publisherFunc) Publish(ctx context.Context, a alert.Alert) error { return f(ctx, a) }

// TestPublishEndsWithinTheLease holds that a publish under way is no one else's,
// however long the invocation may run.
func TestPublishEndsWithinTheLease(t *testing.T) {
	for _, tc := range []struct {
		lease   time.Duration
		bounded bool
	}{{45 * time.Second, true}, {time.Nanosecond, false}} {
		w := newWorld(func(s *wire.Settings) { s.Lease = tc.lease })
		g := newParts(wire.Deps{
			Detector: detectorFunc(nothing), Ledger: w.ledger, Facts: w.journal, Now: w.clock.Now,
			Publisher: publisherFunc(func(ctx context.Context, _ alert.Alert) error {
				if end, ok := ctx.Deadline(); ok != tc.bounded || ok && time.Until(end) > tc.lease-5*time.Second {
					t.Errorf("lease %v: a publish may run until %v, %v", tc.lease, end, ok)
				}
				return ctx.Err()
			}),
		}, w.settings)
		if _, err := g.Raise(t.Context(), finding(detect.RootSignin, detect.High, "s", 1, t0)); err != nil {
			t.Error(err)
		}
	}
}
