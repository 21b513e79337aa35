package mfadeadline

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"rootguard/internal/bootstrap"
	"rootguard/internal/detect"
)

// intendedStage is of the note that a gap is about to be reported.
const intendedStage = "intended"

// MissingMFA raises user.mfa.missing for every time an IAM user of the account
// had a console password and no MFA beyond the deadline, as of a time: also for
// one that has ended since, and says so. Each is reported once, also where facts
// that came late or another grace have moved its deadline since: the facts
// note what is to be reported, and then what was. alerts counts those not reported
// before, whether each got an alert or was rolled up. An error for one user keeps no
// other back.
func (d *Deadlines) MissingMFA(ctx context.Context, account string, asOf time.Time) (alerts int, err error) {
	facts, err := d.deps.Facts.Facts(ctx, account)
	if err != nil {
		return 0, fmt.Errorf("reading facts of account %s: %w", account, err)
	}
	known := notesOf(facts)
	var findings []detect.Finding
	var intents, notes []bootstrap.Fact
	status := bootstrap.Fold(account, facts, d.settings.Bootstrap, asOf)
	for i := range status.Users {
		u := &status.Users[i]
		for _, gap := range u.MFAGaps {
			f, ok := missing(account, u, gap, asOf)
			if !ok || known.find(u, gap, "") != nil {
				continue
			}
			if was := known.find(u, gap, intendedStage); was != nil {
				f.OpenedAs(was.EventID, was.Last)
			} else {
				intents = append(intents, noteOf(&f, u, gap, intendedStage))
			}
			findings, notes = append(findings, f), append(notes, noteOf(&f, u, gap, ""))
		}
	}
	if len(intents) > 0 {
		if _, err := d.deps.Facts.Add(ctx, intents); err != nil {
			return 0, fmt.Errorf("noting what is to be reported of account %s: %w", account, err)
		}
	}
	var reported []bootstrap.Fact
	var errs []error
	for i := range findings {
		res, err := d.deps.Guard.Raise(ctx, findings[i])
		if err != nil {
			errs = append(errs, err)
		} else {
			reported = append(reported, notes[i])
		}
		if res.Reported() {
			alerts++
		}
	}
	if len(reported) > 0 {
		if _, err := d.deps.Facts.Add(ctx, reported); err != nil {
			errs = append(errs, fmt.Errorf("noting what was reported of account %s: %w", account, err))
		}
	}
	return alerts, errors.Join(errs...)
}

// notes are the notes of what was reported, by the ID and by the name of the user.
type notes map[string][]*bootstrap.Fact

func notesOf(facts []bootstrap.Fact) notes {
	notes := notes{}
	for i := range facts {
		if f := &facts[i]; f.Kind == bootstrap.MFAMissingAlerted {
			notes[f.UserName] = append(notes[f.UserName], f)
			if f.UserID != "" {
				notes[f.UserID] = append(notes[f.UserID], f)
			}
		}
	}
	return notes
}

// noteOf is the note that a finding about a gap, and of a stage, was reported.
func noteOf(f *detect.Finding, u *bootstrap.UserStatus, gap bootstrap.MFAGap, stage string) bootstrap.Fact {
	note := bootstrap.MFAMissingAlertedFact(f.Account, u, gap, stage)
	note.EventID, note.Last = f.Subject.ID, f.Subject.Began
	return note
}

// find is a note about a gap of the user, and of a stage; nil where there is none.
func (n notes) find(u *bootstrap.UserStatus, gap bootstrap.MFAGap, stage string) *bootstrap.Fact {
	for _, who := range append([]string{u.UserID, u.Name}, u.FormerNames...) {
		for _, note := range n[who] {
			if note.Stage == stage && covers(note, u, gap) {
				return note
			}
		}
	}
	return nil
}

// covers reports whether a note is about a gap of the user: they are the same
// where the gap lasted at the time of the note, such as the deadline that was reported.
func covers(note *bootstrap.Fact, u *bootstrap.UserStatus, gap bootstrap.MFAGap) bool {
	if note.UserID != "" && u.UserID != "" {
		if note.UserID != u.UserID {
			return false
		}
	} else if note.UserName != u.Name && !slices.Contains(u.FormerNames, note.UserName) {
		return false
	}
	return !note.Until.Before(gap.From) && (gap.To.IsZero() || !note.Until.After(gap.To))
}

// missing is the finding of one gap; ok is false where MFA was not missing at the deadline.
func missing(account string, u *bootstrap.UserStatus, gap bootstrap.MFAGap, asOf time.Time) (f detect.Finding, ok bool) {
	ended := !gap.To.IsZero() && !gap.To.After(asOf)
	if gap.Deadline.IsZero() || !asOf.After(gap.Deadline) || (ended && !gap.To.After(gap.Deadline)) {
		return detect.Finding{}, false
	}
	f = missingMFA(account, u, gap)
	if ended {
		end := "It ended at " + gap.To.UTC().Format(time.RFC3339) + "."
		if u.MFA == bootstrap.MFAOn && u.MFASince.Equal(gap.To) {
			end = "MFA came late, at " + gap.To.UTC().Format(time.RFC3339) + "."
		}
		f.AddDetail(end)
	}
	return f, true
}

// missingMFA is the finding of a gap, whether or not it is over. It claims no more
// than the gap and the user's password rest on.
func missingMFA(account string, u *bootstrap.UserStatus, gap bootstrap.MFAGap) detect.Finding {
	target := detect.Target{UserName: u.Name, UserID: u.UserID}
	given := u.ConsoleEvidence
	known := given != nil && !given.Live() && !given.Time.After(gap.From)
	switch {
	case !gap.Evidence.Live() && known && given.EventID != gap.Evidence.EventID:
		// The password was there before: what opened the gap is the loss of MFA.
		how := "console password by " + given.What + ", on record since " + given.Time.UTC().Format(time.RFC3339)
		return detect.MFALost(account, target, gap.From, gap.Deadline, gap.Evidence.What, how)
	case !gap.Evidence.Live():
		return detect.MFAMissing(account, target, gap.From, gap.Deadline, "password by "+gap.Evidence.What)
	}
	switch {
	case given == nil:
		return detect.MFAFound(account, target, gap.From, gap.Deadline, "")
	case !given.Live() && !given.Time.Before(gap.From):
		// The check that follows the event of a new user may see the password before
		// the event of the password is there.
		return detect.MFAMissing(account, target, gap.From, gap.Deadline, "password by "+given.What)
	default:
		return detect.MFAFound(account, target, gap.From, gap.Deadline, "no event was delivered")
	}
}
