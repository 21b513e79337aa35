package eventrules_test

import (
	"bytes"
	"compress/gzip"
	"encoding/json"
	"errors"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"unicode/utf8"

	"pgregory.net/rapid"

	"rootguard/internal/bootstrap"
	"rootguard/internal/cloudtrail"
	"rootguard/internal/detect"
	"rootguard/internal/eventpattern"
	"rootguard/internal/eventrules"
	"rootguard/internal/eventrules/eventrulestest"
	"rootguard/internal/partition"
	"rootguard/internal/testenv"
)

// regions have the rules by default: all that every account has.
func regions(tb testing.TB) []string {
	tb.Helper()
	p, ok := partition.Of("aws")
	if !ok {
		tb.Fatal("there is no partition aws")
	}
	return p.Regions
}

func newRouter(tb testing.TB) *eventrulestest.Router {
	tb.Helper()
	r, err := eventrulestest.NewRouter(eventrules.Rules(), regions(tb))
	if err != nil {
		tb.Fatal(err)
	}
	return r
}

func decode(tb testing.TB, raw []byte) *cloudtrail.Record {
	tb.Helper()
	rec, _, err := cloudtrail.Decode(raw)
	if err != nil {
		tb.Fatalf("decoding %.200s: %v", raw, err)
	}
	return &rec
}

func route(tb testing.TB, r *eventrulestest.Router, rec *cloudtrail.Record) []string {
	tb.Helper()
	rules, err := r.Route(rec)
	if err != nil {
		tb.Fatalf("routing %.500s: %v", rec.Raw, err)
	}
	var names []string
	for _, rule := range rules {
		names = append(names, rule.Name)
	}
	return names
}

func TestRulesKeepTheLimits(t *testing.T) {
	longest, err := eventrules.RulesFor("abcdefghijklmnopqrstuvwx")
	if err != nil {
		t.Fatal(err)
	}
	for _, rules := range [][]eventrules.Rule{eventrules.Rules(), longest} {
		seen := map[string]bool{}
		for _, r := range rules {
			if n := utf8.RuneCountInString(r.Pattern); n > 2048 {
				t.Errorf("rule %s: %d characters", r.Name, n)
			}
			if _, err := eventpattern.Compile([]byte(r.Pattern)); err != nil {
				t.Errorf("rule %s: %v", r.Name, err)
			}
			if seen[r.Name] || r.Name == "" || r.Description == "" {
				t.Errorf("rule %q: no name of its own or no description", r.Name)
			}
			if len(r.Name) > 64-len("rootguard-") || len(r.Description) > 512 {
				t.Errorf("rule %s: name or description too long for EventBridge", r.Name)
			}
			if r.Function != eventrules.RootActivity && r.Function != eventrules.IAMUser {
				t.Errorf("rule %s: function %q", r.Name, r.Function)
			}
			if strings.ContainsAny(r.Pattern, "\n\t") {
				t.Errorf("rule %s: white space in the pattern", r.Name)
			}
			seen[r.Name] = true
		}
	}
}

func TestRulesFor(t *testing.T) {
	for _, prefix := range []string{"", "a*", `a"`, "a b", "é", strings.Repeat("a", 25)} {
		if _, err := eventrules.RulesFor(prefix); err == nil {
			t.Errorf("prefix %q makes rules", prefix)
		}
	}
	deleteTable := func(table string) *cloudtrail.Record {
		return decode(t, fmt.Appendf(nil, `{"eventSource": "dynamodb.amazonaws.com", "eventName": "DeleteTable", "eventType": "AwsApiCall", "awsRegion": "us-east-1",
			"userIdentity": {"type": "AssumedRole"}, "requestParameters": {"tableName": %q}}`, table))
	}
	for _, c := range []struct {
		prefix, table string
		want          bool
	}{
		{"rootguard", "rootguard-status", true},
		{"rootguard", "Rootguard-status", true},
		{"rootguard", "arn:aws:dynamodb:us-east-1:123456789012:table/rootguard-status", true},
		{"rootguard", "orders", false},
		{"Guard1", "guard1-status", true},
		{"Guard1", "rootguard-status", false},
		{"7g", "7g-status", true},
		{"7g", "8g-status", false},
	} {
		rules, err := eventrules.RulesFor(c.prefix)
		if err != nil {
			t.Fatal(err)
		}
		r, err := eventrulestest.NewRouter(rules, regions(t))
		if err != nil {
			t.Fatal(err)
		}
		if got := len(route(t, r, deleteTable(c.table))) > 0; got != c.want {
			t.Errorf("prefix %s, table %s: let through %v, want %v", c.prefix, c.table, got, c.want)
		}
	}
}

// everyRule are all rules that a deployment with a prefix can have.
func everyRule(tb testing.TB, prefix string) ([]eventrules.Rule, error) {
	tb.Helper()
	rules, err := eventrules.RulesFor(prefix)
	if err != nil {
		return nil, err
	}
	rules = slices.Concat(rules, []eventrules.Rule{eventrules.QuarantineRule(prefix), eventrules.Alive(prefix, "123456789012")}, eventrules.Direct(prefix))
	return append(rules, eventrules.Heartbeats(prefix, "123456789012")...), nil
}

