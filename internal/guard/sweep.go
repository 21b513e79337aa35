package guard

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"time"

	"rootguard/internal/bootstrap"
	"rootguard/internal/cloudtrail"
	"rootguard/internal/detect"
)

const (
	// settled is how long after a change IAM is trusted to show it everywhere.
	// IAM gives no figure (IAM User Guide, "Changes that I make are not always
	// immediately visible"); seconds are common.
	settled = 5 * time.Minute

	// again is when a user is looked at who is past the last reminder.
	again = 24 * time.Hour

	// Where IAM does not answer, the next look is in 5 minutes, then in 10, up to
	// an hour; and the checks that fail from the sixth on are an error of Sweep.
	firstRetry = 5 * time.Minute
	lastRetry  = time.Hour
	loud       = 6

	liveTimeout = 5 * time.Second
	liveWorkers = 8
	// askTimeout bounds the live checks between two writes, so that time is left
	// to write: those who are cut off gave no answer, and keep no other back.
	askTimeout = 8 * time.Second

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
		errs = append(errs, g.deps.Deadlines.Reschedule(ctx, key, func(d Deadline) Deadline {
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
// leaves, for want of time or by an error, is still due for the next. Where IAM
// does not answer, nobody is told and nobody is dropped.
func (g *Guard) Sweep(ctx context.Context, live Live, at time.Time) (Swept, error) {
	s := sweep{Guard: g, live: live, at: at, stuck: map[string]bool{}}
	for {
		if ctx.Err() != nil {
			s.More = true
			return s.Swept, errors.Join(s.errs...)
		}
		due, err := g.deps.Deadlines.Overdue(ctx, at, g.settings.Batch+len(s.stuck))
		if !listed(&s.errs, "users due", err) {
			return s.Swept, errors.Join(s.errs...)
		}
		due = slices.DeleteFunc(due, func(d Deadline) bool { return s.stuck[d.Key] })
		due = due[:min(len(due), g.settings.Batch)] // more, where what was stuck is so no longer
		if len(due) == 0 {
			return s.Swept, errors.Join(s.errs...)
		}
		if s.halt || s.silent || s.Looked >= g.settings.SweepUsers || g.spent(ctx) {
			s.More = true
			return s.Swept, errors.Join(s.errs...)
		}
		byAccount := map[string][]Deadline{}
		for _, d := range due {
			byAccount[d.Account] = append(byAccount[d.Account], d)
		}
		for _, account := range slices.Sorted(maps.Keys(byAccount)) {
			if s.spent(ctx) {
				break
			}
			s.account(ctx, account, byAccount[account])
		}
	}
}

// sweep is one run.
type sweep struct {
	*Guard
	Swept
	faults
	live   Live
	at     time.Time
	stuck  map[string]bool // deadlines that could not be moved on
	silent bool            // IAM answered nothing about an account
}

// look is a deadline while it is worked on.
type look struct {
	Deadline
	next time.Time // zero: it is over
	done bool      // next holds
}

// account works through the deadlines of one account. What goes wrong leaves
// them as they are.
func (s *sweep) account(ctx context.Context, account string, due []Deadline) {
	looks := make([]look, len(due))
	for i, d := range due {
		looks[i].Deadline = d
		s.stuck[d.Key] = true
	}
	facts, err := s.deps.Journal.Facts(ctx, account)
	if err != nil {
		s.fail(fmt.Errorf("reading facts of account %s: %w", account, err))
		return
	}
	answers := s.ask(ctx, account, facts, looks)
	if len(answers) > 0 {
		if _, err := s.deps.Journal.Add(ctx, answers); err != nil {
			s.fail(fmt.Errorf("recording live checks of account %s: %w", account, err))
			return
		}
		facts = append(facts, answers...)
	}

	users, told := s.users(account, facts), notesOf(facts)
	var notes []bootstrap.Fact
	for i := range looks {
		l := &looks[i]
		if l.done {
			continue
		}
		more, err := s.tell(ctx, account, users[l.User], told, l)
		notes = append(notes, more...)
		switch {
		case errors.Is(err, ErrBusy): // another sweep is telling of it
		case err != nil:
			s.fail(err)
			if !Retryable(err) { // it would be in the way of the others at every sweep
				l.next, l.done = s.at.Add(lastRetry), true
			}
		default:
			s.failures = 0
			l.done = true
		}
		if s.halt || ctx.Err() != nil {
			break
		}
	}
	if len(notes) > 0 {
		if _, err := s.deps.Journal.Add(ctx, notes); err != nil {
			s.fail(fmt.Errorf("noting what was told of account %s: %w", account, err))
			return
		}
	}
	for i := range looks {
		if looks[i].done {
			s.moveOn(ctx, &looks[i])
		}
	}
}

// moveOn stores when the user is to be looked at next, unless the row changed
// since: then there are facts that this look has not seen.
func (s *sweep) moveOn(ctx context.Context, l *look) {
	moved := false
	err := s.deps.Deadlines.Reschedule(ctx, l.Key, func(d Deadline) Deadline {
		if moved = d.Revision == l.Revision; !moved {
			return Deadline{}
		}
		d.Due, d.Unanswered = l.next, l.Unanswered
		d.Revision++
		return d
	})
	if err != nil {
		s.fail(fmt.Errorf("storing when to look at user %s of account %s again: %w", l.User, l.Account, err))
		return
	}
	if moved {
		s.Looked++
		delete(s.stuck, l.Key)
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
func (s *sweep) users(account string, facts []bootstrap.Fact) map[string][]*bootstrap.UserStatus {
	status := s.fold(account, facts, s.at)
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

// ask checks users live and returns what IAM said. It settles the looks that
// are too early for IAM to show all that changed, and those that IAM gave no answer to.
func (s *sweep) ask(ctx context.Context, account string, facts []bootstrap.Fact, looks []look) []bootstrap.Fact {
	users, changed := s.users(account, facts), changes(facts)
	var open []*look
	var names []string
	for i := range looks {
		l := &looks[i]
		u := presentOf(users[l.User])
		if u == nil || u.Name == "" {
			continue // gone, or IAM cannot be asked without a name
		}
		if at := changed[u.Name]; s.at.Sub(at).Abs() < settled {
			l.next, l.done = at.Add(settled), true
			continue
		}
		open, names = append(open, l), append(names, u.Name)
	}
	answers, errs := make([]bootstrap.LiveFact, len(open)), make([]error, len(open))
	part, cancel := context.WithTimeout(ctx, askTimeout)
	defer cancel()
	each(len(open), func(i int) {
		one, cancel := context.WithTimeout(part, liveTimeout)
		defer cancel()
		answers[i], errs[i] = s.live.User(one, account, names[i])
	})

	closed := false
	if slices.ContainsFunc(errs, func(err error) bool { return err != nil }) {
		var err error
		if closed, err = s.closed(ctx, account); err != nil {
			s.fail(err)
		}
	}
	said := make([]bootstrap.Fact, 0, len(open))
	for i, l := range open {
		if closed && errs[i] != nil {
			l.next, l.done = time.Time{}, true // nobody can sign in to it, and its users are found again should it be back
			continue
		}
		if errs[i] == nil {
			// What came after may be in the answer or not: its record will tell.
			said = append(said, bootstrap.LiveFactOf(account, s.at.Add(-settled), answers[i]))
			l.Unanswered = 0
			continue
		}
		l.next, l.done = s.at.Add(retryIn(l.Unanswered)), true
		l.Unanswered++
		s.Unanswered++
		if l.Unanswered >= loud {
			s.errs = append(s.errs, fmt.Errorf("live check %d in a row without an answer: %w", l.Unanswered, errs[i]))
		}
	}
	if len(open) >= maxFailures && len(said) == 0 && !closed {
		s.silent = true // it is down, or throttles: the batches after this one wait as they are
	}
	return said
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
		if res.Disposition == Alerted || res.Disposition == RolledUp {
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
