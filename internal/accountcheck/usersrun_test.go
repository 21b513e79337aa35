package accountcheck_test

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"rootguard/internal/accountcheck"
	"rootguard/internal/bootstrap"
	"rootguard/internal/wiretest"
)

// iamUserOf is a user whose unique ID sorts as its name does.
func iamUserOf(name string, password, mfa bool) iamUser {
	return iamUser{name, "AIDA" + strings.ToUpper(name), wiretest.LiveUser{Password: password, MFA: mfa}, wiretest.T0.Add(-100 * 24 * time.Hour)}
}

func liveOf(u iamUser) bootstrap.LiveFact {
	l := live(u.name, u.id, u.Password)
	if u.MFA {
		l.MFADevices = []string{"arn:aws:iam::" + home + ":mfa/" + u.name}
	}
	return l
}

// event is a fact that an event left about a user.
func event(kind bootstrap.FactKind, name, id string, at time.Time) bootstrap.Fact {
	return bootstrap.Fact{Account: home, ID: string(kind) + "/" + name + id, Kind: kind, Time: at, EventID: name + id, UserName: name, UserID: id, What: string(kind)}
}

// TestUsersChecked holds what one run says and stores of users of each kind, with those
// about which nothing is known, or no answer comes, before the others and after them.
func TestUsersChecked(t *testing.T) {
	for _, first := range []bool{true, false} {
		t.Run(fmt.Sprint("first ", first), func(t *testing.T) {
			b := newAlone(accountcheck.Settings{})
			row := accountcheck.Check{Waited: 2, UnansweredChecks: 3}
			if !first {
				row.Done = b.clock.Now().Add(-24 * time.Hour)
			}
			b.put(t, home, accountcheck.KindUsers, row)
			same, settled := iamUserOf("same", true, true), iamUserOf("settled", true, true)
			gone, pending, late, shown := iamUserOf("gone", true, false), iamUserOf("pending", true, false), iamUserOf("late", true, false), iamUserOf("shown", true, false)
			taken, noName := iamUserOf("taken", true, true), bootstrap.LiveFact{UserID: "AIDA0NAMELESS"}
			b.know(t, home, 10*24*time.Hour, noName, liveOf(same), liveOf(settled), liveOf(gone), liveOf(taken), liveOf(iamUserOf("deaf", true, false)), liveOf(iamUserOf("deleted", true, true)))
			b.know(t, home, 24*time.Hour, liveOf(late))                // its deadline is now
			b.know(t, home, 24*time.Hour-time.Second, liveOf(pending)) // and in a second
			b.know(t, home, 9*24*time.Hour, bootstrap.LiveFact{UserID: "AIDADELETED", UserName: "deleted", Gone: true})
			now := b.clock.Now()
			if _, err := b.facts.Add(t.Context(), []bootstrap.Fact{
				event(bootstrap.PasswordSet, "nameonly", "", now.Add(-20*time.Hour)), event(bootstrap.UserCreated, "shown", shown.id, now.Add(-2*time.Hour)), event(bootstrap.PasswordSet, "shown", shown.id, now.Add(-2*time.Hour)),
				event(bootstrap.MFADeactivated, "same", same.id, now.Add(-settling+time.Second)), // IAM may not show it yet
				event(bootstrap.MFADeactivated, "settled", settled.id, now.Add(-settling)),       // and does here
			}); err != nil {
				t.Fatal(err)
			}
			b.track(t, home, "gone", time.Hour)
			b.track(t, home, "deaf", time.Hour)
			b.track(t, home, "taken", -time.Hour)
			b.track(t, home, "pending", time.Minute)
			taken.id = "AIDATAKEN2"
			b.iam.users[home] = []iamUser{iamUserOf("deaf", true, false), iamUserOf("deafnew", true, false), same, settled, pending, late, shown, taken, iamUserOf("new", true, false), iamUserOf("safe", true, true)}
			b.iam.deaf["deaf"], b.iam.deaf["deafnew"] = true, true

			vanishes := &iamHook{iamFake: b.iam, checked: func(name string) {
				b.iam.mu.Lock()
				defer b.iam.mu.Unlock()
				if name == "avanished" { // since it was listed
					b.iam.users[home] = slices.DeleteFunc(b.iam.users[home], func(u iamUser) bool { return u.name == name })
				}
			}}
			b.iam.users[home] = append(b.iam.users[home], iamUserOf("avanished", true, false))
			did, err := b.CheckUsers(t.Context(), vanishes, nil, now)
			if err != nil {
				t.Fatal(err)
			}
			// Those that are gone: gone, nameonly, and, without a question, taken and the one without a name.
			want := accountcheck.UsersChecked{Accounts: 1, Checked: 13, Asked: 11, Found: 4, Gone: 4, WithoutMFA: 5, Tracked: 9, Unanswered: 2}
			if diff := cmp.Diff(want, did); diff != "" {
				t.Errorf("it says (-want +got):\n%s", diff)
			}
			noted, facts := []string{}, b.factsOf(t, home)
			for i := range facts {
				if l := facts[i].Live; l != nil && facts[i].Time.Equal(now.Add(-settling)) {
					noted = append(noted, fmt.Sprintf("%s %s asked %v gone %v", l.UserName, l.UserID, l.ConsoleLogin != nil, l.Gone))
				}
			}
			slices.Sort(noted)
			if diff := cmp.Diff([]string{
				" AIDA0NAMELESS asked false gone true", "deafnew AIDADEAFNEW asked false gone false", "gone AIDAGONE asked false gone true", "nameonly  asked false gone true",
				"new AIDANEW asked true gone false", "safe AIDASAFE asked true gone false", "settled AIDASETTLED asked true gone false",
				"taken AIDATAKEN asked false gone true", "taken AIDATAKEN2 asked true gone false",
			}, noted); diff != "" {
				t.Errorf("facts (-want +got):\n%s", diff)
			}
			deadlines := map[string]time.Duration{
				"deaf": 5 * time.Minute, "deafnew": 5 * time.Minute, // are asked about again
				"gone": 0, "taken": -time.Hour, // may be over
				"late": 0, "pending": time.Minute, "shown": 22 * time.Hour,
				"new": 24*time.Hour - settling, "same": 24*time.Hour - settling + time.Second,
			}
			if diff := cmp.Diff(deadlines, b.tracked(t)); diff != "" {
				t.Errorf("deadlines (-want +got):\n%s", diff)
			}
			if d, err := b.deadlines.Get(t.Context(), home+"/gone"); err != nil || d.Revision != 2 {
				t.Errorf("a deadline that moved: %+v, %v", d, err)
			}
			noticed := []string{}
			for i := range b.noticed {
				noticed = append(noticed, b.noticed[i].Target.UserName)
			}
			if want := []string{"new", "pending"}; first && !slices.Equal(noticed, want) || !first && len(noticed) > 0 {
				t.Errorf("notices of %q", noticed)
			}
			got := b.row(t, home, accountcheck.KindUsers)
			if !got.Done.Equal(now) || got.Due.Sub(now) < 12*time.Hour || got.Due.Sub(now) > 36*time.Hour || got.Waited != 0 || got.UnansweredChecks != 0 || got.Cursor != "" {
				t.Errorf("the row: %+v", got)
			}
			if !slices.Equal(b.more, []bool{false}) {
				t.Errorf("sent with %v", b.more)
			}
		})
	}
}

