package accountcheck_test

import (
	"rootguard/internal/wiretest"

	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"rootguard/internal/accountcheck"
	"rootguard/internal/testenv"

	"rootguard/internal/alert"
	"rootguard/internal/bootstrap"
	"rootguard/internal/cloudtrail"
	"rootguard/internal/detect"
	"rootguard/internal/fake"
	"rootguard/internal/mfadeadline"
	"rootguard/internal/wire"
)

// The guard's own account, and others.
const (
	home   = wiretest.Account
	member = "222222222222"
)

var errDenied = errors.New("AccessDenied")

// rootUser is a root user as IAM knows it.
type rootUser struct{ mfa, keys, password int }

func (r rootUser) answer() bootstrap.LiveFact {
	return bootstrap.LiveFact{AccountMFAEnabled: &r.mfa, AccountAccessKeysPresent: &r.keys, AccountPasswordPresent: &r.password}
}

var good = rootUser{mfa: 1, password: 1}

// iamUser is an IAM user of an account.
type iamUser struct {
	name, id string
	wiretest.LiveUser
	created time.Time // zero: no credential report is believed about it
}

// iamFake is IAM in several accounts.
type iamFake struct {
	mu       sync.Mutex
	roots    map[string]rootUser
	users    map[string][]iamUser
	down     map[string]bool // accounts that it does not answer about
	deaf     map[string]bool // users that it does not answer about
	unlisted map[string]bool // users that it knows and does not list
	checked  map[string]int  // checks by "account" or "account/user"
	lists    int
}

func newIAM() *iamFake {
	return &iamFake{roots: map[string]rootUser{}, users: map[string][]iamUser{}, down: map[string]bool{}, deaf: map[string]bool{}, unlisted: map[string]bool{}, checked: map[string]int{}}
}

func (f *iamFake) AccountSummary(ctx context.Context, of string) (bootstrap.LiveFact, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.checked[of]++
	if root, ok := f.roots[of]; ok && !f.down[of] && ctx.Err() == nil {
		return root.answer(), nil
	}
	return bootstrap.LiveFact{}, errDenied
}

func (f *iamFake) Users(ctx context.Context, of string) ([]accountcheck.ListedUser, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.lists++
	if f.down[of] || ctx.Err() != nil {
		return nil, errDenied
	}
	var listed []accountcheck.ListedUser
	for _, u := range f.users[of] {
		if !f.unlisted[u.name] {
			listed = append(listed, accountcheck.ListedUser{Name: u.name, ID: u.id, Created: u.created})
		}
	}
	return listed, nil
}

func (f *iamFake) User(_ context.Context, of, name string) (bootstrap.LiveFact, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.checked[of+"/"+name]++
	if f.down[of] || f.deaf[name] {
		return bootstrap.LiveFact{}, wiretest.ErrThrottled
	}
	i := slices.IndexFunc(f.users[of], func(u iamUser) bool { return u.name == name })
	if i < 0 {
		return bootstrap.LiveFact{UserName: name, Gone: true}, nil
	}
	u := f.users[of][i]
	live := bootstrap.LiveFact{UserName: name, ConsoleLogin: &u.Password}
	if u.MFA {
		live.MFADevices = []string{"arn:aws:iam::" + of + ":mfa/" + name}
	}
	return live, nil
}

// orgFake is an organization whose pages have two accounts.
type orgFake struct {
	active  map[string]bool
	refuse  error
	expired bool // every token that is not ""
}

func (o *orgFake) Members(_ context.Context, token string) (page []accountcheck.Member, next string, err error) {
	if o.refuse != nil || o.expired && token != "" {
		return nil, "", cmpErr(o.refuse, errors.New("InvalidInputException: token"))
	}
	for _, id := range slices.Sorted(maps.Keys(o.active)) {
		switch {
		case id <= token:
		case len(page) == 2:
			return page, page[1].Account, nil
		default:
			page = append(page, accountcheck.Member{Account: id, Active: o.active[id]})
		}
	}
	return page, "", nil
}

func cmpErr(a, b error) error {
	if a != nil {
		return a
	}
	return b
}

// land is a guard over accounts.
type land struct {
	*wiretest.World
	iam       *iamFake
	org       *orgFake
	deadlines *fake.Deadlines
	rounds    *fake.Checks
	home      accountcheck.HubAccount

	forwarders accountcheck.Forwarders
	reports    accountcheck.CredentialReports // nil: none are asked for
}

func newLand(change ...func(*wire.Settings)) *land {
	w := wiretest.NewWorld(change...)
	l := &land{
		World: w, iam: newIAM(), deadlines: &fake.Deadlines{Script: w.Script, Conflicts: true}, rounds: &fake.Checks{Script: w.Script, Conflicts: true},
		home: accountcheck.HubAccount{Account: home, Region: "us-east-1", Members: true},
	}
	l.iam.roots[home] = good
	l.Parts = wiretest.NewParts(wire.Deps{
		Detector: &detect.Detector{}, Claims: w.Claims, Facts: w.FactRows, FactRows: w.FactRows, Publisher: w.Receivers, Now: w.Clock.Now, Deadlines: l.deadlines, Checks: l.rounds,
	}, w.Settings)
	return l
}

// organization makes accounts members, and gives the guard that.
func (l *land) organization(accounts ...string) {
	l.org = &orgFake{active: map[string]bool{home: true}}
	for _, a := range accounts {
		l.org.active[a], l.iam.roots[a] = true, good
	}
}

// run is what the schedule has done.
func (l *land) run() (err error) {
	ctx, at := context.Background(), l.Clock.Now()
	_, one := l.Sweep(ctx, l.iam, at)
	var org accountcheck.Organization
	if l.org != nil {
		org = l.org
	}
	_, two := l.DiscoverAccounts(ctx, l.home, org, at)
	_, three := l.CheckRoots(ctx, l.iam, l.forwarders, at)
	_, four := l.CheckUsers(ctx, l.iam, l.reports, at)
	var six error
	if l.reports != nil {
		_, six = l.CheckReports(ctx, l.reports, at)
	}
	_, five := l.Flush(ctx, at)
	return errors.Join(one, two, three, four, five, six)
}

// failer is what a run that must go well fails.
type failer interface {
	Helper()
	Fatalf(format string, args ...any)
}

// sure is a failer for what has no test at hand.
type sure struct{}

func (sure) Helper() {}

func (sure) Fatalf(format string, args ...any) { panic(fmt.Sprintf(format, args...)) }

// pass runs the schedule for a time.
func (l *land) pass(t failer, d time.Duration) {
	t.Helper()
	for end := l.Clock.Now().Add(d); l.Clock.Now().Before(end); {
		l.Clock.Advance(5 * time.Minute)
		if err := l.run(); err != nil {
			t.Fatalf("at %v: %v", l.Clock.Now(), err)
		}
	}
}

