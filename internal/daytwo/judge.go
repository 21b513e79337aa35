package daytwo

import (
	"fmt"
	"slices"
	"strings"

	"rootguard/internal/bootstrap"
	"rootguard/internal/cloudtrail"
)

// Verdict is how a step is, by one check: Done, Pending, NotApplicable or Unknown.
type Verdict struct {
	State bootstrap.State
	What  string // what shows it; of Unknown why that is not known
}

func done(what string, args ...any) Verdict {
	return Verdict{bootstrap.Done, fmt.Sprintf(what, args...)}
}

func missing(what string, args ...any) Verdict {
	return Verdict{bootstrap.Pending, fmt.Sprintf(what, args...)}
}

func notNeeded(what string, args ...any) Verdict {
	return Verdict{bootstrap.NotApplicable, fmt.Sprintf(what, args...)}
}

func unknown(why string, args ...any) Verdict {
	return Verdict{bootstrap.Unknown, fmt.Sprintf(why, args...)}
}

// Judge is how a step is. Where one of its reads got no answer, it is unknown.
func Judge(step Step, in *Input) Verdict {
	e, found := Of(step)
	if !found {
		return unknown("there is no step %s", step)
	}
	for _, r := range e.Reads {
		if why := in.Answers.Unanswered[r]; why != "" {
			return unknown("%s", why)
		}
	}
	return e.judge(in)
}

func judgeContact(in *Input) Verdict {
	switch c := in.Answers.Contact; {
	case c == nil:
		return unknown("the security contact was not read")
	case c.Set:
		return done("a security contact is set")
	default:
		return missing("no security contact is set")
	}
}

// The CIS AWS Foundations Benchmark (v3.0.0 1.8 and 1.9) and Security Hub (IAM.15,
// IAM.16) ask for these.
const (
	policyLength    = 14
	policyRemembers = 24
)

func judgePolicy(in *Input) Verdict {
	p := in.Answers.Policy
	switch {
	case p == nil:
		return unknown("the password policy was not read")
	case !hasPasswords(in.Status):
		return notNeeded("no IAM user with a console password is known")
	case !p.Set:
		return missing("the account has no password policy of its own")
	}
	what := fmt.Sprintf("minimum length %d, %d passwords remembered", p.Length, p.Remembers)
	if p.Length < policyLength || p.Remembers < policyRemembers {
		return missing("%s", what)
	}
	return done("%s", what)
}

func hasPasswords(s *bootstrap.Status) bool {
	for i := range s.Users {
		if u := &s.Users[i]; !u.Deleted && u.MFA != bootstrap.MFANotNeeded {
			return true
		}
	}
	return false
}

func judgeCertificates(in *Input) Verdict {
	switch r := in.Answers.Root; {
	case r == nil || r.Certificates == nil:
		return unknown("the account's summary did not say")
	case *r.Certificates == 0:
		return done("AccountSigningCertificatesPresent=0")
	default:
		return missing("AccountSigningCertificatesPresent=%d", *r.Certificates)
	}
}

// without is the verdict of a step about root's devices where root has no password
// or no device at all; ok is false where it has one.
func without(in *Input) (v Verdict, ok bool) {
	switch r := in.Answers.Root; {
	case r == nil:
		return unknown("root was not read"), true
	case r.Password != nil && !*r.Password:
		return notNeeded("root has no password"), true
	case r.MFA == nil:
		return unknown("the account's summary did not say whether root has MFA"), true
	case !*r.MFA:
		return missing("root has no MFA device"), true
	default:
		return Verdict{}, false
	}
}

// judgeSecondMFA counts the devices of which events give serial numbers. An
// authenticator app that IAM lists and no event named is one more.
func judgeSecondMFA(in *Input) Verdict {
	if v, ok := without(in); ok {
		return v
	}
	d := in.Status.RootDevices
	n, kinds := len(d.Serials), kindsOf(d.Serials)
	app := cloudtrail.MFADeviceKind(":mfa/")
	if v := in.Answers.Root.Virtual; v != nil && *v && !slices.Contains(kinds, app) {
		n, kinds = n+1, append(kinds, app)
	}
	switch {
	case n >= 2:
		return done("%d devices are on record: %s", n, strings.Join(kinds, ", "))
	case n == 1 && d.All:
		return missing("one device is on record: %s", kinds[0])
	case n == 1:
		return unknown("one device is on record (%s), and no API says whether there are others: only the event of EnableMFADevice by root names one", kinds[0])
	default:
		return unknown("no event named root's devices, and no API counts passkeys: only EnableMFADevice by root names one")
	}
}

func judgePhishing(in *Input) Verdict {
	if v, ok := without(in); ok {
		return v
	}
	key, app := cloudtrail.MFADeviceKind(":u2f/"), cloudtrail.MFADeviceKind(":mfa/")
	d := in.Status.RootDevices
	kinds := kindsOf(d.Serials)
	if v := in.Answers.Root.Virtual; v != nil && *v {
		return missing("root has an authenticator app")
	}
	for _, kind := range kinds {
		if kind != key && kind != app { // an app that IAM does not list is gone
			return missing("root has a device that can be phished: %s", kind)
		}
	}
	switch {
	case in.Answers.Root.Virtual == nil:
		return unknown("whether root has an authenticator app was not answered")
	case slices.Contains(kinds, key):
		return done("a passkey or security key is on record, and no authenticator app")
	default:
		return unknown("root has no authenticator app; whether its device is a passkey, a security key or a hardware TOTP token no API says: only EnableMFADevice by root names it")
	}
}

// kindsOf are the kinds of devices, one for each serial number.
func kindsOf(serials []string) []string {
	kinds := make([]string, len(serials))
	for i, serial := range serials {
		kinds[i] = cloudtrail.MFADeviceKind(serial)
	}
	return kinds
}
