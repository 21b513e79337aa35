package stacks

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"

	"rootguard/internal/eventpattern"
	"rootguard/internal/eventrules"
)

// TestSecond holds that the second way out has the receivers of the first, no key,
// and a text in which nothing is a caller's to choose; and that only the guard's
// account has one, in one Region.
func TestSecond(t *testing.T) {
	for scenario, want := range map[string]struct {
		stack     string
		receivers []string
	}{
		"default":      {"rootguard-forward-us-east-2", []string{"email ops@example.com"}},
		"organization": {"rootguard-forward-eu-west-1", []string{"email ops@example.com"}},
		"full":         {"rootguard-forward-eu-west-1", []string{"email ciso@example.com", "email ops@example.com", "email second@example.com", "https https://example.com/hook"}},
		"management":   {},
	} {
		found := 0
		for name, tpl := range all(t)[scenario] {
			if name == "rootguard" || strings.HasSuffix(name, "-members") {
				continue
			}
			topics := tpl.of("AWS::SNS::Topic")
			if name != want.stack {
				if len(topics) > 0 {
					t.Errorf("%s/%s has a topic", scenario, name)
				}
				continue
			}
			found++
			topic, r := tpl.named(t, "AWS::SNS::Topic", "TopicName", "rootguard-second")
			if r.Properties["KmsMasterKeyId"] != nil {
				t.Errorf("%s: the topic has a key, so that one call more silences it", scenario)
			}
			var receivers []string
			for _, s := range tpl.of("AWS::SNS::Subscription") {
				if s.Properties["FilterPolicy"] != nil {
					t.Errorf("%s: what has no severity does not reach %v", scenario, s.Properties["Endpoint"])
				}
				receivers = append(receivers, fmt.Sprint(s.Properties["Protocol"], " ", s.Properties["Endpoint"]))
			}
			if slices.Sort(receivers); !slices.Equal(receivers, want.receivers) {
				t.Errorf("%s: receivers %v, want %v", scenario, receivers, want.receivers)
			}
			for id, r := range tpl.of("AWS::Events::Rule") {
				if !strings.HasPrefix(r.Properties["Name"].(string), "rootguard-second-guard-") {
					continue
				}
				targets := list(r.Properties["Targets"])
				if len(targets) != 1 || !reflect.DeepEqual(at(targets[0], "Arn"), ref(topic)) {
					t.Fatalf("%s: %s goes to %v", scenario, id, targets)
				}
				template := at(targets[0], "InputTransformer", "InputTemplate").(string)
				paths := at(targets[0], "InputTransformer", "InputPathsMap").(map[string]any)
				var text string
				word := "[CRITICAL] "
				if r.Properties["Name"] == "rootguard-second-guard-deployed" { // most often the operator's own doing
					word = "[NOTE] "
				}
				if err := json.Unmarshal([]byte(template), &text); err != nil || !strings.HasPrefix(text, word) || strings.Count(text, "<") != len(paths) {
					t.Errorf("%s: %s says %s: %v", scenario, id, template, err)
				}
				for name, path := range paths {
					harmless := []string{"$.account", "$.region", "$.time", "$.detail.eventID", "$.detail.eventName", "$.detail.eventSource",
						"$.detail.sourceIPAddress", "$.detail.userIdentity.accessKeyId", "$.detail.userIdentity.type"}
					if !strings.Contains(text, "<"+name+">") || !slices.Contains(harmless, path.(string)) {
						t.Errorf("%s: %s says %s, which a caller may choose, or has it for nothing", scenario, id, path)
					}
				}
			}
		}
		if (found == 1) != (want.stack != "") {
			t.Errorf("%s: %d Regions with a second way out", scenario, found)
		}
	}
}

// region is where the stack of a scenario is deployed, by its name; "" of what is
// for another account.
func region(stack string) string {
	switch {
	case stack == "rootguard":
		return "us-east-1"
	case strings.HasPrefix(stack, "rootguard-forward-"):
		return strings.TrimPrefix(stack, "rootguard-forward-")
	default:
		return ""
	}
}

