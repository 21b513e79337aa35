package e2e

import (
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/aws/aws-sdk-go-v2/service/lambda"
	"github.com/google/go-cmp/cmp"

	"rootguard/internal/alert"
	"rootguard/internal/detect"
	"rootguard/internal/quarantine"
)

// quarantineOn are the settings of a deployment that quarantines.
const quarantineOn = `{"email": ["ops@example.com"], "regions": [], "quarantine": "on", "quarantineNotice": "1h", "quarantineExempt": ["breakglass"]}`

// quarantined is a deployment with users whose last reminder was at a time. The
// command has the real clock, so that is some hours ago.
type quarantined struct {
	*cloud
	users map[string]*user
	last  time.Time
}

func pastReminders(t *testing.T, settings string, names ...string) *quarantined {
	t.Helper()
	q := &quarantined{cloud: deployedWith(t, settings), users: map[string]*user{}}
	q.last = time.Now().Add(-4 * time.Hour).Truncate(time.Second)
	q.dated = q.last.Add(-73*time.Hour - day)
	var deadline time.Time
	for _, name := range names {
		u := q.createUser(name)
		q.users[name] = u
		password := u.setPassword() // before IAM is asked, which is today
		deadline = q.dated.Add(day)
		q.handled(q.deliver(u.created()))
		q.handled(q.deliver(password))
	}
	for _, after := range []time.Duration{time.Minute, time.Hour, day, 3 * day} {
		q.handled(q.tick(deadline.Add(after + time.Minute)))
	}
	q.want()
	q.last = deadline.Add(3*day + time.Minute)
	return q
}

// run has the schedules send their events, each twice, after the last reminder.
func (q *quarantined) run(after time.Duration) {
	q.t.Helper()
	for range 2 {
		q.handled(q.tick(q.last.Add(after)))
	}
}

// announced has quarantine announced five minutes after the last reminder. Notice
// is an hour from the real time, and so is made to have begun with the announcement.
func (q *quarantined) announced(names ...string) {
	q.t.Helper()
	began := time.Now()
	q.run(5 * time.Minute)
	for _, name := range names {
		row, err := quarantine.Of(q.ctx, q.store.Quarantines(), q.d.account, name)
		if err != nil {
			q.t.Fatal(err)
		}
		if row.State != quarantine.Announced || row.Effective.Before(began.Add(time.Hour-time.Second)) || row.Effective.After(time.Now().Add(time.Hour)) {
			q.t.Fatalf("%s is %q, for %v", name, row.State, row.Effective)
		}
		if err := q.store.Quarantines().Update(q.ctx, row.Key, func(now quarantine.Quarantine) quarantine.Quarantine {
			now.Effective = q.last.Add(time.Hour + 5*time.Minute)
			now.Due = now.Effective
			now.Revision++
			return now
		}); err != nil {
			q.t.Fatal(err)
		}
	}
}

// want compares the alerts so far, but for those about MFA that is missing, and
// what is sent again since no one acknowledges it.
func (q *quarantined) want(want ...string) {
	q.t.Helper()
	got := []string{}
	for _, a := range q.alerts() {
		f := &a.Finding
		switch {
		case a.Kind == alert.Resend:
		case slices.Contains([]detect.ID{detect.UserCreated, detect.UserConsoleAccess, detect.UserMFAMissing, detect.UserMFAAdded}, f.ID):
		case f.ID == detect.UserQuarantined:
			got = append(got, fmt.Sprintf("%s %s %s", f.Session, f.Severity, f.Target.UserName))
		default:
			got = append(got, lines([]received{a})...)
		}
	}
	slices.Sort(got) // users of one run are checked side by side
	want = slices.Sorted(slices.Values(want))
	if diff := cmp.Diff(append([]string{}, want...), got); diff != "" {
		q.t.Errorf("alerts (-want +got):\n%s", diff)
	}
}

// attached compares the users that have the policy, as IAM says.
func (q *quarantined) attached(want ...string) {
	q.t.Helper()
	got := []string{}
	for name := range q.users {
		out, err := q.iam.ListAttachedUserPolicies(q.ctx, &iam.ListAttachedUserPoliciesInput{UserName: &name})
		if err != nil {
			q.t.Fatalf("listing the policies of %s: %v", name, err)
		}
		for _, p := range out.AttachedPolicies {
			got = append(got, name)
			if *p.PolicyArn != q.policy() {
				q.t.Errorf("%s has the policy %s", name, *p.PolicyArn)
			}
		}
	}
	slices.Sort(got)
	if diff := cmp.Diff(append([]string{}, want...), got); diff != "" {
		q.t.Errorf("users with the policy (-want +got):\n%s", diff)
	}
}

func (q *quarantined) policy() string {
	return "arn:aws:iam::" + q.d.account + ":policy/rootguard-quarantine"
}

