package health_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"rootguard/internal/alert"
	"rootguard/internal/detect"
	"rootguard/internal/eventrules"
	"rootguard/internal/fake"
	"rootguard/internal/guard"
	"rootguard/internal/health"
	"rootguard/internal/partition"
	"rootguard/internal/testenv"
)

const step = 5 * time.Minute

// nobody is a Raiser that no one hears.
type nobody struct{}

func (nobody) Raise(context.Context, detect.Finding) (guard.Result, error) {
	return guard.Result{Disposition: guard.Alerted}, nil
}

// rig is a world, and the real guard over fakes to report it.
type rig struct {
	*world
	t         *testing.T
	script    *fake.Script
	publisher *fake.Publisher
	guard     *guard.Guard
	runs      *health.Checker
	at        time.Time // of the latest run
	value     slog.Value
}

func newRig(t *testing.T) *rig {
	t.Helper()
	r := &rig{world: newWorld(t), t: t, script: &fake.Script{}, at: t0.Add(-step)}
	r.store.Script = r.script
	r.publisher = &fake.Publisher{Script: r.script}
	r.guard = guard.New(guard.Deps{Detector: &detect.Detector{}, Claims: &fake.Claims{Script: r.script}, Facts: &fake.Facts{}, Publisher: r.publisher, Now: r.clock.Now}, guard.Settings{})
	r.runs = r.checker()
	return r
}

// run is the next run of the schedule.
func (r *rig) run() error {
	r.at = r.at.Add(step)
	r.clock.Advance(step)
	return r.again()
}

// again is the latest run once more.
func (r *rig) again() (err error) {
	r.value, err = r.runs.Run(r.t.Context(), r.guard, r.at)
	return err
}

func (r *rig) mustRun(n int) {
	r.t.Helper()
	for range n {
		if err := r.run(); err != nil {
			r.t.Fatal(err)
		}
	}
}

// reported are the titles of the alerts so far, with their severity.
func (r *rig) alerts() []string {
	all := []string{}
	for _, a := range r.publisher.Published() {
		all = append(all, a.Finding.Title+" "+a.Finding.Severity.String())
	}
	return all
}

func (r *rig) wantAlerts(want ...string) {
	r.t.Helper()
	if diff := cmp.Diff(append([]string{}, want...), r.alerts()); diff != "" {
		r.t.Fatalf("alerts (-want +got):\n%s", diff)
	}
}

const (
	stopped  = "Guardrail unhealthy: trail critical"
	trailOff = "Guardrail unhealthy: trail"
	trailOK  = "Guardrail healthy again: trail info"
)

// TestEpisode follows what is certain from its beginning to its end.
func TestEpisode(t *testing.T) {
	t.Parallel()
	testenv.Soak(t)
	r := newRig(t)
	r.mustRun(3)
	r.wantAlerts()
	r.trails[0].Logging = false
	r.mustRun(1)
	r.wantAlerts(stopped)
	a := r.publisher.Published()[0]
	if a.Finding.ID != detect.GuardUnhealthy || a.Finding.Account != account || a.Finding.Region != home || !strings.Contains(a.Finding.NextStep, "start-logging") || !a.Finding.EventTime.Equal(r.at) {
		t.Errorf("%+v", a.Finding)
	}
	r.mustRun(287) // to a day after it was reported, but for one run
	r.wantAlerts(stopped)
	r.mustRun(1)
	r.wantAlerts(stopped, trailOff+", for 1 day critical")
	r.mustRun(288)
	r.wantAlerts(stopped, trailOff+", for 1 day critical", trailOff+", for 2 days critical")
	r.trails[0].Logging = true
	r.mustRun(1)
	if n := len(r.alerts()); n != 3 {
		t.Errorf("closed after one run that was well: %v", r.alerts())
	}
	r.mustRun(2)
	r.wantAlerts(stopped, trailOff+", for 1 day critical", trailOff+", for 2 days critical", trailOK)
	state, err := r.store.Health(t.Context())
	if err != nil || len(state.Episodes) != 0 {
		t.Errorf("an episode that is over is kept: %+v, %v", state.Episodes, err)
	}

	// The same again is another episode.
	r.trails[0].Logging = false
	r.mustRun(1)
	if n := len(r.alerts()); n != 5 {
		t.Errorf("a second episode: %v", r.alerts())
	}
}

