package worker

import (
	"context"
	"sync"
	"time"
)

// Parallel is how many calls Each makes at a time.
const Parallel = 8

// Each calls do for 0 to n-1, Parallel at a time, and returns when all returned.
func Each(n int, do func(i int)) {
	var wg sync.WaitGroup
	next := make(chan int)
	for range min(n, Parallel) {
		wg.Go(func() {
			for i := range next {
				do(i)
			}
		})
	}
	for i := range n {
		next <- i
	}
	close(next)
	wg.Wait()
}

// Short reports whether less than a time is left of the context's, by a clock.
func Short(ctx context.Context, now time.Time, need time.Duration) bool {
	deadline, limited := ctx.Deadline()
	return limited && deadline.Sub(now) < need
}

// One makes a Loop's Do of what handles one row.
func One[T any](do func(ctx context.Context, row *T) Result) func(context.Context, int, []T) []Result {
	return func(ctx context.Context, _ int, rows []T) []Result {
		results := make([]Result, len(rows))
		for i := range rows {
			results[i] = do(ctx, &rows[i])
		}
		return results
	}
}
