package detect

import (
	"strings"
	"testing"
	"time"
)

func TestFault(t *testing.T) {
	since := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	fault := Fault{Account: "111122223333", Region: "us-east-1", Check: "trail", Since: since, Severity: Critical,
		Why: "The trail does not log.", Fix: "aws cloudtrail start-logging --name main"}
	f := FaultFound(fault)
	if f.ID != GuardUnhealthy || f.Severity != Critical || f.Title != "Guardrail unhealthy: trail" ||
		f.Detail != "The trail does not log; since 2026-01-02T03:04:05Z." || f.NextStep != fault.Fix ||
		f.Account != "111122223333" || f.Region != "us-east-1" || f.Target.Resource != "trail" || !f.EventTime.Equal(since) {
		t.Errorf("%+v", f)
	}
	reworded := fault
	reworded.Why, reworded.Fix, reworded.Severity = "Still.", strings.Repeat("long ", 50)+"END", High
	long := FaultFound(reworded)
	if long.EventID != f.EventID {
		t.Error("the same fault in other words is another event")
	}
	if !strings.Contains(long.NextStep, "rootguard doctor") || !strings.Contains(long.Detail, "fix: long") || !strings.Contains(long.Detail, "END") {
		t.Errorf("a fix too long for a line is lost: %q, %q", long.NextStep, long.Detail)
	}
	reworded.Fix = ""
	if FaultFound(reworded).NextStep != entry(GuardUnhealthy).NextStep {
		t.Error("a fault without a fix has no next step")
	}
	change := func(change func(*Fault)) Finding {
		other := fault
		change(&other)
		return FaultFound(other)
	}
	at := since.Add(25 * time.Hour)
	unchecked := change(func(f *Fault) { f.Unchecked = true })
	closed, reminder := FaultClosed(fault, at), FaultReminder(f, 1, at)
	ids := map[string]string{f.EventID: "the fault"}
	for name, other := range map[string]Finding{
		"another time":    change(func(f *Fault) { f.Since = at }),
		"another check":   change(func(f *Fault) { f.Check = "queue" }),
		"another account": change(func(f *Fault) { f.Account = "222233334444" }),
		"another Region":  change(func(f *Fault) { f.Region = "eu-north-1" }),
		"unchecked":       unchecked,
		"another nonce":   change(func(f *Fault) { f.Nonce = "X7" }),
		"closed":          closed,
		"day 1":           reminder,
		"day 2":           FaultReminder(f, 2, at),
		"worse":           FaultWorse(f, at),
	} {
		if same := ids[other.EventID]; same != "" {
			t.Errorf("%s and %s have one event ID, %s", name, same, other.EventID)
		}
		ids[other.EventID] = name
	}
	if unchecked.Title != "Guardrail cannot be checked: trail" {
		t.Errorf("unchecked: %q", unchecked.Title)
	}
	if closed.Severity != Info || closed.Title != "Guardrail healthy again: trail" || closed.Detail != "Closed. It was: "+f.Detail || !closed.EventTime.Equal(at) {
		t.Errorf("closed: %+v", closed)
	}
	fault.Unchecked = true
	if over := FaultClosed(fault, at); over.Title != "Guardrail can be checked again: trail" {
		t.Errorf("what could not be checked is called well: %q", over.Title)
	}
	if reminder.Title != "Guardrail unhealthy: trail, for 1 day" || reminder.Severity != Critical || !reminder.EventTime.Equal(at) {
		t.Errorf("reminder: %+v", reminder)
	}
}
