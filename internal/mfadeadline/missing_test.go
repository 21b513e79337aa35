package mfadeadline_test

import (
	"rootguard/internal/wiretest"

	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"rootguard/internal/alert"
	"rootguard/internal/bootstrap"
	"rootguard/internal/detect"
	"rootguard/internal/fake"
	"rootguard/internal/guard"
	"rootguard/internal/wire"
)

func TestMissingMFA(t *testing.T) {
	hour := func(h float64) time.Time { return wiretest.T0.Add(time.Duration(h * float64(time.Hour))) }
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
			w := wiretest.NewWorld()
			w.MustHandle(t, wiretest.IAMCall("CreateUser", "eve", hour(-1)), guard.Recorded)
			for _, c := range tt.calls {
				w.MustHandle(t, wiretest.IAMCall(c.name, "eve", hour(c.at)), guard.Recorded)
			}
			for i, want := range []int{tt.want, 0} {
				n, err := w.MissingMFA(t.Context(), wiretest.Account, hour(tt.asOf))
				if err != nil || n != want {
					t.Errorf("time %d: %d alerts, %v, want %d", i+1, n, err, want)
				}
			}
			reported := w.Receivers.Published()
			if len(reported) != tt.want {
				t.Fatalf("%d alerts, want %d", len(reported), tt.want)
			}
			if tt.want == 0 {
				return
			}
			last := reported[len(reported)-1]
			f := last.Finding
			if f.ID != detect.UserMFAMissing || f.Account != wiretest.Account || f.Target.UserName != "eve" || f.Target.UserID != "AIDAEVE" || last.Kind != alert.First {
				t.Errorf("alert: %+v", last)
			}
			if !strings.Contains(f.Detail, tt.says) || tt.not != "" && strings.Contains(f.Detail, tt.not) {
				t.Errorf("detail: %q, want %q and not %q", f.Detail, tt.says, tt.not)
			}
		})
	}
}

func TestManyUsersMissMFA(t *testing.T) {
	w := wiretest.NewWorld()
	for i := range 13 {
		user := fmt.Sprintf("user%02d", i)
		w.MustHandle(t, wiretest.IAMCall("CreateUser", user, wiretest.T0), guard.Recorded)
		w.MustHandle(t, wiretest.IAMCall("CreateLoginProfile", user, wiretest.T0), guard.Recorded)
	}
	late := wiretest.T0.Add(25 * time.Hour)

	refused := errors.New("throttled")
	w.Receivers.Refuse = func(a alert.Alert) error {
		if a.Finding.Target.UserName == "user01" {
			return refused
		}
		return nil
	}
	n, err := w.MissingMFA(t.Context(), wiretest.Account, late)
	if n != 12 || !errors.Is(err, refused) {
		t.Errorf("%d alerts, %v", n, err)
	}
	w.Receivers.Refuse = nil
	if n, err := w.MissingMFA(t.Context(), wiretest.Account, late); n != 1 || err != nil {
		t.Errorf("again: %d alerts, %v", n, err)
	}
	if _, err := w.Flush(t.Context(), late.Add(time.Hour)); err != nil {
		t.Fatal(err)
	}
	if covered, extra := w.Covered(t); covered["user.mfa.missing "] != 13 || extra != 0 || len(w.Receivers.Published()) != 12 {
		t.Errorf("covered %v in %d alerts, %d extra", covered, len(w.Receivers.Published()), extra)
	}

	w.Script.Inject(1, fake.FailBefore)
	if _, err := w.MissingMFA(t.Context(), wiretest.Account, late); !errors.Is(err, fake.ErrFault) {
		t.Errorf("a failing journal: %v", err)
	}
}

