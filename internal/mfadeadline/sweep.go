package mfadeadline

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"sync"
	"time"

	"rootguard/internal/accountfacts"
	"rootguard/internal/bootstrap"
	"rootguard/internal/cloudtrail"
	"rootguard/internal/collection"
	"rootguard/internal/detect"
	"rootguard/internal/guard"
	"rootguard/internal/keys"
	"rootguard/internal/worker"
)

const (
	// recheckInterval is when a user is checked who is past the last reminder.
	recheckInterval = 24 * time.Hour

	// manyNotices is how many notices of one run wait for those of the next, where it
	// had no time for all.
	manyNotices = 100

	// sweepPage is how many batches are listed at a time: all of a sweep's, by default.
	// The facts of an account are read once for all of them.
	sweepPage = 32

	// reserve is what must be left of the context's time for one more batch.
	reserve = 12 * time.Second
)

// The stages of what is reported about a gap, besides "" and reminderStage.
const resolvedStage = "closed"

func reminderStage(n int) string { return "reminder-" + strconv.Itoa(n) }

// Tracker schedules checks of users. It is a guard.FactsHook.
type Tracker struct {
	rows  worker.Rows[Deadline]
	grace time.Duration
}

// NewTracker returns a Tracker that schedules checks in rows.
func NewTracker(rows worker.Rows[Deadline], settings Settings) Tracker {
	return Tracker{rows, settings.withDefaults().Bootstrap.Grace}
}

var _ guard.FactsHook = Tracker{}

// Added has Sweep check the users that facts are about: at the end of their
// grace those who may lack MFA from here on, and soon those who no longer do, if
// they are tracked. It writes where the time stays too, so that a sweep under
// way knows that there are facts it has not seen.
func (t Tracker) Added(ctx context.Context, facts []bootstrap.Fact) error {
	var errs []error
	schedule := func(account, user string, at time.Time, begin bool) {
		if user == "" {
			return
		}
		key := keys.User(account, user)
		errs = append(errs, t.rows.Update(ctx, key, func(d Deadline) Deadline {
			if d.Due.IsZero() && !begin {
				return Deadline{}
			}
			if d.Due.IsZero() || at.Before(d.Due) {
				d.Due = at
			}
			d.Key, d.Account, d.User = key, account, user
			d.Revision++
			return d
		}))
	}
	for i := range facts {
		f := &facts[i]
		user := cmp.Or(f.UserName, f.UserID)
		grace, soon := f.Time.Add(t.grace), f.Time.Add(consistencyDelay)
		switch f.Kind {
		case bootstrap.UserCreated, bootstrap.PasswordSet, bootstrap.PasswordReset, bootstrap.PasswordChanged, bootstrap.MFADeactivated:
			schedule(f.Account, user, grace, true)
		case bootstrap.UserSignIn:
			if f.MFA == cloudtrail.No {
				schedule(f.Account, user, grace, true)
			}
		case bootstrap.MFAEnabled, bootstrap.PasswordRemoved, bootstrap.UserDeleted:
			schedule(f.Account, user, soon, false)
		case bootstrap.UserRenamed:
			schedule(f.Account, f.NewName, soon, true)
			schedule(f.Account, user, soon, false)
		default:
		}
	}
	return errors.Join(errs...)
}

// Settings are when users without MFA are reported.
type Settings struct {
	Bootstrap bootstrap.Options

	// Reminders are how long after its deadline a user without MFA is reported
	// again, in order; the last reminder is critical. Default 1 h, 24 h, 72 h.
	Reminders []time.Duration
	// Users is the most users that one Sweep checks; default 2,000.
	Users int
	// Batch is how many users are worked on at a time; default 64.
	Batch int
}

// DefaultSettings are those of which nothing is set.
func DefaultSettings() Settings {
	return Settings{
		Bootstrap: bootstrap.DefaultOptions(),
		Reminders: []time.Duration{time.Hour, 24 * time.Hour, 72 * time.Hour}, Users: 2000, Batch: 64,
	}
}

func (s Settings) withDefaults() Settings {
	d := DefaultSettings()
	s.Bootstrap = s.Bootstrap.WithDefaults()
	if s.Reminders == nil {
		s.Reminders = d.Reminders
	}
	if s.Users <= 0 {
		s.Users = d.Users
	}
	if s.Batch <= 0 {
		s.Batch = d.Batch
	}
	return s
}

