package mfadeadline_test

import (
	"rootguard/internal/wiretest"

	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"rootguard/internal/alert"
	"rootguard/internal/bootstrap"
	"rootguard/internal/cloudtrail"
	"rootguard/internal/detect"
	"rootguard/internal/failure"
	"rootguard/internal/fake"
	"rootguard/internal/guard"
	"rootguard/internal/mfadeadline"
	"rootguard/internal/wire"

	"rootguard/internal/testenv"
)

func TestSweepRemindsAndCloses(t *testing.T) {
	s := wiretest.NewSwept()
	s.Call(t, "CreateUser")
	s.Call(t, "CreateLoginProfile")
	s.Clock.Advance(24*time.Hour - time.Second)
	s.MustSweep(t, mfadeadline.Swept{})
	s.WantTitles(t)

	s.Clock.Advance(time.Second)
	s.MustSweep(t, mfadeadline.Swept{Checked: 1, Alerted: 1})
	s.MustSweep(t, mfadeadline.Swept{})
	s.Clock.Advance(time.Hour)
	s.MustSweep(t, mfadeadline.Swept{Checked: 1, Reminded: 1})
	s.Clock.Advance(22 * time.Hour)
	s.MustSweep(t, mfadeadline.Swept{})
	s.Clock.Advance(time.Hour)
	s.MustSweep(t, mfadeadline.Swept{Checked: 1, Reminded: 1})
	s.Clock.Advance(48 * time.Hour)
	s.MustSweep(t, mfadeadline.Swept{Checked: 1, Reminded: 1})
	s.Clock.Advance(24 * time.Hour)
	s.MustSweep(t, mfadeadline.Swept{Checked: 1})
	reported := []string{wiretest.MissingTitle, wiretest.ReminderTitle("high", 1), wiretest.ReminderTitle("high", 2), wiretest.ReminderTitle("critical", 3)}
	s.WantTitles(t, reported...)

	s.Call(t, "EnableMFADevice")
	s.Clock.Advance(time.Minute)
	s.MustSweep(t, mfadeadline.Swept{}) // IAM may not show the device yet
	s.Clock.Advance(4 * time.Minute)
	s.MustSweep(t, mfadeadline.Swept{Checked: 1, Resolved: 1})
	s.WantTitles(t, append(reported, wiretest.ClosedTitle)...)
	s.Clock.Advance(1000 * time.Hour)
	s.MustSweep(t, mfadeadline.Swept{})
	last := s.Receivers.Published()[4]
	if text := alert.Text(last); !strings.Contains(text, "no longer missing") || !strings.Contains(last.Finding.Detail, "Closed: the user has MFA;") {
		t.Errorf("the note: %s", text)
	}
}

// TestSweepCloses holds that no one is reported who needs no MFA, and that
// anyone who was reported is closed, whether a record shows it or IAM alone.
func TestSweepCloses(t *testing.T) {
	for name, tt := range map[string]struct {
		call string
		says string
	}{
		"MFA":         {"EnableMFADevice", "Closed: the user has MFA;"},
		"no password": {"DeleteLoginProfile", "Closed: the user has no console password;"},
		"deleted":     {"DeleteUser", "Closed: the user was deleted;"},
	} {
		for _, recorded := range []bool{true, false} {
			t.Run(fmt.Sprintf("%s, recorded %v", name, recorded), func(t *testing.T) {
				change := func(s *wiretest.Swept) {
					if recorded {
						s.Call(t, tt.call)
					} else {
						s.Apply(tt.call, "eve")
					}
				}
				s := wiretest.NewSwept()
				s.Call(t, "CreateUser")
				s.Call(t, "CreateLoginProfile")
				s.Clock.Advance(23 * time.Hour)
				change(s)
				s.Clock.Advance(5 * time.Hour)
				s.MustSweep(t, mfadeadline.Swept{Checked: 1})
				s.WantTitles(t)

				s = wiretest.NewSwept()
				s.Call(t, "CreateUser")
				s.Call(t, "CreateLoginProfile")
				s.Clock.Advance(24 * time.Hour)
				s.MustSweep(t, mfadeadline.Swept{Checked: 1, Alerted: 1})
				s.Clock.Advance(30 * time.Minute)
				change(s)
				s.Clock.Advance(time.Hour)
				s.MustSweep(t, mfadeadline.Swept{Checked: 1, Resolved: 1})
				s.Clock.Advance(300 * time.Hour)
				s.MustSweep(t, mfadeadline.Swept{})
				s.WantTitles(t, wiretest.MissingTitle, wiretest.ClosedTitle)
				if f := s.Receivers.Published()[1].Finding; !strings.Contains(f.Detail, tt.says) {
					t.Errorf("detail: %q, want %q", f.Detail, tt.says)
				}
			})
		}
	}
}

