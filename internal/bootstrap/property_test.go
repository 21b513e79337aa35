package bootstrap

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	gocmp "github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"rootguard/internal/testenv"

	"rootguard/internal/cloudtrail"
)

// world is a small AWS account that obeys, keeps its true state,
// and writes the records CloudTrail would write. It knows nothing of facts.
type world struct {
	tb       testing.TB
	now      time.Time
	events   int
	records  []cloudtrail.Record
	live     []Fact
	users    []*person // in the order of creation
	groups   map[string]*team
	roles    map[string]*door // of those that are there
	carried  bool             // there was an administrator once
	devices  map[string]bool  // root's
	reported bool             // something reported root's MFA
	everOn   bool             // root had MFA once
	rootUsed []time.Time      // the true root at work
	signedIn time.Time        // the administrator, for the first time
	lastID   int
	what     []int // the cases of step, drawn evenly
}

type person struct {
	id, name string
	gone     bool
	password bool
	devices  map[string]bool
	policies map[string]bool // true: everything
	signed   bool
	exposed  []([2]time.Time)
	eligible time.Time // since when; zero while not
}

// door is a role by which people sign in.
type door struct {
	name     string
	policies map[string]bool
	signed   bool
	eligible time.Time
}

type team struct {
	policies map[string]bool
	members  map[*person]bool
}

func newWorld(tb testing.TB) *world {
	tb.Helper()
	return &world{tb: tb, now: day0, groups: map[string]*team{}, roles: map[string]*door{}, devices: map[string]bool{}, what: happenings}
}

func (w *world) emit(c call) {
	w.events++
	// Event IDs are random in CloudTrail, so they must not rise with time here.
	id := fmt.Sprintf("%03d-%d", (w.events*7919)%1000, w.events)
	w.records = append(w.records, c.record(w.tb, w.now, id))
}

func (w *world) alive() []*person {
	return slices.DeleteFunc(slices.Clone(w.users), func(p *person) bool { return p.gone })
}

func (w *world) admin(p *person) bool {
	for _, all := range p.policies {
		if all {
			return true
		}
	}
	for _, g := range w.groups {
		if g.members[p] {
			for _, all := range g.policies {
				if all {
					return true
				}
			}
		}
	}
	return false
}

// settle notes, after each event, who is exposed and who carries the journey.
func (w *world) settle() {
	for _, p := range w.users {
		exposed := !p.gone && p.password && len(p.devices) == 0
		last := len(p.exposed) - 1
		open := last >= 0 && p.exposed[last][1].IsZero()
		switch {
		case exposed && !open:
			p.exposed = append(p.exposed, [2]time.Time{w.now})
		case !exposed && open:
			p.exposed[last][1] = w.now
		}
		switch can := !p.gone && p.password && w.admin(p); {
		case !can:
			p.eligible = time.Time{}
		case p.eligible.IsZero():
			p.eligible = w.now
		}
	}
	for _, r := range w.roles {
		switch can := r.signed && (len(r.policies) > 0 || r.name == namedRole); {
		case !can:
			r.eligible = time.Time{}
		case r.eligible.IsZero():
			r.eligible = w.now
		}
	}
	p, r := w.carrier()
	w.carried = w.carried || p != nil || r != nil
	if (r != nil || p != nil && p.signed) && w.signedIn.IsZero() {
		w.signedIn = w.now
	}
}

// carrier is the person or the role that has been an administrator for the longest.
func (w *world) carrier() (first *person, role *door) {
	var since time.Time
	for _, p := range w.users {
		if !p.eligible.IsZero() && (since.IsZero() || p.eligible.Before(since)) {
			first, since = p, p.eligible
		}
	}
	for _, r := range w.roles {
		if !r.eligible.IsZero() && (since.IsZero() || r.eligible.Before(since)) {
			first, role, since = nil, r, r.eligible
		}
	}
	return first, role
}

// namedRole is a role of one's own that the settings name.
const namedRole = "Operations"

func withNamedRole() Options {
	opt := DefaultOptions()
	opt.AdminRoles = []string{namedRole}
	return opt
}

