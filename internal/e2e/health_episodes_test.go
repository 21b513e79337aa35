package e2e

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/cloudtrail"
	"github.com/aws/aws-sdk-go-v2/service/eventbridge"
	"github.com/google/go-cmp/cmp"
)

// TestHealth has the deployed guard find itself well, breaks one part after the
// other, and sees each reported once, with what fixes it, on both topics, and
// closed when it is fixed. Heartbeats go through the deployed rules.
func TestHealthEpisodes(t *testing.T) {
	c := deployed(t)
	at := time.Now().UTC().Truncate(time.Second).Add(-15 * time.Minute)
	runs := func(n int) {
		t.Helper()
		for range n {
			c.handled(c.tick(at))
			at = at.Add(5 * time.Minute)
		}
	}
	var want []string
	alerted := func(of, severity string) {
		t.Helper()
		want = append(want, "guard.unhealthy "+of+" "+severity)
		all := c.alerts()
		got := make([]string, len(all))
		for i := range all {
			got[i] = fmt.Sprintf("%s %s %s", all[i].Finding.ID, all[i].Finding.Target.Resource, all[i].Finding.Severity)
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Fatalf("alerts (-want +got):\n%s", diff)
		}
		// On the second topic, what came since it was last asked.
		if second := c.escalated(); len(second) != 1 || second[0].ID != all[len(all)-1].ID {
			t.Fatalf("on the topic for escalations came %v", lines(second))
		}
	}
	doctor := func(code int, says string) {
		t.Helper()
		if got := c.rootguard("doctor"); got.code != code || !strings.Contains(got.stdout, says) {
			t.Fatalf("doctor: want %d and %q, got %+v", code, says, got)
		}
	}
	runs(3)
	c.wantAlerts()
	doctor(4, "has receivers that are not in cdk.json: sqs ") // those of this test, and no other warning

	rules := eventbridge.NewFromConfig(c.d.aws)
	rule := func(name string, on bool) {
		t.Helper()
		var err error
		if on {
			_, err = rules.EnableRule(c.ctx, &eventbridge.EnableRuleInput{Name: &name})
		} else {
			_, err = rules.DisableRule(c.ctx, &eventbridge.DisableRuleInput{Name: &name})
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	rule("rootguard-root-sign-in", false)
	runs(2)
	alerted("rule.root-sign-in", "high")
	fix := "aws events enable-rule --region " + region + " --name rootguard-root-sign-in"
	if step := c.alerts()[0].Finding.NextStep; step != fix {
		t.Errorf("the next step is %q, want %q", step, fix)
	}
	doctor(5, "fix: "+fix)
	rule("rootguard-root-sign-in", true)
	runs(2)
	alerted("rule.root-sign-in", "info")

	trails := cloudtrail.NewFromConfig(c.d.aws)
	if _, err := trails.StopLogging(c.ctx, &cloudtrail.StopLoggingInput{Name: aws.String("management-events")}); err != nil {
		t.Fatal(err)
	}
	runs(1)
	alerted("trail", "critical")
	if _, err := trails.StartLogging(c.ctx, &cloudtrail.StartLoggingInput{Name: aws.String("management-events")}); err != nil {
		t.Fatal(err)
	}
	runs(2)
	alerted("trail", "info")

	// No event comes out at one function, which nothing but the heartbeat shows.
	rule("rootguard-heartbeat-iamuser", false)
	runs(1)
	alerted("rule.heartbeat-iamuser", "high")
	runs(5) // a heartbeat each 15 minutes, that is late after 10
	alerted("heartbeat.iamuser", "high")
	rule("rootguard-heartbeat-iamuser", true)
	runs(2)
	alerted("rule.heartbeat-iamuser", "info")
	runs(5)
	alerted("heartbeat.iamuser", "info")
}
