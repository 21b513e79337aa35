package guardtest

import (
	"testing"
	"time"

	"rootguard/internal/cloudtrail"
	"rootguard/internal/ending"
	"rootguard/internal/mfadeadline"
	"rootguard/internal/quarantine"
	"rootguard/internal/worker"
)

// Deadlines runs the contract of worker.Rows with deadlines. newRows returns empty ones.
func Deadlines(t *testing.T, newRows func(t *testing.T) worker.Rows[mfadeadline.Deadline]) {
	t.Helper()
	Rows(t, newRows, mfadeadline.Deadline{Key: "123456789012/eve", Account: "123456789012", User: "eve", Due: t0, Revision: 3,
		UnansweredChecks: 2, Failures: 4, Reports: []mfadeadline.Report{{EventID: "user.mfa.missing/123456789012/eve/closed", Note: fullFact()}}},
		func(key string, due time.Time, revision int) mfadeadline.Deadline {
			return mfadeadline.Deadline{Key: key, Due: due, Revision: revision}
		}, func(d mfadeadline.Deadline) int { return d.Revision })
}

// Quarantines runs the contract of quarantine.Rows. newQuarantines returns an empty one.
func Quarantines(t *testing.T, newQuarantines func(t *testing.T) quarantine.Rows) {
	t.Helper()
	Rows(t, newQuarantines, quarantine.Quarantine{
		Key: "123456789012/eve", Account: "123456789012", User: "eve", UserID: "AIDAEVE", State: quarantine.Releasing, Due: t0, Revision: 3,
		Cycle: "c", Since: t0.Add(-time.Hour), Deadline: t0.Add(time.Hour), Effective: t0.Add(2 * time.Hour), Attached: true,
		By: "ops", Why: "why", MFA: cloudtrail.Yes, ExemptUntil: t0.Add(3 * time.Hour), UnansweredChecks: 2, Failures: 4,
		Recent: map[string]time.Time{"123456789012/eve/c": t0.Add(-time.Minute)},
	}, func(key string, due time.Time, revision int) quarantine.Quarantine {
		return quarantine.Quarantine{Key: key, Due: due, Revision: revision}
	}, func(q quarantine.Quarantine) int { return q.Revision })
}

// Ends runs the contract of worker.Rows with rows of what ends. newRows returns empty ones.
func Ends(t *testing.T, newRows func(t *testing.T) worker.Rows[ending.Row]) {
	t.Helper()
	Rows(t, newRows, ending.Row{Key: "123456789012/2025-03-01T12:00:00Z/01234-56789", Account: "123456789012", Due: t0,
		Revision: 3, Failures: 4},
		func(key string, due time.Time, revision int) ending.Row {
			return ending.Row{Key: key, Due: due, Revision: revision}
		}, func(r ending.Row) int { return r.Revision })
}
