package cli

import (
	"os"
	"path/filepath"
	"testing"
)

// TestReportIsReplacedAsAWhole holds that a report takes the name of the one before only
// when it is complete: who has that one open goes on reading it, and nothing else stays.
func TestReportIsReplacedAsAWhole(t *testing.T) {
	dir := t.TempDir()
	name, before := filepath.Join(dir, "r.html"), filepath.Join(dir, "before.html")
	for _, err := range []error{os.WriteFile(name, []byte("yesterday"), 0o600), os.Link(name, before), replaceFile(name, []byte("today"))} {
		if err != nil {
			t.Fatal(err)
		}
	}
	for file, want := range map[string]string{name: "today", before: "yesterday"} {
		if got, err := os.ReadFile(file); err != nil || string(got) != want {
			t.Errorf("%s has %q, %v, want %q", file, got, err, want)
		}
	}
	if all, err := os.ReadDir(dir); err != nil || len(all) != 2 {
		t.Errorf("files %v, %v", all, err)
	}
	if err := replaceFile(filepath.Join(dir, "no", "r.html"), nil); err == nil || filepath.Base(filepath.Dir(err.(*os.PathError).Path)) != "no" { //nolint:errorlint // as it is returned
		t.Errorf("into a folder that is not there: %v", err)
	}
}