// want compares the alerts so far, as "severity finding account title".
func (l *land) want(t *testing.T, want ...string) {
	t.Helper()
	got := []string{}
	for _, a := range l.Receivers.Published() {
		got = append(got, fmt.Sprintf("%s %s %s %s", a.Finding.Severity, a.Finding.ID, a.Finding.Account, a.Finding.Title))
	}
	if diff := cmp.Diff(append([]string{}, want...), got); diff != "" {
		t.Errorf("alerts (-want +got):\n%s", diff)
	}
}

func (l *land) facts(t *testing.T, of string) []bootstrap.Fact {
	t.Helper()
	return factsOf(t, l.FactRows, of)
}

func (l *land) status(t *testing.T, of string) bootstrap.Status {
	t.Helper()
	return bootstrap.Fold(of, l.facts(t, of), l.Settings.Bootstrap, l.Clock.Now())
}

// step is the status of a step about root.
func (l *land) step(t *testing.T, of string, step bootstrap.Step) bootstrap.State {
	t.Helper()
	for _, s := range l.status(t, of).Steps {
		if s.Step == step {
			return s.State
		}
	}
	return ""
}

// rootCall is what root did, some time ago.
func (l *land) rootCall(name string, ago time.Duration) {
	at := l.Clock.Now().Add(-ago)
	rec := &cloudtrail.Record{
		EventID: name + "-" + at.Format(time.RFC3339), EventTime: at, EventSource: "iam.amazonaws.com", EventName: name,
		RecipientAccountID: home, UserIdentity: cloudtrail.UserIdentity{Type: "Root", AccountID: home, ARN: "arn:aws:iam::" + home + ":root"},
		RequestParameters: []byte(`{}`), ResponseElements: []byte(`{}`),
	}
	if _, err := l.Handle(context.Background(), rec); err != nil {
		panic(err)
	}
}

func TestRootChecks(t *testing.T) {
	const (
		missing = "critical root.mfa.missing " + home + " Root has no MFA (seen live, no event)"
		removed = "critical root.mfa.removed " + home + " Root MFA removed (seen live, no event)"
		hasMFA  = "Root has MFA now"
	)
	l := newLand()
	l.iam.roots[home] = rootUser{password: 1}
	l.pass(t, 5*time.Minute)
	l.want(t) // it is checked again first
	l.pass(t, 10*time.Minute)
	l.want(t)
	l.pass(t, 5*time.Minute)
	l.want(t, missing)
	if a := l.Receivers.Published()[0]; !strings.Contains(a.Finding.Detail, "no event was delivered") || a.Finding.Region != "" {
		t.Errorf("the alert: %+v", a.Finding)
	}
	if got := l.step(t, home, bootstrap.RootMFA); got != bootstrap.Pending {
		t.Errorf("root_mfa is %s", got)
	}
	l.pass(t, 50*time.Hour)
	l.want(t, missing)

	l.iam.roots[home] = good
	l.pass(t, 2*time.Hour)
	closed := "info root.mfa.missing " + home + " " + hasMFA
	l.want(t, missing, closed)
	if got := l.step(t, home, bootstrap.RootMFA); got != bootstrap.Done {
		t.Errorf("root_mfa is %s", got)
	}
	l.pass(t, 50*time.Hour)
	l.want(t, missing, closed)

	// Removed, and no event reports it.
	l.iam.roots[home] = rootUser{password: 1}
	l.pass(t, 2*time.Hour)
	l.want(t, missing, closed, removed)
	if got := l.step(t, home, bootstrap.RootMFA); got != bootstrap.Regressed {
		t.Errorf("root_mfa is %s", got)
	}
	l.iam.roots[home] = good
	l.pass(t, 2*time.Hour)
	l.want(t, missing, closed, removed, "info root.mfa.removed "+home+" Root has MFA again")

	// What IAM says is a fact when the status changes by it, and not each hour.
	if n := len(l.facts(t, home)); n != 4 {
		t.Errorf("%d facts: %+v", n, l.facts(t, home))
	}
}

// TestAbandoned holds that a root password that was accepted is reported once where
// no sign-in follows it, and not where one does, well or not.
func TestAbandoned(t *testing.T) {
	signin := func(l *land, name, result string, mfa string) *cloudtrail.Record {
		return &cloudtrail.Record{
			EventID: name + "-" + l.Clock.Now().Format(time.RFC3339), EventTime: l.Clock.Now(), EventSource: cloudtrail.SigninSource, EventName: name, EventType: "AwsConsoleSignIn",
			RecipientAccountID: home, UserIdentity: cloudtrail.UserIdentity{Type: "Root", AccountID: home, PrincipalID: home, ARN: "arn:aws:iam::" + home + ":root"},
			ResponseElements: []byte(`{"` + name + `":"` + result + `"}`), AdditionalEventData: []byte(`{` + mfa + `}`),
		}
	}
	const abandoned = "high root.signin.failed " + home + " Root password entered, and no sign-in followed"
	for name, tt := range map[string]struct {
		follow func(l *land) *cloudtrail.Record
		want   []string
	}{
		"nothing follows": {nil, []string{abandoned}},
		"a sign-in": {func(l *land) *cloudtrail.Record { return signin(l, "ConsoleLogin", "Success", `"MFAUsed":"Yes"`) },
			[]string{"critical root.signin " + home + " Root sign-in with MFA"}},
		"a sign-in that fails at MFA": {func(l *land) *cloudtrail.Record { return signin(l, "ConsoleLogin", "Failure", `"MFAUsed":"Yes"`) },
			[]string{"high root.signin.failed " + home + " Root sign-in failed at MFA, after the right password"}},
	} {
		t.Run(name, func(t *testing.T) {
			l := newLand()
			l.iam.roots[home] = good
			l.pass(t, 2*time.Hour)
			handle := func(rec *cloudtrail.Record) {
				if _, err := l.Handle(t.Context(), rec); err != nil {
					t.Fatal(err)
				}
			}
			handle(signin(l, "CheckMfa", "Success", `"MfaType":"Virtual MFA"`))
			if tt.follow != nil {
				l.Clock.Advance(30 * time.Second)
				handle(tt.follow(l))
			}
			l.pass(t, 10*time.Minute)
			if tt.follow == nil {
				l.want(t) // a sign-in is waited for
			}
			l.pass(t, 60*time.Hour)
			l.want(t, tt.want...)
		})
	}
}

