package accountcheck_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"rootguard/internal/accountcheck"
	"rootguard/internal/bootstrap"
	"rootguard/internal/daytwo"
	"rootguard/internal/detect"
	"rootguard/internal/fake"
	"rootguard/internal/guard"
	"rootguard/internal/worker"
)

var errDown = errors.New("SNS is down")

// TestRootCheckFails holds that a check of which something fails stays as it was, and is
// put off, and that what another run does, or did meanwhile, is no failure.
func TestRootCheckFails(t *testing.T) {
	waiting := accountcheck.Root{Entered: start.Add(-time.Hour), Problems: []accountcheck.RootProblem{{Finding: detect.RootMFAMissing, Since: start.Add(-time.Hour)}}}
	change := func(r *rig, revision int) func(string) error {
		return func(account string) error {
			r.put(sure{}, account, accountcheck.KindRoot, func(c *accountcheck.Check) {
				c.Root, c.Revision, c.Listed, c.UnansweredChecks = waiting, revision, start, 2
			})
			return nil
		}
	}
	for _, tt := range []struct {
		name   string
		breaks func(r *rig)
		want   error
		putOff bool
		did    accountcheck.RootsChecked
	}{
		{"nothing", func(*rig) {}, nil, false, accountcheck.RootsChecked{Checked: 1, Alerted: 3}},
		{"the alert", func(r *rig) { r.refuse = errDown }, errDown, true, accountcheck.RootsChecked{Alerted: 2}},
		{"another run alerts", func(r *rig) { r.refuse = fmt.Errorf("claiming: %w", guard.ErrBusy) }, nil, false, accountcheck.RootsChecked{Alerted: 2}},
		{"reading facts", func(r *rig) { r.script.Fail("Facts.Facts", 1) }, fake.ErrFault, true, accountcheck.RootsChecked{Alerted: 2}},
		{"recording the answer", func(r *rig) { r.script.Fail("Facts.Add", 1) }, fake.ErrFault, true, accountcheck.RootsChecked{Alerted: 3}},
		{"judging passwords", func(r *rig) { r.passwords = errDown }, errDown, true, accountcheck.RootsChecked{Alerted: 3}},
		{"storing the check", func(r *rig) { r.script.Fail("Checks.Update", 1) }, fake.ErrFault, true, accountcheck.RootsChecked{Alerted: 3}},
		{"another run stored it", func(r *rig) { r.ask = change(r, 5) }, nil, false, accountcheck.RootsChecked{Alerted: 3}},
		{"reading facts, and another run stored it", func(r *rig) { r.ask = change(r, 5); r.script.Fail("Facts.Facts", 1) }, fake.ErrFault, false,
			accountcheck.RootsChecked{Alerted: 2}},
		{"a discovery saw the account", func(r *rig) { r.ask = change(r, 1) }, nil, false, accountcheck.RootsChecked{Checked: 1, Alerted: 3}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			r := newRig()
			r.root, r.abandoned = rootUser{password: 1}, 2
			r.put(t, hub, accountcheck.KindRoot, func(c *accountcheck.Check) { c.Root, c.UnansweredChecks, c.Failures = waiting, 2, 1 })
			tt.breaks(r)
			did, err := r.checker(accountcheck.Settings{}).CheckRoots(t.Context(), r, nil, start)
			if !errors.Is(err, tt.want) || (err == nil) != (tt.want == nil) || !cmp.Equal(did, tt.did) {
				t.Errorf("%+v, %v, want %+v", did, err, tt.did)
			}
			row := r.get(t, hub, accountcheck.KindRoot)
			switch {
			case did.Checked == 1:
				if row.Revision != 2 || !row.Root.Entered.IsZero() || row.Failures != 0 || row.Listed.Equal(start) != (tt.name == "a discovery saw the account") {
					t.Errorf("checked: %+v", row)
				}
				return
			case tt.putOff:
				if row.Failures != 3 || !row.Due.Equal(start.Add(worker.AfterFailure().After(row.Key, 3))) || row.Revision != 2 {
					t.Errorf("put off: %+v", row)
				}
			case !row.Due.Before(start) || row.Revision == 2:
				t.Errorf("not put off: %+v", row)
			}
			if !cmp.Equal(row.Root, waiting) || row.UnansweredChecks != 2 || !row.Done.IsZero() {
				t.Errorf("not as it was: %+v", row)
			}
		})
	}
}

