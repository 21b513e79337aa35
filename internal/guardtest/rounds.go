package guardtest

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"rootguard/internal/bootstrap"
	"rootguard/internal/detect"
	"rootguard/internal/guard"
)

// unset fails for each field of a row that has its zero value, by which the
// contract would not show that it is stored.
func unset(t *testing.T, v reflect.Value, path string) {
	t.Helper()
	switch v.Kind() {
	case reflect.Pointer:
		if v.IsNil() {
			t.Errorf("%s is not set", path)
		}
	case reflect.Slice, reflect.Map:
		if v.Len() == 0 {
			t.Errorf("%s is empty", path)
		}
	case reflect.Struct:
		if _, ok := v.Interface().(time.Time); !ok {
			for i := range v.NumField() {
				unset(t, v.Field(i), path+"."+v.Type().Field(i).Name)
			}
			return
		}
		fallthrough
	default:
		if v.IsZero() {
			t.Errorf("%s is not set", path)
		}
	}
}

// Rounds runs the contract of guard.Rounds. newRounds returns an empty one.
func Rounds(t *testing.T, newRounds func(t *testing.T) guard.Rounds) {
	t.Helper()
	read := func(t *testing.T, r guard.Rounds, key string) (got guard.Round) {
		t.Helper()
		err := r.Revise(t.Context(), key, func(was guard.Round) guard.Round {
			got = was
			return guard.Round{}
		})
		if err != nil {
			t.Fatalf("reading %q: %v", key, err)
		}
		return got
	}
	put := func(t *testing.T, r guard.Rounds, row guard.Round) {
		t.Helper()
		if err := r.Revise(t.Context(), row.Key, func(guard.Round) guard.Round { return row }); err != nil {
			t.Fatalf("storing %q: %v", row.Key, err)
		}
	}
	one, none := 1, 0
	full := guard.Round{
		Key: "123456789012/posture", Account: "123456789012", Kind: guard.PostureRound, Due: t0, Revision: 3, Unanswered: 2, Failures: 4, Done: t0.Add(-time.Hour),
		Cursor: "AIDAEVE", Listed: t0.Add(-2 * time.Hour), Closed: true,
		Root: guard.Root{
			Known: &bootstrap.LiveFact{AccountMFAEnabled: &one, AccountAccessKeysPresent: &none}, Compared: t0,
			Problems: []guard.RootProblem{{Finding: detect.RootMFARemoved, Since: t0, Told: true}},
			Seen:     guard.RootSeen{MFA: t0, NoKeys: t0.Add(-time.Hour), NoPassword: t0.Add(-2 * time.Hour)},
		},
		Unread: 4, Unseen: "denied", Waited: 3,
		Witness: guard.Witness{
			Began: t0.Add(-24 * time.Hour), Next: t0.Add(4 * time.Hour), Requested: t0.Add(-time.Minute), Generated: t0.Add(-4 * time.Hour), Why: "denied",
			Uses: []guard.RootUse{
				{RootUse: detect.RootUse{Credential: detect.Password, At: t0.Add(-3 * time.Hour)}, State: guard.UseExplained, Changed: t0},
				{RootUse: detect.RootUse{Credential: detect.AccessKey, At: t0.Add(-2 * time.Hour), Region: "us-east-1", Service: "s3"}, State: guard.UseAlerted, Changed: t0},
			},
		},
		Census: guard.Census{
			Began: t0, Complete: true, Refused: "no", Silent: 2, SilentIDs: []string{"1", "2"}, Unread: 1, UnreadIDs: []string{"3"}, Unseen: "denied",
			NoReport: 2, NoReportIDs: []string{"4", "5"}, NoReportWhy: "throttled",
		},
	}
	unset(t, reflect.ValueOf(full), "Round")

	t.Run("rows come back whole, and stay where none is returned", func(t *testing.T) {
		r := newRounds(t)
		if diff := cmp.Diff(guard.Round{}, read(t, r, full.Key)); diff != "" {
			t.Errorf("absent (-want +got):\n%s", diff)
		}
		put(t, r, full)
		read(t, r, full.Key)
		if diff := cmp.Diff(full, read(t, r, full.Key)); diff != "" {
			t.Errorf("(-want +got):\n%s", diff)
		}
		due, err := r.Rounds(t.Context(), guard.PostureRound, full.Due, 10)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff([]guard.Round{full}, due); diff != "" {
			t.Errorf("due (-want +got):\n%s", diff)
		}
	})

	t.Run("due, of each kind", func(t *testing.T) {
		r := newRounds(t)
		at := t0.Add(time.Hour)
		add := func(account string, kind guard.RoundKind, due time.Time, revision int) {
			put(t, r, guard.Round{Key: account + "/" + string(kind), Account: account, Kind: kind, Due: due, Revision: revision})
		}
		add("3", guard.PostureRound, at, 1)
		add("1", guard.PostureRound, at.Add(-time.Hour), 1)
		add("2", guard.PostureRound, at.Add(-time.Nanosecond), 1)
		add("4", guard.PostureRound, at.Add(time.Nanosecond), 1)
		add("5", guard.PostureRound, time.Time{}, 1)
		add("1", guard.ReconcileRound, at.Add(-time.Minute), 1)
		add("9", guard.CensusRound, at.Add(-time.Hour), 1) // read by its key alone
		check := func(kind guard.RoundKind, at time.Time, limit int, want ...string) {
			t.Helper()
			due, err := r.Rounds(t.Context(), kind, at, limit)
			if err != nil {
				t.Fatal(err)
			}
			got := make([]string, 0, len(due))
			for _, one := range due {
				got = append(got, one.Account)
			}
			if diff := cmp.Diff(append([]string{}, want...), got); diff != "" {
				t.Errorf("%s due at %v, at most %d (-want +got):\n%s", kind, at, limit, diff)
			}
		}
		check(guard.PostureRound, at, 10, "1", "2", "3")
		check(guard.PostureRound, at, 2, "1", "2")
		check(guard.PostureRound, at.Add(time.Hour), 10, "1", "2", "3", "4")
		check(guard.ReconcileRound, at, 10, "1")
		check(guard.ReconcileRound, at.Add(-time.Hour), 10)

		// One that moves is due as it is now, and once; one without a time never.
		add("1", guard.PostureRound, at.Add(time.Hour), 2)
		add("2", guard.PostureRound, time.Time{}, 2)
		check(guard.PostureRound, at, 10, "3")
		if got := read(t, r, "2/posture"); got.Revision != 2 {
			t.Errorf("one that is not due any more: %+v", got)
		}

		accounts, err := r.Accounts(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if want := "1 2 3 4 5 9"; strings.Join(accounts, " ") != want {
			t.Errorf("accounts on record: %v, want %s", accounts, want)
		}
	})

	t.Run("no write is lost", func(t *testing.T) {
		r := newRounds(t)
		const n, each = 4, 5
		var wg sync.WaitGroup
		for i := range n {
			wg.Go(func() {
				for j := range each {
					err := retry(t.Context(), func(ctx context.Context) error {
						return r.Revise(ctx, full.Key, func(was guard.Round) guard.Round {
							was.Key, was.Account, was.Kind, was.Due = full.Key, full.Account, full.Kind, t0
							was.Revision++
							return was
						})
					})
					if err != nil {
						t.Errorf("write %s: %v", fmt.Sprint(i, j), err)
					}
				}
			})
		}
		wg.Wait()
		if got := read(t, r, full.Key); got.Revision != n*each {
			t.Errorf("revision %d, want %d", got.Revision, n*each)
		}
	})

	t.Run("a canceled context stores nothing", func(t *testing.T) {
		r := newRounds(t)
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		if err := r.Revise(ctx, full.Key, func(guard.Round) guard.Round { return full }); !errors.Is(err, context.Canceled) {
			t.Errorf("Revise: %v, want context.Canceled", err)
		}
		if _, err := r.Rounds(ctx, guard.PostureRound, t0, 1); !errors.Is(err, context.Canceled) {
			t.Errorf("Rounds: %v, want context.Canceled", err)
		}
		if _, err := r.Accounts(ctx); !errors.Is(err, context.Canceled) {
			t.Errorf("Accounts: %v, want context.Canceled", err)
		}
		if got := read(t, r, full.Key); got.Key != "" {
			t.Errorf("stored %+v", got)
		}
	})
}
