// Package rootsession keeps when sessions of root began, and when its sign-ins failed,
// since two findings are made by a record that is missing: a session that shows itself
// by a read though no sign-in is on record, and a password of root's that was accepted
// with neither a sign-in nor a failed one after it, which was given up at MFA.
package rootsession

import (
	"context"
	"fmt"
	"time"

	"rootguard/internal/cloudtrail"
	"rootguard/internal/guard"
	"rootguard/internal/keys"
	"rootguard/internal/repeats"
)

// beginSlot is how exactly it is kept when a root session began.
const beginSlot = 5 * time.Minute

// Notes are what is on record of root sessions. Each is a claim, so that it expires as
// claims do.
type Notes struct {
	Claims guard.ClaimRows
}

var _ guard.RootSessions = Notes{}

// beginning is the key of the note that a root session that began at a time is
// on record.
func beginning(account string, at time.Time) string {
	return keys.Claim(account, "root-session/"+at.UTC().Truncate(beginSlot).Format(time.RFC3339))
}

// attempted is the key of the note that a root sign-in failed at a time.
func attempted(account string, at time.Time) string {
	return keys.Claim(account, "root-attempt/"+at.UTC().Truncate(beginSlot).Format(time.RFC3339))
}

// Note notes a failed sign-in of root, and a root session whose beginning a record
// shows, or that has been reported: its sign-in, the issuing of its credentials, or a
// call that has an alert of its own.
func (n Notes) Note(ctx context.Context, rec *cloudtrail.Record, reported bool) error {
	if rec.RootUse() != cloudtrail.RootTrue {
		return nil
	}
	if rec.Failed() {
		if !rec.IsConsoleSignIn() || rec.EventTime.IsZero() {
			return nil
		}
		return n.note(ctx, attempted(rec.RootAccount(), rec.EventTime), rec.EventID)
	}
	var at []time.Time
	if rec.IsConsoleSignIn() || rec.IssuesCredentials() {
		at = append(at, rec.EventTime)
	}
	if reported && !rec.UserIdentity.Session.CreationDate.IsZero() {
		at = append(at, rec.UserIdentity.Session.CreationDate)
	}
	for _, t := range at {
		if t.IsZero() {
			continue
		}
		if err := n.note(ctx, beginning(rec.RootAccount(), t), rec.EventID); err != nil {
			return err
		}
	}
	return nil
}

// note keeps a key of what is on record.
func (n Notes) note(ctx context.Context, key, eventID string) error {
	if err := n.Claims.Update(ctx, key, "", func(c guard.Claim, _ repeats.Series) (guard.Claim, repeats.Series) {
		if c.Key != "" {
			return guard.Claim{}, repeats.Series{}
		}
		return guard.Claim{Key: key, State: guard.Sent}, repeats.Series{}
	}); err != nil {
		return fmt.Errorf("noting the root session of event %s: %w", eventID, err)
	}
	return nil
}

// noted reports whether one of these keys is on record.
func (n Notes) noted(ctx context.Context, keys ...string) (known bool, err error) {
	for _, key := range keys {
		if err := n.Claims.Update(ctx, key, "", func(c guard.Claim, _ repeats.Series) (guard.Claim, repeats.Series) {
			known = c.Key != ""
			return guard.Claim{}, repeats.Series{}
		}); err != nil || known {
			return known, err //nolint:wrapcheck // the caller says for what
		}
	}
	return false, nil
}

// Began reports whether a root session that began at a time is on record.
func (n Notes) Began(ctx context.Context, account string, at time.Time) (bool, error) {
	return n.noted(ctx, beginning(account, at), beginning(account, at.Add(-beginSlot)), beginning(account, at.Add(beginSlot)))
}
