package guard_test

import (
	"rootguard/internal/wiretest"

	"context"
	"errors"
	"slices"
	"testing"
	"time"

	"rootguard/internal/alert"
	"rootguard/internal/detect"
	"rootguard/internal/fake"
	"rootguard/internal/guard"
)

// TestNoToken follows an event for which there is no token until it is published.
func TestNoToken(t *testing.T) {
	w := wiretest.NewWorld()
	asked := w.Denied()
	rec := w.Record(wiretest.Finding(detect.RootActivity, detect.High, "s", 1, wiretest.T0))
	w.MustHandle(t, rec, guard.RolledUp)
	w.MustHandle(t, rec, guard.Duplicate)
	if len(w.Receivers.Published()) != 0 || !slices.Equal(*asked, []time.Duration{3 * time.Second}) {
		t.Fatalf("published %v, asked to wait %v", w.Lines(), *asked)
	}

	// It is due a minute after it happened, and stays due while there is no token.
	w.Token = nil
	if n, err := w.Flush(t.Context(), wiretest.T0.Add(59*time.Second)); n != 0 || err != nil {
		t.Errorf("before: %d, %v", n, err)
	}
	asked = w.Denied()
	if n, err := w.Flush(t.Context(), wiretest.T0.Add(time.Minute)); n != 0 || err != nil || !slices.Equal(*asked, []time.Duration{time.Second}) {
		t.Errorf("without a token: %d, %v, asked to wait %v", n, err, *asked)
	}
	w.Token = nil
	if n, err := w.Flush(t.Context(), wiretest.T0.Add(time.Minute)); n != 1 || err != nil {
		t.Fatalf("with a token: %d, %v", n, err)
	}
	got := w.Receivers.Published()
	if len(got) != 1 || got[0].Kind != alert.RollUp || !got[0].Late || got[0].Count != 1 || got[0].Finding.EventID != rec.EventID || got[0].Finding.Severity != detect.High {
		t.Errorf("alerts: %+v", got)
	}
	w.MustHandle(t, rec, guard.Duplicate)
}

// TestTokenComesLater has the next event of the session alerted at once, as soon as there is a token.
func TestTokenComesLater(t *testing.T) {
	w := wiretest.NewWorld()
	w.Denied()
	w.MustHandle(t, w.Record(wiretest.Finding(detect.RootActivity, detect.High, "s", 1, wiretest.T0)), guard.RolledUp)
	w.Token = nil
	w.MustHandle(t, w.Record(wiretest.Finding(detect.RootActivity, detect.High, "s", 2, wiretest.T0.Add(5*time.Minute))), guard.Alerted)
	w.MustHandle(t, w.Record(wiretest.Finding(detect.RootActivity, detect.High, "s", 3, wiretest.T0.Add(6*time.Minute))), guard.RolledUp)
	if _, err := w.Flush(t.Context(), wiretest.T0.Add(20*time.Minute)); err != nil {
		t.Fatal(err)
	}
	if covered, extra := w.Covered(t); covered["root.activity s"] != 3 || extra != 0 || w.Receivers.Published()[0].Kind != alert.First || w.Receivers.Published()[1].Late {
		t.Errorf("alerts: %v", w.Lines())
	}
}

// TestMoreSevereIsStillToCome holds that what was counted for lack of a token does
// not make the next as severe a repeat.
func TestMoreSevereIsStillToCome(t *testing.T) {
	w := wiretest.NewWorld()
	w.MustHandle(t, w.Record(wiretest.Finding(detect.RootActivity, detect.Low, "s", 1, wiretest.T0)), guard.Alerted)
	w.Denied()
	w.MustHandle(t, w.Record(wiretest.Finding(detect.RootActivity, detect.High, "s", 2, wiretest.T0)), guard.RolledUp)
	w.Token = nil
	w.MustHandle(t, w.Record(wiretest.Finding(detect.RootActivity, detect.High, "s", 3, wiretest.T0)), guard.Alerted)
	w.MustHandle(t, w.Record(wiretest.Finding(detect.RootActivity, detect.High, "s", 4, wiretest.T0)), guard.RolledUp)
}

