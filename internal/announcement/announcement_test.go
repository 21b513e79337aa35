package announcement_test

import (
	"rootguard/internal/wiretest"

	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"rootguard/internal/alert"
	"rootguard/internal/announcement"
	"rootguard/internal/detect"
	"rootguard/internal/ending"
	"rootguard/internal/failure"
	"rootguard/internal/fake"
	"rootguard/internal/guard"
	"rootguard/internal/incident"
	"rootguard/internal/wire"
)

// TestJudgedByEventTime holds that an event is judged by when it happened,
// whenever it comes, and that of another account not at all.
func TestJudgedByEventTime(t *testing.T) {
	s := wiretest.NewWatched()
	from := s.Clock.Now()
	s.MustAnnounce(t, from, 2*time.Hour)
	s.Clock.Advance(300 * time.Hour)
	for i, tt := range []struct {
		at   time.Time
		want detect.Severity
	}{
		{from.Add(-time.Second), detect.Critical}, {from, detect.Low}, {from.Add(2*time.Hour - time.Second), detect.Low}, {from.Add(2 * time.Hour), detect.Critical},
	} {
		f := s.MustHandle(t, s.SignIn(i, tt.at), guard.Alerted).Outcome.Finding
		if f.Severity != tt.want || (f.Announced != nil) != (tt.want == detect.Low) {
			t.Errorf("at %v: %s, %+v", tt.at, f.Severity, f.Announced)
		}
	}
	rec := s.SignIn(9, from.Add(time.Minute))
	f := s.Findings[rec.EventID]
	f.Account = "210987654321"
	if f := s.MustHandle(t, s.Record(f), guard.Alerted).Outcome.Finding; f.Severity != detect.Critical {
		t.Errorf("another account's is %s", f.Severity)
	}
	f = wiretest.Finding(detect.RootSigninNoMFA, detect.Critical, wiretest.Account, 10, from.Add(time.Minute))
	f = s.MustHandle(t, s.Record(f), guard.Alerted).Outcome.Finding
	if f.Severity != detect.Critical || f.Announced == nil || !strings.Contains(alert.Text(s.Last()), "of this kind)") {
		t.Errorf("without MFA: %+v", f)
	}
	f = wiretest.Finding(detect.GuardTampered, detect.Critical, "AIDA", 11, from.Add(time.Minute))
	if f := s.MustHandle(t, s.Record(f), guard.Alerted).Outcome.Finding; f.Announced != nil {
		t.Errorf("what another did: %+v", f)
	}
	undated := s.SignIn(12, time.Time{})
	if f := s.MustHandle(t, undated, guard.Alerted).Outcome.Finding; f.Severity != detect.Critical {
		t.Errorf("without a time: %s", f.Severity)
	}
}

// TestRootSessionsAreOfTheMember holds that a session that the management account
// opens for a member is judged by what was announced in the member, and is in its summary.
func TestRootSessionsAreOfTheMember(t *testing.T) {
	s := wiretest.NewWatched()
	from := s.Clock.Now()
	s.MustAnnounce(t, from, time.Hour)
	assume := func(n int, member string) detect.Finding {
		f := wiretest.Finding(detect.RootSession, detect.Medium, "AROA:carol@2025-03-01T12:59:00Z", n, from)
		f.Account, f.EventSource, f.EventName, f.Target = "210987654321", "sts.amazonaws.com", "AssumeRoot", detect.Target{Resource: "account " + member}
		return s.MustHandle(t, s.Record(f), guard.Alerted).Outcome.Finding
	}
	if f := assume(0, wiretest.Account); f.Severity != detect.Low || f.Announced == nil {
		t.Errorf("of the member: %s, %+v", f.Severity, f.Announced)
	}
	if f := assume(1, "333333333333"); f.Severity != detect.Medium || f.Announced != nil {
		t.Errorf("of another: %s, %+v", f.Severity, f.Announced)
	}
	s.Clock.Advance(2 * time.Hour)
	s.MustSummarize(t, 1)
	if f := s.Last().Finding; !strings.Contains(f.Detail, "1 call in 1 session. Calls: sts:AssumeRoot 1.") {
		t.Errorf("summary: %q", f.Detail)
	}
}

