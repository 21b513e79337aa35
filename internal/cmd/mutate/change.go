package main

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strconv"
)

// change is one change of a file.
type change struct {
	path        string
	text        []byte // of the file with the change
	where, what string
}

// draw chooses n of the changes, or all, in an order that a seed gives.
func draw(all []change, n int, seed uint64) []change {
	drawn := make([]change, len(all))
	for i, from := range rand.New(rand.NewPCG(seed, 0)).Perm(len(all)) { //nolint:gosec // a sample, no secret
		drawn[i] = all[from]
	}
	if n > 0 && n < len(drawn) {
		drawn = drawn[:n]
	}
	return drawn
}

// instead is what an operator is changed into.
var instead = map[token.Token]token.Token{
	token.EQL: token.NEQ, token.NEQ: token.EQL, token.LAND: token.LOR, token.LOR: token.LAND,
	token.LSS: token.LEQ, token.LEQ: token.LSS, token.GTR: token.GEQ, token.GEQ: token.GTR,
	token.ADD: token.SUB, token.SUB: token.ADD, token.MUL: token.QUO, token.QUO: token.MUL,
}

// changes are all changes that are known of a package's code.
func (p *pkg) changes() (all []change, err error) {
	for _, name := range p.GoFiles {
		path := filepath.Join(p.Dir, name)
		text, err := os.ReadFile(path) //nolint:gosec // a file of the package
		if err != nil {
			return nil, fmt.Errorf("reading the code: %w", err)
		}
		some, err := changesOf(path, text)
		if err != nil {
			return nil, err
		}
		all = append(all, some...)
	}
	return all, nil
}

func changesOf(path string, text []byte) (all []change, err error) {
	set := token.NewFileSet()
	tree, err := parser.ParseFile(set, path, text, parser.SkipObjectResolution)
	if err != nil {
		return nil, fmt.Errorf("reading the code: %w", err)
	}
	put := func(from, to token.Pos, by string) {
		a, b := set.Position(from), set.Position(to)
		was := text[a.Offset:b.Offset]
		changed := append(append(append([]byte{}, text[:a.Offset]...), by...), text[b.Offset:]...)
		all = append(all, change{path, changed, fmt.Sprintf("%s:%d:%d", path, a.Line, a.Column), fmt.Sprintf("%q became %q", was, by)})
	}
	not := func(e ast.Expr) {
		if e != nil {
			put(e.Pos(), e.End(), "!("+string(text[set.Position(e.Pos()).Offset:set.Position(e.End()).Offset])+")")
		}
	}
	ast.Inspect(tree, func(n ast.Node) bool {
		switch n := n.(type) {
		case *ast.ImportSpec:
			return false
		case *ast.BinaryExpr:
			if op, ok := instead[n.Op]; ok {
				put(n.OpPos, n.OpPos+token.Pos(len(n.Op.String())), op.String())
			}
		case *ast.IfStmt:
			not(n.Cond)
		case *ast.ForStmt:
			not(n.Cond)
		case *ast.Ident:
			switch n.Name {
			case "true":
				put(n.Pos(), n.End(), "false")
			case "false":
				put(n.Pos(), n.End(), "true")
			}
		case *ast.BasicLit:
			if i, err := strconv.Atoi(n.Value); err == nil && n.Kind == token.INT {
				put(n.Pos(), n.End(), strconv.Itoa(i+1))
			}
		case *ast.ExprStmt, *ast.IncDecStmt:
			put(n.Pos(), n.End(), "")
		case *ast.AssignStmt:
			if n.Tok != token.DEFINE {
				put(n.Pos(), n.End(), "")
			}
		case *ast.BranchStmt:
			if n.Label == nil && n.Tok == token.CONTINUE {
				put(n.Pos(), n.End(), "break")
			}
		}
		return true
	})
	return all, nil
}
