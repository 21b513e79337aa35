package cli

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"rootguard/internal/testenv"

	"rootguard/internal/cli/story"
)

func TestLogClock(t *testing.T) {
	start := time.Date(2026, 3, 2, 9, 0, 0, 0, time.UTC)
	c := logClock{window: 15 * time.Minute}
	for _, step := range []struct {
		after time.Duration
		over  time.Duration
		due   bool
	}{
		{0, -60 * time.Minute, true}, // nothing was flushed yet
		{14 * time.Minute, 0, false},
		{15 * time.Minute, -45 * time.Minute, true},
		{10 * time.Minute, 0, false}, // a little late
		{16 * time.Minute, 0, false},
		{5 * time.Hour, 4 * time.Hour, true},
		{4 * time.Hour, 0, false},
		{4*time.Hour - time.Second, 0, false}, // too late: this log is not in order
		{50 * time.Hour, 0, false},
	} {
		over, due := c.move(start.Add(step.after))
		if due != step.due || due && !over.Equal(start.Add(step.over)) {
			t.Fatalf("after %v it is %v, %t", step.after, over.Sub(start), due)
		}
	}
	if _, due := c.move(time.Time{}); due {
		t.Error("a record without a time moves the clock")
	}
}

// far is a record so late that every record after it is out of order.
const far = `{"eventVersion":"1.11","userIdentity":{"type":"IAMUser","principalId":"AIDACKCEVSQ6C2EXAMPLE","arn":"arn:aws:iam::999988887777:user/far","accountId":"999988887777","userName":"far"},` +
	`"eventTime":"2099-01-01T00:00:00Z","eventSource":"iam.amazonaws.com","eventName":"CreateUser","awsRegion":"us-east-1","sourceIPAddress":"203.0.113.24","userAgent":"aws-cli","requestParameters":{"userName":"last"},` +
	`"responseElements":{"user":{"userName":"last","userId":"AIDAJQABLZS4FARFARFAR"}},"eventID":"99999999-1111-4111-8111-111111111111","readOnly":false,"eventType":"AwsApiCall","recipientAccountId":"999988887777"}`

// failer is what *testing.T and *rapid.T have in common here.
type failer interface {
	Helper()
	Context() context.Context
	Fatalf(format string, args ...any)
}

// alerts are the lines of JSON that a replay of the records shows.
func alerts(t failer, store string, records ...string) []string {
	t.Helper()
	var out, errs bytes.Buffer
	sys := system{stdin: strings.NewReader(strings.Join(records, "\n")), stdout: &out, stderr: &errs, getenv: environment(), now: func() time.Time { return time.Date(2100, 1, 1, 0, 0, 0, 0, time.UTC) }}
	if code := run(t.Context(), []string{"replay", "--json", "--store", store, "-"}, sys); code != exitOK {
		t.Fatalf("exit code %d: %s", code, &errs)
	}
	return slices.DeleteFunc(strings.Split(out.String(), "\n"), func(l string) bool { return !strings.HasPrefix(l, `{"schema":"rootguard.alert/1"`) })
}

func sorted(lines []string) []string { return slices.Sorted(slices.Values(lines)) }

// Roll-ups reported on the way are the same as those reported at the end.
func TestRollUpsAreReportedNearTheirPlace(t *testing.T) {
	var log bytes.Buffer
	if err := story.Write(&log); err != nil {
		t.Fatal(err)
	}
	var file struct{ Records []json.RawMessage }
	if err := json.Unmarshal(log.Bytes(), &file); err != nil {
		t.Fatal(err)
	}
	var records []string
	for _, r := range file.Records {
		var line bytes.Buffer
		if err := json.Compact(&line, r); err != nil {
			t.Fatal(err)
		}
		records = append(records, line.String())
	}
	dir := t.TempDir()
	ordered := alerts(t, filepath.Join(dir, "o.db"), append(slices.Clone(records), far)...)
	atEnd := alerts(t, filepath.Join(dir, "e.db"), append([]string{far}, records...)...)
	if !slices.Equal(sorted(ordered), sorted(atEnd)) {
		t.Error("the alerts differ")
	}
	place := func(lines []string, text string) int {
		return slices.IndexFunc(lines, func(l string) bool { return strings.Contains(l, text) })
	}
	const rollUp, later = `"kind":"roll_up"`, "IAM user created: dana"
	if place(ordered, rollUp) > place(ordered, later) {
		t.Error("the first day's roll-up is not printed before the second day's alerts")
	}
	if place(atEnd, rollUp) < place(atEnd, later) {
		t.Error("in a log that is out of order a roll-up is printed before the end")
	}
	if again := alerts(t, filepath.Join(dir, "o.db"), append(slices.Clone(records), far)...); len(again) > 0 {
		t.Errorf("a second replay prints %q", again)
	}
}

