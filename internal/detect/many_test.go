package detect_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"rootguard/internal/cloudtrail"
	"rootguard/internal/detect"
)

func TestIsCounted(t *testing.T) {
	for id, want := range map[detect.ID]bool{detect.UserSigninFailed: true, detect.RootSigninSpraying: true, detect.RootSigninFailed: false, detect.UserCreated: false} {
		if detect.IsCounted(id) != want {
			t.Errorf("%s: want %v", id, want)
		}
	}
}

func TestManyFailed(t *testing.T) {
	f := detect.Finding{ID: detect.UserSigninFailed, Detail: "No such password.", SourceIP: "203.0.113.5", EventID: "e-1", Target: detect.Target{UserName: "eve"}}
	users := make([]string, 12)
	for i := range users {
		users[i] = fmt.Sprintf("u%d", i)
	}
	for _, c := range []struct {
		got           detect.Finding
		title, detail string
	}{
		{detect.UserSignins(f, 5, 15*time.Minute, []string{"203.0.113.5", "203.0.113.6"}), "5 sign-ins of IAM user eve failed within 15 minutes", "203.0.113.5, 203.0.113.6"},
		{detect.AddressSignins(f, 7, 90*time.Second, users), "7 sign-ins of IAM users from one address failed within 1m30s", "u9, and 2 more"},
		{detect.SprayedAccounts(detect.Spraying(f), []string{"111122223333", "444455556666", "777788889999"}, time.Hour), "Root sign-ins fail in 3 accounts, from one address", "within an hour, from 203.0.113.5"},
	} {
		if c.got.Title != c.title || !strings.Contains(c.got.Detail, c.detail) {
			t.Errorf("got %q: %q, want %q: %q", c.got.Title, c.got.Detail, c.title, c.detail)
		}
	}
	if s := detect.Spraying(f); s.ID != detect.RootSigninSpraying || s.EventID == f.EventID || s.Session != "address 203.0.113.5" {
		t.Errorf("the finding of spraying beside the sign-in's own: %+v", s)
	}
}

func TestKeyOf(t *testing.T) {
	f := detect.Finding{ID: detect.UserAccessKeyCreated, Severity: detect.Medium}
	root := f
	root.Actor.Type = "Root"
	for name, c := range map[string]struct {
		of   detect.Finding
		has  detect.KeyOwner
		want detect.Severity
	}{
		"nothing on record":           {f, detect.KeyOwner{}, detect.Medium},
		"a password and no MFA":       {f, detect.KeyOwner{Password: true, NoMFA: true}, detect.High},
		"a program's first key":       {f, detect.KeyOwner{Made: true, FirstKey: true}, detect.Info},
		"its second key":              {f, detect.KeyOwner{Made: true}, detect.Medium},
		"an administrator":            {f, detect.KeyOwner{Made: true, FirstKey: true, Admin: true}, detect.High},
		"a program's first, by root":  {root, detect.KeyOwner{Made: true, FirstKey: true}, detect.Medium},
		"a first key with a password": {f, detect.KeyOwner{Made: true, FirstKey: true, Password: true}, detect.Medium},
	} {
		if got := detect.KeyOf(c.of, c.has).Severity; got != c.want {
			t.Errorf("%s: %s, want %s", name, got, c.want)
		}
	}
}

