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

var _ health.Queues = (*Queues)(nil)

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
