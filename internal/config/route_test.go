package config_test

import (
	"encoding/json"
	"strings"
	"testing"

	"rootguard/internal/config"
	"rootguard/internal/detect"
)

func TestRouteFilter(t *testing.T) {
	accounts := []string{"123456789012", "210987654321"}
	for _, tt := range []struct {
		least        detect.Severity
		want         string
		combinations int
	}{
		{detect.Info, `{"account":["123456789012","210987654321"],"finding":[{"anything-but":["guard.digest"]}]}`, 2},
		{detect.Medium, `{"account":["123456789012","210987654321"],"finding":[{"anything-but":["guard.digest"]}],"severity":["medium","high","critical"]}`, 6},
		{detect.Critical, `{"account":["123456789012","210987654321"],"finding":[{"anything-but":["guard.digest"]}],"severity":["critical"]}`, 2},
	} {
		found := config.Route{Name: "team", Accounts: accounts, Tags: []string{"team=a"}, Least: tt.least}
		byName := strings.Replace(tt.want, `"account":["123456789012","210987654321"],`, "", 1)
		byName = strings.Replace(byName, `"guard.digest"]}]`, `"guard.digest"]}],"route":["team"]`, 1)
		if got, err := json.Marshal(found.Filter()); err != nil || string(got) != byName || found.Combinations() != tt.combinations/2 {
			t.Errorf("by tag: %s of %d combinations, %v, want %s of %d", got, found.Combinations(), err, byName, tt.combinations/2)
		}
		r := config.Route{Accounts: accounts, Least: tt.least}
		got, err := json.Marshal(r.Filter())
		if err != nil {
			t.Fatal(err)
		}
		if string(got) != tt.want || r.Combinations() != tt.combinations {
			t.Errorf("from %s on: %s of %d combinations, want %s of %d", tt.least, got, r.Combinations(), tt.want, tt.combinations)
		}
	}
}

func TestFilterID(t *testing.T) {
	const filter = `{"account":["123456789012"],"severity":["high","critical"]}`
	id := config.FilterID(filter)
	if again := config.FilterID("{ \"severity\": [\"high\", \"critical\"],\n \"account\": [\"123456789012\"] }"); id == "" || again != id {
		t.Errorf("in another layout it is %q, want %q", again, id)
	}
	for _, other := range []string{"", "{", `{}`, `{"account":["123456789012"]}`, `{"account":["210987654321"],"severity":["high","critical"]}`} {
		if config.FilterID(other) == id {
			t.Errorf("%s is taken for it", other)
		}
	}
}
