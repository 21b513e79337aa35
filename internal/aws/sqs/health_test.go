package sqs_test

import (
	"errors"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	sdk "github.com/aws/aws-sdk-go-v2/service/sqs"

	"rootguard/internal/aws/sqs"
	"rootguard/internal/aws/sqs/sqstest"
	"rootguard/internal/fake"
	"rootguard/internal/health"
)

func TestQueues(t *testing.T) {
	server := sqstest.New(t)
	asked := ""
	queues := sqs.NewQueues(func(region string) *sdk.Client { asked = region; return client(server) })
	ctx := t.Context()
	url := server.Send("failed", "a", "b")
	for name, queue := range map[string]string{"by URL": url, "by name": "failed"} {
		if q, err := queues.Queue(ctx, "eu-north-1", queue); q != (health.Queue{Visible: 2}) || err != nil || asked != "eu-north-1" {
			t.Errorf("%s: %+v, %v of %s", name, q, err, asked)
		}
		if _, err := queues.Queue(ctx, "", queue+"2"); !errors.Is(err, health.ErrAbsent) {
			t.Errorf("%s, of none: %v", name, err)
		}
	}
	for _, op := range []string{"GetQueueUrl", "GetQueueAttributes"} {
		server.Inject(op, 1, sqstest.Fault{Status: http.StatusForbidden, Code: "AccessDenied"})
		if _, err := queues.Queue(ctx, "", "failed"); err == nil || errors.Is(err, health.ErrAbsent) {
			t.Errorf("%s denied: %v", op, err)
		}
	}
}

// TestMessages holds that messages are read, and left as they were.
func TestMessages(t *testing.T) {
	t.Parallel()
	server := sqstest.New(t)
	clock := fake.NewClock(time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC))
	server.Now = clock.Now
	messages := sqs.NewMessages(client(server), func(body []byte) error {
		if strings.HasPrefix(string(body), "{") {
			return nil
		}
		return errors.New("no event")
	})
	read := func() health.Malformed {
		t.Helper()
		found, err := messages.Malformed(t.Context(), server.Queue("failed"))
		if err != nil {
			t.Fatal(err)
		}
		clock.Advance(time.Second)
		if n := server.Hidden("failed"); n != 0 {
			t.Errorf("%d messages are hidden a second later", n)
		}
		return found
	}
	if found := read(); found != (health.Malformed{}) {
		t.Errorf("of an empty queue: %+v", found)
	}
	server.Send("failed", `{"a":1}`)
	clock.Advance(time.Hour)
	oldest := clock.Now()
	server.Send("failed", "x", `{"a":2}`)
	clock.Advance(time.Hour)
	server.Send("failed", slices.Repeat([]string{"y"}, 20)...)
	want := health.Malformed{Read: 23, Count: 21, Oldest: oldest, ID: "message-2"}
	for range 2 { // the second reads them all again
		if found := read(); found.Read != want.Read || found.Count != want.Count || !found.Oldest.Equal(want.Oldest) {
			t.Errorf("%+v, want %+v", found, want)
		}
	}
	if n := len(server.Bodies("failed")); n != 23 {
		t.Errorf("%d messages are left of 23", n)
	}
	server.Send("failed", slices.Repeat([]string{"z"}, 100)...)
	if found := read(); found.Read != 50 {
		t.Errorf("%d were read of very many, want 50", found.Read)
	}
	server.Inject("ReceiveMessage", 1, sqstest.Fault{Status: http.StatusForbidden, Code: "AccessDenied"})
	if found, err := messages.Malformed(t.Context(), server.Queue("failed")); err == nil || found != (health.Malformed{}) {
		t.Errorf("denied: %+v, %v", found, err)
	}
}
