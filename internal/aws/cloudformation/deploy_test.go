package cloudformation_test

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/google/go-cmp/cmp"

	"rootguard/internal/aws/awsenv"
	"rootguard/internal/aws/cloudformation"
	"rootguard/internal/deploy"
)

// answers has the server answer each action with the next of its texts, the last
// one again and again.
type answers map[string][]string

func (a answers) deployer(t *testing.T) (*cloudformation.Deployer, *[]string) {
	t.Helper()
	var asked []string
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		action := r.FormValue("Action")
		asked = append(asked, action+" "+r.FormValue("StackName"))
		texts := a[action]
		if len(texts) == 0 {
			t.Errorf("asked %s", action)
			return
		}
		if len(texts) > 1 {
			a[action] = texts[1:]
		}
		w.Header().Set("Content-Type", "text/xml")
		if message, ok := strings.CutPrefix(texts[0], "ValidationError: "); ok {
			w.WriteHeader(http.StatusBadRequest)
			_, _ = fmt.Fprintf(w, `<ErrorResponse><Error><Code>ValidationError</Code><Message>%s</Message></Error></ErrorResponse>`, message)
			return
		}
		_, _ = fmt.Fprintf(w, `<%[1]sResponse><%[1]sResult>%[2]s</%[1]sResult></%[1]sResponse>`, action, texts[0])
	}))
	t.Cleanup(server.Close)
	cfg := aws.Config{
		Region: "us-east-1", BaseEndpoint: &server.URL, HTTPClient: awsenv.KeepAnswers(nil),
		Credentials: aws.CredentialsProviderFunc(func(context.Context) (aws.Credentials, error) {
			return aws.Credentials{AccessKeyID: "test", SecretAccessKey: "test"}, nil
		}),
	}
	return cloudformation.NewDeployer(cfg, "set", func(context.Context) error { return nil }), &asked
}

var guard = deploy.Target{Region: "us-east-1", Name: "rootguard"}

func TestDeployerStack(t *testing.T) {
	for name, c := range map[string]struct {
		answer string
		want   deploy.Stack
		err    string
	}{
		"there": {
			`<Stacks><member><StackName>rootguard</StackName><CreationTime>2025-03-01T12:00:00Z</CreationTime><StackStatus>CREATE_COMPLETE</StackStatus>
				<Parameters><member><ParameterKey>Grace</ParameterKey><ParameterValue>24h</ParameterValue></member></Parameters>
				<Outputs><member><OutputKey>TableName</OutputKey><OutputValue>t</OutputValue></member></Outputs></member></Stacks>`,
			deploy.Stack{Target: guard, Status: "CREATE_COMPLETE", Parameters: map[string]string{"Grace": "24h"}, Outputs: map[string]string{"TableName": "t"}}, "",
		},
		"none":   {"ValidationError: Stack with id rootguard does not exist", deploy.Stack{Target: guard}, ""},
		"denied": {"ValidationError: no", deploy.Stack{}, "describing stack rootguard in us-east-1"},
	} {
		d, _ := answers{"DescribeStacks": {c.answer}}.deployer(t)
		got, err := d.Stack(t.Context(), guard)
		if c.err != "" {
			if err == nil || !strings.Contains(err.Error(), c.err) {
				t.Errorf("%s: %v", name, err)
			}
			continue
		}
		if diff := cmp.Diff(c.want, got); err != nil || diff != "" {
			t.Errorf("%s: %v\n%s", name, err, diff)
		}
	}
}

func TestDeployerPlan(t *testing.T) {
	const made = `<Id>arn:set</Id><StackId>arn:stack</StackId>`
	change := func(action, id, kind, replacement string) string {
		return `<member><Type>Resource</Type><ResourceChange><Action>` + action + `</Action><LogicalResourceId>` + id + `</LogicalResourceId><ResourceType>` + kind + `</ResourceType><Replacement>` + replacement + `</Replacement></ResourceChange></member>`
	}
	done := func(changes, next string) string {
		if next != "" {
			next = "<NextToken>" + next + "</NextToken>"
		}
		return `<ChangeSetId>arn:set</ChangeSetId><StackId>arn:stack</StackId><Status>CREATE_COMPLETE</Status><Changes>` + changes + `</Changes>` + next
	}
	const pending = `<Status>CREATE_IN_PROGRESS</Status>`
	failed := func(reason string) string {
		return `<Status>FAILED</Status><StatusReason>` + reason + `</StatusReason>`
	}
	request := deploy.Request{Target: guard, Template: "{}", Parameters: map[string]string{"A": "1"}}
	for name, c := range map[string]struct {
		answers answers
		want    deploy.ChangeSet
		err     string
		deletes bool
	}{
		"two pages": {
			answers{"CreateChangeSet": {made}, "DescribeChangeSet": {pending, done(change("Add", "Topic", "AWS::SNS::Topic", ""), "more"), done(change("Modify", "Table", "AWS::DynamoDB::Table", "True"), "")}},
			deploy.ChangeSet{Target: guard, ID: "arn:set", Changes: []deploy.Change{{Action: "Add", ID: "Topic", Type: "AWS::SNS::Topic"}, {Action: "Modify", ID: "Table", Type: "AWS::DynamoDB::Table", Replaces: true}}}, "", false,
		},
		"no change of a resource": {
			answers{"CreateChangeSet": {made}, "DescribeChangeSet": {done("", "")}}, deploy.ChangeSet{Target: guard, ID: "arn:set"}, "", false,
		},
		"nothing to do": {
			answers{"CreateChangeSet": {made}, "DescribeChangeSet": {failed("The submitted information didn't contain changes.")}, "DeleteChangeSet": {""}}, deploy.ChangeSet{Target: guard}, "", true,
		},
		"nothing to do, at once": {
			answers{"CreateChangeSet": {"ValidationError: No updates are to be performed."}}, deploy.ChangeSet{Target: guard}, "", false,
		},
		"refused": {
			answers{"CreateChangeSet": {made}, "DescribeChangeSet": {failed("Template format error")}, "DeleteChangeSet": {""}}, deploy.ChangeSet{}, "Template format error", true,
		},
		"no such parameter": {
			answers{"CreateChangeSet": {"ValidationError: Parameters: [A] do not exist in the template"}}, deploy.ChangeSet{}, "do not exist in the template", false,
		},
	} {
		d, asked := c.answers.deployer(t)
		got, err := d.Plan(t.Context(), request)
		if (err != nil) != (c.err != "") || err != nil && !strings.Contains(err.Error(), c.err) {
			t.Errorf("%s: %v, want %q", name, err, c.err)
		}
		if diff := cmp.Diff(c.want, got); err == nil && diff != "" {
			t.Errorf("%s:\n%s", name, diff)
		}
		if deleted := strings.Contains(strings.Join(*asked, ","), "DeleteChangeSet"); deleted != c.deletes {
			t.Errorf("%s: %v", name, *asked)
		}
	}
}

