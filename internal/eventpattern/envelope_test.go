package eventpattern

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"rootguard/internal/cloudtrail"
)

func decode(tb testing.TB, raw string) *cloudtrail.Record {
	tb.Helper()
	rec, _, err := cloudtrail.Decode([]byte(raw))
	if err != nil {
		tb.Fatalf("decoding %s: %v", raw, err)
	}
	return &rec
}

func TestEnvelope(t *testing.T) {
	raw := `{"eventVersion": "1.10", "userIdentity": {"type": "Root", "accountId": "111122223333"}, "eventTime": "2026-01-02T03:04:05Z",
		"eventSource": "signin.amazonaws.com", "eventName": "ConsoleLogin", "awsRegion": "us-east-1", "eventType": "AwsConsoleSignIn",
		"recipientAccountId": "123456789012", "requestParameters": {"a": 1}, "eventContext": {"x": 1}, "eventID": "e-1"}`
	got, err := Envelope(decode(t, raw))
	if err != nil {
		t.Fatal(err)
	}
	var have map[string]any
	if err := json.Unmarshal(got, &have); err != nil {
		t.Fatal(err)
	}
	id, _ := have["id"].(string)
	if len(id) != 36 || id == "e-1" {
		t.Errorf("id %q", id)
	}
	delete(have, "id")
	want := map[string]any{
		"version": "0", "detail-type": "AWS Console Sign In via CloudTrail", "source": "aws.signin", "account": "123456789012",
		"time": "2026-01-02T03:04:05Z", "region": "us-east-1", "resources": []any{},
		"detail": map[string]any{
			"eventVersion": "1.10", "userIdentity": map[string]any{"type": "Root", "accountId": "111122223333"}, "eventTime": "2026-01-02T03:04:05Z",
			"eventSource": "signin.amazonaws.com", "eventName": "ConsoleLogin", "awsRegion": "us-east-1", "eventType": "AwsConsoleSignIn",
			"recipientAccountId": "123456789012", "requestParameters": map[string]any{"a": 1.0}, "eventID": "e-1",
		},
	}
	if diff := cmp.Diff(want, have); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
	again, _ := Envelope(decode(t, raw))
	if string(again) != string(got) {
		t.Error("the same record makes two events")
	}
}

func TestEnvelopeKinds(t *testing.T) {
	for _, c := range []struct{ eventSource, eventType, detailType, source string }{
		{"iam.amazonaws.com", "AwsApiCall", "AWS API Call via CloudTrail", "aws.iam"},
		{"signin.amazonaws.com", "AwsConsoleSignIn", "AWS Console Sign In via CloudTrail", "aws.signin"},
		{"signin.amazonaws.com", "AwsApiCall", "AWS API Call via CloudTrail", "aws.signin"},
		{"signin.amazonaws.com", "AwsServiceEvent", "AWS Service Event via CloudTrail", "aws.signin"},
		{"billingconsole.amazonaws.com", "AwsConsoleAction", "AWS Console Action via CloudTrail", "aws.billingconsole"},
		{"ec2.amazonaws.com", "AwsCloudTrailInsight", "AWS Insight via CloudTrail", "aws.ec2"},
		{"signin.amazonaws.com", "", "AWS Console Sign In via CloudTrail", "aws.signin"},
		{"sts.amazonaws.com", "", "AWS API Call via CloudTrail", "aws.sts"},
		{"x.aws.internal", "AwsApiCall", "AWS API Call via CloudTrail", "aws.x"},
		{"y.amazon.com", "AwsApiCall", "AWS API Call via CloudTrail", "aws.y"},
		{"z", "AwsApiCall", "AWS API Call via CloudTrail", "aws.z"},
	} {
		raw := fmt.Sprintf(`{"eventSource": %q, "eventType": %q}`, c.eventSource, c.eventType)
		got, err := Envelope(decode(t, raw))
		if err != nil {
			t.Fatal(err)
		}
		want := fmt.Sprintf(`{"source": [%q], "detail-type": [%q]}`, c.source, c.detailType)
		if !mustMatch(t, mustCompile(t, want), string(got)) {
			t.Errorf("%s makes %s, want %s", raw, got, want)
		}
	}
}

func TestEnvelopeLimits(t *testing.T) {
	raw := func(size int) string {
		return `{"eventSource": "iam.amazonaws.com", "requestParameters": "` + strings.Repeat("x", size-2) + `"}`
	}
	p := mustCompile(t, `{"detail": {"requestParameters": [{"exists": true}]}}`)
	for _, c := range []struct {
		size int
		want bool
	}{{100 << 10, true}, {100<<10 + 1, false}} {
		got, err := Envelope(decode(t, raw(c.size)))
		if err != nil {
			t.Fatal(err)
		}
		if mustMatch(t, p, string(got)) != c.want {
			t.Errorf("requestParameters of %d bytes: kept %v, want %v", c.size, !c.want, c.want)
		}
	}
}

func TestEnvelopeErrors(t *testing.T) {
	for name, rec := range map[string]*cloudtrail.Record{
		"no eventSource": decode(t, `{"eventName": "x"}`),
		"no raw record":  {EventSource: "iam.amazonaws.com"},
		"an array":       {EventSource: "iam.amazonaws.com", Raw: json.RawMessage(`[]`)},
	} {
		if got, err := Envelope(rec); err == nil {
			t.Errorf("%s makes an event: %s", name, got)
		}
	}
}
