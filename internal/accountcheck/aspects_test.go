package accountcheck

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"rootguard/internal/bootstrap"
	"rootguard/internal/cloudtrail"
	"rootguard/internal/detect"
)

func mfaEnabled(n int) *bootstrap.LiveFact { return &bootstrap.LiveFact{AccountMFAEnabled: &n} }

// TestMFAFinding holds whether root that has no MFA had it.
func TestMFAFinding(t *testing.T) {
	for _, tt := range []struct {
		name  string
		facts []bootstrap.Fact
		last  *bootstrap.LiveFact
		never bool
		want  detect.ID
	}{
		{"nothing is known", nil, nil, true, detect.RootMFAMissing},
		{"a check saw it right, and its answer is not kept", nil, nil, false, detect.RootMFARemoved},
		{"a check saw it, and the last one too", nil, mfaEnabled(1), false, detect.RootMFARemoved},
		{"a check saw it right without MFA", nil, mfaEnabled(0), false, detect.RootMFAMissing},
		{"no check saw it right, whatever the last says", nil, mfaEnabled(1), true, detect.RootMFAMissing},
		{"a device", []bootstrap.Fact{{Kind: bootstrap.RootMFAEnabled}}, nil, true, detect.RootMFARemoved},
		{"a device that was removed", []bootstrap.Fact{{Kind: bootstrap.RootMFADeactivated}}, nil, true, detect.RootMFAMissing},
		{"a sign-in with MFA", []bootstrap.Fact{{Kind: bootstrap.RootSignIn, MFA: cloudtrail.Yes}}, nil, true, detect.RootMFARemoved},
		{"a sign-in without", []bootstrap.Fact{{Kind: bootstrap.RootSignIn, MFA: cloudtrail.No}}, nil, true, detect.RootMFAMissing},
		{"a user's sign-in", []bootstrap.Fact{{Kind: bootstrap.UserSignIn, MFA: cloudtrail.Yes}}, nil, true, detect.RootMFAMissing},
		{"a check on record", []bootstrap.Fact{{Kind: bootstrap.Live, Live: mfaEnabled(1)}}, nil, true, detect.RootMFARemoved},
		{"a check on record, without", []bootstrap.Fact{{Kind: bootstrap.Live, Live: mfaEnabled(0)}}, nil, true, detect.RootMFAMissing},
	} {
		if got := mfaFinding(tt.facts, tt.last, tt.never); got != tt.want {
			t.Errorf("%s: %s, want %s", tt.name, got, tt.want)
		}
	}
}

// TestRootFacts holds which facts are about root itself, and their order.
func TestRootFacts(t *testing.T) {
	facts := []bootstrap.Fact{
		{ID: "removed", Kind: bootstrap.RootMFADeactivated, Time: nine},
		{ID: "deleted", Kind: bootstrap.RootKeyDeleted, Time: nine},
		{ID: "enabled", Kind: bootstrap.RootMFAEnabled, Time: nine},
		{ID: "created", Kind: bootstrap.RootKeyCreated, Time: nine, AccessKeyID: "ASIAASSUMED"},
		{ID: "user", Kind: bootstrap.UserCreated, Time: nine},
		{ID: "before", Kind: bootstrap.RootMFADeactivated, Time: nine.Add(-time.Second)},
		{ID: "assumed", Kind: bootstrap.RootActivity, Time: nine, AccessKeyID: "ASIAASSUMED"},
		{ID: "at work", Kind: bootstrap.RootActivity, Time: nine, AccessKeyID: "ASIAROOT"},
		{ID: "keyless", Kind: bootstrap.RootActivity, Time: nine},
		{ID: "session", Kind: bootstrap.AssumedRoot, Time: nine.Add(time.Second), AccessKeyID: "ASIAASSUMED"},
		{ID: "keyless session", Kind: bootstrap.AssumedRoot, Time: nine.Add(time.Second)},
		{ID: "other use of a key", Kind: bootstrap.RootKeyDeleted, Time: nine.Add(time.Second), AccessKeyID: "ASIAROOT"},
	}
	var got []string
	for _, f := range rootFacts(facts) {
		got = append(got, f.ID)
	}
	if got, want := strings.Join(got, ", "), "before, enabled, created, at work, keyless, removed, deleted, session, keyless session, other use of a key"; got != want {
		t.Errorf("%s, want %s", got, want)
	}
}

// TestSince holds to the nanosecond which facts are later than a time.
func TestSince(t *testing.T) {
	for _, tt := range []struct {
		first, last time.Duration
		want        bool
	}{{-1, -1, false}, {0, 0, false}, {1, 0, true}, {0, 1, true}, {1, 1, true}} {
		got := since([]bootstrap.Fact{{Time: nine.Add(-time.Hour)}, {ID: "x", Time: nine.Add(tt.first), Last: nine.Add(tt.last)}}, nine)
		if (len(got) == 1 && got[0].ID == "x") != tt.want || len(got) > 1 {
			t.Errorf("%+v: %v", tt, got)
		}
	}
}

// TestUnexplained holds from when on an event explains that root lost its MFA: from
// shortly before the last time that a check saw it, by the row or by a fact.
func TestUnexplained(t *testing.T) {
	removed := func(at time.Duration) bootstrap.Fact {
		return bootstrap.Fact{Kind: bootstrap.RootMFADeactivated, Serial: "a", Time: nine.Add(at)}
	}
	checked := func(at time.Duration, mfa int) bootstrap.Fact {
		return bootstrap.Fact{Kind: bootstrap.Live, Live: mfaEnabled(mfa), Time: nine.Add(at)}
	}
	const delay = consistencyDelay
	for _, tt := range []struct {
		seen  time.Time
		facts []bootstrap.Fact
		want  detect.ID // "": explained
	}{
		{nine, []bootstrap.Fact{removed(1)}, ""},
		{nine, []bootstrap.Fact{removed(1 - delay)}, ""},
		{nine, []bootstrap.Fact{removed(-delay)}, detect.RootMFARemoved},
		{time.Time{}, []bootstrap.Fact{removed(-delay)}, ""},
		{nine.Add(-time.Hour), []bootstrap.Fact{removed(-delay), checked(0, 1)}, detect.RootMFARemoved},
		{nine.Add(-time.Hour), []bootstrap.Fact{removed(-delay), checked(0, 0)}, ""},
		{nine, []bootstrap.Fact{removed(1 - delay), checked(-time.Minute, 1)}, ""},
		{nine, []bootstrap.Fact{checked(-time.Minute, 1), removed(-delay)}, detect.RootMFARemoved},
		{time.Time{}, nil, detect.RootMFAMissing},
	} {
		id, ok := rootAspects[0].unexplained(&Root{Known: mfaEnabled(1), Seen: RootSeen{MFA: tt.seen}}, tt.facts)
		if id != tt.want || ok != (tt.want != "") {
			t.Errorf("seen %v, facts %s: %q, %v, want %q", tt.seen.Sub(nine), fmt.Sprint(tt.facts), id, ok, tt.want)
		}
	}
}
