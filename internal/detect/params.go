package detect

import (
	"encoding/json"
	"net/url"
	"strings"
)

// params is a raw part of a record, decoded where a rule needs more of it than
// package cloudtrail says. It is nil where the part is absent or no object.
type params map[string]any

// paramsOf reads an object, also one given as a JSON string.
func paramsOf(raw json.RawMessage) params {
	var v any
	if len(raw) == 0 || json.Unmarshal(raw, &v) != nil {
		return nil
	}
	if s, ok := v.(string); ok && json.Unmarshal([]byte(s), &v) != nil {
		return nil
	}
	m, _ := v.(map[string]any)
	return m
}

// at is the value under a path of names, nil where there is none.
func (p params) at(path ...string) any {
	var v any = map[string]any(p)
	for _, name := range path {
		m, _ := v.(map[string]any)
		v = m[name]
	}
	return v
}

// has reports whether there is something under a name, whatever the case of its
// letters: CloudTrail writes sSESpecification for SSESpecification.
func (p params) has(name string) bool {
	for n, v := range p {
		if v != nil && strings.EqualFold(n, name) {
			return true
		}
	}
	return false
}

// str is the string under a path, "" where there is none.
func (p params) str(path ...string) string {
	s, _ := p.at(path...).(string)
	return s
}

// isFalse reports whether the value under a path is false, also where that is
// written as a string.
func (p params) isFalse(path ...string) bool {
	switch v := p.at(path...).(type) {
	case bool:
		return !v
	case string:
		return strings.EqualFold(v, "false")
	default:
		return false
	}
}

// strs are the strings under a path: of one string, or of a list.
func (p params) strs(path ...string) []string {
	switch v := p.at(path...).(type) {
	case string:
		return []string{v}
	case []any:
		var list []string
		for _, e := range v {
			if s, ok := e.(string); ok {
				list = append(list, s)
			}
		}
		return list
	default:
		return nil
	}
}

// list are the objects in the list under a path.
func (p params) list(path ...string) []params {
	l, _ := p.at(path...).([]any)
	var list []params
	for _, e := range l {
		if m, ok := e.(map[string]any); ok {
			list = append(list, m)
		}
	}
	return list
}

// statements are those of a policy document, plain or percent-encoded as IAM
// returns it, with one statement or a list of them.
func statements(document string) []params {
	if strings.HasPrefix(document, "%") {
		if plain, err := url.PathUnescape(document); err == nil {
			document = plain
		}
	}
	p := paramsOf(json.RawMessage(document))
	if one, ok := p.at("Statement").(map[string]any); ok {
		return []params{one}
	}
	return p.list("Statement")
}

// encoded is a value as JSON, "" for nil.
func encoded(v any) string {
	if v == nil {
		return ""
	}
	text, err := json.Marshal(v)
	if err != nil {
		return ""
	}
	return string(text)
}
