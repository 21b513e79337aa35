package guard_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
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

var errThrottled = errors.New("Throttling")

// liveUser is a user as IAM knows it.
type liveUser struct{ password, mfa bool }

// liveUsers is a mfadeadline.UserChecker. A user that is not in it does not exist.
type liveUsers struct {
	mu     sync.Mutex
	users  map[string]liveUser
	ids    map[string]string // unique IDs, by name; an answer may lack it
	down   bool
	asked  int
	during func() // called once, after the answer was made and before it arrives
}

func (l *liveUsers) User(_ context.Context, _, name string) (bootstrap.LiveFact, error) {
	l.mu.Lock()
	during := l.during
	l.during = nil
	defer func() {
		l.mu.Unlock()
		if during != nil {
			during()
		}
	}()
	l.asked++
	if l.down {
		return bootstrap.LiveFact{}, errThrottled
	}
	u, found := l.users[name]
	if !found {
		return bootstrap.LiveFact{UserName: name, Gone: true}, nil
	}
	live := bootstrap.LiveFact{UserName: name, UserID: l.ids[name], ConsoleLogin: &u.password}
	if u.mfa {
		live.MFADevices = []string{"arn:aws:iam::" + account + ":mfa/" + name}
	}
	return live, nil
}

// swept is a world whose users are swept.
type swept struct {
	*world
	iam       *liveUsers
	deadlines *fake.Deadlines
}

func newSwept(change ...func(*wire.Settings)) *swept {
	w := newWorld(change...)
	s := &swept{world: w, iam: &liveUsers{users: map[string]liveUser{}}, deadlines: &fake.Deadlines{Script: w.script, Conflicts: true}}
	s.parts = newParts(wire.Deps{
		Detector: detectorFunc(nothing), Ledger: w.ledger, Facts: w.journal, FactRows: w.journal, Publisher: w.pub, Now: w.clock.Now, Deadlines: s.deadlines,
	}, w.settings)
	return s
}

func (s *swept) sweep(t *testing.T, want mfadeadline.Swept) {
	t.Helper()
	got, err := s.Sweep(t.Context(), s.iam, s.clock.Now())
	if err != nil {
		t.Fatalf("sweeping: %v", err)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("sweep at %v (-want +got):\n%s", s.clock.Now(), diff)
	}
}

// call makes a call about eve: IAM knows it at once, the guard by its record.
func (s *swept) call(t *testing.T, name string) {
	t.Helper()
	s.apply(name, "eve")
	s.handle(t, iamCall(name, "eve", s.clock.Now()), guard.Recorded)
}

func (s *swept) apply(name, user string) {
	s.iam.mu.Lock()
	defer s.iam.mu.Unlock()
	u := s.iam.users[user]
	switch name {
	case "CreateLoginProfile":
		u.password = true
	case "DeleteLoginProfile":
		u.password = false
	case "EnableMFADevice":
		u.mfa = true
	case "DeactivateMFADevice":
		u.mfa = false
	}
	s.iam.users[user] = u
	if name == "DeleteUser" {
		delete(s.iam.users, user)
	}
}

// titles are the alerts so far, as "severity title".
func (s *swept) titles() []string {
	titles := []string{}
	for _, a := range s.pub.Published() {
		titles = append(titles, a.Finding.Severity.String()+" "+a.Finding.Title)
	}
	return titles
}

func (s *swept) wantTitles(t *testing.T, want ...string) {
	t.Helper()
	if want == nil {
		want = []string{}
	}
	if diff := cmp.Diff(want, s.titles()); diff != "" {
		t.Errorf("alerts (-want +got):\n%s", diff)
	}
}

const (
	missingTitle = "high IAM user still without MFA: eve"
	closedTitle  = "info IAM user no longer without MFA: eve"
)

func reminderTitle(severity string, n int) string {
	return fmt.Sprintf("%s IAM user still without MFA, reminder %d of 3: eve", severity, n)
}

