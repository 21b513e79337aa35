package guard_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"rootguard/internal/alert"
	"rootguard/internal/bootstrap"
	"rootguard/internal/cloudtrail"
	"rootguard/internal/detect"
	"rootguard/internal/fake"
	"rootguard/internal/guard"
	"rootguard/internal/mfadeadline"
	"rootguard/internal/repeats"
	"rootguard/internal/testenv"
	"rootguard/internal/wire"
	"rootguard/internal/wiretest"
)

const (
	maxSkew  = 30 * time.Second // of a process's clock, so that two differ by up to a minute
	maxStall = 28 * time.Second // how long an invocation hangs at most and still goes on
	maxLag   = 2 * time.Minute  // by which IAM's answers may be out of date
)

// truth is a user as it is, whatever the guard knows of it.
type truth struct {
	created, deleted, password, mfa bool

	since  time.Time   // of the state
	before []truth     // the states it had, oldest first
	gaps   []time.Time // when each time without MFA began
	closed map[string]bool
}

func (u *truth) open() bool { return u.created && !u.deleted && u.password && !u.mfa }

// at is the state that the user had at a time.
func (u *truth) at(t time.Time) truth {
	for _, was := range slices.Backward(append(slices.Clone(u.before), *u)) {
		if !was.since.After(t) {
			return was
		}
	}
	return truth{}
}

// step is one thing about a user that is to be reported once.
type step struct {
	user  string
	gap   int // counted from 1
	stage string
}

// model is IAM, the queue of records and the receivers, around a guard
// whose functions run as processes.
type model struct {
	rt        *rapid.T
	settings  wire.Settings
	clock     *fake.Clock // the true time
	lag       time.Duration
	late      bool // sweeps do not wait for the records of what happened before
	detector  detect.Detector
	store     fake.Claims
	journal   fake.Facts
	deadlines fake.Deadlines

	gone    map[string]bool            // topics that are gone for good
	handled map[*cloudtrail.Record]int // how often a record failed for want of a topic alone
	refused int                        // how many transactions in a row are refused at most, 0 for none

	users    map[string]*truth
	names    []string
	silent   map[string]bool // users about whom IAM gives no answer
	silenced bool            // some were
	pending  []*cloudtrail.Record
	records  int
	events   map[string]int // findings of records, by ID and session

	running   []*process // the last runs while the others wait
	published []alert.Alert
	copies    map[string]int           // by alert ID
	allowed   map[string]int           // copies after the first, by alert ID, that faults account for
	reported  map[step]map[string]bool // alert IDs
	firstTold map[step]time.Time

	counted           map[string]bool          // claims of notices that were collected
	collected, listed map[string][]alert.Stage // what was to go out with others, and what went out, in order, by subject
}

// process is one run of a function: it has a clock of its own, some of its calls
// fail, others do something before one, and one may be its last.
type process struct {
	*wiretest.Parts
	m         *model
	skew      time.Duration
	started   time.Time
	faults    map[int]fake.Fault
	meanwhile map[int]func()
	conflicts map[int]int // how often the transaction of a call is refused
	one       sync.Mutex
	calls     int
	dead      bool
	leased    map[string]string // alert ID by claim key
	out       map[string]bool   // alerts that went out and are not marked sent, by claim key
}

func (m *model) process(skew time.Duration) *process {
	p := &process{
		m: m, skew: skew, started: m.clock.Now(), faults: map[int]fake.Fault{}, meanwhile: map[int]func(){}, conflicts: map[int]int{},
		leased: map[string]string{}, out: map[string]bool{},
	}
	p.Parts = wiretest.NewParts(wire.Deps{Detector: &m.detector, Claims: p, Facts: p, Deadlines: processDeadlines{p}, Publisher: p, Now: p.now}, m.settings)
	return p
}

func (p *process) now() time.Time { return p.m.clock.Now().Add(p.skew) }

