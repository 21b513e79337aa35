package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// TestRun describes the test's own binary.
func TestRun(t *testing.T) {
	t.Parallel()
	binary, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	var texts [2]string
	for i := range texts {
		document := filepath.Join(t.TempDir(), "sbom.json")
		if err := run(binary, document); err != nil {
			t.Fatal(err)
		}
		text, err := os.ReadFile(document)
		if err != nil {
			t.Fatal(err)
		}
		texts[i] = string(text)
	}
	if texts[0] != texts[1] {
		t.Error("the same binary makes two documents")
	}
	var b bom
	if err := json.Unmarshal([]byte(texts[0]), &b); err != nil {
		t.Fatal(err)
	}
	if b.Format != "CycloneDX" || b.Spec != "1.6" || b.Metadata.Component.Name != filepath.Base(binary) || b.Metadata.Component.Ref != "rootguard" {
		t.Errorf("%+v", b)
	}
	if !slices.ContainsFunc(b.Components, func(c component) bool {
		return strings.HasPrefix(c.PURL, "pkg:golang/std@go1.") && c.Type == "library" && c.Version != ""
	}) {
		t.Errorf("it does not name Go's own library: %+v", b.Components)
	}
	if len(b.Dependences) != 1 || len(b.Dependences[0].On) != len(b.Components) {
		t.Errorf("%+v", b.Dependences)
	}
	if err := run(filepath.Join(t.TempDir(), "none"), "x"); err == nil || !strings.Contains(err.Error(), "reading what") {
		t.Errorf("of no binary: %v", err)
	}
	text := filepath.Join(t.TempDir(), "text")
	if err := os.WriteFile(text, []byte("no program"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := run(text, filepath.Join(t.TempDir(), "x")); err == nil {
		t.Error("a text is described as a program")
	}
}
