package eventrules

import (
	"bytes"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"rootguard/internal/eventpattern"
)

// The functions that rules have as target.
const (
	RootActivity = "rootactivity"
	IAMUser      = "iamuser"
	Sweep        = "sweep"      // of a schedule alone
	Quarantine   = "quarantine" // as above, where users without MFA may be quarantined
)

// Schedule is how often each function is called without an event.
const Schedule = "rate(5 minutes)"

// Rule is one EventBridge rule on the default event bus.
type Rule struct {
	Name        string // without the prefix of rootguard's resources: "root-activity"
	Description string
	Pattern     string // JSON, at most 2,048 characters

	// AllManagementEvents asks for the state
	// ENABLED_WITH_ALL_CLOUDTRAIL_MANAGEMENT_EVENTS. A rule that is merely
	// ENABLED gets no read-only management events (EventBridge User Guide,
	// "Read-only management events from AWS services").
	AllManagementEvents bool

	Function string // the target: RootActivity or IAMUser; "" where topics are
}

// DefaultPrefix begins the names of rootguard's resources.
const DefaultPrefix = "rootguard"

// Rules are all rules there can be where resource names begin with DefaultPrefix.
func Rules() []Rule { return append(rules(DefaultPrefix), QuarantineRule(DefaultPrefix)) }

// maxPrefix keeps every pattern within its limit.
const maxPrefix = 24

// RulesFor are the rules to deploy where the names of rootguard's resources
// begin with prefix: letters, digits and hyphens, at most 24. A name counts also
// where its first letter is of the other case, as in the names of stacks. A
// prefix that repeats itself can make rules that EventBridge refuses (see
// eventpattern.Complexity): the error names the rule.
func RulesFor(prefix string) ([]Rule, error) {
	plain := strings.Trim(prefix, "-0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz") == ""
	if prefix == "" || len(prefix) > maxPrefix || !plain {
		return nil, fmt.Errorf("prefix %q of resource names is not 1 to %d letters, digits and hyphens", prefix, maxPrefix)
	}
	all := rules(prefix)
	if prefix == DefaultPrefix {
		return all, nil // measured when this package is tested
	}
	for _, r := range slices.Concat(all, []Rule{QuarantineRule(prefix)}, Direct(prefix)) {
		n, err := eventpattern.Complexity([]byte(r.Pattern))
		if err != nil {
			return nil, fmt.Errorf("rule %s: %w", r.Name, err)
		}
		if n > eventpattern.MaxComplexity {
			return nil, &TooComplexError{Prefix: prefix, Rule: r.Name, Complexity: n}
		}
	}
	return all, nil
}

// TooComplexError says that a prefix makes a rule that EventBridge would refuse.
type TooComplexError struct {
	Prefix, Rule string
	Complexity   int
}

func (e *TooComplexError) Error() string {
	return fmt.Sprintf("prefix %q makes rule %s too complex for EventBridge (%d > %d): choose one that repeats itself less, such as %q",
		e.Prefix, e.Rule, e.Complexity, eventpattern.MaxComplexity, DefaultPrefix)
}

// Parts of the patterns.
const (
	fromAWS = `"source": [{"prefix": "aws."}]`
	byCall  = `"AWS API Call via CloudTrail"`
	// Root at work is neither a service acting for root, nor a service's own
	// event. Records of the console may have invokedBy signin.amazonaws.com.
	byRoot = byCall + `, "AWS Console Action via CloudTrail", "AWS Console Sign In via CloudTrail", "AWS Console Signin via CloudTrail"`
	byAny  = byRoot + `, "AWS Service Event via CloudTrail"`
	// What rule root-activity leaves, of calls and of service events.
	others = `{"detail": {"userIdentity": {"type": [{"anything-but": "Root"}]}}},
			{"detail": {"userIdentity": {"type": [{"exists": false}]}}},
			{"detail": {"userIdentity": {"invokedBy": [{"anything-but": "signin.amazonaws.com"}]}}}`
	notRoot   = `"$or": [` + others + `]`
	orService = `"$or": [` + others + `, {"detail": {"eventType": ["AwsServiceEvent"]}}]`
)

