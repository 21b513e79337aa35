package mfadeadline

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"rootguard/internal/bootstrap"
	"rootguard/internal/cloudtrail"
	"rootguard/internal/worker"
)

// tracked are deadlines in memory; err is of the key "refused".
type tracked struct {
	worker.Rows[Deadline]
	rows map[string]Deadline
	err  error
}

func (r *tracked) Update(_ context.Context, key string, decide func(Deadline) Deadline) error {
	if key == "111122223333/refused" {
		return r.err
	}
	if d := decide(r.rows[key]); d.Key != "" {
		r.rows[key] = d
	}
	return nil
}

// TestTracker holds which facts have a user checked, and when: at the end of the grace
// who may lack MFA from then on, and soon who no longer does and is tracked.
func TestTracker(t *testing.T) {
	const account = "111122223333"
	at := time.Date(2026, 3, 2, 9, 0, 0, 0, time.UTC)
	grace, soon := at.Add(24*time.Hour), at.Add(5*time.Minute)
	fact := func(kind bootstrap.FactKind) bootstrap.Fact {
		return bootstrap.Fact{Account: account, Kind: kind, Time: at, UserName: "eve", UserID: "AIDAEVE"}
	}
	with := func(f bootstrap.Fact, change func(*bootstrap.Fact)) bootstrap.Fact { change(&f); return f }
	row := func(user string, due time.Time, revision int) Deadline {
		return Deadline{Key: account + "/" + user, Account: account, User: user, Due: due, Revision: revision}
	}
	early, late := row("eve", at.Add(time.Minute), 3), row("eve", at.Add(100*time.Hour), 3)
	over := row("eve", time.Time{}, 3)
	renamed := with(fact(bootstrap.UserRenamed), func(f *bootstrap.Fact) { f.NewName = "eva" })
	for _, tt := range []struct {
		name string
		has  []Deadline
		fact bootstrap.Fact
		want []Deadline
	}{
		{"created", nil, fact(bootstrap.UserCreated), []Deadline{row("eve", grace, 1)}},
		{"a password", nil, fact(bootstrap.PasswordSet), []Deadline{row("eve", grace, 1)}},
		{"a password reset", nil, fact(bootstrap.PasswordReset), []Deadline{row("eve", grace, 1)}},
		{"a password changed", nil, fact(bootstrap.PasswordChanged), []Deadline{row("eve", grace, 1)}},
		{"MFA removed", nil, fact(bootstrap.MFADeactivated), []Deadline{row("eve", grace, 1)}},
		{"a sign-in without MFA", nil, with(fact(bootstrap.UserSignIn), func(f *bootstrap.Fact) { f.MFA = cloudtrail.No }), []Deadline{row("eve", grace, 1)}},
		{"a sign-in with MFA", nil, with(fact(bootstrap.UserSignIn), func(f *bootstrap.Fact) { f.MFA = cloudtrail.Yes }), nil},
		{"a sign-in that does not say", nil, fact(bootstrap.UserSignIn), nil},
		{"no name", nil, with(fact(bootstrap.PasswordSet), func(f *bootstrap.Fact) { f.UserName = "" }), []Deadline{row("AIDAEVE", grace, 1)}},
		{"no one", nil, with(fact(bootstrap.PasswordSet), func(f *bootstrap.Fact) { f.UserName, f.UserID = "", "" }), nil},
		{"another kind", []Deadline{late}, fact(bootstrap.UserKeyCreated), []Deadline{late}},

		{"a password of one due before", []Deadline{early}, fact(bootstrap.PasswordSet), []Deadline{row("eve", early.Due, 4)}},
		{"a password of one due later", []Deadline{late}, fact(bootstrap.PasswordSet), []Deadline{row("eve", grace, 4)}},
		{"a password of one who is done with", []Deadline{over}, fact(bootstrap.PasswordSet), []Deadline{row("eve", grace, 4)}},
		{"MFA of one due later", []Deadline{late}, fact(bootstrap.MFAEnabled), []Deadline{row("eve", soon, 4)}},
		{"MFA of one due before", []Deadline{early}, fact(bootstrap.MFAEnabled), []Deadline{row("eve", early.Due, 4)}},
		{"MFA of one who is done with", []Deadline{over}, fact(bootstrap.MFAEnabled), []Deadline{over}},
		{"MFA of one who is not tracked", nil, fact(bootstrap.MFAEnabled), nil},
		{"a password removed", []Deadline{late}, fact(bootstrap.PasswordRemoved), []Deadline{row("eve", soon, 4)}},
		{"deleted", []Deadline{late}, fact(bootstrap.UserDeleted), []Deadline{row("eve", soon, 4)}},
		{"renamed", []Deadline{late}, renamed, []Deadline{row("eve", soon, 4), row("eva", soon, 1)}},
		{"renamed, and not tracked", nil, renamed, []Deadline{row("eva", soon, 1)}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			rows := &tracked{rows: map[string]Deadline{}, err: errors.New("throttled")}
			for _, d := range tt.has {
				rows.rows[d.Key] = d
			}
			refused := with(fact(bootstrap.PasswordSet), func(f *bootstrap.Fact) { f.UserName = "refused" })
			tracker := NewTracker(rows, Settings{})
			if err := tracker.Added(t.Context(), []bootstrap.Fact{refused, tt.fact}); !errors.Is(err, rows.err) {
				t.Errorf("a row that cannot be stored: %v", err)
			}
			want := map[string]Deadline{}
			for _, d := range tt.want {
				want[d.Key] = d
			}
			if diff := cmp.Diff(want, rows.rows); diff != "" {
				t.Errorf("rows (-want +got):\n%s", diff)
			}
		})
	}
}

