package cloudtrail

import (
	"encoding/binary"
	"math/bits"
	"unicode/utf16"
	"unicode/utf8"
)

// MaxDepth is how deep objects and arrays may nest in a record, which is what
// encoding/json allows.
const MaxDepth = 10_000

// The functions that skip over JSON return the index after what they skipped,
// incomplete where b ends before it does, or malformed(i) where it is not JSON.
const incomplete = -1

// malformed says that b[i] is not allowed at its place.
func malformed(i int) int { return -2 - i }

// malformedAt is the i of a malformed(i).
func malformedAt(n int) int { return -2 - n }

// textFlags say what a JSON string holds besides plain text.
type textFlags uint8

const (
	escaped textFlags = 1 << iota
	notUTF8
)

const (
	eachByte = 0x0101010101010101
	topBits  = 0x8080808080808080
)

// special marks with its top bit each byte of w that ends a string or needs a
// closer look: a quote, a backslash, a control character or a byte beyond
// ASCII. Above a marked byte it may mark others wrongly, below never. Flipping
// the second bit makes the quote (0x22) follow the control characters.
func special(w uint64) uint64 {
	return (((w ^ 0x02*eachByte) - 0x21*eachByte) | ((w ^ '\\'*eachByte) - eachByte) | w) & topBits
}

// skipString skips the rest of a string whose opening quote is at i-1. It looks
// at sixteen bytes at a time and does not branch on where in them the string
// ends, which no processor can foretell.
func skipString(b []byte, i int) (int, textFlags) {
	for i+16 <= len(b) {
		at := b[i : i+16 : len(b)]
		low, high := special(binary.LittleEndian.Uint64(at)), special(binary.LittleEndian.Uint64(at[8:]))
		if low|high == 0 {
			i += 16
			continue
		}
		n := bits.TrailingZeros64(low) // 64 where there is none
		n += bits.TrailingZeros64(high) & -(n >> 6)
		i += n >> 3
		if b[i] == '"' {
			return i + 1, 0
		}
		break
	}
	return skipOddString(b, i)
}

// skipOddString is skipString for strings that hold more than plain text, and
// near the end of b.
func skipOddString(b []byte, i int) (int, textFlags) {
	var flags textFlags
	for i < len(b) {
		switch c := b[i]; {
		case c == '"':
			return i + 1, flags
		case c == '\\':
			flags |= escaped
			if i = skipEscape(b, i); i < 0 {
				return i, flags
			}
		case c < 0x20:
			return malformed(i), flags
		case c < utf8.RuneSelf:
			if i++; i+8 <= len(b) {
				i += bits.TrailingZeros64(special(binary.LittleEndian.Uint64(b[i:]))) >> 3
			}
		default:
			r, size := utf8.DecodeRune(b[i:])
			if r == utf8.RuneError && size == 1 {
				if !utf8.FullRune(b[i:]) {
					return incomplete, flags
				}
				flags |= notUTF8
			}
			i += size
		}
	}
	return incomplete, flags
}

// skipEscape skips the escape sequence whose backslash is at i.
func skipEscape(b []byte, i int) int {
	if i+1 >= len(b) {
		return incomplete
	}
	switch b[i+1] {
	case '"', '\\', '/', 'b', 'f', 'n', 'r', 't':
		return i + 2
	case 'u':
		for k := i + 2; k < i+6; k++ {
			if k >= len(b) {
				return incomplete
			}
			if unhex(b[k]) < 0 {
				return malformed(k)
			}
		}
		return i + 6
	default:
		return malformed(i + 1)
	}
}

func unhex(c byte) rune {
	switch {
	case '0' <= c && c <= '9':
		return rune(c - '0')
	case 'a' <= c && c <= 'f':
		return rune(c-'a') + 10
	case 'A' <= c && c <= 'F':
		return rune(c-'A') + 10
	default:
		return -1
	}
}

// skipSpace returns the index of the first byte from i on that is not JSON
// white space, len(b) where there is none.
func skipSpace(b []byte, i int) int {
	for i < len(b) && (b[i] == ' ' || b[i] == '\n' || b[i] == '\t' || b[i] == '\r') {
		i++
	}
	return i
}

// skipScalar skips a number, true, false or null.
func skipScalar(b []byte, i int) int {
	switch c := b[i]; {
	case c == 't':
		return skipLiteral(b, i, "true")
	case c == 'f':
		return skipLiteral(b, i, "false")
	case c == 'n':
		return skipLiteral(b, i, "null")
	case c == '-' || isDigit(c):
		return skipNumber(b, i)
	default:
		return malformed(i)
	}
}

func skipLiteral(b []byte, i int, literal string) int {
	for k := range len(literal) {
		if i+k >= len(b) {
			return incomplete
		}
		if b[i+k] != literal[k] {
			return malformed(i + k)
		}
	}
	return i + len(literal)
}

func isDigit(c byte) bool { return '0' <= c && c <= '9' }

// skipNumber skips a number. Only the byte after a number ends it, so one at
// the end of b is incomplete.
func skipNumber(b []byte, i int) int {
	if b[i] == '-' {
		i++
	}
	switch {
	case i >= len(b):
		return incomplete
	case b[i] == '0':
		i++
	default:
		if i = skipDigits(b, i); i < 0 {
			return i
		}
	}
	if i < len(b) && b[i] == '.' {
		if i = skipDigits(b, i+1); i < 0 {
			return i
		}
	}
	if i < len(b) && b[i]|0x20 == 'e' {
		i++
		if i < len(b) && (b[i] == '+' || b[i] == '-') {
			i++
		}
		if i = skipDigits(b, i); i < 0 {
			return i
		}
	}
	if i >= len(b) {
		return incomplete
	}
	return i
}

