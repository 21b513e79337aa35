package eventrules

import (
	"slices"
	"strings"
	"testing"

	"rootguard/internal/eventpattern"
)

// TestHeartbeats holds that a call by which the sweep's role tags itself passes,
// and one that differs from it in anything does not.
func TestHeartbeats(t *testing.T) {
	const genuine = `{"source": "aws.iam", "detail-type": "AWS API Call via CloudTrail", "account": "111122223333", "region": "us-east-1", "detail": {
		"eventSource": "iam.amazonaws.com", "eventName": "TagRole", "userIdentity": {"type": "AssumedRole", "sessionContext": {"sessionIssuer": {"userName": "rootguard-sweep"}}},
		"requestParameters": {"roleName": "rootguard-sweep", "tags": [{"key": "rootguard:heartbeat", "value": "x"}]}, "responseElements": null}}`
	rules := Heartbeats("rootguard", "111122223333")
	if len(rules) != 2 || rules[0].Function == rules[1].Function || rules[0].Name == rules[1].Name {
		t.Fatalf("rules: %+v", rules)
	}
	for _, rule := range rules {
		p, err := eventpattern.Compile([]byte(rule.Pattern))
		if err != nil {
			t.Fatal(err)
		}
		for name, tc := range map[string]struct {
			old, other string
			want       bool
		}{
			"a heartbeat":                 {`"x"`, `"y"`, true},
			"another tag besides":         {`"tags": [`, `"tags": [{"key": "a", "value": "b"}, `, true},
			"put by the account":          {`"aws.iam"`, `"custom.iam"`, false},
			"another account's":           {`"account": "111122223333"`, `"account": "222233334444"`, false},
			"another call":                {`"TagRole"`, `"UntagRole"`, false},
			"another guard's role":        {`"roleName": "rootguard-sweep"`, `"roleName": "other-sweep"`, false},
			"another caller":              {`"userName": "rootguard-sweep"`, `"userName": "admin"`, false},
			"root":                        {`"AssumedRole"`, `"Root"`, false},
			"another tag":                 {`"rootguard:heartbeat"`, `"team"`, false},
			"refused":                     {`"responseElements": null`, `"errorCode": "AccessDenied"`, false},
			"another type of event":       {`"AWS API Call via CloudTrail"`, `"AWS Service Event via CloudTrail"`, false},
			"no tags, as where left out":  {`, "tags": [{"key": "rootguard:heartbeat", "value": "x"}]`, ``, false},
			"an event that the guard put": {`"aws.iam"`, `"rootguard"`, false},
		} {
			if !strings.Contains(genuine, tc.old) {
				t.Fatalf("%s changes nothing", name)
			}
			if got, err := p.Match([]byte(strings.Replace(genuine, tc.old, tc.other, 1))); err != nil || got != tc.want {
				t.Errorf("%s, %s: matches %v, %v", rule.Name, name, got, err)
			}
		}
	}
}

func TestAlive(t *testing.T) {
	event := func(source, detailType, account, prefix string) string {
		return `{"source": "` + source + `", "detail-type": "` + detailType + `", "account": "` + account + `", "detail": {"prefix": "` + prefix + `"}}`
	}
	rule := Alive("rootguard", "111122223333")
	p, err := eventpattern.Compile([]byte(rule.Pattern))
	if err != nil || rule.Function != "" {
		t.Fatalf("%+v: %v", rule, err)
	}
	for name, tc := range map[string]struct {
		event string
		want  bool
	}{
		"a heartbeat":       {event(HeartbeatSource, HeartbeatDetailType, "111122223333", "rootguard"), true},
		"another account's": {event(HeartbeatSource, HeartbeatDetailType, "222233334444", "rootguard"), false},
		"another guard's":   {event(HeartbeatSource, HeartbeatDetailType, "111122223333", "other"), false},
		"another source":    {event("rootguard2", HeartbeatDetailType, "111122223333", "rootguard"), false},
		"another type":      {event(HeartbeatSource, "AWS API Call via CloudTrail", "111122223333", "rootguard"), false},
	} {
		if got, err := p.Match([]byte(tc.event)); err != nil || got != tc.want {
			t.Errorf("%s: matches %v, %v", name, got, err)
		}
	}
}

