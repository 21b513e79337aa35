package detect

import (
	"encoding/json"
	"maps"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"rootguard/internal/cloudtrail"
)

// fields are parts of a record, laid over one another.
type fields map[string]any

// Who makes the call.
var (
	root        = fields{"userIdentity": fields{"type": "Root", "principalId": "111122223333", "arn": "arn:aws:iam::111122223333:root", "accountId": "111122223333"}}
	rootKey     = fields{"userIdentity": fields{"type": "Root", "principalId": "111122223333", "accountId": "111122223333", "accessKeyId": "AKIAROOT"}}
	rootTemp    = fields{"userIdentity": fields{"type": "Root", "principalId": "111122223333", "accountId": "111122223333", "accessKeyId": "ASIAROOT"}}
	assumed     = fields{"userIdentity": fields{"type": "Root", "principalId": "111122223333", "accountId": "111122223333", "accessKeyId": "ASIAROOT", "sessionContext": fields{"assumedRoot": "true"}}}
	rootCFN     = fields{"userIdentity": fields{"type": "Root", "principalId": "111122223333", "invokedBy": "cloudformation.amazonaws.com"}}
	alice       = fields{"userIdentity": fields{"type": "IAMUser", "principalId": "AIDAALICE", "arn": "arn:aws:iam::111122223333:user/alice", "userName": "alice", "accountId": "111122223333"}}
	role        = fields{"userIdentity": fields{"type": "AssumedRole", "principalId": "AROA:me", "arn": "arn:aws:sts::111122223333:assumed-role/Admin/me", "accountId": "111122223333"}}
	cfn         = fields{"userIdentity": fields{"type": "AssumedRole", "principalId": "AROA:me", "arn": "arn:aws:sts::111122223333:assumed-role/Admin/me", "invokedBy": "cloudformation.amazonaws.com"}}
	byIssued    = fields{"userIdentity": fields{"type": "FederatedUser", "principalId": "111122223333:tmp", "arn": "arn:aws:sts::111122223333:federated-user/tmp", "accountId": "111122223333", "accessKeyId": "ASIAFED", "sessionContext": fields{"sessionIssuer": fields{"type": "Root", "principalId": "111122223333"}}}}
	byFederated = fields{"userIdentity": fields{"type": "FederatedUser", "principalId": "111122223333:tmp", "arn": "arn:aws:sts::111122223333:federated-user/tmp", "accountId": "111122223333", "sessionContext": fields{"sessionIssuer": fields{"type": "IAMUser", "userName": "alice"}}}}
	nobody      = fields{"userIdentity": fields{"accountId": "111122223333", "invokedBy": "signin.amazonaws.com"}}

	read    = fields{"readOnly": true}
	denied  = fields{"errorCode": "AccessDenied", "errorMessage": "User is not authorized", "requestParameters": nil}
	unfound = fields{"errorCode": "ResourceNotFoundException"}
	service = fields{"eventType": "AwsServiceEvent"}
)

// record is a record of an API call, "iam:CreateUser", with parts laid over it.
func record(name string, parts ...fields) fields {
	source, event, _ := strings.Cut(name, ":")
	r := fields{
		"eventID": "e-1", "eventTime": "2026-01-02T03:04:05Z", "eventSource": source + ".amazonaws.com", "eventName": event,
		"eventType": "AwsApiCall", "awsRegion": "us-east-1", "sourceIPAddress": "192.0.2.7", "userAgent": "aws-cli/2",
		"recipientAccountId": "111122223333", "readOnly": false,
	}
	for _, p := range parts {
		maps.Copy(r, p)
	}
	return r
}

// signin is a record of the sign-in service that ended so.
func signin(event string, parts ...fields) fields {
	return record("signin:"+event, append([]fields{{"eventType": "AwsConsoleSignIn"}}, parts...)...)
}

// said is the response of a sign-in, with an error message if it has one.
func said(event, result, message string) fields {
	f := fields{"responseElements": fields{event: result}}
	if message != "" {
		f["errorMessage"] = message
	}
	return f
}

func mfaUsed(answer string) fields { return fields{"additionalEventData": fields{"MFAUsed": answer}} }

func req(f fields) fields { return fields{"requestParameters": f} }

func resp(f fields) fields { return fields{"responseElements": f} }

