package e2e

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/cloudformation"
	"github.com/aws/aws-sdk-go-v2/service/cloudtrail"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	dynamotypes "github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	"github.com/aws/aws-sdk-go-v2/service/eventbridge"
	"github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/aws/aws-sdk-go-v2/service/lambda"
	lambdatypes "github.com/aws/aws-sdk-go-v2/service/lambda/types"
	"github.com/aws/aws-sdk-go-v2/service/sns"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/aws/aws-sdk-go-v2/service/sts"

	"rootguard/internal/aws/awsenv"
	"rootguard/internal/config"
)

// cdkPackage is the CDK's command line, as in the Makefile.
const cdkPackage = "aws-cdk@2.1148.1"

// sharedAccount is moto's own, which callers without a role of another are in.
const sharedAccount = "123456789012"

// hubAccount is the management account of the organization, in which the guard is.
const hubAccount = "222222222222"

// sharedSettings are those of the deployment that tests share, as in cdk.json.
const sharedSettings = `{
	"email": ["ops@example.com"],
	"escalation": {"email": ["ciso@example.com"]},
	"accountNames": {"` + sharedAccount + `": "prod"},
	"regions": ["us-east-2", "eu-north-1", "ap-southeast-2"],
	"encrypt": true
}`

// deployment is rootguard in an account of its own.
type deployment struct {
	account string
	aws     aws.Config
	stacks  map[string]*stack // by Region
	members *stack            // with the stack set for an organization's accounts
	dir     string

	alerts, escalations string // URLs of queues that are subscribed to the topics
	rules               string // of the home Region, as deployed

	failed error      // why it is none
	turn   sync.Mutex // held by the test that uses it
}

// stack is a deployed stack.
type stack struct {
	name      string
	region    string
	resources map[string]resource // by logical ID
	physical  map[string]string   // by logical ID
	outputs   map[string]string

	parameters map[string]string
	conditions map[string]map[string]any
}

type resource struct {
	Type       string
	Condition  string // none of those that it does not hold for
	Properties map[string]any
}

// in configures clients of a Region, which go to moto.
func (d *deployment) in(region string) aws.Config {
	cfg := d.aws.Copy()
	cfg.Region = region
	return cfg
}

// deployment deploys, once for each settings. before, if not nil, is called when
// the account is bootstrapped and nothing is deployed.
func (w *world) deployment(t *testing.T, settings string, before func(context.Context, *deployment) error) *deployment {
	t.Helper()
	w.mu.Lock()
	defer w.mu.Unlock()
	if d := w.deployments[settings]; d != nil {
		if d.failed != nil {
			t.Fatalf("deploying failed before: %v", d.failed)
		}
		return d
	}
	account := sharedAccount
	switch {
	case strings.Contains(settings, hubAccount):
		account = hubAccount
	case settings != sharedSettings:
		account = fmt.Sprintf("2%011d", len(w.deployments)+1)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Minute)
	defer cancel()
	d, err := w.deploy(ctx, account, settings, before)
	if err != nil {
		w.deployments[settings] = &deployment{failed: err}
		t.Fatal(err)
	}
	w.deployments[settings] = d
	return d
}

