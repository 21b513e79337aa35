package lambdahandler

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"rootguard/internal/alert"
	"rootguard/internal/config"
	"rootguard/internal/failure"
)

// Importer takes alerts over into a system that keeps findings. To import one
// again changes nothing.
type Importer interface {
	Import(ctx context.Context, alerts []alert.Published) error
}

// notification is a message of Amazon SNS (Amazon SNS Developer Guide, "HTTP/HTTPS
// notification JSON format"), as a function gets it and as a dead-letter queue has it.
type notification struct {
	Type      string
	Message   string
	Timestamp json.RawMessage
}

// delivery is an event of Amazon SNS for a function (AWS Lambda Developer Guide,
// "Invoking Lambda functions with Amazon SNS notifications"), the record that
// Lambda makes of it where the function failed, or a notification by itself.
type delivery struct {
	Records        []struct{ Sns notification }
	RequestPayload json.RawMessage `json:"requestPayload"`
	notification
}

// ErrNotSNS is that an event has no message of Amazon SNS in it.
var ErrNotSNS = errors.New("reading alert: the event is not of Amazon SNS")

// Alerts reads the alerts that Amazon SNS delivered, also where the function
// failed on them and where they could not be delivered. The error is ErrNotSNS
// where the payload is nothing of Amazon SNS, or is about a message of it.
func Alerts(payload []byte) ([]alert.Published, error) {
	var d delivery
	if json.Unmarshal(payload, &d) != nil {
		return nil, ErrNotSNS
	}
	if len(d.Records) == 0 && present(d.RequestPayload) {
		inner := d.RequestPayload
		if d = (delivery{}); json.Unmarshal(inner, &d) != nil {
			return nil, ErrNotSNS
		}
	}
	if d.Type == "Notification" {
		d.Records = append(d.Records, struct{ Sns notification }{d.notification})
	}
	var alerts []alert.Published
	for _, r := range d.Records {
		if r.Sns.Message == "" {
			continue
		}
		var p alert.Published
		if err := json.Unmarshal([]byte(r.Sns.Message), &p.Alert); err != nil {
			return nil, fmt.Errorf("reading alert: the message is no alert of rootguard: %w", err)
		}
		if p.Alert.Schema != alert.Schema {
			return nil, fmt.Errorf("reading alert: the message has schema %.40q, not %q", p.Alert.Schema, alert.Schema)
		}
		if json.Unmarshal(r.Sns.Timestamp, &p.At) != nil {
			p.At = time.Time{}
		}
		alerts = append(alerts, p)
	}
	if len(alerts) == 0 {
		return nil, ErrNotSNS
	}
	return alerts, nil
}

// Exports handles the invocations by which Amazon SNS delivers alerts.
type Exports struct {
	Importer Importer
	Metrics  bool         // CloudWatch makes metrics of the values in the log
	Logger   *slog.Logger // of JSON, or CloudWatch finds no metrics in it
	Now      func() time.Time
}

// Handle takes the alerts of one invocation over. An error makes Lambda call
// again, twice, and then keep the alerts in the function's on-failure destination.
func (e *Exports) Handle(ctx context.Context, payload json.RawMessage) error {
	start := e.Now()
	alerts, err := Alerts(payload)
	if err == nil {
		err = imported(ctx, e.Importer, alerts, e.Now())
	} else {
		err = failure.Permanent(err)
	}
	attrs := []slog.Attr{slog.Float64("duration_ms", ms(e.Now().Sub(start)))}
	level, message, failures := slog.LevelInfo, "exported", 0
	if err != nil {
		level, message, failures = slog.LevelError, "failed", 1
		attrs = append(attrs, slog.String("error", err.Error()), slog.Bool("retryable", failure.Retryable(err)))
	}
	ids := make([]string, len(alerts))
	for i := range alerts {
		ids[i] = alerts[i].Alert.ID
	}
	attrs = append(attrs, slog.Any("alert_ids", ids), slog.Int(config.MetricFailures, failures))
	if e.Metrics {
		attrs = append(attrs, slog.Any("_aws", metadata{Timestamp: e.Now().UnixMilli(), CloudWatchMetrics: []directive{
			{Namespace: config.MetricNamespace, Dimensions: [][]string{{}}, Metrics: []metric{{config.MetricFailures, "Count"}}},
		}}))
	}
	e.Logger.LogAttrs(ctx, level, message, attrs...)
	return err
}

// imported imports alerts but for digests, which are no findings, and each finding of a
// summary by itself; those without a time count as published at the given.
func imported(ctx context.Context, to Importer, alerts []alert.Published, now time.Time) error {
	all := make([]alert.Published, 0, len(alerts))
	for i := range alerts {
		if alerts[i].Alert.Kind == alert.Scheduled {
			continue
		}
		if alerts[i].At.IsZero() {
			alerts[i].At = now
		}
		for _, one := range alert.Each(alerts[i].Alert) {
			all = append(all, alert.Published{Alert: one, At: alerts[i].At})
		}
	}
	if len(all) == 0 {
		return nil
	}
	return to.Import(ctx, all)
}
