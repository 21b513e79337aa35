package alert

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"rootguard/internal/detect"
)

// bodyLimit is the most bytes of a JSON body. SNS takes 256 KiB a message
// (Amazon SNS API Reference, Publish); with per-protocol messages the e-mail
// text and the bodies share them, and a body in a JSON string is longer.
const bodyLimit = 64 << 10

// JSON is the machine-readable body: the alert as the package documentation
// describes schema rootguard.alert/1, at most 64 KiB. Text that is too long is
// cut and ends in "..."; actions left out are counted in actions_omitted. A
// time outside the years 0 to 9999 is left out.
func JSON(a Alert) ([]byte, error) {
	a = bound(a)
	for {
		body, err := encode(a)
		if err != nil {
			return nil, fmt.Errorf("encoding alert: %w", err)
		}
		switch {
		case len(body) <= bodyLimit:
			return body, nil
		case a.Summary.listed() > 0:
			a.Summary = a.Summary.kept(a.Summary.listed() * 3 / 4)
		case a.Summary != nil && a.Summary.AckFlags != "":
			a.Summary = &Summary{AccountCount: a.Summary.AccountCount, FindingCount: a.Summary.FindingCount, Accounts: a.Summary.Accounts}
		case len(a.Actions) > 0:
			a = keep(a, len(a.Actions)/2)
		case a.Digest.lines() > 0:
			a.Digest = a.Digest.halved()
		case a.Digest != nil && len(a.Digest.Sections) > 0:
			short := *a.Digest
			short.Sections = short.Sections[:len(short.Sections)/2]
			a.Digest = &short
		default:
			return body, nil
		}
	}
}

// encode writes v on one line, "<" and "&" as they are: no browser reads it.
func encode(v any) ([]byte, error) {
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(v); err != nil {
		return nil, err
	}
	return bytes.TrimSuffix(b.Bytes(), []byte("\n")), nil
}

// The limits of fields, in bytes. Those of all but the actions add up to less
// than bodyLimit/6, since one byte takes at most six in JSON.
const (
	wordLimit = 64  // codes
	nameLimit = 256 // what people or AWS called something
	arnLimit  = 768
	textLimit = 1536
)

// bound is the alert with every field within its limit.
func bound(a Alert) Alert {
	a.Schema = Schema
	a.Version = trim(a.Version, wordLimit)
	a.ID, a.Kind, a.AccountName = trim(a.ID, nameLimit), Kind(trim(string(a.Kind), wordLimit)), trim(a.AccountName, nameLimit)
	a.Deadline, a.FirstTime, a.LastTime = utc(a.Deadline), utc(a.FirstTime), utc(a.LastTime)
	a = keep(a, 200)
	actions := make([]Action, len(a.Actions))
	for i, act := range a.Actions {
		actions[i] = BoundAction(act)
	}
	if a.Actions = actions; len(actions) == 0 {
		a.Actions = nil
	}
	a.Finding, a.Digest, a.Summary = BoundFinding(a.Finding), a.Digest.bounded(), a.Summary.kept(summaryItems)
	if in := a.Incident; in != nil {
		short := *in
		short.ID, short.AcknowledgedBy = trim(in.ID, wordLimit), trim(in.AcknowledgedBy, nameLimit)
		short.SnoozedBy, short.SnoozedUntil, short.AckFlags = trim(in.SnoozedBy, nameLimit), utc(in.SnoozedUntil), trim(in.AckFlags, nameLimit)
		short.Opened, short.First, short.AcknowledgedAt = utc(in.Opened), utc(in.First), utc(in.AcknowledgedAt)
		if r := in.Reopened; r != nil {
			short.Reopened = &Reopened{Title: trim(r.Title, 2*nameLimit), At: utc(r.At), AcknowledgedBy: trim(r.AcknowledgedBy, nameLimit),
				AcknowledgedAt: utc(r.AcknowledgedAt)}
		}
		a.Incident = &short
	}
	return a
}

// BoundAction is the action as JSON shows it: long text is cut and ends in "...".
func BoundAction(a Action) Action {
	return Action{Name: trim(a.Name, 2*wordLimit), Target: trim(a.Target, nameLimit), Count: a.Count}
}

// BoundFinding is the finding as JSON shows it, in at most 64 KiB: long text is
// cut and ends in "...", a time outside the years 0 to 9999 is left out.
func BoundFinding(f detect.Finding) detect.Finding {
	f.ID, f.Title = detect.ID(trim(string(f.ID), wordLimit)), trim(f.Title, 2*nameLimit)
	f.Detail, f.NextStep = trim(f.Detail, textLimit), trim(f.NextStep, 2*nameLimit)
	f.Also, f.CIS, f.ATTACK = words(f.Also), words(f.CIS), words(f.ATTACK)
	f.Account, f.Region, f.EventTime = trim(f.Account, wordLimit), trim(f.Region, wordLimit), utc(f.EventTime)
	f.EventID, f.EventSource, f.EventName = trim(f.EventID, nameLimit), trim(f.EventSource, nameLimit), trim(f.EventName, nameLimit)
	f.ErrorCode, f.SourceIP, f.UserAgent = trim(f.ErrorCode, nameLimit), trim(f.SourceIP, nameLimit), trim(f.UserAgent, 1024)
	f.Subject.ID, f.Subject.Began = trim(f.Subject.ID, nameLimit), utc(f.Subject.Began)
	f.Subject.Phase = detect.Phase(trim(string(f.Subject.Phase), wordLimit))
	f.Session, f.MFADue.At = trim(f.Session, arnLimit), utc(f.MFADue.At)
	if an := f.Announced; an != nil {
		short := *an
		short.ID, short.Owner, short.Reason, short.Until = trim(an.ID, wordLimit), trim(an.Owner, nameLimit), trim(an.Reason,
			nameLimit), utc(an.Until)
		f.Announced = &short
	}
	f.Actor = detect.Actor{Type: trim(f.Actor.Type, wordLimit), Name: trim(f.Actor.Name, nameLimit), ARN: trim(f.Actor.ARN, arnLimit),
		PrincipalID: trim(f.Actor.PrincipalID, nameLimit), AccessKeyID: trim(f.Actor.AccessKeyID, nameLimit)}
	f.Target = detect.Target{UserName: trim(f.Target.UserName, nameLimit), UserID: trim(f.Target.UserID, nameLimit),
		Resource: trim(f.Target.Resource, 2*nameLimit)}
	return f
}

// keep is the alert with its first n actions, the events of the others counted.
func keep(a Alert, n int) Alert {
	n = min(n, len(a.Actions))
	_, a.ActionsOmitted = rest(a, n)
	a.Actions = a.Actions[:n]
	return a
}

// trim is s as valid UTF-8 of at most limit bytes.
func trim(s string, limit int) string {
	s = strings.ToValidUTF8(s, "\uFFFD")
	if len(s) <= limit {
		return s
	}
	return head(s, limit-3) + "..."
}

// words is a list of at most ten short words, nil where it is empty.
func words[S ~string](in []S) []S {
	if len(in) == 0 {
		return nil
	}
	in = in[:min(len(in), 10)]
	out := make([]S, 0, len(in))
	for _, w := range in {
		out = append(out, S(trim(string(w), 40)))
	}
	return out
}

// utc is the time in UTC, zero where JSON cannot say it.
func utc(t time.Time) time.Time {
	t = t.UTC()
	if t.Year() < 0 || t.Year() > 9999 {
		return time.Time{}
	}
	return t
}
