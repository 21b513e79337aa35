package bootstrap

import (
	"encoding/json"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"rootguard/internal/testenv"

	"rootguard/internal/cloudtrail"
)

// passwordUsed is the fact that root's password was used at after(1).
func passwordUsed(what string) []Fact {
	return []Fact{{
		Account: account, ID: "root_password_used/2026-03-02T10", Kind: RootPasswordUsed, Time: after(1), EventID: "e1",
		Last: after(1), LastEventID: "e1", LastWhat: what, What: what,
	}}
}

func TestFactsOf(t *testing.T) {
	resource := rootList("ASIA1", after(0)).in("444455556666") // a copy in the account that owns the bucket
	byRoot := fields{"type": "FederatedUser", "principalId": account + ":broker", "arn": "arn:aws:sts::" + account + ":federated-user/broker", "accountId": account, "accessKeyId": "ASIAFED",
		"sessionContext": fields{"sessionIssuer": fields{"type": "Root", "principalId": account,
			"arn": "arn:aws:iam::" + account + ":root", "accountId": account}}}
	for _, tc := range []struct {
		name string
		call call
		want []Fact
	}{
		{"a session that root issued signs in", signIn(byRoot, "No"), []Fact{{
			Account: account, ID: "root_activity/ASIAFED/-/2026-03-02T10", Kind: RootActivity, Time: after(1), EventID: "e1",
			Last: after(1), LastEventID: "e1", LastWhat: "signin:ConsoleLogin", Actor: account + ":broker", AccessKeyID: "ASIAFED", What: "signin:ConsoleLogin"}}},
		{"a session that root issued fails to sign in", failedSignIn(byRoot), nil},
		{"nothing to do with it", call{who: operator, source: "ec2.amazonaws.com", name: "RunInstances"}, nil},
		{"another service's CreateUser", createUser("alice", aliceID).from("transfer.amazonaws.com"), nil},
		{"created", createUser("alice", aliceID), []Fact{{
			Account: account, ID: "user_created/e1", Kind: UserCreated, Time: after(1), EventID: "e1", Actor: "Operator/ops",
			UserName: "alice", UserID: aliceID, What: "CreateUser"}}},
		{"created by root", iamCall(rootSession("ASIA1", after(0)), "CreateUser", fields{"userName": "alice"}), []Fact{{
			Account: account, ID: "root_activity/ASIA1/2026-03-02T09:00:00Z/2026-03-02T10", Kind: RootActivity, Time: after(1), EventID: "e1",
			Last: after(1), LastEventID: "e1", LastWhat: "iam:CreateUser", Actor: "root", AccessKeyID: "ASIA1", What: "iam:CreateUser",
		}, {
			Account: account, ID: "user_created/e1", Kind: UserCreated, Time: after(1), EventID: "e1", Actor: "root", UserName: "alice", What: "CreateUser"}}},
		{"root at work in another account's bucket", resource, []Fact{{
			Account: account, ID: "root_activity/ASIA1/2026-03-02T09:00:00Z/2026-03-02T10", Kind: RootActivity, Time: after(1), EventID: "e1",
			Last: after(1), LastEventID: "e1", LastWhat: "s3:ListBuckets", Actor: "root", AccessKeyID: "ASIA1", What: "s3:ListBuckets"}}},
		{"root at work, no key and no session", call{who: root, source: "signin.amazonaws.com", name: "PasswordUpdated", eventType: "AwsConsoleSignIn"}, []Fact{{
			Account: account, ID: "root_activity/" + account + "/-/2026-03-02T10", Kind: RootActivity, Time: after(1), EventID: "e1",
			Last: after(1), LastEventID: "e1", LastWhat: "signin:PasswordUpdated", Actor: "root", What: "signin:PasswordUpdated"}}},
		{"quarantined by hand", attach("alice", quarantineARN), []Fact{{
			Account: account, ID: "user_quarantined/e1", Kind: UserQuarantined, Time: after(1), EventID: "e1", Actor: "Operator/ops",
			UserName: "alice", Policy: quarantineARN, What: "AttachUserPolicy (rootguard-quarantine)"}}},
		{"released by hand", detach("alice", quarantineARN), []Fact{{
			Account: account, ID: "user_released/e1", Kind: UserReleased, Time: after(1), EventID: "e1", Actor: "Operator/ops",
			UserName: "alice", Policy: quarantineARN, What: "DetachUserPolicy (rootguard-quarantine)"}}},
		{"another policy", attach("alice", "arn:aws:iam::111122223333:policy/rootguard-quarantines"), nil},
		{"an inline policy of such a name", inline("alice", "rootguard-quarantine", little), []Fact{{
			Account: account, ID: "user_policy_granted/e1", Kind: UserPolicyGranted, Time: after(1), EventID: "e1", Actor: "Operator/ops",
			UserName: "alice", Policy: "rootguard-quarantine", What: "PutUserPolicy (rootguard-quarantine)"}}},
		{"a group's policy of such a name", attachGroup("ops", quarantineARN), nil},
		{"root signs in", signIn(root, "Yes"), []Fact{{
			Account: account, ID: "root_signin/e1", Kind: RootSignIn, Time: after(1), EventID: "e1", Actor: "root", MFA: cloudtrail.Yes, What: "ConsoleLogin, MFAUsed=Yes"}}},
		{"root fails to sign in", failedSignIn(root), nil},
		{"root fails to sign in at MFA", mfaFailure(root), passwordUsed("ConsoleLogin")},
		{"a sign-in that says neither Success nor Failure", signIn(root, "Yes").responding(nil), passwordUsed("ConsoleLogin")},
		{"a step of signing in", call{who: root, source: "signin.amazonaws.com", name: "CheckMfa"}, passwordUsed("CheckMfa")},
		{"a step of a user's signing in", call{who: alice, source: "signin.amazonaws.com", name: "CheckMfa"}, nil},
		{"a user fails to sign in at MFA", mfaFailure(alice), nil},
		{"a password recovered", call{who: fields{}, source: "signin.amazonaws.com", name: "PasswordRecoveryCompleted", eventType: "AwsServiceEvent"}, passwordUsed("PasswordRecoveryCompleted")},
		{"a password whose recovery was asked for", call{who: fields{}, source: "signin.amazonaws.com", name: "PasswordRecoveryRequested", eventType: "AwsServiceEvent"}, nil},
		{"a password of a user updated", call{who: alice, source: "signin.amazonaws.com", name: "PasswordUpdated"}, nil},
		{"a service in root's name", call{who: fields{"type": "Root", "accountId": account, "invokedBy": "backup.amazonaws.com"}, source: "s3.amazonaws.com", name: "PutObject"}, nil},
		{"user signs in", signIn(alice, "No"), []Fact{{
			Account: account, ID: "user_signin/e1", Kind: UserSignIn, Time: after(1), EventID: "e1", Actor: "alice", ActorID: aliceID,
			UserName: "alice", UserID: aliceID, MFA: cloudtrail.No, What: "ConsoleLogin, MFAUsed=No"}}},
		{"a user without name and ID signs in", signIn(fields{"type": "IAMUser", "accountId": account}, "No"), nil},
		{"a role signs in", signIn(operator, "No"), []Fact{{
			Account: account, ID: "role_signin/e1", Kind: RoleSignIn, Time: after(1), EventID: "e1", Actor: "Operator/ops", Role: "Operator", What: "ConsoleLogin"}}},
		{"a role fails to sign in", failedSignIn(operator), nil},
		{"AssumeRoot", assumeRoot("ASIAT"), []Fact{{
			Account: account, ID: AssumedRootFactID("ASIAT"), Kind: AssumedRoot, Time: after(1), EventID: "e1", Actor: "Sec/eve", AccessKeyID: "ASIAT",
			TaskPolicy: "arn:aws:iam::aws:policy/root-task/S3UnlockBucketPolicy", Until: after(1).Add(10 * time.Minute), What: "AssumeRoot"}}},
		{"AssumeRoot by ARN, policy as text, no duration", func() call {
			c := assumeRoot("ASIAT")
			c.req = fields{"targetPrincipal": "arn:aws:iam::" + account + ":root", "taskPolicyArn": "arn:aws:iam::aws:policy/root-task/IAMAuditRootUserCredentials"}
			return c
		}(), []Fact{{
			Account: account, ID: AssumedRootFactID("ASIAT"), Kind: AssumedRoot, Time: after(1), EventID: "e1", Actor: "Sec/eve", AccessKeyID: "ASIAT",
			TaskPolicy: "arn:aws:iam::aws:policy/root-task/IAMAuditRootUserCredentials", Until: after(1).Add(15 * time.Minute), What: "AssumeRoot"}}},
		{"AssumeRoot denied", assumeRoot("ASIAT").denied(), nil},
		{"AssumeRoot without credentials in the record", assumeRoot("").responding(nil), nil},
		{"a call of a session of AssumeRoot", call{who: assumedRootSession("ASIAT", after(0)), source: "sqs.amazonaws.com", name: "SetQueueAttributes"}, []Fact{{
			Account: account, ID: AssumedRootFactID("ASIAT"), Kind: AssumedRoot, Time: after(1), EventID: "e1", AccessKeyID: "ASIAT", What: "session of AssumeRoot"}}},
		{"root's login profile deleted by AssumeRoot", iamCall(assumedRootSession("", after(0)), "DeleteLoginProfile", nil), []Fact{{
			Account: account, ID: "root_password_removed/e1", Kind: RootPasswordRemoved, Time: after(1), EventID: "e1", Actor: "root", What: "DeleteLoginProfile"}}},
		{"root's login profile not deleted", iamCall(assumedRootSession("", after(0)), "DeleteLoginProfile", nil).denied(), nil},
		{"root's access key", rootCreateKey("AKIAR"), []Fact{{
			Account: account, ID: "root_activity/" + account + "/-/2026-03-02T10", Kind: RootActivity, Time: after(1), EventID: "e1",
			Last: after(1), LastEventID: "e1", LastWhat: "iam:CreateAccessKey", Actor: "root", What: "iam:CreateAccessKey",
		}, {
			Account: account, ID: "root_key_created/e1", Kind: RootKeyCreated, Time: after(1), EventID: "e1", Actor: "root", AccessKeyID: "AKIAR", What: "CreateAccessKey"}}},
		{"root's MFA device", rootEnableMFA(app), []Fact{{
			Account: account, ID: "root_activity/" + account + "/-/2026-03-02T10", Kind: RootActivity, Time: after(1), EventID: "e1",
			Last: after(1), LastEventID: "e1", LastWhat: "iam:EnableMFADevice", Actor: "root", What: "iam:EnableMFADevice",
		}, {
			Account: account, ID: "root_mfa_enabled/e1", Kind: RootMFAEnabled, Time: after(1), EventID: "e1", Actor: "root", Serial: app, What: "EnableMFADevice (authenticator app)"}}},
		{"a user's access key", iamCall(operator, "CreateAccessKey", fields{"userName": "alice"}), []Fact{{
			Account: account, ID: "user_key_created/e1", Kind: UserKeyCreated, Time: after(1), EventID: "e1", Actor: "Operator/ops", UserName: "alice", What: "CreateAccessKey"}}},
		{"password with reset", setPassword("alice", true), []Fact{{
			Account: account, ID: "password_set/e1", Kind: PasswordSet, Time: after(1), EventID: "e1", Actor: "Operator/ops", UserName: "alice", Reset: cloudtrail.Yes, What: "CreateLoginProfile (passwordResetRequired)"}}},
		{"MFA", enableMFA("alice", app), []Fact{{
			Account: account, ID: "mfa_enabled/e1", Kind: MFAEnabled, Time: after(1), EventID: "e1", Actor: "Operator/ops", UserName: "alice", Serial: app, What: "EnableMFADevice (authenticator app)"}}},
		{"administrator", attach("alice", adminARN), []Fact{{
			Account: account, ID: "user_policy_granted/e1", Kind: UserPolicyGranted, Time: after(1), EventID: "e1", Actor: "Operator/ops", UserName: "alice", Policy: adminARN, Admin: true, What: "AttachUserPolicy (AdministratorAccess)"}}},
		{"administrator in GovCloud", attach("alice", "arn:aws-us-gov:iam::aws:policy/AdministratorAccess"), []Fact{{
			Account: account, ID: "user_policy_granted/e1", Kind: UserPolicyGranted, Time: after(1), EventID: "e1", Actor: "Operator/ops", UserName: "alice",
			Policy: "arn:aws-us-gov:iam::aws:policy/AdministratorAccess", Admin: true, What: "AttachUserPolicy (AdministratorAccess)"}}},
		{"a policy of their own called so", attach("alice", "arn:aws:iam::"+account+":policy/AdministratorAccess"), nil},
		{"another policy", attach("alice", readARN), nil},
		{"another policy detached", detach("alice", readARN), nil},
		{"an inline policy that may replace one", inline("alice", "x", little), []Fact{{
			Account: account, ID: "user_policy_granted/e1", Kind: UserPolicyGranted, Time: after(1), EventID: "e1", Actor: "Operator/ops", UserName: "alice", Policy: "x", What: "PutUserPolicy (x)"}}},
		{"group joined", join("ops", "alice"), []Fact{{
			Account: account, ID: "group_joined/e1", Kind: GroupJoined, Time: after(1), EventID: "e1", Actor: "Operator/ops", UserName: "alice", Group: "ops", What: "AddUserToGroup (ops)"}}},
		{"group joined, not named", iamCall(operator, "AddUserToGroup", fields{"userName": "alice"}), nil},
		{"group policy, of which is not known", iamCall(operator, "AttachGroupPolicy", fields{"policyArn": adminARN}), nil},
		{"group renamed", iamCall(operator, "UpdateGroup", fields{"groupName": "ops", "newGroupName": "sre"}), []Fact{{
			Account: account, ID: "group_renamed/e1", Kind: GroupRenamed, Time: after(1), EventID: "e1", Actor: "Operator/ops", Group: "ops", NewName: "sre", What: "UpdateGroup"}}},
		{"group renamed to itself", iamCall(operator, "UpdateGroup", fields{"groupName": "ops", "newGroupName": "ops"}), nil},
		{"group moved", iamCall(operator, "UpdateGroup", fields{"groupName": "ops", "newPath": "/x/"}), nil},
		{"user renamed to itself", rename("alice", "alice"), nil},
		{"user moved", iamCall(operator, "UpdateUser", fields{"userName": "alice", "newPath": "/x/"}), nil},
		{"nobody named", iamCall(operator, "DeleteUser", nil), nil},
	} {
		t.Run(tc.name, func(t *testing.T) {
			rec := tc.call.record(t, after(1), "e1")
			got := FactsOf(&rec)
			if diff := cmp.Diff(tc.want, got); diff != "" {
				t.Errorf("facts (-want +got):\n%s", diff)
			}
			rec.EventTime = time.Time{}
			if got := FactsOf(&rec); len(got) > 0 {
				t.Errorf("facts without a time: %v", got)
			}
		})
	}
}

