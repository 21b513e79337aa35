package guard

import (
	"cmp"
	"slices"
	"strings"
	"time"

	"rootguard/internal/alert"
	"rootguard/internal/detect"
)

// event is one occurrence that must be told of exactly once.
type event struct {
	claim   string // its key in the ledger
	window  string // key of the window it is counted in; "" for none
	finding detect.Finding
	kind    alert.Kind // of its alert; "" is First
	limited bool       // it has its rate limit token, or needs none
	late    bool       // it goes into the window even where that is over
}

// at is the time by which an event has its place in a window: now where its own
// is not known.
func (e *event) at(now time.Time) time.Time {
	if e.finding.EventTime.IsZero() {
		return now.UTC()
	}
	return e.finding.EventTime
}

type verdict uint8

const (
	publish    verdict = iota + 1 // leased: publish an alert of its own, then mark it sent
	fold                          // counted in the window
	duplicate                     // told of already
	busy                          // leased by another invocation
	noted                         // counted, to be alerted once there are many
	closeFirst                    // the window is over, and its roll-up must be sent first
)

// decision is what decide came to: what to do, what to store, and what undo
// must know where publishing fails.
type decision struct {
	verdict verdict
	claim   Claim // of a duplicate, as it is
	window  Window

	took     []string        // receivers that took the alert though publishing failed
	severity detect.Severity // the window's AlertedSeverity before it, where the window has a key
	recent   []time.Time     // the window's, for an escalation
}

// decide settles what becomes of an event, from what the ledger has under its
// keys. It is pure.
//
// An event that was once granted an alert of its own keeps that right: a retry
// after a crash or a failed publish is never folded, whatever its window has
// seen meanwhile.
func (s *Settings) decide(ev event, c Claim, w Window, now time.Time) decision {
	retry := false
	switch c.State {
	case Sent, Folded:
		return decision{verdict: duplicate, claim: c}
	case Leased:
		if s.leased(&c, now) {
			return decision{verdict: busy}
		}
		d := s.lease(ev, c, Window{}, now) // its place in the window was taken by the lease that ran out
		d.recent = w.Recent
		if c.Window == w.Key && s.open(&w, ev.at(now)) {
			d.window = w // unchanged: for undo, which gives the place back
		}
		return d
	case Released:
		retry = true
	}
	if ev.window == "" {
		return s.lease(ev, c, Window{}, now)
	}

	f := &ev.finding
	at := ev.at(now)
	if !s.open(&w, at) && (!ev.late || !w.Unsent()) {
		if w.Unsent() {
			return decision{verdict: closeFirst, window: w}
		}
		w = Window{
			Key: ev.window, Opened: at, Until: at.Add(s.span(f.ID)),
			RollUps:  w.RollUps, // goes on, as it names the roll-ups
			Attempts: near(w.Attempts, f.EventTime, s.span(f.ID)),
			Finding:  *f,
		}
	}

	if detect.IsCounted(f.ID) {
		many := s.attempt(&w, ev.claim, f)
		if !many && !w.Escalated && !retry {
			c.Key, c.State, c.Finding, c.Window = ev.claim, Folded, f, w.Key
			w.Total++
			return decision{verdict: noted, claim: c, window: w}
		}
		w.Escalated = true
		w.Finding = *f
	}

	escalate := s.escalates(&w, f)
	if escalate {
		f.Severity = max(f.Severity, detect.High)
		w.Escalated = true
		c.Kind = alert.Escalation
	}
	if f.Announced == nil {
		w.Finding = detect.Unannounced(w.Finding) // its roll-up tells of more than what was announced
	}
	w.Total++
	w.Finding.Severity = max(w.Finding.Severity, f.Severity)

	if w.Alerted >= s.burst(f.ID) && f.Severity <= w.AlertedSeverity && !escalate && !retry {
		w.Pending.add(f, s.Actions, now)
		c.Key, c.State, c.Finding, c.Window = ev.claim, Folded, f, w.Key
		return decision{verdict: fold, claim: c, window: w}
	}
	before := w.AlertedSeverity
	w.Alerted++
	w.AlertedSeverity = max(w.AlertedSeverity, f.Severity)
	d := s.lease(ev, c, w, now)
	d.severity, d.recent = before, w.Recent
	return d
}

// leased reports whether a claim is held by another invocation. One that would
// be held for longer than any lease was made by a clock that was ahead, and
// counts as free; clocks may differ by the length of a lease.
func (s *Settings) leased(c *Claim, now time.Time) bool {
	return c.State == Leased && now.Before(c.LeaseUntil) && !c.LeaseUntil.After(now.Add(2*s.Lease))
}

