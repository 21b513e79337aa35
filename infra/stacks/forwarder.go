package stacks

import (
	"github.com/aws/aws-cdk-go/awscdk/v2"
	"github.com/aws/aws-cdk-go/awscdk/v2/awsiam"
	"github.com/aws/aws-cdk-go/awscdk/v2/awssqs"
	"github.com/aws/jsii-runtime-go"

	"rootguard/infra/settings"
	"rootguard/internal/config"
	"rootguard/internal/eventrules"
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
func newForwarder(stack awscdk.Stack, s *settings.Settings, rules []eventrules.Rule, hub string) *forwarder {
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
