package incident_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"rootguard/internal/alert"
	"rootguard/internal/cloudtrail"
	"rootguard/internal/detect"
	"rootguard/internal/fake"
	"rootguard/internal/guard"
	"rootguard/internal/incident"
	"rootguard/internal/keys"
	"rootguard/internal/wire"
	"rootguard/internal/wiretest"
)

// TestOneSessionIsOneIncident holds that a sign-in and what is done in its
// session are one incident in whatever order they come, copies included.
func TestOneSessionIsOneIncident(t *testing.T) {
	began := wiretest.T0.Add(2 * time.Second)
	for name, order := range map[string][]int{"in order": {0, 1, 2}, "out of order": {2, 1, 0}, "copies": {1, 1, 0, 2, 0, 2, 1}} {
		t.Run(name, func(t *testing.T) {
			s := wiretest.NewWatched()
			recs := []*cloudtrail.Record{s.SignIn(0, wiretest.T0), s.Activity(1, began, wiretest.T0.Add(time.Hour)), s.Removed(2, began, wiretest.T0.Add(2*time.Hour))}
			for _, i := range order {
				if _, err := s.Handle(t.Context(), recs[i]); err != nil {
					t.Fatal(err)
				}
			}
			in := s.Only(t)
			if in.Events != 3 || in.Finding.Severity != detect.Critical || in.Cycle != 1 || !in.Last.Equal(wiretest.T0.Add(2*time.Hour)) {
				t.Errorf("incident: %+v", in)
			}
			for i, a := range s.Receivers.Published() {
				if a.Incident == nil || a.Incident.ID != in.ID || a.Incident.Events != i+1 {
					t.Errorf("alert %d says %+v, want event %d of %s", i, a.Incident, i+1, in.ID)
				}
			}
		})
	}
	t.Run("others are apart", func(t *testing.T) {
		s := wiretest.NewWatched()
		s.MustHandle(t, s.SignIn(0, wiretest.T0), guard.Alerted)
		s.MustHandle(t, s.Activity(1, wiretest.T0.Add(61*time.Second), wiretest.T0.Add(time.Hour)), guard.Alerted)
		s.MustHandle(t, s.SignIn(2, wiretest.T0.Add(-61*time.Second)), guard.Alerted)
		other := s.SignIn(3, wiretest.T0)
		f := s.Findings[other.EventID]
		f.Account, f.Session = "210987654321", "210987654321"
		s.MustHandle(t, s.Record(f), guard.Alerted)
		s.MustHandle(t, s.Record(wiretest.Finding(detect.GuardTampered, detect.Critical, "AIDA@2025-03-01T12:00:00Z", 4, wiretest.T0)), guard.Alerted)
		s.MustHandle(t, s.Record(wiretest.Finding(detect.GuardTampered, detect.High, "AIDA@2025-03-01T12:00:00Z", 5, wiretest.T0)), guard.Alerted) // no incident
		ids := map[string]bool{}
		for _, in := range s.Incidents.All() {
			ids[in.ID] = true
			if id, ok := keys.ReadID(strings.ToLower(strings.ReplaceAll(in.ID, "0", "o"))); !ok || id != in.ID {
				t.Errorf("%s is read as %q, %v", in.ID, id, ok)
			}
		}
		if len(ids) != 5 {
			t.Errorf("%d incidents, want 5", len(ids))
		}
		if last := s.Receivers.Published()[5]; last.Incident != nil {
			t.Errorf("an alert that is not critical and not root's: %+v", last.Incident)
		}
	})
	t.Run("what has no session", func(t *testing.T) {
		s := wiretest.NewWatched()
		made := func(n int) detect.Finding {
			f := wiretest.Finding(detect.UserMFAMissing, detect.Critical, "reminder 3", n, wiretest.T0)
			f.EventSource, f.EventName = "", ""
			return f
		}
		for i := range 2 {
			s.MustHandle(t, s.Record(made(i)), guard.Alerted)
		}
		if n := len(s.Incidents.All()); n != 1 {
			t.Errorf("%d incidents of two users, want the one of their account", n)
		}
		key := wiretest.Finding(detect.RootActivity, detect.High, wiretest.Account+"#AKIA", 2, wiretest.T0)
		s.MustHandle(t, s.Record(key), guard.Alerted)
		key.EventID, key.EventTime = "event-003", wiretest.T0.Add(11*time.Hour)
		s.MustHandle(t, s.Record(key), guard.Alerted)
		key.EventID, key.EventTime = "event-004", wiretest.T0.Add(12*time.Hour)
		s.MustHandle(t, s.Record(key), guard.Alerted)
		if n := len(s.Incidents.All()); n != 3 {
			t.Errorf("%d incidents, want 2 more for the days of a key", n)
		}
		undated := wiretest.Finding(detect.RootSignin, detect.Critical, wiretest.Account, 5, time.Time{})
		s.MustHandle(t, s.Record(undated), guard.Alerted)
		if n := len(s.Incidents.All()); n != 4 {
			t.Errorf("%d incidents, want one for the event without a time", n)
		}
	})
}

