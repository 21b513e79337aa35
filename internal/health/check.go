package health

import (
	"context"
	"errors"
	"slices"
	"strings"
	"sync"
	"time"

	"rootguard/internal/detect"
	"rootguard/internal/eventrules"
)

// Outcome is what a check came to.
type Outcome string

// The outcomes.
const (
	OK      Outcome = "ok"
	Warning Outcome = "warning" // it works, though not as it should; reported by the doctor alone
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
	Severity detect.Severity `json:"severity"`             // of its failing
	Why      string          `json:"why,omitempty"`        // where it is not ok
	Fix      string          `json:"fix,omitempty"`        // a command, or a step
	More     []string        `json:"more_fixes,omitempty"` // of what else is wrong

	certain bool     // one check is enough
	patient bool     // a deployment may be about to make it
	once    bool     // it is news once: there are no reminders, and no word when it is over
	quiet   bool     // the digest names it: there are no reminders
	enabled []string // the Regions that the account has enabled, where this is about them
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
	Organization             bool     // member accounts forward their events
	Operators                bool     // the table has a policy that keeps all but the functions and the operators from writing

	// Deployed is false where a version of rootguard was deployed that does not note
	// the rest.
	Deployed  bool
	Adopted   bool                // the table was not made by the deployment, and has its owner's key and policy
	Code      map[string]string   // base64 of the SHA-256 of each function's archive
	Alarms    []string            // names
	Receivers map[string][]string // config.ReceiverID of those of each topic, by its ARN
	Routes    map[string]string   // config.FilterID of those of the topic of alerts that get some alerts alone, by ReceiverID
	SMS       bool                // some of them get text messages
	Boundary  string              // ARN of the roles' permissions boundary, or ""
	Further   []string            // Regions that every account of the partition has, besides the guard's own
	OptIn     bool                // accounts of the partition can enable more Regions
	Digest    bool                // a digest names what fails
}

// Ports are what a Checker reads.
type Ports struct {
	Trails    Trails
	Rules     Rules
	Functions Functions
	Queues    Queues
	Messages  Messages // nil: messages are only counted
	Topics    Topics
	Keys      Keys
	Tables    Tables
	Bus       Bus      // nil: of one that makes no run
	Recorder  Recorder // as above
	RollUps   RollUps
	Roles     Roles
	Alarms    Alarms
	Metrics   Metrics
	Regions   Regions
	Store     Store
}

// Checker makes the checks. It is safe for concurrent use.
type Checker struct {
	ports Ports
	want  Expected
	now   func() time.Time

	// eventRules are the rules by which events reach the functions. They are worked
	// out once: to bound what their patterns cost takes longer than most checks.
	eventRules func() ([]eventrules.Rule, error)
	// wantedRules are the rules of the home Region, worked out once too.
	wantedRules func() ([]wantedRule, error)
}

// New returns a Checker.
func New(ports Ports, want Expected, now func() time.Time) *Checker {
	c := &Checker{ports: ports, want: want, now: now, eventRules: sync.OnceValues(func() ([]eventrules.Rule, error) {
		rules, err := eventrules.RulesFor(want.Prefix)
		if err == nil && want.Quarantine {
			rules = append(rules, eventrules.QuarantineRule(want.Prefix))
		}
		return rules, err
	})}
	c.wantedRules = sync.OnceValues(c.chooseRules)
	return c
}

// verdict is what a check says; the rest of its Result is known beforehand.
type verdict struct {
	outcome  Outcome
	why, fix string
	more     []string        // fixes of what else is wrong
	proof    string          // what is known instead of what the check proves, or ""
	severity detect.Severity // another than the check's own, or 0
	certain  bool
	patient  bool
	once     bool
	quiet    bool
	enabled  []string // Regions, of the check of them
}

func well() verdict { return verdict{outcome: OK} }

func warn(why, fix string) verdict { return verdict{outcome: Warning, why: why, fix: fix} }

func fail(why, fix string) verdict { return verdict{outcome: Failed, why: why, fix: fix} }

// surely is a failure that needs no second check: no deployment makes it, as one
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

// check is one thing to check.
type check struct {
	id, group, region, proves string
	severity                  detect.Severity
	every                     time.Duration // 0: in each run; it takes many calls, or what it is about seldom changes
	idle                      bool          // there is nothing yet by which to say
	run                       func(ctx context.Context) verdict
}

// How often checks are made where all are well, so that there are not thousands
// of calls a day: each is a record in the account's trails.
const (
	// SlowEvery is of most of those that take a call of their own.
	SlowEvery = 30 * time.Minute
	// Hourly is of those that take many calls, or cost.
	Hourly = time.Hour
	// Rarely is of those that take many calls in every Region.
	Rarely = 6 * time.Hour
)

const (
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
	r := Result{ID: c.id, Group: c.group, Region: c.region, Proves: c.proves, Outcome: v.outcome, Severity: c.severity, Why: v.why, Fix: v.fix,
		More: v.more, certain: v.certain, patient: v.patient, once: v.once, quiet: v.quiet, enabled: v.enabled}
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

// answers are asked for once by all checks of a run that need them.
type answers struct {
	names     []string // of functions
	functions map[string]*once[Function]
	topics    map[string]*once[Topic] // by ARN
	receivers map[string]*once[Receivers]
	table     *once[Table]
}

func (c *Checker) newAnswers() *answers {
	a := &answers{names: c.functionNames(), functions: map[string]*once[Function]{}, topics: map[string]*once[Topic]{},
		receivers: map[string]*once[Receivers]{}}
	for _, name := range a.names {
		full := c.function(name)
		a.functions[name] = &once[Function]{ask: func(ctx context.Context) (Function, error) { return c.ports.Functions.Function(ctx, full) }}
	}
	for _, arn := range c.topicARNs() {
		a.topics[arn] = &once[Topic]{ask: func(ctx context.Context) (Topic, error) { return c.ports.Topics.Topic(ctx, arn) }}
		a.receivers[arn] = &once[Receivers]{ask: func(ctx context.Context) (Receivers, error) { return c.ports.Topics.Receivers(ctx, arn) }}
	}
	if c.want.Second != "" {
		arn := c.secondTopic()
		a.receivers[arn] = &once[Receivers]{ask: func(ctx context.Context) (Receivers, error) { return c.ports.Topics.Receivers(ctx, arn) }}
	}
	a.table = &once[Table]{ask: func(ctx context.Context) (Table, error) { return c.ports.Tables.Table(ctx, c.want.Table) }}
	return a
}

// checks are all of them, in the order in which a doctor reports them.
// unread is why there is no state.
func (c *Checker) checks(state State, unread error, at time.Time) []check {
	a := c.newAnswers()
	all := slices.Concat([]check{c.trail()}, c.rules(), []check{c.bus()}, c.functionChecks(a))
	return slices.Concat(all, c.heartbeats(state, unread, at, slices.Clone(all)), c.roles(a), c.queues(),
		c.topicChecks(a), c.receivers(a, state),
		c.tableChecks(a), []check{c.tableAccess(a)}, []check{c.unsent(at)}, c.alarms(), c.lost(state, at), c.regions(state),
		c.forwarders(state), c.second(state))
}

// Inspect makes every check as of a time, and whether the sweep runs besides.
func (c *Checker) Inspect(ctx context.Context, at time.Time) []Result {
	state, err := c.ports.Store.Health(ctx)
	return made(ctx, append([]check{c.sweep(state, err, at)}, c.checks(state, err, at)...))
}
