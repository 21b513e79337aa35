package lambdas_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"rootguard/internal/aws/iam/iamtest"
	"rootguard/internal/bootstrap"
	"rootguard/internal/config"
	"rootguard/internal/lambdatest"
	"rootguard/internal/quarantine"
)

const quarantinePolicy = "arn:aws:iam::" + account + ":policy/rootguard-quarantine"

// at is the schedule's event of a time.
func scheduleAt(at time.Time) []byte {
	return fmt.Appendf(nil, `{"version":"0","id":"t","detail-type":"Scheduled Event","source":"aws.events","time":%q,"detail":{}}`, at.UTC().Format(time.RFC3339))
}

// quarantined is a cloud with eve past the last reminder, with the schedules at a
// time of their own.
type quarantined struct {
	*cloud
	at         time.Time
	sweep, fn  *lambdatest.Function
	users      *lambdatest.Function
	afterSweep int // alerts
}

func newQuarantined(t *testing.T, mode string) *quarantined {
	t.Helper()
	q := &quarantined{cloud: newCloud(t)}
	q.env[config.EnvResend] = "168h" // of reminders that no one acknowledges
	if mode != "" {
		q.env[config.EnvQuarantine], q.env[config.EnvQuarantineNotice] = mode, "24h"
	}
	q.users, q.sweep, q.fn = q.start(t, "iamuser"), q.start(t, "sweep"), q.start(t, "quarantine")
	q.at = time.Now() // after the functions were compiled, which may take minutes
	q.eve(iamtest.User{Password: true, ID: "AIDAEVE"})
	handled(t, q.users, q.createUser("e-1"))
	handled(t, q.users, q.createLoginProfile("e-2"))
	for _, after := range []time.Duration{24*time.Hour + time.Minute, time.Hour, 23 * time.Hour, 48 * time.Hour} {
		q.at = q.at.Add(after)
		handled(t, q.sweep, scheduleAt(q.at))
		q.afterSweep = len(q.alerts(t))
	}
	if q.afterSweep != 6 {
		t.Fatalf("after the last reminder: %v", q.titles(t))
	}
	return q
}

func (q *quarantined) run(t *testing.T, after time.Duration) {
	t.Helper()
	q.at = q.at.Add(after)
	handled(t, q.fn, scheduleAt(q.at))
}

// want checks the alerts since the last reminder, by the beginning of their titles.
func (q *quarantined) want(t *testing.T, titles ...string) {
	t.Helper()
	got := q.titles(t)[q.afterSweep:]
	for i := range got {
		if i < len(titles) && strings.HasPrefix(got[i], titles[i]) {
			got[i] = titles[i]
		}
	}
	if diff := cmp.Diff(append([]string{}, titles...), append([]string{}, got...)); diff != "" {
		t.Errorf("alerts since the last reminder (-want +got):\n%s", diff)
	}
}

func (q *quarantined) attached(t *testing.T, want bool) {
	t.Helper()
	if got := slices.Contains(q.iam.User(account, "eve").Policies, quarantinePolicy); got != want {
		t.Errorf("the policy is attached: %v, want %v", got, want)
	}
}

const (
	announcedTitle  = "IAM user will be quarantined at 2"
	quarantineTitle = "IAM user without MFA quarantined: eve"
	releasedTitle   = "IAM user released from quarantine: eve"
)

// TestQuarantine follows a user from the last reminder into quarantine, and out
// of it by MFA.
func TestQuarantine(t *testing.T) {
	t.Parallel()
	q := newQuarantined(t, "on")
	q.run(t, 5*time.Minute)
	q.run(t, 23*time.Hour)
	q.want(t, announcedTitle)
	q.attached(t, false)
	q.run(t, time.Hour)
	q.run(t, 0)
	q.want(t, announcedTitle, quarantineTitle)
	q.attached(t, true)
	facts, err := q.store.Facts(t.Context(), account)
	if err != nil {
		t.Fatal(err)
	}
	for _, u := range bootstrap.Fold(account, facts, bootstrap.DefaultOptions(), q.at).Users {
		if u.Name == "eve" && (u.Quarantined == nil || u.Quarantined.Time.Sub(q.at).Abs() > time.Second) {
			t.Errorf("the status says quarantined %+v", u.Quarantined)
		}
	}
	m := q.topic.On(topic)[q.afterSweep+1]
	if m.Attributes["severity"].Value != "high" || !strings.Contains(m.Bodies["email"], "rootguard release eve --account 111111111111") || !strings.Contains(m.Bodies["email"], "eve (AIDAEVE)") {
		t.Errorf("the alert: %v\n%s", m.Attributes, m.Bodies["email"])
	}

	user := q.iam.User(account, "eve")
	user.Devices = []string{device}
	q.eve(user)
	q.run(t, time.Hour)
	q.want(t, announcedTitle, quarantineTitle, releasedTitle)
	q.attached(t, false)
	if group, _ := q.fn.Logs()[2]["quarantine"].(map[string]any); group["attached"] != 1.0 {
		t.Errorf("lines of log: %v", q.fn.Logs())
	}
}

// TestQuarantineDryRun holds that a dry run shows and changes nothing, and that
// off nothing is reported either.
func TestQuarantineDryRun(t *testing.T) {
	t.Parallel()
	q := newQuarantined(t, "dry-run")
	q.run(t, 5*time.Minute)
	q.run(t, 48*time.Hour)
	q.want(t, "IAM user would be quarantined (dry run): eve")
	q.attached(t, false)

	q = newQuarantined(t, "")
	q.run(t, 5*time.Minute)
	q.run(t, 48*time.Hour)
	q.want(t)
	for _, call := range q.iam.Calls() {
		if strings.Contains(call, "UserPolic") {
			t.Errorf("called %s", call)
		}
	}
}

// TestQuarantineReleased releases a user, as rootguard release does.
func TestQuarantineReleased(t *testing.T) {
	t.Parallel()
	q := newQuarantined(t, "on")
	q.run(t, 5*time.Minute)
	q.run(t, 24*time.Hour)
	q.attached(t, true)
	if _, err := quarantine.Release(t.Context(), q.store.Quarantines(), account, "eve", "arn:aws:iam::"+account+":user/ops", "token broken", q.at, q.at.Add(72*time.Hour)); err != nil {
		t.Fatal(err)
	}
	// Throttled, and SNS down: the invocation fails, and the next one ends it.
	q.iam.Inject("DetachUserPolicy", 4, "Throttling")
	q.run(t, 0)
	q.attached(t, true)
	q.topic.Down(true)
	if res := invoke(t, q.fn, scheduleAt(q.at.Add(10*time.Minute))); res.Error == nil {
		t.Error("without SNS the function ended well")
	}
	q.topic.Down(false)
	q.run(t, 15*time.Minute)
	q.attached(t, false)
	q.want(t, announcedTitle, quarantineTitle, releasedTitle)
	for range 2 {
		q.at = q.at.Add(23 * time.Hour)
		handled(t, q.sweep, scheduleAt(q.at))
		q.run(t, 5*time.Minute)
	}
	q.want(t, announcedTitle, quarantineTitle, releasedTitle)
	q.attached(t, false)
}
