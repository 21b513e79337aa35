package digestwork_test

import (
	"errors"
	"strings"
	"testing"
	"time"

	"rootguard/internal/announcement"
	"rootguard/internal/bootstrap"
	"rootguard/internal/detect"
	"rootguard/internal/digestwork"
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
	ledger := &fake.Ledger{}
	w.announcements.Ledger = ledger
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
		if err := ledger.Update(t.Context(), key, "", func(guard.Claim, repeats.Series) (guard.Claim, repeats.Series) {
			return guard.Claim{Key: key, State: guard.Sent, Finding: &f}, repeats.Series{}
		}); err != nil {
			t.Fatal(err)
		}
	}
	use(recent, "2026-05-04T09:00:00Z", detect.RootSignin)
	use(old, "2025-10-06T09:00:00Z", detect.RootSignin)
	use(unused, "2026-05-04T09:00:00Z", "")
	use(other, "2026-05-04T09:00:00Z", detect.UserCreated) // root did not do it
	w.Noters = []digestwork.Noter{digestwork.Drill{Within: 365 * 24 * time.Hour, Announcements: w.announcements}}

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
	failing := digestwork.Drill{Within: 365 * 24 * time.Hour, Announcements: &fake.Announcements{Script: failingScript("Announcements.Entries")}}
	status := bootstrap.Status{Account: never, FirstEvent: at("2025-01-01T00:00:00Z")}
	if _, err := failing.Notes(t.Context(), &status, nil, at("2026-11-26T08:00:00Z")); !errors.Is(err, fake.ErrFault) {
		t.Errorf("got %v", err)
	}
}

func failingScript(name string) *fake.Script {
	s := &fake.Script{}
	s.Fail(name, 1)
	return s
}
