package stacks

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"
)

// The ways by which a report leaves.
const (
	byFunction = "us-east-1 AWS::Lambda::Function" // judged, and published to the topics of the home Region
	byTopic    = "us-east-1 AWS::SNS::Topic"       // to these topics, by a rule alone
	bySecond   = "eu-west-1 AWS::SNS::Topic"       // to the topic of the second Region
)

// TestNoQuietWay holds, for each call that silences part of rootguard, that a report
// leaves by a way that this very call does not close. closes are the ways that are
// shut from the moment of the call on. What no management event shows, such as rows
// written into the table, is held by tests of packages health, guard and ratelimit.
func TestNoQuietWay(t *testing.T) {
	const (
		table    = "rootguard-TableCD117FA1-1ABC"
		function = "rootguard-rootactivity"
		role     = "rootguard-rootactivity"
		topic    = "arn:aws:sns:us-east-1:" + worldAccount + ":rootguard-TopicBFC7AF6E-x"
		queue    = "https://sqs.us-east-1.amazonaws.com/" + worldAccount + "/rootguard-Failed1-x"
	)
	type params = map[string]any
	home := []string{byFunction, byTopic}
	w := newWorld(t, "full")
	for _, a := range []struct {
		source, call string
		params       params
		closes       []string
	}{
		{"lambda", "DeleteFunction20150331", params{"functionName": function}, []string{byFunction}},
		{"lambda", "UpdateFunctionCode20150331v2", params{"functionName": function}, []string{byFunction}},
		{"lambda", "UpdateFunctionConfiguration20150331v2", params{"functionName": function}, []string{byFunction}},
		{"lambda", "PutFunctionConcurrency20171031", params{"functionName": function, "reservedConcurrentExecutions": 0}, []string{byFunction}},
		{"lambda", "RemovePermission20150331v2", params{"functionName": function}, []string{byFunction}},
		{"lambda", "PutRuntimeManagementConfig", params{"functionName": function}, []string{byFunction}},
		{"lambda", "DeleteFunctionEventInvokeConfig", params{"functionName": function}, nil},
		{"iam", "PutRolePolicy", params{"roleName": role}, []string{byFunction}},
		{"iam", "AttachRolePolicy", params{"roleName": role, "policyArn": "arn:aws:iam::aws:policy/AWSDenyAll"}, []string{byFunction}},
		{"iam", "DetachRolePolicy", params{"roleName": role, "policyArn": "arn:x"}, []string{byFunction}},
		{"iam", "DeleteRolePolicy", params{"roleName": role}, []string{byFunction}},
		{"iam", "PutRolePermissionsBoundary", params{"roleName": role}, []string{byFunction}},
		{"iam", "UpdateAssumeRolePolicy", params{"roleName": role}, []string{byFunction}},
		{"iam", "DeleteRole", params{"roleName": role}, []string{byFunction}},
		{"dynamodb", "PutResourcePolicy", params{"resourceArn": "arn:aws:dynamodb:us-east-1:" + worldAccount + ":table/" + table}, []string{byFunction}},
		{"dynamodb", "UpdateTable", params{"tableName": table, "onDemandThroughput": params{"maxWriteRequestUnits": 1}}, []string{byFunction}},
		{"dynamodb", "UpdateTable", params{"tableName": table, "sSESpecification": params{"kMSMasterKeyId": "x"}}, []string{byFunction}},
		{"dynamodb", "UpdateTimeToLive", params{"tableName": table}, nil},
		{"dynamodb", "DeleteTable", params{"tableName": table}, []string{byFunction}},
		{"sns", "DeleteTopic", params{"topicArn": topic}, home},
		{"sns", "SetTopicAttributes", params{"topicArn": topic, "attributeName": "Policy"}, home},
		{"sns", "SetSubscriptionAttributes", params{"subscriptionArn": topic + ":1", "attributeName": "FilterPolicy"}, home},
		{"sns", "Unsubscribe", params{"subscriptionArn": topic + ":1"}, home},
		{"sns", "PutDataProtectionPolicy", params{"resourceArn": topic}, home},
		{"sns", "AddPermission", params{"topicArn": topic}, home},
		{"sns", "SetSMSAttributes", params{"attributes": params{"MonthlySpendLimit": "0"}}, nil},
		{"kms", "DisableKey", params{"keyId": worldKey}, home},
		{"kms", "ScheduleKeyDeletion", params{"keyId": worldKey}, home},
		{"kms", "PutKeyPolicy", params{"keyId": worldKey}, home},
		{"sqs", "DeleteQueue", params{"queueUrl": queue}, nil},
		{"sqs", "PurgeQueue", params{"queueUrl": queue}, nil},
		{"sqs", "SetQueueAttributes", params{"queueUrl": queue}, nil},
		{"monitoring", "PutAlarmMuteRule", params{"name": "x", "muteTargets": params{"alarmNames": []string{"rootguard-failed"}}}, nil},
		{"monitoring", "PutAlarmMuteRule", params{"name": "x"}, nil}, // for all alarms
		{"monitoring", "SetAlarmState", params{"alarmName": "rootguard-failed", "stateValue": "OK"}, nil},
		{"monitoring", "DeleteAlarms", params{"alarmNames": []string{"rootguard-failed"}}, nil},
		{"monitoring", "DisableAlarmActions", params{"alarmNames": []string{"rootguard-failed"}}, nil},
		{"events", "UpdateEventBus", params{"name": "default", "kmsKeyIdentifier": "x"}, nil}, // until the key is disabled every rule works
		{"events", "RemovePermission", params{"statementId": "rootguard-members"}, nil},
		{"events", "PutPermission", params{"statementId": "rootguard-members"}, nil},
		{"cloudtrail", "StopLogging", params{"name": "management"}, nil}, // it is itself recorded
		{"cloudtrail", "DeleteTrail", params{"name": "management"}, nil},
		{"cloudformation", "DeleteStack", params{"stackName": "rootguard"}, home},
		{"cloudformation", "UpdateStack", params{"stackName": "rootguard"}, home},
		{"cloudformation", "ExecuteChangeSet", params{"stackName": "rootguard"}, home},
		{"cloudformation", "UpdateStackSet", params{"stackSetName": "rootguard-members"}, nil},
		{"cloudformation", "DeleteStackInstances", params{"stackSetName": "rootguard-members"}, nil},
	} {
		event := attack(t, a.source, a.call, a.params)
		reached, failed := w.reached("us-east-1", event, func(string, string) bool { return false })
		open := slices.DeleteFunc(slices.Clone(reached), func(way string) bool {
			return slices.Contains(a.closes, way) || !strings.HasSuffix(way, "Topic") && way != byFunction
		})
		if len(open) == 0 {
			t.Errorf("%s:%s %v closes %v, and no report leaves: it reached %v", a.source, a.call, a.params, a.closes, reached)
		}
		if len(a.closes) == len(home) && !slices.Contains(open, bySecond) {
			t.Errorf("%s:%s %v is not reported in the second Region: %v", a.source, a.call, a.params, reached)
		}
		if len(failed) > 0 {
			t.Errorf("%s:%s fails at %v", a.source, a.call, failed)
		}
	}
	// The same on what is not rootguard's is no matter of these rules.
	for _, event := range []string{
		attack(t, "lambda", "DeleteFunction20150331", params{"functionName": "other"}), attack(t, "sns", "DeleteTopic", params{"topicArn": "arn:aws:sns:us-east-1:" + worldAccount + ":other"}),
		attack(t, "dynamodb", "DeleteTable", params{"tableName": "orders"}), attack(t, "cloudformation", "DeleteStack", params{"stackName": "shop"}),
		attack(t, "monitoring", "DeleteAlarms", params{"alarmNames": []string{"cpu"}}), attack(t, "lambda", "DeleteFunctionConcurrency20171031", params{"functionName": function}),
	} {
		if reached, _ := w.reached("us-east-1", event, func(string, string) bool { return false }); slices.Contains(reached, byTopic) || slices.Contains(reached, bySecond) {
			t.Errorf("reported around the functions: %s", event)
		}
	}
}

// attack is the event of a call by a user of the guard's account.
func attack(t *testing.T, source, call string, params map[string]any) string {
	t.Helper()
	detail := map[string]any{
		"eventSource": source + ".amazonaws.com", "eventName": call, "awsRegion": "us-east-1", "sourceIPAddress": "192.0.2.1", "eventType": "AwsApiCall",
		"userIdentity": map[string]any{"type": "IAMUser", "userName": "eve"}, "requestParameters": params,
	}
	if source == "kms" {
		detail["resources"] = []any{map[string]any{"ARN": worldKey}}
	}
	text, err := json.Marshal(detail)
	if err != nil {
		t.Fatal(err)
	}
	return fmt.Sprintf(`{"source": "aws.%s", "detail-type": "AWS API Call via CloudTrail", "account": %q, "region": "us-east-1", "detail": %s}`, source, worldAccount, text)
}
