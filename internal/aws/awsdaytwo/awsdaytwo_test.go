package awsdaytwo_test

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/google/go-cmp/cmp"

	"rootguard/internal/aws/awsdaytwo"
	"rootguard/internal/aws/awsdaytwo/awsdaytwotest"
	"rootguard/internal/aws/awsenv"
	"rootguard/internal/aws/awshealth/awshealthtest"
	"rootguard/internal/aws/iam"
	"rootguard/internal/aws/iam/iamtest"
	"rootguard/internal/aws/sns/snstest"
	"rootguard/internal/daytwo"
)

const (
	home   = "111122223333"
	member = "222222222222"
	role   = "rootguard-member"
	topic  = "arn:aws:sns:us-east-1:222222222222:billing"
)

func ptr[T any](v T) *T { return &v }

// world is the services, and a Reader of them.
type world struct {
	iam      *iamtest.Server
	services *awsdaytwotest.Server
	sns      *snstest.Server
	health   *awshealthtest.Server
	reader   *awsdaytwo.Reader
}

func newWorld(t *testing.T) *world {
	t.Helper()
	w := &world{iam: iamtest.New(t, home), services: awsdaytwotest.New(t, home)}
	w.iam.AllowRole("arn:aws:iam::" + member + ":role/" + role)
	w.sns = snstest.New(t)
	w.health = awshealthtest.New(t, awshealthtest.Deployment{Account: home, Region: "us-east-1", Prefix: "rootguard", Topics: []string{topic}, Undelivered: "u", Failed: "f"})
	vars := w.services.Env()
	vars["AWS_ENDPOINT_URL_SNS"], vars["AWS_ENDPOINT_URL_CLOUDTRAIL"] = w.sns.URL, w.health.Env()["AWS_ENDPOINT_URL_CLOUDTRAIL"]
	for name, value := range map[string]string{
		"AWS_REGION": "us-east-1", "AWS_ACCESS_KEY_ID": "test", "AWS_SECRET_ACCESS_KEY": "test",
		"AWS_ENDPOINT_URL_IAM": w.iam.URL, "AWS_ENDPOINT_URL_STS": w.iam.URL,
	} {
		vars[name] = value
	}
	env, err := awsenv.Config(func(name string) string { return vars[name] })
	if err != nil {
		t.Fatal(err)
	}
	env.Retryer = func() aws.Retryer { return aws.NopRetryer{} }
	w.reader = awsdaytwo.New(env, iam.Over(env, iam.Home{Partition: "aws", Account: home}, role), time.Now)
	return w
}

