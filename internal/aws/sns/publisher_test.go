package sns_test

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/aws/retry"
	sdk "github.com/aws/aws-sdk-go-v2/service/sns"
	"github.com/google/go-cmp/cmp"

	"rootguard/internal/alert"
	"rootguard/internal/aws/awsenv"
	"rootguard/internal/aws/sns"
	"rootguard/internal/aws/sns/snstest"
	"rootguard/internal/detect"
	"rootguard/internal/failure"
	"rootguard/internal/guard"
)

const (
	alerts     = "arn:aws:sns:us-east-1:111111111111:rootguard-alerts"
	escalation = "arn:aws:sns:us-east-1:111111111111:rootguard-escalation"
	chat       = "arn:aws:sns:us-east-1:111111111111:rootguard-chat"
)

func client(url string) *sdk.Client {
	return sdk.New(sdk.Options{
		Region:       "us-east-1",
		BaseEndpoint: &url, HTTPClient: awsenv.KeepAnswers(nil),
		Credentials: aws.CredentialsProviderFunc(func(context.Context) (aws.Credentials, error) {
			return aws.Credentials{AccessKeyID: "test", SecretAccessKey: "test"}, nil
		}),
		Retryer: retry.NewStandard(func(o *retry.StandardOptions) { o.MaxBackoff = time.Millisecond }),
	})
}

func anAlert(s detect.Severity) alert.Alert {
	return alert.Alert{
		Schema: alert.Schema, ID: "0123", Kind: alert.First, AccountName: "prod",
		Finding: detect.Finding{
			ID: detect.UserCreated, Severity: s, Title: "IAM user created", Also: []detect.ID{detect.RootActivity},
			Account: "123456789012", EventTime: time.Date(2025, 3, 1, 12, 0, 0, 0, time.UTC), EventID: "e-1",
			Target: detect.Target{UserName: "eve"}, NextStep: "Ask.",
		},
	}
}

func TestMessage(t *testing.T) {
	server := snstest.New(t)
	p := sns.New(client(server.URL), sns.Topics{Alerts: alerts, Chat: chat}).Of("v1.4.0 (abc1234)")
	a := anAlert(detect.Info)
	if err := p.Publish(t.Context(), a); err != nil {
		t.Fatal(err)
	}
	a.Version = "v1.4.0 (abc1234)" // which the publisher adds
	body, err := alert.JSON(a)
	if err != nil {
		t.Fatal(err)
	}
	q, err := alert.AmazonQ(a)
	if err != nil {
		t.Fatal(err)
	}
	attributes := map[string]snstest.Attribute{
		"severity": {Type: "String", Value: "info"},
		"finding":  {Type: "String.Array", Value: `["user.created","root.activity"]`},
		"account":  {Type: "String", Value: "123456789012"},
		"kind":     {Type: "String", Value: "first"},
	}
	want := []snstest.Message{
		{
			TopicARN: alerts, Subject: alert.Subject(a), Attributes: attributes,
			Bodies: map[string]string{"default": string(body), "email": alert.Text(a), "sms": alert.Subject(a)},
		},
		{TopicARN: chat, Body: string(q), Attributes: attributes},
	}
	if diff := cmp.Diff(want, slices.Concat(server.On(alerts), server.On(chat))); diff != "" {
		t.Errorf("messages (-want +got):\n%s", diff)
	}
}

func TestTopics(t *testing.T) {
	for _, tt := range []struct {
		name     string
		topics   sns.Topics
		severity detect.Severity
		want     []string
	}{
		{"only alerts", sns.Topics{Alerts: alerts}, detect.Critical, []string{alerts}},
		{"critical", sns.Topics{Alerts: alerts, Escalation: escalation}, detect.Critical, []string{alerts, escalation}},
		{"high", sns.Topics{Alerts: alerts, Escalation: escalation}, detect.High, []string{alerts}},
		{"chat", sns.Topics{Alerts: alerts, Escalation: escalation, Chat: chat}, detect.Low, []string{alerts, chat}},
		{"all", sns.Topics{Alerts: alerts, Escalation: escalation, Chat: chat}, detect.Critical, []string{alerts, escalation, chat}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			server := snstest.New(t)
			if err := sns.New(client(server.URL), tt.topics).Publish(t.Context(), anAlert(tt.severity)); err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(slices.Sorted(slices.Values(tt.want)), topicsOf(server)); diff != "" {
				t.Errorf("topics (-want +got):\n%s", diff)
			}
		})
	}
}

