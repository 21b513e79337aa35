package wiretest

import (
	"context"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"rootguard/internal/accountcheck"
	"rootguard/internal/alert"
	"rootguard/internal/announcement"
	"rootguard/internal/cloudtrail"
	"rootguard/internal/detect"
	"rootguard/internal/fake"
	"rootguard/internal/guard"
	"rootguard/internal/incident"
	"rootguard/internal/mfadeadline"
	"rootguard/internal/quarantine"
	"rootguard/internal/wire"
)

// RealWorld is a world with the detector of the product.
func RealWorld() *World {
	w := NewWorld()
	w.Parts = NewParts(wire.Deps{
		Detector: &detect.Detector{}, Claims: w.Claims, Facts: w.FactRows, Publisher: w.Receivers, Limiter: w, Now: w.Clock.Now,
	}, w.Settings)
	return w
}

// Over is the world's guard with another publisher.
func (w *World) Over(p guard.Publisher) *Parts {
	return NewParts(wire.Deps{
		Detector: DetectorFunc(func(rec *cloudtrail.Record, _ *detect.AssumedRoot) detect.Outcome {
			return detect.Outcome{Kind: detect.Matched, Finding: w.Findings[rec.EventID]}
		}),
		Claims: w.Claims, Facts: w.FactRows, Publisher: p, Limiter: w, Now: w.Clock.Now,
	}, w.Settings)
}

// T0 is when the events of the tests begin.
var T0 = time.Date(2025, 3, 1, 12, 0, 0, 0, time.UTC)

// Account is the account in which they happen.
const Account = "123456789012"

// DetectorFunc is a guard.Detector.
type DetectorFunc func(rec *cloudtrail.Record, assumed *detect.AssumedRoot) detect.Outcome

// Detect is guard.Detector's.
func (f DetectorFunc) Detect(rec *cloudtrail.Record, assumed *detect.AssumedRoot) detect.Outcome {
	return f(rec, assumed)
}

// World is a guard over fakes.
type World struct {
	*Parts
	Script    *fake.Script
	Claims    *fake.Claims
	FactRows  *fake.Facts
	Receivers *fake.Publisher
	Clock     *fake.Clock
	Settings  wire.Settings
	Findings  map[string]detect.Finding // by event ID, of the events that record makes
	Assumed   []*detect.AssumedRoot     // what the detector was given

	Token func(within time.Duration) (bool, error) // of the limiter; nil grants every token
}

// Wait is guard.Limiter's.
func (w *World) Wait(_ context.Context, within time.Duration) (bool, error) {
	if w.Token == nil {
		return true, nil
	}
	return w.Token(within)
}

// NewWorld returns one in which nothing has happened, and no finding is known.
func NewWorld(change ...func(*wire.Settings)) *World {
	script := &fake.Script{}
	w := &World{
		Script:    script,
		Claims:    &fake.Claims{Script: script, Conflicts: true},
		FactRows:  &fake.Facts{Script: script},
		Receivers: &fake.Publisher{Script: script},
		Clock:     fake.NewClock(T0.Add(time.Hour)),
		Settings:  wire.DefaultSettings(),
		Findings:  map[string]detect.Finding{},
	}
	for _, c := range change {
		c(&w.Settings)
	}
	w.Parts = NewParts(wire.Deps{
		Detector: DetectorFunc(func(rec *cloudtrail.Record, assumed *detect.AssumedRoot) detect.Outcome {
			w.Assumed = append(w.Assumed, assumed)
			if f, ok := w.Findings[rec.EventID]; ok {
				return detect.Outcome{Kind: detect.Matched, Finding: f}
			}
			return detect.Outcome{Kind: detect.Skipped, Reason: "no rule"}
		}),
		Claims: w.Claims, Facts: w.FactRows, Publisher: w.Receivers, Limiter: w, Now: w.Clock.Now,
		AccountName: func(a string) string { return "name of " + a },
	}, w.Settings)
	return w
}

// Finding is one as a detector makes it; the event ID is unique by number.
func Finding(id detect.ID, sev detect.Severity, session string, n int, at time.Time) detect.Finding {
	return detect.Finding{
		ID: id, Severity: sev, Title: string(id), Account: Account, Session: session,
		EventID: fmt.Sprintf("event-%03d", n), EventTime: at,
		EventSource: "iam.amazonaws.com", EventName: fmt.Sprintf("Call%d", n%3),
	}
}

// Record registers a finding and returns a record that the detector takes for it.
func (w *World) Record(f detect.Finding) *cloudtrail.Record {
	w.Findings[f.EventID] = f
	return &cloudtrail.Record{
		EventID: f.EventID, EventTime: f.EventTime, EventSource: f.EventSource, EventName: f.EventName,
		RecipientAccountID: f.Account,
	}
}

// CreateUser is a record that carries facts as well.
func (w *World) CreateUser(n int, at time.Time) *cloudtrail.Record {
	f := Finding(detect.UserCreated, detect.Info, "s", n, at)
	w.Findings[f.EventID] = f
	name := fmt.Sprintf("user-%d", n)
	return &cloudtrail.Record{
		EventID: f.EventID, EventTime: at, EventSource: "iam.amazonaws.com", EventName: "CreateUser",
		RecipientAccountID: Account,
		UserIdentity:       cloudtrail.UserIdentity{Type: "IAMUser", UserName: "boss", PrincipalID: "AIDABOSS"},
		RequestParameters:  fmt.Appendf(nil, `{"userName":%q}`, name),
		ResponseElements:   fmt.Appendf(nil, `{"user":{"userName":%q,"userId":"AIDA%d"}}`, name, n),
	}
}

