package bootstrap

import (
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	gocmp "github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"rootguard/internal/testenv"
)

// daily are mostly sign-ins, live checks and calls of root.
var daily = slices.Concat(happenings, slices.Repeat([]int{10, 24}, 20), slices.Repeat([]int{19, 21}, 5), slices.Repeat([]int{26, 28, 28, 29, 30, 31}, 5))

// rootCall is a call with an access key of root.
func rootCall(key string) call {
	c := rootList(key, day0)
	delete(c.who, "sessionContext")
	return c
}

// kept is a store that is compacted.
type kept map[string]Fact

func (k kept) add(facts ...Fact) {
	for _, f := range facts {
		if old, ok := k[f.ID]; ok {
			f = Merge(old, f)
		}
		k[f.ID] = f
	}
}

func (k kept) facts() []Fact {
	return slices.SortedFunc(maps.Values(k), func(a, b Fact) int { return strings.Compare(a.ID, b.ID) })
}

// compact does all of a compaction or, where steps runs out, a part of it.
func (k kept) compact(at time.Time, steps int) {
	c := Compact(account, k.facts(), at)
	for _, f := range c.Put {
		k.add(f)
	}
	for _, f := range c.Drop[:min(max(steps, 0), len(c.Drop))] {
		delete(k, f.ID)
	}
}

// arrival is a fact, and when it arrives.
type arrival struct {
	at time.Time
	f  Fact
}

// TestCompactionChangesNoStatus holds a store that is compacted again and again,
// often not to the end, to one that keeps all facts. They arrive out of order,
// up to two days late, and again at any time.
func TestCompactionChangesNoStatus(t *testing.T) {
	testenv.Check(t, 100, func(rt *rapid.T) {
		w := newWorld(t)
		w.what = daily
		w.run(rt, rapid.SampledFrom([][]time.Duration{{0, time.Second, time.Hour}, {time.Hour, 9 * time.Hour, 24 * time.Hour}, {24 * time.Hour, 35 * 24 * time.Hour}}).Draw(rt, "steps"))
		all := w.history()
		var arrivals []arrival
		for _, f := range all {
			late := rapid.SampledFrom([]time.Duration{0, 0, time.Minute, 5 * time.Hour, 47 * time.Hour}).Draw(rt, "late")
			arrivals = append(arrivals, arrival{end(&f).Add(late), f})
			if rapid.IntRange(0, 4).Draw(rt, "again") == 0 {
				arrivals = append(arrivals, arrival{f.Time.Add(time.Duration(rapid.IntRange(0, 100).Draw(rt, "days")) * 24 * time.Hour), f})
			}
		}
		slices.SortStableFunc(arrivals, func(a, b arrival) int { return a.at.Compare(b.at) })
		store := kept{}
		for _, a := range arrivals {
			store.add(a.f)
			if steps := rapid.SampledFrom([]int{-1, -1, 1, 3, 1000}).Draw(rt, "compact"); steps >= 0 {
				store.compact(a.at, steps)
			}
		}
		asOf := w.now.Add(rapid.SampledFrom([]time.Duration{0, 50 * time.Hour, 45 * 24 * time.Hour}).Draw(rt, "as of"))
		store.compact(asOf, 1000)
		want := Fold(account, all, withNamedRole(), asOf)
		// Of several events of one second, another may be the evidence.
		at := map[string]time.Time{}
		for _, f := range all {
			at[f.EventID], at[f.LastEventID] = f.Time, f.Last
		}
		evidence := gocmp.Comparer(func(a, b Evidence) bool {
			return a == b || a.Time.Equal(b.Time) && at[a.EventID].Equal(at[b.EventID])
		})
		if diff := gocmp.Diff(want, Fold(account, rapid.Permutation(store.facts()).Draw(rt, "reading"), withNamedRole(), asOf), evidence); diff != "" {
			rt.Fatalf("%d of %d facts kept (-all +kept):\n%s", len(store), len(all), diff)
		}
	})
}

