// Package ratelimit is a token bucket by second that all instances of the guard
// share. It keeps them together below the rate at which Amazon SNS delivers
// e-mail: 10 messages a second to a subscription (Amazon SNS endpoints and
// quotas).
//
// A second of the clock has PerSecond tokens, spaced evenly: token n is for the
// time n/PerSecond after its beginning. A token is taken by adding one to the
// count of that second under the condition that the count is below the limit. No
// second knows of another, so there is no queue and no position in it that
// anyone can move: a clock that is wrong, or a row that someone wrote, affects
// the seconds it names and no others, and can do no more than deny their tokens.
// What must not wait goes out without one: see package guard.
//
// Over any second, token times never exceed PerSecond + 1. An instance whose
// clock differs takes tokens of other seconds, so two clocks can add up to twice
// that rate.
package ratelimit

import (
	"context"
	"errors"
	"fmt"
	"time"

	"rootguard/internal/guard"
)

const (
	// PerSecond is how many tokens a second has. Eight leave room for networks
	// that are not quite even.
	PerSecond = 8

	// step is the time from one token to the next.
	step = time.Second / PerSecond

	// takeTimeout bounds asking for a token: an alert is worth more.
	takeTimeout = time.Second
)

// ErrThrottled is what Seconds returns, wrapped, where too many ask for tokens.
var ErrThrottled = errors.New("too many ask for tokens")

// Seconds counts the tokens of each second, for all instances.
type Seconds interface {
	// Take takes one of the first limit tokens of a second, none of the first
	// past, and returns its number, from 0. ok is false where these are taken.
	Take(ctx context.Context, second time.Time, past, limit int) (token int, ok bool, err error)
}

// Limiter is a guard.Limiter over Seconds.
type Limiter struct {
	Seconds Seconds
	Now     func() time.Time
	Sleep   func(ctx context.Context, d time.Duration) error // its error is the context's
}

var _ guard.Limiter = (*Limiter)(nil)

// Wait is guard.Limiter's. It takes the first token that is left of this second
// and those after it, and sleeps until its time.
func (l *Limiter) Wait(ctx context.Context, within time.Duration) (bool, error) {
	take, cancel := context.WithTimeout(ctx, takeTimeout)
	defer cancel()
	now := l.Now()
	end := now.Add(within)
	second := now.Truncate(time.Second)
	past := int(now.Sub(second) / step) // the token of this moment is left
	for ; !second.After(end); second = second.Add(time.Second) {
		limit := min(PerSecond, int(end.Sub(second)/step)+1)
		token, ok, err := l.Seconds.Take(take, second, past, limit)
		switch {
		case errors.Is(err, ErrThrottled):
			return false, nil // to publish without would be to publish with all of them
		case err != nil:
			return false, fmt.Errorf("taking a rate limit token: %w", err)
		case ok:
			return true, l.until(ctx, second.Add(time.Duration(token)*step))
		}
		past = 0
	}
	return false, nil
}

func (l *Limiter) until(ctx context.Context, at time.Time) error {
	wait := at.Sub(l.Now())
	if wait <= 0 {
		return nil
	}
	if err := l.Sleep(ctx, wait); err != nil {
		return fmt.Errorf("waiting for the time of a rate limit token: %w", err)
	}
	return nil
}

// Sleep waits for a time, or until the context ends.
func Sleep(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
