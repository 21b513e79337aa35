package accountcheck_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"rootguard/internal/accountcheck"
	"rootguard/internal/bootstrap"
	"rootguard/internal/daytwo"
	"rootguard/internal/fake"
)

// TestAdded holds which facts have root checked, when, and what the check then looks for.
func TestAdded(t *testing.T) {
	const account = "111122223333"
	at := time.Date(2026, 3, 2, 9, 0, 0, 0, time.UTC)
	changed, entered := at.Add(5*time.Minute+time.Second), at.Add(15*time.Minute+time.Second)
	compared := at.Add(-time.Hour)
	row := func(due time.Time) accountcheck.Check {
		return accountcheck.Check{Key: account + "/posture", Account: account, Kind: accountcheck.KindRoot, Due: due, Revision: 3,
			Root: accountcheck.Root{Compared: compared, Entered: at.Add(-time.Minute)}}
	}
	for _, tt := range []struct {
		name    string
		kind    bootstrap.FactKind
		what    string
		due     time.Time // before; zero: the account is not checked
		want    time.Time
		written bool
	}{
		{"a device", bootstrap.RootMFAEnabled, "", at.Add(time.Hour), changed, true},
		{"a device removed", bootstrap.RootMFADeactivated, "", at.Add(time.Hour), changed, true},
		{"a key", bootstrap.RootKeyCreated, "", at.Add(time.Hour), changed, true},
		{"a key deleted", bootstrap.RootKeyDeleted, "", at.Add(time.Hour), changed, true},
		{"a password", bootstrap.RootPasswordSet, "", at.Add(time.Hour), changed, true},
		{"a password removed", bootstrap.RootPasswordRemoved, "", at.Add(time.Hour), changed, true},
		{"a password removed, and a check is due before", bootstrap.RootPasswordRemoved, "", at.Add(time.Minute), at.Add(time.Minute), true},
		{"a password removed, and the account is not checked", bootstrap.RootPasswordRemoved, "", time.Time{}, time.Time{}, false},
		{"a password accepted", bootstrap.RootPasswordUsed, bootstrap.PasswordAccepted, at.Add(time.Hour), entered, true},
		{"a password accepted, and a check is due before", bootstrap.RootPasswordUsed, bootstrap.PasswordAccepted, at.Add(time.Minute), at.Add(time.Minute), true},
		{"a password tried", bootstrap.RootPasswordUsed, "CheckMfa", at.Add(time.Hour), at.Add(time.Hour), false},
		{"root at work", bootstrap.RootActivity, "", at.Add(time.Hour), at.Add(time.Hour), false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			checks := &fake.Checks{Script: &fake.Script{}}
			rows := checks.Of(accountcheck.KindRoot)
			if err := rows.Update(t.Context(), account+"/posture", func(accountcheck.Check) accountcheck.Check { return row(tt.due) }); err != nil {
				t.Fatal(err)
			}
			s := accountcheck.Schedule{Checks: checks}
			if err := s.Added(t.Context(), []bootstrap.Fact{{Account: account, Kind: tt.kind, What: tt.what, Time: at}}); err != nil {
				t.Fatal(err)
			}
			got, err := rows.Get(t.Context(), account+"/posture")
			if err != nil || !got.Due.Equal(tt.want) || (got.Revision == 4) != tt.written {
				t.Errorf("due at %v, revision %d, %v, want %v", got.Due, got.Revision, err, tt.want)
			}
			isEntered := tt.kind == bootstrap.RootPasswordUsed && tt.written
			if got.Root.Entered.Equal(at) != isEntered || got.Root.Compared.IsZero() != (tt.written && !isEntered) {
				t.Errorf("entered at %v, compared at %v", got.Root.Entered, got.Root.Compared)
			}
		})
	}
}

