package e2e

import (
	"cmp"
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/aws/aws-sdk-go-v2/service/lambda"
)

// principal is who signs with an access key.
type principal struct {
	function   string // "" of the operator and the test, that IAM is not asked about
	account    string
	statements []statement       // of the function's role
	keys       map[string]string // of the topics, by ARN
}

// grant is an action that a statement of a function's role allows.
type grant struct{ function, sid, action string }

func (g grant) String() string { return g.function + ": " + g.sid + ": " + g.action }

// roles is IAM, for what the proxy and the bus see.
type roles struct {
	mu      sync.Mutex
	callers map[string]*principal // by access key
	granted map[grant]bool        // whether a case used it
	denied  []string

	organizations map[string]string // their IDs, by account
}

// belong has accounts be of an organization.
func (r *roles) belong(id string, accounts ...string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, account := range accounts {
		r.organizations[account] = id
	}
}

// register has calls signed with the key be those of a principal.
func (r *roles) register(accessKey string, p *principal) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.callers[accessKey] = p
	for _, s := range p.statements {
		if s.Effect != "Allow" {
			continue
		}
		for _, action := range s.Action {
			g := grant{p.function, s.Sid, action}
			if _, known := r.granted[g]; !known { // more than one deployment may have it
				r.granted[g] = false
			}
		}
	}
}

// refused is the action that a call lacks, "" where it may be made. What may not
// is kept.
func (r *roles) refused(c *call) string {
	action := c.service + ":" + c.action
	r.mu.Lock()
	p := r.callers[c.accessKey]
	if p != nil {
		c.by, c.organization = p.account, r.organizations[p.account]
	}
	r.mu.Unlock()
	switch {
	case p == nil:
		r.deny("a caller with the access key %q, which is neither a function's nor the operator's, calls %s %s", c.accessKey, action, c.path)
		return action
	case p.function == "" || c.service == "sts" && c.action == "GetCallerIdentity": // which no one needs a permission for
		return ""
	}
	needs, err := accesses(c, p.account)
	if err != nil {
		r.deny("function %s: %v", p.function, err)
		return action
	}
	if c.service == "sts" {
		r.mu.Lock()
		if id := r.organizations[strings.Split(needs[0].resource, ":")[4]]; id != "" {
			needs[0].context = map[string]string{"aws:ResourceOrgID": id}
		}
		r.mu.Unlock()
	}
	if c.service == "sns" && c.action == "Publish" {
		// Amazon SNS Developer Guide, "Key management": of who publishes to an encrypted topic.
		key, known := p.keys[needs[0].resource]
		if !known {
			r.deny("function %s publishes to %s, which is no topic of the guard's", p.function, needs[0].resource)
			return action
		}
		if key != "" {
			needs = append(needs, access{action: "kms:GenerateDataKey", resource: key}, access{action: "kms:Decrypt", resource: key})
		}
	}
	return r.lacks(p, needs...)
}

// lacks is the first action of those needed that a role does not allow, or "".
func (r *roles) lacks(p *principal, needs ...access) string {
	lacking := ""
	for _, need := range needs {
		s := decide(p.statements, need)
		if s == nil {
			r.deny("the role of function %s does not allow %s on %s%s", p.function, need.action, need.resource, in(need.context))
			lacking = cmp.Or(lacking, need.action)
			continue
		}
		r.mu.Lock()
		for _, action := range s.Action {
			if like(strings.ToLower(action), strings.ToLower(need.action)) {
				r.granted[grant{p.function, s.Sid, action}] = true
			}
		}
		r.mu.Unlock()
	}
	return lacking
}

func in(context map[string]string) string {
	var text strings.Builder
	for _, key := range slices.Sorted(maps.Keys(context)) {
		fmt.Fprintf(&text, ", %s %s", key, context[key])
	}
	return text.String()
}

func (r *roles) deny(format string, args ...any) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if why := fmt.Sprintf(format, args...); !slices.Contains(r.denied, why) { // callers try again
		r.denied = append(r.denied, why)
	}
}

