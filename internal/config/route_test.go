package config_test

import (
	"encoding/json"
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
