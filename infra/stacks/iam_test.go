package stacks

import (
	"fmt"
	"reflect"
	"strings"
	"testing"
)

// anyResource are the actions that may have Resource "*", with the reason.
var anyResource = map[string]string{
	"iam:GetAccountPasswordPolicy":   "IAM has no resource for it (Service Authorization Reference)",
	"access-analyzer:ListAnalyzers":  "which analyzers there are is the question (Service Authorization Reference, IAM Access Analyzer)",
	"ec2:GetEbsEncryptionByDefault":  "Amazon EC2 has no resource for it (Service Authorization Reference)",
	"iam:ListOrganizationsFeatures":  "IAM has no resource for it (Service Authorization Reference)",
	"s3:GetAccountPublicAccessBlock": "it is the account's (Service Authorization Reference, Amazon S3)",
	"account:ListRegions":            "the account's own Regions are the question (Service Authorization Reference, AWS Account Management)",
	"cloudwatch:GetMetricData":       "CloudWatch has no resource for it (Service Authorization Reference)",
	"cloudwatch:ListAlarmMuteRules":  "which rules there are, of any name, is the question",
	"sns:GetSMSAttributes":           "they are the account's (Service Authorization Reference)",
	"sns:GetSMSSandboxAccountStatus": "it is the account's (Service Authorization Reference)",
	"sns:GetSubscriptionAttributes":  "Amazon SNS has no resource of subscriptions (Service Authorization Reference)",
	"cloudtrail:DescribeTrails":      "CloudTrail has no resource for it: which trails there are is the question (Service Authorization Reference)",
	"events:ListRules":               "EventBridge has no resource for it (Service Authorization Reference)",
	"iam:GetAccountSummary":          "IAM has no resource for it (Service Authorization Reference)",
	"iam:ListUsers":                  "IAM has no resource for it (Service Authorization Reference)",
	"iam:ListVirtualMFADevices":      "IAM has no resource for it (Service Authorization Reference)",
	"organizations:ListAccounts":     "AWS Organizations has no resource for it (Service Authorization Reference)",
	"iam:GenerateCredentialReport":   "IAM has no resource for it (Service Authorization Reference)",
	"iam:GetCredentialReport":        "IAM has no resource for it (Service Authorization Reference)",
}

// wildcards are the actions that may end in "*", with the reason.
var wildcards = map[string]string{
	"kms:GenerateDataKey*": "as the Amazon SNS Developer Guide writes it for services that publish to an encrypted topic",
}

// TestLeastPrivilege checks every IAM statement of every template.
func TestLeastPrivilege(t *testing.T) {
	used := map[string]bool{}
	seen := 0
	for where, tpl := range templates(t) {
		t.Run(where, func(t *testing.T) {
			for id, r := range tpl.Resources {
				walk(id, any(r.Properties), func(path string, v any) {
					statement, ok := v.(map[string]any)
					if !ok || statement["Effect"] == nil {
						return
					}
					seen++
					for _, problem := range judge(r.Type, statement, used) {
						t.Errorf("%s: %s: %v", path, problem, statement)
					}
				})
			}
		})
	}
	if seen < 100 {
		t.Errorf("found only %d statements: the search misses some", seen)
	}
	for action := range anyResource {
		if !used[action] {
			t.Errorf(`%s is allowed Resource "*" and no statement needs it`, action)
		}
	}
	for action := range wildcards {
		if !used[action] {
			t.Errorf("%s is allowed and no statement needs it", action)
		}
	}
}

// rowWrites are the actions that change rows (Service Authorization Reference).
var rowWrites = map[string]bool{
	"dynamodb:BatchWriteItem": true, "dynamodb:DeleteItem": true, "dynamodb:PartiQLDelete": true, "dynamodb:PartiQLInsert": true,
	"dynamodb:PartiQLUpdate": true, "dynamodb:PutItem": true, "dynamodb:UpdateItem": true,
}

// judge lists what is too broad in a statement.
func judge(resourceType string, statement map[string]any, used map[string]bool) []string {
	var problems []string
	problem := func(format string, args ...any) { problems = append(problems, fmt.Sprintf(format, args...)) }

	if statement["Effect"] == "Deny" {
		insecure := map[string]any{"Bool": map[string]any{"aws:SecureTransport": "false"}}
		withoutMFA := map[string]any{"BoolIfExists": map[string]any{"aws:MultiFactorAuthPresent": "false"}}
		if resourceType == "AWS::DynamoDB::Table" {
			writers, _ := statement["Condition"].(map[string]any)["ArnNotEquals"].(map[string]any)["aws:PrincipalArn"].([]any)
			if len(writers) == 0 {
				problem("denies everyone")
			}
			for _, action := range list(statement["Action"]) {
				if !rowWrites[action.(string)] {
					problem("denies %v, by which the table is read or administered", action)
				}
			}
			return problems
		}
		quarantine := resourceType == "AWS::IAM::ManagedPolicy" && reflect.DeepEqual(statement["Condition"], withoutMFA)
		if !quarantine && !reflect.DeepEqual(statement["Condition"], insecure) {
			problem("denies something else than calls without TLS, or without MFA in quarantine")
		}
		return problems
	}
	for _, inverse := range []string{"NotAction", "NotResource", "NotPrincipal"} {
		if statement[inverse] != nil {
			problem("allows all but something, by %s", inverse)
		}
	}
	everything := false
	for _, resource := range list(statement["Resource"]) {
		everything = everything || resource == "*"
	}
	for _, action := range list(statement["Action"]) {
		name := action.(string)
		if strings.ContainsAny(name, "*?") {
			used[name] = true
			if wildcards[name] == "" {
				problem("allows the action %s", name)
			}
		}
		if everything && resourceType != "AWS::KMS::Key" {
			used[name] = true
			if anyResource[name] == "" {
				problem("allows %s on every resource", name)
			}
		}
	}
	principals := list(statement["Principal"])
	if object, ok := statement["Principal"].(map[string]any); ok {
		principals = nil
		for _, of := range object {
			principals = append(principals, list(of)...)
		}
	}
	for _, principal := range principals {
		if principal != "*" {
			continue
		}
		condition, _ := statement["Condition"].(map[string]any)
		equals, _ := condition["StringEquals"].(map[string]any)
		if equals["aws:PrincipalOrgID"] == nil {
			problem("allows everybody")
		}
	}
	return problems
}