// TestRootCheckCases holds what is reported about root, and what is not.
func TestRootCheckCases(t *testing.T) {
	const tail = " (seen live, no event)"
	for _, tc := range []struct {
		name   string
		before rootUser
		do     func(l *land)
		after  rootUser
		want   []detect.ID // beside what the events report
	}{
		{"all is well", good, nil, good, nil},
		{"no root credentials", rootUser{}, nil, rootUser{}, nil},
		{"no root credentials, and a key", rootUser{}, nil, rootUser{keys: 1}, []detect.ID{detect.RootAccessKeyCreated}},
		{"a password, where there was none", rootUser{}, nil, rootUser{mfa: 1, password: 1}, []detect.ID{detect.RootLoginProfileCreated}},
		{"a password without MFA, where there was none", rootUser{}, nil, rootUser{password: 1}, []detect.ID{detect.RootMFAMissing, detect.RootLoginProfileCreated}},
		{"a key, where there was none", good, nil, rootUser{mfa: 1, keys: 1, password: 1}, []detect.ID{detect.RootAccessKeyCreated}},
		{"a key there ever was", rootUser{mfa: 1, keys: 1, password: 1}, nil, rootUser{mfa: 1, keys: 1, password: 1}, []detect.ID{detect.RootAccessKeyPresent}},
		{"the event of the key came before", good, func(l *land) { l.rootCall("CreateAccessKey", 0) }, rootUser{mfa: 1, keys: 1, password: 1}, nil},
		{"the event of the removal came before", good, func(l *land) { l.rootCall("DeactivateMFADevice", 0) }, rootUser{password: 1}, nil},
		{"the event of the removal came after the first check", good, func(l *land) {
			l.iam.roots[home] = rootUser{password: 1}
			for l.iam.checked[home] < 4 {
				l.pass(sure{}, 5*time.Minute)
			}
			l.rootCall("DeactivateMFADevice", 8*time.Minute)
		}, rootUser{password: 1}, nil},
		{"the key of the event is gone, another is there", good, func(l *land) {
			l.rootCall("CreateAccessKey", 20*time.Second)
			l.rootCall("DeleteAccessKey", 0)
		}, rootUser{mfa: 1, keys: 1, password: 1}, []detect.ID{detect.RootAccessKeyCreated}},
		{"it is over before it is checked again", good, func(l *land) {
			l.iam.roots[home] = rootUser{keys: 1, password: 1}
			for l.iam.checked[home] < 4 {
				l.pass(sure{}, 5*time.Minute)
			}
		}, good, nil},
		{"the event of the password came before", rootUser{}, func(l *land) { l.rootCall("CreateLoginProfile", 0) }, rootUser{mfa: 1, password: 1}, nil},
	} {
		t.Run(tc.name, func(t *testing.T) {
			l := newLand()
			l.iam.roots[home] = tc.before
			for l.iam.checked[home] < 3 {
				l.pass(t, 5*time.Minute)
			}
			if tc.do != nil {
				tc.do(l)
			}
			l.iam.roots[home] = tc.after
			l.pass(t, 3*time.Hour)
			var got []detect.ID
			for _, a := range l.Receivers.Published() {
				if strings.HasSuffix(a.Finding.Title, tail) {
					got = append(got, a.Finding.ID)
				}
			}
			if diff := cmp.Diff(tc.want, got); diff != "" {
				t.Errorf("alerts (-want +got):\n%s", diff)
			}
			before := len(l.Receivers.Published())
			l.pass(t, 48*time.Hour)
			if n := len(l.Receivers.Published()); n != before {
				t.Errorf("alerted again: %v", l.Lines()[before:])
			}
		})
	}
}

// TestRootCheckUnreachable holds that an account that IAM does not answer about keeps
// no other back, is asked less often, and is named once a day.
func TestRootCheckUnreachable(t *testing.T) {
	l := newLand()
	l.organization(member, "333333333333")
	l.iam.down[member] = true
	l.pass(t, 3*time.Hour)
	l.want(t)
	if l.iam.checked["333333333333"] < 2 {
		t.Errorf("the other was checked %d times", l.iam.checked["333333333333"])
	}
	for end := l.Clock.Now().Add(36 * time.Hour); len(l.Receivers.Published()) == 0 && l.Clock.Now().Before(end); {
		l.pass(t, time.Hour)
	}
	unhealthy := "high guard.unhealthy " + home + " Guardrail unhealthy: live checks"
	l.want(t, unhealthy)
	if a := l.Receivers.Published()[0]; !strings.Contains(a.Finding.Detail, "1 of the accounts: "+member) {
		t.Errorf("the alert: %s", a.Finding.Detail)
	}
	if n := l.iam.checked[member]; n > 45 {
		t.Errorf("it was asked about %d times", n)
	}
	l.iam.down[member] = false
	l.pass(t, 50*time.Hour)
	l.want(t, unhealthy)
	if got := l.step(t, member, bootstrap.RootMFA); got != bootstrap.Done {
		t.Errorf("root_mfa is %s", got)
	}
}

// TestTenThousandAccounts holds that they are not all due at once, that a run is
// bounded, that each is checked once an hour, and that none is left out.
func TestTenThousandAccounts(t *testing.T) {
	t.Parallel()
	l := newLand()
	l.rounds.Conflicts, l.home.Members = false, true
	n := testenv.Size(10000, 1000)
	for i := range n {
		id := fmt.Sprintf("%012d", i)
		l.rounds.Others = append(l.rounds.Others, id)
		l.iam.roots[id] = good
	}
	at := l.Clock.Now()
	for more := true; more; {
		did, err := l.DiscoverAccounts(t.Context(), l.home, nil, at)
		if err != nil {
			t.Fatal(err)
		}
		more = did.More
	}
	perRun := []int{}
	for range 24 {
		l.Clock.Advance(5 * time.Minute)
		did, err := l.CheckRoots(t.Context(), l.iam, l.forwarders, l.Clock.Now())
		if err != nil || did.More {
			t.Fatalf("%+v, %v", did, err)
		}
		perRun = append(perRun, did.Checked)
	}
	if perRun[0] != n+1 { // those that are new at once, as far as the time goes
		t.Errorf("the first run checked %d", perRun[0])
	}
	for i := range n {
		if id := fmt.Sprintf("%012d", i); l.iam.checked[id] < 2 || l.iam.checked[id] > 4 {
			t.Fatalf("%s was checked %d times in two hours", id, l.iam.checked[id])
		}
	}
	if most := slices.Max(perRun[1:]); most > 2*n/12 {
		t.Errorf("runs checked %v", perRun)
	}
	if perRun = perRun[13:]; slices.Min(perRun) < n/12/2 {
		t.Errorf("runs of the second hour checked %v", perRun)
	}
	l.want(t)
}

type forwardersFunc func(account string) ([]accountcheck.Undelivered, error)

func (f forwardersFunc) Undelivered(_ context.Context, account string) ([]accountcheck.Undelivered, error) {
	return f(account)
}

