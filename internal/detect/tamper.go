package detect

import (
	"slices"
	"strings"

	"rootguard/internal/cloudtrail"
)

// QuarantineRole ends the name, after the prefix, of the role by which users are
// quarantined in the guard's own account, and of the policy that is put on them.
// With MemberRole after it, it is the role in another account.
const (
	QuarantineRole = "-quarantine"
	MemberRole     = "-member"
)

// DefaultPrefix begins the names of rootguard's resources.
const DefaultPrefix = "rootguard"

// Own names the resources that make up rootguard itself.
type Own struct {
	// Prefix begins the names of its functions, rules, topic, table, queues,
	// roles, alarms, schedules, log groups and stacks, as a word: no small letter
	// follows it. Letter case does not matter. "" is DefaultPrefix.
	Prefix string
	// Trails are the names or ARNs of the trails that feed it. Empty means any
	// trail, since the one that does is then not known.
	Trails []string
	// Keys are the IDs or ARNs of its KMS keys. A record of KMS names a key by
	// these alone, never by alias: with none given, only aliases are watched.
	Keys []string
	// Account is the guard's own, "" where it is not known.
	Account string
}

// harm is what a call does to the resource it names.
type harm uint8

const (
	harmless harm = iota
	changes       // works differently afterwards; a deployment does this too
	removes       // gone or switched off
)

// guardCall is a call that can switch rootguard off, if it names one of its resources.
type guardCall struct {
	name   string   // eventName; of Lambda without the API version
	fields []string // the request parameters that name the resources, as "a" or "a.b"
	harm   func(p params, named bool) harm
	effect string // one sentence
	// anyway names what of rootguard's a call is about that names none of its
	// resources; "" where it is about none. It may be nil.
	anyway func(p params) string
}

// always is the harm of a call that does the same whatever its parameters say.
func always(h harm) func(params, bool) harm { return func(params, bool) harm { return h } }

// when is the harm of a call with a certain parameter, else the other one.
func when(otherwise harm, test func(params) bool) func(params, bool) harm {
	return func(p params, _ bool) harm {
		if test(p) {
			return removes
		}
		return otherwise
	}
}

// deploymentCalls are those that CloudFormation makes for a new version, by
// eventSource: it replaces code, settings, patterns, and permissions of functions. None
// is on the topics, receivers, table, trail or keys, or says who may become a role.
var deploymentCalls = map[string][]string{
	"events.amazonaws.com": {"PutRule", "PutTargets"},
	lambdaSource: {
		"UpdateFunctionCode", "UpdateFunctionConfiguration", "AddPermission", "RemovePermission", "PutFunctionEventInvokeConfig",
		"UpdateFunctionEventInvokeConfig", "PutFunctionConcurrency", "PutRuntimeManagementConfig",
	},
	cloudtrail.IAMSource: {"PutRolePolicy", "DeleteRolePolicy", "AttachRolePolicy", "DetachRolePolicy", "CreatePolicyVersion",
		"SetDefaultPolicyVersion"},
	"sqs.amazonaws.com":        {"SetQueueAttributes"},
	"scheduler.amazonaws.com":  {"UpdateSchedule"},
	"monitoring.amazonaws.com": {"PutMetricAlarm"},
	cloudFormation:             {"ExecuteChangeSet", "UpdateStack", "UpdateStackSet", "UpdateStackInstances"},
}

// replaced are those of them that remove what a new version puts in its place.
var replaced = []string{"RemovePermission", "DeleteRolePolicy", "DetachRolePolicy"}

// deploys reports whether a call that does harm is one of a new version.
func (row *guardCall) deploys(source string, h harm) bool {
	return slices.Contains(deploymentCalls[source], row.name) && (h == changes || slices.Contains(replaced, row.name))
}

