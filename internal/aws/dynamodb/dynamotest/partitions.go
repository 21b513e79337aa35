package dynamotest

import (
	"slices"
	"strings"
)

// part is a partition of the table or of an index.
type part struct {
	index
	hash string
}

// entry is an item in a partition.
type entry struct {
	order string // it sorts by
	item  Item
}

func byOrder(e entry, order string) int { return strings.Compare(e.order, order) }

// partitions have the items of each partition, in order: a query reads no more than
// what it asks for, however many items there are.
type partitions map[part][]entry

// order is what an item, or its key, sorts by in a partition of an index.
func (t *table) order(ix index, item Item) string {
	return strings.Join([]string{item.Str(ix.rng), item.Str(t.hash), item.Str(t.rng)}, "\x00")
}

// replace has an item in the place of what was under its key, nil where nothing was. An
// item that lacks a key of an index is not in it.
func (p partitions) replace(ix index, t *table, was, item Item) {
	in := func(item Item) bool { return item.Str(ix.hash) != "" && item.Str(ix.rng) != "" }
	if in(was) {
		of, order := part{ix, was.Str(ix.hash)}, t.order(ix, was)
		if i, ok := slices.BinarySearchFunc(p[of], order, byOrder); ok {
			if in(item) && item.Str(ix.hash) == of.hash && t.order(ix, item) == order {
				p[of][i].item = item
				return
			}
			p[of] = slices.Delete(p[of], i, i+1)
		}
	}
	if in(item) {
		of, order := part{ix, item.Str(ix.hash)}, t.order(ix, item)
		i, _ := slices.BinarySearchFunc(p[of], order, byOrder)
		p[of] = slices.Insert(p[of], i, entry{order, item})
	}
}

// after are the entries of a partition from the first on that may meet the terms of a
// query, the second of which is about the range key, and that comes after start.
func (p partitions) after(of part, terms []term, start string) []entry {
	all := p[of]
	if len(terms) == 2 && terms[1].op != "<=" && terms[1].value.S != nil {
		i, _ := slices.BinarySearchFunc(all, *terms[1].value.S, byOrder)
		all = all[i:]
	}
	if start != "" {
		i, same := slices.BinarySearchFunc(all, start, byOrder)
		if same {
			i++
		}
		all = all[i:]
	}
	return all
}
