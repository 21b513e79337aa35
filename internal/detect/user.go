package detect

import (
	"strings"

	"rootguard/internal/cloudtrail"
)

// The findings about IAM users and groups.
const (
	UserCreated          ID = "user.created"
	UserConsoleAccess    ID = "user.console_access"
	UserKeyLeaked        ID = "user.key.leaked"
	UserAdminGranted     ID = "user.admin_granted"
	UserMFAPending       ID = "user.mfa.pending"
	UserMFAMissing       ID = "user.mfa.missing"
	UserSigninNoMFA      ID = "user.signin.no_mfa"
	UserMFARemoved       ID = "user.mfa.removed"
	UserMFAAdded         ID = "user.mfa.added"
	UserAccessKeyNoMFA   ID = "user.access_key.no_mfa"
	UserAccessKeyCreated ID = "user.access_key.created"
	UserSigninFailed     ID = "user.signin.failed"
	UserQuarantined      ID = "user.quarantined"
	UserReleased         ID = "user.released"
)

// userFindings are their rows. Of two on one call, what says more comes first.
var userFindings = []Entry{
	{
		ID: UserCreated, Severity: Info, Title: "IAM user created",
		Meaning: "An IAM user exists that did not before; it has no MFA yet.",
		CIS:     []string{"1.10"}, ATTACK: []string{"T1136.003"},
		NextStep: "Check that this user was asked for, and that it enables MFA before the deadline if it gets a password.",
		Repeats:  Each, Rules: []string{"user-change"},
		userChanges: []string{"CreateUser"}, change: userCreated,
	},
	{
		ID: UserConsoleAccess, Severity: Medium, Title: "Console password set for an IAM user",
		Meaning: "An IAM user can sign in to the console with a password that someone else set.",
		CIS:     []string{"1.10"}, ATTACK: []string{"T1098.001"},
		NextStep: "Check that this password was asked for, and that the user enables MFA before the deadline.",
		Repeats:  Each, Rules: []string{"user-change"},
		userChanges: []string{"CreateLoginProfile", "UpdateLoginProfile"}, change: consoleAccess,
	},
	{
		ID: UserKeyLeaked, Severity: Critical, Title: "AWS found a leaked access key",
		Meaning: "AWS put its quarantine policy for leaked keys on an IAM user.",
		CIS:     []string{"1.13", "1.14"}, ATTACK: []string{"T1552.001", "T1078.004"},
		NextStep: "Make the user's access keys inactive now, check for calls made with them, and answer the case that AWS Support " +
			"opened. AWS's policy stops only some calls.",
		Repeats: Each, Rules: []string{"user-change"},
		userChanges: []string{"AttachUserPolicy", "PutUserPolicy"}, change: keyLeaked,
	},
	{
		ID: UserAdminGranted, Severity: Medium, Title: "Administrator access granted",
		Meaning: "An IAM user or group may now do everything.",
		CIS:     []string{"1.10"}, ATTACK: []string{"T1098.003"},
		NextStep: "Check that this user or group is meant to have every permission; if not, detach the policy.",
		Repeats:  Each, Rules: []string{"user-change"},
		userChanges: []string{"AttachUserPolicy", "PutUserPolicy", "AttachGroupPolicy", "PutGroupPolicy"}, change: userAdmin,
	},
	{
		ID: UserMFAPending, Severity: Medium, Title: "IAM user has no MFA yet",
		Meaning: "The first check of an account found an IAM user with a console password and no MFA; the grace time begins.",
		CIS:     []string{"1.10"}, ATTACK: []string{"T1078.004"},
		NextStep: "Have the user enable MFA before the deadline.",
		Repeats:  Each,
	},
	{
		ID: UserMFAMissing, Severity: High, Title: "IAM user still without MFA",
		Meaning: "An IAM user has a console password and no MFA, and the grace time is over.",
		CIS:     []string{"1.10"}, ATTACK: []string{"T1078.004"},
		NextStep: "Have the user enable MFA today, or delete the console password: aws iam delete-login-profile --user-name NAME.",
		Repeats:  Each,
	},
	{
		ID: UserSigninNoMFA, Severity: High, Title: "IAM user sign-in WITHOUT MFA",
		Meaning: "An IAM user signed in to the console with the password alone.",
		CIS:     []string{"1.10", "4.2"}, ATTACK: []string{"T1078.004"},
		NextStep: "Ask the user whether it was them, and have them enable MFA before they sign in again.",
		Repeats:  Each, Rules: []string{"user-sign-in"},
	},
	{
		ID: UserMFARemoved, Severity: High, Title: "IAM user's MFA removed",
		Meaning: "An MFA device of an IAM user was deactivated.",
		CIS:     []string{"1.10"}, ATTACK: []string{"T1556.006"},
		NextStep: "Check with the user that they asked for it, and that a new device follows within minutes.",
		Repeats:  Each, Rules: []string{"user-change"},
		userChanges: []string{"DeactivateMFADevice"}, change: userDevice,
	},
	{
		ID: UserMFAAdded, Severity: Info, Title: "IAM user's MFA added",
		Meaning: "An MFA device was enabled for an IAM user.",
		CIS:     []string{"1.10"}, ATTACK: []string{"T1098.005"},
		NextStep: "Nothing to do if the user did this; if another did, check whose device it is.",
		Repeats:  Each, Rules: []string{"user-change"},
		userChanges: []string{"EnableMFADevice"}, change: userDevice,
	},
	{
		ID: UserAccessKeyNoMFA, Severity: High, Title: "Access key created by an IAM user WITHOUT MFA",
		Meaning: "An IAM user that signed in by its password alone created a long-term access key, for itself or for another user.",
		CIS:     []string{"1.10", "1.13"}, ATTACK: []string{"T1098.001", "T1078.004"},
		NextStep: "Ask the user whether this was them; if not, make the key inactive, reset the password and check for calls made with both. " +
			"If it was, have the user enable MFA.",
		Repeats: Each, Rules: []string{"user-change"},
		userChanges: []string{"CreateAccessKey"}, change: keyWithoutMFA,
	},
	{
		ID: UserAccessKeyCreated, Severity: Medium, Title: "Access key created for an IAM user",
		Meaning: "An IAM user has a new long-term access key. High where another user made it or the user has no MFA; info for the " +
			"first key of a user without a password.",
		CIS: []string{"1.11", "1.13", "4.4"}, ATTACK: []string{"T1098.001"},
		NextStep: "Check that the user asked for this key; if not, make it inactive and check for calls made with it.",
		Repeats:  RollUp, Rules: []string{"user-change"},
		userChanges: []string{"CreateAccessKey"}, change: userKeyCreated,
	},
	{
		ID: UserSigninFailed, Severity: Medium, Title: "IAM user sign-ins fail in a row",
		Meaning: "Five sign-ins of IAM users, of one user or from one address, failed within 15 minutes.",
		CIS:     []string{"1.10", "4.6"}, ATTACK: []string{"T1110.001", "T1110.003"},
		NextStep: "Ask the users whether they mistyped; if not, check that they have MFA, and whether one of them signed in after " +
			"this.",
		Repeats: RollUp, Counted: true, Rules: []string{"user-sign-in"},
	},
	{
		ID: UserQuarantined, Severity: High, Title: "IAM user without MFA quarantined",
		Meaning: "An IAM user past the last reminder may now do nothing but enable MFA, or soon will; only where quarantine is " +
			"switched on.",
		CIS: []string{"1.10"}, ATTACK: []string{"T1078.004"},
		NextStep: "Have the user sign in and enable MFA, which ends it; in an emergency: rootguard release NAME --account ID " +
			"--reason TEXT.",
		Repeats: Each,
	},
	{
		ID: UserReleased, Severity: Info, Title: "IAM user released from quarantine",
		Meaning: "An IAM user's quarantine is over: it has MFA, or an operator released it.",
		CIS:     []string{"1.10"},
		NextStep: "Nothing to do if the user has MFA; if it was released, make sure that it enables MFA before the release runs " +
			"out.",
		Repeats: Each,
	},
}

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
		return passed("%s", changedNothing(rec))
	case c.Root:
		return rootChange(rec, c)
	default:
		return userChange(rec, c)
	}
}

