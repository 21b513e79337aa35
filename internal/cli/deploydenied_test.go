package cli

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"rootguard/internal/deploy"
	"rootguard/internal/testenv"
)

// denying is an AWS in which rootguard may be deployed, and which denies one action.
type denying struct {
	mu     sync.Mutex
	there  map[string]string // status, by Region and name of the stack
	files  map[string]bool
	empty  bool // a change set changes nothing
	fails  bool // updates do
	deny   string
	needed map[string]bool // actions of the calls so far

	caller     string // what follows the account in the ARN; "" is a user's
	lacks      string // an action that the caller's policies do not allow
	escalation string // the address of critical alerts
	receivers  []string
	published  []string
}

// newDenying has a guard and a forwarder where deployed is set.
func newDenying(deployed bool) *denying {
	d := &denying{there: map[string]string{}, files: map[string]bool{}, needed: map[string]bool{}}
	if deployed {
		d.there["us-east-1 rootguard"], d.there["us-east-2 rootguard-forward-us-east-2"] = "CREATE_COMPLETE", "CREATE_COMPLETE"
	}
	return d
}

// actionOfS3 is what a call needs (Amazon S3 User Guide, "Required permissions for
// Amazon S3 API operations").
func actionOfS3(r *http.Request) string {
	_, key, ofObject := strings.Cut(strings.Trim(r.URL.Path, "/"), "/")
	ofObject = ofObject && key != ""
	switch {
	case r.Method == http.MethodPut && ofObject:
		return "s3:PutObject"
	case r.Method == http.MethodPut:
		return "s3:CreateBucket"
	case ofObject:
		return "s3:GetObject"
	default:
		return "s3:ListBucket"
	}
}

func (d *denying) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	d.mu.Lock()
	defer d.mu.Unlock()
	scope := strings.Split(r.Header.Get("Authorization"), "/")
	region, service := scope[2], scope[3]
	_, operation, ofJSON := strings.Cut(r.Header.Get("X-Amz-Target"), ".")
	action := service + ":" + operation
	switch {
	case service == "s3":
		action = actionOfS3(r)
	case strings.HasSuffix(r.URL.Path, "/account-settings"):
		action = "lambda:GetAccountSettings"
	case service == "lambda":
		w.Header().Set("X-Amzn-Errortype", "ResourceNotFoundException")
		w.WriteHeader(http.StatusNotFound)
		_, _ = io.WriteString(w, `{"Message":"Function not found"}`)
		return
	case !ofJSON:
		operation = r.FormValue("Action")
		action = service + ":" + operation
	}
	d.needed[action] = true
	if action == "sns:Publish" {
		d.published = append(d.published, r.FormValue("TopicArn")+" "+r.FormValue("Subject")+"\n"+r.FormValue("Message"))
	}
	if action == d.deny {
		text := "User: arn:aws:iam::111122223333:user/ops/alice is not authorized to perform: " + action +
			" on resource: x because no identity-based policy allows the " + action + " action"
		switch {
		case service == "s3":
			w.WriteHeader(http.StatusForbidden)
			_, _ = io.WriteString(w, "<Error><Code>AccessDenied</Code><Message>Access Denied</Message></Error>") // a HEAD loses it
		case ofJSON || service == "lambda":
			w.Header().Set("X-Amzn-Errortype", "AccessDeniedException")
			w.WriteHeader(http.StatusBadRequest)
			_, _ = fmt.Fprintf(w, `{"message": %q}`, text)
		default:
			w.WriteHeader(http.StatusForbidden)
			answerError(w, "AccessDenied", text)
		}
		return
	}
	switch service {
	case "s3":
		d.serveS3(w, r)
	case "cloudformation":
		d.serveStacks(w, r, operation, region)
	default:
		if action == "sns:ListSubscriptionsByTopic" {
			var all strings.Builder
			for _, address := range d.receivers {
				fmt.Fprintf(&all, "<member><Protocol>email</Protocol><Endpoint>%s</Endpoint><SubscriptionArn>PendingConfirmation</SubscriptionArn></member>", address)
			}
			_, _ = fmt.Fprintf(w, "<R><ListSubscriptionsByTopicResult><Subscriptions>%s</Subscriptions></ListSubscriptionsByTopicResult></R>", all.String())
			return
		}
		d.answer(w, action, r)
	}
}

