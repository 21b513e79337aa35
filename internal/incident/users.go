package incident

import (
	"cmp"
	"slices"
	"time"

	"rootguard/internal/alert"
	"rootguard/internal/detect"
	"rootguard/internal/keys"
)

// The IAM users of an account who lack MFA are one incident, so that an
// acknowledgement is about all of them until another one is added: all of it lies at
// one time, by which it is found.
const usersWho = "users without MFA"

var usersStart = time.Date(2000, 1, 1, 0, 0, 0, 0, time.UTC)

// aboutUsers reports whether a finding is about users without MFA.
func aboutUsers(f *detect.Finding) bool {
	return f.ID == detect.UserMFAMissing || f.ID == detect.UserMFAPending
}

// users are those that an alert adds to the incident of their account, and those that
// it takes out.
func users(a *alert.Alert) (added, removed []string) {
	if a.Summary == nil {
		a = &alert.Alert{Summary: &alert.Summary{Accounts: []alert.SummaryAccount{{Findings: []alert.SummaryItem{alert.ItemOf(&a.Finding,
			nil)}}}}}
	}
	for i := range a.Summary.Accounts {
		for j := range a.Summary.Accounts[i].Findings {
			it := &a.Summary.Accounts[i].Findings[j]
			switch user := listedAs(cmp.Or(it.UserID, it.User)); {
			case it.Stage == alert.StageResolved: // it may be listed as what it was known by before
				removed = append(removed, user, listedAs(it.User))
			case it.Severity >= detect.Critical:
				added = append(added, user)
			}
		}
	}
	return added, removed
}

// maxUser bounds how a user is listed: an account may have 5,000, with names of up to 64
// characters and IDs of up to 128 (IAM User Guide, "IAM and AWS STS quotas"), and all
// of them lie in one row. An ID of today has 21, such as AIDAJQABLZS4A3QDU576Q.
const maxUser = 24

// listedAs is a user's ID or name where it is short, else an ID that is made of it.
func listedAs(user string) string {
	if len(user) <= maxUser {
		return user
	}
	return keys.ShortID(user)
}

// attachUsers enters an alert about users without MFA in the incident of their
// account, and reports whether it changed. What was resolved begins again with the
// next user.
func (s *Settings) attachUsers(in *Incident, a *alert.Alert, now time.Time) (changed bool) {
	added, removed := users(a)
	for i := range in.Users {
		in.Users[i] = listedAs(in.Users[i]) // the version before listed them as they are
	}
	switch {
	case in.Events == 0 && len(added) == 0:
		return false // nothing critical was reported
	case slices.Contains(in.Alerts, a.ID):
		return false // what one receiver has late may be over
	}
	if len(added) > 0 && in.Ack != nil && in.Ack.By == resolvedBy {
		in.reopen()
		in.Reopened, in.Events, in.First, in.Last, in.Users = nil, 0, time.Time{}, time.Time{}, nil
	}
	for _, user := range added {
		if !slices.Contains(in.Users, user) {
			in.Users = append(in.Users, user)
		}
	}
	n := len(in.Users)
	in.Users = slices.DeleteFunc(in.Users, func(user string) bool { return slices.Contains(removed, user) })
	switch {
	case len(added) > 0:
		return s.count(in, a, now)
	case len(in.Users) == n:
		return false
	case len(in.Users) == 0:
		in.resolve(&a.Finding, now)
	}
	in.list(a)
	return true
}