// TestUndelivered holds that events which wait at a member are reported once a day
// until it is over, whatever IAM says and also where a run dies on the way.
func TestUndelivered(t *testing.T) {
	const member = "222222222222"
	l := newLand()
	l.organization(member)
	l.pass(t, 5*time.Minute)
	before := len(l.Receivers.Published())
	var stuck []accountcheck.Undelivered
	var unread error
	l.forwarders = forwardersFunc(func(account string) ([]accountcheck.Undelivered, error) {
		if account != member {
			return nil, nil
		}
		return stuck, unread
	})
	hours := func(n int) {
		t.Helper()
		for range n * 12 {
			if _, err := l.CheckRoots(t.Context(), l.iam, l.forwarders, l.Clock.Now()); err != nil {
				t.Fatal(err)
			}
			l.Clock.Advance(5 * time.Minute)
		}
	}
	want := func(details ...string) {
		t.Helper()
		reported := l.Receivers.Published()[before:]
		if len(reported) != len(details) {
			t.Fatalf("%d alerts, want %d: %v", len(reported), len(details), l.Lines()[before:])
		}
		for i, detail := range details {
			f := reported[i].Finding
			if f.ID != detect.GuardUnhealthy || f.Account != member || !strings.Contains(f.Detail, detail) {
				t.Errorf("alert %d: %+v, want %q", i, f, detail)
			}
		}
	}
	l.Clock.Advance(time.Date(2025, 3, 5, 0, 0, 0, 0, time.UTC).Sub(l.Clock.Now()))
	hours(3)
	want()

	stuck = []accountcheck.Undelivered{{Region: "eu-north-1", Queue: "https://q", Events: 3}}
	l.Receivers.Refuse = func(alert.Alert) error { return errors.New("SNS is down") }
	for range 12 {
		_, _ = l.CheckRoots(t.Context(), l.iam, l.forwarders, l.Clock.Now())
		l.Clock.Advance(5 * time.Minute)
	}
	l.Receivers.Refuse = nil
	hours(1)
	want("about 3. Fix the cause, then: rootguard redrive --queue-profile PROFILE_OF_THIS_ACCOUNT --queue https://q")
	hours(4)
	want("about 3.")
	if f := l.Receivers.Published()[before].Finding; f.Region != "eu-north-1" || f.Target.Resource != "queue.forward" {
		t.Errorf("alert: %+v", f)
	}
	hours(24)
	want("about 3.", "about 3.")

	stuck, unread = nil, errors.New("access denied")
	hours(4)
	want("about 3.", "about 3.")
}

// TestUnseenQueues holds that queues which are missing or cannot be seen are reported
// of in one alert a day, however many there are, and only where it lasts: while
// the stack set of the members goes to a new account or Region, it is so.
func TestUnseenQueues(t *testing.T) {
	t.Parallel()
	testenv.Soak(t)
	l := newLand()
	var members []string
	for i := range 30 {
		members = append(members, fmt.Sprintf("2222222222%02d", i))
	}
	l.organization(members...)
	broken := map[string]string{}
	l.forwarders = forwardersFunc(func(account string) ([]accountcheck.Undelivered, error) {
		switch broken[account] {
		case "denied":
			return nil, errDenied
		case "missing":
			return []accountcheck.Undelivered{{Region: "eu-north-1", Queue: "https://q"}}, nil
		}
		return nil, nil
	})
	l.Clock.Advance(time.Date(2025, 3, 5, 0, 0, 0, 0, time.UTC).Sub(l.Clock.Now()))
	for _, a := range members {
		broken[a] = "missing"
	}
	l.pass(t, 2*time.Hour)
	clear(broken)
	l.pass(t, 50*time.Hour)
	l.want(t)

	for _, a := range members {
		broken[a] = "missing"
	}
	broken[members[0]] = "denied"
	l.pass(t, 49*time.Hour)
	reported := l.Receivers.Published()
	if len(reported) < 1 || len(reported) > 2 {
		t.Fatalf("%d alerts in two days: %v", len(reported), l.Lines())
	}
	f := reported[0].Finding
	if f.ID != detect.GuardUnhealthy || f.Account != home || f.Target.Resource != "forwarder queues" || !strings.Contains(f.Detail, "in 30 of the accounts: 222222222200, ") ||
		!strings.Contains(f.Detail, "and 20 more") || !strings.Contains(f.Detail, "there is no queue https://q") {
		t.Errorf("alert: %+v", f)
	}
	before := len(reported)
	clear(broken)
	l.pass(t, 50*time.Hour)
	if n := len(l.Receivers.Published()); n > before+1 {
		t.Errorf("%d more alerts when it was over", n-before)
	}
}

// waiter is IAM that hangs about some accounts until it is asked no longer.
type waiter struct {
	*iamFake
	hangs func(account string) bool
}

func (w *waiter) AccountSummary(ctx context.Context, of string) (bootstrap.LiveFact, error) {
	if w.hangs(of) {
		<-ctx.Done()
		return bootstrap.LiveFact{}, ctx.Err()
	}
	return w.iamFake.AccountSummary(ctx, of)
}

func (w *waiter) Users(ctx context.Context, of string) ([]accountcheck.ListedUser, error) {
	if w.hangs(of) {
		<-ctx.Done()
		return nil, ctx.Err()
	}
	return w.iamFake.Users(ctx, of)
}

func (w *waiter) User(ctx context.Context, of, name string) (bootstrap.LiveFact, error) {
	if strings.HasPrefix(name, "slow") {
		<-ctx.Done()
		return bootstrap.LiveFact{}, ctx.Err()
	}
	return w.iamFake.User(ctx, of, name)
}

// TestSlowAnswers holds that what answers slowly or not at all, be it a Region's
// queues, an account or its users, keeps no account back: a run whose time is cut
// off gets on all the same, within the least time that a run has.
func TestSlowAnswers(t *testing.T) {
	const least = 29 * time.Second // of the sweep's four minutes, with seven tasks
	run := func(t *testing.T, do func(ctx context.Context, at time.Time) error) {
		t.Helper()
		ctx, cancel := context.WithDeadline(t.Context(), time.Now().Add(least))
		defer cancel()
		if err := do(ctx, time.Now()); err != nil {
			t.Error(err)
		}
	}
	prepared := func(t *testing.T, n int) (*land, *waiter) {
		t.Helper()
		l := newLand()
		l.Parts = wiretest.NewParts(wire.Deps{
			Detector: &detect.Detector{}, Claims: l.Claims, Facts: l.FactRows, FactRows: l.FactRows, Publisher: l.Receivers, Now: time.Now, Deadlines: l.deadlines, Checks: l.rounds,
		}, l.Settings)
		for i := range n {
			a := fmt.Sprintf("2222222222%02d", i)
			l.iam.roots[a] = good
			for _, kind := range []accountcheck.Kind{accountcheck.KindRoot, accountcheck.KindUsers} {
				key := a + "/" + string(kind)
				_ = l.rounds.Of(kind).Update(t.Context(), key, func(accountcheck.Check) accountcheck.Check {
					return accountcheck.Check{Key: key, Account: a, Kind: kind, Due: time.Now().Add(time.Duration(i-n) * time.Second), Revision: 1}
				})
			}
		}
		return l, &waiter{iamFake: l.iam, hangs: func(string) bool { return false }}
	}
	t.Run("the queues of a Region hang", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			l, iam := prepared(t, 60)
			run(t, func(ctx context.Context, at time.Time) error {
				did, err := l.CheckRoots(ctx, iam, hangingForwarders{}, at)
				if did.Checked < 16 {
					t.Errorf("%+v", did)
				}
				return err
			})
		})
	})
	t.Run("accounts hang", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			l, iam := prepared(t, 60)
			iam.hangs = func(a string) bool { return a < "222222222240" }
			checked := 0
			for range 4 {
				run(t, func(ctx context.Context, at time.Time) error {
					did, err := l.CheckRoots(ctx, iam, nil, at)
					checked += did.Checked
					return err
				})
			}
			if checked != 20 {
				t.Errorf("checked %d of the 20 accounts that answer", checked)
			}
		})
	})
	t.Run("a listing hangs", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			l, iam := prepared(t, 2)
			iam.hangs = func(a string) bool { return a == "222222222200" }
			run(t, func(ctx context.Context, at time.Time) error {
				did, err := l.CheckUsers(ctx, iam, nil, at)
				if did.Accounts != 1 || did.Unanswered != 1 {
					t.Errorf("%+v", did)
				}
				return err
			})
		})
	})
	t.Run("users that are due hang", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			l, iam := prepared(t, 1)
			for i := range 60 {
				name := fmt.Sprintf("slow-%02d", i)
				at := time.Now().Add(-30 * 24 * time.Hour)
				if _, err := l.FactRows.Add(t.Context(), []bootstrap.Fact{bootstrap.LiveFactOf(home, at, live(name, "AIDA"+name, true))}); err != nil {
					t.Fatal(err)
				}
				key := home + "/" + name
				_ = l.deadlines.Update(t.Context(), key, func(mfadeadline.Deadline) mfadeadline.Deadline {
					return mfadeadline.Deadline{Key: key, Account: home, User: name, Due: at, Revision: 1}
				})
			}
			run(t, func(ctx context.Context, at time.Time) error {
				did, err := l.Sweep(ctx, iam, at)
				if did.Unanswered != 60 || did.More {
					t.Errorf("%+v", did)
				}
				due, _ := l.deadlines.Due(t.Context(), at, 100)
				if len(due) > 0 {
					t.Errorf("%d users are in the way of the others", len(due))
				}
				return err
			})
		})
	})
	for name, users := range map[string]int{"all users of an account hang": 0, "most users of an account hang": 3} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				l, iam := prepared(t, 2)
				for i := range 90 {
					l.user("222222222200", fmt.Sprintf("slow-%02d", i), true, true)
				}
				for i := range users {
					l.user("222222222200", fmt.Sprintf("a-%02d", i), true, true)
				}
				run(t, func(ctx context.Context, at time.Time) error {
					did, err := l.CheckUsers(ctx, iam, nil, at)
					if did.Accounts == 0 {
						t.Errorf("%+v", did)
					}
					return err
				})
			})
		})
	}
}

