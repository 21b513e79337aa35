// Package lambdas_test runs the functions as they are deployed, under the
// Runtime API, against DynamoDB, SNS and IAM in this process.
package lambdas_test

import (
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"rootguard/infra/lambdabuild"
	"rootguard/internal/accountcheck"
	"rootguard/internal/alert"
	"rootguard/internal/aws/awshealth/awshealthtest"
	"rootguard/internal/aws/dynamodb"
	"rootguard/internal/aws/dynamodb/dynamotest"
	"rootguard/internal/aws/iam/iamtest"
	"rootguard/internal/aws/organizations/organizationstest"
	"rootguard/internal/aws/sns/snstest"
	"rootguard/internal/aws/sqs/sqstest"
	"rootguard/internal/bootstrap"
	"rootguard/internal/config"
	"rootguard/internal/eventrules"
	"rootguard/internal/lambdatest"
	"rootguard/internal/testenv"
)

const (
	account = "111111111111"
	member  = "222222222222"
	topic   = "arn:aws:sns:us-east-1:" + account + ":rootguard-alerts"
	device  = "arn:aws:iam::" + account + ":mfa/eve"
)

var (
	buildMu sync.Mutex
	built   = map[string]string{}
)

// binary compiles a function by the step that deploys it, for this machine.
func binary(tb testing.TB, name string) string {
	tb.Helper()
	buildMu.Lock()
	defer buildMu.Unlock()
	if built[name] == "" {
		path, err := lambdabuild.Compile(tb.Context(), testenv.Root(tb), name, runtime.GOARCH)
		if err != nil {
			tb.Fatal(err)
		}
		built[name] = path
	}
	return built[name]
}

// cloud is an AWS for one test.
type cloud struct {
	table    *dynamotest.Server
	topic    *snstest.Server
	iam      *iamtest.Server
	queues   *sqstest.Server
	rest     *awshealthtest.Server
	names    *organizationstest.Server
	store    *dynamodb.Store
	env      map[string]string
	eventAge time.Duration
}

func newCloud(tb testing.TB) *cloud {
	tb.Helper()
	c := &cloud{table: dynamotest.New(tb), topic: snstest.New(tb), iam: iamtest.New(tb, account), names: organizationstest.New(tb), eventAge: 10 * time.Second}
	client := dynamotest.Client(c.table.URL)
	table := dynamotest.Table(tb, client)
	c.queues = sqstest.New(tb)
	c.queues.Queue("failed")
	c.queues.Queue(config.ForwardQueue("rootguard"))
	queues := strings.TrimSuffix(c.queues.Queue("undelivered"), "/undelivered")
	d := awshealthtest.Deployment{
		Account: account, Region: "us-east-1", Prefix: "rootguard", Topics: []string{topic}, Undelivered: "undelivered", Failed: "failed", Quarantine: true,
		Environment: map[string]string{config.EnvTable: table, config.EnvTopicARN: topic, config.EnvPrefix: "rootguard"},
	}
	c.rest = awshealthtest.New(tb, d)
	c.iam.Roles = c.rest
	c.store = dynamodb.New(client, table, time.Now)
	c.env = map[string]string{
		config.EnvTable: table, config.EnvTopicARN: topic, config.EnvGrace: "24h", config.EnvLease: "90s",
		config.EnvAccountNames:      `{"` + account + `":"prod"}`,
		config.EnvOrganizationNames: "true", "AWS_ENDPOINT_URL_ORGANIZATIONS": c.names.URL,
		"AWS_ENDPOINT_URL_DYNAMODB": c.table.URL, "AWS_ENDPOINT_URL_SNS": c.topic.URL,
		"AWS_ENDPOINT_URL_IAM": c.iam.URL, "AWS_ENDPOINT_URL_STS": c.iam.URL, "AWS_ENDPOINT_URL_SQS": c.queues.URL,
	}
	maps.Copy(c.env, c.rest.Env())
	maps.Copy(c.env, d.Deployed(queues))
	return c
}

// escalate deploys a topic for critical alerts.
func (c *cloud) escalate(arn string) {
	c.env[config.EnvEscalationTopicARN] = arn
	c.rest.Lock()
	defer c.rest.Unlock()
	for _, f := range c.rest.Functions {
		f.Environment[config.EnvEscalationTopicARN] = arn
	}
	for _, r := range eventrules.Direct("rootguard") {
		rule := c.rest.Rules["rootguard-"+r.Name]
		rule.Targets = append(rule.Targets, awshealthtest.Target{ARN: arn, DeadLetters: rule.Targets[0].DeadLetters, Template: `"text"`})
	}
}

func (c *cloud) start(t *testing.T, name string) *lambdatest.Function {
	t.Helper()
	timeout := 30 * time.Second // as it is deployed
	if name == "sweep" {
		timeout = 4 * time.Minute
	}
	f, err := lambdatest.Start(t.Context(), lambdatest.Options{Binary: binary(t, name), Env: c.env, Timeout: timeout})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = f.Close() })
	return f
}