// guardCalls are the calls by which rootguard or its trail can be disabled, by eventSource.
var guardCalls = map[string][]guardCall{
	trailSource: {
		{"StopLogging", []string{"name"}, always(removes), "While the trail does not log, nothing reaches rootguard.", nil},
		{"DeleteTrail", []string{"name"}, always(removes), "Without a logging trail, nothing reaches rootguard.", nil},
		{"UpdateTrail", []string{"name"}, when(harmless, narrowsTrail), "The trail now leaves out Regions, global services or member accounts.",
			nil},
		{"PutEventSelectors", []string{"trailName"}, dropsManagementEvents,
			"The trail no longer records all management events, by which root and IAM are seen.", nil},
	},
	"events.amazonaws.com": {
		{"DisableRule", []string{"name"}, always(removes), "A disabled rule hands on no event.", nil},
		{"DeleteRule", []string{"name"}, always(removes), "Without the rule no event is handed on.", nil},
		{"RemoveTargets", []string{"rule"}, always(removes), "A rule without its target hands on no event.", nil},
		{"PutRule", []string{"name"}, when(changes, func(p params) bool { return p.str("state") == "DISABLED" }),
			"The rule's pattern or state may now let events pass unseen.", nil},
		{"PutTargets", []string{"rule"}, always(changes), "The rule may now hand its events to something else.", nil},
		{"PutPermission", []string{"statementId"}, always(changes), "Other accounts may no longer be able to send events to this one.", nil},
		{"RemovePermission", []string{"statementId"}, always(removes), "Other accounts can no longer send events to this one.", nil},
		{"UpdateEventBus", []string{"name"}, always(changes), "The bus may now encrypt rules and events with a key that others can switch off.",
			defaultBus},
	},
	"sns.amazonaws.com": {
		{"DeleteTopic", []string{"topicArn"}, always(removes), "Without the topic no alert reaches anybody.", nil},
		{"Unsubscribe", []string{"subscriptionArn"}, always(removes), "A receiver gets no more alerts.", nil},
		{"SetTopicAttributes", []string{"topicArn"}, always(changes), "The topic may now refuse alerts or deliver them otherwise.", nil},
		{"SetSubscriptionAttributes", []string{"subscriptionArn"}, always(changes), "A filter can keep alerts from a receiver.", nil},
		{"RemovePermission", []string{"topicArn"}, always(changes), "The topic may now refuse alerts.", nil},
		{"AddPermission", []string{"topicArn"}, always(changes), "The topic may now refuse alerts, or take them from others.", nil},
		{"PutDataProtectionPolicy", []string{"resourceArn"}, always(changes), "The topic may now drop alerts for what they contain.", nil},
		{"SetSMSAttributes", nil, always(changes), "Text messages may no longer be sent.", limitsSMS},
	},
	"sqs.amazonaws.com": {
		{"DeleteQueue", []string{"queueUrl"}, always(removes), "Events that could not be delivered are no longer kept.", nil},
		{"PurgeQueue", []string{"queueUrl"}, always(removes), "Events that waited to be handled again are lost.", nil},
		{"SetQueueAttributes", []string{"queueUrl"}, always(changes), "The queue may now refuse events or lose them sooner.", nil},
		{"RemovePermission", []string{"queueUrl"}, always(changes), "The queue may now refuse events.", nil},
		{"AddPermission", []string{"queueUrl"}, always(changes), "Others may now read or remove the events that wait.", nil},
	},
	"dynamodb.amazonaws.com": {
		{"DeleteTable", []string{"tableName"}, always(removes), "The status and the record of what was alerted are lost.", nil},
		{"UpdateTable", []string{"tableName"}, always(changes),
			"The table can now be deleted, or refuse what the functions read and write.", nil},
		{"PutResourcePolicy", []string{"resourceArn"}, always(changes),
			"The functions may now be denied the table: nothing would be claimed, and nothing alerted.", nil},
		{"DeleteResourcePolicy", []string{"resourceArn"}, always(changes), "Others may now write to the table.", nil},
		{"UpdateTimeToLive", []string{"tableName"}, always(changes), "Rows may now be kept for ever, or expire too early.", nil},
		{"UpdateContinuousBackups", []string{"tableName"}, always(changes), "The table may no longer be restorable.", nil},
	},
	lambdaSource: {
		{"DeleteFunctionEventInvokeConfig", []string{"functionName"}, always(removes), "Events the function failed on are no longer kept.", nil},
		{"UpdateFunctionEventInvokeConfig", []string{"functionName"}, always(changes), "Events the function failed on may now be lost.", nil},
		{"PutFunctionEventInvokeConfig", []string{"functionName"}, always(changes), "Events the function failed on may now be lost.", nil},
		{"DeleteFunction", []string{"functionName"}, always(removes), "Without the function no event is judged.", nil},
		{"UpdateFunctionCode", []string{"functionName"}, always(changes), "The function runs other code now.", nil},
		{"UpdateFunctionConfiguration", []string{"functionName"}, always(changes), "The function runs with other settings now.", nil},
		{"RemovePermission", []string{"functionName"}, always(removes), "The rule may no longer call the function.", nil},
		{"PutFunctionConcurrency", []string{"functionName"},
			when(changes, func(p params) bool { return p.at("reservedConcurrentExecutions") == 0.0 }),
			"With too few executions reserved, events wait or are dropped.", nil},
		{"PutRuntimeManagementConfig", []string{"functionName"}, always(changes), "The function may now run on another version of its runtime.",
			nil},
		{"AddPermission", []string{"functionName"}, always(changes), "Something else may now call the function, with events that never happened.",
			nil},
	},
	cloudtrail.IAMSource: {
		{"DeleteRole", []string{"roleName"}, always(removes), "A function without its role does nothing.", nil},
		{"DeleteRolePolicy", []string{"roleName"}, always(removes), "A function's role may now lack what it needs.", nil},
		{"DetachRolePolicy", []string{"roleName"}, always(removes), "A function's role may now lack what it needs.", nil},
		{"PutRolePolicy", []string{"roleName"}, always(changes), "A function's role may now be denied what it needs.", nil},
		{"AttachRolePolicy", []string{"roleName"}, always(changes), "A function's role may now be denied what it needs.", nil},
		{"PutRolePermissionsBoundary", []string{"roleName"}, always(changes), "A function's role may now be denied what it needs.", nil},
		{"DeleteRolePermissionsBoundary", []string{"roleName"}, always(changes), "A function's role may now do more than before.", nil},
		{"UpdateAssumeRolePolicy", []string{"roleName"}, always(changes), "A function may no longer be given its role, or someone else is.", nil},
		{attachUserPolicy, []string{"policyArn"}, always(changes),
			"A user may now do nothing without MFA, and not by rootguard; rootguard release cannot end it.", nil},
		{detachUserPolicy, []string{"policyArn"}, always(removes), "A user who has no MFA is out of quarantine, and not by rootguard release.",
			nil},
		{"DeletePolicy", []string{"policyArn"}, always(removes), "No user without MFA can be quarantined any more.", nil},
		{"CreatePolicyVersion", []string{"policyArn"}, always(changes), "Quarantined users may now do something else than before.", nil},
		{"SetDefaultPolicyVersion", []string{"policyArn"}, always(changes), "Quarantined users may now do something else than before.", nil},
	},
	kmsSource: {
		{"DisableKey", []string{"keyId"}, always(removes), "What the key encrypts can no longer be read or sent.", nil},
		{"ScheduleKeyDeletion", []string{"keyId"}, always(removes), "What the key encrypts can no longer be read or sent.", nil},
		{"PutKeyPolicy", []string{"keyId"}, always(changes), "Those who publish alerts may no longer use the key.", nil},
		{"RevokeGrant", []string{"keyId"}, always(removes), "What used the key by the grant can no longer read or send.", nil},
		{"DeleteAlias", []string{"aliasName"}, always(removes), "What finds the key by its alias finds none.", nil},
		{"UpdateAlias", []string{"aliasName"}, always(changes), "The alias names another key now.", nil},
	},
	"scheduler.amazonaws.com": {
		{"DeleteSchedule", []string{"name", "groupName"}, always(removes), "The sweep that finds users without MFA no longer runs.", nil},
		{"DeleteScheduleGroup", []string{"name"}, always(removes), "The sweep that finds users without MFA no longer runs.", nil},
		{"UpdateSchedule", []string{"name", "groupName"}, when(changes, func(p params) bool { return p.str("state") == "DISABLED" }),
			"The sweep that finds users without MFA may no longer run.", nil},
	},
	"monitoring.amazonaws.com": {
		{"DeleteAlarms", []string{"alarmNames"}, always(removes), "A fault of rootguard itself no longer raises an alarm.", nil},
		{"DisableAlarmActions", []string{"alarmNames"}, always(removes), "A fault of rootguard itself no longer raises an alarm.", nil},
		{"PutMetricAlarm", []string{"alarmName"}, when(changes, func(p params) bool { return p.isFalse("actionsEnabled") }),
			"A fault of rootguard itself may no longer raise an alarm.", nil},
		{"SetAlarmState", []string{"alarmName"}, always(removes), "The alarm shows a state that was made up.", nil},
		{"PutAlarmMuteRule", []string{"muteTargets.alarmNames"}, always(removes),
			"A fault of rootguard itself raises no alarm while the rule mutes it.", mutesAll},
	},
	"logs.amazonaws.com": {
		{"DeleteLogGroup", []string{"logGroupName"}, always(removes), "What the function did is no longer on record.", nil},
	},
	bucketSource: {
		{"DeleteBucket", []string{"bucketName"}, always(removes), "The logs of the trail are gone, and no more are kept.", nil},
		{"DeleteBucketPolicy", []string{"bucketName"}, always(removes), "The trail can no longer store its logs.", nil},
		{"PutBucketPolicy", []string{"bucketName"}, always(changes), "The trail may no longer be able to store its logs.", nil},
		{"PutBucketLifecycle", []string{"bucketName"}, always(changes), "The logs of the trail may be deleted soon.", nil},
		{"PutBucketLifecycleConfiguration", []string{"bucketName"}, always(changes), "The logs of the trail may be deleted soon.", nil},
		{"PutBucketEncryption", []string{"bucketName"}, always(changes), "The trail may no longer be able to store its logs.", nil},
	},
	cloudFormation: {
		{"DeleteStack", []string{"stackName"}, always(removes), "Everything the stack made goes with it.", nil},
		{"UpdateTerminationProtection", []string{"stackName"},
			when(harmless, func(p params) bool { return p.isFalse("enableTerminationProtection") }), "The stack can now be deleted.", nil},
		{"UpdateStack", []string{"stackName"}, always(changes), "Everything the stack made can change with it.", nil},
		{"ExecuteChangeSet", []string{"stackName"}, always(changes), "Everything the stack made can change with it.", nil},
		{"UpdateStackSet", []string{"stackSetName"}, always(changes), "Member accounts may no longer send their events.", nil},
		{"UpdateStackInstances", []string{"stackSetName"}, always(changes), "Member accounts may no longer send their events.", nil},
		{"DeleteStackSet", []string{"stackSetName"}, always(removes), "Member accounts no longer send their events.", nil},
		{"DeleteStackInstances", []string{"stackSetName"}, always(removes), "Member accounts no longer send their events.", nil},
		{"StopStackSetOperation", []string{"stackSetName"}, always(changes), "Some member accounts may be left without the rules.", nil},
	},
}

