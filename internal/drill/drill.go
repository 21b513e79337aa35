// Package drill judges the break-glass drill of an account: that root, or a user who is
// kept for emergencies, was used within a time, and that this was announced.
package drill

import (
	"fmt"
	"slices"
	"time"

	"rootguard/internal/bootstrap"
)

// Policy is what is expected. Within 0: no drill is.
type Policy struct {
	Within time.Duration
	Users  []string // names of IAM users that are kept for emergencies, besides root
}

// Last is the last drill that is known; the zero value is none within the time.
type Last struct {
	At time.Time
	By string // "root", or the user's name
}

// State is how an account's drill is.
type State string

// The states.
const (
	NotExpected State = "not_expected" // there is nothing to try, or no drill is expected
	NotYetDue   State = "not_yet_due"  // the account is on record for a shorter time
	Done        State = "done"
	Overdue     State = "overdue"
)

// Possible reports whether an account has something to try: root credentials, or one of
// the users.
func (p Policy) Possible(status *bootstrap.Status) bool {
	return p.Within > 0 && (!status.NoRootCredentials || slices.ContainsFunc(status.Users, func(u bootstrap.UserStatus) bool {
		return !u.Deleted && slices.Contains(p.Users, u.Name)
	}))
}

// Judge is how an account's drill is at a time, and what to say of it. An account that
// is on record for a shorter time than Within has until then.
func (p Policy) Judge(status *bootstrap.Status, last Last, at time.Time) (state State, what string) {
	who := "root"
	if len(p.Users) > 0 {
		who = "neither root nor the break-glass user"
	}
	switch first := status.FirstEvent; {
	case !p.Possible(status):
		return NotExpected, "root has no credentials, and no break-glass user is known"
	case !last.At.IsZero():
		state = Done
		if at.Sub(last.At) > p.Within {
			state = Overdue
		}
		return state, last.By + " was last used under an announcement on " + last.At.UTC().Format("2006-01-02 15:04 UTC")
	case first.IsZero() || at.Sub(first) <= p.Within:
		if first.IsZero() {
			first = at
		}
		return NotYetDue, "the first drill is due by " + first.Add(p.Within).UTC().Format(time.DateOnly)
	default:
		verb := " was not used"
		if len(p.Users) > 0 {
			verb = " was used"
		}
		return Overdue, fmt.Sprintf("%s%s under an announcement in the last %d days", who, verb, int(p.Within.Hours()/24))
	}
}