// TestSweepFollows are users whose deadline is not that of a new password.
func TestSweepFollows(t *testing.T) {
	t.Run("a rename", func(t *testing.T) {
		s := wiretest.NewSwept()
		s.Call(t, "CreateUser")
		s.Call(t, "CreateLoginProfile")
		s.Clock.Advance(time.Hour)
		rec := wiretest.IAMCall("UpdateUser", "eve", s.Clock.Now())
		rec.RequestParameters = []byte(`{"userName":"eve","newUserName":"eva"}`)
		s.MustHandle(t, rec, guard.Recorded)
		s.IAM.Users = map[string]wiretest.LiveUser{"eva": {Password: true}}
		s.Clock.Advance(5 * time.Minute)
		s.MustSweep(t, mfadeadline.Swept{Checked: 2})
		s.Clock.Advance(24 * time.Hour)
		s.MustSweep(t, mfadeadline.Swept{Checked: 1, Alerted: 1})
		s.WantTitles(t, "high IAM user still without MFA: eva")
	})
	t.Run("a password that no record reported", func(t *testing.T) {
		s := wiretest.NewSwept()
		s.Call(t, "CreateUser")
		s.Apply("CreateLoginProfile", "eve")
		s.Clock.Advance(24 * time.Hour)
		s.MustSweep(t, mfadeadline.Swept{Checked: 1})
		s.Clock.Advance(24 * time.Hour)
		s.MustSweep(t, mfadeadline.Swept{Checked: 1, Alerted: 1})
	})
	t.Run("a password that came a minute after the user", func(t *testing.T) {
		s := wiretest.NewSwept()
		s.Call(t, "CreateUser")
		s.Clock.Advance(time.Minute)
		s.Call(t, "CreateLoginProfile")
		s.Clock.Advance(24*time.Hour - time.Minute)
		s.MustSweep(t, mfadeadline.Swept{Checked: 1})
		s.Clock.Advance(time.Minute)
		s.MustSweep(t, mfadeadline.Swept{Checked: 1, Alerted: 1})
	})
	t.Run("a user from before the records", func(t *testing.T) {
		s := wiretest.NewSwept()
		s.IAM.Users["eve"] = wiretest.LiveUser{Password: true}
		s.MustHandle(t, wiretest.IAMCall("UpdateLoginProfile", "eve", s.Clock.Now()), guard.Recorded)
		s.Clock.Advance(24 * time.Hour)
		s.MustSweep(t, mfadeadline.Swept{Checked: 1})
		s.Clock.Advance(24 * time.Hour)
		s.MustSweep(t, mfadeadline.Swept{Checked: 1, Alerted: 1})
	})
	t.Run("sweeps that did not run", func(t *testing.T) {
		s := wiretest.NewSwept()
		s.Call(t, "CreateUser")
		s.Call(t, "CreateLoginProfile")
		s.Clock.Advance(200 * time.Hour)
		s.MustSweep(t, mfadeadline.Swept{Checked: 1, Alerted: 1})
		s.Clock.Advance(24 * time.Hour)
		s.MustSweep(t, mfadeadline.Swept{Checked: 1, Reminded: 1})
		s.WantTitles(t, wiretest.MissingTitle, wiretest.ReminderTitle("critical", 3))
	})
	t.Run("MFA that is removed again", func(t *testing.T) {
		s := wiretest.NewSwept()
		s.Call(t, "CreateUser")
		s.Call(t, "CreateLoginProfile")
		s.Clock.Advance(24 * time.Hour)
		s.MustSweep(t, mfadeadline.Swept{Checked: 1, Alerted: 1})
		s.Clock.Advance(time.Second)
		s.Call(t, "EnableMFADevice")
		s.Clock.Advance(time.Second)
		s.Call(t, "DeactivateMFADevice")
		s.Clock.Advance(5 * time.Minute)
		s.MustSweep(t, mfadeadline.Swept{Checked: 1, Resolved: 1})
		s.Clock.Advance(24 * time.Hour)
		s.MustSweep(t, mfadeadline.Swept{Checked: 1, Alerted: 1})
		s.WantTitles(t, wiretest.MissingTitle, wiretest.ClosedTitle, wiretest.MissingTitle)
	})
}

