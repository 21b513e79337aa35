package e2e

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"rootguard/internal/bootstrap"
)

const day = 24 * time.Hour

// TestStory follows a user from its creation until it has MFA.
func TestStory(t *testing.T) {
	c := deployed(t)
	eve := c.createUser("eve")
	password := eve.setPassword() // the console makes both at once
	c.handled(c.deliver(eve.created()))

	// One invocation: on record, checked live, and reported.
	u := c.user("eve", time.Now())
	if u.MFA != bootstrap.MFAPending || u.UserID != eve.id || !u.ConsoleAccess || u.ConsoleEvidence == nil || !strings.Contains(u.ConsoleEvidence.What, "live check") {
		t.Errorf("on record: %+v, evidence of the console password %+v", u, u.ConsoleEvidence)
	}
	c.wantAlerts("user.created info eve")
	a := c.alerts()[0]
	if a.Finding.Actor.Name != "admin" || a.AccountName != "prod" {
		t.Errorf("the alert is about account %q and says it was done by %q", a.AccountName, a.Finding.Actor.Name)
	}
	if until := a.Deadline.Sub(eve.made).Round(time.Minute); until != day {
		t.Errorf("MFA is tolerated missing for %v, want 24h", until)
	}
	published := c.calls("sns", "Publish")
	if len(published) != 1 {
		t.Fatalf("%d calls of sns:Publish", len(published))
	}
	text := published[0].form.Get("Message")
	for _, want := range []string{"eve", "admin", "MFA", a.Deadline.UTC().Format("2006-01-02 15:04")} {
		if !strings.Contains(text, want) {
			t.Errorf("the message does not say %q: %s", want, text)
		}
	}

	c.handled(c.deliver(password))
	c.handled(c.deliver(eve.enableMFA()))
	c.wantAlerts("user.created info eve", "user.console_access medium eve", "user.mfa.added info eve")
	if u := c.user("eve", time.Now()); u.MFA != bootstrap.MFAOn || !cmp.Equal(u.MFADevices, []string{eve.mfa}) {
		t.Errorf("with MFA: %+v", u)
	}
	c.handled(c.tick(time.Now().Add(2 * day)))
	c.wantAlerts("user.created info eve", "user.console_access medium eve", "user.mfa.added info eve")
}

func TestDuplicates(t *testing.T) {
	c := deployed(t)
	eve := c.createUser("eve")
	for range 3 {
		c.handled(c.deliver(eve.created()))
	}
	c.wantAlerts("user.created info eve")
}

func TestOutOfOrder(t *testing.T) {
	c := deployed(t)
	eve := c.createUser("eve")
	password := eve.setPassword()
	mfa := eve.enableMFA()
	for _, event := range [][]byte{mfa, password, eve.created(), mfa, eve.created(), password} {
		c.handled(c.deliver(event))
	}
	c.wantAlerts("user.mfa.added info eve", "user.console_access medium eve", "user.created info eve")
	if u := c.user("eve", time.Now()); u.MFA != bootstrap.MFAOn || u.UserID != eve.id || u.CreatedAt.IsZero() {
		t.Errorf("on record: %+v", u)
	}
}

// TestGrace follows a user who gets no MFA through the deadline, the reminders
// and, in the end, MFA.
func TestGrace(t *testing.T) {
	c := deployed(t)
	eve := c.createUser("eve")
	c.handled(c.deliver(eve.created()))
	c.handled(c.deliver(eve.setPassword()))
	want := []string{"user.created info eve", "user.console_access medium eve"}
	deadline := c.alerts()[1].Deadline
	for _, step := range []struct {
		after time.Duration // the deadline
		alert string
	}{
		{-10 * time.Minute, ""},
		{10 * time.Minute, "user.mfa.missing high eve"},
		{20 * time.Minute, ""},
		{70 * time.Minute, "user.mfa.missing high eve"},
		{25 * time.Hour, "user.mfa.missing high eve"},
		{73 * time.Hour, "user.mfa.missing critical eve"},
		{74 * time.Hour, "user.mfa.missing critical eve"}, // no one acknowledged the last one
	} {
		at := deadline.Add(step.after)
		for range 2 { // schedules may fire twice
			c.handled(c.tick(at))
		}
		if step.alert != "" {
			want = append(want, step.alert)
		}
		if diff := cmp.Diff(want, lines(c.alerts())); diff != "" {
			t.Fatalf("%v after the deadline, alerts (-want +got):\n%s", step.after, diff)
		}
	}
	if n := len(c.escalated()); n != 2 {
		t.Errorf("%d alerts on the topic for escalations, want the last reminder, twice", n)
	}
	eve.enableMFA() // its event gets lost
	c.handled(c.tick(deadline.Add(5 * day)))
	c.handled(c.tick(deadline.Add(6 * day)))
	want = append(want, "user.mfa.missing info eve")
	if diff := cmp.Diff(want, lines(c.alerts())); diff != "" {
		t.Errorf("with MFA, alerts (-want +got):\n%s", diff)
	}
}