func TestActor(t *testing.T) {
	for _, tc := range []struct {
		identity cloudtrail.UserIdentity
		name, id string
	}{
		{cloudtrail.UserIdentity{Type: "Root", UserName: "my-alias", PrincipalID: account}, "root", ""},
		{cloudtrail.UserIdentity{Type: "IAMUser", UserName: "alice", PrincipalID: aliceID}, "alice", aliceID},
		{cloudtrail.UserIdentity{Type: "IAMUser", ARN: "arn:aws:iam::1:user/a/b/alice", PrincipalID: aliceID}, "alice", aliceID},
		{cloudtrail.UserIdentity{Type: "IAMUser", UserName: "alice", PrincipalID: "AROA1:alice"}, "alice", ""},
		{cloudtrail.UserIdentity{Type: "IAMUser", UserName: "alice", PrincipalID: "AIDA"}, "alice", ""},
		{cloudtrail.UserIdentity{Type: "IAMUser", UserName: "alice", PrincipalID: "AIDA....."}, "alice", ""},
		{cloudtrail.UserIdentity{Type: "AssumedRole", ARN: "arn:aws:sts::1:assumed-role/Ops/eve", PrincipalID: "AROA1:eve"}, "Ops/eve", ""},
		{cloudtrail.UserIdentity{Type: "AssumedRole", PrincipalID: "AROA1:eve"}, "AROA1:eve", ""},
		{cloudtrail.UserIdentity{Type: "AWSService", InvokedBy: "sso.amazonaws.com"}, "sso.amazonaws.com", ""},
		{cloudtrail.UserIdentity{Type: "Unknown"}, "Unknown", ""},
	} {
		if name, id := actor(&tc.identity); name != tc.name || id != tc.id {
			t.Errorf("actor(%+v) = %q, %q, want %q, %q", tc.identity, name, id, tc.name, tc.id)
		}
	}
}