// TestRootQueues holds what a check keeps and says of the queues of an account.
func TestRootQueues(t *testing.T) {
	empty := accountcheck.Undelivered{Region: "eu-north-1", Queue: "https://gone"}
	stuck := accountcheck.Undelivered{Region: "eu-north-1", Queue: "https://q", Events: 1}
	const gone = "there is no queue https://gone: what EventBridge cannot send to rootguard is lost"
	for name, tt := range map[string]struct {
		queues        []accountcheck.Undelivered
		unread, down  error
		backlogged    int
		failures      int // in a row; two were before
		why           string
		queueFailures int
	}{
		"all are empty":                {nil, nil, nil, 0, 0, "", 0},
		"events wait":                  {[]accountcheck.Undelivered{stuck, stuck}, nil, nil, 2, 0, "", 0},
		"one is missing":               {[]accountcheck.Undelivered{empty}, nil, nil, 0, 3, gone, 1},
		"events wait, and one missing": {[]accountcheck.Undelivered{empty, stuck}, nil, nil, 1, 3, gone, 1},
		"two are missing":              {[]accountcheck.Undelivered{empty, {Queue: "https://other"}}, nil, nil, 0, 3, gone, 1},
		"one gives no answer":          {nil, errors.New("access\n denied"), nil, 0, 3, "access denied", 1},
		"that, and events wait":        {[]accountcheck.Undelivered{stuck}, errors.New("no"), nil, 1, 3, "no", 1},
		"that, and one is missing":     {[]accountcheck.Undelivered{empty}, errors.New("no"), nil, 0, 3, "no", 1},
		"a long reason":                {nil, errors.New(strings.Repeat("x", 301)), nil, 0, 3, strings.Repeat("x", 300), 1},
		"IAM does not answer":          {[]accountcheck.Undelivered{stuck}, nil, errDenied, 0, 2, "before", 0},
	} {
		t.Run(name, func(t *testing.T) {
			r := newRig()
			r.queues, r.unread, r.ask = tt.queues, tt.unread, func(string) error { return tt.down }
			r.put(t, hub, accountcheck.KindRoot, func(c *accountcheck.Check) { c.QueueFailures, c.QueueError, c.UnansweredChecks = 2, "before", 2 })
			did, err := r.checker(accountcheck.Settings{}).CheckRoots(t.Context(), r, r, start)
			if err != nil || did.Backlogged != tt.backlogged || did.QueueFailures != tt.queueFailures || len(r.raised) != tt.backlogged {
				t.Errorf("%+v, %v, raised %v", did, err, r.raised)
			}
			row := r.get(t, hub, accountcheck.KindRoot)
			if row.QueueFailures != tt.failures || row.QueueError != tt.why {
				t.Errorf("row: %+v", row)
			}
			if tt.down != nil && (row.UnansweredChecks != 3 || !row.Due.Equal(start.Add(worker.Unreachable().After(row.Key, 3))) || !row.Done.IsZero()) {
				t.Errorf("without an answer: %+v", row)
			}
		})
	}

	r := newRig()
	r.queues, r.refuse = []accountcheck.Undelivered{empty, stuck}, errDown
	r.put(t, hub, accountcheck.KindRoot)
	if _, err := r.checker(accountcheck.Settings{}).CheckRoots(t.Context(), r, r, start); !errors.Is(err, errDown) || r.get(t, hub, accountcheck.KindRoot).Failures != 1 {
		t.Errorf("where it cannot be reported: %v", err)
	}
}

