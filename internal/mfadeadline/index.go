package mfadeadline

import "rootguard/internal/bootstrap"

// accountFacts are the facts of an account, findable by the users they are about:
// to fold all of them for a few users takes most of a sweep's time.
type accountFacts struct {
	facts []bootstrap.Fact
	users map[string][]int // indexes into facts, by every name and unique ID they have
}

// newAccountFacts takes the facts over.
func newAccountFacts(facts []bootstrap.Fact) *accountFacts {
	a := &accountFacts{facts: facts, users: map[string][]int{}}
	a.index(0)
	return a
}

func (a *accountFacts) add(facts []bootstrap.Fact) {
	from := len(a.facts)
	a.facts = append(a.facts, facts...)
	a.index(from)
}

// index makes the facts findable from one on.
func (a *accountFacts) index(from int) {
	for i := from; i < len(a.facts); i++ {
		for _, user := range usersOf(&a.facts[i]) {
			a.users[user] = append(a.users[user], i)
		}
	}
}

// usersOf are the names and unique IDs that a fact has of users.
func usersOf(f *bootstrap.Fact) []string {
	names := []string{f.UserName, f.UserID, f.NewName}
	if f.Live != nil {
		names = append(names, f.Live.UserName, f.Live.UserID)
	}
	var users []string
	for _, user := range names {
		if user != "" {
			users = append(users, user)
		}
	}
	return users
}

// of are the facts about the users of some checks, in the order they were added:
// also what they were called before, and others of the same names.
func (a *accountFacts) of(checks []*deadlineCheck) []bootstrap.Fact {
	wanted := make([]bool, len(a.facts))
	seen := map[string]bool{}
	var todo []string
	for _, l := range checks {
		todo = append(todo, l.User)
	}
	n := 0
	for len(todo) > 0 {
		user := todo[len(todo)-1]
		todo = todo[:len(todo)-1]
		if seen[user] {
			continue
		}
		seen[user] = true
		for _, i := range a.users[user] {
			if !wanted[i] {
				wanted[i] = true
				n++
				todo = append(todo, usersOf(&a.facts[i])...)
			}
		}
	}
	facts := make([]bootstrap.Fact, 0, n)
	for i, is := range wanted {
		if is {
			facts = append(facts, a.facts[i])
		}
	}
	return facts
}
