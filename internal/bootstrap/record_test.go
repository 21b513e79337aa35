package bootstrap

import (
	"encoding/json"
	"fmt"
	"testing"
	"time"

	"rootguard/internal/cloudtrail"
)

const (
	account       = "111122223333"
	org           = "999988887777"
	adminARN      = "arn:aws:iam::aws:policy/AdministratorAccess"
	quarantineARN = "arn:aws:iam::111122223333:policy/rootguard-quarantine"
	readARN       = "arn:aws:iam::aws:policy/ReadOnlyAccess"
	everything    = `{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":"*","Resource":"*"}}`
	little        = `{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":"s3:Get*","Resource":"*"}}`
	rootApp       = "arn:aws:iam::111122223333:mfa/root-account-mfa-device"
	rootKey       = "arn:aws:iam::111122223333:u2f/root-account/key-A"
)

var day0 = time.Date(2026, 3, 2, 9, 0, 0, 0, time.UTC)

// after is a time of the story, in hours from its beginning.
func after(hours float64) time.Time { return day0.Add(time.Duration(hours * float64(time.Hour))) }

type fields map[string]any

// call is one CloudTrail record in the making.
type call struct {
	who       fields
	source    string
	name      string
	req, resp any
	extra     any
	errorCode string
	errorText string
	eventType string
	account   string
	readOnly  bool
}

var root = fields{"type": "Root", "principalId": account, "arn": "arn:aws:iam::" + account + ":root", "accountId": account}

func rootSession(key string, created time.Time) fields {
	return fields{"type": "Root", "principalId": account, "arn": "arn:aws:iam::" + account + ":root", "accountId": account,
		"accessKeyId": key, "sessionContext": fields{"attributes": fields{"creationDate": created.Format(time.RFC3339), "mfaAuthenticated": "false"}}}
}

func assumedRootSession(key string, created time.Time) fields {
	who := rootSession(key, created)
	who["sessionContext"].(fields)["assumedRoot"] = "true"
	return who
}

func iamUser(name, id string) fields {
	return fields{"type": "IAMUser", "principalId": id, "arn": "arn:aws:iam::" + account + ":user/" + name, "accountId": account, "userName": name}
}

var operator = fields{"type": "AssumedRole", "principalId": "AROAEXAMPLE:ops", "accountId": account,
	"arn": "arn:aws:sts::" + account + ":assumed-role/Operator/ops"}

func iamCall(who fields, name string, req fields) call {
	return call{who: who, source: cloudtrail.IAMSource, name: name, req: req}
}

func (c call) responding(resp any) call { c.resp = resp; return c }
func (c call) denied() call             { c.errorCode, c.req = "AccessDenied", nil; return c }
func (c call) in(acct string) call      { c.account = acct; return c }
func (c call) failing(text string) call { c.errorText = text; return c }
func (c call) from(source string) call  { c.source = source; return c }

