package guard

import (
	"context"
	"time"

	"rootguard/internal/detect"
)

// Deployments knows what rootguard's own stacks did.
type Deployments interface {
	// Covers names the stack of rootguard's whose deployment made the call of a
	// finding; ok is false where none did.
	Covers(ctx context.Context, f detect.Finding) (stack string, ok bool, err error)
}

// deploymentTimeout bounds asking for it, which is worth less than an alert.
const deploymentTimeout = 5 * time.Second

// deployed lowers a finding about a change to rootguard itself that one of its own
// stacks made. Anyone can have a stack that changes it, and no record names the
// stack: unless CloudFormation says so, the finding stays as it is. So does one about
// what alerts come by that is removed or disabled: who may change rootguard's own
// stack could end the alerts in the guise of a deployment.
func (g *Guard) deployed(ctx context.Context, f detect.Finding) detect.Finding {
	if g.deps.Deployments == nil || f.ID != detect.GuardTampered || f.ErrorCode != "" || len(f.Also) > 0 || !f.ThroughCloudFormation() {
		return f
	}
	ctx, cancel := context.WithTimeout(ctx, deploymentTimeout)
	defer cancel()
	stack, ok, err := g.deps.Deployments.Covers(ctx, f)
	switch {
	case err != nil:
		f.AddDetail("Whether the stack is rootguard's own could not be checked.")
	case ok && f.CutsOff:
		f.AddDetail("The stack " + stack + " of rootguard's made this change, for " + f.Actor.Name + ": a new version takes nothing like that away.")
	case ok:
		f.Severity = detect.Medium
		f.AddDetail("rootguard was deployed by " + f.Actor.Name + ": the stack " + stack + " made this change.")
	default:
		f.AddDetail("No stack of rootguard's made this change.")
	}
	return f
}
