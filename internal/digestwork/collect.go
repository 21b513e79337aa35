package digestwork

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"rootguard/internal/accountcheck"
	"rootguard/internal/alert"
	"rootguard/internal/announcement"
	"rootguard/internal/bootstrap"
	"rootguard/internal/config"
	"rootguard/internal/digest"
	"rootguard/internal/guard"
	"rootguard/internal/health"
	"rootguard/internal/incident"
	"rootguard/internal/suppression"
	"rootguard/internal/worker"
)

// Accounts are the accounts on record, and the facts of each.
type Accounts interface {
	Accounts(ctx context.Context) ([]string, error)
	Facts(ctx context.Context, account string) ([]bootstrap.Fact, error)
}

// Incidents are those of an account that were opened between two times.
type Incidents interface {
	IncidentsBetween(ctx context.Context, account string, from, to time.Time) ([]incident.Incident, error)
}

// Announcements are the entries of an account whose From lies between two times.
type Announcements interface {
	Entries(ctx context.Context, account string, from, to time.Time) ([]announcement.AuditEvent, error)
	// ClaimsDuring calls fn with the claim of every event that was judged under an
	// announcement, by event time.
	ClaimsDuring(ctx context.Context, announcement string, fn func(guard.Claim) error) error
}

// Health is what the checks of rootguard itself found.
type Health interface {
	Health(ctx context.Context) (health.State, error)
	Heartbeats(ctx context.Context, ids []string) ([]health.Heartbeat, error)
}

// Source adds a section about all accounts together. since is zero where there is no
// digest before it. Where it fails, the digest says so in its place.
type Source interface {
	Section(ctx context.Context, since, at time.Time) (alert.DigestSection, error)
}

// Noter adds notes on one account, by its status and its facts: they are counted and
// listed by topic. since is zero where there is no digest before.
type Noter interface {
	Title() (topic digest.Topic, title string)
	Notes(ctx context.Context, status *bootstrap.Status, facts []bootstrap.Fact, since, at time.Time) ([]digest.Note, error)
}

// Collector reads what a digest is made of. All but Accounts may be nil: then nothing
// is known of that, as in logs that are replayed.
type Collector struct {
	Accounts      Accounts
	Checks        accountcheck.Checks
	Incidents     Incidents
	Announcements Announcements
	Health        Health
	Sources       []Source
	Noters        []Noter

	Hub      string   // the account rootguard is deployed in
	Regions  []string // whose events reach it
	Options  bootstrap.Options
	Schedule digest.Schedule
	Name     func(account string) string
}

// Store has all that a deployed guard knows. It is a *dynamodb.Store.
type Store interface {
	Accounts
	Incidents
	Announcements
	Health
	Checks() accountcheck.Checks
	Suppressions() suppression.Store
}

// CollectorOf reads what a guard that is deployed with the settings knows. It makes no
// request.
func CollectorOf(cfg *config.Config, store Store, name func(account string) string) Collector {
	noters := []Noter{Suppressed{store.Suppressions()}}
	if cfg.Drill.Within > 0 {
		noters = append(noters, Drill{Policy: cfg.Drill, Announcements: store})
	}
	return Collector{
		Noters: noters, Accounts: store, Checks: store.Checks(), Incidents: store, Announcements: store, Health: store,
		Hub: cfg.Account, Regions: append([]string{cfg.Region}, cfg.Regions...), Options: cfg.Settings.Bootstrap,
		Schedule: cfg.Digest, Name: name,
	}
}

const (
	// incidentsSince is how far back open incidents are looked for.
	incidentsSince = 90 * 24 * time.Hour
	// accountsPage is how many accounts are read between two looks at the clock.
	accountsPage = 64
	// accountTimeout bounds what one account takes.
	accountTimeout = 20 * time.Second
)