// recorded delivers CloudTrail's records of what the function did to users since
// the last time, and of nothing else.
func (q *quarantined) recorded() {
	q.t.Helper()
	function := "rootguard-quarantine"
	deployed, err := q.lambda.GetFunctionConfiguration(q.ctx, &lambda.GetFunctionConfigurationInput{FunctionName: &function})
	if err != nil {
		q.t.Fatal(err)
	}
	role := (*deployed.Role)[strings.LastIndex(*deployed.Role, "/")+1:]
	n := 0
	for _, action := range []string{"AttachUserPolicy", "DetachUserPolicy"} {
		for _, made := range q.calls("iam", action) {
			q.handled(q.deliver(q.event("iam.amazonaws.com", action, map[string]any{
				"userIdentity": map[string]any{
					"type": "AssumedRole", "principalId": "AROAEXAMPLE:" + function, "accountId": q.d.account,
					"arn": "arn:aws:sts::" + q.d.account + ":assumed-role/" + role + "/" + function,
				},
				"requestParameters": map[string]any{"userName": made.form.Get("UserName"), "policyArn": made.form.Get("PolicyArn")},
			})))
			n++
		}
	}
	if n == 0 {
		q.t.Error("the function changed no user, so that no record can show anything")
	}
}

// TestQuarantine follows users past the last reminder: one who is released by
// the command, one who enables MFA, one that an administrator helps out by hand,
// and one who is exempt.
func TestQuarantine(t *testing.T) {
	q := pastReminders(t, quarantineOn, "breakglass", "eve", "frank", "heidi")
	eve, frank := q.users["eve"], q.users["frank"]

	q.announced("eve", "frank", "heidi")
	alerted := []string{"announced high eve", "announced high frank", "announced high heidi"}
	q.want(alerted...)
	q.run(time.Hour)
	q.want(alerted...)
	q.attached()
	q.run(time.Hour + 10*time.Minute)
	alerted = append(alerted, "done high eve", "done high frank", "done high heidi")
	q.want(alerted...)
	q.attached("eve", "frank", "heidi")
	q.dated = q.last.Add(time.Hour + 10*time.Minute)
	q.recorded()
	q.run(time.Hour + 20*time.Minute)
	q.want(alerted...)

	if text := q.rootguard("status", "--aws"); text.code != 0 || text.stderr != "" || strings.Count(text.stdout, "quarantined since ") != 3 {
		t.Errorf("status --aws: %+v", text)
	}
	q.statusSays("eve", true)
	q.statusSays("breakglass", false)

	// MFA ends it within minutes.
	q.dated = q.last.Add(time.Hour + 30*time.Minute)
	q.handled(q.deliver(frank.enableMFA()))
	q.run(time.Hour + 45*time.Minute)
	alerted = append(alerted, "user.released info frank")
	q.want(alerted...)
	q.attached("eve", "heidi")
	q.statusSays("frank", false)

	// Someone else's hand is reported, and not fought with.
	name, policy := "heidi", q.policy()
	if _, err := q.iam.DetachUserPolicy(q.ctx, &iam.DetachUserPolicyInput{UserName: &name, PolicyArn: &policy}); err != nil {
		t.Fatal(err)
	}
	q.handled(q.deliver(q.event("iam.amazonaws.com", "DetachUserPolicy", map[string]any{"requestParameters": map[string]any{"userName": name, "policyArn": policy}})))
	q.run(2*time.Hour + 30*time.Minute)
	alerted = append(alerted, "guard.tampered critical "+policy, "user.released info heidi")
	q.want(alerted...)
	q.attached("eve")

	// The command, which has the real clock.
	args := []string{"release", "eve", "--account", q.d.account, "--reason", "token broken"}
	if dry := q.rootguard(append(args, "--dry-run")...); dry.code != 0 || dry.stderr != "" || !strings.Contains(dry.stdout, "Nothing was changed") {
		t.Errorf("release --dry-run: %+v", dry)
	}
	q.attached("eve")
	if done := q.rootguard(args...); done.code != 0 || done.stderr != "" || !strings.Contains(done.stdout, "eve of account "+q.d.account+" is out of quarantine") {
		t.Errorf("release: %+v", done)
	}
	alerted = append(alerted, "user.released info eve")
	q.want(alerted...)
	q.attached()
	q.statusSays("eve", false)
	if again := q.rootguard(args...); again.code != 1 || again.stdout != "" || !strings.Contains(again.stderr, "neither quarantined nor about to be: it was released before") {
		t.Errorf("release again: %+v", again)
	}
	if exempt := q.rootguard("release", "breakglass", "--account", q.d.account, "--reason", "x"); exempt.code != 1 || !strings.Contains(exempt.stderr, "neither quarantined nor about to be") {
		t.Errorf("release of a user that is exempt: %+v", exempt)
	}
	q.dated = time.Now().Add(-time.Minute)
	q.recorded()

	// Left alone for a week, and then begun again.
	released := time.Since(q.last)
	for _, after := range []time.Duration{20 * time.Minute, day, 6 * day} {
		q.run(released + after)
	}
	q.want(alerted...)
	q.attached()
	q.run(released + 7*day + 5*time.Minute)
	q.run(released + 7*day + 10*time.Minute)
	alerted = append(alerted, "announced high eve", "announced high heidi")
	q.want(alerted...)
	eve.enableMFA() // its event gets lost
	q.run(released + 7*day + 2*time.Hour)
	alerted = append(alerted, "user.released info eve", "done high heidi")
	q.want(alerted...)
	q.attached("heidi")
	for _, action := range []string{"AttachUserPolicy", "DetachUserPolicy"} {
		for _, made := range q.calls("iam", action) {
			if made.form.Get("UserName") == "breakglass" {
				t.Errorf("%s of a user that is exempt", action)
			}
		}
	}
}

