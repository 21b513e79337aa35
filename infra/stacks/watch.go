package stacks

import (
	"github.com/aws/aws-cdk-go/awscdk/v2"
	"github.com/aws/aws-cdk-go/awscdk/v2/awscloudwatch"
	"github.com/aws/aws-cdk-go/awscdk/v2/awsevents"
	"github.com/aws/jsii-runtime-go"

	"rootguard/internal/config"
	"rootguard/internal/eventrules"
)

// schedule calls a function every five minutes with no record: it does what is due.
// The functions of rules need none: what they are to send later the sweep sends.
func (g *guard) schedule(function string) {
	name := "schedule-" + function
	to := target("function", *g.functions[function].FunctionArn(), g.undelivered)
	to.RetryPolicy = soonAgain()
	rule := awsevents.NewCfnRule(g.stack, jsii.String(camel(name)+"Rule"), &awsevents.CfnRuleProps{
		Name:               jsii.String(g.settings.Prefix + "-" + name),
		Description:        jsii.String("Has the function " + function + " do what is due"),
		ScheduleExpression: jsii.String(eventrules.Schedule),
		State:              jsii.String("ENABLED"),
		Targets:            []any{to},
	})
	g.permit(name, rule, function)
}

func minutes(n float64) awscdk.Duration { return awscdk.Duration_Minutes(jsii.Number(n)) }

// watch adds the alarms, and the dashboard. They are few, since each is billed, and
// for what nothing else can report: package health reads the rest, and says what
// reports instead of an alarm, and how soon. A new stack's alarm about the sweep
// rings until its first run.
func (g *guard) watch() {
	a := g.alarms
	a.add(alarm{"UndeliveredWaiting", "undelivered",
		"Events wait that could not be delivered to a function. Fix the cause, then: rootguard redrive", waiting(g.undelivered), false})
	a.add(alarm{"FailedWaiting", "failed", "Events wait that a function failed on three times. Fix the cause, then: rootguard redrive",
		waiting(g.failed), false})
	if g.settings.Metrics {
		a.add(alarm{"PublishErrors", "publish-errors",
			"Alerts could not be published. They are tried again, and kept in the queue of failed events.", own(config.MetricPublishErrors, "Sum"),
			false})
	}
	sum := &awscloudwatch.MetricOptions{Statistic: jsii.String("Sum"), Period: minutes(5)}
	a.add(alarm{"RootactivityErrors", "errors-" + eventrules.RootActivity,
		"The function " + eventrules.RootActivity +
			" ended in errors, as where alerts cannot be published. Lambda tries each event three times, then keeps it in the queue of failed events.",
		g.functions[eventrules.RootActivity].MetricErrors(sum), false})
	quarter := &awscloudwatch.MetricOptions{Statistic: jsii.String("Sum"), Period: minutes(15)}
	sweep := g.functions[Sweep]
	a.add(alarm{"SweepSilent", "sweep-silent", "The function " + Sweep +
		" did not run with success for 15 minutes, though it is called every five.",
		awscloudwatch.NewMathExpression(&awscloudwatch.MathExpressionProps{
			Expression: jsii.String("invocations-errors"), Label: jsii.String("Runs without error"), Period: minutes(15),
			UsingMetrics: &map[string]awscloudwatch.IMetric{"invocations": sweep.MetricInvocations(quarter), "errors": sweep.MetricErrors(quarter)},
		}), true})
	g.dashboard()
}
