package bootstrap

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"
	"time"

	gocmp "github.com/google/go-cmp/cmp"
)

const (
	adminSet = "AWSReservedSSO_AdministratorAccess_0123456789abcdef"
	viewSet  = "AWSReservedSSO_View_Only_fedcba9876543210"
)

// identityCenter is the service at work in the account.
var identityCenter = fields{"type": "AssumedRole", "principalId": "AROASSO:SSO-PROVISIONING", "accountId": account, "invokedBy": "sso.amazonaws.com",
	"arn": "arn:aws:sts::" + account + ":assumed-role/AWSServiceRoleForSSO/SSO-PROVISIONING"}

// federated is sam in a session of a role.
func federated(role string) fields {
	path := ":role/"
	if IsPermissionSet(role) {
		path = ":role/aws-reserved/sso.amazonaws.com/eu-west-1/"
	}
	return fields{"type": "AssumedRole", "principalId": "AROASAM:sam@example.com", "accountId": account, "arn": "arn:aws:sts::" + account + ":assumed-role/" + role + "/sam@example.com",
		"sessionContext": fields{"sessionIssuer": fields{"type": "Role", "principalId": "AROASAM", "accountId": account, "userName": role, "arn": "arn:aws:iam::" + account + path + role}}}
}

func roleCall(name, role string) call { return iamCall(identityCenter, name, fields{"roleName": role}) }
func grantRole(role, arn string) call {
	return iamCall(identityCenter, "AttachRolePolicy", fields{"roleName": role, "policyArn": arn})
}
func revokeRole(role, arn string) call {
	return iamCall(identityCenter, "DetachRolePolicy", fields{"roleName": role, "policyArn": arn})
}
func inlineRole(role, policy, document string) call {
	return iamCall(identityCenter, "PutRolePolicy", fields{"roleName": role, "policyName": policy, "policyDocument": document})
}
func enters(role string) call { return signIn(federated(role), "No") }

func TestPermissionSet(t *testing.T) {
	for role, want := range map[string]string{
		adminSet: "AdministratorAccess", viewSet: "View_Only", "Operator": "Operator", "": "",
		"AWSReservedSSO_": "AWSReservedSSO_", "AWSReservedSSO__x": "AWSReservedSSO__x", "AWSReservedSSO_x": "AWSReservedSSO_x",
		"xAWSReservedSSO_a_b": "xAWSReservedSSO_a_b",
	} {
		if got := PermissionSet(role); got != want || IsPermissionSet(role) != (want != role) {
			t.Errorf("PermissionSet(%q) = %q, want %q; is one: %v", role, got, want, IsPermissionSet(role))
		}
	}
}

