package eventpattern

import (
	"cmp"
	"encoding/json"
	"fmt"
	"math/bits"
	"slices"
	"strconv"
	"strings"
)

// EventBridge refuses a pattern whose wildcards are too much work ("Rule is too
// complex"). Its limit is not documented. AWS's own rule engine, event-ruler,
// computes the bound (README, "Validate"; MachineComplexityEvaluator), and public
// cases measured with it were accepted up to 9 and refused from 11 on.
const (
	// MaxComplexity is the most that a deployed pattern may have.
	MaxComplexity = 8
	// worstComplexity is what Complexity returns at most: also where a pattern is
	// too large to be measured.
	worstComplexity = 1000
	// maxSteps bounds the work of measuring one pattern.
	maxSteps = 5_000_000
)

// Complexity is how many beginnings of the pattern's wildcards one value of an
// event can match at the same time, at worst. For each field, the wildcards of
// all alternatives of $or count together, since the engine puts them into one
// automaton: there they share what is before their first star, but nothing
// after it, even where they are the same. It fails where Compile does.
func Complexity(pattern []byte) (int, error) {
	root, err := parsePattern(pattern)
	if err != nil {
		return 0, err
	}
	if _, err := compile(root); err != nil {
		return 0, err
	}
	m := meter{steps: maxSteps, measured: map[string]int{}}
	tree := &step{}
	for _, rule := range subRules(nil, root) {
		slices.SortStableFunc(rule, func(a, b leaf) int { return cmp.Compare(a.path, b.path) })
		m.add(tree, rule)
	}
	worst := m.worst(tree, map[*step]bool{})
	if m.steps < 0 {
		return worstComplexity, nil
	}
	return min(worst, worstComplexity), nil
}

// leaf is a field of a pattern with its values.
type leaf struct {
	path   string
	values []any
}

// subRules are the rules without $or that an object stands for.
func subRules(path []string, o object) [][]leaf {
	rules := [][]leaf{nil}
	for _, m := range o {
		var more [][]leaf
		switch v := m.value.(type) {
		case object:
			more = subRules(slices.Concat(path, []string{m.name}), v)
		case []any:
			if m.name != "$or" {
				more = [][]leaf{{{at(slices.Concat(path, []string{m.name})), v}}}
				break
			}
			for _, branch := range v {
				if b, ok := branch.(object); ok {
					more = append(more, subRules(path, b)...)
				}
			}
		}
		product := make([][]leaf, 0, len(rules)*len(more))
		for _, a := range rules {
			for _, b := range more {
				product = append(product, slices.Concat(a, b))
			}
		}
		rules = product
	}
	return rules
}

// step is a state between two fields: what a rule asks of its fields, in the
// order of their paths, leads from one to the next.
type step struct {
	fields map[string]*values
	order  []string
}

// values are what all rules that come to a step ask of one field.
type values struct {
	wildcards []wildcardOf
	next      map[string]*step // by the value
	steps     []*step          // the same, in order
}

// wildcardOf is one wildcard, and the value it belongs to: anything-but may have
// several.
type wildcardOf struct {
	value, text string
}

// meter measures, until its steps are used up.
type meter struct {
	steps    int
	measured map[string]int // by the wildcards of a field, since fields are much alike
}

// add leads a rule through the steps from s.
func (m *meter) add(s *step, rule []leaf) {
	if m.steps--; len(rule) == 0 || m.steps < 0 {
		return
	}
	field := s.fields[rule[0].path]
	if field == nil {
		field = &values{next: map[string]*step{}}
		if s.fields == nil {
			s.fields = map[string]*values{}
		}
		s.fields[rule[0].path] = field
		s.order = append(s.order, rule[0].path)
	}
	// Values of one list lead to one step, but where one has a step already.
	var last *step
	var reached []*step
	for _, v := range rule[0].values {
		key := written(plain(v))
		for _, text := range wildcardsIn(v) {
			field.wildcards = append(field.wildcards, wildcardOf{key, text})
		}
		if known := field.next[key]; known != nil {
			last = known
		} else {
			if last == nil {
				last = &step{}
				field.steps = append(field.steps, last)
			}
			field.next[key] = last
		}
		if !slices.Contains(reached, last) {
			reached = append(reached, last)
		}
	}
	for _, next := range reached {
		m.add(next, rule[1:])
	}
}

// worst is the highest complexity of the fields from s on.
func (m *meter) worst(s *step, seen map[*step]bool) int {
	if m.steps--; seen[s] || m.steps < 0 {
		return 0
	}
	seen[s] = true
	worst := 0
	for _, path := range s.order {
		field := s.fields[path]
		if len(field.wildcards) > 0 {
			worst = max(worst, m.field(field.wildcards))
		}
		for _, next := range field.steps {
			worst = max(worst, m.worst(next, seen))
		}
	}
	return worst
}

// field is the complexity of a field's wildcards.
func (m *meter) field(wildcards []wildcardOf) int {
	var key strings.Builder
	for _, w := range wildcards {
		if m.steps -= len(w.text); m.steps < 0 {
			return 0
		}
		fmt.Fprintf(&key, "%s %q,", w.value, w.text)
	}
	if known, ok := m.measured[key.String()]; ok {
		return known
	}
	var a automaton
	for _, w := range wildcards {
		a.add(w.value, tokens(w.text))
	}
	most := m.most(&a)
	m.measured[key.String()] = most
	return most
}