func TestSweepRemindsAndCloses(t *testing.T) {
	s := newSwept()
	s.call(t, "CreateUser")
	s.call(t, "CreateLoginProfile")
	s.clock.Advance(24*time.Hour - time.Second)
	s.sweep(t, mfadeadline.Swept{})
	s.wantTitles(t)

	s.clock.Advance(time.Second)
	s.sweep(t, mfadeadline.Swept{Checked: 1, Alerted: 1})
	s.sweep(t, mfadeadline.Swept{})
	s.clock.Advance(time.Hour)
	s.sweep(t, mfadeadline.Swept{Checked: 1, Reminded: 1})
	s.clock.Advance(22 * time.Hour)
	s.sweep(t, mfadeadline.Swept{})
	s.clock.Advance(time.Hour)
	s.sweep(t, mfadeadline.Swept{Checked: 1, Reminded: 1})
	s.clock.Advance(48 * time.Hour)
	s.sweep(t, mfadeadline.Swept{Checked: 1, Reminded: 1})
	s.clock.Advance(24 * time.Hour)
	s.sweep(t, mfadeadline.Swept{Checked: 1})
	told := []string{missingTitle, reminderTitle("high", 1), reminderTitle("high", 2), reminderTitle("critical", 3)}
	s.wantTitles(t, told...)

	s.call(t, "EnableMFADevice")
	s.clock.Advance(time.Minute)
	s.sweep(t, mfadeadline.Swept{}) // IAM may not show the device yet
	s.clock.Advance(4 * time.Minute)
	s.sweep(t, mfadeadline.Swept{Checked: 1, Resolved: 1})
	s.wantTitles(t, append(told, closedTitle)...)
	s.clock.Advance(1000 * time.Hour)
	s.sweep(t, mfadeadline.Swept{})
	last := s.pub.Published()[4]
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
				change := func(s *swept) {
					if recorded {
						s.call(t, tt.call)
					} else {
						s.apply(tt.call, "eve")
					}
				}
				s := newSwept()
				s.call(t, "CreateUser")
				s.call(t, "CreateLoginProfile")
				s.clock.Advance(23 * time.Hour)
				change(s)
				s.clock.Advance(5 * time.Hour)
				s.sweep(t, mfadeadline.Swept{Checked: 1})
				s.wantTitles(t)

				s = newSwept()
				s.call(t, "CreateUser")
				s.call(t, "CreateLoginProfile")
				s.clock.Advance(24 * time.Hour)
				s.sweep(t, mfadeadline.Swept{Checked: 1, Alerted: 1})
				s.clock.Advance(30 * time.Minute)
				change(s)
				s.clock.Advance(time.Hour)
				s.sweep(t, mfadeadline.Swept{Checked: 1, Resolved: 1})
				s.clock.Advance(300 * time.Hour)
				s.sweep(t, mfadeadline.Swept{})
				s.wantTitles(t, missingTitle, closedTitle)
				if f := s.pub.Published()[1].Finding; !strings.Contains(f.Detail, tt.says) {
					t.Errorf("detail: %q, want %q", f.Detail, tt.says)
				}
			})
		}
	}
}

// TestSweepFollows are users whose deadline is not that of a new password.
func TestSweepFollows(t *testing.T) {
	t.Run("a rename", func(t *testing.T) {
		s := newSwept()
		s.call(t, "CreateUser")
		s.call(t, "CreateLoginProfile")
		s.clock.Advance(time.Hour)
		rec := iamCall("UpdateUser", "eve", s.clock.Now())
		rec.RequestParameters = []byte(`{"userName":"eve","newUserName":"eva"}`)
		s.handle(t, rec, guard.Recorded)
		s.iam.users = map[string]liveUser{"eva": {password: true}}
		s.clock.Advance(5 * time.Minute)
		s.sweep(t, mfadeadline.Swept{Checked: 2})
		s.clock.Advance(24 * time.Hour)
		s.sweep(t, mfadeadline.Swept{Checked: 1, Alerted: 1})
		s.wantTitles(t, "high IAM user still without MFA: eva")
	})
	t.Run("a password that no record told of", func(t *testing.T) {
		s := newSwept()
		s.call(t, "CreateUser")
		s.apply("CreateLoginProfile", "eve")
		s.clock.Advance(24 * time.Hour)
		s.sweep(t, mfadeadline.Swept{Checked: 1})
		s.clock.Advance(24 * time.Hour)
		s.sweep(t, mfadeadline.Swept{Checked: 1, Alerted: 1})
	})
	t.Run("a password that came a minute after the user", func(t *testing.T) {
		s := newSwept()
		s.call(t, "CreateUser")
		s.clock.Advance(time.Minute)
		s.call(t, "CreateLoginProfile")
		s.clock.Advance(24*time.Hour - time.Minute)
		s.sweep(t, mfadeadline.Swept{Checked: 1})
		s.clock.Advance(time.Minute)
		s.sweep(t, mfadeadline.Swept{Checked: 1, Alerted: 1})
	})
	t.Run("a user from before the records", func(t *testing.T) {
		s := newSwept()
		s.iam.users["eve"] = liveUser{password: true}
		s.handle(t, iamCall("UpdateLoginProfile", "eve", s.clock.Now()), guard.Recorded)
		s.clock.Advance(24 * time.Hour)
		s.sweep(t, mfadeadline.Swept{Checked: 1})
		s.clock.Advance(24 * time.Hour)
		s.sweep(t, mfadeadline.Swept{Checked: 1, Alerted: 1})
	})
	t.Run("sweeps that did not run", func(t *testing.T) {
		s := newSwept()
		s.call(t, "CreateUser")
		s.call(t, "CreateLoginProfile")
		s.clock.Advance(200 * time.Hour)
		s.sweep(t, mfadeadline.Swept{Checked: 1, Alerted: 1})
		s.clock.Advance(24 * time.Hour)
		s.sweep(t, mfadeadline.Swept{Checked: 1, Reminded: 1})
		s.wantTitles(t, missingTitle, reminderTitle("critical", 3))
	})
	t.Run("MFA that is removed again", func(t *testing.T) {
		s := newSwept()
		s.call(t, "CreateUser")
		s.call(t, "CreateLoginProfile")
		s.clock.Advance(24 * time.Hour)
		s.sweep(t, mfadeadline.Swept{Checked: 1, Alerted: 1})
		s.clock.Advance(time.Second)
		s.call(t, "EnableMFADevice")
		s.clock.Advance(time.Second)
		s.call(t, "DeactivateMFADevice")
		s.clock.Advance(5 * time.Minute)
		s.sweep(t, mfadeadline.Swept{Checked: 1, Resolved: 1})
		s.clock.Advance(24 * time.Hour)
		s.sweep(t, mfadeadline.Swept{Checked: 1, Alerted: 1})
		s.wantTitles(t, missingTitle, closedTitle, missingTitle)
	})
}

