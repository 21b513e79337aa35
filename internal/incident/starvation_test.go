package incident_test

import (
	"rootguard/internal/wiretest"

	"errors"
	"testing"
	"time"

	"rootguard/internal/alert"
	"rootguard/internal/guard"
)

// TestFiveResendsHoldTheRestBack: the topic of escalations is gone. Ten critical
// incidents that no one acknowledged are to be sent again; the topic of alerts is well.
func TestFiveResendsHoldTheRestBack(t *testing.T) {
	s := wiretest.NewWatched()
	resent := map[string]bool{}
	gone := false
	s.Receivers.Refuse = func(a alert.Alert) error {
		if !gone {
			return nil
		}
		if len(a.DeliveredTo) == 0 {
			// The topic of alerts took it.
			if a.Summary == nil {
				resent[a.Incident.ID] = true
				return &guard.Partial{DeliveredTo: []string{"alerts"}, Err: errors.New("escalation: NotFound: Topic does not exist")}
			}
			for _, of := range a.Summary.Accounts {
				for _, it := range of.Findings {
					resent[it.Incident] = true
				}
			}
		}
		return &guard.Partial{DeliveredTo: []string{"alerts"}, Err: errors.New("escalation: NotFound: Topic does not exist")}
	}
	for n := range 10 {
		began := s.Clock.Now().Add(-time.Hour + time.Duration(n)*2*time.Minute)
		if _, err := s.Handle(t.Context(), s.Removed(n, began, began.Add(time.Second))); err != nil {
			t.Fatal(err)
		}
		s.Clock.Advance(time.Second)
	}
	gone = true
	for range 12 * 24 {
		s.Clock.Advance(5 * time.Minute)
		_, _ = s.Renotify(t.Context(), s.Clock.Now())
	}
	if len(resent) < 10 {
		t.Errorf("after a day of runs %d of 10 critical incidents were sent again by the topic that is well", len(resent))
	}
}
