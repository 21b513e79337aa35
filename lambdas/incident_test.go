package lambdas_test

import (
	"fmt"
	"log/slog"
	"slices"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"rootguard/internal/announcement"
	"rootguard/internal/aws/awsenv"
	"rootguard/internal/aws/dynamodb/dynamotest"
	"rootguard/internal/config"
	"rootguard/internal/detect"
	"rootguard/internal/incident"
	"rootguard/internal/lambdahandler"
	"rootguard/internal/lambdatest"
	"rootguard/internal/wire"
)

const escalation = "arn:aws:sns:us-east-1:" + account + ":rootguard-escalation"

// operator is the guard as the command line has it, over the same table and topics.
func (c *cloud) operator(t *testing.T) wire.Parts {
	t.Helper()
	get := func(name string) string {
		if v, ok := map[string]string{"AWS_REGION": "us-east-1", "AWS_ACCESS_KEY_ID": "test", "AWS_SECRET_ACCESS_KEY": "test"}[name]; ok {
			return v
		}
		return c.env[name]
	}
	cfg, err := config.Load(get)
	if err != nil {
		t.Fatal(err)
	}
	var env aws.Config
	if env, err = awsenv.Config(get); err != nil {
		t.Fatal(err)
	}
	return lambdahandler.Assemble(cfg, env, time.Now, slog.New(slog.DiscardHandler)).Parts
}

// tick invokes the sweep as its schedule does at a time.
func tick(t *testing.T, f *lambdatest.Function, at time.Time) {
	t.Helper()
	handled(t, f, fmt.Appendf(nil, `{"version":"0","id":"t","detail-type":"Scheduled Event","source":"aws.events","time":%q,"detail":{}}`, at.UTC().Format(time.RFC3339)))
}

// TestUnacknowledged follows a root sign-in that no one acknowledges, until
// someone does.
func TestUnacknowledged(t *testing.T) {
	t.Parallel()
	c := newCloud(t)
	c.escalate(escalation)
	c.env[config.EnvResend] = "10m,1h,2h"
	f, sweep := c.start(t, "rootactivity"), c.start(t, "sweep")
	start := time.Now()
	handled(t, f, c.rootSignIn("e-1", "No", "Success"))
	handled(t, f, c.rootSignIn("e-1", "No", "Success"))
	incidents, err := c.store.Incidents(t.Context(), account)
	if err != nil || len(incidents) != 1 || incidents[0].Events != 1 {
		t.Fatalf("incidents: %+v, %v", incidents, err)
	}
	id := incidents[0].ID
	if a := c.alerts(t)[0]; a.Incident == nil || a.Incident.ID != id {
		t.Errorf("the alert's incident: %+v", a.Incident)
	}
	count := func(n int) {
		t.Helper()
		if all, high := len(c.topic.On(topic)), len(c.topic.On(escalation)); all != n || high != n {
			t.Errorf("%d alerts, and %d to the escalation topic, want %d each", all, high, n)
		}
	}
	tick(t, sweep, start.Add(9*time.Minute))
	count(1)
	tick(t, sweep, start.Add(11*time.Minute))
	tick(t, sweep, start.Add(11*time.Minute)) // the same call again
	count(2)
	tick(t, sweep, start.Add(65*time.Minute))
	count(3)
	a := c.alerts(t)[2]
	if a.Kind != "resend" || a.Incident.Repeat != 2 || a.Incident.Repeats != 3 || a.Finding.Title != "Root sign-in WITHOUT MFA (repeat 2 of 3)" {
		t.Errorf("the second resend: %+v of %+v", a, a.Incident)
	}
	ack := incident.Ack{By: "bob", Actor: detect.Actor{Type: "IAMUser", Name: "bob"}, Note: "it was me"}
	if _, already, err := c.operator(t).Incidents.Acknowledge(t.Context(), id, ack); already || err != nil {
		t.Fatalf("acknowledging: %v, %v", already, err)
	}
	count(4)
	tick(t, sweep, start.Add(3*time.Hour))
	count(4)
	did := map[string]any{}
	for _, line := range sweep.Logs() {
		if one, ok := line["incidents"].(map[string]any); ok {
			did = one
		}
	}
	if did["resent"] != 1.0 {
		t.Errorf("the log says %v", did)
	}
}