// record is a CloudTrail record in its EventBridge envelope, of some seconds ago.
func (c *cloud) record(eventID, source, name string, fields map[string]any) []byte {
	at := time.Now().Add(-c.eventAge).UTC().Format(time.RFC3339)
	rec := map[string]any{
		"eventVersion": "1.11", "eventID": eventID, "eventTime": at, "eventSource": source, "eventName": name,
		"awsRegion": "us-east-1", "sourceIPAddress": "203.0.113.5", "userAgent": "test", "eventType": "AwsApiCall",
		"readOnly": false, "managementEvent": true, "recipientAccountId": account, "eventCategory": "Management",
		"userIdentity": map[string]any{
			"type": "IAMUser", "principalId": "AIDAADMIN", "arn": "arn:aws:iam::" + account + ":user/admin", "accountId": account,
			"accessKeyId": "AKIAADMIN", "userName": "admin",
		},
	}
	for k, v := range fields {
		rec[k] = v
	}
	detailType := "AWS API Call via CloudTrail"
	if name == "ConsoleLogin" {
		detailType = "AWS Console Sign In via CloudTrail"
	}
	event, err := json.Marshal(map[string]any{
		"version": "0", "id": "eb-" + eventID, "detail-type": detailType, "source": "aws.iam", "account": account, "time": at,
		"region": "us-east-1", "resources": []string{}, "detail": rec,
	})
	if err != nil {
		panic(err)
	}
	return event
}

func (c *cloud) createUser(eventID string) []byte {
	return c.record(eventID, "iam.amazonaws.com", "CreateUser", map[string]any{
		"requestParameters": map[string]any{"userName": "eve"},
		"responseElements":  map[string]any{"user": map[string]any{"userName": "eve", "userId": "AIDAEVE", "arn": "arn:aws:iam::" + account + ":user/eve"}},
	})
}

func (c *cloud) createLoginProfile(eventID string) []byte {
	return c.record(eventID, "iam.amazonaws.com", "CreateLoginProfile", map[string]any{
		"requestParameters": map[string]any{"userName": "eve", "passwordResetRequired": false},
		"responseElements":  map[string]any{"loginProfile": map[string]any{"userName": "eve", "passwordResetRequired": false}},
	})
}

func (c *cloud) enableMFA(eventID string) []byte {
	return c.record(eventID, "iam.amazonaws.com", "EnableMFADevice", map[string]any{
		"requestParameters": map[string]any{"userName": "eve", "serialNumber": device},
	})
}

func rootIdentity(of string) map[string]any {
	return map[string]any{"type": "Root", "principalId": of, "arn": "arn:aws:iam::" + of + ":root", "accountId": of}
}

func (c *cloud) rootSignIn(eventID, mfa, result string) []byte {
	return c.rootSignInOf(account, eventID, mfa, result)
}

func (c *cloud) rootSignInOf(of, eventID, mfa, result string) []byte {
	fields := map[string]any{
		"eventType": "AwsConsoleSignIn", "userIdentity": rootIdentity(of), "recipientAccountId": of,
		"responseElements":    map[string]any{"ConsoleLogin": result},
		"additionalEventData": map[string]any{"MFAUsed": mfa, "MobileVersion": "No", "LoginTo": "https://console.aws.amazon.com"},
	}
	if result == "Failure" {
		fields["errorMessage"] = "Failed authentication"
	}
	return c.record(eventID, "signin.amazonaws.com", "ConsoleLogin", fields)
}

func invoke(t *testing.T, f *lambdatest.Function, event []byte) lambdatest.Result {
	t.Helper()
	res, err := f.Invoke(t.Context(), event)
	if err != nil {
		t.Fatal(err)
	}
	return res
}

// handled invokes a function and expects it to succeed.
func handled(t *testing.T, f *lambdatest.Function, event []byte) {
	t.Helper()
	if res := invoke(t, f, event); res.Error != nil {
		t.Fatalf("the function failed: %v", res.Error)
	}
}

// refused invokes a function and expects it to fail with a text.
func refused(t *testing.T, f *lambdatest.Function, event []byte, want string) {
	t.Helper()
	if res := invoke(t, f, event); res.Error == nil || !strings.Contains(res.Error.Message, want) {
		t.Fatalf("the function answered %v, want an error with %q", res.Error, want)
	}
}

func (c *cloud) alerts(tb testing.TB) []alert.Alert {
	tb.Helper()
	var alerts []alert.Alert
	for _, m := range c.topic.On(topic) {
		var a alert.Alert
		if err := json.Unmarshal([]byte(m.Default()), &a); err != nil {
			tb.Fatalf("decoding an alert: %v", err)
		}
		alerts = append(alerts, a)
	}
	return alerts
}

// findings are the findings alerted so far, as "id severity event".
func (c *cloud) findings(t *testing.T) []string {
	t.Helper()
	var all []string
	for _, a := range c.alerts(t) {
		all = append(all, fmt.Sprintf("%s %s %s", a.Finding.ID, a.Finding.Severity, a.Finding.EventID))
	}
	return all
}

