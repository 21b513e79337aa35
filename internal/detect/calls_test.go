package detect

import (
	"encoding/json"
	"net/url"
	"strings"
	"testing"
)

// policy is a document with one statement that allows what the parts say.
func policy(t *testing.T, parts fields) string {
	t.Helper()
	statement := fields{"Effect": "Allow", "Action": "sts:AssumeRole"}
	for k, v := range parts {
		statement[k] = v
	}
	raw, err := json.Marshal(fields{"Version": "2012-10-17", "Statement": []fields{statement}})
	if err != nil {
		t.Fatal(err)
	}
	return string(raw)
}

func TestRoles(t *testing.T) {
	admin := "arn:aws:iam::aws:policy/AdministratorAccess"
	attach := func(policy string) fields { return req(fields{"roleName": "r", "policyArn": policy}) }
	inline := func(action string) fields {
		return req(fields{"roleName": "r", "policyName": "p", "policyDocument": `{"Statement":{"Effect":"Allow","Action":"` + action + `","Resource":"*"}}`})
	}
	trusts := func(parts fields) fields {
		return req(fields{"roleName": "r", "assumeRolePolicyDocument": policy(t, parts)})
	}
	updated := func(parts fields) fields {
		return req(fields{"roleName": "r", "policyDocument": policy(t, parts)})
	}
	const (
		granted = "medium role.admin_granted | Administrator access granted to role: r"
		own     = "- the role's trust policy names no other account, as far as the record shows"
	)
	condition := fields{"StringEquals": fields{"sts:ExternalId": "x"}}
	run(t, new(Detector), nil, []verdict{
		{"administrator", record("iam:AttachRolePolicy", role, attach(admin)), granted},
		{"administrator in China", record("iam:AttachRolePolicy", role, attach("arn:aws-cn:iam::aws:policy/AdministratorAccess")), granted},
		{"a policy of that name of the account's own", record("iam:AttachRolePolicy", role, attach("arn:aws:iam::111122223333:policy/AdministratorAccess")), "- policy arn:aws:iam::111122223333:policy/AdministratorAccess is not AdministratorAccess, and as far as the record shows it does not allow everything"},
		{"read only", record("iam:AttachRolePolicy", role, attach("arn:aws:iam::aws:policy/ReadOnlyAccess")), "- policy arn:aws:iam::aws:policy/ReadOnlyAccess is not AdministratorAccess, and as far as the record shows it does not allow everything"},
		{"administrator, denied", record("iam:AttachRolePolicy", role, attach(admin), denied), "- the call changed nothing: AccessDenied"},
		{"administrator, by root", record("iam:AttachRolePolicy", root, attach(admin)), "high role.admin_granted+root.activity | Administrator access granted to role: r, by ROOT"},
		{"everything inline", record("iam:PutRolePolicy", role, inline("*")), granted},
		{"much inline", record("iam:PutRolePolicy", role, inline("s3:*")), "- policy p is not AdministratorAccess, and as far as the record shows it does not allow everything"},
		{"another service's role", record("other:PutRolePolicy", role, inline("*")), "skipped"},
		{"taken away", record("iam:DetachRolePolicy", role, attach(admin)), "skipped"},

		{"made for everyone", record("iam:CreateRole", role, trusts(fields{"Principal": "*"})), "critical role.trust_opened | Role can be assumed by everyone: r"},
		{"made for every account", record("iam:CreateRole", role, trusts(fields{"Principal": fields{"AWS": "*"}})), "critical role.trust_opened | Role can be assumed by everyone: r"},
		{"made for every account, in a list", record("iam:CreateRole", role, trusts(fields{"Principal": fields{"AWS": []string{"111122223333", "*"}}})), "critical role.trust_opened | Role can be assumed by everyone: r"},
		{"made for all but some", record("iam:CreateRole", role, trusts(fields{"NotPrincipal": fields{"AWS": "444455556666"}})), "critical role.trust_opened | Role can be assumed by everyone: r"},
		{"made for everyone of the organization", record("iam:CreateRole", role, trusts(fields{"Principal": "*", "Condition": fields{"StringEquals": fields{"aws:PrincipalOrgID": "o-1"}}})), "high role.trust_opened | Role can be assumed by everyone who meets a condition: r"},
		{"made for another account", record("iam:CreateRole", role, trusts(fields{"Principal": fields{"AWS": "arn:aws:iam::444455556666:root"}})), "high role.trust_opened | Role can be assumed from another account: r"},
		{"made for another account by its ID", record("iam:CreateRole", role, trusts(fields{"Principal": fields{"AWS": "444455556666"}})), "high role.trust_opened | Role can be assumed from another account: r"},
		{"made for a vendor with an external ID", record("iam:CreateRole", role, trusts(fields{"Principal": fields{"AWS": "444455556666"}, "Condition": condition})), "medium role.trust_opened | Role can be assumed from another account: r"},
		{"made for its own account", record("iam:CreateRole", role, trusts(fields{"Principal": fields{"AWS": []string{"111122223333", "arn:aws:iam::111122223333:user/alice"}}})), own},
		{"made for a service", record("iam:CreateRole", role, trusts(fields{"Principal": fields{"Service": "ec2.amazonaws.com"}})), own},
		{"made for an identity provider", record("iam:CreateRole", role, trusts(fields{"Principal": fields{"Federated": "arn:aws:iam::111122223333:saml-provider/corp"}})), own},
		{"made for a user that is gone", record("iam:CreateRole", role, trusts(fields{"Principal": fields{"AWS": "AIDAGONE"}})), own},
		{"denied to everyone", record("iam:CreateRole", role, trusts(fields{"Effect": "Deny", "Principal": "*"})), own},
		{"made for everyone, failed", record("iam:CreateRole", role, trusts(fields{"Principal": "*"}), fields{"errorCode": "EntityAlreadyExistsException"}), "- the call changed nothing: EntityAlreadyExistsException"},
		{"opened", record("iam:UpdateAssumeRolePolicy", role, updated(fields{"Principal": fields{"AWS": "444455556666"}})), "high role.trust_opened | Role can be assumed from another account: r"},
		{"opened, percent-encoded", record("iam:UpdateAssumeRolePolicy", role, req(fields{"roleName": "r", "policyDocument": url.PathEscape(policy(t, fields{"Principal": "*"}))})), "critical role.trust_opened | Role can be assumed by everyone: r"},
		{"opened, one statement and no list", record("iam:UpdateAssumeRolePolicy", role, req(fields{"roleName": "r", "policyDocument": `{"Statement":{"Effect":"Allow","Principal":"*"}}`})), "critical role.trust_opened | Role can be assumed by everyone: r"},
		{"closed", record("iam:UpdateAssumeRolePolicy", role, updated(fields{"Principal": fields{"Service": "ec2.amazonaws.com"}})), own},
		{"no document", record("iam:UpdateAssumeRolePolicy", role, req(fields{"roleName": "r"})), own},
		{"rootguard's own role", record("iam:UpdateAssumeRolePolicy", role, req(fields{"roleName": "rootguard-iamuser", "policyDocument": "{}"})), "critical guard.tampered | Guardrail tampered with: UpdateAssumeRolePolicy rootguard-iamuser"},
	})
}

