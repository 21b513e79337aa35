package eventpattern

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"unicode/utf8"
)

const (
	// maxPattern is the most characters of a pattern (EventBridge quotas, "Event
	// pattern size").
	maxPattern = 2048
	// maxCombinations is how many rules the alternatives of $or may multiply to
	// (EventBridge User Guide, "Or matching").
	maxCombinations = 1000
)

// Pattern is a compiled event pattern. It may be used by several goroutines.
type Pattern struct {
	root node
}

// node is a pattern's object: all of it must hold.
type node struct {
	fields       []field
	alternatives [][]node // of each $or, one must hold
	combinations int
}

// field is a pattern's member: either sub or tests is set, or it is about presence.
type field struct {
	name     string
	sub      *node
	tests    []test // one must hold for one of the event's values
	presence presence
	path     []string // from the event's root, for absence
}

type presence uint8

const (
	either presence = iota
	present
	absent
)

// Compile reads a pattern. Its errors name the path and the operator.
//
// Values are matched exactly, or by prefix, suffix, equals-ignore-case (also
// within prefix and suffix), wildcard, anything-but (of values, prefix, suffix,
// wildcard, equals-ignore-case), numeric, cidr and exists; $or holds alternatives.
// Numbers are equal by value, as EventBridge's rule engine compares them: 300
// and 3.0e2 are. exists is the only one of a field's values.
func Compile(pattern []byte) (*Pattern, error) {
	root, err := parsePattern(pattern)
	if err != nil {
		return nil, err
	}
	return compile(root)
}

func compile(root object) (*Pattern, error) {
	n, err := compileObject(nil, root)
	if err != nil {
		return nil, fmt.Errorf("compiling pattern: %w", err)
	}
	return &Pattern{root: n}, nil
}

// parsePattern reads a pattern as JSON.
func parsePattern(pattern []byte) (object, error) {
	if n := utf8.RuneCount(pattern); n > maxPattern {
		return nil, fmt.Errorf("pattern has %d characters, EventBridge takes at most %d", n, maxPattern)
	}
	dec := json.NewDecoder(bytes.NewReader(pattern))
	dec.UseNumber()
	v, err := parse(dec)
	if err != nil {
		return nil, fmt.Errorf("reading pattern: %w", err)
	}
	if _, err := dec.Token(); !errors.Is(err, io.EOF) {
		return nil, errors.New("reading pattern: more follows after its end")
	}
	root, ok := v.(object)
	if !ok {
		return nil, errors.New("pattern is not a JSON object")
	}
	return root, nil
}

// object is a JSON object in the order of its members, each name once.
type object []member

type member struct {
	name  string
	value any
}

// parse reads one JSON value: an object, []any, string, json.Number, bool or nil.
func parse(dec *json.Decoder) (any, error) {
	t, err := dec.Token()
	if err != nil {
		return nil, err
	}
	switch t {
	case json.Delim('{'):
		o := object{}
		seen := map[string]bool{}
		for dec.More() {
			key, err := dec.Token()
			if err != nil {
				return nil, err
			}
			name, _ := key.(string)
			if seen[name] {
				return nil, fmt.Errorf("%q is twice in one object", name)
			}
			seen[name] = true
			v, err := parse(dec)
			if err != nil {
				return nil, err
			}
			o = append(o, member{name, v})
		}
		_, err = dec.Token()
		return o, err
	case json.Delim('['):
		list := []any{}
		for dec.More() {
			v, err := parse(dec)
			if err != nil {
				return nil, err
			}
			list = append(list, v)
		}
		_, err = dec.Token()
		return list, err
	default:
		return t, nil
	}
}

// at names a place in a pattern for an error.
func at(path []string) string {
	if len(path) == 0 {
		return "top level"
	}
	return strings.Join(path, ".")
}

func compileObject(path []string, o object) (node, error) {
	n := node{combinations: 1}
	if len(o) == 0 {
		return n, fmt.Errorf("%s: an empty object matches nothing", at(path))
	}
	for _, m := range o {
		factor := 1
		here := slices.Concat(path, []string{m.name})
		switch v := m.value.(type) {
		case object:
			if m.name == "$or" {
				return n, fmt.Errorf("%s: $or takes an array, this is an object", at(path))
			}
			sub, err := compileObject(here, v)
			if err != nil {
				return n, err
			}
			n.fields = append(n.fields, field{name: m.name, sub: &sub})
			factor = sub.combinations
		case []any:
			if m.name == "$or" {
				branches, err := compileOr(path, v)
				if err != nil {
					return n, err
				}
				n.alternatives = append(n.alternatives, branches)
				factor = 0
				for _, b := range branches {
					factor += b.combinations
				}
				break
			}
			f, err := compileField(here, v)
			if err != nil {
				return n, err
			}
			n.fields = append(n.fields, f)
		default:
			return n, fmt.Errorf("%s: values stand in an array, this is %s", at(here), kindOf(v))
		}
		if n.combinations *= factor; n.combinations > maxCombinations {
			return n, fmt.Errorf("%s: $or makes more than %d combinations", at(path), maxCombinations)
		}
	}
	return n, n.disjoint(path)
}

