package accountcheck_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"rootguard/internal/accountcheck"
	"rootguard/internal/detect"
	"rootguard/internal/fake"
	"rootguard/internal/guard"
)

// TestRecently holds which accounts were checked to the end within the hour.
func TestRecently(t *testing.T) {
	b := newAlone(accountcheck.Settings{})
	at := b.clock.Now()
	type check = accountcheck.Check
	now, hour, before := at, at.Add(-time.Hour), at.Add(-time.Hour-1)
	for name, tt := range map[string]struct {
		root, users check
		want        bool
	}{
		"both, now":             {check{Done: now}, check{Done: now}, true},
		"both, an hour ago":     {check{Done: hour}, check{Done: hour}, true},
		"root, before that":     {check{Done: before}, check{Done: now}, false},
		"users, before that":    {check{Done: now}, check{Done: before}, false},
		"root, never":           {check{}, check{Done: now}, false},
		"users, never":          {check{Done: now}, check{}, false},
		"users, not to the end": {check{Done: now}, check{Done: now, Cursor: "AIDA"}, false},
	} {
		b.put(t, home, accountcheck.KindRoot, tt.root)
		b.put(t, home, accountcheck.KindUsers, tt.users)
		if got, err := b.Recently(t.Context(), home, at); got != tt.want || err != nil {
			t.Errorf("%s: %v, %v", name, got, err)
		}
		b.script.Fail("Checks.Get", 1)
		if got, err := b.Recently(t.Context(), home, at); got || !errors.Is(err, fake.ErrFault) {
			t.Errorf("%s, and it cannot be read: %v, %v", name, got, err)
		}
	}
}

// TestEnrolled holds what an enrolment says of root and of users of each kind, and that
// what it checks is due neither before nor after.
func TestEnrolled(t *testing.T) {
	for name, due := range map[string]time.Duration{"new": 0, "due later": 5 * time.Hour, "due before": -time.Hour} {
		t.Run(name, func(t *testing.T) {
			b := newAlone(accountcheck.Settings{})
			at := b.clock.Now()
			for _, kind := range []accountcheck.Kind{accountcheck.KindRoot, accountcheck.KindUsers} {
				if due != 0 {
					b.put(t, home, kind, accountcheck.Check{Due: at.Add(due)})
				}
			}
			b.iam.roots[home] = rootUser{password: 1}
			b.know(t, home, 48*time.Hour, live("gone", "AIDAGONE", true))
			b.iam.users[home] = []iamUser{iamUserOf("ann", true, false), iamUserOf("bob", true, true), iamUserOf("deaf", true, true)}
			b.iam.deaf["deaf"] = true
			var during accountcheck.Check
			var progress []string
			got, err := b.Enroll(t.Context(), &iamHook{iamFake: b.iam, listed: func(string) { during = b.row(t, home, accountcheck.KindUsers) }}, home, at,
				func(checked, of int) { progress = append(progress, fmt.Sprint(checked, "/", of)) })
			want := accountcheck.Enrolled{
				Root: rootUser{password: 1}.answer(), Problems: []accountcheck.RootProblem{{Finding: detect.RootMFAMissing, Since: at, First: true}},
				Users: 3, Found: 3, Gone: 1, WithoutMFA: 1, Tracked: 2, Unanswered: 1,
			}
			if diff := cmp.Diff(want, got); diff != "" || err != nil || !slices.Equal(progress, []string{"4/4"}) {
				t.Errorf("%v, progress %v, it says (-want +got):\n%s", err, progress, diff)
			}
			if d := min(due, 0); during.Due.Sub(at) != d {
				t.Errorf("users were due in %v, want %v", during.Due.Sub(at), d)
			}
			if r := b.row(t, home, accountcheck.KindReport); !r.Due.Equal(at) {
				t.Errorf("the report: %+v", r)
			}
		})
	}
}

