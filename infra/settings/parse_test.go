package settings

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"rootguard/internal/testenv"

	"rootguard/internal/config"
	"rootguard/internal/detect"
	"rootguard/internal/partition"
)

// context is what the CDK passes on: JSON, decoded.
func context(t *testing.T, text string) map[string]any {
	t.Helper()
	var v map[string]any
	if err := json.Unmarshal([]byte(text), &v); err != nil {
		t.Fatalf("reading the test's context: %v", err)
	}
	return v
}

// further are the Regions besides the home Region that every account has.
func further(id string) []string {
	p, _ := partition.Of(id)
	return p.Further()
}

// TestUnwatched holds that what is left out or must be enabled first is named.
func TestUnwatched(t *testing.T) {
	for given, want := range map[string]struct{ unwatched, optIn int }{
		`{}`: {0, 0}, `{"regions": ""}`: {16, 0}, `{"regions": "us-east-2,me-south-1"}`: {15, 1},
		`{"regions": "default,me-south-1"}`: {0, 1}, `{"partition": "aws-eusc"}`: {0, 0}, `{"partition": "aws-cn", "regions": ""}`: {1, 0},
	} {
		s, err := Parse(context(t, given))
		if err != nil {
			t.Fatal(err)
		}
		if unwatched, optIn := s.Unwatched(), s.OptIn(); len(unwatched) != want.unwatched || len(optIn) != want.optIn {
			t.Errorf("%s: unwatched %v, opt-in %v", given, unwatched, optIn)
		}
	}
}

func TestManyRegions(t *testing.T) {
	names := make([]string, 41)
	for i := range names {
		names[i] = fmt.Sprintf("eu-west-%d", i+10)
	}
	if _, err := Parse(map[string]any{"regions": strings.Join(names[:40], ",")}); err != nil {
		t.Errorf("40 Regions: %v", err)
	}
	if _, err := Parse(map[string]any{"regions": strings.Join(names, ",")}); err == nil || !strings.Contains(err.Error(), `rootguard.regions: "41 Regions": name at most 40`) {
		t.Errorf("41 Regions: %v", err)
	}
}

