package accountcheck_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"rootguard/internal/accountcheck"
	"rootguard/internal/bootstrap"
	"rootguard/internal/detect"
	"rootguard/internal/failure"
	"rootguard/internal/guard"
)

// rootCSV is a report in which root last used its password and two keys.
func rootCSV(password time.Time, used ...time.Time) string {
	at := func(t time.Time) string {
		if t.IsZero() {
			return "N/A"
		}
		return t.UTC().Format(time.RFC3339)
	}
	header := "user,user_creation_time,password_enabled,password_last_used,mfa_active,access_key_1_last_used_date,access_key_1_last_used_region,access_key_1_last_used_service," +
		"access_key_2_last_used_date,access_key_2_last_used_region,access_key_2_last_used_service\n"
	var keys [2]time.Time
	copy(keys[:], used)
	return fmt.Sprintf("%s<root_account>,2020-01-01T00:00:00Z,not_supported,%s,true,%s,eu-west-1,ec2,%s,eu-west-2,ec2\n", header, at(password), at(keys[0]), at(keys[1]))
}

// perAccount answers about reports as each account does.
type perAccount map[string]accountcheck.CredentialReports

func (p perAccount) CredentialReport(ctx context.Context, of string) (accountcheck.CredentialReport, error) {
	return p[of].CredentialReport(ctx, of)
}

func (p perAccount) RequestCredentialReport(ctx context.Context, of string) (accountcheck.ReportState, error) {
	return p[of].RequestCredentialReport(ctx, of)
}

// TestReportsStop holds that a run ends where IAM gives no report of a batch's number of
// accounts in a row, of which those that were not asked are none and break no row.
func TestReportsStop(t *testing.T) {
	const batch = 2
	for _, tt := range []struct {
		accounts string // each: denied, answers, or not asked
		checked  int    // accounts whose row was stored
		denied   int
		more     bool
	}{
		{"ddd", 2, 2, true},
		{"dddd", 2, 2, true},
		{"ada", 3, 1, false},
		{"adda", 4, 2, false},
		{"daddaa", 4, 3, true},
		{"ndnda", 4, 2, true},
		{"nnnna", 5, 0, false},
		{"dnadaa", 6, 2, false},
	} {
		t.Run(tt.accounts, func(t *testing.T) {
			b := newAlone(accountcheck.Settings{Batch: batch})
			now := b.clock.Now()
			by := perAccount{}
			for n, is := range tt.accounts {
				row := accountcheck.Check{Due: now.Add(time.Duration(n-99) * time.Second)}
				if is == 'n' {
					row.Witness.Next = now.Add(time.Hour)
				}
				b.put(t, memberID(n), accountcheck.KindReport, row)
				r := &reports{get: accountcheck.CredentialReport{State: accountcheck.ReportReady, Generated: now.Add(-time.Minute), CSV: []byte(rootCSV(time.Time{}))}}
				if is == 'd' {
					r.getErr = errDenied
				}
				by[memberID(n)] = r
			}
			did, err := b.CheckReports(t.Context(), by, now)
			checked := 0
			for n := range tt.accounts {
				if b.row(t, memberID(n), accountcheck.KindReport).Due.After(now) {
					checked++
				}
			}
			if err != nil || checked != tt.checked || did.Unanswered != tt.denied || did.More != tt.more || len(did.Unreachable) != tt.denied {
				t.Errorf("%+v, %v, %d are checked", did, err, checked)
			}
		})
	}
}

