// Package testenv finds what tests need from outside the repository. What is
// missing skips the test on a user's clone and fails it where ROOTGUARD_REQUIRE
// is set, as CI does.
package testenv

import (
	"os"
	"path/filepath"
	"testing"
)

// RequireEnv is the variable that turns every such skip into a failure.
const RequireEnv = "ROOTGUARD_REQUIRE"

// Need skips the test where ok is false, or fails it under RequireEnv. what
// names the missing thing and how to get it.
func Need(tb testing.TB, ok bool, what string) {
	tb.Helper()
	switch {
	case ok:
	case os.Getenv(RequireEnv) != "":
		tb.Fatalf("%s is set and this is missing: %s", RequireEnv, what)
	default:
		tb.Skipf("skipped, missing: %s", what)
	}
}

// Shared returns the folder "shared" beside the module root, which holds the
// corpus of real CloudTrail records.
func Shared(tb testing.TB) string {
	tb.Helper()
	dir := filepath.Join(filepath.Dir(Root(tb)), "shared")
	_, err := os.Stat(dir)
	Need(tb, err == nil, "the corpus of real records, in a folder \"shared\" beside the repository")
	return dir
}

// Root returns the module's root folder.
func Root(tb testing.TB) string {
	tb.Helper()
	dir, err := os.Getwd()
	if err != nil {
		tb.Fatalf("finding the module root: %v", err)
	}
	for {
		if _, err := os.Stat(filepath.Join(dir, "go.mod")); err == nil {
			return dir
		}
		parent := filepath.Dir(dir)
		if parent == dir {
			tb.Fatal("finding the module root: no go.mod above the test's folder")
		}
		dir = parent
	}
}
