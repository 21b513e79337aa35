package accountcheck

import (
	"context"
	"fmt"
	"hash/fnv"
	"slices"
	"time"

	"rootguard/internal/bootstrap"
)

const (
	// factsHeld bounds how many facts of an account a run has in memory, besides
	// those of changes: where there are more, it takes a part of the users.
	factsHeld = 20_000

	// factsRemoved bounds how many a run removes of one account, and removeBatch
	// how many between two checks of the time.
	factsRemoved = 5000
	removeBatch  = 200
)

// Compacted says what CompactFacts did.
type Compacted struct {
	Accounts int // gone through to the end
	Removed  int // facts
	More     bool
}

// CompactFacts takes away the facts that others make superfluous, of each account
// once a day: see bootstrap.Compact. Without it every sign-in would leave a fact
// for ever. What is kept is stored before anything is removed, so that a run may
// end at any point and two may overlap. A run removes a bounded number of facts of
// an account and holds a bounded number in memory; the next run goes on.
func (k *Checker) CompactFacts(ctx context.Context, at time.Time) (Compacted, error) {
	c := compaction{pass: pass{Checker: k, at: at}}
	err := c.walk(ctx, KindFacts, c.settings.Batch, func(ctx context.Context, due []Check) {
		for _, r := range due {
			if c.spent(ctx) {
				c.more = true
				return
			}
			c.account(ctx, r)
		}
	})
	c.More = c.More || c.more
	return c.Compacted, err
}

// compactFrom has the facts of an account compacted from a time on.
func (k *Checker) compactFrom(ctx context.Context, account string, at time.Time) error {
	if k.deps.FactRows == nil {
		return nil
	}
	return k.schedule.revise(ctx, account, KindFacts, func(r Check) (Check, bool) {
		begun := r.Due.IsZero()
		if begun {
			r.Due = at
		}
		return r, begun
	})
}

// compaction is one run.
type compaction struct {
	pass
	Compacted
}

func (c *compaction) account(ctx context.Context, r Check) {
	part, of := partOf(r.Cursor)
	facts, of, err := c.part(ctx, r.Account, part, of)
	if err != nil {
		c.failCheck(&r, fmt.Errorf("reading facts of account %s: %w", r.Account, err))
		return
	}
	plan := bootstrap.Compact(r.Account, facts, c.at)
	if _, err := c.deps.Facts.Add(ctx, plan.Put); err != nil {
		c.failCheck(&r, fmt.Errorf("storing facts of account %s: %w", r.Account, err))
		return
	}
	left := len(plan.Drop)
	for batch := range slices.Chunk(plan.Drop[:min(left, factsRemoved)], removeBatch) {
		if c.spent(ctx) {
			break
		}
		removed, err := c.deps.FactRows.Remove(ctx, batch)
		c.Removed += removed
		if err != nil {
			c.failCheck(&r, fmt.Errorf("removing facts of account %s: %w", r.Account, err))
			return
		}
		left -= len(batch)
	}
	now := r
	switch {
	case left > 0:
		now.Cursor, now.Due, c.More = cursorOf(part, of), c.at, true
	case part+1 < of:
		now.Cursor, now.Due, c.More = cursorOf(part+1, of), c.at, true
	default:
		now.Cursor, now.Done, now.Due = "", c.at, nextCheck(r.Account, daily, c.at)
	}
	if c.store(ctx, &r, now) && now.Cursor == "" {
		c.Accounts++
	}
}

// part reads what is needed to compact the facts about a part of the users: of
// the sign-ins and live checks only theirs, and all changes. The more there are
// the smaller it makes the part.
func (c *compaction) part(ctx context.Context, account string, part, of uint32) (facts []bootstrap.Fact, parts uint32, err error) {
	held := 0
	keep := func(f bootstrap.Fact) bool {
		user, many := frequent(&f)
		return !many || userPart(user, of) == part
	}
	err = c.deps.FactRows.Pages(ctx, account, "", func(page []bootstrap.Fact) error {
		for _, f := range page {
			if !keep(f) {
				continue
			}
			if _, many := frequent(&f); many {
				held++
			}
			facts = append(facts, f)
		}
		for held > factsHeld && of < 1<<16 {
			of *= 2
			facts = slices.DeleteFunc(facts, func(f bootstrap.Fact) bool { return !keep(f) })
			held = 0
			for i := range facts {
				if _, many := frequent(&facts[i]); many {
					held++
				}
			}
		}
		return nil
	})
	return facts, of, err
}

// frequent returns the user of a fact of which there may be very many, "" for root.
func frequent(f *bootstrap.Fact) (user string, many bool) {
	switch f.Kind {
	case bootstrap.UserSignIn:
		return f.UserName, true
	case bootstrap.RootSignIn, bootstrap.RootActivity:
		return "", true
	case bootstrap.Live:
		if f.Live == nil || f.Live.UserName == "" && f.Live.UserID != "" {
			return "", false
		}
		return f.Live.UserName, true
	default:
		return "", false
	}
}

// userPart is which of the parts a user is in. Parts are powers of two, so that a
// part becomes two where there are twice as many.
func userPart(user string, of uint32) uint32 {
	h := fnv.New32a()
	_, _ = h.Write([]byte(user)) // never fails
	return h.Sum32() % of
}

func cursorOf(part, of uint32) string { return fmt.Sprintf("%d/%d", part, of) }

// partOf reads a cursor; one that is none is the beginning.
func partOf(cursor string) (part, of uint32) {
	_, _ = fmt.Sscanf(cursor, "%d/%d", &part, &of) // what cannot be read stays 0
	if part >= of {
		return 0, 1
	}
	return part, of
}
