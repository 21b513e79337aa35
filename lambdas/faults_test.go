package lambdas_test

import (
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"rootguard/internal/aws/dynamodb/dynamotest"
	"rootguard/internal/aws/iam/iamtest"
	"rootguard/internal/cloudtrail"
	"rootguard/internal/config"
	"rootguard/internal/detect"
	"rootguard/internal/failure"
	"rootguard/internal/fake"
	"rootguard/internal/guard"
	"rootguard/internal/lambdatest"
	"rootguard/internal/repeats"
	"rootguard/internal/testenv"
	"rootguard/internal/wire"
)

// due has n users of an account whose time to get MFA ended half an hour ago.
func (c *cloud) due(tb testing.TB, of string, n int) {
	tb.Helper()
	g := wire.New(wire.Deps{
		Detector: &detect.Detector{}, Claims: c.store, Facts: c.store, Deadlines: c.store.Deadlines(), Publisher: &fake.Publisher{}, Now: time.Now,
	}, wire.Settings{}).Guard
	at := time.Now().Add(-24*time.Hour - 30*time.Minute)
	users := map[string]iamtest.User{}
	next := make(chan string)
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			for name := range next {
				// No finding is made of it: it was reported a day ago.
				rec := &cloudtrail.Record{
					EventID: of + name, EventTime: at, EventType: "AwsApiCall", EventSource: "iam.amazonaws.com", EventName: "CreateLoginProfile",
					RecipientAccountID: of, RequestParameters: fmt.Appendf(nil, `{"userName":%q}`, name), ResponseElements: []byte(`{}`),
					UserIdentity: cloudtrail.UserIdentity{Type: "IAMUser", UserName: "admin", PrincipalID: "AIDAADMIN"},
				}
				// They share a row; who loses it too often is delivered again.
				_, err := g.Handle(tb.Context(), rec)
				for attempt := 1; err != nil && failure.Retryable(err) && attempt < 10; attempt++ {
					_, err = g.Handle(tb.Context(), rec)
				}
				if err != nil {
					tb.Errorf("handling the password of %s: %v", name, err)
				}
			}
		})
	}
	for i := range n {
		name := fmt.Sprintf("user%05d", i)
		users[name] = iamtest.User{Password: true}
		next <- name
	}
	close(next)
	wg.Wait()
	c.iam.Set(of, iamtest.Account{Users: users})
}

// missing is how many users were reported as without MFA, alone or in a roll-up,
// in how many alerts, and how many copies of these came beyond the first.
func (c *cloud) missing(tb testing.TB) (users, alerts, copies int) {
	tb.Helper()
	seen := map[string]bool{}
	for _, a := range c.alerts(tb) {
		switch {
		case a.Finding.ID != detect.UserMFAMissing:
		case seen[a.ID]:
			copies++
		default:
			seen[a.ID] = true
			n := max(1, a.Count)
			if a.Summary != nil {
				n = a.Summary.FindingCount
			}
			users, alerts = users+n, alerts+1
		}
	}
	return users, alerts, copies
}

func (c *cloud) stillDue(tb testing.TB) int {
	tb.Helper()
	due, err := c.store.Deadlines().Due(tb.Context(), time.Now(), 100)
	if err != nil {
		tb.Fatal(err)
	}
	return len(due)
}

// TestSweepsOverlap has several processes sweep the same users at the same time.
func TestSweepsOverlap(t *testing.T) {
	t.Parallel()
	testenv.Soak(t)
	const n = 40
	c := newCloud(t)
	c.due(t, account, n)
	sweeps := make([]*lambdatest.Function, 4)
	for i := range sweeps {
		sweeps[i] = c.start(t, "sweep")
	}
	// They go on when all have asked what is due, in the four parts of the index.
	var asked atomic.Int64
	all := make(chan struct{})
	c.table.Before(func(op string) {
		if op != "Query" {
			return
		}
		if asked.Add(1) == int64(4*len(sweeps)) {
			close(all)
		}
		select {
		case <-all:
		case <-time.After(time.Minute):
			t.Error("the sweeps do not overlap")
		}
	})
	at := time.Now()
	var wg sync.WaitGroup
	for _, f := range sweeps {
		wg.Go(func() {
			if res, err := f.Invoke(t.Context(), scheduled(at)); err != nil || res.Error != nil {
				t.Errorf("sweeping: %v, %v", err, res.Error)
			}
		})
	}
	wg.Wait()
	handled(t, sweeps[0], scheduled(at))                     // what two were at, neither moved on
	handled(t, sweeps[1], scheduled(at.Add(20*time.Minute))) // and the roll-up
	if users, alerts, copies := c.missing(t); users != n || alerts > 10+len(sweeps)+2 || copies != 0 {
		t.Errorf("%d users in %d alerts, %d copies; want %d in ten and a roll-up a sweep, and none", users, alerts, copies, n)
	}
	if due := c.stillDue(t); due != 0 {
		t.Errorf("%d are still due", due)
	}
}

