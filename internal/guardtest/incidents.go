package guardtest

import (
	"context"
	"errors"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"rootguard/internal/announcement"
	"rootguard/internal/detect"
	"rootguard/internal/guard"
	"rootguard/internal/incident"
	"rootguard/internal/repeats"
)

func incidentOf(account, id string, start, due time.Time) incident.Incident {
	start = start.UTC().Truncate(time.Second)
	return incident.Incident{Key: account + "/" + start.Format(time.RFC3339) + "/" + id, ID: id, Account: account, Start: start, Due: due}
}

func putIncident(t *testing.T, s incident.Store, in incident.Incident) {
	t.Helper()
	err := s.UpdateIncidents(t.Context(), in.Account, in.Start, in.Start, func([]incident.Incident) incident.Incident { return in })
	if err != nil {
		t.Fatalf("storing %q: %v", in.Key, err)
	}
}

func incidents(t *testing.T, s incident.Store, account string, from, to time.Time) (found []incident.Incident) {
	t.Helper()
	err := s.UpdateIncidents(t.Context(), account, from, to, func(some []incident.Incident) incident.Incident {
		found = some
		return incident.Incident{}
	})
	if err != nil {
		t.Fatalf("reading incidents of %q: %v", account, err)
	}
	return found
}

func idsOf(some []incident.Incident) []string {
	ids := make([]string, 0, len(some))
	for _, in := range some {
		ids = append(ids, in.ID)
	}
	return ids
}

