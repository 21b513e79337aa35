package accountcheck

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"rootguard/internal/bootstrap"
	"rootguard/internal/cloudtrail"
	"rootguard/internal/credentialreport"
	"rootguard/internal/detect"
	"rootguard/internal/worker"
)

var nine = time.Date(2026, 3, 2, 9, 0, 0, 0, time.UTC)

// TestDefaults holds each default, and that the least that may be set is none.
func TestDefaults(t *testing.T) {
	for _, tt := range []struct {
		set          Settings
		every        time.Duration
		users, batch int
	}{
		{Settings{}, time.Hour, 2000, 64},
		{Settings{RootInterval: -1, Users: -1, Batch: -1}, time.Hour, 2000, 64},
		{Settings{RootInterval: 1, Users: 1, Batch: 1}, 1, 1, 1},
	} {
		if got := tt.set.withDefaults(); got.RootInterval != tt.every || got.Users != tt.users || got.Batch != tt.batch || got.Bootstrap.Grace != 24*time.Hour {
			t.Errorf("%+v is %+v", tt.set, got)
		}
	}
}

// TestNextCheck holds that an account is checked once an interval, half of one from now
// at least, always at the same time of it, and that accounts are spread over it.
func TestNextCheck(t *testing.T) {
	for _, every := range []time.Duration{time.Hour, daily} {
		quarters := map[time.Duration]int{}
		for i := range 400 {
			account := fmt.Sprintf("%012d", i)
			at := nine.Add(time.Duration(i) * 7 * time.Minute)
			next := nextCheck(account, every, at)
			if d := next.Sub(at); d < every/2 || d >= every*3/2 {
				t.Errorf("the next check is %v away of %v", d, every)
			}
			if again := nextCheck(account, every, next); !again.Equal(next.Add(every)) {
				t.Errorf("checked at %v, and then at %v, every %v", next, again, every)
			}
			if half := nextCheck(account, every, next.Add(-every/2)); !half.Equal(next) {
				t.Errorf("half an interval before, it is %v, want %v", half, next)
			}
			quarters[next.Sub(next.Truncate(every))*4/every]++
		}
		for q := range 4 {
			if n := quarters[time.Duration(q)]; n < 60 || n > 140 {
				t.Errorf("%d of 400 accounts in quarter %d of %v", n, q, every)
			}
		}
	}
}

// TestCursors holds how far a compaction has come by what is stored.
func TestCursors(t *testing.T) {
	for cursor, want := range map[string][2]uint32{
		"": {0, 1}, "0/1": {0, 1}, "1/2": {1, 2}, "3/4": {3, 4}, "4/4": {0, 1}, "5/4": {0, 1}, "0/0": {0, 1}, "1": {0, 1}, "x/2": {0, 1}, "-1/2": {0, 1},
	} {
		if part, of := partOf(cursor); part != want[0] || of != want[1] {
			t.Errorf("%q is part %d of %d, want %d of %d", cursor, part, of, want[0], want[1])
		}
	}
	for i := range 50 {
		user := fmt.Sprintf("user-%d", i)
		for of := uint32(1); of < 64; of *= 2 {
			part, twice := userPart(user, of), userPart(user, 2*of)
			if back, n := partOf(cursorOf(part, of)); back != part || n != of {
				t.Errorf("part %d of %d is read as %d of %d", part, of, back, n)
			}
			if part >= of || twice != part && twice != part+of {
				t.Errorf("%s is in part %d of %d, and %d of %d", user, part, of, twice, 2*of)
			}
		}
	}
}

// TestFrequent holds of which facts an account may have so many that they are read in
// parts, and whose they are.
func TestFrequent(t *testing.T) {
	live := func(l bootstrap.LiveFact) bootstrap.Fact { return bootstrap.Fact{Kind: bootstrap.Live, Live: &l} }
	for name, tt := range map[string]struct {
		f    bootstrap.Fact
		user string
		many bool
	}{
		"a user's sign-in":            {bootstrap.Fact{Kind: bootstrap.UserSignIn, UserName: "eve"}, "eve", true},
		"root's":                      {bootstrap.Fact{Kind: bootstrap.RootSignIn, UserName: "eve"}, "", true},
		"root at work":                {bootstrap.Fact{Kind: bootstrap.RootActivity}, "", true},
		"a check of a user":           {live(bootstrap.LiveFact{UserName: "eve", UserID: "AIDAEVE"}), "eve", true},
		"a check of root":             {live(bootstrap.LiveFact{}), "", true},
		"a check of a user, by an ID": {live(bootstrap.LiveFact{UserID: "AIDAEVE"}), "", false},
		"a check that says nothing":   {bootstrap.Fact{Kind: bootstrap.Live}, "", false},
		"a change":                    {bootstrap.Fact{Kind: bootstrap.UserCreated, UserName: "eve"}, "", false},
	} {
		if user, many := frequent(&tt.f); user != tt.user || many != tt.many {
			t.Errorf("%s: %q, %v, want %q, %v", name, user, many, tt.user, tt.many)
		}
	}
}

