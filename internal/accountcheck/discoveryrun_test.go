package accountcheck_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"rootguard/internal/accountcheck"
	"rootguard/internal/daytwo"
	"rootguard/internal/detect"
	"rootguard/internal/fake"
	"rootguard/internal/guard"
)

// kinds are those of an account's rows.
var kinds = []accountcheck.Kind{accountcheck.KindRoot, accountcheck.KindUsers, accountcheck.KindReport, accountcheck.KindFacts, accountcheck.KindDayTwo, accountcheck.KindRoutes}

// optional are settings by which there are rows of all kinds.
func optional() accountcheck.Settings {
	return accountcheck.Settings{DayTwo: []daytwo.Step{daytwo.Trail}, Routes: []accountcheck.Route{{Name: "dev", Units: []string{"dev"}}}}
}

var hubHome = accountcheck.HubAccount{Account: home, Region: "us-east-1", Members: true}

// orgHook is an organization that does something before it lists a page.
type orgHook struct {
	*orgFake
	before func(token string)
}

func (o *orgHook) Members(ctx context.Context, token string) ([]accountcheck.Member, string, error) {
	o.before(token)
	if ctx.Err() != nil {
		return nil, "", ctx.Err()
	}
	return o.orgFake.Members(ctx, token)
}

// rows are those of an account, without what names them.
func (b *alone) rows(t *testing.T, account string) map[accountcheck.Kind]accountcheck.Check {
	t.Helper()
	rows := map[accountcheck.Kind]accountcheck.Check{}
	for _, kind := range kinds {
		if r := b.row(t, account, kind); r.Key != "" {
			r.Key, r.Account, r.Kind = "", "", ""
			rows[kind] = r
		}
	}
	return rows
}

