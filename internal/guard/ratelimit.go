package guard

import (
	"context"
	"errors"
	"fmt"
	"time"

	"rootguard/internal/alert"
	"rootguard/internal/detect"
)

// How long an alert may have to wait for its rate limit token. Roll-ups wait for
// the shortest time, so that they leave room for alerts, and what is urgent for
// the longest, so that it finds a token beyond those that the others take.
const (
	rollUpWait = time.Second
	alertWait  = 3 * time.Second
	urgentWait = 10 * time.Second

	// publishReserve is what must be left of the context's time to publish, and to
	// record that it was done.
	publishReserve = 5 * time.Second

	// throttledDelay is how long after its event a window is due that holds one for
	// which there was no token, and of which nothing as severe was alerted.
	throttledDelay = time.Minute

	// overdueAfter is how long after it is due a roll-up or a resend stays due for
	// lack of a token. Later it goes out without.
	overdueAfter = 5 * time.Minute

	// UnsentAfter is how long a roll-up may be due and unsent. Longer is a fault, see
	// package health: three runs of the sweep did not send it.
	UnsentAfter = 15 * time.Minute
)

// errRateLimited is that a roll-up or a resend is left due, since others are to be
// published first.
var errRateLimited = errors.New("too many alerts are due at once")

// token waits for a rate limit token. It is false where none comes in time. That
// no tokens can be taken holds nothing back: the alert is worth more.
func (g *Guard) token(ctx context.Context, within time.Duration) bool {
	if g.deps.Limiter == nil {
		return true
	}
	if deadline, limited := ctx.Deadline(); limited {
		within = max(0, min(within, deadline.Sub(g.deps.Now())-publishReserve))
	}
	ok, err := g.deps.Limiter.Wait(ctx, within)
	return ok || err != nil
}

// tokenFor waits for the token of what has been due since a time, and reports
// whether it may be published. What is overdue may, unless the time for a token
// was cut short by the end of this run, whose rest is left to the next.
func (g *Guard) tokenFor(ctx context.Context, due, at time.Time) bool {
	if at.Sub(due) <= overdueAfter {
		return g.token(ctx, rollUpWait)
	}
	return g.token(ctx, urgentWait) || !g.short(ctx, publishReserve+rollUpWait)
}

// overtime reports whether there is too little time left for another roll-up.
func (g *Guard) overtime(ctx context.Context) bool {
	return g.deps.Limiter != nil && g.short(ctx, publishReserve)
}

// limit waits for the token of an event that was granted an alert, and counts it
// in its window where none comes in time. It is true where it was counted.
//
// What is urgent is never counted: it goes out without a token. Nor is an event
// whose alert may have been published before, or one without a window.
func (g *Guard) limit(ctx context.Context, d *decision) (counted bool, err error) {
	if d.urgent() || d.claim.Attempts > 1 || d.window.Key == "" {
		g.token(ctx, urgentWait)
		return false, nil
	}
	if g.token(ctx, alertWait) {
		return false, nil
	}
	err = g.deps.Ledger.Update(ctx, d.claim.Key, d.window.Key, func(c Claim, w Window) (Claim, Window) {
		c, w, counted = g.settings.deferToRollUp(d, c, w, g.deps.Now())
		return c, w
	})
	if err != nil {
		return false, fmt.Errorf("counting event %s, for which there is no rate limit token: %w", d.claim.Finding.EventID, err)
	}
	return counted, nil
}

// urgent reports whether the event is one that a person must see at once.
func (d *decision) urgent() bool {
	return d.claim.Finding.Severity >= detect.Critical || d.claim.Kind == alert.Escalation
}

// deferToRollUp turns a decision to publish into one to count. Both rows may have
// changed since; it is false where they no longer allow it, and stores nothing.
func (s *Settings) deferToRollUp(d *decision, c Claim, w Window, now time.Time) (Claim, Window, bool) {
	if c.State != Leased || c.Attempts != d.claim.Attempts || w.Key == "" || !w.Opened.Equal(d.window.Opened) {
		return Claim{}, Window{}, false
	}
	f := d.claim.Finding
	w.Alerted--
	w.AlertedSeverity = min(w.AlertedSeverity, d.severity)
	w.Pending.add(f, s.Actions, now)
	if w.Alerted == 0 || f.Severity > d.severity {
		due := f.EventTime.Add(throttledDelay)
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

// UnsentSince is since when the window's roll-up could have been sent: when it was
// due, or when the first of what it holds was counted, where that was later, as it
// is of an event that came late.
func (w *Window) UnsentSince() time.Time {
	held := &w.Pending
	if w.Sending != nil {
		held = w.Sending
	}
	return latest(w.Until, held.Since)
}
