package quarantine_test

import (
	"rootguard/internal/testenv"
	"rootguard/internal/wiretest"

	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"rootguard/internal/bootstrap"
	"rootguard/internal/detect"
	"rootguard/internal/fake"
	"rootguard/internal/guard"
	"rootguard/internal/quarantine"
	"rootguard/internal/wire"
)

// locked is a world whose users are swept and quarantined.
type locked struct {
	*wiretest.Swept
	rows   *fake.Quarantines
	policy *fake.Policy
}

func quarantineOn(s *wire.Settings) { s.Quarantine.Mode = quarantine.On }

func quarantineDryRun(s *wire.Settings) { s.Quarantine.Mode = quarantine.DryRun }

// newLocked has eve past the last reminder, and swept.
func newLocked(t *testing.T, change ...func(*wire.Settings)) *locked {
	t.Helper()
	l := &locked{Swept: wiretest.NewSwept(change...)}
	l.rows, l.policy = &fake.Quarantines{Script: l.Script, Conflicts: true}, &fake.Policy{Script: l.Script}
	l.set()
	l.Call(t, "CreateUser")
	l.Call(t, "CreateLoginProfile")
	for _, after := range []time.Duration{24 * time.Hour, time.Hour, 23 * time.Hour, 48 * time.Hour} {
		l.Clock.Advance(after)
		if l.Clock.Now().Before(wiretest.T0.Add(97 * time.Hour)) {
			l.run(t, quarantine.Done{})
		}
		if _, err := l.Sweep(t.Context(), l.IAM, l.Clock.Now()); err != nil {
			t.Fatal(err)
		}
	}
	l.WantTitles(t, pastLast...)
	return l
}

var pastLast = []string{wiretest.MissingTitle, wiretest.ReminderTitle("high", 1), wiretest.ReminderTitle("high", 2), wiretest.ReminderTitle("critical", 3)}

// set makes the guard again by the settings, as a deployment does.
func (l *locked) set(change ...func(*wire.Settings)) {
	for _, c := range change {
		c(&l.Settings)
	}
	l.Parts = wiretest.NewParts(wire.Deps{
		Detector: wiretest.DetectorFunc(wiretest.Nothing), Claims: l.Claims, Facts: l.FactRows, FactRows: l.FactRows, Publisher: l.Receivers, Now: l.Clock.Now,
		Deadlines: l.Deadlines, Quarantines: l.rows,
	}, l.Settings)
}

func (l *locked) run(t *testing.T, want quarantine.Done) {
	t.Helper()
	got, err := l.Quarantine(t.Context(), l.IAM, l.policy, l.policy, l.Clock.Now())
	if err != nil {
		t.Fatalf("quarantining: %v", err)
	}
	got.Checked = 0
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("quarantine at %v (-want +got):\n%s", l.Clock.Now(), diff)
	}
}

// pass lets time pass, in which all that is scheduled runs, a day at a time.
func (l *locked) pass(t *testing.T, d time.Duration) {
	t.Helper()
	for end := l.Clock.Now().Add(d); l.Clock.Now().Before(end); {
		l.Clock.Advance(min(time.Hour, end.Sub(l.Clock.Now())))
		if _, err := l.Sweep(t.Context(), l.IAM, l.Clock.Now()); err != nil {
			t.Fatal(err)
		}
		if _, err := l.Quarantine(t.Context(), l.IAM, l.policy, l.policy, l.Clock.Now()); err != nil {
			t.Fatal(err)
		}
	}
}

// since are the alerts after those of the sweep.
func (l *locked) since(t *testing.T, want ...string) {
	t.Helper()
	if diff := cmp.Diff(append([]string{}, want...), l.Titles()[len(pastLast):]); diff != "" {
		t.Errorf("alerts (-want +got):\n%s", diff)
	}
}

func (l *locked) wantAttached(t *testing.T, users ...string) {
	t.Helper()
	var want []string
	for _, u := range users {
		want = append(want, wiretest.Account+"/"+u)
	}
	if diff := cmp.Diff(want, l.policy.Users()); diff != "" {
		t.Errorf("users with the policy (-want +got):\n%s", diff)
	}
}

