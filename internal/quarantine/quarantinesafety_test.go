package quarantine_test

import (
	"rootguard/internal/testenv"
	"rootguard/internal/wiretest"

	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"rootguard/internal/fake"
	"rootguard/internal/guard"
	"rootguard/internal/quarantine"
	"rootguard/internal/wire"
)

// newLockedOf has users past the last reminder, and swept. Those whose names begin
// with "admin" are administrators.
func newLockedOf(t *testing.T, users []string, change ...func(*wire.Settings)) *locked {
	t.Helper()
	l := &locked{Swept: wiretest.NewSwept(change...)}
	l.rows, l.policy = &fake.Quarantines{Script: l.Script, Conflicts: true}, &fake.Policy{Script: l.Script}
	l.set()
	for _, name := range users {
		for _, call := range []string{"CreateUser", "CreateLoginProfile"} {
			l.Apply(call, name)
			l.MustHandle(t, wiretest.IAMCall(call, name, l.Clock.Now()), guard.Recorded)
		}
		if strings.HasPrefix(name, "admin") {
			rec := wiretest.IAMCall("AttachUserPolicy", name, l.Clock.Now())
			rec.RequestParameters = fmt.Appendf(nil, `{"userName":%q,"policyArn":"arn:aws:iam::aws:policy/AdministratorAccess"}`, name)
			l.MustHandle(t, rec, guard.Recorded)
		}
	}
	for _, after := range []time.Duration{24 * time.Hour, time.Hour, 23 * time.Hour, 48 * time.Hour} {
		l.Clock.Advance(after)
		if _, err := l.Sweep(t.Context(), l.IAM, l.Clock.Now()); err != nil {
			t.Fatal(err)
		}
	}
	return l
}

// titled counts the alerts whose titles contain a text.
func (l *locked) titled(text string) (n int) {
	for _, title := range l.Titles() {
		if strings.Contains(title, text) {
			n++
		}
	}
	return n
}

// TestAttachedAndForgotten holds that wherever the function dies while it attaches
// the policy, and whatever the setting becomes before its next run, MFA takes the
// policy off, and so does Release.
func TestAttachedAndForgotten(t *testing.T) {
	t.Parallel()
	for turn, fault := range []fake.Fault{fake.FailBefore, fake.FailAfter, fake.CrashBefore, fake.CrashAfter} {
		for _, mode := range testenv.Turn(turn/2, quarantineOn, quarantineDryRun) {
			tried := 0
			for n := 1; ; n++ {
				for _, release := range testenv.Turn(n+turn, false, true) {
					l := newLocked(t, quarantineOn)
					l.run(t, quarantine.Done{Announced: 1})
					l.Clock.Advance(24*time.Hour + time.Minute)
					before := len(l.Script.Calls())
					l.Script.Inject(n, fault)
					_, _ = l.Quarantine(t.Context(), l.IAM, l.policy, l.policy, l.Clock.Now())
					l.Script.Restart()
					if len(l.Script.Calls())-before < n {
						if tried < testenv.Size(2, 1) {
							t.Errorf("%v: %d faults with the policy attached and its row not complete", fault, tried)
						}
						tried = -1
						break
					}
					state := l.row(t, "eve").State
					if len(l.policy.Users()) > 0 && state != quarantine.Active {
						tried++
						if state != quarantine.Attaching {
							t.Errorf("%v of call %d: the policy is attached, and the row says %q", fault, n, state)
						}
					}
					l.set(mode)
					l.Clock.Advance(5 * time.Minute)
					if release {
						if _, err := quarantine.Release(t.Context(), l.rows, wiretest.Account, "eve", "ops", "why", l.Clock.Now(), l.Clock.Now().Add(200*time.Hour)); err != nil {
							t.Errorf("%v of call %d: release: %v", fault, n, err)
						}
						l.pass(t, time.Hour)
					} else {
						l.pass(t, time.Hour)
						l.Call(t, "EnableMFADevice")
						l.pass(t, 72*time.Hour)
					}
					if len(l.policy.Users()) > 0 {
						t.Errorf("%v of call %d, released by hand %v: the policy is still attached; the row: %+v", fault, n, release, l.row(t, "eve"))
					}
				}
				if tried < 0 {
					break
				}
			}
		}
	}
}

