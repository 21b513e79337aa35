package daytwo_test

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"rootguard/internal/bootstrap"
	"rootguard/internal/daytwo"
	"rootguard/internal/testenv"
)

var t0 = time.Date(2026, 3, 2, 9, 0, 0, 0, time.UTC)

const (
	app   = "arn:aws:iam::111122223333:mfa/phone"
	key   = "arn:aws:iam::111122223333:u2f/root-account/key-A1"
	other = "arn:aws:iam::111122223333:u2f/root-account/key-B2"
	token = "GAHT12345678"
)

func ptr[T any](v T) *T { return &v }

// TestCatalogue holds that each step can be read of, shown and documented.
func TestCatalogue(t *testing.T) {
	seen := map[daytwo.Step]bool{}
	for _, e := range daytwo.Catalogue() {
		for what, text := range map[string]string{"name": string(e.Step), "title": e.Title, "proof": e.Proof, "regression": e.Regresses, "fix": e.Fix} {
			if text == "" || strings.TrimSpace(text) != text || strings.Contains(text, "|") {
				t.Errorf("%s: its %s is %q", e.Step, what, text)
			}
		}
		if len(e.Title) > 46 {
			t.Errorf("%s: its title is wider than the column of status", e.Step)
		}
		if seen[e.Step] || strings.Trim(string(e.Step), "abcdefghijklmnopqrstuvwxyz0123456789-") != "" {
			t.Errorf("%s is there twice, or no name of a setting", e.Step)
		}
		seen[e.Step] = true
		for _, p := range e.Permissions {
			arn := p.ARN("aws-us-gov", "111122223333")
			if len(p.Actions) == 0 || arn != "*" && (!strings.HasPrefix(arn, "arn:aws-us-gov:") || strings.Count(arn, ":") < 5) {
				t.Errorf("%s: permission %+v is on %s", e.Step, p, arn)
			}
		}
		if v := daytwo.Judge(e.Step, &daytwo.Input{Status: &bootstrap.Status{}}); len(e.Reads) > 0 && v.State != bootstrap.Unknown {
			t.Errorf("%s without an answer is %+v", e.Step, v)
		}
		for _, r := range e.Reads {
			in := daytwo.Input{Status: &bootstrap.Status{}}
			in.Answers.Missed(r, "it was denied")
			if v := daytwo.Judge(e.Step, &in); v.State != bootstrap.Unknown || v.What != "it was denied" {
				t.Errorf("%s with %s denied is %+v", e.Step, r, v)
			}
		}
	}
	if v := daytwo.Judge("no-such-step", &daytwo.Input{}); v.State != bootstrap.Unknown {
		t.Errorf("a step that is none: %+v", v)
	}
}

func TestChoose(t *testing.T) {
	steps, unknown := daytwo.Choose([]string{"root-certificates", "nonsense", "security-contact", "root-certificates"})
	if diff := cmp.Diff([]daytwo.Step{daytwo.SecurityContact, daytwo.RootCertificates}, steps); diff != "" || !slices.Equal(unknown, []string{"nonsense"}) {
		t.Errorf("steps (-want +got):\n%sunknown %v", diff, unknown)
	}
	if reads := daytwo.Reads([]daytwo.Step{daytwo.RootCertificates, daytwo.RootSecondMFA, daytwo.SecurityContact}); !slices.Equal(reads, []daytwo.Read{daytwo.ReadRoot, daytwo.ReadContact}) {
		t.Errorf("reads %v", reads)
	}
}

// known is root with a password and MFA.
func known(virtual *bool, certificates *int) daytwo.Answers {
	return daytwo.Answers{Root: &daytwo.Root{Password: ptr(true), MFA: ptr(true), Virtual: virtual, Certificates: certificates}}
}

// devices is what is on record of root's devices.
func devices(all bool, serials ...string) *bootstrap.Status {
	return &bootstrap.Status{RootDevices: bootstrap.RootDevices{Serials: serials, All: all}}
}

