package cloudformation

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	sdk "github.com/aws/aws-sdk-go-v2/service/cloudformation"
	"github.com/aws/aws-sdk-go-v2/service/cloudformation/types"
	"github.com/aws/smithy-go"

	"rootguard/internal/deploy"
)

var (
	_ deploy.Stacks  = (*Deployer)(nil)
	_ deploy.Remover = (*Deployer)(nil)
)

// Deployer makes, changes and deletes stacks of the account of cfg, in any Region.
// It is safe for concurrent use.
type Deployer struct {
	cfg aws.Config
	// changeSet names the change sets that it makes.
	changeSet string
	wait      func(ctx context.Context) error
}

// NewDeployer returns a Deployer whose change sets have a name. wait pauses between
// two questions about a change set.
func NewDeployer(cfg aws.Config, changeSet string, wait func(ctx context.Context) error) *Deployer {
	return &Deployer{cfg: cfg, changeSet: changeSet, wait: wait}
}

func (d *Deployer) in(region string) *sdk.Client {
	return sdk.NewFromConfig(d.cfg, func(o *sdk.Options) { o.Region = region })
}

// Stack is deploy.Stacks'.
func (d *Deployer) Stack(ctx context.Context, of deploy.Target) (deploy.Stack, error) {
	s := deploy.Stack{Target: of}
	out, err := d.in(of.Region).DescribeStacks(ctx, &sdk.DescribeStacksInput{StackName: &of.Name})
	if isMissing(err) || err == nil && len(out.Stacks) == 0 {
		return s, nil
	}
	if err != nil {
		return s, fmt.Errorf("describing stack %s: %w", of, err)
	}
	stack := &out.Stacks[0]
	s.Status, s.Reason = string(stack.StackStatus), aws.ToString(stack.StackStatusReason)
	s.Role = aws.ToString(stack.RoleARN)
	s.Parameters, s.Outputs = map[string]string{}, map[string]string{}
	for _, p := range stack.Parameters {
		s.Parameters[aws.ToString(p.ParameterKey)] = aws.ToString(p.ParameterValue)
	}
	for _, o := range stack.Outputs {
		s.Outputs[aws.ToString(o.OutputKey)] = aws.ToString(o.OutputValue)
	}
	return s, nil
}

// isMissing reports whether there is no such stack: a ValidationError, "Stack with
// id NAME does not exist" (AWS CloudFormation API Reference, DescribeStacks).
func isMissing(err error) bool {
	var api smithy.APIError
	return errors.As(err, &api) && api.ErrorCode() == "ValidationError" && strings.Contains(api.ErrorMessage(), "does not exist")
}

// Plan is deploy.Stacks'.
func (d *Deployer) Plan(ctx context.Context, r deploy.Request) (deploy.ChangeSet, error) {
	set := deploy.ChangeSet{Target: r.Target, Create: r.Create}
	in := &sdk.CreateChangeSetInput{
		StackName: &r.Name, ChangeSetName: &d.changeSet, ChangeSetType: types.ChangeSetTypeUpdate,
		Capabilities: []types.Capability{types.CapabilityCapabilityNamedIam}, // the roles have fixed names
		Description:  aws.String("rootguard deploy"),
	}
	if r.Create {
		in.ChangeSetType = types.ChangeSetTypeCreate
	}
	if r.URL != "" {
		in.TemplateURL = &r.URL
	} else {
		in.TemplateBody = &r.Template
	}
	for _, name := range slices.Sorted(maps.Keys(r.Parameters)) {
		in.Parameters = append(in.Parameters, types.Parameter{ParameterKey: aws.String(name), ParameterValue: aws.String(r.Parameters[name])})
	}
	client := d.in(r.Region)
	made, err := client.CreateChangeSet(ctx, in)
	if err != nil && changesNothing(err.Error()) {
		return set, nil
	}
	if err != nil {
		return set, fmt.Errorf("creating a change set: %w", err)
	}
	set.ID = aws.ToString(made.Id)
	for {
		out, err := client.DescribeChangeSet(ctx, &sdk.DescribeChangeSetInput{StackName: &r.Name, ChangeSetName: &set.ID})
		if err != nil {
			return set, fmt.Errorf("describing a change set: %w", err)
		}
		switch out.Status {
		case types.ChangeSetStatusCreateComplete:
			set.Changes, err = d.changes(ctx, client, out)
			return set, err
		case types.ChangeSetStatusFailed:
			if reason := aws.ToString(out.StatusReason); !changesNothing(reason) {
				return set, errors.Join(fmt.Errorf("creating a change set: %s", reason), d.Discard(ctx, set))
			}
		default:
			if err := d.wait(ctx); err != nil {
				return set, err
			}
			continue
		}
		return deploy.ChangeSet{Target: r.Target, Create: r.Create}, d.Discard(ctx, set)
	}
}

