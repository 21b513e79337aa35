package config

import (
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"rootguard/internal/accountcheck"
	"rootguard/internal/alert"
	"rootguard/internal/bootstrap"
	"rootguard/internal/daytwo"
	"rootguard/internal/detect"
	"rootguard/internal/digest"
	"rootguard/internal/drill"
	"rootguard/internal/quarantine"
	"rootguard/internal/wire"
)

// Config are the settings of a Lambda function. What was not set is zero, and
// the guard's own default applies.
type Config struct {
	Table              string
	TopicARN           string
	EscalationTopicARN string
	ChatTopicARN       string
	AccountNames       map[string]string // account ID to name
	OrganizationNames  bool              // ask AWS Organizations for the others
	MemberRole         string
	Version            string // of what is deployed; "" where that is not known
	Own                detect.Own
	Settings           wire.Settings
	Digest             digest.Schedule
	Drill              drill.Policy

	UndeliveredQueueURL string
	FailedQueueURL      string
	Metrics             bool     // CloudWatch is to make metrics of the log
	Regions             []string // whose events are forwarded
	Deployed            *Deployed

	// Of the topic, and so of the function: both are one stack's.
	Partition, Region, Account string
}

// Load reads the settings from the environment. The error has one line for each
// variable that is wrong, which names it and says what to set.
func Load(getenv func(string) string) (Config, error) {
	r := reader{getenv: getenv}
	c := Config{
		Table:              r.table(),
		EscalationTopicARN: r.topic(EnvEscalationTopicARN, false),
		ChatTopicARN:       r.topic(EnvChatTopicARN, false),
		TopicARN:           r.topic(EnvTopicARN, true),
		AccountNames:       r.names(),
		OrganizationNames:  r.flag(EnvOrganizationNames),
		MemberRole:         r.role(),
		Version:            r.text(EnvVersion),

		UndeliveredQueueURL: r.queue(EnvUndeliveredQueue),
		FailedQueueURL:      r.queue(EnvFailedQueue),
		Metrics:             r.flag(EnvMetrics),
		Regions:             r.list(EnvRegions),
		Deployed:            r.deployed(),
		Digest:              r.digest(),
		Drill:               drill.Policy{Within: r.duration(EnvDrill), Users: r.list(EnvDrillUsers)},

		Own: detect.Own{Prefix: r.text(EnvPrefix), Trails: r.list(EnvTrails), Keys: r.list(EnvKeys)},
		Settings: wire.Settings{
			DedupWindow:  r.duration(EnvWindow),
			Lease:        r.duration(EnvLease),
			RootInterval: r.duration(EnvPosture),
			DayTwo:       r.dayTwo(),
			Routes:       r.routes(),
			Reminders:    r.durations(EnvReminders),
			Resend:       r.durations(EnvResend),
			Bootstrap: bootstrap.Options{
				Grace:     r.duration(EnvGrace),
				QuietDays: r.number(EnvQuietDays), AdminRoles: r.list(EnvAdminRoles),
			},
			Quarantine: quarantine.Settings{
				Mode:   r.quarantine(),
				Notice: r.duration(EnvQuarantineNotice),
				PerDay: r.number(EnvQuarantineDaily),
				Exempt: r.exempt(),
			},
		},
	}
	if err := errors.Join(r.errs...); err != nil {
		return Config{}, fmt.Errorf("reading settings: %w", err)
	}
	c.Partition, c.Region, c.Account = place(c.TopicARN)
	c.Own.Account = c.Account
	if c.Settings.AckFlags = "--region " + c.Region; c.Own.Prefix != "" && c.Own.Prefix != detect.DefaultPrefix {
		c.Settings.AckFlags += " --stack " + c.Own.Prefix
	}
	if c.Own.Prefix != "" {
		c.Settings.Bootstrap.QuarantinePolicy = c.Own.Prefix + bootstrap.QuarantineSuffix
	}
	return c, nil
}

// LoadMetrics reads from the environment whether CloudWatch is to make metrics of
// the log, for a function that needs no other setting.
func LoadMetrics(getenv func(string) string) (bool, error) {
	r := reader{getenv: getenv}
	on := r.flag(EnvMetrics)
	if err := errors.Join(r.errs...); err != nil {
		return false, fmt.Errorf("reading settings: %w", err)
	}
	return on, nil
}