// TestRootPasswordEntered holds until when a sign-in is waited for after root's password,
// and when the account is checked next.
func TestRootPasswordEntered(t *testing.T) {
	const wait = 15 * time.Minute
	never := time.Duration(0)
	for _, tt := range []struct {
		name     string
		entered  time.Duration // ago; 0: it was not
		root     rootUser
		interval time.Duration
		kept     bool
		due      time.Duration // from now; 0: as always
	}{
		{"not entered", never, good, time.Hour, false, 0},
		{"waited for", wait - 1, good, time.Hour, true, time.Second + 1},
		{"waited for long enough", wait, good, time.Hour, false, 0},
		{"waited for, and a problem waits less", 1, rootUser{password: 1}, time.Hour, true, wait},
		{"waited for, and a problem waits longer", time.Minute, rootUser{password: 1}, time.Hour, true, wait - time.Minute + time.Second},
		{"not entered, and a problem waits longer than the next check", never, rootUser{password: 1}, wait / 2, false, 0},
	} {
		t.Run(tt.name, func(t *testing.T) {
			r := newRig()
			r.root, r.abandoned = tt.root, 2
			r.put(t, hub, accountcheck.KindRoot, func(c *accountcheck.Check) {
				if tt.entered > 0 {
					c.Root.Entered = start.Add(-tt.entered)
				}
			})
			did, err := r.checker(accountcheck.Settings{RootInterval: tt.interval}).CheckRoots(t.Context(), r, nil, start)
			if judged := tt.entered > 0; err != nil || (did.Alerted == 2) != judged || slices.Equal(r.judged, []time.Time{start.Add(-48 * time.Hour)}) != judged {
				t.Errorf("%+v, %v, judged since %v", did, err, r.judged)
			}
			row := r.get(t, hub, accountcheck.KindRoot)
			if row.Root.Entered.IsZero() == tt.kept {
				t.Errorf("entered: %v", row.Root.Entered)
			}
			in := row.Due.Sub(start)
			if tt.due > 0 && in != tt.due || tt.due == 0 && (in < tt.interval/2 || in > tt.interval*3/2 || in == wait) {
				t.Errorf("due in %v, want %v", in, tt.due)
			}
		})
	}
}

// TestDayTwoRow holds what a check of an account counts and keeps, and that one that fails
// stays as it was.
func TestDayTwoRow(t *testing.T) {
	type kept struct{ unanswered, failures, revision int }
	wasDone := []daytwo.Result{{Step: daytwo.SecurityContact, State: bootstrap.Done, WasDone: true}}
	for _, tt := range []struct {
		name       string
		breaks     func(r *rig)
		unanswered int // before
		did        accountcheck.DayTwoChecked
		want       error
		row        kept
	}{
		{"a step regressed", func(*rig) {}, 3, accountcheck.DayTwoChecked{Accounts: 1, Regressed: 1, Alerted: 1}, nil, kept{0, 0, 2}},
		{"and was reported before", func(r *rig) { r.answer.Disposition = guard.Duplicate }, 0, accountcheck.DayTwoChecked{Accounts: 1, Regressed: 1}, nil, kept{0, 0, 2}},
		{"and cannot be reported", func(r *rig) { r.refuse = errDown }, 0, accountcheck.DayTwoChecked{}, errDown, kept{0, 1, 2}},
		{"and another run reports it", func(r *rig) { r.refuse = guard.ErrBusy }, 0, accountcheck.DayTwoChecked{}, nil, kept{0, 0, 1}},
		{"facts cannot be read", func(r *rig) { r.script.Fail("Facts.Facts", 1) }, 0, accountcheck.DayTwoChecked{}, fake.ErrFault, kept{0, 1, 2}},
		{"it cannot be stored", func(r *rig) { r.script.Fail("Checks.Update", 1) }, 0, accountcheck.DayTwoChecked{Alerted: 1}, fake.ErrFault, kept{0, 1, 2}},
		{"no answer", func(r *rig) { r.ask = func(string) error { return errDenied } }, 0, accountcheck.DayTwoChecked{Unanswered: 1}, nil, kept{1, 0, 2}},
		{"no answer for the fourth time", func(r *rig) { r.ask = func(string) error { return errDenied } }, 3, accountcheck.DayTwoChecked{Unanswered: 1}, nil, kept{4, 0, 2}},
		{"no answer for the fifth", func(r *rig) { r.ask = func(string) error { return errDenied } }, 4, accountcheck.DayTwoChecked{Accounts: 1, Unanswered: 1}, nil, kept{0, 0, 2}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			r := newRig()
			r.put(t, hub, accountcheck.KindDayTwo, func(c *accountcheck.Check) { c.DayTwo.Results, c.UnansweredChecks = wasDone, tt.unanswered })
			tt.breaks(r)
			did, err := r.checker(accountcheck.Settings{DayTwo: []daytwo.Step{daytwo.SecurityContact}}).CheckDayTwo(t.Context(), accountcheck.HubAccount{Account: hub}, r, start)
			if !errors.Is(err, tt.want) || (err == nil) != (tt.want == nil) || did != tt.did {
				t.Errorf("%+v, %v, want %+v", did, err, tt.did)
			}
			row := r.get(t, hub, accountcheck.KindDayTwo)
			if row.UnansweredChecks != tt.row.unanswered || row.Failures != tt.row.failures || row.Revision != tt.row.revision {
				t.Errorf("row: %+v", row)
			}
			if row.Done.Equal(start) != (did.Accounts == 1) || row.Due.After(start.Add(2*time.Hour)) != (did.Accounts == 1) || row.Due.After(start) != (row.Revision == 2) {
				t.Errorf("done at %v, due at %v", row.Done, row.Due)
			}
			if now := row.DayTwo.Results[0]; (now.State == bootstrap.Regressed) != (did.Regressed == 1) || (now.Unknown != "") != (did.Unanswered == 1) {
				t.Errorf("the step: %+v", now)
			}
		})
	}
}

