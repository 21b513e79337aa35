package digest

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"rootguard/internal/alert"
	"rootguard/internal/bootstrap"
	"rootguard/internal/detect"
)

// Input is all that a digest is made of.
type Input struct {
	At       time.Time // as of when
	Since    time.Time // as of when the last digest was; zero: there is none to compare with
	Schedule Schedule  // by which the next one comes
	Tally    *Tally
	Guard    *Guard // nil: nothing is known of a deployed guard, as from logs

	// Name is what people call an account, "" where it is not known.
	Name func(account string) string
	// Extra are further sections, after those of the accounts.
	Extra []alert.DigestSection
	// Topics are the titles of the sections of notes.
	Topics map[Topic]string
}

// Guard is what is known of rootguard itself.
type Guard struct {
	Faults    []Fault   // checks that fail, the most severe first
	Checked   time.Time // when the checks were last made; zero: never
	Heartbeat time.Time // when a heartbeat last came out at every function; zero: none is on file

	// What is not covered.
	Refused       string   // why AWS Organizations does not list the accounts
	Unreachable   Counted  // accounts that IAM does not answer about
	QueueFailures Counted  // accounts whose forwarders cannot be seen
	NoReport      Counted  // accounts whose credential report cannot be had
	Regions       []string // enabled Regions that nothing is forwarded from
	Failed        []string // what could not be read for this digest, and why
}

// Fault is a check of rootguard itself that fails, or cannot be made.
type Fault struct {
	Check, Region string
	Severity      detect.Severity
	Since         time.Time
	Why, Fix      string
	Unchecked     bool
	Quiet         bool // nothing else reminds of it, so that its fix is shown here
}

// Counted is a number of accounts, and the first of them.
type Counted struct {
	Count int
	IDs   []string
}

// The most lines of each section. With their titles they are fewer than 60.
const (
	shownAccounts      = 10
	shownChanges       = 8
	shownUsers         = 8
	shownIncidents     = 5
	shownAnnouncements = 4
	shownGaps          = 6
	shownFaults        = 6
	shownNotes         = 5
)

// Compose makes a digest. title says in a few words what matters most in it.
func Compose(in Input) (title string, d *alert.Digest) {
	c := composer{in, in.Tally}
	d = &alert.Digest{At: in.At.UTC(), Since: in.Since.UTC(), Counts: c.counts()}
	if in.Since.IsZero() {
		d.Since = time.Time{}
	}
	if in.Schedule.On() {
		d.Next = in.Schedule.Next(in.At)
		d.NextText = in.Schedule.Local(d.Next)
	}
	d.Sections = append(d.Sections, c.accounts(), c.changes(), c.users())
	if in.Guard != nil {
		d.Sections = append(d.Sections, c.incidents(), c.announcements())
	}
	if in.Guard != nil {
		d.Sections = append(d.Sections, c.guard(), c.coverage())
	} else {
		d.Sections = append(d.Sections, section("guard", "ROOTGUARD ITSELF: not known from logs", c.lastEvent()))
	}
	for i := range c.tally.Topics {
		d.Sections = append(d.Sections, c.notes(&c.tally.Topics[i]))
	}
	d.Sections = append(d.Sections, in.Extra...)
	return c.title(&d.Counts), d
}

type composer struct {
	in    Input
	tally *Tally
}

func (c *composer) counts() alert.DigestCounts {
	t := c.tally
	n := alert.DigestCounts{
		Accounts: t.Accounts, Bootstrapped: t.Bootstrapped, Regressed: t.Regressed, InProgress: t.Accounts - t.Bootstrapped - t.Regressed,
		AwaitingMFA: t.Awaiting, PastDeadline: t.PastDeadline, OpenIncidents: t.OpenIncidents, Announcements: t.Announced, Drills: t.noted(Drill),
	}
	if g := c.in.Guard; g != nil {
		n.FailingChecks = len(g.Faults)
		n.NotCovered = g.Unreachable.Count + g.QueueFailures.Count + g.NoReport.Count + len(g.Regions)
	}
	return n
}

