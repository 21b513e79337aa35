package dynamodb

import (
	"context"
	"maps"
	"time"

	"rootguard/internal/health"
)

var _ health.Store = (*Store)(nil)

// BeatTTL is how long a heartbeat is kept: for longer than any check looks back.
const BeatTTL = 6 * time.Hour

// Health is health.Store's.
func (s *Store) Health(ctx context.Context) (state health.State, err error) {
	rows, err := s.read(ctx, healthRow)
	if err != nil {
		return state, err
	}
	r := rows[healthRow]
	return state, r.decode(s.now(), &state)
}

// UpdateHealth is health.Store's. It fails where others keep changing the state
// for several seconds, and repeats decide until then.
func (s *Store) UpdateHealth(ctx context.Context, decide func(health.State) (health.State, bool)) error {
	return rewrite(ctx, s, healthRow, 0, decide)
}

// AddBeat is health.Store's.
func (s *Store) AddBeat(ctx context.Context, b health.Beat) error {
	r, err := rowOf(beatRow(b.ID), b)
	if err != nil {
		return err
	}
	r.expires = s.now().Add(BeatTTL).Unix()
	if err := s.put(ctx, &r, ""); err != nil {
		return classed("storing heartbeat "+b.ID, err)
	}
	return nil
}

// Beats is health.Store's.
func (s *Store) Beats(ctx context.Context, ids []string) ([]health.Beat, error) {
	keys := make([]key, len(ids))
	for i, id := range ids {
		keys[i] = beatRow(id)
	}
	rows, err := s.read(ctx, keys...)
	if err != nil {
		return nil, err
	}
	beats := make([]health.Beat, 0, len(ids))
	for _, k := range keys {
		var b health.Beat
		r := rows[k]
		if err := r.decode(s.now(), &b); err != nil {
			return nil, err
		}
		if b.ID != "" {
			beats = append(beats, b)
		}
	}
	return beats, nil
}

// Received notes when a heartbeat came to a function, the first time. known is
// false of one that was not put, or long ago.
func (s *Store) Received(ctx context.Context, id, function string, at time.Time) (b health.Beat, known bool, err error) {
	err = rewrite(ctx, s, beatRow(id), BeatTTL, func(was health.Beat) (health.Beat, bool) {
		b, known = was, was.ID != ""
		if _, twice := was.Received[function]; twice || !known {
			return was, false
		}
		b.Received = maps.Clone(was.Received)
		if b.Received == nil {
			b.Received = map[string]time.Time{}
		}
		b.Received[function] = at
		return b, true
	})
	return b, known, err
}

// rewrite reads a row, the zero value where there is none, and stores what decide
// makes of it under the condition that it is still the same. ttl is 0 of what is kept.
func rewrite[T any](ctx context.Context, s *Store, k key, ttl time.Duration, decide func(T) (T, bool)) error {
	return change(ctx, s, k, k.sk, func(was T) (row, bool, error) {
		value, store := decide(was)
		if !store {
			return row{}, false, nil
		}
		r, err := rowOf(k, value)
		if err != nil {
			return row{}, false, err
		}
		if ttl > 0 {
			r.expires = s.now().Add(ttl).Unix()
		}
		return r, true, nil
	})
}