// attachesNothing are calls on MFA devices that leave everybody's MFA as it was.
var attachesNothing = map[string]string{
	"CreateVirtualMFADevice": "a virtual MFA device was made, but it is no user's until EnableMFADevice",
	"DeleteVirtualMFADevice": "a virtual MFA device was deleted, which must be deactivated before",
	"ResyncMFADevice":        "an MFA device was resynchronized and stays enabled",
}

// userChange judges a change to an IAM user or group.
func userChange(rec *cloudtrail.Record, c cloudtrail.IAMChange) Outcome {
	rows := userRules[c.Name]
	if rows == nil {
		return passed("%s", journeyOnly[c.Name])
	}
	return judged(rec, rows, func(row *Entry, f *Finding) string {
		pass := row.change(rec, c, f)
		f.Target.UserName, f.Target.UserID = c.UserName, c.UserID
		return pass
	})
}

func userCreated(rec *cloudtrail.Record, c cloudtrail.IAMChange, f *Finding) string {
	f.Title = "IAM user created: " + printable(orUnnamed(c.UserName))
	f.Detail = sentence("A password or an access key for it is an alert of its own", onBehalf(rec))
	return ""
}

// consoleAccess judges a password that is set for a user. The caller of
// UpdateLoginProfile knows the new password and need not know the old one: it opens
// a user's console access to another, and the console to a stolen access key. That
// the user must change it at the next sign-in does not help when that sign-in is
// the caller's.
func consoleAccess(rec *cloudtrail.Record, c cloudtrail.IAMChange, f *Finding) string {
	how := "created"
	if c.Name == "UpdateLoginProfile" {
		how = "reset"
	}
	f.Title = "Console password " + how + " for IAM user: " + printable(orUnnamed(c.UserName))
	f.Detail = sentence(firstSignIn(c), bySelf(rec, c), onBehalf(rec))
	return ""
}

