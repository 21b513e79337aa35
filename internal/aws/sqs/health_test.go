package sqs_test

import (
	"errors"
	"net/http"
	"testing"

	sdk "github.com/aws/aws-sdk-go-v2/service/sqs"

	"rootguard/internal/aws/sqs"
	"rootguard/internal/aws/sqs/sqstest"
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