// disjoint refuses a field that is both in an alternative of $or and beside
// the $or, or in two of them: EventBridge's documents do not say what that means.
func (n *node) disjoint(path []string) error {
	seen := map[string]bool{}
	add := func(more map[string]bool) error {
		for p := range more {
			if seen[p] {
				return fmt.Errorf("%s: field %s is in $or and beside it", at(path), p)
			}
		}
		maps.Copy(seen, more)
		return nil
	}
	for i := range n.fields {
		if err := add(n.fields[i].leaves()); err != nil {
			return err
		}
	}
	for _, branches := range n.alternatives {
		either := map[string]bool{}
		for i := range branches {
			maps.Copy(either, branches[i].leaves())
		}
		if err := add(either); err != nil {
			return err
		}
	}
	return nil
}

// leaves are the paths of the fields that have tests.
func (n *node) leaves() map[string]bool {
	all := map[string]bool{}
	for i := range n.fields {
		maps.Copy(all, n.fields[i].leaves())
	}
	for _, branches := range n.alternatives {
		for i := range branches {
			maps.Copy(all, branches[i].leaves())
		}
	}
	return all
}

func (f *field) leaves() map[string]bool {
	if f.sub != nil {
		return f.sub.leaves()
	}
	return map[string]bool{at(f.path): true}
}

// compileOr reads the alternatives of an $or at path. EventBridge takes an $or
// of any other form for a field of that name, which no one means.
func compileOr(path []string, list []any) ([]node, error) {
	if len(list) < 2 {
		return nil, fmt.Errorf("%s: $or needs at least two alternatives", at(path))
	}
	var branches []node
	for _, v := range list {
		o, ok := v.(object)
		if !ok {
			return nil, fmt.Errorf("%s: an alternative of $or is an object, this is %s", at(path), kindOf(v))
		}
		for _, m := range o {
			if m.name == "exists" || operator(m.name) != nil {
				return nil, fmt.Errorf("%s: an alternative of $or has a field named as operator %q", at(path), m.name)
			}
		}
		n, err := compileObject(path, o)
		if err != nil {
			return nil, err
		}
		branches = append(branches, n)
	}
	return branches, nil
}

func compileField(path []string, values []any) (field, error) {
	f := field{name: path[len(path)-1], path: path}
	if len(values) == 0 {
		return f, fmt.Errorf("%s: an empty array matches nothing", at(path))
	}
	for _, v := range values {
		o, ok := v.(object)
		if !ok {
			t, err := exact(v)
			if err != nil {
				return f, fmt.Errorf("%s: %w", at(path), err)
			}
			f.tests = append(f.tests, t)
			continue
		}
		if len(o) != 1 {
			return f, fmt.Errorf("%s: an operator is an object of one member, this has %d", at(path), len(o))
		}
		op, arg := o[0].name, o[0].value
		if op == "exists" {
			want, ok := arg.(bool)
			switch {
			case !ok:
				return f, fmt.Errorf("%s: operator %q: takes true or false, this is %s", at(path), op, kindOf(arg))
			case len(values) > 1:
				return f, fmt.Errorf("%s: operator %q: must be alone among a field's values; use $or", at(path), op)
			case want:
				f.presence = present
			default:
				f.presence = absent
			}
			return f, nil
		}
		build := operator(op)
		if build == nil {
			return f, fmt.Errorf("%s: operator %q is unknown", at(path), op)
		}
		t, err := build(arg)
		if err != nil {
			return f, fmt.Errorf("%s: operator %q: %w", at(path), op, err)
		}
		f.tests = append(f.tests, t)
	}
	return f, nil
}

// kindOf names a JSON value's kind for an error.
func kindOf(v any) string {
	switch v.(type) {
	case object:
		return "an object"
	case []any:
		return "an array"
	case string:
		return "a string"
	case json.Number:
		return "a number"
	case bool:
		return "a boolean"
	default:
		return "null"
	}
}
