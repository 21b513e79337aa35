package accountcheck_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"rootguard/internal/accountcheck"
	"rootguard/internal/bootstrap"
	"rootguard/internal/collection"
	"rootguard/internal/daytwo"
	"rootguard/internal/detect"
	"rootguard/internal/fake"
	"rootguard/internal/guard"
)

// rig is a Checker alone: all around it answers as a test says.
type rig struct {
	script *fake.Script
	checks *fake.Checks
	facts  *fake.Facts

	mu    sync.Mutex
	asked []string // the account of each question
	ask   func(account string) error
	root  rootUser
	asOf  []time.Time // of the questions about day two

	queues []accountcheck.Undelivered
	unread error

	raised    []string // "ID session" of each finding, "collected" before those of a collection
	answer    guard.Result
	refuse    error  // of findings
	claimed   bool   // all findings are
	spared    string // the account whose findings are not refused
	sendMore  bool   // by the last Send
	abandoned int
	judged    []time.Time // since when passwords were judged, at each call
	passwords error
}

func newRig() *rig {
	script := &fake.Script{}
	return &rig{script: script, checks: &fake.Checks{Script: script}, facts: &fake.Facts{Script: script}, root: good,
		answer: guard.Result{Disposition: guard.Alerted}, ask: func(string) error { return nil }}
}

func (r *rig) checker(settings accountcheck.Settings) *accountcheck.Checker {
	return accountcheck.New(accountcheck.Deps{Guard: r, Notices: r, Passwords: r, Facts: r.facts, Checks: r.checks, Now: func() time.Time { return start }}, settings)
}

func (r *rig) question(account string) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.asked = append(r.asked, account)
	return r.ask(account)
}

func (r *rig) AccountSummary(_ context.Context, account string) (bootstrap.LiveFact, error) {
	return r.root.answer(), r.question(account)
}

func (r *rig) Undelivered(context.Context, string) ([]accountcheck.Undelivered, error) {
	return r.queues, r.unread
}

func (r *rig) Read(_ context.Context, account string, _ daytwo.Read, into *daytwo.Answers) error {
	r.mu.Lock()
	r.asOf = append(r.asOf, into.At)
	r.mu.Unlock()
	into.Contact = &daytwo.Contact{}
	return r.question(account)
}

func (r *rig) Units(_ context.Context, account string) ([]accountcheck.Unit, error) {
	return []accountcheck.Unit{{ID: "r-a1b2"}, {ID: "ou-a1b2-1", Name: "Payments"}}, r.question(account)
}

func (r *rig) Tags(context.Context, string) ([]accountcheck.Tag, error) { return nil, nil }

func (r *rig) Raise(_ context.Context, f detect.Finding) (guard.Result, error) {
	r.raised = append(r.raised, strings.TrimSpace(string(f.ID)+" "+f.Session))
	if f.Account == r.spared {
		return r.answer, nil
	}
	return r.answer, r.refuse
}

func (r *rig) Collect(_ context.Context, _ collection.Name, n guard.Notice) (guard.Result, error) {
	r.raised = append(r.raised, "collected "+string(n.Finding.ID))
	return r.answer, r.refuse
}

func (r *rig) Claimed(context.Context, *detect.Finding) (bool, error) { return r.claimed, nil }

func (r *rig) Send(_ context.Context, _ collection.Name, _ time.Time, more bool) (int, error) {
	r.sendMore = more
	return 0, nil
}

func (r *rig) Abandoned(_ context.Context, _ string, since, _ time.Time) (int, error) {
	r.judged = append(r.judged, since)
	return r.abandoned, r.passwords
}

// put stores a row that is due, of an account.
func (r *rig) put(t failer, account string, kind accountcheck.Kind, change ...func(*accountcheck.Check)) {
	t.Helper()
	row := accountcheck.Check{Key: account + "/" + string(kind), Account: account, Kind: kind, Due: start.Add(-time.Minute), Revision: 1}
	for _, c := range change {
		c(&row)
	}
	storeCheck(t, r.checks, row)
}

func (r *rig) get(t *testing.T, account string, kind accountcheck.Kind) accountcheck.Check {
	t.Helper()
	return checkOf(t, r.checks, account, kind)
}

