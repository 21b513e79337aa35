package detect

import (
	"encoding/json"
	"testing"

	"rootguard/internal/cloudtrail"
)

// Any record gets a verdict that holds together, whatever its fields are.
func FuzzDetect(f *testing.F) {
	for _, seed := range []fields{
		signin("ConsoleLogin", root, said("ConsoleLogin", "Success", ""), mfaUsed("No")),
		signin("ConsoleLogin", alice, said("ConsoleLogin", "Success", ""), mfaUsed("No")),
		signin("PasswordRecoveryRequested", nobody, service),
		record("iam:CreateUser", root, req(fields{"userName": "bob"})),
		record("iam:PutUserPolicy", role, req(fields{"userName": "bob", "policyDocument": "%7B%22Statement%22%3A%5B%5D%7D"})),
		record("iam:EnableMFADevice", root, denied),
		record("sts:AssumeRoot", role, req(fields{"taskPolicyArn": fields{"arn": "a/b"}})),
		record("cloudtrail:PutEventSelectors", role, req(fields{"trailName": "t", "advancedEventSelectors": []any{7, fields{"fieldSelectors": []any{fields{"field": 7}}}}})),
		record("monitoring:DeleteAlarms", role, req(fields{"alarmNames": []any{"rootguard", nil}})),
		record("events:DeleteRule", role, fields{"requestParameters": `{"name":"rootguard"}`}),
		record("events:DeleteRule", role, fields{"errorMessage": "x on resource: rule/rootguard because"}),
	} {
		raw, err := json.Marshal(seed)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(raw, false)
		f.Add(raw, true)
	}
	f.Fuzz(func(t *testing.T, raw []byte, known bool) {
		rec, _, err := cloudtrail.Decode(raw)
		if err != nil {
			t.Skip("no record")
		}
		var assumed *AssumedRoot
		if known {
			assumed = &AssumedRoot{TaskPolicy: rec.EventName, By: rec.UserAgent}
		}
		o := new(Detector).Detect(&rec, assumed)
		checkOutcome(t, &rec, o)
		if _, err := json.Marshal(o); err != nil {
			t.Errorf("outcome cannot be written: %v", err)
		}
	})
}
