package cli

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"rootguard/internal/testenv"
)

// fieldCase is one input as people have it, and what replaying it must give.
type fieldCase struct {
	input string
	flags []string // before the path
	also  []string // more paths, below the folder of inputs
	code  int
	// alerts are all that the replay prints, in any order: "severity finding time
	// text", where the time is how event_time begins or "-", and text is in the
	// title, the detail or the next step.
	alerts []string
	never  []string // is nowhere in the output
	passed []string // eventName and a part of the reason of a record that is not flagged
	stderr []string // parts of what standard error has; none: it is empty
	// pending is why the input is not yet as it should be, and owner whose part
	// that is. The test fails as soon as the input is as it should be.
	owner, pending string
}

// threeAlerts are what most inputs of an export's form hold.
var threeAlerts = []string{
	"critical root.signin.no_mfa 2026-05-04T09:00:00Z WITHOUT MFA",
	"info user.created 2026-05-04T09:05:00Z newbie",
	"high user.signin.no_mfa 2026-05-04T09:07:00Z mia",
}

var fieldCases = []fieldCase{
	{input: "log-end--end-two-files", alerts: []string{
		"info user.created 2026-05-04T09:00 fay", "medium user.console_access 2026-05-04T09:01 fay", "high user.mfa.missing - fay",
	}},
	{input: "log-end--end-signin-nomfa.json", alerts: []string{
		"info user.created 2026-05-04T09:00 kim", "medium user.console_access - kim", "high user.signin.no_mfa - kim", "high user.mfa.missing - kim",
	}},
	{input: "log-end--end-until.json", flags: []string{"--until", "2026-05-21"}, alerts: []string{
		"info user.created 2026-05-04T09:00 fay", "medium user.console_access 2026-05-04T09:01 fay", "high user.mfa.missing - fay",
	}},

	{input: "network-activity--networkactivity-iamdenied.json", alerts: []string{"high guard.tampered 2026-05-04T09:12:33Z denied"}},

	{input: "password-right--root-failed-password-right.json", alerts: []string{"high root.signin.failed 2026-05-04T09:12:33Z password"}},
	{input: "password-right--root-mfa-failed-with-mfa.json", alerts: []string{"high root.signin.failed 2026-05-04T09:12:33Z password"}},
	{input: "root-read-untold--root-reads-mfa-false.json", alerts: []string{"high root.session.unseen 2026-05-04T09:12:33Z"}, never: []string{"was told of"}},
	{input: "root-read-untold--root-session-token-reads.json", alerts: []string{"high root.session.unseen 2026-05-04T09:12:33Z"}, never: []string{"was told of"}},

	{input: "time-forms--spacetime-missing.json", alerts: []string{
		"info user.created 2026-05-04T09:00 ida", "medium user.console_access 2026-05-04 ida", "high user.mfa.missing - ida",
	}},
	{input: "time-forms--offset-nocolon.json", alerts: []string{"critical root.signin.no_mfa 2026-05-04T09:00:00Z"}},
	{input: "time-forms--epoch-timestamps.json", alerts: []string{"critical root.signin.no_mfa 2026-05-04T09:00:00Z", "info user.created 2026-05-04T09: newbie"}},

	{input: "late-delivery--late-addendum-delay.json", alerts: []string{"high root.activity 2026-05-04T09:12:33Z late"}},

	{input: "valid-called-malformed--aggregated-event.json"},
	{input: "valid-called-malformed--insight.json"},
	{input: "valid-called-malformed--insight-lookup.json"},
	{input: "valid-called-malformed--insight-eventbridge.json"},
	{input: "valid-called-malformed--digest-by-glob",
		also:   []string{"valid-called-malformed--digest-by-glob/444455556666_CloudTrail-Digest_us-east-1_main_us-east-1_20260504T090000Z.json.gz"},
		alerts: []string{"critical root.signin.no_mfa 2026-05-04T09"}},
	{input: "valid-called-malformed--docs-1.0-createuser.json", alerts: []string{"info user.created 2014-03-24T21:11:59Z Ben"}},

	{input: "root-credentials--root-createoauth2tokenwithiam.json", alerts: []string{"high root.activity 2026-05-04T09:12:33Z CreateOAuth2TokenWithIAM"}},
	{input: "root-credentials--federated-root-issuer.json", alerts: []string{"critical root.signin 2026-05-04T09:12:33Z"}},

	{input: "false-alarm--user-device-named-root.json", alerts: []string{"high user.mfa.removed 2026-05-04T09:12:33Z mia"}, never: []string{"root.mfa.removed"}},
	{input: "false-alarm--addendum-neweventid.json", alerts: []string{"critical root.signin.no_mfa 2026-05-04T09:12:33Z"}},

	{input: "swallowed--s3-notification.json", stderr: []string{"S3"}},

	{input: "not-read--cwl-insights.json", alerts: threeAlerts},
	{input: "not-read--cwl-insights-console.json", alerts: threeAlerts},
	{input: "not-read--cwl-insights-console-str.json", alerts: threeAlerts},
	{input: "not-read--wazuh-data.json", alerts: threeAlerts},
	{input: "not-read--opensearch-source.json", alerts: threeAlerts},
	{input: "not-read--sns-notification.json", alerts: threeAlerts[:1]},
	{input: "not-read--datadog.json", alerts: threeAlerts},
	{input: "not-read--datadog-flat.json", alerts: threeAlerts},
	{input: "not-read--athena-unload-json.json", alerts: threeAlerts},
	{input: "not-read--lake-getqueryresults.json", alerts: threeAlerts[:2]},

	{input: "unclear-words--csv-in-folder", code: 1, stderr: []string{"event_history.csv", "CSV", "JSON"}},
	{input: "unclear-words--zstd.json.zst", alerts: threeAlerts},
	{input: "unclear-words--zstd-named-json.json", alerts: threeAlerts},
	{input: "unclear-words--snappy-parquet.parquet", code: 1, stderr: []string{"Parquet"}},
	{input: "unclear-words--gz-parquet", code: 1, stderr: []string{"Parquet"}},
	{input: "unclear-words--utf16le-nobom.json", alerts: threeAlerts},
	{input: "unclear-words--s3-access-logs-beside", alerts: []string{"critical root.signin.no_mfa 2026-05-04T09"}, stderr: []string{"S3 server access log"}},

	{input: "wrong-text--assumeroot-delete-creds.json", alerts: []string{
		"medium root.session - IAMDeleteRootUserCredentials", "critical root.mfa.removed -", "medium root.session -",
	}, never: []string{"Enable MFA for root again"}},
	{input: "mfa-missing-text--unknown-user-device.json", alerts: []string{"high user.mfa.removed - xav", "high root.session.unseen 2026-05-20"}, never: []string{"user.mfa.missing", "was told of"}},

	{input: "gaps--enable-root-sessions.json", alerts: []string{
		"medium org.root_access.changed -", "medium org.root_access.changed -", "high org.root_access.changed -", "high org.root_access.changed -",
	}},
	{input: "gaps--org-closeaccount.json", alerts: []string{"high org.account.closed -"}},
}

