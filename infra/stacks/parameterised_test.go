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
	"github.com/google/go-cmp/cmp"

	"rootguard/infra/merge"
	"rootguard/infra/settings"
	"rootguard/internal/config"
	"rootguard/internal/deploy"
	"rootguard/internal/partition"
	"rootguard/internal/testenv"
)

// parameterised are the templates of the commercial partition, made once.
var parameterised = sync.OnceValues(func() (map[string]map[string]any, error) {
	flags, err := featureFlags()
	if err != nil {
		return nil, err
	}
	archives, remove, err := someArchives()
	if err != nil {
		return nil, err
	}
	defer remove()
	of, _ := partition.Of("aws")
	return Synthesize(of, flags, archives, "")
})

// someArchives are stand-ins for the functions' archives, and what removes them.
func someArchives() (map[string]string, func(), error) {
	dir, err := os.MkdirTemp("", "rootguard-archives-")
	if err != nil {
		return nil, nil, err
	}
	remove := func() { _ = os.RemoveAll(dir) }
	archives := map[string]string{}
	for _, name := range Functions(&settings.Settings{SecurityHub: true, Quarantine: settings.QuarantineOn}) {
		archives[name] = filepath.Join(dir, name+".zip")
		if err := os.WriteFile(archives[name], []byte("an archive of "+name), 0o600); err != nil {
			remove()
			return nil, nil, err
		}
	}
	return archives, remove, nil
}

// parameterisedTemplates are those as the other tests read templates.
func parameterisedTemplates(t *testing.T) map[string]*template {
	t.Helper()
	_, err := exec.LookPath("node")
	testenv.Need(t, err == nil, "node, version 20 or later, in which the CDK runs")
	made, err := parameterised()
	if err != nil {
		t.Fatal(err)
	}
	out := map[string]*template{}
	for name, tpl := range made {
		text, err := json.Marshal(tpl)
		if err != nil {
			t.Fatal(err)
		}
		if out[name], err = parse(text); err != nil {
			t.Fatal(err)
		}
	}
	return out
}

// TestParameterisedIsTheSame holds that a parameterised template is, with parameters
// filled in, the template that the CDK makes with these settings.
func TestParameterisedIsTheSame(t *testing.T) {
	made := parameterisedTemplates(t)
	flags, err := featureFlags()
	if err != nil {
		t.Fatal(err)
	}
	archives, remove, err := someArchives()
	if err != nil {
		t.Fatal(err)
	}
	defer remove()
	for name, c := range map[string]struct {
		context    string
		parameters map[string]any
	}{
		"defaults": {`{"email": "ops@example.com"}`, map[string]any{deploy.ParamEmail: "ops@example.com"}},
		"everything": {
			`{"rootguard": {"email": ["ops@example.com"], "escalation": {"email": ["ciso@example.com"]}, "grace": "12h", "reminders": ["2h", "36h"],
				"quietDays": 60, "trail": true, "trails": ["older", "oldest"], "encrypt": true, "metrics": true, "table": "kept-Table_1.x", "regions": ["eu-north-1", "us-east-2"]}}`,
			map[string]any{
				deploy.ParamEmail: "ops@example.com", deploy.ParamEscalation: "ciso@example.com", deploy.ParamGrace: "12h0m0s", deploy.ParamReminders: "2h0m0s,36h0m0s", deploy.ParamQuietDays: "60",
				deploy.ParamCreateTrail: "true", deploy.ParamTrails: "older,oldest", deploy.ParamEncrypt: "true", deploy.ParamMetrics: "true", deploy.ParamTable: "kept-Table_1.x", deploy.ParamRegions: "eu-north-1,us-east-2",
			},
		},
		"some": {
			`{"rootguard": {"email": ["ops@example.com"], "trails": ["older"], "encrypt": true, "regions": ["eu-north-1", "us-east-2"]}}`,
			map[string]any{deploy.ParamEmail: "ops@example.com", deploy.ParamTrails: "older", deploy.ParamEncrypt: "true", deploy.ParamRegions: "eu-north-1,us-east-2"},
		},
		"one Region": {
			`{"rootguard": {"email": ["ops@example.com"], "escalation": {"email": ["ciso@example.com"]}, "regions": [], "trail": true}}`,
			map[string]any{deploy.ParamEmail: "ops@example.com", deploy.ParamEscalation: "ciso@example.com", deploy.ParamCreateTrail: "true", deploy.ParamRegions: ""},
		},
	} {
		set, err := synth(t.TempDir(), flags, c.context, archives, func(awscdk.App) {}) // which is checked elsewhere
		if err != nil {
			t.Fatal(err)
		}
		pairs := map[string]string{deploy.TemplateGuard: "rootguard", deploy.TemplateSecond: "rootguard-forward-us-east-2", deploy.TemplateForward: "rootguard-forward-eu-north-1"}
		if name == "one Region" {
			pairs = map[string]string{deploy.TemplateGuard: "rootguard"}
		}
		for from, stack := range pairs {
			want := set.stack(t, stack).any
			withoutBootstrap(want)
			for _, f := range ofType(want, "AWS::Lambda::Function") {
				name := strings.TrimPrefix(f["FunctionName"].(string), "rootguard-")
				f["Code"] = map[string]any{"S3Bucket": "the-bucket", "S3Key": deploy.ArchiveFile(name, deploy.Sum([]byte("an archive of "+name)))}
			}
			got := filled(t, made[from].any, c.parameters)
			for _, side := range []map[string]any{want, got} {
				delete(side, "Parameters")
				delete(side, "Conditions")
				delete(side, "Rules")
				for _, r := range side["Resources"].(map[string]any) {
					delete(r.(map[string]any), "DependsOn") // of what is not made, too, which CloudFormation ignores
				}
			}
			plainJoins(want)
			plainJoins(got)
			for _, section := range slices.Sorted(maps.Keys(want)) {
				differences(t, fmt.Sprintf("%s: %s is not %s: %s", name, from, stack, section), want[section], got[section])
			}
		}
	}
}

