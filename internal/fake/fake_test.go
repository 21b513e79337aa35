package fake_test

import (
	"errors"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"rootguard/internal/accountcheck"
	"rootguard/internal/alert"
	"rootguard/internal/announcement"
	"rootguard/internal/bootstrap"
	"rootguard/internal/fake"
	"rootguard/internal/guard"
	"rootguard/internal/guardtest"
	"rootguard/internal/incident"
	"rootguard/internal/mfadeadline"
	"rootguard/internal/quarantine"
	"rootguard/internal/suppression"
	"rootguard/internal/worker"
)

func TestClaims(t *testing.T) {
	guardtest.Claims(t, func(*testing.T) guard.Claims { return &fake.Claims{} })
}

func TestClaimsWithConflicts(t *testing.T) {
	guardtest.Claims(t, func(*testing.T) guard.Claims { return &fake.Claims{Conflicts: true} })
}

func TestJournal(t *testing.T) {
	guardtest.Facts(t, func(*testing.T) guard.Facts { return &fake.Facts{} })
	guardtest.FactRows(t, func(*testing.T) guardtest.FactsAndRows { return &fake.Facts{} })
}

func TestDeadlines(t *testing.T) {
	for _, conflicts := range []bool{false, true} {
		guardtest.Deadlines(t, func(*testing.T) worker.Rows[mfadeadline.Deadline] { return &fake.Deadlines{Conflicts: conflicts} })
		guardtest.Checks(t, func(*testing.T) accountcheck.Checks { return &fake.Checks{Conflicts: conflicts} })
	}
}

func TestIncidents(t *testing.T) {
	for _, conflicts := range []bool{false, true} {
		guardtest.Incidents(t, func(*testing.T) incident.Store { return &fake.Incidents{Conflicts: conflicts} })
	}
}

func TestAnnouncements(t *testing.T) {
	guardtest.Suppressions(t, func(*testing.T) (suppression.Store, guard.Claims) {
		store := &fake.Claims{}
		return &fake.Suppressions{Claims: store}, store
	})
	guardtest.Announcements(t, func(*testing.T) (announcement.Store, guard.Claims) {
		store := &fake.Claims{}
		return &fake.Announcements{Claims: store}, store
	})
}

func TestQuarantines(t *testing.T) {
	for _, conflicts := range []bool{false, true} {
		guardtest.Quarantines(t, func(*testing.T) quarantine.Rows { return &fake.Quarantines{Conflicts: conflicts} })
	}
}

func TestScript(t *testing.T) {
	for _, tt := range []struct {
		fault fake.Fault
		err   error
		done  bool
		dead  bool
	}{
		{fake.None, nil, true, false},
		{fake.FailBefore, fake.ErrFault, false, false},
		{fake.FailAfter, fake.ErrFault, true, false},
		{fake.CrashBefore, fake.ErrCrash, false, true},
		{fake.CrashAfter, fake.ErrCrash, true, true},
	} {
		t.Run(tt.fault.String(), func(t *testing.T) {
			script := &fake.Script{}
			pub := &fake.Publisher{Script: script}
			journal := &fake.Facts{Script: script}
			script.Inject(2, tt.fault)

			if err := pub.Publish(t.Context(), alert.Alert{ID: "before"}); err != nil {
				t.Fatalf("the call before the fault: %v", err)
			}
			if err := pub.Publish(t.Context(), alert.Alert{ID: "at"}); !errors.Is(err, tt.err) {
				t.Errorf("the faulty call: %v, want %v", err, tt.err)
			}
			if done := len(pub.Published()) == 2; done != tt.done {
				t.Errorf("done is %v, want %v", done, tt.done)
			}
			_, err := journal.Add(t.Context(), []bootstrap.Fact{{Account: "a", ID: "1"}})
			if errors.Is(err, fake.ErrCrash) != tt.dead {
				t.Errorf("the call after: %v, want dead %v", err, tt.dead)
			}
			if dead := script.Restart(); dead != tt.dead {
				t.Errorf("Restart says dead %v, want %v", dead, tt.dead)
			}
			if _, found, err := journal.Fact(t.Context(), "a", "1"); err != nil || found == tt.dead {
				t.Errorf("after Restart: found %v, %v", found, err)
			}
			want := []string{"Publisher.Publish", "Publisher.Publish", "Facts.Add", "Facts.Fact"}
			if tt.dead {
				want = []string{"Publisher.Publish", "Publisher.Publish", "Facts.Fact"}
			}
			if diff := cmp.Diff(want, script.Calls()); diff != "" {
				t.Errorf("calls (-want +got):\n%s", diff)
			}
		})
	}
}

// TestLag holds that a row is found a call late, and not once it has moved on.
func TestLag(t *testing.T) {
	ctx, at := t.Context(), time.Date(2025, 3, 1, 12, 0, 0, 0, time.UTC)
	rows := fake.Deadlines{Lag: true}
	store := fake.Claims{Lag: true}
	set := func(due time.Time, sent int) {
		t.Helper()
		if err := rows.Update(ctx, "k", func(mfadeadline.Deadline) mfadeadline.Deadline { return mfadeadline.Deadline{Key: "k", Due: due} }); err != nil {
			t.Fatal(err)
		}
		if err := store.UpdateGroup(ctx, "k", func(guard.Group) guard.Group { return guard.Group{Key: "k", Until: at, Batches: 1, Sent: sent} }); err != nil {
			t.Fatal(err)
		}
	}
	want := func(n int) {
		t.Helper()
		due, err := rows.Due(ctx, at, 10)
		groups, err2 := store.Due(ctx, at, 10)
		if err != nil || err2 != nil || len(due) != n || len(groups) != n {
			t.Errorf("due: %v, %v, %v, %v, want %d of each", due, groups, err, err2, n)
		}
	}
	set(at, 0)
	want(0)
	want(1)
	set(time.Time{}, 1)
	want(0)
	set(at, 0)
	want(0)
	want(1)
}