// TestRoutesOther holds when other routes in the settings have the accounts discovered at
// once: where those of the guard's own account are known by others.
func TestRoutesOther(t *testing.T) {
	const routes, discovery = accountcheck.KindRoutes, accountcheck.KindDiscovery
	later := start.Add(time.Hour)
	for _, tt := range []struct {
		name       string
		routes     func(*accountcheck.Check) // of the row; nil: there is none
		discovered time.Time                 // when it is due; zero: there is no row
		now        bool
	}{
		{"the same", func(*accountcheck.Check) {}, later, false},
		{"others", func(c *accountcheck.Check) { c.Routed.Routes = "others" }, later, true},
		{"others, about which there was no answer", func(c *accountcheck.Check) { c.Routed.Routes, c.UnansweredChecks = "others", 1 }, later, false},
		{"others, and it is due", func(c *accountcheck.Check) { c.Routed.Routes, c.Due = "others", start }, later, false},
		{"none yet", nil, later, true},
		{"none yet, and never discovered", nil, time.Time{}, false},
		{"others, and a discovery is due", func(c *accountcheck.Check) { c.Routed.Routes = "others" }, start.Add(-time.Minute), false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			r := newRig()
			k := r.checker(accountcheck.Settings{Routes: []accountcheck.Route{byUnit}})
			check := func() error {
				_, err := k.CheckRoutes(t.Context(), accountcheck.HubAccount{Account: hub}, r, start)
				return err
			}
			r.put(t, hub, routes)
			if err := check(); err != nil {
				t.Fatal(err)
			}
			if placed := r.get(t, hub, routes); placed.Routed.Routes == "" || !placed.Done.Equal(start) || placed.Due.Before(start.Add(12*time.Hour)) {
				t.Errorf("placed: %+v", placed)
			} else if tt.routes != nil {
				tt.routes(&placed)
				r.put(t, hub, routes, func(c *accountcheck.Check) { *c = placed })
			} else {
				r.checks = &fake.Checks{Script: r.script}
				k = r.checker(accountcheck.Settings{Routes: []accountcheck.Route{byUnit}})
			}
			if !tt.discovered.IsZero() {
				r.put(t, hub, discovery, func(c *accountcheck.Check) { c.Due = tt.discovered })
			}
			r.script.Fail("Checks.Get", 1)
			if err := check(); !errors.Is(err, fake.ErrFault) {
				t.Errorf("unread: %v", err)
			}
			if tt.now {
				r.script.Fail("Checks.Update", 1)
				if err := check(); !errors.Is(err, fake.ErrFault) {
					t.Errorf("not stored: %v", err)
				}
			}
			if err := check(); err != nil {
				t.Fatal(err)
			}
			got := r.get(t, hub, discovery)
			want := tt.discovered
			if tt.now {
				want = start
			}
			if !got.Due.Equal(want) || (got.Key == "") != tt.discovered.IsZero() || (got.Revision == 2) != tt.now {
				t.Errorf("discovered: %+v", got)
			}
		})
	}
}

