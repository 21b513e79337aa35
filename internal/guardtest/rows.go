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

	"rootguard/internal/failure"
	"rootguard/internal/worker"
)

// Rows runs the contract of worker.Rows. newRows returns empty ones, full is a row
// with every field set, row makes one with little more than a key, a time at which
// it is due and a revision, and revision is that of a row.
func Rows[T worker.Row](t *testing.T, newRows func(t *testing.T) worker.Rows[T], full T, row func(key string, due time.Time,
	revision int) T, revision func(T) int) {
	t.Helper()
	var none T
	get := func(t *testing.T, rows worker.Rows[T], key string) T {
		t.Helper()
		got, err := rows.Get(t.Context(), key)
		if err != nil {
			t.Fatalf("reading %q: %v", key, err)
		}
		return got
	}
	put := func(t *testing.T, rows worker.Rows[T], row T) {
		t.Helper()
		if err := rows.Update(t.Context(), row.RowKey(), func(T) T { return row }); err != nil {
			t.Fatalf("storing %q: %v", row.RowKey(), err)
		}
	}

	t.Run("rows come back whole, and stay where none is returned", func(t *testing.T) {
		rows, key := newRows(t), full.RowKey()
		if diff := cmp.Diff(none, get(t, rows, key)); diff != "" {
			t.Errorf("absent (-want +got):\n%s", diff)
		}
		put(t, rows, full)
		for _, ignored := range []T{none, row("", t0, 9)} {
			var seen T
			err := rows.Update(t.Context(), key, func(was T) T {
				seen = was
				return ignored
			})
			if diff := cmp.Diff(full, seen); diff != "" || err != nil {
				t.Errorf("what decide gets: %v (-want +got):\n%s", err, diff)
			}
		}
		if diff := cmp.Diff(full, get(t, rows, key)); diff != "" {
			t.Errorf("(-want +got):\n%s", diff)
		}
		due, err := rows.Due(t.Context(), full.RowDue(), 10)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff([]T{full}, due); diff != "" {
			t.Errorf("due (-want +got):\n%s", diff)
		}
	})

	t.Run("another row is not stored", func(t *testing.T) {
		rows := newRows(t)
		err := rows.Update(t.Context(), full.RowKey(), func(T) T { return row("a/other", t0, 1) })
		if err == nil || failure.Retryable(err) {
			t.Errorf("got %v, want a permanent error", err)
		}
		if diff := cmp.Diff(none, get(t, rows, "a/other")); diff != "" {
			t.Errorf("stored (-want +got):\n%s", diff)
		}
	})

	t.Run("due", func(t *testing.T) {
		rows := newRows(t)
		at := t0.Add(time.Hour)
		for key, due := range map[string]time.Time{
			"a/third": at, "a/first": at.Add(-time.Hour), "b/second": at.Add(-time.Nanosecond),
			"a/later": at.Add(time.Nanosecond), "a/none": {}, "a/b/" + strings.Repeat("x", 600): at.Add(-2 * time.Hour),
		} {
			put(t, rows, row(key, due, 1))
		}
		check := func(at time.Time, limit int, want ...string) {
			t.Helper()
			due, err := rows.Due(t.Context(), at, limit)
			if err != nil {
				t.Fatal(err)
			}
			got := make([]string, 0, len(due))
			for _, one := range due {
				got = append(got, one.RowKey()[:min(12, len(one.RowKey()))])
			}
			if diff := cmp.Diff(append([]string{}, want...), got); diff != "" {
				t.Errorf("due at %v, at most %d (-want +got):\n%s", at, limit, diff)
			}
		}
		check(at, 10, "a/b/xxxxxxxx", "a/first", "b/second", "a/third")
		check(at, 2, "a/b/xxxxxxxx", "a/first")
		check(at, 0)
		check(at.Add(time.Hour), 10, "a/b/xxxxxxxx", "a/first", "b/second", "a/third", "a/later")

		// One that moves is due as it is now, and once; one without a time never.
		put(t, rows, row("a/first", at.Add(time.Hour), 2))
		put(t, rows, row("b/second", time.Time{}, 2))
		put(t, rows, row("a/none", at.Add(-3*time.Hour), 2))
		check(at, 10, "a/none", "a/b/xxxxxxxx", "a/third")
		check(at.Add(time.Hour), 10, "a/none", "a/b/xxxxxxxx", "a/third", "a/later", "a/first")
		if got := get(t, rows, "b/second"); revision(got) != 2 {
			t.Errorf("one that is not due any more: %+v", got)
		}
	})

	t.Run("no write is lost", func(t *testing.T) {
		rows, key := newRows(t), full.RowKey()
		const n, each = 4, 5
		var wg sync.WaitGroup
		for i := range n {
			wg.Go(func() {
				for j := range each {
					err := retry(t.Context(), func(ctx context.Context) error {
						return rows.Update(ctx, key, func(was T) T { return row(key, t0, revision(was)+1) })
					})
					if err != nil {
						t.Errorf("write %s: %v", fmt.Sprint(i, j), err)
					}
				}
			})
		}
		wg.Wait()
		if got := revision(get(t, rows, key)); got != n*each {
			t.Errorf("revision %d, want %d", got, n*each)
		}
	})

	t.Run("a canceled context stores nothing", func(t *testing.T) {
		rows, key := newRows(t), full.RowKey()
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		if err := rows.Update(ctx, key, func(T) T { return full }); !errors.Is(err, context.Canceled) {
			t.Errorf("Update: %v, want context.Canceled", err)
		}
		if _, err := rows.Due(ctx, t0, 1); !errors.Is(err, context.Canceled) {
			t.Errorf("Due: %v, want context.Canceled", err)
		}
		if _, err := rows.Get(ctx, key); !errors.Is(err, context.Canceled) {
			t.Errorf("Get: %v, want context.Canceled", err)
		}
		if diff := cmp.Diff(none, get(t, rows, key)); diff != "" {
			t.Errorf("stored (-want +got):\n%s", diff)
		}
	})
}
