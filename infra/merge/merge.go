// Package merge makes one CloudFormation template of those that a stack has under
// different choices, in which conditions choose.
//
// Resolved with any choice, the template is the one that was given for that choice:
// this is what a test of it holds, and why nothing here knows what a resource means.
package merge

import (
	"errors"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strings"
)

// noValue is what CloudFormation takes for a value that is not there (CloudFormation
// Template Reference, "AWS::NoValue").
var noValue = map[string]any{"Ref": "AWS::NoValue"}

// missing stands for a value that a variant does not have, unused for one of a
// resource or an output that a variant does not have at all.
type (
	missing struct{}
	unused  struct{}
)

// Templates returns one template of variants, which are decoded JSON. choices are the
// names of conditions that the caller adds; variants[i] is the template where exactly
// the conditions hold whose bit is set in i: choices[0] has bit 0.
func Templates(choices []string, variants []map[string]any) (map[string]any, error) {
	if len(variants) != 1<<len(choices) {
		return nil, fmt.Errorf("merging templates: %d variants of %d choices, want %d", len(variants), len(choices), 1<<len(choices))
	}
	m := merger{choices: choices, conditions: map[string]any{}}
	out := map[string]any{}
	for _, section := range keysOf(variants) {
		sections := make([]map[string]any, len(variants))
		for i, v := range variants {
			sections[i], _ = v[section].(map[string]any)
		}
		switch section {
		case "Resources", "Outputs":
			out[section] = m.entries(section, sections)
		case "Conditions", "Parameters", "Mappings", "Rules", "Metadata":
			out[section] = m.union(section, sections)
		default: // texts, which cannot depend on anything
			out[section] = m.same(section, variants, section)
		}
	}
	if len(m.conditions) > 0 {
		all, _ := out["Conditions"].(map[string]any)
		if all == nil {
			all = map[string]any{}
			out["Conditions"] = all
		}
		maps.Copy(all, m.conditions)
	}
	if err := errors.Join(m.errs...); err != nil {
		return nil, fmt.Errorf("merging templates: %w", err)
	}
	return out, nil
}

type merger struct {
	choices    []string
	conditions map[string]any // of more than one choice, by name
	errs       []error
}

func (m *merger) fail(format string, args ...any) {
	m.errs = append(m.errs, fmt.Errorf(format, args...))
}

func keysOf(all []map[string]any) []string {
	keys := map[string]bool{}
	for _, one := range all {
		for key := range one {
			keys[key] = true
		}
	}
	return slices.Sorted(maps.Keys(keys))
}

// union has every entry of the variants, which must agree.
func (m *merger) union(section string, variants []map[string]any) map[string]any {
	out := map[string]any{}
	for _, key := range keysOf(variants) {
		out[key] = m.same(section+"/"+key, variants, key)
	}
	return out
}

// same is the value of a key that may not depend on a choice.
func (m *merger) same(path string, variants []map[string]any, key string) any {
	var out any
	for _, v := range variants {
		value, ok := v[key]
		switch {
		case !ok:
		case out == nil:
			out = value
		case !reflect.DeepEqual(out, value):
			m.fail("%s depends on a choice, which CloudFormation cannot express", path)
			return out
		}
	}
	return out
}

// entries are resources or outputs. One that some variants lack gets a condition.
func (m *merger) entries(section string, variants []map[string]any) map[string]any {
	out := map[string]any{}
	for _, id := range keysOf(variants) {
		path := section + "/" + id
		present, all := make([]bool, len(variants)), make([]map[string]any, len(variants))
		for i, v := range variants {
			all[i], present[i] = v[id].(map[string]any)
		}
		entry := map[string]any{}
		for _, key := range keysOf(all) {
			switch key {
			case "Properties", "Value", "Export":
				values := make([]any, len(all))
				for i := range all {
					value, ok := all[i][key]
					switch {
					case !present[i]:
						values[i] = unused{}
					case !ok:
						values[i] = missing{}
					default:
						values[i] = value
					}
				}
				if v := m.value(len(m.choices), values); v != (missing{}) {
					entry[key] = v
				}
			case "DependsOn":
				// CloudFormation takes no function here, and ignores what is not made.
				entry[key] = unionOfLists(all, key)
			case "Condition":
				m.fail("%s has a condition already", path)
			default:
				entry[key] = m.same(path+"/"+key, all, key)
			}
		}
		if when := m.when(len(m.choices), present); when.name != always {
			entry["Condition"] = when.name
			if _, given := when.expression["Condition"]; !given {
				m.conditions[when.name] = when.expression
			}
		}
		out[id] = entry
	}
	return out
}

func unionOfLists(all []map[string]any, key string) any {
	var out []any
	for _, one := range all {
		list, ok := one[key].([]any)
		if text, single := one[key].(string); single {
			list, ok = []any{text}, true
		}
		if !ok {
			continue
		}
		for _, v := range list {
			if !slices.Contains(out, v) {
				out = append(out, v)
			}
		}
	}
	slices.SortFunc(out, func(a, b any) int { return strings.Compare(fmt.Sprint(a), fmt.Sprint(b)) })
	return out
}

// condition is an expression of the choices.
type condition struct {
	name       string
	expression map[string]any
}

const (
	always = "Always"
	never  = "Never"
)

