package cli

import (
	"bytes"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"
	"unicode/utf8"
)

func environment(pairs ...string) func(string) string {
	return func(name string) string {
		for i := 0; i < len(pairs); i += 2 {
			if pairs[i] == name {
				return pairs[i+1]
			}
		}
		return ""
	}
}

func TestUnicodeFollowsTheLocale(t *testing.T) {
	for _, c := range []struct {
		env  []string
		want bool
	}{
		{[]string{"LANG", "en_US.UTF-8"}, true},
		{[]string{"LANG", "de_DE.utf8"}, true},
		{[]string{"LANG", "C"}, false},
		{[]string{"LC_ALL", "C", "LANG", "en_US.UTF-8"}, false},
		{[]string{"LC_CTYPE", "C.UTF-8", "LANG", "C"}, true},
		{[]string{"LANG", "de_DE.ISO-8859-1"}, false},
	} {
		if got := (system{getenv: environment(c.env...)}).unicode(); got != c.want {
			t.Errorf("with %v unicode is %t", c.env, got)
		}
	}
}

func TestColorIsForTerminalsThatWantIt(t *testing.T) {
	for _, c := range []struct {
		terminal bool
		env      []string
		want     bool
	}{
		{true, nil, true},
		{false, nil, false},
		{true, []string{"NO_COLOR", "1"}, false},
		{true, []string{"TERM", "dumb"}, false},
	} {
		if got := (system{stdoutTerminal: c.terminal, getenv: environment(c.env...)}).paint().on; got != c.want {
			t.Errorf("terminal %t with %v: color is %t", c.terminal, c.env, got)
		}
	}
}

func TestDataDir(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("Windows has a data folder of its own")
	}
	home := t.TempDir()
	got, err := system{getenv: environment("XDG_DATA_HOME", home)}.dataDir()
	if err != nil || got != filepath.Join(home, "rootguard") {
		t.Errorf("with XDG_DATA_HOME it is %q, %v", got, err)
	}
	got, err = system{getenv: environment("XDG_DATA_HOME", "relative", "HOME", home)}.dataDir()
	if err != nil || !strings.HasPrefix(got, home) || filepath.Base(got) != "rootguard" {
		t.Errorf("with a relative XDG_DATA_HOME, which the specification says to ignore, it is %q, %v", got, err)
	}
	if got, err := (system{getenv: environment()}).dataDir(); err == nil || !strings.Contains(err.Error(), storeEnv) {
		t.Errorf("without a home it is %q, %v", got, err)
	}
}

// terminal runs a command as if on a terminal.
func terminal(t *testing.T, env []string, args ...string) (code int, stdout, stderr string) {
	t.Helper()
	return terminalOf(t, 200, env, args...)
}

// terminalOf runs a command as if on a terminal of so many characters a line.
func terminalOf(t *testing.T, width int, env []string, args ...string) (code int, stdout, stderr string) {
	t.Helper()
	var out, errs bytes.Buffer
	code = run(t.Context(), args, system{
		stdin: strings.NewReader(""), stdout: &out, stderr: &errs, stdoutTerminal: true, stderrTerminal: true, width: func() int { return width },
		getenv: environment(append(env, "LC_ALL", "C.UTF-8")...), now: func() time.Time { return time.Date(2026, 4, 10, 12, 0, 0, 0, time.UTC) },
	})
	return code, out.String(), errs.String()
}

func TestReplayOnATerminal(t *testing.T) {
	store := filepath.Join(t.TempDir(), "s.db")
	code, stdout, stderr := terminal(t, nil, "replay", "--store", store)
	if code != exitOK {
		t.Fatalf("exit code %d: %s", code, stderr)
	}
	if !strings.Contains(stdout, "\x1b[1;31mCRITICAL\x1b[0m") {
		t.Error("a critical finding is not colored")
	}
	if !strings.Contains(stderr, "records") || !strings.HasSuffix(stderr, "\r\x1b[K") {
		t.Errorf("the progress line was not drawn and taken away: %q", stderr)
	}
	if _, stdout, _ := terminal(t, []string{"NO_COLOR", "1"}, "status", "--store", store); strings.Contains(stdout, "\x1b") {
		t.Error("NO_COLOR is not respected")
	}
}

// A progress line that wraps would leave its beginning behind at each redraw.
func TestProgressFitsTheTerminal(t *testing.T) {
	for width, want := range map[int]string{20: "1 of 1 file, 315 re", 38: "1 of 1 file, 315 records, 128 relevan", 39: "1 of 1 file, 315 records, 128 relevant", 0: "1 of 1 file, 315 records, 128 relevant"} {
		_, _, stderr := terminalOf(t, width, nil, "replay", "--store", filepath.Join(t.TempDir(), "s.db"))
		if !strings.HasSuffix(stderr, "\r\x1b[K"+want+"\r\x1b[K") {
			t.Errorf("on %d characters the progress line is %q", width, stderr)
		}
	}
	if _, _, stderr := terminal(t, []string{"TERM", "dumb"}, "replay", "--store", filepath.Join(t.TempDir(), "s.db")); stderr != "" {
		t.Errorf("a dumb terminal cannot draw over a line, and gets %q", stderr)
	}
}

// escapes are the sequences that color text.
var escapes = regexp.MustCompile("\x1b\\[[0-9;]*m")

