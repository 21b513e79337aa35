package mfadeadline_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"rootguard/internal/bootstrap"
	"rootguard/internal/collection"
	"rootguard/internal/detect"
	"rootguard/internal/fake"
	"rootguard/internal/guard"
	"rootguard/internal/mfadeadline"
	"rootguard/internal/wiretest"
)

// parts are what a sweep works with, each as the test wants it to be.
type parts struct {
	mu        sync.Mutex
	facts     *fake.Facts
	collected []detect.Finding
	more      []bool // of each Send
	raised    []detect.Finding
	refused   error // of Raise
	answers   bool  // IAM answers about the account
	suspended bool
	down      bool // IAM does not answer about users
	gone      bool // the password of each user
	asked     []string
	marked    []string
}

func (p *parts) Collect(_ context.Context, _ collection.Name, n guard.Notice) (guard.Result, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.collected = append(p.collected, n.Finding)
	return guard.Result{Disposition: guard.RolledUp}, nil
}

func (p *parts) Claimed(_ context.Context, f *detect.Finding) (bool, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return slices.ContainsFunc(p.collected, func(c detect.Finding) bool { return c.EventID == f.EventID }), nil
}

func (p *parts) Mark(_ context.Context, _ string, u *bootstrap.UserStatus, _ bootstrap.MFAGap, at time.Time) error {
	p.marked = append(p.marked, u.Name+" "+at.Format(time.RFC3339))
	return p.refused
}

func (p *parts) Send(_ context.Context, _ collection.Name, _ time.Time, more bool) (int, error) {
	p.more = append(p.more, more)
	return 0, nil
}

func (p *parts) Raise(_ context.Context, f detect.Finding) (guard.Result, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.raised = append(p.raised, f)
	return guard.Result{Disposition: guard.Alerted}, p.refused
}

func (p *parts) Answers(context.Context, string) (bool, error)   { return p.answers, nil }
func (p *parts) Suspended(context.Context, string) (bool, error) { return p.suspended, nil }

func (p *parts) User(_ context.Context, _, name string) (bootstrap.LiveFact, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.asked = append(p.asked, name)
	if p.down {
		return bootstrap.LiveFact{}, wiretest.ErrThrottled
	}
	yes := !p.gone
	return bootstrap.LiveFact{UserName: name, UserID: "AIDA" + name, ConsoleLogin: &yes}, nil
}

// overdue has n users whose deadline is over by an hour, and about which IAM gave no answer
// so often.
func (p *parts) overdue(t *testing.T, n, unanswered int, change func(*mfadeadline.Settings)) (*mfadeadline.Deadlines, *fake.Deadlines, time.Time) {
	t.Helper()
	rows, facts := &fake.Deadlines{}, &fake.Facts{}
	p.facts = facts
	due := wiretest.T0.Add(24 * time.Hour)
	for i := range n {
		user := fmt.Sprintf("user-%03d", i)
		d := mfadeadline.Deadline{Key: wiretest.Account + "/" + user, Account: wiretest.Account, User: user, Due: due, Revision: 1, UnansweredChecks: unanswered}
		if err := rows.Update(t.Context(), d.Key, func(mfadeadline.Deadline) mfadeadline.Deadline { return d }); err != nil {
			t.Fatal(err)
		}
		set := bootstrap.Fact{Account: wiretest.Account, ID: "password_set/" + user, Kind: bootstrap.PasswordSet, Time: wiretest.T0, EventID: "set " + user, UserName: user, UserID: "AIDA" + user, What: "CreateLoginProfile"}
		if _, err := facts.Add(t.Context(), []bootstrap.Fact{set}); err != nil {
			t.Fatal(err)
		}
	}
	var settings mfadeadline.Settings
	change(&settings)
	at := due.Add(time.Minute)
	return mfadeadline.New(mfadeadline.Deps{Guard: p, Notices: p, Facts: facts, Rows: rows, Now: func() time.Time { return at }, Accounts: p, Marker: p}, settings), rows, at
}