// admins is an account with users, and with a federated administrator or none.
func admins(federated bool, users ...bootstrap.UserStatus) *bootstrap.Status {
	s := &bootstrap.Status{Users: users, Steps: []bootstrap.StepStatus{{Step: bootstrap.AdminUser, State: bootstrap.Done}, {Step: bootstrap.AdminMFA, State: bootstrap.Done}}}
	if federated {
		s.Steps[1].State = bootstrap.NotApplicable
	}
	return s
}

func TestJudge(t *testing.T) {
	const (
		done    = bootstrap.Done
		missing = bootstrap.Pending
		none    = bootstrap.NotApplicable
		unknown = bootstrap.Unknown
	)
	users := &bootstrap.Status{Users: []bootstrap.UserStatus{{Name: "eve", MFA: bootstrap.MFAOn}}}
	noUsers := &bootstrap.Status{Users: []bootstrap.UserStatus{{Name: "ci", MFA: bootstrap.MFANotNeeded}, {Name: "gone", MFA: bootstrap.MFAOn, Deleted: true}}}
	policy := func(p daytwo.Policy) daytwo.Answers { return daytwo.Answers{Policy: &p} }
	noPassword := daytwo.Answers{Root: &daytwo.Root{Password: ptr(false), MFA: ptr(false), Certificates: ptr(0)}}
	noMFA := daytwo.Answers{Root: &daytwo.Root{Password: ptr(true), MFA: ptr(false)}}
	none0 := daytwo.Answers{}
	budgets := func(b daytwo.Budgets) daytwo.Answers { return daytwo.Answers{Budgets: &b} }
	trails := func(all ...daytwo.TrailState) daytwo.Answers { return daytwo.Answers{Trails: &daytwo.Trails{All: all}} }
	whole := daytwo.TrailState{Name: "whole", Regions: true, Logging: true, Whole: true}
	partly := daytwo.TrailState{Name: "partly", Regions: true, Logging: true}
	local := daytwo.TrailState{Name: "local", Logging: true, Whole: true}
	off := daytwo.TrailState{Name: "off", Regions: true, Whole: true}
	dark := daytwo.TrailState{Name: "dark", Regions: true, Unknown: "denied"}
	for _, tt := range []struct {
		step    daytwo.Step
		name    string
		answers daytwo.Answers
		status  *bootstrap.Status
		want    bootstrap.State
		what    string
	}{
		{daytwo.SecurityContact, "set", daytwo.Answers{Contact: &daytwo.Contact{Set: true}}, users, done, "is set"},
		{daytwo.SecurityContact, "not set", daytwo.Answers{Contact: &daytwo.Contact{}}, users, missing, "no security contact"},

		{daytwo.PasswordPolicy, "as the benchmark has it", policy(daytwo.Policy{Set: true, Length: 14, Remembers: 24}), users, done, "minimum length 14, 24 passwords remembered"},
		{daytwo.PasswordPolicy, "short", policy(daytwo.Policy{Set: true, Length: 13, Remembers: 24}), users, missing, "minimum length 13"},
		{daytwo.PasswordPolicy, "forgetful", policy(daytwo.Policy{Set: true, Length: 14, Remembers: 23}), users, missing, "23 passwords"},
		{daytwo.PasswordPolicy, "none", policy(daytwo.Policy{}), users, missing, "no password policy"},
		{daytwo.PasswordPolicy, "no one with a password", policy(daytwo.Policy{}), noUsers, none, "no IAM user"},

		{daytwo.RootCertificates, "none", known(nil, ptr(0)), users, done, "AccountSigningCertificatesPresent=0"},
		{daytwo.RootCertificates, "one", known(nil, ptr(1)), users, missing, "AccountSigningCertificatesPresent=1"},
		{daytwo.RootCertificates, "not said", known(nil, nil), users, unknown, "did not say"},

		{daytwo.RootSecondMFA, "two keys", known(ptr(false), nil), devices(false, key, other), done, "2 devices are on record: passkey/security key, passkey/security key"},
		{daytwo.RootSecondMFA, "a key, and an app that no event named", known(ptr(true), nil), devices(false, key), done, "2 devices"},
		{daytwo.RootSecondMFA, "an app that an event named", known(ptr(true), nil), devices(false, app), unknown, "one device is on record (authenticator app)"},
		{daytwo.RootSecondMFA, "one, and no other", known(ptr(false), nil), devices(true, key), missing, "one device"},
		{daytwo.RootSecondMFA, "nothing on record", known(ptr(false), nil), devices(false), unknown, "no event named"},
		{daytwo.RootSecondMFA, "no MFA", noMFA, devices(true), missing, "root has no MFA device"},
		{daytwo.RootSecondMFA, "no password", noPassword, devices(true), none, "root has no password"},

		{daytwo.RootPhishingProof, "a key", known(ptr(false), nil), devices(true, key), done, "no authenticator app"},
		{daytwo.RootPhishingProof, "a key and an app", known(ptr(true), nil), devices(true, key), missing, "authenticator app"},
		{daytwo.RootPhishingProof, "a key and a token", known(ptr(false), nil), devices(true, key, token), missing, "hardware TOTP"},
		{daytwo.RootPhishingProof, "an app on record that IAM does not list any more", known(ptr(false), nil), devices(true, app, key), done, "passkey"},
		{daytwo.RootPhishingProof, "whether there is an app is not known", known(nil, nil), devices(true, key), unknown, "was not answered"},
		{daytwo.RootPhishingProof, "nothing on record", known(ptr(false), nil), devices(false), unknown, "no API says"},
		{daytwo.RootPhishingProof, "no MFA", noMFA, devices(true), missing, "no MFA device"},
		{daytwo.RootPhishingProof, "no password", noPassword, devices(true), none, "no password"},

		{daytwo.BootstrapAdmin, "gone", none0, admins(true), done, "no IAM user"},
		{daytwo.BootstrapAdmin, "there", none0, admins(true, bootstrap.UserStatus{Name: "admin", Admin: true, ConsoleAccess: true, MFA: bootstrap.MFAOn}), missing, "admin"},
		{daytwo.BootstrapAdmin, "deleted", none0, admins(true, bootstrap.UserStatus{Name: "admin", Admin: true, ConsoleAccess: true, Deleted: true}), done, "no IAM user"},
		{daytwo.BootstrapAdmin, "without a password", none0, admins(true, bootstrap.UserStatus{Name: "admin", Admin: true, MFA: bootstrap.MFANotNeeded}), done, "no IAM user"},
		{daytwo.BootstrapAdmin, "no federated administrator", none0, admins(false), unknown, "no federated administrator"},
		{daytwo.BootstrapAdmin, "a user of whose rights nothing is known", none0, admins(true, bootstrap.UserStatus{Name: "old", ConsoleAccess: true, MFA: bootstrap.MFAOn}), unknown, "old"},
		{daytwo.BootstrapAdmin, "a user made with fewer rights", none0, admins(true, bootstrap.UserStatus{Name: "new", CreatedAt: t0, ConsoleAccess: true, MFA: bootstrap.MFAOn}), done, "no IAM user"},

		{daytwo.CentralRoot, "both", daytwo.Answers{Central: &daytwo.Central{Credentials: true, Sessions: true}}, users, done, "and RootSessions"},
		{daytwo.CentralRoot, "sessions alone", daytwo.Answers{Central: &daytwo.Central{Sessions: true}}, users, missing, "not enabled"},
		{daytwo.CentralRoot, "credentials alone", daytwo.Answers{Central: &daytwo.Central{Credentials: true}}, users, done, "is enabled"},
		{daytwo.CentralRoot, "a member", daytwo.Answers{Central: &daytwo.Central{Outside: "a member"}}, users, none, "a member"},

		{daytwo.Trail, "one that logs all", trails(partly, whole), users, done, "trail whole"},
		{daytwo.Trail, "none", trails(), users, missing, "there is no trail"},
		{daytwo.Trail, "off, of one Region and partly", trails(off, local, partly), users, missing, "local is of one Region, off is off, partly leaves management events out"},
		{daytwo.Trail, "one that does not say", trails(off, dark), users, unknown, "denied"},
		{daytwo.Trail, "one that does not say beside one that logs all", trails(dark, whole), users, done, "trail whole"},

		{daytwo.Budget, "by e-mail", budgets(daytwo.Budgets{Count: 1, Emails: 2}), users, done, "1 budget, 2 notifications by e-mail"},
		{daytwo.Budget, "by a topic", budgets(daytwo.Budgets{Count: 1, Confirmed: 1, Pending: 1}), users, done, "confirmed subscription"},
		{daytwo.Budget, "by a topic without a receiver", budgets(daytwo.Budgets{Count: 1, Pending: 1}), users, missing, "no subscription is confirmed"},
		{daytwo.Budget, "by a topic that does not answer", budgets(daytwo.Budgets{Count: 1, Pending: 1, Unknown: []string{"denied"}}), users, unknown, "denied"},
		{daytwo.Budget, "more than were read", budgets(daytwo.Budgets{Count: 10, More: true}), users, unknown, "more budgets"},
		{daytwo.Budget, "no receiver", budgets(daytwo.Budgets{Count: 3}), users, missing, "3 budgets, none with a receiver"},
		{daytwo.Budget, "no budget", budgets(daytwo.Budgets{}), users, missing, "there is no budget"},

		{daytwo.AccessAnalyzer, "active", daytwo.Answers{Analyzers: &daytwo.Analyzers{Active: []string{"a"}, Inactive: []string{"b"}}}, users, done, "active: a"},
		{daytwo.AccessAnalyzer, "not active", daytwo.Answers{Analyzers: &daytwo.Analyzers{Inactive: []string{"b (FAILED)"}}}, users, missing, "b (FAILED)"},
		{daytwo.AccessAnalyzer, "none", daytwo.Answers{Analyzers: &daytwo.Analyzers{}}, users, missing, "no analyzer"},

		{daytwo.S3Block, "all", daytwo.Answers{S3: &daytwo.S3{BlockPublicACLs: true, IgnorePublicACLs: true, BlockPublicPolicy: true, RestrictPublicBuckets: true}}, users, done, "all four"},
		{daytwo.S3Block, "three", daytwo.Answers{S3: &daytwo.S3{BlockPublicACLs: true, IgnorePublicACLs: true, RestrictPublicBuckets: true}}, users, missing, "off: BlockPublicPolicy"},
		{daytwo.S3Block, "none", daytwo.Answers{S3: &daytwo.S3{}}, users, missing, "off: BlockPublicAcls, BlockPublicPolicy, IgnorePublicAcls, RestrictPublicBuckets"},

		{daytwo.EBSEncryption, "on", daytwo.Answers{EBS: &daytwo.EBS{Region: "us-east-1", Default: true}}, users, done, "is on in us-east-1"},
		{daytwo.EBSEncryption, "off", daytwo.Answers{EBS: &daytwo.EBS{Region: "us-east-1"}}, users, missing, "is off in us-east-1"},
	} {
		t.Run(string(tt.step)+"/"+tt.name, func(t *testing.T) {
			got := daytwo.Judge(tt.step, &daytwo.Input{Answers: tt.answers, Status: tt.status})
			if got.State != tt.want || !strings.Contains(got.What, tt.what) {
				t.Errorf("got %+v, want %s with %q", got, tt.want, tt.what)
			}
		})
	}
}

