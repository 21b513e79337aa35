package detect

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"rootguard/internal/cloudtrail"
)

// MFAMissing is the finding that a user has had a console password and no MFA
// since a time, and the deadline has passed. No record shows it: the sweep and
// the CLI make it. Its EventID depends on account, user and deadline alone, so
// that repeats are known as such; its EventTime is the deadline. how says for
// people what gave the password, and may be "".
func MFAMissing(account string, target Target, since, deadline time.Time, how string) Finding {
	due := fmt.Sprintf("Console password since %s, MFA was due by %s", since.UTC().Format(time.RFC3339), deadline.UTC().Format(time.RFC3339))
	return mfaMissing(account, target, deadline, due, how)
}

// MFAFound is MFAMissing of a user of whom a live check found that at a time: how
// long it has been so is not known.
func MFAFound(account string, target Target, found, deadline time.Time, how string) Finding {
	due := fmt.Sprintf("A live check found a console password and no MFA at %s, MFA was due by %s", found.UTC().Format(time.RFC3339),
		deadline.UTC().Format(time.RFC3339))
	return mfaMissing(account, target, deadline, due, how)
}

// MFALost is MFAMissing of a user who had the console password before: by what
// says what took MFA away at the given time, how what is known of the password.
func MFALost(account string, target Target, since, deadline time.Time, by, how string) Finding {
	due := fmt.Sprintf("No MFA since %s (%s), MFA was due by %s", since.UTC().Format(time.RFC3339), by, deadline.UTC().Format(time.RFC3339))
	return mfaMissing(account, target, deadline, due, how)
}

func mfaMissing(account string, target Target, deadline time.Time, due, how string) Finding {
	who := orElse(target.UserID, target.UserName)
	f := base(UserMFAMissing)
	f.Title += ": " + printable(orUnnamed(target.UserName, target.UserID))
	f.Detail = sentence(due, how)
	f.Account, f.Target, f.MFA, f.MFADue.At = account, target, cloudtrail.No, deadline.UTC()
	f.name()
	f.EventTime = deadline.UTC()
	f.opens(fmt.Sprintf("%s/%s/%s/%s", UserMFAMissing, account, who, deadline.UTC().Format(time.RFC3339)), deadline)
	f.Actor = Actor{Type: "IAMUser", Name: target.UserName, PrincipalID: target.UserID}
	return f
}

// MFAPending is the finding that the first check of an account found a user with a
// console password and no MFA at a time, which is tolerated until the deadline.
func MFAPending(account string, target Target, found, deadline time.Time) Finding {
	f := base(UserMFAPending)
	f.Title += ": " + printable(orUnnamed(target.UserName, target.UserID))
	f.Detail = fmt.Sprintf("The first check of the account found a console password and no MFA at %s. MFA is due by %s; from then on it is reported.",
		found.UTC().Format(time.RFC3339), deadline.UTC().Format(time.RFC3339))
	f.Account, f.Target, f.MFA, f.MFADue.At = account, target, cloudtrail.No, deadline.UTC()
	f.EventTime = found.UTC()
	f.opens(fmt.Sprintf("%s/%s/%s/%s", UserMFAPending, account, orElse(target.UserID, target.UserName), deadline.UTC().Format(time.RFC3339)),
		found)
	f.Actor = Actor{Type: "IAMUser", Name: target.UserName, PrincipalID: target.UserID}
	return f
}

// MFAReminder makes of an MFAMissing its n-th reminder of a number, at a time.
// The last is critical, and thereby goes to the escalation topic too. Those of
// one n are one session, so that many are rolled up by themselves.
func MFAReminder(f Finding, n, of int, at time.Time) Finding {
	f.Title = fmt.Sprintf("%s, reminder %d of %d: %s", entry(UserMFAMissing).Title, n, of,
		printable(orUnnamed(f.Target.UserName, f.Target.UserID)))
	if n == of {
		f.Severity = Critical
	}
	f.Session = fmt.Sprintf("reminder %d", n)
	f.MFADue.Reminder, f.MFADue.Reminders = n, of
	f.EventTime = at.UTC()
	f.follows(PhaseUpdated, fmt.Sprintf("/reminder-%d", n))
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
	f.follows(PhaseResolved, "/closed")
	return f
}

