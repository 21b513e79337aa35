package guard_test

import (
	"errors"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"rootguard/internal/alert"
	"rootguard/internal/fake"
	"rootguard/internal/guard"
	"rootguard/internal/incident"
	"rootguard/internal/wire"
)

// opened has n incidents, the alerts of which are sent.
func (s *watched) opened(t *testing.T, n int) (ids []string) {
	t.Helper()
	for i := range n {
		s.handle(t, s.removed(i, t0.Add(time.Duration(i)*time.Hour), t0), guard.Alerted)
	}
	for _, in := range s.all(t) {
		ids = append(ids, in.ID)
	}
	return ids
}

// notes are the titles of what was sent about acknowledgements.
func (s *watched) notes() (titles []string) {
	for _, a := range s.pub.Published() {
		if a.Finding.ID == "incident.acknowledged" {
			titles = append(titles, a.Finding.Title)
		}
	}
	return titles
}

// TestAcknowledgeAll holds that several incidents are acknowledged with one note, and
// that what cannot be acknowledged keeps no other back.
func TestAcknowledgeAll(t *testing.T) {
	s := newWatched()
	ids := s.opened(t, 3)
	first := bob
	first.By = "alice"
	if _, _, err := s.Acknowledge(t.Context(), ids[1], first); err != nil {
		t.Fatal(err)
	}
	before := len(s.notes())
	given, err := s.AcknowledgeAll(t.Context(), append(ids, "00000-00000"), bob, "999999999999")
	if err != nil {
		t.Fatal(err)
	}
	for i, g := range given {
		want := incident.Given{ID: g.ID, Already: i == 1}
		if g.Already != want.Already || (i == 3) != errors.Is(g.Err, incident.ErrNoIncident) || i == 1 && g.Incident.Ack.By != "alice" {
			t.Errorf("incident %d: %+v", i, g)
		}
	}
	if got := s.notes()[before:]; !slices.Equal(got, []string{"2 incidents acknowledged together"}) {
		t.Errorf("notes: %q", got)
	}
	note := s.pub.Published()[len(s.pub.Published())-1]
	for _, want := range []string{ids[0], ids[2], "By bob; note: it was me, OPS-17.", "account " + account} {
		if !strings.Contains(note.Finding.Detail, want) {
			t.Errorf("the note does not say %q: %s", want, note.Finding.Detail)
		}
	}
	if strings.Contains(note.Finding.Detail, ids[1]) || note.Finding.Account != account || !alert.Escalates(note) {
		t.Errorf("the note: %+v", note.Finding)
	}
	s.clock.Advance(100 * time.Hour)
	s.renotify(t, incident.Renotified{})
	for _, in := range s.all(t) {
		if in.Ack == nil || !in.Ack.Notified || !in.Due.IsZero() {
			t.Errorf("left: %+v", in)
		}
	}
	// Nothing is left of it: no note.
	if given, err := s.AcknowledgeAll(t.Context(), ids, bob, account); err != nil || !given[0].Already || len(s.notes()) != before+1 {
		t.Errorf("again: %+v, %v, %q", given, err, s.notes())
	}
	if _, err := s.AcknowledgeAll(t.Context(), make([]string, incident.BatchLimit+1), bob, account); err == nil {
		t.Error("more than one note can be about are taken")
	}
}

// TestBatchFaults makes every call of acknowledging several go wrong in every way.
// The note comes, about all that were acknowledged, at most once more than it should.
func TestBatchFaults(t *testing.T) {
	for _, fault := range []fake.Fault{fake.FailBefore, fake.FailAfter, fake.CrashBefore, fake.CrashAfter} {
		for call := 1; ; call++ {
			s := newWatched()
			ids := s.opened(t, 3)
			begun := len(s.script.Calls())
			s.script.Inject(begun+call, fault)
			given, err := s.AcknowledgeAll(t.Context(), ids, bob, account)
			calls := len(s.script.Calls())
			s.script.Restart()
			acked := 0
			for _, in := range s.all(t) {
				if in.Ack != nil {
					acked++
				}
			}
			// The command is not run again: the sweep does what it left.
			s.clock.Advance(9 * time.Minute)
			s.renotify(t, incident.Renotified{})
			for range 3 {
				s.clock.Advance(s.settings.Lease + 2*time.Minute)
				if _, err := s.Renotify(t.Context(), s.clock.Now()); err != nil {
					t.Errorf("%v at call %d: %v", fault, call, err)
				}
			}
			ran := calls-begun < call
			if ran && (err != nil || acked != 3) {
				t.Errorf("without a fault: %+v, %v", given, err)
			}
			notes := s.notes()
			if n := len(slices.Compact(slices.Clone(notes))); acked > 0 && (n != 1 || len(notes) > 2) || acked == 0 && n > 0 {
				t.Errorf("%v at call %d: %d acknowledged, notes %q", fault, call, acked, notes)
			}
			for _, in := range s.all(t) {
				if in.Ack != nil && (!in.Ack.Notified || !in.Due.IsZero()) {
					t.Errorf("%v at call %d left %+v", fault, call, in)
				}
			}
			if ran {
				if call < 12 {
					t.Errorf("there were only %d calls", call)
				}
				break
			}
		}
	}
}

