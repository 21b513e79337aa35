package lambdas_test

import (
	"maps"
	"strings"
	"testing"
	"time"

	"rootguard/internal/aws/awsdaytwo/awsdaytwotest"
	"rootguard/internal/aws/iam/iamtest"
	"rootguard/internal/config"
	"rootguard/internal/daytwo"
	"rootguard/internal/detect"
	"rootguard/internal/testenv"
)

// TestDayTwo runs the sweep as deployed with every step of day two, in the guard's
// own account and in a member's, for days of the test's own: what is not done is on
// record and no alert, what is undone is one alert an account, and a service that
// denies leaves its steps unknown.
func TestDayTwo(t *testing.T) {
	t.Parallel()
	testenv.Soak(t)
	const role = "rootguard-member"
	c := newCloud(t)
	services := awsdaytwotest.New(t, account)
	maps.Copy(c.env, services.Env())
	c.env[config.EnvDayTwo] = strings.Join(daytwo.Names(), ",")
	c.env[config.EnvMemberRole] = role
	c.iam.AllowRole("arn:aws:iam::" + member + ":role/" + role)
	c.names.Set(map[string]string{account: "hub", member: "billing"})
	root := map[string]int{"AccountMFAEnabled": 1, "AccountAccessKeysPresent": 0, "AccountPasswordPresent": 1, "AccountSigningCertificatesPresent": 0}
	users := map[string]iamtest.User{"sam": {Password: true, Devices: []string{device}}}
	c.iam.Set(account, iamtest.Account{Summary: root, Users: users, Features: []string{"RootSessions"}})
	c.iam.Set(member, iamtest.Account{Summary: root, Users: users, Policy: &iamtest.PasswordPolicy{Length: 16, Remembers: 24}})
	services.Set(member, awsdaytwotest.Done())
	sweep := c.start(t, "sweep")
	now := time.Now()
	pass := func(hours int) {
		t.Helper()
		for range hours {
			now = now.Add(time.Hour)
			handled(t, sweep, scheduled(now))
		}
	}
	states := func(of string) string {
		t.Helper()
		results, err := c.store.DayTwo(t.Context(), of)
		if err != nil {
			t.Fatal(err)
		}
		var all []string
		for _, v := range daytwo.Views(results, nil) {
			all = append(all, string(v.Step)+"="+string(v.State))
		}
		return strings.Join(all, " ")
	}
	regressed := func() (all []detect.Finding) {
		t.Helper()
		for _, a := range c.alerts(t) {
			if a.Finding.ID == detect.DayTwoRegressed {
				all = append(all, a.Finding)
			}
		}
		return all
	}
	pass(50) // users are checked within a day, and by the day-two check within one more
	if got, want := states(account), "security-contact=pending password-policy=pending root-certificates=done root-second-mfa=unknown root-phishing-resistant-mfa=unknown "+
		"bootstrap-admin=unknown central-root-access=pending trail=done budget=pending access-analyzer=pending s3-public-access-block=pending ebs-encryption=pending break-glass-drill=unknown"; got != want {
		t.Errorf("the guard's own account: %s, want %s", got, want)
	}
	if got, want := states(member), "security-contact=done password-policy=done root-certificates=done root-second-mfa=unknown root-phishing-resistant-mfa=unknown "+
		"bootstrap-admin=unknown central-root-access=not_applicable trail=done budget=done access-analyzer=done s3-public-access-block=done ebs-encryption=done break-glass-drill=unknown"; got != want {
		t.Errorf("the member: %s, want %s", got, want)
	}
	if all := regressed(); len(all) > 0 {
		t.Errorf("alerted at first: %+v", all)
	}

	services.Set(member, awsdaytwotest.Account{})
	services.Refuse("GetAlternateContact", "AccessDeniedException")
	c.iam.Set(member, iamtest.Account{Summary: root, Users: users})
	pass(26)
	if got := states(member); !strings.HasPrefix(got, "security-contact=unknown password-policy=regressed root-certificates=done") {
		t.Errorf("the member: %s", got)
	}
	services.Refuse("GetAlternateContact", "")
	pass(26)
	if got := states(member); !strings.HasPrefix(got, "security-contact=regressed password-policy=regressed root-certificates=done") {
		t.Errorf("the member: %s", got)
	}
	all := regressed()
	if len(all) != 2 || all[0].Account != member || all[0].Target.Resource != "password-policy, budget, access-analyzer, s3-public-access-block, ebs-encryption" || all[1].Target.Resource != "security-contact" {
		t.Errorf("alerted %+v", all)
	}
}