// TestAnnouncedIsRolledUp holds that what was announced is rolled up as always,
// and that a roll-up of more than that does not say it was announced.
func TestAnnouncedIsRolledUp(t *testing.T) {
	s := wiretest.NewWatched()
	from := s.Clock.Now()
	s.MustAnnounce(t, from, 2*time.Minute)
	for i := range 2 {
		want := []guard.Disposition{guard.Alerted, guard.RolledUp}[i]
		s.MustHandle(t, s.Activity(i, from, from.Add(time.Duration(i)*time.Minute)), want)
	}
	s.MustHandle(t, s.Activity(2, from, from.Add(2*time.Minute)), guard.Alerted) // more severe than all before
	s.MustHandle(t, s.Activity(3, from, from.Add(3*time.Minute)), guard.RolledUp)
	s.MustFlush(t, from.Add(time.Hour), 1)
	s.WantIncidentLines(t, "first high Root use announced by alice", "first low root.activity (announced) #1", "first high root.activity #2",
		"roll_up high root.activity #4")
	if a := s.Last(); a.Finding.Announced != nil {
		t.Errorf("the roll-up: %+v", a.Finding.Announced)
	}
}

// TestUnknownAnnouncementsLowerNothing holds that where it cannot be looked up
// the alert is as loud as ever.
func TestUnknownAnnouncementsLowerNothing(t *testing.T) {
	s := wiretest.NewWatched()
	from := s.Clock.Now()
	s.MustAnnounce(t, from, time.Hour)
	s.Script.Fail("Announcements.Entries", 1)
	rec := s.SignIn(0, from)
	res, err := s.Handle(t.Context(), rec)
	if !errors.Is(err, fake.ErrFault) || res.Disposition != guard.Alerted || res.Alert.Finding.Severity != detect.Critical ||
		!strings.Contains(res.Alert.Finding.Detail, "could not be looked up") {
		t.Errorf("%+v, %v", res, err)
	}
	s.MustHandle(t, rec, guard.Duplicate)
}

// TestAnnounceIsReportedFirst makes every call of announcing go wrong in every way:
// nothing counts that no one was reported.
func TestAnnounceIsReportedFirst(t *testing.T) {
	for _, fault := range []fake.Fault{fake.FailBefore, fake.FailAfter, fake.CrashBefore, fake.CrashAfter} {
		for call := 1; ; call++ {
			s := wiretest.NewWatched()
			from := s.Clock.Now()
			s.Script.Inject(call, fault)
			_, err := s.Announce(t.Context(), wiretest.EntryFor(from, time.Hour))
			if err == nil {
				if call < 5 {
					t.Errorf("there were only %d calls", call)
				}
				break
			}
			s.Script.Restart()
			reported := len(s.IncidentLines()) > 0
			f := s.MustHandle(t, s.SignIn(0, from), guard.Alerted).Outcome.Finding
			if f.Severity != detect.Critical && !reported {
				t.Errorf("%v at call %d: lowered, and no one was notified", fault, call)
			}
			s.Clock.Advance(2 * time.Hour)
			summaries := 0
			if f.Severity != detect.Critical {
				summaries = 1
			}
			s.MustSummarize(t, summaries)
			s.MustSummarize(t, 0)
			if due, err := s.Summaries.Due(t.Context(), s.Clock.Now(), 10); len(due) > 0 || err != nil {
				t.Errorf("%v at call %d: still due: %+v, %v", fault, call, due, err)
			}
		}
	}
}

// TestTwoAnnouncementsAtOnce runs two in every order of their calls: never do
// both count, and each that does not says so.
func TestTwoAnnouncementsAtOnce(t *testing.T) {
	for calls := range 12 {
		s := wiretest.NewWatched()
		now := s.Clock.Now()
		one, two := wiretest.EntryFor(now.Add(time.Hour), time.Hour), wiretest.EntryFor(now.Add(90*time.Minute), time.Hour)
		two.Owner = "bob"
		var second error
		begun := false
		s.Script.Pause(calls+1, func() {
			begun = true
			_, second = s.Announce(t.Context(), two)
		})
		_, first := s.Announce(t.Context(), one)
		if !begun {
			break
		}
		known, err := s.Announcements.Entries(t.Context(), one.Account, now, now.Add(24*time.Hour))
		if err != nil {
			t.Fatal(err)
		}
		open := 0
		for _, a := range announcement.Of(known) {
			if a.EndedEarly == nil {
				open++
			}
		}
		passed := 0
		for _, err := range []error{first, second} {
			if err == nil {
				passed++
			} else if overlap := (*announcement.OverlapError)(nil); !errors.As(err, &overlap) {
				t.Errorf("at call %d: %v", calls, err)
			}
		}
		if open != passed || open > 1 {
			t.Errorf("at call %d: %d are open and %d passed (%v, %v), want the same, at most 1", calls, open, passed, first, second)
		}
	}
}

