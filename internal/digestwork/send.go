package digestwork

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"rootguard/internal/alert"
	"rootguard/internal/detect"
	"rootguard/internal/digest"
	"rootguard/internal/guard"
	"rootguard/internal/worker"
)

// State is how far digests have come.
type State struct {
	Key      string    `json:"key"`
	Revision int       `json:"revision"`          // of the row, which begins at 1
	Done     time.Time `json:"done,omitzero"`     // the period that was sent last, or that was there when rootguard began to send them
	Sent     time.Time `json:"sent,omitzero"`     // when that was sent; zero: none ever was
	AsOf     time.Time `json:"as_of,omitzero"`    // as of when it was
	Schedule string    `json:"schedule,omitzero"` // by which it announced the next one
}

// stateKey is the key of the one State.
const stateKey = "state"

// RowKey is worker.Row's.
func (s State) RowKey() string { return s.Key }

// RowDue is worker.Row's: it is read by its key alone.
func (State) RowDue() time.Time { return time.Time{} }

// Collection is what was collected for the digest of a period.
type Collection struct {
	Key      string       `json:"key"` // the period, RFC 3339
	Revision int          `json:"revision"`
	At       time.Time    `json:"at"`                // as of when: of the run that began it
	Cursor   string       `json:"cursor,omitempty"`  // the last account that is in it
	Whole    bool         `json:"whole,omitempty"`   // it has all
	Tally    digest.Tally `json:"tally"`             // of these
	Failures int          `json:"failures,omitzero"` // attempts in a row to read an account that failed
	Skipped  []string     `json:"skipped,omitempty"` // accounts that could not be read
}

// RowKey is worker.Row's.
func (c Collection) RowKey() string { return c.Key }

// RowDue is worker.Row's: it is read by its key alone.
func (Collection) RowDue() time.Time { return time.Time{} }

func keyOf(period time.Time) string { return period.UTC().Format(time.RFC3339) }

// Guard publishes a notice, once, within the rate at which receivers take alerts. It
// is a *guard.Guard.
type Guard interface {
	Send(ctx context.Context, n guard.Notice) (guard.Result, error)
	TokenFor(ctx context.Context, due, at time.Time) bool
}

// Sender sends digests.
type Sender struct {
	Collector

	Guard       Guard
	States      worker.Rows[State]
	Collections worker.Rows[Collection]
	Now         func() time.Time
}

// Result says what Run did.
type Result struct {
	Accounts int  // gone through in this run
	Sent     bool // the digest of this period
	More     bool // it goes on in the next run
}

const (
	// reserve is what must be left of the context's time for one more page of accounts,
	// and to send.
	reserve = 14 * time.Second
	// maxFailures is how often an account may be tried before the digest goes on
	// without it, and says so.
	maxFailures = 5
	// maxSkipped is how many accounts may be left out: where more cannot be read, it is
	// not for the accounts.
	maxSkipped = 20
)

// Run sends the digest that is due at a time, if one is. What it has no time for, or
// fails at, is still due at the next run.
func (s *Sender) Run(ctx context.Context, at time.Time) (done Result, err error) {
	if !s.Schedule.On() {
		return done, nil
	}
	period := s.Schedule.Last(at)
	state, err := s.States.Get(ctx, stateKey)
	if err != nil {
		return done, fmt.Errorf("reading when the last digest was sent: %w", err)
	}
	if state.Key == "" {
		return done, s.begin(ctx, period)
	}
	if !period.After(state.Done) {
		return done, nil
	}
	c, last, err := s.collection(ctx, &state, period, at)
	if err != nil {
		return done, err
	}
	if done.Accounts, done.More, err = s.collect(ctx, &c, last, state.AsOf); err != nil || done.More {
		return done, err
	}
	done.Sent, err = s.send(ctx, &c, &state, period, at)
	if errors.Is(err, guard.ErrBusy) || errors.Is(err, guard.ErrRateLimited) {
		done.More = true // another run is sending it, or alerts come first
		return done, nil
	}
	if err != nil {
		return done, err
	}
	return done, s.note(ctx, &state, &c, period)
}

// begin notes that digests are sent from now on: the first is of the next period.
func (s *Sender) begin(ctx context.Context, period time.Time) error {
	err := s.States.Update(ctx, stateKey, func(was State) State {
		if was.Key != "" {
			return State{}
		}
		return State{Key: stateKey, Revision: 1, Done: period}
	})
	if err != nil {
		return fmt.Errorf("storing that digests are sent: %w", err)
	}
	return nil
}

// collection is what was collected for a period before, and the snapshot of the last
// digest, nil where there is none.
func (s *Sender) collection(ctx context.Context, state *State, period, at time.Time) (c Collection, last digest.Snapshot, err error) {
	if c, err = s.Collections.Get(ctx, keyOf(period)); err != nil {
		return c, nil, fmt.Errorf("reading what was collected for the digest: %w", err)
	}
	if c.Key == "" {
		c = Collection{Key: keyOf(period), At: at.UTC()}
	}
	if c.Whole || state.Sent.IsZero() {
		return c, nil, nil
	}
	before, err := s.Collections.Get(ctx, keyOf(state.Done))
	if err != nil {
		return c, nil, fmt.Errorf("reading what the last digest was made of: %w", err)
	}
	if before.Whole && before.Tally.Snapshot.Check() == nil {
		if last = before.Tally.Snapshot; last == nil {
			last = digest.Snapshot{} // there was no account
		}
	}
	return c, last, nil
}

