package deploy

import (
	"maps"
	"slices"
	"strings"
	"testing"
)

// handlers are the permissions that AWS gives for the handlers create, read, update and
// delete of a type, in its schema of the CloudFormation registry (AWS CloudFormation API
// Reference, DescribeType: Schema; as of 2026, copied in public providers that are made
// from them). AWS::SNS::Subscription, AWS::SQS::QueuePolicy, AWS::IAM::Policy and
// AWS::S3::Bucket are not compared.
var handlers = map[string]string{
	"AWS::CloudTrail::Trail": `cloudtrail:GetTrail cloudtrail:GetTrailStatus cloudtrail:ListTags cloudtrail:GetEventSelectors cloudtrail:GetInsightSelectors
		cloudtrail:GetEventConfiguration cloudtrail:DescribeTrails cloudtrail:CreateTrail cloudtrail:StartLogging cloudtrail:AddTags cloudtrail:PutEventSelectors
		cloudtrail:PutInsightSelectors cloudtrail:PutEventConfiguration iam:GetRole iam:PassRole iam:CreateServiceLinkedRole organizations:DescribeOrganization
		organizations:ListAWSServiceAccessForOrganization cloudtrail:UpdateTrail cloudtrail:StopLogging cloudtrail:RemoveTags cloudtrail:DeleteTrail`,
	"AWS::CloudWatch::Alarm": `cloudwatch:PutMetricAlarm cloudwatch:DescribeAlarms cloudwatch:TagResource cloudwatch:UntagResource cloudwatch:DeleteAlarms
		cloudwatch:ListTagsForResource`,
	"AWS::CloudWatch::Dashboard": `cloudwatch:PutDashboard cloudwatch:GetDashboard cloudwatch:TagResource cloudwatch:ListTagsForResource cloudwatch:UntagResource
		cloudwatch:DeleteDashboards`,
	"AWS::DynamoDB::Table": `dynamodb:DescribeTable dynamodb:DescribeContinuousBackups dynamodb:DescribeContributorInsights
		dynamodb:DescribeKinesisStreamingDestination dynamodb:ListTagsOfResource dynamodb:GetResourcePolicy dynamodb:CreateTable dynamodb:DescribeImport
		dynamodb:DescribeTimeToLive dynamodb:UpdateTimeToLive dynamodb:UpdateContributorInsights dynamodb:UpdateContinuousBackups
		dynamodb:EnableKinesisStreamingDestination dynamodb:DisableKinesisStreamingDestination dynamodb:UpdateKinesisStreamingDestination dynamodb:ImportTable
		dynamodb:TagResource dynamodb:UntagResource dynamodb:UpdateTable dynamodb:PutResourcePolicy dynamodb:DeleteResourcePolicy dynamodb:DeleteTable
		kinesis:DescribeStream kinesis:PutRecords iam:CreateServiceLinkedRole kms:CreateGrant kms:Decrypt kms:DescribeKey kms:ListAliases kms:Encrypt kms:RevokeGrant
		logs:CreateLogGroup logs:CreateLogStream logs:DescribeLogGroups logs:DescribeLogStreams logs:PutLogEvents logs:PutRetentionPolicy s3:GetObject
		s3:GetObjectMetadata s3:ListBucket`,
	"AWS::Events::Rule": `iam:PassRole events:DescribeRule events:ListTargetsByRule events:PutRule events:PutTargets events:RemoveTargets events:DeleteRule`,
	"AWS::IAM::Role": `iam:CreateRole iam:PutRolePolicy iam:AttachRolePolicy iam:GetRolePolicy iam:TagRole iam:UntagRole iam:GetRole iam:ListAttachedRolePolicies
		iam:ListRolePolicies iam:UpdateRole iam:UpdateRoleDescription iam:UpdateAssumeRolePolicy iam:DetachRolePolicy iam:DeleteRolePermissionsBoundary
		iam:PutRolePermissionsBoundary iam:DeleteRolePolicy iam:DeleteRole`,
	"AWS::KMS::Alias": `kms:CreateAlias kms:ListAliases kms:UpdateAlias kms:DeleteAlias`,
	"AWS::KMS::Key": `kms:CreateKey kms:EnableKeyRotation kms:DisableKey kms:TagResource kms:PutKeyPolicy kms:DescribeKey kms:GetKeyPolicy kms:GetKeyRotationStatus
		kms:ListResourceTags kms:DisableKeyRotation kms:EnableKey kms:UntagResource kms:UpdateKeyDescription kms:ScheduleKeyDeletion`,
	// With AWS::Lambda::Permission and AWS::Lambda::EventInvokeConfig.
	"AWS::Lambda::Function": `lambda:GetFunction lambda:GetFunctionCodeSigningConfig lambda:GetFunctionRecursionConfig lambda:GetRuntimeManagementConfig
		lambda:CreateFunction lambda:PutFunctionConcurrency iam:PassRole s3:GetObject s3:GetObjectVersion ec2:DescribeSecurityGroups ec2:DescribeSubnets ec2:DescribeVpcs
		elasticfilesystem:DescribeMountTargets kms:CreateGrant kms:Decrypt kms:Encrypt kms:GenerateDataKey lambda:GetCodeSigningConfig lambda:GetLayerVersion
		lambda:PutRuntimeManagementConfig lambda:TagResource lambda:PutFunctionRecursionConfig lambda:DeleteFunctionConcurrency lambda:UntagResource
		lambda:UpdateFunctionConfiguration lambda:UpdateFunctionCode lambda:PutFunctionCodeSigningConfig lambda:DeleteFunctionCodeSigningConfig lambda:DeleteFunction
		ec2:DescribeNetworkInterfaces
		lambda:AddPermission lambda:GetPolicy lambda:RemovePermission
		lambda:PutFunctionEventInvokeConfig lambda:GetFunctionEventInvokeConfig lambda:UpdateFunctionEventInvokeConfig lambda:DeleteFunctionEventInvokeConfig`,
	"AWS::Logs::LogGroup": `logs:DescribeLogGroups logs:CreateLogGroup logs:PutRetentionPolicy logs:TagLogGroup logs:GetDataProtectionPolicy logs:PutDataProtectionPolicy
		logs:CreateLogDelivery s3:REST.PUT.OBJECT firehose:TagDeliveryStream logs:PutResourcePolicy logs:DescribeResourcePolicies logs:ListTagsLogGroup
		logs:AssociateKmsKey logs:DisassociateKmsKey logs:DeleteRetentionPolicy logs:UntagLogGroup logs:DeleteLogGroup logs:DeleteDataProtectionPolicy`,
	// With AWS::SNS::TopicPolicy.
	"AWS::SNS::Topic": `sns:CreateTopic sns:TagResource sns:Subscribe sns:GetTopicAttributes sns:PutDataProtectionPolicy iam:GetRole iam:PassRole sns:ListTagsForResource
		sns:ListSubscriptionsByTopic sns:GetDataProtectionPolicy sns:SetTopicAttributes sns:UntagResource sns:Unsubscribe sns:DeleteTopic`,
	"AWS::SQS::Queue": `sqs:CreateQueue sqs:GetQueueUrl sqs:GetQueueAttributes sqs:ListQueueTags sqs:TagQueue sqs:SetQueueAttributes sqs:UntagQueue sqs:DeleteQueue`,
}