func TestAnnounceRefuses(t *testing.T) {
	s := wiretest.NewWatched()
	now := s.Clock.Now()
	first := s.MustAnnounce(t, now.Add(time.Hour), time.Hour)
	var overlap *announcement.OverlapError
	for _, e := range []announcement.AuditEvent{wiretest.EntryFor(now, 61*time.Minute), wiretest.EntryFor(now.Add(119*time.Minute), time.Hour), wiretest.EntryFor(now, 24*time.Hour)} {
		if _, err := s.Announce(t.Context(), e); !errors.As(err, &overlap) || overlap.With.Opened.ID != first.Opened.ID {
			t.Errorf("from %v: %v, want an overlap", e.From, err)
		}
	}
	for _, e := range []announcement.AuditEvent{wiretest.EntryFor(now, 24*time.Hour+time.Second), wiretest.EntryFor(now, 0), wiretest.EntryFor(now, -time.Hour), wiretest.EntryFor(now.Add(-2*time.Minute), time.Hour)} {
		if _, err := s.Announce(t.Context(), e); err == nil || failure.Retryable(err) {
			t.Errorf("%v from %v: %v, want a permanent error", e.Until.Sub(e.From), e.From, err)
		}
	}
	other := wiretest.EntryFor(now.Add(time.Hour), time.Hour)
	other.Account = "210987654321"
	if _, err := s.Announce(t.Context(), other); err != nil {
		t.Errorf("of another account: %v", err)
	}
	s.MustAnnounce(t, now, time.Hour)
	s.MustAnnounce(t, now.Add(2*time.Hour), 24*time.Hour)
	if n := len(s.IncidentLines()); n != 4 {
		t.Errorf("alerts: %v", s.IncidentLines())
	}
}

// TestSummary holds what a summary says, that it waits for what comes late, and that
// it is reported once.
func TestSummary(t *testing.T) {
	s := wiretest.NewWatched()
	from := s.Clock.Now()
	a := s.MustAnnounce(t, from, time.Hour)
	s.MustAnnounce(t, from.Add(time.Hour), time.Hour) // not used
	s.MustHandle(t, s.SignIn(0, from), guard.Alerted)
	for i := range 3 {
		_, _ = s.Handle(t.Context(), s.Activity(1+i, from, from.Add(time.Duration(i)*time.Minute)))
	}
	s.MustHandle(t, s.Removed(4, from, from.Add(5*time.Minute)), guard.Alerted)
	s.Clock.Advance(time.Hour + 5*time.Minute - time.Second)
	s.MustSummarize(t, 0)
	s.MustHandle(t, s.Activity(5, from.Add(30*time.Minute), from.Add(59*time.Minute)), guard.Alerted)
	s.MustHandle(t, s.SignIn(6, from.Add(61*time.Minute)), guard.Alerted) // of the second
	s.MustHandle(t, s.SignIn(7, from.Add(-time.Minute)), guard.Alerted)   // before
	s.Clock.Advance(time.Second)
	s.MustSummarize(t, 1)
	s.MustSummarize(t, 0)
	f := s.Last().Finding
	want := "Announcement " + a.Opened.ID + " from 2025-03-01T13:00:00Z until 2025-03-01T14:00:00Z, owner alice; opened by " + wiretest.Opener.ARN +
		"; reason: renewing the support plan. Root: 1 sign-in, 5 calls in 2 sessions. Calls: iam:Call1 2, iam:Call2 2, iam:Call0 1." +
		" Findings: root.activity 4, root.mfa.removed 1, root.signin 1. Not lowered: 1, which have alerts of their own."
	if f.Title != "Announced root use ended" || f.Severity != detect.Info || !f.EventTime.Equal(from.Add(time.Hour)) {
		t.Errorf("summary: %+v", f)
	}
	if diff := cmp.Diff(want, f.Detail); diff != "" {
		t.Errorf("detail (-want +got):\n%s", diff)
	}
	s.Clock.Advance(time.Hour)
	s.MustSummarize(t, 1)
	if f := s.Last().Finding; !strings.Contains(f.Detail, "Root: 1 sign-in, 0 calls in 0 sessions. Findings: root.signin 1.") {
		t.Errorf("the other's: %q", f.Detail)
	}
}

