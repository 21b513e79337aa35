package cli

import (
	"strings"
	"unicode/utf8"
)

// wrap breaks text at spaces into lines of at most so many characters; a word
// that is longer has a line of its own. A width below 1 breaks nothing.
func wrap(text string, width int) []string {
	if width < 1 || utf8.RuneCountInString(text) <= width {
		return []string{text}
	}
	var lines []string
	line, length := "", 0
	for _, word := range strings.Fields(text) {
		n := utf8.RuneCountInString(word)
		switch {
		case length == 0:
			line, length = word, n
		case length+1+n <= width:
			line, length = line+" "+word, length+1+n
		default:
			lines = append(lines, line)
			line, length = word, n
		}
	}
	return append(lines, line)
}

// tableWidth is how many characters the longest line of columns has.
func tableWidth(rows [][]string) int {
	total := 0
	for i, w := range columnWidths(rows) {
		if i > 0 {
			total += 2
		}
		total += w
	}
	return total
}

func columnWidths(rows [][]string) []int {
	var widths []int
	for _, row := range rows {
		for i, cell := range row {
			if i == len(widths) {
				widths = append(widths, 0)
			}
			widths[i] = max(widths[i], utf8.RuneCountInString(cell))
		}
	}
	return widths
}

// columns lays rows out under each other, two spaces apart. Columns from
// rightFrom on are aligned to the right. style may color a padded cell.
func columns(rows [][]string, rightFrom int, style func(row, column int, text string) string) string {
	widths := columnWidths(rows)
	var b strings.Builder
	for r, row := range rows {
		for i, cell := range row {
			pad := strings.Repeat(" ", widths[i]-utf8.RuneCountInString(cell))
			switch {
			case i >= rightFrom:
				cell = pad + cell
			case i < len(row)-1:
				cell += pad
			}
			if i > 0 {
				b.WriteString("  ")
			}
			b.WriteString(style(r, i, cell))
		}
		b.WriteString("\n")
	}
	return b.String()
}