// QuarantineRule is one more rule, to deploy where users without MFA may be
// quarantined. prefix must be one that RulesFor takes.
func QuarantineRule(prefix string) Rule {
	pattern := `{` + fromAWS + `, "detail-type": [` + byCall + `], "detail": {
		"eventSource": ["iam.amazonaws.com"],
		"eventName": ["CreatePolicyVersion", "DeletePolicy", "SetDefaultPolicyVersion"],
		` + naming(prefix, "policyArn") + `}}`
	return Rule{"guard-policy", "The policy that users are quarantined by is changed or deleted", compact(pattern), false, RootActivity}
}

// rules are the rules, each within its limits and with as little overlap as
// possible: an event that two rules let through is handled twice, the second
// time in vain. Four overlaps remain, all rare: root calling sts:AssumeRoot, a
// session that root issued making a call of another rule, changes of rootguard's
// own resources by root or of its own roles, where wildcards must not be repeated
// in branches of $or (see Complexity), and calls on rules, so that each rule is
// watched by another.
//
// A source that begins with "aws." cannot be made up: PutEvents refuses it
// (EventBridge API Reference, PutEventsRequestEntry).
func rules(prefix string) []Rule { //nolint:funlen // a list of patterns
	rootSignIn := `{` + fromAWS + `, "detail-type": [` + byAny + `], "detail": {
		"eventName": ["CheckMfa", "ConsoleLogin"], "userIdentity": {"type": ["Root"]}}}`
	rootActivity := `{` + fromAWS + `, "detail-type": [` + byRoot + `], "detail": {
		"userIdentity": {"type": ["Root"]},
		"eventName": [{"anything-but": ["CheckMfa", "ConsoleLogin", "ExternalIdPDirectoryLogin"]}],
		"$or": [
			{"userIdentity": {"invokedBy": [{"exists": false}]}},
			{"userIdentity": {"invokedBy": ["signin.amazonaws.com"]}}
		]}}`
	// Root is rare, and its console makes some hundreds of reads in a session; the
	// first shows a session whose sign-in did not come.
	rootReads := `{` + fromAWS + `, "detail-type": [` + byRoot + `], "detail": {
		"userIdentity": {"type": ["Root"]},
		"eventName": [{"anything-but": ["CheckMfa", "ConsoleLogin", "ExternalIdPDirectoryLogin"]}],
		"readOnly": [true],
		"$or": [
			{"managementEvent": [{"exists": false}], "userIdentity": {"invokedBy": [{"exists": false}]}},
			{"managementEvent": [{"exists": false}], "userIdentity": {"invokedBy": ["signin.amazonaws.com"]}},
			{"managementEvent": [true], "userIdentity": {"invokedBy": [{"exists": false}]}},
			{"managementEvent": [true], "userIdentity": {"invokedBy": ["signin.amazonaws.com"]}}
		]}}`
	rootIssued := `{` + fromAWS + `, "detail-type": [` + byAny + `], "detail": {
		"userIdentity": {"type": [{"anything-but": "Root"}], "sessionContext": {"sessionIssuer": {"type": ["Root"]}}},
		"$or": [
			{"userIdentity": {"invokedBy": [{"exists": false}]}},
			{"userIdentity": {"invokedBy": ["signin.amazonaws.com"]}}
		]}}`
	rootRecovery := `{` + fromAWS + `, "detail-type": [` + byAny + `], ` + orService + `, "detail": {
		"eventSource": ["account.amazonaws.com", "signin.amazonaws.com"],
		"eventName": ["AcceptPrimaryEmailUpdate", "EmailUpdated", "PasswordRecoveryCompleted", "PasswordRecoveryRequested",
			"PasswordUpdated", "StartPrimaryEmailUpdate"]}}`
	assumeRoot := `{` + fromAWS + `, "detail-type": [` + byCall + `], "detail": {
		"eventSource": ["sts.amazonaws.com"], "eventName": ["AssumeRoot"]}}`
	userSignIn := `{` + fromAWS + `, "detail-type": [` + byAny + `], "detail": {
		"eventSource": ["signin.amazonaws.com"], "eventName": ["ConsoleLogin"], "userIdentity": {"type": ["AssumedRole", "IAMUser"]}}}`
	userChange := `{` + fromAWS + `, "detail-type": [` + byCall + `], ` + notRoot + `, "detail": {
		"eventSource": ["iam.amazonaws.com"],
		"eventName": ["AddUserToGroup", "AttachGroupPolicy", "AttachUserPolicy", "ChangePassword", "CreateAccessKey", "CreateGroup",
			"CreateLoginProfile", "CreateUser", "DeactivateMFADevice", "DeleteAccessKey", "DeleteGroup", "DeleteGroupPolicy",
			"DeleteLoginProfile", "DeleteUser", "DeleteUserPolicy", "DetachGroupPolicy", "DetachUserPolicy", "EnableMFADevice",
			"PutGroupPolicy", "PutUserPolicy", "RemoveUserFromGroup", "UpdateGroup", "UpdateLoginProfile", "UpdateUser"]}}`
	roleChange := `{` + fromAWS + `, "detail-type": [` + byCall + `], ` + notRoot + `, "detail": {
		"eventSource": ["iam.amazonaws.com"], "errorCode": [{"exists": false}],
		"$or": [
			{"eventName": ["CreateRole", "PutRolePolicy", "UpdateAssumeRolePolicy"]},
			{"eventName": ["AttachRolePolicy"], "requestParameters": {"policyArn": [{"suffix": ":iam::aws:policy/AdministratorAccess"}]}},
			{"eventName": ["DeleteRole", "DeleteRolePolicy", "DetachRolePolicy"], "requestParameters": {"roleName": [{"prefix": "AWSReservedSSO_"}]}}
		]}}`
	accountChange := `{` + fromAWS + `, "detail-type": [` + byAny + `], ` + orService + `, "detail": {
		"eventSource": ["account.amazonaws.com", "cloudtrail.amazonaws.com", "iam.amazonaws.com", "organizations.amazonaws.com", "signin.amazonaws.com"],
		"eventName": ["CloseAccount", "DeleteAccountPasswordPolicy", "DeleteAlternateContact", "DeleteConsoleAuthorizationConfiguration",
			"DeleteEventDataStore", "DeleteResourcePermissionStatement", "DisableOrganizationsRootCredentialsManagement",
			"DisableOrganizationsRootSessions", "EnableOrganizationsRootCredentialsManagement", "EnableOrganizationsRootSessions", "EnableRegion",
			"LeaveOrganization", "PutAlternateContact", "PutConsoleAuthorizationConfiguration", "PutResourcePermissionStatement",
			"RemoveAccountFromOrganization", "StopEventDataStoreIngestion", "UpdateAccountPasswordPolicy"]}}`
	// Whether these are about rootguard's cannot be seen from a name.
	guardTrail := `{` + fromAWS + `, "detail-type": [` + byCall + `], ` + notRoot + `, "detail": {
		"eventSource": ["cloudtrail.amazonaws.com", "events.amazonaws.com", "kms.amazonaws.com", "monitoring.amazonaws.com", "sns.amazonaws.com"],
		"eventName": ["DeleteAlias", "DeleteTrail", "DisableKey", "PutAlarmMuteRule", "PutEventSelectors", "PutKeyPolicy", "RevokeGrant",
			"ScheduleKeyDeletion", "SetSMSAttributes", "StopLogging", "UpdateAlias", "UpdateEventBus", "UpdateTrail"]}}`
	guardDelivery := `{` + fromAWS + `, "detail-type": [` + byCall + `], "detail": {
		"eventSource": ["dynamodb.amazonaws.com", "events.amazonaws.com", "sns.amazonaws.com", "sqs.amazonaws.com"],
		"eventName": ["AddPermission", "DeleteQueue", "DeleteResourcePolicy", "DeleteRule", "DeleteTable", "DeleteTopic", "DisableRule",
			"PurgeQueue", "PutDataProtectionPolicy", "PutPermission", "PutResourcePolicy", "PutRule", "PutTargets", "RemovePermission",
			"RemoveTargets", "SetQueueAttributes", "SetSubscriptionAttributes", "SetTopicAttributes", "Unsubscribe",
			"UpdateContinuousBackups", "UpdateTable", "UpdateTimeToLive"],
		` + naming(prefix, "name", "queueUrl", "resourceArn", "rule", "statementId", "subscriptionArn", "tableName", "topicArn") + `}}`
	// "DeleteFunction2" begins the names with a version, DeleteFunction20150331;
	// DeleteFunctionConcurrency takes a limit away and no function.
	guardFunction := `{` + fromAWS + `, "detail-type": [` + byCall + `], "detail": {
		"eventSource": ["iam.amazonaws.com", "lambda.amazonaws.com", "logs.amazonaws.com", "s3.amazonaws.com"],
		"eventName": ["AttachRolePolicy", "DeleteBucket", "DeleteBucketPolicy", "DeleteFunction", "DeleteLogGroup", "DeleteRole",
			"DeleteRolePermissionsBoundary", "DeleteRolePolicy", "DetachRolePolicy", "PutBucketEncryption", "PutBucketPolicy",
			"PutRolePermissionsBoundary", "PutRolePolicy", "UpdateAssumeRolePolicy", {"prefix": "AddPermission"},
			{"prefix": "DeleteFunction2"}, {"prefix": "DeleteFunctionEventInvokeConfig"}, {"prefix": "PutBucketLifecycle"},
			{"prefix": "PutFunctionConcurrency"}, {"prefix": "PutFunctionEventInvokeConfig"}, {"prefix": "PutRuntimeManagementConfig"},
			{"prefix": "RemovePermission"}, {"prefix": "UpdateFunction"}],
		` + naming(prefix, "bucketName", "functionName", "logGroupName", "roleName") + `}}`
	guardWatch := `{` + fromAWS + `, "detail-type": [` + byCall + `], "detail": {
		"eventSource": ["cloudformation.amazonaws.com", "events.amazonaws.com", "monitoring.amazonaws.com", "scheduler.amazonaws.com"],
		"eventName": ["DeleteAlarms", "DeleteRule", "DeleteSchedule", "DeleteScheduleGroup", "DeleteStack", "DeleteStackInstances",
			"DeleteStackSet", "DisableAlarmActions", "DisableRule", "ExecuteChangeSet", "PutMetricAlarm", "PutRule", "RemoveTargets",
			"SetAlarmState", "StopStackSetOperation", "UpdateSchedule", "UpdateStack", "UpdateStackInstances", "UpdateStackSet",
			"UpdateTerminationProtection"],
		` + naming(prefix, "alarmName", "alarmNames", "groupName", "name", "rule", "stackName", "stackSetName") + `}}`
	return []Rule{
		{"root-sign-in", "The root user signs in to the console, or fails to", compact(rootSignIn), false, RootActivity},
		{"root-activity", "The root user makes a call", compact(rootActivity), false, RootActivity},
		{"root-reads", "The root user reads, or issues credentials (aws login)", compact(rootReads), true, RootActivity},
		{"root-issued", "A session that the root user issued makes a call, or signs in", compact(rootIssued), true, RootActivity},
		{"root-recovery", "The root user's password or email address is changed or recovered", compact(rootRecovery), false, RootActivity},
		{"assume-root", "A root session is opened in a member account", compact(assumeRoot), true, RootActivity},
		{"user-sign-in", "An IAM user, or a person by a role, signs in to the console", compact(userSignIn), false, IAMUser},
		{"user-change", "An IAM user or group, its credentials, MFA or permissions change", compact(userChange), false, IAMUser},
		{"role-change", "A role, its trust policy or its permissions change", compact(roleChange), false, RootActivity},
		{"account-change", "The account, its organization, password policy or sign-in policy changes", compact(accountChange), false,
			RootActivity},
		{"guard-trail", "A trail, key, bus, alarm or text message that rootguard may need is changed or switched off", compact(guardTrail), false,
			RootActivity},
		{"guard-delivery", "The rules, topic, queues or table of rootguard are changed", compact(guardDelivery), false, RootActivity},
		{"guard-function", "The functions of rootguard, their roles or logs, or the trail's bucket are changed", compact(guardFunction), false,
			RootActivity},
		{"guard-watch", "The alarms, schedules or stacks of rootguard are changed", compact(guardWatch), false, RootActivity},
	}
}

// naming asks that one of the request parameters names a resource whose name
// holds the prefix, or that errorMessage does: a denied call has no parameters.
func naming(prefix string, parameters ...string) string {
	first, size := utf8.DecodeRuneInString(prefix)
	other := unicode.ToUpper(first)
	if other == first {
		other = unicode.ToLower(first)
	}
	named := `[{"wildcard": "*` + prefix + `*"}`
	if other != first {
		named += `, {"wildcard": "*` + string(other) + prefix[size:] + `*"}`
	}
	named += `]`
	var or strings.Builder
	fmt.Fprintf(&or, `"$or": [{"errorMessage": %s}`, named)
	for _, p := range parameters {
		fmt.Fprintf(&or, `, {"requestParameters": {%q: %s}}`, p, named)
	}
	or.WriteString(`]`)
	return or.String()
}

// compact removes white space. What is no JSON stays as it is, for Compile to refuse.
func compact(pattern string) string {
	var b bytes.Buffer
	if json.Compact(&b, []byte(pattern)) != nil {
		return pattern
	}
	return b.String()
}
