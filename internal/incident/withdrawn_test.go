package incident_test

import (
	"errors"
	"slices"
	"testing"
	"time"

	"rootguard/internal/alert"
	"rootguard/internal/collection"
	"rootguard/internal/detect"
	"rootguard/internal/fake"
	"rootguard/internal/guard"
	"rootguard/internal/incident"
	"rootguard/internal/wire"
	"rootguard/internal/wiretest"
)

// listed are the incidents that an alert sends again.
func listed(a *alert.Alert) (ids []string) {
	if a.Summary == nil {
		return []string{a.Incident.ID}
	}
	for _, of := range a.Summary.Accounts {
		for _, it := range of.Findings {
			ids = append(ids, it.Incident)
		}
	}
	return ids
}

// interrupted has n incidents whose resend is due, collected, and was not taken by the
// topics that an error says.
func interrupted(t *testing.T, n int, err error) (s *wiretest.Watched, ids []string) {
	t.Helper()
	s = wiretest.NewWatched()
	ids = s.Opened(t, n)
	s.Clock.Advance(15 * time.Minute)
	refused := 0
	s.Receivers.Refuse = func(alert.Alert) error { refused++; return err }
	if _, sendErr := s.Renotify(t.Context(), s.Clock.Now()); !errors.Is(sendErr, err) || refused == 0 {
		t.Fatalf("%d alerts were refused: %v", refused, sendErr)
	}
	s.Receivers.Refuse = nil
	s.Clock.Advance(3 * time.Minute)
	return s, ids
}

// resends are the incidents of each alert that sends some again, in any order.
func resends(s *wiretest.Watched) (sent [][]string) {
	for _, a := range s.Receivers.Published() {
		if a.Kind == alert.Resend {
			sent = append(sent, listed(&a))
		}
	}
	return sent
}

func wantResends(t *testing.T, s *wiretest.Watched, want ...[]string) {
	t.Helper()
	got := resends(s)
	if !slices.EqualFunc(got, want, func(got, want []string) bool {
		return slices.Equal(slices.Sorted(slices.Values(got)), slices.Sorted(slices.Values(want)))
	}) {
		t.Errorf("sent again: %v, want %v", got, want)
	}
}

func renotified(t *testing.T, s *wiretest.Watched) {
	t.Helper()
	if _, err := s.Renotify(t.Context(), s.Clock.Now()); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Flush(t.Context(), s.Clock.Now()); err != nil {
		t.Fatal(err)
	}
}

var (
	errRefused = errors.New("no topic takes it")
	errPartly  = &guard.Partial{DeliveredTo: []string{"alerts"}, Err: errors.New("escalation: throttled")}
)

// TestAcknowledgedWhileItWaits holds that an acknowledgement stops a resend that was
// interrupted before it, whether no topic has it or only some, and no other one.
func TestAcknowledgedWhileItWaits(t *testing.T) {
	for name, err := range map[string]error{"no topic has it": errRefused, "one topic has it": errPartly} {
		t.Run(name, func(t *testing.T) {
			t.Run("the only one", func(t *testing.T) {
				s, ids := interrupted(t, 1, err)
				s.MustAcknowledge(t, ids[0], false)
				renotified(t, s)
				s.Clock.Advance(100 * time.Hour)
				renotified(t, s)
				wantResends(t, s)
				if due, err := s.Claims.Due(t.Context(), s.Clock.Now(), 10); len(due) != 0 || err != nil {
					t.Errorf("still to be sent: %+v, %v", due, err)
				}
			})
			t.Run("the first of two", func(t *testing.T) {
				s, ids := interrupted(t, 2, err)
				s.MustAcknowledge(t, ids[0], false)
				renotified(t, s)
				wantResends(t, s, ids[1:])
			})
			t.Run("one of four", func(t *testing.T) {
				s, ids := interrupted(t, 4, err)
				s.MustAcknowledge(t, ids[2], false)
				renotified(t, s)
				wantResends(t, s, []string{ids[0], ids[1], ids[3]})
			})
			t.Run("all of four but one", func(t *testing.T) {
				s, ids := interrupted(t, 4, err)
				for _, id := range ids[:3] {
					s.MustAcknowledge(t, id, false)
				}
				renotified(t, s)
				wantResends(t, s, ids[3:])
				for _, a := range s.Receivers.Published() {
					if a.Kind == alert.Resend && (a.Summary != nil || a.Incident == nil || a.Incident.Repeat != 1) {
						t.Errorf("the one that is left comes as %+v, %+v", a.Incident, a.Summary)
					}
				}
			})
			t.Run("put off", func(t *testing.T) {
				s, ids := interrupted(t, 2, err)
				later := wiretest.Bob
				later.Until = s.Clock.Now().Add(10 * time.Hour)
				if _, _, err := s.Acknowledge(t.Context(), ids[1], later); err != nil {
					t.Fatal(err)
				}
				renotified(t, s)
				wantResends(t, s, ids[:1])
			})
			t.Run("opened again", func(t *testing.T) {
				s, ids := interrupted(t, 1, err)
				s.MustAcknowledge(t, ids[0], false)
				s.MustHandle(t, s.Removed(9, wiretest.T0, wiretest.T0.Add(time.Hour)), guard.Alerted)
				renotified(t, s)
				wantResends(t, s) // of the cycle that was acknowledged
				s.Clock.Advance(15 * time.Minute)
				renotified(t, s)
				wantResends(t, s, ids)
			})
			t.Run("none", func(t *testing.T) { // the near-miss
				s, ids := interrupted(t, 4, err)
				renotified(t, s)
				wantResends(t, s, ids)
			})
		})
	}
}

