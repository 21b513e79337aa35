package suppression_test

import (
	"context"
	"errors"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"rootguard/internal/cloudtrail"
	"rootguard/internal/detect"
	"rootguard/internal/ending"
	"rootguard/internal/failure"
	"rootguard/internal/fake"
	"rootguard/internal/guard"
	"rootguard/internal/keys"
	"rootguard/internal/suppression"
	"rootguard/internal/wire"
)

const (
	account   = "123456789012"
	terraform = "arn:aws:iam::" + account + ":role/Terraform"
)

var opener = detect.Actor{Type: "AssumedRole", Name: "Admin/alice", ARN: "arn:aws:sts::" + account + ":assumed-role/Admin/alice"}

// world is a guard over fakes, whose alerts can be suppressed.
type world struct {
	wire.Parts
	script *fake.Script
	claims *fake.Claims
	store  *fake.Suppressions
	pub    *fake.Publisher
	clock  *fake.Clock

	finding detect.Finding // that every record makes
}

func newWorld() *world {
	script := &fake.Script{}
	w := &world{script: script, claims: &fake.Claims{Script: script, Conflicts: true}, pub: &fake.Publisher{Script: script}, clock: fake.NewClock(time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC))}
	w.store = &fake.Suppressions{Script: script, Claims: w.claims}
	w.Parts = wire.New(wire.Deps{
		Detector: w, Claims: w.claims, Facts: &fake.Facts{Script: script}, Publisher: w.pub, Now: w.clock.Now,
		Suppressions: w.store, Expiries: &fake.Ends{Script: script, Conflicts: true},
	}, wire.DefaultSettings())
	return w
}

// Detect is guard.Detector's.
func (w *world) Detect(rec *cloudtrail.Record, _ *detect.AssumedRoot) detect.Outcome {
	f := w.finding
	f.EventID, f.EventTime = rec.EventID, rec.EventTime
	return detect.Outcome{Kind: detect.Matched, Finding: f}
}

// granted is that a session of Terraform made a user an administrator.
func granted(session string) detect.Finding {
	return detect.Finding{
		ID: detect.UserAdminGranted, Severity: detect.Medium, Title: "granted", Account: account, Session: session, EventSource: "iam.amazonaws.com", EventName: "AttachUserPolicy",
		Actor: detect.Actor{Type: "AssumedRole", Name: "Terraform/" + session, ARN: "arn:aws:sts::" + account + ":assumed-role/Terraform/" + session},
	}
}

func (w *world) event(length time.Duration) suppression.AuditEvent {
	return suppression.AuditEvent{
		Account: account, Finding: detect.UserAdminGranted, Principal: terraform, Until: w.clock.Now().Add(length), Owner: "alice", Reason: "OPS-17", Actor: opener,
	}
}

func (w *world) suppress(t *testing.T, e suppression.AuditEvent) suppression.AuditEvent {
	t.Helper()
	e, err := w.Suppressor.Suppress(t.Context(), e)
	if err != nil {
		t.Fatalf("suppressing: %v", err)
	}
	return e
}

func (w *world) handle(t *testing.T, id string, at time.Time, f detect.Finding, want guard.Disposition) guard.Result {
	t.Helper()
	w.finding = f
	res, err := w.Guard.Handle(t.Context(), &cloudtrail.Record{EventID: id, EventTime: at, EventSource: f.EventSource, EventName: f.EventName, RecipientAccountID: f.Account})
	if err != nil || res.Disposition != want {
		t.Errorf("%s is %q, %v, want %q", id, res.Disposition, err, want)
	}
	return res
}

func (w *world) uses(t *testing.T, id string, want int) {
	t.Helper()
	if n, err := w.store.Uses(t.Context(), id); n != want || err != nil {
		t.Errorf("%d uses, %v, want %d", n, err, want)
	}
}

func (w *world) wantTitles(t *testing.T, want ...string) {
	t.Helper()
	got := []string{}
	for _, a := range w.pub.Published() {
		got = append(got, a.Finding.Severity.String()+" "+a.Finding.Title)
	}
	if want == nil {
		want = []string{}
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("alerts (-want +got):\n%s", diff)
	}
}

const notice = "high Alerts suppressed by alice: user.admin_granted"