func TestParse(t *testing.T) {
	base := func(change func(*Settings)) Settings {
		s := Settings{
			Prefix: "rootguard", Partition: "aws", Regions: further("aws"),
			Grace: 24 * time.Hour, Window: 15 * time.Minute, Posture: time.Hour, QuietDays: 30, LogDays: 90, Digest: "weekly monday 08:00 UTC",
		}
		if change != nil {
			change(&s)
		}
		return s
	}
	for _, tc := range []struct {
		name, context string
		want          Settings
	}{
		{"nothing", `{}`, base(nil)},
		{"keys of the CDK", `{"@aws-cdk/core:checkSecretUsage": true, "aws:cdk:bundling-stacks": ["**"], "cli-telemetry": false}`, base(nil)},
		{"an empty object", `{"rootguard": {}}`, base(nil)},
		{"one address", `{"email": "ops@example.com"}`, base(func(s *Settings) { s.Receivers.Email = []string{"ops@example.com"} })},
		{"several, separated by commas", `{"email": "a@example.com, b@example.com"}`, base(func(s *Settings) { s.Receivers.Email = []string{"a@example.com", "b@example.com"} })},
		{"the command line wins", `{"email": "cli@example.com", "rootguard": {"email": ["file@example.com"]}}`, base(func(s *Settings) { s.Receivers.Email = []string{"cli@example.com"} })},
		{"no further Region", `{"rootguard": {"regions": []}}`, base(func(s *Settings) { s.Regions = nil })},
		{"no reminder and no resend", `{"rootguard": {"reminders": [], "resend": []}}`, base(func(s *Settings) { s.Reminders, s.Resend = []time.Duration{}, []time.Duration{} })},
		{"no further Region, on the command line", `{"regions": ""}`, base(func(s *Settings) { s.Regions = nil })},
		{"GovCloud", `{"partition": "aws-us-gov"}`, base(func(s *Settings) { s.Partition, s.Regions = "aws-us-gov", []string{"us-gov-east-1"} })},
		{"the European Sovereign Cloud", `{"partition": "aws-eusc"}`, base(func(s *Settings) { s.Partition, s.Regions = "aws-eusc", []string{} })},
		{"fewer Regions", `{"regions": "us-west-2,eu-north-1"}`, base(func(s *Settings) { s.Regions = []string{"eu-north-1", "us-west-2"} })},
		{"an opt-in Region more", `{"rootguard": {"regions": ["default", "me-south-1", "us-east-2"]}}`, base(func(s *Settings) {
			s.Regions = append(s.Regions, "me-south-1")
			slices.Sort(s.Regions)
		})},
		{"China with a Region", `{"partition": "aws-cn", "regions": "cn-northwest-1"}`, base(func(s *Settings) { s.Partition, s.Regions = "aws-cn", []string{"cn-northwest-1"} })},
		{"flags as texts", `{"trail": "true", "terminationProtection": "true", "chatTopic": "false", "securityHub": "true"}`, base(func(s *Settings) { s.Trail, s.TerminationProtection, s.SecurityHub = true, true, true })},
		{"what costs more", `{"encrypt": "true", "rootguard": {"metrics": true}}`, base(func(s *Settings) { s.Encrypt, s.Metrics = true, true })},
		{"a table that was kept", `{"table": "rootguard-TableCD117FA1-1ABCDEFGHIJKL"}`, base(func(s *Settings) { s.Table = "rootguard-TableCD117FA1-1ABCDEFGHIJKL" })},
		{"operators", `{"rootguard": {"operators": ["arn:aws:iam::123456789012:role/ops", "arn:aws:iam::123456789012:role/aws-reserved/sso.amazonaws.com/eu-west-1/AWSReservedSSO_Ops_0123456789abcdef"]}}`, base(func(s *Settings) {
			s.Operators = []string{"arn:aws:iam::123456789012:role/ops", "arn:aws:iam::123456789012:role/aws-reserved/sso.amazonaws.com/eu-west-1/AWSReservedSSO_Ops_0123456789abcdef"}
		})},
		{"routes", `{"email": "ops@example.com", "rootguard": {"routes": [{"accounts": ["123456789012"], "severity": "medium", "email": ["team@example.com"]}, {"accounts": ["210987654321", "333333333333"], "https": ["https://example.com/x"], "sms": ["+14155550100"]}]}}`, base(func(s *Settings) {
			s.Receivers.Email = []string{"ops@example.com"}
			s.Routes = []Route{
				{config.Route{Accounts: []string{"123456789012"}, Least: detect.Medium}, Receivers{Email: []string{"team@example.com"}}},
				{config.Route{Accounts: []string{"210987654321", "333333333333"}}, Receivers{HTTPS: []string{"https://example.com/x"}, SMS: []string{"+14155550100"}}},
			}
		})},
		{"routes by unit and tag", `{"rootguard": {"email": ["ops@example.com"], "organization": {"id": "o-a1b2c3d4e5", "management": "111111111111", "hub": "222222222222", "units": ["r-abcd"]}, "routes": [
			{"name": "payments", "ou": ["Workloads/Payments", "ou-abcd-12345678"], "accounts": ["123456789012"], "email": ["team@example.com"]},
			{"name": "data-1", "tag": ["team=data science", "cost=a=b"], "severity": "high", "https": ["https://example.com/x"]}]}}`, base(func(s *Settings) {
			s.Receivers.Email = []string{"ops@example.com"}
			s.Organization = &Organization{ID: "o-a1b2c3d4e5", Management: "111111111111", Hub: "222222222222", Units: []string{"r-abcd"}}
			s.Routes = []Route{
				{config.Route{Name: "payments", Units: []string{"Workloads/Payments", "ou-abcd-12345678"}, Accounts: []string{"123456789012"}}, Receivers{Email: []string{"team@example.com"}}},
				{config.Route{Name: "data-1", Tags: []string{"team=data science", "cost=a=b"}, Least: detect.High}, Receivers{HTTPS: []string{"https://example.com/x"}}},
			}
		})},
		{"days", `{"grace": "3d", "quietDays": "45", "logDays": 365}`, base(func(s *Settings) { s.Grace, s.QuietDays, s.LogDays = 72*time.Hour, 45, 365 })},
		{"resend", `{"resend": "15m, 1h, 2d"}`, base(func(s *Settings) { s.Resend = []time.Duration{15 * time.Minute, time.Hour, 48 * time.Hour} })},
		{"dayTwo", `{"rootguard": {"dayTwo": ["root-certificates", "security-contact"]}}`, base(func(s *Settings) { s.DayTwo = []string{"root-certificates", "security-contact"} })},
		{"digest", `{"digest": "daily 7 Asia/Tokyo"}`, base(func(s *Settings) { s.Digest = "daily 07:00 Asia/Tokyo" })},
		{"drill", `{"drill": "365d"}`, base(func(s *Settings) { s.Drill, s.DayTwo = 365*24*time.Hour, []string{"break-glass-drill"} })},
		{"drill with users", `{"rootguard": {"drill": {"every": "180d", "users": ["break-glass", "glass@2"]}}}`, base(func(s *Settings) {
			s.Drill, s.DrillUsers, s.DayTwo = 180*24*time.Hour, []string{"break-glass", "glass@2"}, []string{"break-glass-drill"}
		})},
		{"no drill", `{"rootguard": {"drill": "off"}}`, base(nil)},
		{"no digest", `{"rootguard": {"digest": "off"}}`, base(func(s *Settings) { s.Digest = "off" })},
		{"posture", `{"posture": "30m"}`, base(func(s *Settings) { s.Posture = 30 * time.Minute })},
		{"quarantine", `{"quarantine": "dry-run"}`, base(func(s *Settings) { s.Quarantine = QuarantineDryRun })},
		{"no quarantine", `{"quarantine": "off"}`, base(nil)},
		{"quarantine in full", `{"rootguard": {"quarantine": "on", "quarantineNotice": "3d", "quarantineDaily": 25, "quarantineExempt": ["break-glass", "123456789012", "AIDAJQABLZS4A3QDU576Q", "arn:aws-us-gov:iam::123456789012:user/ops/eve"]}}`, base(func(s *Settings) {
			s.Quarantine, s.QuarantineNotice, s.QuarantineDaily = QuarantineOn, 72*time.Hour, 25
			s.QuarantineExempt = []string{"break-glass", "123456789012", "AIDAJQABLZS4A3QDU576Q", "arn:aws-us-gov:iam::123456789012:user/ops/eve"}
		})},
		{"reminders", `{"reminders": "1h, 2d"}`, base(func(s *Settings) { s.Reminders = []time.Duration{time.Hour, 48 * time.Hour} })},
		{"everything", `{"rootguard": {
			"prefix": "acme-guard", "partition": "aws", "regions": ["eu-west-1"],
			"email": ["ops@example.com"], "sms": ["+14155550100"], "https": ["https://example.com/hook"],
			"escalation": {"email": ["ciso@example.com"]},
			"slack": {"workspace": "T0123ABCD", "channel": "C0123ABCD"},
			"digest": "daily", "grace": "12h", "window": "30m", "posture": "2h", "quietDays": 60, "adminRoles": ["Platform-Admin"], "logDays": 30,
			"accountNames": {"123456789012": "prod-billing"},
			"trails": ["arn:aws:cloudtrail:us-east-1:123456789012:trail/org"],
			"organization": {"id": "o-a1b2c3d4e5", "management": "111111111111", "hub": "222222222222", "units": ["r-abcd"]}
		}}`, Settings{
			Prefix: "acme-guard", Partition: "aws", Regions: []string{"eu-west-1"},
			Receivers:  Receivers{Email: []string{"ops@example.com"}, SMS: []string{"+14155550100"}, HTTPS: []string{"https://example.com/hook"}},
			Escalation: Receivers{Email: []string{"ciso@example.com"}},
			Slack:      &Slack{Workspace: "T0123ABCD", Channel: "C0123ABCD"}, ChatTopic: true,
			Digest: "daily 08:00 UTC", Grace: 12 * time.Hour, Window: 30 * time.Minute, Posture: 2 * time.Hour, QuietDays: 60, AdminRoles: []string{"Platform-Admin"}, LogDays: 30,
			AccountNames: map[string]string{"123456789012": "prod-billing"},
			Trails:       []string{"arn:aws:cloudtrail:us-east-1:123456789012:trail/org"},
			Organization: &Organization{ID: "o-a1b2c3d4e5", Management: "111111111111", Hub: "222222222222", Units: []string{"r-abcd"}},
		}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			got, err := Parse(context(t, tc.context))
			if err != nil {
				t.Fatalf("parsing: %v", err)
			}
			if diff := cmp.Diff(tc.want, got); diff != "" {
				t.Errorf("settings (-want +got):\n%s", diff)
			}
		})
	}
}

