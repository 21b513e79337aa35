package bootstrap

import (
	"encoding/json"
	"fmt"
	"slices"
	"testing"
	"time"

	gocmp "github.com/google/go-cmp/cmp"

	"rootguard/internal/cloudtrail"
)

// FuzzFactsOf reads any record and folds what it shows.
func FuzzFactsOf(f *testing.F) {
	for _, c := range []call{
		createUser("alice", aliceID), rename("alice", "al"), setPassword("alice", true), attach("alice", adminARN), inline("alice", "x", everything),
		join("ops", "alice"), grantRole(adminSet, adminARN), roleCall("DeleteRole", adminSet), signIn(federated(adminSet), "No"), signIn(alice, "Yes"), signIn(root, "No"), rootEnableMFA(rootKey), rootCreateKey("AKIAR"), rootList("ASIA1", after(1)),
		assumeRoot("ASIAT"), {who: assumedRootSession("ASIAT", after(1)), source: "s3.amazonaws.com", name: "DeleteBucketPolicy"},
	} {
		rec := c.record(f, after(1), "e1")
		f.Add([]byte(rec.Raw))
	}
	f.Add([]byte(`{"eventSource":"sts.amazonaws.com","eventName":"AssumeRoot","eventTime":"2026-03-02T09:00:00Z","requestParameters":"{\"targetPrincipal\":1}","responseElements":[]}`))
	f.Fuzz(func(t *testing.T, raw []byte) {
		rec, _, err := cloudtrail.Decode(raw)
		if err != nil {
			return
		}
		facts := FactsOf(&rec)
		ids := map[string]bool{}
		for _, fact := range facts {
			if fact.Time.IsZero() || fact.Kind == "" || fact.ID == "" {
				t.Errorf("fact without a time, kind or ID: %+v", fact)
			}
			if ids[fact.ID] {
				t.Errorf("two facts of one record have the ID %s", fact.ID)
			}
			ids[fact.ID] = true
			if again := Merge(fact, fact); !gocmp.Equal(again, fact) {
				t.Errorf("merging a fact with itself changed it:\n%s", gocmp.Diff(fact, again))
			}
		}
		for _, fact := range facts {
			checkStatus(t, Fold(fact.Account, facts, DefaultOptions(), time.Time{}))
		}
	})
}

// FuzzFold folds any facts, forwards and backwards.
func FuzzFold(f *testing.F) {
	f.Add([]byte("\x09\x01\x00\x00\x0c\x02\x00\x00\x10\x03\x00\x00"))
	f.Add([]byte("\x00\x01\x02\x03\x04\x05\x06\x07\x08\x09\x0a\x0b\x0c\x0d\x0e\x0f\x10\x11\x12\x13\x14\x15\x16\x17\x18\x19\x1a\x1b\x1c"))
	f.Fuzz(func(t *testing.T, data []byte) {
		facts := factsFrom(data)
		opt := DefaultOptions()
		opt.QuarantinePolicy = "a" // as some facts have it
		opt.AdminRoles = []string{"ops"}
		st := Fold(account, facts, opt, after(30*24))
		checkStatus(t, st)
		slices.Reverse(facts)
		if diff := gocmp.Diff(st, Fold(account, facts, opt, after(30*24))); diff != "" {
			t.Errorf("backwards (-forwards +backwards):\n%s", diff)
		}
		if len(facts) > 0 {
			checkStatus(t, Fold(account, facts, Options{Grace: -time.Hour, QuietDays: -1}, time.Time{}))
		}
	})
}