func pick[T any](rt *rapid.T, label string, from []T) (v T, ok bool) {
	if len(from) == 0 {
		return v, false
	}
	return rapid.SampledFrom(from).Draw(rt, label), true
}

var names = []string{"ann", "bob", "cat", "dan"}
var serials = []string{app, key, "GAHT00000001"}
var teams = []string{"ops", "dev"}

// happenings are the cases of step: IntRange prefers small numbers.
var happenings = []int{0, 0, 1, 2, 3, 3, 4, 5, 6, 7, 8, 9, 10, 10, 11, 12, 12, 13, 14, 15, 16, 17, 18, 19, 20, 21, 22, 23, 24, 25, 26, 27, 27, 28, 29, 30, 31}

// step lets one thing happen. What is not possible at the time does not happen.
func (w *world) step(rt *rapid.T) {
	u, has := pick(rt, "user", w.alive())
	serial := rapid.SampledFrom(serials).Draw(rt, "serial")
	group := rapid.SampledFrom(teams).Draw(rt, "group")
	free := slices.DeleteFunc(slices.Clone(names), func(n string) bool {
		return slices.ContainsFunc(w.alive(), func(p *person) bool { return p.name == n })
	})
	name, isFree := pick(rt, "free name", free)
	g := w.groups[group]
	role := rapid.SampledFrom([]string{adminSet, viewSet, adminSet, namedRole}).Draw(rt, "role")
	set := w.roles[role]
	what := rapid.SampledFrom(w.what).Draw(rt, "what")
	switch {
	case what == 0 && isFree:
		w.lastID++
		p := &person{id: fmt.Sprintf("AIDA%016d", w.lastID), name: name, devices: map[string]bool{}, policies: map[string]bool{}}
		w.users = append(w.users, p)
		w.emit(createUser(name, p.id))
	case what == 1 && has && isFree:
		w.emit(rename(u.name, name))
		u.name = name
	case what == 2 && has:
		w.emit(deleteUser(u.name))
		u.gone = true
		for _, g := range w.groups {
			delete(g.members, u)
		}
	case what == 3 && has && !u.password:
		u.password = true
		w.emit(setPassword(u.name, rapid.Bool().Draw(rt, "reset")))
	case what == 4 && has && u.password:
		u.password = false
		w.emit(removePassword(u.name))
	case what == 5 && has && u.password:
		w.emit(updatePassword(u.name, rapid.SampledFrom([]any{true, false, nil}).Draw(rt, "reset")))
	case what == 6 && has && u.password:
		w.emit(changePassword(u.name, u.id))
	case (what == 7 || what == 8) && has:
		u.devices[serial] = true
		if rapid.Bool().Draw(rt, "self") {
			w.emit(iamCall(iamUser(u.name, u.id), "EnableMFADevice", fields{"serialNumber": serial}))
		} else {
			w.emit(enableMFA(u.name, serial))
		}
	case what == 9 && has && u.devices[serial]:
		delete(u.devices, serial)
		w.emit(disableMFA(u.name, serial))
	case what == 10 && has && u.password:
		u.signed = true
		w.emit(signIn(iamUser(u.name, u.id), map[bool]string{true: "Yes", false: "No"}[len(u.devices) > 0]))
	case what == 11 && has:
		w.emit(failedSignIn(iamUser(u.name, u.id)))
	case what == 12 && has:
		u.policies[adminARN] = true
		w.emit(attach(u.name, adminARN))
	case what == 13 && has && u.policies[adminARN]:
		delete(u.policies, adminARN)
		w.emit(detach(u.name, adminARN))
	case what == 14 && has:
		all := rapid.Bool().Draw(rt, "everything")
		u.policies["inline"] = all
		w.emit(inline(u.name, "inline", map[bool]string{true: everything, false: little}[all]))
	case what == 15 && g == nil:
		w.groups[group] = &team{policies: map[string]bool{}, members: map[*person]bool{}}
		w.emit(createGroup(group))
	case what == 15:
		delete(w.groups, group)
		w.emit(iamCall(operator, "DeleteGroup", fields{"groupName": group}))
	case what == 16 && g != nil && has:
		g.members[u] = true
		w.emit(join(group, u.name))
	case what == 17 && g != nil && has && g.members[u]:
		delete(g.members, u)
		w.emit(leave(group, u.name))
	case what == 18 && g != nil && !g.policies[adminARN]:
		g.policies[adminARN] = true
		w.emit(attachGroup(group, adminARN))
	case what == 18 && g != nil:
		delete(g.policies, adminARN)
		w.emit(iamCall(operator, "DetachGroupPolicy", fields{"groupName": group, "policyArn": adminARN}))
	case what == 19:
		w.reported, w.everOn = true, w.everOn || len(w.devices) > 0
		w.rootUsed = append(w.rootUsed, w.now)
		w.emit(signIn(root, map[bool]string{true: "Yes", false: "No"}[len(w.devices) > 0]))
	case what == 20 && w.devices[serial]:
		delete(w.devices, serial)
		w.reported = true
		w.rootUsed = append(w.rootUsed, w.now)
		w.emit(rootDisableMFA(serial))
	case what == 20:
		w.devices[serial] = true
		w.reported, w.everOn = true, true
		w.rootUsed = append(w.rootUsed, w.now)
		w.emit(rootEnableMFA(serial))
	case what == 21:
		w.rootUsed = append(w.rootUsed, w.now)
		w.emit(rootList("ASIAROOT", w.now.Add(-time.Minute)))
	case what == 22:
		k := fmt.Sprintf("ASIATASK%d", w.events)
		w.emit(assumeRoot(k))
		w.now = w.now.Add(time.Second)
		w.emit(rootList(k, w.now)) // the member's record need not say assumedRoot
	case what == 23:
		w.emit(rapid.SampledFrom([]call{failedSignIn(root), createUser("eve", "").denied()}).Draw(rt, "failure"))
	case what == 25:
		w.rootUsed = append(w.rootUsed, w.now)
		w.emit(rapid.SampledFrom([]call{rootEnableMFA(serial).denied(), rootDisableMFA(serial).denied()}).Draw(rt, "denied"))
	case (what == 26 || what == 27) && set == nil:
		w.roles[role] = &door{name: role, policies: map[string]bool{}}
		w.emit(roleCall("CreateRole", role))
	case (what == 26 || what == 27) && role != namedRole:
		set.policies[adminARN] = true
		w.emit(grantRole(role, adminARN))
	case what == 28 && set != nil:
		set.signed = true
		w.emit(enters(role))
	case what == 29 && set != nil && set.policies[adminARN]:
		delete(set.policies, adminARN)
		w.emit(revokeRole(role, adminARN))
	case what == 30 && set != nil && role != namedRole: // of a role of one's own no fact shows
		delete(w.roles, role)
		w.emit(roleCall("DeleteRole", role))
	case what == 31 && set != nil && role != namedRole:
		w.live = append(w.live, RoleCheckedFact(account, role, len(set.policies) > 0, w.now))
	case what == 24 && has:
		w.live = append(w.live, LiveFactOf(account, w.now, LiveFact{UserID: u.id, UserName: u.name, ConsoleLogin: ptr(u.password), MFADevices: slices.Sorted(maps.Keys(u.devices))}))
	case what == 24:
		w.reported, w.everOn = true, w.everOn || len(w.devices) > 0
		w.live = append(w.live, LiveFactOf(account, w.now, LiveFact{AccountMFAEnabled: ptr(min(len(w.devices), 1)), AccountAccessKeysPresent: ptr(0)}))
	}
	w.settle()
}