// TestReportsTime holds that what is cut off is no answer and is left to the next run.
func TestReportsTime(t *testing.T) {
	for name, left := range map[string]time.Duration{"no time": 12*time.Second - 1, "time enough": 12 * time.Second, "the context ends": time.Hour} {
		b := newAlone(accountcheck.Settings{})
		ctx, cancel := context.WithCancel(b.within(t, left))
		by := perAccount{}
		for n := range 3 {
			b.put(t, memberID(n), accountcheck.KindReport, accountcheck.Check{})
			by[memberID(n)] = reportsFunc(func() error {
				if name == "the context ends" {
					cancel()
				}
				return errDenied
			})
		}
		did, err := b.CheckReports(ctx, by, b.clock.Now())
		enough := name == "time enough"
		if err != nil || did.More == enough || (did.Unanswered == 3) != enough || b.row(t, memberID(2), accountcheck.KindReport).UnansweredChecks > 0 != enough {
			t.Errorf("%s: %+v, %v", name, did, err)
		}
		cancel()
	}
}

type reportsFunc func() error

func (f reportsFunc) CredentialReport(context.Context, string) (accountcheck.CredentialReport, error) {
	return accountcheck.CredentialReport{}, f()
}

func (f reportsFunc) RequestCredentialReport(context.Context, string) (accountcheck.ReportState, error) {
	return "", f()
}

