package detect

import (
	"testing"

	"rootguard/internal/cloudtrail"
)

// TestMFAOfASignIn holds that an alert says of MFA what the sign-in shows, and nothing
// where it shows nothing: MFAUsed of a failure says only how far the attempt came, and
// that of a session that a record has besides is another's.
func TestMFAOfASignIn(t *testing.T) {
	const login = "ConsoleLogin"
	inSession := func(of fields) fields {
		identity := fields{}
		for name, value := range of["userIdentity"].(fields) {
			identity[name] = value
		}
		identity["sessionContext"] = fields{"attributes": fields{"mfaAuthenticated": "true", "creationDate": "2026-01-02T03:00:00Z"}}
		return fields{"userIdentity": identity}
	}
	user := inSession(fields{"userIdentity": fields{"type": "IAMUser", "userName": "alice", "principalId": "AIDAALICE", "accountId": "111122223333"}})
	for _, tt := range []struct {
		name string
		rec  fields
		id   ID
		want cloudtrail.Answer
	}{
		{"root with MFA", signin(login, inSession(root), said(login, "Success", ""), mfaUsed("Yes")), RootSignin, cloudtrail.Yes},
		{"root without", signin(login, inSession(root), said(login, "Success", ""), mfaUsed("No")), RootSigninNoMFA, cloudtrail.No},
		{"root, and it is not said", signin(login, inSession(root), said(login, "Success", "")), RootSignin, cloudtrail.Unknown},
		{"root, and the outcome is not said", signin(login, inSession(root), mfaUsed("Yes")), RootSignin, cloudtrail.Unknown},
		{"root fails at the password", signin(login, inSession(root), said(login, "Failure", "no"), mfaUsed("No")), RootSigninFailed, cloudtrail.Unknown},
		{"root fails at MFA", signin(login, inSession(root), said(login, "Failure", "no"), mfaUsed("Yes")), RootSigninFailed, cloudtrail.Unknown},
		{"a user without", signin(login, user, said(login, "Success", ""), mfaUsed("No")), UserSigninNoMFA, cloudtrail.No},
	} {
		if f := new(Detector).Detect(tt.rec.decode(t), nil).Finding; f.ID != tt.id || f.MFA != tt.want {
			t.Errorf("%s: %s, MFA %s, want %s, MFA %s", tt.name, f.ID, f.MFA, tt.id, tt.want)
		}
	}
	rec := signin(login, user, said(login, "Failure", "no"), mfaUsed("Yes")).decode(t)
	if f := userSignInFailed(rec); f.MFA != cloudtrail.Unknown || f.Severity != High || f.Target.UserName != "alice" {
		t.Errorf("a user fails at MFA: %s, MFA %s, of %q", f.Severity, f.MFA, f.Target.UserName)
	}
}