func TestRootActivityIsBounded(t *testing.T) {
	store := map[string]Fact{}
	for i := range 540 {
		// One sign-in of an hour and a half, whose console took nine access keys in turn.
		key := "ASIA" + string(rune('A'+i/60))
		rec := rootList(key, after(0)).record(t, after(0).Add(time.Duration(i)*10*time.Second), "e"+string(rune('A'+i/60)))
		for _, f := range FactsOf(&rec) {
			if old, ok := store[f.ID]; ok {
				f = Merge(old, f)
			}
			store[f.ID] = f
		}
	}
	if len(store) < 9 || len(store) > 11 {
		t.Errorf("%d facts of 540 calls under 9 keys", len(store))
	}
	for _, f := range store {
		if f.Last.Sub(f.Time) > time.Hour {
			t.Errorf("a fact spans %s", f.Last.Sub(f.Time))
		}
	}
}

func TestLiveFactOf(t *testing.T) {
	zone := time.FixedZone("", 3600)
	a := LiveFactOf(account, after(1).In(zone), LiveFact{UserID: aliceID, ConsoleLogin: ptr(true), MFADevices: []string{key, app, key}})
	b := LiveFactOf(account, after(1), LiveFact{UserID: aliceID, ConsoleLogin: ptr(true), MFADevices: []string{app, key}})
	if diff := cmp.Diff(a, b); diff != "" {
		t.Errorf("the same answer at the same time is not the same fact:\n%s", diff)
	}
	for _, other := range []Fact{
		LiveFactOf(account, after(2), *b.Live),
		LiveFactOf(account, after(1), LiveFact{UserID: aliceID, ConsoleLogin: ptr(false)}),
		LiveFactOf(account, after(1), LiveFact{AccountMFAEnabled: ptr(1)}),
		LiveFactOf(account, after(1), LiveFact{AccountMFAEnabled: ptr(0)}),
	} {
		if other.ID == a.ID {
			t.Errorf("another answer has the same ID %s", a.ID)
		}
	}
}

