package redrive_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"rootguard/internal/alert"
	"rootguard/internal/detect"
	"rootguard/internal/fake"
	"rootguard/internal/guard"
	"rootguard/internal/lambdahandler"
	"rootguard/internal/redrive"
)

const account = "111111111111"

// event is an EventBridge event about a user that was created.
func event(eventID string) string {
	return fmt.Sprintf(`{"version":"0","id":"eb-%[2]s","detail-type":"AWS API Call via CloudTrail","source":"aws.iam","account":%[1]q,"time":"2025-03-01T12:00:01Z","region":"us-east-1","resources":[],"detail":
		{"eventVersion":"1.10","userIdentity":{"type":"IAMUser","principalId":"AIDAADMIN","arn":"arn:aws:iam::%[1]s:user/admin","accountId":%[1]q,"userName":"admin"},
		"eventTime":"2025-03-01T12:00:00Z","eventSource":"iam.amazonaws.com","eventName":"CreateUser","awsRegion":"us-east-1","sourceIPAddress":"203.0.113.5","userAgent":"test",
		"requestParameters":{"userName":"eve"},"responseElements":{"user":{"userName":"eve","userId":"AIDAEVE","arn":"arn:aws:iam::%[1]s:user/eve"}},
		"eventID":%[2]q,"readOnly":false,"eventType":"AwsApiCall","managementEvent":true,"recipientAccountId":%[1]q}}`, account, eventID)
}

// failedRecord is what Lambda makes of an event it gave up on.
func failedRecord(event string) string {
	return `{"version":"1.0","timestamp":"2025-03-01T13:00:00Z","requestContext":{"condition":"RetriesExhausted","approximateInvokeCount":3},"requestPayload":` + event + `,"responseContext":{"statusCode":200},"responsePayload":{"errorMessage":"SNS is down"}}`
}

const schedule = `{"id":"beat","detail-type":"Scheduled Event","source":"aws.events","detail":{}}`

// rig is a guard over fakes that fail by one script.
type rig struct {
	script    fake.Script
	store     fake.Claims
	journal   fake.Facts
	publisher fake.Publisher
	clock     *fake.Clock
	queues    [2]fake.Queue
	items     []redrive.Item
}

func newRig() *rig {
	r := &rig{clock: fake.NewClock(time.Date(2025, 3, 1, 14, 0, 0, 0, time.UTC))}
	r.store.Script, r.journal.Script, r.publisher.Script = &r.script, &r.script, &r.script
	r.queues[0].Script, r.queues[1].Script = &r.script, &r.script
	return r
}

func (r *rig) options() redrive.Options {
	g := guard.New(guard.Deps{Detector: &detect.Detector{}, Claims: &r.store, Facts: &r.journal, Publisher: &r.publisher, Now: r.clock.Now}, guard.Settings{})
	r.items = nil
	return redrive.Options{
		Queues:  []redrive.Named{{Name: "undelivered", Queue: &r.queues[0]}, {Name: "failed", Queue: &r.queues[1]}},
		Handler: &lambdahandler.Redriver{Guard: g, Now: r.clock.Now},
		Report:  func(it redrive.Item) error { r.items = append(r.items, it); return nil },
	}
}

func (r *rig) left() int {
	a, _ := r.queues[0].Left()
	b, _ := r.queues[1].Left()
	return len(a) + len(b)
}

func TestRedrive(t *testing.T) {
	r := newRig()
	r.queues[0].Send(event("e-1"), event("e-2"), `{"id":"x"}`, schedule)
	r.queues[1].Send(failedRecord(event("e-1")), failedRecord(event("e-3")), `no JSON`)
	sum, err := redrive.Run(t.Context(), r.options())
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(redrive.Summary{Delivered: 4, Duplicates: 1, Malformed: 2}, sum); diff != "" {
		t.Errorf("summary (-want +got):\n%s", diff)
	}
	if n := len(r.publisher.Published()); n != 3 {
		t.Errorf("%d alerts, want 3", n)
	}
	for q, want := range []string{`{"id":"x"}`, `no JSON`} {
		if left, hidden := r.queues[q].Left(); len(left) != 1 || left[0] != want || hidden != 0 {
			t.Errorf("queue %d has %q, %d of them hidden, want %q to be seen", q, left, hidden, want)
		}
	}
	for _, it := range r.items {
		if bad := it.State == redrive.Malformed; bad != (it.Err != nil) || bad == (it.Event.ID != "") {
			t.Errorf("item %s of %s is %s, event %q, %v", it.Message.ID, it.Queue, it.State, it.Event.ID, it.Err)
		}
	}

	// Once more: only what is malformed is there, and nothing is reported.
	sum, err = redrive.Run(t.Context(), r.options())
	if want := (redrive.Summary{Malformed: 2}); err != nil || sum != want || len(r.publisher.Published()) != 3 {
		t.Errorf("the second run: %+v, %v, %d alerts", sum, err, len(r.publisher.Published()))
	}
}