// TestUpdate follows a step: what was done and is not any more regressed once, and
// a check that knows nothing neither undoes it nor hides what was known.
func TestUpdate(t *testing.T) {
	status := &bootstrap.Status{}
	chosen := []daytwo.Step{daytwo.SecurityContact}
	var results []daytwo.Result
	at := t0
	check := func(set *bool, want bootstrap.State, note string, alerts int) {
		t.Helper()
		in := daytwo.Input{Status: status}
		if set == nil {
			in.Answers.Missed(daytwo.ReadContact, "it was denied")
		} else {
			in.Answers.Contact = &daytwo.Contact{Set: *set}
		}
		var regressed []daytwo.Step
		results, regressed = daytwo.Update(results, chosen, &in, at)
		v := daytwo.Views(results, chosen)
		if len(v) != 1 || v[0].State != want || v[0].Note != note || len(regressed) != alerts || (v[0].Fix != "") != (want == bootstrap.Pending || want == bootstrap.Regressed) {
			t.Fatalf("at %v: %+v, %d regressed", at, v, len(regressed))
		}
		at = at.Add(24 * time.Hour)
	}
	check(nil, bootstrap.Unknown, "unknown, because it was denied", 0)
	check(ptr(false), bootstrap.Pending, "no security contact is set", 0)
	check(ptr(true), bootstrap.Done, "a security contact is set", 0)
	check(ptr(true), bootstrap.Done, "a security contact is set", 0)
	if since := results[0].Since; !since.Equal(t0.Add(48 * time.Hour)) {
		t.Errorf("done since %v", since)
	}
	check(nil, bootstrap.Unknown, "unknown, because it was denied; on 2026-03-05: a security contact is set", 0)
	check(ptr(false), bootstrap.Regressed, "no security contact is set", 1)
	check(nil, bootstrap.Unknown, "unknown, because it was denied; on 2026-03-07: no security contact is set", 0)
	check(ptr(false), bootstrap.Regressed, "no security contact is set", 0)
	check(ptr(true), bootstrap.Done, "a security contact is set", 0)
	check(ptr(false), bootstrap.Regressed, "no security contact is set", 1)

	// A step that is not chosen any more is forgotten, a new one begins.
	chosen = []daytwo.Step{daytwo.RootCertificates}
	results, regressed := daytwo.Update(results, chosen, &daytwo.Input{Status: status, Answers: known(nil, ptr(1))}, at)
	if len(results) != 1 || results[0].State != bootstrap.Pending || len(regressed) != 0 {
		t.Errorf("%+v, %v", results, regressed)
	}
}

