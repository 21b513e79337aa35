package config

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"rootguard/internal/bootstrap"
	"rootguard/internal/daytwo"
	"rootguard/internal/detect"
	"rootguard/internal/quarantine"
	"rootguard/internal/wire"
)

const topic = "arn:aws:sns:us-east-1:111122223333:rootguard-alerts"

func env(vars map[string]string) func(string) string {
	all := map[string]string{EnvTable: "rootguard", EnvTopicARN: topic}
	for k, v := range vars {
		all[k] = v
	}
	return func(name string) string { return all[name] }
}

func TestLoad(t *testing.T) {
	least := Config{Table: "rootguard", TopicARN: topic, Partition: "aws", Region: "us-east-1", Account: "111122223333",
		Settings: wire.Settings{AckFlags: "--region us-east-1"}}
	full := Config{
		Table: "t", TopicARN: "arn:aws-us-gov:sns:us-gov-west-1:111122223333:a",
		EscalationTopicARN: "arn:aws-us-gov:sns:us-gov-west-1:111122223333:e", ChatTopicARN: "arn:aws-us-gov:sns:us-gov-west-1:111122223333:c",
		AccountNames: map[string]string{"111122223333": "prod, \u00fcber"}, OrganizationNames: true, MemberRole: "rootguard-read",
		Own: detect.Own{Prefix: "guard", Trails: []string{"one", "arn:aws:cloudtrail:us-east-1:111122223333:trail/two"}, Keys: []string{"k"}},
		Settings: wire.Settings{DedupWindow: 5 * time.Minute, Lease: time.Minute, Reminders: []time.Duration{time.Hour, 48 * time.Hour}, Resend: []time.Duration{10 * time.Minute, 2 * time.Hour},
			RootInterval: 2 * time.Hour, DayTwo: []daytwo.Step{daytwo.SecurityContact, daytwo.RootCertificates}, AckFlags: "--region us-gov-west-1 --stack guard",
			Bootstrap:  bootstrap.Options{Grace: 36 * time.Hour, QuietDays: 60, AdminRoles: []string{"Platform", "ops"}, QuarantinePolicy: "guard-quarantine"},
			Quarantine: quarantine.Settings{Mode: quarantine.DryRun, Notice: 48 * time.Hour, PerDay: 25, Exempt: []string{"a,b", "111122223333"}}},
		UndeliveredQueueURL: "https://sqs.us-gov-west-1.amazonaws.com/111122223333/u", FailedQueueURL: "http://localhost:1/f", Regions: []string{"us-gov-east-1", "x"},
		Partition: "aws-us-gov", Region: "us-gov-west-1", Account: "111122223333",
	}
	for _, tt := range []struct {
		name string
		vars map[string]string
		want Config
	}{
		{"the least", nil, least},
		{"spaces and empty entries", map[string]string{EnvTable: " rootguard\n", EnvTrails: " , ", EnvGrace: " ", EnvAccountNames: " "}, least},
		{"everything", map[string]string{
			EnvTable: "t", EnvTopicARN: full.TopicARN, EnvEscalationTopicARN: full.EscalationTopicARN, EnvChatTopicARN: full.ChatTopicARN,
			EnvAccountNames: `{"111122223333":"prod, \u00fcber"}`, EnvOrganizationNames: "true", EnvMemberRole: "rootguard-read", EnvPrefix: "guard",
			EnvTrails: "one, arn:aws:cloudtrail:us-east-1:111122223333:trail/two", EnvKeys: "k",
			EnvWindow: "5m", EnvLease: "60s", EnvGrace: "36h", EnvQuietDays: "60", EnvAdminRoles: "Platform, ops", EnvReminders: "1h, 48h", EnvResend: "10m, 2h", EnvPosture: "2h", EnvDayTwo: "root-certificates, security-contact",
			EnvQuarantine: "dry-run", EnvQuarantineNotice: "48h", EnvQuarantineDaily: "25", EnvQuarantineExempt: `["a,b","111122223333"]`,
			EnvUndeliveredQueue: full.UndeliveredQueueURL, EnvFailedQueue: full.FailedQueueURL, EnvRegions: "us-gov-east-1, x",
		}, full},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got, err := Load(env(tt.vars))
			if err != nil {
				t.Fatal(err)
			}
			tt.want.Own.Account = tt.want.Account
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Errorf("config (-want +got):\n%s", diff)
			}
		})
	}
}

