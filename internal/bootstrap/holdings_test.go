package bootstrap

import (
	"testing"

	"rootguard/internal/cloudtrail"
)

// TestHoldings holds what is known of devices or keys after each thing that is seen,
// and since which evidence.
func TestHoldings(t *testing.T) {
	ev := func(id string) Evidence { return Evidence{EventID: id} }
	type step func(h *holdings)
	var (
		add = func(name, id string) step { return func(h *holdings) { h.add(name, ev(id)) } }
		see = func(name, id string) step { return func(h *holdings) { h.see(name, ev(id)) } }
		off = func(name string, none bool, id string) step {
			return func(h *holdings) { h.remove(name, none, ev(id)) }
		}
		prove   = func(some bool, id string) step { return func(h *holdings) { h.prove(some, true, ev(id)) } }
		replace = func(id string, names ...string) step { return func(h *holdings) { h.replace(names, ev(id)) } }
	)
	for _, tt := range []struct {
		name    string
		steps   []step
		any     cloudtrail.Answer
		n       int // of those that are known
		unnamed int
		since   string // evidence of the answer
	}{
		{"nothing is known", nil, cloudtrail.Unknown, 0, 0, ""},
		{"one is added", []step{add("a", "1")}, cloudtrail.Yes, 1, 0, "1"},
		{"a second keeps the first one's evidence", []step{add("a", "1"), add("b", "2")}, cloudtrail.Yes, 2, 0, "1"},
		{"the same twice is one", []step{add("a", "1"), add("a", "2")}, cloudtrail.Yes, 1, 0, "1"},
		{"one without a name", []step{add("", "1")}, cloudtrail.Yes, 0, 1, "1"},
		{"one in use is the one without a name", []step{add("", "1"), see("a", "2")}, cloudtrail.Yes, 1, 0, "1"},
		{"one in use is one more", []step{add("a", "1"), see("b", "2")}, cloudtrail.Yes, 2, 0, "1"},
		{"one in use that is known leaves the one without a name", []step{add("a", "1"), add("", "2"), see("a", "3")}, cloudtrail.Yes, 1, 1, "1"},

		{"the last is removed, and there are no others", []step{add("a", "1"), off("a", true, "2")}, cloudtrail.No, 0, 0, "2"},
		{"the last known one is removed", []step{add("a", "1"), off("a", false, "2")}, cloudtrail.Unknown, 0, 0, "2"},
		{"one of two is removed", []step{add("a", "1"), add("b", "2"), off("a", true, "3")}, cloudtrail.Yes, 1, 0, "1"},
		{"an unknown one is removed of one without a name", []step{add("", "1"), off("x", true, "2")}, cloudtrail.No, 0, 0, "2"},
		{"an unknown one is removed, and a known one stays", []step{add("a", "1"), off("x", true, "2")}, cloudtrail.Yes, 1, 0, "1"},
		{"an unknown one is removed of nothing known", []step{off("x", true, "1")}, cloudtrail.No, 0, 0, "1"},
		{"an unknown one is removed of nothing known, and then one is added", []step{off("x", true, "1"), add("a", "2")}, cloudtrail.Yes, 1, 0, "2"},
		{"one of two, it is not known which", []step{add("a", "1"), add("b", "2"), off("", true, "3")}, cloudtrail.Yes, 0, 1, "1"},
		{"the only one, without its name", []step{add("a", "1"), off("", true, "2")}, cloudtrail.No, 0, 0, "2"},

		{"a check proves none", []step{add("a", "1"), prove(false, "2")}, cloudtrail.No, 0, 0, "2"},
		{"a check proves some", []step{prove(true, "1")}, cloudtrail.Yes, 0, 1, "1"},
		{"a check proves some that are known", []step{add("a", "1"), prove(true, "2")}, cloudtrail.Yes, 1, 0, "1"},
		{"a check lists others", []step{add("a", "1"), replace("2", "b", "c")}, cloudtrail.Yes, 2, 0, "1"},
		{"a check lists none", []step{add("a", "1"), replace("2")}, cloudtrail.No, 0, 0, "2"},
		{"after a list, the last that goes leaves none", []step{replace("1", "a"), off("a", true, "2")}, cloudtrail.No, 0, 0, "2"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var h holdings
			for _, do := range tt.steps {
				do(&h)
			}
			if h.any() != tt.any || len(h.named) != tt.n || h.unnamed != tt.unnamed || h.ev.EventID != tt.since {
				t.Errorf("%v, %d known, %d without a name, since %q; want %v, %d, %d, %q", h.any(), len(h.named), h.unnamed, h.ev.EventID, tt.any, tt.n, tt.unnamed, tt.since)
			}
		})
	}
}

func TestAwaitsMFA(t *testing.T) {
	for _, tt := range []struct {
		u    UserStatus
		want bool
	}{
		{UserStatus{MFA: MFAPending}, true},
		{UserStatus{MFA: MFAMissing}, true},
		{UserStatus{MFA: MFAOn}, false},
		{UserStatus{}, false},
		{UserStatus{MFA: MFAPending, Deleted: true}, false},
		{UserStatus{MFA: MFAMissing, Deleted: true}, false},
	} {
		if got := tt.u.AwaitsMFA(); got != tt.want {
			t.Errorf("%+v: %v", tt.u, got)
		}
	}
}