func (w *world) run(rt *rapid.T, steps []time.Duration) {
	for range rapid.SampledFrom([]int{5, 20, 60}).Draw(rt, "events") {
		w.now = w.now.Add(rapid.SampledFrom(steps).Draw(rt, "step"))
		w.step(rt)
	}
}

// history is everything the world's records and live checks report, as often as it is reported.
func (w *world) history() []Fact {
	facts := slices.Clone(w.live)
	for i := range w.records {
		facts = append(facts, FactsOf(&w.records[i])...)
	}
	return facts
}

// TestOrderAndRepeatsDoNotMatter delivers a history in any order and more than
// once, through a store, and expects the status of the sorted unique facts.
func TestOrderAndRepeatsDoNotMatter(t *testing.T) {
	testenv.Check(t, 100, func(rt *rapid.T) {
		w := newWorld(t)
		w.run(rt, []time.Duration{0, 0, time.Second, time.Hour, 20 * 24 * time.Hour})
		// Some of it happened before the log began, or was never delivered.
		lost := rapid.IntRange(0, 5).Draw(rt, "lost")
		w.records = w.records[min(lost, len(w.records)):]
		asOf := w.now.Add(rapid.SampledFrom([]time.Duration{-time.Hour, 0, 25 * time.Hour, 40 * 24 * time.Hour}).Draw(rt, "as of"))

		reported := w.history()
		unique := map[string]Fact{}
		for _, f := range reported {
			if old, ok := unique[f.ID]; ok {
				f = Merge(old, f)
			}
			unique[f.ID] = f
		}
		sorted := slices.SortedFunc(maps.Values(unique), func(a, b Fact) int {
			return cmp.Or(a.Time.Compare(b.Time), strings.Compare(a.EventID, b.EventID), strings.Compare(a.ID, b.ID))
		})
		want := Fold(account, sorted, withNamedRole(), asOf)

		more := rapid.SliceOfN(rapid.IntRange(0, max(len(reported)-1, 0)), 0, 20).Draw(rt, "repeated")
		arrived := slices.Clone(reported)
		if len(reported) > 0 {
			for _, i := range more {
				arrived = append(arrived, reported[i])
			}
		}
		arrived = rapid.Permutation(arrived).Draw(rt, "arrival")
		store := map[string]Fact{}
		for _, f := range arrived {
			if old, ok := store[f.ID]; ok {
				f = Merge(old, f)
			}
			store[f.ID] = f
		}
		kept := rapid.Permutation(slices.SortedFunc(maps.Values(store), func(a, b Fact) int { return strings.Compare(a.ID, b.ID) })).Draw(rt, "reading")
		if diff := gocmp.Diff(want, Fold(account, kept, withNamedRole(), asOf)); diff != "" {
			rt.Fatalf("through a store (-sorted +shuffled):\n%s", diff)
		}
		if diff := gocmp.Diff(want, Fold(account, arrived, withNamedRole(), asOf)); diff != "" {
			rt.Fatalf("without a store (-sorted +shuffled):\n%s", diff)
		}
	})
}