func TestDamped(t *testing.T) {
	r := newRig(t)
	queue := func(n int) { r.queues[home+"/failed"] = health.Queue{Visible: n} }
	r.mustRun(1)
	for range 10 { // now and then
		queue(1)
		r.mustRun(1)
		queue(0)
		r.mustRun(1)
	}
	r.wantAlerts()
	queue(1)
	r.mustRun(2)
	r.wantAlerts("Guardrail unhealthy: queue.failed high")
	for range 10 { // on and off
		queue(0)
		r.mustRun(1)
		queue(1)
		r.mustRun(1)
	}
	r.wantAlerts("Guardrail unhealthy: queue.failed high")
}

func TestUnknown(t *testing.T) {
	r := newRig(t)
	r.mustRun(1)
	r.fails["Trails"] = errors.New("ThrottlingException: slow down")
	r.mustRun(2)
	r.wantAlerts()
	delete(r.fails, "Trails")
	r.mustRun(1)
	r.fails["Trails"] = errors.New("AccessDeniedException")
	r.mustRun(2)
	r.wantAlerts()
	r.mustRun(1)
	r.wantAlerts("Guardrail cannot be checked: trail medium")
	// It can be checked again, and is found to fail.
	delete(r.fails, "Trails")
	r.trails[0].Logging = false
	r.mustRun(2)
	r.wantAlerts("Guardrail cannot be checked: trail medium", stopped, "Guardrail can be checked again: trail info")
	// What cannot be checked is not taken for well.
	r.fails["Trails"] = errors.New("AccessDeniedException")
	r.mustRun(2)
	if n := len(r.alerts()); n != 3 {
		t.Errorf("alerts: %v", r.alerts())
	}
}

func TestWorse(t *testing.T) {
	r := newRig(t)
	r.topics[alerts] = health.Topic{Policy: topicPolicy, Confirmed: 1, Key: "alias/aws/sns"}
	r.mustRun(2)
	r.topics[alerts] = health.Topic{Policy: topicPolicy, Deleted: 1, Key: keyARN}
	r.mustRun(2)
	r.wantAlerts("Guardrail unhealthy: topic.alerts high", "Guardrail unhealthy: topic.alerts critical")
	r.topics[alerts] = health.Topic{Policy: topicPolicy, Confirmed: 1, Key: "alias/aws/sns"}
	r.mustRun(3)
	if n := len(r.alerts()); n != 2 {
		t.Errorf("milder, and alerted again: %v", r.alerts())
	}
}

// TestHeartbeatMissing holds that a function that hears nothing is reported within
// two runs after the first heartbeat that it missed was late.
func TestHeartbeatMissing(t *testing.T) {
	const missing = "Guardrail unhealthy: heartbeat.rootactivity high"
	r := newRig(t)
	r.mustRun(3) // one heartbeat, at 12:00
	r.deaf["rootactivity"] = true
	r.mustRun(3) // the next at 12:15, late at 12:25
	r.wantAlerts()
	r.mustRun(1)
	r.wantAlerts(missing)
	r.deaf["rootactivity"] = false
	r.mustRun(1) // 12:35: that of 12:30 was missed too, and is not late yet
	r.mustRun(1)
	r.wantAlerts(missing)
	r.mustRun(4) // that of 12:45 came
	r.wantAlerts(missing, "Guardrail healthy again: heartbeat.rootactivity info")
}

// TestHeartbeatEvery holds how often there is one, and that a run that comes again
// makes none.
func TestHeartbeatEvery(t *testing.T) {
	r := newRig(t)
	for n := range 12 {
		r.at = r.at.Add(time.Duration(n%3-1) * time.Second) // a schedule is not exact
		r.mustRun(1)
		if err := r.again(); err != nil {
			t.Fatal(err)
		}
	}
	if r.calls["Record"] != 4 {
		t.Errorf("%d in an hour", r.calls["Record"])
	}
	state, err := r.store.Health(t.Context())
	if err != nil || len(state.Heartbeats) != 4 {
		t.Errorf("%+v, %v", state.Heartbeats, err)
	}
}