// TestDiscoveryRows holds which rows accounts have once they are found, closed, back or as
// they were, with and without what settings ask for.
func TestDiscoveryRows(t *testing.T) {
	const fresh, closed, back, known, left, jumpy = "111111111111", "222222222222", "333333333333", "444444444444", "555555555555", "666666666666"
	for name, settings := range map[string]accountcheck.Settings{"no more than the default": {}, "all": optional()} {
		t.Run(name, func(t *testing.T) {
			all := len(settings.DayTwo) > 0
			b := newAlone(settings)
			at := b.clock.Now()
			later, before := at.Add(time.Hour), at.Add(-time.Hour)
			for _, kind := range kinds {
				full := accountcheck.Check{Due: later, UnansweredChecks: 1, Done: before}
				full.Root.Entered, full.QueueFailures, full.QueueError, full.Witness.Why, full.Cursor = before, 1, "x", "y", "z"
				full.DayTwo.Results, full.Routed.Names = []daytwo.Result{{Step: daytwo.Trail}}, []string{"dev"}
				full.Listed = before
				for _, account := range []string{closed, known, left} {
					b.put(t, account, kind, full)
				}
				full.Due = before.Add(time.Minute)
				b.put(t, back, kind, full)
				_ = b.checks.Of(kind).Update(t.Context(), back+"/"+string(kind), func(r accountcheck.Check) accountcheck.Check {
					r.Due, r.Suspended = time.Time{}, kind == accountcheck.KindRoot
					return r
				})
			}
			org := &orgFake{active: map[string]bool{home: false, fresh: true, closed: false, back: true, known: true, jumpy: false}}
			did, err := b.DiscoverAccounts(t.Context(), hubHome, org, at)
			if want := (accountcheck.Discovered{Accounts: 6, Enrolled: 3, Dropped: 3}); did != want || err != nil {
				t.Errorf("%+v, %v", did, err)
			}
			want := func(account string, rows map[accountcheck.Kind]accountcheck.Check) {
				t.Helper()
				got := b.rows(t, account)
				if diff := cmp.Diff(rows, got, cmpopts.EquateEmpty(), cmpopts.IgnoreFields(accountcheck.Check{}, "Revision")); diff != "" {
					t.Errorf("rows of %s (-want +got):\n%s", account, diff)
				}
			}
			type rows = map[accountcheck.Kind]accountcheck.Check
			due := accountcheck.Check{Due: at}
			found := rows{accountcheck.KindRoot: {Due: at, Listed: at}, accountcheck.KindUsers: {Due: at, Listed: at}, accountcheck.KindReport: {Due: at, Listed: at, Witness: accountcheck.Witness{Began: at}}, accountcheck.KindFacts: due}
			if all {
				found[accountcheck.KindDayTwo], found[accountcheck.KindRoutes] = accountcheck.Check{Due: at, Listed: at}, accountcheck.Check{Due: at, Listed: at}
			}
			want(home, found)
			report := b.row(t, fresh, accountcheck.KindReport)
			if in := report.Due.Sub(at); in <= 0 || in >= accountcheck.ReportAge {
				t.Errorf("the report of a new account is due in %v", in)
			}
			found[accountcheck.KindReport] = accountcheck.Check{Due: report.Due, Listed: at, Witness: accountcheck.Witness{Began: at}}
			want(fresh, found)
			want(jumpy, rows{accountcheck.KindRoot: {Suspended: true}, accountcheck.KindFacts: due})

			full := b.row(t, known, accountcheck.KindUsers)
			full.Key, full.Account, full.Kind = "", "", ""
			if full.Revision != 1 {
				t.Errorf("the row of a known account was written: %+v", full)
			}
			same := rows{}
			for _, kind := range kinds {
				same[kind] = full
			}
			listed := full
			listed.Listed = at
			same[accountcheck.KindRoot] = listed
			want(known, same)

			root, users, wit, two, routes := full, full, full, full, full
			root.Due, root.Suspended, root.UnansweredChecks, root.Root, root.QueueFailures, root.QueueError = time.Time{}, true, 0, accountcheck.Root{}, 0, ""
			users.Due, users.Cursor, users.UnansweredChecks = time.Time{}, "", 0
			wit.Due, wit.UnansweredChecks, wit.Witness = time.Time{}, 0, accountcheck.Witness{}
			dropped := rows{accountcheck.KindRoot: root, accountcheck.KindUsers: users, accountcheck.KindReport: wit, accountcheck.KindFacts: full, accountcheck.KindDayTwo: two, accountcheck.KindRoutes: routes}
			if all {
				two.Due, two.UnansweredChecks, two.DayTwo = time.Time{}, 0, accountcheck.DayTwo{}
				routes.Due, routes.UnansweredChecks = time.Time{}, 0
				dropped[accountcheck.KindDayTwo], dropped[accountcheck.KindRoutes] = two, routes
			}
			want(closed, dropped)
			want(left, dropped)

			if r := b.row(t, back, accountcheck.KindRoot); r.Suspended || !r.Due.Equal(at) || !r.Listed.Equal(at) {
				t.Errorf("of one that is back: %+v", r)
			}
			if r := b.row(t, back, accountcheck.KindReport); !r.Witness.Began.Equal(at) || r.Witness.Why != "" || r.Due.IsZero() {
				t.Errorf("of one that is back: %+v", r)
			}
			hub := b.row(t, home, accountcheck.KindDiscovery)
			if hub.Cursor != "" || !hub.Done.Equal(at) || hub.Due.Sub(at) < 12*time.Hour || hub.Due.Sub(at) > 36*time.Hour || !hub.Discovery.Complete || !hub.Discovery.Began.Equal(at) || hub.Account != home {
				t.Errorf("the discovery: %+v", hub)
			}

			// Again, when it is due: what is dropped is written no more.
			b.clock.Advance(hub.Due.Sub(at) - 1)
			if did, err := b.DiscoverAccounts(t.Context(), hubHome, org, b.clock.Now()); did != (accountcheck.Discovered{}) || err != nil {
				t.Errorf("before it is due: %+v, %v", did, err)
			}
			b.clock.Advance(1)
			revisions := b.rows(t, left)
			if did, err := b.DiscoverAccounts(t.Context(), hubHome, org, b.clock.Now()); did != (accountcheck.Discovered{Accounts: 6}) || err != nil {
				t.Errorf("again: %+v, %v", did, err)
			}
			if diff := cmp.Diff(revisions, b.rows(t, left)); diff != "" {
				t.Errorf("rows of one that was dropped before (-before +after):\n%s", diff)
			}
		})
	}
}

