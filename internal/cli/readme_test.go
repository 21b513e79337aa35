package cli

import (
	"bytes"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/alecthomas/kong"

	"rootguard/internal/alert"
	"rootguard/internal/cli/story"
	"rootguard/internal/cloudtrail"
	"rootguard/internal/daytwo"
	"rootguard/internal/detect"
	"rootguard/internal/fake"
	"rootguard/internal/guard"
	"rootguard/internal/testenv"
)

var update = flag.Bool("update", false, "write README's tables and its picture again")

// docs is where the documentation is that is longer than the README.
const docs = "internal/docs/"

// TestDocFindings holds the table of findings to the catalogue.
func TestDocFindings(t *testing.T) {
	var want bytes.Buffer
	if err := (findingsCmd{Markdown: true}).Run(system{stdout: &want}); err != nil {
		t.Fatal(err)
	}
	holdText(t, docs+"findings.md", "findings", want.String())
}

// TestDocDayTwo holds the table of the steps of day two to their catalogue, and that
// every step has a row that says what it needs.
func TestDocDayTwo(t *testing.T) {
	var b strings.Builder
	b.WriteString("| Step | Done when | Undone by | What does it | Permissions |\n|---|---|---|---|---|\n")
	for _, e := range daytwo.Catalogue() {
		var actions []string
		for _, p := range e.Permissions {
			for _, a := range p.Actions {
				actions = append(actions, "`"+a+"`")
			}
		}
		if len(actions) == 0 {
			actions = []string{"none besides"}
		}
		fix := e.Fix
		if strings.HasPrefix(fix, "aws ") {
			fix = "`" + fix + "`"
		}
		fmt.Fprintf(&b, "| `%s` %s | %s | %s | %s | %s |\n", e.Step, e.Title, e.Proof, e.Regresses, fix, strings.Join(actions, ", "))
	}
	holdText(t, docs+"daytwo.md", "daytwo", b.String())
}

// TestReadmeOverview holds the README's overview to the catalogue: a column for
// each severity.
func TestReadmeOverview(t *testing.T) {
	severities := []detect.Severity{detect.Critical, detect.High, detect.Medium, detect.Low, detect.Info}
	columns := make([][]string, len(severities))
	rows := 0
	for _, e := range detect.Catalogue() {
		i := slices.Index(severities, e.Severity)
		if i < 0 {
			t.Fatalf("%s is of severity %s, for which there is no column", e.ID, e.Severity)
		}
		columns[i] = append(columns[i], "`"+string(e.ID)+"`")
		rows = max(rows, len(columns[i]))
	}
	var b strings.Builder
	for _, s := range severities {
		fmt.Fprintf(&b, "| %s ", s)
	}
	b.WriteString("|\n" + strings.Repeat("|---", len(severities)) + "|\n")
	for i := range rows {
		for _, c := range columns {
			cell := ""
			if i < len(c) {
				cell = c[i]
			}
			fmt.Fprintf(&b, "| %s ", cell)
		}
		b.WriteString("|\n")
	}
	holdText(t, "README.md", "overview", b.String())
}

// TestReadmeAlert holds the README's alert to the one that the bundled story makes.
func TestReadmeAlert(t *testing.T) {
	var log bytes.Buffer
	if err := story.Write(&log); err != nil {
		t.Fatal(err)
	}
	sent := &fake.Publisher{}
	g := guard.New(guard.Deps{
		Detector: &detect.Detector{}, Claims: &fake.Claims{}, Facts: &fake.Facts{}, Publisher: sent, Now: time.Now,
		AccountName: func(account string) string { return story.AccountNames()[account] },
	}, guard.DefaultSettings())
	for r := cloudtrail.NewReader(&log, detect.Candidate); ; {
		entry, err := r.Next()
		if err != nil {
			break
		}
		if entry.Record == nil {
			continue
		}
		if _, err := g.Handle(t.Context(), entry.Record); err != nil {
			t.Fatal(err)
		}
	}
	all := sent.Published()
	i := slices.IndexFunc(all, func(a alert.Alert) bool { return a.Finding.ID == detect.RootSigninNoMFA })
	if i < 0 {
		t.Fatal("the story makes no alert of a root sign-in without MFA")
	}
	text, _, _ := strings.Cut(alert.Text(all[i]), "\n\n") // the rest names the event
	holdText(t, "README.md", "alert", "```\nSubject: "+alert.Subject(all[i])+"\n\n"+wrapped(text, 110)+"\n```\n")
}

// wrapped breaks long lines, and indents what follows.
func wrapped(text string, width int) string {
	var lines []string
	for l := range strings.Lines(text) {
		lines = append(lines, strings.Join(wrap(strings.TrimRight(l, "\n"), width), "\n         "))
	}
	return strings.Join(lines, "\n")
}

