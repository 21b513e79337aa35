package stacks

import (
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/aws/aws-cdk-go/awscdk/v2"
	"github.com/aws/jsii-runtime-go"

	"rootguard/infra/merge"
	"rootguard/infra/settings"
	"rootguard/internal/config"
	"rootguard/internal/deploy"
	"rootguard/internal/eventrules"
	"rootguard/internal/partition"
)

// Parameterised templates are those of the stacks for an operator who deploys without the
// CDK: what is a value in settings is a CloudFormation parameter there. The stacks
// are synthesized once for each combination of what decides which resources there
// are, and merged, so that nothing is declared twice and a template is, with any
// parameters, the one that the CDK makes with these settings: see
// TestParameterisedIsTheSame.
//
// How many forwarders there are is the deployer's matter: each is a stack. What
// else shapes the number of resources is left to the CDK: further receivers, Slack,
// Security Hub, quarantine, an organization, operators, another prefix.

// Conditions that are no choice of which resources there are, but createsTrail.
const (
	hasReminders = "HasReminders"
	hasTrails    = "HasExistingTrails"
	createsTrail = "CreatesTrail"
)

// choices are the conditions that decide which resources there are.
var choices = []struct {
	condition, parameter, holds string // it holds where the parameter has this value; "": any but none
	choose                      func(*settings.Settings)
}{
	{"HasEscalation", deploy.ParamEscalation, "",
		func(s *settings.Settings) { s.Escalation.Email = []string{standIn[deploy.ParamEscalation]} }},
	{"Encrypts", deploy.ParamEncrypt, "true", func(s *settings.Settings) { s.Encrypt = true }},
	{"HasTable", deploy.ParamTable, "", func(s *settings.Settings) { s.Table = standIn[deploy.ParamTable] }},
	{"HasMetrics", deploy.ParamMetrics, "true", func(s *settings.Settings) { s.Metrics = true }},
	{"HasRegions", deploy.ParamRegions, "", func(s *settings.Settings) {
		p, _ := partition.Of(s.Partition)
		s.Regions = p.Further()
	}},
}

// standIn are values that replace a parameter while templates are synthesized.
var standIn = map[string]string{
	deploy.ParamEmail:      "stand-in-alerts@rootguard.invalid",
	deploy.ParamEscalation: "stand-in-escalation@rootguard.invalid",
	deploy.ParamTable:      "stand-in-table.rootguard.invalid",
}

// parameter is one as CloudFormation declares it.
type parameter = map[string]any

// text has no default where there must be a value.
func text(description string, more parameter) parameter {
	p := parameter{"Type": "String", "Description": description}
	maps.Copy(p, more)
	return p
}

// Durations are as the functions read them; see package config.
const (
	durations = `[1-9][0-9]{0,3}[hm]`
	address   = `[A-Za-z0-9.!#$%&*+/=?^_{|}~-]{1,64}@[A-Za-z0-9.-]{3,189}` // no quote, backslash or comma: it goes into JSON
)

func parameters(of partition.Partition) map[string]parameter {
	yes := func(description string) parameter {
		return text(description, parameter{"Default": "false", "AllowedValues": []any{"true", "false"}})
	}
	pattern := func(description, value, exp, constraint string) parameter {
		return text(description, parameter{"Default": value, "AllowedPattern": exp, "ConstraintDescription": constraint})
	}
	email := pattern("Who gets the alerts; the address must confirm the mail that Amazon SNS sends", "", "^"+address+"$",
		"a plain address, such as ops@example.com")
	delete(email, "Default")
	return map[string]parameter{
		deploy.ParamEmail: email,
		deploy.ParamEscalation: pattern("Who gets critical alerts besides; empty: no one. Not the address of "+deploy.ParamEmail, "",
			"^$|^"+address+"$", "a plain address, or nothing"),
		deploy.ParamGrace: pattern("Time from console access to the alarm that a user has no MFA", "24h", "^"+durations+"$",
			"a duration such as 24h or 90m, at most 2160h"),
		deploy.ParamReminders: pattern("Times from that alarm to its reminders, shortest first; empty: 1h,24h,72h", "", "^$|^"+durations+"(,"+
			durations+")*$", "durations such as 1h,24h,72h, shortest first"),
		deploy.ParamQuietDays: {"Type": "Number", "Description": "Days without root activity until an account counts as quiet", "Default": 30,
			"MinValue": 1, "MaxValue": 365},
		deploy.ParamCreateTrail: yes("true makes a trail of the management events of every Region, for an account that has none"),
		deploy.ParamTrails:      pattern("Names or ARNs of trails that feed rootguard already, separated by commas: that one is stopped is reported", "", "^[A-Za-z0-9:/._,-]*$", "names or ARNs of trails, separated by commas"),
		deploy.ParamTable: pattern("Name of the table that an earlier stack left; empty: a new one", "", "^$|^[a-zA-Z0-9_.-]{3,255}$",
			"the name of a DynamoDB table, or nothing"),
		deploy.ParamEncrypt: yes("true encrypts the topics with a customer key"),
		deploy.ParamMetrics: yes("true has the functions write metrics of their own, which CloudWatch bills"),
		deploy.ParamRegions: pattern("The Regions that have a forwarder, separated by commas, "+of.Second+
			" among them; empty: none, for an account with one Region", strings.Join(of.Further(),
			","), "^$|^[a-z0-9-]+(,[a-z0-9-]+)*$", "codes of Regions, separated by commas"),
		deploy.ParamBucket: text("Bucket with the functions' archives, in the Region of this stack",
			parameter{"AllowedPattern": "^[a-z0-9.-]{3,63}$"}),
		deploy.ParamBucketPath: pattern("What the names of the archives begin with in that bucket", "", "^[A-Za-z0-9/._-]*$",
			"a prefix such as rootguard/"),
	}
}

