package cli

import (
	"context"
	"fmt"
	"io"
	"path/filepath"
	"runtime"
	"strings"
	"time"
)

// system is what a command has of the machine it runs on.
type system struct {
	stdin          io.Reader
	stdout, stderr io.Writer

	stdinTerminal, stdoutTerminal, stderrTerminal bool
	width                                         func() int // of the terminal in characters, 0 where it is not known; nil: never known

	getenv func(string) string
	now    func() time.Time
	pause  func(ctx context.Context, d time.Duration) error // nil: pause
}

// wait waits between two things that are done again and again.
func (s system) wait(ctx context.Context, d time.Duration) error {
	if s.pause != nil {
		return s.pause(ctx, d)
	}
	return pause(ctx, d)
}

// unicode reports whether the locale can show more than ASCII. Where no locale
// is set, POSIX says that it is "C", which cannot.
func (s system) unicode() bool {
	for _, name := range []string{"LC_ALL", "LC_CTYPE", "LANG"} {
		if v := s.getenv(name); v != "" {
			v = strings.ToLower(v)
			return strings.Contains(v, "utf-8") || strings.Contains(v, "utf8")
		}
	}
	return runtime.GOOS == "windows" || runtime.GOOS == "darwin"
}

// paint colors text on standard output.
func (s system) paint() paint {
	return paint{on: s.stdoutTerminal && s.getenv("NO_COLOR") == "" && s.getenv("TERM") != "dumb"}
}

// redraws reports whether a line on standard error can be drawn over.
func (s system) redraws() bool { return s.stderrTerminal && s.getenv("TERM") != "dumb" }

// terminalWidth is how many characters fit on a line, 0 where that is not known.
func (s system) terminalWidth() int {
	if s.width == nil {
		return 0
	}
	return s.width()
}

// outputWidth is how wide standard output may be, 0 where it needs to fit no terminal.
func (s system) outputWidth() int {
	if !s.stdoutTerminal {
		return 0
	}
	return s.terminalWidth()
}

// dataDir is where the user's own data of programs is kept.
func (s system) dataDir() (string, error) {
	if dir := s.getenv("XDG_DATA_HOME"); filepath.IsAbs(dir) {
		return filepath.Join(dir, "rootguard"), nil
	}
	home := s.getenv("HOME")
	switch runtime.GOOS {
	case "windows":
		if dir := s.getenv("LOCALAPPDATA"); dir != "" {
			return filepath.Join(dir, "rootguard"), nil
		}
	case "darwin":
		if home != "" {
			return filepath.Join(home, "Library", "Application Support", "rootguard"), nil
		}
	default:
		if home != "" {
			return filepath.Join(home, ".local", "share", "rootguard"), nil
		}
	}
	return "", fmt.Errorf("finding a place for the store: neither a home nor a data folder is set; name one with --store or %s", storeEnv)
}

// paint colors text where it is on.
type paint struct{ on bool }

func (p paint) in(code, text string) string {
	if !p.on || text == "" {
		return text
	}
	return "\x1b[" + code + "m" + text + "\x1b[0m"
}

func (p paint) bold(text string) string  { return p.in("1", text) }
func (p paint) faint(text string) string { return p.in("2", text) }

// severity colors text as its severity asks.
func (p paint) severity(name, text string) string {
	switch strings.ToLower(name) {
	case "critical":
		return p.in("1;31", text)
	case "high":
		return p.in("31", text)
	case "medium":
		return p.in("33", text)
	case "low":
		return p.in("36", text)
	default:
		return p.in("2", text)
	}
}
