package guard

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"time"

	"rootguard/internal/detect"
	"rootguard/internal/keys"
)

// Group is the repeats of one finding in one session whose event times lie in the
// same window, and which are reported together. Its key is the series' and the
// beginning of that window, so the order in which events come does not matter.
type Group struct {
	Key    string    `json:"key"`
	Series string    `json:"series,omitempty"` // its key
	Opened time.Time `json:"opened"`           // the beginning of the window
	Until  time.Time `json:"until,omitzero"`   // when its next roll-up is due

	// Batches is how many were opened, Sent how many of them are reported: batch
	// number Sent is the next. Since is when that was opened, by the clock.
	Batches int       `json:"batches,omitempty"`
	Sent    int       `json:"sent,omitempty"`
	Since   time.Time `json:"since,omitzero"`

	Failures int       `json:"failures,omitempty"` // attempts in a row to publish its roll-up
	Retry    time.Time `json:"retry,omitzero"`     // until when it is put off, since they failed

	// Of a collection: the number of its first batch, and when its latest alerts went out.
	First     int         `json:"first,omitempty"`
	Published []time.Time `json:"published,omitempty"`
	// Of is the group whose batch First this row is alone, which only some receivers
	// have yet.
	Of string `json:"of,omitempty"`

	Finding detect.Finding `json:"finding"` // of the alert that the events repeat, or of the first of them

	// Of a row of version 1, whose key is the series'.
	Alerted int   `json:"alerted,omitempty"`
	RollUps int   `json:"roll_ups,omitempty"`
	Pending Held  `json:"pending,omitzero"`
	Sending *Held `json:"sending,omitempty"`
}

// Unsent reports whether the group may hold events that no published alert is
// known to report. It is what Groups.Due looks for.
func (gr *Group) Unsent() bool { return gr.Sent < gr.Batches || gr.old() }

// Due is when its roll-up is to be published.
func (gr *Group) Due() time.Time { return keys.Latest(gr.Until, gr.Retry) }

// old reports whether it is a row of version 1 that holds something unsent.
func (gr *Group) old() bool { return gr.Pending.Count > 0 || gr.Sending != nil }

// UnsentSince is since when the group's roll-up could have been sent: when it was
// due, or when the first of what it holds was counted, where that was later, as it
// is of an event that came late.
func (gr *Group) UnsentSince() time.Time {
	since := gr.Since
	switch {
	case gr.Sending != nil:
		since = gr.Sending.Since
	case gr.Pending.Count > 0:
		since = gr.Pending.Since
	}
	return keys.Latest(gr.Until, since)
}

// Next is the batch of a roll-up that comes next, and the group that it is of.
func (gr *Group) Next() (group string, batch int) {
	if gr.Of != "" {
		return gr.Of, gr.First
	}
	return gr.Key, gr.Sent
}

// LeaveBehind gives the next batch of a group, which not all receivers have, a row of
// its own, which Flush sends to the others, so that the group may go on: a topic that
// is gone holds nothing back from those that are there.
func LeaveBehind(ctx context.Context, groups Groups, gr *Group, now time.Time) error {
	key := gr.Key + "/" + strconv.Itoa(gr.Sent)
	err := groups.UpdateGroup(ctx, key, func(cur Group) Group {
		if cur.Key != "" {
			return Group{}
		}
		return Group{Key: key, Of: gr.Key, First: gr.Sent, Batches: 1, Series: gr.Series, Opened: gr.Opened, Since: now,
			Until: now, Finding: gr.Finding}
	})
	if err != nil {
		return fmt.Errorf("leaving batch %d of group %s behind: %w", gr.Sent, gr.Key, err)
	}
	return nil
}

// recounted is in how many of the latest batches of a group that goes on for years an
// event is looked for that may be counted already.
const recounted = 50

// oldest is the first batch in which an event may be, where it is in none before from.
func (gr *Group) oldest(from int) int {
	if from == 0 && gr.First > 0 {
		from = gr.Batches - recounted
	}
	return max(gr.First, min(from, gr.Batches-1))
}

