package guard

import (
	"context"
	"slices"
	"time"

	"rootguard/internal/detect"
	"rootguard/internal/repeats"
)

const (
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
func (s *Settings) attempt(sr *repeats.Series, claim string, f *detect.Finding) (many bool) {
	within := s.span(f.ID)
	sr.NoteAttempt(repeats.Attempt{Claim: claim, At: f.EventTime, User: f.Target.UserName, Address: f.SourceIP, Account: f.Account})
	recent := repeats.Near(sr.Attempts, f.EventTime, within)
	user, address, account := func(a repeats.Attempt) string { return a.User }, func(a repeats.Attempt) string { return a.Address }, func(a repeats.Attempt) string { return a.Account }
	if f.ID == detect.RootSigninSpraying {
		accounts := repeats.Distinct(recent, account)
		if many = len(accounts) >= sprayAccounts; many {
			*f = detect.SprayedAccounts(*f, accounts, within)
		}
		return many
	}
	same := func(key func(repeats.Attempt) string, value string) []repeats.Attempt {
		return slices.DeleteFunc(slices.Clone(recent), func(a repeats.Attempt) bool { return value == "" || key(a) != value })
	}
	ofUser, fromAddress := same(user, f.Target.UserName), same(address, f.SourceIP)
	switch {
	case len(ofUser) >= s.FailedUserSignins:
		*f = detect.UserSignins(*f, len(ofUser), within, repeats.Distinct(ofUser, address))
	case len(fromAddress) >= s.FailedUserSignins:
		*f = detect.AddressSignins(*f, len(fromAddress), within, repeats.Distinct(fromAddress, user))
	default:
		return false
	}
	return true
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
