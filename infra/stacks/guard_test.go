package stacks

import (
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"

	"rootguard/infra/settings"
	"rootguard/internal/config"
	"rootguard/internal/daytwo"
	"rootguard/internal/eventpattern"
	"rootguard/internal/eventrules"
	"rootguard/internal/testenv"
)

// of returns the resources of a type by logical ID.
func (tpl *template) of(kind string) map[string]*resource {
	out := map[string]*resource{}
	for id, r := range tpl.Resources {
		if r.Type == kind {
			out[id] = r
		}
	}
	return out
}

// named returns the one resource of a type whose property has the value.
func (tpl *template) named(t *testing.T, kind, property string, value any) (string, *resource) {
	t.Helper()
	for id, r := range tpl.of(kind) {
		if reflect.DeepEqual(r.Properties[property], value) {
			return id, r
		}
	}
	t.Fatalf("there is no %s with %s %v", kind, property, value)
	return "", nil
}

// at reads a property by path.
func at(v any, path ...string) any {
	for _, key := range path {
		m, ok := v.(map[string]any)
		if !ok {
			return nil
		}
		v = m[key]
	}
	return v
}

func ref(id string) any            { return map[string]any{"Ref": id} }
func get(id, attribute string) any { return map[string]any{"Fn::GetAtt": []any{id, attribute}} }

// flatten writes a value with Fn::Join and Ref as one text: "arn:${AWS::Partition}:…".
func flatten(v any) string {
	switch v := v.(type) {
	case string:
		return v
	case map[string]any:
		if id, ok := v["Ref"].(string); ok {
			return "${" + id + "}"
		}
		if get, ok := v["Fn::GetAtt"].([]any); ok {
			return fmt.Sprintf("${%v.%v}", get[0], get[1])
		}
		if join, ok := v["Fn::Join"].([]any); ok {
			var parts []string
			for _, part := range join[1].([]any) {
				parts = append(parts, flatten(part))
			}
			return strings.Join(parts, join[0].(string))
		}
	}
	return fmt.Sprint(v)
}

// mustRules are the rules of a deployment without quarantine.
func mustRules(t *testing.T, prefix string) []eventrules.Rule {
	t.Helper()
	rules, err := eventrules.RulesFor(prefix)
	if err != nil {
		t.Fatal(err)
	}
	if len(rules) < 5 {
		t.Fatalf("only %d rules", len(rules))
	}
	return rules
}

func checkRule(t *testing.T, tpl *template, name string, rule eventrules.Rule) map[string]any {
	t.Helper()
	id, r := tpl.named(t, "AWS::Events::Rule", "Name", name)
	var want any
	if err := json.Unmarshal([]byte(rule.Pattern), &want); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, r.Properties["EventPattern"]); diff != "" {
		t.Errorf("%s: the deployed pattern is another (-code +template):\n%s", id, diff)
	}
	state := "ENABLED"
	if rule.AllManagementEvents {
		state = "ENABLED_WITH_ALL_CLOUDTRAIL_MANAGEMENT_EVENTS"
	}
	if r.Properties["State"] != state {
		t.Errorf("%s has the state %v, want %s", id, r.Properties["State"], state)
	}
	targets := list(r.Properties["Targets"])
	if len(targets) != 1 {
		t.Fatalf("%s has %d targets, want one", id, len(targets))
	}
	return targets[0].(map[string]any)
}

func TestRules(t *testing.T) {
	for scenario, prefix := range map[string]string{"default": "rootguard", "full": "rootguard", "govcloud": "twenty-letters-long0", "quarantine": "rootguard"} {
		tpl := all(t)[scenario].stack(t, prefix)
		rules := mustRules(t, prefix)
		if scenario == "quarantine" {
			rules = append(rules, eventrules.QuarantineRule(prefix))
		}
		for _, rule := range rules {
			target := checkRule(t, tpl, prefix+"-"+rule.Name, rule)
			function, _ := tpl.named(t, "AWS::Lambda::Function", "FunctionName", prefix+"-"+rule.Function)
			if !reflect.DeepEqual(target["Arn"], get(function, "Arn")) {
				t.Errorf("%s has the target %v, want the function %s", rule.Name, target["Arn"], rule.Function)
			}
			id, _ := tpl.named(t, "AWS::Events::Rule", "Name", prefix+"-"+rule.Name)
			_, permission := tpl.named(t, "AWS::Lambda::Permission", "SourceArn", get(id, "Arn"))
			if !reflect.DeepEqual(permission.Properties["FunctionName"], ref(function)) || permission.Properties["Principal"] != "events.amazonaws.com" ||
				!reflect.DeepEqual(permission.Properties["SourceAccount"], ref("AWS::AccountId")) {
				t.Errorf("%s may call %v", rule.Name, permission.Properties)
			}
		}
	}
}

// TestEveryRule holds for all rules, also those that are not of eventpattern.
func TestEveryRule(t *testing.T) {
	for where, tpl := range templates(t) {
		t.Run(where, func(t *testing.T) {
			for id, r := range tpl.of("AWS::Events::Rule") {
				if r.Properties["EventBusName"] != nil {
					t.Errorf("%s is on the bus %v; events of AWS come on the default bus", id, r.Properties["EventBusName"])
				}
				pattern, scheduled := r.Properties["EventPattern"], r.Properties["ScheduleExpression"]
				if (pattern == nil) == (scheduled == nil) {
					t.Errorf("%s has the pattern %v and the schedule %v, want one of them", id, pattern, scheduled)
				}
				if pattern != nil {
					text := deployed(t, pattern)
					if n := utf8.RuneCount(text); n > 2048 {
						t.Errorf("the pattern of %s has %d characters, more than 2,048", id, n)
					}
					if _, err := eventpattern.Compile(text); err != nil {
						t.Errorf("the pattern of %s: %v", id, err)
					}
				}
				targets := list(r.Properties["Targets"])
				if len(targets) == 0 || len(targets) > 5 {
					t.Errorf("%s has %d targets", id, len(targets))
				}
				for _, target := range targets {
					if strings.HasSuffix(r.Properties["Name"].(string), "-heartbeat") {
						continue // there is another one soon, and an alarm that there is none
					}
					queue, _ := at(target, "DeadLetterConfig", "Arn").(map[string]any)
					pair, ok := queue["Fn::GetAtt"].([]any)
					if !ok || tpl.Resources[pair[0].(string)].Type != "AWS::SQS::Queue" {
						t.Errorf("a target of %s has no queue for what it cannot deliver", id)
					}
					age, _ := at(target, "RetryPolicy", "MaximumEventAgeInSeconds").(float64)
					attempts, _ := at(target, "RetryPolicy", "MaximumRetryAttempts").(float64)
					if scheduled == nil && (age != 86400 || attempts != 185) || age == 0 || attempts == 0 {
						t.Errorf("a target of %s is tried %v times in %v s", id, attempts, age)
					}
				}
			}
		})
	}
}

