package mfadeadline_test

import (
	"context"
	"errors"
	"fmt"
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
	collected []detect.Finding
	more      []bool // of each Send
	raised    []detect.Finding
	refused   error // of Raise
	answers   bool  // IAM answers about the account
	suspended bool
	down      bool // IAM does not answer about users
}

func (p *parts) Collect(_ context.Context, _ collection.Name, n guard.Notice) (guard.Result, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.collected = append(p.collected, n.Finding)
	return guard.Result{Disposition: guard.RolledUp}, nil
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
	if p.down {
		return bootstrap.LiveFact{}, wiretest.ErrThrottled
	}
	yes := true
	return bootstrap.LiveFact{UserName: name, UserID: "AIDA" + name, ConsoleLogin: &yes}, nil
}

// overdue has n users whose deadline is over by an hour, and of whom IAM gave no answer
// so often.
func (p *parts) overdue(t *testing.T, n, unanswered int, change func(*mfadeadline.Settings)) (*mfadeadline.Deadlines, *fake.Deadlines, time.Time) {
	t.Helper()
	rows, facts := &fake.Deadlines{}, &fake.Facts{}
	due := wiretest.T0.Add(24 * time.Hour)
	for i := range n {
		user := fmt.Sprintf("user-%03d", i)
		d := mfadeadline.Deadline{Key: wiretest.Account + "/" + user, Account: wiretest.Account, User: user, Due: due, Revision: 1, Unanswered: unanswered}
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
	return mfadeadline.New(mfadeadline.Deps{Guard: p, Notices: p, Facts: facts, Rows: rows, Now: func() time.Time { return at }, Accounts: p}, settings), rows, at
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
			if err != nil || row.Unanswered != tt.unanswered || row.Due.IsZero() != tt.suspended || (row.Failures > 0) != (tt.refused != nil) {
				t.Errorf("row: %+v, %v", row, err)
			}
		})
	}
}
