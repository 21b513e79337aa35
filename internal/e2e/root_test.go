package e2e

import (
	"strings"
	"testing"
	"time"

	"rootguard/internal/bootstrap"
)

// TestRootSignIn follows sign-ins of root with MFA, without, and failed ones.
func TestRootSignIn(t *testing.T) {
	const others = "111122223333" // forwarded from there; root is not checked live
	for _, tt := range []struct {
		name, mfa, result, want string
		escalates               bool
	}{
		{"with MFA", "Yes", "Success", "root.signin critical " + others, true},
		{"without", "No", "Success", "root.signin.no_mfa critical " + others, true},
		{"unsaid", "", "Success", "root.signin critical " + others, true},
		{"failed", "No", "Failure", "root.signin.failed medium " + others, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			c := deployed(t)
			event := c.rootSignIn(others, tt.mfa, tt.result, nil)
			c.handled(c.deliver(event))
			c.wantAlerts(tt.want)
			got := c.alerts()
			if len(got) != 1 {
				t.FailNow()
			}
			a := got[0]
			severity := strings.Fields(tt.want)[1]
			if a.Finding.EventID != c.eventID(event) || a.Attributes["severity"] != severity || a.Attributes["account"] != others || a.Attributes["finding"] != `["`+string(a.Finding.ID)+`"]` {
				t.Errorf("alert about event %s, attributes %v", a.Finding.EventID, a.Attributes)
			}
			if a.Subject == "" || len(a.Subject) >= 100 {
				t.Errorf("subject %q", a.Subject)
			}
			if n := len(c.escalated()); (n == 1) != tt.escalates {
				t.Errorf("%d alerts on the topic for escalations, want some: %v", n, tt.escalates)
			}
		})
	}
}

// TestRootLive holds that root of the guard's own account is checked live within
// the invocation that a sign-in causes.
func TestRootLive(t *testing.T) {
	c := deployed(t)
	c.root(root{mfa: true, password: true})
	c.handled(c.deliver(c.rootSignIn(c.d.account, "Yes", "Success", nil)))
	c.wantAlerts("root.signin critical " + c.d.account)
	if a := c.alerts()[0]; a.AccountName != "prod" {
		t.Errorf("account name %q", a.AccountName)
	}
	states := map[bootstrap.Step]bootstrap.State{}
	for _, step := range c.status(c.d.account, time.Now()).Steps {
		states[step.Step] = step.State
	}
	for _, step := range []bootstrap.Step{bootstrap.RootMFA, bootstrap.RootKeysAbsent} {
		if states[step] != bootstrap.Done {
			t.Errorf("step %s is %s", step, states[step])
		}
	}
}

// TestNotRoot has near misses of root's events pass: no rule, or no alert.
func TestNotRoot(t *testing.T) {
	c := deployed(t)
	aService := c.event("kms.amazonaws.com", "CreateGrant", map[string]any{
		"userIdentity": map[string]any{"type": "Root", "accountId": c.d.account, "arn": "arn:aws:iam::" + c.d.account + ":root", "invokedBy": "rds.amazonaws.com"},
	})
	if got := c.deliver(aService); len(got) != 0 {
		t.Errorf("a service that acts for root reached %+v", got)
	}
	list := c.event("iam.amazonaws.com", "ListUsers", map[string]any{"readOnly": true})
	if got := c.deliver(list); len(got) != 0 {
		t.Errorf("a user's ListUsers reached %+v", got)
	}
	// A rule that is merely enabled would not get this one, which is read-only.
	login := c.event("signin.amazonaws.com", "CreateOAuth2Token", map[string]any{
		"readOnly":     true,
		"userIdentity": map[string]any{"type": "Root", "principalId": "111122223333", "accountId": "111122223333", "arn": "arn:aws:iam::111122223333:root"},
	})
	c.handled(c.deliver(login))
	c.wantAlerts("root.activity high " + c.d.account)
}

// TestForwarded follows a sign-in that CloudTrail records in another Region.
func TestForwarded(t *testing.T) {
	c := deployed(t)
	signIn := c.event("signin.amazonaws.com", "ConsoleLogin", map[string]any{
		"awsRegion": "eu-north-1", "eventType": "AwsConsoleSignIn",
		"responseElements":    map[string]any{"ConsoleLogin": "Success"},
		"additionalEventData": map[string]any{"MFAUsed": "No"},
	})
	c.handled(c.deliverIn("eu-north-1", signIn))
	c.wantAlerts("user.signin.no_mfa high admin")
}
