package alert

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	"rootguard/internal/detect"
)

// Summary is what an alert lists that is about several findings of one kind.
type Summary struct {
	Accounts []SummaryAccount `json:"accounts"` // the worst first

	// How many there are in all, of which Accounts has as many as fit.
	AccountCount int `json:"account_count"`
	FindingCount int `json:"finding_count"`

	AckFlags string `json:"ack_flags,omitempty"` // as of an Incident
}

// SummaryAccount is what a summary lists of one account.
type SummaryAccount struct {
	Account  string        `json:"account"`
	Name     string        `json:"name,omitempty"`
	Incident string        `json:"incident_id,omitempty"` // that all of them belong to
	Findings []SummaryItem `json:"findings"`
	Omitted  int           `json:"omitted,omitempty"` // findings that are not listed for size
}

// SummaryItem is one finding in a summary.
type SummaryItem struct {
	Finding  detect.ID       `json:"finding"`
	Severity detect.Severity `json:"severity"`
	Stage    Stage           `json:"stage"`
	At       time.Time       `json:"at,omitzero"`           // the finding's event time
	Title    string          `json:"title,omitempty"`       // of what is about no user
	Incident string          `json:"incident_id,omitempty"` // that it alone belongs to
	User     string          `json:"user_name,omitempty"`   // an IAM user, of a finding about one
	UserID   string          `json:"user_id,omitempty"`     // AIDA…
	MFADue   detect.MFADue   `json:"mfa_due,omitzero"`      // the deadline, and which reminder it is
	Repeat   int             `json:"repeat,omitempty"`      // of an incident that is sent again: which repeat
	Repeats  int             `json:"repeats,omitempty"`     // of how many

	// Subject has the ID and the beginning of one that was opened when the user or the
	// deadline was known by something else.
	Subject detect.Subject `json:"subject,omitzero"`
}

// Stage says how far what a summary lists has come.
type Stage string

// The stages, the worst last.
const (
	StageResolved Stage = "resolved"
	StagePending  Stage = "pending" // the deadline is to come
	StageOverdue  Stage = "overdue"
	StageReminder Stage = "reminder"
	StageLast     Stage = "last_reminder"
	StageOpen     Stage = "open" // a problem of root
	StageRepeat   Stage = "repeat"
)

// foundLive ends the title of what a live check found.
const foundLive = " (seen live, no event)"

// ItemOf is a finding as a summary lists it. in is the incident that is sent again,
// nil of any other finding.
func ItemOf(f *detect.Finding, in *Incident) SummaryItem {
	it := SummaryItem{
		Finding: f.ID, Severity: f.Severity, At: f.EventTime, User: f.Target.UserName, UserID: f.Target.UserID, MFADue: f.MFADue,
	}
	switch {
	case in != nil:
		title, _, _ := strings.Cut(f.Title, " (repeat ")
		title = strings.TrimSuffix(title, foundLive)
		it.Stage, it.Title, it.Incident, it.Repeat, it.Repeats, it.At = StageRepeat, title, in.ID, in.Repeat, in.Repeats, cmp.Or(in.First,
			in.Opened, f.EventTime)
	case f.Subject.Phase == detect.PhaseResolved:
		it.Stage = StageResolved
	case f.ID == detect.UserMFAPending:
		it.Stage = StagePending
	case f.ID != detect.UserMFAMissing:
		it.Stage, it.Title = StageOpen, strings.TrimSuffix(f.Title, foundLive)
	case f.MFADue.Reminder == 0:
		it.Stage = StageOverdue
	case f.Severity >= detect.Critical:
		it.Stage = StageLast
	default:
		it.Stage = StageReminder
	}
	if was := f.Subject; in == nil && was.ID != "" && Listed(f.Account, &it).Subject.ID != was.ID {
		it.Subject = detect.Subject{ID: was.ID, Began: was.Began}
	}
	return it
}

// Listed is a finding of an account by what a summary lists of it, about the same subject.
func Listed(account string, it *SummaryItem) detect.Finding {
	f := detect.Listed(it.Finding, account, detect.Target{UserName: it.User, UserID: it.UserID}, it.MFADue, it.Stage == StageResolved, it.At)
	if it.Subject.ID != "" {
		f.Subject.ID, f.Subject.Began = it.Subject.ID, it.Subject.Began
	}
	return f
}

