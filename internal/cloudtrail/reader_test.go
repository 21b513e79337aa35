package cloudtrail

import (
	"bytes"
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"reflect"
	"regexp"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"testing"
	"testing/iotest"
	"unicode/utf16"

	"github.com/google/go-cmp/cmp"
	"github.com/klauspost/compress/gzip"

	"rootguard/internal/testenv"
)

// read reads a whole log and returns one line for each entry: the index, then
// the eventName of a record that passed, then what is wrong.
func read(tb testing.TB, src io.Reader, filter Filter) ([]string, Stats) {
	tb.Helper()
	r := NewReader(src, filter)
	var lines []string
	for {
		entry, err := r.Next()
		if errors.Is(err, io.EOF) {
			return lines, r.Stats()
		}
		if err != nil {
			tb.Fatalf("Next: %v", err)
		}
		words := []string{strconv.Itoa(entry.Index)}
		if entry.Record != nil {
			words = append(words, entry.Record.EventName)
		}
		for _, d := range entry.Defects {
			words = append(words, d.Field)
		}
		if entry.Err != nil {
			words = append(words, entry.Err.Error())
		}
		if entry.Lost {
			words = append(words, "LOST")
		}
		lines = append(lines, strings.Join(words, " "))
	}
}

// wantEntries reads a log at once and by single bytes, and holds its entries, without
// positions, and its counts.
func wantEntries(t *testing.T, log string, want []string) {
	t.Helper()
	for how, src := range map[string]io.Reader{"at once": strings.NewReader(log), "by byte": iotest.OneByteReader(strings.NewReader(log))} {
		got, stats := read(t, src, nil)
		for k := range got {
			got[k] = position.ReplaceAllString(got[k], "")
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s: entries (-want +got):\n%s", how, diff)
		}
		if stats.Records != stats.Passed+stats.Held+stats.Malformed || stats.Bytes < int64(len(log)) {
			t.Errorf("%s: counts do not add up: %+v", how, stats)
		}
	}
}

// rec is a record without a defect.
func rec(name string) string { return strings.Replace(signIn, "ConsoleLogin", name, 1) }

func quote(s string) string {
	b, err := json.Marshal(s)
	if err != nil {
		panic(err)
	}
	return string(b)
}

func pretty(s string) string {
	var out bytes.Buffer
	if err := json.Indent(&out, []byte(s), "", "    "); err != nil {
		panic(err)
	}
	return out.String()
}

func zip(tb testing.TB, parts ...string) string {
	tb.Helper()
	var out bytes.Buffer
	for _, part := range parts {
		w := gzip.NewWriter(&out)
		if _, err := io.WriteString(w, part); err != nil {
			tb.Fatal(err)
		}
		if err := w.Close(); err != nil {
			tb.Fatal(err)
		}
	}
	return out.String()
}

func bridge(detailType, detail string) string {
	return `{"version":"0","id":"x","detail-type":"` + detailType + `","source":"aws.signin","account":"123456789012","time":"2024-03-01T10:00:00Z","region":"us-east-1","resources":[],"detail":` + detail + `}`
}

func logs(messageType string, messages ...string) string {
	var events []string
	for _, m := range messages {
		events = append(events, `{"id":"1","timestamp":1,"message":`+quote(m)+`}`)
	}
	return `{"messageType":"` + messageType + `","owner":"123456789012","logGroup":"g","logStream":"s","subscriptionFilters":["f"],"logEvents":[` + strings.Join(events, ",") + `]}`
}

func lookup(records ...string) string {
	var events []string
	for _, r := range records {
		events = append(events, `{"EventId":"e","EventName":"n","EventTime":"2024-03-01T10:00:00+00:00","Resources":[],"CloudTrailEvent":`+quote(r)+`}`)
	}
	return `{"Events":[` + strings.Join(events, ",") + `],"NextToken":"t"}`
}

