package fake

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

type deep struct {
	Name  string
	Times []time.Time
	More  map[string][]string
	Next  *deep
	Any   any
	Flat  [2]int
	Deep  [1]*int
}

func filled() deep {
	n := 1
	return deep{
		Name: "a", Times: []time.Time{time.Unix(1, 0).UTC()}, More: map[string][]string{"k": {"v"}},
		Next: &deep{Times: []time.Time{time.Unix(2, 0).UTC()}}, Any: []any{map[string]any{"x": "y"}}, Deep: [1]*int{&n},
	}
}

// TestTable holds that a row that was read, or given, is not the stored one.
func TestTable(t *testing.T) {
	var rows table[deep]
	spoil := func(d deep) {
		d.Times[0] = time.Time{}
		d.More["k"][0], d.More["new"] = "changed", nil
		d.Next.Times[0] = time.Time{}
		d.Next.Name = "changed"
		d.Any.([]any)[0].(map[string]any)["x"] = "changed" //nolint:forcetypeassert // filled has it
		*d.Deep[0] = 7
	}
	given := filled()
	if err := rows.put("a", given); err != nil {
		t.Fatal(err)
	}
	spoil(given)
	if _, found := rows.get("b"); found {
		t.Error("found a row that was not stored")
	}
	got, found := rows.get("a")
	if diff := cmp.Diff(filled(), got); !found || diff != "" {
		t.Fatalf("found %v (-want +got):\n%s", found, diff)
	}
	spoil(got)
	some := rows.find(func(d *deep) bool { return d.Name == "a" })
	if diff := cmp.Diff([]deep{filled()}, some); diff != "" {
		t.Fatalf("after one was changed (-want +got):\n%s", diff)
	}
	spoil(some[0])
	if diff := cmp.Diff([]deep{filled()}, rows.all()); diff != "" {
		t.Errorf("after a listed one was changed (-want +got):\n%s", diff)
	}
	if err := rows.put("", filled()); err != nil || len(rows.rows) != 1 {
		t.Errorf("%d rows, %v", len(rows.rows), err)
	}
	var functions table[func()]
	if err := functions.put("f", func() {}); err == nil {
		t.Error("a row that cannot be encoded was stored")
	}
}
