package announcement_test

import (
	"errors"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"rootguard/internal/announcement"
	"rootguard/internal/detect"
	"rootguard/internal/failure"
	"rootguard/internal/fake"
	"rootguard/internal/wiretest"
)

// deploying announces a deployment of an hour at T0, in a store of its own.
func deploying(t *testing.T, length time.Duration) (*fake.Announcements, announcement.Announcement) {
	t.Helper()
	store := &fake.Announcements{Script: &fake.Script{}, Claims: &fake.Claims{}}
	a, err := announcement.AnnounceDeployment(t.Context(), store, announcement.AuditEvent{
		Account: wiretest.Account, Until: wiretest.T0.Add(length), Owner: "alice", Reason: "OPS-17", Version: "1.2.3", By: []string{"Deploy"}, Actor: wiretest.Opener,
	}, wiretest.T0)
	if err != nil {
		t.Fatal(err)
	}
	return store, a
}

// TestDeploying holds to the second when a deployment counts as announced: from two
// minutes before it was, as clocks differ, until its end, or two minutes after it was
// closed.
func TestDeploying(t *testing.T) {
	at := func(d time.Duration) time.Time { return wiretest.T0.Add(d) }
	for _, tt := range []struct {
		name        string
		length      time.Duration
		closed      time.Duration // after it was announced; 0: never
		from, until time.Duration
	}{
		{"for an hour", time.Hour, 0, -2 * time.Minute, time.Hour},
		{"for as long as is allowed", 4 * time.Hour, 0, -2 * time.Minute, 4 * time.Hour},
		{"closed", time.Hour, 10 * time.Minute, -2 * time.Minute, 12 * time.Minute},
		{"closed in its last minute", time.Hour, 59 * time.Minute, -2 * time.Minute, time.Hour},
	} {
		t.Run(tt.name, func(t *testing.T) {
			store, a := deploying(t, tt.length)
			if tt.closed > 0 {
				done, err := announcement.CloseDeployment(t.Context(), store, a, wiretest.Opener, "done", at(tt.closed))
				if err != nil || done.EndedEarly == nil || !done.EndedEarly.At.Equal(at(tt.closed)) || done.EndedEarly.Reason != "done" {
					t.Fatalf("closed: %+v, %v", done.EndedEarly, err)
				}
				// Who is second changes nothing.
				again, err := announcement.CloseDeployment(t.Context(), store, a, wiretest.Bob.Actor, "me too", at(tt.closed+time.Minute))
				if err != nil || again.EndedEarly.Reason != "done" || again.EndedEarly.Actor.ARN != wiretest.Opener.ARN {
					t.Errorf("closed again: %+v, %v", again.EndedEarly, err)
				}
			}
			want := []detect.AnnouncedDeployment{{ID: a.Opened.ID, By: []string{"Deploy"}, Version: "1.2.3", Owner: "alice", Reason: "OPS-17", Until: at(tt.until)}}
			for when, announced := range map[time.Duration]bool{tt.from - time.Second: false, tt.from: true, tt.until - time.Second: true, tt.until: false} {
				got, err := announcement.Register{Store: store}.Deploying(t.Context(), wiretest.Account, at(when))
				if err != nil {
					t.Fatal(err)
				}
				if !announced {
					if len(got) != 0 {
						t.Errorf("%v after: %+v, want none", when, got)
					}
				} else if diff := cmp.Diff(want, got); diff != "" {
					t.Errorf("%v after (-want +got):\n%s", when, diff)
				}
			}
			if got, err := (announcement.Register{Store: store}).Deploying(t.Context(), "210987654321", at(0)); len(got) != 0 || err != nil {
				t.Errorf("of another account: %+v, %v", got, err)
			}
			// It is none of root's use, which nothing lowers by it.
			f := wiretest.Finding(detect.RootSignin, detect.Critical, wiretest.Account, 1, at(time.Minute))
			if f, err := (announcement.Register{Store: store}).Lower(t.Context(), f); f.Announced != nil || err != nil {
				t.Errorf("a root sign-in: %+v, %v", f.Announced, err)
			}
		})
	}
}

