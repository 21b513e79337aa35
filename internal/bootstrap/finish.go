package bootstrap

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"rootguard/internal/cloudtrail"
)

// finish turns the journey into the status at st.AsOf. known is false where no
// fact is about the account at all.
func (j *journey) finish(st *Status, known bool) {
	// Where IAM was asked for the password it was asked for the keys; a record of the
	// password's removal says nothing of them.
	keys := j.keys.any()
	st.NoRootCredentials = j.noPassword != nil && (keys == cloudtrail.No || keys == cloudtrail.Unknown && j.noPassword.Live())
	maybe := j.mayBeAdmin()
	if j.adminUser.State == Pending && (!known || maybe != "") {
		for _, s := range []*step{&j.adminUser, &j.adminSignIn, &j.adminReset, &j.adminMFA, &j.rootQuiet} {
			s.State = Unknown
		}
	}
	j.evalQuiet(st)
	j.explain(maybe)

	st.RootDevices = RootDevices{Serials: j.mfa.names(), All: j.mfa.known && j.mfa.unnamed == 0}
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

// mayBeAdmin names a user or role that could be the administrator for all that is
// known: it existed before the log began, or is in a group that did. "" where none could.
func (j *journey) mayBeAdmin() string {
	for _, u := range j.dir.all {
		if u.end != present || u.password == cloudtrail.No {
			continue
		}
		if !u.inLog {
			return cmp.Or(u.name, u.id)
		}
		for g := range u.groups {
			if !g.inLog {
				return cmp.Or(u.name, u.id)
			}
		}
	}
	return j.mayBeAdminRole()
}

// mayBeAdminRole names the first role, by name, of a permission set by which
// a person signed in and whose rights are not known.
func (j *journey) mayBeAdminRole() string {
	for _, name := range slices.Sorted(maps.Keys(j.roles)) {
		if r := j.roles[name]; IsPermissionSet(name) && r.signedIn != nil && r.admin() == cloudtrail.Unknown {
			return "role " + name
		}
	}
	return ""
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
func (j *journey) explain(maybe string) {
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
		s.Note = "a root sign-in, EnableMFADevice by root or a live check (AccountMFAEnabled) would show it"
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
		s.Note = "only a live check (AccountAccessKeysPresent) would show it"
		if s.Evidence != nil {
			s.Note = "the known root access keys were deleted; " + s.Note
		}
	}

	j.explainAdmin(maybe)

	s = &j.rootQuiet
	switch {
	case s.State == NotApplicable:
		s.Note = "root has no credentials"
	case s.State == Pending && j.adminSignIn.State != Done:
		s.Note = "begins when an administrator has signed in"
	}
}

// explainAdmin sets the notes of the steps about the administrator.
func (j *journey) explainAdmin(maybe string) {
	c := j.carrier()
	if c.role != nil {
		j.explainRole(c.role)
		return
	}
	u := c.user
	s := &j.adminUser
	switch {
	case u != nil:
		s.Note = "IAM user " + u.name
	case s.State == Regressed:
		s.Note = "no IAM user with a console password and administrator rights is left, and no federated administrator has signed in"
		if name := j.mayBeAdminRole(); name != "" {
			s.Note += "; whether " + name + " has administrator rights is not in the log"
		}
	case s.State == Pending:
		s.Note = "no IAM user with a console password and administrator rights, and no sign-in by a federated administrator, was seen yet"
	case maybe != "":
		s.Note = "whether " + maybe + " has administrator rights is not in the log"
		if j.mayBeAdminRole() == maybe {
			s.Note += "; if it has, name it in the setting adminRoles (--admin-role)"
		}
	default:
		s.Note = "nothing is known of the account's users"
	}

	if u == nil {
		if r := j.carried.role; r != nil {
			j.explainFederated(r)
		}
		for _, s := range []*step{&j.adminSignIn, &j.adminReset, &j.adminMFA, &j.rootQuiet} {
			if s.State == Unknown {
				s.Note = "depends on the administrator, see there"
			}
		}
		return
	}
	if j.adminSignIn.State == Pending {
		j.adminSignIn.Note = u.name + " has not signed in yet"
	}

	s = &j.adminReset
	switch {
	case s.State == NotApplicable:
		s.Note = "passwordResetRequired was not set"
	case s.State == Unknown:
		s.Note = "whether the password had to be changed is not in the log"
	case u.reset == resetDue:
		s.Note = u.name + " must change the password at the next sign-in"
	}

	s = &j.adminMFA
	switch s.State {
	case Done:
		s.Note = u.mfa.kinds()
	case Unknown:
		s.Note = "a sign-in or a live check of " + u.name + " would show it"
	default:
		s.Note = u.name + " has no MFA device"
	}
}

// explainRole sets the notes of the admin steps where a federated administrator
// carries them.
func (j *journey) explainRole(r *role) {
	j.adminUser.Note = "federated: role " + r.name
	if IsPermissionSet(r.name) {
		j.adminUser.Note = "federated: permission set " + PermissionSet(r.name) + " of IAM Identity Center"
	}
	if r.admin() != cloudtrail.Yes {
		j.adminUser.Note += ", an administrator by the setting adminRoles"
	}
	j.explainFederated(r)
}

// explainFederated says why a federated administrator leaves two steps out.
func (j *journey) explainFederated(r *role) {
	j.adminReset.Note = "the administrator has no IAM password: the identity provider keeps it"
	j.adminMFA.Note = "no record or API shows the devices of a federated administrator: require MFA in the identity provider"
	if IsPermissionSet(r.name) {
		j.adminMFA.Note = "no record or API shows the devices of a federated administrator: require MFA in IAM Identity Center, Settings, Authentication"
	}
}