func TestRoleFacts(t *testing.T) {
	fact := func(kind FactKind, what string) *Fact {
		return &Fact{Account: account, ID: string(kind) + "/e1", Kind: kind, Time: after(1), EventID: "e1", Actor: "AWSServiceRoleForSSO/SSO-PROVISIONING", Role: adminSet, What: what}
	}
	granted := fact(RolePolicyGranted, "AttachRolePolicy (AdministratorAccess)")
	granted.Policy, granted.Admin = adminARN, true
	revoked := fact(RolePolicyRevoked, "DetachRolePolicy (AdministratorAccess)")
	revoked.Policy = adminARN
	all, some := fact(RolePolicyGranted, "PutRolePolicy (AwsSSOInlinePolicy)"), fact(RolePolicyGranted, "PutRolePolicy (AwsSSOInlinePolicy)")
	all.Policy, all.Admin, some.Policy = "AwsSSOInlinePolicy", true, "AwsSSOInlinePolicy"
	signedIn := fact(RoleSignIn, "ConsoleLogin")
	signedIn.Actor = adminSet + "/sam@example.com"

	noIssuer, madeUp, elsewhere := federated(adminSet), federated(adminSet), federated(adminSet)
	delete(noIssuer, "sessionContext")
	madeUp["sessionContext"].(fields)["sessionIssuer"].(fields)["arn"] = "arn:aws:iam::" + account + ":role/" + adminSet
	byRoot := federated(adminSet)
	byRoot["sessionContext"].(fields)["sessionIssuer"].(fields)["type"] = "Root"
	elsewhere["type"] = "SAMLUser"
	for _, tc := range []struct {
		name string
		call call
		want *Fact
	}{
		{"made", roleCall("CreateRole", adminSet), fact(RoleCreated, "CreateRole")},
		{"made, refused", roleCall("CreateRole", adminSet).denied(), nil},
		{"a role of one's own is made", roleCall("CreateRole", "Operator"), nil},
		{"deleted", roleCall("DeleteRole", adminSet), fact(RoleDeleted, "DeleteRole")},
		{"another service's DeleteRole", roleCall("DeleteRole", adminSet).from("other.amazonaws.com"), nil},
		{"administrator", grantRole(adminSet, adminARN), granted},
		{"another policy", grantRole(adminSet, readARN), nil},
		{"a policy of their own called so", grantRole(adminSet, "arn:aws:iam::"+account+":policy/AdministratorAccess"), nil},
		{"no administrator any more", revokeRole(adminSet, adminARN), revoked},
		{"another policy detached", revokeRole(adminSet, readARN), nil},
		{"everything inline", inlineRole(adminSet, "AwsSSOInlinePolicy", everything), all},
		{"little inline", inlineRole(adminSet, "AwsSSOInlinePolicy", little), some},
		{"signed in", enters(adminSet), signedIn},
		{"signed in, issuer not reported", signIn(noIssuer, "No"), signedIn},
		{"a role that only has such a name", signIn(madeUp, "No"), nil},
		{"a session that root issued", signIn(byRoot, "No"), nil},
		{"another kind of identity", signIn(elsewhere, "No"), nil},
		{"failed to sign in", failedSignIn(federated(adminSet)), nil},
	} {
		t.Run(tc.name, func(t *testing.T) {
			rec := tc.call.record(t, after(1), "e1")
			var got *Fact
			for _, f := range FactsOf(&rec) {
				if f.Role != "" {
					got = &f
				}
			}
			if diff := gocmp.Diff(tc.want, got); diff != "" {
				t.Errorf("fact (-want +got):\n%s", diff)
			}
		})
	}
}

// setUp is Identity Center making an administrator's role in the account.
func setUp(hours float64) []reported {
	return []reported{at(hours, roleCall("CreateRole", adminSet)), at(hours, grantRole(adminSet, adminARN))}
}

func roleLive(hours float64, role string, admin bool) Fact {
	return RoleCheckedFact(account, role, admin, after(hours))
}

