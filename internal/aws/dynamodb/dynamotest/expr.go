package dynamotest

import (
	"errors"
	"fmt"
	"math/big"
	"regexp"
	"slices"
	"strings"
)

// term is one comparison of an expression: of the shapes that rootguard uses,
// and no others.
type term struct {
	op    string // "=", "<=", ">=", "BETWEEN", "begins_with", "contains", "attribute_exists" or "attribute_not_exists"
	name  string // of the attribute
	value AV
	upTo  AV // of BETWEEN
}

var (
	compared = regexp.MustCompile(`^(#\w+) (=|<=|>=) (:\w+)$`)
	between  = regexp.MustCompile(`(#\w+) BETWEEN (:\w+) AND (:\w+)`)
	ranged   = regexp.MustCompile(`^(#\w+) BETWEEN (:\w+) TO (:\w+)$`)
	begins   = regexp.MustCompile(`^begins_with\((#\w+), (:\w+)\)$`)
	contains = regexp.MustCompile(`^contains\((#\w+), (:\w+)\)$`)
	clauses  = regexp.MustCompile(`(ADD|SET) ([^A-Z]+)`)
	addend   = regexp.MustCompile(`^(#\w+) (:\w+)$`)
	assigned = regexp.MustCompile(`^(#\w+|[a-z]+_[a-z]+) = (:\w+)$`)
	exists   = regexp.MustCompile(`^(attribute_exists|attribute_not_exists)\((#\w+|[a-z]+_[a-z]+|pk)\)$`)
)

// used are the names and values that the expressions of a request refer to.
type used struct{ names, values map[string]bool }

func newUsed() used { return used{map[string]bool{}, map[string]bool{}} }

// resolve is the attribute that a name stands for: "#name" one that the request
// defines, another itself. DynamoDB refuses its reserved words there, none of which
// the shapes above let through.
func (u used) resolve(name string, names map[string]string) (attribute string, ok bool) {
	if !strings.HasPrefix(name, "#") {
		return name, true
	}
	u.names[name] = true
	attribute, ok = names[name]
	return attribute, ok
}

// all reports whether those that a request defines are used. DynamoDB refuses it otherwise.
func (u used) all(names map[string]string, values map[string]AV) error {
	if len(u.names) != len(names) || len(u.values) != len(values) {
		return errors.New("value provided in ExpressionAttributeNames or ExpressionAttributeValues unused in expressions")
	}
	return nil
}

// parse reads a condition, alternatives of which each is a list of terms. As
// DynamoDB does, it refuses names and values that are not defined.
func parse(expr string, names map[string]string, values map[string]AV, u used) ([][]term, error) {
	var alternatives [][]term
	for one := range strings.SplitSeq(between.ReplaceAllString(expr, "$1 BETWEEN $2 TO $3"), " OR ") {
		terms, err := parseAll(one, names, values, u)
		if err != nil {
			return nil, err
		}
		alternatives = append(alternatives, terms)
	}
	return alternatives, nil
}

// parseAll reads terms that must all hold.
func parseAll(expr string, names map[string]string, values map[string]AV, u used) ([]term, error) {
	var terms []term
	for part := range strings.SplitSeq(expr, " AND ") {
		var t term
		var name, value, upTo string
		if m := compared.FindStringSubmatch(part); m != nil {
			name, t.op, value = m[1], m[2], m[3]
		} else if m := ranged.FindStringSubmatch(part); m != nil {
			t.op, name, value, upTo = "BETWEEN", m[1], m[2], m[3]
		} else if m := begins.FindStringSubmatch(part); m != nil {
			t.op, name, value = "begins_with", m[1], m[2]
		} else if m := contains.FindStringSubmatch(part); m != nil {
			t.op, name, value = "contains", m[1], m[2]
		} else if m := exists.FindStringSubmatch(part); m != nil {
			t.op, name = m[1], m[2]
		} else {
			return nil, fmt.Errorf("invalid expression, or one this server does not know: %q", part)
		}
		var ok bool
		if t.name, ok = u.resolve(name, names); !ok {
			return nil, fmt.Errorf("an expression attribute name used in the document path is not defined; attribute name: %s", name)
		}
		for name, to := range map[string]*AV{value: &t.value, upTo: &t.upTo} {
			if name == "" {
				continue
			}
			if *to, ok = values[name]; !ok {
				return nil, fmt.Errorf("an expression attribute value used in expression is not defined; attribute value: %s", name)
			}
			u.values[name] = true
		}
		terms = append(terms, t)
	}
	return terms, nil
}

