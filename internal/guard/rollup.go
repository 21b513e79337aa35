package guard

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"rootguard/internal/alert"
	"rootguard/internal/detect"
	"rootguard/internal/keys"
	"rootguard/internal/repeats"
	"rootguard/internal/worker"
)

// Flush publishes the roll-up of every group that is due by the given time
// and holds something unsent, until none is due. A roll-up that fails is put off by
// itself. Where there is no rate limit token for more, or time is short, the rest
// stays due. published counts those that were sent.
func (g *Guard) Flush(ctx context.Context, at time.Time) (published int, err error) {
	loop := worker.Loop[Group]{
		What: "groups due", At: at, Now: g.deps.Now, Page: g.settings.Batch, Batch: 1, GiveUp: 5, Backoff: worker.AfterFailure(),
		Due: g.deps.Claims.Due,
		Row: func(gr *Group) (string, int) { return gr.Key, gr.Failures },
		Do: worker.One(func(ctx context.Context, gr *Group) worker.Result {
			if gr.Of == "" && g.collects(gr) {
				return worker.Result{Outcome: worker.Left} // its collector sends it
			}
			sent, err := g.sendGroup(ctx, *gr, at)
			switch {
			case sent:
				published++
				return worker.Result{Outcome: worker.Moved}
			case err == nil:
				return worker.Result{Outcome: worker.Left}
			case len(DeliveredTo(err)) > 0: // a topic that is gone holds back none of the others
				return worker.Result{Outcome: worker.Left, Err: err}
			default:
				return ResultOf(err)
			}
		}),
		PutOff: g.putOff,
	}
	if g.deps.Limiter != nil {
		loop.Reserve = publishReserve
	}
	run := loop.Run(ctx)
	if err := run.Err(); err != nil || ctx.Err() == nil {
		return published, err
	}
	return published, fmt.Errorf("publishing the roll-ups that are due: %w", ctx.Err())
}

func (g *Guard) sendGroup(ctx context.Context, gr Group, at time.Time) (sent bool, err error) {
	if !g.collects(&gr) {
		return g.rollUp(ctx, gr, at)
	}
	n, err := g.deps.Batches.SendBatch(ctx, g, gr, keys.Latest(at, g.deps.Now()))
	return n > 0 && err == nil, err //nolint:wrapcheck // it says which batch
}

// collects reports whether a group is one of Deps.Batches.
func (g *Guard) collects(gr *Group) bool { return g.deps.Batches != nil && g.deps.Batches.Has(gr.Key) }

// putOff stores that a group's roll-up failed, unless the group has changed.
func (g *Guard) putOff(ctx context.Context, gr *Group, failures int, until time.Time) (stored bool, err error) {
	if until = keys.Dated(until); until.IsZero() {
		return false, nil // the end of all times is flushed: there is no later
	}
	err = g.deps.Claims.UpdateGroup(ctx, gr.Key, func(cur Group) Group {
		if stored = cur.Sent == gr.Sent && cur.RollUps == gr.RollUps && cur.Unsent(); !stored {
			return Group{}
		}
		cur.Failures, cur.Retry = failures, until
		return cur
	})
	return stored, err //nolint:wrapcheck // the loop says which row
}

