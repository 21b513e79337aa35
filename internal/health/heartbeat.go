package health

import (
	"context"
	"crypto/rand"
	"fmt"
	"slices"
	"strings"
	"time"

	"rootguard/internal/detect"
	"rootguard/internal/eventrules"
)

const (
	// Timely is how soon a recorded heartbeat must come out at the functions.
	// CloudTrail gives no bound for EventBridge, to which it delivers by best effort
	// (Amazon EventBridge Events Reference); to a trail's bucket it delivers within
	// about 5 minutes on average (AWS CloudTrail User Guide, "How CloudTrail works").
	// Seconds are common.
	Timely = 10 * time.Minute
	// HeartbeatEvery is how often there is one: each is a record in the account's
	// trails, of which 96 a day are few, and a link that is broken is known within
	// half an hour.
	HeartbeatEvery = 15 * time.Minute
	// maxRunGap is how long there may be no run of the sweep: two may fail.
	maxRunGap = 15 * time.Minute
	// stale is how old the latest heartbeat is where the sweep did not run for a
	// while, or could record none.
	stale = HeartbeatEvery + Timely + maxRunGap
	// outstanding is how many of the latest heartbeats a state names.
	outstanding = 6
)

// Probed are the functions at which a heartbeat must come out.
func Probed() []string { return []string{eventrules.RootActivity, eventrules.IAMUser} }

// heartbeatOf begins the IDs of the checks of recorded heartbeats.
const heartbeatOf = "heartbeat."

// heartbeatDue reports whether a run records a heartbeat. Schedules are exact to
// the minute alone.
func (s *State) heartbeatDue(at time.Time) bool {
	for _, b := range s.Heartbeats {
		if ago := at.Sub(b.At); ago > -HeartbeatEvery && ago < HeartbeatEvery-minRunGap {
			return false
		}
	}
	return true
}

// record makes a heartbeat that CloudTrail records, after it is on file. at is the
// time of the run.
func (c *Checker) record(ctx context.Context, at time.Time) (Heartbeat, error) {
	b := Heartbeat{ID: rand.Text(), At: at, Put: c.now()}
	if err := c.ports.Store.AddHeartbeat(ctx, b); err != nil {
		return b, fmt.Errorf("noting a heartbeat: %w", err)
	}
	if err := c.ports.Recorder.Record(ctx, b.ID); err != nil {
		return b, fmt.Errorf("recording a heartbeat: %w", err)
	}
	return b, nil
}

// heartbeats are the checks that a recorded call comes out at the functions.
// unproved is why that cannot be known; links are the checks of what is between
// the call and the functions.
func (c *Checker) heartbeats(state State, unproved error, at time.Time, links []check) []check {
	var recent []string // the IDs, the latest first
	var latest time.Time
	for _, b := range slices.Backward(state.Heartbeats) {
		if at.Sub(b.At) <= stale {
			recent = append(recent, b.ID)
		}
		if b.At.After(latest) {
			latest = b.At
		}
	}
	found := &once[[]Heartbeat]{ask: func(ctx context.Context) ([]Heartbeat, error) { return c.ports.Store.Heartbeats(ctx, recent) }}
	// Until the first is late there is nothing to say in a run: it is no fault.
	idle := unproved == nil && !slices.ContainsFunc(state.Heartbeats,
		func(b Outstanding) bool { return at.Sub(b.At) >= Timely && at.Sub(b.At) <= stale })
	checks := make([]check, len(Probed()))
	for i, name := range Probed() {
		checks[i] = check{
			id: heartbeatOf + name, group: "heartbeat", region: c.want.Region, severity: detect.High, idle: idle,
			proves: "A recorded call of the sweep comes out at the function within " + minutes(Timely),
			run: func(ctx context.Context) verdict {
				switch {
				case unproved != nil:
					return unanswered(unproved)
				case latest.IsZero():
					return verdict{outcome: Unknown, why: "No heartbeat was recorded yet",
						fix: "The sweep records one within 5 minutes, which comes out within " + minutes(Timely) + ": rootguard doctor --wait 15m"}
				case len(recent) == 0:
					return verdict{outcome: Unknown, why: "The last heartbeat was recorded at " + stamp(latest), fix: "See that the function " +
						c.function(eventrules.Sweep) + " runs every 5 minutes, and records one every " + minutes(HeartbeatEvery) +
						": its log says what keeps it"}
				}
				beats, err := found.get(ctx)
				if err != nil {
					return unanswered(err)
				}
				return c.judgeHeartbeats(ctx, name, beats, at, links)
			},
		}
	}
	return checks
}