func TestReaderShapes(t *testing.T) {
	t.Parallel()
	a, b, c := rec("A"), rec("B"), rec("C")
	list := `{"Records":[` + a + "," + b + "," + c + `]}`
	tests := []struct {
		name, log string
		other     int64
	}{
		{"log file", list, 0},
		{"log file with Records last", `{"Digest":{"Records":[1]},"n":[1,[2]],"Records":[` + a + "," + b + "," + c + `]}`, 0},
		{"log file with Records first", `{"Records":[` + a + "," + b + "," + c + `],"n":[{"Records":1}],"m":null}`, 0},
		{"escaped Records", `{"\u0052ecords":[` + a + "," + b + "," + c + `]}`, 0},
		{"two lists", `{"Records":[` + a + `],"n":1,"Records":[` + b + "," + c + `]}`, 0},
		{"records one after the other", a + b + c, 0},
		{"JSON lines", a + "\n" + b + "\r\n\n" + c + "\n", 0},
		{"JSON lines of lists", `{"Records":[` + a + `]}` + "\n" + `{"Records":[]}` + "\n" + `{"Records":[` + b + "," + c + `]}`, 0},
		{"array", "[" + a + "," + b + "," + c + "]", 0},
		{"array of all", "[" + a + "," + lookup(b) + "," + bridge("AWS API Call via CloudTrail", c) + "]", 0},
		{"byte order mark", "\xef\xbb\xbf" + list, 0},
		{"EventBridge", bridge("AWS Console Sign In via CloudTrail", a) + bridge("AWS API Call via CloudTrail", b) + "\n" + bridge("AWS Service Event via CloudTrail", c), 0},
		{"EventBridge, detail first", `{"detail":` + a + `,"detail-type":"AWS API Call via CloudTrail"}` + b + c, 0},
		{"EventBridge, other events", bridge("EC2 Instance State-change Notification", `{"state":"running"}`) + a + b + bridge("Renamed", c), 1},
		{"LookupEvents", lookup(a, b, c), 0},
		{"LookupEvents in pages", lookup(a, b) + "\n" + lookup(c) + "\n" + lookup(), 0},
		{"LookupEvents, elements", `{"CloudTrailEvent":` + quote(a) + "}\n" + `{"CloudTrailEvent":` + quote(b) + "}\n" + c, 0},
		{"CloudWatch Logs", logs("DATA_MESSAGE", a, b) + logs("CONTROL_MESSAGE", "CWL CONTROL MESSAGE: Checking health of destination.", "{") + logs("DATA_MESSAGE", " "+c+"\n"), 2},
		{"CloudWatch Logs without a list", `{"messageType":"CONTROL_MESSAGE"}` + a + b + c, 1},
		{"CloudWatch Logs, filter-log-events", `{"events":[{"logStreamName":"s","timestamp":1,"message":` + quote(a) + `,"eventId":"1"},{"timestamp":1,"message":` + quote(b) + `}],"searchedLogStreams":[]}` + c, 0},
		{"CloudWatch Logs of EventBridge", logs("DATA_MESSAGE", bridge("AWS API Call via CloudTrail", a), b, c), 0},
		{"look-alikes are no wrappers", with(t, a, `"requestParameters":null`, `"requestParameters":{"Records":[`+b+`]},"Records":[`+b+`],"detail":`+b+`,"detail-type":"AWS API Call via CloudTrail","CloudTrailEvent":"{}"`) + "\n" + b + c, 0},
	}
	for _, test := range tests {
		for form, log := range map[string]string{
			"": test.log, " gzip": zip(t, test.log), " two gzip members": zip(t, test.log[:20], test.log[20:]),
		} {
			for how, src := range map[string]io.Reader{
				"": strings.NewReader(log), " by byte": iotest.OneByteReader(strings.NewReader(log)),
				" error with data": iotest.DataErrReader(strings.NewReader(log)),
			} {
				t.Run(test.name+form+how, func(t *testing.T) {
					t.Parallel()
					got, stats := read(t, src, nil)
					if diff := cmp.Diff([]string{"0 A", "1 B", "2 C"}, got); diff != "" {
						t.Errorf("entries (-want +got):\n%s", diff)
					}
					want := Stats{Bytes: int64(len(test.log)), Records: 3, Passed: 3, Other: test.other}
					if stats != want {
						t.Errorf("stats %+v, want %+v", stats, want)
					}
				})
			}
		}
	}
	t.Run("pretty", func(t *testing.T) {
		t.Parallel()
		log := pretty(list) + "\n" + pretty(a) + "\n" + pretty(lookup(b)) + "\n" + pretty("["+c+"]") + pretty(bridge("AWS API Call via CloudTrail", a)) + pretty(logs("DATA_MESSAGE", pretty(b)))
		got, _ := read(t, strings.NewReader(log), nil)
		if diff := cmp.Diff([]string{"0 A", "1 B", "2 C", "3 A", "4 B", "5 C", "6 A", "7 B"}, got); diff != "" {
			t.Errorf("entries (-want +got):\n%s", diff)
		}
	})
	t.Run("nothing", func(t *testing.T) {
		t.Parallel()
		for _, log := range []string{`{"Records":[]}`, `[]`, ` [ ] `, `{"Events":[]}`, zip(t, `{"Records":[]}`)} {
			if got, stats := read(t, strings.NewReader(log), nil); len(got) > 0 || stats.Records > 0 {
				t.Errorf("%s: entries %q, stats %+v", log, got, stats)
			}
		}
	})
}