// TestUrgentNeedsNoToken holds that what is critical, an escalation, and what may
// have been published before go out where no token comes, and that the repeats of
// a critical one are still rolled up.
func TestUrgentNeedsNoToken(t *testing.T) {
	w := wiretest.NewWorld()
	asked := w.Denied()
	for i := range 5 {
		session := string(rune('a' + i))
		w.MustHandle(t, w.Record(wiretest.Finding(detect.RootActivity, detect.Critical, session, 2*i, wiretest.T0)), guard.Alerted)
		w.MustHandle(t, w.Record(wiretest.Finding(detect.RootActivity, detect.Critical, session, 2*i+1, wiretest.T0)), guard.RolledUp)
	}
	if want := slices.Repeat([]time.Duration{10 * time.Second}, 5); !slices.Equal(*asked, want) {
		t.Errorf("asked to wait %v, want %v", *asked, want)
	}
	for i := range w.Settings.FailedSigninsHigh {
		f := wiretest.Finding(detect.RootSigninFailed, detect.Medium, "", 100+i, wiretest.T0.Add(time.Duration(i)*time.Second))
		if _, err := w.Handle(t.Context(), w.Record(f)); err != nil {
			t.Fatal(err)
		}
	}
	reported := w.Receivers.Published()
	if last := reported[len(reported)-1]; len(reported) != 6 || last.Kind != alert.Escalation {
		t.Errorf("published: %v", w.Lines())
	}
}

// TestSevererIsAlertedSoon holds that what is more severe than all that was alerted
// does not wait for the end of its window.
func TestSevererIsAlertedSoon(t *testing.T) {
	for _, tt := range []struct {
		name          string
		first, second detect.Finding
		soon          bool
	}{
		{"more severe", wiretest.Finding(detect.RootActivity, detect.Low, "s", 1, wiretest.T0), wiretest.Finding(detect.RootActivity, detect.High, "s", 2, wiretest.T0), true},
		{"as severe", wiretest.Finding(detect.UserCreated, detect.Info, "s", 1, wiretest.T0), wiretest.Finding(detect.UserCreated, detect.Info, "s", 2, wiretest.T0), false},
	} {
		w := wiretest.NewWorld()
		w.MustHandle(t, w.Record(tt.first), guard.Alerted)
		w.Denied()
		w.MustHandle(t, w.Record(tt.second), guard.RolledUp)
		w.Token = nil
		want := 0
		if tt.soon {
			want = 1
		}
		if n, err := w.Flush(t.Context(), wiretest.T0.Add(2*time.Minute)); n != want || err != nil {
			t.Errorf("%s: %d roll-ups after two minutes, want %d; %v", tt.name, n, want, err)
		}
		if _, err := w.Flush(t.Context(), wiretest.T0.Add(time.Hour)); err != nil {
			t.Fatal(err)
		}
		if reported := w.Receivers.Published(); len(reported) != 2 || reported[1].Count != 1 || reported[1].Finding.Severity != tt.second.Severity {
			t.Errorf("%s: published %v", tt.name, w.Lines())
		}
	}
}

// TestSevererWhileRollingUp has what is more severe find no token while a roll-up of
// its window is on its way.
func TestSevererWhileRollingUp(t *testing.T) {
	w := wiretest.NewWorld()
	w.MustHandle(t, w.Record(wiretest.Finding(detect.RootActivity, detect.Low, "s", 1, wiretest.T0)), guard.Alerted)
	w.MustHandle(t, w.Record(wiretest.Finding(detect.RootActivity, detect.Low, "s", 2, wiretest.T0)), guard.RolledUp)
	at := wiretest.T0.Add(15*time.Minute + time.Second)
	w.Receivers.Refuse = func(a alert.Alert) error {
		if a.Kind == alert.RollUp {
			w.Receivers.Refuse = nil
			w.Denied()
			w.MustHandle(t, w.Record(wiretest.Finding(detect.RootActivity, detect.High, "s", 3, at)), guard.RolledUp)
			w.Token = nil
		}
		return nil
	}
	for _, after := range []time.Duration{0, 2 * time.Minute} {
		if n, err := w.Flush(t.Context(), at.Add(after)); n != 1 || err != nil {
			t.Errorf("%v later: %d, %v", after, n, err)
		}
	}
	if covered, extra := w.Covered(t); covered["root.activity s"] != 3 || extra != 0 {
		t.Errorf("published: %v", w.Lines())
	}
}

// TestOverdueNeedsNoToken holds that a roll-up waits for a token for five minutes
// at most, and those that are due later still do.
func TestOverdueNeedsNoToken(t *testing.T) {
	w := wiretest.NewWorld()
	w.Denied()
	w.MustHandle(t, w.Record(wiretest.Finding(detect.RootActivity, detect.High, "old", 1, wiretest.T0)), guard.RolledUp) // due after a minute
	w.MustHandle(t, w.Record(wiretest.Finding(detect.RootActivity, detect.High, "new", 2, wiretest.T0.Add(time.Minute))), guard.RolledUp)
	if n, err := w.Flush(t.Context(), wiretest.T0.Add(6*time.Minute)); n != 0 || err != nil {
		t.Errorf("after five minutes: %d, %v", n, err)
	}
	asked := w.Denied()
	if n, err := w.Flush(t.Context(), wiretest.T0.Add(6*time.Minute+time.Second)); n != 1 || err != nil {
		t.Errorf("after more: %d, %v", n, err)
	}
	if want := []time.Duration{10 * time.Second, time.Second}; !slices.Equal(*asked, want) {
		t.Errorf("asked to wait %v, want %v", *asked, want)
	}
	if reported := w.Receivers.Published(); len(reported) != 1 || reported[0].Finding.Session != "old" {
		t.Errorf("published: %v", w.Lines())
	}
}