// TestEventBridgeAcceptsEveryRule holds that no prefix that settings admit makes
// a rule that EventBridge may refuse, without an error that names rule and fix.
func TestEventBridgeAcceptsEveryRule(t *testing.T) {
	t.Parallel()
	accepted := func(prefix string) bool {
		rules, err := everyRule(t, prefix)
		var tooComplex *eventrules.TooComplexError
		if errors.As(err, &tooComplex) {
			if tooComplex.Prefix != prefix || tooComplex.Rule == "" || tooComplex.Complexity <= eventpattern.MaxComplexity || !strings.Contains(err.Error(), "choose ") {
				t.Errorf("prefix %s: %v", prefix, err)
			}
			return false
		}
		if err != nil {
			t.Fatalf("prefix %s: %v", prefix, err)
		}
		wildcards := 0
		for _, r := range rules {
			n, err := eventpattern.Complexity([]byte(r.Pattern))
			if err != nil || n > eventpattern.MaxComplexity {
				t.Errorf("prefix %s, rule %s: complexity %d, %v", prefix, r.Name, n, err)
			}
			if strings.Contains(r.Pattern, "wildcard") {
				wildcards++
			}
		}
		// Amazon EventBridge quotas: 30 rules with wildcards on one bus, which are
		// the account's too.
		if wildcards > 10 {
			t.Errorf("prefix %s: %d rules with wildcards", prefix, wildcards)
		}
		return true
	}
	for prefix, want := range map[string]bool{
		eventrules.DefaultPrefix: true, "a": true, "acme-guard": true, "abcdefghijklmnopqrst": true, "abcdefghijklmnopqrstuvwx": true,
		"dev-dev-dev": true, "aaaa": true, strings.Repeat("a", 20): false, "rr-rr-rr-rr-rr-rr-rr": false,
	} {
		if got := accepted(prefix); got != want {
			t.Errorf("prefix %s: accepted %v, want %v", prefix, got, want)
		}
	}
	_, err := eventrules.RulesFor(strings.Repeat("a", 20))
	if want := `prefix "aaaaaaaaaaaaaaaaaaaa" makes rule guard-delivery too complex for EventBridge (24 > 8): choose one that repeats itself less, such as "rootguard"`; err == nil || err.Error() != want {
		t.Errorf("got %v, want %s", err, want)
	}
	testenv.Check(t, 40, func(rt *rapid.T) {
		if prefix := rapid.StringMatching(`[a-c][a-c0-]{0,19}|[a-z][a-z0-9-]{0,19}`).Draw(rt, "prefix"); !accepted(prefix) {
			rt.Log("refused")
		}
	})
}

func TestRouterErrors(t *testing.T) {
	if _, err := eventrulestest.NewRouter([]eventrules.Rule{{Name: "broken", Pattern: `{"a": "x"}`}}, nil); err == nil || !strings.Contains(err.Error(), "rule broken") {
		t.Errorf("got %v, want an error that names the rule", err)
	}
	if _, err := newRouter(t).Route(&cloudtrail.Record{}); err == nil {
		t.Error("a record without a source has a route")
	}
}

// TestNobodyCanMakeUpAnEvent sends what a principal with events:PutEvents can.
func TestNobodyCanMakeUpAnEvent(t *testing.T) {
	for _, r := range eventrules.Rules() {
		p, err := eventpattern.Compile([]byte(r.Pattern))
		if err != nil {
			t.Fatal(err)
		}
		for _, detail := range []string{
			`{"eventSource": "signin.amazonaws.com", "eventName": "ConsoleLogin", "userIdentity": {"type": "Root"}}`,
			`{"eventSource": "sts.amazonaws.com", "eventName": "AssumeRoot", "userIdentity": {"type": "IAMUser"}}`,
			`{"eventSource": "iam.amazonaws.com", "eventName": "CreateUser", "userIdentity": {"type": "IAMUser"}}`,
		} {
			for _, source := range []string{"custom", "my.aws.signin", "AWS.signin"} {
				event := fmt.Sprintf(`{"source": %q, "detail-type": "AWS API Call via CloudTrail", "detail": %s}`, source, detail)
				if ok, err := p.Match([]byte(event)); ok || err != nil {
					t.Errorf("rule %s takes %s (%v)", r.Name, event, err)
				}
			}
		}
	}
}

