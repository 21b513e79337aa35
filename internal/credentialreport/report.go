// Package credentialreport reads the credential report of AWS IAM, a CSV file
// with a row for root and one for each IAM user of an account (IAM User Guide,
// "Generate credential reports for your AWS account").
package credentialreport

import (
	"bytes"
	"encoding/csv"
	"errors"
	"fmt"
	"strings"
	"time"

	"rootguard/internal/cloudtrail"
)

// RootUser is the value of the column "user" in the row of the root user.
const RootUser = "<root_account>"

const (
	maxLine  = 64 << 10 // bytes; a row has about 400
	maxNamed = 5        // defects described
)

// Row is one user of the report. What a report does not say is the zero value:
// a column that is missing, and the values N/A, no_information and not_supported.
type Row struct {
	User    string // RootUser for root
	ARN     string
	Created time.Time

	PasswordEnabled cloudtrail.Answer
	// PasswordLastUsed is when the password was last used to sign in. Of several
	// uses in five minutes it is the first.
	PasswordLastUsed time.Time
	MFAActive        cloudtrail.Answer

	Keys         [2]Key
	Certificates [2]cloudtrail.Answer // whether a signing certificate is active
}

// Key is an access key of a user. When a key is deleted, the other one may take
// its place: a place does not name a key.
type Key struct {
	Active      cloudtrail.Answer
	LastRotated time.Time // created, or activated or deactivated
	// LastUsed is when the key last signed a request, with Region and Service of
	// that request. Of several uses in 15 minutes it is the first.
	LastUsed time.Time
	Region   string // "" where the service has none
	Service  string // namespace: "s3"
}

// Root reports whether the row is the root user's.
func (r *Row) Root() bool { return r.User == RootUser }

// Defect is something in a report that could not be read.
type Defect struct {
	Line int // the header is line 1
	What string
}

func (d Defect) String() string { return fmt.Sprintf("line %d: %s", d.Line, d.What) }

// Defects are what could not be read: lines that were skipped, and values that
// were left out of their row.
type Defects struct {
	Count int
	First []Defect // the first few
}

func (d *Defects) add(line int, format string, args ...any) {
	if d.Count++; len(d.First) < maxNamed {
		d.First = append(d.First, Defect{line, fmt.Sprintf(format, args...)})
	}
}

// Read calls row for each row of a report in its order, until row returns false.
// Columns are found by name, in any order, and unknown ones are ignored. A line
// that cannot be read is a defect and stops nothing; a header without the column
// "user" is an error, as no row means anything then. Beyond the report itself it
// holds one row in memory, and row may keep what it gets.
func Read(report []byte, row func(Row) bool) (Defects, error) {
	var defects Defects
	report = bytes.TrimPrefix(report, []byte("\ufeff"))
	var columns map[string]int
	width := 0
	for number := 1; len(report) > 0; number++ {
		var line []byte
		line, report, _ = bytes.Cut(report, []byte("\n"))
		line = bytes.TrimSuffix(line, []byte("\r"))
		if len(bytes.TrimSpace(line)) == 0 {
			continue
		}
		if len(line) > maxLine {
			if columns == nil {
				return defects, fmt.Errorf("reading credential report: its header has %d bytes", len(line))
			}
			defects.add(number, "it has %d bytes, and at most %d are read", len(line), maxLine)
			continue
		}
		fields, err := split(string(line))
		if columns == nil {
			if err != nil {
				return defects, fmt.Errorf("reading the header of the credential report: %w", err)
			}
			if columns = columnsOf(fields); !has(columns, "user") {
				return defects, fmt.Errorf("reading credential report: its header %.100q has no column \"user\"", line)
			}
			width = len(fields)
			continue
		}
		switch {
		case err != nil:
			defects.add(number, "%v", err)
			continue
		case len(fields) != width:
			defects.add(number, "it has %d fields, and the header has %d", len(fields), width)
			continue
		}
		r := record{columns, fields, number, &defects}
		one := r.row()
		if one.User == "" {
			defects.add(number, "it names no user")
			continue
		}
		if !row(one) {
			return defects, nil
		}
	}
	if columns == nil {
		return defects, errors.New("reading credential report: it is empty")
	}
	return defects, nil
}

func columnsOf(header []string) map[string]int {
	columns := make(map[string]int, len(header))
	for i, name := range header {
		name = strings.ToLower(strings.TrimSpace(name))
		if !has(columns, name) {
			columns[name] = i
		}
	}
	return columns
}

func has(columns map[string]int, name string) bool {
	_, ok := columns[name]
	return ok
}

// split splits a line. No field of a report has a line break, so that a quote
// that is not closed spoils one line alone.
func split(line string) ([]string, error) {
	if !strings.Contains(line, `"`) {
		return strings.Split(line, ","), nil
	}
	fields, err := csv.NewReader(strings.NewReader(line)).Read()
	if err != nil {
		var parse *csv.ParseError
		if errors.As(err, &parse) {
			err = parse.Err // the line is not known to it
		}
		return nil, fmt.Errorf("splitting it: %w", err)
	}
	return fields, nil
}

// record is one line.
type record struct {
	columns map[string]int
	fields  []string
	line    int
	defects *Defects
}

func (r *record) row() Row {
	row := Row{
		User:             r.text("user"),
		ARN:              r.text("arn"),
		Created:          r.moment("user_creation_time"),
		PasswordEnabled:  r.answer("password_enabled"),
		PasswordLastUsed: r.moment("password_last_used"),
		MFAActive:        r.answer("mfa_active"),
	}
	for i, slot := range []string{"1", "2"} {
		row.Keys[i] = Key{
			Active:      r.answer("access_key_" + slot + "_active"),
			LastRotated: r.moment("access_key_" + slot + "_last_rotated"),
			LastUsed:    r.moment("access_key_" + slot + "_last_used_date"),
			Region:      r.text("access_key_" + slot + "_last_used_region"),
			Service:     r.text("access_key_" + slot + "_last_used_service"),
		}
		row.Certificates[i] = r.answer("cert_" + slot + "_active")
	}
	return row
}

// text is a value, "" where there is none.
func (r *record) text(column string) string {
	i, ok := r.columns[column]
	if !ok {
		return ""
	}
	value := strings.TrimSpace(r.fields[i])
	switch strings.ToLower(value) {
	case "n/a", "no_information", "not_supported":
		return ""
	}
	return value
}

func (r *record) answer(column string) cloudtrail.Answer {
	switch value := r.text(column); strings.ToLower(value) {
	case "true":
		return cloudtrail.Yes
	case "false":
		return cloudtrail.No
	case "":
	default:
		r.defects.add(r.line, "%s is %.40q, neither true nor false", column, value)
	}
	return cloudtrail.Unknown
}

func (r *record) moment(column string) time.Time {
	value := r.text(column)
	if value == "" {
		return time.Time{}
	}
	at, err := time.Parse(time.RFC3339, value)
	if err != nil || at.Year() < 2000 {
		r.defects.add(r.line, "%s is %.40q, which is no time", column, value)
		return time.Time{}
	}
	return at.UTC()
}