// TestRollUpsAreCounted holds that the incident knows how much happened, though
// the repeats of a session are reported in one.
func TestRollUpsAreCounted(t *testing.T) {
	s := wiretest.NewWatched()
	for i := range 5 {
		want := guard.RolledUp
		if i == 0 {
			want = guard.Alerted
		}
		s.MustHandle(t, s.Activity(i, wiretest.T0, wiretest.T0.Add(time.Duration(i)*time.Minute)), want)
	}
	s.MustFlush(t, wiretest.T0.Add(time.Hour), 1)
	s.WantIncidentLines(t, "first high root.activity #1", "roll_up high root.activity #5")
	s.Clock.Advance(100 * time.Hour)
	s.MustRenotify(t, incident.Renotified{}) // nothing critical
}

// TestOneCaseSettlesNoOther holds that the end of one user's time without MFA settles
// no roll-up that reports others'.
func TestOneCaseSettlesNoOther(t *testing.T) {
	s := wiretest.NewWatched(func(s *wire.Settings) { s.Burst = map[detect.ID]int{} })
	missing := func(user string) detect.Finding {
		return detect.MFAMissing(wiretest.Account, detect.Target{UserName: user}, wiretest.T0.Add(-96*time.Hour), wiretest.T0.Add(-72*time.Hour), "")
	}
	for _, user := range []string{"ann", "bob", "cho"} {
		if _, err := s.Raise(t.Context(), detect.MFAReminder(missing(user), 3, 3, wiretest.T0)); err != nil {
			t.Fatal(err)
		}
	}
	if n, err := s.Flush(t.Context(), wiretest.T0.Add(time.Hour)); n != 1 || err != nil {
		t.Fatalf("%d roll-ups, %v", n, err)
	}
	if _, err := s.Raise(t.Context(), detect.MFAClosed(missing("ann"), cloudtrail.Yes, "the user has MFA", wiretest.T0.Add(time.Minute))); err != nil {
		t.Fatal(err)
	}
	var open, settled []int
	for _, in := range s.Incidents.All() {
		if in.Ack == nil {
			open = append(open, in.Events)
		} else {
			settled = append(settled, in.Events)
		}
	}
	if !slices.Equal(open, []int{2}) || !slices.Equal(settled, []int{1}) {
		t.Errorf("events of incidents open %v and settled %v, want bob's and cho's to be open", open, settled)
	}
	s.Clock.Advance(16 * time.Minute)
	s.MustRenotify(t, incident.Renotified{Resent: 1})
}

