// Package redrive hands the events that wait in queues of failures to the guard
// again. A message is deleted only when its event was handled: anyone who dies in
// between leaves it on its queue, and the guard's claims see to it that no alert
// is sent for it a second time.
package redrive

import (
	"context"
	"errors"
	"fmt"
	"time"

	"rootguard/internal/alert"
	"rootguard/internal/cloudtrail"
	"rootguard/internal/guard"
)

// Message is one message of a queue.
type Message struct {
	ID       string
	Body     []byte
	Sent     time.Time
	Receives int    // how often it was received, this time included
	Receipt  string // of this receipt; what the queue deletes and releases by
}

// Queue is a queue that events wait in.
type Queue interface {
	// Receive returns some messages, none where no visible one waits, and hides
	// them from other receivers for longer than it takes to handle them.
	Receive(ctx context.Context) ([]Message, error)
	// Delete takes a message from the queue.
	Delete(ctx context.Context, m Message) error
	// Release makes a message visible again at once.
	Release(ctx context.Context, m Message) error
	// Waiting is about how many messages are visible, and how many are hidden
	// since a receiver has them.
	Waiting(ctx context.Context) (visible, hidden int, err error)
}

// Event is what a message holds.
type Event struct {
	ID        string             // of the EventBridge event
	Record    *cloudtrail.Record // nil of a schedule, which only asks what is due
	Scheduled bool
	Alerts    []alert.Published // published, and not taken over into Security Hub
}

// Handler reads and handles what waits.
type Handler interface {
	// Read fails where the body is no event that could ever be handled.
	Read(body []byte) (Event, error)
	Handle(ctx context.Context, ev Event) (guard.Result, error)
}

// State is what became of a message.
type State string

// The states. Only a message that was Delivered, a Duplicate or Discarded is deleted.
const (
	Waiting   State = "waiting"   // seen in a dry run
	Delivered State = "delivered" // handled now
	Duplicate State = "duplicate" // its alert had been sent before
	Malformed State = "malformed" // no event
	Discarded State = "discarded" // no event, and deleted as asked
	Busy      State = "busy"      // another process handles the event, or died doing so a moment ago
	Failed    State = "failed"
)

// Item is one message and what became of it.
type Item struct {
	Queue   string
	Message Message
	Event   Event
	State   State
	Result  guard.Result
	Err     error // of a Malformed, Busy or Failed one
}

// Summary counts messages.
type Summary struct {
	Waiting    int `json:"waiting"` // in a dry run
	Delivered  int `json:"delivered"`
	Duplicates int `json:"duplicates"`
	Malformed  int `json:"malformed"`
	Discarded  int `json:"discarded"`
	Busy       int `json:"busy"`
	Failed     int `json:"failed"`

	// Hidden messages were never seen, and are on a queue when the run ends: another
	// process received them, or the answer that carried them was lost on its way.
	Hidden int `json:"hidden"`

	// LimitReached says that more may wait.
	LimitReached bool `json:"limit_reached"`
}

// Seen is how many messages were checked.
func (s *Summary) Seen() int {
	return s.Waiting + s.Delivered + s.Duplicates + s.Malformed + s.Discarded + s.Busy + s.Failed
}

func (s *Summary) count(state State) {
	switch state {
	case Waiting:
		s.Waiting++
	case Delivered:
		s.Delivered++
	case Duplicate:
		s.Duplicates++
	case Malformed:
		s.Malformed++
	case Discarded:
		s.Discarded++
	case Busy:
		s.Busy++
	case Failed:
		s.Failed++
	}
}

// Named is a queue and its name for people.
type Named struct {
	Name  string
	Queue Queue
}

// Options say what to redrive and how.
type Options struct {
	Queues  []Named
	Handler Handler
	DryRun  bool // only list what waits

	// Discard are the IDs of messages to delete where they are malformed. One that
	// holds an event is handled like any other.
	Discard map[string]bool

	Limit   int           // messages checked in all; 0: 10,000
	Timeout time.Duration // for one message, less than the guard's lease; 0: 30 s

	// Report is reported every message when it is done. An error of it ends the
	// run. It may be nil.
	Report func(Item) error

	// Sleep waits between two counts of what is hidden; nil does not wait.
	Sleep func(ctx context.Context, d time.Duration) error
}

const (
	defaultLimit   = 10_000
	defaultTimeout = 30 * time.Second
	// maxFailures in a row make it likely that the next would fail as well.
	maxFailures = 5
	// releaseTimeout bounds how long giving back what is left may take.
	releaseTimeout = 10 * time.Second
)

// recounts are the waits before what is hidden is counted again. SQS's counts lag
// behind a deletion (Amazon SQS Developer Guide, "Available CloudWatch metrics":
// approximate, and consistent about a minute later).
var recounts = []time.Duration{2 * time.Second, 5 * time.Second, 10 * time.Second}

// ErrGaveUp is returned when message after message failed.
var ErrGaveUp = errors.New("gave up")

// Run checks every message of the queues once. It fails where a queue cannot
// be read, where ctx ends, and with ErrGaveUp; a message that fails is an Item
// and no error. What is not deleted is visible again when it returns. The message
// being handled when ctx ends is handled to its end.
func Run(ctx context.Context, opt Options) (Summary, error) {
	if opt.Limit <= 0 {
		opt.Limit = defaultLimit
	}
	if opt.Timeout <= 0 {
		opt.Timeout = defaultTimeout
	}
	r := runner{opt: &opt}
	var errs []error
	for _, q := range opt.Queues {
		if err := r.empty(ctx, q); err != nil {
			errs = append(errs, err)
			if r.stopped {
				break
			}
		}
	}
	return r.sum, errors.Join(errs...)
}

