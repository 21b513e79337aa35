package bootstrap

import (
	"slices"
	"testing"
)

// TestMFAActive holds what a credential report adds to a status: whether there is
// MFA, and never which devices.
func TestMFAActive(t *testing.T) {
	report := func(password, mfa bool) LiveFact {
		return LiveFact{UserName: "alice", UserID: aliceID, ConsoleLogin: &password, MFAActive: &mfa}
	}
	live := func(password bool, devices ...string) LiveFact {
		return LiveFact{UserName: "alice", UserID: aliceID, ConsoleLogin: &password, MFADevices: devices}
	}
	answers := []LiveFact{report(false, false), report(true, false), report(true, true)}
	for _, tt := range []struct {
		name    string
		facts   []LiveFact
		mfa     MFAState
		devices []string
		agrees  int // which of the answers
	}{
		{"no password", []LiveFact{report(false, true)}, MFANotNeeded, nil, 0},
		{"a password alone", []LiveFact{report(true, false)}, MFAPending, nil, 1},
		{"a password and MFA", []LiveFact{report(true, true)}, MFAOn, nil, 2},
		{"devices known before stay", []LiveFact{live(true, "phone"), report(true, true)}, MFAOn, []string{"phone"}, 2},
		{"devices that are gone", []LiveFact{live(true, "phone"), report(true, false)}, MFAPending, nil, 1},
		{"devices named after", []LiveFact{report(true, true), live(true, "phone")}, MFAOn, []string{"phone"}, 2},
		{"none named after", []LiveFact{report(true, true), live(true)}, MFAPending, nil, 1},
	} {
		var facts []Fact
		for i, l := range tt.facts {
			facts = append(facts, LiveFactOf(account, after(float64(i)), l))
		}
		u := Fold(account, facts, DefaultOptions(), after(2)).Users[0]
		if u.MFA != tt.mfa || !slices.Equal(u.MFADevices, tt.devices) {
			t.Errorf("%s: %s with %v", tt.name, u.MFA, u.MFADevices)
		}
		for i, a := range answers {
			if got := u.Agrees(a); got != (i == tt.agrees) {
				t.Errorf("%s: answer %d agrees: %v", tt.name, i, got)
			}
		}
	}
	if (&UserStatus{Name: "alice", UserID: "AIDAOTHER", MFA: MFANotNeeded}).Agrees(answers[0]) {
		t.Error("another of the name agrees")
	}
	if text := describeLive(&answers[1]); text != "credential report: password_enabled=true, mfa_active=false" {
		t.Error(text)
	}
}