// TestReadmeSize holds that the README is short enough to be read.
func TestReadmeSize(t *testing.T) {
	readme := read(t, "README.md")
	if len(readme) > 12<<10 {
		t.Errorf("README.md has %d bytes, at most 12 KB: the rest belongs into %s", len(readme), docs)
	}
	for i, l := range strings.Split(readme, "\n") {
		if n := utf8.RuneCountInString(l); n > 120 {
			t.Errorf("README.md:%d has %d characters, at most 120", i+1, n)
		}
	}
}

var (
	link    = regexp.MustCompile(`\]\(([^)#:]*)(#[^)]*)?\)`)
	heading = regexp.MustCompile(`(?m)^#+ (.*)$`)
	command = regexp.MustCompile("(?m)(?:`|build/|^)rootguard ([a-z]+)")
	code    = regexp.MustCompile("(?s)```sh\n.*?```|`[^`\n]+`")
)

// TestDocLinks holds that what the documents link to is there, and that the
// commands that they name exist.
func TestDocLinks(t *testing.T) {
	root := testenv.Root(t)
	files, err := filepath.Glob(filepath.Join(root, docs, "*.md"))
	if err != nil || len(files) == 0 {
		t.Fatalf("finding the documents: %v, %d found", err, len(files))
	}
	more, err := filepath.Glob(filepath.Join(root, ".github", "*.md"))
	if err != nil {
		t.Fatal(err)
	}
	known := commands(t)
	linked := map[string]bool{}
	for _, file := range append(append(files, more...), filepath.Join(root, "README.md")) {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range link.FindAllStringSubmatch(string(text), -1) {
			to := file
			if m[1] != "" {
				to = filepath.Join(filepath.Dir(file), m[1])
			}
			linked[to] = true
			content, err := os.ReadFile(to)
			if err != nil {
				t.Errorf("%s links to %s, which is not there", file, m[1])
				continue
			}
			if m[2] != "" && !slices.Contains(anchors(string(content)), m[2]) {
				t.Errorf("%s links to %s%s, which has no such heading", file, m[1], m[2])
			}
		}
		for _, m := range command.FindAllStringSubmatch(inCode(string(text)), -1) {
			if !slices.Contains(known, m[1]) {
				t.Errorf("%s names the command %q, which is not there", file, "rootguard "+m[1])
			}
		}
	}
	for _, file := range files {
		if !linked[file] {
			t.Errorf("no document links to %s", file)
		}
	}
}

// inCode is a document's code, a piece a line.
func inCode(text string) string { return strings.Join(code.FindAllString(text, -1), "\n") }

// anchors are what headings are linked by.
func anchors(text string) []string {
	var all []string
	for _, m := range heading.FindAllStringSubmatch(text, -1) {
		plain := strings.Map(func(r rune) rune {
			switch {
			case r == ' ':
				return '-'
			case unicode.IsLetter(r), unicode.IsDigit(r), r == '-':
				return unicode.ToLower(r)
			default:
				return -1
			}
		}, m[1])
		all = append(all, "#"+plain)
	}
	return all
}

// commands are the names of the commands.
func commands(t *testing.T) []string {
	t.Helper()
	parser, err := kong.New(&commandLine{}, kong.Name("rootguard"))
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, n := range parser.Model.Children {
		names = append(names, n.Name)
	}
	return names
}

// read is a file of the project.
func read(t *testing.T, name string) string {
	t.Helper()
	data, err := os.ReadFile(filepath.Join(testenv.Root(t), name))
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}

// holdText holds what is between two comments in a document to a text.
func holdText(t *testing.T, file, name, want string) {
	t.Helper()
	testenv.Hold(t, file, "<!-- "+name+" -->\n", "<!-- /"+name+" -->", want, *update)
}

// TestReadmePicture holds README's picture to what status prints about the story.
func TestReadmePicture(t *testing.T) {
	store := filepath.Join(t.TempDir(), "story.db")
	var status bytes.Buffer
	args := []string{"status", "111122223333", "--as-of", "2026-04-08T03:00:00Z"}
	for _, args := range [][]string{{"replay", "--store", store}, append(args, "--store", store)} {
		status.Reset()
		sys := system{stdout: &status, stderr: t.Output(), getenv: environment("LANG", "C.UTF-8"), now: time.Now}
		if code := run(t.Context(), args, sys); code != 0 {
			t.Fatalf("rootguard %v ended with %d", args, code)
		}
	}
	want := picture("$ rootguard " + strings.Join(args, " ") + "\n\n" + status.String())
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