func TestSessionUnseen(t *testing.T) {
	began := time.Date(2026, 5, 4, 9, 0, 0, 0, time.UTC)
	rec := &cloudtrail.Record{EventID: "e-1", EventSource: "ec2.amazonaws.com", EventName: "DescribeInstances", EventTime: began.Add(time.Hour)}
	rec.UserIdentity.Type = "Root"
	rec.UserIdentity.Session.CreationDate = began
	f := detect.SessionUnseen(rec, "111122223333")
	other := *rec
	other.EventID, other.EventTime = "e-2", began.Add(2*time.Hour)
	if f.ID != detect.RootSessionUnseen || f.Account != "111122223333" || !strings.Contains(f.Detail, "began at 2026-05-04T09:00:00Z") || !strings.Contains(f.Detail, "e-1") {
		t.Errorf("got %+v", f)
	}
	if again := detect.SessionUnseen(&other, "111122223333"); again.EventID != f.EventID {
		t.Errorf("two reads of one session are two findings: %s, %s", f.EventID, again.EventID)
	}
	other.UserIdentity.Session.CreationDate = began.Add(time.Second)
	if next := detect.SessionUnseen(&other, "111122223333"); next.EventID == f.EventID {
		t.Error("two sessions are one finding")
	}
	for mfa, want := range map[string]string{`,"mfaAuthenticated":"true"`: "The session has MFA.", `,"mfaAuthenticated":"false"`: "The session has no MFA.", "": ""} {
		rec, _, err := cloudtrail.Decode([]byte(`{"eventSource":"ec2.amazonaws.com","eventName":"DescribeInstances","eventID":"e-3","eventTime":"2026-05-04T09:00:00Z",` +
			`"userIdentity":{"type":"Root","sessionContext":{"attributes":{"creationDate":"2026-05-04T09:00:00Z"` + mfa + `}}}}`))
		if err != nil {
			t.Fatal(err)
		}
		if f := detect.SessionUnseen(&rec, "111122223333"); !strings.HasSuffix(f.Detail, want) || strings.Contains(f.Detail, "MFA") != (want != "") {
			t.Errorf("with %q: %q", mfa, f.Detail)
		}
	}
}

func TestRootLiveIsCured(t *testing.T) {
	at := time.Date(2026, 5, 4, 9, 0, 0, 0, time.UTC)
	for _, id := range []detect.ID{detect.RootMFAMissing, detect.RootMFARemoved, detect.RootAccessKeyPresent, detect.RootAccessKeyCreated, detect.RootLoginProfileCreated} {
		f := detect.RootLive(id, "111122223333", at)
		if f.Severity < detect.High || f.Detail == "" || f.EventID != detect.RootLive(id, "111122223333", at).EventID {
			t.Errorf("%s: %+v", id, f)
		}
		if c := detect.RootCured(f, at.Add(time.Hour)); c.Severity != detect.Info || c.EventID != f.EventID+"/closed" || c.Title == "" || !strings.Contains(c.Detail, f.Detail) {
			t.Errorf("%s, cured: %+v", id, c)
		}
	}
}

func TestMFALost(t *testing.T) {
	since := time.Date(2026, 5, 4, 9, 0, 0, 0, time.UTC)
	f := detect.MFALost("111122223333", detect.Target{UserName: "eve", UserID: "AIDAEVE"}, since, since.Add(24*time.Hour), "DeactivateMFADevice", "a live check found a password")
	for _, want := range []string{"No MFA since 2026-05-04T09:00:00Z (DeactivateMFADevice)", "due by 2026-05-05T09:00:00Z", "a live check found a password"} {
		if !strings.Contains(f.Detail, want) {
			t.Errorf("%q lacks %q", f.Detail, want)
		}
	}
}

func TestUnannounced(t *testing.T) {
	f := detect.Finding{ID: detect.RootActivity, Title: "Root activity", Severity: detect.High}
	a := detect.Announce(f, detect.Announced{ID: "x", Owner: "ops", Reason: "invoice"})
	if got := detect.Unannounced(a); a.Announced == nil || got.Announced != nil || got.Title != f.Title || got.Severity != a.Severity {
		t.Errorf("announced %+v, then %+v", a, got)
	}
	if got := detect.Unannounced(f); got.Title != f.Title {
		t.Errorf("never announced: %+v", got)
	}
}

func TestThroughCloudFormation(t *testing.T) {
	for address, want := range map[string]bool{"cloudformation.amazonaws.com": true, "203.0.113.5": false, "": false} {
		f := detect.Finding{SourceIP: address}
		if f.ThroughCloudFormation() != want {
			t.Errorf("%q: want %v", address, want)
		}
	}
}