// TestDirect holds that what is done to the guard itself is reported by every
// topic, in a form that its receivers show, and that each lets the rules publish.
func TestDirect(t *testing.T) {
	for scenario, topics := range map[string]int{"default": 1, "full": 3} {
		tpl := all(t)[scenario].stack(t, "rootguard")
		for _, rule := range eventrules.Direct("rootguard") {
			_, r := tpl.named(t, "AWS::Events::Rule", "Name", "rootguard-"+rule.Name)
			var want any
			if err := json.Unmarshal([]byte(rule.Pattern), &want); err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(want, r.Properties["EventPattern"]); diff != "" || r.Properties["State"] != "ENABLED" {
				t.Errorf("%s is %v with another pattern (-code +template):\n%s", rule.Name, r.Properties["State"], diff)
			}
			forms := map[string]any{} // by topic
			for _, target := range list(r.Properties["Targets"]) {
				input := at(target, "InputTransformer", "InputTemplate").(string)
				paths := at(target, "InputTransformer", "InputPathsMap").(map[string]any)
				for name, path := range paths {
					if !strings.Contains(input, "<"+name+">") {
						t.Errorf("the text says nothing of %s", name)
					}
					if strings.Contains(path.(string), "userIdentity.arn") || strings.Contains(path.(string), "principalId") || strings.Contains(path.(string), "userAgent") {
						t.Errorf("the text has %s, which its caller can choose", path)
					}
				}
				var form any
				if err := json.Unmarshal([]byte(input), &form); err != nil || strings.Count(input, "<") != len(paths) || len(paths) > 100 || len(input) > 8192 {
					t.Errorf("the text is no valid template: %v: %s", err, input)
				}
				forms[at(target, "Arn", "Ref").(string)] = form
			}
			if len(forms) != topics {
				t.Errorf("%s goes to %d topics, want each of %d", rule.Name, len(forms), topics)
			}
			for _, name := range []string{"rootguard", "rootguard escalation", "rootguard chat"}[:topics] {
				topic, _ := tpl.named(t, "AWS::SNS::Topic", "DisplayName", name)
				text := forms[topic]
				if name == "rootguard chat" {
					if at(text, "version") != "1.0" || at(text, "source") != "custom" {
						t.Errorf("Amazon Q would not show %v", text)
					}
					text = fmt.Sprint(at(text, "content", "title"), ": ", at(text, "content", "description"))
				}
				if text, ok := text.(string); !ok || !strings.Contains(text, rule.Description+": <call> of <service> in account <account>") {
					t.Errorf("%s gets %v", name, forms[topic])
				}
				lets := false
				for _, p := range tpl.of("AWS::SNS::TopicPolicy") {
					for _, s := range list(at(p.Properties, "PolicyDocument", "Statement")) {
						lets = lets || reflect.DeepEqual(at(s, "Resource"), ref(topic)) && at(s, "Principal", "Service") == "events.amazonaws.com" && at(s, "Condition") == nil
					}
				}
				if !lets {
					t.Errorf("the policy of %s keeps the rules from publishing", name)
				}
			}
		}
	}
}

func TestFunctions(t *testing.T) {
	tpl := all(t)["full"].stack(t, "rootguard")
	functions := tpl.of("AWS::Lambda::Function")
	if want := len(Functions(&settings.Settings{SecurityHub: true})); len(functions) != want {
		t.Fatalf("%d functions, want %d and no helper of the CDK", len(functions), want)
	}
	for id, f := range functions {
		p := f.Properties
		for property, want := range map[string]any{
			"Runtime": "provided.al2023", "Architectures": []any{"arm64"}, "Handler": "bootstrap", "MemorySize": 256.0, "Timeout": map[bool]float64{true: 240, false: 30}[p["FunctionName"] == "rootguard-sweep"],
			"ReservedConcurrentExecutions": nil,
		} {
			if !reflect.DeepEqual(p[property], want) {
				t.Errorf("%s has %s %v, want %v", id, property, p[property], want)
			}
		}
		logs := at(p, "LoggingConfig", "LogGroup", "Ref").(string)
		if group := tpl.Resources[logs]; group.Type != "AWS::Logs::LogGroup" || group.Properties["RetentionInDays"] != 365.0 || group.DeletionPolicy != "RetainExceptOnCreate" {
			t.Errorf("%s logs to %+v", id, group)
		}
		_, async := tpl.named(t, "AWS::Lambda::EventInvokeConfig", "FunctionName", ref(id))
		queue := at(async.Properties, "DestinationConfig", "OnFailure", "Destination", "Fn::GetAtt").([]any)[0].(string)
		if tpl.Resources[queue].Type != "AWS::SQS::Queue" || async.Properties["MaximumRetryAttempts"] != 2.0 || async.Properties["Qualifier"] != "$LATEST" {
			t.Errorf("%s handles failures with %v", id, async.Properties)
		}

		environment := map[string]string{}
		for key, value := range at(p, "Environment", "Variables").(map[string]any) {
			environment[key] = flatten(value)
		}
		for key, value := range environment {
			if strings.HasPrefix(value, "${") {
				target := tpl.Resources[strings.TrimSuffix(strings.TrimSuffix(value[2:], "}"), ".Arn")]
				environment[key] = target.Type + " " + fmt.Sprint(target.Properties["DisplayName"])
			}
		}
		want := map[string]string{
			config.EnvTable: "AWS::DynamoDB::Table <nil>", config.EnvTopicARN: "AWS::SNS::Topic rootguard",
			config.EnvEscalationTopicARN: "AWS::SNS::Topic rootguard escalation", config.EnvChatTopicARN: "AWS::SNS::Topic rootguard chat",
			config.EnvGrace: "12h0m0s", config.EnvReminders: "1h0m0s,48h0m0s", config.EnvResend: "10m0s,2h0m0s", config.EnvWindow: "30m0s", config.EnvLease: "1m30s", config.EnvPosture: "1h0m0s", config.EnvQuietDays: "60", config.EnvDigest: "weekly monday 08:00 UTC", config.EnvAdminRoles: "Platform,ops", config.EnvDayTwo: strings.Join(daytwo.Names(), ","), config.EnvDrill: "8760h0m0s", config.EnvDrillUsers: "glass",
			config.EnvAccountNames: `{"123456789012":"prod-billing"}`, config.EnvPrefix: "rootguard",
			config.EnvTrails: "older,rootguard-trail", config.EnvKeys: "AWS::KMS::Key <nil>",
			config.EnvUndeliveredQueue: "AWS::SQS::Queue <nil>", config.EnvFailedQueue: "AWS::SQS::Queue <nil>", config.EnvRegions: "eu-west-1",
			config.EnvMetrics: "true",
		}
		if p["FunctionName"] == "rootguard-securityhub" {
			want = map[string]string{config.EnvTopicARN: want[config.EnvTopicARN], config.EnvMetrics: "true"}
		}
		if _, noted := environment[config.EnvDeployed]; noted != (p["FunctionName"] == "rootguard-sweep") {
			t.Errorf("%s: given what was deployed: %v", id, noted)
		}
		delete(environment, config.EnvDeployed) // see TestNote
		if diff := cmp.Diff(want, environment); diff != "" {
			t.Errorf("%s: environment (-want +got):\n%s", id, diff)
		}
	}
}

