package detect

import (
	"strings"

	"rootguard/internal/cloudtrail"
)

const (
	accountSource     = "account.amazonaws.com" // of AWS Account Management
	startEmailUpdate  = "StartPrimaryEmailUpdate"
	acceptEmailUpdate = "AcceptPrimaryEmailUpdate"

	stsSource = "sts.amazonaws.com"
)

// The findings about the root user.
const (
	RootSigninNoMFA         ID = "root.signin.no_mfa"
	RootSignin              ID = "root.signin"
	RootSigninFailed        ID = "root.signin.failed"
	RootActivity            ID = "root.activity"
	RootSession             ID = "root.session"
	RootAccessKeyCreated    ID = "root.access_key.created"
	RootPasswordRecovery    ID = "root.password.recovery"
	RootPasswordChanged     ID = "root.password.changed"
	RootEmailChanged        ID = "root.email.changed"
	RootMFARemoved          ID = "root.mfa.removed"
	RootMFAAdded            ID = "root.mfa.added"
	RootMFAMissing          ID = "root.mfa.missing"
	RootAccessKeyPresent    ID = "root.access_key.present"
	RootLoginProfileCreated ID = "root.login_profile.created"
	RootUseUnseen           ID = "root.use.unseen"
	RootCertificateUploaded ID = "root.certificate.uploaded"
	RootSessionUnseen       ID = "root.session.unseen"
	RootSigninSpraying      ID = "root.signin.spraying"
)