func TestResends(t *testing.T) {
	s := wiretest.NewWatched()
	s.MustHandle(t, s.SignIn(0, wiretest.T0), guard.Alerted)
	id := s.Only(t).ID
	s.MustRenotify(t, incident.Renotified{})
	s.Clock.Advance(15*time.Minute - time.Second)
	s.MustRenotify(t, incident.Renotified{})
	s.Clock.Advance(time.Second)
	s.MustRenotify(t, incident.Renotified{Resent: 1})
	s.MustRenotify(t, incident.Renotified{})
	s.Clock.Advance(45 * time.Minute)
	s.MustRenotify(t, incident.Renotified{Resent: 1})
	s.Clock.Advance(100 * time.Hour)
	s.MustRenotify(t, incident.Renotified{})
	reported := []string{"first critical root.signin #1", "resend critical root.signin (repeat 1 of 2) #1", "resend critical root.signin (repeat 2 of 2) #1"}
	s.WantIncidentLines(t, reported...)
	for i, a := range s.Receivers.Published() {
		text := alert.Text(a)
		for _, want := range []string{"rootguard ack " + id + " --note", "incident " + id + ", 1 event since Sat 2025-03-01 12:00:00 UTC"} {
			if !strings.Contains(text, want) {
				t.Errorf("alert %d does not say %q:\n%s", i, want, text)
			}
		}
		if a.Finding.EventID != "event-000" || !alert.Escalates(a) {
			t.Errorf("alert %d: %+v", i, a)
		}
	}

	// Another critical alert begins again, one that is not does not.
	s.MustHandle(t, s.Activity(1, wiretest.T0, wiretest.T0.Add(time.Hour)), guard.Alerted)
	s.Clock.Advance(time.Hour)
	s.MustRenotify(t, incident.Renotified{})
	s.MustHandle(t, s.Removed(2, wiretest.T0, wiretest.T0.Add(time.Hour)), guard.Alerted)
	s.Clock.Advance(15 * time.Minute)
	s.MustRenotify(t, incident.Renotified{Resent: 1})
	in := s.MustAcknowledge(t, id, false)
	if in.Ack == nil || !in.Ack.At.Equal(s.Clock.Now()) || in.Ack.Note != wiretest.Bob.Note {
		t.Errorf("acknowledged: %+v", in.Ack)
	}
	s.Clock.Advance(100 * time.Hour)
	s.MustRenotify(t, incident.Renotified{})
	reported = append(reported, "first high root.activity #2", "first critical root.mfa.removed #3", "resend critical root.mfa.removed (repeat 1 of 2) #3",
		"first info Incident acknowledged: "+id+" #3")
	s.WantIncidentLines(t, reported...)

	// The output for the second names the first, and nothing is sent again.
	second := wiretest.Bob
	second.By, second.Note = "carol", "mine"
	in, already, err := s.Acknowledge(t.Context(), id, second)
	if err != nil || !already || in.Ack.By != "bob" {
		t.Errorf("again: %v, %v, %+v", already, err, in.Ack)
	}
	s.MustHandle(t, s.Record(wiretest.Finding(detect.RootPasswordChanged, detect.High, wiretest.Account+"@2025-03-01T12:00:00Z", 3, wiretest.T0)), guard.Alerted) // not root at work
	f := wiretest.Finding(detect.RootLoginProfileCreated, detect.High, wiretest.Account+"@2025-03-01T12:00:00Z", 4, wiretest.T0)
	f.Also = []detect.ID{detect.RootActivity}
	s.MustHandle(t, s.Record(f), guard.Alerted)
	last := s.Receivers.Published()[len(s.Receivers.Published())-1]
	if last.Incident == nil || last.Incident.AcknowledgedBy != "bob" || !strings.Contains(alert.Text(last), " acknowledged by bob") {
		t.Errorf("an alert after it was acknowledged: %+v", last.Incident)
	}

	// What is critical opens it again, and is what is sent again.
	n := len(s.IncidentLines())
	first := s.Clock.Now().Add(-100 * time.Hour)
	s.MustHandle(t, s.Removed(5, wiretest.T0, wiretest.T0.Add(3*time.Hour)), guard.Alerted)
	s.Clock.Advance(2 * time.Hour)
	s.MustRenotify(t, incident.Renotified{Resent: 1}) // the second; the first has passed
	want := alert.Reopened{Title: "root.mfa.removed", At: wiretest.T0.Add(3 * time.Hour), AcknowledgedBy: "bob", AcknowledgedAt: first}
	for _, a := range s.Receivers.Published()[n:] {
		if diff := cmp.Diff(&want, a.Incident.Reopened); diff != "" {
			t.Errorf("%s says what opened the incident again (-want +got):\n%s", a.ID, diff)
		}
		if a.Finding.EventID != "event-005" || a.Incident.AcknowledgedBy != "" || !a.Incident.First.Equal(wiretest.T0) {
			t.Errorf("what is sent of the incident that was opened again: %+v, %+v", a.Finding, a.Incident)
		}
	}
	in = s.MustAcknowledge(t, id, false)
	if len(in.Acks) != 1 || in.Acks[0].By != "bob" || in.Cycle != 3 {
		t.Errorf("acknowledged in round %d, before by %+v", in.Cycle, in.Acks)
	}
	wantLines := []string{"first critical root.mfa.removed #5", "resend critical root.mfa.removed (repeat 2 of 2) #5", "first info Incident acknowledged: " + id + " #5"}
	if diff := cmp.Diff(wantLines, s.IncidentLines()[n:]); diff != "" {
		t.Errorf("alerts after it was acknowledged (-want +got):\n%s", diff)
	}
	if a := s.Receivers.Published(); a[len(a)-1].Incident.Reopened != nil || !a[len(a)-1].Incident.AcknowledgedAt.Equal(s.Clock.Now()) {
		t.Errorf("the note of the second acknowledgement: %+v", a[len(a)-1].Incident)
	}
	if _, _, err := s.Acknowledge(t.Context(), "00000-00000", wiretest.Bob); !errors.Is(err, incident.ErrNoIncident) {
		t.Errorf("a wrong ID: %v", err)
	}
}

// TestAnnouncedIsNotResent holds that no one is called about what was announced.
func TestAnnouncedIsNotResent(t *testing.T) {
	s := wiretest.NewWatched()
	s.MustAnnounce(t, s.Clock.Now(), time.Hour)
	s.MustHandle(t, s.SignIn(0, s.Clock.Now()), guard.Alerted)
	s.Clock.Advance(2 * time.Hour)
	s.MustRenotify(t, incident.Renotified{})
	if in := s.Only(t); in.Cycle != 0 || in.Events != 1 {
		t.Errorf("incident: %+v", in)
	}
	s.MustHandle(t, s.Removed(1, s.Clock.Now().Add(-2*time.Hour), s.Clock.Now().Add(-90*time.Minute)), guard.Alerted)
	s.Clock.Advance(15 * time.Minute)
	s.MustRenotify(t, incident.Renotified{Resent: 1})
	s.WantIncidentLines(t, "first high Root use announced by alice", "first low root.signin (announced) #1", "first critical root.mfa.removed #2",
		"resend critical root.mfa.removed (repeat 1 of 2) #2")
}

