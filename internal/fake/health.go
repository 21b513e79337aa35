package fake

import (
	"context"
	"encoding/json"
	"fmt"
	"sync"
	"time"

	"rootguard/internal/health"
)

var _ health.Store = (*Health)(nil)

// Health is a health.Store in memory. The zero value is ready.
type Health struct {
	Script *Script
	// Conflicts makes every UpdateHealth call decide once in vain.
	Conflicts bool

	mu    sync.Mutex
	state []byte
	beats map[string][]byte
}

// Health is health.Store's.
func (h *Health) Health(ctx context.Context) (state health.State, err error) {
	err = h.Script.call("Health.Health", func() error {
		h.mu.Lock()
		defer h.mu.Unlock()
		if err := ctx.Err(); err != nil {
			return fmt.Errorf("reading the state: %w", err)
		}
		state, err = h.read()
		return err
	})
	return state, err
}

func (h *Health) read() (state health.State, err error) {
	if h.state != nil {
		err = json.Unmarshal(h.state, &state)
	}
	return state, err
}

// UpdateHealth is health.Store's.
func (h *Health) UpdateHealth(ctx context.Context, decide func(health.State) (health.State, bool)) error {
	return h.Script.call("Health.UpdateHealth", func() error {
		h.mu.Lock()
		defer h.mu.Unlock()
		if err := ctx.Err(); err != nil {
			return fmt.Errorf("storing the state: %w", err)
		}
		if h.Conflicts {
			was, err := h.read()
			if err != nil {
				return err
			}
			decide(was)
		}
		was, err := h.read()
		if err != nil {
			return err
		}
		now, store := decide(was)
		if !store {
			return nil
		}
		h.state, err = json.Marshal(now)
		return err
	})
}

// AddHeartbeat is health.Store's.
func (h *Health) AddHeartbeat(ctx context.Context, b health.Heartbeat) error {
	return h.Script.call("Health.AddHeartbeat", func() error {
		h.mu.Lock()
		defer h.mu.Unlock()
		if err := ctx.Err(); err != nil {
			return fmt.Errorf("storing a heartbeat: %w", err)
		}
		return h.keep(b)
	})
}

func (h *Health) keep(b health.Heartbeat) error {
	raw, err := json.Marshal(b)
	if err != nil {
		return fmt.Errorf("encoding a heartbeat: %w", err)
	}
	if h.beats == nil {
		h.beats = map[string][]byte{}
	}
	h.beats[b.ID] = raw
	return nil
}

// Heartbeats is health.Store's.
func (h *Health) Heartbeats(ctx context.Context, ids []string) (beats []health.Heartbeat, err error) {
	err = h.Script.call("Health.Heartbeats", func() error {
		h.mu.Lock()
		defer h.mu.Unlock()
		if err := ctx.Err(); err != nil {
			return fmt.Errorf("reading heartbeats: %w", err)
		}
		for _, id := range ids {
			var b health.Heartbeat
			if raw := h.beats[id]; raw == nil {
				continue
			} else if err := json.Unmarshal(raw, &b); err != nil {
				return fmt.Errorf("decoding heartbeat %s: %w", id, err)
			}
			beats = append(beats, b)
		}
		return nil
	})
	return beats, err
}

// Received notes that a heartbeat came to a function.
func (h *Health) Received(ctx context.Context, id, function string, at time.Time) (b health.Heartbeat, known bool, err error) {
	err = h.Script.call("Health.Received", func() error {
		h.mu.Lock()
		defer h.mu.Unlock()
		if err := ctx.Err(); err != nil {
			return fmt.Errorf("noting a heartbeat: %w", err)
		}
		raw := h.beats[id]
		if known = raw != nil; !known {
			return nil
		}
		if err := json.Unmarshal(raw, &b); err != nil {
			return fmt.Errorf("decoding heartbeat %s: %w", id, err)
		}
		if b.Received == nil {
			b.Received = map[string]time.Time{}
		}
		if b.Received[function].IsZero() {
			b.Received[function] = at
		}
		return h.keep(b)
	})
	return b, known, err
}
