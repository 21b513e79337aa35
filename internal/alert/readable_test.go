package alert

import (
	"strings"
	"testing"
	"time"

	"rootguard/internal/detect"
)

// TestRollUpIsAboutItsOwn holds that a roll-up of what rootguard found names those
// in it, wherever a person reads it, and not the one that was alerted before.
func TestRollUpIsAboutItsOwn(t *testing.T) {
	since := time.Date(2026, 3, 1, 9, 15, 0, 0, time.UTC)
	first := detect.MFAMissing("210987654321", detect.Target{UserName: "before", UserID: "AIDABEFORE"}, since, since.Add(24*time.Hour), "password by CreateLoginProfile")
	for name, f := range map[string]detect.Finding{
		"missing": first, "reminder": detect.MFAReminder(first, 1, 3, since.Add(25*time.Hour)), "closed": detect.MFAClosed(first, 0, "", since.Add(26*time.Hour)),
		"quarantined": detect.Quarantined("210987654321", first.Target, since, detect.QuarantineDone, "c", since, since),
	} {
		for _, users := range [][]string{{"carol"}, {"carol", "dave"}} {
			a := Alert{Kind: RollUp, Finding: f, Count: len(users), FirstTime: since, LastTime: since.Add(time.Hour)}
			for _, u := range users {
				a.Actions = append(a.Actions, Action{Target: u, Count: 1})
			}
			q, err := AmazonQ(a)
			if err != nil {
				t.Fatal(err)
			}
			event := Text(a)
			text, _, _ := strings.Cut(event, f.EventID[:20]) // the last line is of the event that opened it
			for where, got := range map[string]string{"subject": Subject(a), "text": text, "line": Line(a), "amazon q": strings.ReplaceAll(string(q), f.EventID, "")} {
				for _, u := range users {
					if !strings.Contains(got, u) {
						t.Errorf("%s of %d, %s does not name %s: %s", name, len(users), where, u, got)
					}
				}
				if strings.Contains(got, "before") || strings.Contains(got, "AIDABEFORE") {
					t.Errorf("%s of %d, %s is about who was alerted before: %s", name, len(users), where, got)
				}
				if strings.Contains(got, ", 1 more") || strings.Contains(got, "session") {
					t.Errorf("%s of %d, %s counts events of a session: %s", name, len(users), where, got)
				}
			}
		}
	}
	// Near-misses: calls in a session, and one finding alone.
	if a := samples()["root_activity_roll_up"]; lists(a) {
		t.Error("calls are listed as what rootguard found")
	}
	if a := (Alert{Kind: First, Finding: first}); lists(a) || !strings.Contains(Subject(a), "before") {
		t.Errorf("one finding: %s", Subject(a))
	}
}

func TestCheckWords(t *testing.T) {
	for id, want := range map[string][2]string{
		"trail": {"CloudTrail trail", "no trail logs what rootguard needs"}, "queue.undelivered": {"delivery of events", "events could not be delivered"},
		"queue.eu-west-1":   {"forwarding of events from eu-west-1", "events could not be forwarded from eu-west-1"},
		"rule.root-sign-in": {"EventBridge rule root-sign-in", "EventBridge rule root-sign-in"}, "heartbeat.iamuser": {"heartbeat of function iamuser", "no heartbeat from function iamuser"},
		"quarantine of bob": {"quarantine of bob", "quarantine of bob"}, "rule.": {"rule.", "rule."}, "": {"", ""},
	} {
		if got := [2]string{checkWords(id), failing(id)}; got != want {
			t.Errorf("%s: %q, want %q", id, got, want)
		}
	}
}

// TestOneDateFormat holds that a mail writes every time in the same way, apart from
// those in identifiers and commands.
func TestOneDateFormat(t *testing.T) {
	for name, a := range samples() {
		text := Text(a)
		if i := strings.LastIndex(text, string(a.Finding.ID)+" | event"); i >= 0 {
			text = text[:i]
		}
		if at := stamped().FindString(text + Subject(a)); at != "" {
			t.Errorf("%s has a time as %s:\n%s", name, at, text)
		}
	}
}