// TestPermissions writes out what a function may do, so that a change is seen.
func TestPermissions(t *testing.T) {
	// It alone asks about permission sets.
	allowed := func(scenario string) map[string]string {
		all := allowedTo(t, "iamuser", scenario)
		for _, action := range []string{"iam:GetRolePolicy", "iam:ListAttachedRolePolicies", "iam:ListRolePolicies"} {
			if sets := "arn:${AWS::Partition}:iam::${AWS::AccountId}:role/aws-reserved/sso.amazonaws.com/*"; all[action] != sets {
				t.Errorf("%s of %s is on %q, want %s", action, scenario, all[action], sets)
			}
			delete(all, action)
		}
		return all
	}
	want := map[string]string{
		"dynamodb:BatchGetItem":       "AWS::DynamoDB::Table",
		"dynamodb:ConditionCheckItem": "AWS::DynamoDB::Table",
		"dynamodb:PutItem":            "AWS::DynamoDB::Table",
		"dynamodb:Query":              "AWS::DynamoDB::Table, AWS::DynamoDB::Table/index/due",
		"dynamodb:UpdateItem":         "AWS::DynamoDB::Table",
		"iam:GetAccountSummary":       "*",
		"iam:GetLoginProfile":         "arn:${AWS::Partition}:iam::${AWS::AccountId}:user/*",
		"iam:ListMFADevices":          "arn:${AWS::Partition}:iam::${AWS::AccountId}:user/*",
		"iam:ListVirtualMFADevices":   "*",
		"logs:CreateLogStream":        "AWS::Logs::LogGroup",
		"logs:PutLogEvents":           "AWS::Logs::LogGroup",
		"sns:Publish":                 "AWS::SNS::Topic",
		"sqs:SendMessage":             "AWS::SQS::Queue",
	}
	if diff := cmp.Diff(want, allowed("default")); diff != "" {
		t.Errorf("one account (-want +got):\n%s", diff)
	}
	judge := maps.Clone(want)
	judge["cloudformation:DescribeStackEvents"] = "arn:${AWS::Partition}:cloudformation:${AWS::Region}:${AWS::AccountId}:stack/rootguard/*, arn:${AWS::Partition}:cloudformation:*:${AWS::AccountId}:stack/rootguard-forward-*/*"
	if diff := cmp.Diff(judge, allowedTo(t, "rootactivity", "default")); diff != "" {
		t.Errorf("the function that judges changes to the guard (-want +got):\n%s", diff)
	}
	want["organizations:DescribeAccount"] = "arn:${AWS::Partition}:organizations::111111111111:account/o-a1b2c3d4e5/*"
	want["sts:AssumeRole"] = "arn:${AWS::Partition}:iam::*:role/rootguard-member"
	if diff := cmp.Diff(want, allowed("organization")); diff != "" {
		t.Errorf("an organization (-want +got):\n%s", diff)
	}
	want["iam:ListUsers"], want["organizations:ListAccounts"] = "*", "*"
	want["iam:GenerateCredentialReport"], want["iam:GetCredentialReport"] = "*", "*"
	if diff := cmp.Diff(want, withoutProving(allowedTo(t, "sweep", "organization"))); diff != "" {
		t.Errorf("the sweep of an organization (-want +got):\n%s", diff)
	}
	routed := maps.Clone(want)
	const account, unit = "arn:${AWS::Partition}:organizations::111111111111:account/o-a1b2c3d4e5/*", "arn:${AWS::Partition}:organizations::111111111111:ou/o-a1b2c3d4e5/*"
	routed["organizations:ListParents"] = account + ", " + unit
	routed["organizations:DescribeOrganizationalUnit"], routed["organizations:ListTagsForResource"] = unit, account
	if diff := cmp.Diff(routed, withoutProving(allowedTo(t, "sweep", "routed"))); diff != "" {
		t.Errorf("the sweep of an organization with routes by unit and tag (-want +got):\n%s", diff)
	}
	if _, asks := allowed("routed")["organizations:ListParents"]; asks {
		t.Error("another function than the sweep may ask where accounts are")
	}
	for _, action := range []string{"iam:ListUsers", "organizations:ListAccounts", "iam:GenerateCredentialReport", "iam:GetCredentialReport"} {
		delete(want, action)
	}
	want["sns:Publish"] = "AWS::SNS::Topic, AWS::SNS::Topic, AWS::SNS::Topic"
	want["kms:Decrypt"], want["kms:GenerateDataKey"] = "AWS::KMS::Key", "AWS::KMS::Key"
	for _, action := range []string{"organizations:DescribeAccount", "sts:AssumeRole"} {
		delete(want, action)
	}
	if diff := cmp.Diff(want, allowed("full")); diff != "" {
		t.Errorf("three topics (-want +got):\n%s", diff)
	}
	want = map[string]string{
		"logs:CreateLogStream":            "AWS::Logs::LogGroup",
		"logs:PutLogEvents":               "AWS::Logs::LogGroup",
		"securityhub:BatchImportFindings": "arn:${AWS::Partition}:securityhub:${AWS::Region}:${AWS::AccountId}:product/${AWS::AccountId}/default",
		"sqs:SendMessage":                 "AWS::SQS::Queue",
	}
	if diff := cmp.Diff(want, allowedTo(t, "securityhub", "full")); diff != "" {
		t.Errorf("Security Hub's function (-want +got):\n%s", diff)
	}
}

