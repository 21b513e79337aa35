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
	if out, err := exec.Command("go", "build", "-buildvcs=false", "-ldflags=-s -w", "-o", path, "../cmd/rootguard").CombinedOutput(); err != nil { //nolint:noctx // built once, for all tests
		return "", fmt.Errorf("building the command: %w\n%s", err, out)
	}
	return path, nil
})

// runScripts runs the scripts of a folder. Under the race detector, the first use of each
// subcommand by exits is watched, and all others run the plain command.
func runScripts(t *testing.T, p testscript.Params) {
	t.Helper()
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
			plain, err := plainCommand()
			if err != nil {
				return err
			}
			env.Setenv("PATH", filepath.Dir(plain)+string(filepath.ListSeparator)+env.Getenv("PATH"))
			env.Setenv("GORACE", "atexit_sleep_ms=0") // else each watched command ends with a second's sleep
		}
		return setup(env)
	}
	testscript.Run(t, p)
}

// underRace are the subcommands that exits has run under the race detector: the first use
// of each is watched.
var underRace sync.Map

// binaryOf is what to start for a script's "rootguard": the test binary for the first use
// of each subcommand, which testscript.Main put on the PATH of the tests.
func binaryOf(args []string) (string, error) {
	if !testenv.Race || args[0] != "rootguard" {
		return args[0], nil
	}
	subcommand := ""
	if len(args) > 1 {
		subcommand = args[1]
	}
	if _, again := underRace.LoadOrStore(subcommand, true); again {
		return args[0], nil
	}
	return exec.LookPath(args[0])
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
	path, err := binaryOf(args[1:])
	ts.Check(err)
	got := 0
	if err := ts.Exec(path, args[2:]...); err != nil {
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
