// Package awshealth puts the checks of package health together over AWS, for the
// function sweep and for the doctor.
package awshealth

import (
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/cloudtrail"
	sdkdynamodb "github.com/aws/aws-sdk-go-v2/service/dynamodb"
	sdkeventbridge "github.com/aws/aws-sdk-go-v2/service/eventbridge"
	sdkiam "github.com/aws/aws-sdk-go-v2/service/iam"
	sdkkms "github.com/aws/aws-sdk-go-v2/service/kms"
	sdklambda "github.com/aws/aws-sdk-go-v2/service/lambda"
	sdksns "github.com/aws/aws-sdk-go-v2/service/sns"
	sdksqs "github.com/aws/aws-sdk-go-v2/service/sqs"

	"rootguard/internal/config"
	"rootguard/internal/dynamodb"
	"rootguard/internal/eventbridge"
	"rootguard/internal/health"
	"rootguard/internal/iam"
	"rootguard/internal/kms"
	"rootguard/internal/lambda"
	"rootguard/internal/partition"
	"rootguard/internal/sns"
	"rootguard/internal/sqs"
	"rootguard/internal/trail"
)

// New returns the checks of a guard that is deployed with the settings. It makes
// no request.
func New(cfg *config.Config, env aws.Config, now func() time.Time) *health.Checker {
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
	return health.New(health.Ports{
		Trails: trail.New(cloudtrail.NewFromConfig(env)), Rules: rules, Bus: rules, Recorder: iam.NewHeartbeats(sdkiam.NewFromConfig(env), cfg.Own.Prefix), Functions: lambda.New(sdklambda.NewFromConfig(env)),
		Queues: sqs.NewQueues(queues), Topics: sns.NewInspector(sdksns.NewFromConfig(env), cfg.Own.Prefix+"-"+config.SecurityHub), Keys: kms.New(sdkkms.NewFromConfig(env)),
		Tables: dynamodb.NewTables(table), RollUps: store, Store: store,
	}, want, now)
}
