package alert

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	"rootguard/internal/cloudtrail"
	"rootguard/internal/detect"
)

const (
	lineLimit   = 200 // runes in a line of Text
	actionLimit = 40  // kinds of call that Text lists
	day         = "Mon 2006-01-02"
	second      = "15:04:05"
)

// Text is the body of the e-mail. Its first six lines answer "is this us?":
// what, who, from where, when, in which account, what to do next. Then come,
// where they apply, the user or resource, MFA and its deadline, who announced it,
// the incident and how to acknowledge it, the calls of a roll-up, a command that
// fetches the record, the identifiers, and last the version that sent it.
//
// A line has at most 200 characters and the whole under 64 KiB. Text from a log
// can add no line: see the package documentation.
func Text(a Alert) string {
	if a.Digest != nil {
		return digestText(a)
	}
	list := lists(a)
	a = readable(a)
	f := &a.Finding
	lines := []string{
		"What:    [" + severity(a) + "] " + display(title(a), 120) + repeated(a) + call(a),
		"Who:     " + who(f),
		"From:    " + from(f),
		"When:    " + span(a),
		"Account: " + account(a),
		"Do next: " + display(f.NextStep, lineLimit-9),
		"",
	}
	lines = append(lines, about(f)...)
	if state := mfa(a); state != "" {
		lines = append(lines, "MFA:     "+state)
	}
	lines = append(lines, wrap("Detail:  ", display(f.Detail, 900))...)
	if said := announced(f); said != "" {
		lines = append(lines, wrap("Known:   ", said)...)
	}
	if len(f.Also) > 0 {
		lines = append(lines, "Also:    "+also(f.Also, 6))
	}
	label := "Case:    "
	for _, line := range incident(a) {
		lines = append(lines, wrap(label, line)...)
		label = strings.Repeat(" ", len(label))
	}
	if command := ack(a); command != "" {
		lines = append(lines, "Ack:     "+command)
	}
	lines = append(lines, forward(a)...)
	switch {
	case a.Summary != nil:
		lines = append(lines, append(append([]string{""}, summary(a)...), "")...)
	case list:
		lines = append(lines, all(a)...)
	default:
		lines = append(lines, repeats(a)...)
	}
	if command := lookup(f); command != "" {
		lines = append(lines, "Look up: "+command)
	}
	lines = append(lines, identifiers(f))
	if a.Version != "" {
		lines = append(lines, "rootguard "+display(a.Version, 80))
	}
	for i, l := range lines {
		lines[i] = cut(l, lineLimit)
	}
	return strings.Join(lines, "\n") + "\n"
}

// call is " (iam:CreateUser, failed: AccessDenied)", without the name where the
// title has it; of several events, that of the first.
func call(a Alert) string {
	f := &a.Finding
	if f.EventName == "" {
		return ""
	}
	name := display(f.EventName, 64)
	if service, _, _ := strings.Cut(f.EventSource, "."); service != "" {
		name = display(service, 32) + ":" + name
	}
	if several(a) {
		name = "first: " + name
	}
	parts := []string{name}
	if strings.Contains(display(f.Title, 120), name) {
		parts = nil
	}
	if f.ErrorCode != "" {
		parts = append(parts, "failed: "+display(f.ErrorCode, 64))
	}
	if len(parts) == 0 {
		return ""
	}
	return " (" + strings.Join(parts, ", ") + ")"
}

// actorName is what the actor is called, "root" for the root user.
func actorName(a detect.Actor) string { return display(nameOf(a), 80) }

func nameOf(a detect.Actor) string {
	for _, s := range []string{a.Name, a.ARN, a.PrincipalID, a.Type} {
		if clean(s, 80) != "" {
			return s
		}
	}
	return "unknown"
}

// kinds of identity in words; others are named as CloudTrail does.
var kinds = map[string]string{
	"IAMUser": "IAM user", "AssumedRole": "role session", "FederatedUser": "federated user", "AWSService": "AWS service",
	"AWSAccount": "AWS account", "SAMLUser": "SAML user", "WebIdentityUser": "web identity", "IdentityCenterUser": "Identity Center user",
}

