package bootstrap

import (
	"strings"
	"testing"
	"time"

	gocmp "github.com/google/go-cmp/cmp"
)

const (
	aliceID = "AIDAALICE00000000001"
	bobID   = "AIDABOB0000000000001"
	app     = "arn:aws:iam::111122223333:mfa/phone"
	key     = "arn:aws:iam::111122223333:u2f/user/alice/key"
)

var (
	alice = iamUser("alice", aliceID)
	bob   = iamUser("bob", bobID)
)

// admin is the beginning of most stories: alice gets a password and rights.
func admin(more ...reported) []reported {
	return append([]reported{at(1, createUser("alice", aliceID)), at(2, setPassword("alice", true)), at(3, attach("alice", adminARN))}, more...)
}

func TestSteps(t *testing.T) {
	const days = 24
	for _, tc := range []struct {
		name  string
		step  Step
		story []reported
		asOf  float64
		want  State
		since float64 // hours; negative: never changed
		event string  // of the evidence; "" for a live check, "-" where there is none
		note  string  // a part of it
		path  []State // what the step went through
	}{
		{"nothing known", RootMFA, nil, 10, Unknown, -1, "-", "would show it", nil},
		{"enabled", RootMFA, []reported{at(1, rootEnableMFA(rootKey))}, 10, Done, 1, "e000", "passkey/security key", []State{Done}},
		{"enabled, app", RootMFA, []reported{at(1, rootEnableMFA(rootApp))}, 10, Done, 1, "e000", "authenticator app", []State{Done}},
		{"enabled, hardware token", RootMFA, []reported{at(1, rootEnableMFA("GAHT12345678"))}, 10, Done, 1, "e000", "hardware TOTP", []State{Done}},
		{"enabled, serial not reported", RootMFA, []reported{at(1, rootEnableMFA(""))}, 10, Done, 1, "e000", "unknown kind of device", []State{Done}},
		{"enabling denied", RootMFA, []reported{at(1, rootEnableMFA(rootKey).denied())}, 10, Unknown, -1, "-", "", nil},
		{"another service's EnableMFADevice", RootMFA, []reported{at(1, rootEnableMFA(rootKey).from("other.amazonaws.com"))}, 10, Unknown, -1, "-", "", nil},
		{"a virtual device is created, not attached", RootMFA, []reported{at(1, iamCall(root, "CreateVirtualMFADevice", nil))}, 10, Unknown, -1, "-", "", nil},
		{"a user's device is not root's", RootMFA, []reported{at(1, enableMFA("alice", app))}, 10, Unknown, -1, "-", "", nil},
		{"signed in with MFA", RootMFA, []reported{at(1, signIn(root, "Yes"))}, 10, Done, 1, "e000", "unknown kind", []State{Done}},
		{"signed in without MFA", RootMFA, []reported{at(1, signIn(root, "No"))}, 10, Pending, 1, "e000", "no MFA device", []State{Pending}},
		{"signed in, MFA not reported", RootMFA, []reported{at(1, signIn(root, ""))}, 10, Unknown, -1, "-", "", nil},
		{"failed sign-in says nothing of MFA", RootMFA, []reported{at(1, failedSignIn(root))}, 10, Unknown, -1, "-", "", nil},
		{"without MFA, then enabled", RootMFA, []reported{at(1, signIn(root, "No")), at(2, rootEnableMFA(rootApp))}, 10, Done, 2, "e001", "app", []State{Pending, Done}},
		{"enabled, then signed in without", RootMFA, []reported{at(1, rootEnableMFA(rootApp)), at(2, signIn(root, "No"))}, 10, Regressed, 2, "e001", "any more", []State{Done, Regressed}},
		{"the last device removed", RootMFA, []reported{at(1, rootEnableMFA(rootApp)), at(2, rootDisableMFA(rootApp))}, 10, Regressed, 2, "e001", "any more", []State{Done, Regressed}},
		{"one of two removed", RootMFA, []reported{at(1, rootEnableMFA(rootApp)), at(2, rootEnableMFA(rootKey)), at(3, rootDisableMFA(rootApp))}, 10, Done, 1, "e000", "passkey", []State{Done}},
		{"one of two removed, no one says which", RootMFA, []reported{at(1, rootEnableMFA(rootApp)), at(2, rootEnableMFA(rootKey)), at(3, rootDisableMFA(""))}, 10, Done, 1, "e000", "unknown", []State{Done}},
		{"both removed, no one says which", RootMFA, []reported{at(1, rootEnableMFA(rootApp)), at(2, rootEnableMFA(rootKey)), at(3, rootDisableMFA("")), at(4, rootDisableMFA(rootKey))}, 10, Regressed, 4, "e003", "", []State{Done, Regressed}},
		{"a device from before the log remains", RootMFA, []reported{at(1, signIn(root, "Yes")), at(2, rootEnableMFA(rootKey)), at(3, rootDisableMFA(rootKey))}, 10, Done, 1, "e000", "unknown", []State{Done}},
		{"removal proves that it had been on", RootMFA, []reported{at(1, rootDisableMFA(rootApp))}, 10, Regressed, 1, "e000", "", []State{Regressed}},
		{"removal denied", RootMFA, []reported{at(1, rootEnableMFA(rootApp)), at(2, rootDisableMFA(rootApp).denied())}, 10, Done, 1, "e000", "", []State{Done}},
		{"replaced in one second", RootMFA, []reported{at(1, rootEnableMFA(rootApp)), at(2, rootDisableMFA(rootApp)), at(2, rootEnableMFA(rootKey))}, 10, Done, 1, "e000", "passkey", []State{Done}},
		{"live 1", RootMFA, []reported{checked(1, LiveFact{AccountMFAEnabled: ptr(1)})}, 10, Done, 1, "", "confirmed by a live check", []State{Done}},
		{"live 0", RootMFA, []reported{checked(1, LiveFact{AccountMFAEnabled: ptr(0)})}, 10, Pending, 1, "", "", []State{Pending}},
		{"live 0 after it was on", RootMFA, []reported{at(1, rootEnableMFA(rootApp)), checked(2, LiveFact{AccountMFAEnabled: ptr(0)})}, 10, Regressed, 2, "", "", []State{Done, Regressed}},
		{"live 1 keeps the device kind", RootMFA, []reported{at(1, rootEnableMFA(rootApp)), checked(2, LiveFact{AccountMFAEnabled: ptr(1)})}, 10, Done, 1, "e000", "authenticator app; confirmed", []State{Done}},
		{"live check that did not ask", RootMFA, []reported{checked(1, LiveFact{AccountAccessKeysPresent: ptr(0)})}, 10, Unknown, -1, "-", "", nil},
		{"no root password", RootMFA, []reported{checked(1, LiveFact{AccountMFAEnabled: ptr(0), AccountPasswordPresent: ptr(0)})}, 10, NotApplicable, 1, "", "no password", []State{NotApplicable}},
		{"root password recovered", RootMFA, []reported{checked(1, LiveFact{AccountPasswordPresent: ptr(0)}), at(2, signIn(root, "No"))}, 10, Regressed, 2, "e001", "", []State{NotApplicable, Regressed}},
		{"root password set by AssumeRoot", RootMFA, []reported{checked(1, LiveFact{AccountPasswordPresent: ptr(0)}),
			at(2, iamCall(assumedRootSession("ASIAR", after(2)), "CreateLoginProfile", nil))}, 10, Unknown, 2, "e001", "", []State{NotApplicable, Unknown}},
		{"live: root has a password again", RootMFA, []reported{checked(1, LiveFact{AccountPasswordPresent: ptr(0)}),
			checked(2, LiveFact{AccountPasswordPresent: ptr(1), AccountMFAEnabled: ptr(1)})}, 10, Done, 2, "", "", []State{NotApplicable, Done}},
		{"facts after asOf are not yet", RootMFA, []reported{at(1, rootEnableMFA(rootApp)), at(20, rootDisableMFA(rootApp))}, 10, Done, 1, "e000", "", []State{Done}},

		{"logs alone do not prove it", RootKeysAbsent, []reported{at(1, signIn(root, "Yes"))}, 10, Unknown, -1, "-", "AccountAccessKeysPresent", nil},
		{"live 0", RootKeysAbsent, []reported{checked(1, LiveFact{AccountAccessKeysPresent: ptr(0)})}, 10, Done, 1, "", "live", []State{Done}},
		{"live 1", RootKeysAbsent, []reported{checked(1, LiveFact{AccountAccessKeysPresent: ptr(1)})}, 10, Pending, 1, "", "has an access key", []State{Pending}},
		{"live 1 after 0", RootKeysAbsent, []reported{checked(1, LiveFact{AccountAccessKeysPresent: ptr(0)}), checked(2, LiveFact{AccountAccessKeysPresent: ptr(1)})}, 10, Regressed, 2, "", "", []State{Done, Regressed}},
		{"created", RootKeysAbsent, []reported{at(1, rootCreateKey("AKIAR1"))}, 10, Regressed, 1, "e000", "has an access key", []State{Regressed}},
		{"creation denied", RootKeysAbsent, []reported{at(1, rootCreateKey("AKIAR1").denied())}, 10, Unknown, -1, "-", "", nil},
		{"a user's key is not root's", RootKeysAbsent, []reported{at(1, iamCall(root, "CreateAccessKey", fields{"userName": "alice"}))}, 10, Unknown, -1, "-", "", nil},
		{"created and deleted", RootKeysAbsent, []reported{at(1, rootCreateKey("AKIAR1")), at(2, rootDeleteKey("AKIAR1"))}, 10, Unknown, 2, "e001", "were deleted", []State{Regressed, Unknown}},
		{"one of two deleted", RootKeysAbsent, []reported{at(1, rootCreateKey("AKIAR1")), at(2, rootCreateKey("AKIAR2")), at(3, rootDeleteKey("AKIAR1"))}, 10, Regressed, 1, "e000", "", []State{Regressed}},
		{"deleted and confirmed", RootKeysAbsent, []reported{at(1, rootCreateKey("AKIAR1")), at(2, rootDeleteKey("AKIAR1")), checked(3, LiveFact{AccountAccessKeysPresent: ptr(0)})}, 10, Done, 3, "", "", []State{Regressed, Unknown, Done}},
		{"deleted by the key itself", RootKeysAbsent, []reported{at(1, rootCreateKey("AKIAR1")),
			at(2, iamCall(fields{"type": "Root", "principalId": account, "accountId": account, "accessKeyId": "AKIAR1"}, "DeleteAccessKey", fields{"accessKeyId": "AKIAR1"}))}, 10, Unknown, 2, "e001", "", []State{Regressed, Unknown}},
		{"root used a key", RootKeysAbsent, []reported{at(1, call{who: fields{"type": "Root", "principalId": account, "accountId": account, "accessKeyId": "AKIAOLD"}, source: "s3.amazonaws.com", name: "ListBuckets"})},
			10, Pending, 1, "e000", "has an access key", []State{Pending}},
		{"the key that live reported was used and deleted", RootKeysAbsent, []reported{checked(1, LiveFact{AccountAccessKeysPresent: ptr(1)}),
			at(2, call{who: fields{"type": "Root", "principalId": account, "accountId": account, "accessKeyId": "AKIAOLD"}, source: "s3.amazonaws.com", name: "ListBuckets"}),
			at(3, rootDeleteKey("AKIAOLD"))}, 10, Unknown, 3, "e002", "", []State{Pending, Unknown}},
		{"a console session's key is no access key", RootKeysAbsent, []reported{at(1, rootList("ASIAX", after(0)))}, 10, Unknown, -1, "-", "", nil},
		{"no root password, keys not asked", RootKeysAbsent, []reported{checked(1, LiveFact{AccountPasswordPresent: ptr(0)})}, 10, NotApplicable, 1, "", "", []State{NotApplicable}},
		{"no root password, keys absent", RootKeysAbsent, []reported{checked(1, LiveFact{AccountPasswordPresent: ptr(0), AccountAccessKeysPresent: ptr(0)})}, 10, Done, 1, "", "", []State{Done}},

		{"no facts", AdminUser, nil, 10, Unknown, -1, "-", "nothing is known", nil},
		{"not yet", AdminUser, []reported{at(1, signIn(root, "Yes"))}, 10, Pending, -1, "-", "seen yet", nil},
		{"attached", AdminUser, admin(), 10, Done, 3, "e002", "alice", []State{Done}},
		{"not admin rights", AdminUser, []reported{at(1, createUser("alice", aliceID)), at(2, setPassword("alice", true)), at(3, attach("alice", readARN))}, 10, Pending, -1, "-", "", nil},
		{"no password", AdminUser, []reported{at(1, createUser("alice", aliceID)), at(3, attach("alice", adminARN))}, 10, Pending, -1, "-", "", nil},
		{"attachment denied", AdminUser, []reported{at(1, createUser("alice", aliceID)), at(2, setPassword("alice", true)), at(3, attach("alice", adminARN).denied())}, 10, Pending, -1, "-", "", nil},
		{"rights first", AdminUser, []reported{at(1, createUser("alice", aliceID)), at(2, attach("alice", adminARN)), at(3, setPassword("alice", true))}, 10, Done, 3, "e002", "", []State{Done}},
		{"all in one second, causes last", AdminUser, []reported{at(1, attach("alice", adminARN)), at(1, setPassword("alice", true)), at(1, createUser("alice", aliceID))}, 10, Done, 1, "e001", "", []State{Done}},
		{"inline", AdminUser, []reported{at(1, createUser("alice", aliceID)), at(2, setPassword("alice", true)), at(3, inline("alice", "all", everything))}, 10, Done, 3, "e002", "", []State{Done}},
		{"inline, little", AdminUser, []reported{at(1, createUser("alice", aliceID)), at(2, setPassword("alice", true)), at(3, inline("alice", "all", little))}, 10, Pending, -1, "-", "", nil},
		{"inline replaced by little", AdminUser, []reported{at(1, createUser("alice", aliceID)), at(2, setPassword("alice", true)), at(3, inline("alice", "all", everything)), at(4, inline("alice", "all", little))},
			10, Regressed, 4, "e003", "is left", []State{Done, Regressed}},
		{"inline deleted", AdminUser, []reported{at(1, createUser("alice", aliceID)), at(2, setPassword("alice", true)), at(3, inline("alice", "all", everything)),
			at(4, iamCall(operator, "DeleteUserPolicy", fields{"userName": "alice", "policyName": "all"}))}, 10, Regressed, 4, "e003", "", []State{Done, Regressed}},
		{"by group, policy before", AdminUser, []reported{at(1, createUser("alice", aliceID)), at(2, setPassword("alice", true)), at(3, createGroup("ops")), at(4, attachGroup("ops", adminARN)), at(5, join("ops", "alice"))},
			10, Done, 5, "e004", "", []State{Done}},
		{"by group, policy after", AdminUser, []reported{at(1, createUser("alice", aliceID)), at(2, setPassword("alice", true)), at(3, createGroup("ops")), at(4, join("ops", "alice")), at(5, attachGroup("ops", adminARN))},
			10, Done, 5, "e004", "", []State{Done}},
		{"by group, inline", AdminUser, []reported{at(1, createUser("alice", aliceID)), at(2, setPassword("alice", true)), at(3, createGroup("ops")), at(4, join("ops", "alice")),
			at(5, iamCall(operator, "PutGroupPolicy", fields{"groupName": "ops", "policyName": "all", "policyDocument": everything}))}, 10, Done, 5, "e004", "", []State{Done}},
		{"by group, another one", AdminUser, []reported{at(1, createUser("alice", aliceID)), at(2, setPassword("alice", true)), at(3, createGroup("ops")), at(4, createGroup("dev")), at(5, join("dev", "alice")), at(6, attachGroup("ops", adminARN))},
			10, Pending, -1, "-", "", nil},
		{"by group renamed", AdminUser, []reported{at(1, createUser("alice", aliceID)), at(2, setPassword("alice", true)), at(3, createGroup("ops")), at(4, join("ops", "alice")),
			at(5, iamCall(operator, "UpdateGroup", fields{"groupName": "ops", "newGroupName": "sre"})), at(6, attachGroup("sre", adminARN))}, 10, Done, 6, "e005", "", []State{Done}},
		{"left the group", AdminUser, []reported{at(1, createUser("alice", aliceID)), at(2, setPassword("alice", true)), at(3, attachGroup("ops", adminARN)), at(4, join("ops", "alice")), at(5, leave("ops", "alice"))},
			10, Regressed, 5, "e004", "", []State{Done, Regressed}},
		{"left the group, attached too", AdminUser, admin(at(4, attachGroup("ops", adminARN)), at(5, join("ops", "alice")), at(6, leave("ops", "alice"))), 10, Done, 3, "e002", "", []State{Done}},
		{"group's policy detached", AdminUser, []reported{at(1, createUser("alice", aliceID)), at(2, setPassword("alice", true)), at(3, attachGroup("ops", adminARN)), at(4, join("ops", "alice")),
			at(5, iamCall(operator, "DetachGroupPolicy", fields{"groupName": "ops", "policyArn": adminARN}))}, 10, Regressed, 5, "e004", "", []State{Done, Regressed}},
		{"group deleted", AdminUser, []reported{at(1, createUser("alice", aliceID)), at(2, setPassword("alice", true)), at(3, attachGroup("ops", adminARN)), at(4, join("ops", "alice")),
			at(5, iamCall(operator, "DeleteGroup", fields{"groupName": "ops"}))}, 10, Regressed, 5, "e004", "", []State{Done, Regressed}},
		{"two in a group, the first comes first", AdminUser, []reported{at(1, createUser("alice", aliceID)), at(1.5, createUser("bob", bobID)), at(2, setPassword("bob", false)), at(2, setPassword("alice", false)),
			at(3, createGroup("ops")), at(4, join("ops", "bob")), at(5, join("ops", "alice")), at(6, attachGroup("ops", adminARN))}, 10, Done, 6, "e007", "alice", []State{Done}},
		{"left a group she is not in, joined one twice", AdminUser, admin(at(4, leave("ops", "alice")), at(5, join("dev", "alice")), at(6, join("dev", "alice"))), 10, Done, 3, "e002", "alice", []State{Done}},
		{"group's life in one second, its end written first", AdminUser, []reported{at(1, createUser("alice", aliceID)), at(2, setPassword("alice", true)),
			at(3, iamCall(operator, "DeleteGroup", fields{"groupName": "ops"})), at(3, join("ops", "alice")), at(3, attachGroup("ops", adminARN)), at(3, createGroup("ops"))}, 10, Regressed, 3, "e002", "", []State{Done, Regressed}},
		{"the name goes to another", AdminUser, admin(at(4, createUser("alice", bobID))), 10, Regressed, 4, "e003", "", []State{Done, Regressed}},
		{"who lost the rights and got them back comes last", AdminUser, admin(at(4, createUser("bob", bobID)), at(4, setPassword("bob", false)), at(4, createUser("cat", "AIDACAT0000000000001")), at(4, setPassword("cat", false)),
			at(5, attach("bob", adminARN)), at(6, attach("cat", adminARN)), at(7, detach("bob", adminARN)), at(8, attach("bob", adminARN)), at(9, deleteUser("alice"))), 10, Done, 3, "e008", "cat", []State{Done}},
		{"detached", AdminUser, admin(at(4, detach("alice", adminARN))), 10, Regressed, 4, "e003", "", []State{Done, Regressed}},
		{"another policy detached", AdminUser, admin(at(4, detach("alice", readARN))), 10, Done, 3, "e002", "", []State{Done}},
		{"detached and attached", AdminUser, admin(at(4, detach("alice", adminARN)), at(5, attach("alice", adminARN))), 10, Done, 5, "e004", "", []State{Done, Regressed, Done}},
		{"login profile deleted", AdminUser, admin(at(4, removePassword("alice"))), 10, Regressed, 4, "e003", "", []State{Done, Regressed}},
		{"login profile deletion failed", AdminUser, admin(at(4, removePassword("alice").denied())), 10, Done, 3, "e002", "", []State{Done}},
		{"deleted", AdminUser, admin(at(4, deleteUser("alice"))), 10, Regressed, 4, "e003", "", []State{Done, Regressed}},
		{"renamed", AdminUser, admin(at(4, rename("alice", "al"))), 10, Done, 3, "e002", "al", []State{Done}},
		{"another one carries it", AdminUser, admin(at(4, createUser("bob", bobID)), at(5, attach("bob", adminARN)), at(6, setPassword("bob", false)), at(7, deleteUser("alice"))), 10, Done, 3, "e005", "bob", []State{Done}},
		{"the first one carries it", AdminUser, admin(at(4, createUser("bob", bobID)), at(5, attach("bob", adminARN)), at(6, setPassword("bob", false)), at(7, deleteUser("bob"))), 10, Done, 3, "e002", "alice", []State{Done}},
		{"live: no login profile", AdminUser, admin(checked(4, LiveFact{UserID: aliceID, ConsoleLogin: ptr(false)})), 10, Regressed, 4, "", "", []State{Done, Regressed}},
		{"live: gone", AdminUser, admin(checked(4, LiveFact{UserID: aliceID, Gone: true})), 10, Regressed, 4, "", "", []State{Done, Regressed}},
		{"user from before the log, signed in", AdminUser, []reported{at(1, signIn(bob, "Yes"))}, 10, Unknown, -1, "-", "bob", nil},
		{"user from before the log, attached", AdminUser, []reported{at(1, attach("bob", adminARN)), at(2, signIn(bob, "Yes"))}, 10, Done, 2, "e001", "bob", []State{Done}},
		{"in a group from before the log", AdminUser, []reported{at(1, createUser("alice", aliceID)), at(2, setPassword("alice", false)), at(3, join("Administrators", "alice"))}, 10, Unknown, -1, "-", "alice", nil},

		{"nobody to sign in that is known", AdminSignedIn, nil, 10, Unknown, -1, "-", "depends on the administrator, see there", nil},
		{"not yet", AdminSignedIn, admin(), 10, Pending, -1, "-", "alice has not signed in yet", nil},
		{"signed in", AdminSignedIn, admin(at(4, signIn(alice, "No"))), 10, Done, 4, "e003", "", []State{Done}},
		{"failed", AdminSignedIn, admin(at(4, failedSignIn(alice))), 10, Pending, -1, "-", "", nil},
		{"somebody else", AdminSignedIn, admin(at(4, signIn(bob, "No"))), 10, Pending, -1, "-", "", nil},
		{"a role of her name", AdminSignedIn, admin(at(4, signIn(fields{"type": "AssumedRole", "userName": "alice", "principalId": "AROAX:alice"}, "No"))), 10, Pending, -1, "-", "", nil},
		{"before she was admin", AdminSignedIn, []reported{at(1, createUser("alice", aliceID)), at(2, setPassword("alice", true)), at(3, signIn(alice, "No")), at(4, attach("alice", adminARN))}, 10, Done, 4, "e002", "", []State{Done}},
		{"the first sign-in is the evidence", AdminSignedIn, admin(at(4, signIn(alice, "No")), at(5, createUser("bob", bobID)), at(6, attach("bob", adminARN)), at(7, setPassword("bob", false)), at(8, signIn(bob, "No")), at(9, deleteUser("alice"))),
			10, Done, 4, "e003", "", []State{Done}},
		{"never regresses", AdminSignedIn, admin(at(4, signIn(alice, "No")), at(5, deleteUser("alice"))), 10, Done, 4, "e003", "", []State{Done}},

		{"due", AdminPasswordChanged, admin(), 10, Pending, -1, "e001", "must change", nil},
		{"changed", AdminPasswordChanged, admin(at(4, changePassword("alice", aliceID))), 10, Done, 4, "e003", "", []State{Done}},
		{"change failed", AdminPasswordChanged, admin(at(4, changePassword("alice", aliceID).denied())), 10, Pending, -1, "e001", "", nil},
		{"somebody else's", AdminPasswordChanged, admin(at(4, changePassword("bob", bobID))), 10, Pending, -1, "e001", "", nil},
		{"not required", AdminPasswordChanged, []reported{at(1, createUser("alice", aliceID)), at(2, setPassword("alice", false)), at(3, attach("alice", adminARN))}, 10, NotApplicable, 3, "e001", "not set", []State{NotApplicable}},
		{"not required, reset demanded later", AdminPasswordChanged, []reported{at(1, createUser("alice", aliceID)), at(2, setPassword("alice", false)), at(3, attach("alice", adminARN)), at(4, updatePassword("alice", true))},
			10, Regressed, 4, "e003", "must change", []State{NotApplicable, Regressed}},
		{"reset again", AdminPasswordChanged, admin(at(4, changePassword("alice", aliceID)), at(5, updatePassword("alice", true))), 10, Regressed, 5, "e004", "", []State{Done, Regressed}},
		{"reset while due", AdminPasswordChanged, admin(at(5, updatePassword("alice", true))), 10, Pending, -1, "e003", "", nil},
		{"reset and changed", AdminPasswordChanged, admin(at(4, changePassword("alice", aliceID)), at(5, updatePassword("alice", true)), at(6, changePassword("alice", aliceID))), 10, Done, 6, "e005", "", []State{Done, Regressed, Done}},
		{"updated, reset not reported", AdminPasswordChanged, admin(at(4, changePassword("alice", aliceID)), at(5, updatePassword("alice", nil))), 10, Done, 4, "e003", "", []State{Done}},
		{"updated, no reset", AdminPasswordChanged, admin(at(5, updatePassword("alice", false))), 10, NotApplicable, 5, "e003", "", []State{NotApplicable}},
		{"no one knew, reset demanded", AdminPasswordChanged, []reported{at(1, attach("bob", adminARN)), at(2, signIn(bob, "Yes")), at(3, updatePassword("bob", true))}, 10, Regressed, 3, "e002", "must change", []State{Unknown, Regressed}},
		{"no one knows", AdminPasswordChanged, []reported{at(1, attach("bob", adminARN)), at(2, signIn(bob, "Yes"))}, 10, Unknown, 2, "e001", "not in the log", []State{Unknown}},

		{"not yet", AdminMFA, admin(), 10, Pending, -1, "e002", "alice has no MFA", nil},
		{"enabled", AdminMFA, admin(at(4, enableMFA("alice", app))), 10, Done, 4, "e003", "authenticator app", []State{Done}},
		{"confirmed live", AdminMFA, admin(at(4, enableMFA("alice", app)), checked(5, LiveFact{UserID: aliceID, UserName: "alice", ConsoleLogin: ptr(true), MFADevices: []string{app}})), 10, Done, 4, "e003", "app; confirmed by a live check", []State{Done}},
		{"enabling failed", AdminMFA, admin(at(4, enableMFA("alice", app).denied())), 10, Pending, -1, "e002", "", nil},
		{"somebody else's", AdminMFA, admin(at(4, enableMFA("bob", app))), 10, Pending, -1, "e002", "", nil},
		{"removed", AdminMFA, admin(at(4, enableMFA("alice", app)), at(5, disableMFA("alice", app))), 10, Regressed, 5, "e004", "has no MFA", []State{Done, Regressed}},
		{"removed, from before she was admin", AdminMFA, admin(at(5, disableMFA("alice", app))), 10, Regressed, 5, "e002", "", []State{Regressed}},
		{"one of two removed", AdminMFA, admin(at(4, enableMFA("alice", app)), at(5, enableMFA("alice", key)), at(6, disableMFA("alice", app))), 10, Done, 4, "e003", "passkey", []State{Done}},
		{"live: none", AdminMFA, admin(at(4, enableMFA("alice", app)), checked(5, LiveFact{UserID: aliceID, ConsoleLogin: ptr(true)})), 10, Regressed, 5, "", "", []State{Done, Regressed}},
		{"no one knows", AdminMFA, []reported{at(1, attach("bob", adminARN)), at(2, signIn(bob, ""))}, 10, Unknown, 2, "e001", "would show it", []State{Unknown}},
		{"the next carrier has none", AdminMFA, admin(at(4, enableMFA("alice", app)), at(5, createUser("bob", bobID)), at(6, attach("bob", adminARN)), at(7, setPassword("bob", false)), at(8, deleteUser("alice"))), 10, Regressed, 8, "e006", "bob", []State{Done, Regressed}},

		{"nobody signed in", RootQuiet, admin(), 60 * days, Pending, -1, "-", "begins when", nil},
		{"29 days", RootQuiet, admin(at(4, signIn(alice, "No"))), 4 + 29*days, Pending, -1, "-", "2026-04-01", nil},
		{"30 days", RootQuiet, admin(at(4, signIn(alice, "No"))), 4 + 30*days, Done, 4 + 30*days, "e003", "", []State{Done}},
		{"activity before the sign-in does not count", RootQuiet, admin(at(3.5, rootList("ASIA1", after(3))), at(4, signIn(alice, "No"))), 4 + 30*days, Done, 4 + 30*days, "e004", "", []State{Done}},
		{"activity within", RootQuiet, admin(at(4, signIn(alice, "No")), at(100, rootList("ASIA1", after(99)))), 4 + 30*days, Pending, -1, "e004", "if root is left alone", nil},
		{"activity within, quiet since", RootQuiet, admin(at(4, signIn(alice, "No")), at(100, rootList("ASIA1", after(99)))), 100 + 30*days, Done, 100 + 30*days, "e004", "", []State{Done}},
		{"activity after", RootQuiet, admin(at(4, signIn(alice, "No")), at(800, rootList("ASIA1", after(799)))), 900, Regressed, 800, "e004", "", []State{Done, Regressed}},
		{"activity after, quiet again", RootQuiet, admin(at(4, signIn(alice, "No")), at(800, rootList("ASIA1", after(799)))), 800 + 31*days, Done, 800 + 30*days, "e004", "", []State{Done, Regressed, Done}},
		{"sign-in after", RootQuiet, admin(at(4, signIn(alice, "No")), at(800, signIn(root, "Yes"))), 900, Regressed, 800, "e004", "", []State{Done, Regressed}},
		{"failed sign-in after", RootQuiet, admin(at(4, signIn(alice, "No")), at(800, failedSignIn(root))), 900, Done, 4 + 30*days, "e003", "", []State{Done}},
		{"denied call after", RootQuiet, admin(at(4, signIn(alice, "No")), at(800, rootList("ASIA1", after(799)).denied())), 900, Regressed, 800, "e004", "", []State{Done, Regressed}},
		{"recovery requested", RootQuiet, admin(at(4, signIn(alice, "No")), at(800, call{who: root, source: "signin.amazonaws.com", name: "PasswordRecoveryRequested", eventType: "AwsConsoleSignIn"})), 900, Done, 4 + 30*days, "e003", "", []State{Done}},
		{"recovery completed", RootQuiet, admin(at(4, signIn(alice, "No")), at(800, call{who: root, source: "signin.amazonaws.com", name: "PasswordRecoveryCompleted", eventType: "AwsConsoleSignIn"})), 900, Regressed, 800, "e004", "", []State{Done, Regressed}},
		{"a service in root's name", RootQuiet, admin(at(4, signIn(alice, "No")), at(800, call{who: fields{"type": "Root", "accountId": account, "invokedBy": "backup.amazonaws.com"}, source: "s3.amazonaws.com", name: "ListBuckets"})), 900, Done, 4 + 30*days, "e003", "", []State{Done}},
		{"session of AssumeRoot that says so", RootQuiet, admin(at(4, signIn(alice, "No")), at(800, call{who: assumedRootSession("ASIAT", after(800)), source: "s3.amazonaws.com", name: "DeleteBucketPolicy"})), 900, Done, 4 + 30*days, "e003", "", []State{Done}},
		{"session of AssumeRoot known by its key", RootQuiet, admin(at(4, signIn(alice, "No")), at(799.9, assumeRoot("ASIAT")), at(800, rootList("ASIAT", after(800)))), 900, Done, 4 + 30*days, "e003", "", []State{Done}},
		{"AssumeRoot of another key", RootQuiet, admin(at(4, signIn(alice, "No")), at(799.9, assumeRoot("ASIAT")), at(800, rootList("ASIAU", after(800)))), 900, Regressed, 800, "e005", "", []State{Done, Regressed}},
		{"one record of the session says so", RootQuiet, admin(at(4, signIn(alice, "No")), at(800, rootList("ASIAT", after(800))), at(800.1, call{who: assumedRootSession("ASIAT", after(800)), source: "s3.amazonaws.com", name: "DeleteBucketPolicy"})), 900, Done, 4 + 30*days, "e003", "", []State{Done}},
		{"no root credentials", RootQuiet, admin(at(4, signIn(alice, "No")), checked(5, LiveFact{AccountPasswordPresent: ptr(0), AccountAccessKeysPresent: ptr(0)})), 900, NotApplicable, 5, "", "no credentials", []State{NotApplicable}},
		{"activity of an hour counts from its end", RootQuiet, admin(at(4, signIn(alice, "No")), at(800, rootList("ASIA1", after(799))), at(800.9, rootList("ASIA1", after(799)))), 800.5 + 30*days, Regressed, 800, "e005", "", []State{Done, Regressed}},
		{"no root credentials, checked again", RootQuiet, admin(at(4, signIn(alice, "No")), checked(5, LiveFact{AccountPasswordPresent: ptr(0)}), checked(50, LiveFact{AccountPasswordPresent: ptr(0)})), 900, NotApplicable, 5, "", "no credentials", []State{NotApplicable}},
		{"no root password, a key used and removed", RootQuiet, admin(at(4, signIn(alice, "No")), checked(5, LiveFact{AccountPasswordPresent: ptr(0), AccountAccessKeysPresent: ptr(0)}),
			at(800, call{who: fields{"type": "Root", "accountId": account, "accessKeyId": "AKIAR"}, source: "s3.amazonaws.com", name: "ListBuckets"}),
			checked(801, LiveFact{AccountAccessKeysPresent: ptr(0)})), 900, NotApplicable, 801, "", "", []State{Done, Regressed, NotApplicable}},
		{"no root credentials, after quiet", RootQuiet, admin(at(4, signIn(alice, "No")), checked(800, LiveFact{AccountPasswordPresent: ptr(0)})), 900, NotApplicable, 800, "", "", []State{Done, NotApplicable}},
	} {
		t.Run(string(tc.step)+"/"+tc.name, func(t *testing.T) {
			s := stepOf(t, fold(t, tc.asOf, tc.story...), tc.step)
			if s.State != tc.want {
				t.Fatalf("state = %s, want %s\n%+v", s.State, tc.want, s)
			}
			var since time.Time
			if tc.since >= 0 {
				since = after(tc.since)
			}
			if !s.Since.Equal(since) {
				t.Errorf("since = %s, want %s", s.Since, since)
			}
			switch {
			case tc.event == "-" && s.Evidence != nil:
				t.Errorf("evidence = %+v, want none", *s.Evidence)
			case tc.event != "-" && s.Evidence == nil:
				t.Errorf("evidence is missing, want event %q", tc.event)
			case tc.event != "-" && (s.Evidence.EventID != tc.event || s.Evidence.What == "" || s.Evidence.Time.IsZero()):
				t.Errorf("evidence = %+v, want event %q", *s.Evidence, tc.event)
			}
			if !strings.Contains(s.Note, tc.note) {
				t.Errorf("note = %q, want %q in it", s.Note, tc.note)
			}
			checkHistory(t, s, tc.path)
		})
	}
}

