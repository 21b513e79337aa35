package cloudtrail

import (
	"encoding/json"
	"net/url"
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
		c.Admin = AdminPolicy(req.str("policyDocument"))
	case "DeleteUserPolicy", "DeleteGroupPolicy":
		c.Policy = req.str("policyName")
	case "AttachUserPolicy", "AttachGroupPolicy":
		c.Admin = strings.HasSuffix(c.Policy, ":iam::aws:policy/AdministratorAccess")
	}
	c.aim(r)
	return c, true
}

// aim settles whom the call was about where the request does not say: the
// caller. Root's own calls name "AWS ROOT USER" or nobody.
func (c *IAMChange) aim(r *Record) {
	group := c.GroupName != "" && c.UserName == ""
	switch {
	case group:
	case c.UserName == rootUserName,
		c.UserName == "" && r.UserIdentity.Type == "Root",
		strings.HasSuffix(c.SerialNumber, ":mfa/root-account-mfa-device"):
		c.Root, c.UserName, c.UserID = true, "", ""
	case c.UserName == "" && r.UserIdentity.Type == "IAMUser":
		c.UserName, c.UserID = r.UserIdentity.UserName, r.UserIdentity.PrincipalID
	case r.UserIdentity.Type == "IAMUser" && c.UserName == r.UserIdentity.UserName && c.UserID == "":
		c.UserID = r.UserIdentity.PrincipalID
	}
}

// AdminPolicy reports whether an IAM policy document, plain or URL-encoded as
// IAM returns it, allows every action on every resource without a condition.
func AdminPolicy(document string) bool {
	if strings.HasPrefix(document, "%7B") {
		if plain, err := url.QueryUnescape(document); err == nil {
			document = plain
		}
	}
	var policy struct {
		Statement json.RawMessage
	}
	if json.Unmarshal([]byte(document), &policy) != nil {
		return false
	}
	type statement struct {
		Effect    string
		Action    json.RawMessage
		Resource  json.RawMessage
		Condition json.RawMessage
	}
	var statements []statement
	if json.Unmarshal(policy.Statement, &statements) != nil {
		var one statement
		if json.Unmarshal(policy.Statement, &one) != nil {
			return false
		}
		statements = []statement{one}
	}
	for _, s := range statements {
		if s.Effect == "Allow" && len(s.Condition) == 0 && hasWildcard(s.Action, "*", "*:*") && hasWildcard(s.Resource, "*") {
			return true
		}
	}
	return false
}

// hasWildcard reports whether a policy element, one string or a list, has one of the wanted.
func hasWildcard(element json.RawMessage, wanted ...string) bool {
	var list []string
	if json.Unmarshal(element, &list) != nil {
		var one string
		if json.Unmarshal(element, &one) != nil {
			return false
		}
		list = []string{one}
	}
	for _, have := range list {
		for _, want := range wanted {
			if have == want {
				return true
			}
		}
	}
	return false
}
