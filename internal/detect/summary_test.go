package detect

import (
	"slices"
	"strings"
	"testing"
	"time"

	"rootguard/internal/cloudtrail"
)

const (
	acme = "111122223333"
	beta = "444455556666"
)

// listed are findings of users as a summary lists them.
func listedUser(account, name string, id ID, reminder, reminders int, resolved bool) Finding {
	at := time.Date(2026, 3, 1, 9, 0, 0, 0, time.UTC)
	return Listed(id, account, Target{UserName: name}, MFADue{At: at, Reminder: reminder, Reminders: reminders}, resolved, at.Add(time.Hour))
}

// TestSummedTags holds that a summary has the controls and techniques of all it lists.
func TestSummedTags(t *testing.T) {
	one, other := listedUser(acme, "a", UserMFAMissing, 0, 0, false), listedUser(acme, "b", UserMFAPending, 0, 0, false)
	one.CIS, one.ATTACK, other.CIS, other.ATTACK = []string{"1.10"}, []string{"T1098"}, []string{"9.9", "1.10"}, []string{"T9999"}
	f := Summed("1", []Finding{one, other})
	times := map[string]int{}
	for _, tag := range slices.Concat(f.CIS, f.ATTACK) {
		times[tag]++
	}
	for _, tag := range []string{"1.10", "9.9", "T1098", "T9999"} {
		if times[tag] != 1 {
			t.Errorf("CIS %v, ATT&CK %v, want %s once", f.CIS, f.ATTACK, tag)
		}
	}
}

