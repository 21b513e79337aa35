package digestwork_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"rootguard/internal/accountcheck"
	"rootguard/internal/alert"
	"rootguard/internal/announcement"
	"rootguard/internal/bootstrap"
	"rootguard/internal/detect"
	"rootguard/internal/digest"
	"rootguard/internal/digestwork"
	"rootguard/internal/fake"
	"rootguard/internal/guard"
	"rootguard/internal/health"
	"rootguard/internal/incident"
)

const hub = "999999999999"

func at(text string) time.Time {
	t, err := time.Parse(time.RFC3339, text)
	if err != nil {
		panic(err)
	}
	return t
}

// store are accounts with facts, and what else is on record of them.
type store struct {
	facts     fake.Facts
	accounts  []string
	incidents []incident.Incident
	broken    string // the account that cannot be read
	read      map[string]int
	mu        sync.Mutex
}

func (s *store) Accounts(context.Context) ([]string, error) {
	return slices.Sorted(slices.Values(s.accounts)), nil
}

func (s *store) Facts(ctx context.Context, account string) ([]bootstrap.Fact, error) {
	s.mu.Lock()
	if s.read == nil {
		s.read = map[string]int{}
	}
	s.read[account]++
	s.mu.Unlock()
	if account == s.broken {
		return nil, errors.New("malformed row")
	}
	return s.facts.Facts(ctx, account)
}

func (s *store) IncidentsBetween(_ context.Context, account string, from, to time.Time) ([]incident.Incident, error) {
	return slices.DeleteFunc(slices.Clone(s.incidents), func(in incident.Incident) bool {
		return in.Account != account || in.Start.Before(from) || in.Start.After(to)
	}), nil
}

// world is a guard whose clock a test turns.
type world struct {
	*digestwork.Sender

	t             *testing.T
	clock         *fake.Clock
	store         *store
	checks        *fake.Checks
	announcements *fake.Announcements
	health        *fake.Health
	publisher     *fake.Publisher
	script        *fake.Script
	states        *fake.Rows[digestwork.State]
}

func newWorld(t *testing.T, schedule string, accounts ...string) *world {
	t.Helper()
	s, err := digest.Parse(schedule)
	if err != nil {
		t.Fatal(err)
	}
	script := &fake.Script{}
	w := &world{
		t: t, clock: fake.NewClock(at("2026-11-25T12:00:00Z")), store: &store{accounts: accounts}, checks: &fake.Checks{}, announcements: &fake.Announcements{},
		health: &fake.Health{}, publisher: &fake.Publisher{Script: script}, script: script, states: &fake.Rows[digestwork.State]{Script: script},
	}
	for _, account := range accounts {
		w.fact(account, bootstrap.RootMFAEnabled, "2026-11-01T00:00:00Z")
	}
	g := guard.New(guard.Deps{
		Detector: &detect.Detector{}, Claims: &fake.Claims{Script: script}, Facts: &w.store.facts, Publisher: w.publisher, Now: w.clock.Now,
		AccountName: func(string) string { return "security" },
	}, guard.Settings{Lease: 90 * time.Second})
	w.Sender = &digestwork.Sender{
		Collector: digestwork.Collector{
			Accounts: w.store, Checks: w.checks, Incidents: w.store, Announcements: w.announcements, Health: w.health, Hub: hub,
			Regions: []string{"us-east-1"}, Options: bootstrap.DefaultOptions(), Schedule: s, Name: func(string) string { return "" },
		},
		Guard: g, States: w.states, Collections: &fake.Rows[digestwork.Collection]{Script: script}, Now: w.clock.Now,
	}
	return w
}

func (w *world) fact(account string, kind bootstrap.FactKind, when string) {
	w.t.Helper()
	f := bootstrap.Fact{Account: account, ID: string(kind) + "/" + when, Kind: kind, Time: at(when), EventID: "e-" + when, Serial: "arn:aws:iam::" + account + ":mfa/root"}
	if _, err := w.store.facts.Add(w.t.Context(), []bootstrap.Fact{f}); err != nil {
		w.t.Fatal(err)
	}
}

// run is one run of the sweep at a time.
func (w *world) run(when string) digestwork.Result {
	w.t.Helper()
	done, err := w.try(when)
	if err != nil {
		w.t.Fatalf("at %s: %v", when, err)
	}
	return done
}

func (w *world) try(when string) (digestwork.Result, error) {
	w.clock.Advance(at(when).Sub(w.clock.Now()))
	return w.Run(w.t.Context(), at(when))
}

