package detect

import (
	"encoding/json"
	"fmt"
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

func TestQuarantined(t *testing.T) {
	deadline := time.Date(2026, 1, 3, 3, 4, 5, 0, time.UTC)
	at, eve := deadline.Add(72*time.Hour), Target{UserName: "eve", UserID: "AIDAEVE"}
	const account, cycle = "111122223333", "2026-01-06T03:04:05Z"
	why := "Console password and no MFA since the deadline 2026-01-03T03:04:05Z, and all reminders passed."
	ids := map[string]bool{}
	for _, tt := range []struct {
		stage    QuarantineStage
		severity Severity
		title    string
		detail   string
	}{
		{QuarantineWould, Medium, "IAM user would be quarantined (dry run): eve", "Nothing was changed; " + why},
		{QuarantineAnnounced, High, "IAM user will be quarantined at 2026-01-07T03:04:05Z: eve", "Nothing was changed yet; without MFA by then the user, access keys included, may do nothing but enable it; " + why},
		{QuarantineDone, High, "IAM user without MFA quarantined: eve", "The user, access keys included, may do nothing but enable MFA until it signs in with MFA; " + why},
	} {
		f := Quarantined(account, eve, deadline, tt.stage, cycle, at, at.Add(24*time.Hour))
		if f.ID != UserQuarantined || f.Severity != tt.severity || f.Title != tt.title || f.Detail != tt.detail || f.Account != account ||
			f.Target != eve || f.MFA != cloudtrail.No || !f.EventTime.Equal(at) || f.Actor.Name != "rootguard" {
			t.Errorf("%s: %+v", tt.stage, f)
		}
		later := Quarantined(account, Target{UserName: "eve"}, deadline.Add(time.Hour), tt.stage, cycle, at.Add(time.Hour), time.Time{})
		if later.EventID != f.EventID || later.Session != f.Session {
			t.Errorf("%s: reported again later, it is another event: %s, %s", tt.stage, f.EventID, later.EventID)
		}
		ids[f.EventID], ids[f.Session] = true, true
	}
	kept := QuarantineWithheld(account, eve, deadline, "It is the last", cycle, at)
	if kept.ID != UserQuarantined || kept.Severity != High || kept.Title != "IAM user is not quarantined: eve" || kept.Target != eve || ids[kept.EventID] || ids[kept.Session] ||
		kept.Detail != "It is the last; nothing was changed; console password and no MFA since the deadline 2026-01-03T03:04:05Z, and all reminders passed." {
		t.Errorf("withheld: %+v", kept)
	}
	byHand := Released(account, eve, cycle, true, cloudtrail.Unknown, "arn:aws:iam::111122223333:user/ops", "the pager of eve is broken", at)
	if byHand.ID != UserReleased || byHand.Severity != Info || byHand.Title != "IAM user released from quarantine: eve" ||
		byHand.Detail != "the pager of eve is broken." || byHand.Actor.Name != "arn:aws:iam::111122223333:user/ops" || byHand.NextStep == "Nothing to do." {
		t.Errorf("released by hand: %+v", byHand)
	}
	byItself := Released(account, eve, cycle, false, cloudtrail.Yes, "", "The user has MFA", at)
	if byItself.EventID != byHand.EventID || byItself.Title != "Quarantine of IAM user called off: eve" || byItself.Actor.Name != "rootguard" || byItself.NextStep != "Nothing to do." {
		t.Errorf("released by itself: %+v", byItself)
	}
	ids[byItself.EventID] = true
	if other := Released(account, eve, "2026-02-01T00:00:00Z", true, cloudtrail.Yes, "", "", at); ids[other.EventID] {
		t.Error("another quarantine is the same event")
	}
	if len(ids) != 7 {
		t.Errorf("event IDs and sessions are not unique: %v", ids)
	}
}

func TestUnhealthy(t *testing.T) {
	at := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	f := Unhealthy("111122223333", "us-east-1", "trail", "The trail does not log.", at)
	if f.ID != GuardUnhealthy || f.Severity != High || f.Title != "Guardrail unhealthy: trail" || f.Detail != "The trail does not log." ||
		f.Account != "111122223333" || f.Region != "us-east-1" || f.Target.Resource != "trail" || !f.EventTime.Equal(at) {
		t.Errorf("%+v", f)
	}
	if again := Unhealthy("111122223333", "us-east-1", "trail", "Still.", at.Add(20*time.Hour)); again.EventID != f.EventID {
		t.Error("a second time in a day is another event")
	}
	for name, other := range map[string]Finding{
		"day":    Unhealthy("111122223333", "us-east-1", "trail", "", at.Add(24*time.Hour)),
		"check":  Unhealthy("111122223333", "us-east-1", "queue", "", at),
		"region": Unhealthy("111122223333", "eu-north-1", "trail", "", at),
	} {
		if other.EventID == f.EventID {
			t.Errorf("another %s gives the same event ID", name)
		}
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

// TestCommandsNameTheUser holds that a next step's command is about what the finding is about, in
// one word of a shell.
func TestCommandsNameTheUser(t *testing.T) {
	at := time.Date(2026, 3, 2, 9, 15, 0, 0, time.UTC)
	for name, want := range map[string]string{
		"bob": "--user-name bob.", "jane@example.com": "--user-name jane@example.com.", "": "--user-name AIDABOB.",
		"a b": "--user-name NAME.", "$(id)": "--user-name NAME.", "-x": "--user-name NAME.", strings.Repeat("x", 200): "--user-name NAME.",
	} {
		f := MFAFound("111122223333", Target{UserName: name, UserID: "AIDABOB"}, at, at, "")
		if !strings.HasSuffix(f.NextStep, want) || !strings.HasPrefix(f.Detail, "A live check found a console password and no MFA at 2026-03-02T09:15:00Z, MFA was due by ") {
			t.Errorf("%q: %q, %q", name, f.NextStep, f.Detail)
		}
	}
	if f := Quarantined("111122223333", Target{UserName: "eve"}, at, QuarantineDone, "c", at, at); !strings.Contains(f.NextStep, "rootguard release eve --account 111122223333 --reason TEXT") {
		t.Error(f.NextStep)
	}
}

// TestNextStepOfAttempt holds that no step says to undo what was not done.
func TestNextStepOfAttempt(t *testing.T) {
	own := req(fields{"name": "rootguard-x"})
	for _, tt := range []struct {
		rec  fields
		want string
	}{
		{record("cloudtrail:StopLogging", role, denied), stepAttempt},
		{record("events:DeleteRule", role, own), entry(GuardTampered).NextStep},
		{record("organizations:LeaveOrganization", role, denied), stepAttempt},
		{record("organizations:LeaveOrganization", role), entry(OrgAccountLeft).NextStep},
		{record("ec2:RunInstances", root, denied), stepRootAttempt},
		{record("ec2:RunInstances", root), entry(RootActivity).NextStep},
		{record("ec2:RunInstances", rootKey, denied), strings.Replace(stepRootKey, "NAME", "AKIAROOT", 1)},
		{record("ec2:RunInstances", rootKey), strings.Replace(stepRootKey, "NAME", "AKIAROOT", 1)},
		{record("account:AcceptPrimaryEmailUpdate", role, denied), stepAttempt},
		{record("sts:AssumeRoot", role, denied), stepAttempt},
		{signin("PasswordRecoveryRequested", root, said("PasswordRecoveryRequested", "Failure", "")), stepAttempt},
	} {
		if f := new(Detector).Detect(tt.rec.decode(t), nil).Finding; f.NextStep != tt.want {
			t.Errorf("%s: %q, want %q", f.Title, f.NextStep, tt.want)
		}
	}
}