// leftOut are permissions of handlers that the templates do not need, by the reason.
var leftOut = map[string]string{
	"no resource has tags of its own, and AWS adds its own by the calls that make it": `dynamodb:TagResource iam:TagRole kms:TagResource sqs:TagQueue`,
	"no tag is taken off": `cloudtrail:RemoveTags cloudwatch:UntagResource dynamodb:UntagResource iam:UntagRole kms:UntagResource lambda:UntagResource logs:UntagLogGroup
		sns:UntagResource sqs:UntagQueue`,
	"under its old name; the new one is allowed": `logs:TagLogGroup logs:ListTagsLogGroup`,
	"the trail records management events, for no organization, into a bucket and no log group": `cloudtrail:PutInsightSelectors cloudtrail:PutEventConfiguration
		cloudtrail:GetEventConfiguration AWS::CloudTrail::Trail/iam:GetRole AWS::CloudTrail::Trail/iam:PassRole organizations:DescribeOrganization
		organizations:ListAWSServiceAccessForOrganization`,
	"the service-linked role of CloudTrail is for organizations, that of DynamoDB for replicas and scaling": `iam:CreateServiceLinkedRole`,
	"the table has no stream, import, insights, policy or key of its own, unless operators are named, which the CDK alone can": `dynamodb:DescribeImport
		dynamodb:UpdateContributorInsights dynamodb:EnableKinesisStreamingDestination dynamodb:DisableKinesisStreamingDestination
		dynamodb:UpdateKinesisStreamingDestination dynamodb:ImportTable dynamodb:PutResourcePolicy dynamodb:DeleteResourcePolicy kinesis:DescribeStream kinesis:PutRecords
		kms:CreateGrant kms:Decrypt kms:Encrypt kms:RevokeGrant kms:GenerateDataKey AWS::DynamoDB::Table/kms:DescribeKey AWS::DynamoDB::Table/kms:ListAliases
		AWS::DynamoDB::Table/logs:CreateLogGroup logs:CreateLogStream AWS::DynamoDB::Table/logs:DescribeLogGroups logs:DescribeLogStreams logs:PutLogEvents
		AWS::DynamoDB::Table/logs:PutRetentionPolicy AWS::DynamoDB::Table/s3:GetObject s3:GetObjectMetadata AWS::DynamoDB::Table/s3:ListBucket`,
	"roles have inline policies alone, and no boundary": `iam:AttachRolePolicy iam:DetachRolePolicy iam:DeleteRolePermissionsBoundary iam:PutRolePermissionsBoundary`,
	"the key is always on and rotated":                  `kms:DisableKey kms:DisableKeyRotation kms:EnableKey`,
	"functions are in no VPC, with no file system, layer, signature, reserved concurrency or runtime of their own choice": `lambda:PutFunctionConcurrency
		s3:GetObjectVersion ec2:DescribeSecurityGroups ec2:DescribeSubnets ec2:DescribeVpcs elasticfilesystem:DescribeMountTargets lambda:GetCodeSigningConfig
		lambda:GetLayerVersion lambda:PutRuntimeManagementConfig lambda:PutFunctionRecursionConfig lambda:DeleteFunctionConcurrency lambda:PutFunctionCodeSigningConfig
		lambda:DeleteFunctionCodeSigningConfig ec2:DescribeNetworkInterfaces`,
	"the statement Archives has it":                         `AWS::Lambda::Function/s3:GetObject`,
	"the statement Roles has it":                            `AWS::Lambda::Function/iam:PassRole AWS::Events::Rule/iam:PassRole`,
	"log groups have a retention, and no policy and no key": `logs:PutDataProtectionPolicy logs:CreateLogDelivery s3:REST.PUT.OBJECT firehose:TagDeliveryStream logs:PutResourcePolicy logs:AssociateKmsKey logs:DisassociateKmsKey logs:DeleteRetentionPolicy logs:DeleteDataProtectionPolicy`,
	"topics have no data protection and log no delivery":    `sns:PutDataProtectionPolicy AWS::SNS::Topic/iam:GetRole AWS::SNS::Topic/iam:PassRole`,
}

