package stacks

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"rootguard/internal/config"
	"rootguard/internal/eventpattern"
	"rootguard/internal/eventrules"
)

// TestHeartbeats holds that recorded heartbeats reach both functions, and of this
// account alone.
func TestHeartbeats(t *testing.T) {
	tpl := all(t)["default"].stack(t, "rootguard")
	for _, probe := range eventrules.Heartbeats("rootguard", "ACCOUNT") {
		id, r := tpl.named(t, "AWS::Events::Rule", "Name", "rootguard-"+probe.Name)
		text, err := json.Marshal(r.Properties["EventPattern"])
		if err != nil {
			t.Fatal(err)
		}
		if got := strings.ReplaceAll(string(text), `{"Ref":"AWS::AccountId"}`, `"ACCOUNT"`); !eventpattern.Same(got, probe.Pattern) {
			t.Errorf("%s has the pattern %s, want %s", probe.Name, got, probe.Pattern)
		}
		function, _ := tpl.named(t, "AWS::Lambda::Function", "FunctionName", "rootguard-"+probe.Function)
		if to := list(r.Properties["Targets"]); len(to) != 1 || !reflect.DeepEqual(at(to[0], "Arn"), get(function, "Arn")) {
			t.Errorf("%s goes to %v", probe.Name, to)
		}
		tpl.named(t, "AWS::Lambda::Permission", "SourceArn", get(id, "Arn"))
	}
	for name, tpl := range templates(t) {
		if strings.Contains(name, "forward") {
			for id, r := range tpl.of("AWS::Events::Rule") {
				if strings.Contains(fmt.Sprint(r.Properties["EventPattern"]), eventrules.HeartbeatTag) {
					t.Errorf("%s: %s forwards heartbeats", name, id)
				}
			}
		}
	}
}

