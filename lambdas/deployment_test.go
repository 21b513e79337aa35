package lambdas_test

import (
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"rootguard/internal/announcement"
	"rootguard/internal/aws/cloudformation/cloudformationtest"
	"rootguard/internal/detect"
)

// upgraded is the event of a call of an upgrade of rootguard's own stack, by a session
// of the role deploy.
func (c *cloud) upgraded(eventID, service, name string, byStack bool, parameters map[string]any) []byte {
	identity := map[string]any{
		"type": "AssumedRole", "principalId": "AROADEPLOY:alice", "accountId": account, "accessKeyId": "ASIADEPLOY",
		"arn": "arn:aws:sts::" + account + ":assumed-role/deploy/alice",
		"sessionContext": map[string]any{
			"sessionIssuer": map[string]any{"type": "Role", "principalId": "AROADEPLOY", "arn": "arn:aws:iam::" + account + ":role/deploy", "userName": "deploy"},
			"attributes":    map[string]any{"creationDate": "2026-03-01T09:00:00Z", "mfaAuthenticated": "true"},
		},
	}
	fields := map[string]any{"requestParameters": parameters, "userIdentity": identity}
	if byStack {
		identity["invokedBy"] = "cloudformation.amazonaws.com"
		fields["sourceIPAddress"], fields["userAgent"] = "cloudformation.amazonaws.com", "cloudformation.amazonaws.com"
	}
	return c.record(eventID, service+".amazonaws.com", name, fields)
}