// TestReportsNoted holds what a run says and keeps of each answer about a report, and when
// it asks again.
func TestReportsNoted(t *testing.T) {
	const (
		ready, making, absent = accountcheck.ReportReady, accountcheck.ReportInProgress, accountcheck.ReportAbsent
		again                 = 5 * time.Minute
		holds                 = accountcheck.ReportAge + time.Minute
	)
	type ago = time.Duration
	now := newAlone(accountcheck.Settings{}).clock.Now()
	before := func(d ago) time.Time { return now.Add(-d) }
	long := strings.Repeat("very\nlong ", 100)
	for _, tt := range []struct {
		name   string
		was    accountcheck.Witness
		get    accountcheck.CredentialReport
		made   accountcheck.ReportState
		err    error // of both calls
		did    accountcheck.ReportsChecked
		want   accountcheck.Witness
		failed int // checks in a row after it, of 2 before
		next   [2]time.Duration
	}{
		{"a new one", accountcheck.Witness{Requested: before(time.Hour), Why: "denied", Generated: before(9 * time.Hour)},
			accountcheck.CredentialReport{State: ready, Generated: before(time.Minute), CSV: []byte(rootCSV(time.Time{}))}, "", nil,
			accountcheck.ReportsChecked{Reports: 1}, accountcheck.Witness{Generated: before(time.Minute)}, 0, [2]time.Duration{holds - time.Minute, holds - time.Minute}},
		{"a new one that holds no longer by this clock", accountcheck.Witness{}, accountcheck.CredentialReport{State: ready, Generated: before(holds), CSV: []byte(rootCSV(time.Time{}))}, "", nil,
			accountcheck.ReportsChecked{Reports: 1}, accountcheck.Witness{Generated: before(holds)}, 0, [2]time.Duration{again, again}},
		{"one without root", accountcheck.Witness{Generated: before(9 * time.Hour)},
			accountcheck.CredentialReport{State: ready, Generated: before(time.Minute), CSV: []byte(strings.Replace(rootCSV(time.Time{}), "<root_account>", "eve", 1))}, "", nil,
			accountcheck.ReportsChecked{Unanswered: 1, Unreachable: []string{home}}, accountcheck.Witness{Generated: before(9 * time.Hour), Why: "the credential report has no row of root"}, 3, [2]time.Duration{15 * time.Minute, 20 * time.Minute}},
		{"one whose line of root cannot be read", accountcheck.Witness{},
			accountcheck.CredentialReport{State: ready, Generated: before(time.Minute), CSV: []byte(strings.Replace(rootCSV(time.Time{}), "<root_account>,", "<root_account>,,", 1))}, "", nil,
			accountcheck.ReportsChecked{Unanswered: 1, Unreachable: []string{home}}, accountcheck.Witness{Why: "the credential report has no row of root; 1 of its lines cannot be read, such as "}, 3, [2]time.Duration{15 * time.Minute, 20 * time.Minute}},
		{"none", accountcheck.Witness{}, accountcheck.CredentialReport{State: ready, Generated: before(time.Minute), CSV: []byte("<html>")}, "", nil,
			accountcheck.ReportsChecked{Unanswered: 1, Unreachable: []string{home}}, accountcheck.Witness{Why: "finding root in the credential report: "}, 3, [2]time.Duration{15 * time.Minute, 20 * time.Minute}},
		{"denied, at length", accountcheck.Witness{Requested: before(time.Minute)}, accountcheck.CredentialReport{}, "", errors.New(long),
			accountcheck.ReportsChecked{Unanswered: 1, Unreachable: []string{home}}, accountcheck.Witness{Requested: before(time.Minute), Why: strings.Repeat("very long ", 30)[:300]}, 3, [2]time.Duration{15 * time.Minute, 20 * time.Minute}},
		{"one that was read, and another is being made", accountcheck.Witness{Generated: before(5 * time.Hour)}, accountcheck.CredentialReport{State: ready, Generated: before(5 * time.Hour)}, making, nil,
			accountcheck.ReportsChecked{Requested: 1}, accountcheck.Witness{Generated: before(5 * time.Hour), Requested: now}, 2, [2]time.Duration{again, again}},
		{"one that was read, and holds by the clock of IAM", accountcheck.Witness{Generated: before(4*time.Hour - time.Second), Requested: before(time.Minute)}, accountcheck.CredentialReport{State: ready, Generated: before(4*time.Hour - time.Second)}, ready, nil,
			accountcheck.ReportsChecked{}, accountcheck.Witness{Generated: before(4*time.Hour - time.Second)}, 2, [2]time.Duration{time.Minute + time.Second, time.Minute + time.Second}},
		{"one that was read, and is said to hold for longer", accountcheck.Witness{Generated: before(4 * time.Hour)}, accountcheck.CredentialReport{State: ready, Generated: before(4 * time.Hour)}, ready, nil,
			accountcheck.ReportsChecked{Requested: 1}, accountcheck.Witness{Generated: before(4 * time.Hour), Requested: now}, 2, [2]time.Duration{again, again}},
		{"absent", accountcheck.Witness{}, accountcheck.CredentialReport{State: absent}, making, nil,
			accountcheck.ReportsChecked{Requested: 1}, accountcheck.Witness{Requested: now}, 2, [2]time.Duration{again, again}},
		{"in the making", accountcheck.Witness{Requested: before(time.Hour - 1)}, accountcheck.CredentialReport{State: making}, "", nil,
			accountcheck.ReportsChecked{}, accountcheck.Witness{Requested: before(time.Hour - 1)}, 2, [2]time.Duration{again, again}},
		{"in the making for an hour", accountcheck.Witness{Requested: before(time.Hour)}, accountcheck.CredentialReport{State: making}, "", nil,
			accountcheck.ReportsChecked{Unanswered: 1, Unreachable: []string{home}}, accountcheck.Witness{Requested: before(time.Hour), Why: "IAM has been making a credential report since " + before(time.Hour).UTC().Format(time.RFC3339)}, 3, [2]time.Duration{again, again}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			b := newAlone(accountcheck.Settings{})
			b.put(t, home, accountcheck.KindReport, accountcheck.Check{Witness: tt.was, UnansweredChecks: 2})
			did, err := b.CheckReports(t.Context(), &reports{get: tt.get, made: accountcheck.CredentialReport{State: tt.made}, getErr: tt.err, err: tt.err}, now)
			if diff := cmp.Diff(tt.did, did); diff != "" || err != nil {
				t.Errorf("%v, it says (-want +got):\n%s", err, diff)
			}
			got := b.row(t, home, accountcheck.KindReport)
			if in := got.Witness.Next.Sub(now); in < tt.next[0] || in > tt.next[1] || !got.Due.Equal(got.Witness.Next) {
				t.Errorf("the next in %v, due in %v", in, got.Due.Sub(now))
			}
			if got.Done.Equal(now) != (tt.did.Reports > 0) || got.UnansweredChecks != tt.failed {
				t.Errorf("the row: %+v", got)
			}
			got.Witness.Next = time.Time{}
			if strings.HasSuffix(tt.want.Why, " ") && len(got.Witness.Why) > len(tt.want.Why) {
				got.Witness.Why = got.Witness.Why[:len(tt.want.Why)]
			}
			if diff := cmp.Diff(tt.want, got.Witness); diff != "" {
				t.Errorf("the witness (-want +got):\n%s", diff)
			}
		})
	}
}

