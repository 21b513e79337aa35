package detect

import (
	"strings"
	"testing"
)

// TestTamperingRows has, for calls by which rootguard is silenced, one on a
// resource of its own and one that only looks like it.
func TestTamperingRows(t *testing.T) {
	const (
		topic = "arn:aws:sns:us-east-1:111122223333:rootguard-TopicBFC7AF6E-x"
		table = "arn:aws:dynamodb:us-east-1:111122223333:table/rootguard-TableCD117FA1-1ABC"
		key   = "arn:aws:kms:us-east-1:111122223333:key/11111111-2222-3333-4444-555555555555"
	)
	d := &Detector{Own: Own{Prefix: "rootguard", Keys: []string{key}, Account: "111122223333"}}
	mute := func(alarms ...string) fields { return fields{"name": "x", "muteTargets": fields{"alarmNames": alarms}} }
	for _, tc := range []struct {
		call      string
		hit, miss fields // parameters; of a nil miss there is none
	}{
		{"monitoring:PutAlarmMuteRule", mute("cpu", "rootguard-failed"), mute("cpu", "my-rootguard-copy")},
		{"monitoring:PutAlarmMuteRule", fields{"name": "weekend"}, nil},
		{"monitoring:SetAlarmState", fields{"alarmName": "rootguard-failed", "stateValue": "OK"}, fields{"alarmName": "cpu", "stateValue": "OK"}},
		{"dynamodb:PutResourcePolicy", fields{"resourceArn": table}, fields{"resourceArn": "arn:aws:dynamodb:us-east-1:111122223333:table/orders"}},
		{"dynamodb:DeleteResourcePolicy", fields{"resourceArn": table}, fields{"resourceArn": "arn:aws:dynamodb:us-east-1:111122223333:table/rootguardian"}},
		{"dynamodb:UpdateTable", fields{"tableName": "rootguard-TableCD117FA1-1ABC", "onDemandThroughput": fields{"maxWriteRequestUnits": 1}}, fields{"tableName": "orders"}},
		{"dynamodb:UpdateTable", fields{"tableName": table, "globalSecondaryIndexUpdates": []fields{{"delete": fields{"indexName": "due"}}}}, nil},
		{"dynamodb:UpdateTable", fields{"tableName": table, "globalSecondaryIndexUpdates": []fields{{"create": fields{"indexName": "x"}}, {"update": fields{"indexName": "due"}}}}, nil},
		{"dynamodb:UpdateTable", fields{"tableName": table, "sSESpecification": fields{"kMSMasterKeyId": "foreign"}}, nil},
		{"dynamodb:UpdateTable", fields{"tableName": table, "tableClass": "STANDARD_INFREQUENT_ACCESS"}, nil},
		{"dynamodb:UpdateTimeToLive", fields{"tableName": "rootguard-TableCD117FA1-1ABC"}, fields{"tableName": "orders"}},
		{"dynamodb:UpdateContinuousBackups", fields{"tableName": "rootguard-TableCD117FA1-1ABC"}, fields{"tableName": "orders"}},
		{"events:UpdateEventBus", fields{"name": "default", "kmsKeyIdentifier": "x"}, fields{"name": "orders", "kmsKeyIdentifier": "x"}},
		{"events:UpdateEventBus", fields{"name": "arn:aws:events:us-east-1:111122223333:event-bus/default"}, fields{"name": "default-orders"}},
		{"events:PutRule", fields{"name": "rootguard-root", "state": "DISABLED"}, fields{"name": "orders", "state": "DISABLED"}},
		{"events:PutPermission", fields{"statementId": "rootguard-members", "eventBusName": "default"}, fields{"statementId": "partner"}},
		{"events:RemovePermission", fields{"statementId": "rootguard-members"}, fields{"statementId": "partner"}},
		{"sns:AddPermission", fields{"topicArn": topic}, fields{"topicArn": strings.Replace(topic, "rootguard", "orders", 1)}},
		{"sns:PutDataProtectionPolicy", fields{"resourceArn": topic}, fields{"resourceArn": strings.Replace(topic, "rootguard", "orders", 1)}},
		{"sns:SetSMSAttributes", fields{"attributes": fields{"MonthlySpendLimit": "0"}}, fields{"attributes": fields{"DefaultSenderID": "acme"}}},
		{"sns:SetSMSAttributes", fields{}, nil},
		{"sns:SetSubscriptionAttributes", fields{"subscriptionArn": topic + ":1", "attributeName": "RedrivePolicy"}, fields{"subscriptionArn": "arn:aws:sns:us-east-1:111122223333:orders:1", "attributeName": "FilterPolicy"}},
		{"sqs:AddPermission", fields{"queueUrl": "https://sqs.us-east-1.amazonaws.com/111122223333/rootguard-FailedX"}, fields{"queueUrl": "https://sqs.us-east-1.amazonaws.com/111122223333/orders"}},
		{"lambda:PutRuntimeManagementConfig", fields{"functionName": "rootguard-rootactivity"}, fields{"functionName": "billing"}},
		{"lambda:PutRuntimeManagementConfig20210720", fields{"functionName": "rootguard-rootactivity"}, fields{"functionName": "billing"}},
		{"lambda:UpdateFunctionCode20150331v2", fields{"functionName": "arn:aws:lambda:us-east-1:111122223333:function:rootguard-sweep"}, fields{"functionName": "billing"}},
		{"lambda:AddPermission20150331v2", fields{"functionName": "rootguard-sweep"}, fields{"functionName": "billing"}},
		{"iam:PutRolePermissionsBoundary", fields{"roleName": "rootguard-RootactivityRole27F53DE7-abc"}, fields{"roleName": "admin"}},
		{"iam:DeleteRolePermissionsBoundary", fields{"roleName": "rootguard-RootactivityRole27F53DE7-abc"}, fields{"roleName": "admin"}},
		{"kms:RevokeGrant", fields{"keyId": key, "grantId": "g"}, fields{"keyId": "arn:aws:kms:us-east-1:111122223333:key/other"}},
		{"kms:PutKeyPolicy", fields{"keyId": "11111111-2222-3333-4444-555555555555"}, fields{"keyId": "other"}},
		{"cloudformation:UpdateStack", fields{"stackName": "rootguard"}, fields{"stackName": "rootguardian"}},
		{"cloudformation:ExecuteChangeSet", fields{"changeSetName": "x", "stackName": "arn:aws:cloudformation:us-east-1:111122223333:stack/rootguard/0f1e"}, fields{"changeSetName": "rootguard-change", "stackName": "orders"}},
		{"cloudformation:UpdateStackSet", fields{"stackSetName": "rootguard-members"}, fields{"stackSetName": "baseline"}},
		{"cloudformation:UpdateStackInstances", fields{"stackSetName": "rootguard-members:0f1e"}, fields{"stackSetName": "baseline"}},
		{"cloudformation:DeleteStackSet", fields{"stackSetName": "rootguard-members"}, fields{"stackSetName": "baseline"}},
		{"cloudformation:DeleteStackInstances", fields{"stackSetName": "rootguard-members"}, fields{"stackSetName": "baseline"}},
		{"cloudformation:StopStackSetOperation", fields{"stackSetName": "rootguard-members"}, fields{"stackSetName": "baseline"}},
		{"s3:DeleteBucket", fields{"bucketName": "rootguard-trailbucketa831ce63-x"}, fields{"bucketName": "acme-rootguard-copies"}},
		{"s3:DeleteBucketPolicy", fields{"bucketName": "rootguard-trailbucketa831ce63-x"}, fields{"bucketName": "web"}},
		{"s3:PutBucketPolicy", fields{"bucketName": "rootguard-trailbucketa831ce63-x"}, fields{"bucketName": "web"}},
		{"s3:PutBucketLifecycle", fields{"bucketName": "rootguard-trailbucketa831ce63-x"}, fields{"bucketName": "web"}},
		{"s3:PutBucketEncryption", fields{"bucketName": "rootguard-trailbucketa831ce63-x"}, fields{"bucketName": "web"}},
	} {
		for _, by := range []fields{role, cfn} {
			o := d.Detect(record(tc.call, by, req(tc.hit)).decode(t), nil)
			if o.Kind != Matched || o.Finding.ID != GuardTampered || o.Finding.Severity != Critical {
				t.Errorf("%s of %v: %v %s %s %s", tc.call, tc.hit, o.Kind, o.Finding.ID, o.Finding.Severity, o.Reason)
			}
		}
		if tc.miss != nil {
			if o := d.Detect(record(tc.call, role, req(tc.miss)).decode(t), nil); o.Kind == Matched {
				t.Errorf("%s of %v is a finding: %s", tc.call, tc.miss, o.Finding.Title)
			}
		}
		other := &Detector{Own: Own{Prefix: "sentry", Account: "111122223333"}}
		if o := other.Detect(record(tc.call, role, req(tc.hit)).decode(t), nil); o.Kind == Matched && guardCallOf([]byte(o.Finding.EventSource), []byte(o.Finding.EventName)).anyway == nil {
			t.Errorf("%s of %v is a finding to a guard with another prefix: %s", tc.call, tc.hit, o.Finding.Title)
		}
	}
}

// TestHarmlessOnOwnResources has calls on rootguard's own resources that take
// nothing away: the guard makes some of them itself, and people undo others.
func TestHarmlessOnOwnResources(t *testing.T) {
	for call, parameters := range map[string]fields{
		"lambda:DeleteFunctionConcurrency20171031": {"functionName": "rootguard-rootactivity"},
		"iam:TagRole":                    {"roleName": "rootguard-SweepRole"},
		"kms:EnableKey":                  {"keyId": "k"},
		"kms:DisableKeyRotation":         {"keyId": "k"},
		"monitoring:DeleteAlarmMuteRule": {"alarmMuteRuleName": "rootguard-x"},
		"monitoring:EnableAlarmActions":  {"alarmNames": []string{"rootguard-failed"}},
		"events:EnableRule":              {"name": "rootguard-root-sign-in"},
		"cloudtrail:StartLogging":        {"name": "management"},
		"cloudformation:CreateChangeSet": {"stackName": "rootguard"},
	} {
		d := &Detector{Own: Own{Keys: []string{"k"}}}
		if o := d.Detect(record(call, role, req(parameters)).decode(t), nil); o.Kind == Matched {
			t.Errorf("%s is a finding: %s", call, o.Finding.Title)
		}
	}
}
