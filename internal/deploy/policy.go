package deploy

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
)

// callerActions are what the command itself calls, with the resources: %s is the
// prefix. CloudFormation reads the template and Lambda the archives with the
// caller's permission too.
var callerActions = []statement{
	{"Stacks", []string{
		"cloudformation:CreateChangeSet", "cloudformation:DeleteChangeSet", "cloudformation:DeleteStack", "cloudformation:DescribeChangeSet",
		"cloudformation:DescribeStackEvents", "cloudformation:DescribeStacks", "cloudformation:ExecuteChangeSet",
		"cloudformation:ListStackResources",
	}, []string{"arn:aws:cloudformation:*:ACCOUNT:stack/%s/*", "arn:aws:cloudformation:*:ACCOUNT:stack/%s-*/*"}},
	{"Bucket", []string{"s3:CreateBucket", "s3:ListBucket"}, []string{"arn:aws:s3:::rootguard-assets-ACCOUNT-*"}},
	{"Archives", []string{"s3:GetObject", "s3:PutObject"}, []string{"arn:aws:s3:::rootguard-assets-ACCOUNT-*/rootguard/*"}},
	{"Preflight", []string{"events:ListRules", "events:TestEventPattern", "lambda:GetAccountSettings"}, []string{"*"}},
	{"Announce", []string{"dynamodb:BatchGetItem", "dynamodb:PutItem"}, []string{"arn:aws:dynamodb:*:ACCOUNT:table/%s-*"}},
	{"Receivers", []string{"sns:GetTopicAttributes", "sns:ListSubscriptionsByTopic", "sns:Publish"}, []string{"arn:aws:sns:*:ACCOUNT:%s-*"}},
}

