package detect

import (
	"slices"
	"strconv"
	"strings"
	"time"

	"rootguard/internal/cloudtrail"
)

// Announced says that someone announced that root would be used at the time of
// an event.
type Announced struct {
	ID     string    `json:"id"`     // of the announcement
	Owner  string    `json:"owner"`  // who answers for the use of root
	Reason string    `json:"reason"` // why root is used
	Until  time.Time `json:"until"`

	// Severity is what the finding would have had without: its own where an
	// announcement lowers no finding of this kind.
	Severity Severity `json:"original_severity"`
}

// IsRootUse reports whether a finding reports root use: of a sign-in, a
// call, or a session of sts:AssumeRoot, whatever else it reports.
func IsRootUse(f *Finding) bool {
	return atWork(f.ID) || slices.ContainsFunc(f.Also, atWork)
}

func atWork(id ID) bool {
	return id == RootSignin || id == RootSigninNoMFA || id == RootActivity || id == RootSession
}

// UsedIn is the account in which root is at work, by a finding that reports it:
// of sts:AssumeRoot, which the management account calls, the member account.
func UsedIn(f *Finding) string {
	if f.ID != RootSession || f.EventName != "AssumeRoot" {
		return f.Account
	}
	member := strings.TrimPrefix(f.Target.Resource, "account ")
	if part := strings.Split(member, ":"); len(part) > 4 && part[0] == "arn" {
		member = part[4]
	}
	return orElse(member, f.Account)
}

// Announce makes of a finding of root use the same under an announcement. It
// takes away what makes it alarming that root did it, and no more:
//
//   - a sign-in with MFA, a call and a root session become low;
//   - a change of an IAM user becomes what it would be by anybody else, low at least;
//   - a sign-in by the password alone, or of which MFA is not on record, stays,
//     since that is how a stolen password looks;
//   - so does a call with a long-term access key of root, which should not exist;
//   - so does what ends in someone holding the account: a root access key, root's
//     password, address and MFA, and tampering with rootguard.
func Announce(f Finding, a Announced) Finding {
	a.Severity = f.Severity
	limit := f.Severity
	switch {
	case strings.HasPrefix(f.Actor.AccessKeyID, "AKIA"):
	case f.ID == RootSignin && f.MFA == cloudtrail.Yes, f.ID == RootActivity, f.ID == RootSession:
		limit = Low
	case strings.HasPrefix(string(f.ID), "user."):
		limit = max(Low, entry(f.ID).Severity)
	}
	if limit < f.Severity {
		f.Severity = limit
		f.Title += inTitle
	}
	f.Announced = &a
	return f
}

// inTitle is in the title of what an announcement lowered.
const inTitle = " (announced)"

// Unannounced is the finding without what it says of an announcement. Its
// severity stays.
func Unannounced(f Finding) Finding {
	if f.Announced != nil {
		f.Title, f.Announced = strings.TrimSuffix(f.Title, inTitle), nil
	}
	return f
}

// AnnouncedUse is what an announcement of root use is about, for the findings
// that report it.
type AnnouncedUse struct {
	Account       string
	ID            string
	From, Until   time.Time
	Owner, Reason string
}

func (u AnnouncedUse) span() string {
	return "from " + u.From.UTC().Format(time.RFC3339) + " until " + u.Until.UTC().Format(time.RFC3339)
}

// finding is one about an announcement. by is who ran the command, at the time
// that it is about.
func (u AnnouncedUse) finding(by Actor, command string, at time.Time) Finding {
	return operated(RootUseAnnounced, u.Account, "announcement", u.ID, by, command, at)
}

// operated is a finding about what an operator made: of is its kind, and with its ID it
// is a subject and session of its own.
func operated(finding ID, account, of, id string, by Actor, command string, at time.Time) Finding {
	f := base(finding)
	f.Account, f.EventTime = account, at.UTC()
	f.opens(string(finding)+"/"+account+"/"+id, time.Time{})
	f.Session = of + " " + id
	f.Actor, f.UserAgent = by, command
	return f
}

// UseAnnounced is the finding that root use was announced. by is who did.
func UseAnnounced(u AnnouncedUse, by Actor, at time.Time) Finding {
	f := u.finding(by, "rootguard announce open", at)
	f.Title += " by " + printable(u.Owner)
	f.Detail = sentence("Announcement "+u.ID+" "+u.span()+", owner "+u.Owner, "reason: "+u.Reason) +
		" Alerts of root use in that time are lowered, and name this announcement."
	return f
}

