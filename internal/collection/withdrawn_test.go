package collection_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	"rootguard/internal/alert"
	"rootguard/internal/collection"
	"rootguard/internal/fake"
	"rootguard/internal/guard"
)

// acknowledged are the incidents that an operator acknowledged.
type acknowledged struct {
	ids []string
	err error
}

func (a *acknowledged) Unacknowledged(_ context.Context, resends []collection.Resend) ([]bool, error) {
	wanted := make([]bool, len(resends))
	for i, r := range resends {
		wanted[i] = !slices.Contains(a.ids, r.Incident)
	}
	return wanted, a.err
}

// TestWithdrawn holds that what was acknowledged while it waited is sent no more, and
// that all others are, in the order and under the claims that they had.
func TestWithdrawn(t *testing.T) {
	for _, tt := range []struct {
		all    int
		acked  []string
		alerts [][]string // incidents of each alert
	}{
		{1, nil, [][]string{{"I0"}}},
		{1, []string{"I0"}, nil},
		{2, nil, [][]string{{"I0"}, {"I1"}}},
		{2, []string{"I0"}, [][]string{{"I1"}}},
		{2, []string{"I1"}, [][]string{{"I0"}}},
		{2, []string{"I0", "I1"}, nil},
		{4, nil, [][]string{{"I0", "I1", "I2", "I3"}}},
		{4, []string{"I0", "I2"}, [][]string{{"I1", "I3"}}},
		{4, []string{"I0", "I1", "I3"}, [][]string{{"I2"}}},
		{4, []string{"I0", "I1", "I2", "I3"}, nil},
	} {
		t.Run(fmt.Sprintf("%v of %d", tt.acked, tt.all), func(t *testing.T) {
			acks := &acknowledged{ids: tt.acked, err: errors.New("throttled")}
			h := newHeld(acks)
			for i := range tt.all {
				n := guard.Notice{Finding: missing(hub, fmt.Sprintf("user-%d", i)), Incident: &alert.Incident{ID: fmt.Sprintf("I%d", i), AckFlags: "--region x"}, Kind: alert.Resend, Cycle: 1, Claim: fmt.Sprintf("again-%d", i)}
				if res, err := h.Collect(t.Context(), collection.Resends, n); err != nil || res.Disposition != guard.RolledUp {
					t.Fatalf("%+v, %v", res, err)
				}
			}
			if n, err := h.Collector.Send(t.Context(), collection.Resends, h.clock.Now(), false); n != 0 || !errors.Is(err, acks.err) {
				t.Errorf("where it is not known: sent %d, %v", n, err)
			}
			acks.err = nil
			h.clock.Advance(time.Hour)
			h.sent(t, collection.Resends, false, len(tt.alerts))
			var got [][]string
			for _, a := range h.pub.Published() {
				var ids []string
				if a.Summary == nil {
					ids = append(ids, a.Incident.ID)
				} else {
					if a.Summary.AckFlags != "--region x" {
						t.Errorf("the list says %q", a.Summary.AckFlags)
					}
					for _, it := range a.Summary.Accounts[0].Findings {
						ids = append(ids, it.Incident)
					}
				}
				got = append(got, slices.Sorted(slices.Values(ids)))
			}
			if !slices.EqualFunc(got, tt.alerts, slices.Equal[[]string]) {
				t.Errorf("sent again %v, want %v", got, tt.alerts)
			}
			h.sent(t, collection.Resends, false, 0)
		})
	}
}

// TestSendOverlaps has another run send what is collected before each call of a run that
// does: each notice goes out once, and what is collected next is not held back.
func TestSendOverlaps(t *testing.T) {
	life := func(t *testing.T, pause int) (calls int) {
		t.Helper()
		h := newHeld(nil)
		script := &fake.Script{}
		refused := errors.New("no topic takes it")
		h.pub.Refuse = func(alert.Alert) error { return refused }
		h.collect(t, collection.RootNotices, guard.RolledUp, missing(hub, "a"))
		if _, err := h.Collector.Send(t.Context(), collection.RootNotices, h.clock.Now(), false); !errors.Is(err, refused) {
			t.Fatal(err)
		}
		h.pub.Refuse = nil
		h.collect(t, collection.RootNotices, guard.RolledUp, missing(hub, "b")) // in a batch of its own
		h.clock.Advance(time.Hour)
		h.store.Script = script
		script.Pause(pause+1, func() {
			_, _ = h.Collector.Send(t.Context(), collection.RootNotices, h.clock.Now(), false)
		})
		_, err := h.Collector.Send(t.Context(), collection.RootNotices, h.clock.Now(), false)
		calls = len(script.Calls())
		if err != nil && !errors.Is(err, guard.ErrBusy) {
			t.Errorf("paused before call %d: %v", pause, err)
		}
		for range 3 { // what a lease kept back
			h.clock.Advance(10 * time.Minute)
			if _, err := h.Collector.Send(t.Context(), collection.RootNotices, h.clock.Now(), false); err != nil {
				t.Errorf("paused before call %d: the next run: %v", pause, err)
			}
		}
		h.collect(t, collection.RootNotices, guard.RolledUp, missing(hub, "c"))
		h.sent(t, collection.RootNotices, false, 1)
		count := map[string]int{}
		for _, a := range h.pub.Published() {
			count[a.Finding.Target.UserName]++
		}
		if len(count) != 3 || count["a"] != 1 || count["b"] != 1 || count["c"] != 1 {
			t.Errorf("paused before call %d: sent %v", pause, count)
		}
		return calls
	}
	calls := life(t, -1)
	if calls < 15 {
		t.Errorf("there were only %d calls", calls)
	}
	for pause := range calls {
		life(t, pause)
	}
}

// TestNextBatchWaits holds that what was collected behind a batch that failed goes out no
// sooner than the day's alerts allow.
func TestNextBatchWaits(t *testing.T) {
	h := newHeld(nil)
	for i := range 4 {
		h.collect(t, collection.UserNotices, guard.RolledUp, missing(hub, fmt.Sprintf("user-%d", i)))
		h.sent(t, collection.UserNotices, false, 1)
	}
	refused := errors.New("no topic takes it")
	h.pub.Refuse = func(alert.Alert) error { return refused }
	h.collect(t, collection.UserNotices, guard.RolledUp, missing(hub, "fifth"))
	if _, err := h.Collector.Send(t.Context(), collection.UserNotices, h.clock.Now(), false); !errors.Is(err, refused) {
		t.Fatal(err)
	}
	h.pub.Refuse = nil
	h.collect(t, collection.UserNotices, guard.RolledUp, missing(hub, "sixth"))
	h.clock.Advance(time.Hour)
	h.sent(t, collection.UserNotices, false, 1)
	h.clock.Advance(6*time.Hour - time.Second)
	h.sent(t, collection.UserNotices, false, 0)
	h.clock.Advance(time.Second)
	h.sent(t, collection.UserNotices, false, 1)
	if a := h.pub.Published()[5]; a.Finding.Target.UserName != "sixth" {
		t.Errorf("the last is about %s", a.Finding.Target.UserName)
	}
}
