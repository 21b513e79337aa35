package lambdahandler

import (
	"context"
	"errors"
	"fmt"
	"time"

	"rootguard/internal/guard"
	"rootguard/internal/redrive"
)

var _ redrive.Handler = (*Redriver)(nil)

// Redriver hands to the guard what a function failed on, or what never reached
// it. Users are not checked live: what their state was then is not known now.
// Alerts that wait to be taken over go to the Importer.
type Redriver struct {
	Guard    Guard
	Importer Importer
	Now      func() time.Time
}

// Read is redrive.Handler's.
func (r *Redriver) Read(body []byte) (redrive.Event, error) {
	if alerts, err := Alerts(body); !errors.Is(err, ErrNotSNS) {
		return redrive.Event{Alerts: alerts}, err
	}
	ev, err := Unwrap(body)
	if err != nil {
		return redrive.Event{}, err
	}
	// A heartbeat that comes late proves nothing, so that like a schedule's event it
	// only leaves its queue.
	out := redrive.Event{ID: ev.ID, Scheduled: ev.Scheduled || ev.Heartbeat != ""}
	if out.Scheduled {
		return out, nil
	}
	rec, _, err := ev.Record() // a defect keeps no alert back
	if err != nil {
		return redrive.Event{}, err
	}
	out.Record = &rec
	return out, nil
}

// Readable fails where the body of a message of a queue holds no event, so that no
// redrive can deliver it.
func Readable(body []byte) error {
	_, err := (&Redriver{}).Read(body)
	return err
}

// Handle is redrive.Handler's.
func (r *Redriver) Handle(ctx context.Context, ev redrive.Event) (guard.Result, error) {
	if len(ev.Alerts) > 0 {
		return guard.Result{}, imported(ctx, r.Importer, ev.Alerts, r.Now())
	}
	if ev.Record == nil {
		if _, err := r.Guard.Flush(ctx, r.Now()); err != nil {
			return guard.Result{}, fmt.Errorf("sending roll-ups: %w", err)
		}
		return guard.Result{}, nil
	}
	return r.Guard.Handle(ctx, ev.Record)
}