// TestChecking writes out what the sweep may do besides, to check the guard.
func TestChecking(t *testing.T) {
	others, sweeps := allowedTo(t, "iamuser", "default"), allowedTo(t, "sweep", "default")
	extra := map[string]string{}
	for action, where := range sweeps {
		if provesBy(action) {
			extra[action] = where
		}
		// A permission set's policies are read when a person signs in by it.
		if where := others[action]; provesBy(action) && where != "" && !strings.HasSuffix(where, ":role/aws-reserved/sso.amazonaws.com/*") {
			t.Errorf("another function may call %s on %s", action, where)
		}
	}
	function := "arn:${AWS::Partition}:lambda:${AWS::Region}:${AWS::AccountId}:function:rootguard-"
	functions := function + "iamuser, " + function + "rootactivity, " + function + "sweep"
	const trails = "arn:${AWS::Partition}:cloudtrail:*:*:trail/*" // an organization's is another account's
	const rules = "arn:${AWS::Partition}:events:${AWS::Region}:${AWS::AccountId}:rule/rootguard-*, arn:${AWS::Partition}:events:*:${AWS::AccountId}:rule/rootguard-forward-*, arn:${AWS::Partition}:events:us-east-2:${AWS::AccountId}:rule/rootguard-second-*"
	const second = "arn:${AWS::Partition}:sns:us-east-2:${AWS::AccountId}:rootguard-second"
	const queues = "arn:${AWS::Partition}:sqs:*:${AWS::AccountId}:rootguard-forward-undelivered"
	const of = "arn:${AWS::Partition}:iam::${AWS::AccountId}:role/rootguard-"
	const roles = of + "iamuser, " + of + "rootactivity, " + of + "sweep"
	if diff := cmp.Diff(map[string]string{
		"account:ListRegions":                 "*",
		"cloudwatch:DescribeAlarms":           "arn:${AWS::Partition}:cloudwatch:${AWS::Region}:${AWS::AccountId}:alarm:*",
		"cloudwatch:GetAlarmMuteRule":         "arn:${AWS::Partition}:cloudwatch:${AWS::Region}:${AWS::AccountId}:alarm-mute-rule:*",
		"cloudwatch:GetMetricData":            "*",
		"cloudwatch:ListAlarmMuteRules":       "*",
		"dynamodb:GetResourcePolicy":          "AWS::DynamoDB::Table",
		"events:DescribeEventBus":             "arn:${AWS::Partition}:events:*:${AWS::AccountId}:event-bus/default",
		"iam:GetRole":                         roles,
		"iam:GetRolePolicy":                   roles,
		"iam:ListAttachedRolePolicies":        roles,
		"iam:ListRolePolicies":                roles,
		"lambda:GetRuntimeManagementConfig":   functions,
		"sns:GetDataProtectionPolicy":         "arn:${AWS::Partition}:sns:us-east-2:${AWS::AccountId}:rootguard-second, AWS::SNS::Topic",
		"sns:GetSubscriptionAttributes":       "*",
		"cloudtrail:DescribeTrails":           "*",
		"cloudtrail:GetEventSelectors":        trails,
		"cloudtrail:GetTrailStatus":           trails,
		"dynamodb:DescribeContinuousBackups":  "AWS::DynamoDB::Table",
		"dynamodb:DescribeTable":              "AWS::DynamoDB::Table",
		"dynamodb:DescribeTimeToLive":         "AWS::DynamoDB::Table",
		"events:ListRules":                    "*",
		"events:ListTargetsByRule":            rules,
		"events:PutEvents":                    "arn:${AWS::Partition}:events:${AWS::Region}:${AWS::AccountId}:event-bus/default",
		"iam:TagRole":                         "arn:${AWS::Partition}:iam::${AWS::AccountId}:role/rootguard-sweep",
		"lambda:GetFunctionConcurrency":       functions,
		"lambda:GetFunctionConfiguration":     functions,
		"lambda:GetFunctionEventInvokeConfig": functions,
		"lambda:GetPolicy":                    functions,
		"sns:GetTopicAttributes":              second + ", AWS::SNS::Topic",
		"sns:ListSubscriptionsByTopic":        second + ", AWS::SNS::Topic",
		"sqs:GetQueueAttributes":              "AWS::SQS::Queue, AWS::SQS::Queue, " + queues,
		"sqs:GetQueueUrl":                     queues,
		"sqs:ReceiveMessage":                  "AWS::SQS::Queue, AWS::SQS::Queue",
	}, extra); diff != "" {
		t.Errorf("the sweep (-want +got):\n%s", diff)
	}
	tpl := all(t)["default"].stack(t, "rootguard")
	conditioned, tagged := false, false
	sweep, _ := tpl.named(t, "AWS::Lambda::Function", "FunctionName", "rootguard-sweep")
	role := at(tpl.Resources[sweep].Properties, "Role", "Fn::GetAtt").([]any)[0].(string)
	for _, p := range tpl.of("AWS::IAM::Policy") {
		for _, s := range list(at(p.Properties, "PolicyDocument", "Statement")) {
			if !reflect.DeepEqual(p.Properties["Roles"], []any{ref(role)}) {
				continue
			}
			if at(s, "Action") == "iam:TagRole" {
				tagged = reflect.DeepEqual(at(s, "Condition"), map[string]any{
					"ForAllValues:StringEquals": map[string]any{"aws:TagKeys": []any{eventrules.HeartbeatTag}},
					"Null":                      map[string]any{"aws:TagKeys": "false"},
				})
			}
			if at(s, "Action") == "events:PutEvents" {
				conditioned = reflect.DeepEqual(at(s, "Condition"), map[string]any{"StringEquals": map[string]any{
					"events:source": eventrules.HeartbeatSource, "events:detail-type": eventrules.HeartbeatDetailType}})
			}
		}
	}
	if !conditioned {
		t.Error("the sweep may put other events than heartbeats")
	}
	if !tagged {
		t.Error("the sweep may put other tags on its role than heartbeats")
	}
	if name := tpl.Resources[role].Properties["RoleName"]; name != eventrules.SweepRole("rootguard") {
		t.Errorf("the role of the sweep is %v, which is not the one that it may tag", name)
	}
}

// provesBy reports whether an action is for looking after the guard.
func provesBy(action string) bool {
	for _, prefix := range []string{"account:", "cloudtrail:", "cloudwatch:", "dynamodb:Describe", "dynamodb:GetResourcePolicy", "iam:GetRole",
		"iam:ListAttachedRole", "iam:ListRole", "events:", "iam:Tag", "kms:Describe", "lambda:", "sns:Get", "sns:List",
		"sqs:Get", "sqs:Receive"} {
		if strings.HasPrefix(action, prefix) {
			return true
		}
	}
	return false
}

// withoutProving leaves out what TestProving is about.
func withoutProving(allowed map[string]string) map[string]string {
	maps.DeleteFunc(allowed, func(action, _ string) bool { return provesBy(action) })
	return allowed
}

// allowedTo is where a function may do what.
func allowedTo(t *testing.T, name, scenario string) map[string]string {
	t.Helper()
	tpl := all(t)[scenario].stack(t, "rootguard")
	out := map[string]string{}
	function, _ := tpl.named(t, "AWS::Lambda::Function", "FunctionName", "rootguard-"+name)
	role := at(tpl.Resources[function].Properties, "Role", "Fn::GetAtt").([]any)[0].(string)
	if tpl.Resources[role].Properties["ManagedPolicyArns"] != nil {
		t.Errorf("the role has managed policies: %v", tpl.Resources[role].Properties["ManagedPolicyArns"])
	}
	_, policy := tpl.named(t, "AWS::IAM::Policy", "Roles", []any{ref(role)})
	for _, statement := range list(at(policy.Properties, "PolicyDocument", "Statement")) {
		for _, action := range list(at(statement, "Action")) {
			for _, resource := range list(at(statement, "Resource")) {
				where := flatten(resource)
				if id, _, ok := strings.Cut(strings.TrimPrefix(where, "${"), "}"); ok {
					if r := tpl.Resources[strings.TrimSuffix(id, ".Arn")]; r != nil {
						where = r.Type + strings.TrimPrefix(where, "${"+id+"}")
					}
				}
				key := action.(string)
				out[key] = strings.TrimPrefix(out[key]+", "+where, ", ")
			}
		}
	}
	return out
}