// TestUnplacedTooLong holds from when on it is a fault that an account's routes are not known.
func TestUnplacedTooLong(t *testing.T) {
	for _, tt := range []struct {
		r    Check
		want bool
	}{
		{Check{}, false},
		{Check{UnansweredChecks: 5, Due: nine}, false},
		{Check{UnansweredChecks: 6, Due: nine}, true},
		{Check{Due: nine.Add(-daily)}, false},
		{Check{Due: nine.Add(-daily - time.Second)}, true},
	} {
		if got := unplaced(&tt.r, nine); got != tt.want {
			t.Errorf("%+v: %v", tt.r, got)
		}
	}
}

// TestExplain holds to the second which event explains a use of which credential.
func TestExplain(t *testing.T) {
	at := func(minutes int) time.Time { return nine.Add(time.Duration(minutes) * time.Minute) }
	facts := []bootstrap.Fact{
		{Kind: bootstrap.RootSignIn, Time: at(0), EventID: "signin"},
		{Kind: bootstrap.RootPasswordUsed, Time: at(100), Last: at(110), EventID: "password"},
		{Kind: bootstrap.RootActivity, Time: at(200), Last: at(230), EventID: "console", AccessKeyID: "ASIAROOT"},
		{Kind: bootstrap.RootActivity, Time: at(300), EventID: "key", AccessKeyID: "AKIAROOT"},
		{Kind: bootstrap.AssumedRoot, Time: at(400), AccessKeyID: "ASIAASSUMED"},
		{Kind: bootstrap.RootActivity, Time: at(400), EventID: "assumed", AccessKeyID: "ASIAASSUMED"},
		{Kind: bootstrap.RootActivity, Time: at(500), EventID: "keyless"},
		{Kind: bootstrap.AssumedRoot, Time: at(500)},
		{Kind: bootstrap.RootMFAEnabled, Time: at(600), EventID: "other"},
	}
	known := rootEventsOf(facts)
	const second = time.Second
	for _, tt := range []struct {
		of   detect.Credential
		at   time.Time
		want string
	}{
		{detect.Password, at(0), "signin"},
		{detect.Password, at(-15), "signin"},
		{detect.Password, at(-15).Add(-second), ""},
		{detect.Password, at(15), "signin"},
		{detect.Password, at(15).Add(second), ""},
		{detect.Password, at(85), "password"},
		{detect.Password, at(125), "password"},
		{detect.Password, at(125).Add(second), ""},
		{detect.Password, at(245), "console"},
		{detect.Password, at(300), ""},
		{detect.Password, at(400), ""},
		{detect.Password, at(500), "keyless"},
		{detect.Password, at(600), ""},
		{detect.AccessKey, at(300), "key"},
		{detect.AccessKey, at(200), ""},
		{detect.AccessKey, at(0), ""},
	} {
		event, ok := known.explain(&detect.RootUse{Credential: tt.of, At: tt.at})
		if event != tt.want || ok != (tt.want != "") {
			t.Errorf("%s at %v: %q, %v, want %q", tt.of, tt.at.Sub(nine), event, ok, tt.want)
		}
	}
}

