package lambda_test

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	sdk "github.com/aws/aws-sdk-go-v2/service/lambda"
	"github.com/google/go-cmp/cmp"

	"rootguard/internal/lambda"
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
				Region: "us-east-1", BaseEndpoint: &server.URL,
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