// UseClosed is the note that an announcement was ended before its time.
func UseClosed(u AnnouncedUse, by Actor, why string, at time.Time) Finding {
	f := u.finding(by, "rootguard announce close", at)
	f.follows(PhaseResolved, "/closed")
	f.Severity, f.Title = Info, "Announced root use closed early"
	f.Detail = sentence("Announcement "+u.ID+" by "+u.Owner+" was to last "+u.span(), "reason: "+u.Reason)
	if why != "" {
		f.Detail += " Closed because: " + sentence(why)
	}
	f.NextStep = "Nothing to do; from now on root use is reported as always."
	return f
}

// UseEnded is the summary of an announcement that is over. did says for people
// what root did, "" where it did nothing; opener is who announced it.
func UseEnded(u AnnouncedUse, opener Actor, did string, at time.Time) Finding {
	f := u.finding(Actor{Type: "AWSService", Name: "rootguard"}, "", at)
	f.follows(PhaseResolved, "/ended")
	f.Severity, f.Title = Info, "Announced root use ended"
	f.NextStep = "Compare what root did with the reason; ask " + printable(u.Owner) + " about what does not fit."
	if did == "" {
		f.Title += ", root was not used"
		f.NextStep = "Nothing to do; announce root use for as short a time as it takes."
		did = "No use of root was reported under it."
	}
	f.Detail = sentence("Announcement "+u.ID+" "+u.span()+", owner "+u.Owner, "opened by "+orUnnamed(opener.ARN, opener.Name),
		"reason: "+u.Reason) + " " + did
	return f
}

// Acknowledgement is what a note says of one incident.
type Acknowledgement struct {
	Account, Incident string
	Cycle             int    // how often the incident was opened or snoozed
	Title             string // of its alert
}

// Operator is who looks after incidents: who ran the command, who that is for
// people, and what for.
type Operator struct {
	Actor     Actor
	Who, Note string
	At        time.Time
	Until     time.Time // until when they are not sent again; zero: for good
}

// given is a note about incidents in an account.
func (o *Operator) given(account string) Finding {
	f := base(IncidentAcknowledged)
	f.Account, f.EventTime = account, o.At.UTC()
	f.Actor, f.UserAgent = o.Actor, "rootguard ack"
	if !o.Until.IsZero() {
		f.Title = "Incident snoozed"
		f.NextStep = "Nothing to do now; it is sent again from " + o.Until.UTC().Format(time.RFC3339) + " on, unless it is acknowledged before."
	}
	return f
}

// Acknowledged is the note that someone looks after an incident, or put it off.
func Acknowledged(a Acknowledgement, by Operator) Finding {
	f := by.given(a.Account)
	f.Title += ": " + a.Incident
	f.Detail = sentence("By "+by.Who, "note: "+by.Note, "it was about: "+a.Title)
	f.opens(string(IncidentAcknowledged)+"/"+a.Account+"/"+a.Incident+"/"+strconv.Itoa(a.Cycle), time.Time{})
	f.Session = "incident " + a.Incident
	return f
}

// namedIncidents is how many incidents a note about many names.
const namedIncidents = 12

// AcknowledgedAll is the note that someone looks after several incidents, or put
// them off, at once. batch is its ID.
func AcknowledgedAll(account, batch string, all []Acknowledgement, by Operator) Finding {
	f := by.given(account)
	state := "acknowledged"
	if !by.Until.IsZero() {
		state = "snoozed"
	}
	n := strconv.Itoa(len(all)) + " incidents"
	if len(all) == 1 {
		n = "1 incident"
	}
	f.Title = n + " " + state + " together"
	named := make([]string, 0, namedIncidents)
	for _, a := range all[:min(len(all), namedIncidents)] {
		named = append(named, a.Incident+" ("+a.Title+", account "+a.Account+")")
	}
	about := strings.Join(named, ", ")
	if rest := len(all) - len(named); rest > 0 {
		about += " and " + strconv.Itoa(rest) + " more, which rootguard incidents --all lists"
	}
	f.Detail = sentence("By "+by.Who, "note: "+by.Note) + " They are: " + sentence(about)
	f.opens(string(IncidentAcknowledged)+"/"+account+"/batch/"+batch, time.Time{})
	f.Session = "incidents " + batch
	return f
}
