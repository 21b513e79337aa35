package internal

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// sources are the production files below internal, by path.
func sources(t *testing.T) map[string]*ast.File {
	t.Helper()
	files := map[string]*ast.File{}
	err := filepath.WalkDir(".", func(path string, entry fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case entry.IsDir() && entry.Name() == "testdata":
			return filepath.SkipDir
		case entry.IsDir() || !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go"):
			return nil
		}
		files[path], err = parser.ParseFile(token.NewFileSet(), path, nil, parser.SkipObjectResolution|parser.ParseComments)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return files
}

// TestGuardIsSmall holds that guard has the handling of one record and nothing else:
// what is about something else has a package of its own.
func TestGuardIsSmall(t *testing.T) {
	const most = 2000
	lines := 0
	for path := range sources(t) {
		if filepath.Dir(path) != "guard" {
			continue
		}
		text, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		lines += strings.Count(string(text), "\n")
	}
	if lines == 0 || lines >= most {
		t.Errorf("guard has %d lines without tests, want fewer than %d", lines, most)
	}
}

// TestIDsAreOpaque holds that nothing reads the ID of an event or a subject apart: what
// it is about is in the fields of the finding. What was stored before these fields is
// read by detect's subject.go alone.
func TestIDsAreOpaque(t *testing.T) {
	readers := []string{"bytes", "path", "regexp", "strings"}
	for path, file := range sources(t) {
		if path == filepath.Join("detect", "subject.go") {
			continue
		}
		ast.Inspect(file, func(n ast.Node) bool {
			call, ok := n.(*ast.CallExpr)
			if !ok {
				return true
			}
			of, ok := call.Fun.(*ast.SelectorExpr)
			if !ok {
				return true
			}
			if pkg, isName := of.X.(*ast.Ident); !isName || !slices.Contains(readers, pkg.Name) {
				return true
			}
			for _, arg := range call.Args {
				if id := idIn(arg); id != "" {
					t.Errorf("%s: %s.%s is called with %s", path, of.X, of.Sel, id)
				}
			}
			return true
		})
	}
}

// idIn names the ID that an argument is, "" where it is none.
func idIn(arg ast.Expr) string {
	if call, ok := arg.(*ast.CallExpr); ok {
		arg = call.Fun
	}
	if name, ok := arg.(*ast.Ident); ok && (name.Name == "eventID" || name.Name == "subjectID") {
		return name.Name
	}
	sel, ok := arg.(*ast.SelectorExpr)
	if !ok {
		return ""
	}
	switch of, isField := sel.X.(*ast.SelectorExpr); {
	case sel.Sel.Name == "EventID", sel.Sel.Name == "SubjectID":
		return sel.Sel.Name
	case sel.Sel.Name == "ID" && isField && of.Sel.Name == "Subject":
		return "Subject.ID"
	}
	return ""
}

// TestPackageDoc holds that the page of each package begins with what it is for.
func TestPackageDoc(t *testing.T) {
	doc := map[string]string{}
	for path, file := range sources(t) {
		if dir := filepath.Dir(path); file.Name.Name != "main" {
			doc[dir] += file.Doc.Text()
		}
	}
	for dir, text := range doc {
		name := filepath.Base(dir)
		if dir == "." {
			name = "internal"
		}
		if !strings.HasPrefix(text, "Package "+name+" ") || len(text) < 50 {
			t.Errorf("%s: its page begins with %q", dir, text)
		}
	}
}
