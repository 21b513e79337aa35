package eventpattern

import (
	"strings"
	"testing"
)

func TestSame(t *testing.T) {
	const base = `{"source": [{"prefix": "aws."}], "detail": {"eventName": ["A", "B"], "$or": [{"x": [1]}, {"y": [{"exists": false}]}]}}`
	for name, tc := range map[string]struct {
		a, b string
		want bool
	}{
		"itself":                {base, base, true},
		"other order":           {base, `{"detail":{"$or":[{"y":[{"exists":false}]},{"x":[1]}],"eventName":["B","A"]},"source":[{"prefix":"aws."}]}`, true},
		"an alternative twice":  {`{"a":["x","x"]}`, `{"a":["x"]}`, true},
		"an alternative fewer":  {base, strings.Replace(base, `"A", "B"`, `"A"`, 1), false},
		"another operator":      {`{"a":[{"prefix":"x"}]}`, `{"a":[{"suffix":"x"}]}`, false},
		"a text is no number":   {`{"a":["1"]}`, `{"a":[1]}`, false},
		"a text is no list":     {`{"a":["[]"]}`, `{"a":[[]]}`, false},
		"false is not true":     {`{"a":[{"exists":false}]}`, `{"a":[{"exists":true}]}`, false},
		"numeric keeps order":   {`{"a":[{"numeric":[">",1,"<",5]}]}`, `{"a":[{"numeric":[">",5,"<",1]}]}`, false},
		"no JSON":               {`{`, `{`, false},
		"more after it":         {`{} {}`, `{} {}`, false},
		"empty":                 {"", "", false},
		"a member of the other": {`{"a":["x"]}`, `{"a":["x"],"b":["y"]}`, false},
	} {
		if got := Same(tc.a, tc.b); got != tc.want {
			t.Errorf("%s: %v, want %v", name, got, tc.want)
		}
		if Same(tc.a, tc.b) != Same(tc.b, tc.a) {
			t.Errorf("%s: not symmetric", name)
		}
	}
}
