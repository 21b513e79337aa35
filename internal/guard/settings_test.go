package guard

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"rootguard/internal/alert"
	"rootguard/internal/detect"
)

// TestDefaults holds each default, and that the least that may be set is no default.
func TestDefaults(t *testing.T) {
	type numbers struct {
		window, lease                time.Duration
		root, users, burst, list, at int
	}
	of := func(s Settings) numbers {
		s = s.withDefaults()
		return numbers{s.DedupWindow, s.Lease, s.FailedSigninsHigh, s.FailedUserSignins, s.burst(detect.UserCreated), s.Actions, s.Batch}
	}
	usual := numbers{15 * time.Minute, 90 * time.Second, 5, 5, 10, 50, 64}
	for _, tt := range []struct {
		name string
		set  Settings
		want numbers
	}{
		{"nothing", Settings{}, usual},
		{"what is less than nothing", Settings{DedupWindow: -1, Lease: -1, FailedSigninsHigh: -1, FailedUserSignins: -1, Actions: -1, Batch: -1}, usual},
		{"the least", Settings{DedupWindow: 1, Lease: 1, FailedSigninsHigh: 1, FailedUserSignins: 1, Burst: map[detect.ID]int{}, Actions: 1, Batch: 1}, numbers{1, 1, 1, 1, 1, 1, 1}},
		{"a burst", Settings{Burst: map[detect.ID]int{detect.UserCreated: 2}}, numbers{15 * time.Minute, 90 * time.Second, 5, 5, 2, 50, 64}},
	} {
		if diff := cmp.Diff(tt.want, of(tt.set), cmp.AllowUnexported(numbers{})); diff != "" {
			t.Errorf("%s (-want +got):\n%s", tt.name, diff)
		}
	}
	s := DefaultSettings()
	if s.burst(detect.RootActivity) != 1 || s.burst("no finding") != 1 {
		t.Error("what is rolled up has a burst")
	}
	if s.span(detect.RootSigninSpraying) != time.Hour || s.span(detect.RootSigninFailed) != 15*time.Minute {
		t.Errorf("windows of %v and %v", s.span(detect.RootSigninSpraying), s.span(detect.RootSigninFailed))
	}
}

// TestHeld holds to the second whose a claim is.
func TestHeld(t *testing.T) {
	now := time.Date(2026, 3, 2, 9, 0, 0, 0, time.UTC)
	const lease = 90 * time.Second
	for _, tt := range []struct {
		name  string
		state ClaimState
		until time.Duration // from now
		want  bool
	}{
		{"its lease lasts", Leased, time.Second, true},
		{"its lease is over", Leased, 0, false},
		{"a clock ahead by a lease", Leased, 2 * lease, true},
		{"a clock ahead by more", Leased, 2*lease + time.Second, false},
		{"it was released", Released, time.Second, false},
		{"it is new", "", time.Second, false},
	} {
		c := Claim{State: tt.state, LeaseUntil: now.Add(tt.until)}
		if got := c.Held(now, lease); got != tt.want {
			t.Errorf("%s: %v, want %v", tt.name, got, tt.want)
		}
	}
}

