package guard_test

import (
	"rootguard/internal/wiretest"

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

func TestAlertOfOneEvent(t *testing.T) {
	w := wiretest.NewWorld()
	rec := w.CreateUser(1, wiretest.T0)
	res := w.MustHandle(t, rec, guard.Alerted)
	if res.NewFacts == 0 {
		t.Error("no facts were recorded")
	}
	want := alert.Alert{
		Schema: alert.Schema, ID: res.Alert.ID, Kind: alert.First, AccountName: "name of " + wiretest.Account,
		Finding: w.Findings[rec.EventID], Deadline: wiretest.T0.Add(24 * time.Hour),
	}
	if diff := cmp.Diff([]alert.Alert{want}, w.Receivers.Published()); diff != "" {
		t.Errorf("published (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff(want, *res.Alert); diff != "" {
		t.Errorf("result (-want +got):\n%s", diff)
	}
	if len(res.Alert.ID) != 32 {
		t.Errorf("alert ID %q", res.Alert.ID)
	}
	// The second trail's copy.
	if res := w.MustHandle(t, rec, guard.Duplicate); res.Alert != nil || res.NewFacts != 0 {
		t.Errorf("the copy made %+v", res)
	}
	if n := len(w.Receivers.Published()); n != 1 {
		t.Errorf("%d alerts", n)
	}
}

func TestIgnoredRecordTouchesNothing(t *testing.T) {
	w := wiretest.NewWorld()
	rec := &cloudtrail.Record{EventID: "e", EventSource: "s3.amazonaws.com", EventName: "GetObject", RecipientAccountID: wiretest.Account}
	w.MustHandle(t, rec, guard.Ignored)
	if calls := w.Script.Calls(); len(calls) != 0 {
		t.Errorf("calls: %v", calls)
	}
	g := wiretest.NewParts(wire.Deps{Detector: wiretest.DetectorFunc(func(*cloudtrail.Record, *detect.AssumedRoot) detect.Outcome {
		return detect.Outcome{Kind: detect.Skipped}
	})}, wire.Settings{})
	ctx := t.Context()
	if n := testing.AllocsPerRun(100, func() { _, _ = g.Handle(ctx, rec) }); n > 0 {
		t.Errorf("%v allocations for a record that matters to no one", n)
	}
}

func TestRecordWithFactsAlone(t *testing.T) {
	w := wiretest.NewWorld()
	rec := w.CreateUser(1, wiretest.T0)
	delete(w.Findings, rec.EventID)
	w.MustHandle(t, rec, guard.Recorded)
	if diff := cmp.Diff([]string{"Facts.Add"}, w.Script.Calls()); diff != "" {
		t.Errorf("calls (-want +got):\n%s", diff)
	}
	w.Script.Inject(1, fake.FailBefore)
	if _, err := w.Handle(t.Context(), rec); !errors.Is(err, fake.ErrFault) {
		t.Errorf("a failing journal: %v", err)
	}
}

// TestEveryStepFails makes each call of handling one event go wrong in each
// way, alone and together with each other call, and redelivers the event until
// it is handled.
func TestEveryStepFails(t *testing.T) {
	clean := wiretest.NewWorld()
	clean.MustHandle(t, clean.CreateUser(1, wiretest.T0), guard.Alerted)
	steps := clean.Script.Calls()
	if diff := cmp.Diff([]string{"Facts.Add", "Claims.Update", "Publisher.Publish", "Claims.Update"}, steps); diff != "" {
		t.Fatalf("steps (-want +got):\n%s", diff)
	}
	faults := []fake.Fault{fake.FailBefore, fake.FailAfter, fake.CrashBefore, fake.CrashAfter}
	run := func(t *testing.T, plan map[int]fake.Fault, atMost int) {
		t.Helper()
		w := wiretest.NewWorld()
		for step, f := range plan {
			w.Script.Inject(step, f)
		}
		rec := w.CreateUser(1, wiretest.T0)
		_, err := w.Handle(t.Context(), rec)
		if err == nil {
			t.Fatal("Handle hid the fault")
		}
		if !failure.Retryable(err) {
			t.Errorf("not retryable: %v", err)
		}
		w.SettleAll(t, []*cloudtrail.Record{rec})
		if n := len(w.Receivers.Published()); n < 1 || n > atMost {
			t.Errorf("published %d times, want 1 to %d", n, atMost)
		}
		covered, _ := w.Covered(t)
		if diff := cmp.Diff(map[string]int{"user.created s": 1}, covered); diff != "" {
			t.Errorf("covered (-want +got):\n%s", diff)
		}
		if diff := cmp.Diff(map[guard.ClaimState]int{guard.Sent: 1}, w.States()); diff != "" {
			t.Errorf("claims (-want +got):\n%s", diff)
		}
		facts, err := w.FactRows.Facts(t.Context(), wiretest.Account)
		if err != nil || len(facts) == 0 {
			t.Errorf("%d facts, %v", len(facts), err)
		}
		if series := w.Claims.Series(); len(series) != 1 || len(series[0].Grants) != 1 {
			t.Errorf("series %+v", series)
		}
		w.MustHandle(t, rec, guard.Duplicate)
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
	scenario := func(t *testing.T, w *wiretest.World, atOnce bool) {
		t.Helper()
		var failed []*cloudtrail.Record
		for i := range events {
			// The last event is after the window's end.
			at := wiretest.T0.Add(time.Duration(i*4) * time.Minute)
			rec := w.Record(wiretest.Finding(detect.RootActivity, detect.High, "s", i, at))
			if _, err := w.Handle(t.Context(), rec); err == nil {
				continue
			}
			w.Script.Restart()
			if atOnce {
				w.Clock.Advance(w.Settings.Lease)
				if _, err := w.Handle(t.Context(), rec); err == nil {
					continue
				}
			}
			failed = append(failed, rec)
		}
		if _, err := w.Flush(t.Context(), wiretest.T0.Add(2*time.Hour)); err != nil {
			w.Script.Restart()
		}
		w.SettleAll(t, failed)
	}
	clean := wiretest.NewWorld()
	scenario(t, clean, true)
	steps := clean.Script.Calls()
	clean.WantLines(t, "first high event-000", "roll_up high event-000 x3", "roll_up high event-000 x1")

	for _, atOnce := range []bool{true, false} {
		for i := range steps {
			for _, f := range testenv.Turn(i, fake.FailBefore, fake.FailAfter, fake.CrashBefore, fake.CrashAfter) {
				t.Run(fmt.Sprintf("at once %v, %d %s %s", atOnce, i+1, steps[i], f), func(t *testing.T) {
					w := wiretest.NewWorld()
					w.Script.Inject(i+1, f)
					scenario(t, w, atOnce)
					covered, extra := w.Covered(t)
					if diff := cmp.Diff(map[string]int{"root.activity s": events}, covered); diff != "" {
						t.Errorf("covered (-want +got):\n%s\n%s", diff, strings.Join(w.Lines(), "\n"))
					}
					if extra > 1 {
						t.Errorf("%d extra copies", extra)
					}
					if states := w.States(); states[guard.Sent] == 0 || states[guard.Sent]+states[guard.Folded] != events {
						t.Errorf("claims: %v", states)
					}
				})
			}
		}
	}
}

func TestConcurrentCopiesAreOneAlert(t *testing.T) {
	w := wiretest.NewWorld()
	rec := w.Record(wiretest.Finding(detect.RootActivity, detect.High, "s", 1, wiretest.T0))
	var mu sync.Mutex
	got := map[string]int{}
	inside := make(chan struct{})
	var once sync.Once
	w.Receivers.Refuse = func(alert.Alert) error {
		<-inside // every other copy arrives while the alert is on its way
		return nil
	}
	const copies = 32
	g := wiretest.NewParts(wire.Deps{
		Detector: wiretest.DetectorFunc(func(*cloudtrail.Record, *detect.AssumedRoot) detect.Outcome {
			return detect.Outcome{Kind: detect.Matched, Finding: w.Findings[rec.EventID]}
		}),
		Claims: w.Claims, Facts: w.FactRows, Publisher: w.Receivers, Now: w.Clock.Now,
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
	if n := len(w.Receivers.Published()); n != 1 {
		t.Errorf("%d alerts", n)
	}
	w.MustHandle(t, rec, guard.Duplicate)
}

func TestConcurrentSession(t *testing.T) {
	w := wiretest.NewWorld()
	const events, copies = 60, 2
	recs := make([]*cloudtrail.Record, events)
	for i := range recs {
		recs[i] = w.Record(wiretest.Finding(detect.RootActivity, detect.High, "s", i, wiretest.T0.Add(time.Duration(i)*time.Minute)))
	}
	g := wiretest.NewParts(wire.Deps{
		Detector: wiretest.DetectorFunc(func(rec *cloudtrail.Record, _ *detect.AssumedRoot) detect.Outcome {
			return detect.Outcome{Kind: detect.Matched, Finding: w.Findings[rec.EventID]}
		}),
		Claims: w.Claims, Facts: w.FactRows, Publisher: w.Receivers, Now: w.Clock.Now,
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
			if _, err := g.Flush(t.Context(), wiretest.T0.Add(time.Duration(i*10)*time.Minute)); err != nil {
				t.Errorf("flushing: %v", err)
			}
		})
	}
	wg.Wait()
	w.SettleAll(t, nil)
	covered, extra := w.Covered(t)
	if diff := cmp.Diff(map[string]int{"root.activity s": events}, covered); diff != "" || extra != 0 {
		t.Errorf("%d extra copies, covered (-want +got):\n%s", extra, diff)
	}
}

// TestRootSession is the shape of a real one: 538 calls under 9 access keys in
// a session of some hours, with every fourth delivered by two trails.
func TestRootSession(t *testing.T) {
	w := wiretest.NewWorld()
	const calls = 538
	for i := range calls {
		f := wiretest.Finding(detect.RootActivity, detect.High, "arn:aws:iam::123456789012:root@2025-03-01T11:58:00Z", i, wiretest.T0.Add(time.Duration(i)*20*time.Second))
		f.EventName = fmt.Sprintf("Call%d", i)
		f.Actor.AccessKeyID = fmt.Sprintf("ASIA%d", i%9)
		rec := w.Record(f)
		rec.UserIdentity.AccessKeyID = f.Actor.AccessKeyID
		want := guard.RolledUp
		if i == 0 {
			want = guard.Alerted
		}
		w.MustHandle(t, rec, want)
		if i%4 == 0 {
			w.MustHandle(t, rec, guard.Duplicate)
		}
	}
	w.MustFlush(t, wiretest.T0.Add(24*time.Hour), 12)
	kinds := map[alert.Kind]int{}
	sum := 0
	for _, a := range w.Receivers.Published() {
		kinds[a.Kind]++
		sum += a.Count
		if len(a.Actions) > w.Settings.Actions {
			t.Errorf("%d actions listed", len(a.Actions))
		}
		if a.Kind == alert.RollUp && a.LastTime.Sub(a.FirstTime) >= w.Settings.DedupWindow {
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
	w.Covered(t)
}

func TestWindows(t *testing.T) {
	at := func(minute float64) time.Time { return wiretest.T0.Add(time.Duration(minute * float64(time.Minute))) }
	type step struct {
		f     detect.Finding
		want  guard.Disposition
		flush time.Time // instead
		n     int
	}
	root := func(n int, minute float64, want guard.Disposition) step {
		return step{f: wiretest.Finding(detect.RootActivity, detect.High, "s", n, at(minute)), want: want}
	}
	of := func(s step, change func(*detect.Finding)) step { change(&s.f); return s }
	flush := func(minute float64, n int) step { return step{flush: at(minute), n: n} }
	for name, tt := range map[string]struct {
		steps    []step
		reported []string
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
			w := wiretest.NewWorld()
			for _, s := range tt.steps {
				if s.f.ID == "" {
					w.MustFlush(t, s.flush, s.n)
				} else {
					w.MustHandle(t, w.Record(s.f), s.want)
				}
			}
			w.WantLines(t, tt.reported...)
		})
	}
}

// TestBurst holds that a script which creates users is reported user by user,
// until it is a flood.
func TestBurst(t *testing.T) {
	w := wiretest.NewWorld()
	for i := range 14 {
		want := guard.Alerted
		if i >= 10 {
			want = guard.RolledUp
		}
		w.MustHandle(t, w.CreateUser(i, wiretest.T0.Add(time.Duration(i)*time.Second)), want)
	}
	w.MustFlush(t, wiretest.T0.Add(time.Hour), 1)
	if reported := w.Lines(); len(reported) != 11 || reported[10] != "roll_up info event-000 x4" {
		t.Errorf("alerts: %v", reported)
	}
}

func TestRollUpListsActions(t *testing.T) {
	w := wiretest.NewWorld(func(s *wire.Settings) { s.Actions = 2 })
	for i, f := range []detect.Finding{
		{EventName: "CreateUser", Target: detect.Target{UserName: "a"}},
		{EventName: "CreateUser", Target: detect.Target{UserName: "b", UserID: "AIDAB"}},
		{EventName: "CreateUser", Target: detect.Target{UserName: "b"}},
		{EventName: "DeleteUser", Target: detect.Target{UserID: "AIDAC"}},
		{EventName: "CreateUser", Target: detect.Target{Resource: "r"}},
		{EventName: "CreateUser", Target: detect.Target{UserName: "b"}},
		{EventName: "ListUsers"},
	} {
		whole := wiretest.Finding(detect.RootActivity, detect.High, "s", i, wiretest.T0.Add(-time.Duration(i)*time.Minute))
		whole.EventName, whole.Target = f.EventName, f.Target
		if i == 3 {
			whole.EventSource = ""
		}
		want := guard.RolledUp
		if i == 0 {
			want = guard.Alerted
		}
		w.MustHandle(t, w.Record(whole), want)
	}
	w.MustFlush(t, wiretest.T0.Add(time.Hour), 1)
	got := w.Receivers.Published()[1]
	want := alert.Alert{
		Schema: alert.Schema, ID: got.ID, Kind: alert.RollUp, AccountName: "name of " + wiretest.Account, Finding: w.Receivers.Published()[0].Finding,
		Count: 6, Actions: []alert.Action{{Name: "iam:ListUsers", Count: 1}, {Name: "iam:CreateUser", Target: "b", Count: 3}}, // by event time
		ActionsOmitted: 2, FirstTime: wiretest.T0.Add(-6 * time.Minute), LastTime: wiretest.T0.Add(-time.Minute),
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("roll-up (-want +got):\n%s", diff)
	}
}

func failedSignin(n int, at time.Time) detect.Finding {
	f := wiretest.Finding(detect.RootSigninFailed, detect.Medium, fmt.Sprintf("session %d", n), n, at)
	f.EventSource, f.EventName, f.SourceIP = "signin.amazonaws.com", "ConsoleLogin", "203.0.113.5"
	return f
}

func TestFailedSigninsEscalate(t *testing.T) {
	for name, tt := range map[string]struct {
		minutes  []float64
		reported []string
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
			w := wiretest.NewWorld()
			for i, minute := range tt.minutes {
				if _, err := w.Handle(t.Context(), w.Record(failedSignin(i, wiretest.T0.Add(time.Duration(minute*float64(time.Minute)))))); err != nil {
					t.Fatal(err)
				}
			}
			if _, err := w.Flush(t.Context(), wiretest.T0.Add(24*time.Hour)); err != nil {
				t.Fatal(err)
			}
			w.WantLines(t, tt.reported...)
			for _, a := range w.Receivers.Published() {
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
			w := wiretest.NewWorld()
			for i := range 4 {
				if _, err := w.Handle(t.Context(), w.Record(failedSignin(i, wiretest.T0.Add(time.Duration(i)*time.Minute)))); err != nil {
					t.Fatal(err)
				}
			}
			rec := w.Record(failedSignin(4, wiretest.T0.Add(4*time.Minute)))
			w.Script.Inject(2, fault)
			if _, err := w.Handle(t.Context(), rec); err == nil {
				t.Fatal("Handle hid the fault")
			}
			w.SettleAll(t, []*cloudtrail.Record{rec})
			reported := w.Lines()
			if diff := cmp.Diff([]string{"first medium event-000", "escalation high event-004 x5", "roll_up high event-000 x3"}, reported); diff != "" {
				t.Errorf("alerts (-want +got):\n%s", diff)
			}
			series := slices.DeleteFunc(w.Claims.Series(), func(s repeats.Series) bool { return strings.HasSuffix(s.Key, string(detect.RootSigninSpraying)) })
			if len(series) != 1 || len(series[0].Attempts) != 5 || len(series[0].Grants) != 2 {
				t.Errorf("series %+v", series)
			}
			if a := w.Receivers.Published()[1]; !a.FirstTime.Equal(wiretest.T0) || !a.LastTime.Equal(wiretest.T0.Add(4*time.Minute)) {
				t.Errorf("escalation from %v to %v", a.FirstTime, a.LastTime)
			}
		})
	}
}

// TestPartlyPublished holds that who took an alert, or a roll-up, is not sent it
// again when it is retried for the sake of the others, and that what is reported
// after it goes to all.
func TestPartlyPublished(t *testing.T) {
	w := wiretest.NewWorld()
	root := func(n int) *cloudtrail.Record {
		return w.Record(wiretest.Finding(detect.RootActivity, detect.High, "s", n, wiretest.T0.Add(time.Duration(n)*time.Minute)))
	}
	has := map[string][]string{} // receiver to the alerts it took
	down := 0
	w.Receivers.Refuse = func(a alert.Alert) error {
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
	w.MustHandle(t, root(0), guard.Alerted)
	w.MustHandle(t, root(0), guard.Duplicate)
	w.MustHandle(t, root(1), guard.RolledUp)
	down = 3 // the first tries again at once, apart from its group
	for range 2 {
		if n, err := w.Flush(t.Context(), wiretest.T0.Add(time.Hour)); n != 0 || !errors.Is(err, fake.ErrFault) {
			t.Fatalf("flush: %d, %v", n, err)
		}
	}
	w.MustFlush(t, wiretest.T0.Add(time.Hour), 1)
	w.MustFlush(t, wiretest.T0.Add(time.Hour), 0)
	all := []string{"first event-000 x0", "roll_up event-000 x1"}
	if diff := cmp.Diff(map[string][]string{"one": all, "two": all, "three": all}, has); diff != "" {
		t.Errorf("receivers (-want +got):\n%s", diff)
	}
}

// TestFailedEscalationHoldsNoOtherBack holds that the next failed sign-in
// escalates where the one that was to has not been published.
func TestFailedEscalationHoldsNoOtherBack(t *testing.T) {
	w := wiretest.NewWorld()
	var recs []*cloudtrail.Record
	for i := range 6 {
		recs = append(recs, w.Record(failedSignin(i, wiretest.T0.Add(time.Duration(i)*time.Minute))))
	}
	for _, rec := range recs[:4] {
		if _, err := w.Handle(t.Context(), rec); err != nil {
			t.Fatal(err)
		}
	}
	w.Script.Inject(2, fake.FailBefore)
	if _, err := w.Handle(t.Context(), recs[4]); !errors.Is(err, fake.ErrFault) {
		t.Fatalf("the fifth: %v", err)
	}
	w.MustHandle(t, recs[5], guard.Alerted)
	w.MustHandle(t, recs[4], guard.Alerted)
	w.MustFlush(t, wiretest.T0.Add(time.Hour), 1)
	w.WantLines(t, "first medium event-000", "escalation high event-005 x5", "escalation high event-004 x5", "roll_up high event-000 x3")
}

// TestFailureLeavesALaterGroupAlone covers an alert that fails when another of its
// session was published.
func TestFailureLeavesALaterGroupAlone(t *testing.T) {
	w := wiretest.NewWorld()
	root := func(n int, at time.Time) *cloudtrail.Record {
		return w.Record(wiretest.Finding(detect.RootActivity, detect.High, "s", n, at))
	}
	w.Receivers.Refuse = func(alert.Alert) error {
		w.Receivers.Refuse = nil
		w.MustHandle(t, root(2, wiretest.T0.Add(time.Hour)), guard.Alerted)
		return errors.New("throttled")
	}
	if _, err := w.Handle(t.Context(), root(1, wiretest.T0)); err == nil {
		t.Fatal("Handle hid the error")
	}
	w.MustHandle(t, root(3, wiretest.T0.Add(time.Hour+time.Minute)), guard.RolledUp)
}

// TestOthersFoldBehindAFailedAlert covers a window whose opening alert failed
// or died while other events were counted in it.
func TestOthersFoldBehindAFailedAlert(t *testing.T) {
	events := func(w *wiretest.World) (opener, second, third *cloudtrail.Record) {
		return w.Record(wiretest.Finding(detect.RootActivity, detect.High, "s", 1, wiretest.T0)),
			w.Record(wiretest.Finding(detect.RootActivity, detect.High, "s", 2, wiretest.T0.Add(time.Minute))),
			w.Record(wiretest.Finding(detect.RootActivity, detect.High, "s", 3, wiretest.T0.Add(2*time.Minute)))
	}
	t.Run("folded while it was on its way, and it failed", func(t *testing.T) {
		w := wiretest.NewWorld()
		opener, second, third := events(w)
		w.Receivers.Refuse = func(alert.Alert) error {
			w.Receivers.Refuse = nil
			w.MustHandle(t, second, guard.RolledUp)
			return errors.New("the topic is gone")
		}
		if _, err := w.Handle(t.Context(), opener); err == nil {
			t.Fatal("Handle hid the error")
		}
		// Nothing of the session was reported, so the next event is not held back.
		w.MustHandle(t, third, guard.Alerted)
		// And the retry needs no lease to run out, and is not folded.
		w.MustHandle(t, opener, guard.Alerted)
		w.MustFlush(t, wiretest.T0.Add(time.Hour), 1)
		w.WantLines(t, "first high event-003", "first high event-001", "roll_up high event-001 x1")
	})
	t.Run("folded after it died", func(t *testing.T) {
		w := wiretest.NewWorld()
		opener, second, third := events(w)
		w.Script.Inject(2, fake.CrashBefore)
		if _, err := w.Handle(t.Context(), opener); !errors.Is(err, fake.ErrCrash) {
			t.Fatal(err)
		}
		w.Script.Restart()
		w.MustHandle(t, second, guard.RolledUp)
		if _, err := w.Handle(t.Context(), opener); !errors.Is(err, guard.ErrBusy) {
			t.Fatalf("while the lease runs: %v", err)
		}
		w.Clock.Advance(w.Settings.Lease)
		w.MustHandle(t, opener, guard.Alerted)
		w.MustHandle(t, third, guard.RolledUp)
		w.MustFlush(t, wiretest.T0.Add(time.Hour), 1)
		w.WantLines(t, "first high event-001", "roll_up high event-001 x2")
	})
	t.Run("a more severe one failed", func(t *testing.T) {
		w := wiretest.NewWorld()
		opener, second, third := events(w)
		for _, rec := range []*cloudtrail.Record{second, third} {
			f := w.Findings[rec.EventID]
			f.Severity = detect.Critical
			w.Findings[rec.EventID] = f
		}
		w.MustHandle(t, opener, guard.Alerted)
		w.Script.Inject(2, fake.FailBefore)
		if _, err := w.Handle(t.Context(), second); err == nil {
			t.Fatal("Handle hid the fault")
		}
		w.MustHandle(t, third, guard.Alerted)
		w.MustHandle(t, second, guard.Alerted)
		w.WantLines(t, "first high event-001", "first critical event-003", "first critical event-002")
	})
}

// TestStalledInvocation covers one whose lease ran out while it published.
func TestStalledInvocation(t *testing.T) {
	for name, fails := range map[string]bool{"and published": false, "and failed": true} {
		t.Run(name, func(t *testing.T) {
			w := wiretest.NewWorld()
			rec := w.Record(wiretest.Finding(detect.RootActivity, detect.High, "s", 1, wiretest.T0))
			w.Receivers.Refuse = func(alert.Alert) error {
				w.Receivers.Refuse = nil
				w.Clock.Advance(w.Settings.Lease)
				w.MustHandle(t, rec, guard.Alerted)
				if fails {
					return errors.New("timed out")
				}
				return nil
			}
			if _, err := w.Handle(t.Context(), rec); (err != nil) != fails {
				t.Fatalf("Handle: %v", err)
			}
			if diff := cmp.Diff(map[guard.ClaimState]int{guard.Sent: 1}, w.States()); diff != "" {
				t.Errorf("claims (-want +got):\n%s", diff)
			}
			w.MustHandle(t, rec, guard.Duplicate)
		})
	}
}

// TestStalledFlush covers a flush whose lease ran out while it published, and
// which comes back when the window is already at its next roll-up.
func TestStalledFlush(t *testing.T) {
	w := wiretest.NewWorld()
	root := func(n int, minute int) *cloudtrail.Record {
		return w.Record(wiretest.Finding(detect.RootActivity, detect.High, "s", n, wiretest.T0.Add(time.Duration(minute)*time.Minute)))
	}
	w.MustHandle(t, root(1, 0), guard.Alerted)
	w.MustHandle(t, root(2, 1), guard.RolledUp)
	w.Receivers.Refuse = func(alert.Alert) error {
		w.Receivers.Refuse = nil
		w.Clock.Advance(w.Settings.Lease)
		w.MustFlush(t, wiretest.T0.Add(15*time.Minute), 1)
		w.MustHandle(t, root(3, 16), guard.RolledUp)
		w.Script.Inject(2, fake.FailBefore) // the lease is taken, and publishing fails
		if _, err := w.Flush(t.Context(), wiretest.T0.Add(30*time.Minute)); err == nil {
			t.Error("Flush hid the fault")
		}
		return nil
	}
	if _, err := w.Flush(t.Context(), wiretest.T0.Add(15*time.Minute)); err != nil {
		t.Fatal(err)
	}
	w.MustFlush(t, wiretest.T0.Add(30*time.Minute), 0) // put off, since it failed
	w.MustFlush(t, wiretest.T0.Add(35*time.Minute), 1)
	if covered, extra := w.Covered(t); covered["root.activity s"] != 3 || extra != 1 {
		t.Errorf("covered %v, %d extra:\n%s", covered, extra, strings.Join(w.Lines(), "\n"))
	}
}

// oldClaims lists groups as they were some time ago, as an index of DynamoDB
// may, and forgets claims on demand, as its time to live may.
type oldClaims struct {
	*fake.Claims
	due    []guard.Group
	forget bool
}

func (l *oldClaims) Due(ctx context.Context, at time.Time, limit int) ([]guard.Group, error) {
	if due := l.due; due != nil {
		l.due = nil
		return due, nil
	}
	return l.Claims.Due(ctx, at, limit)
}

func (l *oldClaims) Update(ctx context.Context, claimKey, windowKey string, decide func(guard.Claim, repeats.Series) (guard.Claim, repeats.Series)) error {
	return l.Claims.Update(ctx, claimKey, windowKey, func(c guard.Claim, w repeats.Series) (guard.Claim, repeats.Series) {
		if l.forget {
			c = guard.Claim{}
		}
		return decide(c, w)
	})
}

func TestOldListOfGroups(t *testing.T) {
	w := wiretest.NewWorld()
	old := &oldClaims{Claims: w.Claims}
	g := wiretest.NewParts(wire.Deps{Claims: old, Publisher: w.Receivers, Now: w.Clock.Now}, w.Settings)
	root := func(n int, minute int) *cloudtrail.Record {
		return w.Record(wiretest.Finding(detect.RootActivity, detect.High, "s", n, wiretest.T0.Add(time.Duration(minute)*time.Minute)))
	}
	w.MustHandle(t, root(1, 0), guard.Alerted)
	w.MustHandle(t, root(2, 1), guard.RolledUp)
	stale, err := w.Claims.Due(t.Context(), wiretest.T0.Add(time.Hour), 10)
	if err != nil {
		t.Fatal(err)
	}
	w.MustFlush(t, wiretest.T0.Add(15*time.Minute), 1)
	w.MustHandle(t, root(3, 14), guard.RolledUp) // late: a batch of its own

	old.due = stale
	if n, err := g.Flush(t.Context(), wiretest.T0.Add(time.Hour)); n != 0 || err != nil {
		t.Errorf("from the old list: %d, %v", n, err)
	}
	if n, err := g.Flush(t.Context(), wiretest.T0.Add(time.Hour+15*time.Minute)); n != 1 || err != nil {
		t.Errorf("from the new list: %d, %v", n, err)
	}
	if covered, extra := w.Covered(t); covered["root.activity s"] != 3 || extra != 0 {
		t.Errorf("covered %v, %d extra", covered, extra)
	}
}

// TestExpiredRow covers claims that are gone when their alert was published.
func TestExpiredRow(t *testing.T) {
	w := wiretest.NewWorld()
	old := &oldClaims{Claims: w.Claims}
	w.Receivers.Refuse = func(alert.Alert) error { old.forget = true; return nil }
	g := wiretest.NewParts(wire.Deps{Claims: old, Publisher: w.Receivers, Now: w.Clock.Now}, w.Settings)
	raise := func(n int, want guard.Disposition) {
		t.Helper()
		old.forget = false
		res, err := g.Raise(t.Context(), wiretest.Finding(detect.RootActivity, detect.High, "s", n, wiretest.T0))
		if err != nil || res.Disposition != want {
			t.Errorf("event %d: %q, %v, want %q", n, res.Disposition, err, want)
		}
	}
	raise(1, guard.Alerted)
	raise(1, guard.Duplicate)
	raise(2, guard.RolledUp)
	if n, err := g.Flush(t.Context(), wiretest.T0.Add(time.Hour)); n != 1 || err != nil {
		t.Errorf("Flush: %d, %v", n, err)
	}
	claims := w.Claims.All()
	for _, c := range claims {
		if c.Key == "" || (c.State != guard.Sent && c.State != guard.Folded) {
			t.Errorf("claim %+v", c)
		}
	}
}

func TestJournalErrorHoldsNoAlertBack(t *testing.T) {
	w := wiretest.NewWorld()
	rec := w.CreateUser(1, wiretest.T0)
	w.Script.Inject(1, fake.FailBefore)
	res, err := w.Handle(t.Context(), rec)
	if !errors.Is(err, fake.ErrFault) || !failure.Retryable(err) {
		t.Errorf("error %v", err)
	}
	if res.Disposition != guard.Alerted || len(w.Receivers.Published()) != 1 {
		t.Errorf("%q, %d alerts", res.Disposition, len(w.Receivers.Published()))
	}
	if res := w.MustHandle(t, rec, guard.Duplicate); res.NewFacts == 0 {
		t.Error("the retry recorded no facts")
	}
	if n := len(w.Receivers.Published()); n != 1 {
		t.Errorf("%d alerts after the retry", n)
	}
}

func TestClaimsErrorFailsClosed(t *testing.T) {
	w := wiretest.NewWorld()
	rec := w.CreateUser(1, wiretest.T0)
	w.Script.Inject(2, fake.FailBefore)
	if _, err := w.Handle(t.Context(), rec); !errors.Is(err, fake.ErrFault) {
		t.Errorf("error %v", err)
	}
	if n := len(w.Receivers.Published()); n != 0 {
		t.Errorf("%d alerts without a claim", n)
	}
}

func rootCall(w *wiretest.World, n int) *cloudtrail.Record {
	rec := w.Record(wiretest.Finding(detect.RootActivity, detect.High, "s", n, wiretest.T0))
	rec.UserIdentity = cloudtrail.UserIdentity{Type: "Root", AccountID: wiretest.Account, AccessKeyID: "ASIAKEY"}
	return rec
}

func TestAssumedRootIsLookedUp(t *testing.T) {
	key := bootstrap.Fact{
		Account: wiretest.Account, ID: bootstrap.AssumedRootFactID("ASIAKEY"), Time: wiretest.T0.Add(-time.Minute), EventID: "assume",
		Actor: "security-admin", TaskPolicy: "IAMAuditRootUserCredentials", AccessKeyID: "ASIAKEY",
	}
	t.Run("known", func(t *testing.T) {
		w := wiretest.NewWorld()
		if _, err := w.FactRows.Add(t.Context(), []bootstrap.Fact{key}); err != nil {
			t.Fatal(err)
		}
		w.MustHandle(t, rootCall(w, 1), guard.Alerted)
		want := []*detect.AssumedRoot{{TaskPolicy: "IAMAuditRootUserCredentials", By: "security-admin", EventID: "assume"}}
		if diff := cmp.Diff(want, w.Assumed); diff != "" {
			t.Errorf("assumed (-want +got):\n%s", diff)
		}
	})
	t.Run("not known, or nothing to look up", func(t *testing.T) {
		w := wiretest.NewWorld()
		if _, err := w.FactRows.Add(t.Context(), []bootstrap.Fact{key}); err != nil {
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
		if diff := cmp.Diff([]*detect.AssumedRoot{nil, nil, nil}, w.Assumed); diff != "" {
			t.Errorf("assumed (-want +got):\n%s", diff)
		}
		lookups := 0
		for _, c := range w.Script.Calls() {
			if c == "Facts.Fact" {
				lookups++
			}
		}
		if lookups != 1 {
			t.Errorf("%d lookups, want 1", lookups)
		}
	})
	t.Run("the lookup fails", func(t *testing.T) {
		w := wiretest.NewWorld()
		rec := rootCall(w, 1)
		at := 1 + len(bootstrap.FactsOf(rec)) // one call adds them
		w.Script.Inject(min(at, 2), fake.FailBefore)
		res, err := w.Handle(t.Context(), rec)
		if !errors.Is(err, fake.ErrFault) || res.Disposition != guard.Alerted {
			t.Fatalf("%q, %v", res.Disposition, err)
		}
		if d := w.Receivers.Published()[0].Finding.Detail; !strings.Contains(d, "sts:AssumeRoot could not be looked up") {
			t.Errorf("the alert does not say so: %q", d)
		}
		w.MustHandle(t, rec, guard.Duplicate)
	})
}

func TestEventWithoutID(t *testing.T) {
	w := wiretest.NewWorld()
	f := wiretest.Finding(detect.RootActivity, detect.High, "s", 1, wiretest.T0)
	f.EventID = ""
	a, b := w.Record(f), w.Record(f)
	a.Raw, b.Raw = []byte(`{"a":1}`), []byte(`{"b":2}`)
	w.MustHandle(t, a, guard.Alerted)
	w.MustHandle(t, a, guard.Duplicate)
	w.MustHandle(t, b, guard.RolledUp)
}

func TestFlush(t *testing.T) {
	fill := func(t *testing.T, w *wiretest.World, sessions int) {
		t.Helper()
		for i := range sessions {
			session := fmt.Sprintf("s%02d", i)
			at := wiretest.T0.Add(time.Duration(i) * time.Minute)
			w.MustHandle(t, w.Record(wiretest.Finding(detect.RootActivity, detect.High, session, 2*i, at)), guard.Alerted)
			w.MustHandle(t, w.Record(wiretest.Finding(detect.RootActivity, detect.High, session, 2*i+1, at)), guard.RolledUp)
		}
	}
	t.Run("more than a batch", func(t *testing.T) {
		w := wiretest.NewWorld(func(s *wire.Settings) { s.Batch = 3 })
		fill(t, w, 20)
		w.MustFlush(t, wiretest.T0.Add(15*time.Minute-time.Nanosecond), 0)
		w.MustFlush(t, wiretest.T0.Add(15*time.Minute), 15)
		w.MustFlush(t, wiretest.T0.Add(time.Hour), 5)
	})
	t.Run("a roll-up that is refused keeps no other back", func(t *testing.T) {
		w := wiretest.NewWorld(func(s *wire.Settings) { s.Batch = 1 })
		fill(t, w, 6)
		w.Receivers.Refuse = func(a alert.Alert) error {
			if a.Finding.Session == "s00" || a.Finding.Session == "s03" {
				return failure.Permanent(errors.New("invalid message"))
			}
			return nil
		}
		n, err := w.Flush(t.Context(), wiretest.T0.Add(time.Hour))
		if n != 4 || err == nil || failure.Retryable(err) {
			t.Errorf("%d published, %v", n, err)
		}
		w.Receivers.Refuse = nil
		w.MustFlush(t, wiretest.T0.Add(2*time.Hour), 2)
		if covered, extra := w.Covered(t); len(covered) != 6 || extra != 0 {
			t.Errorf("%d extra, covered %v", extra, covered)
		}
	})
	t.Run("it gives up where all fail", func(t *testing.T) {
		w := wiretest.NewWorld()
		fill(t, w, 20)
		tries := 0
		w.Receivers.Refuse = func(alert.Alert) error { tries++; return errors.New("throttled") }
		if n, err := w.Flush(t.Context(), wiretest.T0.Add(time.Hour)); n != 0 || err == nil || !failure.Retryable(err) {
			t.Errorf("%d published, %v", n, err)
		}
		if tries != 5 {
			t.Errorf("%d tries", tries)
		}
		w.Receivers.Refuse = nil
		w.MustFlush(t, wiretest.T0.Add(time.Hour), 15) // those that failed are put off
		w.MustFlush(t, wiretest.T0.Add(time.Hour+5*time.Minute), 5)
	})
	t.Run("another invocation is at it", func(t *testing.T) {
		w := wiretest.NewWorld()
		fill(t, w, 1)
		inside := false
		w.Receivers.Refuse = func(alert.Alert) error {
			if inside {
				return nil
			}
			inside = true
			w.MustFlush(t, wiretest.T0.Add(time.Hour), 0)
			// What arrives meanwhile waits for the next roll-up.
			w.MustHandle(t, w.Record(wiretest.Finding(detect.RootActivity, detect.High, "s00", 9, wiretest.T0.Add(16*time.Minute))), guard.RolledUp)
			return nil
		}
		w.MustFlush(t, wiretest.T0.Add(20*time.Minute), 1)
		w.MustFlush(t, wiretest.T0.Add(30*time.Minute), 1)
		w.WantLines(t, "first high event-000", "roll_up high event-000 x1", "roll_up high event-000 x1")
	})
	t.Run("the store fails", func(t *testing.T) {
		w := wiretest.NewWorld()
		fill(t, w, 1)
		w.Script.Inject(1, fake.FailBefore)
		if _, err := w.Flush(t.Context(), wiretest.T0.Add(time.Hour)); !errors.Is(err, fake.ErrFault) {
			t.Errorf("error %v", err)
		}
	})
}

// TestCanceledWhilePublishing holds that an alert which went out is on record
// even where the caller gave up meanwhile.
func TestCanceledWhilePublishing(t *testing.T) {
	w := wiretest.NewWorld()
	ctx, cancel := context.WithCancel(t.Context())
	w.Receivers.Refuse = func(alert.Alert) error { cancel(); return nil }
	rec := w.Record(wiretest.Finding(detect.RootActivity, detect.High, "s", 1, wiretest.T0))
	if _, err := w.Handle(ctx, rec); err != nil {
		t.Fatal(err)
	}
	w.MustHandle(t, rec, guard.Duplicate)
}

func TestRaiseNeedsNoRecord(t *testing.T) {
	w := wiretest.NewWorld()
	f := detect.Unhealthy(wiretest.Account, "us-east-1", "trail", "no trail is logging", wiretest.T0)
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
			w := wiretest.NewWorld()
			w.MustHandle(t, w.CreateUser(1, when), guard.Alerted)
			w.MustHandle(t, w.CreateUser(1, when), guard.Duplicate)
			w.MustHandle(t, w.CreateUser(2, wiretest.T0), guard.Alerted)
			if got := w.Receivers.Published(); len(got) != 2 {
				t.Errorf("%d alerts, want 2", len(got))
			}
		})
	}
}

// TestRowsAreBounded holds that no text of a caller's choice makes a row that a
// store refuses: a DynamoDB item has at most 400 KiB.
func TestRowsAreBounded(t *testing.T) {
	w := wiretest.NewWorld(func(s *wire.Settings) { s.Burst = map[detect.ID]int{} })
	held := 0
	for i := range 120 {
		f := wiretest.Finding(detect.GuardTampered, detect.Critical, "s", i, wiretest.T0)
		long := strconv.Itoa(i) + strings.Repeat("<", 50_000)
		f.Title, f.Detail, f.Target.Resource, f.UserAgent, f.EventName = long, long, long, long, long
		res, err := w.Handle(t.Context(), w.Record(f))
		if err != nil {
			t.Fatal(err)
		}
		if res.Disposition == guard.RolledUp {
			held++
		}
		if i == 60 {
			// Cut off for sending and not sent: the row holds this and what follows.
			w.Receivers.Refuse = func(alert.Alert) error { return errors.New("throttled") }
			if _, err := w.Flush(t.Context(), wiretest.T0.Add(time.Hour)); err == nil {
				t.Fatal("the roll-up was sent")
			}
		}
	}
	claims := w.Claims.All()
	groups := w.Claims.Groups()
	series := w.Claims.Series()
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
	w := wiretest.NewWorld()
	rec := w.CreateUser(1, wiretest.T0)
	w.Script.Inject(3, fake.CrashBefore) // Add and the claim went well; the publish did not begin
	if _, err := w.Handle(t.Context(), rec); !errors.Is(err, fake.ErrCrash) {
		t.Fatalf("got %v", err)
	}
	w.Script.Restart()
	w.Clock.Advance(-w.Settings.Lease)
	if _, err := w.Handle(t.Context(), rec); !errors.Is(err, guard.ErrBusy) {
		t.Errorf("clocks that differ by a lease: %v", err)
	}
	w.Clock.Advance(-24 * time.Hour)
	w.MustHandle(t, rec, guard.Alerted)
}

// TestFailureAfterACrashHoldsNoOtherBack holds that an event whose invocation
// died gives its place in the window back where its retry cannot be published.
func TestFailureAfterACrashHoldsNoOtherBack(t *testing.T) {
	w := wiretest.NewWorld()
	first := w.Record(wiretest.Finding(detect.RootActivity, detect.High, "s", 1, wiretest.T0))
	w.Script.Inject(2, fake.CrashBefore)
	if _, err := w.Handle(t.Context(), first); !errors.Is(err, fake.ErrCrash) {
		t.Fatalf("got %v", err)
	}
	w.Script.Restart()
	w.Clock.Advance(time.Hour)
	refused := failure.Permanent(errors.New("refused"))
	w.Receivers.Refuse = func(alert.Alert) error { return refused }
	if _, err := w.Handle(t.Context(), first); !errors.Is(err, refused) {
		t.Fatalf("got %v", err)
	}
	w.Receivers.Refuse = nil
	w.MustHandle(t, w.Record(wiretest.Finding(detect.RootActivity, detect.High, "s", 2, wiretest.T0.Add(time.Second))), guard.Alerted)
	w.MustHandle(t, w.Record(wiretest.Finding(detect.RootActivity, detect.High, "s", 3, wiretest.T0.Add(2*time.Second))), guard.RolledUp)
	w.MustHandle(t, first, guard.Alerted)
	w.MustFlush(t, wiretest.T0.Add(time.Hour), 1)
	w.WantLines(t, "first high event-002", "first high event-001", "roll_up high event-002 x1")
}

// TestRefusedRollUpsHoldNoOtherBack holds that roll-ups which no retry can
// publish, and which stay due, do not keep those after them waiting for ever.
func TestRefusedRollUpsHoldNoOtherBack(t *testing.T) {
	w := wiretest.NewWorld(func(s *wire.Settings) { s.Batch = 3 })
	const sessions = 8
	for i := range 2 * sessions {
		f := wiretest.Finding(detect.RootActivity, detect.High, fmt.Sprintf("s%d", i/2), i, wiretest.T0.Add(time.Duration(i)*time.Second))
		if _, err := w.Handle(t.Context(), w.Record(f)); err != nil {
			t.Fatal(err)
		}
	}
	refused := failure.Permanent(errors.New("refused"))
	w.Receivers.Refuse = func(a alert.Alert) error {
		if a.Finding.Session != "s7" {
			return refused
		}
		return nil
	}
	if n, err := w.Flush(t.Context(), wiretest.T0.Add(time.Hour)); n != 1 || !errors.Is(err, refused) {
		t.Errorf("%d roll-ups, %v", n, err)
	}
	w.Receivers.Refuse = nil
	w.MustFlush(t, wiretest.T0.Add(2*time.Hour), sessions-1)
}

// TestPublishEndsWithinTheLease holds that a publish under way is no one else's,
// however long the invocation may run.
func TestPublishEndsWithinTheLease(t *testing.T) {
	for _, tc := range []struct {
		lease   time.Duration
		bounded bool
	}{{45 * time.Second, true}, {time.Nanosecond, false}} {
		w := wiretest.NewWorld(func(s *wire.Settings) { s.Lease = tc.lease })
		g := wiretest.NewParts(wire.Deps{
			Detector: wiretest.DetectorFunc(wiretest.Nothing), Claims: w.Claims, Facts: w.FactRows, Now: w.Clock.Now,
			Publisher: wiretest.PublisherFunc(func(ctx context.Context, _ alert.Alert) error {
				if end, ok := ctx.Deadline(); ok != tc.bounded || ok && time.Until(end) > tc.lease-5*time.Second {
					t.Errorf("lease %v: a publish may run until %v, %v", tc.lease, end, ok)
				}
				return ctx.Err()
			}),
		}, w.Settings)
		if _, err := g.Raise(t.Context(), wiretest.Finding(detect.RootSignin, detect.High, "s", 1, wiretest.T0)); err != nil {
			t.Error(err)
		}
	}
}