func TestTable(t *testing.T) {
	for _, table := range all(t)["default"].stack(t, "rootguard").of("AWS::DynamoDB::Table") {
		key := func(hash, sort string) any {
			return []any{map[string]any{"AttributeName": hash, "KeyType": "HASH"}, map[string]any{"AttributeName": sort, "KeyType": "RANGE"}}
		}
		for property, want := range map[string]any{
			"BillingMode": "PAY_PER_REQUEST", "DeletionProtectionEnabled": ref(protectTable),
			"KeySchema":                        key(config.TablePartitionKey, config.TableSortKey),
			"TimeToLiveSpecification":          map[string]any{"AttributeName": config.TableTTL, "Enabled": true},
			"PointInTimeRecoverySpecification": map[string]any{"PointInTimeRecoveryEnabled": true},
			"SSESpecification":                 map[string]any{"SSEEnabled": false}, // a key of DynamoDB's own
			"GlobalSecondaryIndexes": []any{map[string]any{"IndexName": config.TableDueIndex, "KeySchema": key(config.TableDuePartition, config.TableDueSort),
				"Projection": map[string]any{"ProjectionType": "KEYS_ONLY"}}},
			"TableName": nil, // so that the stack can be made again beside a table that was kept
		} {
			if diff := cmp.Diff(want, table.Properties[property]); diff != "" {
				t.Errorf("%s (-want +got):\n%s", property, diff)
			}
		}
		return
	}
	t.Error("there is no table")
}

// TestFailedCreation holds that a first deployment that fails leaves nothing
// behind: nothing is protected yet, and what later outlives the stack goes. A
// bucket into which CloudTrail has written could not be deleted.
func TestFailedCreation(t *testing.T) {
	for where, tpl := range templates(t) {
		for id, r := range tpl.Resources {
			switch want := map[string]string{"AWS::DynamoDB::Table": "RetainExceptOnCreate", "AWS::Logs::LogGroup": "RetainExceptOnCreate", "AWS::S3::Bucket": "Retain"}[r.Type]; {
			case r.DeletionPolicy != want && (want != "" || r.DeletionPolicy != "Delete"):
				t.Errorf("%s: %s has the deletion policy %q, want %q", where, id, r.DeletionPolicy, want)
			case want != "" && r.UpdateReplacePolicy != "Retain":
				t.Errorf("%s: %s is lost where it is replaced", where, id)
			}
		}
		if _, makes := tpl.Parameters[protectTable]; makes != (len(tpl.of("AWS::DynamoDB::Table")) > 0) {
			t.Errorf("%s: the parameter that protects a table is there: %v", where, makes)
		} else if makes && at(tpl.Parameters[protectTable], "Default") != "false" {
			t.Errorf("%s: a new table is protected: %v", where, tpl.Parameters[protectTable])
		}
	}
}

// TestMakeDeploy holds that make deploy protects the table of the guard's stack
// once that is there, and asks for nothing where no table is made.
func TestMakeDeploy(t *testing.T) {
	_, err := exec.LookPath("make")
	testenv.Need(t, err == nil, "make")
	for settings, want := range map[string]string{
		`{}`:                      "deploy rootguard --app cdk.out --exclusively --require-approval never --parameters rootguard:ProtectTable=true",
		`{"prefix": "acme"}`:      "deploy acme --app cdk.out --exclusively --require-approval never --parameters acme:ProtectTable=true",
		`{"table": "kept-table"}`: "",
	} {
		dir := t.TempDir()
		makefile, err := os.ReadFile("../../Makefile")
		if err != nil {
			t.Fatal(err)
		}
		for name, text := range map[string]string{"Makefile": string(makefile), "cdk.json": `{"context": {"rootguard": ` + settings + `}}`} {
			if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
				t.Fatal(err)
			}
		}
		run := exec.CommandContext(t.Context(), "make", "-n", "deploy")
		run.Dir = dir
		// Not as part of a make that runs the tests: its flags would be this one's too.
		run.Env = slices.DeleteFunc(os.Environ(), func(v string) bool { return strings.HasPrefix(v, "MAKE") || strings.HasPrefix(v, "MFLAGS=") })
		out, err := run.CombinedOutput()
		if err != nil {
			t.Fatalf("%v: %s", err, out)
		}
		lines := strings.Split(strings.TrimSpace(string(out)), "\n")
		all := slices.IndexFunc(lines, func(l string) bool { return strings.Contains(l, "deploy --all --concurrency") })
		asked := slices.IndexFunc(lines, func(l string) bool { return strings.HasSuffix(l, "rootguard preflight") })
		if asked < 0 || asked > all || all < 0 || want == "" && all != len(lines)-1 || want != "" && (all != len(lines)-2 || !strings.HasSuffix(lines[all+1], want)) {
			t.Errorf("%s: make deploy runs\n%s", settings, out)
		}
	}
}

// TestMakeDestroy holds that make destroy asks unless YES=1 says not to, and needs no
// receiver.
func TestMakeDestroy(t *testing.T) {
	_, err := exec.LookPath("make")
	testenv.Need(t, err == nil, "make")
	for yes, force := range map[string]bool{"": false, "0": false, "no": false, "1": true} {
		run := exec.CommandContext(t.Context(), "make", "-n", "destroy", "YES="+yes)
		run.Dir = "../.."
		run.Env = slices.DeleteFunc(os.Environ(), func(v string) bool { return strings.HasPrefix(v, "MAKE") || strings.HasPrefix(v, "MFLAGS=") })
		out, err := run.CombinedOutput()
		if err != nil {
			t.Fatalf("%v: %s", err, out)
		}
		if strings.Contains(string(out), "--force") != force || !strings.Contains(string(out), "-c receivers=none") {
			t.Errorf("YES=%s: make destroy runs\n%s", yes, out)
		}
	}
}

