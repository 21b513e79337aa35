package accountcheck_test

import (
	"rootguard/internal/wiretest"

	"context"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"rootguard/internal/bootstrap"
	"rootguard/internal/testenv"
)

// checks is how many users were asked about one by one.
func (f *iamFake) checks() (n int) {
	for who, times := range f.checked {
		if strings.Contains(who, "/") {
			n += times
		}
	}
	return n
}

// TestReconcileByReport holds how many calls the users of an account cost a day,
// and that whom the report does not settle is asked about.
func TestReconcileByReport(t *testing.T) {
	const n = 1000
	l := newLand()
	newReports(l)
	created := l.Clock.Now().Add(-365 * 24 * time.Hour).Truncate(time.Second)
	for i := range n {
		password := i%2 == 0
		l.iam.users[home] = append(l.iam.users[home], iamUser{fmt.Sprintf("user%04d", i), fmt.Sprintf("AIDA%04d", i), wiretest.LiveUser{Password: password, MFA: password}, created})
	}
	l.iam.users[home][4].MFA = false // a password, and no MFA
	l.pass(t, time.Hour)
	if got := l.iam.checks(); got != 1 {
		t.Errorf("%d users were asked about one by one on the first day, want the one without MFA", got)
	}
	status := l.status(t, home)
	if len(status.Users) != n {
		t.Fatalf("%d users on record", len(status.Users))
	}
	for i := range status.Users {
		want := bootstrap.MFAOn
		switch u := &status.Users[i]; {
		case u.Name == "user0004":
			want = bootstrap.MFAPending
		case !u.ConsoleAccess:
			want = bootstrap.MFANotNeeded
		}
		if got := status.Users[i].MFA; got != want {
			t.Errorf("%s is %s, want %s", status.Users[i].Name, got, want)
		}
	}
	l.iam.users[home][4].MFA = true
	l.pass(t, 48*time.Hour) // its deadline passes, for which it is asked about
	before, facts := l.iam.checks(), len(l.facts(t, home))
	l.pass(t, 24*time.Hour)
	if got := l.iam.checks() - before; got != 0 {
		t.Errorf("%d users were asked about one by one in a day on which nothing changed", got)
	}
	if got := len(l.facts(t, home)) - facts; got != 0 {
		t.Errorf("%d facts of a day on which nothing changed", got)
	}
}

// TestReconcileByReportAsks holds who is checked one by one though there is a report.
func TestReconcileByReportAsks(t *testing.T) {
	for n, tt := range []struct {
		name  string
		do    func(l *land, f *reportsFake)
		asked int
		mfa   bootstrap.MFAState // of eve
	}{
		{"nothing changed", func(*land, *reportsFake) {}, 0, bootstrap.MFAOn},
		{"MFA gone", func(l *land, _ *reportsFake) { l.iam.users[home][0].MFA = false }, 1, bootstrap.MFAPending},
		{"password gone", func(l *land, _ *reportsFake) { l.iam.users[home][0].Password = false }, 1, bootstrap.MFANotNeeded},
		{"renamed", func(l *land, _ *reportsFake) { l.iam.users[home][0].name = "evelyn" }, 1, bootstrap.MFAOn},
		{"made again under the name after the report", func(l *land, f *reportsFake) {
			f.spoil = func(csv string) string { return strings.Replace(csv, "eve,20", "eve,19", 1) }
		}, 1, bootstrap.MFAOn},
		{"no report", func(_ *land, f *reportsFake) { f.deny = errDenied }, 2, bootstrap.MFAOn},
		{"a report that is never ready", func(_ *land, f *reportsFake) { f.takes, f.made = 1000*time.Hour, map[string]madeReport{} }, 2, bootstrap.MFAOn},
		{"a line that cannot be read", func(_ *land, f *reportsFake) {
			f.spoil = func(csv string) string { return strings.Replace(csv, "eve,", "eve,,", 1) }
		}, 1, bootstrap.MFAOn},
		{"a value that is missing", func(_ *land, f *reportsFake) {
			f.spoil = func(csv string) string {
				return strings.Replace(csv, "true,N/A,true,N/A,N/A,N/A,N/A,N/A,N/A\nsam", "true,N/A,N/A,N/A,N/A,N/A,N/A,N/A,N/A\nsam", 1)
			}
		}, 1, bootstrap.MFAOn},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if n%2 == 1 {
				testenv.Soak(t)
			}
			l := newLand()
			f := newReports(l)
			created := l.Clock.Now().Add(-365 * 24 * time.Hour).Truncate(time.Second)
			l.iam.users[home] = []iamUser{{"eve", "AIDAEVE", wiretest.LiveUser{Password: true, MFA: true}, created}, {"sam", "AIDASAM", wiretest.LiveUser{}, created}}
			l.pass(t, 48*time.Hour)
			before := l.iam.checks()
			tt.do(l, f)
			for range 24 * 12 { // without the sweep, which asks too
				l.Clock.Advance(5 * time.Minute)
				if _, err := l.CheckUsers(context.Background(), l.iam, f, l.Clock.Now()); err != nil {
					t.Fatal(err)
				}
				if _, err := l.CheckReports(context.Background(), f, l.Clock.Now()); err != nil {
					t.Fatal(err)
				}
			}
			if got := l.iam.checks() - before; got != tt.asked {
				t.Errorf("%d users were asked about, want %d: %v", got, tt.asked, l.iam.checked)
			}
			users := l.status(t, home).Users
			i := slices.IndexFunc(users, func(u bootstrap.UserStatus) bool { return u.UserID == "AIDAEVE" })
			if i < 0 || users[i].MFA != tt.mfa {
				t.Errorf("eve: %+v, want %s", users, tt.mfa)
			}
		})
	}
}