func live(name, id string, password bool) bootstrap.LiveFact {
	return bootstrap.LiveFact{UserName: name, UserID: id, ConsoleLogin: &password}
}

// hangingForwarders answer nothing until they are asked no longer.
type hangingForwarders struct{}

func (hangingForwarders) Undelivered(ctx context.Context, _ string) ([]accountcheck.Undelivered, error) {
	<-ctx.Done()
	return nil, ctx.Err()
}

// TestRootCheckStops holds that a run without time leaves what it cannot do.
func TestRootCheckStops(t *testing.T) {
	l := newLand()
	l.pass(t, 5*time.Minute)
	late := l.Clock.Now().Add(10 * time.Hour)
	ctx, cancel := context.WithTimeout(t.Context(), time.Hour)
	defer cancel()
	l.Clock.Advance(time.Until(l.Clock.Now()).Abs() + time.Hour - 5*time.Second) // five seconds are left
	did, err := l.CheckRoots(ctx, l.iam, l.forwarders, late)
	if err != nil || did.Checked != 0 || !did.More {
		t.Errorf("%+v, %v", did, err)
	}
	if did, err := l.CheckUsers(ctx, l.iam, nil, late.Add(48*time.Hour)); err != nil || did.Checked != 0 || !did.More {
		t.Errorf("%+v, %v", did, err)
	}
	if did, err := l.CheckRoots(t.Context(), l.iam, l.forwarders, late); err != nil || did.Checked != 1 {
		t.Errorf("after that: %+v, %v", did, err)
	}
}

// TestRootCheckModel changes root at random, with and without events, with faults
// and runs that overlap, and holds that each problem that no event reported is
// reported, once, and closed.
func TestRootCheckModel(t *testing.T) {
	t.Parallel()
	testenv.Check(t, 100, func(rt *rapid.T) {
		l := newLand()
		faults, wrong := 0, rootUser{password: 1}
		var reported, closed, episodes int
		for range rapid.IntRange(1, 3).Draw(rt, "episodes") {
			l.iam.roots[home] = good
			calm := func(hours int) {
				for range hours * 12 {
					l.Clock.Advance(5 * time.Minute)
					if rapid.IntRange(0, 9).Draw(rt, "faulty") == 0 {
						l.Script.Inject(rapid.IntRange(1, 14).Draw(rt, "call"), rapid.SampledFrom([]fake.Fault{fake.FailBefore, fake.FailAfter, fake.CrashBefore, fake.CrashAfter}).Draw(rt, "fault"))
						faults++
					}
					if rapid.IntRange(0, 9).Draw(rt, "overlap") == 0 {
						_, _ = l.CheckRoots(context.Background(), l.iam, l.forwarders, l.Clock.Now())
					}
					_ = l.run()
					l.Script.Restart()
				}
			}
			calm(2)
			l.iam.roots[home] = wrong
			episodes++
			calm(2)
			for range 3 {
				l.pass(rt, time.Hour)
			}
			reported, closed = 0, 0
			for _, a := range l.Receivers.Published() {
				switch {
				case strings.HasSuffix(a.Finding.EventID, "/closed"):
					closed++
				case a.Finding.ID == detect.RootMFARemoved:
					reported++
				default:
					rt.Errorf("%s", a.Finding.Title)
				}
			}
			if reported < episodes || reported > episodes+faults || closed < episodes-1 || closed > episodes-1+faults {
				rt.Errorf("%d episodes: %d reported, %d closed, %d faults", episodes, reported, closed, faults)
			}
		}
	})
}

// TestRootAlertOfARunThatDied has the run that alerts a problem of root die before each
// of its calls. The problem is then over, or its event comes first: in the end as many are
// resolved as were alerted.
func TestRootAlertOfARunThatDied(t *testing.T) {
	t.Parallel()
	alerts := func(l *land) (removed, closed int) {
		seen := map[string]bool{} // one that was not marked sent comes again
		for _, a := range l.Receivers.Published() {
			switch {
			case seen[a.ID]:
			case strings.HasSuffix(a.Finding.EventID, "/closed"):
				closed++
			case a.Finding.Session == "live":
				removed++
			}
			seen[a.ID] = true
		}
		return removed, closed
	}
	for _, late := range []bool{false, true} {
		begin := func() *land {
			l := newLand()
			l.pass(t, 2*time.Hour)
			l.iam.roots[home] = rootUser{password: 1}
			for checkOf(t, l.rounds, home, accountcheck.KindRoot).Root.Problems == nil {
				l.pass(t, 5*time.Minute)
			}
			l.pass(t, 10*time.Minute)
			l.Clock.Advance(5 * time.Minute)
			return l
		}
		for n := 1; ; n++ {
			l := begin()
			l.Script.Inject(n, fake.CrashBefore)
			_ = l.run()
			if removed, _ := alerts(l); !l.Script.Restart() {
				if removed != 1 {
					t.Errorf("late event: %v, it does not die: %d alerted", late, removed)
				}
				break
			}
			if late {
				l.rootCall("DeactivateMFADevice", time.Hour)
				l.pass(t, time.Hour)
			}
			l.iam.roots[home] = good
			l.pass(t, 3*time.Hour)
			if removed, closed := alerts(l); removed != closed || removed > 1 {
				t.Errorf("late event: %v, it dies before call %d: %d alerted, %d resolved", late, n, removed, closed)
			}
		}
	}
}