// world is EventBridge in the Regions of one account, as a scenario has it deployed.
type world struct {
	t        *testing.T
	rules    map[string]map[string]*resource             // by Region and name
	patterns map[string]map[string]*eventpattern.Pattern // as above, but of schedules
	types    map[string]map[string]string                // of resources, by Region and logical ID
}

const worldAccount = "123456789012"

// deployed is a pattern as CloudFormation deploys it, with an account and a key.
func deployed(t *testing.T, pattern any) []byte {
	t.Helper()
	text, err := json.Marshal(pattern)
	if err != nil {
		t.Fatal(err)
	}
	text = bytes.ReplaceAll(text, []byte(`{"Ref":"AWS::AccountId"}`), []byte(`"`+worldAccount+`"`))
	return attribute.ReplaceAll(text, []byte(`"`+worldKey+`"`))
}

var attribute = regexp.MustCompile(`{"Fn::GetAtt":\["Key[0-9A-F]*","Arn"\]}`)

const worldKey = "arn:aws:kms:us-east-1:123456789012:key/k-1"

func newWorld(t *testing.T, scenario string) *world {
	t.Helper()
	w := &world{t: t, rules: map[string]map[string]*resource{}, patterns: map[string]map[string]*eventpattern.Pattern{}, types: map[string]map[string]string{}}
	for stack, tpl := range all(t)[scenario] {
		in := region(stack)
		if in == "" {
			continue
		}
		w.rules[in], w.types[in], w.patterns[in] = map[string]*resource{}, map[string]string{}, map[string]*eventpattern.Pattern{}
		for id, r := range tpl.Resources {
			w.types[in][id] = r.Type
		}
		for _, r := range tpl.of("AWS::Events::Rule") {
			name := r.Properties["Name"].(string)
			w.rules[in][name] = r
			if r.Properties["EventPattern"] == nil {
				continue
			}
			var err error
			if w.patterns[in][name], err = eventpattern.Compile(deployed(t, r.Properties["EventPattern"])); err != nil {
				t.Fatalf("%s: %v", name, err)
			}
		}
	}
	return w
}

// reached are the types of what an event reaches that is put on the bus of a Region,
// and of what it cannot: an event is sent on to another bus once, and the second
// time is a failure of delivery. without says which rules are not there.
func (w *world) reached(in, event string, without func(region, rule string) bool) (reached, failed []string) {
	return w.put(in, event, false, without)
}

func (w *world) put(in, event string, sent bool, without func(region, rule string) bool) (reached, failed []string) {
	w.t.Helper()
	for _, name := range slices.Sorted(maps.Keys(w.rules[in])) {
		r := w.rules[in][name]
		pattern := w.patterns[in][name]
		if pattern == nil || without(in, name) {
			continue
		}
		match, err := pattern.Match([]byte(event))
		if err != nil {
			w.t.Fatalf("%s: %v", name, err)
		}
		if !match {
			continue
		}
		for _, target := range list(r.Properties["Targets"]) {
			arn := at(target, "Arn")
			bus, isBus := strings.CutSuffix(flatten(arn), ":${AWS::AccountId}:event-bus/default")
			switch {
			case isBus && sent:
				failed = append(failed, in+" "+name)
			case isBus:
				r, f := w.put(bus[strings.LastIndex(bus, ":")+1:], event, true, without)
				reached, failed = append(reached, r...), append(failed, f...)
			default:
				id, _, _ := strings.Cut(strings.Trim(flatten(arn), "${}"), ".")
				reached = append(reached, in+" "+w.types[in][id])
			}
		}
	}
	return reached, failed
}

func onRule(in, call, rule string) string {
	return fmt.Sprintf(`{"source": "aws.events", "detail-type": "AWS API Call via CloudTrail", "account": %q, "region": %q, "detail": {"eventSource": "events.amazonaws.com",
		"eventName": %q, "awsRegion": %q, "sourceIPAddress": "192.0.2.1", "userIdentity": {"type": "IAMUser", "userName": "eve"}, "requestParameters": {"name": %q, "rule": %q}}}`, worldAccount, in, call, in, rule, rule)
}