// TestAdoptedTable holds that the guard goes on with a table that was kept as with
// one of its own, and changes nothing of it.
func TestAdoptedTable(t *testing.T) {
	tpl := all(t)["adopted"].stack(t, "rootguard")
	if n := len(tpl.of("AWS::DynamoDB::Table")); n != 0 {
		t.Fatalf("%d tables are made beside the one that was kept", n)
	}
	for id, f := range tpl.of("AWS::Lambda::Function") {
		if got := at(f.Properties, "Environment", "Variables", config.EnvTable); got != "kept-Table_1.x" {
			t.Errorf("%s works on the table %v", id, got)
		}
	}
	if got := tpl.Outputs["TableName"].Value; got != "kept-Table_1.x" {
		t.Errorf("the stack says that its table is %v", got)
	}
	const table = "arn:${AWS::Partition}:dynamodb:us-east-1:${AWS::AccountId}:table/kept-Table_1.x"
	made := allowedTo(t, "sweep", "default")
	for action, where := range allowedTo(t, "sweep", "adopted") {
		if want := strings.ReplaceAll(made[action], "AWS::DynamoDB::Table", table); strings.HasPrefix(action, "dynamodb:") && where != want {
			t.Errorf("%s on %s, want %s", action, where, want)
		}
	}
}

// TestOperators holds that only the functions and the operators may write rows,
// and that without operators there is no policy.
func TestOperators(t *testing.T) {
	for _, table := range all(t)["default"].stack(t, "rootguard").of("AWS::DynamoDB::Table") {
		if table.Properties["ResourcePolicy"] != nil {
			t.Errorf("without operators: %v", table.Properties["ResourcePolicy"])
		}
	}
	tpl := all(t)["full"].stack(t, "rootguard")
	denied := map[string]bool{}
	for _, table := range tpl.of("AWS::DynamoDB::Table") {
		for _, s := range list(at(table.Properties, "ResourcePolicy", "PolicyDocument", "Statement")) {
			if at(s, "Effect") != "Deny" || at(s, "Resource") != "*" || flatten(at(s, "Principal", "AWS")) != "*" {
				t.Errorf("the policy has %v", s)
			}
			for _, action := range list(at(s, "Action")) {
				denied[action.(string)] = true
			}
			var may []string
			for _, arn := range list(at(s, "Condition", "ArnNotEquals", "aws:PrincipalArn")) {
				may = append(may, flatten(arn))
			}
			role := "arn:${AWS::Partition}:iam::${AWS::AccountId}:role/rootguard-"
			if diff := cmp.Diff([]string{"arn:aws:iam::123456789012:role/ops/oncall", role + "iamuser", role + "rootactivity", role + "sweep"}, may); diff != "" {
				t.Errorf("who may write (-want +got):\n%s", diff)
			}
		}
	}
	if !maps.Equal(denied, rowWrites) {
		t.Errorf("denied are %v, want every write of a row", denied)
	}
	// Whoever may write by its own permissions must be let by the policy.
	for _, name := range []string{"iamuser", "rootactivity", "sweep", "securityhub"} {
		writes := allowedTo(t, name, "full")["dynamodb:PutItem"] != ""
		function, _ := tpl.named(t, "AWS::Lambda::Function", "FunctionName", "rootguard-"+name)
		role := at(tpl.Resources[function].Properties, "Role", "Fn::GetAtt").([]any)[0].(string)
		if got := tpl.Resources[role].Properties["RoleName"]; got != "rootguard-"+name || writes != (name != "securityhub") {
			t.Errorf("%s: its role is %v, and it writes: %v", name, got, writes)
		}
	}
}

// TestUnreceived holds that alerts which an HTTPS endpoint does not take are kept,
// by a topic that may do so.
func TestUnreceived(t *testing.T) {
	tpl := all(t)["full"].stack(t, "rootguard")
	n := 0
	for id, s := range tpl.of("AWS::SNS::Subscription") {
		if s.Properties["Protocol"] != "https" {
			continue
		}
		n++
		queue := at(s.Properties, "RedrivePolicy", "deadLetterTargetArn", "Fn::GetAtt").([]any)[0].(string)
		sends := false
		for _, p := range tpl.of("AWS::SQS::QueuePolicy") {
			for _, statement := range list(at(p.Properties, "PolicyDocument", "Statement")) {
				sends = sends || at(statement, "Principal", "Service") == "sns.amazonaws.com" && reflect.DeepEqual(at(statement, "Resource"), get(queue, "Arn")) &&
					reflect.DeepEqual(at(statement, "Condition", "ArnEquals", "aws:SourceArn"), s.Properties["TopicArn"])
			}
		}
		if !sends {
			t.Errorf("%s may not leave alerts in %s", id, queue)
		}
		if tpl.Outputs["UnreceivedQueueUrl"].Value == nil {
			t.Error("no output says where the queue is")
		}
	}
	if n != 2 { // one of them is a route's
		t.Errorf("%d HTTPS endpoints, want 2", n)
	}
	if out := all(t)["default"].stack(t, "rootguard").Outputs["UnreceivedQueueUrl"].Value; out != nil {
		t.Errorf("without an HTTPS endpoint there is the queue %v", out)
	}
}

// statements returns the policy statements of a resource by Sid.
func statements(t *testing.T, policy any) map[string]map[string]any {
	t.Helper()
	out := map[string]map[string]any{}
	for i, s := range list(at(policy, "Statement")) {
		sid, ok := at(s, "Sid").(string)
		if !ok {
			sid = strconv.Itoa(i)
		}
		out[sid] = s.(map[string]any)
	}
	return out
}

// TestNoKey holds that by default no key is made, paid for or needed: every call
// on one would be a way to silence all topics.
func TestNoKey(t *testing.T) {
	for where, tpl := range templates(t) {
		if strings.HasPrefix(where, "full/rootguard") && !strings.Contains(where, "forward") {
			for id, topic := range tpl.of("AWS::SNS::Topic") {
				if topic.Properties["KmsMasterKeyId"] == nil {
					t.Errorf("%s: %s is not encrypted", where, id)
				}
			}
			continue
		}
		for _, use := range []string{`"AWS::KMS::`, `"KmsMasterKeyId"`, `"kms:`, config.EnvKeys} {
			if strings.Contains(string(tpl.text), use) {
				t.Errorf("%s has %s in it", where, use)
			}
		}
	}
}