// rootLive is what a live check reports where it finds a problem of root.
var rootLive = map[ID]string{
	RootMFAMissing:          "Live check: AccountMFAEnabled=0. It was so before rootguard's first check, or no event was delivered.",
	RootMFARemoved:          "Live check: AccountMFAEnabled=0, where root had MFA before. No event was delivered, so who removed it is not known.",
	RootAccessKeyPresent:    "Live check: AccountAccessKeysPresent=1. It was so before rootguard's first check, or no event was delivered.",
	RootAccessKeyCreated:    "Live check: AccountAccessKeysPresent=1, where root had no access key before. No event was delivered, so who created it is not known.",
	RootLoginProfileCreated: "Live check: AccountPasswordPresent=1, where root had no password before. No event was delivered, so who created it is not known.",
}

// RootLive is a finding about root that a live check made, first at the given
// time, and that no event shows. Its EventID depends on finding, account and
// that time alone. Who did it is not known: there is no Actor.
func RootLive(id ID, account string, since time.Time) Finding {
	f := base(id)
	f.Title += " (seen live, no event)"
	f.Detail = rootLive[id]
	f.Account, f.Session = account, "live"
	f.EventTime = since.UTC()
	f.opens(fmt.Sprintf("%s/%s/live/%s", id, account, since.UTC().Format(time.RFC3339)), since)
	return f
}

// rootCured is what a live check reports when a problem of root is over.
var rootCured = map[ID]string{
	RootMFAMissing:          "Root has MFA now",
	RootMFARemoved:          "Root has MFA again",
	RootAccessKeyPresent:    "Root access key is gone",
	RootAccessKeyCreated:    "Root access key is gone",
	RootLoginProfileCreated: "Root password is gone",
}

// RootCured makes of a RootLive the note that it is over since a time.
func RootCured(f Finding, at time.Time) Finding {
	f.Title = rootCured[f.ID]
	f.Detail = "Closed: a live check no longer finds it. It was: " + f.Detail
	f.Severity, f.NextStep = Info, "Nothing to do."
	f.Session = "closed"
	f.EventTime = at.UTC()
	f.follows(PhaseResolved, "/closed")
	return f
}

// QuarantineStage is how far a quarantine has come that is alerted.
type QuarantineStage string

// The stages. The value is a part of the EventID.
const (
	QuarantineWould     QuarantineStage = "dry-run"   // what would be done if quarantine were on
	QuarantineAnnounced QuarantineStage = "announced" // what will be done at a time
	QuarantineDone      QuarantineStage = "done"

	quarantineWithheld QuarantineStage = "withheld"
)

// Quarantined is the finding that a user past the last reminder is quarantined,
// or would or will be. until is of QuarantineAnnounced: when it will be done.
// cycle distinguishes one quarantine of the user from another, by the time it began: with
// it the EventID depends on account, user and stage alone. All findings of one
// quarantine, to the release, are about one subject.
func Quarantined(account string, target Target, deadline time.Time, stage QuarantineStage, cycle string, at, until time.Time) Finding {
	f := base(UserQuarantined)
	name := printable(orUnnamed(target.UserName, target.UserID))
	why := fmt.Sprintf("Console password and no MFA since the deadline %s, and all reminders passed", deadline.UTC().Format(time.RFC3339))
	switch stage {
	case QuarantineWould:
		f.Title, f.Severity = "IAM user would be quarantined (dry run): "+name, Medium
		f.Detail = sentence("Nothing was changed", why)
		f.NextStep = "Have the user enable MFA, or name it in quarantineExempt, before quarantine is switched on."
	case QuarantineAnnounced:
		f.Title = fmt.Sprintf("IAM user will be quarantined at %s: %s", until.UTC().Format(time.RFC3339), name)
		f.Detail = sentence("Nothing was changed yet; without MFA by then the user, access keys included, may do nothing but enable it", why)
	case QuarantineDone:
		f.Title += ": " + name
		f.Detail = sentence("The user, access keys included, may do nothing but enable MFA until it signs in with MFA", why)
	case quarantineWithheld:
		f.Title = "IAM user is not quarantined: " + name
	}
	f.Account, f.Target, f.MFA = account, target, cloudtrail.No
	f.name()
	f.Session = string(stage)
	f.EventTime = at.UTC()
	f.opens(quarantineID(UserQuarantined, account, target, cycle), began(cycle))
	phase := PhaseOpened
	if stage == QuarantineDone {
		phase = PhaseUpdated
	}
	f.follows(phase, "/"+string(stage))
	f.Actor = Actor{Type: "AWSService", Name: "rootguard"}
	return f
}

