package guard

import (
	"context"
	"fmt"
	"strings"
	"time"

	"rootguard/internal/cloudtrail"
	"rootguard/internal/detect"
	"rootguard/internal/repeats"
)

const (
	// beginSlot is how exactly it is kept when a root session began.
	beginSlot = 5 * time.Minute
	// beginDelay is how old a session is before it counts that its sign-in is not
	// on record: CloudTrail delivers events minutes late, and out of order.
	beginDelay = 10 * time.Minute
)

// beginning is the key of the note that a root session that began at a time is
// on record. It is a claim, so that it expires as claims do.
func beginning(account string, at time.Time) string {
	return claimKey(account, "root-session/"+at.UTC().Truncate(beginSlot).Format(time.RFC3339))
}

// attempted is the key of the note that a root sign-in failed at a time.
func attempted(account string, at time.Time) string {
	return claimKey(account, "root-attempt/"+at.UTC().Truncate(beginSlot).Format(time.RFC3339))
}

// noteBeginning notes a failed sign-in of root, and a root session whose beginning a record shows, or that has been
// reported: its sign-in, the issuing of its credentials, or a call that has an
// alert of its own.
func (g *Guard) noteBeginning(ctx context.Context, rec *cloudtrail.Record, o *detect.Outcome) error {
	if rec.RootUse() != cloudtrail.RootTrue {
		return nil
	}
	if rec.Failed() {
		if !rec.IsConsoleSignIn() || rec.EventTime.IsZero() {
			return nil
		}
		return g.note(ctx, attempted(rootAccount(rec), rec.EventTime), rec.EventID)
	}
	var at []time.Time
	if rec.IsConsoleSignIn() || rec.IssuesCredentials() {
		at = append(at, rec.EventTime)
	}
	if o.Kind == detect.Matched && !rec.UserIdentity.Session.CreationDate.IsZero() {
		at = append(at, rec.UserIdentity.Session.CreationDate)
	}
	for _, t := range at {
		if t.IsZero() {
			continue
		}
		if err := g.note(ctx, beginning(rootAccount(rec), t), rec.EventID); err != nil {
			return err
		}
	}
	return nil
}

// note keeps a key of what is on record.
func (g *Guard) note(ctx context.Context, key, eventID string) error {
	if err := g.deps.Ledger.Update(ctx, key, "", func(c Claim, _ repeats.Series) (Claim, repeats.Series) {
		if c.Key != "" {
			return Claim{}, repeats.Series{}
		}
		return Claim{Key: key, State: Sent}, repeats.Series{}
	}); err != nil {
		return fmt.Errorf("noting the root session of event %s: %w", eventID, err)
	}
	return nil
}

// noted reports whether one of these keys is on record.
func (g *Guard) noted(ctx context.Context, keys ...string) (known bool, err error) {
	for _, key := range keys {
		if err := g.deps.Ledger.Update(ctx, key, "", func(c Claim, _ repeats.Series) (Claim, repeats.Series) {
			known = c.Key != ""
			return Claim{}, repeats.Series{}
		}); err != nil || known {
			return known, err //nolint:wrapcheck // the caller says for what
		}
	}
	return false, nil
}

// rootAccount is the account whose root made the call.
func rootAccount(rec *cloudtrail.Record) string {
	if rec.UserIdentity.AccountID != "" {
		return rec.UserIdentity.AccountID
	}
	return rec.Account()
}

// unseen is the finding that a read shows a root session, if its beginning is not
// on record; nil where the record shows no session.
func unseen(rec *cloudtrail.Record, assumed *detect.AssumedRoot, o *detect.Outcome) *detect.Finding {
	if o.Kind == detect.Matched || assumed != nil || rec.RootUse() != cloudtrail.RootTrue || rec.EventSource == cloudtrail.SigninSource ||
		rec.EventTime.IsZero() || rec.UserIdentity.Session.CreationDate.IsZero() {
		return nil
	}
	f := detect.SessionUnseen(rec, rootAccount(rec))
	return &f
}

// RaiseUnseen raises a Result's Unseen, unless the beginning of its session is on
// record. In a log that is read to its end the order of records does not matter.
func (g *Guard) RaiseUnseen(ctx context.Context, f detect.Finding, began time.Time) (Result, error) {
	known, err := g.began(ctx, f.Account, began)
	if err != nil {
		return Result{}, fmt.Errorf("looking up the root session of event %s: %w", f.EventID, err)
	}
	if known {
		return Result{Outcome: detect.Outcome{Kind: detect.NotMatched, Reason: "the beginning of root's session is on record"}, Disposition: Duplicate}, nil
	}
	return g.Raise(ctx, f)
}

// began reports whether a root session that began at a time is on record.
func (g *Guard) began(ctx context.Context, account string, at time.Time) (bool, error) {
	return g.noted(ctx, beginning(account, at), beginning(account, at.Add(-beginSlot)), beginning(account, at.Add(beginSlot)))
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
	known, err := g.began(ctx, rootAccount(rec), ui.Session.CreationDate)
	if err != nil {
		return false, fmt.Errorf("looking up the root session of event %s: %w", rec.EventID, err)
	}
	return !known, nil
}
