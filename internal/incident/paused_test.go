package incident_test

import (
	"errors"
	"testing"
	"time"

	"rootguard/internal/alert"
	"rootguard/internal/guard"
	"rootguard/internal/incident"
	"rootguard/internal/wiretest"
)

// TestPausedDesk pauses a run before each of its calls, while another does something
// whole: what is sent about an incident is sent once, and in the end nothing is due.
func TestPausedDesk(t *testing.T) {
	acknowledge := func(t *testing.T, s *wiretest.Watched) error {
		t.Helper()
		_, _, err := s.Acknowledge(t.Context(), s.Only(t).ID, wiretest.Bob)
		return err
	}
	snooze := func(t *testing.T, s *wiretest.Watched) error {
		t.Helper()
		ack := wiretest.Bob
		ack.Until = s.Clock.Now().Add(2 * time.Hour)
		_, _, err := s.Acknowledge(t.Context(), s.Only(t).ID, ack)
		return err
	}
	again := func(t *testing.T, s *wiretest.Watched) error {
		t.Helper()
		_, err := s.Renotify(t.Context(), s.Clock.Now())
		return err
	}
	reopen := func(t *testing.T, s *wiretest.Watched) error {
		t.Helper()
		_, err := s.Handle(t.Context(), s.Removed(7, wiretest.T0, wiretest.T0.Add(time.Hour)))
		return err
	}
	noTopic := func(do func(*testing.T, *wiretest.Watched) error) func(*testing.T, *wiretest.Watched) error {
		return func(t *testing.T, s *wiretest.Watched) error {
			t.Helper()
			s.Script.Fail("Publisher.Publish", 1)
			return do(t, s)
		}
	}
	for name, tt := range map[string]struct {
		do, meanwhile func(*testing.T, *wiretest.Watched) error
		notes         int // at most
	}{
		"acknowledging while it is sent again":           {acknowledge, again, 1},
		"acknowledging twice":                            {acknowledge, acknowledge, 1},
		"acknowledging while it is put off":              {acknowledge, snooze, 2},
		"putting off while it is acknowledged":           {snooze, acknowledge, 1},
		"sending again twice":                            {again, again, 0},
		"sending again while it is acknowledged":         {again, acknowledge, 1},
		"sending again while it is put off":              {again, snooze, 1},
		"failing to send again while it is acknowledged": {noTopic(again), acknowledge, 1},
		"failing to send again while it is put off":      {noTopic(again), snooze, 1},
		"acknowledging while it is opened again":         {acknowledge, reopen, 1},
		"failing to note while it is opened again":       {noTopic(acknowledge), reopen, 1},
	} {
		t.Run(name, func(t *testing.T) {
			life := func(pause int) (calls int) {
				s := wiretest.NewWatched()
				s.Opened(t, 1)
				s.Clock.Advance(20 * time.Minute) // it is due
				before := len(s.Script.Calls())
				s.Script.Pause(pause+1, func() {
					_ = tt.meanwhile(t, s) // busy, or it was refused
				})
				_ = tt.do(t, s)
				calls = len(s.Script.Calls()) - before
				s.Script.Before(nil)
				for range 2 * 24 {
					s.Clock.Advance(30 * time.Minute)
					if err := again(t, s); err != nil && !errors.Is(err, guard.ErrBusy) {
						t.Errorf("paused before call %d: later: %v", pause, err)
					}
				}
				seen, notes, resent := map[string]int{}, map[string]bool{}, map[string]bool{}
				for _, a := range s.Receivers.Published() {
					if seen[a.ID]++; seen[a.ID] > 1 {
						t.Errorf("paused before call %d: %q was sent twice", pause, a.Finding.Title)
					}
					switch {
					case a.Finding.ID == "incident.acknowledged":
						notes[a.ID] = true
					case a.Kind == alert.Resend:
						resent[a.Finding.Title] = true
					}
				}
				if len(notes) > tt.notes {
					t.Errorf("paused before call %d: %d notes, want at most %d", pause, len(notes), tt.notes)
				}
				in := s.Only(t)
				if !in.Due.IsZero() || in.Failures != 0 {
					t.Errorf("paused before call %d: in the end due at %v, after %d failures", pause, in.Due, in.Failures)
				}
				for _, given := range []*incident.Ack{in.Ack, in.Snooze} {
					if given != nil && !given.Notified {
						t.Errorf("paused before call %d: no note about %+v", pause, given)
					}
				}
				if in.Ack == nil && in.Snooze != nil && !resent[in.Finding.Title+" (repeat 1 of 3)"] {
					t.Errorf("paused before call %d: not sent when it was no longer put off: %v", pause, resent)
				}
				if in.Ack == nil && len(resent) == 0 {
					t.Errorf("paused before call %d: no one acknowledged it, and it was not sent again", pause)
				}
				return calls
			}
			for pause := range life(-1) {
				life(pause)
			}
		})
	}
}
