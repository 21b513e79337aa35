// Package wire puts the guard and the workers beside it together, over one set of
// adapters: for the Lambda functions and the command line alike.
package wire

import (
	"time"

	"rootguard/internal/accountcheck"
	"rootguard/internal/accountfacts"
	"rootguard/internal/announcement"
	"rootguard/internal/bootstrap"
	"rootguard/internal/collection"
	"rootguard/internal/daytwo"
	"rootguard/internal/detect"
	"rootguard/internal/ending"
	"rootguard/internal/guard"
	"rootguard/internal/incident"
	"rootguard/internal/mfadeadline"
	"rootguard/internal/quarantine"
	"rootguard/internal/rootsession"
	"rootguard/internal/suppression"
	"rootguard/internal/worker"
)

// Deps are the adapters. The first five are required.
type Deps struct {
	Detector  guard.Detector
	Claims    guard.Claims
	Facts     guard.Facts
	Publisher guard.Publisher
	Now       func() time.Time

	FactRows    accountcheck.FactRows // nil where facts are not compacted, and are read whole
	Limiter     guard.Limiter         // nil where nothing limits alerts
	Deployments guard.Deployments     // nil where CloudFormation cannot be asked

	Deadlines     worker.Rows[mfadeadline.Deadline] // nil in a log that is replayed
	Announcements announcement.Store                // nil where nothing can be announced
	Summaries     worker.Rows[ending.Row]           // of announcements
	Suppressions  suppression.Store                 // nil where nothing can be suppressed
	Expiries      worker.Rows[ending.Row]           // of suppressions
	Incidents     incident.Store                    // nil where no one acknowledges
	WrittenAcks   incident.WrittenAcks              // nil where no one acknowledges by hand
	Checks        accountcheck.Checks               // nil where accounts are not checked
	Quarantines   quarantine.Rows                   // nil where no one is quarantined

	// AccountName is an account's name for people, "" where it is not known.
	AccountName func(account string) string
}

// Settings are what an operator may change. A zero field means its default, which
// the package says that it is handed to.
type Settings struct {
	DedupWindow time.Duration
	Lease       time.Duration
	Bootstrap   bootstrap.Options

	Reminders    []time.Duration
	Resend       []time.Duration
	AckFlags     string
	Quarantine   quarantine.Settings
	SweepUsers   int
	RootInterval time.Duration
	UsersPerRun  int
	DayTwo       []daytwo.Step // steps of day two that are checked
	Routes       []accountcheck.Route

	FailedSigninsHigh int
	FailedUserSignins int
	Burst             map[detect.ID]int

	Actions int
	Batch   int // rows that are read, and accounts and users that are worked on, at a time
}

// DefaultSettings are those of which nothing is set.
func DefaultSettings() Settings {
	core, accounts, users := guard.DefaultSettings(), accountcheck.DefaultSettings(), mfadeadline.DefaultSettings()
	return Settings{
		DedupWindow: core.DedupWindow, Lease: core.Lease, Bootstrap: core.Bootstrap,
		Reminders: users.Reminders, Resend: incident.DefaultSettings().Resend, Quarantine: quarantine.DefaultSettings(),
		SweepUsers: users.Users, RootInterval: accounts.RootInterval, UsersPerRun: accounts.Users,
		FailedSigninsHigh: core.FailedSigninsHigh, FailedUserSignins: core.FailedUserSignins, Burst: core.Burst,
		Actions: core.Actions, Batch: core.Batch,
	}
}

func (s *Settings) guard() guard.Settings {
	return guard.Settings{
		DedupWindow: s.DedupWindow, Lease: s.Lease, Bootstrap: s.Bootstrap,
		FailedSigninsHigh: s.FailedSigninsHigh, FailedUserSignins: s.FailedUserSignins, Burst: s.Burst, Actions: s.Actions, Batch: s.Batch,
	}
}

func (s *Settings) deadlines() mfadeadline.Settings {
	return mfadeadline.Settings{Bootstrap: s.Bootstrap, Reminders: s.Reminders, Users: s.SweepUsers, Batch: s.Batch}
}

func (s *Settings) quarantine() quarantine.Settings {
	q := s.Quarantine
	q.Bootstrap, q.Batch = s.Bootstrap, s.Batch
	return q
}