// TestUsersLimit holds how many users runs check one by one, in how many listings, and
// that each goes on behind the last: those that the credential report settles are not
// counted, and no more is left where the limit is just enough.
func TestUsersLimit(t *testing.T) {
	type run struct{ accounts, checked, asked, lists int }
	for _, tt := range []struct {
		name           string
		users          []int // of each account
		limit, settled int
		want           []run
	}{
		{"in three runs", []int{2, 5}, 3, 0, []run{{1, 3, 3, 2}, {0, 3, 3, 1}, {1, 1, 1, 1}}},
		{"in two runs", []int{2, 5}, 6, 0, []run{{1, 6, 6, 2}, {1, 1, 1, 1}}},
		{"just enough", []int{2, 5}, 7, 0, []run{{2, 7, 7, 2}}},
		{"the first account is just enough", []int{2, 5}, 2, 0, []run{{1, 2, 2, 2}, {0, 2, 2, 1}, {0, 2, 2, 1}, {1, 1, 1, 1}}},
		{"more than are checked together", []int{150}, 101, 0, []run{{0, 101, 101, 1}, {1, 49, 49, 1}}},
		{"the first account is more than enough", []int{5, 2}, 3, 0, []run{{0, 3, 3, 1}, {1, 3, 3, 2}, {1, 1, 1, 1}}},
		{"the report settles those before", []int{2, 8}, 2, 4, []run{{1, 8, 2, 2}, {1, 2, 2, 1}}},
		{"the report settles some", []int{2, 5}, 2, 4, []run{{2, 7, 1, 2}}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			b := newAlone(accountcheck.Settings{Users: tt.limit})
			var reports accountcheck.CredentialReports
			if tt.settled > 0 {
				reports = reportOf(b.clock.Now(), func(account string) []iamUser { return b.iam.users[account] })
			}
			for a, users := range tt.users {
				id := memberID(a)
				b.put(t, id, accountcheck.KindUsers, accountcheck.Check{Due: b.clock.Now().Add(time.Duration(a-9) * time.Second)})
				for n := range users {
					b.iam.users[id] = append(b.iam.users[id], iamUserOf(fmt.Sprintf("u%03d", n), n >= 4, false))
				}
			}
			for n, want := range tt.want {
				before := b.iam.lists
				did, err := b.CheckUsers(t.Context(), b.iam, reports, b.clock.Now())
				got := run{did.Accounts, did.Checked, did.Asked, b.iam.lists - before}
				if err != nil || got != want || did.More != (n+1 < len(tt.want)) || b.more[n] != did.More {
					t.Errorf("run %d: %+v, %v, want %+v", n, did, err, want)
				}
				b.clock.Advance(time.Second)
			}
			for who, times := range b.iam.checked {
				if times != 1 {
					t.Errorf("%s was asked about %d times", who, times)
				}
			}
		})
	}
}

