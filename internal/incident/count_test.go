package incident_test

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"rootguard/internal/alert"
	"rootguard/internal/detect"
	"rootguard/internal/fake"
	"rootguard/internal/guard"
	"rootguard/internal/incident"
	"rootguard/internal/wiretest"
)

// session is the session of root to which the alerts of these tests belong.
const session = wiretest.Account + "@2025-03-01T12:00:00Z"

// entered enters alerts in a book of its own whose clock shows T0 and 1 h.
func entered(t *testing.T, alerts ...alert.Alert) (*fake.Incidents, *incident.Book, []*alert.Incident) {
	t.Helper()
	store := &fake.Incidents{Script: &fake.Script{}, Conflicts: true}
	book := incident.NewBook(store, fake.NewClock(wiretest.T0.Add(time.Hour)).Now, incident.Settings{AckFlags: "--region us-east-1"})
	var said []*alert.Incident
	for i := range alerts {
		in, err := book.Attach(t.Context(), &alerts[i])
		if err != nil {
			t.Fatal(err)
		}
		said = append(said, in)
	}
	return store, book, said
}

// alertOf is an alert of an event of the session, so many minutes after T0.
func alertOf(id string, finding detect.ID, severity detect.Severity, minute int) alert.Alert {
	f := wiretest.Finding(finding, severity, session, 1, wiretest.T0.Add(time.Duration(minute)*time.Minute))
	f.EventID = "event of " + id
	return alert.Alert{ID: id, Kind: alert.First, Finding: f}
}

// TestCount holds what an incident knows of its alerts: how many events, from when to
// when, what is sent again and from when on.
func TestCount(t *testing.T) {
	minute := func(n int) time.Time { return wiretest.T0.Add(time.Duration(n) * time.Minute) }
	rolledUp := alertOf("rollup", detect.RootActivity, detect.High, 10)
	rolledUp.Kind, rolledUp.Count, rolledUp.FirstTime, rolledUp.LastTime = alert.RollUp, 3, minute(2), minute(20)
	low, high := alertOf("low", detect.RootActivity, detect.Low, 5), alertOf("high", detect.RootActivity, detect.High, 7)
	undated := alertOf("undated", detect.RootActivity, detect.High, 0)
	undated.Finding.EventTime = time.Time{}
	one, two := alertOf("one", detect.RootMFARemoved, detect.Critical, 30), alertOf("two", detect.RootAccessKeyCreated, detect.Critical, 31)
	for _, tt := range []struct {
		name        string
		alerts      []alert.Alert
		events      int
		first, last time.Time
		finding     string // whose event is sent again
		cycle       int
	}{
		{"one event", []alert.Alert{low}, 1, minute(5), minute(5), "event of low", 0},
		{"the same twice", []alert.Alert{low, low}, 1, minute(5), minute(5), "event of low", 0},
		{"a roll-up", []alert.Alert{rolledUp}, 3, minute(2), minute(20), "event of rollup", 0},
		{"a roll-up about an event before it", []alert.Alert{high, rolledUp}, 4, minute(2), minute(20), "event of high", 0},
		{"an event within a roll-up's time", []alert.Alert{rolledUp, high}, 4, minute(2), minute(20), "event of rollup", 0},
		{"an event later than a roll-up", []alert.Alert{rolledUp, one}, 4, minute(2), minute(30), "event of one", 1},
		{"the most severe", []alert.Alert{low, high}, 2, minute(5), minute(7), "event of high", 0},
		{"the most severe, first", []alert.Alert{high, low}, 2, minute(5), minute(7), "event of high", 0},
		{"what opened the cycle", []alert.Alert{high, one, two}, 3, minute(7), minute(31), "event of one", 1},
	} {
		t.Run(tt.name, func(t *testing.T) {
			store, _, said := entered(t, tt.alerts...)
			all := store.All()
			if len(all) != 1 {
				t.Fatalf("%d incidents", len(all))
			}
			in := &all[0]
			if in.Events != tt.events || !in.First.Equal(tt.first) || !in.Last.Equal(tt.last) || in.Finding.EventID != tt.finding || in.Cycle != tt.cycle {
				t.Errorf("%d events from %v to %v, %q in cycle %d, want %d from %v to %v, %q in cycle %d", in.Events, in.First, in.Last, in.Finding.EventID, in.Cycle,
					tt.events, tt.first, tt.last, tt.finding, tt.cycle)
			}
			if due := in.Due.Sub(minute(60)); (tt.cycle > 0) != (due == 15*time.Minute) || (tt.cycle > 0) == in.Due.IsZero() || !in.Opened.Equal(minute(60)) {
				t.Errorf("opened at %v and due at %v", in.Opened, in.Due)
			}
			last := said[len(said)-1]
			if last.ID != in.ID || last.Events != tt.events || !last.First.Equal(tt.first) || !last.Opened.Equal(in.Opened) || last.AckFlags != "--region us-east-1" {
				t.Errorf("the alert says %+v", last)
			}
		})
	}
	t.Run("an event without a time", func(t *testing.T) {
		store, _, _ := entered(t, undated, low)
		if in := store.All()[0]; in.Events != 2 || !in.First.Equal(minute(5)) || !in.Last.Equal(minute(5)) {
			t.Errorf("%d events from %v to %v", in.Events, in.First, in.Last)
		}
	})
}