// TestManyNoticesWait holds that a hundred notices wait for those of the next run where
// users are left to it, and that fewer do not, nor any where none are left.
func TestManyNoticesWait(t *testing.T) {
	for _, tt := range []struct {
		users, most int
		want        bool
	}{{101, 100, true}, {100, 99, false}, {100, 100, false}} {
		p := &parts{}
		d, _, at := p.overdue(t, tt.users, 0, func(s *mfadeadline.Settings) { s.Users, s.Batch = tt.most, tt.most })
		got, err := d.Sweep(t.Context(), p, at)
		if want := min(tt.users, tt.most); err != nil || got.Alerted != want || got.More != (tt.users > tt.most) || len(p.collected) != want {
			t.Errorf("%d of %d: %+v, %v", tt.most, tt.users, got, err)
		}
		if len(p.more) != 1 || p.more[0] != tt.want {
			t.Errorf("%d of %d: they wait: %v, want %v", tt.most, tt.users, p.more, tt.want)
		}
	}
}

// TestUserWithoutAnAnswer holds from which check on it is reported that IAM does not
// answer about a user, and that the user stays due where that cannot be.
func TestUserWithoutAnAnswer(t *testing.T) {
	for _, tt := range []struct {
		name       string
		before     int // checks without an answer
		answers    bool
		suspended  bool
		refused    error
		reported   bool
		unanswered int
	}{
		{"the fifth time", 4, true, false, nil, false, 5},
		{"the sixth time", 5, true, false, nil, true, 6},
		{"the sixth time, and about no other", 5, false, false, nil, false, 6},
		{"the sixth time, and no topic takes it", 5, true, false, errors.New("no topic takes it"), true, 5},
		{"the sixth time, of an account that was closed", 5, true, true, nil, false, 5},
	} {
		t.Run(tt.name, func(t *testing.T) {
			p := &parts{down: true, answers: tt.answers, suspended: tt.suspended, refused: tt.refused}
			d, rows, at := p.overdue(t, 1, tt.before, func(*mfadeadline.Settings) {})
			if _, err := d.Sweep(t.Context(), p, at); !errors.Is(err, tt.refused) {
				t.Errorf("got %v, want %v", err, tt.refused)
			}
			if (len(p.raised) != 0) != tt.reported || len(p.collected) != 0 {
				t.Errorf("reported: %+v, %+v", p.raised, p.collected)
			}
			const says = "IAM does not answer about user user-000, 6 checks in a row, so whether the user has MFA is not known. There may be more such users. It said: Throttling"
			if tt.reported && (p.raised[0].Detail != says || p.raised[0].Title != "Guardrail unhealthy: live checks of users") {
				t.Errorf("%s: %q", p.raised[0].Title, p.raised[0].Detail)
			}
			row, err := rows.Get(t.Context(), wiretest.Account+"/user-000")
			if err != nil || row.UnansweredChecks != tt.unanswered || row.Due.IsZero() != tt.suspended || (row.Failures > 0) != (tt.refused != nil) {
				t.Errorf("row: %+v, %v", row, err)
			}
		})
	}
}

// TestTooEarlyToAsk holds that a user whose MFA has just changed is checked
// when IAM can be trusted to show it, and keeps no other of its account back, nor does
// one about which nothing is known.
func TestTooEarlyToAsk(t *testing.T) {
	for since, early := range map[time.Duration]bool{5*time.Minute - time.Second: true, 5 * time.Minute: false} {
		p := &parts{}
		d, rows, at := p.overdue(t, 3, 0, func(*mfadeadline.Settings) {})
		changed := bootstrap.Fact{Account: wiretest.Account, ID: "mfa_deactivated/x", Kind: bootstrap.MFADeactivated, Time: at.Add(-since), EventID: "x", UserName: "user-000", UserID: "AIDAuser-000", What: "DeactivateMFADevice"}
		if _, err := p.facts.Add(t.Context(), []bootstrap.Fact{changed}); err != nil {
			t.Fatal(err)
		}
		gone := mfadeadline.Deadline{Key: wiretest.Account + "/gone", Account: wiretest.Account, User: "gone", Due: wiretest.T0, Revision: 1} // the first
		if err := rows.Update(t.Context(), gone.Key, func(mfadeadline.Deadline) mfadeadline.Deadline { return gone }); err != nil {
			t.Fatal(err)
		}
		want, asked := mfadeadline.Swept{Checked: 4, Alerted: 3}, []string{"user-000", "user-001", "user-002"}
		if early {
			want.Alerted, asked = 2, asked[1:]
		}
		if got, err := d.Sweep(t.Context(), p, at); err != nil || got != want {
			t.Errorf("changed %v before: %+v, %v, want %+v", since, got, err, want)
		}
		if got := slices.Sorted(slices.Values(p.asked)); !slices.Equal(got, asked) {
			t.Errorf("changed %v before: asked about %v, want %v", since, got, asked)
		}
		if row, err := rows.Get(t.Context(), wiretest.Account+"/user-000"); err != nil || row.Due.Equal(at.Add(time.Second)) != early {
			t.Errorf("changed %v before: due at %v, %v", since, row.Due, err)
		}
	}
}