func (s *Settings) accounts() accountcheck.Settings {
	return accountcheck.Settings{Bootstrap: s.Bootstrap, RootInterval: s.RootInterval, Users: s.UsersPerRun, DayTwo: s.DayTwo,
		Routes: s.Routes, Batch: s.Batch}
}

// Parts are the guard and the workers beside it. Those whose adapters are nil are
// nil too, but for the first four.
type Parts struct {
	Guard     *guard.Guard
	Notices   *collection.Collector
	Passwords *rootsession.Passwords
	Deadlines *mfadeadline.Deadlines

	Announcer  *announcement.Announcer
	Suppressor *suppression.Desk
	Incidents  *incident.Desk
	Accounts   *accountcheck.Checker
	Quarantine *quarantine.Worker
}

// New puts the parts together.
func New(deps Deps, settings Settings) Parts {
	var p Parts
	core := guard.Deps{
		Detector: deps.Detector, Claims: deps.Claims, Facts: deps.Facts, Publisher: deps.Publisher, Now: deps.Now,
		Limiter: deps.Limiter, Deployments: deps.Deployments, AccountName: deps.AccountName, Live: deps.Deadlines != nil,
	}
	collect := collection.Deps{Claims: deps.Claims, Now: deps.Now, Lease: settings.Lease, AccountName: deps.AccountName}
	var book *incident.Book
	if deps.Incidents != nil {
		book = incident.NewBook(deps.Incidents, deps.Now, incident.Settings{Resend: settings.Resend, Batch: settings.Batch,
			AckFlags: settings.AckFlags})
		core.Incidents, collect.Incidents = book, book
	}
	batches := collection.NewBatches(collect)
	notes := rootsession.Notes{Claims: deps.Claims}
	core.Batches, core.RootSessions = batches, notes
	if deps.FactRows != nil {
		core.Pages = deps.FactRows
	}
	users := mfadeadline.Deps{Facts: deps.Facts, Rows: deps.Deadlines, Now: deps.Now}
	if deps.Deadlines != nil {
		core.Added = append(core.Added, mfadeadline.NewTracker(deps.Deadlines, settings.deadlines()))
	}
	if deps.Quarantines != nil {
		marks := quarantine.NewMarks(deps.Quarantines, settings.quarantine())
		core.Added, users.Marker = append(core.Added, marks), marks
	}
	if deps.Checks != nil {
		schedule := accountcheck.Schedule{Checks: deps.Checks}
		core.Added, users.Accounts = append(core.Added, schedule), schedule
	}
	if deps.Announcements != nil {
		register := announcement.Register{Store: deps.Announcements}
		core.Announcements, core.AnnouncedDeployments = register, register
	}
	if deps.Suppressions != nil {
		core.Suppressions = suppression.Register{Store: deps.Suppressions, Now: deps.Now}
	}

	p.Guard = guard.New(core, settings.guard())
	p.Passwords = rootsession.NewPasswords(notes, p.Guard, accountfacts.Reader{Facts: deps.Facts, Pages: core.Pages,
		Options: settings.Bootstrap.WithDefaults()})
	p.Notices = collection.New(batches, p.Guard)
	users.Guard, users.Notices = p.Guard, p.Notices
	p.Deadlines = mfadeadline.New(users, settings.deadlines())
	if book != nil {
		p.Incidents = incident.NewDesk(book, p.Guard, p.Notices, deps.WrittenAcks)
	}
	if deps.Announcements != nil {
		p.Announcer = announcement.New(deps.Announcements, deps.Summaries, p.Guard, deps.Now, settings.Batch)
	}
	if deps.Suppressions != nil {
		p.Suppressor = suppression.NewDesk(deps.Suppressions, deps.Expiries, p.Guard, deps.Now, settings.Batch)
	}
	if deps.Quarantines != nil {
		p.Quarantine = quarantine.New(quarantine.Deps{Guard: p.Guard, Facts: deps.Facts, Pages: core.Pages, Rows: deps.Quarantines,
			Now: deps.Now}, settings.quarantine())
	}
	if deps.Checks != nil {
		p.Accounts = accountcheck.New(accountcheck.Deps{
			Guard: p.Guard, Notices: p.Notices, Passwords: p.Passwords, Facts: deps.Facts, FactRows: deps.FactRows, Checks: deps.Checks,
			Deadlines: deps.Deadlines, Now: deps.Now,
		}, settings.accounts())
	}
	return p
}
