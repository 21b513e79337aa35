package detect

import (
	"slices"
	"strings"
	"testing"
	"time"

	"rootguard/internal/cloudtrail"
)

// TestAnnounce holds which findings an announcement lowers, and how far.
func TestAnnounce(t *testing.T) {
	until := time.Date(2026, 1, 2, 5, 0, 0, 0, time.UTC)
	of := func(id ID, s Severity, also ...ID) Finding {
		return Finding{ID: id, Severity: s, Title: "T", Also: also, MFA: cloudtrail.Yes}
	}
	with := func(f Finding, change func(*Finding)) Finding { change(&f); return f }
	for _, tt := range []struct {
		name string
		f    Finding
		use  bool // of root
		want Severity
	}{
		{"a sign-in with MFA", of(RootSignin, Critical), true, Low},
		{"a sign-in whose MFA is not on record", with(of(RootSignin, Critical), func(f *Finding) { f.MFA = cloudtrail.Unknown }), true, Critical},
		{"a sign-in without MFA", with(of(RootSigninNoMFA, Critical), func(f *Finding) { f.MFA = cloudtrail.No }), true, Critical},
		{"a call", of(RootActivity, High), true, Low},
		{"a call with temporary credentials", with(of(RootActivity, High), func(f *Finding) { f.Actor.AccessKeyID = "ASIA1" }), true, Low},
		{"a call with an access key", with(of(RootActivity, High), func(f *Finding) { f.Actor.AccessKeyID = "AKIA1" }), true, High},
		{"a root session", of(RootSession, Medium), true, Low},
		{"an audit in a root session", of(RootSession, Low), true, Low},
		{"root makes a user", of(UserCreated, High, RootActivity), true, Low},
		{"root makes an administrator", of(UserAdminGranted, High, RootActivity), true, Medium},
		{"root takes a user's MFA", of(UserMFARemoved, High, RootActivity), true, High},
		{"root fails to make an administrator", of(UserAdminGranted, Info, RootActivity), true, Info},
		{"root makes itself a key", of(RootAccessKeyCreated, Critical, RootActivity), true, Critical},
		{"root drops its MFA", of(RootMFARemoved, Critical, RootActivity), true, Critical},
		{"root gives itself MFA", of(RootMFAAdded, Info, RootActivity), true, Info},
		{"root changes its address", of(RootEmailChanged, Critical, RootActivity), true, Critical},
		{"root stops the trail", of(GuardTampered, Critical, RootActivity), true, Critical},
		{"somebody else stops the trail", of(GuardTampered, Critical), false, Critical},
		{"a failed sign-in", of(RootSigninFailed, Medium), false, Medium},
		{"a password recovery", of(RootPasswordRecovery, Critical), false, Critical},
		{"somebody else makes a user", of(UserCreated, Info), false, Info},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if got := IsRootUse(&tt.f); got != tt.use {
				t.Errorf("root use: %v, want %v", got, tt.use)
			}
			if !tt.use {
				return // Announce is not asked
			}
			got := Announce(tt.f, Announced{ID: "a", Owner: "alice", Reason: "why", Until: until})
			if got.Severity != tt.want {
				t.Errorf("severity %s, want %s", got.Severity, tt.want)
			}
			if lowered := strings.HasSuffix(got.Title, " (announced)"); lowered != (tt.want < tt.f.Severity) {
				t.Errorf("title %q", got.Title)
			}
			if got.Announced == nil || *got.Announced != (Announced{ID: "a", Owner: "alice", Reason: "why", Until: until, Severity: tt.f.Severity}) {
				t.Errorf("announced: %+v", got.Announced)
			}
		})
	}
}