// decode is the record as the reader would give it.
func (f fields) decode(t *testing.T) *cloudtrail.Record {
	t.Helper()
	raw, err := json.Marshal(f)
	if err != nil {
		t.Fatal(err)
	}
	rec, _, err := cloudtrail.Decode(raw)
	if err != nil {
		t.Fatal(err)
	}
	return &rec
}

// verdict is a record and what is made of it: "critical root.signin+…| title", or
// "- reason" of one that a rule ignored, or "skipped".
type verdict struct {
	name   string
	record fields
	want   string
}

// verdictOf writes an outcome as the tables do.
func verdictOf(o Outcome) string {
	switch o.Kind {
	case Matched:
		return key(o.Finding) + " | " + o.Finding.Title
	case NotMatched:
		return "- " + o.Reason
	default:
		return o.Kind.String()
	}
}

// run judges every record of a table.
func run(t *testing.T, d *Detector, assumed *AssumedRoot, tests []verdict) {
	t.Helper()
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			rec := tt.record.decode(t)
			o := d.Detect(rec, assumed)
			checkOutcome(t, rec, o)
			tried.add(rec, &o)
			if diff := cmp.Diff(tt.want, verdictOf(o)); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestRootSignIn(t *testing.T) {
	const login = "ConsoleLogin"
	run(t, new(Detector), nil, []verdict{
		{"without MFA", signin(login, root, said(login, "Success", ""), mfaUsed("No")), "critical root.signin.no_mfa | Root sign-in WITHOUT MFA"},
		{"without MFA, other case", signin(login, root, said(login, "success", ""), mfaUsed("NO")), "critical root.signin.no_mfa | Root sign-in WITHOUT MFA"},
		{"with MFA", signin(login, root, said(login, "Success", ""), mfaUsed("Yes")), "critical root.signin | Root sign-in with MFA"},
		{"MFA not said", signin(login, root, said(login, "Success", "")), "critical root.signin | Root sign-in, MFA not on record"},
		{"failed", signin(login, root, said(login, "Failure", "Failed authentication"), mfaUsed("No")), "medium root.signin.failed | Root sign-in failed"},
		{"failed, no message", signin(login, root, said(login, "Failure", ""), mfaUsed("Yes")), "high root.signin.failed | Root sign-in failed at MFA, after the right password"},
		{"failed, no response", signin(login, root, fields{"errorMessage": "Failed authentication"}), "medium root.signin.failed | Root sign-in failed"},
		{"outcome not said", signin(login, root, mfaUsed("No")), "critical root.signin | Root sign-in, outcome not on record"},
		{"outcome contradicts itself", signin(login, root, said(login, "Success", "Failed authentication"), mfaUsed("No")), "critical root.signin | Root sign-in, outcome not on record"},
		{"source lost", signin(login, root, said(login, "Success", ""), mfaUsed("No"), fields{"eventSource": ""}), "critical root.signin.no_mfa | Root sign-in WITHOUT MFA"},
		{"another service's ConsoleLogin", record("other:ConsoleLogin", root), "high root.activity | Root activity: other:ConsoleLogin"},
		{"a step of it", signin("CheckMfa", root, said("CheckMfa", "Success", "")), "- a step of signing in, not failed; the sign-in has a record of its own"},
		{"the step of MFA failed", signin("CheckMfa", root, said("CheckMfa", "Failure", "Failed authentication")), "high root.signin.failed | Root sign-in failed at MFA, after the right password"},
		{"the step of MFA, its outcome not said", signin("CheckMfa", root), "- a step of signing in, not failed; the sign-in has a record of its own"},
		{"a user's step of MFA failed", signin("CheckMfa", alice, said("CheckMfa", "Failure", "")), "skipped"},
		{"with credentials that root issued", signin(login, byIssued, said(login, "Success", ""), mfaUsed("No")), "critical root.signin | Root sign-in through credentials that root issued"},
		{"with credentials that root issued, failed", signin(login, byIssued, said(login, "Failure", "no")), "high root.activity | Root activity: signin:ConsoleLogin (failed)"},
		{"with credentials that a user issued", signin(login, byFederated, said(login, "Success", ""), mfaUsed("No")), "- a sign-in of type FederatedUser: its MFA is the identity provider's, and MFAUsed says nothing of it"},
		{"in a session of AssumeRoot", signin(login, assumed, said(login, "Success", ""), mfaUsed("No")), "medium root.session | Root session used: signin:ConsoleLogin"},
		{"the identity's type lost, known by its ARN", signin(login, fields{"userIdentity": fields{"type": []string{"Root"}, "arn": "arn:aws-cn:iam::111122223333:root", "accountId": "111122223333"}}, said(login, "Success", ""), mfaUsed("No")), "critical root.signin.no_mfa | Root sign-in WITHOUT MFA"},
		{"the type lost, not root by its ARN", signin(login, fields{"userIdentity": fields{"arn": "arn:aws:iam::111122223333:user/root", "accountId": "111122223333"}}, said(login, "Success", ""), mfaUsed("No")), "- a sign-in of type (not named): its MFA is the identity provider's, and MFAUsed says nothing of it"},
		{"another type with root's ARN", signin(login, fields{"userIdentity": fields{"type": "AWSAccount", "arn": "arn:aws:iam::111122223333:root"}}, said(login, "Success", "")), "- a sign-in of type AWSAccount: its MFA is the identity provider's, and MFAUsed says nothing of it"},
	})
}

func TestRootSignInDetail(t *testing.T) {
	device := "arn:aws:iam::111122223333:u2f/root-account/key-1"
	o := new(Detector).Detect(signin("ConsoleLogin", root, said("ConsoleLogin", "Success", ""),
		fields{"additionalEventData": fields{"MFAUsed": "Yes", "MFAIdentifier": device}}).decode(t), nil)
	want := Finding{
		ID: RootSignin, Severity: Critical, Title: "Root sign-in with MFA", Detail: "MFA device: passkey/security key " + device + ".",
		Account: "111122223333", Region: "us-east-1", EventTime: time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC), EventID: "e-1",
		EventSource: "signin.amazonaws.com", EventName: "ConsoleLogin", SourceIP: "192.0.2.7", UserAgent: "aws-cli/2",
		Actor: Actor{Type: "Root", Name: "root", ARN: "arn:aws:iam::111122223333:root", PrincipalID: "111122223333"},
		MFA:   cloudtrail.Yes, Session: "111122223333", CIS: []string{"1.7", "4.3"}, ATTACK: []string{"T1078.004"},
		NextStep: entry(RootSignin).NextStep,
	}
	if diff := cmp.Diff(want, o.Finding); diff != "" {
		t.Error(diff)
	}
	failed := new(Detector).Detect(signin("ConsoleLogin", root, said("ConsoleLogin", "Failure", "Failed authentication"), mfaUsed("No")).decode(t), nil)
	if f := failed.Finding; f.MFA != cloudtrail.Unknown || f.Detail != "Failed authentication." {
		t.Errorf("failed sign-in: MFA %s, detail %q", f.MFA, f.Detail)
	}
}