func TestFederatedAdministrator(t *testing.T) {
	const days = 24
	rootless := checked(0.5, LiveFact{AccountMFAEnabled: ptr(0), AccountPasswordPresent: ptr(0), AccountAccessKeysPresent: ptr(0)})
	safeRoot := []reported{at(0.1, rootEnableMFA(rootKey)), checked(0.5, LiveFact{AccountMFAEnabled: ptr(1), AccountPasswordPresent: ptr(1), AccountAccessKeysPresent: ptr(0)})}
	alice := func(more ...reported) []reported {
		return append(admin(at(3.1, signIn(alice, "No")), at(3.2, changePassword("alice", aliceID)), at(3.3, enableMFA("alice", app))), more...)
	}
	for _, tc := range []struct {
		name  string
		story []reported
		live  []Fact
		roles []string // that the settings name
		asOf  float64
		want  string // states of the steps, one letter each
		note  string // of admin_user
	}{
		{"as AWS advises", slices.Concat(safeRoot, setUp(1), []reported{at(2, enters(adminSet))}), nil, nil, 2 + 30*days, "dddd--d", "federated: permission set AdministratorAccess of IAM Identity Center"},
		{"root is still to be left alone", slices.Concat(safeRoot, setUp(1), []reported{at(2, enters(adminSet))}), nil, nil, 3, "dddd--p", "federated"},
		{"a member without root credentials", slices.Concat([]reported{rootless}, setUp(1), []reported{at(2, enters(adminSet))}), nil, nil, 3, "-ddd---", "federated"},
		{"root's credentials are removed centrally, by logs alone", slices.Concat(setUp(1), []reported{at(2, enters(adminSet)), at(3, assumeRoot("ASIAT")),
			at(3, iamCall(rootSession("ASIAT", after(3)), "DeleteLoginProfile", nil))}), nil, nil, 4, "-?dd--p", "federated"},
		{"root's credentials are removed centrally, the keys checked", slices.Concat(setUp(1), []reported{at(2, enters(adminSet)), at(3, assumeRoot("ASIAT")),
			at(3, iamCall(rootSession("ASIAT", after(3)), "DeleteLoginProfile", nil)), checked(4, LiveFact{AccountPasswordPresent: ptr(0), AccountAccessKeysPresent: ptr(0)})}), nil, nil, 5, "-ddd---", "federated"},
		{"root has a password again", []reported{checked(1, LiveFact{AccountPasswordPresent: ptr(1), AccountMFAEnabled: ptr(0)}), at(2, iamCall(assumedRootSession("ASIAT", after(2)), "DeleteLoginProfile", nil)),
			at(3, iamCall(assumedRootSession("ASIAU", after(2)), "CreateLoginProfile", nil))}, nil, nil, 5, "r?ppppp", "was seen yet"},
		{"assigned, and not signed in", setUp(1), nil, nil, 3, "??ppppp", "no sign-in by a federated administrator"},
		{"signed in without rights", []reported{at(1, roleCall("CreateRole", viewSet)), at(2, enters(viewSet))}, nil, nil, 3, "??ppppp", "was seen yet"},
		{"rights from before the log", []reported{at(2, enters(adminSet))}, nil, nil, 3, "???????", "whether role " + adminSet + " has administrator rights is not in the log"},
		{"rights from before the log, found live", []reported{at(2, enters(adminSet))}, []Fact{roleLive(2, adminSet, true)}, nil, 3, "??dd--p", "federated"},
		{"no such rights, found live", []reported{at(2, enters(adminSet))}, []Fact{roleLive(2, adminSet, false)}, nil, 3, "??ppppp", "was seen yet"},
		{"a role of one's own", []reported{at(2, enters("Operator"))}, nil, nil, 3, "??ppppp", "was seen yet"},
		{"a role that the settings name", []reported{at(2, enters("Operator"))}, nil, []string{"Operator"}, 3, "??dd--p", "federated: role Operator, an administrator by the setting adminRoles"},
		{"a permission set that the settings name", []reported{at(2, enters(viewSet))}, nil, []string{"View_Only"}, 3, "??dd--p", "permission set View_Only of IAM Identity Center, an administrator by the setting"},
		{"another that the settings name", []reported{at(2, enters(viewSet))}, nil, []string{"View"}, 3, "???????", "whether role"},
		{"everything inline", []reported{at(1, roleCall("CreateRole", viewSet)), at(1, inlineRole(viewSet, "x", everything)), at(2, enters(viewSet))}, nil, nil, 3, "??dd--p", "View_Only"},
		{"inline replaced by little", []reported{at(1, inlineRole(viewSet, "x", everything)), at(2, enters(viewSet)), at(3, inlineRole(viewSet, "x", little))}, nil, nil, 4, "??rd--p", "whether role " + viewSet},
		{"rights taken away", slices.Concat(setUp(1), []reported{at(2, enters(adminSet)), at(3, revokeRole(adminSet, adminARN))}), nil, nil, 4, "??rd--p", "no federated administrator has signed in"},
		{"rights that were found live taken away", []reported{at(2, enters(adminSet)), at(3, revokeRole(adminSet, adminARN))}, []Fact{roleLive(2, adminSet, true)}, nil, 4, "??rd--p", "whether role"},
		{"rights gone, found live", slices.Concat(setUp(1), []reported{at(2, enters(adminSet))}), []Fact{roleLive(3, adminSet, false)}, nil, 4, "??rd--p", "is left"},
		{"role deleted", slices.Concat(setUp(1), []reported{at(2, enters(adminSet)), at(3, roleCall("DeleteRole", adminSet))}), nil, nil, 4, "??rd--p", "is left"},
		{"role deleted and made again, not entered", slices.Concat(setUp(1), []reported{at(2, enters(adminSet)), at(3, roleCall("DeleteRole", adminSet))}, setUp(4)), nil, nil, 5, "??rd--p", "is left"},
		{"role deleted and made again", slices.Concat(setUp(1), []reported{at(2, enters(adminSet)), at(3, roleCall("DeleteRole", adminSet))}, setUp(4), []reported{at(5, enters(adminSet))}), nil, nil, 6, "??dd--p", "federated"},
		{"an answer older than the change", slices.Concat(setUp(1), []reported{at(1.01, enters(adminSet))}), []Fact{roleLive(1.02, adminSet, false)}, nil, 4, "??dd--p", "federated"},
		{"rights come after the sign-in", slices.Concat([]reported{at(1, enters(adminSet))}, []reported{at(2, grantRole(adminSet, adminARN))}), nil, nil, 3, "??dd--p", "federated"},

		{"IAM first", alice(slices.Concat(setUp(4), []reported{at(5, enters(adminSet))})...), nil, nil, 6, "??ddddp", "IAM user alice"},
		{"the bootstrap administrator makes way", alice(slices.Concat(setUp(4), []reported{at(5, enters(adminSet)), at(6, removePassword("alice")), at(6, deleteUser("alice"))})...), nil, nil, 7, "??dd--p", "federated"},
		{"it makes way too early", alice(slices.Concat(setUp(4), []reported{at(5, deleteUser("alice")), at(6, enters(adminSet))})...), nil, nil, 7, "??dd--p", "federated"},
		{"it makes way for one of unknown rights", alice(at(5, enters(adminSet)), at(6, deleteUser("alice"))), nil, nil, 7, "??rdddp", "whether role " + adminSet},
		{"it makes way for one without rights", alice(at(4, roleCall("CreateRole", viewSet)), at(5, enters(viewSet)), at(6, deleteUser("alice"))), nil, nil, 7, "??rdddp", "is left"},
		{"federated first", slices.Concat(setUp(0.5), []reported{at(0.7, enters(adminSet))}, admin()), nil, nil, 5, "??dd--p", "federated"},
		{"back to IAM, without MFA", slices.Concat(setUp(0.5), []reported{at(0.7, enters(adminSet))}, admin(at(4, roleCall("DeleteRole", adminSet)))), nil, nil, 5, "??ddrrp", "IAM user alice"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			opt := DefaultOptions()
			opt.AdminRoles = tc.roles
			st := Fold(account, append(factsOf(t, tc.story), tc.live...), opt, after(tc.asOf))
			checkStatus(t, st)
			var got strings.Builder
			for _, s := range st.Steps {
				got.WriteString(map[State]string{Done: "d", Pending: "p", Regressed: "r", NotApplicable: "-", Unknown: "?"}[s.State])
				if s.State == NotApplicable && s.Note == "" {
					t.Errorf("%s is not needed, and no note says why", s.Step)
				}
			}
			if got.String() != tc.want {
				t.Errorf("steps are %s, want %s\n%+v", &got, tc.want, st.Steps)
			}
			if s := stepOf(t, st, AdminUser); !strings.Contains(s.Note, tc.note) {
				t.Errorf("note = %q, want %q in it", s.Note, tc.note)
			}
		})
	}
}

