package fake

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"rootguard/internal/accountcheck"
	"rootguard/internal/alert"
	"rootguard/internal/bootstrap"
	"rootguard/internal/guard"
	"rootguard/internal/repeats"
)

var (
	_ guard.Claims          = (*Claims)(nil)
	_ guard.Facts           = (*Facts)(nil)
	_ accountcheck.FactRows = (*Facts)(nil)
	_ guard.Publisher       = (*Publisher)(nil)
)

// Claims is a guard.Claims in memory. It keeps rows as JSON, as the real
// adapters do, so that what does not survive that fails in its tests too. The
// zero value is ready.
type Claims struct {
	Script *Script
	// Conflicts makes every Update call decide once in vain, as a conflict
	// between two transactions does.
	Conflicts bool
	// Refuse is how many transactions in a row are refused for a conflict, each after it
	// called decide. With MaxRefused of them a call fails.
	Refuse int
	// Lag makes Due find what the index had at the call before, see Rows.
	Lag bool

	mu      sync.Mutex
	index   map[string]bool // what was due at the last Due
	claims  table[guard.Claim]
	series  table[repeats.Series]
	groups  table[guard.Group]
	batches map[batchKey]*batch
}

type batchKey struct {
	group string
	batch int
}

type batch struct {
	sealed bool
	claims map[string]bool
}

// MaxRefused is after how many refused transactions a call of Claims gives up.
const MaxRefused = 8

// ErrConflict is of a call whose transaction was refused again and again.
var ErrConflict = errors.New("others kept changing it")

// attempts are how often a transaction has decide called in vain; err is that it fails.
func (l *Claims) attempts() (vain int, err error) {
	if vain, l.Refuse = l.Refuse, 0; vain >= MaxRefused {
		vain, err = MaxRefused, ErrConflict
	}
	if l.Conflicts {
		vain++
	}
	return vain, err
}

// Update is guard.ClaimRows'.
func (l *Claims) Update(ctx context.Context, claimKey, seriesKey string,
	decide func(guard.Claim, repeats.Series) (guard.Claim, repeats.Series)) error {
	return l.locked(ctx, "Claims.Update", func() error {
		vain, refused := l.attempts()
		var c guard.Claim
		var sr repeats.Series
		for range vain + 1 {
			wasClaim, _ := l.claims.get(claimKey)
			wasSeries, _ := l.series.get(seriesKey)
			c, sr = decide(wasClaim, wasSeries)
		}
		if refused != nil {
			return fmt.Errorf("storing claim %s: %w", claimKey, refused)
		}
		if err := l.claims.put(c.Key, c); err != nil {
			return err
		}
		return l.series.put(sr.Key, sr)
	})
}

// locked makes a call that has the claims to itself.
func (l *Claims) locked(ctx context.Context, name string, do func() error) error {
	return l.Script.call(name, func() error {
		l.mu.Lock()
		defer l.mu.Unlock()
		if err := ctx.Err(); err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
		return do()
	})
}

// Read is guard.ClaimRows'.
func (l *Claims) Read(ctx context.Context, keys []string) (claims []guard.Claim, err error) {
	err = l.locked(ctx, "Claims.Read", func() error {
		claims = make([]guard.Claim, len(keys))
		for i, key := range keys {
			claims[i], _ = l.claims.get(key)
		}
		return nil
	})
	return claims, err
}

// UpdateGroup is guard.Groups'.
func (l *Claims) UpdateGroup(ctx context.Context, key string, decide func(guard.Group) guard.Group) error {
	return l.locked(ctx, "Claims.UpdateGroup", func() error {
		vain, refused := l.attempts()
		var gr guard.Group
		for range vain + 1 {
			was, _ := l.groups.get(key)
			gr = decide(was)
		}
		if refused != nil {
			return fmt.Errorf("storing group %s: %w", key, refused)
		}
		return l.groups.put(gr.Key, gr)
	})
}

// Count is guard.Groups'.
func (l *Claims) Count(ctx context.Context, group string, number int, claim string) (counted bool, err error) {
	err = l.locked(ctx, "Claims.Count", func() error {
		b := l.batch(group, number)
		if !b.sealed {
			b.claims[claim] = true
		}
		counted = b.claims[claim]
		return nil
	})
	return counted, err
}

// Counted is guard.Groups'.
func (l *Claims) Counted(ctx context.Context, group string, from, to int, claim string) (number int, found bool, err error) {
	err = l.locked(ctx, "Claims.Counted", func() error {
		for number = from; number < to && !found; number++ {
			b := l.batches[batchKey{group, number}]
			switch {
			case b == nil: // it expired
			case !b.sealed:
				return fmt.Errorf("batch %d of group %s is not sealed", number, group)
			default:
				found = b.claims[claim]
			}
		}
		return nil
	})
	return number - 1, found, err
}

// Seal is guard.Groups'.
func (l *Claims) Seal(ctx context.Context, group string, number int) (claims []string, err error) {
	err = l.locked(ctx, "Claims.Seal", func() error {
		b := l.batch(group, number)
		b.sealed = true
		claims = slices.Sorted(maps.Keys(b.claims))
		return nil
	})
	return claims, err
}

// Expire removes a batch.
func (l *Claims) Expire(group string, number int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	delete(l.batches, batchKey{group, number})
}

func (l *Claims) batch(group string, number int) *batch {
	k := batchKey{group, number}
	if l.batches == nil {
		l.batches = map[batchKey]*batch{}
	}
	if l.batches[k] == nil {
		l.batches[k] = &batch{claims: map[string]bool{}}
	}
	return l.batches[k]
}

