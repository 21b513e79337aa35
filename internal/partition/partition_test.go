package partition_test

import (
	"slices"
	"testing"

	"rootguard/internal/partition"
)

func TestRegions(t *testing.T) {
	for id, n := range map[string]int{"aws": 17, "aws-us-gov": 2, "aws-cn": 2, "aws-eusc": 1} {
		p, ok := partition.Of(id)
		if !ok || p.ID != id || len(p.Regions) != n || p.Regions[0] != p.Home || !slices.IsSorted(p.Further()) {
			t.Errorf("%s: got %+v, want %d Regions, the home Region first", id, p, n)
		}
		if slices.Contains(p.Further(), p.Home) || len(p.Further()) != n-1 {
			t.Errorf("%s: the further Regions are %v", id, p.Further())
		}
		if sorted := slices.Sorted(slices.Values(p.Regions)); len(slices.Compact(sorted)) != n {
			t.Errorf("%s: a Region is listed twice", id)
		}
	}
	if _, ok := partition.Of("aws-iso"); ok {
		t.Error("aws-iso: want no partition")
	}
}

// TestOfCopies holds that a caller cannot change the table.
func TestOfCopies(t *testing.T) {
	p, _ := partition.Of("aws")
	p.Regions[0] = "changed"
	if again, _ := partition.Of("aws"); again.Regions[0] != "us-east-1" {
		t.Errorf("the table changed: %s", again.Regions[0])
	}
}

func TestOfRegion(t *testing.T) {
	for _, id := range partition.IDs() {
		p, _ := partition.Of(id)
		for _, region := range p.Regions {
			if got, ok := partition.OfRegion(region); !ok || got.ID != id {
				t.Errorf("%s: got %q, want %s", region, got.ID, id)
			}
		}
	}
	for region, want := range map[string]string{"me-south-1": "aws", "cn-east-9": "aws-cn", "us-isob-east-1": "", "eu-isoe-west-1": "", "us-gov-south-1": "aws-us-gov"} {
		if got, ok := partition.OfRegion(region); got.ID != want || ok != (want != "") {
			t.Errorf("%s: got %q, want %q", region, got.ID, want)
		}
	}
}

// TestSecond holds that the choice depends on which Regions there are, not on
// their order.
func TestSecond(t *testing.T) {
	for _, id := range partition.IDs() {
		p, _ := partition.Of(id)
		if got := p.SecondOf(p.Regions); got != p.Second {
			t.Errorf("%s: of all Regions %q, want %q", id, got, p.Second)
		}
		if (p.Second == "") != (len(p.Regions) == 1) || p.Second == p.Home {
			t.Errorf("%s: the second Region is %q", id, p.Second)
		}
	}
	p, _ := partition.Of("aws")
	for want, lists := range map[string][][]string{
		"us-east-2":  {{"eu-north-1", "us-east-2"}, {"us-east-2", "eu-north-1"}},
		"eu-north-1": {{"me-south-1", "eu-north-1"}, {"eu-north-1", "us-east-1", "me-south-1"}},
		"":           {nil, {"us-east-1"}},
	} {
		for _, regions := range lists {
			if got := p.SecondOf(regions); got != want {
				t.Errorf("of %v: %q, want %q", regions, got, want)
			}
		}
	}
}