// TestEscalationTopic holds that what lowers critical alerts is reported there too.
func TestEscalationTopic(t *testing.T) {
	server := snstest.New(t)
	a := anAlert(detect.High)
	a.Finding.ID = detect.RootUseAnnounced
	if err := sns.New(client(server.URL), sns.Topics{Alerts: alerts, Escalation: escalation}).Publish(t.Context(), a); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{alerts, escalation}, topicsOf(server)); diff != "" {
		t.Errorf("topics (-want +got):\n%s", diff)
	}
}

// TestUnhealthy holds that what is reported about the guard itself has a second way out,
// however severe it is, and takes it also where the first is broken.
func TestUnhealthy(t *testing.T) {
	server := snstest.New(t)
	p := sns.New(client(server.URL), sns.Topics{Alerts: alerts, Escalation: escalation})
	for _, severity := range []detect.Severity{detect.High, detect.Info} {
		a := anAlert(severity)
		a.Finding.ID = detect.GuardUnhealthy
		if err := p.Publish(t.Context(), a); err != nil {
			t.Fatal(err)
		}
	}
	if diff := cmp.Diff([]string{alerts, alerts, escalation, escalation}, topicsOf(server)); diff != "" {
		t.Errorf("topics (-want +got):\n%s", diff)
	}
	server.Inject(alerts, 1, snstest.Fault{Status: http.StatusBadRequest, Code: "KMSDisabled"})
	a := anAlert(detect.High)
	a.Finding.ID = detect.GuardUnhealthy
	if err := p.Publish(t.Context(), a); err == nil {
		t.Error("a topic that refuses is no error")
	}
	if n := len(server.On(escalation)); n != 3 {
		t.Errorf("%d of 3 reached the second topic", n)
	}
}

func topicsOf(server *snstest.Server) []string {
	var topics []string
	for _, m := range server.Messages() {
		topics = append(topics, m.TopicARN)
	}
	slices.Sort(topics) // they are published to at once, in no order
	return topics
}

func TestErrors(t *testing.T) {
	for _, tt := range []struct {
		name      string
		times     int
		fault     snstest.Fault
		ok        bool
		retryable bool
	}{
		{"throttled twice", 2, snstest.Fault{Status: http.StatusTooManyRequests, Code: "Throttled"}, true, false},
		{"throttled for long", 9, snstest.Fault{Status: http.StatusTooManyRequests, Code: "Throttled"}, false, true},
		{"server error once", 1, snstest.Fault{Status: http.StatusInternalServerError, Code: "InternalError"}, true, false},
		{"connection lost once", 1, snstest.Fault{}, true, false},
		{"topic is gone", 9, snstest.Fault{Status: http.StatusNotFound, Code: "NotFound"}, false, true},
		{"not allowed yet", 9, snstest.Fault{Status: http.StatusForbidden, Code: "AuthorizationError"}, false, true},
		{"key is off", 9, snstest.Fault{Status: http.StatusBadRequest, Code: "KMSDisabled"}, false, true},
		{"message refused", 9, snstest.Fault{Status: http.StatusBadRequest, Code: "InvalidParameter"}, false, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			server := snstest.New(t)
			server.Inject(alerts, tt.times, tt.fault)
			err := sns.New(client(server.URL), sns.Topics{Alerts: alerts}).Publish(t.Context(), anAlert(detect.High))
			switch {
			case (err == nil) != tt.ok:
				t.Errorf("got %v, want success %v", err, tt.ok)
			case err != nil && failure.Retryable(err) != tt.retryable:
				t.Errorf("retryable is %v: %v", !tt.retryable, err)
			case err != nil && !strings.Contains(err.Error(), alerts):
				t.Errorf("the error does not name the topic: %v", err)
			}
			if tt.ok && len(server.Messages()) != 1 {
				t.Errorf("%d messages, want 1", len(server.Messages()))
			}
		})
	}
}

