package e2e

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/cloudformation"
	cfntypes "github.com/aws/aws-sdk-go-v2/service/cloudformation/types"
	sdkdynamodb "github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/google/go-cmp/cmp"

	"rootguard/internal/alert"
	"rootguard/internal/aws/dynamodb/dynamotest"
	"rootguard/internal/bootstrap"
)

// upgradeSettings are those that the stacks of version 1 were made with.
const upgradeSettings = `{
	"email": ["ops@example.com"],
	"escalation": {"email": ["ciso@example.com"]},
	"regions": ["us-east-2", "eu-north-1"],
	"accountNames": {"` + dynamotest.RowsAccount + `": "prod"}
}`

// version1 is rootguard as it was before, in an account of its own.
type version1 struct {
	now     time.Time
	table   string
	replace []string // what its rows name, and what that is here
}

// deploy makes the users, the stacks of version 1 and what its table held.
func (v *version1) deploy(ctx context.Context, d *deployment) error {
	v.replace = []string{dynamotest.RowsAccount, d.account}
	for name, id := range map[string]string{"admin": "AIDAADMIN", "eve": "AIDAEVE", "bob": "AIDABOB"} {
		made, err := makeUser(ctx, iam.NewFromConfig(d.aws), name)
		if err != nil {
			return fmt.Errorf("making user %s: %w", name, err)
		}
		v.replace = append(v.replace, id, made)
	}
	for _, s := range []struct{ region, name, template string }{
		{region, "rootguard", "guard"}, {"us-east-2", "rootguard-forward-us-east-2", "forward"}, {"eu-north-1", "rootguard-forward-eu-north-1", "forward"},
	} {
		body, err := templateOf1(s.template)
		if err != nil {
			return err
		}
		client := cloudformation.NewFromConfig(d.in(s.region))
		in := &cloudformation.CreateStackInput{StackName: &s.name, TemplateBody: &body, Capabilities: []cfntypes.Capability{cfntypes.CapabilityCapabilityNamedIam}}
		if s.region == region { // as the CDK gives it; moto forgets a default
			in.Parameters = []cfntypes.Parameter{
				{ParameterKey: aws.String("BootstrapVersion"), ParameterValue: aws.String("/cdk-bootstrap/hnb659fds/version")},
				{ParameterKey: aws.String(protectTable), ParameterValue: aws.String("false")},
			}
		}
		if _, err := client.CreateStack(ctx, in); err != nil {
			return fmt.Errorf("making stack %s of version 1: %w", s.name, err)
		}
		made, err := client.DescribeStacks(ctx, &cloudformation.DescribeStacksInput{StackName: &s.name})
		if err != nil || made.Stacks[0].StackStatus != cfntypes.StackStatusCreateComplete {
			return fmt.Errorf("stack %s of version 1 is %+v: %w", s.name, made, err)
		}
		for _, o := range made.Stacks[0].Outputs {
			if *o.OutputKey == "TableName" {
				v.table = *o.OutputValue
			}
		}
	}
	client := sdkdynamodb.NewFromConfig(d.aws)
	for _, row := range dynamotest.Rows(v.now, v.replace...) {
		if _, err := client.PutItem(ctx, &sdkdynamodb.PutItemInput{TableName: &v.table, Item: row.Attributes()}); err != nil {
			return fmt.Errorf("putting a row of version 1: %w", err)
		}
	}
	return nil
}

// protectTable is the parameter of this version's stack that protects its table.
const protectTable = "ProtectTable"

// templateOf1 is a template of version 1. moto has no files of its functions, and
// takes any code.
func templateOf1(name string) (string, error) {
	data, err := os.ReadFile(filepath.Join("testdata", "version-1-"+name+".template.json"))
	if err != nil {
		return "", err
	}
	var template map[string]any
	if err := json.Unmarshal(data, &template); err != nil {
		return "", fmt.Errorf("reading the template %s of version 1: %w", name, err)
	}
	for id, r := range template["Resources"].(map[string]any) {
		properties, _ := r.(map[string]any)["Properties"].(map[string]any)
		if properties["Code"] != nil {
			properties["Code"] = map[string]any{"ZipFile": "bootstrap"}
		}
		// moto loses what it cannot update, so that these are as they will be. Of the
		// table and the log groups CloudFormation updates in place what changed; a role
		// that gets a name it replaces, before the function that has it is updated.
		whole := r.(map[string]any)
		switch whole["Type"] {
		case "AWS::IAM::Role":
			for _, function := range []string{"Iamuser", "Rootactivity", "Sweep"} {
				if strings.HasPrefix(id, function+"Role") {
					properties["RoleName"] = "rootguard-" + strings.ToLower(function)
				}
			}
		case "AWS::Logs::LogGroup":
			whole["DeletionPolicy"] = "RetainExceptOnCreate"
		case "AWS::DynamoDB::Table":
			whole["DeletionPolicy"] = "RetainExceptOnCreate"
			properties["SSESpecification"] = map[string]any{"SSEEnabled": false}
			properties["DeletionProtectionEnabled"] = map[string]any{"Ref": protectTable}
			template["Parameters"].(map[string]any)[protectTable] = map[string]any{"Type": "String", "Default": "false"}
		}
	}
	data, err = json.Marshal(template)
	return string(data), err
}

