package accountcheck_test

import (
	"rootguard/internal/wiretest"

	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"testing"
	"time"

	"rootguard/internal/accountcheck"
	"rootguard/internal/alert"
	"rootguard/internal/bootstrap"
	"rootguard/internal/detect"
	"rootguard/internal/guard"
	"rootguard/internal/incident"
	"rootguard/internal/mfadeadline"

	"rootguard/internal/testenv"
)

// TestSilentAccountsStarve: accounts about which IAM does not answer (their member
// role is not deployed) keep users of others from being reported in time.
func TestSilentAccountsStarve(t *testing.T) {
	for _, silent := range []int{40, 300} {
		t.Run(strconv.Itoa(silent), func(t *testing.T) {
			s := wiretest.NewSwept()
			const users = 8
			for a := range silent {
				for u := range users {
					name := fmt.Sprintf("user%d", u)
					rec := wiretest.IAMCall("CreateLoginProfile", name, s.Clock.Now())
					rec.RecipientAccountID = fmt.Sprintf("%012d", a)
					s.MustHandle(t, rec, guard.Recorded)
				}
			}
			s.Clock.Advance(time.Second)
			s.Call(t, "CreateLoginProfile") // eve, of an account that is well
			deadline := s.Clock.Now().Add(24 * time.Hour)
			s.Clock.Advance(24*time.Hour + time.Second)
			live := wiretest.LiveFunc(func(ctx context.Context, of, name string) (bootstrap.LiveFact, error) {
				if of != wiretest.Account {
					return bootstrap.LiveFact{}, errors.New("AccessDenied: not authorized to perform: sts:AssumeRole")
				}
				return s.IAM.User(ctx, of, name)
			})
			for run := range 12 * 48 { // two days of a run every five minutes
				_, _ = s.Sweep(t.Context(), live, s.Clock.Now())
				for _, a := range s.Receivers.Published() {
					if a.Finding.ID == detect.UserMFAMissing && a.Finding.Account == wiretest.Account {
						late := s.Clock.Now().Sub(deadline)
						if late > 10*time.Minute {
							t.Errorf("%d silent accounts of %d users: eve, of a healthy account, is reported %v after her deadline (run %d)", silent, users, late.Round(time.Minute), run)
						}
						return
					}
				}
				s.Clock.Advance(5 * time.Minute)
			}
			t.Errorf("%d silent accounts: eve is not reported within two days", silent)
		})
	}
}

// TestSilentAccountsFailEverySweep: the member role is missing in 100 accounts. Each
// run that meets one of their users fails: Lambda does all of that run three times and
// puts the schedule's event into the queue of failures, whose alarm then rings for ever.
func TestSilentAccountsFailEverySweep(t *testing.T) {
	t.Parallel()
	testenv.Soak(t)
	s := wiretest.NewSwept()
	for a := range 100 {
		for u := range 8 {
			rec := wiretest.IAMCall("CreateLoginProfile", fmt.Sprintf("user%d", u), s.Clock.Now())
			rec.RecipientAccountID = fmt.Sprintf("%012d", a)
			s.MustHandle(t, rec, guard.Recorded)
		}
	}
	s.Clock.Advance(24*time.Hour + time.Second)
	live := wiretest.LiveFunc(func(context.Context, string, string) (bootstrap.LiveFact, error) {
		return bootstrap.LiveFact{}, errors.New("AccessDenied: not authorized to perform: sts:AssumeRole")
	})
	runs, failed := 0, 0
	for ; runs < 12*48; runs++ {
		if _, err := s.Sweep(t.Context(), live, s.Clock.Now()); err != nil {
			failed++
		}
		s.Clock.Advance(5 * time.Minute)
	}
	if failed > runs/10 {
		t.Errorf("%d of %d runs in two days failed, each three times, so that the queue of failures has %d events of the schedule", failed, runs, failed)
	}
}

