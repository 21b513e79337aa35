package detect

import (
	"testing"
)

// quarantine is the caller with a role of that name.
func quarantine(name string) fields {
	return fields{"userIdentity": fields{"type": "AssumedRole", "principalId": "AROA:q", "arn": "arn:aws:sts::111122223333:assumed-role/" + name + "/rootguard", "accountId": "111122223333"}}
}

// TestQuarantinesByAccount holds that a role counts as the guard's in the account
// in which the guard has it.
func TestQuarantinesByAccount(t *testing.T) {
	taken := func(by string) fields {
		return record("iam:DetachUserPolicy", quarantine(by), req(fields{"userName": "eve", "policyArn": "arn:aws:iam::111122223333:policy/rootguard-quarantine"}))
	}
	const itself, tampered = "- rootguard itself took arn:aws:iam::111122223333:policy/rootguard-quarantine off the user", "critical guard.tampered | Guardrail tampered with: DetachUserPolicy rootguard-quarantine"
	run(t, &Detector{Own: Own{Account: "111122223333"}}, nil, []verdict{
		{"home, own role", taken("rootguard-quarantine"), itself},
		{"home, a member's role", taken("rootguard-quarantine-member"), tampered},
	})
	run(t, &Detector{Own: Own{Account: "444455556666"}}, nil, []verdict{
		{"member, the guard's role", taken("rootguard-quarantine"), tampered},
		{"member, own role", taken("rootguard-quarantine-member"), itself},
	})
}

