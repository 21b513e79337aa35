package detect

import (
	"maps"
	"strings"
	"testing"
)

func TestUserSignIn(t *testing.T) {
	const login = "ConsoleLogin"
	run(t, new(Detector), nil, []verdict{
		{"without MFA", signin(login, alice, said(login, "Success", ""), mfaUsed("No")), "high user.signin.no_mfa | IAM user sign-in WITHOUT MFA: alice"},
		{"with MFA", signin(login, alice, said(login, "Success", ""), mfaUsed("Yes")), "- the IAM user signed in with MFA"},
		{"MFA not said", signin(login, alice, said(login, "Success", "")), "- the record does not say whether the IAM user used MFA"},
		{"failed", signin(login, alice, said(login, "Failure", "Failed authentication"), mfaUsed("No")), "medium user.signin.failed | IAM user sign-ins fail in a row"},
		{"failed at MFA", signin(login, alice, said(login, "Failure", "Failed authentication"), mfaUsed("Yes")), "high user.signin.failed | IAM user sign-ins fail in a row"},
		{"through an identity provider", signin(login, alice, said(login, "Success", ""), fields{"additionalEventData": fields{"MFAUsed": "No", "SamlProviderArn": "arn:aws:iam::111122223333:saml-provider/corp"}}), "- the sign-in came through identity provider arn:aws:iam::111122223333:saml-provider/corp, whose MFA MFAUsed says nothing of"},
		{"outcome not said", signin(login, alice, mfaUsed("No")), "- the record does not say whether the IAM user's sign-in succeeded"},
		{"a role's", signin(login, role, said(login, "Success", ""), mfaUsed("No")), "- a sign-in of type AssumedRole: its MFA is the identity provider's, and MFAUsed says nothing of it"},
		{"nobody's", signin(login, said(login, "Success", ""), mfaUsed("No")), "- a sign-in of type (not named): its MFA is the identity provider's, and MFAUsed says nothing of it"},
		{"another service's", record("other:ConsoleLogin", alice), "skipped"},
	})
}

