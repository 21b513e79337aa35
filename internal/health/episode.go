package health

import (
	"slices"
	"time"

	"rootguard/internal/detect"
)

// How many runs in a row decide, where one check is not enough.
const (
	FailingRuns = 2
	HealthyRuns = 2
	UnknownRuns = 3
	// NewRuns are for what was never there: an hour, in which a deployment comes to
	// the last of many Regions.
	NewRuns = 12
)

// remindEvery is how often people are reminded of what still fails.
const remindEvery = 24 * time.Hour

// State is what is known from one run to the next.
type State struct {
	At         time.Time     `json:"at"`              // of the latest run
	Slow       time.Time     `json:"slow,omitzero"`   // of the latest that made all the checks of SlowEvery
	Hourly     time.Time     `json:"hourly,omitzero"` // as above
	Rarely     time.Time     `json:"rarely,omitzero"` // as above
	Lost       time.Time     `json:"lost,omitzero"`   // until when the metrics of what was lost were read
	Heartbeats []Outstanding `json:"beats,omitzero"`  // the latest heartbeats
	Episodes   []Episode     `json:"episodes,omitzero"`
	Regions    []string      `json:"regions,omitzero"` // whose forwarder was there once
	Enabled    []string      `json:"enabled,omitzero"` // Regions that the account had at the latest check of them
}

// Outstanding names a heartbeat that was put.
type Outstanding struct {
	ID string    `json:"id"`
	At time.Time `json:"at"` // of the run
}

// Episode is a time in which a check failed, or could not be made.
type Episode struct {
	Check     string    `json:"check"`
	Region    string    `json:"region"`
	Unchecked bool      `json:"unchecked,omitempty"`
	Since     time.Time `json:"since"` // of the first run that found it so

	Runs    int       `json:"runs"`           // that found it so
	Healthy int       `json:"well,omitempty"` // in a row, after them
	Ended   time.Time `json:"ended,omitzero"` // its closing is to be reported

	// Of the latest run that found it so.
	Severity detect.Severity `json:"severity"`
	Why      string          `json:"why"`
	Fix      string          `json:"fix,omitempty"`

	Once            bool            `json:"once,omitempty"`  // neither reminded of nor closed
	Quiet           bool            `json:"quiet,omitempty"` // not reminded of: the digest names it
	Loud            int             `json:"loud,omitempty"`  // runs in a row since that found more than the digest should have
	Due             bool            `json:"due,omitempty"`   // it lasted long enough to be reported
	Nonce           string          `json:"nonce,omitempty"` // random, from when it was Due
	Alerted         time.Time       `json:"told,omitzero"`   // of the run that reported it
	AlertedSeverity detect.Severity `json:"told_severity,omitempty"`
	Reminded        int             `json:"reminded,omitempty"` // days after Alerted
}

// is reports whether both are the same episode.
func (e *Episode) is(o *Episode) bool {
	return e.Check == o.Check && e.Unchecked == o.Unchecked && e.Since.Equal(o.Since)
}

// open is the index of a check's episode that goes on, -1 where there is none.
func (s *State) open(check string, unchecked bool) int {
	return slices.IndexFunc(s.Episodes, func(e Episode) bool { return e.Check == check && e.Unchecked == unchecked && e.Ended.IsZero() })
}

// tiers are the intervals of which the checks are due.
func (s *State) tiers(at time.Time) map[time.Duration]bool {
	due := func(last time.Time, every time.Duration) bool { return at.Sub(last) >= every || last.After(at) }
	return map[time.Duration]bool{0: true, SlowEvery: due(s.Slow, SlowEvery), Hourly: due(s.Hourly, Hourly), Rarely: due(s.Rarely, Rarely)}
}

// made notes that the checks of some intervals were.
func (s *State) made(tiers map[time.Duration]bool, at time.Time) {
	for every, last := range map[time.Duration]*time.Time{SlowEvery: &s.Slow, Hourly: &s.Hourly, Rarely: &s.Rarely} {
		if tiers[every] {
			*last = at
		}
	}
}

// minRunGap is how far apart runs are that count as two.
const minRunGap = time.Minute

// repeats reports whether a run is the latest one again, overlapped by it, or too
// soon after it to say more. One that is far behind is not: the clock was wrong
// then, or is now.
//
// Nor does one that is dated ahead of the clock: no run was then, and if it counted,
// anyone who wrote it would keep the checks from being recorded.
func (s *State) repeats(at, now time.Time) bool {
	behind := s.At.Sub(at)
	return !s.At.IsZero() && behind > -minRunGap && behind < maxRunGap && !s.ahead(at, now)
}

// ahead reports whether the latest run is dated later than it can have been.
func (s *State) ahead(at, now time.Time) bool {
	return s.At.Sub(at) > minRunGap && s.At.Sub(now) > minRunGap
}

