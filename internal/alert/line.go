package alert

import (
	"fmt"
	"time"

	"rootguard/internal/detect"
)

// Line is the alert on one line of at most 400 characters for a terminal,
// without color:
//
//	2026-01-02 03:04:05Z CRITICAL root.signin.no_mfa          123456789012 prod-billing  root from 198.51.100.7  Root sign-in WITHOUT MFA
func Line(a Alert) string {
	account, who, what := parts(a)
	return cut(fmt.Sprintf("%-20s %-8s %-26s %s  %s  %s", stamp(when(a), lineTime), severity(a), findingID(a.Finding.ID), account, who, what),
		400)
}

// Pair is the same on two lines, for a terminal on which Line does not fit:
//
//	2026-01-02 03:04:05Z CRITICAL root.signin.no_mfa  123456789012 prod-billing
//	Root sign-in WITHOUT MFA, root from 198.51.100.7
func Pair(a Alert) (head, body string) {
	account, who, what := parts(a)
	head = fmt.Sprintf("%-20s %-8s %s  %s", stamp(when(a), lineTime), severity(a), findingID(a.Finding.ID), account)
	return cut(head, 200), cut(what+", "+who, 200)
}

const lineTime = "2006-01-02 15:04:05Z"

func parts(a Alert) (account, who, what string) {
	times := repeated(a)
	if a.Finding.ID == detect.GuardUnhealthy || lists(a) {
		a = readable(a)
	}
	f := &a.Finding
	if account = accountsOf(a); account != "" {
		return account, who, display(title(a), 120) + times
	}
	account = accountID(a)
	if name := display(a.AccountName, 40); name != "" {
		account += " " + name
	}
	who = actorName(f.Actor)
	if ip := origin(f.SourceIP, 60); ip != "" {
		who += " from " + ip
	}
	return account, who, display(title(a), 120) + times + since(a)
}

// since is " (from 09:06:03)" where an alert is about events from then on.
func since(a Alert) string {
	first, last := a.FirstTime, a.LastTime
	if !several(a) || first.IsZero() || !first.Before(last) {
		return ""
	}
	layout := second
	if stamp(first, time.DateOnly) != stamp(last, time.DateOnly) {
		layout = time.DateOnly + " " + second
	}
	return " (from " + stamp(first, layout) + ")"
}

// when is the time an alert is about: the last event of several.
func when(a Alert) time.Time {
	if several(a) && !a.LastTime.IsZero() {
		return a.LastTime
	}
	return a.Finding.EventTime
}

// stamp writes a time in UTC.
func stamp(t time.Time, layout string) string {
	if t.IsZero() {
		return "time not recorded"
	}
	return t.UTC().Format(layout)
}
