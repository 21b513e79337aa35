package awsenv_test

import (
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/smithy-go"

	"rootguard/internal/aws/awsenv"
)

// TestCall holds what a signed request looks like, and what becomes of each answer.
func TestCall(t *testing.T) {
	at := time.Date(2026, 3, 2, 9, 0, 0, 0, time.UTC)
	for _, tt := range []struct {
		name    string
		answers []string // "STATUS BODY"
		value   string
		code    string // of the refusal
		message string
		asked   int
	}{
		{"an answer", []string{"200 <A><x>yes</x></A>"}, "yes", "", "", 1},
		{"a service that is down for a moment", []string{"503 busy", "200 <A><x>yes</x></A>"}, "yes", "", "", 2},
		{"a service that is down", []string{"503 <Error><Code>ServiceUnavailable</Code><Message>slow down</Message></Error>"}, "", "ServiceUnavailable", "slow down", 2},
		{"a refusal", []string{"403 <Response><Errors><Error><Code>UnauthorizedOperation</Code><Message>no &amp; no</Message></Error></Errors></Response>"}, "", "UnauthorizedOperation", "no & no", 1},
		{"a refusal that is no XML", []string{"403 go away"}, "", "HTTP 403", "Forbidden", 1},
		{"what is no XML", []string{"200 {}"}, "", "", "", 1},
	} {
		t.Run(tt.name, func(t *testing.T) {
			asked := 0
			server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				answer := tt.answers[min(asked, len(tt.answers)-1)]
				asked++
				body, err := io.ReadAll(r.Body)
				auth := r.Header.Get("Authorization")
				if err != nil || string(body) != "Action=X" || r.URL.Path != "/p" || r.Header.Get("X-Amz-Date") != "20260302T090000Z" || r.Header.Get("X-Amz-Security-Token") != "token" ||
					!strings.HasPrefix(auth, "AWS4-HMAC-SHA256 Credential=id/20260302/eu-west-1/ec2/aws4_request, SignedHeaders=") || !strings.Contains(auth, "x-amz-content-sha256") {
					t.Errorf("%s %s %q, %v: %v", r.Method, r.URL, body, r.Header, err)
				}
				status, text, _ := strings.Cut(answer, " ")
				w.WriteHeader(map[string]int{"200": 200, "403": 403, "503": 503}[status])
				_, _ = io.WriteString(w, text)
			}))
			defer server.Close()
			cfg := aws.Config{Region: "eu-west-1", BaseEndpoint: &server.URL, Credentials: credentials.NewStaticCredentialsProvider("id", "secret", "token")}
			call := awsenv.Call{ID: "EC2", Signing: "ec2", Host: "nowhere.invalid", Method: http.MethodPost, Path: "/p", Body: []byte("Action=X")}
			var got struct {
				X string `xml:"x"`
			}
			err := call.Do(t.Context(), cfg, func() time.Time { return at }, &got)
			var refused smithy.APIError
			if errors.As(err, &refused) != (tt.code != "") || refused != nil && (refused.ErrorCode() != tt.code || refused.ErrorMessage() != tt.message) {
				t.Errorf("refused: %v", err)
			}
			if got.X != tt.value || (err == nil) != (tt.value != "") || asked != tt.asked {
				t.Errorf("got %q, %v, asked %d times", got.X, err, asked)
			}
		})
	}
}
