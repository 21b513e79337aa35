package dynamotest

import (
	"fmt"
	"maps"
	"math/big"
	"regexp"
	"strings"
)

// term is one comparison of an expression: of the shapes that rootguard uses,
// and no others.
type term struct {
	op    string // "=", "<=", ">=", "BETWEEN", "begins_with" or "attribute_not_exists"
	name  string // of the attribute
	value AV
	upTo  AV // of BETWEEN
}

var (
	compared  = regexp.MustCompile(`^(#\w+) (=|<=|>=) (:\w+)$`)
	between   = regexp.MustCompile(`(#\w+) BETWEEN (:\w+) AND (:\w+)`)
	ranged    = regexp.MustCompile(`^(#\w+) BETWEEN (:\w+) TO (:\w+)$`)
	begins    = regexp.MustCompile(`^begins_with\((#\w+), (:\w+)\)$`)
	add       = regexp.MustCompile(`^ADD (#\w+) (:\w+)$`)
	notExists = regexp.MustCompile(`^attribute_not_exists\((#\w+)\)$`)
)

// parse reads an expression. As DynamoDB does, it refuses names and values that
// are not defined, and those that are not used.
func parse(expr string, names map[string]string, values map[string]AV) ([]term, error) {
	var terms []term
	usedNames, usedValues := map[string]bool{}, map[string]bool{}
	for part := range strings.SplitSeq(between.ReplaceAllString(expr, "$1 BETWEEN $2 TO $3"), " AND ") {
		var t term
		var name, value, upTo string
		if m := compared.FindStringSubmatch(part); m != nil {
			name, t.op, value = m[1], m[2], m[3]
		} else if m := ranged.FindStringSubmatch(part); m != nil {
			t.op, name, value, upTo = "BETWEEN", m[1], m[2], m[3]
		} else if m := begins.FindStringSubmatch(part); m != nil {
			t.op, name, value = "begins_with", m[1], m[2]
		} else if m := notExists.FindStringSubmatch(part); m != nil {
			t.op, name = "attribute_not_exists", m[1]
		} else {
			return nil, fmt.Errorf("invalid expression, or one this server does not know: %q", part)
		}
		var ok bool
		if t.name, ok = names[name]; !ok {
			return nil, fmt.Errorf("an expression attribute name used in the document path is not defined; attribute name: %s", name)
		}
		usedNames[name] = true
		for name, to := range map[string]*AV{value: &t.value, upTo: &t.upTo} {
			if name == "" {
				continue
			}
			if *to, ok = values[name]; !ok {
				return nil, fmt.Errorf("an expression attribute value used in expression is not defined; attribute value: %s", name)
			}
			usedValues[name] = true
		}
		terms = append(terms, t)
	}
	if len(usedNames) != len(names) || len(usedValues) != len(values) {
		return nil, fmt.Errorf("value provided in ExpressionAttributeNames or ExpressionAttributeValues unused in expression %q", expr)
	}
	return terms, nil
}

// holds reports whether an item, nil where there is none, meets all terms.
func holds(terms []term, item Item) bool {
	for _, t := range terms {
		have, ok := item[t.name]
		if t.op == "attribute_not_exists" {
			if ok {
				return false
			}
			continue
		}
		if !ok || !t.compares(have) {
			return false
		}
	}
	return true
}

// compares reports whether a value meets the term. Those of two types never do.
func (t *term) compares(have AV) bool {
	var order int
	switch {
	case have.S != nil && t.value.S != nil:
		if t.op == "begins_with" {
			return strings.HasPrefix(*have.S, *t.value.S)
		}
		order = strings.Compare(*have.S, *t.value.S)
	case have.N != nil && t.value.N != nil && t.op != "begins_with":
		a, okA := new(big.Int).SetString(*have.N, 10)
		b, okB := new(big.Int).SetString(*t.value.N, 10)
		if !okA || !okB {
			return false // this server reads whole numbers only
		}
		order = a.Cmp(b)
	default:
		return false
	}
	switch t.op {
	case "BETWEEN":
		return order >= 0 && t.upTo.S != nil && have.S != nil && *have.S <= *t.upTo.S
	case "=":
		return order == 0
	case "<=":
		return order <= 0
	default:
		return order >= 0
	}
}

// added reads an update of the one shape that rootguard uses, "ADD #name :value",
// and does it. It returns the names and values that are left for the condition.
func added(expr string, names map[string]string, values map[string]AV, item Item) (restNames map[string]string, restValues map[string]AV, err error) {
	m := add.FindStringSubmatch(expr)
	if m == nil {
		return nil, nil, fmt.Errorf("invalid update expression, or one this server does not know: %q", expr)
	}
	name, ok := names[m[1]]
	value, defined := values[m[2]]
	if !ok || !defined || value.N == nil {
		return nil, nil, fmt.Errorf("update expression %q: a name or a number is not defined", expr)
	}
	sum, ok := new(big.Int).SetString(*value.N, 10)
	if !ok {
		return nil, nil, fmt.Errorf("%s is no whole number", *value.N)
	}
	if have, exists := item[name]; exists {
		old, ok := new(big.Int), false
		if have.N != nil {
			old, ok = old.SetString(*have.N, 10)
		}
		if !ok {
			return nil, nil, fmt.Errorf("an operand in the update expression has an incorrect data type")
		}
		sum.Add(sum, old)
	}
	text := sum.String()
	item[name] = AV{N: &text}
	restNames, restValues = maps.Clone(names), maps.Clone(values)
	delete(restValues, m[2])
	return restNames, restValues, nil
}
