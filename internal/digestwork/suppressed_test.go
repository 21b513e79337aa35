package digestwork_test

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"rootguard/internal/bootstrap"
	"rootguard/internal/detect"
	"rootguard/internal/digest"
	"rootguard/internal/digestwork"
	"rootguard/internal/fake"
	"rootguard/internal/guard"
	"rootguard/internal/keys"
	"rootguard/internal/repeats"
	"rootguard/internal/suppression"
)

// TestSuppressedIsNoted holds that what is suppressed now is in the digest with its
// uses, in one note of the account, and so is what ended since the digest before and held
// something back.
func TestSuppressedIsNoted(t *testing.T) {
	const account = "111122223333"
	now := at("2026-11-25T12:00:00Z")
	script := &fake.Script{}
	claims := &fake.Claims{}
	store := &fake.Suppressions{Script: script, Claims: claims}
	add := func(id string, finding detect.ID, since, until time.Duration, action suppression.Action) {
		t.Helper()
		e := suppression.AuditEvent{
			Key: account + "/" + id + "/" + string(action), Action: action, ID: id, Account: account, Until: now.Add(until), At: now.Add(since), Finding: finding, Principal: "any", Owner: "alice",
		}
		if _, err := store.Append(t.Context(), e); err != nil {
			t.Fatal(err)
		}
	}
	add("A", detect.UserAdminGranted, -time.Hour, 48*time.Hour, suppression.Added)
	add("B", detect.UserCreated, -2*time.Hour, 24*time.Hour, suppression.Added)
	add("C", detect.UserSigninNoMFA, -3*time.Hour, -time.Hour, suppression.Added)
	add("D", detect.UserMFARemoved, -3*time.Hour, time.Hour, suppression.Added)
	add("D", "", -time.Minute, time.Hour, suppression.Removed)
	add("E", detect.UserAccessKeyCreated, -50*time.Hour, -time.Hour, suppression.Added)
	add("F", detect.UserSigninFailed, -200*time.Hour, -100*time.Hour, suppression.Added)
	for event, id := range map[string]string{"e-1": "A", "e-2": "A", "e-3": "D", "e-4": "E", "e-5": "F"} {
		key := keys.Claim(account, event)
		err := claims.Update(t.Context(), key, "", func(guard.Claim, repeats.Series) (guard.Claim, repeats.Series) {
			return guard.Claim{Key: key, State: guard.Withheld, Suppression: id, Finding: &detect.Finding{Account: account}}, repeats.Series{}
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	since := now.Add(-24 * time.Hour)
	notes, err := digestwork.Suppressed{Store: store}.Notes(t.Context(), &bootstrap.Status{Account: account}, nil, since, now)
	if err != nil {
		t.Fatal(err)
	}
	want := []digest.Note{{
		Topic: "suppressions", Account: account, Since: now.Add(-time.Hour),
		Text: "user.access_key.created ended 2026-11-25, owner alice: 1 held back; user.mfa.removed ended 2026-11-25, owner alice: 1 held back; " +
			"user.created until 2026-11-26, owner alice: 0 held back; user.admin_granted until 2026-11-27, owner alice: 2 held back",
	}}
	if diff := cmp.Diff(want, notes); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if notes, err := (digestwork.Suppressed{Store: store}).Notes(t.Context(), &bootstrap.Status{Account: "444455556666"}, nil, since, now); len(notes) != 0 || err != nil {
		t.Errorf("another account: %v, %v", notes, err)
	}
	// Before the first digest there is none: what ended before it is in it.
	if notes, err := (digestwork.Suppressed{Store: store}).Notes(t.Context(), &bootstrap.Status{Account: account}, nil, time.Time{}, now); err != nil || len(notes) != 1 ||
		!strings.Contains(notes[0].Text, "user.signin.failed ended 2026-11-21, owner alice: 1 held back") {
		t.Errorf("the first digest has %+v, %v", notes, err)
	}
	script.Fail("Suppressions.Uses", 1)
	if _, err := (digestwork.Suppressed{Store: store}).Notes(t.Context(), &bootstrap.Status{Account: account}, nil, since, now); !errors.Is(err, fake.ErrFault) {
		t.Errorf("a table that cannot be read: %v", err)
	}
}
