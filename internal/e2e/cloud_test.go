package e2e

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os/exec"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	sdkdynamodb "github.com/aws/aws-sdk-go-v2/service/dynamodb"
	dynamotypes "github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	"github.com/aws/aws-sdk-go-v2/service/iam"
	iamtypes "github.com/aws/aws-sdk-go-v2/service/iam/types"
	"github.com/aws/aws-sdk-go-v2/service/lambda"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	sqstypes "github.com/aws/aws-sdk-go-v2/service/sqs/types"
	"github.com/google/go-cmp/cmp"

	"rootguard/infra/lambdabuild"
	"rootguard/internal/alert"
	"rootguard/internal/aws/dynamodb"
	"rootguard/internal/bootstrap"
	"rootguard/internal/config"
	"rootguard/internal/lambdatest"
)

// cloud is a deployment while a test has it.
type cloud struct {
	t     *testing.T
	ctx   context.Context //nolint:containedctx // the test's own
	world *world
	d     *deployment
	clients
	store *dynamodb.Store // of the deployed table

	mu    sync.Mutex
	idle  map[string][]*lambdatest.Function // execution environments, by function
	all   []*lambdatest.Function
	ids   int
	dated time.Time // of the latest record
	heard []received
	texts []string // of the rules that go around the functions
	bus   [][]byte // what functions put on it, and what CloudTrail records of them

	barredOnes map[string]bool       // functions that rules may not call
	principals map[string]*principal // functions' roles, by function

	digest bool // it is sent as deployed; else never, as what a test counts would depend on the weekday
}

// received is an alert as a queue got it that is subscribed to a topic.
type received struct {
	alert.Alert
	Subject    string
	Attributes map[string]string
}

// deployed gives the test the shared deployment, with nothing in it, in an
// account whose root has MFA and no access keys.
func deployed(t *testing.T) *cloud {
	t.Helper()
	return deployedWith(t, sharedSettings)
}

// deployedWith gives the test the deployment with other settings, the object
// "rootguard" of cdk.json; tests that name the same ones share it.
func deployedWith(t *testing.T, settings string) *cloud {
	t.Helper()
	c := using(t, settings, nil)
	c.empty()
	c.corrected()
	return c
}

// using gives the test the deployment with other settings, with what is in it.
// before is called where it is yet to be deployed, and may be nil.
func using(t *testing.T, settings string, before func(context.Context, *deployment) error) *cloud {
	t.Helper()
	w := start(t)
	d := w.deployment(t, settings, before)
	d.turn.Lock()
	t.Cleanup(d.turn.Unlock)
	c := &cloud{t: t, ctx: t.Context(), world: w, d: d, clients: d.clients(), idle: map[string][]*lambdatest.Function{}, barredOnes: map[string]bool{}, principals: map[string]*principal{}}
	c.store = dynamodb.New(c.dynamodb, c.output("TableName"), time.Now)
	w.proxy.reset()
	if err := c.operates(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.end)
	return c
}

// end closes the functions, and holds that the rules are as they were.
func (c *cloud) end() {
	c.world.proxy.reset()
	for _, f := range c.all {
		if c.t.Failed() {
			c.t.Logf("the function printed:\n%s", f.Output())
		}
		if err := f.Close(); err != nil {
			c.t.Errorf("closing a function: %v", err)
		}
	}
	for _, why := range c.world.roles.taken() {
		c.t.Error(why)
	}
	rules, err := c.d.rulesText(context.Background()) // the test's own context is over
	if err != nil {
		c.t.Error(err)
	} else if diff := cmp.Diff(c.d.rules, rules); diff != "" {
		c.t.Errorf("the test leaves the rules otherwise than it found them, which tests after it would suffer from (-was +is):\n%s", diff)
	}
}

// operates has the operator's own calls, by the command, be known as such.
func (c *cloud) operates() error {
	creds, err := c.d.aws.Credentials.Retrieve(c.ctx)
	if err != nil {
		return fmt.Errorf("finding the operator's credentials: %w", err)
	}
	c.world.roles.register(creds.AccessKeyID, &principal{account: c.d.account})
	return nil
}

// output is an output of the guard's stack.
func (c *cloud) output(name string) string {
	c.t.Helper()
	value := c.d.stacks[region].outputs[name]
	if value == "" {
		c.t.Fatalf("the stack has no output %s", name)
	}
	return value
}

func (c *cloud) arn(service, resource string) string {
	return "arn:aws:" + service + ":" + region + ":" + c.d.account + ":" + resource
}

// id is a new ID, of the form that events have.
func (c *cloud) id() string {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.ids++
	return fmt.Sprintf("00000000-0000-4000-8000-%012d", c.ids)
}

