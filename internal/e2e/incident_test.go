package e2e

import (
	"encoding/json"
	"os"
	"os/exec"
	"regexp"
	"strings"
	"testing"
	"time"
)

// TestAnnouncedRootUse follows root use that was announced with the command,
// from its announcement to the summary.
func TestAnnouncedRootUse(t *testing.T) {
	const account = "111122223333"
	c := deployed(t)
	c.root(root{mfa: true, password: true}) // of the guard's own account, so that it is no incident
	opened := c.rootguard("window", "open", "--account", account, "--new", "--for", "2h", "--owner", "alice@example.com", "--reason", "OPS-17", "--json")
	var window struct {
		ID          string
		From, Until time.Time
	}
	if err := json.Unmarshal([]byte(opened.stdout), &window); err != nil || opened.code != 0 {
		t.Fatalf("announce open: %v, %+v", err, opened)
	}
	announced := "root.use.announced high " + account
	c.wantAlerts(announced)
	if n := len(c.escalated()); n != 1 {
		t.Errorf("%d alerts on the topic for escalations, want that of the opening", n)
	}

	// Inside: low, by event time, and it says who announced it.
	inside := c.rootSignIn(account, "Yes", "Success", map[string]any{"eventTime": moment(window.From.Add(time.Minute))})
	for range 2 {
		c.handled(c.deliver(inside))
	}
	c.wantAlerts(announced, "root.signin low "+account)
	if said := c.alerts()[1].Finding.Announced; said == nil || said.ID != window.ID || said.Owner != "alice@example.com" || said.Severity.String() != "critical" {
		t.Errorf("the alert says of the announcement: %+v", said)
	}
	if n := len(c.escalated()); n != 0 {
		t.Errorf("%d alerts of what was announced on the topic for escalations", n)
	}
	listed := c.rootguard("window", "list")
	if listed.code != 0 || !strings.Contains(listed.stdout, window.ID) || !strings.Contains(listed.stdout, "opened ") {
		t.Errorf("announce list: %+v", listed)
	}

	// It is over: one summary, however often the schedule fires.
	c.handled(c.tick(window.Until.Add(-time.Minute)))
	c.wantAlerts(announced, "root.signin low "+account)
	for range 2 {
		c.handled(c.tick(window.Until.Add(6 * time.Minute)))
	}
	want := []string{announced, "root.signin low " + account, "root.use.announced info " + account}
	c.wantAlerts(want...)
	if f := c.alerts()[2].Finding; f.Title != "Announced root use ended" || !strings.Contains(f.Detail, "Root: 1 sign-in,") {
		t.Errorf("summary: %s: %s", f.Title, f.Detail)
	}

	// Outside, though it comes late: as loud as ever.
	c.handled(c.deliver(c.rootSignIn(account, "Yes", "Success", map[string]any{"eventTime": moment(window.From.Add(-time.Minute))})))
	c.wantAlerts(append(want, "root.signin critical "+account)...)
}

// TestUnacknowledged follows two critical incidents, one of which is acknowledged
// with the command.
func TestUnacknowledged(t *testing.T) {
	const one, other = "111122223333", "444455556666"
	c := deployed(t)
	c.root(root{mfa: true, password: true}) // of the guard's own account, so that it is no incident
	start := time.Now()
	c.handled(c.deliver(c.rootSignIn(one, "No", "Success", nil)))
	c.handled(c.deliver(c.rootSignIn(other, "No", "Success", nil)))
	want := []string{"root.signin.no_mfa critical " + one, "root.signin.no_mfa critical " + other}
	tick := func(after time.Duration, more ...string) {
		t.Helper()
		for range 2 { // schedules may fire twice
			c.handled(c.tick(start.Add(after)))
		}
		want = append(want, more...)
		c.wantAlerts(want...)
	}
	tick(14 * time.Minute)
	tick(16*time.Minute, want...)
	for i, a := range c.alerts()[2:] {
		if a.Kind != "resend" || a.Incident == nil || a.Incident.Repeat != 1 || a.Incident.Repeats != 2 {
			t.Errorf("resend %d is a %s of %+v", i, a.Kind, a.Incident)
		}
	}

	listed := c.rootguard("incidents", "--account", one, "--json")
	var incidents []struct {
		ID, State string
		Events    int
	}
	if err := json.Unmarshal([]byte(listed.stdout), &incidents); err != nil || listed.code != 0 || len(incidents) != 1 || incidents[0].State != "open" || incidents[0].Events != 1 {
		t.Fatalf("incidents: %v, %+v", err, listed)
	}
	id := incidents[0].ID
	if a := c.alerts()[0]; a.Incident == nil || a.Incident.ID != id {
		t.Errorf("the first alert is of %+v, want %s", a.Incident, id)
	}
	for range 2 { // the second finds it acknowledged
		if acked := c.rootguard("ack", id, "--note", "it was Alice"); acked.code != 0 || acked.stderr != "" || !strings.HasPrefix(acked.stdout, id) {
			t.Errorf("ack: %+v", acked)
		}
	}
	want = append(want, "incident.acknowledged info "+one)
	c.wantAlerts(want...)
	tick(61*time.Minute, "root.signin.no_mfa critical "+other)
	tick(3 * time.Hour)
	if n := len(c.escalated()); n != len(want) {
		t.Errorf("%d alerts on the topic for escalations, want all %d", n, len(want))
	}
}

