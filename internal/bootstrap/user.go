package bootstrap

import (
	"maps"
	"slices"
	"time"

	"rootguard/internal/cloudtrail"
)

// ending says whether a user is gone.
type ending uint8

const (
	present  ending = iota
	inferred        // its name is another user's by now; it comes back if it is seen again
	certain         // DeleteUser, or a live check
)

// resetNeed is the state of passwordResetRequired for a user.
type resetNeed uint8

const (
	resetUnknown resetNeed = iota
	resetNotNeeded
	resetDue
	resetDone
)

// user is one IAM user while facts are folded.
type user struct {
	seq         int // order of first appearance
	id, name    string
	formerly    []string
	was         map[string]struct{} // formerly, as a set
	inLog       bool                // its CreateUser is in the log
	createdAt   time.Time
	createdBy   string
	displaced   *user // who had its name until the instant of its creation
	end         ending
	endedAt     time.Time
	password    cloudtrail.Answer
	passwordEv  *Evidence
	mfa         holdings
	reset       resetNeed
	resetEv     Evidence
	firstSignIn *Evidence
	lastSignIn  time.Time
	gaps        []MFAGap
	mfaState    MFAState
	mfaSince    time.Time
	quarantined *Evidence

	policies    map[string]struct{} // that grant everything, by ARN or inline name
	groups      map[*group]struct{}
	adminGroups int
	carry       eligibility // alive, with a console password and administrator rights
}

// group is one IAM group while facts are folded.
type group struct {
	name     string
	inLog    bool                // its CreateGroup is in the log
	policies map[string]struct{} // that grant everything
	members  map[*user]struct{}
}

func (u *user) admin() bool { return len(u.policies) > 0 || u.adminGroups > 0 }

// exposed reports whether the user is known to be able to sign in without MFA.
// That a device was removed shows neither a password nor that it was the last.
func (u *user) exposed() bool {
	return u.end != certain && u.password == cloudtrail.Yes && u.mfa.any() == cloudtrail.No
}

func (u *user) setPassword(ev Evidence) { u.password, u.passwordEv = cloudtrail.Yes, &ev }

func (u *user) removePassword() {
	u.password, u.passwordEv, u.reset = cloudtrail.No, nil, resetUnknown
}

func (u *user) needReset(need bool, ev Evidence) {
	u.reset, u.resetEv = resetNotNeeded, ev
	if need {
		u.reset = resetDue
	}
}

func (u *user) signIn(mfa cloudtrail.Answer, ev Evidence) {
	if u.password != cloudtrail.Yes {
		u.setPassword(ev)
	}
	if u.firstSignIn == nil {
		u.firstSignIn = &ev
	}
	u.lastSignIn = ev.Time
	if mfa != cloudtrail.Unknown {
		u.mfa.prove(mfa == cloudtrail.Yes, false, ev)
	}
}

func (u *user) grant(policy string) {
	if u.policies == nil {
		u.policies = map[string]struct{}{}
	}
	u.policies[policy] = struct{}{}
}

// missingMFA is what shows that the user has no MFA: the loss of its last
// device, else what made it an administrator.
func (u *user) missingMFA() Evidence {
	if u.mfa.ev.Time.IsZero() {
		return u.carry.ev
	}
	return u.mfa.ev
}

// settle brings the MFA state and its gaps up to date after ev.
func (u *user) settle(grace time.Duration, ev Evidence) {
	exposed := u.exposed()
	last := len(u.gaps) - 1
	open := last >= 0 && u.gaps[last].To.IsZero()
	switch {
	case exposed && !open:
		u.gaps = append(u.gaps, MFAGap{From: ev.Time, Deadline: ev.Time.Add(grace), Evidence: ev})
	case !exposed && open && u.gaps[last].From.Equal(ev.Time):
		u.gaps = u.gaps[:last]
	case !exposed && open:
		u.gaps[last].To = ev.Time
	}

	state := MFAUnknownYet
	switch {
	case u.end == certain || u.password == cloudtrail.No:
		state = MFANotNeeded
	case exposed:
		state = MFAPending
	case u.mfa.any() == cloudtrail.Yes:
		state = MFAOn
	}
	if state != u.mfaState {
		u.mfaState, u.mfaSince = state, ev.Time
	}
}

