package lambdas_test

import (
	"encoding/json"
	"strings"
	"sync"
	"testing"
	"time"

	"rootguard/internal/alert"
	"rootguard/internal/aws/iam/iamtest"
	"rootguard/internal/config"
	"rootguard/internal/digest"
	"rootguard/internal/lambdatest"
)

// digests are the digests on the topic of alerts, with the e-mail of each.
func (c *cloud) digests(t *testing.T) (all []alert.Alert, mails []string) {
	t.Helper()
	for _, m := range c.topic.On(topic) {
		var a alert.Alert
		if err := json.Unmarshal([]byte(m.Default()), &a); err != nil {
			t.Fatal(err)
		}
		if a.Kind == alert.Scheduled {
			all, mails = append(all, a), append(mails, m.Bodies["email"])
		}
	}
	return all, mails
}

// TestDigest has sweeps pass the times of two digests: several at once, with SNS down
// at first, and one late. Each digest comes once, to e-mail and to chat.
func TestDigest(t *testing.T) {
	t.Parallel()
	const chat = topic + "-chat"
	c := newCloud(t)
	c.env[config.EnvDigest], c.env[config.EnvChatTopicARN] = "weekly monday 08:00 Europe/Berlin", chat
	s, err := digest.Parse(c.env[config.EnvDigest])
	if err != nil {
		t.Fatal(err)
	}
	c.eve(iamtest.User{Password: true})
	user := c.start(t, "iamuser")
	handled(t, user, c.createUser("e-1"))
	handled(t, user, c.createLoginProfile("e-2"))
	sweeps := []*lambdatest.Function{c.start(t, "sweep"), c.start(t, "sweep")}

	now := time.Now()
	first := s.Next(now)
	second := s.Next(first)
	tick(t, sweeps[0], now)
	tick(t, sweeps[0], first.Add(-time.Second))
	if all, _ := c.digests(t); len(all) != 0 {
		t.Fatalf("%d digests before their time", len(all))
	}

	c.topic.Down(true)
	refused(t, sweeps[0], scheduled(first), "sending the digest")
	c.topic.Down(false)
	var both sync.WaitGroup
	for _, f := range sweeps {
		both.Go(func() {
			if res, err := f.Invoke(t.Context(), scheduled(first.Add(5*time.Minute))); err != nil || res.Error != nil {
				t.Errorf("sweeping: %v, %v", err, res.Error)
			}
		})
	}
	both.Wait()
	tick(t, sweeps[1], first.Add(10*time.Minute))
	all, mails := c.digests(t)
	if len(all) != 1 {
		t.Fatalf("%d digests, want 1", len(all))
	}
	a := &all[0]
	if n := a.Digest.Counts; n.Accounts != 1 || n.AwaitingMFA != 1 || !a.Digest.Next.Equal(second) || a.Finding.Account != account || a.AccountName != "prod" {
		t.Errorf("%+v of %s, next %s", n, a.Finding.Account, a.Digest.Next)
	}
	for _, line := range []string{
		"ACCOUNTS: 1 in progress", "111111111111 prod: eve, ", "AWAITING MFA: 1 IAM user", "The last event on record is of ", "ROOTGUARD ITSELF: ",
		"The next digest comes on " + s.Local(second),
	} {
		if !strings.Contains(strings.Join(strings.Fields(mails[0]), " "), line) {
			t.Errorf("no %q in\n%s", line, mails[0])
		}
	}
	chats := 0
	for _, m := range c.topic.On(chat) {
		if strings.Contains(m.Body, "guard.digest") && strings.Contains(m.Body, "The next digest comes on "+s.Local(second)) {
			chats++
		}
	}
	if chats != 1 {
		t.Errorf("%d digests in chat", chats)
	}

	handled(t, user, c.enableMFA("e-3"))
	c.eve(iamtest.User{Password: true, Devices: []string{device}})
	tick(t, sweeps[0], second.Add(9*time.Hour)) // no sweep came in time
	tick(t, sweeps[1], second.Add(9*time.Hour+5*time.Minute))
	if all, mails = c.digests(t); len(all) != 2 {
		t.Fatalf("%d digests, want 2", len(all))
	}
	if d := all[1].Digest; d.Counts.AwaitingMFA != 0 || !d.Since.Equal(all[0].Digest.At) || !d.Next.Equal(s.Next(second)) || !strings.Contains(mails[1], "CHANGED SINCE ") {
		t.Errorf("the second: %+v since %s, next %s\n%s", d.Counts, d.Since, d.Next, mails[1])
	}
	if all[0].ID == all[1].ID {
		t.Error("both have one ID")
	}
}
