package bootstrap

import (
	"cmp"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"rootguard/internal/cloudtrail"
)

// DefaultOptions are a day of grace and thirty days of quiet.
func DefaultOptions() Options { return Options{Grace: 24 * time.Hour, QuietDays: 30} }

// WithDefaults are the options with each field that is not set at its default.
func (o Options) WithDefaults() Options {
	d := DefaultOptions()
	if o.Grace <= 0 {
		o.Grace = d.Grace
	}
	if o.QuietDays <= 0 {
		o.QuietDays = d.QuietDays
	}
	return o
}

// Fold is the status of an account at asOf, by the facts up to then. The facts are
// a set: neither their order nor repeats matter, and those of other accounts,
// those without a time and notes of what was alerted are ignored. A zero asOf is the time of the latest fact.
//
// Facts are taken by Time and EventID. CloudTrail's times are whole seconds, so
// within one second causes come before effects, and what protects comes before
// what exposes: a wrong guess is then an alarm too many, never one too few.
func Fold(account string, facts []Fact, opt Options, asOf time.Time) Status {
	moments := momentsOf(account, facts)
	if asOf.IsZero() && len(moments) > 0 {
		asOf = moments[len(moments)-1].at
	}
	j := newJourney(opt)
	for i := range moments {
		if f := moments[i].fact; f.Kind == AssumedRoot { // whenever it was learned
			j.assumed[f.AccessKeyID] = struct{}{}
		}
	}
	st := Status{Account: account, AsOf: asOf}
	known := false
	for i := range moments {
		m := &moments[i]
		if m.at.After(asOf) {
			break
		}
		if m.fact.Kind != AssumedRoot {
			known = true
			j.apply(m)
		}
		if k := m.fact.Kind; k != AssumedRoot && k != Live && k != RoleChecked {
			if st.FirstEvent.IsZero() {
				st.FirstEvent = m.at
			}
			st.LastEvent = m.at
		}
	}
	j.finish(&st, known)
	return st
}

// moment is a fact at its earliest or at its latest event.
type moment struct {
	at     time.Time
	rank   int
	latest bool
	fact   *Fact
}

// momentsOf merges equal facts and puts them into the order of the fold. The others
// it does not copy, for there may be very many.
func momentsOf(account string, facts []Fact) []moment {
	unique := make([]*Fact, 0, len(facts))
	index := make(map[string]int, len(facts))
	for i := range facts {
		f := &facts[i]
		if f.Account != account || f.Time.IsZero() || f.Kind == MFAMissingAlerted {
			continue
		}
		if at, ok := index[f.ID]; ok {
			merged := Merge(*unique[at], *f)
			unique[at] = &merged
			continue
		}
		index[f.ID] = len(unique)
		unique = append(unique, f)
	}
	moments := make([]moment, 0, len(unique))
	for _, f := range unique {
		m := moment{at: f.Time, rank: rankOf(f), fact: f}
		moments = append(moments, m)
		if lasts(f.Kind) && f.Last.After(f.Time) {
			m.at, m.latest = f.Last, true
			moments = append(moments, m)
		}
	}
	slices.SortFunc(moments, func(a, b moment) int {
		return cmp.Or(a.at.Compare(b.at), a.rank-b.rank,
			strings.Compare(a.eventID(), b.eventID()), strings.Compare(a.fact.ID, b.fact.ID))
	})
	return moments
}

// lasts reports whether a fact of a kind counts at its first and at its last event.
func lasts(kind FactKind) bool {
	return kind == RootActivity || kind == RootSignIn || kind == UserSignIn || kind == RoleSignIn
}

func (m *moment) eventID() string {
	if m.latest {
		return m.fact.LastEventID
	}
	return m.fact.EventID
}

func (m *moment) evidence() Evidence {
	ev := Evidence{EventID: m.eventID(), Time: m.at, Actor: m.fact.Actor, What: m.fact.What}
	if m.latest {
		ev.What = m.fact.LastWhat
	}
	return ev
}