// TestSuppressed follows a suppression from its note to its end: what it is of is not
// sent and counted, once each, and all else is sent.
func TestSuppressed(t *testing.T) {
	w := newWorld()
	began := w.clock.Now()
	before := began.Add(-time.Second)
	w.handle(t, "before", before, granted("run-0"), guard.Alerted)
	e := w.suppress(t, w.event(48*time.Hour))
	w.clock.Advance(time.Hour)
	at := w.clock.Now()
	for _, id := range []string{"one", "two", "one"} {
		want := guard.Suppressed
		if id == "one" && w.claim(t, "one").State != "" {
			want = guard.Duplicate
		}
		if res := w.handle(t, id, at, granted("run-1"), want); want == guard.Suppressed && res.Suppression != e.ID {
			t.Errorf("%s is a use of %q, want %q", id, res.Suppression, e.ID)
		}
	}
	if c := w.claim(t, "one"); c.State != guard.Withheld || c.Suppression != e.ID || c.Finding == nil {
		t.Errorf("on record: %+v", c)
	}
	w.handle(t, "late", before, granted("run-2"), guard.Alerted) // it happened before

	other := granted("run-3")
	other.Actor = detect.Actor{Type: "IAMUser", Name: "mallory", ARN: "arn:aws:iam::" + account + ":user/mallory"}
	w.handle(t, "other principal", at, other, guard.Alerted)
	other = granted("run-4")
	other.ID = detect.UserSigninNoMFA
	w.handle(t, "other finding", at, other, guard.Alerted)
	other = granted("run-5")
	other.Account = "210987654321"
	w.handle(t, "other account", at, other, guard.Alerted)
	other = granted("run-6")
	other.Severity = detect.Critical
	w.handle(t, "critical", at, other, guard.Alerted)
	other = granted("run-7")
	other.Also = []detect.ID{detect.RootActivity}
	w.handle(t, "also another", at, other, guard.Alerted)
	w.uses(t, e.ID, 2)

	w.clock.Advance(47 * time.Hour)
	w.handle(t, "in its last second", w.clock.Now().Add(-time.Second), granted("run-8"), guard.Suppressed)
	w.handle(t, "expired", w.clock.Now(), granted("run-9"), guard.Alerted)
	w.uses(t, e.ID, 3)
	w.clock.Advance(6 * time.Minute)
	for _, want := range []ending.Done{{Ended: 1}, {}} {
		if got, err := w.Suppressor.Expire(t.Context(), w.clock.Now()); got != want || err != nil {
			t.Errorf("expired: %+v, %v, want %+v", got, err, want)
		}
	}
	w.wantTitles(t, "medium granted", notice, "medium granted", "medium granted", "medium granted", "medium granted", "critical granted", "medium granted", "medium granted",
		"info Suppression ended: user.admin_granted")
	all := w.pub.Published()
	if d := all[len(all)-1].Finding.Detail; !strings.Contains(d, "It held back 3 alerts.") {
		t.Errorf("its end: %q", d)
	}
}

func (w *world) claim(t *testing.T, event string) guard.Claim {
	t.Helper()
	claims, err := w.claims.Read(t.Context(), []string{keys.Claim(account, event)})
	if err != nil {
		t.Fatal(err)
	}
	return claims[0]
}

// TestAlsoSuppressed holds that a record with two findings is held back where both are.
func TestAlsoSuppressed(t *testing.T) {
	w := newWorld()
	both := granted("run")
	both.Also = []detect.ID{detect.UserCreated}
	first := w.suppress(t, w.event(time.Hour))
	w.clock.Advance(time.Second)
	w.handle(t, "one", w.clock.Now(), both, guard.Alerted)
	second := w.event(time.Hour)
	second.Finding, second.Principal = detect.UserCreated, detect.AnyPrincipal
	w.suppress(t, second)
	w.clock.Advance(time.Second)
	both.Session = "another"
	if res := w.handle(t, "two", w.clock.Now(), both, guard.Suppressed); res.Suppression != first.ID {
		t.Errorf("a use of %s, want of %s, the more specific finding's", res.Suppression, first.ID)
	}
}