// when is the condition under which something is present, given for each
// combination of the first n choices.
func (m *merger) when(n int, present []bool) condition {
	if !slices.Contains(present, false) {
		return condition{name: always}
	}
	if !slices.Contains(present, true) {
		return condition{name: never}
	}
	half := len(present) / 2
	off, on := m.when(n-1, present[:half]), m.when(n-1, present[half:])
	if off.name == on.name {
		return off
	}
	is := condition{m.choices[n-1], map[string]any{"Condition": m.choices[n-1]}}
	not := condition{"Not" + is.name, map[string]any{"Fn::Not": []any{is.expression}}}
	return either(both(is, on), both(not, off))
}

func both(a, b condition) condition {
	switch b.name {
	case always:
		return a
	case never:
		return b
	}
	return condition{a.name + "And" + b.name, map[string]any{"Fn::And": []any{a.expression, b.expression}}}
}

func either(a, b condition) condition {
	switch never {
	case a.name:
		return b
	case b.name:
		return a
	}
	return condition{a.name + "Or" + b.name, map[string]any{"Fn::Or": []any{a.expression, b.expression}}}
}

// value is one value of those that the combinations of the first n choices have.
func (m *merger) value(n int, values []any) any {
	if n == 0 {
		return values[0]
	}
	half := len(values) / 2
	return m.combine(m.choices[n-1], m.value(n-1, values[half:]), m.value(n-1, values[:half]))
}

// combine is the value that is yes where a condition holds and no where not.
func (m *merger) combine(when string, yes, no any) any {
	if yes == (unused{}) || reflect.DeepEqual(yes, no) {
		return no
	}
	if no == (unused{}) {
		return yes
	}
	if of, yesOf, yesElse, ok := branches(yes); ok {
		if also, noOf, noElse, ok := branches(no); ok && also == of {
			return choose(of, m.combine(when, yesOf, noOf), m.combine(when, yesElse, noElse))
		}
	}
	yesMap, isMap := plain(yes)
	noMap, both := plain(no)
	if isMap && both {
		out := map[string]any{}
		for _, key := range keysOf([]map[string]any{yesMap, noMap}) {
			y, n := get(yesMap, key), get(noMap, key)
			out[key] = m.combine(when, y, n)
		}
		return out
	}
	yesList, isList := yes.([]any)
	noList, both := no.([]any)
	if isList && both {
		return m.lists(when, yesList, noList)
	}
	return choose(when, yes, no)
}

func get(from map[string]any, key string) any {
	if v, ok := from[key]; ok {
		return v
	}
	return missing{}
}

func choose(when string, yes, no any) any {
	for _, v := range []*any{&yes, &no} {
		if *v == (missing{}) {
			*v = noValue
		}
	}
	return map[string]any{"Fn::If": []any{when, yes, no}}
}

// branches are those of a choice.
func branches(v any) (when string, yes, no any, ok bool) {
	object, _ := v.(map[string]any)
	parts, _ := object["Fn::If"].([]any)
	if len(parts) != 3 {
		return "", nil, nil, false
	}
	when, ok = parts[0].(string)
	return when, parts[1], parts[2], ok
}

// plain is an object that is no call of a function, and no choice.
func plain(v any) (map[string]any, bool) {
	object, ok := v.(map[string]any)
	if !ok {
		return nil, false
	}
	for key := range object {
		if len(object) == 1 && (key == "Ref" || strings.HasPrefix(key, "Fn::")) {
			return nil, false
		}
	}
	return object, true
}

// identity is what distinguishes an element of a list from the others.
func identity(v any) string {
	if _, yes, no, ok := branches(v); ok {
		if reflect.DeepEqual(yes, noValue) {
			yes = no
		}
		return identity(yes)
	}
	object, _ := plain(v)
	for _, key := range []string{"Sid", "Id", "PolicyName", "AttributeName", "Key"} {
		if text, ok := object[key].(string); ok {
			return key + " " + text
		}
	}
	return ""
}

func matching(a, b any) bool {
	if id := identity(a); id != "" {
		return id == identity(b)
	}
	return reflect.DeepEqual(a, b)
}

// lists keeps what two lists have in common in its order, and makes the rest of
// each depend on the condition.
func (m *merger) lists(when string, yes, no []any) any {
	// common[i][j] is how many elements yes[i:] and no[j:] have in common.
	common := make([][]int, len(yes)+1)
	for i := range common {
		common[i] = make([]int, len(no)+1)
	}
	for i := len(yes) - 1; i >= 0; i-- {
		for j := len(no) - 1; j >= 0; j-- {
			if common[i][j] = max(common[i+1][j], common[i][j+1]); matching(yes[i], no[j]) {
				common[i][j] = max(common[i][j], common[i+1][j+1]+1)
			}
		}
	}
	if common[0][0] == 0 {
		return choose(when, yes, no)
	}
	var out []any
	for i, j := 0, 0; i < len(yes) || j < len(no); {
		switch {
		case i < len(yes) && j < len(no) && matching(yes[i], no[j]):
			out = append(out, m.combine(when, yes[i], no[j]))
			i, j = i+1, j+1
		case j == len(no) || i < len(yes) && common[i+1][j] >= common[i][j+1]:
			out = append(out, choose(when, yes[i], missing{}))
			i++
		default:
			out = append(out, choose(when, missing{}, no[j]))
			j++
		}
	}
	return out
}
