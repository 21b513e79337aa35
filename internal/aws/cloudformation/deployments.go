package cloudformation

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	sdk "github.com/aws/aws-sdk-go-v2/service/cloudformation"
	"github.com/aws/aws-sdk-go-v2/service/cloudformation/types"

	"rootguard/internal/detect"
	"rootguard/internal/guard"
)

var _ guard.Deployments = (*Deployments)(nil)

// Deployments asks CloudFormation what rootguard's own stacks did. It is safe for
// concurrent use.
type Deployments struct {
	cfg             aws.Config
	prefix, account string
}

// NewDeployments returns the Deployments of the stacks that begin with a prefix in
// the account and Region of cfg, and of the forwarders' in other Regions.
func NewDeployments(cfg aws.Config, prefix, account string) *Deployments {
	if prefix == "" {
		prefix = detect.DefaultPrefix
	}
	return &Deployments{cfg: cfg, prefix: prefix, account: account}
}

const (
	// nearby is how far the time of a call may be from that of the stack's event.
	// CloudFormation writes one when it begins with a resource and one at the end.
	nearby = 10 * time.Minute
	// maxPages bounds the events that are read: 100 a page.
	maxPages = 20
)

// serviceOf begins the types of the resources that calls of an eventSource change.
var serviceOf = map[string]string{
	"cloudtrail.amazonaws.com": "CloudTrail", "dynamodb.amazonaws.com": "DynamoDB", "events.amazonaws.com": "Events", "iam.amazonaws.com": "IAM",
	"kms.amazonaws.com": "KMS", "lambda.amazonaws.com": "Lambda", "logs.amazonaws.com": "Logs", "monitoring.amazonaws.com": "CloudWatch",
	"s3.amazonaws.com": "S3", "scheduler.amazonaws.com": "Scheduler", "sns.amazonaws.com": "SNS", "sqs.amazonaws.com": "SQS",
}

// Covers is guard.Deployments'. A stack's event covers a call on a resource of the
// same service that it is about or whose properties name it: a role's inline policy
// is a resource of its own, which names the role.
func (d *Deployments) Covers(ctx context.Context, f detect.Finding) (stack string, ok bool, err error) {
	service := serviceOf[f.EventSource]
	name := f.Target.Resource[strings.LastIndexAny(f.Target.Resource, "/:")+1:]
	if service == "" || name == "" || f.Region == "" || f.Account != d.account {
		return "", false, nil
	}
	stack = d.prefix
	if f.Region != d.cfg.Region {
		stack += "-forward-" + f.Region
	}
	client := sdk.NewFromConfig(d.cfg, func(o *sdk.Options) { o.Region = f.Region })
	pages := sdk.NewDescribeStackEventsPaginator(client, &sdk.DescribeStackEventsInput{StackName: &stack}) // latest first
	for range maxPages {
		if !pages.HasMorePages() {
			break
		}
		page, err := pages.NextPage(ctx)
		if err != nil {
			return "", false, fmt.Errorf("asking what the stack %s did: %w", stack, err)
		}
		for i := range page.StackEvents {
			e := &page.StackEvents[i]
			at := aws.ToTime(e.Timestamp)
			if at.Before(f.EventTime.Add(-nearby)) {
				return "", false, nil
			}
			if at.Before(f.EventTime.Add(nearby)) && covers(e, "AWS::"+service+"::", name) {
				return stack, true, nil
			}
		}
	}
	return "", false, nil
}

func covers(e *types.StackEvent, service, name string) bool {
	return strings.HasPrefix(aws.ToString(e.ResourceType), service) &&
		(mentions(aws.ToString(e.PhysicalResourceId), name) || mentions(aws.ToString(e.ResourceProperties), name))
}

// mentions reports whether a text has a name, not as a part of a longer one.
func mentions(text, name string) bool {
	for {
		before, after, found := strings.Cut(text, name)
		if !found {
			return false
		}
		if !endsInName(before) && !beginsAsName(after) {
			return true
		}
		text = after
	}
}

func endsInName(s string) bool   { return s != "" && isOfName(s[len(s)-1]) }
func beginsAsName(s string) bool { return s != "" && isOfName(s[0]) }

func isOfName(c byte) bool {
	return c == '-' || c == '_' || '0' <= c && c <= '9' || 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z'
}
