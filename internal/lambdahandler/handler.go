// Package lambdahandler is what the Lambda functions do with an event: hand its
// record to the guard, check the user or root it is about live, send the
// roll-ups that are due, and write one line of log with the outcome and the
// metrics.
package lambdahandler

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"sync/atomic"
	"time"

	"rootguard/internal/bootstrap"
	"rootguard/internal/cloudtrail"
	"rootguard/internal/detect"
	"rootguard/internal/failure"
	"rootguard/internal/guard"
	"rootguard/internal/health"
	"rootguard/internal/incident"
	"rootguard/internal/mfadeadline"
)

// Guard is the use case.
type Guard interface {
	Handle(ctx context.Context, rec *cloudtrail.Record) (guard.Result, error)
	Flush(ctx context.Context, at time.Time) (published int, err error)
}

// Users reports the state of a user of an account.
type Users interface {
	User(ctx context.Context, account, name string) (bootstrap.LiveFact, error)
}

// Roots reports the state of the root user of an account.
type Roots interface {
	AccountSummary(ctx context.Context, account string) (bootstrap.LiveFact, error)
}

// PermissionSets reports whether the role of a permission set has administrator rights.
type PermissionSets interface {
	AdminRole(ctx context.Context, account, role string) (bool, error)
}

// Sweeper checks the users whose time has come.
type Sweeper interface {
	Sweep(ctx context.Context, live mfadeadline.UserChecker, at time.Time) (mfadeadline.Swept, error)
}

// Task is work that a schedule brings, besides the sweep of users.
type Task struct {
	Name string // in the log
	// Run does what is due at a time and returns what it did, for the log; the
	// zero Value is nothing. What it has no time for is still due the next time.
	Run func(ctx context.Context, at time.Time) (slog.Value, error)
}

// Heartbeats notes the heartbeats that come. known is false of one that is not on file.
type Heartbeats interface {
	Received(ctx context.Context, id, function string, at time.Time) (b health.Heartbeat, known bool, err error)
}

// Facts keeps what a live check found.
type Facts interface {
	Add(ctx context.Context, facts []bootstrap.Fact) (added int, err error)
}

// Deps are what a Handler works with.
type Deps struct {
	Guard      Guard          // its Publisher must be Counted
	Users      Users          // nil: users are not checked live
	Roots      Roots          // nil: root users are not checked live
	Sets       PermissionSets // nil: roles of permission sets are not checked live
	Sweeper    Sweeper        // of the function whose schedule sweeps, which has Users too; else nil
	Tasks      []Task         // of the same function, in the order in which they are done
	First      []Task         // those that are done before the sweep
	Facts      Facts
	Heartbeats Heartbeats   // nil: of a function at which no heartbeat comes out
	Name       string       // the function's, for Heartbeats: "iamuser"
	Metrics    bool         // CloudWatch makes metrics of the values in the log
	Logger     *slog.Logger // of JSON, or CloudWatch finds no metrics in it
	Now        func() time.Time
}

// Handler handles invocations. It is safe for concurrent use.
type Handler struct {
	deps    Deps
	flushed atomic.Int64 // when roll-ups were last sent, in ns since 1970
}

// New returns a Handler.
func New(deps Deps) *Handler { return &Handler{deps: deps} }

const (
	// reserve is kept of an invocation's time for noting how far it came.
	reserve = 2 * time.Second
	// checkTimeout bounds a live check, which is worth less than an alert.
	checkTimeout = 5 * time.Second
	// flushEvery spares a busy function from asking with every event what is due.
	flushEvery = time.Minute
)

// Handle handles one event. An error makes Lambda call again, twice, and then
// hand the event to the function's on-failure destination; that is so for a
// permanent error too, since nothing else would keep the event.
func (h *Handler) Handle(ctx context.Context, payload json.RawMessage) error {
	o := &outcome{start: h.deps.Now()}
	work := context.WithValue(ctx, tallyKey{}, &o.tally)
	if deadline, ok := ctx.Deadline(); ok {
		var cancel context.CancelFunc
		work, cancel = context.WithDeadline(work, deadline.Add(-reserve))
		defer cancel()
	}
	o.err = h.handle(work, payload, o)
	o.log(ctx, h.deps.Logger, h.deps.Now(), h.deps.Metrics)
	return o.err
}