// Guard raises findings. It is a *guard.Guard.
type Guard interface {
	Raise(ctx context.Context, f detect.Finding) (guard.Result, error)
}

// Collector collects notices and sends them. It is a *collection.Collector.
type Collector interface {
	Collect(ctx context.Context, of collection.Name, n guard.Notice) (guard.Result, error)
	// Claimed reports whether a finding's notice was collected, as far as that was begun.
	Claimed(ctx context.Context, f *detect.Finding) (bool, error)
	Send(ctx context.Context, of collection.Name, at time.Time, more bool) (sent int, err error)
}

// UserChecker asks IAM how a user of an account is now.
type UserChecker interface {
	User(ctx context.Context, account, name string) (bootstrap.LiveFact, error)
}

// Marker is given users past the last reminder.
type Marker interface {
	Mark(ctx context.Context, account string, u *bootstrap.UserStatus, gap bootstrap.MFAGap, at time.Time) error
}

// Accounts knows how the checks of accounts go.
type Accounts interface {
	// Suspended reports whether an account is known to be closed, or to have left the
	// organization, so that IAM will not answer about it again.
	Suspended(ctx context.Context, account string) (bool, error)
	// Answers reports whether IAM answers about an account's root and its users.
	Answers(ctx context.Context, account string) (bool, error)
}

// Deps are what deadlines work with. The first five are required.
type Deps struct {
	Guard   Guard
	Notices Collector
	Facts   guard.Facts
	Rows    worker.Rows[Deadline] // nil where only Missing is called
	Now     func() time.Time

	Accounts Accounts // nil where accounts are not checked
	Marker   Marker   // nil where no one is marked
}

// Deadlines reports users without MFA past their deadline.
type Deadlines struct {
	deps     Deps
	settings Settings
	facts    accountfacts.Reader
}

// New returns Deadlines. A zero field of the settings means its default.
func New(deps Deps, settings Settings) *Deadlines {
	settings = settings.withDefaults()
	return &Deadlines{deps, settings, accountfacts.Reader{Facts: deps.Facts, Options: settings.Bootstrap}}
}

const consistencyDelay = accountfacts.ConsistencyDelay

// Swept says what a Sweep did.
type Swept struct {
	Checked    int  // users
	Alerted    int  // alerts that MFA is missing
	Reminded   int  // reminders
	Resolved   int  // notes that it no longer is
	Unanswered int  // users that IAM gave no answer about; they are checked again
	More       bool // some are due that were left to the next sweep
}

// With is what two sweeps did, of which the other came later.
func (s Swept) With(later Swept) Swept {
	return Swept{s.Checked + later.Checked, s.Alerted + later.Alerted, s.Reminded + later.Reminded, s.Resolved + later.Resolved,
		s.Unanswered + later.Unanswered, later.More}
}

// Sweep checks the users whose time has come: it asks IAM, and reports those
// who have a console password and no MFA past their deadline, then reminds of
// them at Settings.Reminders, and in the end notes that it is over. Each is reported
// once, also by sweeps that overlap: by its claim, and by a note in the facts. What
// a sweep finds goes out together, as collection.UserNotices.
// A reminder whose time passed before the one after it is left out.
//
// What it works through is an index, so that an account where nothing is due
// costs one query. Each user moves on in it when done with, and what one sweep
// leaves for lack of time is still due for the next; one that fails is put off.
// Where IAM does not answer, no one is reported and no one is dropped: that is the
// matter of its account, about which no more is asked in this run, and no error.
func (d *Deadlines) Sweep(ctx context.Context, live UserChecker, at time.Time) (Swept, error) {
	s := sweep{deps: &d.deps, settings: &d.settings, folder: d.facts, live: live, at: at, reached: map[string]*reachability{}}
	loop := worker.Loop[Deadline]{
		What: "users due", At: at, Now: d.deps.Now, Backoff: worker.AfterFailure(),
		Page: sweepPage * d.settings.Batch, Batch: d.settings.Batch, Most: d.settings.Users, Reserve: reserve,
		Due:    d.deps.Rows.Due,
		Row:    func(d *Deadline) (string, int) { return d.Key, max(d.Failures, d.UnansweredChecks) },
		Do:     s.batch,
		PutOff: s.putOff,
	}
	run := loop.Run(ctx)
	s.More = run.More
	more := run.More && s.Alerted+s.Reminded+s.Resolved >= manyNotices // a few do not wait for the rest
	_, err := d.deps.Notices.Send(ctx, collection.UserNotices, at, more)
	return s.Swept, errors.Join(run.Err(), err)
}

