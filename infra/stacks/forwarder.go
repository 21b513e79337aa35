package stacks

import (
	"github.com/aws/aws-cdk-go/awscdk/v2"
	"github.com/aws/aws-cdk-go/awscdk/v2/awsiam"
	"github.com/aws/aws-cdk-go/awscdk/v2/awssns"
	"github.com/aws/aws-cdk-go/awscdk/v2/awssqs"
	"github.com/aws/jsii-runtime-go"

	"rootguard/infra/settings"
	"rootguard/internal/config"
	"rootguard/internal/eventpattern"
)

// forwarder sends the events of the rules' patterns to the guard's event bus.
// They go there directly: EventBridge sends an event on no more than once.
type forwarder struct {
	stack       awscdk.Stack
	undelivered awssqs.Queue
}

// forwarderRole is the name of the role by which a Region's rules send events.
func forwarderRole(s *settings.Settings, region string) string {
	return s.Prefix + "-forward-" + region
}

// newForwarder gives its resources names, since a stack set's own stacks do not
// begin with the prefix.
func newForwarder(stack awscdk.Stack, s *settings.Settings, rules []eventpattern.Rule, hub string) *forwarder {
	prefix := s.Prefix + "-forward-"
	f := &forwarder{stack: stack}
	f.undelivered = newDeadLetters(stack, "Undelivered", config.ForwardQueue(s.Prefix), prefix)
	bus := arnOf("events", s.Home(), hub, "event-bus/default")
	role := awsiam.NewRole(stack, jsii.String("Role"), &awsiam.RoleProps{
		RoleName:    jsii.String(forwarderRole(s, *awscdk.Aws_REGION())),
		Description: jsii.String("Lets rootguard's rules send events to " + s.Home()),
		AssumedBy: awsiam.NewServicePrincipal(jsii.String(eventBridge), &awsiam.ServicePrincipalOpts{
			Conditions: ptr(from(arn("events", "rule/"+prefix+"*"))),
		}),
	})
	role.AddToPolicy(allow("Forward", []string{"events:PutEvents"}, []string{bus}, nil))
	for _, rule := range rules {
		to := target("guard", bus, f.undelivered)
		to.RoleArn = role.RoleArn()
		newRule(stack, prefix+rule.Name, rule, to)
	}
	return f
}

// watch adds an alarm and a topic for it. CloudWatch publishes within a Region
// alone, and a fault of the way to the guard cannot be told that way. The topic
// has no key of its own, which would cost more than all the rest: it carries no
// finding, only that events wait.
func (f *forwarder) watch(s *settings.Settings) {
	topic := newTopic(f.stack, "Topic", &awssns.TopicProps{DisplayName: jsii.String("rootguard")}, s.Prefix)
	subscribe(topic, "Topic", settings.Receivers{Email: s.Receivers.Email, HTTPS: s.Receivers.HTTPS})
	a := &alarms{scope: f.stack, prefix: s.Prefix + "-forward", notify: []*string{topic.TopicArn()}}
	a.add(alarm{"UndeliveredWaiting", "undelivered", "Events wait that EventBridge could not send to rootguard in " + s.Home() + ". Mend the cause, then: rootguard redrive", waiting(f.undelivered), false})
}
