package detect_test

import (
	"encoding/json"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"rootguard/internal/cloudtrail"
	"rootguard/internal/detect"
)

// subjects are all findings that rootguard itself makes, each with its subject.
func subjects() map[string]struct {
	f    detect.Finding
	want detect.Subject
} {
	const account = "111111111111"
	at := time.Date(2026, 3, 2, 9, 15, 0, 0, time.UTC)
	later := at.Add(time.Hour)
	bob := detect.Target{UserName: "bob", UserID: "AIDABOB"}
	missing := detect.MFAMissing(account, bob, at.Add(-24*time.Hour), at, "")
	live := detect.RootLive(detect.RootMFAMissing, account, at)
	use := detect.AnnouncedUse{Account: account, ID: "3F9D0-KQ7TB"}
	fault := detect.Fault{Account: account, Region: "us-east-1", Check: "trail", Since: at, Severity: detect.High}
	unchecked, random := fault, fault
	unchecked.Unchecked, random.Nonce = true, "k2j9"
	unseen := detect.UseUnseen(account, detect.RootUse{Credential: detect.Password, At: at}, time.Minute)
	session := &cloudtrail.Record{EventName: "ListBuckets", EventSource: "s3.amazonaws.com", EventID: "e-1"}
	session.UserIdentity.Session.CreationDate = at
	cycle := at.Format(time.RFC3339)

	const (
		user       = "user.mfa.missing/111111111111/AIDABOB/2026-03-02T09:15:00Z"
		root       = "root.mfa.missing/111111111111/live/2026-03-02T09:15:00Z"
		announced  = "root.use.announced/111111111111/3F9D0-KQ7TB"
		check      = "guard.unhealthy/111111111111/us-east-1/trail/2026-03-02T09:15:00Z"
		quarantine = "user.quarantined/111111111111/bob/2026-03-02T09:15:00Z"
		password   = "root.use.unseen/111111111111/password/2026-03-02T09:15:00Z"
	)
	updated, resolved := detect.PhaseUpdated, detect.PhaseResolved
	return map[string]struct {
		f    detect.Finding
		want detect.Subject
	}{
		"user":                   {missing, detect.Subject{ID: user, Began: at}},
		"user, reminder":         {detect.MFAReminder(missing, 12, 12, later), detect.Subject{ID: user, Phase: updated, Began: at}},
		"user, over":             {detect.MFAClosed(missing, cloudtrail.Yes, "", later), detect.Subject{ID: user, Phase: resolved, Began: at}},
		"root":                   {live, detect.Subject{ID: root, Began: at}},
		"root, over":             {detect.RootCured(live, later), detect.Subject{ID: root, Phase: resolved, Began: at}},
		"announcement":           {detect.UseAnnounced(use, detect.Actor{}, at), detect.Subject{ID: announced}},
		"announcement, closed":   {detect.UseClosed(use, detect.Actor{}, "", at), detect.Subject{ID: announced, Phase: resolved}},
		"announcement, ended":    {detect.UseEnded(use, detect.Actor{}, "", at), detect.Subject{ID: announced, Phase: resolved}},
		"check once a day":       {detect.Unhealthy(account, "us-east-1", "trail", "", at), detect.Subject{ID: "guard.unhealthy/111111111111/us-east-1/trail/2026-03-02"}},
		"check":                  {detect.FaultFound(fault), detect.Subject{ID: check, Began: at}},
		"check, reminder":        {detect.FaultReminder(detect.FaultFound(fault), 1, later), detect.Subject{ID: check, Phase: updated, Began: at}},
		"check, worse":           {detect.FaultWorse(detect.FaultFound(fault), later), detect.Subject{ID: check, Phase: updated, Began: at}},
		"check, over":            {detect.FaultClosed(fault, later), detect.Subject{ID: check, Phase: resolved, Began: at}},
		"check that cannot be":   {detect.FaultFound(unchecked), detect.Subject{ID: "guard.unhealthy/111111111111/us-east-1/trail/unchecked/2026-03-02T09:15:00Z", Began: at}},
		"check, with a nonce":    {detect.FaultFound(random), detect.Subject{ID: "guard.unhealthy/111111111111/us-east-1/trail/k2j9/2026-03-02T09:15:00Z", Began: at}},
		"root use":               {unseen, detect.Subject{ID: password, Began: at}},
		"root use, explained":    {detect.UseExplained(unseen, "e-1", later), detect.Subject{ID: password, Phase: resolved, Began: at}},
		"root session":           {detect.SessionUnseen(session, account), detect.Subject{ID: "root.session.unseen/111111111111/2026-03-02T09:15:00Z", Began: at}},
		"quarantine, dry run":    {detect.Quarantined(account, bob, at, detect.QuarantineWould, cycle, at, at), detect.Subject{ID: quarantine, Began: at}},
		"quarantine, announced":  {detect.Quarantined(account, bob, at, detect.QuarantineAnnounced, cycle, at, at), detect.Subject{ID: quarantine, Began: at}},
		"quarantine, done":       {detect.Quarantined(account, bob, at, detect.QuarantineDone, cycle, at, at), detect.Subject{ID: quarantine, Phase: updated, Began: at}},
		"quarantine, withheld":   {detect.QuarantineWithheld(account, bob, at, "", cycle, at), detect.Subject{ID: quarantine, Began: at}},
		"quarantine, released":   {detect.Released(account, bob, cycle, true, cloudtrail.Yes, "", "", at), detect.Subject{ID: quarantine, Phase: resolved, Began: at}},
		"quarantine, no time":    {detect.Quarantined(account, bob, at, detect.QuarantineDone, "c", at, at), detect.Subject{ID: "user.quarantined/111111111111/bob/c", Phase: updated}},
		"incident acknowledged":  {detect.Acknowledged(detect.Acknowledgement{Account: account, Incident: "PX22A-JX9M1", Cycle: 2, Title: ""}, detect.Operator{Actor: detect.Actor{}, Who: "", Note: "", At: at}), detect.Subject{ID: "incident.acknowledged/111111111111/PX22A-JX9M1/2"}},
		"incidents acknowledged": {detect.AcknowledgedAll(account, "PX22A-JX9M1", nil, detect.Operator{At: at}), detect.Subject{ID: "incident.acknowledged/111111111111/batch/PX22A-JX9M1"}},
		"password, no sign-in":   {detect.Abandoned(account, at, "e-1", time.Hour), detect.Subject{}},
		"several accounts":       {detect.Spraying(detect.Finding{EventID: "e-1"}), detect.Subject{}},
		"a record":               {detect.Finding{ID: detect.RootSignin, EventID: "e-1", EventName: "ConsoleLogin"}, detect.Subject{}},
		"a record, like a note":  {detect.Finding{ID: detect.RootSignin, EventID: "root.signin/e-1/closed", EventName: "ConsoleLogin"}, detect.Subject{}},
		"an event ID of another": {detect.Finding{ID: detect.RootSignin, EventID: user}, detect.Subject{}},
	}
}