// who names the actor with what distinguishes it from others of the same name: the ARN
// of anybody but the account's own root and users, and a long-term access key.
func who(f *detect.Finding) string {
	a := &f.Actor
	name := actorName(*a)
	var b strings.Builder
	switch {
	case f.EventName == "" && a.Type == "AWSService": // rootguard itself found it
		b.WriteString(name)
	case a.Type == "Root":
		b.WriteString("root user")
	default:
		kind, known := kinds[a.Type]
		if !known {
			kind = display(a.Type, 32)
		}
		b.WriteString(strings.TrimSpace(kind + " " + name))
	}
	part := strings.Split(head(a.ARN, 512), ":")
	elsewhere := len(part) > 4 && part[4] != f.Account
	if arn := display(a.ARN, 100); arn != "" && arn != name && (elsewhere || a.Type != "Root" && a.Type != "IAMUser") {
		b.WriteString(" (" + arn + ")")
	}
	if strings.HasPrefix(a.AccessKeyID, "AKIA") {
		b.WriteString(", access key " + display(a.AccessKeyID, 32))
	}
	return b.String()
}

func from(f *detect.Finding) string {
	ip, ua := origin(f.SourceIP, 80), agent(f.UserAgent)
	switch {
	case ip == "" && ua != "" && f.EventName == "":
		return "the command " + display(f.UserAgent, 60)
	case ip == "" && f.EventName == "":
		return "a check by rootguard, no call"
	case ip == "":
		ip = "address not recorded"
	}
	if ua == "" || ua == ip {
		return ip
	}
	return ip + ", " + ua
}

// span is the time of one event, or from the first to the last of several.
func span(a Alert) string {
	first, last := a.FirstTime, a.LastTime
	if !several(a) || first.IsZero() || last.IsZero() || first.Equal(last) {
		return full(when(a))
	}
	to := second
	if stamp(first, time.DateOnly) != stamp(last, time.DateOnly) {
		to = day + " " + second
	}
	return stamp(first, day+" "+second) + " to " + stamp(last, to+" UTC")
}

func accountID(a Alert) string {
	if id := display(a.Finding.Account, 20); id != "" {
		return id
	}
	return "unknown account"
}

func account(a Alert) string {
	if several := accountsOf(a); several != "" {
		return several
	}
	s := accountID(a)
	if name := display(a.AccountName, 80); name != "" {
		s = name + " (" + s + ")"
	}
	if region := display(a.Finding.Region, 32); region != "" {
		s += ", " + region
	}
	return s
}

// about names the user or resource that the finding is about.
func about(f *detect.Finding) []string {
	name, id, resource := display(f.Target.UserName, 80), display(f.Target.UserID, 80), display(f.Target.Resource, 150)
	var lines []string
	switch {
	case name != "" && id != "":
		lines = append(lines, "User:    "+name+" ("+id+")")
	case name != "" || id != "":
		lines = append(lines, "User:    "+name+id)
	}
	switch {
	case resource == "":
	case f.ID == detect.GuardUnhealthy:
		lines = append(lines, "Check:   "+resource)
	case !strings.Contains(f.Title, f.Target.Resource):
		lines = append(lines, "On:      "+resource)
	}
	return lines
}

// mfa says what is known of MFA where that is what the finding is about.
func mfa(a Alert) string {
	if a.Summary != nil {
		return "" // its title and its list say so
	}
	f := &a.Finding
	until := ""
	if !a.Deadline.IsZero() {
		until = full(a.Deadline)
	}
	switch f.ID {
	case detect.UserCreated, detect.UserConsoleAccess:
		state := "missing"
		if f.ID == detect.UserCreated {
			state = "missing, as on every new user"
		}
		if until != "" {
			state += "; tolerated until " + until
		}
		return state
	case detect.UserQuarantined:
		return "missing"
	case detect.UserReleased:
		if f.MFA == cloudtrail.Yes {
			return "on"
		}
		return ""
	case detect.UserMFAMissing:
		if f.MFA != cloudtrail.No {
			return "no longer missing"
		}
		if until != "" {
			return "missing; was tolerated until " + until
		}
		return "missing"
	case detect.RootSignin, detect.RootSigninNoMFA, detect.UserSigninNoMFA:
		switch f.MFA {
		case cloudtrail.Yes:
			return "used"
		case cloudtrail.No:
			return "NOT used"
		default:
			return "the record does not say"
		}
	default:
		return ""
	}
}

// announced says who announced it, and whether that lowered the finding.
func announced(f *detect.Finding) string {
	an := f.Announced
	if an == nil {
		return ""
	}
	said := "announced by " + display(an.Owner, 80) + " until " + full(an.Until) + ": " + display(an.Reason, 200)
	if an.Severity > f.Severity {
		return said + " (severity lowered from " + an.Severity.String() + ")"
	}
	return "root use was " + said + " (an announcement does not lower a finding of this kind)"
}

