// Package eventrulestest delivers records to rules as EventBridge does, for tests.
//
// A Router compiles the deployed patterns by the matcher of package eventpattern. It
// knows the bus of each Region, and that read-only management events reach those rules
// alone that ask for them (Amazon EventBridge User Guide, "AWS service events delivered
// via AWS CloudTrail").
package eventrulestest

import (
	"encoding/json"
	"fmt"
	"slices"

	"rootguard/internal/cloudtrail"
	"rootguard/internal/eventpattern"
	"rootguard/internal/eventrules"
)

// Router says which rules deliver a record.
type Router struct {
	rules    []eventrules.Rule
	patterns []*eventpattern.Pattern
	regions  []string
}

// NewRouter compiles the rules' patterns. regions have the rules: the guard's own
// and those that forward to it. An event is on the bus of its Region alone.
func NewRouter(all []eventrules.Rule, regions []string) (*Router, error) {
	r := &Router{rules: all, regions: slices.Clone(regions)}
	for _, rule := range all {
		p, err := eventpattern.Compile([]byte(rule.Pattern))
		if err != nil {
			return nil, fmt.Errorf("rule %s: %w", rule.Name, err)
		}
		r.patterns = append(r.patterns, p)
	}
	return r, nil
}

// Route returns the rules that deliver the record: none where its Region has no
// rules, else those whose pattern its Envelope matches, and of a read-only
// management event those with AllManagementEvents alone.
func (r *Router) Route(rec *cloudtrail.Record) ([]eventrules.Rule, error) {
	envelope, err := eventpattern.Envelope(rec)
	if err != nil {
		return nil, err
	}
	event, err := eventpattern.ParseEvent(envelope)
	if err != nil {
		return nil, err
	}
	if !slices.Contains(r.regions, rec.AWSRegion) {
		return nil, nil
	}
	withheld := rec.ReadOnly == cloudtrail.Yes && managementEvent(rec)
	var through []eventrules.Rule
	for i, p := range r.patterns {
		if withheld && !r.rules[i].AllManagementEvents {
			continue
		}
		if p.Matches(event) {
			through = append(through, r.rules[i])
		}
	}
	return through, nil
}

// managementEvent is what the record says of itself; older ones do not say, and
// are management events.
func managementEvent(rec *cloudtrail.Record) bool {
	var says struct{ ManagementEvent *bool }
	err := json.Unmarshal(rec.Raw, &says)
	return err != nil || says.ManagementEvent == nil || *says.ManagementEvent
}
