package testenv

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// Hold holds what is between two marks in a file of the repository to a text. With
// update it writes the text there.
func Hold(tb testing.TB, file, begin, end, want string, update bool) {
	tb.Helper()
	path := filepath.Join(Root(tb), file)
	text, err := os.ReadFile(path) //nolint:gosec // a file of the repository
	if err != nil {
		tb.Fatal(err)
	}
	before, rest, found := strings.Cut(string(text), begin)
	have, after, ended := strings.Cut(rest, end)
	if !found || !ended {
		tb.Fatalf("%s has nothing between %q and %q", file, begin, end)
	}
	if have == want {
		return
	}
	if !update {
		tb.Fatalf("%s is out of date after %q; the same test with -update writes it. Want:\n%s", file, begin, want)
	}
	if err := os.WriteFile(path, []byte(before+begin+want+end+after), 0o600); err != nil { //nolint:gosec // the same file
		tb.Fatal(err)
	}
}
