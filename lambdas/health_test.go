package lambdas_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"rootguard/internal/aws/awshealth/awshealthtest"
	"rootguard/internal/aws/iam/iamtest"
	"rootguard/internal/config"
	"rootguard/internal/eventrules"
	"rootguard/internal/lambdatest"
)

// TestHealth runs the sweep as deployed, on a schedule of the test's own: its
// recorded heartbeats come out at the functions, what breaks is reported once with what
// fixes it, on both topics, and closed when it is fixed.
func TestHealth(t *testing.T) {
	t.Parallel()
	c := newCloud(t)
	c.escalate(escalation)
	functions := map[string]*lambdatest.Function{"rootactivity": c.start(t, "rootactivity"), "iamuser": c.start(t, "iamuser")}
	sweep := c.start(t, "sweep")

	recorded := make(chan []byte, 10)
	c.iam.Tagged = func(role, key, value string) { recorded <- iamtest.TagRoleEvent(account, role, key, value) }
	onBus := make(chan awshealthtest.Event, 100)
	c.rest.Lock()
	c.rest.Put = func(e awshealthtest.Event) { onBus <- e }
	c.rest.Unlock()
	heard := []string{"rootactivity", "iamuser"}
	at := time.Now().UTC().Truncate(time.Second)
	run := func() map[string]any {
		t.Helper()
		before := len(sweep.Logs())
		handled(t, sweep, fmt.Appendf(nil, `{"version":"0","id":"t","detail-type":"Scheduled Event","source":"aws.events","time":%q,"detail":{}}`,
			at.Format(time.RFC3339)))
		at = at.Add(5 * time.Minute)
		for len(recorded) > 0 {
			e := <-recorded
			for _, name := range heard {
				handled(t, functions[name], e)
			}
		}
		logs := sweep.Logs()[before:]
		if len(logs) != 1 {
			t.Fatalf("%d lines of log", len(logs))
		}
		did, _ := logs[0]["health"].(map[string]any)
		return did
	}
	alerted := func(want ...string) {
		t.Helper()
		for _, arn := range []string{topic, escalation} {
			got := []string{}
			for _, m := range c.topic.On(arn) {
				subject, _, _ := strings.Cut(m.Subject, " - ")
				got = append(got, subject)
			}
			if diff := cmp.Diff(append([]string{}, want...), got); diff != "" {
				t.Fatalf("alerts on %s (-want +got):\n%s", arn, diff)
			}
		}
	}
	for i := range 3 {
		if did := run(); did["failed"] != nil || did["unknown"] != nil && i > 0 {
			t.Fatalf("run %d of a guard that is well: %v", i, did)
		}
	}
	alerted()
	logs := functions["iamuser"].Logs()
	if got, _ := logs[len(logs)-1]["heartbeat"].(map[string]any); got["result"] != "recorded" || logs[len(logs)-1]["HeartbeatLatency"] == nil {
		t.Errorf("log of a heartbeat: %v", logs[len(logs)-1])
	}

	if n := len(onBus); n != 3 {
		t.Errorf("%d events on the bus in 3 runs", n)
	}

	// A call by which someone else has the role tagged proves nothing, and is no alert.
	handled(t, functions["iamuser"], iamtest.TagRoleEvent(account, "rootguard-sweep", eventrules.HeartbeatTag, "made-up"))

	// One function hears no more, and a rule is disabled.
	heard = []string{"rootactivity"}
	c.rest.Lock()
	c.rest.Rules["rootguard-root-sign-in"].State = "DISABLED"
	c.rest.Unlock()
	run()
	alerted("[HIGH] Guardrail unhealthy: EventBridge rule root-sign-in")
	var a struct {
		Finding struct {
			NextStep string `json:"next_step"`
		}
	}
	if err := json.Unmarshal([]byte(c.topic.On(topic)[0].Default()), &a); err != nil || !strings.Contains(a.Finding.NextStep,
		"aws events enable-rule --region us-east-1 --name rootguard-root-sign-in") {
		t.Errorf("%v: the alert's next step is %q", err, a.Finding.NextStep)
	}
	for range 3 {
		run()
	}
	alerted("[HIGH] Guardrail unhealthy: EventBridge rule root-sign-in", "[HIGH] Guardrail unhealthy: no heartbeat from function iamuser")
	for len(onBus) > 0 {
		<-onBus
	}
	if did := run(); len(onBus) != 0 || did["withheld"] == nil {
		t.Errorf("the event goes on the bus though a heartbeat is missing: %v", did)
	}
	heard = []string{"rootactivity", "iamuser"}
	c.rest.Lock()
	c.rest.Rules["rootguard-root-sign-in"].State = "ENABLED"
	c.rest.Unlock()
	for range 4 {
		run()
	}
	alerted("[HIGH] Guardrail unhealthy: EventBridge rule root-sign-in", "[HIGH] Guardrail unhealthy: no heartbeat from function iamuser",
		"[INFO] Guardrail healthy again: EventBridge rule root-sign-in", "[INFO] Guardrail healthy again: heartbeat of function iamuser")
}

// TestMalformedMessages holds that messages which hold no event are alerted once by
// the sweep as deployed, and stay where they are.
func TestMalformedMessages(t *testing.T) {
	t.Parallel()
	c := newCloud(t)
	c.env[config.EnvDigest] = "weekly monday 08:00 Europe/Berlin"
	functions := map[string]*lambdatest.Function{"rootactivity": c.start(t, "rootactivity"), "iamuser": c.start(t, "iamuser")}
	sweep := c.start(t, "sweep")
	at := time.Now().UTC().Truncate(time.Second) // after the compiler
	var clock atomic.Int64                       // of the queues, which hide what is read for a second
	clock.Store(at.Unix())
	c.queues.Now = func() time.Time { return time.Unix(clock.Load(), 0) }
	recorded := make(chan []byte, 10)
	c.iam.Tagged = func(role, key, value string) { recorded <- iamtest.TagRoleEvent(account, role, key, value) }
	run := func(after time.Duration) {
		t.Helper()
		at = at.Add(after)
		clock.Store(at.Unix())
		handled(t, sweep, fmt.Appendf(nil, `{"version":"0","id":"t","detail-type":"Scheduled Event","source":"aws.events","time":%q,"detail":{}}`,
			at.Format(time.RFC3339)))
		for len(recorded) > 0 {
			e := <-recorded
			for _, f := range functions {
				handled(t, f, e)
			}
		}
	}
	alerted := func(want ...string) {
		t.Helper()
		got := []string{}
		for _, m := range c.topic.On(topic) {
			if subject, _, _ := strings.Cut(m.Subject, " - "); strings.Contains(subject, "events could not be handled") {
				got = append(got, subject)
			}
		}
		if diff := cmp.Diff(append([]string{}, want...), got); diff != "" {
			t.Fatalf("alerts (-want +got):\n%s", diff)
		}
	}
	run(0)
	c.queues.Send("failed", `{"requestPayload":"no event"}`)
	for range 3 {
		run(5 * time.Minute)
	}
	alerted("[HIGH] Guardrail unhealthy: events could not be handled")
	for range 3 {
		run(24 * time.Hour)
	}
	alerted("[HIGH] Guardrail unhealthy: events could not be handled")
	if n := len(c.queues.Bodies("failed")); n != 1 {
		t.Errorf("%d messages on the queue, want 1", n)
	}
}
