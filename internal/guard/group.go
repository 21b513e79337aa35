package guard

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"rootguard/internal/detect"
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
func (gr *Group) Due() time.Time { return latest(gr.Until, gr.Retry) }

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
	return latest(gr.Until, since)
}

// Series is what was alerted of one finding in one session, and where repeats
// are only rolled up.
type Series struct {
	Key     string          `json:"key"`               // "account/session/finding ID"
	Finding *detect.Finding `json:"finding,omitempty"` // that the repeats are of, its severity the highest alerted

	Grants []Grant     `json:"grants,omitempty"` // the latest alerts
	Quiet  []QuietTime `json:"quiet,omitempty"`  // the groups with repeats that were last opened

	Attempts []Attempt `json:"attempts,omitempty"` // the latest of a finding that is alerted, or escalated, where there are many
}

// Grant is an event that was granted an alert of its own.
type Grant struct {
	Claim      string          `json:"claim"`
	Time       time.Time       `json:"time"` // of the event
	At         time.Time       `json:"at"`   // by the clock
	Severity   detect.Severity `json:"severity"`
	Escalation bool            `json:"escalation,omitempty"`
}

// QuietTime is a group whose events are rolled up, up to a severity.
type QuietTime struct {
	Opened    time.Time       `json:"opened"`
	Severity  detect.Severity `json:"severity"`
	Escalated bool            `json:"escalated,omitempty"`
}

// A series remembers these, the latest. Beyond them, an event that comes very
// late may be alerted though it is a repeat.
const (
	maxGrants = 32
	maxQuiet  = 64
)

// repeated is what of a series an event is a repeat of.
type repeated struct {
	alerts    int // granted
	quiet     bool
	severity  detect.Severity // the highest alerted
	escalated bool
}

// near returns what an event of a time, in the group that opened then, repeats:
//
//   - alerts of events in its group, or within a window of it;
//   - what its group repeats already, and those before and after it, so that a
//     session which goes on makes one alert;
//   - alerts of later events that were published shortly before: it comes late.
func (s *Series) near(opened, at, now time.Time, span time.Duration) (n repeated) {
	for _, g := range s.Grants {
		repeats := g.Time.Truncate(span).Equal(opened) || g.Time.Sub(at).Abs() < span
		if repeats || at.Before(g.Time) && now.Sub(g.At).Abs() < span {
			n.alerts++
			n.severity, n.escalated = max(n.severity, g.Severity), n.escalated || g.Escalation
		}
	}
	for _, q := range s.Quiet {
		if q.Opened.Sub(opened).Abs() <= span {
			n.quiet = true
			n.severity, n.escalated = max(n.severity, q.Severity), n.escalated || q.Escalated
		}
	}
	return n
}

// severity is the highest that was alerted in a group.
func (s *Series) severity(opened time.Time, span time.Duration) (highest detect.Severity) {
	for _, g := range s.Grants {
		if g.Time.Truncate(span).Equal(opened) {
			highest = max(highest, g.Severity)
		}
	}
	return highest
}

// grant notes that an event is alerted.
func (s *Series) grant(g Grant, opened time.Time) {
	s.Grants = append(slices.DeleteFunc(s.Grants, func(o Grant) bool { return o.Claim == g.Claim }), g)
	s.Grants = s.Grants[max(0, len(s.Grants)-maxGrants):]
	for i := range s.Quiet {
		if q := &s.Quiet[i]; q.Opened.Equal(opened) {
			q.Severity, q.Escalated = max(q.Severity, g.Severity), q.Escalated || g.Escalation
		}
	}
}

// revoke takes a grant back. Where no other alert is near, the events of its group
// repeat nothing any more, and the next is alerted.
func (s *Series) revoke(claim string, span time.Duration) {
	i := slices.IndexFunc(s.Grants, func(g Grant) bool { return g.Claim == claim })
	if i < 0 {
		return
	}
	g := s.Grants[i]
	s.Grants = slices.Delete(s.Grants, i, i+1)
	opened := g.Time.Truncate(span)
	rest := Series{Grants: s.Grants}
	n := rest.near(opened, g.Time, g.At, span)
	s.Quiet = slices.DeleteFunc(s.Quiet, func(q QuietTime) bool { return n.alerts == 0 && q.Opened.Equal(opened) })
	for i := range s.Quiet {
		if q := &s.Quiet[i]; n.alerts > 0 && q.Opened.Equal(opened) {
			q.Severity, q.Escalated = n.severity, n.escalated
		}
	}
}

// silence notes that the events of a group are rolled up, and reports whether that
// is new.
func (s *Series) silence(opened time.Time, n repeated) bool {
	if slices.ContainsFunc(s.Quiet, func(q QuietTime) bool { return q.Opened.Equal(opened) }) {
		return false
	}
	s.Quiet = append(s.Quiet, QuietTime{opened, n.severity, n.escalated})
	s.Quiet = s.Quiet[max(0, len(s.Quiet)-maxQuiet):]
	return true
}

// maxCounts bounds how often a batch may be sealed before an event is in it.
const maxCounts = 8

// count puts an event into its group, whose roll-up is due from then on. fresh says
// that the claim was folded just now. An event may be counted again at any time, and
// is in one batch: they are tried in order, and a batch that is sealed says whether
// it has the event.
//
// of is the finding that the event repeats, nil where that is not known.
func (g *Guard) count(ctx context.Context, c *Claim, of *detect.Finding, fresh bool) error {
	sealed := 0 // batches that take no more
	for range maxCounts {
		var cur Group
		err := g.deps.Ledger.UpdateGroup(ctx, c.Group, func(was Group) Group {
			var changed bool
			if cur, changed = g.settings.open(was, c, of, sealed, g.deps.Now()); !changed {
				return Group{}
			}
			return cur
		})
		if err != nil {
			return fmt.Errorf("opening group %s: %w", c.Group, err)
		}
		if fresh {
			sealed = max(sealed, cur.Batches-1)
		}
		for ; sealed < cur.Batches; sealed++ {
			counted, err := g.deps.Ledger.Count(ctx, c.Group, sealed, c.Key)
			if err != nil {
				return fmt.Errorf("counting event %s: %w", c.Key, err)
			}
			if counted {
				return nil
			}
		}
	}
	return fmt.Errorf("counting event %s: %w", c.Key, errSealed)
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
			gr.Until = latest(gr.Until, now.Add(span))
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