// TestIncidentFaults makes every call of handling, resending and acknowledging
// go wrong in every way, with redelivery after it. Each alert comes, and at most
// once more than it should.
func TestIncidentFaults(t *testing.T) {
	for _, fault := range []fake.Fault{fake.FailBefore, fake.FailAfter, fake.CrashBefore, fake.CrashAfter} {
		for call := 1; ; call++ {
			s := wiretest.NewWatched()
			rec := s.SignIn(0, wiretest.T0)
			s.Script.Inject(call, fault)
			broken := false
			again := func(do func() error) {
				for range 5 {
					err := do()
					if s.Script.Restart(); err == nil {
						return
					}
					broken = true
					s.Clock.Advance(s.Settings.Lease + time.Second)
				}
				t.Fatalf("%v at call %d: still fails", fault, call)
			}
			renotify := func() error { _, err := s.Renotify(t.Context(), s.Clock.Now()); return err }
			again(func() error { _, err := s.Handle(t.Context(), rec); return err })
			opened := s.Only(t).Opened
			s.Clock.Advance(opened.Add(15 * time.Minute).Sub(s.Clock.Now()))
			again(renotify)
			s.Clock.Advance(opened.Add(time.Hour).Sub(s.Clock.Now()))
			again(renotify)
			again(func() error { _, _, err := s.Acknowledge(t.Context(), s.Only(t).ID, wiretest.Bob); return err })
			s.Clock.Advance(time.Hour)
			again(renotify)
			if !broken && len(s.Script.Calls()) < call {
				if call < 20 {
					t.Errorf("there were only %d calls", call)
				}
				break
			}
			count := map[string]int{}
			for _, line := range s.IncidentLines() {
				count[strings.Replace(line, "first critical root.signin #1", "first critical root.signin", 1)]++ // where it is stored later
			}
			copies := 0
			for _, want := range []string{"first critical root.signin", "resend critical root.signin (repeat 1 of 2) #1",
				"resend critical root.signin (repeat 2 of 2) #1", "first info Incident acknowledged: " + s.Only(t).ID + " #1"} {
				if count[want] == 0 {
					t.Errorf("%v at call %d: %q was never sent: %v", fault, call, want, s.IncidentLines())
				}
				copies += count[want] - 1
				delete(count, want)
			}
			if len(count) > 0 || copies > 1 {
				t.Errorf("%v at call %d: %v", fault, call, s.IncidentLines())
			}
			if in := s.Only(t); !in.Due.IsZero() || in.Events != 1 {
				t.Errorf("%v at call %d left %+v", fault, call, in)
			}
		}
	}
}

// TestIncidentStoreDown holds that an alert does not wait for its incident, and
// that the redelivery makes up for it without another alert.
func TestIncidentStoreDown(t *testing.T) {
	s := wiretest.NewWatched()
	rec := s.SignIn(0, wiretest.T0)
	s.Script.Fail("Incidents.UpdateIncidents", 2)
	if _, err := s.Handle(t.Context(), rec); !errors.Is(err, fake.ErrFault) {
		t.Fatalf("got %v, want the fault", err)
	}
	s.WantIncidentLines(t, "first critical root.signin")
	if n := len(s.Incidents.All()); n != 0 {
		t.Fatalf("%d incidents", n)
	}
	if _, err := s.Handle(t.Context(), rec); !errors.Is(err, fake.ErrFault) {
		t.Fatalf("a redelivery while it is still down: %v", err)
	}
	s.MustHandle(t, rec, guard.Duplicate)
	s.MustHandle(t, rec, guard.Duplicate)
	if in := s.Only(t); in.Events != 1 || in.Cycle != 1 {
		t.Errorf("incident: %+v", in)
	}
	s.Clock.Advance(15 * time.Minute)
	s.MustRenotify(t, incident.Renotified{Resent: 1})
	s.WantIncidentLines(t, "first critical root.signin", "resend critical root.signin (repeat 1 of 2) #1")
}

// TestRenotifyOverlaps runs resends while others are on their way, and acknowledges
// in between.
func TestRenotifyOverlaps(t *testing.T) {
	s := wiretest.NewWatched()
	s.MustHandle(t, s.SignIn(0, wiretest.T0), guard.Alerted)
	s.Clock.Advance(15 * time.Minute)
	s.Receivers.Refuse = func(alert.Alert) error {
		s.Receivers.Refuse = nil
		s.MustRenotify(t, incident.Renotified{})
		return nil
	}
	s.MustRenotify(t, incident.Renotified{Resent: 1})
	s.MustHandle(t, s.SignIn(1, wiretest.T0.Add(2*time.Minute)), guard.Alerted)
	second := s.Incidents.All()[1].ID
	s.Clock.Advance(15 * time.Minute)
	s.Receivers.Refuse = func(alert.Alert) error {
		s.Receivers.Refuse = nil
		s.MustAcknowledge(t, second, false)
		return nil
	}
	s.MustRenotify(t, incident.Renotified{Resent: 1})
	s.Clock.Advance(time.Hour)
	s.MustRenotify(t, incident.Renotified{Resent: 1}) // of the first
	if in := s.Incidents.All()[1]; in.Ack == nil || !in.Ack.Notified || !in.Due.IsZero() {
		t.Errorf("acknowledged while it was sent again: %+v", in)
	}
	if n := len(s.IncidentLines()); n != 6 {
		t.Errorf("alerts: %v", s.IncidentLines())
	}
}

