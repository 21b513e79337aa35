// Command soaked runs a package's tests for make soak, as the -exec of go test, in the
// package's folder:
//
//	soaked TESTBINARY ARG…
//
// It runs those that draw random cases or leave something out under the race detector,
// which are all that reach a marker of package testenv. The others do without the race
// detector what make test does under it.
package main

import (
	"errors"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
)

// markers are the functions of package testenv which a test calls that make soak runs.
var markers = []string{"Check", "Size", "Soak", "Turn"}

func main() {
	if len(os.Args) < 2 {
		fmt.Fprintln(os.Stderr, "usage: go test -exec soaked PACKAGE…")
		os.Exit(2)
	}
	err := run(os.Args[1], os.Args[2:])
	var exited *exec.ExitError
	switch {
	case errors.As(err, &exited):
		os.Exit(max(exited.ExitCode(), 1))
	case err != nil:
		fmt.Fprintln(os.Stderr, "soaked:", err)
		os.Exit(1)
	}
}

func run(binary string, args []string) error {
	tests, err := selected(".")
	if err != nil {
		return err
	}
	if len(tests) == 0 {
		return errors.New("no test of this package draws random cases or leaves something out under the race detector")
	}
	args = append(args, "-test.run=^("+strings.Join(tests, "|")+")$")
	cmd := exec.Command(binary, args...) //nolint:gosec,noctx // what go test built; it has a time limit of its own
	cmd.Stdin, cmd.Stdout, cmd.Stderr = os.Stdin, os.Stdout, os.Stderr
	return cmd.Run() //nolint:wrapcheck // its output says what failed
}

// selected lists the tests of a folder that reach a marker, by name. A function
// reaches what it mentions: a marker, or by its bare name whatever else the test files
// declare. So a test may be listed that need not be, and none is left out.
func selected(dir string) ([]string, error) {
	files, err := filepath.Glob(filepath.Join(dir, "*_test.go"))
	if err != nil {
		return nil, fmt.Errorf("listing test files: %w", err)
	}
	mentions := map[string][]string{} // by declared name
	var reached, tests []string
	for _, file := range files {
		tree, err := parser.ParseFile(token.NewFileSet(), file, nil, 0)
		if err != nil {
			return nil, fmt.Errorf("reading test files: %w", err)
		}
		for _, decl := range tree.Decls {
			names := declared(decl)
			marked, others := mentioned(decl)
			for _, name := range names {
				mentions[name] = append(mentions[name], others...)
				if marked {
					reached = append(reached, name)
				}
			}
			if f, ok := decl.(*ast.FuncDecl); ok && f.Recv == nil && strings.HasPrefix(f.Name.Name, "Test") && f.Name.Name != "TestMain" {
				tests = append(tests, f.Name.Name)
			}
		}
	}
	by := map[string][]string{} // who mentions a name
	for name, others := range mentions {
		for _, other := range others {
			by[other] = append(by[other], name)
		}
	}
	all := map[string]bool{}
	for len(reached) > 0 {
		name := reached[len(reached)-1]
		reached = reached[:len(reached)-1]
		if !all[name] {
			all[name] = true
			reached = append(reached, by[name]...)
		}
	}
	tests = slices.DeleteFunc(tests, func(name string) bool { return !all[name] })
	slices.Sort(tests)
	return tests, nil
}

// declared is what a declaration of a file gives names to.
func declared(decl ast.Decl) []string {
	var names []string
	switch d := decl.(type) {
	case *ast.FuncDecl:
		names = append(names, d.Name.Name)
	case *ast.GenDecl:
		for _, spec := range d.Specs {
			switch s := spec.(type) {
			case *ast.ValueSpec:
				for _, name := range s.Names {
					names = append(names, name.Name)
				}
			case *ast.TypeSpec:
				names = append(names, s.Name.Name)
			}
		}
	}
	return names
}

// mentioned reports whether a declaration mentions a marker, and lists which names it
// mentions otherwise.
func mentioned(decl ast.Decl) (bool, []string) {
	marked, names := false, []string(nil)
	ast.Inspect(decl, func(n ast.Node) bool {
		switch x := n.(type) {
		case *ast.SelectorExpr:
			if pkg, ok := x.X.(*ast.Ident); ok && pkg.Name == "testenv" {
				marked = marked || slices.Contains(markers, x.Sel.Name)
				return false
			}
		case *ast.Ident:
			names = append(names, x.Name)
		}
		return true
	})
	return marked, names
}