// worse orders items: the worst first.
func worse(a, b SummaryItem) int {
	return cmp.Or(int(b.Severity)-int(a.Severity), cmp.Compare(b.Finding, a.Finding), a.MFADue.At.Compare(b.MFADue.At),
		cmp.Compare(a.User, b.User), cmp.Compare(a.Title, b.Title))
}

// Sort orders a summary: the account with the most severe findings first, of these
// the one with the most.
func (s *Summary) Sort() {
	for i := range s.Accounts {
		slices.SortStableFunc(s.Accounts[i].Findings, worse)
	}
	slices.SortStableFunc(s.Accounts, func(a, b SummaryAccount) int {
		worstA, countA := a.worst()
		worstB, countB := b.worst()
		return cmp.Or(int(worstB)-int(worstA), countB-countA, cmp.Compare(a.Account, b.Account))
	})
}

// worst is the highest severity in an account, and how many findings have it.
func (s *SummaryAccount) worst() (severity detect.Severity, count int) {
	for i := range s.Findings {
		switch is := s.Findings[i].Severity; {
		case is > severity:
			severity, count = is, 1
		case is == severity:
			count++
		}
	}
	return severity, count
}

// The most that a summary lists: bounds of the JSON, whose body is cut further where
// names are long, and of the text.
const (
	summaryItems = 500
	summaryLines = 400
)

// kept is a summary of at most n findings, its text within the limits of JSON.
func (s *Summary) kept(n int) *Summary {
	if s == nil {
		return nil
	}
	out := Summary{AckFlags: trim(s.AckFlags, nameLimit), AccountCount: s.AccountCount, FindingCount: s.FindingCount,
		Accounts: make([]SummaryAccount, 0, min(len(s.Accounts), n))}
	for i := range s.Accounts {
		if n <= 0 {
			break
		}
		was := &s.Accounts[i]
		a := SummaryAccount{Account: trim(was.Account, wordLimit), Name: trim(was.Name, nameLimit), Incident: trim(was.Incident, wordLimit)}
		few := min(n, len(was.Findings))
		n -= few
		a.Omitted = was.Omitted + len(was.Findings) - few
		for _, it := range was.Findings[:few] {
			it.Finding, it.Stage, it.Title, it.Incident = detect.ID(trim(string(it.Finding), wordLimit)), Stage(trim(string(it.Stage),
				wordLimit)), trim(it.Title, nameLimit), trim(it.Incident, wordLimit)
			it.User, it.UserID, it.At, it.MFADue.At = trim(it.User, nameLimit), trim(it.UserID, wordLimit), utc(it.At), utc(it.MFADue.At)
			it.Subject = detect.Subject{ID: trim(it.Subject.ID, nameLimit), Began: utc(it.Subject.Began)}
			a.Findings = append(a.Findings, it)
		}
		out.Accounts = append(out.Accounts, a)
	}
	return &out
}

// listed counts the findings that are listed.
func (s *Summary) listed() int {
	n := 0
	if s != nil {
		for i := range s.Accounts {
			n += len(s.Accounts[i].Findings)
		}
	}
	return n
}

// accountsOf is "40 accounts" of a summary about several, "" of any other alert.
func accountsOf(a Alert) string {
	if a.Summary == nil || a.Summary.AccountCount < 2 {
		return ""
	}
	return fmt.Sprintf("%d accounts", a.Summary.AccountCount)
}

// ackAll is the command that acknowledges all incidents of a summary, "" where none
// waits for that.
func ackAll(a Alert) string {
	if a.Summary == nil || a.Incident != nil || a.Finding.Severity < detect.Critical {
		return ""
	}
	command := "rootguard ack --finding " + findingID(a.Finding.ID)
	if a.Kind == Resend || len(a.Finding.Also) > 0 {
		command = "rootguard ack --all"
	}
	if flags := display(a.Summary.AckFlags, 90); flags != "" {
		command += " " + flags
	}
	return command + ` --note "who it was, and why"`
}