// TestRootDeviceKind holds that a live check shows the kind of a device where no
// record does, and of no device that it may not be about.
func TestRootDeviceKind(t *testing.T) {
	const (
		live, app, other, unknown = "; confirmed by a live check", "authenticator app", "passkey/security key or hardware TOTP", "unknown kind of device"
		passkey                   = "passkey/security key"
	)
	enabled := func(hours float64, virtual bool) reported {
		return checked(hours, LiveFact{AccountMFAEnabled: ptr(1), RootVirtualMFA: ptr(virtual)})
	}
	for _, tc := range []struct {
		name  string
		story []reported
		note  string
	}{
		{"an app", []reported{enabled(1, true)}, app + live},
		{"no app", []reported{enabled(1, false)}, other + live},
		{"not asked", []reported{checked(1, LiveFact{AccountMFAEnabled: ptr(1)})}, unknown + live},
		{"asked later", []reported{at(1, signIn(root, "Yes")), enabled(2, true)}, app + live},
		{"not asked again", []reported{enabled(1, true), checked(2, LiveFact{AccountMFAEnabled: ptr(1)})}, app + live},
		{"replaced", []reported{enabled(1, true), enabled(2, false)}, other + live},
		{"records know better", []reported{at(1, rootEnableMFA(rootKey)), enabled(2, false)}, passkey + live},
		{"records know the app", []reported{at(1, rootEnableMFA(rootApp)), enabled(2, false)}, app + live},
		{"a further device without a serial", []reported{enabled(1, true), at(2, rootEnableMFA(""))}, unknown + live},
		{"a further device with one", []reported{enabled(1, true), at(2, rootEnableMFA(rootKey))}, app + ", " + passkey + live},
		{"the app may be the known one", []reported{at(1, signIn(root, "Yes")), at(2, rootEnableMFA(rootApp)), enabled(3, true)}, app + ", " + unknown + live},
		{"the app may be either", []reported{at(1, rootEnableMFA("")), at(2, rootEnableMFA("")), enabled(3, true)}, unknown + live},
		{"neither is an app", []reported{at(1, rootEnableMFA("")), at(2, rootEnableMFA("")), enabled(3, false)}, other + live},
		{"removed, and of two others one", []reported{enabled(1, true), at(2, rootEnableMFA(rootKey)), at(3, rootEnableMFA(rootApp)),
			at(4, rootDisableMFA("")), at(5, rootDisableMFA(""))}, unknown + live},
		{"removed, then another", []reported{enabled(1, true), checked(2, LiveFact{AccountMFAEnabled: ptr(0), RootVirtualMFA: ptr(false)}), at(3, signIn(root, "Yes"))}, unknown},
	} {
		t.Run(tc.name, func(t *testing.T) {
			if s := stepOf(t, fold(t, 10, tc.story...), RootMFA); s.State != Done || s.Note != tc.note {
				t.Errorf("%s with note %q, want %q", s.State, s.Note, tc.note)
			}
		})
	}
}