// rootFindings are their rows.
var rootFindings = []Entry{
	{
		ID: RootSigninNoMFA, Severity: Critical, Title: "Root sign-in WITHOUT MFA",
		Meaning: "The root user signed in to the console with the password alone.",
		CIS:     []string{"1.5", "1.7", "4.3"}, ATTACK: []string{"T1078.004"},
		NextStep: "If this was not you, reset the root password, end its sessions and call AWS Support; if it was, enable MFA for " +
			"root now.",
		Repeats: Each, Rules: []string{"root-sign-in"},
	},
	{
		ID: RootSignin, Severity: Critical, Title: "Root sign-in",
		Meaning: "The root user signed in to the console, with MFA or without saying so.",
		CIS:     []string{"1.7", "4.3"}, ATTACK: []string{"T1078.004"},
		NextStep: "Ask the holder of the root credentials whether this was them and why; if not, reset the root password and call " +
			"AWS Support.",
		Repeats: Each, Rules: []string{"root-sign-in", "root-issued"},
	},
	{
		ID: RootSigninFailed, Severity: Medium, Title: "Root sign-in failed",
		Meaning: "Someone tried to sign in as root and did not get in.",
		CIS:     []string{"1.7", "4.3"}, ATTACK: []string{"T1110"},
		NextStep: "Ask the holder of the root credentials whether they mistyped; if not, check that root has MFA and a long, unique " +
			"password.",
		Repeats: RollUp, Rules: []string{"root-sign-in"},
	},
	{
		ID: RootActivity, Severity: High, Title: "Root activity",
		Meaning: "The root user made a call: a write, aws login, or anything with a root access key.",
		CIS:     []string{"1.7", "4.3"}, ATTACK: []string{"T1078.004"},
		NextStep: "Find out who used root and for what, undo what was not meant, and do the task with an IAM role next time.",
		Repeats:  RollUp, Rules: []string{"root-activity", "root-reads", "root-issued"},
	},
	{
		ID: RootSession, Severity: Medium, Title: "Root session by sts:AssumeRoot",
		Meaning: "The management account took a short-term root session in a member account, or used one.",
		CIS:     []string{"1.7", "4.3"}, ATTACK: []string{"T1078.004", "T1548.005"},
		NextStep: "Check that the caller in the management account had a ticket for this task policy and this member account.",
		Repeats:  RollUp, Rules: []string{"assume-root", "root-activity"},
	},
	{
		ID: RootAccessKeyCreated, Severity: Critical, Title: "Root access key created",
		Meaning: "A long-term access key of the root user now exists.",
		CIS:     []string{"1.4", "1.7", "4.3"}, ATTACK: []string{"T1098.001"},
		NextStep: "Delete the key now: sign in as root, Security credentials, Access keys; then check for calls made with it.",
		Repeats:  Each, Rules: []string{"root-activity"},
		rootChanges: []string{"CreateAccessKey"}, change: rootKeyCreated,
	},
	{
		ID: RootPasswordRecovery, Severity: Critical, Title: "Root password recovery",
		Meaning: "Someone asked to recover the root password, or recovered it.",
		CIS:     []string{"1.7", "4.3"}, ATTACK: []string{"T1078.004", "T1098"},
		NextStep: "If no one on your side asked for it, secure the root mailbox first, then reset the root password yourself.",
		Repeats:  Each, Rules: []string{"root-recovery", "root-activity"},
	},
	{
		ID: RootPasswordChanged, Severity: High, Title: "Root password changed",
		Meaning: "The password of the root user was changed.",
		CIS:     []string{"1.7", "4.3"}, ATTACK: []string{"T1098"},
		NextStep: "Ask the holder of the root credentials whether they changed it; if not, recover the password through the root " +
			"mailbox at once.",
		Repeats: Each, Rules: []string{"root-recovery", "root-activity"},
		rootChanges: []string{"ChangePassword", "UpdateLoginProfile"}, change: rootPasswordChanged,
	},
	{
		ID: RootEmailChanged, Severity: Critical, Title: "Root email address changed",
		Meaning: "The address that recovers the root password was changed, or a change was started.",
		CIS:     []string{"1.7", "4.3"}, ATTACK: []string{"T1098", "T1531"},
		NextStep: "If no one on your side did this, call AWS Support now: the owner of the new address can take over the account.",
		Repeats:  Each, Rules: []string{"root-recovery", "root-activity"},
	},
	{
		ID: RootMFARemoved, Severity: Critical, Title: "Root MFA removed",
		Meaning: "An MFA device of the root user was deactivated.",
		CIS:     []string{"1.5", "1.6", "4.3"}, ATTACK: []string{"T1556.006"},
		NextStep: "Enable MFA for root again now, and find out who removed it; a replaced device is followed by a new one within " +
			"minutes.",
		Repeats: Each, Rules: []string{"root-activity"},
		rootChanges: []string{"DeactivateMFADevice"}, change: rootDevice,
	},
	{
		ID: RootMFAAdded, Severity: Info, Title: "Root MFA added",
		Meaning: "An MFA device was enabled for the root user.",
		CIS:     []string{"1.5", "1.6", "4.3"}, ATTACK: []string{"T1098.005"},
		NextStep: "Check that the right person holds the new device.",
		Repeats:  Each, Rules: []string{"root-activity"},
		rootChanges: []string{"EnableMFADevice"}, change: rootDevice,
	},
	{
		ID: RootMFAMissing, Severity: Critical, Title: "Root has no MFA",
		Meaning: "A live check found an account whose root user has a password and no MFA, and there is no record that it ever had " +
			"any.",
		CIS: []string{"1.5", "4.3"}, ATTACK: []string{"T1078.004"},
		NextStep: "Sign in as root and enable MFA today, or have the management account remove the root credentials of this member " +
			"account.",
		Repeats: Each,
	},
	{
		ID: RootAccessKeyPresent, Severity: Critical, Title: "Root has an access key",
		Meaning: "A live check found a long-term access key of the root user, and there is no record of when it was created.",
		CIS:     []string{"1.4", "4.3"}, ATTACK: []string{"T1078.004"},
		NextStep: "Find out what still uses the key (its last use is under Security credentials of root), move that to a role, and " +
			"delete the key.",
		Repeats: Each,
	},
	{
		ID: RootLoginProfileCreated, Severity: High, Title: "Root password created",
		Meaning: "A member account's root user, which had none, was given a password.",
		CIS:     []string{"1.7", "4.3"}, ATTACK: []string{"T1098.001"},
		NextStep: "Check that the management account meant to restore this root password, and delete it again when the task is " +
			"done.",
		Repeats: Each, Rules: []string{"root-activity"},
		rootChanges: []string{"CreateLoginProfile"}, change: rootPasswordCreated,
	},
	{
		ID: RootUseUnseen, Severity: Critical, Title: "Root used, and no event arrived",
		Meaning: "The IAM credential report shows a use of root's password or access key that no event reported to rootguard.",
		CIS:     []string{"1.7", "4.3"}, ATTACK: []string{"T1078.004", "T1562.008"},
		NextStep: "Ask the holder of the root credentials whether this was them; if not, reset the password, delete the keys and " +
			"call AWS Support. Then find out why no event arrived: rootguard doctor.",
		Repeats: Each,
	},
	{
		ID: RootCertificateUploaded, Severity: High, Title: "Root signing certificate uploaded",
		Meaning: "A certificate that signs requests as the root user was added; it does not expire with a session.",
		CIS:     []string{"1.7", "4.3"}, ATTACK: []string{"T1098.001"},
		NextStep: "Delete the certificate: sign in as root, Security credentials, X.509 signing certificates; then check for calls " +
			"signed with it.",
		Repeats: Each, Rules: []string{"root-activity"},
		calls: calls{cloudtrail.IAMSource: {"UploadSigningCertificate"}}, judge: signingCertificate,
	},
	{
		ID: RootSessionUnseen, Severity: High, Title: "Root session without a sign-in on record",
		Meaning: "The root user makes calls in a session, and neither its sign-in nor what issued its credentials is on record.",
		CIS:     []string{"1.7", "4.3"}, ATTACK: []string{"T1078.004", "T1550.001"},
		NextStep: "Ask the holder of the root credentials whether this was them; if not, reset the root password, delete its keys " +
			"and call AWS Support. Then find out why the sign-in did not arrive: rootguard doctor.",
		Repeats: RollUp, Rules: []string{"root-reads"},
	},
	{
		ID: RootSigninSpraying, Severity: High, Title: "Root sign-ins fail in several accounts",
		Meaning: "Sign-ins as root failed in three accounts or more, from one address, within an hour.",
		CIS:     []string{"1.7", "4.6"}, ATTACK: []string{"T1110.003"},
		NextStep: "Check that root has MFA and a password of its own in each of these accounts, and whether the address is one of " +
			"yours.",
		Repeats: Each, Counted: true, Rules: []string{"root-sign-in"},
	},
}