// sweep is one run.
type sweep struct {
	deps     *Deps
	settings *Settings
	folder   accountfacts.Reader
	live     UserChecker
	at       time.Time

	mu sync.Mutex // of what is counted, and of what is known of accounts
	Swept
	reached map[string]*reachability // accounts, in this run

	page  int // that the facts were read after
	facts map[string]*accountFacts
}

// putOff stores that a deadline's attempt failed, unless the row has changed.
func (s *sweep) putOff(ctx context.Context, d *Deadline, failures int, until time.Time) (stored bool, err error) {
	err = s.deps.Rows.Update(ctx, d.Key, func(cur Deadline) Deadline {
		if stored = cur.Revision == d.Revision; !stored {
			return Deadline{}
		}
		cur.Due, cur.Failures = until, failures
		cur.Revision++
		return cur
	})
	return stored, err //nolint:wrapcheck // the loop says which row
}

// spent reports whether too little time is left for another batch.
func (s *sweep) spent(ctx context.Context) bool {
	return ctx.Err() != nil || worker.Short(ctx, s.deps.Now(), reserve)
}

// deadlineCheck is a deadline while it is worked on.
type deadlineCheck struct {
	Deadline
	next     time.Time // zero: it is over
	done     bool      // next holds
	reported bool      // something was
	complete bool      // all that was to be reported was
	result   *worker.Result
}

// accountChecks are those of one account.
type accountChecks struct {
	account string
	facts   *accountFacts
	checks  []*deadlineCheck
}

// batch works through deadlines, account by account.
func (s *sweep) batch(ctx context.Context, page int, due []Deadline) []worker.Result {
	if s.page != page {
		// Facts that are younger than the page show by the revision of their user's row.
		s.page, s.facts = page, map[string]*accountFacts{}
	}
	results := make([]worker.Result, len(due))
	byAccount := map[string]*accountChecks{}
	for i, d := range due {
		a := byAccount[d.Account]
		if a == nil {
			a = &accountChecks{account: d.Account}
			byAccount[d.Account] = a
		}
		a.checks = append(a.checks, &deadlineCheck{Deadline: d, result: &results[i]})
	}
	var accounts []*accountChecks
	for _, account := range slices.Sorted(maps.Keys(byAccount)) {
		accounts = append(accounts, byAccount[account])
	}
	accounts = s.read(ctx, accounts)
	answers := s.ask(ctx, accounts)
	for i, a := range accounts {
		if i > 0 && s.spent(ctx) {
			break
		}
		s.account(ctx, a, answers[i])
	}
	return results
}

// read reads the facts of accounts, and returns those of which it could.
func (s *sweep) read(ctx context.Context, accounts []*accountChecks) []*accountChecks {
	errs := make([]error, len(accounts))
	for _, a := range accounts {
		a.facts = s.facts[a.account]
	}
	worker.Each(len(accounts), func(i int) {
		a := accounts[i]
		if a.facts != nil {
			return
		}
		facts, err := s.deps.Facts.Facts(ctx, a.account)
		if err != nil {
			errs[i] = fmt.Errorf("reading facts of account %s: %w", a.account, err)
			return
		}
		a.facts = newAccountFacts(facts)
	})
	var known []*accountChecks
	for i, a := range accounts {
		if errs[i] != nil {
			a.fail(errs[i])
			continue
		}
		s.facts[a.account] = a.facts
		known = append(known, a)
	}
	return known
}

// fail puts off all that is not done yet.
func (a *accountChecks) fail(err error) {
	for _, l := range a.checks {
		if l.result.Outcome == worker.Left {
			*l.result = worker.Result{Outcome: worker.Failed, Err: err}
		}
	}
}

