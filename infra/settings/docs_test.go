package settings

import (
	"encoding/json"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"rootguard/internal/config"
	"rootguard/internal/testenv"
)

var update = flag.Bool("update", false, "rewrite the table of internal/docs/settings.md from the table of settings")

// TestDocs holds the document of settings to the table, and its example to Parse.
func TestDocs(t *testing.T) {
	path := filepath.Join(testenv.Root(t), "internal", "docs", "settings.md")
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	const head, end = "| Key | Default |", "\n\n"
	start := strings.Index(string(data), head)
	if start < 0 {
		t.Fatalf("%s has no table that begins with %q", path, head)
	}
	length := strings.Index(string(data)[start:], end) + 1
	have := string(data)[start : start+length]
	if diff := cmp.Diff(config.Markdown(), have); diff != "" {
		if *update {
			if err := os.WriteFile(path, []byte(string(data)[:start]+config.Markdown()+string(data)[start+length:]), 0o644); err != nil {
				t.Fatal(err)
			}
		} else {
			t.Errorf("table of internal/docs/settings.md, written by go test ./infra/settings -run TestDocs -update (-want +got):\n%s", diff)
		}
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

// TestRoutingDoc holds the example of the document of routing to Parse.
func TestRoutingDoc(t *testing.T) {
	data, err := os.ReadFile(filepath.Join(testenv.Root(t), "internal", "docs", "routing.md"))
	if err != nil {
		t.Fatal(err)
	}
	_, rest, _ := strings.Cut(string(data), "```json\n")
	example, _, found := strings.Cut(rest, "```")
	var file struct{ Context map[string]any }
	if err := json.Unmarshal([]byte(example), &file); err != nil || !found {
		t.Fatalf("reading the example: %v", err)
	}
	got, err := Parse(file.Context)
	if err != nil || len(got.Routes) != 3 || len(got.Routes[0].Accounts) != 2 || len(got.Routes[1].HTTPS) != 1 || !got.Routes[2].Found() {
		t.Errorf("the example gives %+v, %v", got.Routes, err)
	}
}
