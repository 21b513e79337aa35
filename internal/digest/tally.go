package digest

import (
	"cmp"
	"slices"
	"time"

	"rootguard/internal/bootstrap"
	"rootguard/internal/detect"
)

// Account is one account as a digest takes it in.
type Account struct {
	Status        bootstrap.Status
	Incidents     []Incident     // that are open
	Announcements []Announcement // that go on or are to come
	Notes         []Note
}

// Incident is a critical incident that no one has acknowledged.
type Incident struct {
	Account  string          `json:"account"`
	ID       string          `json:"id"`
	Title    string          `json:"title"`
	Severity detect.Severity `json:"severity"`
	Opened   time.Time       `json:"opened"`
}

// Announcement is announced root use.
type Announcement struct {
	Account string    `json:"account"`
	Owner   string    `json:"owner"`
	Reason  string    `json:"reason"`
	From    time.Time `json:"from"`
	Until   time.Time `json:"until"`
}

// Topic is what notes are about: they make one section of the digest.
type Topic string

// Note is one line about an account, beside its bootstrap status.
type Note struct {
	Topic   Topic     `json:"topic"`
	Account string    `json:"account"`
	Text    string    `json:"text"`
	Since   time.Time `json:"since,omitzero"` // the earliest is the most urgent
}

// User is an IAM user who awaits MFA.
type User struct {
	Account  string    `json:"account"`
	Name     string    `json:"name"`
	Admin    bool      `json:"admin,omitempty"`
	Deadline time.Time `json:"deadline,omitzero"`
}

// Line is an account that is not bootstrapped.
type Line struct {
	Account string `json:"account"`
	Score   int    `json:"score"` // the higher, the worse
	Steps   steps  `json:"steps"`
	// Since is when the first of the steps regressed.
	Since time.Time `json:"since,omitzero"`
}

// Change is what changed at an account since the last digest.
type Change struct {
	Account string `json:"account"`
	New     bool   `json:"new,omitempty"` // it was not in the last digest
	Was     steps  `json:"was"`
	Is      steps  `json:"is"`
	Score   int    `json:"score"`
}

// Tally is what a digest says of the accounts. The zero value has none.
type Tally struct {
	Accounts     int `json:"accounts"`
	Bootstrapped int `json:"bootstrapped"`
	Regressed    int `json:"regressed"`

	// Since the last digest.
	Compared      bool `json:"compared,omitempty"` // with one
	NewAccounts   int  `json:"new_accounts,omitempty"`
	NewlyBooted   int  `json:"newly_bootstrapped,omitempty"`
	NewlyRegress  int  `json:"newly_regressed,omitempty"`
	Changed       int  `json:"changed,omitempty"` // accounts, those above included
	Awaiting      int  `json:"awaiting,omitempty"`
	PastDeadline  int  `json:"past_deadline,omitempty"`
	OpenIncidents int  `json:"open_incidents,omitempty"`
	Announced     int  `json:"announced,omitempty"`

	Worst         []Line         `json:"worst,omitempty"`
	Changes       []Change       `json:"changes,omitempty"`
	Users         []User         `json:"users,omitempty"`
	Incidents     []Incident     `json:"incidents,omitempty"`
	Announcements []Announcement `json:"announcements,omitempty"`
	Topics        []Noted        `json:"topics,omitempty"` // by name

	LastEvent time.Time `json:"last_event,omitzero"` // the latest event on record, of any account
	Snapshot  Snapshot  `json:"snapshot,omitempty"`
}

// Noted are the notes of one topic.
type Noted struct {
	Topic Topic  `json:"topic"`
	Count int    `json:"count"`
	Notes []Note `json:"notes"`
}

// How many entries of each list are kept: more than Compose shows.
const (
	keptAccounts      = 16
	keptChanges       = 16
	keptUsers         = 16
	keptIncidents     = 16
	keptAnnouncements = 16
	keptNotes         = 16
	keptTopics        = 8
	keptText          = 300 // bytes of a text that comes from others
)

// Add takes in an account as of a time. last is the snapshot of the last digest, nil
// where there is none to compare with. Accounts must come in the order of their IDs.
func (t *Tally) Add(a Account, last Snapshot, at time.Time) {
	s := &a.Status
	is := stepsOf(s)
	t.Accounts++
	t.Snapshot.add(s.Account, is)
	if s.LastEvent.After(t.LastEvent) {
		t.LastEvent = s.LastEvent
	}
	bad := score(s)
	switch {
	case hasRegressed(is):
		t.Regressed++
	case s.Bootstrapped:
		t.Bootstrapped++
	}
	if bad > 0 && !s.Bootstrapped {
		t.Worst = keep(t.Worst, Line{Account: s.Account, Score: bad, Steps: is, Since: regressedSince(s)}, keptAccounts, func(a, b Line) int {
			return cmp.Or(cmp.Compare(b.Score, a.Score), a.Since.Compare(b.Since), cmp.Compare(a.Account, b.Account))
		})
	}
	t.compare(s.Account, is, last, bad)
	t.users(s, at)
	for _, in := range a.Incidents {
		t.OpenIncidents++
		in.Title = short(in.Title)
		t.Incidents = keep(t.Incidents, in, keptIncidents, func(a, b Incident) int {
			return cmp.Or(cmp.Compare(b.Severity, a.Severity), a.Opened.Compare(b.Opened), cmp.Compare(a.ID, b.ID))
		})
	}
	for _, an := range a.Announcements {
		t.Announced++
		an.Owner, an.Reason = short(an.Owner), short(an.Reason)
		t.Announcements = keep(t.Announcements, an, keptAnnouncements, func(a, b Announcement) int {
			return cmp.Or(a.From.Compare(b.From), cmp.Compare(a.Account, b.Account))
		})
	}
	for _, n := range a.Notes {
		t.note(n)
	}
}