// TestStatusIsTheTruth holds the status of an account whose whole life is in the
// log to the true state of that account.
func TestStatusIsTheTruth(t *testing.T) {
	opt := withNamedRole()
	testenv.Check(t, 100, func(rt *rapid.T) {
		w := newWorld(t)
		w.run(rt, []time.Duration{time.Second, time.Hour, 20 * 24 * time.Hour})
		asOf := w.now.Add(rapid.SampledFrom([]time.Duration{0, 25 * time.Hour, 40 * 24 * time.Hour}).Draw(rt, "as of"))
		st := Fold(account, rapid.Permutation(w.history()).Draw(rt, "arrival"), opt, asOf)

		wantMFA := Unknown
		switch {
		case w.reported && len(w.devices) > 0:
			wantMFA = Done
		case w.reported && w.everOn:
			wantMFA = Regressed
		case w.reported:
			wantMFA = Pending
		}
		if got := stepOf(t, st, RootMFA); got.State != wantMFA {
			rt.Errorf("root_mfa is %s, want %s: %+v", got.State, wantMFA, got)
		}
		wantQuiet := w.quiet(asOf, 30*24*time.Hour)
		known := slices.ContainsFunc(w.history(), func(f Fact) bool { return f.Kind != AssumedRoot })
		if !known {
			wantQuiet = Unknown
		}
		if got, want := stepOf(t, st, RootQuiet).State, wantQuiet; got != want {
			rt.Errorf("root_quiet is %s, want %s", got, want)
		}
		p, role := w.carrier()
		wantAdmin, note := Pending, ""
		switch {
		case p != nil:
			wantAdmin, note = Done, "IAM user "+p.name
		case role != nil && role.name == namedRole:
			wantAdmin, note = Done, "federated: role "+namedRole+", an administrator by the setting adminRoles"
		case role != nil:
			wantAdmin, note = Done, "federated: permission set "+PermissionSet(role.name)+" of IAM Identity Center"
		case w.carried:
			wantAdmin = Regressed
		case !known:
			wantAdmin = Unknown
		}
		if got := stepOf(t, st, AdminUser); got.State != wantAdmin || note != "" && got.Note != note {
			rt.Errorf("admin_user is %+v, want %s; the administrator is %+v, %+v", got, wantAdmin, p, role)
		}
		for _, step := range []Step{AdminPasswordChanged, AdminMFA} {
			if got := stepOf(t, st, step); role != nil && got.State != NotApplicable {
				rt.Errorf("%s is %s, the administrator is federated", step, got.State)
			}
		}
		if got := stepOf(t, st, AdminMFA); p != nil && (got.State == Done) != (len(p.devices) > 0) {
			rt.Errorf("admin_mfa is %s, the administrator has %d devices", got.State, len(p.devices))
		}
		if got := stepOf(t, st, AdminSignedIn); (got.State == Done) == w.signedIn.IsZero() {
			rt.Errorf("admin_signed_in is %s, signed in at %s", got.State, w.signedIn)
		}

		if len(st.Users) != len(w.users) {
			rt.Fatalf("%d users, want %d", len(st.Users), len(w.users))
		}
		for _, p := range w.users {
			i := slices.IndexFunc(st.Users, func(u UserStatus) bool { return u.UserID == p.id })
			if i < 0 {
				rt.Fatalf("user %s (%s) is missing", p.id, p.name)
			}
			w.compare(rt, p, st.Users[i], asOf, opt.Grace)
		}
	})
}

