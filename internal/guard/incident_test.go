package guard_test

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
)

// watched is a world whose incidents are looked after and whose root use may be announced.
type watched struct {
	*world
	incidents     *fake.Incidents
	announcements *fake.Announcements
	summaries     *fake.Ends
}

func newWatched(change ...func(*wire.Settings)) *watched {
	w := newWorld(change...)
	s := &watched{
		world: w, incidents: &fake.Incidents{Script: w.script, Conflicts: true},
		announcements: &fake.Announcements{Script: w.script, Ledger: w.ledger}, summaries: &fake.Ends{Script: w.script, Conflicts: true},
	}
	s.parts = newParts(wire.Deps{
		Detector: detectorFunc(func(rec *cloudtrail.Record, _ *detect.AssumedRoot) detect.Outcome {
			return detect.Outcome{Kind: detect.Matched, Finding: w.findings[rec.EventID]}
		}),
		Ledger: w.ledger, Facts: w.journal, Publisher: w.pub, Limiter: w, Now: w.clock.Now,
		Announcements: s.announcements, Summaries: s.summaries, Incidents: s.incidents, WrittenAcks: s.incidents,
	}, w.settings)
	return s
}

// signIn is root's, with MFA. Its record does not name the session.
func (s *watched) signIn(n int, at time.Time) *cloudtrail.Record {
	f := finding(detect.RootSignin, detect.Critical, account, n, at)
	f.MFA, f.EventSource, f.EventName = cloudtrail.Yes, "signin.amazonaws.com", "ConsoleLogin"
	return s.record(f)
}

// activity is a call of root in the session that began at a time.
func (s *watched) activity(n int, began, at time.Time) *cloudtrail.Record {
	return s.record(finding(detect.RootActivity, detect.High, account+"@"+began.UTC().Format(time.RFC3339), n, at))
}

func (s *watched) removed(n int, began, at time.Time) *cloudtrail.Record {
	f := finding(detect.RootMFARemoved, detect.Critical, account+"@"+began.UTC().Format(time.RFC3339), n, at)
	f.Also = []detect.ID{detect.RootActivity}
	return s.record(f)
}

func (s *watched) renotify(t *testing.T, want incident.Renotified) {
	t.Helper()
	got, err := s.Renotify(t.Context(), s.clock.Now())
	if err != nil {
		t.Fatalf("insisting: %v", err)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("at %v (-want +got):\n%s", s.clock.Now(), diff)
	}
}

func (s *watched) all(t *testing.T) []incident.Incident {
	t.Helper()
	all, err := s.incidents.All()
	if err != nil {
		t.Fatal(err)
	}
	return all
}

func (s *watched) only(t *testing.T) incident.Incident {
	t.Helper()
	all := s.all(t)
	if len(all) != 1 {
		t.Fatalf("%d incidents, want 1: %+v", len(all), all)
	}
	return all[0]
}

var bob = incident.Ack{By: "bob", Actor: detect.Actor{Type: "IAMUser", Name: "bob", ARN: "arn:aws:iam::" + account + ":user/bob"}, Note: "it was me, OPS-17"}

func (s *watched) acknowledge(t *testing.T, id string, wantAlready bool) incident.Incident {
	t.Helper()
	in, already, err := s.Acknowledge(t.Context(), id, bob)
	if err != nil || already != wantAlready {
		t.Fatalf("acknowledging %s: already %v, %v", id, already, err)
	}
	return in
}

// lines are the alerts so far: severity, title, incident and its events.
func (s *watched) lines() []string {
	lines := []string{}
	for _, a := range s.pub.Published() {
		line := string(a.Kind) + " " + a.Finding.Severity.String() + " " + a.Finding.Title
		if a.Incident != nil {
			line += fmt.Sprintf(" #%d", a.Incident.Events)
		}
		lines = append(lines, line)
	}
	return lines
}

func (s *watched) wantLines(t *testing.T, want ...string) {
	t.Helper()
	if want == nil {
		want = []string{}
	}
	if diff := cmp.Diff(want, s.lines()); diff != "" {
		t.Errorf("alerts (-want +got):\n%s", diff)
	}
}