// TestDiscoveryGaps holds of which accounts it is reported that they are not seen, and why.
func TestDiscoveryGaps(t *testing.T) {
	const (
		root, users, report, routes = accountcheck.KindRoot, accountcheck.KindUsers, accountcheck.KindReport, accountcheck.KindRoutes
		why, queue                  = "an SCP denies it", "there is no queue q"
	)
	type rows = map[accountcheck.Kind]accountcheck.Check
	silent := func(n int) accountcheck.Check {
		return accountcheck.Check{UnansweredChecks: n, Witness: accountcheck.Witness{Why: why}}
	}
	queues := func(n int) accountcheck.Check { return accountcheck.Check{QueueFailures: n, QueueError: queue} }
	late := func(by time.Duration) accountcheck.Check {
		return accountcheck.Check{Due: newAlone(accountcheck.Settings{}).clock.Now().Add(-by)}
	}
	for _, tt := range []struct {
		name string
		rows rows
		want string // "live checks", ...
	}{
		{"all answered", nil, ""},
		{"root, for a while", rows{root: silent(5)}, ""},
		{"root, for hours", rows{root: silent(6)}, "live checks"},
		{"users, for a while", rows{users: silent(5)}, ""},
		{"users, for hours", rows{users: silent(6)}, "live checks"},
		{"the report, for a while", rows{report: silent(5)}, ""},
		{"the report, for hours", rows{report: silent(6)}, "credential reports"},
		{"users and the report", rows{users: silent(6), report: silent(6)}, "live checks"},
		{"queues, for a while", rows{root: queues(2)}, ""},
		{"queues", rows{root: queues(3)}, "forwarder queues"},
		{"queues and users", rows{root: queues(3), users: silent(6)}, "live checks"},
		{"queues and the report", rows{root: queues(3), report: silent(6)}, "forwarder queues, credential reports"},
		{"routes, for a while", rows{routes: silent(5)}, ""},
		{"routes, for hours", rows{routes: silent(6)}, "routes"},
		{"routes that were due a day ago", rows{routes: late(24 * time.Hour)}, ""},
		{"routes that were due before that", rows{routes: late(24*time.Hour + 1)}, "routes"},
		{"closed", rows{root: {Suspended: true, UnansweredChecks: 6, QueueFailures: 3}, users: silent(6), report: silent(6), routes: silent(6)}, ""},
	} {
		for _, members := range []int{1, 11} {
			t.Run(fmt.Sprint(tt.name, " in ", members), func(t *testing.T) {
				settings := optional()
				settings.DayTwo = nil
				b := newAlone(settings)
				at := b.clock.Now()
				for n := range members {
					for _, kind := range []accountcheck.Kind{root, users, report, routes} {
						r := tt.rows[kind]
						b.put(t, memberID(n), kind, r)
					}
				}
				hub := hubHome
				if did, err := b.DiscoverAccounts(t.Context(), hub, nil, at); err != nil || did.Accounts != members+1 {
					t.Fatalf("%+v, %v", did, err)
				}
				got := []string{}
				for _, f := range b.raised {
					got = append(got, f.Target.Resource)
					names := memberID(0) + ". "
					if members == 11 {
						names = ", " + memberID(9) + " and 1 more. "
					}
					reason := map[string]string{"forwarder queues": queue, "credential reports": why}[f.Target.Resource]
					if f.ID != detect.GuardUnhealthy || f.Account != home || f.Region != hub.Region || !strings.Contains(f.Detail, names) ||
						!strings.Contains(f.Detail, fmt.Sprintf(" %d of the accounts", members)) || !strings.HasSuffix(strings.TrimRight(f.Detail, "."), reason) {
						t.Errorf("it says %q", f.Detail)
					}
				}
				if strings.Join(got, ", ") != tt.want {
					t.Errorf("reported %q, want %q", got, tt.want)
				}
				is := b.row(t, home, accountcheck.KindDiscovery).Discovery
				if n := is.Unreachable + is.QueueFailures + is.NoReport + is.Unplaced; n != members*len(got) || len(is.UnreachableIDs)+len(is.QueueFailureIDs)+len(is.NoReportIDs)+len(is.UnplacedIDs) != min(members, 10)*len(got) {
					t.Errorf("kept: %+v", is)
				}

				// Where the guard has no role in members, they are not looked at.
				hub.Members, b.raised = false, nil
				b.clock.Advance(48 * time.Hour)
				if _, err := b.DiscoverAccounts(t.Context(), hub, nil, b.clock.Now()); err != nil {
					t.Fatal(err)
				}
				for _, f := range b.raised {
					if f.Target.Resource != "routes" { // the hub's own, which no one checks here
						t.Errorf("reported without a role: %q", f.Detail)
					}
				}
			})
		}
	}
}

