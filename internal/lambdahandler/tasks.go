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

// Renotifier sends again what no one has acknowledged.
type Renotifier interface {
	Renotify(ctx context.Context, at time.Time) (incident.Renotified, error)
}

// Renotify is the task of sending incidents again.
func Renotify(g Renotifier) Task {
	return Task{Name: "incidents", Run: func(ctx context.Context, at time.Time) (slog.Value, error) {
		did, err := g.Renotify(ctx, at)
		if did == (incident.Renotified{}) {
			return slog.Value{}, err
		}
		return slog.GroupValue(slog.Int("resent", did.Resent), slog.Int("noted", did.Noted), slog.Bool("more", did.More)), err
	}}
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
	return Task{Name: name, Run: func(ctx context.Context, at time.Time) (slog.Value, error) {
		did, err := report(ctx, at)
		if did == (ending.Done{}) {
			return slog.Value{}, err
		}
		return slog.GroupValue(slog.Int("ended", did.Ended), slog.Bool("more", did.More)), err
	}}
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
	return Task{Name: "quarantine", Run: func(ctx context.Context, at time.Time) (slog.Value, error) {
		did, err := g.Quarantine(ctx, users, users, users, at)
		if did == (quarantine.Done{}) {
			return slog.Value{}, err
		}
		return slog.GroupValue(slog.Int("users", did.Checked), slog.Int("would", did.Would), slog.Int("announced", did.Announced),
			slog.Int("attached", did.Attached), slog.Int("spared", did.Spared),
			slog.Int("released", did.Released), slog.Int("unanswered", did.Unanswered), slog.Bool("more", did.More)), err
	}}
}

// Compacter removes the facts that others make superfluous.
type Compacter interface {
	CompactFacts(ctx context.Context, at time.Time) (accountcheck.Compacted, error)
}

// Compact is the task of removing superfluous facts.
func Compact(g Compacter) Task {
	return Task{Name: "facts", Run: func(ctx context.Context, at time.Time) (slog.Value, error) {
		did, err := g.CompactFacts(ctx, at)
		if did == (accountcheck.Compacted{}) {
			return slog.Value{}, err
		}
		return slog.GroupValue(slog.Int("accounts", did.Accounts), slog.Int("removed", did.Removed), slog.Bool("more", did.More)), err
	}}
}
