package dynamodb_test

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	sdk "github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/google/go-cmp/cmp"

	"rootguard/internal/aws/dynamodb"
	"rootguard/internal/aws/dynamodb/dynamotest"
	"rootguard/internal/bootstrap"
	"rootguard/internal/cloudtrail"
	"rootguard/internal/detect"
	"rootguard/internal/fake"
	"rootguard/internal/guard"
	"rootguard/internal/incident"
	"rootguard/internal/wire"
)

// upgraded is a guard of this version over a table of rootguard 1.
type upgraded struct {
	parts wire.Parts
	store *dynamodb.Store
	pub   fake.Publisher
	now   time.Time
}

func newUpgraded(t *testing.T) *upgraded {
	t.Helper()
	client := dynamotest.Client(dynamotest.New(t).URL)
	table := dynamotest.Table(t, client)
	for _, it := range dynamotest.Rows(dynamotest.RowsTaken) {
		if _, err := client.PutItem(t.Context(), &sdk.PutItemInput{TableName: &table, Item: it.Attributes()}); err != nil {
			t.Fatal(err)
		}
	}
	u := &upgraded{now: dynamotest.RowsTaken}
	clock := func() time.Time { return u.now }
	u.store = dynamodb.New(client, table, clock)
	u.parts = wire.New(wire.Deps{
		Detector: &detect.Detector{}, Claims: u.store, Facts: u.store, Publisher: &u.pub, Now: clock, Deadlines: u.store.Deadlines(), Checks: u.store.Checks(),
		Announcements: u.store, Summaries: u.store.Summaries(), Incidents: u.store, Quarantines: u.store.Quarantines(),
	}, wire.Settings{})
	return u
}

// adminHasMFA is a mfadeadline.UserChecker by which no one but the administrator has MFA.
type adminHasMFA struct{}

func (adminHasMFA) User(ctx context.Context, account, name string) (bootstrap.LiveFact, error) {
	fact, err := withoutMFA{}.User(ctx, account, name)
	if name == "admin" {
		fact.MFADevices = []string{"arn:aws:iam::" + account + ":mfa/admin"}
	}
	return fact, err
}

// alerts are the findings published since the last call.
func (u *upgraded) alerts() []string {
	var all []string
	for _, a := range u.pub.Published() {
		f := a.Finding
		all = append(all, fmt.Sprintf("%s %s %s", a.Kind, f.ID, f.Target.UserName))
	}
	u.pub = fake.Publisher{}
	slices.Sort(all)
	return all
}

// TestOldRows holds that what rootguard 1 stored is read: who was alerted, who has
// a deadline, what is unacknowledged, and the status.
func TestOldRows(t *testing.T) {
	u := newUpgraded(t)
	want := func(what string, lines ...string) {
		t.Helper()
		if diff := cmp.Diff(lines, u.alerts()); diff != "" {
			t.Errorf("%s (-want +got):\n%s", what, diff)
		}
	}

	for _, text := range dynamotest.RowsRecords(dynamotest.RowsTaken) {
		rec, _, err := cloudtrail.Decode([]byte(text))
		if err != nil {
			t.Fatal(err)
		}
		if res, err := u.parts.Guard.Handle(t.Context(), &rec); err != nil || res.Disposition == guard.Alerted || res.NewFacts > 0 {
			t.Errorf("handled again, %s %s is %q, %d new facts, %v", rec.EventName, rec.EventID, res.Disposition, res.NewFacts, err)
		}
	}
	want("events that were handled before")

	if _, err := u.parts.Deadlines.Sweep(t.Context(), adminHasMFA{}, u.now); err != nil {
		t.Fatal(err)
	}
	want("eve's second reminder is due, and bob's grace still runs", "first user.mfa.missing eve")

	open, found, err := incident.One(t.Context(), u.store, "45XWK-RMF80")
	if err != nil || !found || open.Ack != nil {
		t.Fatalf("the incident: found %v, %+v, %v", found, open, err)
	}
	if _, err := u.parts.Incidents.Renotify(t.Context(), u.now); err != nil {
		t.Fatal(err)
	}
	want("the unacknowledged incident", "resend root.signin.no_mfa ")
	ack := incident.Ack{By: "admin", At: u.now, Note: "known", Actor: detect.Actor{Type: "IAMUser", Name: "admin"}}
	if _, already, err := u.parts.Incidents.Acknowledge(t.Context(), "45XWK-RMF80", ack); err != nil || already {
		t.Fatalf("acknowledging: already %v, %v", already, err)
	}
	u.alerts()
	u.now = u.now.Add(2 * time.Hour)
	if _, err := u.parts.Incidents.Renotify(t.Context(), u.now); err != nil {
		t.Fatal(err)
	}
	want("the acknowledged incident")
	if _, err := u.parts.Guard.Flush(t.Context(), u.now); err != nil {
		t.Fatal(err)
	}
	want("two calls that waited", "roll_up root.activity ")
	u.now = dynamotest.RowsTaken.Add(4 * time.Hour)
	if _, err := u.parts.Announcer.Summarize(t.Context(), u.now); err != nil {
		t.Fatal(err)
	}
	want("the announcement has ended", "first root.use.announced ")

	facts, err := u.store.Facts(t.Context(), dynamotest.RowsAccount)
	if err != nil {
		t.Fatal(err)
	}
	status := bootstrap.Fold(dynamotest.RowsAccount, facts, bootstrap.DefaultOptions(), u.now)
	var steps []string
	for _, s := range status.Steps {
		steps = append(steps, fmt.Sprintf("%s %s", s.Step, s.State))
	}
	if got, want := strings.Join(steps, ", "), "root_mfa done, root_keys_absent done, admin_user done, admin_signed_in done, admin_password_changed done, admin_mfa done, root_quiet pending"; got != want {
		t.Errorf("the steps are %s, want %s", got, want)
	}
}