// TestEveryRuleIsWatched holds that no rule can be taken away unseen: a caller who
// disables one is reported by a way that does without it. Without any rule of the
// home Region, and so without the second way out, nothing is (a near-miss).
func TestEveryRuleIsWatched(t *testing.T) {
	for _, scenario := range []string{"default", "organization", "full", "quarantine"} {
		w := newWorld(t, scenario)
		for in, rules := range w.rules {
			for name := range rules {
				for call, parameter := range map[string]string{"DisableRule": "name", "DeleteRule": "name", "RemoveTargets": "rule"} {
					event := strings.Replace(onRule(in, call, name), map[string]string{"name": `, "rule": "` + name + `"`, "rule": `"name": "` + name + `", `}[parameter], "", 1)
					reached, failed := w.reached(in, event, func(region, rule string) bool { return region == in && rule == name })
					if !slices.ContainsFunc(reached, func(s string) bool {
						return strings.HasSuffix(s, "SNS::Topic") || strings.HasSuffix(s, "Lambda::Function")
					}) {
						t.Errorf("%s: no one hears of %s on %s in %s", scenario, call, name, in)
					}
					if len(failed) > 0 {
						t.Errorf("%s: %s on %s in %s is sent on twice, which fails: %v", scenario, call, name, in, failed)
					}
				}
			}
		}
		if reached, _ := w.reached("us-east-1", onRule("us-east-1", "DisableRule", "rootguard-root-sign-in"), func(in, _ string) bool { return in == "us-east-1" }); len(reached) > 0 {
			t.Errorf("%s: with no rule at home, an event of there reaches %v", scenario, reached)
		}
	}
}

// TestSecondWay holds that what is done to the guard leaves by two topics in two
// Regions, whichever of the two it is done in, and also where no function is left.
func TestSecondWay(t *testing.T) {
	for scenario, second := range map[string]string{"default": "us-east-2", "organization": "eu-west-1", "full": "eu-west-1"} {
		w := newWorld(t, scenario)
		for _, in := range []string{"us-east-1", second} {
			event := fmt.Sprintf(`{"source": "aws.lambda", "detail-type": "AWS API Call via CloudTrail", "account": %q, "region": %q, "detail": {"eventSource": "lambda.amazonaws.com",
				"eventName": "DeleteFunction20150331", "sourceIPAddress": "192.0.2.1", "userIdentity": {"type": "IAMUser"}, "requestParameters": {"functionName": "rootguard-rootactivity"}}}`, worldAccount, in)
			reached, failed := w.reached(in, event, func(string, string) bool { return false })
			for _, topic := range []string{"us-east-1 AWS::SNS::Topic", second + " AWS::SNS::Topic"} {
				if !slices.Contains(reached, topic) {
					t.Errorf("%s: what is done in %s does not reach %s: %v", scenario, in, topic, reached)
				}
			}
			if len(failed) > 0 {
				t.Errorf("%s: sent on twice, which fails: %v", scenario, failed)
			}
		}
		if scenario == "full" { // which has a key
			event := fmt.Sprintf(`{"source": "aws.kms", "detail-type": "AWS API Call via CloudTrail", "account": %q, "region": "us-east-1", "detail": {"eventSource": "kms.amazonaws.com",
				"eventName": "DisableKey", "sourceIPAddress": "192.0.2.1", "userIdentity": {"type": "IAMUser"}, "resources": [{"ARN": %q}]}}`, worldAccount, worldKey)
			if reached, _ := w.reached("us-east-1", event, func(string, string) bool { return false }); !slices.Contains(reached, second+" AWS::SNS::Topic") {
				t.Errorf("that the key is disabled reaches %v", reached)
			}
			other := strings.Replace(event, worldKey, worldKey+"0", 1)
			if reached, _ := w.reached("us-east-1", other, func(string, string) bool { return false }); slices.Contains(reached, second+" AWS::SNS::Topic") {
				t.Errorf("that another key is disabled reaches %v", reached)
			}
		}
		// Another account's is reported at home, and is no failure of delivery.
		member := strings.Replace(onRule("us-east-1", "DisableRule", "rootguard-forward-user-change"), worldAccount, "444455556666", 1)
		reached, failed := w.put("us-east-1", member, true, func(string, string) bool { return false })
		if len(failed) > 0 || !slices.Contains(reached, "us-east-1 AWS::Lambda::Function") {
			t.Errorf("%s: what a member sent reaches %v and fails at %v", scenario, reached, failed)
		}
	}
}