func TestSummedUsers(t *testing.T) {
	pending := func(account, name string) Finding { return listedUser(account, name, UserMFAPending, 0, 0, false) }
	missing := func(account, name string) Finding { return listedUser(account, name, UserMFAMissing, 0, 0, false) }
	reminder := func(name string, n int) Finding { return listedUser(acme, name, UserMFAMissing, n, 3, false) }
	closed := func(name string) Finding { return listedUser(acme, name, UserMFAMissing, 0, 0, true) }
	for _, tt := range []struct {
		name                  string
		all                   []Finding
		title, who, next      string
		severity              Severity
		detail, notInDetail   string
		mfa                   cloudtrail.Answer
		endsWithAccountsBelow bool
	}{
		{"one pending", []Finding{pending(acme, "ann")}, "1 IAM user without MFA, found by the first check", "ann", stepUsersPending, Medium, "until the deadline below", "no longer", cloudtrail.No, false},
		{"pending in two accounts", []Finding{pending(acme, "ann"), pending(beta, "bob")}, "2 IAM users without MFA, found by the first check", "ann, bob", stepUsersPendingOfAccounts, Medium, "until the deadline below", "no longer", cloudtrail.No, true},
		{"four missing", []Finding{missing(acme, "a"), missing(acme, "b"), missing(acme, "c"), missing(acme, "d")}, "4 IAM users still without MFA", "a, b, c and 1 more", "--user-name a, and so on", High, "no MFA, and the deadline has passed.", "The deadline of", cloudtrail.No, false},
		{"three missing", []Finding{missing(acme, "a"), missing(acme, "b"), missing(acme, "c")}, "3 IAM users still without MFA", "a, b, c", "--user-name a, and so on", High, "the deadline has passed.", "more", cloudtrail.No, false},
		{"missing in two accounts", []Finding{missing(acme, "a"), missing(beta, "b")}, "2 IAM users still without MFA", "a, b", stepUsersOfAccounts, High, "the deadline has passed.", "last reminder", cloudtrail.No, true},
		{"one pending beside", []Finding{missing(acme, "a"), pending(acme, "b")}, "2 IAM users still without MFA", "a, b", "--user-name a, and so on", High, "The deadline of 1 has passed.", "and the deadline", cloudtrail.No, false},
		{"reminders of one number", []Finding{reminder("a", 2), reminder("b", 2)}, "2 IAM users still without MFA, reminder 2 of 3", "a, b", "--user-name a", High, "the deadline has passed.", "last reminder", cloudtrail.No, false},
		{"reminders of two numbers", []Finding{reminder("a", 1), reminder("b", 2)}, "2 IAM users still without MFA", "a, b", "--user-name a", High, "the deadline has passed.", "last reminder", cloudtrail.No, false},
		{"all last", []Finding{reminder("a", 3), reminder("b", 3)}, "2 IAM users still without MFA, last reminder", "a, b", "--user-name a", Critical, "the deadline has passed.", "It is the last reminder about", cloudtrail.No, false},
		{"some last", []Finding{reminder("a", 3), reminder("b", 1)}, "2 IAM users still without MFA, last reminder", "a, b", "--user-name a", Critical, "It is the last reminder about 1 of them.", "The deadline of", cloudtrail.No, false},
		{"one no longer", []Finding{missing(acme, "a"), closed("b")}, "1 IAM user still without MFA", "a", "--user-name a", High, "1 other is no longer without MFA.", "others are", cloudtrail.No, false},
		{"two no longer", []Finding{missing(acme, "a"), closed("b"), closed("c")}, "1 IAM user still without MFA", "a", "--user-name a", High, "2 others are no longer without MFA.", "other is", cloudtrail.No, false},
		{"all no longer", []Finding{closed("b"), closed("c")}, "2 IAM users no longer without MFA", "b, c", stepNothing, Info, "no longer lacks it", "deadline", cloudtrail.Unknown, false},
	} {
		f := Summed("1", tt.all)
		if f.Title != tt.title || f.Actor.Name != tt.who || f.Severity != tt.severity || f.MFA != tt.mfa || !strings.Contains(f.NextStep, tt.next) {
			t.Errorf("%s: %s %q, who %q, MFA %v, next %q", tt.name, f.Severity, f.Title, f.Actor.Name, f.MFA, f.NextStep)
		}
		if !strings.Contains(f.Detail, tt.detail) || strings.Contains(f.Detail, tt.notInDetail) {
			t.Errorf("%s: %q", tt.name, f.Detail)
		}
		if below := strings.HasSuffix(f.Detail, "Accounts are listed below, the worst first."); below != tt.endsWithAccountsBelow || !below && !strings.HasSuffix(f.Detail, " All are listed below.") && f.Severity != Info {
			t.Errorf("%s ends with %q", tt.name, f.Detail)
		}
		if f.Account != acme || f.Subject.ID != string(f.ID)+"/summary/1" {
			t.Errorf("%s: account %s, subject %s", tt.name, f.Account, f.Subject.ID)
		}
	}
}

func TestSummedRoots(t *testing.T) {
	at := time.Date(2026, 3, 1, 9, 0, 0, 0, time.UTC)
	without, key := RootLive(RootMFAMissing, acme, at), RootLive(RootAccessKeyPresent, acme, at.Add(time.Hour))
	other := RootLive(RootMFAMissing, beta, at)
	for _, tt := range []struct {
		all           []Finding
		title, detail string
		also          []ID
	}{
		{[]Finding{without}, "1 root user WITHOUT MFA (first check)", "of these 1 accounts", nil},
		{[]Finding{without, other}, "2 root users WITHOUT MFA (first check)", "of these 2 accounts", nil},
		{[]Finding{without, key, other}, "2 root users WITHOUT MFA, 1 root user with an access key (first check)", "of these 2 accounts", []ID{RootAccessKeyPresent}},
		{[]Finding{key}, "1 root user with an access key (first check)", "of these 1 accounts", nil},
	} {
		f := Summed("1", tt.all)
		if f.Title != tt.title || !strings.Contains(f.Detail, tt.detail) || f.Severity != Critical || f.NextStep != stepRoots || f.Actor.Type != "Root" {
			t.Errorf("%s %q by %s: %q, %q", f.Severity, f.Title, f.Actor.Type, f.Detail, f.NextStep)
		}
		if len(f.Also) != len(tt.also) || len(f.Also) > 0 && f.Also[0] != tt.also[0] {
			t.Errorf("%s: also %v", tt.title, f.Also)
		}
	}
	if f := Summed("1", []Finding{without, key}); !f.EventTime.Equal(at.Add(time.Hour)) {
		t.Errorf("the time is %s, not the latest", f.EventTime)
	}
}