func answerError(w io.Writer, code, message string) {
	_, _ = fmt.Fprintf(w, "<ErrorResponse><Error><Type>Sender</Type><Code>%s</Code><Message>%s</Message></Error></ErrorResponse>", code, message)
}

// answer answers what is asked of other services than those that a deployment changes.
func (d *denying) answer(w http.ResponseWriter, action string, r *http.Request) {
	result := ""
	switch action {
	case "sts:GetCallerIdentity":
		result = "<Arn>arn:aws:iam::111122223333:" + cmp.Or(d.caller, "user/ops/alice") + "</Arn><Account>111122223333</Account>"
	case "iam:SimulatePrincipalPolicy":
		var decisions strings.Builder
		for i := 1; r.Form.Has(fmt.Sprintf("ActionNames.member.%d", i)); i++ {
			asked, decision := r.FormValue(fmt.Sprintf("ActionNames.member.%d", i)), "allowed"
			if asked == d.lacks {
				decision = "implicitDeny"
			}
			fmt.Fprintf(&decisions, "<member><EvalActionName>%s</EvalActionName><EvalDecision>%s</EvalDecision></member>", asked, decision)
		}
		result = "<IsTruncated>false</IsTruncated><EvaluationResults>" + decisions.String() + "</EvaluationResults>"
	case "sns:GetTopicAttributes":
		result = "<Attributes><entry><key>SubscriptionsConfirmed</key><value>0</value></entry><entry><key>SubscriptionsDeleted</key><value>0</value></entry><entry><key>SubscriptionsPending</key><value>1</value></entry></Attributes>"
	case "lambda:GetAccountSettings":
		_, _ = io.WriteString(w, `{"AccountLimit":{"UnreservedConcurrentExecutions":1000}}`)
		return
	case "events:ListRules":
		_, _ = io.WriteString(w, `{"Rules":[]}`)
		return
	case "events:TestEventPattern":
		_, _ = io.WriteString(w, `{"Result":false}`)
		return
	case "dynamodb:PutItem":
		_, _ = io.WriteString(w, `{}`)
		return
	case "dynamodb:BatchGetItem":
		_, _ = io.WriteString(w, `{"Responses":{},"UnprocessedKeys":{}}`)
		return
	}
	name := r.FormValue("Action")
	_, _ = fmt.Fprintf(w, "<%[1]sResponse><%[1]sResult>%[2]s</%[1]sResult></%[1]sResponse>", name, result)
}

func (d *denying) serveS3(w http.ResponseWriter, r *http.Request) {
	_, _ = io.Copy(io.Discard, r.Body)
	switch {
	case r.Method == http.MethodPut:
		d.files[r.URL.Path] = true
	case r.Method == http.MethodHead && !d.files[r.URL.Path]:
		w.WriteHeader(http.StatusNotFound)
	}
}