// title names what an operator should see first: what is worst, or that all is well.
func (c *composer) title(n *alert.DigestCounts) string {
	var parts []string
	add := func(count int, text string) {
		if count > 0 {
			parts = append(parts, text)
		}
	}
	add(n.FailingChecks, one(n.FailingChecks, "failing check"))
	if c.noHeartbeat() {
		parts = append(parts, "no heartbeat")
	}
	add(n.OpenIncidents, one(n.OpenIncidents, "open incident"))
	add(n.Regressed, fmt.Sprintf("%d of %s regressed", n.Regressed, one(n.Accounts, "account")))
	add(n.AwaitingMFA, one(n.AwaitingMFA, "user")+" without MFA")
	gaps := c.gaps(n)
	add(gaps, one(gaps, "gap")+" in coverage")
	add(n.Drills, one(n.Drills, "overdue drill"))
	if len(parts) == 0 {
		switch {
		case n.Accounts == 0:
			return "no account on record yet"
		case n.InProgress > 0, c.in.Guard == nil, c.in.Guard.Checked.IsZero():
			return fmt.Sprintf("%d of %s bootstrapped", n.Bootstrapped, one(n.Accounts, "account"))
		default:
			return fmt.Sprintf("all well, %s bootstrapped", one(n.Accounts, "account"))
		}
	}
	return strings.Join(parts, ", ")
}

// gaps is how much the digest does not speak for: what is not covered, and what was not
// read.
func (c *composer) gaps(n *alert.DigestCounts) int {
	g := c.in.Guard
	if g == nil {
		return 0
	}
	gaps := n.NotCovered + len(g.Failed)
	if g.Refused != "" {
		gaps++
	}
	return gaps
}

// noHeartbeat reports whether the checks ran and no heartbeat came through.
func (c *composer) noHeartbeat() bool {
	g := c.in.Guard
	return g != nil && !g.Checked.IsZero() && g.Heartbeat.IsZero()
}

// one is a number and its noun: "1 account", "2 accounts".
func one(n int, noun string) string {
	if n != 1 {
		noun += "s"
	}
	return fmt.Sprintf("%d %s", n, noun)
}

func section(id, title string, lines ...string) alert.DigestSection {
	return alert.DigestSection{ID: id, Title: title, Lines: lines}
}

// account is an account for people: "111122223333 prod-billing".
func (c *composer) account(id string) string {
	if c.in.Name != nil {
		if name := alert.Display(c.in.Name(id), 40); name != "" {
			return alert.Display(id, 20) + " " + name
		}
	}
	return alert.Display(id, 20)
}

func (c *composer) accounts() alert.DigestSection {
	t, n := c.tally, c.counts()
	var parts []string
	for _, p := range []struct {
		n    int
		what string
	}{{n.Regressed, "regressed"}, {n.InProgress, "in progress"}, {n.Bootstrapped, "bootstrapped"}} {
		if p.n > 0 {
			parts = append(parts, fmt.Sprintf("%d %s", p.n, p.what))
		}
	}
	s := section("accounts", "ACCOUNTS: "+strings.Join(parts, ", "))
	for _, l := range t.Worst[:min(len(t.Worst), shownAccounts)] {
		s.Lines = append(s.Lines, c.account(l.Account)+": "+l.words())
	}
	s.More = t.Accounts - t.Bootstrapped - len(s.Lines)
	if t.Accounts == 0 {
		s.Title = "ACCOUNTS: none on record yet"
	}
	s.More = max(0, s.More)
	return s
}

// words say how far an account is that is not bootstrapped.
func (l *Line) words() string {
	var back, open []string
	did := 0
	for i, step := range bootstrap.Steps() {
		switch l.Steps.of(i) {
		case regressed:
			back = append(back, step.Words())
		case done:
			did++
		default:
			open = append(open, step.Words())
		}
	}
	if len(back) > 0 {
		text := "REGRESSED, no longer true: " + strings.Join(back, "; ")
		if !l.Since.IsZero() {
			text += ", since " + stamp(l.Since)
		}
		return text
	}
	text := fmt.Sprintf("%d of %d steps done", did, len(bootstrap.Steps()))
	if len(open) > 0 {
		text += ", next: " + open[0]
	}
	return text
}

func (c *composer) changes() alert.DigestSection {
	t := c.tally
	if !t.Compared {
		return section("changes", "CHANGED: there is no earlier digest to compare with")
	}
	since := "CHANGED SINCE " + stamp(c.in.Since) + ": "
	if t.Changed == 0 {
		return section("changes", since+"no step of any account")
	}
	s := section("changes", since+one(t.Changed, "account"))
	var parts []string
	for _, p := range []struct {
		n    int
		what string
	}{{t.NewlyRegress, "regressed"}, {t.NewlyBooted, "bootstrapped"}, {t.NewAccounts, "new"}} {
		if p.n > 0 {
			parts = append(parts, fmt.Sprintf("%d %s", p.n, p.what))
		}
	}
	if len(parts) > 0 {
		s.Title += " (" + strings.Join(parts, ", ") + ")"
	}
	for i := range t.Changes[:min(len(t.Changes), shownChanges)] {
		s.Lines = append(s.Lines, c.account(t.Changes[i].Account)+": "+t.Changes[i].words())
	}
	s.More = t.Changed - len(s.Lines)
	return s
}

