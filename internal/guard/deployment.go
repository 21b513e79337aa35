package guard

import (
	"context"
	"errors"
	"fmt"
	"time"

	"rootguard/internal/detect"
	"rootguard/internal/keys"
	"rootguard/internal/repeats"
)

// Deployments knows what rootguard's own stacks did.
type Deployments interface {
	// Covers names the deployment of a stack of rootguard's that the call of a finding
	// belongs to; ok is false where there is none.
	Covers(ctx context.Context, f detect.Finding) (d detect.Deployment, ok bool, err error)
}

// AnnouncedDeployments knows which deployments were announced.
type AnnouncedDeployments interface {
	// Deploying returns what is announced in an account for a time.
	Deploying(ctx context.Context, account string, at time.Time) ([]detect.AnnouncedDeployment, error)
}

// deploymentTimeout bounds asking for it, which is worth less than an alert.
const deploymentTimeout = 8 * time.Second

// deploying is what a finding is part of.
type deploying struct {
	note      detect.Finding
	id        string // of the deployment: all parts of it have one note
	announced bool
}

// deployed says what deployment a finding about a change to rootguard itself is part
// of, if any. Anyone can have a stack that changes it, and no record names the
// stack: unless CloudFormation says that it was rootguard's, the finding stays as it
// is. So does one about what no new version does, and one by another than who
// announced that they deploy: who may change rootguard's own stack could end the
// alerts in the guise of a deployment.
func (g *Guard) deployed(ctx context.Context, f detect.Finding) (_ detect.Finding, of deploying, ok bool) {
	if g.deps.Deployments == nil || f.ID != detect.GuardTampered || f.ErrorCode != "" || len(f.Also) > 0 ||
		!f.ThroughCloudFormation() && !detect.Deploys(&f) {
		return f, of, false
	}
	ctx, cancel := context.WithTimeout(ctx, deploymentTimeout)
	defer cancel()
	d, covered, err := g.deps.Deployments.Covers(ctx, f)
	switch {
	case err != nil:
		f.AddDetail("Whether the stack is rootguard's own could not be checked.")
		return f, of, false
	case !covered:
		f.AddDetail("No stack of rootguard's made this change.")
		return f, of, false
	case !detect.Deploys(&f):
		f.AddDetail("The stack " + d.Stack + " of rootguard's made this change, for " + f.Actor.Name + ": a new version does nothing like that.")
		return f, of, false
	}
	var announced []detect.AnnouncedDeployment
	if g.deps.AnnouncedDeployments != nil {
		if announced, err = g.deps.AnnouncedDeployments.Deploying(ctx, f.Account, f.EventTime); err != nil {
			f.AddDetail("Whether the deployment was announced could not be looked up.")
			return f, of, false
		}
	}
	for i := range announced {
		if a := &announced[i]; detect.DeployedBy(a.By, &f) {
			return f, deploying{note: detect.Deployed(f, d, a), id: "announced/" + a.ID, announced: true}, true
		}
	}
	if len(announced) > 0 {
		f.AddDetail("A deployment is announced (" + announced[0].ID + "), by another than who made this change.")
		return f, of, false
	}
	id := d.Stack + "/" + d.Event
	if d.Event == "" {
		id = d.Stack + "/" + keys.Bounded(f.Session)
	}
	return f, deploying{note: detect.Deployed(f, d, nil), id: id}, true
}

// raiseDeployed sees to it that there is one note about a deployment, and notes the
// finding as a part of it. Whichever finding comes first makes the note; one that
// comes while it is being sent leaves it to that: its invocation is called again until
// the note is sent.
func (g *Guard) raiseDeployed(ctx context.Context, f detect.Finding, of deploying) (Result, error) {
	res := Result{Outcome: detect.Outcome{Kind: detect.Matched, Finding: f}}
	note := of.note
	note.Session = "deployment " + of.id
	ev := event{claim: keys.Claim(f.Account, "deployment/"+of.id), finding: note}
	if !of.announced { // those of several stacks, one after the other
		ev.series, ev.once = keys.Account(f.Account)+"/deployments/"+string(f.ID), true
	}
	ofNote, err := g.raise(ctx, ev, nil)
	if err != nil && !errors.Is(err, ErrBusy) {
		return res, fmt.Errorf("reporting the deployment %s: %w", of.id, err)
	}
	key := keys.Claim(f.Account, f.EventID)
	duplicate, busy := false, false
	err = g.deps.Claims.Update(ctx, key, "", func(c Claim, _ repeats.Series) (Claim, repeats.Series) {
		duplicate = c.State == Sent || c.State == Folded || c.State == Withheld
		busy = !duplicate && c.Held(g.deps.Now(), g.settings.Lease)
		if duplicate || busy {
			return Claim{}, repeats.Series{}
		}
		c.Key, c.State, c.LeaseUntil, c.Finding, c.Deployment = key, Withheld, time.Time{}, &f, of.id
		return c, repeats.Series{}
	})
	switch {
	case err != nil:
		return res, fmt.Errorf("claiming event %s: %w", f.EventID, err)
	case busy:
		return res, fmt.Errorf("claiming event %s: %w", f.EventID, ErrBusy)
	case ofNote.Disposition == Alerted, ofNote.Disposition == RolledUp:
		res.Disposition, res.Alert, res.Outcome.Finding = ofNote.Disposition, ofNote.Alert, note
	case duplicate:
		res.Disposition = Duplicate
	default:
		res.Disposition = Noted
	}
	return res, nil
}