// TestHeartbeatArrives holds that the event that the guard puts on the bus reaches
// what the alarm in the second Region counts, and nothing else: least of all a
// function.
func TestHeartbeatArrives(t *testing.T) {
	event := fmt.Sprintf(`{"source": %q, "detail-type": %q, "account": %q, "region": "us-east-1", "detail": {"prefix": "rootguard"}}`,
		eventrules.HeartbeatSource, eventrules.HeartbeatDetailType, worldAccount)
	for scenario, second := range map[string]string{"default": "us-east-2", "full": "eu-west-1", "management": "us-east-1"} {
		w := newWorld(t, scenario)
		reached, failed := w.reached("us-east-1", event, func(string, string) bool { return false })
		if !slices.Equal(reached, []string{second + " AWS::SQS::Queue"}) || len(failed) > 0 {
			t.Errorf("%s: it reaches %v, and fails at %v", scenario, reached, failed)
		}
		stack, alarm, rule := "rootguard", "rootguard-heartbeat", "rootguard-heartbeat"
		if second != "us-east-1" {
			stack, alarm, rule = "rootguard-forward-"+second, "rootguard-second-heartbeat", "rootguard-second-heartbeat"
		}
		tpl := all(t)[scenario].stack(t, stack)
		id, _ := tpl.named(t, "AWS::Events::Rule", "Name", rule)
		_, a := tpl.named(t, "AWS::CloudWatch::Alarm", "AlarmName", alarm)
		if p := a.Properties; p["Namespace"] != "AWS/Events" || p["MetricName"] != "Invocations" || p["Statistic"] != "Sum" || p["Period"] != 900.0 ||
			!reflect.DeepEqual(p["Dimensions"], []any{map[string]any{"Name": "RuleName", "Value": ref(id)}}) {
			t.Errorf("%s: the alarm counts %v", scenario, p)
		}
	}
}

// TestNobodyCallsFunctions holds that a caller who may put events on the bus, as many
// roles may, can call no function by it: a new account runs ten at a time in all,
// and root's events would wait. PutEvents refuses sources that begin with "aws."
// (Amazon EventBridge API Reference, PutEventsRequestEntry).
func TestNobodyCallsFunctions(t *testing.T) {
	rules := 0
	for where, tpl := range templates(t) {
		for id, r := range tpl.of("AWS::Events::Rule") {
			calls := slices.ContainsFunc(list(r.Properties["Targets"]), func(target any) bool {
				of, _, _ := strings.Cut(strings.Trim(flatten(at(target, "Arn")), "${}"), ".")
				return tpl.Resources[of] != nil && tpl.Resources[of].Type == "AWS::Lambda::Function"
			})
			if !calls || r.Properties["ScheduleExpression"] != nil {
				continue
			}
			rules++
			sources := list(at(r.Properties["EventPattern"], "source"))
			if len(sources) == 0 {
				t.Errorf("%s: %s takes events of every source", where, id)
			}
			for _, s := range sources {
				text, plain := s.(string)
				if !plain {
					text, _ = at(s, "prefix").(string)
				}
				if !strings.HasPrefix(text, "aws.") {
					t.Errorf("%s: %s takes events of the source %v, which anybody may put", where, id, s)
				}
			}
		}
	}
	if rules < 13*len(scenarios) {
		t.Errorf("found only %d rules that call functions", rules)
	}
}