func TestReaderFilter(t *testing.T) {
	t.Parallel()
	log := `{"Records":[` + strings.Join([]string{
		rec("A"), rec("B"),
		with(t, rec("A"), `"eventName"`, `"\u0065ventName"`),
		with(t, rec("A"), `"eventName":"A"`, `"eventName":"\u0041"`),
		with(t, rec("A"), `"eventName":"A"`, `"eventName":"A","eventName":"B"`),
		with(t, rec("B"), `"eventName":"B"`, `"eventName":"B","eventName":"A"`),
		with(t, rec("A"), `"readOnly":false`, `"readOnly":"false"`),
		with(t, rec("B"), `"readOnly":false`, `"readOnly":"false"`),
		with(t, rec("B"), `"requestParameters":null`, `"requestParameters":{"eventName":"A","userIdentity":{"type":"Root"}}`),
		with(t, rec("B"), `"userAgent":"Mozilla/5.0"`, `"userAgent":"\"eventName\":\"A\""`),
		with(t, rec("A"), `"type":"Root"`, `"type":"IAMUser"`),
	}, ",") + `]}`
	got, stats := read(t, strings.NewReader(log), func(h Header) bool {
		return string(h.EventSource) == "signin.amazonaws.com" && string(h.EventName) == "A" && string(h.IdentityType) == "Root"
	})
	if diff := cmp.Diff([]string{"0 A", "2 A", "3 A", "5 A", "6 A readOnly", "7 readOnly"}, got); diff != "" {
		t.Errorf("entries (-want +got):\n%s", diff)
	}
	if want := (Stats{Bytes: int64(len(log)), Records: 11, Passed: 5, Held: 6}); stats != want {
		t.Errorf("stats %+v, want %+v", stats, want)
	}
}

// position is where in a log JSON is broken, which TestDecodeErrors checks.
var position = regexp.MustCompile(` at byte \d+`)