// rankOf is a fact's place within its second.
func rankOf(f *Fact) int {
	switch f.Kind {
	case GroupCreated:
		return 0
	case UserCreated, RoleCreated:
		return 1
	case UserRenamed, GroupRenamed, RootActivity, RootSignIn:
		return 2 // whatever root changed in that second, it was at work before
	case PasswordRemoved, MFAEnabled, RootMFAEnabled, RootKeyDeleted, RootPasswordRemoved, UserQuarantined:
		return 3
	case UserDeleted, GroupDeleted, RoleDeleted:
		return 5
	case Live, RoleChecked:
		return 6
	default:
		return 4
	}
}

// journey is an account while its facts are folded.
type journey struct {
	opt     Options
	dir     directory
	roles   map[string]*role
	assumed map[string]struct{} // access keys of sts:AssumeRoot

	rootMFA     step
	rootKeys    step
	adminUser   step
	adminSignIn step
	adminReset  step
	adminMFA    step
	rootQuiet   step

	mfa        holdings // root's
	keys       holdings // root's
	noPassword *Evidence
	activity   []activity // of the true root user

	// queue holds users and roles in the order in which they became eligible to
	// carry the admin steps; the first that still is carries them.
	queue   []candidate
	carried candidate // the last that did
}

// activity is one use of root, or the end of a streak of them. Within a streak
// root is never at rest.
type activity struct {
	Evidence
	from, to time.Time // of the streak
}

// isKey reports whether root was at work with an access key of its own.
func isKey(f *Fact) bool { return strings.HasPrefix(f.AccessKeyID, "AKIA") }

// candidate is a user or a role that became eligible to carry the admin steps.
type candidate struct {
	user *user // nil: a role
	role *role
	term int
}

// eligibility is whether a user or a role may carry the admin steps.
type eligibility struct {
	is   bool
	term int // how many times it began
	ev   Evidence
}

// now notes what it is after ev, and reports whether it began.
func (e *eligibility) now(is bool, ev Evidence) (began bool) {
	if began = is && !e.is; began {
		e.term++
		e.ev = ev
	}
	e.is = is
	return began
}

func newJourney(opt Options) *journey {
	j := &journey{opt: opt, dir: newDirectory(), assumed: map[string]struct{}{}, roles: map[string]*role{}}
	for i, s := range j.steps() {
		s.Step = Steps()[i]
		s.State = Pending
	}
	j.rootMFA.State, j.rootKeys.State = Unknown, Unknown
	return j
}

// steps are in the order of Steps.
func (j *journey) steps() []*step {
	return []*step{&j.rootMFA, &j.rootKeys, &j.adminUser, &j.adminSignIn, &j.adminReset, &j.adminMFA, &j.rootQuiet}
}

// apply takes the next moment.
func (j *journey) apply(m *moment) {
	f, ev := m.fact, m.evidence()
	if f.ActorID != "" {
		if u := j.dir.lookup(f.Actor, f.ActorID, m.at); u != nil {
			j.dir.learn(u, f.ActorID)
		}
	}
	if j.applyRoot(m, ev) {
		j.evalRoot(ev)
		return
	}
	var touched []*user
	switch f.Kind {
	case GroupCreated, GroupRenamed, GroupDeleted, GroupPolicyGranted, GroupPolicyRevoked:
		touched = j.applyGroup(f)
	case Live:
		if f.Live != nil {
			j.applyLiveRoot(f.Live, m.at)
			ev = Evidence{Time: m.at, What: describeLive(f.Live)}
			touched = j.applyLiveUser(f.Live, ev)
		}
	case UserCreated, UserRenamed, UserDeleted, UserSignIn, PasswordSet, PasswordReset, PasswordRemoved, PasswordChanged,
		MFAEnabled, MFADeactivated, UserPolicyGranted, UserPolicyRevoked, GroupJoined, GroupLeft, UserQuarantined, UserReleased:
		touched = j.applyUser(f, ev)
	case RoleSignIn, RoleCreated, RoleDeleted, RolePolicyGranted, RolePolicyRevoked, RoleChecked:
		if f.Kind == RoleChecked {
			ev = Evidence{Time: m.at, What: roleChecked(f.Role, f.Admin)}
		}
		j.applyRole(f, ev)
	default: // of a later version
	}
	touched = append(touched, j.dir.evicted...)
	j.dir.evicted = j.dir.evicted[:0]
	for _, u := range touched {
		u.settle(j.opt.Grace, ev)
		j.refresh(u, ev)
	}
	j.evalAdmin(ev)
}

