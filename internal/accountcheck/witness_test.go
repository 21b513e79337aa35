package accountcheck_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"rootguard/internal/accountcheck"
	"rootguard/internal/testenv"

	"rootguard/internal/alert"
	"rootguard/internal/cloudtrail"
	"rootguard/internal/detect"
)

// rootUsed is when root last used what, as IAM knows it.
type rootUsed struct {
	password time.Time
	keys     [2]usedKey
}

type usedKey struct {
	at              time.Time
	region, service string
}

// use takes a use for the last one, but where it is of the same few minutes: then
// IAM keeps the first.
func (u *rootUsed) use(slot int, at time.Time, region, service string) {
	if slot < 0 {
		if at.Sub(u.password) >= 5*time.Minute {
			u.password = at
		}
		return
	}
	if at.Sub(u.keys[slot].at) >= 15*time.Minute {
		u.keys[slot] = usedKey{at, region, service}
	}
}

// shown is a use in a report that was handed out.
type shown struct {
	credential detect.Credential
	at         time.Time // of the use
	read       time.Time // by the guard's clock
}

// reportsFake makes credential reports as IAM does: not at once, and none within
// four hours of the last, by a clock of its own.
type reportsFake struct {
	land  *land
	ahead time.Duration // of the guard's clock
	takes time.Duration
	deny  error // of both calls
	used  map[string]*rootUsed
	spoil func(csv string) string

	mu    sync.Mutex // accounts are read side by side
	made  map[string]madeReport
	shown []shown
	calls map[string]int
}

type madeReport struct {
	begun time.Time
	used  rootUsed
	csv   string
}

func newReports(l *land) *reportsFake {
	f := &reportsFake{land: l, takes: 2 * time.Minute, used: map[string]*rootUsed{home: {}}, made: map[string]madeReport{}, calls: map[string]int{}}
	l.reports = f
	return f
}

func (f *reportsFake) now() time.Time { return f.land.Clock.Now().Add(f.ahead).Truncate(time.Second) }

func (f *reportsFake) RequestCredentialReport(_ context.Context, of string) (accountcheck.ReportState, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.calls["request"]++
	if f.deny != nil {
		return "", f.deny
	}
	m, ok := f.made[of]
	switch now := f.now(); {
	case ok && now.Before(m.begun.Add(f.takes)):
		return accountcheck.ReportInProgress, nil
	case ok && now.Before(m.begun.Add(f.takes+accountcheck.ReportAge)):
		return accountcheck.ReportReady, nil
	default:
		used := rootUsed{}
		if u := f.used[of]; u != nil {
			used = *u
		}
		f.made[of] = madeReport{now, used, f.csv(of, used)}
		return accountcheck.ReportInProgress, nil
	}
}

func (f *reportsFake) CredentialReport(_ context.Context, of string) (accountcheck.CredentialReport, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.calls["get"]++
	if f.deny != nil {
		return accountcheck.CredentialReport{}, f.deny
	}
	m, ok := f.made[of]
	generated := m.begun.Add(f.takes)
	switch now := f.now(); {
	case !ok || !now.Before(generated.Add(accountcheck.ReportAge)):
		return accountcheck.CredentialReport{State: accountcheck.ReportAbsent}, nil
	case now.Before(generated):
		return accountcheck.CredentialReport{State: accountcheck.ReportInProgress}, nil
	}
	for _, s := range []shown{{credential: detect.Password, at: m.used.password}, {credential: detect.AccessKey, at: m.used.keys[0].at}, {credential: detect.AccessKey, at: m.used.keys[1].at}} {
		if s.read = f.land.Clock.Now(); !s.at.IsZero() {
			f.shown = append(f.shown, s)
		}
	}
	csv := m.csv
	if f.spoil != nil {
		csv = f.spoil(csv)
	}
	return accountcheck.CredentialReport{State: accountcheck.ReportReady, Generated: generated, CSV: []byte(csv)}, nil
}