// TestReportsNamed holds that of many accounts without a report the first are named.
func TestReportsNamed(t *testing.T) {
	b := newAlone(accountcheck.Settings{})
	for n := range 12 {
		b.put(t, memberID(n), accountcheck.KindReport, accountcheck.Check{Due: b.clock.Now().Add(time.Duration(n-99) * time.Second)})
	}
	did, err := b.CheckReports(t.Context(), &reports{getErr: errDenied}, b.clock.Now())
	if err != nil || did.Unanswered != 12 || len(did.Unreachable) != 10 || did.Unreachable[9] != memberID(9) {
		t.Errorf("%+v, %v", did, err)
	}
}

// use is a use of root's password some time ago that is in a state since some time.
func use(now time.Time, state accountcheck.UseState, ago, since time.Duration) accountcheck.RootUse {
	return accountcheck.RootUse{RootUse: detect.RootUse{Credential: detect.Password, At: now.Add(-ago)}, State: state, Changed: now.Add(-since)}
}

// TestReportsJudge holds which uses are judged when, what explains them, and which are
// kept and for how long.
func TestReportsJudge(t *testing.T) {
	const (
		waiting, explained, alerted = accountcheck.UseWaiting, accountcheck.UseExplained, accountcheck.UseAlerted
		day, skew                   = 24 * time.Hour, 15 * time.Minute
	)
	for _, tt := range []struct {
		name   string
		use    [2]time.Duration // ago, and since when in its state
		state  accountcheck.UseState
		fact   [2]time.Duration // ago, of the first and last event of root; 0: none
		want   accountcheck.UseState
		raised int
		due    time.Duration // 0: at the next report
		died   bool          // a run that alerted it
	}{
		{"too young", [2]time.Duration{time.Hour - 1, time.Minute}, waiting, [2]time.Duration{}, waiting, 0, 1, false},
		{"old enough", [2]time.Duration{time.Hour, time.Minute}, waiting, [2]time.Duration{}, alerted, 1, 0, false},
		{"by a clock ahead, and seen an hour ago", [2]time.Duration{30 * time.Minute, time.Hour}, waiting, [2]time.Duration{}, alerted, 1, 0, false},
		{"by a clock ahead, and seen less than an hour ago", [2]time.Duration{30 * time.Minute, time.Hour - time.Second}, waiting, [2]time.Duration{}, waiting, 0, time.Second, false},
		{"an event at the end of 15 minutes", [2]time.Duration{2 * time.Hour, time.Hour}, waiting, [2]time.Duration{2*time.Hour - skew}, explained, 0, 0, false},
		{"an event later than that", [2]time.Duration{2 * time.Hour, time.Hour}, waiting, [2]time.Duration{2*time.Hour - skew - 1}, alerted, 1, 0, false},
		{"an event 15 minutes before", [2]time.Duration{2 * time.Hour, time.Hour}, waiting, [2]time.Duration{2*time.Hour + skew}, explained, 0, 0, false},
		{"an event earlier than that", [2]time.Duration{2 * time.Hour, time.Hour}, waiting, [2]time.Duration{2*time.Hour + skew + 1}, alerted, 1, 0, false},
		{"the last event of some", [2]time.Duration{2 * time.Hour, time.Hour}, waiting, [2]time.Duration{5 * time.Hour, 2*time.Hour + skew}, explained, 0, 0, false},
		{"before the last event of some", [2]time.Duration{2 * time.Hour, time.Hour}, waiting, [2]time.Duration{5 * time.Hour, 2*time.Hour + skew + 1}, alerted, 1, 0, false},
		{"alerted, and no event", [2]time.Duration{2 * day, day}, alerted, [2]time.Duration{}, alerted, 0, 0, false},
		{"alerted, and a late event", [2]time.Duration{8 * day, 7 * day}, alerted, [2]time.Duration{8 * day}, explained, 1, 0, false},
		{"alerted, and a very late event", [2]time.Duration{8 * day, 7*day + 1}, alerted, [2]time.Duration{8 * day}, alerted, 0, 0, false},
		{"alerted by a run that died, and an event", [2]time.Duration{2 * time.Hour, time.Hour}, waiting, [2]time.Duration{2 * time.Hour}, explained, 1, 0, true},
		{"alerted by a run that died, and no event", [2]time.Duration{2 * time.Hour, time.Hour}, waiting, [2]time.Duration{}, alerted, 1, 0, true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			b := newAlone(accountcheck.Settings{})
			now := b.clock.Now()
			const next = 3 * time.Hour
			b.put(t, home, accountcheck.KindReport, accountcheck.Check{Witness: accountcheck.Witness{Next: now.Add(next), Uses: []accountcheck.RootUse{
				use(now, explained, 100*day, 100*day), use(now, tt.state, tt.use[0], tt.use[1]),
			}}})
			if tt.fact[0] > 0 {
				f := bootstrap.Fact{Account: home, ID: string(bootstrap.RootActivity) + "/e", Kind: bootstrap.RootActivity, Time: now.Add(-tt.fact[0]), EventID: "e", AccessKeyID: "ASIA1"}
				if tt.fact[1] > 0 {
					f.Last = now.Add(-tt.fact[1])
				}
				if _, err := b.facts.Add(t.Context(), []bootstrap.Fact{f}); err != nil {
					t.Fatal(err)
				}
			}
			if tt.died {
				b.claimed = []string{detect.UseUnseen(home, use(now, tt.state, tt.use[0], tt.use[1]).RootUse, skew).EventID}
			}
			did, err := b.CheckReports(t.Context(), &reports{}, now)
			want := accountcheck.ReportsChecked{}
			switch tt.want {
			case waiting:
				want.Waiting = 1
			case alerted:
				want.Alerted = tt.raised
			default:
				want.Resolved = tt.raised
			}
			if diff := cmp.Diff(want, did); diff != "" || err != nil || len(b.raised) != tt.raised {
				t.Errorf("%v, raised %d, it says (-want +got):\n%s", err, len(b.raised), diff)
			}
			got := b.row(t, home, accountcheck.KindReport)
			changed := now
			if tt.want == tt.state {
				changed = now.Add(-tt.use[1])
			}
			if u := got.Witness.Uses[1]; u.State != tt.want || !u.Changed.Equal(changed) {
				t.Errorf("it is %+v", u)
			}
			if in := got.Due.Sub(now); tt.due > 0 && in != tt.due || tt.due == 0 && in != next {
				t.Errorf("due in %v", in)
			}
		})
	}
}

