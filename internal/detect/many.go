package detect

import (
	"fmt"
	"strings"
	"time"
)

// UserSignins makes of a failed sign-in of an IAM user the finding that n of the
// user's failed within a time, from these addresses.
func UserSignins(f Finding, n int, within time.Duration, addresses []string) Finding {
	f.Title = fmt.Sprintf("%d sign-ins of IAM user %s failed within %s", n, printable(orUnnamed(f.Target.UserName)), inWords(within))
	f.Detail = sentence("From "+someOf(addresses)) + " The last: " + f.Detail
	return f
}

// AddressSignins makes of a failed sign-in of an IAM user the finding that n
// failed within a time from its address, of these users.
func AddressSignins(f Finding, n int, within time.Duration, users []string) Finding {
	f.Title = fmt.Sprintf("%d sign-ins of IAM users from one address failed within %s", n, inWords(within))
	f.Detail = sentence("From "+printable(f.SourceIP)+", users: "+someOf(users)) + " The last: " + f.Detail
	return f
}

// Spraying makes of a failed root sign-in the finding that such failed in several
// accounts from its address. Its EventID is that of the sign-in, marked: both are
// findings of the one record.
func Spraying(f Finding) Finding {
	s := base(RootSigninSpraying)
	s.Account, s.Region, s.EventTime, s.EventID = f.Account, f.Region, f.EventTime, f.EventID+"#spraying"
	s.EventSource, s.EventName, s.SourceIP, s.UserAgent = f.EventSource, f.EventName, f.SourceIP, f.UserAgent
	s.Actor, s.MFA, s.Session = f.Actor, f.MFA, "address "+f.SourceIP
	return s
}

// SprayedAccounts names the accounts of a Spraying.
func SprayedAccounts(f Finding, accounts []string, within time.Duration) Finding {
	f.Title = fmt.Sprintf("Root sign-ins fail in %d accounts, from one address", len(accounts))
	f.Detail = sentence(fmt.Sprintf("Accounts %s, within %s, from %s", someOf(accounts), inWords(within), printable(f.SourceIP)))
	return f
}

// someOf names at most ten.
func someOf(names []string) string {
	const most = 10
	var some []string
	for _, name := range names[:min(len(names), most)] {
		some = append(some, printable(name))
	}
	if len(names) > most {
		some = append(some, fmt.Sprintf("and %d more", len(names)-most))
	}
	return orUnnamed(strings.Join(some, ", "))
}

// inWords is a time for people.
func inWords(d time.Duration) string {
	switch {
	case d == time.Hour:
		return "an hour"
	case d == time.Minute:
		return "a minute"
	case d > 0 && d%time.Minute == 0:
		return fmt.Sprintf("%d minutes", int(d/time.Minute))
	default:
		return d.String()
	}
}