// TestSecond holds that an event goes on to another bus once at most: what came
// from another Region or account is not sent to the second Region, and what came to
// it from the home Region is not sent back.
func TestSecond(t *testing.T) {
	event := func(account, region string) []byte {
		return []byte(`{"source": "aws.lambda", "detail-type": "AWS API Call via CloudTrail", "account": "` + account + `", "region": "` + region + `", "detail": {
			"eventSource": "lambda.amazonaws.com", "eventName": "DeleteFunction20150331", "requestParameters": {"functionName": "rootguard-iamuser"}}}`)
	}
	matches := func(r Rule, event []byte) bool {
		p, err := eventpattern.Compile([]byte(r.Pattern))
		if err != nil {
			t.Fatal(err)
		}
		got, err := p.Match(event)
		if err != nil {
			t.Fatal(err)
		}
		return got
	}
	direct := Direct("rootguard")[:1]
	sending, reporting := Second(direct, "111122223333", "us-east-1")
	if len(sending) != len(direct) || len(reporting) != len(direct) {
		t.Fatalf("%d and %d rules", len(sending), len(reporting))
	}
	for _, tc := range []struct {
		account, region string
		sent            bool
	}{{"111122223333", "us-east-1", true}, {"111122223333", "us-east-2", false}, {"444455556666", "us-east-1", false}} {
		e := event(tc.account, tc.region)
		if got := matches(sending[0], e); got != tc.sent {
			t.Errorf("of %s in %s: sent %v, want %v", tc.account, tc.region, got, tc.sent)
		}
		if !matches(reporting[0], e) {
			t.Errorf("of %s in %s: not reported", tc.account, tc.region)
		}
		if back := Elsewhere(direct[0], "us-east-1"); matches(back, e) != (tc.region != "us-east-1") {
			t.Errorf("of %s in %s: sent back %v", tc.account, tc.region, matches(back, e))
		}
	}
	for _, r := range slices.Concat(sending, reporting) {
		if !strings.HasPrefix(r.Name, SecondWay) || r.Function != "" {
			t.Errorf("rule %+v", r)
		}
	}
	for _, r := range Rules() {
		if back := Elsewhere(r, "us-east-1"); len(back.Pattern) > 2048 || back.Name != r.Name || back.AllManagementEvents != r.AllManagementEvents {
			t.Errorf("%s: %d characters", back.Name, len(back.Pattern))
		}
	}
}

// TestOwnEventsAreNotCloudTrails holds that no rule about CloudTrail takes what
// anybody with PutEvents can write: PutEvents refuses sources of AWS alone.
func TestOwnEventsAreNotCloudTrails(t *testing.T) {
	if strings.HasPrefix(HeartbeatSource, "aws.") {
		t.Fatal("nobody could put it")
	}
	for _, rule := range slices.Concat(Rules(), Direct(DefaultPrefix)) {
		p, err := eventpattern.Compile([]byte(rule.Pattern))
		if err != nil {
			t.Fatal(err)
		}
		made := `{"source": "rootguard", "detail-type": "AWS API Call via CloudTrail", "account": "111122223333", "detail": {"eventSource": "lambda.amazonaws.com",
			"eventName": "DeleteFunction20150331", "userIdentity": {"type": "Root"}, "requestParameters": {"functionName": "rootguard-iamuser"}}}`
		if got, err := p.Match([]byte(made)); err != nil || got {
			t.Errorf("rule %s lets a made-up event through: %v, %v", rule.Name, got, err)
		}
		if genuine := strings.Replace(made, `"rootguard", "detail-type"`, `"aws.lambda", "detail-type"`, 1); rule.Name == "guard-removed" || rule.Name == "root-activity" {
			if got, err := p.Match([]byte(genuine)); err != nil || !got {
				t.Errorf("rule %s does not let AWS's own through: %v, %v", rule.Name, got, err)
			}
		}
	}
}

// TestNoRuleTwice holds that no two rules have the same pattern.
func TestNoRuleTwice(t *testing.T) {
	rules := Rules()
	for i := range rules {
		for j := range rules {
			if eventpattern.Same(rules[i].Pattern, rules[j].Pattern) != (i == j) {
				t.Errorf("%s and %s: wrong", rules[i].Name, rules[j].Name)
			}
		}
	}
}