// TestTwoAcknowledgeAtOnce holds that of many who acknowledge at once one is first, and
// that each other is told who, without an error.
func TestTwoAcknowledgeAtOnce(t *testing.T) {
	s := newWatched()
	id := s.opened(t, 1)[0]
	var wg sync.WaitGroup
	var mu sync.Mutex
	first, by := 0, map[string]bool{}
	for _, name := range []string{"alice", "bob", "cho", "dan"} {
		wg.Go(func() {
			mine := bob
			mine.By = name
			in, already, err := s.Acknowledge(t.Context(), id, mine)
			mu.Lock()
			defer mu.Unlock()
			if err != nil || in.Ack == nil {
				t.Errorf("%s: %+v, %v", name, in.Ack, err)
				return
			}
			if by[in.Ack.By] = true; !already {
				first++
			}
		})
	}
	wg.Wait()
	if first != 1 || len(by) != 1 || len(s.notes()) != 1 {
		t.Errorf("%d were first, told of %v, notes %q", first, by, s.notes())
	}
}

// TestSnooze holds that a snoozed incident is quiet until its time, is then sent
// again until someone acknowledges it, and that another critical alert ends the snooze.
func TestSnooze(t *testing.T) {
	s := newWatched(func(w *wire.Settings) { w.AckFlags = "--region us-east-1" })
	id := s.opened(t, 1)[0]
	s.clock.Advance(15 * time.Minute)
	s.renotify(t, incident.Renotified{Resent: 1})
	snooze := bob
	snooze.Until = s.clock.Now().Add(8 * time.Hour)
	in, already, err := s.Acknowledge(t.Context(), id, snooze)
	if err != nil || already || in.Ack != nil || in.Snooze == nil || !in.Due.Equal(snooze.Until) {
		t.Fatalf("snoozed: %+v, %v, %v", in, already, err)
	}
	if got := s.notes(); !slices.Equal(got, []string{"Incident snoozed: " + id}) {
		t.Errorf("notes: %q", got)
	}
	s.clock.Advance(8*time.Hour - time.Second)
	s.renotify(t, incident.Renotified{})
	s.clock.Advance(time.Second)
	n := len(s.lines())
	s.renotify(t, incident.Renotified{Resent: 1})
	s.renotify(t, incident.Renotified{})
	s.clock.Advance(15 * time.Minute)
	s.renotify(t, incident.Renotified{Resent: 1})
	again := s.pub.Published()[n:]
	if again[0].Finding.Title != "root.mfa.removed (repeat 1 of 3)" || again[1].Finding.Title != "root.mfa.removed (repeat 2 of 3)" ||
		!strings.Contains(alert.Text(again[0]), "snoozed by bob until Sat 2025-03-01 ") ||
		!strings.Contains(alert.Text(again[0]), "rootguard ack "+id+" --region us-east-1 --note ") {
		t.Errorf("after the snooze:\n%s", alert.Text(again[0]))
	}

	// Once more, and something critical happens in it.
	snooze.Until = s.clock.Now().Add(8 * time.Hour)
	if in, _, err = s.Acknowledge(t.Context(), id, snooze); err != nil || !in.Due.Equal(snooze.Until) || len(s.notes()) != 2 {
		t.Fatalf("snoozed again: %+v, %v, %q", in, err, s.notes())
	}
	s.handle(t, s.removed(1, t0, t0.Add(time.Minute)), guard.Alerted)
	if in = s.only(t); in.Snooze != nil || !in.Due.Equal(s.clock.Now().Add(15*time.Minute)) {
		t.Errorf("after another critical alert: %+v", in)
	}
	s.clock.Advance(15 * time.Minute)
	s.renotify(t, incident.Renotified{Resent: 1})

	// Acknowledging ends it, and it can be snoozed no more.
	if in, _, err = s.Acknowledge(t.Context(), id, bob); err != nil || in.Ack == nil || in.Snooze != nil {
		t.Errorf("acknowledged: %+v, %v", in, err)
	}
	if _, already, err = s.Acknowledge(t.Context(), id, snooze); err != nil || !already {
		t.Errorf("snoozing what is acknowledged: %v, %v", already, err)
	}
	s.clock.Advance(100 * time.Hour)
	s.renotify(t, incident.Renotified{})
}