// Incidents runs the contract of incident.Store. newIncidents returns an empty one.
func Incidents(t *testing.T, newIncidents func(t *testing.T) incident.Store) {
	t.Helper()
	full := incidentOf("123456789012", "7K4Q2-X2M9P", t0, t0.Add(time.Minute))
	full.Who, full.Dated, full.Finding, full.Opened, full.Last = "123456789012", true, fullFinding(), t0.Add(time.Second), t0
	full.Events, full.Alerts, full.Cycle, full.Since, full.Resent = 3, []string{"a", "b"}, 2, t0, 1
	ack := incident.Ack{By: "bob", Actor: detect.Actor{Type: "IAMUser", Name: "bob", ARN: "arn"}, Note: "me", At: t0, Notified: true}
	full.Ack, full.Acks = &ack, []incident.Ack{ack}

	t.Run("rows come back whole, and stay where none is returned", func(t *testing.T) {
		s := newIncidents(t)
		if got := incidents(t, s, full.Account, t0.Add(-time.Hour), t0.Add(time.Hour)); len(got) != 0 {
			t.Errorf("absent: %+v", got)
		}
		putIncident(t, s, full)
		if diff := cmp.Diff([]incident.Incident{full}, incidents(t, s, full.Account, full.Start, full.Start)); diff != "" {
			t.Errorf("(-want +got):\n%s", diff)
		}
		got, found, err := incident.One(t.Context(), s, full.ID)
		if err != nil || !found {
			t.Fatalf("found %v, %v", found, err)
		}
		if diff := cmp.Diff(full, got); diff != "" {
			t.Errorf("by ID (-want +got):\n%s", diff)
		}
		if got, found, err := incident.One(t.Context(), s, "7K4Q2-X2M90"); found || err != nil {
			t.Errorf("another ID: %+v, %v", got, err)
		}
		due, err := s.DueIncidents(t.Context(), full.Due, 10)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff([]incident.Incident{full}, due); diff != "" {
			t.Errorf("due (-want +got):\n%s", diff)
		}
	})

	t.Run("several by ID", func(t *testing.T) {
		s := newIncidents(t)
		other := incidentOf("210987654321", "7K4Q2-X2M91", t0.Add(time.Hour), time.Time{})
		putIncident(t, s, full)
		putIncident(t, s, other)
		found, err := s.Find(t.Context(), []string{other.ID, full.ID, "7K4Q2-X2M90", other.ID})
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(map[string]incident.Incident{full.ID: full, other.ID: other}, found); diff != "" {
			t.Errorf("(-want +got):\n%s", diff)
		}
		if found, err := s.Find(t.Context(), nil); len(found) != 0 || err != nil {
			t.Errorf("none: %v, %v", found, err)
		}
	})

	t.Run("what decide does to its arguments is not stored", func(t *testing.T) {
		s := newIncidents(t)
		putIncident(t, s, full)
		err := s.UpdateIncidents(t.Context(), full.Account, full.Start, full.Start, func(some []incident.Incident) incident.Incident {
			some[0].Ack.By, some[0].Alerts[0] = "scribbled", "scribbled"
			return incident.Incident{}
		})
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff([]incident.Incident{full}, incidents(t, s, full.Account, full.Start, full.Start)); diff != "" {
			t.Errorf("(-want +got):\n%s", diff)
		}
	})

	t.Run("a range of time", func(t *testing.T) {
		s := newIncidents(t)
		for id, at := range map[string]time.Duration{"before": -61 * time.Second, "first": -time.Minute, "mid": 0, "middle": 0,
			"last": time.Minute, "after": 61 * time.Second} {
			putIncident(t, s, incidentOf("a", id, t0.Add(at), time.Time{}))
		}
		putIncident(t, s, incidentOf("ab", "other", t0, time.Time{}))
		at := t0.Truncate(time.Second)
		got := idsOf(incidents(t, s, "a", at.Add(-time.Minute), at.Add(time.Minute)))
		if diff := cmp.Diff([]string{"first", "mid", "middle", "last"}, got); diff != "" {
			t.Errorf("(-want +got):\n%s", diff)
		}
		if got := idsOf(incidents(t, s, "a", at.Add(-59*time.Second), at.Add(-time.Second))); len(got) != 0 {
			t.Errorf("where there is none: %v", got)
		}
	})

	t.Run("due", func(t *testing.T) {
		s := newIncidents(t)
		at := t0.Add(time.Hour)
		for id, due := range map[string]time.Time{
			"third": at, "first": at.Add(-time.Hour), "second": at.Add(-time.Nanosecond), "later": at.Add(time.Nanosecond), "none": {},
		} {
			putIncident(t, s, incidentOf("a"+strings.Repeat("b", len(id)%2), id, t0, due))
		}
		check := func(at time.Time, limit int, want ...string) {
			t.Helper()
			due, err := s.DueIncidents(t.Context(), at, limit)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(want, idsOf(due)); diff != "" {
				t.Errorf("due at %v, at most %d (-want +got):\n%s", at, limit, diff)
			}
		}
		check(at, 10, "first", "second", "third")
		check(at, 1, "first")
		check(at.Add(time.Hour), 10, "first", "second", "third", "later")
		settled := incidentOf("ab", "first", t0, time.Time{})
		putIncident(t, s, settled)
		check(at, 10, "second", "third")
		if _, found, err := incident.One(t.Context(), s, "first"); !found || err != nil {
			t.Errorf("one that is not due any more: found %v, %v", found, err)
		}
	})

	t.Run("no write is lost", func(t *testing.T) {
		s := newIncidents(t)
		const n, each = 4, 5
		var wg sync.WaitGroup
		for range n {
			wg.Go(func() {
				for range each {
					err := retry(t.Context(), func(ctx context.Context) error {
						return s.UpdateIncidents(ctx, full.Account, full.Start, full.Start, func(some []incident.Incident) incident.Incident {
							in := full
							if in.Events = 0; len(some) > 0 {
								in = some[0]
							}
							in.Events++
							return in
						})
					})
					if err != nil {
						t.Errorf("writing: %v", err)
					}
				}
			})
		}
		wg.Wait()
		if got, _, err := incident.One(t.Context(), s, full.ID); err != nil || got.Events != n*each {
			t.Errorf("%d events, want %d (%v)", got.Events, n*each, err)
		}
	})

	t.Run("a canceled context stores nothing", func(t *testing.T) {
		s := newIncidents(t)
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		if err := s.UpdateIncidents(ctx, full.Account, full.Start, full.Start, func([]incident.Incident) incident.Incident { return full }); !errors.Is(err,
			context.Canceled) {
			t.Errorf("UpdateIncidents: %v, want context.Canceled", err)
		}
		if _, _, err := incident.One(ctx, s, full.ID); !errors.Is(err, context.Canceled) {
			t.Errorf("Find: %v, want context.Canceled", err)
		}
		if _, err := s.DueIncidents(ctx, t0, 1); !errors.Is(err, context.Canceled) {
			t.Errorf("Unsettled: %v, want context.Canceled", err)
		}
		if _, found, err := incident.One(t.Context(), s, full.ID); found || err != nil {
			t.Errorf("stored: %v, %v", found, err)
		}
	})
}