// TestDiscoveryTime holds that a run whose time ends leaves the rest to the next, which goes
// on there, and that a list that was cut off is not refused.
func TestDiscoveryTime(t *testing.T) {
	const left = time.Minute
	for _, tt := range []struct {
		name   string
		at     string // the token of the page at which the time ends, "-" for none
		cancel bool
		less   time.Duration // of the time from the beginning
		first  accountcheck.Discovered
		cursor string
	}{
		{"it does not", "-", false, 0, accountcheck.Discovered{Accounts: 5, Enrolled: 5}, ""},
		{"at the beginning", "-", false, left - 12*time.Second + 1, accountcheck.Discovered{More: true}, ""},
		{"at the first page", "", false, 0, accountcheck.Discovered{Accounts: 2, Enrolled: 2, More: true}, "member/" + memberID(0)},
		{"the context ends at the second page", memberID(0), true, 0, accountcheck.Discovered{Accounts: 2, Enrolled: 2, More: true}, "member/" + memberID(0)},
		{"at the last page", memberID(2), false, 0, accountcheck.Discovered{Accounts: 5, Enrolled: 5, More: true}, "record/"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			b := newAlone(accountcheck.Settings{})
			at := b.clock.Now()
			ctx, cancel := context.WithCancel(b.within(t, left))
			defer cancel()
			b.clock.Advance(tt.less)
			pages := 0
			org := &orgHook{orgFake: &orgFake{active: map[string]bool{home: true}}, before: func(token string) {
				pages++
				switch {
				case token != tt.at:
				case tt.cancel:
					cancel()
				default:
					b.clock.Advance(left - 12*time.Second + 1)
				}
			}}
			for n := range 4 {
				org.active[memberID(n)] = true
			}
			did, err := b.DiscoverAccounts(ctx, hubHome, org, at)
			row := b.row(t, home, accountcheck.KindDiscovery)
			if did != tt.first || err != nil || !tt.cancel && row.Cursor != tt.cursor || row.UnansweredChecks != 0 || row.Done.IsZero() != did.More {
				t.Errorf("%+v, %v; the row: %+v", did, err, row)
			}
			next, err := b.DiscoverAccounts(t.Context(), hubHome, org, at.Add(time.Second))
			if err != nil || next.More || did.Accounts+next.Accounts != 5 || did.Enrolled+next.Enrolled != 5 {
				t.Errorf("the next: %+v, %v", next, err)
			}
			if want := 3; !tt.cancel && pages != want {
				t.Errorf("%d pages were asked for", pages)
			}
		})
	}
}

