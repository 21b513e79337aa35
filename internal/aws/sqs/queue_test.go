package sqs_test

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/aws/retry"
	sdk "github.com/aws/aws-sdk-go-v2/service/sqs"

	"rootguard/internal/aws/awsenv"
	"rootguard/internal/aws/sqs"
	"rootguard/internal/aws/sqs/sqstest"
	"rootguard/internal/fake"
)

func client(server *sqstest.Server) *sdk.Client {
	return sdk.New(sdk.Options{
		Region: "us-east-1", BaseEndpoint: &server.URL, HTTPClient: awsenv.KeepAnswers(nil),
		Credentials: aws.CredentialsProviderFunc(func(context.Context) (aws.Credentials, error) {
			return aws.Credentials{AccessKeyID: "test", SecretAccessKey: "test"}, nil
		}),
		Retryer: retry.NewStandard(func(o *retry.StandardOptions) { o.MaxBackoff = time.Millisecond }),
	})
}

func TestQueue(t *testing.T) {
	server := sqstest.New(t)
	clock := fake.NewClock(time.Date(2025, 3, 1, 12, 0, 0, 0, time.UTC))
	server.Now = clock.Now
	q := sqs.New(client(server), server.Send("dlq", `{"a":1}`, `{"a":2}`))
	ctx := t.Context()

	got, err := q.Receive(ctx)
	if err != nil || len(got) != 2 {
		t.Fatalf("got %+v, %v", got, err)
	}
	if m := got[0]; m.ID != "message-1" || string(m.Body) != `{"a":1}` || m.Receives != 1 || !m.Sent.Equal(clock.Now()) || m.Receipt == "" {
		t.Errorf("first message: %+v", m)
	}
	if visible, hidden, err := q.Waiting(ctx); visible != 0 || hidden != 2 || err != nil {
		t.Errorf("waiting: %d, %d, %v", visible, hidden, err)
	}
	if again, err := q.Receive(ctx); len(again) != 0 || err != nil {
		t.Errorf("hidden messages were received: %+v, %v", again, err)
	}
	if err := q.Delete(ctx, got[0]); err != nil {
		t.Error(err)
	}
	if err := q.Release(ctx, got[1]); err != nil {
		t.Error(err)
	}
	again, err := q.Receive(ctx)
	if err != nil || len(again) != 1 || again[0].ID != "message-2" || again[0].Receives != 2 {
		t.Fatalf("after release: %+v, %v", again, err)
	}
	clock.Advance(5 * time.Minute) // a batch of ten may take as long
	if early, _ := q.Receive(ctx); len(early) != 0 {
		t.Errorf("came back after 5 minutes: %+v", early)
	}
	clock.Advance(2 * time.Minute)
	if back, _ := q.Receive(ctx); len(back) != 1 {
		t.Errorf("did not come back: %+v", back)
	}
	if left := server.Bodies("dlq"); len(left) != 1 || left[0] != `{"a":2}` {
		t.Errorf("left %q", left)
	}
}

func TestFaults(t *testing.T) {
	server := sqstest.New(t)
	q := sqs.New(client(server), server.Send("dlq", `{}`))
	server.Inject("ReceiveMessage", 1, sqstest.Fault{Status: http.StatusServiceUnavailable, Code: "ServiceUnavailable"})
	got, err := q.Receive(t.Context())
	if err != nil || len(got) != 1 || server.Calls("ReceiveMessage") != 2 {
		t.Fatalf("a fault that passes: %+v, %v", got, err)
	}
	denied := sqstest.Fault{Status: http.StatusForbidden, Code: "AccessDenied"}
	for op, call := range map[string]func() error{
		"ReceiveMessage":          func() error { _, err := q.Receive(t.Context()); return err },
		"DeleteMessage":           func() error { return q.Delete(t.Context(), got[0]) },
		"ChangeMessageVisibility": func() error { return q.Release(t.Context(), got[0]) },
		"GetQueueAttributes":      func() error { _, _, err := q.Waiting(t.Context()); return err },
	} {
		server.Inject(op, 1, denied)
		if err := call(); err == nil || !strings.Contains(err.Error(), "AccessDenied") || !strings.Contains(err.Error(), "/dlq") {
			t.Errorf("%s: got %v, want an error that names the queue", op, err)
		}
	}
	gone := got[0]
	gone.Receipt = "of another"
	if err := q.Delete(t.Context(), gone); err == nil {
		t.Error("deleted by a receipt of no message")
	}
}

func TestFind(t *testing.T) {
	server := sqstest.New(t)
	want := server.Queue("dlq")
	if got, err := sqs.Find(t.Context(), client(server), "dlq"); got != want || err != nil {
		t.Errorf("got %q, %v, want %q", got, err, want)
	}
	if _, err := sqs.Find(t.Context(), client(server), "other"); !errors.Is(err, sqs.ErrNoQueue) || !strings.Contains(err.Error(), "other") {
		t.Errorf("got %v", err)
	}
}

func TestURL(t *testing.T) {
	for url, want := range map[string]struct{ region, name string }{
		"https://sqs.eu-west-1.amazonaws.com/111111111111/dlq":      {"eu-west-1", "dlq"},
		"https://sqs.cn-north-1.amazonaws.com.cn/111111111111/dlq2": {"cn-north-1", "dlq2"},
		"https://sqs.eusc-de-east-1.amazonaws.eu/111111111111/dlq":  {"eusc-de-east-1", "dlq"},
		"https://sqs.cn-north-1.amazonaws.com/111111111111/dlq":     {"", "dlq"},
		"http://localhost:5000/111111111111/dlq":                    {"", "dlq"},
		"https://sqs.eu-west-1.example.com/111111111111/dlq":        {"", "dlq"},
		"https://eu-west-1.queue.amazonaws.com/111111111111/dlq":    {"", "dlq"},
		"dlq":   {"", "dlq"},
		":// x": {"", " x"},
	} {
		if r, n := sqs.Region(url), sqs.Name(url); r != want.region || n != want.name {
			t.Errorf("%s: %q %q, want %+v", url, r, n, want)
		}
	}
}
