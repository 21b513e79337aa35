package config

import (
	"fmt"
	"reflect"
	"strings"
	"testing"
)

func TestReceiverID(t *testing.T) {
	same := [][4]string{
		{"email", "Ops@Example.com", "email", "ops@example.com"},
		{"https", "https://user:secret@hooks.example.com/x", "https", "https://user:****@hooks.example.com/x"},
		{"https", "https://user:secret@hooks.example.com/x", "https", "https://hooks.example.com/x"},
	}
	for _, c := range same {
		if ReceiverID(c[0], c[1]) != ReceiverID(c[2], c[3]) {
			t.Errorf("%v: two IDs", c)
		}
	}
	for _, c := range [][4]string{
		{"email", "a@example.com", "email", "b@example.com"}, {"email", "a@example.com", "email-json", "a@example.com"},
		{"https", "https://hooks.example.com/x", "https", "https://hooks.example.com/y"},
	} {
		if ReceiverID(c[0], c[1]) == ReceiverID(c[2], c[3]) {
			t.Errorf("%v: one ID", c)
		}
	}
	if id := ReceiverID("sms", "+15555550100"); len(id) != idLength || strings.Contains(id, "555") {
		t.Errorf("ID %q", id)
	}
}

func TestDeployed(t *testing.T) {
	env := map[string]string{EnvTable: "t", EnvTopicARN: "arn:aws:sns:us-east-1:111122223333:x"}
	load := func(text string) (Config, error) {
		env[EnvDeployed] = text
		return Load(func(name string) string { return env[name] })
	}
	if c, err := load(""); err != nil || c.Deployed != nil {
		t.Errorf("none: %+v, %v", c.Deployed, err)
	}
	if c, err := load(`{"code":{"sweep":"x"},"alarms":["failed"],"receivers":{"alerts":["a"]},"sms":true}`); err != nil || c.Deployed.Code["sweep"] != "x" || !c.Deployed.SMS || c.Deployed.Receivers.Alerts[0] != "a" {
		t.Errorf("some: %+v, %v", c.Deployed, err)
	}
	plain := fmt.Sprintf(`{"receivers":{"alerts":[%q,"a"],"escalation":[%q],"second":[%q]}}`, PlainReceiver("email", "Ops@example.com"), PlainReceiver("https", "https://hooks.example.com/x"), PlainReceiver("email", "b@example.com"))
	want := Receivers{
		Alerts:     []string{ReceiverID("email", "ops@example.com"), "a"},
		Escalation: []string{ReceiverID("https", "https://hooks.example.com/x")},
		Second:     []string{ReceiverID("email", "b@example.com")},
	}
	if c, err := load(plain); err != nil || !reflect.DeepEqual(c.Deployed.Receivers, want) {
		t.Errorf("plain receivers: %+v, %v, want %+v", c.Deployed, err, want)
	}
	if _, err := load(`{"alarms":1}`); err == nil || !strings.Contains(err.Error(), EnvDeployed) || !strings.Contains(err.Error(), "make deploy") {
		t.Errorf("no list: %v", err)
	}
}