// TestSweepsIncidents holds that what a sweep reports as critical is resent from
// the time of its schedule on, whatever the clock says.
func TestSweepsIncidents(t *testing.T) {
	s := wiretest.NewSwept()
	incidents := &fake.Incidents{Script: s.Script}
	s.Parts = wiretest.NewParts(wire.Deps{
		Detector: wiretest.DetectorFunc(wiretest.Nothing), Claims: s.Claims, Facts: s.FactRows, Publisher: s.Receivers, Now: s.Clock.Now, Deadlines: s.Deadlines, Incidents: incidents,
	}, s.Settings)
	s.Call(t, "CreateUser")
	s.Call(t, "CreateLoginProfile")
	at := s.Clock.Now().Add(97 * time.Hour)
	for range 2 {
		if _, err := s.Sweep(incident.AsOf(t.Context(), at), s.IAM, at); err != nil {
			t.Fatal(err)
		}
		at = at.Add(24 * time.Hour)
	}
	s.WantTitles(t, wiretest.MissingTitle, wiretest.ReminderTitle("critical", 3))
	last := at.Add(-24 * time.Hour)
	for after, want := range map[time.Duration]int{15*time.Minute - time.Second: 0, 15 * time.Minute: 1} {
		due, err := incidents.DueIncidents(t.Context(), last.Add(after), 5)
		if err != nil || len(due) != want {
			t.Errorf("%v later: %+v due, %v, want %d", after, due, err, want)
		}
	}

	// What is over needs no one to look after it.
	s.Apply("EnableMFADevice", "eve")
	at = last.Add(24 * time.Hour)
	if _, err := s.Sweep(incident.AsOf(t.Context(), at), s.IAM, at); err != nil {
		t.Fatal(err)
	}
	s.WantTitles(t, wiretest.MissingTitle, wiretest.ReminderTitle("critical", 3), wiretest.ClosedTitle)
	all := incidents.All()
	if len(all) != 1 || all[0].Ack == nil || all[0].Ack.By != "rootguard" || !all[0].Due.IsZero() || all[0].Events != 1 {
		t.Errorf("incidents: %+v", all)
	}
	if a := s.Receivers.Published()[2]; a.Incident == nil || a.Incident.AcknowledgedBy != "rootguard" {
		t.Errorf("the closing note is of %+v", a.Incident)
	}
}

// TestRenotifyWaitsForAToken holds that resends give way to what is new for a few
// minutes, and take no more than one token each.
func TestRenotifyWaitsForAToken(t *testing.T) {
	s := wiretest.NewWatched()
	s.MustHandle(t, s.SignIn(0, wiretest.T0), guard.Alerted)
	s.Clock.Advance(15 * time.Minute)
	asked := s.Denied()
	s.MustRenotify(t, incident.Renotified{More: true})
	if !slices.Equal(*asked, []time.Duration{time.Second}) {
		t.Errorf("asked to wait %v", *asked)
	}
	tokens := 0
	s.Token = func(time.Duration) (bool, error) { tokens++; return true, nil }
	s.MustRenotify(t, incident.Renotified{Resent: 1})
	if tokens != 1 {
		t.Errorf("%d tokens for one resend", tokens)
	}
	s.WantIncidentLines(t, "first critical root.signin #1", "resend critical root.signin (repeat 1 of 2) #1")
}

// TestInterruptedResendHoldsNoOtherBack holds that what is due later is not late for
// what an earlier run closed and could not send.
func TestInterruptedResendHoldsNoOtherBack(t *testing.T) {
	s := wiretest.NewWatched()
	s.MustHandle(t, s.Removed(0, wiretest.T0, wiretest.T0), guard.Alerted)
	s.Clock.Advance(10 * time.Minute)
	s.MustHandle(t, s.Removed(1, wiretest.T0.Add(time.Hour), wiretest.T0), guard.Alerted)
	s.Clock.Advance(5 * time.Minute)
	s.Script.Fail("Claims.Read", 1)
	if _, err := s.Renotify(t.Context(), s.Clock.Now()); err == nil {
		t.Error("sending again did not fail")
	}
	s.WantIncidentLines(t, "first critical root.mfa.removed #1", "first critical root.mfa.removed #1")
	s.Clock.Advance(10 * time.Minute)
	s.MustRenotify(t, incident.Renotified{Resent: 2})
	s.WantIncidentLines(t, "first critical root.mfa.removed #1", "first critical root.mfa.removed #1",
		"resend critical root.mfa.removed (repeat 1 of 2) #1", "resend critical root.mfa.removed (repeat 1 of 2) #1")
}

