package eventrules

import (
	"encoding/json"
	"slices"
	"strings"
	"sync"
	"testing"

	"rootguard/internal/eventpattern"
)

const ownKey = "arn:aws:kms:us-east-1:111122223333:key/11111111-2222-3333-4444-555555555555"

// event is a call as it comes to the bus: service and name of the call, its
// parameters, and members of the record that differ from what is usual.
func callEvent(t *testing.T, call string, parameters map[string]any, more map[string]any) []byte {
	t.Helper()
	service, name, _ := strings.Cut(call, ":")
	detail := map[string]any{
		"eventSource": service + ".amazonaws.com", "eventName": name, "sourceIPAddress": "198.51.100.7", "requestParameters": parameters,
		"userIdentity": map[string]any{"type": "AssumedRole"},
	}
	for k, v := range more {
		detail[k] = v
	}
	raw, err := json.Marshal(map[string]any{"source": "aws." + service, "detail-type": eventpattern.APICall, "account": "111122223333", "region": "us-east-1", "detail": detail})
	if err != nil {
		t.Fatal(err)
	}
	return raw
}

// patterns are those that were compiled before, by their text.
var patterns sync.Map

// compiled compiles a pattern, once: the tests ask each rule about many events.
func compiled(pattern string) (*eventpattern.Pattern, error) {
	if p, ok := patterns.Load(pattern); ok {
		return p.(*eventpattern.Pattern), nil
	}
	p, err := eventpattern.Compile([]byte(pattern))
	if err == nil {
		patterns.Store(pattern, p)
	}
	return p, err
}

// through are the names of the rules that let an event through.
func through(t *testing.T, rules []Rule, event []byte) []string {
	t.Helper()
	var names []string
	for _, r := range rules {
		p, err := compiled(r.Pattern)
		if err != nil {
			t.Fatalf("rule %s: %v", r.Name, err)
		}
		ok, err := p.Match(event)
		if err != nil {
			t.Fatal(err)
		}
		if ok {
			names = append(names, r.Name)
		}
	}
	return names
}

