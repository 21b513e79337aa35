package detect

import (
	"encoding/json"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"rootguard/internal/cloudtrail"
)

func TestMFAMissing(t *testing.T) {
	since := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	deadline := since.Add(24 * time.Hour)
	bob := Target{UserName: "bob", UserID: "AIDABOB"}
	f := MFAMissing("111122223333", bob, since, deadline, "password by CreateLoginProfile")
	if f.ID != UserMFAMissing || f.Severity != High || f.Title != "IAM user still without MFA: bob" || f.Account != "111122223333" ||
		f.Target != bob || f.MFA != cloudtrail.No || !f.EventTime.Equal(deadline) || f.NextStep == "" {
		t.Errorf("%+v", f)
	}
	if want := "Console password since 2026-01-02T03:04:05Z, MFA was due by 2026-01-03T03:04:05Z; password by CreateLoginProfile."; f.Detail != want {
		t.Errorf("got %q, want %q", f.Detail, want)
	}
	if want := "user.mfa.missing/111122223333/AIDABOB/2026-01-03T03:04:05Z"; f.EventID != want {
		t.Errorf("got %q, want %q", f.EventID, want)
	}
	same := MFAMissing("111122223333", Target{UserName: "renamed", UserID: "AIDABOB"}, since, deadline.In(time.FixedZone("", 3600)), "")
	if same.EventID != f.EventID {
		t.Errorf("the same user and deadline give %q and %q", same.EventID, f.EventID)
	}
	for name, other := range map[string]Finding{
		"account":  MFAMissing("444455556666", bob, since, deadline, ""),
		"user":     MFAMissing("111122223333", Target{UserName: "bob", UserID: "AIDABOB2"}, since, deadline, ""),
		"deadline": MFAMissing("111122223333", bob, since, deadline.Add(time.Hour), ""),
		"name":     MFAMissing("111122223333", Target{UserName: "bob"}, since, deadline, ""),
	} {
		if other.EventID == f.EventID {
			t.Errorf("another %s gives the same event ID", name)
		}
	}
}

func TestMFAReminder(t *testing.T) {
	deadline := time.Date(2026, 1, 3, 3, 4, 5, 0, time.UTC)
	f := MFAMissing("111122223333", Target{UserName: "bob", UserID: "AIDABOB"}, deadline.Add(-24*time.Hour), deadline, "")
	ids := map[string]bool{f.EventID: true}
	for n, severity := range []Severity{High, High, Critical} {
		at := deadline.Add(time.Duration(n+1) * time.Hour)
		r := MFAReminder(f, n+1, 3, at)
		if r.ID != UserMFAMissing || r.Severity != severity || r.Title != fmt.Sprintf("IAM user still without MFA, reminder %d of 3: bob", n+1) ||
			!r.EventTime.Equal(at) || r.Detail != f.Detail || r.MFA != cloudtrail.No || r.Session == "" {
			t.Errorf("reminder %d: %+v", n+1, r)
		}
		ids[r.EventID] = true
	}
	if f.Severity != High || f.Session != "" {
		t.Errorf("the first alert changed: %+v", f)
	}
	closed := MFAClosed(f, cloudtrail.Yes, "the user has MFA", deadline.Add(2*time.Hour))
	if closed.Severity != Info || closed.Title != "IAM user no longer without MFA: bob" || closed.MFA != cloudtrail.Yes || !closed.EventTime.Equal(deadline.Add(2*time.Hour)) ||
		closed.Detail != "Closed: the user has MFA; Console password since 2026-01-02T03:04:05Z, MFA was due by 2026-01-03T03:04:05Z." {
		t.Errorf("closed: %+v", closed)
	}
	ids[closed.EventID] = true
	if len(ids) != 5 {
		t.Errorf("event IDs are not unique: %v", ids)
	}
}

