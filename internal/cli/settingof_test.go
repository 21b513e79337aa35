package cli

import (
	"strings"
	"testing"

	"github.com/alecthomas/kong"

	"rootguard/internal/config"
)

// TestSettingOf holds that what is said about a setting without a flag agrees with the
// flags that rootguard deploy has.
func TestSettingOf(t *testing.T) {
	t.Parallel()
	parser, err := kong.New(&commandLine{}, kong.ExplicitGroups([]kong.Group{{Key: "aws", Title: "AWS"}}))
	if err != nil {
		t.Fatal(err)
	}
	flags := map[string]bool{}
	for _, command := range parser.Model.Children {
		if command.Name == "deploy" {
			for _, f := range command.Flags {
				flags[f.Name] = true
			}
		}
	}
	if !flags["grace"] || !flags["existing-table"] {
		t.Fatalf("the flags of deploy are %v", flags)
	}
	alone := 0
	for _, s := range config.Settings() {
		if s.Key == "" {
			continue
		}
		flag := dashes(s.Key)
		text := settingOf("upgrade", flag)
		for _, spelled := range []string{s.Key, strings.ToLower(s.Key)} {
			if settingOf("deploy", spelled) == "" {
				t.Errorf("deploy --%s: nothing is said", spelled)
			}
		}
		_, named, _ := strings.Cut(text, "rootguard deploy --")
		named, _, _ = strings.Cut(named, " ")
		switch {
		case strings.Contains(text, "the CDK's alone"):
			alone++
			if flags[flag] || flags["existing-"+flag] {
				t.Errorf("deploy has a flag of %s, and it says %q", s.Key, text)
			}
		case s.Key == "email":
		case !flags[named]:
			t.Errorf("--%s: %q names no flag of deploy", flag, text)
		}
		if got := settingOf("status", flag); got != "" {
			t.Errorf("status --%s: %q", flag, got)
		}
	}
	if alone < 10 {
		t.Errorf("%d settings are the CDK's alone", alone)
	}
}
