package stacks

import (
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/aws/aws-cdk-go/awscdk/v2"
	"github.com/aws/jsii-runtime-go"

	"rootguard/infra/settings"
	"rootguard/internal/daytwo"
	"rootguard/internal/testenv"
)

// scenarios are the settings that the tests check, as an operator gives them.
var scenarios = map[string]string{
	"default": `{"email": "ops@example.com"}`,
	"full": `{"rootguard": {
		"regions": ["eu-west-1"],
		"email": ["ops@example.com", "second@example.com"], "sms": ["+14155550100"], "https": ["https://example.com/hook"],
		"escalation": {"email": ["ciso@example.com"], "sms": ["+14155550101"]},
		"routes": [
			{"accounts": ["123456789012", "210987654321"], "severity": "medium", "email": ["payments@example.com"], "sms": ["+14155550102"], "https": ["https://example.com/payments"]},
			{"accounts": ["333333333333"], "email": ["data@example.com"]}
		],
		"slack": {"workspace": "T0123ABCD", "channel": "C0123ABCD"},
		"securityHub": true, "grace": "12h", "reminders": ["1h", "2d"], "resend": ["10m", "2h"], "window": "30m", "quietDays": 60, "adminRoles": ["Platform", "ops"], "logDays": 365,
		"accountNames": {"123456789012": "prod-billing"}, "drill": {"every": "365d", "users": ["glass"]}, "dayTwo": ` + everyStep() + `,
		"trail": true, "trails": ["older"], "terminationProtection": true, "encrypt": true, "metrics": true,
		"operators": ["arn:aws:iam::123456789012:role/ops/oncall"]
	}}`,
	// As much as a function's environment can hold.
	"crowded": `{"rootguard": {
		"prefix": "twenty-letters-long0", "regions": ["default", "me-south-1"], "email": ["ops@example.com"], "escalation": {"email": ["ciso@example.com"]}, "chatTopic": true,
		"reminders": ["1h", "24h", "72h", "96h", "120h"], "resend": ["15m", "1h", "2h", "4h"], "trail": true,
		"trails": ["` + strings.Repeat("t", 128) + `", "` + strings.Repeat("u", 64) + `"],
		"accountNames": {"123456789012": "` + strings.Repeat("n", 1850) + `"}
	}}`,
	"organization": `{"rootguard": {
		"email": ["ops@example.com"], "regions": ["eu-west-1"],
		"organization": {"id": "o-a1b2c3d4e5", "management": "111111111111", "hub": "222222222222", "units": ["r-abcd"]}
	}}`,
	"routed": `{"rootguard": {
		"email": ["ops@example.com"], "regions": ["eu-west-1"],
		"routes": [
			{"name": "payments", "accounts": ["123456789012"], "ou": ["Workloads/Payments", "ou-a1b2-12345678"], "severity": "medium", "email": ["payments@example.com"], "sms": ["+14155550102"]},
			{"name": "data", "tag": ["team=data"], "https": ["https://example.com/data"]}
		],
		"organization": {"id": "o-a1b2c3d4e5", "management": "111111111111", "hub": "222222222222", "units": ["r-abcd"]}
	}}`,
	"adopted":    `{"rootguard": {"email": ["ops@example.com"], "regions": [], "table": "kept-Table_1.x", "operators": ["arn:aws:iam::123456789012:role/ops"]}}`,
	"quarantine": `{"email": "ops@example.com", "rootguard": {"regions": ["us-east-2"], "quarantine": "on", "quarantineNotice": "2d", "quarantineDaily": 25, "quarantineExempt": ["break-glass", "123456789012"]}}`,
	"quarantine-organization": `{"rootguard": {
		"email": ["ops@example.com"], "regions": ["eu-west-1"], "quarantine": "on", "drill": {"every": "365d", "users": ["glass"]}, "dayTwo": ` + everyStep() + `,
		"organization": {"id": "o-a1b2c3d4e5", "management": "111111111111", "hub": "222222222222", "units": ["r-abcd"]}
	}}`,
	"quarantine-dry-run": `{"rootguard": {
		"email": ["ops@example.com"], "regions": [], "quarantine": "dry-run",
		"organization": {"id": "o-a1b2c3d4e5", "management": "111111111111", "hub": "222222222222", "units": ["r-abcd"]}
	}}`,
	"management": `{"rootguard": {
		"email": ["ops@example.com"], "regions": [], "trail": true,
		"organization": {"id": "o-a1b2c3d4e5", "management": "111111111111", "hub": "111111111111", "units": ["ou-abcd-12345678"]}
	}}`,
	"govcloud": `{"partition": "aws-us-gov", "prefix": "twenty-letters-long0", "regions": "us-gov-east-1", "email": "ops@example.com", "rootguard": {
		"escalation": {"email": ["ciso@example.com"]}, "chatTopic": true,
		"organization": {"id": "o-a1b2c3d4e5", "management": "111111111111", "hub": "222222222222", "units": ["r-abcd"]}
	}}`,
}

