package eventpattern

import (
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"
)

// test says whether one value of an event, not an object or array, matches. The
// value is a string, json.Number, bool or nil.
type test func(value any) bool

// operator is what builds a test from an operator's argument; nil where the name
// is none. exists is none of these: it is about a field, not a value.
func operator(name string) func(arg any) (test, error) {
	switch name {
	case "prefix":
		return prefix
	case "suffix":
		return suffix
	case "equals-ignore-case":
		return equalsIgnoreCase
	case "wildcard":
		return wildcard
	case "anything-but":
		return anythingBut
	case "numeric":
		return numeric
	case "cidr":
		return cidr
	default:
		return nil
	}
}

// exact matches a scalar of a pattern.
func exact(want any) (test, error) {
	switch w := want.(type) {
	case json.Number:
		n, err := number(w)
		if err != nil {
			return nil, err
		}
		return func(v any) bool {
			have, ok := v.(json.Number)
			if !ok {
				return false
			}
			f, err := number(have)
			return err == nil && f == n
		}, nil
	case string, bool, nil:
		return func(v any) bool { return v == w }, nil
	default:
		return nil, fmt.Errorf("a value is a string, number, boolean, null or an operator, this is %s", kindOf(want))
	}
}

func number(n json.Number) (float64, error) {
	f, err := strconv.ParseFloat(n.String(), 64)
	if err != nil {
		return 0, fmt.Errorf("reading number %s: %w", n, errors.Unwrap(err))
	}
	return f, nil
}

// text makes a test of strings.
func text(match func(string) bool) test {
	return func(v any) bool {
		s, ok := v.(string)
		return ok && match(s)
	}
}

func aString(arg any) (string, error) {
	s, ok := arg.(string)
	if !ok {
		return "", fmt.Errorf("takes a string, this is %s", kindOf(arg))
	}
	return s, nil
}

// ignoringCase is the string in {"equals-ignore-case": "…"}; ok is false where
// arg is not an object.
func ignoringCase(arg any) (s string, ok bool, err error) {
	o, ok := arg.(object)
	if !ok {
		return "", false, nil
	}
	if len(o) != 1 || o[0].name != "equals-ignore-case" {
		return "", true, errors.New("takes a string or equals-ignore-case alone")
	}
	s, err = aString(o[0].value)
	return s, true, err
}

func prefix(arg any) (test, error) {
	if s, ok, err := ignoringCase(arg); ok || err != nil {
		n := utf8.RuneCountInString(s)
		return text(func(v string) bool { return strings.EqualFold(firstRunes(v, n), s) }), err
	}
	s, err := aString(arg)
	return text(func(v string) bool { return strings.HasPrefix(v, s) }), err
}

func suffix(arg any) (test, error) {
	if s, ok, err := ignoringCase(arg); ok || err != nil {
		n := utf8.RuneCountInString(s)
		return text(func(v string) bool {
			return strings.EqualFold(v[len(firstRunes(v, utf8.RuneCountInString(v)-n)):], s)
		}), err
	}
	s, err := aString(arg)
	return text(func(v string) bool { return strings.HasSuffix(v, s) }), err
}

// firstRunes is the beginning of s of at most n runes.
func firstRunes(s string, n int) string {
	for i := range s {
		if n <= 0 {
			return s[:i]
		}
		n--
	}
	return s
}

func equalsIgnoreCase(arg any) (test, error) {
	s, err := aString(arg)
	return text(func(v string) bool { return strings.EqualFold(v, s) }), err
}

// wildcard matches any run of characters for "*"; "\*" and "\\" are the characters themselves.
func wildcard(arg any) (test, error) {
	s, err := aString(arg)
	if err != nil {
		return nil, err
	}
	parts := []string{""} // what is between the stars
	for i := 0; i < len(s); i++ {
		switch {
		case s[i] == '*' && i > 0 && s[i-1] == '*' && parts[len(parts)-1] == "":
			return nil, errors.New("has two stars in a row")
		case s[i] == '*':
			parts = append(parts, "")
			continue
		case s[i] == '\\':
			i++
			if i == len(s) || s[i] != '*' && s[i] != '\\' {
				return nil, errors.New(`a backslash stands before "*" or a backslash only`)
			}
		}
		parts[len(parts)-1] += s[i : i+1]
	}
	return text(func(v string) bool { return glob(parts, v) }), nil
}

// glob reports whether s is the parts in order with anything between them.
func glob(parts []string, s string) bool {
	first, last := parts[0], parts[len(parts)-1]
	if len(parts) == 1 {
		return s == first
	}
	if len(s) < len(first)+len(last) || !strings.HasPrefix(s, first) || !strings.HasSuffix(s, last) {
		return false
	}
	s = s[len(first) : len(s)-len(last)]
	for _, p := range parts[1 : len(parts)-1] {
		_, after, found := strings.Cut(s, p)
		if !found {
			return false
		}
		s = after
	}
	return true
}

