package mfadeadline_test

import (
	"fmt"
	"testing"
	"time"

	"rootguard/internal/bootstrap"
	"rootguard/internal/fake"
	"rootguard/internal/guard"
	"rootguard/internal/testenv"
	"rootguard/internal/wiretest"
)

// TestReportedOnceWhateverComesLate has a sweep die before each of its calls, or another
// overtake it there, or one that dies itself, when an event arrives that makes the
// same time without MFA known by something else: the user's unique ID, or another
// deadline. It is reported once all the same, and that it is over once where it was.
func TestReportedOnceWhateverComesLate(t *testing.T) {
	t.Parallel()
	at := wiretest.NewSwept().Clock.Now()
	event := func(name string, after time.Duration) func(s *wiretest.Swept) {
		return func(s *wiretest.Swept) { s.MustHandle(t, wiretest.IAMCall(name, "eve", at.Add(after)), guard.Recorded) }
	}
	yes := true
	for name, arrives := range map[string][]func(s *wiretest.Swept){
		"the unique ID":       {event("CreateUser", -time.Hour)},
		"an earlier deadline": {event("CreateLoginProfile", -2*time.Hour)},
		"a later deadline":    {event("EnableMFADevice", time.Hour), event("DeactivateMFADevice", 2*time.Hour)},
		"the unique ID, by a live check": {func(s *wiretest.Swept) { // which writes no deadline
			live := bootstrap.LiveFact{UserName: "eve", UserID: "AIDAEVE", ConsoleLogin: &yes}
			if _, err := s.FactRows.Add(t.Context(), []bootstrap.Fact{bootstrap.LiveFactOf(wiretest.Account, at.Add(20*time.Hour), live)}); err != nil {
				t.Fatal(err)
			}
		}},
	} {
		for _, over := range []bool{true, false} {
			do := func(what string, ends func(t *testing.T, at int) bool) {
				t.Run(fmt.Sprintf("%s, over %v, %s", name, over, what), func(t *testing.T) {
					for at := 1; !ends(t, at); at++ {
						if at > 100 {
							t.Fatal("the sweep does not end")
						}
					}
				})
			}
			do("it dies", func(t *testing.T, at int) bool { t.Helper(); return !reportedOnce(t, arrives, over, at, 0, 0) })
			do("it is overtaken", func(t *testing.T, at int) bool { t.Helper(); return !reportedOnce(t, arrives, over, 0, at, 0) })
			do("it is overtaken by one that dies", func(t *testing.T, at int) bool {
				t.Helper()
				step := testenv.Size(1, 4)
				for dies := 1 + at%step; dies < 20; dies += step {
					if !reportedOnce(t, arrives, over, 0, at, dies) {
						return true
					}
				}
				return false
			})
		}
	}
}

// reportedOnce has a sweep die before one of its calls, or be overtaken there by another, which
// may die before one of its own: 0 is none. It reports whether the sweep makes that call.
func reportedOnce(t *testing.T, arrives []func(*wiretest.Swept), over bool, dies, overtaken, otherDies int) bool {
	t.Helper()
	s := wiretest.NewSwept()
	s.Apply("CreateUser", "eve")
	s.Call(t, "CreateLoginProfile")
	s.Clock.Advance(24*time.Hour + 10*time.Minute)
	interrupted := false
	where := fmt.Sprintf("dies before call %d, overtaken before %d, by one that dies before %d", dies, overtaken, otherDies)
	meanwhile := func() {
		interrupted = true
		for _, one := range arrives {
			one(s)
		}
		sweep := func() {
			if _, err := wiretest.NewSweptLike(s).Sweep(t.Context(), s.IAM, s.Clock.Now()); (err != nil) != s.Script.Restart() {
				t.Fatalf("%s: the other sweep: %v", where, err)
			}
		}
		if over {
			s.Call(t, "EnableMFADevice")
			sweep() // which is too early
			s.Clock.Advance(5 * time.Minute)
		}
		if otherDies > 0 {
			s.Script.Inject(otherDies, fake.CrashBefore)
		}
		sweep()
	}
	if dies > 0 {
		s.Script.Inject(dies, fake.CrashBefore)
	} else {
		s.Script.Pause(overtaken, meanwhile)
	}
	_, _ = s.Sweep(t.Context(), s.IAM, s.Clock.Now())
	if dies > 0 && s.Script.Restart() {
		s.Clock.Advance(10 * time.Minute) // what it had leased is free
		meanwhile()
	}
	if !interrupted {
		return false
	}
	for _, after := range []time.Duration{10 * time.Minute, 10 * time.Minute, 30 * time.Hour} {
		s.Clock.Advance(after)
		if _, err := s.Sweep(t.Context(), s.IAM, s.Clock.Now()); err != nil {
			t.Errorf("%s: %v", where, err)
		}
	}
	var missing, reminders, closed int
	seen := map[string]bool{} // a crash sends the same alert again
	subjects := map[string]bool{}
	for _, a := range s.Receivers.Published() {
		switch {
		case seen[a.ID]:
		case a.Finding.Title == "IAM user still without MFA: eve":
			missing++
		case a.Finding.Title == "IAM user no longer without MFA: eve":
			closed++
		case a.Finding.MFADue.Reminder > 0:
			reminders++ // takes the place of one that did not go out
		default:
			t.Errorf("%s: %q", where, a.Finding.Title)
		}
		seen[a.ID], subjects[a.Finding.SubjectID()] = true, true
	}
	if len(subjects) > 1 {
		t.Errorf("%s: they are about %v", where, subjects)
	}
	if over && closed != missing || !over && (closed > 0 || missing+reminders == 0) || missing > 1 {
		t.Errorf("%s: %d alerts that MFA is missing, %d reminders, %d that it is not", where, missing, reminders, closed)
	}
	return true
}
