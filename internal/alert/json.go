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
		if len(body) <= bodyLimit || len(a.Actions) == 0 {
			return body, nil
		}
		a = keep(a, len(a.Actions)/2)
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

// bound is the alert with every field within its limit, in bytes. The limits of
// all but the actions add up to less than bodyLimit/6, since one byte takes at
// most six in JSON.
func bound(a Alert) Alert {
	const (
		word = 64  // codes
		name = 256 // what people or AWS called something
		arn  = 768
		text = 1536
	)
	a.Schema = Schema
	a.ID, a.Kind, a.AccountName = trim(a.ID, name), Kind(trim(string(a.Kind), word)), trim(a.AccountName, name)
	a.Deadline, a.FirstTime, a.LastTime = utc(a.Deadline), utc(a.FirstTime), utc(a.LastTime)
	a = keep(a, 200)
	actions := make([]Action, len(a.Actions))
	for i, act := range a.Actions {
		actions[i] = Action{Name: trim(act.Name, 2*word), Target: trim(act.Target, name), Count: act.Count}
	}
	if a.Actions = actions; len(actions) == 0 {
		a.Actions = nil
	}

	f := a.Finding
	f.ID, f.Title, f.Detail, f.NextStep = detect.ID(trim(string(f.ID), word)), trim(f.Title, 2*name), trim(f.Detail, text), trim(f.NextStep, 2*name)
	f.Also, f.CIS, f.ATTACK = words(f.Also), words(f.CIS), words(f.ATTACK)
	f.Account, f.Region, f.EventTime = trim(f.Account, word), trim(f.Region, word), utc(f.EventTime)
	f.EventID, f.EventSource, f.EventName = trim(f.EventID, name), trim(f.EventSource, name), trim(f.EventName, name)
	f.ErrorCode, f.SourceIP, f.UserAgent = trim(f.ErrorCode, name), trim(f.SourceIP, name), trim(f.UserAgent, 1024)
	f.Session = trim(f.Session, arn)
	f.Actor = detect.Actor{Type: trim(f.Actor.Type, word), Name: trim(f.Actor.Name, name), ARN: trim(f.Actor.ARN, arn),
		PrincipalID: trim(f.Actor.PrincipalID, name), AccessKeyID: trim(f.Actor.AccessKeyID, name)}
	f.Target = detect.Target{UserName: trim(f.Target.UserName, name), UserID: trim(f.Target.UserID, name), Resource: trim(f.Target.Resource, 2*name)}
	a.Finding = f
	return a
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