// TestBothSpellingsOfSignIn sends a sign-in under either detail-type.
func TestBothSpellingsOfSignIn(t *testing.T) {
	for identity, rule := range map[string]string{"Root": "root-sign-in", "IAMUser": "user-sign-in"} {
		for _, detailType := range []string{"AWS Console Sign In via CloudTrail", "AWS Console Signin via CloudTrail"} {
			event := fmt.Sprintf(`{"source": "aws.signin", "detail-type": %q, "detail": {"eventSource": "signin.amazonaws.com", "eventName": "ConsoleLogin", "userIdentity": {"type": %q}}}`, detailType, identity)
			var through []string
			for _, r := range eventrules.Rules() {
				p, err := eventpattern.Compile([]byte(r.Pattern))
				if err != nil {
					t.Fatal(err)
				}
				ok, err := p.Match([]byte(event))
				if err != nil {
					t.Fatal(err)
				}
				if ok {
					through = append(through, r.Name)
				}
			}
			if !slices.Equal(through, []string{rule}) {
				t.Errorf("%s, %s: %v, want %s alone", identity, detailType, through, rule)
			}
		}
	}
}

// TestRoutes has, for each rule, records it delivers and near ones that none does.
func TestRoutes(t *testing.T) {
	const (
		root   = `"userIdentity": {"type": "Root", "accountId": "123456789012"}`
		role   = `"userIdentity": {"type": "AssumedRole"}`
		user   = `"userIdentity": {"type": "IAMUser", "userName": "bob"}`
		issued = `"userIdentity": {"type": "FederatedUser", "sessionContext": {"sessionIssuer": {"type": "Root"}}}`
		call   = `"eventType": "AwsApiCall", `
	)
	at := func(source, name string) string {
		return fmt.Sprintf(`"eventSource": "%s.amazonaws.com", "eventName": %q, `, source, name)
	}
	for _, c := range []struct {
		name, record string
		want         []string
	}{
		{"root signs in", `"eventType": "AwsConsoleSignIn", ` + at("signin", "ConsoleLogin") + root, []string{"root-sign-in"}},
		{"root writes", call + at("ec2", "RunInstances") + `"readOnly": false, ` + root, []string{"root-activity"}},
		{"root reads in the console", call + at("ec2", "DescribeInstances") + `"readOnly": true, ` + root, []string{"root-reads"}},
		{"root reads in the console, and the record says of what kind it is", call + at("ec2", "DescribeInstances") + `"readOnly": true, "managementEvent": true, ` + root, []string{"root-reads"}},
		{"a session that root issued reads", call + at("ec2", "DescribeInstances") + `"readOnly": true, ` + issued, []string{"root-issued"}},
		{"a session that root issued signs in", `"eventType": "AwsConsoleSignIn", ` + at("signin", "ConsoleLogin") + issued, []string{"root-issued"}},
		{"a session that a user issued signs in", `"eventType": "AwsConsoleSignIn", ` + at("signin", "ConsoleLogin") + `"userIdentity": {"type": "FederatedUser", "sessionContext": {"sessionIssuer": {"type": "IAMUser"}}}`, nil},
		{"root reads data", call + at("s3", "GetObject") + `"readOnly": true, "managementEvent": false, ` + root, []string{"root-activity"}},
		{"root reads with its key", call + at("ec2", "DescribeInstances") + `"readOnly": true, "userIdentity": {"type": "Root", "accessKeyId": "AKIAEXAMPLE"}`, []string{"root-reads"}},
		{"a service reads with root's key", call + at("ec2", "DescribeInstances") + `"readOnly": true, "userIdentity": {"type": "Root", "accessKeyId": "AKIAEXAMPLE", "invokedBy": "cloudformation.amazonaws.com"}`, nil},
		{"root writes with its key", call + at("ec2", "RunInstances") + `"readOnly": false, "userIdentity": {"type": "Root", "accessKeyId": "AKIAEXAMPLE"}`, []string{"root-activity"}},
		{"root in the console of old", call + at("iam", "CreateUser") + `"userIdentity": {"type": "Root", "invokedBy": "signin.amazonaws.com"}`, []string{"root-activity"}},
		{"a service for root", call + at("ec2", "CreateTags") + `"userIdentity": {"type": "Root", "invokedBy": "autoscaling.amazonaws.com"}`, nil},
		{"a service's event about root", `"eventType": "AwsServiceEvent", ` + at("kms", "RotateKey") + root, nil},
		{"a step of root's sign-in", `"eventType": "AwsConsoleSignIn", ` + at("signin", "CheckMfa") + root, []string{"root-sign-in"}},
		{"another step of root's sign-in", `"eventType": "AwsConsoleSignIn", ` + at("signin", "ExternalIdPDirectoryLogin") + root, nil},
		{"a step of a user's sign-in", `"eventType": "AwsConsoleSignIn", ` + at("signin", "CheckMfa") + user, nil},
		{"root in the billing console", `"eventType": "AwsConsoleAction", ` + at("billingconsole", "SetContactAddress") + root, []string{"root-activity"}},
		{"aws login by root", call + at("signin", "CreateOAuth2Token") + `"readOnly": true, ` + root, []string{"root-reads"}},
		{"aws login by a user", call + at("signin", "CreateOAuth2Token") + `"readOnly": true, ` + user, nil},
		{"root takes session credentials", call + at("sts", "GetSessionToken") + `"readOnly": true, ` + root, []string{"root-reads"}},
		{"root asks who it is", call + at("sts", "GetCallerIdentity") + `"readOnly": true, ` + root, []string{"root-reads"}},
		{"a service of root asks who it is", call + at("sts", "GetCallerIdentity") + `"readOnly": true, "userIdentity": {"type": "Root", "invokedBy": "cloudformation.amazonaws.com"}`, nil},
		{"password recovery by root", `"eventType": "AwsConsoleSignIn", ` + at("signin", "PasswordRecoveryRequested") + root, []string{"root-activity"}},
		{"password recovery by nobody", `"eventType": "AwsServiceEvent", ` + at("signin", "PasswordRecoveryRequested") + `"userIdentity": {"accountId": "123456789012"}`, []string{"root-recovery"}},
		{"password recovery as root's service event", `"eventType": "AwsServiceEvent", ` + at("signin", "PasswordRecoveryCompleted") + root, []string{"root-recovery"}},
		{"email change by a role", call + at("account", "StartPrimaryEmailUpdate") + role, []string{"root-recovery"}},
		{"contact change by a role", call + at("account", "PutAlternateContact") + role, []string{"account-change"}},
		{"contact read by a role", call + at("account", "GetAlternateContact") + `"readOnly": true, ` + role, nil},
		{"contact change by root", call + at("account", "PutAlternateContact") + root, []string{"root-activity"}},
		{"account leaves", call + at("organizations", "LeaveOrganization") + role, []string{"account-change"}},
		{"account leaves, denied", call + at("organizations", "LeaveOrganization") + `"errorCode": "AccessDenied", ` + role, []string{"account-change"}},
		{"account is invited", call + at("organizations", "InviteAccountToOrganization") + role, nil},
		{"password policy", call + at("iam", "UpdateAccountPasswordPolicy") + role, []string{"account-change"}},
		{"event store", call + at("cloudtrail", "StopEventDataStoreIngestion") + role, []string{"account-change"}},
		{"sign-in policy", call + at("signin", "PutResourcePermissionStatement") + role, []string{"account-change"}},
		{"root sessions", call + at("iam", "EnableOrganizationsRootSessions") + role, []string{"account-change"}},
		{"AssumeRoot is read-only to CloudTrail", call + at("sts", "AssumeRoot") + `"readOnly": true, ` + role, []string{"assume-root"}},
		{"AssumeRole", call + at("sts", "AssumeRole") + `"readOnly": true, ` + role, nil},
		{"a user signs in", `"eventType": "AwsConsoleSignIn", ` + at("signin", "ConsoleLogin") + user, []string{"user-sign-in"}},
		{"a role signs in", `"eventType": "AwsConsoleSignIn", ` + at("signin", "ConsoleLogin") + role, []string{"user-sign-in"}},
		{"an identity provider signs in", `"eventType": "AwsConsoleSignIn", ` + at("signin", "ConsoleLogin") + `"userIdentity": {"type": "SAMLUser"}`, nil},
		{"a user switches role", `"eventType": "AwsConsoleSignIn", ` + at("signin", "SwitchRole") + user, nil},
		{"a user is made", call + at("iam", "CreateUser") + role, []string{"user-change"}},
		{"a user is made by a service for root", call + at("iam", "CreateUser") + `"userIdentity": {"type": "Root", "invokedBy": "cloudformation.amazonaws.com"}`, []string{"user-change"}},
		{"a user is made by root", call + at("iam", "CreateUser") + root, []string{"root-activity"}},
		{"a user is made by who is not said", call + at("iam", "CreateUser") + `"userIdentity": {}`, []string{"user-change"}},
		{"a role is made", call + at("iam", "CreateRole") + role, []string{"role-change"}},
		{"a role is made, denied", call + at("iam", "CreateRole") + `"errorCode": "AccessDenied", ` + role, nil},
		{"a role is made by root", call + at("iam", "CreateRole") + root, []string{"root-activity"}},
		{"a role is an administrator's", call + at("iam", "AttachRolePolicy") + role + `, "requestParameters": {"roleName": "r", "policyArn": "arn:aws-cn:iam::aws:policy/AdministratorAccess"}`, []string{"role-change"}},
		{"a role may read", call + at("iam", "AttachRolePolicy") + role + `, "requestParameters": {"roleName": "r", "policyArn": "arn:aws:iam::aws:policy/ReadOnlyAccess"}`, nil},
		{"a permission set loses its policy", call + at("iam", "DetachRolePolicy") + role + `, "requestParameters": {"roleName": "AWSReservedSSO_Admin_0123456789abcdef", "policyArn": "arn:aws:iam::aws:policy/AdministratorAccess"}`, []string{"role-change"}},
		{"a permission set's role is deleted", call + at("iam", "DeleteRole") + role + `, "requestParameters": {"roleName": "AWSReservedSSO_Admin_0123456789abcdef"}`, []string{"role-change"}},
		{"another role is deleted", call + at("iam", "DeleteRole") + role + `, "requestParameters": {"roleName": "Admin"}`, nil},
		{"a role is trusted", call + at("iam", "UpdateAssumeRolePolicy") + role, []string{"role-change"}},
		{"another service's user", call + at("transfer", "CreateUser") + role, nil},
		{"a trail stops", call + at("cloudtrail", "StopLogging") + role + `, "requestParameters": {"name": "any"}`, []string{"guard-trail"}},
		{"a trail starts", call + at("cloudtrail", "StartLogging") + role + `, "requestParameters": {"name": "any"}`, nil},
		{"root disables a rule of ours", call + at("events", "DisableRule") + root + `, "requestParameters": {"name": "rootguard-root-activity"}`, []string{"root-activity", "guard-delivery", "guard-watch"}},
		{"root disables another rule", call + at("events", "DisableRule") + root + `, "requestParameters": {"name": "nightly"}`, []string{"root-activity"}},
		{"root stops a trail", call + at("cloudtrail", "StopLogging") + root, []string{"root-activity"}},
		{"our rule is disabled", call + at("events", "DisableRule") + role + `, "requestParameters": {"name": "rootguard-root-activity"}`, []string{"guard-delivery", "guard-watch"}},
		{"another rule is disabled", call + at("events", "DisableRule") + role + `, "requestParameters": {"name": "nightly"}`, nil},
		{"our rule, denied", call + at("events", "DisableRule") + role + `, "requestParameters": null, "errorCode": "AccessDenied", "errorMessage": "User: x is not authorized to perform: events:DisableRule on resource: arn:aws:events:us-east-1:123456789012:rule/rootguard-root-activity"`, []string{"guard-delivery", "guard-watch"}},
		{"another rule, denied", call + at("events", "DisableRule") + role + `, "requestParameters": null, "errorMessage": "no: rule/nightly"`, nil},
		{"our function's code", call + at("lambda", "UpdateFunctionCode20150331v2") + role + `, "requestParameters": {"functionName": "rootguard-iamuser"}`, []string{"guard-function"}},
		{"our function is called", call + at("lambda", "Invoke") + `"managementEvent": false, ` + role + `, "requestParameters": {"functionName": "rootguard-iamuser"}`, nil},
		{"our table is written", call + at("dynamodb", "PutItem") + `"managementEvent": false, ` + role + `, "requestParameters": {"tableName": "rootguard-status"}`, nil},
		{"our alarm among others", call + at("monitoring", "DeleteAlarms") + role + `, "requestParameters": {"alarmNames": ["cpu", "rootguard-errors"]}`, []string{"guard-watch"}},
		{"other alarms", call + at("monitoring", "DeleteAlarms") + role + `, "requestParameters": {"alarmNames": ["cpu", "disk"]}`, nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			if got := route(t, newRouter(t), decode(t, []byte(`{"awsRegion": "us-east-1", `+c.record+"}"))); !slices.Equal(got, c.want) {
				t.Errorf("delivered by %v, want %v", got, c.want)
			}
		})
	}
}

