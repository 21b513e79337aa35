package rootsession_test

import (
	"context"
	"errors"
	"slices"
	"testing"
	"time"

	"rootguard/internal/accountfacts"
	"rootguard/internal/bootstrap"
	"rootguard/internal/cloudtrail"
	"rootguard/internal/detect"
	"rootguard/internal/fake"
	"rootguard/internal/guard"
	"rootguard/internal/rootsession"
	"rootguard/internal/wiretest"
)

// raised is a guard that keeps what is raised, and reports each once.
type raised struct {
	events []string
	err    error
}

func (r *raised) Raise(_ context.Context, f detect.Finding) (guard.Result, error) {
	if r.err != nil {
		return guard.Result{}, r.err
	}
	if slices.Contains(r.events, f.EventID) {
		return guard.Result{Disposition: guard.Duplicate}, nil
	}
	r.events = append(r.events, f.EventID)
	return guard.Result{Disposition: guard.Alerted}, nil
}

// passwordUsed is the fact of one hour in which root's password was used first and
// last at these times, and accepted.
func passwordUsed(first, last time.Time) bootstrap.Fact {
	return bootstrap.Fact{
		Account: wiretest.Account, ID: "root_password_used/" + first.Format("2006-01-02T15"), Kind: bootstrap.RootPasswordUsed,
		Time: first, EventID: "first", What: bootstrap.PasswordAccepted, Last: last, LastEventID: "last", LastWhat: bootstrap.PasswordAccepted,
	}
}

// signedIn is the record of a sign-in of root, or of one that failed.
func signedIn(at time.Time, failed bool) *cloudtrail.Record {
	rec := &cloudtrail.Record{
		EventID: "signin", EventTime: at, EventType: "AwsConsoleSignIn", EventSource: cloudtrail.SigninSource, EventName: "ConsoleLogin",
		RecipientAccountID: wiretest.Account, ResponseElements: []byte(`{"ConsoleLogin":"Success"}`),
		UserIdentity: cloudtrail.UserIdentity{Type: "Root", PrincipalID: wiretest.Account, AccountID: wiretest.Account},
	}
	if failed {
		rec.ErrorMessage, rec.ResponseElements = "Failed authentication", []byte(`{"ConsoleLogin":"Failure"}`)
	}
	return rec
}

