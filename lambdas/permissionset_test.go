package lambdas_test

import (
	"strings"
	"testing"
	"time"

	"rootguard/internal/aws/iam/iamtest"
	"rootguard/internal/bootstrap"
	"rootguard/internal/config"
)

// TestPermissionSet runs the function as deployed: a person signs in by a permission
// set that is older than the first record, in the guard's own account and in a
// member's, and IAM proves that an administrator is in place. One without
// administrator rights proves none.
func TestPermissionSet(t *testing.T) {
	t.Parallel()
	const (
		set  = "AWSReservedSSO_Admins_0f1e2d3c4b5a6978"
		read = "AWSReservedSSO_ReadOnly_0f1e2d3c4b5a6978"
		role = "rootguard-member"
	)
	c := newCloud(t)
	c.env[config.EnvMemberRole] = role
	c.iam.AllowRole("arn:aws:iam::" + member + ":role/" + role)
	c.iam.PageSize = 1
	c.iam.Set(account, iamtest.Account{Roles: map[string]iamtest.Role{
		set:  {Attached: []string{"arn:aws:iam::aws:policy/ReadOnlyAccess", "arn:aws:iam::aws:policy/AdministratorAccess"}},
		read: {Attached: []string{"arn:aws:iam::aws:policy/ReadOnlyAccess"}, Inline: map[string]string{"AwsSSOInlinePolicy": `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"s3:*","Resource":"*"}]}`}},
	}})
	c.iam.Set(member, iamtest.Account{Roles: map[string]iamtest.Role{
		set: {Inline: map[string]string{"AwsSSOInlinePolicy": `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"*","Resource":"*"}]}`}},
	}})
	f := c.start(t, "iamuser")
	admin := func(of string) (bootstrap.State, string) {
		t.Helper()
		facts, err := c.store.Facts(t.Context(), of)
		if err != nil {
			t.Fatal(err)
		}
		for _, s := range bootstrap.Fold(of, facts, bootstrap.DefaultOptions(), time.Now()).Steps {
			if s.Step == bootstrap.AdminUser {
				return s.State, s.Note
			}
		}
		t.Fatal("there is no such step")
		return "", ""
	}
	signIn := func(eventID, of, by string) {
		t.Helper()
		handled(t, f, c.record(eventID, "signin.amazonaws.com", "ConsoleLogin", map[string]any{
			"eventType": "AwsConsoleSignIn", "recipientAccountId": of, "responseElements": map[string]any{"ConsoleLogin": "Success"},
			"additionalEventData": map[string]any{"MFAUsed": "No"},
			"userIdentity": map[string]any{
				"type": "AssumedRole", "principalId": "AROAX:sam", "arn": "arn:aws:sts::" + of + ":assumed-role/" + by + "/sam", "accountId": of,
				"sessionContext": map[string]any{"sessionIssuer": map[string]any{
					"type": "Role", "principalId": "AROAX", "arn": "arn:aws:iam::" + of + ":role/aws-reserved/sso.amazonaws.com/" + by, "accountId": of, "userName": by,
				}},
			},
		}))
	}
	signIn("s-1", account, read)
	if state, note := admin(account); state == bootstrap.Done {
		t.Errorf("ReadOnlyAccess proves an administrator: %s, %s", state, note)
	}
	signIn("s-2", account, set)
	signIn("s-3", member, set)
	for _, of := range []string{account, member} {
		if state, note := admin(of); state != bootstrap.Done || !strings.Contains(note, "permission set Admins") {
			t.Errorf("%s: %s, %s", of, state, note)
		}
	}
}
