package e2e

import (
	"cmp"
	"encoding/json"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/iam"

	"rootguard/internal/cloudtrail"
	"rootguard/internal/eventpattern"
)

// event makes the event of a CloudTrail record, as EventBridge delivers it.
// fields replace those of a call by the IAM user "admin" at the next time; the
// event ID is new where they have none.
func (c *cloud) event(source, name string, fields map[string]any) []byte {
	c.t.Helper()
	record := map[string]any{
		"eventVersion": "1.11", "eventID": c.id(), "eventTime": moment(c.next()), "eventSource": source, "eventName": name,
		"awsRegion": region, "sourceIPAddress": "203.0.113.5", "userAgent": "aws-cli/2.31.0", "eventType": "AwsApiCall",
		"readOnly": false, "managementEvent": true, "recipientAccountId": c.d.account, "eventCategory": "Management",
		"requestParameters": nil, "responseElements": nil,
		"userIdentity": map[string]any{
			"type": "IAMUser", "principalId": "AIDAEXAMPLEADMIN", "arn": "arn:aws:iam::" + c.d.account + ":user/admin",
			"accountId": c.d.account, "accessKeyId": "AKIAEXAMPLEADMIN", "userName": "admin",
		},
	}
	for k, v := range fields {
		record[k] = v
	}
	raw, err := json.Marshal(record)
	if err != nil {
		c.t.Fatal(err)
	}
	return c.envelope(raw)
}

// envelope is the event by which EventBridge delivers a record.
func (c *cloud) envelope(raw []byte) []byte {
	c.t.Helper()
	rec, _, err := cloudtrail.Decode(raw)
	if err != nil {
		c.t.Fatalf("reading a record that the test made: %v", err)
	}
	rec.Raw = raw
	event, err := eventpattern.Envelope(&rec)
	if err != nil {
		c.t.Fatal(err)
	}
	return event
}

// moment is a time as records have it.
func moment(t time.Time) string { return t.UTC().Format(time.RFC3339) }

// rootSignIn is a console sign-in of an account's root user. mfa is "Yes", "No"
// or "" for not said, result "Success" or "Failure".
func (c *cloud) rootSignIn(account, mfa, result string, fields map[string]any) []byte {
	c.t.Helper()
	additional := map[string]any{"MobileVersion": "No", "LoginTo": "https://console.aws.amazon.com/console/home"}
	if mfa != "" {
		additional["MFAUsed"] = mfa
	}
	all := map[string]any{
		"eventType": "AwsConsoleSignIn", "recipientAccountId": account,
		"userIdentity":        map[string]any{"type": "Root", "principalId": account, "arn": "arn:aws:iam::" + account + ":root", "accountId": account},
		"responseElements":    map[string]any{"ConsoleLogin": result},
		"additionalEventData": additional,
	}
	if result == "Failure" {
		all["errorMessage"] = "Failed authentication"
	}
	for k, v := range fields {
		all[k] = v
	}
	return c.event("signin.amazonaws.com", "ConsoleLogin", all)
}

// user is a user in IAM.
type user struct {
	c          *cloud
	name, id   string
	made       time.Time
	mfa        string // serial number of the device, "" without
	createdRaw []byte
}

// createUser makes a user in IAM, without a password.
func (c *cloud) createUser(name string) *user {
	c.t.Helper()
	out, err := c.iam.CreateUser(c.ctx, &iam.CreateUserInput{UserName: &name})
	if err != nil {
		c.t.Fatalf("creating user %s: %v", name, err)
	}
	return &user{c: c, name: name, id: *out.User.UserId, made: c.next()}
}

// created is the event of the user's creation.
func (u *user) created() []byte {
	u.c.t.Helper()
	if u.createdRaw == nil {
		u.createdRaw = u.c.event("iam.amazonaws.com", "CreateUser", map[string]any{
			"eventTime":         moment(u.made),
			"requestParameters": map[string]any{"userName": u.name},
			"responseElements":  map[string]any{"user": map[string]any{"userName": u.name, "userId": u.id, "arn": "arn:aws:iam::" + u.c.d.account + ":user/" + u.name, "path": "/"}},
		})
	}
	return u.createdRaw
}

// setPassword gives the user a console password, and returns the event of it.
func (u *user) setPassword() []byte {
	u.c.t.Helper()
	if _, err := u.c.iam.CreateLoginProfile(u.c.ctx, &iam.CreateLoginProfileInput{UserName: &u.name, Password: aws.String("correct-Horse-1")}); err != nil {
		u.c.t.Fatalf("giving %s a password: %v", u.name, err)
	}
	return u.c.event("iam.amazonaws.com", "CreateLoginProfile", map[string]any{
		"requestParameters": map[string]any{"userName": u.name, "passwordResetRequired": false},
		"responseElements":  map[string]any{"loginProfile": map[string]any{"userName": u.name, "passwordResetRequired": false}},
	})
}

// enableMFA attaches a virtual device to the user, and returns the event of it.
func (u *user) enableMFA() []byte {
	u.c.t.Helper()
	device, err := u.c.iam.CreateVirtualMFADevice(u.c.ctx, &iam.CreateVirtualMFADeviceInput{VirtualMFADeviceName: &u.name})
	if err != nil {
		u.c.t.Fatalf("making an MFA device for %s: %v", u.name, err)
	}
	u.mfa = *device.VirtualMFADevice.SerialNumber
	if _, err := u.c.iam.EnableMFADevice(u.c.ctx, &iam.EnableMFADeviceInput{
		UserName: &u.name, SerialNumber: &u.mfa, AuthenticationCode1: aws.String("123456"), AuthenticationCode2: aws.String("234567"),
	}); err != nil {
		u.c.t.Fatalf("enabling MFA for %s: %v", u.name, err)
	}
	return u.c.event("iam.amazonaws.com", "EnableMFADevice", map[string]any{
		"userIdentity": map[string]any{
			"type": "IAMUser", "principalId": u.id, "arn": "arn:aws:iam::" + u.c.d.account + ":user/" + u.name,
			"accountId": u.c.d.account, "accessKeyId": "ASIAEXAMPLEUSER", "userName": u.name,
		},
		"requestParameters": map[string]any{"userName": u.name, "serialNumber": u.mfa},
	})
}

// eventID is the CloudTrail ID in an event.
func (c *cloud) eventID(event []byte) string {
	c.t.Helper()
	var e struct {
		Detail struct {
			EventID string
		}
	}
	if err := json.Unmarshal(event, &e); err != nil {
		c.t.Fatal(err)
	}
	return cmp.Or(e.Detail.EventID, strings.TrimSpace(string(event)))
}
