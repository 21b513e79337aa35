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
	between         time.Duration // of two questions about a stack's update that is to begin
}

// NewDeployments returns the Deployments of the stacks that begin with a prefix in
// the account and Region of cfg, and of the forwarders' in other Regions.
func NewDeployments(cfg aws.Config, prefix, account string) *Deployments {
	if prefix == "" {
		prefix = detect.DefaultPrefix
	}
	return &Deployments{cfg: cfg, prefix: prefix, account: account, between: time.Second}
}

const (
	// nearby is how far the time of a call may be from that of the stack's event.
	// CloudFormation writes one when it begins with a resource and one at the end.
	nearby = 10 * time.Minute
	// skew is how far the time of the call that begins an update may be from that of its
	// first event, by two clocks of AWS.
	skew = time.Minute
	// begins is how often that event is looked for.
	begins = 3
	// maxPages bounds the events that are read: 100 a page.
	maxPages = 20
)

// serviceOf begins the types of the resources that calls of an eventSource change.
var serviceOf = map[string]string{
	"cloudformation.amazonaws.com": "CloudFormation",
	"cloudtrail.amazonaws.com":     "CloudTrail", "dynamodb.amazonaws.com": "DynamoDB", "events.amazonaws.com": "Events",
	"iam.amazonaws.com": "IAM",
	"kms.amazonaws.com": "KMS", "lambda.amazonaws.com": "Lambda", "logs.amazonaws.com": "Logs", "monitoring.amazonaws.com": "CloudWatch",
	"s3.amazonaws.com": "S3", "scheduler.amazonaws.com": "Scheduler", "sns.amazonaws.com": "SNS", "sqs.amazonaws.com": "SQS",
}

// Covers is guard.Deployments'. A stack's event covers a call on a resource of the
// same service that it is about or whose properties name it: a role's inline policy
// is a resource of its own, which names the role. A call on a stack itself is covered
// where the stack is rootguard's and its update began then.
func (d *Deployments) Covers(ctx context.Context, f detect.Finding) (of detect.Deployment, ok bool, err error) {
	service := serviceOf[f.EventSource]
	name := f.Target.Resource[strings.LastIndexAny(f.Target.Resource, "/:")+1:]
	if service == "" || name == "" || f.Region == "" || f.Account != d.account {
		return of, false, nil
	}
	stack := d.prefix
	if f.Region != d.cfg.Region {
		stack += "-forward-" + f.Region
	}
	search := func(e *types.StackEvent, at time.Time) verdict {
		return ofResource(e, at, &f, "AWS::"+service+"::", name)
	}
	tries := 1
	if detect.UpdatesStack(&f) {
		if nameOf(f.Target.Resource) != stack {
			return of, false, nil
		}
		// The event that says so may come a moment after the call.
		tries, search = begins, func(e *types.StackEvent, at time.Time) verdict { return ofUpdate(e, at, &f) }
	}
	for try := 0; ; try++ {
		of, ok, err = d.search(ctx, stack, f.Region, search)
		if ok || err != nil || try == tries-1 {
			return of, ok, err
		}
		timer := time.NewTimer(d.between)
		select {
		case <-timer.C:
		case <-ctx.Done():
			timer.Stop()
			return of, false, fmt.Errorf("asking what the stack %s did: %w", stack, ctx.Err())
		}
	}
}

// verdict is what one event of a stack, latest first, says about a call.
type verdict uint8

const (
	goOn   verdict = iota
	covers         // the deployment is that which began with this event or the next earlier one
	never          // no earlier event can cover it
)

func ofResource(e *types.StackEvent, at time.Time, f *detect.Finding, service, name string) verdict {
	switch {
	case at.Before(f.EventTime.Add(-nearby)):
		return never
	case at.Before(f.EventTime.Add(nearby)) && isOn(e, service, name):
		return covers
	}
	return goOn
}

func ofUpdate(e *types.StackEvent, at time.Time, f *detect.Finding) verdict {
	switch {
	case at.Before(f.EventTime.Add(-skew)):
		return never
	case at.Before(f.EventTime.Add(skew)) && began(e):
		return covers
	}
	return goOn
}

// search reads the events of a stack until one covers a call, and goes on to the one
// with which that deployment began.
func (d *Deployments) search(ctx context.Context, stack, region string, verdictOf func(e *types.StackEvent,
	at time.Time) verdict) (of detect.Deployment, ok bool, err error) {
	of.Stack = stack
	client := sdk.NewFromConfig(d.cfg, func(o *sdk.Options) { o.Region = region })
	pages := sdk.NewDescribeStackEventsPaginator(client, &sdk.DescribeStackEventsInput{StackName: &stack}) // latest first
	var rollback *types.StackEvent
	for range maxPages {
		if !pages.HasMorePages() {
			break
		}
		page, err := pages.NextPage(ctx)
		if err != nil {
			return of, false, fmt.Errorf("asking what the stack %s did: %w", stack, err)
		}
		for i := range page.StackEvents {
			e := &page.StackEvents[i]
			at := aws.ToTime(e.Timestamp)
			if !ok {
				switch verdictOf(e, at) {
				case never:
					return of, false, nil
				case goOn:
					continue
				case covers:
					ok = true
				}
			}
			switch {
			case began(e):
				of.Event, of.Began, of.Created = aws.ToString(e.EventId), at, e.ResourceStatus == types.ResourceStatusCreateInProgress
				return of, true, nil
			case !onStack(e):
			case rollback != nil && strings.HasSuffix(string(e.ResourceStatus), "_FAILED"):
				// It was asked for, with RollbackStack or ContinueUpdateRollback, and is an operation of its own.
				of.Event, of.Began = aws.ToString(rollback.EventId), aws.ToTime(rollback.Timestamp)
				return of, true, nil
			case strings.HasSuffix(string(e.ResourceStatus), "ROLLBACK_IN_PROGRESS"):
				rollback = e
			}
		}
	}
	return of, ok, nil
}

// onStack reports whether an event is about the stack itself.
func onStack(e *types.StackEvent) bool {
	return aws.ToString(e.ResourceType) == "AWS::CloudFormation::Stack" && aws.ToString(e.PhysicalResourceId) == aws.ToString(e.StackId)
}

// began reports whether an event is the first of an operation on its stack: of the
// stack itself, the status that an operation begins with (AWS CloudFormation User Guide,
// "Stack status codes"). The rollback of an update that fails is part of it, and has no
// such beginning; one that is asked for follows a status that ends in _FAILED (AWS
// CloudFormation API Reference, RollbackStack and ContinueUpdateRollback).
func began(e *types.StackEvent) bool {
	return onStack(e) &&
		(e.ResourceStatus == types.ResourceStatusUpdateInProgress || e.ResourceStatus == types.ResourceStatusCreateInProgress ||
			e.ResourceStatus == types.ResourceStatusDeleteInProgress || e.ResourceStatus == types.ResourceStatusImportInProgress)
}

// nameOf is the name of a stack that is given by name or ARN.
func nameOf(stack string) string {
	if _, after, ok := strings.Cut(stack, ":stack/"); ok {
		stack, _, _ = strings.Cut(after, "/")
	}
	return stack
}

func isOn(e *types.StackEvent, service, name string) bool {
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
