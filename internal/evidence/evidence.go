// Package evidence says, for auditors, how an account meets the controls of the
// CIS AWS Foundations Benchmark that rootguard has evidence of, and which.
package evidence

import (
	"cmp"
	"strings"
	"time"

	"rootguard/internal/bootstrap"
)

// Control is one recommendation, with its number in each version of the benchmark.
type Control struct {
	Name        string // rootguard's own: "root-mfa"
	Title       string
	CISv3       string // CIS AWS Foundations Benchmark v3.0.0
	CISv5       string // v5.0.0
	CISv7       string // v7.0.0
	SecurityHub string // the control of AWS Security Hub that checks the same, "" where there is none
}

// The controls. The monitoring controls (log metric filters and alarms) are not
// among them: events and e-mails do not satisfy them as they are written.
var (
	rootKey      = Control{"root-access-key", "The root user has no access key", "1.4", "1.3", "2.4", "IAM.4"}
	rootMFA      = Control{"root-mfa", "The root user has MFA", "1.5", "1.4", "2.5", "IAM.9"}
	rootHardware = Control{"root-hardware-mfa", "The root user's MFA is a hardware device", "1.6", "1.5", "2.6", "IAM.6"}
	rootUse      = Control{"root-use", "The root user is not used for daily tasks", "1.7", "1.6", "2.7", ""}
	userMFA      = Control{"user-mfa", "Each IAM user with a console password has MFA", "1.10", "1.9", "2.10", "IAM.5"}
)

// Controls are all of them, in the order of the benchmark.
func Controls() []Control { return []Control{rootKey, rootMFA, rootHardware, rootUse, userMFA} }

// State is whether a control is met.
type State string

// The states.
const (
	Met           State = "met"
	NotMet        State = "not_met"
	NotApplicable State = "not_applicable"
	Unknown       State = "unknown" // nothing in the logs, nor a live check, says
)

// Row is how one account, or one user in it, meets a control.
type Row struct {
	Control
	Account, AccountName string
	AsOf                 time.Time
	User                 string // the user of user-mfa; "" where the row is about the account
	State                State
	Since                time.Time // zero where it is not known
	Note                 string
	Evidence             *bootstrap.Evidence // nil where there is none
}

// Rows are those of one account, by control, then by user.
func Rows(s *bootstrap.Status, accountName string) []Row {
	var rows []Row
	add := func(r Row) {
		r.Account, r.AccountName, r.AsOf = s.Account, accountName, s.AsOf
		rows = append(rows, r)
	}
	step := func(c Control, of bootstrap.Step) Row {
		for i := range s.Steps {
			if s.Steps[i].Step == of {
				return ofStep(c, &s.Steps[i])
			}
		}
		return Row{Control: c, State: Unknown}
	}
	add(step(rootKey, bootstrap.RootKeysAbsent))
	mfa := step(rootMFA, bootstrap.RootMFA)
	add(mfa)
	add(hardware(mfa))
	add(step(rootUse, bootstrap.RootQuiet))
	users := 0
	for i := range s.Users {
		if u := &s.Users[i]; !u.Deleted && u.MFA != bootstrap.MFANotNeeded {
			users++
			add(ofUser(u))
		}
	}
	if users == 0 {
		add(Row{Control: userMFA, State: NotApplicable, Note: "no IAM user with a console password is known"})
	}
	return rows
}

func ofStep(c Control, s *bootstrap.StepStatus) Row {
	r := Row{Control: c, Since: s.Since, Note: s.Note, Evidence: s.Evidence, State: Unknown}
	switch s.State {
	case bootstrap.Done:
		r.State = Met
	case bootstrap.Pending, bootstrap.Regressed:
		r.State = NotMet
	case bootstrap.NotApplicable:
		r.State = NotApplicable
	case bootstrap.Unknown:
	}
	return r
}

// hardware is the row about the kind of root's device, from the one about whether
// there is any. Of a device that is "a passkey, security key or hardware TOTP
// token" each kind is hardware to the benchmark but a synced passkey, which no
// record distinguishes: that is unknown.
func hardware(mfa Row) Row {
	r := mfa
	r.Control = rootHardware
	if mfa.State != Met {
		return r
	}
	switch kinds := mfa.Note; {
	case strings.Contains(kinds, "authenticator app"):
		r.State = NotMet
	case strings.Contains(kinds, "hardware TOTP") && !strings.Contains(kinds, "passkey"):
		r.State = Met
	default:
		r.State = Unknown
		r.Note = cmp.Or(kinds, "of an unknown kind") + "; whether it is a hardware device is not on record"
	}
	return r
}

func ofUser(u *bootstrap.UserStatus) Row {
	r := Row{Control: userMFA, User: cmp.Or(u.Name, u.UserID), Since: u.MFASince, State: Unknown}
	switch u.MFA {
	case bootstrap.MFAOn:
		r.State = Met
		r.Note = strings.Join(u.MFADevices, " ")
	case bootstrap.MFAPending, bootstrap.MFAMissing:
		r.State = NotMet
		r.Evidence = u.ConsoleEvidence
		if n := len(u.MFAGaps); n > 0 {
			gap := u.MFAGaps[n-1]
			r.Since, r.Evidence = gap.From, &gap.Evidence
			r.Note = "grace until " + gap.Deadline.UTC().Format(time.RFC3339)
		}
	case bootstrap.MFANotNeeded, bootstrap.MFAUnknownYet:
		r.Note = "existed before the first record; a live check or a sign-in would say"
	}
	return r
}
