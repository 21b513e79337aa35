package detect

import (
	"fmt"
	"slices"
	"strings"

	"rootguard/internal/cloudtrail"
)

// AssumedRoot is what is known of an access key that sts:AssumeRoot issued.
// Records of its use in the member account may lack assumedRoot.
type AssumedRoot struct {
	TaskPolicy string // ARN or name of the task policy
	By         string // who called AssumeRoot, for people
	EventID    string // of the AssumeRoot record
}

// Detector judges records. The zero value uses defaults.
type Detector struct {
	Own Own
}

// Detect says what a record means. assumed is not nil where the record's access
// key is known to come from sts:AssumeRoot.
//
// A record makes at most one finding. The rule that says most about it gives
// the ID; where the record is root at work as well, Also says so, and Severity is
// the higher of the two unless the finding is about root's own credentials.
func (d *Detector) Detect(rec *cloudtrail.Record, assumed *AssumedRoot) Outcome {
	o := d.judge(rec, assumed)
	if words := lateness[rec.Addendum.Reason]; o.Kind == Matched && words != "" {
		o.Finding.Detail += " " + words
	}
	return o
}

// lateness says for people why a record came late or again, by the reason of its
// addendum. The record does not say when it was delivered.
var lateness = map[string]string{
	"DELIVERY_DELAY": "CloudTrail delivered this record late (DELIVERY_DELAY): count from the event's own time.",
	"SERVICE_OUTAGE": "CloudTrail delivered this record late, after an outage (SERVICE_OUTAGE): count from the event's own time.",
	"UPDATED_DATA":   "CloudTrail delivered this record again, late, with data that was missing at first (UPDATED_DATA).",
}

// judge is Detect without what the record's delivery adds.
func (d *Detector) judge(rec *cloudtrail.Record, assumed *AssumedRoot) Outcome {
	if !rec.Category.IsCall() {
		return Outcome{Kind: Skipped, Reason: "no call: an event of the category " + rec.Category.String()}
	}
	use := rec.RootUse()
	if use == cloudtrail.RootTrue && assumed != nil {
		use = cloudtrail.RootSession
	}
	// A sign-in, a new password or address is no call of root's: those come after it.
	what := signIn(rec, use)
	if what.Kind == Skipped {
		what = rootSecret(rec)
	}
	if what.Kind == Matched {
		return what
	}
	if what.Kind == Skipped {
		what = d.what(rec)
	}
	if what.Kind == Matched && what.Finding.ID == RootMFARemoved && use == cloudtrail.RootSession {
		onPurpose(&what.Finding, assumed)
	}
	who := rootAtWork(rec, use, assumed)
	switch {
	case what.Kind == Matched && who.Kind == Matched:
		return merge(what.Finding, who.Finding)
	case who.Kind == Matched, what.Kind == Skipped:
		return who
	default:
		return what
	}
}

// what is the verdict of the rules that check what was done.
func (d *Detector) what(rec *cloudtrail.Record) Outcome {
	for _, rule := range []func(*cloudtrail.Record) Outcome{primaryEmail, assumeRoot, d.Own.tampering, ruledCall, iamCall} {
		if o := rule(rec); o.Kind != Skipped {
			return o
		}
	}
	return skipped()
}

// merge adds to a finding that root was at work. A finding about root's own
// credentials keeps its severity, for that it was root goes without saying:
// root giving itself MFA is good news.
func merge(what, who Finding) Outcome {
	aboutRoot := strings.HasPrefix(string(what.ID), "root.")
	if who.ID != what.ID {
		what.Also = append(what.Also, who.ID)
		if !aboutRoot {
			what.Severity = max(what.Severity, who.Severity)
		}
		what.CIS = union(what.CIS, who.CIS)
		what.ATTACK = union(what.ATTACK, who.ATTACK)
	}
	if who.ID == RootActivity && !aboutRoot {
		what.Title += ", by ROOT"
	}
	return matched(what)
}

