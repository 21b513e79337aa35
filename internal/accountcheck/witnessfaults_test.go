package accountcheck_test

import (
	"testing"
	"time"

	"rootguard/internal/accountcheck"
	"rootguard/internal/fake"
	"rootguard/internal/testenv"
)

// TestWitnessFaults cuts off each step of a use of root whose event is lost, or
// late, at each of its calls, in each way, and holds that in the end it is
// alerted once, and closed once.
func TestWitnessFaults(t *testing.T) {
	testenv.Soak(t)
	ready := func(t *testing.T, l *land) { // the next run alerts the use
		t.Helper()
		for len(l.witness(t).Uses) == 0 || l.witnessRow(t).Due.After(l.Clock.Now().Add(5*time.Minute)) {
			l.pass(t, 5*time.Minute)
		}
	}
	// steps are what happens before the run that is cut off.
	steps := []struct {
		name   string
		before func(l *land, late func())
		calls  int // at least
	}{
		{"a report is asked for", func(*land, func()) {}, 2},
		{"a report with the use is read", func(l *land, _ func()) { l.pass(t, 5*time.Minute) }, 2},
		{"the use is alerted", func(l *land, _ func()) { ready(t, l) }, 4},
		{"it is closed", func(l *land, late func()) {
			ready(t, l)
			l.pass(t, 5*time.Minute)
			for l.witnessRow(t).Due.After(l.Clock.Now().Add(5 * time.Minute)) {
				l.pass(t, 5*time.Minute)
			}
			late()
		}, 4},
	}
	run := func(t *testing.T, before func(l *land, late func()), n int, fault fake.Fault) (alerts []string, calls int) {
		t.Helper()
		l := newLand()
		f := newReports(l)
		l.pass(t, 5*time.Minute)
		l.Clock.Advance(accountcheck.ReportAge)
		used := l.Clock.Now().Add(-30 * time.Minute)
		f.used[home].use(-1, used, "", "")
		late := func() { l.deliver(t, rootEvent("late", "", used)) }
		before(l, late)
		l.Clock.Advance(5 * time.Minute)
		made := len(l.Script.Calls())
		if n > 0 {
			l.Script.Inject(n, fault)
		}
		_, _ = l.CheckReports(t.Context(), f, l.Clock.Now())
		calls = len(l.Script.Calls()) - made
		if l.Script.Restart() {
			l.Clock.Advance(time.Minute)
		}
		l.pass(t, 6*time.Hour)
		late()
		l.pass(t, 6*time.Hour)
		seen := map[string]int{}
		for _, a := range l.unseen() {
			if seen[a.Finding.EventID]++; seen[a.Finding.EventID] == 1 {
				alerts = append(alerts, a.Finding.EventID)
			}
		}
		for id, copies := range seen {
			if copies > 2 || copies > 1 && fault == fake.None {
				t.Errorf("%v of call %d: %d copies of %s", fault, n, copies, id)
			}
		}
		return alerts, calls
	}
	for _, step := range steps {
		t.Run(step.name, func(t *testing.T) {
			want, calls := run(t, step.before, 0, fake.None)
			if len(want) != 2 || calls < step.calls {
				t.Fatalf("without a fault: alerts %v, in %d calls", want, calls)
			}
			for _, fault := range []fake.Fault{fake.FailBefore, fake.FailAfter, fake.CrashBefore, fake.CrashAfter} {
				for n := 1; n <= calls; n++ {
					if got, _ := run(t, step.before, n, fault); len(got) != 2 || got[0] != want[0] || got[1] != want[1] {
						t.Errorf("%v of call %d: alerts %v, want %v", fault, n, got, want)
					}
				}
			}
		})
	}
}

func (l *land) witnessRow(t *testing.T) (row accountcheck.Check) {
	t.Helper()
	err := l.rounds.Of(accountcheck.KindReport).Update(t.Context(), home+"/witness", func(r accountcheck.Check) accountcheck.Check {
		row = r
		return accountcheck.Check{}
	})
	if err != nil {
		t.Fatal(err)
	}
	return row
}

func (l *land) witness(t *testing.T) accountcheck.Witness { t.Helper(); return l.witnessRow(t).Witness }
