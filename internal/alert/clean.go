package alert

import (
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"
)

// cut shortens s to at most limit runes, with "..." in place of what is missing.
// It makes no link of what was none: a word that it cuts within, and that has a
// dot or ends in many digits, ends before these.
func cut(s string, limit int) string {
	if utf8.RuneCountInString(s) <= limit {
		return s
	}
	if limit <= 3 {
		return "..."[:max(limit, 0)]
	}
	all := []rune(s)
	kept := string(all[:limit-3])
	if unicode.IsSpace(all[limit-3]) {
		return strings.TrimRight(kept, " ") + "..."
	}
	word := kept[strings.LastIndexByte(kept, ' ')+1:]
	if i := dotted(word); i >= 0 {
		kept = kept[:len(kept)-len(word)+i]
	}
	if short := strings.TrimRight(kept, "0123456789"); len(kept)-len(short) >= 4 && unicode.IsDigit(all[utf8.RuneCountInString(kept)]) {
		kept = short
	}
	return strings.TrimRight(kept, " ") + "..."
}

// dotted is where in a word a dot is between letters or digits, -1 where none does.
func dotted(word string) int {
	for i := 1; i < len(word)-1; i++ {
		after, _ := utf8.DecodeRuneInString(word[i+1:])
		if word[i] == '.' && word[i-1] != '[' && (unicode.IsLetter(after) || unicode.IsDigit(after)) {
			return i
		}
	}
	return -1
}

// head is s, cut short at about limit bytes, so that no later pass walks megabytes.
func head(s string, limit int) string {
	if len(s) <= limit {
		return s
	}
	for limit > 0 && !utf8.RuneStart(s[limit]) {
		limit--
	}
	return s[:limit]
}

// clean makes text from a log safe for programs that show it: what a terminal or a
// mail reader would obey (control characters, escape sequences, direction
// overrides, line separators) or hide (zero-width and filler characters) is
// written as an escape, and "://" as "[:]//" so that nothing in it becomes a
// link. The result has at most limit runes.
func clean(s string, limit int) string {
	s = head(s, 4*limit+4)
	var b strings.Builder
	marks := 0
	for i, r := range s {
		if unicode.Is(unicode.M, r) {
			marks++
		} else {
			marks = 0
		}
		switch {
		case r == utf8.RuneError && !strings.HasPrefix(s[i:], "\uFFFD"):
			fmt.Fprintf(&b, `\x%02x`, s[i])
		case r == '\n':
			b.WriteString(`\n`)
		case r == '\r':
			b.WriteString(`\r`)
		case r == '\t':
			b.WriteString(`\t`)
		case unicode.Is(unicode.Zs, r):
			b.WriteByte(' ')
		case !unicode.IsGraphic(r), invisible(r), marks > 2:
			escape(&b, r)
		default:
			b.WriteRune(r)
		}
	}
	out := strings.ReplaceAll(b.String(), "://", "[:]//")
	return cut(strings.Join(strings.Fields(out), " "), limit)
}

func escape(b *strings.Builder, r rune) {
	if r > 0xffff {
		fmt.Fprintf(b, `\U%08x`, r)
		return
	}
	fmt.Fprintf(b, `\u%04x`, r)
}

// invisible reports graphic characters that show nothing: fillers, the braille
// blank, the grapheme joiner and variation selectors.
func invisible(r rune) bool {
	switch r {
	case 0x115f, 0x1160, 0x3164, 0xffa0, 0x2800, 0x034f:
		return true
	default:
		return unicode.Is(unicode.Variation_Selector, r)
	}
}

// latin spells letters and signs outside ASCII in ASCII.
var latin = []struct{ ascii, of string }{
	{"A", "ÀÁÂÃÄÅĀĂĄǍ"}, {"AE", "Æ"}, {"C", "ÇĆĈĊČ"}, {"D", "ÐĎĐ"}, {"E", "ÈÉÊËĒĔĖĘĚ"}, {"G", "ĜĞĠĢ"},
	{"H", "ĤĦ"}, {"I", "ÌÍÎÏĨĪĬĮİ"}, {"J", "Ĵ"}, {"K", "Ķ"}, {"L", "ĹĻĽĿŁ"}, {"N", "ÑŃŅŇŊ"}, {"O", "ÒÓÔÕÖØŌŎŐ"},
	{"OE", "Œ"}, {"R", "ŔŖŘ"}, {"S", "ŚŜŞŠȘ"}, {"T", "ŢŤŦȚ"}, {"Th", "Þ"}, {"U", "ÙÚÛÜŨŪŬŮŰŲ"}, {"W", "Ŵ"},
	{"Y", "ÝŶŸ"}, {"Z", "ŹŻŽ"}, {"a", "àáâãäåāăąǎª"}, {"ae", "æ"}, {"c", "çćĉċč"}, {"d", "ðďđ"},
	{"e", "èéêëēĕėęě"}, {"g", "ĝğġģ"}, {"h", "ĥħ"}, {"i", "ìíîïĩīĭįı"}, {"j", "ĵ"}, {"k", "ķ"}, {"l", "ĺļľŀł"},
	{"n", "ñńņňŉŋ"}, {"o", "òóôõöøōŏőº"}, {"oe", "œ"}, {"r", "ŕŗř"}, {"s", "śŝşšșſ"}, {"ss", "ß"}, {"SS", "ẞ"},
	{"t", "ţťŧț"}, {"th", "þ"}, {"u", "ùúûüũūŭůűų"}, {"w", "ŵ"}, {"y", "ýÿŷ"}, {"z", "źżž"}, {"'", "‘’‚‛′ʼ"},
	{"\"", "“”„‟″«»"}, {"-", "‐‑‒–—―−"}, {"...", "…"}, {"*", "•·"}, {"x", "×"}, {"/", "÷⁄∕"}, {"EUR", "€"},
	{"GBP", "£"},
}

func spell(r rune) (string, bool) {
	for _, l := range latin {
		if strings.ContainsRune(l.of, r) {
			return l.ascii, true
		}
	}
	return "", false
}

// ascii displays s in printable ASCII: letters with marks lose them, characters
// without a spelling become "?", one for a run of them. The result has at most
// limit characters.
func ascii(s string, limit int) string {
	s = narrow(head(s, 4*limit+4))
	var b strings.Builder
	unknown := false
	for _, r := range s {
		to, known := spell(r)
		switch {
		case r > ' ' && r < 0x7f:
			to, known = string(r), true
		case unicode.IsSpace(r):
			to, known = " ", true
		case unicode.Is(unicode.Mn, r): // a combining mark: its letter is before it
			continue
		case !known && !unknown:
			to = "?"
		}
		b.WriteString(to)
		unknown = !known
	}
	return display(strings.Join(strings.Fields(b.String()), " "), limit)
}