func TestDryRun(t *testing.T) {
	r := newRig()
	r.queues[0].Send(event("e-1"), `[]`)
	r.queues[1].Send(failedRecord(event("e-1")))
	opt := r.options()
	opt.DryRun = true
	for range 2 { // it leaves everything as it was
		sum, err := redrive.Run(t.Context(), opt)
		if want := (redrive.Summary{Waiting: 2, Malformed: 1}); err != nil || sum != want {
			t.Fatalf("got %+v, %v, want %+v", sum, err, want)
		}
	}
	if r.left() != 3 || len(r.publisher.Published()) != 0 {
		t.Errorf("%d messages left, %d alerts", r.left(), len(r.publisher.Published()))
	}
}

// TestDiscard holds that only what is no event is deleted, and only when asked for.
func TestDiscard(t *testing.T) {
	r := newRig()
	r.queues[0].Send(`{"id":"x"}`, event("e-1"), `{"id":"y"}`)
	opt := r.options()
	opt.DryRun = true
	if _, err := redrive.Run(t.Context(), opt); err != nil {
		t.Fatal(err)
	}
	opt = r.options()
	ids, err := r.queues[0].Receive(t.Context())
	if err != nil || len(ids) != 3 {
		t.Fatalf("%d messages, %v", len(ids), err)
	}
	for _, m := range ids {
		if err := r.queues[0].Release(t.Context(), m); err != nil {
			t.Fatal(err)
		}
	}
	opt.Discard = map[string]bool{ids[0].ID: true, ids[1].ID: true}
	r.script.Fail("Queue.Delete", 1)
	sum, err := redrive.Run(t.Context(), opt)
	if err != nil || sum.Failed != 1 || sum.Delivered != 1 || sum.Malformed != 1 || r.left() != 2 {
		t.Errorf("while SQS is down: %+v, %v, %d left", sum, err, r.left())
	}
	opt.DryRun = true
	if sum, err = redrive.Run(t.Context(), opt); err != nil || sum.Malformed != 2 || r.left() != 2 {
		t.Errorf("in a dry run: %+v, %v, %d left", sum, err, r.left())
	}
	opt.DryRun = false
	if sum, err = redrive.Run(t.Context(), opt); err != nil || sum.Discarded != 1 || sum.Malformed != 1 || r.left() != 1 {
		t.Errorf("got %+v, %v, %d left", sum, err, r.left())
	}
	if n := len(r.publisher.Published()); n != 1 {
		t.Errorf("%d alerts, want that of the event", n)
	}
}

func TestLimit(t *testing.T) {
	r := newRig()
	for i := range 25 {
		r.queues[0].Send(event(fmt.Sprintf("e-%d", i)))
	}
	opt := r.options()
	opt.Limit = 12
	sum, err := redrive.Run(t.Context(), opt)
	if err != nil || sum.Delivered != 12 || !sum.LimitReached {
		t.Fatalf("got %+v, %v", sum, err)
	}
	if left, hidden := r.queues[0].Left(); len(left) != 13 || hidden != 0 {
		t.Errorf("%d left, %d of them hidden; want 13, none", len(left), hidden)
	}
}