func TestKey(t *testing.T) {
	for _, key := range all(t)["full"].stack(t, "rootguard").of("AWS::KMS::Key") {
		if key.Properties["EnableKeyRotation"] != true {
			t.Error("the key does not rotate")
		}
		policy := statements(t, key.Properties["KeyPolicy"])
		for sid, service := range map[string]string{"AlarmsPublish": "cloudwatch.amazonaws.com", "RulesPublish": "events.amazonaws.com"} {
			s := policy[sid]
			if at(s, "Principal", "Service") != service || !reflect.DeepEqual(s["Action"], []any{"kms:Decrypt", "kms:GenerateDataKey*"}) {
				t.Errorf("%s: %v", sid, s)
			}
		}
		if policy["RulesPublish"]["Condition"] != nil {
			t.Error("with a condition, EventBridge could not use the key")
		}
		if policy["AlarmsPublish"]["Condition"] == nil {
			t.Error("CloudWatch may use the key for any account")
		}
		if !slices.Contains(list(policy["AccountAdministers"]["Action"]), any("kms:PutKeyPolicy")) {
			t.Error("no one could ever change the key's policy")
		}
		if slices.Contains(list(policy["AccountAdministers"]["Action"]), any("kms:Decrypt")) {
			t.Error("a caller who administers the key may read what it encrypts")
		}
		return
	}
	t.Error("there is no key")
}

// TestTLS holds that every topic, queue and bucket refuses calls without TLS.
func TestTLS(t *testing.T) {
	for where, tpl := range templates(t) {
		t.Run(where, func(t *testing.T) {
			for kind, policy := range map[string]struct{ kind, lists string }{
				"AWS::SNS::Topic": {"AWS::SNS::TopicPolicy", "Topics"},
				"AWS::SQS::Queue": {"AWS::SQS::QueuePolicy", "Queues"},
				"AWS::S3::Bucket": {"AWS::S3::BucketPolicy", "Bucket"},
			} {
				for id := range tpl.of(kind) {
					refuses := false
					for _, p := range tpl.of(policy.kind) {
						if !slices.ContainsFunc(list(p.Properties[policy.lists]), func(v any) bool { return reflect.DeepEqual(v, ref(id)) }) {
							continue
						}
						for _, s := range list(at(p.Properties, "PolicyDocument", "Statement")) {
							refuses = refuses || at(s, "Effect") == "Deny" && at(s, "Condition", "Bool", "aws:SecureTransport") == "false"
						}
					}
					if !refuses {
						t.Errorf("%s takes calls without TLS", id)
					}
				}
			}
			for id, queue := range tpl.of("AWS::SQS::Queue") {
				days := 1209600.0
				if strings.HasPrefix(id, "Heartbeats") {
					days = 3600 // nothing to redrive: there is another one in five minutes
				}
				if queue.Properties["SqsManagedSseEnabled"] != true || queue.Properties["MessageRetentionPeriod"] != days {
					t.Errorf("%s is not encrypted, or keeps messages for less than 14 days: %v", id, queue.Properties)
				}
			}
		})
	}
}

func TestSubscriptions(t *testing.T) {
	subscriptions := func(scenario, stack string) []string {
		tpl := all(t)[scenario].stack(t, stack)
		var out []string
		for _, s := range tpl.of("AWS::SNS::Subscription") {
			topic := tpl.Resources[at(s.Properties, "TopicArn", "Ref").(string)]
			filter := ""
			if s.Properties["FilterPolicy"] != nil {
				filter = fmt.Sprint(" ", s.Properties["FilterPolicy"])
			}
			if s.Properties["Protocol"] == "lambda" {
				continue // see TestSecurityHub
			}
			out = append(out, fmt.Sprintf("%v: %v %v%s", topic.Properties["DisplayName"], s.Properties["Protocol"], s.Properties["Endpoint"], filter))
		}
		slices.Sort(out)
		return out
	}
	if diff := cmp.Diff([]string{"rootguard: email ops@example.com"}, subscriptions("default", "rootguard")); diff != "" {
		t.Errorf("one address (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff([]string{
		"rootguard escalation: email ciso@example.com",
		"rootguard escalation: sms +14155550101 map[severity:[high critical]]",
		"rootguard: email data@example.com map[account:[333333333333] finding:[map[anything-but:[guard.digest]]]]",
		"rootguard: email ops@example.com",
		"rootguard: email payments@example.com map[account:[123456789012 210987654321] finding:[map[anything-but:[guard.digest]]] severity:[medium high critical]]",
		"rootguard: email second@example.com",
		"rootguard: https https://example.com/hook",
		"rootguard: https https://example.com/payments map[account:[123456789012 210987654321] finding:[map[anything-but:[guard.digest]]] severity:[medium high critical]]",
		"rootguard: sms +14155550100 map[severity:[high critical]]",
		"rootguard: sms +14155550102 map[account:[123456789012 210987654321] finding:[map[anything-but:[guard.digest]]] severity:[high critical]]",
	}, subscriptions("full", "rootguard")); diff != "" {
		t.Errorf("everything (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff([]string{
		"rootguard: email ciso@example.com", "rootguard: email ops@example.com", "rootguard: email second@example.com", "rootguard: https https://example.com/hook",
	}, subscriptions("full", "rootguard-forward-eu-west-1")); diff != "" {
		t.Errorf("another Region (-want +got):\n%s", diff)
	}
}

func TestSlack(t *testing.T) {
	tpl := all(t)["full"].stack(t, "rootguard")
	chat, _ := tpl.named(t, "AWS::SNS::Topic", "DisplayName", "rootguard chat")
	_, channel := tpl.named(t, "AWS::Chatbot::SlackChannelConfiguration", "SlackChannelId", "C0123ABCD")
	if !reflect.DeepEqual(channel.Properties["SnsTopicArns"], []any{ref(chat)}) {
		t.Errorf("the channel reads %v", channel.Properties["SnsTopicArns"])
	}
	if got := flatten(list(channel.Properties["GuardrailPolicies"])[0]); got != "arn:${AWS::Partition}:iam::aws:policy/AWSDenyAll" {
		t.Errorf("a caller who writes in the channel may do what %s allows", got)
	}
	role := at(channel.Properties, "IamRoleArn", "Fn::GetAtt").([]any)[0].(string)
	if p := tpl.Resources[role].Properties; p["Policies"] != nil || p["ManagedPolicyArns"] != nil {
		t.Errorf("the channel's role has permissions: %v", p)
	}
	if n := len(all(t)["default"].stack(t, "rootguard").of("AWS::Chatbot::SlackChannelConfiguration")); n != 0 {
		t.Errorf("%d channels where none was asked for", n)
	}
}