func TestUsedIn(t *testing.T) {
	const management, member = "111122223333", "444455556666"
	for _, tt := range []struct {
		f    Finding
		want string
	}{
		{Finding{ID: RootSignin, Account: management}, management},
		{Finding{ID: RootSession, EventName: "AssumeRoot", Account: management, Target: Target{Resource: "account " + member}}, member},
		{Finding{ID: RootSession, EventName: "AssumeRoot", Account: management, Target: Target{Resource: "account arn:aws:iam::" + member + ":root"}}, member},
		{Finding{ID: RootSession, EventName: "AssumeRoot", Account: management}, management},
		{Finding{ID: RootSession, EventName: "DeleteBucketPolicy", Account: member}, member},
		{Finding{ID: RootEmailChanged, EventName: "AcceptPrimaryEmailUpdate", Account: management, Target: Target{Resource: "account " + member}}, management},
	} {
		if got := UsedIn(&tt.f); got != tt.want {
			t.Errorf("%s %s: %s, want %s", tt.f.ID, tt.f.EventName, got, tt.want)
		}
	}
}

func TestFindingsOfAnnouncements(t *testing.T) {
	at := time.Date(2026, 1, 2, 3, 0, 0, 0, time.UTC)
	use := AnnouncedUse{Account: "111122223333", ID: "3F9D0-KQ7TB", From: at, Until: at.Add(time.Hour), Owner: "alice\n", Reason: "OPS-17"}
	by := Actor{Type: "IAMUser", Name: "bob", ARN: "arn:aws:iam::111122223333:user/bob"}
	one := Acknowledgement{Account: "111122223333", Incident: "7K4Q2-X2M9P", Cycle: 2, Title: "Root sign-in"}
	ids := map[string]bool{}
	for _, tt := range []struct {
		f     Finding
		s     Severity
		title string
		says  []string
	}{
		{UseAnnounced(use, by, at), High, "Root use announced by alice?", []string{"3F9D0-KQ7TB from 2026-01-02T03:00:00Z until 2026-01-02T04:00:00Z", "reason: OPS-17", "lowered"}},
		{UseClosed(use, by, "done.", at), Info, "Announced root use closed early", []string{"Closed because: done."}},
		{UseClosed(use, by, "", at), Info, "Announced root use closed early", []string{"3F9D0-KQ7TB"}},
		{UseEnded(use, by, "Root: 1 sign-in.", at), Info, "Announced root use ended", []string{"opened by " + by.ARN, "Root: 1 sign-in."}},
		{UseEnded(use, by, "", at), Info, "Announced root use ended, root was not used", []string{"No use of root was reported"}},
		{Acknowledged(one, Operator{by, "bob", "me", at, time.Time{}}), Info, "Incident acknowledged: 7K4Q2-X2M9P", []string{"By bob; note: me; it was about: Root sign-in."}},
		{Acknowledged(one, Operator{by, "bob", "me", at, at.Add(8 * time.Hour)}), Info, "Incident snoozed: 7K4Q2-X2M9P", []string{"By bob; note: me; it was about: Root sign-in."}},
		{AcknowledgedAll("111122223333", "3F9D0-KQ7TB", []Acknowledgement{one}, Operator{by, "bob", "me.", at, time.Time{}}), Info, "1 incident acknowledged together",
			[]string{"By bob; note: me. They are: 7K4Q2-X2M9P (Root sign-in, account 111122223333)."}},
		{AcknowledgedAll("111122223333", "3F9D0-KQ7TB", slices.Repeat([]Acknowledgement{one}, 440), Operator{by, "bob", "me", at, at.Add(8 * time.Hour)}), Info, "440 incidents snoozed together",
			[]string{"account 111122223333) and 428 more, which rootguard incidents --all lists."}},
	} {
		if tt.f.Severity != tt.s || tt.f.Title != tt.title || tt.f.Account != "111122223333" || !tt.f.EventTime.Equal(at) || tt.f.NextStep == "" {
			t.Errorf("%+v", tt.f)
		}
		for _, want := range tt.says {
			if !strings.Contains(tt.f.Detail, want) {
				t.Errorf("%s: detail %q, want %q", tt.title, tt.f.Detail, want)
			}
		}
		ids[tt.f.EventID] = true
	}
	if len(ids) != 5 { // one an act: closing and ending have the same ID whatever they say
		t.Errorf("event IDs: %v", ids)
	}
}