// Synthesize makes the parameterised templates of a partition, by name. context are
// the CDK's feature flags, as in cdk.json. version is what alerts name, or "".
func Synthesize(of partition.Partition, context map[string]any, archives map[string]string, version string) (map[string]map[string]any,
	error) {
	dir, err := os.MkdirTemp("", "rootguard-templates-")
	if err != nil {
		return nil, fmt.Errorf("making a folder for the templates: %w", err)
	}
	defer func() { _ = os.RemoveAll(dir) }()
	y := synthesizer{of: of, dir: dir, context: context, archives: archives, version: version}
	out := map[string]map[string]any{}
	if out[deploy.TemplateGuard], err = y.guard(); err != nil {
		return nil, fmt.Errorf("template %s: %w", deploy.TemplateGuard, err)
	}
	// the others are like it
	for name, region := range map[string]string{deploy.TemplateSecond: of.Second, deploy.TemplateForward: "eu-north-1"} {
		if region == "" || name == deploy.TemplateForward && of.ID != "aws" {
			continue
		}
		if out[name], err = y.forwarder(region); err != nil {
			return nil, fmt.Errorf("template %s: %w", name, err)
		}
	}
	return out, nil
}

type synthesizer struct {
	of       partition.Partition
	dir      string
	context  map[string]any
	archives map[string]string
	version  string
	n        int
}

// guard merges the guard of all combinations.
func (y *synthesizer) guard() (map[string]any, error) {
	all := make([]map[string]any, 1<<len(choices))
	for bits := range all {
		var err error
		if all[bits], err = y.variant(bits, true, newGuard); err != nil {
			return nil, err
		}
	}
	without, err := y.variant(0, false, newGuard)
	if err != nil {
		return nil, err
	}
	template, err := merge.Templates(conditionsOf(), all)
	if err != nil {
		return nil, err
	}
	// The trail is apart from the rest, so that not every combination is needed twice.
	resources, _ := template["Resources"].(map[string]any)
	kept, _ := without["Resources"].(map[string]any)
	with, _ := all[0]["Resources"].(map[string]any)
	for id := range with {
		if kept[id] == nil {
			resources[id].(map[string]any)["Condition"] = createsTrail
		}
	}
	return y.finish(template), nil
}

// forwarder merges that of a Region.
func (y *synthesizer) forwarder(region string) (map[string]any, error) {
	all := make([]map[string]any, 1<<len(choices))
	made := map[int]map[string]any{}
	const decisive = 1<<0 | 1<<1 // the first two choices; without further Regions there is no forwarder
	for bits := range all {
		if made[bits&decisive] == nil {
			template, err := y.variant(bits&decisive|1<<(len(choices)-1), false, func(app awscdk.App, s *settings.Settings,
				rules []eventrules.Rule, _ map[string]string) {
				newRegion(app, s, rules, region)
			})
			if err != nil {
				return nil, err
			}
			made[bits&decisive] = template
		}
		all[bits] = made[bits&decisive]
	}
	template, err := merge.Templates(conditionsOf(), all)
	if err != nil {
		return nil, err
	}
	return y.finish(template), nil
}