// sent are the digests that were published.
func (w *world) sent(want int) []alert.Alert {
	w.t.Helper()
	all := w.publisher.Published()
	for i := range all {
		if all[i].Kind != alert.Scheduled || all[i].Digest == nil || all[i].Finding.ID != detect.GuardDigest {
			w.t.Errorf("published %+v", all[i])
		}
	}
	if len(all) != want {
		w.t.Fatalf("%d digests, want %d", len(all), want)
	}
	return all
}

func section(a *alert.Alert, id string) alert.DigestSection {
	for _, s := range a.Digest.Sections {
		if s.ID == id {
			return s
		}
	}
	return alert.DigestSection{}
}

// TestOnceAPeriod holds that a digest comes at its time, once, and says when the next does.
func TestOnceAPeriod(t *testing.T) {
	w := newWorld(t, "weekly monday 08:00 Europe/Berlin", "111111111111", "222222222222")
	for when := at("2026-11-25T12:00:00Z"); when.Before(at("2026-12-21T12:00:00Z")); when = when.Add(35 * time.Minute) {
		w.run(when.Format(time.RFC3339))
		w.run(when.Format(time.RFC3339)) // Lambda calls a second time
	}
	all := w.sent(4)
	for i, want := range []string{"2026-11-30T07:00:00Z", "2026-12-07T07:00:00Z", "2026-12-14T07:00:00Z", "2026-12-21T07:00:00Z"} {
		d := all[i].Digest
		if !all[i].Finding.EventTime.Equal(at(want)) || d.At.Before(at(want)) || d.At.Sub(at(want)) > 35*time.Minute {
			t.Errorf("digest %d is of %s, as of %s, want %s", i, all[i].Finding.EventTime, d.At, want)
		}
		if next := at(want).Add(7 * 24 * time.Hour); !d.Next.Equal(next) || d.NextText != next.Format("Monday 2006-01-02 ")+"08:00 Europe/Berlin" {
			t.Errorf("digest %d announces %s, %s", i, d.Next, d.NextText)
		}
	}
	if s := section(&all[0], "changes"); !strings.Contains(s.Title, "no earlier digest to compare with") {
		t.Errorf("the first has %q", s.Title)
	}
	if s := section(&all[1], "changes"); !strings.Contains(s.Title, "no step of any account") {
		t.Errorf("the second has %q", s.Title)
	}
	if text := alert.Text(all[1]); !strings.Contains(text, "The next digest comes on Monday 2026-12-14 08:00 Europe/Berlin. If it does not come, rootguard is") {
		t.Errorf("no sentence about the next in\n%s", text)
	}
}

// TestClocksChange holds that the hour stays that of the zone.
func TestClocksChange(t *testing.T) {
	w := newWorld(t, "daily 08:00 Europe/Berlin", "111111111111")
	w.clock.Advance(at("2027-03-26T12:00:00Z").Sub(w.clock.Now()))
	for when := at("2027-03-26T12:00:00Z"); when.Before(at("2027-03-30T00:00:00Z")); when = when.Add(5 * time.Minute) {
		w.run(when.Format(time.RFC3339))
	}
	var got []string
	for _, a := range w.sent(3) {
		got = append(got, a.Digest.At.Format(time.RFC3339)+" then "+a.Digest.NextText)
	}
	want := []string{
		"2027-03-27T07:00:00Z then Sunday 2027-03-28 08:00 Europe/Berlin", "2027-03-28T06:00:00Z then Monday 2027-03-29 08:00 Europe/Berlin",
		"2027-03-29T06:00:00Z then Tuesday 2027-03-30 08:00 Europe/Berlin",
	}
	if !slices.Equal(got, want) {
		t.Errorf("got %q", got)
	}
}

// TestOff holds that nothing is read or written where digests are off.
func TestOff(t *testing.T) {
	w := newWorld(t, "off", "111111111111")
	w.run("2026-11-25T12:00:00Z")
	w.run("2026-12-25T12:00:00Z")
	w.sent(0)
	if calls := w.script.Calls(); len(calls) > 0 {
		t.Errorf("calls %q", calls)
	}
}

// TestLittleIsRead holds what a run costs in which no digest is due: one row.
func TestLittleIsRead(t *testing.T) {
	w := newWorld(t, "daily", "111111111111")
	w.run("2026-11-25T12:00:00Z")
	before := len(w.script.Calls())
	w.run("2026-11-25T12:05:00Z")
	if calls := w.script.Calls()[before:]; !slices.Equal(calls, []string{"States.Get"}) || len(w.store.read) > 0 {
		t.Errorf("calls %q, accounts read %v", calls, w.store.read)
	}
}