func (t *Tally) compare(account string, is steps, last Snapshot, bad int) {
	if last == nil {
		return
	}
	t.Compared = true
	was, known := last.find(account)
	if known && was == is {
		return
	}
	if _, ok := number(account); !known && (!ok || last.len() >= MaxSnapshot) {
		return // it may have been left out of the snapshot
	}
	c := Change{Account: account, New: !known, Was: was, Is: is, Score: bad}
	t.Changed++
	switch {
	case c.New:
		t.NewAccounts++
	case is.whole():
		t.NewlyBooted++
	case c.worse():
		t.NewlyRegress++
	}
	t.Changes = keep(t.Changes, c, keptChanges, func(a, b Change) int {
		return cmp.Or(cmp.Compare(b.rank(), a.rank()), cmp.Compare(b.Score, a.Score), cmp.Compare(a.Account, b.Account))
	})
}

// worse reports whether a step regressed that had not.
func (c *Change) worse() bool {
	for i := range bootstrap.Steps() {
		if c.Is.of(i) == regressed && (c.New || c.Was.of(i) != regressed) {
			return true
		}
	}
	return false
}

// rank is how much a change matters: what got worse, then what was finished, then
// what moved on, then what is new.
func (c *Change) rank() int {
	switch {
	case c.worse():
		return 3
	case c.New:
		return 0
	case c.Is.whole():
		return 2
	default:
		return 1
	}
}

func (t *Tally) users(s *bootstrap.Status, at time.Time) {
	for i := range s.Users {
		u := &s.Users[i]
		if !u.AwaitsMFA() {
			continue
		}
		t.Awaiting++
		if !u.GraceDeadline.IsZero() && at.After(u.GraceDeadline) {
			t.PastDeadline++
		}
		name := u.Name
		if name == "" {
			name = u.UserID
		}
		t.Users = keep(t.Users, User{Account: s.Account, Name: short(name), Admin: u.Admin, Deadline: u.GraceDeadline},
			keptUsers, func(a, b User) int {
				return cmp.Or(a.Deadline.Compare(b.Deadline), cmp.Compare(a.Account, b.Account), cmp.Compare(a.Name, b.Name))
			})
	}
}

func (t *Tally) note(n Note) {
	n.Text = short(n.Text)
	i, found := slices.BinarySearchFunc(t.Topics, n.Topic, func(of Noted, topic Topic) int { return cmp.Compare(of.Topic, topic) })
	if !found {
		if len(t.Topics) >= keptTopics {
			return
		}
		t.Topics = slices.Insert(t.Topics, i, Noted{Topic: n.Topic})
	}
	of := &t.Topics[i]
	of.Count++
	of.Notes = keep(of.Notes, n, keptNotes, func(a, b Note) int {
		return cmp.Or(a.Since.Compare(b.Since), cmp.Compare(a.Account, b.Account), cmp.Compare(a.Text, b.Text))
	})
}

// noted counts the notes of a topic.
func (t *Tally) noted(topic Topic) int {
	for _, of := range t.Topics {
		if of.Topic == topic {
			return of.Count
		}
	}
	return 0
}

// keep is the list with one more entry, of which the first most stay.
func keep[T any](list []T, one T, most int, order func(a, b T) int) []T {
	i, _ := slices.BinarySearchFunc(list, one, order)
	if i == most {
		return list
	}
	list = slices.Insert(list, i, one)
	return list[:min(len(list), most)]
}

func short(s string) string {
	if len(s) <= keptText {
		return s
	}
	end := keptText
	for end > 0 && s[end]&0xc0 == 0x80 { // within a character
		end--
	}
	return s[:end] + "..."
}

func hasRegressed(s steps) bool {
	for i := range bootstrap.Steps() {
		if s.of(i) == regressed {
			return true
		}
	}
	return false
}

func regressedSince(s *bootstrap.Status) time.Time {
	var first time.Time
	for _, step := range s.Steps {
		if step.State == bootstrap.Regressed && (first.IsZero() || step.Since.Before(first)) {
			first = step.Since
		}
	}
	return first
}

// The weights of a step in a score, by its state; those of root's own MFA and keys
// count more than all others of the same state together.
const (
	regressedRoot = 10_000
	regressedElse = 1_000
	pendingRoot   = 100
	pendingElse   = 10
	unknownStep   = 1
)

// score is how bad an account's status is, 0 where each step is done.
func score(s *bootstrap.Status) int {
	bad := 0
	for _, step := range s.Steps {
		root := step.Step == bootstrap.RootMFA || step.Step == bootstrap.RootKeysAbsent
		switch {
		case step.State == bootstrap.Regressed && root:
			bad += regressedRoot
		case step.State == bootstrap.Regressed:
			bad += regressedElse
		case step.State == bootstrap.Pending && root:
			bad += pendingRoot
		case step.State == bootstrap.Pending:
			bad += pendingElse
		case step.State == bootstrap.Unknown:
			bad += unknownStep
		}
	}
	return bad
}

// Drill is the topic of break-glass drills that are overdue.
const Drill Topic = "drill"
