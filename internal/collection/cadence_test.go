package collection_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"rootguard/internal/alert"
	"rootguard/internal/cloudtrail"
	"rootguard/internal/collection"
	"rootguard/internal/detect"
	"rootguard/internal/fake"
	"rootguard/internal/guard"
)

// held is a collector over a guard in which a suppression may hold.
type held struct {
	*guard.Guard
	*collection.Collector

	clock       *fake.Clock
	pub         *fake.Publisher
	store       *fake.Claims
	suppression string
	err         error
	from        []int // of each Count
}

// Count notes from where a notice is looked for.
func (h *held) Count(ctx context.Context, c *guard.Claim, of *detect.Finding, from int, at time.Time) (int, error) {
	h.from = append(h.from, from)
	return h.Guard.Count(ctx, c, of, from, at)
}

func (h *held) Suppressed(_ context.Context, f detect.Finding) (detect.Finding, string, error) {
	return f, h.suppression, h.err
}

// Send is both the guard's and the collector's.
func (h *held) Send(ctx context.Context, n guard.Notice) (guard.Result, error) {
	return h.Guard.Send(ctx, n)
}

func newHeld(incidents collection.Incidents) *held {
	h := &held{clock: fake.NewClock(begin), pub: &fake.Publisher{}, store: &fake.Claims{}}
	h.start(incidents)
	return h
}

// another is another process over the same claims.
func (h *held) another() *held {
	o := &held{clock: h.clock, pub: h.pub, store: h.store}
	o.start(nil)
	return o
}

func (h *held) start(incidents collection.Incidents) {
	batches := collection.NewBatches(collection.Deps{Claims: h.store, Now: h.clock.Now, Incidents: incidents})
	h.Guard = guard.New(guard.Deps{Detector: &detect.Detector{}, Claims: h.store, Facts: &fake.Facts{}, Publisher: h.pub, Now: h.clock.Now, Batches: batches}, guard.Settings{})
	h.Collector = collection.New(batches, h)
}

func (h *held) collect(t *testing.T, of collection.Name, want guard.Disposition, all ...detect.Finding) {
	t.Helper()
	for i := range all {
		res, err := h.Collect(t.Context(), of, guard.Notice{Finding: all[i], At: h.clock.Now()})
		if err != nil || res.Disposition != want {
			t.Errorf("%s is %q, %v, want %q", all[i].EventID, res.Disposition, err, want)
		}
	}
}

// sent sends a collection, and compares how many alerts that makes.
func (h *held) sent(t *testing.T, of collection.Name, more bool, want int) {
	t.Helper()
	if n, err := h.Collector.Send(t.Context(), of, h.clock.Now(), more); n != want || err != nil {
		t.Errorf("%v after the beginning: sent %d, %v, want %d", h.clock.Now().Sub(begin), n, err, want)
	}
}

func missing(account, user string) detect.Finding {
	return detect.MFAMissing(account, detect.Target{UserName: user}, begin.Add(-24*time.Hour), begin, "")
}

// TestCadence holds to the second when the sixth alert about users in a day goes out,
// and that what root lacks waits for none of it.
func TestCadence(t *testing.T) {
	for _, tt := range []struct {
		of    collection.Name
		apart time.Duration // of the first five
		waits time.Duration // the sixth, after the fifth
	}{
		{collection.UserNotices, time.Minute, 6 * time.Hour},
		{collection.UserNotices, 5 * time.Hour, 4 * time.Hour}, // until the first is a day old
		{collection.UserNotices, 6 * time.Hour, 0},
		{collection.RootNotices, time.Minute, 0},
		{collection.Resends, time.Minute, 0},
	} {
		t.Run(fmt.Sprintf("%s, %v apart", tt.of, tt.apart), func(t *testing.T) {
			h := newHeld(nil)
			for i := range 5 {
				if i > 0 {
					h.clock.Advance(tt.apart)
				}
				h.collect(t, tt.of, guard.RolledUp, missing(hub, fmt.Sprintf("user-%d", i)))
				h.sent(t, tt.of, false, 1)
			}
			if ready, err := h.Ready(t.Context(), tt.of, h.clock.Now()); ready != (tt.waits == 0) || err != nil {
				t.Errorf("ready for the sixth: %v, %v", ready, err)
			}
			if tt.waits > 0 {
				h.clock.Advance(tt.waits - time.Second)
			}
			if tt.apart == time.Minute || tt.waits == 0 {
				h.collect(t, tt.of, guard.RolledUp, missing(hub, "last"))
				if tt.waits > 0 {
					h.sent(t, tt.of, false, 0)
				}
			}
			if tt.waits > 0 {
				h.clock.Advance(time.Second)
			}
			if ready, err := h.Ready(t.Context(), tt.of, h.clock.Now()); !ready || err != nil {
				t.Errorf("ready in time: %v, %v", ready, err)
			}
			if tt.waits > 0 {
				h.collect(t, tt.of, guard.RolledUp, missing(hub, "later"))
			}
			h.sent(t, tt.of, false, 1)
			h.sent(t, tt.of, false, 0)
		})
	}
}

