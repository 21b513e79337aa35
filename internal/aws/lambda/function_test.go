package lambda_test

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	sdk "github.com/aws/aws-sdk-go-v2/service/lambda"
	"github.com/google/go-cmp/cmp"

	"rootguard/internal/aws/awsenv"
	"rootguard/internal/aws/lambda"
	"rootguard/internal/health"
)

func TestEnvironment(t *testing.T) {
	for _, tt := range []struct {
		name, kind, body string
		status           int
		want             map[string]string
		missing          bool
		err              string
	}{
		{"a function", "", `{"FunctionName":"f","Environment":{"Variables":{"ROOTGUARD_TABLE":"t"}}}`, 200, map[string]string{"ROOTGUARD_TABLE": "t"}, false, ""},
		{"without variables", "", `{"FunctionName":"f"}`, 200, map[string]string{}, false, ""},
		{"not to be decrypted", "", `{"FunctionName":"f","Environment":{"Error":{"ErrorCode":"AccessDeniedException","Message":"Lambda was unable to decrypt"}}}`, 200, nil, false, "unable to decrypt"},
		{"no function", "ResourceNotFoundException", `{"Type":"User","message":"Function not found"}`, 404, nil, true, "settings of function f: there is no such function"},
		{"denied", "AccessDeniedException", `{"message":"not authorized to perform: lambda:GetFunctionConfiguration"}`, 403, nil, false, "lambda:GetFunctionConfiguration"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				if want := "/2015-03-31/functions/f/configuration"; r.Method != http.MethodGet || r.URL.Path != want {
					t.Errorf("asked %s %s, want %s", r.Method, r.URL.Path, want)
				}
				w.Header().Set("Content-Type", "application/json")
				if tt.kind != "" {
					w.Header().Set("X-Amzn-Errortype", tt.kind)
				}
				w.WriteHeader(tt.status)
				_, _ = w.Write([]byte(tt.body))
			}))
			defer server.Close()
			client := sdk.New(sdk.Options{
				Region: "us-east-1", BaseEndpoint: &server.URL, HTTPClient: awsenv.KeepAnswers(nil),
				Credentials: aws.CredentialsProviderFunc(func(context.Context) (aws.Credentials, error) {
					return aws.Credentials{AccessKeyID: "test", SecretAccessKey: "test"}, nil
				}),
			})
			got, err := lambda.Environment(t.Context(), client, "f")
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Errorf("environment (-want +got):\n%s", diff)
			}
			if (err != nil) != (tt.err != "") || errors.Is(err, lambda.ErrNoFunction) != tt.missing || err != nil && !strings.Contains(err.Error(), tt.err) {
				t.Errorf("got %v, want %q", err, tt.err)
			}
		})
	}
}