// TestHeartbeatOld holds that a sweep that did not run for a while accuses no one.
func TestHeartbeatOld(t *testing.T) {
	r := newRig(t)
	r.mustRun(2)
	r.deaf["rootactivity"] = true
	r.mustRun(1)
	for range 5 {
		r.at = r.at.Add(2 * time.Hour)
		r.mustRun(1)
	}
	r.wantAlerts()
}

// TestHeartbeatNotRecorded holds that what proves nothing is not taken for well.
func TestHeartbeatNotRecorded(t *testing.T) {
	r := newRig(t)
	r.mustRun(3)
	r.fails["Record"] = errors.New("AccessDenied: iam:TagRole")
	r.mustRun(3)
	r.wantAlerts("Guardrail cannot be checked: heartbeat.rootactivity medium", "Guardrail cannot be checked: heartbeat.iamuser medium")
	if !strings.Contains(r.value.String(), "iam:TagRole") {
		t.Errorf("the log does not say why: %v", r.value)
	}
}

// TestAlive holds that the event on the bus, which another Region waits for, is put
// by each run that could report what is wrong, and by no other.
func TestAlive(t *testing.T) {
	r := newRig(t)
	put := func(want int) {
		t.Helper()
		if r.calls["Put"] != want {
			t.Errorf("it was put %d times, want %d: %v", r.calls["Put"], want, r.value)
		}
	}
	r.mustRun(3)
	put(3)
	r.queues[home+"/failed"] = health.Queue{Visible: 1} // high: alerts are on their way all the same
	r.mustRun(3)
	put(6)
	delete(r.queues, home+"/failed")
	r.queues[home+"/failed"] = health.Queue{}

	r.topics[alerts] = health.Topic{Policy: topicPolicy, Deleted: 1, Key: keyARN} // critical: what is reported reaches no one
	r.mustRun(1)
	put(6)
	if !strings.Contains(r.value.String(), "withheld=[topic.alerts]") {
		t.Errorf("the log does not say why: %v", r.value)
	}
	r.topics[alerts] = health.Topic{Policy: topicPolicy, Confirmed: 1, Key: keyARN}
	r.mustRun(2)
	put(7)

	r.deaf["iamuser"] = true
	r.mustRun(12)
	before := r.calls["Put"]
	r.mustRun(3)
	put(before)
	r.deaf["iamuser"] = false
	r.mustRun(6)
	before = r.calls["Put"]
	r.mustRun(1)
	put(before + 1)

	r.fails["Put"] = errors.New("AccessDeniedException: events:PutEvents")
	r.mustRun(1)
	if !strings.Contains(r.value.String(), "events:PutEvents") {
		t.Errorf("the log does not say why: %v", r.value)
	}
	delete(r.fails, "Put")

	// What is wrong cannot be reported, or nothing can be known.
	before = r.calls["Put"]
	r.trails[0].Logging = false
	r.publisher.Refuse = func(alert.Alert) error { return errors.New("refused") }
	if err := r.run(); err == nil {
		t.Fatal("nothing refused")
	}
	r.trails[0].Logging = true
	r.store.Script.Inject(1, fake.FailBefore)
	if err := r.run(); err == nil {
		t.Fatal("nothing failed")
	}
	put(before)
}

// TestCalls holds what a run costs where all is well.
func TestCalls(t *testing.T) {
	r := newRig(t)
	r.mustRun(1)
	first := r.calls["Function"]
	r.mustRun(5)
	if r.calls["Function"] != first || first != 3 || r.calls["Targets"] == 0 {
		t.Errorf("within half an hour: %v", r.calls)
	}
	for name, most := range map[string]int{"Trails": 6, "Rules": 8, "Queue": 13, "Topic": 19, "Put": 6, "Record": 2} {
		if r.calls[name] != most {
			t.Errorf("%d calls of %s in six runs, want %d", r.calls[name], name, most)
		}
	}
	r.mustRun(1)
	if r.calls["Function"] != 6 {
		t.Errorf("after half an hour: %v", r.calls)
	}
	// What is not well is checked in each run, and the rest is not.
	targets := r.calls["Targets"]
	r.function("iamuser", func(f *health.Function) { f.OnFailure = "" })
	r.mustRun(5)
	if r.calls["Function"] != 6 {
		t.Errorf("before it is due: %v", r.calls)
	}
	r.mustRun(2)
	r.wantAlerts("Guardrail unhealthy: failures.iamuser high")
	if r.calls["Function"] != 10 || r.calls["Targets"] != targets+homeTargets(r.world) {
		t.Errorf("while one function is not well: %v", r.calls)
	}
}

