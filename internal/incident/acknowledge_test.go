package incident_test

import (
	"rootguard/internal/wiretest"

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

// TestAcknowledgeAll holds that several incidents are acknowledged with one note, and
// that what cannot be acknowledged keeps no other back.
func TestAcknowledgeAll(t *testing.T) {
	s := wiretest.NewWatched()
	ids := s.Opened(t, 3)
	first := wiretest.Bob
	first.By = "alice"
	if _, _, err := s.Acknowledge(t.Context(), ids[1], first); err != nil {
		t.Fatal(err)
	}
	before := len(s.Notes())
	given, err := s.AcknowledgeAll(t.Context(), append(ids, "00000-00000"), wiretest.Bob, "999999999999")
	if err != nil {
		t.Fatal(err)
	}
	for i, g := range given {
		want := incident.Given{ID: g.ID, Already: i == 1}
		if g.Already != want.Already || (i == 3) != errors.Is(g.Err, incident.ErrNoIncident) || i == 1 && g.Incident.Ack.By != "alice" {
			t.Errorf("incident %d: %+v", i, g)
		}
	}
	if got := s.Notes()[before:]; !slices.Equal(got, []string{"2 incidents acknowledged together"}) {
		t.Errorf("notes: %q", got)
	}
	note := s.Receivers.Published()[len(s.Receivers.Published())-1]
	for _, want := range []string{ids[0], ids[2], "By bob; note: it was me, OPS-17.", "account " + wiretest.Account} {
		if !strings.Contains(note.Finding.Detail, want) {
			t.Errorf("the note does not say %q: %s", want, note.Finding.Detail)
		}
	}
	if strings.Contains(note.Finding.Detail, ids[1]) || note.Finding.Account != wiretest.Account || !alert.Escalates(note) {
		t.Errorf("the note: %+v", note.Finding)
	}
	s.Clock.Advance(100 * time.Hour)
	s.MustRenotify(t, incident.Renotified{})
	for _, in := range s.Incidents.All() {
		if in.Ack == nil || !in.Ack.Notified || !in.Due.IsZero() {
			t.Errorf("left: %+v", in)
		}
	}
	// Nothing is left of it: no note.
	if given, err := s.AcknowledgeAll(t.Context(), ids, wiretest.Bob, wiretest.Account); err != nil || !given[0].Already || len(s.Notes()) != before+1 {
		t.Errorf("again: %+v, %v, %q", given, err, s.Notes())
	}
	if _, err := s.AcknowledgeAll(t.Context(), make([]string, incident.BatchLimit+1), wiretest.Bob, wiretest.Account); err == nil {
		t.Error("more than one note can be about are taken")
	}
}

// TestTwoBatchesWait: of two batches whose notes are late, each note lists its own
// incidents alone.
func TestTwoBatchesWait(t *testing.T) {
	s := wiretest.NewWatched()
	ids := s.Opened(t, 5)
	s.Receivers.Refuse = func(alert.Alert) error { return errors.New("the topic is down") }
	for _, some := range [][]string{ids[:2], ids[2:4]} {
		if _, err := s.AcknowledgeAll(t.Context(), some, wiretest.Bob, wiretest.Account); err == nil {
			t.Fatal("the note went out though the topic is down")
		}
	}
	if _, _, err := s.Acknowledge(t.Context(), ids[4], wiretest.Bob); err == nil {
		t.Fatal("the note went out though the topic is down")
	}
	s.Receivers.Refuse = nil
	before := len(s.Receivers.Published())
	for range 4 {
		s.Clock.Advance(time.Hour)
		if _, err := s.Renotify(t.Context(), s.Clock.Now()); err != nil {
			t.Fatal(err)
		}
	}
	var notes [][]int // which incidents each names
	for _, a := range s.Receivers.Published()[before:] {
		var named []int
		for i, id := range ids {
			if strings.Contains(a.Finding.Detail, id) {
				named = append(named, i)
			}
		}
		if len(named) > 1 {
			notes = append(notes, named)
		}
	}
	slices.SortFunc(notes, slices.Compare)
	if len(notes) != 2 || !slices.Equal(notes[0], []int{0, 1}) || !slices.Equal(notes[1], []int{2, 3}) {
		t.Errorf("the notes name %v, want 0 and 1, and 2 and 3", notes)
	}
}

// TestSnoozeWithoutCycle: what was not critical is not sent again, so there is nothing to
// put off; it can be acknowledged.
func TestSnoozeWithoutCycle(t *testing.T) {
	s := wiretest.NewWatched()
	s.MustHandle(t, s.Activity(1, wiretest.T0, wiretest.T0), guard.Alerted)
	id := s.Only(t).ID
	snooze := wiretest.Bob
	snooze.Until = s.Clock.Now().Add(time.Hour)
	if _, _, err := s.Acknowledge(t.Context(), id, snooze); !errors.Is(err, incident.ErrNotResent) {
		t.Errorf("put off: %v", err)
	}
	if in := s.MustAcknowledge(t, id, false); in.Ack == nil {
		t.Error("not acknowledged")
	}
	if _, already, err := s.Acknowledge(t.Context(), id, snooze); !already || err != nil {
		t.Errorf("put off once it is acknowledged: %v, %v", already, err)
	}
}

// TestBatchFaults makes every call of acknowledging several go wrong in every way.
// The note comes, about all that were acknowledged, at most once more than it should.
func TestBatchFaults(t *testing.T) {
	for _, fault := range []fake.Fault{fake.FailBefore, fake.FailAfter, fake.CrashBefore, fake.CrashAfter} {
		for call := 1; ; call++ {
			s := wiretest.NewWatched()
			ids := s.Opened(t, 3)
			begun := len(s.Script.Calls())
			s.Script.Inject(call, fault)
			given, err := s.AcknowledgeAll(t.Context(), ids, wiretest.Bob, wiretest.Account)
			calls := len(s.Script.Calls())
			s.Script.Restart()
			acked := 0
			for _, in := range s.Incidents.All() {
				if in.Ack != nil {
					acked++
				}
			}
			// The command is not run again: the sweep does what it left.
			s.Clock.Advance(9 * time.Minute)
			s.MustRenotify(t, incident.Renotified{})
			for range 3 {
				s.Clock.Advance(s.Settings.Lease + 2*time.Minute)
				if _, err := s.Renotify(t.Context(), s.Clock.Now()); err != nil {
					t.Errorf("%v at call %d: %v", fault, call, err)
				}
			}
			ran := calls-begun < call
			if ran && (err != nil || acked != 3) {
				t.Errorf("without a fault: %+v, %v", given, err)
			}
			notes := s.Notes()
			if n := len(slices.Compact(slices.Clone(notes))); acked > 0 && (n != 1 || len(notes) > 2) || acked == 0 && n > 0 {
				t.Errorf("%v at call %d: %d acknowledged, notes %q", fault, call, acked, notes)
			}
			for _, in := range s.Incidents.All() {
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
// that each other is notified who, without an error.
func TestTwoAcknowledgeAtOnce(t *testing.T) {
	s := wiretest.NewWatched()
	id := s.Opened(t, 1)[0]
	var wg sync.WaitGroup
	var mu sync.Mutex
	first, by := 0, map[string]bool{}
	for _, name := range []string{"alice", "bob", "cho", "dan"} {
		wg.Go(func() {
			mine := wiretest.Bob
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
	if first != 1 || len(by) != 1 || len(s.Notes()) != 1 {
		t.Errorf("%d were first, notified of %v, notes %q", first, by, s.Notes())
	}
}

// TestSnooze holds that a snoozed incident is quiet until its time, is then sent
// again until someone acknowledges it, and that another critical alert ends the snooze.
func TestSnooze(t *testing.T) {
	s := wiretest.NewWatched(func(w *wire.Settings) { w.AckFlags = "--region us-east-1" })
	id := s.Opened(t, 1)[0]
	s.Clock.Advance(15 * time.Minute)
	s.MustRenotify(t, incident.Renotified{Resent: 1})
	snooze := wiretest.Bob
	snooze.Until = s.Clock.Now().Add(8 * time.Hour)
	in, already, err := s.Acknowledge(t.Context(), id, snooze)
	if err != nil || already || in.Ack != nil || in.Snooze == nil || !in.Due.Equal(snooze.Until) {
		t.Fatalf("snoozed: %+v, %v, %v", in, already, err)
	}
	if got := s.Notes(); !slices.Equal(got, []string{"Incident snoozed: " + id}) {
		t.Errorf("notes: %q", got)
	}
	s.Clock.Advance(8*time.Hour - time.Second)
	s.MustRenotify(t, incident.Renotified{})
	s.Clock.Advance(time.Second)
	n := len(s.IncidentLines())
	s.MustRenotify(t, incident.Renotified{Resent: 1})
	s.MustRenotify(t, incident.Renotified{})
	s.Clock.Advance(15 * time.Minute)
	s.MustRenotify(t, incident.Renotified{Resent: 1})
	again := s.Receivers.Published()[n:]
	if again[0].Finding.Title != "root.mfa.removed (repeat 1 of 3)" || again[1].Finding.Title != "root.mfa.removed (repeat 2 of 3)" ||
		!strings.Contains(alert.Text(again[0]), "snoozed by bob until Sat 2025-03-01 ") ||
		!strings.Contains(alert.Text(again[0]), "rootguard ack "+id+" --region us-east-1 --note ") {
		t.Errorf("after the snooze:\n%s", alert.Text(again[0]))
	}

	// Once more, and something critical happens in it.
	snooze.Until = s.Clock.Now().Add(8 * time.Hour)
	if in, _, err = s.Acknowledge(t.Context(), id, snooze); err != nil || !in.Due.Equal(snooze.Until) || len(s.Notes()) != 2 {
		t.Fatalf("snoozed again: %+v, %v, %q", in, err, s.Notes())
	}
	s.MustHandle(t, s.Removed(1, wiretest.T0, wiretest.T0.Add(time.Minute)), guard.Alerted)
	if in = s.Only(t); in.Snooze != nil || !in.Due.Equal(s.Clock.Now().Add(15*time.Minute)) {
		t.Errorf("after another critical alert: %+v", in)
	}
	s.Clock.Advance(15 * time.Minute)
	s.MustRenotify(t, incident.Renotified{Resent: 1})

	// Acknowledging ends it, and it can be snoozed no more.
	if in, _, err = s.Acknowledge(t.Context(), id, wiretest.Bob); err != nil || in.Ack == nil || in.Snooze != nil {
		t.Errorf("acknowledged: %+v, %v", in, err)
	}
	if _, already, err = s.Acknowledge(t.Context(), id, snooze); err != nil || !already {
		t.Errorf("snoozing what is acknowledged: %v, %v", already, err)
	}
	s.Clock.Advance(100 * time.Hour)
	s.MustRenotify(t, incident.Renotified{})
}

// TestSnoozeWithoutResends holds that a snooze counts where nothing else is sent again,
// and where the command died before its note.
func TestSnoozeWithoutResends(t *testing.T) {
	s := wiretest.NewWatched(func(w *wire.Settings) { w.Resend = []time.Duration{} })
	id := s.Opened(t, 1)[0]
	s.Receivers.Refuse = func(alert.Alert) error { return errors.New("the topic is down") }
	snooze := wiretest.Bob
	snooze.Until = s.Clock.Now().Add(time.Hour)
	if _, _, err := s.Acknowledge(t.Context(), id, snooze); err == nil {
		t.Fatal("the note went out though the topic is down")
	}
	s.Receivers.Refuse = nil
	s.Clock.Advance(s.Settings.Lease + time.Second)
	s.MustRenotify(t, incident.Renotified{Noted: 1})
	s.MustRenotify(t, incident.Renotified{})
	s.Clock.Advance(time.Hour)
	s.MustRenotify(t, incident.Renotified{Resent: 1})
	s.Clock.Advance(time.Hour)
	s.MustRenotify(t, incident.Renotified{})
}

// TestWrittenByHand holds that what was written into the table by hand counts once,
// whatever call of the run that takes it goes wrong.
func TestWrittenByHand(t *testing.T) {
	for _, fault := range []fake.Fault{fake.FailBefore, fake.FailAfter, fake.CrashBefore, fake.CrashAfter} {
		for call := 1; ; call++ {
			s := wiretest.NewWatched()
			id := s.Opened(t, 1)[0]
			s.Incidents.Write(id, " Alice\n", "")
			s.Incidents.Write("00000-00000", "Mallory", "no such incident")
			begun := len(s.Script.Calls())
			s.Script.Inject(call, fault)
			_, _ = s.Renotify(t.Context(), s.Clock.Now())
			ran := len(s.Script.Calls())-begun < call
			s.Script.Restart()
			// Another alert opens it again before the next run.
			opened := s.Only(t).Ack != nil
			s.MustHandle(t, s.Removed(1, wiretest.T0, wiretest.T0.Add(time.Minute)), guard.Alerted)
			s.Clock.Advance(5 * time.Minute)
			_, _ = s.Renotify(t.Context(), s.Clock.Now())
			in := s.Only(t)
			given := append(slices.Clone(in.Acks), incident.Ack{})[0]
			if in.Ack != nil {
				given = *in.Ack
			}
			if given.By != "Alice" || given.Note != "(none)" || opened == (in.Ack != nil) {
				t.Errorf("%v at call %d: acknowledged before %v, now %+v", fault, call, opened, in)
			}
			if left, err := s.Incidents.Written(t.Context(), 10); len(left) != 0 || err != nil {
				t.Errorf("%v at call %d: still written: %+v, %v", fault, call, left, err)
			}
			if ran {
				break
			}
		}
	}
	s := wiretest.NewWatched()
	id := s.Opened(t, 1)[0]
	s.MustAcknowledge(t, id, false)
	s.Incidents.Write(id, "carol", "mine")
	s.MustRenotify(t, incident.Renotified{})
	if in := s.Only(t); in.Ack.By != "bob" || len(s.Notes()) != 1 {
		t.Errorf("who is second: %+v, %q", in.Ack, s.Notes())
	}
	s.MustHandle(t, s.Removed(1, wiretest.T0, wiretest.T0.Add(time.Minute)), guard.Alerted)
	s.MustRenotify(t, incident.Renotified{})
	if in := s.Only(t); in.Ack != nil {
		t.Errorf("what was cleared counts again: %+v", in.Ack)
	}
	s.Incidents.Write(id, "carol", "mine")
	s.MustRenotify(t, incident.Renotified{})
	if in := s.Only(t); in.Ack == nil || in.Ack.By != "carol" || len(s.Notes()) != 2 {
		t.Errorf("written again: %+v, %q", in.Ack, s.Notes())
	}
}
