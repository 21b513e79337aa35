package accountcheck_test

import (
	"strings"
	"testing"
	"time"

	"rootguard/internal/accountcheck"
	"rootguard/internal/wiretest"
)

// newFull is a Checker alone over the history of three users, of which most can be removed.
func newFull(t *testing.T, accounts ...string) *alone {
	t.Helper()
	b := newAlone(accountcheck.Settings{})
	for n, a := range accounts {
		b.put(t, a, accountcheck.KindFacts, accountcheck.Check{Due: b.clock.Now().Add(time.Duration(n-9) * time.Second)})
		facts := history(3, 75, wiretest.T0.Add(-75*24*time.Hour))
		for i := range facts {
			facts[i].Account = a
		}
		if _, err := b.facts.Add(t.Context(), facts); err != nil {
			t.Fatal(err)
		}
	}
	return b
}

// left is how many facts there are of each user of an account.
func (b *alone) left(t *testing.T, account string) map[string]int {
	t.Helper()
	facts := b.factsOf(t, account)
	of := map[string]int{}
	for i := range facts {
		name := facts[i].UserName
		if facts[i].Live != nil {
			name = facts[i].Live.UserName
		}
		of[name]++
	}
	return of
}

// TestCompactTime holds that a run whose time ends leaves the rest to the next, within an
// account and after one.
func TestCompactTime(t *testing.T) {
	const left = time.Minute
	const removable = 3 * 145 // of an account: of each user all sign-ins and live checks but some
	for _, tt := range []struct {
		name    string
		removes int // after how many the time is short
		want    accountcheck.Compacted
		cursor  string
	}{
		{"it does not end", 99, accountcheck.Compacted{Accounts: 2, Removed: 2 * removable}, ""},
		{"at the beginning", 0, accountcheck.Compacted{More: true}, ""},
		{"at the second batch", 1, accountcheck.Compacted{Removed: 400, More: true}, "0/1"},
		{"after the last batch", 3, accountcheck.Compacted{Accounts: 1, Removed: removable, More: true}, ""},
		{"at the last batch of all", 6, accountcheck.Compacted{Accounts: 2, Removed: 2 * removable}, ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			b := newFull(t, memberID(0), memberID(1))
			ctx := b.within(t, left)
			removes := 0
			short := func() { b.clock.Advance(left - 12*time.Second + 1) }
			if tt.removes == 0 {
				short()
			}
			at := b.clock.Now()
			b.script.Before(func(int) {
				calls := b.script.Calls()
				if n := strings.Count(strings.Join(calls, " "), "Facts.Remove"); n > removes {
					if removes = n; removes == tt.removes {
						short()
					}
				}
			})
			did, err := b.CompactFacts(ctx, at)
			b.script.Before(nil)
			row := b.row(t, memberID(0), accountcheck.KindFacts)
			if did != tt.want || err != nil || row.Cursor != tt.cursor || row.Done.IsZero() != (tt.want.Accounts == 0) || row.Due.After(at) != (tt.want.Accounts > 0) {
				t.Errorf("%+v, %v; the row: %+v", did, err, row)
			}
			next, err := b.CompactFacts(t.Context(), at)
			if err != nil || next.Accounts+did.Accounts != 2 || next.Removed+did.Removed != 2*removable || next.More {
				t.Errorf("the next run: %+v, %v", next, err)
			}
		})
	}
}

// TestCompactParts holds which part of the users a cursor means, and what follows it.
func TestCompactParts(t *testing.T) {
	for _, tt := range []struct {
		cursor string
		next   string
		parts  [2]bool // which are compacted
	}{
		{"", "", [2]bool{true, true}},
		{"0/1", "", [2]bool{true, true}},
		{"0/2", "1/2", [2]bool{true, false}},
		{"1/2", "", [2]bool{false, true}},
		{"1/4", "2/4", [2]bool{false, true}},
		{"2/2", "", [2]bool{true, true}}, // none
		{"0/0", "", [2]bool{true, true}},
		{"1", "", [2]bool{true, true}},
		{"user0", "", [2]bool{true, true}},
	} {
		b := newFull(t, home)
		b.put(t, home, accountcheck.KindFacts, accountcheck.Check{Cursor: tt.cursor})
		before := b.left(t, home)
		did, err := b.CompactFacts(t.Context(), b.clock.Now())
		row := b.row(t, home, accountcheck.KindFacts)
		if err != nil || did.More != (tt.next != "") || did.Accounts == 1 != (tt.next == "") || row.Cursor != tt.next || row.Done.IsZero() != (tt.next != "") || row.Due.After(b.clock.Now()) != (tt.next == "") {
			t.Errorf("%q: %+v, %v; the row: %+v", tt.cursor, did, err, row)
		}
		after := b.left(t, home)
		for user, part := range map[string]int{"user0": 0, "user1": 1, "user2": 0} {
			if (after[user] < before[user]) != tt.parts[part] {
				t.Errorf("%q: %d facts of %s, then %d", tt.cursor, before[user], user, after[user])
			}
		}
	}
}

// TestCompactErrors holds that an account whose facts cannot be read, stored or removed is
// put off with its error, and the next is compacted.
func TestCompactErrors(t *testing.T) {
	for call, what := range map[string]string{"Facts.Pages": "reading", "Facts.Add": "storing", "Facts.Remove": "removing"} {
		b := newFull(t, memberID(0), memberID(1))
		b.script.Fail(call, 1)
		did, err := b.CompactFacts(t.Context(), b.clock.Now())
		if err == nil || !strings.Contains(err.Error(), what+" facts of account "+memberID(0)) || did.Accounts != 1 || did.More {
			t.Errorf("%s: %+v, %v", call, did, err)
		}
		bad, well := b.row(t, memberID(0), accountcheck.KindFacts), b.row(t, memberID(1), accountcheck.KindFacts)
		if bad.Failures != 1 || !bad.Done.IsZero() || !well.Done.Equal(b.clock.Now()) {
			t.Errorf("%s: rows %+v and %+v", call, bad, well)
		}
	}
}