// page takes a page of accounts into a tally, in their order. An account that cannot
// be read ends it: the next attempt begins with it.
func (c *Collector) page(ctx context.Context, t *digest.Tally, accounts []string, last digest.Snapshot, since, at time.Time) error {
	read := make([]digest.Account, len(accounts))
	known := make([]bool, len(accounts))
	errs := make([]error, len(accounts))
	worker.Each(len(accounts), func(i int) {
		one, cancel := context.WithTimeout(ctx, accountTimeout)
		defer cancel()
		read[i], known[i], errs[i] = c.account(one, accounts[i], since, at)
	})
	if err := errors.Join(errs...); err != nil {
		return err
	}
	for i := range read {
		if known[i] {
			t.Add(read[i], last, at)
		}
	}
	return nil
}

// account reads one account; known is false of one that is closed or has left.
func (c *Collector) account(ctx context.Context, account string, since, at time.Time) (a digest.Account, known bool, err error) {
	if c.Checks != nil {
		suspended, err := accountcheck.Schedule{Checks: c.Checks}.Suspended(ctx, account)
		if err != nil || suspended {
			return a, false, err //nolint:wrapcheck // it says which account
		}
	}
	facts, err := c.Accounts.Facts(ctx, account)
	if err != nil {
		return a, false, fmt.Errorf("reading facts of account %s: %w", account, err)
	}
	a.Status = bootstrap.Fold(account, facts, c.Options, at)
	if a.Incidents, err = c.incidents(ctx, account, at); err != nil {
		return a, false, err
	}
	if a.Announcements, err = c.announced(ctx, account, at); err != nil {
		return a, false, err
	}
	for _, n := range c.Noters {
		notes, err := n.Notes(ctx, &a.Status, facts, since, at)
		if err != nil {
			return a, false, err //nolint:wrapcheck // it says what of which account
		}
		a.Notes = append(a.Notes, notes...)
	}
	return a, true, nil
}

func (c *Collector) incidents(ctx context.Context, account string, at time.Time) ([]digest.Incident, error) {
	if c.Incidents == nil {
		return nil, nil
	}
	all, err := c.Incidents.IncidentsBetween(ctx, account, at.Add(-incidentsSince), at)
	if err != nil {
		return nil, fmt.Errorf("reading incidents of account %s: %w", account, err)
	}
	var open []digest.Incident
	for i := range all {
		if in := &all[i]; in.Ack == nil && in.Cycle > 0 {
			open = append(open, digest.Incident{Account: account, ID: in.ID, Title: in.Finding.Title, Severity: in.Finding.Severity,
				Opened: in.Opened})
		}
	}
	return open, nil
}

func (c *Collector) announced(ctx context.Context, account string, at time.Time) ([]digest.Announcement, error) {
	if c.Announcements == nil {
		return nil, nil
	}
	entries, err := c.Announcements.Entries(ctx, account, at.Add(-announcement.Max), farFuture)
	if err != nil {
		return nil, fmt.Errorf("reading announcements of account %s: %w", account, err)
	}
	var open []digest.Announcement
	for _, an := range announcement.Of(entries) {
		if o := &an.Opened; an.End().After(at) {
			open = append(open, digest.Announcement{Account: account, Owner: o.Owner, Reason: o.Reason, From: o.From, Until: an.End()})
		}
	}
	return open, nil
}

// farFuture is later than any announcement begins.
var farFuture = time.Date(9000, 1, 1, 0, 0, 0, 0, time.UTC)

// input is what a digest is composed of, besides the tally.
func (c *Collector) input(ctx context.Context, t *digest.Tally, since, at time.Time) digest.Input {
	in := digest.Input{At: at, Since: since, Schedule: c.Schedule, Tally: t, Name: c.Name, Topics: map[digest.Topic]string{}}
	for _, n := range c.Noters {
		topic, title := n.Title()
		in.Topics[topic] = title
	}
	if c.Health != nil {
		in.Guard = c.Guard(ctx)
	}
	for _, s := range c.Sources {
		extra, err := s.Section(ctx, since, at)
		if err != nil {
			if in.Guard != nil {
				in.Guard.Failed = append(in.Guard.Failed, err.Error())
				continue
			}
			extra = alert.DigestSection{ID: "unread", Title: "COULD NOT BE READ", Lines: []string{err.Error()}}
		}
		in.Extra = append(in.Extra, extra)
	}
	return in
}

