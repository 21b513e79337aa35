package detect

import (
	"fmt"
	"slices"
	"time"

	"rootguard/internal/cloudtrail"
)

// MFAMissing is the finding that a user has had a console password and no MFA
// since a time, and the deadline has passed. No record tells it: the sweep and
// the CLI make it. Its EventID depends on account, user and deadline alone, so
// that repeats are known as such; its EventTime is the deadline. how says for
// people what gave the password, and may be "".
func MFAMissing(account string, target Target, since, deadline time.Time, how string) Finding {
	who := orElse(target.UserID, target.UserName)
	f := base(UserMFAMissing)
	f.Title += ": " + printable(orUnnamed(target.UserName, target.UserID))
	due := fmt.Sprintf("Console password since %s, MFA was due by %s", since.UTC().Format(time.RFC3339), deadline.UTC().Format(time.RFC3339))
	if how != "" {
		how = "password by " + how
	}
	f.Detail = sentence(due, how)
	f.Account, f.Target, f.MFA = account, target, cloudtrail.No
	f.EventTime = deadline.UTC()
	f.EventID = fmt.Sprintf("%s/%s/%s/%s", UserMFAMissing, account, who, deadline.UTC().Format(time.RFC3339))
	f.Actor = Actor{Type: "IAMUser", Name: target.UserName, PrincipalID: target.UserID}
	return f
}

// MFAReminder makes of an MFAMissing its n-th reminder of a number, at a time.
// The last is critical, and thereby goes to the escalation topic too. Those of
// one n are one session, so that many are rolled up by themselves.
func MFAReminder(f Finding, n, of int, at time.Time) Finding {
	f.Title = fmt.Sprintf("%s, reminder %d of %d: %s", entry(UserMFAMissing).Title, n, of, printable(orUnnamed(f.Target.UserName, f.Target.UserID)))
	if n == of {
		f.Severity = Critical
	}
	f.Session = fmt.Sprintf("reminder %d", n)
	f.EventTime = at.UTC()
	f.EventID = fmt.Sprintf("%s/reminder-%d", f.EventID, n)
	return f
}

// MFAClosed makes of an MFAMissing, or of its reminders, the note that it is
// over since a time. mfa says whether that is because there is MFA now, how for
// people why it is over.
func MFAClosed(f Finding, mfa cloudtrail.Answer, how string, at time.Time) Finding {
	f.Title = "IAM user no longer without MFA: " + printable(orUnnamed(f.Target.UserName, f.Target.UserID))
	f.Detail = sentence("Closed: "+how, f.Detail)
	f.Severity, f.MFA = Info, mfa
	f.NextStep = "Nothing to do."
	f.Session = "closed"
	f.EventTime = at.UTC()
	f.EventID += "/closed"
	return f
}

// Unhealthy is the finding that a check of rootguard itself failed at a time.
// check is the check's short name ("trail", "queue.delivery"), what says for
// people what is wrong. Its EventID is that of the account, Region, check and
// UTC day: a lasting fault is told of once a day.
func Unhealthy(account, region, check, what string, at time.Time) Finding {
	f := base(GuardUnhealthy)
	f.Title += ": " + printable(check)
	f.Detail = what
	f.Account, f.Region, f.Target = account, region, Target{Resource: check}
	f.EventTime = at.UTC()
	f.EventID = fmt.Sprintf("%s/%s/%s/%s/%s", GuardUnhealthy, account, region, check, at.UTC().Format(time.DateOnly))
	f.Actor = Actor{Type: "AWSService", Name: "rootguard"}
	return f
}

// base is a finding with what all of its kind have in common.
func base(id ID) Finding {
	e := entry(id)
	return Finding{ID: id, Severity: e.Severity, Title: e.Title, CIS: slices.Clone(e.CIS), ATTACK: slices.Clone(e.ATTACK), NextStep: e.NextStep}
}

// orUnnamed is the first of the names that is not empty.
func orUnnamed(names ...string) string {
	for _, n := range names {
		if n != "" {
			return n
		}
	}
	return "(not named)"
}
