package alert

import (
	"bytes"
	"encoding/json"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"rootguard/internal/cloudtrail"
	"rootguard/internal/detect"
	"rootguard/internal/testenv"
)

// snippet is the first code block of a language in the document of routing, from a
// heading on.
func snippet(t *testing.T, heading, language string) string {
	t.Helper()
	doc, err := os.ReadFile("../docs/routing.md")
	if err != nil {
		t.Fatal(err)
	}
	_, rest, found := strings.Cut(string(doc), "\n## "+heading+"\n")
	_, rest, fenced := strings.Cut(rest, "```"+language+"\n")
	code, _, ended := strings.Cut(rest, "```")
	if !found || !fenced || !ended {
		t.Fatalf("docs/routing.md has no block of %s under %q", language, heading)
	}
	return code
}

// TestPagerDuty runs the documented transformer as PagerDuty does, over messages of
// Amazon SNS with real alerts: what is about one thing has one key, and ends with it.
func TestPagerDuty(t *testing.T) {
	node, err := exec.LookPath("node")
	testenv.Need(t, err == nil, "node, which runs the documented JavaScript")
	type event struct {
		Type        string         `json:"event_type"`
		Key         string         `json:"incident_key"`
		Description string         `json:"description"`
		Details     map[string]any `json:"details"`
	}
	transformed := func(envelope map[string]any) event {
		t.Helper()
		raw, err := json.Marshal(envelope)
		if err != nil {
			t.Fatal(err)
		}
		body, err := json.Marshal(string(raw))
		if err != nil {
			t.Fatal(err)
		}
		code := `var PD = {Trigger: "trigger", Acknowledge: "acknowledge", Resolve: "resolve", inputRequest: {rawBody: ` + string(body) + `},
			emitGenericEvents: function (events) { console.log(JSON.stringify(events)); }};` + snippet(t, "PagerDuty", "js")
		cmd := exec.CommandContext(t.Context(), node, "-")
		cmd.Stdin = strings.NewReader(code)
		out, err := cmd.Output()
		if err != nil {
			t.Fatalf("running the transformer: %v", err)
		}
		var events []event
		if err := json.Unmarshal(bytes.TrimSpace(out), &events); err != nil || len(events) != 1 {
			t.Fatalf("%d events, %v: %s", len(events), err, out)
		}
		return events[0]
	}
	of := func(a Alert) event {
		t.Helper()
		message, err := JSON(a)
		if err != nil {
			t.Fatal(err)
		}
		return transformed(map[string]any{"Type": "Notification", "MessageId": "m-1", "Message": string(message)})
	}
	all := samples()
	missing := all["user_mfa_missing"]
	reminder, closed := missing, missing
	reminder.Finding = detect.MFAReminder(missing.Finding, 1, 3, missing.Finding.EventTime)
	closed.Finding = detect.MFAClosed(missing.Finding, cloudtrail.Yes, "MFA is enabled", missing.Finding.EventTime)
	for i, a := range []Alert{missing, reminder, closed} {
		want := []string{"trigger", "trigger", "resolve"}[i]
		if got := of(a); got.Type != want || got.Key != missing.Finding.EventID {
			t.Errorf("%s: %s of %q, want %s of %q", a.Finding.Title, got.Type, got.Key, want, missing.Finding.EventID)
		}
	}
	resend, acknowledged := all["root_signin_no_mfa_resend"], all["incident_acknowledged"]
	if got, ack := of(resend), of(acknowledged); got.Type != "trigger" || ack.Type != "acknowledge" || got.Key != resend.Incident.ID || ack.Key != got.Key {
		t.Errorf("an incident is %s of %q, and its acknowledgement %s of %q; want one key, the incident's", got.Type, got.Key, ack.Type, ack.Key)
	}
	signIn := all["root_signin_no_mfa"]
	if got := of(signIn); got.Key != signIn.Finding.EventID || got.Description != "[critical] Root sign-in WITHOUT MFA - prod-billing" || got.Details["next_step"] != signIn.Finding.NextStep {
		t.Errorf("a sign-in: %+v", got)
	}
	plain := transformed(map[string]any{"Type": "Notification", "MessageId": "m-2", "Subject": "ALARM: rootguard-failed", "Message": `{"AlarmName": "rootguard-failed"}`})
	if plain.Type != "trigger" || plain.Key != "m-2" || plain.Description != "ALARM: rootguard-failed" {
		t.Errorf("an alarm: %+v", plain)
	}
	confirm := transformed(map[string]any{"Type": "SubscriptionConfirmation", "TopicArn": "arn:x", "SubscribeURL": "https://sns.example.com/?Action=ConfirmSubscription"})
	if confirm.Details["SubscribeURL"] != "https://sns.example.com/?Action=ConfirmSubscription" {
		t.Errorf("the confirmation: %+v", confirm)
	}
}

