package guard_test

import (
	"rootguard/internal/accountcheck"
	"rootguard/internal/announcement"
	"rootguard/internal/guard"
	"rootguard/internal/incident"
	"rootguard/internal/mfadeadline"
	"rootguard/internal/quarantine"
	"rootguard/internal/wire"
)

// parts are a guard and the workers beside it, as one for the tests.
type parts struct {
	*guard.Guard
	*mfadeadline.Deadlines
	*announcement.Announcer
	*incident.Desk
	*accountcheck.Checker
	*quarantine.Worker
}

func newParts(deps wire.Deps, settings wire.Settings) *parts {
	p := wire.New(deps, settings)
	return &parts{p.Guard, p.Deadlines, p.Announcer, p.Incidents, p.Accounts, p.Quarantine}
}