// TestOverdueResendNeedsNoToken holds that no one can mute a resend by taking all tokens.
func TestOverdueResendNeedsNoToken(t *testing.T) {
	s := wiretest.NewWatched()
	s.MustHandle(t, s.SignIn(0, wiretest.T0), guard.Alerted)
	s.Denied()
	s.Clock.Advance(20 * time.Minute)
	s.MustRenotify(t, incident.Renotified{More: true})
	s.Clock.Advance(time.Second)
	s.MustRenotify(t, incident.Renotified{Resent: 1})
	s.WantIncidentLines(t, "first critical root.signin #1", "resend critical root.signin (repeat 1 of 2) #1")
}

// TestRollUpWithoutAnAlertIsAnIncident holds that what had no token of its own
// comes with its roll-up as an incident.
func TestRollUpWithoutAnAlertIsAnIncident(t *testing.T) {
	s := wiretest.NewWatched()
	s.Denied()
	s.MustHandle(t, s.Activity(0, wiretest.T0, wiretest.T0), guard.RolledUp)
	if n := len(s.Incidents.All()); n != 0 {
		t.Errorf("%d incidents of what was not published", n)
	}
	s.Token = nil
	s.MustFlush(t, wiretest.T0.Add(time.Hour), 1)
	if n := len(s.Incidents.All()); n != 1 {
		t.Errorf("%d incidents of a roll-up", n)
	}
}

func TestReadID(t *testing.T) {
	for text, want := range map[string]string{
		"7K4Q2-X2M9P": "7K4Q2-X2M9P", "7k4q2x2m9p": "7K4Q2-X2M9P", "7k4q2 - x2m9p": "7K4Q2-X2M9P", "OIL00-ooi1L": "01100-00111",
		"7K4Q2-X2M9": "", "7K4Q2-X2M9PP": "", "7K4Q2-X2M9U": "", "7K4Q2_X2M9P": "", "": "", "7K4Q2-X2M9\u00e9": "",
	} {
		if got, ok := keys.ReadID(text); got != want || ok != (want != "") {
			t.Errorf("%q is read as %q, %v, want %q", text, got, ok, want)
		}
	}
}

// TestRenotifyIsBounded holds that one run sends one alert for all incidents that are
// due, keeps to its time, and that they stay due where it cannot be sent.
func TestRenotifyIsBounded(t *testing.T) {
	t.Parallel()
	s := wiretest.NewWatched(func(g *wire.Settings) { g.Batch = 7 })
	const n = 130
	for i := range n {
		s.MustHandle(t, s.Removed(i, wiretest.T0.Add(time.Duration(i)*time.Hour), wiretest.T0), guard.Alerted)
	}
	s.Clock.Advance(20 * time.Minute)
	ctx, cancel := context.WithDeadline(t.Context(), s.Clock.Now().Add(24*365*100*time.Hour))
	defer cancel()
	deadline, _ := ctx.Deadline()
	late := wiretest.NewParts(wire.Deps{Claims: s.Claims, Facts: s.FactRows, Publisher: s.Receivers, Incidents: s.Incidents, Now: func() time.Time { return deadline.Add(-time.Second) }}, s.Settings)
	if got, err := late.Renotify(ctx, s.Clock.Now()); err != nil || got != (incident.Renotified{More: true}) {
		t.Errorf("without time: %+v, %v", got, err)
	}
	s.MustRenotify(t, incident.Renotified{Resent: 1}) // one alert for all
	s.MustRenotify(t, incident.Renotified{})
	s.Receivers.Refuse = func(alert.Alert) error { return errors.New("down") }
	s.Clock.Advance(time.Hour)
	for range 2 { // what is collected stays due
		if got, err := s.Renotify(t.Context(), s.Clock.Now()); err == nil || got != (incident.Renotified{}) || strings.Count(err.Error(), "down") > 10 {
			t.Errorf("while SNS is down: %+v, %v", got, err)
		}
	}
	s.Receivers.Refuse = nil
	s.MustRenotify(t, incident.Renotified{Resent: 1})
	resent := map[string]int{}
	for _, a := range s.Receivers.Published()[n:] {
		if a.Kind != alert.Resend || a.Summary == nil || a.Summary.FindingCount != n || a.Finding.Severity != detect.Critical {
			t.Fatalf("%s %s lists %+v", a.Kind, a.Finding.Title, a.Summary)
		}
		for _, of := range a.Summary.Accounts {
			for _, it := range of.Findings {
				resent[fmt.Sprintf("%s, repeat %d", it.Incident, it.Repeat)]++
			}
		}
	}
	if len(resent) != 2*n {
		t.Errorf("%d resends, want two of each of %d", len(resent), n)
	}
	due, err := s.Incidents.DueIncidents(t.Context(), s.Clock.Now(), 1000)
	if err != nil || len(due) != 0 {
		t.Errorf("%d are still due: %v", len(due), err)
	}
}

