package guardtest

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"rootguard/internal/guard"
)

// Deadlines runs the contract of guard.Deadlines. newDeadlines returns an empty one.
func Deadlines(t *testing.T, newDeadlines func(t *testing.T) guard.Deadlines) {
	t.Helper()
	read := func(t *testing.T, d guard.Deadlines, key string) (got guard.Deadline) {
		t.Helper()
		err := d.Reschedule(t.Context(), key, func(was guard.Deadline) guard.Deadline {
			got = was
			return guard.Deadline{}
		})
		if err != nil {
			t.Fatalf("reading %q: %v", key, err)
		}
		return got
	}
	put := func(t *testing.T, d guard.Deadlines, row guard.Deadline) {
		t.Helper()
		if err := d.Reschedule(t.Context(), row.Key, func(guard.Deadline) guard.Deadline { return row }); err != nil {
			t.Fatalf("storing %q: %v", row.Key, err)
		}
	}
	full := guard.Deadline{Key: "123456789012/eve", Account: "123456789012", User: "eve", Due: t0, Revision: 3, Unanswered: 2}

	t.Run("rows come back whole, and stay where none is returned", func(t *testing.T) {
		d := newDeadlines(t)
		if diff := cmp.Diff(guard.Deadline{}, read(t, d, full.Key)); diff != "" {
			t.Errorf("absent (-want +got):\n%s", diff)
		}
		put(t, d, full)
		read(t, d, full.Key)
		if diff := cmp.Diff(full, read(t, d, full.Key)); diff != "" {
			t.Errorf("(-want +got):\n%s", diff)
		}
		due, err := d.Overdue(t.Context(), full.Due, 10)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff([]guard.Deadline{full}, due); diff != "" {
			t.Errorf("overdue (-want +got):\n%s", diff)
		}
	})

	t.Run("overdue", func(t *testing.T) {
		d := newDeadlines(t)
		at := t0.Add(time.Hour)
		for key, due := range map[string]time.Time{
			"a/third": at, "a/first": at.Add(-time.Hour), "b/second": at.Add(-time.Nanosecond),
			"a/later": at.Add(time.Nanosecond), "a/none": {}, "a/b/" + strings.Repeat("x", 600): at.Add(-2 * time.Hour),
		} {
			put(t, d, guard.Deadline{Key: key, Due: due, Revision: 1})
		}
		check := func(at time.Time, limit int, want ...string) {
			t.Helper()
			due, err := d.Overdue(t.Context(), at, limit)
			if err != nil {
				t.Fatal(err)
			}
			got := make([]string, 0, len(due))
			for _, one := range due {
				got = append(got, one.Key[:min(12, len(one.Key))])
			}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("overdue at %v, at most %d (-want +got):\n%s", at, limit, diff)
			}
		}
		check(at, 10, "a/b/xxxxxxxx", "a/first", "b/second", "a/third")
		check(at, 2, "a/b/xxxxxxxx", "a/first")
		check(at.Add(time.Hour), 10, "a/b/xxxxxxxx", "a/first", "b/second", "a/third", "a/later")

		// One that moves is due as it is now, and once; one without a time never.
		put(t, d, guard.Deadline{Key: "a/first", Due: at.Add(time.Hour), Revision: 2})
		put(t, d, guard.Deadline{Key: "b/second", Revision: 2})
		put(t, d, guard.Deadline{Key: "a/none", Due: at.Add(-3 * time.Hour), Revision: 2})
		check(at, 10, "a/none", "a/b/xxxxxxxx", "a/third")
		check(at.Add(time.Hour), 10, "a/none", "a/b/xxxxxxxx", "a/third", "a/later", "a/first")
		if got := read(t, d, "b/second"); got.Revision != 2 {
			t.Errorf("one that is not due any more: %+v", got)
		}
	})

	t.Run("no write is lost", func(t *testing.T) {
		d := newDeadlines(t)
		const n, each = 4, 5
		var wg sync.WaitGroup
		for i := range n {
			wg.Go(func() {
				for j := range each {
					err := retry(t.Context(), func(ctx context.Context) error {
						return d.Reschedule(ctx, full.Key, func(was guard.Deadline) guard.Deadline {
							was.Key, was.Due = full.Key, t0
							was.Revision++
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
		if got := read(t, d, full.Key); got.Revision != n*each {
			t.Errorf("revision %d, want %d", got.Revision, n*each)
		}
	})

	t.Run("a canceled context stores nothing", func(t *testing.T) {
		d := newDeadlines(t)
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		if err := d.Reschedule(ctx, full.Key, func(guard.Deadline) guard.Deadline { return full }); !errors.Is(err, context.Canceled) {
			t.Errorf("Reschedule: %v, want context.Canceled", err)
		}
		if _, err := d.Overdue(ctx, t0, 1); !errors.Is(err, context.Canceled) {
			t.Errorf("Overdue: %v, want context.Canceled", err)
		}
		if got := read(t, d, full.Key); got.Key != "" {
			t.Errorf("stored %+v", got)
		}
	})
}
