package eventpattern

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"
)

// delivery is a pattern about named resources as it was deployed once: with
// branches more of $or, of which each repeats the wildcards.
func delivery(branches int, wildcards ...string) string {
	var named []any
	for _, w := range wildcards {
		named = append(named, map[string]any{"wildcard": w})
	}
	within := func(path string, values ...any) map[string]any {
		var v any = values
		parts := strings.Split(path, ".")
		slices.Reverse(parts)
		for _, p := range parts {
			v = map[string]any{p: v}
		}
		return v.(map[string]any)
	}
	fields := []map[string]any{within("errorMessage", named...)}
	for _, p := range []string{"name", "queueUrl", "rule", "subscriptionArn", "tableName", "topicArn"} {
		fields = append(fields, within("requestParameters."+p, named...))
	}
	pattern := map[string]any{
		"source": []any{map[string]any{"prefix": "aws."}}, "detail-type": []any{"AWS API Call via CloudTrail"},
		"detail": map[string]any{"eventSource": []any{"events.amazonaws.com", "sns.amazonaws.com"}, "eventName": []any{"DeleteRule", "DeleteTopic"}, "$or": fields},
	}
	if or := []map[string]any{
		within("detail.userIdentity.type", map[string]any{"anything-but": "Root"}),
		within("detail.userIdentity.type", map[string]any{"exists": false}),
		within("detail.userIdentity.invokedBy", map[string]any{"anything-but": "signin.amazonaws.com"}),
	}; branches > 0 {
		pattern["$or"] = or[:branches]
	}
	text, err := json.Marshal(pattern)
	if err != nil {
		panic(err)
	}
	return string(text)
}

// both are the wildcards for a prefix in either case of its first letter.
func both(prefix string) []string {
	return []string{"*" + prefix + "*", "*" + strings.ToUpper(prefix[:1]) + prefix[1:] + "*"}
}

func named(wildcards ...string) string { return delivery(0, wildcards...) }

// TestComplexity compares with what event-ruler 2.0.1, AWS's own engine, makes of
// the same patterns, and of those that AWS accepted or refused in public.
func TestComplexity(t *testing.T) {
	stack := func(names ...string) string {
		for i := range names {
			names[i] = "*:stack/" + names[i] + "/*"
		}
		return named(names...)
	}
	for _, tc := range []struct {
		name, pattern string
		want          int
	}{
		{"no wildcard", `{"source": [{"prefix": "aws."}]}`, 0},
		{"a wildcard without a star", `{"a": [{"wildcard": "abc"}]}`, 1},
		{"repeating, in the User Guide", `{"FileName": [{"wildcard": "/Users/*/dir/dir/dir/dir/dir/doc.txt"}]}`, 7},
		{"four endings, accepted", named("*.bif", "*.tiff", "*.tif", "*.svs"), 8},
		{"two endings in a folder, accepted", named("*/datasync/*.bif", "*/datasync/*.tif"), 8},
		{"three stacks, accepted", stack("alpha", "bravo", "crane"), 9},
		{"too complex, in the User Guide", `{"EventBusArn": [{"wildcard": "*:*:*:*:*:event-bus/*"}]}`, 11},
		{"four stacks, refused", stack("alpha", "bravo", "crane", "delta"), 12},
		{"four endings in a folder, refused", named("*/datasync/*.bif", "*/datasync/*.tif", "*/datasync/*.tiff", "*/datasync/*.svs"), 16},

		{"both spellings in three branches", delivery(3, both("rootguard")...), 14},
		{"twenty letters in three branches", delivery(3, both(strings.Repeat("a", 20))...), 68},
		{"ten words in three branches", delivery(3, both("rr-rr-rr-rr-rr-rr-rr")...), 32},
		{"a word three times in three branches", delivery(3, both("dev-dev-dev")...), 17},
		{"two branches", delivery(2, both("rootguard")...), 10},
		{"one spelling in three branches", delivery(3, "*rootguard*"), 10},
		{"no branches", delivery(0, both("rootguard")...), 6},
		{"no branches, a word three times", delivery(0, both("dev-dev-dev")...), 7},
		{"no branches, twenty letters", delivery(0, both(strings.Repeat("a", 20))...), 24},
		{"one wildcard", named("*ootguard*"), 4},
		{"one wildcard, a word three times", named("*ev-dev-dev*"), 5},
		{"one wildcard, nineteen letters", named("*" + strings.Repeat("a", 19) + "*"), 21},

		{"after another field", `{"abc": [{"prefix": "a"}, "abcdef", {"suffix": "z"}], "def": [{"prefix": "b"}, {"wildcard": "a*a*a*a*a*a*"}, {"suffix": "c"}], "ghi": ["abcdef"]}`, 11},
		{"behind a field that is absent", `{"aaa": [{"exists": false}], "zzz": [{"wildcard": "*z*"}]}`, 3},
		{"none of two", `{"a": [{"anything-but": {"wildcard": ["a*aaa", "aa*aa"]}}]}`, 7},
		{"numbers of one value make one branch", `{"$or": [{"a": [1], "c": ["x"]}, {"a": [1.0], "d": ["x"]}], "b": [{"wildcard": "*abab*"}]}`, 7},
		{"different values do not", `{"$or": [{"a": [1], "c": ["x"]}, {"a": [2], "d": ["x"]}], "b": [{"wildcard": "*abab*"}]}`, 4},
	} {
		got, err := Complexity([]byte(tc.pattern))
		if err != nil || got != tc.want {
			t.Errorf("%s: %d, %v, want %d: %.300s", tc.name, got, err, tc.want, tc.pattern)
		}
	}
	if _, err := Complexity([]byte(`{"a": [{"wildcard": "**"}]}`)); err == nil {
		t.Error("measured what Compile refuses")
	}
}