// beyond are actions that no handler of the schemas has, by the reason.
var beyond = map[string]string{
	"of AWS::SNS::Subscription, whose schema is not public":                          `sns:GetSubscriptionAttributes sns:SetSubscriptionAttributes`,
	"functions and rules are given roles":                                            `iam:PassRole`,
	"Lambda waits for a function by it":                                              `lambda:GetFunctionConfiguration`,
	"tags are read by the stack's own read, with the tags that AWS adds":             `lambda:ListTags`,
	"what newer versions of the schema read, by the names of the calls that replace": `logs:ListTagsForResource logs:TagResource logs:DescribeIndexPolicies`,
}

func reasons(of map[string]string) map[string]bool {
	all := map[string]bool{}
	for _, text := range of {
		for action := range strings.FieldsSeq(text) {
			all[action] = true
		}
	}
	return all
}

// TestHandlers holds the policy for deploying to what AWS says that CloudFormation calls
// for each type: nothing is missing and nothing is too much, but for a reason.
func TestHandlers(t *testing.T) {
	t.Parallel()
	without, with := reasons(leftOut), reasons(beyond)
	used := map[string]bool{}
	for of, text := range handlers {
		allowed := ownActions[of].actions
		needs := strings.Fields(text)
		for _, action := range needs {
			switch has := slices.Contains(allowed, action); {
			case has:
			case without[action]:
				used[action] = true
			case without[of+"/"+action]:
				used[of+"/"+action] = true
			default:
				t.Errorf("%s: a handler needs %s, which the policy does not allow: allow it, or give the reason in leftOut", of, action)
			}
		}
		for _, action := range allowed {
			if slices.Contains(needs, action) {
				continue
			}
			if !with[action] {
				t.Errorf("%s: the policy allows %s, which no handler needs: take it away, or give the reason in beyond", of, action)
			}
			used[action] = true
		}
	}
	for action := range maps.All(without) {
		if !used[action] {
			t.Errorf("leftOut has %s, which no handler needs or the policy allows", action)
		}
	}
	for action := range maps.All(with) {
		if !used[action] {
			t.Errorf("beyond has %s, which the policy does not allow or a handler needs", action)
		}
	}
}