// TestHidden holds that a run says what another receiver has, and waits for a
// count that is only late.
func TestHidden(t *testing.T) {
	r := newRig()
	r.queues[0].Send(event("e-1"), event("e-2"))
	r.queues[0].Batch = 1
	if _, err := r.queues[0].Receive(t.Context()); err != nil {
		t.Fatal(err)
	}
	opt := r.options()
	var waited []time.Duration
	opt.Sleep = func(_ context.Context, d time.Duration) error { waited = append(waited, d); return nil }
	sum, err := redrive.Run(t.Context(), opt)
	if want := (redrive.Summary{Delivered: 1, Hidden: 1}); err != nil || sum != want {
		t.Errorf("got %+v, %v, want %+v", sum, err, want)
	}
	if want := []time.Duration{2 * time.Second, 5 * time.Second, 10 * time.Second}; !slices.Equal(waited, want) {
		t.Errorf("waited %v, want %v", waited, want)
	}

	opt = r.options()
	opt.Sleep = func(context.Context, time.Duration) error { r.queues[0].Return(); return nil }
	if sum, err = redrive.Run(t.Context(), opt); err != nil || sum != (redrive.Summary{}) {
		t.Errorf("a count that was late: got %+v, %v, want nothing hidden", sum, err)
	}

	opt = r.options()
	r.script.Fail("Queue.Waiting", 1)
	if _, err = redrive.Run(t.Context(), opt); err == nil || !strings.Contains(err.Error(), "counting what is left") {
		t.Errorf("what is left could not be counted: got %v", err)
	}
}

// TestHeadOfMalformed holds that messages which stay do not hide those behind them.
func TestHeadOfMalformed(t *testing.T) {
	r := newRig()
	r.queues[0].Batch = 2
	for range 7 {
		r.queues[0].Send(`bad`)
	}
	r.queues[0].Send(event("e-1"))
	sum, err := redrive.Run(t.Context(), r.options())
	if want := (redrive.Summary{Delivered: 1, Malformed: 7}); err != nil || sum != want {
		t.Errorf("got %+v, %v, want %+v", sum, err, want)
	}
}

// TestComesAround holds that a message whose time of hiding passes during the
// run is not taken twice, and that the run ends.
func TestComesAround(t *testing.T) {
	r := newRig()
	r.queues[0].Send(`bad`, event("e-1"))
	opt := r.options()
	report := opt.Report
	opt.Report = func(it redrive.Item) error { r.queues[0].Return(); return report(it) }
	sum, err := redrive.Run(t.Context(), opt)
	if want := (redrive.Summary{Delivered: 1, Malformed: 1}); err != nil || sum != want {
		t.Errorf("got %+v, %v, want %+v", sum, err, want)
	}
	if left, hidden := r.queues[0].Left(); len(left) != 1 || hidden != 0 {
		t.Errorf("%d left, %d hidden: it was released by an old receipt", len(left), hidden)
	}
}

func TestGivesUp(t *testing.T) {
	r := newRig()
	for i := range 30 {
		r.queues[0].Send(event(fmt.Sprintf("e-%d", i)))
	}
	r.queues[1].Send(failedRecord(event("e-0")))
	r.publisher.Refuse = func(alert.Alert) error { return errors.New("SNS is down") }
	sum, err := redrive.Run(t.Context(), r.options())
	if !errors.Is(err, redrive.ErrGaveUp) || sum.Failed != 5 {
		t.Fatalf("got %+v, %v", sum, err)
	}
	if left, hidden := r.queues[0].Left(); len(left) != 30 || hidden != 0 {
		t.Errorf("%d left, %d of them hidden; want 30, none", len(left), hidden)
	}
	r.publisher.Refuse = nil
	if sum, err := redrive.Run(t.Context(), r.options()); err != nil || sum.Delivered != 30 || sum.Duplicates != 1 || r.left() != 0 {
		t.Errorf("when SNS is back: %+v, %v, %d left", sum, err, r.left())
	}
}

// TestOneBadQueue holds that a queue that cannot be read does not keep the other back.
func TestOneBadQueue(t *testing.T) {
	r := newRig()
	r.queues[1].Send(failedRecord(event("e-1")))
	r.script.Inject(1, fake.FailBefore)
	sum, err := redrive.Run(t.Context(), r.options())
	if !errors.Is(err, fake.ErrFault) || !strings.Contains(err.Error(), "redriving undelivered") || sum.Delivered != 1 {
		t.Errorf("got %+v, %v", sum, err)
	}
}

// TestInterrupted holds that the message being handled is handled to its end,
// and that the rest is back on the queue at once.
func TestInterrupted(t *testing.T) {
	r := newRig()
	r.queues[0].Send(event("e-1"), event("e-2"), event("e-3"))
	ctx, cancel := context.WithCancel(t.Context())
	r.publisher.Refuse = func(alert.Alert) error { cancel(); return nil }
	sum, err := redrive.Run(ctx, r.options())
	if !errors.Is(err, context.Canceled) || sum.Delivered != 1 {
		t.Fatalf("got %+v, %v", sum, err)
	}
	if left, hidden := r.queues[0].Left(); len(left) != 2 || hidden != 0 {
		t.Errorf("%d left, %d of them hidden; want 2, none", len(left), hidden)
	}
}