// differences reports which entries of a section differ.
func differences(t *testing.T, what string, want, got any) {
	t.Helper()
	wants, ok := want.(map[string]any)
	gots, also := got.(map[string]any)
	if !ok || !also {
		wants, gots = map[string]any{"it": want}, map[string]any{"it": got}
	}
	ids := maps.Clone(wants)
	maps.Copy(ids, gots)
	for _, id := range slices.Sorted(maps.Keys(ids)) {
		if diff := cmp.Diff(wants[id], gots[id]); diff != "" {
			t.Errorf("%s/%s (-CDK +parameterised):\n%s", what, id, diff)
		}
	}
}

// filled is a template with its parameters' values, or defaults, in place.
func filled(t *testing.T, tpl map[string]any, given map[string]any) map[string]any {
	t.Helper()
	values := map[string]any{deploy.ParamBucket: "the-bucket"}
	declared, _ := tpl["Parameters"].(map[string]any)
	for name, p := range declared {
		if v, ok := p.(map[string]any)["Default"]; ok && name != protectTable {
			values[name] = v
		}
	}
	if values[deploy.ParamGrace] != nil {
		values[deploy.ParamGrace], values[deploy.ParamQuietDays] = "24h0m0s", "30" // as the CDK writes them
	}
	maps.Copy(values, given)
	holds := map[string]bool{}
	conditions, _ := tpl["Conditions"].(map[string]any)
	for name, v := range conditions {
		condition := v.(map[string]any)
		negated := false
		if not, ok := condition["Fn::Not"].([]any); ok {
			condition, negated = not[0].(map[string]any), true
		}
		if equals, ok := condition["Fn::Equals"].([]any); ok {
			holds[name] = values[equals[0].(map[string]any)["Ref"].(string)] == equals[1] != negated
		}
	}
	out, err := merge.Resolve(tpl, holds)
	if err != nil {
		t.Fatal(err)
	}
	return put(out, values).(map[string]any)
}

func put(v any, values map[string]any) any {
	switch v := v.(type) {
	case map[string]any:
		if name, ok := v["Ref"].(string); ok && len(v) == 1 && values[name] != nil {
			return values[name]
		}
		for key, one := range v {
			v[key] = put(one, values)
		}
	case []any:
		for i, one := range v {
			v[i] = put(one, values)
		}
	}
	return v
}

