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
	gone := LiveFact{UserName: "alice", UserID: aliceID, Gone: true}
	for name, u := range map[string]*UserStatus{"not on record": nil, "deleted": {Name: "alice", UserID: aliceID, MFA: MFANotNeeded, Deleted: true}} {
		if !u.Agrees(gone) || u.Agrees(answers[0]) {
			t.Errorf("%s: is gone, %v; is there, %v", name, u.Agrees(gone), u.Agrees(answers[0]))
		}
	}
	if (&UserStatus{Name: "alice", UserID: "AIDAOTHER", MFA: MFANotNeeded}).Agrees(answers[0]) {
		t.Error("another of the name agrees")
	}
	if text := describeLive(&answers[1]); text != "credential report: password_enabled=true, mfa_active=false" {
		t.Error(text)
	}
}

// TestNotGone holds that a user whom IAM said to be gone and then returns, under
// the same unique ID, had no MFA all the time: the gap goes on, with its deadline.
func TestNotGone(t *testing.T) {
	exposed := LiveFact{UserName: "alice", UserID: aliceID, ConsoleLogin: ptr(true), MFADevices: []string{}}
	facts := []Fact{
		LiveFactOf(account, after(1), exposed),
		LiveFactOf(account, after(2), LiveFact{UserName: "alice", UserID: aliceID, Gone: true}),
		LiveFactOf(account, after(3), exposed),
	}
	gone := Fold(account, facts[:2], DefaultOptions(), after(4)).Users[0]
	if len(gone.MFAGaps) != 1 || !gone.MFAGaps[0].To.Equal(after(2)) {
		t.Fatalf("gone: %+v", gone.MFAGaps)
	}
	back := Fold(account, facts, DefaultOptions(), after(4)).Users[0]
	if len(back.MFAGaps) != 1 || !back.MFAGaps[0].From.Equal(after(1)) || !back.MFAGaps[0].To.IsZero() || back.MFA != MFAPending {
		t.Errorf("back: %s %+v", back.MFA, back.MFAGaps)
	}

	// What was over before it was said to be gone remains so, and there may be none.
	enrolled := LiveFact{UserName: "alice", UserID: aliceID, ConsoleLogin: ptr(true), MFADevices: []string{app}}
	for name, tt := range map[string]struct {
		before []LiveFact
		gaps   int
	}{
		"enrolled at once":  {[]LiveFact{enrolled}, 0},
		"enrolled later on": {[]LiveFact{exposed, enrolled}, 1},
	} {
		facts := []Fact{}
		for i, one := range append(tt.before, LiveFact{UserName: "alice", UserID: aliceID, Gone: true}, enrolled) {
			facts = append(facts, LiveFactOf(account, after(float64(1+i)), one))
		}
		u := Fold(account, facts, DefaultOptions(), after(9)).Users[0]
		if u.Deleted || u.MFA != MFAOn || len(u.MFAGaps) != tt.gaps || tt.gaps == 1 && !u.MFAGaps[0].To.Equal(after(2)) {
			t.Errorf("%s: %s, deleted %v, %+v", name, u.MFA, u.Deleted, u.MFAGaps)
		}
	}
}

func TestOptionsWithDefaults(t *testing.T) {
	want := DefaultOptions()
	for _, o := range []Options{{}, {Grace: -1, QuietDays: -1}} {
		if got := o.WithDefaults(); got.Grace != want.Grace || got.QuietDays != want.QuietDays {
			t.Errorf("%+v: %+v", o, got)
		}
	}
	if got := (Options{Grace: 1, QuietDays: 1}).WithDefaults(); got.Grace != 1 || got.QuietDays != 1 {
		t.Errorf("what is set is changed: %+v", got)
	}
}
