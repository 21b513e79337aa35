package accountcheck_test

import (
	"rootguard/internal/wiretest"

	"fmt"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"rootguard/internal/accountcheck"
	"rootguard/internal/bootstrap"
	"rootguard/internal/cloudtrail"
	"rootguard/internal/fake"
	"rootguard/internal/wire"

	"rootguard/internal/testenv"
)

// history are the facts of users who signed in each day with MFA, as rootguard 1
// stored them: a sign-in and a live check that found what was known.
func history(users, days int, began time.Time) []bootstrap.Fact {
	yes := true
	var facts []bootstrap.Fact
	for u := range users {
		name, id := fmt.Sprintf("user%d", u), fmt.Sprintf("AIDA%016d", u)
		of := func(kind bootstrap.FactKind, n int, at time.Time) bootstrap.Fact {
			event := fmt.Sprintf("%x-%d-%d", (n*7919)%16, u, n)
			return bootstrap.Fact{Account: wiretest.Account, ID: string(kind) + "/" + event, Kind: kind, Time: at, EventID: event, UserName: name, UserID: id, What: "w"}
		}
		password, mfa := of(bootstrap.PasswordSet, 1, began), of(bootstrap.MFAEnabled, 2, began.Add(time.Hour))
		mfa.Serial = "phone"
		facts = append(facts, of(bootstrap.UserCreated, 0, began), password, mfa)
		for d := range days {
			at := began.Add(time.Duration(24*d+2) * time.Hour)
			signIn := of(bootstrap.UserSignIn, 3+d, at)
			signIn.MFA, signIn.Actor, signIn.ActorID = cloudtrail.Yes, name, id
			facts = append(facts, signIn, bootstrap.LiveFactOf(wiretest.Account, at, bootstrap.LiveFact{UserName: name, UserID: id, ConsoleLogin: &yes, MFADevices: []string{"phone"}}))
		}
	}
	return facts
}

// compacting is a guard over facts.
type compacting struct {
	*land
	before bootstrap.Status
}

func newCompacting(t *testing.T, facts []bootstrap.Fact) *compacting {
	t.Helper()
	l := newLand()
	l.Parts = wiretest.NewParts(wire.Deps{
		Detector: wiretest.DetectorFunc(wiretest.Nothing), Claims: l.Claims, Facts: l.FactRows, FactRows: l.FactRows, Publisher: l.Receivers, Now: l.Clock.Now,
		Deadlines: l.deadlines, Checks: l.rounds,
	}, l.Settings)
	if _, err := l.FactRows.Add(t.Context(), facts); err != nil {
		t.Fatal(err)
	}
	err := l.rounds.Of(accountcheck.KindFacts).Update(t.Context(), wiretest.Account+"/facts", func(r accountcheck.Check) accountcheck.Check {
		return accountcheck.Check{Key: wiretest.Account + "/facts", Account: wiretest.Account, Kind: accountcheck.KindFacts, Due: l.Clock.Now(), Revision: 1}
	})
	if err != nil {
		t.Fatal(err)
	}
	c := &compacting{land: l}
	c.before = c.at(t)
	return c
}

func (c *compacting) at(t *testing.T) bootstrap.Status {
	t.Helper()
	return bootstrap.Fold(wiretest.Account, c.facts(t, wiretest.Account), bootstrap.DefaultOptions(), c.Clock.Now())
}

func (c *compacting) same(t *testing.T) {
	t.Helper()
	if diff := cmp.Diff(c.before, c.at(t)); diff != "" {
		t.Fatalf("the status (-before +after):\n%s", diff)
	}
}