// TestWaitForTheRun holds how long what is collected waits for a run that collects more.
func TestWaitForTheRun(t *testing.T) {
	h := newHeld(nil)
	h.collect(t, collection.RootNotices, guard.RolledUp, missing(hub, "one"))
	for range 7 {
		h.sent(t, collection.RootNotices, true, 0)
		h.clock.Advance(6*time.Minute - time.Second)
		h.sent(t, collection.RootNotices, true, 0)
		if ready, err := h.Ready(t.Context(), collection.RootNotices, h.clock.Now()); ready || err != nil {
			t.Errorf("ready while it waits: %v, %v", ready, err)
		}
		h.clock.Advance(time.Second)
	}
	h.sent(t, collection.RootNotices, true, 1) // after 42 of 45 minutes

	h.collect(t, collection.RootNotices, guard.RolledUp, missing(hub, "two"))
	h.sent(t, collection.RootNotices, true, 0)
	h.clock.Advance(6 * time.Minute)
	h.sent(t, collection.RootNotices, false, 1) // the run is over
}

// TestHowManyAlerts holds into how many alerts what is due at once is divided.
func TestHowManyAlerts(t *testing.T) {
	of := func(accounts, users int) (all []detect.Finding) {
		for i := range accounts {
			for u := range users {
				all = append(all, missing(fmt.Sprintf("%012d", i+1), fmt.Sprintf("user-%d", u)))
			}
		}
		return all
	}
	for _, tt := range []struct {
		name   string
		of     collection.Name
		before int // alerts of that day
		all    []detect.Finding
		want   []int // findings of each alert
	}{
		{"one account's users", collection.UserNotices, 0, of(1, 3), []int{3}},
		{"three accounts' users", collection.UserNotices, 0, of(3, 2), []int{2, 2, 2}},
		{"four accounts' users", collection.UserNotices, 0, of(4, 2), []int{8}},
		{"three accounts' users, after one alert", collection.UserNotices, 1, of(3, 2), []int{2, 2, 2}},
		{"three accounts' users, after two", collection.UserNotices, 2, of(3, 2), []int{6}},
		{"two accounts' users, after two", collection.UserNotices, 2, of(2, 2), []int{2, 2}},
		{"two accounts' users, after three", collection.UserNotices, 3, of(2, 2), []int{4}},
		{"one account's users, after four", collection.UserNotices, 4, of(1, 2), []int{2}},
		{"root of one account", collection.RootNotices, 0, of(1, 3), []int{1, 1, 1}},
		{"root of two accounts", collection.RootNotices, 0, of(2, 1), []int{2}},
		{"two incidents", collection.Resends, 0, of(2, 1), []int{1, 1}},
		{"three incidents", collection.Resends, 0, of(3, 1), []int{3}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			h := newHeld(nil)
			for i := range tt.before {
				h.collect(t, tt.of, guard.RolledUp, missing(hub, fmt.Sprintf("before-%d", i)))
				h.sent(t, tt.of, false, 1)
			}
			h.collect(t, tt.of, guard.RolledUp, tt.all...)
			h.collect(t, tt.of, guard.Duplicate, tt.all[0])
			h.sent(t, tt.of, false, len(tt.want))
			var got []int
			total := 0
			for _, a := range h.pub.Published()[tt.before:] {
				n := 1
				if a.Summary != nil {
					n = a.Summary.FindingCount
				}
				got, total = append(got, n), total+n
			}
			if !slices.Equal(got, tt.want) || total != len(tt.all) {
				t.Errorf("alerts of %v findings, want %v", got, tt.want)
			}
			h.collect(t, tt.of, guard.Duplicate, tt.all...)
			h.sent(t, tt.of, false, 0)
		})
	}
}