// TestReportsJudgeErrors holds what becomes of a use whose alert is refused: for good, and
// those after it are alerted; or for now, and all is tried again.
func TestReportsJudgeErrors(t *testing.T) {
	for name, tt := range map[string]struct {
		err    error
		raised int
		states [2]accountcheck.UseState
		fails  bool
		as     guard.Disposition // of those that are not refused
	}{
		"not at all":  {nil, 2, [2]accountcheck.UseState{accountcheck.UseAlerted, accountcheck.UseAlerted}, false, guard.Alerted},
		"suppressed":  {nil, 0, [2]accountcheck.UseState{accountcheck.UseAlerted, accountcheck.UseAlerted}, false, guard.Suppressed},
		"for good":    {failure.Permanent(errors.New("refused")), 1, [2]accountcheck.UseState{accountcheck.UseAlerted, accountcheck.UseAlerted}, true, guard.Alerted},
		"for now":     {errors.New("down"), 0, [2]accountcheck.UseState{accountcheck.UseWaiting, accountcheck.UseWaiting}, true, guard.Alerted},
		"another run": {guard.ErrBusy, 0, [2]accountcheck.UseState{accountcheck.UseWaiting, accountcheck.UseWaiting}, false, guard.Alerted},
	} {
		b := newAlone(accountcheck.Settings{})
		now := b.clock.Now()
		b.put(t, home, accountcheck.KindReport, accountcheck.Check{Witness: accountcheck.Witness{Next: now.Add(time.Hour), Uses: []accountcheck.RootUse{
			use(now, accountcheck.UseExplained, 9*time.Hour, time.Hour), use(now, accountcheck.UseWaiting, 2*time.Hour, time.Hour), use(now, accountcheck.UseWaiting, 5*time.Hour, time.Hour), use(now, accountcheck.UseWaiting, 3*time.Hour, time.Hour),
		}}})
		explains := bootstrap.Fact{Account: home, ID: string(bootstrap.RootActivity) + "/e", Kind: bootstrap.RootActivity, Time: now.Add(-5 * time.Hour), EventID: "e", AccessKeyID: "ASIA1"}
		if _, err := b.facts.Add(t.Context(), []bootstrap.Fact{explains}); err != nil {
			t.Fatal(err)
		}
		b.as = tt.as
		b.raise = func(f detect.Finding) error {
			if f.EventTime.Equal(now.Add(-2 * time.Hour)) {
				return tt.err
			}
			return nil
		}
		did, err := b.CheckReports(t.Context(), &reports{}, now)
		uses := b.row(t, home, accountcheck.KindReport).Witness.Uses
		if (err != nil) != tt.fails || did.Alerted != tt.raised || uses[1].State != tt.states[0] || uses[3].State != tt.states[1] {
			t.Errorf("%s: %+v, %v, uses %+v", name, did, err, uses)
		}
		if name == "for good" && strings.Count(err.Error(), "refused") != 1 {
			t.Errorf("%s: %v", name, err)
		}
	}
	b := newAlone(accountcheck.Settings{})
	for n := range 2 {
		b.put(t, memberID(n), accountcheck.KindReport, accountcheck.Check{Due: b.clock.Now().Add(time.Duration(n-9) * time.Second), Witness: accountcheck.Witness{Next: b.clock.Now().Add(time.Hour),
			Uses: []accountcheck.RootUse{use(b.clock.Now(), accountcheck.UseWaiting, 2*time.Hour, time.Hour)}}})
	}
	b.script.Fail("Facts.Pages", 1)
	did, err := b.CheckReports(t.Context(), &reports{}, b.clock.Now())
	if err == nil || !strings.Contains(err.Error(), "reading facts of account "+memberID(0)) || did.Alerted != 1 || b.row(t, memberID(0), accountcheck.KindReport).Failures != 1 {
		t.Errorf("facts that cannot be read: %+v, %v", did, err)
	}
}

