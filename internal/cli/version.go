package cli

import (
	"fmt"
	"runtime"
	"runtime/debug"

	"rootguard/internal/version"
)

type versionCmd struct{}

// Help has an example.
func (versionCmd) Help() string {
	return `Of a release it also prints where its changes are listed.

Example:
  rootguard version`
}

// Run prints the version.
func (versionCmd) Run(sys system) error {
	at := ""
	if info, ok := debug.ReadBuildInfo(); ok {
		for _, s := range info.Settings {
			switch {
			case s.Key == "vcs.revision":
				at += "built from " + s.Value
			case s.Key == "vcs.time":
				at += " of " + s.Value
			case s.Key == "vcs.modified" && s.Value == "true":
				at += " with changes"
			}
		}
	}
	if at != "" {
		at += "\n"
	}
	if changes := version.Changes(); changes != "" {
		at += "changes: " + changes + "\n"
	}
	return writeText(sys.stdout, fmt.Sprintf("rootguard %s\n%swith %s for %s/%s\n", version.String(), at, runtime.Version(),
		runtime.GOOS, runtime.GOARCH))
}
