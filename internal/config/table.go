package config

import (
	"fmt"
	"strings"
	"time"
)

// Setting is a row of the table of settings: what an operator may write into
// cdk.json, and how it reaches the functions. The deployment, the functions and the
// document of settings all read it here.
type Setting struct {
	Key string // in the object of cdk.json; "" where the deployment alone decides
	Env string // variable of the functions; "" where they do not need it

	JSON bool // the variable holds JSON, where else a list is separated by commas

	// Default is the value where none is given, as it is written into cdk.json;
	// "" where there is none. DefaultText is what the document says instead.
	Default, DefaultText string

	Shortest, Longest time.Duration // of a duration, and of each in a list of them
	Smallest, Largest int           // of a whole number
	Unit              string        // of a whole number: what it counts

	Doc string // a phrase in Markdown for the document
}

// Settings are all rows, in the order of the document.
func Settings() []Setting {
	const day = 24 * time.Hour
	return []Setting{
		{Key: "email", Doc: "e-mail addresses that get every alert"},
		{Key: "sms", Doc: "phone numbers, as +14155550100, that get alerts of severity high and critical"},
		{Key: "https", Doc: "HTTPS endpoints that get every alert"},
		{Key: "escalation", Doc: "an object with `email`, `sms` and `https`: who gets critical alerts besides"},
		{Key: "routes", Env: EnvRoutes,
			Doc: "a list of objects: `accounts`, `ou`, `tag`, `severity` (the lowest, default `info`: all) and `email`, `sms`, `https`, which get the alerts of these accounts alone, and `name` where there is `ou` or `tag`; see [routing](routing.md)"},
		{Key: "receivers", DefaultText: "–", Doc: "`none` deploys although no one receives the alerts, which is refused otherwise"},
		{Key: "slack", Doc: "an object with `workspace` (T…) and `channel` (C… or G…), for Amazon Q Developer in chat applications"},
		{Key: "chatTopic", Default: "false", Doc: "make the topic for Amazon Q without a channel, for a client that is set up by hand"},
		{Key: "securityHub", Default: "false",
			Doc: "import every alert into AWS Security Hub, which must be enabled in the guard's account and Region"},
		{Key: "grace", Env: EnvGrace, Default: "24h", Shortest: time.Hour, Longest: 90 * day,
			Doc: "from a user's console password to the alert about missing MFA"},
		{Key: "reminders", Env: EnvReminders, DefaultText: "1h, 24h, 72h", Shortest: time.Minute, Longest: 90 * day,
			Doc: "from that alert to each reminder; `[]`: no reminder"},
		{Key: "resend", Env: EnvResend, DefaultText: "15m, 1h", Shortest: 5 * time.Minute, Longest: 7 * day,
			Doc: "from a critical alert that is not acknowledged to each resend; `[]`: none is sent again"},
		{Key: "window", Env: EnvWindow, Default: "15m", Shortest: time.Minute, Longest: day,
			Doc: "how long repeats are collected into one roll-up"},
		{Key: "quietDays", Env: EnvQuietDays, Default: "30", Smallest: 1, Largest: 365, Unit: "days",
			Doc: "days without root activity until an account's root counts as left alone"},
		{Key: "digest", Env: EnvDigest, Default: "weekly", DefaultText: "`weekly monday 08:00 UTC`",
			Doc: "when the digest comes, the mail about all accounts and rootguard itself whose absence is noticed: `weekly` or `daily`, and after it what is to be other than the default, as in `weekly friday 09:00 Europe/Berlin` or `daily 07:30 Asia/Tokyo`; `off`: never"},
		{Key: "drill", Env: EnvDrill, DefaultText: "off", Shortest: 30 * day, Longest: 390 * day,
			Doc: "the break-glass drill: in each account that has root credentials, root must have been used under an announcement within this time, such as `365d`; or an object with `every` and `users`, as in `{\"every\": \"365d\", \"users\": [\"break-glass\"]}`, where the use of one of these IAM users counts too. What is overdue is in the digest, and it is the step `break-glass-drill` of [day two](daytwo.md), which is checked with the others. `off`: no drill is expected"},
		{Key: "adminRoles", Env: EnvAdminRoles,
			Doc: "names of roles, or of permission sets of IAM Identity Center, by which administrators sign in; needed where no record and no check shows that they have administrator rights"},
		{Key: "dayTwo", Env: EnvDayTwo, Doc: "steps of [day two](daytwo.md) that are checked once a day in each account, by name"},
		{Key: "posture", Env: EnvPosture, Default: "1h", Shortest: 15 * time.Minute, Longest: day,
			Doc: "how often each account's root is checked"},
		{Key: "quarantine", Env: EnvQuarantine, DefaultText: "off", Doc: "`dry-run` or `on`: what happens to users past the last reminder"},
		{Key: "quarantineNotice", Env: EnvQuarantineNotice, DefaultText: "24h", Shortest: time.Hour, Longest: 30 * day,
			Doc: "from the announcement of a quarantine to the quarantine"},
		{Key: "quarantineDaily", Env: EnvQuarantineDaily, DefaultText: "10", Smallest: 1, Largest: 1000, Unit: "users",
			Doc: "how many users are quarantined in 24 hours at most, and at most 5 in one run; the others wait"},
		{Key: "quarantineExempt", Env: EnvQuarantineExempt, JSON: true,
			Doc: "users by name, ARN or unique ID (`AIDA…`), and accounts, that are never quarantined"},
		{Key: "accountNames", Env: EnvAccountNames, JSON: true, Doc: "account ID to the name in alerts"},
		{Key: "regions", Env: EnvRegions, DefaultText: "all enabled by default",
			Doc: "the further Regions to forward events from; `[\"default\", \"me-south-1\"]` adds an opt-in Region, which must be enabled first; `[]`: none, and what is done elsewhere is not seen"},
		{Key: "partition", Default: "aws", DefaultText: "`aws`", Doc: "or `aws-us-gov`, `aws-cn`, `aws-eusc`"},
		{Key: "organization", Doc: "an object with `id`, `management`, `hub` and `units`: forward from member accounts by a stack set"},
		{Key: "trail", Default: "false",
			Doc: "make a multi-Region trail and its bucket; without a trail that logs management events, nothing arrives"},
		{Key: "trails", Env: EnvTrails, DefaultText: "any",
			Doc: "which trails count as rootguard's own when someone tampers with them, by name or ARN"},
		{Key: "encrypt", Default: "false",
			Doc: "make a customer key for the topics ($1 a month). Amazon SNS keeps messages on encrypted disks without one; some audits ask for a key, and each call that disables it silences every topic"},
		{Key: "metrics", Env: EnvMetrics, Default: "false",
			Doc: "have CloudWatch make metrics of the values in the functions' logs (at most 11, $0.30 each); the dashboard then reads these, with 15 months of history, instead of the logs"},
		{Key: "logDays", Default: "90", Doc: "how long the functions' logs are kept"},
		{Key: "table", Doc: "the name of a table that an earlier stack left: the guard goes on with its rows. Without it a new stack makes one"},
		{Key: "operators",
			Doc: "ARNs of the roles that may write to the table besides the functions: for `announce`, `ack`, `release`, `enroll` and `redrive`. Every other caller is denied to change a row, whatever its permissions. None: permissions decide alone"},
		{Key: "terminationProtection", Default: "false", Doc: "keep CloudFormation from deleting the guard's stack"},
		{Key: "prefix", Env: EnvPrefix, Default: "rootguard", Doc: "how the names of all stacks and resources begin"},

		{Env: EnvLease, Shortest: 10 * time.Second, Longest: time.Hour},
	}
}

// Markdown is the table of the document of settings.
func Markdown() string {
	var b strings.Builder
	b.WriteString("| Key | Default | What it sets |\n|---|---|---|\n")
	for _, s := range Settings() {
		value := s.DefaultText
		if value == "" {
			value = s.Default
		}
		if value == "" {
			value = "none"
		}
		if s.Key != "" {
			fmt.Fprintf(&b, "| `%s` | %s | %s |\n", s.Key, value, s.Doc)
		}
	}
	return b.String()
}

// settingOf is the row of a variable. That there is one is a matter of the program,
// not of its input.
func settingOf(env string) Setting {
	for _, s := range Settings() {
		if s.Env == env {
			return s
		}
	}
	panic("no setting is read from " + env)
}
