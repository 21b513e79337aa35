package stacks

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/aws/aws-cdk-go/awscdk/v2"

	"rootguard/infra/settings"
	"rootguard/internal/testenv"
)

// TestWarning holds that a deployment warns of alerts that reach no one and of
// Regions that are not watched.
func TestWarning(t *testing.T) {
	testenv.Soak(t)
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
		`{"email": "ops@example.com", "regions": "default,me-south-1"}`: "enable these Regions in every account before you deploy there: me-south-1",
		`{"email": "ops@example.com", "regions": "us-east-2"}`:          "are not watched: ap-northeast-1, ap-northeast-2",
		`{"email": "ops@example.com", "partition": "aws-eusc"}`:         "no other Region watches this one",
		`{}`:                      "no one receives the alerts",
		`{"chatTopic": true}`:     "no one receives the alerts",
		`{"sms": "+14155550100"}`: "text messages alone",
		`{"email": "ops@example.com", "partition": "aws-cn"}`:                          "",
		`{"sms": "+14155550100", "email": "ops@example.com"}`:                          "",
		`{"rootguard": {"slack": {"workspace": "T0123ABCD", "channel": "C0123ABCD"}}}`: "",
	} {
		dir := t.TempDir()
		if _, err := synth(dir, flags, given, archives, func(awscdk.App) {}); err != nil {
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
		if !strings.Contains(text.String(), want) {
			t.Errorf("%s: want the warning %q", given, want)
		}
		for id, when := range map[string]bool{
			"rootguard:receivers":  !strings.Contains(given, "email") && !strings.Contains(given, "slack"),
			"rootguard:regions":    strings.Contains(want, "not watched"),
			"rootguard:one-region": strings.Contains(want, "no other Region"),
		} {
			if strings.Contains(text.String(), id) != when {
				t.Errorf("%s: the warning %s is there: %v, want %v", given, id, !when, when)
			}
		}
	}
}
