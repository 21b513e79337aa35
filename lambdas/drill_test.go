package lambdas_test

import (
	"strings"
	"testing"
	"time"

	"rootguard/internal/announcement"
	"rootguard/internal/bootstrap"
	"rootguard/internal/config"
	"rootguard/internal/daytwo"
	"rootguard/internal/detect"
	"rootguard/internal/digest"
	"rootguard/internal/testenv"
)

// TestDrill runs the deployed functions with the setting drill, in two accounts whose
// root was used 40 days ago, which was not announced. One has its drill now, and the
// other has none: that one is overdue in the digest and by the step of day two, until
// it has its drill too. When the time passes again, both are overdue.
func TestDrill(t *testing.T) {
	t.Parallel()
	testenv.Soak(t)
	const role = "rootguard-member"
	c := newCloud(t)
	c.env[config.EnvMemberRole] = role
	c.iam.AllowRole("arn:aws:iam::" + member + ":role/" + role)
	c.env[config.EnvDrill], c.env[config.EnvDayTwo], c.env[config.EnvDigest] = "720h", string(daytwo.BreakGlassDrill), "daily 08:00"
	c.names.Set(map[string]string{account: "hub", member: "billing"})
	sweep, root := c.start(t, "sweep"), c.start(t, "rootactivity")
	s, err := digest.Parse(c.env[config.EnvDigest])
	if err != nil {
		t.Fatal(err)
	}
	now := time.Now()
	c.eventAge = 40 * 24 * time.Hour
	handled(t, root, c.rootSignInOf(account, "e-1", "Yes", "Success"))
	handled(t, root, c.rootSignInOf(member, "e-2", "Yes", "Success"))
	tick(t, sweep, now)
	drilled := func(of, id string) {
		t.Helper()
		announced := announcement.AuditEvent{Account: of, From: now, Until: now.Add(time.Hour), Owner: "alice", Reason: "drill"}
		if _, err := c.operator(t).Announcer.Announce(t.Context(), announced); err != nil {
			t.Fatal(err)
		}
		c.eventAge = -time.Minute // in it
		handled(t, root, c.rootSignInOf(of, id, "Yes", "Success"))
	}
	// check lets days pass, and holds what is in the last digest then and which states
	// the steps have.
	check := func(days int, overdue string, hub, other bootstrap.State) {
		t.Helper()
		now = now.Add(time.Duration(days-1) * 24 * time.Hour)
		for range 2 { // each account is checked at an hour of its own
			now = s.Next(now)
			tick(t, sweep, now)
			now = now.Add(12 * time.Hour)
			tick(t, sweep, now)
		}
		now = s.Next(now)
		tick(t, sweep, now)
		all, mails := c.digests(t)
		if len(all) == 0 {
			t.Fatal("there is no digest")
		}
		last, n := strings.Join(strings.Fields(mails[len(mails)-1]), " "), all[len(all)-1].Digest.Counts.Drills
		if has := strings.Contains(last, "BREAK-GLASS DRILL OVERDUE"); has != (overdue != "") || !strings.Contains(last, overdue) {
			t.Errorf("%s: overdue in the digest are %d, want %q in\n%s", now, n, overdue, mails[len(mails)-1])
		}
		for of, want := range map[string]bootstrap.State{account: hub, member: other} {
			results, err := c.store.DayTwo(t.Context(), of)
			if err != nil {
				t.Fatal(err)
			}
			if v := daytwo.Views(results, nil); len(v) != 1 || v[0].State != want {
				t.Errorf("%s: the step of %s is %+v, want %s", now, of, v, want)
			}
		}
	}
	drilled(member, "e-3")
	const unused = " prod: root was not used under an announcement in the last 30 days"
	check(1, "OVERDUE: 1 account - "+account+unused, bootstrap.Pending, bootstrap.Done)
	now = time.Now()
	drilled(account, "e-4")
	check(3, "", bootstrap.Done, bootstrap.Done)
	check(31, "OVERDUE: 2 accounts - ", bootstrap.Regressed, bootstrap.Regressed)
	regressed := 0
	for _, a := range c.alerts(t) {
		if a.Finding.ID == detect.DayTwoRegressed {
			regressed++
		}
	}
	if regressed != 2 {
		t.Errorf("%d alerts that a drill is overdue again, want one of each account", regressed)
	}
}