// taken are the denials since the last time.
func (r *roles) taken() []string {
	r.mu.Lock()
	defer r.mu.Unlock()
	denied := r.denied
	r.denied = nil
	return denied
}

// denial is the status and code by which a service says that IAM does not allow
// an action that a call needs.
func denial(c *call, action string) (status int, code string) {
	switch {
	case c.service == "sns" && strings.HasPrefix(action, "kms:"):
		return http.StatusBadRequest, "KMSAccessDenied"
	case c.service == "sns":
		return http.StatusForbidden, "AuthorizationError"
	case c.form != nil:
		return http.StatusForbidden, "AccessDenied"
	case c.action == "":
		return http.StatusForbidden, "AccessDeniedException"
	default:
		return http.StatusBadRequest, "AccessDeniedException"
	}
}

// role reads what the role of a deployed function allows.
func (d *deployment) role(ctx context.Context, function, role string) (*principal, error) {
	p := &principal{function: strings.TrimPrefix(function, "rootguard-"), account: d.account, keys: map[string]string{}}
	client := iam.NewFromConfig(d.aws)
	name := role[strings.LastIndex(role, "/")+1:]
	read := func(document string) error {
		text, err := url.QueryUnescape(document) // IAM API Reference, GetRolePolicy: URL-encoded
		if err != nil {
			return err
		}
		statements, err := readPolicy([]byte(text))
		for _, s := range statements {
			for i, resource := range s.Resource {
				// moto's Arn of a log group ends in its name (AWS CloudFormation User
				// Guide, AWS::Logs::LogGroup: in ":*").
				if strings.Contains(resource, ":log-group:") && !strings.HasSuffix(resource, ":*") {
					s.Resource[i] += ":*"
				}
			}
		}
		p.statements = append(p.statements, statements...)
		return err
	}
	inline, err := client.ListRolePolicies(ctx, &iam.ListRolePoliciesInput{RoleName: &name})
	if err != nil {
		return nil, fmt.Errorf("listing the policies of role %s: %w", name, err)
	}
	for i := range inline.PolicyNames {
		policy, err := client.GetRolePolicy(ctx, &iam.GetRolePolicyInput{RoleName: &name, PolicyName: &inline.PolicyNames[i]})
		if err != nil {
			return nil, fmt.Errorf("reading a policy of role %s: %w", name, err)
		}
		if err := read(*policy.PolicyDocument); err != nil {
			return nil, fmt.Errorf("role %s: %w", name, err)
		}
	}
	attached, err := client.ListAttachedRolePolicies(ctx, &iam.ListAttachedRolePoliciesInput{RoleName: &name})
	if err != nil {
		return nil, fmt.Errorf("listing the policies attached to role %s: %w", name, err)
	}
	for _, a := range attached.AttachedPolicies {
		about, err := client.GetPolicy(ctx, &iam.GetPolicyInput{PolicyArn: a.PolicyArn})
		if err != nil {
			return nil, fmt.Errorf("reading policy %s: %w", *a.PolicyArn, err)
		}
		version, err := client.GetPolicyVersion(ctx, &iam.GetPolicyVersionInput{PolicyArn: a.PolicyArn, VersionId: about.Policy.DefaultVersionId})
		if err != nil {
			return nil, fmt.Errorf("reading policy %s: %w", *a.PolicyArn, err)
		}
		if err := read(*version.PolicyVersion.Document); err != nil {
			return nil, fmt.Errorf("policy %s: %w", *a.PolicyArn, err)
		}
	}
	s := d.stacks[region]
	for id, r := range s.resources {
		if r.Type != "AWS::SNS::Topic" {
			continue
		}
		// moto's CloudFormation leaves the key off the topic.
		key, err := s.resolve(d.account, r.Properties["KmsMasterKeyId"])
		if err != nil {
			return nil, fmt.Errorf("finding the key of topic %s: %w", id, err)
		}
		p.keys[s.physical[id]], _ = key.(string) // "" of one without
	}
	return p, nil
}