// TestAnswers holds of which accounts it is known that IAM answers about them, and which
// are suspended.
func TestAnswers(t *testing.T) {
	const account = "111122223333"
	done := time.Date(2026, 3, 2, 9, 0, 0, 0, time.UTC)
	for name, tt := range map[string]struct {
		root, users     accountcheck.Check
		want, suspended bool
	}{
		"both were checked":             {accountcheck.Check{Done: done}, accountcheck.Check{Done: done}, true, false},
		"root was not":                  {accountcheck.Check{}, accountcheck.Check{Done: done}, false, false},
		"users were not":                {accountcheck.Check{Done: done}, accountcheck.Check{}, false, false},
		"there was no answer of root":   {accountcheck.Check{Done: done, UnansweredChecks: 1}, accountcheck.Check{Done: done}, false, false},
		"there was no answer of users":  {accountcheck.Check{Done: done}, accountcheck.Check{Done: done, UnansweredChecks: 1}, false, false},
		"suspended, and checked before": {accountcheck.Check{Done: done, Suspended: true}, accountcheck.Check{Done: done}, true, true},
	} {
		script := &fake.Script{}
		s := accountcheck.Schedule{Checks: &fake.Checks{Script: script}}
		for kind, r := range map[accountcheck.Kind]accountcheck.Check{accountcheck.KindRoot: tt.root, accountcheck.KindUsers: tt.users} {
			r.Key, r.Account, r.Kind, r.Revision = account+"/"+string(kind), account, kind, 1
			if err := s.Checks.Of(kind).Update(t.Context(), r.Key, func(accountcheck.Check) accountcheck.Check { return r }); err != nil {
				t.Fatal(err)
			}
		}
		if got, err := s.Answers(t.Context(), account); got != tt.want || err != nil {
			t.Errorf("%s: IAM answers: %v, %v", name, got, err)
		}
		if got, err := s.Suspended(t.Context(), account); got != tt.suspended || err != nil {
			t.Errorf("%s: suspended: %v, %v", name, got, err)
		}
		script.Fail("Checks.Get", 2)
		if got, err := s.Answers(t.Context(), account); got || !errors.Is(err, fake.ErrFault) {
			t.Errorf("%s, and it cannot be read: %v, %v", name, got, err)
		}
		if _, err := s.Suspended(t.Context(), account); !errors.Is(err, fake.ErrFault) {
			t.Errorf("%s, and it cannot be read: %v", name, err)
		}
	}
}

// TestOtherSteps holds when the guard's own account is checked at once, since the settings
// choose other steps of day two than at its last check.
func TestOtherSteps(t *testing.T) {
	const hub = "111122223333"
	at := time.Date(2026, 3, 2, 9, 0, 0, 0, time.UTC)
	before, later := at.Add(-time.Minute), at.Add(time.Hour)
	results := func(steps ...daytwo.Step) (some []daytwo.Result) {
		for _, step := range steps {
			some = append(some, daytwo.Result{Step: step})
		}
		return some
	}
	for _, tt := range []struct {
		name      string
		due, done time.Time
		steps     []daytwo.Result
		want      time.Time
	}{
		{"the same", later, before, results(daytwo.Trail, daytwo.Budget), later},
		{"another", later, before, results(daytwo.Trail, daytwo.CentralRoot), at},
		{"fewer", later, before, results(daytwo.Trail), at},
		{"more", later, before, results(daytwo.Trail, daytwo.Budget, daytwo.CentralRoot), at},
		{"another, and it is due", before, before, results(daytwo.Trail), before},
		{"another, and it was never checked", later, time.Time{}, nil, later},
	} {
		t.Run(tt.name, func(t *testing.T) {
			checks := &fake.Checks{}
			rows := checks.Of(accountcheck.KindDayTwo)
			row := accountcheck.Check{Key: accountcheck.DayTwoKey(hub), Account: hub, Kind: accountcheck.KindDayTwo, Due: tt.due, Done: tt.done, Revision: 1,
				DayTwo: accountcheck.DayTwo{Results: tt.steps}}
			if err := rows.Update(t.Context(), row.Key, func(accountcheck.Check) accountcheck.Check { return row }); err != nil {
				t.Fatal(err)
			}
			k := accountcheck.New(accountcheck.Deps{Checks: checks, Now: time.Now}, accountcheck.Settings{DayTwo: []daytwo.Step{daytwo.Trail, daytwo.Budget}})
			ctx, cancel := context.WithTimeout(t.Context(), time.Second) // too short to check any
			defer cancel()
			if got, err := k.CheckDayTwo(ctx, accountcheck.HubAccount{Account: hub}, nil, at); err != nil || got.Accounts != 0 {
				t.Errorf("%+v, %v", got, err)
			}
			got, err := rows.Get(t.Context(), row.Key)
			if err != nil || !got.Due.Equal(tt.want) || (got.Revision == 1) != tt.want.Equal(tt.due) {
				t.Errorf("due at %v, revision %d, %v, want %v", got.Due, got.Revision, err, tt.want)
			}
		})
	}
}