// applyRoot takes a fact about root; ok is false for any other.
func (j *journey) applyRoot(m *moment, ev Evidence) (ok bool) {
	f := m.fact
	switch f.Kind {
	case RootActivity:
		if _, assumed := j.assumed[f.AccessKeyID]; assumed && f.AccessKeyID != "" {
			return true
		}
		j.activity = append(j.activity, activity{ev, f.Time, f.Last})
		if isKey(f) {
			j.keys.see(f.AccessKeyID, ev)
		} else {
			j.noPassword = nil
		}
	case RootSignIn:
		j.activity = append(j.activity, activity{ev, f.Time, f.Last})
		j.noPassword = nil
		if f.MFA != cloudtrail.Unknown {
			j.mfa.prove(f.MFA == cloudtrail.Yes, false, ev)
		}
	case RootPasswordSet:
		j.noPassword = nil
	case RootPasswordRemoved:
		if j.noPassword == nil {
			j.noPassword = &ev
		}
	case RootMFAEnabled:
		j.mfa.add(f.Serial, ev)
	case RootMFADeactivated:
		j.mfa.remove(f.Serial, true, ev)
		j.rootMFA.wasDone = true
	case RootKeyCreated:
		j.keys.add(f.AccessKeyID, ev)
		j.rootKeys.wasDone = true
	case RootKeyDeleted:
		j.keys.remove(f.AccessKeyID, false, ev)
	default:
		return false
	}
	return true
}

func (j *journey) applyLiveRoot(l *LiveFact, at time.Time) {
	answer := func(name string, n int) Evidence {
		return Evidence{Time: at, What: liveCheck + ": " + name + "=" + strconv.Itoa(n)}
	}
	var ev Evidence
	if n := l.AccountPasswordPresent; n != nil {
		ev = answer("AccountPasswordPresent", *n)
		switch {
		case *n != 0:
			j.noPassword = nil
		case j.noPassword == nil:
			j.noPassword = &ev
		}
	}
	if n := l.AccountMFAEnabled; n != nil {
		ev = answer("AccountMFAEnabled", *n)
		j.mfa.prove(*n != 0, true, ev)
		if v := l.RootVirtualMFA; v != nil {
			j.mfa.unnamedAre(*v)
		}
	}
	if n := l.AccountAccessKeysPresent; n != nil {
		ev = answer("AccountAccessKeysPresent", *n)
		j.keys.prove(*n != 0, true, ev)
	}
	if ev.What != "" {
		j.evalRoot(ev)
	}
}

// evalRoot brings the steps about root's credentials up to date after ev.
func (j *journey) evalRoot(ev Evidence) {
	switch has := j.mfa.any(); {
	case j.noPassword != nil:
		j.rootMFA.set(NotApplicable, ev.Time, *j.noPassword)
	case has == cloudtrail.Yes:
		j.rootMFA.set(Done, ev.Time, j.mfa.ev)
	case has == cloudtrail.No:
		j.rootMFA.fail(ev.Time, j.mfa.ev)
	case j.rootMFA.State != Unknown:
		j.rootMFA.set(Unknown, ev.Time, ev)
	}
	switch has := j.keys.any(); {
	case has == cloudtrail.Yes:
		j.rootKeys.fail(ev.Time, j.keys.ev)
	case has == cloudtrail.No:
		j.rootKeys.set(Done, ev.Time, j.keys.ev)
	case j.noPassword != nil && j.noPassword.Live():
		j.rootKeys.set(NotApplicable, ev.Time, *j.noPassword)
	case j.rootKeys.State != Unknown:
		j.rootKeys.set(Unknown, ev.Time, ev)
	}
}

// applyGroup takes a fact about a group and returns the users whose rights changed.
func (j *journey) applyGroup(f *Fact) []*user {
	g := j.dir.group(f.Group)
	switch f.Kind {
	case GroupCreated, GroupDeleted:
		touched := j.dir.dissolve(g)
		j.dir.group(f.Group).inLog = f.Kind == GroupCreated
		return touched
	case GroupRenamed:
		touched := j.dir.dissolve(j.dir.group(f.NewName))
		delete(j.dir.groups, f.Group)
		g.name = f.NewName
		j.dir.groups[f.NewName] = g
		return touched
	case GroupPolicyGranted:
		if f.Admin {
			return g.grant(f.Policy)
		}
	default:
	}
	return g.revoke(f.Policy)
}