// fieldFolder is where the inputs are.
func fieldFolder(t *testing.T) string {
	t.Helper()
	dir := filepath.Join(testenv.Shared(t), "field")
	_, err := os.Stat(dir)
	testenv.Need(t, err == nil, "the inputs as people have them, in a folder \"shared/field\" beside the repository")
	return dir
}

// TestField replays each input by itself into a fresh store.
func TestField(t *testing.T) {
	dir := fieldFolder(t)
	for _, c := range fieldCases {
		t.Run(c.input, func(t *testing.T) {
			t.Parallel()
			wrong := c.check(t, dir)
			switch {
			case c.pending == "":
				for _, text := range wrong {
					t.Error(text)
				}
			case len(wrong) == 0:
				t.Errorf("the input is as it should be: remove owner and pending (%s: %s)", c.owner, c.pending)
			default:
				t.Skipf("pending, owner %s: %s:\n%s", c.owner, c.pending, strings.Join(wrong, "\n"))
			}
		})
	}
}

// TestFieldIsWhole holds that no input is left out.
func TestFieldIsWhole(t *testing.T) {
	entries, err := os.ReadDir(fieldFolder(t))
	if err != nil {
		t.Fatal(err)
	}
	for _, entry := range entries {
		isInput := func(c fieldCase) bool { return c.input == entry.Name() }
		if entry.Name() != "EXPECTED.md" && !slices.ContainsFunc(fieldCases, isInput) {
			t.Errorf("no case for %s", entry.Name())
		}
	}
}