func TestAccountCalls(t *testing.T) {
	contact := func(kind string) fields { return req(fields{"alternateContactType": kind}) }
	passwords := func(length, reuse int) fields {
		return req(fields{"minimumPasswordLength": length, "passwordReusePrevention": reuse})
	}
	store := req(fields{"eventDataStore": "arn:aws:cloudtrail:us-east-1:111122223333:eventdatastore/ds-1"})
	run(t, new(Detector), nil, []verdict{
		{"root's certificate", record("iam:UploadSigningCertificate", root), "high root.certificate.uploaded+root.activity | Root signing certificate uploaded"},
		{"root's certificate, failed", record("iam:UploadSigningCertificate", root, denied), "high root.activity | Root activity: iam:UploadSigningCertificate (denied)"},
		{"a user's certificate, by root", record("iam:UploadSigningCertificate", root, req(fields{"userName": "bob"})), "high root.activity | Root activity: iam:UploadSigningCertificate"},
		{"a certificate, by a service for root", record("iam:UploadSigningCertificate", rootCFN), "- an AWS service acted, not the root user"},
		{"a user's certificate", record("iam:UploadSigningCertificate", alice), "- a signing certificate of an IAM user, not of root"},
		{"a server's certificate", record("iam:UploadServerCertificate", role), "skipped"},

		{"root credentials managed centrally", record("iam:EnableOrganizationsRootCredentialsManagement", role), "medium org.root_access.changed | Central root access: central management of root credentials switched on"},
		{"root sessions allowed", record("iam:EnableOrganizationsRootSessions", role), "medium org.root_access.changed | Central root access: root sessions in member accounts switched on"},
		{"root sessions off", record("iam:DisableOrganizationsRootSessions", role), "high org.root_access.changed | Central root access: root sessions in member accounts switched off"},
		{"root sessions denied", record("iam:EnableOrganizationsRootSessions", role, denied), "- the call changed nothing: AccessDenied"},
		{"what is on", record("iam:ListOrganizationsFeatures", role, read), "skipped"},

		{"leaves", record("organizations:LeaveOrganization", role), "high org.account.left | Account leaves the organization: 111122223333"},
		{"leaves, denied", record("organizations:LeaveOrganization", role, denied), "medium org.account.left | Account leaves the organization: 111122223333 (denied)"},
		{"removed", record("organizations:RemoveAccountFromOrganization", role, req(fields{"accountId": "444455556666"})), "high org.account.left | Account removed from the organization: 444455556666"},
		{"removed, no such account", record("organizations:RemoveAccountFromOrganization", role, fields{"errorCode": "AccountNotFoundException"}), "- the call changed nothing: AccountNotFoundException"},
		{"invited", record("organizations:InviteAccountToOrganization", role), "skipped"},
		{"closed by the management account", record("organizations:CloseAccount", role, req(fields{"accountId": "444455556666"})), "high org.account.closed | Account closed: 444455556666"},
		{"closed by root", record("account:CloseAccount", root), "high org.account.closed+root.activity | Account closed: 111122223333, by ROOT"},
		{"closing denied", record("organizations:CloseAccount", role, denied), "medium org.account.closed | Account closed: 111122223333 (denied)"},
		{"closing an account that is not there", record("organizations:CloseAccount", role, fields{"errorCode": "AccountNotFoundException"}), "- the call changed nothing: AccountNotFoundException"},
		{"made", record("organizations:CreateAccount", role), "skipped"},

		{"password policy deleted", record("iam:DeleteAccountPasswordPolicy", role), "high account.password_policy.weakened | Password policy of IAM users deleted"},
		{"there was none", record("iam:DeleteAccountPasswordPolicy", role, fields{"errorCode": "NoSuchEntityException"}), "- the call changed nothing: NoSuchEntityException"},
		{"passwords short", record("iam:UpdateAccountPasswordPolicy", role, passwords(8, 24)), "medium account.password_policy.weakened | Password policy of IAM users below what CIS asks"},
		{"passwords used again", record("iam:UpdateAccountPasswordPolicy", role, passwords(14, 5)), "medium account.password_policy.weakened | Password policy of IAM users below what CIS asks"},
		{"nothing said, so all defaults", record("iam:UpdateAccountPasswordPolicy", role), "medium account.password_policy.weakened | Password policy of IAM users below what CIS asks"},
		{"as CIS asks", record("iam:UpdateAccountPasswordPolicy", role, passwords(14, 24)), "- the password policy asks for as much as CIS does"},

		{"security contact", record("account:PutAlternateContact", role, contact("SECURITY")), "medium account.security_contact.changed | Security contact of the account changed"},
		{"security contact gone", record("account:DeleteAlternateContact", role, contact("SECURITY")), "high account.security_contact.changed | Security contact of the account deleted"},
		{"billing contact", record("account:PutAlternateContact", role, contact("BILLING")), "- the alternate contact for BILLING is not the security contact"},
		{"security contact, denied", record("account:DeleteAlternateContact", role, contact("SECURITY"), denied), "- the call changed nothing: AccessDenied"},

		{"Region", record("account:EnableRegion", role, req(fields{"regionName": "af-south-1"})), "medium account.region.enabled | Region enabled: af-south-1"},
		{"Region, denied", record("account:EnableRegion", role, denied), "- the call changed nothing: AccessDenied"},
		{"Region off", record("account:DisableRegion", role, req(fields{"regionName": "af-south-1"})), "skipped"},

		{"store stopped", record("cloudtrail:StopEventDataStoreIngestion", role, store), "high trail.event_store.stopped | CloudTrail event data store stopped: ds-1"},
		{"store deleted", record("cloudtrail:DeleteEventDataStore", role, store), "high trail.event_store.stopped | CloudTrail event data store deleted: ds-1"},
		{"store deletion denied", record("cloudtrail:DeleteEventDataStore", role, store, denied), "medium trail.event_store.stopped | CloudTrail event data store deleted: (not named) (denied)"},
		{"no such store", record("cloudtrail:DeleteEventDataStore", role, fields{"errorCode": "EventDataStoreNotFoundException"}), "- the call changed nothing: EventDataStoreNotFoundException"},
		{"store started", record("cloudtrail:StartEventDataStoreIngestion", role, store), "skipped"},

		{"sign-in policy", record("signin:PutResourcePermissionStatement", role), "high account.signin_policy.changed | Console sign-in policy changed: PutResourcePermissionStatement"},
		{"sign-in policy removed", record("signin:DeleteResourcePermissionStatement", role), "high account.signin_policy.changed | Console sign-in policy removed: DeleteResourcePermissionStatement"},
		{"console authorization", record("signin:PutConsoleAuthorizationConfiguration", role), "high account.signin_policy.changed | Console sign-in policy changed: PutConsoleAuthorizationConfiguration"},
		{"sign-in policy that is not there", record("signin:DeleteResourcePermissionStatement", role, unfound), "- the call changed nothing: ResourceNotFoundException"},
		{"sign-in policy read", record("signin:GetResourcePolicy", role, read), "skipped"},

		{"leaked key", record("iam:AttachUserPolicy", role, req(fields{"userName": "bob", "policyArn": "arn:aws:iam::aws:policy/AWSCompromisedKeyQuarantineV3"})), "critical user.key.leaked | AWS found a leaked access key of IAM user: bob"},
		{"a policy of that name of the account's own", record("iam:AttachUserPolicy", role, req(fields{"userName": "bob", "policyArn": "arn:aws:iam::111122223333:policy/AWSCompromisedKeyQuarantine"})), "- policy arn:aws:iam::111122223333:policy/AWSCompromisedKeyQuarantine is not AdministratorAccess, and as far as the record shows it does not allow everything"},
		{"leaked key's policy taken off", record("iam:DetachUserPolicy", role, req(fields{"userName": "bob", "policyArn": "arn:aws:iam::aws:policy/AWSCompromisedKeyQuarantineV3"})), "- permissions were taken away"},
	})
}