// homeTargets are the rules of the home Region, and of the second way out.
func homeTargets(w *world) int {
	n := 0
	for at := range w.targets {
		if strings.HasPrefix(at, home+"/") || strings.Contains(at, "/rootguard-second-") {
			n++
		}
	}
	return n
}

// TestRepeated holds that a run that comes twice counts once.
func TestRepeated(t *testing.T) {
	r := newRig(t)
	r.mustRun(2)
	r.queues[home+"/failed"] = health.Queue{Visible: 1}
	r.mustRun(1)
	recorded := r.calls["Record"]
	for range 3 {
		if err := r.again(); err != nil {
			t.Fatal(err)
		}
	}
	r.wantAlerts()
	if r.calls["Record"] != recorded {
		t.Error("a repeated run records another heartbeat")
	}
	// Someone who calls the function by hand makes no run of it.
	if _, err := r.runs.Run(t.Context(), r.guard, r.at.Add(10*time.Second)); err != nil {
		t.Fatal(err)
	}
	r.wantAlerts()
	// One of before is no run either.
	if _, err := r.runs.Run(t.Context(), r.guard, r.at.Add(-step)); err != nil {
		t.Fatal(err)
	}
	r.wantAlerts()
	r.mustRun(1)
	r.wantAlerts("Guardrail unhealthy: queue.failed high")
}

// TestFuture holds that a run of a time to come keeps no later run from counting.
func TestFuture(t *testing.T) {
	r := newRig(t)
	r.mustRun(1)
	if _, err := r.runs.Run(t.Context(), r.guard, r.at.Add(1000*24*time.Hour)); err != nil {
		t.Fatal(err)
	}
	r.trails[0].Logging = false
	r.function("sweep", func(f *health.Function) { f.State = "Failed" })
	if err := r.run(); err == nil || !strings.Contains(err.Error(), "yet to come") {
		t.Errorf("a state of the time to come: %v", err)
	}
	r.wantAlerts(stopped, "Guardrail unhealthy: function.sweep critical")
}

// overlap has n runs at a time at once.
func (r *rig) overlap(n int, at time.Time) {
	r.t.Helper()
	var wg sync.WaitGroup
	for range n {
		other := r.checker()
		wg.Go(func() {
			if _, err := other.Run(r.t.Context(), r.guard, at); err != nil {
				r.t.Error(err)
			}
		})
	}
	wg.Wait()
	r.at = at
}

// TestOverlap holds that runs at the same time report a thing once.
func TestOverlap(t *testing.T) {
	r := newRig(t)
	r.mustRun(2)
	r.trails[0].Logging = false
	r.rule(home, "rootguard-root-sign-in").State = "DISABLED"
	r.store.Conflicts = true
	r.overlap(6, r.at.Add(step))
	r.mustRun(3)
	sent := r.alerts() // in the order in which the runs came to them
	slices.Sort(sent)
	if diff := cmp.Diff([]string{"Guardrail unhealthy: rule.root-sign-in high", stopped}, sent); diff != "" {
		t.Errorf("alerts (-want +got):\n%s", diff)
	}
}