// call makes a call go as planned. lost is called for one whose answer gets lost,
// and whether it was done.
func (p *process) call(do func() error, lost func(done bool)) error {
	p.one.Lock() // the sweep moves several users on at once
	defer p.one.Unlock()
	if p.dead {
		return fake.ErrCrash
	}
	p.calls++
	if other := p.meanwhile[p.calls]; other != nil {
		other()
	}
	f := p.faults[p.calls]
	if f == fake.None {
		p.m.store.Refuse = p.conflicts[p.calls]
		err := do()
		if p.m.store.Refuse = 0; errors.Is(err, fake.ErrConflict) {
			lost(false)
		}
		return err
	}
	p.dead = f == fake.CrashBefore || f == fake.CrashAfter
	done := f == fake.FailAfter || f == fake.CrashAfter
	if done {
		if err := do(); err != nil && !errors.Is(err, errGone) {
			return err
		}
	}
	lost(done)
	return fmt.Errorf("call %d: %w", p.calls, fake.ErrFault)
}

func never(bool) {}

// Update is guard.Claims's. Where a fault keeps a claim from being marked sent
// after its alert went out, one more copy of it comes.
func (p *process) Update(ctx context.Context, claimKey, windowKey string, decide func(guard.Claim, repeats.Series) (guard.Claim, repeats.Series)) error {
	return p.call(func() error {
		var claim guard.Claim
		err := p.m.store.Update(ctx, claimKey, windowKey, func(c guard.Claim, w repeats.Series) (guard.Claim, repeats.Series) {
			c, w = decide(c, w)
			claim = c
			return c, w
		})
		switch {
		case err != nil || claim.Key == "":
		case strings.HasPrefix(claim.Group, inCollection):
			// It is held against the truth of when it is collected.
			p.m.tell(p, alert.Alert{ID: claimKey, Finding: *claim.Finding})
		case claim.State == guard.Leased:
			p.leased[claimKey] = claim.AlertID
		default:
			delete(p.leased, claimKey)
			delete(p.out, claimKey)
		}
		return err
	}, func(done bool) {
		if !done && p.out[claimKey] {
			p.m.allowed[p.leased[claimKey]]++
		}
	})
}

// inCollection begins the key of what goes out together.
const inCollection = "collected/"

// list notes what goes out together, and holds that only a fault sends it again.
func (m *model) list(a *alert.Alert) {
	m.copies[a.ID]++
	switch n := m.copies[a.ID]; {
	case n-1 > m.allowed[a.ID]:
		m.rt.Errorf("%q: copy %d, and faults account for %d more than the first", a.Finding.Title, n, m.allowed[a.ID])
	case n > 1:
		return
	}
	add := func(it alert.SummaryItem) {
		f := alert.Listed(wiretest.Account, &it)
		one := f.SubjectID()
		m.listed[one] = append(m.listed[one], it.Stage)
	}
	if a.Summary == nil {
		add(alert.ItemOf(&a.Finding, nil))
		return
	}
	for i := range a.Summary.Accounts {
		for _, it := range a.Summary.Accounts[i].Findings {
			add(it)
		}
	}
}

// wantListed holds that what was collected went out once, but for what something later
// in the same alert replaced: the last of each went out, and that it is over wherever it
// was reported.
func (m *model) wantListed() {
	for one, stages := range m.listed {
		for i, stage := range stages {
			if !slices.Contains(m.collected[one], stage) || stage != alert.StageReminder && slices.Contains(stages[:i], stage) {
				m.rt.Errorf("%s: %v went out, and %v was collected", one, stages, m.collected[one])
			}
		}
		if len(stages) > len(m.collected[one]) {
			m.rt.Errorf("%s: %v went out, and %v was collected", one, stages, m.collected[one])
		}
	}
	for one, stages := range m.collected {
		sent := m.listed[one]
		over := slices.Contains(stages, alert.StageResolved)
		last := stages[len(stages)-1]
		if over {
			last = alert.StageResolved
		}
		if (len(sent) > 0 || !over) && !slices.Contains(sent, last) {
			m.rt.Errorf("%s: %v went out, and %v was collected", one, sent, stages)
		}
	}
}

// The topics. What reaches the first is held against the truth; it is never gone.
const (
	alertsTopic     = "alerts"
	escalationTopic = "escalation"
	chatTopic       = "chat"
)

var errGone = errors.New("NotFound: Topic does not exist")

