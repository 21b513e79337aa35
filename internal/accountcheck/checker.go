package accountcheck

import (
	"context"
	"time"

	"rootguard/internal/accountfacts"
	"rootguard/internal/bootstrap"
	"rootguard/internal/collection"
	"rootguard/internal/daytwo"
	"rootguard/internal/detect"
	"rootguard/internal/guard"
	"rootguard/internal/mfadeadline"
	"rootguard/internal/worker"
)

// Settings are how often accounts are checked.
type Settings struct {
	Bootstrap bootstrap.Options

	// RootInterval is how often each account's root user is checked; default 1 h.
	RootInterval time.Duration
	// Users is the most users that one CheckUsers checks; default 2,000.
	Users int
	// DayTwo are the steps of day two that are checked; default none.
	DayTwo []daytwo.Step
	// Routes are those by organizational unit or tag; default none.
	Routes []Route
	// Batch is the most accounts that are worked on at a time; default 64.
	Batch int
}

// DefaultSettings are those of which nothing is set.
func DefaultSettings() Settings {
	return Settings{Bootstrap: bootstrap.DefaultOptions(), RootInterval: time.Hour, Users: 2000, Batch: 64}
}

func (s Settings) withDefaults() Settings {
	d := DefaultSettings()
	s.Bootstrap = s.Bootstrap.WithDefaults()
	if s.RootInterval <= 0 {
		s.RootInterval = d.RootInterval
	}
	if s.Users <= 0 {
		s.Users = d.Users
	}
	if s.Batch <= 0 {
		s.Batch = d.Batch
	}
	return s
}

// Guard raises findings. It is a *guard.Guard.
type Guard interface {
	Raise(ctx context.Context, f detect.Finding) (guard.Result, error)
}

// Passwords judges the passwords of root that were accepted. It is a
// *rootsession.Passwords.
type Passwords interface {
	// Abandoned raises that root's password was accepted and no sign-in followed.
	Abandoned(ctx context.Context, account string, since, asOf time.Time) (alerts int, err error)
}

// Collector collects notices and sends them. It is a *collection.Collector.
type Collector interface {
	Collect(ctx context.Context, of collection.Name, n guard.Notice) (guard.Result, error)
	// Claimed reports whether a finding was reported, as far as that was begun.
	Claimed(ctx context.Context, f *detect.Finding) (bool, error)
	Send(ctx context.Context, of collection.Name, at time.Time, more bool) (sent int, err error)
}

// Deps are what a Checker works with. FactRows may be nil: then facts are not
// compacted, and are read whole.
type Deps struct {
	Guard     Guard
	Notices   Collector
	Passwords Passwords
	Facts     guard.Facts
	FactRows  FactRows
	Checks    Checks
	Deadlines worker.Rows[mfadeadline.Deadline]
	Now       func() time.Time
}

// Checker checks accounts, each in its time, for what no event shows.
type Checker struct {
	schedule Schedule
	deps     Deps
	settings Settings
	facts    accountfacts.Reader
}

// New returns a Checker. A zero field of the settings means its default.
func New(deps Deps, settings Settings) *Checker {
	settings = settings.withDefaults()
	c := &Checker{
		schedule: Schedule{deps.Checks}, deps: deps, settings: settings,
		facts: accountfacts.Reader{Facts: deps.Facts, Options: settings.Bootstrap},
	}
	if deps.FactRows != nil {
		c.facts.Pages = deps.FactRows
	}
	return c
}

// Times and bounds that all checks share.
const (
	consistencyDelay = accountfacts.ConsistencyDelay

	// firstRetry is when an account is checked again about which IAM did not answer.
	firstRetry = 5 * time.Minute
	// reserve is what must be left of the context's time for one more batch.
	reserve = 12 * time.Second
)

// spent reports whether too little time is left for another batch.
func (k *Checker) spent(ctx context.Context) bool {
	return ctx.Err() != nil || worker.Short(ctx, k.deps.Now(), reserve)
}