func (f *reportsFake) csv(of string, used rootUsed) string {
	at := func(t time.Time) string {
		if t.IsZero() {
			return "N/A"
		}
		return t.UTC().Format(time.RFC3339)
	}
	var b strings.Builder
	b.WriteString("user,user_creation_time,password_enabled,password_last_used,mfa_active,access_key_1_last_used_date,access_key_1_last_used_region,access_key_1_last_used_service," +
		"access_key_2_last_used_date,access_key_2_last_used_region,access_key_2_last_used_service\n")
	fmt.Fprintf(&b, "<root_account>,2020-01-01T00:00:00Z,not_supported,%s,true", at(used.password))
	for _, k := range used.keys {
		fmt.Fprintf(&b, ",%s,%s,%s", at(k.at), k.region, k.service)
	}
	b.WriteString("\n")
	f.land.iam.mu.Lock()
	defer f.land.iam.mu.Unlock()
	for _, u := range f.land.iam.users[of] {
		fmt.Fprintf(&b, "%s,%s,%v,N/A,%v,N/A,N/A,N/A,N/A,N/A,N/A\n", u.name, at(u.created), u.Password, u.MFA)
	}
	return b.String()
}

// rootEvent is an event of root: a sign-in, or a call with a key. A key that begins
// with ASIA is of a session.
func rootEvent(id, key string, at time.Time) *cloudtrail.Record {
	rec := &cloudtrail.Record{
		EventID: id, EventTime: at, EventSource: "ec2.amazonaws.com", EventName: "RunInstances", RecipientAccountID: home,
		UserIdentity: cloudtrail.UserIdentity{Type: "Root", AccountID: home, ARN: "arn:aws:iam::" + home + ":root", PrincipalID: home, AccessKeyID: key},
	}
	if key == "" {
		rec.EventSource, rec.EventName, rec.ResponseElements = cloudtrail.SigninSource, "ConsoleLogin", []byte(`{"ConsoleLogin":"Success"}`)
		rec.AdditionalEventData = []byte(`{"MFAUsed":"Yes"}`)
	}
	return rec
}

func (l *land) deliver(t failer, rec *cloudtrail.Record) {
	t.Helper()
	if _, err := l.Handle(context.Background(), rec); err != nil {
		t.Fatalf("delivering %s: %v", rec.EventID, err)
	}
}

// unseen are the alerts about uses of which no event arrived, and their notes.
func (l *land) unseen() (alerts []alert.Alert) {
	for _, a := range l.Receivers.Published() {
		if a.Finding.ID == detect.RootUseUnseen {
			alerts = append(alerts, a)
		}
	}
	return alerts
}

// TestWitness follows uses of root, of which events arrive, arrive late and never.
func TestWitness(t *testing.T) {
	l := newLand()
	f := newReports(l)
	used := f.used[home]
	used.use(-1, l.Clock.Now().Add(-90*24*time.Hour), "", "")
	used.use(0, l.Clock.Now().Add(-24*time.Hour), "us-east-1", "iam")
	l.pass(t, 24*time.Hour)
	if got := l.unseen(); len(got) != 0 {
		t.Fatalf("what was before: %+v", got)
	}
	if n := f.calls["request"]; n < 5 || n > 7 {
		t.Errorf("%d reports requested in a day, %v", n, f.calls)
	}
	if n := f.calls["get"]; n > 20 {
		t.Errorf("%d calls for reports in a day", n)
	}

	// A sign-in, whose event arrives.
	at := l.Clock.Now()
	used.use(-1, at, "", "")
	l.deliver(t, rootEvent("seen", "", at.Add(2*time.Minute)))
	l.pass(t, 12*time.Hour)
	if got := l.unseen(); len(got) != 0 {
		t.Fatalf("a sign-in that was seen: %+v", got)
	}

	// A key's call in a Region without a forwarder.
	lost := l.Clock.Now().Truncate(time.Second)
	used.use(1, lost, "eu-west-3", "ec2")
	for len(l.unseen()) == 0 && l.Clock.Now().Before(lost.Add(6*time.Hour)) {
		l.pass(t, 5*time.Minute)
	}
	got := l.unseen()
	if len(got) != 1 {
		t.Fatalf("%d alerts within 6 hours", len(got))
	}
	if wait := l.Clock.Now().Sub(lost); wait < time.Hour || wait > 4*time.Hour+15*time.Minute {
		t.Errorf("alerted %v after", wait)
	}
	want := detect.UseUnseen(home, detect.RootUse{Credential: detect.AccessKey, At: lost, Region: "eu-west-3", Service: "ec2"}, 15*time.Minute)
	if diff := cmp.Diff(want, got[0].Finding); diff != "" {
		t.Errorf("finding (-want +got):\n%s", diff)
	}
	l.pass(t, 48*time.Hour)
	if got := l.unseen(); len(got) != 1 {
		t.Fatalf("alerted %d times", len(got))
	}

	// The key before it is deleted: the other takes its place in the report.
	used.keys[0], used.keys[1] = used.keys[1], usedKey{}
	l.pass(t, 12*time.Hour)
	if got := l.unseen(); len(got) != 1 {
		t.Fatalf("alerted %d times once the key has another place", len(got))
	}

	// Its event arrives after all.
	l.deliver(t, rootEvent("late", "AKIA2", lost.Add(time.Minute)))
	l.pass(t, 24*time.Hour)
	got = l.unseen()
	if len(got) != 2 || got[1].Finding.Severity != detect.Info || got[1].Finding.EventID != want.EventID+"/closed" || !strings.Contains(got[1].Finding.Detail, "event late") {
		t.Fatalf("%d alerts, the last %+v", len(got), got[len(got)-1].Finding)
	}
	l.pass(t, 20*24*time.Hour)
	if got := l.unseen(); len(got) != 2 {
		t.Fatalf("%d alerts", len(got))
	}
}