func createUser(name, id string) call {
	return iamCall(operator, "CreateUser", fields{"userName": name}).
		responding(fields{"user": fields{"userName": name, "userId": id, "createDate": "Mar 2, 2026 9:00:00 AM"}})
}
func rename(from, to string) call {
	return iamCall(operator, "UpdateUser", fields{"userName": from, "newUserName": to})
}
func deleteUser(name string) call { return iamCall(operator, "DeleteUser", fields{"userName": name}) }
func setPassword(name string, reset bool) call {
	return iamCall(operator, "CreateLoginProfile", fields{"userName": name, "passwordResetRequired": reset})
}
func updatePassword(name string, reset any) call {
	req := fields{"userName": name}
	if reset != nil {
		req["passwordResetRequired"] = reset
	}
	return iamCall(operator, "UpdateLoginProfile", req)
}
func removePassword(name string) call {
	return iamCall(operator, "DeleteLoginProfile", fields{"userName": name})
}
func changePassword(name, id string) call { return iamCall(iamUser(name, id), "ChangePassword", nil) }
func attach(name, arn string) call {
	return iamCall(operator, "AttachUserPolicy", fields{"userName": name, "policyArn": arn})
}
func detach(name, arn string) call {
	return iamCall(operator, "DetachUserPolicy", fields{"userName": name, "policyArn": arn})
}
func inline(name, policy, document string) call {
	return iamCall(operator, "PutUserPolicy", fields{"userName": name, "policyName": policy, "policyDocument": document})
}
func attachGroup(name, arn string) call {
	return iamCall(operator, "AttachGroupPolicy", fields{"groupName": name, "policyArn": arn})
}
func createGroup(name string) call {
	return iamCall(operator, "CreateGroup", fields{"groupName": name})
}
func join(group, name string) call {
	return iamCall(operator, "AddUserToGroup", fields{"groupName": group, "userName": name})
}
func leave(group, name string) call {
	return iamCall(operator, "RemoveUserFromGroup", fields{"groupName": group, "userName": name})
}
func enableMFA(name, serial string) call {
	return iamCall(operator, "EnableMFADevice", fields{"userName": name, "serialNumber": serial})
}
func disableMFA(name, serial string) call {
	return iamCall(operator, "DeactivateMFADevice", fields{"userName": name, "serialNumber": serial})
}
func rootEnableMFA(serial string) call {
	return iamCall(root, "EnableMFADevice", fields{"userName": "AWS ROOT USER", "serialNumber": serial})
}
func rootDisableMFA(serial string) call {
	return iamCall(root, "DeactivateMFADevice", fields{"serialNumber": serial})
}
func rootCreateKey(id string) call {
	return iamCall(root, "CreateAccessKey", nil).responding(fields{"accessKey": fields{"accessKeyId": id, "status": "Active"}})
}
func rootDeleteKey(id string) call {
	return iamCall(root, "DeleteAccessKey", fields{"accessKeyId": id})
}
func signIn(who fields, mfa string) call {
	c := call{who: who, source: cloudtrail.SigninSource, name: "ConsoleLogin", eventType: "AwsConsoleSignIn", resp: fields{"ConsoleLogin": "Success"}}
	if mfa != "" {
		c.extra = fields{"MFAUsed": mfa, "MobileVersion": "No"}
	}
	return c
}
func failedSignIn(who fields) call {
	return signIn(who, "No").responding(fields{"ConsoleLogin": "Failure"}).failing("Failed authentication")
}
func mfaFailure(who fields) call {
	return signIn(who, "Yes").responding(fields{"ConsoleLogin": "Failure"}).failing("Failed authentication")
}
func rootList(key string, created time.Time) call {
	return call{who: rootSession(key, created), source: "s3.amazonaws.com", name: "ListBuckets", readOnly: true}
}
func assumeRoot(key string) call {
	return call{who: fields{"type": "AssumedRole", "arn": "arn:aws:sts::" + org + ":assumed-role/Sec/eve", "accountId": org, "principalId": "AROAX:eve"},
		source: stsSource, name: "AssumeRoot", account: org,
		req:  fields{"targetPrincipal": account, "durationSeconds": 600, "taskPolicyArn": fields{"arn": "arn:aws:iam::aws:policy/root-task/S3UnlockBucketPolicy"}},
		resp: fields{"credentials": fields{"accessKeyId": key, "expiration": "Mar 2, 2026, 9:10:00 AM"}}}
}

// record is the call as CloudTrail writes it, read back.
func (c call) record(tb testing.TB, at time.Time, eventID string) cloudtrail.Record {
	tb.Helper()
	o := fields{"eventVersion": "1.11", "eventID": eventID, "eventTime": at.UTC().Format(time.RFC3339), "eventSource": c.source,
		"eventName": c.name, "eventType": "AwsApiCall", "awsRegion": "us-east-1", "userIdentity": c.who, "readOnly": c.readOnly,
		"recipientAccountId": account, "requestParameters": c.req, "responseElements": c.resp, "additionalEventData": c.extra}
	for key, value := range map[string]string{"errorCode": c.errorCode, "errorMessage": c.errorText, "eventType": c.eventType, "recipientAccountId": c.account} {
		if value != "" {
			o[key] = value
		}
	}
	raw, err := json.Marshal(o)
	if err != nil {
		tb.Fatalf("marshaling a test record: %v", err)
	}
	rec, _, err := cloudtrail.Decode(raw)
	if err != nil {
		tb.Fatalf("decoding a test record: %v", err)
	}
	return rec
}

// reported is a call, or a live check, at a time of the story.
type reported struct {
	hours float64
	call  call
	live  *LiveFact
}

func at(hours float64, c call) reported          { return reported{hours: hours, call: c} }
func checked(hours float64, l LiveFact) reported { return reported{hours: hours, live: &l} }

// factsOf are the facts of a story, event n being "e00n".
func factsOf(tb testing.TB, story []reported) []Fact {
	tb.Helper()
	var facts []Fact
	for i, s := range story {
		if s.live != nil {
			facts = append(facts, LiveFactOf(account, after(s.hours), *s.live))
			continue
		}
		rec := s.call.record(tb, after(s.hours), fmt.Sprintf("e%03d", i))
		facts = append(facts, FactsOf(&rec)...)
	}
	return facts
}

func fold(tb testing.TB, hours float64, story ...reported) Status {
	tb.Helper()
	st := Fold(account, factsOf(tb, story), DefaultOptions(), after(hours))
	checkStatus(tb, st)
	return st
}

func stepOf(tb testing.TB, st Status, name Step) StepStatus {
	tb.Helper()
	for _, s := range st.Steps {
		if s.Step == name {
			return s
		}
	}
	tb.Fatalf("the status has no step %s", name)
	return StepStatus{}
}

func ptr[T any](v T) *T { return &v }