// TestUsersTime holds what a run leaves to the next whose time runs out, at each point,
// and that no account is said to be without an answer for it.
func TestUsersTime(t *testing.T) {
	const left = time.Minute
	for _, tt := range []struct {
		name     string
		at       string // what takes the time: a listing, or the check of a user
		cancel   bool   // the context ends
		accounts int
		checked  int
		cursor   string // of the first account
		more     bool
	}{
		{"it does not", "", false, 2, 160, "", false},
		{"at the first listing", "2" + strings.Repeat("0", 11), false, 0, 0, "", true},
		{"the context ends at the first listing", "2" + strings.Repeat("0", 11), true, 0, 0, "", true},
		{"at the first hundred users", "u050", false, 0, 100, "AIDAU099", true},
		{"at the last of the account", "u149", false, 1, 150, "", true},
		{"at the second listing", "2" + strings.Repeat("0", 10) + "1", false, 1, 150, "", true},
		{"at the last account", "v009", false, 2, 160, "", false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			b := newAlone(accountcheck.Settings{})
			ctx, cancel := context.WithCancel(b.within(t, left))
			defer cancel()
			end := func(at string) {
				switch {
				case at != tt.at:
				case tt.cancel:
					cancel()
				default:
					b.clock.Advance(left - 12*time.Second + 1)
				}
			}
			for a, users := range []int{150, 10} {
				b.put(t, memberID(a), accountcheck.KindUsers, accountcheck.Check{Due: b.clock.Now().Add(time.Duration(a-9) * time.Second)})
				for n := range users {
					b.iam.users[memberID(a)] = append(b.iam.users[memberID(a)], iamUserOf(fmt.Sprintf("%c%03d", 'u'+a, n), false, false))
				}
			}
			did, err := b.CheckUsers(ctx, &iamHook{b.iam, end, end}, nil, b.clock.Now())
			want := accountcheck.UsersChecked{Accounts: tt.accounts, Checked: tt.checked, Asked: tt.checked, Found: tt.checked, More: tt.more}
			if diff := cmp.Diff(want, did); diff != "" || err != nil {
				t.Errorf("%v, it says (-want +got):\n%s", err, diff)
			}
			for a := range 2 {
				got := b.row(t, memberID(a), accountcheck.KindUsers)
				if a == 0 && tt.cursor != "" && !got.Due.Equal(b.clock.Now().Add(12*time.Second-left-1)) {
					t.Errorf("it is due at %v, want when the run began", got.Due)
				}
				if got.Done.IsZero() != (tt.accounts <= a) || a == 0 && got.Cursor != tt.cursor || got.UnansweredChecks+got.Failures > 0 {
					t.Errorf("row of account %d: %+v", a, got)
				}
			}
		})
	}
}