// TestCrash dies at every call in turn, before and after it took effect, while an
// episode begins and while it ends. Whatever is reported is reported once, with the next
// runs, but for the one copy with the same ID that a crash after publishing costs.
func TestCrash(t *testing.T) {
	t.Parallel()
	for _, when := range []string{"begins", "ends"} {
		over := false
		for n := 1; !over; n++ {
			for _, f := range testenv.Turn(n, fake.FailBefore, fake.FailAfter, fake.CrashBefore, fake.CrashAfter) {
				r := newRig(t)
				r.mustRun(2)
				r.trails[0].Logging = false
				if when == "ends" {
					r.mustRun(1)
					r.trails[0].Logging = true
					r.mustRun(1)
				}
				before := len(r.script.Calls())
				r.script.Inject(n, f)
				err := r.run()
				over = len(r.script.Calls())-before < n
				r.script.Restart()
				if over {
					if err != nil {
						t.Fatalf("%v: %v", f, err)
					}
					if n < 6 {
						t.Fatalf("only %d calls", n-1)
					}
					break
				}
				r.clock.Advance(time.Minute) // a claim's lease is over
				if err := r.again(); err != nil {
					t.Fatalf("%v at call %d (%s): the repeated run: %v", f, n, when, err)
				}
				r.mustRun(1)
				if when == "begins" {
					r.trails[0].Logging = true
				}
				r.mustRun(3)
				copies := map[string]int{}
				var want []string
				for _, a := range r.publisher.Published() {
					if copies[a.ID]++; copies[a.ID] == 1 {
						want = append(want, a.Finding.Title+" "+a.Finding.Severity.String())
					}
				}
				if diff := cmp.Diff([]string{stopped, trailOK}, want); diff != "" {
					t.Errorf("%v at call %d, %s, as it %s (-want +got):\n%s", f, n, r.script.Calls()[before+n-1], when, diff)
				}
				for id, c := range copies {
					if c > 2 {
						t.Errorf("%v at call %d: alert %s %d times", f, n, id, c)
					}
				}
			}
		}
	}
}

// TestTopicDown holds that what could not be reported while it lasted is reported after.
func TestTopicDown(t *testing.T) {
	r := newRig(t)
	r.mustRun(1)
	down := true
	r.publisher.Refuse = func(a alert.Alert) error {
		if down {
			return errors.New("KMSDisabled")
		}
		return nil
	}
	r.keys[keyARN] = health.Key{State: "Disabled"}
	r.mustRun(5) // the key is checked every half an hour
	for range 2 {
		if err := r.run(); err == nil {
			t.Error("an alert that could not be sent is no error")
		}
	}
	r.wantAlerts()
	r.keys[keyARN] = health.Key{State: "Enabled"}
	down = false
	r.mustRun(2)
	r.wantAlerts("Guardrail unhealthy: key critical", "Guardrail healthy again: key info")
}

// TestManyFail holds that a run in which nothing can be reported ends soon.
func TestManyFail(t *testing.T) {
	r := newRig(t)
	r.mustRun(1)
	asked := 0
	r.publisher.Refuse = func(alert.Alert) error { asked++; return errors.New("down") }
	for i := range r.rules[home] {
		r.rules[home][i].State = "DISABLED"
	}
	if err := r.run(); err == nil || asked != 3 {
		t.Errorf("%d alerts tried, %v", asked, err)
	}
	r.publisher.Refuse = nil
	r.mustRun(1)
	if n := len(r.alerts()); n < 10 {
		t.Errorf("only %d alerts of %d faults; the rest is to be rolled up", n, len(r.rules[home]))
	}
}

// TestGone holds that the episode of a check that is no longer made is closed.
func TestGone(t *testing.T) {
	r := newRig(t)
	r.mustRun(1)
	r.rules[further] = nil
	r.mustRun(6) // it is checked every half hour
	r.wantAlerts("Guardrail unhealthy: forwarder.eu-north-1 high", "Guardrail unhealthy: second.rules high")
	r.want.Regions, r.want.Second = nil, ""
	r.runs = r.checker()
	r.mustRun(1)
	r.wantAlerts("Guardrail unhealthy: forwarder.eu-north-1 high", "Guardrail unhealthy: second.rules high",
		"Guardrail healthy again: forwarder.eu-north-1 info", "Guardrail healthy again: second.rules info")
}

