package guardtest

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"rootguard/internal/cloudtrail"
	"rootguard/internal/guard"
)

// Deadlines runs the contract of guard.Rows with deadlines. newRows returns empty ones.
func Deadlines(t *testing.T, newRows func(t *testing.T) guard.Rows[guard.Deadline]) {
	t.Helper()
	Rows(t, newRows, guard.Deadline{Key: "123456789012/eve", Account: "123456789012", User: "eve", Due: t0, Revision: 3, Unanswered: 2, Failures: 4},
		func(key string, due time.Time, revision int) guard.Deadline {
			return guard.Deadline{Key: key, Due: due, Revision: revision}
		}, func(d guard.Deadline) int { return d.Revision })
}

// Quarantines runs the contract of guard.Quarantines. newQuarantines returns an empty one.
func Quarantines(t *testing.T, newQuarantines func(t *testing.T) guard.Quarantines) {
	t.Helper()
	scheduled(t, func(t *testing.T) schedule[guard.Quarantine] {
		t.Helper()
		q := newQuarantines(t)
		return schedule[guard.Quarantine]{change: q.ChangeQuarantine, due: q.QuarantinesDue, fields: func(q *guard.Quarantine) (*string, *time.Time, *int) { return &q.Key, &q.Due, &q.Revision }}
	}, guard.Quarantine{
		Key: "123456789012/eve", Account: "123456789012", User: "eve", UserID: "AIDAEVE", State: guard.QuarantineReleasing, Due: t0, Revision: 3,
		Cycle: "c", Since: t0.Add(-time.Hour), Deadline: t0.Add(time.Hour), Effective: t0.Add(2 * time.Hour), Attached: true,
		By: "ops", Why: "why", MFA: cloudtrail.Yes, ExemptUntil: t0.Add(3 * time.Hour), Unanswered: 2, Failures: 4,
		Recent: map[string]time.Time{"123456789012/eve/c": t0.Add(-time.Minute)},
	})
}

// schedule are rows of a kind that may have a time at which they are due.
type schedule[T any] struct {
	change func(ctx context.Context, key string, decide func(T) T) error
	due    func(ctx context.Context, at time.Time, limit int) ([]T, error)
	fields func(*T) (key *string, due *time.Time, revision *int)
}

// row is one with nothing but these.
func (s *schedule[T]) row(key string, due time.Time, revision int) (row T) {
	k, d, r := s.fields(&row)
	*k, *d, *r = key, due, revision
	return row
}

// scheduled runs the contract of a schedule. full is a row with every field set.
func scheduled[T any](t *testing.T, empty func(t *testing.T) schedule[T], full T) {
	t.Helper()
	unset(t, reflect.ValueOf(full), "row")
	var none T
	read := func(t *testing.T, s *schedule[T], key string) (got T) {
		t.Helper()
		err := s.change(t.Context(), key, func(was T) T {
			got = was
			return none
		})
		if err != nil {
			t.Fatalf("reading %q: %v", key, err)
		}
		return got
	}
	put := func(t *testing.T, s *schedule[T], row T) {
		t.Helper()
		key, _, _ := s.fields(&row)
		if err := s.change(t.Context(), *key, func(T) T { return row }); err != nil {
			t.Fatalf("storing %q: %v", *key, err)
		}
	}

	t.Run("rows come back whole, and stay where none is returned", func(t *testing.T) {
		s := empty(t)
		key, at, _ := s.fields(&full)
		if diff := cmp.Diff(none, read(t, &s, *key)); diff != "" {
			t.Errorf("absent (-want +got):\n%s", diff)
		}
		put(t, &s, full)
		read(t, &s, *key)
		if diff := cmp.Diff(full, read(t, &s, *key)); diff != "" {
			t.Errorf("(-want +got):\n%s", diff)
		}
		due, err := s.due(t.Context(), *at, 10)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff([]T{full}, due); diff != "" {
			t.Errorf("overdue (-want +got):\n%s", diff)
		}
	})

	t.Run("overdue", func(t *testing.T) {
		s := empty(t)
		at := t0.Add(time.Hour)
		for key, due := range map[string]time.Time{
			"a/third": at, "a/first": at.Add(-time.Hour), "b/second": at.Add(-time.Nanosecond),
			"a/later": at.Add(time.Nanosecond), "a/none": {}, "a/b/" + strings.Repeat("x", 600): at.Add(-2 * time.Hour),
		} {
			put(t, &s, s.row(key, due, 1))
		}
		check := func(at time.Time, limit int, want ...string) {
			t.Helper()
			due, err := s.due(t.Context(), at, limit)
			if err != nil {
				t.Fatal(err)
			}
			got := make([]string, 0, len(due))
			for _, one := range due {
				key, _, _ := s.fields(&one)
				got = append(got, (*key)[:min(12, len(*key))])
			}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("overdue at %v, at most %d (-want +got):\n%s", at, limit, diff)
			}
		}
		check(at, 10, "a/b/xxxxxxxx", "a/first", "b/second", "a/third")
		check(at, 2, "a/b/xxxxxxxx", "a/first")
		check(at.Add(time.Hour), 10, "a/b/xxxxxxxx", "a/first", "b/second", "a/third", "a/later")

		// One that moves is due as it is now, and once; one without a time never.
		put(t, &s, s.row("a/first", at.Add(time.Hour), 2))
		put(t, &s, s.row("b/second", time.Time{}, 2))
		put(t, &s, s.row("a/none", at.Add(-3*time.Hour), 2))
		check(at, 10, "a/none", "a/b/xxxxxxxx", "a/third")
		check(at.Add(time.Hour), 10, "a/none", "a/b/xxxxxxxx", "a/third", "a/later", "a/first")
		got := read(t, &s, "b/second")
		if _, _, revision := s.fields(&got); *revision != 2 {
			t.Errorf("one that is not due any more: %+v", got)
		}
	})

	t.Run("no write is lost", func(t *testing.T) {
		s := empty(t)
		key, _, _ := s.fields(&full)
		const n, each = 4, 5
		var wg sync.WaitGroup
		for i := range n {
			wg.Go(func() {
				for j := range each {
					err := retry(t.Context(), func(ctx context.Context) error {
						return s.change(ctx, *key, func(was T) T {
							k, due, revision := s.fields(&was)
							*k, *due = *key, t0
							*revision++
							return was
						})
					})
					if err != nil {
						t.Errorf("write %s: %v", fmt.Sprint(i, j), err)
					}
				}
			})
		}
		wg.Wait()
		got := read(t, &s, *key)
		if _, _, revision := s.fields(&got); *revision != n*each {
			t.Errorf("revision %d, want %d", *revision, n*each)
		}
	})

	t.Run("a canceled context stores nothing", func(t *testing.T) {
		s := empty(t)
		key, _, _ := s.fields(&full)
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		if err := s.change(ctx, *key, func(T) T { return full }); !errors.Is(err, context.Canceled) {
			t.Errorf("change: %v, want context.Canceled", err)
		}
		if _, err := s.due(ctx, t0, 1); !errors.Is(err, context.Canceled) {
			t.Errorf("due: %v, want context.Canceled", err)
		}
		if diff := cmp.Diff(none, read(t, &s, *key)); diff != "" {
			t.Errorf("stored (-want +got):\n%s", diff)
		}
	})
}
