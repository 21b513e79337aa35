package announcement

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"rootguard/internal/detect"
	"rootguard/internal/failure"
	"rootguard/internal/guard"
	"rootguard/internal/keys"
)

const (
	// MaxDeployment is the longest that a deployment is announced for.
	MaxDeployment = 4 * time.Hour

	// clockSkew is by how much the clock of who announces may differ from that of
	// CloudTrail's records.
	clockSkew = 2 * time.Minute
)

// DeploymentsOf puts the entries about deployments together, by the time they begin.
func DeploymentsOf(entries []AuditEvent) []Announcement {
	return of(entries, DeploymentOpened, DeploymentClosed)
}

// AuditLog keeps entries. Store is one.
type AuditLog interface {
	Append(ctx context.Context, e AuditEvent) (AuditEvent, error)
}

// AnnounceDeployment stores that rootguard will be deployed: Account, which is rootguard's,
// Until, Owner, Reason, Actor, By and perhaps Version of the entry say what. It begins
// now. Nothing is published: the note about the deployment says who announced it.
func AnnounceDeployment(ctx context.Context, j AuditLog, e AuditEvent, now time.Time) (Announcement, error) {
	e.Action, e.At = DeploymentOpened, now.UTC()
	e.From, e.Until = now.Add(-clockSkew).UTC().Truncate(time.Second), e.Until.UTC().Truncate(time.Second)
	if d := e.Until.Sub(now); d <= 0 || d > MaxDeployment {
		return Announcement{}, failure.Permanent(fmt.Errorf("announcing a deployment: it is to last %v, and may last %v at most",
			d.Round(time.Second), MaxDeployment))
	}
	if len(e.By) == 0 || slices.Contains(e.By, "") || slices.Contains(e.By, "*") {
		return Announcement{}, failure.Permanent(errors.New("announcing a deployment: it does not name who deploys"))
	}
	e.ID = keys.ShortID(strings.Join([]string{"deployment", e.Account, e.Until.String(), e.Owner, e.Reason, e.Actor.ARN, e.At.String()}, "\n"))
	e.Key = announcementKey(&e)
	there, err := j.Append(ctx, e)
	if err != nil {
		return Announcement{Opened: e}, fmt.Errorf("storing announcement %s: %w", e.ID, err) // it may be there
	}
	return Announcement{Opened: there}, nil
}

// CloseDeployment ends the announcement of a deployment before its time. What
// CloudFormation does within minutes after that still belongs to it, since it counts by
// CloudTrail's clock. Where someone closed it before, theirs stays.
func CloseDeployment(ctx context.Context, j AuditLog, a Announcement, by detect.Actor, reason string, now time.Time) (Announcement, error) {
	o := &a.Opened
	e := AuditEvent{Action: DeploymentClosed, ID: o.ID, Account: o.Account, From: o.From, At: now.UTC(), Actor: by, Reason: reason}
	e.Key = announcementKey(&e)
	there, err := j.Append(ctx, e)
	if err != nil {
		return a, fmt.Errorf("closing announcement %s: %w", o.ID, err)
	}
	a.EndedEarly = &there
	return a, nil
}

var _ guard.AnnouncedDeployments = Register{}

// Deploying is guard.AnnouncedDeployments', by what is known when it is asked.
func (r Register) Deploying(ctx context.Context, account string, at time.Time) ([]detect.AnnouncedDeployment, error) {
	entries, err := r.Store.Entries(ctx, account, at.Add(-MaxDeployment-clockSkew), at)
	if err != nil {
		return nil, fmt.Errorf("looking for announced deployments: %w", err)
	}
	var out []detect.AnnouncedDeployment
	all := DeploymentsOf(entries)
	for i := range all {
		a := &all[i]
		end := a.end(a.Opened.At.Add(MaxDeployment), clockSkew)
		if at.Before(a.Opened.From) || !at.Before(end) {
			continue
		}
		o := &a.Opened
		out = append(out, detect.AnnouncedDeployment{ID: o.ID, By: o.By, Version: o.Version, Owner: o.Owner, Reason: o.Reason, Until: end})
	}
	return out, nil
}