// TestDiscoveryRecord holds that accounts on record are gone through a hundred at a time,
// each once, however often the time ends.
func TestDiscoveryRecord(t *testing.T) {
	for _, n := range []int{99, 100, 101, 250} {
		b := newAlone(accountcheck.Settings{})
		for i := range n - 1 {
			b.checks.Others = append(b.checks.Others, memberID(i))
		}
		at := b.clock.Now()
		accounts, enrolled, runs := 0, 0, 0
		for more := true; more && runs < 9; runs++ {
			left := b.clock.Now().Add(12 * time.Second)
			b.script.Before(func(int) { b.clock.Advance(time.Millisecond) })
			ctx := until{t.Context(), left.Add(100 * time.Millisecond)}
			did, err := b.DiscoverAccounts(ctx, hubHome, nil, at)
			if err != nil {
				t.Fatal(err)
			}
			accounts, enrolled, more = accounts+did.Accounts, enrolled+did.Enrolled, did.More
			b.script.Before(nil)
			b.clock.Advance(time.Minute)
		}
		if want := n/100 + 1; accounts != n || enrolled != n || runs != want {
			t.Errorf("of %d: %d gone through, %d enrolled, in %d runs, want %d", n, accounts, enrolled, runs, want)
		}
	}
}

// TestDiscoveryOverlap holds that a run ends where another goes on with it.
func TestDiscoveryOverlap(t *testing.T) {
	b := newAlone(accountcheck.Settings{})
	pages := 0
	org := &orgHook{orgFake: &orgFake{active: map[string]bool{home: true}}, before: func(string) {
		pages++
		_ = b.checks.Of(accountcheck.KindDiscovery).Update(t.Context(), home+"/"+string(accountcheck.KindDiscovery), func(r accountcheck.Check) accountcheck.Check {
			r.Revision++
			return r
		})
	}}
	for n := range 4 {
		org.active[memberID(n)] = true
	}
	if did, err := b.DiscoverAccounts(t.Context(), hubHome, org, b.clock.Now()); err != nil || did.More || pages != 1 {
		t.Errorf("%+v, %v, after %d pages", did, err, pages)
	}
}

// TestDiscoveryRefused holds what is kept of a list that cannot be had: it is tried three
// times, five minutes apart, and then the accounts on record are gone through.
func TestDiscoveryRefused(t *testing.T) {
	b := newAlone(accountcheck.Settings{})
	org := &orgFake{refuse: errDenied}
	b.put(t, memberID(1), accountcheck.KindRoot, accountcheck.Check{Due: b.clock.Now().Add(time.Hour)})
	for n := 1; n <= 4; n++ {
		did, err := b.DiscoverAccounts(t.Context(), hubHome, org, b.clock.Now())
		r := b.row(t, home, accountcheck.KindDiscovery)
		third := n == 3
		if err != nil || did.Refused != errDenied.Error() || did.Dropped != 0 || (did.Accounts == 2) != third || r.Cursor != "" || r.Done.IsZero() != (n < 3) ||
			r.UnansweredChecks != n%3 || (r.Discovery.Refused == did.Refused) != third || len(b.raised) != n/3 {
			t.Errorf("attempt %d: %+v, %v; the row: %+v", n, did, err, r)
		}
		if !third && r.Due.Sub(b.clock.Now()) != 5*time.Minute {
			t.Errorf("attempt %d: again in %v", n, r.Due.Sub(b.clock.Now()))
		}
		if third && (b.raised[0].Target.Resource != "organization accounts" || !strings.HasSuffix(strings.TrimRight(b.raised[0].Detail, "."), errDenied.Error())) {
			t.Errorf("reported: %+v", b.raised[0])
		}
		b.clock.Advance(r.Due.Sub(b.clock.Now()))
	}
	org.refuse = nil
	if did, err := b.DiscoverAccounts(t.Context(), hubHome, org, b.clock.Now()); err != nil || did.Refused != "" || b.row(t, home, accountcheck.KindDiscovery).UnansweredChecks != 0 {
		t.Errorf("%+v, %v", did, err)
	}
}