// TestCompactFacts has old facts removed by several runs, and no more.
func TestCompactFacts(t *testing.T) {
	const users, days = 5, 700
	c := newCompacting(t, history(users, days, wiretest.T0.Add(-days*24*time.Hour)))
	removed, runs := 0, 0
	for more := true; more; runs++ {
		did, err := c.CompactFacts(t.Context(), c.Clock.Now())
		if err != nil {
			t.Fatal(err)
		}
		if did.Removed > 5000 {
			t.Errorf("a run removed %d facts", did.Removed)
		}
		removed, more = removed+did.Removed, did.More
		c.same(t)
	}
	// Of each user: created, password, MFA, the streak of sign-ins, those of the
	// last two days, the first live check and those of two days.
	if n := len(c.facts(t, wiretest.Account)); n > users*9 || removed < 6900 || runs != 2 {
		t.Errorf("%d facts are left, %d were removed in %d runs", n, removed, runs)
	}
	if did, err := c.CompactFacts(t.Context(), c.Clock.Now().Add(time.Hour)); did != (accountcheck.Compacted{}) || err != nil {
		t.Errorf("an hour later: %+v, %v", did, err)
	}
	did, err := c.CompactFacts(t.Context(), c.Clock.Now().Add(72*time.Hour))
	if err != nil || did.Accounts != 1 || did.Removed == 0 {
		t.Errorf("three days later: %+v, %v", did, err)
	}
}

// TestCompactFactsInParts has more facts than a run holds in memory.
func TestCompactFactsInParts(t *testing.T) {
	t.Parallel()
	testenv.Soak(t)
	const users, days = 60, 170 // more than 20,000
	c := newCompacting(t, history(users, days, wiretest.T0.Add(-days*24*time.Hour)))
	runs := 0
	for more := true; more; runs++ {
		did, err := c.CompactFacts(t.Context(), c.Clock.Now())
		if err != nil || runs > 20 {
			t.Fatal(runs, err)
		}
		more = did.More
	}
	c.same(t)
	if n := len(c.facts(t, wiretest.Account)); n > users*9 {
		t.Errorf("%d facts are left after %d runs", n, runs)
	}
}

// TestCompactFactsFaults has a run end at any of its calls, and an event come
// again meanwhile.
func TestCompactFactsFaults(t *testing.T) {
	t.Parallel()
	testenv.Soak(t)
	const days = 150
	facts := history(2, days, wiretest.T0.Add(-time.Duration(days)*24*time.Hour))
	for _, f := range []fake.Fault{fake.FailBefore, fake.FailAfter, fake.CrashBefore, fake.CrashAfter} {
		hit := true
		for n := 1; hit; n++ {
			c := newCompacting(t, facts)
			calls := len(c.Script.Calls())
			c.Script.Inject(n, f)
			_, err := c.CompactFacts(t.Context(), c.Clock.Now())
			hit = len(c.Script.Calls()) >= calls+n
			c.Script.Restart()
			if hit && f != fake.FailAfter && err == nil {
				t.Errorf("%v of call %d is no error", f, n)
			}
			c.same(t)
			if _, err := c.FactRows.Add(t.Context(), facts[10:20]); err != nil {
				t.Fatal(err)
			}
			c.same(t)
			if _, err := c.CompactFacts(t.Context(), c.Clock.Now().Add(48*time.Hour)); err != nil {
				t.Fatal(err)
			}
			c.same(t)
			if n := len(c.facts(t, wiretest.Account)); n > 20 {
				t.Errorf("%v of call %d: %d facts are left", f, n, n)
			}
		}
	}
}

// TestOldAccountsAreCompacted: an account of a version that compacted nothing is
// taken in by the discovery of accounts.
func TestOldAccountsAreCompacted(t *testing.T) {
	c := newCompacting(t, history(1, 100, wiretest.T0.Add(-200*24*time.Hour)))
	err := c.rounds.Of(accountcheck.KindFacts).Update(t.Context(), wiretest.Account+"/facts", func(r accountcheck.Check) accountcheck.Check {
		r.Due = time.Time{} // as there is none
		return r
	})
	if err != nil {
		t.Fatal(err)
	}
	for range 3 {
		if _, err := c.DiscoverAccounts(t.Context(), c.home, nil, c.Clock.Now()); err != nil {
			t.Fatal(err)
		}
		c.Clock.Advance(24 * time.Hour)
	}
	if did, err := c.CompactFacts(t.Context(), c.Clock.Now()); err != nil || did.Removed < 150 {
		t.Errorf("%+v, %v", did, err)
	}
}
