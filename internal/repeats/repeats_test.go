package repeats

import (
	"slices"
	"strconv"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"rootguard/internal/detect"
)

const span = 15 * time.Minute

var noon = time.Date(2025, 3, 1, 12, 0, 0, 0, time.UTC)

func at(minutes int) time.Time { return noon.Add(time.Duration(minutes) * time.Minute) }

func granted(claim string, event, clock int, sev detect.Severity) Grant {
	return Grant{Claim: claim, Time: at(event), At: at(clock), Severity: sev}
}

// TestNear pairs the events that repeat an alert with those beside them that do not.
func TestNear(t *testing.T) {
	alerted := []Grant{granted("a", 20, 21, detect.High)} // in the group that opened at 15
	for _, tt := range []struct {
		name       string
		series     Series
		event, now int
		want       Repeated
	}{
		{"an empty series", Series{}, 20, 21, Repeated{}},
		{"of the same group", Series{Grants: alerted}, 29, 300, Repeated{Alerts: 1, Severity: detect.High}},
		{"of the next group, within a window", Series{Grants: alerted}, 34, 300, Repeated{Alerts: 1, Severity: detect.High}},
		{"a window later", Series{Grants: alerted}, 35, 300, Repeated{}},
		{"of the group before, within a window", Series{Grants: alerted}, 6, 300, Repeated{Alerts: 1, Severity: detect.High}},
		{"a window before, an alert that is long out", Series{Grants: alerted}, 5, 36, Repeated{}},
		{"hours before, late, an alert that is just out", Series{Grants: alerted}, -300, 35, Repeated{Alerts: 1, Severity: detect.High}},
		{"hours later, an alert that is just out", Series{Grants: alerted}, 300, 22, Repeated{}},
		{"two alerts, the highest", Series{Grants: []Grant{granted("a", 20, 21, detect.High), {Claim: "b", Time: at(22), At: at(22), Severity: detect.Low, Escalation: true}}}, 21, 23,
			Repeated{Alerts: 2, Severity: detect.High, Escalated: true}},
		{"of a group that is rolled up", Series{Quiet: []Quiet{{Opened: at(15), Severity: detect.Low}}}, 16, 17, Repeated{Quiet: true, Severity: detect.Low}},
		{"of the group after one that is rolled up", Series{Quiet: []Quiet{{Opened: at(15), Severity: detect.Low, Escalated: true}}}, 44, 45, Repeated{Quiet: true, Severity: detect.Low, Escalated: true}},
		{"of the group after that", Series{Quiet: []Quiet{{Opened: at(15), Severity: detect.Low}}}, 45, 46, Repeated{}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got := tt.series.Near(at(tt.event).Truncate(span), at(tt.event), at(tt.now), span)
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Errorf("repeats (-want +got):\n%s", diff)
			}
		})
	}
}

// TestSeverity holds that a group's severity is that of its own alerts.
func TestSeverity(t *testing.T) {
	s := Series{Grants: []Grant{granted("a", 16, 16, detect.Low), granted("b", 29, 29, detect.Medium), granted("c", 30, 30, detect.Critical)}}
	for opened, want := range map[int]detect.Severity{0: 0, 15: detect.Medium, 30: detect.Critical} {
		if got := s.Severity(at(opened), span); got != want {
			t.Errorf("group at %d: %v, want %v", opened, got, want)
		}
	}
}

// TestGrant holds that a claim is granted once, that the oldest is forgotten, and that
// a group which is rolled up knows a higher alert.
func TestGrant(t *testing.T) {
	s := Series{Quiet: []Quiet{{Opened: at(15), Severity: detect.Low}, {Opened: at(30), Severity: detect.Low}}}
	s.Grant(granted("a", 20, 20, detect.Low), at(15))
	s.Grant(Grant{Claim: "a", Time: at(20), At: at(25), Severity: detect.High, Escalation: true}, at(15))
	if len(s.Grants) != 1 || s.Grants[0].At != at(25) {
		t.Errorf("a claim granted twice: %+v", s.Grants)
	}
	want := []Quiet{{at(15), detect.High, true}, {at(30), detect.Low, false}}
	if diff := cmp.Diff(want, s.Quiet); diff != "" {
		t.Errorf("groups (-want +got):\n%s", diff)
	}
	s.Grant(granted("b", 21, 26, detect.Low), at(15))
	if s.Quiet[0] != want[0] {
		t.Errorf("a lower alert changed the group to %+v", s.Quiet[0])
	}
	for i := range maxGrants {
		s.Grant(granted(strconv.Itoa(i), 100+i, 100+i, detect.Low), at(15))
	}
	if len(s.Grants) != maxGrants || s.Grants[0].Claim != "0" {
		t.Errorf("%d alerts from %s are remembered", len(s.Grants), s.Grants[0].Claim)
	}
}

