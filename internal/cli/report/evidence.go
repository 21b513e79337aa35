package report

import (
	"bytes"
	_ "embed" // the page's template
	"fmt"
	"html/template"
	"io"
	"strings"
	"time"

	"rootguard/internal/cli/label"
	"rootguard/internal/evidence"
)

// Evidence is what the page for auditors shows.
type Evidence struct {
	Made    time.Time // when the page was made
	Live    bool      // the rows also come of live checks of a deployed guard
	Source  string    // where its data come from
	Version string    // of rootguard
	Rows    []evidence.Row
}

//go:embed evidence.html.tmpl
var evidenceTemplate string

// evidenceStyle is what its table needs beyond the report's style.
const evidenceStyle = `.wide{overflow-x:auto}.evidence table{min-width:720px}.evidence tr{break-inside:avoid}.evidence .verdict,.evidence td.mono{white-space:nowrap}`

// evidencePage is what the template gets.
type evidencePage struct {
	Evidence
	CSP                                 string
	Style                               template.CSS
	Accounts                            []evidenceAccount
	Met, NotMet, Unknown, NotApplicable int
}

type evidenceAccount struct {
	ID, Name string
	AsOf     time.Time
	Rows     []evidence.Row
}

// WriteEvidence writes the page for auditors.
func WriteEvidence(w io.Writer, e Evidence) error {
	t, err := template.New("evidence").Funcs(template.FuncMap{
		"time":  label.Time,
		"iso":   func(t time.Time) string { return t.UTC().Format(time.RFC3339) },
		"words": func(s evidence.State) string { return strings.ReplaceAll(string(s), "_", " ") },
		"tone": func(s evidence.State) string {
			switch s {
			case evidence.Met:
				return " good"
			case evidence.NotMet:
				return " bad"
			default:
				return ""
			}
		},
	}).Parse(evidenceTemplate)
	if err != nil {
		return fmt.Errorf("parsing the template of the evidence: %w", err)
	}
	p := evidencePage{Evidence: e, Style: template.CSS(pageStyle + evidenceStyle)} //nolint:gosec // constants of this package
	p.CSP = "default-src 'none'; style-src " + hash(string(p.Style)) + "; img-src data:; base-uri 'none'; form-action 'none'"
	for _, r := range e.Rows {
		if n := len(p.Accounts); n == 0 || p.Accounts[n-1].ID != r.Account {
			p.Accounts = append(p.Accounts, evidenceAccount{ID: r.Account, Name: r.AccountName, AsOf: r.AsOf})
		}
		a := &p.Accounts[len(p.Accounts)-1]
		a.Rows = append(a.Rows, r)
		switch r.State {
		case evidence.Met:
			p.Met++
		case evidence.NotMet:
			p.NotMet++
		case evidence.Unknown:
			p.Unknown++
		case evidence.NotApplicable:
			p.NotApplicable++
		}
	}
	var b bytes.Buffer
	if err := t.Execute(&b, p); err != nil {
		return fmt.Errorf("rendering the evidence: %w", err)
	}
	if _, err := io.WriteString(w, label.CleanText(b.String())); err != nil {
		return fmt.Errorf("writing the evidence: %w", err)
	}
	return nil
}
