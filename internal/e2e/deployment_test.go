package e2e

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"rootguard/internal/aws/cloudformation/cloudformationtest"
)

// TestUpgradeIsOneNote has CloudFormation update the deployed guard's own stack, by the
// records that the rules let through and the events of the stack, which moto does not
// write: one note says who deployed; a receiver that goes with it, and a change by
// hand, are critical.
func TestUpgradeIsOneNote(t *testing.T) {
	c := deployed(t)
	stacks := cloudformationtest.New(t, c.d.account)
	c.fault(fault{service: "cloudformation", action: "DescribeStackEvents", times: always, serve: stacks})
	function, subscription := "rootguard-rootactivity", c.output("TopicArn")+":0f1e"
	begun := c.next() // by the clock of the records
	stacks.Add(region, "rootguard",
		cloudformationtest.Event{ID: "began-1", At: begun, Status: "UPDATE_IN_PROGRESS"},
		cloudformationtest.Event{ID: "f", At: begun.Add(time.Second), Type: "AWS::Lambda::Function", Physical: function, Status: "UPDATE_IN_PROGRESS"},
		cloudformationtest.Event{ID: "r", At: begun.Add(2 * time.Second), Type: "AWS::Events::Rule", Physical: function, Status: "UPDATE_IN_PROGRESS"},
		cloudformationtest.Event{ID: "s", At: begun.Add(3 * time.Second), Type: "AWS::SNS::Subscription", Physical: subscription, Status: "DELETE_IN_PROGRESS"},
	)
	change := func(by, service, name string, parameters map[string]any) []byte {
		identity := map[string]any{
			"type": "AssumedRole", "principalId": "AROAEXAMPLEDEPLOY:alice", "arn": "arn:aws:sts::" + c.d.account + ":assumed-role/deploy/alice",
			"accountId": c.d.account, "accessKeyId": "ASIAEXAMPLE" + strings.ToUpper(by),
		}
		fields := map[string]any{"userIdentity": identity, "requestParameters": parameters}
		if by == "stack" {
			identity["invokedBy"], fields["sourceIPAddress"], fields["userAgent"] = "cloudformation.amazonaws.com", "cloudformation.amazonaws.com", "cloudformation.amazonaws.com"
		}
		return c.event(service+".amazonaws.com", name, fields)
	}
	c.handled(c.deliver(change("alice", "cloudformation", "ExecuteChangeSet", map[string]any{"stackName": "rootguard", "changeSetName": "x"})))
	c.handled(c.deliver(change("stack", "lambda", "UpdateFunctionCode20150331v2", map[string]any{"functionName": function})))
	c.handled(c.deliver(change("stack", "lambda", "UpdateFunctionConfiguration20150331v2", map[string]any{"functionName": function})))
	c.handled(c.deliver(change("stack", "events", "PutRule", map[string]any{"name": function, "state": "ENABLED"})))
	c.wantAlerts("guard.tampered high stack rootguard")
	if note := c.alerts()[0].Finding; note.Title != "rootguard was deployed by deploy/alice, not announced" || !strings.Contains(note.Detail, "stack event began-1.") {
		t.Errorf("%s: %s", note.Title, note.Detail)
	}
	c.handled(c.deliver(change("stack", "sns", "Unsubscribe", map[string]any{"subscriptionArn": subscription})))
	c.handled(c.deliver(change("mallory", "lambda", "UpdateFunctionCode20150331v2", map[string]any{"functionName": function})))
	c.wantAlerts("guard.tampered high stack rootguard", "guard.tampered critical "+subscription, "guard.tampered critical "+function)

	// The rules that go around the functions, which an upgrade replaces, say that one began,
	// and nothing of what CloudFormation then changes, unless it removes.
	var began []string
	for _, text := range c.texts {
		word, what, _ := strings.Cut(text, ": ")
		word, _, _ = strings.Cut(word, " ")
		what, _, _ = strings.Cut(what, " of ")
		began = append(began, word+" "+what)
	}
	if diff := cmp.Diff([]string{"[NOTE] ExecuteChangeSet", "[CRITICAL] Unsubscribe", "[CRITICAL] UpdateFunctionCode20150331v2"}, began); diff != "" {
		t.Errorf("texts (-want +got):\n%s\n%q", diff, c.texts)
	}
}