// TestCountRemembers holds how many alerts and acknowledgements an incident remembers,
// so that its row stays small.
func TestCountRemembers(t *testing.T) {
	var alerts []alert.Alert
	for i := range 66 {
		alerts = append(alerts, alertOf(fmt.Sprintf("a%02d", i), detect.RootActivity, detect.High, i))
	}
	store, book, _ := entered(t, alerts...)
	if in := store.All()[0]; in.Events != 66 || len(in.Alerts) != 64 || in.Alerts[0] != "a02" || in.Alerts[63] != "a65" {
		t.Errorf("%d events, %d alerts from %s on", in.Events, len(in.Alerts), in.Alerts[0])
	}
	for _, again := range []int{2, 65, 1} { // only the last is forgotten
		if _, err := book.Attach(t.Context(), &alerts[again]); err != nil {
			t.Fatal(err)
		}
	}
	if in := store.All()[0]; in.Events != 67 {
		t.Errorf("%d events, want one that was forgotten to count again", in.Events)
	}

	s := wiretest.NewWatched()
	s.MustHandle(t, s.Removed(0, wiretest.T0, wiretest.T0), "alerted")
	for i := range 18 {
		mine := wiretest.Bob
		mine.By = fmt.Sprintf("op%02d", i)
		if _, _, err := s.Acknowledge(t.Context(), s.Only(t).ID, mine); err != nil {
			t.Fatal(err)
		}
		s.Clock.Advance(24 * time.Hour)
		s.MustHandle(t, s.Removed(i+1, wiretest.T0, s.Clock.Now()), "alerted")
	}
	if in := s.Only(t); len(in.Acks) != 16 || in.Acks[0].By != "op02" || in.Acks[15].By != "op17" || in.Cycle != 19 {
		t.Errorf("%d acknowledgements from %s on, cycle %d", len(in.Acks), in.Acks[0].By, in.Cycle)
	}
}