// LoadHub reads from the environment whose Security Hub alerts are for: that of
// the account and Region of the topic.
func LoadHub(getenv func(string) string) (alert.Hub, error) {
	r := reader{getenv: getenv}
	arn := r.topic(EnvTopicARN, true)
	if err := errors.Join(r.errs...); err != nil {
		return alert.Hub{}, fmt.Errorf("reading settings: %w", err)
	}
	partition, region, account := place(arn)
	return alert.Hub{Partition: partition, Region: region, Account: account}, nil
}

// HubAccount is the guard's own account.
func (c *Config) HubAccount() accountcheck.HubAccount {
	return accountcheck.HubAccount{Account: c.Account, Region: c.Region, Members: c.MemberRole != ""}
}

// Quarantine returns the name of the policy that quarantines users, and that of
// the role by which that is done in other accounts, "" without an organization.
func (c *Config) Quarantine() (policy, memberRole string) {
	prefix := c.Own.Prefix
	if prefix == "" {
		prefix = detect.DefaultPrefix
	}
	if policy = prefix + detect.QuarantineRole; c.MemberRole != "" {
		memberRole = policy + detect.MemberRole
	}
	return policy, memberRole
}

// AccountName is the name that was set for an account, "" where none was.
func (c *Config) AccountName(account string) string { return c.AccountNames[account] }

type reader struct {
	getenv func(string) string
	errs   []error
}

func (r *reader) wrong(name, value, fix string) {
	what := "is not set"
	if value != "" {
		what = fmt.Sprintf("is %.80q", value)
	}
	r.errs = append(r.errs, fmt.Errorf("%s %s: %s", name, what, fix))
}

func (r *reader) text(name string) string { return strings.TrimSpace(r.getenv(name)) }

func (r *reader) table() string {
	name := r.text(EnvTable)
	if name == "" {
		r.wrong(EnvTable, "", "set it to the name of the DynamoDB table")
	}
	return name
}

func (r *reader) topic(name string, required bool) string {
	arn := r.text(name)
	if arn == "" && !required {
		return ""
	}
	const fix = "set it to the ARN of an SNS topic, such as arn:aws:sns:us-east-1:111122223333:rootguard-alerts"
	parts := strings.Split(arn, ":")
	if len(parts) != 6 || parts[0] != "arn" || parts[1] == "" || parts[2] != "sns" || parts[3] == "" ||
		!isAccount(parts[4]) || parts[5] == "" {
		r.wrong(name, arn, fix)
		return ""
	}
	if strings.HasSuffix(arn, ".fifo") {
		r.wrong(name, arn, "use a standard topic: a FIFO topic takes no e-mail subscription")
		return ""
	}
	return arn
}

func (r *reader) queue(name string) string {
	value := r.text(name)
	if value != "" && (!strings.Contains(value, "://") || strings.HasSuffix(value, "/")) {
		r.wrong(name, value, "set it to the URL of an SQS queue, such as https://sqs.us-east-1.amazonaws.com/111122223333/rootguard-failed")
		return ""
	}
	return value
}

func place(topicARN string) (partition, region, account string) {
	parts := strings.Split(topicARN, ":")
	return parts[1], parts[3], parts[4]
}

func isAccount(id string) bool {
	return len(id) == 12 && strings.Trim(id, "0123456789") == ""
}

func (r *reader) names() map[string]string {
	value := r.text(EnvAccountNames)
	if value == "" {
		return nil
	}
	const fix = `set it to a JSON object such as {"111122223333":"prod"}`
	var names map[string]string
	if err := json.Unmarshal([]byte(value), &names); err != nil {
		r.wrong(EnvAccountNames, value, fix)
		return nil
	}
	for id := range names {
		if !isAccount(id) {
			r.wrong(EnvAccountNames, id, fix+", with account IDs of 12 digits")
		}
	}
	return names
}