// rollUp publishes what a group holds. sent is false where another invocation does
// so or did, or where there is nothing to report.
//
// Its batch is sealed first, so that a retry after a crash reports the same under
// the same alert ID, and an event that comes meanwhile is neither lost nor counted
// twice.
func (g *Guard) rollUp(ctx context.Context, gr Group, at time.Time) (sent bool, err error) {
	key := RollUpKey(&gr)
	var d decision
	err = g.deps.Claims.Update(ctx, key, gr.Series, func(c Claim, sr repeats.Series) (Claim, repeats.Series) {
		d = g.settings.decideRollUp(key, c, sr, &gr, g.deps.Now())
		if d.verdict != publish {
			return Claim{}, repeats.Series{}
		}
		return d.claim, repeats.Series{}
	})
	switch {
	case err != nil:
		return false, fmt.Errorf("claiming roll-up %s: %w", key, err)
	case d.verdict == duplicate: // who sent it may have died before it was noted
		return false, g.rolledUp(ctx, &gr)
	case d.verdict != publish:
		return false, nil
	}
	release := func(err error) (bool, error) {
		return false, errors.Join(err, g.complete(ctx, key, "", d.undo(&g.settings)))
	}
	if !g.TokenFor(ctx, gr.Until, at) {
		return release(ErrRateLimited)
	}
	a, err := g.rollUpOf(ctx, &gr, &d.claim)
	if err != nil {
		return release(err)
	}
	var unlisted error
	if a.Count > 0 {
		// Where its incident cannot be stored it goes out without: the alert that
		// it repeats has one.
		a.Incident, unlisted = g.attach(ctx, &a)
		if unlisted != nil && a.Late && d.claim.Attempts == 1 { // there was no alert
			return release(unlisted)
		}
		one, cancel := g.publishing(ctx, &d)
		defer cancel()
		if err := g.deps.Publisher.Publish(one, a); err != nil {
			d.deliveredTo = DeliveredTo(err)
			sent, err := release(errors.Join(fmt.Errorf("publishing roll-up %s: %w", key, err), unlisted))
			return sent, errors.Join(err, g.leaveBehind(ctx, &d, &gr))
		}
	}
	err = g.complete(ctx, key, "", func(c Claim, _ repeats.Series) (Claim, repeats.Series) {
		if c.Key == "" {
			c = d.claim // the row expired
		}
		c.State, c.LeaseUntil, c.DeliveredTo = Sent, time.Time{}, nil
		return c, repeats.Series{}
	})
	if err == nil {
		err = g.rolledUp(ctx, &gr)
	}
	return a.Count > 0 && err == nil, errors.Join(err, unlisted)
}

// leaveBehind lets a group go on whose roll-up only some receivers have.
func (g *Guard) leaveBehind(ctx context.Context, d *decision, gr *Group) error {
	if len(d.deliveredTo) == 0 || gr.Of != "" || gr.old() {
		return nil
	}
	if err := LeaveBehind(ctx, g.deps.Claims, gr, g.deps.Now()); err != nil {
		return err
	}
	return g.rolledUp(ctx, gr)
}

func (s *Settings) decideRollUp(key string, c Claim, sr repeats.Series, gr *Group, now time.Time) decision {
	switch {
	case c.State == Sent:
		return decision{verdict: duplicate}
	case c.Held(now, s.Lease):
		return decision{verdict: busy}
	}
	if c.Cut == nil {
		n := sr.Near(gr.Opened, gr.Opened, now, s.span(gr.Finding.ID))
		c.Cut = &Cut{Severity: sr.Severity(gr.Opened, s.span(gr.Finding.ID)), Late: n.Alerts == 0 && !n.Quiet}
	}
	c.Key, c.State, c.LeaseUntil = key, Leased, now.Add(s.Lease)
	c.Attempts++
	c.Kind, c.AlertID, c.Series = alert.RollUp, keys.Alert(key), cmp.Or(gr.Of, gr.Key)
	return decision{verdict: publish, claim: c}
}

