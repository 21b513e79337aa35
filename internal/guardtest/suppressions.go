package guardtest

import (
	"context"
	"errors"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"rootguard/internal/detect"
	"rootguard/internal/guard"
	"rootguard/internal/repeats"
	"rootguard/internal/suppression"
)

// Suppressions runs the contract of suppression.Store. newSuppressions returns an
// empty one, and the claims that it counts.
func Suppressions(t *testing.T, newSuppressions func(t *testing.T) (suppression.Store, guard.Claims)) {
	t.Helper()
	now := time.Now().UTC() // a store drops what is long over
	until := now.Add(time.Hour).Truncate(time.Second)
	event := func(account, id string, action suppression.Action, until time.Time) suppression.AuditEvent {
		return suppression.AuditEvent{
			Key: account + "/" + until.Format(time.RFC3339) + "/" + id + "/" + string(action), Action: action, ID: id,
			Account: account, Until: until,
			At: now, Actor: detect.Actor{Type: "AssumedRole", Name: "Admin/alice", ARN: "arn"}, Reason: "a \"reason\" é",
			Finding: detect.UserAdminGranted, Principal: detect.AnyPrincipal, Owner: "alice",
		}
	}
	appended := func(t *testing.T, s suppression.Store, e suppression.AuditEvent) suppression.AuditEvent {
		t.Helper()
		there, err := s.Append(t.Context(), e)
		if err != nil {
			t.Fatalf("appending %s: %v", e.Key, err)
		}
		return there
	}

	t.Run("the first event stays", func(t *testing.T) {
		s, _ := newSuppressions(t)
		want := event("123456789012", "3F9D0-KQ7TB", suppression.Added, until)
		if diff := cmp.Diff(want, appended(t, s, want)); diff != "" {
			t.Errorf("appended (-want +got):\n%s", diff)
		}
		other := want
		other.Owner, other.Principal = "mallory", "arn:aws:iam::123456789012:root"
		if diff := cmp.Diff(want, appended(t, s, other)); diff != "" {
			t.Errorf("appended again (-want +got):\n%s", diff)
		}
		got, err := s.Events(t.Context(), want.Account, until, until)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff([]suppression.AuditEvent{want}, got); diff != "" {
			t.Errorf("events (-want +got):\n%s", diff)
		}
	})

	t.Run("a range of time", func(t *testing.T) {
		s, _ := newSuppressions(t)
		for id, at := range map[string]time.Duration{"before": -time.Second, "first": 0, "last": suppression.Max,
			"after": suppression.Max + time.Second} {
			appended(t, s, event("a", id, suppression.Added, until.Add(at)))
		}
		appended(t, s, event("a", "first", suppression.Removed, until))
		appended(t, s, event("ab", "other", suppression.Added, until))
		for _, tt := range []struct {
			from, to time.Time
			want     []string
		}{
			{until, until.Add(suppression.Max), []string{"first add", "first remove", "last add"}},
			{until.Add(time.Nanosecond), until.Add(suppression.Max - time.Nanosecond), []string{}},
			{until.Add(-time.Minute), until.Add(-time.Nanosecond), []string{"before add"}},
		} {
			events, err := s.Events(t.Context(), "a", tt.from, tt.to)
			if err != nil {
				t.Fatal(err)
			}
			got := make([]string, 0, len(events))
			for _, e := range events {
				got = append(got, e.ID+" "+string(e.Action))
			}
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Errorf("from %v to %v (-want +got):\n%s", tt.from, tt.to, diff)
			}
		}
	})

	t.Run("uses", func(t *testing.T) {
		s, store := newSuppressions(t)
		held := func(id, by string, state guard.ClaimState) guard.Claim {
			f := fullFinding()
			f.Announced = nil
			return guard.Claim{Key: "123456789012/" + id, State: state, Finding: &f, Suppression: by}
		}
		var all sync.WaitGroup
		for i := range 8 { // at once
			all.Go(func() {
				for range 2 { // and each again
					put(t, store, held(strconv.Itoa(i), "A", guard.Withheld), repeats.Series{})
				}
			})
		}
		all.Wait()
		put(t, store, held("other", "B", guard.Withheld), repeats.Series{})
		put(t, store, held("sent", "", guard.Sent), repeats.Series{})
		for id, want := range map[string]int{"A": 8, "B": 1, "C": 0} {
			if got, err := s.Uses(t.Context(), id); got != want || err != nil {
				t.Errorf("uses of %s: %d, %v, want %d", id, got, err, want)
			}
		}
	})

	t.Run("a canceled context stores nothing", func(t *testing.T) {
		s, _ := newSuppressions(t)
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		e := event("a", "x", suppression.Added, until)
		if _, err := s.Append(ctx, e); !errors.Is(err, context.Canceled) {
			t.Errorf("Append: %v, want context.Canceled", err)
		}
		if _, err := s.Events(ctx, "a", until, until); !errors.Is(err, context.Canceled) {
			t.Errorf("Events: %v, want context.Canceled", err)
		}
		if _, err := s.Uses(ctx, "x"); !errors.Is(err, context.Canceled) {
			t.Errorf("Uses: %v, want context.Canceled", err)
		}
		if got, err := s.Events(t.Context(), "a", until, until); len(got) != 0 || err != nil {
			t.Errorf("stored: %v, %v", got, err)
		}
	})
}
