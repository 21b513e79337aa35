package lambdas_test

import (
	"fmt"
	"os"
	"slices"
	"strconv"
	"testing"
	"time"

	"rootguard/internal/aws/iam/iamtest"
	"rootguard/internal/bootstrap"
	"rootguard/internal/cloudtrail"
	"rootguard/internal/lambdatest"
	"rootguard/internal/testenv"
)

// goalHistory is what a sweep may have resident, however long an account's history is.
const goalHistory = 100 << 20

// past makes the facts of an account whose users sign in once a day, with MFA,
// and of whose root an access key is used every hour.
type past struct {
	users int
	n     int // events so far
}

func (p *past) fact(kind bootstrap.FactKind, user int, at time.Time) bootstrap.Fact {
	p.n++
	id := fmt.Sprintf("%08x-1111-2222-3333-%012x", uint32(p.n)*2654435761, p.n)
	return bootstrap.Fact{Account: account, ID: string(kind) + "/" + id, Kind: kind, Time: at.UTC(), EventID: id,
		Actor: nameOf(user), ActorID: idOf(user), UserName: nameOf(user), UserID: idOf(user), What: "ConsoleLogin, MFAUsed=Yes"}
}

func nameOf(user int) string { return fmt.Sprintf("firstname.lastname%04d", user) }

func idOf(user int) string { return fmt.Sprintf("AIDA%016d", user) }

func serialOf(user int) string { return "arn:aws:iam::" + account + ":mfa/" + nameOf(user) }

// begin makes the users.
func (p *past) begin(at time.Time) (facts []bootstrap.Fact) {
	for user := range p.users {
		mfa := p.fact(bootstrap.MFAEnabled, user, at.Add(time.Minute))
		mfa.Serial = serialOf(user)
		facts = append(facts, p.fact(bootstrap.UserCreated, user, at), p.fact(bootstrap.PasswordSet, user, at), mfa)
	}
	return facts
}

// day is one day: each sign-in leaves a fact, and the live check after it another.
func (p *past) day(at time.Time) (facts []bootstrap.Fact) {
	yes := true
	for user := range p.users {
		at := at.Add(9*time.Hour + time.Duration(user)*time.Second)
		signIn := p.fact(bootstrap.UserSignIn, user, at)
		signIn.MFA = cloudtrail.Yes
		facts = append(facts, signIn, bootstrap.LiveFactOf(account, at, bootstrap.LiveFact{
			UserName: nameOf(user), UserID: idOf(user), ConsoleLogin: &yes, MFADevices: []string{serialOf(user)},
		}))
	}
	for hour := range 24 {
		f := p.fact(bootstrap.RootActivity, 0, at.Add(time.Duration(hour)*time.Hour))
		f.ID = string(f.Kind) + "/AKIAROOT/-/" + f.Time.Format("2006-01-02T15")
		f.UserName, f.UserID, f.Actor, f.ActorID, f.AccessKeyID = "", "", "root", "", "AKIAROOT"
		facts = append(facts, f)
	}
	return facts
}

// known has IAM know the users as they are.
func (p *past) known(c *cloud) {
	users := map[string]iamtest.User{}
	for user := range p.users {
		users[nameOf(user)] = iamtest.User{Password: true, Devices: []string{serialOf(user)}}
	}
	c.iam.Set(account, iamtest.Account{Users: users})
}

// record puts facts on record, as they were before any was compacted.
func record(tb testing.TB, c *cloud, facts []bootstrap.Fact) {
	tb.Helper()
	for some := range slices.Chunk(facts, 1000) {
		if _, err := c.store.Add(tb.Context(), some); err != nil {
			tb.Fatal(err)
		}
	}
}

// onRecord is how many facts there are.
func onRecord(tb testing.TB, c *cloud) int {
	tb.Helper()
	facts, err := c.store.Facts(tb.Context(), account)
	if err != nil {
		tb.Fatal(err)
	}
	return len(facts)
}

// sweeps runs the function at some times and returns the most memory it had.
func sweeps(tb testing.TB, c *cloud, runs int, times func(run int) time.Time) int64 {
	tb.Helper()
	f, err := lambdatest.Start(tb.Context(), lambdatest.Options{Binary: binary(tb, "sweep"), Env: c.env, Timeout: 4 * time.Minute})
	if err != nil {
		tb.Fatal(err)
	}
	defer func() { _ = f.Close() }()
	for run := range runs {
		if res, err := f.Invoke(tb.Context(), scheduled(times(run))); err != nil || res.Error != nil {
			tb.Fatalf("run %d: %v, %+v", run, err, res.Error)
		}
	}
	rss, err := f.MaxRSS()
	if err != nil {
		tb.Fatal(err)
	}
	return rss
}