// TestAbandoned holds which passwords of root count as given up, to the second.
func TestAbandoned(t *testing.T) {
	entered := wiretest.T0 // at the beginning of a slot
	later := entered.Add(20 * time.Minute)
	with := func(change func(*bootstrap.Fact)) bootstrap.Fact {
		f := passwordUsed(entered, later)
		change(&f)
		return f
	}
	single := with(func(f *bootstrap.Fact) { f.Last, f.LastEventID = f.Time, f.EventID })
	for i, tt := range []struct {
		name    string
		fact    bootstrap.Fact
		signIns []*cloudtrail.Record
		since   time.Time
		asOf    time.Duration // after it was entered
		want    []string
	}{
		{"a sign-in may still come", single, nil, time.Time{}, 15*time.Minute - time.Second, nil},
		{"none came", single, nil, time.Time{}, 15 * time.Minute, []string{"first"}},
		{"none came to the second", passwordUsed(entered, later), nil, time.Time{}, 35 * time.Minute, []string{"first", "last"}},
		{"one may still come to the second", passwordUsed(entered, later), nil, time.Time{}, 34 * time.Minute, []string{"first"}},
		{"not accepted", with(func(f *bootstrap.Fact) { f.What = "CheckMfa" }), nil, time.Time{}, time.Hour, []string{"last"}},
		{"at last not accepted", with(func(f *bootstrap.Fact) { f.LastWhat = "CheckMfa" }), nil, time.Time{}, time.Hour, []string{"first"}},
		{"as long ago as is judged", single, nil, entered, time.Hour, []string{"first"}},
		{"two days ago", single, nil, entered.Add(48*time.Hour - rootsession.AbandonedFor), 48 * time.Hour, []string{"first"}},
		{"longer than two days ago", single, nil, entered.Add(48*time.Hour + time.Second - rootsession.AbandonedFor), 48*time.Hour + time.Second, nil},
		{"longer ago", single, nil, entered.Add(time.Second), time.Hour, nil},
		{"of another kind", with(func(f *bootstrap.Fact) { f.Kind = bootstrap.RootActivity }), nil, time.Time{}, time.Hour, nil},
		{"a sign-in at once", single, []*cloudtrail.Record{signedIn(entered, false)}, time.Time{}, time.Hour, nil},
		{"one that failed", single, []*cloudtrail.Record{signedIn(entered, true)}, time.Time{}, time.Hour, nil},
		{"a sign-in as late as is waited for", single, []*cloudtrail.Record{signedIn(entered.Add(15*time.Minute), false)}, time.Time{}, time.Hour, nil},
		{"a sign-in later than that", single, []*cloudtrail.Record{signedIn(entered.Add(20*time.Minute), false)}, time.Time{}, time.Hour, []string{"first"}},
		{"a sign-in whose clock is behind", single, []*cloudtrail.Record{signedIn(entered.Add(-5*time.Minute), false)}, time.Time{}, time.Hour, nil},
		{"a sign-in before", single, []*cloudtrail.Record{signedIn(entered.Add(-6*time.Minute), false)}, time.Time{}, time.Hour, []string{"first"}},
		{"a sign-in after the first alone", passwordUsed(entered, later), []*cloudtrail.Record{signedIn(entered.Add(5*time.Minute), false)}, time.Time{}, time.Hour, []string{"last"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			facts, store, g := &fake.Facts{}, &fake.Claims{}, &raised{}
			other := bootstrap.Fact{Account: wiretest.Account, ID: "root_activity/x", Kind: bootstrap.RootActivity, Time: entered.Add(-time.Hour)}
			if _, err := facts.Add(t.Context(), []bootstrap.Fact{other, tt.fact}); err != nil {
				t.Fatal(err)
			}
			notes := rootsession.Notes{Claims: store}
			for _, rec := range tt.signIns {
				if err := notes.Note(t.Context(), rec, false); err != nil {
					t.Fatal(err)
				}
			}
			reader := accountfacts.Reader{Facts: facts}
			if i%2 == 1 {
				reader.Pages = facts // in parts
			}
			passwords := rootsession.NewPasswords(notes, g, reader)
			for _, want := range []int{len(tt.want), 0} { // each is alerted once
				if n, err := passwords.Abandoned(t.Context(), wiretest.Account, tt.since, entered.Add(tt.asOf)); n != want || err != nil {
					t.Errorf("%d alerts, %v, want %d", n, err, want)
				}
			}
			if !slices.Equal(g.events, tt.want) {
				t.Errorf("reported: %v, want %v", g.events, tt.want)
			}
		})
	}
}

// TestAbandonedFaults holds that what goes wrong with one password keeps no other back,
// and is said.
func TestAbandonedFaults(t *testing.T) {
	script := &fake.Script{}
	facts, store, g := &fake.Facts{Script: script}, &fake.Claims{Script: script}, &raised{}
	if _, err := facts.Add(t.Context(), []bootstrap.Fact{passwordUsed(wiretest.T0, wiretest.T0.Add(20*time.Minute))}); err != nil {
		t.Fatal(err)
	}
	passwords := rootsession.NewPasswords(rootsession.Notes{Claims: store}, g, accountfacts.Reader{Facts: facts})
	asOf := wiretest.T0.Add(time.Hour)
	script.Fail("Facts.Facts", 1)
	if n, err := passwords.Abandoned(t.Context(), wiretest.Account, time.Time{}, asOf); n != 0 || !errors.Is(err, fake.ErrFault) {
		t.Errorf("facts that cannot be read: %d alerts, %v", n, err)
	}
	script.Fail("Claims.Update", 1)
	if n, err := passwords.Abandoned(t.Context(), wiretest.Account, time.Time{}, asOf); n != 1 || !errors.Is(err, fake.ErrFault) || !slices.Equal(g.events, []string{"last"}) {
		t.Errorf("a note that cannot be read: %d alerts of %v, %v", n, g.events, err)
	}
	g.err = errors.New("no topic takes it")
	if n, err := passwords.Abandoned(t.Context(), wiretest.Account, time.Time{}, asOf); n != 0 || !errors.Is(err, g.err) {
		t.Errorf("an alert that cannot be sent: %d alerts, %v", n, err)
	}
}