// variant synthesizes the stack that declare declares for a combination.
func (y *synthesizer) variant(bits int, trail bool, declare func(awscdk.App, *settings.Settings, []eventrules.Rule,
	map[string]string)) (map[string]any, error) {
	s, err := settings.Parse(map[string]any{"partition": y.of.ID, "email": standIn[deploy.ParamEmail]})
	if err != nil {
		return nil, fmt.Errorf("choosing settings: %w", err)
	}
	s.Regions, s.Trail, s.Version = nil, trail, y.version
	for i, c := range choices {
		if bits>>i&1 == 1 {
			c.choose(&s)
		}
	}
	rules, err := eventrules.RulesFor(s.Prefix)
	if err != nil {
		return nil, fmt.Errorf("choosing the rules: %w", err)
	}
	y.n++
	dir := filepath.Join(y.dir, strconv.Itoa(y.n))
	app := awscdk.NewApp(&awscdk.AppProps{Outdir: jsii.String(dir), Context: &y.context, AnalyticsReporting: jsii.Bool(false)})
	declare(app, &s, rules, y.archives)
	app.Synth(nil)
	files, err := filepath.Glob(filepath.Join(dir, "*.template.json"))
	if err != nil || len(files) != 1 {
		return nil, fmt.Errorf("looking for the template: %d files, %w", len(files), err)
	}
	data, err := os.ReadFile(files[0])
	if err != nil {
		return nil, fmt.Errorf("reading a template: %w", err)
	}
	var template map[string]any
	if err := json.Unmarshal(data, &template); err != nil {
		return nil, fmt.Errorf("reading a template: %w", err)
	}
	withoutBootstrap(template)
	for _, f := range ofType(template, "AWS::Lambda::Function") {
		name, _ := f["FunctionName"].(string)
		name = strings.TrimPrefix(name, s.Prefix+"-")
		archive, err := os.ReadFile(y.archives[name])
		if err != nil {
			return nil, fmt.Errorf("reading the archive of function %s: %w", name, err)
		}
		settingsAsParameters(f, deploy.ArchiveFile(name, deploy.Sum(archive)))
	}
	return template, nil
}

func conditionsOf() []string {
	names := make([]string, len(choices))
	for i, c := range choices {
		names[i] = c.condition
	}
	return names
}

func (y *synthesizer) finish(template map[string]any) map[string]any {
	template, _ = substitute(template).(map[string]any)
	declare(y.of, template)
	return template
}

func ofType(template map[string]any, kind string) []map[string]any {
	var out []map[string]any
	resources, _ := template["Resources"].(map[string]any)
	for _, v := range resources {
		if r, _ := v.(map[string]any); r["Type"] == kind {
			properties, _ := r["Properties"].(map[string]any)
			out = append(out, properties)
		}
	}
	return out
}

// withoutBootstrap leaves out what asks for `cdk bootstrap`.
func withoutBootstrap(template map[string]any) {
	delete(template, "Rules")
	if declared, _ := template["Parameters"].(map[string]any); declared != nil {
		delete(declared, "BootstrapVersion")
	}
}

func refTo(name string) map[string]any { return map[string]any{"Ref": name} }

func when(condition string, yes, no any) map[string]any {
	return map[string]any{"Fn::If": []any{condition, yes, no}}
}

// settingsAsParameters has a function read from parameters what is a value in its
// environment, and its archive from the bucket that one names.
func settingsAsParameters(function map[string]any, file string) {
	if code, _ := function["Code"].(map[string]any); code != nil {
		code["S3Bucket"] = refTo(deploy.ParamBucket)
		code["S3Key"] = map[string]any{"Fn::Join": []any{"", []any{refTo(deploy.ParamBucketPath), file}}}
	}
	environment, _ := function["Environment"].(map[string]any)
	variables, _ := environment["Variables"].(map[string]any)
	if variables[config.EnvGrace] == nil {
		return
	}
	none := refTo("AWS::NoValue")
	variables[config.EnvGrace] = refTo(deploy.ParamGrace)
	variables[config.EnvQuietDays] = refTo(deploy.ParamQuietDays)
	variables[config.EnvReminders] = when(hasReminders, refTo(deploy.ParamReminders), none)
	if variables[config.EnvRegions] != nil {
		variables[config.EnvRegions] = refTo(deploy.ParamRegions)
	}
	made := variables[config.EnvTrails] // the name of the stack's own trail
	both := map[string]any{"Fn::Join": []any{",", []any{refTo(deploy.ParamTrails), made}}}
	variables[config.EnvTrails] = when(hasTrails, when(createsTrail, both, refTo(deploy.ParamTrails)), when(createsTrail, made, none))
}