// matters reports why a record must reach the guard, "" where it need not. What a
// session of sts:AssumeRoot only reads leaves a fact in logs, but no finding: its
// opening is reported, and the rules let it be.
func matters(rec *cloudtrail.Record) string {
	detector := detect.Detector{Own: detect.Own{Keys: []string{"k-1"}}}
	if o := detector.Detect(rec, nil); o.Kind == detect.Matched {
		return string(o.Finding.ID)
	}
	for _, f := range bootstrap.FactsOf(rec) {
		if rec.ReadOnly == cloudtrail.Yes && f.Kind == bootstrap.AssumedRoot {
			continue
		}
		return string(f.Kind)
	}
	return ""
}

// unwrap returns the records in one line of the corpus, whatever its shape.
func unwrap(tb testing.TB, raw json.RawMessage) []json.RawMessage {
	tb.Helper()
	var w struct {
		Records   []json.RawMessage `json:"Records"`
		Detail    json.RawMessage   `json:"detail"`
		LogEvents []struct {
			Message string `json:"message"`
		} `json:"logEvents"`
		Events []struct {
			CloudTrailEvent string `json:"CloudTrailEvent"`
		} `json:"Events"`
	}
	if err := json.Unmarshal(raw, &w); err != nil {
		tb.Fatalf("reading %.200s: %v", raw, err)
	}
	switch {
	case w.Records != nil:
		return w.Records
	case w.Detail != nil:
		return []json.RawMessage{w.Detail}
	case w.LogEvents != nil:
		var out []json.RawMessage
		for _, e := range w.LogEvents {
			out = append(out, json.RawMessage(e.Message))
		}
		return out
	case w.Events != nil:
		var out []json.RawMessage
		for _, e := range w.Events {
			out = append(out, json.RawMessage(e.CloudTrailEvent))
		}
		return out
	default:
		return []json.RawMessage{raw}
	}
}

