package iam_test

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"

	sdk "github.com/aws/aws-sdk-go-v2/service/iam"

	"rootguard/internal/aws/iam"
)

// simulator answers as IAM does, two results a page.
func simulator(t *testing.T, results map[string]string) *sdk.Client {
	t.Helper()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if err := r.ParseForm(); err != nil {
			t.Error(err)
		}
		switch r.PostForm.Get("Action") {
		case "GetRole":
			if r.PostForm.Get("RoleName") != "admin" {
				w.WriteHeader(http.StatusForbidden)
				_, _ = io.WriteString(w, "<ErrorResponse><Error><Type>Sender</Type><Code>AccessDenied</Code><Message>no iam:GetRole</Message></Error></ErrorResponse>")
				return
			}
			_, _ = io.WriteString(w, "<GetRoleResponse><GetRoleResult><Role><Path>/sso/</Path><RoleName>admin</RoleName><RoleId>AROA</RoleId><Arn>arn:aws:iam::111122223333:role/sso/admin</Arn><CreateDate>2026-01-01T00:00:00Z</CreateDate></Role></GetRoleResult></GetRoleResponse>")
		case "SimulatePrincipalPolicy":
			if r.PostForm.Get("PolicySourceArn") != "arn:aws:iam::111122223333:role/sso/admin" || r.PostForm.Get("ResourceArns.member.1") != "arn:aws:sns:us-east-1:111122223333:x" {
				t.Errorf("asked for %v", r.PostForm)
			}
			var actions []string
			for i := 1; r.PostForm.Has(fmt.Sprintf("ActionNames.member.%d", i)); i++ {
				actions = append(actions, r.PostForm.Get(fmt.Sprintf("ActionNames.member.%d", i)))
			}
			from := len(r.PostForm.Get("Marker")) // "mm" after two
			var body strings.Builder
			for _, a := range actions[from:min(from+2, len(actions))] {
				fmt.Fprintf(&body, "<member><EvalActionName>%s</EvalActionName><EvalResourceName>x</EvalResourceName>%s</member>", a, results[a])
			}
			page := "<IsTruncated>false</IsTruncated>"
			if from+2 < len(actions) {
				page = "<IsTruncated>true</IsTruncated><Marker>" + strings.Repeat("m", from+2) + "</Marker>"
			}
			_, _ = fmt.Fprintf(w, "<SimulatePrincipalPolicyResponse><SimulatePrincipalPolicyResult>%s<EvaluationResults>%s</EvaluationResults></SimulatePrincipalPolicyResult></SimulatePrincipalPolicyResponse>", page, body.String())
		}
	}))
	t.Cleanup(server.Close)
	return sdk.New(sdk.Options{
		Region: "us-east-1", BaseEndpoint: &server.URL, RetryMaxAttempts: 1,
		Credentials: credentials,
	})
}

func TestPermissions(t *testing.T) {
	t.Parallel()
	const (
		allowed  = "<EvalDecision>allowed</EvalDecision>"
		implicit = "<EvalDecision>implicitDeny</EvalDecision>"
		explicit = "<EvalDecision>explicitDeny</EvalDecision>"
	)
	results := map[string]string{
		"sns:Subscribe":   allowed,
		"sns:CreateTopic": implicit,
		"sns:DeleteTopic": explicit,
		"sns:TagResource": implicit + "<MissingContextValues><member>aws:RequestTag/owner</member></MissingContextValues>",
		"sns:Unsubscribe": implicit + "<OrganizationsDecisionDetail><AllowedByOrganizations>false</AllowedByOrganizations></OrganizationsDecisionDetail>",
		"sns:Publish":     implicit + "<OrganizationsDecisionDetail><AllowedByOrganizations>true</AllowedByOrganizations></OrganizationsDecisionDetail>",
		"sns:ListTopics":  implicit + "<PermissionsBoundaryDecisionDetail><AllowedByPermissionsBoundary>false</AllowedByPermissionsBoundary></PermissionsBoundaryDecisionDetail>",
	}
	p := iam.NewPermissions(simulator(t, results), "arn:aws:sts::111122223333:assumed-role/admin/alice")
	source, err := p.Source(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	got, err := p.Denied(t.Context(), source, []string{"sns:Subscribe", "sns:CreateTopic", "sns:DeleteTopic", "sns:TagResource", "sns:Unsubscribe", "sns:Publish", "sns:ListTopics"}, "arn:aws:sns:us-east-1:111122223333:x")
	if want := []string{"sns:CreateTopic", "sns:DeleteTopic", "sns:Publish", "sns:ListTopics"}; err != nil || !slices.Equal(got, want) {
		t.Errorf("%v, %v, want %v", got, err, want)
	}
}

func TestPermissionsSource(t *testing.T) {
	t.Parallel()
	client := simulator(t, nil)
	for caller, want := range map[string]string{
		"arn:aws:iam::111122223333:user/ops/alice":         "arn:aws:iam::111122223333:user/ops/alice",
		"arn:aws:sts::111122223333:assumed-role/admin/bob": "arn:aws:iam::111122223333:role/sso/admin",
		"arn:aws:sts::111122223333:assumed-role/other/bob": "no iam:GetRole",
		"arn:aws:iam::111122223333:root":                   "root has no policies",
		"arn:aws:sts::111122223333:federated-user/bob":     "is neither a user nor a role",
		"nonsense": `"nonsense" is no ARN`,
	} {
		got, err := iam.NewPermissions(client, caller).Source(t.Context())
		if err != nil {
			got = err.Error()
		}
		if !strings.Contains(got, want) {
			t.Errorf("%s: %q, want %q", caller, got, want)
		}
	}
}