type runner struct {
	opt      *Options
	sum      Summary
	failures int  // in a row
	stopped  bool // no further queue is checked
}

// empty works through one queue, gives back what is left, and counts what it
// never saw.
func (r *runner) empty(ctx context.Context, q Named) error {
	left := map[string]Message{} // by ID: received and not deleted
	err := r.drain(ctx, q, left)
	release(ctx, q.Queue, left)
	if err != nil || r.sum.LimitReached {
		return err
	}
	hidden, err := r.hidden(ctx, q.Queue)
	if err != nil {
		return fmt.Errorf("redriving %s: counting what is left: %w", q.Name, err)
	}
	r.sum.Hidden += hidden
	return nil
}

// hidden counts the messages that a receiver has, though this run has given back
// all of its own. It counts again for as long as the count may only be late.
func (r *runner) hidden(ctx context.Context, q Queue) (int, error) {
	for i := 0; ; i++ {
		_, hidden, err := q.Waiting(ctx)
		if err != nil || hidden == 0 || i == len(recounts) {
			return hidden, err
		}
		if r.opt.Sleep == nil {
			continue
		}
		if err := r.opt.Sleep(ctx, recounts[i]); err != nil {
			return hidden, err
		}
	}
}

//nolint:gocognit // one loop whose order is what it promises
func (r *runner) drain(ctx context.Context, q Named, left map[string]Message) error {
	for r.sum.Seen() < r.opt.Limit {
		if err := context.Cause(ctx); err != nil {
			r.stopped = true
			return fmt.Errorf("redriving %s: %w", q.Name, err)
		}
		batch, err := q.Queue.Receive(ctx)
		if err != nil {
			r.stopped = ctx.Err() != nil
			return fmt.Errorf("redriving %s: %w", q.Name, err)
		}
		fresh := false
		for i, m := range batch {
			_, again := left[m.ID]
			left[m.ID] = m
			if again {
				continue
			}
			if r.sum.Seen() >= r.opt.Limit || ctx.Err() != nil {
				for _, rest := range batch[i:] {
					left[rest.ID] = rest
				}
				break
			}
			fresh = true
			gone, err := r.message(ctx, q, m)
			if gone {
				delete(left, m.ID)
			}
			if err != nil {
				r.stopped = true
				for _, rest := range batch[i+1:] {
					left[rest.ID] = rest
				}
				return err
			}
		}
		if !fresh && ctx.Err() == nil {
			return nil // empty, or only what is left has come around again
		}
	}
	r.sum.LimitReached = true
	return nil
}

// message handles one message. gone says that it is no longer on the queue.
func (r *runner) message(ctx context.Context, q Named, m Message) (gone bool, err error) {
	it := Item{Queue: q.Name, Message: m}
	if it.Event, it.Err = r.opt.Handler.Read(m.Body); it.Err != nil {
		it.State = Malformed
		if !r.opt.Discard[m.ID] || r.opt.DryRun {
			return false, r.done(it)
		}
		if err := q.Queue.Delete(ctx, m); err != nil {
			it.State, it.Err = Failed, fmt.Errorf("discarding: %w", err)
			return false, r.done(it)
		}
		it.State, it.Err = Discarded, nil
		return true, r.done(it)
	}
	if r.opt.DryRun {
		it.State = Waiting
		return false, r.done(it)
	}
	work, cancel := context.WithTimeout(context.WithoutCancel(ctx), r.opt.Timeout)
	defer cancel()
	it.Result, it.Err = r.opt.Handler.Handle(work, it.Event)
	switch {
	case errors.Is(it.Err, guard.ErrBusy):
		it.State = Busy
		return false, r.done(it)
	case it.Err != nil:
		it.State = Failed
		return false, r.done(it)
	}
	if err := q.Queue.Delete(work, m); err != nil {
		it.State = Failed
		it.Err = fmt.Errorf("handled, but still on the queue, so that the next redrive counts it as a duplicate: %w", err)
		return false, r.done(it)
	}
	it.State = Delivered
	if it.Result.Disposition == guard.Duplicate {
		it.State = Duplicate
	}
	return true, r.done(it)
}

// done counts and reports an item.
func (r *runner) done(it Item) error {
	r.sum.count(it.State)
	switch it.State {
	case Failed:
		r.failures++
	case Delivered, Duplicate, Discarded:
		r.failures = 0
	case Waiting, Malformed, Busy: // say nothing about whether others would fail
	}
	if r.opt.Report != nil {
		if err := r.opt.Report(it); err != nil {
			return err
		}
	}
	if r.failures >= maxFailures {
		return fmt.Errorf("redriving %s: %w after %d failures in a row; the rest is left on the queue", it.Queue, ErrGaveUp, r.failures)
	}
	return nil
}

// release gives back what is left. Where that fails, the messages become visible
// by themselves a little later.
func release(ctx context.Context, q Queue, left map[string]Message) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), releaseTimeout)
	defer cancel()
	for _, m := range left {
		if ctx.Err() != nil {
			return
		}
		_ = q.Release(ctx, m)
	}
}