// TestClocks holds that neither a record dated later than the sweep nor a sweep
// whose clock is ahead or behind loses a user.
func TestClocks(t *testing.T) {
	s := newSwept()
	s.iam.users["eve"] = liveUser{password: true}
	ahead := s.clock.Now().Add(2 * time.Minute)
	s.handle(t, iamCall("CreateUser", "eve", s.clock.Now().Add(-24*time.Hour)), guard.Recorded) // due at once
	s.handle(t, iamCall("CreateLoginProfile", "eve", ahead), guard.Recorded)
	s.sweep(t, mfadeadline.Swept{Checked: 1})
	s.clock.Advance(7 * time.Minute)
	s.sweep(t, mfadeadline.Swept{Checked: 1})
	s.clock.Advance(24 * time.Hour)
	s.sweep(t, mfadeadline.Swept{Checked: 1, Alerted: 1})
	for _, skew := range []time.Duration{-time.Hour, 10 * time.Minute, -10 * time.Minute} {
		if got, err := s.Sweep(t.Context(), s.iam, s.clock.Now().Add(skew)); err != nil || got.Alerted+got.Reminded > 0 {
			t.Errorf("a clock %v off: %+v, %v", skew, got, err)
		}
	}
	s.clock.Advance(time.Hour)
	s.sweep(t, mfadeadline.Swept{Checked: 1, Reminded: 1})
}

// TestLeaseAcrossClocks holds that what one process publishes, for as long as it
// may, is not taken over by another whose clock is a minute ahead or behind, and
// that it is when the first is dead.
func TestLeaseAcrossClocks(t *testing.T) {
	for _, ahead := range []time.Duration{time.Minute, -time.Minute} {
		w := newWorld()
		rec := w.createUser(1, t0)
		other := newParts(wire.Deps{
			Detector: detectorFunc(func(*cloudtrail.Record, *detect.AssumedRoot) detect.Outcome {
				return detect.Outcome{Kind: detect.Matched, Finding: w.findings[rec.EventID]}
			}),
			Ledger: w.ledger, Facts: w.journal, FactRows: w.journal, Publisher: w.pub, Now: func() time.Time { return w.clock.Now().Add(ahead) },
		}, w.settings)
		w.pub.Refuse = func(alert.Alert) error {
			w.pub.Refuse = nil
			for range 4 {
				if _, err := other.Handle(t.Context(), rec); !errors.Is(err, guard.ErrBusy) {
					t.Errorf("%v ahead: got %v while the alert is on its way", ahead, err)
				}
				w.clock.Advance(7 * time.Second)
			}
			w.script.Inject(1, fake.CrashAfter)
			return errors.New("cut off")
		}
		if _, err := w.Handle(t.Context(), rec); err == nil {
			t.Error("no error")
		}
		w.script.Restart()
		w.clock.Advance(w.settings.Lease + time.Minute)
		if _, err := other.Handle(t.Context(), rec); err != nil {
			t.Errorf("%v ahead: %v", ahead, err)
		}
		if n := len(w.pub.Published()); n != 1 {
			t.Errorf("%v ahead: %d alerts", ahead, n)
		}
	}
}

