package bolt_test

import (
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"

	"rootguard/internal/bolt"
)

// TestRegions holds that Regions add up over replays and that a store without any, as
// earlier versions made it, can be read.
func TestRegions(t *testing.T) {
	path := filepath.Join(t.TempDir(), "store.db")
	s := open(t, path)
	check := func(s *bolt.Store, want map[string][]string) {
		t.Helper()
		for account, regions := range want {
			got, err := s.Regions(t.Context(), account)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(regions, got); diff != "" {
				t.Errorf("account %s (-want +got):\n%s", account, diff)
			}
		}
	}
	check(s, map[string][]string{"1": nil})
	for _, add := range []map[string][]string{
		{"1": {"us-east-1", "eu-west-1"}, "2": nil},
		{"1": {"eu-west-1", "ca-central-1"}, "3": {"us-east-1"}},
		{},
	} {
		if err := s.AddRegions(t.Context(), add); err != nil {
			t.Fatal(err)
		}
	}
	want := map[string][]string{"1": {"ca-central-1", "eu-west-1", "us-east-1"}, "2": nil, "3": {"us-east-1"}, "4": nil}
	check(s, want)
	closeStore(t, s)
	readOnly, err := bolt.OpenReadOnly(path)
	if err != nil {
		t.Fatal(err)
	}
	check(readOnly, want)
	closeStore(t, readOnly)
}
