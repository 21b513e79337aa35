package cloudtrail

import (
	"encoding/json"
	"testing"
)

func TestFields(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name, raw, str string
		answer         Answer
		count          int
	}{
		{"nothing", "", "", Unknown, 0},
		{"null", "null", "", Unknown, 0},
		{"array", `["a"]`, "", Unknown, 0},
		{"empty", ` { } `, "", Unknown, 0},
		{"string", `{"x":"yes"}`, "yes", Yes, 1},
		{"spaced", " {\n\"y\" : 1 ,\t\"x\" : \"No\" } ", "No", No, 2},
		{"boolean", `{"x":true}`, "", Yes, 1},
		{"false", `{"x":false}`, "", No, 1},
		{"number", `{"x":1}`, "", Unknown, 1},
		{"null field", `{"x":null}`, "", Unknown, 1},
		{"other case", `{"X":"yes"}`, "", Unknown, 1},
		{"escaped", `{"\u0078":"\u0079es"}`, "yes", Yes, 1},
		{"last of two", `{"x":"no","x":"yes"}`, "yes", Yes, 1},
		{"in a string", `" {\"x\":\"yes\"} "`, "yes", Yes, 1},
		{"no object in a string", `"null"`, "", Unknown, 0},
		{"nothing in a string", `""`, "", Unknown, 0},
		{"cut short", `{"x":"yes"`, "", Unknown, 0},
		{"cut short in a string", `"{\"x\"`, "", Unknown, 0},
		{"more after it", `{"x":"yes"} 1`, "", Unknown, 0},
		{"more after a string", `"{}" 1`, "", Unknown, 0},
		{"broken", `{"x":}`, "", Unknown, 0},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			o := fields(json.RawMessage(test.raw))
			if got := o.str("x"); got != test.str {
				t.Errorf("string %q, want %q", got, test.str)
			}
			if got := o.answer("x"); got != test.answer {
				t.Errorf("answer %v, want %v", got, test.answer)
			}
			if len(o) != test.count {
				t.Errorf("%d fields, want %d", len(o), test.count)
			}
		})
	}
}
