package health

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
)

// statement is one of an IAM policy (IAM User Guide, "Grammar of the IAM JSON
// policy language").
type statement struct {
	Sid, Effect  string
	Principal    principal
	NotPrincipal json.RawMessage
	Action       oneOrMore[string]
	NotAction    oneOrMore[string]
	Resource     oneOrMore[string]
	NotResource  oneOrMore[string]
	Condition    map[string]map[string]values
}

// values are those of a condition, which may be numbers and truth values too.
type values []string

// UnmarshalJSON is json.Unmarshaler's.
func (v *values) UnmarshalJSON(raw []byte) error {
	var many oneOrMore[any]
	if err := json.Unmarshal(raw, &many); err != nil {
		return fmt.Errorf("reading the values of a condition: %w", err)
	}
	*v = make(values, len(many))
	for i, one := range many {
		(*v)[i] = fmt.Sprint(one)
	}
	return nil
}

// principal is who a statement of a resource's policy is about.
type principal struct {
	All     bool // "*"
	AWS     oneOrMore[string]
	Service oneOrMore[string]
	Other   bool // of another kind, such as a canonical user
}

// UnmarshalJSON is json.Unmarshaler's.
func (p *principal) UnmarshalJSON(raw []byte) error {
	var all string
	if json.Unmarshal(raw, &all) == nil {
		*p = principal{All: all == "*", Other: all != "*"}
		return nil
	}
	var kinds map[string]oneOrMore[string]
	if err := json.Unmarshal(raw, &kinds); err != nil {
		return fmt.Errorf("reading a principal: %w", err)
	}
	*p = principal{}
	for kind, who := range kinds {
		switch kind {
		case "AWS":
			p.AWS = who
			p.All = slices.Contains(who, "*")
		case "Service":
			p.Service = who
		default:
			p.Other = true
		}
	}
	return nil
}

// readPolicy reads a policy; "" has no statement.
func readPolicy(text string) ([]statement, error) {
	if text == "" {
		return nil, nil
	}
	var doc struct{ Statement oneOrMore[statement] }
	if err := json.Unmarshal([]byte(text), &doc); err != nil {
		return nil, fmt.Errorf("reading a policy: %w", err)
	}
	return doc.Statement, nil
}

// named is how a statement is called in a message.
func (s *statement) named() string {
	if s.Sid == "" {
		return "a statement without a name"
	}
	return fmt.Sprintf("the statement %.60q", s.Sid)
}

// inverse reports whether the statement is about all but something.
func (s *statement) inverse() bool {
	return len(s.NotAction) > 0 || len(s.NotResource) > 0 || len(s.NotPrincipal) > 0
}

// allows reports whether a statement of an identity's policy allows an action on a
// resource, whatever the call. IAM compares actions without regard to case.
func (s *statement) allows(action, resource string) bool {
	if s.Effect != "Allow" || s.inverse() || len(s.Condition) > 0 {
		return false
	}
	return covers(s.Action, action) && matches(s.Resource, resource)
}

// covers reports whether one of the actions is the one named.
func covers(actions []string, action string) bool {
	return slices.ContainsFunc(actions, func(a string) bool { return like(strings.ToLower(a), strings.ToLower(action)) })
}

// sameJSON reports whether two texts are the same JSON, apart from its layout.
func sameJSON(a, b string) bool {
	if a == "" || b == "" {
		return a == b
	}
	var x, y any
	if json.Unmarshal([]byte(a), &x) != nil || json.Unmarshal([]byte(b), &y) != nil {
		return false
	}
	one, errOne := json.Marshal(x)
	two, errTwo := json.Marshal(y)
	return errOne == nil && errTwo == nil && string(one) == string(two)
}
