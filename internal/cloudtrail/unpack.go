package cloudtrail

import (
	"bytes"
	"compress/bzip2"
	"encoding/base64"
	"errors"
	"fmt"
	"io"

	"github.com/klauspost/compress/zstd"

	"rootguard/internal/gunzip"
)

const (
	gzipMagic  = "\x1f\x8b"
	zstdMagic  = "\x28\xb5\x2f\xfd"
	bzip2Magic = "BZh"

	// maxLayers is how often a log may be compressed over: Amazon Data Firehose
	// compresses what CloudWatch Logs sends compressed.
	maxLayers = 3
	// maxWindow is the most memory in bytes that unpacking zstd may take, what
	// `zstd -19 --long` needs.
	maxWindow = 128 << 20
	// head is how many bytes of a log report its form.
	head = 512
)

// start checks the log's first bytes: what it is compressed with, its
// encoding and its form are known by them, whatever its name.
func (r *Reader) start() {
	r.src = r.buffered
	layers := 0
	if magic, _ := r.buffered.Peek(2); string(magic) == gzipMagic {
		var err error
		if r.unzip == nil {
			r.unzip, err = gunzip.NewReader(r.buffered)
		} else {
			err = r.unzip.Reset(r.buffered)
		}
		if err != nil {
			r.unzip, r.srcErr = nil, fmt.Errorf("reading gzip header: %w", noEOF(err))
			return
		}
		r.src = r.unzip
		layers++
	}
	for {
		for r.end < 4 && r.more() { // the length of a magic number
		}
		unpack := unpacker(r.buf[:r.end])
		if unpack == nil {
			break
		}
		if layers++; layers > maxLayers {
			r.end, r.srcErr = 0, fmt.Errorf("compressed more than %d times over", maxLayers)
			return
		}
		src, err := unpack(r.rest())
		if err != nil {
			r.end, r.srcErr = 0, err
			return
		}
		r.become(src)
	}
	switch b := r.buf[:r.end]; {
	case bytes.HasPrefix(b, []byte("\xef\xbb\xbf")):
		r.pos = 3
	case len(b) >= 4 && (string(b[1:4]) == "\x00\x00\x00" || string(b[:3]) == "\x00\x00\x00"):
		r.srcErr = &NotRead{Form: "text in UTF-32", Fix: "save it in UTF-8"}
		r.end = 0
		return
	default:
		if order, marks := utf16Order(b); order != nil {
			decoder := &utf16Reader{src: r.src, err: r.srcErr, order: order}
			decoder.decode(b[marks:])
			r.become(decoder)
		}
	}
	c, some := r.peek()
	if !some || c == '{' || c == '[' {
		return
	}
	for r.end-r.pos < head && r.more() {
	}
	if err := known(r.buf[r.pos:r.end]); err != nil {
		if errors.Is(err, ErrTar) || errors.Is(err, ErrZip) {
			r.archive = err
			return
		}
		r.srcErr, r.end = err, r.pos
		return
	}
	if isCSV(r.buf[r.pos:r.end]) {
		r.become(newCSVReader(r.rest()))
	}
}

// Rest is what a Reader did not read of an archive, unpacked, from its start.
// It is for who opens the archive, after ErrTar or ErrZip.
func (r *Reader) Rest() io.Reader { return r.rest() }

// rest is all of the log that is not read yet.
func (r *Reader) rest() io.Reader {
	begun := bytes.NewReader(bytes.Clone(r.buf[r.pos:r.end]))
	if r.srcErr != nil {
		return io.MultiReader(begun, failing{r.srcErr})
	}
	return io.MultiReader(begun, r.src)
}

// failing is a reader that has ended.
type failing struct{ err error }

func (f failing) Read([]byte) (int, error) { return 0, f.err }

// become makes src the log, in place of what it is made of.
func (r *Reader) become(src io.Reader) {
	r.src, r.srcErr = src, nil
	r.pos, r.end, r.stats.Bytes = 0, 0, 0
}

// unpacker is what unpacks a log that begins with b; nil where it is not packed.
func unpacker(b []byte) func(io.Reader) (io.Reader, error) {
	switch {
	case bytes.HasPrefix(b, []byte(gzipMagic)):
		return func(src io.Reader) (io.Reader, error) {
			in := &counted{src: src}
			unzip, err := gunzip.NewReader(in)
			if err != nil {
				return nil, fmt.Errorf("reading gzip header: %w", noEOF(err))
			}
			return &bounded{in: in, out: unzip}, nil
		}
	case bytes.HasPrefix(b, []byte(zstdMagic)):
		return func(src io.Reader) (io.Reader, error) {
			in := &counted{src: src}
			unzip, err := zstd.NewReader(in, zstd.WithDecoderConcurrency(1), zstd.WithDecoderLowmem(true), zstd.WithDecoderMaxWindow(maxWindow))
			if err != nil {
				return nil, fmt.Errorf("reading zstd header: %w", noEOF(err))
			}
			return &bounded{in: in, out: unzip}, nil
		}
	case bytes.HasPrefix(b, []byte(bzip2Magic)) && len(b) > 3 && '1' <= b[3] && b[3] <= '9':
		return func(src io.Reader) (io.Reader, error) {
			in := &counted{src: src}
			return &bounded{in: in, out: bzip2.NewReader(in)}, nil
		}
	case bytes.HasPrefix(b, []byte("H4sI")): // base64 of gzip, as Kinesis and CloudWatch Logs print it
		return func(src io.Reader) (io.Reader, error) { return base64.NewDecoder(base64.StdEncoding, src), nil }
	default:
		return nil
	}
}

// counted counts what is read of src.
type counted struct {
	src io.Reader
	n   int64
}

func (c *counted) Read(b []byte) (int, error) {
	n, err := c.src.Read(b)
	c.n += int64(n)
	return n, err //nolint:wrapcheck // io.EOF must stay what it is
}

// bounded ends where what is unpacked is far too much for what it was packed in.
type bounded struct {
	in  *counted
	out io.Reader
	n   int64
}

func (b *bounded) Read(p []byte) (int, error) {
	n, err := b.out.Read(p)
	if b.n += int64(n); b.n > maxUnpacked+maxRatio*b.in.n {
		return n, fmt.Errorf("it unpacks to more than %d times its size", maxRatio)
	}
	return n, err //nolint:wrapcheck // io.EOF must stay what it is
}
