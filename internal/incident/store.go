package incident

import (
	"context"
	"time"
)

// Store keeps incidents.
type Store interface {
	// UpdateIncidents calls decide with the incidents of an account whose Start lies
	// between two times, both included, by Start, and stores the one that it
	// returns under its key, in one transaction with what is under that key. decide
	// is pure and may be called again after a conflict. One returned with an empty
	// Key is not stored. An incident of a new key is findable by its ID from then on.
	UpdateIncidents(ctx context.Context, account string, from, to time.Time, decide func([]Incident) Incident) error
	// Find returns the incidents of IDs, by ID, but for those that there are none of. A
	// Permanent error is about rows that cannot be read; the others are returned beside it.
	Find(ctx context.Context, ids []string) (map[string]Incident, error)
	// DueIncidents returns at most limit incidents whose Due is neither zero nor
	// after the given time, the earliest first. A Permanent error is about rows
	// that cannot be read; the others are returned beside it.
	DueIncidents(ctx context.Context, at time.Time, limit int) ([]Incident, error)
}

// One is the incident of an ID; found is false where there is none.
func One(ctx context.Context, store Store, id string) (in Incident, found bool, err error) {
	some, err := store.Find(ctx, []string{id})
	in, found = some[id]
	return in, found, err //nolint:wrapcheck // the caller says for what
}