func (w *world) deploy(ctx context.Context, account, settings string, before func(context.Context, *deployment) error) (*deployment, error) {
	d := &deployment{account: account, dir: filepath.Join(w.dir, account), stacks: map[string]*stack{}}
	// What an earlier run left there would be taken for stacks of this one.
	if err := cmp.Or(os.RemoveAll(d.dir), os.MkdirAll(d.dir, 0o750)); err != nil {
		return nil, fmt.Errorf("making the folder of a deployment: %w", err)
	}
	d.aws = aws.Config{
		Region: region, BaseEndpoint: &w.moto.url, HTTPClient: awsenv.KeepAnswers(nil), Credentials: credentials.NewStaticCredentialsProvider("test", "test", ""),
	}
	if account != sharedAccount {
		admin, err := assume(ctx, d.aws, "arn:aws:iam::"+account+":role/admin")
		if err != nil {
			return nil, err
		}
		d.aws.Credentials = credentials.StaticCredentialsProvider{Value: admin}
	}
	if err := w.cdkJSON(d.dir, settings); err != nil {
		return nil, err
	}
	if err := d.cdk(ctx, w.moto.url, "bootstrap", "aws://"+account+"/"+region); err != nil {
		return nil, err
	}
	if before != nil {
		if err := before(ctx, d); err != nil {
			return nil, err
		}
	}
	if err := d.cdk(ctx, w.moto.url, "deploy", "--all", "--method", "direct", "--require-approval", "never"); err != nil {
		return nil, err
	}
	files, err := filepath.Glob(filepath.Join(d.dir, "cdk.out", "*.template.json"))
	if err != nil || len(files) == 0 {
		return nil, fmt.Errorf("finding the templates in %s: %w", d.dir, cmp.Or(err, errors.New("there are none")))
	}
	for _, file := range files {
		s := &stack{name: strings.TrimSuffix(filepath.Base(file), ".template.json"), region: region}
		if _, forwards, ok := strings.Cut(s.name, "-forward-"); ok {
			s.region = forwards
		}
		if err := d.read(ctx, s); err != nil {
			return nil, err
		}
		if err := d.complete(ctx, s, w.moto.log.Name()); err != nil {
			return nil, fmt.Errorf("completing stack %s: %w", s.name, err)
		}
		if strings.HasSuffix(s.name, "-members") {
			d.members = s
			continue
		}
		d.stacks[s.region] = s
	}
	if err := d.protect(ctx, "cdk-hnb659fds-assets-"+d.account+"-"+region); err != nil {
		return nil, err
	}
	if d.alerts, err = d.listen(ctx, "e2e-alerts", "TopicArn"); err != nil {
		return nil, err
	}
	if d.escalations, err = d.listen(ctx, "e2e-escalations", ""); err != nil {
		return nil, err
	}
	if d.rules, err = d.rulesText(ctx); err != nil {
		return nil, err
	}
	return d, nil
}

// protect makes what the guard expects of an account and is not deployed here:
// a trail, whose logs go into a bucket, and what moto's CloudFormation leaves out of the
// table.
func (d *deployment) protect(ctx context.Context, bucket string) error {
	table := d.stacks[region].outputs["TableName"]
	client := dynamodb.NewFromConfig(d.aws)
	if _, err := client.UpdateTable(ctx, &dynamodb.UpdateTableInput{TableName: &table, DeletionProtectionEnabled: aws.Bool(true)}); err != nil {
		return fmt.Errorf("protecting table %s: %w", table, err)
	}
	if _, err := client.UpdateContinuousBackups(ctx, &dynamodb.UpdateContinuousBackupsInput{
		TableName: &table, PointInTimeRecoverySpecification: &dynamotypes.PointInTimeRecoverySpecification{PointInTimeRecoveryEnabled: aws.Bool(true)},
	}); err != nil {
		return fmt.Errorf("switching on the backups of table %s: %w", table, err)
	}
	if _, err := client.UpdateTimeToLive(ctx, &dynamodb.UpdateTimeToLiveInput{
		TableName: &table, TimeToLiveSpecification: &dynamotypes.TimeToLiveSpecification{Enabled: aws.Bool(true), AttributeName: aws.String(config.TableTTL)},
	}); err != nil {
		return fmt.Errorf("switching on the time to live of table %s: %w", table, err)
	}
	trails := cloudtrail.NewFromConfig(d.aws)
	const name = "management-events"
	if _, err := trails.CreateTrail(ctx, &cloudtrail.CreateTrailInput{
		Name: aws.String(name), S3BucketName: &bucket,
		IsMultiRegionTrail: aws.Bool(true), IncludeGlobalServiceEvents: aws.Bool(true),
	}); err != nil {
		return fmt.Errorf("making a trail: %w", err)
	}
	if _, err := trails.StartLogging(ctx, &cloudtrail.StartLoggingInput{Name: aws.String(name)}); err != nil {
		return fmt.Errorf("starting the trail: %w", err)
	}
	return nil
}