// TestRoutesAsk holds that only that is asked for which a route names.
func TestRoutesAsk(t *testing.T) {
	list := accountcheck.Route{Name: "list", Accounts: []string{hub}}
	units, tags := []string{"units " + hub}, []string{"tags " + hub}
	for _, tt := range []struct {
		routes []accountcheck.Route
		want   []string
	}{
		{[]accountcheck.Route{list}, nil},
		{[]accountcheck.Route{byUnit, list}, units},
		{[]accountcheck.Route{list, byTag}, tags},
		{[]accountcheck.Route{byUnit, byTag}, slices.Concat(units, tags)},
		{[]accountcheck.Route{byTag, byUnit}, slices.Concat(units, tags)},
	} {
		b := newRouteBench(t, tt.routes...)
		b.org.accounts = []string{hub}
		if b.sweep(1); !slices.Equal(b.org.asked, tt.want) {
			t.Errorf("%+v: asked for %v", tt.routes, b.org.asked)
		}
	}
	if did, err := newRig().checker(accountcheck.Settings{Routes: []accountcheck.Route{byUnit}}).CheckRoutes(t.Context(), accountcheck.HubAccount{Account: hub}, nil, start); err != nil ||
		did != (accountcheck.RoutesChecked{}) {
		t.Errorf("without an organization: %+v, %v", did, err)
	}
}

// TestAskNames holds which names of units are no IDs.
func TestAskNames(t *testing.T) {
	for units, want := range map[string]bool{"": false, "ou-a1b2-1": false, "r-a1b2": false, "Workloads": true, "ou-a1b2-1,r-a1b2": false, "r-a1b2,ou": true, "rest": true} {
		route := accountcheck.Route{Name: "Workloads", Accounts: []string{hub}, Tags: []string{"a=b"}}
		if units != "" {
			route.Units = strings.Split(units, ",")
		}
		if got := accountcheck.AskNames([]accountcheck.Route{{Units: []string{"r-a1b2"}}, route}); got != want {
			t.Errorf("%s: %v", units, got)
		}
	}
}

// deadlines notes how long each question may take.
type deadlines struct {
	*rig
	took []time.Duration
}

func (d *deadlines) note(ctx context.Context) {
	until, _ := ctx.Deadline()
	d.took = append(d.took, time.Until(until))
}

func (d *deadlines) AccountSummary(ctx context.Context, account string) (bootstrap.LiveFact, error) {
	d.note(ctx)
	return d.rig.AccountSummary(ctx, account)
}

func (d *deadlines) Undelivered(ctx context.Context, account string) ([]accountcheck.Undelivered, error) {
	d.note(ctx)
	return d.rig.Undelivered(ctx, account)
}

func (d *deadlines) Read(ctx context.Context, account string, what daytwo.Read, into *daytwo.Answers) error {
	d.note(ctx)
	return d.rig.Read(ctx, account, what, into)
}

func (d *deadlines) Units(ctx context.Context, account string) ([]accountcheck.Unit, error) {
	d.note(ctx)
	return d.rig.Units(ctx, account)
}

