package stacks

import (
	"encoding/json"
	"maps"
	"reflect"
	"slices"
	"strings"
	"testing"

	"rootguard/internal/eventrules"
	"rootguard/internal/partition"
)

func TestForwarder(t *testing.T) {
	for scenario, want := range map[string]struct {
		prefix, region, bus string
		second              bool
	}{
		"default":      {"rootguard", "eu-north-1", "arn:${AWS::Partition}:events:us-east-1:${AWS::AccountId}:event-bus/default", false},
		"organization": {"rootguard", "eu-west-1", "arn:${AWS::Partition}:events:us-east-1:${AWS::AccountId}:event-bus/default", true},
		"govcloud":     {"twenty-letters-long0", "us-gov-east-1", "arn:${AWS::Partition}:events:us-gov-west-1:${AWS::AccountId}:event-bus/default", true},
	} {
		t.Run(scenario, func(t *testing.T) {
			tpl := all(t)[scenario].stack(t, want.prefix+"-forward-"+want.region)
			rules := mustRules(t, want.prefix)
			if want.second {
				_, rest, _ := strings.Cut(want.bus, ":events:")
				home, _, _ := strings.Cut(rest, ":")
				for i := range rules {
					rules[i] = eventrules.Elsewhere(rules[i], home)
				}
			}
			checkForwarder(t, tpl, want.prefix, want.bus, rules)
			for _, of := range []string{"AWS::CloudWatch::Alarm", "AWS::SNS::Topic"} {
				if n := len(tpl.of(of)); (n > 0) != want.second {
					t.Errorf("%d of %s, which cost or need to be confirmed", n, of)
				}
			}
		})
	}
}

func checkForwarder(t *testing.T, tpl *template, prefix, bus string, rules []eventrules.Rule) {
	t.Helper()
	roles := 0
	for id, role := range tpl.of("AWS::IAM::Role") {
		if at(role.Properties, "AssumeRolePolicyDocument", "Statement").([]any)[0].(map[string]any)["Principal"].(map[string]any)["Service"] != "events.amazonaws.com" {
			continue
		}
		roles++
		if got := flatten(role.Properties["RoleName"]); got != prefix+"-forward-${AWS::Region}" {
			t.Errorf("the role is named %s", got)
		}
		_, policy := tpl.named(t, "AWS::IAM::Policy", "Roles", []any{ref(id)})
		all := list(at(policy.Properties, "PolicyDocument", "Statement"))
		if len(all) != 1 || at(all[0], "Action") != "events:PutEvents" || flatten(at(all[0], "Resource")) != bus {
			t.Errorf("the role may do %v", all)
		}
		for _, rule := range rules {
			target := checkRule(t, tpl, prefix+"-forward-"+rule.Name, rule)
			if flatten(target["Arn"]) != bus || !reflect.DeepEqual(target["RoleArn"], get(id, "Arn")) {
				t.Errorf("%s sends to %v as %v", rule.Name, target["Arn"], target["RoleArn"])
			}
		}
	}
	if roles != 1 {
		t.Errorf("%d roles for EventBridge", roles)
	}
	if n := len(tpl.of("AWS::Lambda::Function")); n != 0 {
		t.Errorf("%d functions", n)
	}
}

// TestRegions holds which stacks there are, and that the guard's own Region has
// no forwarder: its rules would send the bus its own events without end.
func TestRegions(t *testing.T) {
	commercial, _ := partition.Of("aws")
	everywhere := []string{"rootguard"}
	for _, region := range commercial.Further() {
		everywhere = append(everywhere, "rootguard-forward-"+region)
	}
	for scenario, want := range map[string][]string{
		"default":    everywhere,
		"full":       {"rootguard", "rootguard-forward-eu-west-1"},
		"management": {"rootguard", "rootguard-members"},
		"govcloud":   {"twenty-letters-long0", "twenty-letters-long0-forward-us-gov-east-1", "twenty-letters-long0-members"},
	} {
		var got []string
		for name := range all(t)[scenario] {
			if !strings.HasPrefix(name, "management") {
				got = append(got, name)
			}
		}
		if slices.Sort(got); !slices.Equal(got, want) {
			t.Errorf("%s has the stacks %v, want %v", scenario, got, want)
		}
	}
}

// TestForwardersAlike holds that one golden template is every Region's, but that of
// the second way out.
func TestForwardersAlike(t *testing.T) {
	set := all(t)["default"]
	want := set.stack(t, "rootguard-forward-eu-north-1")
	for name, tpl := range set {
		region, ok := strings.CutPrefix(name, "rootguard-forward-")
		if ok && region != "us-east-2" && strings.ReplaceAll(string(tpl.text), region, "eu-north-1") != string(want.text) {
			t.Errorf("%s differs from that of eu-north-1 by more than the Region", name)
		}
	}
}