// collect goes on with a collection until it is whole or the time is up, and stores it.
func (s *Sender) collect(ctx context.Context, c *Collection, last digest.Snapshot, since time.Time) (accounts int, more bool, err error) {
	if c.Whole {
		return 0, false, nil
	}
	all, err := s.Accounts.Accounts(ctx)
	if err != nil {
		return 0, false, fmt.Errorf("listing the accounts on record: %w", err)
	}
	from, found := slices.BinarySearch(all, c.Cursor)
	if found {
		from++
	}
	rest := all[from:]
	single := min(c.Failures, 1) // so many are read one by one, to find the one that cannot be
	var failed error
	for len(rest) > 0 && !worker.Short(ctx, s.Now(), reserve) {
		page := rest[:min(len(rest), accountsPage)]
		if single > 0 {
			page = rest[:1]
		}
		if failed = s.page(ctx, &c.Tally, page, last, since, c.At); failed != nil {
			if len(page) > 1 && ctx.Err() == nil {
				single = len(page)
				continue
			}
			if c.Failures++; c.Failures < maxFailures || ctx.Err() != nil || len(c.Skipped) == maxSkipped {
				break
			}
			c.Skipped = append(c.Skipped, page[0])
			failed = nil
		}
		c.Failures, single = 0, max(0, single-len(page))
		accounts += len(page)
		c.Cursor, rest = page[len(page)-1], rest[len(page):]
	}
	c.Whole = len(rest) == 0
	stored, err := s.store(ctx, c)
	if err = errors.Join(failed, err); err != nil {
		return accounts, false, err
	}
	return accounts, !c.Whole || !stored, nil
}

// store writes a collection, unless another run wrote it meanwhile: that one goes on.
func (s *Sender) store(ctx context.Context, c *Collection) (stored bool, err error) {
	was := c.Revision
	now := *c
	now.Revision++
	err = s.Collections.Update(ctx, c.Key, func(cur Collection) Collection {
		if stored = cur.Revision == was; !stored {
			return Collection{}
		}
		return now
	})
	if err != nil {
		return false, fmt.Errorf("storing what was collected for the digest: %w", err)
	}
	c.Revision = now.Revision
	return stored, nil
}

// send publishes the digest, once.
func (s *Sender) send(ctx context.Context, c *Collection, state *State, period, at time.Time) (sent bool, err error) {
	since := state.AsOf
	in := s.input(ctx, &c.Tally, since, c.At)
	if in.Guard != nil {
		for _, account := range c.Skipped {
			in.Guard.Failed = append(in.Guard.Failed, "account "+account+", see the log of the function sweep")
		}
	}
	// What it promises is the next period, also where this one is late.
	title, d := digest.Compose(in)
	d.Next = s.Schedule.Next(at)
	d.NextText = s.Schedule.Local(d.Next)
	if missed := s.missed(state, period); missed > 0 {
		d.Sections = slices.Insert(d.Sections, 0, alert.DigestSection{
			ID: "missed", Title: fmt.Sprintf("LATE: %d earlier digests were not sent, since rootguard did not run then or could not send", missed),
		})
	}
	if !s.Guard.TokenFor(ctx, period, at) {
		return false, guard.ErrRateLimited // what is new comes first
	}
	f := detect.Digest(s.Hub, title, period)
	res, err := s.Guard.Send(ctx, guard.Notice{Finding: f, Kind: alert.Scheduled, Limited: true, Digest: d})
	if err != nil {
		return false, fmt.Errorf("sending the digest of %s: %w", keyOf(period), err)
	}
	return res.Disposition == guard.Alerted, nil
}

// missed is how many periods lie between the last digest that was sent and this one.
func (s *Sender) missed(state *State, period time.Time) int {
	if state.Schedule != s.Schedule.String() {
		return 0 // the last digest announced others, or none
	}
	const most = 1000
	n := 0
	for at := s.Schedule.Next(state.Done); at.Before(period) && n < most; at = s.Schedule.Next(at) {
		n++
	}
	return n
}

// note stores that the digest of a period was sent.
func (s *Sender) note(ctx context.Context, state *State, c *Collection, period time.Time) error {
	err := s.States.Update(ctx, stateKey, func(cur State) State {
		if cur.Revision != state.Revision {
			return State{}
		}
		return State{Key: stateKey, Revision: cur.Revision + 1, Done: period, Sent: s.Now().UTC(), AsOf: c.At, Schedule: s.Schedule.String()}
	})
	if err != nil {
		return fmt.Errorf("storing that the digest of %s was sent: %w", keyOf(period), err)
	}
	return nil
}

// Last returns the snapshot of the last digest that was sent, and as of when it was; nil
// and zero where none is on file.
func Last(ctx context.Context, states worker.Rows[State], collections worker.Rows[Collection]) (last digest.Snapshot,
	since time.Time, err error) {
	state, err := states.Get(ctx, stateKey)
	if err != nil {
		return nil, since, fmt.Errorf("reading when the last digest was sent: %w", err)
	}
	if state.Sent.IsZero() {
		return nil, since, nil
	}
	c, err := collections.Get(ctx, keyOf(state.Done))
	if err != nil {
		return nil, since, fmt.Errorf("reading what the last digest was made of: %w", err)
	}
	if !c.Whole || c.Tally.Snapshot.Check() != nil {
		return nil, state.AsOf, nil //nolint:nilerr // there is none to compare with
	}
	if c.Tally.Snapshot == nil {
		c.Tally.Snapshot = digest.Snapshot{}
	}
	return c.Tally.Snapshot, state.AsOf, nil
}
