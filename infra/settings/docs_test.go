package settings

import (
	"encoding/json"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"rootguard/internal/testenv"
)

var row = regexp.MustCompile("(?m)^\\| `([A-Za-z]+)` \\|")

// TestDocs holds the document of settings to the settings: a row for each, and an
// example that is taken.
func TestDocs(t *testing.T) {
	data, err := os.ReadFile(filepath.Join(testenv.Root(t), "internal", "docs", "settings.md"))
	if err != nil {
		t.Fatal(err)
	}
	var have []string
	for _, m := range row.FindAllStringSubmatch(string(data), -1) {
		have = append(have, m[1])
	}
	slices.Sort(have)
	if diff := cmp.Diff(slices.Sorted(maps.Keys(fields)), have); diff != "" {
		t.Errorf("settings in internal/docs/settings.md (-want +got):\n%s", diff)
	}
	_, rest, _ := strings.Cut(string(data), "```json\n")
	example, _, found := strings.Cut(rest, "```")
	var file struct{ Context map[string]any }
	if err := json.Unmarshal([]byte(example), &file); err != nil || !found {
		t.Fatalf("reading the example: %v", err)
	}
	got, err := Parse(file.Context)
	if err != nil || got.Organization == nil || len(got.Receivers.Email) != 2 {
		t.Errorf("the example gives %+v, %v", got, err)
	}
}