func (d *denying) serveStacks(w http.ResponseWriter, r *http.Request, operation, region string) {
	stack := region + " " + r.FormValue("StackName")
	result := ""
	switch operation {
	case "DescribeStacks":
		if d.there[stack] == "" {
			w.WriteHeader(http.StatusBadRequest)
			answerError(w, "ValidationError", "Stack with id "+r.FormValue("StackName")+" does not exist")
			return
		}
		result = "<Stacks><member><StackName>" + r.FormValue("StackName") + "</StackName><CreationTime>2025-03-01T12:00:00Z</CreationTime><StackStatus>" +
			d.there[stack] + "</StackStatus><Parameters><member><ParameterKey>" + deploy.ParamEmail +
			"</ParameterKey><ParameterValue>ops@example.com</ParameterValue></member><member><ParameterKey>" + deploy.ParamRegions +
			"</ParameterKey><ParameterValue>us-east-2</ParameterValue></member><member><ParameterKey>" + deploy.ParamEscalation +
			"</ParameterKey><ParameterValue>" + d.escalation + "</ParameterValue></member></Parameters><Outputs><member><OutputKey>" + outputTable +
			"</OutputKey><OutputValue>rootguard-Table</OutputValue></member><member><OutputKey>" + outputTopic +
			"</OutputKey><OutputValue>arn:aws:sns:us-east-1:111122223333:rootguard-Topic</OutputValue></member></Outputs></member></Stacks>"
	case "CreateChangeSet":
		if d.there[stack] == "" {
			d.there[stack] = "REVIEW_IN_PROGRESS"
		}
		result = "<Id>arn:set</Id><StackId>arn:stack</StackId>"
	case "DescribeChangeSet":
		result = "<ChangeSetId>arn:set</ChangeSetId><StackId>arn:stack</StackId><Status>CREATE_COMPLETE</Status><Changes></Changes>"
		if d.empty {
			result = "<Status>FAILED</Status><StatusReason>The submitted information didn't contain changes.</StatusReason>"
		}
	case "ExecuteChangeSet":
		d.there[stack] = map[bool]string{false: "UPDATE_COMPLETE", true: "UPDATE_ROLLBACK_COMPLETE"}[d.fails]
	case "DeleteStack":
		delete(d.there, stack)
	case "DescribeStackEvents":
		result = "<StackEvents></StackEvents>"
	case "ListStackResources":
		result = topicOf(region, "Topic")
		if d.escalation != "" {
			result += topicOf(region, "EscalationTopic")
		}
		result = "<StackResourceSummaries>" + result + "</StackResourceSummaries>"
	}
	_, _ = fmt.Fprintf(w, "<%[1]sResponse><%[1]sResult>%[2]s</%[1]sResult></%[1]sResponse>", operation, result)
}

func topicOf(region, name string) string {
	return "<member><LogicalResourceId>" + name + "</LogicalResourceId><ResourceType>AWS::SNS::Topic</ResourceType><PhysicalResourceId>arn:aws:sns:" +
		region + ":111122223333:rootguard-" + name + "</PhysicalResourceId><ResourceStatus>CREATE_COMPLETE</ResourceStatus>" +
		"<LastUpdatedTimestamp>2025-03-01T12:00:00Z</LastUpdatedTimestamp></member>"
}

// run runs the command against it.
func (d *denying) run(t *testing.T, args ...string) (code int, stdout, stderr string) {
	t.Helper()
	server := httptest.NewServer(d)
	defer server.Close()
	for variable, value := range map[string]string{
		"AWS_ENDPOINT_URL": server.URL, "AWS_ACCESS_KEY_ID": "test", "AWS_SECRET_ACCESS_KEY": "test", "AWS_REGION": "us-east-1",
		"AWS_EC2_METADATA_DISABLED": "true", "AWS_MAX_ATTEMPTS": "1", "HOME": t.TempDir(), "AWS_PROFILE": "", "AWS_CA_BUNDLE": "",
	} {
		t.Setenv(variable, value)
	}
	var out, errs bytes.Buffer
	code = run(t.Context(), args, system{
		stdin: strings.NewReader(""), stdout: &out, stderr: &errs, width: func() int { return 0 },
		getenv: func(string) string { return "" }, now: time.Now, pause: func(ctx context.Context, _ time.Duration) error { return ctx.Err() },
	})
	return code, out.String(), errs.String()
}

