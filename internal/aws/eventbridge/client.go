// Package eventbridge looks up rules and their targets, and puts the event that
// rootguard works on the default event bus.
package eventbridge

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	sdk "github.com/aws/aws-sdk-go-v2/service/eventbridge"
	"github.com/aws/aws-sdk-go-v2/service/eventbridge/types"

	"rootguard/internal/eventrules"
	"rootguard/internal/health"
)

var (
	_ health.Rules = (*Client)(nil)
	_ health.Bus   = (*Client)(nil)
)

// Client asks Amazon EventBridge. It is safe for concurrent use.
type Client struct {
	in     func(region string) *sdk.Client
	prefix string
}

// New returns a Client. in returns the client of a Region, of the guard's own
// where that is ""; prefix is that of the guard whose heartbeats it puts.
func New(in func(region string) *sdk.Client, prefix string) *Client {
	return &Client{in: in, prefix: prefix}
}

// maxPages bounds a listing: a bus has at most some hundred rules, 100 a page.
const maxPages = 50

// Rules is health.Rules'.
func (c *Client) Rules(ctx context.Context, region, prefix string) ([]health.Rule, error) {
	in := &sdk.ListRulesInput{NamePrefix: &prefix}
	rules := []health.Rule{}
	for range maxPages {
		out, err := c.in(region).ListRules(ctx, in)
		if err != nil {
			return nil, fmt.Errorf("listing rules %s*: %w", prefix, err)
		}
		for i := range out.Rules {
			r := &out.Rules[i]
			rules = append(rules, health.Rule{Name: deref(r.Name), ARN: deref(r.Arn), State: string(r.State), Pattern: deref(r.EventPattern),
				Schedule: deref(r.ScheduleExpression)})
		}
		if in.NextToken = out.NextToken; deref(in.NextToken) == "" {
			return rules, nil
		}
	}
	return nil, fmt.Errorf("listing rules %s*: there are more than %d pages", prefix, maxPages)
}

// Targets is health.Rules'.
func (c *Client) Targets(ctx context.Context, region, rule string) ([]health.Target, error) {
	out, err := c.in(region).ListTargetsByRule(ctx, &sdk.ListTargetsByRuleInput{Rule: &rule}) // a rule has 5 at most: one page
	var missing *types.ResourceNotFoundException
	switch {
	case errors.As(err, &missing):
		return nil, fmt.Errorf("listing the targets of rule %s: %w", rule, health.ErrAbsent)
	case err != nil:
		return nil, fmt.Errorf("listing the targets of rule %s: %w", rule, err)
	}
	targets := make([]health.Target, 0, len(out.Targets))
	for i := range out.Targets {
		t := &out.Targets[i]
		one := health.Target{ARN: deref(t.Arn), Rewrites: t.Input != nil || t.InputPath != nil || t.InputTransformer != nil}
		if t.DeadLetterConfig != nil {
			one.DeadLetters = deref(t.DeadLetterConfig.Arn)
		}
		targets = append(targets, one)
	}
	return targets, nil
}

// DefaultBus is health.Rules'.
func (c *Client) DefaultBus(ctx context.Context, region string) (health.EventBus, error) {
	name := "default"
	out, err := c.in(region).DescribeEventBus(ctx, &sdk.DescribeEventBusInput{Name: &name})
	if err != nil {
		return health.EventBus{}, fmt.Errorf("describing the default event bus: %w", err)
	}
	return health.EventBus{Key: deref(out.KmsKeyIdentifier), Policy: deref(out.Policy)}, nil
}

// heartbeat is the detail of the event.
type heartbeat struct {
	Prefix string    `json:"prefix"`
	At     time.Time `json:"at"`
}

// Put is health.Bus'.
func (c *Client) Put(ctx context.Context, at time.Time) error {
	detail, err := json.Marshal(heartbeat{Prefix: c.prefix, At: at})
	if err != nil {
		return fmt.Errorf("encoding the heartbeat: %w", err)
	}
	source, detailType, text := eventrules.HeartbeatSource, eventrules.HeartbeatDetailType, string(detail)
	out, err := c.in("").PutEvents(ctx, &sdk.PutEventsInput{Entries: []types.PutEventsRequestEntry{{
		Source: &source, DetailType: &detailType, Detail: &text, Time: &at,
	}}})
	if err != nil {
		return fmt.Errorf("putting the heartbeat: %w", err)
	}
	// The call succeeds also where an entry is refused (EventBridge API Reference, PutEvents).
	for i := range out.Entries {
		if e := &out.Entries[i]; e.ErrorCode != nil {
			return fmt.Errorf("putting the heartbeat: %s: %s", *e.ErrorCode, deref(e.ErrorMessage))
		}
	}
	return nil
}

func deref(s *string) string {
	if s == nil {
		return ""
	}
	return *s
}
