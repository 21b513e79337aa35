package lambdas_test

import (
	"strings"
	"testing"
	"time"

	"rootguard/internal/accountcheck"
	"rootguard/internal/config"
	"rootguard/internal/detect"
	"rootguard/internal/testenv"
)

// TestRoutes runs the deployed functions with routes by unit and tag: an alert names
// the routes of its account as AWS Organizations last reported them, and goes out whether
// that answers or not.
func TestRoutes(t *testing.T) {
	t.Parallel()
	testenv.Soak(t)
	const role, payments = "rootguard-member", "ou-a1b2-11111111"
	c := newCloud(t)
	c.env[config.EnvRoutes] = `[{"name":"payments","ou":["Payments"]},{"name":"data","tag":["team=data"]}]`
	c.env[config.EnvMemberRole], c.env[config.EnvOrganizationNames] = role, "true"
	c.iam.AllowRole("arn:aws:iam::" + member + ":role/" + role)
	c.names.Set(map[string]string{account: "hub", member: "billing"})
	c.names.SetUnit(payments, "Payments", "r-a1b2")
	c.names.Move(member, payments)
	sweep, root := c.start(t, "sweep"), c.start(t, "rootactivity")
	now := time.Now()
	pass := func(n int, every time.Duration) {
		t.Helper()
		for range n {
			now = now.Add(every)
			handled(t, sweep, scheduled(now))
		}
	}
	signIn := func(id string) (routes string) {
		t.Helper()
		handled(t, root, c.rootSignInOf(member, id, "No", "Success"))
		all := c.topic.Messages()
		for i := range all {
			if strings.Contains(all[i].Default(), id) {
				return all[i].Attributes[config.AttributeRoute].Value
			}
		}
		t.Fatalf("no alert of %s", id)
		return ""
	}
	if got := signIn("11111111-0000-4000-8000-000000000001"); got != "" {
		t.Errorf("before the accounts are discovered it names the routes %s", got)
	}
	pass(2, 5*time.Minute)
	if got := signIn("11111111-0000-4000-8000-000000000002"); got != `["payments"]` {
		t.Errorf("it names the routes %s", got)
	}
	c.names.Move(member, "r-a1b2")
	c.names.Tag(member, "team", "data")
	c.names.Refuse("AccessDeniedException")
	pass(8, 5*time.Hour)
	if got := signIn("11111111-0000-4000-8000-000000000003"); got != `["payments"]` {
		t.Errorf("without an answer it names the routes %s", got)
	}
	unhealthy := 0
	for _, a := range c.alerts(t) {
		if a.Finding.ID == detect.GuardUnhealthy && strings.HasSuffix(a.Finding.Title, ": routes") {
			unhealthy++
		}
	}
	if unhealthy == 0 || unhealthy > 3 {
		t.Errorf("that there is no answer is reported %d times in 40 hours", unhealthy)
	}
	c.names.Refuse("")
	pass(8, 5*time.Hour)
	if got := signIn("11111111-0000-4000-8000-000000000004"); got != `["data"]` {
		t.Errorf("after the account was moved and tagged it names the routes %s", got)
	}
	r, err := c.store.Checks().Of(accountcheck.KindRoutes).Get(t.Context(), member+"/routes")
	if err != nil || r.Done.IsZero() || r.Due.Sub(r.Done) > 36*time.Hour {
		t.Errorf("the row is %+v, %v", r, err)
	}
}
