package bootstrap

import "slices"

// About picks the facts about some users out of an account's, a page at a
// time, so that the others need not be held: those that name one of the users, by
// a name or ID that the user has or had, and those of groups. Fold makes the same
// of a user by them as by all facts, but for an ID that only what the user did to
// others shows.
type About struct {
	wanted map[string]bool // keys of users, see userKeys
	links  map[string]map[string]bool
	facts  []Fact
}

// NewAbout returns an About of users by name or unique ID.
func NewAbout(users ...string) *About {
	a := &About{wanted: map[string]bool{}, links: map[string]map[string]bool{}}
	for _, u := range users {
		for _, key := range userKeys(u, u) {
			a.wanted[key] = true
		}
	}
	return a
}

// Add takes a page of facts.
func (a *About) Add(facts []Fact) {
	for i := range facts {
		f := &facts[i]
		keys := keysOf(f)
		for _, one := range keys {
			for _, other := range keys {
				if one != other {
					a.link(one, other)
				}
			}
		}
		unnamed := len(keys) > 0 && f.UserName == "" && (f.Live == nil || f.Live.UserName == "")
		if f.Group != "" && len(keys) == 0 || unnamed || slices.ContainsFunc(keys, a.wants) {
			a.facts = append(a.facts, *f)
		}
	}
}

func (a *About) wants(key string) bool { return a.wanted[key] }

func (a *About) link(from, to string) {
	if a.links[from] == nil {
		a.links[from] = map[string]bool{}
	}
	a.links[from][to] = true
}

// keysOf are the names and IDs in a fact of the user that it is about.
func keysOf(f *Fact) []string {
	if f.Kind == Live && f.Live != nil {
		return userKeys(f.Live.UserID, f.Live.UserName)
	}
	if f.Kind == GroupRenamed {
		return nil
	}
	return userKeys(f.UserID, f.UserName, f.NewName)
}

// Facts returns what was picked; whole is false where the pages show that a user
// had other names, by which more of them are to be picked: Add all of them again.
func (a *About) Facts() (facts []Fact, whole bool) {
	whole = true
	known := make([]string, 0, len(a.wanted))
	for key := range a.wanted {
		known = append(known, key)
	}
	all := map[string]bool{}
	for len(known) > 0 {
		key := known[len(known)-1]
		known = known[:len(known)-1]
		if all[key] {
			continue
		}
		all[key] = true
		if !a.wanted[key] && isName(key) {
			whole = false
		}
		for other := range a.links[key] {
			known = append(known, other)
		}
	}
	a.wanted = all
	if !whole {
		a.facts = nil
		return nil, false
	}
	return slices.DeleteFunc(a.facts, func(f Fact) bool {
		keys := keysOf(&f)
		return len(keys) > 0 && !slices.ContainsFunc(keys, a.wants)
	}), true
}

func isName(key string) bool { return key[:len(namePrefix)] == namePrefix }