// wildcardsIn are the wildcards of one value of a pattern.
func wildcardsIn(v any) []string {
	o, ok := v.(object)
	if !ok || len(o) != 1 {
		return nil
	}
	switch o[0].name {
	case "wildcard":
		text, _ := o[0].value.(string)
		return []string{text}
	case "anything-but":
		within, ok := o[0].value.(object)
		if !ok || len(within) != 1 || within[0].name != "wildcard" {
			return nil
		}
		list, ok := within[0].value.([]any)
		if !ok {
			list = []any{within[0].value}
		}
		var texts []string
		for _, v := range list {
			if text, ok := v.(string); ok && !slices.Contains(texts, text) {
				texts = append(texts, text)
			}
		}
		return texts
	default:
		return nil
	}
}

// plain is a value with objects as maps and numbers in one spelling.
func plain(v any) any {
	switch v := v.(type) {
	case object:
		o := make(map[string]any, len(v))
		for _, m := range v {
			o[m.name] = plain(m.value)
		}
		return o
	case []any:
		list := make([]any, len(v))
		for i := range v {
			list[i] = plain(v[i])
		}
		return list
	case json.Number:
		if f, err := number(v); err == nil {
			return json.Number(strconv.FormatFloat(f, 'g', -1, 64))
		}
		return v
	default:
		return v
	}
}

// star is the token of any run of bytes; the others are bytes.
const star = 256

// tokens are the bytes and stars of a wildcard, within the quotes of a JSON text.
func tokens(text string) []int {
	list := []int{'"'}
	for i := 0; i < len(text); i++ {
		switch {
		case text[i] == '*':
			list = append(list, star)
			continue
		case text[i] == '\\' && i+1 < len(text):
			i++
		}
		list = append(list, int(text[i]))
	}
	return append(list, '"')
}

// automaton reads the values of one field. State 0 is its start.
type automaton struct {
	states []state
	ends   map[string]int // by the value
	ids    map[string]int // as above
	bytes  []int          // of the wildcards, each once
}

type state struct {
	edges []edge
	star  int  // the state of a star that may follow at once, 0 for none
	loops bool // it is a star's
	ends  bool // it is that of a whole wildcard
	// The wildcards that can still match from here.
	of map[int]bool
}

type edge struct{ by, to int }

func (a *automaton) newState() int {
	a.states = append(a.states, state{of: map[int]bool{}})
	return len(a.states) - 1
}

func (a *automaton) add(value string, tokens []int) {
	if a.states == nil {
		a.newState()
		a.ends, a.ids = map[string]int{}, map[string]int{}
	}
	id, known := a.ids[value]
	if !known {
		id = len(a.ids)
		a.ids[value] = id
	}
	here, shared := 0, true
	a.states[here].of[id] = true
	for i, t := range tokens {
		last, next := i == len(tokens)-1, 0
		switch {
		case t == star:
			if shared {
				next = a.states[here].star
			}
			if next == 0 {
				next = a.newState()
				a.states[next].loops = true
				a.states[here].star = next
			}
			shared = false
		case last:
			if next = a.ends[value]; next == 0 {
				next = a.newState()
				a.states[next].ends = true
				a.ends[value] = next
			}
			a.join(here, t, next)
		case shared:
			for _, e := range a.states[here].edges {
				if e.by == t && !a.states[e.to].ends {
					next = e.to
				}
			}
			if next == 0 {
				next = a.newState()
				a.join(here, t, next)
			}
		default:
			next = a.newState()
			a.join(here, t, next)
		}
		here = next
		a.states[here].of[id] = true
	}
}

func (a *automaton) join(from, by, to int) {
	if e := (edge{by, to}); !slices.Contains(a.states[from].edges, e) {
		a.states[from].edges = append(a.states[from].edges, e)
	}
	if !slices.Contains(a.bytes, by) {
		a.bytes = append(a.bytes, by)
	}
}

// set is a set of states.
type set []uint64

func (s set) add(i int)      { s[i/64] |= 1 << (i % 64) }
func (s set) has(i int) bool { return s[i/64]&(1<<(i%64)) != 0 }

func (s set) within(t set) bool {
	for i := range s {
		if s[i]&^t[i] != 0 {
			return false
		}
	}
	return true
}

// most is the most wildcards that the states which one value can be in at the
// same time can still match, summed over these states.
func (m *meter) most(a *automaton) int { //nolint:gocognit // follows the engine that EventBridge publishes, case by case
	size := (len(a.states) + 63) / 64
	follow := func(from set, by int) set {
		to := make(set, size)
		enter := func(i int) {
			to.add(i)
			if s := a.states[i].star; s != 0 {
				to.add(s)
			}
		}
		for i := range a.states {
			if !from.has(i) {
				continue
			}
			if a.states[i].loops {
				to.add(i)
			}
			for _, e := range a.states[i].edges {
				if e.by == by {
					enter(e.to)
				}
			}
		}
		return to
	}
	begin := make(set, size)
	begin.add(0)
	if s := a.states[0].star; s != 0 {
		begin.add(s)
	}
	// A set within one that was seen leads to nothing worse than that one did.
	var seen []set
	open, worst := []set{begin}, 0
	alphabet := append([]int{-1}, a.bytes...) // -1 stands for all other bytes
	for len(open) > 0 {
		from := open[len(open)-1]
		open = open[:len(open)-1]
		for _, by := range alphabet {
			to := follow(from, by)
			if m.steps -= size + len(a.states)/8 + len(seen)/8; m.steps < 0 {
				return worst
			}
			if slices.ContainsFunc(seen, to.within) {
				continue
			}
			count := 0
			for word := range to {
				for rest := to[word]; rest != 0; rest &= rest - 1 {
					count += len(a.states[word*64+bits.TrailingZeros64(rest)].of)
				}
			}
			if worst = max(worst, count); worst >= worstComplexity {
				return worst
			}
			seen, open = append(seen, to), append(open, to)
		}
	}
	return worst
}