const (
	trailSource  = "cloudtrail.amazonaws.com"
	lambdaSource = "lambda.amazonaws.com"
	kmsSource    = "kms.amazonaws.com"
	bucketSource = "s3.amazonaws.com"
	// As invokedBy and sourceIPAddress too, where it makes a call for someone.
	cloudFormation = "cloudformation.amazonaws.com"

	attachUserPolicy = "AttachUserPolicy"
	detachUserPolicy = "DetachUserPolicy"
)

// guardCallOf finds the row for a call, nil where there is none. It allocates nothing.
func guardCallOf(source, name []byte) *guardCall {
	rows := guardCalls[string(source)]
	for i := range rows {
		row := &rows[i]
		if len(name) < len(row.name) || string(name[:len(row.name)]) != row.name {
			continue
		}
		// Lambda's names carry the API's version: DeleteFunction20150331v2.
		rest := name[len(row.name):]
		if len(rest) == 0 || string(source) == lambdaSource && rest[0] >= '0' && rest[0] <= '9' {
			return row
		}
	}
	return nil
}

// tampering judges calls on rootguard's own resources, also those that failed.
func (o *Own) tampering(rec *cloudtrail.Record) Outcome {
	row := guardCallOf([]byte(rec.EventSource), []byte(rec.EventName))
	if row == nil {
		return skipped()
	}
	req := paramsOf(rec.RequestParameters)
	var names []string
	for _, field := range row.fields {
		names = append(names, req.strs(strings.Split(field, ".")...)...)
	}
	if len(names) == 0 {
		names = resourceDenied(rec.ErrorMessage)
	}
	name, named, ok := o.pick(rec.EventSource, names)
	if !ok && row.anyway != nil {
		name = row.anyway(req)
		ok = name != ""
	}
	switch {
	case !ok && (rec.EventSource == cloudtrail.IAMSource || rec.EventSource == bucketSource):
		return skipped() // other roles and buckets are no business of rootguard's
	case !ok && len(row.fields) == 0:
		return passed("the call takes nothing away that rootguard needs")
	case !ok && rec.EventSource == kmsSource && len(o.Keys) == 0:
		return passed("whether this key is rootguard's cannot be known from the record")
	case !ok:
		return passed("%s is no resource of rootguard", orUnnamed(names...))
	case row.name == detachUserPolicy && o.quarantines(rec):
		return passed("rootguard itself took %s off the user", orUnnamed(name))
	case row.name == attachUserPolicy && o.quarantines(rec):
		return passed("rootguard itself put %s on the user", orUnnamed(name))
	case nothingThere(rec.ErrorCode):
		return passed("there is nothing of that name: %s", rec.ErrorCode)
	}
	h := row.harm(req, named)
	if rec.Failed() && req == nil {
		h = max(h, changes) // a denied call does not say what it would have done
	}
	if h == harmless {
		return passed("the call on %s takes nothing away that rootguard needs", orUnnamed(name))
	}
	f := o.tampered(rec, row, name)
	f.OfNewVersion = row.deploys(rec.EventSource, h)
	return matched(f)
}

