package lambdahandler

import (
	"context"
	"log/slog"
	"time"

	"rootguard/internal/accountcheck"
	"rootguard/internal/ending"
	"rootguard/internal/health"
	"rootguard/internal/incident"
	"rootguard/internal/quarantine"
)

// taskOf is a task that does something and returns counts of it, of which attrs makes
// the log's line. There is none where all are zero.
func taskOf[T comparable](name string, do func(context.Context, time.Time) (T, error), attrs func(T) []slog.Attr) Task {
	return Task{Name: name, Run: func(ctx context.Context, at time.Time) (slog.Value, error) {
		did, err := do(ctx, at)
		if did == *new(T) {
			return slog.Value{}, err
		}
		return slog.GroupValue(attrs(did)...), err
	}}
}

// Renotifier sends again what no one has acknowledged.
type Renotifier interface {
	Renotify(ctx context.Context, at time.Time) (incident.Renotified, error)
}

// Renotify is the task of sending incidents again.
func Renotify(g Renotifier) Task {
	return taskOf("incidents", g.Renotify, func(did incident.Renotified) []slog.Attr {
		return []slog.Attr{slog.Int("resent", did.Resent), slog.Int("noted", did.Noted), slog.Bool("more", did.More)}
	})
}

// Summarizer says what became of announced root use.
type Summarizer interface {
	Summarize(ctx context.Context, at time.Time) (ending.Done, error)
}

// Summarize is the task of reporting what became of announced root use.
func Summarize(g Summarizer) Task { return ended("announcements", g.Summarize) }

// Expirer says that suppressions of alerts are over.
type Expirer interface {
	Expire(ctx context.Context, at time.Time) (ending.Done, error)
}

// Expire is the task of reporting that suppressions are over.
func Expire(g Expirer) Task { return ended("suppressions", g.Expire) }

// ended is a task of reporting that something is over.
func ended(name string, report func(ctx context.Context, at time.Time) (ending.Done, error)) Task {
	return taskOf(name, report, func(did ending.Done) []slog.Attr {
		return []slog.Attr{slog.Int("ended", did.Ended), slog.Bool("more", did.More)}
	})
}

// HealthChecker checks that the guard works, and reports what does not.
type HealthChecker interface {
	Run(ctx context.Context, raiser health.Raiser, at time.Time) (slog.Value, error)
}

// CheckHealth is the task of proving that the guard works.
func CheckHealth(p HealthChecker, g health.Raiser) Task {
	return Task{Name: "health", Run: func(ctx context.Context, at time.Time) (slog.Value, error) { return p.Run(ctx, g, at) }}
}

// Quarantiner quarantines users past the last reminder, and releases them.
type Quarantiner interface {
	Quarantine(ctx context.Context, live quarantine.UserChecker, policy quarantine.Policy, safety quarantine.Safety,
		at time.Time) (quarantine.Done, error)
}

// QuarantineUsers is what Quarantine needs of IAM.
type QuarantineUsers interface {
	quarantine.UserChecker
	quarantine.Policy
	quarantine.Safety
}

// Quarantine is the task of quarantining and releasing users.
func Quarantine(g Quarantiner, users QuarantineUsers) Task {
	return taskOf("quarantine", func(ctx context.Context, at time.Time) (quarantine.Done, error) {
		return g.Quarantine(ctx, users, users, users, at)
	}, func(did quarantine.Done) []slog.Attr {
		return []slog.Attr{slog.Int("users", did.Checked), slog.Int("would", did.Would), slog.Int("announced", did.Announced),
			slog.Int("attached", did.Attached), slog.Int("spared", did.Spared),
			slog.Int("released", did.Released), slog.Int("unanswered", did.Unanswered), slog.Bool("more", did.More)}
	})
}

// Compacter removes the facts that others make superfluous.
type Compacter interface {
	CompactFacts(ctx context.Context, at time.Time) (accountcheck.Compacted, error)
}

// Compact is the task of removing superfluous facts.
func Compact(g Compacter) Task {
	return taskOf("facts", g.CompactFacts, func(did accountcheck.Compacted) []slog.Attr {
		return []slog.Attr{slog.Int("accounts", did.Accounts), slog.Int("removed", did.Removed), slog.Bool("more", did.More)}
	})
}