// makeUser makes a user with a password, the administrator with MFA too.
func makeUser(ctx context.Context, client *iam.Client, name string) (id string, err error) {
	made, err := client.CreateUser(ctx, &iam.CreateUserInput{UserName: &name})
	if err != nil {
		return "", err
	}
	if _, err := client.CreateLoginProfile(ctx, &iam.CreateLoginProfileInput{UserName: &name, Password: aws.String("Correct-horse-7")}); err != nil {
		return "", err
	}
	if name == "admin" {
		device, err := client.CreateVirtualMFADevice(ctx, &iam.CreateVirtualMFADeviceInput{VirtualMFADeviceName: &name})
		if err != nil {
			return "", err
		}
		if _, err := client.EnableMFADevice(ctx, &iam.EnableMFADeviceInput{
			UserName: &name, SerialNumber: device.VirtualMFADevice.SerialNumber, AuthenticationCode1: aws.String("123456"), AuthenticationCode2: aws.String("234567"),
		}); err != nil {
			return "", err
		}
	}
	return *made.User.UserId, nil
}

// TestUpgrade deploys this version over version 1, with rows in its table: who
// was alerted stays so, and deadlines, incidents and the status go on.
func TestUpgrade(t *testing.T) {
	v := &version1{now: time.Now().UTC()}
	c := using(t, upgradeSettings, v.deploy)
	c.corrected()
	if name := c.output("TableName"); name != v.table {
		t.Fatalf("the upgrade made another table: %s, was %s", name, v.table)
	}
	taken := dynamotest.Shifted(v.now)

	for _, record := range dynamotest.RowsRecords(v.now, v.replace...) {
		c.handled(c.deliver(c.envelope([]byte(record))))
	}
	want := map[string]int{}
	v.alerted(c, "records that version 1 handled", want)

	c.handled(c.tick(taken))
	want["first user.mfa.missing high eve"] = 1 // the second reminder; bob's grace still runs
	want["resend root.signin.no_mfa critical "+c.d.account] = 1
	v.alerted(c, "the first sweep", want)
	if r := c.rootguard("ack", "45XWK-RMF80", "--note", "known"); r.code != 0 {
		t.Errorf("acknowledging the incident of version 1: %+v", r)
	}
	want["first incident.acknowledged info "+c.d.account] = 1
	c.handled(c.tick(taken.Add(20 * time.Minute)))
	v.alerted(c, "20 minutes later", want)
	if n := v.rollUps(c); n != 1 {
		t.Errorf("%d roll-ups of the two calls that waited, want 1", n)
	}

	var steps []string
	status := c.status(c.d.account, taken)
	for _, s := range status.Steps {
		if s.State != bootstrap.Done {
			steps = append(steps, string(s.Step)+" "+string(s.State))
		}
	}
	if !slices.Equal(steps, []string{"root_quiet pending"}) {
		t.Errorf("steps that are not done: %q, want root_quiet alone", steps)
	}
}

// rollUps are how many were sent so far.
func (v *version1) rollUps(c *cloud) (n int) {
	for _, a := range c.alerts() {
		if a.Kind == alert.RollUp {
			n++
		}
	}
	return n
}

// alerted compares all alerts so far, each with its kind, but for roll-ups: when
// one is due depends on the minute at which the test runs.
func (v *version1) alerted(c *cloud, when string, want map[string]int) {
	c.t.Helper()
	got := map[string]int{}
	all := c.alerts()
	for i, line := range lines(all) {
		if all[i].Kind != alert.RollUp {
			got[string(all[i].Kind)+" "+line]++
		}
	}
	if diff := cmp.Diff(want, got); diff != "" {
		c.t.Errorf("alerts after %s (-want +got):\n%s", when, diff)
	}
}
