package cloudtrail

import (
	"bytes"
	"encoding/csv"
	"errors"
	"io"
	"slices"
	"strings"
)

// recordColumns are the columns of CSV that have whole records, in the order in
// which they are looked for: CloudTrail Lake and Athena, CloudWatch Logs
// Insights, Splunk and Sumo Logic, LookupEvents, and what people call them.
var recordColumns = []string{"eventjson", "event_json", "@message", "_raw", "cloudtrailevent", "event.original", "event_original",
	"message", "raw", "record", "event"}

// csvWords are columns by which CSV is known.
var csvWords = append([]string{"eventname", "event name", "eventtime", "event time", "eventversion", "useridentity", "@timestamp",
	"_source", "event id", "eventid"}, recordColumns...)

// isCSV reports whether the text begins with a line of column names: with one
// that a table of events has, or with three and as many in the next line.
func isCSV(b []byte) bool {
	line, next, whole := bytes.Cut(b, []byte("\n"))
	if !whole && len(b) >= head {
		line = line[:bytes.LastIndexByte(line, ',')+1]
	}
	if len(line) == 0 || bytes.IndexByte(line, '{') >= 0 {
		return false
	}
	sep := string(comma(line))
	names := columnNames(strings.Split(string(line), sep))
	if slices.ContainsFunc(names, func(name string) bool { return slices.Contains(csvWords, name) }) {
		return true
	}
	next, _, _ = bytes.Cut(next, []byte("\n"))
	return len(names) >= 3 && !slices.ContainsFunc(names, func(name string) bool { return !isColumnName(name) }) &&
		(bytes.Count(next, []byte(sep)) >= len(names)-1 || len(b) >= head)
}

func isColumnName(name string) bool {
	return name != "" && len(name) <= 64 && !strings.ContainsAny(name, "=:;<>(){}[]|") && !isDigit(name[0])
}

func comma(line []byte) rune {
	for _, c := range ",;\t" {
		if bytes.ContainsRune(line, c) {
			return c
		}
	}
	return ','
}

func columnNames(header []string) []string {
	names := make([]string, len(header))
	for i, name := range header {
		names[i] = strings.ToLower(strings.Trim(strings.TrimSpace(name), `"`))
	}
	return names
}

// csvReader makes JSON lines of CSV: the column with the record, or else an
// object of all columns, from which fromColumns may make a record.
type csvReader struct {
	src   io.Reader
	in    *csv.Reader
	names []string
	only  int // the column with the record, -1 where there is none
	text  bytes.Buffer
	err   error
}

func newCSVReader(src io.Reader) *csvReader { return &csvReader{src: src, only: -1} }

func (r *csvReader) Read(b []byte) (int, error) {
	for r.text.Len() == 0 && r.err == nil {
		r.row()
	}
	if r.text.Len() == 0 {
		return 0, r.err
	}
	return r.text.Read(b) //nolint:wrapcheck // there is none
}

func (r *csvReader) row() {
	if r.in == nil {
		r.header()
		return
	}
	row, err := r.in.Read()
	if parse, ok := errors.AsType[*csv.ParseError](err); ok {
		r.text.WriteString("broken CSV in line ")
		r.text.WriteString(parse.Error())
		r.text.WriteByte('\n')
		return
	}
	if err != nil {
		r.err = err
		return
	}
	switch {
	case r.only >= 0 && r.only < len(row) && row[r.only] != "":
		r.text.WriteString(strings.ReplaceAll(row[r.only], "\n", " "))
	default:
		r.object(row)
	}
	r.text.WriteByte('\n')
}

func (r *csvReader) header() {
	start := make([]byte, head)
	n, err := io.ReadFull(r.src, start)
	if n == 0 {
		r.err = err
		return
	}
	line, _, _ := bytes.Cut(start[:n], []byte("\n"))
	r.in = csv.NewReader(io.MultiReader(bytes.NewReader(start[:n]), r.src))
	r.in.Comma, r.in.LazyQuotes, r.in.FieldsPerRecord, r.in.ReuseRecord = comma(line), true, -1, true
	header, err := r.in.Read()
	if err != nil {
		r.err = err
		return
	}
	r.names = columnNames(header)
	for _, name := range recordColumns {
		if at := slices.Index(r.names, name); at >= 0 {
			r.only = at
			return
		}
	}
	if slices.Contains(r.names, "event name") || slices.Contains(r.names, "event time") {
		r.err = &NotRead{Form: "CSV of the console's Event history, which has some columns of each record",
			Fix: "download the events as JSON there, or use rootguard replay --aws-lookup"}
	} else if !slices.Contains(r.names, "eventname") || !slices.Contains(r.names, "useridentity") {
		r.err = &NotRead{Form: "CSV without whole records in a column", Fix: "if it is of CloudTrail, " + getLake}
	}
}

// object writes a row as an object.
func (r *csvReader) object(row []string) {
	r.text.WriteByte('{')
	for i, value := range row[:min(len(row), len(r.names))] {
		if i > 0 {
			r.text.WriteByte(',')
		}
		writeString(&r.text, r.names[i])
		r.text.WriteByte(':')
		writeString(&r.text, value)
	}
	r.text.WriteByte('}')
}

// writeString writes a JSON string.
func writeString(b *bytes.Buffer, s string) {
	const digits = "0123456789abcdef"
	b.WriteByte('"')
	for i := range len(s) {
		switch c := s[i]; {
		case c == '"' || c == '\\':
			b.WriteByte('\\')
			b.WriteByte(c)
		case c < 0x20:
			b.WriteString(`\u00`)
			b.WriteByte(digits[c>>4])
			b.WriteByte(digits[c&15])
		default:
			b.WriteByte(c)
		}
	}
	b.WriteByte('"')
}