// TestSweepWithoutAnswer holds that while IAM does not answer no one is alerted
// and no one dropped, that this is no error of the sweep, and that it asks less
// and less often.
func TestSweepWithoutAnswer(t *testing.T) {
	s := newSwept()
	s.call(t, "CreateUser")
	s.call(t, "CreateLoginProfile")
	s.clock.Advance(24 * time.Hour)
	s.iam.down = true
	asked := []int{}
	for range 12 * 12 {
		before := s.iam.asked
		if _, err := s.Sweep(t.Context(), s.iam, s.clock.Now()); err != nil {
			t.Errorf("sweeping: %v", err)
		}
		if s.iam.asked > before {
			asked = append(asked, int(s.clock.Now().Sub(t0.Add(24*time.Hour))/time.Minute))
		}
		s.clock.Advance(5 * time.Minute)
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
	s.wantTitles(t)
	s.iam.down = false
	s.clock.Advance(time.Hour)
	s.sweep(t, mfadeadline.Swept{Checked: 1, Alerted: 1})
}

// TestFaults makes each call in the life of a user, from its password until it
// has MFA, fail or be the last of its process, and then each two of them.
// Everything is reported all the same, and twice only where a fault came between an
// alert's going out and its being marked as sent.
func TestFaults(t *testing.T) {
	t.Parallel()
	want := []string{
		"medium Console password created for IAM user: eve", missingTitle, reminderTitle("high", 1), "info MFA added for IAM user: eve", closedTitle,
	}
	run := func(t *testing.T, plan map[int]fake.Fault) (calls []string) {
		t.Helper()
		s := newSwept()
		s.parts = newParts(wire.Deps{
			Detector: &detect.Detector{}, Ledger: s.ledger, Facts: s.journal, FactRows: s.journal, Publisher: s.pub, Now: s.clock.Now, Deadlines: s.deadlines,
		}, s.settings)
		for n, f := range plan {
			s.script.Inject(n, f)
		}
		// again repeats what failed until it does not, as a queue and a schedule do.
		again := func(do func() error) {
			for try := 0; do() != nil; try++ {
				if try == 5 {
					t.Fatalf("%v: it fails for ever", plan)
				}
				s.script.Revive()
				s.clock.Advance(5 * time.Minute)
			}
		}
		handle := func(call string) {
			s.apply(call, "eve")
			rec := iamCall(call, "eve", s.clock.Now())
			again(func() error { _, err := s.Handle(t.Context(), rec); return err })
		}
		sweep := func() {
			for range 3 { // as the schedule does: what one that died had leased is free again
				again(func() error { _, err := s.Sweep(t.Context(), s.iam, s.clock.Now()); return err })
				s.clock.Advance(5 * time.Minute)
			}
		}
		handle("CreateLoginProfile")
		s.clock.Advance(24*time.Hour + 30*time.Minute)
		sweep()
		s.clock.Advance(time.Hour)
		sweep()
		s.clock.Advance(time.Hour)
		handle("EnableMFADevice")
		s.clock.Advance(10 * time.Minute)
		sweep()

		copies := map[string]int{}
		var told []string
		for i, a := range s.pub.Published() {
			if copies[a.ID]++; copies[a.ID] == 1 {
				told = append(told, s.titles()[i])
			}
		}
		if diff := cmp.Diff(want, told); diff != "" {
			t.Errorf("%v: alerts (-want +got):\n%s", plan, diff)
		}
		calls = s.script.Calls()
		spare := 0
		for n, f := range plan {
			done := f == fake.FailAfter || f == fake.CrashAfter
			published := calls[n-1] == "Publisher.Publish" && done
			unmarked := n > 1 && calls[n-2] == "Publisher.Publish" && !done
			if published || unmarked {
				spare++
			}
		}
		if extra := len(s.pub.Published()) - len(told); extra > spare {
			t.Errorf("%v: %d copies, and the faults account for %d: %v", plan, extra, spare, s.titles())
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
		for j := i + 1; j <= n; j++ {
			for _, f := range testenv.Turn(i, kinds...) {
				run(t, map[int]fake.Fault{i: f, j: kinds[(i+j)%len(kinds)]})
			}
		}
	}
}

// TestTrackingFails holds that a record is handled again where its user could
// not be tracked.
func TestTrackingFails(t *testing.T) {
	s := newSwept()
	s.apply("CreateLoginProfile", "eve")
	rec := iamCall("CreateLoginProfile", "eve", s.clock.Now())
	s.script.Inject(2, fake.CrashBefore)
	if _, err := s.Handle(t.Context(), rec); !errors.Is(err, fake.ErrCrash) {
		t.Fatalf("got %v", err)
	}
	s.script.Restart()
	s.handle(t, rec, guard.Recorded)
	s.clock.Advance(24 * time.Hour)
	s.sweep(t, mfadeadline.Swept{Checked: 1, Alerted: 1})
}

// TestRecordDuringSweep handles a record after a sweep has read the facts and
// before it notes that nothing is to be done for the user.
func TestRecordDuringSweep(t *testing.T) {
	s := newSwept()
	s.call(t, "CreateUser")
	s.call(t, "CreateLoginProfile")
	s.clock.Advance(time.Minute)
	s.call(t, "EnableMFADevice")
	s.clock.Advance(24 * time.Hour)
	s.iam.during = func() { s.call(t, "DeactivateMFADevice") }
	s.sweep(t, mfadeadline.Swept{})
	s.clock.Advance(24 * time.Hour)
	s.sweep(t, mfadeadline.Swept{Checked: 1, Alerted: 1})
}

// TestSweepMany has 10,000 users due at once. Each run is bounded, and in the
// end every user was checked, reported and reminded of.
func TestSweepMany(t *testing.T) {
	t.Parallel()
	each, most := 500, testenv.Size(3000, 1000)
	accounts := testenv.Size(20, 4)
	s := newSwept(func(s *wire.Settings) { s.Batch, s.SweepUsers = 500, most })
	s.deadlines.Conflicts, s.ledger.Conflicts = false, false
	for a := range accounts {
		for u := range each {
			name := fmt.Sprintf("user%03d", u)
			s.iam.users[name] = liveUser{password: true}
			rec := iamCall("CreateLoginProfile", name, t0)
			rec.RecipientAccountID = fmt.Sprintf("%012d", a)
			s.handle(t, rec, guard.Recorded)
		}
	}
	alerted := 0
	for _, at := range []time.Duration{24 * time.Hour, 25 * time.Hour} {
		s.clock = fake.NewClock(t0.Add(at))
		runs, looked, told := 0, 0, 0
		for {
			got, err := s.Sweep(t.Context(), s.iam, t0.Add(at))
			if err != nil {
				t.Fatal(err)
			}
			if got.Checked > most {
				t.Errorf("a run looked at %d users", got.Checked)
			}
			runs, looked, told = runs+1, looked+got.Checked, told+got.Alerted+got.Reminded
			if !got.More {
				break
			}
		}
		if runs != (accounts*each+most-1)/most || looked != accounts*each || told != accounts*each {
			t.Errorf("%d runs looked at %d users and told of %d", runs, looked, told)
		}
		// What was collected waits some minutes for a run that goes on.
		s.clock.Advance(10 * time.Minute)
		if _, err := s.Sweep(t.Context(), s.iam, s.clock.Now()); err != nil {
			t.Fatal(err)
		}
		if _, err := s.Flush(t.Context(), t0.Add(at+time.Hour)); err != nil {
			t.Fatal(err)
		}
		alerted = len(s.pub.Published())
	}
	covered, extra := s.covered(t)
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
	s := newSwept(func(s *wire.Settings) { s.Batch = 10 })
	for i := range 30 {
		name := fmt.Sprintf("user%02d", i)
		s.apply("CreateLoginProfile", name)
		s.handle(t, iamCall("CreateLoginProfile", name, s.clock.Now()), guard.Recorded)
	}
	s.clock.Advance(24 * time.Hour)
	s.iam.down = true
	s.sweep(t, mfadeadline.Swept{Checked: 30, Unanswered: 30})
	if s.iam.asked > 13 { // five, and those on their way by then
		t.Errorf("IAM was asked %d times", s.iam.asked)
	}
	s.iam.down = false
	s.clock.Advance(5 * time.Minute)
	refused := errors.New("down")
	s.pub.Refuse = func(alert.Alert) error { return refused }
	if got, err := s.Sweep(t.Context(), s.iam, s.clock.Now()); !errors.Is(err, refused) || got.Alerted != 30 || strings.Count(err.Error(), "down") > 6 {
		t.Errorf("SNS down: %+v, %v", got, err)
	}
	s.pub.Refuse = nil
	s.sweep(t, mfadeadline.Swept{}) // it sends what was collected
	s.clock.Advance(5 * time.Minute)
	if all := s.pub.Published(); len(all) != 1 || all[0].Summary == nil || all[0].Summary.FindingCount != 30 {
		t.Errorf("published %v", s.told())
	}
	ctx, cancel := context.WithDeadline(t.Context(), time.Now().Add(time.Hour))
	defer cancel()
	s.clock = fake.NewClock(time.Now().Add(time.Hour - 5*time.Second))
	late := newSweptLike(s)
	if got, err := late.Sweep(ctx, s.iam, t0.Add(26*time.Hour)); err != nil || got.Checked != 0 || !got.More {
		t.Errorf("with five seconds left: %+v, %v", got, err)
	}
}

// TestSweepRefused holds that what no retry gets sent stays collected and is an error of
// every sweep, which goes on to check users meanwhile.
func TestSweepRefused(t *testing.T) {
	s := newSwept(func(s *wire.Settings) { s.Batch, s.SweepUsers = 4, 6 })
	for i := range 10 {
		name := fmt.Sprintf("user%02d", i)
		s.apply("CreateLoginProfile", name)
		s.handle(t, iamCall("CreateLoginProfile", name, s.clock.Now()), guard.Recorded)
	}
	s.clock.Advance(24 * time.Hour)
	s.pub.Refuse = func(alert.Alert) error { return failure.Permanent(errors.New("invalid message")) }
	for i, want := range []mfadeadline.Swept{{Checked: 8, Alerted: 8, More: true}, {Checked: 2, Alerted: 2}, {}} {
		got, err := s.Sweep(t.Context(), s.iam, s.clock.Now())
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("sweep %d (-want +got):\n%s", i+1, diff)
		}
		if err == nil || failure.Retryable(err) {
			t.Errorf("sweep %d: %v", i+1, err)
		}
	}
	s.pub.Refuse = nil
	for range 2 {
		s.sweep(t, mfadeadline.Swept{})
	}
	listed := 0
	for _, a := range s.pub.Published() {
		listed += a.Summary.FindingCount
	}
	if listed != 10 || len(s.pub.Published()) != 2 {
		t.Errorf("%d users in %v", listed, s.told())
	}
}

type liveFunc func(ctx context.Context, account, name string) (bootstrap.LiveFact, error)

func (f liveFunc) User(ctx context.Context, account, name string) (bootstrap.LiveFact, error) {
	return f(ctx, account, name)
}

// TestSweepOutOfReach holds that an account that cannot be asked about keeps
// no one back that IAM has answered about.
func TestSweepOutOfReach(t *testing.T) {
	s := newSwept()
	const away = "000000000000"
	for i := range 8 {
		for _, of := range []string{away, account} {
			name := fmt.Sprintf("user%d", i)
			s.apply("CreateLoginProfile", name)
			rec := iamCall("CreateLoginProfile", name, s.clock.Now())
			rec.RecipientAccountID = of
			s.handle(t, rec, guard.Recorded)
		}
	}
	s.clock.Advance(24 * time.Hour)
	live := liveFunc(func(ctx context.Context, of, name string) (bootstrap.LiveFact, error) {
		if of == away {
			return bootstrap.LiveFact{}, errors.New("access denied")
		}
		return s.iam.User(ctx, of, name)
	})
	got, err := s.Sweep(t.Context(), live, s.clock.Now())
	if err != nil || got.Alerted != 8 || got.Unanswered != 8 || got.Checked != 16 {
		t.Errorf("%+v, %v", got, err)
	}
}

// newSweptLike is a guard over the same stores, with the clock that w has now.
func newSweptLike(s *swept) *parts {
	return newParts(wire.Deps{
		Detector: detectorFunc(nothing), Ledger: s.ledger, Facts: s.journal, FactRows: s.journal, Publisher: s.pub, Now: s.clock.Now, Deadlines: s.deadlines,
	}, s.settings)
}

// nothing is a detector that finds nothing.
func nothing(*cloudtrail.Record, *detect.AssumedRoot) detect.Outcome {
	return detect.Outcome{Kind: detect.Skipped, Reason: "no rule"}
}
