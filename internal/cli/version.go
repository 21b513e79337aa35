package cli

import (
	"fmt"
	"runtime"
	"runtime/debug"
)

type versionCmd struct{}

// Help has an example.
func (versionCmd) Help() string {
	return `Example:
  rootguard version`
}

// Run prints the version.
func (versionCmd) Run(sys system) error {
	revision, at := "unknown revision", ""
	if info, ok := debug.ReadBuildInfo(); ok {
		for _, s := range info.Settings {
			switch {
			case s.Key == "vcs.revision":
				revision = s.Value
			case s.Key == "vcs.time":
				at = " of " + s.Value
			case s.Key == "vcs.modified" && s.Value == "true":
				at += " with changes"
			}
		}
	}
	return writeText(sys.stdout, fmt.Sprintf("rootguard %s\nbuilt from %s%s\nwith %s for %s/%s\n", version(), revision, at, runtime.Version(), runtime.GOOS, runtime.GOARCH))
}

// version is the module's version, "(devel)" where it was built from a checkout.
func version() string {
	if info, ok := debug.ReadBuildInfo(); ok && info.Main.Version != "" {
		return info.Main.Version
	}
	return "(devel)"
}
