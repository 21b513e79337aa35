package detect_test

import (
	"strings"
	"testing"
	"time"

	"rootguard/internal/detect"
)

// TestUnsuppressible holds that what is critical, and what rootguard reports of itself
// and of what it does, is always sent, and all else can be suppressed.
func TestUnsuppressible(t *testing.T) {
	always := map[detect.ID]bool{
		detect.GuardUnhealthy: true, detect.RootUseAnnounced: true, detect.IncidentAcknowledged: true, detect.AlertsSuppressed: true,
		detect.GuardDigest: true, detect.UserQuarantined: true, detect.UserReleased: true,
	}
	for _, e := range detect.Catalogue() {
		if got, want := detect.Unsuppressible(e.ID) != "", always[e.ID] || e.Severity >= detect.Critical; got != want {
			t.Errorf("%s (%s): always sent is %v, want %v", e.ID, e.Severity, got, want)
		}
	}
	if detect.Unsuppressible("user.no.such") == "" {
		t.Error("a finding that does not exist can be suppressed")
	}
}

func TestByPrincipal(t *testing.T) {
	const account = "123456789012"
	user := detect.Finding{Account: account, Actor: detect.Actor{Type: "IAMUser", Name: "alice", ARN: "arn:aws:iam::123456789012:user/ops/alice", PrincipalID: "AIDAEXAMPLEALICE0001"}}
	unseen := detect.Finding{Account: account, Actor: detect.Actor{Type: "IAMUser", Name: "alice", PrincipalID: "AIDAEXAMPLEALICE0001"}}
	session := detect.Finding{Account: account, Actor: detect.Actor{
		Type: "AssumedRole", Name: "Terraform/run-1", ARN: "arn:aws:sts::123456789012:assumed-role/Terraform/run-1", PrincipalID: "AROAEXAMPLETERRAFORM:run-1",
	}}
	root := detect.Finding{Account: account, Actor: detect.Actor{Type: "Root", Name: "root", ARN: "arn:aws:iam::123456789012:root"}}
	live := detect.Finding{Account: account}
	for _, tt := range []struct {
		name, principal string
		of              detect.Finding
		want            bool
	}{
		{"any", "any", live, true},
		{"a user", "arn:aws:iam::123456789012:user/ops/alice", user, true},
		{"a user of another path", "arn:aws:iam::123456789012:user/alice", user, false},
		{"another user", "arn:aws:iam::123456789012:user/ops/alice2", user, false},
		{"the user by ID", "AIDAEXAMPLEALICE0001", user, true},
		{"another by ID", "AIDAEXAMPLEALICE0002", user, false},
		{"a user that no record shows", "arn:aws:iam::123456789012:user/ops/alice", unseen, true},
		{"of another account", "arn:aws:iam::210987654321:user/alice", unseen, false},
		{"a role named as the user", "arn:aws:iam::123456789012:role/alice", unseen, false},
		{"a role", "arn:aws:iam::123456789012:role/infra/Terraform", session, true},
		{"a role by ID", "AROAEXAMPLETERRAFORM", session, true},
		{"the session", "arn:aws:sts::123456789012:assumed-role/Terraform/run-1", session, true},
		{"another session", "arn:aws:sts::123456789012:assumed-role/Terraform/run-2", session, false},
		{"a role whose name begins so", "arn:aws:iam::123456789012:role/Terra", session, false},
		{"the role of another account", "arn:aws:iam::210987654321:role/Terraform", session, false},
		{"of another partition", "arn:aws-cn:iam::123456789012:role/Terraform", session, false},
		{"a user named as the role", "arn:aws:iam::123456789012:user/Terraform", session, false},
		{"root", "arn:aws:iam::123456789012:root", root, true},
		{"root of another account", "arn:aws:iam::210987654321:root", root, false},
		{"root, and no one is known", "arn:aws:iam::123456789012:root", live, false},
		{"nothing", "", live, false},
	} {
		if got := detect.ByPrincipal(&tt.of, tt.principal); got != tt.want {
			t.Errorf("%s: %v, want %v", tt.name, got, tt.want)
		}
		if tt.principal != "" && !detect.IsPrincipal(tt.principal) {
			t.Errorf("%s: %q is no principal", tt.name, tt.principal)
		}
	}
	for _, text := range []string{"AIDA" + strings.Repeat("A", 12), "AROA" + strings.Repeat("9", 124)} {
		if !detect.IsPrincipal(text) {
			t.Errorf("%q is no principal", text)
		}
	}
	for _, text := range []string{
		"AIDA" + strings.Repeat("A", 11), "AROA" + strings.Repeat("9", 125),
		"", "Any", "alice", "*", "AIDA", "AIDAEXAMPLEALICE000*", "arn:aws:iam::123456789012:user/", "arn:aws:iam::123456789012:user/*", "arn:aws:iam::1234:user/a", "arn:aws:iam::12345678901a:user/a",
		"arn:aws:iam::123456789012:group/a", "arn:aws:sts::123456789012:assumed-role/Terraform", "arn:aws:sts::123456789012:role/a", "arn:aws:iam::123456789012:root/x",
		"arn:aws:s3:::123456789012", "arn:aws:iam::123456789012:role/a b", "arn:aws:iam::" + account + ":role/" + strings.Repeat("a", 3000),
	} {
		if detect.IsPrincipal(text) {
			t.Errorf("%.40q is a principal", text)
		}
	}
}

