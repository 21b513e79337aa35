package quarantine_test

import (
	"testing"
	"time"

	"rootguard/internal/cloudtrail"
	"rootguard/internal/detect"
	"rootguard/internal/guard"
	"rootguard/internal/quarantine"
	"rootguard/internal/wire"
	"rootguard/internal/wiretest"
)

// TestWhyCalledOff holds what a user and the operators read about why a quarantine that
// was announced is called off, and whether the user has MFA.
func TestWhyCalledOff(t *testing.T) {
	for name, tt := range map[string]struct {
		change func(t *testing.T, l *locked)
		why    string
		mfa    cloudtrail.Answer
	}{
		"exempt": {func(_ *testing.T, l *locked) {
			l.set(func(s *wire.Settings) { s.Quarantine.Exempt = []string{"eve"} })
		}, "The settings exempt the user.", cloudtrail.Unknown},
		"gone":        {func(_ *testing.T, l *locked) { l.Apply("DeleteUser", "eve") }, "The user does not exist any more.", cloudtrail.Unknown},
		"another":     {func(_ *testing.T, l *locked) { l.IAM.IDs = map[string]string{"eve": "AIDAEVE2"} }, "Another user has its name.", cloudtrail.Unknown},
		"MFA":         {func(_ *testing.T, l *locked) { l.Apply("EnableMFADevice", "eve") }, "The user has MFA.", cloudtrail.Yes},
		"no password": {func(_ *testing.T, l *locked) { l.Apply("DeleteLoginProfile", "eve") }, "The user has no console password.", cloudtrail.Unknown},
		"a record alone": {func(t *testing.T, l *locked) {
			t.Helper()
			l.MustHandle(t, wiretest.IAMCall("EnableMFADevice", "eve", l.Clock.Now()), guard.Recorded)
		}, "Its records show MFA, a password removed or a new deadline.", cloudtrail.Unknown},
	} {
		t.Run(name, func(t *testing.T) {
			l := newLocked(t, quarantineOn)
			l.run(t, quarantine.Done{Announced: 1})
			l.Clock.Advance(24 * time.Hour)
			tt.change(t, l)
			l.run(t, quarantine.Done{Released: 1})
			all := l.Receivers.Published()
			f := all[len(all)-1].Finding
			if f.Title != "Quarantine of IAM user called off: eve" || f.Detail != tt.why || f.MFA != tt.mfa || f.Actor.Name != "rootguard" {
				t.Errorf("%s: %q, MFA %s, by %s, want %q, MFA %s", f.Title, f.Detail, f.MFA, f.Actor.Name, tt.why, tt.mfa)
			}
		})
	}
}

// TestForgottenAfter holds to the second how long after its time an announcement counts.
func TestForgottenAfter(t *testing.T) {
	for late, want := range map[time.Duration]quarantine.Done{
		7 * 24 * time.Hour:             {Attached: 1},
		7*24*time.Hour + 1*time.Second: {Announced: 1},
	} {
		l := newLocked(t, quarantineOn)
		l.run(t, quarantine.Done{Announced: 1})
		l.Clock.Advance(24*time.Hour + late)
		l.run(t, want)
	}
}

// TestChecksOfAQuarantinedUser holds when a user in quarantine, or out of it, is checked
// again.
func TestChecksOfAQuarantinedUser(t *testing.T) {
	l := newLocked(t, quarantineOn)
	l.run(t, quarantine.Done{Announced: 1})
	due := func(state quarantine.State, after time.Duration) {
		t.Helper()
		if q, want := l.row(t, "eve"), l.Clock.Now().Add(after); q.State != state || !q.Due.Equal(want) || q.UnansweredChecks != 0 || q.Failures != 0 {
			t.Errorf("%q due at %v, %d unanswered, %d failures, want %q at %v", q.State, q.Due, q.UnansweredChecks, q.Failures, state, want)
		}
	}
	due(quarantine.Announced, 24*time.Hour)
	l.Clock.Advance(24 * time.Hour)
	l.run(t, quarantine.Done{Attached: 1})
	due(quarantine.Active, time.Hour)
	l.Clock.Advance(time.Hour)
	l.run(t, quarantine.Done{})
	due(quarantine.Active, time.Hour)
	l.release(t, "eve", 72*time.Hour, nil)
	l.run(t, quarantine.Done{Released: 1})
	due(quarantine.Released, 10*time.Minute)
	l.Clock.Advance(10*time.Minute - time.Second)
	if err := l.policy.Attach(t.Context(), wiretest.Account, "eve"); err != nil { // by a run that was late
		t.Fatal(err)
	}
	l.Clock.Advance(time.Second)
	l.run(t, quarantine.Done{})
	l.wantAttached(t)
	due(quarantine.Released, 10*time.Minute)
	l.Clock.Advance(10 * time.Minute)
	l.run(t, quarantine.Done{})
	if q := l.row(t, "eve"); !q.Due.IsZero() {
		t.Errorf("still due: %+v", q)
	}
}

// TestLimitToTheSecond holds when a day's limit has room again, and what is said of it.
func TestLimitToTheSecond(t *testing.T) {
	for after, want := range map[time.Duration]quarantine.Done{24*time.Hour - time.Second: {}, 24 * time.Hour: {Attached: 1}} {
		l := newLockedOf(t, []string{"user1", "user2"}, quarantineOn, func(s *wire.Settings) { s.Quarantine.PerDay = 1 })
		l.run(t, quarantine.Done{Announced: 2})
		l.Clock.Advance(24 * time.Hour)
		l.run(t, quarantine.Done{Attached: 1})
		l.run(t, quarantine.Done{})
		waits := l.row(t, "user1")
		if waits.State == quarantine.Active {
			waits = l.row(t, "user2")
		}
		if waits.State != quarantine.Announced || !waits.Due.Equal(l.Clock.Now().Add(time.Hour)) {
			t.Errorf("who waits is %q, due at %v", waits.State, waits.Due)
		}
		says := "Users quarantined in 24 hours: 1, which is the limit. User " + waits.User + " waits, and all others. " +
			"If so many are to be quarantined, raise quarantineDaily; if not, set quarantine to dry-run and find out why they are"
		for _, a := range l.Receivers.Published() {
			if f := a.Finding; f.ID == detect.GuardUnhealthy && f.Detail != says {
				t.Errorf("%s: %q, want %q", f.Title, f.Detail, says)
			}
		}
		l.Clock.Advance(after)
		l.run(t, want)
		if n := l.titled("quarantine limit"); n != 1 {
			t.Errorf("%d alerts of the limit", n)
		}
	}
}
