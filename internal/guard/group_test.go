package guard_test

import (
	"context"
	"errors"
	"math/rand/v2"
	"slices"
	"sync"
	"testing"
	"time"

	"pgregory.net/rapid"

	"rootguard/internal/alert"
	"rootguard/internal/cloudtrail"
	"rootguard/internal/detect"
	"rootguard/internal/fake"
	"rootguard/internal/guard"
	"rootguard/internal/testenv"
	"rootguard/internal/wiretest"
)

// topics is a publisher of several, of which some are gone. It notes what each
// that is there has.
type topics struct {
	names []string
	gone  map[string]bool

	mu  sync.Mutex
	has map[string][]alert.Alert
}

func (p *topics) Publish(_ context.Context, a alert.Alert) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	took := slices.Clone(a.DeliveredTo)
	failed := false
	for _, name := range p.names {
		switch {
		case slices.Contains(took, name):
		case p.gone[name]:
			failed = true
		default:
			if p.has == nil {
				p.has = map[string][]alert.Alert{}
			}
			p.has[name] = append(p.has[name], a)
			took = append(took, name)
		}
	}
	switch {
	case !failed:
		return nil
	case len(took) == 0:
		return errors.New("NotFound: Topic does not exist")
	}
	return &guard.Partial{DeliveredTo: took, Err: errors.New("NotFound: Topic does not exist")}
}

// TestOneDeadTopicFloodsTheOther holds that a topic which is gone neither switches
// roll-ups off for the one that is there nor has it get anything twice.
func TestOneDeadTopicFloodsTheOther(t *testing.T) {
	w := wiretest.NewWorld()
	p := &topics{names: []string{"mail", "chat"}, gone: map[string]bool{"chat": true}}
	g := w.Over(p)
	failed := 0
	for n := range 200 {
		rec := w.Record(wiretest.Finding(detect.RootActivity, detect.High, "root@s", n, wiretest.T0.Add(time.Duration(n)*3*time.Second)))
		for try := range 3 { // as Lambda does
			_, err := g.Handle(t.Context(), rec)
			if err == nil {
				break
			}
			if try == 2 {
				failed++
			}
		}
	}
	for range 3 {
		if _, err := g.Flush(t.Context(), wiretest.T0.Add(time.Hour)); err == nil {
			t.Error("a topic is gone, and there is no error")
		}
	}
	got := p.has["mail"]
	if len(got) != 2 || got[0].Kind != alert.First || got[1].Kind != alert.RollUp || got[1].Count != 199 || failed != 1 {
		t.Errorf("the topic that is there has %d alerts; %d of 200 events failed, want the first alone", len(got), failed)
	}

	// The other gets all of it once it is there.
	p.gone = nil
	if _, err := g.Handle(t.Context(), w.Record(w.Findings["event-000"])); err != nil {
		t.Error(err)
	}
	if n, err := g.Flush(t.Context(), wiretest.T0.Add(time.Hour)); n != 1 || err != nil {
		t.Errorf("%d roll-ups, %v", n, err)
	}
	if chat := p.has["chat"]; len(chat) != 2 || chat[1].Count != 199 || len(p.has["mail"]) != 2 {
		t.Errorf("the topic that came back has %d alerts, the other %d", len(chat), len(p.has["mail"]))
	}
}

// TestLateEventsBehindADeadTopic holds that a roll-up which one topic cannot get keeps
// those after it from none that is there.
func TestLateEventsBehindADeadTopic(t *testing.T) {
	w := wiretest.NewWorld()
	p := &topics{names: []string{"mail", "chat"}, gone: map[string]bool{"chat": true}}
	g := w.Over(p)
	for n := range 6 {
		if n == 3 || n == 5 { // what the others of the window repeat was reported
			w.Clock.Advance(time.Hour)
			_, _ = g.Flush(t.Context(), w.Clock.Now())
		}
		_, _ = g.Handle(t.Context(), w.Record(wiretest.Finding(detect.RootActivity, detect.High, "root@s", n, wiretest.T0.Add(time.Duration(n)*time.Second))))
	}
	for range 3 {
		w.Clock.Advance(time.Hour)
		_, _ = g.Flush(t.Context(), w.Clock.Now())
	}
	counts := func(of string) (counts []int) {
		for _, a := range p.has[of] {
			counts = append(counts, max(1, a.Count))
		}
		return counts
	}
	if got := counts("mail"); !slices.Equal(got, []int{1, 2, 2, 1}) {
		t.Errorf("the topic that is there has %v events", got)
	}
	p.gone = nil
	w.Clock.Advance(time.Hour)
	if n, err := g.Flush(t.Context(), w.Clock.Now()); n != 3 || err != nil {
		t.Errorf("%d roll-ups, %v", n, err)
	}
	got := counts("chat")
	if slices.Sort(got); !slices.Equal(got, []int{1, 2, 2}) || len(p.has["mail"]) != 4 {
		t.Errorf("the topic that came back has %v events, the other %d alerts", got, len(p.has["mail"]))
	}
}

