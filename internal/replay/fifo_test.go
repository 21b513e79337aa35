//go:build unix

package replay

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"rootguard/internal/cloudtrail"
)

// TestRunPipe holds that a named pipe is read like standard input: nothing that
// it is waited for holds up the end. In a folder it is skipped.
func TestRunPipe(t *testing.T) {
	t.Parallel()
	root := tree(t, map[string]string{"a.json": plain("a")})
	path := filepath.Join(root, "pipe.json")
	if err := syscall.Mkfifo(path, 0o600); err != nil {
		t.Fatal(err)
	}
	if ids, problems, sum := run(t, Options{Paths: []string{root}}); len(ids) != 1 || len(problems) > 0 || sum.SkippedFiles != 1 {
		t.Errorf("summary %+v, problems %v", sum, problems)
	}

	in, err := os.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = in.Close() }()
	if _, err := in.WriteString(plain("b") + "\n"); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error)
	go func() {
		_, err := Run(ctx, Options{Paths: []string{path}}, func(context.Context, *cloudtrail.Record, Place) error {
			cancel()
			return nil
		})
		done <- err
	}()
	select {
	case err := <-done:
		if !errors.Is(err, context.Canceled) {
			t.Errorf("error %v", err)
		}
	case <-time.After(10 * time.Second):
		t.Error("still waiting for the pipe")
	}
}