// genFact makes facts of one account and ID whose fields collide often.
func genFact(rt *rapid.T) Fact {
	text := rapid.SampledFrom([]string{"", "a", "b"})
	when := func(label string) time.Time {
		return rapid.SampledFrom([]time.Time{{}, after(1), after(2)}).Draw(rt, label)
	}
	answer := rapid.SampledFrom([]cloudtrail.Answer{cloudtrail.Unknown, cloudtrail.No, cloudtrail.Yes})
	f := Fact{
		Account: account, ID: "x", Kind: RootActivity, Time: when("time"), Last: when("last"), Until: when("until"),
		Admin: rapid.Bool().Draw(rt, "admin"), Reset: answer.Draw(rt, "reset"), MFA: answer.Draw(rt, "mfa"),
	}
	for _, field := range []*string{&f.EventID, &f.LastEventID, &f.LastWhat, &f.Actor, &f.ActorID, &f.UserName, &f.UserID, &f.NewName,
		&f.Group, &f.Policy, &f.Serial, &f.AccessKeyID, &f.TaskPolicy, &f.What} {
		*field = text.Draw(rt, "text")
	}
	if rapid.Bool().Draw(rt, "live") {
		f.Live = &LiveFact{AccountMFAEnabled: rapid.SampledFrom([]*int{nil, ptr(0), ptr(1)}).Draw(rt, "enabled"), UserName: text.Draw(rt, "user")}
	}
	return f
}