// TestDiscoveryErrors holds that a call that fails is an error of the run, whichever it is,
// and that the next run does the rest; but that an alert under way is none.
func TestDiscoveryErrors(t *testing.T) {
	prepared := func() (*alone, *orgFake) {
		b := newAlone(optional())
		b.checks.Others = []string{memberID(5)}
		b.put(t, memberID(1), accountcheck.KindRoot, accountcheck.Check{Listed: b.clock.Now().Add(time.Hour)})
		b.put(t, memberID(2), accountcheck.KindUsers, accountcheck.Check{})
		return b, &orgFake{active: map[string]bool{home: true, memberID(2): false, memberID(3): true}}
	}
	b, org := prepared()
	before := len(b.script.Calls())
	if _, err := b.DiscoverAccounts(t.Context(), hubHome, org, b.clock.Now()); err != nil {
		t.Fatal(err)
	}
	calls := len(b.script.Calls()) - before
	want := map[string]map[accountcheck.Kind]accountcheck.Check{}
	for _, a := range []string{home, memberID(1), memberID(2), memberID(3), memberID(5)} {
		want[a] = b.rows(t, a)
	}
	for n := 1; n <= calls; n++ {
		b, org := prepared()
		b.script.Inject(n, fake.FailBefore)
		did, err := b.DiscoverAccounts(t.Context(), hubHome, org, b.clock.Now())
		if !errors.Is(err, fake.ErrFault) {
			t.Errorf("call %d failed: %+v, %v", n, did, err)
		}
		if did, err := b.DiscoverAccounts(t.Context(), hubHome, org, b.clock.Now()); err != nil || did.More {
			t.Errorf("after call %d failed: %+v, %v", n, did, err)
		}
		for a := range want {
			if diff := cmp.Diff(want[a], b.rows(t, a), cmpopts.IgnoreFields(accountcheck.Check{}, "Revision")); diff != "" {
				t.Errorf("after call %d failed, rows of %s (-want +got):\n%s", n, a, diff)
			}
		}
	}
	for _, tt := range []struct {
		err   error
		fails bool
	}{{errDenied, true}, {guard.ErrBusy, false}} {
		b, _ := prepared()
		b.put(t, memberID(1), accountcheck.KindRoot, accountcheck.Check{UnansweredChecks: 6})
		b.raise = func(detect.Finding) error { return tt.err }
		if did, err := b.DiscoverAccounts(t.Context(), hubHome, nil, b.clock.Now()); (err != nil) != tt.fails || did.More {
			t.Errorf("the alert fails by %v: %+v, %v", tt.err, did, err)
		}
		if done := b.row(t, home, accountcheck.KindDiscovery).Done; done.IsZero() != tt.fails {
			t.Errorf("the alert fails by %v, and it is done at %v", tt.err, done)
		}
	}
}

// TestDiscoveryOlder holds that an account whose rows are of a version, or of settings,
// that had fewer kinds gets those that are missing, and others are left as they are.
func TestDiscoveryOlder(t *testing.T) {
	for _, missing := range append(kinds, "none") {
		settings := optional()
		if missing == accountcheck.KindDayTwo { // else what is missing shows by the routes too, which are others
			settings.Routes = nil
		}
		b := newAlone(settings)
		later := b.clock.Now().Add(time.Hour)
		for _, kind := range kinds {
			if kind != missing {
				b.put(t, memberID(1), kind, accountcheck.Check{Due: later})
			}
		}
		if _, err := b.DiscoverAccounts(t.Context(), hubHome, nil, b.clock.Now()); err != nil {
			t.Fatal(err)
		}
		for _, kind := range kinds {
			got, want := b.row(t, memberID(1), kind), later
			others := kind == accountcheck.KindRoutes && len(settings.Routes) > 0 // than at the last answer
			switch {
			case kind != missing && !others:
			case kind == accountcheck.KindReport:
				want = got.Due // at a time of its own
			default:
				want = b.clock.Now()
			}
			if got.Due.IsZero() || !got.Due.Equal(want) {
				t.Errorf("without %s: %s is due at %v, want %v", missing, kind, got.Due, want)
			}
		}
	}
}