// TestMissingMFAIsReportedOnce holds that facts which come late, or a new length of
// grace, do not report one gap again.
func TestMissingMFAIsReportedOnce(t *testing.T) {
	hour := func(h float64) time.Time { return wiretest.T0.Add(time.Duration(h * float64(time.Hour))) }
	missing := func(t *testing.T, g *wiretest.Parts, asOf float64, want int) {
		t.Helper()
		if n, err := g.MissingMFA(t.Context(), wiretest.Account, hour(asOf)); n != want || err != nil {
			t.Errorf("as of %v h: %d alerts, %v, want %d", asOf, n, err, want)
		}
	}
	live := func(t *testing.T, w *wiretest.World, at float64, devices ...string) {
		t.Helper()
		yes := true
		f := bootstrap.LiveFactOf(wiretest.Account, hour(at), bootstrap.LiveFact{UserID: "AIDAEVE", UserName: "eve", ConsoleLogin: &yes, MFADevices: devices})
		if _, err := w.FactRows.Add(t.Context(), []bootstrap.Fact{f}); err != nil {
			t.Fatal(err)
		}
	}
	t.Run("the unique ID becomes known", func(t *testing.T) {
		w := wiretest.NewWorld()
		w.MustHandle(t, wiretest.IAMCall("CreateLoginProfile", "eve", wiretest.T0), guard.Recorded)
		missing(t, w.Parts, 30, 1)
		live(t, w, 40)
		missing(t, w.Parts, 50, 0)
	})
	t.Run("the gap began earlier", func(t *testing.T) {
		w := wiretest.NewWorld()
		live(t, w, 10)
		missing(t, w.Parts, 40, 1)
		w.MustHandle(t, wiretest.IAMCall("CreateLoginProfile", "eve", wiretest.T0), guard.Recorded)
		missing(t, w.Parts, 50, 0)
	})
	t.Run("the grace was changed", func(t *testing.T) {
		w := wiretest.NewWorld()
		w.MustHandle(t, wiretest.IAMCall("CreateLoginProfile", "eve", wiretest.T0), guard.Recorded)
		missing(t, w.Parts, 30, 1)
		longer := wiretest.NewParts(wire.Deps{
			Detector: wiretest.DetectorFunc(nil), Claims: w.Claims, Facts: w.FactRows, Publisher: w.Receivers, Now: w.Clock.Now,
		}, wire.Settings{Bootstrap: bootstrap.Options{Grace: 36 * time.Hour}})
		missing(t, longer, 50, 0)
	})
	t.Run("another gap is reported", func(t *testing.T) {
		w := wiretest.NewWorld()
		w.MustHandle(t, wiretest.IAMCall("CreateLoginProfile", "eve", wiretest.T0), guard.Recorded)
		missing(t, w.Parts, 30, 1)
		live(t, w, 40, "device")
		live(t, w, 50)
		missing(t, w.Parts, 80, 1)
		missing(t, w.Parts, 90, 0)
	})
	t.Run("another user of the name is reported", func(t *testing.T) {
		w := wiretest.NewWorld()
		w.MustHandle(t, wiretest.IAMCall("CreateLoginProfile", "eve", wiretest.T0), guard.Recorded)
		missing(t, w.Parts, 30, 1)
		w.MustHandle(t, wiretest.IAMCall("DeleteUser", "eve", hour(31)), guard.Recorded)
		w.MustHandle(t, wiretest.IAMCall("CreateUser", "eve", hour(32)), guard.Recorded)
		w.MustHandle(t, wiretest.IAMCall("CreateLoginProfile", "eve", hour(32)), guard.Recorded)
		missing(t, w.Parts, 60, 1)
	})
	t.Run("it is not noted, and has another name or deadline then", func(t *testing.T) {
		for _, late := range []string{"CreateUser", "CreateLoginProfile"} {
			w := wiretest.NewWorld()
			w.MustHandle(t, wiretest.IAMCall("CreateLoginProfile", "eve", wiretest.T0), guard.Recorded)
			w.Script.Inject(6, fake.CrashBefore)
			if _, err := w.MissingMFA(t.Context(), wiretest.Account, hour(30)); !errors.Is(err, fake.ErrCrash) || !w.Script.Restart() {
				t.Errorf("%s: %v", late, err)
			}
			w.MustHandle(t, wiretest.IAMCall(late, "eve", hour(-2)), guard.Recorded)
			missing(t, w.Parts, 50, 0)
			if n := len(w.Receivers.Published()); n != 1 {
				t.Errorf("%s came late: %d alerts", late, n)
			}
		}
	})
	t.Run("what was to be reported cannot be noted", func(t *testing.T) {
		w := wiretest.NewWorld()
		w.MustHandle(t, wiretest.IAMCall("CreateLoginProfile", "eve", wiretest.T0), guard.Recorded)
		w.Script.Inject(2, fake.FailBefore)
		if n, err := w.MissingMFA(t.Context(), wiretest.Account, hour(30)); n != 0 || !errors.Is(err, fake.ErrFault) {
			t.Errorf("%d alerts, %v", n, err)
		}
		missing(t, w.Parts, 30, 1)
	})
	t.Run("the note of it fails", func(t *testing.T) {
		w := wiretest.NewWorld()
		w.MustHandle(t, wiretest.IAMCall("CreateLoginProfile", "eve", wiretest.T0), guard.Recorded)
		w.Script.Inject(6, fake.FailBefore) // after Facts, the note before, the claim, the publish and the claim's end
		if n, err := w.MissingMFA(t.Context(), wiretest.Account, hour(30)); n != 1 || !errors.Is(err, fake.ErrFault) {
			t.Errorf("%d alerts, %v", n, err)
		}
		missing(t, w.Parts, 30, 0)
		live(t, w, 40)
		missing(t, w.Parts, 50, 0)
	})
}