func TestParseErrors(t *testing.T) {
	many := make([]string, 51)
	for i := range many {
		many[i] = fmt.Sprintf(`"%012d"`, i)
	}
	addresses := make([]string, 21)
	for i := range addresses {
		addresses[i] = fmt.Sprintf(`"team%d@example.com"`, i)
	}
	routes := func(list string) string {
		return `{"rootguard": {"email": ["ops@example.com"], "routes": [` + list + `]}}`
	}
	const anOrganization = `"organization": {"id": "o-a1b2c3d4e5", "management": "111111111111", "hub": "111111111111", "units": ["r-abcd"]}`
	organization := func(member string) string {
		return `{"rootguard": {"organization": {"id": "o-a1b2c3d4e5", "management": "111111111111", "hub": "111111111111", "units": ["r-abcd"], ` + member + `}}}`
	}
	for _, tc := range []struct{ context, key, value, fix string }{
		{`{"rootguard": "ops@example.com"}`, "rootguard", "ops@example.com", "give an object"},
		{`{"rootguard": {"emial": ["ops@example.com"]}}`, "rootguard.emial", "", `did you mean "email"?`},
		{`{"rootguard": {"frobnicate": 1}}`, "rootguard.frobnicate", "", "there are accountNames, adminRoles, chatTopic, dayTwo, digest, drill, email"},
		{`{"emial": "ops@example.com"}`, "emial", "", `did you mean "email"?`},
		{`{"Email": "ops@example.com"}`, "Email", "", `did you mean "email"?`},
		{`{"email": "ops"}`, "email", "ops", "plain address"},
		{`{"rootguard.email": "ops@example.com"}`, "rootguard.email", "", "as -c email=VALUE"},
		{`{"rootguard.escalation.email": "ops@example.com"}`, "rootguard.escalation.email", "", "into the object rootguard in cdk.json"},
		{`{"rootguard.emial": "ops@example.com"}`, "rootguard.emial", "", `did you mean "email"?`},
		{`{"routes": "payments"}`, "routes", "payments", "give a list"},
		{routes(`1`), "rootguard.routes[0]", "1", "give an object with accounts, email, https, name, ou, severity, sms, tag"},
		{routes(`{"email": ["a@example.com"]}`), "rootguard.routes[0].accounts", "", "an organizational unit (ou) or a tag (tag)"},
		{routes(`{"ou": ["Workloads"], "email": ["a@example.com"]}`), "rootguard.routes[0].name", "", "give the route a name"},
		{routes(`{"name": "x", "accounts": ["123456789012"], "email": ["a@example.com"]}`), "rootguard.routes[0].name", "x", "remove it"},
		{routes(`{"name": "X Y", "ou": ["Workloads"], "email": ["a@example.com"]}`), "rootguard.routes[0].name", "X Y", "30 lower-case"},
		{routes(`{"name": "x", "ou": ["ou-1"], "email": ["a@example.com"]}`), "rootguard.routes[0].ou", "ou-1", "organizational unit"},
		{routes(`{"name": "x", "ou": ["A//B"], "email": ["a@example.com"]}`), "rootguard.routes[0].ou", "A//B", "names one below the other"},
		{routes(`{"name": "x", "ou": [" A"], "email": ["a@example.com"]}`), "rootguard.routes[0].ou", " A", "its name"},
		{routes(`{"name": "x", "tag": ["team"], "email": ["a@example.com"]}`), "rootguard.routes[0].tag", "team", "team=payments"},
		{routes(`{"name": "x", "tag": ["team=a"], "email": ["a@example.com"]}`), "rootguard.routes", "x", "needs the setting organization"},
		{`{"rootguard": {"receivers": "none", ` + anOrganization + `, "routes": [{"name": "x", "tag": ["team=a"], "email": ["a@example.com"]}]}}`, "rootguard.routes", "x", "name a receiver of all alerts too"},
		{`{"rootguard": {"email": ["ops@example.com"], ` + anOrganization + `, "routes": [{"name": "x", "tag": ["team=a"], "email": ["a@example.com"]}, {"name": "x", "tag": ["team=b"], "email": ["b@example.com"]}]}}`, "rootguard.routes", "x", "two routes have this name"},
		{routes(`{"accounts": [], "email": ["a@example.com"]}`), "rootguard.routes[0].accounts", "", "at least one account"},
		{routes(`{"accounts": ["1234"], "email": ["a@example.com"]}`), "rootguard.routes[0].accounts", "1234", "12 digits"},
		{routes(`{"accounts": ["123456789012"]}`), "rootguard.routes[0]", "", "name who gets these alerts"},
		{routes(`{"accounts": ["123456789012"], "email": ["a@example.com"], "severity": "bad"}`), "rootguard.routes[0].severity", "bad", `"info"`},
		{routes(`{"accounts": ["123456789012"], "email": ["a@example.com"], "unit": "ou-abcd-12345678"}`), "rootguard.routes[0].unit", "", "there are accounts, email"},
		{routes(`{"accounts": [` + strings.Join(many, ",") + `], "email": ["a@example.com"], "severity": "medium"}`), "rootguard.routes[0].accounts", "51 accounts", "name at most 50 accounts"},
		{routes(`{"accounts": ["123456789012"], "email": ["OPS@example.com"]}`), "rootguard.routes", "OPS@example.com", "gets every alert already"},
		{routes(`{"accounts": ["123456789012"], "email": ["a@example.com"]}, {"accounts": ["210987654321"], "email": ["a@example.com"]}`), "rootguard.routes", "a@example.com", "in one route"},
		{routes(`{"accounts": ["123456789012"], "email": [` + strings.Join(addresses, ",") + `]}`), "rootguard.routes", "21 receivers", "at most 20"},
		{`{"rootguard": {"drill": {"users": ["a"]}}}`, "rootguard.drill.every", "", "needs it"},
		{`{"rootguard": {"drill": {"every": "365d", "users": ["arn:aws:iam::123456789012:user/a"]}}}`, "rootguard.drill.users", "arn:aws:iam::123456789012:user/a", "not its ARN"},
		{`{"rootguard": {"drill": {"every": "1d"}}}`, "rootguard.drill.every", "1d", "give a duration from 30d"},
		{`{"rootguard": {"drill": {"each": "365d"}}}`, "rootguard.drill.each", "", "there are every, users"},
		{`{"rootguard": {"dayTwo": ["break-glass-drill"]}}`, "rootguard.dayTwo", "break-glass-drill", "set drill too"},
		{`{"receivers": "ops@example.com"}`, "receivers", "ops@example.com", `give "none"`},
		{`{"receivers": false}`, "receivers", "false", `give "none"`},
		{`{"email": "Ops <ops@example.com>"}`, "email", "Ops <ops@example.com>", "plain address"},
		{`{"rootguard": {"email": [1]}}`, "rootguard.email", "1", "in quotes"},
		{`{"rootguard": {"email": {"to": "ops@example.com"}}}`, "rootguard.email", "map[to:ops@example.com]", "list of texts"},
		{`{"email": "a@example.com,a@example.com"}`, "email", "a@example.com", "listed twice"},
		{`{"sms": "004155550100"}`, "sms", "004155550100", "international form"},
		{`{"https": "http://example.com"}`, "https", "http://example.com", `begins with "https://"`},
		{`{"regions": "us-east-1"}`, "rootguard.regions", "us-east-1", "the guard itself runs there"},
		{`{"regions": "Frankfurt"}`, "regions", "Frankfurt", "Region's code"},
		{`{"regions": "cn-north-1"}`, "rootguard.regions", "cn-north-1", "not in the partition aws"},
		{`{"partition": "aws-us-gov", "regions": "eu-west-1"}`, "rootguard.regions", "eu-west-1", "set partition to aws"},
		{`{"regions": "us-iso-east-1"}`, "rootguard.regions", "us-iso-east-1", "does not know its partition"},
		{`{"regions": "eusc-de-east-1"}`, "rootguard.regions", "eusc-de-east-1", "set partition to aws-eusc"},
		{`{"partition": "aws-eusc", "regions": "default,eusc-de-east-1"}`, "rootguard.regions", "eusc-de-east-1", "the guard itself runs there"},
		{`{"partition": "gov"}`, "partition", "gov", `"aws-us-gov"`},
		{`{"partition": ""}`, "partition", "(empty)", `"aws-eusc"`},
		{`{"prefix": "Acme"}`, "prefix", "Acme", "lower-case"},
		{`{"prefix": "aaaaaaaaaaaaaaaaaaaa"}`, "prefix", "aaaaaaaaaaaaaaaaaaaa", "rule guard-delivery would be too complex for EventBridge (24 > 8): choose a prefix that repeats itself less"},
		{`{"rootguard": {"prefix": "rr-rr-rr-rr-rr"}}`, "rootguard.prefix", "rr-rr-rr-rr-rr", "too complex for EventBridge"},
		{`{"prefix": ""}`, "prefix", "(empty)", "lower-case"},
		{`{"reminders": ["1h", "soon"]}`, "reminders", "soon", `such as "30m"`},
		{`{"resend": "1m"}`, "resend", "1m", "give a duration from 5m to 7d"},
		{`{"reminders": "2d,1d"}`, "reminders", "1d", "shortest first"},
		{`{"grace": "soon"}`, "grace", "soon", `such as "30m"`},
		{`{"grace": "5m"}`, "grace", "5m", "from 1h to 90d"},
		{`{"grace": "9999999999999d"}`, "grace", "9999999999999d", "from 1h to 90d"},
		{`{"grace": "99999999999999999999d"}`, "grace", "99999999999999999999d", "from 1h to 90d"},
		{`{"rootguard": {"grace": 24}}`, "rootguard.grace", "24", "give a duration"},
		{`{"window": "25h"}`, "window", "25h", "from 1m to 24h"},
		{`{"dayTwo": "root-certificates,tea"}`, "dayTwo", "tea", "no such step; there are security-contact, "},
		{`{"drill": "7d"}`, "drill", "7d", "from 30d to 390d"},
		{`{"rootguard": {"drill": "yearly"}}`, "rootguard.drill", "yearly", "give a duration"},
		{`{"digest": "monthly"}`, "digest", "monthly", `write off, daily or weekly`},
		{`{"rootguard": {"digest": "weekly monday 8 Europe/Berlim"}}`, "rootguard.digest", "weekly monday 8 Europe/Berlim", `"Europe/Berlim" is no day, time or time zone`},
		{`{"rootguard": {"digest": 7}}`, "rootguard.digest", "7", `it is empty`},
		{`{"posture": "5m"}`, "posture", "5m", "from 15m to 24h"},
		{`{"adminRoles": ["arn:aws:iam::123456789012:role/ops"]}`, "adminRoles", "arn:aws:iam::123456789012:role/ops", "not its ARN"},
		{`{"quietDays": "0"}`, "quietDays", "0", "from 1 to 365"},
		{`{"rootguard": {"quietDays": 1.5}}`, "rootguard.quietDays", "1.5", "whole number"},
		{`{"logDays": "91"}`, "logDays", "91", "60 90 120"},
		{`{"quarantine": "yes"}`, "quarantine", "yes", `"dry-run" or "on"`},
		{`{"rootguard": {"quarantine": true}}`, "rootguard.quarantine", "true", `"dry-run" or "on"`},
		{`{"quarantine": "on", "quarantineNotice": "5m"}`, "quarantineNotice", "5m", "from 1h to 30d"},
		{`{"quarantine": "on", "quarantineExempt": "arn:aws:iam::123456789012:role/ops"}`, "quarantineExempt", "arn:aws:iam::123456789012:role/ops", "name or ARN of a user"},
		{`{"quarantine": "on", "quarantineExempt": "eve adams"}`, "quarantineExempt", "eve adams", "name or ARN of a user"},
		{`{"quarantineExempt": "eve"}`, "rootguard.quarantine", "off", "remove quarantineNotice, quarantineDaily and quarantineExempt"},
		{`{"quarantine": "off", "quarantineDaily": 3}`, "rootguard.quarantine", "off", "remove quarantineNotice"},
		{`{"quarantine": "on", "quarantineDaily": 0}`, "quarantineDaily", "0", "from 1 to 1000"},
		{`{"quarantine": "off", "quarantineNotice": "2h"}`, "rootguard.quarantine", "off", "remove quarantineNotice"},
		{`{"trail": "yes"}`, "trail", "yes", "true or false"},
		{`{"encrypt": "aws/sns"}`, "encrypt", "aws/sns", "true or false"},
		{`{"rootguard": {"metrics": 1}}`, "rootguard.metrics", "1", "true or false"},
		{`{"table": "arn:aws:dynamodb:us-east-1:123456789012:table/t"}`, "table", "arn:aws:dynamodb:us-east-1:123456789012:table/t", "not its ARN"},
		{`{"table": ""}`, "table", "(empty)", "table's name"},
		{`{"operators": "arn:aws:sts::123456789012:assumed-role/ops/eve"}`, "operators", "arn:aws:sts::123456789012:assumed-role/ops/eve", "arn:aws:iam::123456789012:role/ops"},
		{`{"operators": "arn:aws:sts::123456789012:assumed-role/AWSReservedSSO_Ops_0123/eve"}`, "operators", "arn:aws:sts::123456789012:assumed-role/AWSReservedSSO_Ops_0123/eve", "aws iam get-role --role-name AWSReservedSSO_Ops_0123 "},
		{`{"operators": "arn:aws:iam::123456789012:user/eve"}`, "operators", "arn:aws:iam::123456789012:user/eve", "a user, root or a pattern"},
		{`{"operators": "arn:aws:iam::123456789012:root"}`, "operators", "arn:aws:iam::123456789012:root", "role's ARN"},
		{`{"operators": "arn:aws:iam::123456789012:role/*"}`, "operators", "arn:aws:iam::123456789012:role/*", "a pattern"},
		{`{"operators": "arn:aws:iam::123456789012:role/*/ops"}`, "rootguard.operators", "arn:aws:iam::123456789012:role/*/ops", "a pattern"},
		{`{"operators": "arn:aws-cn:iam::123456789012:role/ops"}`, "rootguard.operators", "arn:aws-cn:iam::123456789012:role/ops", "not in the partition aws"},
		{`{"operators": "ops"}`, "operators", "ops", "role's ARN"},
		{`{"trails": "a b"}`, "trails", "a b", "name or ARN"},
		{`{"rootguard": {"accountNames": {"1234": "x"}}}`, "rootguard.accountNames.1234", "1234", "12 digits"},
		{`{"rootguard": {"accountNames": {"123456789012": " "}}}`, "rootguard.accountNames.123456789012", " ", "account's name"},
		{`{"rootguard": {"accountNames": ["x"]}}`, "rootguard.accountNames", "[x]", "give an object"},
		{`{"accountNames": "x"}`, "accountNames", "x", `in the object rootguard of cdk.json: {"rootguard": {"accountNames": …}}; -c takes texts, flags and lists alone`},
		{`{"regions": "none"}`, "regions", "none", "for none, give an empty text or list"},
		{`{"rootguard": {"escalation": {"mail": ["a@example.com"]}}}`, "rootguard.escalation.mail", "", `did you mean "email"?`},
		{`{"rootguard": {"escalation": "a@example.com"}}`, "rootguard.escalation", "a@example.com", "object with email, https, sms"},
		{`{"rootguard": {"slack": {"workspace": "T0123ABCD"}}}`, "rootguard.slack.channel", "", "missing"},
		{`{"rootguard": {"slack": {"workspace": "T0123ABCD", "channel": "#alerts"}}}`, "rootguard.slack.channel", "#alerts", "not its name"},
		{`{"rootguard": {"slack": {"workspace": "C0123ABCD", "channel": "C0123ABCD"}}}`, "rootguard.slack.workspace", "C0123ABCD", "T0123ABCD"},
		{`{"rootguard": {"slack": {"workspace": "T0123ABCD", "channel": "1"}}}`, "rootguard.slack.channel", "1", "C0123ABCD"},
		{`{"rootguard": null}`, "rootguard", "(empty)", "give an object"},
		{`{"rootguard": {"accountNames": {"111122223333": "prod\nbilling"}}}`, "rootguard.accountNames.111122223333", `"prod\nbilling"`, "line break"},
		{`{"partition": "aws-cn", "rootguard": {"slack": {"workspace": "T0123ABCD", "channel": "C0123ABCD"}}}`, "rootguard.slack", "aws-cn", "remove slack"},
		{`{"rootguard": {"organization": {}}}`, "rootguard.organization.units", "", "missing"},
		{organization(`"id": "abc"`), "rootguard.organization.id", "abc", "o-a1b2c3d4e5"},
		{organization(`"hub": 222222222222`), "rootguard.organization.hub", "2.22222222222e+11", "in quotes"},
		{organization(`"units": []`), "rootguard.organization.units", "[]", "at least one"},
		{organization(`"units": ["all"]`), "rootguard.organization.units", "all", "root"},
		{strings.Replace(organization(`"hub": "222222222222"`), `{"rootguard": {`, `{"rootguard": {"trail": true, `, 1), "rootguard.trail", "true", "management account"},
	} {
		t.Run(tc.key+"="+tc.value, func(t *testing.T) {
			_, err := Parse(context(t, tc.context))
			if err == nil {
				t.Fatalf("no error for %s", tc.context)
			}
			for _, one := range err.(interface{ Unwrap() []error }).Unwrap() {
				var wrong *Error
				if errors.As(one, &wrong) && wrong.Key == tc.key && wrong.Value == tc.value && strings.Contains(one.Error(), tc.fix) {
					return
				}
			}
			t.Errorf("no error that names %s, %q and %q in:\n%v", tc.key, tc.value, tc.fix, err)
		})
	}
}

