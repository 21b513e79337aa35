package guard

import (
	"context"
	"slices"
	"time"

	"rootguard/internal/detect"
)

// Attempt is one event of a finding that is alerted only where there are many.
type Attempt struct {
	Claim   string    `json:"claim"` // the event's, so that a retry counts once
	At      time.Time `json:"at"`
	User    string    `json:"user,omitempty"`
	Address string    `json:"address,omitempty"`
	Account string    `json:"account,omitempty"`
}

const (
	maxAttempts = 64 // that a series remembers

	// Failed root sign-ins from one address in this many accounts, within this
	// time, are one finding more.
	sprayTime     = time.Hour
	sprayAccounts = 3
)

// span is how long the window of a finding's groups is.
func (s *Settings) span(id detect.ID) time.Duration {
	if id == detect.RootSigninSpraying {
		return sprayTime
	}
	return s.DedupWindow
}

// attempt notes an event of a counted finding. many reports whether there are
// enough for an alert, and the finding then says so.
func (s *Settings) attempt(sr *Series, claim string, f *detect.Finding) (many bool) {
	within := s.span(f.ID)
	sr.note(Attempt{Claim: claim, At: f.EventTime, User: f.Target.UserName, Address: f.SourceIP, Account: f.Account})
	recent := near(sr.Attempts, f.EventTime, within)
	user, address, account := func(a Attempt) string { return a.User }, func(a Attempt) string { return a.Address }, func(a Attempt) string { return a.Account }
	if f.ID == detect.RootSigninSpraying {
		accounts := distinct(recent, account)
		if many = len(accounts) >= sprayAccounts; many {
			*f = detect.SprayedAccounts(*f, accounts, within)
		}
		return many
	}
	same := func(key func(Attempt) string, value string) []Attempt {
		return slices.DeleteFunc(slices.Clone(recent), func(a Attempt) bool { return value == "" || key(a) != value })
	}
	ofUser, fromAddress := same(user, f.Target.UserName), same(address, f.SourceIP)
	switch {
	case len(ofUser) >= s.FailedUserSignins:
		*f = detect.UserSignins(*f, len(ofUser), within, distinct(ofUser, address))
	case len(fromAddress) >= s.FailedUserSignins:
		*f = detect.AddressSignins(*f, len(fromAddress), within, distinct(fromAddress, user))
	default:
		return false
	}
	return true
}

// note adds an attempt, once.
func (s *Series) note(a Attempt) {
	if !slices.ContainsFunc(s.Attempts, func(b Attempt) bool { return a.Claim == b.Claim }) {
		s.Attempts = append(s.Attempts, a)
		s.Attempts = s.Attempts[max(0, len(s.Attempts)-maxAttempts):]
	}
}

// near are the attempts that are less than a span away from a time.
func near(all []Attempt, at time.Time, span time.Duration) []Attempt {
	return slices.DeleteFunc(slices.Clone(all), func(a Attempt) bool { return a.At.Sub(at).Abs() >= span })
}

// distinct are the values that attempts have, sorted, without the empty one.
func distinct(all []Attempt, key func(Attempt) string) []string {
	var values []string
	for _, a := range all {
		if v := key(a); v != "" {
			values = append(values, v)
		}
	}
	slices.Sort(values)
	return slices.Compact(values)
}

// spraying counts a failed root sign-in among those of all accounts from its
// address.
func (g *Guard) spraying(ctx context.Context, f *detect.Finding) error {
	if f.ID != detect.RootSigninFailed || f.SourceIP == "" {
		return nil
	}
	s := detect.Spraying(*f)
	_, err := g.Raise(ctx, s)
	return err
}
