package stacks

import (
	"github.com/aws/aws-cdk-go/awscdk/v2"
	"github.com/aws/aws-cdk-go/awscdk/v2/awscloudtrail"
	"github.com/aws/aws-cdk-go/awscdk/v2/awsiam"
	"github.com/aws/aws-cdk-go/awscdk/v2/awss3"
	"github.com/aws/jsii-runtime-go"
)

// How long the trail's log files are kept, in days: seven years, and three months
// for what replaced or deleted a file would otherwise take from the record.
const (
	trailDays        = 7*365 + 2
	trailVersionDays = 90
)

// newTrail makes a trail of the management events of every Region, without which
// an account's EventBridge gets no event at all, and returns its name. In the
// management account it is the organization's trail. Its log files stay when the
// stack goes.
//
// The bucket stays even when the creation of the stack is rolled back: CloudTrail
// writes into it at once, and CloudFormation deletes no bucket that is not empty.
// Nothing protects it.
func (g *guard) newTrail() string {
	name := g.settings.Prefix + "-trail"
	bucket := awss3.NewBucket(g.stack, jsii.String("TrailBucket"), &awss3.BucketProps{
		BlockPublicAccess: awss3.BlockPublicAccess_BLOCK_ALL(),
		Encryption:        awss3.BucketEncryption_S3_MANAGED,
		EnforceSSL:        jsii.Bool(true),
		ObjectOwnership:   awss3.ObjectOwnership_BUCKET_OWNER_ENFORCED,
		Versioned:         jsii.Bool(true),
		RemovalPolicy:     awscdk.RemovalPolicy_RETAIN,
		LifecycleRules: &[]*awss3.LifecycleRule{{
			Expiration:                          awscdk.Duration_Days(jsii.Number(trailDays)),
			NoncurrentVersionExpiration:         awscdk.Duration_Days(jsii.Number(trailVersionDays)),
			AbortIncompleteMultipartUploadAfter: awscdk.Duration_Days(jsii.Number(7)),
		}},
	})
	// For this trail alone (CloudTrail User Guide, "Amazon S3 bucket policy for CloudTrail").
	arn := arn("cloudtrail", "trail/"+name)
	cloudTrail := awsiam.NewServicePrincipal(jsii.String("cloudtrail.amazonaws.com"), nil)
	paths := []string{*bucket.ArnForObjects(jsii.String("AWSLogs/" + *awscdk.Aws_ACCOUNT_ID() + "/*"))}
	trail := awscloudtrail.NewCfnTrail(g.stack, jsii.String("PlainTrail"), &awscloudtrail.CfnTrailProps{
		TrailName:                  jsii.String(name),
		S3BucketName:               bucket.BucketName(),
		IsLogging:                  jsii.Bool(true),
		EnableLogFileValidation:    jsii.Bool(true),
		IncludeGlobalServiceEvents: jsii.Bool(true),
		IsMultiRegionTrail:         jsii.Bool(true),
		EventSelectors: []any{&awscloudtrail.CfnTrail_EventSelectorProperty{IncludeManagementEvents: jsii.Bool(true),
			ReadWriteType: jsii.String("All")}},
	})
	// The name that it had as another construct: under a new one CloudFormation would
	// make a second trail of the same name first, and fail.
	trail.OverrideLogicalId(jsii.String("Trail022F0CF2"))
	if o := g.settings.Organization; o != nil {
		trail.SetIsOrganizationTrail(jsii.Bool(true))
		paths = append(paths, *bucket.ArnForObjects(jsii.String("AWSLogs/" + o.ID + "/*")))
	}
	fromTrail := map[string]any{"aws:SourceArn": arn}
	bucket.AddToResourcePolicy(allow("TrailAsks", []string{"s3:GetBucketAcl"}, []string{*bucket.BucketArn()},
		conditions{"StringEquals": fromTrail}, cloudTrail))
	bucket.AddToResourcePolicy(allow("TrailWrites", []string{"s3:PutObject"}, paths,
		conditions{"StringEquals": map[string]any{"aws:SourceArn": arn, "s3:x-amz-acl": "bucket-owner-full-control"}}, cloudTrail))
	trail.Node().AddDependency(bucket.Policy())
	return name
}
