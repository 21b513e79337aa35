package digestwork_test

import (
	"errors"
	"strings"
	"testing"
	"time"

	"rootguard/internal/announcement"
	"rootguard/internal/bootstrap"
	"rootguard/internal/daytwo"
	"rootguard/internal/detect"
	"rootguard/internal/digestwork"
	"rootguard/internal/drill"
	"rootguard/internal/fake"
	"rootguard/internal/guard"
	"rootguard/internal/repeats"
)

// TestDrill holds which accounts' drills are overdue, and that the digest names them.
func TestDrill(t *testing.T) {
	const (
		never, recent, old, unused, other, rootless, fresh = "111111111111", "222222222222", "333333333333", "444444444444", "555555555555", "666666666666", "777777777777"
	)
	w := newWorld(t, "daily 08:00", never, recent, old, unused, other, rootless, fresh)
	store := &fake.Claims{}
	w.announcements.Claims = store
	for _, account := range []string{never, recent, old, unused, other, rootless} {
		w.fact(account, bootstrap.RootActivity, "2025-01-01T00:00:00Z")
	}
	none := 0
	live := bootstrap.LiveFactOf(rootless, at("2026-11-02T00:00:00Z"), bootstrap.LiveFact{AccountMFAEnabled: &none, AccountAccessKeysPresent: &none, AccountPasswordPresent: &none})
	if _, err := w.store.facts.Add(t.Context(), []bootstrap.Fact{live}); err != nil {
		t.Fatal(err)
	}
	use := func(account, from string, id detect.ID) {
		t.Helper()
		e := announcement.AuditEvent{Key: account + "/" + from + "/A/open", Action: announcement.Opened, ID: account + "A", Account: account, From: at(from), Until: at(from).Add(time.Hour), Owner: "carol", Reason: "drill"}
		if _, err := w.announcements.Append(t.Context(), e); err != nil {
			t.Fatal(err)
		}
		if id == "" {
			return
		}
		f := detect.Finding{ID: id, Account: account, EventID: "e-" + account, EventTime: at(from).Add(5 * time.Minute), Announced: &detect.Announced{ID: e.ID}}
		key := account + "/e-" + account
		if err := store.Update(t.Context(), key, "", func(guard.Claim, repeats.Series) (guard.Claim, repeats.Series) {
			return guard.Claim{Key: key, State: guard.Sent, Finding: &f}, repeats.Series{}
		}); err != nil {
			t.Fatal(err)
		}
	}
	use(recent, "2026-05-04T09:00:00Z", detect.RootSignin)
	use(old, "2025-10-06T09:00:00Z", detect.RootSignin)
	use(unused, "2026-05-04T09:00:00Z", "")
	use(other, "2026-05-04T09:00:00Z", detect.UserCreated) // root did not do it
	w.Noters = []digestwork.Noter{digestwork.Drill{Policy: drill.Policy{Within: 365 * 24 * time.Hour}, Announcements: w.announcements}}

	w.run("2026-11-25T12:00:00Z")
	w.run("2026-11-26T08:00:00Z")
	a := &w.sent(1)[0]
	s := section(a, "drill")
	want := []string{
		never + ": root was not used under an announcement in the last 365 days", old, unused + ": root was not used under an announcement in the last 365 days",
		other + ": root was not used under an announcement in the last 365 days",
	}
	text := strings.Join(s.Lines, "\n")
	if s.Title != "BREAK-GLASS DRILL OVERDUE: 4 accounts" || len(s.Lines) != 4 || a.Digest.Counts.Drills != 4 {
		t.Errorf("%s, counts %+v:\n%s", s.Title, a.Digest.Counts, text)
	}
	for _, line := range want {
		if !strings.Contains(text, line) {
			t.Errorf("no %q in\n%s", line, text)
		}
	}

	// What cannot be read is no drill that was made.
	failing := digestwork.Drill{Policy: drill.Policy{Within: 365 * 24 * time.Hour}, Announcements: &fake.Announcements{Script: failingScript("Announcements.Entries")}}
	status := bootstrap.Status{Account: never, FirstEvent: at("2025-01-01T00:00:00Z")}
	if _, err := failing.Notes(t.Context(), &status, nil, time.Time{}, at("2026-11-26T08:00:00Z")); !errors.Is(err, fake.ErrFault) {
		t.Errorf("got %v", err)
	}
}

