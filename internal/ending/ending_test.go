package ending_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"rootguard/internal/ending"
	"rootguard/internal/fake"
)

// TestSchedule holds that an end is reported once, at the earlier of two times, that one
// that fails is due again, and that one that changes meanwhile stays due.
func TestSchedule(t *testing.T) {
	ctx := t.Context()
	at := time.Date(2025, 3, 1, 12, 0, 0, 0, time.UTC)
	rows := &fake.Ends{Conflicts: true}
	s := ending.Schedule{Rows: rows, Now: func() time.Time { return at }, What: "things that ended"}
	key := ending.Key("123456789012", at.Add(300*time.Millisecond), "ID")
	if got, err := (ending.Row{Key: key}).Time(); err != nil || !got.Equal(at) {
		t.Errorf("the time of %s is %v, %v", key, got, err)
	}
	if got, err := (ending.Row{Key: "123456789012/soon/ID"}).Time(); err == nil {
		t.Errorf("a time is %v", got)
	}
	for _, after := range []time.Duration{time.Hour, 2 * time.Hour, 30 * time.Minute} {
		if err := s.Add(ctx, key, "123456789012", at.Add(after)); err != nil {
			t.Fatal(err)
		}
	}
	calls := 0
	run := func(after time.Duration, want ending.Done, wantErr bool, report func() (bool, error)) {
		t.Helper()
		got, err := s.Run(ctx, at.Add(after), func(_ context.Context, r ending.Row) (bool, error) {
			calls++
			if r.Key != key || r.Account != "123456789012" {
				t.Errorf("row %+v", r)
			}
			return report()
		})
		if got != want || (err != nil) != wantErr {
			t.Errorf("after %v: %+v, %v", after, got, err)
		}
	}
	well := func() (bool, error) { return true, nil }
	run(29*time.Minute, ending.Done{}, false, well)
	run(30*time.Minute, ending.Done{}, true, func() (bool, error) { return false, errors.New("refused") })
	run(30*time.Minute, ending.Done{}, false, well) // it is put off
	if calls != 1 {
		t.Errorf("%d reports, want the one that failed", calls)
	}
	changed := false
	run(2*time.Hour, ending.Done{Ended: 2}, false, func() (bool, error) { // it changes meanwhile, and is reported as it is then
		if changed {
			return true, nil
		}
		changed = true
		return true, rows.Update(ctx, key, func(r ending.Row) ending.Row { r.Revision++; return r })
	})
	run(3*time.Hour, ending.Done{}, false, well)
	if err := s.Add(ctx, key, "123456789012", at); err != nil {
		t.Fatal(err)
	}
	run(3*time.Hour, ending.Done{}, false, well) // it was reported
}