// TestWhichIncident holds which alerts are of one incident by their session.
func TestWhichIncident(t *testing.T) {
	with := func(id, session string, minute int) alert.Alert {
		a := alertOf(id, detect.RootActivity, detect.High, minute)
		a.Finding.Session = session
		return a
	}
	raised := func(id, subject string, began time.Time, minute int) alert.Alert {
		a := alertOf(id, detect.RootMFAMissing, detect.Critical, minute)
		a.Finding.EventName, a.Finding.Subject = "", detect.Subject{ID: subject, Began: began}
		return a
	}
	for _, tt := range []struct {
		name string
		a, b alert.Alert
		same bool
	}{
		{"a session that says when it began", with("a", "p@2025-03-01T12:00:00Z", 0), with("b", "p@2025-03-01T12:00:00Z", 600), true},
		{"one that began a second later", with("a", "p@2025-03-01T12:00:00Z", 0), with("b", "p@2025-03-01T12:00:01Z", 0), false},
		{"another's that began at the same time", with("a", "p@2025-03-01T12:00:00Z", 0), with("b", "q@2025-03-01T12:00:00Z", 0), false},
		{"one whose beginning is no time", with("a", "p@noon", 0), with("b", "p@noon", 1), true},
		{"one whose beginning is no time, later", with("a", "p@noon", 0), with("b", "p@noon", 2), false},
		{"one whose beginning is of no clock", with("a", "p@9999-03-01T12:00:00Z", 0), with("b", "p@9999-03-01T12:00:00Z", 2), false},
		{"one that says nothing", with("a", "p", 0), with("b", "p", 1), true},
		{"one that says nothing, later", with("a", "p", 0), with("b", "p", 2), false},
		{"one that says nothing, and one that began then", with("a", "p", 0), with("b", "p@2025-03-01T12:01:00Z", 90), true},
		{"a key's day", with("a", "p#AKIA", 0), with("b", "p#AKIA", 11*60+59), true},
		{"a key's next day", with("a", "p#AKIA", 0), with("b", "p#AKIA", 12*60), false},
		{"events of no session", with("a", "", 0), with("b", "", 0), false},
		{"one subject", raised("a", "s", wiretest.T0, 0), raised("b", "s", wiretest.T0, 600), true},
		{"one subject of no time, at the same time", raised("a", "s", time.Time{}, 0), raised("b", "s", time.Time{}, 0), true},
		{"two subjects", raised("a", "s", wiretest.T0, 0), raised("b", "u", wiretest.T0, 0), false},
	} {
		for _, order := range [][]alert.Alert{{tt.a, tt.b}, {tt.b, tt.a}} {
			store, _, _ := entered(t, order...)
			if n := len(store.All()); (n == 1) != tt.same {
				t.Errorf("%s: %d incidents", tt.name, n)
			}
		}
	}
	if store, _, said := entered(t, alertOf("a", detect.UserCreated, detect.High, 0)); len(store.All()) != 0 || said[0] != nil {
		t.Errorf("an alert of no incident: %+v", said[0])
	}
	if store, _, said := entered(t, alertOf("a", detect.UserAdminGranted, detect.Critical, 0)); len(store.All()) != 1 || said[0] == nil {
		t.Error("a critical alert of a user is no incident")
	}
}

// TestBatchOfSeveralAccounts holds of which account the one note is.
func TestBatchOfSeveralAccounts(t *testing.T) {
	s := wiretest.NewWatched()
	ids := s.Opened(t, 2)
	f := wiretest.Finding(detect.RootMFARemoved, detect.Critical, "210987654321@2025-03-01T12:00:00Z", 9, wiretest.T0)
	f.Account = "210987654321"
	s.MustHandle(t, s.Record(f), "alerted")
	for _, in := range s.Incidents.All() {
		if in.Account == f.Account {
			ids = append(ids, in.ID)
		}
	}
	given, err := s.AcknowledgeAll(t.Context(), ids, wiretest.Bob, "999999999999")
	if err != nil || len(given) != 3 {
		t.Fatalf("%+v, %v", given, err)
	}
	note := s.Last().Finding
	if note.Account != "999999999999" || note.Title != "3 incidents acknowledged together" {
		t.Errorf("the note is of account %s: %s", note.Account, note.Title)
	}
	at := -1
	for _, id := range ids { // those of an account together, by when they began
		next := strings.Index(note.Detail, id)
		if next <= at {
			t.Errorf("%s is out of order in %s", id, note.Detail)
		}
		at = next
	}
}