// full is a time with its date, as every line of Text writes it.
func full(t time.Time) string { return stamp(t, day+" "+second+" UTC") }

// incident says which incident the alert belongs to, "incident 7K4Q2-X2M9P, 3
// events since …", and how far that has come, each on a line of its own.
func incident(a Alert) []string {
	in := a.Incident
	if in == nil {
		return nil
	}
	events := "1 event"
	if in.Events != 1 {
		events = fmt.Sprintf("%d events", in.Events)
	}
	lines := []string{"incident " + display(in.ID, 40) + ", " + events + " since " + full(cmp.Or(in.First, in.Opened))}
	if r := in.Reopened; r != nil {
		lines = append(lines, acknowledged(r.AcknowledgedBy, r.AcknowledgedAt)+"; reopened by "+display(r.Title, 120))
		if !r.At.IsZero() {
			lines[1] += " at " + full(r.At)
		}
	}
	if in.AcknowledgedBy != "" {
		lines = append(lines, acknowledged(in.AcknowledgedBy, in.AcknowledgedAt))
	}
	if in.SnoozedBy != "" {
		lines = append(lines, "snoozed by "+display(in.SnoozedBy, 80)+" until "+full(in.SnoozedUntil))
	}
	if in.Repeat > 0 {
		lines = append(lines, fmt.Sprintf("unacknowledged: repeat %d of %d", in.Repeat, in.Repeats))
	}
	return lines
}

// acknowledged says who acknowledged an incident, and when.
func acknowledged(by string, at time.Time) string {
	s := "acknowledged by " + display(by, 80)
	if !at.IsZero() {
		s += " at " + full(at)
	}
	return s
}

// ack is the command that acknowledges the alert's incident, "" where nothing
// waits for that.
func ack(a Alert) string {
	if a.Summary != nil && a.Incident == nil {
		return ackAll(a)
	}
	if a.Incident == nil || a.Incident.AcknowledgedBy != "" || a.Finding.Severity < detect.Critical {
		return ""
	}
	command := "rootguard ack " + display(a.Incident.ID, 40)
	if flags := display(a.Incident.AckFlags, 90); flags != "" {
		command += " " + flags
	}
	return command + ` --note "who it was, and why"`
}

// forward is what a user without MFA has to do, in words to be passed on to the
// user (AWS IAM User Guide, "Assign MFA devices in the AWS Management Console"). It
// has no link: a mail that asks to sign in by one is how phishing looks.
func forward(a Alert) []string {
	f := &a.Finding
	if f.ID != detect.UserMFAMissing || f.MFA != cloudtrail.No || f.Subject.Phase == detect.PhaseResolved ||
		a.Summary != nil && a.Kind == Resend {
		return nil
	}
	user := "your IAM user"
	if name := display(f.Target.UserName, 80); name != "" && !lists(a) && a.Summary == nil {
		user = "your IAM user " + name
	}
	place := "AWS"
	if accountsOf(a) == "" {
		place, _, _ = strings.Cut("AWS account "+account(a), ", ")
	}
	text := "Please protect " + user + " in " + place +
		" with MFA today, since its password alone opens the account: sign in to the AWS console as always, " +
		"choose your user name at the top right, Security credentials, Assign MFA device, and follow the steps. " +
		"If a step is denied, answer this mail. No one needs your password or a code from you."
	return wrap("Forward: ", text)
}

// repeats lists the calls of a roll-up or an escalation.
func repeats(a Alert) []string {
	if !several(a) {
		return nil
	}
	what := fmt.Sprintf("Repeats: %d more events in this session, after the first was alerted", a.Count)
	switch {
	case a.Late:
		what = fmt.Sprintf("Repeats: %d events in this session, alerted together because too many alerts were due at once", a.Count)
	case a.Kind == Escalation:
		what = fmt.Sprintf("Repeats: %d events, alerted at once because they passed a threshold", a.Count)
	}
	lines := []string{what}
	shown := a.Actions[:min(len(a.Actions), actionLimit)]
	for _, act := range shown {
		lines = append(lines, strings.TrimRight(fmt.Sprintf("%6d  %s  %s", act.Count, display(act.Name, 96), target(act)), " "))
	}
	if kinds, events := rest(a, len(shown)); kinds > 0 {
		lines = append(lines, fmt.Sprintf("        and %d more kinds of call (%d events)", kinds, events))
	} else if events > 0 {
		lines = append(lines, fmt.Sprintf("        and %d more events", events))
	}
	return lines
}