// user makes an IAM user of an account that no event reports.
func (l *land) user(of, name string, password, mfa bool) {
	l.iam.mu.Lock()
	defer l.iam.mu.Unlock()
	l.iam.users[of] = slices.DeleteFunc(l.iam.users[of], func(u iamUser) bool { return u.name == name })
	l.iam.users[of] = append(l.iam.users[of], iamUser{name, "AIDA" + strings.ToUpper(name), wiretest.LiveUser{Password: password, MFA: mfa}, time.Time{}})
}

// users are those on record, as "name MFA", "(deleted)" where they are.
func (l *land) users(t *testing.T, of string) []string {
	t.Helper()
	got := []string{}
	for _, u := range l.status(t, of).Users {
		line := u.Name + " " + string(u.MFA)
		if u.Deleted {
			line = u.Name + " (deleted)"
		}
		got = append(got, line)
	}
	return got
}

func wantUsers(t *testing.T, got []string, want ...string) {
	t.Helper()
	if diff := cmp.Diff(append([]string{}, want...), got); diff != "" {
		t.Errorf("users (-want +got):\n%s", diff)
	}
}

func TestReconcile(t *testing.T) {
	testenv.Soak(t)
	const (
		pending = "medium user.mfa.pending " + home + " IAM user has no MFA yet: old"
		missing = "high user.mfa.missing " + home + " IAM user still without MFA: old"
		closed  = "info user.mfa.missing " + home + " IAM user no longer without MFA: old"
	)
	l := newLand()
	l.user(home, "old", true, false)
	l.user(home, "safe", true, true)
	l.user(home, "robot", false, false)
	l.pass(t, 5*time.Minute)
	wantUsers(t, l.users(t, home), "old pending_mfa", "robot not_needed", "safe on")
	l.pass(t, 23*time.Hour)
	l.want(t, pending)
	l.pass(t, 70*time.Minute)
	l.want(t, pending, missing)
	if a := l.Receivers.Published()[1]; !strings.Contains(a.Finding.Detail, "no event was delivered") || a.Finding.Target.UserID != "AIDAOLD" {
		t.Errorf("the alert: %+v", a.Finding)
	}
	l.user(home, "old", true, true)
	l.pass(t, 30*time.Hour)
	l.want(t, pending, missing, closed)

	// MFA that went without an event is found too, and has its grace.
	l.user(home, "safe", true, false)
	l.pass(t, 60*time.Hour)
	got := l.Lines()
	if len(got) < 4 || !strings.Contains(got[3], "AIDASAFE") {
		t.Errorf("alerts %v", got)
	}

	// Users who are gone close, and who has the name of one is another.
	l.iam.users[home] = slices.DeleteFunc(l.iam.users[home], func(u iamUser) bool { return u.name == "robot" || u.name == "old" })
	l.iam.users[home] = append(l.iam.users[home], iamUser{"old", "AIDAOLD2", wiretest.LiveUser{Password: true, MFA: true}, time.Time{}})
	l.pass(t, 30*time.Hour)
	wantUsers(t, l.users(t, home), "old (deleted)", "old on", "robot (deleted)", "safe missing")

	// A new name is no new user.
	for i := range l.iam.users[home] {
		if u := &l.iam.users[home][i]; u.name == "safe" {
			u.name = "renamed"
		}
	}
	l.pass(t, 40*time.Hour)
	wantUsers(t, l.users(t, home), "old (deleted)", "old on", "renamed missing", "robot (deleted)")
	for _, u := range l.status(t, home).Users {
		if u.Name == "renamed" && len(u.MFAGaps) != 1 {
			t.Errorf("a new name gives another grace: %+v", u.MFAGaps)
		}
	}
}

// TestReconcileQuiet holds that what is on record is recorded once.
func TestReconcileQuiet(t *testing.T) {
	l := newLand()
	for i := range 30 {
		l.user(home, fmt.Sprintf("user%02d", i), i%2 == 0, i%3 == 0)
	}
	l.pass(t, 30*time.Minute)
	facts := len(l.facts(t, home))
	if facts != 31 {
		t.Errorf("%d facts", facts)
	}
	rounds := l.iam.checked[home+"/user01"]
	l.pass(t, 20*time.Hour)
	l.pass(t, 52*time.Hour)
	if n := l.iam.checked[home+"/user01"] - rounds; n < 2 || n > 4 { // has no password: the sweep does not ask
		t.Errorf("user01 was checked %d times in three days", n)
	}
	news := 0
	for _, f := range l.facts(t, home) {
		if f.Kind == bootstrap.Live && f.Live.UserName == "user01" {
			news++
		}
	}
	if news != 1 {
		t.Errorf("%d facts about user01", news)
	}
}

// TestReconcileUnsettled holds that what IAM may not have settled about is not
// taken for the truth.
func TestReconcileUnsettled(t *testing.T) {
	l := newLand()
	l.user(home, "shy", true, true)
	l.pass(t, 5*time.Minute)
	l.iam.unlisted["shy"] = true // it is there, all the same
	l.pass(t, 40*time.Hour)
	wantUsers(t, l.users(t, home), "shy on")
	l.iam.unlisted["shy"] = false

	// Said to be gone, and there again: unique IDs are never used again.
	all := l.iam.users[home]
	l.iam.users[home] = nil
	l.pass(t, 40*time.Hour)
	wantUsers(t, l.users(t, home), "shy (deleted)")
	l.iam.users[home] = all
	l.pass(t, 40*time.Hour)
	wantUsers(t, l.users(t, home), "shy on")
}

// TestReconcileUnanswered holds that a user that IAM does not answer about keeps
// no other back and is asked about again, and that an account of which IAM does
// not list the users is tried again.
func TestReconcileUnanswered(t *testing.T) {
	l := newLand()
	l.user(home, "deaf", true, false)
	l.user(home, "other", true, false)
	l.iam.deaf["deaf"] = true
	l.iam.down[home] = true
	l.pass(t, 5*time.Minute)
	wantUsers(t, l.users(t, home))
	l.iam.down[home] = false
	l.pass(t, 15*time.Minute)
	wantUsers(t, l.users(t, home), "deaf unknown", "other pending_mfa")
	l.iam.deaf["deaf"] = false
	l.pass(t, time.Hour)
	wantUsers(t, l.users(t, home), "deaf pending_mfa", "other pending_mfa")
	l.pass(t, 26*time.Hour)
	if n := strings.Count(strings.Join(l.Lines(), " "), "user.mfa.missing"); n < 2 {
		t.Errorf("alerts %v", l.Lines())
	}
}

