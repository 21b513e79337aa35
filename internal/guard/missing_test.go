package guard_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"rootguard/internal/alert"
	"rootguard/internal/bootstrap"
	"rootguard/internal/cloudtrail"
	"rootguard/internal/detect"
	"rootguard/internal/fake"
	"rootguard/internal/guard"
	"rootguard/internal/wire"
)

// iamCall is a record of an administrator's call about a user.
func iamCall(name, user string, at time.Time) *cloudtrail.Record {
	return &cloudtrail.Record{
		EventID: name + " " + user + " " + at.Format(time.RFC3339), EventTime: at, EventType: "AwsApiCall",
		EventSource: "iam.amazonaws.com", EventName: name, RecipientAccountID: account,
		UserIdentity:      cloudtrail.UserIdentity{Type: "IAMUser", UserName: "boss", PrincipalID: "AIDABOSS"},
		RequestParameters: fmt.Appendf(nil, `{"userName":%q,"serialNumber":"arn:aws:iam::%s:mfa/%s"}`, user, account, user),
		ResponseElements:  fmt.Appendf(nil, `{"user":{"userName":%q,"userId":"AIDA%s"}}`, user, strings.ToUpper(user)),
	}
}

func TestMissingMFA(t *testing.T) {
	hour := func(h float64) time.Time { return t0.Add(time.Duration(h * float64(time.Hour))) }
	type call struct {
		name string
		at   float64
	}
	for name, tt := range map[string]struct {
		calls []call
		asOf  float64
		want  int
		says  string // in the last alert's detail
		not   string
	}{
		"at the deadline":          {[]call{{"CreateLoginProfile", 0}}, 24, 0, "", ""},
		"after the deadline":       {[]call{{"CreateLoginProfile", 0}}, 24.1, 1, "MFA was due by 2025-03-02T12:00:00Z", "ended"},
		"no password":              {nil, 100, 0, "", ""},
		"MFA in time":              {[]call{{"CreateLoginProfile", 0}, {"EnableMFADevice", 23}}, 100, 0, "", ""},
		"MFA too late":             {[]call{{"CreateLoginProfile", 0}, {"EnableMFADevice", 30}}, 100, 1, "MFA came late, at 2025-03-02T18:00:00Z.", ""},
		"MFA removed again":        {[]call{{"CreateLoginProfile", 0}, {"EnableMFADevice", 1}, {"DeactivateMFADevice", 2}}, 100, 1, "No MFA since 2025-03-01T14:00:00Z (DeactivateMFADevice (authenticator app)), MFA was due by 2025-03-02T14:00:00Z; console password by CreateLoginProfile, on record since 2025-03-01T12:00:00Z.", "ended"},
		"missing twice":            {[]call{{"CreateLoginProfile", 0}, {"EnableMFADevice", 30}, {"DeactivateMFADevice", 31}}, 100, 2, "MFA was due by 2025-03-03T19:00:00Z", "ended"},
		"password removed in time": {[]call{{"CreateLoginProfile", 0}, {"DeleteLoginProfile", 2}}, 100, 0, "", ""},
		"user deleted too late":    {[]call{{"CreateLoginProfile", 0}, {"DeleteUser", 40}}, 100, 1, "It ended at 2025-03-03T04:00:00Z.", ""},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld()
			w.handle(t, iamCall("CreateUser", "eve", hour(-1)), guard.Recorded)
			for _, c := range tt.calls {
				w.handle(t, iamCall(c.name, "eve", hour(c.at)), guard.Recorded)
			}
			for i, want := range []int{tt.want, 0} {
				n, err := w.MissingMFA(t.Context(), account, hour(tt.asOf))
				if err != nil || n != want {
					t.Errorf("time %d: %d alerts, %v, want %d", i+1, n, err, want)
				}
			}
			told := w.pub.Published()
			if len(told) != tt.want {
				t.Fatalf("%d alerts, want %d", len(told), tt.want)
			}
			if tt.want == 0 {
				return
			}
			last := told[len(told)-1]
			f := last.Finding
			if f.ID != detect.UserMFAMissing || f.Account != account || f.Target.UserName != "eve" || f.Target.UserID != "AIDAEVE" || last.Kind != alert.First {
				t.Errorf("alert: %+v", last)
			}
			if !strings.Contains(f.Detail, tt.says) || tt.not != "" && strings.Contains(f.Detail, tt.not) {
				t.Errorf("detail: %q, want %q and not %q", f.Detail, tt.says, tt.not)
			}
		})
	}
}

