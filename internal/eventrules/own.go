package eventrules

import (
	"encoding/json"
	"fmt"
	"maps"

	"rootguard/internal/eventpattern"
)

// The event that the guard puts on the bus while it works. Its source is none of
// AWS's, so that no rule takes it for one of CloudTrail. A caller who may put events can
// write one, which is why no function is called by it.
const (
	HeartbeatSource     = "rootguard"
	HeartbeatDetailType = "rootguard Heartbeat"
)

// HeartbeatTag is the key of the tag that the function sweep puts on its own role,
// the value being the heartbeat's ID.
const HeartbeatTag = "rootguard:heartbeat"

// SweepRole is the name of the role of the function sweep.
func SweepRole(prefix string) string { return prefix + "-" + Sweep }

// Heartbeats are the rules that bring the guard's recorded heartbeats to the
// functions, one each: the calls by which the sweep's role tags itself, as CloudTrail
// records them (IAM API Reference, TagRole; a record has the tags in
// requestParameters). Nothing else passes: a source of AWS cannot be made up, and
// the caller must be the role itself. The prefix must be one that RulesFor takes.
func Heartbeats(prefix, account string) []Rule {
	functions := []string{RootActivity, IAMUser}
	role := []string{SweepRole(prefix)}
	rules := make([]Rule, len(functions))
	for i, function := range functions {
		rules[i] = Rule{
			Name: "heartbeat-" + function, Description: "A recorded heartbeat of rootguard itself, for the function " + function, Function: function,
			Pattern: patternOf(map[string]any{
				"source": []string{"aws.iam"}, "detail-type": []string{"AWS API Call via CloudTrail"}, "account": []string{account},
				"detail": map[string]any{
					"eventSource": []string{"iam.amazonaws.com"}, "eventName": []string{"TagRole"},
					"errorCode": []any{map[string]any{"exists": false}},
					"userIdentity": map[string]any{"type": []string{"AssumedRole"},
						"sessionContext": map[string]any{"sessionIssuer": map[string]any{"userName": role}}},
					"requestParameters": map[string]any{"roleName": role, "tags": map[string]any{"key": []string{HeartbeatTag}}},
				},
			}),
		}
	}
	return rules
}

// Alive is the rule for the event that the guard puts on the bus. Those of other
// accounts, which in an organization may put events on the bus too, and of guards
// with another prefix do not pass. The prefix must be one that RulesFor takes.
func Alive(prefix, account string) Rule {
	return Rule{
		Name: "heartbeat", Description: "The event that rootguard puts on the bus every 5 minutes while it works",
		Pattern: patternOf(map[string]any{
			"source": []string{HeartbeatSource}, "detail-type": []string{HeartbeatDetailType}, "account": []string{account},
			"detail": map[string]any{"prefix": []string{prefix}},
		}),
	}
}

// SecondWay begins the names of the rules of the second way out, in the home Region
// and in the second one.
const SecondWay = "second-"

// Second are the rules by which the events of Direct ones take the second way out:
// those by which the home Region sends its events to the second Region, and those by
// which the second Region reports what arrives and what is done there.
//
// EventBridge sends an event on to another bus once, and takes the second time for
// a failure of delivery (error THIRD_ACCOUNT_HOP_DETECTED). So the home Region sends
// on only what happened there in the account itself, and nothing that other
// Regions or accounts forwarded to it; see Elsewhere for the other direction.
func Second(direct []Rule, account, home string) (sending, reporting []Rule) {
	for _, r := range direct {
		r.Name = SecondWay + r.Name
		report := r
		if r.Name == SecondWay+locked {
			// The second Region does not know the key, but gets no other call from home.
			report.Pattern = patternOf(map[string]any{"source": services("kms"), "detail-type": []string{eventpattern.APICall},
				"account": []string{account}, "region": []string{home}})
		}
		reporting = append(reporting, report)
		r.Description += ": by way of the second Region"
		r.Pattern = with(r.Pattern, map[string]any{"account": []string{account}, "region": []string{home}})
		sending = append(sending, r)
	}
	return sending, reporting
}

// Elsewhere is a rule for events of all Regions but one: those that the home Region
// sent to the second one are not to be sent back.
func Elsewhere(r Rule, home string) Rule {
	r.Pattern = with(r.Pattern, map[string]any{"region": []any{map[string]any{"anything-but": []string{home}}}})
	return r
}

// with is a pattern that asks for more. It panics where the pattern is none.
func with(pattern string, fields map[string]any) string {
	var of map[string]any
	if err := json.Unmarshal([]byte(pattern), &of); err != nil {
		panic(fmt.Sprintf("reading a pattern: %v", err)) // a constant of ours
	}
	maps.Copy(of, fields)
	return patternOf(of)
}

func patternOf(of map[string]any) string {
	text, err := json.Marshal(of)
	if err != nil {
		panic(fmt.Sprintf("writing a pattern: %v", err)) // texts always can be
	}
	return string(text)
}