// logs are what Lambda itself asks with the role of a function, to write its log.
func (d *deployment) logs(function string) ([]access, error) {
	s := d.stacks[region]
	for id, r := range s.resources {
		if r.Type != "AWS::Lambda::Function" || s.physical[id] != function {
			continue
		}
		config, err := s.resolve(d.account, r.Properties["LoggingConfig"])
		if err != nil {
			return nil, fmt.Errorf("finding the log group of function %s: %w", function, err)
		}
		fields, _ := config.(map[string]any)
		group, _ := fields["LogGroup"].(string)
		stream := arnIn("logs", region, d.account, "log-group:"+group+":log-stream:2026/01/01/"+function+"[$LATEST]0")
		return []access{{action: "logs:CreateLogStream", resource: stream}, {action: "logs:PutLogEvents", resource: stream}}, nil
	}
	return nil, fmt.Errorf("finding the log group of function %s: the template does not have it", function)
}

// unexercised are the grants that no case uses, with the reason for them.
var unexercised = map[string]string{
	"iamuser: Record: dynamodb:ConditionCheckItem":      leaseOver,
	"rootactivity: Record: dynamodb:ConditionCheckItem": leaseOver,
	"sweep: Record: dynamodb:ConditionCheckItem":        leaseOver,
	"quarantine: Record: dynamodb:ConditionCheckItem":   leaseOver,
	"quarantine: KeepFailed: sqs:SendMessage":           putOff,
	"iamuser: CheckAccount: iam:GetAccountSummary":      byAnother,
	"iamuser: CheckAccount: iam:ListVirtualMFADevices":  byAnother,
}

const (
	leaseOver = "for a claim whose lease ran out, in the place of a window that is over: leases last 90 s of the real clock"
	putOff    = "for a run that fails three times: a row that fails is put off, so that the second attempt finds nothing due"
	byAnother = "where another than root changes root's credentials, as in a session of AssumeRoot: no case has one"
)