// TestMissed holds that a digest that no run came to is sent by the next run, once,
// and says how many were not.
func TestMissed(t *testing.T) {
	w := newWorld(t, "daily 08:00", "111111111111")
	w.run("2026-11-25T12:00:00Z")
	w.run("2026-11-26T08:00:00Z")
	w.run("2026-11-29T17:00:00Z") // three days later
	w.run("2026-11-29T17:05:00Z")
	all := w.sent(2)
	late := &all[1]
	if !late.Finding.EventTime.Equal(at("2026-11-29T08:00:00Z")) || !late.Digest.Next.Equal(at("2026-11-30T08:00:00Z")) {
		t.Errorf("it is of %s and announces %s", late.Finding.EventTime, late.Digest.Next)
	}
	if s := section(late, "missed"); !strings.Contains(s.Title, "2 earlier digests were not sent") {
		t.Errorf("it says %q", s.Title)
	}
	if s := section(&all[0], "missed"); s.Title != "" {
		t.Errorf("the first says %q", s.Title)
	}
}

// TestChanged holds that what changed is what differs between two mails, whenever its
// event arrived.
func TestChanged(t *testing.T) {
	w := newWorld(t, "weekly", "111111111111", "222222222222", "333333333333")
	w.run("2026-11-25T12:00:00Z")
	w.run("2026-11-30T08:00:00Z")
	w.fact("222222222222", bootstrap.RootMFADeactivated, "2026-11-29T00:00:00Z") // before the last digest, delivered after it
	w.store.accounts = append(w.store.accounts, "444444444444")
	w.fact("444444444444", bootstrap.RootMFAEnabled, "2026-12-01T00:00:00Z")
	w.run("2026-12-07T08:00:00Z")
	w.run("2026-12-14T08:00:00Z")
	all := w.sent(3)
	s := section(&all[1], "changes")
	if len(s.Lines) != 2 || s.Lines[0] != "222222222222: REGRESSED: Root user has MFA" || !strings.HasPrefix(s.Lines[1], "444444444444: new, ") {
		t.Errorf("%q: %q", s.Title, s.Lines)
	}
	if n := all[1].Digest.Counts; n.Accounts != 4 || n.Regressed != 1 || !all[1].Digest.Since.Equal(at("2026-11-30T08:00:00Z")) {
		t.Errorf("%+v, since %s", n, all[1].Digest.Since)
	}
	if s := section(&all[2], "changes"); len(s.Lines) != 0 {
		t.Errorf("the third has %q", s.Lines)
	}
}