func TestCIS(t *testing.T) {
	for _, e := range Catalogue() {
		for _, c := range e.CIS {
			if _, known := cisSince[c]; !known {
				t.Errorf("%s: how do later versions number control %s?", e.ID, c)
			}
		}
		for _, version := range CISVersions() {
			if len(CISIn(version, e.ID, e.CIS)) == 0 {
				t.Errorf("%s has no control of version %s", e.ID, version)
			}
		}
	}
	if got := CISIn("7.0.0", RootAccessKeyCreated, []string{"1.4", "1.11", "4.3"}); len(got) != 2 || got[0] != "2.4" || got[1] != "5.3" {
		t.Errorf("v7.0.0: %v", got)
	}
	if got := CISIn("7.0.0", OrgRootAccessChanged, []string{"4.15"}); got[0] != "2.1.1" {
		t.Errorf("central root access: %v", got)
	}
	if got := CISIn("5.0.0", RootAccessKeyCreated, []string{"1.4"}); got[0] != "1.3" {
		t.Errorf("v5.0.0: %v", got)
	}
}

func TestLateDelivery(t *testing.T) {
	for reason, want := range map[string]string{
		"DELIVERY_DELAY": "delivered this record late (DELIVERY_DELAY)", "SERVICE_OUTAGE": "after an outage", "UPDATED_DATA": "delivered this record again", "": "",
	} {
		rec := record("ec2:RunInstances", root, fields{"addendum": fields{"reason": reason}}).decode(t)
		f := new(Detector).Detect(rec, nil).Finding
		if f.ID != RootActivity || !strings.Contains(f.Detail, want) || (want == "") == strings.Contains(f.Detail, "delivered") {
			t.Errorf("%q: %q", reason, f.Detail)
		}
	}
}

