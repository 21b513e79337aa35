package collection

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"rootguard/internal/alert"
	"rootguard/internal/detect"
	"rootguard/internal/guard"
	"rootguard/internal/keys"
	"rootguard/internal/repeats"
)

const (
	// Within a day the first alerts of UserNotices go out as they come; those after
	// them are noticesApart apart, each with all that came meanwhile. What is due at
	// once about few accounts makes one alert each, and leaves one for what comes next.
	noticesAtOnce = 5
	accountsApart = 3
	noticesWithin = 24 * time.Hour
	noticesApart  = 6 * time.Hour

	// collectWait is how long what is collected waits for a run to go on that had no
	// time for all, and collectMost how long in all.
	collectWait = 6 * time.Minute
	collectMost = 45 * time.Minute
)

// Resend is a cycle of an incident that is to be sent again.
type Resend struct {
	Incident string // its ID
	Cycle    int    // 0 where that is not known
}

// Incidents knows what operators acknowledge.
type Incidents interface {
	// Unacknowledged reports of each whether no one has acknowledged it or put it off
	// and no cycle of the incident came after it.
	Unacknowledged(ctx context.Context, resends []Resend) ([]bool, error)
}

// Deps are what Batches work with.
type Deps struct {
	Claims guard.Claims
	// Incidents says what is not to be sent again after all; nil where no one acknowledges.
	Incidents Incidents
	Now       func() time.Time
	Lease     time.Duration // the guard's; 0 is its default
	// AccountName is an account's name for people, "" where it is not known; nil where
	// none is.
	AccountName func(account string) string
}

// Batches are what is collected and not yet sent.
type Batches struct {
	deps Deps
}

var _ guard.Batches = (*Batches)(nil)

// NewBatches returns Batches over a store of claims.
func NewBatches(deps Deps) *Batches {
	deps.Lease = cmp.Or(deps.Lease, guard.DefaultSettings().Lease)
	if deps.AccountName == nil {
		deps.AccountName = func(string) string { return "" }
	}
	return &Batches{deps}
}

// Has reports whether a group is a collection, or a batch of one that is left behind.
func (b *Batches) Has(group string) bool { return strings.HasPrefix(group, prefix) }

// name is the collection that a group is.
func name(gr *guard.Group) Name { return Name(strings.TrimPrefix(cmp.Or(gr.Of, gr.Key), prefix)) }

// Open returns a collection's group with a batch that may take a notice, where
// those before sealed are, and reports whether that is a change. The numbers of the
// batches of a new group follow the clock, so that they are none that the group had
// before it expired.
func (b *Batches) Open(gr guard.Group, c *guard.Claim, sealed int, now time.Time) (opened guard.Group, changed bool) {
	if gr.Key == "" {
		first := int(now.Unix() / 60)
		gr = guard.Group{Key: c.Group, Opened: now.UTC(), Finding: *c.Finding, First: first, Sent: first, Batches: first}
	}
	if gr.Sent == gr.Batches {
		gr.Since, gr.Until = now, allowed(&gr, now)
	}
	if gr.Sent == gr.Batches || gr.Batches <= sealed {
		gr.Batches, changed = gr.Batches+1, true
	}
	return gr, changed
}

// recent are the alerts of a collection within a day before a time.
func recent(gr *guard.Group, now time.Time) int {
	n := 0
	for _, at := range gr.Published {
		if at.After(now.Add(-noticesWithin)) {
			n++
		}
	}
	return n
}

// allowed is when the next alert of a collection may go out.
func allowed(gr *guard.Group, now time.Time) time.Time {
	if name(gr) != UserNotices || recent(gr, now) < noticesAtOnce {
		return now
	}
	last := gr.Published[len(gr.Published)-1]
	return keys.Latest(now, last.Add(noticesApart))
}

func (b *Batches) read(ctx context.Context, of Name) (gr guard.Group, err error) {
	err = b.deps.Claims.UpdateGroup(ctx, of.key(), func(was guard.Group) guard.Group {
		gr = was
		return guard.Group{}
	})
	if err != nil {
		return gr, fmt.Errorf("reading collection %s: %w", of, err)
	}
	return gr, nil
}

// wait puts off what is collected, for the run that collects more.
func (b *Batches) wait(ctx context.Context, gr *guard.Group, until time.Time) error {
	err := b.deps.Claims.UpdateGroup(ctx, gr.Key, func(cur guard.Group) guard.Group {
		if cur.Sent != gr.Sent || !cur.Until.Before(until) {
			return guard.Group{}
		}
		cur.Until = until
		return cur
	})
	if err != nil {
		return fmt.Errorf("putting off collection %s: %w", gr.Key, err)
	}
	return nil
}

