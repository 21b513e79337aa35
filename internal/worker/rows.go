package worker

import (
	"context"
	"time"
)

// Row is stored under a key, and may have a time at which it is due.
type Row interface {
	RowKey() string    // "" of a row that is absent, or not to be stored
	RowDue() time.Time // zero: never
}

// Rows keeps rows of one kind.
type Rows[T Row] interface {
	// Get returns the row under a key, the zero value where there is none.
	Get(ctx context.Context, key string) (T, error)
	// Update reads the row under its key (the zero value where absent), calls
	// decide and stores what it returns, all in one transaction. decide is pure and
	// may be called again after a conflict. One returned with an empty key is not
	// stored, and what was there stays.
	Update(ctx context.Context, key string, decide func(T) T) error
	// Due returns at most limit rows whose time is neither zero nor after the given
	// one, the earliest first. A permanent error is about rows that cannot be read;
	// the others are returned beside it.
	Due(ctx context.Context, at time.Time, limit int) ([]T, error)
}
