package cloudtrail

import (
	"bytes"
	"fmt"
)

// lookAhead is how far behind a brace resync looks for the key of a new record,
// white space included.
const lookAhead = 64

// begins is how the records in a frame begin, after the brace.
func (p place) begins() string {
	switch p {
	case inEvents:
		return `"EventId"`
	case inLogEvents:
		return `"id"`
	default:
		return `"eventVersion"`
	}
}

// resync skips what is broken, from pos on: to the end of the object that begins
// there, or of the depth objects that are open there, or to where the next
// record seems to begin, whichever comes first. What is no object ends in a list
// at a comma, a bracket or a brace. The start of a next record is what a string
// cannot hold, since its quotes would be escaped there: {"eventVersion", or at
// the top a line that begins with a bracket.
//
// JSON was found broken at the offset fault. A start before that is taken only
// where nothing before was found broken there, so that no byte is scanned more
// than a few times over.
func (r *Reader) resync(f *frame, depth int, fault int64) {
	lookBack := r.at() >= r.broken
	r.broken = max(r.broken, fault)
	r.resynced = true
	f.next = commaOrEnd
	inString := false
	isElement := depth == 0 && f.place != atTop && r.buf[r.pos] != '{'
	for first := true; ; first = false {
		if r.end-r.pos < lookAhead && !r.more() && r.pos >= r.end {
			return
		}
		c := r.buf[r.pos]
		maybe := !first && (lookBack || r.at() >= fault)
		switch {
		case c == '{' && maybe && r.recordBegins(f.place):
			f.next = valueOrEnd
			return
		case c == '\n' && maybe && f.place == atTop && r.pos+1 < r.end && (r.buf[r.pos+1] == '{' || r.buf[r.pos+1] == '['):
			r.pos++
			return
		case inString && c == '\\' && r.pos+1 < r.end:
			r.pos++
		case c == '"':
			inString = !inString
		case inString:
		case isElement && (c == ',' && !first || c == ']'):
			return
		case isElement && c == '{':
			f.next = valueOrEnd
			return
		case c == '{':
			depth++
		case c == '}' && depth > 0:
			if depth--; depth == 0 {
				r.pos++
				return
			}
		}
		r.pos++
	}
}

// recordBegins reports whether the brace at pos is that of a new record.
func (r *Reader) recordBegins(p place) bool {
	for r.end-r.pos < lookAhead && r.more() {
	}
	ahead := r.buf[r.pos:min(r.end, r.pos+lookAhead)]
	return bytes.HasPrefix(ahead[skipSpace(ahead, 1):], []byte(p.begins()))
}

// stray reports a byte that is not allowed at its place, and skips to one that is.
func (r *Reader) stray(f *frame) (Entry, bool) {
	entry, reported := Entry{Index: -1}, r.resynced
	if !reported {
		entry.Err = fmt.Errorf("invalid JSON: unexpected %q at byte %d", r.buf[r.pos], r.at())
	}
	if f.place == atTop {
		r.pos++
		r.resynced = true
	} else {
		r.resync(f, 0, r.at())
	}
	return entry, !reported
}