// factsFrom makes a fact of every four bytes: its kind, its time, that it is
// about and the rest. Few names and times, so that they meet often.
func factsFrom(data []byte) []Fact {
	kinds := []FactKind{RootActivity, RootSignIn, RootMFAEnabled, RootMFADeactivated, RootKeyCreated, RootKeyDeleted, RootPasswordSet, AssumedRoot,
		UserCreated, UserRenamed, UserDeleted, UserSignIn, PasswordSet, PasswordReset, PasswordRemoved, PasswordChanged, MFAEnabled, MFADeactivated,
		UserPolicyGranted, UserPolicyRevoked, GroupCreated, GroupRenamed, GroupDeleted, GroupPolicyGranted, GroupPolicyRevoked, GroupJoined, GroupLeft,
		Live, "unheard_of", UserQuarantined, UserReleased, RootPasswordUsed,
		RoleSignIn, RoleCreated, RoleDeleted, RolePolicyGranted, RolePolicyRevoked, RoleChecked, RootPasswordRemoved}
	text := func(b byte) string { return []string{"", "a", "b", "c"}[b%4] }
	id := func(b byte) string { return []string{"", "AIDA1", "AIDA2", "AIDA3"}[b%4] }
	var facts []Fact
	for n := 0; len(data) >= 4; data, n = data[4:], n+1 {
		kind, when, who, rest := kinds[int(data[0])%len(kinds)], data[1], data[2], data[3]
		at := after(float64(when%16) * 24)
		if when == 255 {
			at = time.Time{}
		}
		fact := Fact{Account: account, ID: fmt.Sprintf("%s/%d", kind, n), Kind: kind, Time: at, EventID: fmt.Sprint("e", when, n),
			UserName: text(who), UserID: id(who >> 2), NewName: text(who >> 4), Actor: text(who >> 6), ActorID: id(rest >> 6), Group: text(who >> 4), Role: []string{"", adminSet, viewSet, "ops"}[who>>2&3],
			Policy: text(rest), Admin: rest&4 != 0, Serial: text(rest >> 3), AccessKeyID: []string{"", "AKIA1", "ASIA1", "AKIA2"}[rest>>5&3],
			Reset: cloudtrail.Answer(rest % 3), MFA: cloudtrail.Answer(rest % 3), What: "x", Last: at.Add(time.Duration(rest) * time.Hour), LastEventID: "z", LastWhat: "y"}
		if kind == Live && rest&1 == 0 {
			fact.Live = &LiveFact{UserID: fact.UserID, UserName: fact.UserName, Gone: rest&2 != 0, MFADevices: []string{fact.Serial},
				AccountMFAEnabled: ptr(int(rest >> 2 & 1)), AccountAccessKeysPresent: ptr(int(rest >> 3 & 1)), AccountPasswordPresent: ptr(int(rest >> 4 & 1))}
			if rest&32 != 0 {
				fact.Live.ConsoleLogin = ptr(rest&64 != 0)
				fact.Live.RootVirtualMFA = ptr(rest&128 != 0)
				if rest&4 != 0 {
					fact.Live.MFAActive, fact.Live.MFADevices = ptr(rest&8 != 0), nil
				}
			}
		}
		facts = append(facts, fact)
	}
	return facts
}

// checkStatus holds a status to what is true of every one.
func checkStatus(tb testing.TB, st Status) {
	tb.Helper()
	if _, err := json.Marshal(st); err != nil {
		tb.Errorf("marshaling: %v", err)
	}
	all := true
	for i, s := range st.Steps {
		if s.Step != Steps()[i] {
			tb.Errorf("step %d is %s", i, s.Step)
		}
		all = all && (s.State == Done || s.State == NotApplicable)
		for j, tr := range s.History {
			if tr.From == tr.To || j > 0 && (tr.From != s.History[j-1].To || tr.At.Before(s.History[j-1].At)) || tr.Evidence.What == "" {
				tb.Errorf("%s: transition %d does not follow: %+v", s.Step, j, s.History)
			}
		}
		if n := len(s.History); n > 0 && (s.State != s.History[n-1].To || !s.Since.Equal(s.History[n-1].At)) {
			tb.Errorf("%s is not what its history ends with: %+v", s.Step, s)
		}
		if (s.State == Done || s.State == Regressed) && s.Evidence == nil {
			tb.Errorf("%s is %s without evidence", s.Step, s.State)
		}
	}
	if len(st.Steps) != len(Steps()) || st.Bootstrapped != all {
		tb.Errorf("bootstrapped is %v: %+v", st.Bootstrapped, st.Steps)
	}
	ids := map[string]bool{}
	for _, u := range st.Users {
		if u.UserID != "" && ids[u.UserID] {
			tb.Errorf("two users have the ID %s", u.UserID)
		}
		ids[u.UserID] = true
		waits := u.MFA == MFAPending || u.MFA == MFAMissing
		open := false
		for i, g := range u.MFAGaps {
			open = g.To.IsZero()
			if open && i != len(u.MFAGaps)-1 || !open && !g.To.After(g.From) || i > 0 && g.From.Before(u.MFAGaps[i-1].To) {
				tb.Errorf("gap %d of %s is out of order: %+v", i, u.Name, u.MFAGaps)
			}
		}
		if waits != open || waits == u.GraceDeadline.IsZero() {
			tb.Errorf("%s is %s, a gap is open: %v, deadline %s", u.Name, u.MFA, open, u.GraceDeadline)
		}
		if u.Deleted && (u.ConsoleAccess || u.Admin || waits || u.DeletedAt.IsZero()) {
			tb.Errorf("a deleted user: %+v", u)
		}
	}
}