// TestJudge holds that the test above would notice.
func TestJudge(t *testing.T) {
	orgOnly := map[string]any{"StringEquals": map[string]any{"aws:PrincipalOrgID": "o-a1b2c3d4e5"}}
	for _, tc := range []struct {
		name         string
		resourceType string
		statement    map[string]any
		bad          bool
	}{
		{"a named action on a resource", "AWS::IAM::Policy", map[string]any{"Action": "sns:Publish", "Resource": "arn"}, false},
		{"every action", "AWS::IAM::Policy", map[string]any{"Action": "*", "Resource": "arn"}, true},
		{"every action of a service", "AWS::IAM::Policy", map[string]any{"Action": []any{"sns:Publish", "sqs:*"}, "Resource": "arn"}, true},
		{"every reading action", "AWS::IAM::Policy", map[string]any{"Action": "iam:Get*", "Resource": "arn"}, true},
		{"every resource", "AWS::IAM::Policy", map[string]any{"Action": "sns:Publish", "Resource": []any{"arn", "*"}}, true},
		{"every resource, where there is none", "AWS::IAM::Policy", map[string]any{"Action": "iam:GetAccountSummary", "Resource": "*"}, false},
		{"every resource, where there is none for one of them", "AWS::IAM::Policy", map[string]any{"Action": []any{"iam:GetAccountSummary", "iam:GetLoginProfile"}, "Resource": "*"}, true},
		{"a key itself", "AWS::KMS::Key", map[string]any{"Action": "kms:Decrypt", "Resource": "*", "Principal": map[string]any{"AWS": "arn"}}, false},
		{"every action on a key", "AWS::KMS::Key", map[string]any{"Action": "kms:*", "Resource": "*"}, true},
		{"all but one", "AWS::IAM::Policy", map[string]any{"NotAction": "iam:DeleteUser", "Resource": "arn"}, true},
		{"everybody", "AWS::SNS::TopicPolicy", map[string]any{"Action": "sns:Publish", "Resource": "arn", "Principal": "*"}, true},
		{"everybody with an account", "AWS::SNS::TopicPolicy", map[string]any{"Action": "sns:Publish", "Resource": "arn", "Principal": map[string]any{"AWS": []any{"*"}}}, true},
		{"the organization", "AWS::Events::EventBusPolicy", map[string]any{"Action": "events:PutEvents", "Resource": "arn", "Principal": "*", "Condition": orgOnly}, false},
		{"calls without TLS denied", "AWS::SQS::QueuePolicy", map[string]any{"Effect": "Deny", "Action": "sqs:*", "Condition": map[string]any{"Bool": map[string]any{"aws:SecureTransport": "false"}}}, false},
		{"calls without MFA denied in quarantine", "AWS::IAM::ManagedPolicy", map[string]any{"Effect": "Deny", "NotAction": "iam:EnableMFADevice", "Resource": "*", "Condition": map[string]any{"BoolIfExists": map[string]any{"aws:MultiFactorAuthPresent": "false"}}}, false},
		{"calls with MFA denied in quarantine", "AWS::IAM::ManagedPolicy", map[string]any{"Effect": "Deny", "NotAction": "iam:EnableMFADevice", "Resource": "*", "Condition": map[string]any{"BoolIfExists": map[string]any{"aws:MultiFactorAuthPresent": "true"}}}, true},
		{"everything denied in quarantine", "AWS::IAM::ManagedPolicy", map[string]any{"Effect": "Deny", "NotAction": "iam:EnableMFADevice", "Resource": "*"}, true},
		{"writes denied to others", "AWS::DynamoDB::Table", map[string]any{"Effect": "Deny", "Action": "dynamodb:PutItem", "Resource": "*", "Principal": "*", "Condition": map[string]any{"ArnNotEquals": map[string]any{"aws:PrincipalArn": []any{"arn"}}}}, false},
		{"writes denied to everyone", "AWS::DynamoDB::Table", map[string]any{"Effect": "Deny", "Action": "dynamodb:PutItem", "Resource": "*", "Principal": "*", "Condition": map[string]any{"ArnNotEquals": map[string]any{"aws:PrincipalArn": []any{}}}}, true},
		{"reads denied to others", "AWS::DynamoDB::Table", map[string]any{"Effect": "Deny", "Action": "dynamodb:Query", "Resource": "*", "Principal": "*", "Condition": map[string]any{"ArnNotEquals": map[string]any{"aws:PrincipalArn": []any{"arn"}}}}, true},
		{"something else denied", "AWS::SQS::QueuePolicy", map[string]any{"Effect": "Deny", "Action": "sqs:*"}, true},
	} {
		t.Run(tc.name, func(t *testing.T) {
			if problems := judge(tc.resourceType, tc.statement, map[string]bool{}); (len(problems) > 0) != tc.bad {
				t.Errorf("problems %v, want some: %v", problems, tc.bad)
			}
		})
	}
}