// Announcements runs the contract of announcement.Store. newAnnouncements
// returns an empty one, and the claims that it reads.
func Announcements(t *testing.T, newAnnouncements func(t *testing.T) (announcement.Store, guard.Claims)) {
	t.Helper()
	from := t0.Truncate(time.Second)
	entry := func(account, id string, act announcement.Action, from time.Time) announcement.AuditEvent {
		return announcement.AuditEvent{
			Key: account + "/" + from.Format(time.RFC3339) + "/" + id + "/" + string(act), Action: act, ID: id, Account: account, From: from,
			Until: from.Add(time.Hour),
			Owner: "alice", Reason: "a \"reason\" é", At: t0, Actor: detect.Actor{Type: "AssumedRole", Name: "Admin/alice", ARN: "arn"},
		}
	}
	enter := func(t *testing.T, s announcement.Store, e announcement.AuditEvent) announcement.AuditEvent {
		t.Helper()
		there, err := s.Append(t.Context(), e)
		if err != nil {
			t.Fatalf("entering %s: %v", e.Key, err)
		}
		return there
	}

	t.Run("the first entry stays", func(t *testing.T) {
		s, _ := newAnnouncements(t)
		want := entry("123456789012", "3F9D0-KQ7TB", announcement.Opened, from)
		if diff := cmp.Diff(want, enter(t, s, want)); diff != "" {
			t.Errorf("entered (-want +got):\n%s", diff)
		}
		other := want
		other.Owner, other.Until = "mallory", from.Add(20*time.Hour)
		if diff := cmp.Diff(want, enter(t, s, other)); diff != "" {
			t.Errorf("entered again (-want +got):\n%s", diff)
		}
		got, err := s.Entries(t.Context(), want.Account, from, from)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff([]announcement.AuditEvent{want}, got); diff != "" {
			t.Errorf("entries (-want +got):\n%s", diff)
		}
	})

	t.Run("a range of time", func(t *testing.T) {
		s, _ := newAnnouncements(t)
		for id, at := range map[string]time.Duration{"before": -time.Second, "first": 0, "last": 24 * time.Hour,
			"after": 24*time.Hour + time.Second} {
			enter(t, s, entry("a", id, announcement.Opened, from.Add(at)))
		}
		enter(t, s, entry("a", "first", announcement.Closed, from))
		enter(t, s, entry("ab", "other", announcement.Opened, from))
		for _, tt := range []struct {
			from, to time.Time
			want     []string
		}{
			{from, from.Add(24 * time.Hour), []string{"first close", "first open", "last open"}},
			{from.Add(time.Nanosecond), from.Add(24*time.Hour - time.Nanosecond), []string{}},
			{from.Add(-time.Minute), from.Add(-time.Nanosecond), []string{"before open"}},
		} {
			entries, err := s.Entries(t.Context(), "a", tt.from, tt.to)
			if err != nil {
				t.Fatal(err)
			}
			got := make([]string, 0, len(entries))
			for _, e := range entries {
				got = append(got, e.ID+" "+string(e.Action))
			}
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Errorf("from %v to %v (-want +got):\n%s", tt.from, tt.to, diff)
			}
		}
	})

	t.Run("what was done under one", func(t *testing.T) {
		s, store := newAnnouncements(t)
		under := func(id string, at time.Duration) *detect.Finding {
			f := fullFinding()
			f.EventTime, f.Announced = t0.Add(at), nil
			if id != "" {
				f.Announced = &detect.Announced{ID: id, Severity: detect.High}
			}
			return &f
		}
		for key, f := range map[string]*detect.Finding{
			"123456789012/second": under("A", time.Minute), "123456789012/first": under("A", 0), "123456789012/third": under("A", time.Hour),
			"123456789012/other": under("B", 0), "123456789012/none": under("", 0),
		} {
			put(t, store, guard.Claim{Key: key, State: guard.Leased, Finding: f}, repeats.Series{})
			put(t, store, guard.Claim{Key: key, State: guard.Sent, Finding: f}, repeats.Series{})
		}
		list := func(id string) []string {
			got := []string{}
			err := s.ClaimsDuring(t.Context(), id, func(c guard.Claim) error {
				got = append(got, c.Key[13:]+" "+string(c.State))
				return nil
			})
			if err != nil {
				t.Fatal(err)
			}
			return got
		}
		if diff := cmp.Diff([]string{"first sent", "second sent", "third sent"}, list("A")); diff != "" {
			t.Errorf("(-want +got):\n%s", diff)
		}
		if got := list("C"); len(got) != 0 {
			t.Errorf("under one that nothing was done under: %v", got)
		}
		stop := errors.New("stop")
		n := 0
		if err := s.ClaimsDuring(t.Context(), "A", func(guard.Claim) error { n++; return stop }); !errors.Is(err, stop) || n != 1 {
			t.Errorf("got %v after %d claims, want the error of the first", err, n)
		}
	})

	t.Run("a canceled context stores nothing", func(t *testing.T) {
		s, _ := newAnnouncements(t)
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		e := entry("a", "x", announcement.Opened, from)
		if _, err := s.Append(ctx, e); !errors.Is(err, context.Canceled) {
			t.Errorf("Enter: %v, want context.Canceled", err)
		}
		if _, err := s.Entries(ctx, "a", from, from); !errors.Is(err, context.Canceled) {
			t.Errorf("Entries: %v, want context.Canceled", err)
		}
		if err := s.ClaimsDuring(ctx, "x", func(guard.Claim) error { return nil }); !errors.Is(err, context.Canceled) {
			t.Errorf("Under: %v, want context.Canceled", err)
		}
		if got, err := s.Entries(t.Context(), "a", from, from); len(got) != 0 || err != nil {
			t.Errorf("stored: %v, %v", got, err)
		}
	})
}