func userKeyCreated(rec *cloudtrail.Record, c cloudtrail.IAMChange, f *Finding) string {
	f.Title = "Access key created for IAM user: " + printable(orUnnamed(c.UserName))
	f.Detail = sentence("Key "+orUnnamed(c.AccessKeyID)+" does not expire", bySelf(rec, c), onBehalf(rec))
	if bySelf(rec, c) == byAnother {
		f.Severity = High
	}
	f.Target.Resource = c.AccessKeyID
	return ""
}

// keyWithoutMFA judges the session that a key is made in. One of an IAM user that
// says it has no MFA is of the console: IAM refuses temporary credentials of
// GetSessionToken without MFA (AWS STS API Reference, GetSessionToken), and a call
// with a long-term key names no session, such as that of a program which replaces
// its own key.
func keyWithoutMFA(rec *cloudtrail.Record, c cloudtrail.IAMChange, f *Finding) string {
	if rec.UserIdentity.Type != "IAMUser" || rec.UserIdentity.Session.MFAAuthenticated != cloudtrail.No {
		return "not made in a console session of an IAM user without MFA"
	}
	if pass := userKeyCreated(rec, c, f); pass != "" {
		return pass
	}
	f.Title = "Access key created WITHOUT MFA for IAM user: " + printable(orUnnamed(c.UserName))
	f.Detail += " It outlives the session, which needed the password alone."
	return ""
}

func keyLeaked(rec *cloudtrail.Record, c cloudtrail.IAMChange, f *Finding) string {
	if !strings.Contains(c.Policy, ":iam::aws:policy/AWSCompromisedKeyQuarantine") || c.UserName == "" {
		return "not the policy that AWS puts on a user whose access key leaked"
	}
	f.Title = "AWS found a leaked access key of IAM user: " + printable(c.UserName)
	f.Detail = sentence("AWS puts policy "+c.Policy+" on a user whose access key it found in public", onBehalf(rec))
	return ""
}

func userAdmin(rec *cloudtrail.Record, c cloudtrail.IAMChange, f *Finding) string {
	if !c.Admin {
		return notAdmin(c.Policy)
	}
	to := "IAM user: " + printable(orUnnamed(c.UserName))
	if c.UserName == "" && c.GroupName != "" {
		to = "group: " + printable(c.GroupName)
		f.Target.Resource = "group " + c.GroupName
	}
	f.Title = "Administrator access granted to " + to
	f.Detail = sentence("Policy "+orUnnamed(c.Policy), onBehalf(rec))
	return ""
}

// notAdmin is why a policy is not flagged.
func notAdmin(policy string) string {
	return "policy " + orUnnamed(policy) + " is not AdministratorAccess, and as far as the record shows it does not allow everything"
}

func userDevice(rec *cloudtrail.Record, c cloudtrail.IAMChange, f *Finding) string {
	how := "MFA added for IAM user: "
	if c.Name == "DeactivateMFADevice" {
		how = "MFA removed from IAM user: "
	}
	f.Title = how + printable(orUnnamed(c.UserName))
	f.Detail = sentence("Device: "+cloudtrail.MFADeviceKind(c.SerialNumber)+" "+orUnnamed(c.SerialNumber), bySelf(rec, c))
	return ""
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
		return "The user must choose a new password at the next sign-in; until then the one who set this password can use it"
	}
	return "The one who set this password knows it, and the user need not change it"
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