// TestDeployDenied denies each action by itself that the printed policy allows to who
// deploys: one sentence names it and the fix, however many stacks it is about.
func TestDeployDenied(t *testing.T) {
	bundle := emptyBundle(t)
	with := func(args ...string) []string { return append(args, "--yes", "--assets", bundle) }
	tested := map[string]bool{}
	for _, tt := range []struct {
		name     string
		args     []string
		deployed bool
		set      func(*denying)
		code     int // where nothing is denied
		only     []string
	}{
		{name: "deploy", args: with("deploy", "ops@example.com", "--regions", "us-east-2", "--no-wait")},
		{name: "upgrade", args: with("upgrade", "--no-wait"), deployed: true},
		{name: "nothing to do", args: with("upgrade", "--no-wait"), deployed: true, set: func(d *denying) { d.empty = true },
			only: []string{"cloudformation:DeleteChangeSet"}},
		{name: "a failure", args: with("upgrade", "--no-wait"), deployed: true, set: func(d *denying) { d.fails = true }, code: exitError,
			only: []string{"cloudformation:DescribeStackEvents"}},
		{name: "wait", args: with("upgrade", "--wait", "1s"), deployed: true, code: exitWarning,
			only: []string{"cloudformation:ListStackResources", "sns:GetTopicAttributes", "sns:ListSubscriptionsByTopic"}},
		{name: "another address", args: with("deploy", "new@example.com", "--no-wait"), deployed: true, only: []string{"sns:Publish"}},
		{name: "destroy", args: with("destroy"), deployed: true},
	} {
		begin := func() *denying {
			d := newDenying(tt.deployed)
			if tt.set != nil {
				tt.set(d)
			}
			return d
		}
		all := begin()
		if code, stdout, stderr := all.run(t, tt.args...); code != tt.code {
			t.Errorf("%s: exit code %d\n%s%s", tt.name, code, stdout, stderr)
			continue
		}
		for action := range all.needed {
			if action == "sts:GetCallerIdentity" || tt.only != nil && !slices.Contains(tt.only, action) {
				continue
			}
			if tt.only == nil && tested[action] && testenv.Size(0, 1) == 1 {
				continue // it was denied to another command
			}
			tested[action] = true
			d := begin()
			d.deny = action
			code, stdout, stderr := d.run(t, tt.args...)
			service, _, _ := strings.Cut(action, ":")
			var lines []string
			for line := range strings.Lines(stderr) {
				if !strings.Contains(line, " stacks done; ") && !strings.Contains(line, "_COMPLETE\n") && !strings.HasPrefix(line, "note: copying") {
					lines = append(lines, line)
				}
			}
			text := strings.Join(lines, "")
			switch service {
			// What only warns does not end the command.
			case "events", "lambda", "iam", "dynamodb":
				if code != exitOK || !strings.Contains(text, action) {
					t.Errorf("%s without %s: exit code %d\n%s%s", tt.name, action, code, stdout, stderr)
				}
				continue
			}
			switch action {
			case "s3:GetObject": // the archives are then uploaded again
				if code != exitOK || text != "" {
					t.Errorf("%s without %s: exit code %d\n%s%s", tt.name, action, code, stdout, stderr)
				}
				continue
			case "sns:Publish": // the deployment goes on
				if code != exitOK || !strings.HasPrefix(text, "warning: ops@example.com could not be notified that it gets no more alerts, write to them yourself: ") ||
					!strings.Contains(text, action) {
					t.Errorf("%s without %s: exit code %d\n%s%s", tt.name, action, code, stdout, stderr)
				}
				continue
			case "sns:ListSubscriptionsByTopic": // receivers are then counted, not named
				if code != exitWarning || len(lines) != 1 || !strings.Contains(text, "no alert reaches 1 receiver (us-east-1), 1 receiver (us-east-2): ") {
					t.Errorf("%s without %s: exit code %d\n%s%s", tt.name, action, code, stdout, stderr)
				}
				continue
			}
			want := "you have no permission " + action + " (AccessDenied); ask for it, or name a profile that has it with --profile"
			if code != exitError || strings.Count(text, want) != 1 || len(lines) != 1 || strings.Contains(text, "operation error") {
				t.Errorf("%s without %s: exit code %d\n%s%s", tt.name, action, code, stdout, stderr)
			}
		}
	}
	for _, action := range deployerActions(t, bundle) {
		if !tested[action] {
			t.Errorf("the policy allows %s, and no case denies it", action)
		}
	}
}