func TestUsers(t *testing.T) {
	bob := fields{"userName": "bob"}
	bobs := func(more fields) fields {
		f := maps.Clone(bob)
		maps.Copy(f, more)
		return req(f)
	}
	const everything = `{"Statement":[{"Effect":"Allow","Action":"*","Resource":"*"}]}`
	admin := fields{"policyArn": "arn:aws:iam::aws:policy/AdministratorAccess"}
	run(t, new(Detector), nil, []verdict{
		{"created", record("iam:CreateUser", role, req(bob)), "info user.created | IAM user created: bob"},
		{"created by root", record("iam:CreateUser", root, req(bob)), "high user.created+root.activity | IAM user created: bob, by ROOT"},
		{"created by a root session", record("iam:CreateUser", assumed, req(bob)), "medium user.created+root.session | IAM user created: bob"},
		{"created by a service for root", record("iam:CreateUser", rootCFN, req(bob)), "info user.created | IAM user created: bob"},
		{"created, name beyond ASCII and too long", record("iam:CreateUser", role, req(fields{"userName": "b\u00f6b\n" + strings.Repeat("x", 100)})), "info user.created | IAM user created: b?b?" + strings.Repeat("x", 57) + "..."},
		{"not created", record("iam:CreateUser", role, req(bob), fields{"errorCode": "EntityAlreadyExistsException"}), "- the call changed nothing: EntityAlreadyExistsException"},
		{"not created, by root", record("iam:CreateUser", root, denied), "high root.activity | Root activity: iam:CreateUser (denied)"},
		{"of Transfer Family", record("transfer:CreateUser", role, req(bob)), "- a user of transfer.amazonaws.com, not an IAM user"},
		{"of Identity Center", record("sso-directory:CreateUser", role), "- a user of sso-directory.amazonaws.com, not an IAM user"},
		{"of Transfer Family, by root", record("transfer:CreateUser", root), "high root.activity | Root activity: transfer:CreateUser"},
		{"password", record("iam:CreateLoginProfile", role, bobs(fields{"passwordResetRequired": true})), "medium user.console_access | Console password created for IAM user: bob"},
		{"password by root", record("iam:CreateLoginProfile", root, bobs(nil)), "high user.console_access+root.activity | Console password created for IAM user: bob, by ROOT"},
		{"password reset", record("iam:UpdateLoginProfile", role, bobs(fields{"passwordResetRequired": false})), "medium user.console_access | Console password reset for IAM user: bob"},
		{"password taken", record("iam:DeleteLoginProfile", role, req(bob)), "- a user can no longer sign in to the console: less to guard"},
		{"admin", record("iam:AttachUserPolicy", role, bobs(admin)), "medium user.admin_granted | Administrator access granted to IAM user: bob"},
		{"another policy", record("iam:AttachUserPolicy", role, bobs(fields{"policyArn": "arn:aws:iam::aws:policy/ReadOnlyAccess"})), "- policy arn:aws:iam::aws:policy/ReadOnlyAccess is not AdministratorAccess, and as far as the record shows it does not allow everything"},
		{"admin inline", record("iam:PutUserPolicy", role, bobs(fields{"policyName": "p", "policyDocument": everything})), "medium user.admin_granted | Administrator access granted to IAM user: bob"},
		{"admin group", record("iam:AttachGroupPolicy", role, req(fields{"groupName": "ops", "policyArn": admin["policyArn"]})), "medium user.admin_granted | Administrator access granted to group: ops"},
		{"admin group inline, by root", record("iam:PutGroupPolicy", root, req(fields{"groupName": "ops", "policyName": "p", "policyDocument": everything})), "high user.admin_granted+root.activity | Administrator access granted to group: ops, by ROOT"},
		{"admin role", record("iam:AttachRolePolicy", role, req(fields{"roleName": "r", "policyArn": admin["policyArn"]})), "medium role.admin_granted | Administrator access granted to role: r"},
		{"joined a group", record("iam:AddUserToGroup", role, bobs(fields{"groupName": "ops"})), "- which permissions a group gives cannot be known from this record; the account's status follows it"},
		{"MFA removed", record("iam:DeactivateMFADevice", role, bobs(fields{"serialNumber": "s"})), "high user.mfa.removed | MFA removed from IAM user: bob"},
		{"MFA removal denied", record("iam:DeactivateMFADevice", role, denied), "- the call changed nothing: AccessDenied"},
		{"MFA added", record("iam:EnableMFADevice", alice, req(fields{"userName": "alice", "serialNumber": "s"})), "info user.mfa.added | MFA added for IAM user: alice"},
		{"MFA added by root for a user", record("iam:EnableMFADevice", root, bobs(fields{"serialNumber": "s"})), "high user.mfa.added+root.activity | MFA added for IAM user: bob, by ROOT"},
		{"MFA resynchronized", record("iam:ResyncMFADevice", alice), "- an MFA device was resynchronized and stays enabled"},
		{"user listed", record("iam:ListUsers", role, read), "skipped"},
	})
}

func TestKeyWithoutMFA(t *testing.T) {
	session := func(kind, mfa string) fields {
		return fields{"userIdentity": fields{"type": kind, "principalId": "AIDAALICE", "userName": "alice", "accountId": "111122223333", "accessKeyId": "ASIAALICE",
			"sessionContext": fields{"attributes": fields{"creationDate": "2026-01-02T03:00:00Z", "mfaAuthenticated": mfa}}}}
	}
	longTerm := fields{"userIdentity": fields{"type": "IAMUser", "principalId": "AIDAALICE", "userName": "alice", "accountId": "111122223333", "accessKeyId": "AKIAALICE"}}
	key := resp(fields{"accessKey": fields{"accessKeyId": "AKIANEW"}})
	bob := req(fields{"userName": "bob"})
	run(t, new(Detector), nil, []verdict{
		{"for itself", record("iam:CreateAccessKey", session("IAMUser", "false"), key), "high user.access_key.no_mfa+user.access_key.created | Access key created WITHOUT MFA for IAM user: alice"},
		{"for another", record("iam:CreateAccessKey", session("IAMUser", "false"), bob, key), "high user.access_key.no_mfa+user.access_key.created | Access key created WITHOUT MFA for IAM user: bob"},
		{"with MFA", record("iam:CreateAccessKey", session("IAMUser", "true"), key), "medium user.access_key.created | Access key created for IAM user: alice"},
		{"with MFA, for another", record("iam:CreateAccessKey", session("IAMUser", "true"), bob, key), "high user.access_key.created | Access key created for IAM user: bob"},
		{"with a long-term key, as a program does", record("iam:CreateAccessKey", longTerm, key), "medium user.access_key.created | Access key created for IAM user: alice"},
		{"a role without MFA, whose people an identity provider asks", record("iam:CreateAccessKey", session("AssumedRole", "false"), bob, key), "high user.access_key.created | Access key created for IAM user: bob"},
		{"denied", record("iam:CreateAccessKey", session("IAMUser", "false"), denied), "- the call changed nothing: AccessDenied"},
		{"a key taken away", record("iam:DeleteAccessKey", session("IAMUser", "false"), bob), "- an access key is gone: less to guard"},
		{"a password", record("iam:CreateLoginProfile", session("IAMUser", "false"), bob), "medium user.console_access | Console password created for IAM user: bob"},
	})
}

