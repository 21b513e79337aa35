// Package repeats knows which events of a session repeat what was alerted, so that
// a session makes one alert and not one for each of its events. A Series holds the
// latest alerts and attempts of one finding in one session, as the store of claims has it.
// It is pure: the times are those of the events, and the clock is the caller's.
package repeats

import (
	"slices"
	"time"

	"rootguard/internal/detect"
)

// Series is what was alerted of one finding in one session, and where repeats
// are only rolled up.
type Series struct {
	Key     string          `json:"key"`               // "account/session/finding ID"
	Finding *detect.Finding `json:"finding,omitempty"` // that the repeats are of, its severity the highest alerted

	Grants []Grant `json:"grants,omitempty"` // the latest alerts
	Quiet  []Quiet `json:"quiet,omitempty"`  // the groups with repeats that were last opened

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

// Quiet is a group whose events are rolled up, up to a severity.
type Quiet struct {
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

// Repeated is what of a series an event is a repeat of.
type Repeated struct {
	Alerts    int             // granted
	Quiet     bool            // its group, or one beside it, is rolled up
	Severity  detect.Severity // the highest alerted
	Escalated bool
}

// Near returns what an event of a time, in the group that opened then, repeats:
//
//   - alerts of events in its group, or within a window of it;
//   - what its group repeats already, and those before and after it, so that a
//     session which goes on makes one alert;
//   - alerts of later events that were published shortly before: it comes late.
func (s *Series) Near(opened, at, now time.Time, span time.Duration) (n Repeated) {
	for _, g := range s.Grants {
		repeats := g.Time.Truncate(span).Equal(opened) || g.Time.Sub(at).Abs() < span
		if repeats || at.Before(g.Time) && now.Sub(g.At).Abs() < span {
			n.Alerts++
			n.Severity, n.Escalated = max(n.Severity, g.Severity), n.Escalated || g.Escalation
		}
	}
	for _, q := range s.Quiet {
		if q.Opened.Sub(opened).Abs() <= span {
			n.Quiet = true
			n.Severity, n.Escalated = max(n.Severity, q.Severity), n.Escalated || q.Escalated
		}
	}
	return n
}

// Severity is the highest that was alerted in a group.
func (s *Series) Severity(opened time.Time, span time.Duration) (highest detect.Severity) {
	for _, g := range s.Grants {
		if g.Time.Truncate(span).Equal(opened) {
			highest = max(highest, g.Severity)
		}
	}
	return highest
}

// Grant notes that an event is alerted.
func (s *Series) Grant(g Grant, opened time.Time) {
	s.Grants = append(slices.DeleteFunc(s.Grants, func(o Grant) bool { return o.Claim == g.Claim }), g)
	s.Grants = s.Grants[max(0, len(s.Grants)-maxGrants):]
	for i := range s.Quiet {
		if q := &s.Quiet[i]; q.Opened.Equal(opened) {
			q.Severity, q.Escalated = max(q.Severity, g.Severity), q.Escalated || g.Escalation
		}
	}
}

// Revoke takes a grant back. Where no other alert is near, the events of its group
// repeat nothing any more, and the next is alerted.
func (s *Series) Revoke(claim string, span time.Duration) {
	i := slices.IndexFunc(s.Grants, func(g Grant) bool { return g.Claim == claim })
	if i < 0 {
		return
	}
	g := s.Grants[i]
	s.Grants = slices.Delete(s.Grants, i, i+1)
	opened := g.Time.Truncate(span)
	rest := Series{Grants: s.Grants}
	n := rest.Near(opened, g.Time, g.At, span)
	s.Quiet = slices.DeleteFunc(s.Quiet, func(q Quiet) bool { return n.Alerts == 0 && q.Opened.Equal(opened) })
	for i := range s.Quiet {
		if q := &s.Quiet[i]; n.Alerts > 0 && q.Opened.Equal(opened) {
			q.Severity, q.Escalated = n.Severity, n.Escalated
		}
	}
}

// Silence notes that the events of a group are rolled up, and reports whether that
// is new.
func (s *Series) Silence(opened time.Time, n Repeated) bool {
	if slices.ContainsFunc(s.Quiet, func(q Quiet) bool { return q.Opened.Equal(opened) }) {
		return false
	}
	s.Quiet = append(s.Quiet, Quiet{opened, n.Severity, n.Escalated})
	s.Quiet = s.Quiet[max(0, len(s.Quiet)-maxQuiet):]
	return true
}

// Attempt is one event of a finding that is alerted only where there are many.
type Attempt struct {
	Claim   string    `json:"claim"` // the event's, so that a retry counts once
	At      time.Time `json:"at"`
	User    string    `json:"user,omitempty"`
	Address string    `json:"address,omitempty"`
	Account string    `json:"account,omitempty"`
}

// MaxAttempts is how many attempts a series remembers, the latest.
const MaxAttempts = 64

// NoteAttempt adds an attempt, once.
func (s *Series) NoteAttempt(a Attempt) {
	if !slices.ContainsFunc(s.Attempts, func(b Attempt) bool { return a.Claim == b.Claim }) {
		s.Attempts = append(s.Attempts, a)
		s.Attempts = s.Attempts[max(0, len(s.Attempts)-MaxAttempts):]
	}
}

// Near are the attempts that are less than a span away from a time.
func Near(all []Attempt, at time.Time, span time.Duration) []Attempt {
	return slices.DeleteFunc(slices.Clone(all), func(a Attempt) bool { return a.At.Sub(at).Abs() >= span })
}

// Distinct are the values that attempts have, sorted, without the empty one.
func Distinct(all []Attempt, key func(Attempt) string) []string {
	var values []string
	for _, a := range all {
		if v := key(a); v != "" {
			values = append(values, v)
		}
	}
	slices.Sort(values)
	return slices.Compact(values)
}