// What is printed fits a terminal, down to 80 characters, without a word cut in two.
func TestTablesFitTheTerminal(t *testing.T) {
	store := filepath.Join(t.TempDir(), "s.db")
	_, replayed, _ := terminalOf(t, 80, nil, "replay", "--store", store)
	replayed = escapes.ReplaceAllString(replayed, "")
	if !strings.Contains(replayed, "2026-04-08 02:36:52Z CRITICAL root.signin.no_mfa  111122223333 example-prod\n    Root sign-in WITHOUT MFA, root from 198.51.100.77\n") {
		t.Errorf("an alert is not on two lines:\n%s", replayed)
	}
	summary, table, _ := strings.Cut(replayed, "\n\n")
	_, catalogue, _ := terminalOf(t, 80, nil, "findings")
	catalogue = escapes.ReplaceAllString(catalogue, "")
	_, explained, _ := terminalOf(t, 80, nil, "explain", "--store", store, "661f5d36-2f17-4d81-ad23-a1591e4f12ed")
	explained = escapes.ReplaceAllString(explained, "")
	if !strings.Contains(explained, "\n  Do next: If this was not you, reset the root password, end its sessions and\n           call AWS Support; ") {
		t.Errorf("what to do next is not wrapped below itself:\n%s", explained)
	}
	if !strings.Contains(table, "\n111122223333 example-prod\n  guard.tampered ") || !strings.Contains(table, "\n444455556666 example-security\n  root.session ") || !strings.Contains(table, "\n  total ") {
		t.Errorf("the table has no headings:\n%s", table)
	}
	_, wide, _ := terminalOf(t, 200, nil, "status", "--store", store)
	_, narrow, _ := terminalOf(t, 80, nil, "status", "--store", store)
	wide, narrow = escapes.ReplaceAllString(wide, ""), escapes.ReplaceAllString(narrow, "")
	for _, line := range strings.Split(strings.Join([]string{summary, table, narrow, catalogue, explained}, "\n"), "\n") {
		if strings.Contains(line, store) || strings.Contains(line, " aws cloudtrail ") { // left whole, to be copied
			continue
		}
		if n := utf8.RuneCountInString(line); n > 80 {
			t.Errorf("%d characters: %q", n, line)
		}
	}
	_, wide, _ = strings.Cut(wide, "\n\n") // the overview leaves a column out
	_, narrow, _ = strings.Cut(narrow, "\n\n")
	if got, want := strings.Fields(narrow), strings.Fields(wide); !slices.Equal(got, want) {
		t.Errorf("on a narrow terminal the words are others:\n%s", narrow)
	}
	if !strings.Contains(wide, "Root user is left alone for 30 days             regressed since 2026-04-08 02:34:18 UTC\n") {
		t.Error("on a wide terminal a state is not beside its step")
	}
}

func TestWrap(t *testing.T) {
	for _, c := range []struct {
		text  string
		width int
		want  []string
	}{
		{"a bc def", 0, []string{"a bc def"}},
		{"a bc def", -6, []string{"a bc def"}},
		{"a bc def", 8, []string{"a bc def"}},
		{"a bc def", 7, []string{"a bc", "def"}},
		{"a bc def", 1, []string{"a", "bc", "def"}},
		{"äöü ßéè", 6, []string{"äöü", "ßéè"}},
		{"äöü ßéè", 7, []string{"äöü ßéè"}},
		{"", 5, []string{""}},
	} {
		if got := wrap(c.text, c.width); !slices.Equal(got, c.want) {
			t.Errorf("wrap(%q, %d) is %q, not %q", c.text, c.width, got, c.want)
		}
	}
}

// A user name may hold what steers a terminal.
func TestHostileNamesDoNotSteerTheTerminal(t *testing.T) {
	record := `{"eventVersion":"1.11","userIdentity":{"type":"IAMUser","principalId":"AIDACKCEVSQ6C2EXAMPLE","arn":"arn:aws:iam::111122223333:user/a\u001b[2Jdmin","accountId":"111122223333","userName":"a\u001b[2Jdmin"},` +
		`"eventTime":"2026-03-02T10:00:00Z","eventSource":"iam.amazonaws.com","eventName":"CreateUser","awsRegion":"us-east-1","sourceIPAddress":"203.0.113.24\u001b]0;x\u0007","userAgent":"x","requestParameters":{"userName":"e\u001b[31mvil\u202e"},` +
		`"responseElements":{"user":{"userName":"e\u001b[31mvil\u202e","userId":"AIDAJQABLZS4A3QDU576Q"}},"eventID":"\u001b[2J","readOnly":false,"eventType":"AwsApiCall","recipientAccountId":"111122223333"}`
	dir := t.TempDir()
	sys := func(out, errs *bytes.Buffer) system {
		return system{stdin: strings.NewReader(record), stdout: out, stderr: errs, getenv: environment(), now: time.Now}
	}
	for _, args := range [][]string{
		{"replay", "--store", filepath.Join(dir, "s.db"), "--explain", "-"},
		{"status", "--store", filepath.Join(dir, "s.db")},
		{"explain", "--store", filepath.Join(dir, "s.db"), "\x1b[2J", "-"},
		{"report", "--store", filepath.Join(dir, "s.db"), "-o", "-"},
		{"explain", "--store", filepath.Join(dir, "s.db"), "\x1b[2Jnone"},
	} {
		var out, errs bytes.Buffer
		run(t.Context(), args, sys(&out, &errs))
		if text := out.String() + errs.String(); strings.ContainsAny(text, "\x1b\x07\u202e") || !strings.Contains(text, "111122223333") && args[len(args)-1] != "\x1b[2Jnone" {
			t.Errorf("%v prints %q", args, text)
		}
	}
}