// substitute puts parameters where their stand-ins are. Functions know a receiver by
// its ID, which CloudFormation cannot compute: see config.PlainReceiver.
func substitute(v any) any {
	switch v := v.(type) {
	case map[string]any:
		for key, one := range v {
			v[key] = substitute(one)
		}
		if join, _ := v["Fn::Join"].([]any); len(join) == 2 && join[0] == "" {
			join[1] = flat(join[1])
		}
		return v
	case []any:
		for i, one := range v {
			v[i] = substitute(one)
		}
		return v
	case string:
		pieces := []any{v}
		for _, name := range slices.Sorted(maps.Keys(standIn)) {
			pieces = replace(pieces, standIn[name], refTo(name))
			if name != deploy.ParamTable {
				pieces = replace(pieces, config.ReceiverID("email", standIn[name]), config.PlainReceiver("email", ""), refTo(name))
			}
		}
		switch len(pieces) {
		case 0:
			return ""
		case 1:
			return pieces[0]
		}
		return map[string]any{"Fn::Join": []any{"", pieces}}
	default:
		return v
	}
}

// replace puts others where a text is within the texts of pieces.
func replace(pieces []any, text string, by ...any) []any {
	var out []any
	for _, piece := range pieces {
		rest, ok := piece.(string)
		if !ok {
			out = append(out, piece)
			continue
		}
		for {
			before, after, found := strings.Cut(rest, text)
			if before != "" {
				out = append(out, before)
			}
			if !found {
				break
			}
			out = append(out, by...)
			rest = after
		}
	}
	return joined(out)
}

// joined has no two texts in a row.
func joined(pieces []any) []any {
	var out []any
	for _, piece := range pieces {
		text, ok := piece.(string)
		if n := len(out); ok && n > 0 {
			if last, ok := out[n-1].(string); ok {
				out[n-1] = last + text
				continue
			}
		}
		out = append(out, piece)
	}
	return out
}

// flat puts the parts of joins within a join into it.
func flat(v any) any {
	parts, ok := v.([]any)
	if !ok {
		return v
	}
	var out []any
	for _, part := range parts {
		object, _ := part.(map[string]any)
		inner, _ := object["Fn::Join"].([]any)
		more, ok := []any(nil), false
		if len(inner) == 2 && inner[0] == "" {
			more, ok = inner[1].([]any)
		}
		if ok {
			out = append(out, more...)
		} else {
			out = append(out, part)
		}
	}
	return joined(out)
}

// declare adds the parameters and conditions that a template refers to.
func declare(of partition.Partition, template map[string]any) {
	conditions, _ := template["Conditions"].(map[string]any)
	declared, _ := template["Parameters"].(map[string]any)
	if declared == nil {
		declared = map[string]any{}
	}
	is := func(parameter, value string) map[string]any {
		equals := map[string]any{"Fn::Equals": []any{refTo(parameter), value}}
		if value == "" {
			return map[string]any{"Fn::Not": []any{equals}}
		}
		return equals
	}
	possible := map[string]map[string]any{hasReminders: is(deploy.ParamReminders, ""), hasTrails: is(deploy.ParamTrails, ""),
		createsTrail: is(deploy.ParamCreateTrail, "true")}
	for _, c := range choices {
		possible[c.condition] = is(c.parameter, c.holds)
	}
	used := names(template, "Fn::If", "Condition")
	for name, expression := range possible {
		if used[name] {
			if conditions == nil {
				conditions = map[string]any{}
			}
			conditions[name] = expression
		}
	}
	if len(conditions) > 0 {
		template["Conditions"] = conditions
	}
	used = names(template, "Ref")
	for name, p := range parameters(of) {
		if used[name] {
			declared[name] = p
		}
	}
	if len(declared) > 0 {
		template["Parameters"] = declared
	}
	if used[deploy.ParamEmail] && used[deploy.ParamEscalation] {
		template["Rules"] = map[string]any{"TwoAddresses": map[string]any{"Assertions": []any{map[string]any{
			"Assert": map[string]any{"Fn::Not": []any{map[string]any{"Fn::Equals": []any{refTo(deploy.ParamEmail),
				refTo(deploy.ParamEscalation)}}}},
			"AssertDescription": deploy.ParamEscalation + " must be another address than " + deploy.ParamEmail + ", or empty",
		}}}}
	}
}

// names are what the functions of these names, or keys, refer to.
func names(v any, functions ...string) map[string]bool {
	out := map[string]bool{}
	var walk func(v any)
	walk = func(v any) {
		switch v := v.(type) {
		case map[string]any:
			for key, one := range v {
				if slices.Contains(functions, key) {
					if parts, ok := one.([]any); ok && len(parts) > 0 {
						if name, ok := parts[0].(string); ok {
							out[name] = true
						}
					} else if name, ok := one.(string); ok {
						out[name] = true
					}
				}
				walk(one)
			}
		case []any:
			for _, one := range v {
				walk(one)
			}
		}
	}
	walk(v)
	return out
}