// TestEnrollErrors holds by which error it is known that IAM does not answer, that another
// run is at it, or that it was interrupted.
func TestEnrollErrors(t *testing.T) {
	for name, tt := range map[string]struct {
		do          func(t *testing.T, b *alone, cancel func()) *iamHook
		is          error
		unreachable bool
		says        string
	}{
		"root gets no answer": {func(_ *testing.T, b *alone, _ func()) *iamHook {
			b.iam.down[home] = true
			return &iamHook{iamFake: b.iam}
		}, errDenied, true, ""},
		"the users are not listed": {func(_ *testing.T, b *alone, _ func()) *iamHook {
			return &iamHook{iamFake: b.iam, listed: func(string) { b.iam.down[home] = true }}
		}, errDenied, true, ""},
		"another run is at it": {func(t *testing.T, b *alone, _ func()) *iamHook {
			t.Helper()
			return &iamHook{iamFake: b.iam, listed: func(string) {
				if err := b.checks.Of(accountcheck.KindUsers).Update(t.Context(), home+"/reconcile", func(r accountcheck.Check) accountcheck.Check { r.Revision++; return r }); err != nil {
					t.Error(err)
				}
			}}
		}, guard.ErrBusy, false, "try again in a minute"},
		"it is interrupted": {func(_ *testing.T, b *alone, cancel func()) *iamHook {
			return &iamHook{iamFake: b.iam, listed: func(string) { cancel() }}
		}, context.Canceled, false, "checking the users of account " + home},
		"facts cannot be stored": {func(_ *testing.T, b *alone, _ func()) *iamHook {
			return &iamHook{iamFake: b.iam, listed: func(string) { b.script.Fail("Facts.Add", 1) }}
		}, fake.ErrFault, false, "recording live checks"},
	} {
		t.Run(name, func(t *testing.T) {
			b := newAlone(accountcheck.Settings{})
			b.iam.roots[home], b.iam.users[home] = good, []iamUser{iamUserOf("ann", true, true)}
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			_, err := b.Enroll(ctx, tt.do(t, b, cancel), home, b.clock.Now(), nil)
			_, unreachable := errors.AsType[*accountcheck.UnreachableError](err)
			if !errors.Is(err, tt.is) || unreachable != tt.unreachable || !strings.Contains(err.Error(), tt.says) {
				t.Errorf("%v, unreachable: %v", err, unreachable)
			}
		})
	}

	// Whichever call fails, the enrolment does, and another finishes it.
	for n := 1; ; n++ {
		b := newAlone(accountcheck.Settings{})
		b.iam.roots[home], b.iam.users[home] = good, []iamUser{iamUserOf("ann", true, false)}
		b.script.Inject(n, fake.FailBefore)
		_, err := b.Enroll(t.Context(), b.iam, home, b.clock.Now(), nil)
		if len(b.script.Calls()) < n {
			if n < 12 {
				t.Errorf("%d calls", n-1)
			}
			break
		}
		if !errors.Is(err, fake.ErrFault) {
			t.Errorf("call %d failed: %v", n, err)
		}
		got, err := b.Enroll(t.Context(), b.iam, home, b.clock.Now().Add(time.Minute), nil)
		if err != nil || got.Users != 1 || got.Root.AccountMFAEnabled == nil {
			t.Errorf("after call %d failed: %+v, %v", n, got, err)
		}
	}
}

// TestSettingsDefaults holds what a setting that is not set means, and that one that is stays.
func TestSettingsDefaults(t *testing.T) {
	if d := accountcheck.DefaultSettings(); d.RootInterval != time.Hour || d.Users != 2000 || d.Batch != 64 {
		t.Errorf("the defaults: %+v", d)
	}
	for _, tt := range []struct {
		set           accountcheck.Settings
		asked, denied int           // users checked, and accounts asked about a report
		root          time.Duration // until root is checked again, at most
	}{
		{accountcheck.Settings{}, 5, 4, 90 * time.Minute},
		{accountcheck.Settings{Users: -1, RootInterval: -1, Batch: -1}, 5, 4, 90 * time.Minute},
		{accountcheck.Settings{Users: 1, RootInterval: time.Minute, Batch: 1}, 1, 1, 90 * time.Second},
	} {
		b := newAlone(tt.set)
		b.iam.roots[home] = good
		b.put(t, home, accountcheck.KindRoot, accountcheck.Check{})
		b.put(t, home, accountcheck.KindUsers, accountcheck.Check{})
		for n := range 5 {
			b.iam.users[home] = append(b.iam.users[home], iamUserOf(fmt.Sprint("u", n), false, false))
		}
		for n := range 4 {
			b.put(t, memberID(n), accountcheck.KindReport, accountcheck.Check{})
		}
		if did, err := b.CheckUsers(t.Context(), b.iam, nil, b.clock.Now()); err != nil || did.Asked != tt.asked {
			t.Errorf("%+v: %+v, %v", tt.set, did, err)
		}
		if did, err := b.CheckReports(t.Context(), &reports{getErr: errDenied}, b.clock.Now()); err != nil || did.Unanswered != tt.denied {
			t.Errorf("%+v: %+v, %v", tt.set, did, err)
		}
		if _, err := b.CheckRoots(t.Context(), b.iam, nil, b.clock.Now()); err != nil {
			t.Fatal(err)
		}
		if in := b.row(t, home, accountcheck.KindRoot).Due.Sub(b.clock.Now()); in > tt.root || in < tt.root/3 {
			t.Errorf("%+v: root is checked again in %v", tt.set, in)
		}
	}
}
