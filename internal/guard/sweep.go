package guard

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

	"rootguard/internal/bootstrap"
	"rootguard/internal/cloudtrail"
	"rootguard/internal/detect"
	"rootguard/internal/worker"
)

const (
	// settled is how long after a change IAM is trusted to show it everywhere.
	// IAM gives no figure (IAM User Guide, "Changes that I make are not always
	// immediately visible"); seconds are common.
	settled = 5 * time.Minute

	// again is when a user is looked at who is past the last reminder.
	again = 24 * time.Hour

	// Where IAM does not answer, the next look is in 5 minutes, then in 10, up to
	// an hour; and from the sixth on the census alerts of the account.
	firstRetry = 5 * time.Minute
	lastRetry  = time.Hour
	loud       = 6

	liveTimeout = 5 * time.Second
	liveWorkers = 8
	// askTimeout bounds the live checks between two writes, so that time is left
	// to write: those who are cut off gave no answer, and keep no other back.
	askTimeout = 8 * time.Second

	// sweepPage is how many batches are listed at a time. The facts of an account
	// are read once for all of them.
	sweepPage = 8

	// sweepReserve is what must be left of the context's time for one more batch.
	sweepReserve = 12 * time.Second
)

// The stages of what is told of a gap, besides "" and reminderStage.
const closedStage = "closed"

func reminderStage(n int) string { return "reminder-" + strconv.Itoa(n) }