// TestWhatIsLeftOfASubject holds what a mail that waited says of a subject that came up
// more than once.
func TestWhatIsLeftOfASubject(t *testing.T) {
	opened := missing(hub, "eve")
	reminded := detect.MFAReminder(opened, 1, 3, begin.Add(time.Hour))
	closed := detect.MFAClosed(opened, cloudtrail.Yes, "the user has MFA", begin.Add(2*time.Hour))
	other := missing(hub, "adam")
	for name, tt := range map[string]struct {
		all  []detect.Finding
		want []string
	}{
		"opened":                                       {[]detect.Finding{opened}, []string{opened.Title}},
		"opened and reminded of":                       {[]detect.Finding{reminded, opened}, []string{reminded.Title}},
		"opened and resolved":                          {[]detect.Finding{opened, closed}, nil},
		"opened, resolved and reminded":                {[]detect.Finding{closed, reminded, opened}, nil},
		"resolved alone":                               {[]detect.Finding{closed}, []string{closed.Title}},
		"reminded of and resolved":                     {[]detect.Finding{reminded, closed}, []string{closed.Title}},
		"opened and resolved, and another user opened": {[]detect.Finding{opened, other, closed}, []string{other.Title}},
	} {
		t.Run(name, func(t *testing.T) {
			h := newHeld(nil)
			h.collect(t, collection.UserNotices, guard.RolledUp, tt.all...)
			h.sent(t, collection.UserNotices, false, len(tt.want))
			var got []string
			for _, a := range h.pub.Published() {
				got = append(got, a.Finding.Title)
			}
			if !slices.Equal(got, tt.want) {
				t.Errorf("alerts %q, want %q", got, tt.want)
			}
			h.collect(t, collection.UserNotices, guard.RolledUp, missing(hub, "next"))
			h.sent(t, collection.UserNotices, false, 1) // nothing is left behind
		})
	}
}

// TestSuppressedIsNotCollected holds that what is suppressed stays on record and goes out
// in no mail, and that what is critical or sent again does.
func TestSuppressedIsNotCollected(t *testing.T) {
	h := newHeld(nil)
	h.suppression, h.err = "3F9D0-KQ7TB", errors.New("half of them could not be read")
	low := missing(hub, "eve")
	for range 2 {
		res, err := h.Collect(t.Context(), collection.UserNotices, guard.Notice{Finding: low})
		if res.Disposition == guard.Suppressed && (res.Suppression != h.suppression || !errors.Is(err, h.err)) ||
			res.Disposition != guard.Suppressed && res.Disposition != guard.Duplicate {
			t.Errorf("suppressed: %+v, %v", res, err)
		}
	}
	if all := h.store.All(); len(all) != 1 || all[0].State != guard.Withheld || all[0].Suppression != h.suppression || all[0].Finding == nil {
		t.Errorf("on record: %+v", all)
	}
	h.sent(t, collection.UserNotices, false, 0)
	last := detect.MFAReminder(low, 3, 3, begin)
	if res, err := h.Collect(t.Context(), collection.UserNotices, guard.Notice{Finding: last}); res.Disposition != guard.RolledUp || !errors.Is(err, h.err) {
		t.Errorf("the last reminder, which is critical: %+v, %v", res, err)
	}
	again := guard.Notice{Finding: missing(hub, "adam"), Incident: &alert.Incident{ID: "7K4Q2-X2M9P"}, Kind: alert.Resend, Claim: "again"}
	if res, err := h.Collect(t.Context(), collection.UserNotices, again); res.Disposition != guard.RolledUp || err != nil {
		t.Errorf("what is sent again: %+v, %v", res, err)
	}
	h.sent(t, collection.UserNotices, false, 1)
	if all := h.pub.Published(); len(all) != 1 || all[0].Summary == nil || all[0].Summary.FindingCount != 2 {
		t.Errorf("sent: %+v", all)
	}
}

// TestHeldIsNotCollected holds that what another invocation is sending is not taken from
// it, until its lease is over.
func TestHeldIsNotCollected(t *testing.T) {
	h := newHeld(nil)
	f := missing(hub, "eve")
	h.pub.Refuse = func(alert.Alert) error {
		_, err := h.Collect(t.Context(), collection.UserNotices, guard.Notice{Finding: f})
		if !errors.Is(err, guard.ErrBusy) {
			t.Errorf("while it is sent: %v", err)
		}
		return nil
	}
	if res, err := h.Guard.Send(t.Context(), guard.Notice{Finding: f}); err != nil || res.Disposition != guard.Alerted {
		t.Fatalf("%+v, %v", res, err)
	}
	h.pub.Refuse = nil
	h.collect(t, collection.UserNotices, guard.Duplicate, f)
	h.sent(t, collection.UserNotices, false, 0)
	if n := len(h.pub.Published()); n != 1 {
		t.Errorf("%d alerts", n)
	}
}

