package dynamotest

import (
	_ "embed" // rows and records
	"encoding/json"
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"
)

// RowsTaken is when the rows of Rows were taken from a table.
var RowsTaken = time.Date(2026, 11, 1, 12, 0, 0, 0, time.UTC)

// RowsAccount is the account that they are about.
const RowsAccount = "123456789012"

//go:embed testdata/rows-1.jsonl
var rows1 string

//go:embed testdata/records-1.jsonl
var records1 string

var (
	stamps = regexp.MustCompile(`20[0-9]{2}-[0-9]{2}-[0-9]{2}T[0-9]{2}(:[0-9]{2}:[0-9]{2}(\.[0-9]+)?Z)?`)
	epochs = regexp.MustCompile(`"expires":\{"N":"([0-9]+)"\}`)
)

// Rows are the items of a table as rootguard 1 wrote them, as if they had been
// taken at a time: an account set up by root, whose user eve is past her grace
// and her first reminder, and bob in his; an unacknowledged incident, a running
// announcement, a group with two calls that no roll-up has named yet, and the
// rows of the scheduled checks.
func Rows(tb testing.TB, at time.Time) []Item {
	tb.Helper()
	var all []Item
	for line := range strings.Lines(shifted(tb, rows1, at)) {
		var it Item
		if err := json.Unmarshal([]byte(line), &it); err != nil {
			tb.Fatalf("reading a row: %v", err)
		}
		all = append(all, it)
	}
	return all
}

// RowsRecords are the CloudTrail records, one a line, that Rows came of.
func RowsRecords(tb testing.TB, at time.Time) []string {
	tb.Helper()
	return strings.Split(strings.TrimSpace(shifted(tb, records1, at)), "\n")
}

// shifted moves all times by whole hours, since some keys name an hour.
func shifted(tb testing.TB, text string, at time.Time) string {
	tb.Helper()
	by := at.Sub(RowsTaken).Truncate(time.Hour)
	text = stamps.ReplaceAllStringFunc(text, func(s string) string {
		layout := "2006-01-02T15"
		if strings.HasSuffix(s, "Z") {
			layout = "2006-01-02T15:04:05Z"
			if dot := strings.IndexByte(s, '.'); dot > 0 {
				layout = "2006-01-02T15:04:05." + strings.Repeat("0", len(s)-dot-2) + "Z"
			}
		}
		t, err := time.Parse(layout, s)
		if err != nil {
			tb.Fatalf("moving the time %s: %v", s, err)
		}
		return t.Add(by).Format(layout)
	})
	return epochs.ReplaceAllStringFunc(text, func(s string) string {
		n, err := strconv.ParseInt(epochs.FindStringSubmatch(s)[1], 10, 64)
		if err != nil {
			tb.Fatalf("moving the time in %s: %v", s, err)
		}
		return fmt.Sprintf(`"expires":{"N":"%d"}`, time.Unix(n, 0).Add(by).Unix())
	})
}
