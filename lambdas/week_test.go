package lambdas_test

import (
	"fmt"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"rootguard/internal/alert"
	"rootguard/internal/aws/iam/iamtest"
	"rootguard/internal/config"
	"rootguard/internal/lambdatest"
	"rootguard/internal/testenv"
)

// passing is time that passes for the deployed functions and for IAM.
type passing struct {
	t        *testing.T
	sweep    *lambdatest.Function
	others   []*lambdatest.Function
	recorded chan []byte // the sweep's heartbeat, as CloudTrail records it
	now      time.Time
	clock    atomic.Int64 // IAM's, in s since 1970
}

// passes starts the functions, and IAM's clock.
func (c *cloud) passes(t *testing.T) *passing {
	t.Helper()
	p := &passing{
		t: t, sweep: c.start(t, "sweep"), others: []*lambdatest.Function{c.start(t, "rootactivity"), c.start(t, "iamuser")},
		recorded: make(chan []byte, 10), now: time.Now(),
	}
	c.iam.Tagged = func(role, key, value string) { p.recorded <- iamtest.TagRoleEvent(account, role, key, value) }
	p.clock.Store(p.now.Unix())
	c.iam.Now = func() time.Time { return time.Unix(p.clock.Load(), 0) }
	return p
}

// hours has the schedule run twice an hour.
func (p *passing) hours(n int) {
	p.t.Helper()
	for range n * 2 {
		p.now = p.now.Add(30 * time.Minute)
		p.clock.Store(p.now.Unix())
		handled(p.t, p.sweep, scheduled(p.now))
		for len(p.recorded) > 0 {
			event := <-p.recorded
			for _, f := range p.others {
				handled(p.t, f, event)
			}
		}
	}
}

// TestWeek is the week of package collection's test of that name, by the functions: in
// an organization of 40 accounts with 12 users without MFA each, 10 roots without MFA and
// two root access keys one receiver gets at most 12 mails a day, all users are named at
// each stage of their deadline, and each problem of a root is listed.
func TestWeek(t *testing.T) {
	t.Parallel()
	testenv.Soak(t)
	const (
		role            = "rootguard-member"
		accounts, users = 40, 12
		days, most      = 7, 12
	)
	c := newCloud(t)
	c.env[config.EnvMemberRole] = role
	c.env[config.EnvAccountNames] = ""
	c.rest.Lock()
	c.rest.BusPolicy = `{"Statement":[{"Sid":"rootguard-members","Effect":"Allow","Principal":"*","Action":"events:PutEvents","Resource":"*"}]}`
	c.rest.Unlock()
	well := map[string]int{"AccountMFAEnabled": 1, "AccountAccessKeysPresent": 0, "AccountPasswordPresent": 1}
	c.iam.Set(account, iamtest.Account{Summary: well})
	names := map[string]string{account: "hub"}
	for i := range accounts {
		id := fmt.Sprintf("%012d", 300000000000+i)
		names[id] = fmt.Sprintf("acct-%02d", i)
		c.iam.AllowRole("arn:aws:iam::" + id + ":role/" + role)
		of := iamtest.Account{Summary: map[string]int{"AccountMFAEnabled": 1, "AccountAccessKeysPresent": 0, "AccountPasswordPresent": 1}, Users: map[string]iamtest.User{}}
		if i%4 == 1 {
			of.Summary["AccountMFAEnabled"] = 0
		}
		if i%20 == 5 {
			of.Summary["AccountAccessKeysPresent"] = 1
		}
		for u := range users {
			of.Users[fmt.Sprintf("user-%02d-%02d", i, u)] = iamtest.User{Password: true, ID: fmt.Sprintf("AIDA%02d%02d", i, u)}
		}
		c.iam.Set(id, of)
	}
	c.names.Set(names)

	p := c.passes(t)
	handled(t, p.sweep, scheduled(p.now))
	var perDay []int
	sent := 0
	for range days {
		p.hours(24)
		n := len(c.topic.On(topic))
		perDay = append(perDay, n-sent)
		sent = n
	}
	t.Logf("mails a day: %v", perDay)
	if slices.Max(perDay) > most {
		t.Errorf("%v mails a day, want at most %d", perDay, most)
	}

	// The e-mail names all; the JSON lists as many as its 64 KiB hold.
	var mails []string
	critical := 0
	for i, a := range c.alerts(t) {
		if a.Finding.ID == "guard.unhealthy" {
			t.Errorf("alert: %s: %s", a.Finding.Title, a.Finding.Detail)
		}
		if a.Summary == nil || a.Kind == alert.Resend {
			continue
		}
		mails = append(mails, c.topic.On(topic)[i].Bodies["email"])
		for _, of := range a.Summary.Accounts {
			for _, it := range of.Findings {
				if it.User == "" && it.Stage == alert.StageOpen {
					critical++
				}
			}
		}
	}
	if critical != 12 {
		t.Errorf("%d problems of roots, want 12", critical)
	}
	const stages = 5 // found, overdue, two reminders, the last one
	for i := range accounts {
		for u := range users {
			name, named := fmt.Sprintf("user-%02d-%02d", i, u), 0
			for _, text := range mails {
				if strings.Contains(text, name) {
					named++
				}
			}
			if named != stages {
				t.Errorf("%s is named in %d mails, want %d", name, named, stages)
			}
		}
	}
}
