package sqs

import (
	"context"
	"errors"
	"fmt"
	"strings"

	sdk "github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/aws/aws-sdk-go-v2/service/sqs/types"

	"rootguard/internal/health"
)

var (
	_ health.Queues   = (*Queues)(nil)
	_ health.Messages = (*Messages)(nil)
)

// Queues is a health.Queues over Amazon SQS. It is safe for concurrent use.
type Queues struct {
	in func(region string) *sdk.Client
}

// NewQueues returns Queues. in returns the client of a Region, of the guard's own
// where that is "".
func NewQueues(in func(region string) *sdk.Client) *Queues { return &Queues{in: in} }

// Queue is health.Queues'.
func (q *Queues) Queue(ctx context.Context, region, queue string) (health.Queue, error) {
	client := q.in(region)
	if !strings.Contains(queue, "://") {
		url, err := Find(ctx, client, queue)
		if errors.Is(err, ErrNoQueue) {
			return health.Queue{}, fmt.Errorf("%w: %w", err, health.ErrAbsent)
		}
		if err != nil {
			return health.Queue{}, err
		}
		queue = url
	}
	visible, hidden, err := New(client, queue).Waiting(ctx)
	var missing *types.QueueDoesNotExist
	if errors.As(err, &missing) {
		return health.Queue{}, fmt.Errorf("counting messages of %s: %w", queue, health.ErrAbsent)
	}
	if err != nil {
		return health.Queue{}, err
	}
	return health.Queue{Visible: visible, Hidden: hidden}, nil
}

const (
	// peek is how long a message is hidden that is only read: for as short as can be
	// asked for, so that a redrive, which waits for longer, misses none. The SDK does
	// not send 0, and SQS takes the queue's own 30 s instead.
	peek = 1 // second
	// peeks bounds the requests for one queue.
	peeks = 5
)

// Messages is a health.Messages over Amazon SQS. It is safe for concurrent use.
type Messages struct {
	client *sdk.Client
	read   func(body []byte) error
}

// NewMessages returns Messages. read fails where a body holds no event.
func NewMessages(client *sdk.Client, read func(body []byte) error) *Messages {
	return &Messages{client: client, read: read}
}

// Malformed is health.Messages'. It reads about 50 messages at most, and hides each
// for a second from others.
func (m *Messages) Malformed(ctx context.Context, url string) (health.Malformed, error) {
	var found health.Malformed
	seen := map[string]bool{}
	queue := New(m.client, url)
	for range peeks {
		batch, err := queue.receive(ctx, peek, 0)
		if err != nil {
			return health.Malformed{}, err
		}
		fresh := false
		for i := range batch {
			one := &batch[i]
			if seen[one.ID] {
				continue
			}
			seen[one.ID], fresh = true, true
			found.Read++
			if m.read(one.Body) == nil {
				continue
			}
			if found.Count++; found.Count == 1 || one.Sent.Before(found.Oldest) {
				found.Oldest, found.ID = one.Sent, one.ID
			}
		}
		if !fresh {
			break
		}
	}
	return found, nil
}
