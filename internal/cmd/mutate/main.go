// Command mutate measures how much of a package's code its tests hold: it makes
// small changes to the code, one at a time, and counts those that no test notices.
//
//	mutate [-n 100] [-seed 1] [-for 10m] [-grace 20s] [-checks 0] [-min 0] [-by PACKAGE] PACKAGE...
//
// A change that does not compile counts for nothing: `go test` exits with 1 there as
// where a test fails, which tools that check that alone take for a test's merit. Nor
// does one whose tests do not end in time: the machine may be busy.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	err := run(ctx, os.Args[1:], os.Stdout)
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "mutate:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, args []string, out io.Writer) error {
	flags := flag.NewFlagSet("mutate", flag.ContinueOnError)
	n := flags.Int("n", 100, "how many changes to try of each package, drawn by chance; 0 is all")
	seed := flags.Uint64("seed", 1, "of the chance by which they are drawn")
	most := flags.Duration("for", 10*time.Minute, "how long to try changes of a package; the rest is not tried")
	grace := flags.Duration("grace", 20*time.Second, "how much longer than three times what they take as it is the tests may take")
	checks := flags.Int("checks", 0, "how many random cases of each property are tried; 0 is as many as the tests say")
	by := flags.String("by", "", "the package whose tests are run; default: each package's own")
	least := flags.Float64("min", 0, "the share of changes that tests must notice, in percent")
	if err := flags.Parse(args); err != nil {
		return fmt.Errorf("reading the flags: %w", err)
	}
	if flags.NArg() == 0 {
		return errors.New("name a package, such as ./internal/detect")
	}
	var below []string
	for _, name := range flags.Args() {
		p, err := find(ctx, name)
		if err != nil {
			return err
		}
		p.by, p.checks = &p, *checks
		if *by != "" {
			tested, err := find(ctx, *by)
			if err != nil {
				return err
			}
			p.by = &tested
		}
		all, err := p.changes()
		if err != nil {
			return err
		}
		s, err := p.try(ctx, draw(all, *n, *seed), *most, *grace)
		if err != nil {
			return err
		}
		for _, c := range s.unnoticed {
			fmt.Fprintf(out, "%s: %s\n", c.where, c.what)
		}
		fmt.Fprintf(out, "%s: %.1f %% of %d changes noticed (%d not); %d more did not end in time, %d did not compile, %d of %d places were not tried\n",
			p.ImportPath, s.percent(), s.noticed+len(s.unnoticed), len(s.unnoticed), s.hung, s.uncompilable, len(all)-s.tried(), len(all))
		if s.percent() < *least {
			below = append(below, p.ImportPath)
		}
	}
	if len(below) > 0 {
		return fmt.Errorf("below %g %%: %s", *least, strings.Join(below, ", "))
	}
	return nil
}

// pkg is what `go list -json` says of a package.
type pkg struct {
	Dir, ImportPath string
	GoFiles         []string

	TestImports, XTestImports []string

	by     *pkg // whose tests are run
	checks int  // random cases of each property, if not 0
}

func find(ctx context.Context, name string) (p pkg, err error) {
	//nolint:gosec // a package of the caller's
	raw, err := exec.CommandContext(ctx, "go", "list", "-json=Dir,ImportPath,GoFiles,TestImports,XTestImports", name).Output()
	if err != nil {
		return p, fmt.Errorf("finding package %s: %w", name, err)
	}
	if err := json.Unmarshal(raw, &p); err != nil {
		return p, fmt.Errorf("finding package %s: it is more than one: %w", name, err)
	}
	return p, nil
}

// score is what came of some changes.
type score struct {
	noticed, hung, uncompilable int
	unnoticed                   []change
}

func (s *score) tried() int { return s.noticed + len(s.unnoticed) + s.hung + s.uncompilable }

func (s *score) percent() float64 {
	if s.noticed == 0 {
		return 0
	}
	return 100 * float64(s.noticed) / float64(s.noticed+len(s.unnoticed))
}

// try makes changes until the time is over. The tests of the code as it is must pass:
// they say how long a test may take.
func (p *pkg) try(ctx context.Context, changes []change, most, grace time.Duration) (s score, err error) {
	dir, err := os.MkdirTemp("", "mutate")
	if err != nil {
		return s, fmt.Errorf("making a folder for changes: %w", err)
	}
	defer func() { _ = os.RemoveAll(dir) }() // a temporary folder
	began := time.Now()
	whole := change{path: filepath.Join(p.Dir, p.GoFiles[0])}
	if whole.text, err = os.ReadFile(whole.path); err != nil {
		return s, fmt.Errorf("reading the code: %w", err)
	}
	switch got, err := p.one(ctx, dir, &whole, 10*time.Minute); {
	case err != nil:
		return s, err
	case got != unnoticed:
		return s, fmt.Errorf("testing %s as it is: %s", p.ImportPath, got)
	}
	limit := 3*time.Since(began) + grace
	for i := range changes {
		if time.Since(began) > most {
			break
		}
		got, err := p.one(ctx, dir, &changes[i], limit)
		if err != nil {
			return s, err
		}
		switch got {
		case uncompilable:
			s.uncompilable++
		case unnoticed:
			s.unnoticed = append(s.unnoticed, changes[i])
		case hung:
			s.hung++
		case noticed:
			s.noticed++
		}
	}
	return s, nil
}

// outcome is what came of a change.
type outcome string

const (
	noticed      outcome = "a test fails"
	hung         outcome = "the tests do not end"
	unnoticed    outcome = "all tests pass"
	uncompilable outcome = "it does not compile"
)

// one makes one change, beside the code: the compiler reads the changed file in its place.
func (p *pkg) one(ctx context.Context, dir string, c *change, limit time.Duration) (outcome, error) {
	file, overlay, test := filepath.Join(dir, "changed.go"), filepath.Join(dir, "overlay.json"), filepath.Join(dir, "tests")
	replace, err := json.Marshal(map[string]any{"Replace": map[string]string{c.path: file}})
	if err != nil {
		return "", fmt.Errorf("writing a change: %w", err)
	}
	if err := errors.Join(os.WriteFile(file, c.text, 0o600), os.WriteFile(overlay, replace, 0o600)); err != nil {
		return "", fmt.Errorf("writing a change: %w", err)
	}
	//nolint:gosec // a package of the caller's
	build := exec.CommandContext(ctx, "go", "test", "-c", "-vet=off", "-overlay", overlay, "-o", test, p.by.ImportPath)
	build.Dir = p.Dir
	if err := build.Run(); err != nil {
		return uncompilable, context.Cause(ctx)
	}
	bounded, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	args := []string{"-test.failfast"}
	if slices.Contains(slices.Concat(p.by.TestImports, p.by.XTestImports), "pgregory.net/rapid") {
		args = append(args, "-rapid.nofailfile") // a case that a change fails is none to keep
		if p.checks > 0 {
			args = append(args, "-rapid.checks="+strconv.Itoa(p.checks))
		}
	}
	tests := exec.CommandContext(bounded, test, args...) //nolint:gosec // made here
	tests.Dir, tests.WaitDelay = p.by.Dir, time.Second
	err = tests.Run()
	switch {
	case ctx.Err() != nil:
		return "", context.Cause(ctx)
	case bounded.Err() != nil:
		return hung, nil
	case err != nil:
		return noticed, nil
	}
	return unnoticed, nil
}
