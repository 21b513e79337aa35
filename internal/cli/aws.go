package cli

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	awsconfig "github.com/aws/aws-sdk-go-v2/config"
	sdkcloudformation "github.com/aws/aws-sdk-go-v2/service/cloudformation"
	sdkdynamodb "github.com/aws/aws-sdk-go-v2/service/dynamodb"
	sdklambda "github.com/aws/aws-sdk-go-v2/service/lambda"
	"github.com/aws/smithy-go"
	"github.com/aws/smithy-go/logging"
	"github.com/aws/smithy-go/middleware"

	"rootguard/internal/aws/awsenv"
	"rootguard/internal/aws/cloudformation"
	"rootguard/internal/aws/dynamodb"
	"rootguard/internal/aws/lambda"
	"rootguard/internal/bootstrap"
	"rootguard/internal/config"
	"rootguard/internal/eventrules"
	"rootguard/internal/partition"
)

// stackEnv names the variable that says what the deployed stack is called.
const stackEnv = "ROOTGUARD_STACK"

// The outputs of the deployed stack.
const (
	outputTable       = "TableName"
	outputTopic       = "TopicArn"
	outputUndelivered = "UndeliveredQueueUrl"
	outputFailed      = "FailedQueueUrl"
)

// stackFlags are the flags that say where rootguard is deployed.
type stackFlags struct {
	Stack   string `group:"aws" placeholder:"NAME" help:"The deployed stack ($$ROOTGUARD_STACK). Default: rootguard."`
	Table   string `group:"aws" placeholder:"NAME" help:"The stack's DynamoDB table ($$ROOTGUARD_TABLE). Default: the stack says."`
	Profile string `group:"aws" placeholder:"NAME" help:"A profile of your AWS configuration, as for the AWS CLI ($$AWS_PROFILE)."`
	Region  string `group:"aws" placeholder:"REGION" help:"Where the stack is. Default: us-east-1, in AWS GovCloud (US) us-gov-west-1, in China cn-north-1, in the European Sovereign Cloud eusc-de-east-1."`
}

// given names the flags that were given.
func (d stackFlags) given() []string {
	var flags []string
	for _, f := range []struct{ name, value string }{{"--stack", d.Stack}, {"--table", d.Table}, {"--profile", d.Profile},
		{"--region", d.Region}} {
		if f.value != "" {
			flags = append(flags, f.name)
		}
	}
	return flags
}

func (d stackFlags) stack(sys system) string {
	for _, name := range []string{d.Stack, strings.TrimSpace(sys.getenv(stackEnv))} {
		if name != "" {
			return name
		}
	}
	return "rootguard"
}

// table is the table's name as the user gave it, "" where the stack is to say.
func (d stackFlags) table(sys system) string {
	if d.Table != "" {
		return d.Table
	}
	return strings.TrimSpace(sys.getenv(config.EnvTable))
}

// credentialsTimeout bounds the search for credentials, which ends with asking a
// server that only EC2 instances have.
const credentialsTimeout = 20 * time.Second

// loadAWS reads the user's AWS configuration, as the AWS CLI does, and sees to it
// that there are credentials. A region of "" is the one in which AWS records
// root's sign-ins and IAM's calls, where rootguard is deployed to.
func loadAWS(ctx context.Context, profile, region string) (aws.Config, error) {
	// What the SDK logs of its attempts would be mixed with what is for people.
	options := []func(*awsconfig.LoadOptions) error{awsconfig.WithLogger(logging.Nop{}),
		awsconfig.WithAPIOptions([]func(*middleware.Stack) error{observe})}
	if profile != "" {
		options = append(options, awsconfig.WithSharedConfigProfile(profile))
	}
	cfg, err := awsconfig.LoadDefaultConfig(ctx, options...)
	if err != nil {
		return aws.Config{}, fmt.Errorf("reading your AWS configuration: %w", err)
	}
	cfg.HTTPClient = noPages{awsenv.KeepAnswers(cfg.HTTPClient)}
	if cfg.Region = homeRegion(cfg.Region); region != "" {
		cfg.Region = region
	}
	ctx, cancel := context.WithTimeout(ctx, credentialsTimeout)
	defer cancel()
	if _, err := cfg.Credentials.Retrieve(ctx); err != nil {
		// The server of EC2 instances is asked last, where nothing else is configured.
		if last := (*smithy.OperationError)(nil); errors.As(err, &last) && last.Service() == "ec2imds" {
			err = errors.New("none are configured")
		}
		return aws.Config{}, fmt.Errorf("finding AWS credentials: %w; sign in (aws sso login), or name a profile with --profile or AWS_PROFILE",
			err)
	}
	return awsenv.WithAttempts(cfg, patience), nil
}

// patience bounds one attempt of a request, so that with the SDK's three attempts
// and its pauses no call is waited for longer than half a minute.
const patience = 8 * time.Second

// homeRegion is where IAM's calls and root's sign-ins are recorded, in the
// partition of a Region. Of a partition that is not known it is the Region itself.
func homeRegion(region string) string {
	p, ok := partition.OfRegion(region)
	if !ok {
		return region
	}
	return p.Home
}