// TestOpsgenie runs the documented code over messages of Amazon SNS with real alerts:
// what is about one thing has one alias, and is closed under it.
func TestOpsgenie(t *testing.T) {
	testenv.Soak(t)
	node, err := exec.LookPath("node")
	testenv.Need(t, err == nil, "node, which runs the documented JavaScript")
	type request struct {
		Method, URL, Path string
		Body              struct {
			Alias, Message, Description, Priority, Source, Note string
			Details                                             map[string]string
		}
	}
	requested := func(envelope map[string]any) (r request) {
		t.Helper()
		raw, err := json.Marshal(envelope)
		if err != nil {
			t.Fatal(err)
		}
		cmd := exec.CommandContext(t.Context(), node, "-")
		cmd.Stdin = strings.NewReader(snippet(t, "Opsgenie", "js") + "console.log(JSON.stringify(request(" + string(raw) + ")));")
		out, err := cmd.Output()
		if err != nil {
			t.Fatalf("running the code: %v", err)
		}
		if err := json.Unmarshal(bytes.TrimSpace(out), &r); err != nil {
			t.Fatalf("%v: %s", err, out)
		}
		return r
	}
	of := func(a Alert) request {
		t.Helper()
		message, err := JSON(a)
		if err != nil {
			t.Fatal(err)
		}
		return requested(map[string]any{"Type": "Notification", "MessageId": "m-1", "Message": string(message)})
	}
	all := samples()
	missing := all["user_mfa_missing"]
	reminder, closed := missing, missing
	reminder.Finding = detect.MFAReminder(missing.Finding, 1, 3, missing.Finding.EventTime)
	closed.Finding = detect.MFAClosed(missing.Finding, cloudtrail.Yes, "MFA is enabled", missing.Finding.EventTime)
	first, again, end := of(missing), of(reminder), of(closed)
	if first.Method != http.MethodPost || first.Path != "/v2/alerts" || first.Body.Alias != missing.Finding.EventID || first.Body.Priority != "P2" || again.Path != first.Path || again.Body.Alias != first.Body.Alias {
		t.Errorf("an alert is %+v, and its reminder %+v", first, again)
	}
	if end.Method != http.MethodPost || end.Path != "/v2/alerts/"+url.QueryEscape(first.Body.Alias)+"/close?identifierType=alias" {
		t.Errorf("that it is over is %+v", end)
	}
	resend, acknowledged := all["root_signin_no_mfa_resend"], all["incident_acknowledged"]
	if got, ack := of(resend), of(acknowledged); got.Body.Alias != resend.Incident.ID || got.Body.Priority != "P1" || ack.Path != "/v2/alerts/"+url.QueryEscape(resend.Incident.ID)+"/acknowledge?identifierType=alias" {
		t.Errorf("an incident is %+v, and its acknowledgement %+v", got, ack)
	}
	for name, a := range all {
		if b := of(a).Body; len([]rune(b.Message)) > 130 || len([]rune(b.Description)) > 15000 || len(b.Alias) > 512 || b.Source != "rootguard" {
			t.Errorf("%s is longer than Opsgenie takes: %+v", name, b)
		}
	}
	plain := requested(map[string]any{"Type": "Notification", "MessageId": "m-2", "Subject": "ALARM: rootguard-failed", "Message": `{"AlarmName": "rootguard-failed"}`})
	if plain.Path != "/v2/alerts" || plain.Body.Alias != "m-2" || plain.Body.Message != "ALARM: rootguard-failed" {
		t.Errorf("an alarm: %+v", plain)
	}
	confirm := requested(map[string]any{"Type": "SubscriptionConfirmation", "TopicArn": "arn:x", "SubscribeURL": "https://sns.example.com/?Action=ConfirmSubscription"})
	if confirm.Method != http.MethodGet || confirm.URL != "https://sns.example.com/?Action=ConfirmSubscription" || confirm.Path != "" {
		t.Errorf("the confirmation: %+v", confirm)
	}
}

// TestChatExample holds the documented message for Slack and Teams to a real one.
func TestChatExample(t *testing.T) {
	sent, err := AmazonQ(samples()["root_signin_no_mfa"])
	if err != nil {
		t.Fatal(err)
	}
	var want, got map[string]any
	if err := json.Unmarshal([]byte(snippet(t, "Slack and Microsoft Teams", "json")), &want); err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(sent, &got); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, only(want, got)); diff != "" {
		t.Errorf("the documented message (-documented +real):\n%s", diff)
	}
}

// only is what of a value a documented one shows.
func only(shown, v map[string]any) map[string]any {
	out := map[string]any{}
	for key, one := range shown {
		inner, nested := one.(map[string]any)
		have, is := v[key].(map[string]any)
		if nested && is {
			out[key] = only(inner, have)
		} else if value, there := v[key]; there {
			out[key] = value
		}
	}
	return out
}
