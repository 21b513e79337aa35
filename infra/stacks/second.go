package stacks

import (
	"strings"

	"github.com/aws/aws-cdk-go/awscdk/v2"
	"github.com/aws/aws-cdk-go/awscdk/v2/awscloudwatch"
	"github.com/aws/aws-cdk-go/awscdk/v2/awsevents"
	"github.com/aws/aws-cdk-go/awscdk/v2/awsiam"
	"github.com/aws/aws-cdk-go/awscdk/v2/awssns"
	"github.com/aws/aws-cdk-go/awscdk/v2/awssqs"
	"github.com/aws/jsii-runtime-go"

	"rootguard/infra/settings"
	"rootguard/internal/config"
	"rootguard/internal/eventrules"
)

// The second way out is a topic in another Region, with the same receivers and no
// key. What is done to the guard itself leaves by it too, and there is the alarm
// that the guard sends no heartbeat: a caller who takes away the topic, key, table or
// functions of the home Region does not take away what reports it.
//
// It belongs to the guard's own account; other accounts' forwarders have none.

// sendsSecond makes the rules of the home Region that send events to the second one.
func (g *guard) sendsSecond(direct []eventrules.Rule) {
	s := g.settings
	bus := arnOf("events", s.Second(), *awscdk.Aws_ACCOUNT_ID(), "event-bus/default")
	role := awsiam.NewRole(g.stack, jsii.String("SecondRole"), &awsiam.RoleProps{
		Description: jsii.String("Lets rootguard's rules send events to " + s.Second()),
		AssumedBy: awsiam.NewServicePrincipal(jsii.String(eventBridge), &awsiam.ServicePrincipalOpts{
			Conditions: ptr(from(arn("events", "rule/"+s.Prefix+"-*"))),
		}),
	})
	role.AddToPolicy(allow("Send", []string{"events:PutEvents"}, []string{bus}, nil))
	alive := &awsevents.CfnRule_TargetProperty{Id: jsii.String("second"), Arn: jsii.String(bus), RoleArn: role.RoleArn(),
		RetryPolicy: soonAgain()}
	newRule(g.stack, s.Prefix+"-heartbeat", eventrules.Alive(s.Prefix, *awscdk.Aws_ACCOUNT_ID()), alive)
	sending, _ := eventrules.Second(direct, *awscdk.Aws_ACCOUNT_ID(), s.Home())
	for _, rule := range sending {
		to := target("second", bus, g.undelivered)
		to.RoleArn = role.RoleArn()
		newRule(g.stack, s.Prefix+"-"+rule.Name, rule, to)
	}
}

// soonAgain is for what there is another one of in five minutes.
func soonAgain() *awsevents.CfnRule_RetryPolicyProperty {
	return &awsevents.CfnRule_RetryPolicyProperty{MaximumEventAgeInSeconds: jsii.Number(5 * 60), MaximumRetryAttempts: jsii.Number(10)}
}

// second makes the second way out, in the stack of a forwarder.
func (f *forwarder) second(s *settings.Settings, direct []eventrules.Rule) {
	topic := newTopic(f.stack, "Topic", &awssns.TopicProps{
		TopicName: jsii.String(config.SecondTopic(s.Prefix)), DisplayName: jsii.String("rootguard"),
	}, s.Prefix)
	subscribe(topic, "Topic", everyReader(s))
	publishes(topic)
	f.undelivered.AddToResourcePolicy(allow("SecondSends", []string{"sqs:SendMessage"}, []string{*f.undelivered.QueueArn()},
		from(arn("events", "rule/"+config.SecondRule(s.Prefix)+"*")), service(eventBridge)))
	_, reporting := eventrules.Second(direct, *awscdk.Aws_ACCOUNT_ID(), s.Home())
	for _, rule := range reporting {
		to := target("topic", *topic.TopicArn(), f.undelivered)
		to.InputTransformer = plainText(rule)
		newRule(f.stack, s.Prefix+"-"+rule.Name, rule, to)
	}
	alive := eventrules.Alive(s.Prefix, *awscdk.Aws_ACCOUNT_ID())
	alive.Name = eventrules.SecondWay + alive.Name
	a := &alarms{scope: f.stack, prefix: s.Prefix + "-second", notify: []*string{topic.TopicArn()}}
	arrives(f.stack, a, s, alive)
}

// everyReader are the receivers of alerts and of escalations that take plain text.
// A text message is none: its filter lets alerts by, which have a severity.
func everyReader(s *settings.Settings) settings.Receivers {
	return settings.Receivers{
		Email: union(s.Receivers.Email, s.Escalation.Email),
		HTTPS: union(s.Receivers.HTTPS, s.Escalation.HTTPS),
	}
}

