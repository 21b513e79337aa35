package collection_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"text/tabwriter"
	"time"

	"rootguard/internal/accountcheck"
	"rootguard/internal/alert"
	"rootguard/internal/bootstrap"
	"rootguard/internal/detect"
	"rootguard/internal/fake"
	"rootguard/internal/incident"
	"rootguard/internal/testenv"
	"rootguard/internal/wire"
)

const hub = "100000000000"

var begin = time.Date(2026, 3, 2, 9, 0, 0, 0, time.UTC)

// country is an organization as IAM and AWS Organizations know it, and the guard over
// it, on a clock that only the test moves.
type country struct {
	wire.Parts
	clock  *fake.Clock
	pub    *fake.Publisher
	script *fake.Script

	accounts []string
	users    map[string][]*person // by account
	noMFA    map[string]bool      // accounts whose root has no MFA
	keys     map[string]bool      // accounts whose root has an access key
	mails    []mail
}

// person is an IAM user with a console password.
type person struct {
	name, id string
	mfa      bool
}

// mail is an alert, and when it came.
type mail struct {
	alert.Alert
	at time.Time
}

// newCountry is an organization of n accounts with some users each, none of whom has
// MFA; nor have the roots of a quarter of the accounts, and a fifth of these have
// access keys.
func newCountry(n, users int) *country {
	script := &fake.Script{}
	c := &country{clock: fake.NewClock(begin), pub: &fake.Publisher{Script: script}, script: script, users: map[string][]*person{}, noMFA: map[string]bool{}, keys: map[string]bool{}}
	for i := range n {
		id := fmt.Sprintf("%012d", 100000000000+i)
		c.accounts = append(c.accounts, id)
		c.noMFA[id], c.keys[id] = i%4 == 1, i%20 == 5
		for u := range users {
			c.users[id] = append(c.users[id], &person{name: fmt.Sprintf("user-%04d-%02d", i, u), id: fmt.Sprintf("AIDA%04d%02d", i, u)})
		}
	}
	store, facts := &fake.Claims{Script: script}, &fake.Facts{Script: script}
	c.Parts = wire.New(wire.Deps{
		Detector: &detect.Detector{}, Claims: store, Facts: facts, FactRows: facts, Publisher: c.pub, Now: c.clock.Now,
		Deadlines: &fake.Deadlines{Script: script}, Checks: &fake.Checks{Script: script}, Incidents: &fake.Incidents{Script: script},
		AccountName: func(account string) string { return "acct-" + account[8:] },
	}, wire.DefaultSettings())
	return c
}

func (c *country) AccountSummary(_ context.Context, of string) (bootstrap.LiveFact, error) {
	mfa, keys, password := 1, 0, 1
	if c.noMFA[of] {
		mfa = 0
	}
	if c.keys[of] {
		keys = 1
	}
	return bootstrap.LiveFact{AccountMFAEnabled: &mfa, AccountAccessKeysPresent: &keys, AccountPasswordPresent: &password}, nil
}

func (c *country) Users(_ context.Context, of string) (listed []accountcheck.ListedUser, err error) {
	for _, u := range c.users[of] {
		listed = append(listed, accountcheck.ListedUser{Name: u.name, ID: u.id})
	}
	return listed, nil
}

func (c *country) User(_ context.Context, of, name string) (bootstrap.LiveFact, error) {
	i := slices.IndexFunc(c.users[of], func(u *person) bool { return u.name == name })
	if i < 0 {
		return bootstrap.LiveFact{UserName: name, Gone: true}, nil
	}
	password := true
	live := bootstrap.LiveFact{UserName: name, UserID: c.users[of][i].id, ConsoleLogin: &password}
	if c.users[of][i].mfa {
		live.MFADevices = []string{"arn:aws:iam::" + of + ":mfa/" + name}
	}
	return live, nil
}

func (c *country) Members(_ context.Context, token string) (page []accountcheck.Member, next string, err error) {
	for _, id := range c.accounts {
		if id <= token {
			continue
		}
		if len(page) == 20 {
			return page, page[19].Account, nil
		}
		page = append(page, accountcheck.Member{Account: id, Active: true})
	}
	return page, "", nil
}