// rollUpOf is the alert of what a group's next batch holds, which it seals. Its
// Count is 0 where that is nothing.
func (g *Guard) rollUpOf(ctx context.Context, gr *Group, c *Claim) (alert.Alert, error) {
	a := alert.Alert{
		Schema: alert.Schema, ID: c.AlertID, Kind: alert.RollUp, AccountName: g.deps.AccountName(gr.Finding.Account), Finding: gr.Finding,
		DeliveredTo: c.DeliveredTo,
	}
	if gr.old() {
		held, err := g.cutOld(ctx, *gr)
		a.Finding.Severity, a.Late = held.Severity, held.Late
		a.Count, a.Actions, a.ActionsOmitted, a.FirstTime, a.LastTime = held.Count, held.Actions, held.Omitted, held.First, held.Last
		return a, err
	}
	group, batch := gr.Next()
	keys, err := g.deps.Claims.Seal(ctx, group, batch)
	if err != nil {
		return a, fmt.Errorf("sealing a batch of group %s: %w", gr.Key, err)
	}
	claims, err := g.deps.Claims.Read(ctx, keys[:min(len(keys), maxReported)])
	if err != nil {
		return a, fmt.Errorf("reading the events of group %s: %w", gr.Key, err)
	}
	a.Finding.Severity = max(a.Finding.Severity, c.Cut.Severity)
	g.settings.fill(&a, claims, len(keys), c.Cut.Late)
	return a, nil
}

// maxReported is of how many events a roll-up reads what they did. The others are
// counted.
const maxReported = 2000

// fill says what events did. count is how many there are, of which claims are some.
func (s *Settings) fill(a *alert.Alert, claims []Claim, count int, late bool) {
	claims = slices.DeleteFunc(claims, func(c Claim) bool { return c.Finding == nil }) // it expired
	slices.SortFunc(claims, func(a, b Claim) int {
		return cmp.Or(a.Finding.EventTime.Compare(b.Finding.EventTime), cmp.Compare(a.Key, b.Key))
	})
	a.Count = count
	announced := len(claims) == count
	severity := a.Finding.Severity
	for i := range claims {
		f := claims[i].Finding
		severity = max(severity, f.Severity)
		announced = announced && f.Announced != nil
		a.Late = a.Late || late && claims[i].Throttled
		if detect.IsCounted(f.ID) {
			a.Finding = *f // it says how many they are by now
		}
		if at := f.EventTime; !at.IsZero() {
			if a.FirstTime.IsZero() {
				a.FirstTime = at
			}
			a.LastTime = at
		}
		s.list(a, alert.ActionOf(f))
	}
	a.Finding.Severity = severity
	a.ActionsOmitted += count - len(claims)
	if !announced {
		a.Finding = detect.Unannounced(a.Finding) // it reports more than what was announced
	}
}

// list adds what an event did.
func (s *Settings) list(a *alert.Alert, did alert.Action) {
	for i := range a.Actions {
		if a.Actions[i].Name == did.Name && a.Actions[i].Target == did.Target {
			a.Actions[i].Count++
			return
		}
	}
	if len(a.Actions) >= s.Actions {
		a.ActionsOmitted++
		return
	}
	did.Count = 1
	a.Actions = append(a.Actions, did)
}

// rolledUp notes that a group's next batch was reported, or was empty. What came
// since is due a window later, if that is after its own window.
func (g *Guard) rolledUp(ctx context.Context, gr *Group) error {
	err := g.deps.Claims.UpdateGroup(ctx, gr.Key, func(cur Group) Group {
		switch {
		case gr.old() && cur.Opened.Equal(gr.Opened) && cur.RollUps == gr.RollUps && cur.Sending != nil:
			cur.Sending = nil
			cur.RollUps++
			cur.Failures, cur.Retry = 0, time.Time{}
			return cur
		case gr.old() || cur.Key == "" || cur.Sent != gr.Sent || cur.Sent >= cur.Batches:
			return Group{}
		}
		now, span := g.deps.Now(), g.settings.span(cur.Finding.ID)
		cur.Sent++
		cur.Failures, cur.Retry = 0, time.Time{}
		if cur.Sent < cur.Batches {
			cur.Since, cur.Until = now, keys.Latest(cur.Opened.Add(span), now.Add(span))
		}
		return cur
	})
	if err != nil {
		return fmt.Errorf("noting a roll-up of group %s: %w", gr.Key, err)
	}
	return nil
}
