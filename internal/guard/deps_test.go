package guard_test

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"rootguard/internal/alert"
	"rootguard/internal/bootstrap"
	"rootguard/internal/cloudtrail"
	"rootguard/internal/detect"
	"rootguard/internal/fake"
	"rootguard/internal/guard"
	"rootguard/internal/wiretest"
)

// suppressing is guard.Suppressions that holds back one finding.
type suppressing struct {
	finding detect.ID
	err     error
}

func (s *suppressing) Covers(_ context.Context, f detect.Finding) (string, error) {
	if f.ID != s.finding {
		return "", nil
	}
	if s.err != nil {
		return "", s.err
	}
	return "3F9D0-KQ7TB", nil
}

// sessions is guard.RootSessions with given answers.
type sessions struct {
	known bool
	err   error
	noted []bool // whether each record that was noted was reported
}

func (s *sessions) Note(_ context.Context, _ *cloudtrail.Record, reported bool) error {
	s.noted = append(s.noted, reported)
	return s.err
}

func (s *sessions) Began(_ context.Context, _ string, _ time.Time) (bool, error) {
	return s.known, s.err
}

// alone is a guard over fakes, with what a test gives it beside them.
type alone struct {
	*guard.Guard
	store *fake.Claims
	facts *fake.Facts
	pub   *fake.Publisher
	clock *fake.Clock
}

func newAlone(deps guard.Deps) *alone {
	a := &alone{store: &fake.Claims{}, facts: &fake.Facts{}, pub: &fake.Publisher{}, clock: fake.NewClock(wiretest.T0)}
	deps.Detector, deps.Claims, deps.Facts, deps.Publisher, deps.Now = &detect.Detector{}, a.store, a.facts, a.pub, a.clock.Now
	a.Guard = guard.New(deps, guard.Settings{})
	return a
}

// TestSuppressed holds what is held back and stays on record, and that nothing critical
// is, nor what was granted an alert before, nor anything where that cannot be looked up.
func TestSuppressed(t *testing.T) {
	s := &suppressing{finding: detect.UserCreated}
	g := newAlone(guard.Deps{Suppressions: s})
	raise := func(n int, id detect.ID, severity detect.Severity, want guard.Disposition) guard.Result {
		t.Helper()
		res, err := g.Raise(t.Context(), wiretest.Finding(id, severity, "s", n, wiretest.T0))
		if err != nil || res.Disposition != want || (res.Suppression != "") != (want == guard.Suppressed) {
			t.Errorf("event %d is %q by %q, %v, want %q", n, res.Disposition, res.Suppression, err, want)
		}
		return res
	}
	raise(1, detect.UserCreated, detect.High, guard.Suppressed)
	raise(1, detect.UserCreated, detect.High, guard.Duplicate)
	if all := g.store.Series(); len(all) != 0 {
		t.Errorf("what is held back is a repeat of nothing: %+v", all)
	}
	raise(2, detect.UserCreated, detect.Critical, guard.Alerted)
	raise(3, detect.UserConsoleAccess, detect.High, guard.Alerted)
	for _, c := range g.store.All() {
		if held := c.Finding.EventID == "event-001"; held != (c.State == guard.Withheld) || held != (c.Suppression == "3F9D0-KQ7TB") || held && (c.Kind != "" || c.AlertID != "") {
			t.Errorf("on record: %+v", c)
		}
	}

	// What failed before the suppression is sent though it holds now.
	s.finding = ""
	g.pub.Refuse = func(alert.Alert) error { return errors.New("no topic takes it") }
	if _, err := g.Raise(t.Context(), wiretest.Finding(detect.UserCreated, detect.High, "t", 4, wiretest.T0)); err == nil {
		t.Error("the alert was sent though no topic takes it")
	}
	g.pub.Refuse, s.finding = nil, detect.UserCreated
	raise(4, detect.UserCreated, detect.High, guard.Alerted)

	s.err = errors.New("throttled")
	res, err := g.Raise(t.Context(), wiretest.Finding(detect.UserCreated, detect.High, "u", 5, wiretest.T0))
	if !errors.Is(err, s.err) || res.Disposition != guard.Alerted || !strings.HasSuffix(res.Alert.Finding.Detail, "Whether its alerts are suppressed could not be looked up.") {
		t.Errorf("where that cannot be looked up: %+v, %v", res, err)
	}
}