// TestEarlierFacts reads facts as versions before stored them: they have no role.
func TestEarlierFacts(t *testing.T) {
	stored := `{"account":"111122223333","id":"user_signin/e1","kind":"user_signin","time":"2026-03-02T10:00:00Z","event_id":"e1","actor":"alice","actor_id":"AIDAALICE00000000001","user_name":"alice","user_id":"AIDAALICE00000000001","mfa":"yes","what":"ConsoleLogin, MFAUsed=Yes"}`
	var f Fact
	if err := json.Unmarshal([]byte(stored), &f); err != nil {
		t.Fatal(err)
	}
	rec := signIn(alice, "Yes").record(t, after(1), "e1")
	if now := FactsOf(&rec)[0]; !now.Equal(f) {
		again, _ := json.Marshal(now)
		t.Errorf("stored before:\n%s\nstored now:\n%s", stored, again)
	}
}

// TestRoleStreaks: years of sign-ins by a role, checked each day, leave a few facts.
func TestRoleStreaks(t *testing.T) {
	story := setUp(0)
	var facts []Fact
	for day := range 400 {
		story = append(story, at(float64(24*day+1), enters(adminSet)), at(float64(24*day+5), enters(adminSet)))
		facts = append(facts, roleLive(float64(24*day+6), adminSet, true))
	}
	facts = append(facts, factsOf(t, story)...)
	store := kept{}
	store.add(facts...)
	now := after(24 * 410)
	store.compact(now, len(facts))
	if len(store) > 4 {
		t.Errorf("%d of %d facts are left", len(store), len(facts))
	}
	if diff := gocmp.Diff(Fold(account, facts, DefaultOptions(), now), Fold(account, store.facts(), DefaultOptions(), now)); diff != "" {
		t.Errorf("(-all +kept):\n%s", diff)
	}
	if again := Compact(account, store.facts(), now); len(again.Drop)+len(again.Put) > 0 {
		t.Errorf("compacted again: %+v", again)
	}
}