// TestRowsOfASweep holds that a sweep writes a user's row before it reports something and
// after that, once where there is nothing to report, and leaves nothing behind in it; and
// that what is over is collected as over once, also where the user is checked again.
func TestRowsOfASweep(t *testing.T) {
	p := &parts{}
	d, rows, at := p.overdue(t, 1, 0, func(*mfadeadline.Settings) {})
	const key = wiretest.Account + "/user-000"
	script := &fake.Script{}
	rows.Script = script
	closed := bootstrap.Fact{Account: wiretest.Account, ID: "removed", Kind: bootstrap.PasswordRemoved, Time: at.Add(30 * time.Minute), EventID: "removed", UserName: "user-000", UserID: "AIDAuser-000", What: "DeleteLoginProfile"}
	for _, tt := range []struct {
		what      string
		before    func()
		at        time.Time
		collected int // so far
		writes    int
	}{
		{"it is overdue", func() {}, at, 1, 2},
		{"nothing is new", func() {}, at.Add(30 * time.Minute), 1, 1},
		{"it is over", func() {
			p.gone = true
			if _, err := p.facts.Add(t.Context(), []bootstrap.Fact{closed}); err != nil {
				t.Fatal(err)
			}
		}, at.Add(2 * time.Hour), 2, 2},
		{"it is over, and checked again", func() {}, at.Add(3 * time.Hour), 2, 1},
	} {
		tt.before()
		err := rows.Update(t.Context(), key, func(l mfadeadline.Deadline) mfadeadline.Deadline { l.Due = at; return l })
		if err != nil {
			t.Fatal(err)
		}
		before := len(script.Calls())
		if _, err := d.Sweep(t.Context(), p, tt.at); err != nil {
			t.Errorf("%s: %v", tt.what, err)
		}
		writes := 0
		for _, call := range script.Calls()[before:] {
			if call == "Deadlines.Update" {
				writes++
			}
		}
		row, err := rows.Get(t.Context(), key)
		if len(p.collected) != tt.collected || writes != tt.writes || err != nil || len(row.Reports) != 0 {
			t.Errorf("%s: %d collected, %d writes, %+v, %v", tt.what, len(p.collected), writes, row, err)
		}
	}
}

// TestMarked holds who is given to the marker: a user who was reported before, from the last
// reminder on, and no one who has no password any more; and that it is done again where it fails.
func TestMarked(t *testing.T) {
	p := &parts{}
	d, rows, at := p.overdue(t, 1, 0, func(s *mfadeadline.Settings) { s.Reminders = []time.Duration{time.Hour, 2 * time.Hour} })
	due := at.Add(-time.Minute)
	for _, tt := range []struct {
		what    string
		after   time.Duration // the deadline
		gone    bool
		refused error
		marked  int // so far
	}{
		{"it is not reported yet, after the last reminder", 3 * time.Hour, false, nil, 0},
		{"before the last reminder", 2*time.Hour - 1, false, nil, 0},
		{"at the last reminder, and it fails", 2 * time.Hour, false, errors.New("throttled"), 1},
		{"again", 2*time.Hour + 5*time.Minute, false, nil, 2},
		{"a day later", 26 * time.Hour, false, nil, 3},
		{"without a password", 50 * time.Hour, true, nil, 3},
	} {
		p.gone, p.refused = tt.gone, tt.refused
		if err := rows.Update(t.Context(), wiretest.Account+"/user-000", func(l mfadeadline.Deadline) mfadeadline.Deadline { l.Due = due; return l }); err != nil {
			t.Fatal(err)
		}
		if _, err := d.Sweep(t.Context(), p, due.Add(tt.after)); !errors.Is(err, tt.refused) || len(p.marked) != tt.marked {
			t.Errorf("%s: marked %v, %v", tt.what, p.marked, err)
		}
	}
}