func TestRootActivity(t *testing.T) {
	run(t, new(Detector), nil, []verdict{
		{"write", record("ec2:RunInstances", root), "high root.activity | Root activity: ec2:RunInstances"},
		{"write denied", record("ec2:RunInstances", root, denied), "high root.activity | Root activity: ec2:RunInstances (denied)"},
		{"write denied by EC2", record("ec2:RunInstances", root, fields{"errorCode": "Client.UnauthorizedOperation"}), "high root.activity | Root activity: ec2:RunInstances (denied)"},
		{"write failed", record("s3:CreateBucket", root, fields{"errorCode": "BucketAlreadyExists"}), "high root.activity | Root activity: s3:CreateBucket (failed)"},
		{"read in the console", record("ec2:DescribeInstances", rootTemp, read), "- root only read; what counts is whether the sign-in of its session is on record"},
		{"read denied", record("ec2:DescribeInstances", rootTemp, read, denied), "- root only read; what counts is whether the sign-in of its session is on record"},
		{"read with a long-term key", record("ec2:DescribeInstances", rootKey, read), "high root.activity | Root access key used: ec2:DescribeInstances"},
		{"aws login, authorized", signin("AuthorizeOAuth2Access", root, read), "high root.activity | Root activity: aws login authorized"},
		{"aws login, issued", signin("CreateOAuth2Token", root, read), "high root.activity | Root activity: credentials for aws login issued"},
		{"OAuth token by IAM", signin("CreateOAuth2TokenWithIAM", root, read), "high root.activity | Root activity: OAuth token issued"},
		{"OAuth token by token exchange", signin("CreateOAuth2TokenWithTokenExchange", root, read), "high root.activity | Root activity: OAuth token issued"},
		{"bearer token", signin("CreateBearerToken", root, read), "high root.activity | Root activity: bearer token issued"},
		{"OAuth token inspected", signin("IntrospectOAuth2TokenWithIAM", root, read), "- root only read; what counts is whether the sign-in of its session is on record"},
		{"write with credentials that root issued", record("ec2:RunInstances", byIssued), "high root.activity | Root activity: ec2:RunInstances"},
		{"sign-in token from credentials that root issued", signin("GetSigninToken", byIssued, read), "high root.activity | Root activity: sign-in token issued"},
		{"write with credentials that a user issued", record("ec2:RunInstances", byFederated), "skipped"},
		{"aws login by a user", signin("CreateOAuth2Token", alice, read), "skipped"},
		{"the same name elsewhere", record("other:CreateOAuth2Token", root, read), "- root only read; what counts is whether the sign-in of its session is on record"},
		{"temporary credentials", record("sts:GetSessionToken", root, read), "high root.activity | Root activity: temporary credentials issued"},
		{"who am I", record("sts:GetCallerIdentity", root, read), "- root only read; what counts is whether the sign-in of its session is on record"},
		{"sign-in token", signin("GetSigninToken", root, read), "high root.activity | Root activity: sign-in token issued"},
		{"switching to a role, which root cannot", signin("SwitchRole", root, said("SwitchRole", "Failure", "not allowed")), "high root.activity | Root activity: signin:SwitchRole (failed)"},
		{"by a service", record("ec2:CreateTags", rootCFN), "- an AWS service acted, not the root user (invokedBy cloudformation.amazonaws.com, eventType AwsApiCall)"},
		{"service event", record("kms:RotateKey", root, service), "- an AWS service acted, not the root user (invokedBy (not named), eventType AwsServiceEvent)"},
		{"a user's write", record("ec2:RunInstances", alice), "skipped"},
	})
}