// TestWrittenIsBounded holds how much of what anyone wrote into the table is taken.
func TestWrittenIsBounded(t *testing.T) {
	long := strings.Repeat("é", 250)
	for _, tt := range []struct{ by, note, wantBy, wantNote string }{
		{"carol", "mine", "carol", "mine"},
		{" \n", "\t", "an operator", "(none)"},
		{"ca\xffrol  of\nops", long, "carol of ops", long[:400]},
	} {
		s := wiretest.NewWatched()
		s.Incidents.Write(s.Opened(t, 1)[0], tt.by, tt.note)
		s.MustRenotify(t, incident.Renotified{})
		if in := s.Only(t); in.Ack == nil || in.Ack.By != tt.wantBy || in.Ack.Note != tt.wantNote || in.Ack.Actor.Name != tt.wantBy || !in.Ack.At.Equal(s.Clock.Now()) {
			t.Errorf("%q, %q is taken as %+v", tt.by, tt.note, in.Ack)
		}
	}
}

// usersAlert is an alert about users of the account; those whose name begins with a
// hyphen are resolved.
func usersAlert(id string, users ...string) alert.Alert {
	a := alert.Alert{ID: id, Kind: alert.Summarized, Summary: &alert.Summary{AccountCount: 1, FindingCount: len(users)}}
	of := alert.SummaryAccount{Account: wiretest.Account}
	var all []detect.Finding
	for _, user := range users {
		name, resolved := strings.CutPrefix(user, "-")
		stage := alert.StageReminder
		if resolved {
			stage = alert.StageResolved
		}
		it, finding := withoutMFA(wiretest.Account, name, stage, wiretest.T0)
		of.Findings = append(of.Findings, it)
		all = append(all, finding)
	}
	a.Summary.Accounts = []alert.SummaryAccount{of}
	a.Finding = detect.Summed("users/"+id, all)
	return a
}

// TestUsersAlertAgain: an alert that one receiver has late changes nothing of what came
// since.
func TestUsersAlertAgain(t *testing.T) {
	for name, tt := range map[string]struct {
		alerts []alert.Alert
		users  []string
		over   bool
	}{
		"one of two is resolved":           {[]alert.Alert{usersAlert("1", "x", "y"), usersAlert("2", "-x")}, []string{"y"}, false},
		"and both are reported again":      {[]alert.Alert{usersAlert("1", "x", "y"), usersAlert("2", "-x"), usersAlert("1", "x", "y")}, []string{"y"}, false},
		"and the other is resolved":        {[]alert.Alert{usersAlert("1", "x", "y"), usersAlert("2", "-x"), usersAlert("1", "x", "y"), usersAlert("3", "-y")}, nil, true},
		"all that is over, again":          {[]alert.Alert{usersAlert("1", "x"), usersAlert("2", "-x"), usersAlert("1", "x")}, nil, true},
		"resolved, reported, and resolved": {[]alert.Alert{usersAlert("1", "x", "y"), usersAlert("2", "-x"), usersAlert("3", "x"), usersAlert("2", "-x")}, []string{"x", "y"}, false},
		"known by name alone at first":     {[]alert.Alert{usersAlert("1", "", "y"), usersAlert("2", "-x")}, []string{"y"}, false},
		"another one, known by name alone": {[]alert.Alert{usersAlert("1", "x", "y"), usersAlert("2", "-")}, []string{"x", "y"}, false},
		"resolved in the same":             {[]alert.Alert{usersAlert("1", "x", "y", "-x")}, []string{"y"}, false},
	} {
		store, _, said := entered(t, tt.alerts...)
		in := store.All()[0]
		if slices.Sort(in.Users); !slices.Equal(in.Users, tt.users) || (in.Ack != nil) != tt.over {
			t.Errorf("%s: about %q, over %v, want %q, %v", name, in.Users, in.Ack != nil, tt.users, tt.over)
		}
		for i, a := range tt.alerts {
			if a.Summary.AckFlags != "--region us-east-1" || said[i] == nil || said[i].ID != in.ID {
				t.Errorf("%s: alert %d is acknowledged with %q, and is of %+v", name, i, a.Summary.AckFlags, said[i])
			}
		}
	}
}

