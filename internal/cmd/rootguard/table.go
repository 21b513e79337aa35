package main

import (
	"strings"
	"unicode/utf8"
)

// columns lays rows out under each other, two spaces apart. Columns from
// rightFrom on are aligned to the right. style may color a padded cell.
func columns(rows [][]string, rightFrom int, style func(row, column int, text string) string) string {
	var widths []int
	for _, row := range rows {
		for i, cell := range row {
			if i == len(widths) {
				widths = append(widths, 0)
			}
			widths[i] = max(widths[i], utf8.RuneCountInString(cell))
		}
	}
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
