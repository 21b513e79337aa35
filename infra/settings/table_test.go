package settings

import (
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"rootguard/internal/accountcheck"
	"rootguard/internal/config"
	"rootguard/internal/daytwo"
	"rootguard/internal/drill"
)

// TestTable holds that a row of the table of settings is read here, and by the
// functions where it names a variable, and names the place that was forgotten.
func TestTable(t *testing.T) {
	var keys, envs []string
	for _, row := range config.Settings() {
		if row.Env != "" {
			envs = append(envs, row.Env)
		}
		if row.Key == "" {
			continue
		}
		keys = append(keys, row.Key)
		f, ok := readers[row.Key]
		switch {
		case !ok:
			t.Errorf("%s: infra/settings/parse.go, readers: there is no reader", row.Key)
		case f.to == nil && f.parse == nil:
			t.Errorf("%s: infra/settings/parse.go, readers: it has neither a destination nor a parser", row.Key)
		case f.to == nil && row.Env != "":
			t.Errorf("%s: infra/settings/parse.go, readers: %s needs a destination to be written from", row.Key, row.Env)
		}
		if row.Doc == "" {
			t.Errorf("%s: internal/config/table.go: Doc is empty", row.Key)
		}
		if f.to != nil && f.parse == nil {
			holds(t, row, f.to(&Settings{}))
		}
	}
	for key := range readers {
		if !slices.Contains(keys, key) {
			t.Errorf("%s: internal/config/table.go: it is read, and has no row", key)
		}
	}
	for _, list := range [][]string{keys, envs} {
		if slices.Sort(list); len(slices.Compact(slices.Clone(list))) != len(list) {
			t.Errorf("a row is there twice: %v", list)
		}
	}
}

// holds that a row has what the reader of its kind of value asks for.
func holds(t *testing.T, row config.Setting, to any) {
	t.Helper()
	switch to.(type) {
	case *time.Duration, *[]time.Duration:
		if row.Shortest <= 0 || row.Longest <= row.Shortest {
			t.Errorf("%s: internal/config/table.go: a duration needs Shortest and Longest", row.Key)
		}
	case *int:
		if row.Largest <= row.Smallest || row.Env != "" && row.Unit == "" {
			t.Errorf("%s: internal/config/table.go: a number needs Smallest, Largest and Unit", row.Key)
		}
	case *string, *[]string:
		if readers[row.Key].check == nil {
			t.Errorf("%s: infra/settings/parse.go, readers: a text needs a check", row.Key)
		}
	case *bool:
		if row.Default == "" {
			t.Errorf("%s: internal/config/table.go: a flag needs a Default", row.Key)
		}
	default:
		t.Errorf("%s: infra/settings/parse.go, readers: %T needs a parser", row.Key, to)
	}
}

// TestFunctionsReadSettings holds that the functions read what the deployment wrote: the
// values of settings, not what is set to nothing.
func TestFunctionsReadSettings(t *testing.T) {
	s, err := Parse(context(t, `{"rootguard": {"grace": "36h", "reminders": ["1h", "2d"], "resend": [], "quietDays": 45, "drill": {"every": "365d", "users": ["glass"]}, "digest": "weekly sat 6:30 Europe/Berlin", "window": "5m", "posture": "2h",
		"adminRoles": ["Platform", "ops"], "accountNames": {"111122223333": "prod, old"}, "quarantine": "on", "quarantineNotice": "2d", "quarantineDaily": 25,
		"quarantineExempt": ["a,b", "111122223333"], "regions": ["eu-west-1", "us-east-2"], "trails": ["one", "two"], "dayTwo": ["root-certificates", "security-contact"], "metrics": true, "prefix": "acme", "email": ["ops@example.com"],
		"organization": {"id": "o-a1b2c3d4e5", "management": "111111111111", "hub": "111111111111", "units": ["r-abcd"]},
		"routes": [{"name": "data", "ou": ["Data"], "tag": ["team=data"], "accounts": ["123456789012"], "email": ["data@example.com"]}, {"accounts": ["123456789012"], "email": ["a@example.com"]}]}}`))
	if err != nil {
		t.Fatal(err)
	}
	env := s.Environment()
	for _, row := range config.Settings() {
		if row.Key != "" && row.Env != "" && env[row.Env] == "" {
			t.Errorf("%s is set, and %s is not written", row.Key, row.Env)
		}
	}
	maps.Copy(env, map[string]string{config.EnvTable: "t", config.EnvTopicARN: "arn:aws:sns:us-east-1:111122223333:acme"})
	c, err := config.Load(func(name string) string { return env[name] })
	if err != nil {
		t.Fatal(err)
	}
	type read struct {
		Grace, Window, Posture, Notice time.Duration
		Drill                          drill.Policy
		Reminders, Resend              []time.Duration
		QuietDays, Daily               int
		Mode, Prefix, Digest           string
		Roles, Exempt, Regions, Trails []string
		Names                          map[string]string
		Metrics                        bool
		DayTwo                         []daytwo.Step
		Routes                         []accountcheck.Route
	}
	want := read{
		36 * time.Hour, 5 * time.Minute, 2 * time.Hour, 48 * time.Hour, drill.Policy{Within: 365 * 24 * time.Hour, Users: []string{"glass"}}, []time.Duration{time.Hour, 48 * time.Hour}, []time.Duration{}, 45, 25, "on", "acme", "weekly saturday 06:30 Europe/Berlin",
		[]string{"Platform", "ops"}, []string{"a,b", "111122223333"}, []string{"eu-west-1", "us-east-2"}, []string{"one", "two"},
		map[string]string{"111122223333": "prod, old"}, true,
		[]daytwo.Step{daytwo.SecurityContact, daytwo.RootCertificates, daytwo.BreakGlassDrill},
		[]accountcheck.Route{{Name: "data", Units: []string{"Data"}, Tags: []string{"team=data"}, Accounts: []string{"123456789012"}}},
	}
	got := read{
		c.Settings.Bootstrap.Grace, c.Settings.DedupWindow, c.Settings.RootInterval, c.Settings.Quarantine.Notice, c.Drill, c.Settings.Reminders, c.Settings.Resend,
		c.Settings.Bootstrap.QuietDays, c.Settings.Quarantine.PerDay, string(c.Settings.Quarantine.Mode), c.Own.Prefix, c.Digest.String(),
		c.Settings.Bootstrap.AdminRoles, c.Settings.Quarantine.Exempt, c.Regions, c.Own.Trails, c.AccountNames, c.Metrics, c.Settings.DayTwo, c.Settings.Routes,
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("settings as the functions read them (-want +got):\n%s", diff)
	}

	if s, err = Parse(nil); err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]string{
		config.EnvGrace: "24h0m0s", config.EnvQuietDays: "30", config.EnvMetrics: "", config.EnvReminders: "", config.EnvQuarantine: "", config.EnvAccountNames: "", config.EnvPrefix: "rootguard", config.EnvDigest: "weekly monday 08:00 UTC",
	} {
		if got := s.Environment()[name]; got != want {
			t.Errorf("without a setting, %s is %q, want %q", name, got, want)
		}
	}
	if regions := s.Environment()[config.EnvRegions]; !strings.Contains(regions, "eu-central-1,") {
		t.Errorf("without a setting, the Regions are %q", regions)
	}
}