// quarantines reports whether a call was made by the function that quarantines
// users, by its role in the guard's account or in a member.
func (o *Own) quarantines(rec *cloudtrail.Record) bool {
	part := strings.Split(rec.UserIdentity.ARN, ":") // arn:aws:sts::ACCOUNT:assumed-role/ROLE/SESSION
	if rec.UserIdentity.Type != "AssumedRole" || len(part) != 6 || part[4] != rec.Account() {
		return false
	}
	// Elsewhere a role of either name is anybody's who may make roles.
	own := "assumed-role/" + orElse(o.Prefix, DefaultPrefix) + QuarantineRole
	return o.Account != part[4] && strings.HasPrefix(part[5], own+MemberRole+"/") ||
		(o.Account == "" || o.Account == part[4]) && strings.HasPrefix(part[5], own+"/")
}

// tampered is the finding for a call that harms, or was to harm, a resource.
func (o *Own) tampered(rec *cloudtrail.Record, row *guardCall, name string) Finding {
	f := finding(rec, GuardTampered)
	f.Target.Resource = name
	f.Title = "Guardrail tampered with: "
	f.Detail = row.effect
	how := attempt(rec)
	if how != "" {
		f.Severity = High
		f.Title = "Guardrail tampering " + how + ": "
		f.Detail, f.NextStep = ended(rec), stepAttempt
	}
	if rec.UserIdentity.InvokedBy == cloudFormation || rec.SourceIPAddress == cloudFormation {
		f.Detail += " CloudFormation made the call, for a stack that the record does not name."
	}
	f.Title += row.name + " " + printable(orUnnamed(o.part(name), lastPart(name)))
	return f
}

