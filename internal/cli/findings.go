package cli

import (
	"encoding/json"
	"fmt"
	"io"
	"strings"

	"rootguard/internal/detect"
)

type findingsCmd struct {
	JSON     bool `xor:"form" help:"Print them as a JSON array."`
	Markdown bool `xor:"form" help:"Print them as a Markdown table."`
}

// Help has examples.
func (findingsCmd) Help() string {
	return `Examples:
  rootguard findings
  rootguard findings --json | jq '.[] | select(.severity == "critical").id'`
}

// Run lists the catalogue.
func (c findingsCmd) Run(sys system) error {
	entries := detect.Catalogue()
	switch {
	case c.JSON:
		type entry struct {
			ID       detect.ID       `json:"id"`
			Severity detect.Severity `json:"severity"`
			Title    string          `json:"title"`
			Meaning  string          `json:"meaning"`
			CIS      []string        `json:"cis"` // as 3.0.0 numbers them
			CISv5    []string        `json:"cis_5.0.0"`
			CISv7    []string        `json:"cis_7.0.0"`
			ATTACK   []string        `json:"attack"`
			NextStep string          `json:"next_step"`
			Rules    []string        `json:"rules"` // deployed rules that deliver its events; none: no event shows it
		}
		out := make([]entry, 0, len(entries))
		for _, e := range entries {
			out = append(out, entry{e.ID, e.Severity, e.Title, e.Meaning, nonNil(e.CIS), nonNil(detect.CISIn("5.0.0", e.ID, e.CIS)),
				nonNil(detect.CISIn("7.0.0", e.ID, e.CIS)), nonNil(e.ATTACK), e.NextStep, nonNil(e.Rules)})
		}
		return writeJSON(sys.stdout, out)
	case c.Markdown:
		var b strings.Builder
		b.WriteString("| Finding | Severity | Meaning | CIS AWS 3.0.0; 5.0.0; 7.0.0 | ATT&CK | Next step | Rule |\n|---|---|---|---|---|---|---|\n")
		for _, e := range entries {
			fmt.Fprintf(&b, "| `%s` | %s | %s | %s | %s | %s | %s |\n", e.ID, e.Severity, cell(e.Meaning), controls(e, "%[2]s"),
				strings.Join(e.ATTACK, ", "), cell(e.NextStep), strings.Join(e.Rules, ", "))
		}
		return writeText(sys.stdout, b.String())
	default:
		p := sys.paint()
		var b strings.Builder
		for i, e := range entries {
			if i > 0 {
				b.WriteString("\n")
			}
			fmt.Fprintf(&b, "%s  %s\n", p.bold(string(e.ID)), p.severity(e.Severity.String(), e.Severity.String()))
			for _, text := range []string{e.Meaning, "Next: " + e.NextStep} {
				b.WriteString("  " + strings.Join(wrap(text, sys.outputWidth()-4), "\n    ") + "\n")
			}
			var refs []string
			if len(e.CIS) > 0 {
				refs = append(refs, "CIS AWS "+controls(e, "v%[1]s %[2]s"))
			}
			if len(e.ATTACK) > 0 {
				refs = append(refs, "ATT&CK "+strings.Join(e.ATTACK, ", "))
			}
			fmt.Fprintf(&b, "  %s\n", p.faint(strings.Join(wrap(strings.Join(refs, "; "), sys.outputWidth()-4), "\n    ")))
		}
		return writeText(sys.stdout, b.String())
	}
}

// controls are an entry's in each version of the benchmark, written by a format
// of version and numbers.
func controls(e detect.Entry, format string) string {
	versions := detect.CISVersions()
	all := make([]string, 0, len(versions))
	for _, version := range versions {
		all = append(all, fmt.Sprintf(format, version, strings.Join(detect.CISIn(version, e.ID, e.CIS), ", ")))
	}
	return strings.Join(all, "; ")
}

func nonNil(s []string) []string {
	if s == nil {
		return []string{}
	}
	return s
}

// cell is text in a Markdown table.
func cell(s string) string { return strings.ReplaceAll(s, "|", `\|`) }

func writeText(w io.Writer, s string) error {
	if _, err := io.WriteString(w, s); err != nil {
		return fmt.Errorf("writing output: %w", err)
	}
	return nil
}

func writeJSON(w io.Writer, v any) error {
	enc := json.NewEncoder(w)
	enc.SetIndent("", "  ")
	enc.SetEscapeHTML(false)
	if err := enc.Encode(v); err != nil {
		return fmt.Errorf("writing output: %w", err)
	}
	return nil
}
