package guard

import (
	"context"
	"errors"
	"fmt"
	"time"

	"rootguard/internal/alert"
	"rootguard/internal/detect"
	"rootguard/internal/repeats"
	"rootguard/internal/worker"
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

	// throttledDelay is how long after its event a group is due that holds one for
	// which there was no token, and of which nothing as severe was alerted.
	throttledDelay = time.Minute

	// overdueAfter is how long after it is due a roll-up or a resend stays due for
	// lack of a token. Later it goes out without.
	overdueAfter = 5 * time.Minute

	// UnsentAfter is how long a roll-up may be due and unsent. Longer is a fault, see
	// package health: three runs of the sweep did not send it.
	UnsentAfter = 15 * time.Minute
)

// ErrRateLimited is that a roll-up or a resend is left due, since others are to be
// published first.
var ErrRateLimited = errors.New("too many alerts are due at once")

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

// TokenFor waits for the token of what has been due since a time, and reports
// whether it may be published. What is overdue may, unless the time for a token
// was cut short by the end of this run, whose rest is left to the next.
func (g *Guard) TokenFor(ctx context.Context, due, at time.Time) bool {
	if at.Sub(due) <= overdueAfter {
		return g.token(ctx, rollUpWait)
	}
	return g.token(ctx, urgentWait) || !g.short(ctx, publishReserve+rollUpWait)
}

func (g *Guard) short(ctx context.Context, need time.Duration) bool {
	return worker.Short(ctx, g.deps.Now(), need)
}

// limit waits for the token of an event that was granted an alert, and folds it
// where none comes in time. It is true where it was folded, and is to be counted.
//
// What is urgent is never folded: it goes out without a token. Nor is an event
// whose alert may have been published before, or one without a series.
func (g *Guard) limit(ctx context.Context, d *decision) (throttled bool, err error) {
	if d.urgent() || d.claim.Attempts > 1 || d.claim.Series == "" {
		g.token(ctx, urgentWait)
		return false, nil
	}
	if g.token(ctx, alertWait) {
		return false, nil
	}
	folded := d.claim
	err = g.deps.Claims.Update(ctx, d.claim.Key, d.claim.Series, func(c Claim, sr repeats.Series) (Claim, repeats.Series) {
		c, sr, throttled = g.settings.throttle(d, c, sr, g.deps.Now())
		if throttled {
			folded = c
		}
		return c, sr
	})
	if err != nil {
		return false, fmt.Errorf("counting event %s, for which there is no rate limit token: %w", d.claim.Finding.EventID, err)
	}
	d.claim = folded
	return throttled, nil
}

// urgent reports whether the event is one that a person must see at once.
func (d *decision) urgent() bool {
	return d.claim.Finding.Severity >= detect.Critical || d.claim.Kind == alert.Escalation
}

// throttle turns a decision to publish into one to fold. Both rows may have
// changed since; it is false where they no longer allow it, and stores nothing.
func (s *Settings) throttle(d *decision, c Claim, sr repeats.Series, now time.Time) (Claim, repeats.Series, bool) {
	if c.State != Leased || c.Attempts != d.claim.Attempts || sr.Key == "" {
		return Claim{}, repeats.Series{}, false
	}
	f := c.Finding
	at, span := eventAt(f, now), s.span(f.ID)
	sr.Revoke(c.Key, span)
	opened := at.Truncate(span)
	n := sr.Near(opened, at, now, span)
	c.State, c.LeaseUntil, c.Group = Folded, time.Time{}, groupKey(sr.Key, opened)
	c.Throttled, c.Soon = true, n.Alerts == 0 && !n.Quiet || f.Severity > n.Severity
	return c, sr, true
}
