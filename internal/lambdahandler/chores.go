package lambdahandler

import (
	"context"
	"log/slog"
	"time"

	"rootguard/internal/accountcheck"
	"rootguard/internal/announcement"
	"rootguard/internal/health"
	"rootguard/internal/incident"
	"rootguard/internal/quarantine"
)

// Insister sends again what nobody has acknowledged.
type Insister interface {
	Insist(ctx context.Context, at time.Time) (incident.Insisted, error)
}

// Insist is the chore of sending incidents again.
func Insist(g Insister) Chore {
	return Chore{Name: "incidents", Run: func(ctx context.Context, at time.Time) (slog.Value, error) {
		did, err := g.Insist(ctx, at)
		if did == (incident.Insisted{}) {
			return slog.Value{}, err
		}
		return slog.GroupValue(slog.Int("resent", did.Resent), slog.Int("noted", did.Noted), slog.Bool("more", did.More)), err
	}}
}

// Recapper tells what became of announced root use.
type Recapper interface {
	Recap(ctx context.Context, at time.Time) (announcement.Recapped, error)
}

// Recap is the chore of telling what became of announced root use.
func Recap(g Recapper) Chore {
	return Chore{Name: "announcements", Run: func(ctx context.Context, at time.Time) (slog.Value, error) {
		did, err := g.Recap(ctx, at)
		if did == (announcement.Recapped{}) {
			return slog.Value{}, err
		}
		return slog.GroupValue(slog.Int("ended", did.Told), slog.Bool("more", did.More)), err
	}}
}

// Prover checks that the guard works, and tells of what does not.
type Prover interface {
	Run(ctx context.Context, raiser health.Raiser, at time.Time) (slog.Value, error)
}

// Prove is the chore of proving that the guard works.
func Prove(p Prover, g health.Raiser) Chore {
	return Chore{Name: "health", Run: func(ctx context.Context, at time.Time) (slog.Value, error) { return p.Run(ctx, g, at) }}
}

// Quarantiner quarantines users past the last reminder, and releases them.
type Quarantiner interface {
	Quarantine(ctx context.Context, live quarantine.UserChecker, policy quarantine.Policy, safety quarantine.Safety, at time.Time) (quarantine.Done, error)
}

// QuarantineUsers is what Quarantine needs of IAM.
type QuarantineUsers interface {
	quarantine.UserChecker
	quarantine.Policy
	quarantine.Safety
}

// Quarantine is the chore of quarantining and releasing users.
func Quarantine(g Quarantiner, users QuarantineUsers) Chore {
	return Chore{Name: "quarantine", Run: func(ctx context.Context, at time.Time) (slog.Value, error) {
		did, err := g.Quarantine(ctx, users, users, users, at)
		if did == (quarantine.Done{}) {
			return slog.Value{}, err
		}
		return slog.GroupValue(slog.Int("users", did.Looked), slog.Int("would", did.Would), slog.Int("announced", did.Announced), slog.Int("attached", did.Attached), slog.Int("spared", did.Spared),
			slog.Int("released", did.Released), slog.Int("unanswered", did.Unanswered), slog.Bool("more", did.More)), err
	}}
}

// Compacter removes the facts that others make superfluous.
type Compacter interface {
	CompactFacts(ctx context.Context, at time.Time) (accountcheck.Compacted, error)
}

// Compact is the chore of removing superfluous facts.
func Compact(g Compacter) Chore {
	return Chore{Name: "facts", Run: func(ctx context.Context, at time.Time) (slog.Value, error) {
		did, err := g.CompactFacts(ctx, at)
		if did == (accountcheck.Compacted{}) {
			return slog.Value{}, err
		}
		return slog.GroupValue(slog.Int("accounts", did.Accounts), slog.Int("removed", did.Removed), slog.Bool("more", did.More)), err
	}}
}