// sweep is one run of the function sweep: what its main wires, in that order.
func (c *country) sweep() error {
	at := c.clock.Now()
	ctx := incident.AsOf(context.Background(), at)
	var errs [7]error
	_, errs[0] = c.Accounts.CompactFacts(ctx, at)
	_, errs[1] = c.Deadlines.Sweep(ctx, c, at)
	_, errs[2] = c.Incidents.Renotify(ctx, at)
	_, errs[3] = c.Accounts.DiscoverAccounts(ctx, accountcheck.HubAccount{Account: hub, Region: "us-east-1", Members: true}, c, at)
	_, errs[4] = c.Accounts.CheckRoots(ctx, c, nil, at)
	_, errs[5] = c.Accounts.CheckUsers(ctx, c, nil, at)
	_, errs[6] = c.Guard.Flush(ctx, at)
	published := c.pub.Published()
	for _, a := range published[len(c.mails):] {
		c.mails = append(c.mails, mail{a, at})
	}
	return errors.Join(errs[:]...)
}

// days has the schedule run every so often for some days.
func (c *country) days(tb testing.TB, n int, every time.Duration) {
	tb.Helper()
	for end := c.clock.Now().Add(time.Duration(n) * 24 * time.Hour); c.clock.Now().Before(end); c.clock.Advance(every) {
		if err := c.sweep(); err != nil {
			tb.Fatalf("at %v: %v", c.clock.Now(), err)
		}
	}
}

// perDay counts the mails of each day, to one who gets all alerts and to one who gets
// only the worst.
func (c *country) perDay(days int) (all, worst []int) {
	all, worst = make([]int, days), make([]int, days)
	for i := range c.mails {
		day := int(c.mails[i].at.Sub(begin) / (24 * time.Hour))
		all[day]++
		if alert.Escalates(c.mails[i].Alert) {
			worst[day]++
		}
	}
	return all, worst
}