func TestRootSecrets(t *testing.T) {
	email := req(fields{"accountId": "444455556666"})
	run(t, new(Detector), nil, []verdict{
		{"recovery requested", signin("PasswordRecoveryRequested", root, said("PasswordRecoveryRequested", "Success", "")), "critical root.password.recovery | Root password recovery requested"},
		{"recovery requested, a service event", signin("PasswordRecoveryRequested", nobody, service, fields{"serviceEventDetails": fields{"PasswordRecoveryRequested": "Success"}}), "critical root.password.recovery | Root password recovery requested"},
		{"recovery requested, failed", signin("PasswordRecoveryRequested", root, said("PasswordRecoveryRequested", "Failure", "")), "high root.password.recovery | Root password recovery requested (failed)"},
		{"recovery completed", signin("PasswordRecoveryCompleted", root, said("PasswordRecoveryCompleted", "Success", "")), "critical root.password.recovery | Root password recovery completed"},
		{"a user's recovery", signin("PasswordRecoveryCompleted", alice), "- the password or address of a principal of type IAMUser, not of root"},
		{"another service's recovery", record("cognito:PasswordRecoveryCompleted", alice), "skipped"},
		{"password updated", signin("PasswordUpdated", root, said("PasswordUpdated", "Success", "")), "high root.password.changed | Root password changed"},
		{"password update failed", signin("PasswordUpdated", root, said("PasswordUpdated", "Failure", "")), "medium root.password.changed | Root password changed (failed)"},
		{"ChangePassword by root", record("iam:ChangePassword", root), "high root.password.changed+root.activity | Root password changed"},
		{"ChangePassword by a user", record("iam:ChangePassword", alice), "- a user changed its own password, for which it needed the old one"},
		{"email updated", signin("EmailUpdated", root, service, said("EmailUpdated", "Success", "")), "critical root.email.changed | Root email address changed"},
		{"email accepted for a member", record("account:AcceptPrimaryEmailUpdate", role, email), "critical root.email.changed | Root email address changed"},
		{"email accepted by root", record("account:AcceptPrimaryEmailUpdate", root), "critical root.email.changed+root.activity | Root email address changed"},
		{"email accept denied", record("account:AcceptPrimaryEmailUpdate", role, denied), "high root.email.changed | Root email address changed (denied)"},
		{"email started", record("account:StartPrimaryEmailUpdate", role, email), "high root.email.changed | Root email address change started"},
		{"email read", record("account:GetPrimaryEmail", role, read), "skipped"},
	})
}

