package quarantine

import (
	"testing"

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
