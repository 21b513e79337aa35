package stacks

import (
	"bytes"
	"encoding/json"
	"flag"
	"os"
	"path/filepath"
	"regexp"
	"testing"

	"github.com/google/go-cmp/cmp"
)

var update = flag.Bool("update", false, "write the golden templates again")

// goldens are the stacks whose whole template is on file, by file name.
var goldens = map[string]struct{ scenario, stack string }{
	"guard":              {"default", "rootguard"},
	"guard-full":         {"full", "rootguard"},
	"guard-organization": {"organization", "rootguard"},
	"guard-quarantine":   {"quarantine", "rootguard"},
	"members-quarantine": {"quarantine-organization", "rootguard-members"},
	"forward":            {"default", "rootguard-forward-eu-north-1"},
	"second":             {"default", "rootguard-forward-us-east-2"},
	"guard-routed":       {"routed", "rootguard"},
	"members":            {"organization", "rootguard-members"},
}

// assetHash is the name of an uploaded file: it changes with the functions' code.
var assetHash = regexp.MustCompile(`[0-9a-f]{64}|-[0-9a-f]{32}`)

func TestGolden(t *testing.T) {
	sets := all(t)
	for name, g := range goldens {
		compare(t, name, sets[g.scenario].stack(t, g.stack))
	}
}

func TestGoldenParameterised(t *testing.T) {
	for name, tpl := range parameterisedTemplates(t) {
		compare(t, "parameterised-"+name, tpl)
	}
}

// compare holds a template against the one on file.
func compare(t *testing.T, name string, tpl *template) {
	t.Helper()
	t.Run(name, func(t *testing.T) {
		got := golden(t, tpl)
		path := filepath.Join("testdata", name+".golden.json")
		if *update {
			if err := os.WriteFile(path, got, 0o600); err != nil {
				t.Fatal(err)
			}
			return
		}
		want, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(string(want), string(got)); diff != "" {
			t.Errorf("the template changed (-golden +now); if that was meant: go test ./infra/stacks -run Golden -update\n%s", diff)
		}
	})
}

// golden is the template as it is on file: without hashes, and with the template
// that a stack set holds readable.
func golden(t *testing.T, tpl *template) []byte {
	t.Helper()
	var v map[string]any
	if err := json.Unmarshal(tpl.text, &v); err != nil {
		t.Fatal(err)
	}
	for _, r := range v["Resources"].(map[string]any) {
		properties, _ := r.(map[string]any)["Properties"].(map[string]any)
		if body, ok := properties["TemplateBody"].(string); ok {
			properties["TemplateBody"] = json.RawMessage(body)
		}
	}
	var buf bytes.Buffer
	enc := json.NewEncoder(&buf)
	enc.SetEscapeHTML(false)
	enc.SetIndent("", " ")
	if err := enc.Encode(v); err != nil {
		t.Fatal(err)
	}
	return assetHash.ReplaceAll(buf.Bytes(), []byte("HASH"))
}