// TestWithoutARecord holds that what rootguard finds by itself is judged by when it
// finds it, and that it is over is sent.
func TestWithoutARecord(t *testing.T) {
	w := newWorld()
	deadline := w.clock.Now().Add(-time.Hour)
	target := detect.Target{UserName: "robot", UserID: "AIDAEXAMPLEROBOT0001"}
	missing := detect.MFAMissing(account, target, deadline.Add(-24*time.Hour), deadline, "")
	e := w.event(time.Hour)
	e.Finding, e.Principal = detect.UserMFAMissing, "AIDAEXAMPLEROBOT0001"
	e = w.suppress(t, e)
	w.clock.Advance(time.Minute)
	for _, tt := range []struct {
		f    detect.Finding
		want guard.Disposition
	}{
		{missing, guard.Suppressed},
		{detect.MFAReminder(missing, 1, 3, deadline.Add(time.Hour)), guard.Suppressed},
		{detect.MFAReminder(missing, 3, 3, deadline.Add(2*time.Hour)), guard.Alerted}, // critical
		{detect.MFAClosed(missing, cloudtrail.Yes, "enabled", w.clock.Now()), guard.Alerted},
	} {
		if res, err := w.Guard.Raise(t.Context(), tt.f); res.Disposition != tt.want || err != nil {
			t.Errorf("%s: %q, %v, want %q", tt.f.Title, res.Disposition, err, tt.want)
		}
	}
	w.uses(t, e.ID, 2)
}

// TestTwoEventsAtOnce holds that simultaneous events each count, and copies do not.
func TestTwoEventsAtOnce(t *testing.T) {
	w := newWorld()
	e := w.suppress(t, w.event(time.Hour))
	w.clock.Advance(time.Second)
	w.finding = granted("run")
	at := w.clock.Now()
	var all sync.WaitGroup
	for i := range 16 {
		all.Go(func() {
			if _, err := w.Guard.Handle(t.Context(), &cloudtrail.Record{EventID: strconv.Itoa(i / 2), EventTime: at, RecipientAccountID: account}); err != nil {
				t.Errorf("handling: %v", err)
			}
		})
	}
	all.Wait()
	w.uses(t, e.ID, 8)
	w.wantTitles(t, notice)
}

// TestFailedSigninsStillEscalate holds that failures which were held back count for
// the escalation of those that come when the suppression is over.
func TestFailedSigninsStillEscalate(t *testing.T) {
	w := newWorld()
	e := w.event(time.Hour)
	e.Finding, e.Principal = detect.RootSigninFailed, detect.AnyPrincipal
	w.suppress(t, e)
	w.clock.Advance(59 * time.Minute)
	failed := detect.Finding{ID: detect.RootSigninFailed, Severity: detect.Medium, Title: "failed", Account: account}
	for i := range 4 {
		w.handle(t, strconv.Itoa(i), w.clock.Now(), failed, guard.Suppressed)
	}
	w.clock.Advance(2 * time.Minute)
	if res := w.handle(t, "fifth", w.clock.Now(), failed, guard.Alerted); res.Alert == nil || res.Alert.Kind != "escalation" {
		t.Errorf("the fifth: %+v", res.Alert)
	}
}

// TestUnknownSuppressionsHoldNothingBack holds that where the table cannot be read the
// alert is sent, says so, and the retry repeats nothing.
func TestUnknownSuppressionsHoldNothingBack(t *testing.T) {
	w := newWorld()
	w.suppress(t, w.event(time.Hour))
	w.clock.Advance(time.Second)
	w.script.Fail("Suppressions.Events", 1)
	w.finding = granted("run")
	rec := &cloudtrail.Record{EventID: "one", EventTime: w.clock.Now(), RecipientAccountID: account}
	res, err := w.Guard.Handle(t.Context(), rec)
	if !errors.Is(err, fake.ErrFault) || res.Disposition != guard.Alerted || !strings.Contains(res.Alert.Finding.Detail, "could not be looked up") {
		t.Errorf("%+v, %v", res, err)
	}
	if res, err := w.Guard.Handle(t.Context(), rec); res.Disposition != guard.Duplicate || err != nil {
		t.Errorf("again: %+v, %v", res, err)
	}
}