type sample struct {
	from     string
	rec      *cloudtrail.Record
	relevant bool // as the corpus has it
}

func corpus(t *testing.T) []sample {
	t.Helper()
	dir := filepath.Join(testenv.Shared(t), "corpus")
	cases, err := os.ReadFile(filepath.Join(dir, "cases.jsonl"))
	if err != nil {
		t.Fatal(err)
	}
	var samples []sample
	for line := range bytes.Lines(cases) {
		var c struct {
			ID       string
			Relevant bool
			Event    json.RawMessage
		}
		if err := json.Unmarshal(line, &c); err != nil {
			t.Fatal(err)
		}
		for _, raw := range unwrap(t, c.Event) {
			samples = append(samples, sample{"case " + c.ID, decode(t, raw), c.Relevant})
		}
	}
	logs, err := filepath.Glob(filepath.Join(dir, "invictus-ir", "*.json.gz"))
	if err != nil || len(logs) == 0 {
		t.Fatalf("finding logs: %v, %d", err, len(logs))
	}
	for _, name := range logs {
		packed, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		z, err := gzip.NewReader(bytes.NewReader(packed))
		if err != nil {
			t.Fatal(err)
		}
		var log struct{ Records []json.RawMessage }
		if err := json.NewDecoder(z).Decode(&log); err != nil {
			t.Fatal(err)
		}
		for _, raw := range log.Records {
			samples = append(samples, sample{"log " + filepath.Base(name), decode(t, raw), false})
		}
	}
	return samples
}