// judgeHeartbeats judges a function by the latest heartbeat that came, or that should have.
func (c *Checker) judgeHeartbeats(ctx context.Context, function string, beats []Heartbeat, at time.Time, links []check) verdict {
	slices.SortFunc(beats, func(a, b Heartbeat) int { return b.At.Compare(a.At) })
	for i := range beats {
		b := &beats[i]
		came, ok := b.Received[function]
		switch {
		case ok:
			took := came.Sub(b.Put).Round(time.Second)
			v := well()
			v.proof = fmt.Sprintf("The call of %s, %s ago, came out at the function after %s", stamp(b.Put), at.Sub(b.At).Round(time.Second), took)
			if took > Timely {
				// It works. That none came in time was a failure of the runs before.
				v = warn(fmt.Sprintf("The heartbeat of %s took %s to the function %s", stamp(b.Put), took, c.function(function)),
					"Where this lasts, see the AWS Health Dashboard for CloudTrail, EventBridge and Lambda in "+c.want.Region)
			}
			return v
		case at.Sub(b.At) >= Timely:
			return c.missed(ctx, function, b, links)
		}
	}
	return verdict{outcome: Unknown, why: "The heartbeat is under way", fix: "It comes out within " + minutes(Timely) +
		": rootguard doctor --wait 15m"}
}

// missed names the link that keeps a heartbeat, the first that is not well on its
// way from CloudTrail to the function.
func (c *Checker) missed(ctx context.Context, function string, b *Heartbeat, links []check) verdict {
	why := fmt.Sprintf("The heartbeat of %s, the call iam:TagRole on the role %s, did not come out at the function %s", stamp(b.Put),
		eventrules.SweepRole(c.want.Prefix), c.function(function))
	rule := "heartbeat-" + function
	for _, id := range []string{"trail", "rule." + rule, "target." + rule, "permission." + function, "function." + function} {
		i := slices.IndexFunc(links, func(k check) bool { return k.id == id })
		if i < 0 {
			continue
		}
		if r := links[i].result(ctx); r.Outcome == Failed {
			return fail(why+". The reason is the check "+id+": "+r.Why, r.Fix)
		}
	}
	lookup := fmt.Sprintf("aws cloudtrail lookup-events --region %s --lookup-attributes AttributeKey=EventName,AttributeValue=TagRole",
		c.want.Region)
	if len(b.Received) == 0 {
		return fail(why+", nor at any other. The trail, the rules and the functions are as deployed: CloudTrail or EventBridge does not deliver, or the functions cannot write the table",
			"See whether CloudTrail has the call: "+lookup+" -- then the AWS Health Dashboard, the functions' logs and rootguard redrive --dry-run")
	}
	return fail(why+", though it did at another. The trail, its rule, and the function are as deployed: the event was lost on its way, or the function failed on it",
		"See the log of the function "+c.function(function)+", and what waits: rootguard redrive --dry-run")
}

// alive puts the event on the bus whose absence is an alarm in another Region. It
// says that this run read and wrote the table, could alert, and that nothing is
// known by which alerts are lost: so that this is known there where it cannot be
// reported here.
func (c *Checker) alive(ctx context.Context, state State, failed error, at time.Time) heartbeat {
	if failed != nil {
		return heartbeat{withheld: []string{"alerts"}}
	}
	var h heartbeat
	for i := range state.Episodes {
		e := &state.Episodes[i]
		if e.Due && e.Ended.IsZero() && !e.Unchecked && (e.Severity == detect.Critical || strings.HasPrefix(e.Check, heartbeatOf)) {
			h.withheld = append(h.withheld, e.Check)
		}
	}
	if len(h.withheld) == 0 {
		h.err = c.ports.Bus.Put(ctx, at)
	}
	return h
}

// heartbeat is what became of the event on the bus.
type heartbeat struct {
	withheld []string // since these checks fail
	err      error
}

// sweep is the check, for the doctor, that the checks are made without one.
func (c *Checker) sweep(state State, unread error, at time.Time) check {
	return check{
		id: "sweep", group: "heartbeat", region: c.want.Region, severity: detect.Critical,
		proves: "The function sweep makes these checks every 5 minutes",
		run: func(context.Context) verdict {
			name := c.function(eventrules.Sweep)
			switch {
			case unread != nil:
				return unanswered(unread)
			case state.At.IsZero():
				return warn("The function "+name+" has not made these checks yet", "A new stack does within 5 minutes: check again then")
			case state.At.Sub(at) > minRunGap:
				return warn("The state of the checks is dated "+stamp(state.At)+", which is yet to come",
					"Check the clock here, and see who else writes the table "+c.want.Table)
			case at.Sub(state.At) > maxRunGap:
				return surely("The function "+name+" last made these checks at "+stamp(state.At)+
					": since then nothing is reminded of, and nothing that fails is reported",
					"Fix what is reported of rule.schedule-sweep, target.schedule-sweep, permission.sweep and function.sweep; else see the function's log")
			}
			return well()
		},
	}
}

func stamp(t time.Time) string { return t.UTC().Format("2006-01-02 15:04:05Z") }

func minutes(d time.Duration) string { return fmt.Sprintf("%d minutes", int(d.Minutes())) }
