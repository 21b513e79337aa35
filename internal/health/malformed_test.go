package health_test

import (
	"errors"
	"strings"
	"testing"
	"time"

	"rootguard/internal/fake"
	"rootguard/internal/health"
	"rootguard/internal/testenv"
)

const (
	failedAlert  = "Guardrail unhealthy: queue.failed high"
	failedOver   = "Guardrail healthy again: queue.failed info"
	failedID     = "0f4d5b8e-6f3c-4c55-9d6a-0c8f3a1b2c3d"
	malformedWhy = "1 malformed message waits, for "
)

// wait puts messages on the queue of failed events: malformed ones that were sent at a
// time, and events.
func (r *rig) wait(malformed, events int, sent time.Time) {
	r.queues[home+"/failed"] = health.Queue{Visible: malformed + events}
	r.malformed[home+"/failed"] = health.Malformed{Read: malformed + events, Count: malformed, Oldest: sent, ID: failedID}
}

// failedEpisode is the open episode of the queue of failed events.
func (r *rig) failedEpisode() health.Episode {
	r.t.Helper()
	state, err := r.store.Health(r.t.Context())
	if err != nil {
		r.t.Fatal(err)
	}
	for i := range state.Episodes {
		if e := &state.Episodes[i]; e.Check == "queue.failed" && e.Ended.IsZero() {
			return *e
		}
	}
	r.t.Fatalf("no episode: %+v", state.Episodes)
	return health.Episode{}
}

// days are runs of so many days, of which only one in six hours is made.
func (r *rig) days(n int) {
	r.t.Helper()
	const pause = 6*time.Hour - step
	for range 4 * n {
		r.at = r.at.Add(pause)
		r.clock.Advance(pause)
		r.mustRun(1)
	}
}

// TestMalformed follows malformed messages: they are alerted once, then left to the
// digest until the queue is empty of them.
func TestMalformed(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.mustRun(1)
	r.wait(1, 0, r.clock.Now())
	r.mustRun(2)
	r.wantAlerts(failedAlert)
	first := r.publisher.Published()[0].Finding
	if !strings.Contains(first.Detail, malformedWhy+"less than an hour: "+queues+"failed") || !strings.Contains(first.NextStep,
		"rootguard redrive --discard "+failedID) {
		t.Errorf("alert: %s | %s", first.Detail, first.NextStep)
	}
	r.days(7)
	r.wantAlerts(failedAlert)
	if e := r.failedEpisode(); !e.Quiet || e.Why != malformedWhy+"7 days: "+queues+"failed" {
		t.Errorf("what the digest names: %+v", e)
	}
	r.wait(3, 0, r.at) // more of them change the digest alone
	r.days(2)
	r.wantAlerts(failedAlert)

	r.wait(0, 0, time.Time{})
	r.mustRun(2)
	r.wantAlerts(failedAlert, failedOver)
	r.days(1)
	r.wait(1, 0, r.clock.Now())
	r.days(2)
	r.wantAlerts(failedAlert, failedOver, failedAlert) // new ones
}

// TestNotOnlyMalformed holds what is reminded of each day: all in which an event may
// wait, and what no digest names.
func TestNotOnlyMalformed(t *testing.T) {
	t.Parallel()
	testenv.Soak(t)
	for name, tt := range map[string]struct {
		change func(r *rig)
		quiet  bool
	}{
		"one malformed":                {func(*rig) {}, true},
		"an event beside it":           {func(r *rig) { r.wait(1, 1, t0) }, false},
		"an event alone":               {func(r *rig) { r.wait(0, 1, t0) }, false},
		"more wait than were read":     {func(r *rig) { r.queues[home+"/failed"] = health.Queue{Visible: 51} }, false},
		"none was read":                {func(r *rig) { r.malformed[home+"/failed"] = health.Malformed{} }, false},
		"they cannot be read":          {func(r *rig) { r.fails["Malformed"] = errors.New("AccessDenied") }, false},
		"no digest is sent":            {func(r *rig) { r.want.Digest = false; r.runs = r.checker() }, false},
		"a redrive hides another":      {func(r *rig) { r.queues[home+"/failed"] = health.Queue{Visible: 1, Hidden: 1} }, true},
		"more were read than counted":  {func(r *rig) { r.malformed[home+"/failed"] = health.Malformed{Read: 2, Count: 2, ID: failedID} }, true},
		"a message of each in the end": {func(r *rig) { r.wait(2, 2, t0) }, false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := newRig(t)
			r.wait(1, 0, t0)
			tt.change(r)
			r.mustRun(3)
			r.days(2)
			if quiet := len(r.alerts()) == 1; quiet != tt.quiet {
				t.Errorf("alerts: %v", r.alerts())
			}
			if e := r.failedEpisode(); e.Quiet != tt.quiet {
				t.Errorf("left to the digest: %+v", e)
			}
		})
	}
}

// TestEventJoins holds that an event that joins malformed messages is reminded of
// within a day, not at the first count of the queue that is late.
func TestEventJoins(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.wait(1, 0, t0)
	r.mustRun(2)
	r.days(3)
	for range 3 {
		r.wait(1, 1, t0)
		r.mustRun(1)
		r.wait(1, 0, t0)
		r.mustRun(1)
	}
	r.wantAlerts(failedAlert)
	r.wait(1, 1, t0)
	r.mustRun(2)
	r.wantAlerts(failedAlert, "Guardrail unhealthy: queue.failed, for 3 days high")
	r.wait(1, 0, t0)
	r.days(3)
	r.wantAlerts(failedAlert, "Guardrail unhealthy: queue.failed, for 3 days high")
}

// TestMalformedOnce holds that sweeps at once, and ones that could not publish or died,
// alert malformed messages once.
func TestMalformedOnce(t *testing.T) {
	t.Parallel()
	testenv.Soak(t)
	r := newRig(t)
	r.wait(1, 0, t0)
	r.mustRun(1)
	r.store.Conflicts = true
	r.clock.Advance(step)
	r.overlap(4, r.at.Add(step))
	r.days(2)
	r.wantAlerts(failedAlert)

	for _, f := range []fake.Fault{fake.FailBefore, fake.FailAfter, fake.CrashBefore, fake.CrashAfter} {
		over := false
		for n := 1; !over; n++ {
			r := newRig(t)
			r.wait(1, 0, t0)
			r.mustRun(1)
			before := len(r.script.Calls())
			r.script.Inject(n, f)
			err := r.run()
			over = len(r.script.Calls())-before < n
			r.script.Restart()
			if over && err != nil {
				t.Fatalf("%v: %v", f, err)
			}
			r.clock.Advance(time.Minute) // a claim's lease is over
			if err := r.again(); err != nil {
				t.Fatalf("%v at call %d: the repeated run: %v", f, n, err)
			}
			r.mustRun(3)
			r.days(1)
			ids := map[string]int{}
			for _, a := range r.publisher.Published() {
				ids[a.ID]++
			}
			if len(ids) != 1 {
				t.Errorf("%v at call %d: alerts %v", f, n, r.alerts())
			}
			for id, copies := range ids {
				if copies > 2 { // a crash after publishing costs one
					t.Errorf("%v at call %d: alert %s %d times", f, n, id, copies)
				}
			}
		}
	}
}