// MustHandle handles a record and compares what became of it.
func (w *World) MustHandle(t *testing.T, rec *cloudtrail.Record, want guard.Disposition) guard.Result {
	t.Helper()
	res, err := w.Handle(t.Context(), rec)
	if err != nil {
		t.Fatalf("handling %s: %v", rec.EventID, err)
	}
	if res.Disposition != want {
		t.Errorf("%s is %q, want %q", rec.EventID, res.Disposition, want)
	}
	return res
}

// MustFlush publishes the roll-ups that are due at a time, and compares how many.
func (w *World) MustFlush(t *testing.T, at time.Time, want int) {
	t.Helper()
	n, err := w.Flush(t.Context(), at)
	if err != nil {
		t.Fatalf("flushing: %v", err)
	}
	if n != want {
		t.Errorf("Flush published %d, want %d", n, want)
	}
}

// Lines is what was published, one line an alert: kind, severity, count.
func (w *World) Lines() []string {
	all := w.Receivers.Published()
	got := make([]string, 0, len(all))
	for _, a := range all {
		line := fmt.Sprintf("%s %s %s", a.Kind, a.Finding.Severity, a.Finding.EventID)
		if a.Count > 0 {
			line += fmt.Sprintf(" x%d", a.Count)
		}
		got = append(got, line)
	}
	return got
}

// WantLines compares the alerts so far.
func (w *World) WantLines(t *testing.T, want ...string) {
	t.Helper()
	wantAlerts(t, want, w.Lines())
}

func wantAlerts(t *testing.T, want, got []string) {
	t.Helper()
	if want == nil {
		want = []string{}
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("alerts (-want +got):\n%s", diff)
	}
}

// States counts the claims of events by state.
func (w *World) States() map[guard.ClaimState]int {
	got := map[guard.ClaimState]int{}
	for _, c := range w.Claims.All() {
		if c.Finding != nil {
			got[c.State]++
		}
	}
	return got
}

// SettleAll redelivers what failed until all of it is handled, as a queue does,
// and then flushes until nothing is due. The clock goes on by a lease each time.
func (w *World) SettleAll(tb interface {
	Helper()
	Fatalf(string, ...any)
}, failed []*cloudtrail.Record) {
	tb.Helper()
	w.Script.Restart()
	for try := 0; len(failed) > 0; try++ {
		if try > 10 {
			tb.Fatalf("%d records still fail after 10 redeliveries", len(failed))
		}
		w.Clock.Advance(w.Settings.Lease + time.Second)
		failed = slices.DeleteFunc(failed, func(rec *cloudtrail.Record) bool {
			_, err := w.Handle(context.Background(), rec)
			return err == nil
		})
	}
	w.Clock.Advance(w.Settings.Lease + time.Second)
	// A flush only notes what one that died had sent; the next sends what came since.
	for range 2 {
		if _, err := w.Flush(context.Background(), T0.Add(1000*time.Hour)); err != nil {
			tb.Fatalf("the last flush: %v", err)
		}
	}
}

// Covered sums up what the published alerts report, each ID once, and how many
// copies were sent beyond that. Copies of one roll-up must be equal.
func (w *World) Covered(tb interface {
	Helper()
	Errorf(string, ...any)
}) (events map[string]int, extra int) {
	tb.Helper()
	events = map[string]int{}
	seen := map[string]alert.Alert{}
	for _, a := range w.Receivers.Published() {
		if first, ok := seen[a.ID]; ok {
			extra++
			if a.Kind == alert.RollUp {
				if diff := cmp.Diff(first, a); diff != "" {
					tb.Errorf("two copies of alert %s differ:\n%s", a.ID, diff)
				}
			}
			continue
		}
		seen[a.ID] = a
		n := 1
		if a.Summary != nil {
			for _, of := range a.Summary.Accounts {
				for _, it := range of.Findings {
					session := ""
					if it.MFADue.Reminder > 0 {
						session = fmt.Sprintf("reminder %d", it.MFADue.Reminder)
					}
					events[string(it.Finding)+" "+session]++
				}
			}
			continue
		}
		if a.Kind == alert.RollUp {
			n = a.Count
			listed := a.ActionsOmitted
			for _, act := range a.Actions {
				listed += act.Count
			}
			if listed != n {
				tb.Errorf("roll-up of %d lists %d", n, listed)
			}
		}
		events[string(a.Finding.ID)+" "+a.Finding.Session] += n
	}
	return events, extra
}

// PublisherFunc is a guard.Publisher.
type PublisherFunc func(ctx context.Context, a alert.Alert) error

// Publish is guard.Publisher's.
func (f PublisherFunc) Publish(ctx context.Context, a alert.Alert) error { return f(ctx, a) }

// Must returns a value that has no error, or panics.
func Must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}

// Parts are a guard and the workers beside it, as one for the tests.
type Parts struct {
	*guard.Guard
	*mfadeadline.Deadlines
	*announcement.Announcer
	*incident.Desk
	*accountcheck.Checker
	*quarantine.Worker
}

// NewParts puts the parts together.
func NewParts(deps wire.Deps, settings wire.Settings) *Parts {
	p := wire.New(deps, settings)
	return &Parts{p.Guard, p.Deadlines, p.Announcer, p.Incidents, p.Accounts, p.Quarantine}
}

// Denied has the limiter grant no token, and returns how long it was asked to wait.
func (w *World) Denied() *[]time.Duration {
	var asked []time.Duration
	w.Token = func(within time.Duration) (bool, error) {
		asked = append(asked, within)
		return false, nil
	}
	return &asked
}

// Nothing is a detector that finds nothing.
func Nothing(*cloudtrail.Record, *detect.AssumedRoot) detect.Outcome {
	return detect.Outcome{Kind: detect.Skipped, Reason: "no rule"}
}