// rootSecret judges what the sign-in service records of the root user's password
// and address. Such records may come as service events and with hardly any
// identity: the eventType does not matter here.
func rootSecret(rec *cloudtrail.Record) Outcome {
	id, ok := rootSecrets[rec.EventName]
	if !ok || rec.EventSource != cloudtrail.SigninSource {
		return skipped()
	}
	switch rec.UserIdentity.Type {
	case "IAMUser", "AssumedRole", "FederatedUser", "SAMLUser", "WebIdentityUser", "IdentityCenterUser":
		return passed("the password or address of a principal of type %s, not of root", rec.UserIdentity.Type)
	}
	f := finding(rec, id)
	switch rec.EventName {
	case "PasswordRecoveryRequested":
		f.Title = "Root password recovery requested"
		f.Detail = "The reader of the root mailbox can now set a new root password."
	case "PasswordRecoveryCompleted":
		f.Title = "Root password recovery completed"
		f.Detail = "The root password was changed through the root mailbox."
	case "PasswordUpdated":
		f.Detail = "The root user's password is a new one."
	case "EmailUpdated":
		f.Detail = "The root user's address is a new one."
	}
	if rec.SigninResult() == cloudtrail.Failure {
		f.Severity = lower(f.Severity)
		f.Title += " (failed)"
		f.Detail, f.NextStep = ended(rec), stepAttempt
	}
	return matched(f)
}

// rootSecrets are the sign-in service's records of changes to the root user.
var rootSecrets = map[string]ID{
	"PasswordRecoveryRequested": RootPasswordRecovery,
	"PasswordRecoveryCompleted": RootPasswordRecovery,
	"PasswordUpdated":           RootPasswordChanged,
	"EmailUpdated":              RootEmailChanged,
}

// rootChange judges a change of the root user's own credentials.
func rootChange(rec *cloudtrail.Record, c cloudtrail.IAMChange) Outcome {
	rows := rootRules[c.Name]
	if rows == nil {
		return passed("%s of the root user: nothing that weakens its sign-in", c.Name)
	}
	return judged(rec, rows, func(row *Entry, f *Finding) string { return row.change(rec, c, f) })
}

