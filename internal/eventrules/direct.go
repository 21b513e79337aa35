package eventrules

import (
	"slices"
	"strings"

	"rootguard/internal/eventpattern"
)

// cloudFormation is who makes the calls of a deployment: CloudTrail writes the
// name of a service that calls for someone as sourceIPAddress, which no caller
// can choose (AWS CloudTrail User Guide, "CloudTrail record contents").
const cloudFormation = "cloudformation.amazonaws.com"

// Direct are the rules that go around the functions and the table, to topics
// alone: they report who removes, disables, denies or replaces what rootguard is
// made of. What removes is always reported; what changes is, unless CloudFormation
// makes the call, since deployments do. Who starts a deployment of rootguard's stacks is
// reported too, by a rule of its own: one that replaces the functions can be an attack.
//
// Each call on rules matches two of them, and two of RulesFor: none of these
// rules is alone in watching itself. The prefix must be one that RulesFor takes.
func Direct(prefix string) []Rule {
	rules := []string{"DeleteRule", "DisableRule", "RemoveTargets"}
	changesRules := []string{"PutRule", "PutTargets"}
	return []Rule{
		{
			Name: "guard-removed", Description: "A function, role, stack or rule of rootguard is removed or changed",
			Pattern: direct{
				sources: []string{"cloudformation", "events", "iam", "lambda"},
				always: slices.Concat(rules, []string{
					"DeleteFunction", "DeleteFunction2*", "DeleteFunctionEventInvokeConfig*", "PutFunctionConcurrency*", "RemovePermission*",
					"DeleteRole", "DeleteRolePolicy", "DetachRolePolicy",
					"DeleteStack", "DeleteStackInstances", "DeleteStackSet", "StopStackSetOperation",
				}),
				changes: slices.Concat(changesRules, []string{
					"PutFunctionEventInvokeConfig*", "PutRuntimeManagementConfig*", "UpdateFunctionCode*", "UpdateFunctionConfiguration*",
					"UpdateFunctionEventInvokeConfig*",
					"AttachRolePolicy", "PutRolePermissionsBoundary", "PutRolePolicy", "UpdateAssumeRolePolicy",
				}),
				names: []string{"functionName", "name", "roleName", "rule", "stackName", "stackSetName"},
			}.pattern(prefix),
		},
		{
			Name: "guard-muted", Description: "A topic, queue, table, alarm or rule of rootguard is removed or changed",
			Pattern: direct{
				sources: []string{"dynamodb", "events", "monitoring", "sns", "sqs"},
				always: slices.Concat(rules, []string{
					"DeleteAlarms", "DeleteQueue", "DeleteTable", "DeleteTopic", "DisableAlarmActions", "PurgeQueue", "PutAlarmMuteRule",
					"PutDataProtectionPolicy", "RemovePermission", "SetAlarmState", "Unsubscribe",
				}),
				changes: slices.Concat(changesRules, []string{
					"AddPermission", "DeleteResourcePolicy", "PutMetricAlarm", "PutPermission", "PutResourcePolicy", "SetQueueAttributes",
					"SetSubscriptionAttributes", "SetTopicAttributes", "UpdateContinuousBackups", "UpdateTable", "UpdateTimeToLive",
				}),
				names: []string{"alarmName", "alarmNames", "muteTargets.alarmNames", "name", "queueUrl", "resourceArn", "rule", "statementId",
					"subscriptionArn", "tableName", "topicArn"},
			}.pattern(prefix),
		},
		{
			Name: Deployed, Description: "A deployment of rootguard begins",
			Pattern: direct{
				sources: []string{"cloudformation"},
				always:  []string{"ExecuteChangeSet", "UpdateStack", "UpdateStackInstances", "UpdateStackSet"},
				names:   []string{"stackName", "stackSetName"},
			}.pattern(prefix),
		},
		// No name of rootguard's is in these.
		{
			Name: "guard-cut-off", Description: "A trail, the event bus, all alarms or all text messages are switched off or changed",
			Pattern: patternOf(map[string]any{
				"source": services("cloudtrail", "events", "monitoring", "sns"), "detail-type": []string{eventpattern.APICall},
				"detail": map[string]any{
					"errorCode": absentField,
					"$or": []any{
						map[string]any{"eventName": []string{"DeleteTrail", "SetSMSAttributes", "StopLogging"}},
						map[string]any{"eventName": []string{"UpdateEventBus"}, "requestParameters": map[string]any{"name": []string{"default"}}},
						// Without targets a mute rule is for every alarm.
						map[string]any{"eventName": []string{"PutAlarmMuteRule"},
							"requestParameters": map[string]any{"muteTargets": map[string]any{"alarmNames": absentField}}},
					},
				},
			}),
		},
	}
}