// TestAlertKeepsItsRight holds that an alert that was granted before it was suppressed
// is sent by the retry.
func TestAlertKeepsItsRight(t *testing.T) {
	w := newWorld()
	w.clock.Advance(time.Second)
	at := w.clock.Now().Add(time.Minute) // in the suppression by its time
	w.finding = granted("run")
	w.script.Fail("Publisher.Publish", 1)
	rec := &cloudtrail.Record{EventID: "one", EventTime: at, RecipientAccountID: account}
	if _, err := w.Guard.Handle(t.Context(), rec); err == nil {
		t.Fatal("publishing did not fail")
	}
	w.suppress(t, w.event(time.Hour))
	if res, err := w.Guard.Handle(t.Context(), rec); res.Disposition != guard.Alerted || err != nil {
		t.Errorf("the retry: %+v, %v", res, err)
	}
}

// TestSuppressIsReportedFirst makes every call of suppressing go wrong in every way:
// nothing is held back of which no note was sent, and the end is reported where it was.
func TestSuppressIsReportedFirst(t *testing.T) {
	for _, fault := range []fake.Fault{fake.FailBefore, fake.FailAfter, fake.CrashBefore, fake.CrashAfter} {
		for call := 1; ; call++ {
			w := newWorld()
			w.script.Inject(call, fault)
			_, err := w.Suppressor.Suppress(t.Context(), w.event(time.Hour))
			if err == nil {
				if call < 6 {
					t.Errorf("there were only %d calls", call)
				}
				break
			}
			w.script.Restart()
			noted := len(w.pub.Published()) > 0
			w.clock.Advance(time.Second)
			w.finding = granted("run")
			res, err := w.Guard.Handle(t.Context(), &cloudtrail.Record{EventID: "one", EventTime: w.clock.Now(), RecipientAccountID: account})
			if err != nil || res.Disposition == guard.Suppressed && !noted {
				t.Errorf("%v at call %d: %q, noted %v, %v", fault, call, res.Disposition, noted, err)
			}
			w.clock.Advance(2 * time.Hour)
			want := 0
			if res.Disposition == guard.Suppressed {
				want = 1
			}
			if got, err := w.Suppressor.Expire(t.Context(), w.clock.Now()); got.Ended != want || err != nil {
				t.Errorf("%v at call %d: %+v, %v, want %d", fault, call, got, err, want)
			}
		}
	}
}

// TestExpireIsReportedOnce makes every call of reporting an end go wrong in every way:
// the next run reports it, and no run twice.
func TestExpireIsReportedOnce(t *testing.T) {
	for _, fault := range []fake.Fault{fake.FailBefore, fake.FailAfter, fake.CrashBefore, fake.CrashAfter} {
		for call := 1; ; call++ {
			w := newWorld()
			w.suppress(t, w.event(time.Hour))
			w.clock.Advance(2 * time.Hour)
			before := len(w.script.Calls())
			w.script.Inject(call, fault)
			_, err := w.Suppressor.Expire(t.Context(), w.clock.Now())
			if made := len(w.script.Calls()) - before; err == nil && made < call {
				break
			}
			w.script.Restart()
			for range 3 {
				w.clock.Advance(time.Hour)
				if _, err := w.Suppressor.Expire(t.Context(), w.clock.Now()); err != nil {
					t.Errorf("%v at call %d: %v", fault, call, err)
				}
			}
			ids := map[string]bool{}
			for _, a := range w.pub.Published() {
				ids[a.ID] = true
			}
			if len(ids) != 2 {
				t.Errorf("%v at call %d: %d alerts, want the note and its end", fault, call, len(ids))
			}
		}
	}
}

// TestTwoSuppressionsAtOnce runs two in every order of their calls: never do both
// hold, and each that does not says so.
func TestTwoSuppressionsAtOnce(t *testing.T) {
	for calls := range 14 {
		w := newWorld()
		one, two := w.event(time.Hour), w.event(2*time.Hour)
		two.Owner = "bob"
		var second error
		begun := false
		w.script.Pause(calls+1, func() {
			begun = true
			_, second = w.Suppressor.Suppress(context.WithoutCancel(t.Context()), two)
		})
		_, first := w.Suppressor.Suppress(t.Context(), one)
		if !begun {
			break
		}
		events, err := w.store.Events(t.Context(), account, w.clock.Now(), w.clock.Now().Add(suppression.Max))
		if err != nil {
			t.Fatal(err)
		}
		hold := slices.DeleteFunc(suppression.Of(events), func(s suppression.Suppression) bool { return s.Removed != nil })
		passed := 0
		for _, err := range []error{first, second} {
			if err == nil {
				passed++
			} else if overlap := (*suppression.OverlapError)(nil); !errors.As(err, &overlap) {
				t.Errorf("at call %d: %v", calls, err)
			}
		}
		if len(hold) != passed || len(hold) > 1 {
			t.Errorf("at call %d: %d hold and %d passed (%v, %v), want the same, at most 1", calls, len(hold), passed, first, second)
		}
	}
}