// TestUpdateProperty: whatever answers come in which order, a step regresses only
// from done, and once until it is done again; no answer changes no known state.
func TestUpdateProperty(t *testing.T) {
	testenv.Check(t, 500, func(t *rapid.T) {
		var results []daytwo.Result
		last, alerted := bootstrap.Unknown, false
		for i, answer := range rapid.SliceOf(rapid.SampledFrom([]string{"yes", "no", "none"})).Draw(t, "answers") {
			in := daytwo.Input{Status: &bootstrap.Status{}}
			if answer == "none" {
				in.Answers.Missed(daytwo.ReadContact, "why")
			} else {
				in.Answers.Contact = &daytwo.Contact{Set: answer == "yes"}
			}
			now, regressed := daytwo.Update(results, []daytwo.Step{daytwo.SecurityContact}, &in, t0.Add(time.Duration(i)*time.Hour))
			r := now[0]
			switch answer {
			case "none":
				if r.Shown() != bootstrap.Unknown || len(regressed) > 0 || r.State != last {
					t.Fatalf("no answer after %s: %+v, %v", last, r, regressed)
				}
			case "yes":
				if r.Shown() != bootstrap.Done || len(regressed) > 0 {
					t.Fatalf("done after %s: %+v, %v", last, r, regressed)
				}
				alerted = false
			default:
				want := last == bootstrap.Done
				if (len(regressed) > 0) != want || want && alerted || r.WasDone != (r.State == bootstrap.Regressed) {
					t.Fatalf("not done after %s: %+v, %v", last, r, regressed)
				}
				alerted = alerted || want
			}
			last, results = r.State, now
		}
	})
}
