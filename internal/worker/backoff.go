package worker

import (
	"hash/fnv"
	"strconv"
	"time"
)

// Backoff is how long a row that failed is put off.
type Backoff struct {
	First time.Duration // after the first failure; it doubles with each further one
	Max   time.Duration
}

// AfterFailure puts off a row that failed. The second attempt is made by the next
// run of the sweep, which comes five minutes later.
func AfterFailure() Backoff { return Backoff{First: 2 * time.Minute, Max: time.Hour} }

// Unreachable puts off a row whose account does not answer.
func Unreachable() Backoff { return Backoff{First: 5 * time.Minute, Max: time.Hour} }

// After is the time until the next try of a row that failed a number of times
// in a row, 1 or more. It lies between three quarters of the doubled time and all
// of it: where in between depends on the row's key, so that rows that failed
// together do not come back together, and the same row gives the same time in
// every process.
func (b Backoff) After(key string, failures int) time.Duration {
	whole := min(b.First, b.Max)
	for n := 1; n < failures && whole < b.Max; n++ {
		whole = min(b.Max, 2*whole)
	}
	return whole - jitter(key, failures, whole/4)
}

// jitter is at least zero and below the bound.
func jitter(key string, failures int, bound time.Duration) time.Duration {
	if bound <= 0 {
		return 0
	}
	h := fnv.New64a()
	_, _ = h.Write([]byte(key + "\n" + strconv.Itoa(failures))) // never fails
	return time.Duration(h.Sum64() % uint64(bound))             //nolint:gosec // below the bound
}