// TestWitnessExplains holds which events explain a use, and which do not.
func TestWitnessExplains(t *testing.T) {
	signIn := func(change func(*cloudtrail.Record)) func(time.Time) []*cloudtrail.Record {
		return func(at time.Time) []*cloudtrail.Record {
			rec := rootEvent("e", "", at)
			change(rec)
			return []*cloudtrail.Record{rec}
		}
	}
	off := func(by time.Duration, key string) func(time.Time) []*cloudtrail.Record {
		return func(at time.Time) []*cloudtrail.Record {
			return []*cloudtrail.Record{rootEvent("e", key, at.Add(by))}
		}
	}
	assumed := func(at time.Time) []*cloudtrail.Record {
		return []*cloudtrail.Record{
			{
				EventID: "a", EventTime: at, EventSource: "sts.amazonaws.com", EventName: "AssumeRoot", RecipientAccountID: member,
				UserIdentity:      cloudtrail.UserIdentity{Type: "AssumedRole", AccountID: member, ARN: "arn:aws:sts::" + member + ":assumed-role/Sec/eve"},
				RequestParameters: []byte(`{"targetPrincipal":"` + home + `"}`), ResponseElements: []byte(`{"credentials":{"accessKeyId":"ASIAROOT"}}`),
			},
			rootEvent("e", "ASIAROOT", at),
		}
	}
	for _, tt := range []struct {
		name   string
		slot   int // -1: the password
		events func(at time.Time) []*cloudtrail.Record
		alert  bool
	}{
		{"nothing", -1, func(time.Time) []*cloudtrail.Record { return nil }, true},
		{"a sign-in", -1, off(0, ""), false},
		{"a sign-in that ends 14 minutes later", -1, off(14*time.Minute, ""), false},
		{"a sign-in 14 minutes before", -1, off(-14*time.Minute, ""), false},
		{"a sign-in 16 minutes later", -1, off(16*time.Minute, ""), true},
		{"a sign-in 16 minutes before", -1, off(-16*time.Minute, ""), true},
		{"a call in a console session", -1, off(time.Minute, "ASIACONSOLE"), false},
		{"a call with a key", -1, off(time.Minute, "AKIA1"), true},
		{"a session of AssumeRoot whose records do not say so", -1, assumed, true},
		{"a sign-in that failed at MFA", -1, signIn(func(r *cloudtrail.Record) {
			r.ErrorMessage, r.ResponseElements = "Failed authentication", []byte(`{"ConsoleLogin":"Failure"}`)
		}), false},
		{"a sign-in that failed at the password", -1, signIn(func(r *cloudtrail.Record) {
			r.ErrorMessage, r.ResponseElements, r.AdditionalEventData = "Failed authentication", []byte(`{"ConsoleLogin":"Failure"}`), []byte(`{"MFAUsed":"No"}`)
		}), true},
		{"a step of signing in", -1, signIn(func(r *cloudtrail.Record) { r.EventName, r.ResponseElements = "CheckMfa", nil }), false},
		{"a password recovered", -1, signIn(func(r *cloudtrail.Record) {
			r.EventName, r.EventType, r.UserIdentity = "PasswordRecoveryCompleted", "AwsServiceEvent", cloudtrail.UserIdentity{AccountID: home}
		}), false},
		{"a service on root's behalf", -1, signIn(func(r *cloudtrail.Record) {
			r.EventSource, r.EventName, r.UserIdentity.InvokedBy = "s3.amazonaws.com", "PutObject", "backup.amazonaws.com"
		}), true},
		{"a user's sign-in", -1, signIn(func(r *cloudtrail.Record) {
			r.UserIdentity = cloudtrail.UserIdentity{Type: "IAMUser", AccountID: home, UserName: "eve", PrincipalID: "AIDAEVE"}
		}), true},
		{"a key's call", 0, off(0, "AKIA1"), false},
		{"a key's call at the end of 15 minutes", 1, off(15*time.Minute, "AKIA1"), false},
		{"a key's call 16 minutes later", 0, off(16*time.Minute, "AKIA1"), true},
		{"a sign-in, and no call of a key", 0, off(0, ""), true},
		{"a session's call, and none of a key", 1, off(0, "ASIACONSOLE"), true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			l := newLand()
			f := newReports(l)
			l.pass(t, 2*time.Hour)
			at := l.Clock.Now().Truncate(time.Second)
			f.used[home].use(tt.slot, at, "eu-west-3", "ec2")
			l.pass(t, 20*time.Minute)
			for _, rec := range tt.events(at) {
				l.deliver(t, rec)
			}
			l.pass(t, 12*time.Hour)
			if got := l.unseen(); len(got) > 1 || (len(got) == 1) != tt.alert {
				t.Errorf("%d alerts", len(got))
			}
		})
	}
}

