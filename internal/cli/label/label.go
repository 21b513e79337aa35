// Package label has the words in which the command line and the HTML report
// speak of steps, states and times.
package label

import (
	"fmt"
	"strings"
	"time"
	"unicode"

	"rootguard/internal/bootstrap"
)

// Step says what a step is about, as a statement that is true when it is done.
func Step(s bootstrap.Step) string { return s.Words() }

// State is a state in plain words.
func State(s bootstrap.State) string {
	if s == bootstrap.NotApplicable {
		return "not needed"
	}
	return string(s)
}

// Glyph is the tick of a state: one column wide, in ASCII where unicode is false.
func Glyph(s bootstrap.State, isUnicode bool) string {
	switch s {
	case bootstrap.Done:
		return pick(isUnicode, "✔", "+")
	case bootstrap.Regressed:
		return pick(isUnicode, "✘", "x")
	case bootstrap.Pending:
		return pick(isUnicode, "○", "o")
	case bootstrap.NotApplicable:
		return pick(isUnicode, "–", "-")
	default:
		return "?"
	}
}

func pick(first bool, a, b string) string {
	if first {
		return a
	}
	return b
}

// MFA is the state of a user's MFA in plain words.
func MFA(s bootstrap.MFAState) string {
	switch s {
	case bootstrap.MFANotNeeded:
		return "not needed (no console password)"
	case bootstrap.MFAPending:
		return "awaited"
	case bootstrap.MFAMissing:
		return "missing, deadline passed"
	case bootstrap.MFAOn:
		return "on"
	default:
		return "unknown"
	}
}

// AwaitsMFA reports whether a user is there, can sign in and has no MFA.
func AwaitsMFA(u bootstrap.UserStatus) bool { return u.AwaitsMFA() }

// Progress counts the steps that are done and those that apply.
func Progress(s bootstrap.Status) (done, applicable int) {
	for _, step := range s.Steps {
		if step.State != bootstrap.NotApplicable {
			applicable++
		}
		if step.State == bootstrap.Done {
			done++
		}
	}
	return done, applicable
}

// Verdict is an account's status in a few words.
func Verdict(s bootstrap.Status) string {
	regressed := 0
	for _, step := range s.Steps {
		if step.State == bootstrap.Regressed {
			regressed++
		}
	}
	switch {
	case regressed == 1:
		return "1 step regressed"
	case regressed > 1:
		return fmt.Sprintf("%d steps regressed", regressed)
	case s.Bootstrapped:
		return "bootstrapped"
	case s.NoRootCredentials:
		return "no root credentials, not bootstrapped yet"
	default:
		return "not bootstrapped yet"
	}
}

// Time is a moment in UTC to the second, or "never" for the zero time.
func Time(t time.Time) string {
	if t.IsZero() {
		return "never"
	}
	return t.UTC().Format("2006-01-02 15:04:05") + " UTC"
}

// Span is a duration in its largest unit: "40 s", "12 min", "5 h", "36 d".
func Span(d time.Duration) string {
	switch d = d.Abs(); {
	case d < time.Minute:
		return fmt.Sprintf("%d s", int(d.Seconds()))
	case d < time.Hour:
		return fmt.Sprintf("%d min", int(d.Minutes()))
	case d < 48*time.Hour:
		return fmt.Sprintf("%d h", int(d.Hours()))
	default:
		return fmt.Sprintf("%d d", int(d.Hours()/24))
	}
}

// Deadline says how a grace deadline relates to asOf.
func Deadline(deadline, asOf time.Time) string {
	switch {
	case deadline.IsZero():
		return "no deadline"
	case asOf.Before(deadline):
		return "due by " + Time(deadline) + ", in " + Span(deadline.Sub(asOf))
	default:
		return "was due by " + Time(deadline) + ", " + Span(asOf.Sub(deadline)) + " ago"
	}
}

// Clean makes text from a log safe to print on a line of a terminal: characters
// that steer it, or that reorder text, become "\uXXXX" or "\xXX".
func Clean(s string) string { return escape(s, unsafeRune) }

// CleanText is Clean for text of many lines.
func CleanText(s string) string {
	return escape(s, func(r rune) bool { return r != '\n' && r != '\t' && unsafeRune(r) })
}

func escape(s string, unsafe func(rune) bool) string {
	if !strings.ContainsFunc(s, unsafe) {
		return s
	}
	var b strings.Builder
	for _, r := range s {
		switch {
		case !unsafe(r):
			b.WriteRune(r)
		case r < 0x100:
			fmt.Fprintf(&b, `\x%02x`, r)
		default:
			fmt.Fprintf(&b, `\u%04x`, r)
		}
	}
	return b.String()
}

// unsafeRune reports whether a character could steer a terminal or reorder text.
func unsafeRune(r rune) bool {
	return unicode.IsControl(r) || unicode.In(r, unicode.Cf, unicode.Zl, unicode.Zp) || r == unicode.ReplacementChar
}