// ThroughCloudFormation reports whether CloudFormation made the call, for a stack
// of someone's. No caller can choose the address of a record.
func (f *Finding) ThroughCloudFormation() bool { return f.SourceIP == cloudFormation }

// pick finds the first name that is one of rootguard's resources. named is false
// where it is one only because the trail that feeds rootguard is not known.
func (o *Own) pick(source string, names []string) (name string, named, ok bool) {
	for _, n := range names {
		if o.part(n) != "" || source == trailSource && oneOf(o.Trails, n) || source == kmsSource && oneOf(o.Keys, n) {
			return n, true, true
		}
	}
	if source == trailSource && len(o.Trails) == 0 {
		return strings.Join(names, " "), false, true
	}
	return "", false, false
}

// part is the first part of a name, ARN, URL or path that begins with the prefix
// as a word of its own, "" where none does: rootguard-x and RootguardX do,
// rootguardian does not.
func (o *Own) part(name string) string {
	prefix := orElse(o.Prefix, DefaultPrefix)
	for part := range strings.FieldsFuncSeq(name, isSeparator) {
		if len(part) < len(prefix) || !strings.EqualFold(part[:len(prefix)], prefix) {
			continue
		}
		if rest := part[len(prefix):]; rest == "" || rest[0] < 'a' || rest[0] > 'z' || strings.HasSuffix(prefix, "-") {
			return part
		}
	}
	return ""
}

