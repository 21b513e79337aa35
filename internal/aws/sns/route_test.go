package sns_test

import (
	"encoding/json"
	"testing"

	"rootguard/internal/alert"
	"rootguard/internal/aws/sns"
	"rootguard/internal/aws/sns/snstest"
	"rootguard/internal/config"
	"rootguard/internal/detect"
	"rootguard/internal/eventpattern"
)

// passes reports whether Amazon SNS delivers a message to a subscription with a filter
// over its attributes: the filter's language is that of event patterns (Amazon SNS
// Developer Guide, "Amazon SNS subscription filter policies").
func passes(t *testing.T, route config.Route, m snstest.Message) bool {
	t.Helper()
	filter, err := json.Marshal(route.Filter())
	if err != nil {
		t.Fatal(err)
	}
	pattern, err := eventpattern.Compile(filter)
	if err != nil {
		t.Fatalf("the filter %s: %v", filter, err)
	}
	attributes := map[string]any{}
	for name, a := range m.Attributes {
		attributes[name] = a.Value
		if a.Type == "String.Array" {
			attributes[name] = json.RawMessage(a.Value)
		}
	}
	text, err := json.Marshal(attributes)
	if err != nil {
		t.Fatal(err)
	}
	ok, err := pattern.Match(text)
	if err != nil {
		t.Fatal(err)
	}
	return ok
}

// TestRoutes holds that the filter of a route lets the alerts of its accounts through
// from its severity on, whatever their kind, and nothing else: not the digest, nor
// what has no attributes, such as an alarm.
func TestRoutes(t *testing.T) {
	const payments, data = "123456789012", "210987654321"
	all := config.Route{Accounts: []string{payments, "333333333333"}}
	medium := config.Route{Accounts: []string{payments}, Least: detect.Medium}
	other := config.Route{Accounts: []string{data}}
	of := func(account string, s detect.Severity, change func(*alert.Alert)) alert.Alert {
		a := anAlert(s)
		a.Finding.Account = account
		if change != nil {
			change(&a)
		}
		return a
	}
	for name, tt := range map[string]struct {
		a                  alert.Alert
		all, medium, other bool
	}{
		"info":               {of(payments, detect.Info, nil), true, false, false},
		"medium":             {of(payments, detect.Medium, nil), true, true, false},
		"critical":           {of(payments, detect.Critical, nil), true, true, false},
		"of another account": {of(data, detect.Critical, nil), false, false, true},
		"of no route":        {of("444444444444", detect.Critical, nil), false, false, false},
		"of no account":      {of("", detect.High, nil), false, false, false},
		"a roll-up":          {of(payments, detect.High, func(a *alert.Alert) { a.Kind, a.Count = alert.RollUp, 2 }), true, true, false},
		"a resend":           {of(payments, detect.Critical, func(a *alert.Alert) { a.Kind = alert.Resend }), true, true, false},
		"the digest": {of(payments, detect.Info, func(a *alert.Alert) {
			a.Finding = detect.Digest(payments, "2 accounts", a.Finding.EventTime)
		}), false, false, false},
	} {
		server := snstest.New(t)
		if err := sns.New(client(server.URL), sns.Topics{Alerts: "arn:aws:sns:us-east-1:123456789012:alerts"}).Publish(t.Context(), tt.a); err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		m := server.Messages()[0]
		if got := [3]bool{passes(t, all, m), passes(t, medium, m), passes(t, other, m)}; got != [3]bool{tt.all, tt.medium, tt.other} {
			t.Errorf("%s passes %v, want %v", name, got, [3]bool{tt.all, tt.medium, tt.other})
		}
	}
	if passes(t, all, snstest.Message{}) {
		t.Error("an alarm, which has no attributes, passes")
	}
}