func TestRootCredentials(t *testing.T) {
	phone := req(fields{"userName": "AWS ROOT USER", "serialNumber": "arn:aws:iam::111122223333:mfa/root-account-mfa-device"})
	key := resp(fields{"accessKey": fields{"accessKeyId": "AKIANEW"}})
	run(t, new(Detector), nil, []verdict{
		{"key", record("iam:CreateAccessKey", root, key), "critical root.access_key.created+root.activity | Root access key created"},
		{"key of a user", record("iam:CreateAccessKey", root, req(fields{"userName": "alice"}), key), "high user.access_key.created+root.activity | Access key created for IAM user: alice, by ROOT"},
		{"key denied", record("iam:CreateAccessKey", root, denied), "high root.activity | Root activity: iam:CreateAccessKey (denied)"},
		{"key by a user", record("iam:CreateAccessKey", alice, key), "medium user.access_key.created | Access key created for IAM user: alice"},
		{"key of a user by another", record("iam:CreateAccessKey", role, req(fields{"userName": "alice"}), key), "high user.access_key.created | Access key created for IAM user: alice"},
		{"key of a user denied", record("iam:CreateAccessKey", role, denied), "- the call changed nothing: AccessDenied"},
		{"key deleted", record("iam:DeleteAccessKey", root, req(fields{"accessKeyId": "AKIAOLD"})), "high root.activity | Root activity: iam:DeleteAccessKey"},
		{"key deleted in a service's name", record("iam:DeleteAccessKey", rootCFN, req(fields{"accessKeyId": "AKIAOLD"})), "- DeleteAccessKey of the root user: nothing that weakens its sign-in"},
		{"MFA removed", record("iam:DeactivateMFADevice", root, phone), "critical root.mfa.removed+root.activity | Root MFA removed"},
		{"MFA removed in a session", record("iam:DeactivateMFADevice", assumed, phone), "critical root.mfa.removed+root.session | Root MFA removed"},
		{"MFA removal denied", record("iam:DeactivateMFADevice", root, denied), "high root.activity | Root activity: iam:DeactivateMFADevice (denied)"},
		{"MFA added", record("iam:EnableMFADevice", root, phone), "info root.mfa.added+root.activity | Root MFA added"},
		{"virtual device made", record("iam:CreateVirtualMFADevice", root), "high root.activity | Root activity: iam:CreateVirtualMFADevice"},
		{"virtual device made by a user", record("iam:CreateVirtualMFADevice", alice), "- a virtual MFA device was made, but it is no user's until EnableMFADevice"},
		{"login profile", record("iam:CreateLoginProfile", assumed), "high root.login_profile.created+root.session | Root password created"},
		{"login profile deleted", record("iam:DeleteLoginProfile", assumed), "medium root.session | Root session used: iam:DeleteLoginProfile"},
		{"login profile updated", record("iam:UpdateLoginProfile", assumed), "high root.password.changed+root.session | Root password changed"},
	})
}

// TestEmailOfMember: the target is the member account that the call names; a call that
// names none is about the account itself, and has no other target.
func TestEmailOfMember(t *testing.T) {
	for want, parameters := range map[string]fields{"account 444455556666": {"accountId": "444455556666"}, "": {}} {
		f := new(Detector).Detect(record("account:AcceptPrimaryEmailUpdate", role, req(parameters)).decode(t), nil).Finding
		if f.ID != RootEmailChanged || f.Target.Resource != want {
			t.Errorf("%v: %s of %q, want %q", parameters, f.ID, f.Target.Resource, want)
		}
	}
}