// TestNotes holds what a record notes of root's sessions, and within what time a
// session's beginning is known by it.
func TestNotes(t *testing.T) {
	at := wiretest.T0.Add(2 * time.Minute) // within a slot
	call := func(change func(*cloudtrail.Record)) *cloudtrail.Record {
		rec := signedIn(at, false)
		rec.EventSource, rec.EventName, rec.EventType, rec.ResponseElements = "ec2.amazonaws.com", "RunInstances", "AwsApiCall", nil
		rec.UserIdentity.Session.CreationDate = at
		change(rec)
		return rec
	}
	for _, tt := range []struct {
		name     string
		rec      *cloudtrail.Record
		reported bool
		began    time.Time
		want     bool
		claims   int
	}{
		{"a sign-in", signedIn(at, false), false, at, true, 1},
		{"the slot after it", signedIn(at, false), false, wiretest.T0.Add(10*time.Minute - time.Second), true, 1},
		{"later", signedIn(at, false), false, wiretest.T0.Add(10 * time.Minute), false, 1},
		{"the slot before it", signedIn(at, false), false, wiretest.T0.Add(-5 * time.Minute), true, 1},
		{"before that", signedIn(at, false), false, wiretest.T0.Add(-5*time.Minute - time.Second), false, 1},
		{"a sign-in that failed begins none", signedIn(at, true), false, at, false, 1},
		{"a sign-in that failed at no time", signedIn(time.Time{}, true), false, at, false, 0},
		{"a sign-in at no time", signedIn(time.Time{}, false), false, at, false, 0},
		{"a sign-in at no time, in a session that does say", call(func(r *cloudtrail.Record) {
			r.EventTime, r.EventSource, r.EventName = time.Time{}, cloudtrail.SigninSource, "ConsoleLogin"
		}), true, at, true, 1},
		{"a call that is reported", call(func(*cloudtrail.Record) {}), true, at, true, 1},
		{"a call that is not", call(func(*cloudtrail.Record) {}), false, at, false, 0},
		{"a call of no session", call(func(r *cloudtrail.Record) { r.UserIdentity.Session.CreationDate = time.Time{} }), true, at, false, 0},
		{"a call that was denied", call(func(r *cloudtrail.Record) { r.ErrorCode = "AccessDenied" }), true, at, false, 0},
		{"credentials that root issues", call(func(r *cloudtrail.Record) { r.EventSource, r.EventName = "sts.amazonaws.com", "GetSessionToken" }), false, at, true, 1},
		{"a user's call", call(func(r *cloudtrail.Record) { r.UserIdentity.Type = "IAMUser" }), true, at, false, 0},
	} {
		t.Run(tt.name, func(t *testing.T) {
			store := &fake.Claims{}
			notes := rootsession.Notes{Claims: store}
			for range 2 { // a copy notes nothing new
				if err := notes.Note(t.Context(), tt.rec, tt.reported); err != nil {
					t.Fatal(err)
				}
			}
			if got, err := notes.Began(t.Context(), wiretest.Account, tt.began); got != tt.want || err != nil {
				t.Errorf("a session is on record: %v, %v, want %v", got, err, tt.want)
			}
			if n := len(store.All()); n != tt.claims {
				t.Errorf("%d notes, want %d", n, tt.claims)
			}
			script := &fake.Script{}
			script.Fail("Claims.Update", 1)
			broken := rootsession.Notes{Claims: &fake.Claims{Script: script}}
			if err := broken.Note(t.Context(), tt.rec, tt.reported); (err != nil) != (tt.claims > 0) {
				t.Errorf("a note that cannot be kept: %v", err)
			}
		})
	}
}
