package e2e

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"
)

// texts is a text or a list of them, as policies have both.
type texts []string

func (t *texts) UnmarshalJSON(data []byte) error {
	var one string
	if err := json.Unmarshal(data, &one); err == nil {
		*t = texts{one}
		return nil
	}
	return json.Unmarshal(data, (*[]string)(t))
}

// statement is one of a policy of a role. Elements that it has no field for are
// an error: to pass over one could allow what AWS does not.
type statement struct {
	Sid, Effect      string
	Action, Resource texts
	Condition        map[string]map[string]texts
}

func readPolicy(document []byte) ([]statement, error) {
	var policy struct {
		Version   string
		Statement []statement
	}
	dec := json.NewDecoder(strings.NewReader(string(document)))
	dec.DisallowUnknownFields()
	if err := dec.Decode(&policy); err != nil {
		return nil, fmt.Errorf("reading a policy: %w\n%s", err, document)
	}
	for _, s := range policy.Statement {
		if s.Effect != "Allow" && s.Effect != "Deny" {
			return nil, fmt.Errorf("reading a policy: the effect of %s is %q", s.Sid, s.Effect)
		}
		for operator := range s.Condition {
			if _, known := operators[operator]; !known {
				return nil, fmt.Errorf("reading a policy: %s has a condition by %s, which this evaluator does not know", s.Sid, operator)
			}
		}
		for _, resource := range s.Resource {
			if strings.Contains(resource, "${") {
				return nil, fmt.Errorf("reading a policy: %s has a variable, which this evaluator does not know", s.Sid)
			}
		}
	}
	return policy.Statement, nil
}

// access is what a caller asks of IAM: an action, on a resource's ARN or on "*"
// where the action has no resource, with the request's condition keys.
type access struct {
	action, resource string
	context          map[string]string
}

// operators are those of conditions. A key that a request does not have matches none.
var operators = map[string]func(pattern, value string) bool{
	"StringEquals": func(pattern, value string) bool { return pattern == value },
	"StringLike":   like,
	"ArnEquals":    likeARN, // as ArnLike (IAM User Guide, "IAM JSON policy elements: Condition operators")
	"ArnLike":      likeARN,
	// Of the one value that a request has here (IAM User Guide, "Set operators for
	// multivalued context keys").
	"ForAllValues:StringEquals": func(pattern, value string) bool { return pattern == value },
	"Null":                      func(pattern, _ string) bool { return pattern == "false" },
}

// absent are the operators that match where a request has no such key.
var absent = map[string]func(pattern string) bool{
	"ForAllValues:StringEquals": func(string) bool { return true },
	"Null":                      func(pattern string) bool { return pattern == "true" },
}

// decide returns the statement that allows, or nil: without one, or with one that
// denies (IAM User Guide, "Policy evaluation logic").
func decide(statements []statement, a access) *statement {
	var allowed *statement
	for i := range statements {
		s := &statements[i]
		if !s.applies(a) {
			continue
		}
		if s.Effect == "Deny" {
			return nil
		}
		if allowed == nil {
			allowed = s
		}
	}
	return allowed
}

func (s *statement) applies(a access) bool {
	if !slices.ContainsFunc(s.Action, func(p string) bool { return like(strings.ToLower(p), strings.ToLower(a.action)) }) {
		return false
	}
	if !slices.ContainsFunc(s.Resource, func(p string) bool { return p == "*" || likeARN(p, a.resource) }) {
		return false
	}
	for operator, keys := range s.Condition {
		for key, patterns := range keys {
			value, has := "", false
			for name, v := range a.context {
				if strings.EqualFold(name, key) { // keys are not case-sensitive
					value, has = v, true
				}
			}
			if without := absent[operator]; !has && without != nil && slices.ContainsFunc(patterns, without) {
				continue
			}
			if !has || !slices.ContainsFunc(patterns, func(p string) bool { return operators[operator](p, value) }) {
				return false
			}
		}
	}
	return true
}