// account works through the deadlines of one account. What goes wrong puts off
// those it went wrong with.
func (s *sweep) account(ctx context.Context, a *accountChecks, answers []bootstrap.Fact) {
	account := a.account
	if len(answers) > 0 {
		if _, err := s.deps.Facts.Add(ctx, answers); err != nil {
			a.fail(fmt.Errorf("recording live checks of account %s: %w", account, err))
			return
		}
		a.facts.add(answers)
	}

	facts := a.facts.of(a.checks)
	users, reported := s.folder.Users(account, facts, s.at), notesOf(facts)
	noted := make([][]bootstrap.Fact, len(a.checks))
	worker.Each(len(a.checks), func(i int) {
		l := a.checks[i]
		if l.done || l.result.Outcome != worker.Left || ctx.Err() != nil {
			return
		}
		var err error
		noted[i], err = s.report(ctx, users[l.User], reported, l)
		if l.done = err == nil; !l.done {
			*l.result = guard.ResultOf(err) // where it is busy, another sweep reports it
		}
		l.complete = l.done
	})
	if notes := slices.Concat(noted...); len(notes) > 0 {
		if _, err := s.deps.Facts.Add(ctx, notes); err != nil {
			a.fail(fmt.Errorf("noting what was reported of account %s: %w", account, err))
			return
		}
		a.facts.add(notes)
	}
	worker.Each(len(a.checks), func(i int) {
		if a.checks[i].done {
			s.moveOn(ctx, a.checks[i])
		}
	})
}

// moveOn stores when the user is to be checked next, unless the row changed
// since: then there are facts that this check has not seen, and where another check
// was done with the user before this one reported something, one has to follow.
func (s *sweep) moveOn(ctx context.Context, l *deadlineCheck) {
	moved := false
	err := s.deps.Rows.Update(ctx, l.Key, func(d Deadline) Deadline {
		switch moved = d.as(&l.Deadline); {
		case moved:
			d.Due, d.UnansweredChecks, d.Failures = l.next, l.UnansweredChecks, 0
			if l.complete {
				d.Reports = nil
			}
		case l.reported && d.Due.IsZero():
			d.Key, d.Account, d.User, d.Due = l.Key, l.Account, l.User, s.at
		default:
			return Deadline{}
		}
		d.Revision++
		return d
	})
	if err != nil {
		*l.result = worker.Result{Outcome: worker.Failed, Err: fmt.Errorf("storing when to check user %s of account %s again: %w", l.User,
			l.Account, err)}
		return
	}
	if moved {
		*l.result = worker.Result{Outcome: worker.Moved}
		s.mu.Lock()
		defer s.mu.Unlock()
		s.Checked++
	}
}

// ask checks users live and returns what IAM said of each account. It settles the
// checks that are too early for IAM to show all that changed, and those that IAM
// gave no answer to. Those that it had no time for it leaves as they are.
func (s *sweep) ask(ctx context.Context, accounts []*accountChecks) [][]bootstrap.Fact {
	var checks []*userCheck
	for i, a := range accounts {
		facts := a.facts.of(a.checks)
		users, changed := s.folder.Users(a.account, facts, s.at), accountfacts.Changes(facts)
		for _, l := range a.checks {
			u := accountfacts.Present(users[l.User])
			if u == nil || u.Name == "" {
				continue // gone, or IAM cannot be asked without a name
			}
			if at := changed[u.Name]; s.at.Sub(at).Abs() < consistencyDelay {
				l.next, l.done = at.Add(consistencyDelay), true
				continue
			}
			checks = append(checks, &userCheck{due: l, account: i, name: u.Name, reach: s.reach(a.account)})
		}
	}
	checkUsers(ctx, s.live, checks)

	answers := make([][]bootstrap.Fact, len(accounts))
	for i, a := range accounts {
		answers[i] = s.answered(ctx, a, slices.DeleteFunc(slices.Clone(checks), func(c *userCheck) bool { return c.account != i }))
	}
	return answers
}

// answered takes in what IAM said of the users of an account.
func (s *sweep) answered(ctx context.Context, a *accountChecks, checks []*userCheck) (said []bootstrap.Fact) {
	closed := false
	if slices.ContainsFunc(checks, func(c *userCheck) bool { return c.err != nil }) {
		var err error
		if closed, err = s.suspended(ctx, a.account); err != nil {
			for _, c := range checks {
				*c.due.result = worker.Result{Outcome: worker.Failed, Err: err}
			}
			return nil
		}
	}
	for _, c := range checks {
		l := c.due
		switch {
		case c.err == nil:
			// What came after may be in the answer or not: its record will show.
			said = append(said, bootstrap.LiveFactOf(a.account, s.at.Add(-consistencyDelay), c.answer))
			l.UnansweredChecks = 0
		case closed:
			l.next, l.done = time.Time{}, true // no one can sign in to it, and its users are found again should it be back
		case errors.Is(c.err, errNoTime):
			*l.result = worker.Result{Outcome: worker.Again}
		default:
			l.UnansweredChecks++
			l.next, l.done = s.at.Add(worker.Unreachable().After(l.Key, l.UnansweredChecks)), true
			s.Unanswered++
			if err := s.unanswered(ctx, c, l.UnansweredChecks); err != nil {
				*l.result, l.done = guard.ResultOf(err), false
			}
		}
	}
	return said
}