// routeOf holds that a filter by account is noted, and no other.
func routeOf(t *testing.T, d *config.Deployed, subscription *resource) {
	t.Helper()
	filter, err := json.Marshal(subscription.Properties["FilterPolicy"])
	if err != nil {
		t.Fatal(err)
	}
	want := ""
	by := func(attribute string) bool { return at(subscription.Properties, "FilterPolicy", attribute) != nil }
	if by(config.AttributeAccount) || by(config.AttributeRoute) {
		want = config.FilterID(string(filter))
	}
	protocol, endpoint := subscription.Properties["Protocol"].(string), subscription.Properties["Endpoint"].(string)
	if got := d.Receivers.Routes[config.ReceiverID(protocol, endpoint)]; got != want {
		t.Errorf("the filter of %s %s is noted as %q, want %q: %s", protocol, endpoint, got, want, filter)
	}
}

// TestNote holds that the sweep gets what was deployed: the hash of each
// function's archive, every alarm, and every receiver.
func TestNote(t *testing.T) {
	for scenario, set := range all(t) {
		if set["rootguard"] == nil {
			continue // it has another prefix
		}
		tpl := set.stack(t, "rootguard")
		_, sweep := tpl.named(t, "AWS::Lambda::Function", "FunctionName", "rootguard-sweep")
		text := flatten(at(sweep.Properties, "Environment", "Variables", config.EnvDeployed))
		var d config.Deployed
		if err := json.Unmarshal([]byte(text), &d); err != nil {
			t.Fatalf("%s: %v: %s", scenario, err, text)
		}
		var alarms, receivers []string
		for _, r := range tpl.of("AWS::CloudWatch::Alarm") {
			alarms = append(alarms, strings.TrimPrefix(r.Properties["AlarmName"].(string), "rootguard-"))
		}
		sms := false
		for _, r := range tpl.of("AWS::SNS::Subscription") {
			if protocol := r.Properties["Protocol"].(string); protocol != "lambda" {
				receivers = append(receivers, config.ReceiverID(protocol, r.Properties["Endpoint"].(string)))
				sms = sms || protocol == "sms"
				routeOf(t, &d, r)
			}
		}
		noted := slices.Concat(d.Receivers.Alerts, d.Receivers.Escalation)
		for _, list := range [][]string{alarms, receivers, noted, d.Alarms} {
			slices.Sort(list)
		}
		if !slices.Equal(alarms, d.Alarms) || !slices.Equal(receivers, noted) || d.SMS != sms {
			t.Errorf("%s: noted %+v; the template has the alarms %v and the receivers %v, text messages %v", scenario, d, alarms, receivers, sms)
		}
		functions := 0
		for _, r := range tpl.of("AWS::Lambda::Function") {
			name, ours := strings.CutPrefix(fmt.Sprint(r.Properties["FunctionName"]), "rootguard-")
			if !ours || name == SecurityHub {
				continue
			}
			functions++
			sum := sha256.Sum256([]byte("an archive of " + name)) // as the test's archives are
			if want := base64.StdEncoding.EncodeToString(sum[:]); d.Code[name] != want {
				t.Errorf("%s: the hash of %s is %q, want %q", scenario, name, d.Code[name], want)
			}
		}
		for region, tpl := range set {
			if !strings.HasPrefix(region, "rootguard-forward-") {
				continue
			}
			var there []string
			for _, r := range tpl.of("AWS::SNS::Subscription") {
				there = append(there, config.ReceiverID(r.Properties["Protocol"].(string), r.Properties["Endpoint"].(string)))
			}
			slices.Sort(there)
			slices.Sort(d.Receivers.Second)
			if len(there) > 0 && !slices.Equal(there, d.Receivers.Second) {
				t.Errorf("%s: the receivers %v are noted of the second Region; %s has %v", scenario, d.Receivers.Second, region, there)
			}
		}
		if functions != len(d.Code) {
			t.Errorf("%s: %d functions, and the hashes of %d", scenario, functions, len(d.Code))
		}
		if len(text) > 1500 {
			t.Errorf("%s: it fills %d bytes of a function's environment", scenario, len(text))
		}
	}
}