// maxCounts bounds how often a batch may be sealed before an event is in it.
const maxCounts = 8

// fold counts an event in its group.
func (g *Guard) fold(ctx context.Context, d *decision) error {
	_, err := g.Count(ctx, &d.claim, d.of, 0, time.Time{})
	return err
}

// Count puts an event into its group, whose roll-up is due from then on, and returns
// the batch that it is in. An event may be counted again at any time, and is in one
// batch: they are tried in order, and one that is sealed says whether it has the event.
// One whose claim was folded just now is no exception: while this invocation was
// paused, another may have counted it and sent its batch and others.
//
// of is the finding that the event repeats, nil where that is not known. from is a batch
// that the group had before the claim was folded, as this returned it for another event,
// so that the event is in none before it; 0 where none is known. at is as of when it is counted, where that is later than
// the clock.
func (g *Guard) Count(ctx context.Context, c *Claim, of *detect.Finding, from int, at time.Time) (batch int, err error) {
	sealed := 0 // batches that take no more
	for range maxCounts {
		var cur Group
		err := g.deps.Claims.UpdateGroup(ctx, c.Group, func(was Group) Group {
			var changed bool
			now := keys.Latest(at, g.deps.Now())
			if g.deps.Batches != nil && g.deps.Batches.Has(c.Group) {
				cur, changed = g.deps.Batches.Open(was, c, sealed, now)
			} else {
				cur, changed = g.settings.open(was, c, of, sealed, now)
			}
			if !changed {
				return Group{}
			}
			return cur
		})
		if err != nil {
			return 0, fmt.Errorf("opening group %s: %w", c.Group, err)
		}
		sealed = max(sealed, cur.oldest(from))
		if sealed < cur.Sent {
			batch, found, err := g.deps.Claims.Counted(ctx, c.Group, sealed, cur.Sent, c.Key)
			if err != nil || found {
				return batch, err //nolint:wrapcheck // it says for which claim
			}
			sealed = cur.Sent
		}
		for ; sealed < cur.Batches; sealed++ {
			counted, err := g.deps.Claims.Count(ctx, c.Group, sealed, c.Key)
			if err != nil {
				return 0, fmt.Errorf("counting event %s: %w", c.Key, err)
			}
			if counted {
				return sealed, nil
			}
		}
	}
	return 0, fmt.Errorf("counting event %s: %w", c.Key, errSealed)
}

var errSealed = errors.New("its group was reported again and again meanwhile")

// open returns the group with a batch that may take an event, where the first of
// them are sealed, and reports whether that is a change.
func (s *Settings) open(gr Group, c *Claim, of *detect.Finding, sealed int, now time.Time) (opened Group, changed bool) {
	f := c.Finding
	at := eventAt(f, now)
	span := s.span(f.ID)
	if gr.Key == "" {
		gr = Group{Key: c.Group, Series: c.Series, Opened: at.Truncate(span), Finding: *f}
		if of != nil {
			gr.Finding = *of
		}
	}
	if gr.Sent == gr.Batches {
		gr.Since = now
		gr.Until = gr.Opened.Add(span)
		if gr.Sent > 0 { // it is over, and was reported: wait for more
			gr.Until = keys.Latest(gr.Until, now.Add(span))
		}
		if most := now.Add(2 * span); gr.Until.After(most) {
			gr.Until = most // the event's clock was ahead
		}
	}
	if gr.Sent == gr.Batches || gr.Batches <= sealed {
		gr.Batches, changed = max(gr.Batches, gr.Sent)+1, true
	}
	if due := at.Add(throttledDelay); c.Soon && due.Before(gr.Until) {
		gr.Until, changed = due, true
	}
	return gr, changed
}

// eventAt is the time by which an event has its place in a group: now where its
// own is not known.
func eventAt(f *detect.Finding, now time.Time) time.Time {
	if f.EventTime.IsZero() {
		return now.UTC()
	}
	return f.EventTime.UTC()
}
