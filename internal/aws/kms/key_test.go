package kms_test

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
	sdk "github.com/aws/aws-sdk-go-v2/service/kms"

	"rootguard/internal/aws/awsenv"
	"rootguard/internal/aws/kms"
	"rootguard/internal/health"
)

func TestKey(t *testing.T) {
	for name, tc := range map[string]struct {
		answer, code string
		want         health.Key
		absent       bool
		err          string
	}{
		"enabled":          {answer: `{"KeyMetadata":{"KeyId":"k","KeyState":"Enabled"}}`, want: health.Key{State: "Enabled"}},
		"pending deletion": {answer: `{"KeyMetadata":{"KeyId":"k","KeyState":"PendingDeletion","DeletionDate":1772366400}}`, want: health.Key{State: "PendingDeletion", Deleted: time.Unix(1772366400, 0).UTC()}},
		"gone":             {code: "NotFoundException", absent: true, err: "describing key k"},
		"denied":           {code: "AccessDeniedException", err: "describing key k"},
		"empty":            {answer: `{}`, err: "says nothing"},
	} {
		t.Run(name, func(t *testing.T) {
			server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				if r.Header.Get("X-Amz-Target") != "TrentService.DescribeKey" {
					t.Errorf("called %s", r.Header.Get("X-Amz-Target"))
				}
				if body, err := io.ReadAll(r.Body); err != nil || !strings.Contains(string(body), `"KeyId":"k"`) {
					t.Errorf("asked %s, %v", body, err)
				}
				if tc.code != "" {
					w.WriteHeader(http.StatusBadRequest)
					_, _ = io.WriteString(w, `{"__type":"`+tc.code+`"}`)
					return
				}
				_, _ = io.WriteString(w, tc.answer)
			}))
			defer server.Close()
			keys := kms.New(sdk.New(sdk.Options{
				Region: "us-east-1", BaseEndpoint: &server.URL, HTTPClient: awsenv.KeepAnswers(nil),
				Credentials: aws.CredentialsProviderFunc(func(context.Context) (aws.Credentials, error) {
					return aws.Credentials{AccessKeyID: "test", SecretAccessKey: "test"}, nil
				}),
			}))
			got, err := keys.Key(t.Context(), "k")
			if got != tc.want || errors.Is(err, health.ErrAbsent) != tc.absent || (err != nil) != (tc.err != "") || err != nil && !strings.Contains(err.Error(), tc.err) {
				t.Errorf("got %+v, %v", got, err)
			}
		})
	}
}