// deployerActions are those that the printed policy allows to the command itself.
func deployerActions(t *testing.T, bundle string) []string {
	t.Helper()
	code, stdout, stderr := newDenying(false).run(t, "deploy", "--policy-of", "111122223333", "--assets", bundle)
	var policy struct {
		Statement []struct {
			Sid    string
			Action []string
		}
	}
	if err := json.Unmarshal([]byte(stdout), &policy); err != nil || code != exitOK {
		t.Fatalf("exit code %d, %v\n%s", code, err, stderr)
	}
	var all []string
	for _, s := range policy.Statement {
		if slices.Contains([]string{"Stacks", "Bucket", "Archives", "Preflight", "Announce", "Receivers"}, s.Sid) {
			all = append(all, s.Action...)
		}
	}
	if len(all) < 15 {
		t.Fatalf("the policy has %q", all)
	}
	return all
}

// TestWrongRegion holds that each command, where nothing of rootguard is in the Region,
// names the Region that it asked and how to name another.
func TestWrongRegion(t *testing.T) {
	bundle := emptyBundle(t)
	const elsewhere = "--region"
	open := []string{"--account", "111122223333", "--for", "1h", "--owner", "alice", "--reason", "OPS-17"}
	for _, tt := range []struct {
		args   []string
		code   int
		region string
		want   string
	}{
		{[]string{"upgrade", "--yes", "--assets", bundle}, exitError, "us-east-1", "deploy it with rootguard deploy EMAIL"}, // it has one place
		{[]string{"destroy", "--yes", "--assets", bundle}, exitOK, "us-east-1", "account 111122223333 has no stack rootguard in us-east-1"},
		{[]string{"announce", "deploy", "--for", "1h", "--owner", "alice", "--reason", "OPS-17"}, exitError, "us-east-1", elsewhere},
		{append([]string{"announce", "open"}, open...), exitError, "us-east-1", elsewhere},
		{[]string{"announce", "list"}, exitError, "us-east-1", elsewhere},
		{[]string{"announce", "close", "--account", "111122223333"}, exitError, "us-east-1", elsewhere},
		{[]string{"status", "--aws"}, exitError, "us-east-1", elsewhere},
		{[]string{"status", "--aws", "--region", "eu-west-1"}, exitError, "eu-west-1", elsewhere},
		{[]string{"status", "--watch", "--aws"}, exitError, "us-east-1", elsewhere},
		{[]string{"report", "--aws"}, exitError, "us-east-1", elsewhere},
		{[]string{"explain", "--aws", "e-1"}, exitError, "us-east-1", elsewhere},
		{[]string{"incidents"}, exitError, "us-east-1", elsewhere},
		{[]string{"suppress", "list"}, exitError, "us-east-1", elsewhere},
		{[]string{"doctor"}, exitError, "us-east-1", elsewhere},
		{[]string{"doctor", "--region", "eu-west-1"}, exitError, "eu-west-1", elsewhere},
		{[]string{"redrive"}, exitError, "us-east-1", elsewhere},
		{[]string{"ack", "--all", "--note", "mine"}, exitError, "us-east-1", elsewhere},
		{[]string{"enroll", "111122223333"}, exitError, "us-east-1", elsewhere},
		{[]string{"release", "eve", "--account", "111122223333", "--reason", "OPS-17"}, exitError, "us-east-1", elsewhere},
	} {
		code, stdout, stderr := newDenying(false).run(t, tt.args...)
		text := stderr
		if tt.code == exitOK {
			text = stdout[strings.Index(stdout, "\n")+1:]
		}
		if code != tt.code || strings.Count(text, "\n") != 1 || !strings.Contains(text, " in "+tt.region) || !strings.Contains(text, tt.want) {
			t.Errorf("%v: exit code %d\n%s%s", tt.args, code, stdout, stderr)
		}
	}
}

