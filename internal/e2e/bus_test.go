package e2e

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/eventbridge"
	"github.com/aws/aws-sdk-go-v2/service/eventbridge/types"
	"github.com/aws/aws-sdk-go-v2/service/lambda"
	"github.com/aws/aws-sdk-go-v2/service/sns"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	sqstypes "github.com/aws/aws-sdk-go-v2/service/sqs/types"

	"rootguard/internal/eventpattern"
	"rootguard/internal/lambdatest"
)

// rule is a rule as it is deployed.
type rule struct {
	types.Rule
	Targets []types.Target
}

func (d *deployment) rulesIn(ctx context.Context, region string) ([]rule, error) {
	client := eventbridge.NewFromConfig(d.in(region))
	var all []rule
	for in := (&eventbridge.ListRulesInput{}); ; {
		page, err := client.ListRules(ctx, in)
		if err != nil {
			return nil, fmt.Errorf("listing the rules in %s: %w", region, err)
		}
		for _, r := range page.Rules {
			targets, err := client.ListTargetsByRule(ctx, &eventbridge.ListTargetsByRuleInput{Rule: r.Name})
			if err != nil {
				return nil, fmt.Errorf("listing the targets of rule %s: %w", *r.Name, err)
			}
			all = append(all, rule{r, targets.Targets})
		}
		if in.NextToken = page.NextToken; in.NextToken == nil {
			return all, nil
		}
	}
}

// rulesText is all there is to the rules of the home Region.
func (d *deployment) rulesText(ctx context.Context) (string, error) {
	rules, err := d.rulesIn(ctx, region)
	if err != nil {
		return "", err
	}
	data, err := json.MarshalIndent(rules, "", "  ")
	return string(data), err
}

// delivery is what became of an event at one target of one rule.
type delivery struct {
	rule     string
	function string // its name; "" of a topic
	attempts []lambdatest.Result
	// A failed one is on the queue of failures, an undelivered one on the rule's.
	failed, undelivered bool
}

// deliver puts an event on the bus of the home Region, and sees it through to
// the end: rules, functions, retries, queues.
func (c *cloud) deliver(event []byte) []delivery {
	c.t.Helper()
	return c.deliverIn(region, event)
}

// deliverIn puts an event on the bus of a Region, which may forward it once.
func (c *cloud) deliverIn(in string, event []byte) []delivery {
	c.t.Helper()
	return c.put(in, event, true)
}

func (c *cloud) put(in string, event []byte, forward bool) []delivery {
	c.t.Helper()
	rules, err := c.d.rulesIn(c.ctx, in)
	if err != nil {
		c.t.Fatal(err)
	}
	var all []delivery
	for i := range rules {
		if r := &rules[i]; r.EventPattern != nil && c.matches(r, event) {
			all = append(all, c.targets(r, event, forward)...)
		}
	}
	return all
}

// matches says whether a rule lets an event through: by eventpattern, since
// moto answers TestEventPattern with nothing.
func (c *cloud) matches(r *rule, event []byte) bool {
	c.t.Helper()
	if r.State == types.RuleStateDisabled {
		return false
	}
	pattern, err := eventpattern.Compile([]byte(*r.EventPattern))
	if err != nil {
		c.t.Fatalf("reading the pattern of rule %s: %v", *r.Name, err)
	}
	match, err := pattern.Match(event)
	if err != nil {
		c.t.Fatalf("matching rule %s: %v", *r.Name, err)
	}
	var e struct {
		Detail struct {
			ReadOnly        bool
			ManagementEvent *bool
		}
	}
	if err := json.Unmarshal(event, &e); err != nil {
		c.t.Fatalf("reading an event: %v", err)
	}
	// EventBridge User Guide, "Read-only management events from AWS services".
	withheld := e.Detail.ReadOnly && (e.Detail.ManagementEvent == nil || *e.Detail.ManagementEvent)
	return match && (!withheld || r.State == types.RuleStateEnabledWithAllCloudtrailManagementEvents)
}

