package cloudtrail

import (
	"encoding/json"
	"net/url"
	"testing"

	"github.com/google/go-cmp/cmp"
)

const (
	callerAlice   = `"userIdentity":{"type":"IAMUser","userName":"alice","principalId":"AIDAALICE"}`
	callerRoot    = `"userIdentity":{"type":"Root","principalId":"111122223333"}`
	callerRole    = `"userIdentity":{"type":"AssumedRole","principalId":"AROA:me"}`
	adminDocument = `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"*","Resource":"*"}]}`
)

func TestIAMChange(t *testing.T) {
	tests := []struct {
		name string
		raw  string // of the record, without the braces and the eventSource
		want IAMChange
	}{
		{"user created", `"eventName":"CreateUser","requestParameters":{"userName":"bob"},"responseElements":{"user":{"userName":"bob","userId":"AIDABOB"}},` + callerRole,
			IAMChange{Name: "CreateUser", UserName: "bob", UserID: "AIDABOB"}},
		{"user created, request omitted", `"eventName":"CreateUser","requestParameters":null,"responseElements":{"user":{"userName":"bob","userId":"AIDABOB"}},` + callerRole,
			IAMChange{Name: "CreateUser", UserName: "bob", UserID: "AIDABOB"}},
		{"user created by root, request omitted", `"eventName":"CreateUser","requestParameters":null,"responseElements":{"user":{"userName":"bob","userId":"AIDABOB"}},` + callerRoot,
			IAMChange{Name: "CreateUser", UserName: "bob", UserID: "AIDABOB"}},
		{"user renamed", `"eventName":"UpdateUser","requestParameters":{"userName":"bob","newUserName":"rob"},` + callerRole,
			IAMChange{Name: "UpdateUser", UserName: "bob", NewUserName: "rob"}},
		{"login profile", `"eventName":"CreateLoginProfile","requestParameters":{"userName":"bob","passwordResetRequired":true},` + callerRole,
			IAMChange{Name: "CreateLoginProfile", UserName: "bob", PasswordResetRequired: Yes}},
		{"login profile of root, by a session of AssumeRoot", `"eventName":"CreateLoginProfile","requestParameters":null,` + callerRoot,
			IAMChange{Name: "CreateLoginProfile", Root: true}},
		{"login profile of a user, by root", `"eventName":"CreateLoginProfile","requestParameters":{"userName":"bob"},` + callerRoot,
			IAMChange{Name: "CreateLoginProfile", UserName: "bob"}},
		{"own password", `"eventName":"ChangePassword","requestParameters":null,` + callerAlice,
			IAMChange{Name: "ChangePassword", UserName: "alice", UserID: "AIDAALICE"}},
		{"root's MFA", `"eventName":"EnableMFADevice","requestParameters":{"userName":"AWS ROOT USER","serialNumber":"arn:aws:iam::111122223333:mfa/phone"},` + callerRoot,
			IAMChange{Name: "EnableMFADevice", Root: true, SerialNumber: "arn:aws:iam::111122223333:mfa/phone"}},
		{"a user's own device that has the name of root's", `"eventName":"DeactivateMFADevice","requestParameters":{"serialNumber":"arn:aws:iam::111122223333:mfa/root-account-mfa-device"},` + callerAlice,
			IAMChange{Name: "DeactivateMFADevice", UserName: "alice", UserID: "AIDAALICE", SerialNumber: "arn:aws:iam::111122223333:mfa/root-account-mfa-device"}},
		{"root's MFA removed, nobody named", `"eventName":"DeactivateMFADevice","requestParameters":{"serialNumber":"arn:aws:iam::111122223333:u2f/root-account/key-1"},` + callerRole,
			IAMChange{Name: "DeactivateMFADevice", Root: true, SerialNumber: "arn:aws:iam::111122223333:u2f/root-account/key-1"}},
		{"a user's MFA whose device has root's name", `"eventName":"DeactivateMFADevice","requestParameters":{"userName":"bob","serialNumber":"arn:aws:iam::111122223333:mfa/root-account-mfa-device"},` + callerRole,
			IAMChange{Name: "DeactivateMFADevice", UserName: "bob", SerialNumber: "arn:aws:iam::111122223333:mfa/root-account-mfa-device"}},
		{"own MFA, named", `"eventName":"EnableMFADevice","requestParameters":{"userName":"alice","serialNumber":"s"},` + callerAlice,
			IAMChange{Name: "EnableMFADevice", UserName: "alice", UserID: "AIDAALICE", SerialNumber: "s"}},
		{"a role names nobody", `"eventName":"DeactivateMFADevice","requestParameters":{"serialNumber":"s"},` + callerRole,
			IAMChange{Name: "DeactivateMFADevice", SerialNumber: "s"}},
		{"root's key, the response names the account", `"eventName":"CreateAccessKey","requestParameters":null,"responseElements":{"accessKey":{"accessKeyId":"AKIA1","userName":"Root"}},` + callerRoot,
			IAMChange{Name: "CreateAccessKey", Root: true, AccessKeyID: "AKIA1"}},
		{"a user's key by root", `"eventName":"CreateAccessKey","requestParameters":{"userName":"bob"},"responseElements":{"accessKey":{"accessKeyId":"AKIA1","userName":"bob"}},` + callerRoot,
			IAMChange{Name: "CreateAccessKey", UserName: "bob", AccessKeyID: "AKIA1"}},
		{"own key", `"eventName":"CreateAccessKey","requestParameters":null,"responseElements":{"accessKey":{"accessKeyId":"AKIA1","userName":"alice"}},` + callerAlice,
			IAMChange{Name: "CreateAccessKey", UserName: "alice", UserID: "AIDAALICE", AccessKeyID: "AKIA1"}},
		{"admin attached", `"eventName":"AttachUserPolicy","requestParameters":{"userName":"bob","policyArn":"arn:aws-cn:iam::aws:policy/AdministratorAccess"},` + callerRole,
			IAMChange{Name: "AttachUserPolicy", UserName: "bob", Policy: "arn:aws-cn:iam::aws:policy/AdministratorAccess", Admin: true}},
		{"somebody's own policy of that name", `"eventName":"AttachUserPolicy","requestParameters":{"userName":"bob","policyArn":"arn:aws:iam::111122223333:policy/AdministratorAccess"},` + callerRole,
			IAMChange{Name: "AttachUserPolicy", UserName: "bob", Policy: "arn:aws:iam::111122223333:policy/AdministratorAccess"}},
		{"group policy by root is not about root", `"eventName":"AttachGroupPolicy","requestParameters":{"groupName":"g","policyArn":"p"},` + callerRole,
			IAMChange{Name: "AttachGroupPolicy", GroupName: "g", Policy: "p"}},
		{"inline admin", `"eventName":"PutGroupPolicy","requestParameters":{"groupName":"g","policyName":"p","policyDocument":` + jsonString(adminDocument) + `},` + callerRole,
			IAMChange{Name: "PutGroupPolicy", GroupName: "g", Policy: "p", Admin: true}},
		{"inline admin, document as an object", `"eventName":"PutUserPolicy","requestParameters":{"userName":"bob","policyName":"p","policyDocument":` + adminDocument + `},` + callerRole,
			IAMChange{Name: "PutUserPolicy", UserName: "bob", Policy: "p", Admin: true}},
		{"inline removed", `"eventName":"DeleteUserPolicy","requestParameters":{"userName":"bob","policyName":"p"},` + callerRole,
			IAMChange{Name: "DeleteUserPolicy", UserName: "bob", Policy: "p"}},
		{"joined a group", `"eventName":"AddUserToGroup","requestParameters":{"userName":"bob","groupName":"g"},` + callerRoot,
			IAMChange{Name: "AddUserToGroup", UserName: "bob", GroupName: "g"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			rec := recordOf(t, `{"eventSource":"iam.amazonaws.com",`+tt.raw+`}`)
			got, ok := rec.IAMChange()
			if !ok {
				t.Fatal("not a change")
			}
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestNoIAMChange(t *testing.T) {
	for _, raw := range []string{
		`{"eventSource":"transfer.amazonaws.com","eventName":"CreateUser"}`,
		`{"eventSource":"iam.amazonaws.com","eventName":"CreateRole"}`,
		`{"eventSource":"iam.amazonaws.com","eventName":"CreateVirtualMFADevice"}`,
		`{"eventSource":"iam.amazonaws.com","eventName":"CreateUser","errorCode":"EntityAlreadyExistsException"}`,
	} {
		if c, ok := recordOf(t, raw).IAMChange(); ok {
			t.Errorf("%s: %+v", raw, c)
		}
	}
}

func TestIsIAMChange(t *testing.T) {
	if !IsIAMChange([]byte("CreateUser")) || IsIAMChange([]byte("CreateUserX")) || IsIAMChange(nil) {
		t.Error("IsIAMChange does not agree with the calls IAMChange reads")
	}
}

func TestMFADeviceKind(t *testing.T) {
	for serial, want := range map[string]string{
		"arn:aws:iam::111122223333:u2f/user/bob/key-1": "passkey/security key",
		"arn:aws:iam::111122223333:mfa/bob":            "authenticator app",
		"arn:aws:iam::111122223333:sms-mfa/bob":        "text message",
		"GAHT12345678":                                 "hardware TOTP",
		"arn:aws:iam::111122223333:user/bob":           "unknown kind of device",
		"":                                             "unknown kind of device",
	} {
		if got := MFADeviceKind(serial); got != want {
			t.Errorf("%q: got %q, want %q", serial, got, want)
		}
	}
}

func TestAdminPolicy(t *testing.T) {
	tests := []struct {
		name     string
		document string
		want     bool
	}{
		{"list of statements", adminDocument, true},
		{"one statement", `{"Statement":{"Effect":"Allow","Action":["s3:Get*","*"],"Resource":["*"]}}`, true},
		{"every service", `{"Statement":{"Effect":"Allow","Action":"*:*","Resource":"*"}}`, true},
		{"percent-encoded", url.PathEscape(adminDocument), true},
		{"empty condition", `{"Statement":{"Effect":"Allow","Action":"*","Resource":"*","Condition":{}}}`, true},
		{"second statement", `{"Statement":[{"Effect":"Deny","Action":"*","Resource":"*"},{"Effect":"Allow","Action":"*","Resource":"*"}]}`, true},
		{"deny", `{"Statement":{"Effect":"Deny","Action":"*","Resource":"*"}}`, false},
		{"one service", `{"Statement":{"Effect":"Allow","Action":"iam:*","Resource":"*"}}`, false},
		{"one resource", `{"Statement":{"Effect":"Allow","Action":"*","Resource":"arn:aws:s3:::b"}}`, false},
		{"all but some", `{"Statement":{"Effect":"Allow","NotAction":"iam:*","Resource":"*"}}`, false},
		{"condition", `{"Statement":{"Effect":"Allow","Action":"*","Resource":"*","Condition":{"Bool":{"aws:MultiFactorAuthPresent":"true"}}}}`, false},
		{"no statement", `{}`, false},
		{"statement of another type", `{"Statement":7}`, false},
		{"not JSON", `allow all`, false},
		{"broken encoding", `%7B%`, false},
		{"empty", ``, false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if got := AdminPolicy(tt.document); got != tt.want {
				t.Errorf("got %t, want %t", got, tt.want)
			}
		})
	}
}

// jsonString makes a JSON string of s.
func jsonString(s string) string {
	b, _ := json.Marshal(s)
	return string(b)
}
