package quarantine

import (
	"testing"
	"time"

	"rootguard/internal/bootstrap"
)

// TestSettings holds that the worker folds a user's deadline by the same grace as
// the rest of the guard where none is set.
func TestSettings(t *testing.T) {
	w := New(Deps{}, Settings{})
	if got, want := w.facts.Options, bootstrap.DefaultOptions(); got.Grace != want.Grace || got.QuietDays != want.QuietDays {
		t.Errorf("grace %v, quiet days %d; want %v, %d", got.Grace, got.QuietDays, want.Grace, want.QuietDays)
	}
}

// TestDefaults holds the limits where none is set, and that no run may quarantine more
// users than a day.
func TestDefaults(t *testing.T) {
	for _, tt := range []struct {
		name           string
		set            Settings
		notice         time.Duration
		perRun, perDay int
		batch          int
	}{
		{"nothing", Settings{}, 24 * time.Hour, 5, 10, 64},
		{"what is no limit", Settings{Notice: -1, PerRun: -1, PerDay: -1, Batch: -1}, 24 * time.Hour, 5, 10, 64},
		{"the least", Settings{Notice: 1, PerRun: 1, PerDay: 1, Batch: 1}, 1, 1, 1, 1},
		{"fewer a day than a run has", Settings{PerDay: 3}, 24 * time.Hour, 3, 3, 64},
		{"more a day", Settings{PerDay: 30}, 24 * time.Hour, 5, 30, 64},
		{"more a run", Settings{PerRun: 7}, 24 * time.Hour, 7, 10, 64},
	} {
		if got := tt.set.withDefaults(); got.Notice != tt.notice || got.PerRun != tt.perRun || got.PerDay != tt.perDay || got.Batch != tt.batch {
			t.Errorf("%s: %+v", tt.name, got)
		}
	}
}