// TestAlarms holds that there are few, each of which leaves by every topic of its
// Region. The last, in the second Region, waits for what the guard puts on the bus.
func TestAlarms(t *testing.T) {
	for scenario, stacks := range map[string]map[string][]string{
		"full":       {"rootguard": {"errors-rootactivity", "failed", "publish-errors", "sweep-silent", "undelivered", "unreceived"}, "rootguard-forward-eu-west-1": {"second-heartbeat"}},
		"default":    {"rootguard": {"errors-rootactivity", "failed", "sweep-silent", "undelivered"}, "rootguard-forward-us-east-2": {"second-heartbeat"}, "rootguard-forward-eu-north-1": nil},
		"management": {"rootguard": {"errors-rootactivity", "failed", "heartbeat", "sweep-silent", "undelivered"}},
	} {
		metrics := 0
		for stack, want := range stacks {
			tpl := all(t)[scenario].stack(t, stack)
			var every []any
			for _, name := range []string{"rootguard", "rootguard escalation", "rootguard chat"} { // who reads nothing else must hear of them too
				for id, topic := range tpl.of("AWS::SNS::Topic") {
					if topic.Properties["DisplayName"] == name {
						every = append(every, ref(id))
					}
				}
			}
			var names []string
			for id, a := range tpl.of("AWS::CloudWatch::Alarm") {
				name := strings.TrimPrefix(a.Properties["AlarmName"].(string), "rootguard-")
				names = append(names, name)
				if !reflect.DeepEqual(a.Properties["AlarmActions"], every) || !reflect.DeepEqual(a.Properties["OKActions"], every) || len(every) == 0 {
					t.Errorf("%s/%s: %s goes to %v", scenario, stack, id, a.Properties["AlarmActions"])
				}
				missing, operator := "notBreaching", "GreaterThanOrEqualToThreshold"
				if name == "sweep-silent" || strings.HasSuffix(name, "heartbeat") {
					missing, operator = "breaching", "LessThanThreshold"
				}
				if a.Properties["TreatMissingData"] != missing || a.Properties["ComparisonOperator"] != operator || a.Properties["Threshold"] != 1.0 {
					t.Errorf("%s: %v", id, a.Properties)
				}
				of := 0
				for _, m := range list(a.Properties["Metrics"]) {
					if at(m, "MetricStat") != nil {
						of++
					}
				}
				metrics += max(1, of)
			}
			slices.Sort(names)
			if diff := cmp.Diff(want, names); diff != "" {
				t.Errorf("%s/%s: alarms (-want +got):\n%s", scenario, stack, diff)
			}
		}
		want := 6
		if scenario == "full" {
			want = 8 // metrics of its own were asked for, and there is an HTTPS endpoint
		}
		if metrics != want {
			t.Errorf("%s: the alarms are over %d metrics, each of which is billed, want %d", scenario, metrics, want)
		}
	}
}

// TestMetrics holds that nothing depends on metrics of the functions' own where
// these were not asked for: the dashboard shows the same from their logs.
func TestMetrics(t *testing.T) {
	const namespace = `"Namespace":"rootguard"`
	for scenario, metrics := range map[string]bool{"default": false, "full": true} {
		tpl := all(t)[scenario].stack(t, "rootguard")
		for id, a := range tpl.of("AWS::CloudWatch::Alarm") {
			text, err := json.Marshal(a.Properties)
			if err != nil {
				t.Fatal(err)
			}
			if strings.Contains(string(text), namespace) && !metrics {
				t.Errorf("%s: %s watches a metric that is not there", scenario, id)
			}
		}
		boards := slices.Collect(maps.Values(tpl.of("AWS::CloudWatch::Dashboard")))
		if len(boards) != 1 {
			t.Fatalf("%d dashboards", len(boards))
		}
		text := flatten(boards[0].Properties["DashboardBody"])
		var body struct {
			Widgets []struct {
				Type       string
				Properties struct{ Query string }
			}
		}
		if err := json.Unmarshal([]byte(text), &body); err != nil || len(body.Widgets) < 8 {
			t.Errorf("the dashboard has %d widgets: %v", len(body.Widgets), err)
		}
		var queries []string
		for _, w := range body.Widgets {
			if w.Type == "log" {
				queries = append(queries, w.Properties.Query)
			}
		}
		want, fields := 4, strings.Join(queries, " ")
		if metrics {
			want, fields = 0, text
		}
		if len(queries) != want || strings.Contains(text, `["rootguard"`) != metrics {
			t.Errorf("%s: %d queries of logs, want %d", scenario, len(queries), want)
		}
		for _, field := range []string{config.FindingsOf("critical"), config.MetricAlertLatency, config.MetricRecords, config.MetricPublishErrors} {
			if !strings.Contains(fields, field) {
				t.Errorf("%s: the dashboard shows nothing of %s", scenario, field)
			}
		}
	}
}

// TestSecurityHub holds that alerts reach the function, and that those which do
// not are kept; and that nothing of it is there unless it was asked for.
func TestSecurityHub(t *testing.T) {
	tpl := all(t)["full"].stack(t, "rootguard")
	function, _ := tpl.named(t, "AWS::Lambda::Function", "FunctionName", "rootguard-securityhub")
	topic, _ := tpl.named(t, "AWS::SNS::Topic", "DisplayName", "rootguard")
	_, subscription := tpl.named(t, "AWS::SNS::Subscription", "Protocol", "lambda")
	if p := subscription.Properties; !reflect.DeepEqual(p["TopicArn"], ref(topic)) || !reflect.DeepEqual(p["Endpoint"], get(function, "Arn")) ||
		!reflect.DeepEqual(p["FilterPolicy"], map[string]any{"severity": []any{map[string]any{"exists": true}}}) {
		t.Errorf("subscription: %v", p)
	}
	dead := at(subscription.Properties, "RedrivePolicy", "deadLetterTargetArn")
	queue := at(dead, "Fn::GetAtt").([]any)[0].(string)
	sends := false
	for _, policy := range tpl.of("AWS::SQS::QueuePolicy") {
		for _, s := range list(at(policy.Properties, "PolicyDocument", "Statement")) {
			sends = sends || reflect.DeepEqual(at(s, "Principal", "Service"), "sns.amazonaws.com") && reflect.DeepEqual(at(s, "Resource"), get(queue, "Arn")) &&
				reflect.DeepEqual(at(s, "Condition"), map[string]any{"ArnEquals": map[string]any{"aws:SourceArn": ref(topic)}})
		}
	}
	if !sends {
		t.Error("the topic may not leave alerts in the queue")
	}
	_, permission := tpl.named(t, "AWS::Lambda::Permission", "Principal", "sns.amazonaws.com")
	if p := permission.Properties; !reflect.DeepEqual(p["SourceArn"], ref(topic)) || !reflect.DeepEqual(p["FunctionName"], ref(function)) || p["SourceAccount"] == nil {
		t.Errorf("permission: %v", p)
	}
	if text := strings.ToLower(string(all(t)["default"].stack(t, "rootguard").text)); strings.Contains(text, "securityhub") {
		t.Error("there is something of Security Hub though it was not asked for")
	}
}

