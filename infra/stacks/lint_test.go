package stacks

import (
	"encoding/json"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// templates are those of every scenario, by scenario and stack, and those that
// stack sets hold.
func templates(t *testing.T) map[string]*template {
	t.Helper()
	out := map[string]*template{}
	for scenario, set := range all(t) {
		for name, tpl := range set {
			out[scenario+"/"+name] = tpl
			for id, r := range tpl.Resources {
				body, ok := r.Properties["TemplateBody"].(string)
				if !ok {
					continue
				}
				inner, err := parse([]byte(body))
				if err != nil {
					t.Fatal(err)
				}
				out[scenario+"/"+name+"/"+id] = inner
			}
		}
	}
	return out
}

// walk visits every value with the path to it.
func walk(path string, v any, visit func(path string, v any)) {
	visit(path, v)
	switch v := v.(type) {
	case map[string]any:
		for _, key := range slices.Sorted(maps.Keys(v)) {
			walk(path+"/"+key, v[key], visit)
		}
	case []any:
		for i, item := range v {
			walk(fmt.Sprintf("%s/%d", path, i), item, visit)
		}
	}
}

// list is what CloudFormation takes for a list: one, or a single value.
func list(v any) []any {
	switch v := v.(type) {
	case nil:
		return nil
	case []any:
		return v
	default:
		return []any{v}
	}
}

// attributes are those that Fn::GetAtt may read (AWS CloudFormation resource
// reference, return values), of the types in use.
var attributes = map[string][]string{
	"AWS::CloudWatch::Alarm": {"Arn"},
	"AWS::DynamoDB::Table":   {"Arn"},
	"AWS::Events::Rule":      {"Arn"},
	"AWS::IAM::Role":         {"Arn", "RoleId"},
	"AWS::KMS::Key":          {"Arn", "KeyId"},
	"AWS::Lambda::Function":  {"Arn"},
	"AWS::Logs::LogGroup":    {"Arn"},
	"AWS::S3::Bucket":        {"Arn"},
	"AWS::SNS::Topic":        {"TopicArn", "TopicName"},
	"AWS::SQS::Queue":        {"Arn", "QueueName", "QueueUrl"},
	"AWS::CloudTrail::Trail": {"Arn"},
}

// TestReferences holds that everything a template refers to is in it, and that
// nothing waits for itself.
func TestReferences(t *testing.T) {
	for where, tpl := range templates(t) {
		t.Run(where, func(t *testing.T) {
			edges := map[string][]string{}
			refer := func(path, id string) bool {
				if tpl.Resources[id] == nil {
					return false
				}
				if parts := strings.Split(path, "/"); parts[1] == "Resources" {
					edges[parts[2]] = append(edges[parts[2]], id)
				}
				return true
			}
			walk("", tpl.any, func(path string, v any) {
				object, ok := v.(map[string]any)
				if !ok {
					return
				}
				if id, ok := object["Ref"].(string); ok && len(object) == 1 {
					pseudo := slices.Contains([]string{"AWS::AccountId", "AWS::Partition", "AWS::Region", "AWS::StackName", "AWS::URLSuffix", "AWS::NoValue"}, id)
					if _, parameter := tpl.Parameters[id]; !pseudo && !parameter && !refer(path, id) {
						t.Errorf("%s: Ref to %q, which is not there", path, id)
					}
				}
				if get, ok := object["Fn::GetAtt"].([]any); ok {
					id, name := get[0].(string), get[1].(string)
					if !refer(path, id) {
						t.Errorf("%s: Fn::GetAtt of %q, which is not there", path, id)
					} else if !slices.Contains(attributes[tpl.Resources[id].Type], name) {
						t.Errorf("%s: a %s has no attribute %s", path, tpl.Resources[id].Type, name)
					}
				}
				for function := range object {
					if strings.HasPrefix(function, "Fn::") && !slices.Contains([]string{"Fn::GetAtt", "Fn::Join", "Fn::Sub", "Fn::And", "Fn::Contains", "Fn::Equals", "Fn::Not"}, function) {
						t.Errorf("%s: %s is not expected", path, function)
					}
				}
				if sub, ok := object["Fn::Sub"].(string); ok {
					for _, m := range regexp.MustCompile(`\$\{([^!}]+)}`).FindAllStringSubmatch(sub, -1) {
						if !strings.HasPrefix(m[1], "AWS::") && !refer(path, m[1]) {
							t.Errorf("%s: Fn::Sub of %q, which is not there", path, m[1])
						}
					}
				}
			})
			for id, r := range tpl.Resources {
				for _, other := range list(r.DependsOn) {
					if !refer("/Resources/"+id, other.(string)) {
						t.Errorf("%s depends on %v, which is not there", id, other)
					}
				}
				if _, ok := tpl.Conditions[r.Condition]; r.Condition != "" && !ok {
					t.Errorf("%s has the condition %s, which is not there", id, r.Condition)
				}
				// What is there under a condition can be referred to only under the same or a narrower one.
				for _, other := range edges[id] {
					if need := tpl.Resources[other].Condition; need != "" && r.Condition == "" {
						t.Errorf("%s is always there but refers to %s, which needs %s", id, other, need)
					}
				}
			}
			for id := range tpl.Resources {
				if cycle := findCycle(edges, id, nil); cycle != nil {
					t.Errorf("resources wait for each other: %v", cycle)
				}
			}
		})
	}
}

func findCycle(edges map[string][]string, at string, path []string) []string {
	if i := slices.Index(path, at); i >= 0 {
		return append(path[i:], at)
	}
	path = append(slices.Clone(path), at)
	for _, next := range edges[at] {
		if cycle := findCycle(edges, next, path); cycle != nil {
			return cycle
		}
	}
	return nil
}

// limits are the longest texts that the services take (their API references), by
// type and property.
var limits = map[string]map[string]int{
	"AWS::CloudWatch::Alarm":        {"AlarmName": 255, "AlarmDescription": 1024},
	"AWS::CloudFormation::StackSet": {"StackSetName": 128, "Description": 1024, "TemplateBody": 51200},
	"AWS::Events::EventBusPolicy":   {"StatementId": 64},
	"AWS::Events::Rule":             {"Name": 64, "Description": 512},
	"AWS::IAM::Role":                {"RoleName": 64, "Description": 1000},
	"AWS::Lambda::Function":         {"FunctionName": 64, "Description": 256},
	"AWS::SNS::Topic":               {"DisplayName": 100},
	"AWS::SQS::Queue":               {"QueueName": 80},
}

// valueSize is how long a value of an environment can get: a name that
// CloudFormation makes, and that as the end of an ARN or of a URL, are at most
// so long with a stack's name of 20 letters.
func valueSize(v any) int {
	if text, ok := v.(string); ok {
		return len(text)
	}
	return len("https://sqs.us-gov-west-1.amazonaws.com/123456789012/twenty-letters-long0-EscalationTopic12345678-123456789012")
}

func TestLimits(t *testing.T) {
	for where, tpl := range templates(t) {
		t.Run(where, func(t *testing.T) {
			if len(tpl.Description) == 0 || len(tpl.Description) > 1024 {
				t.Errorf("a description of %d bytes", len(tpl.Description))
			}
			if len(tpl.Resources) > 500 {
				t.Errorf("%d resources, more than 500", len(tpl.Resources))
			}
			for id, r := range tpl.Resources {
				for property, most := range limits[r.Type] {
					if text, ok := r.Properties[property].(string); ok && len(text) > most {
						t.Errorf("%s: %s has %d bytes, more than %d", id, property, len(text), most)
					}
				}
				if document := r.Properties["PolicyDocument"]; r.Type == "AWS::IAM::Policy" && document != nil {
					text, err := json.Marshal(document)
					if err != nil {
						t.Fatal(err)
					}
					if len(text) > 10240 { // of all inline policies of a role (IAM User Guide, quotas)
						t.Errorf("%s has %d bytes", id, len(text))
					}
				}
				size := 0
				if variables, ok := at(r.Properties, "Environment", "Variables").(map[string]any); ok {
					for name, v := range variables {
						size += len(name) + valueSize(v)
					}
				}
				if size > 4096 { // AWS Lambda Developer Guide, quotas
					t.Errorf("%s has an environment of up to %d bytes", id, size)
				}
			}
		})
	}
}

// TestPartition holds that no template is tied to the commercial partition, and
// that none has anything left in it that the CDK should have replaced.
func TestPartition(t *testing.T) {
	for where, tpl := range templates(t) {
		t.Run(where, func(t *testing.T) {
			for _, bad := range []string{"arn:aws:", "amazonaws.com.cn", "${Token", "unknown-account"} {
				given := "arn:aws:iam::123456789012:role/ops/oncall" // by the settings
				if strings.Contains(strings.ReplaceAll(string(tpl.text), given, ""), bad) {
					t.Errorf("the template has %q in it", bad)
				}
			}
		})
	}
}

// TestUnaided holds that only the guard needs what `cdk bootstrap` prepares. A
// template that is not uploaded to a bucket has at most 51,200 bytes
// (CloudFormation quotas).
func TestUnaided(t *testing.T) {
	for scenario, set := range all(t) {
		for name, tpl := range set {
			forwards := strings.Contains(name, "-forward-") || strings.HasPrefix(name, "management")
			if !forwards {
				continue
			}
			if len(tpl.Parameters) > 0 || len(tpl.text) > 51200 {
				t.Errorf("%s/%s: %d parameters and %d bytes, so it cannot be deployed by itself", scenario, name, len(tpl.Parameters), len(tpl.text))
			}
		}
	}
}
