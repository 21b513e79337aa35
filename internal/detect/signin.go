package detect

import (
	"strings"

	"rootguard/internal/cloudtrail"
)

const (
	consoleLogin = "ConsoleLogin" // eventName of a sign-in to the console
	checkMFA     = "CheckMfa"     // of the step after the right password, where the user has MFA
)

// signIn judges sign-ins to the console. The eventType makes a sign-in of a
// record whose eventSource was lost or masked.
func signIn(rec *cloudtrail.Record, use cloudtrail.RootUse) Outcome {
	if rec.EventName == checkMFA && rec.EventSource == cloudtrail.SigninSource && isRoot(&rec.UserIdentity) &&
		rec.SigninResult() == cloudtrail.Failure {
		return matched(passwordRight(rec))
	}
	if !rec.IsConsoleSignIn() {
		return skipped()
	}
	switch {
	case use == cloudtrail.RootSession:
		return skipped() // root.session reports it
	case isRoot(&rec.UserIdentity):
		return matched(rootSignIn(rec))
	case rec.UserIdentity.IssuedByRoot():
		return issuedSignIn(rec)
	case rec.UserIdentity.Type == "IAMUser":
		return userSignIn(rec)
	default:
		return passed("a sign-in of type %s: its MFA is the identity provider's, and MFAUsed says nothing of it",
			orUnnamed(rec.UserIdentity.Type))
	}
}

// isRoot reports whether an identity is the root user, by its ARN where its type was lost.
func isRoot(ui *cloudtrail.UserIdentity) bool {
	return ui.Type == "Root" || ui.Type == "" && strings.HasSuffix(ui.ARN, ":root")
}

// rootSignIn flags every sign-in of root. One whose outcome is not on record is
// flagged as the worse case, a success, in words that say so: it must not be lost
// because a field was.
func rootSignIn(rec *cloudtrail.Record) Finding {
	used := rec.MFAUsed()
	switch rec.SigninResult() {
	case cloudtrail.Failure:
		if used == cloudtrail.Yes {
			return passwordRight(rec)
		}
		f := finding(rec, RootSigninFailed)
		f.MFA = cloudtrail.Unknown // MFAUsed of a failure says only how far the attempt came
		f.Detail = sentence(orUnnamed(rec.ErrorMessage, "The sign-in failed"))
		return f
	case cloudtrail.ResultUnknown:
		f := finding(rec, RootSignin)
		f.Title, f.MFA = "Root sign-in, outcome not on record", cloudtrail.Unknown
		f.Detail = "The record says neither success nor failure; take it for a success until you know better."
		return f
	default:
	}
	f := finding(rec, RootSignin)
	switch used {
	case cloudtrail.No:
		f = finding(rec, RootSigninNoMFA)
		f.Detail = "The password alone was enough."
	case cloudtrail.Yes:
		f.Title = "Root sign-in with MFA"
		f.Detail = "The record does not name the MFA device."
		if device := paramsOf(rec.AdditionalEventData).str("MFAIdentifier"); device != "" {
			f.Detail = sentence("MFA device: " + cloudtrail.MFADeviceKind(device) + " " + device)
		}
	default:
		f.Title = "Root sign-in, MFA not on record"
		f.Detail = "The record does not say whether MFA was used."
	}
	f.MFA = used
	return f
}

// passwordRight is the finding of a root sign-in that failed at MFA. AWS asks for
// MFA after the password, so MFAUsed Yes and a failed CheckMfa say that the
// password was right (AWS CloudTrail User Guide, "AWS Management Console sign-in
// events").
func passwordRight(rec *cloudtrail.Record) Finding {
	f := finding(rec, RootSigninFailed)
	f.Severity, f.NextStep = High, stepPasswordKnown
	f.MFA = cloudtrail.Unknown
	f.Title = "Root sign-in failed at MFA, after the right password"
	f.Detail = sentence("The caller knows the root password and did not pass MFA", orElse(rec.ErrorMessage, rec.ErrorCode))
	return f
}

// issuedSignIn judges a sign-in with credentials that root issued. It has what
// root may do, and its MFA is that of the session that issued them, if any.
func issuedSignIn(rec *cloudtrail.Record) Outcome {
	if rec.SigninResult() == cloudtrail.Failure {
		return skipped() // an attempt of root like any other
	}
	f := finding(rec, RootSignin)
	f.Title = "Root sign-in through credentials that root issued"
	f.Detail = "A session of type " + rec.UserIdentity.Type + " signed in; root issued it, and it may do what root may do."
	return matched(f)
}

// userSignIn judges a sign-in of an IAM user.
func userSignIn(rec *cloudtrail.Record) Outcome {
	switch rec.SigninResult() {
	case cloudtrail.Failure:
		return matched(userSignInFailed(rec))
	case cloudtrail.ResultUnknown:
		return passed("the record does not say whether the IAM user's sign-in succeeded")
	default:
	}
	switch rec.MFAUsed() {
	case cloudtrail.Yes:
		return passed("the IAM user signed in with MFA")
	case cloudtrail.Unknown:
		return passed("the record does not say whether the IAM user used MFA")
	default:
	}
	if idp := paramsOf(rec.AdditionalEventData).str("SamlProviderArn"); idp != "" {
		return passed("the sign-in came through identity provider %s, whose MFA MFAUsed says nothing of", idp)
	}
	f := finding(rec, UserSigninNoMFA)
	f.Title += ": " + printable(f.Actor.Name)
	f.Detail = "The password alone was enough."
	f.MFA = cloudtrail.No
	f.Target = Target{UserName: rec.UserIdentity.UserName, UserID: rec.UserIdentity.PrincipalID}
	return matched(f)
}

// userSignInFailed is the finding of one failed sign-in of an IAM user. The guard
// counts such, and alerts where there are many.
func userSignInFailed(rec *cloudtrail.Record) Finding {
	f := finding(rec, UserSigninFailed)
	f.MFA = cloudtrail.Unknown
	f.Detail = sentence(orUnnamed(rec.ErrorMessage, "The sign-in failed"))
	if rec.MFAUsed() == cloudtrail.Yes {
		f.Severity = High
		f.Detail = sentence("The password was right and MFA was not: the caller knows the password", rec.ErrorMessage)
	}
	if name := rec.UserIdentity.UserName; name != hiddenName {
		f.Target.UserName = name
	}
	return f
}
