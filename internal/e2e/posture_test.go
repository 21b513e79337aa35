package e2e

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"rootguard/internal/alert"
	"rootguard/internal/bootstrap"
	"rootguard/internal/detect"
)

// found are the alerts about accounts and users, each once: not those about the
// guard itself, of which the emulation lacks parts, and no resends.
func (c *cloud) found() []received {
	c.t.Helper()
	return slices.DeleteFunc(slices.Clone(c.alerts()), func(a received) bool {
		return a.Finding.ID == detect.GuardUnhealthy || a.Kind == alert.Resend
	})
}

func (c *cloud) wantFound(want ...string) {
	c.t.Helper()
	if diff := cmp.Diff(want, lines(c.found())); diff != "" {
		c.t.Errorf("found (-want +got):\n%s", diff)
	}
}

// TestFoundUser follows a user that was there before the guard: no event reports
// it, and it is found, has its grace from then, and is reported.
func TestFoundUser(t *testing.T) {
	c := deployed(t)
	old := c.createUser("old")
	old.setPassword() // no event of either is delivered
	safe := c.createUser("safe")
	safe.setPassword()
	safe.enableMFA()

	now := time.Now()
	c.handled(c.tick(now))
	u := c.user("old", now)
	if u.MFA != bootstrap.MFAPending || u.UserID != old.id {
		t.Fatalf("on record: %+v", u)
	}
	if u := c.user("safe", now); u.MFA != bootstrap.MFAOn { // by the credential report, which names no devices
		t.Errorf("on record: %+v", u)
	}
	if grace := u.GraceDeadline.Sub(now).Round(time.Hour); grace != day {
		t.Errorf("it has %v", grace)
	}
	c.handled(c.tick(u.GraceDeadline.Add(-10 * time.Minute)))
	c.wantFound("user.mfa.pending medium old")
	for range 2 {
		c.handled(c.tick(u.GraceDeadline.Add(10 * time.Minute)))
	}
	c.wantFound("user.mfa.pending medium old", "user.mfa.missing high old")
	if found := c.found(); len(found) < 2 || !strings.Contains(found[1].Finding.Detail, "no event was delivered") {
		t.Errorf("the alerts: %+v", found)
	}

	// A user who is gone, without an event, is closed within a day or so.
	c.dropUser("safe")
	for _, hours := range []time.Duration{12, 24, 36, 40} {
		c.handled(c.tick(u.GraceDeadline.Add(hours * time.Hour)))
	}
	if u := c.user("safe", u.GraceDeadline.Add(41*time.Hour)); !u.Deleted {
		t.Errorf("on record: %+v", u)
	}
}

// TestRootRegression changes root without an event: its MFA is removed, a key is there,
// and both are over.
func TestRootRegression(t *testing.T) {
	c := deployed(t)
	account := c.d.account
	now := time.Now()
	pass := func(d time.Duration) {
		t.Helper()
		for end := now.Add(d); now.Before(end); {
			now = now.Add(20 * time.Minute)
			c.handled(c.tick(now))
		}
	}
	step := func(step bootstrap.Step, want bootstrap.State) {
		t.Helper()
		for _, s := range c.status(account, now).Steps {
			if s.Step == step && s.State != want {
				t.Errorf("%s is %s, want %s", step, s.State, want)
			}
		}
	}
	pass(time.Hour)
	step(bootstrap.RootMFA, bootstrap.Done)
	step(bootstrap.RootKeysAbsent, bootstrap.Done)
	c.wantFound()

	c.root(root{mfa: false, password: true, accessKeys: true})
	pass(2 * time.Hour)
	step(bootstrap.RootMFA, bootstrap.Regressed)
	step(bootstrap.RootKeysAbsent, bootstrap.Regressed)
	alerted := map[string]int{}
	for _, a := range c.found() {
		alerted[string(a.Finding.ID)]++
		if !strings.Contains(a.Finding.Detail, "No event was delivered") {
			t.Errorf("%s says: %s", a.Finding.ID, a.Finding.Detail)
		}
	}
	if diff := cmp.Diff(map[string]int{"root.mfa.removed": 1, "root.access_key.created": 1}, alerted); diff != "" {
		t.Errorf("alerts (-want +got):\n%s", diff)
	}

	c.root(root{mfa: true, password: true})
	pass(2 * time.Hour)
	step(bootstrap.RootMFA, bootstrap.Done)
	closed := 0
	for _, a := range c.found() {
		if strings.HasSuffix(a.Finding.EventID, "/closed") {
			closed++
		}
	}
	if closed != 2 {
		t.Errorf("%d notes that it is over, want 2", closed)
	}
}