// TestSchedules holds that only functions that no rule calls have a schedule, and
// that the sweep's alarm expects three calls.
func TestSchedules(t *testing.T) {
	for scenario, want := range map[string][]string{"default": {"sweep"}, "quarantine": {"quarantine", "sweep"}} {
		tpl := all(t)[scenario].stack(t, "rootguard")
		var scheduled []string
		for id, f := range tpl.of("AWS::Lambda::Function") {
			for _, r := range tpl.of("AWS::Events::Rule") {
				for _, target := range list(r.Properties["Targets"]) {
					if r.Properties["ScheduleExpression"] == "rate(5 minutes)" && r.Properties["State"] == "ENABLED" && reflect.DeepEqual(at(target, "Arn"), get(id, "Arn")) {
						scheduled = append(scheduled, strings.TrimPrefix(f.Properties["FunctionName"].(string), "rootguard-"))
					}
				}
			}
		}
		slices.Sort(scheduled)
		if diff := cmp.Diff(want, scheduled); diff != "" {
			t.Errorf("%s: functions with a schedule (-want +got):\n%s", scenario, diff)
		}
	}
	_, silent := all(t)["default"].stack(t, "rootguard").named(t, "AWS::CloudWatch::Alarm", "AlarmName", "rootguard-sweep-silent")
	for _, m := range list(silent.Properties["Metrics"]) {
		if period := at(m, "MetricStat", "Period"); period != nil && period != 900.0 {
			t.Errorf("the sweep's alarm checks %v s, want three calls", period)
		}
	}
}

func TestTrail(t *testing.T) {
	tpl := all(t)["full"].stack(t, "rootguard")
	_, trail := tpl.named(t, "AWS::CloudTrail::Trail", "TrailName", "rootguard-trail")
	for property, want := range map[string]any{
		"IsLogging": true, "IsMultiRegionTrail": true, "IncludeGlobalServiceEvents": true, "EnableLogFileValidation": true, "IsOrganizationTrail": nil,
		"EventSelectors": []any{map[string]any{"IncludeManagementEvents": true, "ReadWriteType": "All"}},
	} {
		if diff := cmp.Diff(want, trail.Properties[property]); diff != "" {
			t.Errorf("%s (-want +got):\n%s", property, diff)
		}
	}
	if !slices.ContainsFunc(list(trail.DependsOn), func(v any) bool { return tpl.Resources[v.(string)].Type == "AWS::S3::BucketPolicy" }) {
		t.Error("the trail does not wait for the policy that lets it write")
	}
	trailARN := "arn:${AWS::Partition}:cloudtrail:${AWS::Region}:${AWS::AccountId}:trail/rootguard-trail"
	for scenario, paths := range map[string]int{"full": 1, "management": 2} {
		for _, policy := range all(t)[scenario].stack(t, "rootguard").of("AWS::S3::BucketPolicy") {
			all := statements(t, policy.Properties["PolicyDocument"])
			for _, sid := range []string{"TrailAsks", "TrailWrites"} {
				if s := all[sid]; at(s, "Principal", "Service") != "cloudtrail.amazonaws.com" || flatten(at(s, "Condition", "StringEquals", "aws:SourceArn")) != trailARN {
					t.Errorf("%s: another trail may use the bucket: %v", scenario, s)
				}
			}
			if n := len(list(at(all["TrailWrites"], "Resource"))); len(all) != 3 || n != paths {
				t.Errorf("%s: %d statements, and files go to %d paths, want 3 and %d", scenario, len(all), n, paths)
			}
		}
	}
	for _, bucket := range tpl.of("AWS::S3::Bucket") {
		rules := list(at(bucket.Properties, "LifecycleConfiguration", "Rules"))
		if len(rules) != 1 || at(rules[0], "ExpirationInDays") != 2557.0 || at(rules[0], "Status") != "Enabled" {
			t.Errorf("the log files are kept for ever, or not for long: %v", rules)
		}
		if bucket.DeletionPolicy != "Retain" || at(bucket.Properties, "VersioningConfiguration", "Status") != "Enabled" ||
			at(bucket.Properties, "PublicAccessBlockConfiguration", "BlockPublicAcls") != true || bucket.Properties["BucketEncryption"] == nil {
			t.Errorf("the bucket: %+v", bucket)
		}
	}
	_, whole := all(t)["management"].stack(t, "rootguard").named(t, "AWS::CloudTrail::Trail", "TrailName", "rootguard-trail")
	if whole.Properties["IsOrganizationTrail"] != true {
		t.Error("in the management account the trail is not the organization's")
	}
	if n := len(all(t)["default"].stack(t, "rootguard").of("AWS::CloudTrail::Trail")); n != 0 {
		t.Errorf("%d trails where none was asked for", n)
	}
}

// TestNames holds that every resource which a call can name begins with the
// prefix, or gets a name that begins with its stack's.
func TestNames(t *testing.T) {
	for scenario, set := range all(t) {
		prefix := "rootguard"
		if scenario == "govcloud" || scenario == "crowded" {
			prefix = "twenty-letters-long0"
		}
		for stack, tpl := range set {
			for id, r := range tpl.Resources {
				for _, property := range []string{"Name", "RoleName", "FunctionName", "QueueName", "TopicName", "TableName", "AlarmName", "TrailName", "LogGroupName", "StackSetName", "DashboardName"} {
					name, given := r.Properties[property].(string)
					if given && !strings.HasPrefix(name, prefix) {
						t.Errorf("%s/%s: %s is named %s", scenario, stack, id, name)
					}
					management := strings.HasPrefix(stack, "management")
					if !given && !management && !strings.HasPrefix(stack, prefix) {
						t.Errorf("%s/%s: the stack's name does not begin with %s", scenario, stack, prefix)
					}
				}
			}
		}
	}
}