func TestClose(t *testing.T) {
	s := wiretest.NewWatched()
	from := s.Clock.Now()
	a := s.MustAnnounce(t, from, 3*time.Hour)
	s.Clock.Advance(time.Hour)
	closed, already, err := s.Close(t.Context(), a, wiretest.Opener, "done")
	if err != nil || already || !closed.End().Equal(from.Add(time.Hour)) {
		t.Fatalf("closing: %+v, %v, %v", closed, already, err)
	}
	s.Clock.Advance(time.Minute)
	if again, already, err := s.Close(t.Context(), a, wiretest.Bob.Actor, "me too"); err != nil || !already || again.EndedEarly.Actor.ARN != wiretest.Opener.ARN || !again.End().Equal(from.Add(time.Hour)) {
		t.Errorf("closing again: %+v, %v, %v", again, already, err)
	}
	s.MustHandle(t, s.SignIn(0, from.Add(59*time.Minute)), guard.Alerted)
	s.MustHandle(t, s.SignIn(1, from.Add(time.Hour)), guard.Alerted)
	s.MustAnnounce(t, s.Clock.Now(), time.Hour) // there is room again
	s.Clock.Advance(4 * time.Minute)
	s.MustSummarize(t, 1)
	s.WantIncidentLines(t, "first high Root use announced by alice", "first info Announced root use closed early",
		"first low root.signin (announced) #1", "first critical root.signin #2", "first high Root use announced by alice", "first info Announced root use ended")

	// One that has not begun never does, and makes no summary.
	s = wiretest.NewWatched()
	from = s.Clock.Now().Add(time.Hour)
	a = s.MustAnnounce(t, from, time.Hour)
	if _, _, err := s.Close(t.Context(), a, wiretest.Opener, ""); err != nil {
		t.Fatal(err)
	}
	s.MustHandle(t, s.SignIn(0, from.Add(time.Minute)), guard.Alerted)
	s.Clock.Advance(10 * time.Hour)
	s.MustSummarize(t, 0)
	s.WantIncidentLines(t, "first high Root use announced by alice", "first info Announced root use closed early", "first critical root.signin #1")
}

// TestCloseFaults makes every call of closing and of the summary go wrong: it is
// reported that it was closed, and what root did, and each at most once more.
func TestCloseFaults(t *testing.T) {
	for _, fault := range []fake.Fault{fake.FailBefore, fake.FailAfter, fake.CrashBefore, fake.CrashAfter} {
		for call := 1; ; call++ {
			s := wiretest.NewWatched()
			from := s.Clock.Now()
			a := s.MustAnnounce(t, from, time.Hour)
			s.Clock.Advance(time.Minute)
			before := len(s.Script.Calls())
			s.Script.Inject(call, fault)
			broken := false
			_, _, err := s.Close(t.Context(), a, wiretest.Opener, "done")
			if s.Script.Restart(); err != nil {
				broken = true
			}
			s.Clock.Advance(3 * time.Hour)
			for range 4 {
				_, err := s.Summarize(t.Context(), s.Clock.Now())
				if s.Script.Restart(); err != nil {
					broken = true
				}
				s.Clock.Advance(s.Settings.Lease + time.Second)
			}
			if !broken && len(s.Script.Calls())-before < call {
				break
			}
			count := map[string]int{}
			for _, line := range s.IncidentLines()[1:] {
				count[line]++
			}
			closed, ended := count["first info Announced root use closed early"], count["first info Announced root use ended, root was not used"]
			entries, err := s.Announcements.Entries(t.Context(), wiretest.Account, from, from)
			if err != nil {
				t.Fatal(err)
			}
			isClosed := slices.ContainsFunc(entries, func(e announcement.AuditEvent) bool { return e.Action == announcement.Closed })
			if (closed > 0) != isClosed || ended == 0 || closed+ended > 3 || len(count) > 2 {
				t.Errorf("%v at call %d: closed %v: %v", fault, call, isClosed, s.IncidentLines())
			}
			if due, err := s.Summaries.Due(t.Context(), s.Clock.Now(), 10); len(due) > 0 || err != nil {
				t.Errorf("%v at call %d: still due: %+v, %v", fault, call, due, err)
			}
		}
	}
}

