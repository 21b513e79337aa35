package guard

import (
	"time"

	"rootguard/internal/bootstrap"
	"rootguard/internal/detect"
)

// Settings are what an operator may change. New replaces a zero field by its default.
type Settings struct {
	Window    time.Duration // event time for which repeats are collected; default 15 min
	Lease     time.Duration // how long a claim is kept from others: as long as a publish may take, and a minute by which clocks may differ. Default 90 s
	Bootstrap bootstrap.Options

	// FailedSigninsHigh is how many failed root sign-ins within Window make an
	// escalation of severity high; default 5.
	FailedSigninsHigh int

	// FailedUserSignins is how many failed sign-ins of one IAM user, or from one
	// address, within Window are alerted; default 5.
	FailedUserSignins int

	// Burst is how many events of a finding are each alerted at once in one
	// session and window before the rest is rolled up; a finding not named has 1.
	Burst map[detect.ID]int

	Actions int // kinds of action listed in a roll-up; default 50
	Batch   int // windows read from the ledger at a time by Flush; default 64
}

// burst is how many alerts of a kind a person can still read one by one. Amazon
// SNS suspends an email subscription that is flooded (Amazon SNS Developer
// Guide, quotas: 10 messages a second).
const burst = 10

// DefaultSettings are the settings of a guard that nobody configured. The
// findings without a burst are those whose repeats say nothing new: root's
// calls in one session, and failed sign-ins. A sign-in starts a session of its
// own, so each is told.
func DefaultSettings() Settings {
	return Settings{
		Window:            15 * time.Minute,
		Lease:             90 * time.Second,
		Bootstrap:         bootstrap.DefaultOptions(),
		FailedSigninsHigh: 5,
		FailedUserSignins: 5,
		Burst: map[detect.ID]int{
			detect.RootSignin:              burst,
			detect.RootSigninNoMFA:         burst,
			detect.RootAccessKeyCreated:    burst,
			detect.RootPasswordRecovery:    burst,
			detect.RootPasswordChanged:     burst,
			detect.RootEmailChanged:        burst,
			detect.RootMFARemoved:          burst,
			detect.RootMFAAdded:            burst,
			detect.RootMFAMissing:          burst,
			detect.RootAccessKeyPresent:    burst,
			detect.RootLoginProfileCreated: burst,
			detect.RootUseUnseen:           burst,
			detect.UserCreated:             burst,
			detect.UserConsoleAccess:       burst,
			detect.UserAdminGranted:        burst,
			detect.UserMFAMissing:          burst,
			detect.UserMFARemoved:          burst,
			detect.UserMFAAdded:            burst,
			detect.UserSigninNoMFA:         burst,
			detect.RootCertificateUploaded: burst,
			detect.RootSigninSpraying:      burst,
			detect.UserKeyLeaked:           burst,
			detect.OrgRootAccessChanged:    burst,
			detect.OrgAccountLeft:          burst,
			detect.OrgAccountClosed:        burst,
			detect.SigninPolicyChanged:     burst,
			detect.EventStoreStopped:       burst,
			detect.UserQuarantined:         burst,
			detect.UserReleased:            burst,
			detect.GuardTampered:           burst,
			detect.GuardUnhealthy:          burst,
		},
		Actions: 50,
		Batch:   64,
	}
}

func (s Settings) withDefaults() Settings {
	d := DefaultSettings()
	if s.Window <= 0 {
		s.Window = d.Window
	}
	if s.Lease <= 0 {
		s.Lease = d.Lease
	}
	if s.Bootstrap.Grace <= 0 {
		s.Bootstrap.Grace = d.Bootstrap.Grace
	}
	if s.Bootstrap.QuietDays <= 0 {
		s.Bootstrap.QuietDays = d.Bootstrap.QuietDays
	}
	if s.FailedSigninsHigh <= 0 {
		s.FailedSigninsHigh = d.FailedSigninsHigh
	}
	if s.FailedUserSignins <= 0 {
		s.FailedUserSignins = d.FailedUserSignins
	}
	if s.Burst == nil {
		s.Burst = d.Burst
	}
	if s.Actions <= 0 {
		s.Actions = d.Actions
	}
	if s.Batch <= 0 {
		s.Batch = d.Batch
	}
	return s
}

func (s Settings) burst(id detect.ID) int { return max(1, s.Burst[id]) }
