package guardtest

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"rootguard/internal/accountcheck"
	"rootguard/internal/bootstrap"
	"rootguard/internal/cloudtrail"
	"rootguard/internal/guard"
)

func fullFact() bootstrap.Fact {
	one := 1
	yes := true
	return bootstrap.Fact{
		Account: "123456789012", ID: "an id/with # and \u00e9", Kind: "a_kind", Time: t0, EventID: "e-1",
		Last: t0.Add(time.Hour), LastEventID: "e-9", Actor: "root", ActorID: "123456789012",
		Stage: "s", UserName: "eve", UserID: "AIDAEXAMPLE", NewName: "eva", Group: "g", Policy: "p", Admin: true, Serial: "s",
		AccessKeyID: "ASIAEXAMPLE", TaskPolicy: "t", Until: t0.Add(15 * time.Minute), Reset: cloudtrail.Yes, What: "w",
		Live: &bootstrap.LiveFact{AccountMFAEnabled: &one, RootVirtualMFA: &yes, ConsoleLogin: &yes, UserID: "AIDAEXAMPLE",
			MFADevices: []string{"d"}, Gone: true},
	}
}

func fact(account, id string) bootstrap.Fact {
	return bootstrap.Fact{Account: account, ID: id, Kind: "a_kind", Time: t0, EventID: id}
}

func ids(facts []bootstrap.Fact) []string {
	got := make([]string, 0, len(facts))
	for _, f := range facts {
		got = append(got, f.ID)
	}
	slices.Sort(got)
	return got
}

// Facts runs the contract of guard.Facts. newJournal returns an empty one.
func Facts(t *testing.T, newJournal func(t *testing.T) guard.Facts) {
	t.Helper()
	add := func(t *testing.T, j guard.Facts, want int, facts ...bootstrap.Fact) {
		t.Helper()
		added, err := j.Add(t.Context(), facts)
		if err != nil {
			t.Fatalf("adding facts: %v", err)
		}
		if added != want {
			t.Errorf("added %d, want %d", added, want)
		}
	}

	t.Run("absent", func(t *testing.T) {
		j := newJournal(t)
		add(t, j, 0)
		if f, found, err := j.Fact(t.Context(), "a", "1"); found || err != nil {
			t.Errorf("got %+v, %v, %v", f, found, err)
		}
		if facts, err := j.Facts(t.Context(), "a"); len(facts) != 0 || err != nil {
			t.Errorf("got %+v, %v", facts, err)
		}
	})

	t.Run("a fact comes back whole", func(t *testing.T) {
		j := newJournal(t)
		want := fullFact()
		add(t, j, 1, want)
		got, found, err := j.Fact(t.Context(), want.Account, want.ID)
		if err != nil || !found {
			t.Fatalf("found %v, %v", found, err)
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("fact (-want +got):\n%s", diff)
		}
		all, err := j.Facts(t.Context(), want.Account)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff([]bootstrap.Fact{want}, all); diff != "" {
			t.Errorf("facts (-want +got):\n%s", diff)
		}
	})

	t.Run("counts what is new, and merges the rest", func(t *testing.T) {
		j := newJournal(t)
		early, late := fact("a", "1"), fact("a", "1")
		late.Time, late.EventID = t0.Add(time.Hour), "later"
		add(t, j, 2, late, fact("a", "2"), early)
		add(t, j, 1, fact("a", "2"), fact("a", "3"), fact("a", "3"))
		add(t, j, 0, late)
		got, _, err := j.Fact(t.Context(), "a", "1")
		if err != nil {
			t.Fatal(err)
		}
		want := bootstrap.Merge(bootstrap.Merge(late, early), late)
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("merged (-want +got):\n%s", diff)
		}
		all, err := j.Facts(t.Context(), "a")
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff([]string{"1", "2", "3"}, ids(all)); diff != "" {
			t.Errorf("facts (-want +got):\n%s", diff)
		}
	})

	t.Run("accounts are apart", func(t *testing.T) {
		j := newJournal(t)
		accounts := []string{"1", "12", "12/3", "", "1 "}
		for _, a := range accounts {
			add(t, j, 2, fact(a, "same"), fact(a, "own "+a))
		}
		for _, a := range accounts {
			all, err := j.Facts(t.Context(), a)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff([]string{"own " + a, "same"}, ids(all)); diff != "" {
				t.Errorf("account %q (-want +got):\n%s", a, diff)
			}
			for _, f := range all {
				if f.Account != a {
					t.Errorf("account %q has a fact of %q", a, f.Account)
				}
			}
		}
		if _, found, err := j.Fact(t.Context(), "1", "own 12"); found || err != nil {
			t.Errorf("found another account's fact: %v, %v", found, err)
		}
	})

	t.Run("many at once", func(t *testing.T) {
		j := newJournal(t)
		facts := make([]bootstrap.Fact, 0, 250)
		for i := range 250 {
			f := fact("a", strconv.Itoa(i))
			f.What = strings.Repeat("x", 2000)
			facts = append(facts, f)
		}
		add(t, j, 250, facts...)
		add(t, j, 0, facts...)
		all, err := j.Facts(t.Context(), "a")
		if err != nil {
			t.Fatal(err)
		}
		if len(all) != 250 {
			t.Errorf("%d facts, want 250", len(all))
		}
	})

	t.Run("no merge is lost", func(t *testing.T) {
		j := newJournal(t)
		const n = 12
		facts := make([]bootstrap.Fact, 0, n)
		for i := range n {
			f := fact("a", "session")
			f.Time, f.EventID = t0.Add(time.Duration(i)*time.Minute), fmt.Sprintf("e-%02d", i)
			facts = append(facts, f)
		}
		var wg sync.WaitGroup
		var mu sync.Mutex
		total := 0
		for _, f := range facts {
			wg.Go(func() {
				err := retry(t.Context(), func(ctx context.Context) error {
					added, err := j.Add(ctx, []bootstrap.Fact{f})
					if err == nil {
						mu.Lock()
						total += added
						mu.Unlock()
					}
					return err
				})
				if err != nil {
					t.Errorf("adding: %v", err)
				}
			})
		}
		wg.Wait()
		if total != 1 {
			t.Errorf("%d counted as new, want 1", total)
		}
		want := facts[0]
		for _, f := range facts[1:] {
			want = bootstrap.Merge(want, f)
		}
		got, found, err := j.Fact(t.Context(), "a", "session")
		if err != nil || !found {
			t.Fatalf("found %v, %v", found, err)
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("merged (-want +got):\n%s", diff)
		}
	})

	t.Run("a canceled context stores nothing", func(t *testing.T) {
		j := newJournal(t)
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		if _, err := j.Add(ctx, []bootstrap.Fact{fact("a", "1")}); !errors.Is(err, context.Canceled) {
			t.Errorf("Add: %v, want context.Canceled", err)
		}
		if _, _, err := j.Fact(ctx, "a", "1"); !errors.Is(err, context.Canceled) {
			t.Errorf("Fact: %v, want context.Canceled", err)
		}
		if _, err := j.Facts(ctx, "a"); !errors.Is(err, context.Canceled) {
			t.Errorf("Facts: %v, want context.Canceled", err)
		}
		if _, found, err := j.Fact(t.Context(), "a", "1"); found || err != nil {
			t.Errorf("stored: %v, %v", found, err)
		}
	})
}

