package config

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"

	"rootguard/internal/detect"
)

// Route is which alerts its receivers get: of some accounts, from a severity on.
type Route struct {
	// Name is for a route that names units or tags: the functions find out which
	// accounts those are, and put it on their alerts.
	Name     string
	Accounts []string
	Units    []string // IDs or names of organizational units, see accountcheck.Route
	Tags     []string // "key=value" of the accounts
	Least    detect.Severity
}

// Found reports whether AWS Organizations must be asked for the route's accounts.
func (r *Route) Found() bool { return len(r.Units)+len(r.Tags) > 0 }

// MaxCombinations is how many combinations of values a filter policy may have: the
// product of the numbers of values of its keys, of which there may be five (Amazon SNS
// Developer Guide, "Filter policy constraints in Amazon SNS").
const MaxCombinations = 150

// Combinations counts those of the route's filter.
func (r *Route) Combinations() int {
	values := len(r.Accounts)
	if r.Found() {
		values = 1
	}
	return values * max(1, len(r.severities()))
}

// severities are the names from Least on, none where that is all.
func (r *Route) severities() []string {
	var names []string
	if r.Least == detect.Info {
		return names
	}
	for s := r.Least; s <= detect.Critical; s++ {
		names = append(names, s.String())
	}
	return names
}

// Filter is the filter policy of a subscription of the topic of alerts, over the
// attributes of a message. What has none, such as an alarm, does not pass it, nor does
// the digest: both are for the main receivers.
func (r *Route) Filter() map[string]any {
	filter := map[string]any{
		AttributeFinding: []any{map[string]any{"anything-but": []string{string(detect.GuardDigest)}}},
	}
	if r.Found() {
		filter[AttributeRoute] = []string{r.Name}
	} else {
		filter[AttributeAccount] = r.Accounts
	}
	if names := r.severities(); names != nil {
		filter[AttributeSeverity] = names
	}
	return filter
}

// FilterID stands for a filter policy where it need not be spelled out, whatever its
// layout; "" for what is no JSON.
func FilterID(policy string) string {
	var v any
	if json.Unmarshal([]byte(policy), &v) != nil {
		return ""
	}
	text, err := json.Marshal(v) // with sorted keys
	if err != nil {
		return ""
	}
	sum := sha256.Sum256(text)
	return base64.RawURLEncoding.EncodeToString(sum[:])[:idLength]
}
