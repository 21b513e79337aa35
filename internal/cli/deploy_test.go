package cli

import (
	"strings"
	"testing"
)

// TestDeployAsksWhatIsAllowed holds that a deployment, a dry run too, warns of what the
// caller's policies lack before anything is made, and goes on.
func TestDeployAsksWhatIsAllowed(t *testing.T) {
	bundle := emptyBundle(t)
	for name, tt := range map[string]struct {
		caller   string
		lacks    string // an action
		deny     string // of the calls that ask
		want     string // on standard error
		wantNone string
	}{
		"all":     {"user/ops/alice", "", "", "", "policies"},
		"some":    {"user/ops/alice", "cloudformation:ExecuteChangeSet", "", "warning: your policies may not allow all that a deployment calls, and where a call is denied the stack is rolled back: cloudformation:ExecuteChangeSet; rootguard deploy --policy-of 111122223333 prints a policy that suffices\n", "note:"},
		"unasked": {"user/ops/alice", "", "iam:SimulatePrincipalPolicy", "note: whether your policies allow a deployment was not checked: AccessDenied: User: arn:aws:iam::111122223333:user/ops/alice is not authorized to perform: iam:SimulatePrincipalPolicy on resource: x ", "warning: your"},
		"root":    {"root", "", "", "note: whether your policies allow a deployment was not checked: root has no policies\n", "warning: your"},
	} {
		t.Run(name, func(t *testing.T) {
			d := newDenying(false)
			d.caller, d.lacks, d.deny = tt.caller, tt.lacks, tt.deny
			code, stdout, stderr := d.run(t, "deploy", "ops@example.com", "--dry-run", "--assets", bundle)
			for action := range d.needed { // what only reads
				switch action {
				case "sts:GetCallerIdentity", "cloudformation:DescribeStacks", "iam:SimulatePrincipalPolicy", "lambda:GetAccountSettings", "events:ListRules",
					"events:TestEventPattern":
				default:
					t.Errorf("it calls %s", action)
				}
			}
			if code != exitOK || !strings.Contains(stderr, tt.want) || strings.Contains(stderr, tt.wantNone) ||
				!strings.Contains(stdout, "would make stack rootguard in us-east-1\n") || !strings.HasSuffix(stdout, "nothing was changed\n") {
				t.Errorf("exit code %d\n%s%s", code, stdout, stderr)
			}
		})
	}
}