// TestOneTopicDown holds that the topics which took an alert do not get it again
// when it is retried for the sake of the others, by another process.
func TestOneTopicDown(t *testing.T) {
	server := snstest.New(t)
	publish := func(took []string) error {
		a := anAlert(detect.Critical)
		a.DeliveredTo = took
		return sns.New(client(server.URL), sns.Topics{Alerts: alerts, Escalation: escalation, Chat: chat}).Publish(t.Context(), a)
	}
	server.Inject(escalation, 1, snstest.Fault{Status: http.StatusForbidden, Code: "AuthorizationError"})
	err := publish(nil)
	var partial *guard.Partial
	if !errors.As(err, &partial) || !strings.Contains(err.Error(), escalation) || !failure.Retryable(err) {
		t.Fatalf("got %v, want a retryable error about the escalation topic", err)
	}
	if diff := cmp.Diff([]string{alerts, chat}, topicsOf(server)); diff != "" {
		t.Errorf("topics that took it (-want +got):\n%s", diff)
	}
	server.Inject(escalation, 1, snstest.Fault{Status: http.StatusForbidden, Code: "AuthorizationError"})
	err = publish(partial.DeliveredTo)
	if !errors.As(err, &partial) {
		t.Fatalf("got %v, want an error that names who has it", err)
	}
	if diff := cmp.Diff([]string{alerts, chat}, partial.DeliveredTo); diff != "" {
		t.Errorf("topics that have it (-want +got):\n%s", diff)
	}
	if err := publish(partial.DeliveredTo); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{alerts, chat, escalation}, topicsOf(server)); diff != "" {
		t.Errorf("topics in the end (-want +got):\n%s", diff)
	}
	server.Inject(alerts, 1, snstest.Fault{Status: http.StatusForbidden, Code: "AuthorizationError"})
	one := sns.New(client(server.URL), sns.Topics{Alerts: alerts}).Publish(t.Context(), anAlert(detect.High))
	if one == nil || errors.As(one, &partial) {
		t.Errorf("got %v, want an error, since no topic has it", one)
	}
}

