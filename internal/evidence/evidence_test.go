package evidence_test

import (
	"bytes"
	"encoding/csv"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"rootguard/internal/bootstrap"
	"rootguard/internal/evidence"
)

var at = time.Date(2026, 5, 4, 9, 0, 0, 0, time.UTC)

// lines are "control user state" of each row.
func lines(rows []evidence.Row) []string {
	var all []string
	for _, r := range rows {
		all = append(all, strings.Join(strings.Fields(fmt.Sprintf("%s %s %s", r.Name, r.User, r.State)), " "))
	}
	return all
}

func TestRows(t *testing.T) {
	step := func(s bootstrap.Step, state bootstrap.State, note string) bootstrap.StepStatus {
		return bootstrap.StepStatus{Step: s, State: state, Note: note, Since: at}
	}
	for name, c := range map[string]struct {
		status bootstrap.Status
		want   []string
	}{
		"nothing known": {bootstrap.Status{}, []string{"root-access-key unknown", "root-mfa unknown", "root-hardware-mfa unknown", "root-use unknown", "user-mfa not_applicable"}},
		"all met, with a hardware token": {bootstrap.Status{
			Steps: []bootstrap.StepStatus{step(bootstrap.RootMFA, bootstrap.Done, "hardware TOTP token"), step(bootstrap.RootKeysAbsent, bootstrap.Done, ""), step(bootstrap.RootQuiet, bootstrap.Done, "")},
			Users: []bootstrap.UserStatus{{Name: "ann", MFA: bootstrap.MFAOn}, {Name: "bot", MFA: bootstrap.MFANotNeeded}, {Name: "old", MFA: bootstrap.MFAMissing, Deleted: true}},
		}, []string{"root-access-key met", "root-mfa met", "root-hardware-mfa met", "root-use met", "user-mfa ann met"}},
		"an authenticator app is no hardware": {bootstrap.Status{
			Steps: []bootstrap.StepStatus{step(bootstrap.RootMFA, bootstrap.Done, "authenticator app"), step(bootstrap.RootKeysAbsent, bootstrap.Regressed, ""), step(bootstrap.RootQuiet, bootstrap.Pending, "")},
			Users: []bootstrap.UserStatus{{Name: "eve", MFA: bootstrap.MFAPending}, {Name: "dan", MFA: bootstrap.MFAMissing}, {Name: "kim", MFA: bootstrap.MFAUnknownYet}},
		}, []string{"root-access-key not_met", "root-mfa met", "root-hardware-mfa not_met", "root-use not_met", "user-mfa eve not_met", "user-mfa dan not_met", "user-mfa kim unknown"}},
		"a passkey may be in a cloud": {bootstrap.Status{Steps: []bootstrap.StepStatus{step(bootstrap.RootMFA, bootstrap.Done, "passkey/security key")}},
			[]string{"root-access-key unknown", "root-mfa met", "root-hardware-mfa unknown", "root-use unknown", "user-mfa not_applicable"}},
		"no root credentials": {bootstrap.Status{Steps: []bootstrap.StepStatus{step(bootstrap.RootMFA, bootstrap.NotApplicable, "root has no password")}},
			[]string{"root-access-key unknown", "root-mfa not_applicable", "root-hardware-mfa not_applicable", "root-use unknown", "user-mfa not_applicable"}},
	} {
		if diff := cmp.Diff(c.want, lines(evidence.Rows(&c.status, "prod"))); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
	}
}

// TestUserEvidence holds that a user without MFA comes with what shows it, and since when.
func TestUserEvidence(t *testing.T) {
	gap := bootstrap.MFAGap{From: at, Deadline: at.Add(24 * time.Hour), Evidence: bootstrap.Evidence{EventID: "e-1", What: "CreateLoginProfile"}}
	rows := evidence.Rows(&bootstrap.Status{Account: "111122223333", Users: []bootstrap.UserStatus{{Name: "eve", MFA: bootstrap.MFAPending, MFAGaps: []bootstrap.MFAGap{{From: at.Add(-time.Hour)}, gap}}}}, "prod")
	r := rows[len(rows)-1]
	if r.Account != "111122223333" || r.AccountName != "prod" || !r.Since.Equal(at) || r.Evidence == nil || r.Evidence.EventID != "e-1" || r.Note != "grace until 2026-05-05T09:00:00Z" {
		t.Errorf("got %+v", r)
	}
}

// TestControls holds the numbers apart: no version has two controls of one number.
func TestControls(t *testing.T) {
	for _, number := range []func(evidence.Control) string{
		func(c evidence.Control) string { return c.Name }, func(c evidence.Control) string { return c.CISv3 },
		func(c evidence.Control) string { return c.CISv5 }, func(c evidence.Control) string { return c.CISv7 },
	} {
		var all []string
		for _, c := range evidence.Controls() {
			all = append(all, number(c))
		}
		slices.Sort(all)
		if len(slices.Compact(slices.Clone(all))) != len(all) || all[0] == "" {
			t.Errorf("got %q, want each once and none empty", all)
		}
	}
}

func TestCSV(t *testing.T) {
	status := bootstrap.Status{Account: "111122223333", AsOf: at, Users: []bootstrap.UserStatus{
		{Name: "=cmd|' /C calc'!A0", MFA: bootstrap.MFAOn}, {Name: "a,\"b\"", MFA: bootstrap.MFAOn}, {Name: "two\nlines", MFA: bootstrap.MFAOn}, {Name: " +1", MFA: bootstrap.MFAOn}, {Name: "@x", MFA: bootstrap.MFAOn}, {Name: "a=b", MFA: bootstrap.MFAOn},
	}}
	var b bytes.Buffer
	if err := evidence.WriteCSV(&b, evidence.Rows(&status, "-prod")); err != nil {
		t.Fatal(err)
	}
	lines, err := csv.NewReader(&b).ReadAll()
	if err != nil {
		t.Fatal(err)
	}
	user := slices.Index(lines[0], "user")
	var users []string
	for _, l := range lines[5:] {
		users = append(users, l[user])
		if l[1] != "'-prod" || l[2] != "2026-05-04T09:00:00Z" {
			t.Errorf("got %q", l)
		}
	}
	if want := []string{"'=cmd|' /C calc'!A0", `a,"b"`, "two lines", "' +1", "'@x", "a=b"}; !slices.Equal(users, want) {
		t.Errorf("users %q, want %q", users, want)
	}
}

func FuzzCSV(f *testing.F) {
	f.Add("eve", "=1+1")
	f.Add("\r\n\x00", "\t=x")
	f.Fuzz(func(t *testing.T, user, account string) {
		var b bytes.Buffer
		status := bootstrap.Status{Users: []bootstrap.UserStatus{{Name: user, MFA: bootstrap.MFAOn}}}
		if err := evidence.WriteCSV(&b, evidence.Rows(&status, account)); err != nil {
			t.Fatal(err)
		}
		lines, err := csv.NewReader(&b).ReadAll()
		if err != nil {
			t.Fatal(err)
		}
		for _, l := range lines {
			if len(l) != len(evidence.Header()) {
				t.Fatalf("%d cells", len(l))
			}
			for _, cell := range l {
				if first := strings.TrimLeft(cell, " \t\r\n"); first != "" && strings.ContainsRune("=+-@", []rune(first)[0]) {
					t.Fatalf("a spreadsheet would run %q", cell)
				}
			}
		}
	})
}