// TestTenThousandUsers holds that a run is bounded, that the next goes on behind
// it, and that each user is checked once and none left out.
func TestTenThousandUsers(t *testing.T) {
	t.Parallel()
	testenv.Soak(t)
	l := newLand(func(s *wire.Settings) { s.Burst = map[detect.ID]int{} })
	l.deadlines.Conflicts, l.rounds.Conflicts, l.Claims.Conflicts = false, false, false
	const n = 10_000
	for i := range n {
		l.iam.users[home] = append(l.iam.users[home], iamUser{fmt.Sprintf("user%05d", i), fmt.Sprintf("AIDA%05d", i*7919%n), wiretest.LiveUser{Password: i%10 == 0, MFA: false}, time.Time{}})
	}
	if _, err := l.DiscoverAccounts(t.Context(), l.home, nil, l.Clock.Now()); err != nil {
		t.Fatal(err)
	}
	runs, checked, without := 0, 0, 0
	for more := true; more; runs++ {
		l.Clock.Advance(5 * time.Minute)
		did, err := l.CheckUsers(t.Context(), l.iam, nil, l.Clock.Now())
		if err != nil || did.Checked > 2000 {
			t.Fatalf("%+v, %v", did, err)
		}
		checked, without = checked+did.Checked, without+did.WithoutMFA
		more = did.More
	}
	if runs != n/2000 || checked != n || without != n/10 || l.iam.lists != runs {
		t.Errorf("%d runs checked %d users, %d without MFA, in %d listings", runs, checked, without, l.iam.lists)
	}
	for i := range n {
		if got := l.iam.checked[fmt.Sprintf("%s/user%05d", home, i)]; got != 1 {
			t.Fatalf("user%05d was checked %d times", i, got)
		}
	}
	if due, err := l.deadlines.Due(t.Context(), l.Clock.Now().Add(24*time.Hour), n); err != nil || len(due) != n/10 {
		t.Errorf("%d have a deadline, %v", len(due), err)
	}
}

// TestRoundsFaults cuts off the schedule's run at each of its calls, in each way,
// and holds that in the end all is as if nothing had been.
func TestRoundsFaults(t *testing.T) {
	t.Parallel()
	run := func(t *testing.T, n int, f fake.Fault) (users []string, reported int, calls int) {
		t.Helper()
		l := newLand()
		l.organization(member, "333333333333")
		l.org.active["444444444444"] = false
		l.user(home, "eve", true, false)
		l.user(member, "bob", true, false)
		l.user(member, "sam", true, true)
		l.iam.roots[home] = rootUser{password: 1}
		reports := newReports(l)
		if n > 0 {
			l.Script.Inject(n, f)
		}
		for i := range 102 { // 80 hours
			if i == 12 { // of which no event arrives
				reports.used[home].use(-1, l.Clock.Now(), "", "")
			}
			l.Clock.Advance(5 * time.Minute)
			if i >= 24 {
				l.Clock.Advance(55 * time.Minute)
			}
			_ = l.run()
			if l.Script.Restart() {
				l.Clock.Advance(time.Minute)
			}
			if calls == 0 {
				calls = len(l.Script.Calls())
			}
		}
		users = append(l.users(t, home), l.users(t, member)...)
		ids := map[string]bool{}
		all := 0
		for _, a := range l.Receivers.Published() {
			for _, one := range alert.Each(a) {
				ids[one.Finding.EventID] = true
				all++
			}
		}
		if extra := all - len(ids); extra > 1 {
			t.Errorf("%s of call %d: %d extra alerts: %v", f, n, extra, l.Lines())
		}
		return users, len(ids), calls
	}
	users, reported, calls := run(t, 0, fake.None)
	if reported != 10 || strings.Join(users, ", ") != "eve missing, bob missing, sam on" { // root, a use of it, and two users that the first check found, with two reminders each
		t.Fatalf("without a fault: %v, %d reported", users, reported)
	}
	// Of one whose reminder was cut off, the next one follows.
	for n := 1; n <= calls; n += testenv.Size(1, 9) {
		for _, f := range testenv.Turn(n, fake.FailBefore, fake.FailAfter, fake.CrashBefore, fake.CrashAfter) {
			gotUsers, got, _ := run(t, n, f)
			if diff := cmp.Diff(users, gotUsers); diff != "" || got < reported-2 || got > reported {
				t.Errorf("%s of call %d: %d reported, want %d; users (-want +got):\n%s", f, n, got, reported, diff)
			}
		}
	}
}

// TestRoundsOverlap holds that runs side by side report nothing twice.
func TestRoundsOverlap(t *testing.T) {
	l := newLand()
	l.organization(member, "333333333333")
	l.user(home, "eve", true, false)
	l.iam.roots[member] = rootUser{password: 1, keys: 1}
	for range 12 * 40 {
		l.Clock.Advance(5 * time.Minute)
		var wg sync.WaitGroup
		for range 3 {
			wg.Go(func() { _ = l.run() })
		}
		wg.Wait()
	}
	reported := map[string]int{}
	for _, a := range l.Receivers.Published() {
		for _, one := range alert.Each(a) {
			reported[one.Finding.EventID]++
		}
	}
	for id, n := range reported {
		if n != 1 {
			t.Errorf("%s was reported %d times", id, n)
		}
	}
	if len(reported) != 5 { // two problems of root, and a user that the first check found, with one reminder
		t.Errorf("alerts %v", reported)
	}
}

func TestDiscovery(t *testing.T) {
	l := newLand()
	at := l.Clock.Now
	discover := func(want accountcheck.Discovered) {
		t.Helper()
		got, err := l.DiscoverAccounts(t.Context(), l.home, l.org, at())
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("discovered at %v (-want +got):\n%s", at(), diff)
		}
	}
	rounds := func(want ...string) {
		t.Helper()
		got := []string{}
		for _, kind := range []accountcheck.Kind{accountcheck.KindRoot, accountcheck.KindUsers} {
			due, err := l.rounds.Of(kind).Due(t.Context(), at().Add(25*time.Hour), 1000)
			if err != nil {
				t.Fatal(err)
			}
			for _, r := range due {
				got = append(got, r.Key)
			}
		}
		slices.Sort(got)
		both := []string{}
		for _, a := range want {
			both = append(both, a+"/posture", a+"/reconcile")
		}
		slices.Sort(both)
		if diff := cmp.Diff(both, got); diff != "" {
			t.Errorf("checked (-want +got):\n%s", diff)
		}
	}
	l.organization("111111111111", member, "333333333333", "444444444444")
	l.org.active["333333333333"] = false
	l.rounds.Others = []string{"555555555555"} // on record, and not in the organization
	discover(accountcheck.Discovered{Accounts: 5, Enrolled: 4, Dropped: 2})
	rounds(home, "111111111111", member, "444444444444")
	discover(accountcheck.Discovered{}) // not due
	l.Clock.Advance(37 * time.Hour)
	discover(accountcheck.Discovered{Accounts: 5})

	// One is closed, one is active again, one is left out of the list.
	l.org.active[member], l.org.active["333333333333"] = false, true
	delete(l.org.active, "444444444444")
	l.Clock.Advance(37 * time.Hour)
	discover(accountcheck.Discovered{Accounts: 4, Enrolled: 1, Dropped: 2})
	rounds(home, "111111111111", "333333333333")

	// A list that cannot be had drops no one, and is reported once.
	l.org.refuse = errors.New("AccessDeniedException: not delegated")
	l.org.active = map[string]bool{}
	l.Clock.Advance(37 * time.Hour)
	for range 2 {
		discover(accountcheck.Discovered{Refused: l.org.refuse.Error()})
		l.Clock.Advance(5 * time.Minute)
	}
	discover(accountcheck.Discovered{Accounts: 6, Refused: l.org.refuse.Error()})
	l.want(t, "high guard.unhealthy "+home+" Guardrail unhealthy: organization accounts")
	rounds(home, "111111111111", "333333333333")
}

