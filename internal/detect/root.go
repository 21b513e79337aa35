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
		f.Detail = "Whoever reads the root mailbox can now set a new root password."
	case "PasswordRecoveryCompleted":
		f.Title = "Root password recovery completed"
		f.Detail = "The root password was set anew by way of the root mailbox."
	case "PasswordUpdated":
		f.Detail = "The root user's password is a new one."
	case "EmailUpdated":
		f.Detail = "The root user's address is a new one."
	}
	if resultOf(rec) == failure {
		f.Severity = lower(f.Severity)
		f.Title += " (failed)"
		f.Detail = ended(rec)
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
		f.Detail = ended(rec) + " The address is the old one."
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
		f.Detail = ended(rec) + " No session was opened."
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
		return passed("an AWS service acted, not the root user (invokedBy %s, eventType %s)", orUnnamed(rec.UserIdentity.InvokedBy), orUnnamed(rec.EventType))
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
		opened = sentence("Opened by "+orUnnamed(assumed.By), "task policy "+orUnnamed(taskName(assumed.TaskPolicy)), "AssumeRoot event "+orUnnamed(assumed.EventID))
	}
	f.Title = "Root session used: " + call(rec)
	f.Detail = orElse(opened, "A short-term root session that sts:AssumeRoot made.")
	if how := attempt(rec); how != "" {
		f.Title += " (" + how + ")"
		f.Detail += " " + ended(rec)
	}
	return matched(f)
}

// rootActivity judges a call of the root user itself. A read in a session is let
// pass, for the sign-in is what is reported; a session without one is found by
// SessionUnseen. A long-term key has no sign-in.
func rootActivity(rec *cloudtrail.Record) Outcome {
	f := finding(rec, RootActivity)
	switch {
	case strings.HasPrefix(rec.UserIdentity.AccessKeyID, "AKIA"):
		f.Title = "Root access key used: " + call(rec)
		f.Detail = "The call was signed with a long-term access key of the root user."
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