// TestPausedCollect pauses a process before each of its calls about a notice, while
// others collect it too and send several mails: it is in one of them, whether or not the
// process has collected before.
func TestPausedCollect(t *testing.T) {
	for _, of := range []collection.Name{collection.UserNotices, collection.RootNotices, collection.Resends} {
		for _, warm := range []bool{false, true} {
			life := func(pause int) (calls int) {
				h := newHeld(nil)
				h.store.Script = &fake.Script{}
				n := 0
				other := func(by *held) {
					n++
					by.clock.Advance(24 * time.Hour)
					by.collect(t, of, guard.RolledUp, missing(hub, fmt.Sprintf("other-%d", n)))
					if _, err := by.Collector.Send(t.Context(), of, by.clock.Now(), false); err != nil {
						t.Error(err)
					}
				}
				for range 3 {
					other(h)
				}
				if !warm {
					h = h.another()
				}
				x := missing(hub, "x")
				before := len(h.store.Script.Calls())
				h.store.Script.Pause(pause+1, func() {
					for range 4 {
						o := h.another()
						if _, err := o.Collect(t.Context(), of, guard.Notice{Finding: x}); err != nil {
							t.Error(err)
						}
						other(o)
					}
				})
				if _, err := h.Collect(t.Context(), of, guard.Notice{Finding: x}); err != nil {
					t.Error(err)
				}
				calls = len(h.store.Script.Calls()) - before
				h.clock.Advance(24 * time.Hour)
				if _, err := h.Collector.Send(t.Context(), of, h.clock.Now(), false); err != nil {
					t.Error(err)
				}
				named := map[string]int{}
				for _, a := range h.pub.Published() {
					for _, one := range alert.Each(a) {
						named[one.Finding.Target.UserName]++
					}
				}
				if named["x"] != 1 || len(named) != n+1 {
					t.Errorf("%s, warm %v, paused before call %d: %v, want each once", of, warm, pause, named)
				}
				return calls
			}
			for pause := range life(-1) {
				life(pause)
			}
		}
	}
}

// TestLookingBack: the first notice after a mail is looked for in earlier ones, from the
// latest that the process knows of, and those that follow cost a claim, a look at their
// collection and a count. One that is collected again may be in any.
func TestLookingBack(t *testing.T) {
	h := newHeld(nil)
	h.store.Script = &fake.Script{}
	first := int(begin.Unix() / 60)
	for i := range 3 {
		h.collect(t, collection.RootNotices, guard.RolledUp, missing(hub, fmt.Sprintf("user-%d", i)))
		h.sent(t, collection.RootNotices, false, 1)
	}
	calls := func(of *held, want guard.Disposition, user string, looksBack bool, from int) {
		t.Helper()
		before := len(h.store.Script.Calls())
		of.collect(t, collection.RootNotices, want, missing(hub, user))
		wantCalls := []string{"Claims.Update", "Claims.UpdateGroup", "Claims.Counted", "Claims.Count"}
		if !looksBack {
			wantCalls = slices.Delete(wantCalls, 2, 3)
		}
		if got := h.store.Script.Calls()[before:]; !slices.Equal(got, wantCalls) || of.from[len(of.from)-1] != from {
			t.Errorf("%s: %v from %d, want %v from %d", user, got, of.from[len(of.from)-1], wantCalls, from)
		}
	}
	calls(h, guard.RolledUp, "a", true, first+2)
	calls(h, guard.RolledUp, "b", false, first+3)
	other := h.another()
	calls(other, guard.RolledUp, "c", true, 0)
	calls(other, guard.RolledUp, "d", false, first+3)
	calls(other, guard.Duplicate, "a", true, 0)
}

// TestCallsOfAMail holds what one mail costs, and that what is kept of earlier ones is
// bounded.
func TestCallsOfAMail(t *testing.T) {
	h := newHeld(nil)
	h.store.Script = &fake.Script{}
	for i := range 12 {
		h.collect(t, collection.RootNotices, guard.RolledUp, missing(hub, fmt.Sprintf("user-%d", i)))
		before := len(h.store.Script.Calls())
		h.sent(t, collection.RootNotices, false, 1)
		want := []string{
			"Claims.UpdateGroup",                          // is it due
			"Claims.Update", "Claims.Seal", "Claims.Read", // the batch
			"Claims.Update", "Claims.Update", // the alert: claimed, and sent
			"Claims.Update", "Claims.UpdateGroup", // the batch: sent
		}
		if got := h.store.Script.Calls()[before:]; !slices.Equal(got, want) {
			t.Errorf("mail %d: %v, want %v", i, got, want)
		}
	}
	if err := h.store.UpdateGroup(t.Context(), "collected/roots", func(gr guard.Group) guard.Group {
		if len(gr.Published) != 5 {
			t.Errorf("the times of %d mails are kept", len(gr.Published))
		}
		return guard.Group{}
	}); err != nil {
		t.Fatal(err)
	}
}