func (r *reader) quarantine() quarantine.Mode {
	switch mode := quarantine.Mode(r.text(EnvQuarantine)); mode {
	case quarantine.Off, quarantine.DryRun, quarantine.On:
		return mode
	default:
		r.wrong(EnvQuarantine, string(mode), "set it to dry-run or on, or leave it out")
		return quarantine.Off
	}
}

func (r *reader) digest() digest.Schedule {
	value := r.text(EnvDigest)
	if value == "" {
		return digest.Schedule{}
	}
	s, err := digest.Parse(value)
	if err != nil {
		r.errs = append(r.errs, fmt.Errorf("%s is %.80q: %w", EnvDigest, value, err))
	}
	return s
}

func (r *reader) dayTwo() []daytwo.Step {
	names := r.list(EnvDayTwo)
	steps, unknown := daytwo.Choose(names)
	if len(unknown) > 0 {
		r.wrong(EnvDayTwo, r.text(EnvDayTwo), "set it to steps of "+strings.Join(daytwo.Names(), ", "))
	}
	return steps
}

func (r *reader) routes() []accountcheck.Route {
	value := r.text(EnvRoutes)
	if value == "" {
		return nil
	}
	var all []accountcheck.Route
	if err := json.Unmarshal([]byte(value), &all); err != nil {
		r.errs = append(r.errs,
			fmt.Errorf(`%s is no JSON list of routes, such as [{"name":"team","ou":["Workloads"]}]: %w; deploy again: make deploy`, EnvRoutes, err))
		return nil
	}
	return all
}

func (r *reader) exempt() []string {
	value := r.text(EnvQuarantineExempt)
	if value == "" {
		return nil
	}
	var all []string
	if err := json.Unmarshal([]byte(value), &all); err != nil {
		r.wrong(EnvQuarantineExempt, value, `set it to a JSON list such as ["break-glass","111122223333"]`)
		return nil
	}
	return all
}

func (r *reader) flag(name string) bool {
	value := r.text(name)
	if value == "" {
		return false
	}
	on, err := strconv.ParseBool(value)
	if err != nil {
		r.wrong(name, value, "set it to true or false")
	}
	return on
}

// role is a role's name: "+=,.@-_" and alphanumerics, at most 64 (IAM API
// Reference, CreateRole).
func (r *reader) role() string {
	name := r.text(EnvMemberRole)
	const allowed = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789+=,.@-_"
	if len(name) > 64 || strings.Trim(name, allowed) != "" {
		r.wrong(EnvMemberRole, name, "set it to the name of the role, without path or ARN")
		return ""
	}
	return name
}

func (r *reader) list(name string) []string {
	var all []string
	for one := range strings.SplitSeq(r.getenv(name), ",") {
		if one = strings.TrimSpace(one); one != "" {
			all = append(all, one)
		}
	}
	return all
}

func (r *reader) duration(name string) time.Duration {
	value := r.text(name)
	if value == "" {
		return 0
	}
	is := settingOf(name)
	d, err := time.ParseDuration(value)
	if err != nil || d < is.Shortest || d > is.Longest {
		r.wrong(name, value, fmt.Sprintf("set it to a duration between %v and %v, such as 24h or 15m", is.Shortest, is.Longest))
		return 0
	}
	return d
}

func (r *reader) durations(name string) []time.Duration {
	var all []time.Duration
	if r.text(name) == None {
		return []time.Duration{}
	}
	is := settingOf(name)
	for _, value := range r.list(name) {
		d, err := time.ParseDuration(value)
		if err != nil || d < is.Shortest || d > is.Longest || len(all) > 0 && d <= all[len(all)-1] {
			r.wrong(name, r.text(name), fmt.Sprintf("set it to durations between %v and %v, shortest first, such as 1h,24h,72h",
				is.Shortest, is.Longest))
			return nil
		}
		all = append(all, d)
	}
	return all
}

// number is 0 where it is not set.
func (r *reader) number(name string) int {
	value := r.text(name)
	if value == "" {
		return 0
	}
	is := settingOf(name)
	n, err := strconv.Atoi(value)
	if err != nil || n < is.Smallest || n > is.Largest {
		r.wrong(name, value, fmt.Sprintf("set it to a number of %s from %d to %d", is.Unit, is.Smallest, is.Largest))
		return 0
	}
	return n
}