func TestBusPolicy(t *testing.T) {
	for scenario, set := range all(t) {
		for name, tpl := range set {
			policies := tpl.of("AWS::Events::EventBusPolicy")
			hub := name == "rootguard" || name == "twenty-letters-long0"
			if wanted := hub && slices.Contains([]string{"organization", "management", "govcloud", "quarantine-organization", "quarantine-dry-run", "routed"}, scenario); (len(policies) == 1) != wanted {
				t.Errorf("%s/%s has %d policies of the event bus", scenario, name, len(policies))
			}
			for id, p := range policies {
				s := p.Properties["Statement"]
				prefix := "rootguard"
				if scenario == "govcloud" {
					prefix = "twenty-letters-long0"
				}
				if flatten(at(s, "Condition", "ArnLike", "aws:PrincipalArn")) != "arn:${AWS::Partition}:iam::*:role/"+prefix+"-forward-*" {
					t.Errorf("%s: more than forwarders may send events: %v", id, s)
				}
				if at(s, "Condition", "StringEquals", "aws:PrincipalOrgID") != "o-a1b2c3d4e5" || at(s, "Action") != "events:PutEvents" ||
					flatten(at(s, "Resource")) != "arn:${AWS::Partition}:events:${AWS::Region}:${AWS::AccountId}:event-bus/default" {
					t.Errorf("%s: %v", id, s)
				}
			}
		}
	}
}

func TestMembers(t *testing.T) {
	set := all(t)["organization"]
	_, stackSet := set.stack(t, "rootguard-members").named(t, "AWS::CloudFormation::StackSet", "StackSetName", "rootguard-members")
	p := stackSet.Properties
	if p["PermissionModel"] != "SERVICE_MANAGED" || p["CallAs"] != "DELEGATED_ADMIN" || at(p, "AutoDeployment", "Enabled") != true {
		t.Errorf("the stack set: %v %v %v", p["PermissionModel"], p["CallAs"], p["AutoDeployment"])
	}
	if of := p["OperationPreferences"]; at(of, "FailureTolerancePercentage") != 10.0 || at(of, "ConcurrencyMode") != "SOFT_FAILURE_TOLERANCE" {
		t.Errorf("how many accounts may fail unseen: %v", of)
	}
	instances := list(p["StackInstancesGroup"])
	if len(instances) != 1 || !reflect.DeepEqual(at(instances[0], "Regions"), []any{"us-east-1", "eu-west-1"}) ||
		!reflect.DeepEqual(at(instances[0], "DeploymentTargets", "OrganizationalUnitIds"), []any{"r-abcd"}) {
		t.Errorf("it is deployed to %v", instances)
	}
	tpl, err := parse([]byte(p["TemplateBody"].(string)))
	if err != nil {
		t.Fatal(err)
	}
	checkMember(t, tpl)

	managed := slices.Sorted(maps.Keys(set))
	n := 0
	for _, name := range managed {
		if strings.HasPrefix(name, "management") {
			n++
			checkMember(t, set[name])
		}
	}
	if n != 2 {
		t.Errorf("%d stacks for the management account, want one a Region", n)
	}

	_, own := all(t)["management"].stack(t, "rootguard-members").named(t, "AWS::CloudFormation::StackSet", "StackSetName", "rootguard-members")
	if own.Properties["CallAs"] != "SELF" {
		t.Errorf("from the management account the stack set is made as %v", own.Properties["CallAs"])
	}
}

// checkMember holds that a member's events go to the hub in one hop, and that
// the hub's own account gets nothing of it.
func checkMember(t *testing.T, tpl *template) {
	t.Helper()
	checkForwarder(t, tpl, "rootguard", "arn:${AWS::Partition}:events:us-east-1:222222222222:event-bus/default", mustRules(t, "rootguard"))
	notHub := map[string]any{"Fn::Not": []any{map[string]any{"Fn::Equals": []any{ref("AWS::AccountId"), "222222222222"}}}}
	if !reflect.DeepEqual(tpl.Conditions["NotTheGuardsAccount"], notHub) {
		t.Errorf("the condition is %v", tpl.Conditions["NotTheGuardsAccount"])
	}
	for id, r := range tpl.Resources {
		switch {
		case r.Type == "AWS::CloudFormation::WaitConditionHandle":
		case r.Properties["RoleName"] == "rootguard-member":
			once, err := json.Marshal(tpl.Conditions[r.Condition])
			if err != nil {
				t.Fatal(err)
			}
			if want := `{"Fn::And":[{"Condition":"NotTheGuardsAccount"},{"Fn::Equals":[{"Ref":"AWS::Region"},"us-east-1"]}]}`; string(once) != want {
				t.Errorf("%s is made where %s", id, once)
			}
			role := "arn:${AWS::Partition}:iam::222222222222:role/rootguard-"
			var askers []string
			trust := at(r.Properties, "AssumeRolePolicyDocument", "Statement").([]any)[0]
			for _, arn := range list(at(trust, "Condition", "ArnEquals", "aws:PrincipalArn")) {
				askers = append(askers, flatten(arn))
			}
			if flatten(at(trust, "Principal", "AWS")) != "arn:${AWS::Partition}:iam::222222222222:root" ||
				at(trust, "Condition", "StringEquals", "aws:PrincipalOrgID") != "o-a1b2c3d4e5" ||
				!slices.Equal(askers, []string{role + "iamuser", role + "rootactivity", role + "sweep"}) {
				t.Errorf("%s can be assumed by %v", id, trust)
			}
		case r.Condition != "NotTheGuardsAccount":
			t.Errorf("%s is made in the guard's own account too", id)
		}
	}
	tpl.named(t, "AWS::IAM::Role", "RoleName", "rootguard-member")
}
