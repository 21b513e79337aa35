package accountcheck_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"rootguard/internal/accountcheck"
	"rootguard/internal/alert"
	"rootguard/internal/bootstrap"
	"rootguard/internal/daytwo"
	"rootguard/internal/detect"
	"rootguard/internal/fake"
	"rootguard/internal/wire"
)

const hub = "111122223333"

var start = time.Date(2026, 3, 2, 9, 0, 0, 0, time.UTC)

// services are what accounts answer.
type services struct {
	mu           sync.Mutex
	contact      map[string]bool
	policy       daytwo.Policy
	certificates int
	refuse       map[daytwo.Read]error
	hang         bool
	reads        []string
}

func (s *services) Read(ctx context.Context, account string, what daytwo.Read, into *daytwo.Answers) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.reads = append(s.reads, account+" "+string(what))
	if s.hang {
		<-ctx.Done()
		return fmt.Errorf("asking: %w", ctx.Err())
	}
	if err := s.refuse[what]; err != nil {
		return err
	}
	switch what {
	case daytwo.ReadContact:
		into.Contact = &daytwo.Contact{Set: s.contact[account]}
	case daytwo.ReadPolicy:
		into.Policy = &s.policy
	case daytwo.ReadRoot:
		yes, virtual := true, false
		into.Root = &daytwo.Root{Password: &yes, MFA: &yes, Virtual: &virtual, Certificates: &s.certificates}
	default:
		return errors.New("no such read")
	}
	return nil
}

// bench is a guard that checks accounts.
type bench struct {
	t         *testing.T
	clock     *fake.Clock
	facts     *fake.Facts
	checks    *fake.Checks
	publisher *fake.Publisher
	services  *services
	accounts  *accountcheck.Checker
	home      accountcheck.HubAccount
}

func newBench(t *testing.T, steps ...daytwo.Step) *bench {
	t.Helper()
	b := &bench{t: t, clock: fake.NewClock(start), facts: &fake.Facts{}, checks: &fake.Checks{}, publisher: &fake.Publisher{},
		services: &services{contact: map[string]bool{}, refuse: map[daytwo.Read]error{}}, home: accountcheck.HubAccount{Account: hub, Region: "us-east-1", Members: true}}
	b.choose(steps...)
	return b
}

// choose deploys other settings.
func (b *bench) choose(steps ...daytwo.Step) {
	b.accounts = wire.New(wire.Deps{
		Detector: &detect.Detector{}, Claims: &fake.Claims{}, Facts: b.facts, Publisher: b.publisher, Now: b.clock.Now,
		Deadlines: &fake.Deadlines{}, Checks: b.checks,
	}, wire.Settings{DayTwo: steps}).Accounts
}

func (b *bench) run() accountcheck.DayTwoChecked {
	b.t.Helper()
	did, err := b.accounts.CheckDayTwo(b.t.Context(), b.home, b.services, b.clock.Now())
	if err != nil {
		b.t.Fatal(err)
	}
	return did
}

func (b *bench) row(account string) accountcheck.Check {
	b.t.Helper()
	r, err := b.checks.Of(accountcheck.KindDayTwo).Get(b.t.Context(), accountcheck.DayTwoKey(account))
	if err != nil {
		b.t.Fatal(err)
	}
	return r
}

// states are an account's steps as they are shown.
func (b *bench) states(account string) string {
	b.t.Helper()
	var all []string
	for _, v := range daytwo.Views(b.row(account).DayTwo.Results, nil) {
		all = append(all, string(v.Step)+"="+string(v.State))
	}
	return strings.Join(all, " ")
}

func (b *bench) want(account, states string) {
	b.t.Helper()
	if got := b.states(account); got != states {
		b.t.Fatalf("at %v: %s, want %s", b.clock.Now(), got, states)
	}
}

// TestDayTwoOff: nothing is read or stored where no step is chosen.
func TestDayTwoOff(t *testing.T) {
	b := newBench(t)
	if did := b.run(); did != (accountcheck.DayTwoChecked{}) || len(b.services.reads) > 0 || b.row(hub).Key != "" {
		t.Errorf("%+v, %v", did, b.services.reads)
	}
	if _, err := b.accounts.DiscoverAccounts(t.Context(), b.home, nil, b.clock.Now()); err != nil || b.row(hub).Key != "" {
		t.Errorf("a row was made: %v", err)
	}
}

