package alert

import (
	"fmt"
	"time"
)

// Line is the alert on one line of at most 400 characters for a terminal,
// without color:
//
//	2026-01-02 03:04:05Z CRITICAL root.signin.no_mfa          123456789012 prod-billing  root from 198.51.100.7  Root sign-in WITHOUT MFA
func Line(a Alert) string {
	f := &a.Finding
	account := accountID(a)
	if name := clean(a.AccountName, 40); name != "" {
		account += " " + name
	}
	who := actorName(f.Actor)
	if ip := clean(f.SourceIP, 60); ip != "" {
		who += " from " + ip
	}
	return cut(fmt.Sprintf("%-20s %-8s %-26s %s  %s  %s%s", stamp(when(a), "2006-01-02 15:04:05Z"),
		severity(a), clean(string(f.ID), 40), account, who, clean(title(a), 120), repeated(a)), 400)
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