func (c *cloud) targets(r *rule, event []byte, forward bool) []delivery {
	c.t.Helper()
	if len(r.Targets) == 0 {
		c.t.Errorf("rule %s has no target", *r.Name)
	}
	var all []delivery
	for i := range r.Targets {
		target := &r.Targets[i]
		parts := strings.SplitN(*target.Arn, ":", 6)
		switch service, resource := parts[2], parts[5]; {
		case service == "lambda":
			all = append(all, c.call(r, target, strings.TrimPrefix(resource, "function:"), event))
		case service == "sns":
			_, err := sns.NewFromConfig(c.d.in(parts[3])).Publish(c.ctx, &sns.PublishInput{TopicArn: target.Arn, Message: aws.String(c.transformed(target, event))})
			if err != nil {
				c.t.Errorf("publishing for rule %s: %v", *r.Name, err)
			}
			all = append(all, delivery{rule: *r.Name, undelivered: err != nil})
		case service == "events" && forward:
			if target.RoleArn == nil {
				c.t.Errorf("rule %s has no role with which to send events on", *r.Name)
			}
			all = append(all, c.put(parts[3], event, false)...)
		case service == "events":
			// EventBridge sends an event on once; the second time is a failure of delivery.
			if target.DeadLetterConfig == nil {
				c.t.Errorf("rule %s sends an event on a second time, where it is lost", *r.Name)
				break
			}
			c.send(*target.DeadLetterConfig.Arn, event, map[string]string{
				"RULE_ARN": *r.Arn, "TARGET_ARN": *target.Arn, "ERROR_CODE": "THIRD_ACCOUNT_HOP_DETECTED", "ERROR_MESSAGE": "it was sent on before",
			})
			all = append(all, delivery{rule: *r.Name, undelivered: true})
		case service == "sqs": // it counts: see TestHeartbeatArrives of the stacks
			all = append(all, delivery{rule: *r.Name})
		default:
			c.t.Errorf("rule %s has the target %s, which the bus of the tests does not know", *r.Name, *target.Arn)
		}
	}
	return all
}

// transformed is an event as a target's InputTransformer has it (Amazon
// EventBridge User Guide, "Input transformation").
func (c *cloud) transformed(target *types.Target, event []byte) string {
	c.t.Helper()
	if target.InputTransformer == nil {
		return string(event)
	}
	var e any
	if err := json.Unmarshal(event, &e); err != nil {
		c.t.Fatalf("reading an event: %v", err)
	}
	out := *target.InputTransformer.InputTemplate
	for name, path := range target.InputTransformer.InputPathsMap {
		at := e
		for key := range strings.SplitSeq(strings.TrimPrefix(path, "$."), ".") {
			fields, _ := at.(map[string]any)
			at = fields[key]
		}
		text, _ := at.(string)
		out = strings.ReplaceAll(out, "<"+name+">", text)
	}
	return out
}

// call has a rule call a function: asynchronously, as all rules do.
func (c *cloud) call(r *rule, target *types.Target, function string, event []byte) delivery {
	c.t.Helper()
	d := delivery{rule: *r.Name, function: function}
	if why := c.barred(r, function); why != "" {
		d.undelivered = true
		if target.DeadLetterConfig == nil {
			c.t.Fatalf("rule %s could not call %s (%s) and has no queue for that: the event is lost", *r.Name, function, why)
		}
		c.send(*target.DeadLetterConfig.Arn, event, map[string]string{
			"RULE_ARN": *r.Arn, "TARGET_ARN": *target.Arn, "ERROR_CODE": "NO_PERMISSIONS", "ERROR_MESSAGE": why,
		})
		return d
	}
	d.attempts, d.failed = c.invoke(function, event)
	return d
}

// barred says why a rule may not call a function, "" where it may.
func (c *cloud) barred(r *rule, function string) string {
	c.t.Helper()
	if c.barredOnes[function] {
		return "the test took the permission away"
	}
	out, err := c.lambda.GetPolicy(c.ctx, &lambda.GetPolicyInput{FunctionName: &function})
	if err != nil {
		return err.Error()
	}
	var policy struct {
		Statement []struct {
			Effect    string
			Action    string
			Principal struct{ Service string }
			Condition struct {
				ArnLike map[string]string
			}
		}
	}
	if err := json.Unmarshal([]byte(*out.Policy), &policy); err != nil {
		c.t.Fatalf("reading the policy of function %s: %v", function, err)
	}
	for _, s := range policy.Statement {
		if s.Effect == "Allow" && s.Action == "lambda:InvokeFunction" && s.Principal.Service == "events.amazonaws.com" && s.Condition.ArnLike["AWS:SourceArn"] == *r.Arn {
			return ""
		}
	}
	return "no permission for " + *r.Arn
}

