package incident_test

import (
	"errors"
	"fmt"
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
				if due, err := s.Ledger.Due(t.Context(), s.Clock.Now(), 10); len(due) != 0 || err != nil {
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
		due := detect.MFADue{At: wiretest.T0, Reminder: 3, Reminders: 3}
		it := alert.SummaryItem{Finding: detect.UserMFAMissing, Severity: detect.Critical, Stage: alert.StageReminder, At: wiretest.T0,
			User: "eve", UserID: "AIDA" + account, MFADue: due}
		sum.Accounts = append(sum.Accounts, alert.SummaryAccount{Account: account, Findings: []alert.SummaryItem{it}})
		all = append(all, detect.Listed(it.Finding, account, detect.Target{UserName: it.User, UserID: it.UserID}, due, false, it.At))
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

// TestResolvedBeginsAgain: the incident of an account's users remembers when it was
// resolved before, for as many times as an incident keeps.
func TestResolvedBeginsAgain(t *testing.T) {
	s := wiretest.NewWatched()
	report := func(n int, stage alert.Stage, severity detect.Severity) {
		t.Helper()
		due := detect.MFADue{At: wiretest.T0, Reminder: 3, Reminders: 3}
		it := alert.SummaryItem{Finding: detect.UserMFAMissing, Severity: severity, Stage: stage, At: s.Clock.Now(), User: "eve", UserID: "AIDAEVE", MFADue: due}
		all := []detect.Finding{detect.Listed(it.Finding, wiretest.Account, detect.Target{UserName: it.User, UserID: it.UserID}, due, stage == alert.StageResolved, it.At)}
		sum := alert.Summary{AccountCount: 1, FindingCount: 1, Accounts: []alert.SummaryAccount{{Account: wiretest.Account, Findings: []alert.SummaryItem{it}}}}
		if _, err := s.Send(t.Context(), guard.Notice{Finding: detect.Summed(fmt.Sprintf("users/%d/%s", n, wiretest.Account), all), Kind: alert.Summarized, Summary: &sum}); err != nil {
			t.Fatal(err)
		}
		s.Clock.Advance(24 * time.Hour)
	}
	for n := range 20 {
		report(2*n, alert.StageReminder, detect.Critical)
		in := s.Only(t)
		if want := min(n, 16); in.Ack != nil || len(in.Acks) != want || in.Reopened != nil || in.Events != 1 || !in.First.Equal(in.Last) {
			t.Fatalf("reported %d times: acknowledged by %+v, before by %d, want %d; reopened %v, %d events since %s", n+1, in.Ack, len(in.Acks), want, in.Reopened, in.Events, in.First)
		}
		report(2*n+1, alert.StageResolved, detect.Info)
		if in = s.Only(t); in.Ack == nil || !in.Ack.Notified || !in.Due.IsZero() {
			t.Fatalf("resolved %d times: acknowledged by %+v, due %s", n+1, in.Ack, in.Due)
		}
		s.MustRenotify(t, incident.Renotified{}) // no one needs a note that it is over
	}
}

// TestNoteOfAcknowledgementIsTriedSoon: the note of an acknowledgement, given by the command
// or in the table, that does not go out has failed once at most, so that the back-off is short.
func TestNoteOfAcknowledgementIsTriedSoon(t *testing.T) {
	for name, tt := range map[string]struct {
		acknowledge func(s *wiretest.Watched, id string)
		failures    int
	}{
		"by the command": {func(s *wiretest.Watched, id string) { _, _, _ = s.Acknowledge(t.Context(), id, wiretest.Bob) }, 0},
		"in the table": {func(s *wiretest.Watched, id string) {
			s.Incidents.Write(id, "alice", "")
			_, _ = s.Renotify(t.Context(), s.Clock.Now())
		}, 1},
	} {
		s := wiretest.NewWatched()
		id := s.Opened(t, 1)[0]
		s.Receivers.Refuse = func(alert.Alert) error { return errors.New("the topic is down") }
		tt.acknowledge(s, id)
		if in := s.Only(t); in.Ack == nil || in.Ack.Notified || in.Due.IsZero() || in.Failures != tt.failures {
			t.Errorf("%s: acknowledged by %+v, due %s, %d failures, want %d", name, in.Ack, in.Due, in.Failures, tt.failures)
		}
	}
}

// TestOneResendAlone: a cycle of one resend has that one.
func TestOneResendAlone(t *testing.T) {
	s := wiretest.NewWatched(func(w *wire.Settings) { w.Resend = []time.Duration{15 * time.Minute} })
	s.Opened(t, 1)
	s.Clock.Advance(16 * time.Minute)
	s.MustRenotify(t, incident.Renotified{Resent: 1})
	s.Clock.Advance(24 * time.Hour)
	s.MustRenotify(t, incident.Renotified{})
}

// TestCuredIsResolved: the end of what a live check found settles its incident without an
// acknowledgement, and the end of another leaves it open.
func TestCuredIsResolved(t *testing.T) {
	s := wiretest.NewWatched()
	send := func(f detect.Finding) {
		t.Helper()
		if _, err := s.Send(t.Context(), guard.Notice{Finding: f}); err != nil {
			t.Fatal(err)
		}
		s.Clock.Advance(time.Minute)
	}
	began := s.Clock.Now()
	removed := detect.RootLive(detect.RootMFARemoved, wiretest.Account, began)
	send(removed)
	send(detect.RootCured(detect.RootLive(detect.RootMFARemoved, wiretest.Account, began.Add(-time.Hour)), s.Clock.Now()))
	if in := s.Only(t); in.Ack != nil || in.Due.IsZero() {
		t.Fatalf("the end of another: acknowledged by %+v, due %s", in.Ack, in.Due)
	}
	send(detect.RootCured(removed, s.Clock.Now()))
	in := s.Only(t)
	if in.Ack == nil || in.Ack.Actor.Name != "rootguard" || in.Ack.Note == "" || !in.Due.IsZero() {
		t.Errorf("cured: acknowledged by %+v, due %s", in.Ack, in.Due)
	}
	s.Clock.Advance(24 * time.Hour)
	s.MustRenotify(t, incident.Renotified{})
}