// TestUnsent holds what of a group is unsent, since when, and in which batches an event
// may be that is counted again.
func TestUnsent(t *testing.T) {
	at := func(minutes int) time.Time {
		return time.Date(2026, 3, 2, 9, minutes, 0, 0, time.UTC)
	}
	for _, tt := range []struct {
		name   string
		gr     Group
		unsent bool
		since  time.Time
		from   int // a batch that it had before the event came
		oldest int
	}{
		{"nothing", Group{Until: at(15), Batches: 2, Sent: 2}, false, at(15), 0, 0},
		{"a batch, due later than it was opened", Group{Until: at(15), Since: at(3), Batches: 1}, true, at(15), 0, 0},
		{"a batch of an event that came late", Group{Until: at(15), Since: at(40), Batches: 1}, true, at(40), 0, 0},
		{"what version 1 holds", Group{Until: at(15), Pending: Held{Count: 1, Since: at(20)}}, true, at(20), 0, 0},
		{"what version 1 was sending", Group{Until: at(15), Since: at(5), Pending: Held{Count: 1, Since: at(20)}, Sending: &Held{Since: at(18)}}, true, at(18), 0, 0},
		{"many batches", Group{Batches: 100, Sent: 100}, false, time.Time{}, 0, 0},
		{"a collection", Group{First: 100, Batches: 150, Sent: 150}, false, time.Time{}, 0, 100},
		{"a collection that goes on for years", Group{First: 100, Batches: 151, Sent: 150}, true, time.Time{}, 0, 101},
		{"one of which a batch is known", Group{First: 100, Batches: 190, Sent: 190}, false, time.Time{}, 120, 120},
		{"one of which the latest is known", Group{First: 100, Batches: 151, Sent: 150}, true, time.Time{}, 150, 150},
		{"one that expired and began again", Group{First: 200, Batches: 201, Sent: 200}, true, time.Time{}, 150, 200},
		{"one of which more is known than there is", Group{First: 100, Batches: 110, Sent: 109}, true, time.Time{}, 150, 109},
	} {
		if tt.gr.Unsent() != tt.unsent || !tt.gr.UnsentSince().Equal(tt.since) || tt.gr.oldest(tt.from) != tt.oldest {
			t.Errorf("%s: unsent %v since %v, from batch %d, want %v since %v, from batch %d", tt.name, tt.gr.Unsent(), tt.gr.UnsentSince(),
				tt.gr.oldest(tt.from), tt.unsent, tt.since, tt.oldest)
		}
	}
}

// TestOpen holds when a group's next roll-up is due by the event that opens it.
func TestOpen(t *testing.T) {
	at := func(minutes int) time.Time {
		return time.Date(2026, 3, 2, 9, minutes, 0, 0, time.UTC)
	}
	claimed := func(minute int) *Claim {
		return &Claim{Group: "g", Series: "s", Finding: &detect.Finding{ID: detect.RootActivity, EventTime: at(minute)}}
	}
	soon := claimed(2)
	soon.Soon = true
	for _, tt := range []struct {
		name    string
		has     Group
		c       *Claim
		sealed  int
		now     time.Time
		until   time.Time
		batches int
		changed bool
	}{
		{"a new one", Group{}, claimed(2), 0, at(3), at(15), 1, true},
		{"a new one of an event that came late", Group{}, claimed(2), 0, at(40), at(15), 1, true},
		{"a clock ahead by less than a window", Group{}, claimed(20), 0, at(3), at(30), 1, true},
		{"a clock ahead by more", Group{}, claimed(59), 0, at(3), at(33), 1, true},
		{"one that is open", Group{Key: "g", Opened: at(0), Until: at(15), Batches: 1}, claimed(4), 0, at(5), at(15), 1, false},
		{"one whose batch is sealed", Group{Key: "g", Opened: at(0), Until: at(15), Batches: 1}, claimed(4), 1, at(5), at(15), 2, true},
		{"one that was reported before it is over", Group{Key: "g", Opened: at(0), Until: at(1), Batches: 1, Sent: 1}, claimed(4), 1, at(5), at(20), 2, true},
		{"one that was reported when it was over", Group{Key: "g", Opened: at(0), Until: at(15), Batches: 1, Sent: 1}, claimed(4), 1, at(40), at(55), 2, true},
		{"one that has to be sent soon", Group{Key: "g", Opened: at(0), Until: at(15), Batches: 1}, soon, 0, at(3), at(3), 1, true},
		{"one that is sent sooner", Group{Key: "g", Opened: at(0), Until: at(3), Batches: 1}, soon, 0, at(3), at(3), 1, false},
	} {
		s := DefaultSettings()
		got, changed := s.open(tt.has, tt.c, nil, tt.sealed, tt.now)
		if !got.Until.Equal(tt.until) || got.Batches != tt.batches || changed != tt.changed {
			t.Errorf("%s: due at %v, %d batches, changed %v, want %v, %d, %v", tt.name, got.Until, got.Batches, changed, tt.until, tt.batches, tt.changed)
		}
		if opened := tt.has.Sent == tt.has.Batches; opened != got.Since.Equal(tt.now) {
			t.Errorf("%s: its batch was opened at %v", tt.name, got.Since)
		}
	}
}

