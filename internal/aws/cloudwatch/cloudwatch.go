// Package cloudwatch looks up alarms, what mutes them, and metrics.
//
// It serves the health check: an alarm that is muted, or has no action, reports
// nothing, and a metric without data has the sum 0. Names are searched by their prefix;
// metrics are read some hundred a call.
package cloudwatch

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	sdk "github.com/aws/aws-sdk-go-v2/service/cloudwatch"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatch/types"

	"rootguard/internal/health"
)

var (
	_ health.Alarms  = (*Client)(nil)
	_ health.Metrics = (*Client)(nil)
)

// Client asks Amazon CloudWatch. It is safe for concurrent use.
type Client struct{ in func() *sdk.Client }

// New returns a Client. in returns the SDK's, when it is first needed.
func New(in func() *sdk.Client) *Client { return &Client{in: in} }

const (
	// maxPages bounds a listing: a page has up to 100 alarms, or mute rules.
	maxPages = 20
	// maxMutes is how many mute rules are read one by one. An account has few; with
	// more of them it is not known what they mute.
	maxMutes = 50
	period   = 300 // seconds, the granularity of what EventBridge and SNS report
	// perCall is how many metrics one call of GetMetricData takes (Amazon CloudWatch
	// API Reference, GetMetricData).
	perCall = 500
)

// Alarms is health.Alarms'.
func (c *Client) Alarms(ctx context.Context, prefix string) ([]health.Alarm, error) {
	in := &sdk.DescribeAlarmsInput{AlarmNamePrefix: &prefix, AlarmTypes: []types.AlarmType{types.AlarmTypeMetricAlarm},
		MaxRecords: aws.Int32(100)}
	alarms := []health.Alarm{}
	for range maxPages {
		out, err := c.in().DescribeAlarms(ctx, in)
		if err != nil {
			return nil, fmt.Errorf("describing alarms %s*: %w", prefix, err)
		}
		for i := range out.MetricAlarms {
			a := &out.MetricAlarms[i]
			alarms = append(alarms, health.Alarm{Name: aws.ToString(a.AlarmName), Enabled: aws.ToBool(a.ActionsEnabled), Actions: a.AlarmActions})
		}
		if in.NextToken = out.NextToken; aws.ToString(in.NextToken) == "" {
			return alarms, nil
		}
	}
	return nil, fmt.Errorf("describing alarms %s*: there are more than %d pages", prefix, maxPages)
}

// Mutes is health.Alarms'. It fails where there are more rules than it reads.
func (c *Client) Mutes(ctx context.Context) ([]health.Mute, error) {
	in := &sdk.ListAlarmMuteRulesInput{Statuses: []types.AlarmMuteRuleStatus{types.AlarmMuteRuleStatusActive,
		types.AlarmMuteRuleStatusScheduled}, MaxRecords: aws.Int32(100)}
	var names []string
	for range maxPages {
		out, err := c.in().ListAlarmMuteRules(ctx, in)
		if err != nil {
			return nil, fmt.Errorf("listing alarm mute rules: %w", err)
		}
		for i := range out.AlarmMuteRuleSummaries {
			// A summary has no name: it ends the ARN, arn:…:alarm-mute-rule:NAME.
			_, name, _ := strings.Cut(aws.ToString(out.AlarmMuteRuleSummaries[i].AlarmMuteRuleArn), ":alarm-mute-rule:")
			names = append(names, name)
		}
		if in.NextToken = out.NextToken; aws.ToString(in.NextToken) == "" {
			break
		}
	}
	if len(names) > maxMutes || aws.ToString(in.NextToken) != "" {
		return nil, fmt.Errorf("listing alarm mute rules: there are more than %d", maxMutes)
	}
	mutes := make([]health.Mute, 0, len(names))
	for _, name := range names {
		out, err := c.in().GetAlarmMuteRule(ctx, &sdk.GetAlarmMuteRuleInput{AlarmMuteRuleName: &name})
		var missing *types.ResourceNotFoundException
		switch {
		case errors.As(err, &missing): // deleted since
			continue
		case err != nil:
			return nil, fmt.Errorf("reading the alarm mute rule %s: %w", name, err)
		}
		m := health.Mute{Name: name}
		if out.MuteTargets != nil {
			m.Alarms = out.MuteTargets.AlarmNames
		}
		mutes = append(mutes, m)
	}
	return mutes, nil
}

// Sums is health.Metrics'. A metric without data has the sum 0.
func (c *Client) Sums(ctx context.Context, of []health.Metric, from, to time.Time) ([]float64, error) {
	sums := make([]float64, len(of))
	for first := 0; first < len(of); first += perCall {
		in := &sdk.GetMetricDataInput{StartTime: &from, EndTime: &to}
		ids := map[string]int{}
		for i := first; i < min(first+perCall, len(of)); i++ {
			m, id := &of[i], fmt.Sprintf("m%d", i)
			ids[id] = i
			in.MetricDataQueries = append(in.MetricDataQueries, types.MetricDataQuery{Id: &id, MetricStat: &types.MetricStat{
				Metric: &types.Metric{Namespace: &m.Namespace, MetricName: &m.Name,
					Dimensions: []types.Dimension{{Name: &m.Dimension, Value: &m.Value}}},
				Period: aws.Int32(period), Stat: aws.String("Sum"),
			}})
		}
		for page := 0; ; page++ {
			out, err := c.in().GetMetricData(ctx, in)
			if err != nil {
				return nil, fmt.Errorf("reading metrics: %w", err)
			}
			for i := range out.MetricDataResults {
				r := &out.MetricDataResults[i]
				at, known := ids[aws.ToString(r.Id)]
				if !known {
					continue
				}
				if r.StatusCode == types.StatusCodeInternalError || r.StatusCode == types.StatusCodeForbidden {
					return nil, fmt.Errorf("reading the metric %s of %s: %s", of[at].Name, of[at].Value, r.StatusCode)
				}
				for _, v := range r.Values {
					sums[at] += v
				}
			}
			if in.NextToken = out.NextToken; aws.ToString(in.NextToken) == "" {
				break
			}
			if page == maxPages {
				return nil, fmt.Errorf("reading metrics: there are more than %d pages", maxPages)
			}
		}
	}
	return sums, nil
}
