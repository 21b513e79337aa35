package eventpattern

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
)

// Match reports whether an event, as EventBridge delivers it, matches. It fails
// where the event is no JSON object.
//
// A field matches where one of its values does; the values of an array are the
// field's. What is asked of objects in an array must hold for one of them
// together. exists is about values: a field that holds an object, or an empty
// array, has none. exists false asks for no such field anywhere in the event.
func (p *Pattern) Match(event []byte) (bool, error) {
	e, err := ParseEvent(event)
	if err != nil {
		return false, err
	}
	return p.Matches(e), nil
}

// Event is one that was read, to be matched against many patterns.
type Event struct{ root map[string]any }

// Matches is Match of an event that was read.
func (p *Pattern) Matches(e Event) bool { return p.root.match(e.root, e.root) }

// ParseEvent reads an event. It fails where that is no JSON object.
func ParseEvent(event []byte) (Event, error) {
	root, err := parseObject(event)
	return Event{root}, err
}

func parseObject(event []byte) (map[string]any, error) {
	dec := json.NewDecoder(bytes.NewReader(event))
	dec.UseNumber()
	var root map[string]any
	if err := dec.Decode(&root); err != nil {
		return nil, fmt.Errorf("reading event: %w", err)
	}
	if _, err := dec.Token(); !errors.Is(err, io.EOF) {
		return nil, errors.New("reading event: more follows after its end")
	}
	if root == nil {
		return nil, errors.New("reading event: it is null")
	}
	return root, nil
}

func (n *node) match(root, o map[string]any) bool {
	for i := range n.fields {
		if !n.fields[i].match(root, o) {
			return false
		}
	}
	for _, branches := range n.alternatives {
		if !slices.ContainsFunc(branches, func(b node) bool { return b.match(root, o) }) {
			return false
		}
	}
	return true
}

func (f *field) match(root, o map[string]any) bool {
	v, has := o[f.name]
	switch {
	case f.sub != nil:
		objects := objectsIn(v)
		if len(objects) == 0 {
			return f.sub.match(root, nil) // a field within may have to be absent
		}
		return slices.ContainsFunc(objects, func(o map[string]any) bool { return f.sub.match(root, o) })
	case f.presence == absent:
		return !hasValue(root, f.path)
	case f.presence == present:
		return has && len(valuesOf(v)) > 0
	default:
		return has && slices.ContainsFunc(valuesOf(v), func(v any) bool {
			return slices.ContainsFunc(f.tests, func(t test) bool { return t(v) })
		})
	}
}

// objectsIn are the object that v is, or those in the array that it is.
func objectsIn(v any) []map[string]any {
	switch v := v.(type) {
	case map[string]any:
		return []map[string]any{v}
	case []any:
		var objects []map[string]any
		for _, e := range v {
			objects = append(objects, objectsIn(e)...)
		}
		return objects
	default:
		return nil
	}
}

// valuesOf are the value that v is, or those in the array that it is.
func valuesOf(v any) []any {
	switch v := v.(type) {
	case map[string]any:
		return nil
	case []any:
		var values []any
		for _, e := range v {
			values = append(values, valuesOf(e)...)
		}
		return values
	default:
		return []any{v}
	}
}

// hasValue reports whether there is a value at a path below v.
func hasValue(v any, path []string) bool {
	if len(path) == 0 {
		return len(valuesOf(v)) > 0
	}
	return slices.ContainsFunc(objectsIn(v), func(o map[string]any) bool {
		next, ok := o[path[0]]
		return ok && hasValue(next, path[1:])
	})
}