// status is the status of the user at asOf.
func (u *user) status(asOf time.Time) UserStatus {
	s := UserStatus{
		UserID: u.id, Name: u.name,
		CreatedAt: u.createdAt, CreatedBy: u.createdBy,
		ConsoleAccess: u.password == cloudtrail.Yes, Admin: u.admin(),
		MFA: u.mfaState, MFASince: u.mfaSince, MFADevices: u.mfa.names(),
		LastSignIn: u.lastSignIn, MFAGaps: slices.Clone(u.gaps), ConsoleEvidence: u.passwordEv,
		Quarantined: u.quarantined,
	}
	for _, name := range u.formerly {
		if name != u.name {
			s.FormerNames = append(s.FormerNames, name)
		}
	}
	last := len(s.MFAGaps) - 1
	open := last >= 0 && s.MFAGaps[last].To.IsZero()
	if u.end != present {
		s.Deleted, s.DeletedAt = true, u.endedAt
		s.ConsoleAccess, s.Admin, s.MFADevices, s.ConsoleEvidence = false, false, nil, nil
		s.Quarantined = nil
		s.MFA, s.MFASince = MFANotNeeded, u.endedAt
		switch {
		case open && u.endedAt.After(s.MFAGaps[last].From):
			s.MFAGaps[last].To = u.endedAt
		case open:
			s.MFAGaps = s.MFAGaps[:last]
		}
		return s
	}
	if s.MFA == MFAPending && open {
		s.GraceDeadline = s.MFAGaps[last].Deadline
		if asOf.After(s.GraceDeadline) {
			s.MFA, s.MFASince = MFAMissing, s.GraceDeadline
		}
	}
	return s
}

// tenure is a name's last holder, for events of the same instant: CloudTrail
// has no order within a second.
type tenure struct {
	u  *user
	at time.Time
}

// directory knows who is who: the identity of a user is its unique ID, and a
// name is what it is called for a time.
type directory struct {
	all      []*user
	byID     map[string]*user
	byName   map[string]*user
	released map[string]tenure
	groups   map[string]*group
	evicted  []*user // those who lost their name since the last reset
}

func newDirectory() directory {
	return directory{
		byID: map[string]*user{}, byName: map[string]*user{}, released: map[string]tenure{},
		groups: map[string]*group{},
	}
}

// lookup returns the user that an event at t is about, nil where it is not known yet.
func (d *directory) lookup(name, id string, t time.Time) *user {
	if u := d.byID[id]; u != nil && id != "" {
		return u
	}
	u := d.byName[name]
	if last := d.released[name]; u == nil && last.u != nil && last.at.Equal(t) {
		u = last.u
	}
	if u == nil || name == "" || (id != "" && u.id != "") {
		return nil
	}
	return u
}

// find is lookup, and makes the user where it is not known. fresh says that the
// name is the user's at t, and not what it was called when its session began.
func (d *directory) find(name, id string, t time.Time, fresh bool) *user {
	u := d.lookup(name, id, t)
	if u == nil {
		u = d.add()
		d.call(u, name, t)
	}
	d.learn(u, id)
	if u.end == inferred {
		u.end, u.endedAt = present, time.Time{}
		d.call(u, name, t)
	}
	if _, former := u.was[name]; name != "" && name != u.name && u.end == present && (fresh || !former) {
		d.call(u, name, t)
	}
	return u
}

func (d *directory) add() *user {
	u := &user{seq: len(d.all), mfaState: MFAUnknownYet}
	d.all = append(d.all, u)
	return u
}