// TestLaterAlertWhileWaiting has a later event of the session be alerted before it is
// known that there is no token.
func TestLaterAlertWhileWaiting(t *testing.T) {
	w := wiretest.NewWorld()
	w.Token = func(time.Duration) (bool, error) {
		w.Token = nil
		w.MustHandle(t, w.Record(wiretest.Finding(detect.RootActivity, detect.High, "s", 2, wiretest.T0.Add(3*time.Hour))), guard.Alerted)
		return false, nil
	}
	w.MustHandle(t, w.Record(wiretest.Finding(detect.RootActivity, detect.High, "s", 1, wiretest.T0)), guard.RolledUp)
	w.MustFlush(t, wiretest.T0.Add(time.Hour), 1)
	if covered, extra := w.Covered(t); covered["root.activity s"] != 2 || extra != 0 {
		t.Errorf("alerts: %v", w.Lines())
	}
}

func TestHowLongToWait(t *testing.T) {
	for _, tt := range []struct {
		name    string
		f       detect.Finding
		want    time.Duration
		becomes guard.Disposition
	}{
		{"high", wiretest.Finding(detect.RootActivity, detect.High, "s", 1, wiretest.T0), 3 * time.Second, guard.RolledUp},
		{"critical", wiretest.Finding(detect.RootSignin, detect.Critical, "s", 1, wiretest.T0), 10 * time.Second, guard.Alerted},
	} {
		w := wiretest.NewWorld()
		asked := w.Denied()
		w.MustHandle(t, w.Record(tt.f), tt.becomes)
		if !slices.Equal(*asked, []time.Duration{tt.want}) {
			t.Errorf("%s: asked to wait %v, want %v", tt.name, *asked, tt.want)
		}
	}

	// Time to publish is left, whatever the context allows.
	for left, want := range map[time.Duration]time.Duration{7 * time.Second: 2 * time.Second, 4 * time.Second: 0, time.Minute: 10 * time.Second} {
		w := wiretest.NewWorld()
		asked := w.Denied()
		ctx, cancel := context.WithDeadline(t.Context(), time.Now().Add(time.Hour))
		deadline, _ := ctx.Deadline()
		w.Clock.Advance(deadline.Sub(w.Clock.Now()) - left)
		if _, err := w.Handle(ctx, w.Record(wiretest.Finding(detect.RootSignin, detect.Critical, "s", 1, wiretest.T0))); err != nil {
			t.Fatal(err)
		}
		if len(*asked) != 1 || (*asked)[0] != want {
			t.Errorf("with %v left: asked to wait %v, want %v", left, *asked, want)
		}
		cancel()
	}
}

// TestTokensUnknown has alerts and roll-ups go out where no tokens can be taken.
func TestTokensUnknown(t *testing.T) {
	w := wiretest.NewWorld()
	w.Token = func(time.Duration) (bool, error) { return false, errors.New("denied") }
	w.MustHandle(t, w.Record(wiretest.Finding(detect.RootActivity, detect.High, "s", 1, wiretest.T0)), guard.Alerted)
	w.MustHandle(t, w.Record(wiretest.Finding(detect.RootActivity, detect.High, "s", 2, wiretest.T0)), guard.RolledUp)
	if n, err := w.Flush(t.Context(), wiretest.T0.Add(time.Hour)); n != 1 || err != nil {
		t.Errorf("%d, %v", n, err)
	}
}

// TestAskedOnce holds that only what is to be published asks for a token.
func TestAskedOnce(t *testing.T) {
	w := wiretest.NewWorld()
	n := 0
	w.Token = func(time.Duration) (bool, error) { n++; return true, nil }
	for i := range 5 {
		rec := w.Record(wiretest.Finding(detect.RootActivity, detect.High, "s", i, wiretest.T0))
		if _, err := w.Handle(t.Context(), rec); err != nil {
			t.Fatal(err)
		}
		w.MustHandle(t, rec, guard.Duplicate)
	}
	if n != 1 {
		t.Errorf("%d tokens for one alert", n)
	}
}

