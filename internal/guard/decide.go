package guard

import (
	"cmp"
	"time"

	"rootguard/internal/alert"
	"rootguard/internal/attempts"
	"rootguard/internal/detect"
	"rootguard/internal/keys"
	"rootguard/internal/repeats"
)

// event is one occurrence that must be alerted exactly once.
type event struct {
	claim   string // its key
	series  string // key of the series it belongs to; "" for none
	finding detect.Finding
	kind    alert.Kind     // of its alert; "" is First
	limited bool           // it has its rate limit token, or needs none
	once    bool           // of its series one alert goes out before the rest is rolled up, whatever the burst
	digest  *alert.Digest  // that its alert carries
	summary *alert.Summary // of several: the list

	suppression string // that holds back its alert, unless that is critical; "" for none
}

type verdict uint8

const (
	publish   verdict = iota + 1 // leased: publish an alert of its own, then mark it sent
	fold                         // to be counted in its group
	duplicate                    // handled already
	busy                         // leased by another invocation
	noted                        // counted, to be alerted once there are many
	withhold                     // on record, and not alerted
)

// decision is what decide came to: what to do and what to store.
type decision struct {
	verdict verdict
	claim   Claim          // of a duplicate, as it is
	series  repeats.Series // without a key where it stays as it is

	summary     *alert.Summary  // of the event
	deliveredTo []string        // receivers that took the alert though publishing failed
	recent      []time.Time     // of an escalation: the events that are too many
	of          *detect.Finding // of a folded event: what it repeats
}

// decide settles what becomes of an event, from what is stored under its
// keys. It is pure.
//
// An event that was once granted an alert of its own keeps that right: a retry
// after a crash or a failed publish is never folded, whatever its series has
// seen meanwhile.
func (s *Settings) decide(ev event, c Claim, sr repeats.Series, now time.Time) decision {
	f := &ev.finding
	switch c.State {
	case Sent, Folded, Withheld:
		return decision{verdict: duplicate, claim: c}
	case Leased:
		if c.Held(now, s.Lease) {
			return decision{verdict: busy}
		}
		// Its place was taken by the lease that ran out.
		d := s.lease(ev, c, repeats.Series{}, now)
		d.recent, _ = attempts.TooMany(&sr, f, s.FailedSigninsHigh, s.DedupWindow)
		return d
	case Released:
	}
	retry := c.State == Released
	if ev.series == "" {
		return s.lease(ev, c, repeats.Series{}, now)
	}

	at, span := eventAt(f, now), s.span(f.ID)
	opened := at.Truncate(span)
	n := sr.Near(opened, at, now, span)
	sr.Key = ev.series

	var many bool
	if detect.IsCounted(f.ID) {
		many = attempts.Counted(&sr, ev.claim, f, s.FailedUserSignins, s.span(f.ID))
		if !many && n.Alerts == 0 && !n.Quiet && !retry {
			c.Key, c.State, c.Finding, c.Series = ev.claim, Folded, f, sr.Key
			return decision{verdict: noted, claim: c, series: sr}
		}
	}
	recent, escalate := s.escalates(&sr, ev.claim, f, &n, c.Kind == alert.Escalation)
	if escalate {
		f.Severity = max(f.Severity, detect.High)
		c.Kind = alert.Escalation
	}

	if ev.suppression != "" && !retry && f.Severity < detect.Critical {
		c.Key, c.State, c.Kind, c.Finding, c.Series, c.Suppression = ev.claim, Withheld, "", f, sr.Key, ev.suppression
		d := decision{verdict: withhold, claim: c}
		if len(sr.Attempts) > 0 { // they count for what comes when the suppression is over
			d.series = sr
		}
		return d
	}

	most := s.burst(f.ID)
	if ev.once {
		most = 1
	}
	if (n.Alerts >= most || n.Quiet) && f.Severity <= n.Severity && !escalate && !retry {
		c.Key, c.State, c.Finding, c.Series, c.Group = ev.claim, Folded, f, sr.Key, groupKey(sr.Key, opened)
		d := decision{verdict: fold, claim: c, of: sr.Finding}
		if sr.Silence(opened, n) || s.learns(&sr, f, &n) {
			d.series = sr // else it stays as it is: that of a session is written few times, however many its events
		}
		return d
	}
	if n.Alerts == 0 && !n.Quiet || sr.Finding == nil {
		sr.Finding = f
	} else if f.Severity > sr.Finding.Severity {
		raised := *sr.Finding
		raised.Severity = f.Severity
		sr.Finding = &raised
	}
	sr.Grant(repeats.Grant{Claim: ev.claim, Time: at, At: now, Severity: f.Severity, Escalation: escalate}, opened)
	d := s.lease(ev, c, sr, now)
	d.recent = recent
	return d
}