// unanswered reports, once a day and account, that IAM has not answered about a
// user for hours though it does about the account's root and its list of users.
// Accounts about which it answers nothing are reported by the discovery of accounts.
func (s *sweep) unanswered(ctx context.Context, c *userCheck, times int) error {
	if times < accountfacts.AlertAfter || s.deps.Accounts == nil {
		return nil
	}
	account := c.due.Account
	if answers, err := s.deps.Accounts.Answers(ctx, account); err != nil || !answers {
		return err //nolint:wrapcheck // it says which account
	}
	what := fmt.Sprintf("IAM does not answer about user %s, %d checks in a row, so whether the user has MFA is not known. There may be more such users. It said: %v", c.name, times, c.err)
	_, err := s.deps.Guard.Raise(ctx, detect.Unhealthy(account, "", "live checks of users", what, s.at))
	return err //nolint:wrapcheck // it says which finding
}

func (s *sweep) suspended(ctx context.Context, account string) (bool, error) {
	if s.deps.Accounts == nil {
		return false, nil
	}
	return s.deps.Accounts.Suspended(ctx, account) //nolint:wrapcheck // it says which account
}

// report reports what is to be reported of the users of one name, and sets the time of
// the next check of them. notes are of what was reported, also beside an error.
func (s *sweep) report(ctx context.Context, users []*bootstrap.UserStatus, reported notes,
	l *deadlineCheck) (notes []bootstrap.Fact, err error) {
	var gaps []*gapCheck
	var todo []notice
	for _, u := range users {
		for _, gap := range u.MFAGaps {
			g := s.gap(u, gap, reported, l)
			of, err := g.toReport(ctx)
			if err != nil {
				return nil, err
			}
			gaps, todo = append(gaps, g), append(todo, of...)
		}
	}
	if stored, err := s.intend(ctx, l, todo); err != nil || !stored {
		return nil, err
	}
	for i := range todo {
		res, err := s.deps.Notices.Collect(ctx, collection.UserNotices, guard.Notice{Finding: todo[i].finding, At: s.at})
		if err != nil {
			return notes, err //nolint:wrapcheck // it says which event
		}
		if res.Reported() {
			s.mu.Lock()
			*todo[i].count++
			s.mu.Unlock()
		}
		notes = append(notes, todo[i].Note)
		l.reported = true
	}
	for _, g := range gaps {
		if g.last {
			if err := s.mark(ctx, l.Account, g.user, g.gap); err != nil {
				return notes, err
			}
		}
	}
	return notes, nil
}

// notice is one thing to report.
type notice struct {
	Report
	finding detect.Finding
	count   *int
}

// gapCheck is a gap while it is worked on.
type gapCheck struct {
	s        *sweep
	user     *bootstrap.UserStatus
	gap      bootstrap.MFAGap
	reported notes
	deadline *deadlineCheck

	finding detect.Finding
	first   *bootstrap.Fact // the note that it was reported
	pending *Report         // that it was to be
	last    bool            // it was reported, and all reminders are due
}

func (s *sweep) gap(u *bootstrap.UserStatus, gap bootstrap.MFAGap, reported notes, l *deadlineCheck) *gapCheck {
	g := &gapCheck{s: s, user: u, gap: gap, reported: reported, deadline: l}
	g.first, g.pending = reported.find(u, gap, ""), l.pending(u, gap)
	g.finding = missingMFA(l.Account, u, gap)
	switch { // the user or the deadline may have been known by something else
	case g.first != nil && g.first.EventID != "":
		g.finding.OpenedAs(g.first.EventID, g.first.Last)
	case g.first == nil && g.pending != nil:
		g.finding.OpenedAs(g.pending.EventID, g.pending.Note.Last)
	}
	return g
}