// table is what perDay counts, for people.
func (c *country) table(days int) string {
	all, worst := c.perDay(days)
	var text strings.Builder
	w := tabwriter.NewWriter(&text, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintf(w, "mails a day, %d accounts\t", len(c.accounts))
	for d := range days {
		fmt.Fprintf(w, "day %d\t", d+1)
	}
	fmt.Fprint(w, "sum\t\n")
	row := func(name string, counts []int) {
		fmt.Fprintf(w, "%s\t", name)
		sum := 0
		for _, n := range counts {
			fmt.Fprintf(w, "%d\t", n)
			sum += n
		}
		fmt.Fprintf(w, "%d\t\n", sum)
	}
	row("all alerts", all)
	row("the worst", worst)
	_ = w.Flush() // a Builder takes all
	return text.String()
}

// notices counts what the mails say, by the EventID that each would have by itself, and
// how often each repeat of an incident was sent.
func (c *country) notices() map[string]int {
	said := map[string]int{}
	for i := range c.mails {
		a := &c.mails[i].Alert
		if a.Kind == alert.Resend && a.Summary == nil {
			said[fmt.Sprintf("%s, repeat %d", a.Incident.ID, a.Incident.Repeat)]++
			continue
		}
		for _, one := range alert.Each(*a) {
			said[one.Finding.EventID]++
		}
		if a.Summary == nil {
			continue
		}
		for _, of := range a.Summary.Accounts {
			for _, it := range of.Findings {
				if it.Stage == alert.StageRepeat {
					said[fmt.Sprintf("%s, repeat %d", it.Incident, it.Repeat)]++
				}
			}
		}
	}
	return said
}

// mostADay is how many mails one receiver is sent in a day at most.
const mostADay = 12

// checkDays holds that no receiver has more mails a day than that, and that nothing is
// said twice.
func (c *country) checkDays(tb testing.TB, days int) {
	tb.Helper()
	all, _ := c.perDay(days)
	if most := slices.Max(all); most > mostADay {
		tb.Errorf("%d mails in one day, want at most %d", most, mostADay)
	}
	for what, n := range c.notices() {
		if n > 1 {
			tb.Errorf("%s was sent %d times", what, n)
		}
	}
}

// TestWeek is the first week in an organization of 40 accounts with 12 users without
// MFA each, 10 roots without MFA and two root access keys, of which no one acknowledges
// or fixes any: at most 12 mails a day, and all of it is said.
func TestWeek(t *testing.T) {
	testenv.Soak(t)
	c := newCountry(40, 12)
	c.days(t, 7, 5*time.Minute)
	t.Logf("\n%s", c.table(7))
	c.checkDays(t, 7)

	stages := map[string]map[alert.Stage]int{} // by user
	var text strings.Builder                   // of the mail in which users are first named
	for i := range c.mails {
		a := &c.mails[i].Alert
		if a.Summary == nil || a.Kind == alert.Resend {
			continue
		}
		if i == 0 {
			text.WriteString(alert.Text(*a))
		}
		for _, of := range a.Summary.Accounts {
			for _, it := range of.Findings {
				who := of.Account + "/" + it.User
				if stages[who] == nil {
					stages[who] = map[alert.Stage]int{}
				}
				stages[who][it.Stage]++
				if it.User != "" && it.MFADue.At.IsZero() {
					t.Errorf("%s is named without its deadline", who)
				}
			}
		}
	}
	for _, account := range c.accounts {
		for _, u := range c.users[account] {
			got := stages[account+"/"+u.name]
			if got[alert.StagePending] != 1 || got[alert.StageOverdue] != 1 || got[alert.StageReminder] != 2 || got[alert.StageLast] != 1 {
				t.Errorf("%s of %s: %v", u.name, account, got)
			}
			if !strings.Contains(text.String(), u.name) {
				t.Errorf("%s is not in the text", u.name)
			}
		}
		want := 0
		if c.noMFA[account] {
			want++
		}
		if c.keys[account] {
			want++
		}
		if got := stages[account+"/"][alert.StageOpen]; got != want {
			t.Errorf("%d problems of the root of %s are alerted, want %d", got, account, want)
		}
	}

	// One incident for the users of an account, one for each problem of a root.
	incidents := map[string]int{}
	for what := range c.notices() {
		if id, _, is := strings.Cut(what, ", repeat "); is {
			incidents[id]++
		}
	}
	if len(incidents) != 40+12 {
		t.Errorf("%d incidents were sent again, want 52", len(incidents))
	}
	for id, n := range incidents {
		if n != 2 {
			t.Errorf("incident %s was sent again %d times, want 2", id, n)
		}
	}
}

// TestWeekOfArrivals has the accounts join one after another, so that their deadlines are
// spread over a day, and a root lose its MFA later on: that alone makes an alert.
func TestWeekOfArrivals(t *testing.T) {
	testenv.Soak(t)
	c := newCountry(40, 12)
	all := c.accounts
	c.accounts = all[:1]
	for i := range all[1:] {
		for range 7 {
			if err := c.sweep(); err != nil {
				t.Fatal(err)
			}
			c.clock.Advance(5 * time.Minute)
		}
		c.accounts = all[:i+2]
		if _, err := c.Accounts.Enroll(t.Context(), c, all[i+1], c.clock.Now(), nil); err != nil {
			t.Fatal(err)
		}
	}
	const step = 5 * time.Minute
	c.days(t, 3, step)
	before := len(c.mails)
	c.noMFA[all[0]] = true
	c.days(t, 3, step)
	t.Logf("\n%s", c.table(8))
	for what, n := range c.notices() {
		if n > 1 {
			t.Errorf("%s was sent %d times", what, n)
		}
	}
	users := make([]int, 8)
	for i := range c.mails {
		if strings.HasPrefix(string(c.mails[i].Finding.ID), "user.") {
			users[int(c.mails[i].at.Sub(begin)/(24*time.Hour))]++
		}
	}
	if most := slices.Max(users); most > 9 { // five as they come, then one every six hours
		t.Errorf("%d mails about users in one day: %v", most, users)
	}
	single := 0
	for _, m := range c.mails[before:] {
		if m.Kind == alert.First && m.Finding.ID == detect.RootMFARemoved && m.Finding.Account == all[0] && m.Summary == nil {
			single++
		}
	}
	if single != 1 {
		t.Errorf("%d alerts that the MFA of a root is gone, want one of its own", single)
	}
}

// BenchmarkWeek prints the mails of the first week in an organization of 1,000
// accounts with 12 users each.
func BenchmarkWeek(b *testing.B) {
	for b.Loop() {
		c := newCountry(1000, 12)
		c.days(b, 7, 15*time.Minute)
		b.Logf("\n%s", c.table(7))
	}
}