func TestTampering(t *testing.T) {
	const arn = "arn:aws:lambda:us-east-1:111122223333:function:"
	management := func(include bool, kind string) fields {
		return req(fields{"trailName": "t", "eventSelectors": []fields{{"includeManagementEvents": include, "readWriteType": kind}}})
	}
	advanced := func(selectors ...fields) fields {
		var list []fields
		for _, s := range selectors {
			var filters []fields
			for field, equals := range s {
				filters = append(filters, fields{"field": field, "equals": []any{equals}})
			}
			list = append(list, fields{"fieldSelectors": filters})
		}
		return req(fields{"trailName": "t", "advancedEventSelectors": list})
	}
	const harmlessT = "- the call on t takes nothing away that rootguard needs"
	run(t, new(Detector), nil, []verdict{
		{"trail stopped", record("cloudtrail:StopLogging", role, req(fields{"name": "t"})), "critical guard.tampered | Guardrail tampered with: StopLogging t"},
		{"trail stopped by root", record("cloudtrail:StopLogging", root, req(fields{"name": "t"})), "critical guard.tampered+root.activity | Guardrail tampered with: StopLogging t, by ROOT"},
		{"trail started", record("cloudtrail:StartLogging", role, req(fields{"name": "t"})), "skipped"},
		{"trail deleted", record("cloudtrail:DeleteTrail", role, req(fields{"name": "arn:aws:cloudtrail:us-east-1:1:trail/t"})), "critical guard.tampered | Guardrail tampered with: DeleteTrail t"},
		{"trail not there", record("cloudtrail:DeleteTrail", role, req(fields{"name": "t"}), fields{"errorCode": "TrailNotFoundException"}), "- there is nothing of that name: TrailNotFoundException"},
		{"trail deletion denied, not named", record("cloudtrail:DeleteTrail", role, denied), "high guard.tampered | Guardrail tampering denied: DeleteTrail (not named)"},
		{"trail narrowed to one Region", record("cloudtrail:UpdateTrail", role, req(fields{"name": "t", "isMultiRegionTrail": false})), "critical guard.tampered | Guardrail tampered with: UpdateTrail t"},
		{"trail without global services", record("cloudtrail:UpdateTrail", role, req(fields{"name": "t", "includeGlobalServiceEvents": "false"})), "critical guard.tampered | Guardrail tampered with: UpdateTrail t"},
		{"trail with another bucket", record("cloudtrail:UpdateTrail", role, req(fields{"name": "t", "s3BucketName": "b", "isMultiRegionTrail": true})), harmlessT},
		{"trail update denied", record("cloudtrail:UpdateTrail", role, denied), "high guard.tampered | Guardrail tampering denied: UpdateTrail (not named)"},
		{"management events off", record("cloudtrail:PutEventSelectors", role, management(false, "All")), "critical guard.tampered | Guardrail tampered with: PutEventSelectors t"},
		{"management events read-only", record("cloudtrail:PutEventSelectors", role, management(true, "ReadOnly")), "critical guard.tampered | Guardrail tampered with: PutEventSelectors t"},
		{"management events write-only, of some trail", record("cloudtrail:PutEventSelectors", role, management(true, "WriteOnly")), harmlessT},
		{"management events on", record("cloudtrail:PutEventSelectors", role, management(true, "All")), harmlessT},
		{"advanced, on", record("cloudtrail:PutEventSelectors", role, advanced(fields{"eventCategory": "Management"})), harmlessT},
		{"advanced, in two", record("cloudtrail:PutEventSelectors", role, advanced(fields{"eventCategory": "Management", "readOnly": "true"}, fields{"eventCategory": "Management", "readOnly": "false"})), harmlessT},
		{"advanced, read-only", record("cloudtrail:PutEventSelectors", role, advanced(fields{"eventCategory": "Management", "readOnly": "true"})), "critical guard.tampered | Guardrail tampered with: PutEventSelectors t"},
		{"advanced, one service", record("cloudtrail:PutEventSelectors", role, advanced(fields{"eventCategory": "Management", "eventSource": "s3.amazonaws.com"})), "critical guard.tampered | Guardrail tampered with: PutEventSelectors t"},
		{"advanced, data events alone", record("cloudtrail:PutEventSelectors", role, advanced(fields{"eventCategory": "Data"})), "critical guard.tampered | Guardrail tampered with: PutEventSelectors t"},
		{"advanced, all but KMS", record("cloudtrail:PutEventSelectors", role, req(fields{"trailName": "t", "advancedEventSelectors": []fields{{"fieldSelectors": []fields{
			{"field": "eventCategory", "equals": []string{"Management"}}, {"field": "eventSource", "notEquals": []string{"kms.amazonaws.com"}},
		}}}})), harmlessT},

		{"rule disabled", record("events:DisableRule", role, req(fields{"name": "rootguard-root"})), "critical guard.tampered | Guardrail tampered with: DisableRule rootguard-root"},
		{"rule disabled, other case", record("events:DisableRule", role, req(fields{"name": "RootguardStack-Rule1"})), "critical guard.tampered | Guardrail tampered with: DisableRule RootguardStack-Rule1"},
		{"another's rule", record("events:DisableRule", role, req(fields{"name": "my-rootguard"})), "- my-rootguard is no resource of rootguard"},
		{"a rule of something whose name begins alike", record("events:DisableRule", role, req(fields{"name": "rootguardian-web"})), "- rootguardian-web is no resource of rootguard"},
		{"the prefix alone", record("dynamodb:DeleteTable", role, req(fields{"tableName": "arn:aws:dynamodb:us-east-1:1:table/rootguard"})), "critical guard.tampered | Guardrail tampered with: DeleteTable rootguard"},
		{"rule enabled", record("events:EnableRule", role, req(fields{"name": "rootguard-root"})), "skipped"},
		{"another service's DisableRule", record("waf:DisableRule", role, req(fields{"name": "rootguard-root"})), "skipped"},
		{"rule deletion denied", record("events:DeleteRule", role, fields{"errorCode": "AccessDenied", "errorMessage": "User: arn:aws:iam::1:user/x is not authorized to perform: events:DeleteRule on resource: arn:aws:events:us-east-1:1:rule/rootguard-root because no identity-based policy allows the events:DeleteRule action"}),
			"high guard.tampered | Guardrail tampering denied: DeleteRule rootguard-root"},
		{"rule deletion denied by a policy", record("events:DeleteRule", role, fields{"errorCode": "AccessDenied", "errorMessage": "User: arn:aws:iam::1:user/x is not authorized to perform: events:DeleteRule on resource: arn:aws:events:us-east-1:1:rule/rootguard-root with an explicit deny in a service control policy"}),
			"high guard.tampered | Guardrail tampering denied: DeleteRule rootguard-root"},
		{"denied, nothing named", record("events:DeleteRule", role, denied), "- (not named) is no resource of rootguard"},
		{"rule not there", record("events:DeleteRule", role, req(fields{"name": "rootguard-root"}), unfound), "- there is nothing of that name: ResourceNotFoundException"},
		{"targets removed", record("events:RemoveTargets", role, req(fields{"rule": "rootguard-root", "ids": []string{"Target0"}})), "critical guard.tampered | Guardrail tampered with: RemoveTargets rootguard-root"},
		{"rule put, disabled", record("events:PutRule", cfn, req(fields{"name": "rootguard-root", "state": "DISABLED"})), "critical guard.tampered | Guardrail tampered with: PutRule rootguard-root"},
		{"rule put, other pattern", record("events:PutRule", role, req(fields{"name": "rootguard-root", "eventPattern": "{}", "state": "ENABLED"})), "critical guard.tampered | Guardrail tampered with: PutRule rootguard-root"},
		{"rule put by a deployment", record("events:PutRule", cfn, req(fields{"name": "rootguard-root", "eventPattern": "{}"})), "critical guard.tampered | Guardrail tampered with: PutRule rootguard-root"},
		{"rule deleted by a deployment", record("events:DeleteRule", cfn, req(fields{"name": "rootguard-root"})), "critical guard.tampered | Guardrail tampered with: DeleteRule rootguard-root"},

		{"unsubscribed", record("sns:Unsubscribe", role, req(fields{"subscriptionArn": "arn:aws:sns:us-east-1:1:rootguard-ops:1b2c"})), "critical guard.tampered | Guardrail tampered with: Unsubscribe rootguard-ops"},
		{"unsubscribed from another", record("sns:Unsubscribe", role, req(fields{"subscriptionArn": "arn:aws:sns:us-east-1:1:ops:1b2c"})), "- arn:aws:sns:us-east-1:1:ops:1b2c is no resource of rootguard"},
		{"topic deleted", record("sns:DeleteTopic", role, req(fields{"topicArn": "arn:aws:sns:us-east-1:1:rootguard-ops"})), "critical guard.tampered | Guardrail tampered with: DeleteTopic rootguard-ops"},
		{"topic policy", record("sns:SetTopicAttributes", role, req(fields{"topicArn": "arn:aws:sns:us-east-1:1:rootguard-ops", "attributeName": "Policy"})), "critical guard.tampered | Guardrail tampered with: SetTopicAttributes rootguard-ops"},
		{"filter put, by a deployment too", record("sns:SetSubscriptionAttributes", cfn, req(fields{"subscriptionArn": "arn:aws:sns:us-east-1:1:rootguard-ops:1b2c", "attributeName": "FilterPolicy"})), "critical guard.tampered | Guardrail tampered with: SetSubscriptionAttributes rootguard-ops"},

		{"table deleted", record("dynamodb:DeleteTable", role, req(fields{"tableName": "rootguard"})), "critical guard.tampered | Guardrail tampered with: DeleteTable rootguard"},
		{"table unprotected", record("dynamodb:UpdateTable", role, req(fields{"tableName": "rootguard", "deletionProtectionEnabled": false})), "critical guard.tampered | Guardrail tampered with: UpdateTable rootguard"},
		{"table billed otherwise", record("dynamodb:UpdateTable", role, req(fields{"tableName": "rootguard", "billingMode": "PAY_PER_REQUEST"})), "critical guard.tampered | Guardrail tampered with: UpdateTable rootguard"},

		{"function deleted", record("lambda:DeleteFunction20150331", role, req(fields{"functionName": arn + "rootguard-sweep"})), "critical guard.tampered | Guardrail tampered with: DeleteFunction rootguard-sweep"},
		{"function deleted, without a version", record("lambda:DeleteFunction", role, req(fields{"functionName": "rootguard-sweep"})), "critical guard.tampered | Guardrail tampered with: DeleteFunction rootguard-sweep"},
		{"its URL deleted, another call", record("lambda:DeleteFunctionUrlConfig", role, req(fields{"functionName": "rootguard-sweep"})), "skipped"},
		{"its on-failure destination deleted", record("lambda:DeleteFunctionEventInvokeConfig", role, req(fields{"functionName": "rootguard-sweep"})), "critical guard.tampered | Guardrail tampered with: DeleteFunctionEventInvokeConfig rootguard-sweep"},
		{"code replaced", record("lambda:UpdateFunctionCode20150331v2", role, req(fields{"functionName": "rootguard-sweep"})), "critical guard.tampered | Guardrail tampered with: UpdateFunctionCode rootguard-sweep"},
		{"code replaced by a deployment", record("lambda:UpdateFunctionCode20150331v2", cfn, req(fields{"functionName": "rootguard-sweep"})), "critical guard.tampered | Guardrail tampered with: UpdateFunctionCode rootguard-sweep"},
		{"settings replaced", record("lambda:UpdateFunctionConfiguration20150331v2", role, req(fields{"functionName": "rootguard-sweep"})), "critical guard.tampered | Guardrail tampered with: UpdateFunctionConfiguration rootguard-sweep"},
		{"permission removed", record("lambda:RemovePermission20150331v2", role, req(fields{"functionName": "rootguard-sweep"})), "critical guard.tampered | Guardrail tampered with: RemovePermission rootguard-sweep"},
		{"concurrency zero, by a deployment too", record("lambda:PutFunctionConcurrency20171031", cfn, req(fields{"functionName": "rootguard-sweep", "reservedConcurrentExecutions": 0})), "critical guard.tampered | Guardrail tampered with: PutFunctionConcurrency rootguard-sweep"},
		{"concurrency one, by a deployment", record("lambda:PutFunctionConcurrency20171031", cfn, req(fields{"functionName": "rootguard-sweep", "reservedConcurrentExecutions": 1})), "critical guard.tampered | Guardrail tampered with: PutFunctionConcurrency rootguard-sweep"},

		{"queue deleted", record("sqs:DeleteQueue", role, req(fields{"queueUrl": "https://sqs.us-east-1.amazonaws.com/1/rootguard-dlq"})), "critical guard.tampered | Guardrail tampered with: DeleteQueue rootguard-dlq"},
		{"queue purged", record("sqs:PurgeQueue", role, req(fields{"queueUrl": "https://sqs.us-east-1.amazonaws.com/1/rootguard-dlq"})), "critical guard.tampered | Guardrail tampered with: PurgeQueue rootguard-dlq"},
		{"another's queue", record("sqs:PurgeQueue", role, req(fields{"queueUrl": "https://sqs.us-east-1.amazonaws.com/1/dlq"})), "- https://sqs.us-east-1.amazonaws.com/1/dlq is no resource of rootguard"},

		{"role policy removed", record("iam:DetachRolePolicy", role, req(fields{"roleName": "rootguard-sweep-role"})), "critical guard.tampered | Guardrail tampered with: DetachRolePolicy rootguard-sweep-role"},
		{"role policy put by a deployment", record("iam:PutRolePolicy", cfn, req(fields{"roleName": "rootguard-sweep-role"})), "critical guard.tampered | Guardrail tampered with: PutRolePolicy rootguard-sweep-role"},
		{"role policy removal denied", record("iam:DeleteRolePolicy", role, fields{"errorCode": "AccessDenied", "errorMessage": "User: x is not authorized to perform: iam:DeleteRolePolicy on resource: role rootguard-sweep-role because no identity-based policy allows it"}), "high guard.tampered | Guardrail tampering denied: DeleteRolePolicy rootguard-sweep-role"},
		{"user taken out of quarantine", record("iam:DetachUserPolicy", role, req(fields{"userName": "eve", "policyArn": "arn:aws:iam::111122223333:policy/rootguard-quarantine"})), "critical guard.tampered | Guardrail tampered with: DetachUserPolicy rootguard-quarantine"},
		{"user taken out of quarantine by the guard", record("iam:DetachUserPolicy", quarantine("rootguard-quarantine"), req(fields{"userName": "eve", "policyArn": "arn:aws:iam::111122223333:policy/rootguard-quarantine"})), "- rootguard itself took arn:aws:iam::111122223333:policy/rootguard-quarantine off the user"},
		{"and in another account", record("iam:DetachUserPolicy", quarantine("rootguard-quarantine-member"), req(fields{"userName": "eve", "policyArn": "arn:aws:iam::111122223333:policy/rootguard-quarantine"})), "- rootguard itself took arn:aws:iam::111122223333:policy/rootguard-quarantine off the user"},
		{"by a role whose name goes on", record("iam:DetachUserPolicy", quarantine("rootguard-quarantine-x"), req(fields{"userName": "eve", "policyArn": "arn:aws:iam::111122223333:policy/rootguard-quarantine"})), "critical guard.tampered | Guardrail tampered with: DetachUserPolicy rootguard-quarantine"},
		{"by such a role of another account", record("iam:DetachUserPolicy", quarantine("rootguard-quarantine"), fields{"recipientAccountId": "444455556666"}, req(fields{"userName": "eve", "policyArn": "arn:aws:iam::444455556666:policy/rootguard-quarantine"})), "critical guard.tampered | Guardrail tampered with: DetachUserPolicy rootguard-quarantine"},
		{"user put into quarantine by hand", record("iam:AttachUserPolicy", role, req(fields{"userName": "eve", "policyArn": "arn:aws:iam::111122223333:policy/rootguard-quarantine"})), "critical guard.tampered | Guardrail tampered with: AttachUserPolicy rootguard-quarantine"},
		{"user put into quarantine by the guard", record("iam:AttachUserPolicy", quarantine("rootguard-quarantine"), req(fields{"userName": "eve", "policyArn": "arn:aws:iam::111122223333:policy/rootguard-quarantine"})), "- rootguard itself put arn:aws:iam::111122223333:policy/rootguard-quarantine on the user"},
		{"another policy taken off a user", record("iam:DetachUserPolicy", role, req(fields{"userName": "eve", "policyArn": "arn:aws:iam::111122223333:policy/acme-quarantine"})), "- permissions were taken away"},
		{"quarantine's policy deleted", record("iam:DeletePolicy", role, req(fields{"policyArn": "arn:aws:iam::111122223333:policy/rootguard-quarantine"})), "critical guard.tampered | Guardrail tampered with: DeletePolicy rootguard-quarantine"},
		{"quarantine's policy changed by its own role", record("iam:CreatePolicyVersion", quarantine("rootguard-quarantine"), req(fields{"policyArn": "arn:aws:iam::111122223333:policy/rootguard-quarantine"})), "critical guard.tampered | Guardrail tampered with: CreatePolicyVersion rootguard-quarantine"},
		{"quarantine's policy changed by a deployment", record("iam:SetDefaultPolicyVersion", cfn, req(fields{"policyArn": "arn:aws:iam::111122223333:policy/rootguard-quarantine"})), "critical guard.tampered | Guardrail tampered with: SetDefaultPolicyVersion rootguard-quarantine"},
		{"another policy deleted", record("iam:DeletePolicy", role, req(fields{"policyArn": "arn:aws:iam::111122223333:policy/x"})), "skipped"},
		{"another's role", record("iam:DetachRolePolicy", role, req(fields{"roleName": "sweep"})), "skipped"},

		{"key disabled, whose is not known", record("kms:DisableKey", role, req(fields{"keyId": "1234"})), "- whether this key is rootguard's cannot be known from the record"},
		{"key alias deleted", record("kms:DeleteAlias", role, req(fields{"aliasName": "alias/rootguard"})), "critical guard.tampered | Guardrail tampered with: DeleteAlias rootguard"},
		{"schedule deleted", record("scheduler:DeleteSchedule", role, req(fields{"name": "rootguard-sweep"})), "critical guard.tampered | Guardrail tampered with: DeleteSchedule rootguard-sweep"},
		{"schedule in our group deleted", record("scheduler:DeleteSchedule", role, req(fields{"name": "sweep", "groupName": "rootguard"})), "critical guard.tampered | Guardrail tampered with: DeleteSchedule rootguard"},
		{"schedule disabled, by a deployment too", record("scheduler:UpdateSchedule", cfn, req(fields{"name": "rootguard-sweep", "state": "DISABLED"})), "critical guard.tampered | Guardrail tampered with: UpdateSchedule rootguard-sweep"},
		{"alarms deleted", record("monitoring:DeleteAlarms", role, req(fields{"alarmNames": []any{"cpu", 7, "rootguard-dlq"}})), "critical guard.tampered | Guardrail tampered with: DeleteAlarms rootguard-dlq"},
		{"other alarms deleted", record("monitoring:DeleteAlarms", role, req(fields{"alarmNames": []string{"cpu", "disk"}})), "- cpu is no resource of rootguard"},
		{"alarm silenced", record("monitoring:PutMetricAlarm", cfn, req(fields{"alarmName": "rootguard-dlq", "actionsEnabled": false})), "critical guard.tampered | Guardrail tampered with: PutMetricAlarm rootguard-dlq"},
		{"log group deleted", record("logs:DeleteLogGroup", role, req(fields{"logGroupName": "/aws/lambda/rootguard-sweep"})), "critical guard.tampered | Guardrail tampered with: DeleteLogGroup rootguard-sweep"},
		{"stack deleted", record("cloudformation:DeleteStack", role, req(fields{"stackName": "rootguard-guard"})), "critical guard.tampered | Guardrail tampered with: DeleteStack rootguard-guard"},
		{"stack unprotected", record("cloudformation:UpdateTerminationProtection", role, req(fields{"stackName": "rootguard-guard", "enableTerminationProtection": false})), "critical guard.tampered | Guardrail tampered with: UpdateTerminationProtection rootguard-guard"},
		{"stack protected", record("cloudformation:UpdateTerminationProtection", role, req(fields{"stackName": "rootguard-guard", "enableTerminationProtection": true})), "- the call on rootguard-guard takes nothing away that rootguard needs"},
	})
}

