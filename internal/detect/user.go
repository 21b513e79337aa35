package detect

import (
	"strings"

	"rootguard/internal/cloudtrail"
)

// iamCall judges calls that bear on the sign-in safety of root or of a user.
func iamCall(rec *cloudtrail.Record) Outcome {
	if rec.EventSource != cloudtrail.IAMSource {
		if rec.EventName == "CreateUser" {
			return passed("a user of %s, not an IAM user", orUnnamed(rec.EventSource))
		}
		return skipped()
	}
	if reason, ok := attachesNothing[rec.EventName]; ok {
		return passed("%s", reason)
	}
	if !cloudtrail.IsIAMChange([]byte(rec.EventName)) {
		return skipped()
	}
	c, ok := rec.IAMChange()
	switch {
	case !ok:
		return passed("the call changed nothing: %s", orUnnamed(rec.ErrorCode, rec.ErrorMessage, "the response says Failure"))
	case c.Root:
		return rootCredential(rec, c)
	default:
		return userChange(rec, c)
	}
}

// attachesNothing are calls on MFA devices that leave everybody's MFA as it was.
var attachesNothing = map[string]string{
	"CreateVirtualMFADevice": "a virtual MFA device was made, but it is nobody's until EnableMFADevice",
	"DeleteVirtualMFADevice": "a virtual MFA device was deleted, which must be deactivated before",
	"ResyncMFADevice":        "an MFA device was resynchronized and stays enabled",
}

// rootCredential judges a change of the root user's own credentials.
func rootCredential(rec *cloudtrail.Record, c cloudtrail.IAMChange) Outcome {
	var f Finding
	switch c.Name {
	case "CreateAccessKey":
		f = finding(rec, RootAccessKeyCreated)
		f.Detail = sentence("Key " + orUnnamed(c.AccessKeyID) + " never expires and has every permission")
		f.Target.Resource = c.AccessKeyID
	case "DeactivateMFADevice":
		f = finding(rec, RootMFARemoved)
		f.Detail = sentence("Device: " + cloudtrail.MFADeviceKind(c.SerialNumber) + " " + orUnnamed(c.SerialNumber))
		f.Target.Resource = c.SerialNumber
	case "EnableMFADevice":
		f = finding(rec, RootMFAAdded)
		f.Detail = sentence("Device: " + cloudtrail.MFADeviceKind(c.SerialNumber) + " " + orUnnamed(c.SerialNumber))
		f.Target.Resource = c.SerialNumber
	case "CreateLoginProfile":
		f = finding(rec, RootLoginProfileCreated)
		f.Detail = "The root user of this account can sign in with a password again."
	case "ChangePassword", "UpdateLoginProfile":
		f = finding(rec, RootPasswordChanged)
		f.Detail = "The root user's password is a new one."
	default:
		return passed("%s of the root user: nothing that weakens its sign-in", c.Name)
	}
	return matched(f)
}

// onPurpose says of root MFA removed in a session of sts:AssumeRoot that this is
// a step of removing all of root's credentials, as the management account does.
func onPurpose(f *Finding, assumed *AssumedRoot) {
	f.NextStep = stepCredentialsRemoved
	if assumed != nil && taskName(assumed.TaskPolicy) == "IAMDeleteRootUserCredentials" {
		f.Detail += " The session's task is to delete this account's root credentials."
	}
}