// TestReminder holds to the second which reminder is due, and when the next check is.
func TestReminder(t *testing.T) {
	deadline := time.Date(2026, 3, 2, 9, 0, 0, 0, time.UTC)
	none := Settings{Reminders: []time.Duration{}}
	for _, tt := range []struct {
		set    Settings
		after  time.Duration
		passed int
		next   time.Duration // after the deadline
	}{
		{Settings{}, 0, 0, time.Hour},
		{Settings{}, time.Hour - time.Second, 0, time.Hour},
		{Settings{}, time.Hour, 1, 24 * time.Hour},
		{Settings{}, 24*time.Hour - time.Second, 1, 24 * time.Hour},
		{Settings{}, 24 * time.Hour, 2, 72 * time.Hour},
		{Settings{}, 72*time.Hour - time.Second, 2, 72 * time.Hour},
		{Settings{}, 72 * time.Hour, 3, 96 * time.Hour},
		{Settings{}, 500 * time.Hour, 3, 524 * time.Hour},
		{none, 0, 0, 24 * time.Hour},
	} {
		s := tt.set.withDefaults()
		if passed, next := s.reminder(deadline, deadline.Add(tt.after)); passed != tt.passed || !next.Equal(deadline.Add(tt.next)) {
			t.Errorf("%v after: reminder %d, next %v after, want %d, %v", tt.after, passed, next.Sub(deadline), tt.passed, tt.next)
		}
	}
	for _, tt := range []struct {
		set          Settings
		users, batch int
	}{{Settings{}, 2000, 64}, {Settings{Users: -1, Batch: -1}, 2000, 64}, {Settings{Users: 1, Batch: 1}, 1, 1}} {
		if s := tt.set.withDefaults(); s.Users != tt.users || s.Batch != tt.batch || s.Bootstrap.Grace != 24*time.Hour {
			t.Errorf("%+v is %+v", tt.set, s)
		}
	}
	got := Swept{1, 2, 3, 4, 5, true}.With(Swept{10, 20, 30, 40, 50, false})
	if want := (Swept{11, 22, 33, 44, 55, false}); got != want {
		t.Errorf("two sweeps are %+v, want %+v", got, want)
	}
	if !(Swept{}).With(Swept{More: true}).More {
		t.Error("what the later sweep left is not said")
	}
}

