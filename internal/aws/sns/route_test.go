package sns_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"strings"
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
	if passes(t, all, snstest.Message{}) || passes(t, config.Route{Name: "team", Tags: []string{"a=b"}}, snstest.Message{}) {
		t.Error("an alarm, which has no attributes, passes")
	}
}

// placed are the routes of accounts; of others they cannot be read.
type placed map[string][]string

func (p placed) RoutesOf(_ context.Context, account string) ([]string, error) {
	names, known := p[account]
	if !known {
		return nil, errors.New("table: throttled")
	}
	return names, nil
}

// TestRoutesByName: an alert names the routes of its accounts, of a summary those of all
// of them. Where routes cannot be read, the alert goes out without, and the log says so.
func TestRoutesByName(t *testing.T) {
	const payments, data, none, unread = "123456789012", "210987654321", "333333333333", "444444444444"
	routes := placed{payments: {"payments", "production"}, data: {"data", "production"}, none: nil}
	ours := config.Route{Name: "payments", Units: []string{"Payments"}}
	high := config.Route{Name: "production", Accounts: []string{unread}, Tags: []string{"stage=production"}, Least: detect.High}
	of := func(account string, s detect.Severity) alert.Alert {
		a := anAlert(s)
		a.Finding.Account = account
		return a
	}
	summary := func(accounts ...string) alert.Alert {
		a := of(accounts[0], detect.High)
		a.Summary = &alert.Summary{AccountCount: len(accounts)}
		for _, account := range accounts {
			a.Summary.Accounts = append(a.Summary.Accounts, alert.SummaryAccount{Account: account})
		}
		return a
	}
	digest := of(payments, detect.Info)
	digest.Finding = detect.Digest(payments, "2 accounts", digest.Finding.EventTime)
	for name, tt := range map[string]struct {
		a          alert.Alert
		names      string
		ours, high bool
		warned     bool
	}{
		"info":                    {of(payments, detect.Info), `["payments","production"]`, true, false, false},
		"critical":                {of(payments, detect.Critical), `["payments","production"]`, true, true, false},
		"of another account":      {of(data, detect.Critical), `["data","production"]`, false, true, false},
		"of no route":             {of(none, detect.Critical), "", false, false, false},
		"of no account":           {of("", detect.Critical), "", false, false, false},
		"whose routes are unread": {of(unread, detect.Critical), "", false, false, true},
		"a summary":               {summary(data, none, payments), `["data","payments","production"]`, true, true, false},
		"a summary, one unread":   {summary(unread, payments), `["payments","production"]`, true, true, true},
		"the digest":              {digest, `["payments","production"]`, false, false, false},
	} {
		var log bytes.Buffer
		server := snstest.New(t)
		publisher := sns.New(client(server.URL), sns.Topics{Alerts: "arn:aws:sns:us-east-1:123456789012:alerts", Escalation: "arn:aws:sns:us-east-1:123456789012:escalation"}).
			Route(routes, slog.New(slog.NewTextHandler(&log, nil)))
		if err := publisher.Publish(t.Context(), tt.a); err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		for _, m := range server.Messages() {
			if got := m.Attributes[config.AttributeRoute]; got.Value != tt.names || tt.names != "" && got.Type != "String.Array" {
				t.Errorf("%s: the routes are %v, want %s", name, got, tt.names)
			}
			if got := [2]bool{passes(t, ours, m), passes(t, high, m)}; got != [2]bool{tt.ours, tt.high} {
				t.Errorf("%s passes %v, want %v", name, got, [2]bool{tt.ours, tt.high})
			}
		}
		if warned := strings.Contains(log.String(), "table: throttled"); warned != tt.warned {
			t.Errorf("%s: the log is %q", name, log.String())
		}
	}
}