// Publish is guard.Publisher's, to the topics that do not have the alert yet.
func (p *process) Publish(_ context.Context, a alert.Alert) error {
	key := ""
	for claimKey, id := range p.leased {
		if id == a.ID {
			key = claimKey
		}
	}
	first := !slices.Contains(a.DeliveredTo, alertsTopic)
	return p.call(func() error {
		have := slices.Clone(a.DeliveredTo)
		missing := 0
		for _, topic := range []string{alertsTopic, escalationTopic, chatTopic} {
			switch {
			case slices.Contains(have, topic):
			case p.m.gone[topic]:
				missing++
			default:
				have = append(have, topic)
			}
		}
		if first {
			p.out[key] = true
			if strings.HasPrefix(key, "group/"+inCollection) {
				p.m.list(&a)
			} else {
				p.m.published = append(p.m.published, a)
				p.m.tell(p, a)
			}
		}
		if missing > 0 {
			return &guard.Partial{DeliveredTo: have, Err: errGone}
		}
		return nil
	}, func(done bool) {
		if done && first {
			p.m.allowed[a.ID]++
			delete(p.out, key)
		}
	})
}

// failed reports whether a run failed by more than that a topic is gone.
func (m *model) failed(err error) bool {
	return err != nil && (!errors.Is(err, errGone) || errors.Is(err, fake.ErrFault) || errors.Is(err, fake.ErrCrash) || errors.Is(err, fake.ErrConflict))
}

// Read is guard.ClaimRows'.
func (p *process) Read(ctx context.Context, keys []string) (claims []guard.Claim, err error) {
	err = p.call(func() error { claims, err = p.m.store.Read(ctx, keys); return err }, never)
	return claims, err
}

// UpdateGroup is guard.Groups'.
func (p *process) UpdateGroup(ctx context.Context, key string, decide func(guard.Group) guard.Group) error {
	return p.call(func() error { return p.m.store.UpdateGroup(ctx, key, decide) }, never)
}

// Count is guard.Groups'.
func (p *process) Count(ctx context.Context, group string, batch int, claim string) (counted bool, err error) {
	err = p.call(func() error {
		if counted, err = p.m.store.Count(ctx, group, batch, claim); err != nil || !counted || !strings.HasPrefix(group, inCollection) || p.m.counted[claim] {
			return err
		}
		p.m.counted[claim] = true
		claims, err := p.m.store.Read(ctx, []string{claim})
		if err != nil {
			return err
		}
		f := claims[0].Finding
		one := f.SubjectID()
		p.m.collected[one] = append(p.m.collected[one], alert.ItemOf(f, nil).Stage)
		return nil
	}, never)
	return counted, err
}

// Counted is guard.Groups'.
func (p *process) Counted(ctx context.Context, group string, from, to int, claim string) (batch int, found bool, err error) {
	err = p.call(func() error { batch, found, err = p.m.store.Counted(ctx, group, from, to, claim); return err }, never)
	return batch, found, err
}

// Seal is guard.Groups'.
func (p *process) Seal(ctx context.Context, group string, batch int) (claims []string, err error) {
	err = p.call(func() error { claims, err = p.m.store.Seal(ctx, group, batch); return err }, never)
	return claims, err
}

// Due is guard.Groups'.
func (p *process) Due(ctx context.Context, at time.Time, limit int) (due []guard.Group, err error) {
	err = p.call(func() error { due, err = p.m.store.Due(ctx, at, limit); return err }, never)
	return due, err
}

// Add is guard.Facts's.
func (p *process) Add(ctx context.Context, facts []bootstrap.Fact) (added int, err error) {
	err = p.call(func() error { added, err = p.m.journal.Add(ctx, facts); return err }, never)
	return added, err
}

// Fact is guard.Facts's.
func (p *process) Fact(ctx context.Context, account, id string) (f bootstrap.Fact, found bool, err error) {
	err = p.call(func() error { f, found, err = p.m.journal.Fact(ctx, account, id); return err }, never)
	return f, found, err
}

// Facts is guard.Facts's.
func (p *process) Facts(ctx context.Context, account string) (facts []bootstrap.Fact, err error) {
	err = p.call(func() error { facts, err = p.m.journal.Facts(ctx, account); return err }, never)
	return facts, err
}

// processDeadlines are the deadlines as a process sees them.
type processDeadlines struct{ p *process }

// Get is worker.Rows'.
func (d processDeadlines) Get(ctx context.Context, key string) (row mfadeadline.Deadline, err error) {
	err = d.p.call(func() error { row, err = d.p.m.deadlines.Get(ctx, key); return err }, never)
	return row, err
}

// Update is worker.Rows'.
func (d processDeadlines) Update(ctx context.Context, key string, decide func(mfadeadline.Deadline) mfadeadline.Deadline) error {
	return d.p.call(func() error { return d.p.m.deadlines.Update(ctx, key, decide) }, never)
}