// TestCallsNameWhat holds what an alert about a call names as its resource, and its detail.
func TestCallsNameWhat(t *testing.T) {
	attach := req(fields{"roleName": "r", "policyArn": "arn:aws:iam::aws:policy/AdministratorAccess"})
	for _, tt := range []verdict{
		{"administrator", record("iam:AttachRolePolicy", role, attach), "role r | Policy arn:aws:iam::aws:policy/AdministratorAccess."},
		{"trust", record("iam:CreateRole", role, req(fields{"roleName": "r", "assumeRolePolicyDocument": policy(t, fields{"Principal": "*"})})), "role r | Its trust policy names every principal of every account, under no condition."},
		{"certificate", record("iam:UploadSigningCertificate", root, resp(fields{"certificate": fields{"certificateId": "CERT1"}})), "CERT1 | A caller with its private key signs as root where certificates are still taken, and it does not expire with a session."},
		{"leaves", record("organizations:LeaveOrganization", role), "account 111122223333 | The organization's policies, its trail and rootguard's roles no longer reach the account."},
		{"removed", record("organizations:RemoveAccountFromOrganization", role, req(fields{"accountId": "444455556666"})), "account 444455556666 | The organization's policies, its trail and rootguard's roles no longer reach the account."},
		{"removed, denied, account not said", record("organizations:RemoveAccountFromOrganization", role, denied), " | The call was denied; User is not authorized."},
		{"closed", record("organizations:CloseAccount", role, req(fields{"accountId": "444455556666"})), "account 444455556666 | Its resources stop; it can be opened again within 90 days, and is gone after that."},
		{"closed itself", record("account:CloseAccount", root), "account 111122223333 | Its resources stop; it can be opened again within 90 days, and is gone after that."},
		{"contact", record("account:PutAlternateContact", role, req(fields{"alternateContactType": "SECURITY"})), " | AWS writes about abuse and leaked keys to the new contact; CloudTrail does not show who that is."},
		{"contact of a member", record("account:DeleteAlternateContact", role, req(fields{"alternateContactType": "SECURITY", "accountId": "444455556666"})), "account 444455556666 | What AWS writes about abuse and leaked keys goes to the root mailbox alone."},
		{"Region", record("account:EnableRegion", role, req(fields{"regionName": "af-south-1"})), "af-south-1 | Resources can be made there, and events there reach rootguard only where it forwards them."},
		{"store", record("cloudtrail:StopEventDataStoreIngestion", role, req(fields{"eventDataStore": "arn:aws:cloudtrail:us-east-1:111122223333:eventdatastore/abc"})), "arn:aws:cloudtrail:us-east-1:111122223333:eventdatastore/abc | What is done from now on is not in it."},
		{"policy deleted", record("iam:DeleteAccountPasswordPolicy", role), " | Passwords of IAM users now need 8 characters, and old ones may be used again."},
		{"policy", record("iam:UpdateAccountPasswordPolicy", role, req(fields{"minimumPasswordLength": 8, "passwordReusePrevention": 3})), " | Less than CIS asks for; passwords need 8 characters, not 14; the last 3 passwords may not be used again, not the last 24."},
	} {
		f := new(Detector).Detect(tt.record.decode(t), nil).Finding
		if got := f.Target.Resource + " | " + f.Detail; got != tt.want {
			t.Errorf("%s: got %s, want %s", tt.name, got, tt.want)
		}
	}
}
