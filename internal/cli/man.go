package cli

import (
	"fmt"
	"strings"

	"github.com/alecthomas/kong"
)

// manCmd prints the manual page that a release has.
type manCmd struct{}

// Run prints it.
func (manCmd) Run(sys system, parsed *kong.Context) error {
	return writeText(sys.stdout, manual(parsed.Model))
}

// manual is the page in the language of man(7).
func manual(app *kong.Application) string {
	var b strings.Builder
	line := func(format string, args ...any) { fmt.Fprintf(&b, format+"\n", args...) }
	line(`.TH ROOTGUARD 1 "" "rootguard" "User Commands"`)
	line(".SH NAME\nrootguard \\- %s", roff("an AWS account's first-day security, watched"))
	line(".SH SYNOPSIS\n.B rootguard\n.I command\n[flags]")
	line(".SH DESCRIPTION\n%s", paragraphs(app.Help))
	line(".SH COMMANDS")
	for _, command := range app.Leaves(true) {
		line(".SS %s", roff(command.FullPath()))
		line("%s", roff(command.Help))
		if command.Detail != "" {
			line(".PP\n%s", paragraphs(command.Detail))
		}
		for _, flag := range command.Flags {
			if flag.Hidden {
				continue
			}
			name := "--" + flag.Name
			if value := flag.FormatPlaceHolder(); !flag.IsBool() {
				name += "=" + value
			}
			line(".TP\n.B %s\n%s", roff(name), roff(flag.Help))
		}
	}
	return b.String()
}

// paragraphs keeps the lines of examples, which are indented.
func paragraphs(text string) string {
	var b strings.Builder
	for i, paragraph := range strings.Split(text, "\n\n") {
		if i > 0 {
			b.WriteString("\n.PP\n")
		}
		if before, examples, ok := strings.Cut(paragraph, "\n  "); ok {
			b.WriteString(roff(before) + "\n.PP\n.nf\n" + roff("  "+examples) + "\n.fi")
			continue
		}
		b.WriteString(roff(paragraph))
	}
	return b.String()
}

// roff writes a text so that nothing in it is a request: a line must not begin with
// a point or a quote, and a backslash escapes.
func roff(text string) string {
	text = strings.NewReplacer(`\`, `\e`, "-", `\-`).Replace(text)
	lines := strings.Split(text, "\n")
	for i, l := range lines {
		if strings.HasPrefix(l, ".") || strings.HasPrefix(l, "'") {
			lines[i] = `\&` + l
		}
	}
	return strings.Join(lines, "\n")
}