func TestOwnNamed(t *testing.T) {
	const trail = "arn:aws:cloudtrail:us-east-1:111122223333:trail/main"
	d := &Detector{Own: Own{Prefix: "sentry", Trails: []string{trail, ""}, Keys: []string{"arn:aws:kms:us-east-1:111122223333:key/1234"}}}
	writeOnly := fields{"trailName": "main", "eventSelectors": []fields{{"includeManagementEvents": true, "readWriteType": "WriteOnly"}}}
	run(t, d, nil, []verdict{
		{"our trail by name", record("cloudtrail:StopLogging", role, req(fields{"name": "main"})), "critical guard.tampered | Guardrail tampered with: StopLogging main"},
		{"our trail by ARN", record("cloudtrail:StopLogging", role, req(fields{"name": trail})), "critical guard.tampered | Guardrail tampered with: StopLogging main"},
		{"our prefix", record("cloudtrail:StopLogging", role, req(fields{"name": "sentry-trail"})), "critical guard.tampered | Guardrail tampered with: StopLogging sentry-trail"},
		{"another account's trail of that name", record("cloudtrail:StopLogging", role, req(fields{"name": "arn:aws:cloudtrail:us-east-1:444455556666:trail/main"})), "- arn:aws:cloudtrail:us-east-1:444455556666:trail/main is no resource of rootguard"},
		{"another trail", record("cloudtrail:StopLogging", role, req(fields{"name": "side"})), "- side is no resource of rootguard"},
		{"our trail without reads, by which aws login is seen", record("cloudtrail:PutEventSelectors", role, req(writeOnly)), "critical guard.tampered | Guardrail tampered with: PutEventSelectors main"},
		{"our key", record("kms:ScheduleKeyDeletion", role, req(fields{"keyId": "1234"})), "critical guard.tampered | Guardrail tampered with: ScheduleKeyDeletion 1234"},
		{"another key", record("kms:ScheduleKeyDeletion", role, req(fields{"keyId": "5678"})), "- 5678 is no resource of rootguard"},
		{"the default prefix is not ours now", record("events:DisableRule", role, req(fields{"name": "rootguard-root"})), "- rootguard-root is no resource of rootguard"},
		{"our rule", record("events:DisableRule", role, req(fields{"name": "sentry-root"})), "critical guard.tampered | Guardrail tampered with: DisableRule sentry-root"},
	})
}