// TestClocks holds that neither a record dated later than the sweep nor a sweep
// whose clock is ahead or behind loses a user.
func TestClocks(t *testing.T) {
	s := wiretest.NewSwept()
	s.IAM.Users["eve"] = wiretest.LiveUser{Password: true}
	ahead := s.Clock.Now().Add(2 * time.Minute)
	s.MustHandle(t, wiretest.IAMCall("CreateUser", "eve", s.Clock.Now().Add(-24*time.Hour)), guard.Recorded) // due at once
	s.MustHandle(t, wiretest.IAMCall("CreateLoginProfile", "eve", ahead), guard.Recorded)
	s.MustSweep(t, mfadeadline.Swept{Checked: 1})
	s.Clock.Advance(7 * time.Minute)
	s.MustSweep(t, mfadeadline.Swept{Checked: 1})
	s.Clock.Advance(24 * time.Hour)
	s.MustSweep(t, mfadeadline.Swept{Checked: 1, Alerted: 1})
	for _, skew := range []time.Duration{-time.Hour, 10 * time.Minute, -10 * time.Minute} {
		if got, err := s.Sweep(t.Context(), s.IAM, s.Clock.Now().Add(skew)); err != nil || got.Alerted+got.Reminded > 0 {
			t.Errorf("a clock %v off: %+v, %v", skew, got, err)
		}
	}
	s.Clock.Advance(time.Hour)
	s.MustSweep(t, mfadeadline.Swept{Checked: 1, Reminded: 1})
}

// TestLeaseAcrossClocks holds that what one process publishes, for as long as it
// may, is not taken over by another whose clock is a minute ahead or behind, and
// that it is when the first is dead.
func TestLeaseAcrossClocks(t *testing.T) {
	for _, ahead := range []time.Duration{time.Minute, -time.Minute} {
		w := wiretest.NewWorld()
		rec := w.CreateUser(1, wiretest.T0)
		other := wiretest.NewParts(wire.Deps{
			Detector: wiretest.DetectorFunc(func(*cloudtrail.Record, *detect.AssumedRoot) detect.Outcome {
				return detect.Outcome{Kind: detect.Matched, Finding: w.Findings[rec.EventID]}
			}),
			Claims: w.Claims, Facts: w.FactRows, FactRows: w.FactRows, Publisher: w.Receivers, Now: func() time.Time { return w.Clock.Now().Add(ahead) },
		}, w.Settings)
		w.Receivers.Refuse = func(alert.Alert) error {
			w.Receivers.Refuse = nil
			for range 4 {
				if _, err := other.Handle(t.Context(), rec); !errors.Is(err, guard.ErrBusy) {
					t.Errorf("%v ahead: got %v while the alert is on its way", ahead, err)
				}
				w.Clock.Advance(7 * time.Second)
			}
			w.Script.Inject(1, fake.CrashAfter)
			return errors.New("cut off")
		}
		if _, err := w.Handle(t.Context(), rec); err == nil {
			t.Error("no error")
		}
		w.Script.Restart()
		w.Clock.Advance(w.Settings.Lease + time.Minute)
		if _, err := other.Handle(t.Context(), rec); err != nil {
			t.Errorf("%v ahead: %v", ahead, err)
		}
		if n := len(w.Receivers.Published()); n != 1 {
			t.Errorf("%v ahead: %d alerts", ahead, n)
		}
	}
}

// TestSweepWithoutAnswer holds that while IAM does not answer no one is alerted
// and no one dropped, that this is no error of the sweep, and that it asks less
// and less often.
func TestSweepWithoutAnswer(t *testing.T) {
	s := wiretest.NewSwept()
	s.Call(t, "CreateUser")
	s.Call(t, "CreateLoginProfile")
	s.Clock.Advance(24 * time.Hour)
	s.IAM.Down = true
	asked := []int{}
	for range 12 * 12 {
		before := s.IAM.Asked
		if _, err := s.Sweep(t.Context(), s.IAM, s.Clock.Now()); err != nil {
			t.Errorf("sweeping: %v", err)
		}
		if s.IAM.Asked > before {
			asked = append(asked, int(s.Clock.Now().Sub(wiretest.T0.Add(24*time.Hour))/time.Minute))
		}
		s.Clock.Advance(5 * time.Minute)
	}
	for i := range asked {
		if i == 0 {
			continue
		}
		// The distance doubles up to an hour, less a quarter at most, until the next run.
		most := min(60, 5<<(i-1))
		if gap := asked[i] - asked[i-1]; gap > most || gap < most*3/4 {
			t.Errorf("IAM was asked after %v minutes: %d is %d after the one before, want about %d", asked, asked[i], gap, most)
		}
	}
	if n := len(asked); n < 15 || n > 19 {
		t.Errorf("IAM was asked %d times in 12 hours", n)
	}
	s.WantTitles(t)
	s.IAM.Down = false
	s.Clock.Advance(time.Hour)
	s.MustSweep(t, mfadeadline.Swept{Checked: 1, Alerted: 1})
}

