package health_test

import (
	"errors"
	"strings"
	"testing"
	"time"

	"rootguard/internal/guard"
	"rootguard/internal/health"
)

// TestUnsent holds that a roll-up that no one sends is critical at the first check,
// and an error of the run besides, and that one that came late is not.
func TestUnsent(t *testing.T) {
	r := newRig(t)
	now := func() time.Time { return r.at.Add(step) } // of a rig's first run
	group := func(until, since time.Duration) guard.Group {
		return guard.Group{Key: "w", Until: now().Add(-until), Batches: 1, Since: now().Add(-since)}
	}
	for name, ws := range map[string][]guard.Group{
		"due for a quarter of an hour":        {group(15*time.Minute, time.Hour)},
		"of events that came an hour late":    {group(time.Hour, 10*time.Minute), group(2*time.Hour, time.Minute)},
		"one of version 1 that is being sent": {{Key: "w", Until: now().Add(-time.Hour), Sending: &guard.Held{Count: 1, Since: now().Add(-time.Minute)}}},
	} {
		c := newRig(t)
		c.unsent = ws
		if err := c.run(); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		c.wantAlerts()
	}

	for name, w := range map[string]guard.Group{
		"due for longer":                group(15*time.Minute+time.Second, time.Hour),
		"of version 1":                  {Key: "w", Until: now().Add(-16 * time.Minute), Pending: guard.Held{Count: 1}},
		"a later batch of a group":      {Key: "w", Until: now().Add(-time.Hour), Batches: 3, Sent: 2, Since: now().Add(-20 * time.Minute)},
		"being sent, and never settled": {Key: "w", Until: now().Add(-time.Hour), Sending: &guard.Held{Count: 1, Since: now().Add(-time.Hour)}, Pending: guard.Held{Count: 1, Since: now()}},
	} {
		q := newRig(t)
		q.unsent = []guard.Group{group(time.Hour, time.Minute), w}
		if err := q.run(); err == nil || !strings.Contains(err.Error(), "alerts are not sent") {
			t.Errorf("%s: %v", name, err)
		}
		q.wantAlerts("Guardrail unhealthy: rollups critical")
		q.unsent = nil
		q.mustRun(2)
		q.wantAlerts("Guardrail unhealthy: rollups critical", "Guardrail healthy again: rollups info")
	}

	r.unsent, r.fails["Due"] = nil, errors.New("AccessDeniedException")
	r.mustRun(2)
	r.wantAlerts()
	if got := r.inspect(t)["rollups"]; got.Outcome != health.Unknown {
		t.Errorf("a table that does not answer: %+v", got)
	}
}

// TestStateSetAhead has someone else write the time of the latest run: it stops no
// check, and is an error of the run.
func TestStateSetAhead(t *testing.T) {
	r := newRig(t)
	r.mustRun(1)
	r.trails = nil
	for i, ahead := range []time.Duration{14 * time.Minute, 2 * time.Minute, 24 * time.Hour} {
		err := r.store.UpdateHealth(t.Context(), func(s health.State) (health.State, bool) {
			s.At = r.clock.Now().Add(step + ahead)
			return s, true
		})
		if err != nil {
			t.Fatal(err)
		}
		if err := r.run(); err == nil || !strings.Contains(err.Error(), "yet to come") {
			t.Errorf("run %d, %v ahead: %v", i, ahead, err)
		}
	}
	r.wantAlerts("Guardrail unhealthy: trail critical")
	r.mustRun(1) // the state has its own time again

	// A run that Lambda makes again while a later one is done adds nothing.
	r.clock.Advance(step)
	late := r.at
	r.mustRun(1)
	before, _ := r.store.Health(t.Context())
	if _, err := r.runs.Run(t.Context(), r.guard, late); err != nil {
		t.Fatal(err)
	}
	if after, _ := r.store.Health(t.Context()); after.Episodes[0].Runs != before.Episodes[0].Runs {
		t.Errorf("a run made again counts: %+v", after.Episodes[0])
	}
}

// TestClaimMadeBefore has someone else claim the alert of a failing check before it
// is raised, by all that can be known then: it is raised all the same.
func TestClaimMadeBefore(t *testing.T) {
	r := newRig(t)
	r.mustRun(1)
	r.trails = nil
	r.mustRun(1)
	sent := r.publisher.Published()
	if len(sent) != 1 {
		t.Fatalf("alerts: %v", r.alerts())
	}
	state, err := r.store.Health(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	nonce := state.Episodes[0].Nonce
	if len(nonce) < 20 || !strings.Contains(sent[0].Finding.EventID, "/"+nonce+"/") {
		t.Errorf("the event ID %s can be known before, nonce %q", sent[0].Finding.EventID, nonce)
	}
	r.mustRun(3)
	if state, _ = r.store.Health(t.Context()); state.Episodes[0].Nonce != nonce {
		t.Error("one outage has two nonces")
	}
	r.wantAlerts("Guardrail unhealthy: trail critical")
}