// checkHistory holds the history to the states it should pass, each transition
// beginning where the last one ended, in the order of time.
func checkHistory(t *testing.T, s StepStatus, path []State) {
	t.Helper()
	var went []State
	for i, tr := range s.History {
		went = append(went, tr.To)
		if i > 0 && (tr.From != s.History[i-1].To || tr.At.Before(s.History[i-1].At)) {
			t.Errorf("history breaks at %d: %+v", i, s.History)
		}
	}
	if len(went) != len(path) {
		t.Errorf("went through %v, want %v", went, path)
		return
	}
	for i := range path {
		if went[i] != path[i] {
			t.Errorf("went through %v, want %v", went, path)
			return
		}
	}
}

func TestFactsWithoutATimeArePassedOver(t *testing.T) {
	facts := factsOf(t, admin())
	lost := rootEnableMFA(rootKey).record(t, after(1), "lost")
	for _, f := range FactsOf(&lost) {
		f.Time = time.Time{}
		facts = append(facts, f)
	}
	if diff := gocmp.Diff(fold(t, 10, admin()...), Fold(account, facts, DefaultOptions(), after(10))); diff != "" {
		t.Errorf("(-without +with):\n%s", diff)
	}
}

func TestBootstrapped(t *testing.T) {
	story := []reported{
		at(0, signIn(root, "No")), at(0.1, rootEnableMFA(rootApp)),
		at(1, createUser("alice", aliceID)), at(1, setPassword("alice", true)), at(1, attach("alice", adminARN)),
		at(2, signIn(alice, "No")), at(2.1, changePassword("alice", aliceID)), at(2.2, enableMFA("alice", key)),
		checked(3, LiveFact{AccountMFAEnabled: ptr(1), AccountAccessKeysPresent: ptr(0), AccountPasswordPresent: ptr(1)}),
	}
	const month = 31 * 24
	if st := fold(t, 24, story...); st.Bootstrapped {
		t.Error("bootstrapped before root was left alone for 30 days")
	}
	st := fold(t, month, story...)
	if !st.Bootstrapped {
		t.Errorf("not bootstrapped: %+v", st.Steps)
	}
	if !st.FirstEvent.Equal(after(0)) || !st.LastEvent.Equal(after(2.2)) {
		t.Errorf("events from %s to %s, want %s to %s: a live check is no event", st.FirstEvent, st.LastEvent, after(0), after(2.2))
	}
	for i, s := range st.Steps {
		if s.Step != Steps()[i] {
			t.Errorf("step %d is %s, want %s", i, s.Step, Steps()[i])
		}
	}
	if st := fold(t, month+1, append(story, at(month, signIn(root, "Yes")))...); st.Bootstrapped {
		t.Error("still bootstrapped after root came back")
	}
}