// TestMailAfterOneThatFailed: what failed is sent by the next run, without waiting for a
// lease, also where it failed before any of it was sent.
func TestMailAfterOneThatFailed(t *testing.T) {
	for _, call := range []string{"Claims.Seal", "Claims.Read"} {
		h := newHeld(nil)
		h.store.Script = &fake.Script{}
		h.collect(t, collection.RootNotices, guard.RolledUp, missing(hub, "a"))
		h.store.Script.Fail(call, 1)
		if n, err := h.Collector.Send(t.Context(), collection.RootNotices, h.clock.Now(), false); n != 0 || !errors.Is(err, fake.ErrFault) {
			t.Errorf("%s fails: sent %d, %v", call, n, err)
		}
		h.sent(t, collection.RootNotices, false, 1)
	}
}

// TestNoticeAfterItsCollectionsFirstMailsExpired: a process dies between the claim of a
// notice and its count, in a collection whose first batches are gone by then. The next
// process does not count it in one of them.
func TestNoticeAfterItsCollectionsFirstMailsExpired(t *testing.T) {
	h := newHeld(nil)
	h.store.Script = &fake.Script{}
	first := int(begin.Unix() / 60)
	for i := range 3 {
		h.collect(t, collection.RootNotices, guard.RolledUp, missing(hub, fmt.Sprintf("user-%d", i)))
		h.sent(t, collection.RootNotices, false, 1)
		h.clock.Advance(24 * time.Hour)
	}
	h.store.Expire("collected/roots", first)
	h.store.Script.Inject(2, fake.CrashBefore)
	x := guard.Notice{Finding: missing(hub, "x")}
	if _, err := h.Collect(t.Context(), collection.RootNotices, x); !errors.Is(err, fake.ErrCrash) {
		t.Fatalf("got %v, want a crash", err)
	}
	h.store.Script.Restart()
	next := h.another()
	next.collect(t, collection.RootNotices, guard.Duplicate, x.Finding)
	next.sent(t, collection.RootNotices, false, 1)
	all := h.pub.Published()
	if got := all[len(all)-1].Finding.Target.UserName; got != "x" {
		t.Errorf("the last mail is about %q, want x", got)
	}
}

// TestMailThatAnotherSends: a mail that another process is sending is left to it, and of
// one that it sent before it died that is noted alone.
func TestMailThatAnotherSends(t *testing.T) {
	h := newHeld(nil)
	h.store.Script = &fake.Script{}
	other := h.another()
	h.collect(t, collection.RootNotices, guard.RolledUp, missing(hub, "a"))
	send := func(want ...string) {
		t.Helper()
		before := len(h.store.Script.Calls())
		other.sent(t, collection.RootNotices, false, 0)
		if got := h.store.Script.Calls()[before:]; !slices.Equal(got, want) {
			t.Errorf("calls %v, want %v", got, want)
		}
	}
	h.pub.Refuse = func(alert.Alert) error {
		send("Claims.UpdateGroup", "Claims.Update") // is it due, and who has it
		return nil
	}
	h.store.Script.Inject(10, fake.CrashBefore) // that it was sent is not noted
	if _, err := h.Collector.Send(t.Context(), collection.RootNotices, h.clock.Now(), false); !errors.Is(err, fake.ErrCrash) {
		t.Fatalf("got %v, want a crash", err)
	}
	h.store.Script.Restart()
	send("Claims.UpdateGroup", "Claims.Update", "Claims.UpdateGroup")
	send("Claims.UpdateGroup")
	if n := len(h.pub.Published()); n != 1 {
		t.Errorf("%d mails", n)
	}
	for _, c := range h.store.All() {
		if strings.HasPrefix(c.Key, "group/") && (c.State != guard.Sent || c.Attempts != 1) {
			t.Errorf("claim %s is %q after %d attempts", c.Key, c.State, c.Attempts)
		}
	}
}
