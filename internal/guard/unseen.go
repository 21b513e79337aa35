package guard

import (
	"context"
	"fmt"
	"strings"
	"time"

	"rootguard/internal/cloudtrail"
	"rootguard/internal/detect"
)

// beginDelay is how old a session of root is before it counts that its sign-in is not
// on record: CloudTrail delivers events minutes late, and out of order.
const beginDelay = 10 * time.Minute

// unseen is the finding that a read shows a root session, if its beginning is not
// on record; nil where the record shows no session.
func unseen(rec *cloudtrail.Record, assumed *detect.AssumedRoot, o *detect.Outcome) *detect.Finding {
	if o.Kind == detect.Matched || assumed != nil || rec.RootUse() != cloudtrail.RootTrue || rec.EventSource == cloudtrail.SigninSource ||
		rec.EventTime.IsZero() || rec.UserIdentity.Session.CreationDate.IsZero() {
		return nil
	}
	f := detect.SessionUnseen(rec, rec.RootAccount())
	return &f
}

// RaiseUnseen raises a Result's Unseen, unless the beginning of its session is on
// record. In a log that is read to its end the order of records does not matter.
func (g *Guard) RaiseUnseen(ctx context.Context, f detect.Finding, began time.Time) (Result, error) {
	known, err := g.sessionBegan(ctx, f.Account, began)
	if err != nil {
		return Result{}, fmt.Errorf("looking up the root session of event %s: %w", f.EventID, err)
	}
	if known {
		return Result{Outcome: detect.Outcome{Kind: detect.NotMatched, Reason: "the beginning of root's session is on record"},
			Disposition: Duplicate}, nil
	}
	return g.Raise(ctx, f)
}

// Unplaced reports whether a record is of a root session of which nothing is on
// record yet that says what it is: neither a sign-in or the like, nor the
// sts:AssumeRoot that issued its key. In a log that is not in order both may
// follow, and Handle then judges it better.
func (g *Guard) Unplaced(ctx context.Context, rec *cloudtrail.Record) (bool, error) {
	ui := &rec.UserIdentity
	if rec.RootUse() != cloudtrail.RootTrue || rec.IssuesCredentials() || rec.EventSource == cloudtrail.SigninSource ||
		!strings.HasPrefix(ui.AccessKeyID, "ASIA") || ui.Session.CreationDate.IsZero() {
		return false, nil
	}
	assumed, err := g.assumedRoot(ctx, rec)
	if err != nil || assumed != nil {
		return false, err
	}
	known, err := g.sessionBegan(ctx, rec.RootAccount(), ui.Session.CreationDate)
	if err != nil {
		return false, fmt.Errorf("looking up the root session of event %s: %w", rec.EventID, err)
	}
	return !known, nil
}

// sessionBegan reports whether the beginning of a root session is on record.
func (g *Guard) sessionBegan(ctx context.Context, account string, at time.Time) (bool, error) {
	if g.deps.RootSessions == nil {
		return true, nil // nothing keeps that
	}
	return g.deps.RootSessions.Began(ctx, account, at) //nolint:wrapcheck // the callers say of which event
}