// TestContents holds that what is on record beside the accounts is in it.
func TestContents(t *testing.T) {
	w := newWorld(t, "daily 08:00", "111111111111", "222222222222", "333333333333")
	day := at("2026-11-26T08:00:00Z")
	open := incident.Incident{Account: "111111111111", ID: "7K4Q2-X2M9P", Start: day.Add(-time.Hour), Opened: day.Add(-time.Hour), Cycle: 1, Finding: detect.Finding{Title: "Root sign-in", Severity: detect.Critical}}
	acked, noted, of2 := open, open, open
	acked.Ack, acked.ID = &incident.Ack{By: "bob"}, "ACKED-ACKED"
	noted.Cycle, noted.ID = 0, "NOTED-NOTED"
	of2.Account, of2.ID, of2.Start = "222222222222", "OLDER-OLDER", day.Add(-100*24*time.Hour)
	w.store.incidents = []incident.Incident{open, acked, noted, of2}
	for _, e := range []announcement.AuditEvent{
		{Key: "111111111111/a", Action: announcement.Opened, ID: "A", Account: "111111111111", From: day.Add(-time.Hour), Until: day.Add(time.Hour), Owner: "carol", Reason: "support plan"},
		{Key: "111111111111/b", Action: announcement.Opened, ID: "B", Account: "111111111111", From: day.Add(-5 * time.Hour), Until: day.Add(-2 * time.Hour), Owner: "dave"},
		{Key: "222222222222/c", Action: announcement.Opened, ID: "C", Account: "222222222222", From: day.Add(50 * time.Hour), Until: day.Add(51 * time.Hour), Owner: "erin"},
	} {
		if _, err := w.announcements.Append(t.Context(), e); err != nil {
			t.Fatal(err)
		}
	}
	ctx := t.Context()
	beat := health.Heartbeat{ID: "beat", At: day.Add(-20 * time.Minute), Received: map[string]time.Time{}}
	half := health.Heartbeat{ID: "half", At: day.Add(-5 * time.Minute), Received: map[string]time.Time{health.Probed()[0]: day.Add(-4 * time.Minute)}}
	for i, f := range health.Probed() {
		beat.Received[f] = day.Add(time.Duration(i-19) * time.Minute)
	}
	if err := errors.Join(w.health.AddHeartbeat(ctx, beat), w.health.AddHeartbeat(ctx, half), w.health.UpdateHealth(ctx, func(s health.State) (health.State, bool) {
		s.At = day
		s.Heartbeats = []health.Outstanding{{ID: "beat"}, {ID: "half"}}
		s.Enabled = []string{"us-east-1", "af-south-1"}
		s.Episodes = []health.Episode{
			{Check: "queue.failed", Due: true, Since: day.Add(-time.Hour), Severity: detect.High, Why: "3 events wait in rootguard-failed"},
			{Check: "topic.alerts", Since: day.Add(-time.Hour), Why: "seen once"},
			{Check: "rule.x", Due: true, Since: day.Add(-time.Hour), Ended: day, Why: "over"},
		}
		return s, true
	})); err != nil {
		t.Fatal(err)
	}
	hubCheck := accountcheck.Check{Key: hub + "/census", Account: hub, Kind: accountcheck.KindDiscovery, Revision: 1, Discovery: accountcheck.Discovery{Unreachable: 2, UnreachableIDs: []string{"555555555555", "666666666666"}}}
	closed := accountcheck.Check{Key: "333333333333/posture", Account: "333333333333", Kind: accountcheck.KindRoot, Revision: 1, Suspended: true}
	for _, c := range []accountcheck.Check{hubCheck, closed} {
		if err := w.checks.Of(c.Kind).Update(ctx, c.Key, func(accountcheck.Check) accountcheck.Check { return c }); err != nil {
			t.Fatal(err)
		}
	}
	w.Sources = []digestwork.Source{source{alert.DigestSection{ID: "extra", Title: "EXTRA: 1"}, nil}, source{err: errors.New("the suppressions: timeout")}}
	w.Noters = []digestwork.Noter{noter{}}

	w.run("2026-11-25T12:00:00Z")
	w.run("2026-11-26T08:00:00Z")
	a := &w.sent(1)[0]
	want := alert.DigestCounts{Accounts: 2, InProgress: 2, OpenIncidents: 1, Announcements: 2, FailingChecks: 1, NotCovered: 3}
	if a.Digest.Counts != want {
		t.Errorf("counts %+v, want %+v", a.Digest.Counts, want)
	}
	text := alert.Text(*a)
	for _, line := range []string{
		"7K4Q2-X2M9P since Thu 2026-11-26 07:00 UTC, 111111111111: Root sign-in\n", "by carol: support plan\n", "by erin:\n",
		"3 events wait in rootguard-failed\n", "The last heartbeat came through at Thu 2026-11-26 07:42 UTC\n", "The last event on record is of Sun 2026-11-01 00:00 UTC\n",
		"2 accounts that IAM has not answered about for hours: 555555555555, 666666666666\n", "1 enabled Region without a forwarder: af-south-1\n",
		"EXTRA: 1\n", "Could not be read for this digest: the suppressions: timeout\n", "STEPS OF DAY TWO OPEN: 2 accounts\n", "111111111111: budget\n",
	} {
		if !strings.Contains(text, line) {
			t.Errorf("no %q in\n%s", line, text)
		}
	}
	for _, word := range []string{"ACKED", "NOTED", "OLDER", "dave", "seen once", "over\n", "333333333333"} {
		if strings.Contains(text, word) {
			t.Errorf("%q in\n%s", word, text)
		}
	}
}

type source struct {
	section alert.DigestSection
	err     error
}

func (s source) Section(context.Context, time.Time, time.Time) (alert.DigestSection, error) {
	return s.section, s.err
}

type noter struct{}

func (noter) Title() (digest.Topic, string) { return "daytwo", "STEPS OF DAY TWO OPEN" }

func (noter) Notes(_ context.Context, status *bootstrap.Status, facts []bootstrap.Fact, _, _ time.Time) ([]digest.Note, error) {
	if len(facts) == 0 {
		return nil, errors.New("no facts")
	}
	return []digest.Note{{Topic: "daytwo", Account: status.Account, Text: "budget"}}, nil
}