func union(lists ...[]string) []string {
	var all []string
	seen := map[string]bool{}
	for _, list := range lists {
		for _, one := range list {
			if !seen[one] {
				all = append(all, one)
			}
			seen[one] = true
		}
	}
	return all
}

// arrives makes the rule for the guard's heartbeat, and the alarm that there is
// none. What the rule's target gets is of no use: that it got something is counted
// (Amazon EventBridge User Guide, metric Invocations: of targets, by RuleName for
// the default bus, and not sent where it is zero).
func arrives(stack awscdk.Stack, a *alarms, s *settings.Settings, alive eventrules.Rule) {
	queue := newQueue(stack, "Heartbeats", "")
	queue.Node().DefaultChild().(awssqs.CfnQueue).SetMessageRetentionPeriod(jsii.Number(60 * 60))
	name := s.Prefix + "-" + alive.Name
	queue.AddToResourcePolicy(allow("RuleSends", []string{"sqs:SendMessage"}, []string{*queue.QueueArn()}, from(arn("events", "rule/"+name)),
		service(eventBridge)))
	rule := newRule(stack, name, alive, &awsevents.CfnRule_TargetProperty{Id: jsii.String("queue"), Arn: queue.QueueArn(),
		RetryPolicy: soonAgain()})
	a.add(alarm{"HeartbeatMissing", "heartbeat",
		"rootguard in " + s.Home() +
			" sent no heartbeat for 15 minutes: it does not run, cannot report, or knows of a critical fault. See: rootguard doctor, and \"health\" in the log of the function " + s.Prefix + "-" + Sweep,
		awscloudwatch.NewMetric(&awscloudwatch.MetricProps{
			Namespace: jsii.String("AWS/Events"), MetricName: jsii.String("Invocations"), DimensionsMap: &map[string]*string{"RuleName": rule.Ref()},
			Statistic: jsii.String("Sum"), Period: minutes(15),
		}), true})
}

// publishes lets rules publish to a topic, with no condition: EventBridge supports
// none in the policy of a topic (Amazon EventBridge User Guide, resource-based
// policies for Amazon SNS).
func publishes(topic awssns.Topic) {
	topic.AddToResourcePolicy(allow("RulesPublish", []string{"sns:Publish"}, []string{*topic.TopicArn()}, nil, service(eventBridge)))
}

// plainText is what a topic gets of what is done to the guard itself. It has
// nothing in it that a caller can choose, such as the name of a session or of a
// resource, which could be a link: there is no function here to make it harmless.
func plainText(rule eventrules.Rule) *awsevents.CfnRule_InputTransformerProperty {
	title, detail := changed(rule)
	return transformed(`"` + title + ": " + detail + `"`)
}

// custom is the same for Amazon Q, which shows no plain text.
func custom(rule eventrules.Rule) *awsevents.CfnRule_InputTransformerProperty {
	title, detail := changed(rule)
	return transformed(`{"version": "1.0", "source": "custom", "content": {"textType": "client-markdown", "title": "` + title + `", "description": "` + detail + `"}}`)
}

// changed is what a rule reports: in a few words, and what to do.
func changed(rule eventrules.Rule) (title, detail string) {
	detail = "<call> of <service> in account <account>, Region <region>, by <type> from <address> with access key <key> at <time>, event <event>. "
	if strings.TrimPrefix(rule.Name, eventrules.SecondWay) == eventrules.Deployed {
		return "[NOTE] " + rule.Description, detail +
			"If you are deploying rootguard, an alert that names who deployed follows within minutes, and there is nothing to do. If you are not, or none follows, undo the deployment: it can silence rootguard. Check: rootguard doctor"
	}
	return "[CRITICAL] " + rule.Description, detail +
		"Unless you are deploying rootguard, undo it now: until then, root sign-ins and users without MFA can go unreported. Check: rootguard doctor"
}

func transformed(template string) *awsevents.CfnRule_InputTransformerProperty {
	return &awsevents.CfnRule_InputTransformerProperty{
		InputPathsMap: &map[string]*string{
			"account": jsii.String("$.account"), "address": jsii.String("$.detail.sourceIPAddress"), "call": jsii.String("$.detail.eventName"),
			"event": jsii.String("$.detail.eventID"), "key": jsii.String("$.detail.userIdentity.accessKeyId"), "region": jsii.String("$.region"),
			"service": jsii.String("$.detail.eventSource"), "time": jsii.String("$.time"), "type": jsii.String("$.detail.userIdentity.type"),
		},
		InputTemplate: jsii.String(template),
	}
}
