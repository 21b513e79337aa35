package dynamodb

import (
	"context"
	"fmt"
)

// change reads a row, asks decide and stores what it returns, if the row is then
// still as it was read; else it does so again. what names the row in errors.
func change[T any](ctx context.Context, s *Store, k key, what string, decide func(was T) (r row, write bool, err error)) error {
	tried := ""
	var last error
	for attempt := 1; attempt <= attempts; attempt++ {
		rows, err := s.read(ctx, k)
		if err != nil {
			return err
		}
		was := rows[k]
		if tried != "" && was.version == tried {
			return nil // the attempt before had gone through, and its answer got lost
		}
		var value T
		if err := was.decode(s.now(), &value); err != nil {
			return err
		}
		r, write, err := decide(value)
		if err != nil || !write {
			return err
		}
		if err := r.fits(); err != nil {
			return err
		}
		if err = s.put(ctx, &r, was.version); err == nil {
			return nil
		}
		if !conflict(err) {
			return classed("storing "+what, err)
		}
		tried, last = r.version, err
		if err := pause(ctx, attempt); err != nil {
			return fmt.Errorf("storing %s: %w", what, err)
		}
	}
	return fmt.Errorf("storing %s: others kept changing it: %w", what, last)
}