// TestReaderHostile holds that what is broken is reported once, with its index,
// and that everything around it is still read.
func TestReaderHostile(t *testing.T) {
	t.Parallel()
	a, b, c := rec("A"), rec("B"), rec("C")
	in := func(records ...string) string { return `{"Records":[` + strings.Join(records, ",") + `]}` }
	lines := func(records ...string) string { return strings.Join(records, "\n") + "\n" }
	sorted := func(name string) string { return `{"awsRegion":"x","eventName":"` + name + `"}` } // does not begin like a record
	const sortedDefects = " eventID eventSource eventTime userIdentity"
	tests := []struct {
		name, log string
		want      []string
	}{
		{"empty", "", []string{"-1 the log is empty LOST"}},
		{"empty gzip", zip(t, ""), []string{"-1 the log is empty LOST"}},
		{"gzipped twice", zip(t, zip(t, a)), []string{"0 A"}},
		{"gzipped after a record", zip(t, a, zip(t, b)), []string{"0 A", `1 invalid JSON: unexpected '\x1f' LOST`}},
		{"not a log", "# Title\n\nSome text, \"quoted\".\n", []string{`0 invalid JSON: unexpected '#' LOST`}},
		{"other JSON", `{"a":[1,2,{"b":null}]}`, []string{"0 " + ErrNoRecord.Error() + " LOST"}},
		{"Records is no list", `{"Records":null}`, []string{"0 " + ErrNoRecord.Error() + " LOST"}},

		{"no objects", in(a, "1", "-1.5e3", "true", "null", `"x"`, "[1,[2]]", "{}", b), []string{
			"0 A", "1 record is a number, not an object LOST", "2 record is a number, not an object LOST",
			"3 record is a boolean, not an object LOST", "4 record is null, not an object LOST",
			"5 record is a string, not an object LOST", "6 record is an array, not an object LOST",
			"7 " + ErrNoRecord.Error() + " LOST", "8 B",
		}},
		{"no objects in lines", lines(a, "1", `"x"`, "null", b), []string{
			"0 A", "1 record is a number, not an object LOST", "2 record is a string, not an object LOST", "3 record is null, not an object LOST", "4 B",
		}},
		{"record as a string", in(a, quote(b), c), []string{"0 A", "1 B", "2 C"}},
		{"record as a string in a line", lines(a, quote(b), c), []string{"0 A", "1 B", "2 C"}},
		{"bad records as strings", in(`"{"`, `"{]"`, `"{} {}"`, a), []string{
			"0 record in a string ends early LOST", `1 record in a string: invalid JSON: unexpected ']' LOST`,
			"2 record in a string has more data after it LOST", "3 A",
		}},

		{"bad literal", in(a, with(t, b, `"readOnly":false`, `"readOnly":flase`), c), []string{"0 A", `1 invalid JSON: unexpected 'l' LOST`, "2 C"}},
		{"no closing quote", in(a, with(t, b, `"Mozilla/5.0"`, `"Mozilla/5.0`), c), []string{"0 A", `1 invalid JSON: unexpected 'r' LOST`, "2 C"}},
		{"no opening quote", in(a, with(t, b, `"Mozilla/5.0"`, `Mozilla/5.0"`), c), []string{"0 A", `1 invalid JSON: unexpected 'M' LOST`, "2 C"}},
		{"no opening brace at first", in(a[1:], b), []string{`0 invalid JSON: unexpected ':' LOST`, "1 B"}},
		{"record where a key should be", in("{"+a, b), []string{`0 invalid JSON: unexpected '{' LOST`, "1 A", "2 B"}},
		{"record where a key should be, in a line", lines("{", a, b), []string{`0 invalid JSON: unexpected '{' LOST`, "1 A", "2 B"}},
		{"no closing brace", in(a, b[:len(b)-1], c), []string{"0 A", `1 invalid JSON: unexpected '{' LOST`, "2 C"}},
		{"no opening brace", in(a, b[1:], c), []string{"0 A", `1 invalid JSON: unexpected ':' LOST`, "2 C"}},
		{"cut within the list", in(a, b[:300], c), []string{"0 A", `1 invalid JSON: unexpected 'e' LOST`, "2 C"}},
		{"brace too early", in(a, with(t, b, `"Root"`, `"Root"}}`), c), []string{"0 A", "1  eventID eventSource eventName eventTime userIdentity.arn", "2 invalid JSON: unexpected ':' LOST", "3 C"}},
		{"sorted keys", in(sorted("A"), `{"awsRegion":"x","eventName":B}`, sorted("C")), []string{"0 A" + sortedDefects, `1 invalid JSON: unexpected 'B' LOST`, "2 C" + sortedDefects}},
		{"no comma", in(a + " " + b), []string{"0 A", "-1 invalid JSON: no comma before the {", "1 B"}},
		{"comma before the end", in(a, b) + "\n" + `{"Records":[` + c + ",]}", []string{"0 A", "1 B", "2 C", "-1 invalid JSON: a comma before the ]"}},
		{"two commas", in(a, "", b), []string{"0 A", "-1 invalid JSON: unexpected ','", "1 B"}},
		{"garbage between", in(a+"xyz", b), []string{"0 A", "-1 invalid JSON: unexpected 'x'", "1 B"}},
		{"control character", in(a, with(t, b, "Mozilla", "Moz\x01illa"), c), []string{"0 A", `1 invalid JSON: unexpected '\x01' LOST`, "2 C"}},
		{"too deep", in(a, with(t, b, `"requestParameters":null`, `"requestParameters":{"x":`+strings.Repeat("[", 10_000)+strings.Repeat("]", 10_000)+"}"), c), []string{"0 A", "1 nested deeper than 10000 LOST", "2 C"}},
		{"too deep and open", in(a, with(t, b, `"requestParameters":null`, `"requestParameters":`+strings.Repeat(`{"x":`, 30_000)+"null"), c), []string{"0 A", "1 nested deeper than 10000 LOST", "2 C"}},
		{"not UTF-8", in(a, with(t, b, "Mozilla", "Moz\xffilla"), c), []string{"0 A", "1 B record", "2 C"}},
		{"brackets in strings", in(with(t, a, "Mozilla", `}]},{\"eventVersion\":[{`), b), []string{"0 A", "1 B"}},
		{"brackets in strings of a broken record", in(with(t, a, "Mozilla", `}]},{\"eventVersion\":[{`, `"readOnly":false`, `"readOnly":f`), b), []string{"0 invalid JSON: unexpected ',' LOST", "1 B"}},

		{"bad line", lines(a, "{bad", b, `{"eventName":`, c), []string{"0 A", `1 invalid JSON: unexpected 'b' LOST`, "2 B", "3 truncated: the log ends inside this record LOST", "4 C"}},
		{"text lines", lines("one", a, "two {", "three }", b, `{"x`, c), []string{"0 invalid JSON: unexpected 'o' LOST", "1 A", "2 invalid JSON: unexpected 'w' LOST", "3 B", `4 invalid JSON: unexpected '\n' LOST`, "5 C"}},
		{"commas between lines", lines(a+",", b+",", c), []string{"0 A", "-1 invalid JSON: unexpected ','", "1 B", "2 C"}},
		{"bracket too many", in(a) + "]\n" + b, []string{"0 A", "-1 invalid JSON: unexpected ']'", "1 B"}},
		{"bad wrapper", `{"Records":?` + in(a)[11:] + "\n" + b, []string{"0 invalid JSON: unexpected '?' LOST", "1 A", "2 B"}},
		{"bad wrapper after the list", `{"Records":[` + a + `],"x":?}` + "\n" + b, []string{"0 A", "-1 invalid JSON: unexpected '?' LOST", "1 B"}},
		{"no comma after the list", `{"Records":[` + a + `]"x":"}"}` + "\n" + b, []string{"0 A", "-1 invalid JSON: unexpected '\"' LOST", "1 B"}},
		{"wrapper and record at once", `{"Records":[` + a + `],"eventName":"x"}` + b, []string{"0 A", "-1 an object is a list's wrapper and a record at once; the record is ignored LOST", "1 B"}},

		{"cut in a record", in(a, b)[:1000], []string{"0 A", "1 truncated: the log ends inside this record LOST"}},
		{"cut in an element", `{"Records":[` + a + `,"abc`, []string{"0 A", "1 truncated: the log ends inside this record LOST"}},
		{"cut between records", `{"Records":[` + a + `,`, []string{"0 A", "-1 truncated: the log ends inside a list, after 1 records LOST"}},
		{"cut after the list", `{"Records":[` + a + `]`, []string{"0 A", "-1 truncated: the log ends inside a list, after 1 records LOST"}},
		{"cut in a member after the list", `{"Records":[` + a + `],"x":"`, []string{"0 A", "-1 truncated: the log ends inside a list, after 1 records LOST"}},
		{"cut line", a + "\n" + b[:100], []string{"0 A", "1 truncated: the log ends inside this record LOST"}},

		{"LookupEvents without a record", `{"Events":[{"EventId":"e"},{"EventId":"e","CloudTrailEvent":"x"},{"EventId":"e","CloudTrailEvent":` + quote(a) + `}]}`, []string{
			"0 " + ErrNoRecord.Error() + " LOST", "1 record is a string, not an object LOST", "2 A",
		}},
		{"LookupEvents, broken", strings.Replace(lookup(a, b, c), `"n"`, `n`, 1), []string{`0 invalid JSON: unexpected ',' LOST`, "1 B", "2 C"}},
		{"LookupEvents, no closing brace", strings.Replace(lookup(a, b, c), `"},{`, `",{`, 1), []string{`0 invalid JSON: unexpected '{' LOST`, "1 B", "2 C"}},
		{"CloudWatch Logs, other text", logs("DATA_MESSAGE", "hello", a), []string{"0 record is a string, not an object LOST", "1 A"}},
		{"EventBridge without a detail", bridge("AWS API Call via CloudTrail", "null") + a, []string{"0 detail of the EventBridge event is missing or not an object LOST", "1 A"}},
		{"EventBridge with another detail", bridge("AWS API Call via CloudTrail", "{}") + a, []string{"0 " + ErrNoRecord.Error() + " LOST", "1 A"}},
		{"EventBridge, not UTF-8 beside the detail", strings.Replace(bridge("AWS API Call via CloudTrail", a), `"source":"aws`, "\"source\":\"\xff", 1), []string{"0 A record"}},
		{"LookupEvents, not UTF-8", strings.Replace(lookup(a), "Mozilla", "\xff", 1), []string{"0 A record"}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			got, stats := read(t, strings.NewReader(test.log), nil)
			for k := range got {
				got[k] = position.ReplaceAllString(got[k], "")
			}
			if diff := cmp.Diff(test.want, got); diff != "" {
				t.Errorf("entries (-want +got):\n%s", diff)
			}
			if stats.Records != stats.Passed+stats.Held+stats.Malformed {
				t.Errorf("counts do not add up: %+v", stats)
			}
			if len(test.log) >= 100_000 {
				return
			}
			for _, size := range []int{1, 2, 3, 5, 7, 64} {
				inParts, _ := read(t, &partReader{test.log, size}, nil)
				for k := range inParts {
					inParts[k] = position.ReplaceAllString(inParts[k], "")
				}
				if diff := cmp.Diff(got, inParts); diff != "" {
					t.Errorf("read in parts of %d bytes (-at once +in parts):\n%s", size, diff)
				}
			}
		})
	}
}