// likeARN matches each of the parts of an ARN by itself: a wildcard does not
// reach beyond a colon, but in the last part (IAM User Guide, "IAM JSON policy
// elements: Resource").
func likeARN(pattern, arn string) bool {
	patterns, parts := strings.SplitN(pattern, ":", 6), strings.SplitN(arn, ":", 6)
	if len(patterns) != 6 || len(parts) != 6 {
		return pattern == arn
	}
	for i := range parts {
		if !like(patterns[i], parts[i]) {
			return false
		}
	}
	return true
}

// like matches with * for any text and ? for one character.
func like(pattern, text string) bool {
	first, rest, wild := strings.Cut(pattern, "*")
	if len(text) < len(first) || !wild && len(text) != len(first) {
		return false
	}
	for i := range len(first) {
		if first[i] != '?' && first[i] != text[i] {
			return false
		}
	}
	if !wild {
		return true
	}
	for i := len(first); i <= len(text); i++ {
		if like(rest, text[i:]) {
			return true
		}
	}
	return false
}

// TestDecide holds the evaluator to what IAM does; it needs no emulation.
func TestDecide(t *testing.T) {
	t.Parallel()
	const table = "arn:aws:dynamodb:us-east-1:111122223333:table/guard"
	const policy = "arn:aws:iam::111122223333:policy/quarantine"
	statements, err := readPolicy([]byte(`{"Version": "2012-10-17", "Statement": [
		{"Sid": "Record", "Effect": "Allow", "Action": ["dynamodb:PutItem", "dynamodb:Query"], "Resource": "` + table + `"},
		{"Sid": "FindDue", "Effect": "Allow", "Action": "dynamodb:Query", "Resource": "` + table + `/index/due"},
		{"Sid": "Users", "Effect": "Allow", "Action": "iam:Get*", "Resource": "arn:aws:iam::111122223333:user/*"},
		{"Sid": "Account", "Effect": "Allow", "Action": "iam:ListUsers", "Resource": "*"},
		{"Sid": "Everything", "Effect": "Allow", "Action": "sns:GetTopic?ttributes", "Resource": "*"},
		{"Sid": "Roles", "Effect": "Allow", "Action": "sts:AssumeRole", "Resource": "arn:aws:iam::*:role/guard-member"},
		{"Sid": "Heartbeat", "Effect": "Allow", "Action": "events:PutEvents", "Resource": "arn:aws:events:us-east-1:111122223333:event-bus/default",
			"Condition": {"StringEquals": {"events:source": "guard", "events:detail-type": ["Heartbeat", "Probe"]}}},
		{"Sid": "Attach", "Effect": "Allow", "Action": "iam:AttachUserPolicy", "Resource": "arn:aws:iam::111122223333:user/*", "Condition": {"ArnEquals": {"iam:PolicyARN": "` + policy + `"}}},
		{"Sid": "Tag", "Effect": "Allow", "Action": "iam:TagRole", "Resource": "arn:aws:iam::111122223333:role/guard-sweep",
			"Condition": {"ForAllValues:StringEquals": {"aws:TagKeys": "heartbeat"}, "Null": {"aws:TagKeys": "false"}}},
		{"Sid": "Spared", "Effect": "Deny", "Action": "iam:*", "Resource": "arn:aws:iam::111122223333:user/admins/*"}
	]}`))
	if err != nil {
		t.Fatal(err)
	}
	const user, bus = "arn:aws:iam::111122223333:user/eve", "arn:aws:events:us-east-1:111122223333:event-bus/default"
	beat := map[string]string{"events:source": "guard", "events:detail-type": "Probe"}
	for _, tt := range []struct {
		name, action, resource string
		context                map[string]string
		want                   string // the statement, "" of none
	}{
		{"an action of a list", "dynamodb:PutItem", table, nil, "Record"},
		{"in other letters", "DynamoDB:putitem", table, nil, "Record"},
		{"another action", "dynamodb:DeleteItem", table, nil, ""},
		{"an action that begins so", "dynamodb:PutItems", table, nil, ""},
		{"another table", "dynamodb:PutItem", table + "2", nil, ""},
		{"a table in other letters", "dynamodb:PutItem", strings.ToUpper(table), nil, ""},
		{"a table in another Region", "dynamodb:PutItem", strings.Replace(table, "us-east-1", "us-east-2", 1), nil, ""},
		{"an index", "dynamodb:Query", table + "/index/due", nil, "FindDue"},
		{"another index", "dynamodb:Query", table + "/index/new", nil, ""},
		{"an action on an index whose table alone is named", "dynamodb:PutItem", table + "/index/due", nil, ""},
		{"a wildcard in the action", "iam:GetLoginProfile", user, nil, "Users"},
		{"an action beside the wildcard", "iam:ListMFADevices", user, nil, ""},
		{"a wildcard over a path", "iam:GetUser", "arn:aws:iam::111122223333:user/ops/eve", nil, "Users"},
		{"a user of another account", "iam:GetUser", "arn:aws:iam::444455556666:user/eve", nil, ""},
		{"a role beside users", "iam:GetUser", "arn:aws:iam::111122223333:role/user/eve", nil, ""},
		{"no resource", "iam:ListUsers", "*", nil, "Account"},
		{"no resource where some is named", "iam:GetUser", "*", nil, ""},
		{"a resource where all are", "sns:GetTopicAttributes", "arn:aws:sns:us-east-1:111122223333:t", nil, "Everything"},
		{"no character for ?", "sns:GetTopicttributes", "arn:aws:sns:us-east-1:111122223333:t", nil, ""},
		{"any account", "sts:AssumeRole", "arn:aws:iam::444455556666:role/guard-member", nil, "Roles"},
		{"a wildcard that would have to span parts", "sts:AssumeRole", "arn:aws:iam::444455556666:x:role/guard-member", nil, ""},
		{"conditions", "events:PutEvents", bus, beat, "Heartbeat"},
		{"one of two conditions", "events:PutEvents", bus, map[string]string{"events:source": "guard"}, ""},
		{"another value", "events:PutEvents", bus, map[string]string{"events:source": "guard", "events:detail-type": "Other"}, ""},
		{"nothing of what is asked for", "events:PutEvents", bus, nil, ""},
		{"a policy that is named", "iam:AttachUserPolicy", user, map[string]string{"iam:PolicyArn": policy}, "Attach"},
		{"another policy", "iam:AttachUserPolicy", user, map[string]string{"iam:PolicyArn": policy + "2"}, ""},
		{"a tag", "iam:TagRole", "arn:aws:iam::111122223333:role/guard-sweep", map[string]string{"aws:TagKeys": "heartbeat"}, "Tag"},
		{"another tag", "iam:TagRole", "arn:aws:iam::111122223333:role/guard-sweep", map[string]string{"aws:TagKeys": "team"}, ""},
		{"no tag", "iam:TagRole", "arn:aws:iam::111122223333:role/guard-sweep", nil, ""},
		{"another role's tag", "iam:TagRole", "arn:aws:iam::111122223333:role/guard-iamuser", map[string]string{"aws:TagKeys": "heartbeat"}, ""},
		{"denied", "iam:GetUser", "arn:aws:iam::111122223333:user/admins/eve", nil, ""},
	} {
		got := ""
		if s := decide(statements, access{tt.action, tt.resource, tt.context}); s != nil {
			got = s.Sid
		}
		if got != tt.want {
			t.Errorf("%s: %s on %s: allowed by %q, want %q", tt.name, tt.action, tt.resource, got, tt.want)
		}
	}
	for _, unknown := range []string{
		`{"Statement": [{"Effect": "Allow", "NotAction": "iam:*", "Resource": "*"}]}`,
		`{"Statement": [{"Effect": "Allow", "Action": "iam:GetUser", "Resource": "arn:aws:iam::111122223333:user/${aws:username}"}]}`,
		`{"Statement": [{"Effect": "Allow", "Action": "iam:GetUser", "Resource": "*", "Condition": {"Bool": {"aws:SecureTransport": "true"}}}]}`,
		`{"Statement": [{"Effect": "allow", "Action": "iam:GetUser", "Resource": "*"}]}`,
		`[`,
	} {
		if _, err := readPolicy([]byte(unknown)); err == nil {
			t.Errorf("no error about %s", unknown)
		}
	}
}