// TestNoTopicTookIt is the near-miss: where no receiver has the alert, the next event of
// the session is alerted.
func TestNoTopicTookIt(t *testing.T) {
	w := wiretest.NewWorld()
	p := &topics{names: []string{"mail", "chat"}, gone: map[string]bool{"mail": true, "chat": true}}
	g := w.Over(p)
	first := w.Record(wiretest.Finding(detect.RootActivity, detect.High, "s", 1, wiretest.T0))
	if _, err := g.Handle(t.Context(), first); err == nil {
		t.Fatal("both topics are gone, and there is no error")
	}
	p.gone = nil
	res, err := g.Handle(t.Context(), w.Record(wiretest.Finding(detect.RootActivity, detect.High, "s", 2, wiretest.T0.Add(time.Second))))
	if err != nil || res.Disposition != guard.Alerted {
		t.Errorf("the second: %q, %v", res.Disposition, err)
	}
}

// TestLateEventsFlood has the calls of one access key, one every 30 s, of which half were
// in a queue for hours and are redriven while the other half arrive.
func TestLateEventsFlood(t *testing.T) {
	const n = 240
	run := func(interleave bool) int {
		w := wiretest.NewWorld()
		call := func(i int, after time.Duration) {
			rec := w.Record(wiretest.Finding(detect.RootActivity, detect.High, "111#AKIAROOT", i, wiretest.T0.Add(after)))
			if _, err := w.Handle(t.Context(), rec); err != nil {
				t.Fatal(err)
			}
		}
		old := func(i int) { call(i, time.Duration(i)*30*time.Second) }
		fresh := func(i int) { call(n+i, 4*time.Hour+time.Duration(i)*30*time.Second) }
		for i := range n {
			old(i)
			if interleave {
				fresh(i)
			}
		}
		for i := range n {
			if !interleave {
				fresh(i)
			}
		}
		if _, err := w.Flush(t.Context(), wiretest.T0.Add(100*time.Hour)); err != nil {
			t.Fatal(err)
		}
		if covered, extra := w.Covered(t); covered["root.activity 111#AKIAROOT"] != 2*n || extra != 0 {
			t.Errorf("covered %v, %d extra", covered, extra)
		}
		return len(w.Receivers.Published())
	}
	if ordered, interleaved := run(false), run(true); interleaved > ordered || ordered != 2+16 {
		t.Errorf("%d messages one after the other, %d interleaved", ordered, interleaved)
	}
}

// TestShuffledQueueFloods has a queue hand on the calls of one session in no order.
func TestShuffledQueueFloods(t *testing.T) {
	t.Parallel()
	const n = 1000
	run := func(shuffle bool) int {
		w := wiretest.NewWorld()
		order := make([]int, n)
		for i := range order {
			order[i] = i
		}
		if shuffle {
			r := rand.New(rand.NewPCG(1, 2))
			r.Shuffle(n, func(i, j int) { order[i], order[j] = order[j], order[i] })
		}
		for _, i := range order {
			rec := w.Record(wiretest.Finding(detect.RootActivity, detect.High, "111#AKIAROOT", i, wiretest.T0.Add(time.Duration(i)*time.Minute)))
			if _, err := w.Handle(t.Context(), rec); err != nil {
				t.Fatal(err)
			}
		}
		if _, err := w.Flush(t.Context(), wiretest.T0.Add(1000*time.Hour)); err != nil {
			t.Fatal(err)
		}
		if covered, extra := w.Covered(t); covered["root.activity 111#AKIAROOT"] != n || extra != 0 {
			t.Errorf("covered %v, %d extra", covered, extra)
		}
		return len(w.Receivers.Published())
	}
	ordered, shuffled := run(false), run(true)
	t.Logf("%d messages in order, %d in none", ordered, shuffled)
	if ordered != 68 || shuffled > ordered+6 {
		t.Errorf("%d calls of one session over %v: %d messages in order, %d where the queue hands them on in no order", n, n*time.Minute, ordered, shuffled)
	}
}