// observed is the state after a run. exists are the checks that there are; one
// that is not among the results was not made. nonce is a random word of the run.
func (s State) observed(at, now time.Time, results []Result, exists map[string]bool, nonce string) State {
	if s.repeats(at, now) {
		return s
	}
	s.Episodes = slices.Clone(s.Episodes)
	s.At = at
	for i := range results {
		r := &results[i]
		switch r.Outcome {
		case Failed:
			s.failed(at, r, false)
			s.passed(at, r.ID, true)
		case Unknown:
			s.failed(at, r, true) // and it is not known to be healthy
		case OK, Warning:
			s.passed(at, r.ID, false)
			s.passed(at, r.ID, true)
		}
	}
	for i := range s.Episodes {
		if e := &s.Episodes[i]; !exists[e.Check] && e.Ended.IsZero() {
			e.Ended = at
		}
	}
	s.Regions = slices.DeleteFunc(slices.Clone(s.Regions), func(region string) bool { return !exists[forwarderOf+region] })
	for i := range results {
		r := &results[i]
		if r.ID == forwarderOf+r.Region && r.Outcome != Unknown && !r.patient && !slices.Contains(s.Regions, r.Region) {
			s.Regions = append(s.Regions, r.Region)
		}
	}
	for i := range results {
		if r := &results[i]; r.ID == regionsCheck && r.Outcome != Unknown {
			s.Enabled = r.enabled
		}
	}
	s.Episodes = slices.DeleteFunc(s.Episodes, func(e Episode) bool { return !e.Ended.IsZero() && (!e.Due || e.Once && !e.Alerted.IsZero()) })
	for i := range s.Episodes {
		if e := &s.Episodes[i]; e.Due && e.Alerted.IsZero() && e.Nonce == "" {
			e.Nonce = nonce
		}
	}
	return s
}

func (s *State) failed(at time.Time, r *Result, unchecked bool) {
	i := s.open(r.ID, unchecked)
	if i >= 0 && r.once && s.Episodes[i].Once && !s.Episodes[i].Alerted.IsZero() && s.Episodes[i].Why != r.Why {
		s.Episodes[i].Ended = at // that news was reported, and this is other news
		i = -1
	}
	if i < 0 {
		i = len(s.Episodes)
		s.Episodes = append(s.Episodes, Episode{Check: r.ID, Region: r.Region, Unchecked: unchecked, Since: at})
	}
	e := &s.Episodes[i]
	e.Runs, e.Healthy = e.Runs+1, 0
	e.Severity, e.Why, e.Fix, e.Once = r.Severity, r.Why, r.Fix, r.once && !unchecked
	switch {
	case r.quiet && !unchecked:
		e.Quiet, e.Loud = true, 0
	case e.Quiet:
		if e.Loud++; e.Loud >= FailingRuns { // counts of messages are late
			e.Quiet, e.Loud = false, 0
		}
	}
	enough := FailingRuns
	switch {
	case unchecked:
		enough, e.Severity = UnknownRuns, min(r.Severity, detect.Medium)
	case r.patient:
		enough = NewRuns
	}
	e.Due = e.Due || r.certain || e.Runs >= enough
}

// passed counts a run in which a check did not come out so. An episode that is not
// to be reported is over at once.
func (s *State) passed(at time.Time, check string, unchecked bool) {
	i := s.open(check, unchecked)
	if i < 0 {
		return
	}
	e := &s.Episodes[i]
	if e.Healthy++; e.Healthy >= HealthyRuns || !e.Due {
		e.Ended = at
	}
}

// stage is what is reported about an episode.
type stage int

const (
	first stage = iota
	worse
	reminder
	closing
)

// stages are what is to be reported about an episode at a time, in order.
func (e *Episode) stages(at time.Time) []stage {
	var all []stage
	if !e.Due {
		return all
	}
	if e.Alerted.IsZero() {
		all = append(all, first)
	} else if !e.Once && e.Severity > e.AlertedSeverity && e.Ended.IsZero() {
		all = append(all, worse)
	}
	switch {
	case e.Once:
	case !e.Ended.IsZero():
		all = append(all, closing)
	case !e.Quiet && !e.Alerted.IsZero() && e.days(at) > e.Reminded:
		all = append(all, reminder)
	}
	return all
}

func (e *Episode) days(at time.Time) int { return int(at.Sub(e.Alerted) / remindEvery) }

// finding is what a stage shows.
func (e *Episode) finding(account string, at time.Time, s stage) detect.Finding {
	fault := detect.Fault{
		Account: account, Region: e.Region, Check: e.Check, Since: e.Since, Severity: e.Severity, Why: e.Why, Fix: e.Fix,
		Unchecked: e.Unchecked, Nonce: e.Nonce,
	}
	switch s {
	case worse:
		return detect.FaultWorse(detect.FaultFound(fault), at)
	case reminder:
		return detect.FaultReminder(detect.FaultFound(fault), e.days(at), at)
	case closing:
		return detect.FaultClosed(fault, e.Ended)
	case first:
	}
	return detect.FaultFound(fault)
}

// reported is the state after a stage of an episode was reported. What another run has
// noted meanwhile stays.
func (s *State) reported(of *Episode, at time.Time, st stage) {
	i := slices.IndexFunc(s.Episodes, func(e Episode) bool { return e.is(of) })
	if i < 0 {
		return
	}
	e := &s.Episodes[i]
	switch st {
	case first:
		if e.Alerted.IsZero() {
			e.Alerted = at
		}
		e.AlertedSeverity = max(e.AlertedSeverity, of.Severity)
	case worse:
		e.AlertedSeverity = max(e.AlertedSeverity, of.Severity)
	case reminder:
		e.Reminded = max(e.Reminded, of.days(at))
	case closing:
		s.Episodes = slices.Delete(s.Episodes, i, i+1)
	}
}
