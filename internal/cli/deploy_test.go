package cli

import (
	"bytes"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"
)

// TestDeployAsksWhatIsAllowed holds that a deployment, a dry run too, warns of what the
// caller's policies lack before anything is made, and goes on.
func TestDeployAsksWhatIsAllowed(t *testing.T) {
	bundle := emptyBundle(t)
	for name, tt := range map[string]struct {
		caller   string
		lacks    string // an action
		forbids  bool   // to ask
		want     string // on standard error
		wantNone string
	}{
		"all":     {"user/ops/alice", "", false, "", "policies"},
		"some":    {"user/ops/alice", "cloudformation:ExecuteChangeSet", false, "warning: your policies may not allow all that a deployment calls, and where a call is denied the stack is rolled back: cloudformation:ExecuteChangeSet; rootguard deploy --policy-of 111122223333 prints a policy that suffices\n", "note:"},
		"unasked": {"user/ops/alice", "", true, "note: whether your policies allow a deployment was not checked: AccessDenied: not authorized to perform: iam:SimulatePrincipalPolicy\n", "warning: your"},
		"root":    {"root", "", false, "note: whether your policies allow a deployment was not checked: root has no policies\n", "warning: your"},
	} {
		t.Run(name, func(t *testing.T) {
			made := false
			server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				deny := func(code, message string) {
					w.WriteHeader(http.StatusBadRequest)
					_, _ = fmt.Fprintf(w, "<ErrorResponse><Error><Type>Sender</Type><Code>%s</Code><Message>%s</Message></Error></ErrorResponse>", code, message)
				}
				switch action := r.FormValue("Action"); {
				case action == "GetCallerIdentity":
					_, _ = fmt.Fprintf(w, "<GetCallerIdentityResponse><GetCallerIdentityResult><Arn>arn:aws:iam::111122223333:%s</Arn><Account>111122223333</Account></GetCallerIdentityResult></GetCallerIdentityResponse>", tt.caller)
				case action == "DescribeStacks":
					deny("ValidationError", "Stack with id "+r.FormValue("StackName")+" does not exist")
				case action == "SimulatePrincipalPolicy" && tt.forbids:
					deny("AccessDenied", "not authorized to perform: iam:SimulatePrincipalPolicy")
				case action == "SimulatePrincipalPolicy":
					var results strings.Builder
					for i := 1; r.Form.Has(fmt.Sprintf("ActionNames.member.%d", i)); i++ {
						asked, decision := r.FormValue(fmt.Sprintf("ActionNames.member.%d", i)), "allowed"
						if asked == tt.lacks {
							decision = "implicitDeny"
						}
						fmt.Fprintf(&results, "<member><EvalActionName>%s</EvalActionName><EvalDecision>%s</EvalDecision></member>", asked, decision)
					}
					_, _ = fmt.Fprintf(w, "<SimulatePrincipalPolicyResponse><SimulatePrincipalPolicyResult><IsTruncated>false</IsTruncated><EvaluationResults>%s</EvaluationResults></SimulatePrincipalPolicyResult></SimulatePrincipalPolicyResponse>", results.String())
				case strings.HasSuffix(r.URL.Path, "/account-settings"):
					_, _ = io.WriteString(w, `{"AccountLimit":{"UnreservedConcurrentExecutions":1000}}`)
				case strings.HasSuffix(r.Header.Get("X-Amz-Target"), ".ListRules"):
					_, _ = io.WriteString(w, `{"Rules":[]}`)
				case strings.HasSuffix(r.Header.Get("X-Amz-Target"), ".TestEventPattern"):
					_, _ = io.WriteString(w, `{"Result":false}`)
				default:
					made = true
					deny("AccessDenied", "the test denies "+action)
				}
			}))
			defer server.Close()
			for variable, value := range map[string]string{
				"AWS_ENDPOINT_URL": server.URL, "AWS_ACCESS_KEY_ID": "test", "AWS_SECRET_ACCESS_KEY": "test", "AWS_REGION": "us-east-1",
				"AWS_EC2_METADATA_DISABLED": "true", "AWS_MAX_ATTEMPTS": "1", "HOME": t.TempDir(), "AWS_PROFILE": "",
			} {
				t.Setenv(variable, value)
			}
			var stdout, stderr bytes.Buffer
			code := run(t.Context(), []string{"deploy", "ops@example.com", "--dry-run", "--assets", bundle}, system{
				stdin: strings.NewReader(""), stdout: &stdout, stderr: &stderr,
				width: func() int { return 0 }, getenv: func(string) string { return "" }, now: time.Now,
			})
			if code != exitOK || made || !strings.Contains(stderr.String(), tt.want) || strings.Contains(stderr.String(), tt.wantNone) ||
				!strings.Contains(stdout.String(), "would make stack rootguard in us-east-1\n") || !strings.HasSuffix(stdout.String(), "nothing was changed\n") {
				t.Errorf("exit code %d, made %v\n%s%s", code, made, stdout.String(), stderr.String())
			}
		})
	}
}