// TestRead reads each thing of the guard's own account and of another.
func TestRead(t *testing.T) {
	w := newWorld(t)
	w.iam.Set(member, iamtest.Account{
		Summary: map[string]int{"AccountMFAEnabled": 1, "AccountPasswordPresent": 1, "AccountSigningCertificatesPresent": 1},
		Virtual: []iamtest.Virtual{{Serial: "arn:aws:iam::" + member + ":mfa/phone", User: "arn:aws:iam::" + member + ":root"}},
		Policy:  &iamtest.PasswordPolicy{Length: 14, Remembers: 24}, Features: []string{"RootCredentialsManagement", "RootSessions"},
	})
	w.iam.Set(home, iamtest.Account{Summary: map[string]int{"AccountMFAEnabled": 0, "AccountPasswordPresent": 0, "AccountSigningCertificatesPresent": 0}})
	w.services.Set(member, awsdaytwotest.Done())
	w.services.Set(home, awsdaytwotest.Account{
		Analyzers: map[string]string{"old": "ORGANIZATION DISABLED", "unused": "ACCOUNT_UNUSED_ACCESS ACTIVE"}, S3: map[string]bool{"BlockPublicAcls": true},
		Budgets: []awsdaytwotest.Budget{{Name: "none"}, {Name: "topics", Topics: []string{topic, "no ARN"}}},
	})
	w.sns.Set(topic, snstest.Topic{Pending: 1})
	trails := &daytwo.Trails{All: []daytwo.TrailState{{Name: "main", Regions: true, Logging: true, Whole: true}}}
	for account, want := range map[string]daytwo.Answers{
		home: {
			Root:    &daytwo.Root{Password: ptr(false), MFA: ptr(false), Certificates: ptr(0)},
			Policy:  &daytwo.Policy{},
			Contact: &daytwo.Contact{},
			Central: &daytwo.Central{Outside: "the account is in no organization"},
			Trails:  trails,
			Budgets: &daytwo.Budgets{Count: 2, Pending: 1, Unknown: []string{
				`a budget notifies "no ARN", which is no ARN of a topic: arn: invalid prefix`,
			}},
			Analyzers: &daytwo.Analyzers{Inactive: []string{"old (DISABLED)"}},
			S3:        &daytwo.S3{BlockPublicACLs: true},
			EBS:       &daytwo.EBS{Region: "us-east-1"},
		},
		member: {
			Root:    &daytwo.Root{Password: ptr(true), MFA: ptr(true), Certificates: ptr(1), Virtual: ptr(true)},
			Policy:  &daytwo.Policy{Set: true, Length: 14, Remembers: 24},
			Contact: &daytwo.Contact{Set: true},
			Central: &daytwo.Central{Credentials: true, Sessions: true},
			Trails:  trails,
			Budgets: &daytwo.Budgets{Count: 1, Emails: 1}, Analyzers: &daytwo.Analyzers{Active: []string{"account"}},
			S3:  &daytwo.S3{BlockPublicACLs: true, IgnorePublicACLs: true, BlockPublicPolicy: true, RestrictPublicBuckets: true},
			EBS: &daytwo.EBS{Region: "us-east-1", Default: true},
		},
	} {
		var got daytwo.Answers
		for _, what := range ofAWS() {
			if err := w.reader.Read(t.Context(), account, what, &got); err != nil {
				t.Errorf("%s of %s: %v", what, account, err)
			}
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", account, diff)
		}
	}
	// Receivers by a topic count where a subscription is confirmed.
	w.sns.Set(topic, snstest.Topic{Confirmed: 2})
	var got daytwo.Answers
	if err := w.reader.Read(t.Context(), home, daytwo.ReadBudgets, &got); err != nil || got.Budgets.Confirmed != 1 {
		t.Errorf("budgets %+v, %v", got.Budgets, err)
	}
	// What an organization answers of a member, or without trusted access.
	for code, want := range map[string]daytwo.Central{
		"AccountNotManagementOrDelegatedAdministrator": {Outside: "it is a matter of the organization's management account"},
		"OrganizationNotFoundException":                {Outside: "the account is in no organization"},
		"ServiceAccessNotEnabledException":             {},
	} {
		w.iam.Inject("ListOrganizationsFeatures", 1, code)
		if err := w.reader.Read(t.Context(), home, daytwo.ReadCentral, &got); err != nil || *got.Central != want {
			t.Errorf("%s: %+v, %v", code, got.Central, err)
		}
	}
	if err := w.reader.Read(t.Context(), home, "weather", &daytwo.Answers{}); err == nil {
		t.Error("something that nothing reads: no error")
	}
}

// TestDenied holds that each read says for people why there is no answer, and
// answers nothing.
func TestDenied(t *testing.T) {
	w := newWorld(t)
	w.services.Set(home, awsdaytwotest.Done())
	for what, calls := range map[daytwo.Read][]string{
		daytwo.ReadContact: {"GetAlternateContact"},
		daytwo.ReadPolicy:  {"GetAccountPasswordPolicy"},
		daytwo.ReadRoot:    {"GetAccountSummary"},
		daytwo.ReadCentral: {"ListOrganizationsFeatures"},
		daytwo.ReadBudgets: {"DescribeBudgets", "DescribeNotificationsForBudget", "DescribeSubscribersForNotification"},
		daytwo.ReadAnalyze: {"ListAnalyzers"},
		daytwo.ReadS3:      {"GetPublicAccessBlock"},
		daytwo.ReadEBS:     {"GetEbsEncryptionByDefault"},
	} {
		for _, call := range calls {
			for code, want := range map[string]string{"AccessDenied": "AWS denies rootguard's role to read the " + string(what) + ": ", "Broken": "AWS did not answer what the " + string(what) + " is: Broken: "} {
				w.services.Refuse(call, code)
				w.iam.Inject(call, 1, code)
				var got daytwo.Answers
				if err := w.reader.Read(t.Context(), home, what, &got); err == nil || !strings.HasPrefix(err.Error(), want) {
					t.Errorf("%s with %s refused as %s: %v", what, call, code, err)
				}
				if diff := cmp.Diff(daytwo.Answers{}, got); diff != "" {
					t.Errorf("%s answered (-want +got):\n%s", what, diff)
				}
				w.services.Refuse(call, "")
			}
		}
	}
	for _, what := range ofAWS() {
		if err := w.reader.Read(t.Context(), "333333333333", what, &daytwo.Answers{}); err == nil || !strings.Contains(err.Error(), "AssumeRole") && !strings.Contains(err.Error(), "AWS denies") {
			t.Errorf("%s of an account without the role: %v", what, err)
		}
	}
	if calls := w.services.Calls(); slices.ContainsFunc(calls, func(c string) bool { return strings.HasSuffix(c, "333333333333") }) {
		t.Errorf("asked %v", calls)
	}
}

// ofAWS are the reads of all steps but the drill's, which the table answers.
func ofAWS() []daytwo.Read {
	return slices.DeleteFunc(daytwo.Reads(daytwo.Steps()), func(r daytwo.Read) bool { return r == daytwo.ReadDrill })
}