// TestWitnessBegins holds that what was before an account was enrolled is not
// judged, and what comes after is, even before its first report.
func TestWitnessBegins(t *testing.T) {
	for _, tt := range []struct {
		name  string
		ago   time.Duration // of the use, before the first run
		alert bool
	}{{"before", time.Minute, false}, {"after", -7 * time.Minute, true}} {
		l := newLand()
		f := newReports(l)
		f.takes = 11 * time.Minute
		l.Clock.Advance(time.Hour)
		f.used[home].use(-1, l.Clock.Now().Add(5*time.Minute-tt.ago), "", "")
		l.pass(t, 24*time.Hour)
		if got := l.unseen(); (len(got) == 1) != tt.alert {
			t.Errorf("%s: %d alerts", tt.name, len(got))
		}
	}
}

// TestWitnessMembers holds that members are asked too, each in its own time, and
// those that left no more.
func TestWitnessMembers(t *testing.T) {
	l := newLand()
	f := newReports(l)
	l.organization(member, "333333333333")
	f.used[member], f.used["333333333333"] = &rootUsed{}, &rootUsed{}
	l.pass(t, 24*time.Hour)
	f.used[member].use(-1, l.Clock.Now(), "", "")
	l.pass(t, 6*time.Hour)
	if got := l.unseen(); len(got) != 1 || got[0].Finding.Account != member {
		t.Fatalf("alerts: %+v", got)
	}
	l.org.active["333333333333"] = false
	l.pass(t, 25*time.Hour)
	f.used["333333333333"].use(-1, l.Clock.Now(), "", "")
	l.pass(t, 25*time.Hour)
	if got := l.unseen(); len(got) != 1 {
		t.Errorf("of an account that is closed: %+v", got)
	}
	// It is back: what was meanwhile is not judged.
	l.org.active["333333333333"] = true
	l.pass(t, 49*time.Hour)
	if got := l.unseen(); len(got) != 1 {
		t.Errorf("of an account that was closed: %+v", got)
	}
	f.used["333333333333"].use(-1, l.Clock.Now(), "", "")
	l.pass(t, 10*time.Hour)
	if got := l.unseen(); len(got) != 2 {
		t.Errorf("of an account that is back: %+v", got)
	}
}

