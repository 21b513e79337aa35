package alert

import (
	"fmt"
	"slices"
	"strings"
	"time"
)

// Digest is the status of all accounts, and of rootguard itself, which is sent at
// fixed times whether or not anything happened. Package digest composes it.
type Digest struct {
	At    time.Time `json:"at,omitzero"`    // as of when
	Since time.Time `json:"since,omitzero"` // the digest before it was as of then; what changed since is in it
	Next  time.Time `json:"next,omitzero"`  // when the next one is due

	// NextText is Next in the operator's time zone, with the zone's name.
	NextText string `json:"next_text,omitempty"`

	Counts   DigestCounts    `json:"counts"`
	Sections []DigestSection `json:"sections"`
}

// DigestCounts are the numbers of a digest.
type DigestCounts struct {
	Accounts      int `json:"accounts"`
	Bootstrapped  int `json:"bootstrapped"`
	InProgress    int `json:"in_progress"`
	Regressed     int `json:"regressed"`
	AwaitingMFA   int `json:"awaiting_mfa"`    // IAM users with a console password and no MFA
	PastDeadline  int `json:"past_deadline"`   // of them: the deadline has passed
	OpenIncidents int `json:"open_incidents"`  // critical, not acknowledged
	Announcements int `json:"announcements"`   // of root use, that go on or are to come
	FailingChecks int `json:"failing_checks"`  // of rootguard itself
	NotCovered    int `json:"not_covered"`     // accounts and Regions of which rootguard does not learn everything
	Drills        int `json:"drills,omitzero"` // break-glass drills that are overdue
}

// DigestSection is one topic of a digest.
type DigestSection struct {
	ID    string   `json:"id"`             // such as "accounts"
	Title string   `json:"title"`          // a short statement, complete by itself
	Lines []string `json:"lines,omitzero"` // the worst first
	More  int      `json:"more,omitzero"`  // lines left out
}

// The bounds of a digest, as it is published.
const (
	digestSections  = 14
	digestLines     = 16 // of a section
	digestAllLines  = 60 // of all sections, whose titles come besides
	digestChatLines = 4  // of a section, in chat
)

// bounded is the digest within its limits. What does not fit is counted.
func (d *Digest) bounded() *Digest {
	if d == nil {
		return nil
	}
	b := *d
	b.At, b.Since, b.Next, b.NextText = utc(d.At), utc(d.Since), utc(d.Next), trim(d.NextText, nameLimit)
	b.Sections = make([]DigestSection, 0, min(len(d.Sections), digestSections))
	room := digestAllLines
	for _, s := range d.Sections[:min(len(d.Sections), digestSections)] {
		n := min(len(s.Lines), digestLines, room)
		room -= n
		short := DigestSection{ID: trim(s.ID, wordLimit), Title: trim(s.Title, nameLimit), More: s.More + len(s.Lines) - n}
		for _, l := range s.Lines[:n] {
			short.Lines = append(short.Lines, trim(l, 2*lineLimit))
		}
		b.Sections = append(b.Sections, short)
	}
	return &b
}

// lines counts the lines of all sections.
func (d *Digest) lines() int {
	n := 0
	if d != nil {
		for i := range d.Sections {
			n += len(d.Sections[i].Lines)
		}
	}
	return n
}

// halved is the digest with half the lines of each section.
func (d *Digest) halved() *Digest {
	h := *d
	h.Sections = slices.Clone(d.Sections)
	for i := range h.Sections {
		s := &h.Sections[i]
		n := len(s.Lines) / 2
		s.More += len(s.Lines) - n
		s.Lines = s.Lines[:n:n]
	}
	return &h
}

// more says how many lines a section leaves out.
func (s *DigestSection) more() string { return fmt.Sprintf("and %d more", s.More) }

// expect is the sentence by which a person notices that rootguard is silent.
func (d *Digest) expect() string {
	if d.NextText == "" {
		return ""
	}
	return "The next digest comes on " + display(d.NextText, 80) + ". If it does not come, rootguard is not working: run rootguard doctor"
}

// digestText is the body of the e-mail: when to expect the next one, then a block
// of lines for each section.
func digestText(a Alert) string {
	d := a.Digest.bounded()
	lines := []string{
		"Digest:  " + strings.TrimPrefix(display(a.Finding.Title, 150), "Digest: "),
		"As of:   " + full(d.At),
	}
	if !d.Since.IsZero() {
		lines = append(lines, "Before:  the last digest was as of "+full(d.Since))
	}
	lines = append(lines, "From:    rootguard in account "+account(a))
	lines = append(lines, wrap("Next:    ", d.expect())...)
	for i := range d.Sections {
		s := &d.Sections[i]
		lines = append(lines, "", display(s.Title, 150))
		for _, l := range s.Lines {
			lines = append(lines, "  - "+display(l, lineLimit-4))
		}
		if s.More > 0 {
			lines = append(lines, "  - "+s.more())
		}
	}
	lines = append(lines, "", identifiers(&a.Finding))
	for i, l := range lines {
		lines[i] = cut(l, lineLimit)
	}
	return strings.Join(lines, "\n") + "\n"
}

// digestChat is the description of the digest in chat, at most about 4,000 characters.
func digestChat(d *Digest) string {
	d = d.bounded()
	const most = 3600
	lines := []string{plain(d.expect(), 300)}
	size := len([]rune(lines[0]))
	for i := range d.Sections {
		s := &d.Sections[i]
		n := min(len(s.Lines), digestChatLines)
		block := []string{plain(s.Title, 150)}
		for _, l := range s.Lines[:n] {
			block = append(block, "• "+plain(l, 160))
		}
		if more := s.More + len(s.Lines) - n; more > 0 {
			block = append(block, fmt.Sprintf("• and %d more", more))
		}
		text := strings.Join(block, "\n")
		if size += len([]rune(text)) + 1; size > most {
			lines = append(lines, "The rest is in the e-mail, and in rootguard digest --aws")
			break
		}
		lines = append(lines, text)
	}
	return strings.Join(lines, "\n")
}
