package merge_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"rootguard/internal/testenv"

	"rootguard/infra/merge"
)

func decode(t *testing.T, text string) map[string]any {
	t.Helper()
	var v map[string]any
	if err := json.Unmarshal([]byte(text), &v); err != nil {
		t.Fatal(err)
	}
	return v
}

func TestTemplates(t *testing.T) {
	without := `{"Resources": {"Topic": {"Type": "T", "Properties": {"Name": "a", "Policy": {"Statement": [{"Sid": "One", "Resource": "x"}]}}}}}`
	with := `{"Resources": {"Topic": {"Type": "T", "Properties": {"Name": "a", "Key": {"Ref": "Key"}, "Policy": {"Statement": [{"Sid": "One", "Resource": ["x", "y"]}, {"Sid": "Two"}]}}}, "Key": {"Type": "K"}}}`
	got, err := merge.Templates([]string{"Encrypted"}, []map[string]any{decode(t, without), decode(t, with)})
	if err != nil {
		t.Fatal(err)
	}
	want := decode(t, `{"Resources": {
		"Key": {"Type": "K", "Condition": "Encrypted"},
		"Topic": {"Type": "T", "Properties": {
			"Name": "a", "Key": {"Fn::If": ["Encrypted", {"Ref": "Key"}, {"Ref": "AWS::NoValue"}]},
			"Policy": {"Statement": [
				{"Sid": "One", "Resource": {"Fn::If": ["Encrypted", ["x", "y"], "x"]}},
				{"Fn::If": ["Encrypted", {"Sid": "Two"}, {"Ref": "AWS::NoValue"}]}
			]}}}}}`)
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

// TestConditions holds which condition a resource gets that depends on two choices.
func TestConditions(t *testing.T) {
	for present, want := range map[string]string{
		"0001": "BAndA", "0111": "BOrNotBAndA", "1110": "BAndNotAOrNotB", "0101": "A", "0011": "B", "1010": "NotA", "0110": "BAndNotAOrNotBAndA", "1111": "",
	} {
		variants := make([]map[string]any, 4)
		for i := range variants {
			resources := map[string]any{"Always": map[string]any{"Type": "T"}}
			if present[i] == '1' {
				resources["R"] = map[string]any{"Type": "R"}
			}
			variants[i] = map[string]any{"Resources": resources}
		}
		got, err := merge.Templates([]string{"A", "B"}, variants)
		if err != nil {
			t.Fatal(err)
		}
		r := got["Resources"].(map[string]any)["R"].(map[string]any)
		name, _ := r["Condition"].(string)
		if name != want {
			t.Errorf("%s: condition %q, want %q", present, name, want)
		}
		conditions, _ := got["Conditions"].(map[string]any)
		if defined := conditions[name] != nil; defined != (len(want) > 1) {
			t.Errorf("%s: condition %q defined: %v", present, name, defined)
		}
		hold(t, []string{"A", "B"}, variants, got)
	}
}

// hold compares the resolved template with each variant.
func hold(t interface{ Fatalf(string, ...any) }, choices []string, variants []map[string]any, merged map[string]any) {
	for i, want := range variants {
		holds := map[string]bool{}
		for bit, name := range choices {
			holds[name] = i>>bit&1 == 1
		}
		got, err := merge.Resolve(merged, holds)
		if err != nil {
			t.Fatalf("%v", err)
		}
		if diff := cmp.Diff(want, got); diff != "" {
			text, _ := json.MarshalIndent(merged, "", " ")
			t.Fatalf("choices %v (-given +resolved):\n%s\nof\n%s", holds, diff, text)
		}
	}
}

func TestRefuses(t *testing.T) {
	for name, c := range map[string]struct{ a, b, want string }{
		"another type":     {`{"Resources": {"R": {"Type": "A"}}}`, `{"Resources": {"R": {"Type": "B"}}}`, "Resources/R/Type depends on a choice"},
		"another policy":   {`{"Resources": {"R": {"Type": "A", "DeletionPolicy": "Retain"}}}`, `{"Resources": {"R": {"Type": "A", "DeletionPolicy": "Delete"}}}`, "DeletionPolicy"},
		"another text":     {`{"Description": "a", "Resources": {}}`, `{"Description": "b", "Resources": {}}`, "Description"},
		"a condition":      {`{"Resources": {"R": {"Type": "A", "Condition": "C"}}}`, `{"Resources": {"R": {"Type": "A", "Condition": "C"}}}`, "R has a condition already"},
		"other parameters": {`{"Parameters": {"P": {"Default": "a"}}}`, `{"Parameters": {"P": {"Default": "b"}}}`, "Parameters/P"},
	} {
		_, err := merge.Templates([]string{"A"}, []map[string]any{decode(t, c.a), decode(t, c.b)})
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v, want %q", name, err, c.want)
		}
	}
	if _, err := merge.Templates([]string{"A"}, nil); err == nil || !strings.Contains(err.Error(), "0 variants") {
		t.Errorf("no variants: %v", err)
	}
}

// TestAnyTemplates holds for random templates that the one made of them is each of
// them.
func TestAnyTemplates(t *testing.T) {
	testenv.Check(t, 100, func(t *rapid.T) {
		choices := []string{"A", "B", "C"}[:rapid.IntRange(0, 3).Draw(t, "choices")]
		variants := make([]map[string]any, 1<<len(choices))
		for i := range variants {
			resources := map[string]any{}
			for id := range 3 {
				if rapid.IntRange(0, 3).Draw(t, "there") > 0 {
					resources[fmt.Sprint("R", id)] = map[string]any{"Type": fmt.Sprint("T", id), "Properties": object(t, 3)}
				}
			}
			variants[i] = map[string]any{"Resources": resources}
		}
		merged, err := merge.Templates(choices, variants)
		if err != nil {
			t.Fatalf("%v", err)
		}
		hold(t, choices, variants, merged)
	})
}

func object(t *rapid.T, depth int) map[string]any {
	out := map[string]any{}
	for _, key := range []string{"Sid", "a", "b"} {
		if rapid.Bool().Draw(t, "has") {
			out[key] = anything(t, depth-1)
		}
	}
	return out
}

func anything(t *rapid.T, depth int) any {
	kind := rapid.IntRange(0, 4).Draw(t, "kind")
	if depth == 0 {
		kind = 0
	}
	switch kind {
	case 1:
		return object(t, depth)
	case 2, 3:
		out := make([]any, rapid.IntRange(0, 3).Draw(t, "length"))
		for i := range out {
			out[i] = anything(t, depth-1)
		}
		return out
	case 4:
		return map[string]any{"Fn::Join": []any{"", []any{anything(t, 0), anything(t, 0)}}}
	default:
		return rapid.SampledFrom([]any{"x", "y", true, 1.0}).Draw(t, "text")
	}
}
