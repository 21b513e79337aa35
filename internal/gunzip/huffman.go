package gunzip

import "math/bits"

// An entry of a table says what a code means (RFC 1951, section 3.2):
//
//   - a literal: literal, and the byte from bit 16 on
//   - a length or a distance: its base from bit 16 on
//   - the end of a block: special and endOfBlock
//   - nothing: special alone
//   - one longer than the table's index: special and deeper, from bit 16 on the first of
//     the entries for it, and in bits 8 to 11 how many bits are their index
//
// Bits 0 to 7 are how many bits it takes, with the extra bits of a length or a distance,
// and bits 8 to 11 how many of them are the code.
type entry uint32

const (
	literal    entry = 1 << 31
	special    entry = 1 << 15
	endOfBlock entry = 1 << 14
	deeper     entry = 1 << 13
)

const (
	longestCode = 15 // bits

	literalCodes  = 288
	distanceCodes = 32
	lengthCodes   = 19

	// Bits of a table's index, and entries for all that is deeper: each needs two codes at
	// least, and takes up to 1 << (longestCode - bits).
	literalBits  = 11
	literalSize  = 8192
	distanceBits = 8
	distanceSize = 4096
	lengthBits   = 7
	literalMask  = 1<<literalBits - 1
	distanceMask = 1<<distanceBits - 1
)

// The methods' numbers are all small.

// coded is the entry for a code of so many bits. What has extra bits has their number in
// bits 0 to 7 before.
func (e entry) coded(bits int) entry { return e + entry(bits) | entry(bits)<<8 } //nolint:gosec // see above

// size is how many bits it takes.
func (e entry) size() uint { return uint(e & 63) }

// octet is the byte of a literal.
func (e entry) octet() byte { return byte(e >> 16) } //nolint:gosec // see above

// value is a length or a distance, with its extra bits behind the code in hold.
func (e entry) value(hold uint64) int {
	return int(e>>16&0x7fff) + int(hold&(1<<e.size()-1)>>(e>>8&15)) //nolint:gosec // see above
}

// below is where the entry is for a code that is longer than the index, without that part.
func (e entry) below(hold uint64) int {
	return int(e>>16) + int(hold&(1<<(e>>8&15)-1)) //nolint:gosec // see above
}

// group is where the entries are for codes that are longer than the index: from first on,
// by the next bits.
func group(first, bits, index int) entry {
	return special | deeper | entry(first)<<16 | entry(bits)<<8 | entry(index) //nolint:gosec // see above
}

// build fills a table for codes of these lengths, 0 where a symbol has none. It is false
// where the lengths fit no code; a single one of one bit may be alone.
func build(table []entry, index int, lengths []uint8, meaning func(symbol int) entry) bool {
	var count [longestCode + 1]int
	longest := 0
	for _, n := range lengths {
		count[n]++
		longest = max(longest, int(n))
	}
	count[0] = 0
	fill(table[:1<<index], special)
	if longest == 0 {
		return true // nothing may follow that needs one
	}
	var next [longestCode + 1]int // the code of the next symbol, by length
	for n := 1; n <= longest; n++ {
		next[n] = (next[n-1] + count[n-1]) << 1
	}
	if end := next[longest] + count[longest]; end != 1<<longest && (longest != 1 || end != 1) {
		return false
	}
	free := 1 << index
	for symbol, n := range lengths {
		if n == 0 {
			continue
		}
		length := int(n)
		code := int(bits.Reverse16(uint16(next[n])) >> (16 - n)) //nolint:gosec // of at most 15 bits
		next[n]++
		e := meaning(symbol)
		if length <= index {
			spread(table[:1<<index], code, length, e)
			continue
		}
		first := code & (1<<index - 1)
		if table[first]&deeper == 0 {
			width := longest - index
			table[first] = group(free, width, index)
			fill(table[free:free+1<<width], special)
			free += 1 << width
		}
		start, width := int(table[first]>>16), table[first]>>8&15
		spread(table[start:start+1<<width], code>>index, length-index, e)
	}
	return true
}

// spread sets the entries of a code, which are all that end in it.
func spread(table []entry, code, length int, e entry) {
	e = e.coded(length)
	for i := code; i < len(table); i += 1 << length {
		table[i] = e
	}
}

func fill(table []entry, e entry) {
	for i := range table {
		table[i] = e
	}
}

// base is the entry of what begins at n, or is n.
func base(n int) entry { return entry(n) << 16 } //nolint:gosec // below 1 << 15

// literalOrLength is what a symbol of the first code of a block means.
func literalOrLength(symbol int) entry {
	switch {
	case symbol < 256:
		return literal | base(symbol)
	case symbol == 256:
		return special | endOfBlock
	case symbol < 265:
		return base(symbol - 257 + 3)
	case symbol < 285:
		extra := (symbol - 261) / 4
		return base((4+(symbol-261)%4)<<extra+3) | entry(extra)
	case symbol == 285:
		return base(longestMatch)
	default:
		return special
	}
}

// distance is what a symbol of the second code of a block means.
func distance(symbol int) entry {
	switch {
	case symbol < 4:
		return base(symbol + 1)
	case symbol < 30:
		extra := symbol/2 - 1
		return base((2+symbol%2)<<extra+1) | entry(extra)
	default:
		return special
	}
}

// codeLength is what a symbol of the code of the codes' lengths means: itself.
func codeLength(symbol int) entry { return base(symbol) }
