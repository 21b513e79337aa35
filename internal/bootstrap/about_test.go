package bootstrap

import (
	"slices"
	"testing"
	"time"

	gocmp "github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"rootguard/internal/testenv"
)

// picked are the facts about a user, taken in pages.
func picked(facts []Fact, page int, user string) (picked []Fact, passes int) {
	a := NewAbout(user)
	for passes = 1; ; passes++ {
		for some := range slices.Chunk(facts, page) {
			a.Add(some)
		}
		if got, whole := a.Facts(); whole {
			return got, passes
		}
	}
}

// TestAboutIsEnough holds what Fold makes of a user by the facts about it to what
// it makes of it by all facts.
func TestAboutIsEnough(t *testing.T) {
	testenv.Check(t, 100, func(rt *rapid.T) {
		w := newWorld(t)
		w.run(rt, []time.Duration{0, time.Second, time.Hour, 20 * 24 * time.Hour})
		lost := rapid.IntRange(0, 5).Draw(rt, "lost")
		w.records = w.records[min(lost, len(w.records)):]
		facts := rapid.Permutation(w.history()).Draw(rt, "reading")
		for _, want := range Fold(account, facts, DefaultOptions(), w.now).Users {
			for _, by := range []string{want.UserID, want.Name} {
				if by == "" {
					continue
				}
				some, passes := picked(facts, rapid.IntRange(1, 10).Draw(rt, "page"), by)
				users := Fold(account, some, DefaultOptions(), w.now).Users
				same := func(u UserStatus) bool {
					if u.UserID == "" {
						u.UserID = want.UserID
					}
					return gocmp.Equal(want, u)
				}
				if !slices.ContainsFunc(users, same) {
					rt.Fatalf("by %s: %+v is not among %+v", by, want, users)
				}
				if passes > len(names)+1 {
					rt.Errorf("%d passes", passes)
				}
			}
		}
	})
}

// TestAboutLeavesOthersOut: one pass is enough where no one was renamed.
func TestAboutLeavesOthersOut(t *testing.T) {
	facts := factsOf(t, []reported{
		at(0, createUser("alice", aliceID)), at(1, createUser("bob", "AIDABOB")), at(2, signIn(iamUser("bob", "AIDABOB"), "Yes")),
		at(3, setPassword("alice", false)), at(4, createGroup("ops")), at(5, join("ops", "alice")), at(6, join("ops", "bob")), at(7, signIn(root, "Yes")),
		checked(8, LiveFact{UserID: aliceID, Gone: true}), checked(9, LiveFact{UserID: "AIDABOB", Gone: true}),
	})
	got, passes := picked(facts, 3, "alice")
	var kinds []FactKind
	for _, f := range got {
		kinds = append(kinds, f.Kind)
	}
	if diff := gocmp.Diff([]FactKind{UserCreated, PasswordSet, GroupCreated, GroupJoined, Live}, kinds); diff != "" || passes != 1 {
		t.Errorf("%d passes (-want +got):\n%s", passes, diff)
	}
}

// TestAboutPicksOnce: the second pass, which a rename calls for, leaves no fact of the
// first.
func TestAboutPicksOnce(t *testing.T) {
	facts := factsOf(t, []reported{
		at(0, createUser("alice", aliceID)), at(1, setPassword("alice", false)), at(2, rename("alice", "al")), at(3, enableMFA("al", app)),
	})
	got, passes := picked(facts, 10, "al")
	ids := map[string]bool{}
	for _, f := range got {
		ids[f.ID] = true
	}
	if passes != 2 || len(got) != len(facts) || len(ids) != len(facts) {
		t.Errorf("%d passes picked %d facts, %d different ones, want all %d once in 2", passes, len(got), len(ids), len(facts))
	}
}

// TestAboutKeepsWhatHasNoName: a fact that has its user by the ID alone is kept until a
// later page shows whose ID it is.
func TestAboutKeepsWhatHasNoName(t *testing.T) {
	got, _ := picked([]Fact{
		{ID: "1", Kind: PasswordSet, UserID: aliceID}, {ID: "2", Kind: PasswordSet, UserID: "AIDABOB"},
		{ID: "3", Kind: PasswordSet, UserID: aliceID, UserName: "alice"},
		{ID: "4", Kind: Live, UserName: "alice"}, // a check whose answer was lost
		{ID: "5", Kind: PasswordSet, UserName: "alice", Live: &LiveFact{UserName: "bob"}}, {ID: "6", Kind: Live, UserName: "alice", Live: &LiveFact{UserName: "bob"}},
	}, 1, "alice")
	var ids []string
	for i := range got {
		ids = append(ids, got[i].ID)
	}
	if diff := gocmp.Diff([]string{"1", "3", "4", "5"}, ids); diff != "" {
		t.Errorf("facts of alice (-want +got):\n%s", diff)
	}
}