// TestReportedAcknowledgementIsNotDueAgain loses the answer of each call of the run that
// sends the note of an acknowledgement: what was stored then must not be put off.
func TestReportedAcknowledgementIsNotDueAgain(t *testing.T) {
	for at := 1; at <= 12; at++ {
		s := wiretest.NewWatched()
		s.MustHandle(t, s.Removed(1, wiretest.T0, wiretest.T0), guard.Alerted)
		in := s.Only(t)
		s.Receivers.Refuse = func(alert.Alert) error { return errors.New("the topic is down") }
		if _, _, err := s.Acknowledge(t.Context(), in.ID, wiretest.Bob); err == nil {
			t.Fatal("the note went out though the topic is down")
		}
		s.Receivers.Refuse = nil
		s.Clock.Advance(s.Settings.Lease + time.Second)
		s.Script.Inject(at, fake.FailAfter)
		_, _ = s.Renotify(t.Context(), s.Clock.Now())
		s.Script.Restart()
		for range 3 {
			s.Clock.Advance(s.Settings.Lease + 5*time.Minute)
			if _, err := s.Renotify(t.Context(), s.Clock.Now()); err != nil {
				t.Errorf("call %d: %v", at, err)
			}
		}
		if in = s.Incidents.All()[0]; !in.Due.IsZero() || in.Ack == nil || !in.Ack.Notified {
			t.Errorf("call %d: the incident is due at %v after %d failures, acknowledged by %+v", at, in.Due, in.Failures, in.Ack)
		}
	}
}

// withoutMFA is a user as a summary lists it, and the finding that it is of.
func withoutMFA(account, id string, stage alert.Stage, at time.Time) (alert.SummaryItem, detect.Finding) {
	it := alert.SummaryItem{Finding: detect.UserMFAMissing, Severity: detect.Critical, Stage: stage, At: at, User: "eve", UserID: id,
		MFADue: detect.MFADue{At: wiretest.T0, Reminder: 3, Reminders: 3}}
	if stage == alert.StageResolved {
		it.Severity = detect.Info
	}
	return it, detect.Listed(it.Finding, account, detect.Target{UserName: it.User, UserID: id}, it.MFADue, stage == alert.StageResolved, at)
}

// mail sends a summary of users of one account, all at one stage, a day before the next.
func mail(t *testing.T, s *wiretest.Watched, n int, stage alert.Stage, users ...string) {
	t.Helper()
	sum := alert.Summary{AccountCount: 1, FindingCount: len(users), Accounts: []alert.SummaryAccount{{Account: wiretest.Account}}}
	var all []detect.Finding
	for _, id := range users {
		it, finding := withoutMFA(wiretest.Account, id, stage, s.Clock.Now())
		sum.Accounts[0].Findings = append(sum.Accounts[0].Findings, it)
		all = append(all, finding)
	}
	notice := guard.Notice{Finding: detect.Summed(fmt.Sprintf("users/%d/%s", n, wiretest.Account), all), Kind: alert.Summarized, Summary: &sum}
	if _, err := s.Send(t.Context(), notice); err != nil {
		t.Fatal(err)
	}
	s.Clock.Advance(24 * time.Hour)
}

// TestResolvedBeginsAgain: the incident of an account's users remembers when it was
// resolved before, for as many times as an incident keeps.
func TestResolvedBeginsAgain(t *testing.T) {
	s := wiretest.NewWatched()
	for n := range 20 {
		mail(t, s, 2*n, alert.StageReminder, "AIDAEVE")
		in := s.Only(t)
		if want := min(n, 16); in.Ack != nil || len(in.Acks) != want || in.Reopened != nil || in.Events != 1 || !in.First.Equal(in.Last) {
			t.Fatalf("reported %d times: acknowledged by %+v, before by %d, want %d; reopened %v, %d events since %s", n+1, in.Ack, len(in.Acks), want, in.Reopened, in.Events, in.First)
		}
		mail(t, s, 2*n+1, alert.StageResolved, "AIDAEVE")
		if in = s.Only(t); in.Ack == nil || !in.Ack.Notified || !in.Due.IsZero() {
			t.Fatalf("resolved %d times: acknowledged by %+v, due %s", n+1, in.Ack, in.Due)
		}
		s.MustRenotify(t, incident.Renotified{}) // no one needs a note that it is over
	}
}