// TestFill holds what a roll-up says of its events.
func TestFill(t *testing.T) {
	at := func(minute int) time.Time {
		return time.Date(2026, 3, 2, 9, minute, 0, 0, time.UTC)
	}
	event := func(key, name string, severity detect.Severity, when time.Time) Claim {
		return Claim{Key: key, Finding: &detect.Finding{ID: detect.RootActivity, Severity: severity, EventSource: "iam.amazonaws.com", EventName: name, EventTime: when}}
	}
	late := event("c", "B", detect.Low, at(7))
	late.Throttled = true
	announced := event("d", "A", detect.Low, at(8))
	announced.Finding.Announced = &detect.Announced{ID: "x", Severity: detect.High}
	two := Settings{Actions: 2}
	for _, tt := range []struct {
		name        string
		claims      []Claim
		count       int
		late        bool
		actions     []alert.Action
		omitted     int
		first, last time.Time
		severity    detect.Severity
		isLate      bool
		announced   bool
	}{
		{"in order of their times", []Claim{event("b", "B", detect.Medium, at(9)), event("a", "A", detect.Low, at(3)), event("z", "B", detect.Low, at(5))}, 3, true,
			[]alert.Action{{Name: "iam:A", Count: 1}, {Name: "iam:B", Count: 2}}, 0, at(3), at(9), detect.Medium, false, false},
		{"no more actions than are listed", []Claim{event("a", "A", detect.Low, at(1)), event("b", "B", detect.Low, at(2)), event("c", "C", detect.Low, at(3)), event("d", "A", detect.Low, at(4))}, 4, false,
			[]alert.Action{{Name: "iam:A", Count: 2}, {Name: "iam:B", Count: 1}}, 1, at(1), at(4), detect.Low, false, false},
		{"some that are not read, and one that expired", []Claim{{Key: "gone"}, event("a", "A", detect.Low, at(1))}, 5, false,
			[]alert.Action{{Name: "iam:A", Count: 1}}, 4, at(1), at(1), detect.Low, false, false},
		{"no times", []Claim{event("a", "A", detect.Low, time.Time{}), event("b", "A", detect.Low, at(6))}, 2, false,
			[]alert.Action{{Name: "iam:A", Count: 2}}, 0, at(6), at(6), detect.Low, false, false},
		{"one that had no token", []Claim{late}, 1, true, []alert.Action{{Name: "iam:B", Count: 1}}, 0, at(7), at(7), detect.Low, true, false},
		{"one that had no token, after an alert", []Claim{late}, 1, false, []alert.Action{{Name: "iam:B", Count: 1}}, 0, at(7), at(7), detect.Low, false, false},
		{"all announced", []Claim{announced}, 1, false, []alert.Action{{Name: "iam:A", Count: 1}}, 0, at(8), at(8), detect.Low, false, true},
		{"not all announced", []Claim{announced, late}, 2, false, []alert.Action{{Name: "iam:B", Count: 1}, {Name: "iam:A", Count: 1}}, 0, at(7), at(8), detect.Low, false, false},
		{"announced, and one that is not read", []Claim{announced}, 2, false, []alert.Action{{Name: "iam:A", Count: 1}}, 1, at(8), at(8), detect.Low, false, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			a := alert.Alert{Finding: *announced.Finding}
			two.fill(&a, tt.claims, tt.count, tt.late)
			if diff := cmp.Diff(tt.actions, a.Actions); diff != "" {
				t.Errorf("actions (-want +got):\n%s", diff)
			}
			if a.Count != tt.count || a.ActionsOmitted != tt.omitted || !a.FirstTime.Equal(tt.first) || !a.LastTime.Equal(tt.last) {
				t.Errorf("%d events, %d omitted, from %v to %v", a.Count, a.ActionsOmitted, a.FirstTime, a.LastTime)
			}
			if a.Finding.Severity != tt.severity || a.Late != tt.isLate || (a.Finding.Announced != nil) != tt.announced {
				t.Errorf("severity %s, late %v, announced %+v", a.Finding.Severity, a.Late, a.Finding.Announced)
			}
		})
	}
}