// TestAddressTakenOff holds that an address which a deployment takes off gets a last mail,
// on its own topic, and no one else one.
func TestAddressTakenOff(t *testing.T) {
	bundle := emptyBundle(t)
	for _, tt := range []struct {
		args []string
		want []string // a topic and what it says
	}{
		{[]string{"deploy", "ops@example.com"}, nil},
		{[]string{"upgrade"}, nil},
		{[]string{"deploy", "new@example.com"}, []string{
			"rootguard-Topic rootguard: this address gets no more alerts\nFrom now on ops[@]example[.]com gets no more alerts of rootguard in account 111122223333: a deployment by arn:aws:iam::111122223333:user/ops/alice at ",
			" takes the address off and puts new[@]example[.]com in its place.",
		}},
		{[]string{"deploy", "--escalation", ""}, []string{
			"rootguard-EscalationTopic rootguard: this address gets no more critical alerts\nFrom now on ciso[@]example[.]com gets no more critical alerts ", " takes the address off.\n",
		}},
		{[]string{"deploy", "new@example.com", "--dry-run"}, nil},
	} {
		d := newDenying(true)
		d.escalation = "ciso@example.com"
		code, stdout, stderr := d.run(t, append(tt.args, "--yes", "--no-wait", "--assets", bundle)...)
		text := strings.Join(d.published, "\n")
		if code != exitOK || len(d.published) != min(1, len(tt.want)) || strings.Contains(stderr, "warning") {
			t.Errorf("%v: exit code %d, published %q\n%s%s", tt.args, code, d.published, stdout, stderr)
		}
		for _, want := range tt.want {
			if !strings.Contains(text, want) {
				t.Errorf("%v: published %q, want %q", tt.args, text, want)
			}
		}
	}
}

// TestPreflightNamesWhoLeaves holds that before make deploy each address is named that
// gets alerts now, and is not in the settings or on the command line.
func TestPreflightNamesWhoLeaves(t *testing.T) {
	settings := filepath.Join(t.TempDir(), "cdk.json")
	text := `{"context": {"email": "b@example.com,c@example.com", "rootguard": {"email": ["a@example.com"], "routes": [{"name": "x", "email": ["r@example.com"]}]}}}`
	if err := os.WriteFile(settings, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	const goes = "gets no more alerts after this deployment"
	for _, tt := range []struct {
		name      string
		receivers []string
		deployed  bool
		deny      string
		args      []string
		want      []string // a part of each line
	}{
		{"all stay", []string{"a@example.com", "b@example.com", "c@example.com", "r@example.com"}, true, "", nil, nil},
		{"one goes", []string{"a@example.com", "old@example.com"}, true, "", nil, []string{"warning: old@example.com " + goes}},
		{"by EMAIL", []string{"a@example.com", "make@example.com"}, true, "", []string{"--email", "make@example.com"}, nil},
		{"nothing there", []string{"old@example.com"}, false, "", nil, nil},
		{"no settings", []string{"old@example.com"}, true, "", []string{"--cdk", "no-such-file"}, nil},
		{"denied", nil, true, "sns:ListSubscriptionsByTopic", nil, []string{"warning: whether a receiver goes was not checked: listing the subscriptions of "}},
	} {
		d := newDenying(tt.deployed)
		d.receivers, d.deny = tt.receivers, tt.deny
		code, stdout, stderr := d.run(t, append([]string{"preflight", "--cdk", settings}, tt.args...)...)
		if code != exitOK || strings.Count(stderr, "\n") != len(tt.want) || tt.deny != "" && !strings.Contains(stderr, "you have no permission "+tt.deny) {
			t.Errorf("%s: exit code %d\n%s%s", tt.name, code, stdout, stderr)
		}
		for _, want := range tt.want {
			if !strings.Contains(stderr, want) {
				t.Errorf("%s: %q, want %q", tt.name, stderr, want)
			}
		}
	}
}