func FuzzByPrincipal(f *testing.F) {
	f.Add("arn:aws:iam::123456789012:role/infra/Terraform", "arn:aws:sts::123456789012:assumed-role/Terraform/run-1")
	f.Add("any", "")
	f.Fuzz(func(t *testing.T, principal, arn string) {
		of := detect.Finding{Account: "123456789012", Actor: detect.Actor{Type: "AssumedRole", Name: "x", ARN: arn}}
		if detect.ByPrincipal(&of, principal) && detect.IsPrincipal(principal) && principal != detect.AnyPrincipal && principal != arn {
			role := principal[strings.LastIndexByte(principal, '/')+1:]
			if !strings.Contains(arn, ":assumed-role/"+role+"/") {
				t.Errorf("%q is by %q", arn, principal)
			}
		}
	})
}

func TestSuppressionFindings(t *testing.T) {
	by := detect.Actor{Type: "AssumedRole", Name: "Admin/alice", ARN: "arn:aws:sts::123456789012:assumed-role/Admin/alice"}
	s := detect.Suppressed{
		Account: "123456789012", ID: "3F9D0-KQ7TB", Finding: detect.UserAdminGranted, Principal: "arn:aws:iam::123456789012:role/Terraform",
		Until: time.Date(2026, 3, 1, 0, 0, 0, 0, time.UTC), Owner: "alice", Reason: "OPS-17",
	}
	at := s.Until.Add(-time.Hour)
	created, removed, ended := detect.SuppressionCreated(s, by, at), detect.SuppressionRemoved(s, by, "done", at), detect.SuppressionEnded(s, 12, s.Until)
	if created.Severity != detect.High || removed.Severity != detect.Info || ended.Severity != detect.Info {
		t.Errorf("%s, %s, %s", created.Severity, removed.Severity, ended.Severity)
	}
	for _, f := range []detect.Finding{removed, ended} {
		if f.SubjectID() != created.EventID || f.Subject.Phase != detect.PhaseResolved || f.EventID == created.EventID {
			t.Errorf("%s: %+v", f.Title, f.Subject)
		}
	}
	want := "Suppression 3F9D0-KQ7TB of alerts of user.admin_granted by arn:aws:iam::123456789012:role/Terraform ended; owner alice; reason: OPS-17. It held back 12 alerts."
	if ended.Detail != want {
		t.Errorf("%q\nwant %q", ended.Detail, want)
	}
	if removed.EventID == ended.EventID {
		t.Error("one of the two notes is taken for a copy of the other")
	}
}
