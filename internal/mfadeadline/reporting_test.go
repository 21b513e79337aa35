package mfadeadline_test

import (
	"fmt"
	"testing"
	"time"

	"rootguard/internal/cloudtrail"
	"rootguard/internal/fake"
	"rootguard/internal/guard"
	"rootguard/internal/wiretest"
)

// TestReportedOnceWhateverComesLate has a sweep die before each of its calls, or another
// overtake it there, when an event arrives that makes the same time without MFA
// known by something else: the user's unique ID, or another deadline. It is reported
// once all the same, and that it is over once where it was.
func TestReportedOnceWhateverComesLate(t *testing.T) {
	at := wiretest.NewSwept().Clock.Now()
	late := func(name string, at time.Time) *cloudtrail.Record { return wiretest.IAMCall(name, "eve", at) }
	for name, arrives := range map[string][]*cloudtrail.Record{
		"the unique ID":       {late("CreateUser", at.Add(-time.Hour))},
		"an earlier deadline": {late("CreateLoginProfile", at.Add(-2*time.Hour))},
		"a later deadline":    {late("EnableMFADevice", at.Add(time.Hour)), late("DeactivateMFADevice", at.Add(2*time.Hour))},
	} {
		for _, crash := range []bool{true, false} {
			for _, over := range []bool{true, false} {
				t.Run(fmt.Sprintf("%s, dies %v, over %v", name, crash, over), func(t *testing.T) {
					for n := 1; reportedOnce(t, n, arrives, crash, over); n++ {
						if n > 100 {
							t.Fatal("the sweep does not end")
						}
					}
				})
			}
		}
	}
}

// reportedOnce interrupts a sweep before its n-th call, and reports whether it makes so many.
func reportedOnce(t *testing.T, n int, arrives []*cloudtrail.Record, crash, over bool) bool {
	t.Helper()
	s := wiretest.NewSwept()
	s.Apply("CreateUser", "eve")
	s.Call(t, "CreateLoginProfile")
	s.Clock.Advance(24*time.Hour + 10*time.Minute)
	interrupted := false
	meanwhile := func() {
		interrupted = true
		for _, rec := range arrives {
			s.MustHandle(t, rec, guard.Recorded)
		}
		sweep := func() {
			if _, err := wiretest.NewSweptLike(s).Sweep(t.Context(), s.IAM, s.Clock.Now()); err != nil {
				t.Fatalf("before call %d: the other sweep: %v", n, err)
			}
		}
		if over {
			s.Call(t, "EnableMFADevice")
			sweep() // which is too early
			s.Clock.Advance(5 * time.Minute)
		}
		sweep()
	}
	if crash {
		s.Script.Inject(n, fake.CrashBefore)
	} else {
		s.Script.Pause(n, meanwhile)
	}
	_, _ = s.Sweep(t.Context(), s.IAM, s.Clock.Now())
	if crash && s.Script.Restart() {
		s.Clock.Advance(10 * time.Minute) // what it had leased is free
		meanwhile()
	}
	if !interrupted {
		return false
	}
	for _, after := range []time.Duration{10 * time.Minute, 10 * time.Minute, 30 * time.Hour} {
		s.Clock.Advance(after)
		if _, err := s.Sweep(t.Context(), s.IAM, s.Clock.Now()); err != nil {
			t.Errorf("before call %d: %v", n, err)
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
			t.Errorf("before call %d: %q", n, a.Finding.Title)
		}
		seen[a.ID], subjects[a.Finding.SubjectID()] = true, true
	}
	if len(subjects) > 1 {
		t.Errorf("before call %d: they are about %v", n, subjects)
	}
	if over && closed != missing || !over && (closed > 0 || missing+reminders == 0) || missing > 1 {
		t.Errorf("before call %d: %d alerts that MFA is missing, %d reminders, %d that it is not", n, missing, reminders, closed)
	}
	return true
}
