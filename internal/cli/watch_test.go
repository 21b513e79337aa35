package cli

import (
	"bytes"
	"context"
	"errors"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"rootguard/internal/bootstrap"
	"rootguard/internal/cli/label"
)

// watched is a watch whose clock is the test's, and which ends after its reads.
type watched struct {
	watcher
	out, errs bytes.Buffer
	now       time.Time
	waits     []time.Duration
}

// newWatched answers one read after the other, an error where there is no status.
func newWatched(t *testing.T, terminal bool, width int, reads ...any) *watched {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	w := &watched{now: time.Date(2026, 3, 2, 9, 0, 0, 0, time.UTC)}
	w.sys = system{stdout: &w.out, stderr: &w.errs, stdoutTerminal: terminal, width: func() int { return width },
		getenv: environment("LANG", "C.UTF-8"), now: func() time.Time { return w.now },
		pause: func(_ context.Context, d time.Duration) error {
			w.waits = append(w.waits, d)
			w.now = w.now.Add(d)
			return ctx.Err()
		}}
	w.every = 15 * time.Second
	n := 0
	w.read = func(context.Context) (accountStatus, int, error) {
		read := reads[n]
		if n++; n == len(reads) {
			cancel()
		}
		if err, failed := read.(error); failed {
			return accountStatus{}, 0, err
		}
		return read.(accountStatus), 30, nil
	}
	return w
}

// journeyOf is the status of an account by its steps' states, one letter each.
func journeyOf(states string) accountStatus {
	s := accountStatus{AccountName: "example-prod", Status: bootstrap.Status{Account: "111122223333", Bootstrapped: true}}
	for i, step := range bootstrap.Steps() {
		state := map[byte]bootstrap.State{'d': bootstrap.Done, 'p': bootstrap.Pending, 'r': bootstrap.Regressed, '-': bootstrap.NotApplicable, '?': bootstrap.Unknown}[states[i]]
		one := bootstrap.StepStatus{Step: step, State: state, Note: "note of " + string(step)}
		if state == bootstrap.Done || state == bootstrap.Regressed {
			one.Evidence = &bootstrap.Evidence{What: "Event-of-" + string(step), Actor: "root\x1b[2J"}
		}
		s.Bootstrapped = s.Bootstrapped && (state == bootstrap.Done || state == bootstrap.NotApplicable)
		s.Steps = append(s.Steps, one)
	}
	return s
}

// TestWatchPrintsChanges: without a terminal a watch prints a line for each change.
func TestWatchPrintsChanges(t *testing.T) {
	w := newWatched(t, false, 0, journeyOf("p?ppppp"), journeyOf("p?ppppp"), journeyOf("d?ppppp"), errors.New("no network"), journeyOf("r?ppppp"), journeyOf("ddddddd"))
	if err := w.run(t.Context()); err != nil {
		t.Fatal(err)
	}
	got := strings.Split(strings.TrimSuffix(w.out.String(), "\n"), "\n")
	want := []string{
		"2026-03-02 09:00:00Z 111122223333  example-prod: 0 of 7 steps done",
		"2026-03-02 09:00:00Z Root user has MFA: pending", "?", "?", "?", "?", "?", "?",
		"2026-03-02 09:00:00Z Next: Sign in as the root user and add an MFA device. A passkey or a security key is the safest. Console: your name at the top right > Security credentials > Multi-factor authentication (MFA) > Assign MFA device",
		`2026-03-02 09:00:30Z Root user has MFA: done, was pending (Event-of-root_mfa by root\x1b[2J)`,
		"?",
		`2026-03-02 09:01:00Z Root user has MFA: regressed, was done (Event-of-root_mfa by root\x1b[2J)`,
		"?",
		`2026-03-02 09:01:15Z Root user has MFA: done, was regressed (Event-of-root_mfa by root\x1b[2J)`,
	}
	for i, line := range want {
		if i >= len(got) || line != "?" && got[i] != line {
			t.Fatalf("line %d is not %q:\n%s", i, line, w.out.String())
		}
	}
	if got[len(got)-1] != "All steps are done." {
		t.Errorf("the last line is %q", got[len(got)-1])
	}
	if !strings.Contains(w.errs.String(), "note: no network; reading again in 15s\n") {
		t.Errorf("standard error: %q", w.errs.String())
	}
	if strings.ContainsAny(w.out.String(), "\x1b") {
		t.Error("what is no terminal is steered")
	}
	if !slices.Equal(w.waits, slices.Repeat([]time.Duration{15 * time.Second}, 5)) {
		t.Errorf("it waited %v", w.waits)
	}
}