func TestMergeLaws(t *testing.T) {
	testenv.Check(t, 100, func(rt *rapid.T) {
		a, b, c := genFact(rt), genFact(rt), genFact(rt)
		if diff := cmp.Diff(Merge(a, b), Merge(b, a)); diff != "" {
			rt.Errorf("not commutative:\n%s", diff)
		}
		if diff := cmp.Diff(Merge(Merge(a, b), c), Merge(a, Merge(b, c))); diff != "" {
			rt.Errorf("not associative:\n%s", diff)
		}
		if diff := cmp.Diff(Merge(a, a), a); diff != "" {
			rt.Errorf("not idempotent:\n%s", diff)
		}
	})
}

func TestMergeKeepsTheEnds(t *testing.T) {
	var facts []Fact
	for i, hours := range []float64{1.5, 1.2, 1.9} {
		rec := rootList("ASIA1", after(1)).record(t, after(hours), []string{"mid", "first", "last"}[i])
		facts = append(facts, FactsOf(&rec)...)
	}
	m := Merge(Merge(facts[0], facts[1]), facts[2])
	if m.EventID != "first" || m.LastEventID != "last" || !m.Time.Equal(after(1.2)) || !m.Last.Equal(after(1.9)) {
		t.Errorf("merged = %+v", m)
	}
	if timeless := (Fact{Account: account, ID: m.ID, What: "?"}); !Merge(timeless, m).Time.Equal(m.Time) || Merge(m, timeless).EventID != "first" {
		t.Error("a fact without a time is taken for the earliest")
	}
}