// TestManyNames holds that names which a function's environment cannot hold are
// refused here, not by a deployment halfway through.
func TestManyNames(t *testing.T) {
	names := map[string]any{}
	for i := range 100 {
		names[strconv.Itoa(100000000000+i)] = "an account"
	}
	_, err := Parse(map[string]any{Object: map[string]any{"accountNames": names}})
	if err == nil || !strings.Contains(err.Error(), `rootguard.accountNames: "100 accounts": shorten it`) {
		t.Errorf("100 names: %v", err)
	}
	delete(names, "100000000000")
	for i := 50; i < 100; i++ {
		delete(names, strconv.Itoa(100000000000+i))
	}
	if _, err := Parse(map[string]any{Object: map[string]any{"accountNames": names}}); err != nil {
		t.Errorf("49 names: %v", err)
	}
}

// TestManyExempt is TestManyNames for exempt users.
func TestManyExempt(t *testing.T) {
	var exempt []any
	for i := range 40 {
		exempt = append(exempt, strconv.Itoa(100000000000+i))
	}
	set := func(exempt []any) error {
		_, err := Parse(map[string]any{Object: map[string]any{"quarantine": "on", "quarantineExempt": exempt}})
		return err
	}
	if err := set(exempt); err != nil {
		t.Errorf("40 accounts: %v", err)
	}
	if err := set(append(exempt, "100000000040")); err == nil || !strings.Contains(err.Error(), `rootguard.quarantineExempt: "41 entries": shorten it to 600 bytes`) {
		t.Errorf("41 accounts: %v", err)
	}
}

