package securityhub_test

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/aws/retry"
	sdk "github.com/aws/aws-sdk-go-v2/service/securityhub"
	"github.com/google/go-cmp/cmp"

	"rootguard/internal/alert"
	"rootguard/internal/aws/awsenv"
	"rootguard/internal/aws/securityhub"
	"rootguard/internal/aws/securityhub/securityhubtest"
	"rootguard/internal/cloudtrail"
	"rootguard/internal/detect"
	"rootguard/internal/failure"
	"rootguard/internal/lambdahandler"
)

var _ lambdahandler.Importer = (*securityhub.Hub)(nil)

const account = "999999999999"

var (
	of        = alert.Hub{Partition: "aws", Region: "us-east-1", Account: account}
	published = time.Date(2026, 4, 1, 0, 0, 0, 0, time.UTC)
)

func newHub(t *testing.T) (*securityhub.Hub, *securityhubtest.Server) {
	t.Helper()
	server := securityhubtest.New(t, account)
	client := sdk.New(sdk.Options{
		Region: "us-east-1", BaseEndpoint: &server.URL, HTTPClient: awsenv.KeepAnswers(nil),
		Credentials: aws.CredentialsProviderFunc(func(context.Context) (aws.Credentials, error) {
			return aws.Credentials{AccessKeyID: "test", SecretAccessKey: "test"}, nil
		}),
		Retryer: retry.NewStandard(func(o *retry.StandardOptions) { o.MaxBackoff = time.Millisecond }),
	})
	return securityhub.New(client, of), server
}

func signIn(n int) alert.Published {
	return alert.Published{At: published, Alert: alert.Alert{
		Schema: alert.Schema, ID: fmt.Sprintf("alert-%d", n), Kind: alert.First, AccountName: "prod",
		Finding: detect.Finding{
			ID: detect.RootSigninNoMFA, Severity: detect.Critical, Title: "Root sign-in WITHOUT MFA", Detail: "The password alone was enough.",
			Account: "111111111111", Region: "us-east-1", EventTime: published.Add(-time.Minute), EventID: fmt.Sprintf("e-%d", n),
			EventSource: "signin.amazonaws.com", EventName: "ConsoleLogin", SourceIP: "203.0.113.5", UserAgent: "test",
			Actor: detect.Actor{Type: "Root", Name: "root", ARN: "arn:aws:iam::111111111111:root"}, MFA: cloudtrail.No,
			Target: detect.Target{UserName: "eve", UserID: "AIDAEVE", Resource: "arn:aws:cloudtrail:us-east-1:111111111111:trail/main"},
			CIS:    []string{"1.7"}, ATTACK: []string{"T1078.004"}, NextStep: "Ask.",
		},
	}}
}

func idOf(n int) string { return fmt.Sprintf("rootguard/root.signin.no_mfa/111111111111/e-%d", n) }

// TestNothingIsLost holds that Security Hub gets what alert.ASFF wrote, all of it.
func TestNothingIsLost(t *testing.T) {
	hub, server := newHub(t)
	p := signIn(1)
	p.Alert.Kind, p.Alert.Count, p.Alert.Actions = alert.RollUp, 2, []alert.Action{{Name: "iam:CreateUser", Target: "bob", Count: 2}}
	if err := hub.Import(t.Context(), []alert.Published{p}); err != nil {
		t.Fatal(err)
	}
	body, err := alert.ASFF(p.Alert, of, published)
	if err != nil {
		t.Fatal(err)
	}
	var want securityhubtest.Finding
	if err := json.Unmarshal(body, &want); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]securityhubtest.Finding{want}, server.Findings()); diff != "" {
		t.Errorf("(-written +imported):\n%s", diff)
	}
}

