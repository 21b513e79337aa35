package stacks

import (
	"github.com/aws/aws-cdk-go/awscdk/v2"
	"github.com/aws/aws-cdk-go/awscdk/v2/awscloudtrail"
	"github.com/aws/aws-cdk-go/awscdk/v2/awss3"
	"github.com/aws/jsii-runtime-go"
)

// newTrail makes a trail of the management events of every Region, without which
// an account's EventBridge gets no event at all, and returns its name. In the
// management account it is the organization's trail. Its log files stay when the
// stack goes.
func (g *guard) newTrail() string {
	bucket := awss3.NewBucket(g.stack, jsii.String("TrailBucket"), &awss3.BucketProps{
		BlockPublicAccess: awss3.BlockPublicAccess_BLOCK_ALL(),
		Encryption:        awss3.BucketEncryption_S3_MANAGED,
		EnforceSSL:        jsii.Bool(true),
		ObjectOwnership:   awss3.ObjectOwnership_BUCKET_OWNER_ENFORCED,
		Versioned:         jsii.Bool(true),
		RemovalPolicy:     awscdk.RemovalPolicy_RETAIN,
	})
	name := g.settings.Prefix + "-trail"
	props := &awscloudtrail.TrailProps{
		TrailName:                  jsii.String(name),
		Bucket:                     bucket,
		EnableFileValidation:       jsii.Bool(true),
		IncludeGlobalServiceEvents: jsii.Bool(true),
		IsMultiRegionTrail:         jsii.Bool(true),
		ManagementEvents:           awscloudtrail.ReadWriteType_ALL,
	}
	if o := g.settings.Organization; o != nil {
		props.IsOrganizationTrail = jsii.Bool(true)
		props.OrgId = jsii.String(o.ID)
	}
	awscloudtrail.NewTrail(g.stack, jsii.String("Trail"), props)
	return name
}