func accounts(n int) (ids []string) {
	for i := range n {
		ids = append(ids, memberID(i))
	}
	return ids
}

// ran is what each kind of run says of itself.
type ran struct {
	done, unanswered int
	more             bool
}

// runs are the runs over accounts, by kind.
func runs(k *accountcheck.Checker, r *rig) map[accountcheck.Kind]func(ctx context.Context) (ran, error) {
	hub := accountcheck.HubAccount{Account: "200000000000", Region: "us-east-1"}
	return map[accountcheck.Kind]func(ctx context.Context) (ran, error){
		accountcheck.KindRoot: func(ctx context.Context) (ran, error) {
			did, err := k.CheckRoots(ctx, r, nil, start)
			return ran{did.Checked, did.Unanswered, did.More}, err
		},
		accountcheck.KindDayTwo: func(ctx context.Context) (ran, error) {
			did, err := k.CheckDayTwo(ctx, hub, r, start)
			return ran{did.Accounts, did.Unanswered, did.More}, err
		},
		accountcheck.KindRoutes: func(ctx context.Context) (ran, error) {
			did, err := k.CheckRoutes(ctx, hub, r, start)
			return ran{did.Accounts, did.Unanswered, did.More}, err
		},
	}
}

// TestRunsCutOff holds that a run whose time ends while it asks takes nothing for an
// answer that came after it, says that more is left, and leaves that to the next run.
func TestRunsCutOff(t *testing.T) {
	settings := accountcheck.Settings{DayTwo: []daytwo.Step{daytwo.SecurityContact}, Routes: []accountcheck.Route{byUnit}}
	for kind, first := range map[accountcheck.Kind]struct{ done, asked int }{
		accountcheck.KindRoot:   {0, 3}, // all at a time
		accountcheck.KindDayTwo: {0, 3},
		accountcheck.KindRoutes: {1, 2}, // one after the other
	} {
		t.Run(string(kind), func(t *testing.T) {
			r := newRig()
			for _, a := range accounts(3) {
				r.put(t, a, kind)
			}
			run := runs(r.checker(settings), r)[kind]
			ctx, cancel := context.WithCancel(t.Context())
			r.ask = func(account string) error {
				if account == accounts(3)[1] {
					cancel()
					return context.Canceled
				}
				return nil
			}
			if did, err := run(ctx); err != nil || did != (ran{first.done, 0, true}) || len(r.asked) != first.asked {
				t.Errorf("cut off: %+v, %v, asked about %v", did, err, r.asked)
			}
			for _, a := range accounts(3)[first.done:] {
				if row := r.get(t, a, kind); row.Revision != 1 || !row.Due.Before(start) {
					t.Errorf("cut off: %+v", row)
				}
			}
			r.ask = func(string) error { return nil }
			if did, err := run(t.Context()); err != nil || did != (ran{3 - first.done, 0, false}) {
				t.Errorf("the next run: %+v, %v", did, err)
			}
			for _, at := range r.asOf {
				if !at.Equal(start) {
					t.Errorf("asked as of %v", at)
				}
			}
		})
	}
}

// TestRootsGiveUp: where many accounts in a row do not answer, IAM is down, and the rest
// is left to the next run.
func TestRootsGiveUp(t *testing.T) {
	ids := accounts(100)
	for name, tt := range map[string]struct {
		answers string
		want    ran
	}{
		"none answers":          {"", ran{0, 64, true}},
		"the last of 64 does":   {ids[63], ran{1, 99, false}},
		"the one behind 64":     {ids[64], ran{0, 64, true}},
		"one in the first half": {ids[16], ran{1, 95, true}}, // and then 79 in a row, of which 64 are seen after a batch of 16
	} {
		t.Run(name, func(t *testing.T) {
			r := newRig()
			for _, a := range ids {
				r.put(t, a, accountcheck.KindRoot)
			}
			r.ask = func(account string) error {
				if account == tt.answers {
					return nil
				}
				return errDenied
			}
			did, err := r.checker(accountcheck.Settings{}).CheckRoots(t.Context(), r, nil, start)
			if got := (ran{did.Checked, did.Unanswered, did.More}); err != nil || got != tt.want || r.sendMore != tt.want.more {
				t.Errorf("%+v, %v, more to send: %v; want %+v", got, err, r.sendMore, tt.want)
			}
			if want := slices.DeleteFunc(slices.Clone(ids), func(a string) bool { return a == tt.answers })[:10]; !slices.Equal(did.Unreachable, want) {
				t.Errorf("named: %v", did.Unreachable)
			}
		})
	}
}

