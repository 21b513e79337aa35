package label

import (
	"testing"
	"time"

	"rootguard/internal/bootstrap"
)

func TestEveryStepHasWords(t *testing.T) {
	seen := map[string]bool{}
	for _, s := range bootstrap.Steps() {
		w := Step(s)
		if w == string(s) || seen[w] {
			t.Errorf("step %s reads %q", s, w)
		}
		seen[w] = true
	}
}

func TestGlyphsDiffer(t *testing.T) {
	for _, isUnicode := range []bool{true, false} {
		seen := map[string]bootstrap.State{}
		for _, s := range []bootstrap.State{bootstrap.Done, bootstrap.Pending, bootstrap.Regressed, bootstrap.NotApplicable, bootstrap.Unknown} {
			g := Glyph(s, isUnicode)
			if other, ok := seen[g]; ok {
				t.Errorf("%s and %s look the same: %q", s, other, g)
			}
			seen[g] = s
			if !isUnicode && (len(g) != 1 || g[0] >= 0x80) {
				t.Errorf("the ASCII glyph of %s is %q", s, g)
			}
		}
	}
}

func TestClean(t *testing.T) {
	for in, want := range map[string]string{
		"admin":                "admin",
		"jürgen 日本":            "jürgen 日本",
		"a\x1b[31mred":         `a\x1b[31mred`,
		"a\nb":                 `a\x0ab`,
		"a\u202eb":             `a\u202eb`,
		"zero\u200bwidth":      `zero\u200bwidth`,
		"line\u2028separator":  `line\u2028separator`,
		"broken \xff encoding": `broken \ufffd encoding`,
		"c1 \u009b31m":         `c1 \x9b31m`,
	} {
		if got := Clean(in); got != want {
			t.Errorf("Clean(%q) = %q, want %q", in, got, want)
		}
	}
	if got := CleanText("a\n\tb\x1b\r"); got != "a\n\tb\\x1b\\x0d" {
		t.Errorf("CleanText = %q", got)
	}
}

func TestVerdict(t *testing.T) {
	step := func(states ...bootstrap.State) (s bootstrap.Status) {
		for _, st := range states {
			s.Steps = append(s.Steps, bootstrap.StepStatus{State: st})
		}
		return s
	}
	bootstrapped := step(bootstrap.Done, bootstrap.NotApplicable)
	bootstrapped.Bootstrapped = true
	noRoot := step(bootstrap.Pending)
	noRoot.NoRootCredentials = true
	for want, s := range map[string]bootstrap.Status{
		"bootstrapped":                              bootstrapped,
		"not bootstrapped yet":                      step(bootstrap.Done, bootstrap.Unknown),
		"no root credentials, not bootstrapped yet": noRoot,
		"1 step regressed":                          step(bootstrap.Regressed, bootstrap.Done),
		"2 steps regressed":                         step(bootstrap.Regressed, bootstrap.Regressed),
	} {
		if got := Verdict(s); got != want {
			t.Errorf("Verdict = %q, want %q", got, want)
		}
	}
	if done, of := Progress(bootstrapped); done != 1 || of != 1 {
		t.Errorf("Progress = %d of %d, want 1 of 1", done, of)
	}
}

func TestDeadline(t *testing.T) {
	at := time.Date(2026, 3, 4, 8, 52, 15, 0, time.UTC)
	for _, c := range []struct {
		asOf time.Time
		want string
	}{
		{at.Add(-3 * time.Hour), "due by 2026-03-04 08:52:15 UTC, in 3 h"},
		{at, "was due by 2026-03-04 08:52:15 UTC, 0 s ago"},
		{at.Add(72 * time.Hour), "was due by 2026-03-04 08:52:15 UTC, 3 d ago"},
	} {
		if got := Deadline(at, c.asOf); got != c.want {
			t.Errorf("Deadline as of %v = %q, want %q", c.asOf, got, c.want)
		}
	}
	if got := Deadline(time.Time{}, at); got != "no deadline" {
		t.Errorf("Deadline of none = %q", got)
	}
}