// applyUser takes a fact about a user and returns the users it changed.
func (j *journey) applyUser(f *Fact, ev Evidence) []*user {
	d := &j.dir
	switch {
	case f.UserName == "" && f.UserID == "", f.Kind == UserKeyCreated:
		return nil
	case f.Kind == UserCreated:
		return []*user{d.create(f)}
	case (f.Kind == UserQuarantined || f.Kind == UserReleased) && policyName(f.Policy) != cmp.Or(j.opt.QuarantinePolicy,
		DefaultQuarantinePolicy):
		return nil // another policy
	}
	takesRights := f.Kind == GroupLeft || f.Kind == UserReleased || f.Kind == UserPolicyRevoked || f.Kind == UserPolicyGranted && !f.Admin
	if takesRights && d.lookup(f.UserName, f.UserID, f.Time) == nil {
		return nil
	}
	u := d.find(f.UserName, f.UserID, ev.Time, f.Kind == UserSignIn)
	switch f.Kind {
	case UserRenamed:
		d.call(u, f.NewName, f.Time)
	case UserDeleted:
		u = d.remove(u, f.UserID != "", f.Time)
	case UserSignIn:
		u.signIn(f.MFA, ev)
	case PasswordSet:
		u.setPassword(ev)
		u.needReset(f.Reset == cloudtrail.Yes, ev)
		if u.mfa.any() == cloudtrail.Unknown {
			u.mfa.prove(false, false, ev) // without a password there was no use for MFA
		}
	case PasswordReset:
		if u.password != cloudtrail.Yes {
			u.setPassword(ev)
		}
		if f.Reset == cloudtrail.Yes && u == j.carrier().user && u.reset != resetDue {
			j.adminReset.wasDone = true
		}
		if f.Reset != cloudtrail.Unknown {
			u.needReset(f.Reset == cloudtrail.Yes, ev)
		}
	case PasswordRemoved:
		u.removePassword()
	case PasswordChanged:
		if u.password != cloudtrail.Yes {
			u.setPassword(ev)
		}
		if u.reset != resetNotNeeded {
			u.reset, u.resetEv = resetDone, ev
		}
	case MFAEnabled:
		u.mfa.add(f.Serial, ev)
	case MFADeactivated:
		u.mfa.remove(f.Serial, u.mfa.known, ev)
		if u == j.carrier().user {
			j.adminMFA.wasDone = true
		}
	case UserPolicyGranted, UserPolicyRevoked:
		if f.Kind == UserPolicyGranted && f.Admin {
			u.grant(f.Policy)
		} else {
			delete(u.policies, f.Policy)
		}
	case UserQuarantined:
		if u.quarantined == nil {
			u.quarantined = &ev
		}
	case UserReleased:
		u.quarantined = nil
	case GroupJoined:
		d.group(f.Group).join(u)
	case GroupLeft:
		d.group(f.Group).leave(u)
	default:
	}
	return []*user{u}
}

// describeLive is the evidence's text for a live check of a user.
func describeLive(l *LiveFact) string {
	switch {
	case l.Gone:
		return liveCheck + ": the user does not exist"
	case l.ConsoleLogin == nil:
		return liveCheck
	case l.MFAActive != nil:
		return fmt.Sprintf("credential report: password_enabled=%v, mfa_active=%v", *l.ConsoleLogin, *l.MFAActive)
	case *l.ConsoleLogin:
		return fmt.Sprintf(liveCheck+": console password, MFA devices: %d", len(l.MFADevices))
	default:
		return fmt.Sprintf(liveCheck+": no console password, MFA devices: %d", len(l.MFADevices))
	}
}