// TestCompactionIsBounded: what is left of years of sign-ins depends on what
// changed and not on how often one signed in.
func TestCompactionIsBounded(t *testing.T) {
	story := []reported{at(0, createUser("alice", aliceID)), at(1, setPassword("alice", false)), at(2, enableMFA("alice", app))}
	for day := range 400 {
		h := float64(24 * day)
		story = append(story, at(h+3, signIn(iamUser("alice", aliceID), "Yes")),
			checked(h+3, LiveFact{UserName: "alice", UserID: aliceID, ConsoleLogin: ptr(true), MFADevices: []string{app}}),
			at(h+4, signIn(iamUser("bob", "AIDABOB"), "No")))
		for hour := range 24 {
			story = append(story, at(h+float64(hour), rootCall("AKIAROOT")))
		}
	}
	facts := factsOf(t, story)
	now := after(24*400 + 24*31)
	c := Compact(account, facts, now)
	store := kept{}
	store.add(facts...)
	before := len(store)
	store.compact(now, len(c.Drop))
	if len(store) > 8 {
		t.Errorf("%d of %d facts are left: %v", len(store), before, slices.Sorted(maps.Keys(store)))
	}
	if diff := gocmp.Diff(Fold(account, facts, DefaultOptions(), now), Fold(account, store.facts(), DefaultOptions(), now)); diff != "" {
		t.Errorf("(-all +kept):\n%s", diff)
	}
	if again := Compact(account, store.facts(), now); len(again.Drop)+len(again.Put) > 0 {
		t.Errorf("compacted again: %+v", again)
	}
	// What is young stays.
	if c := Compact(account, facts, after(24*2)); slices.ContainsFunc(c.Drop, func(f Fact) bool { return f.Time.After(after(0)) && f.Kind == RootActivity }) {
		t.Error("root's activity of a day ago is dropped")
	}
}

// TestLateDividesAStreak: what comes late into a streak changes the status once,
// and what comes after does not move it on: a deadline stays where it is.
func TestLateDividesAStreak(t *testing.T) {
	store := kept{}
	story := []reported{at(0, createUser("alice", aliceID)), at(1, setPassword("alice", false))}
	for day := range 30 {
		story = append(story, at(float64(24*day+2), signIn(iamUser("alice", aliceID), "No")))
	}
	store.add(factsOf(t, story)...)
	store.compact(after(24*30), 1000)
	store.add(factsOf(t, append(story, at(24*10, enableMFA("alice", app))))[len(story):]...)
	gap := func(day float64) MFAGap {
		gaps := Fold(account, store.facts(), DefaultOptions(), after(24*day)).Users[0].MFAGaps
		return gaps[len(gaps)-1]
	}
	was := gap(30)
	if !was.To.IsZero() {
		t.Fatalf("the gap is closed: %+v", was)
	}
	for day := 30; day < 60; day++ {
		more := at(float64(24*day+2), signIn(iamUser("alice", aliceID), "No"))
		store.add(factsOf(t, append(slices.Clone(story), more))[len(story):]...)
		story = append(story, more)
		store.compact(after(float64(24*day+3)), 1000)
	}
	if diff := gocmp.Diff(was, gap(60)); diff != "" {
		t.Errorf("the gap moved (-was +is):\n%s", diff)
	}
	if len(store) > 8 {
		t.Errorf("%d facts are left", len(store))
	}
}

// TestYoungFactsStay: an event that comes two days late finds what followed it.
func TestYoungFactsStay(t *testing.T) {
	alice := iamUser("alice", aliceID)
	story := []reported{at(0, createUser("alice", aliceID)), at(1, setPassword("alice", false)), at(2, enableMFA("alice", app)),
		at(10, signIn(alice, "Yes")), at(11, signIn(alice, "Yes")), at(12, signIn(alice, "Yes")), at(13, signIn(alice, "Yes"))}
	late := at(10.5, disableMFA("alice", app))
	store := kept{}
	store.add(factsOf(t, story)...)
	store.compact(after(57), 1000)
	all := factsOf(t, append(story, late))
	store.add(all[len(all)-1])
	if diff := gocmp.Diff(Fold(account, all, DefaultOptions(), after(58)), Fold(account, store.facts(), DefaultOptions(), after(58))); diff != "" {
		t.Errorf("(-all +kept):\n%s", diff)
	}
}

// TestRootChecksAreCompacted holds that of live checks of root with one answer the
// first is left, and that another answer is kept too.
func TestRootChecksAreCompacted(t *testing.T) {
	var story []reported
	for hour := range 24 * 30 {
		mfa := 0
		if hour >= 24*20 {
			mfa = 1
		}
		story = append(story, checked(float64(hour), LiveFact{AccountMFAEnabled: ptr(mfa), AccountAccessKeysPresent: ptr(0), AccountPasswordPresent: ptr(1)}))
	}
	facts := factsOf(t, story)
	store := kept{}
	store.add(facts...)
	store.compact(after(24*90), len(facts))
	if n := len(store); n < 2 || n > 4 {
		t.Errorf("%d of %d checks with two answers are left: %v", n, len(facts), slices.Sorted(maps.Keys(store)))
	}
	if diff := gocmp.Diff(Fold(account, facts, DefaultOptions(), after(24*90)), Fold(account, store.facts(), DefaultOptions(), after(24*90))); diff != "" {
		t.Errorf("(-all +kept):\n%s", diff)
	}
}