// assume returns credentials of a role. moto gives them out for a role that is
// not there, too, and by them knows the account.
func assume(ctx context.Context, cfg aws.Config, role string) (aws.Credentials, error) {
	out, err := sts.NewFromConfig(cfg).AssumeRole(ctx, &sts.AssumeRoleInput{RoleArn: &role, RoleSessionName: aws.String("e2e")})
	if err != nil {
		return aws.Credentials{}, fmt.Errorf("assuming %s: %w", role, err)
	}
	return aws.Credentials{
		AccessKeyID: *out.Credentials.AccessKeyId, SecretAccessKey: *out.Credentials.SecretAccessKey, SessionToken: *out.Credentials.SessionToken,
	}, nil
}

// cdkJSON writes the repository's cdk.json with other settings, as an operator
// would edit it.
func (w *world) cdkJSON(dir, settings string) error {
	data, err := os.ReadFile(filepath.Join(w.root, "cdk.json"))
	if err != nil {
		return err
	}
	var file map[string]any
	if err := json.Unmarshal(data, &file); err != nil {
		return fmt.Errorf("reading cdk.json: %w", err)
	}
	var chosen any
	if err := json.Unmarshal([]byte(settings), &chosen); err != nil {
		return fmt.Errorf("reading the settings of a test: %w", err)
	}
	file["context"].(map[string]any)["rootguard"] = chosen
	file["app"] = "cd '" + w.root + "' && " + file["app"].(string)
	file["output"] = filepath.Join(dir, "cdk.out")
	if data, err = json.MarshalIndent(file, "", "  "); err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(dir, "cdk.json"), data, 0o600)
}

func (d *deployment) cdk(ctx context.Context, endpoint string, args ...string) error {
	cmd := exec.CommandContext(ctx, "npx", append([]string{"--yes", cdkPackage}, args...)...)
	cmd.Dir = d.dir
	env, err := d.environ(ctx, endpoint)
	if err != nil {
		return err
	}
	cmd.Env = slices.Concat(env, []string{"JSII_SILENCE_WARNING_END_OF_LIFE_NODE_VERSION=20", "CI=true"})
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("running cdk %s: %w\n%s", strings.Join(args, " "), err, out)
	}
	return nil
}

// environ is this process's environment, with the emulation and no other
// configuration of AWS.
func (d *deployment) environ(ctx context.Context, endpoint string) ([]string, error) {
	env := slices.DeleteFunc(os.Environ(), func(v string) bool { return strings.HasPrefix(v, "AWS_") })
	creds, err := d.aws.Credentials.Retrieve(ctx)
	if err != nil {
		return nil, fmt.Errorf("finding the credentials of account %s: %w", d.account, err)
	}
	env = append(env, "AWS_ENDPOINT_URL="+endpoint, "AWS_REGION="+region, "AWS_EC2_METADATA_DISABLED=true",
		"AWS_CONFIG_FILE="+os.DevNull, "AWS_SHARED_CREDENTIALS_FILE="+os.DevNull,
		"AWS_ACCESS_KEY_ID="+creds.AccessKeyID, "AWS_SECRET_ACCESS_KEY="+creds.SecretAccessKey)
	if creds.SessionToken != "" {
		env = append(env, "AWS_SESSION_TOKEN="+creds.SessionToken)
	}
	return env, nil
}

// read asks CloudFormation about a stack.
func (d *deployment) read(ctx context.Context, s *stack) error {
	// CloudFormation got it from here; the CDK gives a small one in another notation.
	body, err := os.ReadFile(filepath.Join(d.dir, "cdk.out", s.name+".template.json"))
	if err != nil {
		return err
	}
	return d.readTemplate(ctx, s, body)
}

