package collection

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"rootguard/internal/alert"
	"rootguard/internal/detect"
	"rootguard/internal/guard"
	"rootguard/internal/keys"
	"rootguard/internal/repeats"
)

// Name names notices that are sent together.
type Name string

// The collections.
const (
	UserNotices Name = "users"   // about IAM users without MFA
	RootNotices Name = "roots"   // problems of root found by the first check of an account
	Resends     Name = "resends" // incidents that are sent again
)

// prefix begins the keys of the groups that are collections.
const prefix = "collected/"

func (of Name) key() string { return prefix + string(of) }

// Guard takes what is collected as it takes any finding. It is a *guard.Guard.
type Guard interface {
	Suppressed(ctx context.Context, f detect.Finding) (_ detect.Finding, suppression string, err error)
	Count(ctx context.Context, c *guard.Claim, of *detect.Finding, from int, at time.Time) (batch int, err error)
	Send(ctx context.Context, n guard.Notice) (guard.Result, error)
}

// Collector collects notices and sends them.
type Collector struct {
	batches *Batches
	guard   Guard

	mu     sync.Mutex
	latest map[Name]int // the number of the latest batch that a notice was counted in here
}

// New returns a Collector over Batches, which the guard has too.
func New(batches *Batches, g Guard) *Collector {
	return &Collector{batches: batches, guard: g, latest: map[Name]int{}}
}

// Collect notes a notice, once, which Send sends with the others of its collection.
// The finding's Account and EventID, or the notice's Claim, say which it is.
func (k *Collector) Collect(ctx context.Context, of Name, n guard.Notice) (guard.Result, error) {
	var suppression string
	var later error
	if n.Incident == nil {
		n.Finding, suppression, later = k.guard.Suppressed(ctx, n.Finding)
	}
	f := alert.BoundFinding(n.Finding)
	res := guard.Result{Outcome: detect.Outcome{Kind: detect.Matched, Finding: f}}
	key := keys.Claim(f.Account, cmp.Or(n.Claim, f.EventID))
	var was, claim guard.Claim
	var busy bool
	from := k.counted(of, 0) // before the claim is folded: from then on another may count it
	err := k.batches.deps.Claims.Update(ctx, key, "", func(c guard.Claim, _ repeats.Series) (guard.Claim, repeats.Series) {
		was, claim, busy = c, c, false
		switch {
		case handled(&c):
			return guard.Claim{}, repeats.Series{}
		case suppression != "" && f.Severity < detect.Critical:
			claim.Key, claim.State, claim.Finding, claim.Suppression = key, guard.Withheld, &f, suppression
			return claim, repeats.Series{}
		case c.Held(k.batches.deps.Now(), k.batches.deps.Lease):
			busy = true
			return guard.Claim{}, repeats.Series{}
		}
		claim.Key, claim.State, claim.LeaseUntil, claim.Finding, claim.Group = key, guard.Folded, time.Time{}, &f, of.key()
		claim.Kind, claim.Incident, claim.Cycle = n.Kind, n.Incident, n.Cycle
		return claim, repeats.Series{}
	})
	switch {
	case err != nil:
		return res, fmt.Errorf("claiming event %s: %w", f.EventID, err)
	case busy:
		return res, fmt.Errorf("claiming event %s: %w", f.EventID, guard.ErrBusy)
	case handled(&was):
		res.Disposition = guard.Duplicate
		if claim.Group != of.key() {
			return res, nil // it had an alert of its own, or none
		}
	case claim.State == guard.Withheld:
		res.Disposition, res.Suppression = guard.Suppressed, suppression
		return res, later
	default:
		res.Disposition = guard.RolledUp
	}
	if handled(&was) {
		from = 0
	}
	batch, err := k.guard.Count(ctx, &claim, nil, from, n.At)
	if err == nil {
		k.counted(of, batch)
	}
	return res, errors.Join(err, later)
}

// Claimed reports whether a finding was reported, alone or with others, as far as that was
// begun: by a run, say, that died before it could note it.
func (k *Collector) Claimed(ctx context.Context, f *detect.Finding) (bool, error) {
	claims, err := k.batches.deps.Claims.Read(ctx, []string{keys.Claim(f.Account, f.EventID)})
	if err != nil {
		return false, fmt.Errorf("reading the claim of event %s: %w", f.EventID, err)
	}
	return claims[0].Key != "", nil
}

// counted notes that a notice is in a batch, and returns the latest in which any is.
func (k *Collector) counted(of Name, batch int) (latest int) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.latest[of] = max(k.latest[of], batch)
	return k.latest[of]
}

// handled reports whether a claim's event needs no alert any more.
func handled(c *guard.Claim) bool {
	return c.State == guard.Sent || c.State == guard.Folded || c.State == guard.Withheld
}

// Ready reports whether what is collected now goes out at once.
func (k *Collector) Ready(ctx context.Context, of Name, at time.Time) (bool, error) {
	at = keys.Latest(at, k.batches.deps.Now()) // a schedule's time is before what its run collects
	gr, err := k.batches.read(ctx, of)
	if err != nil {
		return false, err
	}
	if gr.Sent < gr.Batches {
		return !gr.Due().After(at), nil
	}
	gr.Key = of.key()
	return !allowed(&gr, at).After(at), nil
}

// Send sends what is collected and due at a time: one notice as the alert that it would
// be alone, those of few accounts in one alert each, those of more in one for all.
// more says that the run that collects goes on, for which it waits. Where it fails,
// all of it stays due. sent counts alerts.
func (k *Collector) Send(ctx context.Context, of Name, at time.Time, more bool) (sent int, err error) {
	at = keys.Latest(at, k.batches.deps.Now()) // a schedule's time is before what its run collects
	gr, err := k.batches.read(ctx, of)
	if err != nil || gr.Sent >= gr.Batches || gr.Due().After(at) {
		return 0, err
	}
	if until := at.Add(collectWait); more && until.Before(gr.Since.Add(collectMost)) {
		return 0, k.batches.wait(ctx, &gr, until)
	}
	for left := min(2, gr.Batches-gr.Sent); ; left-- { // what an earlier run could not send holds back nothing
		n, err := k.batches.SendBatch(ctx, k.guard, gr, at)
		if sent += n; err != nil || left <= 1 {
			return sent, err
		}
		if gr, err = k.batches.read(ctx, of); err != nil || gr.Sent >= gr.Batches || gr.Due().After(at) {
			return sent, err
		}
	}
}
