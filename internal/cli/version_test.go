package cli

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"rootguard/internal/testenv"
)

// TestReleaseKnowsItself builds the command with the names that a release's
// configuration has the linker set, which takes a name that is none without a word:
// the command prints each.
func TestReleaseKnowsItself(t *testing.T) {
	t.Parallel()
	root := testenv.Root(t)
	text, err := os.ReadFile(filepath.Join(root, ".goreleaser.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	names := regexp.MustCompile(`-X (rootguard/internal/version\.[a-z]+)=`).FindAllStringSubmatch(string(text), -1)
	if len(names) != 3 {
		t.Fatalf("the configuration sets %v, want a release, its commit and its changes", names)
	}
	flags := []string{"-s", "-w"}
	for _, name := range names {
		flags = append(flags, "-X", name[1]+"="+strings.TrimPrefix(name[1], "rootguard/internal/version.")[:3]+"x")
	}
	binary := filepath.Join(t.TempDir(), "rootguard")
	build := exec.CommandContext(t.Context(), "go", "build", "-ldflags", strings.Join(flags, " "), "-o", binary, "./internal/cmd/rootguard")
	build.Dir = root
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("building: %v\n%s", err, out)
	}
	out, err := exec.CommandContext(t.Context(), binary, "version").Output()
	if err != nil || !strings.HasPrefix(string(out), "rootguard relx (comx)\n") || !strings.Contains(string(out), "\nchanges: chax\n") {
		t.Errorf("%s, %v", out, err)
	}
}