func (l *locked) row(t *testing.T, user string) quarantine.Quarantine {
	t.Helper()
	q, err := quarantine.Of(t.Context(), l.rows, wiretest.Account, user)
	if err != nil {
		t.Fatal(err)
	}
	return q
}

// quarantined is since when the facts say that eve is, zero where they do not.
func (l *locked) quarantined(t *testing.T, user string) time.Time {
	t.Helper()
	facts, err := l.FactRows.Facts(t.Context(), wiretest.Account)
	if err != nil {
		t.Fatal(err)
	}
	for _, u := range bootstrap.Fold(wiretest.Account, facts, bootstrap.DefaultOptions(), l.Clock.Now()).Users {
		if u.Name == user && !u.Deleted && u.Quarantined != nil {
			return u.Quarantined.Time
		}
	}
	return time.Time{}
}

func (l *locked) release(t *testing.T, user string, until time.Duration, want error) {
	t.Helper()
	at := l.Clock.Now()
	if _, err := quarantine.Release(t.Context(), l.rows, wiretest.Account, user, "arn:aws:iam::1:user/ops", "her token is broken", at, at.Add(until)); !errors.Is(err, want) {
		t.Fatalf("releasing: %v, want %v", err, want)
	}
}

const (
	doneTitle     = "high IAM user without MFA quarantined: eve"
	releasedTitle = "info IAM user released from quarantine: eve"
	calledOff     = "info Quarantine of IAM user called off: eve"
	wouldTitle    = "medium IAM user would be quarantined (dry run): eve"
)

func (l *locked) announcedTitle() string {
	return "high IAM user will be quarantined at " + l.Clock.Now().Add(24*time.Hour).UTC().Format(time.RFC3339) + ": eve"
}

func TestQuarantine(t *testing.T) {
	l := newLocked(t, quarantineOn)
	announced := l.announcedTitle()
	l.run(t, quarantine.Done{Announced: 1})
	l.run(t, quarantine.Done{})
	l.Clock.Advance(24*time.Hour - time.Second)
	l.run(t, quarantine.Done{})
	l.since(t, announced)
	l.wantAttached(t)

	l.Clock.Advance(time.Second)
	done := l.Clock.Now()
	l.run(t, quarantine.Done{Attached: 1})
	l.run(t, quarantine.Done{})
	l.wantAttached(t, "eve")
	l.since(t, announced, doneTitle)
	if got := l.quarantined(t, "eve"); !got.Equal(done) {
		t.Errorf("the status says quarantined since %v, want %v", got, done)
	}
	// It goes on for as long as it takes, and nothing is reported again.
	l.pass(t, 30*24*time.Hour)
	l.wantAttached(t, "eve")
	l.since(t, announced, doneTitle)

	// MFA ends it within minutes, by the record of it.
	l.Clock.Advance(time.Minute)
	l.Call(t, "EnableMFADevice")
	l.run(t, quarantine.Done{})
	l.Clock.Advance(5 * time.Minute)
	l.run(t, quarantine.Done{Released: 1})
	l.wantAttached(t)
	if got := l.quarantined(t, "eve"); !got.IsZero() {
		t.Errorf("the status says quarantined since %v", got)
	}
	l.pass(t, 24*time.Hour)
	l.since(t, announced, doneTitle, releasedTitle, wiretest.ClosedTitle)
	if f := l.Receivers.Published()[len(pastLast)+2].Finding; f.Detail != "The user has MFA." || f.Actor.Name != "rootguard" {
		t.Errorf("released: %+v", f)
	}
	if q := l.row(t, "eve"); !q.Due.IsZero() {
		t.Errorf("still due: %+v", q)
	}
}

