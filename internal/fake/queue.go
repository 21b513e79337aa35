package fake

import (
	"context"
	"fmt"
	"sync"
	"time"

	"rootguard/internal/redrive"
)

var _ redrive.Queue = (*Queue)(nil)

// Queue is a redrive.Queue in memory. A received message is hidden until it is
// released or Return is called. The zero value is ready.
type Queue struct {
	Script *Script
	Batch  int // messages per Receive; 0: 10

	mu       sync.Mutex
	messages []*queued
	receipts int
}

type queued struct {
	redrive.Message
	hidden bool
}

// Send puts messages on the queue.
func (q *Queue) Send(bodies ...string) {
	q.mu.Lock()
	defer q.mu.Unlock()
	for _, b := range bodies {
		q.receipts++
		q.messages = append(q.messages, &queued{Message: redrive.Message{
			ID: fmt.Sprintf("m-%d", q.receipts), Body: []byte(b), Sent: time.Date(2025, 3, 1, 12, 0, 0, 0, time.UTC),
		}})
	}
}

// Return makes every message visible, as if the time for which it was hidden had passed.
func (q *Queue) Return() {
	q.mu.Lock()
	defer q.mu.Unlock()
	for _, m := range q.messages {
		m.hidden = false
	}
}

// Left are the bodies on the queue, and how many of them are hidden.
func (q *Queue) Left() (bodies []string, hidden int) {
	q.mu.Lock()
	defer q.mu.Unlock()
	for _, m := range q.messages {
		bodies = append(bodies, string(m.Body))
		if m.hidden {
			hidden++
		}
	}
	return bodies, hidden
}

// Receive is redrive.Queue's.
func (q *Queue) Receive(ctx context.Context) (got []redrive.Message, err error) {
	err = q.Script.call("Queue.Receive", func() error {
		if err := ctx.Err(); err != nil {
			return fmt.Errorf("receiving: %w", err)
		}
		q.mu.Lock()
		defer q.mu.Unlock()
		most := q.Batch
		if most == 0 {
			most = 10
		}
		for _, m := range q.messages {
			if m.hidden || len(got) == most {
				continue
			}
			q.receipts++
			m.hidden = true
			m.Receives++
			m.Receipt = fmt.Sprintf("r-%d", q.receipts)
			got = append(got, m.Message)
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	return got, nil
}

// Delete is redrive.Queue's.
func (q *Queue) Delete(ctx context.Context, m redrive.Message) error {
	return q.change(ctx, "Queue.Delete", m, func(i int) { q.messages = append(q.messages[:i:i], q.messages[i+1:]...) })
}

// Release is redrive.Queue's.
func (q *Queue) Release(ctx context.Context, m redrive.Message) error {
	return q.change(ctx, "Queue.Release", m, func(i int) { q.messages[i].hidden = false })
}

func (q *Queue) change(ctx context.Context, name string, m redrive.Message, do func(i int)) error {
	return q.Script.call(name, func() error {
		if err := ctx.Err(); err != nil {
			return fmt.Errorf("changing message %s: %w", m.ID, err)
		}
		q.mu.Lock()
		defer q.mu.Unlock()
		for i, one := range q.messages {
			if one.Receipt == m.Receipt {
				do(i)
				return nil
			}
		}
		return fmt.Errorf("changing message %s: its receipt %q is of no message here", m.ID, m.Receipt)
	})
}

// Waiting is redrive.Queue's.
func (q *Queue) Waiting(ctx context.Context) (visible, hidden int, err error) {
	err = q.Script.call("Queue.Waiting", func() error {
		if err := ctx.Err(); err != nil {
			return fmt.Errorf("counting messages: %w", err)
		}
		q.mu.Lock()
		defer q.mu.Unlock()
		for _, m := range q.messages {
			if m.hidden {
				hidden++
			} else {
				visible++
			}
		}
		return nil
	})
	return visible, hidden, err
}