// words say what changed at an account.
func (c *Change) words() string {
	if c.New {
		l := Line{Steps: c.Is}
		if c.Is.whole() {
			return "new, bootstrapped"
		}
		return "new, " + l.words()
	}
	var did, back, undone []string
	for i, step := range bootstrap.Steps() {
		switch was, is := c.Was.of(i), c.Is.of(i); {
		case was == is:
		case is == done:
			did = append(did, step.Words())
		case is == regressed:
			back = append(back, step.Words())
		default:
			undone = append(undone, step.Words())
		}
	}
	var parts []string
	if len(back) > 0 {
		parts = append(parts, "REGRESSED: "+strings.Join(back, "; "))
	}
	if len(did) > 0 {
		parts = append(parts, "done: "+strings.Join(did, "; "))
	}
	if len(undone) > 0 {
		parts = append(parts, "open again: "+strings.Join(undone, "; "))
	}
	text := strings.Join(parts, ". ")
	if c.Is.whole() {
		text = "now bootstrapped. " + text
	}
	return text
}

func (c *composer) users() alert.DigestSection {
	t := c.tally
	if t.Awaiting == 0 {
		return section("mfa", "AWAITING MFA: no IAM user")
	}
	s := section("mfa", fmt.Sprintf("AWAITING MFA: %s, %d past the deadline", one(t.Awaiting, "IAM user"), t.PastDeadline))
	for _, u := range t.Users[:min(len(t.Users), shownUsers)] {
		line := c.account(u.Account) + ": " + alert.Display(u.Name, 64)
		if u.Admin {
			line += " (administrator)"
		}
		switch {
		case u.Deadline.IsZero():
			line += ", no deadline"
		case c.in.At.After(u.Deadline):
			line += ", was due by " + stamp(u.Deadline)
		default:
			line += ", due by " + stamp(u.Deadline)
		}
		s.Lines = append(s.Lines, line)
	}
	s.More = t.Awaiting - len(s.Lines)
	return s
}

func (c *composer) incidents() alert.DigestSection {
	t := c.tally
	if t.OpenIncidents == 0 {
		return section("incidents", "OPEN INCIDENTS: none")
	}
	s := section("incidents", fmt.Sprintf("OPEN INCIDENTS: %d, acknowledge each with rootguard ack", t.OpenIncidents))
	for _, in := range t.Incidents[:min(len(t.Incidents), shownIncidents)] {
		s.Lines = append(s.Lines, fmt.Sprintf("%s since %s, %s: %s", alert.Display(in.ID, 40), stamp(in.Opened), c.account(in.Account),
			alert.Display(in.Title, 90)))
	}
	s.More = t.OpenIncidents - len(s.Lines)
	return s
}

func (c *composer) announcements() alert.DigestSection {
	t := c.tally
	if t.Announced == 0 {
		return section("announcements", "ANNOUNCED ROOT USE: none")
	}
	s := section("announcements", fmt.Sprintf("ANNOUNCED ROOT USE: %d", t.Announced))
	for _, an := range t.Announcements[:min(len(t.Announcements), shownAnnouncements)] {
		s.Lines = append(s.Lines, fmt.Sprintf("%s: %s to %s by %s: %s", c.account(an.Account), stamp(an.From), stamp(an.Until),
			alert.Display(an.Owner, 40), alert.Display(an.Reason, 60)))
	}
	s.More = t.Announced - len(s.Lines)
	return s
}

func (c *composer) notes(of *Noted) alert.DigestSection {
	title := c.in.Topics[of.Topic]
	if title == "" {
		title = strings.ToUpper(string(of.Topic))
	}
	s := section(string(of.Topic), fmt.Sprintf("%s: %s", title, one(of.Count, "account")))
	for _, n := range of.Notes[:min(len(of.Notes), shownNotes)] {
		s.Lines = append(s.Lines, c.account(n.Account)+": "+alert.Display(n.Text, 150))
	}
	s.More = of.Count - len(s.Lines)
	return s
}

