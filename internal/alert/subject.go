package alert

import (
	"strconv"
	"strings"

	"rootguard/internal/detect"
)

// subjectLimit is the length of an SNS subject: ASCII, fewer than 100
// characters (Amazon SNS API Reference, Publish).
const subjectLimit = 99

// shortName is how far an account name is shortened before the title is.
const shortName = 12

// Subject is the subject of the e-mail, such as
//
//	[CRITICAL] Root sign-in WITHOUT MFA - prod-billing (123456789012)
//
// It keeps the limits of SNS for any input: printable ASCII, fewer than 100
// characters, no line break, "[" first. Where it is too long the account name
// is shortened, then the title; severity, count and account ID stay.
func Subject(a Alert) string {
	const sep = " - "
	times := repeated(a)
	a = readable(a)
	front := "[" + severity(a) + "] "
	account := ascii(a.Finding.Account, 20)
	title, name := ascii(title(a), subjectLimit), ascii(a.AccountName, subjectLimit)
	if title == "" {
		title = "alert"
	}
	if account == "" {
		account = "unknown account"
	}
	if several := accountsOf(a); several != "" {
		account, name = several, ""
	}
	switch {
	case name == account:
		name = ""
	case name != "":
		account = "(" + account + ")"
	}

	room := subjectLimit - len(front) - len(times) - len(sep) - len(account)
	if name != "" {
		room-- // the space before the account
		name = cut(name, max(shortName, room-len(title))) + " "
	}
	title = cut(title, room-len(strings.TrimSpace(name)))
	return front + title + times + sep + name + account
}

// severity in capitals.
func severity(a Alert) string { return strings.ToUpper(a.Finding.Severity.String()) }

// title is the finding's title, with the target where the last part of its name
// is not in it. It may hold text from a log.
func title(a Alert) string {
	f := &a.Finding
	target := f.Target.UserName
	if target == "" {
		target = local(f.Target.Resource)
	}
	switch {
	case f.Title == "":
		return string(f.ID)
	case target == "" || f.ID == detect.GuardUnhealthy || strings.Contains(f.Title, target[strings.LastIndexAny(target, "/:")+1:]):
		return f.Title
	default:
		return f.Title + ": " + target
	}
}

// local is the last part of an ARN ("trail/management"), what is no ARN as it is.
func local(resource string) string {
	if part := strings.SplitN(head(resource, 2048), ":", 6); len(part) == 6 && part[0] == "arn" && part[5] != "" {
		return part[5]
	}
	return resource
}

// several reports whether the alert is about more than its finding's event.
func several(a Alert) bool { return a.Kind == RollUp || a.Kind == Escalation }

// repeated counts several events: ", 538 more" on a roll-up, since their
// first was alerted before, " x5" on an escalation and where none was. A roll-up that
// lists what it is about has that in its title.
func repeated(a Alert) string {
	switch {
	case lists(a):
		return ""
	case a.Kind == RollUp && a.Count > 0 && !a.Late:
		return ", " + strconv.Itoa(a.Count) + " more"
	case several(a) && a.Count > 1:
		return " x" + strconv.Itoa(a.Count)
	default:
		return ""
	}
}