func TestFunction(t *testing.T) {
	reserved := 0
	const rest = `,"CodeSha256":"hash","Handler":"bootstrap","Role":"arn:role","Layers":[{"Arn":"arn:layer"}],"VpcConfig":{"VpcId":"vpc-1"},"Timeout":30`
	well := map[string]string{
		"/2015-03-31/functions/f/configuration":             `{"FunctionName":"f","Runtime":"provided.al2023","State":"Failed","StateReason":"why","LastUpdateStatus":"Successful","Environment":{"Variables":{"A":"b"}}` + rest + `}`,
		"/2021-07-20/functions/f/runtime-management-config": `{"UpdateRuntimeOn":"Auto","FunctionArn":"arn:f"}`,
		"/2019-09-30/functions/f/concurrency":               `{"ReservedConcurrentExecutions":0}`,
		"/2019-09-25/functions/f/event-invoke-config":       `{"DestinationConfig":{"OnFailure":{"Destination":"arn:q"}}}`,
		"/2015-03-31/functions/f/policy":                    `{"Policy":"{}"}`,
	}
	whole := health.Function{Runtime: "provided.al2023", State: "Failed", Reason: "why", Update: "Successful", Environment: map[string]string{"A": "b"}, Reserved: &reserved, OnFailure: "arn:q", Policy: "{}",
		Code: "hash", Handler: "bootstrap", Role: "arn:role", Layers: []string{"arn:layer"}, VPC: "vpc-1", Timeout: 30 * time.Second, RuntimeUpdates: "Auto"}
	for name, tc := range map[string]struct {
		path, answer string // instead; "!CODE" fails
		change       func(*health.Function)
		absent       bool
		err          string
	}{
		"whole":                 {},
		"unreserved":            {path: "concurrency", answer: `{}`, change: func(f *health.Function) { f.Reserved = nil }},
		"no destination":        {path: "event-invoke-config", answer: "!ResourceNotFoundException", change: func(f *health.Function) { f.OnFailure = "" }},
		"another destination":   {path: "event-invoke-config", answer: `{"DestinationConfig":{"OnSuccess":{"Destination":"arn:s"}}}`, change: func(f *health.Function) { f.OnFailure = "" }},
		"no policy":             {path: "policy", answer: "!ResourceNotFoundException", change: func(f *health.Function) { f.Policy = "" }},
		"gone":                  {path: "configuration", answer: "!ResourceNotFoundException", absent: true, err: "configuration of function f"},
		"denied":                {path: "configuration", answer: "!AccessDeniedException", err: "configuration of function f"},
		"not to be decrypted":   {path: "configuration", answer: `{"Environment":{"Error":{"Message":"KMS"}}}`, err: "KMS"},
		"concurrency denied":    {path: "concurrency", answer: "!AccessDeniedException", err: "concurrency of function f"},
		"destinations denied":   {path: "event-invoke-config", answer: "!AccessDeniedException", err: "destinations of function f"},
		"policy denied":         {path: "policy", answer: "!AccessDeniedException", err: "policy of function f"},
		"no environment at all": {path: "configuration", answer: `{"FunctionName":"f","Runtime":"provided.al2023","State":"Failed","StateReason":"why","LastUpdateStatus":"Successful"` + rest + `}`, change: func(f *health.Function) { f.Environment = nil }},
		"runtime denied":        {path: "runtime-management-config", answer: "!AccessDeniedException", err: "runtime management of function f"},
		"no VPC":                {path: "configuration", answer: `{"FunctionName":"f","Runtime":"provided.al2023","State":"Failed","StateReason":"why","LastUpdateStatus":"Successful"` + strings.Replace(rest, "vpc-1", "", 1) + `}`, change: func(f *health.Function) { f.Environment, f.VPC = nil, "" }},
	} {
		t.Run(name, func(t *testing.T) {
			server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				answer := well[r.URL.Path]
				if answer == "" {
					t.Errorf("asked %s", r.URL.Path)
				}
				if tc.path != "" && strings.HasSuffix(r.URL.Path, "/"+tc.path) {
					answer = tc.answer
				}
				w.Header().Set("Content-Type", "application/json")
				if code, failed := strings.CutPrefix(answer, "!"); failed {
					w.Header().Set("X-Amzn-Errortype", code)
					w.WriteHeader(http.StatusNotFound)
					answer = `{"message":"no"}`
				}
				_, _ = w.Write([]byte(answer))
			}))
			defer server.Close()
			client := sdk.New(sdk.Options{
				Region: "us-east-1", BaseEndpoint: &server.URL, HTTPClient: awsenv.KeepAnswers(nil),
				Credentials: aws.CredentialsProviderFunc(func(context.Context) (aws.Credentials, error) {
					return aws.Credentials{AccessKeyID: "test", SecretAccessKey: "test"}, nil
				}),
			})
			got, err := lambda.New(client).Function(t.Context(), "f")
			want := whole
			if tc.change != nil {
				tc.change(&want)
			}
			if tc.err != "" {
				want = health.Function{}
			}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
			if errors.Is(err, health.ErrAbsent) != tc.absent || (err != nil) != (tc.err != "") || err != nil && !strings.Contains(err.Error(), tc.err) {
				t.Errorf("got %v, want %q", err, tc.err)
			}
		})
	}
}

func TestInvoke(t *testing.T) {
	for _, tt := range []struct {
		name, kind, failed, body string
		status                   int
		missing                  bool
		err                      string
	}{
		{"it works", "", "", `null`, 200, false, ""},
		{"it fails", "", "Unhandled", `{"errorMessage":"SNS is down"}`, 200, false, `calling function f: it failed (Unhandled): {"errorMessage":"SNS is down"}`},
		{"no function", "ResourceNotFoundException", "", `{"Type":"User","message":"Function not found"}`, 404, true, "calling function f: there is no such function"},
		{"denied", "AccessDeniedException", "", `{"message":"not authorized to perform: lambda:InvokeFunction"}`, 403, false, "lambda:InvokeFunction"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				body, err := io.ReadAll(r.Body)
				if want := "/2015-03-31/functions/f/invocations"; err != nil || r.Method != http.MethodPost || r.URL.Path != want || string(body) != `{"a":1}` {
					t.Errorf("asked %s %s with %s, %v, want %s", r.Method, r.URL.Path, body, err, want)
				}
				w.Header().Set("Content-Type", "application/json")
				if tt.kind != "" {
					w.Header().Set("X-Amzn-Errortype", tt.kind)
				}
				if tt.failed != "" {
					w.Header().Set("X-Amz-Function-Error", tt.failed)
				}
				w.WriteHeader(tt.status)
				_, _ = w.Write([]byte(tt.body))
			}))
			defer server.Close()
			client := sdk.New(sdk.Options{
				Region: "us-east-1", BaseEndpoint: &server.URL, HTTPClient: awsenv.KeepAnswers(nil),
				Credentials: aws.CredentialsProviderFunc(func(context.Context) (aws.Credentials, error) {
					return aws.Credentials{AccessKeyID: "test", SecretAccessKey: "test"}, nil
				}),
			})
			err := lambda.Invoke(t.Context(), client, "f", []byte(`{"a":1}`))
			if (err != nil) != (tt.err != "") || errors.Is(err, lambda.ErrNoFunction) != tt.missing || err != nil && !strings.Contains(err.Error(), tt.err) {
				t.Errorf("got %v, want %q", err, tt.err)
			}
		})
	}
}
