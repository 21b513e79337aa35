package cloudtrail

import (
	"bytes"
	"encoding/base64"
	"math/bits"
	"slices"
)

// piece is what was found inside a value: a record, or what holds one or many.
type piece struct {
	form pieceForm
	name string // of the member it was in
	b    []byte // in the Reader's buffers, until all pieces are read
}

type pieceForm uint8

const (
	recordPiece pieceForm = iota
	bridgePiece           // an EventBridge event
	textPiece             // a JSON string that is a log
	packedPiece           // a JSON string that is a log in base64
)

// unwrap reads what is inside the value b, which is no record. Most exports wrap
// records: each has names of its own for that, and none changes the record, so
// that it does not matter here what the names are.
func (r *Reader) unwrap(b []byte) (Entry, bool) {
	r.form, r.pieces = nil, r.pieces[:0]
	r.search(b, "", 0)
	switch {
	case len(r.pieces) > 0:
		r.resynced = r.resynced && len(r.open) == 1
		return Entry{}, false
	case r.restOfBroken():
		return Entry{}, false
	case r.form != nil && !r.form.weak, r.form != nil && r.open[len(r.open)-1].place != inList:
		return r.note(r.form)
	case r.open[len(r.open)-1].place == inList:
		r.passed = true // such lists have headers and messages in them too
		return Entry{}, false
	default:
		return r.malformed(ErrNoRecord), true
	}
}

// search finds records in a value, and what holds some.
func (r *Reader) search(b []byte, name string, level int) {
	if level > maxLevels {
		return
	}
	var s scanner
	switch b[0] {
	case '"':
		switch {
		case holdsRecord(b):
			r.pieces = append(r.pieces, piece{textPiece, name, b})
		case isPacked(b):
			r.pieces = append(r.pieces, piece{packedPiece, name, b})
		}
	case '[':
		for i := skipSpace(b, 1); b[i] != ']'; {
			end := s.skipValue(b, i, 0)
			r.search(b[i:end], name, level+1)
			if i = skipSpace(b, end); b[i] == ',' {
				i = skipSpace(b, i+1)
			}
		}
	case '{':
		if !r.searchObject(&s, b) {
			r.searchMembers(&s, b, level)
		}
	default: // nothing is in it
	}
}

// searchObject reports whether the object is a record, or an event with one. A
// row of a query with a column or two has some of a record's members too.
func (r *Reader) searchObject(s *scanner, b []byte) bool {
	const members = uint64(1)<<(lastRecordField+1) - 1
	if s.scan(b, false) < 0 {
		return true // it is nested too deep
	}
	switch {
	case s.isRecord(b) && bits.OnesCount64(s.seen&members) >= 4:
		r.pieces = append(r.pieces, piece{form: recordPiece, b: b})
	case s.is(b, bridgeDetailType) == isString && s.is(b, bridgeDetail) == isObject:
		r.pieces = append(r.pieces, piece{form: bridgePiece, b: b})
	default:
		columns := fromColumns(b)
		if columns == nil {
			return false
		}
		r.pieces = append(r.pieces, piece{form: recordPiece, b: columns})
	}
	return true
}

func (r *Reader) searchMembers(s *scanner, b []byte, level int) {
	if s.isMessage(b) && (r.form == nil || r.form.weak) {
		r.form = otherMessages
	}
	for i := skipSpace(b, 1); b[i] != '}'; {
		keyEnd, _ := skipString(b, i+1)
		key := b[i+1 : keyEnd-1]
		i = skipSpace(b, skipColon(b, keyEnd))
		end := s.skipValue(b, i, 1)
		if of := markers[string(key)]; of != nil && (r.form == nil || r.form == otherMessages && !of.weak || r.form.weak && !of.weak) {
			r.form = of
		}
		if c := b[i]; c == '{' || c == '[' || c == '"' && end-i > shortest {
			r.search(b[i:end], string(key), level+1)
		}
		if i = skipSpace(b, end); b[i] == ',' {
			i = skipSpace(b, i+1)
		}
	}
}

