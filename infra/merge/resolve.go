package merge

import (
	"fmt"
	"slices"
)

// Resolve returns the template as CloudFormation sees it where exactly these
// conditions hold: without choices, and without the conditions that made them. The
// template's conditions of conditions (Fn::And, Fn::Or, Fn::Not) are evaluated, every
// other one is taken from holds.
func Resolve(template map[string]any, holds map[string]bool) (map[string]any, error) {
	r := resolver{template: template, holds: holds}
	out, _ := r.value(template).(map[string]any)
	for _, section := range []string{"Resources", "Outputs"} {
		entries, _ := out[section].(map[string]any)
		for id, v := range entries {
			entry, _ := v.(map[string]any)
			name, conditional := entry["Condition"].(string)
			if !conditional {
				continue
			}
			if r.named(name) {
				delete(entry, "Condition")
			} else {
				delete(entries, id)
			}
		}
	}
	delete(out, "Conditions")
	if r.err != nil {
		return nil, fmt.Errorf("resolving a template: %w", r.err)
	}
	return out, nil
}

type resolver struct {
	template map[string]any
	holds    map[string]bool
	err      error
}

func (r *resolver) named(name string) bool {
	if held, ok := r.holds[name]; ok {
		return held
	}
	conditions, _ := r.template["Conditions"].(map[string]any)
	expression, ok := conditions[name]
	if !ok {
		r.err = fmt.Errorf("there is no condition %s", name)
		return false
	}
	return r.expression(name, expression)
}

func (r *resolver) expression(name string, v any) bool {
	object, _ := v.(map[string]any)
	if of, ok := object["Condition"].(string); ok {
		return r.named(of)
	}
	for function, arguments := range object {
		parts, _ := arguments.([]any)
		holds := func(part any) bool { return r.expression(name, part) }
		switch function {
		case "Fn::And":
			return !slices.ContainsFunc(parts, func(part any) bool { return !holds(part) })
		case "Fn::Or":
			return slices.ContainsFunc(parts, holds)
		case "Fn::Not":
			return !holds(parts[0])
		}
	}
	r.err = fmt.Errorf("condition %s is not one of conditions, and not given", name)
	return false
}

// value returns a copy; missing{} where there is none.
func (r *resolver) value(v any) any {
	if when, yes, no, ok := branches(v); ok {
		if r.named(when) {
			return r.value(yes)
		}
		return r.value(no)
	}
	switch v := v.(type) {
	case map[string]any:
		if len(v) == 1 && v["Ref"] == noValue["Ref"] {
			return missing{}
		}
		out := make(map[string]any, len(v))
		for key, one := range v {
			if one = r.value(one); one != (missing{}) {
				out[key] = one
			}
		}
		return out
	case []any:
		out := make([]any, 0, len(v))
		for _, one := range v {
			if one = r.value(one); one != (missing{}) {
				out = append(out, one)
			}
		}
		return out
	default:
		return v
	}
}
