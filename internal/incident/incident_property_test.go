package incident_test

import (
	"rootguard/internal/wiretest"

	"context"
	"maps"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"rootguard/internal/testenv"

	"rootguard/internal/alert"
	"rootguard/internal/cloudtrail"
	"rootguard/internal/fake"
	"rootguard/internal/incident"
	"rootguard/internal/wire"
)

// modelRound is what must come of a critical alert: resends from some time on,
// until someone acknowledges it.
type modelRound struct {
	earliest time.Time // it was first tried to be reported
	latest   time.Time // it was reported; zero before
	acked    bool
	maybe    bool // someone tried to acknowledge it, and does not know
	resent   map[int]map[string]bool
}

// TestEveryCriticalIncidentIsSentAgain runs random events, copies, resends,
// acknowledgements, faults and crashes against a simple model: what is critical
// and not acknowledged is sent again when its time has come, neither before nor
// after someone acknowledged it, and once, but for one more copy a fault.
func TestEveryCriticalIncidentIsSentAgain(t *testing.T) {
	t.Parallel()
	testenv.Check(t, 100, func(rt *rapid.T) {
		s := wiretest.NewWatched(func(g *wire.Settings) { g.Batch = rapid.IntRange(1, 3).Draw(rt, "batch") })
		resend := s.Settings.Resend
		const sessions = 3
		var rounds [sessions][]*modelRound
		var next [sessions]int
		began := func(k int) time.Time { return wiretest.T0.Add(time.Duration(k) * time.Hour) }
		arrived := map[string]int{} // by alert ID
		alerts := map[string]bool{} // of events
		s.Receivers.Refuse = func(a alert.Alert) error {
			arrived[a.ID]++
			if a.Kind != alert.Resend {
				alerts[a.Finding.EventID] = true
				return nil
			}
			judge := func(k, repeat int) {
				r := rounds[k][len(rounds[k])-1]
				if r.acked {
					rt.Errorf("session %d is sent again though it was acknowledged", k)
				}
				if due := r.earliest.Add(resend[repeat-1]); s.Clock.Now().Before(due) {
					rt.Errorf("session %d, repeat %d comes at %v, before %v", k, repeat, s.Clock.Now(), due)
				}
				if r.resent[repeat] == nil {
					r.resent[repeat] = map[string]bool{}
				}
				r.resent[repeat][a.ID] = true
			}
			if a.Summary == nil {
				n, _ := strconv.Atoi(strings.TrimPrefix(a.Finding.EventID, "event-"))
				judge(n/100, a.Incident.Repeat)
				return nil
			}
			all := s.Incidents.All()
			for i := range a.Summary.Accounts {
				for _, it := range a.Summary.Accounts[i].Findings {
					j := slices.IndexFunc(all, func(in incident.Incident) bool { return in.ID == it.Incident })
					judge(int(all[j].Start.Sub(wiretest.T0)/time.Hour), it.Repeat)
				}
			}
			return nil
		}
		type pending struct {
			rec *cloudtrail.Record
			of  *modelRound // nil: not critical
		}
		var failed []pending
		handle := func(p pending) {
			if p.of != nil && p.of.earliest.IsZero() {
				p.of.earliest = s.Clock.Now()
			}
			if _, err := s.Handle(context.Background(), p.rec); err != nil {
				failed = append(failed, p)
				return
			}
			if p.of != nil && p.of.latest.IsZero() {
				p.of.latest = s.Clock.Now()
			}
		}
		var reported []pending
		event := func(k int, critical bool) {
			n := k*100 + next[k]
			next[k]++
			p := pending{rec: s.Activity(n, began(k), began(k).Add(time.Duration(next[k])*20*time.Minute))}
			if critical {
				p.rec = s.Removed(n, began(k), began(k).Add(time.Duration(next[k])*20*time.Minute))
				p.of = &modelRound{resent: map[int]map[string]bool{}}
				rounds[k] = append(rounds[k], p.of)
			}
			reported = append(reported, p)
			handle(p)
		}
		// overdue is what should have been sent again by now.
		overdue := func() {
			all := s.Incidents.All()
			for k := range rounds {
				j := slices.IndexFunc(all, func(in incident.Incident) bool { return in.Start.Equal(began(k)) })
				if j >= 0 && all[j].Failures > 0 && all[j].Due.After(s.Clock.Now()) {
					if off := all[j].Due.Sub(s.Clock.Now()); off > time.Hour {
						rt.Errorf("session %d is put off for %v", k, off)
					}
					continue
				}
				for i, r := range rounds[k] {
					if i < len(rounds[k])-1 || r.acked || r.maybe || r.latest.IsZero() {
						continue
					}
					passed := 0
					for n, after := range resend {
						if !r.latest.Add(after).After(s.Clock.Now()) {
							passed = n + 1
						}
					}
					// It may have been reported before the handling of its record went through.
					if passed > 0 && slices.Max(append(slices.Collect(maps.Keys(r.resent)), 0)) < passed {
						rt.Errorf("session %d was reported at %v, and repeat %d has not come by %v", k, r.latest, passed, s.Clock.Now())
					}
				}
			}
		}
		renotify := func() bool {
			_, err := s.Renotify(context.Background(), s.Clock.Now())
			return err == nil
		}
		faults := 0
		for range rapid.IntRange(1, 40).Draw(rt, "steps") {
			before, at := len(s.Script.Calls()), 0
			if rapid.IntRange(0, 2).Draw(rt, "is faulty") == 0 {
				at = rapid.IntRange(1, 10).Draw(rt, "call")
				s.Script.Inject(at, rapid.SampledFrom([]fake.Fault{fake.FailBefore, fake.FailAfter, fake.CrashBefore, fake.CrashAfter}).Draw(rt, "fault"))
			}
			k := rapid.IntRange(0, sessions-1).Draw(rt, "session")
			switch rapid.SampledFrom([]string{"event", "activity", "copy", "redeliver", "renotify", "renotify", "ack", "clock", "clock"}).Draw(rt, "operation") {
			case "event":
				if rs := rounds[k]; len(rs) == 0 || rs[len(rs)-1].acked {
					event(k, true)
				}
			case "activity":
				event(k, false)
			case "copy":
				if len(reported) > 0 {
					handle(rapid.SampledFrom(reported).Draw(rt, "copy"))
				}
			case "redeliver":
				again := failed
				failed = nil
				for _, p := range again {
					handle(p)
				}
			case "renotify":
				renotify()
				if at > 0 {
					break
				}
				s.Clock.Advance(s.Settings.Lease + time.Second) // of what died before
				if !renotify() {
					rt.Errorf("sending again fails though nothing does")
				}
				overdue()
			case "ack":
				rs := rounds[k]
				all := s.Incidents.All()
				i := slices.IndexFunc(all, func(in incident.Incident) bool { return in.Start.Equal(began(k)) })
				if len(rs) == 0 || i < 0 {
					break
				}
				r := rs[len(rs)-1]
				in, _, err := s.Acknowledge(context.Background(), all[i].ID, wiretest.Bob)
				switch {
				case in.Ack == nil || in.Cycle != len(rs): // nothing came of it, or it was before the alert was attached
				case err == nil:
					r.acked = true
				default:
					r.maybe = true
				}
			case "clock":
				s.Clock.Advance(time.Duration(rapid.IntRange(1, 25).Draw(rt, "minutes")) * time.Minute)
			}
			if at > 0 && len(s.Script.Calls())-before >= at {
				faults++
			}
			s.Script.Restart()
		}
		for try := 0; len(failed) > 0; try++ {
			if try > 10 {
				rt.Fatalf("%d records still fail", len(failed))
			}
			s.Clock.Advance(s.Settings.Lease + time.Second)
			again := failed
			failed = nil
			for _, p := range again {
				handle(p)
			}
		}
		for range 20 {
			s.Clock.Advance(5 * time.Minute)
			if !renotify() {
				rt.Fatalf("sending again fails at the end")
			}
			overdue()
		}
		copies := 0
		for _, n := range arrived {
			copies += n - 1
		}
		if copies > faults {
			rt.Errorf("%d copies for %d faults:\n%s", copies, faults, strings.Join(s.IncidentLines(), "\n"))
		}
		for k := range rounds {
			for i, r := range rounds[k] {
				for n, ids := range r.resent {
					if len(ids) != 1 {
						rt.Errorf("session %d, round %d: repeat %d has %d alert IDs", k, i+1, n, len(ids))
					}
				}
			}
		}
		for _, p := range reported {
			if p.of != nil && !alerts[p.rec.EventID] {
				rt.Errorf("%s was never reported", p.rec.EventID)
			}
		}
		for _, in := range s.Incidents.All() {
			if !in.Due.IsZero() {
				rt.Errorf("incident of %v is still due at %v, at %v after %d failures: %+v", in.Start, in.Due, s.Clock.Now(), in.Failures, in)
			}
			if in.Ack != nil && !in.Ack.Notified {
				rt.Errorf("the acknowledgement of round %d was not reported", in.Cycle)
			}
		}
	})
}
