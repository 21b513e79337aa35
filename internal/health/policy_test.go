package health

import (
	"encoding/json"
	"strings"
	"testing"
)

const (
	ruleARN  = "arn:aws:events:us-east-1:111122223333:rule/rootguard-root-sign-in"
	ownerID  = "111122223333"
	byRule   = `"ArnLike":{"AWS:SourceArn":"` + ruleARN + `"}`
	byOwner  = `"StringEquals":{"AWS:SourceAccount":"` + ownerID + `"}`
	anyEvent = `"Principal":{"Service":"events.amazonaws.com"},"Action":"lambda:InvokeFunction"`
)

func TestPermits(t *testing.T) {
	allow := func(condition string) string {
		return `{"Statement":[{"Effect":"Allow",` + anyEvent + `,"Condition":{` + condition + `}}]}`
	}
	for name, tc := range map[string]struct {
		policy string
		want   bool
	}{
		"as deployed":          {allow(byRule + "," + byOwner), true},
		"without a condition":  {`{"Statement":[{"Effect":"Allow",` + anyEvent + `}]}`, true},
		"one statement":        {`{"Statement":{"Effect":"Allow",` + anyEvent + `}}`, true},
		"lists":                {`{"Statement":[{"Effect":"Allow","Principal":{"Service":["s3.amazonaws.com","events.amazonaws.com"]},"Action":["lambda:InvokeFunction"],"Condition":{"ArnLike":{"AWS:SourceArn":["arn:x","` + ruleARN + `"]}}}]}`, true},
		"every rule":           {allow(strings.Replace(byRule, "root-sign-in", "*", 1)), true},
		"every action":         {`{"Statement":[{"Effect":"Allow","Principal":{"Service":"events.amazonaws.com"},"Action":"lambda:*"}]}`, true},
		"everybody":            {`{"Statement":[{"Effect":"Allow","Principal":"*","Action":"lambda:InvokeFunction"}]}`, true},
		"another rule":         {allow(strings.Replace(byRule, "sign-in", "sign-out", 1)), false},
		"a longer name":        {allow(strings.Replace(byRule, "sign-in", "sign-in2", 1)), false},
		"another account":      {allow(byRule + `,"StringEquals":{"AWS:SourceAccount":"222233334444"}`), false},
		"another service":      {strings.Replace(allow(byRule), "events.", "s3.", 1), false},
		"another action":       {strings.Replace(allow(byRule), "InvokeFunction", "GetFunction", 1), false},
		"a condition unknown":  {allow(byRule + `,"StringEquals":{"aws:PrincipalOrgID":"o-1"}`), false},
		"an operator unknown":  {allow(byRule + `,"Bool":{"aws:SecureTransport":"true"}`), false},
		"a wildcard, equals":   {allow(`"StringEquals":{"AWS:SourceArn":"*"}`), false},
		"denied":               {`{"Statement":[{"Effect":"Allow",` + anyEvent + `},{"Effect":"Deny","Principal":"*","Action":"lambda:*"}]}`, false},
		"another denied":       {`{"Statement":[{"Effect":"Allow",` + anyEvent + `},{"Effect":"Deny",` + anyEvent + `,"Condition":{` + strings.Replace(byRule, "sign-in", "sign-out", 1) + `}}]}`, true},
		"denied by a mystery":  {`{"Statement":[{"Effect":"Allow",` + anyEvent + `},{"Effect":"Deny","Principal":"*","Action":"lambda:*","Condition":{"Bool":{"aws:SecureTransport":"false"}}}]}`, false},
		"no statement":         {`{"Statement":[]}`, false},
		"no policy":            {"", false},
		"no JSON":              {"{", false},
		"an effect of nothing": {`{"Statement":[{` + anyEvent + `}]}`, false},
	} {
		if got := permits(ofRules(tc.policy), ruleARN, ownerID); got != tc.want {
			t.Errorf("%s: permits %v, want %v", name, got, tc.want)
		}
	}
}