// Due is worker.Rows'.
func (d processDeadlines) Due(ctx context.Context, at time.Time, limit int) (due []mfadeadline.Deadline, err error) {
	err = d.p.call(func() error { due, err = d.p.m.deadlines.Due(ctx, at, limit); return err }, never)
	return due, err
}

// User is mfadeadline.UserChecker's: IAM, which may not show the latest changes. Several ask
// at once, so nothing here depends on who is first.
func (p *process) User(_ context.Context, _, name string) (bootstrap.LiveFact, error) {
	if p.dead || p.m.silent[name] {
		return bootstrap.LiveFact{}, wiretest.ErrThrottled
	}
	was := p.m.users[name].at(p.m.clock.Now().Add(-p.m.lag))
	if !was.created || was.deleted {
		return bootstrap.LiveFact{UserName: name, Gone: true}, nil
	}
	live := bootstrap.LiveFact{UserName: name, ConsoleLogin: &was.password}
	if was.mfa {
		live.MFADevices = []string{"arn:aws:iam::" + wiretest.Account + ":mfa/" + name}
	}
	return live, nil
}

// report is what people see of an alert, held against the truth.
func (m *model) tell(p *process, a alert.Alert) {
	m.copies[a.ID]++
	f, now := &a.Finding, m.clock.Now()
	if n := m.copies[a.ID]; n-1 > m.allowed[a.ID] {
		m.rt.Errorf("%q: copy %d, and faults account for %d more than the first", f.Title, n, m.allowed[a.ID])
	}
	if f.ID != detect.UserMFAMissing {
		return
	}
	u := m.users[f.Target.UserName]
	if f.Session == "closed" {
		u.closed[f.EventID] = true
		ended := len(u.gaps)
		if u.open() {
			ended--
		}
		if len(u.closed) > ended && !m.late {
			m.rt.Errorf("%q: %d closed, of %d that ended", f.Title, len(u.closed), ended)
		}
		return
	}
	seen := u.at(p.started.Add(-m.lag))
	if !u.open() && !seen.open() {
		m.rt.Errorf("%q, who is %+v and was %+v", f.Title, u, seen)
		return
	}
	// What a sweep shows is of when it began.
	one := step{f.Target.UserName, len(u.gaps), f.Session}
	for one.gap > 1 && u.gaps[one.gap-1].After(p.started) {
		one.gap--
	}
	if since := now.Sub(u.gaps[one.gap-1]); since < m.settings.Bootstrap.Grace-maxSkew && !m.late {
		m.rt.Errorf("%q %v after its password", f.Title, since)
	}
	if m.reported[one] == nil {
		m.reported[one], m.firstTold[one] = map[string]bool{}, now
	}
	m.reported[one][a.ID] = true
	most := 1
	if m.firstTold[one].Before(u.gaps[one.gap-1].Add(m.settings.Bootstrap.Grace - maxSkew)) {
		most++ // that one was about the time before, of whose end no record had come
	}
	if n := len(m.reported[one]); n > most {
		m.rt.Errorf("%+v was alerted as %d different alerts", one, n)
	}
}

func (m *model) skewed() time.Duration {
	most := int(maxSkew / time.Second)
	return time.Duration(rapid.OneOf(rapid.SampledFrom([]int{0, -most, most}), rapid.IntRange(-most, most)).Draw(m.rt, "skew")) * time.Second
}

