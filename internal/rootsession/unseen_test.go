package rootsession_test

import (
	"rootguard/internal/wiretest"

	"testing"
	"time"

	"rootguard/internal/cloudtrail"
	"rootguard/internal/detect"
	"rootguard/internal/fake"
	"rootguard/internal/guard"
	"rootguard/internal/mfadeadline"
	"rootguard/internal/wire"
	"rootguard/internal/worker"
)

// TestRootSessionUnseen reads as root in a session, and has what came before on record or not.
func TestRootSessionUnseen(t *testing.T) {
	began := wiretest.T0
	at := func(id, source, name string, minute int, change func(*cloudtrail.Record)) *cloudtrail.Record {
		rec := &cloudtrail.Record{
			EventID: id, EventTime: wiretest.T0.Add(time.Duration(minute) * time.Minute), EventType: "AwsApiCall", ReadOnly: cloudtrail.Yes,
			EventSource: source + ".amazonaws.com", EventName: name, RecipientAccountID: wiretest.Account,
			UserIdentity: cloudtrail.UserIdentity{Type: "Root", PrincipalID: wiretest.Account, AccountID: wiretest.Account, AccessKeyID: "ASIAROOT",
				Session: cloudtrail.SessionContext{CreationDate: began}},
		}
		if change != nil {
			change(rec)
		}
		return rec
	}
	signIn := func(minute int, result string) *cloudtrail.Record {
		return at("signin", "signin", "ConsoleLogin", minute, func(r *cloudtrail.Record) {
			r.ReadOnly, r.EventType, r.UserIdentity.Session = cloudtrail.No, "AwsConsoleSignIn", cloudtrail.SessionContext{}
			r.ResponseElements = []byte(`{"ConsoleLogin":"` + result + `"}`)
		})
	}
	read := at("read", "ec2", "DescribeInstances", 12, nil)
	for name, tt := range map[string]struct {
		before []*cloudtrail.Record
		read   *cloudtrail.Record
		want   int
	}{
		"nothing on record":         {nil, read, 1},
		"signed in":                 {[]*cloudtrail.Record{signIn(0, "Success")}, read, 0},
		"signed in a minute before": {[]*cloudtrail.Record{signIn(-1, "Success")}, read, 0},
		"signed in an hour before":  {[]*cloudtrail.Record{signIn(-60, "Success")}, read, 1},
		"failed to sign in":         {[]*cloudtrail.Record{signIn(0, "Failure")}, read, 1},
		"took session credentials":  {[]*cloudtrail.Record{at("token", "sts", "GetSessionToken", 0, nil)}, read, 0},
		"wrote in the session":      {[]*cloudtrail.Record{at("write", "ec2", "RunInstances", 1, func(r *cloudtrail.Record) { r.ReadOnly = cloudtrail.No })}, read, 0},
		"a service read":            {nil, at("read", "ec2", "DescribeInstances", 12, func(r *cloudtrail.Record) { r.UserIdentity.InvokedBy = "backup.amazonaws.com" }), 0},
		"a session of AssumeRoot":   {nil, at("read", "ec2", "DescribeInstances", 12, func(r *cloudtrail.Record) { r.UserIdentity.Session.AssumedRoot = cloudtrail.Yes }), 0},
		"no session":                {nil, at("read", "ec2", "DescribeInstances", 12, func(r *cloudtrail.Record) { r.UserIdentity.Session = cloudtrail.SessionContext{} }), 0},
	} {
		t.Run(name, func(t *testing.T) {
			for mode, deadlines := range map[string]worker.Rows[mfadeadline.Deadline]{"a log": nil, "as events come": &fake.Deadlines{}} {
				w := wiretest.RealWorld()
				w.Parts = wiretest.NewParts(wire.Deps{Detector: &detect.Detector{}, Claims: w.Claims, Facts: w.FactRows, Publisher: w.Receivers, Limiter: w, Now: w.Clock.Now, Deadlines: deadlines}, w.Settings)
				records := append(append([]*cloudtrail.Record{}, tt.before...), tt.read, tt.read)
				if deadlines == nil { // the order in a log does not matter
					records = append([]*cloudtrail.Record{tt.read}, tt.before...)
				}
				var results []guard.Result
				for _, rec := range records {
					res, err := w.Handle(t.Context(), rec)
					if err != nil {
						t.Fatal(err)
					}
					results = append(results, res)
				}
				for _, res := range results {
					if deadlines == nil && res.Unseen != nil {
						if _, err := w.RaiseUnseen(t.Context(), *res.Unseen, res.Began); err != nil {
							t.Fatal(err)
						}
					}
				}
				n := 0
				for _, a := range w.Receivers.Published() {
					if a.Finding.ID == detect.RootSessionUnseen {
						n++
					}
				}
				if n != tt.want {
					t.Errorf("%s: %d alerts of an unseen session, want %d", mode, n, tt.want)
				}
			}
		})
	}
}
