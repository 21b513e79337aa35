package deploy_test

import (
	"context"
	"errors"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/fstest"

	"rootguard/internal/deploy"
)

// closedCloud answers for some Regions that a policy closes them, or another error.
type closedCloud struct {
	*cloud

	errs map[string]string // by Region
}

func (c closedCloud) Stack(ctx context.Context, of deploy.Target) (deploy.Stack, error) {
	if text := c.errs[of.Region]; text != "" {
		return deploy.Stack{}, errors.New(text)
	}
	return c.cloud.Stack(ctx, of)
}

const scp = "AccessDenied: User: arn:aws:sts::1:assumed-role/a/b is not authorized to perform: cloudformation:DescribeStacks with an explicit deny in a service control policy"

func TestReach(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		regions []string
		errs    map[string]string
		want    []string // in the error; none: no error
		closed  bool
	}{
		"all open":     {[]string{"eu-north-1", "us-east-2"}, nil, nil, false},
		"one closed":   {[]string{"eu-north-1", "us-east-2"}, map[string]string{"eu-north-1": scp}, []string{"closes eu-north-1 to this account", "--regions us-east-2;", "is not seen"}, true},
		"a project's":  {[]string{"eu-north-1", "us-east-2"}, map[string]string{"eu-north-1": scp, "us-east-2": scp}, []string{"may use us-east-1 alone", "--regions none", "no second way out", "sign-ins of root"}, true},
		"home closed":  {[]string{"us-east-2"}, map[string]string{"us-east-1": scp}, []string{"closes us-east-1", "the guard runs there"}, true},
		"own deny":     {[]string{"us-east-2"}, map[string]string{"us-east-2": "AccessDenied: not authorized to perform: cloudformation:DescribeStacks because no identity-based policy allows"}, []string{"no identity-based policy"}, false},
		"one Region":   {nil, nil, nil, false},
		"not answered": {[]string{"us-east-2"}, map[string]string{"us-east-1": "dial tcp: i/o timeout"}, []string{"i/o timeout"}, false},
	} {
		c := newCloud()
		d := deployer(t, c)
		d.Stacks = closedCloud{c, tt.errs}
		err := d.Reach(t.Context(), tt.regions)
		if (err != nil) != (tt.want != nil) || errors.As(err, new(*deploy.ClosedError)) != tt.closed {
			t.Errorf("%s: %v", name, err)
			continue
		}
		for _, part := range tt.want {
			if !strings.Contains(err.Error(), part) {
				t.Errorf("%s: %q does not say %q", name, err, part)
			}
		}
		if len(c.calls) > len(tt.regions)+1 || len(c.stacks) > 0 {
			t.Errorf("%s: it made %v", name, c.calls)
		}
	}
}

// quotas answer with one number each, or an error.
type quotas struct {
	rules, executions int
	err               error
}

func (q quotas) Rules(context.Context, string) (int, error)      { return q.rules, q.err }
func (q quotas) Executions(context.Context, string) (int, error) { return q.executions, q.err }

func TestRoom(t *testing.T) {
	t.Parallel()
	const rules = `{"Resources": {"A": {"Type": "AWS::Events::Rule"}, "B": {"Type": "AWS::Events::Rule"}, "C": {"Type": "AWS::SNS::Topic"}}}`
	for name, tt := range map[string]struct {
		quotas quotas
		there  bool // the stacks are
		want   []string
	}{
		"enough":             {quotas{rules: 298, executions: 10}, false, nil},
		"one rule too many":  {quotas{rules: 299, executions: 1000}, false, []string{"us-east-1 has 299 rules, and this adds 2"}},
		"the rules are ours": {quotas{rules: 300, executions: 1000}, true, nil},
		"a new account":      {quotas{executions: 9}, false, []string{"only 9 functions may run at once in us-east-1"}},
		"denied":             {quotas{err: errors.New("AccessDenied")}, false, []string{"2 more rules in us-east-1 is not known: AccessDenied", "at once is not known: AccessDenied"}},
	} {
		c := newCloud()
		d := deployer(t, c)
		b, err := deploy.ReadBundle(bundle(t, func(files fstest.MapFS, m *deploy.Manifest) {
			files["guard.template.json"].Data, m.Templates[0].SHA256 = []byte(rules), deploy.Sum([]byte(rules))
		}))
		if err != nil {
			t.Fatal(err)
		}
		d.Bundle = b
		if tt.there {
			c.stacks[deploy.Target{Region: "us-east-1", Name: "rootguard"}] = &stackState{status: "CREATE_COMPLETE"}
		}
		got, err := d.Room(t.Context(), tt.quotas, nil)
		if err != nil || len(got) != len(tt.want) {
			t.Errorf("%s: %q, %v, want %q", name, got, err, tt.want)
			continue
		}
		for i, part := range tt.want {
			if !strings.Contains(got[i], part) {
				t.Errorf("%s: %q does not say %q", name, got[i], part)
			}
		}
	}
}

