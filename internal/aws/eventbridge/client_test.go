package eventbridge_test

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	sdk "github.com/aws/aws-sdk-go-v2/service/eventbridge"
	"github.com/google/go-cmp/cmp"

	"rootguard/internal/aws/awsenv"
	"rootguard/internal/aws/eventbridge"
	"rootguard/internal/health"
)

// client asks a server that gives one answer after the other, and checks that it
// asks for what it should.
func client(t *testing.T, answers ...exchange) *eventbridge.Client {
	t.Helper()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if len(answers) == 0 {
			t.Error("one request too many")
			http.Error(w, "", http.StatusBadRequest)
			return
		}
		a := answers[0]
		answers = answers[1:]
		body, err := io.ReadAll(r.Body)
		if err != nil {
			t.Error(err)
		}
		if call := strings.TrimPrefix(r.Header.Get("X-Amz-Target"), "AWSEvents."); call != a.call {
			t.Errorf("called %s, want %s", call, a.call)
		}
		if region := a.region; region != "" && !strings.Contains(r.Header.Get("Authorization"), "/"+region+"/") {
			t.Errorf("asked %s, want Region %s", r.Header.Get("Authorization"), region)
		}
		if a.asks != "" && !strings.Contains(string(body), a.asks) {
			t.Errorf("asked %s, want %s", body, a.asks)
		}
		w.Header().Set("Content-Type", "application/x-amz-json-1.1")
		if a.code != "" {
			w.WriteHeader(http.StatusBadRequest)
			_, _ = io.WriteString(w, `{"__type":"`+a.code+`","message":"no"}`)
			return
		}
		_, _ = io.WriteString(w, a.answer)
	}))
	t.Cleanup(func() {
		server.Close()
		if len(answers) > 0 {
			t.Errorf("%d requests too few", len(answers))
		}
	})
	return eventbridge.New(func(region string) *sdk.Client {
		if region == "" {
			region = "us-east-1"
		}
		return sdk.New(sdk.Options{
			Region: region, BaseEndpoint: &server.URL, HTTPClient: awsenv.KeepAnswers(nil),
			Credentials: aws.CredentialsProviderFunc(func(context.Context) (aws.Credentials, error) {
				return aws.Credentials{AccessKeyID: "test", SecretAccessKey: "test"}, nil
			}),
		})
	}, "rootguard")
}

type exchange struct{ call, region, asks, answer, code string }

func TestRules(t *testing.T) {
	c := client(t,
		exchange{call: "ListRules", region: "us-east-1", asks: `"NamePrefix":"rootguard-"`, answer: `{"Rules":[{"Name":"rootguard-a","Arn":"arn:a","State":"ENABLED","EventPattern":"{}"}],"NextToken":"2"}`},
		exchange{call: "ListRules", asks: `"NextToken":"2"`, answer: `{"Rules":[{"Name":"rootguard-b","State":"DISABLED","ScheduleExpression":"rate(5 minutes)"}]}`},
		exchange{call: "ListRules", region: "eu-north-1", answer: `{"Rules":[]}`},
		exchange{call: "ListRules", code: "AccessDeniedException"})
	got, err := c.Rules(t.Context(), "", "rootguard-")
	want := []health.Rule{{Name: "rootguard-a", ARN: "arn:a", State: "ENABLED", Pattern: "{}"}, {Name: "rootguard-b", State: "DISABLED", Schedule: "rate(5 minutes)"}}
	if diff := cmp.Diff(want, got); diff != "" || err != nil {
		t.Errorf("%v (-want +got):\n%s", err, diff)
	}
	if got, err := c.Rules(t.Context(), "eu-north-1", "rootguard-"); err != nil || len(got) != 0 {
		t.Errorf("a Region without rules: %v, %v", got, err)
	}
	if _, err := c.Rules(t.Context(), "", "rootguard-"); err == nil || errors.Is(err, health.ErrAbsent) || !strings.Contains(err.Error(), "listing rules rootguard-*") {
		t.Errorf("denied: %v", err)
	}
}

func TestTargets(t *testing.T) {
	c := client(t,
		exchange{call: "ListTargetsByRule", asks: `"Rule":"r"`, answer: `{"Targets":[{"Id":"1","Arn":"arn:f","DeadLetterConfig":{"Arn":"arn:q"}},{"Id":"2","Arn":"arn:t","InputTransformer":{"InputTemplate":"\"x\""}},{"Id":"3","Arn":"arn:u","Input":"{}"}]}`},
		exchange{call: "ListTargetsByRule", code: "ResourceNotFoundException"},
		exchange{call: "ListTargetsByRule", code: "AccessDeniedException"})
	got, err := c.Targets(t.Context(), "", "r")
	want := []health.Target{{ARN: "arn:f", DeadLetters: "arn:q"}, {ARN: "arn:t", Rewrites: true}, {ARN: "arn:u", Rewrites: true}}
	if diff := cmp.Diff(want, got); diff != "" || err != nil {
		t.Errorf("%v (-want +got):\n%s", err, diff)
	}
	if _, err := c.Targets(t.Context(), "", "r"); !errors.Is(err, health.ErrAbsent) {
		t.Errorf("no rule: %v", err)
	}
	if _, err := c.Targets(t.Context(), "", "r"); err == nil || errors.Is(err, health.ErrAbsent) {
		t.Errorf("denied: %v", err)
	}
}

func TestPut(t *testing.T) {
	at := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	detail, err := json.Marshal(`{"prefix":"rootguard","at":"2026-03-01T12:00:00Z"}`)
	if err != nil {
		t.Fatal(err)
	}
	c := client(t,
		exchange{call: "PutEvents", asks: `"Detail":` + string(detail), answer: `{"FailedEntryCount":0,"Entries":[{"EventId":"e"}]}`},
		exchange{call: "PutEvents", asks: `"DetailType":"rootguard Heartbeat"`, answer: `{"FailedEntryCount":1,"Entries":[{"ErrorCode":"InternalFailure","ErrorMessage":"busy"}]}`},
		exchange{call: "PutEvents", asks: `"Source":"rootguard"`, code: "AccessDeniedException"})
	if err := c.Put(t.Context(), at); err != nil {
		t.Error(err)
	}
	if err := c.Put(t.Context(), at); err == nil || !strings.Contains(err.Error(), "InternalFailure: busy") {
		t.Errorf("an entry that is refused: %v", err)
	}
	if err := c.Put(t.Context(), at); err == nil || !strings.Contains(err.Error(), "putting the heartbeat") {
		t.Errorf("denied: %v", err)
	}
}