// partReader returns at most size bytes at a time.
type partReader struct {
	text string
	size int
}

func (r *partReader) Read(b []byte) (int, error) {
	if r.text == "" {
		return 0, io.EOF
	}
	n := copy(b, r.text[:min(r.size, len(r.text))])
	r.text = r.text[n:]
	return n, nil
}

func TestReaderBrokenGzip(t *testing.T) {
	t.Parallel()
	random := rand.New(rand.NewPCG(1, 2))
	var records []string
	for range 2000 {
		records = append(records, with(t, rec("A"), "11111111", fmt.Sprintf("%08x", random.Uint32())))
	}
	whole := zip(t, `{"Records":[`+strings.Join(records, ",")+`]}`)

	for name, log := range map[string]string{
		"truncated":         whole[:len(whole)/2],
		"without its end":   whole[:len(whole)-4],
		"a damaged byte":    whole[:len(whole)/2] + "\x00\x00\x00\x00" + whole[len(whole)/2+4:],
		"a wrong check sum": whole[:len(whole)-8] + "\x00\x00\x00\x00" + whole[len(whole)-4:],
		"data after it":     whole + "garbage",
		"only a header":     whole[:5],
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got, stats := read(t, strings.NewReader(log), func(Header) bool { return false })
			if len(got) == 0 || !strings.HasSuffix(got[len(got)-1], "LOST") {
				t.Errorf("entries %q, want the last lost", got)
			}
			if len(got) > 1 && name != "a damaged byte" {
				t.Errorf("entries %q, want one", got)
			}
			if name != "only a header" && stats.Held < 500 {
				t.Errorf("%d records before the damage, want most", stats.Held)
			}
		})
	}

	got, _ := read(t, io.MultiReader(strings.NewReader(`{"Records":[`+rec("A")), iotest.ErrReader(errors.New("disk on fire"))), nil)
	if diff := cmp.Diff([]string{"0 A", "-1 truncated after 1 records: disk on fire LOST"}, got); diff != "" {
		t.Errorf("entries (-want +got):\n%s", diff)
	}
	if got, _ := read(t, neverReader{}, nil); len(got) != 1 || !strings.Contains(got[0], io.ErrNoProgress.Error()) {
		t.Errorf("entries of a reader that returns nothing: %q", got)
	}
}

