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
		Live: &bootstrap.LiveFact{AccountMFAEnabled: &one, RootVirtualMFA: &yes, ConsoleLogin: &yes, UserID: "AIDAEXAMPLE", MFADevices: []string{"d"}, Gone: true},
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

// Journal runs the contract of guard.Journal. newJournal returns an empty one.
func Journal(t *testing.T, newJournal func(t *testing.T) guard.Journal) {
	t.Helper()
	add := func(t *testing.T, j guard.Journal, want int, facts ...bootstrap.Fact) {
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
