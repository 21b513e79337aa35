package eventpattern

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
)

// Same reports whether two patterns let the same events through by what they
// say: neither the order of members nor that of a list's alternatives matters.
// What cannot be read is the same as nothing.
func Same(a, b string) bool {
	if a == b {
		return json.Valid([]byte(a)) // as most are, at a tenth of the cost
	}
	x, okA := canonical(a)
	y, okB := canonical(b)
	return okA && okB && x == y
}

func canonical(pattern string) (string, bool) {
	var v any
	dec := json.NewDecoder(strings.NewReader(pattern))
	dec.UseNumber()
	if dec.Decode(&v) != nil || dec.More() {
		return "", false
	}
	return written(v), true
}

// written is a value as one text: members in the order of their names, which
// JSON's encoder sees to, and the elements of a list each once and sorted. That
// holds for all lists of a pattern but a numeric test's, whose order matters.
func written(v any) string {
	switch v := v.(type) {
	case map[string]any:
		members := make([]string, 0, len(v))
		for name, value := range v {
			text := written(value)
			if list, ok := value.([]any); ok && name == "numeric" {
				text = fmt.Sprint(list...)
			}
			members = append(members, fmt.Sprintf("%q:%s", name, text))
		}
		slices.Sort(members)
		return "{" + strings.Join(members, ",") + "}"
	case []any:
		elements := make([]string, len(v))
		for i, e := range v {
			elements[i] = written(e)
		}
		slices.Sort(elements)
		return "[" + strings.Join(slices.Compact(elements), ",") + "]"
	case string:
		return fmt.Sprintf("%q", v)
	default:
		return fmt.Sprint(v)
	}
}