// TestTimeouts holds how long one question may take of which kind.
func TestTimeouts(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := &deadlines{rig: newRig()}
		for _, kind := range []accountcheck.Kind{accountcheck.KindRoot, accountcheck.KindDayTwo, accountcheck.KindRoutes} {
			d.put(t, hub, kind)
		}
		k := d.checker(accountcheck.Settings{DayTwo: []daytwo.Step{daytwo.SecurityContact}, Routes: []accountcheck.Route{byUnit}})
		_, one := k.CheckRoots(t.Context(), d, d, start)
		_, two := k.CheckDayTwo(t.Context(), accountcheck.HubAccount{Account: hub}, d, start)
		_, three := k.CheckRoutes(t.Context(), accountcheck.HubAccount{Account: hub}, d, start)
		if err := errors.Join(one, two, three); err != nil {
			t.Fatal(err)
		}
		if want := []time.Duration{10 * time.Second, 5 * time.Second, 5 * time.Second, 10 * time.Second}; !slices.Equal(d.took, want) {
			t.Errorf("they may take %v, want %v", d.took, want)
		}
	})
}

// TestScheduleFaults holds that of several facts one whose check cannot be stored keeps
// no other back, and that what was discovered is read of the guard's own account.
func TestScheduleFaults(t *testing.T) {
	r := newRig()
	s := accountcheck.Schedule{Checks: r.checks}
	var facts []bootstrap.Fact
	for _, a := range accounts(3) {
		r.put(t, a, accountcheck.KindRoot, func(c *accountcheck.Check) { c.Due = start.Add(time.Hour) })
		facts = append(facts, bootstrap.Fact{Account: a, Kind: bootstrap.RootMFADeactivated, Time: start})
	}
	r.script.Fail("Checks.Update", 1)
	if err := s.Added(t.Context(), facts); !errors.Is(err, fake.ErrFault) {
		t.Errorf("added: %v", err)
	}
	for i, a := range accounts(3) {
		if got := r.get(t, a, accountcheck.KindRoot); got.Due.Equal(start.Add(time.Hour)) != (i == 0) {
			t.Errorf("account %d: %+v", i, got)
		}
	}

	want := accountcheck.Discovery{Began: start, Unreachable: 3}
	r.put(t, hub, accountcheck.KindDiscovery, func(c *accountcheck.Check) { c.Discovery = want })
	if got, err := s.Discovered(t.Context(), hub); err != nil || !cmp.Equal(got, want) {
		t.Errorf("discovered: %+v, %v", got, err)
	}
	if got, err := s.Discovered(t.Context(), member); err != nil || !cmp.Equal(got, accountcheck.Discovery{}) {
		t.Errorf("of another account: %+v, %v", got, err)
	}
	r.script.Fail("Checks.Get", 2)
	if _, err := s.Discovered(t.Context(), hub); !errors.Is(err, fake.ErrFault) {
		t.Errorf("discovered, and it cannot be read: %v", err)
	}
	if _, err := s.RoutesOf(t.Context(), hub); !errors.Is(err, fake.ErrFault) {
		t.Errorf("routes, and they cannot be read: %v", err)
	}
}

func (r *rig) Users(context.Context, string) ([]accountcheck.ListedUser, error) { return nil, nil }

func (r *rig) User(context.Context, string, string) (bootstrap.LiveFact, error) {
	return bootstrap.LiveFact{}, nil
}

// TestEnrollFails holds that an account is not enrolled where what is on record of its
// root cannot be read, and that it is by the next try.
func TestEnrollFails(t *testing.T) {
	r := newRig()
	k := r.checker(accountcheck.Settings{})
	r.script.Fail("Facts.Facts", 1)
	if did, err := k.Enroll(t.Context(), r, hub, start, nil); !errors.Is(err, fake.ErrFault) || did.Root.AccountMFAEnabled != nil {
		t.Errorf("%+v, %v", did, err)
	}
	if _, err := k.Enroll(t.Context(), r, hub, start, nil); err != nil {
		t.Error(err)
	}
	if recent, err := k.Recently(t.Context(), hub, start); err != nil || !recent {
		t.Errorf("recently: %v, %v", recent, err)
	}
}