func (s *Settings) lease(ev event, c Claim, w Window, now time.Time) decision {
	c.Key, c.State, c.LeaseUntil = ev.claim, Leased, now.Add(s.Lease)
	c.Attempts++
	c.AlertID = alertID(ev.claim)
	if c.Kind == "" {
		c.Kind = cmp.Or(ev.kind, alert.First)
	}
	if c.Kind == alert.Escalation {
		ev.finding.Severity = max(ev.finding.Severity, detect.High)
	}
	c.Finding = &ev.finding
	if w.Key != "" {
		c.Window = w.Key
	}
	return decision{verdict: publish, claim: c, window: w}
}

// open reports whether an event of this time belongs into the window. Delivery
// is out of order, so one from shortly before the opening event does too. While
// a roll-up is being sent the window goes on, as it will once that is settled.
func (s *Settings) open(w *Window, at time.Time) bool {
	until := w.Until
	switch {
	case w.Sending != nil:
		until = until.Add(s.span(w.Finding.ID))
	case w.Alerted == 0: // due early, see deferToRollUp
		until = latest(until, w.Opened.Add(s.span(w.Finding.ID)))
	}
	return w.Key != "" && at.Before(until) && at.After(w.Opened.Add(-s.span(w.Finding.ID)))
}

func latest(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}

// escalates notes the time of a failed root sign-in and reports whether it is
// the one with which they are too many.
func (s *Settings) escalates(w *Window, f *detect.Finding) bool {
	if f.ID != detect.RootSigninFailed {
		return false
	}
	n := s.FailedSigninsHigh
	i, _ := slices.BinarySearchFunc(w.Recent, f.EventTime, time.Time.Compare)
	w.Recent = slices.Insert(w.Recent, i, f.EventTime)
	if len(w.Recent) > n {
		w.Recent = w.Recent[len(w.Recent)-n:]
	}
	return !w.Escalated && len(w.Recent) == n && w.Recent[n-1].Sub(w.Recent[0]) < s.Window
}

// undo takes back what a decision to publish did to the ledger, after
// publishing failed. Both rows may have changed since.
func (d *decision) undo(c Claim, w Window) (Claim, Window) {
	if c.State != Leased || c.Attempts != d.claim.Attempts {
		return Claim{}, Window{} // another invocation took over
	}
	c.State, c.LeaseUntil = Released, time.Time{}
	if len(d.took) > 0 {
		c.Took = d.took
	}
	if w.Key == "" || !w.Opened.Equal(d.window.Opened) {
		return c, Window{}
	}
	w.Total--
	w.Alerted--
	w.AlertedSeverity = min(w.AlertedSeverity, d.severity)
	if c.Kind == alert.Escalation || detect.IsCounted(d.claim.Finding.ID) && w.Alerted == 0 {
		w.Escalated = false
	}
	if i := slices.IndexFunc(w.Recent, d.claim.Finding.EventTime.Equal); i >= 0 {
		w.Recent = slices.Delete(w.Recent, i, i+1)
	}
	return c, w
}

// add counts an event and lists what it did.
func (h *Held) add(f *detect.Finding, limit int, now time.Time) {
	if h.Count == 0 {
		h.Since = now
	}
	if at := f.EventTime; !at.IsZero() { // else it is not known
		if h.First.IsZero() || at.Before(h.First) {
			h.First = at
		}
		if at.After(h.Last) {
			h.Last = at
		}
	}
	h.Count++
	a := actionOf(f)
	for i := range h.Actions {
		if h.Actions[i].Name == a.Name && h.Actions[i].Target == a.Target {
			h.Actions[i].Count++
			return
		}
	}
	if len(h.Actions) >= limit {
		h.Omitted++
		return
	}
	a.Count = 1
	h.Actions = append(h.Actions, a)
}

// actionOf names the call as IAM policies do, "iam:CreateUser".
func actionOf(f *detect.Finding) alert.Action {
	a := alert.Action{Name: f.EventName}
	if source := strings.TrimSuffix(f.EventSource, ".amazonaws.com"); source != "" {
		a.Name = source + ":" + f.EventName
	}
	switch {
	case f.Target.UserName != "":
		a.Target = f.Target.UserName
	case f.Target.UserID != "":
		a.Target = f.Target.UserID
	case f.Target.Resource != "":
		a.Target = f.Target.Resource
	case f.ID == detect.RootSigninFailed && f.SourceIP != "":
		a.Target = "from " + f.SourceIP
	}
	return alert.BoundAction(a)
}