// QuarantineWithheld is the finding that a user past the last reminder is not
// quarantined, and why: a sentence without its full stop. cycle is as in
// Quarantined.
func QuarantineWithheld(account string, target Target, deadline time.Time, why, cycle string, at time.Time) Finding {
	f := Quarantined(account, target, deadline, quarantineWithheld, cycle, at, time.Time{})
	f.Detail = sentence(why, "nothing was changed",
		fmt.Sprintf("console password and no MFA since the deadline %s, and all reminders passed", deadline.UTC().Format(time.RFC3339)))
	f.NextStep = "Have the user sign in and enable MFA; remove what keeps it from that. Nothing else will stop a session without MFA."
	return f
}

// Released is the finding that a quarantine is over at a time; with done false,
// that one is called off that was only announced. by is who released the user, ""
// for rootguard itself; why is for people; mfa says whether the user has MFA now.
func Released(account string, target Target, cycle string, done bool, mfa cloudtrail.Answer, by, why string, at time.Time) Finding {
	f := base(UserReleased)
	if !done {
		f.Title = "Quarantine of IAM user called off"
	}
	f.Title += ": " + printable(orUnnamed(target.UserName, target.UserID))
	f.Detail = sentence(why)
	f.Account, f.Target, f.MFA = account, target, mfa
	f.EventTime = at.UTC()
	f.EventID = quarantineID(UserReleased, account, target, cycle)
	f.Subject = Subject{ID: quarantineID(UserQuarantined, account, target, cycle), Phase: PhaseResolved, Began: began(cycle)}
	f.Actor = Actor{Type: "AWSService", Name: "rootguard"}
	if by != "" {
		f.Actor = Actor{Type: "Operator", Name: by}
	}
	if mfa == cloudtrail.Yes {
		f.NextStep = "Nothing to do."
	}
	return f
}

func quarantineID(id ID, account string, target Target, cycle string) string {
	return fmt.Sprintf("%s/%s/%s/%s", id, account, orElse(target.UserName, target.UserID), cycle)
}

// Unhealthy is the finding that a check of rootguard itself failed at a time.
// check is the check's short name ("trail", "queue.delivery"), what says for
// people what is wrong. Its EventID is that of the account, Region, check and
// UTC day: a lasting fault is alerted once a day.
func Unhealthy(account, region, check, what string, at time.Time) Finding {
	f := base(GuardUnhealthy)
	f.Title += ": " + printable(check)
	f.Detail = what
	f.Account, f.Region, f.Target = account, region, Target{Resource: check}
	f.EventTime = at.UTC()
	f.opens(fmt.Sprintf("%s/%s/%s/%s/%s", GuardUnhealthy, account, region, check, at.UTC().Format(time.DateOnly)), time.Time{})
	f.Actor = Actor{Type: "AWSService", Name: "rootguard"}
	return f
}

// name puts what the finding is about into the command of its next step.
func (f *Finding) name() {
	f.NextStep = strings.ReplaceAll(f.NextStep, "NAME", shellWord(orElse(f.Target.UserName, f.Target.UserID)))
	f.NextStep = strings.ReplaceAll(f.NextStep, "--account ID", "--account "+shellWord(f.Account))
}

// shellWord is a name as a shell takes it for one word. A name that IAM does not
// allow keeps its place free.
func shellWord(name string) string {
	const allowed = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789+=,.@_-:/"
	if name == "" || len(name) > 128 || strings.Trim(name, allowed) != "" || strings.HasPrefix(name, "-") {
		return "NAME"
	}
	return name
}

// base is a finding with what all of its kind have in common.
func base(id ID) Finding {
	e := entry(id)
	return Finding{ID: id, Severity: e.Severity, Title: e.Title, CIS: slices.Clone(e.CIS), ATTACK: slices.Clone(e.ATTACK),
		NextStep: e.NextStep}
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