// applyLiveUser takes a live check of a user and returns the users it changed.
func (j *journey) applyLiveUser(l *LiveFact, ev Evidence) []*user {
	if l.UserID == "" && l.UserName == "" {
		return nil
	}
	if l.Gone {
		u := j.dir.lookup(l.UserName, l.UserID, ev.Time)
		if u == nil || u.end == certain {
			return nil
		}
		return []*user{j.dir.remove(u, true, ev.Time)}
	}
	u := j.dir.find(l.UserName, l.UserID, ev.Time, true)
	if u.end == certain && l.UserID != "" && ev.Time.After(u.endedAt) {
		// Unique IDs are never used again, so it was there all the time: IAM had
		// not settled when it said that there was no such user.
		if n := len(u.gaps); n > 0 && u.gaps[n-1].To.Equal(u.endedAt) {
			u.gaps[n-1].To = time.Time{}
		}
		u.end, u.endedAt = present, time.Time{}
		j.dir.call(u, l.UserName, ev.Time)
	}
	if l.ConsoleLogin == nil {
		return []*user{u}
	}
	switch has := *l.ConsoleLogin; {
	case !has:
		u.removePassword()
	case u.password != cloudtrail.Yes:
		u.setPassword(ev)
	}
	if l.MFAActive != nil {
		u.mfa.prove(*l.MFAActive, true, ev)
	} else {
		u.mfa.replace(l.MFADevices, ev)
	}
	return []*user{u}
}

// refresh notes whether the user may carry the admin steps.
func (j *journey) refresh(u *user, ev Evidence) {
	if u.carry.now(u.end == present && u.password == cloudtrail.Yes && u.admin(), ev) {
		j.queue = append(j.queue, candidate{user: u, term: u.carry.term})
	}
}

// carrier is the user or the role that the admin steps are about: of those
// eligible, the one that has been so for the longest; the zero candidate where
// there is none. So an IAM user that makes way for a federated administrator
// hands the steps over.
func (j *journey) carrier() candidate {
	for len(j.queue) > 0 {
		c := j.queue[0]
		if e := c.eligibility(); e.is && e.term == c.term {
			return c
		}
		j.queue = j.queue[1:]
	}
	return candidate{}
}

func (c candidate) eligibility() *eligibility {
	if c.user != nil {
		return &c.user.carry
	}
	return &c.role.carry
}

// evalAdmin brings the admin steps up to date after ev. While there is no carrier
// the steps after admin_user stay as they were. admin_signed_in never regresses:
// that an administrator signed in stays true.
func (j *journey) evalAdmin(ev Evidence) {
	c := j.carrier()
	if c.user != nil || c.role != nil {
		j.carried = c
	}
	switch {
	case c.user != nil:
		j.evalAdminUser(c.user, ev)
	case c.role != nil:
		r := c.role
		j.adminUser.set(Done, ev.Time, r.carry.ev)
		if j.adminSignIn.State != Done {
			j.adminSignIn.set(Done, ev.Time, *r.signedIn)
		}
		j.adminReset.set(NotApplicable, ev.Time, r.carry.ev)
		j.adminMFA.set(NotApplicable, ev.Time, r.carry.ev)
	case j.adminUser.State == Done:
		j.adminUser.set(Regressed, ev.Time, ev)
	}
}

// evalAdminUser is evalAdmin where an IAM user carries the steps.
func (j *journey) evalAdminUser(u *user, ev Evidence) {
	j.adminUser.set(Done, ev.Time, u.carry.ev)
	if u.firstSignIn != nil && j.adminSignIn.State != Done {
		j.adminSignIn.set(Done, ev.Time, *u.firstSignIn)
	}
	switch u.reset {
	case resetNotNeeded:
		j.adminReset.set(NotApplicable, ev.Time, u.resetEv)
	case resetDue:
		j.adminReset.fail(ev.Time, u.resetEv)
	case resetDone:
		j.adminReset.set(Done, ev.Time, u.resetEv)
	case resetUnknown:
		j.adminReset.set(Unknown, ev.Time, u.carry.ev)
	}
	switch u.mfa.any() {
	case cloudtrail.Yes:
		j.adminMFA.set(Done, ev.Time, u.mfa.ev)
	case cloudtrail.No:
		j.adminMFA.fail(ev.Time, u.missingMFA())
	case cloudtrail.Unknown:
		j.adminMFA.set(Unknown, ev.Time, u.carry.ev)
	}
}