func (c *cloud) wantFindings(t *testing.T, want ...string) {
	t.Helper()
	if diff := cmp.Diff(want, c.findings(t)); diff != "" {
		t.Errorf("alerts (-want +got):\n%s", diff)
	}
}

// user is eve as the table's facts have her.
func (c *cloud) user(t *testing.T) bootstrap.UserStatus {
	t.Helper()
	facts, err := c.store.Facts(t.Context(), account)
	if err != nil {
		t.Fatal(err)
	}
	for _, u := range bootstrap.Fold(account, facts, bootstrap.DefaultOptions(), time.Now()).Users {
		if u.Name == "eve" {
			return u
		}
	}
	t.Fatalf("eve is not on record; facts: %+v", facts)
	return bootstrap.UserStatus{}
}

func (c *cloud) liveFacts(t *testing.T) int {
	t.Helper()
	facts, err := c.store.Facts(t.Context(), account)
	if err != nil {
		t.Fatal(err)
	}
	n := 0
	for _, f := range facts {
		if f.Kind == bootstrap.Live {
			n++
		}
	}
	return n
}

func (c *cloud) eve(u iamtest.User) {
	c.iam.Set(account, iamtest.Account{Users: map[string]iamtest.User{"eve": u}})
}

// TestStory follows a user from its creation until it has MFA.
func TestStory(t *testing.T) {
	t.Parallel()
	c := newCloud(t)
	f := c.start(t, "iamuser")

	// The console makes user and password at once, so IAM knows both already.
	c.eve(iamtest.User{Password: true})
	created := time.Now().Add(-c.eventAge)
	handled(t, f, c.createUser("e-1"))
	c.wantFindings(t, "user.created info e-1")
	if u := c.user(t); u.MFA != bootstrap.MFAPending || u.UserID != "AIDAEVE" || u.CreatedBy == "" || !u.ConsoleAccess ||
		u.ConsoleEvidence == nil || !strings.Contains(u.ConsoleEvidence.What, "live check") {
		t.Errorf("after one invocation the table says of eve: %+v, evidence %+v", u, u.ConsoleEvidence)
	}
	a := c.alerts(t)[0]
	if a.AccountName != "prod" || a.Finding.Actor.Name != "admin" || a.Finding.Target.UserName != "eve" {
		t.Errorf("alert: %+v", a)
	}
	if until := a.Deadline.Sub(created); until < 24*time.Hour-2*time.Second || until > 24*time.Hour+2*time.Second {
		t.Errorf("MFA is tolerated missing for %v, want 24h", until)
	}
	m := c.topic.On(topic)[0]
	text := m.Bodies["email"]
	for _, want := range []string{"eve", "admin", "MFA", a.Deadline.UTC().Format("15:04")} {
		if !strings.Contains(text, want) {
			t.Errorf("the e-mail does not say %q:\n%s", want, text)
		}
	}
	if m.Attributes["severity"].Value != "info" || m.Attributes["account"].Value != account {
		t.Errorf("attributes: %v", m.Attributes)
	}

	handled(t, f, c.createLoginProfile("e-2"))
	if u := c.user(t); u.MFA != bootstrap.MFAPending || !u.ConsoleAccess {
		t.Errorf("with a password: %+v", u)
	}
	c.eve(iamtest.User{Password: true, Devices: []string{device}})
	handled(t, f, c.enableMFA("e-3"))
	if u := c.user(t); u.MFA != bootstrap.MFAOn || !cmp.Equal(u.MFADevices, []string{device}) {
		t.Errorf("with MFA: %+v", u)
	}
	c.wantFindings(t, "user.created info e-1", "user.console_access medium e-2", "user.mfa.added info e-3")
	if n := c.liveFacts(t); n != 3 {
		t.Errorf("%d live checks on record, want 3", n)
	}
	if accounts, err := c.store.Accounts(t.Context()); err != nil || !cmp.Equal(accounts, []string{account}) {
		t.Errorf("accounts: %v, %v", accounts, err)
	}
	logs := f.Logs()
	if len(logs) != 3 || logs[0]["requestId"] == nil || logs[0]["disposition"] != "alerted" || logs[0]["Records"] != 1.0 || logs[0]["_aws"] != nil {
		t.Errorf("want one line of log each, got %v", logs)
	}
}

func TestOutOfOrder(t *testing.T) {
	t.Parallel()
	c := newCloud(t)
	f := c.start(t, "iamuser")
	c.eve(iamtest.User{Password: true, Devices: []string{device}})
	mfa, profile, create := c.enableMFA("e-3"), c.createLoginProfile("e-2"), c.createUser("e-1")
	for _, event := range [][]byte{mfa, profile, create, mfa, create, profile} {
		handled(t, f, event)
	}
	if u := c.user(t); u.MFA != bootstrap.MFAOn || u.UserID != "AIDAEVE" || u.CreatedAt.IsZero() {
		t.Errorf("eve: %+v", u)
	}
	c.wantFindings(t, "user.mfa.added info e-3", "user.console_access medium e-2", "user.created info e-1")
}

