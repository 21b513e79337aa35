package guard_test

import (
	"fmt"
	"testing"
	"time"

	"rootguard/internal/alert"
	"rootguard/internal/detect"
	"rootguard/internal/wire"
	"rootguard/internal/wiretest"
)

// TestFiveRollUpsHoldTheRestBack: the topic of escalations is gone, and each time the
// roll-ups of five sessions are the first that are due. Those behind them reach the topic
// that is there.
func TestFiveRollUpsHoldTheRestBack(t *testing.T) {
	w := wiretest.NewWorld(func(s *wire.Settings) { s.Burst = map[detect.ID]int{} })
	p := &topics{names: []string{"alerts", "escalation"}, gone: map[string]bool{"escalation": true}}
	g := w.Over(p)
	n := 0
	two := func(id detect.ID, severity detect.Severity, session string, at time.Time) {
		for range 2 {
			n++
			_, _ = g.Handle(t.Context(), w.Record(wiretest.Finding(id, severity, session, n, at))) // one topic has it
		}
	}
	for i := range 5 {
		two(detect.GuardTampered, detect.Critical, fmt.Sprintf("attacker %d", i), wiretest.T0)
	}
	two(detect.RootActivity, detect.High, "root@1", wiretest.T0.Add(time.Minute))
	two(detect.UserAdminGranted, detect.Medium, "boss", wiretest.T0.Add(time.Minute))
	for range 12 * 24 { // a day of a run every five minutes
		w.Clock.Advance(5 * time.Minute)
		_, _ = g.Flush(t.Context(), w.Clock.Now())
	}
	got := map[detect.ID]int{}
	for _, a := range p.has["alerts"] {
		if a.Kind == alert.RollUp {
			got[a.Finding.ID]++
		}
	}
	if got[detect.RootActivity] != 1 || got[detect.UserAdminGranted] != 1 || got[detect.GuardTampered] != 5 {
		t.Errorf("after a day of runs the topic that is there has these roll-ups: %v", got)
	}
}