func TestDirect(t *testing.T) {
	type m = map[string]any
	const (
		topic, table = "arn:aws:sns:us-east-1:111122223333:rootguard-TopicBFC7AF6E-x", "rootguard-TableCD117FA1-1ABC"
		queue, role  = "https://sqs.us-east-1.amazonaws.com/111122223333/rootguard-FailedX", "rootguard-RootactivityRole27F53DE7-abc"
		function     = "rootguard-rootactivity"
		removed      = "guard-removed"
		muted        = "guard-muted"
		deployed     = "guard-deployed"
		cutOff       = "guard-cut-off"
		locked       = "guard-locked"
	)
	byCloudFormation := m{"sourceIPAddress": "cloudformation.amazonaws.com", "userIdentity": m{"type": "AssumedRole", "invokedBy": "cloudformation.amazonaws.com"}}
	rules := append(Direct(DefaultPrefix), DirectKey(ownKey))
	for _, tc := range []struct {
		call    string
		p       m
		by      []string // the rules that report it
		deploys bool     // a deployment makes it too, and is not reported
	}{
		{"lambda:DeleteFunction20150331", m{"functionName": function}, []string{removed}, false},
		{"lambda:DeleteFunction", m{"functionName": "arn:aws:lambda:us-east-1:111122223333:function:" + function}, []string{removed}, false},
		{"lambda:DeleteFunctionConcurrency20171031", m{"functionName": function}, nil, false},
		{"lambda:DeleteFunctionUrlConfig", m{"functionName": function}, nil, false},
		{"lambda:DeleteFunctionEventInvokeConfig", m{"functionName": function}, []string{removed}, false},
		{"lambda:PutFunctionConcurrency20171031", m{"functionName": function, "reservedConcurrentExecutions": 0}, []string{removed}, false},
		{"lambda:UpdateFunctionCode20150331v2", m{"functionName": function}, []string{removed}, true},
		{"lambda:UpdateFunctionConfiguration20150331v2", m{"functionName": function}, []string{removed}, true},
		{"lambda:PutRuntimeManagementConfig", m{"functionName": function}, []string{removed}, true},
		{"lambda:RemovePermission20150331v2", m{"functionName": function}, []string{removed}, false},
		{"lambda:UpdateFunctionCode20150331v2", m{"functionName": "billing"}, nil, false},
		{"lambda:Invoke", m{"functionName": function}, nil, false},
		{"iam:PutRolePolicy", m{"roleName": role}, []string{removed}, true},
		{"iam:AttachRolePolicy", m{"roleName": role}, []string{removed}, true},
		{"iam:PutRolePermissionsBoundary", m{"roleName": role}, []string{removed}, true},
		{"iam:UpdateAssumeRolePolicy", m{"roleName": role}, []string{removed}, true},
		{"iam:DeleteRole", m{"roleName": role}, []string{removed}, false},
		{"iam:DeleteRolePolicy", m{"roleName": role}, []string{removed}, false},
		{"iam:DetachRolePolicy", m{"roleName": role}, []string{removed}, false},
		{"iam:DetachRolePolicy", m{"roleName": "admin"}, nil, false},
		{"iam:TagRole", m{"roleName": role}, nil, false},
		{"cloudformation:DeleteStack", m{"stackName": "rootguard"}, []string{removed}, false},
		{"cloudformation:UpdateStack", m{"stackName": "rootguard"}, []string{deployed}, false},
		{"cloudformation:ExecuteChangeSet", m{"changeSetName": "cdk-deploy-change-set", "stackName": "arn:aws:cloudformation:us-east-1:111122223333:stack/rootguard/1"}, []string{deployed}, false},
		{"cloudformation:CreateChangeSet", m{"stackName": "rootguard"}, nil, false},
		{"cloudformation:ExecuteChangeSet", m{"changeSetName": "x", "stackName": "billing"}, nil, false},
		{"cloudformation:UpdateStackInstances", m{"stackSetName": "rootguard-members"}, []string{deployed}, false},
		{"cloudformation:UpdateStackSet", m{"stackSetName": "rootguard-members"}, []string{deployed}, false},
		{"cloudformation:DeleteStackSet", m{"stackSetName": "rootguard-members:1"}, []string{removed}, false},
		{"cloudformation:DeleteStackInstances", m{"stackSetName": "rootguard-members"}, []string{removed}, false},
		{"cloudformation:StopStackSetOperation", m{"stackSetName": "rootguard-members"}, []string{removed}, false},
		{"cloudformation:DeleteStackInstances", m{"stackSetName": "baseline"}, nil, false},

		{"events:DisableRule", m{"name": "rootguard-guard-delivery"}, []string{removed, muted}, false},
		{"events:DeleteRule", m{"name": "rootguard-guard-removed"}, []string{removed, muted}, false},
		{"events:RemoveTargets", m{"rule": "rootguard-guard-muted"}, []string{removed, muted}, false},
		{"events:PutRule", m{"name": "rootguard-root-sign-in", "state": "DISABLED"}, []string{removed, muted}, true},
		{"events:PutTargets", m{"rule": "rootguard-root-sign-in"}, []string{removed, muted}, true},
		{"events:EnableRule", m{"name": "rootguard-root-sign-in"}, nil, false},
		{"events:DisableRule", m{"name": "nightly"}, nil, false},
		{"events:RemovePermission", m{"statementId": "rootguard-members", "eventBusName": "default"}, []string{muted}, false},
		{"events:PutPermission", m{"statementId": "rootguard-members", "eventBusName": "default"}, []string{muted}, true},
		{"events:PutPermission", m{"statementId": "partner", "eventBusName": "default"}, nil, false},
		{"events:UpdateEventBus", m{"name": "default", "kmsKeyIdentifier": "x"}, []string{cutOff}, false},
		{"events:UpdateEventBus", m{"name": "orders", "kmsKeyIdentifier": "x"}, nil, false},

		{"sns:DeleteTopic", m{"topicArn": topic}, []string{muted}, false},
		{"sns:Unsubscribe", m{"subscriptionArn": topic + ":1"}, []string{muted}, false},
		{"sns:SetSubscriptionAttributes", m{"subscriptionArn": topic + ":1", "attributeName": "FilterPolicy"}, []string{muted}, true},
		{"sns:SetTopicAttributes", m{"topicArn": topic, "attributeName": "Policy"}, []string{muted}, true},
		{"sns:AddPermission", m{"topicArn": topic}, []string{muted}, true},
		{"sns:RemovePermission", m{"topicArn": topic}, []string{muted}, false},
		{"sns:PutDataProtectionPolicy", m{"resourceArn": topic}, []string{muted}, false},
		{"sns:SetSMSAttributes", m{"attributes": m{"MonthlySpendLimit": "0"}}, []string{cutOff}, false},
		{"sns:Publish", m{"topicArn": topic}, nil, false},
		{"sns:DeleteTopic", m{"topicArn": "arn:aws:sns:us-east-1:111122223333:orders"}, nil, false},
		{"sqs:PurgeQueue", m{"queueUrl": queue}, []string{muted}, false},
		{"sqs:DeleteQueue", m{"queueUrl": queue}, []string{muted}, false},
		{"sqs:SetQueueAttributes", m{"queueUrl": queue}, []string{muted}, true},
		{"sqs:SetQueueAttributes", m{"queueUrl": strings.Replace(queue, "rootguard", "orders", 1)}, nil, false},

		{"dynamodb:DeleteTable", m{"tableName": table}, []string{muted}, false},
		{"dynamodb:UpdateTable", m{"tableName": table}, []string{muted}, true},
		{"dynamodb:PutResourcePolicy", m{"resourceArn": "arn:aws:dynamodb:us-east-1:111122223333:table/" + table}, []string{muted}, true},
		{"dynamodb:DeleteResourcePolicy", m{"resourceArn": "arn:aws:dynamodb:us-east-1:111122223333:table/" + table}, []string{muted}, true},
		{"dynamodb:UpdateTimeToLive", m{"tableName": table}, []string{muted}, true},
		{"dynamodb:UpdateContinuousBackups", m{"tableName": table}, []string{muted}, true},
		{"dynamodb:UpdateTable", m{"tableName": "orders"}, nil, false},

		{"monitoring:DeleteAlarms", m{"alarmNames": []string{"cpu", "rootguard-failed"}}, []string{muted}, false},
		{"monitoring:DisableAlarmActions", m{"alarmNames": []string{"rootguard-failed"}}, []string{muted}, false},
		{"monitoring:SetAlarmState", m{"alarmName": "rootguard-failed", "stateValue": "OK"}, []string{muted}, false},
		{"monitoring:PutMetricAlarm", m{"alarmName": "rootguard-failed", "actionsEnabled": false}, []string{muted}, true},
		{"monitoring:PutAlarmMuteRule", m{"name": "x", "muteTargets": m{"alarmNames": []string{"rootguard-failed"}}}, []string{muted}, false},
		{"monitoring:PutAlarmMuteRule", m{"name": "x"}, []string{cutOff}, false},
		{"monitoring:PutAlarmMuteRule", m{"name": "x", "muteTargets": m{"alarmNames": []string{"cpu"}}}, nil, false},
		{"monitoring:DeleteAlarmMuteRule", m{"alarmMuteRuleName": "x"}, nil, false},
		{"monitoring:DeleteAlarms", m{"alarmNames": []string{"cpu"}}, nil, false},

		{"cloudtrail:StopLogging", m{"name": "management"}, []string{cutOff}, false},
		{"cloudtrail:DeleteTrail", m{"name": "management"}, []string{cutOff}, false},
		{"cloudtrail:StartLogging", m{"name": "management"}, nil, false},

		{"kms:DisableKey", m{"keyId": "11111111-2222-3333-4444-555555555555"}, []string{locked}, false},
		{"kms:ScheduleKeyDeletion", m{"keyId": ownKey}, []string{locked}, false},
		{"kms:RevokeGrant", m{"keyId": ownKey}, []string{locked}, false},
		{"kms:PutKeyPolicy", m{"keyId": ownKey}, []string{locked}, true},
		{"kms:EnableKeyRotation", m{"keyId": ownKey}, nil, false},
	} {
		key := func(arn string) []any { return []any{m{"ARN": arn, "type": "AWS::KMS::Key"}} }
		if got := through(t, rules, callEvent(t, tc.call, tc.p, m{"resources": key(ownKey)})); !slices.Equal(got, tc.by) {
			t.Errorf("%s of %v: reported by %v, want %v", tc.call, tc.p, got, tc.by)
		}
		if got := through(t, rules, callEvent(t, tc.call, tc.p, m{"resources": key(ownKey), "errorCode": "AccessDenied"})); got != nil {
			t.Errorf("%s of %v, denied: reported by %v", tc.call, tc.p, got)
		}
		deployed := m{"resources": key(ownKey)}
		for k, v := range byCloudFormation {
			deployed[k] = v
		}
		want := tc.by
		if tc.deploys {
			want = nil
		}
		if got := through(t, rules, callEvent(t, tc.call, tc.p, deployed)); !slices.Equal(got, want) {
			t.Errorf("%s of %v by a deployment: reported by %v, want %v", tc.call, tc.p, got, want)
		}
		if strings.HasPrefix(tc.call, "kms:") {
			if got := through(t, rules, callEvent(t, tc.call, tc.p, m{"resources": key("arn:aws:kms:us-east-1:111122223333:key/other")})); got != nil {
				t.Errorf("%s of another key: reported by %v", tc.call, got)
			}
		}
	}
}

