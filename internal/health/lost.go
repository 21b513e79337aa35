package health

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"rootguard/internal/detect"
)

const (
	// lag is how late a metric may come. What is later is not counted.
	lag = 10 * time.Minute
	// longest is how far back metrics are read after runs that were missed.
	longest = 24 * time.Hour
	// granularity is that of the metrics of EventBridge, Lambda and SNS that are read.
	granularity = 5 * time.Minute
)

// lossMetrics are what counts events and messages that are gone for good. AWS
// charges for each metric of each call of GetMetricData.
type lossMetrics struct {
	rules, functions, topics []Metric
}

func (c *Checker) lossMetrics() (m lossMetrics, err error) {
	rules, err := c.wantedRules()
	for i := range rules {
		// "Does not count failed invocations that are sent to a DLQ" (Amazon
		// EventBridge User Guide, "Monitoring Amazon EventBridge").
		m.rules = append(m.rules, Metric{"AWS/Events", "FailedInvocations", "RuleName", c.want.Prefix + "-" + rules[i].name})
	}
	for _, name := range c.functionNames() {
		m.functions = append(m.functions, Metric{"AWS/Lambda", "DestinationDeliveryFailures", "FunctionName", c.function(name)})
	}
	for _, arn := range c.topicARNs() {
		m.topics = append(m.topics, Metric{"AWS/SNS", "NumberOfNotificationsFailed", "TopicName", nameOf(arn)})
	}
	return m, err
}

// MetricReads is how many metrics the checks of a guard read in a month of 730
// hours: CloudWatch charges for each, whether it has data or not.
func MetricReads(want Expected) (int, error) {
	c := New(Ports{}, want, nil)
	m, err := c.lossMetrics()
	return 730 * (len(m.rules) + len(m.functions) + len(m.topics)), err
}

// lossWindow is the time whose metrics are read next, and whether that is due:
// each datapoint counts in one run alone.
func lossWindow(state *State, at time.Time) (from, to time.Time, due bool) {
	to = at.UTC().Add(-lag).Truncate(granularity)
	from = state.Lost
	switch {
	case from.IsZero() || from.After(to): // the clock was wrong then, or is now
		return to.Add(-Hourly), to, true
	case to.Sub(from) > longest:
		from = to.Add(-longest)
	case to.Sub(from) < Hourly:
		return to.Add(-Hourly), to, false
	}
	return from, to, true
}

// readUntil is until when the metrics were read after a run.
func (c *Checker) readUntil(was State, results []Result, at time.Time) time.Time {
	n := 0
	for i := range results {
		if strings.HasPrefix(results[i].ID, lostOf) && results[i].Outcome != Unknown {
			n++
		}
	}
	if n < 3 {
		return was.Lost
	}
	_, to, _ := lossWindow(&was, at)
	return to
}

// lostOf begins the IDs of the checks of what was lost.
const lostOf = "lost."

// lost are the checks that nothing was lost since they were last made.
func (c *Checker) lost(state State, at time.Time) []check {
	metrics, err := c.lossMetrics()
	from, to, due := lossWindow(&state, at)
	found := &once[[]float64]{ask: func(ctx context.Context) ([]float64, error) {
		if err != nil {
			return nil, err
		}
		all := slices.Concat(metrics.rules, metrics.functions, metrics.topics)
		sums, err := c.ports.Metrics.Sums(ctx, all, from, to)
		if err == nil && len(sums) != len(all) {
			err = fmt.Errorf("reading metrics: %d of %d were answered", len(sums), len(all))
		}
		return sums, err
	}}
	one := func(id, proves, what, fix string, first int, of []Metric) check {
		return check{
			id: lostOf + id, group: "queues", region: c.want.Region, severity: detect.High, idle: !due, proves: proves,
			run: func(ctx context.Context) verdict {
				sums, err := found.get(ctx)
				if err != nil {
					return unanswered(err)
				}
				var all []string
				for i := range of {
					if n := sums[first+i]; n > 0 {
						all = append(all, fmt.Sprintf("%.0f of %s", n, of[i].Value))
					}
				}
				if len(all) == 0 {
					return well()
				}
				return surely(fmt.Sprintf("%s between %s and %s: %s%s", what, stamp(from), stamp(to), strings.Join(all[:min(len(all), 5)], ", "),
					more(len(all)-5)), fix)
			},
		}
	}
	replay := "Fix what else these checks report; what happened in that time is in the trail's log files: rootguard replay s3://BUCKET/PREFIX"
	return []check{
		one("rules", "EventBridge lost no event of a rule", "EventBridge could neither deliver events nor keep them in the queue",
			replay, 0, metrics.rules),
		one("functions", "No event that a function failed on was lost", "AWS Lambda could not keep events that a function failed on in the queue",
			replay, len(metrics.rules), metrics.functions),
		one("topics", "Amazon SNS lost no message", "Amazon SNS could not deliver messages to a receiver",
			"See which receiver it is: rootguard doctor names those that are gone; of text messages and HTTPS, SNS logs the cause where delivery status logging is on. Sent alerts: rootguard status", len(metrics.rules)+len(metrics.functions), metrics.topics),
	}
}