// TestDeployerDiscard holds that a stack without resources is deleted with its
// change set, and no other.
func TestDeployerDiscard(t *testing.T) {
	stack := func(status string) string {
		return `<Stacks><member><StackName>rootguard</StackName><CreationTime>2025-03-01T12:00:00Z</CreationTime><StackStatus>` + status + `</StackStatus></member></Stacks>`
	}
	for status, deletes := range map[string]bool{"REVIEW_IN_PROGRESS": true, "CREATE_COMPLETE": false} {
		d, asked := answers{"DeleteChangeSet": {""}, "DescribeStacks": {stack(status)}, "DeleteStack": {""}}.deployer(t)
		if err := d.Discard(t.Context(), deploy.ChangeSet{Target: guard, ID: "arn:set", Create: true}); err != nil {
			t.Error(err)
		}
		if deleted := strings.Contains(strings.Join(*asked, ","), "DeleteStack rootguard"); deleted != deletes {
			t.Errorf("%s: %v", status, *asked)
		}
	}
}

func TestDeployerFailures(t *testing.T) {
	event := func(id, physical, status, reason string) string {
		return `<member><StackId>arn:stack</StackId><EventId>` + id + `</EventId><StackName>rootguard</StackName><Timestamp>2025-03-01T12:00:00Z</Timestamp><LogicalResourceId>` + id + `</LogicalResourceId><PhysicalResourceId>` + physical + `</PhysicalResourceId><ResourceStatus>` + status + `</ResourceStatus><ResourceStatusReason>` + reason + `</ResourceStatusReason></member>`
	}
	events := event("rootguard", "arn:stack", "UPDATE_ROLLBACK_IN_PROGRESS", "The following resource(s) failed to update: [Sweep].") +
		event("Topic", "t", "UPDATE_FAILED", "Resource update cancelled") + //nolint:misspell // as CloudFormation spells it
		event("Sweep", "s", "UPDATE_FAILED", "no such role") +
		event("rootguard", "arn:stack", "UPDATE_IN_PROGRESS", "User Initiated") +
		event("Old", "o", "CREATE_FAILED", "of the operation before")
	d, _ := answers{"DescribeStackEvents": {"<StackEvents>" + events + "</StackEvents>"}}.deployer(t)
	got, err := d.Failures(t.Context(), guard)
	if diff := cmp.Diff([]string{"Sweep: no such role"}, got); err != nil || diff != "" {
		t.Errorf("%v\n%s", err, diff)
	}
}

func TestDeployerTopics(t *testing.T) {
	resource := func(kind, physical string) string {
		return `<member><LogicalResourceId>x</LogicalResourceId><ResourceType>` + kind + `</ResourceType><PhysicalResourceId>` + physical + `</PhysicalResourceId><LastUpdatedTimestamp>2025-03-01T12:00:00Z</LastUpdatedTimestamp><ResourceStatus>CREATE_COMPLETE</ResourceStatus></member>`
	}
	d, _ := answers{"ListStackResources": {
		"<StackResourceSummaries>" + resource("AWS::SNS::Topic", "arn:one") + resource("AWS::SQS::Queue", "q") + "</StackResourceSummaries><NextToken>2</NextToken>",
		"<StackResourceSummaries>" + resource("AWS::SNS::Topic", "arn:two") + "</StackResourceSummaries>",
	}}.deployer(t)
	got, err := d.Topics(t.Context(), guard)
	if diff := cmp.Diff([]string{"arn:one", "arn:two"}, got); err != nil || diff != "" {
		t.Errorf("%v\n%s", err, diff)
	}
}
