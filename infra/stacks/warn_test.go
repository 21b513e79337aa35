package stacks

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"rootguard/infra/settings"
)

// TestWarning holds that whoever deploys is told of what would reach nobody.
func TestWarning(t *testing.T) {
	all(t) // or skips
	flags, err := featureFlags()
	if err != nil {
		t.Fatal(err)
	}
	archives := map[string]string{}
	for _, name := range Functions(&settings.Settings{}) {
		archives[name] = filepath.Join(t.TempDir(), name+".zip")
		if err := os.WriteFile(archives[name], []byte(name), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for given, want := range map[string]string{
		`{}`:                      "nobody receives the alerts",
		`{"chatTopic": true}`:     "nobody receives the alerts",
		`{"sms": "+14155550100"}`: "text messages alone",
		`{"sms": "+14155550100", "email": "ops@example.com"}`:                          "",
		`{"rootguard": {"slack": {"workspace": "T0123ABCD", "channel": "C0123ABCD"}}}`: "",
	} {
		dir := t.TempDir()
		if _, err := synth(dir, flags, given, archives); err != nil {
			t.Fatal(err)
		}
		var text strings.Builder
		files, err := filepath.Glob(filepath.Join(dir, "*.json"))
		if err != nil {
			t.Fatal(err)
		}
		for _, file := range files {
			raw, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			text.Write(raw)
		}
		if !strings.Contains(text.String(), want) || strings.Contains(text.String(), "rootguard:receivers") != (want != "") {
			t.Errorf("%s: want the warning %q", given, want)
		}
	}
}
