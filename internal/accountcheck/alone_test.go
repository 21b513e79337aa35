package accountcheck_test

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"testing"
	"time"

	"rootguard/internal/accountcheck"
	"rootguard/internal/bootstrap"
	"rootguard/internal/collection"
	"rootguard/internal/detect"
	"rootguard/internal/fake"
	"rootguard/internal/guard"
	"rootguard/internal/mfadeadline"
	"rootguard/internal/wiretest"
)

// alone is a Checker alone, whose alerts and notices are kept and go nowhere.
type alone struct {
	*accountcheck.Checker
	script    *fake.Script
	clock     *fake.Clock
	checks    *fake.Checks
	facts     *fake.Facts
	deadlines *fake.Deadlines
	iam       *iamFake

	raise   func(detect.Finding) error // nil: all are alerted
	as      guard.Disposition          // "": alerted
	raised  []detect.Finding
	noticed []detect.Finding
	claimed []string // event IDs
	more    []bool   // of each Send
}

func newAlone(settings accountcheck.Settings) *alone {
	s := &fake.Script{}
	b := &alone{script: s, clock: fake.NewClock(wiretest.T0), checks: &fake.Checks{Script: s}, facts: &fake.Facts{Script: s}, deadlines: &fake.Deadlines{Script: s}, iam: newIAM()}
	b.Checker = accountcheck.New(accountcheck.Deps{
		Guard: b, Notices: b, Facts: b.facts, FactRows: b.facts, Checks: b.checks, Deadlines: b.deadlines, Now: b.clock.Now,
	}, settings)
	return b
}

func (b *alone) Raise(_ context.Context, f detect.Finding) (guard.Result, error) {
	if b.raise != nil {
		if err := b.raise(f); err != nil {
			return guard.Result{}, err
		}
	}
	b.raised = append(b.raised, f)
	return guard.Result{Disposition: cmp.Or(b.as, guard.Alerted)}, nil
}

func (b *alone) Collect(_ context.Context, _ collection.Name, n guard.Notice) (guard.Result, error) {
	b.noticed = append(b.noticed, n.Finding)
	return guard.Result{Disposition: guard.RolledUp}, nil
}

func (b *alone) Claimed(_ context.Context, f *detect.Finding) (bool, error) {
	return slices.Contains(b.claimed, f.EventID), nil
}

func (b *alone) Send(_ context.Context, _ collection.Name, _ time.Time, more bool) (int, error) {
	b.more = append(b.more, more)
	return 0, nil
}

// put stores a check of an account, due now where it does not say when.
func (b *alone) put(t *testing.T, account string, kind accountcheck.Kind, row accountcheck.Check) {
	t.Helper()
	row.Key, row.Account, row.Kind, row.Revision = account+"/"+string(kind), account, kind, 1
	if row.Due.IsZero() {
		row.Due = b.clock.Now()
	}
	storeCheck(t, b.checks, row)
}

func (b *alone) row(t *testing.T, account string, kind accountcheck.Kind) accountcheck.Check {
	t.Helper()
	return checkOf(t, b.checks, account, kind)
}

func storeCheck(t failer, checks *fake.Checks, row accountcheck.Check) {
	t.Helper()
	if err := checks.Of(row.Kind).Update(context.Background(), row.Key, func(accountcheck.Check) accountcheck.Check { return row }); err != nil {
		t.Fatalf("storing check %s: %v", row.Key, err)
	}
}

func checkOf(t *testing.T, checks *fake.Checks, account string, kind accountcheck.Kind) accountcheck.Check {
	t.Helper()
	row, err := checks.Of(kind).Get(t.Context(), account+"/"+string(kind))
	if err != nil {
		t.Fatal(err)
	}
	return row
}

func (b *alone) factsOf(t *testing.T, account string) []bootstrap.Fact {
	t.Helper()
	return factsOf(t, b.facts, account)
}

func factsOf(t *testing.T, rows *fake.Facts, account string) []bootstrap.Fact {
	t.Helper()
	facts, err := rows.Facts(t.Context(), account)
	if err != nil {
		t.Fatal(err)
	}
	return facts
}

// know puts users on record as a live check found them some time ago.
func (b *alone) know(t *testing.T, account string, ago time.Duration, users ...bootstrap.LiveFact) {
	t.Helper()
	for _, u := range users {
		if _, err := b.facts.Add(t.Context(), []bootstrap.Fact{bootstrap.LiveFactOf(account, b.clock.Now().Add(-ago), u)}); err != nil {
			t.Fatal(err)
		}
	}
}

// tracked are the users that have a deadline, with the time until it.
func (b *alone) tracked(t *testing.T) map[string]time.Duration {
	t.Helper()
	due, err := b.deadlines.Due(t.Context(), b.clock.Now().Add(1000*time.Hour), 1000)
	if err != nil {
		t.Fatal(err)
	}
	in := map[string]time.Duration{}
	for _, d := range due {
		in[d.User] = d.Due.Sub(b.clock.Now())
	}
	return in
}

func (b *alone) track(t *testing.T, account, user string, in time.Duration) {
	t.Helper()
	key := account + "/" + user
	err := b.deadlines.Update(t.Context(), key, func(mfadeadline.Deadline) mfadeadline.Deadline {
		return mfadeadline.Deadline{Key: key, Account: account, User: user, Due: b.clock.Now().Add(in), Revision: 1}
	})
	if err != nil {
		t.Fatal(err)
	}
}

// until is a context whose time is up by its own clock.
type until struct {
	context.Context
	at time.Time
}

func (u until) Deadline() (time.Time, bool) { return u.at, true }

// within is a context that has a time left by its own clock.
func (b *alone) within(t *testing.T, left time.Duration) context.Context {
	t.Helper()
	return until{t.Context(), b.clock.Now().Add(left)}
}

// memberID is the n-th account besides the guard's own.
func memberID(n int) string { return fmt.Sprintf("2%011d", n) }

// iamHook is IAM that does something at each answer about users.
type iamHook struct {
	*iamFake
	listed  func(account string)
	checked func(name string)
}

func (h *iamHook) Users(ctx context.Context, of string) ([]accountcheck.ListedUser, error) {
	if h.listed != nil {
		h.listed(of)
	}
	return h.iamFake.Users(ctx, of)
}

func (h *iamHook) User(ctx context.Context, of, name string) (bootstrap.LiveFact, error) {
	if h.checked != nil {
		h.checked(name)
	}
	return h.iamFake.User(ctx, of, name)
}