// plan draws what goes wrong in a process, and what others do meanwhile.
func (m *model) plan(p *process, depth int) {
	call := rapid.OneOf(rapid.IntRange(1, 7), rapid.IntRange(1, 25))
	for range rapid.SampledFrom([]int{0, 0, 1, 1, 2}).Draw(m.rt, "faults") {
		p.faults[call.Draw(m.rt, "at call")] = rapid.SampledFrom([]fake.Fault{fake.FailBefore, fake.FailAfter, fake.CrashBefore, fake.CrashAfter}).Draw(m.rt, "fault")
	}
	if m.refused > 0 {
		for range rapid.IntRange(0, 3).Draw(m.rt, "transactions refused") {
			p.conflicts[call.Draw(m.rt, "of call")] = rapid.IntRange(1, m.refused).Draw(m.rt, "times")
		}
	}
	for range rapid.SampledFrom([]int{0, 0, 1, 2}).Draw(m.rt, "others") {
		at := call.Draw(m.rt, "before call")
		what := rapid.SampledFrom([]string{"deliver", "change", "change", "change", "sweep", "sweep", "stall", "freeze"}).Draw(m.rt, "other")
		p.meanwhile[at] = func() {
			switch what {
			case "stall": // of all that run, none may be held up for longer
				d := time.Duration(rapid.IntRange(1, int(maxStall/time.Second)).Draw(m.rt, "seconds")) * time.Second
				m.clock.Advance(max(0, min(d, m.running[0].started.Add(maxStall).Sub(m.clock.Now()))))
			case "freeze": // for longer than an invocation may take: others take over
				m.clock.Advance(m.settings.Lease + 2*maxSkew)
				for _, p := range m.running {
					for _, id := range p.leased {
						m.allowed[id]++
					}
				}
				fallthrough
			default:
				if depth < 1 {
					m.run(what, depth+1)
				}
			}
		}
	}
}

// run has a new process do something.
func (m *model) run(what string, depth int) {
	p := m.process(m.skewed())
	m.plan(p, depth)
	m.running = append(m.running, p)
	defer func() { m.running = m.running[:len(m.running)-1] }()
	ctx := context.Background()
	switch what {
	case "deliver":
		records := slices.Clone(m.pending)
		if len(records) > 0 && rapid.IntRange(0, 2).Draw(m.rt, "one") == 0 {
			i := rapid.IntRange(0, len(records)-1).Draw(m.rt, "which")
			records = records[i : i+1]
		}
		for _, rec := range records {
			m.handle(p, rec)
		}
	case "change": // and its record comes at once
		if m.change() {
			m.handle(p, m.pending[len(m.pending)-1])
		}
	case "flush":
		_, _ = p.Flush(ctx, p.now())
	default:
		if m.late || len(m.pending) == 0 {
			// A schedule's call may come late.
			after := time.Duration(rapid.SampledFrom([]int{0, 0, 0, 4}).Draw(m.rt, "minutes late")) * time.Minute
			_, _ = p.Sweep(ctx, p, p.now().Add(-after))
		}
	}
}

// handle hands a record to a process. One that fails stays on the queue.
func (m *model) handle(p *process, rec *cloudtrail.Record) {
	if _, err := p.Handle(context.Background(), rec); err != nil {
		m.handled[rec]++
		if m.failed(err) || m.handled[rec] < 3 {
			return
		} // else it goes to the queue of failures
	}
	if i := slices.Index(m.pending, rec); i >= 0 {
		m.pending = slices.Delete(m.pending, i, i+1)
	}
}

// act has an administrator do something about a user.
func (m *model) act(call, user string) {
	u := m.users[user]
	m.clock.Advance(time.Second)
	was := *u
	was.before = nil
	u.before = append(u.before, was)
	u.since = m.clock.Now()
	switch call {
	case "CreateUser":
		u.created = true
	case "CreateLoginProfile":
		u.password = true
	case "DeleteLoginProfile":
		u.password = false
	case "EnableMFADevice":
		u.mfa = true
	case "DeactivateMFADevice":
		u.mfa = false
	case "DeleteUser":
		u.deleted = true
	}
	if u.open() && !was.open() {
		u.gaps = append(u.gaps, u.since)
	}
	m.records++
	rec := wiretest.IAMCall(call, user, u.since)
	rec.EventID = fmt.Sprint("e-", m.records)
	if out := m.detector.Detect(rec, nil); out.Kind == detect.Matched {
		m.events[string(out.Finding.ID)+" "+out.Finding.Session]++
	}
	m.pending = append(m.pending, rec)
	if rapid.IntRange(0, 3).Draw(m.rt, "copy") == 0 { // of another trail
		again := *rec
		m.pending = append(m.pending, &again)
	}
	m.clock.Advance(time.Second)
}

// change has something done about some user, if anything can be.
func (m *model) change() bool {
	user := rapid.SampledFrom(m.names).Draw(m.rt, "user")
	can := m.users[user].calls()
	if len(can) > 0 {
		m.act(rapid.SampledFrom(can).Draw(m.rt, "call"), user)
	}
	return len(can) > 0
}

