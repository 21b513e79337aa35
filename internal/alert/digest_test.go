package alert

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"
)

// digestOf is a digest whose sections have so many lines each.
func digestOf(lines ...int) *Digest {
	d := &Digest{NextText: "Mon 07:00 CET"}
	for i, n := range lines {
		s := DigestSection{ID: fmt.Sprintf("s%d", i), Title: fmt.Sprintf("Section %d", i)}
		for l := range n {
			s.Lines = append(s.Lines, fmt.Sprintf("line %d", l))
		}
		d.Sections = append(d.Sections, s)
	}
	return d
}

// TestDigestChat holds how much of a digest a channel gets, and that it says what it
// leaves out.
func TestDigestChat(t *testing.T) {
	const expect = "The next digest comes on Mon 07:00 CET. If it does not come, rootguard is not working: run rootguard doctor"
	four := "• line 0\n• line 1\n• line 2\n• line 3"
	more := digestOf(4)
	more.Sections[0].More = 7
	for name, tt := range map[string]struct {
		d    *Digest
		want string
	}{
		"a title alone":            {digestOf(0), expect + "\nSection 0"},
		"as many lines as fit":     {digestOf(4), expect + "\nSection 0\n" + four},
		"one line more":            {digestOf(5), expect + "\nSection 0\n" + four + "\n• and 1 more"},
		"lines that were left out": {more, expect + "\nSection 0\n" + four + "\n• and 7 more"},
		"two sections":             {digestOf(1, 1), expect + "\nSection 0\n• line 0\nSection 1\n• line 0"},
	} {
		if got := digestChat(tt.d); got != tt.want {
			t.Errorf("%s: %q, want %q", name, got, tt.want)
		}
	}
	// One character more than a channel takes, and the section is left out whole.
	full := digestOf(4, 4, 4, 4, 4, 4, 0)
	for i := range full.Sections[:6] {
		for l := range full.Sections[i].Lines {
			full.Sections[i].Lines[l] = strings.Repeat("x", 137)
		}
	}
	room := 3600 - utf8.RuneCountInString(digestChat(full))
	for extra, whole := range map[int]bool{0: true, 1: false} {
		d := digestOf(0)
		d.Sections = slices.Clone(full.Sections)
		last := &d.Sections[6]
		last.Title = strings.Repeat("y", len(last.Title)+room+extra)
		text := digestChat(d)
		if cut := strings.HasSuffix(text, "\nThe rest is in the e-mail, and in rootguard digest --aws"); cut == whole || strings.Contains(text, "y") && !whole {
			t.Errorf("%d characters more than there is room for: %q", extra, text[max(0, len(text)-120):])
		}
	}
}

// TestDigestIsBounded holds how much of a digest is published, and that what is left out
// is counted.
func TestDigestIsBounded(t *testing.T) {
	for name, tt := range map[string]struct {
		lines      []int
		want, more []int // of each section
	}{
		"all of it":                {[]int{16, 0, 16}, []int{16, 0, 16}, []int{0, 0, 0}},
		"a long section":           {[]int{17, 1}, []int{16, 1}, []int{1, 0}},
		"all sections have room":   {[]int{15, 15, 15, 15, 1}, []int{15, 15, 15, 15, 0}, []int{0, 0, 0, 0, 1}},
		"more sections than count": {slices.Repeat([]int{1}, 15), slices.Repeat([]int{1}, 14), slices.Repeat([]int{0}, 14)},
	} {
		d := digestOf(tt.lines...).bounded()
		var got, more []int
		lines := 0
		for _, s := range d.Sections {
			got, more = append(got, len(s.Lines)), append(more, s.More)
			lines += len(s.Lines)
		}
		if !slices.Equal(got, tt.want) || !slices.Equal(more, tt.more) || d.lines() != lines {
			t.Errorf("%s: lines %v of %d, left out %v, want %v, %v", name, got, d.lines(), more, tt.want, tt.more)
		}
	}
	h := digestOf(0, 1, 5).halved()
	for i, want := range [][2]int{{0, 0}, {0, 1}, {2, 3}} {
		if s := h.Sections[i]; len(s.Lines) != want[0] || s.More != want[1] {
			t.Errorf("half of section %d: %d lines, %d left out, want %v", i, len(s.Lines), s.More, want)
		}
	}
}