// TestNewRegion holds that a Region's forwarder is waited for as long as it was
// never there, and no longer than an hour: the guard is deployed before it.
func TestNewRegion(t *testing.T) {
	r := newRig(t)
	rules, queue := r.rules[further], further+"/rootguard-forward-undelivered"
	r.rules[further] = nil
	delete(r.queues, queue)
	r.mustRun(8)
	r.wantAlerts()
	r.rules[further], r.queues[queue] = rules, health.Queue{}
	r.mustRun(2)
	r.wantAlerts()
	r.rules[further] = nil
	delete(r.queues, queue)
	r.mustRun(6)
	r.wantAlerts("Guardrail unhealthy: forwarder.eu-north-1 high", "Guardrail unhealthy: queue.eu-north-1 high", "Guardrail unhealthy: second.rules high")

	r = newRig(t)
	r.rules[further] = nil
	r.mustRun(11)
	r.wantAlerts()
	r.mustRun(1)
	r.wantAlerts("Guardrail unhealthy: forwarder.eu-north-1 high", "Guardrail unhealthy: second.rules high")
}

// TestDeploying holds that what a deployment adds may come a run later than the
// settings that name it.
func TestDeploying(t *testing.T) {
	r := newRig(t)
	const name = "rootguard-user-sign-in"
	rules, targets := slices.Clone(r.rules[home]), r.targets[home+"/"+name]
	f := r.functions["rootguard-iamuser"]
	r.removeRule(home, name)
	delete(r.functions, "rootguard-iamuser")
	r.mustRun(1)
	r.wantAlerts()
	r.rules[home], r.functions["rootguard-iamuser"] = rules, f
	if targets != nil {
		r.targets[home+"/"+name] = targets
	}
	r.mustRun(2)
	r.wantAlerts()
	delete(r.functions, "rootguard-iamuser")
	r.mustRun(7)
	if len(r.alerts()) == 0 {
		t.Error("a function that is gone raises no alert")
	}
}

// TestDeadline holds that a service that hangs leaves time to report the others.
func TestDeadline(t *testing.T) {
	r := newRig(t)
	r.mustRun(1)
	r.trails[0].Logging = false
	r.at = r.at.Add(step)
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Second)
	defer cancel()
	r.clock = fake.NewClock(time.Now())
	checks := health.New(health.Ports{Trails: r, Rules: r, Functions: r, Queues: hanging{}, Topics: r, Keys: r, Tables: r, Roles: r, Alarms: (*bells)(r.world), Metrics: r, Regions: r, Bus: r, RollUps: r, Store: r.store}, r.want, time.Now)
	value, err := checks.Run(ctx, r.guard, r.at)
	if err != nil {
		t.Fatal(err)
	}
	r.wantAlerts(stopped)
	if !strings.Contains(value.String(), "queue.failed") {
		t.Errorf("the log does not name what was not answered: %v", value)
	}
}

type hanging struct{}

func (hanging) Queue(ctx context.Context, _, _ string) (health.Queue, error) {
	<-ctx.Done()
	return health.Queue{}, fmt.Errorf("asking: %w", ctx.Err())
}

// TestBroken holds that a run fails where its table does.
func TestBroken(t *testing.T) {
	r := newRig(t)
	r.mustRun(1)
	r.script.Inject(1, fake.FailBefore)
	if err := r.run(); !errors.Is(err, fake.ErrFault) {
		t.Errorf("got %v", err)
	}
}

// TestRegionEnabled holds that a Region that is enabled is reported once, and each
// one after it, too; and one that the settings leave out is not.
func TestRegionEnabled(t *testing.T) {
	t.Parallel()
	testenv.Soak(t)
	const opted = "Guardrail unhealthy: regions low"
	r := newRig(t)
	r.want.Further = append(r.want.Further, "eu-west-1")
	r.enabled = append(r.enabled, "eu-west-1")
	r.runs = r.checker()
	r.mustRun(80)
	r.wantAlerts()
	r.enabled = append(r.enabled, "me-south-1")
	r.mustRun(73) // six hours, and one run
	r.wantAlerts(opted)
	if f := r.publisher.Published()[0].Finding; !strings.Contains(fmt.Sprintf("%+v", f), "me-south-1") {
		t.Errorf("%+v", f)
	}
	r.mustRun(2 * 288)
	r.wantAlerts(opted) // no reminder, and no word when it is no news any more
	r.enabled = append(r.enabled, "af-south-1")
	r.mustRun(73)
	r.enabled = append(r.enabled, "il-central-1")
	r.mustRun(73)
	r.wantAlerts(opted, opted, opted)
}

