package guard_test

import (
	"rootguard/internal/wiretest"

	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"rootguard/internal/testenv"

	"rootguard/internal/alert"
	"rootguard/internal/cloudtrail"
	"rootguard/internal/detect"
	"rootguard/internal/fake"
	"rootguard/internal/guard"
	"rootguard/internal/wire"
)

// TestEveryEventIsAlertedOnce runs random events, copies, faults, crashes, stalls
// and flushes, some of them in the middle of another's publish, and compares
// what was reported with the plain set of events.
func TestEveryEventIsAlertedOnce(t *testing.T) {
	t.Parallel()
	testenv.Check(t, 100, func(rt *rapid.T) {
		w := wiretest.NewWorld(func(s *wire.Settings) {
			s.Burst = map[detect.ID]int{detect.UserCreated: 3}
			s.Batch = rapid.IntRange(1, 3).Draw(rt, "batch")
		})
		kinds := []detect.ID{detect.RootActivity, detect.RootActivity, detect.UserCreated, detect.RootSigninFailed}
		recs := make([]*cloudtrail.Record, rapid.IntRange(1, 30).Draw(rt, "events"))
		groups := make([]string, len(recs))
		for i := range recs {
			f := wiretest.Finding(
				rapid.SampledFrom(kinds).Draw(rt, "kind"),
				rapid.SampledFrom([]detect.Severity{detect.Low, detect.Medium, detect.Critical}).Draw(rt, "severity"),
				rapid.SampledFrom([]string{"s1", "s2"}).Draw(rt, "session"), i,
				wiretest.T0.Add(time.Duration(rapid.IntRange(0, 50).Draw(rt, "minute"))*time.Minute))
			if f.ID == detect.RootSigninFailed {
				f.Session = "" // has none, so that its alerts add up
			}
			recs[i], groups[i] = w.Record(f), string(f.ID)+" "+f.Session
		}

		w.Claims.Lag = rapid.Bool().Draw(rt, "the index lags")

		// Rate limit tokens are denied at times, or cannot be taken.
		tokens := rapid.SliceOfN(rapid.SampledFrom([]string{"granted", "granted", "denied", "unknown"}), 0, 40).Draw(rt, "tokens")
		denied := false
		w.Token = func(time.Duration) (bool, error) {
			if len(tokens) == 0 {
				return true, nil
			}
			token := tokens[0]
			tokens = tokens[1:]
			denied = denied || token == "denied"
			if token == "unknown" {
				return false, errors.New("throttled")
			}
			return token == "granted", nil
		}

		var failed []*cloudtrail.Record
		seen := map[string]int{}
		delivered := map[int]bool{}
		faults := 0
		deliver := func(i int) {
			if !delivered[i] {
				delivered[i] = true
				seen[groups[i]]++
			}
			if _, err := w.Handle(context.Background(), recs[i]); err != nil {
				failed = append(failed, recs[i])
			}
		}
		minute := func() time.Time {
			return wiretest.T0.Add(time.Duration(rapid.IntRange(0, 90).Draw(rt, "flush")) * time.Minute)
		}
		for range rapid.IntRange(1, 60).Draw(rt, "steps") {
			// faulty runs one operation in which one call may go wrong. A crash
			// cuts off as many publishes as are on their way.
			faulty := func(onTheirWay int, do func()) {
				before := len(w.Script.Calls())
				at := 0
				if rapid.IntRange(0, 2).Draw(rt, "is faulty") == 0 {
					at = rapid.IntRange(1, 7).Draw(rt, "call")
					w.Script.Inject(at, rapid.SampledFrom([]fake.Fault{fake.FailBefore, fake.FailAfter, fake.CrashBefore, fake.CrashAfter}).Draw(rt, "fault"))
				}
				do()
				if at > 0 && len(w.Script.Calls())-before >= at {
					faults += onTheirWay
				}
				w.Script.Restart()
			}
			i := rapid.IntRange(0, len(recs)-1).Draw(rt, "event")
			switch rapid.SampledFrom([]string{"handle", "handle", "handle", "redeliver", "flush", "nested", "stalled", "clock"}).Draw(rt, "operation") {
			case "handle":
				faulty(1, func() { deliver(i) })
			case "redeliver":
				again := failed
				failed = nil
				for _, rec := range again {
					if _, err := w.Handle(context.Background(), rec); err != nil {
						failed = append(failed, rec)
					}
				}
			case "flush":
				at := minute()
				faulty(1, func() { _, _ = w.Flush(context.Background(), at) })
			case "nested", "stalled":
				// While the event's alert is on its way, other things happen.
				other := rapid.IntRange(0, len(recs)-1).Draw(rt, "other")
				stall := rapid.Bool().Draw(rt, "stall")
				at := minute()
				w.Receivers.Refuse = func(alert.Alert) error {
					w.Receivers.Refuse = nil
					if stall {
						// The lease runs out, so what is on its way may be sent again.
						w.Clock.Advance(w.Settings.Lease)
						faults++
					}
					deliver(other)
					_, _ = w.Flush(context.Background(), at)
					return nil
				}
				if rapid.Bool().Draw(rt, "in a flush") {
					faulty(2, func() { _, _ = w.Flush(context.Background(), at) })
				} else {
					faulty(2, func() { deliver(i) })
				}
				w.Receivers.Refuse = nil
			case "clock":
				w.Clock.Advance(w.Settings.Lease)
			}
		}
		w.Token = nil
		w.Claims.Lag = false
		w.SettleAll(rt, failed)

		covered, extra := w.Covered(rt)
		if diff := cmp.Diff(seen, covered); diff != "" {
			rt.Errorf("alerts (-events +alerted):\n%s\n%s", diff, strings.Join(w.Lines(), "\n"))
		}
		if extra > faults {
			rt.Errorf("%d extra copies for %d faults", extra, faults)
		}
		first := map[string]bool{}
		for _, a := range w.Receivers.Published() {
			if a.Kind != alert.RollUp {
				first[string(a.Finding.ID)+" "+a.Finding.Session] = true
			}
		}
		for g := range seen {
			if !first[g] && !denied {
				rt.Errorf("%s was only rolled up", g)
			}
		}
		left := w.Claims.Groups()
		for _, gr := range left {
			if gr.Unsent() {
				rt.Errorf("group %s is still unsent: %+v", gr.Key, gr)
			}
		}
		claims := w.Claims.All()
		for _, c := range claims {
			if c.State != guard.Sent && c.State != guard.Folded {
				rt.Errorf("claim %s is %s", c.Key, c.State)
			}
		}
		for i := range delivered {
			if res, err := w.Handle(context.Background(), recs[i]); err != nil || res.Disposition != guard.Duplicate {
				rt.Errorf("event %d at the end: %q, %v", i, res.Disposition, err)
			}
		}
	})
}

