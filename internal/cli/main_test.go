package cli

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"rootguard/internal/testenv"
)

func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){"rootguard": func() { os.Exit(Main()) }})
}

// plainCommand builds the command without the race detector, under which each start of it
// takes four times as long, and returns its path.
var plainCommand = sync.OnceValues(func() (string, error) {
	path, err := filepath.Abs("../../.build/scripts/rootguard")
	if err != nil {
		return "", err
	}
	if out, err := exec.Command("go", "build", "-buildvcs=false", "-o", path, "../cmd/rootguard").CombinedOutput(); err != nil { //nolint:noctx // built once, for all tests
		return "", fmt.Errorf("building the command: %w\n%s", err, out)
	}
	return path, nil
})

// runScripts runs the scripts of a folder. Under the race detector, the first use of
// each subcommand is watched, and the others are not.
func runScripts(t *testing.T, p testscript.Params) {
	t.Helper()
	used := t.TempDir()
	p.RequireExplicitExec, p.RequireUniqueNames = true, true
	setup := p.Setup
	if p.Cmds == nil {
		p.Cmds = map[string]func(*testscript.TestScript, bool, []string){}
	}
	p.Cmds["exits"], p.Cmds["refuses"] = exitCode, refuses
	p.Setup = func(env *testscript.Env) error {
		env.Setenv("HOME", filepath.Join(env.WorkDir, "home"))
		env.Setenv("XDG_DATA_HOME", "")
		env.Setenv("ROOTGUARD_STORE", "")
		env.Setenv("LC_ALL", "C.UTF-8")
		if testenv.Race {
			if err := watchFirst(t, env, used); err != nil {
				return err
			}
		}
		return setup(env)
	}
	testscript.Run(t, p)
}

// watchFirst puts a "rootguard" before the others of a script's PATH that starts the
// test binary for the first use of each subcommand, by what is in the folder used, and
// else the plain command.
func watchFirst(t *testing.T, env *testscript.Env, used string) error {
	t.Helper()
	plain, err := plainCommand()
	if err != nil {
		return err
	}
	watched, err := exec.LookPath("rootguard") // testscript.Main put it there
	if err != nil {
		return err
	}
	dir := t.TempDir()
	chooser := fmt.Sprintf("#!/bin/sh\n[ -d %[1]q/used-\"$1\" ] || ! mkdir %[1]q/used-\"$1\" 2>/dev/null || exec %[2]q \"$@\"\nexec %[3]q \"$@\"\n", used, watched, plain)
	if err := os.WriteFile(filepath.Join(dir, "rootguard"), []byte(chooser), 0o700); err != nil {
		return err
	}
	env.Setenv("PATH", dir+string(filepath.ListSeparator)+env.Getenv("PATH"))
	env.Setenv("GORACE", "atexit_sleep_ms=0") // else each command ends with a second's sleep
	return nil
}

// TestScripts runs the command as a user does.
func TestScripts(t *testing.T) {
	runScripts(t, testscript.Params{
		Dir:   "testdata/script",
		Setup: func(*testscript.Env) error { return nil },
	})
}

// exitCode runs a command and checks its exit code: exits CODE COMMAND [ARG…].
func exitCode(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: exits code command [args...]")
	}
	want, err := strconv.Atoi(args[0])
	ts.Check(err)
	got := 0
	if err := ts.Exec(args[1], args[2:]...); err != nil {
		var exited *exec.ExitError
		if !errors.As(err, &exited) {
			ts.Fatalf("running %s: %v", args[1], err)
		}
		got = exited.ExitCode()
	}
	if got != want {
		ts.Fatalf("exit code %d, want %d", got, want)
	}
}

// refuses runs a command line that is wrong by itself, within this process, where it is
// watched: refuses rootguard [ARG…]. It must say so before it asks AWS anything: each
// call of a context that is over fails. It sees neither the script's folder nor, of the
// script's environment, what the library that parses it reads.
func refuses(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 1 || args[0] != "rootguard" {
		ts.Fatalf("usage: refuses rootguard [args...]")
	}
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	sys := system{stdin: strings.NewReader(""), stdout: ts.Stdout(), stderr: ts.Stderr(), getenv: ts.Getenv, now: time.Now}
	if got := run(ctx, args[1:], sys); got != exitUsage {
		ts.Fatalf("exit code %d, want %d", got, exitUsage)
	}
}