// TestMFARemovedOnPurpose: in a session of sts:AssumeRoot, root's MFA device goes as a step
// of removing all of root's credentials; root itself has no such task.
func TestMFARemovedOnPurpose(t *testing.T) {
	const task = "The session's task is to delete this account's root credentials."
	for name, tt := range map[string]struct {
		by      fields
		assumed *AssumedRoot
		step    bool
		task    bool
	}{
		"that task":    {rootTemp, &AssumedRoot{TaskPolicy: "arn:aws:iam::aws:policy/root-task/IAMDeleteRootUserCredentials"}, true, true},
		"another task": {rootTemp, &AssumedRoot{TaskPolicy: "arn:aws:iam::aws:policy/root-task/S3UnlockBucketPolicy"}, true, false},
		"root itself":  {root, nil, false, false},
	} {
		f := new(Detector).Detect(record("iam:DeactivateMFADevice", tt.by, req(fields{"serialNumber": "GAHT12345678"})).decode(t), tt.assumed).Finding
		if f.ID != RootMFARemoved || f.NextStep == stepCredentialsRemoved != tt.step || strings.Contains(f.Detail, task) != tt.task {
			t.Errorf("%s: %s, %q, next %q", name, f.ID, f.Detail, f.NextStep)
		}
	}
}

func TestRootMFADevice(t *testing.T) {
	for serial, want := range map[string]string{
		"arn:aws:iam::111122223333:u2f/root-account/key-1":      "Device: passkey/security key arn:aws:iam::111122223333:u2f/root-account/key-1.",
		"arn:aws:iam::111122223333:mfa/root-account-mfa-device": "Device: authenticator app arn:aws:iam::111122223333:mfa/root-account-mfa-device.",
		"GAHT12345678": "Device: hardware TOTP GAHT12345678.",
		"":             "Device: unknown kind of device (not named).",
	} {
		f := new(Detector).Detect(record("iam:EnableMFADevice", root, req(fields{"serialNumber": serial})).decode(t), nil).Finding
		if f.ID != RootMFAAdded || f.Detail != want || f.Target.Resource != serial {
			t.Errorf("%q: %s %q %+v", serial, f.ID, f.Detail, f.Target)
		}
	}
}

func TestAssumeRoot(t *testing.T) {
	for policy, want := range map[string]string{
		"IAMAuditRootUserCredentials":  "low",
		"IAMCreateRootUserPassword":    "medium",
		"IAMDeleteRootUserCredentials": "medium",
		"S3UnlockBucketPolicy":         "medium",
		"SQSUnlockQueuePolicy":         "medium",
		"SomethingNew":                 "medium",
	} {
		arn := "arn:aws:iam::aws:policy/root-task/" + policy
		run(t, new(Detector), nil, []verdict{
			{policy, record("sts:AssumeRoot", role, req(fields{"targetPrincipal": "444455556666", "taskPolicyArn": fields{"arn": arn}})), want + " root.session | Root session opened by sts:AssumeRoot: " + policy},
		})
		run(t, new(Detector), &AssumedRoot{TaskPolicy: arn, By: "Admin/me", EventID: "e-0"}, []verdict{
			{policy + ", used", record("iam:DeleteAccessKey", rootTemp), want + " root.session | Root session used: iam:DeleteAccessKey"},
		})
	}
	run(t, new(Detector), nil, []verdict{
		{"policy as a string", record("sts:AssumeRoot", role, req(fields{"taskPolicyArn": "IAMAuditRootUserCredentials"})), "low root.session | Root session opened by sts:AssumeRoot: IAMAuditRootUserCredentials"},
		{"denied", record("sts:AssumeRoot", role, denied), "medium root.session | Root session by sts:AssumeRoot denied"},
		{"AssumeRole", record("sts:AssumeRole", role, req(fields{"roleArn": "arn:aws:iam::444455556666:role/root"})), "skipped"},
		{"used, marked by the record", record("s3:DeleteBucketPolicy", assumed), "medium root.session | Root session used: s3:DeleteBucketPolicy"},
		{"used, denied", record("s3:DeleteBucketPolicy", assumed, denied), "medium root.session | Root session used: s3:DeleteBucketPolicy (denied)"},
		{"read", record("iam:GetAccountSummary", assumed, read), "- a read in a session of sts:AssumeRoot; it is the opening that is reported"},
	})
	run(t, new(Detector), &AssumedRoot{}, []verdict{
		{"the key is known, the record does not say", record("s3:DeleteBucketPolicy", rootTemp), "medium root.session | Root session used: s3:DeleteBucketPolicy"},
		{"a user's key cannot be root's", record("s3:DeleteBucketPolicy", alice), "skipped"},
		{"credentials of root", record("iam:CreateLoginProfile", rootTemp), "high root.login_profile.created+root.session | Root password created"},
	})
	f := new(Detector).Detect(record("sts:AssumeRoot", role, req(fields{"targetPrincipal": "444455556666"})).decode(t), nil).Finding
	if f.Target.Resource != "account 444455556666" || f.Detail != "Member account 444455556666; task policy (not named)." {
		t.Errorf("target %q, detail %q", f.Target.Resource, f.Detail)
	}
	f = new(Detector).Detect(record("s3:DeleteBucketPolicy", rootTemp).decode(t), &AssumedRoot{TaskPolicy: "S3UnlockBucketPolicy", By: "Admin/me", EventID: "e-0"}).Finding
	if f.Detail != "Opened by Admin/me; task policy S3UnlockBucketPolicy; AssumeRoot event e-0." {
		t.Errorf("detail %q", f.Detail)
	}
}