func TestManyUsersMissMFA(t *testing.T) {
	w := newWorld()
	for i := range 13 {
		user := fmt.Sprintf("user%02d", i)
		w.handle(t, iamCall("CreateUser", user, t0), guard.Recorded)
		w.handle(t, iamCall("CreateLoginProfile", user, t0), guard.Recorded)
	}
	late := t0.Add(25 * time.Hour)

	refused := errors.New("throttled")
	w.pub.Refuse = func(a alert.Alert) error {
		if a.Finding.Target.UserName == "user01" {
			return refused
		}
		return nil
	}
	n, err := w.MissingMFA(t.Context(), account, late)
	if n != 12 || !errors.Is(err, refused) {
		t.Errorf("%d alerts, %v", n, err)
	}
	w.pub.Refuse = nil
	if n, err := w.MissingMFA(t.Context(), account, late); n != 1 || err != nil {
		t.Errorf("again: %d alerts, %v", n, err)
	}
	if _, err := w.Flush(t.Context(), late.Add(time.Hour)); err != nil {
		t.Fatal(err)
	}
	if covered, extra := w.covered(t); covered["user.mfa.missing "] != 13 || extra != 0 || len(w.pub.Published()) != 12 {
		t.Errorf("covered %v in %d alerts, %d extra", covered, len(w.pub.Published()), extra)
	}

	w.script.Inject(1, fake.FailBefore)
	if _, err := w.MissingMFA(t.Context(), account, late); !errors.Is(err, fake.ErrFault) {
		t.Errorf("a failing journal: %v", err)
	}
}

// TestMissingMFAIsToldOnce holds that facts which come late, or a new length of
// grace, do not report one gap again.
func TestMissingMFAIsToldOnce(t *testing.T) {
	hour := func(h float64) time.Time { return t0.Add(time.Duration(h * float64(time.Hour))) }
	missing := func(t *testing.T, g *parts, asOf float64, want int) {
		t.Helper()
		if n, err := g.MissingMFA(t.Context(), account, hour(asOf)); n != want || err != nil {
			t.Errorf("as of %v h: %d alerts, %v, want %d", asOf, n, err, want)
		}
	}
	live := func(t *testing.T, w *world, at float64, devices ...string) {
		t.Helper()
		yes := true
		f := bootstrap.LiveFactOf(account, hour(at), bootstrap.LiveFact{UserID: "AIDAEVE", UserName: "eve", ConsoleLogin: &yes, MFADevices: devices})
		if _, err := w.journal.Add(t.Context(), []bootstrap.Fact{f}); err != nil {
			t.Fatal(err)
		}
	}
	t.Run("the unique ID becomes known", func(t *testing.T) {
		w := newWorld()
		w.handle(t, iamCall("CreateLoginProfile", "eve", t0), guard.Recorded)
		missing(t, w.parts, 30, 1)
		live(t, w, 40)
		missing(t, w.parts, 50, 0)
	})
	t.Run("the gap began earlier", func(t *testing.T) {
		w := newWorld()
		live(t, w, 10)
		missing(t, w.parts, 40, 1)
		w.handle(t, iamCall("CreateLoginProfile", "eve", t0), guard.Recorded)
		missing(t, w.parts, 50, 0)
	})
	t.Run("the grace was changed", func(t *testing.T) {
		w := newWorld()
		w.handle(t, iamCall("CreateLoginProfile", "eve", t0), guard.Recorded)
		missing(t, w.parts, 30, 1)
		longer := newParts(wire.Deps{
			Detector: detectorFunc(nil), Ledger: w.ledger, Facts: w.journal, Publisher: w.pub, Now: w.clock.Now,
		}, wire.Settings{Bootstrap: bootstrap.Options{Grace: 36 * time.Hour}})
		missing(t, longer, 50, 0)
	})
	t.Run("another gap is told", func(t *testing.T) {
		w := newWorld()
		w.handle(t, iamCall("CreateLoginProfile", "eve", t0), guard.Recorded)
		missing(t, w.parts, 30, 1)
		live(t, w, 40, "device")
		live(t, w, 50)
		missing(t, w.parts, 80, 1)
		missing(t, w.parts, 90, 0)
	})
	t.Run("another user of the name is told of", func(t *testing.T) {
		w := newWorld()
		w.handle(t, iamCall("CreateLoginProfile", "eve", t0), guard.Recorded)
		missing(t, w.parts, 30, 1)
		w.handle(t, iamCall("DeleteUser", "eve", hour(31)), guard.Recorded)
		w.handle(t, iamCall("CreateUser", "eve", hour(32)), guard.Recorded)
		w.handle(t, iamCall("CreateLoginProfile", "eve", hour(32)), guard.Recorded)
		missing(t, w.parts, 60, 1)
	})
	t.Run("the note of it fails", func(t *testing.T) {
		w := newWorld()
		w.handle(t, iamCall("CreateLoginProfile", "eve", t0), guard.Recorded)
		w.script.Inject(5, fake.FailBefore) // after Facts, the claim, the publish and the claim's end
		if n, err := w.MissingMFA(t.Context(), account, hour(30)); n != 1 || !errors.Is(err, fake.ErrFault) {
			t.Errorf("%d alerts, %v", n, err)
		}
		missing(t, w.parts, 30, 0)
		live(t, w, 40)
		missing(t, w.parts, 50, 0)
	})
}
