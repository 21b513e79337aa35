package guard

import (
	"time"

	"rootguard/internal/attempts"
	"rootguard/internal/bootstrap"
	"rootguard/internal/detect"
)

// Settings are what an operator may change. New replaces a zero field by its default.
type Settings struct {
	DedupWindow time.Duration // event time for which repeats are collected; default 15 min
	// how long a claim is kept from others: as long as a publish may take, and a minute by which clocks may differ. Default 90 s
	Lease     time.Duration
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
	Batch   int // groups read at a time by Flush; default 64
}

// burst is how many alerts of a kind a person can still read one by one. Amazon
// SNS suspends an email subscription that is flooded (Amazon SNS Developer
// Guide, quotas: 10 messages a second).
const burst = 10

// DefaultSettings are the settings of a guard that is not configured. Which findings
// have a burst, their row in the catalogue says.
func DefaultSettings() Settings {
	return Settings{
		DedupWindow:       15 * time.Minute,
		Lease:             90 * time.Second,
		Bootstrap:         bootstrap.DefaultOptions(),
		FailedSigninsHigh: 5,
		FailedUserSignins: 5,
		Burst:             bursts(),
		Actions:           50,
		Batch:             64,
	}
}

func (s Settings) withDefaults() Settings {
	d := DefaultSettings()
	if s.DedupWindow <= 0 {
		s.DedupWindow = d.DedupWindow
	}
	if s.Lease <= 0 {
		s.Lease = d.Lease
	}
	s.Bootstrap = s.Bootstrap.WithDefaults()
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

// bursts are those of the findings each of whose events is worth an alert.
func bursts() map[detect.ID]int {
	of := map[detect.ID]int{}
	for _, e := range detect.Catalogue() {
		if e.Repeats == detect.Each {
			of[e.ID] = burst
		}
	}
	return of
}

// span is how long the window of a finding's groups is.
func (s *Settings) span(id detect.ID) time.Duration {
	if id == detect.RootSigninSpraying {
		return attempts.SprayTime
	}
	return s.DedupWindow
}