// TestSee holds which uses of a report are new, and which are forgotten.
func TestSee(t *testing.T) {
	use := func(of detect.Credential, at time.Time, state UseState, changed time.Time) RootUse {
		return RootUse{RootUse: detect.RootUse{Credential: of, At: at}, State: state, Changed: changed}
	}
	began := nine.Add(-100 * time.Hour)
	shown := &credentialreport.Row{PasswordLastUsed: nine.Add(-time.Hour)}
	shown.Keys[0].LastUsed = nine.Add(-2 * time.Hour)
	old := nine.Add(-50 * time.Hour)
	for name, tt := range map[string]struct {
		has  []RootUse
		want []RootUse
	}{
		"nothing known": {nil, []RootUse{use(detect.Password, nine.Add(-time.Hour), UseWaiting, nine), use(detect.AccessKey, nine.Add(-2*time.Hour), UseWaiting, nine)}},
		"known": {[]RootUse{use(detect.Password, nine.Add(-time.Hour), UseExplained, old), use(detect.AccessKey, nine.Add(-2*time.Hour), UseAlerted, old)},
			[]RootUse{use(detect.Password, nine.Add(-time.Hour), UseExplained, old), use(detect.AccessKey, nine.Add(-2*time.Hour), UseAlerted, old)}},
		"a key at the password's time": {[]RootUse{use(detect.AccessKey, nine.Add(-time.Hour), UseWaiting, old)},
			[]RootUse{use(detect.AccessKey, nine.Add(-time.Hour), UseWaiting, old), use(detect.Password, nine.Add(-time.Hour), UseWaiting, nine), use(detect.AccessKey, nine.Add(-2*time.Hour), UseWaiting, nine)}},
		"others, which are not shown": {[]RootUse{
			use(detect.Password, old, UseExplained, nine), use(detect.Password, old, UseWaiting, old), use(detect.Password, old.Add(1), UseAlerted, nine.Add(-7*24*time.Hour)),
			use(detect.Password, old.Add(2), UseAlerted, nine.Add(-7*24*time.Hour-time.Second)),
		}, []RootUse{use(detect.Password, old, UseWaiting, old), use(detect.Password, old.Add(1), UseAlerted, nine.Add(-7*24*time.Hour)),
			use(detect.Password, nine.Add(-time.Hour), UseWaiting, nine), use(detect.AccessKey, nine.Add(-2*time.Hour), UseWaiting, nine)}},
	} {
		t.Run(name, func(t *testing.T) {
			x := Witness{Began: began, Uses: slices.Clone(tt.has)}
			x.see(shown, nine)
			if diff := cmp.Diff(tt.want, x.Uses); diff != "" {
				t.Errorf("uses (-want +got):\n%s", diff)
			}
		})
	}
	x := Witness{Began: shown.PasswordLastUsed}
	x.see(shown, nine)
	if len(x.Uses) != 0 {
		t.Errorf("uses from before the account was enrolled: %+v", x.Uses)
	}
	x = Witness{Began: began, Uses: []RootUse{use(detect.Password, old, UseWaiting, old), use(detect.Password, old, UseAlerted, nine)}}
	for i := range 22 {
		x.Uses = append(x.Uses, use(detect.Password, old.Add(time.Duration(i+1)), UseWaiting, old))
	}
	x.see(shown, nine)
	if len(x.Uses) != 24 || !x.Uses[0].At.Equal(old.Add(1)) || x.Uses[23].Credential != detect.AccessKey {
		t.Errorf("%d uses, from %+v to %+v", len(x.Uses), x.Uses[0], x.Uses[len(x.Uses)-1])
	}
}

// TestUseDue holds when a use is judged whose event may still arrive.
func TestUseDue(t *testing.T) {
	for changed, want := range map[time.Duration]time.Duration{-time.Second: time.Hour - time.Second, 0: time.Hour, 30 * time.Minute: time.Hour} {
		u := RootUse{RootUse: detect.RootUse{At: nine}, Changed: nine.Add(changed)}
		if got := u.due().Sub(nine); got != want {
			t.Errorf("seen %v after it: judged %v after it, want %v", changed, got, want)
		}
	}
}