// TestDrillOfAUser: the use of a named user under an announcement is a drill, for the
// digest and for the step of day two; without one, or of another user, it is none.
func TestDrillOfAUser(t *testing.T) {
	const account = "111111111111"
	now := at("2026-11-26T08:00:00Z")
	signIn := func(name, when, last string) bootstrap.Fact {
		f := bootstrap.Fact{Account: account, ID: name + when, Kind: bootstrap.UserSignIn, Time: at(when), UserName: name, UserID: "AIDA" + name}
		if last != "" {
			f.Last = at(last)
		}
		return f
	}
	announced := &fake.Announcements{Claims: &fake.Claims{}}
	e := announcement.AuditEvent{Key: account + "/A/open", Action: announcement.Opened, ID: "A", Account: account, From: at("2026-05-04T09:00:00Z"), Until: at("2026-05-04T10:00:00Z"), Owner: "carol", Reason: "drill"}
	if _, err := announced.Append(t.Context(), e); err != nil {
		t.Fatal(err)
	}
	const year = 365 * 24 * time.Hour
	old := bootstrap.Status{Account: account, FirstEvent: at("2025-01-01T00:00:00Z"), Users: []bootstrap.UserStatus{{Name: "break-glass"}}}
	fresh, rootless, gone := old, old, old
	fresh.FirstEvent = at("2026-02-01T00:00:00Z")
	rootless.NoRootCredentials, gone.NoRootCredentials, gone.Users = true, true, []bootstrap.UserStatus{{Name: "break-glass", Deleted: true}, {Name: "eve"}}
	none := "neither root nor the break-glass user was used under an announcement in the last 365 days"
	for name, tt := range map[string]struct {
		status *bootstrap.Status
		within time.Duration
		facts  []bootstrap.Fact
		digest string // "" none
		state  bootstrap.State
		what   string
	}{
		"used":                      {&old, year, []bootstrap.Fact{signIn("break-glass", "2026-05-04T09:10:00Z", "")}, "", bootstrap.Done, "break-glass was last used under an announcement on 2026-05-04 09:10 UTC"},
		"used among other uses":     {&old, year, []bootstrap.Fact{signIn("break-glass", "2026-01-04T09:10:00Z", "2026-05-04T09:10:00Z")}, "", bootstrap.Done, "2026-05-04 09:10 UTC"},
		"used, but not announced":   {&old, year, []bootstrap.Fact{signIn("break-glass", "2026-05-04T10:10:00Z", "")}, none, bootstrap.Pending, none},
		"another user was used":     {&old, year, []bootstrap.Fact{signIn("eve", "2026-05-04T09:10:00Z", "")}, none, bootstrap.Pending, none},
		"used, but long ago":        {&old, 90 * 24 * time.Hour, []bootstrap.Fact{signIn("break-glass", "2026-05-04T09:10:00Z", "")}, "in the last 90 days", bootstrap.Pending, "in the last 90 days"},
		"not used, known for a day": {&fresh, year, nil, "", bootstrap.NotApplicable, "the first drill is due by 2027-02-01"},
		"a user without root":       {&rootless, year, nil, none, bootstrap.Pending, none},
		"neither root nor the user": {&gone, year, nil, "", bootstrap.NotApplicable, "no break-glass user is known"},
		"no drill is expected":      {&old, 0, nil, "", bootstrap.Unknown, "the setting drill is off"},
	} {
		d := digestwork.Drill{Policy: drill.Policy{Within: tt.within, Users: []string{"break-glass"}}, Announcements: announced}
		notes, err := d.Notes(t.Context(), tt.status, tt.facts, time.Time{}, now)
		if err != nil || len(notes) > 1 || (len(notes) == 1) != (tt.digest != "") || len(notes) == 1 && !strings.Contains(notes[0].Text, tt.digest) {
			t.Errorf("%s: in the digest is %+v, %v, want %q", name, notes, err, tt.digest)
		}
		facts := &fake.Facts{}
		if _, err := facts.Add(t.Context(), tt.facts); err != nil {
			t.Fatal(err)
		}
		in := daytwo.Input{Status: tt.status, Answers: daytwo.Answers{At: now}}
		reader := digestwork.DrillReader{Drill: d, Facts: facts}
		if err := reader.Read(t.Context(), account, daytwo.ReadDrill, &in.Answers); err != nil {
			in.Answers.Missed(daytwo.ReadDrill, err.Error())
		}
		if v := daytwo.Judge(daytwo.BreakGlassDrill, &in); v.State != tt.state || !strings.Contains(v.What, tt.what) {
			t.Errorf("%s: the step is %+v, want %s with %q", name, v, tt.state, tt.what)
		}
	}
}

func failingScript(name string) *fake.Script {
	s := &fake.Script{}
	s.Fail(name, 1)
	return s
}