// TestResendBeforeTheUpgrade: a resend that was collected before its round was stored
// with it is stopped by an acknowledgement, and sent without.
func TestResendBeforeTheUpgrade(t *testing.T) {
	s := wiretest.NewWatched()
	ids := s.Opened(t, 1)
	book := incident.NewBook(s.Incidents, s.Clock.Now, incident.Settings{})
	wanted := func(id string, cycle int) bool {
		t.Helper()
		some, err := book.Unacknowledged(t.Context(), []collection.Resend{{Incident: id, Cycle: cycle}})
		if err != nil || len(some) != 1 {
			t.Fatalf("%v, %v", some, err)
		}
		return some[0]
	}
	for cycle, want := range map[int]bool{0: true, 1: true, 2: false} {
		if got := wanted(ids[0], cycle); got != want {
			t.Errorf("of round %d before: %v", cycle, got)
		}
	}
	s.MustAcknowledge(t, ids[0], false)
	for cycle := range 3 {
		if wanted(ids[0], cycle) {
			t.Errorf("of round %d after", cycle)
		}
	}
	if !wanted("00000-00000", 1) {
		t.Error("one that is not on record is not sent")
	}
}

// TestIncidentsCannotBeRead: where it cannot be known whether they were acknowledged,
// resends wait until it can.
func TestIncidentsCannotBeRead(t *testing.T) {
	s, ids := interrupted(t, 2, errRefused)
	s.MustAcknowledge(t, ids[0], false)
	s.Script.Fail("Incidents.Find", 1)
	if _, err := s.Renotify(t.Context(), s.Clock.Now()); !errors.Is(err, fake.ErrFault) {
		t.Errorf("renotifying: %v", err)
	}
	wantResends(t, s)
	renotified(t, s)
	wantResends(t, s, ids[1:])
	s.MustRenotify(t, incident.Renotified{})
}

// TestReportedIsTheDesksToSay: who acknowledges cannot say that the note went out.
func TestReportedIsTheDesksToSay(t *testing.T) {
	s := wiretest.NewWatched()
	ids := s.Opened(t, 1)
	ack := wiretest.Bob
	ack.Notified = true
	if _, _, err := s.Acknowledge(t.Context(), ids[0], ack); err != nil {
		t.Fatal(err)
	}
	if notes := s.Notes(); len(notes) != 1 {
		t.Errorf("notes: %v", notes)
	}
}

// TestSummaryNamesItsIncidents: a mail about users of two accounts names the incident of
// each, under which it is stored for as long as there are tables.
func TestSummaryNamesItsIncidents(t *testing.T) {
	s := wiretest.NewWatched(func(w *wire.Settings) { w.AckFlags = "--region us-east-1" })
	sum := alert.Summary{AccountCount: 2, FindingCount: 2}
	var all []detect.Finding
	for _, account := range []string{"111111111111", "222222222222"} {
		it, finding := withoutMFA(account, "AIDA"+account, alert.StageReminder, wiretest.T0)
		sum.Accounts = append(sum.Accounts, alert.SummaryAccount{Account: account, Findings: []alert.SummaryItem{it}})
		all = append(all, finding)
	}
	if _, err := s.Send(t.Context(), guard.Notice{Finding: detect.Summed("users/1/111111111111", all), Kind: alert.Summarized,
		Summary: &sum}); err != nil {
		t.Fatal(err)
	}
	stored := s.Incidents.All()
	sent := s.Last().Summary.Accounts
	if len(stored) != 2 || len(sent) != 2 {
		t.Fatalf("%d incidents of %d accounts", len(stored), len(sent))
	}
	if in := s.Last().Incident; in != nil {
		t.Errorf("a mail about two accounts is of incident %+v", in)
	}
	if flags := s.Last().Summary.AckFlags; flags != "--region us-east-1" {
		t.Errorf("acknowledged with %q", flags)
	}
	for _, in := range stored {
		i := slices.IndexFunc(sent, func(of alert.SummaryAccount) bool { return of.Account == in.Account })
		if sent[i].Incident != in.ID || in.Key != in.Account+"/2000-01-01T00:00:00Z/"+in.ID {
			t.Errorf("the mail names %q of account %s, and %q is stored as %s", sent[i].Incident, in.Account, in.ID, in.Key)
		}
	}
}
