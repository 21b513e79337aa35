package cli

import (
	"bytes"
	"strings"
	"testing"

	"rootguard/internal/redrive"
)

// TestRedriveHidden holds that a run that left hidden messages says so and exits 1,
// whatever else it left.
func TestRedriveHidden(t *testing.T) {
	var stdout, stderr bytes.Buffer
	out := redriveOutput{sys: system{stdout: &stdout, stderr: &stderr}}
	err := out.summary(redriveCmd{}, []waitingQueue{{name: "failed"}}, redrive.Summary{Delivered: 2, Hidden: 3, Malformed: 1}, nil)
	if want := "3 messages stayed on the queues, hidden: "; err == nil || !strings.HasPrefix(err.Error(), want) || !strings.HasSuffix(err.Error(), "run it again in 6 minutes") {
		t.Errorf("got error %v, want %q", err, want)
	}
	if code := outcome(out.sys, nil, err); code != exitError || !strings.Contains(stderr.String(), "stayed on the queues, hidden") {
		t.Errorf("exit code %d, %q", code, stderr.String())
	}
	if want := "6 messages: 2 delivered, 1 malformed, 3 hidden.\n"; stdout.String() != want {
		t.Errorf("got %q, want %q", stdout.String(), want)
	}
	stdout.Reset()
	err = out.summary(redriveCmd{}, []waitingQueue{{name: "failed"}}, redrive.Summary{}, nil)
	if err != nil || stdout.String() != "Nothing waits in failed.\n" {
		t.Errorf("an empty queue: got %q, %v", stdout.String(), err)
	}
}
