package bootstrap

import (
	"bytes"
	"strings"
	"time"

	"rootguard/internal/cloudtrail"
)

const (
	// userSettled and rootSettled are how old facts must be for Compact to replace
	// them: until then events may come late, and the check of root's credential
	// reports looks for the hour of an event.
	userSettled = 48 * time.Hour
	rootSettled = 30 * 24 * time.Hour

	// quietBreak is how far apart two uses of root may be to count as one streak.
	// It is below two days, the least of Options.QuietDays that can be distinguished from
	// daily use.
	quietBreak = 36 * time.Hour
)

// Compaction is what makes an account's facts fewer: Put is to be stored, and
// after that Drop may be removed. No status as of the time of the compaction or
// later is another by it.
type Compaction struct {
	Put  []Fact // streaks, to be merged with what is there
	Drop []Fact // as they are stored
}

// Compact finds the facts of an account that say nothing which others do not
// say, by a time: sign-ins of one user with the same answer about MFA, between
// which nothing else happened to the user, become one fact of the first and the
// last of them; so do uses of root with one credential, or sign-ins, that follow
// each other closely; so do the sign-ins of one role; and of live checks in a row that found the same, the first
// stays. What is younger than two days, of root thirty, stays as it is. So does a
// streak: later facts extend it. A fact that comes late, into the middle of a
// streak, divides it: both ends stay.
//
// facts may be a part of the account's, if all of those are among them that name
// the same user, by name or ID, or root.
func Compact(account string, facts []Fact, at time.Time) Compaction {
	c := compactor{
		users: map[string]map[string]*streak{}, kin: kin{}, changed: map[string]time.Time{}, root: newStreak(time.Time{}),
		assumed:    map[string]bool{},
		userBefore: at.Add(-userSettled), rootBefore: at.Add(-rootSettled),
		put: map[string]int{}, roles: map[string]*roleStreak{},
	}
	moments := momentsOf(account, facts)
	for i := range moments {
		f := moments[i].fact
		if f.Kind == AssumedRoot {
			c.assumed[f.AccessKeyID] = true
		}
		c.kin.join(userKeys(f.UserID, f.UserName, f.NewName))
		if f.Live != nil {
			c.kin.join(userKeys(f.Live.UserID, f.Live.UserName))
		}
	}
	for i := range moments {
		c.take(&moments[i])
	}
	return c.Compaction
}

// compactor goes through an account's moments in the order of Fold.
type compactor struct {
	Compaction
	users      map[string]map[string]*streak // by kin, then by name and by ID: one for all that is the same user
	kin        kin
	changed    map[string]time.Time // by kin: when something last did
	root       *streak
	assumed    map[string]bool // access keys of sts:AssumeRoot
	roles      map[string]*roleStreak
	put        map[string]int // by ID, the place in Put
	userBefore time.Time
	rootBefore time.Time
}

// streak is what happened to a user, or to root, since the last change.
type streak struct {
	signIns map[cloudtrail.Answer]*Fact // the head of each, which may become a streak's fact
	uses    map[string]*Fact            // of root, by credential
	live    *Fact                       // the last live check with another answer
	since   time.Time                   // when that change was
}

func newStreak(since time.Time) *streak {
	return &streak{signIns: map[cloudtrail.Answer]*Fact{}, uses: map[string]*Fact{}, since: since}
}

func (c *compactor) take(m *moment) {
	f := m.fact
	switch f.Kind {
	case UserSignIn:
		c.userSignIn(m)
	case RootSignIn:
		c.rootSignIn(m)
	case RootActivity:
		c.rootUse(m)
	case Live:
		c.live(f)
	case RoleSignIn, RoleCreated, RoleDeleted, RolePolicyGranted, RolePolicyRevoked, RoleChecked:
		c.role(m)
	case RootMFAEnabled, RootMFADeactivated, RootKeyCreated, RootKeyDeleted, RootPasswordSet, RootPasswordRemoved:
		c.root = newStreak(f.Time)
	case AssumedRoot, RootPasswordUsed, GroupCreated, GroupRenamed, GroupDeleted, GroupPolicyGranted, GroupPolicyRevoked:
	default:
		c.broken(f.Time, f.UserID, f.UserName, f.NewName)
	}
}

// broken ends the streak of a user: something changed, or may have. It ends those
// of all that ever shared a name with the user too, since a fact without an ID may
// be of any of them.
func (c *compactor) broken(at time.Time, id string, names ...string) {
	for _, key := range userKeys(id, names...) {
		kin := c.kin.of(key)
		delete(c.users, kin)
		c.changed[kin] = at
	}
}

// kin are the names and IDs that facts have of the same user, or by which one user
// followed another: each leads to another of them, the last to itself.
type kin map[string]string

func (k kin) of(key string) string {
	for k[key] != "" && k[key] != key {
		if next := k[k[key]]; next != "" {
			k[key] = next // the way gets shorter
		}
		key = k[key]
	}
	return key
}