func TestSuppressRefuses(t *testing.T) {
	w := newWorld()
	e := w.suppress(t, w.event(time.Hour))
	for name, change := range map[string]func(*suppression.AuditEvent){
		"too long":                   func(e *suppression.AuditEvent) { e.Until = w.clock.Now().Add(suppression.Max + time.Second) },
		"over":                       func(e *suppression.AuditEvent) { e.Until = w.clock.Now() },
		"critical":                   func(e *suppression.AuditEvent) { e.Finding = detect.RootSigninNoMFA },
		"rootguard's health":         func(e *suppression.AuditEvent) { e.Finding = detect.GuardUnhealthy },
		"a finding that is none":     func(e *suppression.AuditEvent) { e.Finding = "user" },
		"a principal that is none":   func(e *suppression.AuditEvent) { e.Principal = "alice" },
		"without an owner":           func(e *suppression.AuditEvent) { e.Owner = "" },
		"without a reason":           func(e *suppression.AuditEvent) { e.Reason = "" },
		"without an account":         func(e *suppression.AuditEvent) { e.Account = "" },
		"a principal with wildcards": func(e *suppression.AuditEvent) { e.Principal = "arn:aws:iam::" + account + ":role/*" },
	} {
		bad := w.event(time.Hour)
		change(&bad)
		if _, err := w.Suppressor.Suppress(t.Context(), bad); err == nil || failure.Retryable(err) {
			t.Errorf("%s: %v, want a permanent error", name, err)
		}
	}
	var overlap *suppression.OverlapError
	if _, err := w.Suppressor.Suppress(t.Context(), w.event(2*time.Hour)); !errors.As(err, &overlap) || overlap.With.Added.ID != e.ID {
		t.Errorf("the same again: %v, want an overlap", err)
	}
	for name, change := range map[string]func(*suppression.AuditEvent){
		"another principal": func(e *suppression.AuditEvent) { e.Principal = "arn:aws:iam::" + account + ":role/Other" },
		"another finding":   func(e *suppression.AuditEvent) { e.Finding = detect.UserCreated },
		"another account":   func(e *suppression.AuditEvent) { e.Account = "210987654321" },
		"of 90 days": func(e *suppression.AuditEvent) {
			e.Finding, e.Until = detect.UserSigninNoMFA, w.clock.Now().Add(suppression.Max)
		},
	} {
		good := w.event(time.Hour)
		change(&good)
		if _, err := w.Suppressor.Suppress(t.Context(), good); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// TestRemove holds that removing counts at once, is reported, and that the first stays.
func TestRemove(t *testing.T) {
	w := newWorld()
	s := suppression.Suppression{Added: w.suppress(t, w.event(24*time.Hour))}
	w.clock.Advance(time.Hour)
	w.handle(t, "one", w.clock.Now().Add(-time.Second), granted("run-1"), guard.Suppressed)
	removed, already, err := w.Suppressor.Remove(t.Context(), s, opener, "fixed")
	if err != nil || already || removed.End() != w.clock.Now() {
		t.Fatalf("removing: %+v, %v, %v", removed, already, err)
	}
	w.handle(t, "two", w.clock.Now(), granted("run-2"), guard.Alerted)
	w.clock.Advance(time.Minute)
	again, already, err := w.Suppressor.Remove(t.Context(), s, detect.Actor{ARN: "arn:bob"}, "mine")
	if err != nil || !already || again.Removed.Reason != "fixed" {
		t.Errorf("removing again: %+v, %v, %v", again.Removed, already, err)
	}
	w.clock.Advance(10 * time.Minute)
	if got, err := w.Suppressor.Expire(t.Context(), w.clock.Now()); got.Ended != 1 || err != nil {
		t.Errorf("expired: %+v, %v", got, err)
	}
	w.wantTitles(t, notice, "info Suppression removed: user.admin_granted", "medium granted", "info Suppression ended: user.admin_granted")
}