// TestLastAdministrator holds that the last administrator who can sign in is never
// quarantined, that the alert says so, and that it is when there is another.
func TestLastAdministrator(t *testing.T) {
	t.Run("alone", func(t *testing.T) {
		l := newLockedOf(t, []string{"admin", "eve"}, quarantineOn)
		l.run(t, quarantine.Done{Announced: 1, Spared: 1})
		l.pass(t, 60*time.Hour)
		l.wantAttached(t, "eve")
		if l.titled("high IAM user is not quarantined: admin") != 1 || l.titled("will be quarantined") != 1 {
			t.Errorf("alerts %v", l.Titles())
		}
		i := slices.IndexFunc(l.Titles(), func(s string) bool { return strings.Contains(s, "is not quarantined") })
		if f := l.Receivers.Published()[i].Finding; !strings.HasPrefix(f.Detail, "It is the last administrator on record in this account who can sign in; nothing was changed; ") {
			t.Errorf("alert: %+v", f)
		}
		// Another one: it is announced, and done.
		for _, call := range []string{"CreateUser", "CreateLoginProfile", "EnableMFADevice"} {
			l.Apply(call, "admin2")
			l.MustHandle(t, wiretest.IAMCall(call, "admin2", l.Clock.Now()), guard.Recorded)
		}
		rec := wiretest.IAMCall("AttachUserPolicy", "admin2", l.Clock.Now())
		rec.RequestParameters = []byte(`{"userName":"admin2","policyArn":"arn:aws:iam::aws:policy/AdministratorAccess"}`)
		l.MustHandle(t, rec, guard.Recorded)
		l.pass(t, 50*time.Hour)
		l.wantAttached(t, "admin", "eve")
		if l.titled("will be quarantined") != 2 {
			t.Errorf("alerts %v", l.Titles())
		}
	})
	t.Run("two at once", func(t *testing.T) {
		for range 20 {
			l := newLockedOf(t, []string{"admin1", "admin2"}, quarantineOn)
			l.run(t, quarantine.Done{Announced: 2})
			l.Clock.Advance(24 * time.Hour)
			var wg sync.WaitGroup
			for range 3 {
				wg.Go(func() { _, _ = l.Quarantine(t.Context(), l.IAM, l.policy, l.policy, l.Clock.Now()) })
			}
			wg.Wait()
			l.pass(t, 3*time.Hour)
			if got := l.policy.Users(); len(got) > 1 {
				t.Fatalf("quarantined: %v", got)
			}
		}
	})
	t.Run("known by IAM alone", func(t *testing.T) {
		l := newLocked(t, quarantineOn)
		l.policy.Admins = map[string]bool{wiretest.Account + "/eve": true}
		l.run(t, quarantine.Done{Spared: 1})
		l.pass(t, 60*time.Hour)
		l.wantAttached(t)
	})
	t.Run("the other is gone before it is done", func(t *testing.T) {
		l := newLockedOf(t, []string{"admin1", "admin2"}, quarantineOn)
		l.Apply("EnableMFADevice", "admin2")
		l.MustHandle(t, wiretest.IAMCall("EnableMFADevice", "admin2", l.Clock.Now()), guard.Recorded)
		l.run(t, quarantine.Done{Announced: 1})
		l.Clock.Advance(24 * time.Hour)
		l.Apply("DeleteUser", "admin2")
		l.MustHandle(t, wiretest.IAMCall("DeleteUser", "admin2", l.Clock.Now()), guard.Recorded)
		l.run(t, quarantine.Done{Spared: 1})
		l.wantAttached(t)
		if q := l.row(t, "admin1"); q.State != quarantine.Spared {
			t.Errorf("the row: %+v", q)
		}
	})
}