// track has Sweep look at the users that facts are about: at the end of their
// grace those who may lack MFA from here on, and soon those who no longer do, if
// they are tracked. It writes where the time stays too, so that a sweep under
// way knows that there are facts it has not seen.
func (g *Guard) track(ctx context.Context, facts []bootstrap.Fact) error {
	if g.deps.Deadlines == nil {
		return nil
	}
	var errs []error
	look := func(account, user string, at time.Time, begin bool) {
		if user == "" {
			return
		}
		key := deadlineKey(account, user)
		errs = append(errs, g.deps.Deadlines.Update(ctx, key, func(d Deadline) Deadline {
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
		grace, soon := f.Time.Add(g.settings.Bootstrap.Grace), f.Time.Add(settled)
		switch f.Kind {
		case bootstrap.UserCreated, bootstrap.PasswordSet, bootstrap.PasswordReset, bootstrap.PasswordChanged, bootstrap.MFADeactivated:
			look(f.Account, user, grace, true)
		case bootstrap.UserSignIn:
			if f.MFA == cloudtrail.No {
				look(f.Account, user, grace, true)
			}
		case bootstrap.MFAEnabled, bootstrap.PasswordRemoved, bootstrap.UserDeleted:
			look(f.Account, user, soon, false)
		case bootstrap.UserRenamed:
			look(f.Account, f.NewName, soon, true)
			look(f.Account, user, soon, false)
		default:
		}
	}
	return errors.Join(errs...)
}

// Swept says what a Sweep did.
type Swept struct {
	Looked     int  // users
	Told       int  // alerts that MFA is missing
	Reminded   int  // reminders
	Closed     int  // notes that it no longer is
	Unanswered int  // users that IAM gave no answer about; they are looked at again
	More       bool // some are due that were left to the next sweep
}

// Sweep looks at the users whose time has come: it asks IAM, and tells of those
// who have a console password and no MFA beyond their deadline, then reminds of
// them at Settings.Reminders, and in the end notes that it is over. Each is told
// once, also by sweeps that overlap: by its claim, and by a note in the journal.
// A reminder whose time passed before the one after it is left out.
//
// What it works through is an index, so that an account where nothing is due
// costs one query. Each user moves on in it when done with, and what one sweep
// leaves for lack of time is still due for the next; one that fails is put off.
// Where IAM does not answer, nobody is told and nobody is dropped: that is the
// matter of its account, about which no more is asked in this run, and no error.
func (g *Guard) Sweep(ctx context.Context, live Live, at time.Time) (Swept, error) {
	s := sweep{Guard: g, live: live, at: at, reached: map[string]*reachability{}}
	loop := worker.Loop[Deadline]{
		What: "users due", At: at, Now: g.deps.Now, Retryable: Retryable, Backoff: backoff,
		Page: sweepPage * g.settings.Batch, Batch: g.settings.Batch, Most: g.settings.SweepUsers, Reserve: sweepReserve,
		Due:    g.deps.Deadlines.Due,
		Row:    func(d *Deadline) (string, int) { return d.Key, max(d.Failures, d.Unanswered) },
		Do:     s.batch,
		PutOff: putOffIn(g.deps.Deadlines),
	}
	run := loop.Run(ctx)
	s.More = run.More
	return s.Swept, run.Err()
}

// sweep is one run.
type sweep struct {
	*Guard
	live Live
	at   time.Time

	mu sync.Mutex // of what is counted, and of what is known of accounts
	Swept
	reached map[string]*reachability // accounts, in this run

	page  int // that the facts were read after
	facts map[string]*accountFacts
}

// look is a deadline while it is worked on.
type look struct {
	Deadline
	next   time.Time // zero: it is over
	done   bool      // next holds
	result *worker.Result
}

// accountLooks are those of one account.
type accountLooks struct {
	account string
	facts   *accountFacts
	looks   []*look
}

// batch works through deadlines, account by account.
func (s *sweep) batch(ctx context.Context, page int, due []Deadline) []worker.Result {
	if s.page != page {
		// Facts that are younger than the page show by the revision of their user's row.
		s.page, s.facts = page, map[string]*accountFacts{}
	}
	results := make([]worker.Result, len(due))
	byAccount := map[string]*accountLooks{}
	for i, d := range due {
		a := byAccount[d.Account]
		if a == nil {
			a = &accountLooks{account: d.Account}
			byAccount[d.Account] = a
		}
		a.looks = append(a.looks, &look{Deadline: d, result: &results[i]})
	}
	var accounts []*accountLooks
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
func (s *sweep) read(ctx context.Context, accounts []*accountLooks) []*accountLooks {
	errs := make([]error, len(accounts))
	for _, a := range accounts {
		a.facts = s.facts[a.account]
	}
	each(len(accounts), func(i int) {
		a := accounts[i]
		if a.facts != nil {
			return
		}
		facts, err := s.deps.Journal.Facts(ctx, a.account)
		if err != nil {
			errs[i] = fmt.Errorf("reading facts of account %s: %w", a.account, err)
			return
		}
		a.facts = newAccountFacts(facts)
	})
	var known []*accountLooks
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
func (a *accountLooks) fail(err error) {
	for _, l := range a.looks {
		if l.result.Outcome == worker.Left {
			*l.result = worker.Result{Outcome: worker.Failed, Err: err}
		}
	}
}

// account works through the deadlines of one account. What goes wrong puts off
// those it went wrong with.
func (s *sweep) account(ctx context.Context, a *accountLooks, answers []bootstrap.Fact) {
	account := a.account
	if len(answers) > 0 {
		if _, err := s.deps.Journal.Add(ctx, answers); err != nil {
			a.fail(fmt.Errorf("recording live checks of account %s: %w", account, err))
			return
		}
		a.facts.add(answers)
	}

	facts := a.facts.of(a.looks)
	users, told := s.users(account, facts, s.at), notesOf(facts)
	var notes []bootstrap.Fact
	for _, l := range a.looks {
		if l.done || l.result.Outcome != worker.Left {
			continue
		}
		more, err := s.tell(ctx, account, users[l.User], told, l)
		notes = append(notes, more...)
		if l.done = err == nil; !l.done {
			*l.result = resultOf(err) // where it is busy, another sweep tells of it
		}
		if ctx.Err() != nil {
			break
		}
	}
	if len(notes) > 0 {
		if _, err := s.deps.Journal.Add(ctx, notes); err != nil {
			a.fail(fmt.Errorf("noting what was told of account %s: %w", account, err))
			return
		}
		a.facts.add(notes)
	}
	each(len(a.looks), func(i int) {
		if a.looks[i].done {
			s.moveOn(ctx, a.looks[i])
		}
	})
}

// moveOn stores when the user is to be looked at next, unless the row changed
// since: then there are facts that this look has not seen.
func (s *sweep) moveOn(ctx context.Context, l *look) {
	moved := false
	err := s.deps.Deadlines.Update(ctx, l.Key, func(d Deadline) Deadline {
		if moved = d.Revision == l.Revision; !moved {
			return Deadline{}
		}
		d.Due, d.Unanswered, d.Failures = l.next, l.Unanswered, 0
		d.Revision++
		return d
	})
	if err != nil {
		*l.result = worker.Result{Outcome: worker.Failed, Err: fmt.Errorf("storing when to look at user %s of account %s again: %w", l.User, l.Account, err)}
		return
	}
	if moved {
		*l.result = worker.Result{Outcome: worker.Moved}
		s.mu.Lock()
		defer s.mu.Unlock()
		s.Looked++
	}
}

// fold is how an account stands. Facts that a clock ahead has dated later than
// the time count too: to pass over them would be to take their users off the index.
func (g *Guard) fold(account string, facts []bootstrap.Fact, at time.Time) bootstrap.Status {
	for i := range facts {
		if facts[i].Kind != bootstrap.MFAMissingTold && facts[i].Time.After(at) {
			at = facts[i].Time
		}
	}
	return bootstrap.Fold(account, facts, g.settings.Bootstrap, at)
}

// users are an account's users by name, and by unique ID.
func (g *Guard) users(account string, facts []bootstrap.Fact, at time.Time) map[string][]*bootstrap.UserStatus {
	status := g.fold(account, facts, at)
	users := map[string][]*bootstrap.UserStatus{}
	for i := range status.Users {
		u := &status.Users[i]
		users[u.Name] = append(users[u.Name], u)
		if u.UserID != "" && u.UserID != u.Name {
			users[u.UserID] = append(users[u.UserID], u)
		}
	}
	return users
}

// ask checks users live and returns what IAM said of each account. It settles the
// looks that are too early for IAM to show all that changed, and those that IAM
// gave no answer to. Those that it had no time for it leaves as they are.
func (s *sweep) ask(ctx context.Context, accounts []*accountLooks) [][]bootstrap.Fact {
	var checks []*userCheck
	for i, a := range accounts {
		facts := a.facts.of(a.looks)
		users, changed := s.users(a.account, facts, s.at), changes(facts)
		for _, l := range a.looks {
			u := presentOf(users[l.User])
			if u == nil || u.Name == "" {
				continue // gone, or IAM cannot be asked without a name
			}
			if at := changed[u.Name]; s.at.Sub(at).Abs() < settled {
				l.next, l.done = at.Add(settled), true
				continue
			}
			checks = append(checks, &userCheck{look: l, account: i, name: u.Name, reach: s.reach(a.account)})
		}
	}
	checkUsers(ctx, s.live, checks)

	said := make([][]bootstrap.Fact, len(accounts))
	for i, a := range accounts {
		said[i] = s.answered(ctx, a, slices.DeleteFunc(slices.Clone(checks), func(c *userCheck) bool { return c.account != i }))
	}
	return said
}

// answered takes in what IAM said of the users of an account.
func (s *sweep) answered(ctx context.Context, a *accountLooks, checks []*userCheck) (said []bootstrap.Fact) {
	closed := false
	if slices.ContainsFunc(checks, func(c *userCheck) bool { return c.err != nil }) {
		var err error
		if closed, err = s.closed(ctx, a.account); err != nil {
			for _, c := range checks {
				*c.look.result = worker.Result{Outcome: worker.Failed, Err: err}
			}
			return nil
		}
	}
	for _, c := range checks {
		l := c.look
		switch {
		case c.err == nil:
			// What came after may be in the answer or not: its record will tell.
			said = append(said, bootstrap.LiveFactOf(a.account, s.at.Add(-settled), c.answer))
			l.Unanswered = 0
		case closed:
			l.next, l.done = time.Time{}, true // nobody can sign in to it, and its users are found again should it be back
		case errors.Is(c.err, errNoTime):
			*l.result = worker.Result{Outcome: worker.Again}
		default:
			l.Unanswered++
			l.next, l.done = s.at.Add(unansweredBackoff.After(l.Key, l.Unanswered)), true
			s.Unanswered++
			if err := s.unanswered(ctx, c, l.Unanswered); err != nil {
				*l.result, l.done = resultOf(err), false
			}
		}
	}
	return said
}

// unanswered reports, once a day and account, that IAM has not answered about a
// user for hours though it does about the account's root and its list of users.
// Accounts about which it answers nothing are reported by the census.
func (s *sweep) unanswered(ctx context.Context, c *userCheck, times int) error {
	if times < loud || s.deps.Rounds == nil {
		return nil
	}
	account := c.look.Account
	for _, kind := range []RoundKind{PostureRound, ReconcileRound} {
		if r, err := s.round(ctx, account, kind); err != nil || r.Unanswered > 0 || r.Done.IsZero() {
			return err
		}
	}
	what := fmt.Sprintf("IAM does not answer about user %s, %d checks in a row, so whether the user has MFA is not known. There may be more such users. It said: %v", c.name, times, c.err)
	_, err := s.Raise(ctx, detect.Unhealthy(account, "", "live checks of users", what, s.at))
	return err
}

// closed reports whether an account is known to be closed, or to have left the
// organization, so that IAM will not answer about it again.
func (g *Guard) closed(ctx context.Context, account string) (bool, error) {
	if g.deps.Rounds == nil {
		return false, nil
	}
	r, err := g.round(ctx, account, PostureRound)
	return r.Closed, err
}

// changes are the latest changes that a live check could still miss, by the
// user's name.
func changes(facts []bootstrap.Fact) map[string]time.Time {
	latest := map[string]time.Time{}
	for i := range facts {
		f := &facts[i]
		name := f.UserName
		switch f.Kind {
		case bootstrap.UserRenamed:
			name = f.NewName
		case bootstrap.UserCreated, bootstrap.PasswordSet, bootstrap.PasswordRemoved, bootstrap.MFAEnabled, bootstrap.MFADeactivated:
		default:
			continue
		}
		if f.Time.After(latest[name]) {
			latest[name] = f.Time
		}
	}
	return latest
}

func presentOf(users []*bootstrap.UserStatus) *bootstrap.UserStatus {
	for _, u := range users {
		if !u.Deleted {
			return u
		}
	}
	return nil
}

// tell tells what is to be told of users of one name, and sets the time of the
// next look at them. notes are of what was told, also beside an error.
func (s *sweep) tell(ctx context.Context, account string, users []*bootstrap.UserStatus, told toldNotes, l *look) (notes []bootstrap.Fact, err error) {
	// The note is of the time that the live check was about, for the gap to be
	// known by it where facts that come late give it another beginning.
	raise := func(f detect.Finding, u *bootstrap.UserStatus, gap bootstrap.MFAGap, stage string, count *int) error {
		res, err := s.Raise(ctx, f)
		if err != nil {
			return err
		}
		if res.reported() {
			*count++
		}
		note := bootstrap.MFAMissingToldFact(account, u, gap, stage)
		note.Until = s.at.Add(-settled)
		if !gap.To.IsZero() {
			note.Until = gap.To
		}
		notes = append(notes, note)
		return nil
	}
	for _, u := range users {
		for _, gap := range u.MFAGaps {
			f := missingMFA(account, u, gap)
			ended := !gap.To.IsZero()
			switch first := told.have(u, gap, ""); {
			case ended && first && !told.have(u, gap, closedStage):
				mfa, how := over(u)
				if err := raise(detect.MFAClosed(f, mfa, how, gap.To), u, gap, closedStage, &s.Closed); err != nil {
					return notes, err
				}
			case ended:
			case s.at.Before(gap.Deadline):
				l.next = gap.Deadline
			default:
				passed, next := s.settings.reminder(gap.Deadline, s.at)
				l.next = next
				switch stage := reminderStage(passed); {
				case !first:
					err = raise(f, u, gap, "", &s.Told)
				case passed > 0 && !told.have(u, gap, stage):
					after := gap.Deadline.Add(s.settings.Reminders[passed-1])
					err = raise(detect.MFAReminder(f, passed, len(s.settings.Reminders), after), u, gap, stage, &s.Reminded)
				}
				if err == nil && first && passed == len(s.settings.Reminders) {
					err = s.mark(ctx, account, u, gap, s.at)
				}
				if err != nil {
					return notes, err
				}
			}
		}
	}
	return notes, nil
}

// reminder is the number of the latest reminder due, 0 for none, and when to
// look again.
func (s *Settings) reminder(deadline, at time.Time) (passed int, next time.Time) {
	for i, after := range s.Reminders {
		if due := deadline.Add(after); due.After(at) {
			return i, due
		}
	}
	return len(s.Reminders), at.Add(again)
}

// over says why a gap of the user is closed.
func over(u *bootstrap.UserStatus) (mfa cloudtrail.Answer, how string) {
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