// TestDiscoveryToken holds that a list begins again where its token has expired.
func TestDiscoveryToken(t *testing.T) {
	l := newLand()
	l.organization("111111111111", member, "333333333333", "444444444444")
	l.org.expired = true
	if got, err := l.DiscoverAccounts(t.Context(), l.home, l.org, l.Clock.Now()); err != nil || got.Refused == "" || got.Dropped != 0 {
		t.Errorf("%+v, %v", got, err)
	}
	l.org.expired = false
	l.Clock.Advance(5 * time.Minute)
	if got, err := l.DiscoverAccounts(t.Context(), l.home, l.org, l.Clock.Now()); err != nil || got.Accounts != 5 || got.Dropped != 0 {
		t.Errorf("%+v, %v", got, err)
	}
	l.want(t)

	// A list of which only the first page comes is reported too.
	l.Clock.Advance(48 * time.Hour)
	l.org.expired = true
	for range 3 {
		if got, err := l.DiscoverAccounts(t.Context(), l.home, l.org, l.Clock.Now()); err != nil || got.Refused == "" || got.Dropped != 0 {
			t.Errorf("%+v, %v", got, err)
		}
		l.Clock.Advance(5 * time.Minute)
	}
	l.want(t, "high guard.unhealthy "+home+" Guardrail unhealthy: organization accounts")
}

// TestOutsideOrganization holds that other accounts on record, where the guard
// has no role, are not asked about and not complained of.
func TestOutsideOrganization(t *testing.T) {
	l := newLand()
	l.home.Members = false
	l.rounds.Others = []string{member}
	l.pass(t, 40*time.Hour)
	if l.iam.checked[member] != 0 || l.iam.checked[home] < 30 {
		t.Errorf("checked %v", l.iam.checked)
	}
	l.want(t)
}

// TestClosedAccount holds that users of an account that is closed are not asked
// about for ever, and are found again if it is back.
func TestClosedAccount(t *testing.T) {
	testenv.Soak(t)
	l := newLand()
	l.organization(member)
	l.user(member, "bob", true, false)
	l.pass(t, 30*time.Hour)
	due := func() int {
		t.Helper()
		due, err := l.deadlines.Due(t.Context(), l.Clock.Now().Add(1000*time.Hour), 10)
		if err != nil {
			t.Fatal(err)
		}
		return len(due)
	}
	if due() != 1 {
		t.Fatalf("%d deadlines", due())
	}
	l.org.active[member], l.iam.down[member] = false, true
	for range 72 { // the sweep complains until it is known that the account is closed
		for range 12 {
			l.Clock.Advance(5 * time.Minute)
			_ = l.run()
		}
	}
	if due() != 0 {
		t.Errorf("%d deadlines", due())
	}
	asked := l.iam.checked[member] + l.iam.checked[member+"/bob"]
	l.pass(t, 48*time.Hour)
	if n := l.iam.checked[member] + l.iam.checked[member+"/bob"]; n != asked {
		t.Errorf("asked about %d times more", n-asked)
	}
	l.org.active[member], l.iam.down[member] = true, false
	l.pass(t, 72*time.Hour)
	if due() != 1 {
		t.Errorf("%d deadlines", due())
	}
}

func TestEnroll(t *testing.T) {
	l := newLand()
	l.iam.roots[member] = rootUser{password: 1, keys: 1}
	for i := range 250 {
		l.user(member, fmt.Sprintf("user%03d", i), i < 20, i < 5)
	}
	var progress []string
	enroll := func(ctx context.Context) (accountcheck.Enrolled, error) {
		return l.Enroll(ctx, l.iam, member, l.Clock.Now(), func(checked, of int) { progress = append(progress, fmt.Sprint(checked, "/", of)) })
	}
	// Interrupted after the first hundred, it goes on behind them.
	ctx, cancel := context.WithCancel(t.Context())
	first := l.Enroll
	_, err := first(ctx, l.iam, member, l.Clock.Now(), func(checked, of int) {
		progress = append(progress, fmt.Sprint(checked, "/", of))
		cancel()
	})
	if !errors.Is(err, context.Canceled) {
		t.Fatalf("interrupted: %v", err)
	}
	got, err := enroll(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if got.Users != 150 || l.iam.checked[member+"/user000"] != 1 {
		t.Errorf("%+v; user000 checked %d times", got, l.iam.checked[member+"/user000"])
	}
	if diff := cmp.Diff([]string{"100/250", "200/250", "250/250"}, progress); diff != "" {
		t.Errorf("progress (-want +got):\n%s", diff)
	}
	if n := strings.Count(strings.Join(l.users(t, member), " "), "pending_mfa"); n != 15 {
		t.Errorf("%d without MFA", n)
	}
	if recent, err := l.Recently(t.Context(), member, l.Clock.Now()); err != nil || !recent {
		t.Errorf("recently: %v, %v", recent, err)
	}

	// Done again it finds nothing new; root's problems are reported when they are settled.
	l.Clock.Advance(20 * time.Minute)
	facts := len(l.facts(t, member))
	got, err = enroll(t.Context())
	if err != nil || got.Users != 250 || got.Found != 0 || got.Tracked != 0 || got.WithoutMFA != 15 || len(got.Problems) != 2 {
		t.Errorf("%+v, %v", got, err)
	}
	if n := len(l.facts(t, member)); n != facts {
		t.Errorf("%d facts, then %d", facts, n)
	}
	l.want(t) // the schedule sends what was found, that of all accounts together
	l.iam.roots[home] = good
	if err := l.run(); err != nil {
		t.Fatal(err)
	}
	l.want(t, "medium user.mfa.pending "+member+" 15 IAM users without MFA, found by the first check",
		"critical root.access_key.present "+member+" Root has an access key (seen live, no event)",
		"critical root.mfa.missing "+member+" Root has no MFA (seen live, no event)")

	l.iam.down[member] = true
	if _, err := enroll(t.Context()); !errors.Is(err, errDenied) {
		t.Errorf("of one that does not answer: %v", err)
	}
}
