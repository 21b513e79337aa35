package dynamodb_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"rootguard/internal/alert"
	"rootguard/internal/aws/dynamodb"
	"rootguard/internal/aws/dynamodb/dynamotest"
	"rootguard/internal/collection"
	"rootguard/internal/detect"
	"rootguard/internal/fake"
	"rootguard/internal/guard"
	"rootguard/internal/incident"
	"rootguard/internal/testenv"
	"rootguard/internal/wire"
)

// TestRowsOfALargeAccount has the 5,000 IAM users that an account may have, with names as
// long as they may be, reported together day after day, repeated, acknowledged and
// resolved. No row comes near the 400 KB of an item.
func TestRowsOfALargeAccount(t *testing.T) {
	const (
		account = "111111111111"
		n       = 5000
		limit   = 400 << 10
	)
	testenv.Soak(t)
	server := dynamotest.New(t)
	client := dynamotest.Client(server.URL)
	table := dynamotest.Table(t, client)
	clock := fake.NewClock(t0)
	store := dynamodb.New(client, table, clock.Now)
	pub := &fake.Publisher{}
	parts := wire.New(wire.Deps{
		Detector: &detect.Detector{}, Claims: store, Facts: store, Publisher: pub, Now: clock.Now, Incidents: store, WrittenAcks: store,
	}, wire.Settings{})
	most, where := 0, ""
	weigh := func() {
		t.Helper()
		for _, item := range server.Items(table) {
			raw, err := json.Marshal(item)
			if err != nil {
				t.Fatal(err)
			}
			if len(raw) > most {
				most, where = len(raw), item.Str("pk")+" "+item.Str("sk")
			}
		}
	}
	names := make([]string, n)
	for i := range names {
		names[i] = fmt.Sprintf("%s-%05d", strings.Repeat("u", 58), i)
	}
	report := func(day int, stage alert.Stage, severity detect.Severity) *alert.Incident {
		t.Helper()
		s := alert.Summary{FindingCount: n, AccountCount: 1, Accounts: []alert.SummaryAccount{{Account: account}}}
		all := make([]detect.Finding, 0, n)
		for _, name := range names {
			target := detect.Target{UserName: name}
			it := alert.SummaryItem{Finding: detect.UserMFAMissing, Severity: severity, Stage: stage, At: clock.Now(), User: name,
				MFADue: detect.MFADue{At: t0, Reminder: 3, Reminders: 3}}
			s.Accounts[0].Findings = append(s.Accounts[0].Findings, it)
			all = append(all, detect.Listed(it.Finding, account, target, it.MFADue, stage == alert.StageResolved, it.At))
		}
		id := fmt.Sprintf("users/%d/%s", day, account)
		res, err := parts.Guard.Send(t.Context(), guard.Notice{Finding: detect.Summed(id, all), Kind: alert.Summarized, Summary: &s, Limited: true})
		if err != nil || res.Disposition != guard.Alerted {
			t.Fatalf("day %d: %s, %v", day, res.Disposition, err)
		}
		weigh()
		return res.Alert.Incident
	}
	var in *alert.Incident
	for day := range 2 {
		if in = report(day, alert.StageReminder, detect.Critical); in == nil {
			t.Fatal("no incident")
		}
		clock.Advance(20 * time.Minute)
		if _, err := parts.Incidents.Renotify(t.Context(), clock.Now()); err != nil {
			t.Fatal(err)
		}
		clock.Advance(24 * time.Hour)
	}
	if _, _, err := parts.Incidents.Acknowledge(t.Context(), in.ID, incident.Ack{By: "ann", Note: "tokens come on Monday"}); err != nil {
		t.Fatal(err)
	}
	report(8, alert.StageResolved, detect.Info)
	if got, _, err := incident.One(t.Context(), store, in.ID); err != nil || len(got.Users) != 0 {
		t.Errorf("%d users are left in the incident, %v", len(got.Users), err)
	}
	// A collection goes on for years.
	for range 10 {
		f := detect.MFAMissing(account, detect.Target{UserName: names[0]}, clock.Now().Add(-25*time.Hour), clock.Now(), "")
		if _, err := parts.Notices.Collect(t.Context(), collection.UserNotices, guard.Notice{Finding: f}); err != nil {
			t.Fatal(err)
		}
		if _, err := parts.Notices.Send(t.Context(), collection.UserNotices, clock.Now(), false); err != nil {
			t.Fatal(err)
		}
		clock.Advance(25 * time.Hour)
	}
	weigh()
	t.Logf("the largest row, %s, has %d bytes", where, most)
	if most < 50<<10 || most > limit/2 {
		t.Errorf("the largest row, %s, has %d bytes, want that of the users, and less than half of %d", where, most, limit)
	}
}
