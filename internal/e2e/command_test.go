package e2e

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestCommand reads the deployed table with the command.
func TestCommand(t *testing.T) {
	c := deployed(t)
	eve := c.createUser("eve")
	c.handled(c.deliver(eve.created()))
	c.handled(c.deliver(eve.setPassword()))
	c.handled(c.deliver(c.rootSignIn(c.d.account, "No", "Success", nil)))

	text := c.rootguard("status", "--aws")
	if text.code != 0 || text.stderr != "" || !strings.Contains(text.stdout, c.d.account+"  prod") || !strings.Contains(text.stdout, "eve") {
		t.Errorf("status --aws: %+v", text)
	}
	machine := c.rootguard("status", "--aws", "--json")
	var status []struct {
		Account string
		Users   []struct {
			Name string
			MFA  string
		}
	}
	if err := json.Unmarshal([]byte(machine.stdout), &status); err != nil || machine.code != 0 {
		t.Errorf("status --aws --json: %v, %+v", err, machine)
	}
	if len(status) != 1 || status[0].Account != c.d.account || len(status[0].Users) != 1 || status[0].Users[0].Name != "eve" || status[0].Users[0].MFA != "pending_mfa" {
		t.Errorf("status --aws --json: %+v\n%s", status, machine.stdout)
	}

	page := filepath.Join(t.TempDir(), "report.html")
	if report := c.rootguard("report", "--aws", "-o", page); report.code != 0 || report.stderr != "" {
		t.Errorf("report --aws: %+v", report)
	}
	html, err := os.ReadFile(page)
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"prod", "eve", "root.signin.no_mfa"} {
		if !strings.Contains(string(html), want) {
			t.Errorf("the report does not have %q", want)
		}
	}
	explained := c.rootguard("explain", "--aws", c.eventID(eve.created()))
	if explained.code != 0 || !strings.Contains(explained.stdout, "user.created") {
		t.Errorf("explain --aws: %+v", explained)
	}
}