func (c *composer) coverage() alert.DigestSection {
	g := c.in.Guard
	lines := c.accountGaps()
	if n := len(g.Regions); n > 0 {
		lines = append(lines, fmt.Sprintf("%s without a forwarder: %s", one(n, "enabled Region"), some(g.Regions, 12)))
	}
	for _, why := range g.Failed {
		lines = append(lines, "Could not be read for this digest: "+alert.Display(why, 140))
	}
	if len(lines) == 0 {
		return section("coverage", "NOT COVERED: no account and no enabled Region")
	}
	s := section("coverage", "NOT COVERED, or not in full", lines[:min(len(lines), shownGaps)]...)
	s.More = len(lines) - len(s.Lines)
	return s
}

// AccountGaps are lines on the accounts that are not covered, or not in full: four at
// most, each with three accounts at most.
func AccountGaps(g *Guard, name func(account string) string) []string {
	c := composer{in: Input{Guard: g, Name: name}}
	return c.accountGaps()
}

func (c *composer) accountGaps() (lines []string) {
	g := c.in.Guard
	add := func(n Counted, what string) {
		if n.Count > 0 {
			lines = append(lines, fmt.Sprintf("%s %s: %s", one(n.Count, "account"), what, c.named(n)))
		}
	}
	add(g.Unreachable, "that IAM has not answered about for hours")
	add(g.QueueFailures, "whose forwarders cannot be checked")
	add(g.NoReport, "without a credential report")
	if g.Refused != "" {
		lines = append(lines, "AWS Organizations does not list the accounts: "+alert.Display(g.Refused, 120))
	}
	return lines
}

func (c *composer) named(n Counted) string {
	names := make([]string, 0, 3)
	for _, id := range n.IDs[:min(len(n.IDs), 3)] {
		names = append(names, c.account(id))
	}
	text := strings.Join(names, ", ")
	if more := n.Count - len(names); more > 0 {
		text += fmt.Sprintf(" and %d more", more)
	}
	return text
}

func some(words []string, most int) string {
	shown := make([]string, 0, min(len(words), most))
	for _, w := range words[:min(len(words), most)] {
		shown = append(shown, alert.Display(w, 40))
	}
	text := strings.Join(shown, ", ")
	if more := len(words) - len(shown); more > 0 {
		text += fmt.Sprintf(" and %d more", more)
	}
	return text
}

func (c *composer) guard() alert.DigestSection {
	g := c.in.Guard
	title := "ROOTGUARD ITSELF: all checks pass"
	switch {
	case len(g.Faults) > 0:
		title = fmt.Sprintf("ROOTGUARD ITSELF: %s, see rootguard doctor", one(len(g.Faults), "failing check"))
	case g.Checked.IsZero():
		title = "ROOTGUARD ITSELF: not checked yet"
	case c.noHeartbeat():
		title = "ROOTGUARD ITSELF: NO HEARTBEAT, the other checks pass"
	}
	s := section("guard", title)
	faults := slices.Clone(g.Faults)
	slices.SortStableFunc(faults, func(a, b Fault) int {
		if a.Severity != b.Severity {
			return int(b.Severity) - int(a.Severity)
		}
		return a.Since.Compare(b.Since)
	})
	shown := faults[:min(len(faults), shownFaults)]
	for _, f := range shown {
		line := "since " + stamp(f.Since) + ": " + alert.Display(f.Why, 160)
		if f.Unchecked {
			line = alert.Display(f.Check, 40) + " not checked " + line
		}
		s.Lines = append(s.Lines, line)
		if f.Quiet && f.Fix != "" {
			s.Lines = append(s.Lines, "Fix: "+alert.Display(f.Fix, 160))
		}
	}
	if more := len(faults) - len(shown); more > 0 {
		s.Lines = append(s.Lines, "and "+one(more, "more failing check"))
	}
	beat := "The last heartbeat came through at " + stamp(g.Heartbeat)
	if g.Heartbeat.IsZero() {
		beat = "No heartbeat came through in the last hours: run rootguard doctor"
	}
	s.Lines = append(s.Lines, beat, c.lastEvent())
	return s
}

func (c *composer) lastEvent() string {
	if c.tally.LastEvent.IsZero() {
		return "No event is on record yet"
	}
	return "The last event on record is of " + stamp(c.tally.LastEvent)
}

// stamp is a time as the mails of rootguard write it.
func stamp(t time.Time) string {
	if t.IsZero() {
		return "an unknown time"
	}
	return t.UTC().Format("Mon 2006-01-02 15:04 UTC")
}