// TestAutomaton has the numbers of event-ruler's own tests
// (MachineComplexityEvaluatorTest), of wildcards without the quotes about them.
func TestAutomaton(t *testing.T) {
	for _, tc := range []struct {
		want      int
		wildcards []string
	}{
		{1, []string{"*"}}, {1, []string{"abc"}}, {2, []string{"*ab"}}, {3, []string{"*aa"}}, {2, []string{"a*b"}}, {2, []string{"aa*"}},
		{3, []string{"a*bb"}}, {3, []string{"a*bcb"}}, {4, []string{"a*bbb"}}, {4, []string{"*ab*ad"}}, {3, []string{"*ab*d"}}, {4, []string{"*aba*"}},
		{5, []string{"a*b*bb"}}, {4, []string{"a*b*cb"}}, {3, []string{"a*b*cd"}}, {4, []string{"a*b*b"}}, {4, []string{"a*bb*"}}, {3, []string{"ab*b*"}},
		{7, []string{"*ab*b*b*"}}, {17, []string{"*a*a*a*a*a*a*a*a*"}},
		{3, []string{"*", "ab*c"}}, {3, []string{"ab*c", "x*xx"}}, {4, []string{"*abc", "*abcde"}}, {4, []string{"a*bcd", "ab*cd"}},
		{7, []string{"a*aaa", "aa*aa"}}, {4, []string{"a*bc", "abc*d"}}, {6, []string{"a*aaa", "aaa*a"}}, {5, []string{"a*aax", "aaa*x"}},
		{4, []string{"a*bc", "abc*"}}, {5, []string{"a*aa", "aaa*"}}, {3, []string{"abc*", "abcde*"}}, {6, []string{"ab*cd", "ab*wx", "ab*yz"}},
		{2, []string{"ab*c", "ab*c"}}, {10, []string{"F*eatureFeature", "Fe*atureFeature", "Fea*tureFeature"}},
		{45, strings.Fields(`aahed* aal*ii aargh* aarti* a*baca *abaci a*back ab*acs abaf*t *abaka ab*amp a*band *abase abash* abas*k ab*ate
			aba*ya abbas* abbed* ab*bes abbey* *abbot ab*cee abea*m abe*ar a*bele a*bers abet*s *abhor abi*de a*bies *abled`)},
	} {
		var a automaton
		for _, w := range tc.wildcards {
			quoted := tokens(w)
			a.add(w, quoted[1:len(quoted)-1])
		}
		m := meter{steps: maxSteps}
		if got := m.most(&a); got != tc.want || m.steps < 0 {
			t.Errorf("%q: %d with %d steps left, want %d", tc.wildcards, got, m.steps, tc.want)
		}
	}
}

// The work of measuring is bounded, whatever the pattern.
func TestComplexityIsBounded(t *testing.T) {
	stars := func(n int, each string) string {
		return `{"a": [{"wildcard": "*` + strings.Repeat(each+"*", n) + `"}]}`
	}
	var many []string
	for c := 'a'; c <= 'z'; c++ {
		for _, d := range "xyz" {
			many = append(many, fmt.Sprintf("*%c%c*", c, d))
		}
	}
	list, err := json.Marshal(many)
	if err != nil {
		t.Fatal(err)
	}
	for name, pattern := range map[string]string{
		"stars": stars(900, "a"), "words": stars(200, "ab-ba"), "many wildcards": `{"a": [{"anything-but": {"wildcard": ` + string(list) + `}}]}`,
		"many, in ten $or of two": `{` + strings.Join(func() (ors []string) {
			for i := range 9 {
				ors = append(ors, fmt.Sprintf(`"f%d": {"$or": [{"a": ["x", "y"]}, {"a": ["y", "z"]}]}`, i))
			}
			return ors
		}(), ",") + `, "z": [{"wildcard": "*a*"}]}`,
	} {
		began := time.Now()
		got, err := Complexity([]byte(pattern))
		if err != nil || got <= MaxComplexity {
			t.Errorf("%s: %d, %v, want more than %d", name, got, err, MaxComplexity)
		}
		if took := time.Since(began); took > 10*time.Second {
			t.Errorf("%s: took %s", name, took)
		}
		t.Log(name, got, time.Since(began))
	}
}

func FuzzComplexity(f *testing.F) {
	for _, seed := range []string{delivery(3, both("rootguard")...), `{"a": [{"wildcard": "*a*b*"}], "$or": [{"b": [1]}, {"c": [{"exists": false}]}]}`, `{"a": [{"anything-but": {"wildcard": ["*a", "b*"]}}]}`, `{"a": [{"wildcard": "\\*\\\\*é*"}]}`} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, pattern []byte) {
		began := time.Now()
		got, err := Complexity(pattern)
		if _, refused := Compile(pattern); (err != nil) != (refused != nil) {
			t.Fatalf("Complexity says %v, Compile %v", err, refused)
		}
		if err == nil && (got < 0 || got > worstComplexity) {
			t.Fatalf("complexity %d", got)
		}
		if took := time.Since(began); took > 20*time.Second {
			t.Fatalf("took %s", took)
		}
	})
}