// skipDigits skips one digit or more.
func skipDigits(b []byte, i int) int {
	start := i
	for i < len(b) && isDigit(b[i]) {
		i++
	}
	switch {
	case i >= len(b):
		return incomplete
	case i == start:
		return malformed(i)
	default:
		return i
	}
}

// skipValue skips any value whose first byte is at i, inside depth objects and
// arrays. It does not recurse: whether each open level is an object is one bit
// of levels, and 64 of them at a time are put aside.
//
//nolint:funlen,gocognit // the hot loop of the scanner: calls would cost its speed
func (s *scanner) skipValue(b []byte, i, depth int) int {
	var (
		levels uint64 // 1: object, 0: array; the innermost is the lowest bit
		open   int
		flags  textFlags
	)
	s.levels = s.levels[:0]

value:
	if i >= len(b) {
		return incomplete
	}
	if b[i] <= ' ' {
		if i = skipSpace(b, i); i >= len(b) {
			return incomplete
		}
	}
	switch c := b[i]; c {
	case '"':
		i, flags = skipString(b, i+1)
		s.flags |= flags
		if i < 0 {
			return i
		}
	case '{', '[':
		if depth+open >= MaxDepth {
			s.tooDeep = true
			return malformed(i)
		}
		if open&63 == 0 && open > 0 {
			s.levels = append(s.levels, levels)
		}
		open++
		levels <<= 1
		i = skipSpace(b, i+1)
		if c == '{' {
			levels |= 1
		}
		if i >= len(b) {
			return incomplete
		}
		if b[i] != c+2 { // not closed at once; both brackets close with the character two on
			if c == '{' {
				goto key
			}
			goto value
		}
		goto pop
	default:
		if i = skipScalar(b, i); i < 0 {
			return i
		}
	}

after:
	if open == 0 {
		return i
	}
	if i >= len(b) {
		return incomplete
	}
	if b[i] <= ' ' {
		if i = skipSpace(b, i); i >= len(b) {
			return incomplete
		}
	}
	if b[i] == ',' {
		i++
		if levels&1 == 0 {
			goto value
		}
		if i < len(b) && b[i] <= ' ' {
			i = skipSpace(b, i)
		}
		goto key
	}
	if b[i] != ']'+byte(levels&1)<<5 {
		return malformed(i)
	}

pop:
	i++
	open--
	levels >>= 1
	if open&63 == 0 && open > 0 {
		last := len(s.levels) - 1
		levels, s.levels = s.levels[last], s.levels[:last]
	}
	goto after

key:
	if i >= len(b) {
		return incomplete
	}
	if b[i] != '"' {
		return malformed(i)
	}
	i, flags = skipString(b, i+1)
	s.flags |= flags
	if i < 0 {
		return i
	}
	if i = skipColon(b, i); i < 0 {
		return i
	}
	goto value
}

// skipColon skips the colon after a key, and white space before it.
func skipColon(b []byte, i int) int {
	if i < len(b) && b[i] == ':' {
		return i + 1
	}
	if i = skipSpace(b, i); i >= len(b) {
		return incomplete
	}
	if b[i] != ':' {
		return malformed(i)
	}
	return i + 1
}

// appendText appends the text of a JSON string, given without its quotes. Like
// encoding/json it puts U+FFFD for each byte that is not UTF-8 and for each
// surrogate without its other half. The string must be valid.
func appendText(dst, quoted []byte) []byte {
	for i := 0; i < len(quoted); {
		c := quoted[i]
		if c < utf8.RuneSelf && c != '\\' {
			start := i
			for i < len(quoted) && quoted[i] < utf8.RuneSelf && quoted[i] != '\\' {
				i++
			}
			dst = append(dst, quoted[start:i]...)
			continue
		}
		if c != '\\' {
			r, size := utf8.DecodeRune(quoted[i:])
			dst = utf8.AppendRune(dst, r)
			i += size
			continue
		}
		c = quoted[i+1]
		i += 2
		switch c {
		case 'b':
			dst = append(dst, '\b')
		case 'f':
			dst = append(dst, '\f')
		case 'n':
			dst = append(dst, '\n')
		case 'r':
			dst = append(dst, '\r')
		case 't':
			dst = append(dst, '\t')
		case 'u':
			r := hexRune(quoted[i:])
			i += 4
			if utf16.IsSurrogate(r) && i+6 <= len(quoted) && quoted[i] == '\\' && quoted[i+1] == 'u' {
				if pair := utf16.DecodeRune(r, hexRune(quoted[i+2:])); pair != utf8.RuneError {
					r = pair
					i += 6
				}
			}
			dst = utf8.AppendRune(dst, r) // which writes U+FFFD for a lone surrogate
		default:
			dst = append(dst, c)
		}
	}
	return dst
}

// hexRune reads four hexadecimal digits.
func hexRune(b []byte) (r rune) {
	for _, c := range b[:4] {
		r = r<<4 | unhex(c)
	}
	return r
}