// TestOneSessionIsOneIncident holds that a sign-in and what is done in its
// session are one incident in whatever order they come, copies included.
func TestOneSessionIsOneIncident(t *testing.T) {
	began := t0.Add(2 * time.Second)
	for name, order := range map[string][]int{"in order": {0, 1, 2}, "out of order": {2, 1, 0}, "copies": {1, 1, 0, 2, 0, 2, 1}} {
		t.Run(name, func(t *testing.T) {
			s := newWatched()
			recs := []*cloudtrail.Record{s.signIn(0, t0), s.activity(1, began, t0.Add(time.Hour)), s.removed(2, began, t0.Add(2*time.Hour))}
			for _, i := range order {
				if _, err := s.Handle(t.Context(), recs[i]); err != nil {
					t.Fatal(err)
				}
			}
			in := s.only(t)
			if in.Events != 3 || in.Finding.Severity != detect.Critical || in.Cycle != 1 || !in.Last.Equal(t0.Add(2*time.Hour)) {
				t.Errorf("incident: %+v", in)
			}
			for i, a := range s.pub.Published() {
				if a.Incident == nil || a.Incident.ID != in.ID || a.Incident.Events != i+1 {
					t.Errorf("alert %d says %+v, want event %d of %s", i, a.Incident, i+1, in.ID)
				}
			}
		})
	}
	t.Run("others are apart", func(t *testing.T) {
		s := newWatched()
		s.handle(t, s.signIn(0, t0), guard.Alerted)
		s.handle(t, s.activity(1, t0.Add(61*time.Second), t0.Add(time.Hour)), guard.Alerted)
		s.handle(t, s.signIn(2, t0.Add(-61*time.Second)), guard.Alerted)
		other := s.signIn(3, t0)
		f := s.findings[other.EventID]
		f.Account, f.Session = "210987654321", "210987654321"
		s.handle(t, s.record(f), guard.Alerted)
		s.handle(t, s.record(finding(detect.GuardTampered, detect.Critical, "AIDA@2025-03-01T12:00:00Z", 4, t0)), guard.Alerted)
		s.handle(t, s.record(finding(detect.GuardTampered, detect.High, "AIDA@2025-03-01T12:00:00Z", 5, t0)), guard.Alerted) // no incident
		ids := map[string]bool{}
		for _, in := range s.all(t) {
			ids[in.ID] = true
			if id, ok := keys.ReadID(strings.ToLower(strings.ReplaceAll(in.ID, "0", "o"))); !ok || id != in.ID {
				t.Errorf("%s is read as %q, %v", in.ID, id, ok)
			}
		}
		if len(ids) != 5 {
			t.Errorf("%d incidents, want 5", len(ids))
		}
		if last := s.pub.Published()[5]; last.Incident != nil {
			t.Errorf("an alert that is not critical and not root's: %+v", last.Incident)
		}
	})
	t.Run("what has no session", func(t *testing.T) {
		s := newWatched()
		made := func(n int) detect.Finding {
			f := finding(detect.UserMFAMissing, detect.Critical, "reminder 3", n, t0)
			f.EventSource, f.EventName = "", ""
			return f
		}
		for i := range 2 {
			s.handle(t, s.record(made(i)), guard.Alerted)
		}
		if n := len(s.all(t)); n != 1 {
			t.Errorf("%d incidents of two users, want the one of their account", n)
		}
		key := finding(detect.RootActivity, detect.High, account+"#AKIA", 2, t0)
		s.handle(t, s.record(key), guard.Alerted)
		key.EventID, key.EventTime = "event-003", t0.Add(11*time.Hour)
		s.handle(t, s.record(key), guard.Alerted)
		key.EventID, key.EventTime = "event-004", t0.Add(12*time.Hour)
		s.handle(t, s.record(key), guard.Alerted)
		if n := len(s.all(t)); n != 3 {
			t.Errorf("%d incidents, want 2 more for the days of a key", n)
		}
		undated := finding(detect.RootSignin, detect.Critical, account, 5, time.Time{})
		s.handle(t, s.record(undated), guard.Alerted)
		if n := len(s.all(t)); n != 4 {
			t.Errorf("%d incidents, want one for the event without a time", n)
		}
	})
}