// TestAspects holds what the facts explain of what a live check finds wrong of root.
func TestAspects(t *testing.T) {
	fact := func(kind bootstrap.FactKind, change ...func(*bootstrap.Fact)) bootstrap.Fact {
		f := bootstrap.Fact{Kind: kind, Time: nine}
		for _, c := range change {
			c(&f)
		}
		return f
	}
	serial := func(s string) func(*bootstrap.Fact) { return func(f *bootstrap.Fact) { f.Serial = s } }
	key := func(s string) func(*bootstrap.Fact) { return func(f *bootstrap.Fact) { f.AccessKeyID = s } }
	withMFA := func(f *bootstrap.Fact) { f.MFA = cloudtrail.Yes }
	for _, tt := range []struct {
		name             string
		facts            []bootstrap.Fact
		mfa, key, passwd bool
	}{
		{"nothing", nil, false, false, false},
		{"a device removed", []bootstrap.Fact{fact(bootstrap.RootMFADeactivated, serial("a"))}, true, false, false},
		{"a device enabled and removed", []bootstrap.Fact{fact(bootstrap.RootMFAEnabled, serial("a")), fact(bootstrap.RootMFADeactivated, serial("a"))}, true, false, false},
		{"another is left", []bootstrap.Fact{fact(bootstrap.RootMFAEnabled, serial("b")), fact(bootstrap.RootMFADeactivated, serial("a"))}, false, false, false},
		{"which was removed is not known", []bootstrap.Fact{fact(bootstrap.RootMFAEnabled, serial("b")), fact(bootstrap.RootMFADeactivated)}, true, false, false},
		{"removed and enabled again", []bootstrap.Fact{fact(bootstrap.RootMFADeactivated, serial("a")), fact(bootstrap.RootMFAEnabled, serial("a"))}, false, false, false},
		{"removed, and a sign-in with another", []bootstrap.Fact{fact(bootstrap.RootMFADeactivated, serial("a")), fact(bootstrap.RootSignIn, withMFA)}, false, false, true},
		{"removed, and a sign-in without", []bootstrap.Fact{fact(bootstrap.RootMFADeactivated, serial("a")), fact(bootstrap.RootSignIn)}, true, false, true},
		{"a key", []bootstrap.Fact{fact(bootstrap.RootKeyCreated, key("AKIA1"))}, false, true, false},
		{"a key that was deleted", []bootstrap.Fact{fact(bootstrap.RootKeyCreated, key("AKIA1")), fact(bootstrap.RootKeyDeleted, key("AKIA1"))}, false, false, false},
		{"one of two keys is left", []bootstrap.Fact{fact(bootstrap.RootKeyCreated, key("AKIA1")), fact(bootstrap.RootKeyCreated, key("AKIA2")), fact(bootstrap.RootKeyDeleted, key("AKIA1"))}, false, true, false},
		{"a password", []bootstrap.Fact{fact(bootstrap.RootPasswordSet)}, false, false, true},
		{"a password recovered", []bootstrap.Fact{fact(bootstrap.RootPasswordUsed)}, false, false, true},
		{"root at work", []bootstrap.Fact{fact(bootstrap.RootActivity, key("ASIA1"))}, false, false, true},
		{"root at work with a key", []bootstrap.Fact{fact(bootstrap.RootActivity, key("AKIA1"))}, false, false, false},
		{"a password removed", []bootstrap.Fact{fact(bootstrap.RootPasswordRemoved)}, false, false, false},
	} {
		for i, want := range []bool{tt.mfa, tt.key, tt.passwd} {
			if got := rootAspects[i].explained(tt.facts, false); got != want {
				t.Errorf("%s: %s is explained: %v, want %v", tt.name, rootAspects[i].findings[0], got, want)
			}
		}
	}
	if !rootAspects[2].explained(nil, true) || rootAspects[0].explained(nil, true) || rootAspects[1].explained(nil, true) {
		t.Error("a password there ever was is no problem, MFA and keys are")
	}
}

// TestAspectStates holds what an answer of IAM says of root.
func TestAspectStates(t *testing.T) {
	number := func(n int) *int { return &n }
	for _, tt := range []struct {
		mfa, keys, password *int
		want                [3]cloudtrail.Answer // of MFA, keys and password: whether it is right
	}{
		{nil, nil, nil, [3]cloudtrail.Answer{cloudtrail.Unknown, cloudtrail.Unknown, cloudtrail.Unknown}},
		{number(1), number(0), number(1), [3]cloudtrail.Answer{cloudtrail.Yes, cloudtrail.Yes, cloudtrail.No}},
		{number(0), number(1), number(1), [3]cloudtrail.Answer{cloudtrail.No, cloudtrail.No, cloudtrail.No}},
		{number(0), number(2), number(0), [3]cloudtrail.Answer{cloudtrail.Yes, cloudtrail.No, cloudtrail.Yes}},
		{number(0), nil, nil, [3]cloudtrail.Answer{cloudtrail.No, cloudtrail.Unknown, cloudtrail.Unknown}},
	} {
		live := &bootstrap.LiveFact{AccountMFAEnabled: tt.mfa, AccountAccessKeysPresent: tt.keys, AccountPasswordPresent: tt.password}
		var seen RootSeen
		seen.update(live, nine)
		for i, want := range tt.want {
			if got := rootAspects[i].state(live); got != want {
				t.Errorf("%+v: %s is %s, want %s", live, rootAspects[i].findings[0], got, want)
			}
			if at := rootAspects[i].seen(&seen); at.Equal(nine) != (want == cloudtrail.Yes) {
				t.Errorf("%+v: %s was right at %v", live, rootAspects[i].findings[0], at)
			}
		}
		was := seen
		if seen.update(live, nine.Add(-time.Second)); seen != was {
			t.Errorf("an answer from before took %+v for %+v", seen, was)
		}
	}
}