// TestUsersUnreachable holds that accounts of which IAM lists no users, or answers about
// none, are put off and named, the first of them, and others go on.
func TestUsersUnreachable(t *testing.T) {
	b := newAlone(accountcheck.Settings{})
	for n := range 13 {
		b.put(t, memberID(n), accountcheck.KindUsers, accountcheck.Check{Due: b.clock.Now().Add(time.Duration(n-99) * time.Second), Cursor: "A", UnansweredChecks: 1})
		b.iam.users[memberID(n)] = []iamUser{iamUserOf(fmt.Sprint("u", n), true, true)}
		b.iam.down[memberID(n)] = n < 11
	}
	b.iam.deaf["u11"] = true
	did, err := b.CheckUsers(t.Context(), b.iam, nil, b.clock.Now())
	want := accountcheck.UsersChecked{Accounts: 1, Checked: 1, Asked: 1, Found: 1, Unanswered: 12}
	for n := range 10 {
		want.Unreachable = append(want.Unreachable, memberID(n))
	}
	if diff := cmp.Diff(want, did); diff != "" || err != nil {
		t.Errorf("%v, it says (-want +got):\n%s", err, diff)
	}
	for n := range 12 {
		got := b.row(t, memberID(n), accountcheck.KindUsers)
		if in := got.Due.Sub(b.clock.Now()); in <= 5*time.Minute || in > 10*time.Minute || got.UnansweredChecks != 2 || got.Cursor != "A" || !got.Done.IsZero() {
			t.Errorf("row %d: %+v", n, got)
		}
	}
	if got := b.row(t, memberID(12), accountcheck.KindUsers); got.UnansweredChecks != 0 {
		t.Errorf("of one that answers: %+v", got)
	}
}

// TestUsersErrors holds that an account that cannot be read or stored is put off with its
// error, and the next is checked.
func TestUsersErrors(t *testing.T) {
	for call, what := range map[string]string{
		"Facts.Facts": "reading facts of account " + memberID(0), "Facts.Add": "recording live checks of account " + memberID(0),
		"Deadlines.Update": "storing when to check user u0 of account " + memberID(0), "Checks.Update": "storing when to check account " + memberID(0),
	} {
		t.Run(call, func(t *testing.T) {
			b := newAlone(accountcheck.Settings{})
			for n := range 2 {
				b.put(t, memberID(n), accountcheck.KindUsers, accountcheck.Check{Due: b.clock.Now().Add(time.Duration(n-9) * time.Second)})
				b.iam.users[memberID(n)] = []iamUser{iamUserOf(fmt.Sprint("u", n), true, false)}
			}
			b.script.Fail(call, 1)
			did, err := b.CheckUsers(t.Context(), b.iam, nil, b.clock.Now())
			if err == nil || !strings.Contains(err.Error(), what) || did.Accounts != 1 || did.Unanswered != 0 {
				t.Errorf("%+v, %v", did, err)
			}
			bad, well := b.row(t, memberID(0), accountcheck.KindUsers), b.row(t, memberID(1), accountcheck.KindUsers)
			if bad.Failures != 1 || !bad.Done.IsZero() || well.Failures != 0 || well.Done.IsZero() {
				t.Errorf("rows: %+v and %+v", bad, well)
			}
		})
	}
}

// reports are credential reports that say what a test sets.
type reports struct {
	get, made   accountcheck.CredentialReport
	getErr, err error
	csv         func(account string) string
	requested   int
}

func (r *reports) CredentialReport(_ context.Context, of string) (accountcheck.CredentialReport, error) {
	got := r.get
	if r.csv != nil {
		got.CSV = []byte(r.csv(of))
	}
	return got, r.getErr
}

func (r *reports) RequestCredentialReport(context.Context, string) (accountcheck.ReportState, error) {
	r.requested++
	return r.made.State, r.err
}