func TestKeysAreBounded(t *testing.T) {
	long := strings.Repeat("x", 5000)
	w := wiretest.NewWorld()
	for i, change := range []func(*detect.Finding){
		func(f *detect.Finding) { f.EventID = long + "a" },
		func(f *detect.Finding) { f.EventID = long + "b" },
		func(f *detect.Finding) { f.Session = long + "a" },
		func(f *detect.Finding) { f.Session = long + "b" },
		func(f *detect.Finding) { f.Account, f.EventID = "a/b", "c" },
		func(f *detect.Finding) { f.Account, f.EventID = "a", "b/c" },
	} {
		f := wiretest.Finding(detect.UserCreated, detect.Info, "s", i, wiretest.T0)
		change(&f)
		w.MustHandle(t, w.Record(f), guard.Alerted)
	}
	claims := w.Claims.All()
	if len(claims) != 6 {
		t.Errorf("%d claims, want 6", len(claims))
	}
	for _, c := range claims {
		if len(c.Key) > 1024 || len(c.Series) > 1024 {
			t.Errorf("keys of %d and %d bytes", len(c.Key), len(c.Series))
		}
	}
	if got := fmt.Sprint(w.Lines()); strings.Count(got, "first") != 6 {
		t.Errorf("alerts: %v", got)
	}
}