// TestSilentUserIsReported holds that users about whom IAM does not answer are
// reported once a day and account where it answers about the account otherwise, and
// are no error of a run; and that those of an account of which nothing is answered
// are left to the discovery of accounts.
func TestSilentUserIsReported(t *testing.T) {
	testenv.Soak(t)
	for name, tt := range map[string]struct {
		deaf, down bool
		check      string
	}{
		"all answered":    {false, false, ""},
		"two users":       {true, false, "live checks of users"},
		"all the account": {true, true, "live checks"},
	} {
		t.Run(name, func(t *testing.T) {
			l := newLand()
			l.organization(member)
			for _, user := range []string{"ann", "bob", "eve"} {
				l.iam.users[member] = append(l.iam.users[member], iamUser{name: user, id: "AIDA" + user, LiveUser: wiretest.LiveUser{Password: true}})
			}
			l.pass(t, 30*time.Hour) // eve and the others are known, and have their grace
			l.iam.deaf["ann"], l.iam.deaf["bob"], l.iam.down[member] = tt.deaf, tt.deaf, tt.down
			l.pass(t, 72*time.Hour)
			reported := map[string]int{}
			for _, a := range l.Receivers.Published() {
				if a.Finding.ID == detect.GuardUnhealthy {
					reported[a.Finding.Target.Resource]++
				}
			}
			n := reported[tt.check]
			delete(reported, tt.check)
			if len(reported) > 0 || (n == 0) != (tt.check == "") || n > 4 {
				t.Errorf("%q is reported %d times in three days, and %v", tt.check, n, reported)
			}
		})
	}
}

// TestFailingAccountsHoldNoneBack: alerts of thirty accounts cannot be sent to a
// topic. That of another one, due after them, is sent all the same, at its time.
func TestFailingAccountsHoldNoneBack(t *testing.T) {
	testenv.Soak(t)
	l := newLand()
	accounts := []string{}
	for i := range 31 {
		accounts = append(accounts, fmt.Sprintf("3%011d", i))
	}
	l.organization(accounts...)
	l.pass(t, 26*time.Hour)
	well := accounts[30]
	for _, a := range accounts {
		l.iam.roots[a] = rootUser{password: 1}
	}
	l.Receivers.Refuse = func(a alert.Alert) error {
		if a.Finding.Account != well {
			return errors.New("escalation: NotFound: Topic does not exist")
		}
		return nil
	}
	tries, before := 0, len(l.Receivers.Published())
	for range 12 * 24 {
		l.Clock.Advance(5 * time.Minute)
		at := len(l.Script.Calls())
		_, _ = l.CheckRoots(t.Context(), l.iam, nil, l.Clock.Now())
		for _, call := range l.Script.Calls()[at:] {
			if call == "Publisher.Publish" {
				tries++
			}
		}
		if len(l.Receivers.Published()) > before {
			if got := l.Receivers.Published()[before].Finding; got.Account != well || got.ID != detect.RootMFARemoved {
				t.Errorf("alerted: %s of %s", got.ID, got.Account)
			}
			before = 1 << 30
			if since := l.Clock.Now().Sub(wiretest.T0.Add(26 * time.Hour)); since > 2*time.Hour {
				t.Errorf("alerted after %v", since)
			}
		}
	}
	if before != 1<<30 {
		t.Error("the account that is well was not alerted in a day")
	}
	// Six attempts within the first hour, and then one an hour.
	if most := 30 * (6 + 32); tries > most || tries < 30*20 {
		t.Errorf("%d attempts in a day at 30 accounts, want at most %d", tries, most)
	}
}

// TestRowsOfBefore holds that rows without a number of failures are read as such
// that did not fail, and written as before while they do not.
func TestRowsOfBefore(t *testing.T) {
	for _, row := range []any{&mfadeadline.Deadline{}, &accountcheck.Check{}, &incident.Incident{}} {
		if err := json.Unmarshal([]byte(`{"key": "a/b", "account": "a", "due": "2025-03-01T12:00:00Z"}`), row); err != nil {
			t.Fatal(err)
		}
		raw, err := json.Marshal(row)
		if err != nil || strings.Contains(string(raw), "failures") {
			t.Errorf("%T: %s, %v", row, raw, err)
		}
	}
}