// Guard is what is known of rootguard itself. What cannot be read is said in it. It
// needs Health.
func (c *Collector) Guard(ctx context.Context) *digest.Guard {
	var g digest.Guard
	state, err := c.Health.Health(ctx)
	if err != nil {
		g.Failed = append(g.Failed, fmt.Sprintf("the state of the checks of rootguard: %v", err))
	}
	g.Checked = state.At
	for i := range state.Episodes {
		if e := &state.Episodes[i]; e.Due && e.Ended.IsZero() && !e.Once {
			g.Faults = append(g.Faults, digest.Fault{Check: e.Check, Region: e.Region, Severity: e.Severity, Since: e.Since, Why: e.Why,
				Fix: e.Fix, Unchecked: e.Unchecked, Quiet: e.Quiet})
		}
	}
	for _, region := range state.Enabled {
		if !slices.Contains(c.Regions, region) {
			g.Regions = append(g.Regions, region)
		}
	}
	if g.Heartbeat, err = c.heartbeat(ctx, &state); err != nil {
		g.Failed = append(g.Failed, fmt.Sprintf("the heartbeats: %v", err))
	}
	if c.Checks == nil {
		return &g
	}
	found, err := accountcheck.Schedule{Checks: c.Checks}.Discovered(ctx, c.Hub)
	if err != nil {
		g.Failed = append(g.Failed, fmt.Sprintf("which accounts are checked: %v", err))
	}
	g.Refused = found.Refused
	g.Unreachable = digest.Counted{Count: found.Unreachable, IDs: found.UnreachableIDs}
	g.QueueFailures = digest.Counted{Count: found.QueueFailures, IDs: found.QueueFailureIDs}
	g.NoReport = digest.Counted{Count: found.NoReport, IDs: found.NoReportIDs}
	return &g
}

// heartbeat is when the last heartbeat that came out at every function did; zero where
// none that is on file did.
func (c *Collector) heartbeat(ctx context.Context, state *health.State) (last time.Time, err error) {
	ids := make([]string, 0, len(state.Heartbeats))
	for _, b := range state.Heartbeats {
		ids = append(ids, b.ID)
	}
	beats, err := c.Health.Heartbeats(ctx, ids)
	if err != nil {
		return last, err //nolint:wrapcheck // the caller says of what
	}
	for i := range beats {
		came, everywhere := time.Time{}, true
		for _, function := range health.Probed() {
			at, ok := beats[i].Received[function]
			everywhere = everywhere && ok
			if at.After(came) {
				came = at
			}
		}
		if everywhere && came.After(last) {
			last = came
		}
	}
	return last, nil
}

// Preview is the digest as it would be now, of all accounts on record. Where last is
// nil, it is compared with how the accounts were at since, by what is known now; where
// that is zero too, with nothing.
func (c *Collector) Preview(ctx context.Context, last digest.Snapshot, since, at time.Time) (title string, d *alert.Digest, err error) {
	accounts, err := c.Accounts.Accounts(ctx)
	if err != nil {
		return "", nil, fmt.Errorf("listing the accounts on record: %w", err)
	}
	if last == nil && !since.IsZero() {
		if last, err = c.snapshot(ctx, accounts, since); err != nil {
			return "", nil, err
		}
	}
	var t digest.Tally
	for page := range slices.Chunk(accounts, accountsPage) {
		if err := c.page(ctx, &t, page, last, since, at); err != nil {
			return "", nil, err
		}
	}
	title, d = digest.Compose(c.input(ctx, &t, since, at))
	return title, d, nil
}

// snapshot is how far the accounts were at a time. One without an earlier fact is not in it.
func (c *Collector) snapshot(ctx context.Context, accounts []string, at time.Time) (digest.Snapshot, error) {
	s := digest.Snapshot{}
	for _, account := range accounts {
		facts, err := c.Accounts.Facts(ctx, account)
		if err != nil {
			return nil, fmt.Errorf("reading facts of account %s: %w", account, err)
		}
		if !slices.ContainsFunc(facts, func(f bootstrap.Fact) bool { return !f.Time.After(at) }) {
			continue
		}
		status := bootstrap.Fold(account, facts, c.Options, at)
		s.Add(&status)
	}
	return s, nil
}
