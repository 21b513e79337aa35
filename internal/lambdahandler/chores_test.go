package lambdahandler

import (
	"context"
	"errors"
	"log/slog"
	"testing"
	"time"

	"rootguard/internal/announcement"
	"rootguard/internal/incident"
)

type insister func(at time.Time) (incident.Insisted, error)

func (f insister) Insist(_ context.Context, at time.Time) (incident.Insisted, error) { return f(at) }

type recapper func(at time.Time) (announcement.Recapped, error)

func (f recapper) Recap(_ context.Context, at time.Time) (announcement.Recapped, error) { return f(at) }

// TestChoresOfTheGuard holds that they run as of the schedule's time, log what
// they did, nothing where that is nothing, and pass errors on.
func TestChoresOfTheGuard(t *testing.T) {
	at := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	broken := errors.New("broken")
	check := func(got time.Time) error {
		if !got.Equal(at) {
			t.Errorf("as of %v, want %v", got, at)
		}
		return broken
	}
	for _, tt := range []struct {
		chore Chore
		name  string
		want  string
	}{
		{Insist(insister(func(at time.Time) (incident.Insisted, error) { return incident.Insisted{}, check(at) })), "incidents", "<nil>"},
		{Insist(insister(func(at time.Time) (incident.Insisted, error) {
			return incident.Insisted{Resent: 2, Noted: 1, More: true}, check(at)
		})), "incidents", "[resent=2 noted=1 more=true]"},
		{Recap(recapper(func(at time.Time) (announcement.Recapped, error) { return announcement.Recapped{}, check(at) })), "announcements", "<nil>"},
		{Recap(recapper(func(at time.Time) (announcement.Recapped, error) { return announcement.Recapped{Told: 3}, check(at) })), "announcements", "[ended=3 more=false]"},
	} {
		did, err := tt.chore.Run(t.Context(), at)
		if tt.chore.Name != tt.name || did.String() != tt.want || !errors.Is(err, broken) {
			t.Errorf("%s: %v, %v, want %s: %s", tt.chore.Name, did, err, tt.name, tt.want)
		}
		if nothing := did.Equal(slog.Value{}); nothing != (tt.want == "<nil>") {
			t.Errorf("%v is nothing: %v", did, nothing)
		}
	}
}