// unproven compares the grants that no case used with those that are known: all
// of the package's tests have run.
func (r *roles) unproven() error {
	if flag.Lookup("test.run").Value.String() != "" || flag.Lookup("test.skip").Value.String() != "" {
		return nil
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	var problems []string
	for g, used := range r.granted {
		if _, known := unexercised[g.String()]; used == known {
			if used {
				problems = append(problems, g.String()+" is used, and unexercised says that it is not")
			} else {
				problems = append(problems, g.String()+" is allowed, and no case uses it: take it away, add a case, or give the reason in unexercised")
			}
		}
	}
	if problems == nil {
		return nil
	}
	slices.Sort(problems)
	return fmt.Errorf("the functions' roles:\n%s", strings.Join(problems, "\n"))
}

// without takes an action out of a function's role, until the test ends. It is
// for before the function first runs.
func (c *cloud) without(function, action string) {
	c.t.Helper()
	deployed, err := c.lambda.GetFunctionConfiguration(c.ctx, &lambda.GetFunctionConfigurationInput{FunctionName: &function})
	if err != nil {
		c.t.Fatal(err)
	}
	role := (*deployed.Role)[strings.LastIndex(*deployed.Role, "/")+1:]
	inline, err := c.iam.ListRolePolicies(c.ctx, &iam.ListRolePoliciesInput{RoleName: &role})
	if err != nil || len(inline.PolicyNames) != 1 {
		c.t.Fatalf("listing the policies of role %s: %v, %+v", role, err, inline)
	}
	name := inline.PolicyNames[0]
	policy, err := c.iam.GetRolePolicy(c.ctx, &iam.GetRolePolicyInput{RoleName: &role, PolicyName: &name})
	if err != nil {
		c.t.Fatal(err)
	}
	was, err := url.QueryUnescape(*policy.PolicyDocument)
	if err != nil {
		c.t.Fatal(err)
	}
	var document map[string]any
	if err := json.Unmarshal([]byte(was), &document); err != nil {
		c.t.Fatal(err)
	}
	taken := 0
	var left []any
	for _, one := range document["Statement"].([]any) {
		s := one.(map[string]any)
		actions, isList := s["Action"].([]any)
		if !isList {
			actions = []any{s["Action"]}
		}
		n := len(actions)
		if actions = slices.DeleteFunc(actions, func(a any) bool { return a == action }); len(actions) < n {
			taken++
			s["Action"] = actions
		}
		if len(actions) > 0 {
			left = append(left, one)
		}
	}
	document["Statement"] = left
	if taken == 0 {
		c.t.Fatalf("role %s does not have %s", role, action)
	}
	lesser, err := json.Marshal(document)
	if err != nil {
		c.t.Fatal(err)
	}
	put := func(ctx context.Context, document string) error {
		_, err := c.iam.PutRolePolicy(ctx, &iam.PutRolePolicyInput{RoleName: &role, PolicyName: &name, PolicyDocument: &document})
		return err
	}
	if err := put(c.ctx, string(lesser)); err != nil {
		c.t.Fatal(err)
	}
	c.t.Cleanup(func() {
		if err := put(context.Background(), was); err != nil { // the test's own context is over
			c.t.Errorf("giving the permission back: %v", err)
		}
	})
}

// TestPermissionMissing holds that a permission that a role lacks is noticed: the
// function gets AWS's answer, and the test that does not ask for it would fail.
func TestPermissionMissing(t *testing.T) {
	for _, tt := range []struct{ action, answer string }{
		{"sns:Publish", "AuthorizationError"},
		{"kms:GenerateDataKey", "KMSAccessDenied"},
		{"dynamodb:BatchGetItem", "AccessDeniedException"},
		{"dynamodb:PutItem", "AccessDeniedException"}, // of a transaction
		{"sqs:SendMessage", "AuthorizationError"},     // by Lambda, of what the function failed on
	} {
		t.Run(tt.action, func(t *testing.T) {
			c := deployed(t)
			const function = "rootguard-rootactivity"
			c.without(function, tt.action)
			if tt.action == "sqs:SendMessage" {
				c.without(function, "sns:Publish")
			}
			got := c.deliver(c.rootSignIn("111122223333", "No", "Success", nil))
			if len(got) != 1 || !got[0].failed || !strings.Contains(got[0].attempts[0].Error.Message, tt.answer) {
				t.Errorf("it answered %+v, want %s", got, tt.answer)
			}
			c.wantAlerts()
			want := "the role of function rootactivity does not allow " + tt.action + " on arn:aws:" + strings.Split(tt.action, ":")[0] + ":"
			denied := c.world.roles.taken()
			if !slices.ContainsFunc(denied, func(why string) bool { return strings.HasPrefix(why, want) }) {
				t.Errorf("denied: %q, want %s…", denied, want)
			}
			kept := "1"
			if tt.action == "sqs:SendMessage" {
				kept = "0"
			}
			if n := c.waiting("FailedQueueUrl"); n != kept {
				t.Errorf("%s messages on the queue of failures, want %s", n, kept)
			}
		})
	}
	t.Run("none", func(t *testing.T) {
		c := deployed(t)
		c.handled(c.deliver(c.rootSignIn("111122223333", "No", "Success", nil)))
		if denied := c.world.roles.taken(); denied != nil {
			t.Errorf("denied: %q", denied)
		}
	})
}

// TestRarePermissions has the functions do what no other case makes them: they
// are allowed it, since end finds nothing refused.
func TestRarePermissions(t *testing.T) {
	t.Run("root changes a user", func(t *testing.T) {
		c := deployed(t)
		eve := c.createUser("eve")
		eve.setPassword()
		c.handled(c.deliver(c.event("iam.amazonaws.com", "CreateUser", map[string]any{
			"userIdentity": map[string]any{"type": "Root", "principalId": c.d.account, "arn": "arn:aws:iam::" + c.d.account + ":root",
				"accountId": c.d.account},
			"requestParameters": map[string]any{"userName": eve.name},
			"responseElements":  map[string]any{"user": map[string]any{"userName": eve.name, "userId": eve.id}},
		})))
		if u := c.user("eve", time.Now()); !u.ConsoleAccess {
			t.Errorf("its password is not on record: %+v", u)
		}
	})
	t.Run("a person signs in by a permission set", func(t *testing.T) {
		c := deployed(t)
		role := "AWSReservedSSO_Admins_" + strings.Repeat("0f", 8)
		trust, all := `{"Version":"2012-10-17","Statement":[]}`, `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"*","Resource":"*"}]}`
		path, policy := "/aws-reserved/sso.amazonaws.com/", "AwsSSOInlinePolicy"
		if _, err := c.iam.CreateRole(c.ctx, &iam.CreateRoleInput{RoleName: &role, Path: &path, AssumeRolePolicyDocument: &trust}); err != nil {
			t.Fatal(err)
		}
		if _, err := c.iam.PutRolePolicy(c.ctx, &iam.PutRolePolicyInput{RoleName: &role, PolicyName: &policy, PolicyDocument: &all}); err != nil {
			t.Fatal(err)
		}
		c.handled(c.deliver(c.event("signin.amazonaws.com", "ConsoleLogin", map[string]any{
			"eventType": "AwsConsoleSignIn", "responseElements": map[string]any{"ConsoleLogin": "Success"},
			"additionalEventData": map[string]any{"MFAUsed": "No"},
			"userIdentity": map[string]any{
				"type": "AssumedRole", "principalId": "AROAX:sam", "arn": "arn:aws:sts::" + c.d.account + ":assumed-role/" + role + "/sam",
				"accountId": c.d.account,
				"sessionContext": map[string]any{"sessionIssuer": map[string]any{
					"type": "Role", "principalId": "AROAX", "arn": "arn:aws:iam::" + c.d.account + ":role" + path + role, "accountId": c.d.account,
					"userName": role,
				}},
			},
		})))
		for _, call := range []string{"ListAttachedRolePolicies", "ListRolePolicies", "GetRolePolicy"} {
			if len(c.calls("iam", call)) == 0 {
				t.Errorf("%s was not called", call)
			}
		}
	})
	t.Run("a receiver has not confirmed", func(t *testing.T) {
		c := deployed(t)
		pending := regexp.MustCompile(`(<key>SubscriptionsPending</key>\s*<value>)[0-9]*(</value>)`)
		c.fault(fault{service: "sns", action: "GetTopicAttributes", times: always, edit: func(body []byte) []byte {
			return pending.ReplaceAll(body, []byte("${1}1${2}"))
		}})
		c.handled(c.tick(time.Now()))
		if len(c.calls("sns", "ListSubscriptionsByTopic")) == 0 {
			t.Error("nobody asked who it is")
		}
	})
	t.Run("functions fail", func(t *testing.T) {
		c := deployed(t)
		for _, function := range []string{"rootguard-iamuser", "rootguard-sweep"} {
			if _, failed := c.invoke(function, []byte(`"no event"`)); !failed {
				t.Errorf("%s did not fail", function)
			}
		}
		if n := c.waiting("FailedQueueUrl"); n != "2" {
			t.Errorf("%s messages on the queue of failures, want 2", n)
		}
		// The sweep reads them: no redrive delivers them.
		now := time.Now()
		for i := range 2 {
			c.handled(c.tick(now.Add(time.Duration(i) * 5 * time.Minute)))
		}
		if got := lines(c.alerts()); !slices.Contains(got, "guard.unhealthy high queue.failed") {
			t.Errorf("alerts: %v", got)
		}
		if len(c.calls("sqs", "ReceiveMessage")) == 0 {
			t.Error("the messages were not read")
		}
		time.Sleep(time.Second) // for which they are hidden
		if n := c.waiting("FailedQueueUrl"); n != "2" {
			t.Errorf("%s messages on the queue of failures after they were read, want 2", n)
		}
	})
}