// TestSummaryIsBounded holds that a run gives up where all would fail, keeps to its
// time, and that what it leaves is reported by the next one.
func TestSummaryIsBounded(t *testing.T) {
	s := wiretest.NewWatched(func(g *wire.Settings) { g.Batch = 3 })
	const n = 9
	for i := range n {
		e := wiretest.EntryFor(s.Clock.Now(), time.Hour)
		e.Account = fmt.Sprintf("%012d", i)
		if _, err := s.Announce(t.Context(), e); err != nil {
			t.Fatal(err)
		}
	}
	s.Clock.Advance(2 * time.Hour)
	s.Receivers.Refuse = func(alert.Alert) error { return errors.New("down") }
	if got, err := s.Summarize(t.Context(), s.Clock.Now()); err == nil || got.Ended != 0 || strings.Count(err.Error(), "down") > 6 {
		t.Errorf("while SNS is down: %+v, %v", got, err)
	}
	s.Receivers.Refuse = nil
	s.Clock.Advance(5 * time.Minute)
	ctx, cancel := context.WithDeadline(t.Context(), time.Now().Add(time.Hour))
	defer cancel()
	deadline, _ := ctx.Deadline()
	now := s.Clock.Now()
	s.Clock.Advance(deadline.Sub(now) - time.Second)
	if got, err := s.Summarize(ctx, now); err != nil || got != (ending.Done{More: true}) {
		t.Errorf("without time: %+v, %v", got, err)
	}
	if got, err := s.Renotify(ctx, now); err != nil || got != (incident.Renotified{}) {
		t.Errorf("nothing to send again: %+v, %v", got, err)
	}
	s.MustSummarize(t, n)
	s.MustSummarize(t, 0)
}

// under has a claim for each of a number of findings under an announcement.
type under struct {
	*fake.Announcements
	n, read int
}

func (u *under) ClaimsDuring(_ context.Context, announcement string, fn func(guard.Claim) error) error {
	f := wiretest.Finding(detect.RootActivity, detect.Low, wiretest.Account+"@x", 1, wiretest.T0)
	f.Announced = &detect.Announced{ID: announcement, Severity: detect.High}
	for u.read = 0; u.read < u.n; u.read++ {
		if err := fn(guard.Claim{Finding: &f}); err != nil {
			return fmt.Errorf("reading: %w", err)
		}
	}
	return nil
}

// TestSummaryOfAScript holds that a summary reads only so much, and says so.
func TestSummaryOfAScript(t *testing.T) {
	for n, more := range map[int]bool{20_000: false, 1_000_000: true} {
		s := wiretest.NewWatched()
		u := &under{Announcements: s.Announcements, n: n}
		s.Parts = wiretest.NewParts(wire.Deps{
			Claims: s.Claims, Facts: s.FactRows, Publisher: s.Receivers, Now: s.Clock.Now, Announcements: u, Summaries: s.Summaries, Incidents: s.Incidents,
		}, s.Settings)
		if _, err := s.Announce(t.Context(), wiretest.EntryFor(s.Clock.Now(), time.Hour)); err != nil {
			t.Fatal(err)
		}
		s.Clock.Advance(2 * time.Hour)
		s.MustSummarize(t, 1)
		detail := s.Receivers.Published()[1].Finding.Detail
		if strings.Contains(detail, "There are more") != more || !strings.Contains(detail, "20000 calls") || u.read > 20_000 {
			t.Errorf("of %d, read %d: %s", n, u.read, detail)
		}
	}
}

// TestEndIsBounded holds that a row that says more than is allowed does not get it.
func TestEndIsBounded(t *testing.T) {
	from := wiretest.T0
	a := announcement.Announcement{Opened: announcement.AuditEvent{From: from, Until: from.Add(1000 * time.Hour)}}
	if !a.Covers(from.Add(24*time.Hour-time.Second)) || a.Covers(from.Add(24*time.Hour)) {
		t.Errorf("it ends at %v", a.End())
	}
	if got := announcement.Of([]announcement.AuditEvent{{Action: announcement.Closed, ID: "x"}}); len(got) != 0 {
		t.Errorf("a closing alone: %+v", got)
	}
}