// TestRootsAlertsFail: where many accounts in a row cannot be reported, the rest is left
// to the next run.
func TestRootsAlertsFail(t *testing.T) {
	ids := accounts(39)
	for spared, want := range map[string]struct {
		backlogged int
		more       bool
	}{
		"":      {32, true}, // two batches
		ids[19]: {39, false},
		ids[37]: {32, true},
	} {
		r := newRig()
		for _, a := range ids {
			r.put(t, a, accountcheck.KindRoot)
		}
		r.queues, r.refuse, r.spared = []accountcheck.Undelivered{{Events: 1}}, errDown, spared
		did, err := r.checker(accountcheck.Settings{}).CheckRoots(t.Context(), r, r, start)
		if !errors.Is(err, errDown) || did.Backlogged != want.backlogged || did.More != want.more {
			t.Errorf("without %q: %+v, %v, want %+v", spared, did, err, want)
		}
	}
}

// TestRoutesPerRun: a run asks about a hundred accounts, and leaves more to the next.
func TestRoutesPerRun(t *testing.T) {
	const most = 100
	for name, tt := range map[string]struct {
		accounts int
		fail     map[int]error // by question, 1 the first
		want     accountcheck.RoutesChecked
		asked    int
	}{
		"as many":                {most, nil, accountcheck.RoutesChecked{Accounts: most, Changed: most}, most},
		"one more":               {most + 1, nil, accountcheck.RoutesChecked{Accounts: most, Changed: most, More: true}, most},
		"the last is throttled":  {2, map[int]error{2: accountcheck.ErrThrottled}, accountcheck.RoutesChecked{Accounts: 1, Changed: 1, Unanswered: 1, Throttled: true}, 2},
		"one before it is":       {3, map[int]error{2: accountcheck.ErrThrottled}, accountcheck.RoutesChecked{Accounts: 1, Changed: 1, Unanswered: 1, Throttled: true, More: true}, 2},
		"one is denied":          {3, map[int]error{2: accountcheck.ErrDenied}, accountcheck.RoutesChecked{Accounts: 1, Changed: 1, Unanswered: 1, More: true}, 2},
		"one does not answer":    {3, map[int]error{2: errDenied}, accountcheck.RoutesChecked{Accounts: 2, Changed: 2, Unanswered: 1}, 3},
		"one is not a member":    {3, map[int]error{2: accountcheck.ErrNotMember}, accountcheck.RoutesChecked{Accounts: 3, Changed: 2}, 3},
		"the first of a batch":   {most, map[int]error{21: accountcheck.ErrThrottled}, accountcheck.RoutesChecked{Accounts: 20, Changed: 20, Unanswered: 1, Throttled: true, More: true}, 21},
		"the last of many pages": {180, map[int]error{20: accountcheck.ErrThrottled}, accountcheck.RoutesChecked{Accounts: 19, Changed: 19, Unanswered: 1, Throttled: true, More: true}, 20},
	} {
		t.Run(name, func(t *testing.T) {
			r := newRig()
			for _, a := range accounts(tt.accounts) {
				r.put(t, a, accountcheck.KindRoutes)
			}
			r.ask = func(string) error { return tt.fail[len(r.asked)] }
			k := r.checker(accountcheck.Settings{Routes: []accountcheck.Route{byUnit}})
			did, err := k.CheckRoutes(t.Context(), accountcheck.HubAccount{Account: accounts(1)[0]}, r, start)
			if err != nil || did != tt.want || len(r.asked) != tt.asked {
				t.Errorf("%+v, %v, asked %d times; want %+v and %d", did, err, len(r.asked), tt.want, tt.asked)
			}
		})
	}
}