// TestFaults makes each call in the life of a user, from its password until it
// has MFA, fail or be the last of its process, and then each two of them.
// Everything is reported all the same, and twice only where a fault came between an
// alert's going out and its being marked as sent.
func TestFaults(t *testing.T) {
	t.Parallel()
	want := []string{
		"medium Console password created for IAM user: eve", wiretest.MissingTitle, wiretest.ReminderTitle("high", 1), "info MFA added for IAM user: eve", wiretest.ClosedTitle,
	}
	run := func(t *testing.T, plan map[int]fake.Fault) (calls []string) {
		t.Helper()
		s := wiretest.NewSwept()
		s.Parts = wiretest.NewParts(wire.Deps{
			Detector: &detect.Detector{}, Claims: s.Claims, Facts: s.FactRows, FactRows: s.FactRows, Publisher: s.Receivers, Now: s.Clock.Now, Deadlines: s.Deadlines,
		}, s.Settings)
		for n, f := range plan {
			s.Script.Inject(n, f)
		}
		// again repeats what failed until it does not, as a queue and a schedule do.
		again := func(do func() error) {
			for try := 0; do() != nil; try++ {
				if try == 5 {
					t.Fatalf("%v: it fails for ever", plan)
				}
				s.Script.Revive()
				s.Clock.Advance(5 * time.Minute)
			}
		}
		handle := func(call string) {
			s.Apply(call, "eve")
			rec := wiretest.IAMCall(call, "eve", s.Clock.Now())
			again(func() error { _, err := s.Handle(t.Context(), rec); return err })
		}
		sweep := func() {
			for range 3 { // as the schedule does: what one that died had leased is free again
				again(func() error { _, err := s.Sweep(t.Context(), s.IAM, s.Clock.Now()); return err })
				s.Clock.Advance(5 * time.Minute)
			}
		}
		handle("CreateLoginProfile")
		s.Clock.Advance(24*time.Hour + 30*time.Minute)
		sweep()
		s.Clock.Advance(time.Hour)
		sweep()
		s.Clock.Advance(time.Hour)
		handle("EnableMFADevice")
		s.Clock.Advance(10 * time.Minute)
		sweep()

		copies := map[string]int{}
		var reported []string
		for i, a := range s.Receivers.Published() {
			if copies[a.ID]++; copies[a.ID] == 1 {
				reported = append(reported, s.Titles()[i])
			}
		}
		if diff := cmp.Diff(want, reported); diff != "" {
			t.Errorf("%v: alerts (-want +got):\n%s", plan, diff)
		}
		calls = s.Script.Calls()
		spare := 0
		for n, f := range plan {
			done := f == fake.FailAfter || f == fake.CrashAfter
			published := calls[n-1] == "Publisher.Publish" && done
			unmarked := n > 1 && calls[n-2] == "Publisher.Publish" && !done
			if published || unmarked {
				spare++
			}
		}
		if extra := len(s.Receivers.Published()) - len(reported); extra > spare {
			t.Errorf("%v: %d copies, and the faults account for %d: %v", plan, extra, spare, s.Titles())
		}
		return calls
	}
	n := len(run(t, nil))
	if n < 35 {
		t.Fatalf("a life makes only %d calls", n)
	}
	kinds := []fake.Fault{fake.FailBefore, fake.FailAfter, fake.CrashBefore, fake.CrashAfter}
	for i := 1; i <= n; i++ {
		for _, f := range testenv.Turn(i, kinds...) {
			run(t, map[int]fake.Fault{i: f})
		}
		step := testenv.Size(1, 17)
		for j := i + 1 + i%step; j <= n; j += step {
			for _, f := range testenv.Turn(i, kinds...) {
				run(t, map[int]fake.Fault{i: f, j: kinds[(i+j)%len(kinds)]})
			}
		}
	}
}

