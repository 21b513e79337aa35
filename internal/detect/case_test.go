package detect_test

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"rootguard/internal/cloudtrail"
	"rootguard/internal/detect"
)

func TestCaseOf(t *testing.T) {
	deadline := time.Date(2026, 3, 2, 9, 15, 0, 0, time.UTC)
	missing := detect.MFAMissing("111111111111", detect.Target{UserName: "bob", UserID: "AIDABOB"}, deadline.Add(-24*time.Hour), deadline, "")
	const id = "user.mfa.missing/111111111111/AIDABOB/2026-03-02T09:15:00Z"
	use := detect.AnnouncedUse{Account: "111111111111", ID: "3F9D0-KQ7TB"}
	const announced = "root.use.announced/111111111111/3F9D0-KQ7TB"
	const check = "guard.unhealthy/111111111111/us-east-1/trail/2026-03-02T09:15:00Z"
	fault := detect.Fault{Account: "111111111111", Region: "us-east-1", Check: "trail", Since: deadline, Severity: detect.High}
	unchecked := fault
	unchecked.Unchecked = true
	for _, tt := range []struct {
		name string
		f    detect.Finding
		want detect.Case
	}{
		{"the first", missing, detect.Case{ID: id, Made: true, Began: deadline}},
		{"a reminder", detect.MFAReminder(missing, 12, 12, deadline.Add(time.Hour)), detect.Case{ID: id, Made: true, Later: true, Began: deadline}},
		{"the closing note", detect.MFAClosed(missing, cloudtrail.Yes, "", deadline.Add(time.Hour)), detect.Case{ID: id, Made: true, Later: true, Closed: true, Began: deadline}},
		{"an announcement", detect.UseAnnounced(use, detect.Actor{}, deadline), detect.Case{ID: announced, Made: true}},
		{"one that was closed", detect.UseClosed(use, detect.Actor{}, "", deadline), detect.Case{ID: announced, Made: true, Later: true, Closed: true}},
		{"one that ended", detect.UseEnded(use, detect.Actor{}, "", deadline), detect.Case{ID: announced, Made: true, Later: true, Closed: true}},
		{"a check once a day", detect.Unhealthy("111111111111", "us-east-1", "trail", "", deadline), detect.Case{ID: "guard.unhealthy/111111111111/us-east-1/trail/2026-03-02", Made: true}},
		{"a check", detect.FaultFound(fault), detect.Case{ID: check, Made: true, Began: deadline}},
		{"a check, the day after", detect.FaultReminder(detect.FaultFound(fault), 1, deadline.Add(24*time.Hour)), detect.Case{ID: check, Made: true, Later: true, Began: deadline}},
		{"a check, worse", detect.FaultWorse(detect.FaultFound(fault), deadline.Add(time.Hour)), detect.Case{ID: check, Made: true, Later: true, Began: deadline}},
		{"a check, closed", detect.FaultClosed(fault, deadline.Add(time.Hour)), detect.Case{ID: check, Made: true, Later: true, Closed: true, Began: deadline}},
		{"no check", detect.FaultFound(unchecked), detect.Case{ID: "guard.unhealthy/111111111111/us-east-1/trail/unchecked/2026-03-02T09:15:00Z", Made: true, Began: deadline}},
		{"a record", detect.Finding{ID: detect.RootSignin, EventID: "e-1"}, detect.Case{ID: "e-1"}},
		{"a record whose ID looks like a note", detect.Finding{ID: detect.RootSignin, EventID: "e-1/closed"}, detect.Case{ID: "e-1/closed"}},
		{"of another kind", detect.Finding{ID: detect.RootSignin, EventID: missing.EventID}, detect.Case{ID: id}},
	} {
		if diff := cmp.Diff(tt.want, detect.CaseOf(&tt.f)); diff != "" {
			t.Errorf("%s (-want +got):\n%s", tt.name, diff)
		}
	}
}