// TestNote holds what becomes of an account by what IAM answers about its report.
func TestNote(t *testing.T) {
	const account = "111122223333"
	read := nine.Add(-time.Minute)
	for _, tt := range []struct {
		name       string
		has        Witness
		unanswered int
		answer     rootReport
		want       Witness
		next       time.Duration // from now; 0: as by a failure
		missing    bool
	}{
		{"a report", Witness{Requested: nine.Add(-2 * time.Hour), Why: "throttled"}, 3, rootReport{generated: read}, Witness{Generated: read}, ReportAge, false},
		{"a report of long ago", Witness{}, 0, rootReport{generated: nine.Add(-ReportAge - time.Minute)}, Witness{Generated: nine.Add(-ReportAge - time.Minute)}, 5 * time.Minute, false},
		{"the last one still holds", Witness{Generated: read, Requested: nine.Add(-2 * time.Hour)}, 0, rootReport{state: ReportReady}, Witness{Generated: read}, ReportAge, false},
		{"one is asked for", Witness{}, 0, rootReport{state: ReportInProgress}, Witness{Requested: nine}, 5 * time.Minute, false},
		{"the last one is over", Witness{Generated: nine.Add(-ReportAge)}, 0, rootReport{state: ReportReady}, Witness{Generated: nine.Add(-ReportAge), Requested: nine}, 5 * time.Minute, false},
		{"one is being made", Witness{Requested: nine.Add(-time.Hour + time.Second)}, 0, rootReport{state: ReportInProgress}, Witness{Requested: nine.Add(-time.Hour + time.Second)}, 5 * time.Minute, false},
		{"one is being made for an hour", Witness{Requested: nine.Add(-time.Hour)}, 2, rootReport{state: ReportInProgress},
			Witness{Requested: nine.Add(-time.Hour), Why: "IAM has been making a credential report since 2026-03-02T08:00:00Z"}, 5 * time.Minute, true},
		{"no answer", Witness{Generated: read}, 2, rootReport{failed: errors.New("thr  ott\nled")}, Witness{Generated: read, Why: "thr ott led"}, 0, true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			w := reportRun{pass: pass{at: nine}}
			r := Check{Key: account + "/witness", Account: account, UnansweredChecks: tt.unanswered, Witness: tt.has}
			w.note(&r, &tt.answer)
			tt.want.Next = nine.Add(tt.next)
			if tt.next == 0 {
				tt.want.Next = nine.Add(worker.Unreachable().After(r.Key, 3))
			}
			if diff := cmp.Diff(tt.want, r.Witness); diff != "" {
				t.Errorf("row (-want +got):\n%s", diff)
			}
			unanswered, isRead := tt.unanswered, !tt.answer.generated.IsZero()
			if tt.missing {
				unanswered++
			} else if isRead {
				unanswered = 0
			}
			if r.UnansweredChecks != unanswered || r.Done.Equal(nine) != isRead || (w.Reports == 1) != isRead || (w.Unanswered == 1) != tt.missing || slices.Contains(w.Unreachable, account) != tt.missing {
				t.Errorf("%d without an answer, done at %v: %+v", r.UnansweredChecks, r.Done, w.ReportsChecked)
			}
			if begun := tt.has.Requested.IsZero() && !tt.want.Requested.IsZero(); (w.Requested == 1) != begun {
				t.Errorf("%d were asked for", w.Requested)
			}
		})
	}
	w := reportRun{pass: pass{at: nine}}
	for i := range 12 {
		w.missing(&Check{Account: strconv.Itoa(i)}, errors.New(strings.Repeat("x", 400)))
	}
	if w.Unanswered != 12 || len(w.Unreachable) != 10 {
		t.Errorf("%d accounts, %d named", w.Unanswered, len(w.Unreachable))
	}
}