func TestSubject(t *testing.T) {
	ids := map[string]string{}
	for name, tt := range subjects() {
		if diff := cmp.Diff(tt.want, tt.f.Subject); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
		if want := tt.want.ID != ""; tt.f.Synthetic() != want {
			t.Errorf("%s: Synthetic() = %t", name, !want)
		}
		if want := tt.want.ID; want == "" && tt.f.SubjectID() != tt.f.EventID || want != "" && tt.f.SubjectID() != want {
			t.Errorf("%s: SubjectID() = %q, event %q", name, tt.f.SubjectID(), tt.f.EventID)
		}
		if !tt.f.Synthetic() {
			continue
		}
		if other := ids[tt.f.EventID]; other != "" {
			t.Errorf("%s and %s have one event ID", name, other)
		}
		ids[tt.f.EventID] = name
	}
}

// TestFormerSubject reads each finding as it was stored before it had a subject.
func TestFormerSubject(t *testing.T) {
	for name, tt := range subjects() {
		now, err := json.Marshal(tt.f)
		if err != nil {
			t.Fatal(err)
		}
		var fields map[string]json.RawMessage
		if err := json.Unmarshal(now, &fields); err != nil {
			t.Fatal(err)
		}
		if _, ok := fields["subject"]; ok != tt.f.Synthetic() {
			t.Errorf("%s: stored with a subject: %t", name, ok)
		}
		delete(fields, "subject")
		then, err := json.Marshal(fields)
		if err != nil {
			t.Fatal(err)
		}
		for _, text := range [][]byte{now, then} {
			var got detect.Finding
			if err := json.Unmarshal(text, &got); err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(tt.f, got); diff != "" {
				t.Errorf("%s, from %s (-want +got):\n%s", name, text, diff)
			}
		}
	}
	var f detect.Finding
	if err := json.Unmarshal([]byte(`{"id":"user.quarantined","event_id":"user.quarantined/"}`), &f); err != nil || f.EventID != "user.quarantined/" {
		t.Errorf("an event ID without its end: %+v, %v", f, err)
	}
	if err := json.Unmarshal([]byte(`{"severity":"loud"}`), &f); err == nil {
		t.Error("a severity that does not exist is read without an error")
	}
}
