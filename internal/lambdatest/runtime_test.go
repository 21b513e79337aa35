package lambdatest_test

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"rootguard/internal/lambdatest"
)

// build compiles the function in testdata for this machine.
func build(t *testing.T) string {
	t.Helper()
	binary := filepath.Join(t.TempDir(), "bootstrap")
	cmd := exec.CommandContext(t.Context(), "go", "build", "-tags", "lambda.norpc", "-o", binary, "./testdata/echo")
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("building: %v\n%s", err, out)
	}
	return binary
}

func start(t *testing.T, opt lambdatest.Options) *lambdatest.Function {
	t.Helper()
	f, err := lambdatest.Start(t.Context(), opt)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = f.Close() })
	return f
}

func TestFunction(t *testing.T) {
	binary := build(t)
	t.Run("answers, fails and goes on", func(t *testing.T) {
		f := start(t, lambdatest.Options{Binary: binary, Env: map[string]string{"GREETING": "hello"}})
		if f.Init <= 0 {
			t.Errorf("init took %v", f.Init)
		}
		for _, tt := range []struct{ event, response, err string }{
			{`{"echo":"a"}`, `"hello a"`, ""},
			{`{"fail":"no luck"}`, "", "errorString: no luck"},
			{`{"echo":"b"}`, `"hello b"`, ""},
		} {
			res, err := f.Invoke(t.Context(), []byte(tt.event))
			if err != nil {
				t.Fatal(err)
			}
			got := ""
			if res.Error != nil {
				got = res.Error.Error()
			}
			if string(res.Response) != tt.response || got != tt.err || res.Took <= 0 {
				t.Errorf("%s: response %s, error %q after %v", tt.event, res.Response, got, res.Took)
			}
		}
		if rss, err := f.MaxRSS(); err != nil || rss < 1<<20 {
			t.Errorf("MaxRSS: %d, %v", rss, err)
		}
		logs := f.Logs()
		if len(logs) == 0 || logs[0]["requestId"] != "00000000-0000-4000-8000-000000000001" {
			t.Errorf("logs: %v", logs)
		}
	})
	t.Run("the environment is not handed down", func(t *testing.T) {
		t.Setenv("GREETING", "leaked")
		res, err := start(t, lambdatest.Options{Binary: binary}).Invoke(t.Context(), []byte(`{"echo":"a"}`))
		if err != nil || string(res.Response) != `" a"` {
			t.Errorf("response %s, %v", res.Response, err)
		}
	})
	t.Run("ends while it starts", func(t *testing.T) {
		_, err := lambdatest.Start(t.Context(), lambdatest.Options{Binary: binary, Env: map[string]string{"REFUSE": "bad setting"}})
		if err == nil || !strings.Contains(err.Error(), "bad setting") {
			t.Errorf("got %v, want what it printed", err)
		}
	})
	t.Run("ends while it works", func(t *testing.T) {
		f := start(t, lambdatest.Options{Binary: binary})
		for range 2 {
			if _, err := f.Invoke(t.Context(), []byte(`{"exit":true}`)); err == nil || !strings.Contains(err.Error(), "the process ended") {
				t.Errorf("got %v", err)
			}
		}
	})
	t.Run("does not answer in time", func(t *testing.T) {
		f := start(t, lambdatest.Options{Binary: binary, Timeout: 50 * time.Millisecond})
		if _, err := f.Invoke(t.Context(), []byte(`{"sleep":"400ms"}`)); err == nil || !strings.Contains(err.Error(), "did not answer") {
			t.Errorf("got %v", err)
		}
	})
	t.Run("no binary", func(t *testing.T) {
		if _, err := lambdatest.Start(context.Background(), lambdatest.Options{Binary: filepath.Join(t.TempDir(), "none")}); err == nil {
			t.Error("started nothing")
		}
	})
}
