package detect

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	"rootguard/internal/cloudtrail"
)

// The next steps of findings that are reported together.
const (
	stepUsers = "Have each enable MFA today, or delete the console password: aws iam delete-login-profile --user-name %s, and so on."

	stepUsersPending = "Have each enable MFA before the deadline."

	stepUsersOfAccounts = "Have each enable MFA today, or delete its console password. The full list: rootguard report --aws."

	stepUsersPendingOfAccounts = "Have each enable MFA before the deadline. The full list: rootguard report --aws."

	stepRoots = "Sign in to each account as root, add MFA and delete root's access keys. The full list: rootguard report --aws."

	stepRepeats = "Find out what each is and fix it, then acknowledge it: rootguard ack ID. All that are open: rootguard incidents."

	stepNothing = "Nothing to do."
)

// namesInTitle is how many users a summary names before its list.
const namesInTitle = 3

// Summed is the finding of several that are reported in one alert: all about users
// without MFA, or all about root, of one account or of several. id makes it unique
// among summaries. It has what all have in common, the highest severity, and the
// account of the first.
func Summed(id string, all []Finding) Finding {
	worst := slices.MaxFunc(all, func(a, b Finding) int {
		return cmp.Or(int(a.Severity)-int(b.Severity), rank(a.ID)-rank(b.ID))
	})
	f := base(worst.ID)
	f.Severity, f.Account = worst.Severity, all[0].Account
	for i := range all {
		f.CIS, f.ATTACK = union(f.CIS, all[i].CIS), union(f.ATTACK, all[i].ATTACK)
		if all[i].EventTime.After(f.EventTime) {
			f.EventTime = all[i].EventTime
		}
		if other := all[i].ID; other != f.ID && !slices.Contains(f.Also, other) {
			f.Also = append(f.Also, other)
		}
	}
	if strings.HasPrefix(string(f.ID), "root.") {
		f.roots(all)
	} else {
		f.users(all)
	}
	f.opens(fmt.Sprintf("%s/summary/%s", f.ID, id), f.EventTime)
	return f
}

// rank is which of findings of one severity a summary is named after.
func rank(id ID) int { return slices.Index([]ID{UserMFAPending, UserMFAMissing, RootMFAMissing}, id) }

// Repeated is the finding of several incidents that no one has acknowledged and that
// are sent again in one alert.
func Repeated(id string, all []Finding) Finding {
	f := Summed(id, all)
	f.Title = fmt.Sprintf("%d incidents are unacknowledged", len(all))
	f.Detail = "Each was alerted before, and no one has acknowledged it. All are listed below."
	f.NextStep, f.Actor, f.MFA = stepRepeats, Actor{Type: "AWSService", Name: "rootguard"}, cloudtrail.Unknown
	return f
}