// readTemplate is read with the template's text.
func (d *deployment) readTemplate(ctx context.Context, s *stack, body []byte) error {
	client := cloudformation.NewFromConfig(d.in(s.region))
	var template struct {
		Resources  map[string]resource
		Parameters map[string]struct{ Default any }
		Conditions map[string]map[string]any
	}
	if err := json.Unmarshal(body, &template); err != nil {
		return fmt.Errorf("reading the template of %s: %w", s.name, err)
	}
	s.resources, s.conditions, s.parameters = template.Resources, template.Conditions, map[string]string{}
	for name, p := range template.Parameters {
		if p.Default != nil {
			s.parameters[name] = fmt.Sprint(p.Default)
		}
	}
	made, err := client.DescribeStackResources(ctx, &cloudformation.DescribeStackResourcesInput{StackName: &s.name})
	if err != nil {
		return fmt.Errorf("listing what stack %s made: %w", s.name, err)
	}
	s.physical = map[string]string{}
	for _, r := range made.StackResources {
		if id := aws.ToString(r.LogicalResourceId); id != "" {
			s.physical[id] = aws.ToString(r.PhysicalResourceId)
		}
	}
	about, err := client.DescribeStacks(ctx, &cloudformation.DescribeStacksInput{StackName: &s.name})
	if err != nil {
		return fmt.Errorf("describing stack %s: %w", s.name, err)
	}
	for _, p := range about.Stacks[0].Parameters {
		s.parameters[*p.ParameterKey] = aws.ToString(p.ParameterValue)
	}
	maps.DeleteFunc(s.resources, func(_ string, r resource) bool { return r.Condition != "" && !s.holds(r.Condition) })
	s.outputs = map[string]string{}
	for _, o := range about.Stacks[0].Outputs {
		s.outputs[*o.OutputKey] = *o.OutputValue
	}
	return nil
}

// passedOver are the types that moto's CloudFormation passes over. Those without
// a reason are made by complete.
var passedOver = map[string]string{
	"AWS::SNS::Subscription":         "",
	"AWS::SNS::TopicPolicy":          "",
	"AWS::SQS::QueuePolicy":          "",
	"AWS::Lambda::EventInvokeConfig": "",
	"AWS::CloudWatch::Alarm":         "moto's alarms do not ring; a test of the template holds them",
	"AWS::Events::EventBusPolicy":    "moto checks no policy",
	"AWS::CloudFormation::StackSet":  "moto has none; deployment.member reads what it makes",
	"AWS::S3::BucketPolicy":          "of the bucket of cdk bootstrap; moto checks no policy",
}

// unsupported is what moto logs of a type that its CloudFormation passes over.
var unsupported = regexp.MustCompile(`No Moto CloudFormation support for (\S+)`)

// complete makes what moto's CloudFormation skipped, and fails on a type
// that passedOver does not name.
func (d *deployment) complete(ctx context.Context, s *stack, motoLog string) error {
	log, err := os.ReadFile(motoLog)
	if err != nil {
		return err
	}
	for _, m := range unsupported.FindAllSubmatch(log, -1) {
		if _, known := passedOver[string(m[1])]; !known {
			return fmt.Errorf("moto makes no %s: have complete make it, or give the reason in passedOver", m[1])
		}
	}
	for _, id := range slices.Sorted(maps.Keys(s.resources)) {
		r := s.resources[id]
		if reason, ours := passedOver[r.Type]; !ours || reason != "" {
			continue
		}
		properties, err := s.resolve(d.account, r.Properties)
		if err != nil {
			return fmt.Errorf("resolving %s: %w", id, err)
		}
		if err := d.make(ctx, s, r.Type, properties.(map[string]any)); err != nil {
			return fmt.Errorf("making %s: %w", id, err)
		}
	}
	return nil
}

