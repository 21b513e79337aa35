package bootstrap

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	"rootguard/internal/cloudtrail"
)

// finish turns the journey into the status at st.AsOf. told is false where no
// fact told of the account at all.
func (j *journey) finish(st *Status, told bool) {
	st.NoRootCredentials = j.noPassword != nil && j.keys.any() != cloudtrail.Yes
	maybe := j.mayBeAdmin()
	if j.adminUser.State == Pending && (!told || maybe != nil) {
		for _, s := range []*step{&j.adminUser, &j.adminSignIn, &j.adminReset, &j.adminMFA, &j.rootQuiet} {
			s.State = Unknown
		}
	}
	j.evalQuiet(st)
	j.explain(maybe)

	st.Bootstrapped = true
	for _, s := range j.steps() {
		st.Steps = append(st.Steps, s.StepStatus)
		if s.State != Done && s.State != NotApplicable {
			st.Bootstrapped = false
		}
	}
	users := make([]UserStatus, 0, len(j.dir.all))
	for _, u := range j.dir.all {
		users = append(users, u.status(st.AsOf))
	}
	slices.SortStableFunc(users, func(a, b UserStatus) int {
		return cmp.Or(a.CreatedAt.Compare(b.CreatedAt), strings.Compare(a.Name, b.Name), strings.Compare(a.UserID, b.UserID))
	})
	st.Users = users
}

// mayBeAdmin is a user who could be the administrator for all that is known: it
// existed before the log began, or is in a group that did. nil where none could.
func (j *journey) mayBeAdmin() *user {
	for _, u := range j.dir.all {
		if u.end != present || u.password == cloudtrail.No {
			continue
		}
		if !u.inLog {
			return u
		}
		for g := range u.groups {
			if !g.inLog {
				return u
			}
		}
	}
	return nil
}

// evalQuiet works out root_quiet from the times of the true root's activity
// after admin_signed_in.
func (j *journey) evalQuiet(st *Status) {
	s := &j.rootQuiet
	until := st.AsOf
	if st.NoRootCredentials {
		until = j.noPassword.Time
		if j.keys.ev.Time.After(until) {
			until = j.keys.ev.Time
		}
		defer func() { s.set(NotApplicable, until, *j.noPassword) }()
	}
	if j.adminSignIn.State != Done || j.adminSignIn.Since.After(until) {
		return
	}
	days := max(j.opt.QuietDays, 0)
	last := *j.adminSignIn.Evidence
	last.Time = j.adminSignIn.Since
	rest := func(upTo time.Time) {
		end := last.Time.AddDate(0, 0, days)
		if s.State == Done || end.After(upTo) {
			return
		}
		s.set(Done, end, Evidence{EventID: last.EventID, Time: end, Actor: last.Actor,
			What: fmt.Sprintf("no root activity for %d days after %s", days, last.What)})
	}
	for _, use := range j.activity {
		if use.Time.Before(last.Time) {
			continue
		}
		rest(use.from)
		s.fail(use.Time, use.Evidence)
		last = use.Evidence
	}
	if slices.ContainsFunc(j.activity, func(use activity) bool { return use.to.After(until) }) {
		last.Time = until // at work before and after
	}
	rest(until)
	if s.State != Done {
		s.Note = "done on " + last.Time.AddDate(0, 0, days).UTC().Format(time.DateOnly) + " if root is left alone until then"
	}
}

// explain sets the steps' notes.
func (j *journey) explain(maybe *user) {
	s := &j.rootMFA
	switch s.State {
	case Done:
		s.Note = j.mfa.kinds()
	case Pending:
		s.Note = "root has no MFA device"
	case Regressed:
		s.Note = "root has no MFA device any more"
	case NotApplicable:
		s.Note = "root has no password"
	case Unknown:
		s.Note = "a root sign-in, EnableMFADevice by root or a live check (AccountMFAEnabled) would tell"
	}

	s = &j.rootKeys
	switch s.State {
	case Done:
		s.Note = "confirmed by a live check"
	case Pending, Regressed:
		s.Note = "root has an access key"
	case NotApplicable:
		s.Note = "root has no password; whether it has access keys was not asked"
	case Unknown:
		s.Note = "only a live check (AccountAccessKeysPresent) would tell"
		if s.Evidence != nil {
			s.Note = "the known root access keys were deleted; " + s.Note
		}
	}

	u := j.carrier()
	s = &j.adminUser
	switch {
	case u != nil:
		s.Note = u.name
	case s.State == Regressed:
		s.Note = "no IAM user with a console password and administrator rights is left"
	case s.State == Pending:
		s.Note = "no IAM user with a console password and administrator rights was seen yet"
	case maybe != nil:
		s.Note = "whether " + cmp.Or(maybe.name, maybe.id) + " has administrator rights is not in the log"
	default:
		s.Note = "nothing is known of the account's users"
	}

	if u == nil {
		for _, s := range []*step{&j.adminSignIn, &j.adminReset, &j.adminMFA, &j.rootQuiet} {
			if s.State == Unknown {
				s.Note = "depends on the administrator user, see there"
			}
		}
	} else if j.adminSignIn.State == Pending {
		j.adminSignIn.Note = u.name + " has not signed in yet"
	}

	s = &j.adminReset
	switch {
	case s.State == NotApplicable:
		s.Note = "passwordResetRequired was not set"
	case s.State == Unknown && u != nil:
		s.Note = "whether the password had to be changed is not in the log"
	case u != nil && u.reset == resetDue:
		s.Note = u.name + " must change the password at the next sign-in"
	}

	s = &j.adminMFA
	switch {
	case u == nil:
	case s.State == Done:
		s.Note = u.mfa.kinds()
	case s.State == Unknown:
		s.Note = "a sign-in or a live check of " + u.name + " would tell"
	default:
		s.Note = u.name + " has no MFA device"
	}

	s = &j.rootQuiet
	switch {
	case s.State == NotApplicable:
		s.Note = "root has no credentials"
	case s.State == Pending && j.adminSignIn.State != Done:
		s.Note = "begins when the admin user has signed in"
	}
}