// TestWitnessUnhealthy holds that accounts without a report are named, once a day,
// and asked less and less often; and that nothing is alerted for lack of one.
func TestWitnessUnhealthy(t *testing.T) {
	testenv.Soak(t)
	for name, spoil := range map[string]func(*reportsFake){
		"denied":        func(f *reportsFake) { f.deny = errors.New("AccessDenied: explicit deny in a service control policy") },
		"in the making": func(f *reportsFake) { f.takes = 1000 * time.Hour },
		"no root": func(f *reportsFake) {
			f.spoil = func(csv string) string { return strings.Replace(csv, "<root_account>", "", 1) }
		},
		"no report": func(f *reportsFake) { f.spoil = func(string) string { return "<html>" } },
	} {
		t.Run(name, func(t *testing.T) {
			l := newLand()
			f := newReports(l)
			spoil(f)
			f.used[home].use(-1, l.Clock.Now().Add(time.Hour), "", "")
			l.pass(t, 73*time.Hour)
			unhealthy := 0
			for _, a := range l.Receivers.Published() {
				if a.Finding.ID == detect.GuardUnhealthy && a.Finding.Target.Resource == "credential reports" {
					unhealthy++
					if !strings.Contains(a.Finding.Detail, home) || !strings.Contains(a.Finding.Detail, "iam:GenerateCredentialReport") {
						t.Errorf("it says %q", a.Finding.Detail)
					}
				}
			}
			if unhealthy < 2 || unhealthy > 4 {
				t.Errorf("named %d times in three days", unhealthy)
			}
			if n := f.calls["get"]; name == "denied" && n > 90 {
				t.Errorf("asked %d times", n)
			}
			if got := l.unseen(); len(got) != 0 {
				t.Errorf("alerts: %+v", got)
			}
			// It is well again: all that is to be reported is reported.
			*f = reportsFake{land: l, takes: time.Minute, used: f.used, made: map[string]madeReport{}, calls: map[string]int{}}
			before := len(l.Receivers.Published())
			l.pass(t, 73*time.Hour)
			if got := l.unseen(); len(got) != 1 || len(l.Receivers.Published()) > before+2 {
				t.Errorf("after: %d alerts of %d", len(got), len(l.Receivers.Published())-before)
			}
		})
	}
}