// TestQuarantineOff holds that where it is off, no row of it is read or written.
func TestQuarantineOff(t *testing.T) {
	l := newLocked(t)
	l.Call(t, "EnableMFADevice")
	l.pass(t, time.Hour)
	for _, call := range l.Script.Calls() {
		if strings.HasPrefix(call, "Policy.") || call == "Quarantines.Update" {
			t.Errorf("called %s", call)
		}
	}
	if q := l.row(t, "eve"); q.Key != "" {
		t.Errorf("marked: %+v", q)
	}
}

func TestQuarantineDryRun(t *testing.T) {
	l := newLocked(t, quarantineDryRun)
	l.run(t, quarantine.Done{Would: 1})
	l.pass(t, 10*24*time.Hour)
	l.since(t, wouldTitle)
	l.wantAttached(t)

	// Switched on, it is announced before it is done.
	l.set(quarantineOn)
	l.Clock.Advance(24 * time.Hour)
	if _, err := l.Sweep(t.Context(), l.IAM, l.Clock.Now()); err != nil {
		t.Fatal(err)
	}
	announced := l.announcedTitle()
	l.run(t, quarantine.Done{Announced: 1})
	l.pass(t, 25*time.Hour)
	l.since(t, wouldTitle, announced, doneTitle)

	// Back in the dry run a user who is quarantined stays so, and gets out as before.
	l.set(quarantineDryRun)
	l.pass(t, 48*time.Hour)
	l.wantAttached(t, "eve")
	l.Apply("EnableMFADevice", "eve")
	l.pass(t, 2*time.Hour)
	l.wantAttached(t)
}

func TestQuarantineExempt(t *testing.T) {
	for _, tt := range []struct {
		exempt string
		want   bool
	}{
		{"eve", true}, {"EVE", true}, {wiretest.Account, true}, {"arn:aws:iam::" + wiretest.Account + ":user/eve", true}, {"arn:aws:iam::" + wiretest.Account + ":user/ops/eve", true},
		{"ev", false}, {"eve2", false}, {"123456789013", false}, {"arn:aws:iam::123456789013:user/eve", false}, {"arn:aws:iam::" + wiretest.Account + ":user/eve/adam", false},
	} {
		t.Run(tt.exempt, func(t *testing.T) {
			exempt := func(s *wire.Settings) { s.Quarantine.Exempt = []string{"somebody", tt.exempt} }
			l := newLocked(t, quarantineOn, exempt)
			if marked := l.row(t, "eve").State == quarantine.Marked; marked == tt.want {
				t.Errorf("marked is %v", marked)
			}
			// anyone who is exempt later comes out, or is not put in.
			for stage, past := range map[string]time.Duration{"announced": 0, "quarantined": 25 * time.Hour} {
				l := newLocked(t, quarantineOn)
				l.run(t, quarantine.Done{Announced: 1})
				l.pass(t, past)
				l.set(exempt)
				l.pass(t, 26*time.Hour)
				if got := len(l.policy.Users()) == 0; got != tt.want {
					t.Errorf("%s: out of quarantine is %v", stage, got)
				}
			}
		})
	}
}

// TestQuarantineDrops holds that no one is quarantined who has MFA by then, or
// no password, or is gone or another, whether a record shows it or IAM alone.
func TestQuarantineDrops(t *testing.T) {
	for name, change := range map[string]func(t *testing.T, l *locked){
		"MFA":          func(t *testing.T, l *locked) { t.Helper(); l.Call(t, "EnableMFADevice") },
		"MFA, unseen":  func(_ *testing.T, l *locked) { l.Apply("EnableMFADevice", "eve") },
		"no password":  func(t *testing.T, l *locked) { t.Helper(); l.Call(t, "DeleteLoginProfile") },
		"gone":         func(t *testing.T, l *locked) { t.Helper(); l.Call(t, "DeleteUser") },
		"gone, unseen": func(_ *testing.T, l *locked) { l.Apply("DeleteUser", "eve") },
		"another":      func(_ *testing.T, l *locked) { l.IAM.IDs = map[string]string{"eve": "AIDAEVE2"} },
		"IAM lags": func(t *testing.T, l *locked) {
			t.Helper()
			l.MustHandle(t, wiretest.IAMCall("EnableMFADevice", "eve", l.Clock.Now()), guard.Recorded)
		},
	} {
		t.Run(name, func(t *testing.T) {
			l := newLocked(t, quarantineOn)
			change(t, l)
			l.run(t, quarantine.Done{})
			l.since(t)

			l = newLocked(t, quarantineOn)
			announced := l.announcedTitle()
			l.run(t, quarantine.Done{Announced: 1})
			l.Clock.Advance(24 * time.Hour)
			change(t, l)
			l.run(t, quarantine.Done{Released: 1})
			l.wantAttached(t)
			l.since(t, announced, calledOff)
			l.Clock.Advance(10 * time.Minute)
			l.run(t, quarantine.Done{})
			if q := l.row(t, "eve"); !q.Due.IsZero() {
				t.Errorf("still due: %+v", q)
			}
		})
	}
}

