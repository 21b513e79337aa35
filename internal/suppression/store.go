package suppression

import (
	"context"
	"time"
)

// Store keeps who suppressed alerts, and that it was ended early.
type Store interface {
	// Append stores an event, unless there is one under its key, and returns the one
	// that is there then.
	Append(ctx context.Context, e AuditEvent) (AuditEvent, error)
	// Events returns those of an account whose Until lies between two times, both
	// included, by Until.
	Events(ctx context.Context, account string, from, to time.Time) ([]AuditEvent, error)
	// Uses counts the findings that a suppression held back. One of the last moments
	// may be missing.
	Uses(ctx context.Context, id string) (int, error)
}