// template is a synthesized stack.
type template struct {
	Description string
	Resources   map[string]*resource
	Outputs     map[string]struct{ Value any }
	Parameters  map[string]any
	Conditions  map[string]any

	text []byte // as CloudFormation gets it
	any  map[string]any
	nag  []nagLine
}

type resource struct {
	Type           string
	Properties     map[string]any
	DependsOn      any
	Condition      string
	DeletionPolicy string

	UpdateReplacePolicy string
}

func parse(text []byte) (*template, error) {
	t := &template{text: text}
	if err := json.Unmarshal(text, t); err != nil {
		return nil, fmt.Errorf("reading a template: %w", err)
	}
	if err := json.Unmarshal(text, &t.any); err != nil {
		return nil, fmt.Errorf("reading a template: %w", err)
	}
	return t, nil
}

// stackSet holds the templates of one scenario by stack name.
type stackSet map[string]*template

// synthesized makes all scenarios, once. It does not call jsii.Close, whose two
// waits for one process are a data race; Node ends when this process does.
var synthesized = sync.OnceValues(func() (map[string]stackSet, error) {
	flags, err := featureFlags()
	if err != nil {
		return nil, err
	}
	dir, err := os.MkdirTemp("", "rootguard-synth-")
	if err != nil {
		return nil, err
	}
	defer func() { _ = os.RemoveAll(dir) }()
	archives, remove, err := someArchives()
	if err != nil {
		return nil, err
	}
	defer remove()
	out := map[string]stackSet{}
	for name, given := range scenarios {
		check := nag
		if !nagged(name) {
			check = func(awscdk.App) {}
		}
		if out[name], err = synth(filepath.Join(dir, name), flags, given, archives, check); err != nil {
			return nil, fmt.Errorf("scenario %s: %w", name, err)
		}
	}
	return out, nil
})

// featureFlags are the CDK's, as cdk.json sets them.
func featureFlags() (map[string]any, error) {
	data, err := os.ReadFile("../../cdk.json")
	if err != nil {
		return nil, err
	}
	var file struct{ Context map[string]any }
	if err := json.Unmarshal(data, &file); err != nil {
		return nil, fmt.Errorf("reading cdk.json: %w", err)
	}
	delete(file.Context, settings.Object)
	return file.Context, nil
}

func synth(dir string, flags map[string]any, given string, archives map[string]string, check func(awscdk.App)) (stackSet, error) {
	var context map[string]any
	if err := json.Unmarshal([]byte(given), &context); err != nil {
		return nil, err
	}
	chosen, err := settings.Parse(context)
	if err != nil {
		return nil, err
	}
	app := awscdk.NewApp(&awscdk.AppProps{Outdir: jsii.String(dir), Context: &flags, AnalyticsReporting: jsii.Bool(false)})
	if err := Add(app, &chosen, archives); err != nil {
		return nil, err
	}
	check(app)
	app.Synth(nil)

	out := stackSet{}
	for _, pattern := range []string{"*.template.json", "assembly-*/*.template.json"} {
		files, err := filepath.Glob(filepath.Join(dir, pattern))
		if err != nil {
			return nil, err
		}
		for _, file := range files {
			text, err := os.ReadFile(file)
			if err != nil {
				return nil, err
			}
			name := strings.TrimSuffix(filepath.Base(file), ".template.json")
			if out[name], err = parse(text); err != nil {
				return nil, err
			}
		}
	}
	if err := out.readNag(dir); err != nil {
		return nil, err
	}
	return out, nil
}

// all returns every scenario's templates, that within the stack set included.
func all(t *testing.T) map[string]stackSet {
	t.Helper()
	_, err := exec.LookPath("node")
	testenv.Need(t, err == nil, "node, version 20 or later, in which the CDK runs")
	sets, err := synthesized()
	if err != nil {
		t.Fatalf("synthesizing: %v", err)
	}
	return sets
}

func (s stackSet) stack(t *testing.T, name string) *template {
	t.Helper()
	if s[name] == nil {
		t.Fatalf("there is no stack %s, but %v", name, slices.Sorted(maps.Keys(s)))
	}
	return s[name]
}

// everyStep is a list of all steps of day two.
func everyStep() string { return `["` + strings.Join(daytwo.Names(), `", "`) + `"]` }