// TestQuarantineFaults makes each call of each step fail or crash in turn.
func TestQuarantineFaults(t *testing.T) {
	t.Parallel()
	steps := []struct {
		name    string
		prepare func(t *testing.T, l *locked)
		users   []string
		alerts  int
		calls   int // at least
	}{
		{"announce", func(*testing.T, *locked) {}, nil, 1, 6},
		{"attach", func(t *testing.T, l *locked) {
			t.Helper()
			l.run(t, quarantine.Done{Announced: 1})
			l.Clock.Advance(24 * time.Hour)
		}, []string{"eve"}, 2, 8},
		{"release", func(t *testing.T, l *locked) {
			t.Helper()
			l.run(t, quarantine.Done{Announced: 1})
			l.Clock.Advance(24 * time.Hour)
			l.run(t, quarantine.Done{Attached: 1})
			l.Clock.Advance(time.Hour)
			l.Apply("EnableMFADevice", "eve")
		}, nil, 3, 9},
	}
	for _, step := range steps {
		for n, over := 1, false; !over; n++ {
			for _, fault := range testenv.Turn(n, fake.FailBefore, fake.FailAfter, fake.CrashBefore, fake.CrashAfter) {
				l := newLocked(t, quarantineOn)
				step.prepare(t, l)
				before := len(l.Script.Calls())
				l.Script.Inject(n, fault)
				_, _ = l.Quarantine(t.Context(), l.IAM, l.policy, l.policy, l.Clock.Now())
				if len(l.Script.Calls())-before < n {
					if n <= step.calls {
						t.Errorf("%s makes only %d calls", step.name, n-1)
					}
					over = true
					continue
				}
				l.Script.Restart()
				for range 3 {
					l.Clock.Advance(5 * time.Minute)
					if _, err := l.Quarantine(t.Context(), l.IAM, l.policy, l.policy, l.Clock.Now()); err != nil {
						t.Errorf("%s, %v of call %d: the next run: %v", step.name, fault, n, err)
					}
				}
				l.wantAttached(t, step.users...)
				ids := map[string]bool{}
				for _, a := range l.Receivers.Published()[len(pastLast):] {
					ids[a.ID] = true
				}
				if got := len(l.Receivers.Published()) - len(pastLast); len(ids) != step.alerts || got > step.alerts+1 {
					t.Errorf("%s, %v of call %d: alerts %v", step.name, fault, n, l.Titles())
				}
				if is := !l.quarantined(t, "eve").IsZero(); is != (len(step.users) > 0) {
					t.Errorf("%s, %v of call %d: on record as quarantined: %v", step.name, fault, n, is)
				}
			}
		}
	}
}

// TestQuarantineOverlaps has runs at the same time.
func TestQuarantineOverlaps(t *testing.T) {
	l := newLocked(t, quarantineOn)
	for range 2 {
		var wg sync.WaitGroup
		for range 4 {
			wg.Go(func() {
				if _, err := l.Quarantine(t.Context(), l.IAM, l.policy, l.policy, l.Clock.Now()); err != nil {
					t.Error(err)
				}
			})
		}
		wg.Wait()
		l.Clock.Advance(24 * time.Hour)
	}
	l.run(t, quarantine.Done{})
	l.wantAttached(t, "eve")
	if n := len(l.Titles()) - len(pastLast); n != 2 {
		t.Errorf("alerts %v", l.Titles())
	}
}

