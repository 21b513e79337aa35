package collection_test

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"rootguard/internal/alert"
	"rootguard/internal/cloudtrail"
	"rootguard/internal/collection"
	"rootguard/internal/detect"
	"rootguard/internal/fake"
	"rootguard/internal/guard"
	"rootguard/internal/incident"
	"rootguard/internal/testenv"
)

// TestCollectFaults lets each call of two runs go wrong in which what was collected
// about users of five accounts goes out: nothing is lost, and nothing is sent under two
// alert IDs.
func TestCollectFaults(t *testing.T) {
	t.Parallel()
	life := func(t *testing.T, n int, f fake.Fault) (said map[string]int, calls int) {
		t.Helper()
		c := newCountry(5, 2)
		c.days(t, 1, time.Hour) // found, and one hour before the deadline
		before := len(c.script.Calls())
		if n > 0 {
			c.script.Inject(n, f)
		}
		for i := range 8 {
			_ = c.sweep()
			if i == 1 {
				calls = len(c.script.Calls()) - before
			}
			c.script.Restart()
			c.clock.Advance(5 * time.Minute)
		}
		if copies := c.withoutCopies(); copies > 1 {
			t.Errorf("%s of call %d: %d copies", f, n, copies)
		}
		return c.notices(), calls
	}
	want, calls := life(t, 0, fake.None)
	if len(want) < 10+10 {
		t.Fatalf("without a fault: %v", want)
	}
	for n := 1; n <= calls; n += testenv.Size(1, 5) {
		for _, f := range testenv.Turn(n, fake.FailBefore, fake.FailAfter, fake.CrashBefore, fake.CrashAfter) {
			got, _ := life(t, n, f)
			for what := range want {
				if got[what] != 1 {
					t.Errorf("%s of call %d: %s was sent %d times", f, n, what, got[what])
				}
			}
		}
	}
}

// withoutCopies drops mails with the ID of an earlier one, and counts them.
func (c *country) withoutCopies() (copies int) {
	ids := map[string]bool{}
	c.mails = slices.DeleteFunc(c.mails, func(m mail) bool {
		again := ids[m.ID]
		if ids[m.ID] = true; again {
			copies++
		}
		return again
	})
	return copies
}

// TestPausedSweep pauses a sweep before each of its calls, while others run whole:
// each notice goes out in one alert.
func TestPausedSweep(t *testing.T) {
	t.Parallel()
	life := func(t *testing.T, pause int) (said map[string]int, calls int) {
		t.Helper()
		c := newCountry(1, 1)
		c.days(t, 1, time.Hour)
		before := len(c.script.Calls())
		c.script.Pause(pause+1, func() {
			for range 2 {
				c.clock.Advance(5 * time.Minute)
				_ = c.sweep()
			}
		})
		for i := range 8 {
			_ = c.sweep()
			if i == 1 {
				calls = len(c.script.Calls()) - before
			}
			c.clock.Advance(5 * time.Minute)
		}
		if copies := c.withoutCopies(); copies > 1 { // a lease ends before a publish that is paused
			t.Errorf("paused before call %d: %d copies", pause, copies)
		}
		return c.notices(), calls
	}
	want, calls := life(t, -1)
	if len(want) < 2 {
		t.Fatalf("without a pause: %v", want)
	}
	for pause := range calls {
		got, _ := life(t, pause)
		for what := range want {
			if got[what] != 1 {
				t.Errorf("paused before call %d: %s was sent %d times", pause, what, got[what])
			}
		}
	}
}

