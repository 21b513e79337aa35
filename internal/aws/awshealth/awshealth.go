// Package awshealth puts the checks of package health together over AWS, for the
// function sweep and for the doctor.
package awshealth

import (
	"slices"
	"sync"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	sdkaccount "github.com/aws/aws-sdk-go-v2/service/account"
	"github.com/aws/aws-sdk-go-v2/service/cloudtrail"
	sdkcloudwatch "github.com/aws/aws-sdk-go-v2/service/cloudwatch"
	sdkdynamodb "github.com/aws/aws-sdk-go-v2/service/dynamodb"
	sdkeventbridge "github.com/aws/aws-sdk-go-v2/service/eventbridge"
	sdkiam "github.com/aws/aws-sdk-go-v2/service/iam"
	sdkkms "github.com/aws/aws-sdk-go-v2/service/kms"
	sdklambda "github.com/aws/aws-sdk-go-v2/service/lambda"
	sdksns "github.com/aws/aws-sdk-go-v2/service/sns"
	sdksqs "github.com/aws/aws-sdk-go-v2/service/sqs"

	"rootguard/internal/aws/account"
	"rootguard/internal/aws/awsenv"
	"rootguard/internal/aws/cloudwatch"
	"rootguard/internal/aws/dynamodb"
	"rootguard/internal/aws/eventbridge"
	"rootguard/internal/aws/iam"
	"rootguard/internal/aws/iamrole"
	"rootguard/internal/aws/kms"
	"rootguard/internal/aws/lambda"
	"rootguard/internal/aws/sns"
	"rootguard/internal/aws/sqs"
	"rootguard/internal/aws/trail"
	"rootguard/internal/config"
	"rootguard/internal/health"
	"rootguard/internal/partition"
)

// New returns the checks of a guard that is deployed with the settings. It makes
// no request. read fails where the body of a queue's message holds no event; where it
// is nil, messages are only counted.
func New(cfg *config.Config, env aws.Config, now func() time.Time, read func(body []byte) error) *health.Checker {
	env = awsenv.WithAttempts(env, attempt)
	table := sdkdynamodb.NewFromConfig(env)
	bus := func(region string) *sdkeventbridge.Client {
		return sdkeventbridge.NewFromConfig(env, func(o *sdkeventbridge.Options) {
			if region != "" {
				o.Region = region
			}
		})
	}
	queues := func(region string) *sdksqs.Client {
		return sdksqs.NewFromConfig(env, func(o *sdksqs.Options) {
			if region != "" {
				o.Region = region
			}
		})
	}
	rules := eventbridge.New(bus, cfg.Own.Prefix)
	want := health.Expected{
		Partition: cfg.Partition, Region: cfg.Region, Account: cfg.Account, Prefix: cfg.Own.Prefix, Table: cfg.Table,
		Alerts: cfg.TopicARN, Escalation: cfg.EscalationTopicARN, Chat: cfg.ChatTopicARN,
		Undelivered: cfg.UndeliveredQueueURL, Failed: cfg.FailedQueueURL, Trails: cfg.Own.Trails, Regions: cfg.Regions,
		Quarantine: cfg.Settings.Quarantine.Mode != "",
	}
	if p, ok := partition.Of(cfg.Partition); ok {
		want.Second = p.SecondOf(cfg.Regions)
	}
	if len(cfg.Own.Keys) > 0 {
		want.Key = cfg.Own.Keys[0]
	}
	store := dynamodb.New(table, cfg.Table, now)
	want.Organization, want.Digest = cfg.MemberRole != "", cfg.Digest.On()
	deployed(cfg, &want)
	if p, ok := partition.Of(cfg.Partition); ok {
		want.Further = slices.DeleteFunc(p.Regions, func(region string) bool { return region == cfg.Region })
	}
	want.OptIn = slices.Contains(optIn, cfg.Partition)
	// Few runs need these.
	alarms := cloudwatch.New(sync.OnceValue(func() *sdkcloudwatch.Client { return sdkcloudwatch.NewFromConfig(env) }))
	regions := account.New(sync.OnceValue(func() *sdkaccount.Client { return sdkaccount.NewFromConfig(env) }))
	roles := iamrole.New(sync.OnceValue(func() *sdkiam.Client { return sdkiam.NewFromConfig(env) }))
	var messages health.Messages
	if read != nil {
		messages = sqs.NewMessages(queues(""), read)
	}
	return health.New(health.Ports{
		Trails: trail.New(cloudtrail.NewFromConfig(env)), Rules: rules, Bus: rules, Recorder: iam.NewHeartbeats(sdkiam.NewFromConfig(env),
			cfg.Own.Prefix), Functions: lambda.New(sdklambda.NewFromConfig(env)),
		Queues: sqs.NewQueues(queues), Topics: sns.NewInspector(sdksns.NewFromConfig(env), cfg.Own.Prefix+"-"+config.SecurityHub),
		Keys: kms.New(sdkkms.NewFromConfig(env)), Messages: messages,
		Tables: dynamodb.NewTables(table), Roles: roles, Alarms: alarms, Metrics: alarms, Regions: regions, RollUps: store, Store: store,
	}, want, now)
}

// attempt bounds one attempt of a call, so that one that hangs is tried again
// within the time of a check.
const attempt = 3 * time.Second

// optIn are the partitions in which accounts can enable more Regions, and ask which
// they have: AWS Account Management has no endpoint in the others (AWS General
// Reference, "AWS Account Management endpoints and quotas").
var optIn = []string{"aws", "aws-cn"}

// deployed adds what the deployment noted of itself.
func deployed(cfg *config.Config, want *health.Expected) {
	d := cfg.Deployed
	if d == nil {
		return
	}
	want.Deployed, want.Code, want.SMS, want.Boundary, want.Operators, want.Adopted = true, d.Code, d.SMS, d.Boundary, d.Operators, d.Adopted
	for _, name := range d.Alarms {
		want.Alarms = append(want.Alarms, cfg.Own.Prefix+"-"+name)
	}
	want.Receivers, want.Routes = map[string][]string{cfg.TopicARN: d.Receivers.Alerts}, d.Receivers.Routes
	if cfg.EscalationTopicARN != "" {
		want.Receivers[cfg.EscalationTopicARN] = d.Receivers.Escalation
	}
	if want.Second != "" {
		want.Receivers[want.SecondTopic()] = d.Receivers.Second
	}
}
