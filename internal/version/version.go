// Package version knows which version of rootguard a binary is of.
//
// A release has it from the linker, a binary built from a checkout its commit from the
// Go toolchain. Functions get no release: the same code must make the same archive.
package version

import "runtime/debug"

// Unknown is the version of a binary that was built from a checkout, and does not say
// from which commit.
const Unknown = "dev"

// Set by the linker: -X rootguard/internal/version.release=v1.4.0. Functions know
// their commit by this alone, since the same code must make the same archive.
var release, commit, changes string

// Changes is the address of the list of a release's changes, "" of what is none.
func Changes() string { return changes }

// String is "v1.4.0 (abc1234)": the release and the commit that it is of. A binary that
// was built from a checkout has the commit alone, or is Unknown.
func String() string {
	revision := commit
	if revision == "" {
		revision = checkout()
	}
	return Of(release, revision)
}

// Of writes a release, such as 1.4.0, and its commit; either may be "".
func Of(release, revision string) string {
	const short = 7 // as git abbreviates
	if len(revision) > short {
		revision = revision[:short]
	}
	switch {
	case release == "":
		release = Unknown
	case release[0] >= '0' && release[0] <= '9':
		release = "v" + release
	}
	if revision == "" {
		return release
	}
	return release + " (" + revision + ")"
}

// checkout is the commit that the Go command built the binary from, "" where it does
// not say.
func checkout() string {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return ""
	}
	for _, s := range info.Settings {
		if s.Key == "vcs.revision" {
			return s.Value
		}
	}
	return ""
}