// TestRollUpsAreCounted holds that the incident knows how much happened, though
// the repeats of a session are reported in one.
func TestRollUpsAreCounted(t *testing.T) {
	s := newWatched()
	for i := range 5 {
		want := guard.RolledUp
		if i == 0 {
			want = guard.Alerted
		}
		s.handle(t, s.activity(i, t0, t0.Add(time.Duration(i)*time.Minute)), want)
	}
	s.flush(t, t0.Add(time.Hour), 1)
	s.wantLines(t, "first high root.activity #1", "roll_up high root.activity #5")
	s.clock.Advance(100 * time.Hour)
	s.renotify(t, incident.Renotified{}) // nothing critical
}

// TestOneCaseSettlesNoOther holds that the end of one user's time without MFA settles
// no roll-up that reports others'.
func TestOneCaseSettlesNoOther(t *testing.T) {
	s := newWatched(func(s *wire.Settings) { s.Burst = map[detect.ID]int{} })
	missing := func(user string) detect.Finding {
		return detect.MFAMissing(account, detect.Target{UserName: user}, t0.Add(-96*time.Hour), t0.Add(-72*time.Hour), "")
	}
	for _, user := range []string{"ann", "bob", "cho"} {
		if _, err := s.Raise(t.Context(), detect.MFAReminder(missing(user), 3, 3, t0)); err != nil {
			t.Fatal(err)
		}
	}
	if n, err := s.Flush(t.Context(), t0.Add(time.Hour)); n != 1 || err != nil {
		t.Fatalf("%d roll-ups, %v", n, err)
	}
	if _, err := s.Raise(t.Context(), detect.MFAClosed(missing("ann"), cloudtrail.Yes, "the user has MFA", t0.Add(time.Minute))); err != nil {
		t.Fatal(err)
	}
	var open, settled []int
	for _, in := range s.all(t) {
		if in.Ack == nil {
			open = append(open, in.Events)
		} else {
			settled = append(settled, in.Events)
		}
	}
	if !slices.Equal(open, []int{2}) || !slices.Equal(settled, []int{1}) {
		t.Errorf("events of incidents open %v and settled %v, want bob's and cho's to be open", open, settled)
	}
	s.clock.Advance(16 * time.Minute)
	s.renotify(t, incident.Renotified{Resent: 1})
}