// holds reports whether an item, nil where there is none, meets one of the alternatives.
func holds(alternatives [][]term, item Item) bool {
	return slices.ContainsFunc(alternatives, func(terms []term) bool { return meets(terms, item) })
}

func meets(terms []term, item Item) bool {
	for _, t := range terms {
		have, ok := item[t.name]
		if t.op == "attribute_not_exists" || t.op == "attribute_exists" {
			if ok != (t.op == "attribute_exists") {
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
	order, ok := compare(have, t.value)
	switch {
	case t.op == "contains": // of a set of strings
		return t.value.S != nil && slices.Contains(have.SS, *t.value.S)
	case t.op == "begins_with":
		return have.S != nil && t.value.S != nil && strings.HasPrefix(*have.S, *t.value.S)
	case !ok:
		return false
	}
	switch t.op {
	case "BETWEEN":
		last, ok := compare(have, t.upTo)
		return order >= 0 && ok && last <= 0
	case "=":
		return order == 0
	case "<=":
		return order <= 0
	default:
		return order >= 0
	}
}

// compare orders two values of one type.
func compare(a, b AV) (order int, ok bool) {
	switch {
	case a.S != nil && b.S != nil:
		return strings.Compare(*a.S, *b.S), true
	case a.N != nil && b.N != nil:
		x, okX := new(big.Rat).SetString(*a.N)
		y, okY := new(big.Rat).SetString(*b.N)
		if okX && okY {
			return x.Cmp(y), true
		}
	}
	return 0, false
}

// change is one action of an update.
type change struct {
	name  string // of the attribute
	value AV
	add   bool // to the number or the set that is there; otherwise it is set
}

// parseUpdate reads an update of the actions that rootguard uses, "ADD #name
// :value" and "SET #name = :value, …".
func parseUpdate(expr string, names map[string]string, values map[string]AV, u used) ([]change, error) {
	var changes []change
	for _, clause := range clauses.FindAllStringSubmatch(expr, -1) {
		for part := range strings.SplitSeq(clause[2], ",") {
			shape := assigned
			if clause[1] == "ADD" {
				shape = addend
			}
			m := shape.FindStringSubmatch(strings.TrimSpace(part))
			if m == nil {
				return nil, fmt.Errorf("invalid update expression, or one this server does not know: %q", expr)
			}
			name, ok := u.resolve(m[1], names)
			value, defined := values[m[2]]
			if !ok || !defined {
				return nil, fmt.Errorf("update expression %q: a name or a value is not defined", expr)
			}
			u.values[m[2]] = true
			changes = append(changes, change{name, value, clause[1] == "ADD"})
		}
	}
	if changes == nil {
		return nil, fmt.Errorf("invalid update expression, or one this server does not know: %q", expr)
	}
	return changes, nil
}

// apply makes the change.
func (c *change) apply(item Item) error {
	if !c.add {
		item[c.name] = c.value
		return nil
	}
	was, ok := item[c.name]
	if c.value.SS != nil {
		if ok && was.SS == nil {
			return errors.New("an operand in the update expression has an incorrect data type")
		}
		item[c.name] = AV{SS: union(was.SS, c.value.SS)}
		return nil
	}
	sum := new(big.Rat)
	for _, v := range []AV{was, c.value} {
		if v.S == nil && v.N == nil && v.SS == nil {
			continue // there is none
		}
		n, ok := new(big.Rat), false
		if v.N != nil {
			n, ok = n.SetString(*v.N)
		}
		if !ok {
			return errors.New("an operand in the update expression has an incorrect data type")
		}
		sum.Add(sum, n)
	}
	text := strings.TrimRight(strings.TrimRight(sum.FloatString(9), "0"), ".")
	item[c.name] = AV{N: &text}
	return nil
}

// union is what two sets have, in order.
func union(a, b []string) []string {
	all := slices.Concat(a, b)
	slices.Sort(all)
	return slices.Compact(all)
}