// all lists what a roll-up of rootguard's own findings is about.
func all(a Alert) []string {
	what := fmt.Sprintf("All:     %d, after those that were alerted one by one", a.Count)
	if a.Late {
		what = fmt.Sprintf("All:     %d, alerted together because too many alerts were due at once", a.Count)
	}
	lines := []string{what}
	shown := a.Actions[:min(len(a.Actions), actionLimit)]
	for _, act := range shown {
		line := "         " + target(act)
		if act.Count > 1 {
			line += fmt.Sprintf(" (%d times)", act.Count)
		}
		lines = append(lines, line)
	}
	if _, events := rest(a, len(shown)); events > 0 {
		lines = append(lines, fmt.Sprintf("         and %d more", events))
	}
	return lines
}

// target is on what a call was made, or "from" and an address.
func target(act Action) string {
	if ip, ok := strings.CutPrefix(act.Target, "from "); ok {
		return "from " + origin(ip, 75)
	}
	return display(act.Target, 80)
}

// rest counts what a list of the first shown actions leaves out.
func rest(a Alert, shown int) (kinds, events int) {
	events = a.ActionsOmitted
	for _, act := range a.Actions[shown:] {
		kinds++
		events += act.Count
	}
	return kinds, events
}

// lookup is a command that fetches the record, "" where the event has no ID of
// CloudTrail's. It holds nothing that a shell would read as more than a word.
func lookup(f *detect.Finding) string {
	if !uuid(f.EventID) || f.Region == "" || len(f.Region) > 32 || strings.Trim(f.Region, "abcdefghijklmnopqrstuvwxyz0123456789-") != "" {
		return ""
	}
	return "aws cloudtrail lookup-events --region " + f.Region + " --lookup-attributes AttributeKey=EventId,AttributeValue=" + f.EventID
}

func uuid(s string) bool {
	if len(s) != 36 {
		return false
	}
	for i := range len(s) {
		switch c := s[i]; i {
		case 8, 13, 18, 23:
			if c != '-' {
				return false
			}
		default:
			if (c < '0' || c > '9') && (c < 'a' || c > 'f') {
				return false
			}
		}
	}
	return true
}

// identifiers is the last line.
func identifiers(f *detect.Finding) string {
	parts := []string{findingID(f.ID), "event " + eventID(f.EventID)}
	if len(f.CIS) > 0 {
		parts = append(parts, "CIS "+list(f.CIS, 5))
	}
	if len(f.ATTACK) > 0 {
		parts = append(parts, "ATT&CK "+list(f.ATTACK, 3))
	}
	return strings.Join(parts, " | ")
}

// findingID is the ID of a finding, whole where it is one of the catalogue.
func findingID(id detect.ID) string {
	if detect.InCatalogue(id) {
		return string(id)
	}
	return display(string(id), 40)
}

// eventID is an event's ID, whole where rootguard made it.
func eventID(id string) string {
	if made, rest, ok := strings.Cut(id, "/"); ok && detect.InCatalogue(detect.ID(made)) {
		return made + "/" + display(rest, 120)
	}
	return display(id, 80)
}

func also(ids []detect.ID, limit int) string {
	var short []string
	for _, id := range ids[:min(len(ids), limit)] {
		short = append(short, findingID(id))
	}
	if more := len(ids) - len(short); more > 0 {
		short = append(short, fmt.Sprintf("and %d more", more))
	}
	return strings.Join(short, ", ")
}

// list joins at most limit words.
func list[S ~string](words []S, limit int) string {
	var short []string
	for _, w := range words[:min(len(words), limit)] {
		short = append(short, display(string(w), 40))
	}
	if more := len(words) - len(short); more > 0 {
		short = append(short, fmt.Sprintf("and %d more", more))
	}
	return strings.Join(short, ", ")
}

// wrap breaks s between words into lines of at most 100 runes, a longer word
// within; the first begins with label, the others are indented as far.
func wrap(label, s string) []string {
	const width = 100
	var lines []string
	line := []rune{}
	for _, word := range strings.Fields(s) {
		for w := range slices.Chunk([]rune(word), width) {
			if len(line) > 0 && len(line)+1+len(w) > width {
				lines = append(lines, string(line))
				line = line[:0]
			}
			if len(line) > 0 {
				line = append(line, ' ')
			}
			line = append(line, w...)
		}
	}
	if len(line) > 0 {
		lines = append(lines, string(line))
	}
	for i := range lines {
		lines[i] = label + lines[i]
		label = strings.Repeat(" ", len(label))
	}
	return lines
}
