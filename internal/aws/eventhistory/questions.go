package eventhistory

import (
	"encoding/json"
	"fmt"
	"slices"

	"rootguard/internal/eventrules"
)

// Question is what a request asks for: events with one attribute.
type Question struct {
	Attribute string // "EventName" or "Username"
	Value     string
}

func (q Question) String() string { return q.Attribute + "=" + q.Value }

// Questions are those that together find all that matters in one Region. IAM's,
// Organizations' and Account Management's calls are recorded in the partition's home Region
// alone (AWS IAM User Guide, "Logging IAM and AWS STS API calls with AWS
// CloudTrail"). Calls on resources of rootguard itself are not asked for, but for
// those on trails: where they matter, rootguard was there and saw them.
func Questions(home bool) ([]Question, error) {
	names := []string{
		"ConsoleLogin", "PasswordRecoveryRequested", "PasswordRecoveryCompleted", "PasswordUpdated", "EmailUpdated",
		"AssumeRoot", "StopLogging", "DeleteTrail", "UpdateTrail", "PutEventSelectors",
		"DeleteEventDataStore", "StopEventDataStoreIngestion", "DeleteConsoleAuthorizationConfiguration", "DeleteResourcePermissionStatement",
		"PutConsoleAuthorizationConfiguration", "PutResourcePermissionStatement",
	}
	if home {
		names = append(names, "StartPrimaryEmailUpdate", "AcceptPrimaryEmailUpdate")
		for _, rule := range []string{"user-change", "role-change", "account-change"} {
			of, err := namesOf(rule)
			if err != nil {
				return nil, err
			}
			for _, name := range of {
				if !slices.Contains(names, name) {
					names = append(names, name)
				}
			}
		}
	}
	questions := []Question{{"Username", "root"}}
	for _, n := range names {
		questions = append(questions, Question{"EventName", n})
	}
	return questions, nil
}

// namesOf are the event names that a deployed rule lists.
func namesOf(rule string) ([]string, error) {
	for _, r := range eventrules.Rules() {
		if r.Name != rule {
			continue
		}
		type named struct {
			EventName []string `json:"eventName"`
		}
		var pattern struct {
			Detail struct {
				named
				Or []named `json:"$or"`
			} `json:"detail"`
		}
		if err := json.Unmarshal([]byte(r.Pattern), &pattern); err != nil {
			return nil, fmt.Errorf("reading the event names of rule %s: %w", rule, err)
		}
		names := pattern.Detail.EventName
		for _, or := range pattern.Detail.Or {
			names = append(names, or.EventName...)
		}
		return names, nil
	}
	return nil, fmt.Errorf("reading the event names of rule %s: there is no such rule", rule)
}
