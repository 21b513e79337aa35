package stacks

import (
	"reflect"
	"slices"
	"strings"
	"testing"

	"rootguard/internal/eventrules"

	"github.com/google/go-cmp/cmp"
)

// writesIAM are the actions on IAM of a statement that change something. A
// credential report is a copy of what there is.
func writesIAM(statement map[string]any) []string {
	var writes []string
	for _, action := range list(statement["Action"]) {
		name, isIAM := strings.CutPrefix(action.(string), "iam:")
		if isIAM && statement["Effect"] == "Allow" && !strings.HasPrefix(name, "Get") && !strings.HasPrefix(name, "List") && name != "GenerateCredentialReport" && name != "SimulatePrincipalPolicy" {
			writes = append(writes, name)
		}
	}
	return writes
}

// TestOnlyQuarantineWritesIAM holds, in every template, that no role may change
// IAM but the one of quarantine, that it may do so by its one policy on users
// alone, and that without quarantine there is neither.
func TestOnlyQuarantineWritesIAM(t *testing.T) {
	found, tags := map[string][]string{}, 0
	for where, tpl := range templates(t) {
		scenario, _, _ := strings.Cut(where, "/")
		for id, r := range tpl.Resources {
			role := id // of an inline policy
			switch r.Type {
			case "AWS::IAM::Policy":
				if roles := list(r.Properties["Roles"]); len(roles) == 1 {
					role = strings.Trim(flatten(roles[0]), "${}")
				}
			case "AWS::IAM::ManagedPolicy":
				if r.Properties["Roles"] != nil || r.Properties["Groups"] != nil || r.Properties["Users"] != nil {
					t.Errorf("%s: %s is attached by the template", where, id)
				}
				continue // of quarantined users: see TestQuarantinePolicy
			}
			walk(id, any(r.Properties), func(path string, v any) {
				statement, ok := v.(map[string]any)
				if !ok || statement["Effect"] == nil {
					return
				}
				writes := writesIAM(statement)
				if len(writes) == 0 {
					return
				}
				if slices.Equal(writes, []string{"TagRole"}) && flatten(statement["Resource"]) == "arn:${AWS::Partition}:iam::${AWS::AccountId}:role/"+flatten(tpl.Resources[role].Properties["RoleName"]) {
					tags++ // a tag of the role that has the permission: see TestProving
					return
				}
				name, _ := tpl.Resources[role].Properties["RoleName"].(string)
				found[scenario+" "+name] = append(found[scenario+" "+name], writes...)
				arns := statement["Condition"].(map[string]any)["ArnEquals"].(map[string]any)
				policy := flatten(arns["iam:PolicyARN"])
				if !strings.HasSuffix(policy, ":iam::${AWS::AccountId}:policy/rootguard-quarantine") || len(arns) != 1 {
					t.Errorf("%s: %s: by any other policy than %s", where, path, policy)
				}
				if resources := list(statement["Resource"]); len(resources) != 1 || !strings.HasSuffix(flatten(resources[0]), ":iam::${AWS::AccountId}:user/*") {
					t.Errorf("%s: %s: on %v", where, path, resources)
				}
			})
		}
	}
	if tags != len(all(t)) {
		t.Errorf("%d roles may tag themselves in %d deployments, want the sweep's", tags, len(all(t)))
	}
	both := []string{"AttachUserPolicy", "DetachUserPolicy"}
	if diff := cmp.Diff(map[string][]string{
		"quarantine rootguard-quarantine":                     both,
		"quarantine-organization rootguard-quarantine":        both,
		"quarantine-organization rootguard-quarantine-member": slices.Concat(both, both, both), // once in the stack set, and in the management account's stacks
		"quarantine-dry-run rootguard-quarantine":             {"DetachUserPolicy"},
		"quarantine-dry-run rootguard-quarantine-member":      {"DetachUserPolicy", "DetachUserPolicy"},
	}, found); diff != "" {
		t.Errorf("what may change IAM (-want +got):\n%s", diff)
	}
}