// statusSays compares what the command says of a user.
func (q *quarantined) statusSays(name string, want bool) {
	q.t.Helper()
	machine := q.rootguard("status", "--aws", "--json")
	var status []struct {
		Users []struct {
			Name        string
			Quarantined *struct{ Time time.Time }
		}
	}
	if err := json.Unmarshal([]byte(machine.stdout), &status); err != nil || machine.code != 0 || len(status) != 1 {
		q.t.Fatalf("status --aws --json: %v, %+v", err, machine)
	}
	for _, u := range status[0].Users {
		if u.Name == name {
			if is := u.Quarantined != nil; is != want {
				q.t.Errorf("the status says that %s is quarantined: %v, want %v", name, is, want)
			}
			return
		}
	}
	q.t.Errorf("the status does not have %s:\n%s", name, machine.stdout)
}

// TestQuarantineFaults has IAM and SNS fail in the middle of it.
func TestQuarantineFaults(t *testing.T) {
	q := pastReminders(t, quarantineOn, "eve")
	q.announced("eve")
	alerted := []string{"announced high eve"}
	q.want(alerted...)

	// Attached, and neither the function nor anybody else hears of it.
	lost := q.fault(fault{service: "iam", action: "AttachUserPolicy", times: always, after: true})
	q.handled(q.tick(q.last.Add(70 * time.Minute)))
	q.want(alerted...)
	q.attached("eve")
	q.repair(lost)
	down := q.fault(fault{service: "sns", action: "Publish", times: always, status: http.StatusInternalServerError, code: "InternalError"})
	// The run fails, and the row is put off: Lambda's second attempt finds nothing due,
	// and a later run of the schedule makes up for it.
	if got := q.tick(q.last.Add(80 * time.Minute)); !slices.ContainsFunc(got, func(d delivery) bool {
		return d.function == "rootguard-quarantine" && !d.failed && len(d.attempts) == 2 && d.attempts[0].Error != nil
	}) {
		t.Errorf("with SNS down: %+v", got)
	}
	q.want(alerted...)
	q.repair(down)
	q.run(90 * time.Minute)
	alerted = append(alerted, "done high eve")
	q.want(alerted...)

	q.dated = q.last.Add(100 * time.Minute)
	q.handled(q.deliver(q.users["eve"].enableMFA()))
	lost = q.fault(fault{service: "iam", action: "DetachUserPolicy", times: always, after: true})
	q.handled(q.tick(q.last.Add(2 * time.Hour)))
	q.repair(lost)
	q.attached()
	for _, after := range []time.Duration{130 * time.Minute, 150 * time.Minute, 2 * day} {
		q.run(after)
	}
	alerted = append(alerted, "user.released info eve")
	q.want(alerted...)
	q.attached()
}

// TestQuarantineDryRun holds that a dry run shows, once, and touches no one.
func TestQuarantineDryRun(t *testing.T) {
	q := pastReminders(t, strings.Replace(quarantineOn, `"on"`, `"dry-run"`, 1), "breakglass", "eve")
	for _, after := range []time.Duration{5 * time.Minute, 10 * time.Minute, 2 * time.Hour, 2 * day} {
		q.run(after)
	}
	q.want("dry-run medium eve")
	q.attached()
	for _, action := range []string{"AttachUserPolicy", "DetachUserPolicy"} {
		if n := len(q.calls("iam", action)); n != 0 {
			t.Errorf("%d calls of iam:%s", n, action)
		}
	}
	if got := q.rootguard("release", "eve", "--account", q.d.account, "--reason", "x"); got.code != 1 || !strings.Contains(got.stderr, "neither quarantined nor about to be") {
		t.Errorf("release: %+v", got)
	}
}
