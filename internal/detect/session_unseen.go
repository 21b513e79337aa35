package detect

import (
	"fmt"
	"time"

	"rootguard/internal/cloudtrail"
)

// SessionUnseen is the finding that a read by root belongs to a session whose
// beginning is not on record. Its EventID is that of account and session, so that
// all reads of the session are one finding.
func SessionUnseen(rec *cloudtrail.Record, account string) Finding {
	creation := rec.UserIdentity.Session.CreationDate.UTC()
	began := creation.Format(time.RFC3339)
	f := finding(rec, RootSessionUnseen)
	f.Account = account
	f.opens(fmt.Sprintf("%s/%s/%s", RootSessionUnseen, account, began), creation.Truncate(time.Second))
	f.Detail = sentence("Root called "+call(rec)+" in a session that began at "+began,
		"neither a sign-in nor the issuing of credentials is on record for it", "event "+orUnnamed(rec.EventID))
	switch f.MFA {
	case cloudtrail.No:
		f.Detail += " The session has no MFA."
	case cloudtrail.Yes:
		f.Detail += " The session has MFA."
	default:
	}
	return f
}

// Abandoned is the finding that root's password was accepted and that no sign-in
// followed, at MFA or otherwise.
func Abandoned(account string, at time.Time, eventID string, wait time.Duration) Finding {
	f := base(RootSigninFailed)
	f.Severity, f.NextStep = High, stepPasswordKnown
	f.Account, f.EventTime, f.EventID = account, at, eventID
	f.EventSource, f.EventName = cloudtrail.SigninSource, checkMFA
	f.Actor = Actor{Type: "Root", Name: "root"}
	f.Title = "Root password entered, and no sign-in followed"
	f.Detail = sentence(fmt.Sprintf("The caller knows the root password, was asked for MFA, and did not finish within %s", inWords(wait)))
	return f
}