// TestSuppressedAttemptsCount holds that failed sign-ins that are held back count for the
// one that comes when the suppression is over.
func TestSuppressedAttemptsCount(t *testing.T) {
	s := &suppressing{finding: detect.RootSigninFailed}
	g := newAlone(guard.Deps{Suppressions: s})
	for n := range 5 {
		if n == 4 {
			s.finding = ""
		}
		res, err := g.Raise(t.Context(), wiretest.Finding(detect.RootSigninFailed, detect.Medium, "s", n, wiretest.T0.Add(time.Duration(n)*time.Minute)))
		if err != nil || (n < 4) != (res.Disposition == guard.Suppressed) {
			t.Errorf("attempt %d is %q, %v", n, res.Disposition, err)
		}
	}
	all := g.pub.Published()
	if len(all) != 1 || all[0].Kind != "escalation" || all[0].Finding.Severity != detect.High || all[0].Count != 5 || !all[0].FirstTime.Equal(wiretest.T0) {
		t.Errorf("alerts: %+v", all)
	}
}

// rootRead is a read by root, minutes after its session began at T0.
func rootRead(change ...func(*cloudtrail.Record)) *cloudtrail.Record {
	rec := &cloudtrail.Record{
		EventID: "read", EventTime: wiretest.T0.Add(5 * time.Minute), EventType: "AwsApiCall", ReadOnly: cloudtrail.Yes,
		EventSource: "ec2.amazonaws.com", EventName: "DescribeInstances", RecipientAccountID: wiretest.Account,
		UserIdentity: cloudtrail.UserIdentity{Type: "Root", PrincipalID: wiretest.Account, AccountID: wiretest.Account, AccessKeyID: "ASIAROOT",
			Session: cloudtrail.SessionContext{CreationDate: wiretest.T0}},
	}
	for _, c := range change {
		c(rec)
	}
	return rec
}

// TestUnseenSession holds when a read by root is reported for want of a beginning of its
// session: at once where events come as they happen, and at the end of a log.
func TestUnseenSession(t *testing.T) {
	for _, tt := range []struct {
		name   string
		live   bool
		age    time.Duration // of the session, by the clock
		known  bool
		change func(*cloudtrail.Record)
		want   guard.Disposition
		unseen bool // it is left to the end of a log
	}{
		{"as it happens", true, 10 * time.Minute, false, nil, guard.Alerted, false},
		{"as it happens, and a sign-in may still come", true, 10*time.Minute - time.Second, false, nil, guard.Recorded, true},
		{"as it happens, and its beginning is on record", true, time.Hour, true, nil, guard.Recorded, false},
		{"in a log", false, time.Hour, false, nil, guard.Recorded, true},
		{"no session", true, time.Hour, false, func(r *cloudtrail.Record) { r.UserIdentity.Session.CreationDate = time.Time{} }, guard.Recorded, false},
		{"a user's", true, time.Hour, false, func(r *cloudtrail.Record) { r.UserIdentity.Type = "IAMUser" }, guard.Ignored, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s := &sessions{known: tt.known}
			g := newAlone(guard.Deps{RootSessions: s, Live: tt.live})
			g.clock.Advance(tt.age)
			rec := rootRead()
			if tt.change != nil {
				tt.change(rec)
			}
			res, err := g.Handle(t.Context(), rec)
			if err != nil || res.Disposition != tt.want || (res.Unseen != nil) != tt.unseen || !slices.Equal(s.noted, []bool{false}) {
				t.Fatalf("%+v, %v, noted %v", res, err, s.noted)
			}
			if facts := 1; tt.want != guard.Ignored && res.NewFacts != facts {
				t.Errorf("%d new facts, want %d", res.NewFacts, facts)
			}
			if !tt.unseen {
				return
			}
			if !res.Began.Equal(wiretest.T0) {
				t.Errorf("its session began at %v", res.Began)
			}
			late, err := g.RaiseUnseen(t.Context(), *res.Unseen, res.Began)
			if err != nil || late.Disposition != guard.Alerted || late.Alert.Finding.ID != detect.RootSessionUnseen {
				t.Errorf("at the end of the log: %+v, %v", late, err)
			}
			s.known = true
			if late, err = g.RaiseUnseen(t.Context(), *res.Unseen, res.Began); err != nil || late.Disposition != guard.Duplicate || late.Outcome.Kind != detect.NotMatched {
				t.Errorf("its beginning is on record: %+v, %v", late, err)
			}
			s.err = errors.New("throttled")
			if _, err = g.RaiseUnseen(t.Context(), *res.Unseen, res.Began); !errors.Is(err, s.err) {
				t.Errorf("where that cannot be looked up: %v", err)
			}
		})
	}
	// A finding of its own is noted as reported.
	s := &sessions{}
	g := newAlone(guard.Deps{RootSessions: s, Live: true})
	if res, err := g.Handle(t.Context(), rootRead(func(r *cloudtrail.Record) { r.EventName, r.ReadOnly = "RunInstances", cloudtrail.No })); err != nil || res.Disposition != guard.Alerted || !slices.Equal(s.noted, []bool{true}) {
		t.Errorf("a call with an alert: %+v, %v, noted %v", res, err, s.noted)
	}
	if res, err := newAlone(guard.Deps{Live: true}).Handle(t.Context(), rootRead()); err != nil || res.Disposition == guard.Alerted {
		t.Errorf("where no beginnings are kept: %+v, %v", res, err)
	}
}

