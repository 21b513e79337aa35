package evidence

import (
	"encoding/csv"
	"fmt"
	"io"
	"strings"
	"time"
)

// Header is the first line of the CSV.
func Header() []string {
	return []string{"account", "account_name", "as_of", "control", "title", "cis_v3", "cis_v5", "cis_v7", "security_hub", "user",
		"state", "since", "evidence_event_id", "evidence_time", "evidence_actor", "evidence", "note"}
}

// WriteCSV writes the rows as CSV (RFC 4180), times in RFC 3339.
func WriteCSV(w io.Writer, rows []Row) error {
	out := csv.NewWriter(w)
	out.UseCRLF = true
	lines := make([][]string, 0, 1+len(rows))
	lines = append(lines, Header())
	for i := range rows {
		lines = append(lines, rows[i].fields())
	}
	if err := out.WriteAll(lines); err != nil {
		return fmt.Errorf("writing CSV: %w", err)
	}
	return nil
}

func (r *Row) fields() []string {
	fields := []string{r.Account, r.AccountName, stamp(r.AsOf), r.Name, r.Title, r.CISv3, r.CISv5, r.CISv7, r.SecurityHub, r.User,
		string(r.State), stamp(r.Since)}
	if e := r.Evidence; e != nil {
		fields = append(fields, e.EventID, stamp(e.Time), e.Actor, e.What)
	} else {
		fields = append(fields, "", "", "", "")
	}
	fields = append(fields, r.Note)
	for i := range fields {
		fields[i] = inert(fields[i])
	}
	return fields
}

func stamp(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return t.UTC().Format(time.RFC3339)
}

// inert keeps a spreadsheet from taking a cell for a formula, and a reader from
// losing a line: names in an account are text that anyone can choose.
func inert(cell string) string {
	cell = strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7f {
			return ' '
		}
		return r
	}, cell)
	if cell != "" && strings.ContainsRune("=+-@", []rune(strings.TrimLeft(cell, " ") + " ")[0]) {
		return "'" + cell
	}
	return cell
}