// TestLimits publishes what an attacker could put into every field. The server
// refuses what SNS would.
func TestLimits(t *testing.T) {
	for name, text := range map[string]string{
		"quotes":      strings.Repeat(`"\`, 100_000),
		"controls":    strings.Repeat("\x01\x1f\u2028", 50_000),
		"HTML":        strings.Repeat("<&>", 50_000),
		"not UTF-8":   strings.Repeat("\xff\xfe", 50_000),
		"wide":        strings.Repeat("\U0001f511", 50_000),
		"line breaks": strings.Repeat("\r\n", 50_000),
	} {
		t.Run(name, func(t *testing.T) {
			a := anAlert(detect.Critical)
			a.AccountName, a.Kind = text, alert.RollUp
			f := &a.Finding
			f.Title, f.Detail, f.UserAgent, f.SourceIP, f.Session, f.NextStep = text, text, text, text, text, text
			f.Actor = detect.Actor{Type: text, Name: text, ARN: text, PrincipalID: text, AccessKeyID: text}
			f.Target = detect.Target{UserName: text, UserID: text, Resource: text}
			f.EventName, f.EventSource, f.ErrorCode, f.EventID, f.Region = text, text, text, text, text
			for range 300 {
				a.Actions = append(a.Actions, alert.Action{Name: text[:200], Target: text[:400], Count: 1})
			}
			a.Count = 300
			server := snstest.New(t)
			if err := sns.New(client(server.URL), sns.Topics{Alerts: alerts, Chat: chat}).Publish(t.Context(), a); err != nil {
				t.Fatal(err)
			}
			m := server.On(alerts)[0]
			var back alert.Alert
			if err := json.Unmarshal([]byte(m.Bodies["default"]), &back); err != nil {
				t.Errorf("default body: %v", err)
			}
			if m.Bodies["email"] != alert.Text(a) {
				t.Error("the e-mail's body was replaced for its size")
			}
		})
	}
}

func TestNoAccount(t *testing.T) {
	server := snstest.New(t)
	a := anAlert(detect.High)
	a.Finding.Account = ""
	if err := sns.New(client(server.URL), sns.Topics{Alerts: alerts}).Publish(t.Context(), a); err != nil {
		t.Fatal(err)
	}
	if _, ok := server.Messages()[0].Attributes["account"]; ok {
		t.Error("an attribute without a value was sent")
	}
}

func TestCanceled(t *testing.T) {
	server := snstest.New(t)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	err := sns.New(client(server.URL), sns.Topics{Alerts: alerts}).Publish(ctx, anAlert(detect.High))
	if !errors.Is(err, context.Canceled) || !failure.Retryable(err) {
		t.Errorf("got %v, want context.Canceled, retryable", err)
	}
}

// TestOneTopicHangs holds that a topic that never answers takes no time from the
// others: each of them has the alert while the first is still waited for.
func TestOneTopicHangs(t *testing.T) {
	for _, hung := range []string{alerts, escalation, chat} {
		server := snstest.New(t)
		server.Inject(hung, 1, snstest.Fault{Hang: true})
		ctx, cancel := context.WithCancel(t.Context())
		out := make(chan error)
		options := client(server.URL).Options()
		heard := &answers{next: options.HTTPClient}
		options.HTTPClient = heard
		go func() {
			out <- sns.New(sdk.New(options), sns.Topics{Alerts: alerts, Escalation: escalation, Chat: chat}).Publish(ctx, anAlert(detect.Critical))
		}()
		for heard.n.Load() < 2 {
			select {
			case err := <-out:
				t.Fatalf("%s hangs: Publish ended with %d messages: %v", hung, len(server.Messages()), err)
			case <-time.After(time.Millisecond):
			}
		}
		cancel() // the invocation's time is over
		err := <-out
		var partial *guard.Partial
		if !errors.As(err, &partial) || !failure.Retryable(err) || !strings.Contains(err.Error(), hung) {
			t.Fatalf("%s hangs: got %v, want a retryable error that names it", hung, err)
		}
		want := slices.DeleteFunc([]string{alerts, escalation, chat}, func(topic string) bool { return topic == hung })
		if diff := cmp.Diff(want, partial.DeliveredTo); diff != "" {
			t.Errorf("%s hangs: topics that have it (-want +got):\n%s", hung, diff)
		}
	}
}

// answers counts those that the SDK is done with.
type answers struct {
	next sdk.HTTPClient
	n    atomic.Int32
}

func (a *answers) Do(r *http.Request) (*http.Response, error) {
	resp, err := a.next.Do(r)
	if err == nil {
		resp.Body = &answer{ReadCloser: resp.Body, of: a}
	}
	return resp, err
}

type answer struct {
	io.ReadCloser
	of   *answers
	once sync.Once
}

func (a *answer) Close() error {
	a.once.Do(func() { a.of.n.Add(1) })
	return a.ReadCloser.Close()
}

// silent is a network without an answer.
type silent struct{}

func (silent) Do(r *http.Request) (*http.Response, error) {
	<-r.Context().Done()
	return nil, r.Context().Err()
}

// TestBudget holds that a topic which never answers ends a publish long before an
// invocation ends, so that time is left for what comes after it.
func TestBudget(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := sdk.New(client("http://localhost").Options(), func(o *sdk.Options) { o.HTTPClient = silent{} })
		began := time.Now()
		err := sns.New(c, sns.Topics{Alerts: alerts, Escalation: escalation, Chat: chat}).Publish(t.Context(), anAlert(detect.Critical))
		if took := time.Since(began); err == nil || !failure.Retryable(err) || took != 12*time.Second {
			t.Errorf("after %s: %v", took, err)
		}
	})
}
