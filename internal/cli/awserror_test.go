package cli

import (
	"bytes"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"rootguard/internal/deploy"
	"rootguard/internal/testenv"
)

// TestAWSFaults holds that each command says in one sentence what is wrong between
// it and AWS, and the fix, without advice that is about something else.
func TestAWSFaults(t *testing.T) {
	bundle := emptyBundle(t)
	commands := [][]string{
		{"deploy", "ops@example.com", "--yes", "--assets", bundle}, {"upgrade", "--yes", "--assets", bundle}, {"destroy", "--yes", "--assets", bundle},
		{"preflight"}, {"announce", "deploy", "--for", "1h", "--owner", "alice", "--reason", "OPS-17"},
		{"status", "--aws"}, {"report", "--aws"}, {"explain", "--aws", "e-1"}, {"incidents"}, {"doctor"}, {"redrive", "--dry-run"}, {"redrive"},
		{"ack", "7K4Q2-X2M9P", "--note", "mine"}, {"ack", "--all", "--note", "mine"}, {"ack", "--all", "--note", "mine", "--table", "t", "--topic", topicARN},
		{"enroll", "111122223333"}, {"announce", "list"}, {"announce", "close", "--account", "111122223333"},
		{"announce", "open", "--account", "111122223333", "--for", "1h", "--owner", "alice", "--reason", "OPS-17"},
		{"release", "eve", "--account", "111122223333", "--reason", "OPS-17"}, {"status", "--watch", "--aws", "111122223333"},
		{"replay", "--aws-lookup", "1d", "--store", t.TempDir() + "/s.db"}, {"replay", "--store", t.TempDir() + "/s.db", "s3://logs/AWSLogs/"},
	}
	xml := func(code, message string) string {
		return "<ErrorResponse><Error><Type>Sender</Type><Code>" + code + "</Code><Message>" + message + "</Message></Error><RequestId>r</RequestId></ErrorResponse>"
	}
	every := testenv.Size(1, 3) // one of so many commands is tried, which one is by the fault
	for name, tt := range map[string]struct {
		status           int
		contentType      string
		body, code, want string
	}{
		"expired":     {http.StatusForbidden, "text/xml", "The security token included in the request is expired", "ExpiredToken", "your AWS credentials have expired (ExpiredToken"},
		"invalid":     {http.StatusForbidden, "text/xml", "The security token included in the request is invalid.", "InvalidClientTokenId", "AWS does not accept your credentials (InvalidClientTokenId"},
		"denied":      {http.StatusForbidden, "text/xml", "User: arn:aws:iam::111122223333:user/eve is not authorized to perform: x:Describe on resource: y", "AccessDenied", "you have no permission x:Describe (AccessDenied"},
		"portal":      {http.StatusOK, "text/html", "<!doctype html><title>Welcome to the hotel</title>", "", "a web page answered in place of AWS"},
		"portal, 403": {http.StatusForbidden, "text/html; charset=utf-8", "<!doctype html><title>Blocked", "", "a web page answered in place of AWS"},
		"throttled":   {http.StatusBadRequest, "text/xml", "Rate exceeded", "Throttling", "AWS limits how often "},
		"clock":       {http.StatusForbidden, "text/xml", "The difference between the request time and the current time is too large.", "RequestTimeTooSkewed", "set this machine's clock"},
		"unreachable": {0, "", "", "", "AWS cannot be reached: "},
	} {
		server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			body := tt.body
			if tt.code != "" {
				body = xml(tt.code, tt.body)
			}
			w.Header().Set("Content-Type", tt.contentType)
			status := tt.status
			if s3 := strings.Contains(r.Header.Get("Authorization"), "/s3/"); s3 && tt.code != "" {
				if tt.code == "Throttling" {
					status = http.StatusServiceUnavailable // with SlowDown
				}
				body = "<Error><Code>" + tt.code + "</Code><Message>" + tt.body + "</Message></Error>"
			} else if tt.code != "" && !strings.Contains(r.Header.Get("Content-Type"), "form-urlencoded") {
				w.Header().Set("Content-Type", "application/json")
				w.Header().Set("X-Amzn-Errortype", tt.code)
				body = `{"message":"` + tt.body + `"}`
			}
			w.WriteHeader(status)
			_, _ = io.WriteString(w, body)
		}))
		if tt.status == 0 {
			server.Close()
		}
		for variable, value := range map[string]string{
			"AWS_ENDPOINT_URL": server.URL, "AWS_ACCESS_KEY_ID": "test", "AWS_SECRET_ACCESS_KEY": "test", "AWS_REGION": "us-east-1",
			"AWS_EC2_METADATA_DISABLED": "true", "AWS_MAX_ATTEMPTS": "1", "HOME": t.TempDir(), "AWS_PROFILE": "", "AWS_CA_BUNDLE": "",
		} {
			t.Setenv(variable, value)
		}
		for i := len(name) % every; i < len(commands); i += every {
			args := commands[i]
			var stdout, stderr bytes.Buffer
			code := run(t.Context(), args, system{
				stdin: strings.NewReader(""), stdout: &stdout, stderr: &stderr,
				width: func() int { return 0 }, getenv: func(string) string { return "" }, now: time.Now,
			})
			_, text, noted := strings.Cut(stderr.String(), "note: copying log files from s3://logs/AWSLogs/\n")
			if !noted {
				text = stderr.String()
			}
			wantCode := exitError
			if args[0] == "preflight" { // what cannot be asked is a warning
				wantCode = exitOK
			}
			if code != wantCode || !strings.Contains(text, tt.want) || strings.Count(text, "\n") != 1 ||
				strings.Contains(text, "--table") || strings.Contains(text, "--stack") || strings.Contains(text, "operation error") {
				t.Errorf("%s: %v: exit code %d\n%s", name, args, code, text)
			}
		}
		server.Close()
	}
}

// emptyBundle is a folder with a bundle of templates that make nothing.
func emptyBundle(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	m := deploy.Manifest{Version: "1.2.3", Prefix: "rootguard", Partition: "aws"}
	for _, name := range []string{deploy.TemplateGuard, deploy.TemplateSecond, deploy.TemplateForward} {
		text := []byte(`{"Description": "` + name + `"}`)
		m.Templates = append(m.Templates, deploy.File{Name: name, File: name + ".template.json", SHA256: deploy.Sum(text)})
		if err := os.WriteFile(filepath.Join(dir, name+".template.json"), text, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	text, err := json.Marshal(m)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, deploy.ManifestFile), text, 0o600); err != nil {
		t.Fatal(err)
	}
	return dir
}
