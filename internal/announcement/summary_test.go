package announcement_test

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"rootguard/internal/alert"
	"rootguard/internal/announcement"
	"rootguard/internal/detect"
	"rootguard/internal/fake"
	"rootguard/internal/guard"
	"rootguard/internal/wire"
	"rootguard/internal/wiretest"
)

// done has these claims under whatever announcement, and fails with err after them.
type done struct {
	*fake.Announcements
	claims []guard.Claim
	err    error
}

func (d *done) ClaimsDuring(_ context.Context, _ string, fn func(guard.Claim) error) error {
	for _, c := range d.claims {
		if err := fn(c); err != nil {
			return err
		}
	}
	return d.err
}

// TestWhatRootDid holds what a summary says of claims: what is counted, in which order,
// and how much of it is listed.
func TestWhatRootDid(t *testing.T) {
	used := func(id detect.ID, severity, before detect.Severity, session, name string) guard.Claim {
		return guard.Claim{Finding: &detect.Finding{ID: id, Severity: severity, Session: session, EventSource: "iam.amazonaws.com", EventName: name,
			Announced: &detect.Announced{Severity: before}}}
	}
	resent := used(detect.RootSignin, detect.Low, detect.Critical, "", "ConsoleLogin")
	resent.Kind = alert.Resend
	kinds := func(n int) (all []guard.Claim) {
		for i := range n {
			all = append(all, used(detect.RootActivity, detect.Low, detect.High, "s", fmt.Sprintf("Call%02d", i)))
		}
		return all
	}
	const twelve = "iam:Call00 1, iam:Call01 1, iam:Call02 1, iam:Call03 1, iam:Call04 1, iam:Call05 1, iam:Call06 1, iam:Call07 1, iam:Call08 1, iam:Call09 1, iam:Call10 1, iam:Call11 1"
	for _, tt := range []struct {
		name   string
		claims []guard.Claim
		want   string
	}{
		{"nothing", nil, "No use of root was reported under it."},
		{"what is sent again is no use", []guard.Claim{resent}, "No use of root was reported under it."},
		{"a sign-in", []guard.Claim{used(detect.RootSignin, detect.Low, detect.Critical, "s", "ConsoleLogin")},
			"Root: 1 sign-in, 0 calls in 0 sessions. Findings: root.signin 1."},
		{"a sign-in without MFA, which is not lowered", []guard.Claim{used(detect.RootSigninNoMFA, detect.Critical, detect.Critical, "s", "ConsoleLogin")},
			"Root: 1 sign-in, 0 calls in 0 sessions. Findings: root.signin.no_mfa 1. Not lowered: 1, which have alerts of their own."},
		{"a call that was low before", []guard.Claim{used(detect.RootSession, detect.Low, detect.Low, "s", "ListUsers")},
			"Root: 0 sign-ins, 1 call in 1 session. Calls: iam:ListUsers 1. Findings: root.session 1."},
		{"the most frequent first", []guard.Claim{
			used(detect.RootActivity, detect.Low, detect.High, "s", "A"), used(detect.RootActivity, detect.Low, detect.High, "u", "B"), resent,
			used(detect.RootActivity, detect.Low, detect.High, "s", "B"), used(detect.RootSession, detect.Medium, detect.Medium, "v", "C"),
		}, "Root: 0 sign-ins, 4 calls in 3 sessions. Calls: iam:B 2, iam:A 1, iam:C 1. Findings: root.activity 3, root.session 1. Not lowered: 1, which have alerts of their own."},
		{"twelve kinds", kinds(12), "Root: 0 sign-ins, 12 calls in 1 session. Calls: " + twelve + ". Findings: root.activity 12."},
		{"more kinds", kinds(14), "Root: 0 sign-ins, 14 calls in 1 session. Calls: " + twelve + " and 2 more kinds. Findings: root.activity 14."},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s := wiretest.NewWatched()
			d := &done{Announcements: s.Announcements, claims: tt.claims}
			s.Parts = wiretest.NewParts(wire.Deps{
				Claims: s.Claims, Facts: s.FactRows, Publisher: s.Receivers, Now: s.Clock.Now, Announcements: d, Summaries: s.Summaries, Incidents: s.Incidents,
			}, s.Settings)
			a := s.MustAnnounce(t, s.Clock.Now(), time.Hour)
			s.Clock.Advance(2 * time.Hour)
			d.err = errors.New("throttled")
			if _, err := s.Summarize(t.Context(), s.Clock.Now()); !errors.Is(err, d.err) || len(s.Receivers.Published()) != 1 {
				t.Errorf("of claims that cannot be read: %v, %v", err, s.IncidentLines())
			}
			d.err = nil
			s.Clock.Advance(5 * time.Minute)
			s.MustSummarize(t, 1)
			want := "Announcement " + a.Opened.ID + " from 2025-03-01T13:00:00Z until 2025-03-01T14:00:00Z, owner alice; opened by " + wiretest.Opener.ARN +
				"; reason: renewing the support plan. " + tt.want
			if diff := cmp.Diff(want, s.Last().Finding.Detail); diff != "" {
				t.Errorf("detail (-want +got):\n%s", diff)
			}
		})
	}
}

// TestClosedByTheSame holds that who closes twice at one moment closed it, that the one who
// comes second did not, and that none is ended later by it.
func TestClosedByTheSame(t *testing.T) {
	s := wiretest.NewWatched()
	from := s.Clock.Now()
	a := s.MustAnnounce(t, from.Add(-time.Minute), time.Hour) // the earliest
	for _, tt := range []struct {
		by      detect.Actor
		already bool
	}{{wiretest.Opener, false}, {wiretest.Opener, false}, {wiretest.Bob.Actor, true}} {
		closed, already, err := s.Close(t.Context(), a, tt.by, "done")
		if err != nil || already != tt.already || closed.EndedEarly.Actor.ARN != wiretest.Opener.ARN {
			t.Errorf("closed by %s: already %v, %+v, %v", tt.by.Name, already, closed.EndedEarly, err)
		}
	}
	s.Clock.Advance(5*time.Minute - time.Second)
	s.MustSummarize(t, 0)
	s.Clock.Advance(time.Second)
	s.MustSummarize(t, 1)
	s.WantIncidentLines(t, "first high Root use announced by alice", "first info Announced root use closed early", "first info Announced root use ended, root was not used")
	if f := s.Last().Finding; !f.EventTime.Equal(from) {
		t.Errorf("it ended at %v, want %v", f.EventTime, from)
	}
	if got, want := (&announcement.OverlapError{With: a}).Error(), "announcement "+a.Opened.ID+" of alice has part of that time"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}