func TestUserDetails(t *testing.T) {
	detail := func(f fields) string {
		t.Helper()
		return new(Detector).Detect(f.decode(t), nil).Finding.Detail
	}
	for _, tt := range []struct{ got, want string }{
		{detail(record("iam:CreateUser", cfn, req(fields{"userName": "bob"}))), "A password or an access key for it is an alert of its own; called by cloudformation.amazonaws.com."},
		{detail(record("iam:CreateLoginProfile", role, req(fields{"userName": "bob", "passwordResetRequired": true}))), "The user must choose a new password at the next sign-in; until then the one who set this password can use it; done by another."},
		{detail(record("iam:UpdateLoginProfile", alice, req(fields{"userName": "alice"}))), "The one who set this password knows it, and the user need not change it; done by the user itself."},
		{detail(record("iam:DeactivateMFADevice", role, req(fields{"serialNumber": "GAHT1"}))), "Device: hardware TOTP GAHT1."},
		{detail(record("ec2:RunInstances", root, denied)), "The root user made this call itself. The call was denied; User is not authorized."},
	} {
		if tt.got != tt.want {
			t.Errorf("got %q, want %q", tt.got, tt.want)
		}
	}
}

// flaggedUsers are the cases of the corpus that make a finding about an IAM user. The
// comments defend those that a reader may doubt.
var flaggedUsers = map[string][]string{
	"high user.access_key.created+root.activity": {
		"4656ad4c3e1c3e0f", // for an IAM user: not root's, yet root made it
	},
	"critical user.key.leaked": {"8ba68b985f613e2c"}, // the peer's sample of AWS's own policy on a user
	"high user.access_key.created": {
		"30203e7d8cfd055e", // an intruder's, for the user it made
	},
	"high user.access_key.no_mfa+user.access_key.created": {
		"6c36223542d6520a", "804e284f8f72a0f4", // for another user, as the peer says too, in a session by the password alone
	},
	"medium user.signin.failed": { // each is counted alone; the guard alerts where five come
		"459842767ff7d8f9", "b2aad9d75ca61b47", "f4a78c9080a119d5",
	},
	"high user.signin.failed":         {"411ae0048a1a5e0d", "d19b68b99617fb0c", "fed402f1f67f6df9"}, // the same, with MFAUsed Yes
	"high user.created+root.activity": {"5856cccd27f5735f", "58de0d002058d2ad"},
	"info user.created": {
		"3692f9a9120b1b8f",
		"890dcba20dbaf97d", // by CloudFormation: a user without MFA all the same
		"b93705ab540b98b2", "ddbc58a53e2c19dd", "e87ce4fe9e76b335", "eee9299c934fe5b7",
	},
	"medium user.admin_granted": {"6ee86b2b4eed0314", "eac82c269d6bd562", "f0af44640d5fb9a9"},
	"medium user.console_access": {
		"04a69efe9b455257", "122aee410e7dbaf1", "125b03a356d7c20b", "547d65411391d8fa", "c9942724941809a1",
		"fa710adc039d131e", // must be changed at the next sign-in, which can be that of anyone who set it
	},
	"high user.mfa.removed": {
		// The identity is masked and the request is another call's; the name, the
		// source and "_return": true still say that a device was deactivated.
		"41ed1deed53dd63b", "a6bdba705917e4eb",
	},
	"high user.signin.no_mfa": {
		"6d547a7558263920", "6e0c11ad771074d5", "c155cb3a1df65c13", "c6832f0272bdb8e0", "cbab13ec4c3b9a0d",
		"db48b5912966dbbc", // a new user's first sign-in
	},
}