// TestUnplaced holds of which records a log that is not in order may still say more.
func TestUnplaced(t *testing.T) {
	for _, tt := range []struct {
		name   string
		known  bool
		change func(*cloudtrail.Record)
		want   bool
	}{
		{"a read", false, func(*cloudtrail.Record) {}, true},
		{"its beginning is on record", true, func(*cloudtrail.Record) {}, false},
		{"a user's", false, func(r *cloudtrail.Record) { r.UserIdentity.Type = "IAMUser" }, false},
		{"what issues credentials", false, func(r *cloudtrail.Record) { r.EventSource, r.EventName = "sts.amazonaws.com", "GetSessionToken" }, false},
		{"a sign-in", false, func(r *cloudtrail.Record) { r.EventSource = cloudtrail.SigninSource }, false},
		{"a key that is no session's", false, func(r *cloudtrail.Record) { r.UserIdentity.AccessKeyID = "AKIAROOT" }, false},
		{"no session", false, func(r *cloudtrail.Record) { r.UserIdentity.Session.CreationDate = time.Time{} }, false},
	} {
		s := &sessions{known: tt.known}
		g := newAlone(guard.Deps{RootSessions: s})
		if got, err := g.Unplaced(t.Context(), rootRead(tt.change)); got != tt.want || err != nil {
			t.Errorf("%s: %v, %v, want %v", tt.name, got, err, tt.want)
		}
	}
	s := &sessions{err: errors.New("throttled")}
	g := newAlone(guard.Deps{RootSessions: s})
	if got, err := g.Unplaced(t.Context(), rootRead()); got || !errors.Is(err, s.err) {
		t.Errorf("where that cannot be looked up: %v, %v", got, err)
	}
	f := bootstrap.Fact{Account: wiretest.Account, ID: bootstrap.AssumedRootFactID("ASIAROOT"), Kind: bootstrap.AssumedRoot, Time: wiretest.T0}
	if _, err := g.facts.Add(t.Context(), []bootstrap.Fact{f}); err != nil {
		t.Fatal(err)
	}
	if got, err := g.Unplaced(t.Context(), rootRead()); got || err != nil {
		t.Errorf("a key of sts:AssumeRoot: %v, %v", got, err)
	}
}