func TestBatches(t *testing.T) {
	hub, server := newHub(t)
	alerts := make([]alert.Published, 0, 251)
	for n := range 250 {
		alerts = append(alerts, signIn(n))
	}
	if err := hub.Import(t.Context(), alerts); err != nil {
		t.Fatal(err)
	}
	if got := server.Batches(); !slices.Equal(got, []int{100, 100, 50}) || len(server.Findings()) != 250 {
		t.Errorf("batches %v, %d findings", got, len(server.Findings()))
	}
	update := signIn(7)
	update.Alert.Kind, update.Alert.Count, update.At = alert.RollUp, 3, published.Add(time.Minute)
	if err := hub.Import(t.Context(), []alert.Published{signIn(7), update}); err != nil {
		t.Fatal(err)
	}
	if got := server.Batches()[3:]; !slices.Equal(got, []int{1, 1}) {
		t.Errorf("a finding and its update went in batches %v", got)
	}
	if f := server.Findings()[7]; len(server.Findings()) != 250 || f.Text("Title") != "Root sign-in WITHOUT MFA: eve, 3 more" {
		t.Errorf("%d findings, the updated one is %q", len(server.Findings()), f.Text("Title"))
	}
}

func TestLarge(t *testing.T) {
	hub, server := newHub(t)
	alerts := make([]alert.Published, 100)
	for n := range alerts {
		alerts[n] = signIn(n)
		f := &alerts[n].Alert.Finding
		f.Detail, f.UserAgent = strings.Repeat("\x01", 2000), strings.Repeat("\x01", 2000)
	}
	if err := hub.Import(t.Context(), alerts); err != nil || len(server.Findings()) != 100 {
		t.Errorf("%v, %d findings", err, len(server.Findings()))
	}
}

func TestFailures(t *testing.T) {
	for _, tt := range []struct {
		name      string
		set       func(*securityhubtest.Server)
		retryable bool
		want      string
		imported  int
	}{
		{"one is refused for good", func(s *securityhubtest.Server) { s.Refuse(idOf(1), "InvalidInput") }, false, "importing " + idOf(1) + " into Security Hub: api error InvalidInput: injected", 2},
		{"one fails", func(s *securityhubtest.Server) { s.Refuse(idOf(1), "InternalException") }, true, idOf(1), 2},
		{"one fails and one is refused", func(s *securityhubtest.Server) {
			s.Refuse(idOf(0), "InternalException")
			s.Refuse(idOf(1), "InvalidInput")
		}, true, idOf(0), 1},
		{"not enabled", func(s *securityhubtest.Server) { s.Disable(true) }, true, "is not subscribed", 0},
		{"throttled", func(s *securityhubtest.Server) {
			s.Inject(10, securityhubtest.Fault{Status: http.StatusTooManyRequests, Code: "LimitExceededException"})
		}, true, "LimitExceededException", 0},
		{"the request is refused", func(s *securityhubtest.Server) {
			s.Inject(1, securityhubtest.Fault{Status: http.StatusBadRequest, Code: "InvalidInputException"})
		}, false, "InvalidInputException", 0},
	} {
		t.Run(tt.name, func(t *testing.T) {
			hub, server := newHub(t)
			tt.set(server)
			err := hub.Import(t.Context(), []alert.Published{signIn(0), signIn(1), signIn(2)})
			if err == nil || failure.Retryable(err) != tt.retryable || !strings.Contains(err.Error(), tt.want) || !strings.Contains(err.Error(), "rootguard/") {
				t.Errorf("got %v, want one with %q, retryable %v", err, tt.want, tt.retryable)
			}
			if n := len(server.Findings()); n != tt.imported {
				t.Errorf("%d imported, want %d", n, tt.imported)
			}
		})
	}
}

// TestAgain holds that what is imported twice, or late, is one finding as of the latest alert.
func TestAgain(t *testing.T) {
	hub, server := newHub(t)
	server.Inject(1, securityhubtest.Fault{After: true}) // the answer is lost, so the SDK asks again
	later := signIn(1)
	later.Alert.Kind, later.Alert.Count, later.At = alert.RollUp, 9, published.Add(time.Hour)
	for _, p := range []alert.Published{signIn(1), signIn(1), later, signIn(1)} {
		if err := hub.Import(t.Context(), []alert.Published{p}); err != nil {
			t.Fatal(err)
		}
	}
	if f := server.Findings(); len(f) != 1 || f[0].Text("Title") != "Root sign-in WITHOUT MFA: eve, 9 more" {
		t.Errorf("findings: %v", f)
	}
}

func TestNone(t *testing.T) {
	hub, server := newHub(t)
	if err := hub.Import(t.Context(), nil); err != nil || len(server.Batches()) != 0 {
		t.Errorf("%v, requests %v", err, server.Batches())
	}
}