// next is the time of the next record: a second after the one before, for records
// have no finer time, and a minute or two ago.
func (c *cloud) next() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.dated.IsZero() {
		c.dated = time.Now().Add(-2 * time.Minute).Truncate(time.Second)
	}
	c.dated = c.dated.Add(time.Second)
	return c.dated
}

// empty removes what a test before left.
func (c *cloud) empty() {
	c.t.Helper()
	table := c.output("TableName")
	pages := sdkdynamodb.NewScanPaginator(c.dynamodb, &sdkdynamodb.ScanInput{TableName: &table})
	for pages.HasMorePages() {
		page, err := pages.NextPage(c.ctx)
		if err != nil {
			c.t.Fatalf("reading the table: %v", err)
		}
		for _, item := range page.Items {
			key := map[string]dynamotypes.AttributeValue{config.TablePartitionKey: item[config.TablePartitionKey], config.TableSortKey: item[config.TableSortKey]}
			if _, err := c.dynamodb.DeleteItem(c.ctx, &sdkdynamodb.DeleteItemInput{TableName: &table, Key: key}); err != nil {
				c.t.Fatalf("emptying the table: %v", err)
			}
		}
	}
	for _, queue := range []string{c.output("FailedQueueUrl"), c.output("UndeliveredQueueUrl"), c.d.alerts, c.d.escalations} {
		if queue == "" {
			continue
		}
		if _, err := c.sqs.PurgeQueue(c.ctx, &sqs.PurgeQueueInput{QueueUrl: &queue}); err != nil {
			c.t.Fatalf("emptying queue %s: %v", queue, err)
		}
	}
	users, err := c.iam.ListUsers(c.ctx, &iam.ListUsersInput{})
	if err != nil {
		c.t.Fatalf("listing users: %v", err)
	}
	for _, u := range users.Users {
		c.dropUser(*u.UserName)
	}
}

// dropUser deletes a user, with what would keep IAM from it.
func (c *cloud) dropUser(name string) {
	c.t.Helper()
	if _, err := c.iam.DeleteLoginProfile(c.ctx, &iam.DeleteLoginProfileInput{UserName: &name}); err != nil {
		if missing := (*iamtypes.NoSuchEntityException)(nil); !errors.As(err, &missing) {
			c.t.Fatalf("deleting the password of %s: %v", name, err)
		}
	}
	devices, err := c.iam.ListMFADevices(c.ctx, &iam.ListMFADevicesInput{UserName: &name})
	if err != nil {
		c.t.Fatalf("listing the MFA devices of %s: %v", name, err)
	}
	for _, d := range devices.MFADevices {
		if _, err := c.iam.DeactivateMFADevice(c.ctx, &iam.DeactivateMFADeviceInput{UserName: &name, SerialNumber: d.SerialNumber}); err != nil {
			c.t.Fatalf("deactivating the MFA of %s: %v", name, err)
		}
		if _, err := c.iam.DeleteVirtualMFADevice(c.ctx, &iam.DeleteVirtualMFADeviceInput{SerialNumber: d.SerialNumber}); err != nil {
			c.t.Fatalf("deleting the MFA device of %s: %v", name, err)
		}
	}
	policies, err := c.iam.ListAttachedUserPolicies(c.ctx, &iam.ListAttachedUserPoliciesInput{UserName: &name})
	if err != nil {
		c.t.Fatalf("listing the policies of %s: %v", name, err)
	}
	for _, p := range policies.AttachedPolicies {
		if _, err := c.iam.DetachUserPolicy(c.ctx, &iam.DetachUserPolicyInput{UserName: &name, PolicyArn: p.PolicyArn}); err != nil {
			c.t.Fatalf("detaching a policy of %s: %v", name, err)
		}
	}
	inline, err := c.iam.ListUserPolicies(c.ctx, &iam.ListUserPoliciesInput{UserName: &name})
	if err != nil {
		c.t.Fatalf("listing the inline policies of %s: %v", name, err)
	}
	for _, policy := range inline.PolicyNames {
		if _, err := c.iam.DeleteUserPolicy(c.ctx, &iam.DeleteUserPolicyInput{UserName: &name, PolicyName: &policy}); err != nil {
			c.t.Fatalf("deleting a policy of %s: %v", name, err)
		}
	}
	if _, err := c.iam.DeleteUser(c.ctx, &iam.DeleteUserInput{UserName: &name}); err != nil {
		c.t.Fatalf("deleting user %s: %v", name, err)
	}
}