// reportOf is a report of users, made at a time.
func reportOf(at time.Time, users func(account string) []iamUser) *reports {
	return &reports{get: accountcheck.CredentialReport{State: accountcheck.ReportReady, Generated: at}, csv: func(account string) string {
		var csv strings.Builder
		csv.WriteString("user,user_creation_time,password_enabled,password_last_used,mfa_active\n<root_account>,2020-01-01T00:00:00Z,not_supported,N/A,true\n")
		for _, u := range users(account) {
			fmt.Fprintf(&csv, "%s,%s,%v,N/A,%v\n", u.name, u.created.UTC().Format(time.RFC3339), u.Password, u.MFA)
		}
		return csv.String()
	}}
}

// TestUsersReport holds when a credential report is waited for, when it is requested, and
// when the users are checked one by one.
func TestUsersReport(t *testing.T) {
	const ready, making, absent = accountcheck.ReportReady, accountcheck.ReportInProgress, accountcheck.ReportAbsent
	for _, tt := range []struct {
		name      string
		state     accountcheck.ReportState
		made      accountcheck.ReportState // what a request says
		err       error
		age       time.Duration
		waited    int
		requested int
		waiting   bool
		asked     int
	}{
		{"ready", ready, "", nil, time.Hour, 0, 0, false, 0},
		{"ready, just young enough", ready, "", nil, 8 * time.Hour, 0, 0, false, 0},
		{"ready, too old", ready, "", nil, 8*time.Hour + 1, 0, 0, false, 2},
		{"in the making", making, "", nil, 0, 0, 0, true, 0},
		{"in the making for as long as is waited", making, "", nil, 0, 3, 0, true, 0},
		{"in the making for longer", making, "", nil, 0, 4, 0, false, 2},
		{"absent", absent, making, nil, 0, 0, 1, true, 0},
		{"absent, and ready by the request", absent, ready, nil, time.Hour, 3, 1, true, 0},
		{"absent, and so after the request", absent, absent, nil, 0, 0, 1, false, 2},
		{"absent for longer than is waited", absent, making, nil, 0, 4, 0, false, 2},
		{"denied", ready, "", errDenied, time.Hour, 0, 0, false, 2},
		{"unreadable", ready, "", nil, time.Hour, 0, 0, false, 2},
	} {
		t.Run(tt.name, func(t *testing.T) {
			b := newAlone(accountcheck.Settings{})
			b.put(t, home, accountcheck.KindUsers, accountcheck.Check{Waited: tt.waited, UnansweredChecks: 2})
			b.iam.users[home] = []iamUser{iamUserOf("ann", true, true), iamUserOf("bob", false, false)}
			r := reportOf(b.clock.Now().Add(-tt.age), func(string) []iamUser { return b.iam.users[home] })
			r.get.State, r.made.State, r.getErr = tt.state, tt.made, tt.err
			if tt.name == "unreadable" {
				r.csv = func(string) string { return "<html>" }
			}
			did, err := b.CheckUsers(t.Context(), b.iam, r, b.clock.Now())
			want := accountcheck.UsersChecked{Waiting: 1}
			if !tt.waiting {
				want = accountcheck.UsersChecked{Accounts: 1, Checked: 2, Asked: tt.asked, Found: 2}
			}
			if diff := cmp.Diff(want, did); diff != "" || err != nil || r.requested != tt.requested || len(b.more) != 1 || b.more[0] != tt.waiting {
				t.Errorf("%v, %d requests, sent with %v, it says (-want +got):\n%s", err, r.requested, b.more, diff)
			}
			got := b.row(t, home, accountcheck.KindUsers)
			if tt.waiting && (got.Waited != tt.waited+1 || got.Due.Sub(b.clock.Now()) != 5*time.Minute || !got.Done.IsZero()) || !tt.waiting && (got.Waited != 0 || got.Done.IsZero()) || got.UnansweredChecks != 0 {
				t.Errorf("the row: %+v", got)
			}
		})
	}
}