func TestRepeated(t *testing.T) {
	at := time.Date(2026, 3, 1, 9, 0, 0, 0, time.UTC)
	f := Repeated("1", []Finding{RootLive(RootMFAMissing, acme, at), RootLive(RootMFAMissing, beta, at)})
	if f.Title != "2 incidents are unacknowledged" || f.NextStep != stepRepeats || f.Severity != Critical || f.MFA != cloudtrail.Unknown || f.Actor != (Actor{Type: "AWSService", Name: "rootguard"}) {
		t.Errorf("%s %q by %+v, MFA %v, next %q", f.Severity, f.Title, f.Actor, f.MFA, f.NextStep)
	}
	if !strings.Contains(f.Detail, "no one has acknowledged it") {
		t.Error(f.Detail)
	}
}

// TestAcknowledged: what is put off says until when; what is taken on does not.
func TestAcknowledged(t *testing.T) {
	at := time.Date(2026, 3, 1, 9, 0, 0, 0, time.UTC)
	by := Operator{Actor: Actor{Type: "AssumedRole", Name: "ops/sam"}, Who: "sam", Note: "OPS-17", At: at}
	later := by
	later.Until = at.Add(8 * time.Hour)
	a := Acknowledgement{Account: acme, Incident: "ABCDE-12345", Cycle: 2, Title: "Root sign-in"}
	one, snoozed := Acknowledged(a, by), Acknowledged(a, later)
	if one.Title != "Incident acknowledged: ABCDE-12345" || snoozed.Title != "Incident snoozed: ABCDE-12345" {
		t.Errorf("%q, %q", one.Title, snoozed.Title)
	}
	const until = "it is sent again from 2026-03-01T17:00:00Z on"
	if strings.Contains(one.NextStep, "sent again from") || !strings.Contains(snoozed.NextStep, until) {
		t.Errorf("%q, %q", one.NextStep, snoozed.NextStep)
	}
	if one.Actor != by.Actor || one.UserAgent != "rootguard ack" || !one.EventTime.Equal(at) || one.Account != acme {
		t.Errorf("by %+v with %q at %s", one.Actor, one.UserAgent, one.EventTime)
	}
	if !strings.Contains(one.Detail, "By sam; note: OPS-17") || !strings.Contains(one.Detail, "Root sign-in") {
		t.Error(one.Detail)
	}
	again := a
	again.Cycle = 3
	if Acknowledged(again, by).Subject.ID == one.Subject.ID {
		t.Error("an incident that was opened again has the note of the first time")
	}

	if f := AcknowledgedAll(acme, "B", []Acknowledgement{a}, by); f.Title != "1 incident acknowledged together" || strings.Contains(f.Detail, "more") {
		t.Errorf("%q %q", f.Title, f.Detail)
	}
	many := make([]Acknowledgement, namedIncidents+2)
	for i := range many {
		many[i] = a
	}
	if f := AcknowledgedAll(acme, "B", many, later); f.Title != "14 incidents snoozed together" || !strings.Contains(f.Detail, "and 2 more") || strings.Count(f.Detail, a.Incident) != namedIncidents {
		t.Errorf("%q %q", f.Title, f.Detail)
	}
	if f := AcknowledgedAll(acme, "B", many[:namedIncidents], by); strings.Contains(f.Detail, "more") {
		t.Error(f.Detail)
	}
}
