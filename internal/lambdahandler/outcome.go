package lambdahandler

import (
	"context"
	"log/slog"
	"sync/atomic"
	"time"

	"rootguard/internal/alert"
	"rootguard/internal/cloudtrail"
	"rootguard/internal/config"
	"rootguard/internal/detect"
	"rootguard/internal/failure"
	"rootguard/internal/guard"
	"rootguard/internal/mfadeadline"
)

// outcome is what an invocation came to.
type outcome struct {
	start   time.Time
	event   Event
	record  *cloudtrail.Record
	defects []cloudtrail.Defect
	result  guard.Result
	latency time.Duration // from eventTime to the alert, of an Alerted record
	check   *checked
	beat    *arrived
	swept   mfadeadline.Swept
	tasks   []slog.Attr
	rollUps int
	tally   tally
	err     error

	flushErr error // of roll-ups that are due, which an event does not fail for
}

// arrived is what became of a heartbeat.
type arrived struct {
	result  string // "recorded", or why not
	latency time.Duration
}

// tally counts, over one invocation, what the guard does not return.
type tally struct {
	publishErrors atomic.Int64
	findings      [detect.Critical + 1]atomic.Int64 // reported, by severity
}

type tallyKey struct{}

type counted struct{ guard.Publisher }

// Counted wraps a Publisher so that a Handler sees how often it failed.
func Counted(p guard.Publisher) guard.Publisher { return counted{p} }

// Publish is guard.Publisher's.
func (c counted) Publish(ctx context.Context, a alert.Alert) error {
	err := c.Publisher.Publish(ctx, a)
	t, ok := ctx.Value(tallyKey{}).(*tally)
	switch {
	case !ok:
	case err != nil:
		t.publishErrors.Add(1)
	case a.Kind == alert.RollUp:
		t.findings[a.Finding.Severity].Add(int64(a.Count))
	default:
		t.findings[a.Finding.Severity].Add(1)
	}
	return err
}

// log writes the one record of the invocation. With directives CloudWatch makes
// metrics of its values, by the embedded metric format.
func (o *outcome) log(ctx context.Context, logger *slog.Logger, now time.Time, directives bool) {
	attrs := []slog.Attr{slog.Float64("duration_ms", ms(now.Sub(o.start)))}
	level, message := slog.LevelInfo, "handled"
	if o.err != nil {
		level, message = slog.LevelError, "failed"
		attrs = append(attrs, slog.String("error", o.err.Error()), slog.Bool("retryable", failure.Retryable(o.err)))
	}
	if o.flushErr != nil {
		level = max(level, slog.LevelWarn)
		attrs = append(attrs, slog.String("roll_up_error", o.flushErr.Error()))
	}
	attrs = append(attrs, o.about()...)
	attrs = append(attrs, o.metrics(now, directives)...)
	logger.LogAttrs(ctx, level, message, attrs...)
}

