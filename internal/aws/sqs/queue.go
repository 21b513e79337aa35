// Package sqs reads the queues that events wait in when a rule could not deliver
// them or a function failed on them.
package sqs

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"strconv"
	"strings"
	"time"

	sdk "github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/aws/aws-sdk-go-v2/service/sqs/types"

	"rootguard/internal/partition"
	"rootguard/internal/redrive"
)

var _ redrive.Queue = (*Queue)(nil)

const (
	// maxBatch is the most that one request receives (Amazon SQS API Reference,
	// ReceiveMessage).
	maxBatch = 10
	// hide is how long a received message is hidden: for longer than a batch may
	// take, each of its messages redrive's 30 s.
	hide = 6 * time.Minute
	// wait makes SQS ask all of its servers, not a sample of them, so that no
	// message means that none is there (Amazon SQS Developer Guide, "Short and
	// long polling").
	wait = 2 * time.Second
)

// Queue is a redrive.Queue over an Amazon SQS queue.
type Queue struct {
	client *sdk.Client
	url    string
}

// New returns the queue with a URL. The client must be of its Region, see Region.
func New(client *sdk.Client, url string) *Queue { return &Queue{client: client, url: url} }

// Receive is redrive.Queue's.
func (q *Queue) Receive(ctx context.Context) ([]redrive.Message, error) {
	return q.receive(ctx, int32(hide/time.Second), int32(wait/time.Second))
}

// receive hides what it returns, and waits for it, for so many seconds.
func (q *Queue) receive(ctx context.Context, hidden, waiting int32) ([]redrive.Message, error) {
	out, err := q.client.ReceiveMessage(ctx, &sdk.ReceiveMessageInput{
		QueueUrl: &q.url, MaxNumberOfMessages: maxBatch,
		VisibilityTimeout: hidden, WaitTimeSeconds: waiting,
		MessageSystemAttributeNames: []types.MessageSystemAttributeName{
			types.MessageSystemAttributeNameSentTimestamp, types.MessageSystemAttributeNameApproximateReceiveCount,
		},
	})
	if err != nil {
		return nil, fmt.Errorf("receiving from %s: %w", q.url, err)
	}
	messages := make([]redrive.Message, len(out.Messages))
	for i := range out.Messages {
		m := &out.Messages[i]
		messages[i] = redrive.Message{ID: deref(m.MessageId), Body: []byte(deref(m.Body)), Receipt: deref(m.ReceiptHandle)}
		if ms, err := strconv.ParseInt(m.Attributes[string(types.MessageSystemAttributeNameSentTimestamp)], 10, 64); err == nil {
			messages[i].Sent = time.UnixMilli(ms).UTC()
		}
		if n, err := strconv.Atoi(m.Attributes[string(types.MessageSystemAttributeNameApproximateReceiveCount)]); err == nil {
			messages[i].Receives = n
		}
	}
	return messages, nil
}

// Delete is redrive.Queue's.
func (q *Queue) Delete(ctx context.Context, m redrive.Message) error {
	if _, err := q.client.DeleteMessage(ctx, &sdk.DeleteMessageInput{QueueUrl: &q.url, ReceiptHandle: &m.Receipt}); err != nil {
		return fmt.Errorf("deleting message %s of %s: %w", m.ID, q.url, err)
	}
	return nil
}

// Release is redrive.Queue's.
func (q *Queue) Release(ctx context.Context, m redrive.Message) error {
	in := &sdk.ChangeMessageVisibilityInput{QueueUrl: &q.url, ReceiptHandle: &m.Receipt, VisibilityTimeout: 0}
	if _, err := q.client.ChangeMessageVisibility(ctx, in); err != nil {
		return fmt.Errorf("releasing message %s of %s: %w", m.ID, q.url, err)
	}
	return nil
}

// Waiting is about how many messages are visible, and how many are hidden since
// someone received them.
func (q *Queue) Waiting(ctx context.Context) (visible, hidden int, err error) {
	names := []types.QueueAttributeName{types.QueueAttributeNameApproximateNumberOfMessages,
		types.QueueAttributeNameApproximateNumberOfMessagesNotVisible}
	out, err := q.client.GetQueueAttributes(ctx, &sdk.GetQueueAttributesInput{QueueUrl: &q.url, AttributeNames: names})
	if err != nil {
		return 0, 0, fmt.Errorf("counting messages of %s: %w", q.url, err)
	}
	for i, into := range []*int{&visible, &hidden} {
		if *into, err = strconv.Atoi(out.Attributes[string(names[i])]); err != nil {
			return 0, 0, fmt.Errorf("counting messages of %s: %w", q.url, err)
		}
	}
	return visible, hidden, nil
}

// ErrNoQueue is returned where there is no queue of a name.
var ErrNoQueue = errors.New("there is no such queue")

// Find returns the URL of the queue with a name, in the client's account and Region.
func Find(ctx context.Context, client *sdk.Client, name string) (string, error) {
	out, err := client.GetQueueUrl(ctx, &sdk.GetQueueUrlInput{QueueName: &name})
	var missing *types.QueueDoesNotExist
	switch {
	case errors.As(err, &missing):
		return "", fmt.Errorf("finding queue %s: %w", name, ErrNoQueue)
	case err != nil:
		return "", fmt.Errorf("finding queue %s: %w", name, err)
	}
	return deref(out.QueueUrl), nil
}

// Region is the Region of a queue's URL, https://sqs.REGION.amazonaws.com/…
// (Amazon SQS Developer Guide, "Queue and message identifiers"), "" where it
// does not report.
func Region(queueURL string) string {
	u, err := url.Parse(queueURL)
	if err != nil {
		return ""
	}
	rest, ok := strings.CutPrefix(u.Hostname(), "sqs.")
	region, domain, found := strings.Cut(rest, ".")
	if p, known := partition.OfRegion(region); !ok || !found || !known || domain != p.Suffix {
		return ""
	}
	return region
}

// Name is the last part of a queue's URL.
func Name(queueURL string) string { return queueURL[strings.LastIndexByte(queueURL, '/')+1:] }

func deref(s *string) string {
	if s == nil {
		return ""
	}
	return *s
}
