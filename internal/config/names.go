// Package config holds what the deployed stack and the Lambda functions must agree
// on: the names of environment variables (Env…), of metrics, of message attributes and
// of the table's keys. Load reads a function's settings from its environment; an error
// names each variable that is wrong, its value and the fix. What the deployment notes
// of itself for the checks is Deployed.
package config

import "strings"

// The environment variables of the Lambda functions. Durations are as
// time.ParseDuration reads them ("24h", "15m"); lists are separated by commas.
const (
	EnvTable              = "ROOTGUARD_TABLE"                // name of the DynamoDB table; required
	EnvTopicARN           = "ROOTGUARD_TOPIC_ARN"            // SNS topic of every alert; required
	EnvEscalationTopicARN = "ROOTGUARD_ESCALATION_TOPIC_ARN" // SNS topic that gets critical alerts too
	EnvChatTopicARN       = "ROOTGUARD_CHAT_TOPIC_ARN"       // SNS topic of Amazon Q Developer in chat applications
	EnvGrace              = "ROOTGUARD_GRACE"                // from console access to user.mfa.missing
	EnvReminders          = "ROOTGUARD_REMINDERS"            // list: how long after the end of grace to remind, shortest first; or None
	// list: how long after its alert a critical incident is sent again, shortest first; or None
	EnvResend           = "ROOTGUARD_RESEND"
	EnvQuarantine       = "ROOTGUARD_QUARANTINE"        // "dry-run" or "on": what becomes of users past the last reminder; else nothing
	EnvQuarantineNotice = "ROOTGUARD_QUARANTINE_NOTICE" // from the announcement of a quarantine to it
	EnvQuarantineDaily  = "ROOTGUARD_QUARANTINE_DAILY"  // users quarantined in 24 hours at most
	EnvQuarantineExempt = "ROOTGUARD_QUARANTINE_EXEMPT" // JSON list: names, ARNs or unique IDs of users, or accounts, never quarantined
	// within what time root must have been used under an announcement; unset: no drill is expected
	EnvDrill             = "ROOTGUARD_DRILL"
	EnvDrillUsers        = "ROOTGUARD_DRILL_USERS"        // list: IAM users whose use under an announcement is a drill too
	EnvDigest            = "ROOTGUARD_DIGEST"             // when the digest comes, as package digest reads it; unset: never
	EnvWindow            = "ROOTGUARD_WINDOW"             // length of a roll-up window
	EnvLease             = "ROOTGUARD_LEASE"              // of a claim; longer than a publish may take
	EnvPosture           = "ROOTGUARD_POSTURE"            // how often each account's root is checked
	EnvQuietDays         = "ROOTGUARD_QUIET_DAYS"         // days without root activity
	EnvAdminRoles        = "ROOTGUARD_ADMIN_ROLES"        // list: roles or permission sets whose sign-ins are an administrator's
	EnvDayTwo            = "ROOTGUARD_DAY_TWO"            // list: the steps of day two that are checked
	EnvRoutes            = "ROOTGUARD_ROUTES"             // JSON list of accountcheck.Route: those by organizational unit or tag
	EnvAccountNames      = "ROOTGUARD_ACCOUNT_NAMES"      // JSON object: account ID to name
	EnvOrganizationNames = "ROOTGUARD_ORGANIZATION_NAMES" // "true": AWS Organizations is asked for the names not set here
	EnvPrefix            = "ROOTGUARD_PREFIX"             // begins the names of rootguard's own resources
	EnvTrails            = "ROOTGUARD_TRAILS"             // names or ARNs of the trails that feed it
	EnvKeys              = "ROOTGUARD_KEYS"               // IDs or ARNs of its KMS keys
	EnvMetrics           = "ROOTGUARD_METRICS"            // "true": CloudWatch makes metrics of what the log says
	EnvUndeliveredQueue  = "ROOTGUARD_UNDELIVERED_QUEUE"  // URL of the queue of events that rules could not deliver
	EnvFailedQueue       = "ROOTGUARD_FAILED_QUEUE"       // URL of the queue of events that functions failed on
	EnvRegions           = "ROOTGUARD_REGIONS"            // list: the further Regions whose events are forwarded
	EnvDeployed          = "ROOTGUARD_DEPLOYED"           // JSON object, Deployed: what the sweep holds the rest against
	EnvVersion           = "ROOTGUARD_VERSION"            // of rootguard, which alerts name: v1.4.0 (abc1234)
	EnvMemberRole        = "ROOTGUARD_MEMBER_ROLE"        // name of the role to assume in other accounts for live checks
)

// SecurityHub ends the name of the function that subscribes to the alerts, after
// the prefix and a hyphen.
const SecurityHub = "securityhub"

// The table's key schema: every attribute here is a string, but for TableTTL,
// which is a number of epoch seconds. The index is sparse and projects keys only.
const (
	TablePartitionKey = "pk"
	TableSortKey      = "sk"
	TableTTL          = "expires"

	TableDueIndex     = "due"
	TableDuePartition = "due_shard"
	TableDueSort      = "due_at"
)

// The values that each invocation writes to its log, where EnvMetrics is set in
// CloudWatch's embedded metric format, without a dimension. One line can have alerts of several
// severities, so each severity has a metric of its own: see FindingsOf.
const (
	MetricNamespace     = "rootguard"
	MetricRecords       = "Records"          // records handled, Count
	MetricFindings      = "Findings"         // findings reported, alone or in a roll-up, Count
	MetricPublishErrors = "PublishErrors"    // publishes that failed, Count
	MetricFailures      = "Failures"         // invocations that ended in an error, Count
	MetricAlertLatency  = "AlertLatency"     // from eventTime until SNS took the alert, Milliseconds
	MetricHeartbeat     = "HeartbeatLatency" // from putting a heartbeat until it came out at a function, Milliseconds
)

// FindingsOf is the name of the metric of the findings of one severity, "FindingsCritical".
func FindingsOf(severity string) string {
	return MetricFindings + strings.ToUpper(severity[:1]) + severity[1:]
}

// The message attributes of every alert, for SNS filter policies.
const (
	AttributeSeverity = "severity" // String: "info" to "critical"
	AttributeFinding  = "finding"  // String.Array: the finding's ID, then the further ones of the same record
	AttributeAccount  = "account"  // String: account ID
	// String.Array: the names of the routes by ou or tag to which the account belongs; absent where there are none
	AttributeRoute = "route"
	AttributeKind  = "kind" // String: "first", "roll_up", "escalation", "resend" or "digest"
)

// SecondTopic is the name of the topic of the second way out, in the Region that
// package partition chooses.
func SecondTopic(prefix string) string { return prefix + "-second" }

// SecondRule begins the names of the rules of the second way out.
func SecondRule(prefix string) string { return prefix + "-second-" }

// ForwardQueue is the name of the queue in which events wait that could not be
// forwarded to the guard, in each Region of each account that forwards any.
func ForwardQueue(prefix string) string { return prefix + "-forward-undelivered" }

// None is the value of a list of durations in which there is none, and not the default.
const None = "none"