// TestNoteOfAcknowledgementIsTriedSoon: the note of an acknowledgement, given by the command
// or in the table, that does not go out has failed once at most, so that the back-off is short.
func TestNoteOfAcknowledgementIsTriedSoon(t *testing.T) {
	for name, tt := range map[string]struct {
		acknowledge func(s *wiretest.Watched, id string)
		failures    int
	}{
		"by the command": {func(s *wiretest.Watched, id string) { _, _, _ = s.Acknowledge(t.Context(), id, wiretest.Bob) }, 0},
		"in the table": {func(s *wiretest.Watched, id string) {
			s.Incidents.Write(id, "alice", "")
			_, _ = s.Renotify(t.Context(), s.Clock.Now())
		}, 1},
	} {
		s := wiretest.NewWatched()
		id := s.Opened(t, 1)[0]
		s.Receivers.Refuse = func(alert.Alert) error { return errors.New("the topic is down") }
		tt.acknowledge(s, id)
		if in := s.Only(t); in.Ack == nil || in.Ack.Notified || in.Due.IsZero() || in.Failures != tt.failures {
			t.Errorf("%s: acknowledged by %+v, due %s, %d failures, want %d", name, in.Ack, in.Due, in.Failures, tt.failures)
		}
	}
}

// TestUsersAreListedShort: a user is listed by its ID or name where that is short, and by an
// ID that is made of it else, since all of an account's lie in one row.
func TestUsersAreListedShort(t *testing.T) {
	s := wiretest.NewWatched()
	short, long := strings.Repeat("a", 24), strings.Repeat("b", 25)
	mail(t, s, 1, alert.StageReminder, short, long)
	if in := s.Only(t); !slices.Equal(in.Users, []string{short, keys.ShortID(long)}) {
		t.Errorf("listed: %q", in.Users)
	}
}

// TestOneOfTwoUsersResolved: the incident of an account's users is over with the last of
// them, and one who was in none changes nothing.
func TestOneOfTwoUsersResolved(t *testing.T) {
	s := wiretest.NewWatched()
	for n, tt := range []struct {
		stage alert.Stage
		users []string
		left  []string
	}{
		{alert.StageReminder, []string{"AIDAEVE", "AIDABOB"}, []string{"AIDAEVE", "AIDABOB"}},
		{alert.StageResolved, []string{"AIDASAM"}, []string{"AIDAEVE", "AIDABOB"}},
		{alert.StageResolved, []string{"AIDAEVE"}, []string{"AIDABOB"}},
		{alert.StageResolved, []string{"AIDABOB"}, nil},
	} {
		mail(t, s, n, tt.stage, tt.users...)
		if in := s.Only(t); (in.Ack == nil) != (len(tt.left) > 0) || !slices.Equal(in.Users, tt.left) {
			t.Errorf("mail %d: acknowledged by %+v, %v are left, want %v", n, in.Ack, in.Users, tt.left)
		}
	}
}

// TestResolvedAfterAcknowledgement: who acknowledged remains the one, and no user is left.
func TestResolvedAfterAcknowledgement(t *testing.T) {
	s := wiretest.NewWatched()
	mail(t, s, 0, alert.StageReminder, "AIDAEVE")
	s.MustAcknowledge(t, s.Only(t).ID, false)
	mail(t, s, 1, alert.StageResolved, "AIDAEVE")
	if in := s.Only(t); in.Ack == nil || in.Ack.By != wiretest.Bob.By || len(in.Users) != 0 {
		t.Errorf("acknowledged by %+v, %v are left", in.Ack, in.Users)
	}
}

// TestOneResendAlone: a cycle of one resend has that one.
func TestOneResendAlone(t *testing.T) {
	s := wiretest.NewWatched(func(w *wire.Settings) { w.Resend = []time.Duration{15 * time.Minute} })
	s.Opened(t, 1)
	s.Clock.Advance(16 * time.Minute)
	s.MustRenotify(t, incident.Renotified{Resent: 1})
	s.Clock.Advance(24 * time.Hour)
	s.MustRenotify(t, incident.Renotified{})
}

// TestCuredIsResolved: the end of what a live check found settles its incident without an
// acknowledgement, and the end of another leaves it open.
func TestCuredIsResolved(t *testing.T) {
	s := wiretest.NewWatched()
	send := func(f detect.Finding) {
		t.Helper()
		if _, err := s.Send(t.Context(), guard.Notice{Finding: f}); err != nil {
			t.Fatal(err)
		}
		s.Clock.Advance(time.Minute)
	}
	began := s.Clock.Now()
	removed := detect.RootLive(detect.RootMFARemoved, wiretest.Account, began)
	send(removed)
	send(detect.RootCured(detect.RootLive(detect.RootMFARemoved, wiretest.Account, began.Add(-time.Hour)), s.Clock.Now()))
	if in := s.Only(t); in.Ack != nil || in.Due.IsZero() {
		t.Fatalf("the end of another: acknowledged by %+v, due %s", in.Ack, in.Due)
	}
	send(detect.RootCured(removed, s.Clock.Now()))
	in := s.Only(t)
	if in.Ack == nil || in.Ack.Actor.Name != "rootguard" || in.Ack.Note == "" || !in.Due.IsZero() {
		t.Errorf("cured: acknowledged by %+v, due %s", in.Ack, in.Due)
	}
	s.Clock.Advance(24 * time.Hour)
	s.MustRenotify(t, incident.Renotified{})
}