// TestRevoke holds that an alert which no receiver got leaves no event waiting
// behind it, and that one beside it still does.
func TestRevoke(t *testing.T) {
	quiet := func() []Quiet {
		return []Quiet{{at(15), detect.High, true}, {at(45), detect.Medium, true}}
	}
	one := granted("a", 20, 20, detect.High)
	beside := granted("b", 22, 22, detect.Low)
	for _, tt := range []struct {
		name   string
		series Series
		claim  string
		want   Series
	}{
		{"the only one", Series{Grants: []Grant{one}, Quiet: quiet()}, "a", Series{Grants: []Grant{}, Quiet: quiet()[1:]}},
		{"one of two", Series{Grants: []Grant{one, beside}, Quiet: quiet()}, "a", Series{Grants: []Grant{beside}, Quiet: []Quiet{{at(15), detect.Low, false}, {at(45), detect.Medium, true}}}},
		{"one that was not granted", Series{Grants: []Grant{one}, Quiet: quiet()}, "z", Series{Grants: []Grant{one}, Quiet: quiet()}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			tt.series.Revoke(tt.claim, span)
			if diff := cmp.Diff(tt.want, tt.series); diff != "" {
				t.Errorf("series (-want +got):\n%s", diff)
			}
		})
	}
}

// TestSilence holds that a group is noted once, with what it repeats, the latest kept.
func TestSilence(t *testing.T) {
	var s Series
	if !s.Silence(at(0), Repeated{Severity: detect.High, Escalated: true}) || s.Silence(at(0), Repeated{Severity: detect.Low}) {
		t.Error("a group is new once")
	}
	if want := (Quiet{at(0), detect.High, true}); len(s.Quiet) != 1 || s.Quiet[0] != want {
		t.Errorf("groups %+v, want %+v", s.Quiet, want)
	}
	for i := range maxQuiet {
		s.Silence(at(15*(i+1)), Repeated{})
	}
	if len(s.Quiet) != maxQuiet || !s.Quiet[0].Opened.Equal(at(15)) {
		t.Errorf("%d groups from %v are remembered", len(s.Quiet), s.Quiet[0].Opened)
	}
}

// TestAttempts holds that an attempt counts once, that the latest are kept, and which
// of them are near.
func TestAttempts(t *testing.T) {
	var s Series
	for i := range MaxAttempts + 1 {
		for range 2 {
			s.NoteAttempt(Attempt{Claim: strconv.Itoa(i), At: at(i)})
		}
	}
	if len(s.Attempts) != MaxAttempts || s.Attempts[0].Claim != "1" {
		t.Errorf("%d attempts from %s are remembered", len(s.Attempts), s.Attempts[0].Claim)
	}
	near := Near(s.Attempts, at(20), 5*time.Minute)
	if len(near) != 9 || near[0].Claim != "16" || near[8].Claim != "24" {
		t.Errorf("near: %+v", near)
	}
	if len(s.Attempts) != MaxAttempts || s.Attempts[0].Claim != "1" {
		t.Error("asking what is near changed the attempts")
	}
}

// TestDistinct lists values once, sorted, without those that are not known.
func TestDistinct(t *testing.T) {
	all := []Attempt{{User: "eve"}, {User: ""}, {User: "bob"}, {User: "eve"}}
	if got := Distinct(all, func(a Attempt) string { return a.User }); !slices.Equal(got, []string{"bob", "eve"}) {
		t.Errorf("got %v", got)
	}
	if got := Distinct(nil, func(a Attempt) string { return a.User }); len(got) != 0 {
		t.Errorf("of none: %v", got)
	}
}
