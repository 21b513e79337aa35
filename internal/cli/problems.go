package cli

import (
	"fmt"
	"io"
	"path/filepath"

	"rootguard/internal/cli/label"
	"rootguard/internal/replay"
)

// shownProblems is how many problems are printed before the rest is only counted.
const shownProblems = 20

// problems counts what is wrong with the input.
type problems struct{ lost, used int64 }

func (n *problems) count() int64 { return n.lost + n.used }

// report counts a problem, and names it unless there were many.
func (n *problems) report(w io.Writer, p replay.Problem) {
	what := "skipped"
	if p.Lost {
		n.lost++
	} else {
		n.used++
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

// notes are about files that were skipped.
type notes struct {
	shown int
	more  int             // that were not shown
	known map[string]bool // by folder and reason
}

// show names a file that may have records in a form that is not read. Of other
// services' logs it names one in a folder.
func (n *notes) show(w io.Writer, note replay.Note) {
	if !note.Unread {
		key := filepath.Dir(note.File) + "\n" + note.Reason
		if n.known[key] {
			return
		}
		if n.known == nil {
			n.known = map[string]bool{}
		}
		n.known[key] = true
	}
	if n.shown == shownProblems {
		n.more++
		return
	}
	n.shown++
	files := ""
	if note.Files > 1 {
		files = " (" + plural(int64(note.Files), "file") + ")"
	}
	fmt.Fprintf(w, "note: %s: %s%s\n", label.Clean(note.File), label.Clean(note.Reason), files)
}

func (n *notes) rest(w io.Writer) {
	if n.more > 0 {
		fmt.Fprintf(w, "note: and %d more\n", n.more)
	}
}

// err is a malformedError where there was any.
func (n *problems) err() error {
	if n.count() == 0 {
		return nil
	}
	return malformedError{lost: n.lost, used: n.used}
}
