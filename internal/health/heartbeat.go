package health

import (
	"context"
	"crypto/rand"
	"fmt"
	"slices"
	"time"

	"rootguard/internal/detect"
	"rootguard/internal/eventpattern"
)

const (
	// Timely is how soon a heartbeat must come out at the functions.
	Timely = 2 * time.Minute
	// silence is how long there may be none, or no run of the sweep: two may fail.
	silence = 15 * time.Minute
	// outstanding is how many of the latest heartbeats a state names.
	outstanding = 6
)

// Probed are the functions at which a heartbeat must come out.
func Probed() []string { return []string{eventpattern.RootActivity, eventpattern.IAMUser} }

// Probe puts a heartbeat on the bus, after it is on file. at is the time of the run.
func (c *Checker) Probe(ctx context.Context, at time.Time) (Beat, error) {
	b := Beat{ID: rand.Text(), At: at, Put: c.now()}
	if err := c.ports.Store.AddBeat(ctx, b); err != nil {
		return b, fmt.Errorf("noting a heartbeat: %w", err)
	}
	if err := c.ports.Bus.Put(ctx, b); err != nil {
		return b, fmt.Errorf("putting a heartbeat: %w", err)
	}
	return b, nil
}

// heartbeats are the checks that an event comes out at the functions. unproved is
// why that cannot be told.
func (c *Checker) heartbeats(state State, unproved error, at time.Time) []check {
	var newest Outstanding
	for _, b := range state.Beats {
		if at.Sub(b.At) >= Timely && b.At.After(newest.At) {
			newest = b
		}
	}
	found := &once[[]Beat]{ask: func(ctx context.Context) ([]Beat, error) { return c.ports.Store.Beats(ctx, []string{newest.ID}) }}
	old := newest.ID == "" || at.Sub(newest.At) > silence
	checks := make([]check, len(Probed()))
	for i, name := range Probed() {
		checks[i] = check{
			id: "heartbeat." + name, group: "heartbeat", region: c.want.Region, severity: detect.High, idle: old && unproved == nil,
			proves: "An event put on the bus comes out at the function within 2 minutes",
			run: func(ctx context.Context) verdict {
				switch {
				case unproved != nil:
					return unanswered(unproved)
				case newest.ID == "":
					return verdict{outcome: Unknown, why: "No heartbeat was put more than 2 minutes ago", fix: "The sweep puts one every 5 minutes: look again in 10"}
				case old:
					return verdict{outcome: Unknown, why: "The last heartbeat was put at " + stamp(newest.At), fix: "See that the function " + c.function(eventpattern.Sweep) + " runs every 5 minutes: its log says what keeps it"}
				}
				beats, err := found.get(ctx)
				if err != nil {
					return unanswered(err)
				}
				i := slices.IndexFunc(beats, func(b Beat) bool { return b.ID == newest.ID })
				if i < 0 {
					return c.missed(name, newest.At)
				}
				return c.judgeBeat(name, &beats[i])
			},
		}
	}
	return checks
}

func (c *Checker) judgeBeat(function string, b *Beat) verdict {
	came := b.Received[function]
	if came.IsZero() {
		return c.missed(function, b.At)
	}
	if late := came.Sub(b.Put); late > Timely {
		v := c.missed(function, b.At)
		v.why = fmt.Sprintf("The heartbeat of %s took %s to the function %s", stamp(b.At), late.Round(time.Second), c.function(function))
		return v
	}
	return well()
}

func (c *Checker) missed(function string, at time.Time) verdict {
	return fail(fmt.Sprintf("The heartbeat of %s did not come out at the function %s", stamp(at), c.function(function)),
		fmt.Sprintf("rootguard doctor: mend what it says of rule.probe-%[1]s, target.probe-%[1]s, permission.%[1]s, function.%[1]s and the queues; else see the function's log", function))
}

// Arrival judges a heartbeat as the checks do, for whoever waited for it. unproved
// is why there is none.
func (c *Checker) Arrival(b Beat, unproved error) []Result {
	results := make([]Result, len(Probed()))
	for i, name := range Probed() {
		k := check{
			id: "probe." + name, group: "heartbeat", region: c.want.Region, severity: detect.High,
			proves: "The event that was put now came out at the function",
			run: func(context.Context) verdict {
				if unproved != nil {
					return unanswered(unproved)
				}
				return c.judgeBeat(name, &b)
			},
		}
		results[i] = k.result(context.Background())
	}
	return results
}

// sweep is the check, for the doctor, that the checks are made without one.
func (c *Checker) sweep(state State, unread error, at time.Time) check {
	return check{
		id: "sweep", group: "heartbeat", region: c.want.Region, severity: detect.Critical, proves: "The function sweep makes these checks every 5 minutes",
		run: func(context.Context) verdict {
			name := c.function(eventpattern.Sweep)
			switch {
			case unread != nil:
				return unanswered(unread)
			case state.At.IsZero():
				return warn("The function "+name+" has not made these checks yet", "A new stack does within 5 minutes: look again then")
			case at.Sub(state.At) > silence:
				return surely("The function "+name+" last made these checks at "+stamp(state.At)+": since then nobody is reminded, and nothing that fails is told",
					"Mend what is said of rule.heartbeat-sweep, target.heartbeat-sweep, permission.sweep and function.sweep; else see the function's log")
			}
			return well()
		},
	}
}

func stamp(t time.Time) string { return t.UTC().Format("2006-01-02 15:04:05Z") }

// Beat is a heartbeat as the table has it now; found is false where it does not.
func (c *Checker) Beat(ctx context.Context, id string) (b Beat, found bool, err error) {
	beats, err := c.ports.Store.Beats(ctx, []string{id})
	if err != nil || len(beats) == 0 {
		return b, false, err
	}
	return beats[0], true, nil
}
