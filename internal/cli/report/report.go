// Package report renders what a store knows as one self-contained HTML page: no
// network, no file beside it. Of many accounts the page has one script, which
// searches, sorts and pages their table; without it the page shows them all.
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
	"rootguard/internal/daytwo"
	"rootguard/internal/detect"
)

// Report is what a page shows.
type Report struct {
	Made     time.Time // when the page was made
	Live     bool      // they are the deployed guard's, which also asks IAM
	Source   string    // where its data come from, e.g. the store's path
	Version  string    // of rootguard
	Accounts []Account // in any order
	Alerts   []Alert   // in any order

	// Incidents are those that are open, in any order. HasIncidents says that they
	// are known: a store of logs has none.
	Incidents    []Incident
	HasIncidents bool

	Coverage Coverage // zero: it is not known, and not shown
}

// Incident is an incident that no one has acknowledged.
type Incident struct {
	ID       string
	Account  string
	Severity detect.Severity
	Title    string
	Opened   time.Time
	Events   int
}

// Account is one account's part of the page.
type Account struct {
	Name   string // what people call it; may be empty
	Status bootstrap.Status
	DayTwo []daytwo.View // the steps of day two that are checked
}

// Alert is one finding that was alerted, with the repeats rolled up into it.
type Alert struct {
	Finding  detect.Finding
	RolledUp int // events of the same kind and session that it stands for beyond its own
	Count    int // events that made it, where it takes several; else 0
}

//go:embed page.html.tmpl
var pageTemplate string

//go:embed page.css
var pageStyle string

//go:embed page.js
var pageScript string

const (
	// pageAccounts is how many accounts need no script to be searched.
	pageAccounts = 20
	// maxDetails, maxFindings and maxAwaiting bound what is shown one by one: of an
	// organization's accounts the first, which need attention most.
	maxDetails  = 300
	maxFindings = 5000
	maxAwaiting = 1000
	// maxRules bounds the accounts that the style filters by; beyond, the script does.
	maxRules = 100
)

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

	Regions *regions // nil: not shown

	Script       template.JS // "" of few accounts
	Detailed     []section   // the first of Sections
	Brief        bool        // some accounts are not among them
	AwaitingRows []awaitingRow
	OpenRows     []incidentRow
	Critical     int // findings, of all severities All; LeftOut are not on the page
	All          int
	LeftOut      int
}

type awaitingRow struct {
	bootstrap.UserStatus
	Account, AccountName string
	AsOf                 time.Time
}

type incidentRow struct {
	Incident
	AccountName string
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
	Incidents int    // that are open
	Worst     string // severity of the worst alert
	Regions   string // of logs, in which Regions events were read; "" where it is not known
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
		"brief":    shortStep,
		"key":      func(s section) string { return strings.ToLower(alert.Display(s.Name+" "+s.Status.Account, 4096)) },
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

// shortStep is a step in the picture of a journey.
func shortStep(s bootstrap.Step) string {
	switch s {
	case bootstrap.RootMFA:
		return "Root MFA"
	case bootstrap.RootKeysAbsent:
		return "No root keys"
	case bootstrap.AdminUser:
		return "Administrator"
	case bootstrap.AdminSignedIn:
		return "Signed in"
	case bootstrap.AdminPasswordChanged:
		return "Own password"
	case bootstrap.AdminMFA:
		return "Admin MFA"
	case bootstrap.RootQuiet:
		return "Root left alone"
	default:
		return string(s)
	}
}

// attention orders accounts: those that need attention first.
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
		for _, u := range s.Awaiting {
			p.AwaitingRows = append(p.AwaitingRows, awaitingRow{u, a.Status.Account, a.Name, a.Status.AsOf})
		}
		if a.Status.Bootstrapped {
			p.Done++
		}
		p.Sections = append(p.Sections, s)
	}

	p.Regions = newRegions(&r.Coverage, p.Sections)
	p.Detailed = p.Sections[:min(len(p.Sections), maxDetails)]
	p.Brief = len(p.Detailed) < len(p.Sections)
	slices.SortStableFunc(p.AwaitingRows, func(a, b awaitingRow) int { return a.GraceDeadline.Compare(b.GraceDeadline) })
	p.AwaitingRows = p.AwaitingRows[:min(len(p.AwaitingRows), maxAwaiting)]
	for _, in := range r.Incidents {
		row := incidentRow{Incident: in}
		if i, known := index[in.Account]; known {
			row.AccountName = r.Accounts[i].Name
			p.Sections[i].Incidents++
		}
		p.OpenRows = append(p.OpenRows, row)
	}
	slices.SortFunc(p.OpenRows, func(a, b incidentRow) int {
		return cmp.Or(cmp.Compare(b.Severity, a.Severity), b.Opened.Compare(a.Opened), strings.Compare(a.ID, b.ID))
	})

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
	p.All = len(p.Rows)
	if p.LeftOut = max(0, p.All-maxFindings); p.LeftOut > 0 {
		slices.SortFunc(p.Rows, func(a, b row) int {
			return cmp.Or(cmp.Compare(b.Finding.Severity, a.Finding.Severity), newer(a, b))
		})
		p.Rows = p.Rows[:maxFindings]
	}
	slices.SortFunc(p.Rows, newer)
	for i := range p.Rows {
		p.Rows[i].Index = i
	}
	p.finish(counts)
	return p
}

// newer orders findings, the latest first.
func newer(a, b row) int {
	return cmp.Or(b.Finding.EventTime.Compare(a.Finding.EventTime), cmp.Compare(b.Finding.Severity, a.Finding.Severity),
		cmp.Compare(a.Finding.Account, b.Finding.Account), cmp.Compare(a.Finding.EventID, b.Finding.EventID))
}

// finish makes what is made of all accounts and findings.
func (p *page) finish(counts map[detect.Severity]int) {
	for _, s := range severities {
		p.Severities = append(p.Severities, severityCount{s.String(), counts[s]})
	}
	p.Critical = counts[detect.Critical]
	if len(p.Rows) > 0 {
		p.Timelines = []timeline{newTimeline("wide", 1040, 8, p.Rows), newTimeline("narrow", 340, 3, p.Rows)}
	}
	p.Style = template.CSS(pageStyle) //nolint:gosec // a constant of this package
	p.FilterCSS = filterCSS(len(p.Sections))
	scripts := ""
	if len(p.Sections) > pageAccounts {
		p.Script = template.JS(pageScript) //nolint:gosec // a constant of this package
		scripts = " script-src " + hash(pageScript) + ";"
	}
	p.CSP = "default-src 'none';" + scripts + " style-src " + hash(string(p.Style)) + " " + hash(string(p.FilterCSS)) +
		"; img-src data:; base-uri 'none'; form-action 'none'"
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
	if accounts > maxRules {
		accounts = 0 // the script does it
	}
	for i := range accounts {
		n := strconv.Itoa(i)
		fmt.Fprintf(&b, "body:has(#account option[value=\"%[1]s\"]:checked) .finding:not(.acc-%[1]s){display:none}\n", n)
	}
	return template.CSS(b.String()) //nolint:gosec // made of numbers and severity names alone
}

// hash is the source expression of a style or script in a content security policy.
func hash(text string) string {
	sum := sha256.Sum256([]byte(text))
	return "'sha256-" + base64.StdEncoding.EncodeToString(sum[:]) + "'"
}