// TestRoleStreaksEnd: what comes between two sign-ins, or two live checks, counts.
func TestRoleStreaksEnd(t *testing.T) {
	const day = 24
	for name, tc := range map[string]struct {
		story []reported
		live  []Fact
	}{
		"deleted and made again": {story: slices.Concat(setUp(0), []reported{at(1, enters(adminSet)), at(2, roleCall("DeleteRole", adminSet))}, setUp(3),
			[]reported{at(day, enters(adminSet)), at(2*day, enters(adminSet)), at(3*day, enters(adminSet))})},
		"an answer older than the change": {story: []reported{at(1, enters(adminSet)), at(1, grantRole(adminSet, adminARN))},
			live: []Fact{roleLive(1.01, adminSet, false), roleLive(day, adminSet, false), roleLive(2*day, adminSet, false)}},
		"rights granted between": {story: []reported{at(1, enters(adminSet)), at(day+1, grantRole(adminSet, adminARN))},
			live: []Fact{roleLive(1, adminSet, false), roleLive(2*day, adminSet, false), roleLive(3*day, adminSet, false)}},
	} {
		t.Run(name, func(t *testing.T) {
			facts := append(factsOf(t, tc.story), tc.live...)
			store := kept{}
			store.add(facts...)
			store.compact(after(10*day), len(facts))
			if len(store) == len(facts) {
				t.Error("no fact was dropped")
			}
			if diff := gocmp.Diff(Fold(account, facts, DefaultOptions(), after(10*day)), Fold(account, store.facts(), DefaultOptions(), after(10*day))); diff != "" {
				t.Errorf("(-all +kept):\n%s", diff)
			}
		})
	}
}

func TestRoleCheckedFact(t *testing.T) {
	at := time.Date(2026, 3, 2, 23, 59, 0, 0, time.FixedZone("", 3600))
	a, again, other := RoleCheckedFact(account, adminSet, true, at), RoleCheckedFact(account, adminSet, true, at.Add(-time.Hour)), RoleCheckedFact(account, adminSet, false, at)
	if a.ID != again.ID || a.ID == other.ID {
		t.Errorf("IDs: %s, %s an hour before, %s where the answer is another", a.ID, again.ID, other.ID)
	}
}

func TestSignInRoles(t *testing.T) {
	facts := factsOf(t, []reported{at(1, enters(viewSet)), at(2, enters(adminSet)), at(3, enters(adminSet)), at(4, enters("Operator")), at(5, signIn(alice, "Yes")), at(6, grantRole("AWSReservedSSO_X_0000000000000000", adminARN))})
	if got, want := SignInRoles(facts), []string{adminSet, viewSet}; !slices.Equal(got, want) {
		t.Errorf("SignInRoles = %v, want %v", got, want)
	}
}