// TestUsersIncidentNames: the incident of one user is named after the user, that of more
// after how many they are.
func TestUsersIncidentNames(t *testing.T) {
	for name, tt := range map[string]struct{ users, title string }{
		"one": {"x", "IAM user still without MFA, reminder 3 of 3: eve"},
		"two": {"x y", "2 IAM users still without MFA, last reminder"},
	} {
		store, _, _ := entered(t, usersAlert("1", strings.Fields(tt.users)...))
		if got := store.All()[0].Finding.Title; got != tt.title {
			t.Errorf("%s: %q, want %q", name, got, tt.title)
		}
	}
}

// TestNothingIsStoredTwice: what is done again writes no row.
func TestNothingIsStoredTwice(t *testing.T) {
	for name, again := range map[string]func(t *testing.T, s *wiretest.Watched, id string){
		"an alert": func(t *testing.T, s *wiretest.Watched, _ string) {
			t.Helper()
			all := s.Receivers.Published()
			book := incident.NewBook(s.Incidents, s.Clock.Now, incident.Settings{})
			if in, err := book.Attach(t.Context(), &all[0]); err != nil || in == nil {
				t.Errorf("attached: %+v, %v", in, err)
			}
		},
		"an acknowledgement": func(t *testing.T, s *wiretest.Watched, id string) { t.Helper(); s.MustAcknowledge(t, id, true) },
		"one that is written by hand": func(t *testing.T, s *wiretest.Watched, id string) {
			t.Helper()
			s.Incidents.Write(id, "alice", "")
			s.MustRenotify(t, incident.Renotified{})
		},
		"a run": func(t *testing.T, s *wiretest.Watched, _ string) {
			t.Helper()
			s.MustRenotify(t, incident.Renotified{})
		},
	} {
		s := wiretest.NewWatched()
		id := s.Opened(t, 1)[0]
		s.MustAcknowledge(t, id, false)
		before := s.Incidents.Stored()
		if before == 0 {
			t.Fatal("nothing is stored at all")
		}
		if again(t, s, id); s.Incidents.Stored() != before {
			t.Errorf("%s: stored %d times more", name, s.Incidents.Stored()-before)
		}
	}
}

// TestNewCycleHasNotFailed: what could not be sent before an incident is opened again
// delays nothing after it.
func TestNewCycleHasNotFailed(t *testing.T) {
	s := wiretest.NewWatched()
	id := s.Opened(t, 1)[0]
	s.Receivers.Refuse = func(alert.Alert) error { return errors.New("the topic is down") }
	for range 3 {
		s.Clock.Advance(time.Hour)
		_, _ = s.Renotify(t.Context(), s.Clock.Now())
	}
	_, _, _ = s.Acknowledge(t.Context(), id, wiretest.Bob)
	_, _ = s.Renotify(t.Context(), s.Clock.Now())
	if in := s.Only(t); in.Failures == 0 {
		t.Fatalf("no failure is on record: %+v", in)
	}
	s.Receivers.Refuse = nil
	s.MustHandle(t, s.Removed(1, wiretest.T0, wiretest.T0.Add(2*time.Hour)), guard.Alerted)
	if in := s.Only(t); in.Failures != 0 || in.Resent != 0 || in.Cycle != 2 || !in.Due.Equal(s.Clock.Now().Add(15*time.Minute)) {
		t.Errorf("cycle %d, sent again %d times, %d failures, due at %v", in.Cycle, in.Resent, in.Failures, in.Due)
	}
}