// users fills in a summary about users without MFA.
func (f *Finding) users(all []Finding) {
	var names []string
	resolved, pending, last := 0, 0, 0
	reminders := map[MFADue]bool{}
	accounts := map[string]bool{}
	for i := range all {
		one := &all[i]
		accounts[one.Account] = true
		switch {
		case one.Subject.Phase == PhaseResolved:
			resolved++
			continue
		case one.ID == UserMFAPending:
			pending++
		case one.Severity >= Critical:
			last++
		}
		names = append(names, orUnnamed(one.Target.UserName, one.Target.UserID))
		reminders[MFADue{Reminder: one.MFADue.Reminder, Reminders: one.MFADue.Reminders}] = true
	}
	f.MFA = cloudtrail.No
	open := len(names)
	if open == 0 {
		for i := range all {
			names = append(names, orUnnamed(all[i].Target.UserName, all[i].Target.UserID))
		}
	}
	f.Actor = Actor{Type: "IAM users", Name: some(names)}
	switch {
	case open == 0:
		f.Title, f.NextStep, f.MFA, f.Severity = plural(resolved, "IAM user")+" no longer without MFA", stepNothing, cloudtrail.Unknown, Info
		f.Detail = "Each was reported without MFA, and no longer lacks it. All are listed below."
		return
	case pending == open:
		f.Title = plural(open, "IAM user") + " without MFA, found by the first check"
		f.Detail = "Each has a console password and no MFA, and has until the deadline below; from then on it is reported again."
		f.NextStep = stepUsersPending
		if len(accounts) > 1 {
			f.NextStep = stepUsersPendingOfAccounts
		}
	default:
		f.Title = plural(open, "IAM user") + " still without MFA"
		if last > 0 {
			f.Title += ", last reminder"
		} else if len(reminders) == 1 {
			for due := range reminders {
				if due.Reminder > 0 {
					f.Title += fmt.Sprintf(", reminder %d of %d", due.Reminder, due.Reminders)
				}
			}
		}
		f.Detail = "Each has a console password and no MFA, and the deadline has passed."
		if pending > 0 {
			f.Detail = fmt.Sprintf("Each has a console password and no MFA. The deadline of %d has passed.", open-pending)
		}
		if last > 0 && last < open {
			f.Detail += fmt.Sprintf(" It is the last reminder about %d of them.", last)
		}
		f.NextStep = fmt.Sprintf(stepUsers, shellWord(names[0]))
		if len(accounts) > 1 {
			f.NextStep = stepUsersOfAccounts
		}
	}
	if resolved > 0 {
		f.Detail += fmt.Sprintf(" %s no longer without MFA.", was(resolved))
	}
	f.Detail += " All are listed below."
	if len(accounts) > 1 {
		f.Detail = strings.TrimSuffix(f.Detail, " All are listed below.") + " Accounts are listed below, the worst first."
	}
}

// roots fills in a summary about root users.
func (f *Finding) roots(all []Finding) {
	kinds := map[ID]int{}
	accounts := map[string]bool{}
	for i := range all {
		kinds[all[i].ID]++
		accounts[all[i].Account] = true
	}
	var what []string
	if n := kinds[RootMFAMissing]; n > 0 {
		what = append(what, plural(n, "root user")+" WITHOUT MFA")
	}
	if n := kinds[RootAccessKeyPresent]; n > 0 {
		what = append(what, plural(n, "root user")+" with an access key")
	}
	f.Title = strings.Join(what, ", ") + " (first check)"
	f.Detail = fmt.Sprintf("It was so before rootguard's first check of these %d accounts, or no event was delivered. Each is listed below, with an incident of its own. What is found later is alerted one by one.", len(accounts))
	f.NextStep = stepRoots
	f.Actor = Actor{Type: "Root", Name: "root"}
}

func plural(n int, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return fmt.Sprintf("%d %ss", n, what)
}

func was(n int) string {
	if n == 1 {
		return "1 other is"
	}
	return fmt.Sprintf("%d others are", n)
}

// some names the first of several.
func some(names []string) string {
	list := strings.Join(names[:min(len(names), namesInTitle)], ", ")
	if more := len(names) - namesInTitle; more > 0 {
		list += fmt.Sprintf(" and %d more", more)
	}
	return list
}

// Listed is a finding by what a summary says of it, about the same subject as the
// finding that was summed.
func Listed(id ID, account string, target Target, due MFADue, resolved bool, at time.Time) Finding {
	switch id {
	case UserMFAPending:
		return MFAPending(account, target, at, due.At)
	case UserMFAMissing:
	default:
		return RootLive(id, account, at)
	}
	f := mfaMissing(account, target, due.At, "MFA was due by "+due.At.UTC().Format(time.RFC3339), "")
	switch {
	case resolved:
		return MFAClosed(f, cloudtrail.Unknown, "the user is no longer without MFA", at)
	case due.Reminder > 0:
		return MFAReminder(f, due.Reminder, due.Reminders, at)
	default:
		return f
	}
}
