package main

import (
	"bytes"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"rootguard/internal/testenv"
)

var update = flag.Bool("update", false, "write README's tables and its picture anew")

// TestReadmeFindings holds README's table to the catalogue.
func TestReadmeFindings(t *testing.T) {
	var want bytes.Buffer
	if err := (findingsCmd{Markdown: true}).Run(system{stdout: &want}); err != nil {
		t.Fatal(err)
	}
	holdReadme(t, "findings", want.String())
}

// holdReadme holds what is between two comments in README.md to a text.
func holdReadme(t *testing.T, name, want string) {
	t.Helper()
	begin, end := "<!-- "+name+" -->\n", "<!-- /"+name+" -->"
	path := filepath.Join(testenv.Root(t), "README.md")
	readme, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	before, rest, found := strings.Cut(string(readme), begin)
	have, after, ended := strings.Cut(rest, end)
	if !found || !ended {
		t.Fatalf("README.md has nothing between %q and %q", begin, end)
	}
	if have == want {
		return
	}
	if !*update {
		t.Fatalf("README.md's %s are out of date; go test ./internal/cmd/rootguard -run Readme -update writes them. Want:\n%s", name, want)
	}
	if err := os.WriteFile(path, []byte(before+begin+want+end+after), 0o600); err != nil {
		t.Fatal(err)
	}
}

// TestReadmePicture holds README's picture to what status prints about the story.
func TestReadmePicture(t *testing.T) {
	store := filepath.Join(t.TempDir(), "story.db")
	var status bytes.Buffer
	for _, args := range [][]string{{"replay", "--store", store}, {"status", "111122223333", "--store", store}} {
		status.Reset()
		sys := system{stdout: &status, stderr: t.Output(), getenv: environment("LANG", "C.UTF-8"), now: time.Now}
		if code := run(t.Context(), args, sys); code != 0 {
			t.Fatalf("rootguard %v ended with %d", args, code)
		}
	}
	want := picture("$ rootguard status 111122223333\n\n" + status.String())
	path := filepath.Join("testdata", "status.svg")
	if *update {
		if err := os.WriteFile(path, []byte(want), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	have, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if string(have) != want {
		t.Fatal("README.md's picture is not what status prints; go test -update draws it")
	}
}

// picture draws lines of a terminal as an SVG.
func picture(text string) string {
	const lineHeight, charWidth, margin = 18, 7.8, 20
	lines := strings.Split(strings.TrimRight(text, "\n"), "\n")
	widest := 0
	for _, l := range lines {
		widest = max(widest, utf8.RuneCountInString(l))
	}
	width, height := int(float64(widest)*charWidth)+2*margin, len(lines)*lineHeight+2*margin
	var b strings.Builder
	fmt.Fprintf(&b, `<svg xmlns="http://www.w3.org/2000/svg" width="%d" height="%d" viewBox="0 0 %d %d" role="img">`+"\n", width, height, width, height)
	b.WriteString("<title>What rootguard status prints about the bundled story</title>\n")
	b.WriteString(`<rect width="100%" height="100%" rx="8" fill="#0d1117"/>` + "\n")
	b.WriteString(`<g font-family="ui-monospace, SFMono-Regular, Menlo, Consolas, monospace" font-size="13">` + "\n")
	escape := strings.NewReplacer("&", "&amp;", "<", "&lt;", ">", "&gt;", " ", "\u00a0") // spaces side by side would become one
	for i, l := range lines {
		fmt.Fprintf(&b, `<text x="%d" y="%d" fill="%s">%s</text>`+"\n", margin, margin+13+i*lineHeight, lineColor(l), escape.Replace(l))
	}
	b.WriteString("</g>\n</svg>\n")
	return b.String()
}

// lineColor is the color that the terminal would give the line's state.
func lineColor(line string) string {
	switch {
	case strings.Contains(line, "✔"):
		return "#3fb950"
	case strings.Contains(line, "✘"), strings.Contains(line, " ago"):
		return "#ff7b72"
	case strings.HasPrefix(line, "      "), strings.HasPrefix(line, "as of"):
		return "#8b949e"
	default:
		return "#e6edf3"
	}
}