// TestAnnounced follows root use that was announced from its announcement to the summary.
func TestAnnounced(t *testing.T) {
	t.Parallel()
	c := newCloud(t)
	c.escalate(escalation)
	f, sweep := c.start(t, "rootactivity"), c.start(t, "sweep")
	now := time.Now()
	e, err := c.operator(t).Announcer.Announce(t.Context(), announcement.AuditEvent{Account: account, From: now, Until: now.Add(time.Hour), Owner: "alice", Reason: "OPS-17"})
	if err != nil {
		t.Fatal(err)
	}
	c.eventAge = -time.Minute // in it
	handled(t, f, c.rootSignIn("e-1", "Yes", "Success"))
	handled(t, f, c.rootSignIn("e-2", "No", "Success"))
	c.eventAge = time.Hour // before it
	handled(t, f, c.rootSignIn("e-3", "Yes", "Success"))
	c.wantFindings(t, "root.use.announced high root.use.announced/"+account+"/"+e.ID, "root.signin low e-1", "root.signin.no_mfa critical e-2", "root.signin critical e-3")
	if n := len(c.topic.On(escalation)); n != 3 { // the announcement, and what it did not lower
		t.Errorf("%d messages on the escalation topic", n)
	}
	tick(t, sweep, now.Add(10*time.Minute))
	if n := len(c.alerts(t)); n != 4 {
		t.Errorf("%d alerts before it is over: %v", n, c.titles(t))
	}
	tick(t, sweep, now.Add(66*time.Minute))
	tick(t, sweep, now.Add(66*time.Minute))
	var summaries []string
	for _, a := range c.alerts(t) {
		if a.Finding.Title == "Announced root use ended" {
			summaries = append(summaries, a.Finding.Detail)
		}
	}
	want := fmt.Sprintf("Announcement %s from %s until %s, owner alice; opened by (not named); reason: OPS-17. Root: 2 sign-ins, 0 calls in 0 sessions."+
		" Findings: root.signin 1, root.signin.no_mfa 1. Not lowered: 1, which have alerts of their own.",
		e.ID, e.From.Format(time.RFC3339), e.Until.Format(time.RFC3339))
	if len(summaries) != 1 || summaries[0] != want {
		t.Errorf("summaries: %q\nwant %q", summaries, want)
	}
}

// TestWrittenAndSnoozed follows one incident that is acknowledged in the table by
// hand, and one that is snoozed.
func TestWrittenAndSnoozed(t *testing.T) {
	t.Parallel()
	c := newCloud(t)
	f, sweep := c.start(t, "rootactivity"), c.start(t, "sweep")
	start := time.Now()
	handled(t, f, c.rootSignIn("e-1", "No", "Success"))
	c.eventAge = time.Hour
	handled(t, f, c.rootSignIn("e-2", "No", "Success"))
	alerts := c.alerts(t)
	if len(alerts) != 2 || alerts[0].Incident.AckFlags != "--region us-east-1" {
		t.Fatalf("alerts: %v", c.titles(t))
	}
	one, other := alerts[0].Incident.ID, alerts[1].Incident.ID

	// As internal/docs/operating.md says; that line itself is tried in package dynamodb.
	text := func(s string) types.AttributeValue { return &types.AttributeValueMemberS{Value: s} }
	_, err := dynamotest.Client(c.table.URL).UpdateItem(t.Context(), &dynamodb.UpdateItemInput{
		TableName: aws.String(c.env[config.EnvTable]), Key: map[string]types.AttributeValue{"pk": text("INCIDENT#" + one), "sk": text("INCIDENT#")},
		UpdateExpression:          aws.String("SET ack_by = :by, ack_note = :note, due_shard = :queue, due_at = :at"),
		ConditionExpression:       aws.String("attribute_exists(pk) AND attribute_not_exists(ack_by)"),
		ExpressionAttributeValues: map[string]types.AttributeValue{":by": text("Alice"), ":note": text("calling the owner"), ":queue": text("ACKS#"), ":at": text("now")},
	})
	if err != nil {
		t.Fatal(err)
	}
	snooze := incident.Ack{By: "bob", Actor: detect.Actor{Type: "IAMUser", Name: "bob"}, Note: "known", Until: start.Add(2 * time.Hour)}
	given, err := c.operator(t).Incidents.AcknowledgeAll(t.Context(), []string{one, other}, snooze, account)
	if err != nil || given[0].Err != nil || given[1].Err != nil {
		t.Fatalf("snoozing: %+v, %v", given, err)
	}
	wantTitles := func(want ...string) {
		t.Helper()
		if got := c.titles(t)[2:]; !slices.Equal(got, want) {
			t.Errorf("after the first alerts: %q, want %q", got, want)
		}
	}
	// What was written by hand first counts at the next run, over the snooze.
	for range 2 {
		tick(t, sweep, start.Add(5*time.Minute))
	}
	together, acknowledged := "2 incidents snoozed together", "Incident acknowledged: "+one
	wantTitles(together, acknowledged)
	tick(t, sweep, start.Add(119*time.Minute))
	wantTitles(together, acknowledged)
	for range 2 {
		tick(t, sweep, start.Add(121*time.Minute))
	}
	wantTitles(together, acknowledged, "Root sign-in WITHOUT MFA (repeat 1 of 3)")
}