// TestHistoryGrows: the table of a version that kept every fact is compacted by
// the sweeps, none of which takes the memory that the history would.
func TestHistoryGrows(t *testing.T) {
	t.Parallel()
	testenv.Soak(t)
	const days = 90
	c, p := newCloud(t), &past{users: 10}
	now := time.Now()
	facts := p.begin(now.Add(-time.Duration(days) * 24 * time.Hour))
	for day := range days {
		facts = append(facts, p.day(now.Add(time.Duration(day-days)*24*time.Hour))...)
	}
	record(t, c, facts)
	p.known(c)
	rss := sweeps(t, c, 4, func(run int) time.Time { return now.Add(time.Duration(run) * 5 * time.Minute) })
	// Of each user what was set up, two streaks' ends and two days; of root thirty days.
	n := onRecord(t, c)
	t.Logf("%d facts became %d, with at most %.0f MB", len(facts), n, mb(rss))
	if most := p.users*9 + 31*24 + 2; n > most || rss > goalHistory {
		t.Errorf("%d facts are left of %d, want at most %d; %.0f MB were taken, want at most %d", n, len(facts), most, mb(rss), goalHistory>>20)
	}
}

// TestFactsASignIn: sign-ins that change nothing leave no more than the first and
// the last of them.
func TestFactsASignIn(t *testing.T) {
	t.Parallel()
	c := newCloud(t)
	c.iam.Set(account, iamtest.Account{Users: map[string]iamtest.User{"eve": {Password: true, Devices: []string{device}}}})
	f := c.start(t, "iamuser")
	for i := range 5 {
		c.eventAge = time.Duration(10+i) * time.Minute
		handled(t, f, c.record(fmt.Sprintf("s-%d", i), "signin.amazonaws.com", "ConsoleLogin", map[string]any{
			"eventType":        "AwsConsoleSignIn",
			"userIdentity":     map[string]any{"type": "IAMUser", "principalId": "AIDAEVE", "arn": "arn:aws:iam::" + account + ":user/eve", "accountId": account, "userName": "eve"},
			"responseElements": map[string]any{"ConsoleLogin": "Success"}, "additionalEventData": map[string]any{"MFAUsed": "Yes"},
		}))
	}
	before := c.user(t)
	sweeps(t, c, 2, func(run int) time.Time { return time.Now().Add(72*time.Hour + time.Duration(run)*5*time.Minute) })
	facts, err := c.store.Facts(t.Context(), account)
	if err != nil {
		t.Fatal(err)
	}
	if len(facts) > 3 { // a streak, and two live checks at most
		t.Errorf("5 sign-ins, of which none changed anything, left %d facts for ever", len(facts))
	}
	if after := c.user(t); !after.LastSignIn.Equal(before.LastSignIn) || after.MFA != bootstrap.MFAOn {
		t.Errorf("before %+v, after %+v", before, after)
	}
}

// BenchmarkHistory has an account whose users sign in every day, for a year and
// for many, and prints what a sweep takes at the end of each. It fails where the
// many take more than goalHistory, or a quarter more than the one. The users are
// 1,000 and the years ten, which takes some five minutes on two cores, most of them
// for the 4,000 compactions: ROOTGUARD_HISTORY_USERS and ROOTGUARD_HISTORY_YEARS make
// them fewer.
func BenchmarkHistory(b *testing.B) {
	users, years := setting(b, "ROOTGUARD_HISTORY_USERS", 1000), setting(b, "ROOTGUARD_HISTORY_YEARS", 10)
	for b.Loop() {
		one := historyOf(b, users, 1)
		if many := historyOf(b, users, years); many > goalHistory || many > one+one/4 {
			b.Errorf("a sweep takes %.0f MB after %d years, and %.0f after one", mb(many), years, mb(one))
		}
	}
}

func setting(b *testing.B, name string, otherwise int) int {
	b.Helper()
	text := os.Getenv(name)
	if text == "" {
		return otherwise
	}
	n, err := strconv.Atoi(text)
	if err != nil || n < 1 {
		b.Fatalf("%s=%q: want a number from 1 on", name, text)
	}
	return n
}

// historyOf lives through some years, compacting once a day as the sweep does,
// and returns the most memory of the sweeps of the last day.
func historyOf(b *testing.B, users, years int) int64 {
	b.Helper()
	c, p := newCloud(b), &past{users: users}
	now := time.Now()
	began := now.AddDate(-years, 0, 0)
	kept, events := map[string]bootstrap.Fact{}, 0
	add := func(facts []bootstrap.Fact) {
		for _, f := range facts {
			kept[f.ID] = f
		}
	}
	facts := func() []bootstrap.Fact {
		all := make([]bootstrap.Fact, 0, len(kept))
		for _, f := range kept {
			all = append(all, f)
		}
		return all
	}
	add(p.begin(began))
	for day := began; day.Before(now.Add(-24 * time.Hour)); day = day.Add(24 * time.Hour) {
		today := p.day(day)
		events += len(today)
		add(today)
		plan := bootstrap.Compact(account, facts(), day.Add(24*time.Hour))
		add(plan.Put)
		for _, f := range plan.Drop {
			delete(kept, f.ID)
		}
	}
	record(b, c, facts())
	p.known(c)
	rss := sweeps(b, c, 6, func(run int) time.Time { return now.Add(time.Duration(run) * 6 * time.Hour) })
	b.Logf("%d users, %d years, %d facts: %d are on record, and a sweep takes at most %.0f MB", users, years, events, len(kept), mb(rss))
	return rss
}