// learns reports whether an event that is folded must be noted in its series, since
// those that are many are counted there.
func (s *Settings) learns(sr *repeats.Series, f *detect.Finding, n *repeats.Repeated) bool {
	if detect.IsCounted(f.ID) {
		return len(repeats.Near(sr.Attempts, f.EventTime, s.span(f.ID))) < repeats.MaxAttempts
	}
	return f.ID == detect.RootSigninFailed && !n.Escalated
}

// Held reports whether a claim is held by another invocation. One that would
// be held for longer than any lease was made by a clock that was ahead, and
// counts as free; clocks may differ by the length of a lease.
func (c *Claim) Held(now time.Time, lease time.Duration) bool {
	return c.State == Leased && now.Before(c.LeaseUntil) && !c.LeaseUntil.After(now.Add(2*lease))
}

func (s *Settings) lease(ev event, c Claim, sr repeats.Series, now time.Time) decision {
	c.Key, c.State, c.LeaseUntil = ev.claim, Leased, now.Add(s.Lease)
	c.Attempts++
	c.AlertID = keys.Alert(ev.claim)
	// A notice about several may be about one by the time that it is sent once more.
	c.Kind = cmp.Or(ev.kind, c.Kind, alert.First)
	if c.Kind == alert.Escalation {
		ev.finding.Severity = max(ev.finding.Severity, detect.High)
	}
	c.Finding = &ev.finding
	if ev.series != "" {
		c.Series = ev.series
	}
	return decision{verdict: publish, claim: c, series: sr}
}

// escalates notes a failed root sign-in and reports whether it is the one with
// which they are too many, or was before. recent are the times of these.
func (s *Settings) escalates(sr *repeats.Series, claim string, f *detect.Finding, n *repeats.Repeated, before bool) (recent []time.Time,
	escalates bool) {
	if f.ID != detect.RootSigninFailed || n.Escalated && !before {
		return nil, before
	}
	sr.NoteAttempt(repeats.Attempt{Claim: claim, At: f.EventTime})
	recent, many := attempts.TooMany(sr, f, s.FailedSigninsHigh, s.DedupWindow)
	return recent, many || before
}

// undo takes back what a decision to publish stored, after publishing
// failed. Both rows may have changed since.
//
// The place is given back only where no receiver took the alert: else one topic that
// is gone would have every event of a session alerted to the others.
func (d *decision) undo(s *Settings) func(c Claim, sr repeats.Series) (Claim, repeats.Series) {
	return func(c Claim, sr repeats.Series) (Claim, repeats.Series) {
		if c.State != Leased || c.Attempts != d.claim.Attempts {
			return Claim{}, repeats.Series{} // another invocation took over
		}
		c.State, c.LeaseUntil = Released, time.Time{}
		if len(d.deliveredTo) > 0 {
			c.DeliveredTo = d.deliveredTo
		}
		if sr.Key == "" || len(c.DeliveredTo) > 0 || c.Finding == nil {
			return c, repeats.Series{}
		}
		sr.Revoke(c.Key, s.span(c.Finding.ID))
		return c, sr
	}
}