// changesNothing reports whether a change set failed since there is nothing to
// change: CloudFormation makes none that is empty, and says so in either sentence,
// for which it has no code.
func changesNothing(reason string) bool {
	return strings.Contains(reason, "didn't contain changes") || strings.Contains(reason, "No updates are to be performed")
}

func (d *Deployer) changes(ctx context.Context, client *sdk.Client, page *sdk.DescribeChangeSetOutput) ([]deploy.Change, error) {
	var all []deploy.Change
	for {
		for _, c := range page.Changes {
			r := c.ResourceChange
			if r == nil {
				continue
			}
			all = append(all, deploy.Change{
				Action: string(r.Action), ID: aws.ToString(r.LogicalResourceId), Type: aws.ToString(r.ResourceType),
				Replaces: r.Replacement == types.ReplacementTrue,
			})
		}
		if page.NextToken == nil {
			return all, nil
		}
		next, err := client.DescribeChangeSet(ctx, &sdk.DescribeChangeSetInput{StackName: page.StackId, ChangeSetName: page.ChangeSetId,
			NextToken: page.NextToken})
		if err != nil {
			return nil, fmt.Errorf("describing a change set: %w", err)
		}
		page = next
	}
}

// Start is deploy.Stacks'.
func (d *Deployer) Start(ctx context.Context, c deploy.ChangeSet) error {
	_, err := d.in(c.Region).ExecuteChangeSet(ctx, &sdk.ExecuteChangeSetInput{StackName: &c.Name, ChangeSetName: &c.ID})
	if err != nil {
		return fmt.Errorf("executing the change set: %w", err)
	}
	return nil
}

// Discard is deploy.Remover's.
func (d *Deployer) Discard(ctx context.Context, c deploy.ChangeSet) error {
	client := d.in(c.Region)
	if _, err := client.DeleteChangeSet(ctx, &sdk.DeleteChangeSetInput{StackName: &c.Name, ChangeSetName: &c.ID}); err != nil {
		return fmt.Errorf("deleting the change set of stack %s: %w", c.Target, err)
	}
	if !c.Create {
		return nil
	}
	stack, err := d.Stack(ctx, c.Target)
	if err != nil || stack.Status != string(types.StackStatusReviewInProgress) {
		return err
	}
	return d.Delete(ctx, c.Target)
}

// Delete is deploy.Remover's.
func (d *Deployer) Delete(ctx context.Context, t deploy.Target) error {
	if _, err := d.in(t.Region).DeleteStack(ctx, &sdk.DeleteStackInput{StackName: &t.Name}); err != nil {
		return fmt.Errorf("deleting stack %s: %w", t, err)
	}
	return nil
}

// Failures is deploy.Remover's.
func (d *Deployer) Failures(ctx context.Context, t deploy.Target) ([]string, error) {
	out, err := d.in(t.Region).DescribeStackEvents(ctx, &sdk.DescribeStackEventsInput{StackName: &t.Name}) // latest first
	if err != nil {
		return nil, fmt.Errorf("reading the events of stack %s: %w", t, err)
	}
	var reasons []string
	for i := range out.StackEvents {
		e := &out.StackEvents[i]
		reason := aws.ToString(e.ResourceStatusReason)
		own := aws.ToString(e.PhysicalResourceId) == aws.ToString(e.StackId)
		if own && reason == "User Initiated" { // where the operation began
			break
		}
		// What was ended because of another failure is no cause.
		if !own && strings.HasSuffix(string(e.ResourceStatus), "_FAILED") && reason != "" && !strings.Contains(reason, " cancel") {
			reasons = append(reasons, aws.ToString(e.LogicalResourceId)+": "+reason)
		}
	}
	return reasons, nil
}

// Topics are the ARNs of a stack's topics.
func (d *Deployer) Topics(ctx context.Context, t deploy.Target) ([]string, error) {
	var topics []string
	pages := sdk.NewListStackResourcesPaginator(d.in(t.Region), &sdk.ListStackResourcesInput{StackName: &t.Name})
	for pages.HasMorePages() {
		page, err := pages.NextPage(ctx)
		if err != nil {
			return nil, fmt.Errorf("listing the resources of stack %s: %w", t, err)
		}
		for i := range page.StackResourceSummaries {
			if r := &page.StackResourceSummaries[i]; aws.ToString(r.ResourceType) == "AWS::SNS::Topic" {
				topics = append(topics, aws.ToString(r.PhysicalResourceId))
			}
		}
	}
	return topics, nil
}
