package story

import (
	"bytes"
	"encoding/json"
	"net/netip"
	"regexp"
	"strings"
	"testing"
)

func lines(t *testing.T) []map[string]any {
	t.Helper()
	var b bytes.Buffer
	if err := Write(&b); err != nil {
		t.Fatal(err)
	}
	var log struct{ Records []map[string]any }
	if err := json.Unmarshal(b.Bytes(), &log); err != nil {
		t.Fatal(err)
	}
	return log.Records
}

func TestWriteIsTheSameEveryTime(t *testing.T) {
	var a, b bytes.Buffer
	if err := Write(&a); err != nil {
		t.Fatal(err)
	}
	if err := Write(&b); err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(a.Bytes(), b.Bytes()) {
		t.Error("two stories differ")
	}
}

// Real addresses and account IDs have no place in an example.
func TestOnlyDocumentationNumbers(t *testing.T) {
	var b bytes.Buffer
	if err := Write(&b); err != nil {
		t.Fatal(err)
	}
	var documentation []netip.Prefix
	for _, p := range []string{"192.0.2.0/24", "198.51.100.0/24", "203.0.113.0/24"} {
		documentation = append(documentation, netip.MustParsePrefix(p))
	}
	for _, r := range lines(t) {
		ip, err := netip.ParseAddr(r["sourceIPAddress"].(string))
		if err != nil {
			if !strings.HasSuffix(r["sourceIPAddress"].(string), ".amazonaws.com") {
				t.Errorf("source %v is neither an address nor a service", r["sourceIPAddress"])
			}
			continue
		}
		ok := false
		for _, p := range documentation {
			ok = ok || p.Contains(ip)
		}
		if !ok {
			t.Errorf("address %v is not set aside for documentation", ip)
		}
	}
	noUUIDs := regexp.MustCompile(`[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}`).ReplaceAllString(b.String(), "")
	for _, id := range regexp.MustCompile(`\b\d{12}\b`).FindAllString(noUUIDs, -1) {
		if id != Account && id != Security {
			t.Errorf("account %s is not of the story", id)
		}
	}
	for _, id := range regexp.MustCompile(`\b(AKIA|ASIA)[A-Z0-9]*\b`).FindAllString(b.String(), -1) {
		if len(id) != 20 {
			t.Errorf("access key %s has %d characters, AWS's have 20", id, len(id))
		}
	}
	for _, id := range regexp.MustCompile(`\bAIDA[A-Z0-9]*\b`).FindAllString(b.String(), -1) {
		if len(id) != 21 {
			t.Errorf("user ID %s has %d characters, AWS's have 21", id, len(id))
		}
	}
}

func TestTheStoryHasItsScenes(t *testing.T) {
	counts := map[string]int{}
	seen := map[string]int{}
	keys := map[string]bool{}
	for _, r := range lines(t) {
		ui := r["userIdentity"].(map[string]any)
		counts[r["eventSource"].(string)+":"+r["eventName"].(string)+":"+ui["type"].(string)]++
		seen[r["eventID"].(string)]++
		if ui["type"] == "Root" && r["sourceIPAddress"] == stranger && ui["accessKeyId"] != nil {
			keys[ui["accessKeyId"].(string)] = true
		}
	}
	for scene, want := range map[string]int{
		"signin.amazonaws.com:ConsoleLogin:Root":              8, // the first, six failures, the takeover
		"signin.amazonaws.com:PasswordRecoveryRequested:Root": 1,
		"transfer.amazonaws.com:CreateUser:IAMUser":           1,
		"iam.amazonaws.com:CreateUser:IAMUser":                3, // ci-deploy, dana, and dana's denied attempt
		"cloudtrail.amazonaws.com:StopLogging:Root":           1,
		"sts.amazonaws.com:AssumeRoot:AssumedRole":            1,
		"ec2.amazonaws.com:RunInstances:Root":                 15, // ten, five of them delivered twice
		"iam.amazonaws.com:CreateAccessKey:Root":              1,
	} {
		if counts[scene] != want {
			t.Errorf("%s: %d records, want %d", scene, counts[scene], want)
		}
	}
	again := 0
	for _, n := range seen {
		if n > 1 {
			again++
		}
	}
	if again != 6 {
		t.Errorf("%d events are delivered twice, want 6", again)
	}
	if len(keys) != 3 {
		t.Errorf("the intruder's root session has %d access keys, want 3", len(keys))
	}
}