// TestSnoozeWithoutResends holds that a snooze counts where nothing else is sent again,
// and where the command died before its note.
func TestSnoozeWithoutResends(t *testing.T) {
	s := newWatched(func(w *wire.Settings) { w.Resend = []time.Duration{} })
	id := s.opened(t, 1)[0]
	s.pub.Refuse = func(alert.Alert) error { return errors.New("the topic is down") }
	snooze := bob
	snooze.Until = s.clock.Now().Add(time.Hour)
	if _, _, err := s.Acknowledge(t.Context(), id, snooze); err == nil {
		t.Fatal("the note went out though the topic is down")
	}
	s.pub.Refuse = nil
	s.clock.Advance(s.settings.Lease + time.Second)
	s.renotify(t, incident.Renotified{Noted: 1})
	s.renotify(t, incident.Renotified{})
	s.clock.Advance(time.Hour)
	s.renotify(t, incident.Renotified{Resent: 1})
	s.clock.Advance(time.Hour)
	s.renotify(t, incident.Renotified{})
}

// TestWrittenByHand holds that what was written into the table by hand counts once,
// whatever call of the run that takes it goes wrong.
func TestWrittenByHand(t *testing.T) {
	for _, fault := range []fake.Fault{fake.FailBefore, fake.FailAfter, fake.CrashBefore, fake.CrashAfter} {
		for call := 1; ; call++ {
			s := newWatched()
			id := s.opened(t, 1)[0]
			s.incidents.Write(id, " Alice\n", "")
			s.incidents.Write("00000-00000", "Mallory", "no such incident")
			begun := len(s.script.Calls())
			s.script.Inject(begun+call, fault)
			_, _ = s.Renotify(t.Context(), s.clock.Now())
			ran := len(s.script.Calls())-begun < call
			s.script.Restart()
			// Another alert opens it again before the next run.
			opened := s.only(t).Ack != nil
			s.handle(t, s.removed(1, t0, t0.Add(time.Minute)), guard.Alerted)
			s.clock.Advance(5 * time.Minute)
			_, _ = s.Renotify(t.Context(), s.clock.Now())
			in := s.only(t)
			given := append(slices.Clone(in.Acks), incident.Ack{})[0]
			if in.Ack != nil {
				given = *in.Ack
			}
			if given.By != "Alice" || given.Note != "(none)" || opened == (in.Ack != nil) {
				t.Errorf("%v at call %d: acknowledged before %v, now %+v", fault, call, opened, in)
			}
			if left, err := s.incidents.Written(t.Context(), 10); len(left) != 0 || err != nil {
				t.Errorf("%v at call %d: still written: %+v, %v", fault, call, left, err)
			}
			if ran {
				break
			}
		}
	}
	s := newWatched()
	id := s.opened(t, 1)[0]
	s.acknowledge(t, id, false)
	s.incidents.Write(id, "carol", "mine")
	s.renotify(t, incident.Renotified{})
	if in := s.only(t); in.Ack.By != "bob" || len(s.notes()) != 1 {
		t.Errorf("who is second: %+v, %q", in.Ack, s.notes())
	}
	s.handle(t, s.removed(1, t0, t0.Add(time.Minute)), guard.Alerted)
	s.renotify(t, incident.Renotified{})
	if in := s.only(t); in.Ack != nil {
		t.Errorf("what was cleared counts again: %+v", in.Ack)
	}
	s.incidents.Write(id, "carol", "mine")
	s.renotify(t, incident.Renotified{})
	if in := s.only(t); in.Ack == nil || in.Ack.By != "carol" || len(s.notes()) != 2 {
		t.Errorf("written again: %+v, %q", in.Ack, s.notes())
	}
}
