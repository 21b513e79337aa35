package cloudtrail

import (
	"bytes"
	"encoding/binary"
	"io"
	"unicode/utf16"
	"unicode/utf8"
)

// utf16Order is the byte order of UTF-16 that begins with b, and how many bytes
// its byte order mark has; nil where b is something else. Without a mark, JSON is
// known by its first characters, which are ASCII.
func utf16Order(b []byte) (order binary.ByteOrder, marks int) {
	switch {
	case bytes.HasPrefix(b, []byte("\xff\xfe")):
		return binary.LittleEndian, 2
	case bytes.HasPrefix(b, []byte("\xfe\xff")):
		return binary.BigEndian, 2
	case len(b) < 4:
		return nil, 0
	case b[0] != 0 && b[1] == 0 && b[2] != 0 && b[3] == 0:
		return binary.LittleEndian, 0
	case b[0] == 0 && b[1] != 0 && b[2] == 0 && b[3] != 0:
		return binary.BigEndian, 0
	default:
		return nil, 0
	}
}

// utf16Reader makes UTF-8 of UTF-16, which is what > writes in Windows
// PowerShell. What is no character becomes a byte that is no UTF-8.
type utf16Reader struct {
	src     io.Reader
	err     error // what src ended with
	order   binary.ByteOrder
	room    [16 << 10]byte
	pending int          // bytes of room that are the start of a character
	text    bytes.Buffer // not read yet
}

func (r *utf16Reader) Read(b []byte) (int, error) {
	if r.text.Len() == 0 && r.err == nil {
		var n int
		n, r.err = r.src.Read(r.room[r.pending:])
		r.decode(r.room[:r.pending+n])
	}
	if r.text.Len() == 0 {
		return 0, r.err
	}
	return r.text.Read(b) //nolint:wrapcheck // there is none
}

// decode decodes what is whole of b, or all where no more comes.
func (r *utf16Reader) decode(b []byte) {
	for len(b) > 0 {
		char, size := r.char(b)
		switch {
		case size > len(b) && r.err == nil:
			r.pending = copy(r.room[:], b)
			return
		case size > len(b) || size == 4 && char == utf8.RuneError:
			r.text.WriteByte(0xff)
			size = min(2, len(b))
		default:
			r.text.WriteRune(char)
		}
		b = b[size:]
	}
	r.pending = 0
}

// char is the first character of b, and how many bytes it takes, which may be
// more than there are. It is U+FFFD, of 4 bytes, for half a surrogate pair.
func (r *utf16Reader) char(b []byte) (rune, int) {
	if len(b) < 2 {
		return 0, 2
	}
	char := rune(r.order.Uint16(b))
	switch {
	case !utf16.IsSurrogate(char):
		return char, 2
	case len(b) < 4:
		return 0, 4
	default:
		return utf16.DecodeRune(char, rune(r.order.Uint16(b[2:]))), 4
	}
}