func TestMergedAssumeRootTellsWhoAndWhy(t *testing.T) {
	call := assumeRoot("ASIAT").record(t, after(1), "call")
	work := callOf(t, "ASIAT")
	for _, pair := range [][2][]Fact{{FactsOf(&call), FactsOf(&work)}, {FactsOf(&work), FactsOf(&call)}} {
		m := Merge(pair[0][0], pair[1][0])
		if m.Actor != "Sec/eve" || m.TaskPolicy == "" || m.EventID != "call" || m.Until.IsZero() {
			t.Errorf("merged = %+v", m)
		}
	}
}

func callOf(t *testing.T, key string) cloudtrail.Record {
	t.Helper()
	return call{who: assumedRootSession(key, after(1)), source: "s3.amazonaws.com", name: "DeleteBucketPolicy"}.record(t, after(1.1), "work")
}

func TestFactSurvivesAStore(t *testing.T) {
	for _, f := range append(factsOf(t, []reported{
		at(1, assumeRoot("ASIAT")), at(2, rootList("ASIA1", after(2))), at(3, setPassword("alice", true)), at(4, signIn(alice, "No")),
	}), LiveFactOf(account, after(5), LiveFact{UserID: aliceID, ConsoleLogin: ptr(true), MFADevices: []string{app}})) {
		text, err := json.Marshal(f)
		if err != nil {
			t.Fatal(err)
		}
		var back Fact
		if err := json.Unmarshal(text, &back); err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(f, back); diff != "" {
			t.Errorf("after a round trip (-want +got):\n%s", diff)
		}
	}
}

// TestQuarantineFact holds that what rootguard shows and what the record shows
// make one quarantine, and that each is one fact however often it is added.
func TestQuarantineFact(t *testing.T) {
	made := func(kind FactKind, hours float64) Fact {
		return QuarantineFact(account, kind, "alice", aliceID, quarantineARN, "c1", after(hours), "rootguard", "why")
	}
	facts := append(factsOf(t, []reported{at(1, createUser("alice", aliceID)), at(2, attach("alice", quarantineARN))}),
		made(UserQuarantined, 2.1), made(UserQuarantined, 2.2))
	u := Fold(account, facts, DefaultOptions(), after(3)).Users[0]
	if u.Quarantined == nil || !u.Quarantined.Time.Equal(after(2)) || u.Quarantined.Actor != "Operator/ops" {
		t.Errorf("quarantined: %+v", u.Quarantined)
	}
	if opt := (Options{Grace: time.Hour, QuarantinePolicy: "acme-quarantine"}); Fold(account, facts, opt, after(3)).Users[0].Quarantined != nil {
		t.Error("quarantined by a policy that is not the one")
	}
	if a, b := made(UserQuarantined, 2.1), made(UserQuarantined, 2.2); a.ID != b.ID || !Merge(a, b).Time.Equal(a.Time) || !Merge(b, a).Time.Equal(a.Time) {
		t.Errorf("reported twice: %+v, %+v", a, b)
	}
	facts = append(facts, made(UserReleased, 3))
	if u := Fold(account, facts, DefaultOptions(), after(4)).Users[0]; u.Quarantined != nil {
		t.Errorf("released: %+v", u.Quarantined)
	}
}