// TestQuarantineThrottled holds that what IAM refuses is tried again, less and
// less often, that people hear of it, and that others are not kept back.
func TestQuarantineThrottled(t *testing.T) {
	l := newLocked(t, quarantineOn)
	announced := l.announcedTitle()
	l.run(t, quarantine.Done{Announced: 1})
	l.Clock.Advance(24 * time.Hour)
	tries := 0
	l.policy.Refuse = func(call, _ string) error {
		tries++
		return wiretest.ErrThrottled
	}
	for range 12 * 6 {
		if _, err := l.Quarantine(t.Context(), l.IAM, l.policy, l.policy, l.Clock.Now()); err != nil {
			t.Fatal(err)
		}
		l.Clock.Advance(5 * time.Minute)
	}
	if tries < 9 || tries > 11 { // after 5, 10, 20 and 40 minutes, then hourly, each less a quarter at most
		t.Errorf("tried %d times in 6 hours", tries)
	}
	l.since(t, announced, "high Guardrail unhealthy: quarantine of eve")
	l.wantAttached(t)
	l.policy.Refuse = nil
	l.Clock.Advance(time.Hour)
	l.run(t, quarantine.Done{Attached: 1})
	l.wantAttached(t, "eve")
}

func TestRelease(t *testing.T) {
	for name, past := range map[string]time.Duration{"announced": 0, "quarantined": 25 * time.Hour} {
		t.Run(name, func(t *testing.T) {
			l := newLocked(t, quarantineOn)
			l.release(t, "adam", time.Hour, quarantine.ErrNotQuarantined)
			l.run(t, quarantine.Done{Announced: 1})
			l.pass(t, past)
			l.release(t, "eve", 72*time.Hour, nil)
			l.release(t, "eve", 80*time.Hour, nil) // asked twice
			at := l.Clock.Now()
			l.run(t, quarantine.Done{Released: 1})
			l.wantAttached(t)
			l.release(t, "eve", 72*time.Hour, quarantine.ErrNotQuarantined)
			f := l.Receivers.Published()[len(l.Titles())-1].Finding
			if want := "her token is broken; left alone until " + at.Add(72*time.Hour).Format(time.RFC3339) + "."; f.ID != detect.UserReleased || f.Detail != want || f.Actor.Name != "arn:aws:iam::1:user/ops" {
				t.Errorf("the alert: %+v, want %q", f, want)
			}
			n := len(l.Titles())
			l.pass(t, 71*time.Hour)
			if len(l.Titles()) != n {
				t.Errorf("before its time: %v", l.Titles()[n:])
			}
			// Then it begins again, with an announcement.
			l.pass(t, 24*time.Hour)
			if got := l.Titles()[n:]; len(got) != 1 || !strings.Contains(got[0], "will be quarantined at") {
				t.Errorf("after its time: %v", got)
			}
			l.pass(t, 24*time.Hour)
			l.wantAttached(t, "eve")
		})
	}
}

// TestReleaseDuringAttach releases a user that a run is about to quarantine, and
// another run does it before the first goes on, which then ends or dies.
func TestReleaseDuringAttach(t *testing.T) {
	for _, dies := range []bool{false, true} {
		for _, another := range []bool{false, true} {
			t.Run(fmt.Sprintf("dies %v, another run %v", dies, another), func(t *testing.T) {
				l := newLocked(t, quarantineOn)
				l.run(t, quarantine.Done{Announced: 1})
				l.Clock.Advance(24 * time.Hour)
				l.policy.During = func() {
					l.release(t, "eve", 72*time.Hour, nil)
					if another {
						l.run(t, quarantine.Done{Released: 1})
					}
					if dies {
						l.Script.Inject(1, fake.CrashAfter) // of attaching
					}
				}
				_, _ = l.Quarantine(t.Context(), l.IAM, l.policy, l.policy, l.Clock.Now())
				l.Script.Restart()
				for range 3 {
					l.Clock.Advance(5 * time.Minute)
					if _, err := l.Quarantine(t.Context(), l.IAM, l.policy, l.policy, l.Clock.Now()); err != nil {
						t.Fatal(err)
					}
				}
				l.wantAttached(t)
			})
		}
	}
}

