package announcement

import (
	"context"
	"time"

	"rootguard/internal/guard"
)

// Store keeps who announced the use of root, and that it was ended early.
type Store interface {
	// Append stores an entry for ever, unless there is one under its key, and
	// returns the one that is there then.
	Append(ctx context.Context, e AuditEvent) (AuditEvent, error)
	// Entries returns those of an account whose From lies between two times, both
	// included, by From.
	Entries(ctx context.Context, account string, from, to time.Time) ([]AuditEvent, error)
	// ClaimsDuring calls fn with the claim of every event that was judged under an
	// announcement, by event time. An event of the last moments may be missing.
	ClaimsDuring(ctx context.Context, announcement string, fn func(guard.Claim) error) error
}