// TestBarredFromMFA holds that a user who is kept from enabling MFA is not
// locked in, in a dry run and else, and that the alert says what it is.
func TestBarredFromMFA(t *testing.T) {
	const why = "The permissions boundary of the user does not allow iam:EnableMFADevice"
	for name, mode := range map[string]func(*wire.Settings){"on": quarantineOn, "dry run": quarantineDryRun} {
		t.Run(name, func(t *testing.T) {
			l := newLocked(t, mode)
			l.policy.Bars = map[string]string{wiretest.Account + "/eve": why}
			l.run(t, quarantine.Done{Spared: 1})
			l.pass(t, 80*time.Hour)
			l.since(t, "high IAM user is not quarantined: eve")
			if f := l.Receivers.Published()[len(pastLast)].Finding; !strings.HasPrefix(f.Detail, why+"; nothing was changed") {
				t.Errorf("alert: %+v", f)
			}
			l.wantAttached(t)
			l.policy.Bars = nil
			l.pass(t, 25*time.Hour)
			if n := l.titled("will be quarantined") + l.titled("would be quarantined"); n != 1 {
				t.Errorf("alerts %v", l.Titles())
			}
		})
	}
	t.Run("since the announcement", func(t *testing.T) {
		l := newLocked(t, quarantineOn)
		announced := l.announcedTitle()
		l.run(t, quarantine.Done{Announced: 1})
		l.policy.Bars = map[string]string{wiretest.Account + "/eve": why}
		l.pass(t, 30*time.Hour)
		l.wantAttached(t)
		l.since(t, announced, "high IAM user is not quarantined: eve")
		// For another reason it is alerted again.
		l.policy.Bars = map[string]string{wiretest.Account + "/eve": "A service control policy denies it"}
		l.pass(t, 50*time.Hour)
		l.since(t, announced, "high IAM user is not quarantined: eve", "high IAM user is not quarantined: eve")
		// It enables MFA all the same: there is nothing to release.
		l.Call(t, "EnableMFADevice")
		l.pass(t, 50*time.Hour)
		if n := l.titled("released"); n != 0 || l.row(t, "eve").State != "" {
			t.Errorf("alerts %v, row %+v", l.Titles(), l.row(t, "eve"))
		}
	})
	t.Run("released", func(t *testing.T) {
		l := newLocked(t, quarantineOn)
		l.policy.Bars = map[string]string{wiretest.Account + "/eve": why}
		l.run(t, quarantine.Done{Spared: 1})
		l.release(t, "eve", 72*time.Hour, nil)
		l.run(t, quarantine.Done{Released: 1})
	})
	t.Run("IAM does not say", func(t *testing.T) {
		l := newLocked(t, quarantineOn)
		l.policy.Refuse = func(call, _ string) error {
			if call == "Barred" {
				return wiretest.ErrThrottled
			}
			return nil
		}
		l.pass(t, 60*time.Hour)
		l.wantAttached(t)
		if l.titled("Guardrail unhealthy: quarantine of eve") == 0 {
			t.Errorf("alerts %v", l.Titles())
		}
	})
}

// TestSpareFaults makes each call of a run that spares a user fail or crash.
func TestSpareFaults(t *testing.T) {
	for _, fault := range []fake.Fault{fake.FailBefore, fake.FailAfter, fake.CrashBefore, fake.CrashAfter} {
		for n := 1; ; n++ {
			l := newLocked(t, quarantineOn)
			l.run(t, quarantine.Done{Announced: 1})
			l.policy.Bars = map[string]string{wiretest.Account + "/eve": "It is barred"}
			l.Clock.Advance(24*time.Hour + time.Minute)
			before := len(l.Script.Calls())
			l.Script.Inject(n, fault)
			_, _ = l.Quarantine(t.Context(), l.IAM, l.policy, l.policy, l.Clock.Now())
			if len(l.Script.Calls())-before < n {
				if n < 9 {
					t.Errorf("only %d calls", n-1)
				}
				break
			}
			l.Script.Restart()
			l.pass(t, 5*time.Hour)
			l.wantAttached(t)
			ids := map[string]bool{}
			for _, a := range l.Receivers.Published()[len(pastLast)+1:] {
				ids[a.ID] = true
			}
			// Where the policy may be attached, it is called off by taking it off.
			if off := l.titled("called off"); len(ids)-off > 1 || len(ids) == 0 || off > 1 || l.titled("IAM user is not quarantined")+off == 0 {
				t.Errorf("%v of call %d: alerts %v", fault, n, l.Titles())
			}
		}
	}
}