// calls are those that can be made about a user as it is.
func (u *truth) calls() (can []string) {
	if !u.created {
		return []string{"CreateUser"}
	}
	if u.deleted {
		return nil
	}
	for call, ok := range map[string]bool{
		"CreateLoginProfile": !u.password, "DeleteLoginProfile": u.password, "EnableMFADevice": !u.mfa, "DeactivateMFADevice": u.mfa,
		"DeleteUser": !u.password && !u.mfa,
	} {
		if ok {
			can = append(can, call)
		}
	}
	slices.Sort(can)
	return can
}

// calm delivers all there is and sweeps every so often for a time in which
// nothing goes wrong. Then every user without MFA was reported, with reminders.
func (m *model) calm(every time.Duration, times int) {
	ctx := context.Background()
	clear(m.silent)
	m.deadlines.Lag, m.store.Lag = false, false
	start, skew := m.clock.Now(), m.skewed()
	for i := range times {
		for _, rec := range slices.Clone(m.pending) {
			m.handle(m.process(-skew), rec)
		}
		p := m.process(skew)
		for more, runs := true, 0; more; runs++ {
			got, err := p.Sweep(ctx, p, p.now())
			if m.failed(err) || runs > 100 {
				m.rt.Fatalf("sweep %d where nothing goes wrong: %+v, %v", runs, got, err)
			}
			more = got.More
		}
		if _, err := p.Flush(ctx, p.now()); m.failed(err) {
			m.rt.Fatalf("a flush where nothing goes wrong: %v", err)
		}
		if i == 3 && !m.silenced {
			m.wantTold(start.Add(-settle)) // by now, since there is nothing to wait for
		}
		if i < times-1 {
			m.clock.Advance(every)
		}
	}
	if len(m.pending) > 0 {
		m.rt.Fatalf("still not handled: %+v", m.pending)
	}
	// What began before and was left for lack of an answer is checked within an hour.
	begun, end := start.Add(time.Hour), m.clock.Now().Add(-every-settle)
	m.wantTold(end)
	for name, u := range m.users {
		if !u.open() {
			continue
		}
		one := step{name, len(u.gaps), ""}
		deadline := u.gaps[one.gap-1].Add(m.settings.Bootstrap.Grace)
		for i, after := range m.settings.Reminders {
			due := deadline.Add(after)
			one.stage = fmt.Sprintf("reminder %d", i+1)
			first := m.firstTold[step{name, one.gap, ""}]
			if due.After(begun) && due.After(first) && !due.After(end) && m.reported[one] == nil {
				m.rt.Errorf("%s was reported at %v, and not by %s, which was due at %v", name, first, one.stage, due)
			}
		}
	}
}

// wantTold holds that everybody was reported whose grace was over by a time.
func (m *model) wantTold(by time.Time) {
	for name, u := range m.users {
		if !u.open() {
			continue
		}
		since := u.gaps[len(u.gaps)-1]
		if !since.Add(m.settings.Bootstrap.Grace).After(by) && m.reported[step{name, len(u.gaps), ""}] == nil {
			m.rt.Errorf("%s is without MFA since %v and no one was notified by %v", name, since, m.clock.Now())
		}
	}
}

// settle is by how much a sweep may be late where all goes well: a user that
// changed a moment ago is checked when IAM shows it for certain.
const settle = 6 * time.Minute