// anythingBut matches every value that none of its own matches.
func anythingBut(arg any) (test, error) {
	var not []test
	var err error
	switch a := arg.(type) {
	case object:
		not, err = anythingButOperator(a)
	case []any:
		not, err = anythingButValues(a)
	default:
		not, err = anythingButValues([]any{a})
	}
	return func(v any) bool {
		return !slices.ContainsFunc(not, func(t test) bool { return t(v) })
	}, err
}

// anythingButValues takes strings or numbers, not both: so does EventBridge.
func anythingButValues(values []any) ([]test, error) {
	if len(values) == 0 {
		return nil, errors.New("takes at least one value")
	}
	var not []test
	for _, v := range values {
		switch v.(type) {
		case string, json.Number:
		default:
			return nil, fmt.Errorf("takes strings or numbers, this is %s", kindOf(v))
		}
		if kindOf(v) != kindOf(values[0]) {
			return nil, errors.New("takes strings or numbers, not both")
		}
		t, err := exact(v)
		if err != nil {
			return nil, err
		}
		not = append(not, t)
	}
	return not, nil
}

func anythingButOperator(o object) ([]test, error) {
	if len(o) != 1 {
		return nil, fmt.Errorf("takes one operator, this has %d", len(o))
	}
	op, arg := o[0].name, o[0].value
	build := map[string]func(any) (test, error){
		"prefix": prefix, "suffix": suffix, "wildcard": wildcard, "equals-ignore-case": equalsIgnoreCase,
	}[op]
	if build == nil {
		return nil, fmt.Errorf("operator %q within is unknown", op)
	}
	values, ok := arg.([]any)
	if !ok {
		values = []any{arg}
	}
	if len(values) == 0 {
		return nil, fmt.Errorf("operator %q within: takes at least one value", op)
	}
	var not []test
	for _, v := range values {
		if _, err := aString(v); err != nil {
			return nil, fmt.Errorf("operator %q within: %w", op, err)
		}
		t, err := build(v)
		if err != nil {
			return nil, fmt.Errorf("operator %q within: %w", op, err)
		}
		not = append(not, t)
	}
	return not, nil
}

// numericLimit bounds what numeric compares (EventBridge User Guide, "Numeric
// matching": between -5.0e9 and +5.0e9 inclusive).
const numericLimit = 5e9

// numeric matches one comparison, or a range of two: [">", 0, "<=", 5].
func numeric(arg any) (test, error) {
	list, ok := arg.([]any)
	if !ok || len(list) != 2 && len(list) != 4 {
		return nil, errors.New("takes an array of one or two comparisons, each a sign and a number")
	}
	low, high := math.Inf(-1), math.Inf(1)
	openLow, openHigh := false, false
	for i := 0; i < len(list); i += 2 {
		sign, _ := list[i].(string)
		n, ok := list[i+1].(json.Number)
		if !ok {
			return nil, fmt.Errorf("a number follows the sign, this is %s", kindOf(list[i+1]))
		}
		f, err := number(n)
		if err != nil {
			return nil, err
		}
		if math.Abs(f) > numericLimit {
			return nil, fmt.Errorf("number %s is not within ±5.0e9", n)
		}
		switch {
		case sign == "=" && len(list) == 2:
			low, high = f, f
		case (sign == ">" || sign == ">=") && i == 0:
			low, openLow = f, sign == ">"
		case (sign == "<" || sign == "<=") && i == len(list)-2:
			high, openHigh = f, sign == "<"
		default:
			return nil, fmt.Errorf("sign %q cannot stand here: one of = > >= < <=, or > before <", sign)
		}
	}
	if len(list) == 4 && low >= high {
		return nil, errors.New("the range is empty")
	}
	return func(v any) bool {
		n, ok := v.(json.Number)
		if !ok {
			return false
		}
		f, err := number(n)
		if err != nil || math.Abs(f) > numericLimit {
			return false
		}
		return (f > low || f == low && !openLow) && (f < high || f == high && !openHigh)
	}, nil
}

// cidr matches IPv4 and IPv6 addresses in a block.
func cidr(arg any) (test, error) {
	s, err := aString(arg)
	if err != nil {
		return nil, err
	}
	block, err := netip.ParsePrefix(s)
	if err != nil {
		return nil, fmt.Errorf("reading address block: %w", err)
	}
	return text(func(v string) bool {
		addr, err := netip.ParseAddr(v)
		return err == nil && block.Contains(addr)
	}), nil
}
