package iamrole_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/credentials"
	sdk "github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/google/go-cmp/cmp"

	"rootguard/internal/aws/awsenv"
	"rootguard/internal/aws/awshealth/awshealthtest"
	"rootguard/internal/aws/iamrole"
	"rootguard/internal/health"
)

func TestRole(t *testing.T) {
	server := awshealthtest.New(t, awshealthtest.Deployment{Account: "111122223333", Region: "us-east-1", Prefix: "rootguard"})
	roles := iamrole.New(func() *sdk.Client {
		return sdk.New(sdk.Options{Region: "us-east-1", BaseEndpoint: &server.URL, HTTPClient: awsenv.KeepAnswers(nil), Credentials: credentials.NewStaticCredentialsProvider("test", "test", ""), RetryMaxAttempts: 1})
	})
	const quiet = `{"Statement":[{"Effect":"Deny","Action":"*","Resource":"*","Condition":{"StringEquals":{"a":"100% + 1"}}}]}`
	f := server.Functions["rootguard-sweep"]
	f.Role = awshealthtest.Role{Boundary: "arn:b", Attached: []string{"arn:p"}, Inline: map[string]string{"quiet": quiet}}
	got, err := roles.Role(t.Context(), "rootguard-sweep")
	if err != nil || !strings.Contains(got.Trust, "lambda.amazonaws.com") || !strings.Contains(got.Inline["Default"], "dynamodb:PutItem") {
		t.Errorf("%+v, %v", got, err)
	}
	got.Trust = ""
	delete(got.Inline, "Default")
	if diff := cmp.Diff(health.Role{Boundary: "arn:b", Attached: []string{"arn:p"}, Inline: map[string]string{"quiet": quiet}}, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if _, err := roles.Role(t.Context(), "other"); !errors.Is(err, health.ErrAbsent) {
		t.Errorf("a role that is not there: %v", err)
	}
	for _, call := range []string{"GetRole", "ListAttachedRolePolicies", "ListRolePolicies", "GetRolePolicy"} {
		server.Refuse[call] = "AccessDenied"
		if _, err := roles.Role(t.Context(), "rootguard-sweep"); err == nil || errors.Is(err, health.ErrAbsent) || !strings.Contains(err.Error(), call) {
			t.Errorf("%s denied: %v", call, err)
		}
		delete(server.Refuse, call)
	}
	for _, name := range strings.Split("abcdefghij", "") {
		f.Role.Inline[name] = quiet
	}
	if _, err := roles.Role(t.Context(), "rootguard-sweep"); err == nil || !strings.Contains(err.Error(), "more than 10") {
		t.Errorf("with many policies: %v", err)
	}
}