// TestDetachedByHand holds that anyone who takes the policy off by hand is not
// fought with.
func TestDetachedByHand(t *testing.T) {
	l := newLocked(t, quarantineOn)
	l.run(t, quarantine.Done{Announced: 1})
	l.Clock.Advance(24 * time.Hour)
	l.run(t, quarantine.Done{Attached: 1})
	if _, err := l.policy.Detach(t.Context(), wiretest.Account, "eve"); err != nil {
		t.Fatal(err)
	}
	n := len(l.Titles())
	rec := wiretest.IAMCall("DetachUserPolicy", "eve", l.Clock.Now())
	rec.RequestParameters = []byte(`{"userName":"eve","policyArn":"arn:aws:iam::` + wiretest.Account + `:policy/rootguard-quarantine"}`)
	l.MustHandle(t, rec, guard.Recorded)
	l.Clock.Advance(5 * time.Minute)
	l.run(t, quarantine.Done{Released: 1})
	if f := l.Receivers.Published()[n].Finding; !strings.Contains(f.Detail, "The policy was taken off the user, and not by rootguard") {
		t.Errorf("the alert: %+v", f)
	}
	if got := l.quarantined(t, "eve"); !got.IsZero() {
		t.Errorf("on record as quarantined since %v", got)
	}
	l.pass(t, 6*24*time.Hour)
	if got := l.Titles()[n+1:]; len(got) != 0 {
		t.Errorf("fought with: %v", got)
	}
}

// TestQuarantineFollows holds that a user who is renamed gets out too.
func TestQuarantineFollows(t *testing.T) {
	l := newLocked(t, quarantineOn)
	l.run(t, quarantine.Done{Announced: 1})
	l.Clock.Advance(24 * time.Hour)
	l.run(t, quarantine.Done{Attached: 1})
	l.Clock.Advance(time.Hour)
	l.IAM.Users = map[string]wiretest.LiveUser{"eva": {Password: true}}
	if _, err := l.policy.Detach(t.Context(), wiretest.Account, "eve"); err != nil {
		t.Fatal(err)
	}
	if err := l.policy.Attach(t.Context(), wiretest.Account, "eva"); err != nil {
		t.Fatal(err)
	}
	l.run(t, quarantine.Done{Unanswered: 1}) // the record has not come yet
	rec := wiretest.IAMCall("UpdateUser", "eve", l.Clock.Now())
	rec.RequestParameters = []byte(`{"userName":"eve","newUserName":"eva"}`)
	l.MustHandle(t, rec, guard.Recorded)
	l.Clock.Advance(5 * time.Minute)
	l.run(t, quarantine.Done{})
	if q := l.row(t, "eva"); q.State != quarantine.Active {
		t.Errorf("under the new name: %+v", q)
	}
	l.Apply("EnableMFADevice", "eva")
	l.Clock.Advance(time.Hour)
	l.run(t, quarantine.Done{Released: 1})
	l.wantAttached(t)
}

