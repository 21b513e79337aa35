package detect

import (
	"fmt"
	"strings"
	"time"
)

// Fault is a part of rootguard itself that a check found not to work.
type Fault struct {
	Account, Region string
	Check           string    // the check's short name, such as "trail"
	Since           time.Time // when it was first found so
	Severity        Severity
	Why             string // for people: what is wrong
	Fix             string // for people: the command or the step that fixes it
	Unchecked       bool   // whether it works could not be found out

	// Nonce is a random word of this one outage, so that no one can claim its event
	// before it is raised; "" in those that an earlier version began.
	Nonce string
}

// FaultFound is the finding of a Fault. Its EventID is that of the fault, by
// account, Region, check, nonce and the time it began, so that repeats are known as such.
func FaultFound(f Fault) Finding {
	out := base(GuardUnhealthy)
	kind := ""
	if f.Unchecked {
		out.Title, kind = "Guardrail cannot be checked", "unchecked/"
	}
	out.Title += ": " + printable(f.Check)
	parts := []string{strings.TrimSuffix(f.Why, "."), "since " + f.Since.UTC().Format(time.RFC3339)}
	switch {
	case f.Fix == "":
	case len(f.Fix) <= maxStep:
		out.NextStep = f.Fix
	default:
		out.NextStep, parts = "Run rootguard doctor, which prints the fix.", append(parts, "fix: "+f.Fix)
	}
	out.Severity, out.Detail = f.Severity, sentence(parts...)
	out.Account, out.Region, out.Target = f.Account, f.Region, Target{Resource: f.Check}
	out.EventTime = f.Since.UTC()
	if f.Nonce != "" {
		kind += f.Nonce + "/"
	}
	out.opens(fmt.Sprintf("%s/%s/%s/%s/%s%s", GuardUnhealthy, f.Account, f.Region, f.Check, kind, f.Since.UTC().Format(time.RFC3339)), f.Since)
	out.Actor = Actor{Type: "AWSService", Name: "rootguard"}
	return out
}

// maxStep is how long a next step may be that an alert's line shows whole.
const maxStep = 190

// FaultWorse makes of a FaultFound the finding that it is more severe since a time.
func FaultWorse(f Finding, at time.Time) Finding {
	f.EventTime = at.UTC()
	f.follows(PhaseUpdated, "/worse-"+f.Severity.String())
	return f
}

// FaultReminder makes of a FaultFound the reminder of a day, 1 being the
// first after it was alerted.
func FaultReminder(f Finding, day int, at time.Time) Finding {
	f.Title = fmt.Sprintf("%s, for %d days", f.Title, day)
	if day == 1 {
		f.Title = strings.TrimSuffix(f.Title, "s")
	}
	f.EventTime = at.UTC()
	f.follows(PhaseUpdated, fmt.Sprintf("/day-%d", day))
	return f
}

// FaultClosed is the note that a Fault is over since a time.
func FaultClosed(fault Fault, at time.Time) Finding {
	f := FaultFound(fault)
	f.Title = "Guardrail healthy again: " + printable(fault.Check)
	f.NextStep = "Run rootguard redrive for events that waited, and rootguard replay over the logs of that time for events that never came."
	if fault.Unchecked {
		f.Title, f.NextStep = "Guardrail can be checked again: "+printable(fault.Check), "Nothing to do."
	}
	f.Detail = "Closed. It was: " + f.Detail
	f.Severity = Info
	f.Session = "closed"
	f.EventTime = at.UTC()
	f.follows(PhaseResolved, "/closed")
	return f
}