func rootKeyCreated(_ *cloudtrail.Record, c cloudtrail.IAMChange, f *Finding) string {
	f.Detail = sentence("Key " + orUnnamed(c.AccessKeyID) + " never expires and has every permission")
	f.Target.Resource = c.AccessKeyID
	return ""
}

func rootDevice(_ *cloudtrail.Record, c cloudtrail.IAMChange, f *Finding) string {
	f.Detail = sentence("Device: " + cloudtrail.MFADeviceKind(c.SerialNumber) + " " + orUnnamed(c.SerialNumber))
	f.Target.Resource = c.SerialNumber
	return ""
}

func rootPasswordCreated(_ *cloudtrail.Record, _ cloudtrail.IAMChange, f *Finding) string {
	f.Detail = "The root user of this account can sign in with a password again."
	return ""
}

func rootPasswordChanged(_ *cloudtrail.Record, _ cloudtrail.IAMChange, f *Finding) string {
	f.Detail = "The root user's password is a new one."
	return ""
}

// onPurpose says of root MFA removed in a session of sts:AssumeRoot that this is
// a step of removing all of root's credentials, as the management account does.
func onPurpose(f *Finding, assumed *AssumedRoot) {
	f.NextStep = stepCredentialsRemoved
	if assumed != nil && taskName(assumed.TaskPolicy) == "IAMDeleteRootUserCredentials" {
		f.Detail += " The session's task is to delete this account's root credentials."
	}
}

// lower is one severity less.
func lower(s Severity) Severity { return max(s, Low) - 1 }

// primaryEmail judges the two calls that change a root user's address (AWS
// Account Management Reference Guide, StartPrimaryEmailUpdate and
// AcceptPrimaryEmailUpdate). The management account makes them for a member.
func primaryEmail(rec *cloudtrail.Record) Outcome {
	accepted := rec.EventName == acceptEmailUpdate
	if rec.EventSource != accountSource || !accepted && rec.EventName != startEmailUpdate {
		return skipped()
	}
	f := finding(rec, RootEmailChanged)
	f.Detail = "The address that recovers the root password is a new one."
	how := attempt(rec)
	if !accepted {
		f.Severity, f.Title = High, "Root email address change started"
		f.Detail = "The new address gets a code, and the change is made once the code is entered."
	}
	if how != "" {
		f.Severity = High
		f.Title += " (" + how + ")"
		f.Detail, f.NextStep = ended(rec)+" The address is the old one.", stepAttempt
	}
	if member := rec.Request("accountId"); member != "" {
		f.Target.Resource = "account " + member
	}
	return matched(f)
}

// assumeRoot judges sts:AssumeRoot, called in the management account (or by a
// delegated administrator) for a member account.
func assumeRoot(rec *cloudtrail.Record) Outcome {
	if rec.EventSource != stsSource || rec.EventName != "AssumeRoot" {
		return skipped()
	}
	req := paramsOf(rec.RequestParameters)
	policy := orElse(req.str("taskPolicyArn", "arn"), req.str("taskPolicyArn"))
	member := req.str("targetPrincipal")
	f := finding(rec, RootSession)
	f.Severity = taskSeverity(policy)
	f.Title = "Root session opened by sts:AssumeRoot: " + printable(orUnnamed(taskName(policy)))
	f.Detail = sentence("Member account "+orUnnamed(member), "task policy "+orUnnamed(taskName(policy)))
	if how := attempt(rec); how != "" {
		f.Title = "Root session by sts:AssumeRoot " + how
		f.Detail, f.NextStep = ended(rec)+" No session was opened.", stepAttempt
	}
	if member != "" {
		f.Target.Resource = "account " + member
	}
	return matched(f)
}

// taskName is the name of a task policy given by ARN or name.
func taskName(policy string) string { return policy[strings.LastIndex(policy, "/")+1:] }