func (k kin) join(keys []string) {
	for i := 1; i < len(keys); i++ {
		if a, b := k.of(keys[0]), k.of(keys[i]); a != b {
			k[a] = b
		}
	}
}

const (
	idPrefix   = "id   "
	namePrefix = "name "
)

// userKeys are what a user may be known by. Names and IDs have keys of their own.
func userKeys(id string, names ...string) []string {
	var keys []string
	if id != "" {
		keys = append(keys, idPrefix+id)
	}
	for _, name := range names {
		if name != "" {
			keys = append(keys, namePrefix+name)
		}
	}
	return keys
}

// streakOf is the streak of a user, a new one where another came between.
func (c *compactor) streakOf(id, name string) *streak {
	keys := userKeys(id, name)
	kin := c.kin.of(keys[0])
	users := c.users[kin]
	if users == nil {
		users = map[string]*streak{}
		c.users[kin] = users
	}
	var s *streak
	for i, key := range keys {
		of := users[key]
		if of == nil || i > 0 && of != s {
			s = nil
			break
		}
		s = of
	}
	if s == nil {
		s = newStreak(c.changed[kin])
	}
	for _, key := range keys {
		users[key] = s
	}
	return s
}

func (c *compactor) userSignIn(m *moment) {
	f := m.fact
	if f.UserID == "" && f.UserName == "" {
		return
	}
	s := c.streakOf(f.UserID, f.UserName)
	if l := s.live; l != nil && !agrees(f.MFA, yes(l.Live.ConsoleLogin), mfaOf(l.Live)) {
		s.live = nil
	}
	c.signIn(s, m, c.userBefore, 0)
}

// signIn puts a sign-in into its streak. breaks, where not 0, is how far apart
// two of a streak may be.
func (c *compactor) signIn(s *streak, m *moment, before time.Time, breaks time.Duration) {
	f := m.fact
	switch f.MFA {
	case cloudtrail.Yes:
		delete(s.signIns, cloudtrail.No)
	case cloudtrail.No:
		delete(s.signIns, cloudtrail.Yes)
	default:
	}
	if m.latest {
		return
	}
	head := s.signIns[f.MFA]
	if head == nil || head.UserID != f.UserID || head.UserName != f.UserName || breaks != 0 && f.Time.Sub(end(head)) > breaks {
		s.signIns[f.MFA] = f
		return
	}
	s.signIns[f.MFA] = c.next(head, f, before)
}

func (c *compactor) rootSignIn(m *moment) {
	s := c.root
	if l := s.live; l != nil && (no(l.Live.AccountPasswordPresent) ||
		!agrees(m.fact.MFA, cloudtrail.Yes, answerOf(l.Live.AccountMFAEnabled))) {
		s.live = nil
	}
	c.signIn(s, m, c.rootBefore, quietBreak)
}

func (c *compactor) rootUse(m *moment) {
	f, s := m.fact, c.root
	if f.AccessKeyID != "" && c.assumed[f.AccessKeyID] {
		return
	}
	with := "session"
	if isKey(f) {
		with = f.AccessKeyID
	}
	if l := s.live; l != nil && (isKey(f) && no(l.Live.AccountAccessKeysPresent) || !isKey(f) && no(l.Live.AccountPasswordPresent)) {
		s.live = nil
	}
	if m.latest {
		return
	}
	head := s.uses[with]
	if head == nil || f.Time.Sub(end(head)) > quietBreak {
		s.uses[with] = f
		return
	}
	s.uses[with] = c.next(head, f, c.rootBefore)
}

// roleStreak is what happened to a role since it was made or deleted.
type roleStreak struct {
	signIn  *Fact // the head, which may become a streak's fact
	checked *Fact // the last live check with another answer
	since   time.Time
}

// role takes a fact about a role. Its sign-ins after the first change nothing,
// whatever becomes of its policies in between.
func (c *compactor) role(m *moment) {
	f := m.fact
	s := c.roles[f.Role]
	if s == nil {
		s = &roleStreak{}
		c.roles[f.Role] = s
	}
	switch f.Kind {
	case RoleCreated, RoleDeleted:
		c.roles[f.Role] = &roleStreak{since: f.Time}
	case RoleSignIn:
		switch {
		case m.latest:
		case s.signIn == nil:
			s.signIn = f
		default:
			s.signIn = c.next(s.signIn, f, c.userBefore)
		}
	case RoleChecked:
		switch {
		case s.checked == nil || s.checked.Time.Sub(s.since) < iamConsistency || s.checked.Admin != f.Admin:
			s.checked = f
		case f.Time.Before(c.userBefore):
			c.Drop = append(c.Drop, *f)
		}
	default: // its policies
		s.checked, s.since = nil, f.Time
	}
}

