package eventrules_test

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"

	"rootguard/internal/detect"
	"rootguard/internal/eventrules"
	"rootguard/internal/eventrules/eventrulestest"
)

// TestAttacksAreHeard holds that each call by which rootguard is silenced comes
// out at a function, which makes a critical finding of it, and by a direct rule,
// which needs none. What takes nothing away comes out at neither.
func TestAttacksAreHeard(t *testing.T) {
	type m = map[string]any
	const (
		account = "111122223333"
		table   = "rootguard-TableCD117FA1-1ABC"
		topic   = "arn:aws:sns:us-east-1:" + account + ":rootguard-TopicBFC7AF6E-x"
		queue   = "https://sqs.us-east-1.amazonaws.com/" + account + "/rootguard-FailedX"
		key     = "arn:aws:kms:us-east-1:" + account + ":key/11111111-2222-3333-4444-555555555555"
		role    = "rootguard-RootactivityRole27F53DE7-abc"
		own     = "rootguard-rootactivity"
	)
	rules, err := eventrules.RulesFor("rootguard")
	if err != nil {
		t.Fatal(err)
	}
	router := func(rules []eventrules.Rule) *eventrulestest.Router {
		r, err := eventrulestest.NewRouter(rules, regions(t))
		if err != nil {
			t.Fatal(err)
		}
		return r
	}
	functions := router(append(rules, eventrules.QuarantineRule("rootguard")))
	direct := router(append(eventrules.Direct("rootguard"), eventrules.DirectKey(key)))
	detector := &detect.Detector{Own: detect.Own{Prefix: "rootguard", Keys: []string{key}, Account: account}}
	for _, tc := range []struct {
		call       string
		p          m
		critical   bool
		directly   bool // by a rule that needs no function
		alsoRouted bool // no harm, but a rule lets it through
	}{
		{"iam:PutRolePolicy", m{"roleName": role, "policyName": "deny", "policyDocument": "{}"}, true, true, false},
		{"iam:AttachRolePolicy", m{"roleName": role, "policyArn": "arn:aws:iam::aws:policy/AWSDenyAll"}, true, true, false},
		{"iam:PutRolePermissionsBoundary", m{"roleName": role}, true, true, false},
		{"iam:DeleteRolePolicy", m{"roleName": role}, true, true, false},
		{"iam:UpdateAssumeRolePolicy", m{"roleName": role}, true, true, false},
		{"iam:TagRole", m{"roleName": role}, false, false, false},
		{"lambda:UpdateFunctionConfiguration20150331v2", m{"functionName": own}, true, true, false},
		{"lambda:UpdateFunctionCode20150331v2", m{"functionName": own}, true, true, false},
		{"lambda:PutFunctionConcurrency20171031", m{"functionName": own, "reservedConcurrentExecutions": 0}, true, true, false},
		{"lambda:DeleteFunctionConcurrency20171031", m{"functionName": own}, false, false, false},
		{"lambda:DeleteFunction20150331", m{"functionName": own}, true, true, false},
		{"lambda:DeleteFunctionEventInvokeConfig", m{"functionName": own}, true, true, false},
		{"lambda:RemovePermission20150331v2", m{"functionName": own}, true, true, false},
		{"lambda:PutRuntimeManagementConfig", m{"functionName": own}, true, true, false},
		{"lambda:AddPermission20150331v2", m{"functionName": own}, true, false, false},
		{"events:DisableRule", m{"name": "rootguard-guard-delivery"}, true, true, false},
		{"events:DeleteRule", m{"name": "rootguard-guard-removed"}, true, true, false},
		{"events:RemoveTargets", m{"rule": "rootguard-schedule-sweep"}, true, true, false},
		{"events:PutRule", m{"name": "rootguard-root-sign-in", "state": "ENABLED"}, true, true, false},
		{"events:RemovePermission", m{"eventBusName": "default", "statementId": "rootguard-members"}, true, true, false},
		{"events:PutPermission", m{"eventBusName": "default", "statementId": "rootguard-members"}, true, true, false},
		{"events:UpdateEventBus", m{"name": "default", "kmsKeyIdentifier": "x"}, true, true, false},
		{"events:UpdateEventBus", m{"name": "orders", "kmsKeyIdentifier": "x"}, false, false, true},
		{"sns:SetTopicAttributes", m{"topicArn": topic, "attributeName": "Policy"}, true, true, false},
		{"sns:SetSubscriptionAttributes", m{"subscriptionArn": topic + ":1", "attributeName": "FilterPolicy"}, true, true, false},
		{"sns:Unsubscribe", m{"subscriptionArn": topic + ":1"}, true, true, false},
		{"sns:DeleteTopic", m{"topicArn": topic}, true, true, false},
		{"sns:AddPermission", m{"topicArn": topic}, true, true, false},
		{"sns:Subscribe", m{"topicArn": topic}, false, false, false},
		{"sns:PutDataProtectionPolicy", m{"resourceArn": topic}, true, true, false},
		{"sns:SetSMSAttributes", m{"attributes": m{"MonthlySpendLimit": "0"}}, true, true, false},
		{"sqs:PurgeQueue", m{"queueUrl": queue}, true, true, false},
		{"sqs:SetQueueAttributes", m{"queueUrl": queue}, true, true, false},
		{"dynamodb:DeleteTable", m{"tableName": table}, true, true, false},
		{"dynamodb:UpdateTable", m{"tableName": table, "deletionProtectionEnabled": false}, true, true, false},
		{"dynamodb:UpdateTable", m{"tableName": table, "onDemandThroughput": m{"maxWriteRequestUnits": 1}}, true, true, false},
		{"dynamodb:UpdateTable", m{"tableName": table, "globalSecondaryIndexUpdates": []m{{"delete": m{"indexName": "due"}}}}, true, true, false},
		{"dynamodb:UpdateTable", m{"tableName": table, "sSESpecification": m{"kMSMasterKeyId": "foreign"}}, true, true, false},
		{"dynamodb:PutResourcePolicy", m{"resourceArn": "arn:aws:dynamodb:us-east-1:" + account + ":table/" + table}, true, true, false},
		{"dynamodb:UpdateTimeToLive", m{"tableName": table}, true, true, false},
		{"dynamodb:UpdateContinuousBackups", m{"tableName": table}, true, true, false},
		{"kms:DisableKey", m{"keyId": key}, true, true, false},
		{"kms:ScheduleKeyDeletion", m{"keyId": key}, true, true, false},
		{"kms:PutKeyPolicy", m{"keyId": key}, true, true, false},
		{"cloudtrail:StopLogging", m{"name": "management"}, true, true, false},
		{"cloudtrail:DeleteTrail", m{"name": "management"}, true, true, false},
		{"cloudtrail:UpdateTrail", m{"name": "management", "isMultiRegionTrail": false}, true, false, false},
		{"monitoring:DeleteAlarms", m{"alarmNames": []string{"rootguard-failed"}}, true, true, false},
		{"monitoring:DisableAlarmActions", m{"alarmNames": []string{"rootguard-failed"}}, true, true, false},
		{"monitoring:SetAlarmState", m{"alarmName": "rootguard-failed", "stateValue": "OK"}, true, true, false},
		{"monitoring:PutMetricAlarm", m{"alarmName": "rootguard-failed", "actionsEnabled": false}, true, true, false},
		{"monitoring:PutAlarmMuteRule", m{"name": "x", "muteTargets": m{"alarmNames": []string{"rootguard-failed"}}}, true, true, false},
		{"monitoring:PutAlarmMuteRule", m{"name": "x"}, true, true, false},
		{"monitoring:PutAlarmMuteRule", m{"name": "x", "muteTargets": m{"alarmNames": []string{"cpu"}}}, false, false, true},
		{"logs:DeleteLogGroup", m{"logGroupName": "rootguard-RootactivityLogs"}, true, false, false},
		{"cloudformation:DeleteStack", m{"stackName": "rootguard"}, true, true, false},
		{"cloudformation:UpdateStack", m{"stackName": "rootguard"}, true, true, false},
		{"cloudformation:ExecuteChangeSet", m{"stackName": "rootguard", "changeSetName": "x"}, true, true, false},
		{"cloudformation:DeleteStackInstances", m{"stackSetName": "rootguard-members"}, true, true, false},
		{"cloudformation:UpdateStackSet", m{"stackSetName": "rootguard-members"}, true, true, false},
		{"s3:PutBucketPolicy", m{"bucketName": "rootguard-trailbucketa831ce63-x"}, true, false, false},
		{"s3:DeleteBucket", m{"bucketName": "rootguard-trailbucketa831ce63-x"}, true, false, false},
	} {
		service, name, _ := strings.Cut(tc.call, ":")
		raw, err := json.Marshal(m{
			"eventVersion": "1.10", "eventTime": "2026-01-02T03:04:05Z", "eventSource": service + ".amazonaws.com", "eventName": name,
			"awsRegion": "us-east-1", "sourceIPAddress": "198.51.100.7", "userAgent": "aws-cli", "requestParameters": tc.p, "responseElements": nil,
			"eventID": "8a2f6c1e-9b3d-4f0a-8c55-1d2e3f4a5b6c", "readOnly": false, "eventType": "AwsApiCall", "managementEvent": true,
			"recipientAccountId": account, "eventCategory": "Management", "resources": []m{{"ARN": tc.p["keyId"]}},
			"userIdentity": m{"type": "AssumedRole", "principalId": "AROAX:admin", "arn": "arn:aws:sts::" + account + ":assumed-role/Admin/admin", "accountId": account, "accessKeyId": "ASIAX"},
		})
		if err != nil {
			t.Fatal(err)
		}
		rec := decode(t, raw)
		if got := route(t, functions, rec); (len(got) > 0) != (tc.critical || tc.alsoRouted) {
			t.Errorf("%s of %v comes to a function by %v", tc.call, tc.p, got)
		}
		if got := route(t, direct, rec); (len(got) > 0) != tc.directly {
			t.Errorf("%s of %v is reported directly by %v", tc.call, tc.p, got)
		}
		o := detector.Detect(rec, nil)
		if critical := o.Kind == detect.Matched && o.Finding.Severity == detect.Critical; critical != tc.critical {
			t.Errorf("%s of %v: critical %v, %s %s", tc.call, tc.p, critical, o.Finding.Severity, o.Reason)
		}
		if !slices.Contains([]detect.ID{"", detect.GuardTampered}, o.Finding.ID) {
			t.Errorf("%s of %v is %s", tc.call, tc.p, o.Finding.ID)
		}
	}
}
