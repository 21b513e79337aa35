package eventpattern

import (
	"strings"
	"testing"
)

func TestProbes(t *testing.T) {
	event := func(source, detailType, account, prefix string) string {
		return `{"source": "` + source + `", "detail-type": "` + detailType + `", "account": "` + account + `", "detail": {"id": "x", "prefix": "` + prefix + `"}}`
	}
	probes := Probes("rootguard", "111122223333")
	if len(probes) != 2 || probes[0].Function == probes[1].Function || probes[0].Name == probes[1].Name {
		t.Fatalf("probes: %+v", probes)
	}
	for _, rule := range probes {
		p, err := Compile([]byte(rule.Pattern))
		if err != nil {
			t.Fatal(err)
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
				t.Errorf("%s, %s: matches %v, %v", rule.Name, name, got, err)
			}
		}
	}
}

// TestOwnEventsAreNotCloudTrails holds that no rule about CloudTrail takes what
// anybody with PutEvents can write: PutEvents refuses sources of AWS alone.
func TestOwnEventsAreNotCloudTrails(t *testing.T) {
	if strings.HasPrefix(HeartbeatSource, "aws.") {
		t.Fatal("nobody could put it")
	}
	for _, rule := range append(Rules(), LastWord(DefaultPrefix)) {
		p, err := Compile([]byte(rule.Pattern))
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

func TestSame(t *testing.T) {
	const base = `{"source": [{"prefix": "aws."}], "detail": {"eventName": ["A", "B"], "$or": [{"x": [1]}, {"y": [{"exists": false}]}]}}`
	for name, tc := range map[string]struct {
		a, b string
		want bool
	}{
		"itself":                {base, base, true},
		"other order":           {base, `{"detail":{"$or":[{"y":[{"exists":false}]},{"x":[1]}],"eventName":["B","A"]},"source":[{"prefix":"aws."}]}`, true},
		"an alternative twice":  {`{"a":["x","x"]}`, `{"a":["x"]}`, true},
		"an alternative fewer":  {base, strings.Replace(base, `"A", "B"`, `"A"`, 1), false},
		"another operator":      {`{"a":[{"prefix":"x"}]}`, `{"a":[{"suffix":"x"}]}`, false},
		"a text is no number":   {`{"a":["1"]}`, `{"a":[1]}`, false},
		"a text is no list":     {`{"a":["[]"]}`, `{"a":[[]]}`, false},
		"false is not true":     {`{"a":[{"exists":false}]}`, `{"a":[{"exists":true}]}`, false},
		"numeric keeps order":   {`{"a":[{"numeric":[">",1,"<",5]}]}`, `{"a":[{"numeric":[">",5,"<",1]}]}`, false},
		"no JSON":               {`{`, `{`, false},
		"more after it":         {`{} {}`, `{} {}`, false},
		"empty":                 {"", "", false},
		"a member of the other": {`{"a":["x"]}`, `{"a":["x"],"b":["y"]}`, false},
	} {
		if got := Same(tc.a, tc.b); got != tc.want {
			t.Errorf("%s: %v, want %v", name, got, tc.want)
		}
		if Same(tc.a, tc.b) != Same(tc.b, tc.a) {
			t.Errorf("%s: not symmetric", name)
		}
	}
	rules := Rules()
	for i := range rules {
		for j := range rules {
			if Same(rules[i].Pattern, rules[j].Pattern) != (i == j) {
				t.Errorf("%s and %s: wrong", rules[i].Name, rules[j].Name)
			}
		}
	}
}