func TestDuplicates(t *testing.T) {
	t.Parallel()
	c := newCloud(t)
	f, other := c.start(t, "iamuser"), c.start(t, "iamuser")
	c.eve(iamtest.User{})
	event := c.createUser("e-1")
	for _, fn := range []*lambdatest.Function{f, f, other, f} {
		handled(t, fn, event)
	}
	c.wantFindings(t, "user.created info e-1")
}

// TestConcurrent delivers one event to many environments at the same moment.
// Those that come while another has the claim fail, and are called again.
func TestConcurrent(t *testing.T) {
	t.Parallel()
	c := newCloud(t)
	c.eve(iamtest.User{})
	event := c.createUser("e-1")
	fns := make([]*lambdatest.Function, 4)
	for i := range fns {
		fns[i] = c.start(t, "iamuser")
	}
	var wg sync.WaitGroup
	for _, f := range fns {
		wg.Go(func() {
			if res, err := f.Invoke(t.Context(), event); err != nil {
				t.Error(err)
			} else if res.Error != nil && !strings.Contains(res.Error.Message, "being handled by another invocation") {
				t.Errorf("the function failed: %v", res.Error)
			}
		})
	}
	wg.Wait()
	for _, f := range fns {
		handled(t, f, event)
	}
	c.wantFindings(t, "user.created info e-1")
}