// about is what was handled, and what became of it.
func (o *outcome) about() []slog.Attr { //nolint:funlen,gocognit // one case for each outcome
	var attrs []slog.Attr
	text := func(name, value string) {
		if value != "" {
			attrs = append(attrs, slog.String(name, value))
		}
	}
	text("detail_type", o.event.DetailType)
	text("event_bridge_id", o.event.ID)
	if r := o.record; r != nil {
		text("event_id", r.EventID)
		text("event_source", r.EventSource)
		text("event_name", r.EventName)
		text("account", r.Account())
		text("region", r.AWSRegion)
		text("disposition", string(o.result.Disposition))
		text("reason", o.result.Outcome.Reason)
		text("suppression", o.result.Suppression)
		if o.result.NewFacts > 0 {
			attrs = append(attrs, slog.Int("new_facts", o.result.NewFacts))
		}
	}
	if o.result.Outcome.Kind == detect.Matched {
		f := &o.result.Outcome.Finding
		text("finding", string(f.ID))
		if len(f.Also) > 0 {
			attrs = append(attrs, slog.Any("also", f.Also))
		}
		if a := f.Announced; a != nil {
			text("announced", a.ID)
		}
		if a := o.result.Alert; a != nil && a.Incident != nil {
			text("incident", a.Incident.ID)
		}
		if !f.EventTime.IsZero() {
			text("event_time", f.EventTime.UTC().Format(time.RFC3339))
		}
	}
	if o.result.Alert != nil {
		text("alert_id", o.result.Alert.ID)
	}
	if c := o.check; c != nil {
		live := []any{slog.String("user", c.user), slog.String("result", c.result)}
		if c.root {
			live[0] = slog.Bool("root", true)
		}
		if c.role != "" {
			live[0] = slog.String("role", c.role)
			live = append(live, slog.Bool("admin", c.admin))
		}
		if c.live.ConsoleLogin != nil {
			live = append(live, slog.Bool("console_password", *c.live.ConsoleLogin), slog.Int("mfa_devices", len(c.live.MFADevices)))
		}
		count := func(name string, value *int) {
			if value != nil {
				live = append(live, slog.Int(name, *value))
			}
		}
		count("account_mfa_enabled", c.live.AccountMFAEnabled)
		count("account_access_keys_present", c.live.AccountAccessKeysPresent)
		count("account_password_present", c.live.AccountPasswordPresent)
		if c.live.RootVirtualMFA != nil {
			live = append(live, slog.Bool("root_virtual_mfa", *c.live.RootVirtualMFA))
		}
		attrs = append(attrs, slog.Group("live", live...))
	}
	if b := o.beat; b != nil {
		attrs = append(attrs, slog.Group("heartbeat", slog.String("id", o.event.Heartbeat), slog.String("result", b.result),
			slog.Float64("latency_ms", ms(b.latency))))
	}
	if s := o.swept; s.Checked+s.Unanswered > 0 || s.More {
		attrs = append(attrs, slog.Group("sweep", slog.Int("users", s.Checked), slog.Int("alerted", s.Alerted), slog.Int("reminded", s.Reminded),
			slog.Int("resolved", s.Resolved), slog.Int("unanswered", s.Unanswered), slog.Bool("more", s.More)))
	}
	attrs = append(attrs, o.tasks...)
	if o.rollUps > 0 {
		attrs = append(attrs, slog.Int("roll_ups", o.rollUps))
	}
	if len(o.defects) > 0 {
		attrs = append(attrs, slog.Any("defects", o.defects))
	}
	return attrs
}

// metric and directive are of the embedded metric format (Amazon CloudWatch
// User Guide, "Specification: Embedded metric format").
type metric struct {
	Name string
	Unit string
}

type directive struct {
	Namespace  string
	Dimensions [][]string
	Metrics    []metric
}

type metadata struct {
	Timestamp         int64 // ms since 1970
	CloudWatchMetrics []directive
}

// metrics are the values of an invocation, and where they are to become metrics
// the directive that has CloudWatch make them.
func (o *outcome) metrics(now time.Time, directives bool) []slog.Attr {
	failures := 0
	if o.err != nil {
		failures = 1
	}
	plain := directive{Namespace: config.MetricNamespace, Dimensions: [][]string{{}}, Metrics: []metric{
		{config.MetricPublishErrors, "Count"}, {config.MetricFailures, "Count"},
	}}
	values := []slog.Attr{
		slog.Int64(config.MetricPublishErrors, o.tally.publishErrors.Load()),
		slog.Int(config.MetricFailures, failures),
	}
	if o.record != nil {
		plain.Metrics = append(plain.Metrics, metric{config.MetricRecords, "Count"})
		values = append(values, slog.Int(config.MetricRecords, 1))
	}
	if o.beat != nil && o.beat.result == "recorded" {
		plain.Metrics = append(plain.Metrics, metric{config.MetricHeartbeat, "Milliseconds"})
		values = append(values, slog.Float64(config.MetricHeartbeat, ms(o.beat.latency)))
	}
	if o.result.Disposition == guard.Alerted {
		plain.Metrics = append(plain.Metrics, metric{config.MetricAlertLatency, "Milliseconds"})
		values = append(values, slog.Float64(config.MetricAlertLatency, ms(o.latency)))
	}
	reported := int64(0)
	for severity := range o.tally.findings {
		n := o.tally.findings[severity].Load()
		if n == 0 {
			continue
		}
		reported += n
		name := config.FindingsOf(detect.Severity(severity).String())
		plain.Metrics = append(plain.Metrics, metric{name, "Count"})
		values = append(values, slog.Int64(name, n))
	}
	if reported > 0 {
		plain.Metrics = append(plain.Metrics, metric{config.MetricFindings, "Count"})
		values = append(values, slog.Int64(config.MetricFindings, reported))
	}
	if !directives {
		return values
	}
	return append(values, slog.Any("_aws", metadata{Timestamp: now.UnixMilli(), CloudWatchMetrics: []directive{plain}}))
}

func ms(d time.Duration) float64 { return float64(d.Microseconds()) / 1000 }
