package stacks

import (
	"errors"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// ignored are rules of cfn-lint that are not ours to keep, with the reason.
var ignored = map[string]string{
	"W3005": "the CDK has a function depend on its role, so that its policies are there first, and refers to it too",
}

// TestCfnLint has cfn-lint check every template of every scenario, those
// within stack sets too. It runs under make e2e, which has cfn-lint.
func TestCfnLint(t *testing.T) {
	lint(t, templates)
}

func lint(t *testing.T, templates func(*testing.T) map[string]*template) {
	t.Helper()
	if os.Getenv("ROOTGUARD_E2E") == "" {
		t.Skip("skipped: it needs cfn-lint; run make e2e, which sets ROOTGUARD_E2E")
	}
	command, err := exec.LookPath("cfn-lint")
	if err != nil {
		t.Fatalf("%v; run make e2e, which installs it into .build/venv where it is missing, or: pip install cfn-lint==1.51.0", err)
	}
	dir := t.TempDir()
	args := []string{"--format", "parseable"}
	for _, rule := range slices.Sorted(maps.Keys(ignored)) {
		args = append(args, "--ignore-checks", rule)
	}
	args = append(args, "--template")
	all := templates(t)
	for _, name := range slices.Sorted(maps.Keys(all)) {
		file := filepath.Join(dir, strings.ReplaceAll(name, "/", "--")+".json")
		if err := os.WriteFile(file, all[name].text, 0o600); err != nil {
			t.Fatal(err)
		}
		args = append(args, file)
	}
	out, err := exec.CommandContext(t.Context(), command, args...).CombinedOutput()
	var found *exec.ExitError
	if err != nil && !errors.As(err, &found) {
		t.Fatalf("running cfn-lint: %v", err)
	}
	if err != nil || len(out) > 0 {
		t.Errorf("cfn-lint on %d templates: %v\n%s", len(all), err, strings.ReplaceAll(string(out), dir+"/", ""))
	}
}