// TestSweepAfterAnInterruptedOne: what an interrupted sweep still has leased a second
// later is no failure of the next one, and goes out when the lease is over.
func TestSweepAfterAnInterruptedOne(t *testing.T) {
	t.Parallel()
	life := func(t *testing.T, n int, f fake.Fault) (said map[string]int, calls int) {
		t.Helper()
		c := newCountry(1, 1)
		c.days(t, 1, time.Hour)
		before := len(c.script.Calls())
		if n > 0 {
			c.script.Inject(n, f)
		}
		for i := range 10 {
			if err := c.sweep(); err != nil && i != 0 {
				t.Errorf("%s of call %d: sweep %d after it: %v", f, n, i, err)
			}
			if i == 0 {
				calls = len(c.script.Calls()) - before
			}
			c.script.Restart()
			if i == 0 {
				c.clock.Advance(time.Second)
			} else {
				c.clock.Advance(5 * time.Minute)
			}
		}
		c.withoutCopies()
		return c.notices(), calls
	}
	want, calls := life(t, 0, fake.None)
	if len(want) < 2 {
		t.Fatalf("without a fault: %v", want)
	}
	for n := 1; n <= calls; n++ {
		for _, f := range testenv.Turn(n/2, fake.FailAfter, fake.FailBefore, fake.CrashAfter, fake.CrashBefore) {
			got, _ := life(t, n, f)
			for what := range want {
				if got[what] != 1 {
					t.Errorf("%s of call %d: %s was sent %d times", f, n, what, got[what])
				}
			}
		}
	}
}

// deadlinesOf has the users of accounts found by the first check, and goes on to their
// deadline.
func deadlinesOf(t *testing.T, accounts, users int) *country {
	t.Helper()
	c := newCountry(accounts, users)
	c.noMFA, c.keys = map[string]bool{}, map[string]bool{}
	c.days(t, 1, 5*time.Minute)
	return c
}

// since are the mails since a time, as "kind severity title".
func (c *country) since(at time.Time) (lines []string) {
	for i := range c.mails {
		if m := &c.mails[i]; !m.at.Before(at) {
			lines = append(lines, fmt.Sprintf("%s %s %s", m.Kind, m.Finding.Severity, m.Finding.Title))
		}
	}
	return lines
}