// union is a with what b has more, sorted.
func union(a, b []string) []string {
	both := append(slices.Clone(a), b...)
	slices.Sort(both)
	return slices.Compact(both)
}

func matched(f Finding) Outcome { return Outcome{Kind: Matched, Finding: f} }

func passed(format string, args ...any) Outcome {
	return Outcome{Kind: NotMatched, Reason: fmt.Sprintf(format, args...)}
}

func skipped() Outcome {
	return Outcome{Kind: Skipped, Reason: "no rule checks such a record"}
}

// finding is a finding of a kind with everything that a record says of who,
// where and when.
func finding(rec *cloudtrail.Record, id ID) Finding {
	f := base(id)
	f.Account, f.Region = rec.Account(), rec.AWSRegion
	f.EventTime, f.EventID = rec.EventTime, rec.EventID
	f.EventSource, f.EventName, f.ErrorCode = rec.EventSource, rec.EventName, rec.ErrorCode
	f.SourceIP, f.UserAgent = rec.SourceIPAddress, rec.UserAgent
	f.Actor = actorOf(&rec.UserIdentity)
	f.MFA = rec.UserIdentity.Session.MFAAuthenticated
	f.Session = SessionOf(rec)
	return f
}

// hiddenName is what CloudTrail writes for the name in a failed sign-in, which
// may be a password typed into the wrong field.
const hiddenName = "HIDDEN_DUE_TO_SECURITY_REASONS"

// actorOf is who made the request.
func actorOf(ui *cloudtrail.UserIdentity) Actor {
	a := Actor{Type: ui.Type, Name: ui.UserName, ARN: ui.ARN, PrincipalID: ui.PrincipalID, AccessKeyID: ui.AccessKeyID}
	switch {
	case isRoot(ui):
		a.Name = "root"
	case ui.UserName == hiddenName:
		a.Name = "(hidden)"
	case ui.UserName != "":
	case strings.Contains(ui.ARN, "/"):
		// "assumed-role/Admin/alice" is Admin/alice, "federated-user/bob" is bob.
		a.Name = ui.ARN[strings.Index(ui.ARN, "/")+1:]
	case ui.InvokedBy != "":
		a.Name = ui.InvokedBy
	default:
		a.Name = ui.PrincipalID
	}
	if a.Type == "" {
		a.Type = "Unknown"
	}
	return a
}

// call is "iam:CreateUser".
func call(rec *cloudtrail.Record) string {
	return printable(strings.TrimSuffix(rec.EventSource, ".amazonaws.com") + ":" + rec.EventName)
}

// attempt is "denied" or "failed" for a call that changed nothing, else "".
func attempt(rec *cloudtrail.Record) string {
	switch {
	case !rec.Failed():
		return ""
	case strings.Contains(rec.ErrorCode, "Denied"), strings.Contains(rec.ErrorCode, "Unauthorized"):
		return "denied"
	default:
		return "failed"
	}
}

// ended is a sentence on a call that changed nothing: how it ended, and why.
func ended(rec *cloudtrail.Record) string {
	how := "The call failed"
	if attempt(rec) == "denied" {
		how = "The call was denied"
	}
	return sentence(how, orElse(rec.ErrorMessage, rec.ErrorCode))
}

// titleLimit is the most characters that a name from a record has in a title.
const titleLimit = 64

// printable makes text from a record fit for a title: printable ASCII, of a
// bounded length.
func printable(s string) string {
	s = strings.Map(func(r rune) rune {
		if r < ' ' || r > '~' {
			return '?'
		}
		return r
	}, s)
	if len(s) > titleLimit {
		s = s[:titleLimit-3] + "..."
	}
	return s
}

// sentence joins the parts that are not empty into one.
func sentence(parts ...string) string {
	parts = slices.DeleteFunc(parts, func(s string) bool { return s == "" })
	return strings.TrimSuffix(strings.Join(parts, "; "), ".") + "."
}
