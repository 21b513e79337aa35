package sqs_test

import (
	"context"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	sdk "github.com/aws/aws-sdk-go-v2/service/sqs"

	"rootguard/internal/aws/sqs"
	"rootguard/internal/aws/sqs/sqstest"
	"rootguard/internal/cloudtrail"
	"rootguard/internal/guard"
	"rootguard/internal/redrive"
	"rootguard/internal/testenv"
)

// accepting handles every message.
type accepting struct{}

func (accepting) Read(body []byte) (redrive.Event, error) {
	return redrive.Event{ID: string(body), Record: &cloudtrail.Record{EventID: string(body)}}, nil
}

func (accepting) Handle(context.Context, redrive.Event) (guard.Result, error) {
	return guard.Result{Disposition: guard.Alerted}, nil
}

// TestLostReceipt has the answer to one ReceiveMessage get lost. The client asks
// again, and the messages of the lost answer are hidden by then: the run counts
// them instead of taking the queue for empty.
func TestLostReceipt(t *testing.T) {
	server := sqstest.New(t)
	now := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	server.Now = func() time.Time { return now }
	url := server.Send("failed", "a", "b", "c")
	server.Inject("ReceiveMessage", 1, sqstest.Fault{After: true})
	waits := 0
	run := func() redrive.Summary {
		t.Helper()
		sum, err := redrive.Run(t.Context(), redrive.Options{
			Queues: []redrive.Named{{Name: "failed", Queue: sqs.New(client(server), url)}}, Handler: accepting{},
			Sleep: func(context.Context, time.Duration) error { waits++; return nil },
		})
		if err != nil {
			t.Fatal(err)
		}
		return sum
	}
	if sum := run(); sum != (redrive.Summary{Hidden: 3}) || waits != 3 {
		t.Errorf("got %+v after %d waits, want 3 hidden messages, counted again three times", sum, waits)
	}
	now, waits = now.Add(7*time.Minute), 0
	if sum := run(); sum != (redrive.Summary{Delivered: 3}) || waits != 0 || len(server.Bodies("failed")) != 0 {
		t.Errorf("7 minutes later: got %+v after %d waits, want 3 delivered", sum, waits)
	}
}

// once retries nothing, and has a test fail with the error that would be retried for.
type once struct {
	aws.Retryer
	t *testing.T
}

func (o once) IsErrorRetryable(err error) bool {
	o.t.Errorf("a request would be sent again for: %v", err)
	return false
}

// TestFlake receives from fresh queues again and again: no answer gets lost on its way
// through the client, which would hide messages from the one that is to have them.
func TestFlake(t *testing.T) {
	body := strings.Repeat("x", 3000)
	for range testenv.Size(3, 8) {
		server := sqstest.New(t)
		options := client(server).Options()
		options.Retryer = once{options.Retryer, t}
		c := sdk.New(options)
		for i := range 60 {
			name := "q" + strconv.Itoa(i)
			got, err := sqs.New(c, server.Send(name, body, body, body)).Receive(t.Context())
			if err != nil || len(got) != 3 || server.Hidden(name) != 3 {
				t.Fatalf("queue %d: %d of 3 messages, %v; %d are hidden", i, len(got), err, server.Hidden(name))
			}
		}
	}
}
