package health

import (
	"context"
	"errors"
	"slices"
	"strings"
	"sync"
	"time"

	"rootguard/internal/detect"
)

// Outcome is what a check came to.
type Outcome string

// The outcomes.
const (
	OK      Outcome = "ok"
	Warning Outcome = "warning" // it works, though not as it should; told by the doctor alone
	Failed  Outcome = "failed"
	Unknown Outcome = "unknown" // AWS did not answer, or refused to
)

// Result is what one check found.
type Result struct {
	ID       string          `json:"id"`    // such as "rule.root-sign-in"
	Group    string          `json:"group"` // such as "rules"
	Region   string          `json:"region"`
	Proves   string          `json:"proves"` // what is known where it is ok
	Outcome  Outcome         `json:"outcome"`
	Severity detect.Severity `json:"severity"`      // of its failing
	Why      string          `json:"why,omitempty"` // where it is not ok
	Fix      string          `json:"fix,omitempty"` // a command, or a step

	certain bool // one look is enough
	patient bool // a deployment may be about to make it
}

// Expected is how rootguard is deployed.
type Expected struct {
	Partition, Region, Account string
	Prefix                     string // begins the names of its resources

	Table                    string
	Alerts, Escalation, Chat string   // ARNs of topics; the last two may be ""
	Key                      string   // ARN of the topics' key
	Undelivered, Failed      string   // URLs of queues
	Trails                   []string // names or ARNs of the trails that feed it; none: any will do
	Regions                  []string // whose events are forwarded
	Second                   string   // one of Regions, or "": of the second way out
	Quarantine               bool     // users without MFA may be quarantined, by a function of its own
}

// Ports are what a Checker looks through.
type Ports struct {
	Trails    Trails
	Rules     Rules
	Functions Functions
	Queues    Queues
	Topics    Topics
	Keys      Keys
	Tables    Tables
	Bus       Bus      // nil: of one that makes no run
	Recorder  Recorder // likewise
	RollUps   RollUps
	Store     Store
}

// Checker makes the checks. It is safe for concurrent use.
type Checker struct {
	ports Ports
	want  Expected
	now   func() time.Time
}

// New returns a Checker.
func New(ports Ports, want Expected, now func() time.Time) *Checker {
	return &Checker{ports: ports, want: want, now: now}
}

// verdict is what a check says; the rest of its Result is known beforehand.
type verdict struct {
	outcome  Outcome
	why, fix string
	proof    string          // what is known instead of what the check proves, or ""
	severity detect.Severity // another than the check's own, or 0
	certain  bool
	patient  bool
}

func well() verdict { return verdict{outcome: OK} }

func warn(why, fix string) verdict { return verdict{outcome: Warning, why: why, fix: fix} }

func fail(why, fix string) verdict { return verdict{outcome: Failed, why: why, fix: fix} }

// surely is a failure that needs no second look: no deployment makes it, as one
// makes what is not there yet, and it does not pass by itself.
func surely(why, fix string) verdict {
	return verdict{outcome: Failed, why: why, fix: fix, certain: true}
}

// unanswered is the verdict of an error that says nothing about what was asked for.
func unanswered(err error) verdict {
	why := strings.Join(strings.Fields(err.Error()), " ")
	const most = 400
	if len(why) > most {
		why = strings.ToValidUTF8(why[:most], "") + "..."
	}
	fix := "Allow the call that the error names, or check again where AWS was only slow: rootguard doctor"
	if errors.Is(err, context.DeadlineExceeded) {
		fix = "Check again: rootguard doctor"
	}
	return verdict{outcome: Unknown, why: "It could not be checked: " + why, fix: fix}
}

// of is the verdict of an error: absent where what was asked for does not exist.
func of(err error, absent verdict) verdict {
	if errors.Is(err, ErrAbsent) {
		return absent
	}
	return unanswered(err)
}

// check is one thing to look at.
type check struct {
	id, group, region, proves string
	severity                  detect.Severity
	slow                      bool // it takes many calls, or what it is about seldom changes
	idle                      bool // there is nothing yet by which to tell
	run                       func(ctx context.Context) verdict
}

const (
	// SlowEvery is how often the slow checks are made where all are well.
	SlowEvery = 30 * time.Minute

	workers = 8
	// checkTimeout bounds one check, so that one service that hangs leaves the
	// others their time.
	checkTimeout = 8 * time.Second
)

// made makes checks, some at a time, in their order.
func made(ctx context.Context, checks []check) []Result {
	results := make([]Result, len(checks))
	next := make(chan int)
	var wg sync.WaitGroup
	for range min(workers, len(checks)) {
		wg.Go(func() {
			for i := range next {
				results[i] = checks[i].result(ctx)
			}
		})
	}
	for i := range checks {
		next <- i
	}
	close(next)
	wg.Wait()
	return results
}

func (c *check) result(ctx context.Context) Result {
	ctx, cancel := context.WithTimeout(ctx, checkTimeout)
	defer cancel()
	v := c.run(ctx)
	r := Result{ID: c.id, Group: c.group, Region: c.region, Proves: c.proves, Outcome: v.outcome, Severity: c.severity, Why: v.why, Fix: v.fix, certain: v.certain, patient: v.patient}
	if v.severity != 0 {
		r.Severity = v.severity
	}
	if v.proof != "" {
		r.Proves = v.proof
	}
	return r
}

// once asks a question once for all checks that need its answer.
type once[T any] struct {
	ask   func(ctx context.Context) (T, error)
	first sync.Once
	value T
	err   error
}

func (o *once[T]) get(ctx context.Context) (T, error) {
	o.first.Do(func() { o.value, o.err = o.ask(ctx) })
	return o.value, o.err
}

// checks are all of them, in the order in which a doctor tells them.
// unread is why there is no state.
func (c *Checker) checks(state State, unread error, at time.Time) []check {
	all := slices.Concat([]check{c.trail()}, c.rules(), c.functions())
	return slices.Concat(all, c.heartbeats(state, unread, at, slices.Clone(all)), c.queues(), c.topics(), c.table(), []check{c.unsent(at)}, c.forwarders(state), c.second(state))
}

// Inspect makes every check as of a time, and whether the sweep runs besides.
func (c *Checker) Inspect(ctx context.Context, at time.Time) []Result {
	state, err := c.ports.Store.Health(ctx)
	return made(ctx, append([]check{c.sweep(state, err, at)}, c.checks(state, err, at)...))
}
