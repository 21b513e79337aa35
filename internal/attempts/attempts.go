// Package attempts judges when failed sign-ins are too many: those of one IAM user or
// from one address, those of root in a window, and those of root in several accounts
// from one address. It is pure.
package attempts

import (
	"slices"
	"time"

	"rootguard/internal/detect"
	"rootguard/internal/repeats"
)

const (
	// SprayTime is within how long failed root sign-ins from one address, in as many
	// accounts as sprayAccounts says, are one finding more.
	SprayTime     = time.Hour
	sprayAccounts = 3
)

// Counted notes an event of a counted finding. many reports whether there are
// enough for an alert, and the finding then says so.
func Counted(sr *repeats.Series, claim string, f *detect.Finding, enough int, within time.Duration) (many bool) {
	sr.NoteAttempt(repeats.Attempt{Claim: claim, At: f.EventTime, User: f.Target.UserName, Address: f.SourceIP, Account: f.Account})
	recent := repeats.Near(sr.Attempts, f.EventTime, within)
	user := func(a repeats.Attempt) string { return a.User }
	address := func(a repeats.Attempt) string { return a.Address }
	account := func(a repeats.Attempt) string { return a.Account }
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
	case len(ofUser) >= enough:
		*f = detect.UserSignins(*f, len(ofUser), within, repeats.Distinct(ofUser, address))
	case len(fromAddress) >= enough:
		*f = detect.AddressSignins(*f, len(fromAddress), within, repeats.Distinct(fromAddress, user))
	default:
		return false
	}
	return true
}

// TooMany reports whether failed root sign-ins are too many within a window in which
// an event lies, and returns their times, in order.
func TooMany(sr *repeats.Series, f *detect.Finding, enough int, window time.Duration) (recent []time.Time, many bool) {
	if f.ID != detect.RootSigninFailed {
		return nil, false
	}
	for _, a := range repeats.Near(sr.Attempts, f.EventTime, window) {
		recent = append(recent, a.At)
	}
	slices.SortFunc(recent, time.Time.Compare)
	n := enough
	for i := len(recent) - n; i >= 0; i-- { // the latest first
		some := recent[i : i+n]
		if some[n-1].Sub(some[0]) < window && !some[0].After(f.EventTime) && !some[n-1].Before(f.EventTime) {
			return some, true
		}
	}
	return recent, false
}