// TestRoutesDeniedUnreported holds that a run fails where nothing may be asked and that
// cannot be reported, unless another run is reporting it.
func TestRoutesDeniedUnreported(t *testing.T) {
	for _, tt := range []struct{ refuse, want error }{{nil, nil}, {errDown, errDown}, {fmt.Errorf("claiming: %w", guard.ErrBusy), nil}} {
		r := newRig()
		r.put(t, hub, accountcheck.KindRoutes)
		r.ask, r.refuse = func(string) error { return accountcheck.ErrDenied }, tt.refuse
		k := r.checker(accountcheck.Settings{Routes: []accountcheck.Route{byUnit}})
		if _, err := k.CheckRoutes(t.Context(), accountcheck.HubAccount{Account: hub}, r, start); !errors.Is(err, tt.want) || (err == nil) != (tt.want == nil) {
			t.Errorf("refused by %v: %v", tt.refuse, err)
		}
		if row := r.get(t, hub, accountcheck.KindRoutes); len(r.raised) != 1 || row.UnansweredChecks != 1 || !row.Due.After(start) || !row.Done.IsZero() {
			t.Errorf("refused by %v: raised %v, %+v", tt.refuse, r.raised, row)
		}
	}
}

// TestRootProblemRow holds what a check makes of a row, of which nothing else is on
// record: what it raises, counts, and keeps.
func TestRootProblemRow(t *testing.T) {
	const minute, grace = time.Minute, 15 * time.Minute
	type row = accountcheck.Root
	at := start.Add
	noMFA := rootUser{password: 1}
	known := func(u rootUser) *bootstrap.LiveFact { l := u.answer(); return &l }
	problem := func(id detect.ID, since time.Duration, alerted, first bool) []accountcheck.RootProblem {
		return []accountcheck.RootProblem{{Finding: id, Since: at(since), Alerted: alerted, First: first}}
	}
	const missing, removed = detect.RootMFAMissing, detect.RootMFARemoved
	for _, tt := range []struct {
		name     string
		has      row
		root     rootUser
		answer   guard.Disposition // of the guard, default alerted
		claimed  bool              // by a run that died
		problems []accountcheck.RootProblem
		raised   []string
		did      accountcheck.RootsChecked
		more     bool          // to send
		soon     bool          // it is checked again after the grace
		compared time.Duration // ago; -1: never
		facts    int
		read     bool // are facts
	}{
		{name: "new, and wrong", root: noMFA, problems: problem(missing, 0, false, true),
			did: accountcheck.RootsChecked{Waiting: 1}, more: true, soon: true, compared: -1, facts: 1, read: true},
		{name: "new, and right", root: good, facts: 1, read: true},
		{name: "wrong since", has: row{Known: known(good)}, root: noMFA, problems: problem(removed, 0, false, false),
			did: accountcheck.RootsChecked{Waiting: 1}, soon: true, compared: -1, read: true},
		{name: "its event may come", has: row{Known: known(noMFA), Problems: problem(removed, -grace+1, false, false)}, root: noMFA,
			problems: problem(removed, -grace+1, false, false), did: accountcheck.RootsChecked{Waiting: 1}, soon: true, compared: -1, read: true},
		{name: "its event did not come", has: row{Known: known(noMFA), Problems: problem(removed, -grace, false, false)}, root: noMFA,
			problems: problem(removed, -grace, true, false), raised: []string{"root.mfa.removed live"}, did: accountcheck.RootsChecked{Alerted: 1}, facts: 1, read: true},
		{name: "reported before", has: row{Known: known(noMFA), Problems: problem(removed, -grace, false, false)}, root: noMFA, answer: guard.Duplicate,
			problems: problem(removed, -grace, true, false), raised: []string{"root.mfa.removed live"}, facts: 1, read: true},
		{name: "seen in what is yet to come", has: row{Known: known(noMFA), Problems: problem(missing, 1, false, false)}, root: noMFA,
			problems: problem(missing, 0, false, false), did: accountcheck.RootsChecked{Waiting: 1}, soon: true, compared: -1, facts: 1, read: true},
		{name: "that of the first check", has: row{Known: known(noMFA), Problems: problem(missing, -grace, false, true)}, root: noMFA,
			problems: problem(missing, -grace, true, true), raised: []string{"collected root.mfa.missing"}, did: accountcheck.RootsChecked{Alerted: 1}, facts: 1, read: true},
		{name: "that of the first check, reported before", has: row{Known: known(noMFA), Problems: problem(missing, -grace, false, true)}, root: noMFA, answer: guard.Duplicate,
			problems: problem(missing, -grace, true, true), raised: []string{"collected root.mfa.missing"}, facts: 1, read: true},
		{name: "over", has: row{Known: known(noMFA), Problems: problem(missing, -grace, true, true)}, root: good,
			raised: []string{"root.mfa.missing closed"}, did: accountcheck.RootsChecked{Resolved: 1}, facts: 1, read: true},
		{name: "over, of which no one was alerted", has: row{Known: known(noMFA), Problems: problem(missing, -minute, false, false)}, root: good, facts: 1, read: true},
		{name: "over, and alerted by a run that died", has: row{Known: known(noMFA), Problems: problem(missing, -grace, false, false)}, claimed: true, root: good,
			raised: []string{"root.mfa.missing live", "root.mfa.missing closed"}, did: accountcheck.RootsChecked{Alerted: 1, Resolved: 1}, facts: 1, read: true},
		{name: "over, and collected by a run that died", has: row{Known: known(noMFA), Problems: problem(missing, -grace, false, true)}, claimed: true, root: good,
			raised: []string{"root.mfa.missing closed"}, did: accountcheck.RootsChecked{Resolved: 1}, facts: 1, read: true},
		{name: "over, and not alerted by the run that died", has: row{Known: known(noMFA), Problems: problem(missing, -grace, false, false)}, root: good, facts: 1, read: true},
		{name: "over before it was alerted", has: row{Known: known(noMFA), Problems: problem(missing, -grace+1, false, false)}, claimed: true, root: good, facts: 1, read: true},
		{name: "as before", has: row{Known: known(noMFA), Problems: problem(missing, -grace, true, false), Compared: at(-24*time.Hour + 1)}, root: noMFA,
			problems: problem(missing, -grace, true, false), compared: 24*time.Hour - 1},
		{name: "as before, for a day", has: row{Known: known(noMFA), Problems: problem(missing, -grace, true, false), Compared: at(-24 * time.Hour)}, root: noMFA,
			problems: problem(missing, -grace, true, false), facts: 1, read: true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			r := newRig()
			if r.root, r.claimed = tt.root, tt.claimed; tt.answer != "" {
				r.answer.Disposition = tt.answer
			}
			r.put(t, hub, accountcheck.KindRoot, func(c *accountcheck.Check) { c.Root, c.UnansweredChecks, c.Done = tt.has, 2, at(-time.Hour) })
			did, err := r.checker(accountcheck.Settings{}).CheckRoots(t.Context(), r, nil, start)
			if tt.did.Checked = 1; err != nil || !cmp.Equal(did, tt.did) || r.sendMore != tt.more {
				t.Errorf("%+v, %v, more to send: %v; want %+v, %v", did, err, r.sendMore, tt.did, tt.more)
			}
			got := r.get(t, hub, accountcheck.KindRoot)
			want := row{Known: known(tt.root), Problems: tt.problems, Compared: at(-tt.compared)}
			if tt.compared < 0 {
				want.Compared = time.Time{}
			}
			got.Root.Seen = accountcheck.RootSeen{} // see TestAspectStates
			if diff := cmp.Diff(want, got.Root); diff != "" {
				t.Errorf("row (-want +got):\n%s", diff)
			}
			if got.Due.Equal(at(grace)) != tt.soon || !got.Due.After(start) || !got.Done.Equal(start) || got.UnansweredChecks != 0 {
				t.Errorf("due at %v: %+v", got.Due, got)
			}
			read := slices.Contains(r.script.Calls(), "Facts.Facts")
			facts, err := r.facts.Facts(t.Context(), hub)
			if err != nil || len(facts) != tt.facts || read != tt.read || !slices.Equal(r.raised, tt.raised) {
				t.Errorf("%d facts, read: %v, %v; raised %v", len(facts), read, err, r.raised)
			}
			for _, f := range facts {
				if !f.Time.Equal(at(-5 * minute)) { // IAM may show what was so until then
					t.Errorf("a fact of %v", f.Time)
				}
			}
		})
	}
}
