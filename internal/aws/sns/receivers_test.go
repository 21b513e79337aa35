package sns_test

import (
	"fmt"
	"testing"

	"github.com/aws/aws-sdk-go-v2/credentials"
	sdk "github.com/aws/aws-sdk-go-v2/service/sns"
	"github.com/google/go-cmp/cmp"

	"rootguard/internal/aws/awsenv"
	"rootguard/internal/aws/sns"
	"rootguard/internal/aws/sns/snstest"
	"rootguard/internal/health"
)

func TestReceivers(t *testing.T) {
	server := snstest.New(t)
	i := sns.NewInspector(sdk.New(sdk.Options{Region: "us-east-1", BaseEndpoint: &server.URL, HTTPClient: awsenv.KeepAnswers(nil), Credentials: credentials.NewStaticCredentialsProvider("test", "test", "")}), "rootguard-securityhub")
	server.Set(alerts, snstest.Topic{Confirmed: 2, Waiting: []string{"late@example.com"}, DataProtection: `{"Name":"x"}`, Subscriptions: []snstest.Subscription{
		{Protocol: "email", Endpoint: "a@example.com", ByLink: true}, {Protocol: "sms", Endpoint: "+15555550100", Filter: `{"severity":["high"]}`},
	}})
	got, err := i.Receivers(t.Context(), alerts)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(health.Receivers{DataProtection: `{"Name":"x"}`, List: []health.Receiver{
		{ARN: alerts + ":0", Protocol: "email", Endpoint: "a@example.com"},
		{ARN: alerts + ":1", Protocol: "sms", Endpoint: "+15555550100", Filter: `{"severity":["high"]}`, Authenticated: true},
		{Protocol: "email", Endpoint: "late@example.com", Pending: true},
	}}, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	many := make([]snstest.Subscription, 30)
	for n := range many {
		many[n] = snstest.Subscription{Protocol: "email", Endpoint: fmt.Sprintf("%d@example.com", n), Filter: "{}"}
	}
	server.Set(alerts, snstest.Topic{Confirmed: 30, Subscriptions: many})
	got, err = i.Receivers(t.Context(), alerts)
	if err != nil || len(got.List) != 30 || got.More != 5 || !got.List[29].Unread || got.List[24].Filter != "{}" {
		t.Errorf("of 30: %d listed, %d not read, %v", len(got.List), got.More, err)
	}
	server.Text(true, "5")
	if text, err := i.Texting(t.Context()); err != nil || text != (health.Texting{Sandbox: true, Limit: "5"}) {
		t.Errorf("text messages: %+v, %v", text, err)
	}
}