// TestDayTwo follows an account: what is missing at first is no alert, what is undone
// later is one, and all that is undone between two checks is the same one.
func TestDayTwo(t *testing.T) {
	b := newBench(t, daytwo.SecurityContact, daytwo.RootCertificates)
	b.services.certificates = 1
	if did := b.run(); did.Accounts != 1 || did.Alerted != 0 {
		t.Fatalf("the first check: %+v", did)
	}
	b.want(hub, "security-contact=pending root-certificates=pending")
	if reads := strings.Join(b.services.reads, ", "); reads != hub+" security contact, "+hub+" root user" {
		t.Errorf("read %s", reads)
	}

	// Daily, and not more often.
	for range 12 * 11 {
		b.clock.Advance(5 * time.Minute)
		if did := b.run(); did.Accounts != 0 {
			t.Fatalf("checked again at %v", b.clock.Now())
		}
	}
	b.services.contact[hub], b.services.certificates = true, 0
	b.clock.Advance(26 * time.Hour)
	b.run()
	b.want(hub, "security-contact=done root-certificates=done")
	b.services.contact[hub], b.services.certificates = false, 2
	b.clock.Advance(37 * time.Hour)
	if did := b.run(); did.Regressed != 2 || did.Alerted != 1 {
		t.Fatalf("%+v", did)
	}
	b.want(hub, "security-contact=regressed root-certificates=regressed")
	b.clock.Advance(37 * time.Hour)
	b.run()
	alerts := b.publisher.Published()
	if len(alerts) != 1 {
		t.Fatalf("%d alerts", len(alerts))
	}
	f := alerts[0].Finding
	if f.ID != detect.DayTwoRegressed || f.Severity != detect.Low || f.Account != hub || f.Title != "Day two regressed: 2 steps" ||
		!strings.Contains(f.Detail, "Security contact is set: was done, and is not any more; no security contact is set") ||
		!strings.Contains(f.Detail, "AccountSigningCertificatesPresent=2") || !strings.Contains(f.NextStep, "Alternate contacts") {
		t.Errorf("the alert is %+v", f)
	}
	if alerts[0].Kind != alert.First {
		t.Errorf("it is of kind %q", alerts[0].Kind)
	}
}

// TestDayTwoUnanswered: a read that is denied leaves its steps unknown with the
// reason, others as they are, and what was known before is kept.
func TestDayTwoUnanswered(t *testing.T) {
	b := newBench(t, daytwo.SecurityContact, daytwo.RootCertificates)
	b.services.contact[hub] = true
	b.run()
	b.services.refuse[daytwo.ReadContact] = errors.New("AWS denies\n it " + strings.Repeat("x", 1000))
	b.clock.Advance(37 * time.Hour)
	if did := b.run(); did.Unanswered != 1 || did.Accounts != 1 || did.Alerted != 0 {
		t.Fatalf("%+v", did)
	}
	b.want(hub, "security-contact=unknown root-certificates=done")
	if r := b.row(hub).DayTwo.Results[0]; !strings.HasPrefix(r.Unknown, "AWS denies it xx") || len(r.Unknown) > 300 || r.State != bootstrap.Done {
		t.Errorf("%+v", r)
	}
	delete(b.services.refuse, daytwo.ReadContact)
	b.services.contact[hub] = false
	b.clock.Advance(37 * time.Hour)
	if did := b.run(); did.Alerted != 1 {
		t.Fatalf("it was done when it was last known: %+v", did)
	}

	// Where nothing is answered it is asked again soon, a few times.
	b.services.refuse[daytwo.ReadContact], b.services.refuse[daytwo.ReadRoot] = errors.New("no"), errors.New("no")
	b.clock.Advance(37 * time.Hour)
	runs := 0
	for range 24 * 12 {
		if did := b.run(); did.Unanswered > 0 {
			runs++
		}
		b.clock.Advance(5 * time.Minute)
	}
	if runs < 3 || runs > 6 {
		t.Errorf("asked %d times in a day", runs)
	}
	b.want(hub, "security-contact=unknown root-certificates=unknown")
}