// outputs are what the stack says of itself.
func (d stackFlags) outputs(ctx context.Context, sys system, cfg aws.Config, instead string) (map[string]string, error) {
	out, err := cloudformation.Outputs(ctx, sdkcloudformation.NewFromConfig(cfg), d.stack(sys))
	if errors.Is(err, cloudformation.ErrNoStack) {
		return nil, fmt.Errorf("%w in %s; name it with --stack or %s and its Region with --region, or %s", err, cfg.Region, stackEnv, instead)
	}
	if _, ok := awsFaultOf(err); ok {
		return nil, err // another name would not help
	}
	if err != nil {
		return nil, fmt.Errorf("%w; or %s", err, instead)
	}
	return out, nil
}

// output is one output of the stack.
func (d stackFlags) output(sys system, outputs map[string]string, key, instead string) (string, error) {
	if outputs[key] == "" {
		return "", fmt.Errorf("the stack %s has no output %s, so it is not one of rootguard; %s", d.stack(sys), key, instead)
	}
	return outputs[key], nil
}

// tableName is the deployed table's, as the user or else the stack says.
func (d stackFlags) tableName(ctx context.Context, sys system, cfg aws.Config) (string, error) {
	if table := d.table(sys); table != "" {
		return table, nil
	}
	const instead = "name the table with --table or " + config.EnvTable
	outputs, err := d.outputs(ctx, sys, cfg, instead)
	if err != nil {
		return "", err
	}
	return d.output(sys, outputs, outputTable, instead)
}

// open opens the deployed table. where is its name and Region.
func (d stackFlags) open(ctx context.Context, sys system) (store *dynamodb.Store, where string, err error) {
	cfg, err := loadAWS(ctx, d.Profile, d.Region)
	if err != nil {
		return nil, "", err
	}
	table, err := d.tableName(ctx, sys, cfg)
	if err != nil {
		return nil, "", err
	}
	return dynamodb.New(sdkdynamodb.NewFromConfig(cfg), table, sys.now), table + " in " + cfg.Region, nil
}

// view opens the deployed table to be read.
func (d stackFlags) view(ctx context.Context, sys system) (*view, error) {
	cfg, err := loadAWS(ctx, d.Profile, d.Region)
	if err != nil {
		return nil, err
	}
	table, err := d.tableName(ctx, sys, cfg)
	if err != nil {
		return nil, err
	}
	store := dynamodb.New(sdkdynamodb.NewFromConfig(cfg), table, sys.now)
	return &view{
		records: store, incidents: store.Incidents, dayTwo: store.DayTwo,
		where:  "the table " + table + " in " + cfg.Region,
		source: table + " in " + cfg.Region,
		empty:  "no event about root or an IAM user has reached it; rootguard enroll checks its own account now, rootguard enroll --organization all accounts",
		absent: "either it did not reach rootguard, or nothing came of it; name the logs to see why",
		unsent: "not alerted yet: Lambda calls the function again, and what it gives up on waits for rootguard redrive",
		live:   true,
		policy: bootstrap.DefaultOptions(),
		deployed: func(ctx context.Context) (config.Config, error) {
			env, err := d.functionEnv(ctx, sys, cfg)
			if err != nil {
				return config.Config{}, err
			}
			return config.Load(func(name string) string { return env[name] })
		},
	}, nil
}

// functionEnv is the environment of one of the stack's functions, which all have the same.
func (d stackFlags) functionEnv(ctx context.Context, sys system, cfg aws.Config) (map[string]string, error) {
	env, err := lambda.Environment(ctx, sdklambda.NewFromConfig(cfg), d.stack(sys)+"-"+eventrules.RootActivity)
	if _, ok := awsFaultOf(err); ok {
		return nil, err
	}
	if err != nil {
		return nil, fmt.Errorf("%w in %s", err, cfg.Region)
	}
	return env, nil
}

// writeFlags are the flags of a command that does what the deployed functions do.
type writeFlags struct {
	stackFlags
	Topic string `group:"aws" placeholder:"ARN" help:"The topic of alerts ($$ROOTGUARD_TOPIC_ARN). Default: the stack's function says. With --table and --topic all settings are from the environment, under the names that the function has them."`
}

// settings are those of the deployed function, so that what is done is judged
// and reported as there.
func (a writeFlags) settings(ctx context.Context, sys system, cfg aws.Config) (config.Config, error) {
	table, topic := a.table(sys), a.Topic
	if topic == "" {
		topic = strings.TrimSpace(sys.getenv(config.EnvTopicARN))
	}
	own := map[string]string{config.EnvTable: table, config.EnvTopicARN: topic}
	get := func(name string) string {
		if value, ok := own[name]; ok {
			return value
		}
		if name == config.EnvAccountNames {
			return "" // of another form here, see names
		}
		return sys.getenv(name)
	}
	if table == "" || topic == "" {
		env, err := a.functionEnv(ctx, sys, cfg)
		if _, ok := awsFaultOf(err); ok {
			return config.Config{}, err // another name would not help
		}
		if err != nil {
			return config.Config{},
				fmt.Errorf("%w; name the stack with --stack and its Region with --region, or the table with --table and the topic with --topic", err)
		}
		get = func(name string) string {
			if own[name] != "" {
				return own[name]
			}
			return env[name]
		}
	}
	return config.Load(get)
}
