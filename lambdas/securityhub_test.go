package lambdas_test

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"
	"time"

	"rootguard/internal/aws/securityhub/securityhubtest"
	"rootguard/internal/aws/sns/snstest"
	"rootguard/internal/config"
	"rootguard/internal/lambdatest"
)

// notification is the event with which Amazon SNS calls a function.
func notification(t *testing.T, m snstest.Message, at time.Time) []byte {
	t.Helper()
	event, err := json.Marshal(map[string]any{"Records": []any{map[string]any{
		"EventSource": "aws:sns", "EventVersion": "1.0", "EventSubscriptionArn": m.TopicARN + ":1",
		"Sns": map[string]any{"Type": "Notification", "MessageId": "1", "TopicArn": m.TopicARN, "Subject": m.Subject, "Message": m.Default(), "Timestamp": at.UTC().Format("2006-01-02T15:04:05.000Z")},
	}}})
	if err != nil {
		t.Fatal(err)
	}
	return event
}

// TestSecurityHub follows alerts from the event to Security Hub.
func TestSecurityHub(t *testing.T) {
	t.Parallel()
	c := newCloud(t)
	hub := securityhubtest.New(t, account)
	c.env["AWS_ENDPOINT_URL_SECURITYHUB"] = hub.URL
	root, export := c.start(t, "rootactivity"), c.start(t, "securityhub")
	var sent int
	deliver := func(f func(*testing.T, *lambdatest.Function, []byte)) {
		t.Helper()
		for _, m := range c.topic.On(topic)[sent:] {
			f(t, export, notification(t, m, time.Now()))
		}
	}
	failing := func(t *testing.T, f *lambdatest.Function, event []byte) {
		t.Helper()
		refused(t, f, event, "is not subscribed")
	}

	// While Security Hub is off, people are reported, once; the message is Lambda's to keep.
	hub.Disable(true)
	handled(t, root, c.rootSignInOf(member, "e-1", "No", "Success"))
	deliver(failing)
	handled(t, root, c.rootSignInOf(member, "e-1", "No", "Success"))
	deliver(failing)
	c.wantFindings(t, "root.signin.no_mfa critical e-1")

	// Then it is one finding, of this account about the member, delivered twice or not.
	hub.Disable(false)
	deliver(handled)
	deliver(handled)
	found := hub.Findings()
	if len(found) != 1 || found[0].Text("Id") != "rootguard/root.signin.no_mfa/"+member+"/e-1" || found[0].Text("AwsAccountId") != account ||
		found[0].Text("ProductArn") != "arn:aws:securityhub:us-east-1:"+account+":product/"+account+"/default" || found[0].Text("RecordState") != "ACTIVE" {
		t.Fatalf("findings: %v", found)
	}
	if resource := found[0]["Resources"].([]any)[0].(map[string]any); resource["Id"] != "AWS::::Account:"+member {
		t.Errorf("resource: %v", resource)
	}
	sent = len(c.topic.On(topic))

	// What no retry cures says so, and is kept by Lambda all the same.
	hub.Refuse("rootguard/root.signin.no_mfa/"+account+"/e-2", "InvalidInput")
	handled(t, root, c.rootSignIn("e-2", "No", "Success"))
	deliver(func(t *testing.T, f *lambdatest.Function, event []byte) {
		t.Helper()
		refused(t, f, event, "InvalidInput")
	})
	refused(t, export, []byte(`{"Records":[{"EventSource":"aws:sns","Sns":{"Message":"ALARM"}}]}`), "no alert of rootguard")
	logs := slices.DeleteFunc(export.Logs(), func(one map[string]any) bool {
		return one["retryable"] != false || one["Failures"] != 1.0 || one["requestId"] == nil
	})
	if len(logs) == 0 { // the last line may still be on its way
		t.Errorf("the log does not say that it failed for good: %v", export.Logs())
	}
}

func TestSecurityHubBadSettings(t *testing.T) {
	t.Parallel()
	c := newCloud(t)
	c.env[config.EnvTopicARN] = "rootguard-alerts"
	f, err := lambdatest.Start(t.Context(), lambdatest.Options{Binary: binary(t, "securityhub"), Env: c.env})
	if err == nil {
		_ = f.Close()
	}
	if err == nil || !strings.Contains(err.Error(), config.EnvTopicARN+" is ") {
		t.Errorf("got %v, want an error that names %s", err, config.EnvTopicARN)
	}
}
