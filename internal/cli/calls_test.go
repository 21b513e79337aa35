package cli

import (
	"bytes"
	"context"
	"strings"
	"sync/atomic"
	"testing"
	"time"
)

// TestWaiting holds that a terminal says which call is waited for, the oldest, once
// it takes long, and that nothing of it stays.
func TestWaiting(t *testing.T) {
	var out bytes.Buffer
	now := time.Unix(0, 0)
	w := &waiting{line: progressLine{sys: system{stderr: &out, stderrTerminal: true, getenv: func(string) string { return "" }}}, now: func() time.Time { return now }}
	shown := func(want string) {
		t.Helper()
		out.Reset()
		w.draw()
		if got := strings.ReplaceAll(out.String(), "\r\x1b[K", ""); got != want {
			t.Errorf("shown: %q, want %q", got, want)
		}
	}
	shown("")
	done := w.begin("DynamoDB", "Query", nil)
	now = now.Add(waitAfter - time.Second)
	other := w.begin("IAM", "ListUsers", nil)
	shown("")
	now = now.Add(3 * time.Second)
	shown("waiting for AWS: DynamoDB Query (5s) and 1 more")
	done()
	shown("waiting for AWS: IAM ListUsers (3s)")
	other()
	shown("")
	if out.String() != "\r\x1b[K" {
		t.Errorf("the line stays: %q", out.String())
	}
	if ctx, _, stop := watchCalls(t.Context(), system{stderr: &out, getenv: func(string) string { return "" }}); ctx != t.Context() {
		t.Error("what is no terminal is watched")
	} else {
		stop()
	}
}

// TestDoctorInterrupted holds that what was found before an interrupt is printed.
func TestDoctorInterrupted(t *testing.T) {
	h := newHospital(t)
	for name, value := range h.env {
		t.Setenv(name, value)
	}
	for name, value := range map[string]string{"AWS_ACCESS_KEY_ID": "test", "AWS_SECRET_ACCESS_KEY": "test", "AWS_REGION": "us-east-1", "HOME": t.TempDir(), "AWS_PROFILE": ""} {
		t.Setenv(name, value)
	}
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	var calls atomic.Int32
	ctx = observed(ctx, func(_, operation string, _ any) func() {
		if calls.Add(1); operation == "DescribeTable" {
			cancel() // in the middle of the visit
		}
		return func() {}
	})
	var stdout, stderr bytes.Buffer
	code := run(ctx, []string{"doctor"}, system{stdin: strings.NewReader(""), stdout: &stdout, stderr: &stderr, getenv: func(string) string { return "" }, now: time.Now})
	if code != exitError || !strings.HasPrefix(stderr.String(), "rootguard: interrupted: ") || !strings.Contains(stdout.String(), "rules ") {
		t.Errorf("exit code %d after %d calls\n%s%s", code, calls.Load(), stdout.String(), stderr.String())
	}
}
