package guardtest

import (
	"context"
	"errors"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"rootguard/internal/accountcheck"
	"rootguard/internal/bootstrap"
	"rootguard/internal/daytwo"
	"rootguard/internal/detect"
	"rootguard/internal/worker"
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

// Checks runs the contract of accountcheck.Checks. newChecks returns an empty one.
func Checks(t *testing.T, newChecks func(t *testing.T) accountcheck.Checks) {
	t.Helper()
	one, none := 1, 0
	full := accountcheck.Check{
		Key: "123456789012/posture", Account: "123456789012", Kind: accountcheck.KindRoot, Due: t0, Revision: 3, UnansweredChecks: 2, Failures: 4,
		Done:   t0.Add(-time.Hour),
		Cursor: "AIDAEVE", Listed: t0.Add(-2 * time.Hour), Suspended: true,
		Root: accountcheck.Root{
			Known: &bootstrap.LiveFact{AccountMFAEnabled: &one, AccountAccessKeysPresent: &none}, Compared: t0,
			Problems: []accountcheck.RootProblem{{Finding: detect.RootMFARemoved, Since: t0, Alerted: true}},
			Seen:     accountcheck.RootSeen{MFA: t0, NoKeys: t0.Add(-time.Hour), NoPassword: t0.Add(-2 * time.Hour)},
			Entered:  t0.Add(-10 * time.Minute),
		},
		QueueFailures: 4, QueueError: "denied", Waited: 3,
		Witness: accountcheck.Witness{
			Began: t0.Add(-24 * time.Hour), Next: t0.Add(4 * time.Hour), Requested: t0.Add(-time.Minute), Generated: t0.Add(-4 * time.Hour),
			Why: "denied",
			Uses: []accountcheck.RootUse{
				{RootUse: detect.RootUse{Credential: detect.Password, At: t0.Add(-3 * time.Hour)}, State: accountcheck.UseExplained, Changed: t0},
				{RootUse: detect.RootUse{Credential: detect.AccessKey, At: t0.Add(-2 * time.Hour), Region: "us-east-1", Service: "s3"},
					State: accountcheck.UseAlerted, Changed: t0},
			},
		},
		DayTwo: accountcheck.DayTwo{Results: []daytwo.Result{
			{Step: daytwo.SecurityContact, State: bootstrap.Regressed, Since: t0, What: "none", Checked: t0, WasDone: true, Unknown: "denied"},
		}},
		Discovery: accountcheck.Discovery{
			Began: t0, Complete: true, Refused: "no", Unreachable: 2, UnreachableIDs: []string{"1", "2"}, QueueFailures: 1,
			QueueFailureIDs: []string{"3"}, QueueError: "denied",
			NoReport: 2, NoReportIDs: []string{"4", "5"}, NoReportWhy: "throttled",
			Unplaced: 1, UnplacedIDs: []string{"6"},
		},
		Routed: accountcheck.Routed{Names: []string{"teams"}, Routes: "r-1"},
	}
	unset(t, reflect.ValueOf(full), "Round")

	Rows(t, func(t *testing.T) worker.Rows[accountcheck.Check] {
		t.Helper()
		return newChecks(t).Of(accountcheck.KindRoot)
	}, full,
		func(key string, due time.Time, revision int) accountcheck.Check {
			account, _, _ := strings.Cut(key, "/")
			return accountcheck.Check{Key: key, Account: account, Kind: accountcheck.KindRoot, Due: due, Revision: revision}
		}, func(r accountcheck.Check) int { return r.Revision })

	t.Run("due, of each kind", func(t *testing.T) {
		r := newChecks(t)
		at := t0.Add(time.Hour)
		add := func(account string, kind accountcheck.Kind, due time.Time, revision int) {
			row := accountcheck.Check{Key: account + "/" + string(kind), Account: account, Kind: kind, Due: due, Revision: revision}
			if err := r.Of(kind).Update(t.Context(), row.Key, func(accountcheck.Check) accountcheck.Check { return row }); err != nil {
				t.Fatalf("storing %q: %v", row.Key, err)
			}
		}
		add("3", accountcheck.KindRoot, at, 1)
		add("1", accountcheck.KindRoot, at.Add(-time.Hour), 1)
		add("2", accountcheck.KindRoot, at.Add(-time.Nanosecond), 1)
		add("4", accountcheck.KindRoot, at.Add(time.Nanosecond), 1)
		add("5", accountcheck.KindRoot, time.Time{}, 1)
		add("1", accountcheck.KindUsers, at.Add(-time.Minute), 1)
		add("9", accountcheck.KindDiscovery, at.Add(-time.Hour), 1) // read by its key alone
		check := func(kind accountcheck.Kind, at time.Time, limit int, want ...string) {
			t.Helper()
			due, err := r.Of(kind).Due(t.Context(), at, limit)
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
		check(accountcheck.KindRoot, at, 10, "1", "2", "3")
		check(accountcheck.KindRoot, at, 2, "1", "2")
		check(accountcheck.KindRoot, at.Add(time.Hour), 10, "1", "2", "3", "4")
		check(accountcheck.KindUsers, at, 10, "1")
		check(accountcheck.KindUsers, at.Add(-time.Hour), 10)

		// One that moves is due as it is now, and once; one without a time never.
		add("1", accountcheck.KindRoot, at.Add(time.Hour), 2)
		add("2", accountcheck.KindRoot, time.Time{}, 2)
		check(accountcheck.KindRoot, at, 10, "3")
		if got, err := r.Of(accountcheck.KindRoot).Get(t.Context(), "2/posture"); err != nil || got.Revision != 2 {
			t.Errorf("one that is not due any more: %+v, %v", got, err)
		}
		if got, err := r.Of(accountcheck.KindDiscovery).Get(t.Context(), "9/census"); err != nil || got.Revision != 1 {
			t.Errorf("one that is read by its key alone: %+v, %v", got, err)
		}
		check(accountcheck.KindDiscovery, at, 10)

		accounts, err := r.Accounts(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if want := "1 2 3 4 5 9"; strings.Join(accounts, " ") != want {
			t.Errorf("accounts on record: %v, want %s", accounts, want)
		}
	})

	t.Run("a canceled context lists no accounts", func(t *testing.T) {
		r := newChecks(t)
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		if _, err := r.Accounts(ctx); !errors.Is(err, context.Canceled) {
			t.Errorf("Accounts: %v, want context.Canceled", err)
		}
	})
}