// TestAcceptance runs random interleavings of what people do, records that come
// late, twice and out of order, sweeps and roll-ups, each in a process of its own
// that fails, is throttled, hangs or dies at any of its calls, while others run
// in between and no two clocks agree, and holds what was reported against the truth:
//
//   - anyone who is without MFA past the grace is reported, and reminded of;
//   - each step is reported once, and once more only for a fault between an alert's
//     going out and its being marked as sent;
//   - what goes out with others goes out once, unless something later in the same alert
//     replaces it;
//   - no one is reported who has MFA, or before the time;
//   - each time without MFA that was reported is closed once;
//   - every finding of a record is reported, alone or in a roll-up.
//
// Of three topics two may be gone for good, which takes nothing from the third, and
// transactions are refused for conflicts.
func TestAcceptance(t *testing.T) {
	t.Parallel()
	testenv.Check(t, testenv.Size(100, 40), func(rt *rapid.T) {
		settings := wire.DefaultSettings()
		settings.Burst = map[detect.ID]int{detect.UserMFAMissing: 1 << 20}
		settings.Batch = rapid.IntRange(1, 4).Draw(rt, "batch")
		settings.SweepUsers = rapid.IntRange(1, 5).Draw(rt, "bound")
		m := &model{
			rt: rt, settings: settings, clock: fake.NewClock(wiretest.T0), store: fake.Claims{Conflicts: true}, deadlines: fake.Deadlines{Conflicts: true},
			lag:  time.Duration(rapid.IntRange(0, int(maxLag/time.Second)).Draw(rt, "lag")) * time.Second,
			late: rapid.Bool().Draw(rt, "late"),
			gone: map[string]bool{}, handled: map[*cloudtrail.Record]int{},
			refused: rapid.SampledFrom([]int{0, 3, 2 * fake.MaxRefused}).Draw(rt, "refused"),
			users:   map[string]*truth{}, silent: map[string]bool{}, events: map[string]int{},
			copies: map[string]int{}, allowed: map[string]int{}, reported: map[step]map[string]bool{}, counted: map[string]bool{}, collected: map[string][]alert.Stage{}, listed: map[string][]alert.Stage{}, firstTold: map[step]time.Time{},
		}
		for i := range rapid.IntRange(1, 4).Draw(rt, "users") {
			m.names = append(m.names, fmt.Sprintf("user%d", i))
			m.users[m.names[i]] = &truth{closed: map[string]bool{}}
			if rapid.Bool().Draw(rt, "has MFA") {
				for _, call := range []string{"CreateUser", "CreateLoginProfile", "EnableMFADevice"} {
					m.act(call, m.names[i])
				}
			}
		}
		lagging := rapid.Bool().Draw(rt, "the index lags")
		m.calm(settle, 3) // after which no one has to be checked
		for range rapid.IntRange(1, 50).Draw(rt, "steps") {
			m.deadlines.Lag, m.store.Lag = lagging, lagging
			switch what := rapid.SampledFrom([]string{"act", "act", "act", "deliver", "sweep", "sweep", "flush", "clock", "clock", "silence", "topic", "calm"}).Draw(rt, "operation"); what {
			case "act":
				m.change()
			case "clock":
				m.clock.Advance(time.Duration(rapid.SampledFrom([]int{1, 6, 50, 60, 700, 1440, 3000}).Draw(rt, "minutes")) * time.Minute)
			case "silence":
				user := rapid.SampledFrom(m.names).Draw(rt, "user")
				m.silent[user] = !m.silent[user]
				m.silenced = true
			case "topic":
				m.gone[rapid.SampledFrom([]string{escalationTopic, chatTopic}).Draw(rt, "gone")] = true
			case "calm":
				m.calm(5*time.Minute, 16)
			case "sweep":
				for i := 0; i < 3 && len(m.pending) > 0 && !m.late; i++ {
					m.run("deliver", 0)
				}
				m.run(what, 0)
			default:
				m.run(what, 0)
			}
		}

		m.calm(30*time.Minute, 250) // longer than the last reminder takes
		for _, name := range m.names {
			if m.users[name].open() {
				m.act("EnableMFADevice", name)
			}
		}
		m.calm(5*time.Hour, 30) // longer than any pause of the sweep

		for name, u := range m.users {
			reported := map[int]bool{}
			for one := range m.reported {
				if one.user == name && !reported[one.gap] {
					reported[one.gap] = true
				}
			}
			if n := len(u.closed); !m.late && n != len(reported) {
				rt.Errorf("%s was reported %d times without MFA, and %d were closed: %v", name, len(reported), n, u.closed)
			}
		}
		due, err := m.deadlines.Due(context.Background(), m.clock.Now().Add(10000*time.Hour), 100)
		if err != nil || len(due) != 0 {
			rt.Errorf("still to be looked at: %+v, %v", due, err)
		}
		if _, err := m.process(0).Flush(context.Background(), m.clock.Now().Add(1000*time.Hour)); m.failed(err) {
			rt.Fatal(err)
		}
		m.wantListed()
		covered := map[string]int{}
		once := map[string]bool{}
		for _, a := range m.published {
			if a.Finding.ID != detect.UserMFAMissing && !once[a.ID] {
				covered[string(a.Finding.ID)+" "+a.Finding.Session] += max(1, a.Count)
			}
			once[a.ID] = true
		}
		if diff := cmp.Diff(m.events, covered); diff != "" {
			rt.Errorf("findings of records (-made +alerted):\n%s", diff)
		}
	})
}