// next takes the next fact of a streak, and returns the streak's head. A streak
// that is stored is never dropped: another run may be extending it.
func (c *compactor) next(head, f *Fact, before time.Time) *Fact {
	switch {
	case isStreak(head) && isStreak(f) || !end(f).Before(before) && !isStreak(f) || !end(head).Before(before) && !isStreak(head):
		return head
	case isStreak(f):
		return c.join(f, head)
	default:
		return c.join(head, f)
	}
}

// join makes a fact one with the head of its streak, and returns the head.
func (c *compactor) join(head, f *Fact) *Fact {
	stored := isStreak(head)
	if !stored {
		c.Drop = append(c.Drop, *head)
		streak := *head
		streak.ID = streakPrefix(head.Kind) + head.EventID + "/" + head.AccessKeyID
		if streak.Last.IsZero() {
			streak.Last, streak.LastEventID, streak.LastWhat = head.Time, head.EventID, head.What
		}
		if !isKey(head) {
			streak.AccessKeyID = "" // it is of many sessions
		}
		head = &streak
	}
	one := *f
	one.ID = head.ID
	if one.Last.IsZero() {
		one.Last, one.LastEventID, one.LastWhat = f.Time, f.EventID, f.What
	}
	joined := Merge(*head, one)
	joined.Actor, joined.ActorID, joined.AccessKeyID = head.Actor, head.ActorID, head.AccessKeyID
	c.Drop = append(c.Drop, *f)
	if i, put := c.put[joined.ID]; put {
		c.Put[i] = joined
	} else if joined != *head || !stored {
		c.put[joined.ID] = len(c.Put)
		c.Put = append(c.Put, joined)
	}
	return &joined
}

// streakPrefix begins the ID of a streak's fact; the event ID of its first follows.
func streakPrefix(kind FactKind) string { return string(kind) + "/since/" }

func isStreak(f *Fact) bool { return strings.HasPrefix(f.ID, streakPrefix(f.Kind)) }

// end is when the last event was of a fact.
func end(f *Fact) time.Time {
	if f.Last.After(f.Time) {
		return f.Last
	}
	return f.Time
}

// live takes a live check, which is superfluous where the last one had the same answer.
func (c *compactor) live(f *Fact) {
	l := f.Live
	switch {
	case l == nil:
		return
	case l.UserID == "" && l.UserName == "":
		c.liveRoot(f)
		return
	case l.ConsoleLogin == nil || l.Gone:
		c.broken(f.Time, l.UserID, l.UserName)
		return
	}
	s := c.streakOf(l.UserID, l.UserName)
	for mfa := range s.signIns {
		if !agrees(mfa, yes(l.ConsoleLogin), mfaOf(l)) {
			delete(s.signIns, mfa)
		}
	}
	c.same(s, f, c.userBefore)
}

func (c *compactor) liveRoot(f *Fact) {
	l, s := f.Live, c.root
	password := answerOf(l.AccountPasswordPresent)
	for mfa := range s.signIns {
		if password == cloudtrail.No || !agrees(mfa, cloudtrail.Yes, answerOf(l.AccountMFAEnabled)) {
			delete(s.signIns, mfa)
		}
	}
	for with, use := range s.uses {
		if isKey(use) && no(l.AccountAccessKeysPresent) || !isKey(use) && password == cloudtrail.No {
			delete(s.uses, with)
		}
	}
	c.same(s, f, c.rootBefore)
}

// same drops a live check with the answer of the last one. One of the second of
// a change, which may be from before it, is no such last one.
func (c *compactor) same(s *streak, f *Fact, before time.Time) {
	switch {
	case s.live == nil || s.live.Time.Unix() == s.since.Unix() || !bytes.Equal(liveContent(*s.live.Live), liveContent(*f.Live)):
		s.live = f
	case f.Time.Before(before):
		c.Drop = append(c.Drop, *f)
	}
}

// agrees reports whether a sign-in with an answer about MFA changes nothing
// where a password and MFA are as given.
func agrees(signIn, password, mfa cloudtrail.Answer) bool {
	return password == cloudtrail.Yes && (signIn == cloudtrail.Unknown || signIn == mfa)
}

func yes(b *bool) cloudtrail.Answer {
	switch {
	case b == nil:
		return cloudtrail.Unknown
	case *b:
		return cloudtrail.Yes
	default:
		return cloudtrail.No
	}
}

// mfaOf is whether a live check of a user found MFA.
func mfaOf(l *LiveFact) cloudtrail.Answer {
	if l.MFAActive != nil {
		return yes(l.MFAActive)
	}
	some := len(l.MFADevices) > 0
	return yes(&some)
}

func answerOf(n *int) cloudtrail.Answer {
	if n == nil {
		return cloudtrail.Unknown
	}
	some := *n != 0
	return yes(&some)
}

// no reports whether IAM said that there is none.
func no(n *int) bool { return answerOf(n) == cloudtrail.No }