// neverReader returns neither data nor an error.
type neverReader struct{}

func (neverReader) Read([]byte) (int, error) { return 0, nil }

func TestReaderLongRecords(t *testing.T) {
	t.Parallel()
	long := func(n int) string {
		return with(t, rec("Long"), `"requestParameters":null`, `"requestParameters":{"x":"`+strings.Repeat("x", n)+`"}`)
	}
	tests := []struct {
		name, log string
		want      []string
	}{
		{"5 MB", `{"Records":[` + rec("A") + "," + long(5_000_000) + "," + rec("B") + "]}", []string{"0 A", "1 Long", "2 B"}},
		{"5 MB, gzip", zip(t, `{"Records":[`+rec("A")+","+long(5_000_000)+","+rec("B")+"]}"), []string{"0 A", "1 Long", "2 B"}},
		{"close to the limit", rec("A") + long(MaxRecord-1000) + rec("B"), []string{"0 A", "1 Long", "2 B"}},
		{"too long", rec("A") + "\n" + long(MaxRecord) + "\n" + rec("B"), []string{"0 A", "1 record is longer than 16 MiB LOST", "2 B"}},
		{"too long in a list", `{"Records":[` + rec("A") + "," + long(MaxRecord+1) + "," + rec("B") + "]}", []string{"0 A", "1 record is longer than 16 MiB LOST", "2 B"}},
		{"too long after a list", `{"Records":[` + rec("A") + `],"x":"` + strings.Repeat("x", MaxRecord) + `"}` + rec("B"), []string{"0 A", "-1 what follows a list is longer than 16 MiB LOST", "1 B"}},
		{"too long a string in a list", `{"Records":[` + rec("A") + `,"` + strings.Repeat("x", MaxRecord) + `",` + rec("B") + "]}", []string{"0 A", "1 record is longer than 16 MiB LOST", "2 B"}},
	}
	for n, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			if n%4 != 0 {
				testenv.Soak(t)
			}
			got, _ := read(t, strings.NewReader(test.log), nil)
			if diff := cmp.Diff(test.want, got); diff != "" {
				t.Errorf("entries (-want +got):\n%s", diff)
			}
		})
	}
}

// TestReaderQuadratic holds that broken input which looks like many records in
// one another is not scanned from each of them to its end.
func TestReaderQuadratic(t *testing.T) {
	t.Parallel()
	for name, log := range map[string]string{
		"deep":         `{"Records":[` + strings.Repeat(`{"eventVersion":`, 1<<17),
		"deep, lines":  strings.Repeat("{\"eventVersion\":\n", 1<<17),
		"broken, deep": `{"Records":[` + strings.Repeat(`{"eventVersion":`, 9000) + "?",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got, _ := read(t, strings.NewReader(log), nil)
			if len(got) == 0 || !strings.HasSuffix(got[0], "LOST") {
				t.Errorf("entries %.3q, want the first lost", got)
			}
		})
	}
}

// TestReaderNoAlias holds that a record does not change when the Reader goes on.
func TestReaderNoAlias(t *testing.T) {
	t.Parallel()
	var records []string
	for k := range 1000 {
		records = append(records, with(t, rec("A"), "11111111", fmt.Sprintf("%08x", k), `"requestParameters":null`, fmt.Sprintf(`"requestParameters":{"n":%d}`, k)))
	}
	for name, log := range map[string]string{
		"list":         `{"Records":[` + strings.Join(records, ",") + `]}`,
		"LookupEvents": lookup(records...),
		"EventBridge":  bridge("AWS API Call via CloudTrail", strings.Join(records, "}\n"+strings.TrimSuffix(bridge("AWS API Call via CloudTrail", ""), "}"))),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := NewReader(strings.NewReader(log), nil)
			var got []*Record
			for {
				entry, err := r.Next()
				if err != nil {
					break
				}
				got = append(got, entry.Record)
			}
			if len(got) != len(records) {
				t.Fatalf("%d records, want %d", len(got), len(records))
			}
			for k, rec := range got {
				want, _, err := Decode([]byte(records[k]))
				if err != nil {
					t.Fatal(err)
				}
				if !reflect.DeepEqual(want, *rec) {
					t.Fatalf("record %d (-want +got):\n%s", k, cmp.Diff(want, *rec))
				}
			}
		})
	}
}