// Due is guard.Groups'.
func (l *Claims) Due(ctx context.Context, at time.Time, limit int) (due []guard.Group, err error) {
	err = l.locked(ctx, "Claims.Due", func() error {
		due = l.groups.find(func(gr *guard.Group) bool { return gr.Unsent() && !gr.Due().After(at) })
		if l.Lag {
			index := make(map[string]bool, len(due))
			for i := range due {
				index[due[i].Key] = true
			}
			index, l.index = l.index, index
			due = slices.DeleteFunc(due, func(gr guard.Group) bool { return !index[gr.Key] })
		}
		slices.SortFunc(due, func(a, b guard.Group) int {
			return cmp.Or(a.Due().Compare(b.Due()), cmp.Compare(a.Key, b.Key))
		})
		due = due[:min(limit, len(due))]
		return nil
	})
	if err != nil {
		return nil, err
	}
	return due, nil
}

// All returns every claim, in the order of the keys.
func (l *Claims) All() []guard.Claim {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.claims.all()
}

// Series returns every series, in the order of the keys.
func (l *Claims) Series() []repeats.Series {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.series.all()
}

// Groups returns every group, in the order of the keys.
func (l *Claims) Groups() []guard.Group {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.groups.all()
}

// Facts is a guard.Facts in memory. The zero value is ready.
type Facts struct {
	Script *Script

	mu sync.Mutex
	// By account and ID. A fact went through JSON when it was stored, and not when it
	// is read: most of the time of long tests would go there.
	facts map[string]map[string]bootstrap.Fact
}

// Add is guard.Facts's.
func (j *Facts) Add(ctx context.Context, facts []bootstrap.Fact) (added int, err error) {
	err = j.Script.call("Facts.Add", func() error {
		j.mu.Lock()
		defer j.mu.Unlock()
		if err := ctx.Err(); err != nil {
			return fmt.Errorf("adding facts: %w", err)
		}
		for _, f := range facts {
			if old, found := j.facts[f.Account][f.ID]; found {
				f = bootstrap.Merge(old, f)
			} else {
				added++
			}
			raw, err := json.Marshal(f)
			if err != nil {
				return fmt.Errorf("encoding fact %s: %w", f.ID, err)
			}
			if j.facts == nil {
				j.facts = map[string]map[string]bootstrap.Fact{}
			}
			if j.facts[f.Account] == nil {
				j.facts[f.Account] = map[string]bootstrap.Fact{}
			}
			var stored bootstrap.Fact
			if err := json.Unmarshal(raw, &stored); err != nil {
				return fmt.Errorf("decoding fact %s: %w", f.ID, err)
			}
			j.facts[f.Account][f.ID] = stored
		}
		return nil
	})
	if err != nil {
		return 0, err
	}
	return added, nil
}

// under lists the facts of an account whose IDs begin with a prefix, by ID.
func (j *Facts) under(account, prefix string) []bootstrap.Fact {
	facts := make([]bootstrap.Fact, 0, len(j.facts[account]))
	for id, f := range j.facts[account] {
		if strings.HasPrefix(id, prefix) {
			facts = append(facts, f)
		}
	}
	slices.SortFunc(facts, func(a, b bootstrap.Fact) int { return cmp.Compare(a.ID, b.ID) })
	return facts
}

// Fact is guard.Facts's.
func (j *Facts) Fact(ctx context.Context, account, id string) (f bootstrap.Fact, found bool, err error) {
	err = j.Script.call("Facts.Fact", func() error {
		j.mu.Lock()
		defer j.mu.Unlock()
		if err := ctx.Err(); err != nil {
			return fmt.Errorf("reading fact %s: %w", id, err)
		}
		f, found = j.facts[account][id]
		return nil
	})
	if err != nil {
		return bootstrap.Fact{}, false, err
	}
	return f, found, nil
}

// Facts is guard.Facts's.
func (j *Facts) Facts(ctx context.Context, account string) (facts []bootstrap.Fact, err error) {
	err = j.Script.call("Facts.Facts", func() error {
		j.mu.Lock()
		defer j.mu.Unlock()
		if err := ctx.Err(); err != nil {
			return fmt.Errorf("reading facts of account %s: %w", account, err)
		}
		facts = j.under(account, "")
		return nil
	})
	if err != nil {
		return nil, err
	}
	return facts, nil
}

// Pages is accountcheck.FactRows', two facts at a time.
func (j *Facts) Pages(ctx context.Context, account, prefix string, fn func([]bootstrap.Fact) error) error {
	var facts []bootstrap.Fact
	err := j.Script.call("Facts.Pages", func() error {
		j.mu.Lock()
		defer j.mu.Unlock()
		if err := ctx.Err(); err != nil {
			return fmt.Errorf("reading facts of account %s: %w", account, err)
		}
		facts = j.under(account, prefix)
		return nil
	})
	if err != nil {
		return err
	}
	for page := range slices.Chunk(facts, 2) {
		if err := fn(page); err != nil {
			return err
		}
	}
	return nil
}

// Remove is accountcheck.FactRows'.
func (j *Facts) Remove(ctx context.Context, facts []bootstrap.Fact) (removed int, err error) {
	err = j.Script.call("Facts.Remove", func() error {
		j.mu.Lock()
		defer j.mu.Unlock()
		if err := ctx.Err(); err != nil {
			return fmt.Errorf("removing facts: %w", err)
		}
		for _, f := range facts {
			if is, found := j.facts[f.Account][f.ID]; found && is.Equal(f) {
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
