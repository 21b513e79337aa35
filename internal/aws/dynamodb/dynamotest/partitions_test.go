package dynamotest

import (
	"cmp"
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// TestPartitions holds that a partition has the items that name it, each as it was
// put last, in order, and that after leaves out none that meets the terms.
func TestPartitions(t *testing.T) {
	t.Parallel()
	due := index{"shard", "due"}
	tab := &table{index: index{"pk", "sk"}, indexes: map[string]index{"due": due}, items: map[string]Item{}, parts: partitions{}}
	random := rand.New(rand.NewPCG(1, 2)) // the same in each run
	str := func(prefix string, n int) AV {
		s := prefix + strconv.Itoa(random.IntN(n))
		return AV{S: &s}
	}
	for step := range 3000 {
		item := Item{"pk": str("p", 3), "sk": str("s", 20), "doc": str("d", 1000)}
		if random.IntN(3) > 0 {
			item["shard"], item["due"] = str("q", 2), str("t", 9)
		}
		id, err := tab.id(item)
		if err != nil {
			t.Fatal(err)
		}
		tab.put(id, item)
		if step%50 > 0 {
			continue
		}
		for _, ix := range []index{tab.index, due} {
			prefix, hash := "s", str("p", 3)
			if ix == due {
				prefix, hash = "t", str("q", 2)
			}
			terms := []term{{op: "=", name: ix.hash, value: hash}, {op: "<=", name: ix.rng, value: str(prefix, 20), upTo: str(prefix, 20)}}
			terms[1].op = []string{"<=", ">=", "=", "BETWEEN", "begins_with"}[random.IntN(5)]
			var want []Item
			for _, item := range tab.items {
				if meets(terms, item) {
					want = append(want, item)
				}
			}
			slices.SortFunc(want, func(a, b Item) int {
				return cmp.Or(strings.Compare(a.Str(ix.rng), b.Str(ix.rng)), strings.Compare(a.Str("pk"), b.Str("pk")), strings.Compare(a.Str("sk"), b.Str("sk")))
			})
			start, from := "", 0
			if len(want) > 0 {
				from = random.IntN(len(want))
			}
			if from > 0 {
				start = tab.order(ix, want[from-1])
			}
			var got []Item
			for _, e := range tab.parts.after(part{ix, *hash.S}, terms, start) {
				if meets(terms, e.item) {
					got = append(got, e.item)
				}
			}
			text := func(items []Item) (all []string) {
				for _, it := range items {
					all = append(all, it.Str("pk")+" "+it.Str("sk")+" "+it.Str("due")+" "+it.Str("doc"))
				}
				return all
			}
			if !slices.Equal(text(got), text(want[from:])) {
				t.Fatalf("step %d, %s %s after %q:\ngot  %v\nwant %v", step, ix.rng, terms[1].op, start, text(got), text(want[from:]))
			}
		}
	}
}