// userChange judges a change to an IAM user or group.
func userChange(rec *cloudtrail.Record, c cloudtrail.IAMChange) Outcome {
	var f Finding
	name := printable(orUnnamed(c.UserName))
	switch c.Name {
	case "CreateUser":
		f = finding(rec, UserCreated)
		f.Title = "IAM user created: " + name
		f.Detail = sentence("The user has no MFA yet", onBehalf(rec))
	case "CreateLoginProfile":
		f = finding(rec, UserConsoleAccess)
		f.Title = "Console password created for IAM user: " + name
		f.Detail = sentence(firstSignIn(c), bySelf(rec, c), onBehalf(rec))
	case "UpdateLoginProfile":
		// Whoever calls this knows the new password and need not know the old
		// one: it opens a user's console access to another, and the console to a
		// stolen access key. That the user must change it at the next sign-in does
		// not help when that sign-in is the caller's.
		f = finding(rec, UserConsoleAccess)
		f.Title = "Console password reset for IAM user: " + name
		f.Detail = sentence(firstSignIn(c), bySelf(rec, c), onBehalf(rec))
	case "CreateAccessKey":
		f = finding(rec, UserAccessKeyCreated)
		f.Title = "Access key created for IAM user: " + name
		f.Detail = sentence("Key "+orUnnamed(c.AccessKeyID)+" does not expire", bySelf(rec, c), onBehalf(rec))
		if bySelf(rec, c) == byAnother {
			f.Severity = High
		}
		f.Target.Resource = c.AccessKeyID
	case "AttachUserPolicy", "PutUserPolicy", "AttachGroupPolicy", "PutGroupPolicy":
		if strings.Contains(c.Policy, ":iam::aws:policy/AWSCompromisedKeyQuarantine") && c.UserName != "" {
			f = finding(rec, UserKeyLeaked)
			f.Title = "AWS found a leaked access key of IAM user: " + name
			f.Detail = sentence("AWS puts policy "+c.Policy+" on a user whose access key it found in public", onBehalf(rec))
			break
		}
		if !c.Admin {
			return passed("policy %s is not AdministratorAccess, and as far as the record shows it does not allow everything", orUnnamed(c.Policy))
		}
		f = finding(rec, UserAdminGranted)
		to := "IAM user: " + name
		if c.UserName == "" && c.GroupName != "" {
			to = "group: " + printable(c.GroupName)
			f.Target.Resource = "group " + c.GroupName
		}
		f.Title = "Administrator access granted to " + to
		f.Detail = sentence("Policy "+orUnnamed(c.Policy), onBehalf(rec))
	case "DeactivateMFADevice":
		f = finding(rec, UserMFARemoved)
		f.Title = "MFA removed from IAM user: " + name
		f.Detail = sentence("Device: "+cloudtrail.MFADeviceKind(c.SerialNumber)+" "+orUnnamed(c.SerialNumber), bySelf(rec, c))
	case "EnableMFADevice":
		f = finding(rec, UserMFAAdded)
		f.Title = "MFA added for IAM user: " + name
		f.Detail = sentence("Device: "+cloudtrail.MFADeviceKind(c.SerialNumber)+" "+orUnnamed(c.SerialNumber), bySelf(rec, c))
	default:
		return passed("%s", journeyOnly[c.Name])
	}
	f.Target.UserName, f.Target.UserID = c.UserName, c.UserID
	return matched(f)
}

// journeyOnly are the calls that an account's status rests on and that no rule
// alerts, with the reason.
var journeyOnly = map[string]string{
	"UpdateUser":          "a user was renamed or moved: still the same user",
	"DeleteUser":          "a user is gone: less to guard",
	"DeleteLoginProfile":  "a user can no longer sign in to the console: less to guard",
	"ChangePassword":      "a user changed its own password, for which it needed the old one",
	"DeleteAccessKey":     "an access key is gone: less to guard",
	"DetachUserPolicy":    "permissions were taken away",
	"DeleteUserPolicy":    "permissions were taken away",
	"CreateGroup":         "a group by itself grants nothing",
	"UpdateGroup":         "a group was renamed: still the same group",
	"DeleteGroup":         "a group is gone: it had neither users nor policies",
	"DetachGroupPolicy":   "permissions were taken away",
	"DeleteGroupPolicy":   "permissions were taken away",
	"AddUserToGroup":      "which permissions a group gives cannot be known from this record; the account's status follows it",
	"RemoveUserFromGroup": "permissions were taken away",
}

// firstSignIn says what a new password demands.
func firstSignIn(c cloudtrail.IAMChange) string {
	if c.PasswordResetRequired == cloudtrail.Yes {
		return "The user must choose a new password at the next sign-in; until then whoever set this one can use it"
	}
	return "Whoever set this password knows it, and the user need not change it"
}

// byAnother is what bySelf says of a change that another made.
const byAnother = "done by another"

// bySelf says whether the user did it itself, where that can be known.
func bySelf(rec *cloudtrail.Record, c cloudtrail.IAMChange) string {
	switch {
	case rec.UserIdentity.Type == "IAMUser" && rec.UserIdentity.UserName == c.UserName:
		return "done by the user itself"
	case c.UserName == "":
		return ""
	default:
		return byAnother
	}
}

// onBehalf names the service that made the call.
func onBehalf(rec *cloudtrail.Record) string {
	if rec.UserIdentity.InvokedBy == "" {
		return ""
	}
	return "called by " + rec.UserIdentity.InvokedBy
}

// KeyOwner is what is on record of the user of a new access key.
type KeyOwner struct {
	Made     bool // its CreateUser is on record
	Password bool
	Admin    bool
	NoMFA    bool // it has a password and is known to have no MFA
	FirstKey bool // no other key of it is on record
}

// KeyOf judges a new access key of an IAM user by what is on record of the user: a
// program's user has a key and no password.
func KeyOf(f Finding, has KeyOwner) Finding {
	byRoot := f.Actor.Type == "Root"
	switch {
	case has.NoMFA:
		f.Severity = max(f.Severity, High)
		f.Detail += " The user has a console password and no MFA."
	case has.Made && !has.Password && has.FirstKey && !has.Admin && !byRoot:
		f.Severity = Info
		f.Detail += " It is the first key of a user without a password."
	case has.Admin:
		f.Severity = max(f.Severity, High)
		f.Detail += " The user has administrator access."
	}
	return f
}
