package guard

import (
	"context"
	"errors"
	"fmt"
	"time"

	"rootguard/internal/alert"
	"rootguard/internal/detect"
)

// How long an alert may have to wait for its turn to be published. What would
// wait for longer is counted in its window. The three form a queue: roll-ups
// take only its beginning, so that alerts find room, and its end is for those
// that are urgent.
const (
	rollUpWait = time.Second
	alertWait  = 3 * time.Second
	urgentWait = 10 * time.Second

	// turnReserve is what must be left of the context's time to publish, and to
	// note that it was done.
	turnReserve = 5 * time.Second

	// overflow is how long after its event a window is due that holds one for which
	// there was no turn, and of which nothing as severe was alerted.
	overflow = time.Minute
)

// errNoTurn is that a roll-up is left due, since others are to be published first.
var errNoTurn = errors.New("too many alerts are due at once")

// turn waits for a turn to publish. It is false where none comes in time. That
// turns cannot be told holds nothing back: the alert is worth more.
func (g *Guard) turn(ctx context.Context, within time.Duration) bool {
	if g.deps.Pacer == nil {
		return true
	}
	if deadline, limited := ctx.Deadline(); limited {
		within = max(0, min(within, deadline.Sub(g.deps.Now())-turnReserve))
	}
	ok, err := g.deps.Pacer.Turn(ctx, within)
	return ok || err != nil
}

// overtime reports whether there is too little time left for another roll-up.
func (g *Guard) overtime(ctx context.Context) bool {
	return g.deps.Pacer != nil && g.short(ctx, turnReserve)
}

// hold waits for the turn of an event that was granted an alert, and counts it
// in its window where none comes in time. It is true where it was counted.
//
// An event whose alert may have been published before is not counted, and nor is
// one without a window: their alerts go out in any case.
func (g *Guard) hold(ctx context.Context, d *decision) (held bool, err error) {
	urgent := d.urgent()
	certain := d.claim.Attempts > 1 || d.window.Key == ""
	within := alertWait
	if urgent || certain {
		within = urgentWait
	}
	if g.turn(ctx, within) || certain {
		return false, nil
	}
	err = g.deps.Ledger.Update(ctx, d.claim.Key, d.window.Key, func(c Claim, w Window) (Claim, Window) {
		c, w, held = g.settings.hold(d, c, w)
		return c, w
	})
	if err != nil {
		return false, fmt.Errorf("counting event %s, for which it is no turn: %w", d.claim.Finding.EventID, err)
	}
	return held, nil
}

// urgent reports whether the event is one that somebody should see at once.
func (d *decision) urgent() bool {
	return d.claim.Finding.Severity >= detect.Critical || d.claim.Kind == alert.Escalation
}

// hold turns a decision to publish into one to count. Both rows may have changed
// since; it is false where they no longer allow it, and stores nothing.
func (s *Settings) hold(d *decision, c Claim, w Window) (Claim, Window, bool) {
	if c.State != Leased || c.Attempts != d.claim.Attempts || w.Key == "" || !w.Opened.Equal(d.window.Opened) {
		return Claim{}, Window{}, false
	}
	f := d.claim.Finding
	w.Alerted--
	w.AlertedSeverity = min(w.AlertedSeverity, d.severity)
	w.Pending.add(f, s.Actions)
	if w.Alerted == 0 || f.Severity > d.severity || d.urgent() {
		due := f.EventTime.Add(overflow)
		if w.Pending.Soon.IsZero() || due.Before(w.Pending.Soon) {
			w.Pending.Soon = due
		}
		if w.Sending == nil && due.Before(w.Until) {
			w.Until = due
		}
	}
	c.State, c.LeaseUntil, c.Window = Folded, time.Time{}, w.Key
	return c, w, true
}
