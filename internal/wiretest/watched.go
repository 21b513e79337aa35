package wiretest

import (
	"fmt"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"rootguard/internal/alert"
	"rootguard/internal/announcement"
	"rootguard/internal/cloudtrail"
	"rootguard/internal/detect"
	"rootguard/internal/ending"
	"rootguard/internal/fake"
	"rootguard/internal/guard"
	"rootguard/internal/incident"
	"rootguard/internal/wire"
)

// Opened has n incidents, the alerts of which are sent.
func (s *Watched) Opened(t *testing.T, n int) (ids []string) {
	t.Helper()
	for i := range n {
		s.MustHandle(t, s.Removed(i, T0.Add(time.Duration(i)*time.Hour), T0), guard.Alerted)
	}
	for _, in := range s.Incidents.All() {
		ids = append(ids, in.ID)
	}
	return ids
}

// Notes are the titles of what was sent about acknowledgements.
func (s *Watched) Notes() (titles []string) {
	for _, a := range s.Receivers.Published() {
		if a.Finding.ID == "incident.acknowledged" {
			titles = append(titles, a.Finding.Title)
		}
	}
	return titles
}

// Opener announces root use.
var Opener = detect.Actor{Type: "AssumedRole", Name: "Admin/alice", ARN: "arn:aws:sts::" + Account + ":assumed-role/Admin/alice"}

// EntryFor announces root use of Account for a time.
func EntryFor(from time.Time, length time.Duration) announcement.AuditEvent {
	return announcement.AuditEvent{Account: Account, From: from, Until: from.Add(length), Owner: "alice", Reason: "renewing the support plan",
		Actor: Opener}
}

// MustAnnounce announces root use.
func (s *Watched) MustAnnounce(t *testing.T, from time.Time, length time.Duration) announcement.Announcement {
	t.Helper()
	e, err := s.Announce(t.Context(), EntryFor(from, length))
	if err != nil {
		t.Fatalf("announcing: %v", err)
	}
	return announcement.Announcement{Opened: e}
}

// MustSummarize reports the announcements that are over, and compares how many.
func (s *Watched) MustSummarize(t *testing.T, want int) {
	t.Helper()
	got, err := s.Summarize(t.Context(), s.Clock.Now())
	if err != nil {
		t.Fatalf("summarizing: %v", err)
	}
	if diff := cmp.Diff(ending.Done{Ended: want}, got); diff != "" {
		t.Errorf("at %v (-want +got):\n%s", s.Clock.Now(), diff)
	}
}

// Last is the latest alert.
func (s *Watched) Last() alert.Alert {
	all := s.Receivers.Published()
	return all[len(all)-1]
}

// Watched is a world whose incidents are looked after and whose root use may be announced.
type Watched struct {
	*World
	Incidents     *fake.Incidents
	Announcements *fake.Announcements
	Summaries     *fake.Ends
}

// NewWatched returns one in which nothing has happened.
func NewWatched(change ...func(*wire.Settings)) *Watched {
	w := NewWorld(change...)
	s := &Watched{
		World: w, Incidents: &fake.Incidents{Script: w.Script, Conflicts: true},
		Announcements: &fake.Announcements{Script: w.Script, Claims: w.Claims}, Summaries: &fake.Ends{Script: w.Script, Conflicts: true},
	}
	s.Parts = NewParts(wire.Deps{
		Detector: DetectorFunc(func(rec *cloudtrail.Record, _ *detect.AssumedRoot) detect.Outcome {
			return detect.Outcome{Kind: detect.Matched, Finding: w.Findings[rec.EventID]}
		}),
		Claims: w.Claims, Facts: w.FactRows, Publisher: w.Receivers, Limiter: w, Now: w.Clock.Now,
		Announcements: s.Announcements, Summaries: s.Summaries, Incidents: s.Incidents, WrittenAcks: s.Incidents,
	}, w.Settings)
	return s
}

// SignIn is root's, with MFA. Its record does not name the session.
func (s *Watched) SignIn(n int, at time.Time) *cloudtrail.Record {
	f := Finding(detect.RootSignin, detect.Critical, Account, n, at)
	f.MFA, f.EventSource, f.EventName = cloudtrail.Yes, "signin.amazonaws.com", "ConsoleLogin"
	return s.Record(f)
}

// Activity is a call of root in the session that began at a time.
func (s *Watched) Activity(n int, began, at time.Time) *cloudtrail.Record {
	return s.Record(Finding(detect.RootActivity, detect.High, Account+"@"+began.UTC().Format(time.RFC3339), n, at))
}

// Removed is the removal of root's MFA in the session that began at a time.
func (s *Watched) Removed(n int, began, at time.Time) *cloudtrail.Record {
	f := Finding(detect.RootMFARemoved, detect.Critical, Account+"@"+began.UTC().Format(time.RFC3339), n, at)
	f.Also = []detect.ID{detect.RootActivity}
	return s.Record(f)
}

// MustRenotify sends again what is due, and compares what was done.
func (s *Watched) MustRenotify(t *testing.T, want incident.Renotified) {
	t.Helper()
	got, err := s.Renotify(t.Context(), s.Clock.Now())
	if err != nil {
		t.Fatalf("sending again: %v", err)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("at %v (-want +got):\n%s", s.Clock.Now(), diff)
	}
}

// Only is the one incident that there is.
func (s *Watched) Only(t *testing.T) incident.Incident {
	t.Helper()
	all := s.Incidents.All()
	if len(all) != 1 {
		t.Fatalf("%d incidents, want 1: %+v", len(all), all)
	}
	return all[0]
}

// Bob acknowledges.
var Bob = incident.Ack{By: "bob", Actor: detect.Actor{Type: "IAMUser", Name: "bob", ARN: "arn:aws:iam::" + Account + ":user/bob"},
	Note: "it was me, OPS-17"}

// MustAcknowledge acknowledges an incident as Bob.
func (s *Watched) MustAcknowledge(t *testing.T, id string, wantAlready bool) incident.Incident {
	t.Helper()
	in, already, err := s.Acknowledge(t.Context(), id, Bob)
	if err != nil || already != wantAlready {
		t.Fatalf("acknowledging %s: already %v, %v", id, already, err)
	}
	return in
}

// IncidentLines are the alerts so far: severity, title, incident and its events.
func (s *Watched) IncidentLines() []string {
	all := s.Receivers.Published()
	lines := make([]string, 0, len(all))
	for _, a := range all {
		line := string(a.Kind) + " " + a.Finding.Severity.String() + " " + a.Finding.Title
		if a.Incident != nil {
			line += fmt.Sprintf(" #%d", a.Incident.Events)
		}
		lines = append(lines, line)
	}
	return lines
}

// WantIncidentLines compares the alerts so far.
func (s *Watched) WantIncidentLines(t *testing.T, want ...string) {
	t.Helper()
	wantAlerts(t, want, s.IncidentLines())
}
