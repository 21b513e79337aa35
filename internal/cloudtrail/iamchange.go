package cloudtrail

import (
	"encoding/json"
	"fmt"
	"net/url"
	"slices"
	"strings"
)

// IAMSource is the eventSource of IAM. Other services have a CreateUser too.
const IAMSource = "iam.amazonaws.com"

// IAMChange is what a successful IAM call did to a user or to the root user.
type IAMChange struct {
	Name string // the eventName

	// Root is set where the target is the root user: its own MFA, keys or
	// login profile. UserName and UserID are then empty.
	Root bool

	UserName    string // the target, as it was called before the call
	UserID      string // AIDA…, where the record says it
	NewUserName string // of UpdateUser, empty where the name did not change
	GroupName   string
	Policy      string // ARN of a managed policy, name of an inline one
	Admin       bool   // the policy grants every action on every resource

	SerialNumber string // of an MFA device
	AccessKeyID  string

	// PasswordResetRequired is of CreateLoginProfile and UpdateLoginProfile;
	// Unknown where the call did not say.
	PasswordResetRequired Answer
}

// rootUserName is what CloudTrail calls the root user in its own MFA events.
const rootUserName = "AWS ROOT USER"

// iamChanges are the IAM calls that bear on a user's or root's sign-in safety.
var iamChanges = map[string]bool{
	"CreateUser": true, "UpdateUser": true, "DeleteUser": true,
	"CreateLoginProfile": true, "UpdateLoginProfile": true, "DeleteLoginProfile": true, "ChangePassword": true,
	"EnableMFADevice": true, "DeactivateMFADevice": true,
	"CreateAccessKey": true, "DeleteAccessKey": true,
	"AttachUserPolicy": true, "DetachUserPolicy": true, "PutUserPolicy": true, "DeleteUserPolicy": true,
	"CreateGroup": true, "UpdateGroup": true, "DeleteGroup": true,
	"AttachGroupPolicy": true, "DetachGroupPolicy": true, "PutGroupPolicy": true, "DeleteGroupPolicy": true,
	"AddUserToGroup": true, "RemoveUserFromGroup": true,
}

// IsIAMChange reports whether eventName is a call that IAMChange reads, given
// that the eventSource is IAMSource.
func IsIAMChange(eventName []byte) bool { return iamChanges[string(eventName)] }

// IAMChange returns what the record changed. ok is false where the record is
// not such a call, or where the call failed.
func (r *Record) IAMChange() (c IAMChange, ok bool) {
	if r.EventSource != IAMSource || !iamChanges[r.EventName] || r.Failed() {
		return IAMChange{}, false
	}
	req := fields(r.RequestParameters)
	c = IAMChange{
		Name:                  r.EventName,
		UserName:              req.str("userName"),
		NewUserName:           req.str("newUserName"),
		GroupName:             req.str("groupName"),
		Policy:                req.str("policyArn"),
		SerialNumber:          req.str("serialNumber"),
		AccessKeyID:           req.str("accessKeyId"),
		PasswordResetRequired: req.answer("passwordResetRequired"),
	}
	resp := fields(r.ResponseElements)
	switch r.EventName {
	case "CreateUser":
		user := fields(resp["user"])
		c.UserID = user.str("userId")
		if c.UserName == "" {
			c.UserName = user.str("userName")
		}
	case "CreateAccessKey":
		key := fields(resp["accessKey"])
		c.AccessKeyID = key.str("accessKeyId")
		if c.UserName == "" {
			c.UserName = key.str("userName")
		}
	case "PutUserPolicy", "PutGroupPolicy":
		c.Policy = req.str("policyName")
		c.Admin = AdminPolicy(req.str("policyDocument")) || AdminPolicy(string(req["policyDocument"]))
	case "DeleteUserPolicy", "DeleteGroupPolicy":
		c.Policy = req.str("policyName")
	case "AttachUserPolicy", "AttachGroupPolicy":
		c.Admin = strings.HasSuffix(c.Policy, ":iam::aws:policy/AdministratorAccess")
	}
	c.aim(r, req.str("userName"))
	return c, true
}

// aim settles that the call was about where the request does not say: the
// caller, whatever name the response has. Root's own calls name "AWS ROOT USER"
// or no one. A member account's root device is named by its serial number alone
// when a session of sts:AssumeRoot removes it; an IAM user may give its own device
// such a name.
func (c *IAMChange) aim(r *Record, asked string) {
	named := c.Name == "CreateUser" || c.GroupName != "" && c.UserName == ""
	byRoot := r.UserIdentity.Type == "Root"
	bySelf := r.UserIdentity.Type == "IAMUser"
	switch {
	case named:
	case asked == rootUserName, asked == "" && (byRoot || !bySelf && rootSerial(c.SerialNumber)):
		c.Root, c.UserName, c.UserID = true, "", ""
	case c.UserName == "" && bySelf:
		c.UserName, c.UserID = r.UserIdentity.UserName, r.UserIdentity.PrincipalID
	case bySelf && c.UserName == r.UserIdentity.UserName && c.UserID == "":
		c.UserID = r.UserIdentity.PrincipalID
	}
}

// rootSerial reports whether an MFA device's serial number is of the kind that
// the root user's virtual device or security key has.
func rootSerial(serial string) bool {
	return strings.HasSuffix(serial, ":mfa/root-account-mfa-device") || strings.Contains(serial, ":u2f/root-account/")
}

// AdminPolicy reports whether an IAM policy document, plain or percent-encoded
// as IAM returns it, allows every action on every resource without a condition.
func AdminPolicy(document string) bool {
	if strings.HasPrefix(document, "%") {
		if plain, err := url.PathUnescape(document); err == nil {
			document = plain
		}
	}
	var policy struct {
		Statement oneOrMany[statement]
	}
	if json.Unmarshal([]byte(document), &policy) != nil {
		return false
	}
	return slices.ContainsFunc(policy.Statement, func(s statement) bool {
		return s.Effect == "Allow" && len(s.Condition) == 0 && slices.Contains(s.Resource, "*") &&
			(slices.Contains(s.Action, "*") || slices.Contains(s.Action, "*:*"))
	})
}

// statement is the part of an IAM policy statement that AdminPolicy reads.
type statement struct {
	Effect    string
	Action    oneOrMany[string]
	Resource  oneOrMany[string]
	Condition map[string]json.RawMessage
}

// oneOrMany is a policy element that is one value or a list (IAM User Guide,
// "Grammar of the IAM JSON policy language").
type oneOrMany[T any] []T

func (o *oneOrMany[T]) UnmarshalJSON(raw []byte) error {
	var many []T
	if json.Unmarshal(raw, &many) == nil {
		*o = many
		return nil
	}
	var one T
	if err := json.Unmarshal(raw, &one); err != nil {
		return fmt.Errorf("decoding policy element: %w", err)
	}
	*o = []T{one}
	return nil
}

// MFADeviceKind is the kind of an MFA device by its serial number, which is an
// ARN for all but hardware TOTP tokens (IAM User Guide, "AWS multi-factor
// authentication in IAM").
func MFADeviceKind(serial string) string {
	switch {
	case strings.Contains(serial, ":u2f/"):
		return "passkey/security key"
	case strings.Contains(serial, ":mfa/"):
		return "authenticator app"
	case strings.Contains(serial, ":sms-mfa/"):
		return "text message"
	case serial != "" && !strings.HasPrefix(serial, "arn:"):
		return "hardware TOTP"
	default:
		return "unknown kind of device"
	}
}