// TestReleaseFollows holds that a user is out who is released by a name that it no
// longer has, whether or not the record of its renaming has come.
func TestReleaseFollows(t *testing.T) {
	for _, known := range []bool{true, false} {
		t.Run(fmt.Sprintf("known %v", known), func(t *testing.T) {
			l := newLocked(t, quarantineOn)
			l.run(t, quarantine.Done{Announced: 1})
			l.Clock.Advance(24 * time.Hour)
			l.run(t, quarantine.Done{Attached: 1})
			l.Clock.Advance(10 * time.Minute)
			l.IAM.Users = map[string]wiretest.LiveUser{"eva": {Password: true}}
			if _, err := l.policy.Detach(t.Context(), wiretest.Account, "eve"); err != nil {
				t.Fatal(err)
			}
			if err := l.policy.Attach(t.Context(), wiretest.Account, "eva"); err != nil {
				t.Fatal(err)
			}
			rec := wiretest.IAMCall("UpdateUser", "eve", l.Clock.Now())
			rec.RequestParameters = []byte(`{"userName":"eve","newUserName":"eva"}`)
			n := len(l.Titles())
			if known {
				l.MustHandle(t, rec, guard.Recorded)
			}
			l.release(t, "eve", 72*time.Hour, nil)
			if !known {
				l.run(t, quarantine.Done{Unanswered: 1})
				l.MustHandle(t, rec, guard.Recorded)
			}
			for range 3 {
				l.Clock.Advance(5 * time.Minute)
				if _, err := l.Quarantine(t.Context(), l.IAM, l.policy, l.policy, l.Clock.Now()); err != nil {
					t.Fatal(err)
				}
			}
			l.wantAttached(t)
			if got := l.Titles()[n:]; len(got) != 1 || !strings.HasSuffix(got[0], "released from quarantine: eva") {
				t.Errorf("alerts %v", got)
			}
		})
	}
}

// TestNoticeOfALateRun holds that a schedule's event that comes late shortens no notice.
func TestNoticeOfALateRun(t *testing.T) {
	l := newLocked(t, quarantineOn)
	late := l.Clock.Now()
	l.Clock.Advance(20 * time.Hour)
	if got, err := l.Quarantine(t.Context(), l.IAM, l.policy, l.policy, late); err != nil || got.Announced != 1 {
		t.Fatalf("%+v, %v", got, err)
	}
	if q, want := l.row(t, "eve"), l.Clock.Now().Add(24*time.Hour); !q.Effective.Equal(want) {
		t.Errorf("announced for %v, want %v", q.Effective, want)
	}
}

// TestForgottenAnnouncement holds that one of before quarantine was switched off
// for long is made again before anything is done.
func TestForgottenAnnouncement(t *testing.T) {
	l := newLocked(t, quarantineOn)
	l.run(t, quarantine.Done{Announced: 1})
	l.Clock.Advance(30 * 24 * time.Hour)
	l.run(t, quarantine.Done{Announced: 1})
	l.wantAttached(t)
	l.Clock.Advance(24 * time.Hour)
	l.run(t, quarantine.Done{Attached: 1})
	l.wantAttached(t, "eve")
}

// TestQuarantineMany holds that a run ends in time, and leaves the rest due.
func TestQuarantineMany(t *testing.T) {
	const users = 200
	l := newLocked(t, quarantineOn)
	l.Apply("DeleteUser", "eve")
	l.pass(t, time.Hour)
	l.Clock = fake.NewClock(time.Now())
	l.set()
	for i := range users {
		name := fmt.Sprintf("user%03d", i)
		l.IAM.Users[name] = wiretest.LiveUser{Password: true}
		l.MustHandle(t, wiretest.IAMCall("CreateLoginProfile", name, wiretest.T0), guard.Recorded)
		key := wiretest.Account + "/" + name
		row := quarantine.Quarantine{Key: key, Account: wiretest.Account, User: name, State: quarantine.Marked, Due: wiretest.T0, Revision: 1, Cycle: "c", Deadline: wiretest.T0}
		if err := l.rows.Update(t.Context(), key, func(quarantine.Quarantine) quarantine.Quarantine { return row }); err != nil {
			t.Fatal(err)
		}
	}
	ctx, cancel := context.WithTimeout(t.Context(), time.Second) // less than a batch is given
	defer cancel()
	got, err := l.Quarantine(ctx, l.IAM, l.policy, l.policy, l.Clock.Now())
	if err != nil || !got.More || got.Checked != 0 {
		t.Errorf("without time: %+v, %v", got, err)
	}
	got, err = l.Quarantine(t.Context(), l.IAM, l.policy, l.policy, l.Clock.Now())
	if err != nil || got.Announced != users {
		t.Errorf("with time: %+v, %v", got, err)
	}
}