// quiet is root_quiet from the definition: a time of rest between sign-in,
// root's activity and now that is long enough.
func (w *world) quiet(asOf time.Time, rest time.Duration) State {
	if w.signedIn.IsZero() {
		return Pending
	}
	last, rested := w.signedIn, false
	for _, at := range w.rootUsed {
		if at.After(last) {
			rested = rested || at.Sub(last) >= rest
			last = at
		}
	}
	switch {
	case asOf.Sub(last) >= rest:
		return Done
	case rested:
		return Regressed
	default:
		return Pending
	}
}

func (w *world) compare(rt *rapid.T, p *person, got UserStatus, asOf time.Time, grace time.Duration) {
	want := UserStatus{Name: p.name, Deleted: p.gone, MFA: MFANotNeeded}
	if !p.gone {
		want.ConsoleAccess, want.Admin = p.password, w.admin(p)
		want.MFADevices = slices.Sorted(maps.Keys(p.devices))
	}
	for _, e := range p.exposed {
		want.MFAGaps = append(want.MFAGaps, MFAGap{From: e[0], Deadline: e[0].Add(grace), To: e[1]})
	}
	if !p.gone && p.password {
		want.MFA = MFAOn
		if len(p.devices) == 0 {
			want.GraceDeadline = p.exposed[len(p.exposed)-1][0].Add(grace)
			want.MFA = MFAPending
			if asOf.After(want.GraceDeadline) {
				want.MFA = MFAMissing
			}
		}
	}
	have := UserStatus{Name: got.Name, Deleted: got.Deleted, MFA: got.MFA, ConsoleAccess: got.ConsoleAccess, Admin: got.Admin,
		MFADevices: got.MFADevices, GraceDeadline: got.GraceDeadline}
	for _, g := range got.MFAGaps {
		g.Evidence = Evidence{}
		have.MFAGaps = append(have.MFAGaps, g)
	}
	if diff := gocmp.Diff(want, have); diff != "" {
		rt.Errorf("user %s (-true +reported):\n%s", p.id, diff)
	}
}
