// Package pace keeps all instances of the guard together below the rate at which
// Amazon SNS delivers e-mail: 10 messages a second, and a subscription that gets
// more is held up (Amazon SNS endpoints and quotas).
//
// Turns to publish are handed out one by one, 125 ms apart, by a row that all
// share. Who gets a turn that has not come yet waits for it.
package pace

import (
	"context"
	"fmt"
	"time"

	"rootguard/internal/guard"
)

// Step is the time from one turn to the next. Eight a second leave room for
// clocks and networks that are not quite even.
const Step = time.Second / 8

// askTimeout bounds asking for a turn: an alert is worth more than its turn.
const askTimeout = time.Second

// Turns hands out turns to all instances.
type Turns interface {
	// Take takes the next turn that is not before now, if it begins within a
	// time from now, and returns when that is. Otherwise it takes none, and ok is
	// false. The turn after it begins a step later.
	Take(ctx context.Context, now time.Time, within, step time.Duration) (at time.Time, ok bool, err error)
}

// Pacer is a guard.Pacer over Turns.
type Pacer struct {
	Turns Turns
	Now   func() time.Time
	Sleep func(ctx context.Context, d time.Duration) error // its error is the context's
}

var _ guard.Pacer = (*Pacer)(nil)

// Turn is guard.Pacer's.
func (p *Pacer) Turn(ctx context.Context, within time.Duration) (bool, error) {
	ask, cancel := context.WithTimeout(ctx, askTimeout)
	defer cancel()
	now := p.Now()
	at, ok, err := p.Turns.Take(ask, now, within, Step)
	if err != nil {
		return false, fmt.Errorf("taking a turn to publish: %w", err)
	}
	if !ok {
		return false, nil
	}
	if wait := at.Sub(p.Now()); wait > 0 {
		if err := p.Sleep(ctx, wait); err != nil {
			return false, fmt.Errorf("waiting for a turn to publish: %w", err)
		}
	}
	return true, nil
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
