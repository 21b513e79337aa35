package dynamodb

import (
	"context"
	"maps"
	"time"

	"rootguard/internal/health"
)

var _ health.Store = (*Store)(nil)

// HeartbeatTTL is how long a heartbeat is kept: for longer than any check looks back.
const HeartbeatTTL = 6 * time.Hour

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

// AddHeartbeat is health.Store's.
func (s *Store) AddHeartbeat(ctx context.Context, b health.Heartbeat) error {
	r, err := rowOf(heartbeatRow(b.ID), b)
	if err != nil {
		return err
	}
	r.expires = s.now().Add(HeartbeatTTL).Unix()
	if err := s.put(ctx, &r, ""); err != nil {
		return classed("storing heartbeat "+b.ID, err)
	}
	return nil
}

// Heartbeats is health.Store's.
func (s *Store) Heartbeats(ctx context.Context, ids []string) ([]health.Heartbeat, error) {
	keys := make([]key, len(ids))
	for i, id := range ids {
		keys[i] = heartbeatRow(id)
	}
	rows, err := s.read(ctx, keys...)
	if err != nil {
		return nil, err
	}
	beats := make([]health.Heartbeat, 0, len(ids))
	for _, k := range keys {
		var b health.Heartbeat
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
func (s *Store) Received(ctx context.Context, id, function string, at time.Time) (b health.Heartbeat, known bool, err error) {
	err = rewrite(ctx, s, heartbeatRow(id), HeartbeatTTL, func(was health.Heartbeat) (health.Heartbeat, bool) {
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