// TestReaderReset holds that one Reader reads log after log, whatever the one before was.
func TestReaderReset(t *testing.T) {
	t.Parallel()
	r := NewReader(strings.NewReader(`{"Records":[`+strings.Repeat(" ", 2<<20)), nil)
	for range 3 {
		for _, log := range []string{`[` + rec("A"), zip(t, rec("B")), "\x1f\x8b", rec("C"), `{"Records":[` + rec("D") + `,{"x":`, zip(t, `{"Events":[`)} {
			if _, err := r.Next(); err != nil {
				t.Fatalf("Next: %v", err)
			}
			r.Reset(strings.NewReader(log))
		}
	}
	if entry, err := r.Next(); err != nil || entry.Index != -1 {
		t.Errorf("entry %+v, error %v", entry, err)
	}
	if _, err := r.Next(); !errors.Is(err, io.EOF) {
		t.Errorf("error %v, want EOF", err)
	}
	if _, err := r.Next(); !errors.Is(err, io.EOF) {
		t.Errorf("error %v, want EOF again", err)
	}
}

// repeated returns a head, then n times a body, then a tail.
func repeated(head, body string, n int, tail string) io.Reader {
	parts := []io.Reader{strings.NewReader(head)}
	for range n {
		parts = append(parts, strings.NewReader(body))
	}
	return io.MultiReader(append(parts, strings.NewReader(tail))...)
}

// TestReaderMemory holds that memory does not grow with the log, whatever of it is broken.
func TestReaderMemory(t *testing.T) {
	megabytes := testenv.Size(16, 4)
	records := strings.Repeat(rec("A")+",", 1250)
	for name, src := range map[string]io.Reader{
		"records":       repeated(`{"Records":[`, records, megabytes, rec("A")+`]}`),
		"broken record": repeated(`{"Records":[{"x":?`, strings.Repeat("x", 1<<20), megabytes, "]}"),
		"text":          repeated("", strings.Repeat("some text\n", 1<<17), megabytes, ""),
		"white space":   repeated("", strings.Repeat(" \n", 1<<19), megabytes, rec("A")),
	} {
		runtime.GC()
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		read(t, src, func(Header) bool { return false })
		runtime.ReadMemStats(&after)
		if grown := after.TotalAlloc - before.TotalAlloc; grown > 2<<20 {
			t.Errorf("%s: %d bytes allocated for a log of %d MB", name, grown, megabytes)
		}
	}
}

func TestReaderAllocations(t *testing.T) {
	n := testenv.Size(10_000, 1000)
	log := `{"Records":[` + strings.Repeat(rec("A")+","+session+",", n/2) + rec("A") + `]}`
	r := NewReader(nil, func(h Header) bool { return len(h.EventName) == 0 })
	src := strings.NewReader(log)
	got := testing.AllocsPerRun(5, func() {
		src.Reset(log)
		r.Reset(src)
		if entry, err := r.Next(); !errors.Is(err, io.EOF) {
			t.Fatalf("entry %+v", entry)
		}
	})
	if got > 20 {
		t.Errorf("%v allocations for %d records that the filter held back", got, n)
	}
}

// awsLogs is what CloudWatch Logs invokes a Lambda function with.
func awsLogs(data string) string {
	return `{"awslogs":{"data":"` + base64.StdEncoding.EncodeToString([]byte(data)) + `"}}`
}