func (d *deployment) make(ctx context.Context, s *stack, kind string, properties map[string]any) error {
	text := func(name string) string { v, _ := properties[name].(string); return v }
	document := func(name string) (string, error) {
		data, err := json.Marshal(properties[name])
		return string(data), err
	}
	cfg := d.in(s.region)
	switch kind {
	case "AWS::SNS::Subscription":
		if text("Protocol") == "lambda" {
			return nil // moto cannot call a function: the test does, see export
		}
		in := &sns.SubscribeInput{TopicArn: aws.String(text("TopicArn")), Protocol: aws.String(text("Protocol")), Endpoint: aws.String(text("Endpoint"))}
		if properties["FilterPolicy"] != nil {
			filter, err := document("FilterPolicy")
			if err != nil {
				return err
			}
			in.Attributes = map[string]string{"FilterPolicy": filter}
		}
		_, err := sns.NewFromConfig(cfg).Subscribe(ctx, in)
		return err
	case "AWS::SNS::TopicPolicy", "AWS::SQS::QueuePolicy":
		policy, err := document("PolicyDocument")
		if err != nil {
			return err
		}
		topics, _ := properties["Topics"].([]any)
		for _, topic := range topics {
			in := &sns.SetTopicAttributesInput{TopicArn: aws.String(topic.(string)), AttributeName: aws.String("Policy"), AttributeValue: &policy}
			if _, err := sns.NewFromConfig(cfg).SetTopicAttributes(ctx, in); err != nil {
				return err
			}
		}
		queues, _ := properties["Queues"].([]any)
		for _, queue := range queues {
			in := &sqs.SetQueueAttributesInput{QueueUrl: aws.String(queue.(string)), Attributes: map[string]string{"Policy": policy}}
			if _, err := sqs.NewFromConfig(cfg).SetQueueAttributes(ctx, in); err != nil {
				return err
			}
		}
		return nil
	default: // AWS::Lambda::EventInvokeConfig
		data, err := json.Marshal(properties)
		if err != nil {
			return err
		}
		var in struct {
			FunctionName             string
			MaximumRetryAttempts     *int32
			MaximumEventAgeInSeconds *int32
			DestinationConfig        lambdatypes.DestinationConfig
		}
		if err := json.Unmarshal(data, &in); err != nil {
			return err
		}
		_, err = lambda.NewFromConfig(cfg).PutFunctionEventInvokeConfig(ctx, &lambda.PutFunctionEventInvokeConfigInput{
			FunctionName: &in.FunctionName, MaximumRetryAttempts: in.MaximumRetryAttempts,
			MaximumEventAgeInSeconds: in.MaximumEventAgeInSeconds, DestinationConfig: &in.DestinationConfig,
		})
		return err
	}
}

// resolve works out the functions in a part of a template, as CloudFormation does.
func (s *stack) resolve(account string, v any) (any, error) {
	switch v := v.(type) {
	case []any:
		out := make([]any, 0, len(v))
		for i := range v {
			one, err := s.resolve(account, v[i])
			if err != nil {
				return nil, err
			}
			if one != (noValue{}) {
				out = append(out, one)
			}
		}
		return out, nil
	case map[string]any:
		if v["Ref"] == "AWS::NoValue" {
			return noValue{}, nil
		}
		if ref, ok := v["Ref"].(string); ok {
			return s.ref(account, ref)
		}
		if branches, ok := v["Fn::If"].([]any); ok {
			if s.holds(branches[0].(string)) {
				return s.resolve(account, branches[1])
			}
			return s.resolve(account, branches[2])
		}
		if of, ok := v["Fn::GetAtt"].([]any); ok {
			return s.attribute(account, of[0].(string), of[1].(string))
		}
		out := map[string]any{}
		for key, part := range v {
			one, err := s.resolve(account, part)
			if err != nil {
				return nil, err
			}
			if one != (noValue{}) {
				out[key] = one
			}
		}
		if join, ok := out["Fn::Join"].([]any); ok {
			parts := make([]string, 0, len(join[1].([]any)))
			for _, part := range join[1].([]any) {
				parts = append(parts, fmt.Sprint(part))
			}
			return strings.Join(parts, join[0].(string)), nil
		}
		return out, nil
	default:
		return v, nil
	}
}

// noValue stands for AWS::NoValue.
type noValue struct{}

// holds reports whether a condition of the template does.
func (s *stack) holds(name string) bool { return s.evaluate(s.conditions[name]) }