// TestOrderMattersLittle compares events in any order, late, delivered again and cut off
// by crashes, to topics of which some are gone, with the same in order.
func TestOrderMattersLittle(t *testing.T) {
	t.Parallel()
	testenv.Check(t, 100, func(rt *rapid.T) {
		type event struct {
			session string
			at      time.Duration
		}
		events := rapid.SliceOfN(rapid.Custom(func(rt *rapid.T) event {
			return event{
				rapid.SampledFrom([]string{"s1", "s1", "s2"}).Draw(rt, "session"),
				time.Duration(rapid.IntRange(0, 240).Draw(rt, "minute")) * time.Minute,
			}
		}), 1, 80).Draw(rt, "events")
		gone := rapid.SampledFrom([]map[string]bool{nil, nil, {"chat": true}}).Draw(rt, "gone")
		ctx := context.Background()

		run := func(order []int, faulty bool) (messages int) {
			w := wiretest.NewWorld()
			p := &topics{names: []string{"mail", "chat"}, gone: gone}
			g := w.Over(p)
			copies, waiting := 0, slices.Clone(order)
			for tries := 0; len(waiting) > 0; tries++ {
				if tries > 8*len(order)+50 {
					rt.Fatalf("events %v are never handled", waiting)
				}
				i := waiting[0]
				waiting = waiting[1:]
				rec := w.Record(wiretest.Finding(detect.RootActivity, detect.High, events[i].session, i, wiretest.T0.Add(events[i].at)))
				before, at := len(w.Script.Calls()), 0
				if faulty && tries < 3*len(order) && rapid.IntRange(0, 3).Draw(rt, "goes wrong") == 0 {
					at = rapid.IntRange(1, 4).Draw(rt, "call")
					w.Script.Inject(at, rapid.SampledFrom([]fake.Fault{fake.FailBefore, fake.FailAfter, fake.CrashBefore, fake.CrashAfter}).Draw(rt, "fault"))
				}
				_, err := g.Handle(ctx, rec)
				if at > 0 && len(w.Script.Calls())-before >= at {
					copies++ // an alert that went out and is not marked sent comes again
				}
				var partial *guard.Partial
				w.Script.Restart()
				if err != nil && !errors.As(err, &partial) || faulty && tries < len(order) && rapid.IntRange(0, 5).Draw(rt, "again") == 0 {
					w.Clock.Advance(time.Second)
					if len(waiting) == 0 || tries > 3*len(order) {
						w.Clock.Advance(w.Settings.Lease) // of a process that died
					}
					waiting = append(waiting, i)
				}
			}
			_, _ = g.Flush(ctx, wiretest.T0.Add(1000*time.Hour)) // an error where a topic is gone
			covered, seen := map[string]int{}, map[string]bool{}
			for _, a := range p.has["mail"] {
				if seen[a.ID] {
					copies--
					continue
				}
				seen[a.ID] = true
				messages++
				covered[a.Finding.Session] += max(1, a.Count)
			}
			want := map[string]int{}
			for _, i := range order {
				want[events[i].session]++
			}
			for session, n := range want {
				if covered[session] != n {
					rt.Errorf("%d events of session %s were alerted or are in a roll-up, want %d", covered[session], session, n)
				}
			}
			if copies < 0 {
				rt.Errorf("%d copies more than faults account for", -copies)
			}
			return messages
		}

		ordered := make([]int, len(events))
		for i := range ordered {
			ordered[i] = i
		}
		slices.SortStableFunc(ordered, func(a, b int) int { return int(events[a].at - events[b].at) })
		shuffled := rapid.Permutation(ordered).Draw(rt, "order")
		// Each event that is later than all before it, by more than a window, is alerted.
		most := run(ordered, false)
		latest := map[string]time.Duration{}
		for _, i := range shuffled {
			e := events[i]
			if was, ok := latest[e.session]; !ok || e.at-was >= 15*time.Minute {
				latest[e.session] = max(was, e.at)
				if ok {
					most++
				}
			}
		}
		// A roll-up may have to be made twice, where its events came on both sides of it.
		most += 2 + most/4
		if got := run(shuffled, false); got > most {
			rt.Errorf("%d messages in no order, want at most %d", got, most)
		}
		run(shuffled, true)
	})
}