// printedAlert is what of an alert's JSON the cases speak of.
type printedAlert struct {
	Schema  string `json:"schema"`
	Kind    string `json:"kind"`
	Finding struct {
		ID, Severity, Title, Detail string
		EventTime                   string `json:"event_time"`
		NextStep                    string `json:"next_step"`
	} `json:"finding"`
	EventName string `json:"event_name"`
	Reason    string `json:"reason"`
}

// fits reports whether the alert is what the words of a case describe.
func (a *printedAlert) fits(words string) bool {
	parts := strings.SplitN(words, " ", 4)
	f := a.Finding
	return f.Severity == parts[0] && f.ID == parts[1] && (parts[2] == "-" || strings.HasPrefix(f.EventTime, parts[2])) &&
		(len(parts) < 4 || strings.Contains(f.Title+"\n"+f.Detail+"\n"+f.NextStep, parts[3]))
}

// check replays the input and returns all that is not as the case says.
func (c fieldCase) check(t *testing.T, dir string) (wrong []string) {
	t.Helper()
	args := append([]string{"replay", "--json", "--explain", "--store", filepath.Join(t.TempDir(), "store")}, c.flags...)
	for _, path := range append([]string{c.input}, c.also...) {
		path = filepath.Join(dir, path)
		if _, err := os.Stat(path); err != nil {
			t.Fatal(err)
		}
		args = append(args, path)
	}
	var stdout, stderr bytes.Buffer
	code := run(t.Context(), args, system{
		stdin: strings.NewReader(""), stdout: &stdout, stderr: &stderr,
		getenv: func(string) string { return "" }, now: func() time.Time { return time.Date(2026, time.November, 28, 12, 0, 0, 0, time.UTC) },
	})
	if code != c.code {
		wrong = append(wrong, fmt.Sprintf("exit code %d, want %d", code, c.code))
	}
	var alerts, others []printedAlert
	for line := range strings.Lines(stdout.String()) {
		var a printedAlert
		if err := json.Unmarshal([]byte(line), &a); err != nil {
			t.Fatalf("%v in the line %s", err, line)
		}
		switch {
		case a.Schema == "rootguard.alert/1" && a.Kind != "roll_up":
			alerts = append(alerts, a)
		case a.Schema == verdictSchema:
			others = append(others, a)
		}
	}
	for _, words := range c.alerts {
		at := slices.IndexFunc(alerts, func(a printedAlert) bool { return a.fits(words) })
		if at < 0 {
			wrong = append(wrong, "missing alert: "+words)
			continue
		}
		alerts = slices.Delete(alerts, at, at+1)
	}
	for _, a := range alerts {
		wrong = append(wrong, fmt.Sprintf("unexpected alert: %s %s %s %s", a.Finding.Severity, a.Finding.ID, a.Finding.EventTime, a.Finding.Title))
	}
	for _, words := range c.passed {
		name, reason, _ := strings.Cut(words, " ")
		if !slices.ContainsFunc(others, func(a printedAlert) bool { return a.EventName == name && strings.Contains(a.Reason, reason) }) {
			wrong = append(wrong, "missing verdict: "+words)
		}
	}
	for _, bits := range append([]string{`:"0001-01-01`}, c.never...) {
		if strings.Contains(stdout.String(), bits) {
			wrong = append(wrong, "in the output: "+bits)
		}
	}
	if len(c.stderr) == 0 && stderr.Len() > 0 {
		wrong = append(wrong, "standard error is not empty")
	}
	for _, bits := range c.stderr {
		if !strings.Contains(stderr.String(), bits) {
			wrong = append(wrong, "not on standard error: "+bits)
		}
	}
	if len(wrong) > 0 && stderr.Len() > 0 {
		wrong = append(wrong, "standard error: "+stderr.String())
	}
	return wrong
}