// attempt runs a function once, in an idle execution environment or a new one.
func (c *cloud) attempt(function string, event []byte) lambdatest.Result {
	c.t.Helper()
	f := c.take(function)
	res, err := f.Invoke(c.ctx, event)
	if err != nil {
		c.t.Errorf("invoking %s: %v", function, err)
		return lambdatest.Result{Error: &lambdatest.Error{Type: "Runtime.ExitError", Message: err.Error()}}
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.idle[function] = append(c.idle[function], f)
	return res
}

func (c *cloud) take(function string) *lambdatest.Function {
	c.t.Helper()
	c.mu.Lock()
	if n := len(c.idle[function]); n > 0 {
		f := c.idle[function][n-1]
		c.idle[function] = c.idle[function][:n-1]
		c.mu.Unlock()
		return f
	}
	c.mu.Unlock()
	f, err := c.environment(function)
	if err != nil {
		c.t.Fatal(err)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.all = append(c.all, f)
	return f
}

// environment starts a function as it is deployed: its own variables, its
// role's credentials, its time.
func (c *cloud) environment(function string) (*lambdatest.Function, error) {
	deployed, err := c.lambda.GetFunctionConfiguration(c.ctx, &lambda.GetFunctionConfigurationInput{FunctionName: &function})
	if err != nil {
		return nil, fmt.Errorf("reading the configuration of function %s: %w", function, err)
	}
	creds, err := assume(c.ctx, c.d.aws, *deployed.Role)
	if err != nil {
		return nil, err
	}
	who, err := c.d.role(c.ctx, function, *deployed.Role)
	if err != nil {
		return nil, err
	}
	c.world.roles.register(creds.AccessKeyID, who)
	c.mu.Lock()
	c.principals[function] = who
	c.mu.Unlock()
	logs, err := c.d.logs(function)
	if err != nil {
		return nil, err
	}
	c.world.roles.lacks(who, logs...)
	binary, err := c.world.binary(c.ctx, function)
	if err != nil {
		return nil, err
	}
	env := map[string]string{}
	if deployed.Environment != nil {
		env = deployed.Environment.Variables
	}
	if !c.digest && env[config.EnvDigest] != "" {
		env[config.EnvDigest] = "off"
	}
	env["AWS_ENDPOINT_URL"] = c.world.proxy.url
	env["AWS_ACCESS_KEY_ID"], env["AWS_SECRET_ACCESS_KEY"], env["AWS_SESSION_TOKEN"] = creds.AccessKeyID, creds.SecretAccessKey, creds.SessionToken
	return lambdatest.Start(c.ctx, lambdatest.Options{
		Binary: binary, Env: env, ARN: *deployed.FunctionArn, Timeout: time.Duration(*deployed.Timeout) * time.Second,
	})
}

// binary builds a function by the step that deploys it, for this machine.
func (w *world) binary(ctx context.Context, function string) (string, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.binaries[function] == "" {
		_, name, _ := strings.Cut(function, "-") // without the prefix
		binary, err := lambdabuild.Compile(ctx, w.root, name, runtime.GOARCH)
		if err != nil {
			return "", err
		}
		w.binaries[function] = binary
	}
	return w.binaries[function], nil
}

// handled expects that an event reached a function, and that it and all others
// it reached handled it.
func (c *cloud) handled(ds []delivery) {
	c.t.Helper()
	if len(ds) == 0 {
		c.t.Error("no rule let the event through")
	}
	for _, d := range ds {
		switch {
		case d.undelivered:
			c.t.Errorf("rule %s could not deliver to %s", d.rule, d.function)
		case d.failed:
			c.t.Errorf("function %s failed on what rule %s delivered: %v", d.function, d.rule, d.attempts[len(d.attempts)-1].Error)
		}
	}
}

// alerts are the alerts that the queue on the topic of alerts got so far.
func (c *cloud) alerts() []received {
	c.t.Helper()
	for _, m := range c.drain(c.d.alerts) {
		var n notification
		var text string
		if json.Unmarshal([]byte(m), &n) == nil && json.Unmarshal([]byte(n.Message), &text) == nil {
			c.texts = append(c.texts, text)
			continue
		}
		c.heard = append(c.heard, c.read(m))
	}
	return slices.Clone(c.heard)
}

// escalated takes what the queue on the topic for escalations got.
func (c *cloud) escalated() []received {
	c.t.Helper()
	var all []received
	for _, m := range c.drain(c.d.escalations) {
		all = append(all, c.read(m))
	}
	return all
}

// notification is what SNS sends to a queue (Amazon SNS Developer Guide,
// "Amazon SNS message and JSON formats").
type notification struct {
	Message           string
	Subject           string
	MessageAttributes map[string]struct{ Value string }
}

func (c *cloud) read(body string) received {
	c.t.Helper()
	var n notification
	if err := json.Unmarshal([]byte(body), &n); err != nil {
		c.t.Fatalf("reading what SNS sent: %v", err)
	}
	r := received{Subject: n.Subject, Attributes: map[string]string{}}
	if err := json.Unmarshal([]byte(n.Message), &r.Alert); err != nil {
		c.t.Fatalf("reading an alert: %v\n%s", err, n.Message)
	}
	for name, a := range n.MessageAttributes {
		r.Attributes[name] = a.Value
	}
	return r
}

// drain takes all messages off a queue.
func (c *cloud) drain(queue string) []string {
	c.t.Helper()
	var bodies []string
	for {
		out, err := c.sqs.ReceiveMessage(c.ctx, &sqs.ReceiveMessageInput{QueueUrl: &queue, MaxNumberOfMessages: 10})
		if err != nil {
			c.t.Fatalf("receiving from %s: %v", queue, err)
		}
		if len(out.Messages) == 0 {
			return bodies
		}
		for _, m := range out.Messages {
			bodies = append(bodies, *m.Body)
			if _, err := c.sqs.DeleteMessage(c.ctx, &sqs.DeleteMessageInput{QueueUrl: &queue, ReceiptHandle: m.ReceiptHandle}); err != nil {
				c.t.Fatalf("deleting from %s: %v", queue, err)
			}
		}
	}
}

// waiting is how many messages are on the queue of an output.
func (c *cloud) waiting(output string) string {
	c.t.Helper()
	out, err := c.sqs.GetQueueAttributes(c.ctx, &sqs.GetQueueAttributesInput{
		QueueUrl: aws.String(c.output(output)), AttributeNames: []sqstypes.QueueAttributeName{sqstypes.QueueAttributeNameApproximateNumberOfMessages},
	})
	if err != nil {
		c.t.Fatalf("checking the queue %s: %v", output, err)
	}
	return out.Attributes["ApproximateNumberOfMessages"]
}

// wantAlerts compares the alerts so far, each "finding severity user": a user's
// name, a resource or part of the guard, or the account of root.
func (c *cloud) wantAlerts(want ...string) {
	c.t.Helper()
	if diff := cmp.Diff(want, lines(c.alerts())); diff != "" {
		c.t.Errorf("alerts (-want +got):\n%s", diff)
	}
}

func lines(alerts []received) []string {
	var all []string
	for i := range alerts {
		f := &alerts[i].Finding
		whom := f.Account
		switch {
		case f.Target.UserName != "":
			whom = f.Target.UserName
		case f.Target.Resource != "":
			whom = f.Target.Resource
		}
		all = append(all, fmt.Sprintf("%s %s %s", f.ID, f.Severity, whom))
	}
	return all
}

// status is the status of an account, from the facts in the table.
func (c *cloud) status(account string, asOf time.Time) bootstrap.Status {
	c.t.Helper()
	facts, err := c.store.Facts(c.ctx, account)
	if err != nil {
		c.t.Fatalf("reading the facts of %s: %v", account, err)
	}
	return bootstrap.Fold(account, facts, bootstrap.DefaultOptions(), asOf)
}

// user is the status of a user of the guard's own account, from the facts in the table.
func (c *cloud) user(name string, asOf time.Time) bootstrap.UserStatus {
	c.t.Helper()
	status := c.status(c.d.account, asOf)
	for _, u := range status.Users {
		if u.Name == name {
			return u
		}
	}
	c.t.Fatalf("user %s is not on record", name)
	return bootstrap.UserStatus{}
}

// ran is how the command ended.
type ran struct {
	stdout, stderr string
	code           int
}

// rootguard runs the command with the operator's credentials, through the proxy.
func (c *cloud) rootguard(args ...string) ran {
	c.t.Helper()
	cmd := exec.CommandContext(c.ctx, c.world.command, args...)
	env, err := c.d.environ(c.ctx, c.world.proxy.url)
	if err != nil {
		c.t.Fatal(err)
	}
	cmd.Dir = c.t.TempDir()
	cmd.Env = slices.Concat(env, []string{"HOME=" + cmd.Dir})
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	err = cmd.Run()
	if failed := (*exec.ExitError)(nil); err != nil && !errors.As(err, &failed) {
		c.t.Fatalf("running rootguard %s: %v", strings.Join(args, " "), err)
	}
	return ran{stdout.String(), stderr.String(), cmd.ProcessState.ExitCode()}
}

// bar takes from the rules the permission to call a function, until the test ends.
func (c *cloud) bar(function string) {
	c.t.Helper()
	c.barredOnes[function] = true
}
