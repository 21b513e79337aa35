package fake

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"rootguard/internal/alert"
	"rootguard/internal/bootstrap"
	"rootguard/internal/guard"
)

var (
	_ guard.Ledger    = (*Ledger)(nil)
	_ guard.Journal   = (*Journal)(nil)
	_ guard.FactRows  = (*Journal)(nil)
	_ guard.Publisher = (*Publisher)(nil)
)

// Ledger is a guard.Ledger in memory. It keeps rows as JSON, as the real
// adapters do, so that what does not survive that fails in its tests too. The
// zero value is ready.
type Ledger struct {
	Script *Script
	// Conflicts makes every Update call decide once in vain, as a conflict
	// between two transactions does.
	Conflicts bool

	mu      sync.Mutex
	claims  map[string][]byte
	windows map[string][]byte
}

// Update is guard.Ledger's.
func (l *Ledger) Update(ctx context.Context, claimKey, windowKey string, decide func(guard.Claim, guard.Window) (guard.Claim, guard.Window)) error {
	return l.Script.call("Ledger.Update", func() error {
		l.mu.Lock()
		defer l.mu.Unlock()
		if err := ctx.Err(); err != nil {
			return fmt.Errorf("updating claim %s: %w", claimKey, err)
		}
		if l.Conflicts {
			c, w, err := l.read(claimKey, windowKey)
			if err != nil {
				return err
			}
			decide(c, w)
		}
		c, w, err := l.read(claimKey, windowKey)
		if err != nil {
			return err
		}
		c, w = decide(c, w)
		return l.write(c, w)
	})
}

func (l *Ledger) read(claimKey, windowKey string) (c guard.Claim, w guard.Window, err error) {
	if raw, ok := l.claims[claimKey]; ok {
		if err := json.Unmarshal(raw, &c); err != nil {
			return c, w, fmt.Errorf("decoding claim %s: %w", claimKey, err)
		}
	}
	if raw, ok := l.windows[windowKey]; ok {
		if err := json.Unmarshal(raw, &w); err != nil {
			return c, w, fmt.Errorf("decoding window %s: %w", windowKey, err)
		}
	}
	return c, w, nil
}

func (l *Ledger) write(c guard.Claim, w guard.Window) error {
	claim, err := json.Marshal(c)
	if err != nil {
		return fmt.Errorf("encoding claim %s: %w", c.Key, err)
	}
	window, err := json.Marshal(w)
	if err != nil {
		return fmt.Errorf("encoding window %s: %w", w.Key, err)
	}
	if l.claims == nil {
		l.claims, l.windows = map[string][]byte{}, map[string][]byte{}
	}
	if c.Key != "" {
		l.claims[c.Key] = claim
	}
	if w.Key != "" {
		l.windows[w.Key] = window
	}
	return nil
}

// Due is guard.Ledger's.
func (l *Ledger) Due(ctx context.Context, at time.Time, limit int) (due []guard.Window, err error) {
	err = l.Script.call("Ledger.Due", func() error {
		if err := ctx.Err(); err != nil {
			return fmt.Errorf("listing windows due: %w", err)
		}
		all, err := l.Windows()
		if err != nil {
			return err
		}
		due = slices.DeleteFunc(all, func(w guard.Window) bool { return !w.Unsent() || w.Until.After(at) })
		slices.SortFunc(due, func(a, b guard.Window) int {
			if c := a.Until.Compare(b.Until); c != 0 {
				return c
			}
			return strings.Compare(a.Key, b.Key)
		})
		due = due[:min(limit, len(due))]
		return nil
	})
	if err != nil {
		return nil, err
	}
	return due, nil
}

// Claims returns every claim, in the order of the keys.
func (l *Ledger) Claims() ([]guard.Claim, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return rows[guard.Claim](l.claims)
}

// Windows returns every window, in the order of the keys.
func (l *Ledger) Windows() ([]guard.Window, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return rows[guard.Window](l.windows)
}

// Journal is a guard.Journal in memory. The zero value is ready.
type Journal struct {
	Script *Script

	mu    sync.Mutex
	facts map[string]map[string][]byte // by account and ID
}

// Add is guard.Journal's.
func (j *Journal) Add(ctx context.Context, facts []bootstrap.Fact) (added int, err error) {
	err = j.Script.call("Journal.Add", func() error {
		j.mu.Lock()
		defer j.mu.Unlock()
		if err := ctx.Err(); err != nil {
			return fmt.Errorf("adding facts: %w", err)
		}
		for _, f := range facts {
			old, found, err := j.read(f.Account, f.ID)
			if err != nil {
				return err
			}
			if found {
				f = bootstrap.Merge(old, f)
			} else {
				added++
			}
			raw, err := json.Marshal(f)
			if err != nil {
				return fmt.Errorf("encoding fact %s: %w", f.ID, err)
			}
			if j.facts == nil {
				j.facts = map[string]map[string][]byte{}
			}
			if j.facts[f.Account] == nil {
				j.facts[f.Account] = map[string][]byte{}
			}
			j.facts[f.Account][f.ID] = raw
		}
		return nil
	})
	if err != nil {
		return 0, err
	}
	return added, nil
}