// shortest is how many bytes a string has that holds a record, at least.
const shortest = 24

// recordMarks are in every text that holds a record, also where it was quoted
// more than once: as it is, in base64 of gzip and of JSON, and what reports a
// log file elsewhere.
var recordMarks = [][]byte{[]byte("eventVersion"), []byte("eventSource"), []byte("eventversion"), []byte("H4sI"),
	[]byte("eyJ"), []byte("s3ObjectKey")}

func hasMark(b []byte) bool {
	return slices.ContainsFunc(recordMarks, func(mark []byte) bool { return bytes.Contains(b, mark) })
}

// holdsRecord reports whether a JSON value is a string that is JSON itself, and
// likely a record or what holds one.
func holdsRecord(quoted []byte) bool {
	if len(quoted) < shortest || quoted[0] != '"' {
		return false
	}
	text := quoted[1:]
	for {
		switch {
		case text[0] == ' ':
			text = text[1:]
			continue
		case text[0] == '\\' && (text[1] == 'n' || text[1] == 't' || text[1] == 'r'):
			text = text[2:]
			continue
		}
		break
	}
	if text[0] != '{' && text[0] != '[' {
		at := bytes.IndexByte(text[:min(len(text), maxStamp)], '{')
		if at < 0 || !hasClock(text[:at]) {
			return false
		}
	}
	return hasMark(quoted)
}

// isPacked reports whether a JSON value is a string with base64 of gzip, or of
// JSON that likely is a record.
func isPacked(quoted []byte) bool {
	if len(quoted) < shortest {
		return false
	}
	switch text := quoted[1 : len(quoted)-1]; {
	case bytes.HasPrefix(text, []byte("H4sI")):
		_, err := base64.StdEncoding.Decode(make([]byte, 18), text[:20])
		return err == nil
	case bytes.HasPrefix(text, []byte("ey")), bytes.HasPrefix(text, []byte("ew")), bytes.HasPrefix(text, []byte("W3")),
		bytes.HasPrefix(text, []byte("Wy")):
		plain, err := base64.StdEncoding.AppendDecode(nil, text)
		return err == nil && hasMark(plain)
	default:
		return false
	}
}

// piece reads the next of what unwrap found.
func (r *Reader) piece() (Entry, bool) {
	p := r.pieces[0]
	r.pieces = r.pieces[1:]
	s := &r.inner
	switch p.form {
	case recordPiece:
		s.scan(p.b, false)
		return r.deliver(s, p.b)
	case bridgePiece:
		s.scan(p.b, false)
		return r.bridged(s, p.b)
	default:
		name := p.name
		if name == "" {
			name = "a string"
		}
		r.text = appendText(r.text[:0], p.b[1:len(p.b)-1])
		if p.form == packedPiece {
			return r.readInside(name, base64.NewDecoder(base64.StdEncoding, bytes.NewReader(r.text)))
		}
		return r.readInside(name, bytes.NewReader(r.text))
	}
}

// maxStamp is the most bytes before a record in a line of text.
const maxStamp = 512

// skipStamp skips what is before the record in a line of text: its time, in
// CloudWatch Logs' exports to S3 and `aws logs tail`, where also the stream; in
// syslog the host and program. It is false where the line is none such.
func (r *Reader) skipStamp() bool {
	for {
		ahead := r.buf[r.pos:min(r.end, r.pos+maxStamp)]
		i := bytes.IndexAny(ahead, "{\n\"")
		switch {
		case i < 0 && len(ahead) < maxStamp && r.more():
			continue
		case i < 0 || ahead[i] != '{' || !hasClock(ahead[:i]):
			return false
		}
		r.pos += i
		return true
	}
}

// hasClock reports whether the text has a time of day in it.
func hasClock(text []byte) bool {
	for i := 2; i+2 < len(text); i++ {
		if text[i] == ':' && isDigit(text[i-2]) && isDigit(text[i-1]) && isDigit(text[i+1]) && isDigit(text[i+2]) {
			return true
		}
	}
	return false
}