// TestMayBeAlerted holds that an event whose alert may have gone out is never counted
// in a roll-up besides.
func TestMayBeAlerted(t *testing.T) {
	w := wiretest.NewWorld()
	rec := w.Record(wiretest.Finding(detect.RootActivity, detect.High, "s", 1, wiretest.T0))
	w.Receivers.Refuse = func(alert.Alert) error { return errors.New("SNS is down") }
	if _, err := w.Handle(t.Context(), rec); err == nil {
		t.Fatal("publishing went well")
	}
	w.Receivers.Refuse = nil
	asked := w.Denied()
	w.MustHandle(t, rec, guard.Alerted)
	if !slices.Equal(*asked, []time.Duration{10 * time.Second}) {
		t.Errorf("asked to wait %v", *asked)
	}
}

// TestCrashWhileWaiting has the process die while it waits for a token.
func TestCrashWhileWaiting(t *testing.T) {
	w := wiretest.NewWorld()
	rec := w.Record(wiretest.Finding(detect.RootActivity, detect.High, "s", 1, wiretest.T0))
	w.Token = func(time.Duration) (bool, error) {
		w.Script.Inject(1, fake.CrashBefore)
		return false, nil
	}
	if _, err := w.Handle(t.Context(), rec); err == nil {
		t.Fatal("the crash went unnoticed")
	}
	w.Script.Restart()
	w.Token = nil
	if _, err := w.Handle(t.Context(), rec); !errors.Is(err, guard.ErrBusy) {
		t.Errorf("while the lease runs: %v", err)
	}
	w.Clock.Advance(w.Settings.Lease)
	w.MustHandle(t, rec, guard.Alerted)
	if covered, extra := w.Covered(t); covered["root.activity s"] != 1 || extra != 0 {
		t.Errorf("alerts: %v", w.Lines())
	}
}

// TestNoTokenWhileRollUpIsDue has events come of a session of which a roll-up is due, and no token for either.
func TestNoTokenWhileRollUpIsDue(t *testing.T) {
	w := wiretest.NewWorld()
	w.MustHandle(t, w.Record(wiretest.Finding(detect.RootActivity, detect.High, "s", 1, wiretest.T0)), guard.Alerted)
	w.MustHandle(t, w.Record(wiretest.Finding(detect.RootActivity, detect.High, "s", 2, wiretest.T0)), guard.RolledUp)
	w.Denied()
	w.MustHandle(t, w.Record(wiretest.Finding(detect.RootActivity, detect.High, "s", 3, wiretest.T0.Add(3*time.Hour))), guard.RolledUp)
	w.MustHandle(t, w.Record(wiretest.Finding(detect.RootActivity, detect.Medium, "s", 4, wiretest.T0.Add(4*time.Hour))), guard.RolledUp)
	w.Token = nil
	for range 3 {
		if _, err := w.Flush(t.Context(), wiretest.T0.Add(9*time.Hour)); err != nil {
			t.Fatal(err)
		}
	}
	covered, extra := w.Covered(t)
	if covered["root.activity s"] != 4 || extra != 0 {
		t.Errorf("alerts: %v", w.Lines())
	}
}

// TestFlushLeavesTheRest has the tokens, or the time, run out in the middle.
func TestFlushLeavesTheRest(t *testing.T) {
	w := wiretest.NewWorld()
	for i := range 10 {
		f := wiretest.Finding(detect.RootActivity, detect.High, "s", i, wiretest.T0)
		f.Session = string(rune('a' + i/2))
		if _, err := w.Handle(t.Context(), w.Record(f)); err != nil {
			t.Fatal(err)
		}
	}
	left, due := 2, wiretest.T0.Add(16*time.Minute)
	w.Token = func(time.Duration) (bool, error) { left--; return left >= 0, nil }
	if n, err := w.Flush(t.Context(), due); n != 2 || err != nil || left != -1 {
		t.Errorf("with two tokens: %d roll-ups, %v; asked %d times in vain", n, err, -left)
	}
	w.Token = nil
	soon, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	deadline, _ := soon.Deadline()
	w.Clock.Advance(deadline.Sub(w.Clock.Now()) - 4*time.Second)
	if n, err := w.Flush(soon, due); n != 0 || err != nil {
		t.Errorf("with no time left: %d, %v", n, err)
	}
	if n, err := w.Flush(t.Context(), due); n != 3 || err != nil {
		t.Errorf("the rest: %d, %v", n, err)
	}
	if covered, extra := w.Covered(t); extra != 0 || len(covered) != 5 {
		t.Errorf("alerts: %v", w.Lines())
	}
}