// ownActions are what CloudFormation calls with the caller's permissions to make,
// change, read and delete a resource of a type, and what resources of the stacks are
// called. AWS lists the calls with the handlers of each type's schema in the
// CloudFormation registry: a test compares them. Of types to which CloudFormation adds
// tags of its own, that is allowed too.
var ownActions = map[string]statement{
	"AWS::CloudTrail::Trail": {"Trail", []string{
		"cloudtrail:AddTags", "cloudtrail:CreateTrail", "cloudtrail:DeleteTrail", "cloudtrail:DescribeTrails", "cloudtrail:GetEventSelectors",
		"cloudtrail:GetInsightSelectors",
		"cloudtrail:GetTrail", "cloudtrail:GetTrailStatus", "cloudtrail:ListTags", "cloudtrail:PutEventSelectors", "cloudtrail:StartLogging",
		"cloudtrail:StopLogging", "cloudtrail:UpdateTrail",
	}, []string{"arn:aws:cloudtrail:*:ACCOUNT:trail/%s-*"}},
	"AWS::CloudWatch::Alarm": {"Alarms", []string{
		"cloudwatch:DeleteAlarms", "cloudwatch:DescribeAlarms", "cloudwatch:ListTagsForResource", "cloudwatch:PutMetricAlarm",
		"cloudwatch:TagResource",
	}, []string{"arn:aws:cloudwatch:*:ACCOUNT:alarm:%s-*"}},
	"AWS::CloudWatch::Dashboard": {"Dashboard", []string{
		"cloudwatch:DeleteDashboards", "cloudwatch:GetDashboard", "cloudwatch:ListTagsForResource", "cloudwatch:PutDashboard",
		"cloudwatch:TagResource",
	}, []string{"arn:aws:cloudwatch::ACCOUNT:dashboard/%s"}},
	"AWS::DynamoDB::Table": {"Table", []string{
		"dynamodb:CreateTable", "dynamodb:DeleteTable", "dynamodb:DescribeContinuousBackups", "dynamodb:DescribeContributorInsights",
		"dynamodb:DescribeKinesisStreamingDestination",
		"dynamodb:DescribeTable", "dynamodb:DescribeTimeToLive", "dynamodb:GetResourcePolicy", "dynamodb:ListTagsOfResource",
		"dynamodb:UpdateContinuousBackups",
		"dynamodb:UpdateTable", "dynamodb:UpdateTimeToLive",
	}, []string{"arn:aws:dynamodb:*:ACCOUNT:table/%s-*"}},
	"AWS::Events::Rule": {"Rules", []string{
		"events:DeleteRule", "events:DescribeRule", "events:ListTargetsByRule", "events:PutRule", "events:PutTargets", "events:RemoveTargets",
	}, []string{"arn:aws:events:*:ACCOUNT:rule/%s-*"}},
	"AWS::IAM::Role": {"Roles", []string{
		"iam:CreateRole", "iam:DeleteRole", "iam:DeleteRolePolicy", "iam:GetRole", "iam:GetRolePolicy", "iam:ListAttachedRolePolicies",
		"iam:ListRolePolicies",
		"iam:PassRole", "iam:PutRolePolicy", "iam:UpdateAssumeRolePolicy", "iam:UpdateRole", "iam:UpdateRoleDescription",
	}, []string{"arn:aws:iam::ACCOUNT:role/%s-*"}},
	"AWS::KMS::Key": {"Key", []string{ // whose names no ARN has before it is there
		"kms:CreateKey", "kms:DescribeKey", "kms:EnableKeyRotation", "kms:GetKeyPolicy", "kms:GetKeyRotationStatus",
		"kms:ListResourceTags", "kms:PutKeyPolicy",
		"kms:ScheduleKeyDeletion", "kms:UpdateKeyDescription",
	}, []string{"*"}},
	"AWS::KMS::Alias": {"KeyName", []string{"kms:CreateAlias", "kms:DeleteAlias", "kms:ListAliases", "kms:UpdateAlias"}, []string{"*"}},
	"AWS::Lambda::Function": {"Functions", []string{
		"lambda:AddPermission", "lambda:CreateFunction", "lambda:DeleteFunction", "lambda:DeleteFunctionEventInvokeConfig", "lambda:GetFunction",
		"lambda:GetFunctionCodeSigningConfig",
		"lambda:GetFunctionConfiguration", "lambda:GetFunctionEventInvokeConfig", "lambda:GetFunctionRecursionConfig", "lambda:GetPolicy",
		"lambda:GetRuntimeManagementConfig",
		"lambda:ListTags", "lambda:PutFunctionEventInvokeConfig", "lambda:RemovePermission", "lambda:TagResource", "lambda:UpdateFunctionCode",
		"lambda:UpdateFunctionConfiguration",
		"lambda:UpdateFunctionEventInvokeConfig",
	}, []string{"arn:aws:lambda:*:ACCOUNT:function:%s-*"}},
	"AWS::Logs::LogGroup": {"Logs", []string{
		"logs:CreateLogGroup", "logs:DeleteLogGroup", "logs:DescribeIndexPolicies", "logs:DescribeLogGroups", "logs:DescribeResourcePolicies",
		"logs:GetDataProtectionPolicy", "logs:ListTagsForResource",
		"logs:PutRetentionPolicy", "logs:TagResource",
	}, []string{"*"}}, // a log group's name begins with that of its stack, but some of these calls name none
	"AWS::S3::Bucket": {"TrailBucket", []string{
		"s3:CreateBucket", "s3:DeleteBucket", "s3:DeleteBucketPolicy", "s3:GetBucketPolicy", "s3:ListBucket", "s3:PutBucketOwnershipControls",
		"s3:PutBucketPolicy",
		"s3:PutBucketPublicAccessBlock", "s3:PutBucketVersioning", "s3:PutEncryptionConfiguration", "s3:PutLifecycleConfiguration",
	}, []string{"arn:aws:s3:::%s-trailbucket*"}},
	"AWS::SNS::Topic": {"Topics", []string{
		"sns:CreateTopic", "sns:DeleteTopic", "sns:GetDataProtectionPolicy", "sns:GetSubscriptionAttributes", "sns:GetTopicAttributes",
		"sns:ListSubscriptionsByTopic",
		"sns:ListTagsForResource", "sns:SetSubscriptionAttributes", "sns:SetTopicAttributes", "sns:Subscribe",
		"sns:TagResource", "sns:Unsubscribe",
	}, []string{"arn:aws:sns:*:ACCOUNT:%s-*"}},
	"AWS::SQS::Queue": {"Queues", []string{
		"sqs:CreateQueue", "sqs:DeleteQueue", "sqs:GetQueueAttributes", "sqs:GetQueueUrl", "sqs:ListQueueTags", "sqs:SetQueueAttributes",
	}, []string{"arn:aws:sqs:*:ACCOUNT:%s-*"}},
}

