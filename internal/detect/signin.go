package detect

import (
	"strings"

	"rootguard/internal/cloudtrail"
)

// consoleLogin is the eventName of a sign-in to the console.
const consoleLogin = "ConsoleLogin"

// result is how an attempt ended.
type result uint8

const (
	unsaid result = iota // the record does not say, or contradicts itself
	success
	failure
)

// resultOf reads how a sign-in, or another act of the sign-in service, ended:
// from the response elements (of a service event: its details) and the error
// together.
func resultOf(rec *cloudtrail.Record) result {
	said := paramsOf(rec.ResponseElements).str(rec.EventName)
	if said == "" {
		said = paramsOf(rec.ServiceEventDetails).str(rec.EventName)
	}
	broken := rec.ErrorMessage != "" || rec.ErrorCode != ""
	switch {
	case strings.EqualFold(said, "Failure"):
		return failure
	case strings.EqualFold(said, "Success"):
		if broken {
			return unsaid
		}
		return success
	case broken:
		return failure
	default:
		return unsaid
	}
}

// signIn judges sign-ins to the console. The eventType makes a sign-in of a
// record whose eventSource was lost or masked.
func signIn(rec *cloudtrail.Record, use cloudtrail.RootUse) Outcome {
	if rec.EventName != consoleLogin || rec.EventSource != cloudtrail.SigninSource && rec.EventType != "AwsConsoleSignIn" {
		return skipped()
	}
	switch {
	case use == cloudtrail.RootSession:
		return skipped() // root.session tells of it
	case isRoot(&rec.UserIdentity):
		return matched(rootSignIn(rec))
	case rec.UserIdentity.Type == "IAMUser":
		return userSignIn(rec)
	default:
		return passed("a sign-in of type %s: its MFA is the identity provider's, and MFAUsed says nothing of it", orUnnamed(rec.UserIdentity.Type))
	}
}

// isRoot reports whether an identity is the root user, by its ARN where its type was lost.
func isRoot(ui *cloudtrail.UserIdentity) bool {
	return ui.Type == "Root" || ui.Type == "" && strings.HasSuffix(ui.ARN, ":root")
}

// rootSignIn tells of every sign-in of root. One whose outcome is not on record
// is told of as the worse case, a success, in words that say so: it must not be
// lost because a field was.
func rootSignIn(rec *cloudtrail.Record) Finding {
	used := rec.MFAUsed()
	switch resultOf(rec) {
	case failure:
		f := finding(rec, RootSigninFailed)
		f.MFA = cloudtrail.Unknown // MFAUsed of a failure says only how far the attempt came
		f.Detail = sentence(orUnnamed(rec.ErrorMessage, "The sign-in failed"))
		return f
	case unsaid:
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
		f.Detail = "MFA was used."
		if device := paramsOf(rec.AdditionalEventData).str("MFAIdentifier"); device != "" {
			f.Detail = "MFA was used: " + sentence(cloudtrail.MFADeviceKind(device)+" "+device)
		}
	default:
		f.Title = "Root sign-in, MFA not on record"
		f.Detail = "The record does not say whether MFA was used."
	}
	f.MFA = used
	return f
}

// userSignIn judges a sign-in of an IAM user.
func userSignIn(rec *cloudtrail.Record) Outcome {
	switch resultOf(rec) {
	case failure:
		return passed("the sign-in of an IAM user failed; of failed sign-ins, root's alone are told of")
	case unsaid:
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
	f := finding(rec, UserSigninNoMFA)
	f.Title += ": " + printable(f.Actor.Name)
	f.Detail = "The password alone was enough."
	f.MFA = cloudtrail.No
	f.Target = Target{UserName: rec.UserIdentity.UserName, UserID: rec.UserIdentity.PrincipalID}
	return matched(f)
}
