package main

import (
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"rootguard/internal/testenv"
)

// folder has a package whose tests reach the markers in every way, or nearly.
func folder(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	for name, text := range map[string]string{
		"go.mod": "module example\n\ngo 1.24\n",
		"a_test.go": `package a

import "testing"

type world struct{}

func (world) days(t *testing.T) { helper(t) }

var many = testenv.Size(2, 1)

func TestDirect(t *testing.T)   { testenv.Check(t) }
func TestClosure(t *testing.T)  { t.Run("x", func(t *testing.T) { _ = testenv.Turn(1, 2) }) }
func TestHelper(t *testing.T)   { helper(t) }
func TestVariable(t *testing.T) { _ = many }
func TestOther(t *testing.T)    { _ = testenv.Root(t) }
func TestPlain(t *testing.T)    { unmarked(t) }
func BenchmarkX(b *testing.B)   { testenv.Check(b) }
`,
		"b_test.go": `package a_test

import "testing"

func TestMethod(t *testing.T) { world{}.days(t) }
func TestSoak(t *testing.T)   { testenv.Soak(t) }
func TestMain(m *testing.M)   { _ = many }
func helper(t *testing.T)     { deeper(t) }
func deeper(t *testing.T)     { testenv.Size(2, 1) }
func unmarked(t *testing.T)   { _ = Check }
`,
		"a.go":    "package a\n",
		"skip.go": "not Go",
	} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

func TestSelected(t *testing.T) {
	dir := folder(t)
	got, err := selected(dir)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{"TestClosure", "TestDirect", "TestHelper", "TestMethod", "TestSoak", "TestVariable"}, got); diff != "" {
		t.Errorf("tests (-want +got):\n%s", diff)
	}
	if err := os.WriteFile(filepath.Join(dir, "c_test.go"), []byte("no package"), 0o600); err != nil {
		t.Fatal(err)
	}
	if got, err := selected(dir); err == nil || !strings.Contains(err.Error(), "c_test.go") {
		t.Errorf("a file that is not Go: %v, %v", got, err)
	}
}

// TestExec runs the tests of a package by go test as make soak does, one of which fails.
func TestExec(t *testing.T) {
	soaked := filepath.Join(t.TempDir(), "soaked")
	if out, err := exec.CommandContext(t.Context(), "go", "build", "-o", soaked, ".").CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	dir := t.TempDir()
	write := func(name, text string) {
		t.Helper()
		if err := os.MkdirAll(filepath.Dir(filepath.Join(dir, name)), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write("go.mod", "module example\n\ngo 1.24\n")
	write("testenv/testenv.go", "package testenv\n\nfunc Size(full, small int) int { return full }\n")
	write("a_test.go", `package a

import (
	"testing"

	"example/testenv"
)

func TestRandom(t *testing.T)   { t.Logf("size %d", testenv.Size(2, 1)) }
func TestOrdinary(t *testing.T) { t.Error("was run") }
`)
	run := func() (string, error) {
		cmd := exec.CommandContext(t.Context(), "go", "test", "-count=1", "-v", "-vet=off", "-exec", soaked, ".")
		cmd.Dir = dir
		out, err := cmd.CombinedOutput()
		return string(out), err
	}
	if out, err := run(); err != nil || !strings.Contains(out, "--- PASS: TestRandom") || strings.Contains(out, "TestOrdinary") {
		t.Errorf("%v\n%s", err, out)
	}
	write("b_test.go", "package a\n\nimport (\"testing\"; \"example/testenv\")\n\nfunc TestFails(t *testing.T) { t.Fatal(testenv.Size(2, 1)) }\n")
	if out, err := run(); err == nil || !strings.Contains(out, "--- FAIL: TestFails") {
		t.Errorf("%v\n%s", err, out)
	}
}

// TestMarkers holds that the markers are in test files alone, where selected finds
// them, and that what the race detector leaves out has one.
func TestMarkers(t *testing.T) {
	root := testenv.Root(t)
	marker := regexp.MustCompile(`\btestenv\.(` + strings.Join(markers, "|") + `)\b`)
	race := regexp.MustCompile(`\btestenv\.Race\b`)
	// They do the same whether the race detector watches or not.
	apart := []string{"internal/cli/main_test.go", "internal/testenv/check_test.go"}
	err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		rel, err := filepath.Rel(root, path)
		if err != nil {
			return err
		}
		rel = filepath.ToSlash(rel)
		if d.IsDir() && (strings.HasPrefix(d.Name(), ".") && rel != "." || rel == "internal/cmd/soaked") {
			return filepath.SkipDir
		}
		if d.IsDir() || !strings.HasSuffix(rel, ".go") {
			return nil
		}
		text, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		if !strings.HasSuffix(rel, "_test.go") && marker.Match(text) {
			t.Errorf("%s: mentions a marker outside a test file, where make soak does not look", rel)
		}
		allowed := false
		for _, a := range apart {
			allowed = allowed || a == rel
		}
		if !allowed && race.Match(text) {
			t.Errorf("%s: use testenv.Size, Turn or Soak in place of Race, so that make soak runs what is left out", rel)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}
