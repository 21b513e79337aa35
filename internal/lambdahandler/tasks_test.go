package lambdahandler

import (
	"context"
	"errors"
	"log/slog"
	"testing"
	"time"

	"rootguard/internal/ending"
	"rootguard/internal/incident"
)

type renotifier func(at time.Time) (incident.Renotified, error)

func (f renotifier) Renotify(_ context.Context, at time.Time) (incident.Renotified, error) {
	return f(at)
}

type summarizer func(at time.Time) (ending.Done, error)

func (f summarizer) Summarize(_ context.Context, at time.Time) (ending.Done, error) {
	return f(at)
}

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
		task Task
		name string
		want string
	}{
		{Renotify(renotifier(func(at time.Time) (incident.Renotified, error) { return incident.Renotified{}, check(at) })), "incidents", "<nil>"},
		{Renotify(renotifier(func(at time.Time) (incident.Renotified, error) {
			return incident.Renotified{Resent: 2, Noted: 1, More: true}, check(at)
		})), "incidents", "[resent=2 noted=1 more=true]"},
		{Summarize(summarizer(func(at time.Time) (ending.Done, error) { return ending.Done{}, check(at) })), "announcements", "<nil>"},
		{Summarize(summarizer(func(at time.Time) (ending.Done, error) {
			return ending.Done{Ended: 3}, check(at)
		})), "announcements", "[ended=3 more=false]"},
	} {
		did, err := tt.task.Run(t.Context(), at)
		if tt.task.Name != tt.name || did.String() != tt.want || !errors.Is(err, broken) {
			t.Errorf("%s: %v, %v, want %s: %s", tt.task.Name, did, err, tt.name, tt.want)
		}
		if nothing := did.Equal(slog.Value{}); nothing != (tt.want == "<nil>") {
			t.Errorf("%v is nothing: %v", did, nothing)
		}
	}
}
