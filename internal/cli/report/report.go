// Package report renders what a store knows as one self-contained HTML page: no
// script, no network, no file beside it.
package report

import (
	"bytes"
	"cmp"
	"crypto/sha256"
	_ "embed" // the page's template and style
	"encoding/base64"
	"fmt"
	"html/template"
	"io"
	"slices"
	"strconv"
	"strings"
	"time"

	"rootguard/internal/alert"
	"rootguard/internal/bootstrap"
	"rootguard/internal/cli/label"
	"rootguard/internal/detect"
)

// Report is what a page tells.
type Report struct {
	Made     time.Time // when the page was made
	Live     bool      // they are the deployed guard's, which also asks IAM
	Source   string    // where its data come from, e.g. the store's path
	Version  string    // of rootguard
	Accounts []Account // in any order
	Alerts   []Alert   // in any order
}

// Account is one account's part of the page.
type Account struct {
	Name   string // what people call it; may be empty
	Status bootstrap.Status
}

// Alert is one finding that was alerted, with the repeats rolled up into it.
type Alert struct {
	Finding  detect.Finding
	RolledUp int // events of the same kind and session that it stands for beyond its own
	State    string
}

//go:embed page.html.tmpl
var pageTemplate string

//go:embed page.css
var pageStyle string

// severities are listed the worst first.
var severities = []detect.Severity{detect.Critical, detect.High, detect.Medium, detect.Low, detect.Info}

// page is what the template gets.
type page struct {
	Report
	CSP        string
	Style      template.CSS
	FilterCSS  template.CSS
	Sections   []section
	Rows       []row
	Severities []severityCount
	Timelines  []timeline
	Events     int // alerts and the events rolled up into them
	First      time.Time
	Last       time.Time
	Done       int // accounts that are bootstrapped
	Awaiting   int // users who can sign in and have no MFA
	Open       bool
}

type severityCount struct {
	Name  string
	Count int
}

type section struct {
	Account
	Index     int
	Done      int
	Of        int
	Verdict   string
	Tone      string // "good", "bad" or "open": how the verdict is colored
	Awaiting  []bootstrap.UserStatus
	Others    []bootstrap.UserStatus
	Alerts    int
	Worst     string // severity of the worst alert
	HasAlerts bool
}

type row struct {
	Alert
	Index        int
	AccountIndex int
	AccountName  string
}

// Write writes the page.
func Write(w io.Writer, r Report) error {
	t, err := template.New("page").Funcs(template.FuncMap{
		"step":     label.Step,
		"state":    label.State,
		"glyph":    func(s bootstrap.State) string { return label.Glyph(s, true) },
		"mfa":      label.MFA,
		"time":     label.Time,
		"iso":      func(t time.Time) string { return t.UTC().Format(time.RFC3339) },
		"deadline": label.Deadline,
		"join":     strings.Join,
		"show":     func(s string) string { return alert.Display(s, 4096) },
		"origin":   func(s string) string { return alert.DisplayOrigin(s, 120) },
		"short":    func(t time.Time) string { return t.UTC().Format("2006-01-02 15:04:05") },
		"laneSpan": func(lanes int) int { return lanes*laneHeight + 2*laneTop - 8 },
		"axisY":    func(height int) int { return height - 24 },
		"pauseY":   func() int { return laneTop + len(severities)*laneHeight/2 },
	}).Parse(pageTemplate)
	if err != nil {
		return fmt.Errorf("parsing the report's template: %w", err)
	}
	var b bytes.Buffer
	if err := t.Execute(&b, newPage(r)); err != nil {
		return fmt.Errorf("rendering the report: %w", err)
	}
	if _, err := io.WriteString(w, label.CleanText(b.String())); err != nil {
		return fmt.Errorf("writing the report: %w", err)
	}
	return nil
}

// attention orders accounts: those that need somebody first.
func attention(a, b Account) int {
	regressed := func(s bootstrap.Status) (n int) {
		for _, step := range s.Steps {
			if step.State == bootstrap.Regressed {
				n++
			}
		}
		return n
	}
	awaiting := func(s bootstrap.Status) (n int) {
		for _, u := range s.Users {
			if label.AwaitsMFA(u) {
				n++
			}
		}
		return n
	}
	finished := func(s bootstrap.Status) int {
		if s.Bootstrapped {
			return 1
		}
		return 0
	}
	return cmp.Or(cmp.Compare(regressed(b.Status), regressed(a.Status)), cmp.Compare(awaiting(b.Status), awaiting(a.Status)),
		cmp.Compare(finished(a.Status), finished(b.Status)), cmp.Compare(a.Status.Account, b.Status.Account))
}