func TestResends(t *testing.T) {
	s := newWatched()
	s.handle(t, s.signIn(0, t0), guard.Alerted)
	id := s.only(t).ID
	s.renotify(t, incident.Renotified{})
	s.clock.Advance(15*time.Minute - time.Second)
	s.renotify(t, incident.Renotified{})
	s.clock.Advance(time.Second)
	s.renotify(t, incident.Renotified{Resent: 1})
	s.renotify(t, incident.Renotified{})
	s.clock.Advance(45 * time.Minute)
	s.renotify(t, incident.Renotified{Resent: 1})
	s.clock.Advance(100 * time.Hour)
	s.renotify(t, incident.Renotified{})
	told := []string{"first critical root.signin #1", "resend critical root.signin (repeat 1 of 2) #1", "resend critical root.signin (repeat 2 of 2) #1"}
	s.wantLines(t, told...)
	for i, a := range s.pub.Published() {
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
	s.handle(t, s.activity(1, t0, t0.Add(time.Hour)), guard.Alerted)
	s.clock.Advance(time.Hour)
	s.renotify(t, incident.Renotified{})
	s.handle(t, s.removed(2, t0, t0.Add(time.Hour)), guard.Alerted)
	s.clock.Advance(15 * time.Minute)
	s.renotify(t, incident.Renotified{Resent: 1})
	in := s.acknowledge(t, id, false)
	if in.Ack == nil || !in.Ack.At.Equal(s.clock.Now()) || in.Ack.Note != bob.Note {
		t.Errorf("acknowledged: %+v", in.Ack)
	}
	s.clock.Advance(100 * time.Hour)
	s.renotify(t, incident.Renotified{})
	told = append(told, "first high root.activity #2", "first critical root.mfa.removed #3", "resend critical root.mfa.removed (repeat 1 of 2) #3",
		"first info Incident acknowledged: "+id+" #3")
	s.wantLines(t, told...)

	// The output for the second names the first, and nothing is sent again.
	second := bob
	second.By, second.Note = "carol", "mine"
	in, already, err := s.Acknowledge(t.Context(), id, second)
	if err != nil || !already || in.Ack.By != "bob" {
		t.Errorf("again: %v, %v, %+v", already, err, in.Ack)
	}
	s.handle(t, s.record(finding(detect.RootPasswordChanged, detect.High, account+"@2025-03-01T12:00:00Z", 3, t0)), guard.Alerted) // not root at work
	f := finding(detect.RootLoginProfileCreated, detect.High, account+"@2025-03-01T12:00:00Z", 4, t0)
	f.Also = []detect.ID{detect.RootActivity}
	s.handle(t, s.record(f), guard.Alerted)
	last := s.pub.Published()[len(s.pub.Published())-1]
	if last.Incident == nil || last.Incident.AcknowledgedBy != "bob" || !strings.Contains(alert.Text(last), " acknowledged by bob") {
		t.Errorf("an alert after it was acknowledged: %+v", last.Incident)
	}

	// What is critical opens it again, and is what is sent again.
	n := len(s.lines())
	first := s.clock.Now().Add(-100 * time.Hour)
	s.handle(t, s.removed(5, t0, t0.Add(3*time.Hour)), guard.Alerted)
	s.clock.Advance(2 * time.Hour)
	s.renotify(t, incident.Renotified{Resent: 1}) // the second; the first has passed
	want := alert.Reopened{Title: "root.mfa.removed", At: t0.Add(3 * time.Hour), AcknowledgedBy: "bob", AcknowledgedAt: first}
	for _, a := range s.pub.Published()[n:] {
		if diff := cmp.Diff(&want, a.Incident.Reopened); diff != "" {
			t.Errorf("%s says what opened the incident again (-want +got):\n%s", a.ID, diff)
		}
		if a.Finding.EventID != "event-005" || a.Incident.AcknowledgedBy != "" || !a.Incident.First.Equal(t0) {
			t.Errorf("what is sent of the incident that was opened again: %+v, %+v", a.Finding, a.Incident)
		}
	}
	in = s.acknowledge(t, id, false)
	if len(in.Acks) != 1 || in.Acks[0].By != "bob" || in.Cycle != 3 {
		t.Errorf("acknowledged in round %d, before by %+v", in.Cycle, in.Acks)
	}
	wantLines := []string{"first critical root.mfa.removed #5", "resend critical root.mfa.removed (repeat 2 of 2) #5", "first info Incident acknowledged: " + id + " #5"}
	if diff := cmp.Diff(wantLines, s.lines()[n:]); diff != "" {
		t.Errorf("alerts after it was acknowledged (-want +got):\n%s", diff)
	}
	if a := s.pub.Published(); a[len(a)-1].Incident.Reopened != nil || !a[len(a)-1].Incident.AcknowledgedAt.Equal(s.clock.Now()) {
		t.Errorf("the note of the second acknowledgement: %+v", a[len(a)-1].Incident)
	}
	if _, _, err := s.Acknowledge(t.Context(), "00000-00000", bob); !errors.Is(err, incident.ErrNoIncident) {
		t.Errorf("a wrong ID: %v", err)
	}
}

// TestAnnouncedIsNotResent holds that no one is called about what was announced.
func TestAnnouncedIsNotResent(t *testing.T) {
	s := newWatched()
	s.announce(t, s.clock.Now(), time.Hour)
	s.handle(t, s.signIn(0, s.clock.Now()), guard.Alerted)
	s.clock.Advance(2 * time.Hour)
	s.renotify(t, incident.Renotified{})
	if in := s.only(t); in.Cycle != 0 || in.Events != 1 {
		t.Errorf("incident: %+v", in)
	}
	s.handle(t, s.removed(1, s.clock.Now().Add(-2*time.Hour), s.clock.Now().Add(-90*time.Minute)), guard.Alerted)
	s.clock.Advance(15 * time.Minute)
	s.renotify(t, incident.Renotified{Resent: 1})
	s.wantLines(t, "first high Root use announced by alice", "first low root.signin (announced) #1", "first critical root.mfa.removed #2",
		"resend critical root.mfa.removed (repeat 1 of 2) #2")
}

// TestIncidentFaults makes every call of handling, resending and acknowledging
// go wrong in every way, with redelivery after it. Each alert comes, and at most
// once more than it should.
func TestIncidentFaults(t *testing.T) {
	for _, fault := range []fake.Fault{fake.FailBefore, fake.FailAfter, fake.CrashBefore, fake.CrashAfter} {
		for call := 1; ; call++ {
			s := newWatched()
			rec := s.signIn(0, t0)
			s.script.Inject(call, fault)
			broken := false
			again := func(do func() error) {
				for range 5 {
					err := do()
					if s.script.Restart(); err == nil {
						return
					}
					broken = true
					s.clock.Advance(s.settings.Lease + time.Second)
				}
				t.Fatalf("%v at call %d: still fails", fault, call)
			}
			insist := func() error { _, err := s.Renotify(t.Context(), s.clock.Now()); return err }
			again(func() error { _, err := s.Handle(t.Context(), rec); return err })
			opened := s.only(t).Opened
			s.clock.Advance(opened.Add(15 * time.Minute).Sub(s.clock.Now()))
			again(insist)
			s.clock.Advance(opened.Add(time.Hour).Sub(s.clock.Now()))
			again(insist)
			again(func() error { _, _, err := s.Acknowledge(t.Context(), s.only(t).ID, bob); return err })
			s.clock.Advance(time.Hour)
			again(insist)
			if !broken && len(s.script.Calls()) < call {
				if call < 20 {
					t.Errorf("there were only %d calls", call)
				}
				break
			}
			count := map[string]int{}
			for _, line := range s.lines() {
				count[strings.Replace(line, "first critical root.signin #1", "first critical root.signin", 1)]++ // where it is stored later
			}
			copies := 0
			for _, want := range []string{"first critical root.signin", "resend critical root.signin (repeat 1 of 2) #1",
				"resend critical root.signin (repeat 2 of 2) #1", "first info Incident acknowledged: " + s.only(t).ID + " #1"} {
				if count[want] == 0 {
					t.Errorf("%v at call %d: %q was never sent: %v", fault, call, want, s.lines())
				}
				copies += count[want] - 1
				delete(count, want)
			}
			if len(count) > 0 || copies > 1 {
				t.Errorf("%v at call %d: %v", fault, call, s.lines())
			}
			if in := s.only(t); !in.Due.IsZero() || in.Events != 1 {
				t.Errorf("%v at call %d left %+v", fault, call, in)
			}
		}
	}
}

// TestIncidentStoreDown holds that an alert does not wait for its incident, and
// that the redelivery makes up for it without another alert.
func TestIncidentStoreDown(t *testing.T) {
	s := newWatched()
	rec := s.signIn(0, t0)
	s.script.Fail("Incidents.Amend", 2)
	if _, err := s.Handle(t.Context(), rec); !errors.Is(err, fake.ErrFault) {
		t.Fatalf("got %v, want the fault", err)
	}
	s.wantLines(t, "first critical root.signin")
	if n := len(s.all(t)); n != 0 {
		t.Fatalf("%d incidents", n)
	}
	if _, err := s.Handle(t.Context(), rec); !errors.Is(err, fake.ErrFault) {
		t.Fatalf("a redelivery while it is still down: %v", err)
	}
	s.handle(t, rec, guard.Duplicate)
	s.handle(t, rec, guard.Duplicate)
	if in := s.only(t); in.Events != 1 || in.Cycle != 1 {
		t.Errorf("incident: %+v", in)
	}
	s.clock.Advance(15 * time.Minute)
	s.renotify(t, incident.Renotified{Resent: 1})
	s.wantLines(t, "first critical root.signin", "resend critical root.signin (repeat 1 of 2) #1")
}

// TestInsistOverlaps runs resends while others are on their way, and acknowledges
// in between.
func TestInsistOverlaps(t *testing.T) {
	s := newWatched()
	s.handle(t, s.signIn(0, t0), guard.Alerted)
	s.clock.Advance(15 * time.Minute)
	s.pub.Refuse = func(alert.Alert) error {
		s.pub.Refuse = nil
		s.renotify(t, incident.Renotified{})
		return nil
	}
	s.renotify(t, incident.Renotified{Resent: 1})
	s.handle(t, s.signIn(1, t0.Add(2*time.Minute)), guard.Alerted)
	second := s.all(t)[1].ID
	s.clock.Advance(15 * time.Minute)
	s.pub.Refuse = func(alert.Alert) error {
		s.pub.Refuse = nil
		s.acknowledge(t, second, false)
		return nil
	}
	s.renotify(t, incident.Renotified{Resent: 1})
	s.clock.Advance(time.Hour)
	s.renotify(t, incident.Renotified{Resent: 1}) // of the first
	if in := s.all(t)[1]; in.Ack == nil || !in.Ack.Notified || !in.Due.IsZero() {
		t.Errorf("acknowledged while it was sent again: %+v", in)
	}
	if n := len(s.lines()); n != 6 {
		t.Errorf("alerts: %v", s.lines())
	}
}

// TestSweepsIncidents holds that what a sweep reports as critical is resent from
// the time of its schedule on, whatever the clock says.
func TestSweepsIncidents(t *testing.T) {
	s := newSwept()
	incidents := &fake.Incidents{Script: s.script}
	s.parts = newParts(wire.Deps{
		Detector: detectorFunc(nothing), Ledger: s.ledger, Facts: s.journal, Publisher: s.pub, Now: s.clock.Now, Deadlines: s.deadlines, Incidents: incidents,
	}, s.settings)
	s.call(t, "CreateUser")
	s.call(t, "CreateLoginProfile")
	at := s.clock.Now().Add(97 * time.Hour)
	for range 2 {
		if _, err := s.Sweep(incident.AsOf(t.Context(), at), s.iam, at); err != nil {
			t.Fatal(err)
		}
		at = at.Add(24 * time.Hour)
	}
	s.wantTitles(t, missingTitle, reminderTitle("critical", 3))
	last := at.Add(-24 * time.Hour)
	for after, want := range map[time.Duration]int{15*time.Minute - time.Second: 0, 15 * time.Minute: 1} {
		due, err := incidents.DueIncidents(t.Context(), last.Add(after), 5)
		if err != nil || len(due) != want {
			t.Errorf("%v later: %+v due, %v, want %d", after, due, err, want)
		}
	}

	// What is over needs no one to look after it.
	s.apply("EnableMFADevice", "eve")
	at = last.Add(24 * time.Hour)
	if _, err := s.Sweep(incident.AsOf(t.Context(), at), s.iam, at); err != nil {
		t.Fatal(err)
	}
	s.wantTitles(t, missingTitle, reminderTitle("critical", 3), closedTitle)
	all, err := incidents.All()
	if err != nil || len(all) != 1 || all[0].Ack == nil || all[0].Ack.By != "rootguard" || !all[0].Due.IsZero() || all[0].Events != 1 {
		t.Errorf("incidents: %+v, %v", all, err)
	}
	if a := s.pub.Published()[2]; a.Incident == nil || a.Incident.AcknowledgedBy != "rootguard" {
		t.Errorf("the closing note is of %+v", a.Incident)
	}
}

// TestInsistWaitsForAToken holds that resends give way to what is new for a few
// minutes, and take no more than one token each.
func TestInsistWaitsForAToken(t *testing.T) {
	s := newWatched()
	s.handle(t, s.signIn(0, t0), guard.Alerted)
	s.clock.Advance(15 * time.Minute)
	asked := s.denied()
	s.renotify(t, incident.Renotified{More: true})
	if !slices.Equal(*asked, []time.Duration{time.Second}) {
		t.Errorf("asked to wait %v", *asked)
	}
	tokens := 0
	s.token = func(time.Duration) (bool, error) { tokens++; return true, nil }
	s.renotify(t, incident.Renotified{Resent: 1})
	if tokens != 1 {
		t.Errorf("%d tokens for one resend", tokens)
	}
	s.wantLines(t, "first critical root.signin #1", "resend critical root.signin (repeat 1 of 2) #1")
}

// TestOverdueResendNeedsNoToken holds that no one can mute a resend by taking all tokens.
func TestOverdueResendNeedsNoToken(t *testing.T) {
	s := newWatched()
	s.handle(t, s.signIn(0, t0), guard.Alerted)
	s.denied()
	s.clock.Advance(20 * time.Minute)
	s.renotify(t, incident.Renotified{More: true})
	s.clock.Advance(time.Second)
	s.renotify(t, incident.Renotified{Resent: 1})
	s.wantLines(t, "first critical root.signin #1", "resend critical root.signin (repeat 1 of 2) #1")
}

// TestRollUpWithoutAnAlertIsAnIncident holds that what had no token of its own
// comes with its roll-up as an incident.
func TestRollUpWithoutAnAlertIsAnIncident(t *testing.T) {
	s := newWatched()
	s.denied()
	s.handle(t, s.activity(0, t0, t0), guard.RolledUp)
	if n := len(s.all(t)); n != 0 {
		t.Errorf("%d incidents of what was not published", n)
	}
	s.token = nil
	s.flush(t, t0.Add(time.Hour), 1)
	if n := len(s.all(t)); n != 1 {
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

// TestInsistIsBounded holds that one run sends one alert for all incidents that are
// due, keeps to its time, and that they stay due where it cannot be sent.
func TestInsistIsBounded(t *testing.T) {
	t.Parallel()
	s := newWatched(func(g *wire.Settings) { g.Batch = 7 })
	const n = 130
	for i := range n {
		s.handle(t, s.removed(i, t0.Add(time.Duration(i)*time.Hour), t0), guard.Alerted)
	}
	s.clock.Advance(20 * time.Minute)
	ctx, cancel := context.WithDeadline(t.Context(), s.clock.Now().Add(24*365*100*time.Hour))
	defer cancel()
	deadline, _ := ctx.Deadline()
	late := newParts(wire.Deps{Ledger: s.ledger, Facts: s.journal, Publisher: s.pub, Incidents: s.incidents, Now: func() time.Time { return deadline.Add(-time.Second) }}, s.settings)
	if got, err := late.Renotify(ctx, s.clock.Now()); err != nil || got != (incident.Renotified{More: true}) {
		t.Errorf("without time: %+v, %v", got, err)
	}
	s.renotify(t, incident.Renotified{Resent: 1}) // one alert for all
	s.renotify(t, incident.Renotified{})
	s.pub.Refuse = func(alert.Alert) error { return errors.New("down") }
	s.clock.Advance(time.Hour)
	for range 2 { // what is collected stays due
		if got, err := s.Renotify(t.Context(), s.clock.Now()); err == nil || got != (incident.Renotified{}) || strings.Count(err.Error(), "down") > 10 {
			t.Errorf("while SNS is down: %+v, %v", got, err)
		}
	}
	s.pub.Refuse = nil
	s.renotify(t, incident.Renotified{Resent: 1})
	resent := map[string]int{}
	for _, a := range s.pub.Published()[n:] {
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
	due, err := s.incidents.DueIncidents(t.Context(), s.clock.Now(), 1000)
	if err != nil || len(due) != 0 {
		t.Errorf("%d are still due: %v", len(due), err)
	}
}

// TestToldAcknowledgementIsNotDueAgain loses the answer of each call of the run that
// sends the note of an acknowledgement: what was stored then must not be put off.
func TestToldAcknowledgementIsNotDueAgain(t *testing.T) {
	for at := 1; at <= 12; at++ {
		s := newWatched()
		s.handle(t, s.removed(1, t0, t0), guard.Alerted)
		in := s.only(t)
		s.pub.Refuse = func(alert.Alert) error { return errors.New("the topic is down") }
		if _, _, err := s.Acknowledge(t.Context(), in.ID, bob); err == nil {
			t.Fatal("the note went out though the topic is down")
		}
		s.pub.Refuse = nil
		s.clock.Advance(s.settings.Lease + time.Second)
		s.script.Inject(at, fake.FailAfter)
		_, _ = s.Renotify(t.Context(), s.clock.Now())
		s.script.Restart()
		for range 3 {
			s.clock.Advance(s.settings.Lease + 5*time.Minute)
			if _, err := s.Renotify(t.Context(), s.clock.Now()); err != nil {
				t.Errorf("call %d: %v", at, err)
			}
		}
		if in = must(s.incidents.All())[0]; !in.Due.IsZero() || in.Ack == nil || !in.Ack.Notified {
			t.Errorf("call %d: the incident is due at %v after %d failures, acknowledged by %+v", at, in.Due, in.Failures, in.Ack)
		}
	}
}