func TestReportFails(t *testing.T) {
	r := newRig()
	r.queues[0].Send(event("e-1"), event("e-2"))
	opt := r.options()
	full := errors.New("disk full")
	opt.Report = func(redrive.Item) error { return full }
	if sum, err := redrive.Run(t.Context(), opt); !errors.Is(err, full) || sum.Delivered != 1 || r.left() != 1 {
		t.Errorf("got %+v, %v, %d left", sum, err, r.left())
	}
}

// TestOnce goes wrong at each step in each way, and runs redrive until nothing is
// left. Every event is reported under one ID; only a publish whose outcome no one
// could note may make a copy, which has the same ID.
func TestOnce(t *testing.T) {
	setup := func() *rig {
		r := newRig()
		r.queues[0].Send(event("e-1"), event("e-2"))
		r.queues[1].Send(failedRecord(event("e-1")), failedRecord(event("e-3")))
		return r
	}
	well := setup()
	if _, err := redrive.Run(t.Context(), well.options()); err != nil {
		t.Fatal(err)
	}
	steps := well.script.Calls()
	if len(steps) < 15 {
		t.Fatalf("only %d steps: %v", len(steps), steps)
	}
	copies := 0
	for n, step := range steps {
		for _, f := range []fake.Fault{fake.FailBefore, fake.FailAfter, fake.CrashBefore, fake.CrashAfter} {
			t.Run(fmt.Sprintf("%d %s %s", n+1, step, f), func(t *testing.T) {
				r := setup()
				r.script.Inject(n+1, f)
				_, _ = redrive.Run(t.Context(), r.options())
				for runs := 1; r.left() > 0; runs++ {
					if runs > 3 {
						t.Fatalf("%d messages left after %d runs", r.left(), runs)
					}
					r.script.Restart()
					r.clock.Advance(time.Minute) // the lease, and the time for which messages are hidden
					r.queues[0].Return()
					r.queues[1].Return()
					_, _ = redrive.Run(t.Context(), r.options())
				}
				reported := map[string]int{} // by event
				ids := map[string]bool{}
				for _, a := range r.publisher.Published() {
					reported[a.Finding.EventID]++
					ids[a.ID] = true
				}
				if len(reported) != 3 || len(ids) != 3 {
					t.Errorf("%v reported in alerts %v, want three events in three", reported, ids)
				}
				extra := len(r.publisher.Published()) - 3
				atPublish := step == "Publisher.Publish" && (f == fake.FailAfter || f == fake.CrashAfter)
				unsettled := step == "Claims.Update" && n > 0 && steps[n-1] == "Publisher.Publish" && (f == fake.FailBefore || f == fake.CrashBefore)
				switch {
				case extra > 1, extra == 1 && !atPublish && !unsettled:
					t.Errorf("%d copies of an alert", extra)
				case extra == 1:
					copies++
				}
			})
		}
	}
	t.Logf("%d steps, each gone wrong in 4 ways; %d of these made a copy", len(steps), copies)
}

// TestBusy holds that an event another process is handling stays on the queue.
func TestBusy(t *testing.T) {
	r := newRig()
	r.queues[0].Send(event("e-1"))
	r.script.Inject(4, fake.CrashBefore) // after the claim, before the alert
	_, _ = redrive.Run(t.Context(), r.options())
	if !r.script.Restart() || len(r.publisher.Published()) != 0 {
		t.Fatalf("did not die between claim and alert: %v", r.script.Calls())
	}
	r.queues[0].Return()
	sum, err := redrive.Run(t.Context(), r.options())
	if want := (redrive.Summary{Busy: 1}); err != nil || sum != want || r.left() != 1 {
		t.Fatalf("while the lease runs: %+v, %v, %d left", sum, err, r.left())
	}
	r.clock.Advance(guard.DefaultSettings().Lease + time.Second)
	if sum, err := redrive.Run(t.Context(), r.options()); err != nil || sum.Delivered != 1 || len(r.publisher.Published()) != 1 {
		t.Errorf("later: %+v, %v", sum, err)
	}
}
