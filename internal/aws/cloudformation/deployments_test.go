package cloudformation_test

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"

	"rootguard/internal/aws/awsenv"
	"rootguard/internal/aws/cloudformation"
	"rootguard/internal/detect"
)

// TestCovers asks a CloudFormation that has the events of two stacks, two a page,
// the latest first.
func TestCovers(t *testing.T) {
	at := time.Date(2025, 3, 1, 12, 0, 0, 0, time.UTC)
	const role = "rootguard-RootactivityRole27F53DE7-abc"
	const stackID = "arn:aws:cloudformation:us-east-1:111122223333:stack/rootguard/1"
	event := func(ago time.Duration, kind, physical, properties string) string {
		return fmt.Sprintf(`<member><StackId>`+stackID+`</StackId><EventId>e</EventId><StackName>x</StackName><ResourceType>%s</ResourceType><PhysicalResourceId>%s</PhysicalResourceId><ResourceProperties>%s</ResourceProperties><Timestamp>%s</Timestamp></member>`,
			kind, physical, properties, at.Add(-ago).Format(time.RFC3339))
	}
	begun := func(status, id string, ago time.Duration) string {
		return fmt.Sprintf(`<member><StackId>`+stackID+`</StackId><EventId>%s</EventId><StackName>x</StackName><ResourceType>AWS::CloudFormation::Stack</ResourceType><PhysicalResourceId>`+stackID+`</PhysicalResourceId><ResourceStatus>%s</ResourceStatus><Timestamp>%s</Timestamp></member>`,
			id, status, at.Add(-ago).Format(time.RFC3339))
	}
	stacks := map[string][]string{
		"us-east-1/rootguard": {
			// A rollback that was asked for, of an update that was left as it failed.
			begun("UPDATE_ROLLBACK_COMPLETE", "done", -3*time.Hour-2*time.Minute),
			event(-3*time.Hour-time.Minute, "AWS::Lambda::Function", "rootguard-digest", ""),
			begun("UPDATE_ROLLBACK_IN_PROGRESS", "asked-for", -3*time.Hour),
			begun("UPDATE_FAILED", "failed", -2*time.Hour-2*time.Minute),
			event(-2*time.Hour-time.Minute, "AWS::Lambda::Function", "rootguard-digest", ""),
			begun("UPDATE_IN_PROGRESS", "to-fail", -2*time.Hour),
			event(-time.Hour, "AWS::Lambda::Function", "rootguard-iamuser", ""),
			event(0, "AWS::CloudFormation::Stack", stackID, ""),
			event(time.Minute, "AWS::IAM::Policy", "rootg-Rootac-1ABC", `{"PolicyName":"p","Roles":["`+role+`"]}`),
			event(2*time.Minute, "AWS::Lambda::Function", "rootguard-rootactivity", `{"FunctionName":"rootguard-rootactivity"}`),
			begun("UPDATE_ROLLBACK_IN_PROGRESS", "no-beginning", 3*time.Minute),
			begun("UPDATE_IN_PROGRESS", "began", 4*time.Minute),
			event(time.Hour, "AWS::Lambda::Function", "rootguard-sweep", ""),
			begun("UPDATE_IN_PROGRESS", "earlier", 2*time.Hour),
		},
		"eu-west-1/rootguard-forward-eu-west-1": {event(time.Minute, "AWS::Events::Rule", "rootguard-forward-root-activity", "")},
	}
	denied := false
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		region := strings.Split(r.Header.Get("Authorization"), "/")[2]
		w.Header().Set("Content-Type", "text/xml")
		events, ok := stacks[region+"/"+r.FormValue("StackName")]
		if !ok || denied || r.FormValue("Action") != "DescribeStackEvents" {
			w.WriteHeader(http.StatusForbidden)
			_, _ = fmt.Fprintf(w, `<ErrorResponse><Error><Type>Sender</Type><Code>AccessDenied</Code><Message>not authorized: %s %s</Message></Error></ErrorResponse>`, r.FormValue("Action"), r.FormValue("StackName"))
			return
		}
		from := 0
		_, _ = fmt.Sscan(r.FormValue("NextToken"), &from)
		end, next := min(from+2, len(events)), ""
		if end < len(events) {
			next = fmt.Sprintf("<NextToken>%d</NextToken>", end)
		}
		_, _ = fmt.Fprintf(w, `<DescribeStackEventsResponse><DescribeStackEventsResult><StackEvents>%s</StackEvents>%s</DescribeStackEventsResult></DescribeStackEventsResponse>`, strings.Join(events[from:end], ""), next)
	}))
	defer server.Close()
	d := cloudformation.NewDeployments(aws.Config{
		Region: "us-east-1", BaseEndpoint: &server.URL, HTTPClient: awsenv.KeepAnswers(nil), RetryMaxAttempts: 1,
		Credentials: aws.CredentialsProviderFunc(func(context.Context) (aws.Credentials, error) {
			return aws.Credentials{AccessKeyID: "test", SecretAccessKey: "test"}, nil
		}),
	}, "", "111122223333")
	finding := func(source, region, resource string) detect.Finding {
		return detect.Finding{ID: detect.GuardTampered, Account: "111122223333", Region: region, EventTime: at, EventSource: source + ".amazonaws.com", Target: detect.Target{Resource: resource}}
	}
	update := func(stack string, after time.Duration) detect.Finding {
		f := finding("cloudformation", "us-east-1", stack)
		f.EventName, f.EventTime = "ExecuteChangeSet", at.Add(after)
		return f
	}
	later := func(f detect.Finding, after time.Duration) detect.Finding { f.EventTime = at.Add(after); return f }
	digest := finding("lambda", "us-east-1", "rootguard-digest")
	for name, tc := range map[string]struct {
		f    detect.Finding
		want string
	}{
		"an update that fails":       {later(digest, 2*time.Hour+time.Minute), "rootguard to-fail"},
		"its rollback, as asked for": {later(digest, 3*time.Hour+time.Minute), "rootguard asked-for"},
		"a function":                 {finding("lambda", "us-east-1", "rootguard-rootactivity"), "rootguard began"},
		"by its ARN":                 {finding("lambda", "us-east-1", "arn:aws:lambda:us-east-1:111122223333:function:rootguard-rootactivity"), "rootguard began"},
		"a role, by its policy":      {finding("iam", "us-east-1", role), "rootguard began"},
		"a name within a longer one": {finding("iam", "us-east-1", "rootguard-RootactivityRole"), ""},
		"another service's":          {finding("sns", "us-east-1", "rootguard-rootactivity"), ""},
		"long before":                {finding("lambda", "us-east-1", "rootguard-sweep"), ""},
		"long after":                 {finding("lambda", "us-east-1", "rootguard-iamuser"), ""},
		"a forwarder's rule":         {finding("events", "eu-west-1", "rootguard-forward-root-activity"), "rootguard-forward-eu-west-1"},
		"another account's": {func() detect.Finding {
			f := finding("lambda", "us-east-1", "rootguard-rootactivity")
			f.Account = "222233334444"
			return f
		}(), ""},
		"no resource":              {finding("lambda", "us-east-1", ""), ""},
		"a change set":             {update("rootguard", -4*time.Minute-time.Second), "rootguard began"},
		"a change set, by ARN":     {update(stackID, -4*time.Minute), "rootguard began"},
		"an update long after":     {update("rootguard", -2*time.Minute), ""},
		"another stack of a name":  {update("rootguard-x", -4*time.Minute), ""},
		"another stack by its ARN": {update("arn:aws:cloudformation:us-east-1:111122223333:stack/other/rootguard", -4*time.Minute), ""},
	} {
		of, ok, err := d.Covers(t.Context(), tc.f)
		got := strings.TrimSuffix(of.Stack+" "+of.Event, " ")
		if err != nil || ok != (tc.want != "") || ok && got != tc.want {
			t.Errorf("%s: %q %v %v, want %q", name, got, ok, err, tc.want)
		}
	}
	denied = true
	if _, ok, err := d.Covers(t.Context(), finding("lambda", "us-east-1", "rootguard-rootactivity")); ok || err == nil || !strings.Contains(err.Error(), "asking what the stack rootguard did") {
		t.Errorf("denied: %v %v", ok, err)
	}
}
