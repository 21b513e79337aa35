package main

import (
	"fmt"
	"io"

	"rootguard/internal/cmd/rootguard/label"
	"rootguard/internal/replay"
)

// shownProblems is how many problems are printed before the rest is only counted.
const shownProblems = 20

// problems counts what is wrong with the input.
type problems struct{ lost, mended int64 }

func (n *problems) count() int64 { return n.lost + n.mended }

// tell counts a problem, and names it unless there were many.
func (n *problems) tell(w io.Writer, p replay.Problem) {
	what := "skipped"
	if p.Lost {
		n.lost++
	} else {
		n.mended++
		what = "used all the same"
	}
	if n.count() > shownProblems {
		return
	}
	where := p.File
	if p.Index >= 0 {
		where += fmt.Sprintf(", record %d", p.Index)
	}
	if p.EventID != "" {
		where += ", event " + p.EventID
	}
	fmt.Fprintf(w, "problem: %s: %s (%s)\n", label.Clean(where), label.Clean(p.Reason), what)
}

// rest says how many were not named, and with hint what names them.
func (n *problems) rest(w io.Writer, hint string) {
	if more := n.count() - shownProblems; more > 0 {
		fmt.Fprintf(w, "problem: and %d more%s\n", more, hint)
	}
}

// err is a malformedError where there was any.
func (n *problems) err() error {
	if n.count() == 0 {
		return nil
	}
	return malformedError{lost: n.lost, mended: n.mended}
}