// TestQuarantineLimit holds that no run and no day quarantines more users than may
// be, that the rest follow, and that a day's limit is reported once.
func TestQuarantineLimit(t *testing.T) {
	var users []string
	for i := range 12 {
		users = append(users, fmt.Sprintf("user%02d", i))
	}
	l := newLockedOf(t, users, quarantineOn, func(s *wire.Settings) { s.Quarantine.PerRun, s.Quarantine.PerDay = 3, 5 })
	l.run(t, quarantine.Done{Announced: 12})
	l.Clock.Advance(24 * time.Hour)
	l.run(t, quarantine.Done{Attached: 3, More: true})
	l.Clock.Advance(5 * time.Minute)
	l.run(t, quarantine.Done{Attached: 2})
	if n := len(l.policy.Users()); n != 5 {
		t.Errorf("%d users are quarantined", n)
	}
	l.pass(t, 23*time.Hour)
	if n := len(l.policy.Users()); n != 5 {
		t.Errorf("%d users are quarantined within a day", n)
	}
	if n := l.titled("Guardrail unhealthy: quarantine limit"); n != 1 {
		t.Errorf("%d alerts of the limit: %v", n, l.Titles())
	}
	l.pass(t, 24*time.Hour)
	if n := len(l.policy.Users()); n != 10 {
		t.Errorf("%d users are quarantined on the second day", n)
	}
	l.pass(t, 24*time.Hour)
	if n := len(l.policy.Users()); n != 12 {
		t.Errorf("%d users are quarantined on the third day", n)
	}
}

// TestQuarantineLimitFaults holds that a user whose quarantine fails and is tried
// again is counted once.
func TestQuarantineLimitFaults(t *testing.T) {
	for _, fault := range []fake.Fault{fake.FailBefore, fake.FailAfter, fake.CrashBefore, fake.CrashAfter} {
		for n := 1; n <= 12; n++ {
			l := newLockedOf(t, []string{"user1", "user2"}, quarantineOn, func(s *wire.Settings) { s.Quarantine.PerDay = 2 })
			l.run(t, quarantine.Done{Announced: 2})
			l.Clock.Advance(24 * time.Hour)
			l.Script.Inject(n, fault)
			_, _ = l.Quarantine(t.Context(), l.IAM, l.policy, l.policy, l.Clock.Now())
			l.Script.Restart()
			l.pass(t, 3*time.Hour)
			l.wantAttached(t, "user1", "user2")
			if n := l.titled("quarantine limit"); n != 0 {
				t.Errorf("%v of call %d: the limit was reached: %v", fault, n, l.Titles())
			}
		}
	}
}

// TestExemptByID holds that a user is exempt by its unique ID whatever its name,
// and who has its name then is not.
func TestExemptByID(t *testing.T) {
	for _, tt := range []struct {
		exempt   string
		attached bool
	}{{"AIDAEVE", false}, {"aidaeve", true}, {"AIDAEVE2", true}} {
		t.Run(tt.exempt, func(t *testing.T) {
			exempt := func(s *wire.Settings) { s.Quarantine.Exempt = []string{tt.exempt} }
			check := func(l *locked, what string) {
				t.Helper()
				l.pass(t, 60*time.Hour)
				if got := len(l.policy.Users()) == 1; got != tt.attached {
					t.Errorf("%s: quarantined is %v", what, got)
				}
			}
			check(newLocked(t, quarantineOn, exempt), "exempt from the beginning")

			l := newLocked(t, quarantineOn)
			l.run(t, quarantine.Done{Announced: 1})
			l.pass(t, 25*time.Hour)
			l.set(exempt)
			check(l, "exempt when quarantined")

			// No record shows the ID; IAM does.
			l = newLocked(t, quarantineOn)
			err := l.rows.Update(t.Context(), wiretest.Account+"/eve", func(q quarantine.Quarantine) quarantine.Quarantine {
				q.UserID = ""
				return q
			})
			if err != nil {
				t.Fatal(err)
			}
			l.IAM.IDs = map[string]string{"eve": "AIDAEVE"}
			l.set(exempt)
			l.run(t, map[bool]quarantine.Done{true: {Announced: 1}}[tt.attached])
		})
	}
}