func TestEveryIAMChangeHasAReason(t *testing.T) {
	for name, reason := range journeyOnly {
		o := new(Detector).Detect(record("iam:"+name, role, req(fields{"userName": "bob", "groupName": "g"})).decode(t), nil)
		if o.Kind != NotMatched || o.Reason != reason || reason == "" {
			t.Errorf("%s: %+v", name, o)
		}
	}
}

func TestActor(t *testing.T) {
	tests := []struct {
		name string
		ui   cloudtrail.UserIdentity
		want Actor
	}{
		{"root with an account alias", cloudtrail.UserIdentity{Type: "Root", UserName: "my-company"}, Actor{Type: "Root", Name: "root"}},
		{"user", cloudtrail.UserIdentity{Type: "IAMUser", UserName: "alice"}, Actor{Type: "IAMUser", Name: "alice"}},
		{"hidden", cloudtrail.UserIdentity{Type: "IAMUser", UserName: "HIDDEN_DUE_TO_SECURITY_REASONS"}, Actor{Type: "IAMUser", Name: "(hidden)"}},
		{"role", cloudtrail.UserIdentity{Type: "AssumedRole", ARN: "arn:aws:sts::1:assumed-role/Admin/me"}, Actor{Type: "AssumedRole", Name: "Admin/me", ARN: "arn:aws:sts::1:assumed-role/Admin/me"}},
		{"service", cloudtrail.UserIdentity{Type: "AWSService", InvokedBy: "ec2.amazonaws.com"}, Actor{Type: "AWSService", Name: "ec2.amazonaws.com"}},
		{"other account", cloudtrail.UserIdentity{Type: "AWSAccount", PrincipalID: "AIDA1"}, Actor{Type: "AWSAccount", Name: "AIDA1", PrincipalID: "AIDA1"}},
		{"nobody", cloudtrail.UserIdentity{}, Actor{Type: "Unknown"}},
	}
	for _, tt := range tests {
		if diff := cmp.Diff(tt.want, actorOf(&tt.ui)); diff != "" {
			t.Errorf("%s: %s", tt.name, diff)
		}
	}
}

func TestSessionOf(t *testing.T) {
	at := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	tests := []struct {
		name string
		ui   cloudtrail.UserIdentity
		want string
	}{
		{"console session", cloudtrail.UserIdentity{PrincipalID: "111122223333", AccessKeyID: "ASIA1", Session: cloudtrail.SessionContext{CreationDate: at}}, "111122223333@2026-01-02T03:04:05Z"},
		{"the same session under another key", cloudtrail.UserIdentity{PrincipalID: "111122223333", AccessKeyID: "ASIA2", Session: cloudtrail.SessionContext{CreationDate: at.In(time.FixedZone("", 3600))}}, "111122223333@2026-01-02T03:04:05Z"},
		{"access key", cloudtrail.UserIdentity{PrincipalID: "AIDA1", ARN: "arn", AccessKeyID: "AKIA1"}, "AIDA1#AKIA1"},
		{"principal", cloudtrail.UserIdentity{PrincipalID: "AIDA1"}, "AIDA1"},
		{"ARN alone", cloudtrail.UserIdentity{ARN: "arn"}, "arn"},
		{"name alone", cloudtrail.UserIdentity{Type: "IAMUser", UserName: "alice", AccountID: "1"}, "1/IAMUser/alice"},
	}
	for _, tt := range tests {
		if got := SessionOf(&cloudtrail.Record{UserIdentity: tt.ui}); got != tt.want {
			t.Errorf("%s: got %q, want %q", tt.name, got, tt.want)
		}
	}
}
