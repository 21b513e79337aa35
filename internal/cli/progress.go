package cli

import "fmt"

// progressLine is a line on standard error that is drawn over, where that is a
// terminal.
type progressLine struct {
	sys   system
	shown bool
}

// draw replaces the line.
func (p *progressLine) draw(line string) {
	if !p.sys.redraws() {
		return
	}
	if width := p.sys.terminalWidth(); width > 0 && len(line) >= width {
		line = line[:width-1] // a line that wraps cannot be drawn over
	}
	fmt.Fprint(p.sys.stderr, "\r\x1b[K"+line)
	p.shown = true
}

// clear takes the line away.
func (p *progressLine) clear() {
	if p.shown {
		fmt.Fprint(p.sys.stderr, "\r\x1b[K")
		p.shown = false
	}
}
