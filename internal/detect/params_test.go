package detect

import (
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestParams(t *testing.T) {
	p := paramsOf([]byte(`{"a":{"b":"x"},"off":false,"no":"False","on":true,"n":0,"list":["x",7],"one":"x","objects":[{"k":"v"},7]}`))
	if p.str("a", "b") != "x" || p.str("a", "c") != "" || p.str("a") != "" || p.str("a", "b", "c") != "" {
		t.Error("str does not follow paths")
	}
	for name, want := range map[string]bool{"off": true, "no": true, "on": false, "n": false, "absent": false} {
		if p.isFalse(name) != want {
			t.Errorf("%s: want %t", name, want)
		}
	}
	if diff := cmp.Diff([][]string{{"x"}, {"x"}, nil}, [][]string{p.strs("list"), p.strs("one"), p.strs("n")}); diff != "" {
		t.Error(diff)
	}
	if l := p.list("objects"); len(l) != 1 || l[0].str("k") != "v" || p.list("one") != nil {
		t.Errorf("list: %v", l)
	}
	for raw, want := range map[string]bool{
		`{"k":"v"}`: true, `"{\"k\":\"v\"}"`: true, `{`: false, `"{"`: false, `7`: false, `"7"`: false, `null`: false, ``: false,
	} {
		if got := paramsOf([]byte(raw)).str("k") == "v"; got != want {
			t.Errorf("%s: got %t", raw, got)
		}
	}
}