func TestNoRootCredentials(t *testing.T) {
	gone := checked(1, LiveFact{AccountMFAEnabled: ptr(0), AccountAccessKeysPresent: ptr(0), AccountPasswordPresent: ptr(0)})
	for _, tc := range []struct {
		name  string
		story []reported
		want  bool
	}{
		{"never asked", []reported{checked(1, LiveFact{AccountMFAEnabled: ptr(0)})}, false},
		{"gone", []reported{gone}, true},
		{"a password", []reported{checked(1, LiveFact{AccountPasswordPresent: ptr(1)})}, false},
		{"an access key is a credential", []reported{checked(1, LiveFact{AccountAccessKeysPresent: ptr(1), AccountPasswordPresent: ptr(0)})}, false},
		{"root is back", []reported{gone, at(2, rootList("ASIA1", after(2)))}, false},
		{"root used a key, the key was removed", []reported{gone,
			at(2, call{who: fields{"type": "Root", "accountId": account, "accessKeyId": "AKIAR"}, source: "s3.amazonaws.com", name: "ListBuckets"}),
			checked(3, LiveFact{AccountAccessKeysPresent: ptr(0)})}, true},
		{"AssumeRoot is not root's return", []reported{gone, at(2, assumeRoot("ASIAT")), at(2, rootList("ASIAT", after(2)))}, true},
	} {
		t.Run(tc.name, func(t *testing.T) {
			st := fold(t, 10, tc.story...)
			if st.NoRootCredentials != tc.want {
				t.Errorf("NoRootCredentials = %v, want %v", st.NoRootCredentials, tc.want)
			}
			if quiet := stepOf(t, st, RootQuiet); (quiet.State == NotApplicable) != tc.want {
				t.Errorf("root_quiet is %s", quiet.State)
			}
		})
	}
}

func TestNotesOfWhatWasAlertedChangeNoStatus(t *testing.T) {
	u := UserStatus{UserID: "AIDAEVE", Name: "eve"}
	note := MFAMissingAlertedFact(account, &u, MFAGap{From: day0, Deadline: day0.Add(time.Hour)}, "")
	if diff := gocmp.Diff(Fold(account, nil, DefaultOptions(), time.Time{}), Fold(account, []Fact{note}, DefaultOptions(), time.Time{})); diff != "" {
		t.Errorf("with a note (-without +with):\n%s", diff)
	}
	other := MFAMissingAlertedFact(account, &u, MFAGap{From: day0, Deadline: day0.Add(2 * time.Hour)}, "")
	if note.ID == other.ID || note.Account != account || note.UserID != "AIDAEVE" || note.UserName != "eve" || !note.Until.Equal(day0.Add(time.Hour)) {
		t.Errorf("notes: %+v, %+v", note, other)
	}
	later := MFAMissingAlertedFact(account, &u, MFAGap{From: day0, Deadline: day0.Add(time.Hour)}, "reminder-1")
	if later.ID == note.ID || later.Stage != "reminder-1" || note.Stage != "" {
		t.Errorf("notes: %+v, %+v", note, later)
	}
}