// TestTrackingFails holds that a record is handled again where its user could
// not be tracked.
func TestTrackingFails(t *testing.T) {
	s := wiretest.NewSwept()
	s.Apply("CreateLoginProfile", "eve")
	rec := wiretest.IAMCall("CreateLoginProfile", "eve", s.Clock.Now())
	s.Script.Inject(2, fake.CrashBefore)
	if _, err := s.Handle(t.Context(), rec); !errors.Is(err, fake.ErrCrash) {
		t.Fatalf("got %v", err)
	}
	s.Script.Restart()
	s.MustHandle(t, rec, guard.Recorded)
	s.Clock.Advance(24 * time.Hour)
	s.MustSweep(t, mfadeadline.Swept{Checked: 1, Alerted: 1})
}

// TestRecordDuringSweep handles a record after a sweep has read the facts and
// before it notes that nothing is to be done for the user.
func TestRecordDuringSweep(t *testing.T) {
	s := wiretest.NewSwept()
	s.Call(t, "CreateUser")
	s.Call(t, "CreateLoginProfile")
	s.Clock.Advance(time.Minute)
	s.Call(t, "EnableMFADevice")
	s.Clock.Advance(24 * time.Hour)
	s.IAM.During = func() { s.Call(t, "DeactivateMFADevice") }
	s.MustSweep(t, mfadeadline.Swept{})
	s.Clock.Advance(24 * time.Hour)
	s.MustSweep(t, mfadeadline.Swept{Checked: 1, Alerted: 1})
}

// TestSweepMany has 10,000 users due at once. Each run is bounded, and in the
// end every user was checked, reported and reminded of.
func TestSweepMany(t *testing.T) {
	t.Parallel()
	each, most := 500, testenv.Size(3000, 500)
	accounts := testenv.Size(20, 2)
	s := wiretest.NewSwept(func(s *wire.Settings) { s.Batch, s.SweepUsers = 500, most })
	s.Deadlines.Conflicts, s.Claims.Conflicts = false, false
	for a := range accounts {
		for u := range each {
			name := fmt.Sprintf("user%03d", u)
			s.IAM.Users[name] = wiretest.LiveUser{Password: true}
			rec := wiretest.IAMCall("CreateLoginProfile", name, wiretest.T0)
			rec.RecipientAccountID = fmt.Sprintf("%012d", a)
			s.MustHandle(t, rec, guard.Recorded)
		}
	}
	alerted := 0
	for _, at := range []time.Duration{24 * time.Hour, 25 * time.Hour} {
		s.Clock = fake.NewClock(wiretest.T0.Add(at))
		runs, checked, reported := 0, 0, 0
		for {
			got, err := s.Sweep(t.Context(), s.IAM, wiretest.T0.Add(at))
			if err != nil {
				t.Fatal(err)
			}
			if got.Checked > most {
				t.Errorf("a run checked %d users", got.Checked)
			}
			runs, checked, reported = runs+1, checked+got.Checked, reported+got.Alerted+got.Reminded
			if !got.More {
				break
			}
		}
		if runs != (accounts*each+most-1)/most || checked != accounts*each || reported != accounts*each {
			t.Errorf("%d runs checked %d users and reported %d", runs, checked, reported)
		}
		// What was collected waits some minutes for a run that goes on.
		s.Clock.Advance(10 * time.Minute)
		if _, err := s.Sweep(t.Context(), s.IAM, s.Clock.Now()); err != nil {
			t.Fatal(err)
		}
		if _, err := s.Flush(t.Context(), wiretest.T0.Add(at+time.Hour)); err != nil {
			t.Fatal(err)
		}
		alerted = len(s.Receivers.Published())
	}
	covered, extra := s.Covered(t)
	if covered["user.mfa.missing "] != accounts*each || covered["user.mfa.missing reminder 1"] != accounts*each || extra != 0 {
		t.Errorf("covered %v, %d extra", covered, extra)
	}
	if want := 2 * accounts * (11); alerted > want {
		t.Errorf("%d alerts, want at most %d", alerted, want)
	}
}

