package lambdahandler

import (
	"context"
	"fmt"
	"time"

	"rootguard/internal/guard"
	"rootguard/internal/redrive"
)

var _ redrive.Handler = (*Redriver)(nil)

// Redriver hands to the guard what a function failed on, or what never reached
// it. Users are not checked live: what their state was then is not known now.
type Redriver struct {
	Guard Guard
	Now   func() time.Time
}

// Read is redrive.Handler's.
func (r *Redriver) Read(body []byte) (redrive.Event, error) {
	ev, err := Unwrap(body)
	if err != nil {
		return redrive.Event{}, err
	}
	out := redrive.Event{ID: ev.ID, Scheduled: ev.Scheduled}
	if ev.Scheduled {
		return out, nil
	}
	rec, _, err := ev.Record() // a defect keeps no alert back
	if err != nil {
		return redrive.Event{}, err
	}
	out.Record = &rec
	return out, nil
}

// Handle is redrive.Handler's.
func (r *Redriver) Handle(ctx context.Context, ev redrive.Event) (guard.Result, error) {
	if ev.Record == nil {
		if _, err := r.Guard.Flush(ctx, r.Now()); err != nil {
			return guard.Result{}, fmt.Errorf("sending roll-ups: %w", err)
		}
		return guard.Result{}, nil
	}
	return r.Guard.Handle(ctx, ev.Record)
}
