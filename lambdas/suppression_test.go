package lambdas_test

import (
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"rootguard/internal/bootstrap"
	"rootguard/internal/config"
	"rootguard/internal/detect"
	"rootguard/internal/digest"
	"rootguard/internal/suppression"
)

// adminGranted is an event of a session of the role Terraform that makes a user an
// administrator.
func (c *cloud) adminGranted(eventID, session string) []byte {
	return c.record(eventID, "iam.amazonaws.com", "AttachUserPolicy", map[string]any{
		"userIdentity": map[string]any{
			"type": "AssumedRole", "principalId": "AROAEXAMPLETERRAFORM:" + session, "accountId": account, "accessKeyId": "ASIA" + strings.ToUpper(session),
			"arn": "arn:aws:sts::" + account + ":assumed-role/Terraform/" + session,
		},
		"requestParameters": map[string]any{"userName": "deploy", "policyArn": "arn:aws:iam::aws:policy/AdministratorAccess"},
	})
}

// TestSuppressed follows a suppression through the deployed functions: what it is of
// sends nothing and is counted, two at once each; what is critical is sent, as is what
// comes when it is over; its end is reported with the count, which is in the digest too. Beside the others, a
// finding that may be suppressed costs one query.
func TestSuppressed(t *testing.T) {
	t.Parallel()
	c := newCloud(t)
	c.escalate(escalation)
	c.env[config.EnvDigest] = "daily 08:00"
	f, second, root, sweep := c.start(t, "iamuser"), c.start(t, "iamuser"), c.start(t, "rootactivity"), c.start(t, "sweep")
	now := time.Now()
	c.eventAge = 0
	handled(t, f, c.adminGranted("e-0", "warm"))
	requests := func(event []byte) (queries, all int) {
		queries, all = c.table.Calls("Query"), c.table.Total()
		handled(t, f, event)
		return c.table.Calls("Query") - queries, c.table.Total() - all
	}
	sentQueries, sent := requests(c.adminGranted("e-1", "before"))

	operator := c.operator(t).Suppressor
	e, err := operator.Suppress(t.Context(), suppression.AuditEvent{
		Account: account, Finding: detect.UserAdminGranted, Principal: "arn:aws:iam::" + account + ":role/Terraform",
		Until: now.Add(time.Hour), Owner: "alice", Reason: "OPS-17",
	})
	if err != nil {
		t.Fatal(err)
	}
	c.eventAge = -time.Minute // in it
	queries, held := requests(c.adminGranted("e-2", "one"))
	if queries != 1 || sentQueries != 1 || held >= sent {
		t.Errorf("an alert that is held back costs %d requests, %d of them queries, and one that is sent %d, %d of them queries", held, queries, sent, sentQueries)
	}
	t.Logf("requests: held back %d, sent %d", held, sent)
	var both sync.WaitGroup
	both.Go(func() { handled(t, f, c.adminGranted("e-3", "two")) })
	both.Go(func() { handled(t, second, c.adminGranted("e-4", "three")) })
	both.Wait()
	handled(t, second, c.adminGranted("e-4", "three")) // a copy
	handled(t, root, c.rootSignIn("e-5", "No", "Success"))
	c.eventAge = -61 * time.Minute // after it
	handled(t, f, c.adminGranted("e-6", "four"))
	c.wantFindings(t, "user.admin_granted medium e-0", "user.admin_granted medium e-1", "alerts.suppressed high alerts.suppressed/"+account+"/"+e.ID,
		"root.signin.no_mfa critical e-5", "user.admin_granted medium e-6")
	if n := len(c.topic.On(escalation)); n != 2 { // the suppression, and what is critical
		t.Errorf("%d messages on the escalation topic", n)
	}
	if uses, err := c.store.Suppressions().Uses(t.Context(), e.ID); uses != 3 || err != nil {
		t.Errorf("%d uses, %v, want 3", uses, err)
	}
	facts, err := c.store.Facts(t.Context(), account)
	if err != nil || !slices.ContainsFunc(facts, func(f bootstrap.Fact) bool { return f.EventID == "e-2" }) {
		t.Errorf("its facts are not on record: %v, %v", facts, err)
	}
	var logged []string
	for _, line := range f.Logs() {
		if line["suppression"] == e.ID && line["disposition"] == "suppressed" {
			logged = append(logged, fmt.Sprint(line["event_id"], " ", line["finding"]))
		}
	}
	if want := "e-2 user.admin_granted"; len(logged) != 2 || logged[0] != want {
		t.Errorf("the log has %q, want %q and one more", logged, want)
	}

	tick(t, sweep, now.Add(10*time.Minute))
	tick(t, sweep, now.Add(66*time.Minute))
	tick(t, sweep, now.Add(66*time.Minute))
	var ended []string
	for _, a := range c.alerts(t) {
		if a.Finding.Title == "Suppression ended: user.admin_granted" {
			ended = append(ended, a.Finding.Detail)
		}
	}
	if len(ended) != 1 || !strings.Contains(ended[0], "It held back 3 alerts.") {
		t.Errorf("its end: %q", ended)
	}
	s, err := digest.Parse(c.env[config.EnvDigest])
	if err != nil {
		t.Fatal(err)
	}
	tick(t, sweep, s.Next(now.Add(66*time.Minute)))
	_, mails := c.digests(t)
	if text := strings.Join(strings.Fields(strings.Join(mails, " ")), " "); !strings.Contains(text, "ALERTS SUPPRESSED: 1 account") ||
		!strings.Contains(text, "user.admin_granted ended "+now.Add(time.Hour).UTC().Format(time.DateOnly)+", owner alice: 3 held back") {
		t.Errorf("the digest after it:\n%s", strings.Join(mails, "\n"))
	}
}