func TestTamperingDetail(t *testing.T) {
	f := new(Detector).Detect(record("lambda:UpdateFunctionCode20150331v2", cfn, req(fields{"functionName": "rootguard-sweep"})).decode(t), nil).Finding
	if want := "The function runs other code now. CloudFormation made the call, for a stack that the record does not name."; f.Detail != want {
		t.Errorf("got %q, want %q", f.Detail, want)
	}
	f = new(Detector).Detect(record("events:DisableRule", role, req(fields{"name": "rootguard-root"}), fields{"errorCode": "ThrottlingException"}).decode(t), nil).Finding
	if f.Severity != High || f.Title != "Guardrail tampering failed: DisableRule rootguard-root" || f.Detail != "The call failed; ThrottlingException." {
		t.Errorf("%s %q %q", f.Severity, f.Title, f.Detail)
	}
}

// Every row is reachable by its own name, and a longer name is another call.
func TestGuardCallOf(t *testing.T) {
	for source, rows := range guardCalls {
		for _, row := range rows {
			if got := guardCallOf([]byte(source), []byte(row.name)); got == nil || got.name != row.name || row.effect == "" || len(row.fields) == 0 && row.anyway == nil {
				t.Errorf("%s %s: %+v", source, row.name, got)
			}
			if guardCallOf([]byte(source), []byte(row.name+"X")) != nil || guardCallOf([]byte("x.amazonaws.com"), []byte(row.name)) != nil {
				t.Errorf("%s %s matches another call", source, row.name)
			}
		}
	}
	if guardCallOf([]byte("events.amazonaws.com"), []byte("DeleteRule2")) != nil {
		t.Error("only Lambda's names carry a version")
	}
	for rest, is := range map[string]bool{"": true, "0": true, "20150331v2": true, "9": true, "/": false, ":": false, "Concurrency": false} {
		if got := guardCallOf([]byte(lambdaSource), []byte("DeleteFunctionEventInvokeConfig"+rest)); (got != nil) != is {
			t.Errorf("%q after the name: %+v", rest, got)
		}
	}
}

// TestPart: a name is rootguard's where the prefix is a word of its own in it.
func TestPart(t *testing.T) {
	for _, tt := range []struct{ prefix, name, want string }{
		{"", "rootguard", "rootguard"}, {"", "rootguard-x", "rootguard-x"}, {"", "RootguardX", "RootguardX"}, {"", "a/rootguard{x", "rootguard{x"},
		{"", "rootguardian", ""}, {"", "rootguarda", ""}, {"", "rootguardz", ""}, {"", "my-rootguard", ""}, {"", "rootguar", ""},
		{"", "arn:aws:sns:us-east-1:1:rootguard-T", "rootguard-T"},
		{"acme-", "acme-x", "acme-x"}, {"acme-", "acme-", "acme-"}, {"acme-", "acmex", ""}, {"acme", "acmex", ""}, {"acme", "acme~x", "acme~x"},
	} {
		if got := (&Own{Prefix: tt.prefix}).part(tt.name); got != tt.want {
			t.Errorf("part of %q with prefix %q is %q, want %q", tt.name, tt.prefix, got, tt.want)
		}
	}
}
