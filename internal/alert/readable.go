package alert

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	"rootguard/internal/detect"
	"rootguard/internal/lazyre"
)

// readable is the alert as people read it: a roll-up of what rootguard itself found is
// about those in it and not about the one that was alerted before them, a check has
// a name in words, and times are written as everywhere in the mail.
func readable(a Alert) Alert {
	f := &a.Finding
	if f.ID == detect.GuardUnhealthy {
		check := f.Target.Resource
		f.Title = strings.ReplaceAll(f.Title, unhealthy+check, unhealthy+failing(check))
		f.Title = strings.ReplaceAll(f.Title, ": "+check, ": "+checkWords(check))
		a.Actions = append([]Action(nil), a.Actions...)
		for i := range a.Actions {
			a.Actions[i].Target = checkWords(a.Actions[i].Target)
		}
	}
	if lists(a) {
		a.Finding = listed(a)
	}
	f.Title, f.Detail, f.NextStep = dated(f.Title), dated(f.Detail), dated(f.NextStep)
	return a
}

const unhealthy = "Guardrail unhealthy: "

// lists reports whether an alert is a roll-up of what rootguard itself found, whose
// targets distinguish the findings in it.
func lists(a Alert) bool {
	return a.Kind == RollUp && a.Finding.Synthetic() && len(a.Actions) > 0 &&
		!slices.ContainsFunc(a.Actions, func(act Action) bool { return act.Name != "" || act.Target == "" })
}

// namesShown is how many of those in a roll-up its headline names.
const namesShown = 3

// listed is the finding of a roll-up, about all that it lists.
func listed(a Alert) detect.Finding {
	f := a.Finding
	shown := a.Actions[:min(len(a.Actions), namesShown)]
	names := make([]string, 0, len(shown))
	for _, act := range shown {
		names = append(names, act.Target)
	}
	of := len(a.Actions) + a.ActionsOmitted
	list := strings.Join(names, ", ")
	if of > len(names) {
		list += fmt.Sprintf(" and %d more", of-len(names))
	}
	kind, _, _ := strings.Cut(f.Title, ": ")
	f.Target, f.Detail = detect.Target{}, "All are listed below."
	if !strings.HasPrefix(string(f.ID), "user.") {
		f.Title = kind + ": " + list
		return f
	}
	f.Actor = detect.Actor{Type: "IAMUser", Name: list}
	if of > 1 {
		f.Actor.Type, kind = "IAM users", strings.Replace(kind, "IAM user ", "IAM users ", 1)
	}
	f.Title = kind + ": " + list
	switch {
	case f.Subject.Phase == detect.PhaseResolved:
	case f.ID == detect.UserMFAMissing:
		f.Detail = "Each has a console password and no MFA, and the deadline has passed. All are listed below."
		f.NextStep = "Have each enable MFA today, or delete the console password: aws iam delete-login-profile --user-name " + word1(names[0])
		if of > 1 {
			f.NextStep += ", and so on"
		}
		f.NextStep += "."
	case f.ID == detect.UserQuarantined:
		f.NextStep = "Have each sign in and enable MFA, which ends it; in an emergency: rootguard release " + word1(names[0]) +
			" --account " + f.Account + " --reason TEXT."
	}
	return f
}

// word1 is a user's name as a command takes it.
func word1(name string) string {
	if strings.Trim(name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789+=,.@_-") != "" {
		return "NAME"
	}
	return name
}

// checks are the checks of rootguard itself in words, and what is wrong where one
// fails. A name that ends in a dot goes on, and the words then have what follows.
var checks = []struct{ id, words, wrong string }{
	{"trail", "CloudTrail trail", "no trail logs what rootguard needs"},
	{"queue.undelivered", "delivery of events", "events could not be delivered"},
	{"queue.failed", "handling of events", "events could not be handled"},
	{"queue.forward", "forwarding of events", "events could not be forwarded"},
	{"queue.", "forwarding of events from ", "events could not be forwarded from "},
	{"rules", "EventBridge rules", ""},
	{"rule.", "EventBridge rule ", ""},
	{"targets.", "targets of the rules in ", ""},
	{"target.", "target of rule ", ""},
	{"permission.", "permission to call function ", ""},
	{"function.", "function ", ""},
	{"code.", "code of function ", ""},
	{"role.", "role of function ", ""},
	{"failures.", "queue for failures of function ", ""},
	{"heartbeat.", "heartbeat of function ", "no heartbeat from function "},
	{"table.policy", "policy of the table", ""},
	{"table.protection", "protection of the table", ""},
	{"table", "DynamoDB table", ""},
	{"topic.", "SNS topic of ", ""},
	{"receivers.", "receivers of topic ", ""},
	{"unsubscribe.", "unsubscribe links of topic ", ""},
	{"key", "key of the topics", ""},
	{"sms", "text messages", ""},
	{"alarms.muted", "mute rules of the alarms", "alarms are muted"},
	{"alarms", "CloudWatch alarms", ""},
	{"bus", "event bus", ""},
	{"sweep", "function sweep", "function sweep does not run"},
	{"rollups", "sending of roll-ups", "roll-ups were not sent"},
	{"forwarder.", "forwarder in ", "no events are forwarded from "},
	{"regions", "forwarders of all Regions", "Regions without a forwarder"},
	{"second.rules", "rules of the second way out", ""},
	{"second.topic", "topic of the second way out", ""},
	{"second", "second way out", ""},
	{"lost.", "messages of queue ", "messages were lost from queue "},
}

// checkWords names a check in words, as it is where it is not known.
func checkWords(id string) string {
	words, _ := describe(id)
	return words
}

// failing says in words what is wrong where a check fails.
func failing(id string) string {
	words, wrong := describe(id)
	return cmp.Or(wrong, words)
}

func describe(id string) (words, wrong string) {
	for _, c := range checks {
		on := strings.HasSuffix(c.id, ".")
		if id == c.id && !on {
			return c.words, c.wrong
		}
		rest, ok := strings.CutPrefix(id, c.id)
		if !ok || rest == "" || !on {
			continue
		}
		if wrong = c.wrong; wrong != "" {
			wrong += rest
		}
		return c.words + rest, wrong
	}
	return id, ""
}

// stamped finds the times that findings have in their text.
var stamped = lazyre.New(`\b\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,9})?Z\b`)

// dated writes the times in a text as the lines of Text have theirs.
func dated(s string) string {
	return stamped().ReplaceAllStringFunc(s, func(text string) string {
		t, err := time.Parse(time.RFC3339, text)
		if err != nil {
			return text
		}
		return full(t)
	})
}