// TestWatchDrawsOver: on a terminal the account is drawn over the one before,
// by as many lines as that had, and none is wider than the terminal.
func TestWatchDrawsOver(t *testing.T) {
	over := regexp.MustCompile("\x1b\\[([0-9]+)A\x1b\\[J")
	for _, width := range []int{40, 80, 200} {
		w := newWatched(t, true, width, journeyOf("p?ppppp"), journeyOf("d?d---p"), journeyOf("ddddddd"))
		if err := w.run(t.Context()); err != nil {
			t.Fatal(err)
		}
		screens := over.Split(w.out.String(), -1)
		if len(screens) != 3 {
			t.Fatalf("%d screens, want 3", len(screens))
		}
		for i, up := range over.FindAllStringSubmatch(w.out.String(), -1) {
			if lines := strings.Count(screens[i], "\n"); up[1] != strconv.Itoa(lines) {
				t.Errorf("a screen of %d lines is drawn over by %s", lines, up[1])
			}
		}
		for _, screen := range screens {
			text := regexp.MustCompile("\x1b\\[[0-9;]*m").ReplaceAllString(screen, "")
			if strings.Contains(text, "\x1b") {
				t.Errorf("a name steers the terminal: %q", text)
			}
			for line := range strings.Lines(text) {
				if n := utf8.RuneCountInString(strings.TrimSuffix(line, "\n")); n > width {
					t.Errorf("on %d characters a line has %d: %q", width, n, line)
				}
			}
			if strings.Count(text, "\n") > 45 {
				t.Errorf("the screen has %d lines", strings.Count(text, "\n"))
			}
		}
	}
}

// TestWatchEnds: it goes on after a failed read, gives up after several, and what
// fails at once is an error.
func TestWatchEnds(t *testing.T) {
	down := errors.New("down")
	if err := newWatched(t, false, 0, down).run(t.Context()); !errors.Is(err, down) {
		t.Errorf("the first read failed: %v", err)
	}
	w := newWatched(t, false, 0, journeyOf("p?ppppp"), down, down, down, down, down, down)
	if err := w.run(t.Context()); !errors.Is(err, down) || strings.Count(w.errs.String(), "note:") != watchFailures-1 {
		t.Errorf("%v after %q", err, w.errs.String())
	}
	w = newWatched(t, false, 0, journeyOf("p?ppppp"), usageError{"x"})
	if err := w.run(t.Context()); !errors.As(err, new(usageError)) {
		t.Errorf("a usage error: %v", err)
	}
	w = newWatched(t, false, 0, journeyOf("p?ppppp"), journeyOf("p?ppppp"))
	if err := w.run(t.Context()); !errors.Is(err, context.Canceled) {
		t.Errorf("interrupted: %v", err)
	}
}

func TestNext(t *testing.T) {
	for states, want := range map[string]bootstrap.Step{
		"p?ppppp": bootstrap.RootMFA, "dr?pppp": bootstrap.RootKeysAbsent, "d?d---p": bootstrap.RootQuiet, "d?dd--d": bootstrap.RootKeysAbsent,
		"???????": bootstrap.RootMFA, "ddpdddd": bootstrap.AdminUser, "dddpddd": bootstrap.AdminSignedIn, "ddddpdd": bootstrap.AdminPasswordChanged, "dddddrd": bootstrap.AdminMFA,
		"ddddddd": "", "-d-d---": "",
	} {
		s := journeyOf(states)
		a, found := label.Next(&s.Status)
		if a.Step != want || found != (want != "") || found && (a.Do == "" || want != bootstrap.RootQuiet && !strings.Contains(a.Path, "Console: ") && !strings.Contains(a.Path, "Sign-in page: ")) {
			t.Errorf("%s: next is %+v, want %s", states, a, want)
		}
	}
	s := journeyOf("dddddrd")
	s.Users = []bootstrap.UserStatus{{Name: "alice", Admin: true, ConsoleAccess: true}, {Name: "gone", Admin: true, Deleted: true}, {Name: "bob", ConsoleAccess: true}}
	if a, _ := label.Next(&s.Status); !strings.Contains(a.Do, "Sign in as alice ") || !strings.Contains(a.Path, "Users > alice > ") {
		t.Errorf("the administrator is not named: %+v", a)
	}
}
