package digest

import (
	"fmt"
	"time"

	"rootguard/internal/bootstrap"
)

// Drilled is when an account's break-glass drill was made last: root was used, and that
// was announced. The zero value is not within the time that was looked at.
type Drilled struct{ At time.Time }

// Overdue reports whether a drill is overdue at a time, and what to say of it. Where
// root has no credentials there is nothing to try. An account that is on record for a
// shorter time than within has until then.
func (d Drilled) Overdue(status *bootstrap.Status, within time.Duration, at time.Time) (text string, overdue bool) {
	switch {
	case within <= 0 || status.NoRootCredentials:
		return "", false
	case !d.At.IsZero():
		return "root was last used under an announcement on " + stamp(d.At), at.Sub(d.At) > within
	default:
		first := status.FirstEvent
		return fmt.Sprintf("root was not used under an announcement in the last %d days", int(within.Hours()/24)), !first.IsZero() && at.Sub(first) > within
	}
}
