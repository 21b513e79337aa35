package guard

import (
	"context"
	"errors"
	"fmt"
	"time"

	"rootguard/internal/alert"
)

// maxFailures is how many roll-ups in a row may fail before Flush takes it that
// the rest would too. What no retry cures is a fault of the one, and not counted.
const maxFailures = 5

// Flush publishes the roll-up of every window that was over by the given time
// and holds something unsent, until none is due. A roll-up that fails stays due
// and does not keep the others back, unless several fail in a row. Where there is
// no rate limit token for more, or time is short, the rest stays due. published counts those
// that were sent.
func (g *Guard) Flush(ctx context.Context, at time.Time) (published int, err error) {
	var errs []error
	passed := map[string]bool{} // failed, or being sent by another invocation
	failures := 0
	for {
		due, err := g.deps.Ledger.Due(ctx, at, g.settings.Batch+len(passed))
		if !listed(&errs, "windows due", err) {
			return published, errors.Join(errs...)
		}
		fresh := false
		for _, w := range due {
			if passed[w.Key] {
				continue
			}
			if g.overtime(ctx) {
				return published, errors.Join(errs...)
			}
			fresh = true
			sent, err := g.rollUp(ctx, w, at)
			switch {
			case errors.Is(err, errRateLimited): // the rest would get none either, and stays due
				return published, errors.Join(errs...)
			case err != nil:
				errs = append(errs, err)
				passed[w.Key] = true
				if Retryable(err) {
					failures++
				}
				if failures >= maxFailures || ctx.Err() != nil {
					return published, errors.Join(errs...)
				}
			case sent:
				published++
				failures = 0
			default:
				passed[w.Key] = true
			}
		}
		if !fresh {
			return published, errors.Join(errs...)
		}
	}
}

// rollUp publishes what a window holds, if it is over by the given time. sent
// is false where another invocation does so or did, or where nothing is due.
//
// What is to be sent is first cut off from what the window goes on collecting,
// in the transaction that takes the lease. A retry after a crash therefore
// tells the same under the same alert ID, and an event folded in meanwhile is
// neither lost nor counted twice.
func (g *Guard) rollUp(ctx context.Context, w Window, at time.Time) (sent bool, err error) {
	key := rollUpKey(&w)
	var d decision
	err = g.deps.Ledger.Update(ctx, key, w.Key, func(c Claim, cur Window) (Claim, Window) {
		d = g.settings.decideRollUp(key, c, cur, &w, at, g.deps.Now())
		return d.claim, d.window
	})
	if err != nil {
		return false, fmt.Errorf("claiming roll-up %s: %w", key, err)
	}
	if d.verdict != publish {
		return false, nil
	}

	if !g.tokenFor(ctx, w.Until, at) {
		return false, errors.Join(errRateLimited, g.settle(ctx, key, "", d.undo))
	}
	f, held := d.window.Finding, d.window.Sending
	f.Severity = held.Severity
	a := alert.Alert{
		Schema: alert.Schema, ID: d.claim.AlertID, Kind: alert.RollUp, AccountName: g.deps.AccountName(f.Account), Finding: f,
		Count: held.Count, Actions: held.Actions, ActionsOmitted: held.Omitted, FirstTime: held.First, LastTime: held.Last,
		Took: d.claim.Took, Late: held.Late,
	}
	// Where its incident cannot be stored it goes out without: the alert that
	// opened the window has one.
	a.Incident, err = g.enlist(ctx, &a)
	if err != nil && held.Late && d.claim.Attempts == 1 { // no alert opened the window
		return false, errors.Join(err, g.settle(ctx, key, "", d.undo))
	}
	one, cancel := g.publishing(ctx, &d)
	defer cancel()
	if pubErr := g.deps.Publisher.Publish(one, a); pubErr != nil {
		d.took = tookOf(pubErr)
		pubErr = fmt.Errorf("publishing roll-up %s: %w", key, pubErr)
		return false, errors.Join(pubErr, err, g.settle(ctx, key, "", d.undo))
	}
	settled := g.settle(ctx, key, w.Key, func(c Claim, cur Window) (Claim, Window) {
		if c.Key == "" {
			c = d.claim // the row expired
		}
		c.State, c.LeaseUntil, c.Took = Sent, time.Time{}, nil
		if !same(&cur, &d.window) {
			return c, Window{}
		}
		cur.Sending = nil
		cur.RollUps++
		cur.Until = cur.Until.Add(g.settings.span(cur.Finding.ID))
		if soon := cur.Pending.Soon; !soon.IsZero() && soon.Before(cur.Until) {
			cur.Until = soon
		}
		return c, cur
	})
	return settled == nil, errors.Join(settled, err)
}

// same reports whether two versions of a window are about the same roll-up.
func same(a, b *Window) bool {
	return a.Key == b.Key && a.RollUps == b.RollUps && a.Opened.Equal(b.Opened)
}

func (s *Settings) decideRollUp(key string, c Claim, cur Window, seen *Window, at, now time.Time) decision {
	switch {
	case !same(&cur, seen), !cur.Unsent(), cur.Until.After(at):
		return decision{verdict: duplicate}
	case s.leased(&c, now):
		return decision{verdict: busy}
	}
	if cur.Sending == nil {
		sending := cur.Pending
		sending.Severity, sending.Late = cur.Finding.Severity, cur.Alerted == 0
		cur.Sending, cur.Pending = &sending, Held{}
	}
	c.Key, c.State, c.LeaseUntil = key, Leased, now.Add(s.Lease)
	c.Attempts++
	c.Kind, c.AlertID, c.Window = alert.RollUp, alertID(key), cur.Key
	return decision{verdict: publish, claim: c, window: cur}
}