func (s *stack) evaluate(expression map[string]any) bool {
	if name, ok := expression["Condition"].(string); ok {
		return s.holds(name)
	}
	of := func(v any) bool { return s.evaluate(v.(map[string]any)) }
	for function, v := range expression {
		parts := v.([]any)
		switch function {
		case "Fn::Not":
			return !of(parts[0])
		case "Fn::And":
			return !slices.ContainsFunc(parts, func(v any) bool { return !of(v) })
		case "Fn::Or":
			return slices.ContainsFunc(parts, of)
		case "Fn::Equals":
			ref, _ := parts[0].(map[string]any)["Ref"].(string)
			return s.parameters[ref] == parts[1]
		}
	}
	panic(fmt.Sprintf("the condition %v is none that the tests know", expression))
}

func (s *stack) ref(account, name string) (string, error) {
	switch name {
	case "AWS::AccountId":
		return account, nil
	case "AWS::Region":
		return s.region, nil
	case "AWS::Partition":
		return "aws", nil
	case "AWS::URLSuffix":
		return "amazonaws.com", nil
	}
	if id := s.physical[name]; id != "" {
		return id, nil
	}
	if value, ok := s.parameters[name]; ok {
		return value, nil
	}
	return "", fmt.Errorf("it refers to %s, which was not made", name)
}

// attribute is an attribute of a resource whose name moto gives.
func (s *stack) attribute(account, id, name string) (string, error) {
	physical, kind := s.physical[id], s.resources[id].Type
	switch {
	case physical == "":
		return "", fmt.Errorf("it refers to %s, which was not made", id)
	case kind == "AWS::SQS::Queue" && name == "Arn":
		return "arn:aws:sqs:" + s.region + ":" + account + ":" + physical[strings.LastIndex(physical, "/")+1:], nil
	case kind == "AWS::KMS::Key" && name == "Arn":
		return "arn:aws:kms:" + s.region + ":" + account + ":key/" + physical, nil
	case kind == "AWS::Lambda::Function" && name == "Arn":
		return "arn:aws:lambda:" + s.region + ":" + account + ":function:" + physical, nil
	case kind == "AWS::Events::Rule" && name == "Arn":
		return "arn:aws:events:" + s.region + ":" + account + ":rule/" + physical, nil
	default:
		return "", fmt.Errorf("it takes %s of %s %s, which attribute does not know", name, kind, id)
	}
}

// listen makes a queue and subscribes it to a topic of the guard: that of an
// output, or with "" the one for escalations, where there is one.
func (d *deployment) listen(ctx context.Context, name, output string) (string, error) {
	s := d.stacks[region]
	topic := s.outputs[output]
	if output == "" {
		for id, r := range s.resources {
			if r.Type == "AWS::SNS::Topic" && strings.HasPrefix(id, "EscalationTopic") {
				topic = s.physical[id]
			}
		}
		if topic == "" {
			return "", nil
		}
	}
	queue, err := sqs.NewFromConfig(d.aws).CreateQueue(ctx, &sqs.CreateQueueInput{QueueName: &name})
	if err != nil {
		return "", fmt.Errorf("making queue %s: %w", name, err)
	}
	arn := "arn:aws:sqs:" + region + ":" + d.account + ":" + name
	if _, err := sns.NewFromConfig(d.aws).Subscribe(ctx, &sns.SubscribeInput{TopicArn: &topic, Protocol: aws.String("sqs"), Endpoint: &arn}); err != nil {
		return "", fmt.Errorf("subscribing queue %s to %s: %w", name, topic, err)
	}
	return *queue.QueueUrl, nil
}

// clients are those of a test, which go to moto and not through the proxy.
type clients struct {
	dynamodb *dynamodb.Client
	events   *eventbridge.Client
	iam      *iam.Client
	lambda   *lambda.Client
	sns      *sns.Client
	sqs      *sqs.Client
}

func (d *deployment) clients() clients {
	return clients{
		dynamodb: dynamodb.NewFromConfig(d.aws), events: eventbridge.NewFromConfig(d.aws), iam: iam.NewFromConfig(d.aws),
		lambda: lambda.NewFromConfig(d.aws), sns: sns.NewFromConfig(d.aws), sqs: sqs.NewFromConfig(d.aws),
	}
}