// TestDayTwoHangs: an account that never answers costs the time of its reads.
func TestDayTwoHangs(t *testing.T) {
	b := newBench(t, daytwo.SecurityContact)
	b.services.hang = true
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	did, err := b.accounts.CheckDayTwo(ctx, b.home, b.services, b.clock.Now())
	if err != nil || !did.More || did.Accounts != 0 || b.states(hub) != "" {
		t.Errorf("cut off: %+v, %v, %s", did, err, b.states(hub))
	}
}

// TestDayTwoTimesOut: a read that takes too long is unknown, with the reason.
func TestDayTwoTimesOut(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, daytwo.SecurityContact)
		b.services.hang = true
		if did := b.run(); did.Unanswered != 1 {
			t.Errorf("%+v", did)
		}
		b.want(hub, "security-contact=unknown")
		if r := b.row(hub).DayTwo.Results[0]; r.Unknown != "there was no answer within 5s" {
			t.Errorf("%+v", r)
		}
	})
}

// TestDayTwoMembers: members are enrolled with the others, checked by themselves and
// dropped; other steps are read at once in the guard's own account.
func TestDayTwoMembers(t *testing.T) {
	b := newBench(t)
	if _, err := b.facts.Add(t.Context(), []bootstrap.Fact{{Account: member, ID: "x", Kind: bootstrap.UserCreated, Time: start, UserName: "eve"}}); err != nil {
		t.Fatal(err)
	}
	discover := func(org accountcheck.Organization) {
		t.Helper()
		for {
			did, err := b.accounts.DiscoverAccounts(t.Context(), b.home, org, b.clock.Now())
			if err != nil {
				t.Fatal(err)
			}
			if !did.More {
				return
			}
		}
	}
	discover(organization{member: true})
	if b.row(member).Key != "" {
		t.Fatal("checked though nothing is chosen")
	}
	b.choose(daytwo.SecurityContact)
	b.services.contact[member] = true
	b.clock.Advance(37 * time.Hour)
	discover(organization{member: true})
	b.clock.Advance(25 * time.Hour)
	b.run()
	b.want(member, "security-contact=done")
	b.want(hub, "security-contact=pending")

	b.choose(daytwo.SecurityContact, daytwo.PasswordPolicy)
	b.run()
	b.want(hub, "security-contact=pending password-policy=not_applicable")
	b.want(member, "security-contact=done")

	b.clock.Advance(37 * time.Hour)
	discover(organization{})
	b.services.reads = nil
	b.clock.Advance(37 * time.Hour)
	b.run()
	if slices.ContainsFunc(b.services.reads, func(r string) bool { return strings.HasPrefix(r, member) }) || !b.row(member).Due.IsZero() {
		t.Errorf("an account that left is read: %v", b.services.reads)
	}
}

// organization lists these accounts.
type organization map[string]bool

func (o organization) Members(context.Context, string) (page []accountcheck.Member, next string, err error) {
	page = append(page, accountcheck.Member{Account: hub, Active: true})
	for account, active := range o {
		page = append(page, accountcheck.Member{Account: account, Active: active})
	}
	return page, "", nil
}

// TestDayTwoAlertFails: where the alert cannot be sent nothing is stored, and the
// next run sends it.
func TestDayTwoAlertFails(t *testing.T) {
	b := newBench(t, daytwo.SecurityContact)
	b.services.contact[hub] = true
	b.run()
	b.services.contact[hub] = false
	b.clock.Advance(37 * time.Hour)
	b.publisher.Refuse = func(alert.Alert) error { return errors.New("the topic is gone") }
	if _, err := b.accounts.CheckDayTwo(t.Context(), b.home, b.services, b.clock.Now()); err == nil {
		t.Fatal("no error")
	}
	b.want(hub, "security-contact=done")
	b.publisher.Refuse = nil
	b.clock.Advance(time.Hour)
	if did := b.run(); did.Alerted != 1 {
		t.Errorf("%+v", did)
	}
}