func (h *Handler) handle(ctx context.Context, payload json.RawMessage, o *outcome) error {
	ev, err := Unwrap(payload)
	if err != nil {
		return failure.Permanent(err)
	}
	o.event = ev
	if ev.Scheduled {
		// What is due is judged by the time at which the schedule was: a call that
		// comes late, or again, finds what it would have found.
		at := ev.Time
		if at.IsZero() {
			at = h.deps.Now()
		}
		ctx = incident.AsOf(ctx, at)
		first := h.tasks(ctx, o, at, h.deps.First, len(h.deps.Tasks)+2)
		swept := h.sweep(ctx, o, at, len(h.deps.Tasks)+2)
		rest := errors.Join(h.tasks(ctx, o, at, h.deps.Tasks, 1), h.flush(ctx, o, at))
		if swept == nil && o.swept.More { // its share was short, and no other needs what is left
			swept = h.sweep(ctx, o, at, 1)
		}
		return errors.Join(first, swept, rest)
	}
	if ev.Heartbeat != "" {
		return h.heartbeat(ctx, o)
	}
	rec, defects, err := ev.Record()
	if err != nil {
		return failure.Permanent(err)
	}
	o.record, o.defects = &rec, defects

	if !rec.Category.IsCall() { // a rule of one's own, or a redrive, may send such events
		o.result = guard.Result{Disposition: guard.Ignored, Outcome: detect.Outcome{Kind: detect.Skipped,
			Reason: "no call: an event of the category " + rec.Category.String()}}
		return nil
	}
	o.result, err = h.deps.Guard.Handle(ctx, &rec)
	if o.result.Disposition == guard.Alerted && !o.result.Outcome.Finding.EventTime.IsZero() {
		o.latency = max(0, h.deps.Now().Sub(o.result.Outcome.Finding.EventTime))
	}
	err = errors.Join(err, h.check(ctx, &rec, o))
	if err != nil || o.start.UnixNano()-h.flushed.Load() < int64(flushEvery) {
		return err // the roll-ups can wait for an invocation that goes well
	}
	// This event is handled, whatever becomes of the roll-ups of others: what is due
	// stays due, for the sweep at the latest.
	if o.flushErr = h.flush(ctx, o, h.deps.Now()); o.flushErr != nil && o.tally.publishErrors.Load() == 0 {
		o.tally.publishErrors.Add(1)
	}
	return nil
}

// heartbeat notes that a heartbeat came. One that is not on file proves nothing,
// and is no error.
func (h *Handler) heartbeat(ctx context.Context, o *outcome) error {
	o.beat = &arrived{result: "nothing waits for it here"}
	if h.deps.Heartbeats == nil {
		return nil
	}
	b, known, err := h.deps.Heartbeats.Received(ctx, o.event.Heartbeat, h.deps.Name, h.deps.Now())
	switch {
	case err != nil:
		o.beat.result = "not recorded"
		return fmt.Errorf("noting heartbeat %s: %w", o.event.Heartbeat, err)
	case !known:
		o.beat.result = "it is not on file"
	default:
		o.beat.result, o.beat.latency = "recorded", max(0, b.Received[h.deps.Name].Sub(b.Put))
	}
	return nil
}

// sweep checks users in one of n parts of the time left, and adds to what was swept.
func (h *Handler) sweep(ctx context.Context, o *outcome, at time.Time, n int) error {
	if h.deps.Sweeper == nil {
		return nil
	}
	share, cancel := h.share(ctx, n)
	defer cancel()
	swept, err := h.deps.Sweeper.Sweep(share, h.deps.Users, at)
	o.swept = o.swept.With(swept)
	if err != nil {
		return fmt.Errorf("sweeping: %w", err)
	}
	return nil
}

// tasks does them all: the fault of one keeps no other back, and each gets an
// equal share of the time left, of which as many shares are kept for what comes after.
func (h *Handler) tasks(ctx context.Context, o *outcome, at time.Time, tasks []Task, after int) error {
	var errs []error
	for i, c := range tasks {
		share, cancel := h.share(ctx, len(tasks)-i+after)
		did, err := c.Run(share, at)
		cancel()
		if err != nil {
			errs = append(errs, fmt.Errorf("%s: %w", c.Name, err))
		}
		if !did.Equal(slog.Value{}) {
			o.tasks = append(o.tasks, slog.Attr{Key: c.Name, Value: did})
		}
	}
	return errors.Join(errs...)
}

// share is a context with one of n parts of the time left.
func (h *Handler) share(ctx context.Context, n int) (context.Context, context.CancelFunc) {
	end, ok := ctx.Deadline()
	if !ok {
		return context.WithCancel(ctx)
	}
	now := h.deps.Now()
	return context.WithDeadline(ctx, now.Add(end.Sub(now)/time.Duration(n)))
}

func (h *Handler) flush(ctx context.Context, o *outcome, at time.Time) (err error) {
	if o.rollUps, err = h.deps.Guard.Flush(ctx, at); err != nil {
		return fmt.Errorf("sending roll-ups: %w", err)
	}
	h.flushed.Store(o.start.UnixNano())
	return nil
}