func TestLike(t *testing.T) {
	for _, tc := range []struct {
		pattern, text string
		want          bool
	}{
		{"", "", true}, {"*", "", true}, {"a*", "a", true}, {"*a", "ba", true}, {"a*c*e", "abcde", true}, {"a?c", "abc", true}, {"**", "x", true},
		{"", "a", false}, {"a", "", false}, {"a*", "b", false}, {"a?c", "ac", false}, {"a*c", "abcd", false}, {"*ab", "aab", true}, {"*abc", "ababc", true},
	} {
		if got := like(tc.pattern, tc.text); got != tc.want {
			t.Errorf("like(%q, %q) = %v", tc.pattern, tc.text, got)
		}
	}
}

// FuzzPermits holds that no policy is understood so wrongly that denying all in
// addition would not refuse.
func FuzzPermits(f *testing.F) {
	f.Add(`{"Statement":[{"Effect":"Allow",` + anyEvent + `,"Condition":{` + byRule + `}}]}`)
	f.Add(`{"Statement":{"Effect":"Allow","Principal":"*","Action":"*"}}`)
	f.Add(`{"Statement":[{"Effect":"Deny","Principal":{"Service":[]},"Action":[1]}]}`)
	f.Add(`[]`)
	f.Fuzz(func(t *testing.T, policy string) {
		var doc map[string]json.RawMessage
		var statements []json.RawMessage
		if json.Unmarshal([]byte(policy), &doc) != nil || json.Unmarshal(doc["Statement"], &statements) != nil {
			permits(ofRules(policy), ruleARN, ownerID) // and must not panic
			return
		}
		statements = append(statements, json.RawMessage(`{"Effect":"Deny","Principal":"*","Action":"*"}`))
		denied, err := json.Marshal(map[string]any{"Statement": statements})
		if err == nil && permits(ofRules(string(denied)), ruleARN, ownerID) {
			t.Errorf("permitted though all is denied: %s", denied)
		}
	})
}

// FuzzTablePolicy holds that no policy of the table is understood so wrongly that
// denying everything to everyone in addition would pass.
func FuzzTablePolicy(f *testing.F) {
	const role = "arn:aws:iam::" + ownerID + ":role/rootguard-sweep"
	f.Add(`{"Statement":[{"Effect":"Deny","Principal":"*","Action":"dynamodb:PutItem","Resource":"*","Condition":{"ArnNotEquals":{"aws:PrincipalArn":["` + role + `"]}}}]}`)
	f.Add(`{"Statement":{"Effect":"Deny","Principal":{"AWS":["111122223333"],"Service":"x"},"NotAction":"a","Condition":{"Bool":{"a":true},"NumericLessThan":{"b":[1,2.5]}}}}`)
	f.Add(`{"Statement":[{"Effect":"Deny","Principal":{"CanonicalUser":"x"}},{"Principal":[1]}]}`)
	f.Add(`[]`)
	c := New(Ports{}, Expected{Partition: "aws", Region: "us-east-1", Account: ownerID, Prefix: "rootguard", Table: "t"}, nil)
	f.Fuzz(func(t *testing.T, policy string) {
		var doc map[string]json.RawMessage
		var statements []json.RawMessage
		if json.Unmarshal([]byte(policy), &doc) != nil || json.Unmarshal(doc["Statement"], &statements) != nil {
			c.judgeTablePolicy(policy, []string{role}) // and must not panic
			return
		}
		statements = append(statements, json.RawMessage(`{"Effect":"Deny","Principal":"*","Action":"*","Resource":"*"}`))
		denied, err := json.Marshal(map[string]any{"Statement": statements})
		if err != nil {
			return
		}
		if v := c.judgeTablePolicy(string(denied), []string{role}); v.outcome == OK || v.outcome == Warning {
			t.Errorf("%s though all is denied: %s", v.outcome, denied)
		}
	})
}