// summary lists what a summary is about, the worst account first.
func summary(a Alert) []string {
	s := a.Summary
	if s == nil {
		return nil
	}
	lines := []string{}
	indent := ""
	shown, accounts := 0, 0
	for i := range s.Accounts {
		one := &s.Accounts[i]
		var more []string
		if s.AccountCount > 1 {
			head := display(one.Account, 20)
			if name := display(one.Name, 80); name != "" {
				head = name + " (" + head + ")"
			}
			if one.Incident != "" {
				head += ", incident " + display(one.Incident, 40)
			}
			more, indent = append(more, "* "+head), "  "
		}
		for _, group := range sameText(one.Findings) {
			more = append(more, wrap(indent, group)...)
		}
		if one.Omitted > 0 {
			more = append(more, fmt.Sprintf("%sand %d more", indent, one.Omitted))
		}
		if len(lines)+len(more) > summaryLines && i > 0 {
			break
		}
		lines = append(lines, more...)
		shown += len(one.Findings) + one.Omitted
		accounts++
	}
	if rest := s.FindingCount - shown; rest > 0 {
		text := fmt.Sprintf("and %d more", rest)
		if left := s.AccountCount - accounts; left > 0 {
			text += fmt.Sprintf(" in %d more accounts", left)
		}
		lines = append(lines, text+"; the full list: rootguard report --aws")
	}
	return lines
}

// summaryChat is the beginning of summary, for chat.
func summaryChat(a Alert) []string {
	const most, room = 12, 1800
	var lines []string
	size := 0
	for _, l := range summary(a) {
		l = code(strings.TrimSpace(l), 300)
		if size += len(l); len(lines) == most || size > room {
			return append(lines, "and more; the full list: rootguard report --aws")
		}
		lines = append(lines, l)
	}
	return lines
}

// sameText puts the items of an account that say the same in one text each.
func sameText(items []SummaryItem) []string {
	var order []string
	names := map[string][]string{}
	for i := range items {
		it := &items[i]
		what := it.text()
		if _, ok := names[what]; !ok {
			order = append(order, what)
		}
		if name := display(cmp.Or(it.User, it.UserID), 80); name != "" && it.Title == "" {
			names[what] = append(names[what], name)
		} else {
			names[what] = append(names[what], "")
		}
	}
	texts := make([]string, 0, len(order))
	for _, what := range order {
		if list := strings.Join(slices.DeleteFunc(names[what], func(n string) bool { return n == "" }), ", "); list != "" {
			what += ": " + list
		}
		texts = append(texts, what)
	}
	return texts
}

// text says what is so of an item, without its user.
func (it *SummaryItem) text() string {
	due := ""
	if !it.MFADue.At.IsZero() {
		due = "MFA was due by " + full(it.MFADue.At)
	}
	switch it.Stage {
	case StagePending:
		return "MFA is due by " + full(it.MFADue.At)
	case StageOverdue:
		return due
	case StageReminder:
		return fmt.Sprintf("reminder %d of %d, %s", it.MFADue.Reminder, it.MFADue.Reminders, due)
	case StageLast:
		return "last reminder, " + due
	case StageResolved:
		return "no longer without MFA"
	case StageRepeat:
		text := fmt.Sprintf("[%s] %s, since %s, repeat %d of %d", strings.ToUpper(it.Severity.String()), display(dated(it.Title), 160),
			full(it.At), it.Repeat, it.Repeats)
		return text + ": rootguard ack " + display(it.Incident, 40)
	default:
		text := fmt.Sprintf("[%s] %s", strings.ToUpper(it.Severity.String()), display(dated(it.Title), 160))
		if it.Incident != "" {
			text += ", incident " + display(it.Incident, 40)
		}
		return text
	}
}

// Each is a summary as the alerts that it stands for, one for each finding that it
// lists, for systems that keep findings; any other alert is the only one.
func Each(a Alert) []Alert {
	if a.Summary == nil {
		return []Alert{a}
	}
	var all []Alert
	for i := range a.Summary.Accounts {
		of := &a.Summary.Accounts[i]
		for j := range of.Findings {
			it := &of.Findings[j]
			if it.Stage == StageRepeat {
				continue // it says nothing new of a finding
			}
			one := Alert{Schema: a.Schema, ID: fmt.Sprintf("%s-%d-%d", a.ID, i, j), Kind: First, AccountName: of.Name}
			one.Finding = Listed(of.Account, it)
			if id := cmp.Or(it.Incident, of.Incident); id != "" {
				one.Incident = &Incident{ID: id, Events: 1, Opened: it.At}
			}
			all = append(all, one)
		}
	}
	return all
}