// learn records the unique ID of a user known by name.
func (d *directory) learn(u *user, id string) {
	if id != "" && u.id == "" && d.byID[id] == nil {
		u.id = id
		d.byID[id] = u
	}
}

// call gives the user a name. The user that had it until then must have lost it.
func (d *directory) call(u *user, name string, t time.Time) {
	if name == "" || u.end == certain {
		return
	}
	if u.name != "" && u.name != name {
		d.release(u, t)
		if _, ok := u.was[u.name]; !ok {
			if u.was == nil {
				u.was = map[string]struct{}{}
			}
			u.was[u.name] = struct{}{}
			u.formerly = append(u.formerly, u.name)
		}
	}
	if other := d.byName[name]; other != nil && other != u {
		other.end, other.endedAt = inferred, t
		d.evicted = append(d.evicted, other)
	}
	u.name = name
	d.byName[name] = u
}

func (d *directory) release(u *user, t time.Time) {
	if d.byName[u.name] == u {
		delete(d.byName, u.name)
		d.released[u.name] = tenure{u, t}
	}
}

// create is CreateUser: a user that is not any user known by that name before.
func (d *directory) create(f *Fact) *user {
	u := d.byID[f.UserID]
	if u == nil || f.UserID == "" {
		u = d.add()
		u.displaced = d.byName[f.UserName]
		d.learn(u, f.UserID)
		u.password = cloudtrail.No
		u.mfa.known = true
	}
	u.end = present
	d.call(u, f.UserName, f.Time)
	u.inLog, u.createdAt, u.createdBy = true, f.Time, f.Actor
	return u
}

// remove ends a user. Where it and its successor of the same name fall into one
// second, the deletion is of the predecessor.
func (d *directory) remove(u *user, byID bool, t time.Time) *user {
	if old := u.displaced; old != nil && !byID && u.createdAt.Equal(t) {
		u.displaced = nil
		u = old
	}
	d.release(u, t)
	u.end, u.endedAt = certain, t
	return u
}

func (d *directory) group(name string) *group {
	g := d.groups[name]
	if g == nil {
		g = &group{name: name, policies: map[string]struct{}{}, members: map[*user]struct{}{}}
		d.groups[name] = g
	}
	return g
}

// dissolve forgets a group and returns the members it had.
func (d *directory) dissolve(g *group) []*user {
	had := slices.SortedFunc(maps.Keys(g.members), bySeq)
	for _, u := range had {
		g.leave(u)
	}
	delete(d.groups, g.name)
	return had
}

func bySeq(a, b *user) int { return a.seq - b.seq }

// join and leave keep adminGroups, so that admin needs no walk over the groups.
func (g *group) join(u *user) {
	if _, in := g.members[u]; in {
		return
	}
	g.members[u] = struct{}{}
	if u.groups == nil {
		u.groups = map[*group]struct{}{}
	}
	u.groups[g] = struct{}{}
	if len(g.policies) > 0 {
		u.adminGroups++
	}
}

func (g *group) leave(u *user) {
	if _, in := g.members[u]; !in {
		return
	}
	delete(g.members, u)
	delete(u.groups, g)
	if len(g.policies) > 0 {
		u.adminGroups--
	}
}

// grant and revoke return the members whose rights that changed.
func (g *group) grant(policy string) []*user {
	first := len(g.policies) == 0
	g.policies[policy] = struct{}{}
	return g.shift(first, 1)
}

func (g *group) revoke(policy string) []*user {
	had := len(g.policies) > 0
	delete(g.policies, policy)
	return g.shift(had && len(g.policies) == 0, -1)
}

func (g *group) shift(changed bool, by int) []*user {
	if !changed {
		return nil
	}
	for u := range g.members {
		u.adminGroups += by
	}
	return slices.SortedFunc(maps.Keys(g.members), bySeq)
}