// TestEnvironment holds that what fits one by one is refused where it does not
// fit together.
func TestEnvironment(t *testing.T) {
	trails := make([]any, 12)
	for i := range trails {
		trails[i] = fmt.Sprintf("arn:aws:cloudtrail:us-east-1:123456789012:trail/%0100d", i)
	}
	if _, err := Parse(map[string]any{Object: map[string]any{"trails": trails}}); err != nil {
		t.Errorf("12 trails: %v", err)
	}
	exempt := make([]any, 30)
	for i := range exempt {
		exempt[i] = strconv.Itoa(100000000000 + i)
	}
	_, err := Parse(map[string]any{Object: map[string]any{"trails": trails, "quarantine": "on", "quarantineExempt": exempt}})
	if err == nil || !strings.Contains(err.Error(), "together have more than the 2400 bytes") {
		t.Errorf("12 trails and 30 exempt accounts: %v", err)
	}
}

// TestDeployable holds that settings by which no one receives an alert are refused,
// in whatever form the receivers are missing, unless they say that it is meant.
func TestDeployable(t *testing.T) {
	for given, ok := range map[string]bool{
		`{}`: false, `{"rootguard": {}}`: false, `{"email": ""}`: false, `{"email": " , "}`: false,
		`{"rootguard": {"email": []}}`: false, `{"email": "", "rootguard": {"email": ["ops@example.com"]}}`: false,
		`{"rootguard": {"escalation": {"email": ["ciso@example.com"]}}}`: false, `{"chatTopic": true}`: false, `{"securityHub": true}`: false,
		`{"email": "ops@example.com"}`: true, `{"rootguard": {"email": ["ops@example.com"]}}`: true, `{"sms": "+14155550100"}`: true,
		`{"https": "https://example.com/hook"}`: true, `{"rootguard": {"slack": {"workspace": "T0123ABCD", "channel": "C0123ABCD"}}}`: true,
		`{"receivers": "none"}`: true, `{"rootguard": {"receivers": "none"}}`: true, `{"receivers": "none", "email": "ops@example.com"}`: true,
	} {
		s, err := Parse(context(t, given))
		if err != nil {
			t.Fatalf("%s: %v", given, err)
		}
		err = s.Deployable()
		if (err == nil) != ok {
			t.Errorf("%s: %v", given, err)
		}
		if err != nil && (!strings.Contains(err.Error(), "-c email=") || !strings.Contains(err.Error(), `receivers to "none"`)) {
			t.Errorf("%s: the error names no fix: %v", given, err)
		}
	}
	for _, given := range []string{`{"email": null}`, `{"rootguard": {"email": null}}`} {
		if _, err := Parse(context(t, given)); err == nil {
			t.Errorf("%s is taken", given)
		}
	}
}