// FactsAndRows are a guard.Facts whose facts can be read in parts and removed.
type FactsAndRows interface {
	guard.Facts
	accountcheck.FactRows
}

// FactRows runs the contract of accountcheck.FactRows. newJournal returns an empty one.
func FactRows(t *testing.T, newJournal func(t *testing.T) FactsAndRows) {
	t.Helper()
	add := func(t *testing.T, j FactsAndRows, facts ...bootstrap.Fact) int {
		t.Helper()
		added, err := j.Add(t.Context(), facts)
		if err != nil {
			t.Fatal(err)
		}
		return added
	}
	under := func(t *testing.T, j FactsAndRows, account, prefix string) []string {
		t.Helper()
		var all []bootstrap.Fact
		err := j.Pages(t.Context(), account, prefix, func(page []bootstrap.Fact) error {
			if len(page) == 0 {
				t.Error("an empty page")
			}
			all = append(all, page...)
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
		return ids(all)
	}
	remove := func(t *testing.T, j FactsAndRows, want int, facts ...bootstrap.Fact) {
		t.Helper()
		if removed, err := j.Remove(t.Context(), facts); removed != want || err != nil {
			t.Errorf("removed %d, %v, want %d", removed, err, want)
		}
	}
	check := func(t *testing.T, what string, got []string, want ...string) {
		t.Helper()
		if diff := cmp.Diff(append([]string{}, want...), got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", what, diff)
		}
	}

	t.Run("by prefix", func(t *testing.T) {
		j := newJournal(t)
		check(t, "of none", under(t, j, "a", ""))
		add(t, j, fact("a", "root/1"), fact("a", "root/2"), fact("a", "root"), fact("a", "roots/1"), fact("a", "roo"),
			fact("b", "root/3"), fullFact())
		check(t, "all", under(t, j, "a", ""), "roo", "root", "root/1", "root/2", "roots/1")
		check(t, "a prefix", under(t, j, "a", "root/"), "root/1", "root/2")
		check(t, "an ID", under(t, j, "a", "root"), "root", "root/1", "root/2", "roots/1")
		check(t, "none", under(t, j, "a", "s"))
		full := fullFact()
		err := j.Pages(t.Context(), full.Account, full.ID, func(page []bootstrap.Fact) error {
			if diff := cmp.Diff([]bootstrap.Fact{full}, page); diff != "" {
				t.Errorf("fact (-want +got):\n%s", diff)
			}
			return nil
		})
		if err != nil {
			t.Error(err)
		}
	})

	t.Run("many", func(t *testing.T) {
		j := newJournal(t)
		const n = 400
		facts := make([]bootstrap.Fact, 0, n)
		for i := range n {
			f := fact("a", "x/"+strconv.Itoa(i))
			f.What = strings.Repeat("x", 3000)
			facts = append(facts, f)
		}
		add(t, j, facts...)
		add(t, j, fact("a", "y/"))
		if got := len(under(t, j, "a", "x/")); got != n {
			t.Errorf("%d facts, want %d", got, n)
		}
		calls, stop := 0, errors.New("stop")
		err := j.Pages(t.Context(), "a", "", func(page []bootstrap.Fact) error {
			calls++
			if len(page) == n {
				t.Errorf("a page of %d facts", len(page))
			}
			return stop
		})
		if !errors.Is(err, stop) || calls != 1 {
			t.Errorf("%d calls, %v", calls, err)
		}
		remove(t, j, n-1, facts[1:]...)
		check(t, "the rest", under(t, j, "a", ""), "x/0", "y/")
	})

	t.Run("remove", func(t *testing.T) {
		j := newJournal(t)
		one, two, full := fact("a", "1"), fact("a", "2"), fullFact()
		add(t, j, one, two, full)
		remove(t, j, 0)
		remove(t, j, 0, fact("a", "3"), fact("b", "1"))
		remove(t, j, 2, one, full)
		remove(t, j, 0, one)
		check(t, "the rest", under(t, j, "a", ""), "2")
		if _, found, err := j.Fact(t.Context(), "a", "1"); found || err != nil {
			t.Errorf("found %v, %v", found, err)
		}
		if all, err := j.Facts(t.Context(), full.Account); len(all) != 0 || err != nil {
			t.Errorf("%v, %v", all, err)
		}
	})

	t.Run("one that changed stays", func(t *testing.T) {
		j := newJournal(t)
		was, now := fact("a", "1"), fact("a", "1")
		now.Last, now.LastEventID = t0.Add(time.Hour), "later"
		add(t, j, was)
		add(t, j, now)
		remove(t, j, 0, was)
		got, found, err := j.Fact(t.Context(), "a", "1")
		if err != nil || !found {
			t.Fatal(found, err)
		}
		remove(t, j, 1, got)
	})

	t.Run("one that was removed comes again", func(t *testing.T) {
		j := newJournal(t)
		old, f := fact("a", "1"), fact("a", "1")
		old.Last, old.LastEventID = t0.Add(time.Hour), "removed"
		add(t, j, old)
		remove(t, j, 1, old)
		if added := add(t, j, f); added != 1 {
			t.Errorf("added %d", added)
		}
		if added := add(t, j, f); added != 0 {
			t.Errorf("added %d again", added)
		}
		got, found, err := j.Fact(t.Context(), "a", "1")
		if err != nil || !found {
			t.Fatal(found, err)
		}
		if diff := cmp.Diff(f, got); diff != "" {
			t.Errorf("(-want +got):\n%s", diff)
		}
		check(t, "all", under(t, j, "a", ""), "1")
	})

	t.Run("removed by two while a third adds", func(t *testing.T) {
		j := newJournal(t)
		for i := range 10 {
			was, now := fact("a", strconv.Itoa(i)), fact("a", strconv.Itoa(i))
			now.Last, now.LastEventID = t0.Add(time.Hour), "later"
			add(t, j, was)
			var wg sync.WaitGroup
			for range 2 {
				wg.Go(func() { _, _ = j.Remove(t.Context(), []bootstrap.Fact{was}) })
			}
			wg.Go(func() {
				err := retry(t.Context(), func(ctx context.Context) error { _, err := j.Add(ctx, []bootstrap.Fact{now}); return err })
				if err != nil {
					t.Error(err)
				}
			})
			wg.Wait()
			if got, found, err := j.Fact(t.Context(), "a", was.ID); err != nil || !found || got.LastEventID != "later" {
				t.Fatalf("what was added meanwhile is lost: %+v, %v, %v", got, found, err)
			}
		}
	})

	t.Run("a canceled context removes nothing", func(t *testing.T) {
		j := newJournal(t)
		add(t, j, fact("a", "1"))
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		if _, err := j.Remove(ctx, []bootstrap.Fact{fact("a", "1")}); !errors.Is(err, context.Canceled) {
			t.Errorf("Remove: %v", err)
		}
		if err := j.Pages(ctx, "a", "", func([]bootstrap.Fact) error { return nil }); !errors.Is(err, context.Canceled) {
			t.Errorf("Pages: %v", err)
		}
		check(t, "the facts", under(t, j, "a", ""), "1")
	})
}