// invoke invokes a function as Lambda does asynchronously: again after an
// error, as often as is configured, and then to the destination for failures.
// Lambda waits a minute between, which shows in nothing here.
func (c *cloud) invoke(function string, event []byte) (attempts []lambdatest.Result, failed bool) {
	c.t.Helper()
	config, err := c.lambda.GetFunctionEventInvokeConfig(c.ctx, &lambda.GetFunctionEventInvokeConfigInput{FunctionName: &function})
	if err != nil {
		c.t.Fatalf("reading how function %s is to be retried: %v", function, err)
	}
	for range 1 + *config.MaximumRetryAttempts {
		res := c.attempt(function, event)
		if attempts = append(attempts, res); res.Error == nil {
			return attempts, false
		}
	}
	last := attempts[len(attempts)-1]
	// AWS Lambda Developer Guide, "Capturing records of Lambda asynchronous invocations".
	record, err := json.Marshal(map[string]any{
		"version": "1.0", "timestamp": time.Now().UTC().Format("2006-01-02T15:04:05.000Z"),
		"requestContext": map[string]any{
			"requestId": last.RequestID, "functionArn": c.arn("lambda", "function:"+function+":$LATEST"),
			"condition": "RetriesExhausted", "approximateInvokeCount": len(attempts),
		},
		"requestPayload":  json.RawMessage(event),
		"responseContext": map[string]any{"statusCode": 200, "executedVersion": "$LATEST", "functionError": "Unhandled"},
		"responsePayload": last.Error,
	})
	if err != nil {
		c.t.Fatal(err)
	}
	destination := *config.DestinationConfig.OnFailure.Destination
	c.mu.Lock()
	who := c.principals[function]
	c.mu.Unlock()
	if c.world.roles.lacks(who, access{action: "sqs:SendMessage", resource: destination}) == "" { // or else Lambda drops it
		c.send(destination, record, nil)
	}
	return attempts, true
}

// send puts a message on a queue.
func (c *cloud) send(queueARN string, body []byte, attributes map[string]string) {
	c.t.Helper()
	in := &sqs.SendMessageInput{QueueUrl: aws.String(c.queueURL(queueARN)), MessageBody: aws.String(string(body)), MessageAttributes: map[string]sqstypes.MessageAttributeValue{}}
	for name, value := range attributes {
		in.MessageAttributes[name] = sqstypes.MessageAttributeValue{DataType: aws.String("String"), StringValue: aws.String(value)}
	}
	if _, err := sqs.NewFromConfig(c.d.in(strings.Split(queueARN, ":")[3])).SendMessage(c.ctx, in); err != nil {
		c.t.Fatalf("sending to %s: %v", queueARN, err)
	}
}

func (c *cloud) queueURL(arn string) string {
	c.t.Helper()
	out, err := sqs.NewFromConfig(c.d.in(strings.Split(arn, ":")[3])).GetQueueUrl(c.ctx, &sqs.GetQueueUrlInput{QueueName: aws.String(arn[strings.LastIndex(arn, ":")+1:])})
	if err != nil {
		c.t.Fatalf("finding queue %s: %v", arn, err)
	}
	return *out.QueueUrl
}

// tick has every schedule send its event, dated at, and then delivers what the
// functions put on the bus, and what CloudTrail recorded of them.
func (c *cloud) tick(at time.Time) []delivery {
	c.t.Helper()
	rules, err := c.d.rulesIn(c.ctx, region)
	if err != nil {
		c.t.Fatal(err)
	}
	// In one order, though AWS has none: what one function finds due, another does at
	// the next tick.
	slices.SortFunc(rules, func(a, b rule) int { return strings.Compare(*a.Name, *b.Name) })
	var all []delivery
	for i := range rules {
		if r := &rules[i]; r.ScheduleExpression != nil && r.State != types.RuleStateDisabled {
			all = append(all, c.targets(r, c.scheduled(*r.Arn, at), true)...)
		}
	}
	if len(all) == 0 {
		c.t.Fatal("no schedule is deployed")
	}
	c.mu.Lock()
	put := c.bus
	c.bus = nil
	c.mu.Unlock()
	for _, event := range put {
		all = append(all, c.deliver(event)...)
	}
	return all
}

// scheduled is the event of a schedule (Amazon EventBridge User Guide, "Creating
// a rule that runs on a schedule").
func (c *cloud) scheduled(rule string, at time.Time) []byte {
	c.t.Helper()
	event, err := json.Marshal(map[string]any{
		"version": "0", "id": c.id(), "detail-type": "Scheduled Event", "source": "aws.events", "account": c.d.account,
		"time": at.UTC().Format(time.RFC3339), "region": region, "resources": []string{rule}, "detail": map[string]any{},
	})
	if err != nil {
		c.t.Fatal(err)
	}
	return event
}