func (j *Journal) read(account, id string) (f bootstrap.Fact, found bool, err error) {
	raw, found := j.facts[account][id]
	if !found {
		return f, false, nil
	}
	if err := json.Unmarshal(raw, &f); err != nil {
		return f, false, fmt.Errorf("decoding fact %s: %w", id, err)
	}
	return f, true, nil
}

// Fact is guard.Journal's.
func (j *Journal) Fact(ctx context.Context, account, id string) (f bootstrap.Fact, found bool, err error) {
	err = j.Script.call("Journal.Fact", func() error {
		j.mu.Lock()
		defer j.mu.Unlock()
		if err := ctx.Err(); err != nil {
			return fmt.Errorf("reading fact %s: %w", id, err)
		}
		f, found, err = j.read(account, id)
		return err
	})
	if err != nil {
		return bootstrap.Fact{}, false, err
	}
	return f, found, nil
}

// Facts is guard.Journal's.
func (j *Journal) Facts(ctx context.Context, account string) (facts []bootstrap.Fact, err error) {
	err = j.Script.call("Journal.Facts", func() error {
		j.mu.Lock()
		defer j.mu.Unlock()
		if err := ctx.Err(); err != nil {
			return fmt.Errorf("reading facts of account %s: %w", account, err)
		}
		facts, err = rows[bootstrap.Fact](j.facts[account])
		return err
	})
	if err != nil {
		return nil, err
	}
	return facts, nil
}

// Pages is guard.FactRows', two facts at a time.
func (j *Journal) Pages(ctx context.Context, account, prefix string, fn func([]bootstrap.Fact) error) error {
	var facts []bootstrap.Fact
	err := j.Script.call("Journal.Pages", func() (err error) {
		j.mu.Lock()
		defer j.mu.Unlock()
		if err := ctx.Err(); err != nil {
			return fmt.Errorf("reading facts of account %s: %w", account, err)
		}
		facts, err = rows[bootstrap.Fact](j.facts[account])
		return err
	})
	if err != nil {
		return err
	}
	facts = slices.DeleteFunc(facts, func(f bootstrap.Fact) bool { return !strings.HasPrefix(f.ID, prefix) })
	for page := range slices.Chunk(facts, 2) {
		if err := fn(page); err != nil {
			return err
		}
	}
	return nil
}

// Remove is guard.FactRows'.
func (j *Journal) Remove(ctx context.Context, facts []bootstrap.Fact) (removed int, err error) {
	err = j.Script.call("Journal.Remove", func() error {
		j.mu.Lock()
		defer j.mu.Unlock()
		if err := ctx.Err(); err != nil {
			return fmt.Errorf("removing facts: %w", err)
		}
		for _, f := range facts {
			is, found, err := j.read(f.Account, f.ID)
			if err != nil {
				return err
			}
			if found && is.Equal(f) {
				delete(j.facts[f.Account], f.ID)
				removed++
			}
		}
		return nil
	})
	if err != nil {
		return 0, err
	}
	return removed, nil
}

func rows[T any](raw map[string][]byte) ([]T, error) {
	keys := make([]string, 0, len(raw))
	for k := range raw {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	all := make([]T, len(keys))
	for i, k := range keys {
		if err := json.Unmarshal(raw[k], &all[i]); err != nil {
			return nil, fmt.Errorf("decoding row %s: %w", k, err)
		}
	}
	return all, nil
}

// Publisher keeps what was published. The zero value is ready.
type Publisher struct {
	Script *Script
	// Refuse, where set, is asked first; its error is returned.
	Refuse func(alert.Alert) error

	mu     sync.Mutex
	alerts []alert.Alert
}

// Publish is guard.Publisher's.
func (p *Publisher) Publish(ctx context.Context, a alert.Alert) error {
	return p.Script.call("Publisher.Publish", func() error {
		if err := ctx.Err(); err != nil {
			return fmt.Errorf("publishing alert %s: %w", a.ID, err)
		}
		if p.Refuse != nil {
			if err := p.Refuse(a); err != nil {
				return err
			}
		}
		p.mu.Lock()
		defer p.mu.Unlock()
		p.alerts = append(p.alerts, a)
		return nil
	})
}

// Published returns what was published so far, in order.
func (p *Publisher) Published() []alert.Alert {
	p.mu.Lock()
	defer p.mu.Unlock()
	return slices.Clone(p.alerts)
}

// Clock is a time that only Advance moves.
type Clock struct {
	mu  sync.Mutex
	now time.Time
}

// NewClock returns a clock that stands at a time.
func NewClock(at time.Time) *Clock { return &Clock{now: at} }

// Now is the clock's time.
func (c *Clock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

// Advance moves the clock on.
func (c *Clock) Advance(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = c.now.Add(d)
}