// TestWatchersAreWatched holds that anyone who takes one rule out of the way is
// reported by another, and by one that needs no function, while it is gone.
func TestWatchersAreWatched(t *testing.T) {
	rules, err := RulesFor(DefaultPrefix)
	if err != nil {
		t.Fatal(err)
	}
	direct := append(Direct(DefaultPrefix), DirectKey(ownKey))
	all := slices.Concat(rules, []Rule{QuarantineRule(DefaultPrefix)}, Heartbeats(DefaultPrefix, "111122223333"), []Rule{Alive(DefaultPrefix, "111122223333")}, direct)
	names := []string{"schedule-rootactivity"}
	for _, r := range all {
		names = append(names, r.Name)
	}
	for _, name := range names {
		// A forwarder has the rules of RulesFor alone.
		for _, deployed := range []string{"rootguard-" + name, "rootguard-forward-" + name} {
			for call, parameter := range map[string]string{"DisableRule": "name", "DeleteRule": "name", "RemoveTargets": "rule", "PutRule": "name"} {
				event := callEvent(t, "events:"+call, map[string]any{parameter: deployed, "state": "DISABLED"}, nil)
				others := func(of []Rule) []string {
					return through(t, slices.DeleteFunc(slices.Clone(of), func(r Rule) bool { return r.Name == name }), event)
				}
				if got := others(rules); len(got) == 0 {
					t.Errorf("%s of %s reaches no function by another rule", call, deployed)
				}
				if got := others(direct); len(got) == 0 {
					t.Errorf("%s of %s is reported by no other direct rule", call, deployed)
				}
				if got := through(t, all, event); len(got) < 4 {
					t.Errorf("%s of %s matches %v, want two rules to functions and two direct ones", call, deployed, got)
				}
			}
		}
	}
}