// TestUpgradeIsOneNote follows an upgrade through the deployed function, its events in
// any order and some twice: one note says who deployed, announced or not. What a new
// version does not do, what is done by hand, and what another stack does, is critical.
func TestUpgradeIsOneNote(t *testing.T) {
	t.Parallel()
	for _, announced := range []bool{true, false} {
		t.Run(fmt.Sprintf("announced %v", announced), func(t *testing.T) {
			t.Parallel()
			c := newCloud(t)
			c.escalate(escalation)
			binary(t, "rootactivity") // which may take minutes, and the events lie near now
			now := time.Now()
			stacks := cloudformationtest.New(t, account)
			c.env["AWS_ENDPOINT_URL_CLOUDFORMATION"] = stacks.URL
			begun := now.Add(-c.eventAge - 5*time.Second)
			stacks.Add("us-east-1", "rootguard",
				cloudformationtest.Event{ID: "began-1", At: begun, Status: "UPDATE_IN_PROGRESS"},
				cloudformationtest.Event{ID: "p", At: begun.Add(time.Second), Type: "AWS::IAM::Policy", Physical: "rootg-Polic-1ABC", Properties: `{"Roles":["rootguard-SweepRole-x"]}`, Status: "UPDATE_IN_PROGRESS"},
				cloudformationtest.Event{ID: "f", At: begun.Add(2 * time.Second), Type: "AWS::Lambda::Function", Physical: "rootguard-rootactivity", Status: "UPDATE_IN_PROGRESS"},
				cloudformationtest.Event{ID: "s", At: begun.Add(2 * time.Second), Type: "AWS::Lambda::Function", Physical: "rootguard-sweep", Status: "UPDATE_IN_PROGRESS"},
				cloudformationtest.Event{ID: "r", At: begun.Add(3 * time.Second), Type: "AWS::Events::Rule", Physical: "rootguard-rootactivity", Status: "UPDATE_IN_PROGRESS"},
				cloudformationtest.Event{ID: "t", At: begun.Add(4 * time.Second), Type: "AWS::SNS::Subscription", Physical: topic + ":0f1e", Status: "DELETE_IN_PROGRESS"},
				cloudformationtest.Event{ID: "done", At: begun.Add(20 * time.Second), Status: "UPDATE_COMPLETE"},
				cloudformationtest.Event{ID: "earlier", At: begun.Add(-24 * time.Hour), Status: "UPDATE_IN_PROGRESS"},
			)
			f, second := c.start(t, "rootactivity"), c.start(t, "rootactivity")
			severity := detect.High
			if announced {
				severity = detect.Low
				_, err := announcement.AnnounceDeployment(t.Context(), c.store, announcement.AuditEvent{
					Account: account, Until: now.Add(time.Hour), Owner: "alice", Reason: "OPS-17", Version: "1.2.3",
					By: []string{"arn:aws:iam::" + account + ":role/deploy"}, Actor: detect.Actor{ARN: "arn:aws:iam::" + account + ":role/deploy"},
				}, now)
				if err != nil {
					t.Fatal(err)
				}
			}
			rootactivity := map[string]any{"functionName": "rootguard-rootactivity"}
			upgrade := [][]byte{
				c.upgraded("e-1", "lambda", "UpdateFunctionCode20150331v2", true, rootactivity),
				c.upgraded("e-2", "lambda", "UpdateFunctionCode20150331v2", true, map[string]any{"functionName": "arn:aws:lambda:us-east-1:" + account + ":function:rootguard-sweep"}),
				c.upgraded("e-3", "lambda", "UpdateFunctionConfiguration20150331v2", true, rootactivity),
				c.upgraded("e-4", "events", "PutRule", true, map[string]any{"name": "rootguard-rootactivity", "state": "ENABLED"}),
				c.upgraded("e-5", "events", "PutTargets", true, map[string]any{"rule": "rootguard-rootactivity"}),
				c.upgraded("e-6", "iam", "PutRolePolicy", true, map[string]any{"roleName": "rootguard-SweepRole-x", "policyName": "p"}),
				c.upgraded("e-7", "cloudformation", "ExecuteChangeSet", false, map[string]any{"stackName": "rootguard", "changeSetName": "arn:set"}),
			}
			handled(t, f, upgrade[0])
			var both sync.WaitGroup
			both.Go(func() { handled(t, f, upgrade[6]) })
			both.Go(func() { handled(t, second, upgrade[1]) })
			both.Wait()
			for _, event := range append(upgrade[2:6], upgrade...) {
				handled(t, f, event)
			}
			all := c.alerts(t)
			if len(all) != 1 {
				t.Fatalf("alerts: %v", c.titles(t))
			}
			note := all[0].Finding
			title := "rootguard was deployed by deploy/alice"
			if !announced {
				title += ", not announced"
			}
			if note.Title != title || note.Severity != severity || !strings.Contains(note.Detail, "stack event began-1.") {
				t.Errorf("%s: %s: %s", note.Severity, note.Title, note.Detail)
			}

			// One session each, lest they be rolled up.
			for _, event := range [][]byte{
				c.upgraded("h-1", "sns", "Unsubscribe", true, map[string]any{"subscriptionArn": topic + ":0f1e"}),
				c.upgraded("h-2", "lambda", "UpdateFunctionCode20150331v2", false, map[string]any{"functionName": "rootguard-sweep"}),
				c.upgraded("h-3", "lambda", "UpdateFunctionCode20150331v2", true, map[string]any{"functionName": "rootguard-iamuser"}), // which this stack did not touch
				c.upgraded("h-4", "events", "DisableRule", true, map[string]any{"name": "rootguard-rootactivity"}),
			} {
				handled(t, f, []byte(strings.ReplaceAll(string(event), "2026-03-01T09:00:00Z", fmt.Sprintf("2026-03-01T09:0%d:00Z", len(c.alerts(t))))))
			}
			want := []string{
				"critical h-1 a new version does nothing like that", "critical h-2 The function runs other code now.",
				"critical h-3 No stack of rootguard's made this change.", "critical h-4 a new version does nothing like that",
			}
			var got []string
			for i, a := range c.alerts(t)[1:] {
				says := a.Finding.Detail
				if _, part, _ := strings.Cut(want[min(i, len(want)-1)], a.Finding.EventID+" "); strings.Contains(says, part) {
					says = part
				}
				got = append(got, fmt.Sprintf("%s %s %s", a.Finding.Severity, a.Finding.EventID, says))
			}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("alerts (-want +got):\n%s", diff)
			}
		})
	}
}
