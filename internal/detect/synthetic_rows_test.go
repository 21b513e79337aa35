package detect

import (
	"strings"
	"testing"
	"time"

	"rootguard/internal/cloudtrail"
)

// TestSyntheticFindings holds what a reader sees first of each finding that no record
// shows, and how it differs from the others: severity, title, event ID, session, phase
// and beginning of its subject, the event's time, actor and command.
func TestSyntheticFindings(t *testing.T) {
	const account, cycle = "111122223333", "2026-03-03T09:00:00Z"
	since := time.Date(2026, 3, 2, 9, 0, 0, 0, time.UTC)
	due, at := since.Add(24*time.Hour), since.Add(48*time.Hour)
	bob := Target{UserName: "bob", UserID: "AIDABOB"}
	by := Actor{Type: "IAMUser", Name: "ops"}
	use := AnnouncedUse{Account: account, ID: "3F9D0-KQ7TB", From: since, Until: at, Owner: "alice", Reason: "OPS-17"}
	quiet := Suppressed{Account: account, ID: "3F9D0-KQ7TB", Finding: UserAdminGranted, Principal: AnyPrincipal, Until: at, Owner: "alice", Reason: "OPS-17"}
	ack := Acknowledgement{Account: account, Incident: "7K4Q2-X2M9P", Cycle: 2, Title: "Root sign-in"}
	op := Operator{Actor: by, Who: "ops", Note: "mine", At: at}
	fault := Fault{Account: account, Region: "eu-north-1", Check: "trail", Since: since, Severity: High, Why: "It does not log.", Fix: "Start it."}
	unchecked := fault
	unchecked.Unchecked, unchecked.Nonce = true, "n0nce"
	missing := MFAMissing(account, bob, since, due, "")
	live := RootLive(RootMFARemoved, account, since)
	password := UseUnseen(account, RootUse{Credential: Password, At: since}, 15*time.Minute)
	steps := []RegressedStep{{Name: "cloudtrail", Title: "A trail", What: "none", Fix: "Make one"}, {Name: "budget", Title: "A budget", What: "none", Fix: "Make one"}}
	for _, tt := range []struct {
		f    Finding
		want string
	}{
		{missing, "high | IAM user still without MFA: bob | user.mfa.missing/111122223333/AIDABOB/2026-03-03T09:00:00Z |  |  | 2026-03-03T09:00:00Z | 2026-03-03T09:00:00Z | bob | "},
		{MFAFound(account, bob, since, due, ""), "high | IAM user still without MFA: bob | user.mfa.missing/111122223333/AIDABOB/2026-03-03T09:00:00Z |  |  | 2026-03-03T09:00:00Z | 2026-03-03T09:00:00Z | bob | "},
		{MFALost(account, bob, since, due, "a call", ""), "high | IAM user still without MFA: bob | user.mfa.missing/111122223333/AIDABOB/2026-03-03T09:00:00Z |  |  | 2026-03-03T09:00:00Z | 2026-03-03T09:00:00Z | bob | "},
		{MFAPending(account, bob, since, due), "medium | IAM user has no MFA yet: bob | user.mfa.pending/111122223333/AIDABOB/2026-03-03T09:00:00Z |  |  | 2026-03-02T09:00:00Z | 2026-03-02T09:00:00Z | bob | "},
		{MFAReminder(missing, 2, 3, at), "high | IAM user still without MFA, reminder 2 of 3: bob | user.mfa.missing/111122223333/AIDABOB/2026-03-03T09:00:00Z/reminder-2 | reminder 2 | updated | 2026-03-03T09:00:00Z | 2026-03-04T09:00:00Z | bob | "},
		{MFAReminder(missing, 3, 3, at), "critical | IAM user still without MFA, reminder 3 of 3: bob | user.mfa.missing/111122223333/AIDABOB/2026-03-03T09:00:00Z/reminder-3 | reminder 3 | updated | 2026-03-03T09:00:00Z | 2026-03-04T09:00:00Z | bob | "},
		{MFAClosed(missing, cloudtrail.Yes, "the user has MFA", at), "info | IAM user no longer without MFA: bob | user.mfa.missing/111122223333/AIDABOB/2026-03-03T09:00:00Z/closed | closed | resolved | 2026-03-03T09:00:00Z | 2026-03-04T09:00:00Z | bob | "},
		{live, "critical | Root MFA removed (seen live, no event) | root.mfa.removed/111122223333/live/2026-03-02T09:00:00Z | live |  | 2026-03-02T09:00:00Z | 2026-03-02T09:00:00Z |  | "},
		{RootCured(live, at), "info | Root has MFA again | root.mfa.removed/111122223333/live/2026-03-02T09:00:00Z/closed | closed | resolved | 2026-03-02T09:00:00Z | 2026-03-04T09:00:00Z |  | "},
		{RootCured(RootLive(RootMFAMissing, account, since), at), "info | Root has MFA now | root.mfa.missing/111122223333/live/2026-03-02T09:00:00Z/closed | closed | resolved | 2026-03-02T09:00:00Z | 2026-03-04T09:00:00Z |  | "},
		{RootCured(RootLive(RootAccessKeyPresent, account, since), at), "info | Root access key is gone | root.access_key.present/111122223333/live/2026-03-02T09:00:00Z/closed | closed | resolved | 2026-03-02T09:00:00Z | 2026-03-04T09:00:00Z |  | "},
		{RootCured(RootLive(RootAccessKeyCreated, account, since), at), "info | Root access key is gone | root.access_key.created/111122223333/live/2026-03-02T09:00:00Z/closed | closed | resolved | 2026-03-02T09:00:00Z | 2026-03-04T09:00:00Z |  | "},
		{RootCured(RootLive(RootLoginProfileCreated, account, since), at), "info | Root password is gone | root.login_profile.created/111122223333/live/2026-03-02T09:00:00Z/closed | closed | resolved | 2026-03-02T09:00:00Z | 2026-03-04T09:00:00Z |  | "},
		{password, "critical | Root password used, and no event arrived | root.use.unseen/111122223333/password/2026-03-02T09:00:00Z | password 2026-03-02T09:00:00Z |  | 2026-03-02T09:00:00Z | 2026-03-02T09:00:00Z | root | "},
		{UseUnseen(account, RootUse{Credential: AccessKey, At: since, Service: "s3"}, 15*time.Minute), "critical | Root access key used, and no event arrived: s3 | root.use.unseen/111122223333/access_key/2026-03-02T09:00:00Z | access_key 2026-03-02T09:00:00Z |  | 2026-03-02T09:00:00Z | 2026-03-02T09:00:00Z | root | "},
		{UseExplained(password, "e-1", at), "info | Root use explained by a late event | root.use.unseen/111122223333/password/2026-03-02T09:00:00Z/closed | closed | resolved | 2026-03-02T09:00:00Z | 2026-03-04T09:00:00Z | root | "},
		{Quarantined(account, bob, due, QuarantineWould, cycle, at, at), "medium | IAM user would be quarantined (dry run): bob | user.quarantined/111122223333/bob/2026-03-03T09:00:00Z/dry-run | dry-run |  | 2026-03-03T09:00:00Z | 2026-03-04T09:00:00Z | rootguard | "},
		{Quarantined(account, bob, due, QuarantineAnnounced, cycle, at, at.Add(24*time.Hour)), "high | IAM user will be quarantined at 2026-03-05T09:00:00Z: bob | user.quarantined/111122223333/bob/2026-03-03T09:00:00Z/announced | announced |  | 2026-03-03T09:00:00Z | 2026-03-04T09:00:00Z | rootguard | "},
		{Quarantined(account, bob, due, QuarantineDone, cycle, at, at), "high | IAM user without MFA quarantined: bob | user.quarantined/111122223333/bob/2026-03-03T09:00:00Z/done | done | updated | 2026-03-03T09:00:00Z | 2026-03-04T09:00:00Z | rootguard | "},
		{QuarantineWithheld(account, bob, due, "It is the last", cycle, at), "high | IAM user is not quarantined: bob | user.quarantined/111122223333/bob/2026-03-03T09:00:00Z/withheld | withheld |  | 2026-03-03T09:00:00Z | 2026-03-04T09:00:00Z | rootguard | "},
		{Released(account, bob, cycle, true, cloudtrail.Yes, "", "The user has MFA", at), "info | IAM user released from quarantine: bob | user.released/111122223333/bob/2026-03-03T09:00:00Z |  | resolved | 2026-03-03T09:00:00Z | 2026-03-04T09:00:00Z | rootguard | "},
		{Released(account, bob, cycle, false, cloudtrail.Unknown, "ops", "lost pager", at), "info | Quarantine of IAM user called off: bob | user.released/111122223333/bob/2026-03-03T09:00:00Z |  | resolved | 2026-03-03T09:00:00Z | 2026-03-04T09:00:00Z | ops | "},
		{Unhealthy(account, "eu-north-1", "trail", "It does not log.", at), "high | Guardrail unhealthy: trail | guard.unhealthy/111122223333/eu-north-1/trail/2026-03-04 |  |  | - | 2026-03-04T09:00:00Z | rootguard | "},
		{FaultFound(fault), "high | Guardrail unhealthy: trail | guard.unhealthy/111122223333/eu-north-1/trail/2026-03-02T09:00:00Z |  |  | 2026-03-02T09:00:00Z | 2026-03-02T09:00:00Z | rootguard | "},
		{FaultFound(unchecked), "high | Guardrail cannot be checked: trail | guard.unhealthy/111122223333/eu-north-1/trail/unchecked/n0nce/2026-03-02T09:00:00Z |  |  | 2026-03-02T09:00:00Z | 2026-03-02T09:00:00Z | rootguard | "},
		{FaultWorse(FaultFound(fault), at), "high | Guardrail unhealthy: trail | guard.unhealthy/111122223333/eu-north-1/trail/2026-03-02T09:00:00Z/worse-high |  | updated | 2026-03-02T09:00:00Z | 2026-03-04T09:00:00Z | rootguard | "},
		{FaultReminder(FaultFound(fault), 1, at), "high | Guardrail unhealthy: trail, for 1 day | guard.unhealthy/111122223333/eu-north-1/trail/2026-03-02T09:00:00Z/day-1 |  | updated | 2026-03-02T09:00:00Z | 2026-03-04T09:00:00Z | rootguard | "},
		{FaultReminder(FaultFound(fault), 2, at), "high | Guardrail unhealthy: trail, for 2 days | guard.unhealthy/111122223333/eu-north-1/trail/2026-03-02T09:00:00Z/day-2 |  | updated | 2026-03-02T09:00:00Z | 2026-03-04T09:00:00Z | rootguard | "},
		{FaultClosed(fault, at), "info | Guardrail healthy again: trail | guard.unhealthy/111122223333/eu-north-1/trail/2026-03-02T09:00:00Z/closed | closed | resolved | 2026-03-02T09:00:00Z | 2026-03-04T09:00:00Z | rootguard | "},
		{FaultClosed(unchecked, at), "info | Guardrail can be checked again: trail | guard.unhealthy/111122223333/eu-north-1/trail/unchecked/n0nce/2026-03-02T09:00:00Z/closed | closed | resolved | 2026-03-02T09:00:00Z | 2026-03-04T09:00:00Z | rootguard | "},
		{DayTwo(account, steps[:1], at), "low | Day two regressed: cloudtrail | account.day_two.regressed/111122223333/2026-03-04/cloudtrail |  |  | 2026-03-04T09:00:00Z | 2026-03-04T09:00:00Z | rootguard | "},
		{DayTwo(account, steps, at), "low | Day two regressed: 2 steps | account.day_two.regressed/111122223333/2026-03-04/cloudtrail+budget |  |  | 2026-03-04T09:00:00Z | 2026-03-04T09:00:00Z | rootguard | "},
		{Digest(account, "all is well", at), "info | Digest: all is well | guard.digest/111122223333/2026-03-04T09:00:00Z | digest |  | 2026-03-04T09:00:00Z | 2026-03-04T09:00:00Z | rootguard | "},
		{UseAnnounced(use, by, since), "high | Root use announced by alice | root.use.announced/111122223333/3F9D0-KQ7TB | announcement 3F9D0-KQ7TB |  | - | 2026-03-02T09:00:00Z | ops | rootguard announce open"},
		{UseClosed(use, by, "done", at), "info | Announced root use closed early | root.use.announced/111122223333/3F9D0-KQ7TB/closed | announcement 3F9D0-KQ7TB | resolved | - | 2026-03-04T09:00:00Z | ops | rootguard announce close"},
		{UseEnded(use, by, "Root: 1 sign-in.", at), "info | Announced root use ended | root.use.announced/111122223333/3F9D0-KQ7TB/ended | announcement 3F9D0-KQ7TB | resolved | - | 2026-03-04T09:00:00Z | rootguard | "},
		{UseEnded(use, by, "", at), "info | Announced root use ended, root was not used | root.use.announced/111122223333/3F9D0-KQ7TB/ended | announcement 3F9D0-KQ7TB | resolved | - | 2026-03-04T09:00:00Z | rootguard | "},
		{SuppressionCreated(quiet, by, since), "high | Alerts suppressed by alice: user.admin_granted | alerts.suppressed/111122223333/3F9D0-KQ7TB | suppression 3F9D0-KQ7TB |  | - | 2026-03-02T09:00:00Z | ops | rootguard suppress add"},
		{SuppressionRemoved(quiet, by, "done", at), "info | Suppression removed: user.admin_granted | alerts.suppressed/111122223333/3F9D0-KQ7TB/closed | suppression 3F9D0-KQ7TB | resolved | - | 2026-03-04T09:00:00Z | ops | rootguard suppress remove"},
		{SuppressionEnded(quiet, 2, at), "info | Suppression ended: user.admin_granted | alerts.suppressed/111122223333/3F9D0-KQ7TB/ended | suppression 3F9D0-KQ7TB | resolved | - | 2026-03-04T09:00:00Z | rootguard | "},
		{Acknowledged(ack, op), "info | Incident acknowledged: 7K4Q2-X2M9P | incident.acknowledged/111122223333/7K4Q2-X2M9P/2 | incident 7K4Q2-X2M9P |  | - | 2026-03-04T09:00:00Z | ops | rootguard ack"},
		{AcknowledgedAll(account, "B4TCH", []Acknowledgement{ack, ack}, op), "info | 2 incidents acknowledged together | incident.acknowledged/111122223333/batch/B4TCH | incidents B4TCH |  | - | 2026-03-04T09:00:00Z | ops | rootguard ack"},
		{Summed("users/1", []Finding{missing, MFAPending(account, bob, since, due)}), "high | 2 IAM users still without MFA | user.mfa.missing/summary/users/1 |  |  | 2026-03-03T09:00:00Z | 2026-03-03T09:00:00Z | bob, bob | "},
		{Repeated("resend/1", []Finding{live, missing}), "critical | 2 incidents are unacknowledged | root.mfa.removed/summary/resend/1 |  |  | 2026-03-03T09:00:00Z | 2026-03-03T09:00:00Z | rootguard | "},
		{Listed(UserMFAMissing, account, bob, MFADue{At: due}, false, at), "high | IAM user still without MFA: bob | user.mfa.missing/111122223333/AIDABOB/2026-03-03T09:00:00Z |  |  | 2026-03-03T09:00:00Z | 2026-03-03T09:00:00Z | bob | "},
		{Listed(UserMFAMissing, account, bob, MFADue{At: due, Reminder: 1, Reminders: 3}, false, at), "high | IAM user still without MFA, reminder 1 of 3: bob | user.mfa.missing/111122223333/AIDABOB/2026-03-03T09:00:00Z/reminder-1 | reminder 1 | updated | 2026-03-03T09:00:00Z | 2026-03-04T09:00:00Z | bob | "},
		{Listed(UserMFAMissing, account, bob, MFADue{At: due}, true, at), "info | IAM user no longer without MFA: bob | user.mfa.missing/111122223333/AIDABOB/2026-03-03T09:00:00Z/closed | closed | resolved | 2026-03-03T09:00:00Z | 2026-03-04T09:00:00Z | bob | "},
		{Listed(UserMFAPending, account, bob, MFADue{At: due}, false, since), "medium | IAM user has no MFA yet: bob | user.mfa.pending/111122223333/AIDABOB/2026-03-03T09:00:00Z |  |  | 2026-03-02T09:00:00Z | 2026-03-02T09:00:00Z | bob | "},
		{Listed(RootAccessKeyPresent, account, Target{}, MFADue{}, false, since), "critical | Root has an access key (seen live, no event) | root.access_key.present/111122223333/live/2026-03-02T09:00:00Z | live |  | 2026-03-02T09:00:00Z | 2026-03-02T09:00:00Z |  | "},
	} {
		f := &tt.f
		began := "-"
		if !f.Subject.Began.IsZero() {
			began = f.Subject.Began.Format(time.RFC3339)
		}
		got := strings.Join([]string{f.Severity.String(), f.Title, f.EventID, f.Session, string(f.Subject.Phase), began,
			f.EventTime.Format(time.RFC3339), f.Actor.Name, f.UserAgent}, " | ")
		if got != tt.want {
			t.Errorf("got  %s\nwant %s", got, tt.want)
		}
		if f.Account != account || f.SubjectID() == "" {
			t.Errorf("%s: account %q, subject %q", f.Title, f.Account, f.SubjectID())
		}
	}
}
