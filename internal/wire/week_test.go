package wire_test

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
	"rootguard/internal/wire"
)

const hub = "100000000000"

var begin = time.Date(2026, 3, 2, 9, 0, 0, 0, time.UTC)

// country is an organization as IAM and AWS Organizations know it, and the guard over
// it, on a clock that only the test moves.
type country struct {
	wire.Parts
	clock *fake.Clock
	pub   *fake.Publisher

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
	c := &country{clock: fake.NewClock(begin), pub: &fake.Publisher{}, users: map[string][]*person{}, noMFA: map[string]bool{}, keys: map[string]bool{}}
	for i := range n {
		id := fmt.Sprintf("%012d", 100000000000+i)
		c.accounts = append(c.accounts, id)
		c.noMFA[id], c.keys[id] = i%4 == 1, i%20 == 5
		for u := range users {
			c.users[id] = append(c.users[id], &person{name: fmt.Sprintf("user-%04d-%02d", i, u), id: fmt.Sprintf("AIDA%04d%02d", i, u)})
		}
	}
	ledger, facts := &fake.Ledger{}, &fake.Facts{}
	c.Parts = wire.New(wire.Deps{
		Detector: &detect.Detector{}, Ledger: ledger, Facts: facts, FactRows: facts, Publisher: c.pub, Now: c.clock.Now,
		Deadlines: &fake.Deadlines{}, Checks: &fake.Checks{}, Incidents: &fake.Incidents{},
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

func TestWeek(t *testing.T) {
	c := newCountry(40, 12)
	c.days(t, 7, 5*time.Minute)
	t.Logf("\n%s", c.table(7))
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