// TestAccountNames holds that an alert has the name that Organizations knows,
// and comes without one where Organizations does not answer.
func TestAccountNames(t *testing.T) {
	t.Parallel()
	c := newCloud(t)
	f := c.start(t, "rootactivity")
	c.names.Set(map[string]string{member: "payments", account: "not prod"})
	release := c.names.Stall()
	handled(t, f, c.rootSignInOf(member, "e-1", "No", "Success"))
	release()
	handled(t, f, c.rootSignIn("e-2", "No", "Success"))

	another := c.start(t, "rootactivity")
	handled(t, another, c.rootSignInOf(member, "e-3", "No", "Success"))
	handled(t, another, c.rootSignInOf("333333333333", "e-4", "No", "Success"))
	var got []string
	for _, a := range c.alerts(t) {
		got = append(got, fmt.Sprintf("%s %s %q", a.Finding.EventID, a.Finding.Account, a.AccountName))
	}
	want := []string{
		`e-1 222222222222 ""`, `e-2 111111111111 "prod"`, `e-3 222222222222 "payments"`, `e-4 333333333333 ""`,
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("alerts (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff([]string{member, member, "333333333333"}, c.names.Asked()); diff != "" {
		t.Errorf("Organizations was asked (-want +got):\n%s", diff)
	}
}

func TestSNSDown(t *testing.T) {
	t.Parallel()
	c := newCloud(t)
	f := c.start(t, "rootactivity")
	event := c.rootSignIn("e-1", "No", "Success")
	c.topic.Down(true)
	refused(t, f, event, "publishing")
	refused(t, f, event, "publishing")
	c.wantFindings(t)
	c.topic.Down(false)
	handled(t, f, event)
	handled(t, f, event)
	c.wantFindings(t, "root.signin.no_mfa critical e-1")

	// What Lambda puts on the queue of failures can be handed back as it is.
	c.topic.Down(true)
	second := c.rootSignIn("e-2", "No", "Success")
	refused(t, f, second, "publishing")
	c.topic.Down(false)
	failed, err := json.Marshal(map[string]any{
		"version": "1.0", "requestContext": map[string]any{"condition": "RetriesExhausted", "approximateInvokeCount": 3},
		"requestPayload": json.RawMessage(second), "responseContext": map[string]any{"statusCode": 200, "functionError": "Unhandled"},
	})
	if err != nil {
		t.Fatal(err)
	}
	handled(t, f, failed)
	handled(t, f, failed)
	c.wantFindings(t, "root.signin.no_mfa critical e-1", "root.signin.no_mfa critical e-2")
	if logs := f.Logs(); logs[0]["PublishErrors"] != 1.0 || logs[0]["level"] != "ERROR" {
		t.Errorf("first line of log: %v", logs[0])
	}
}

// TestOneTopicDown has the escalation topic down until another instance of the
// function retries: the topic of alerts gets no second copy.
func TestOneTopicDown(t *testing.T) {
	t.Parallel()
	const escalation = topic + "-escalation"
	c := newCloud(t)
	c.env[config.EnvEscalationTopicARN] = escalation
	event := c.rootSignIn("e-1", "No", "Success")
	c.topic.Inject(escalation, 2, snstest.Fault{Status: http.StatusForbidden, Code: "AuthorizationError"})
	for range 2 {
		refused(t, c.start(t, "rootactivity"), event, escalation)
	}
	for range 2 {
		handled(t, c.start(t, "rootactivity"), event)
	}
	if on, escalated := len(c.topic.On(topic)), len(c.topic.On(escalation)); on != 1 || escalated != 1 {
		t.Errorf("%d alerts and %d escalations, want one each", on, escalated)
	}
}

// TestAnswerLost has SNS take an alert whose answer gets lost: the one case in
// which a copy, with the same alert ID, may go out.
func TestAnswerLost(t *testing.T) {
	t.Parallel()
	c := newCloud(t)
	f := c.start(t, "rootactivity")
	c.topic.Inject(topic, 1, snstest.Fault{Status: http.StatusInternalServerError, Code: "InternalError", After: true})
	handled(t, f, c.rootSignIn("e-1", "Yes", "Success"))
	alerts := c.alerts(t)
	for _, a := range alerts {
		if a.ID != alerts[0].ID {
			t.Errorf("alert IDs %s and %s", alerts[0].ID, a.ID)
		}
	}
	if len(alerts) > 2 || len(alerts) == 0 {
		t.Errorf("%d copies", len(alerts))
	}
}

func TestDynamoDBThrottled(t *testing.T) {
	t.Parallel()
	for _, op := range []string{"PutItem", "BatchGetItem", "TransactWriteItems"} {
		for _, code := range []string{"ProvisionedThroughputExceededException", "ThrottlingException"} {
			t.Run(op+" "+code, func(t *testing.T) {
				t.Parallel()
				c := newCloud(t)
				f := c.start(t, "iamuser")
				c.eve(iamtest.User{Password: true})
				event := c.createUser("e-1")
				c.table.Inject(op, 2, dynamotest.Fault{Code: code})
				handled(t, f, event)
				c.wantFindings(t, "user.created info e-1")

				second := c.createLoginProfile("e-2")
				c.table.Inject(op, 100, dynamotest.Fault{Code: code})
				refused(t, f, second, code)
				c.table.Recover(op)
				want := []string{"user.created info e-1", "user.console_access medium e-2"}
				if op == "PutItem" {
					// It was published, and could not be marked as sent: it is published once more.
					c.wantFindings(t, want...)
					c.leasesEnd(t)
					want = append(want, want[1])
				}
				handled(t, f, second)
				c.wantFindings(t, want...)
				if u := c.user(t); u.MFA != bootstrap.MFAPending {
					t.Errorf("eve: %+v", u)
				}
			})
		}
	}
}

func TestRoot(t *testing.T) {
	t.Parallel()
	c := newCloud(t)
	f := c.start(t, "rootactivity")
	handled(t, f, c.rootSignIn("e-1", "Yes", "Success"))
	handled(t, f, c.rootSignIn("e-2", "No", "Success"))
	handled(t, f, c.rootSignIn("e-3", "No", "Failure"))
	c.wantFindings(t, "root.signin critical e-1", "root.signin.no_mfa critical e-2", "root.signin.failed medium e-3")
}

func TestNothingHappened(t *testing.T) {
	t.Parallel()
	c := newCloud(t)
	f := c.start(t, "iamuser")
	c.eve(iamtest.User{})
	denied := func(event []byte) []byte {
		return []byte(strings.Replace(string(event), `"eventVersion"`, `"errorCode":"AccessDenied","errorMessage":"denied","eventVersion"`, 1))
	}
	handled(t, f, denied(c.createUser("e-1")))
	handled(t, f, denied(c.createLoginProfile("e-2")))
	handled(t, f, c.record("e-3", "iam.amazonaws.com", "ListUsers", map[string]any{"readOnly": true}))
	c.wantFindings(t)
	if calls := c.iam.Calls(); len(calls) != 0 {
		t.Errorf("IAM was asked: %v", calls)
	}
	if facts, err := c.store.Facts(t.Context(), account); err != nil || len(facts) != 0 {
		t.Errorf("facts: %+v, %v", facts, err)
	}
}

// TestRollUp counts what root does in one session, and shows the rest when the
// schedule asks.
func TestRollUp(t *testing.T) {
	t.Parallel()
	c := newCloud(t)
	c.eventAge = time.Hour
	f := c.start(t, "rootactivity")
	created := time.Now().Add(-2 * time.Hour).UTC().Format(time.RFC3339)
	identity := rootIdentity(account)
	identity["accessKeyId"] = "ASIAROOT"
	identity["sessionContext"] = map[string]any{"attributes": map[string]any{"creationDate": created, "mfaAuthenticated": "true"}}
	for i := range 12 {
		handled(t, f, c.record(fmt.Sprintf("e-%02d", i), "s3.amazonaws.com", "DeleteBucket", map[string]any{
			"userIdentity": identity, "requestParameters": map[string]any{"bucketName": fmt.Sprintf("b-%d", i)},
		}))
	}
	c.wantFindings(t, "root.activity high e-00")
	handled(t, f, []byte(`{"version":"0","id":"t","detail-type":"Scheduled Event","source":"aws.events","detail":{}}`))
	alerts := c.alerts(t)
	if len(alerts) != 2 || alerts[1].Kind != alert.RollUp || alerts[1].Count != 11 {
		t.Errorf("alerts: %+v", alerts)
	}
}

func TestLiveCheck(t *testing.T) {
	t.Parallel()
	t.Run("IAM is throttled", func(t *testing.T) {
		c := newCloud(t)
		f := c.start(t, "iamuser")
		c.iam.Inject("ListMFADevices", 50, "Throttling")
		c.eve(iamtest.User{})
		handled(t, f, c.createUser("e-1"))
		c.wantFindings(t, "user.created info e-1")
		if n := c.liveFacts(t); n != 0 {
			t.Errorf("%d live checks on record", n)
		}
	})
	t.Run("a member account, by its role", func(t *testing.T) {
		c := newCloud(t)
		c.env[config.EnvMemberRole] = "rootguard-read"
		c.iam.AllowRole("arn:aws:iam::" + member + ":role/rootguard-read")
		c.iam.Set(member, iamtest.Account{Users: map[string]iamtest.User{"eve": {Password: true}}})
		f := c.start(t, "iamuser")
		handled(t, f, []byte(strings.ReplaceAll(string(c.createUser("e-1")), account, member)))
		facts, err := c.store.Facts(t.Context(), member)
		if err != nil {
			t.Fatal(err)
		}
		u := bootstrap.Fold(member, facts, bootstrap.DefaultOptions(), time.Now()).Users
		if len(u) != 1 || u[0].MFA != bootstrap.MFAPending {
			t.Errorf("users of the member: %+v", u)
		}
	})
}

// TestFirstDay holds that what root does is checked live: root itself, and the
// user that root creates.
func TestFirstDay(t *testing.T) {
	t.Parallel()
	c := newCloud(t)
	f := c.start(t, "rootactivity")
	byRoot := func(eventID, name, request string) []byte {
		return c.record(eventID, "iam.amazonaws.com", name, map[string]any{"userIdentity": rootIdentity(account), "requestParameters": json.RawMessage(request)})
	}
	wantSteps := func(mfa, keys bootstrap.State, note string) {
		t.Helper()
		facts, err := c.store.Facts(t.Context(), account)
		if err != nil {
			t.Fatal(err)
		}
		steps := bootstrap.Fold(account, facts, bootstrap.DefaultOptions(), time.Now()).Steps
		if steps[0].State != mfa || steps[1].State != keys || steps[0].Note != note {
			t.Errorf("root_mfa %s (%s), root_keys_absent %s; want %s (%s), %s", steps[0].State, steps[0].Note, steps[1].State, mfa, note, keys)
		}
	}
	summary := func(mfa, keys int) map[string]int {
		return map[string]int{"AccountMFAEnabled": mfa, "AccountAccessKeysPresent": keys, "AccountPasswordPresent": 1}
	}

	c.iam.Set(account, iamtest.Account{Summary: summary(0, 1)})
	c.eventAge = 60 * time.Second
	handled(t, f, c.rootSignIn("e-1", "No", "Success"))
	wantSteps(bootstrap.Pending, bootstrap.Pending, "root has no MFA device")

	c.iam.Set(account, iamtest.Account{Summary: summary(0, 0)})
	c.eventAge = 50 * time.Second
	handled(t, f, byRoot("e-2", "DeleteAccessKey", `{"accessKeyId":"AKIAROOT"}`))
	wantSteps(bootstrap.Pending, bootstrap.Done, "root has no MFA device")

	c.iam.Set(account, iamtest.Account{Summary: summary(1, 0), Virtual: []iamtest.Virtual{
		{Serial: "arn:aws:iam::" + account + ":mfa/phone", User: "arn:aws:iam::" + account + ":root"},
	}})
	c.eventAge = 40 * time.Second
	handled(t, f, c.rootSignIn("e-3", "Yes", "Success"))
	wantSteps(bootstrap.Done, bootstrap.Done, "authenticator app; confirmed by a live check")

	c.eve(iamtest.User{Password: true})
	c.eventAge = 30 * time.Second
	handled(t, f, byRoot("e-4", "CreateUser", `{"userName":"eve"}`))
	if u := c.user(t); u.MFA != bootstrap.MFAPending || !u.ConsoleAccess {
		t.Errorf("eve: %+v", u)
	}

	// That IAM does not answer keeps no alert back.
	before := len(c.alerts(t))
	c.iam.Inject("GetAccountSummary", 50, "Throttling")
	c.eventAge = 20 * time.Second
	handled(t, f, byRoot("e-5", "DeactivateMFADevice", `{"userName":"AWS ROOT USER","serialNumber":"arn:aws:iam::`+account+`:mfa/phone"}`))
	if alerts := c.alerts(t); len(alerts) != before+1 || alerts[before].Finding.ID != "root.mfa.removed" {
		t.Errorf("alerts: %v", c.findings(t))
	}
	wantSteps(bootstrap.Regressed, bootstrap.Done, "root has no MFA device any more")
}

const schedule = `{"version":"0","id":"t","detail-type":"Scheduled Event","source":"aws.events","detail":{}}`

// titles are those of the alerts so far.
func (c *cloud) titles(t *testing.T) []string {
	t.Helper()
	var all []string
	for _, a := range c.alerts(t) {
		all = append(all, a.Finding.Title)
	}
	return all
}

// TestSweep has a user whose time to get MFA ended 30 minutes ago, and follows
// it until it has MFA.
func TestSweep(t *testing.T) {
	t.Parallel()
	testenv.Soak(t)
	const (
		created  = "IAM user created: eve"
		password = "Console password created for IAM user: eve"
		missing  = "IAM user still without MFA: eve"
		reminder = "IAM user still without MFA, reminder 1 of 3: eve"
		added    = "MFA added for IAM user: eve"
		closed   = "IAM user no longer without MFA: eve"
	)
	want := func(t *testing.T, c *cloud, titles ...string) {
		t.Helper()
		if diff := cmp.Diff(titles, c.titles(t)); diff != "" {
			t.Errorf("alerts (-want +got):\n%s", diff)
		}
	}
	c := newCloud(t)
	users, sweep := c.start(t, "iamuser"), c.start(t, "sweep")
	// Records that are made to look old are not checked live, as what IAM says
	// would be of now.
	old := func(event []byte) {
		c.iam.Inject("ListMFADevices", 4, "Throttling")
		handled(t, users, event)
	}
	c.eve(iamtest.User{Password: true})
	c.eventAge = 24*time.Hour + 30*time.Minute
	old(c.createUser("e-1"))
	old(c.createLoginProfile("e-2"))

	// IAM does not answer: no one is reported, and the user is not dropped.
	c.iam.Inject("ListMFADevices", 4, "Throttling")
	handled(t, sweep, []byte(schedule))
	want(t, c, created, password)
	// It is checked again in five minutes; a copy of its record brings that forward.
	old(c.createLoginProfile("e-2"))
	handled(t, sweep, []byte(schedule))
	handled(t, sweep, []byte(schedule))
	old(c.createLoginProfile("e-2"))
	handled(t, sweep, []byte(schedule))
	want(t, c, created, password, missing)
	m := c.topic.On(topic)[2]
	if m.Attributes["severity"].Value != "high" || !strings.Contains(m.Bodies["email"], "MFA was due by") {
		t.Errorf("the alert: %v\n%s", m.Attributes, m.Bodies["email"])
	}

	c.eve(iamtest.User{Password: true, Devices: []string{device}})
	c.eventAge = 10 * time.Minute
	old(c.enableMFA("e-3"))
	handled(t, sweep, []byte(schedule))
	handled(t, sweep, []byte(schedule))
	want(t, c, created, password, missing, added, closed)
	if due, err := c.store.Deadlines().Due(t.Context(), time.Now().Add(10000*time.Hour), 5); err != nil || len(due) != 0 {
		t.Errorf("still to be checked: %+v, %v", due, err)
	}
	logs := sweep.Logs()
	group := func(i int) map[string]any { g, _ := logs[i]["sweep"].(map[string]any); return g }
	if len(logs) != 6 || group(0)["unanswered"] != 1.0 || group(1)["alerted"] != 1.0 || group(2) != nil || group(4)["resolved"] != 1.0 {
		t.Errorf("lines of log: %v", logs)
	}

	// Another is past its first reminder, in a sweep that comes late.
	c = newCloud(t)
	users, sweep = c.start(t, "iamuser"), c.start(t, "sweep")
	c.eve(iamtest.User{Password: true})
	c.eventAge = 25*time.Hour + 30*time.Minute
	old(c.createLoginProfile("e-2"))
	handled(t, sweep, []byte(schedule))
	old(c.createLoginProfile("e-2"))
	handled(t, sweep, []byte(schedule))
	handled(t, sweep, []byte(schedule))
	want(t, c, password, missing, reminder)
}

// scheduled is the schedule's event of a time.
func scheduled(at time.Time) []byte {
	return fmt.Appendf(nil, `{"version":"0","id":"t","detail-type":"Scheduled Event","source":"aws.events","time":%q,"detail":{}}`, at.UTC().Format(time.RFC3339))
}

// TestFirstDeployment follows a first deployment: root and users that were there before it,
// in the guard's own account and in a member's, are found, reported when it is
// time, and closed; an account that is closed is dropped.
func TestFirstDeployment(t *testing.T) {
	t.Parallel()
	testenv.Soak(t)
	const role = "rootguard-member"
	c := newCloud(t)
	c.env[config.EnvMemberRole] = role
	c.env[config.EnvAccountNames] = ""
	c.iam.AllowRole("arn:aws:iam::" + member + ":role/" + role)
	c.names.Set(map[string]string{account: "hub", member: "billing"})
	c.iam.PageSize, c.names.PageSize = 1, 1
	c.iam.Set(account, iamtest.Account{
		Summary: map[string]int{"AccountMFAEnabled": 0, "AccountAccessKeysPresent": 0, "AccountPasswordPresent": 1},
		Users:   map[string]iamtest.User{"eve": {Password: true}, "sam": {Password: true, Devices: []string{device}}},
	})
	users := map[string]iamtest.User{"bob": {Password: true}}
	c.iam.Set(member, iamtest.Account{Summary: map[string]int{"AccountMFAEnabled": 1, "AccountAccessKeysPresent": 1, "AccountPasswordPresent": 0}, Users: users})
	c.rest.Lock()
	c.rest.BusPolicy = `{"Statement":[{"Sid":"rootguard-members","Effect":"Allow","Principal":"*","Action":"events:PutEvents","Resource":"*"}]}`
	c.rest.Unlock()
	p := c.passes(t)
	pass := p.hours
	want := func(want ...string) {
		t.Helper()
		got := []string{}
		for _, a := range c.alerts(t) {
			if a.Kind == alert.Resend {
				continue
			}
			for _, one := range alert.Each(a) {
				got = append(got, fmt.Sprintf("%s %s %s %s", one.Finding.Severity, one.Finding.ID, one.AccountName, one.Finding.Target.UserName))
			}
		}
		slices.Sort(got)
		slices.Sort(want)
		if diff := cmp.Diff(append([]string{}, want...), got); diff != "" {
			t.Errorf("alerts (-want +got):\n%s", diff)
		}
	}
	handled(t, p.sweep, scheduled(p.now))
	pass(3)
	evePending, bobPending := "medium user.mfa.pending hub eve", "medium user.mfa.pending billing bob"
	rootMFA, rootKey := "critical root.mfa.missing hub ", "critical root.access_key.present billing "
	want(rootMFA, rootKey, evePending, bobPending)
	roots := 0 // both in one mail
	for _, m := range c.topic.On(topic) {
		if text := m.Bodies["email"]; strings.Contains(text, "[CRITICAL] Root has no MFA") && strings.Contains(text, "[CRITICAL] Root has an access key") && strings.Contains(text, "2 accounts") {
			roots++
		}
	}
	if roots == 0 {
		t.Errorf("no e-mail names both roots")
	}
	log := p.sweep.Logs()[0]
	if group, _ := log["user_checks"].(map[string]any); group["users"] != 2.0 || group["found"] != 2.0 || group["without_mfa"] != 1.0 {
		t.Errorf("line of log: %v", log)
	}
	pass(21)
	eve, bob := "high user.mfa.missing hub eve", "high user.mfa.missing billing bob"
	want(rootMFA, rootKey, evePending, bobPending, eve) // bob was found half an hour later, by the report
	sent := c.topic.On(topic)
	if text := sent[len(sent)-1].Bodies["email"]; !strings.Contains(strings.Join(strings.Fields(text), " "), "no event was delivered") {
		t.Errorf("the e-mail:\n%s", text)
	}
	c.iam.Set(account, iamtest.Account{
		Summary: map[string]int{"AccountMFAEnabled": 1, "AccountAccessKeysPresent": 0, "AccountPasswordPresent": 1},
		Users:   map[string]iamtest.User{"eve": {Password: true, Devices: []string{device + "2"}}, "sam": {Password: true, Devices: []string{device}}},
	})
	pass(2)
	want(rootMFA, rootKey, evePending, bobPending, eve, bob, bob, "info root.mfa.missing hub ", "info user.mfa.missing hub eve")
	pass(25)
	alerted := strings.Join(c.findings(t), "\n")
	if !strings.Contains(alerted, "user.mfa.missing/"+member+"/AIDABOB/") || strings.Contains(alerted, "guard.unhealthy") {
		t.Errorf("alerts:\n%s", alerted)
	}

	// What is on record is not recorded again.
	facts := c.liveFacts(t)
	pass(24)
	if n := c.liveFacts(t); n != facts {
		t.Errorf("%d live checks on record, then %d", facts, n)
	}

	c.names.SetState(member, "SUSPENDED")
	c.iam.Set(member, iamtest.Account{})
	pass(48)
	due, err := c.store.Checks().Of(accountcheck.KindRoot).Due(t.Context(), p.now.Add(1000*time.Hour), 10)
	if err != nil || len(due) != 1 || due[0].Account != account {
		t.Errorf("checked: %+v, %v", due, err)
	}
}

func TestMalformed(t *testing.T) {
	t.Parallel()
	c := newCloud(t)
	f := c.start(t, "rootactivity")
	for event, want := range map[string]string{
		`{"a":1}`: "no detail-type",
		`{"id":"x","detail-type":"AWS API Call via CloudTrail","detail":[]}`:      "reading event x",
		`{"id":"x","detail-type":"AWS API Call via CloudTrail","detail":{"a":1}}`: "not a CloudTrail record",
	} {
		refused(t, f, []byte(event), want)
	}
	handled(t, f, c.rootSignIn("e-1", "Yes", "Success"))
}

func TestBadSettings(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"rootactivity", "iamuser", "sweep"} {
		c := newCloud(t)
		delete(c.env, config.EnvTable)
		timeout := 30 * time.Second // as it is deployed
		if name == "sweep" {
			timeout = 4 * time.Minute
		}
		f, err := lambdatest.Start(t.Context(), lambdatest.Options{Binary: binary(t, name), Env: c.env, Timeout: timeout})
		if err == nil {
			_ = f.Close()
		}
		if err == nil || !strings.Contains(err.Error(), config.EnvTable+" is not set") {
			t.Errorf("%s: got %v, want an error that names %s", name, err, config.EnvTable)
		}
	}
}