// TestSweepStops holds that a sweep asks no more about an account that does not
// answer, stops where alerts cannot be sent, and leaves in time what it cannot do.
func TestSweepStops(t *testing.T) {
	s := wiretest.NewSwept(func(s *wire.Settings) { s.Batch = 10 })
	for i := range 30 {
		name := fmt.Sprintf("user%02d", i)
		s.Apply("CreateLoginProfile", name)
		s.MustHandle(t, wiretest.IAMCall("CreateLoginProfile", name, s.Clock.Now()), guard.Recorded)
	}
	s.Clock.Advance(24 * time.Hour)
	s.IAM.Down = true
	s.MustSweep(t, mfadeadline.Swept{Checked: 30, Unanswered: 30})
	if s.IAM.Asked > 13 { // five, and those on their way by then
		t.Errorf("IAM was asked %d times", s.IAM.Asked)
	}
	s.IAM.Down = false
	s.Clock.Advance(5 * time.Minute)
	refused := errors.New("down")
	s.Receivers.Refuse = func(alert.Alert) error { return refused }
	if got, err := s.Sweep(t.Context(), s.IAM, s.Clock.Now()); !errors.Is(err, refused) || got.Alerted != 30 || strings.Count(err.Error(), "down") > 6 {
		t.Errorf("SNS down: %+v, %v", got, err)
	}
	s.Receivers.Refuse = nil
	s.MustSweep(t, mfadeadline.Swept{}) // it sends what was collected
	s.Clock.Advance(5 * time.Minute)
	if all := s.Receivers.Published(); len(all) != 1 || all[0].Summary == nil || all[0].Summary.FindingCount != 30 {
		t.Errorf("published %v", s.Lines())
	}
	ctx, cancel := context.WithDeadline(t.Context(), time.Now().Add(time.Hour))
	defer cancel()
	s.Clock = fake.NewClock(time.Now().Add(time.Hour - 5*time.Second))
	late := wiretest.NewSweptLike(s)
	if got, err := late.Sweep(ctx, s.IAM, wiretest.T0.Add(26*time.Hour)); err != nil || got.Checked != 0 || !got.More {
		t.Errorf("with five seconds left: %+v, %v", got, err)
	}
}

// TestSweepRefused holds that what no retry gets sent stays collected and is an error of
// every sweep, which goes on to check users meanwhile.
func TestSweepRefused(t *testing.T) {
	s := wiretest.NewSwept(func(s *wire.Settings) { s.Batch, s.SweepUsers = 4, 6 })
	for i := range 10 {
		name := fmt.Sprintf("user%02d", i)
		s.Apply("CreateLoginProfile", name)
		s.MustHandle(t, wiretest.IAMCall("CreateLoginProfile", name, s.Clock.Now()), guard.Recorded)
	}
	s.Clock.Advance(24 * time.Hour)
	s.Receivers.Refuse = func(alert.Alert) error { return failure.Permanent(errors.New("invalid message")) }
	for i, want := range []mfadeadline.Swept{{Checked: 8, Alerted: 8, More: true}, {Checked: 2, Alerted: 2}, {}} {
		got, err := s.Sweep(t.Context(), s.IAM, s.Clock.Now())
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("sweep %d (-want +got):\n%s", i+1, diff)
		}
		if err == nil || failure.Retryable(err) {
			t.Errorf("sweep %d: %v", i+1, err)
		}
	}
	s.Receivers.Refuse = nil
	for range 2 {
		s.MustSweep(t, mfadeadline.Swept{})
	}
	listed := 0
	for _, a := range s.Receivers.Published() {
		listed += a.Summary.FindingCount
	}
	if listed != 10 || len(s.Receivers.Published()) != 2 {
		t.Errorf("%d users in %v", listed, s.Lines())
	}
}

// TestSweepOutOfReach holds that an account that cannot be asked about keeps
// no one back that IAM has answered about.
func TestSweepOutOfReach(t *testing.T) {
	s := wiretest.NewSwept()
	const away = "000000000000"
	for i := range 8 {
		for _, of := range []string{away, wiretest.Account} {
			name := fmt.Sprintf("user%d", i)
			s.Apply("CreateLoginProfile", name)
			rec := wiretest.IAMCall("CreateLoginProfile", name, s.Clock.Now())
			rec.RecipientAccountID = of
			s.MustHandle(t, rec, guard.Recorded)
		}
	}
	s.Clock.Advance(24 * time.Hour)
	live := wiretest.LiveFunc(func(ctx context.Context, of, name string) (bootstrap.LiveFact, error) {
		if of == away {
			return bootstrap.LiveFact{}, errors.New("access denied")
		}
		return s.IAM.User(ctx, of, name)
	})
	got, err := s.Sweep(t.Context(), live, s.Clock.Now())
	if err != nil || got.Alerted != 8 || got.Unanswered != 8 || got.Checked != 16 {
		t.Errorf("%+v, %v", got, err)
	}
}