// TestAcknowledgedByHand acknowledges by the documented line of the AWS CLI, snoozes
// with the command, and acknowledges several at once.
func TestAcknowledgedByHand(t *testing.T) {
	cli, err := exec.LookPath("aws")
	if err != nil {
		t.Skip("skipped: there is no AWS CLI")
	}
	const one, other, third = "111122223333", "444455556666", "777788889999"
	c := deployed(t)
	c.root(root{mfa: true, password: true}) // of the guard's own account, so that it is no incident
	start := time.Now()
	want := []string{}
	for _, account := range []string{one, other, third} {
		c.handled(c.deliver(c.rootSignIn(account, "No", "Success", nil)))
		want = append(want, "root.signin.no_mfa critical "+account)
	}
	ids := map[string]string{}
	for _, a := range c.alerts() {
		ids[a.Finding.Account] = a.Incident.ID
		if a.Incident.AckFlags != "--region us-east-1" {
			t.Errorf("the alert's flags: %q", a.Incident.AckFlags)
		}
	}

	doc, err := os.ReadFile("../docs/operating.md")
	if err != nil {
		t.Fatal(err)
	}
	line := regexp.MustCompile("(?s)```sh\n(aws dynamodb update-item .*?)\n```").FindSubmatch(doc)
	if line == nil {
		t.Fatal("operating.md does not say how to acknowledge without the command")
	}
	byHand := func(id string) (string, error) {
		text := strings.NewReplacer("TABLE", c.output("TableName"), "7K4Q2-X2M9P", id).Replace(string(line[1]))
		cmd := exec.CommandContext(t.Context(), "sh", "-c", strings.Replace(text, "aws", cli, 1))
		env, err := c.d.environ(t.Context(), c.world.proxy.url)
		if err != nil {
			return "", err
		}
		cmd.Env = append(os.Environ(), env...)
		out, err := cmd.CombinedOutput()
		return string(out), err
	}
	if out, err := byHand(ids[one]); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	for _, id := range []string{ids[one], "00000-00000"} {
		if out, err := byHand(id); err == nil || !strings.Contains(out, "ConditionalCheckFailedException") {
			t.Errorf("by hand, %s: %v\n%s", id, err, out)
		}
	}
	for range 2 {
		c.handled(c.tick(start.Add(5 * time.Minute)))
	}
	want = append(want, "incident.acknowledged info "+one)
	c.wantAlerts(want...)

	if done := c.rootguard("ack", "--all", "--snooze", "2h", "--note", "known"); done.code != 0 || done.stderr != "" || !strings.Contains(done.stdout, "2 incidents snoozed") {
		t.Errorf("snoozing: %+v", done)
	}
	want = append(want, "incident.acknowledged info "+c.d.account)
	c.handled(c.tick(start.Add(110 * time.Minute)))
	c.wantAlerts(want...)
	if done := c.rootguard("ack", ids[other], "--note", "it was Bob"); done.code != 0 {
		t.Errorf("ack: %+v", done)
	}
	want = append(want, "incident.acknowledged info "+other)
	for range 2 {
		c.handled(c.tick(start.Add(121 * time.Minute)))
	}
	c.wantAlerts(append(want, "root.signin.no_mfa critical "+third)...)
}