// TestSweepIsKilled kills the process of a sweep at each of its requests to
// DynamoDB, before or after it is done. The next sweep shows all the same.
func TestSweepIsKilled(t *testing.T) {
	t.Parallel()
	testenv.Soak(t)
	requests, copied := 0, 0
	for n := 1; requests == 0; n++ {
		for _, done := range []bool{false, true} {
			c := newCloud(t)
			c.due(t, account, 1)
			f := c.start(t, "sweep")
			var count atomic.Int64
			c.table.Before(func(string) {
				if count.Add(1) == int64(n) {
					f.Kill()
				}
			})
			if !done {
				c.table.InjectAt(n, dynamotest.Fault{})
			}
			if _, err := f.Invoke(t.Context(), []byte(schedule)); err == nil {
				requests = n - 1 // in all
				break
			}
			c.table.Before(nil)
			next := c.start(t, "sweep")
			for range 2 { // what was on its way may arrive after the first
				c.leasesEnd(t)
				handled(t, next, []byte(schedule))
			}
			users, _, copies := c.missing(t)
			if users != 1 || copies > 1 || c.stillDue(t) != 0 {
				t.Errorf("killed at request %d, done %v: %d users alerted, %d copies, %d still due", n, done, users, copies, c.stillDue(t))
			}
			copied += copies
		}
	}
	if requests < 10 {
		t.Errorf("a sweep makes only %d requests", requests)
	}
	// Between the alert and its mark are a read and a write, which is not done.
	if copied < 1 || copied > 3 {
		t.Errorf("%d copies came in all", copied)
	}
}

// leasesEnd has the time pass for which claims are leased.
func (c *cloud) leasesEnd(t *testing.T) {
	t.Helper()
	var claims []guard.Claim
	for _, of := range []string{account, "collected"} { // claims of its own, and those of what goes out together
		if err := c.store.Claims(t.Context(), of, func(one guard.Claim) error { claims = append(claims, one); return nil }); err != nil {
			t.Fatal(err)
		}
	}
	var gr guard.Group // of what goes out together, whose claim has no finding
	if err := c.store.UpdateGroup(t.Context(), "collected/users", func(was guard.Group) guard.Group { gr = was; return guard.Group{} }); err != nil {
		t.Fatal(err)
	}
	claims = append(claims, guard.Claim{Key: fmt.Sprintf("group/collected/users/%d", gr.Sent)})
	for _, one := range claims {
		err := c.store.Update(t.Context(), one.Key, "", func(was guard.Claim, _ repeats.Series) (guard.Claim, repeats.Series) {
			if was.State != guard.Leased {
				return guard.Claim{}, repeats.Series{}
			}
			was.LeaseUntil = time.Now().Add(-time.Second)
			return was, repeats.Series{}
		})
		if err != nil {
			t.Fatal(err)
		}
	}
}

// TestSweepOfMany has many users due, each of whom is reported once, within little
// memory. BenchmarkSweep has many more.
func TestSweepOfMany(t *testing.T) {
	t.Parallel()
	testenv.Soak(t)
	const n = 600
	c := newCloud(t)
	c.due(t, account, n)
	f, err := lambdatest.Start(t.Context(), lambdatest.Options{Binary: binary(t, "sweep"), Env: c.env, Timeout: 4 * time.Minute})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = f.Close() })
	at := time.Now()
	runs := 0
	for ; c.stillDue(t) > 0 && runs < 10; runs++ {
		handled(t, f, scheduled(at))
	}
	handled(t, f, scheduled(at.Add(20*time.Minute)))
	if users, alerts, copies := c.missing(t); users != n || alerts > 11+runs || copies != 0 {
		t.Errorf("%d runs alerted %d users in %d alerts, %d copies; want %d in ten and a roll-up a run, and none", runs, users, alerts, copies, n)
	}
	rss, err := f.MaxRSS()
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("%d users in %d runs, at most %d MiB", n, runs, rss>>20)
	if rss > 96<<20 {
		t.Errorf("the process had %d MiB", rss>>20)
	}
}

// TestUndeliveredAtMember has an event wait at a member account that could not be
// sent to the guard.
func TestUndeliveredAtMember(t *testing.T) {
	t.Parallel()
	c := newCloud(t)
	c.env[config.EnvMemberRole] = "rootguard-member"
	c.env[config.EnvRegions] = "eu-north-1"
	c.iam.AllowRole("arn:aws:iam::" + member + ":role/rootguard-member")
	c.names.Set(map[string]string{account: "hub", member: "billing"})
	well := map[string]int{"AccountMFAEnabled": 1, "AccountAccessKeysPresent": 0, "AccountPasswordPresent": 1}
	c.iam.Set(account, iamtest.Account{Summary: well})
	c.iam.Set(member, iamtest.Account{Summary: well})
	sweep := c.start(t, "sweep")
	now := time.Date(2025, 3, 5, 0, 0, 0, 0, time.UTC)
	pass := func(hours int) (alerts []string) {
		t.Helper()
		for range hours * 2 {
			now = now.Add(30 * time.Minute)
			handled(t, sweep, scheduled(now))
		}
		for _, a := range c.alerts(t) {
			if f := a.Finding; f.Target.Resource == "queue.forward" {
				alerts = append(alerts, fmt.Sprintf("%s %s %s %s", f.ID, a.AccountName, f.Region, strings.TrimPrefix(f.Detail, "Events of this account that ")))
			}
		}
		return alerts
	}
	if alerts := pass(2); len(alerts) != 0 {
		t.Errorf("alerts: %q", alerts)
	}
	c.queues.Send(config.ForwardQueue("rootguard"), "an event")
	alerts := pass(3)
	if len(alerts) != 2 || !strings.HasPrefix(alerts[0], "guard.unhealthy billing us-east-1 EventBridge could not send to rootguard wait in a queue, about 1.") ||
		!strings.Contains(alerts[1], "--queue https://sqs.eu-north-1.amazonaws.com/"+member+"/rootguard-forward-undelivered") {
		t.Errorf("alerts: %q", alerts)
	}
}