// TestReportsSee holds which uses a report adds to those that are known, and which go.
func TestReportsSee(t *testing.T) {
	const (
		waiting, explained, alerted = accountcheck.UseWaiting, accountcheck.UseExplained, accountcheck.UseAlerted
		week                        = 7 * 24 * time.Hour
	)
	b := newAlone(accountcheck.Settings{})
	now := b.clock.Now()
	at := func(ago time.Duration) time.Time { return now.Add(-ago) }
	many := func(state accountcheck.UseState, n int) (uses []accountcheck.RootUse) {
		for i := range n {
			uses = append(uses, use(now, state, 50*time.Minute-time.Duration(i)*time.Second, 0))
		}
		return uses
	}
	key := func(slot int, ago time.Duration) accountcheck.RootUse {
		u := use(now, waiting, ago, 0)
		u.Credential, u.Region, u.Service = detect.AccessKey, fmt.Sprint("eu-west-", slot), "ec2"
		return u
	}
	for name, tt := range map[string]struct {
		was  []accountcheck.RootUse
		csv  string
		want []accountcheck.RootUse
	}{
		"nothing":                       {nil, rootCSV(time.Time{}), nil},
		"all three":                     {nil, rootCSV(at(time.Minute), at(2*time.Minute), at(3*time.Minute)), []accountcheck.RootUse{use(now, waiting, time.Minute, 0), key(1, 2*time.Minute), key(2, 3*time.Minute)}},
		"when the account was enrolled": {nil, rootCSV(at(time.Hour), at(time.Hour-time.Second)), []accountcheck.RootUse{key(1, time.Hour-time.Second)}},
		"known":                         {many(waiting, 1), rootCSV(at(50*time.Minute), at(50*time.Minute)), append(many(waiting, 1), key(1, 50*time.Minute))},
		"explained, and shown":          {[]accountcheck.RootUse{use(now, explained, 2*time.Minute, 1)}, rootCSV(at(2 * time.Minute)), []accountcheck.RootUse{use(now, explained, 2*time.Minute, 1)}},
		"explained, and not shown":      {[]accountcheck.RootUse{use(now, explained, 2*time.Minute, 1)}, rootCSV(time.Time{}, at(2*time.Minute)), []accountcheck.RootUse{key(1, 2*time.Minute)}},
		"alerted a week ago":            {[]accountcheck.RootUse{use(now, alerted, 2*week, week)}, rootCSV(time.Time{}), []accountcheck.RootUse{use(now, alerted, 2*week, week)}},
		"alerted before that":           {[]accountcheck.RootUse{use(now, alerted, 2*week, week+1)}, rootCSV(time.Time{}), nil},
		"alerted before that, and shown": {[]accountcheck.RootUse{use(now, alerted, 2*week, week+1)}, rootCSV(at(2 * week)),
			[]accountcheck.RootUse{use(now, alerted, 2*week, week+1)}},
		"as many as are kept":       {many(waiting, 23), rootCSV(at(time.Minute)), append(many(waiting, 23), use(now, waiting, time.Minute, 0))},
		"more, all of them waiting": {many(waiting, 24), rootCSV(at(time.Minute)), append(many(waiting, 24)[1:], use(now, waiting, time.Minute, 0))},
		"more, of which some are alerted": {append(many(waiting, 22), use(now, alerted, week, 0), use(now, alerted, week-time.Hour, 0)), rootCSV(at(time.Minute)),
			append(many(waiting, 22), use(now, alerted, week-time.Hour, 0), use(now, waiting, time.Minute, 0))},
	} {
		t.Run(name, func(t *testing.T) {
			b := newAlone(accountcheck.Settings{})
			b.put(t, home, accountcheck.KindReport, accountcheck.Check{Witness: accountcheck.Witness{Began: at(time.Hour), Uses: tt.was}})
			_, err := b.CheckReports(t.Context(), &reports{get: accountcheck.CredentialReport{State: accountcheck.ReportReady, Generated: now, CSV: []byte(tt.csv)}}, now)
			if err != nil {
				t.Fatal(err)
			}
			got := b.row(t, home, accountcheck.KindReport).Witness.Uses
			if len(got) == 0 {
				got = nil
			}
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Errorf("uses (-want +got):\n%s", diff)
			}
		})
	}
}

// TestReportsAsked holds that an account is asked about its report when it is time, and
// in between only judged.
func TestReportsAsked(t *testing.T) {
	for in, want := range map[time.Duration]int32{-time.Second: 1, 0: 1, time.Second: 0} {
		b := newAlone(accountcheck.Settings{})
		b.put(t, home, accountcheck.KindReport, accountcheck.Check{Witness: accountcheck.Witness{Next: b.clock.Now().Add(in)}})
		var asked atomic.Int32
		_, err := b.CheckReports(t.Context(), reportsFunc(func() error { asked.Add(1); return errDenied }), b.clock.Now())
		if err != nil || asked.Load() != want {
			t.Errorf("%v before it is time: asked %d times, %v", in, asked.Load(), err)
		}
	}
}
