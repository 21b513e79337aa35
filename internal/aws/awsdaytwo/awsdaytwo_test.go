package awsdaytwo_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/google/go-cmp/cmp"

	"rootguard/internal/aws/awsdaytwo"
	"rootguard/internal/aws/awsdaytwo/awsdaytwotest"
	"rootguard/internal/aws/awsenv"
	"rootguard/internal/aws/iam"
	"rootguard/internal/aws/iam/iamtest"
	"rootguard/internal/daytwo"
)

const (
	home   = "111122223333"
	member = "222222222222"
	role   = "rootguard-member"
)

func ptr[T any](v T) *T { return &v }

// world is the services, and a Reader of them.
type world struct {
	iam      *iamtest.Server
	services *awsdaytwotest.Server
	reader   *awsdaytwo.Reader
}

func newWorld(t *testing.T) *world {
	t.Helper()
	w := &world{iam: iamtest.New(t, home), services: awsdaytwotest.New(t, home)}
	w.iam.AllowRole("arn:aws:iam::" + member + ":role/" + role)
	vars := w.services.Env()
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
	w.reader = awsdaytwo.New(env, iam.Over(env, iam.Home{Partition: "aws", Account: home}, role))
	return w
}

// TestRead reads each thing of the guard's own account and of another.
func TestRead(t *testing.T) {
	w := newWorld(t)
	w.iam.Set(member, iamtest.Account{
		Summary: map[string]int{"AccountMFAEnabled": 1, "AccountPasswordPresent": 1, "AccountSigningCertificatesPresent": 1},
		Virtual: []iamtest.Virtual{{Serial: "arn:aws:iam::" + member + ":mfa/phone", User: "arn:aws:iam::" + member + ":root"}},
		Policy:  &iamtest.PasswordPolicy{Length: 14, Remembers: 24},
	})
	w.iam.Set(home, iamtest.Account{Summary: map[string]int{"AccountMFAEnabled": 0, "AccountPasswordPresent": 0, "AccountSigningCertificatesPresent": 0}})
	w.services.Set(member, awsdaytwotest.Account{SecurityContact: true})
	for account, want := range map[string]daytwo.Answers{
		home: {
			Root:    &daytwo.Root{Password: ptr(false), MFA: ptr(false), Certificates: ptr(0)},
			Policy:  &daytwo.Policy{},
			Contact: &daytwo.Contact{},
		},
		member: {
			Root:    &daytwo.Root{Password: ptr(true), MFA: ptr(true), Certificates: ptr(1), Virtual: ptr(true)},
			Policy:  &daytwo.Policy{Set: true, Length: 14, Remembers: 24},
			Contact: &daytwo.Contact{Set: true},
		},
	} {
		var got daytwo.Answers
		for _, what := range daytwo.Reads(daytwo.Steps()) {
			if err := w.reader.Read(t.Context(), account, what, &got); err != nil {
				t.Errorf("%s of %s: %v", what, account, err)
			}
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", account, diff)
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
	for what, calls := range map[daytwo.Read][]string{
		daytwo.ReadContact: {"GetAlternateContact"},
		daytwo.ReadPolicy:  {"GetAccountPasswordPolicy"},
		daytwo.ReadRoot:    {"GetAccountSummary"},
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
	for _, what := range daytwo.Reads(daytwo.Steps()) {
		if err := w.reader.Read(t.Context(), "333333333333", what, &daytwo.Answers{}); err == nil || !strings.Contains(err.Error(), "AssumeRole") && !strings.Contains(err.Error(), "AWS denies") {
			t.Errorf("%s of an account without the role: %v", what, err)
		}
	}
	if calls := w.services.Calls(); slices.ContainsFunc(calls, func(c string) bool { return strings.HasSuffix(c, "333333333333") }) {
		t.Errorf("asked %v", calls)
	}
}