// withinType are types that the calls on another one make.
var withinType = map[string]string{
	"AWS::IAM::Policy":               "AWS::IAM::Role",
	"AWS::Lambda::EventInvokeConfig": "AWS::Lambda::Function",
	"AWS::Lambda::Permission":        "AWS::Lambda::Function",
	"AWS::S3::BucketPolicy":          "AWS::S3::Bucket",
	"AWS::SNS::Subscription":         "AWS::SNS::Topic",
	"AWS::SNS::TopicPolicy":          "AWS::SNS::Topic",
	"AWS::SQS::QueuePolicy":          "AWS::SQS::Queue",
}

// statement allows actions on resources.
type statement struct {
	sid                string
	actions, resources []string
}

// Policy is the IAM policy, as JSON, of who deploys the bundle to an account: what
// the command calls, and what CloudFormation calls for it to make the resources of
// the templates. It fails for a template with a type of which that is not known.
//
// It is least, and still much: who may make roles that begin with the prefix can
// give them any permission. Give it to a pipeline's role that only the deployment
// of a reviewed release can assume, or add a permissions boundary.
func (b *Bundle) Policy(account string) ([]byte, error) {
	all, err := b.statements(account)
	if err != nil {
		return nil, err
	}
	return write(all)
}

// statements are the policy's.
func (b *Bundle) statements(account string) ([]allow, error) {
	types := map[string]bool{}
	for _, f := range b.Templates {
		text, err := b.read(f)
		if err != nil {
			return nil, err
		}
		var template struct {
			Resources map[string]struct{ Type string }
		}
		if err := json.Unmarshal(text, &template); err != nil {
			return nil, fmt.Errorf("reading template %s: %w", f.Name, err)
		}
		for id, r := range template.Resources {
			of := r.Type
			if within, ok := withinType[of]; ok {
				of = within
			}
			if _, known := ownActions[of]; !known {
				return nil, fmt.Errorf("writing the policy: what CloudFormation calls for %s %s is not known", r.Type, id)
			}
			types[of] = true
		}
	}
	return statementsOf(b.Manifest, account, types), nil
}

// FullPolicy is the policy for a bundle with resources of every type that is known here.
func FullPolicy(of Manifest, account string) ([]byte, error) {
	types := map[string]bool{}
	for name := range ownActions {
		types[name] = true
	}
	return write(statementsOf(of, account, types))
}

// allow is a statement as IAM reads it.
type allow struct {
	Sid, Effect      string
	Action, Resource []string
}

func statementsOf(m Manifest, account string, types map[string]bool) []allow {
	var all []allow
	add := func(s statement) {
		resources := make([]string, len(s.resources))
		for i, r := range s.resources {
			resources[i] = strings.NewReplacer("%s", m.Prefix, "ACCOUNT", account, "arn:aws:", "arn:"+m.Partition+":").Replace(r)
		}
		all = append(all, allow{s.sid, "Allow", s.actions, resources})
	}
	for _, s := range callerActions {
		add(s)
	}
	for _, of := range slices.Sorted(maps.Keys(types)) {
		add(ownActions[of])
	}
	return all
}

func write(all []allow) ([]byte, error) {
	text, err := json.MarshalIndent(struct {
		Version   string
		Statement []allow
	}{"2012-10-17", all}, "", "  ")
	if err != nil {
		return nil, fmt.Errorf("writing the policy: %w", err)
	}
	return append(text, '\n'), nil
}