// TestLostOnce holds that each moment's metrics are read by one run alone, that a
// run that could not read them is made up for, and that what was lost is reported
// once.
func TestLostOnce(t *testing.T) {
	const lost = "Guardrail unhealthy: lost.rules high"
	r := newRig(t)
	r.mustRun(13)
	r.wantAlerts()
	r.fails["Sums"] = errors.New("ThrottlingException")
	r.mustRun(13)
	delete(r.fails, "Sums")
	r.sums["rootguard-root-sign-in"] = 1
	r.mustRun(1)
	r.sums["rootguard-root-sign-in"] = 0
	sent := r.alerts()
	if !slices.Contains(sent, lost) {
		t.Fatalf("alerts: %v", sent)
	}
	r.mustRun(36)
	if n := len(slices.DeleteFunc(r.alerts(), func(s string) bool { return s != lost })); n != 1 {
		t.Errorf("alerts: %v", r.alerts())
	}
	if !slices.Contains(r.alerts(), "Guardrail healthy again: lost.rules info") {
		t.Errorf("alerts: %v", r.alerts())
	}
	r.at = r.at.Add(50 * time.Hour) // no run for two days
	r.mustRun(1)
	for i := 1; i < len(r.windows); i++ {
		from, before := r.windows[i][0], r.windows[i-1][1]
		if from.Before(before) || from.After(before) && i < len(r.windows)-1 {
			t.Errorf("read %v after %v", r.windows[i], r.windows[i-1])
		}
	}
	if last := r.windows[len(r.windows)-1]; last[1].Sub(last[0]) != 24*time.Hour {
		t.Errorf("after two days: %v", last)
	}
}

// TestCallsADay holds how many calls the checks make in a day with every Region:
// each is a record in the account's trails. Of a function there are 5 calls in one,
// of a role 4, of a topic's receivers 2 and one for each of them, of a table's
// protection 2, of a Region's queue 2.
func TestCallsADay(t *testing.T) {
	t.Parallel()
	testenv.Soak(t)
	r := newRig(t)
	commercial, _ := partition.Of("aws")
	r.want.Regions = commercial.Further()
	r.want.Further = r.want.Regions
	rules, err := eventrules.RulesFor("rootguard")
	if err != nil {
		t.Fatal(err)
	}
	for _, region := range r.want.Regions {
		r.queues[region+"/rootguard-forward-undelivered"] = health.Queue{}
		for _, rule := range rules {
			if region == further { // its rules are there
				continue
			}
			name := "rootguard-forward-" + rule.Name
			r.rules[region] = append(r.rules[region], *r.rule(home, "rootguard-"+rule.Name))
			r.rules[region][len(r.rules[region])-1].Name = name
			r.targets[region+"/"+name] = []health.Target{{ARN: "arn:aws:events:us-east-1:" + account + ":event-bus/default", DeadLetters: "arn:aws:sqs:" + region + ":" + account + ":rootguard-forward-undelivered"}}
		}
	}
	r.enabled = append([]string{home}, r.want.Regions...)
	r.runs = r.checker()
	r.mustRun(12)
	clear(r.calls)
	r.mustRun(288)
	r.wantAlerts()
	cost := map[string]int{"Function": 5, "Role": 4, "Receivers": 4, "Protection": 2, "Queue": 2}
	total := 0
	for name, n := range r.calls {
		total += n * max(cost[name], 1)
	}
	t.Logf("%d calls: %v", total, r.calls)
	if total > 10500 {
		t.Errorf("%d calls a day: %v", total, r.calls)
	}
	if reads, err := health.MetricReads(r.want); err != nil || r.calls["Sums"] != 24 || reads < 15000 || reads > 30000 {
		t.Errorf("metrics are read %d times a day, %d of them a month, %v", r.calls["Sums"], reads, err)
	}
}
