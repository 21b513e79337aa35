package main

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

func TestCheck(t *testing.T) {
	overflow := filepath.Join(t.TempDir(), "context.json")
	if err := os.WriteFile(overflow, []byte(`{"rootguard": {"email": "ops@example.com", "grace": "soon"}}`), 0o600); err != nil {
		t.Fatal(err)
	}
	for name, tt := range map[string]struct {
		context, overflow, want string
	}{
		"well":                  {context: `{"rootguard": {"email": "ops@example.com"}}`},
		"by -c":                 {context: `{"email": "ops@example.com", "grace": "36h"}`},
		"a bad setting":         {context: `{"rootguard": {"email": "ops@example.com", "grace": "soon"}}`, want: "grace"},
		"an unknown one":        {context: `{"rootguard": {"email": "ops@example.com", "gracee": "1h"}}`, want: "gracee"},
		"no receiver":           {context: `{}`, want: "email"},
		"in the file":           {context: `{"other": 1}`, overflow: overflow, want: "grace"},
		"no context":            {},
		"a file that is gone":   {context: `{}`, overflow: overflow + ".gone"},
		"what is no JSON":       {context: `{`},
		"what is no dictionary": {context: `[]`},
	} {
		err := check(func(env string) string {
			return map[string]string{contextEnv: tt.context, overflowEnv: tt.overflow}[env]
		})
		if (err != nil) != (tt.want != "") || err != nil && !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: %v, want %q", name, err, tt.want)
		}
	}
}

// TestLight holds that the check is compiled without the CDK, and that the CDK runs it
// before it compiles the app.
func TestLight(t *testing.T) {
	deps, err := exec.CommandContext(t.Context(), "go", "list", "-deps", ".").Output()
	if err != nil {
		t.Fatal(err)
	}
	for _, heavy := range []string{"jsii", "awscdk", "aws-sdk-go"} {
		if strings.Contains(string(deps), heavy) {
			t.Errorf("the check needs %s", heavy)
		}
	}
	raw, err := os.ReadFile("../../cdk.json")
	if err != nil {
		t.Fatal(err)
	}
	var cdk struct{ App string }
	if err := json.Unmarshal(raw, &cdk); err != nil {
		t.Fatal(err)
	}
	if !strings.HasPrefix(cdk.App, "go build -o .build/check ./infra/check && .build/check && ") {
		t.Errorf("cdk.json runs %q", cdk.App)
	}
}