// SendBatch sends the next batch of a collection. It is sealed first, and how many
// alerts it makes is stored, so that a retry after a crash makes the same ones,
// each with a claim of its own.
func (b *Batches) SendBatch(ctx context.Context, via guard.Sender, row guard.Group, at time.Time) (sent int, err error) {
	gr := &row
	group, batch := gr.Next()
	key := guard.RollUpKey(gr)
	var mine guard.Claim
	var sentBefore, busy bool
	err = b.deps.Claims.Update(ctx, key, "", func(c guard.Claim, _ repeats.Series) (guard.Claim, repeats.Series) {
		now := b.deps.Now()
		if sentBefore, busy = c.State == guard.Sent, c.Held(now, b.deps.Lease); sentBefore || busy {
			return guard.Claim{}, repeats.Series{}
		}
		if c.Cut == nil {
			c.Cut = &guard.Cut{Alerts: max(1, min(accountsApart, noticesAtOnce-1-recent(gr, at)))}
		}
		c.Key, c.State, c.LeaseUntil = key, guard.Leased, now.Add(b.deps.Lease)
		c.Attempts++
		c.Kind, c.AlertID, c.Series = alert.Summarized, keys.Alert(key), gr.Key
		mine = c
		return c, repeats.Series{}
	})
	switch {
	case err != nil:
		return 0, fmt.Errorf("claiming collection %s: %w", key, err)
	case sentBefore: // who sent it may have died before it was noted
		return 0, b.noteSent(ctx, gr, 1, at)
	case busy:
		return 0, nil
	}
	release := func(err error) (int, error) {
		return sent, errors.Join(err, b.complete(ctx, &mine, guard.Released))
	}
	sealed, err := b.deps.Claims.Seal(ctx, group, batch)
	if err != nil {
		return release(fmt.Errorf("sealing a batch of collection %s: %w", group, err))
	}
	claims, err := b.deps.Claims.Read(ctx, sealed)
	if err != nil {
		return release(fmt.Errorf("reading the events of collection %s: %w", group, err))
	}
	parts := b.compose(gr, claims, mine.Cut.Alerts)
	// As late as can be, and for each attempt: what was acknowledged while it waited is not sent.
	if err := b.withdraw(ctx, parts); err != nil {
		return release(err)
	}
	errs := make([]error, len(parts))
	reached := true // each part that failed has reached some receiver
	waits := false  // for the end of a part's lease, whose holder was interrupted or is at it
	left := 0
	for i := range parts {
		if len(parts[i]) == 0 {
			continue // the others keep their numbers, which name their claims
		}
		left++
		n := b.part(gr, parts[i])
		n.Key, n.Limited = key+"/"+strconv.Itoa(i), name(gr) == Resends
		res, err := via.Send(ctx, n)
		if errors.Is(err, guard.ErrBusy) {
			waits, reached = true, false
			continue
		}
		if errs[i] = err; res.Disposition == guard.Alerted {
			sent++
		}
		reached = reached && (err == nil || len(guard.DeliveredTo(err)) > 0)
	}
	if err := errors.Join(errs...); err != nil || waits {
		if gr.Of == "" && reached {
			if leaveErr := guard.LeaveBehind(ctx, b.deps.Claims, gr, b.deps.Now()); leaveErr != nil {
				return release(errors.Join(err, leaveErr))
			}
			err = errors.Join(err, b.noteSent(ctx, gr, left, at))
		}
		return release(err)
	}
	if err := b.complete(ctx, &mine, guard.Sent); err != nil {
		return sent, err
	}
	return sent, b.noteSent(ctx, gr, left, at)
}

// withdraw takes the resends out of the parts of a batch whose incidents were
// acknowledged since they were collected.
func (b *Batches) withdraw(ctx context.Context, parts [][]guard.Claim) error {
	var resends []Resend
	for _, claims := range parts {
		for i := range claims {
			if in := claims[i].Incident; in != nil {
				resends = append(resends, Resend{in.ID, claims[i].Cycle})
			}
		}
	}
	if len(resends) == 0 || b.deps.Incidents == nil {
		return nil
	}
	wanted, err := b.deps.Incidents.Unacknowledged(ctx, resends)
	if err != nil {
		return fmt.Errorf("reading again what is sent again: %w", err)
	}
	next := 0
	for n := range parts {
		parts[n] = slices.DeleteFunc(parts[n], func(c guard.Claim) bool {
			if c.Incident == nil {
				return false
			}
			next++
			return !wanted[next-1]
		})
	}
	return nil
}

// complete ends the lease of a batch, unless another invocation has taken it over.
func (b *Batches) complete(ctx context.Context, mine *guard.Claim, state guard.ClaimState) error {
	//nolint:wrapcheck // it says which
	return guard.Complete(ctx, b.deps.Claims, mine.Key, "", func(c guard.Claim, _ repeats.Series) (guard.Claim, repeats.Series) {
		switch {
		case state == guard.Sent && c.Key == "":
			c = *mine // the row expired
		case state == guard.Released && (c.State != guard.Leased || c.Attempts != mine.Attempts):
			return guard.Claim{}, repeats.Series{}
		}
		c.State, c.LeaseUntil = state, time.Time{}
		return c, repeats.Series{}
	})
}