func newPage(r Report) page {
	r.Accounts = slices.SortedFunc(slices.Values(r.Accounts), attention)
	p := page{Report: r, Open: len(r.Accounts) <= 2}
	index := map[string]int{}
	for i, a := range r.Accounts {
		index[a.Status.Account] = i
		s := section{Account: a, Index: i, Verdict: label.Verdict(a.Status), Tone: tone(a.Status)}
		s.Done, s.Of = label.Progress(a.Status)
		for _, u := range a.Status.Users {
			if label.AwaitsMFA(u) {
				s.Awaiting = append(s.Awaiting, u)
			} else {
				s.Others = append(s.Others, u)
			}
		}
		p.Awaiting += len(s.Awaiting)
		if a.Status.Bootstrapped {
			p.Done++
		}
		p.Sections = append(p.Sections, s)
	}

	counts := map[detect.Severity]int{}
	for _, a := range r.Alerts {
		i, known := index[a.Finding.Account]
		if !known {
			i = len(r.Accounts)
		}
		rw := row{Alert: a, AccountIndex: i}
		if known {
			rw.AccountName = r.Accounts[i].Name
			s := &p.Sections[i]
			if !s.HasAlerts || worse(a.Finding.Severity, s.Worst) {
				s.Worst = a.Finding.Severity.String()
			}
			s.HasAlerts = true
			s.Alerts++
		}
		counts[a.Finding.Severity]++
		p.Events += 1 + a.RolledUp
		p.Rows = append(p.Rows, rw)
		if at := a.Finding.EventTime; p.First.IsZero() || at.Before(p.First) {
			p.First = at
		}
		if at := a.Finding.EventTime; at.After(p.Last) {
			p.Last = at
		}
	}
	slices.SortFunc(p.Rows, func(a, b row) int {
		return cmp.Or(b.Finding.EventTime.Compare(a.Finding.EventTime), cmp.Compare(b.Finding.Severity, a.Finding.Severity),
			cmp.Compare(a.Finding.Account, b.Finding.Account), cmp.Compare(a.Finding.EventID, b.Finding.EventID))
	})
	for i := range p.Rows {
		p.Rows[i].Index = i
	}
	for _, s := range severities {
		p.Severities = append(p.Severities, severityCount{s.String(), counts[s]})
	}
	if len(p.Rows) > 0 {
		p.Timelines = []timeline{newTimeline("wide", 1040, 8, p.Rows), newTimeline("narrow", 340, 3, p.Rows)}
	}
	p.Style = template.CSS(pageStyle) //nolint:gosec // a constant of this package
	p.FilterCSS = filterCSS(len(r.Accounts))
	p.CSP = "default-src 'none'; style-src " + hash(p.Style) + " " + hash(p.FilterCSS) + "; img-src data:; base-uri 'none'; form-action 'none'"
	return p
}

// worse reports whether s ranks above the severity of that name.
func worse(s detect.Severity, name string) bool {
	var other detect.Severity
	return other.UnmarshalText([]byte(name)) == nil && s > other
}

func tone(s bootstrap.Status) string {
	for _, step := range s.Steps {
		if step.State == bootstrap.Regressed {
			return "bad"
		}
	}
	if s.Bootstrapped {
		return "good"
	}
	return "open"
}

// filterCSS hides what the filters leave out. Checkboxes and :has() do it
// without a script, which the page's policy would not let run.
func filterCSS(accounts int) template.CSS {
	var b strings.Builder
	for _, s := range severities {
		fmt.Fprintf(&b, "body:has(#show-%[1]s:not(:checked)) .sev-%[1]s.filtered{display:none}\n", s)
	}
	for i := range accounts {
		n := strconv.Itoa(i)
		fmt.Fprintf(&b, "body:has(#account option[value=\"%[1]s\"]:checked) .finding:not(.acc-%[1]s){display:none}\n", n)
	}
	return template.CSS(b.String()) //nolint:gosec // made of numbers and severity names alone
}

// hash is a style's source expression in a content security policy.
func hash(style template.CSS) string {
	sum := sha256.Sum256([]byte(style))
	return "'sha256-" + base64.StdEncoding.EncodeToString(sum[:]) + "'"
}
