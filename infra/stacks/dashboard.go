package stacks

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/aws/aws-cdk-go/awscdk/v2/awscloudwatch"
	"github.com/aws/jsii-runtime-go"

	"rootguard/internal/config"
)

// own is a metric that the functions write.
func own(name, statistic string) awscloudwatch.Metric {
	return awscloudwatch.NewMetric(&awscloudwatch.MetricProps{
		Namespace: jsii.String(config.MetricNamespace), MetricName: jsii.String(name),
		Statistic: jsii.String(statistic), Period: minutes(5), Label: jsii.String(name + " " + statistic),
	})
}

// severities are the findings', the gravest first.
var severities = []string{"critical", "high", "medium", "low", "info"}

func graph(title string, width float64, metrics ...awscloudwatch.IMetric) awscloudwatch.IWidget {
	return awscloudwatch.NewGraphWidget(&awscloudwatch.GraphWidgetProps{Title: jsii.String(title), Width: jsii.Number(width), Left: &metrics})
}

// query is a graph of a query of the functions' logs, which CloudWatch bills by
// what it reads when the dashboard is open, and by nothing else.
func (g *guard) query(title string, width float64, lines ...string) awscloudwatch.IWidget {
	return awscloudwatch.NewLogQueryWidget(&awscloudwatch.LogQueryWidgetProps{
		Title: jsii.String(title), Width: jsii.Number(width), View: awscloudwatch.LogQueryVisualizationType_LINE,
		LogGroupNames: &g.logs, QueryLines: jsii.Strings(lines...),
	})
}

// found are the widgets of what the functions found and how fast: from metrics of
// their own where these are wanted, else from their logs.
func (g *guard) found() (findings, latency, records, failures awscloudwatch.IWidget) {
	titles := []string{"Findings by severity, an hour", "From event to alert, ms", "Records handled", "Alerts that could not be published"}
	if g.settings.Metrics {
		bySeverity := make([]awscloudwatch.IMetric, len(severities))
		for i, severity := range severities {
			bySeverity[i] = awscloudwatch.NewMetric(&awscloudwatch.MetricProps{
				Namespace: jsii.String(config.MetricNamespace), MetricName: jsii.String(config.FindingsOf(severity)), Statistic: jsii.String("Sum"),
				Period: minutes(60), Label: jsii.String(severity),
			})
		}
		return graph(titles[0], 12, bySeverity...),
			graph(titles[1], 12, own(config.MetricAlertLatency, "p50"), own(config.MetricAlertLatency, "p99"),
				own(config.MetricAlertLatency, "Maximum")),
			graph(titles[2], 8, own(config.MetricRecords, "Sum")),
			graph(titles[3], 8, own(config.MetricPublishErrors, "Sum"))
	}
	sums := make([]string, len(severities))
	for i, severity := range severities {
		sums[i] = fmt.Sprintf("sum(%s) as %s", config.FindingsOf(severity), severity)
	}
	stats := func(of string) string { return "stats " + of + " by bin(1h)" }
	on := func(field string) string { return "filter ispresent(" + field + ")" }
	latencies := strings.ReplaceAll("pct(X, 50) as p50, pct(X, 99) as p99, max(X) as maximum", "X", config.MetricAlertLatency)
	return g.query(titles[0], 12, on(config.MetricFindings), stats(strings.Join(sums, ", "))),
		g.query(titles[1], 12, on(config.MetricAlertLatency), stats(latencies)),
		g.query(titles[2], 8, on(config.MetricRecords), stats("sum("+config.MetricRecords+") as records")),
		g.query(titles[3], 8, on(config.MetricPublishErrors), stats("sum("+config.MetricPublishErrors+") as failed"))
}

// dashboard shows first whether anything is wrong, then what was found.
func (g *guard) dashboard() {
	n := len(g.functions)
	invocations, duration := make([]awscloudwatch.IMetric, 0, n), make([]awscloudwatch.IMetric, 0, n)
	errors := make([]awscloudwatch.IMetric, 0, 2*n)
	for _, name := range slices.Sorted(maps.Keys(g.functions)) {
		f := g.functions[name]
		labeled := func(statistic, label string) *awscloudwatch.MetricOptions {
			return &awscloudwatch.MetricOptions{Statistic: jsii.String(statistic), Label: jsii.String(name + label), Period: minutes(5)}
		}
		invocations = append(invocations, f.MetricInvocations(labeled("Sum", "")))
		errors = append(errors, f.MetricErrors(labeled("Sum", " errors")), f.MetricThrottles(labeled("Sum", " throttles")))
		duration = append(duration, f.MetricDuration(labeled("p99", " p99")))
	}
	findings, latency, records, failures := g.found()
	board := awscloudwatch.NewDashboard(g.stack, jsii.String("Dashboard"),
		&awscloudwatch.DashboardProps{DashboardName: jsii.String(g.settings.Prefix)})
	board.AddWidgets(awscloudwatch.NewAlarmStatusWidget(&awscloudwatch.AlarmStatusWidgetProps{
		Title: jsii.String("Is the guard itself well?"), Width: jsii.Number(24), Height: jsii.Number(4), Alarms: &g.alarms.all,
	}))
	board.AddWidgets(findings, latency)
	board.AddWidgets(records, failures, graph("Events that wait in the queues", 8, waiting(g.undelivered), waiting(g.failed)))
	board.AddWidgets(graph("Invocations", 8, invocations...), graph("Errors and throttles", 8, errors...),
		graph("Duration, ms", 8, duration...))
}