func isSeparator(r rune) bool { return r == '/' || r == ':' }

// lastPart is the last part of an ARN, URL or path.
func lastPart(name string) string {
	return name[strings.LastIndexFunc(name, isSeparator)+1:]
}

// oneOf reports whether a name or ARN is in a list of names or ARNs. Two ARNs
// are compared whole, else the names alone.
func oneOf(list []string, name string) bool {
	return slices.ContainsFunc(list, func(own string) bool {
		if strings.HasPrefix(own, "arn:") && strings.HasPrefix(name, "arn:") {
			return own == name
		}
		return own != "" && lastPart(own) == lastPart(name)
	})
}

// resourceDenied is the resource that a denied call's errorMessage names ("…
// is not authorized to perform: events:DeleteRule on resource: ARN because no
// identity-based policy allows …"): such a record has no requestParameters.
func resourceDenied(message string) []string {
	_, after, ok := strings.Cut(message, " on resource: ")
	if !ok {
		return nil
	}
	for _, end := range []string{" because ", " with an explicit deny"} {
		after, _, _ = strings.Cut(after, end)
	}
	// IAM writes "role NAME", the others an ARN.
	return []string{after[strings.LastIndex(after, " ")+1:]}
}

// nothingThere reports whether an error code says that no such resource exists,
// or can exist.
func nothingThere(code string) bool {
	return slices.ContainsFunc([]string{"NotFound", "NoSuch", "NonExistent", "DoesNotExist", "InvalidTrailName"}, func(part string) bool {
		return strings.Contains(code, part)
	})
}

// defaultBus is the bus that all rules are on, where a call is about it.
func defaultBus(p params) string {
	name := p.str("name")
	if name == "default" || strings.HasSuffix(name, ":event-bus/default") {
		return "event bus default"
	}
	return ""
}

// mutesAll are all alarms, where a mute rule has no targets (CloudWatch API
// Reference, PutAlarmMuteRule: MuteTargets is optional).
func mutesAll(p params) string {
	if p != nil && p.at("muteTargets", "alarmNames") == nil {
		return "all alarms"
	}
	return ""
}

// limitsSMS are the account's text messages, where a call changes how much they
// may cost a month, or does not show what it changes.
func limitsSMS(p params) string {
	if attributes, ok := p.at("attributes").(map[string]any); ok && !params(attributes).has("MonthlySpendLimit") {
		return ""
	}
	return "text messages"
}

// narrowsTrail reports whether UpdateTrail makes the trail record less of what
// rootguard needs. Where its files go does not matter: EventBridge has the events
// of any logging trail.
func narrowsTrail(p params) bool {
	return p.isFalse("isMultiRegionTrail") || p.isFalse("includeGlobalServiceEvents") || p.isFalse("isOrganizationTrail")
}

// dropsManagementEvents reports whether PutEventSelectors leaves the trail
// without management events: without the writes, of any trail; without the reads
// too where the trail is known to be the one, since aws login by root is a read.
func dropsManagementEvents(p params, named bool) harm {
	var reads, writes bool
	for _, s := range p.list("eventSelectors") {
		if s.isFalse("includeManagementEvents") {
			continue
		}
		reads = reads || s.str("readWriteType") != "WriteOnly"
		writes = writes || s.str("readWriteType") != "ReadOnly"
	}
	for _, s := range p.list("advancedEventSelectors") {
		r, w := managementOf(s)
		reads, writes = reads || r, writes || w
	}
	if !writes || named && !reads {
		return removes
	}
	return harmless
}

// managementOf says which management events an advanced event selector takes
// (CloudTrail API Reference, AdvancedFieldSelector). One that is narrowed to
// some event sources takes neither for good.
func managementOf(selector params) (reads, writes bool) {
	reads, writes = true, true
	management := false
	for _, f := range selector.list("fieldSelectors") {
		equals := f.strs("equals")
		switch f.str("field") {
		case "eventCategory":
			management = slices.Contains(equals, "Management")
		case "readOnly":
			reads = slices.Contains(equals, "true")
			writes = slices.Contains(equals, "false")
		default:
			if len(equals) > 0 || len(f.strs("startsWith")) > 0 || len(f.strs("endsWith")) > 0 {
				reads, writes = false, false
			}
		}
	}
	return reads && management, writes && management
}