// TestWrong holds that every error names the variable, what it is and a fix.
func TestWrong(t *testing.T) {
	for _, tt := range []struct{ name, value, want string }{
		{EnvTable, "", "is not set: set it to the name of the DynamoDB table"},
		{EnvTopicARN, "", "is not set: set it to the ARN of an SNS topic"},
		{EnvTopicARN, "rootguard-alerts", `is "rootguard-alerts": set it to the ARN`},
		{EnvTopicARN, "arn:aws:sqs:us-east-1:111122223333:q", "set it to the ARN of an SNS topic"},
		{EnvTopicARN, "arn:aws:sns:us-east-1:1111:a", "set it to the ARN of an SNS topic"},
		{EnvTopicARN, "arn:aws:sns:us-east-1:111122223333:", "set it to the ARN of an SNS topic"},
		{EnvTopicARN, topic + ":subscription", "set it to the ARN of an SNS topic"},
		{EnvTopicARN, topic + ".fifo", "use a standard topic"},
		{EnvEscalationTopicARN, "x", "set it to the ARN of an SNS topic"},
		{EnvChatTopicARN, "x", "set it to the ARN of an SNS topic"},
		{EnvGrace, "24", "set it to a duration between 1h0m0s and 2160h0m0s"},
		{EnvGrace, "1s", "set it to a duration"},
		{EnvDayTwo, "security-contact,tea", `is "security-contact,tea": set it to steps of security-contact, password-policy`},
		{EnvGrace, "-24h", "set it to a duration"},
		{EnvWindow, "25h", "set it to a duration between 1m0s and 24h0m0s"},
		{EnvLease, "1s", "set it to a duration between 10s and 1h0m0s"},
		{EnvReminders, "1h,soon", `is "1h,soon": set it to durations between 1m0s and 2160h0m0s, shortest first`},
		{EnvReminders, "24h,1h", "shortest first"},
		{EnvReminders, "1h,1h", "shortest first"},
		{EnvReminders, "1s", "set it to durations"},
		{EnvResend, "1m", "set it to durations between 5m0s and 168h0m0s, shortest first"},
		{EnvDigest, "monthly", "write off, daily or weekly"},
		{EnvPosture, "1m", "set it to a duration between 15m0s and 24h0m0s"},
		{EnvQuarantine, "yes", `is "yes": set it to dry-run or on`},
		{EnvQuarantineNotice, "30m", "set it to a duration between 1h0m0s and 720h0m0s"},
		{EnvQuarantineDaily, "1001", "set it to a number of users from 1 to 1000"},
		{EnvQuarantineExempt, "eve", `is "eve": set it to a JSON list`},
		{EnvQuietDays, "a month", "set it to a number of days"},
		{EnvQuietDays, "0", "set it to a number of days"},
		{EnvAccountNames, "prod", "set it to a JSON object"},
		{EnvAccountNames, `{"prod":"111122223333"}`, "account IDs of 12 digits"},
		{EnvOrganizationNames, "yes", `is "yes": set it to true or false`},
		{EnvUndeliveredQueue, "rootguard-undelivered", "set it to the URL of an SQS queue"},
		{EnvFailedQueue, "https://sqs.us-east-1.amazonaws.com/111122223333/", "set it to the URL of an SQS queue"},
		{EnvMemberRole, "arn:aws:iam::111122223333:role/x", "without path or ARN"},
		{EnvMemberRole, strings.Repeat("x", 65), "without path or ARN"},
	} {
		t.Run(tt.name+"="+tt.value, func(t *testing.T) {
			_, err := Load(env(map[string]string{tt.name: tt.value}))
			if err == nil || !strings.Contains(err.Error(), tt.name+" is ") || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("got %v, want %s and %q", err, tt.name, tt.want)
			}
		})
	}
}

func TestAllThatIsWrongIsSaidAtOnce(t *testing.T) {
	_, err := Load(env(map[string]string{EnvTable: "", EnvGrace: "soon", EnvQuietDays: "many"}))
	for _, name := range []string{EnvTable, EnvGrace, EnvQuietDays} {
		if err == nil || !strings.Contains(err.Error(), name) {
			t.Errorf("%v does not name %s", err, name)
		}
	}
}

func TestQuarantine(t *testing.T) {
	for _, tt := range []struct {
		prefix, member string
		want           [2]string
	}{
		{"", "", [2]string{"rootguard-quarantine", ""}},
		{"acme", "", [2]string{"acme-quarantine", ""}},
		{"acme", "acme-member", [2]string{"acme-quarantine", "acme-quarantine-member"}},
	} {
		c := Config{MemberRole: tt.member, Own: detect.Own{Prefix: tt.prefix}}
		if policy, role := c.Quarantine(); [2]string{policy, role} != tt.want {
			t.Errorf("%+v: %s, %s", tt, policy, role)
		}
	}
}

func TestAccountName(t *testing.T) {
	c := Config{AccountNames: map[string]string{"111122223333": "prod"}}
	if got := c.AccountName("111122223333"); got != "prod" {
		t.Errorf("got %q", got)
	}
	if got := c.AccountName("444455556666"); got != "" {
		t.Errorf("got %q for an account without a name", got)
	}
}

// TestNone holds that no reminder is another setting than the default ones.
func TestNone(t *testing.T) {
	env := map[string]string{EnvTable: "t", EnvTopicARN: "arn:aws:sns:us-east-1:111122223333:rootguard", EnvReminders: None}
	c, err := Load(func(name string) string { return env[name] })
	if err != nil || c.Settings.Reminders == nil || len(c.Settings.Reminders) > 0 || c.Settings.Resend != nil {
		t.Errorf("reminders %v, resend %v, %v", c.Settings.Reminders, c.Settings.Resend, err)
	}
}