func TestUnhealthy(t *testing.T) {
	since := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	fault := Fault{Account: "111122223333", Region: "us-east-1", Check: "trail", Since: since, Severity: Critical,
		Why: "The trail does not log.", Fix: "aws cloudtrail start-logging --name main"}
	f := Unhealthy(fault)
	if f.ID != GuardUnhealthy || f.Severity != Critical || f.Title != "Guardrail unhealthy: trail" ||
		f.Detail != "The trail does not log; so since 2026-01-02T03:04:05Z." || f.NextStep != fault.Fix ||
		f.Account != "111122223333" || f.Region != "us-east-1" || f.Target.Resource != "trail" || !f.EventTime.Equal(since) {
		t.Errorf("%+v", f)
	}
	reworded := fault
	reworded.Why, reworded.Fix, reworded.Severity = "Still.", strings.Repeat("long ", 50)+"END", High
	long := Unhealthy(reworded)
	if long.EventID != f.EventID {
		t.Error("the same fault in other words is another event")
	}
	if !strings.Contains(long.NextStep, "rootguard doctor") || !strings.Contains(long.Detail, "to mend it: long") || !strings.Contains(long.Detail, "END") {
		t.Errorf("a fix too long for a line is lost: %q, %q", long.NextStep, long.Detail)
	}
	reworded.Fix = ""
	if Unhealthy(reworded).NextStep != entry(GuardUnhealthy).NextStep {
		t.Error("a fault without a fix has no next step")
	}
	change := func(change func(*Fault)) Finding {
		other := fault
		change(&other)
		return Unhealthy(other)
	}
	at := since.Add(25 * time.Hour)
	unchecked := change(func(f *Fault) { f.Unchecked = true })
	closed, reminder := UnhealthyClosed(fault, at), UnhealthyReminder(f, 1, at)
	ids := map[string]string{f.EventID: "the fault"}
	for name, other := range map[string]Finding{
		"another time":    change(func(f *Fault) { f.Since = at }),
		"another check":   change(func(f *Fault) { f.Check = "queue" }),
		"another account": change(func(f *Fault) { f.Account = "222233334444" }),
		"another Region":  change(func(f *Fault) { f.Region = "eu-north-1" }),
		"unchecked":       unchecked,
		"closed":          closed,
		"day 1":           reminder,
		"day 2":           UnhealthyReminder(f, 2, at),
		"worse":           UnhealthyWorse(f, at),
	} {
		if same := ids[other.EventID]; same != "" {
			t.Errorf("%s and %s have one event ID, %s", name, same, other.EventID)
		}
		ids[other.EventID] = name
	}
	if unchecked.Title != "Guardrail cannot be checked: trail" {
		t.Errorf("unchecked: %q", unchecked.Title)
	}
	if closed.Severity != Info || closed.Title != "Guardrail well again: trail" || closed.Detail != "Closed. It was: "+f.Detail || !closed.EventTime.Equal(at) {
		t.Errorf("closed: %+v", closed)
	}
	fault.Unchecked = true
	if over := UnhealthyClosed(fault, at); over.Title != "Guardrail can be checked again: trail" {
		t.Errorf("what could not be checked is called well: %q", over.Title)
	}
	if reminder.Title != "Guardrail unhealthy: trail, day 1" || reminder.Severity != Critical || !reminder.EventTime.Equal(at) {
		t.Errorf("reminder: %+v", reminder)
	}
}

func TestCatalogue(t *testing.T) {
	all := []ID{RootSigninNoMFA, RootSignin, RootSigninFailed, RootActivity, RootSession, RootAccessKeyCreated, RootPasswordRecovery, RootPasswordChanged,
		RootEmailChanged, RootMFARemoved, RootMFAAdded, RootMFAMissing, RootAccessKeyPresent, RootLoginProfileCreated, UserCreated, UserConsoleAccess, UserAdminGranted, UserMFAMissing,
		UserSigninNoMFA, UserMFARemoved, UserMFAAdded, GuardTampered, GuardUnhealthy, RootUseAnnounced, IncidentAcknowledged}
	var ids []ID
	control, technique := regexp.MustCompile(`^[1-5]\.\d+$`), regexp.MustCompile(`^T\d{4}(\.\d{3})?$`)
	for _, e := range Catalogue() {
		ids = append(ids, e.ID)
		if e.Title == "" || e.Meaning == "" || e.NextStep == "" || len(e.CIS) == 0 {
			t.Errorf("%s is not described", e.ID)
		}
		for _, c := range e.CIS {
			if !control.MatchString(c) {
				t.Errorf("%s: control %q", e.ID, c)
			}
		}
		for _, a := range e.ATTACK {
			if !technique.MatchString(a) {
				t.Errorf("%s: technique %q", e.ID, a)
			}
		}
	}
	if !slices.Equal(all, ids) {
		t.Errorf("catalogue has %v", ids)
	}
	Catalogue()[0].Title = "changed"
	if Catalogue()[0].Title == "changed" {
		t.Error("a caller can change the catalogue")
	}
	if entry("no.such").ID != "no.such" {
		t.Error("an unknown finding has no entry")
	}
}

func TestNames(t *testing.T) {
	for s := Info; s <= Critical; s++ {
		text, err := json.Marshal(s)
		var back Severity
		if err != nil || json.Unmarshal(text, &back) != nil || back != s {
			t.Errorf("%s: %s, %v", s, text, err)
		}
	}
	if new(Severity).UnmarshalText([]byte("dire")) == nil || Severity(9).String() != "severity(9)" {
		t.Error("an unknown severity has a name")
	}
	for k, want := range map[Kind]string{Matched: "matched", NotMatched: "not_matched", Skipped: "skipped"} {
		if k.String() != want {
			t.Errorf("got %s, want %s", k, want)
		}
	}
}