// plainJoins joins what can be joined, and has receivers by their IDs.
func plainJoins(v any) any {
	switch v := v.(type) {
	case map[string]any:
		for key, one := range v {
			v[key] = plainJoins(one)
		}
		join, _ := v["Fn::Join"].([]any)
		if len(join) != 2 {
			return v
		}
		parts, ok := join[1].([]any)
		if join[0] == "," && !slices.ContainsFunc(parts, func(p any) bool { _, text := p.(string); return !text }) {
			texts := make([]string, len(parts))
			for i, p := range parts {
				texts[i] = p.(string)
			}
			return strings.Join(texts, ",")
		}
		if !ok || join[0] != "" {
			return v
		}
		join[1] = flat(parts)
		if parts = join[1].([]any); len(parts) == 1 {
			return plainJoins(parts[0])
		}
	case []any:
		for i, one := range v {
			v[i] = plainJoins(one)
		}
	case string:
		for _, email := range []string{"ops@example.com", "ciso@example.com"} {
			v = strings.ReplaceAll(v, config.PlainReceiver("email", email), config.ReceiverID("email", email))
		}
		return v
	}
	return v
}

// TestCfnLintParameterised is TestCfnLint for the parameterised templates.
func TestCfnLintParameterised(t *testing.T) {
	lint(t, parameterisedTemplates)
}

// TestParameterised holds what the templates' users count on.
func TestParameterised(t *testing.T) {
	made := parameterisedTemplates(t)
	for _, name := range []string{deploy.TemplateGuard, deploy.TemplateSecond, deploy.TemplateForward} {
		tpl := made[name]
		if tpl == nil {
			t.Fatalf("there is no template %s, but %v", name, slices.Sorted(maps.Keys(made)))
		}
		for _, of := range standIn {
			if strings.Contains(string(tpl.text), of) || strings.Contains(string(tpl.text), config.ReceiverID("email", of)) {
				t.Errorf("%s: %s is left", name, of)
			}
		}
		if strings.Contains(string(tpl.text), "cdk-hnb659fds") || tpl.Parameters["BootstrapVersion"] != nil {
			t.Errorf("%s: it needs cdk bootstrap", name)
		}
		// CloudFormation User Guide, "Understand CloudFormation quotas".
		if len(tpl.text) > 1<<20 || len(tpl.Parameters) > 200 {
			t.Errorf("%s has %d bytes and %d parameters", name, len(tpl.text), len(tpl.Parameters))
		}
		used := names(tpl.any, "Ref")
		for p := range tpl.Parameters {
			if !used[p] {
				t.Errorf("%s: nothing uses parameter %s", name, p)
			}
		}
	}
	of, _ := partition.Of("aws")
	for name := range parameters(of) {
		if made[deploy.TemplateGuard].Parameters[name] == nil {
			t.Errorf("the guard has no parameter %s", name)
		}
	}
	doc, err := os.ReadFile("../../internal/docs/deploying.md")
	if err != nil {
		t.Fatal(err)
	}
	for name, p := range made[deploy.TemplateGuard].Parameters {
		row, _, _ := strings.Cut(string(doc[max(0, strings.Index(string(doc), "| `"+name+"` |")):]), "\n")
		if def, _ := p.(map[string]any)["Default"].(string); !strings.Contains(row, name) || len(def) > 0 && len(def) < 10 && !strings.Contains(row, "`"+def+"`") {
			t.Errorf("deploying.md has no row of parameter %s with default %q", name, def)
		}
	}
	if n := len(made[deploy.TemplateForward].Parameters); n != 0 {
		t.Errorf("a forwarder has %d parameters", n)
	}
	conditions := map[string]string{
		"AWS::DynamoDB::Table": "NotHasTable", "AWS::CloudTrail::Trail": "CreatesTrail", "AWS::KMS::Key": "Encrypts",
		"AWS::Lambda::Function": "", "AWS::Events::Rule": "", "AWS::SNS::Topic": "",
	}
	for id, r := range made[deploy.TemplateGuard].Resources {
		want, held := conditions[r.Type]
		switch {
		case strings.HasPrefix(id, "Escalation"):
			want, held = "HasEscalation", true
		case id == "GuardLockedRule":
			want = "Encrypts"
		case id == "SecondGuardLockedRule":
			want = "HasRegionsAndEncrypts"
		case strings.HasPrefix(id, "SecondGuard"):
			want = "HasRegions"
		case strings.Contains(id, "Heartbeat"):
			held = false // there is one with and one without Regions
		}
		if held && r.Condition != want {
			t.Errorf("%s has condition %q, want %q", id, r.Condition, want)
		}
	}
}