func want(t *testing.T, got []string, want ...string) {
	t.Helper()
	if !slices.Equal(got, want) {
		t.Errorf("got mails\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}

// TestOneUserHasAMailOfItsOwn is the near-miss of all that is sent together.
func TestOneUserHasAMailOfItsOwn(t *testing.T) {
	c := deadlinesOf(t, 1, 1)
	c.days(t, 4, 5*time.Minute)
	c.users[hub][0].mfa = true
	c.days(t, 2, 5*time.Minute)
	want(t, c.since(begin),
		"first medium IAM user has no MFA yet: user-0000-00",
		"first high IAM user still without MFA: user-0000-00",
		"first high IAM user still without MFA, reminder 1 of 3: user-0000-00",
		"first high IAM user still without MFA, reminder 2 of 3: user-0000-00",
		"first critical IAM user still without MFA, reminder 3 of 3: user-0000-00",
		"resend critical IAM user still without MFA, reminder 3 of 3: user-0000-00 (repeat 1 of 2)",
		"resend critical IAM user still without MFA, reminder 3 of 3: user-0000-00 (repeat 2 of 2)",
		"first info IAM user no longer without MFA: user-0000-00")
}

// TestFewAccountsHaveAMailEach: what is due at once about two accounts goes out in
// one mail each, with all of their users.
func TestFewAccountsHaveAMailEach(t *testing.T) {
	c := deadlinesOf(t, 2, 3)
	for i := range c.mails {
		m := &c.mails[i]
		if m.Summary == nil || m.Summary.AccountCount != 1 || m.Summary.FindingCount != 3 || m.Finding.Account != m.Summary.Accounts[0].Account {
			t.Errorf("%s: %+v", m.Finding.Title, m.Summary)
		}
	}
	want(t, c.since(begin.Add(23*time.Hour)), "summary high 3 IAM users still without MFA", "summary high 3 IAM users still without MFA")
}

// TestMailIsOfTheWorstAccount: one mail about several accounts has that of the most users
// without MFA for its account, which is the first it lists.
func TestMailIsOfTheWorstAccount(t *testing.T) {
	c := newCountry(5, 0)
	for i, users := range []int{1, 1, 3, 2, 1} {
		for n := range users {
			f := detect.MFAMissing(c.accounts[i], detect.Target{UserName: fmt.Sprintf("user-%d", n)}, begin.Add(-24*time.Hour), begin, "")
			if _, err := c.Notices.Collect(t.Context(), collection.UserNotices, guard.Notice{Finding: f}); err != nil {
				t.Fatal(err)
			}
		}
	}
	if _, err := c.Notices.Send(t.Context(), collection.UserNotices, c.clock.Now(), false); err != nil {
		t.Fatal(err)
	}
	all := c.pub.Published()
	if len(all) != 1 {
		t.Fatalf("%d mails, want 1", len(all))
	}
	if a := all[0]; a.Summary == nil || a.Summary.AccountCount != 5 || a.Summary.Accounts[0].Account != c.accounts[2] || a.Finding.Account != c.accounts[2] {
		t.Errorf("a mail of account %s: %+v", a.Finding.Account, a.Summary)
	}
}

// TestWaitingMail: after some mails in a day the next one waits, with the latest of each
// user, and without those who have MFA by then.
func TestWaitingMail(t *testing.T) {
	c := newCountry(1, 0)
	missing := func(name string) detect.Finding {
		return detect.MFAMissing(hub, detect.Target{UserName: name}, begin.Add(-24*time.Hour), begin, "")
	}
	send := func(sent int, all ...detect.Finding) {
		t.Helper()
		for _, f := range all {
			if _, err := c.Notices.Collect(t.Context(), collection.UserNotices, guard.Notice{Finding: f}); err != nil {
				t.Fatal(err)
			}
		}
		if n, err := c.Notices.Send(t.Context(), collection.UserNotices, c.clock.Now(), false); n != sent || err != nil {
			t.Errorf("at %v: sent %d, %v, want %d", c.clock.Now(), n, err, sent)
		}
	}
	for _, name := range []string{"a", "b", "c", "d", "d2"} {
		send(1, missing(name))
		c.clock.Advance(time.Minute)
	}
	send(0, missing("e"), missing("f"), missing("g"))
	c.clock.Advance(time.Hour)
	send(0, detect.MFAClosed(missing("e"), cloudtrail.Yes, "the user has MFA", c.clock.Now()), detect.MFAReminder(missing("f"), 1, 3, c.clock.Now()))
	send(0, detect.MFAClosed(missing("a"), cloudtrail.Yes, "the user has MFA", c.clock.Now()))
	if ready, err := c.Notices.Ready(t.Context(), collection.UserNotices, c.clock.Now()); ready || err != nil {
		t.Errorf("ready %v, %v", ready, err)
	}
	c.clock.Advance(5 * time.Hour)
	send(1, missing("f")) // once more, which changes nothing
	got := map[string]alert.Stage{}
	all := c.pub.Published()
	for _, it := range all[len(all)-1].Summary.Accounts[0].Findings {
		got[it.User] = it.Stage
	}
	if diff := cmp.Diff(map[string]alert.Stage{"a": alert.StageResolved, "f": alert.StageReminder, "g": alert.StageOverdue}, got); diff != "" {
		t.Errorf("the mail that waited (-want +got):\n%s", diff)
	}
	c.clock.Advance(25 * time.Hour)
	send(1, missing("h"))
}

// TestUsersTakenOut: a user whose MFA arrives after the mail is in the next one as one
// who is done with.
func TestUsersTakenOut(t *testing.T) {
	c := deadlinesOf(t, 4, 2) // one mail of the first check, and one at the deadlines
	last := c.mails[len(c.mails)-1]
	if last.Summary == nil || last.Summary.AccountCount != 4 || last.Summary.FindingCount != 8 {
		t.Fatalf("at the deadline: %s, %+v", last.Finding.Title, last.Summary)
	}
	from := c.clock.Now()
	c.users[hub][0].mfa = true
	rec := cloudtrail.Record{
		EventID: "enabled", EventTime: c.clock.Now(), EventSource: "iam.amazonaws.com", EventName: "EnableMFADevice", RecipientAccountID: hub,
		UserIdentity:      cloudtrail.UserIdentity{Type: "IAMUser", UserName: c.users[hub][0].name, PrincipalID: c.users[hub][0].id},
		RequestParameters: fmt.Appendf(nil, `{"userName":%q,"serialNumber":"arn:aws:iam::%s:mfa/one"}`, c.users[hub][0].name, hub),
	}
	if _, err := c.Guard.Handle(t.Context(), &rec); err != nil {
		t.Fatal(err)
	}
	from = from.Add(time.Nanosecond)
	c.days(t, 1, 5*time.Minute)
	named := map[alert.Stage]int{}
	for i := range c.mails {
		if m := &c.mails[i]; m.at.After(from) {
			if m.Summary == nil {
				if m.Finding.Subject.Phase == detect.PhaseResolved {
					named[alert.StageResolved]++
				}
				continue
			}
			for _, of := range m.Summary.Accounts {
				for _, it := range of.Findings {
					if it.User == c.users[hub][0].name {
						named[it.Stage]++
					}
				}
			}
		}
	}
	if len(named) != 1 || named[alert.StageResolved] != 1 {
		t.Errorf("the user with MFA is in %v, want resolved alone", named)
	}
}

// TestAckOfAnAccountsUsers: one acknowledgement is about all users of an account, and
// the next user who is past the last reminder opens the incident again.
func TestAckOfAnAccountsUsers(t *testing.T) {
	c := deadlinesOf(t, 1, 3)
	c.days(t, 3, 5*time.Minute)
	last := c.mails[len(c.mails)-1]
	for last.Kind == alert.Resend {
		c.mails = c.mails[:len(c.mails)-1]
		last = c.mails[len(c.mails)-1]
	}
	if last.Finding.Severity != detect.Critical || last.Incident == nil || last.Summary.FindingCount != 3 {
		t.Fatalf("the last reminder: %s %+v %+v", last.Finding.Title, last.Incident, last.Summary)
	}
	in, already, err := c.Incidents.Acknowledge(t.Context(), last.Incident.ID, incident.Ack{By: "ann", Note: "tokens come on Monday"})
	if err != nil || already || len(in.Users) != 3 {
		t.Fatalf("%+v, %v, %v", in, already, err)
	}
	c.mails = nil
	for range c.pub.Published() {
		c.mails = append(c.mails, mail{})
	}
	c.users[hub] = append(c.users[hub], &person{name: "late", id: "AIDALATE"})
	c.days(t, 6, 5*time.Minute)
	var reopened *alert.Incident
	for _, m := range c.mails {
		if m.Incident != nil && m.Finding.Severity == detect.Critical && m.Kind != alert.Resend {
			reopened = m.Incident
		}
	}
	if reopened == nil || reopened.ID != last.Incident.ID || reopened.Reopened == nil || reopened.Reopened.AcknowledgedBy != "ann" {
		t.Errorf("the next user: %+v", reopened)
	}
}

// TestTopicGone: where one receiver of several is gone, what is collected later goes
// out to the others, and where all are gone all of it stays due.
func TestTopicGone(t *testing.T) {
	testenv.Soak(t)
	c := newCountry(5, 2)
	took := map[string]int{}
	gone := errors.New("escalation: NotFound")
	c.pub.Refuse = func(a alert.Alert) error {
		if len(a.DeliveredTo) == 0 && a.Kind != alert.Resend {
			for _, one := range alert.Each(a) {
				took[one.Finding.EventID]++
			}
		}
		return &guard.Partial{DeliveredTo: []string{"alerts"}, Err: gone}
	}
	for range 12 * 30 {
		if err := c.sweep(); err != nil && !errors.Is(err, gone) {
			t.Fatal(err)
		}
		c.clock.Advance(5 * time.Minute)
	}
	overdue := 0
	for what, n := range took {
		if n != 1 {
			t.Errorf("%s reached the topic that is there %d times", what, n)
		}
		if strings.HasPrefix(what, string(detect.UserMFAMissing)+"/") {
			overdue++
		}
	}
	if overdue != 2*5*2 { // the deadline, and the first reminder
		t.Errorf("%d notices about users past their deadline reached the topic that is there, want 20: %v", overdue, took)
	}
	c.pub.Refuse = nil
	for range 24 {
		_ = c.sweep()
		c.clock.Advance(5 * time.Minute)
	}
	for what := range took {
		if c.notices()[what] != 1 {
			t.Errorf("%s reached the other %d times once it was back", what, c.notices()[what])
		}
	}
}

// TestAcknowledgedUsersAreNotRepeated: of a mail that waits, what repeats an incident
// that was acknowledged meanwhile is left out, and no other user.
func TestAcknowledgedUsersAreNotRepeated(t *testing.T) {
	for _, acked := range []bool{false, true} {
		c := deadlinesOf(t, 1, 1)
		c.days(t, 3, 5*time.Minute)
		last := c.mails[len(c.mails)-1]
		if last.Incident == nil {
			t.Fatalf("the last reminder: %s", last.Finding.Title)
		}
		c.clock.Advance(25 * time.Hour)
		repeat := last.Finding
		repeat.Title += " (repeat 2 of 2)"
		early := detect.MFAMissing(hub, detect.Target{UserName: "early"}, begin.Add(-24*time.Hour), c.clock.Now().Add(-time.Hour), "")
		late := detect.MFAMissing(hub, detect.Target{UserName: "late"}, begin.Add(-24*time.Hour), c.clock.Now(), "")
		for _, n := range []guard.Notice{
			{Finding: early}, {Finding: repeat, Incident: last.Incident, Cycle: 1, Kind: alert.Resend, Claim: "again"}, {Finding: late},
		} {
			if _, err := c.Notices.Collect(t.Context(), collection.UserNotices, n); err != nil {
				t.Fatal(err)
			}
		}
		if acked {
			if _, _, err := c.Incidents.Acknowledge(t.Context(), last.Incident.ID, incident.Ack{By: "ann"}); err != nil {
				t.Fatal(err)
			}
		}
		if n, err := c.Notices.Send(t.Context(), collection.UserNotices, c.clock.Now(), false); n != 1 || err != nil {
			t.Fatalf("sent %d, %v", n, err)
		}
		all := c.pub.Published()
		var users []string
		for _, it := range all[len(all)-1].Summary.Accounts[0].Findings {
			users = append(users, it.User)
		}
		slices.Sort(users)
		wantUsers := []string{"early", "late"}
		if !acked {
			wantUsers = append(wantUsers, last.Finding.Target.UserName)
		}
		if !slices.Equal(users, wantUsers) {
			t.Errorf("acknowledged %v: the mail is about %v, want %v", acked, users, wantUsers)
		}
	}
}

// TestClaimed holds that a notice is known as collected from its claim on, also where it
// is in no batch yet, and no other is.
func TestClaimed(t *testing.T) {
	h := newHeld(nil)
	script := &fake.Script{}
	h.store.Script = script
	eve, adam := missing(hub, "eve"), missing(hub, "adam")
	script.Inject(1, fake.CrashAfter)
	if _, err := h.Collect(t.Context(), collection.UserNotices, guard.Notice{Finding: eve}); !errors.Is(err, fake.ErrCrash) || !script.Restart() {
		t.Fatalf("collecting: %v", err)
	}
	for f, want := range map[*detect.Finding]bool{&eve: true, &adam: false} {
		if is, err := h.Claimed(t.Context(), f); is != want || err != nil {
			t.Errorf("%s: %v, %v, want %v", f.EventID, is, err, want)
		}
	}
	script.Inject(1, fake.FailBefore)
	if is, err := h.Claimed(t.Context(), &eve); is || !errors.Is(err, fake.ErrFault) {
		t.Errorf("where it cannot be read: %v, %v", is, err)
	}
}