// noteSent notes that the next batch of a collection was sent, in so many alerts.
func (b *Batches) noteSent(ctx context.Context, gr *guard.Group, alerts int, at time.Time) error {
	err := b.deps.Claims.UpdateGroup(ctx, gr.Key, func(cur guard.Group) guard.Group {
		if cur.Key == "" || cur.Sent != gr.Sent || cur.Sent >= cur.Batches {
			return guard.Group{}
		}
		for range alerts {
			cur.Published = append(cur.Published, at.UTC())
		}
		cur.Published = cur.Published[max(0, len(cur.Published)-noticesAtOnce):]
		cur.Sent++
		cur.Failures, cur.Retry = 0, time.Time{}
		if cur.Sent < cur.Batches {
			cur.Since, cur.Until = at, allowed(&cur, at)
		}
		return cur
	})
	if err != nil {
		return fmt.Errorf("noting that collection %s was sent: %w", gr.Key, err)
	}
	return nil
}

// compose divides a batch into alerts, at most some where its accounts are more.
func (b *Batches) compose(gr *guard.Group, claims []guard.Claim, most int) [][]guard.Claim {
	claims = current(claims)
	byAccount := map[string][]guard.Claim{}
	for _, c := range claims {
		byAccount[c.Finding.Account] = append(byAccount[c.Finding.Account], c)
	}
	of := name(gr)
	accounts := slices.Sorted(maps.Keys(byAccount))
	var parts [][]guard.Claim
	switch {
	case len(claims) == 0:
	case of == RootNotices && len(accounts) == 1, of == Resends && len(claims) <= 2:
		for i := range claims {
			parts = append(parts, slices.Clone(claims[i:i+1]))
		}
	case of == UserNotices && len(accounts) <= most:
		for _, account := range accounts {
			parts = append(parts, byAccount[account])
		}
	default:
		parts = append(parts, claims)
	}
	return parts
}

// current are the notices of a batch that are still to be sent: the latest about each
// subject, and none where a subject was both opened and resolved since the last alert.
func current(claims []guard.Claim) []guard.Claim {
	claims = slices.DeleteFunc(slices.Clone(claims), func(c guard.Claim) bool { return c.Finding == nil }) // it expired
	slices.SortStableFunc(claims, func(a, b guard.Claim) int {
		return cmp.Or(a.Finding.EventTime.Compare(b.Finding.EventTime), cmp.Compare(a.Key, b.Key))
	})
	last, opened := map[string]int{}, map[string]bool{}
	subject := func(c *guard.Claim) string {
		if c.Incident != nil {
			return "incident/" + c.Incident.ID
		}
		return c.Finding.SubjectID()
	}
	for i := range claims {
		id := subject(&claims[i])
		last[id] = i
		opened[id] = opened[id] || claims[i].Finding.Subject.Phase == detect.PhaseOpened
	}
	var left []guard.Claim
	for i := range claims {
		c := &claims[i]
		id := subject(c)
		if last[id] == i && (c.Incident != nil || c.Finding.Subject.Phase != detect.PhaseResolved || !opened[id]) {
			left = append(left, *c)
		}
	}
	return left
}

// part is the alert of some notices.
func (b *Batches) part(gr *guard.Group, claims []guard.Claim) guard.Notice {
	if len(claims) == 1 {
		c := &claims[0]
		return guard.Notice{Finding: *c.Finding, Kind: cmp.Or(c.Kind, alert.First), Incident: c.Incident}
	}
	s := &alert.Summary{FindingCount: len(claims)}
	at := map[string]int{}
	findings := make([]detect.Finding, 0, len(claims))
	again := true
	for i := range claims {
		f := claims[i].Finding
		n, ok := at[f.Account]
		if !ok {
			n = len(s.Accounts)
			at[f.Account] = n
			s.Accounts = append(s.Accounts, alert.SummaryAccount{Account: f.Account, Name: b.deps.AccountName(f.Account)})
		}
		s.Accounts[n].Findings = append(s.Accounts[n].Findings, alert.ItemOf(f, claims[i].Incident))
		if again = again && claims[i].Incident != nil; again {
			s.AckFlags = claims[i].Incident.AckFlags
		}
		findings = append(findings, *f)
	}
	s.AccountCount = len(s.Accounts)
	s.Sort()
	_, batch := gr.Next()
	id := fmt.Sprintf("%s/%d/%s", name(gr), batch, s.Accounts[0].Account)
	slices.SortStableFunc(findings, func(a, b detect.Finding) int { // the account of the first is the alert's
		return cmp.Compare(boolInt(b.Account == s.Accounts[0].Account), boolInt(a.Account == s.Accounts[0].Account))
	})
	if again {
		return guard.Notice{Finding: detect.Repeated(id, findings), Kind: alert.Resend, Summary: s, Incident: &alert.Incident{}}
	}
	return guard.Notice{Finding: detect.Summed(id, findings), Kind: alert.Summarized, Summary: s}
}

func boolInt(b bool) int {
	if b {
		return 1
	}
	return 0
}