// TestLateDelivery holds what an alert says of a record that CloudTrail delivered late.
func TestLateDelivery(t *testing.T) {
	for _, tt := range []struct {
		name string
		live bool
		late time.Duration
		why  string
		want string
	}{
		{"late", true, 2*time.Hour + 31*time.Second, "DELIVERY_DELAY", "It came 2h1m0s after the event."},
		{"not said to be late", true, 2 * time.Hour, "", ""},
		{"in a log", false, 2 * time.Hour, "DELIVERY_DELAY", ""},
		{"the clock is behind", true, -time.Minute, "DELIVERY_DELAY", ""},
		{"at once", true, 0, "DELIVERY_DELAY", ""},
		{"no time", true, time.Hour, "DELIVERY_DELAY", ""},
	} {
		g := newAlone(guard.Deps{Live: tt.live})
		rec := rootRead(func(r *cloudtrail.Record) {
			r.EventName, r.ReadOnly, r.Addendum.Reason, r.EventTime = "RunInstances", cloudtrail.No, tt.why, wiretest.T0.Add(-tt.late)
			if tt.name == "no time" {
				r.EventTime = time.Time{}
			}
		})
		res, err := g.Handle(t.Context(), rec)
		if err != nil || res.Disposition != guard.Alerted {
			t.Fatalf("%s: %+v, %v", tt.name, res, err)
		}
		if d := res.Alert.Finding.Detail; strings.Contains(d, "It came") != (tt.want != "") || !strings.Contains(d, tt.want) {
			t.Errorf("%s: %q", tt.name, d)
		}
	}
}

// TestGroupOfVersion1 holds that what a row of version 1 holds is reported once, the same
// by a retry, and with what that version knew of it.
func TestGroupOfVersion1(t *testing.T) {
	held := guard.Held{Count: 3, Actions: []alert.Action{{Name: "iam:CreateUser", Count: 2}}, Omitted: 1, First: wiretest.T0.Add(time.Minute), Last: wiretest.T0.Add(5 * time.Minute), Since: wiretest.T0}
	sending := held
	sending.Severity, sending.Late = detect.Critical, true
	for _, tt := range []struct {
		name     string
		change   func(*guard.Group)
		severity detect.Severity
		late     bool
	}{
		{"after an alert", func(gr *guard.Group) { gr.Pending, gr.Alerted = held, 1 }, detect.High, false},
		{"without an alert", func(gr *guard.Group) { gr.Pending = held }, detect.High, true},
		{"that was being sent", func(gr *guard.Group) { gr.Sending = &sending }, detect.Critical, true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			g := newAlone(guard.Deps{})
			gr := guard.Group{Key: "old", Opened: wiretest.T0, Until: wiretest.T0.Add(15 * time.Minute), RollUps: 2,
				Finding: wiretest.Finding(detect.UserCreated, detect.High, "s", 1, wiretest.T0)}
			tt.change(&gr)
			if err := g.store.UpdateGroup(t.Context(), gr.Key, func(guard.Group) guard.Group { return gr }); err != nil {
				t.Fatal(err)
			}
			g.pub.Refuse = func(alert.Alert) error { return errors.New("no topic takes it") }
			if n, err := g.Flush(t.Context(), gr.Until); n != 0 || err == nil {
				t.Errorf("sent %d, %v, though no topic takes it", n, err)
			}
			g.pub.Refuse = nil
			g.clock.Advance(time.Hour)
			for _, want := range []int{1, 0} {
				if n, err := g.Flush(t.Context(), g.clock.Now()); n != want || err != nil {
					t.Errorf("sent %d, %v, want %d", n, err, want)
				}
			}
			a := g.pub.Published()[0]
			if a.Kind != alert.RollUp || a.Count != 3 || a.ActionsOmitted != 1 || len(a.Actions) != 1 || !a.FirstTime.Equal(held.First) || !a.LastTime.Equal(held.Last) ||
				a.Finding.Severity != tt.severity || a.Late != tt.late {
				t.Errorf("the roll-up: %+v", a)
			}
			if left := g.store.Groups()[0]; left.Unsent() || left.RollUps != 3 || left.Failures != 0 || !left.Retry.IsZero() {
				t.Errorf("its row: %+v", left)
			}
		})
	}
}