// permissions deny some actions, or answer with an error.
type permissions struct {
	denied []string
	noOne  error // of Source
	err    error // of Denied
	asked  map[string][]string
	mu     *sync.Mutex
}

func (p *permissions) Source(context.Context) (string, error) {
	return "arn:aws:iam::111122223333:role/ci", p.noOne
}

func (p *permissions) Denied(_ context.Context, source string, actions []string, resource string) ([]string, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if source != "arn:aws:iam::111122223333:role/ci" {
		return nil, errors.New("another source")
	}
	p.asked[resource] = append(p.asked[resource], actions...)
	return slices.DeleteFunc(slices.Clone(actions), func(a string) bool { return !slices.Contains(p.denied, a) }), p.err
}

func TestMissing(t *testing.T) {
	t.Parallel()
	const types = `{"Resources": {"A": {"Type": "AWS::IAM::Policy"}, "B": {"Type": "AWS::SNS::Topic"}}}`
	roles := []string{"iam:CreateRole", "iam:DeleteRole", "iam:DeleteRolePolicy", "iam:GetRole", "iam:GetRolePolicy", "iam:PassRole", "iam:PutRolePolicy", "iam:UpdateRole", "sns:Subscribe"}
	for name, tt := range map[string]struct {
		permissions permissions
		want, err   string
	}{
		"all allowed":     {permissions{}, "", ""},
		"another's":       {permissions{denied: []string{"lambda:CreateFunction"}}, "", ""},
		"one, and twice":  {permissions{denied: []string{"s3:GetObject", "iam:CreateRole"}}, "is rolled back: iam:CreateRole, s3:GetObject; rootguard deploy --policy-of 111122223333 prints", ""},
		"more than eight": {permissions{denied: roles}, "iam:UpdateRole and 1 more;", ""},
		"root":            {permissions{noOne: errors.New("root has no policies")}, "", "root has no policies"},
		"not to be asked": {permissions{err: errors.New("AccessDenied")}, "", "AccessDenied"},
	} {
		b, err := deploy.ReadBundle(bundle(t, func(files fstest.MapFS, m *deploy.Manifest) {
			files["guard.template.json"].Data, m.Templates[0].SHA256 = []byte(types), deploy.Sum([]byte(types))
		}))
		if err != nil {
			t.Fatal(err)
		}
		d := deployer(t, newCloud())
		d.Bundle = b
		tt.permissions.mu, tt.permissions.asked = new(sync.Mutex), map[string][]string{}
		got, err := d.Missing(t.Context(), &tt.permissions, "111122223333")
		if (err == nil) != (tt.err == "") || err != nil && err.Error() != tt.err || !strings.Contains(got, tt.want) || (got == "") != (tt.want == "") {
			t.Errorf("%s: %q, %v", name, got, err)
		}
		if name != "all allowed" {
			continue
		}
		for resource, action := range map[string]string{
			"arn:aws:iam::111122223333:role/rootguard-example":                      "iam:CreateRole",
			"arn:aws:sns:us-east-1:111122223333:rootguard-example":                  "sns:Subscribe",
			"arn:aws:cloudformation:us-east-1:111122223333:stack/rootguard/example": "cloudformation:CreateChangeSet",
			"arn:aws:s3:::rootguard-assets-111122223333-example/rootguard/example":  "s3:PutObject",
			"*": "events:ListRules",
		} {
			if !slices.Contains(tt.permissions.asked[resource], action) {
				t.Errorf("%s was not asked of %s: %v", action, resource, tt.permissions.asked)
			}
		}
	}
}