func TestAllErrorsAtOnce(t *testing.T) {
	_, err := Parse(context(t, `{"email": "x", "sms": "y", "rootguard": {"grace": "z", "unheardOf": 1}}`))
	var joined interface{ Unwrap() []error }
	if !errors.As(err, &joined) || len(joined.Unwrap()) != 4 {
		t.Fatalf("want four errors, got:\n%v", err)
	}
}

// TestParseAnything holds that no setting takes a value of a wrong type or form.
func TestParseAnything(t *testing.T) {
	keys := slices.Sorted(maps.Keys(fields()))
	testenv.Check(t, 100, func(t *rapid.T) {
		key := rapid.SampledFrom(keys).Draw(t, "key")
		value := rapid.OneOf(
			rapid.Just[any](nil), rapid.Just[any](map[string]any{"x": 1.0}), rapid.Just[any]([]any{nil, 1.0, "x y"}),
			rapid.Map(rapid.Float64Range(-1e300, -1), func(f float64) any { return f }),
			rapid.Map(rapid.StringMatching(`[<>() ]{1,9}[<>]`), func(s string) any { return s }),
		).Draw(t, "value")
		for path, context := range map[string]map[string]any{key: {key: value}, Object + "." + key: {Object: map[string]any{key: value}}} {
			_, err := Parse(context)
			if err == nil || !strings.Contains(err.Error(), "setting "+path) {
				t.Fatalf("%s: %#v: want an error that names the setting, got %v", path, value, err)
			}
		}
	})
}