// TestReaderAWSLogs holds that the records in awslogs.data are numbered and
// counted as those of the log around them, and that what is wrong with the data
// costs nothing besides it.
func TestReaderAWSLogs(t *testing.T) {
	t.Parallel()
	a, b, c := rec("A"), rec("B"), rec("C")
	ab := zip(t, logs("DATA_MESSAGE", a, b))
	tests := []struct {
		name, log string
		want      []string
	}{
		{"one", awsLogs(ab), []string{"0 A", "1 B"}},
		{"escaped slashes", strings.ReplaceAll(awsLogs(ab), "/", `\/`), []string{"0 A", "1 B"}},
		{"among others", a + "\n" + awsLogs(ab) + "\n[" + awsLogs(zip(t, logs("DATA_MESSAGE", c))) + "," + b + "]\n" + logs("DATA_MESSAGE", c), []string{"0 A", "1 A", "2 B", "3 C", "4 B", "5 C"}},
		{"control message", awsLogs(zip(t, logs("CONTROL_MESSAGE", "x"))) + a, []string{"0 A"}},
		{"a bad message in it", awsLogs(zip(t, logs("DATA_MESSAGE", a, "x", b))) + c, []string{"0 A", "1 record is a string, not an object LOST", "2 B", "3 C"}},
		{"broken base64", a + `{"awslogs":{"data":"H4sI*AAA"}}` + b, []string{"0 A", "1 awslogs.data: no record can be read: reading gzip header: illegal base64 data at input byte 4 LOST", "2 B"}},
		{"broken gzip", a + awsLogs("\x1f\x8bx") + b, []string{"0 A", "1 awslogs.data: no record can be read: reading gzip header: unexpected EOF LOST", "2 B"}},
		{"cut gzip", awsLogs(ab[:len(ab)-4]) + c, []string{"0 A", "1 B", "2 awslogs.data: truncated after 2 records: unexpected EOF LOST", "3 C"}},
		{"cut base64", strings.Replace(awsLogs(ab), `"}}`, `A"}}`, 1) + c, []string{"0 A", "1 B", "2 awslogs.data: truncated after 2 records: unexpected EOF LOST", "3 C"}},
		{"comma in it", awsLogs(zip(t, `{"logEvents":[{"id":"1","message":`+quote(a)+`},]}`)) + b, []string{"0 A", "-1 awslogs.data: invalid JSON: a comma before the ]", "1 B"}},
		{"empty", awsLogs("") + a, []string{"0 awslogs.data: the log is empty LOST", "1 A"}},
		{"no data", `{"awslogs":{}}{"awslogs":{"data":1}}{"awslogs":null}` + a, []string{"0 awslogs.data is no string LOST", "1 awslogs.data is no string LOST", "2 " + ErrNoRecord.Error() + " LOST", "3 A"}},
		{"in itself", awsLogs(awsLogs(ab)) + c, []string{"0 A", "1 B", "2 C"}},
		{"in itself too often", awsLogs(awsLogs(awsLogs(awsLogs(awsLogs(awsLogs(awsLogs(ab))))))) + c, []string{"0 awslogs.data: wrapped more than 6 times LOST", "1 C"}},
		{"in a record", with(t, a, `"requestParameters":null`, `"awslogs":{"data":"x"}`), []string{"0 A"}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			wantEntries(t, test.log, test.want)
		})
	}
}

// wide is UTF-16 with a byte order mark.
func wide(order binary.AppendByteOrder, text string) string {
	var b []byte
	for _, unit := range utf16.Encode([]rune("\ufeff" + text)) {
		b = order.AppendUint16(b, unit)
	}
	return string(b)
}

// TestReaderUTF16 holds that a log in UTF-16 reads like the same in UTF-8.
func TestReaderUTF16(t *testing.T) {
	t.Parallel()
	log := `{"Records":[` + with(t, rec("A"), "Mozilla", "\u00e9\u20ac\U0001f600\ufffd\ufeff") + "]}\r\n" + strings.Repeat(rec("B")+"\r\n", 200)
	want := append([]string{"0 A"}, slices.Repeat([]string{"B"}, 200)...)
	for k := range 200 {
		want[k+1] = fmt.Sprintf("%d B", k+1)
	}
	for name, order := range map[string]binary.AppendByteOrder{"little": binary.LittleEndian, "big": binary.BigEndian} {
		encoded := wide(order, log)
		for how, src := range map[string]io.Reader{
			"at once": strings.NewReader(encoded), "by byte": iotest.OneByteReader(strings.NewReader(encoded)),
			"error with data": iotest.DataErrReader(strings.NewReader(encoded)), "gzip": strings.NewReader(zip(t, encoded)),
		} {
			got, stats := read(t, src, nil)
			if diff := cmp.Diff(want, got); diff != "" || stats.Bytes != int64(len(log)) {
				t.Errorf("%s endian, %s: stats %+v, entries (-want +got):\n%s", name, how, stats, diff)
			}
		}
		bad := func(unit uint16) string { return string(order.AppendUint16(nil, unit)) }
		odd := with(t, encoded, wide(order, "\U0001f600")[2:], bad(0xd83d)+bad('x'))
		if got, _ := read(t, strings.NewReader(odd), nil); got[0] != "0 A record" || len(got) != 201 {
			t.Errorf("%s endian, half a pair: entries %q", name, got)
		}
		for cut, want := range map[string]string{
			encoded[:len(encoded)-7]:                           "200 truncated: the log ends inside this record LOST",
			encoded[:2]:                                        "-1 the log is empty LOST",
			wide(order, rec("C")) + "\x00":                     `1 invalid JSON: unexpected 'ÿ' LOST`,
			wide(order, rec("C")+`"`) + bad(0xd83d):            "1 truncated: the log ends inside this record LOST",
			zip(t, encoded)[:len(zip(t, encoded))-4]:           "-1 truncated after 201 records: unexpected EOF LOST",
			string(order.AppendUint16(nil, 0xfeff)) + bad('1'): "0 truncated: the log ends inside this record LOST",
		} {
			got, _ := read(t, iotest.DataErrReader(strings.NewReader(cut)), nil)
			if len(got) == 0 || position.ReplaceAllString(got[len(got)-1], "") != want {
				t.Errorf("%s endian: entries %q, want the last %q", name, got, want)
			}
		}
	}
}