// TestWhatAGapSays holds what the alert about a user says of the password and of the
// time since when MFA is missing, and no more than is known.
func TestWhatAGapSays(t *testing.T) {
	from := time.Date(2026, 3, 2, 9, 0, 0, 0, time.UTC)
	record := func(id, what string, at time.Time) bootstrap.Evidence {
		return bootstrap.Evidence{EventID: id, Time: at, What: what}
	}
	check := bootstrap.Evidence{Time: from, What: "live check"}
	set, before, after := record("set", "CreateLoginProfile", from), record("set", "CreateLoginProfile", from.Add(-time.Hour)), record("set", "CreateLoginProfile", from.Add(time.Hour))
	const due = ", MFA was due by 2026-03-03T09:00:00Z"
	for _, tt := range []struct {
		name  string
		by    bootstrap.Evidence // opened the gap
		given *bootstrap.Evidence
		want  string
	}{
		{"a password", set, &set, "Console password since 2026-03-02T09:00:00Z" + due + "; password by CreateLoginProfile."},
		{"a password, and which is not known", set, nil, "Console password since 2026-03-02T09:00:00Z" + due + "; password by CreateLoginProfile."},
		{"MFA removed", record("off", "DeactivateMFADevice", from), &before, "No MFA since 2026-03-02T09:00:00Z (DeactivateMFADevice)" + due + "; console password by CreateLoginProfile, on record since 2026-03-02T08:00:00Z."},
		{"MFA removed as the password was set", record("off", "DeactivateMFADevice", from), &set, "No MFA since 2026-03-02T09:00:00Z (DeactivateMFADevice)" + due + "; console password by CreateLoginProfile, on record since 2026-03-02T09:00:00Z."},
		{"a record, and a password later", record("in", "ConsoleLogin", from), &after, "Console password since 2026-03-02T09:00:00Z" + due + "; password by ConsoleLogin."},
		{"a record, and a password by a check", record("in", "ConsoleLogin", from), &check, "Console password since 2026-03-02T09:00:00Z" + due + "; password by ConsoleLogin."},
		{"a check", check, nil, "A live check found a console password and no MFA at 2026-03-02T09:00:00Z" + due + "."},
		{"a check, before the event came", check, &after, "Console password since 2026-03-02T09:00:00Z" + due + "; password by CreateLoginProfile."},
		{"a check, as the event came", check, &set, "Console password since 2026-03-02T09:00:00Z" + due + "; password by CreateLoginProfile."},
		{"a check, long after the event", check, &before, "A live check found a console password and no MFA at 2026-03-02T09:00:00Z" + due + "; no event was delivered."},
		{"a check, and a password by a check", check, &check, "A live check found a console password and no MFA at 2026-03-02T09:00:00Z" + due + "; no event was delivered."},
	} {
		t.Run(tt.name, func(t *testing.T) {
			u := &bootstrap.UserStatus{Name: "eve", UserID: "AIDAEVE", ConsoleEvidence: tt.given}
			gap := bootstrap.MFAGap{From: from, Deadline: from.Add(24 * time.Hour), Evidence: tt.by}
			if f := missingMFA("111122223333", u, gap); f.Detail != tt.want {
				t.Errorf("got  %q\nwant %q", f.Detail, tt.want)
			}
		})
	}
}

// TestMissing holds to the second of which gaps there is an alert in a log that is
// replayed, and what it says of their end.
func TestMissing(t *testing.T) {
	from := time.Date(2026, 3, 2, 9, 0, 0, 0, time.UTC)
	deadline := from.Add(24 * time.Hour)
	for _, tt := range []struct {
		name     string
		asOf, to time.Duration // after the deadline; to 0: it lasts
		mfa      bool          // since its end
		none     bool          // there is no deadline
		want     string
	}{
		{"at the deadline", 0, 0, false, false, ""},
		{"after it", time.Second, 0, false, false, "by x."},
		{"without one", time.Hour, 0, false, true, ""},
		{"ended before it", time.Hour, -time.Second, true, false, ""},
		{"ended after it, by MFA", time.Hour, time.Second, true, false, "MFA came late, at 2026-03-03T09:00:01Z."},
		{"ended after it, otherwise", time.Hour, time.Second, false, false, "It ended at 2026-03-03T09:00:01Z."},
		{"ends now", time.Hour, time.Hour, false, false, "It ended at 2026-03-03T10:00:00Z."},
		{"will have ended", time.Hour, time.Hour + time.Second, false, false, "by x."},
	} {
		t.Run(tt.name, func(t *testing.T) {
			gap := bootstrap.MFAGap{From: from, Deadline: deadline, Evidence: bootstrap.Evidence{EventID: "e", What: "x", Time: from}}
			u := &bootstrap.UserStatus{Name: "eve"}
			if tt.to != 0 {
				gap.To = deadline.Add(tt.to)
			}
			if tt.none {
				gap.Deadline = time.Time{}
			}
			if tt.mfa {
				u.MFA, u.MFASince = bootstrap.MFAOn, gap.To
			}
			f, ok := missing("111122223333", u, gap, deadline.Add(tt.asOf))
			if ok != (tt.want != "") {
				t.Fatalf("an alert: %v, %q", ok, f.Detail)
			}
			if n := len(f.Detail) - len(tt.want); ok && (n < 0 || f.Detail[n:] != tt.want) {
				t.Errorf("%q does not end in %q", f.Detail, tt.want)
			}
		})
	}
}