// taskSeverity rates a root session by what its task policy allows (IAM User
// Guide, "Perform a privileged task on an AWS Organizations member account").
func taskSeverity(policy string) Severity {
	if taskName(policy) == "IAMAuditRootUserCredentials" {
		return Low
	}
	return Medium
}

// issued says what a call of Record.IssuesCredentials hands out; aws login makes
// the first two.
var issued = map[string]string{ //nolint:gosec // names of calls
	"AuthorizeOAuth2Access":              "aws login authorized",
	"CreateOAuth2Token":                  "credentials for aws login issued",
	"CreateOAuth2TokenWithIAM":           "OAuth token issued",
	"CreateOAuth2TokenWithTokenExchange": "OAuth token issued",
	"CreateBearerToken":                  "bearer token issued",
	"GetSigninToken":                     "sign-in token issued",
	"GetSessionToken":                    "temporary credentials issued",
	"GetFederationToken":                 "federation credentials issued",
}

// rootAtWork judges by who did it alone: the root user, or a session of it.
func rootAtWork(rec *cloudtrail.Record, use cloudtrail.RootUse, assumed *AssumedRoot) Outcome {
	switch use {
	case cloudtrail.RootByService:
		return passed("an AWS service acted, not the root user (invokedBy %s, eventType %s)", orUnnamed(rec.UserIdentity.InvokedBy),
			orUnnamed(rec.EventType))
	case cloudtrail.RootStep:
		return passed("a step of signing in, not failed; the sign-in has a record of its own")
	case cloudtrail.RootSession:
		return rootSession(rec, assumed)
	case cloudtrail.RootTrue:
		return rootActivity(rec)
	default:
		return skipped()
	}
}

// rootSession judges a call made in a session of sts:AssumeRoot.
func rootSession(rec *cloudtrail.Record, assumed *AssumedRoot) Outcome {
	if !rec.Writes() {
		return passed("a read in a session of sts:AssumeRoot; it is the opening that is reported")
	}
	f := finding(rec, RootSession)
	opened := ""
	if assumed != nil {
		f.Severity = taskSeverity(assumed.TaskPolicy)
		opened = sentence("Opened by "+orUnnamed(assumed.By), "task policy "+orUnnamed(taskName(assumed.TaskPolicy)), "AssumeRoot event "+
			orUnnamed(assumed.EventID))
	}
	f.Title = "Root session used: " + call(rec)
	f.Detail = orElse(opened, "A short-term root session that sts:AssumeRoot made.")
	if how := attempt(rec); how != "" {
		f.Title += " (" + how + ")"
		f.Detail += " " + ended(rec)
		f.NextStep = stepAttempt
	}
	return matched(f)
}

// rootActivity judges a call of the root user itself. A read in a session is let
// pass, for the sign-in is what is reported; a session without one is found by
// SessionUnseen. A long-term key has no sign-in.
func rootActivity(rec *cloudtrail.Record) Outcome {
	f := finding(rec, RootActivity)
	key := false
	switch {
	case strings.HasPrefix(rec.UserIdentity.AccessKeyID, "AKIA"):
		f.Title = "Root access key used: " + call(rec)
		f.Detail = "The call was signed with a long-term access key of the root user."
		f.NextStep = strings.ReplaceAll(stepRootKey, "NAME", shellWord(rec.UserIdentity.AccessKeyID))
		key = true
	case rec.IssuesCredentials():
		f.Title = "Root activity: " + issued[rec.EventName]
		f.Detail = "These credentials have root's permissions outside the console (" + rec.EventName + ")."
	case rec.Writes():
		f.Title = "Root activity: " + call(rec)
		f.Detail = "The root user made this call itself."
	default:
		return passed("root only read; what counts is whether the sign-in of its session is on record")
	}
	if rec.UserIdentity.IssuedByRoot() {
		f.Detail += " The session is of type " + rec.UserIdentity.Type + ", and root issued it."
	}
	if how := attempt(rec); how != "" {
		f.Title += " (" + how + ")"
		f.Detail += " " + ended(rec)
		if !key {
			f.NextStep = stepRootAttempt
		}
	}
	return matched(f)
}

// orElse is a, or b where a is empty.
func orElse(a, b string) string {
	if a != "" {
		return a
	}
	return b
}
