package lambdahandler

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"strings"
	"testing"
	"time"

	"rootguard/internal/alert"
	"rootguard/internal/detect"
	"rootguard/internal/failure"
)

// importer is an Importer that can fail.
type importer struct {
	err error
	got []alert.Published
}

func (i *importer) Import(_ context.Context, alerts []alert.Published) error {
	i.got = append(i.got, alerts...)
	return i.err
}

// notified is a message of Amazon SNS, and delivered the event with it for a function.
func notified(t *testing.T, message string) string {
	t.Helper()
	raw, err := json.Marshal(map[string]string{"Type": "Notification", "MessageId": "m", "TopicArn": "arn", "Message": message, "Timestamp": "2025-03-01T12:00:05.000Z"})
	if err != nil {
		t.Fatal(err)
	}
	return string(raw)
}

func delivered(t *testing.T, message string) string {
	t.Helper()
	return `{"Records":[{"EventSource":"aws:sns","EventVersion":"1.0","Sns":` + notified(t, message) + `}]}`
}

func anAlert(t *testing.T) string {
	t.Helper()
	body, err := alert.JSON(alert.Alert{ID: "a-1", Kind: alert.First, Finding: detect.Finding{ID: detect.RootSignin, Severity: detect.Critical, Account: account, EventTime: t0, EventID: "e-1"}})
	if err != nil {
		t.Fatal(err)
	}
	return string(body)
}

func TestAlerts(t *testing.T) {
	body := anAlert(t)
	for _, tt := range []struct {
		name, payload, err string
		n                  int
	}{
		{"for a function", delivered(t, body), "", 1},
		{"that the function failed on", `{"version":"1.0","requestPayload":` + delivered(t, body) + `}`, "", 1},
		{"that could not be delivered", notified(t, body), "", 1},
		{"of something else", delivered(t, "ALARM: no heartbeat"), "is no alert of rootguard", 0},
		{"of another schema", delivered(t, `{"schema":"rootguard.alert/2"}`), `has schema "rootguard.alert/2"`, 0},
		{"an event of EventBridge", string(wrapped(`{"a":1}`)), "not of Amazon SNS", 0},
		{"another that a function failed on", `{"requestPayload":` + string(wrapped(`{"a":1}`)) + `}`, "not of Amazon SNS", 0},
		{"no event that a function failed on", `{"requestPayload":"text"}`, "not of Amazon SNS", 0},
		{"a subscription to confirm", `{"Type":"SubscriptionConfirmation","Message":"You have chosen"}`, "not of Amazon SNS", 0},
		{"no JSON", "x", "not of Amazon SNS", 0},
		{"empty", "", "not of Amazon SNS", 0},
	} {
		got, err := Alerts([]byte(tt.payload))
		if len(got) != tt.n || (err == nil) != (tt.err == "") || err != nil && !strings.Contains(err.Error(), tt.err) {
			t.Errorf("%s: got %d alerts, %v", tt.name, len(got), err)
		}
		for _, p := range got {
			if p.Alert.ID != "a-1" || p.Alert.Finding.Account != account || !p.At.Equal(t0.Add(5*time.Second)) {
				t.Errorf("%s: %+v", tt.name, p)
			}
		}
	}
}

func TestExports(t *testing.T) {
	down := errors.New("Security Hub is down")
	for _, tt := range []struct {
		name, payload   string
		err             error
		want            string
		retryable, asks bool
	}{
		{"fine", delivered(t, anAlert(t)), nil, "", false, true},
		{"down", delivered(t, anAlert(t)), down, "is down", true, true},
		{"refused", delivered(t, anAlert(t)), failure.Permanent(down), "is down", false, true},
		{"no alert", delivered(t, "x"), nil, "no alert of rootguard", false, false},
		{"no message", string(wrapped(`{"a":1}`)), nil, "not of Amazon SNS", false, false},
	} {
		var log bytes.Buffer
		to := &importer{err: tt.err}
		e := Exports{Importer: to, Metrics: tt.asks, Logger: slog.New(slog.NewJSONHandler(&log, nil)), Now: func() time.Time { return t0 }}
		err := e.Handle(t.Context(), json.RawMessage(tt.payload))
		if (err == nil) != (tt.want == "") || err != nil && (!strings.Contains(err.Error(), tt.want) || failure.Retryable(err) != tt.retryable) {
			t.Errorf("%s: got %v", tt.name, err)
		}
		if (len(to.got) == 1) != tt.asks {
			t.Errorf("%s: imported %v", tt.name, to.got)
		}
		var one map[string]any
		if err := json.Unmarshal(log.Bytes(), &one); err != nil {
			t.Fatalf("%s: the log is not one record: %v\n%s", tt.name, err, log.String())
		}
		if failures := one["Failures"]; (failures == 1.0) != (err != nil) || (one["_aws"] != nil) != tt.asks || tt.asks != strings.Contains(log.String(), `"alert_ids":["a-1"]`) || err != nil && one["retryable"] != tt.retryable {
			t.Errorf("%s: log %v", tt.name, one)
		}
	}
}

// TestRedriveAlerts holds that alerts that wait for Security Hub go there and not
// to the guard.
func TestRedriveAlerts(t *testing.T) {
	r := newRig(nil)
	to := &importer{}
	redriver := Redriver{Guard: r.handler.deps.Guard, Importer: to, Now: func() time.Time { return t0 }}
	ev, err := redriver.Read([]byte(strings.Replace(notified(t, anAlert(t)), "2025-03-01T12:00:05.000Z", "", 1)))
	if err != nil || len(ev.Alerts) != 1 || ev.Record != nil {
		t.Fatalf("read %+v, %v", ev, err)
	}
	if _, err := redriver.Handle(t.Context(), ev); err != nil || len(to.got) != 1 || !to.got[0].At.Equal(t0) || len(r.publisher.Published()) != 0 {
		t.Errorf("%v, imported %+v, published %v", err, to.got, r.publisher.Published())
	}
	to.err = errors.New("down")
	if _, err := redriver.Handle(t.Context(), ev); !errors.Is(err, to.err) {
		t.Errorf("got %v", err)
	}
	if _, err := redriver.Read([]byte(notified(t, "ALARM"))); err == nil || !strings.Contains(err.Error(), "no alert of rootguard") {
		t.Errorf("got %v", err)
	}
	if ev, err := redriver.Read(wrapped(createUser("e-1"))); err != nil || ev.Record == nil || len(ev.Alerts) != 0 {
		t.Errorf("an event: %+v, %v", ev, err)
	}
}