// isRegion is what every Region of a partition is named like.
var isRegion = regexp.MustCompile(`^[a-z]{2,4}(-[a-z]+)+-[0-9]$`)

// somewhere puts a record in the home Region where its Region was made up: the
// corpus has records that were made unrecognizable, in "ap-central-2r", "..." or
// "XXXX". A Region that looks like one stays, whether or not it has rules.
func somewhere(rec *cloudtrail.Record) *cloudtrail.Record {
	if isRegion.MatchString(rec.AWSRegion) {
		return rec
	}
	moved := *rec
	moved.AWSRegion = "us-east-1"
	return &moved
}

// TestRegions holds that an event comes by the rules of its own Region alone.
func TestRegions(t *testing.T) {
	home, err := eventrulestest.NewRouter(eventrules.Rules(), []string{"us-east-1"})
	if err != nil {
		t.Fatal(err)
	}
	for region, want := range map[string]struct{ home, all int }{
		"us-east-1": {1, 1}, "eu-west-1": {0, 1}, "us-west-2": {0, 1}, "me-south-1": {0, 0}, "us-gov-west-1": {0, 0}, "": {0, 0},
	} {
		rec := decode(t, fmt.Appendf(nil, `{"eventSource": "ec2.amazonaws.com", "eventName": "RunInstances", "eventType": "AwsApiCall", "awsRegion": %q,
			"userIdentity": {"type": "Root", "accountId": "123456789012"}}`, region))
		if got := len(route(t, home, rec)); got != want.home {
			t.Errorf("root in %q: %d rules of the home Region, want %d", region, got, want.home)
		}
		if got := len(route(t, newRouter(t), rec)); got != want.all {
			t.Errorf("root in %q: %d rules by default, want %d", region, got, want.all)
		}
	}
}

// TestCorpus holds that the rules deliver all that matters, hardly anything
// else, and nothing twice.
func TestCorpus(t *testing.T) {
	r := newRouter(t)
	var matter, irrelevant, extra, noSource int
	extras := map[string]int{}
	for _, s := range corpus(t) {
		why := matters(s.rec)
		if s.rec.EventSource == "" {
			noSource++
			if why != "" {
				t.Errorf("%s: %s without an eventSource cannot be delivered", s.from, why)
			}
			continue
		}
		through := route(t, r, somewhere(s.rec))
		// Root on our own resources, and what is done to our rules, come twice.
		twice := through
		if len(twice) > 1 && twice[0] == "root-activity" {
			twice = twice[1:]
		}
		ofRules := s.rec.EventSource == "events.amazonaws.com" && slices.Equal(twice, []string{"guard-delivery", "guard-watch"})
		if len(twice) > 1 && !ofRules {
			t.Errorf("%s: delivered by %v", s.from, through)
		}
		switch {
		case why != "":
			matter++
			if len(through) == 0 {
				t.Errorf("%s: %s is not delivered: %.600s", s.from, why, s.rec.Raw)
			}
		case !s.relevant:
			irrelevant++
			if len(through) > 0 {
				extra++
				extras[s.rec.EventSource+" "+s.rec.EventName+" "+through[0]]++
			}
		}
	}
	t.Logf("%d records matter, all delivered; of %d irrelevant %d delivered (%.2f %%): %v; %d have no eventSource",
		matter, irrelevant, extra, 100*float64(extra)/float64(irrelevant), extras, noSource)
	if matter == 0 || irrelevant == 0 {
		t.Error("the corpus has no such record")
	}
	if extra*100 > 2*irrelevant {
		t.Errorf("%d of %d irrelevant records are delivered, more than 2 %%", extra, irrelevant)
	}
}

