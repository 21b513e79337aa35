package bootstrap

import (
	"fmt"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// line sums up a user: every time is in hours from the beginning of the story.
func line(u UserStatus) string {
	h := func(t time.Time) string { return strconv.FormatFloat(t.Sub(day0).Hours(), 'g', 6, 64) }
	var b strings.Builder
	fmt.Fprintf(&b, "%s", u.Name)
	if u.UserID != "" {
		fmt.Fprintf(&b, " %s", strings.ToLower(strings.Trim(u.UserID[4:], "01")))
	}
	if len(u.FormerNames) > 0 {
		fmt.Fprintf(&b, " was:%s", strings.Join(u.FormerNames, ","))
	}
	if !u.CreatedAt.IsZero() {
		fmt.Fprintf(&b, " created:%s", h(u.CreatedAt))
	}
	if u.Deleted {
		fmt.Fprintf(&b, " deleted:%s", h(u.DeletedAt))
	}
	if u.ConsoleAccess {
		fmt.Fprintf(&b, " console")
	}
	if (u.ConsoleEvidence != nil) != u.ConsoleAccess {
		fmt.Fprintf(&b, " EVIDENCE %v", u.ConsoleEvidence)
	}
	if u.Admin {
		b.WriteString(" admin")
	}
	fmt.Fprintf(&b, " %s", u.MFA)
	if !u.MFASince.IsZero() {
		fmt.Fprintf(&b, ":%s", h(u.MFASince))
	}
	if len(u.MFADevices) > 0 {
		fmt.Fprintf(&b, " devices:%d", len(u.MFADevices))
	}
	if !u.GraceDeadline.IsZero() {
		fmt.Fprintf(&b, " due:%s", h(u.GraceDeadline))
	}
	for _, g := range u.MFAGaps {
		fmt.Fprintf(&b, " gap:%s-", h(g.From))
		if !g.To.IsZero() {
			b.WriteString(h(g.To))
		}
		if g.Evidence.What == "" || !g.Deadline.Equal(g.From.Add(DefaultOptions().Grace)) {
			fmt.Fprintf(&b, " BAD %+v", g)
		}
	}
	if u.Quarantined != nil {
		fmt.Fprintf(&b, " quarantined:%s", h(u.Quarantined.Time))
	}
	if !u.LastSignIn.IsZero() {
		fmt.Fprintf(&b, " signin:%s", h(u.LastSignIn))
	}
	return b.String()
}

func TestUsers(t *testing.T) {
	user := func(more ...reported) []reported {
		return append([]reported{at(1, createUser("alice", aliceID)), at(2, setPassword("alice", false))}, more...)
	}
	const alice2 = "AIDAANN0000000000001"
	for _, tc := range []struct {
		name  string
		asOf  float64
		story []reported
		want  []string
	}{
		{"nobody", 10, nil, nil},
		{"no password, no MFA needed", 100, []reported{at(1, createUser("alice", aliceID))}, []string{"alice alice created:1 not_needed:1"}},
		{"creation denied", 100, []reported{at(1, createUser("alice", aliceID).denied())}, nil},
		{"within the grace time", 10, user(), []string{"alice alice created:1 console pending_mfa:2 due:26 gap:2-"}},
		{"at the deadline", 26, user(), []string{"alice alice created:1 console pending_mfa:2 due:26 gap:2-"}},
		{"past the deadline", 26.5, user(), []string{"alice alice created:1 console missing:26 due:26 gap:2-"}},
		{"enabled in time", 100, user(at(3, enableMFA("alice", app))), []string{"alice alice created:1 console on:3 devices:1 gap:2-3"}},
		{"enabled in time, seen before", 2.5, user(at(3, enableMFA("alice", app))), []string{"alice alice created:1 console pending_mfa:2 due:26 gap:2-"}},
		{"enabled too late", 100, user(at(50, enableMFA("alice", app))), []string{"alice alice created:1 console on:50 devices:1 gap:2-50"}},
		{"enabled in the same second", 100, user(at(2, enableMFA("alice", app))), []string{"alice alice created:1 console on:2 devices:1"}},
		{"enabled before the password", 100, []reported{at(1, createUser("alice", aliceID)), at(2, enableMFA("alice", app)), at(3, setPassword("alice", false))}, []string{"alice alice created:1 console on:3 devices:1"}},
		{"enabling denied", 10, user(at(3, enableMFA("alice", app).denied())), []string{"alice alice created:1 console pending_mfa:2 due:26 gap:2-"}},
		{"removed", 10, user(at(3, enableMFA("alice", app)), at(4, disableMFA("alice", app))), []string{"alice alice created:1 console pending_mfa:4 due:28 gap:2-3 gap:4-"}},
		{"one of two removed", 10, user(at(3, enableMFA("alice", app)), at(4, enableMFA("alice", key)), at(5, disableMFA("alice", app))), []string{"alice alice created:1 console on:3 devices:1 gap:2-3"}},
		{"the same device twice is one", 10, user(at(3, enableMFA("alice", app)), at(4, enableMFA("alice", app)), at(5, disableMFA("alice", app))), []string{"alice alice created:1 console pending_mfa:5 due:29 gap:2-3 gap:5-"}},
		{"password removed", 100, user(at(3, removePassword("alice"))), []string{"alice alice created:1 not_needed:3 gap:2-3"}},
		{"password removal failed", 10, user(at(3, removePassword("alice").denied())), []string{"alice alice created:1 console pending_mfa:2 due:26 gap:2-"}},
		{"password removed and set in one second", 10, user(at(3, setPassword("alice", false)), at(3, removePassword("alice"))), []string{"alice alice created:1 console pending_mfa:3 due:27 gap:2-3 gap:3-"}},
		{"password updated", 10, user(at(3, updatePassword("alice", true))), []string{"alice alice created:1 console pending_mfa:2 due:26 gap:2-"}},
		{"signed in without MFA", 10, user(at(3, signIn(alice, "No"))), []string{"alice alice created:1 console pending_mfa:2 due:26 gap:2- signin:3"}},
		{"signed in with MFA nobody enabled", 10, user(at(3, signIn(alice, "Yes"))), []string{"alice alice created:1 console on:3 gap:2-3 signin:3"}},
		{"failed sign-in", 10, user(at(3, failedSignIn(alice))), []string{"alice alice created:1 console pending_mfa:2 due:26 gap:2-"}},
		{"signed in without the MFA she has", 10, user(at(2, enableMFA("alice", app)), at(3, signIn(alice, "No"))), []string{"alice alice created:1 console pending_mfa:3 due:27 gap:3- signin:3"}},
		{"deleted", 100, user(at(3, deleteUser("alice"))), []string{"alice alice created:1 deleted:3 not_needed:3 gap:2-3"}},
		{"deletion denied", 10, user(at(3, deleteUser("alice").denied())), []string{"alice alice created:1 console pending_mfa:2 due:26 gap:2-"}},
		{"all of a life in one second", 10, []reported{at(1, deleteUser("alice")), at(1, setPassword("alice", false)), at(1, createUser("alice", aliceID))}, []string{"alice alice created:1 deleted:1 not_needed:1"}},

		{"renamed", 10, user(at(3, rename("alice", "al")), at(4, enableMFA("al", app))), []string{"al alice was:alice created:1 console on:4 devices:1 gap:2-4"}},
		{"renamed, and to herself", 10, user(at(3, rename("alice", "alice"))), []string{"alice alice created:1 console pending_mfa:2 due:26 gap:2-"}},
		{"moved to another path", 10, user(at(3, iamCall(operator, "UpdateUser", fields{"userName": "alice", "newPath": "/x/"}))), []string{"alice alice created:1 console pending_mfa:2 due:26 gap:2-"}},
		{"renamed and back", 10, user(at(3, rename("alice", "al")), at(4, rename("al", "alice"))), []string{"alice alice was:al created:1 console pending_mfa:2 due:26 gap:2-"}},
		{"the old name after the rename is nobody", 10, user(at(3, rename("alice", "al")), at(4, enableMFA("alice", app))),
			[]string{"alice on:4 devices:1", "al alice was:alice created:1 console pending_mfa:2 due:26 gap:2-"}},
		{"the old name in the second of the rename is her", 10, user(at(3, enableMFA("alice", app)), at(3, rename("alice", "al"))), []string{"al alice was:alice created:1 console on:3 devices:1 gap:2-3"}},
		{"her session has her old name", 10, user(at(3, rename("alice", "al")), at(4, iamCall(alice, "EnableMFADevice", fields{"serialNumber": app})), at(5, deleteUser("al"))),
			[]string{"al alice was:alice created:1 deleted:5 not_needed:5 gap:2-4"}},
		{"the name goes to another", 10, user(at(3, rename("alice", "al")), at(4, createUser("alice", alice2)), at(5, setPassword("alice", false)), at(6, enableMFA("al", app)), at(7, deleteUser("alice"))),
			[]string{"al alice was:alice created:1 console on:6 devices:1 gap:2-6", "alice ann created:4 deleted:7 not_needed:7 gap:5-7"}},
		{"a rename nobody saw", 10, user(at(3, signIn(iamUser("al", aliceID), "No"))), []string{"al alice was:alice created:1 console pending_mfa:2 due:26 gap:2- signin:3"}},
		{"a rename back that nobody saw", 10, user(at(3, rename("alice", "al")), at(4, signIn(alice, "No")), at(5, deleteUser("alice"))), []string{"alice alice was:al created:1 deleted:5 not_needed:5 gap:2-5 signin:4"}},
		{"names swapped", 10, []reported{at(1, createUser("alice", aliceID)), at(1, createUser("bob", bobID)), at(2, rename("alice", "x")), at(3, rename("bob", "alice")), at(4, rename("x", "bob")), at(5, setPassword("bob", false))},
			[]string{"alice bob was:bob created:1 not_needed:1", "bob alice was:alice,x created:1 console pending_mfa:5 due:29 gap:5-"}},

		{"quarantined", 100, user(at(98, attach("alice", quarantineARN)), at(99, attach("alice", quarantineARN))), []string{"alice alice created:1 console missing:26 due:26 gap:2- quarantined:98"}},
		{"quarantine denied", 100, user(at(98, attach("alice", quarantineARN).denied())), []string{"alice alice created:1 console missing:26 due:26 gap:2-"}},
		{"somebody else's quarantine", 100, user(at(98, attach("alice", "arn:aws:iam::111122223333:policy/acme-quarantine"))), []string{"alice alice created:1 console missing:26 due:26 gap:2-"}},
		{"released", 100, user(at(98, attach("alice", quarantineARN)), at(99, detach("alice", quarantineARN))), []string{"alice alice created:1 console missing:26 due:26 gap:2-"}},
		{"released from another policy", 100, user(at(98, attach("alice", quarantineARN)), at(99, detach("alice", "arn:aws:iam::111122223333:policy/acme-quarantine"))), []string{"alice alice created:1 console missing:26 due:26 gap:2- quarantined:98"}},
		{"quarantined again", 100, user(at(97, attach("alice", quarantineARN)), at(98, detach("alice", quarantineARN)), at(99, attach("alice", quarantineARN))), []string{"alice alice created:1 console missing:26 due:26 gap:2- quarantined:99"}},
		{"quarantined, renamed", 100, user(at(98, attach("alice", quarantineARN)), at(99, rename("alice", "al"))), []string{"al alice was:alice created:1 console missing:26 due:26 gap:2- quarantined:98"}},
		{"quarantined, deleted", 100, user(at(98, attach("alice", quarantineARN)), at(99, deleteUser("alice"))), []string{"alice alice created:1 deleted:99 not_needed:99 gap:2-99"}},
		{"quarantine does not make a user that no one knows gone", 100, []reported{at(98, detach("alice", quarantineARN))}, nil},

		{"re-created", 10, user(at(3, deleteUser("alice")), at(4, createUser("alice", alice2))), []string{"alice alice created:1 deleted:3 not_needed:3 gap:2-3", "alice ann created:4 not_needed:4"}},
		{"re-created, and only then with MFA", 10, user(at(3, deleteUser("alice")), at(4, createUser("alice", alice2)), at(5, setPassword("alice", false)), at(6, enableMFA("alice", app))),
			[]string{"alice alice created:1 deleted:3 not_needed:3 gap:2-3", "alice ann created:4 console on:6 devices:1 gap:5-6"}},
		{"re-created, the deletion was not delivered", 10, user(at(4, createUser("alice", alice2)), at(5, deleteUser("alice"))),
			[]string{"alice alice created:1 deleted:4 not_needed:4 gap:2-4", "alice ann created:4 deleted:5 not_needed:5"}},
		{"re-created in the second of the deletion", 10, user(at(4, createUser("alice", alice2)), at(4, deleteUser("alice"))), []string{"alice alice created:1 deleted:4 not_needed:4 gap:2-4", "alice ann created:4 not_needed:4"}},
		{"re-created and deleted in that second", 10, user(at(4, createUser("alice", alice2)), at(4, deleteUser("alice")), at(4, deleteUser("alice"))),
			[]string{"alice alice created:1 deleted:4 not_needed:4 gap:2-4", "alice ann created:4 deleted:4 not_needed:4"}},
		{"taken for deleted, and seen again", 10, user(at(4, createUser("alice", alice2)), at(5, signIn(iamUser("al", aliceID), "No"))),
			[]string{"al alice was:alice created:1 console pending_mfa:2 due:26 gap:2- signin:5", "alice ann created:4 not_needed:4"}},
		{"created without an ID in the record", 10, []reported{at(1, createUser("alice", aliceID).responding(nil)), at(2, setPassword("alice", false)), at(3, signIn(alice, "No"))}, []string{"alice alice created:1 console pending_mfa:2 due:26 gap:2- signin:3"}},
		{"masked IDs are none", 10, []reported{at(1, createUser("alice", "AIDA****************")), at(2, createUser("bob", "AIDA****************"))}, []string{"alice created:1 not_needed:1", "bob created:2 not_needed:2"}},

		{"from before the log: a sign-in with MFA", 100, []reported{at(1, signIn(alice, "Yes"))}, []string{"alice alice console on:1 signin:1"}},
		{"from before the log: a sign-in without", 10, []reported{at(1, signIn(alice, "No"))}, []string{"alice alice console pending_mfa:1 due:25 gap:1- signin:1"}},
		{"from before the log: a sign-in that does not say", 100, []reported{at(1, signIn(alice, ""))}, []string{"alice alice console unknown signin:1"}},
		{"from before the log: MFA enabled", 100, []reported{at(1, enableMFA("alice", app))}, []string{"alice on:1 devices:1"}},
		{"from before the log: MFA removed", 10, []reported{at(1, disableMFA("alice", app))}, []string{"alice unknown"}},
		{"from before the log: password set, MFA removed", 10, []reported{at(1, updatePassword("alice", false)), at(2, disableMFA("alice", app))}, []string{"alice console unknown"}},
		{"from before the log: signed in with MFA, a device removed", 10, []reported{at(1, signIn(alice, "Yes")), at(2, disableMFA("alice", app))}, []string{"alice alice console unknown:2 signin:1"}},
		{"from before the log: signed in without MFA, a device added and removed", 10, []reported{at(1, signIn(alice, "No")), at(2, enableMFA("alice", app)), at(3, disableMFA("alice", app))}, []string{"alice alice console pending_mfa:3 due:27 gap:1-2 gap:3- signin:1"}},
		{"from before the log: MFA removed, no password", 10, []reported{at(1, disableMFA("alice", app)), at(2, removePassword("alice"))}, []string{"alice not_needed:2"}},
		{"from before the log: a new password", 10, []reported{at(1, setPassword("alice", false))}, []string{"alice console pending_mfa:1 due:25 gap:1-"}},
		{"from before the log: password updated", 100, []reported{at(1, updatePassword("alice", false))}, []string{"alice console unknown"}},
		{"from before the log: a grant", 100, []reported{at(1, attach("alice", adminARN))}, []string{"alice admin unknown"}},
		{"from before the log: a lesser grant is no reason to track", 100, []reported{at(1, attach("alice", readARN)), at(2, inline("alice", "x", little)), at(3, leave("ops", "alice")), at(4, detach("alice", adminARN))}, nil},
		{"from before the log: deleted", 100, []reported{at(1, deleteUser("alice"))}, []string{"alice deleted:1 not_needed:1"}},
		{"from before the log: the one device of two whose name is known is removed", 10, []reported{at(1, signIn(alice, "Yes")), at(2, enableMFA("alice", app)), at(3, disableMFA("alice", app))}, []string{"alice alice console on:1 signin:1"}},
		{"the ID is learned", 10, []reported{at(1, setPassword("alice", false)), at(2, signIn(alice, "No")), at(3, rename("alice", "al")), at(4, enableMFA("al", app))}, []string{"al alice was:alice console on:4 devices:1 gap:1-4 signin:2"}},
		{"the ID is learned from what she did", 10, []reported{at(1, setPassword("alice", false)), at(2, iamCall(alice, "CreateUser", fields{"userName": "bob"}).responding(fields{"user": fields{"userId": bobID}}))},
			[]string{"alice alice console pending_mfa:1 due:25 gap:1-", "bob bob created:2 not_needed:2"}},
		{"a creation lies between", 10, []reported{at(1, setPassword("alice", false)), at(2, createUser("alice", aliceID)), at(3, signIn(alice, ""))},
			[]string{"alice deleted:2 not_needed:2 gap:1-2", "alice alice created:2 console pending_mfa:3 due:27 gap:3- signin:3"}},
		{"a deletion lies between", 10, []reported{at(1, setPassword("alice", false)), at(2, deleteUser("alice")), at(3, signIn(alice, "Yes"))},
			[]string{"alice deleted:2 not_needed:2 gap:1-2", "alice alice console on:3 signin:3"}},
		{"another user of the name signs in", 10, user(at(3, signIn(iamUser("alice", alice2), "Yes"))), []string{"alice ann console on:3 signin:3", "alice alice created:1 deleted:3 not_needed:3 gap:2-3"}},
		{"a record with an ARN and no userName", 10, user(at(3, iamCall(fields{"type": "IAMUser", "principalId": aliceID, "accountId": account, "arn": "arn:aws:iam::" + account + ":user/team/alice"}, "ChangePassword", nil))),
			[]string{"alice alice created:1 console pending_mfa:2 due:26 gap:2-"}},
		{"a record with an ID and no name", 10, user(at(3, iamCall(fields{"type": "IAMUser", "principalId": aliceID, "accountId": account}, "EnableMFADevice", fields{"serialNumber": app}))),
			[]string{"alice alice created:1 console on:3 devices:1 gap:2-3"}},

		{"live: confirmed", 10, user(at(3, enableMFA("alice", app)), checked(4, LiveFact{UserID: aliceID, UserName: "alice", ConsoleLogin: ptr(true), MFADevices: []string{app, key}})), []string{"alice alice created:1 console on:3 devices:2 gap:2-3"}},
		{"live: MFA that no record reported", 10, user(checked(4, LiveFact{UserID: aliceID, ConsoleLogin: ptr(true), MFADevices: []string{app}})), []string{"alice alice created:1 console on:4 devices:1 gap:2-4"}},
		{"live: none", 10, user(at(3, enableMFA("alice", app)), checked(4, LiveFact{UserID: aliceID, ConsoleLogin: ptr(true)})), []string{"alice alice created:1 console pending_mfa:4 due:28 gap:2-3 gap:4-"}},
		{"live: then enabled", 10, user(checked(4, LiveFact{UserID: aliceID, ConsoleLogin: ptr(true)}), at(5, enableMFA("alice", app))), []string{"alice alice created:1 console on:5 devices:1 gap:2-5"}},
		{"live: no password", 100, user(checked(4, LiveFact{UserID: aliceID, ConsoleLogin: ptr(false)})), []string{"alice alice created:1 not_needed:4 gap:2-4"}},
		{"live: a password that no record reported", 10, []reported{at(1, createUser("alice", aliceID)), checked(4, LiveFact{UserID: aliceID, UserName: "alice", ConsoleLogin: ptr(true)})}, []string{"alice alice created:1 console pending_mfa:4 due:28 gap:4-"}},
		{"live: a user that no record reported", 10, []reported{checked(4, LiveFact{UserID: bobID, UserName: "bob", ConsoleLogin: ptr(true)})}, []string{"bob bob console pending_mfa:4 due:28 gap:4-"}},
		{"live: only that the user is there", 10, []reported{checked(4, LiveFact{UserID: bobID, UserName: "bob"})}, []string{"bob bob unknown"}},
		{"live: there in the second in which it was deleted", 10, user(at(3, deleteUser("alice")), checked(3, LiveFact{UserID: aliceID, UserName: "alice", ConsoleLogin: ptr(true)})), []string{"alice alice created:1 deleted:3 not_needed:3 gap:2-3"}},
		{"live: gone", 100, user(checked(4, LiveFact{UserID: aliceID, Gone: true})), []string{"alice alice created:1 deleted:4 not_needed:4 gap:2-4"}},
		{"live: gone by name", 100, user(checked(4, LiveFact{UserName: "alice", Gone: true})), []string{"alice alice created:1 deleted:4 not_needed:4 gap:2-4"}},
		{"live: the one of that name before is gone", 10, user(checked(4, LiveFact{UserID: alice2, UserName: "alice", Gone: true})), []string{"alice alice created:1 console pending_mfa:2 due:26 gap:2-"}},
		{"live: gone in the second in which it took the name", 10, user(at(4, createUser("alice", alice2)), checked(4, LiveFact{UserID: alice2, UserName: "alice", Gone: true})),
			[]string{"alice alice created:1 deleted:4 not_needed:4 gap:2-4", "alice ann created:4 deleted:4 not_needed:4"}},
		{"live: a stranger is gone", 10, []reported{checked(4, LiveFact{UserName: "bob", Gone: true})}, nil},
		{"live: gone twice", 10, user(checked(4, LiveFact{UserID: aliceID, Gone: true}), checked(5, LiveFact{UserID: aliceID, Gone: true})), []string{"alice alice created:1 deleted:4 not_needed:4 gap:2-4"}},
		{"live: renamed", 10, user(checked(4, LiveFact{UserID: aliceID, UserName: "al"}), at(5, enableMFA("al", app))), []string{"al alice was:alice created:1 console on:5 devices:1 gap:2-5"}},
		{"live: seen by a clock ahead of AWS's", 10, []reported{checked(1, LiveFact{UserID: aliceID, UserName: "alice", ConsoleLogin: ptr(false)}), at(1.5, createUser("alice", aliceID))}, []string{"alice alice created:1.5 not_needed:1"}},
		{"live: found and displaced in one instant", 10, []reported{checked(4, LiveFact{UserID: aliceID, UserName: "ann", ConsoleLogin: ptr(true)}), checked(4, LiveFact{UserID: bobID, UserName: "ann", ConsoleLogin: ptr(true)})},
			[]string{"ann alice deleted:4 not_needed:4", "ann bob console pending_mfa:4 due:28 gap:4-"}},
		{"a deleted user gets no name", 10, user(at(3, deleteUser("alice")), at(4, createUser("bob", bobID)), at(5, iamCall(alice, "UpdateUser", fields{"userName": "alice", "newUserName": "bob"}))),
			[]string{"alice alice created:1 deleted:3 not_needed:3 gap:2-3", "bob bob created:4 not_needed:4"}},
		{"what is reported of a deleted user changes nothing", 10, user(at(3, deleteUser("alice")), at(4, iamCall(alice, "ChangePassword", nil)), at(5, signIn(alice, "No"))), []string{"alice alice created:1 deleted:3 not_needed:3 gap:2-3 signin:5"}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			var got []string
			for _, u := range fold(t, tc.asOf, tc.story...).Users {
				got = append(got, line(u))
			}
			if diff := cmp.Diff(tc.want, got); diff != "" {
				t.Errorf("users (-want +got):\n%s", diff)
			}
		})
	}
}

func TestSameNameInTwoAccounts(t *testing.T) {
	story := []call{
		createUser("alice", aliceID), setPassword("alice", false),
		createUser("alice", bobID).in(org), enableMFA("alice", app).in(org),
	}
	var facts []Fact
	for i, c := range story {
		rec := c.record(t, after(float64(i)), fmt.Sprintf("e%d", i))
		facts = append(facts, FactsOf(&rec)...)
	}
	for acct, want := range map[string]string{
		account: "alice alice created:0 console pending_mfa:1 due:25 gap:1-",
		org:     "alice bob created:2 not_needed:2 devices:1",
	} {
		st := Fold(acct, facts, DefaultOptions(), after(10))
		if len(st.Users) != 1 || line(st.Users[0]) != want {
			t.Errorf("account %s: %v, want %s", acct, st.Users, want)
		}
	}
}
