package dynamotest

import (
	_ "embed" // of the files below
	"encoding/json"
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
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
	stamps   = regexp.MustCompile(`20[0-9]{2}-[0-9]{2}-[0-9]{2}T[0-9]{2}(:[0-9]{2}:[0-9]{2}(\.[0-9]+)?Z)?`)
	expiries = regexp.MustCompile(`"expires":\{"N":"([0-9]+)"\}`)
)

// Rows are the items of a table as rootguard 1 wrote them, as if they had been
// taken at about a time, which is Shifted: an account set up by root, whose user
// eve is past her grace and her first reminder, and bob in his; an
// unacknowledged incident, a running announcement, a group with two calls that no
// roll-up has named yet, and the rows of the scheduled checks. replace are pairs
// of texts, the new one second, such as RowsAccount and another account.
func Rows(at time.Time, replace ...string) []Item {
	lines := split(rows1, at, replace)
	all := make([]Item, len(lines))
	for i, line := range lines {
		if err := json.Unmarshal([]byte(line), &all[i]); err != nil {
			panic(fmt.Sprintf("reading a row of version 1: %v", err)) // a file of ours
		}
	}
	return all
}

// Attributes are an item's as the SDK has them.
func (it Item) Attributes() map[string]types.AttributeValue {
	attributes := map[string]types.AttributeValue{}
	for name, v := range it {
		switch {
		case v.S != nil:
			attributes[name] = &types.AttributeValueMemberS{Value: *v.S}
		case v.N != nil:
			attributes[name] = &types.AttributeValueMemberN{Value: *v.N}
		default:
			attributes[name] = &types.AttributeValueMemberSS{Value: v.SS}
		}
	}
	return attributes
}

// RowsRecords are the CloudTrail records, each JSON, that Rows came of.
func RowsRecords(at time.Time, replace ...string) []string { return split(records1, at, replace) }

// Shifted is RowsTaken moved to a time, by whole hours, since some keys name one.
func Shifted(at time.Time) time.Time { return RowsTaken.Add(at.Sub(RowsTaken).Truncate(time.Hour)) }

func split(text string, at time.Time, replace []string) []string {
	by := Shifted(at).Sub(RowsTaken)
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
			panic(fmt.Sprintf("moving a time of version 1: %v", err))
		}
		return t.Add(by).Format(layout)
	})
	text = expiries.ReplaceAllStringFunc(text, func(s string) string {
		n, err := strconv.ParseInt(expiries.FindStringSubmatch(s)[1], 10, 64)
		if err != nil {
			panic(fmt.Sprintf("moving a time of version 1: %v", err))
		}
		return fmt.Sprintf(`"expires":{"N":"%d"}`, time.Unix(n, 0).Add(by).Unix())
	})
	return strings.Split(strings.TrimSpace(strings.NewReplacer(replace...).Replace(text)), "\n")
}