// literals are the string literals in the sources of a package, tests apart.
func literals(t *testing.T, pkg string) []string {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(testenv.Root(t), "internal", pkg, "*.go"))
	if err != nil || len(files) == 0 {
		t.Fatalf("finding sources of %s: %v, %d", pkg, err, len(files))
	}
	var out []string
	for _, file := range files {
		if strings.HasSuffix(file, "_test.go") {
			continue
		}
		tree, err := parser.ParseFile(token.NewFileSet(), file, nil, parser.SkipObjectResolution)
		if err != nil {
			t.Fatal(err)
		}
		ast.Inspect(tree, func(n ast.Node) bool {
			if lit, ok := n.(*ast.BasicLit); ok && lit.Kind == token.STRING {
				if s, err := strconv.Unquote(lit.Value); err == nil {
					out = append(out, s)
				}
			}
			return true
		})
	}
	slices.Sort(out)
	return slices.Compact(out)
}

// TestEveryCallThatDetectKnows makes records of every eventSource and eventName
// that the sources of the rules name, each with every parameter they name, and
// holds that those that matter are delivered.
func TestEveryCallThatDetectKnows(t *testing.T) {
	t.Parallel()
	isSource, isName, isField := regexp.MustCompile(`^[a-z]+\.amazonaws\.com$`), regexp.MustCompile(`^[A-Z][A-Za-z0-9]+$`), regexp.MustCompile(`^[a-z]+[A-Za-z]*$`)
	var sources, names, fields []string
	for _, s := range append(literals(t, "detect"), literals(t, "cloudtrail")...) {
		switch {
		case isSource.MatchString(s):
			sources = append(sources, s)
		case isName.MatchString(s):
			names = append(names, s)
		case isField.MatchString(s) && len(s) > 3:
			fields = append(fields, s)
		}
	}
	service, role := `{"type": "Root", "accountId": "123456789012", "invokedBy": "cloudformation.amazonaws.com"}`, `{"type": "AssumedRole", "principalId": "AROAEXAMPLE:bob", "accountId": "123456789012"}`
	identities := []string{service, role,
		`{"type": "Root", "accountId": "123456789012", "arn": "arn:aws:iam::123456789012:root"}`,
		`{"type": "Root", "accountId": "123456789012", "accessKeyId": "AKIAEXAMPLE"}`,
		`{"type": "Root", "accountId": "123456789012", "invokedBy": "signin.amazonaws.com"}`,
		`{"type": "Root", "accountId": "123456789012", "accessKeyId": "ASIAEXAMPLE", "sessionContext": {"assumedRoot": "true"}}`,
		`{"type": "IAMUser", "userName": "bob", "principalId": "AIDAEXAMPLE", "accountId": "123456789012"}`,
		`{"type": "IAMUser", "userName": "bob", "principalId": "AIDAEXAMPLE", "accountId": "123456789012", "sessionContext": {"attributes": {"mfaAuthenticated": "false"}}}`,
		`{"type": "FederatedUser", "principalId": "123456789012:tmp", "accountId": "123456789012", "sessionContext": {"sessionIssuer": {"type": "Root"}}}`,
		`{"accountId": "123456789012"}`,
	}
	calls, records := map[string]bool{}, 0
	carried := map[detect.ID]map[string]bool{} // by which rules
	detector := &detect.Detector{Own: detect.Own{Keys: []string{"k-1"}}}
	r := newRouter(t)
	try := func(source, name, rest string, identities ...string) {
		for _, identity := range identities {
			rec := decode(t, fmt.Appendf(nil, `{"eventSource": %q, "eventName": %q, "userIdentity": %s, "eventID": "e", "eventTime": "2026-01-02T03:04:05Z",
				"recipientAccountId": "123456789012", "awsRegion": "us-east-1", %s}`, source, name, identity, rest))
			why := matters(rec)
			if why == "" {
				continue
			}
			calls[source+" "+name] = true
			records++
			rules := route(t, r, rec)
			if len(rules) == 0 {
				t.Errorf("%s is not delivered: %s", why, rec.Raw)
			}
			if o := detector.Detect(rec, nil); o.Kind == detect.Matched {
				id := o.Finding.ID
				if carried[id] == nil {
					carried[id] = map[string]bool{}
				}
				for _, rule := range rules {
					carried[id][rule] = true
				}
			}
		}
	}
	// Calls that CloudTrail calls read-only.
	for name, source := range map[string]string{"AssumeRoot": "sts", "GetSessionToken": "sts", "GetFederationToken": "sts",
		"AuthorizeOAuth2Access": "signin", "CreateOAuth2Token": "signin", "CreateOAuth2TokenWithIAM": "signin", "CreateOAuth2TokenWithTokenExchange": "signin", "CreateBearerToken": "signin", "GetSigninToken": "signin", "DescribeInstances": "ec2"} {
		for _, readOnly := range []bool{true, false} {
			try(source+".amazonaws.com", name, fmt.Sprintf(`"eventType": "AwsApiCall", "readOnly": %v, "requestParameters": {"targetPrincipal": "210987654321"}`, readOnly), identities...)
		}
	}
	// Calls that a rule flags for one parameter alone.
	for _, c := range []struct{ source, name, parameters string }{
		{"iam", "CreateAccessKey", `{}`}, {"iam", "CreateLoginProfile", `{}`}, {"iam", "UploadSigningCertificate", `{}`},
		{"iam", "EnableMFADevice", `{"userName": "AWS ROOT USER"}`}, {"iam", "DeactivateMFADevice", `{}`},
		{"iam", "AttachUserPolicy", `{"userName": "bob", "policyArn": "arn:aws:iam::aws:policy/AWSCompromisedKeyQuarantineV3"}`},
		{"iam", "CreateRole", `{"roleName": "r", "assumeRolePolicyDocument": "{\"Statement\": {\"Effect\": \"Allow\", \"Principal\": \"*\"}}"}`},
		{"account", "PutAlternateContact", `{"alternateContactType": "SECURITY"}`},
	} {
		try(c.source+".amazonaws.com", c.name, `"eventType": "AwsApiCall", "readOnly": false, "requestParameters": `+c.parameters, identities...)
	}
	slices.Sort(sources)
	turn := 0
	for _, source := range slices.Compact(sources) {
		for _, name := range names {
			if !detect.Candidate(cloudtrail.Header{EventSource: []byte(source), EventName: []byte(name), IdentityType: []byte("AssumedRole")}) {
				continue
			}
			eventTypes := []string{"AwsApiCall"}
			if source == cloudtrail.SigninSource {
				eventTypes = append(eventTypes, "AwsConsoleSignIn", "AwsServiceEvent") // of no other source here
			}
			for _, eventType := range eventTypes {
				typed := fmt.Sprintf(`"eventType": %q, `, eventType)
				for _, result := range []string{`"Success"`, `"Failure"`} {
					try(source, name, typed+fmt.Sprintf(`"readOnly": false, "responseElements": {%q: %s}, "additionalEventData": {"MFAUsed": "No"}, "requestParameters": {"userName": "bob", "policyArn": "arn:aws:iam::aws:policy/AdministratorAccess", "groupName": "g", "newUserName": "robert", "newGroupName": "h", "serialNumber": "arn:aws:iam::123456789012:mfa/bob", "targetPrincipal": "210987654321"}`, name, result), identities...)
				}
				if bare := decode(t, fmt.Appendf(nil, `{"eventSource": %q, "eventName": %q, "userIdentity": %s}`, source, name, role)); matters(bare) != "" {
					continue // whatever it names
				}
				turn++
				for _, resource := range testenv.Turn(turn, "k-1", "Rootguard-x", "arn:aws:x:us-east-1:123456789012:y/rootguard-x", "https://sqs.us-east-1.amazonaws.com/123456789012/rootguard-x", "alias/rootguard") {
					step := testenv.Size(1, 3)
					for i := turn % step; i < len(fields); i += step {
						for _, value := range testenv.Turn(i, strconv.Quote(resource), fmt.Sprintf(`["other", %q]`, resource)) {
							try(source, name, typed+fmt.Sprintf(`"readOnly": false, "requestParameters": {%q: %s}`, fields[i], value), role)
						}
					}
					try(source, name, typed+fmt.Sprintf(`"readOnly": false, "requestParameters": null, "errorCode": "AccessDenied", "errorMessage": "User: u is not authorized to perform: a:B on resource: %s because no identity-based policy allows the a:B action"`, resource), service, role)
				}
			}
		}
	}
	checkCarried(t, carried)
	t.Logf("%d calls, %d records that matter", len(calls), records)
	if len(calls) < 50 {
		t.Errorf("only %d calls found in the sources of detect: %v", len(calls), calls)
	}
}

// checkCarried holds the rules that each row of the catalogue names to those that
// carried a record of it.
func checkCarried(t *testing.T, carried map[detect.ID]map[string]bool) {
	t.Helper()
	deployed := map[string]bool{}
	for _, r := range eventrules.Rules() {
		deployed[r.Name] = true
	}
	for _, e := range detect.Catalogue() {
		for _, rule := range e.Rules {
			if !deployed[rule] {
				t.Errorf("the row of %s names rule %q, which rules.go does not have", e.ID, rule)
			}
		}
		by := carried[e.ID]
		switch {
		case len(e.Rules) == 0, e.ID == detect.RootSessionUnseen, e.ID == detect.RootSigninSpraying: // which package guard makes
			continue
		case by == nil:
			t.Errorf("no record of this test makes %s: add one that does, so that its rule is held", e.ID)
			continue
		}
		if !slices.ContainsFunc(e.Rules, func(rule string) bool { return by[rule] }) {
			t.Errorf("%s is delivered by %v, and its row names %v: correct the row, or add a pattern to rules.go", e.ID, by, e.Rules)
		}
	}
}