// TestUsersReportSettles holds about which users a report says enough, and as of when that is noted.
func TestUsersReportSettles(t *testing.T) {
	const age = time.Hour
	for _, tt := range []struct {
		name   string
		on     *iamUser                // on record before
		event  time.Duration           // of a change, before the report; 0: none
		change func(u iamUser) iamUser // what the report says; nil: what is
		is     iamUser
		asked  int
		fact   time.Duration // age of what is noted; 0: nothing
	}{
		{"new, with MFA", nil, 0, nil, iamUserOf("eve", true, true), 0, age + settling},
		{"new, without a password", nil, 0, nil, iamUserOf("eve", false, false), 0, age + settling},
		{"new, without a password and with MFA", nil, 0, nil, iamUserOf("eve", false, true), 0, age + settling},
		{"new, without MFA", nil, 0, nil, iamUserOf("eve", true, false), 1, settling},
		{"known, and nothing changed", new(iamUserOf("eve", true, false)), 0, nil, iamUserOf("eve", true, false), 0, 0},
		{"known, and MFA is there", new(iamUserOf("eve", true, false)), 0, nil, iamUserOf("eve", true, true), 1, settling},
		{"created in the same second", nil, 0, func(u iamUser) iamUser { u.created = u.created.Truncate(time.Second); return u }, fraction(iamUserOf("eve", true, true)), 0, age + settling},
		{"created a second later", nil, 0, func(u iamUser) iamUser { u.created = u.created.Add(time.Second); return u }, iamUserOf("eve", true, true), 1, settling},
		{"created at a time that is not known", nil, 0, nil, undated(iamUserOf("eve", true, true)), 1, settling},
		{"changed long before the report", new(iamUserOf("eve", true, true)), settling + time.Second, nil, iamUserOf("eve", true, true), 0, 0},
		{"changed when the report may not show it", new(iamUserOf("eve", true, true)), settling, nil, iamUserOf("eve", true, true), 1, 0},
	} {
		t.Run(tt.name, func(t *testing.T) {
			b := newAlone(accountcheck.Settings{})
			b.put(t, home, accountcheck.KindUsers, accountcheck.Check{})
			now := b.clock.Now()
			if tt.on != nil {
				b.know(t, home, 20*time.Hour, liveOf(*tt.on))
			}
			if tt.event > 0 {
				if _, err := b.facts.Add(t.Context(), []bootstrap.Fact{event(bootstrap.PasswordSet, "eve", "AIDAEVE", now.Add(-age-tt.event))}); err != nil {
					t.Fatal(err)
				}
			}
			b.iam.users[home] = []iamUser{tt.is}
			shown := tt.is
			if tt.change != nil {
				shown = tt.change(shown)
			}
			if _, err := b.CheckUsers(t.Context(), b.iam, reportOf(now.Add(-age), func(string) []iamUser { return []iamUser{shown} }), now); err != nil {
				t.Fatal(err)
			}
			if got := b.iam.checks(); got != tt.asked {
				t.Errorf("asked about %d", got)
			}
			facts := b.factsOf(t, home)
			fact := time.Duration(0)
			for i := range facts {
				if facts[i].Kind == bootstrap.Live && now.Sub(facts[i].Time) < 20*time.Hour {
					fact += now.Sub(facts[i].Time)
				}
			}
			if fact != tt.fact {
				t.Errorf("a fact that is %v old, want %v", fact, tt.fact)
			}
		})
	}
}

// TestUsersReportGaps holds that a report settles no user about which it does not say both
// whether there is a password and whether there is MFA.
func TestUsersReportGaps(t *testing.T) {
	for from, to := range map[string]string{"": "", "Z,false": "Z,N/A", "N/A,false": "N/A,N/A"} {
		b := newAlone(accountcheck.Settings{})
		b.put(t, home, accountcheck.KindUsers, accountcheck.Check{})
		b.iam.users[home] = []iamUser{iamUserOf("eve", false, false)}
		r := reportOf(b.clock.Now(), func(string) []iamUser { return b.iam.users[home] })
		csv := r.csv(home)
		r.csv = func(string) string { return strings.Replace(csv, from, to, 1) }
		if did, err := b.CheckUsers(t.Context(), b.iam, r, b.clock.Now()); err != nil || (did.Asked == 1) != (to != "") {
			t.Errorf("%q became %q: %+v, %v", from, to, did, err)
		}
	}
}

func fraction(u iamUser) iamUser { u.created = u.created.Add(time.Millisecond); return u }

func undated(u iamUser) iamUser { u.created = time.Time{}; return u }

// settling is how long IAM is not trusted to show a change.
const settling = 5 * time.Minute