// toReport is what is to be reported of the gap, and sets the time of the user's next check.
func (g *gapCheck) toReport(ctx context.Context) ([]notice, error) {
	s := g.s
	switch {
	case !g.gap.To.IsZero():
		todo, begun, err := g.begun(ctx)
		if begun && g.reported.find(g.user, g.gap, resolvedStage) == nil {
			mfa, how := resolution(g.user)
			todo = append(todo, g.notice(detect.MFAClosed(g.finding, mfa, how, g.gap.To), resolvedStage, &s.Resolved))
		}
		return todo, err
	case s.at.Before(g.gap.Deadline):
		g.deadline.next = g.gap.Deadline
		todo, _, err := g.begun(ctx)
		return todo, err
	}
	passed, next := s.settings.reminder(g.gap.Deadline, s.at)
	g.deadline.next, g.last = next, g.first != nil && passed == len(s.settings.Reminders)
	switch stage := reminderStage(passed); {
	case g.first == nil:
		return []notice{g.notice(g.finding, "", &s.Alerted)}, nil
	case passed > 0 && g.reported.find(g.user, g.gap, stage) == nil:
		after := g.gap.Deadline.Add(s.settings.Reminders[passed-1])
		return []notice{g.notice(detect.MFAReminder(g.finding, passed, len(s.settings.Reminders), after), stage, &s.Reminded)}, nil
	default:
		return nil, nil
	}
}

// begun reports whether the gap was reported. Where a run that died collected that and did
// not note it, todo has it, to be noted.
func (g *gapCheck) begun(ctx context.Context) (todo []notice, begun bool, err error) {
	if g.first != nil || g.pending == nil {
		return nil, g.first != nil, nil
	}
	if begun, err = g.s.deps.Notices.Claimed(ctx, &g.finding); begun {
		todo = []notice{g.notice(g.finding, "", &g.s.Alerted)}
	}
	return todo, begun, err //nolint:wrapcheck // it says which event
}

// notice is the one of a stage.
func (g *gapCheck) notice(f detect.Finding, stage string, count *int) notice {
	note := noteOf(&f, g.user, g.gap, stage)
	// The time that the live check was about, for the gap to be known by it where
	// facts that come late give it another beginning.
	note.Until = g.s.at.Add(-consistencyDelay)
	if !g.gap.To.IsZero() {
		note.Until = g.gap.To
	}
	return notice{Report{f.EventID, note}, f, count}
}

// intend stores what is about to be reported. stored is false where another has
// changed the row since: there are facts that this check has not seen.
func (s *sweep) intend(ctx context.Context, l *deadlineCheck, todo []notice) (stored bool, err error) {
	reports := make([]Report, len(todo))
	known := true
	for i := range todo {
		reports[i] = todo[i].Report
		known = known && slices.ContainsFunc(l.Reports, func(r Report) bool { return r.EventID == reports[i].EventID })
	}
	if known {
		return true, nil
	}
	err = s.deps.Rows.Update(ctx, l.Key, func(d Deadline) Deadline {
		if stored = d.as(&l.Deadline); !stored {
			return Deadline{}
		}
		d.Reports = reports
		return d
	})
	if err != nil {
		return false, fmt.Errorf("storing what is reported of user %s of account %s: %w", l.User, l.Account, err)
	}
	if stored {
		l.Reports = reports
	}
	return stored, nil
}

func (s *sweep) mark(ctx context.Context, account string, u *bootstrap.UserStatus, gap bootstrap.MFAGap) error {
	if s.deps.Marker == nil {
		return nil
	}
	return s.deps.Marker.Mark(ctx, account, u, gap, s.at) //nolint:wrapcheck // it says that
}

// reminder is the number of the latest reminder due, 0 for none, and when to
// check again.
func (s *Settings) reminder(deadline, at time.Time) (passed int, next time.Time) {
	for i, after := range s.Reminders {
		if due := deadline.Add(after); due.After(at) {
			return i, due
		}
	}
	return len(s.Reminders), at.Add(recheckInterval)
}

// resolution says why a gap of the user is closed.
func resolution(u *bootstrap.UserStatus) (mfa cloudtrail.Answer, how string) {
	switch {
	case u.Deleted:
		return cloudtrail.Unknown, "the user was deleted"
	case u.MFA == bootstrap.MFAOn:
		return cloudtrail.Yes, "the user has MFA"
	case !u.ConsoleAccess:
		return cloudtrail.Unknown, "the user has no console password"
	default:
		return cloudtrail.Unknown, "it is without MFA again since, and has until the next deadline"
	}
}