// Deployed is the name of the rule about what begins a deployment, which is most often
// the operator's own.
const Deployed = "guard-deployed"

// locked is the name of the rule about the key.
const locked = "guard-locked"

// DirectKey is a further one of the Direct rules, where a KMS key of rootguard's
// own encrypts its topics: no record of KMS has a name, but all have the key's ARN
// among their resources (AWS KMS Developer Guide, "Logging AWS KMS API calls").
func DirectKey(arn string) Rule {
	return Rule{
		Name: locked, Description: "The key of rootguard is disabled, deleted or denied",
		Pattern: patternOf(map[string]any{
			"source": services("kms"), "detail-type": []string{eventpattern.APICall},
			"detail": map[string]any{
				"errorCode": absentField,
				"resources": map[string]any{"ARN": []string{arn}},
				"$or": []any{
					map[string]any{"eventName": []string{"DisableKey", "RevokeGrant", "ScheduleKeyDeletion"}},
					map[string]any{"eventName": []string{"PutKeyPolicy"}, "sourceIPAddress": notBy(cloudFormation)},
				},
			},
		}),
	}
}

// direct is a pattern for calls on what is named after the prefix.
type direct struct {
	sources         []string // without "aws."
	always, changes []string // eventNames; a star ends a prefix of one
	names           []string // the request parameters that name what the call is on
}

func (d direct) pattern(prefix string) string {
	named := []any{map[string]any{"wildcard": "*" + prefix + "*"}}
	one := make([]any, 0, len(d.names))
	for _, path := range d.names {
		var v any = named
		steps := strings.Split(path, ".")
		for _, step := range slices.Backward(steps) {
			v = map[string]any{step: v}
		}
		one = append(one, map[string]any{"requestParameters": v})
	}
	pattern := map[string]any{
		"source": services(d.sources...), "detail-type": []string{eventpattern.APICall},
		"detail": map[string]any{
			"errorCode": absentField,
			"$or":       one,
		},
	}
	if len(d.changes) == 0 {
		pattern["detail"].(map[string]any)["eventName"] = calls(d.always)
		return patternOf(pattern)
	}
	// Another $or: each of the two leads to wildcards of its own.
	pattern["$or"] = []any{
		map[string]any{"detail": map[string]any{"eventName": calls(d.always)}},
		map[string]any{"detail": map[string]any{"eventName": calls(d.changes), "sourceIPAddress": notBy(cloudFormation)}},
	}
	return patternOf(pattern)
}

var absentField = []any{map[string]any{"exists": false}}

func notBy(service string) []any { return []any{map[string]any{"anything-but": service}} }

func services(names ...string) []string {
	sources := make([]string, len(names))
	for i, name := range names {
		sources[i] = "aws." + name
	}
	return sources
}

// calls are values that match eventNames; a star ends a prefix of one.
func calls(names []string) []any {
	values := make([]any, len(names))
	for i, name := range names {
		values[i] = name
		if prefix, ok := strings.CutSuffix(name, "*"); ok {
			values[i] = map[string]any{"prefix": prefix}
		}
	}
	return values
}
