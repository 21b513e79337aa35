package detect

import (
	"strconv"
	"strings"
	"time"
)

// Unsuppressible says why alerts of a finding cannot be suppressed, "" where they can.
// One that is critical by its nature never is, nor is what rootguard reports about
// itself, its operators and what it does to users.
func Unsuppressible(id ID) string {
	e := entry(id)
	switch {
	case !InCatalogue(id):
		return "it is no finding"
	case e.Severity >= Critical:
		return "it is critical"
	}
	switch id {
	case GuardUnhealthy, GuardDigest, RootUseAnnounced, IncidentAcknowledged, AlertsSuppressed:
		return "it reports on rootguard itself and its operators"
	case UserQuarantined, UserReleased:
		return "it reports what rootguard does to a user"
	default:
		return ""
	}
}

// AnyPrincipal is the principal of a suppression that holds for all.
const AnyPrincipal = "any"

// ByPrincipal reports whether a principal, as a suppression names it, is who a
// finding is of. It is one of:
//
//   - the ARN of an IAM user, a role, a role's session, a federated user or root. That
//     of a role holds for all its sessions;
//   - the unique ID of an IAM user or role (AIDA…, AROA…);
//   - AnyPrincipal.
//
// Paths of users and roles are no part of the ARN of a session, and are not compared
// there. A user's finding that no record shows has a name and an ID and no ARN: the
// ARN's name and account are compared (IAM User Guide, "IAM identifiers").
func ByPrincipal(f *Finding, principal string) bool {
	a := &f.Actor
	switch {
	case principal == "":
		return false
	case principal == AnyPrincipal, principal == a.ARN:
		return true
	case strings.HasPrefix(principal, "AIDA"), strings.HasPrefix(principal, "AROA"):
		id, _, _ := strings.Cut(a.PrincipalID, ":")
		return principal == id
	}
	partition, account, kind, name := principalOf(principal)
	last := name[strings.LastIndexByte(name, '/')+1:]
	switch kind {
	case "role":
		rest, ok := strings.CutPrefix(a.ARN, "arn:"+partition+":sts::"+account+":assumed-role/")
		role, session, full := strings.Cut(rest, "/")
		return a.Type == "AssumedRole" && ok && full && role == last && session != ""
	case "user":
		return a.Type == "IAMUser" && a.ARN == "" && a.Name != "" && a.Name == last && f.Account == account
	case "root":
		return a.Type == "Root" && a.ARN == "" && f.Account == account
	default:
		return false
	}
}

// principalOf are the parts of the ARN of a principal.
func principalOf(arn string) (partition, account, kind, name string) {
	part := strings.SplitN(arn, ":", 6)
	if len(part) < 6 || part[0] != "arn" || part[2] != "iam" && part[2] != "sts" {
		return "", "", "", ""
	}
	kind, name, _ = strings.Cut(part[5], "/")
	return part[1], part[4], kind, name
}

// IsPrincipal reports whether a text is a principal as ByPrincipal compares it, of an
// account unless it is AnyPrincipal or a unique ID.
func IsPrincipal(text string) bool {
	if text == AnyPrincipal {
		return true
	}
	if strings.HasPrefix(text, "AIDA") || strings.HasPrefix(text, "AROA") {
		const allowed = "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
		return len(text) >= 16 && len(text) <= 128 && strings.Trim(text, allowed) == ""
	}
	_, account, kind, name := principalOf(text)
	if _, err := strconv.ParseUint(account, 10, 64); err != nil || len(account) != 12 || len(text) > 2048 ||
		strings.ContainsAny(text, "*? \t\n") {
		return false
	}
	iam := strings.Contains(text, ":iam:")
	switch kind {
	case "root":
		return name == "" && iam
	case "user", "role":
		return name != "" && !strings.HasSuffix(name, "/") && iam
	case "assumed-role":
		role, session, ok := strings.Cut(name, "/")
		return ok && role != "" && session != "" && !iam
	case "federated-user":
		return name != "" && !iam
	default:
		return false
	}
}

// Suppressed is what a suppression of alerts is about, for the findings that report it.
type Suppressed struct {
	Account       string
	ID            string
	Finding       ID
	Principal     string
	Until         time.Time
	Owner, Reason string
}

func (s Suppressed) about() string {
	by := "by any principal"
	if s.Principal != AnyPrincipal {
		by = "by " + s.Principal
	}
	return "Suppression " + s.ID + " of alerts of " + string(s.Finding) + " " + by
}

// finding is one about a suppression. by is who ran the command, at the time that it
// is about.
func (s Suppressed) finding(by Actor, command string, at time.Time) Finding {
	return operated(AlertsSuppressed, s.Account, "suppression", s.ID, by, command, at)
}

// SuppressionCreated is the finding that alerts are suppressed from now on. by is who
// did that.
func SuppressionCreated(s Suppressed, by Actor, at time.Time) Finding {
	f := s.finding(by, "rootguard suppress add", at)
	f.Title += " by " + printable(s.Owner) + ": " + string(s.Finding)
	f.Detail = sentence(s.about()+" until "+s.Until.UTC().Format(time.RFC3339), "owner "+s.Owner, "reason: "+s.Reason) +
		" They stay on record and are counted. A critical one is sent all the same."
	return f
}

// SuppressionRemoved is the note that a suppression was removed before its time.
func SuppressionRemoved(s Suppressed, by Actor, why string, at time.Time) Finding {
	f := s.finding(by, "rootguard suppress remove", at)
	f.follows(PhaseResolved, "/closed")
	f.Severity, f.Title = Info, "Suppression removed: "+string(s.Finding)
	f.Detail = sentence(s.about()+" was to last until "+s.Until.UTC().Format(time.RFC3339), "owner "+s.Owner, "reason: "+s.Reason)
	if why != "" {
		f.Detail += " Removed because: " + sentence(why)
	}
	f.NextStep = "Nothing to do; from now on these alerts are sent."
	return f
}

// SuppressionEnded is the note that a suppression is over. uses is how many alerts it
// held back.
func SuppressionEnded(s Suppressed, uses int, at time.Time) Finding {
	f := s.finding(Actor{Type: "AWSService", Name: "rootguard"}, "", at)
	f.follows(PhaseResolved, "/ended")
	f.Severity, f.Title = Info, "Suppression ended: "+string(s.Finding)
	f.Detail = sentence(s.about()+" ended", "owner "+s.Owner, "reason: "+s.Reason) + " It held back " + alerts(uses) + "."
	f.NextStep = "Nothing to do; from now on these alerts are sent. If they are still not wanted, fix what causes them before you suppress them again."
	return f
}

func alerts(n int) string {
	switch n {
	case 0:
		return "no alert"
	case 1:
		return "1 alert"
	default:
		return strconv.Itoa(n) + " alerts"
	}
}