// TestQuarantinePolicy holds what a quarantined user may do.
func TestQuarantinePolicy(t *testing.T) {
	for _, where := range []string{"quarantine/rootguard", "quarantine-organization/rootguard-members/Members", "quarantine-dry-run/rootguard"} {
		tpl := templates(t)[where]
		if tpl == nil {
			t.Fatalf("there is no template %s", where)
		}
		policies := tpl.of("AWS::IAM::ManagedPolicy")
		if len(policies) != 1 {
			t.Fatalf("%s: %d policies", where, len(policies))
		}
		for id, p := range policies {
			if p.Properties["ManagedPolicyName"] != "rootguard-quarantine" {
				t.Errorf("%s: it is called %v", where, p.Properties["ManagedPolicyName"])
			}
			if member := strings.Contains(where, "members"); member != (p.Condition == "OnceAnAccount") {
				t.Errorf("%s: %s is made on condition %q", where, id, p.Condition)
			}
			statements := at(p.Properties, "PolicyDocument", "Statement").([]any)
			deny := statements[0].(map[string]any)
			if deny["Effect"] != "Deny" || deny["Resource"] != "*" || !reflect.DeepEqual(deny["Condition"], map[string]any{"BoolIfExists": map[string]any{"aws:MultiFactorAuthPresent": "false"}}) {
				t.Errorf("%s: %v", where, deny)
			}
			// What is not denied is allowed, but for the session of an access key,
			// which needs no permission (IAM User Guide, "Permissions for GetSessionToken").
			allowed := []string{"sts:GetSessionToken"}
			for _, s := range statements[1:] {
				statement := s.(map[string]any)
				for _, action := range list(statement["Action"]) {
					allowed = append(allowed, action.(string))
				}
				for _, resource := range list(statement["Resource"]) {
					text := flatten(resource)
					own := strings.HasSuffix(text, ":iam::${AWS::AccountId}:user/${aws:username}") || strings.HasSuffix(text, ":iam::${AWS::AccountId}:user/*/${aws:username}")
					if !own && statement["Sid"] != "SeeRules" && !strings.HasSuffix(text, ":iam::${AWS::AccountId}:mfa/*") {
						t.Errorf("%s: %v on %s", where, statement["Action"], text)
					}
				}
			}
			var spared []string
			for _, action := range deny["NotAction"].([]any) {
				spared = append(spared, action.(string))
			}
			slices.Sort(allowed)
			slices.Sort(spared)
			if diff := cmp.Diff(allowed, spared); diff != "" {
				t.Errorf("%s: allowed and not denied differ (-allowed +not denied):\n%s", where, diff)
			}
		}
	}
}

// TestQuarantineTrust holds that in a member account the role of quarantine is
// for the function's own role alone, and made once.
func TestQuarantineTrust(t *testing.T) {
	tpl := templates(t)["quarantine-organization/rootguard-members/Members"]
	id, role := tpl.named(t, "AWS::IAM::Role", "RoleName", "rootguard-quarantine-member")
	trust := at(role.Properties, "AssumeRolePolicyDocument", "Statement").([]any)
	if len(trust) != 1 {
		t.Fatalf("%s: %v", id, trust)
	}
	condition := at(trust[0].(map[string]any), "Condition").(map[string]any)
	principal := flatten(at(condition, "ArnEquals", "aws:PrincipalArn"))
	if !strings.HasSuffix(principal, ":iam::222222222222:role/rootguard-quarantine") || at(condition, "StringEquals", "aws:PrincipalOrgID") != "o-a1b2c3d4e5" || role.Condition != "OnceAnAccount" {
		t.Errorf("%s trusts %s, %v; made on condition %q", id, principal, condition, role.Condition)
	}
	if _, hub := templates(t)["quarantine-organization/rootguard"].named(t, "AWS::IAM::Role", "RoleName", "rootguard-quarantine"); hub == nil {
		t.Error("the guard has no role of the name that is trusted")
	}
}

// TestQuarantineOff holds that without quarantine nothing of it is deployed: no
// resource, no rule and no variable names it.
func TestQuarantineOff(t *testing.T) {
	rule, with := eventrules.QuarantineRule("rootguard"), 0
	for where, tpl := range templates(t) {
		scenario, _, _ := strings.Cut(where, "/")
		if !strings.HasPrefix(scenario, "quarantine") {
			if strings.Contains(strings.ToLower(string(tpl.text)), "quarantine") {
				t.Errorf("%s speaks of quarantine", where)
			}
			continue
		}
		if strings.Contains(string(tpl.text), "rootguard-"+rule.Name) {
			with++
		}
	}
	if with == 0 {
		t.Error("no rule watches the policy where there is quarantine")
	}
}