// TestStreakIsOfNoSession holds that a streak of root's sessions names the key of
// none of them, however many follow.
func TestStreakIsOfNoSession(t *testing.T) {
	var story []reported
	for day, key := range []string{"ASIA1", "ASIA2", "ASIA3", "ASIA4"} {
		story = append(story, at(float64(24*day), rootList(key, after(float64(24*day)))))
	}
	c := Compact(account, factsOf(t, story), after(24*90))
	if len(c.Put) != 1 {
		t.Fatalf("%d streaks: %+v", len(c.Put), c.Put)
	}
	if f := c.Put[0]; f.AccessKeyID != "" || f.Kind != RootActivity || !f.Time.Equal(after(0)) || f.Last.Before(after(24)) {
		t.Errorf("the streak is %+v", f)
	}
}

// TestSettled holds when facts are old enough: what came within 48 hours of a user, and
// within 30 days of root, is left as it is.
func TestSettled(t *testing.T) {
	for name, tt := range map[string]struct {
		event   reported
		settled time.Duration
	}{
		"a user": {at(1, signIn(iamUser("alice", aliceID), "Yes")), 48 * time.Hour},
		"root":   {at(1, rootList("ASIA1", after(1))), 30 * 24 * time.Hour},
	} {
		facts := factsOf(t, []reported{at(0, tt.event.call), tt.event})
		for age, want := range map[time.Duration]bool{tt.settled: false, tt.settled + time.Second: true} {
			if c := Compact(account, facts, after(1).Add(age)); len(c.Put) > 0 != want {
				t.Errorf("%s, %s old: %d facts are put in the place of %d", name, age, len(c.Put), len(facts))
			}
		}
	}
}

// TestStreakKeepsItsID: whatever the next event is called.
func TestStreakKeepsItsID(t *testing.T) {
	facts := factsOf(t, []reported{at(0, signIn(iamUser("alice", aliceID), "Yes")), at(1, signIn(iamUser("alice", aliceID), "Yes"))})
	facts[1].ID, facts[1].EventID = string(facts[1].Kind)+"/zzz", "zzz"
	c := Compact(account, facts, after(24*90))
	if want := streakPrefix(facts[0].Kind) + facts[0].EventID + "/"; len(c.Put) != 1 || !strings.HasPrefix(c.Put[0].ID, want) {
		t.Errorf("put %+v, want one whose ID begins %q", c.Put, want)
	}
}

// TestStreakIsOfOneName: sign-ins of one ID under another name, of which no rename is on
// record, are a streak of their own, since the name is what the status shows.
func TestStreakIsOfOneName(t *testing.T) {
	story := []reported{at(0, createUser("alice", aliceID)), at(1, setPassword("alice", false))}
	for n, name := range []string{"alice", "alice", "alice", "al", "al", "al"} {
		story = append(story, at(float64(2+n), signIn(iamUser(name, aliceID), "No")))
	}
	c := Compact(account, factsOf(t, story), after(24*90))
	names := map[string]int{}
	for _, f := range c.Put {
		names[f.UserName]++
	}
	if diff := gocmp.Diff(map[string]int{"alice": 1, "al": 1}, names); diff != "" {
		t.Errorf("streaks by name (-want +got):\n%s\n%+v", diff, c.Put)
	}
}

// TestRootSignInsAreCompacted: of root's sign-ins on one day, one fact is left.
func TestRootSignInsAreCompacted(t *testing.T) {
	var story []reported
	for hour := range 6 {
		story = append(story, at(float64(hour), signIn(root, "Yes")))
	}
	facts := factsOf(t, story)
	store := kept{}
	store.add(facts...)
	store.compact(after(24*90), len(facts))
	if n := len(store); n != 1 {
		t.Errorf("%d of %d sign-ins are left", n, len(facts))
	}
	for _, f := range store {
		if f.Kind != RootSignIn || !f.Time.Equal(after(0)) || !f.Last.Equal(after(5)) {
			t.Errorf("left: %+v", f)
		}
	}
}