// rootCall is a record of root's i-th call, in a session and at a time.
func rootCall(i int, session string, at time.Time) string {
	return fmt.Sprintf(`{"eventVersion":"1.11","userIdentity":{"type":"Root","principalId":"111122223333","arn":"arn:aws:iam::111122223333:root","accountId":"111122223333","accessKeyId":"ASIAEXAMPLE","sessionContext":{"attributes":{"creationDate":%q,"mfaAuthenticated":"true"}}},`+
		`"eventTime":%q,"eventSource":"ec2.amazonaws.com","eventName":"RunInstances","awsRegion":"us-east-1","sourceIPAddress":"203.0.113.24","userAgent":"aws-cli","requestParameters":{},"responseElements":{},"eventID":"00000000-1111-4111-8111-%012d","readOnly":false,"eventType":"AwsApiCall","recipientAccountId":"111122223333"}`,
		session, at.Format(time.RFC3339), i)
}

// rootSessions are the times that root's sessions in these tests began.
var rootSessions = []string{"2026-03-02T08:59:00Z", "2026-03-02T09:30:00Z"}

// sameAlerts checks that a replay shows the same whether roll-ups are reported on
// the way or at the end.
func sameAlerts(t failer, dir string, records []string) {
	t.Helper()
	ordered := sorted(alerts(t, filepath.Join(dir, "o.db"), append(slices.Clone(records), far)...))
	atEnd := sorted(alerts(t, filepath.Join(dir, "e.db"), append([]string{far}, records...)...))
	if !slices.Equal(ordered, atEnd) {
		t.Fatalf("on the way:\n%s\nat the end:\n%s", strings.Join(ordered, "\n"), strings.Join(atEnd, "\n"))
	}
}

// A record may be late by up to the disorder allowed for, and still falls into
// its session's window.
func TestRollUpOnTheWayWaitsForLateRecords(t *testing.T) {
	t.Parallel()
	start := time.Date(2026, 3, 2, 9, 30, 0, 0, time.UTC)
	for late := time.Minute; late <= disorder; late += time.Duration(testenv.Size(1, 5)) * time.Minute {
		sameAlerts(t, t.TempDir(), []string{
			rootCall(0, rootSessions[0], start),
			rootCall(1, rootSessions[0], start.Add(time.Minute)),
			rootCall(2, rootSessions[1], start.Add(14*time.Minute+late)),
			rootCall(3, rootSessions[0], start.Add(14*time.Minute)),
		})
	}
}

// In whatever rhythm root is used, and with records as late as a log in order
// has them, the alerts are the same.
func TestRollUpsOnTheWayChangeNothing(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	runs := 0
	testenv.Check(t, 40, func(t *rapid.T) {
		type event struct {
			order time.Time
			line  string
		}
		at := time.Date(2026, 3, 2, 9, 0, 0, 0, time.UTC)
		events := make([]event, rapid.IntRange(1, 30).Draw(t, "events"))
		for i := range events {
			at = at.Add(time.Duration(rapid.SampledFrom([]int{0, 1, 7, 14, 15, 16, 44, 61, 90, 600}).Draw(t, "minutes")) * time.Minute)
			late := rapid.SampledFrom([]time.Duration{0, 0, 0, 20 * time.Minute, disorder - time.Second}).Draw(t, "late")
			events[i] = event{at.Add(late), rootCall(i, rapid.SampledFrom(rootSessions).Draw(t, "session"), at)}
		}
		slices.SortStableFunc(events, func(a, b event) int { return a.order.Compare(b.order) })
		var records []string
		for _, e := range events {
			records = append(records, e.line)
		}
		runs++
		sameAlerts(t, filepath.Join(dir, strconv.Itoa(runs)), records)
	})
}
