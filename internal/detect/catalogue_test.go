package detect

import (
	"flag"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"maps"
	"os"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"rootguard/internal/cloudtrail"
)

// TestCatalogue names each place that a new finding was forgotten in, but for its
// documents, its technique's name and its deployed rule, whose packages do.
func TestCatalogue(t *testing.T) {
	declared := declaredIDs(t)
	for name, id := range declared {
		if n := len(slices.DeleteFunc(Catalogue(), func(e Entry) bool { return e.ID != id })); n != 1 {
			t.Errorf("%s (%s) has %d rows in the catalogue: add one beside the ID", name, id, n)
		}
	}
	control, technique := regexp.MustCompile(`^[1-5]\.\d+$`), regexp.MustCompile(`^T\d{4}(\.\d{3})?$`)
	for _, e := range Catalogue() {
		for what, missing := range map[string]bool{
			"a constant for its ID": !slices.Contains(slices.Collect(maps.Values(declared)), e.ID),
			"a title":               e.Title == "", "a meaning": e.Meaning == "", "a next step": e.NextStep == "",
			"a control of CIS":                                            len(e.CIS) == 0,
			"how repeats are alerted":                                     e.Repeats != RollUp && e.Repeats != Each,
			"a technique of ATT&CK":                                       len(e.ATTACK) == 0 && len(e.Rules) > 0,
			"Rules, the deployed rules that carry it":                     len(e.Rules) == 0 && (e.judge != nil || e.change != nil),
			"judge, the function that judges calls":                       (e.judge == nil) != (len(e.calls) == 0),
			"change, the function that judges userChanges or rootChanges": (e.change == nil) != (len(e.userChanges)+len(e.rootChanges) == 0),
		} {
			if missing {
				t.Errorf("the row of %s lacks %s", e.ID, what)
			}
		}
		for _, c := range e.CIS {
			if !control.MatchString(c) || cisSince[c] == [2]string{} {
				t.Errorf("%s: control %q, of which cis.go does not say how later versions number it", e.ID, c)
			}
		}
		for _, a := range e.ATTACK {
			if !technique.MatchString(a) {
				t.Errorf("%s: technique %q", e.ID, a)
			}
		}
		for _, name := range slices.Concat(e.userChanges, e.rootChanges) {
			if !cloudtrail.IsIAMChange([]byte(name)) {
				t.Errorf("%s: cloudtrail knows no change %s", e.ID, name)
			}
		}
	}
	Catalogue()[0].Title = "changed"
	if Catalogue()[0].Title == "changed" {
		t.Error("a caller can change the catalogue")
	}
	if entry("no.such").ID != "no.such" {
		t.Error("an unknown finding has no entry")
	}
}

// declaredIDs are the constants of type ID in this package's sources, by name.
func declaredIDs(t *testing.T) map[string]ID {
	t.Helper()
	files, err := os.ReadDir(".")
	if err != nil {
		t.Fatal(err)
	}
	ids := map[string]ID{}
	for _, file := range files {
		if !strings.HasSuffix(file.Name(), ".go") || strings.HasSuffix(file.Name(), "_test.go") {
			continue
		}
		tree, err := parser.ParseFile(token.NewFileSet(), file.Name(), nil, parser.SkipObjectResolution)
		if err != nil {
			t.Fatal(err)
		}
		ast.Inspect(tree, func(n ast.Node) bool {
			v, ok := n.(*ast.ValueSpec)
			if typ, isName := specType(v, ok); !isName || typ != "ID" {
				return true
			}
			text, err := strconv.Unquote(v.Values[0].(*ast.BasicLit).Value)
			if err != nil {
				t.Fatal(err)
			}
			ids[v.Names[0].Name] = ID(text)
			return true
		})
	}
	if len(ids) < 40 {
		t.Fatalf("only %d constants of type ID found", len(ids))
	}
	return ids
}

func specType(v *ast.ValueSpec, ok bool) (string, bool) {
	if !ok {
		return "", false
	}
	typ, isName := v.Type.(*ast.Ident)
	if !isName {
		return "", false
	}
	return typ.Name, len(v.Values) == 1
}

// tries are what the tables of this package's tests have tried.
type tries struct {
	hits  map[ID]bool
	calls map[string][][]ID // what was found in each record of a call
}

var tried = tries{map[ID]bool{}, map[string][][]ID{}}

func (s *tries) add(rec *cloudtrail.Record, o *Outcome) {
	name := rec.EventSource + " " + rec.EventName
	var found []ID
	if o.Kind == Matched {
		found = append(slices.Clone(o.Finding.Also), o.Finding.ID)
	}
	for _, id := range found {
		s.hits[id] = true
	}
	s.calls[name] = append(s.calls[name], found)
}

// missing says which findings the tables have no hit or no near-miss of: a record
// of a call that can make it, and does not.
func (s *tries) missing() (all []string) {
	for _, e := range Catalogue() {
		if len(e.Rules) > 0 && !s.hits[e.ID] && !e.Counted && e.ID != RootSessionUnseen {
			all = append(all, fmt.Sprintf("no table of the tests has a record that makes %s", e.ID))
		}
		names := slices.Clone(slices.Concat(e.userChanges, e.rootChanges))
		for i := range names {
			names[i] = cloudtrail.IAMSource + " " + names[i]
		}
		for source, of := range e.calls {
			for _, name := range of {
				names = append(names, source+" "+name)
			}
		}
		near := slices.ContainsFunc(names, func(name string) bool {
			return slices.ContainsFunc(s.calls[name], func(found []ID) bool { return !slices.Contains(found, e.ID) })
		})
		if len(names) > 0 && !near {
			all = append(all, fmt.Sprintf("no table of the tests has a near-miss of %s: a record of %s that does not make it", e.ID, strings.Join(names, ", ")))
		}
	}
	return all
}

func TestMain(m *testing.M) {
	code := m.Run()
	whole := !slices.ContainsFunc([]string{"test.run", "test.skip", "test.fuzz", "test.list"}, func(name string) bool { return flag.Lookup(name).Value.String() != "" })
	if code == 0 && whole {
		for _, what := range tried.missing() {
			fmt.Fprintln(os.Stderr, what)
			code = 1
		}
	}
	os.Exit(code)
}
