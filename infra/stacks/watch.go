package stacks

import (
	"fmt"
	"maps"
	"slices"

	"github.com/aws/aws-cdk-go/awscdk/v2"
	"github.com/aws/aws-cdk-go/awscdk/v2/awscloudwatch"
	"github.com/aws/aws-cdk-go/awscdk/v2/awsevents"
	"github.com/aws/aws-cdk-go/awscdk/v2/awssns"
	"github.com/aws/jsii-runtime-go"

	"rootguard/internal/config"
	"rootguard/internal/eventpattern"
)

// schedule calls a function every five minutes with no record: it does what is due.
// The functions of rules need none: what they are to send later the sweep sends.
func (g *guard) schedule(function string) awsevents.CfnRule {
	name := "schedule-" + function
	to := target("function", *g.functions[function].FunctionArn(), g.undelivered)
	// Then there is another one.
	to.RetryPolicy = &awsevents.CfnRule_RetryPolicyProperty{MaximumEventAgeInSeconds: jsii.Number(5 * 60), MaximumRetryAttempts: jsii.Number(10)}
	rule := awsevents.NewCfnRule(g.stack, jsii.String(camel(name)+"Rule"), &awsevents.CfnRuleProps{
		Name:               jsii.String(g.settings.Prefix + "-" + name),
		Description:        jsii.String("Has the function " + function + " do what is due"),
		ScheduleExpression: jsii.String(eventpattern.Schedule),
		State:              jsii.String("ENABLED"),
		Targets:            []any{to},
	})
	g.permit(name, rule, function)
	return rule
}

func minutes(n float64) awscdk.Duration { return awscdk.Duration_Minutes(jsii.Number(n)) }

// watch adds an alarm for each way in which alerts can fail to arrive, and the
// dashboard. A new stack's alarms about heartbeats ring until the first one.
func (g *guard) watch(rules []awsevents.CfnRule) {
	a := g.alarms
	a.add(alarm{"UndeliveredWaiting", "undelivered", "Events wait that could not be delivered to a function. Mend the cause, then: rootguard redrive", waiting(g.undelivered), false})
	a.add(alarm{"FailedWaiting", "failed", "Events wait that a function failed on three times. Mend the cause, then: rootguard redrive", waiting(g.failed), false})
	if g.settings.Metrics {
		a.add(alarm{"PublishErrors", "publish-errors", "Alerts could not be published. They are tried again, and kept in the queue of failed events.", own(config.MetricPublishErrors, "Sum"), false})
	}
	for _, topic := range []struct {
		id, name string
		awssns.Topic
	}{{"NotificationsFailed", "notifications-failed", g.topic}, {"EscalationsFailed", "escalations-failed", g.escalation}, {"ChatsFailed", "chats-failed", g.chat}} {
		if topic.Topic != nil {
			a.add(alarm{topic.id, topic.name, "Amazon SNS could not deliver alerts to a receiver: see the topic's subscriptions.",
				topic.MetricNumberOfNotificationsFailed(&awscloudwatch.MetricOptions{Statistic: jsii.String("Sum"), Period: minutes(5)}), false})
		}
	}

	sum := &awscloudwatch.MetricOptions{Statistic: jsii.String("Sum"), Period: minutes(5)}
	n := 0
	for some := range slices.Chunk(rules, 10) { // the most metrics that an alarm takes
		n++
		a.add(alarm{fmt.Sprintf("Lost%d", n), fmt.Sprintf("lost-events-%d", n), "EventBridge lost events: it could neither deliver them to a function nor keep them in the queue.", lost(some), false})
	}
	for _, name := range slices.Sorted(maps.Keys(g.functions)) {
		f, id := g.functions[name], camel(name)
		a.add(alarm{id + "Errors", "errors-" + name, "The function " + name + " ended in errors. Lambda tries each event three times, then keeps it in the queue of failed events.", f.MetricErrors(sum), false})
		a.add(alarm{id + "Throttles", "throttles-" + name, "The function " + name + " was throttled: the account's concurrency is used up, or set to zero for it. Events wait for up to six hours.", f.MetricThrottles(sum), false})
		a.add(alarm{id + "DestinationFailures", "lost-failures-" + name, "Events that the function " + name + " failed on could not be kept, and are lost.",
			f.Metric(jsii.String("DestinationDeliveryFailures"), sum), false})
		if name != Sweep && name != Quarantine {
			continue // without an event it has nothing to do
		}
		quarter := &awscloudwatch.MetricOptions{Statistic: jsii.String("Sum"), Period: minutes(15)}
		a.add(alarm{id + "Silent", "no-heartbeat-" + name, "The function " + name + " did not run with success for 15 minutes, though it is called every five.",
			awscloudwatch.NewMathExpression(&awscloudwatch.MathExpressionProps{
				Expression: jsii.String("invocations-errors"), Label: jsii.String("Runs without error"), Period: minutes(15),
				UsingMetrics: &map[string]awscloudwatch.IMetric{"invocations": f.MetricInvocations(quarter), "errors": f.MetricErrors(quarter)},
			}), true})
	}
	g.dashboard()
}