// TestLateBatch holds that what comes when its group was reported makes one roll-up
// more, a window later, however much it is.
func TestLateBatch(t *testing.T) {
	w := wiretest.NewWorld()
	call := func(n, minute int) *cloudtrail.Record {
		return w.Record(wiretest.Finding(detect.RootActivity, detect.High, "s", n, wiretest.T0.Add(time.Duration(minute)*time.Minute)))
	}
	w.MustHandle(t, call(0, 0), guard.Alerted)
	w.MustHandle(t, call(1, 1), guard.RolledUp)
	w.MustFlush(t, w.Clock.Now(), 1)
	for n := range 5 {
		w.MustHandle(t, call(2+n, 2), guard.RolledUp)
		w.MustHandle(t, call(2+n, 2), guard.Duplicate)
		w.MustFlush(t, w.Clock.Now(), 0)
		w.Clock.Advance(2 * time.Minute)
	}
	w.Clock.Advance(5 * time.Minute)
	w.MustFlush(t, w.Clock.Now(), 1)
	w.MustHandle(t, call(1, 1), guard.Duplicate)
	w.MustFlush(t, w.Clock.Now().Add(time.Hour), 0)
	w.WantLines(t, "first high event-000", "roll_up high event-000 x1", "roll_up high event-000 x5")
}

// TestPausedCount pauses an invocation before each of its calls about an event that is
// rolled up, while others handle a copy of it and send several roll-ups of its group: it
// is in one of them.
func TestPausedCount(t *testing.T) {
	life := func(pause int) (calls int) {
		w := wiretest.NewWorld()
		n := 0
		late := func() *cloudtrail.Record { // of the window of the first
			n++
			return w.Record(wiretest.Finding(detect.RootActivity, detect.High, "s", n, wiretest.T0.Add(time.Duration(n)*time.Second)))
		}
		w.MustHandle(t, late(), guard.Alerted)
		rec := late()
		before := len(w.Script.Calls())
		w.Script.Pause(pause+1, func() {
			for range 4 {
				_ = wiretest.Must(w.Handle(t.Context(), rec))
				_ = wiretest.Must(w.Handle(t.Context(), late()))
				w.Clock.Advance(time.Hour)
				w.MustFlush(t, w.Clock.Now(), 1)
			}
		})
		_ = wiretest.Must(w.Handle(t.Context(), rec))
		calls = len(w.Script.Calls()) - before
		w.SettleAll(t, nil)
		if covered, extra := w.Covered(t); covered["root.activity s"] != n || extra != 0 {
			t.Errorf("paused before call %d: alerts report %v of %d events, %d copies", pause, covered, n, extra)
		}
		return calls
	}
	for pause := range life(-1) {
		life(pause)
	}
}

// TestRollUpWithoutAnAlertWaitsForItsIncident: where no alert was sent, the roll-up alone
// can name the incident, so it waits once for the store of incidents, and no longer.
// After an alert it does not wait: that has named it.
func TestRollUpWithoutAnAlertWaitsForItsIncident(t *testing.T) {
	for name, tt := range map[string]struct {
		alerted bool
		down    int // calls
		sent    []int
	}{
		"no alert, down once":   {false, 1, []int{0, 1}},
		"no alert, down longer": {false, 3, []int{0, 1}},
		"no alert":              {false, 0, []int{1, 0}},
		"after an alert":        {true, 1, []int{1, 0}},
	} {
		s := wiretest.NewWatched()
		if tt.alerted {
			s.MustHandle(t, s.Activity(0, wiretest.T0, wiretest.T0), guard.Alerted)
		} else {
			s.Denied()
		}
		s.MustHandle(t, s.Activity(1, wiretest.T0, wiretest.T0.Add(time.Second)), guard.RolledUp)
		s.Token = nil
		s.Script.Fail("Incidents.UpdateIncidents", tt.down)
		for i, want := range tt.sent {
			at := wiretest.T0.Add(time.Duration(i+1) * time.Hour)
			if sent, _ := s.Flush(t.Context(), at); sent != want {
				t.Errorf("%s: flush %d sent %d, want %d", name, i+1, sent, want)
			}
			s.Clock.Advance(time.Hour)
		}
	}
}

// TestFlushInterrupted: a flush that had no time says so, and leaves what is due.
func TestFlushInterrupted(t *testing.T) {
	w := wiretest.NewWorld()
	call := func(n int) *cloudtrail.Record {
		return w.Record(wiretest.Finding(detect.RootActivity, detect.High, "s", n, wiretest.T0.Add(time.Duration(n)*time.Minute)))
	}
	w.MustHandle(t, call(0), guard.Alerted)
	w.MustHandle(t, call(1), guard.RolledUp)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if n, err := w.Flush(ctx, w.Clock.Now().Add(time.Hour)); n != 0 || !errors.Is(err, context.Canceled) {
		t.Errorf("%d roll-ups, %v", n, err)
	}
	w.MustFlush(t, w.Clock.Now().Add(time.Hour), 1)
}