// TestAnnounceDeploymentRefuses pairs what cannot be announced with what just can.
func TestAnnounceDeploymentRefuses(t *testing.T) {
	for _, tt := range []struct {
		name   string
		length time.Duration
		by     []string
		ok     bool
	}{
		{"a second", time.Second, []string{"Deploy"}, true},
		{"no time", 0, []string{"Deploy"}, false},
		{"the past", -time.Hour, []string{"Deploy"}, false},
		{"four hours", 4 * time.Hour, []string{"Deploy*", "arn:aws:iam::123456789012:user/ops"}, true},
		{"more than four hours", 4*time.Hour + time.Second, []string{"Deploy"}, false},
		{"by no one", time.Hour, nil, false},
		{"by no name", time.Hour, []string{"Deploy", ""}, false},
		{"by anyone", time.Hour, []string{"Deploy", "*"}, false},
	} {
		store := &fake.Announcements{Script: &fake.Script{}, Claims: &fake.Claims{}}
		_, err := announcement.AnnounceDeployment(t.Context(), store, announcement.AuditEvent{Account: wiretest.Account, Until: wiretest.T0.Add(tt.length), By: tt.by}, wiretest.T0)
		if (err == nil) != tt.ok || err != nil && failure.Retryable(err) {
			t.Errorf("%s: %v", tt.name, err)
		}
		if n := len(store.Script.Calls()); (n > 0) != tt.ok {
			t.Errorf("%s: %d calls of the store", tt.name, n)
		}
	}
}

// TestDeploymentFaults holds that a store that fails is said, with the announcement that
// may be there all the same.
func TestDeploymentFaults(t *testing.T) {
	store, a := deploying(t, time.Hour)
	store.Script.Fail("Announcements.Append", 2)
	e := a.Opened
	e.Reason = "another"
	if got, err := announcement.AnnounceDeployment(t.Context(), store, e, wiretest.T0); !errors.Is(err, fake.ErrFault) || got.Opened.ID == "" || got.Opened.ID == a.Opened.ID {
		t.Errorf("announcing: %+v, %v", got.Opened, err)
	}
	if got, err := announcement.CloseDeployment(t.Context(), store, a, wiretest.Opener, "done", wiretest.T0); !errors.Is(err, fake.ErrFault) || got.EndedEarly != nil {
		t.Errorf("closing: %+v, %v", got.EndedEarly, err)
	}
	store.Script.Fail("Announcements.Entries", 1)
	if _, err := (announcement.Register{Store: store}).Deploying(t.Context(), wiretest.Account, wiretest.T0); !errors.Is(err, fake.ErrFault) {
		t.Errorf("looking it up: %v", err)
	}
}

// TestOf holds the order of announcements, and that each has its own closing.
func TestOf(t *testing.T) {
	at := func(d time.Duration) time.Time { return wiretest.T0.Add(d) }
	open := func(id string, from time.Duration) announcement.AuditEvent {
		return announcement.AuditEvent{Action: announcement.Opened, ID: id, From: at(from), Until: at(from + time.Hour)}
	}
	closed := func(id string, when time.Duration) announcement.AuditEvent {
		return announcement.AuditEvent{Action: announcement.Closed, ID: id, At: at(when)}
	}
	got := announcement.Of([]announcement.AuditEvent{
		closed("b", 30*time.Minute), open("z", 0), open("c", time.Hour), open("b", 0), closed("c", 5*time.Hour), closed("none", 0), open("a", 2*time.Hour),
	})
	ends := map[string]time.Duration{"b": 30 * time.Minute, "z": time.Hour, "c": 2 * time.Hour, "a": 3 * time.Hour} // c was closed after its end
	var ids []string
	for i := range got {
		id := got[i].Opened.ID
		if ids = append(ids, id); !got[i].End().Equal(at(ends[id])) {
			t.Errorf("%s ends at %v, want %v", id, got[i].End(), at(ends[id]))
		}
	}
	if diff := cmp.Diff([]string{"b", "z", "c", "a"}, ids); diff != "" {
		t.Errorf("order (-want +got):\n%s", diff)
	}
}