// TestFaults holds for a fault at each call of a run that the digest comes, and once:
// where SNS took it and the answer was lost, once more with the same ID.
func TestFaults(t *testing.T) {
	calls := func(fault func(w *world)) (*world, []error) {
		w := newWorld(t, "daily 08:00", "111111111111", "222222222222")
		w.run("2026-11-25T12:00:00Z")
		fault(w)
		var errs []error
		for when := at("2026-11-26T08:00:00Z"); when.Before(at("2026-11-26T09:00:00Z")); when = when.Add(5 * time.Minute) {
			if _, err := w.try(when.Format(time.RFC3339)); err != nil {
				errs = append(errs, err)
			}
			w.script.Restart()
		}
		return w, errs
	}
	plain, _ := calls(func(*world) {})
	before := slices.Index(plain.script.Calls(), "States.Update") + 1
	n := len(plain.script.Calls())
	if n-before < 8 {
		t.Fatalf("a run makes %d calls", n-before)
	}
	for i := before; i < before+8; i++ {
		for _, fault := range []fake.Fault{fake.FailBefore, fake.FailAfter, fake.CrashBefore, fake.CrashAfter} {
			t.Run(fmt.Sprintf("%d %s", i, fault), func(t *testing.T) {
				w, errs := calls(func(w *world) { w.script.Inject(i, fault) })
				all := w.publisher.Published()
				ids := map[string]bool{}
				for _, a := range all {
					ids[a.ID] = true
				}
				if len(ids) != 1 || len(all) > 2 {
					t.Errorf("%d digests, %d IDs, errors %v", len(all), len(ids), errs)
				}
			})
		}
	}
}

// TestOverlap holds that of many sweeps at once one sends the digest.
func TestOverlap(t *testing.T) {
	w := newWorld(t, "daily 08:00", "111111111111", "222222222222")
	w.run("2026-11-25T12:00:00Z")
	w.clock.Advance(at("2026-11-26T08:00:00Z").Sub(w.clock.Now()))
	var all sync.WaitGroup
	for range 8 {
		all.Go(func() {
			if _, err := w.Run(t.Context(), at("2026-11-26T08:00:00Z")); err != nil {
				t.Error(err)
			}
		})
	}
	all.Wait()
	w.run("2026-11-26T08:05:00Z")
	w.sent(1)
}

// TestManyAccounts holds that what one run has no time for, the next goes on with, and
// that each account is read once.
func TestManyAccounts(t *testing.T) {
	var accounts []string
	for i := range 1000 {
		accounts = append(accounts, fmt.Sprintf("%012d", 100_000_000_000+i))
	}
	w := newWorld(t, "daily 08:00", accounts...)
	w.run("2026-11-25T12:00:00Z")
	start := at("2026-11-26T08:00:00Z")
	w.clock.Advance(start.Sub(w.clock.Now()))
	runs := 0
	for when := start; len(w.publisher.Published()) == 0; when = when.Add(5 * time.Minute) {
		if runs++; runs > 20 {
			t.Fatal("it never comes")
		}
		// There is time for some pages: each look at the clock takes 10 s.
		end := time.Now().Add(time.Hour)
		left := 50 * time.Second
		w.Now = func() time.Time { left -= 10 * time.Second; return end.Add(-left) }
		ctx, cancel := context.WithDeadline(t.Context(), end)
		if _, err := w.Run(ctx, when); err != nil {
			t.Fatal(err)
		}
		cancel()
	}
	a := w.sent(1)[0]
	if runs < 3 || a.Digest.Counts.Accounts != len(accounts) || !a.Digest.At.Equal(start) {
		t.Errorf("after %d runs: %+v as of %s", runs, a.Digest.Counts, a.Digest.At)
	}
	for account, n := range w.store.read {
		if n != 1 {
			t.Errorf("account %s was read %d times", account, n)
		}
	}
}

// TestUnreadable holds that an account that cannot be read keeps the digest for some
// runs, which fail, and is then named in it.
func TestUnreadable(t *testing.T) {
	var accounts []string
	for i := range 100 {
		accounts = append(accounts, fmt.Sprintf("%012d", 100_000_000_000+i))
	}
	w := newWorld(t, "daily 08:00", accounts...)
	w.run("2026-11-25T12:00:00Z")
	w.store.broken = accounts[70]
	failed := 0
	for when := at("2026-11-26T08:00:00Z"); len(w.publisher.Published()) == 0; when = when.Add(5 * time.Minute) {
		if _, err := w.try(when.Format(time.RFC3339)); err != nil {
			if failed++; failed > 10 {
				t.Fatal(err)
			}
		}
	}
	a := w.sent(1)[0]
	if failed == 0 || a.Digest.Counts.Accounts != 99 || !strings.Contains(alert.Text(a), "Could not be read for this digest: account "+accounts[70]) {
		t.Errorf("after %d failed runs: %+v\n%s", failed, a.Digest.Counts, alert.Text(a))
	}
}