// TestWitnessProperty is the proof that a use is alerted if and only if no event
// of it arrived in time, once, and closed if and only if one arrived later; over
// uses of password and two keys, sessions of sts:AssumeRoot, deliveries in time,
// late and lost, reports that take their time, and clocks that differ.
func TestWitnessProperty(t *testing.T) {
	t.Parallel()
	type event struct {
		at      time.Time // of IAM's clock
		key     string    // "": the password
		arrived time.Time // by the guard's clock; zero: never
	}
	testenv.Check(t, 100, func(t *rapid.T) {
		l := newLand()
		f := newReports(l)
		f.ahead = time.Duration(rapid.IntRange(-240, 240).Draw(t, "seconds by which IAM's clock is ahead")) * time.Second
		f.takes = time.Duration(rapid.IntRange(1, 12).Draw(t, "minutes that a report takes")) * time.Minute
		calm := rapid.Bool().Draw(t, "all is delivered in time")
		if err := l.run(); err != nil {
			t.Fatalf("the first run: %v", err)
		}
		began := l.Clock.Now()
		var events []event
		n := 0
		step := func() {
			l.Clock.Advance(5 * time.Minute)
			now := l.Clock.Now()
			for i := range events {
				if e := events[i]; e.arrived.After(now.Add(-5*time.Minute)) && !e.arrived.After(now) {
					l.deliver(t, rootEvent(fmt.Sprint("e", i), e.key, e.at))
				}
			}
			if _, err := l.CheckReports(context.Background(), f, now); err != nil {
				t.Fatalf("at %v: %v", now, err)
			}
		}
		for range rapid.IntRange(1, 25).Draw(t, "uses") {
			for range rapid.SampledFrom([]int{1, 1, 2, 3, 6, 20, 60}).Draw(t, "steps between") {
				step()
			}
			n++
			at := f.now()
			if rapid.IntRange(0, 5).Draw(t, "AssumeRoot") == 0 {
				key := fmt.Sprint("ASIAROOT", n)
				l.deliver(t, &cloudtrail.Record{
					EventID: key, EventTime: at, EventSource: "sts.amazonaws.com", EventName: "AssumeRoot", RecipientAccountID: member,
					UserIdentity:      cloudtrail.UserIdentity{Type: "AssumedRole", AccountID: member},
					RequestParameters: []byte(`{"targetPrincipal":"` + home + `"}`), ResponseElements: []byte(`{"credentials":{"accessKeyId":"` + key + `"}}`),
				})
				l.deliver(t, rootEvent("session "+key, key, at))
				continue
			}
			slot := rapid.IntRange(-1, 1).Draw(t, "credential")
			e := event{at: at}
			if slot >= 0 {
				e.key = fmt.Sprint("AKIA", slot)
			} else {
				e.at = at.Add(time.Duration(rapid.IntRange(0, 120).Draw(t, "seconds until MFA")) * time.Second)
			}
			f.used[home].use(slot, at, "eu-west-3", "ec2")
			how := "in time"
			if !calm {
				how = rapid.SampledFrom([]string{"in time", "in time", "late", "lost"}).Draw(t, "delivery")
			}
			switch how {
			case "in time":
				e.arrived = l.Clock.Now().Add(time.Duration(rapid.IntRange(1, 45).Draw(t, "minutes until it arrives")) * time.Minute)
			case "late":
				e.arrived = l.Clock.Now().Add(time.Duration(rapid.IntRange(60, 3000).Draw(t, "minutes until it arrives")) * time.Minute)
			}
			events = append(events, e)
		}
		for range 12 * 70 {
			step()
		}

		// explained is when the first event arrived by which a use is explained: calls
		// of a key in one UTC hour are known from the first to the last.
		explained := func(s shown) (first time.Time) {
			arrivals := []time.Time{}
			for _, e := range events {
				if !e.arrived.IsZero() {
					arrivals = append(arrivals, e.arrived)
				}
			}
			slices.SortFunc(arrivals, time.Time.Compare)
			for _, now := range arrivals {
				spans := map[string][2]time.Time{}
				for i, e := range events {
					if e.arrived.IsZero() || e.arrived.After(now) || (e.key == "") != (s.credential == detect.Password) {
						continue
					}
					id := strconv.Itoa(i)
					if e.key != "" {
						id = e.key + e.at.UTC().Format("2006-01-02T15")
					}
					was, ok := spans[id]
					if !ok {
						was = [2]time.Time{e.at, e.at}
					}
					if e.at.Before(was[0]) {
						was[0] = e.at
					}
					if e.at.After(was[1]) {
						was[1] = e.at
					}
					spans[id] = was
				}
				for _, between := range spans {
					if s.at.Sub(between[0]) >= -15*time.Minute && s.at.Sub(between[1]) <= 15*time.Minute {
						return now
					}
				}
			}
			return time.Time{}
		}
		want := map[string]int{}
		first := map[string]bool{}
		for _, s := range f.shown {
			id := detect.UseUnseen(home, detect.RootUse{Credential: s.credential, At: s.at}, 0).EventID
			if first[id] || !s.at.After(began) {
				continue
			}
			first[id] = true
			judged := s.at.Add(time.Hour)
			if s.read.Before(s.at) {
				judged = s.read.Add(time.Hour)
			}
			if judged.Before(s.read) {
				judged = s.read
			}
			for now := began; ; now = now.Add(5 * time.Minute) { // the run at which it is due
				if !now.Before(judged) {
					judged = now
					break
				}
			}
			arrived := explained(s)
			if arrived.IsZero() || arrived.After(judged) {
				want[id] = 1
				if !arrived.IsZero() {
					want[id+"/closed"] = 1
				}
			}
		}
		got := map[string]int{}
		for _, a := range l.unseen() {
			got[a.Finding.EventID]++
			if a.Finding.Severity != detect.Critical && !strings.HasSuffix(a.Finding.EventID, "/closed") {
				t.Errorf("%s is %s", a.Finding.EventID, a.Finding.Severity)
			}
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("alerts (-want +got):\n%s%+v", diff, events)
		}
		if calm && len(got) > 0 {
			t.Errorf("all was delivered in time, and there are alerts: %v", got)
		}
	})
}
