package gunzip_test

import (
	"bytes"
	"compress/flate"
	"compress/gzip"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"testing/iotest"

	"pgregory.net/rapid"

	"rootguard/internal/gunzip"
	"rootguard/internal/testenv"
)

// logOf is at least n bytes that are like a log's: the same keys, few values, some noise.
func logOf(n int, seed uint64) []byte {
	r := rand.New(rand.NewPCG(seed, 1))
	var b bytes.Buffer
	for i := 0; b.Len() < n; i++ {
		fmt.Fprintf(&b, `{"eventVersion":"1.08","userIdentity":{"type":"AssumedRole","principalId":"AROA%08X:i-%d"},`, r.Uint32(), i%17)
		fmt.Fprintf(&b, `"eventTime":"2026-03-%02dT%02d:%02d:00Z","eventSource":"s3.amazonaws.com","requestID":"%x"},`, i%28+1, i%24, i%60, r.Uint64())
	}
	return b.Bytes()[:n]
}

// noise is bytes that nothing compresses.
func noise(n int, seed uint64) []byte {
	r := rand.New(rand.NewPCG(seed, 2))
	b := make([]byte, n)
	for i := range b {
		b[i] = byte(r.Uint32())
	}
	return b
}

func zip(tb testing.TB, b []byte, level int) []byte {
	tb.Helper()
	var z bytes.Buffer
	w, err := gzip.NewWriterLevel(&z, level)
	if err == nil {
		_, err = w.Write(b)
	}
	if err = errors.Join(err, w.Close()); err != nil {
		tb.Fatal(err)
	}
	return z.Bytes()
}

// both are the Reader, and compress/gzip's that it is compared with.
type both struct {
	z   gunzip.Reader
	std gzip.Reader
}

func (c *both) reference(zipped []byte) ([]byte, error) {
	if err := c.std.Reset(bytes.NewReader(zipped)); err != nil {
		return nil, err
	}
	return io.ReadAll(&c.std)
}

// read reads some bytes at a time. Its error is nil at the end.
func (c *both) read(src io.Reader, size int) (b []byte, err error) {
	if err := c.z.Reset(src); err != nil {
		return nil, err
	}
	p := make([]byte, size)
	for {
		n, err := c.z.Read(p)
		b = append(b, p[:n]...)
		switch {
		case err == nil && n == 0:
			return b, errors.New("no bytes, and no error")
		case err == nil:
			continue
		}
		if again, second := c.z.Read(p); again != 0 || !errors.Is(second, err) {
			return b, fmt.Errorf("after %w: %d bytes, %w", err, again, second)
		}
		if errors.Is(err, io.EOF) {
			err = nil
		}
		return b, err
	}
}

// differ says how what is read differs from what compress/gzip reads. Where that fails
// this must fail too, at whatever byte.
func (c *both) differ(zipped []byte, src io.Reader, size int) string {
	want, wantErr := c.reference(zipped)
	got, err := c.read(src, size)
	same := min(len(got), len(want))
	switch {
	case (err == nil) != (wantErr == nil):
		return fmt.Sprintf("error %v, want %v", err, wantErr)
	case err == nil && len(got) != len(want):
		return fmt.Sprintf("%d bytes, want %d", len(got), len(want))
	case !bytes.Equal(got[:same], want[:same]):
		return fmt.Sprintf("of %d bytes the %d that both read differ", len(got), same)
	}
	return ""
}

func TestAgainstTheLibrary(t *testing.T) {
	t.Parallel()
	var c both
	contents := map[string][]byte{
		"nothing": nil, "a byte": {'x'}, "a log": logOf(200<<10, 1), "noise": noise(70<<10, 1), "one byte over and over": bytes.Repeat([]byte{'a'}, 150<<10),
		"matches from as far back as can be": append(bytes.Repeat(noise(32<<10, 3), 9), noise(300, 3)...),
		"short periods":                      slices.Concat(bytes.Repeat([]byte("ab"), 500), bytes.Repeat([]byte("abcdefg"), 500), bytes.Repeat([]byte("abcdefgh"), 500)),
		"both":                               slices.Concat(logOf(70<<10, 2), noise(70<<10, 4), logOf(70<<10, 2)),
	}
	for name, b := range contents {
		for _, level := range []int{gzip.HuffmanOnly, gzip.NoCompression, gzip.BestSpeed, gzip.DefaultCompression, gzip.BestCompression} {
			zipped := zip(t, b, level)
			for _, size := range []int{1 << 20, 4097, 1} {
				if size == 1 && len(b) > 10<<10 {
					continue
				}
				if diff := c.differ(zipped, bytes.NewReader(zipped), size); diff != "" {
					t.Errorf("%s, level %d, %d bytes at a time: %s", name, level, size, diff)
				}
			}
			if diff := c.differ(zipped, iotest.HalfReader(bytes.NewReader(zipped)), 1<<16); diff != "" {
				t.Errorf("%s, level %d, in halves: %s", name, level, diff)
			}
		}
	}
}

// TestMembers: a log may have several, each with what it says of itself.
func TestMembers(t *testing.T) {
	t.Parallel()
	var c both
	var z bytes.Buffer
	for i := range 5 {
		w := gzip.NewWriter(&z)
		w.Name, w.Comment, w.Extra = strings.Repeat("n", i*100), strings.Repeat("c", i), bytes.Repeat([]byte{1}, i*1000)
		_, err := w.Write(logOf(i*40<<10, uint64(i)))
		if err = errors.Join(err, w.Flush()); err != nil { // an empty stored block
			t.Fatal(err)
		}
		_, err = w.Write([]byte("more"))
		if err = errors.Join(err, w.Close()); err != nil {
			t.Fatal(err)
		}
	}
	for name, zipped := range map[string][]byte{
		"whole":            z.Bytes(),
		"garbage after it": append(bytes.Clone(z.Bytes()), strings.Repeat("garbage", 5)...),
		"a byte after it":  append(bytes.Clone(z.Bytes()), 0x1f),
		"half a member":    z.Bytes()[:z.Len()*2/3],
		"a long name":      zipNamed(t, 511),
		"a longer one":     zipNamed(t, 512),
	} {
		for _, src := range []io.Reader{bytes.NewReader(zipped), iotest.OneByteReader(bytes.NewReader(zipped)), iotest.DataErrReader(bytes.NewReader(zipped))} {
			if diff := c.differ(zipped, src, 5000); diff != "" {
				t.Errorf("%s: %s", name, diff)
			}
		}
	}
}

func zipNamed(t *testing.T, n int) []byte {
	t.Helper()
	var z bytes.Buffer
	w := gzip.NewWriter(&z)
	w.Name = strings.Repeat("n", n)
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return z.Bytes()
}

// TestHeaderSum: a header may have a sum of its own, which must be right.
func TestHeaderSum(t *testing.T) {
	var c both
	zipped := zip(t, []byte("text"), 6)
	for _, sum := range []string{"\x13\x66", "\x13\x67"} {
		with := slices.Concat(zipped[:3], []byte{2}, zipped[4:8], []byte{0, 255}, []byte(sum), zipped[10:])
		_, wantErr := c.reference(with)
		if _, err := c.read(bytes.NewReader(with), 10); !errors.Is(err, wantErr) {
			t.Errorf("sum % x: %v, want %v", sum, err, wantErr)
		}
	}
}

// TestBroken cuts a file off at any byte, and changes any bit of it.
func TestBroken(t *testing.T) {
	t.Parallel()
	var c both
	for _, level := range []int{gzip.HuffmanOnly, gzip.NoCompression, gzip.BestSpeed, gzip.BestCompression} {
		zipped := zip(t, slices.Concat(logOf(700, 1), noise(300, 1), logOf(700, 1)), level)
		for n := range zipped {
			if _, err := c.read(bytes.NewReader(zipped[:n]), 100); n > 0 && !errors.Is(err, io.ErrUnexpectedEOF) {
				t.Errorf("level %d, %d of %d bytes: %v", level, n, len(zipped), err)
			}
		}
		for bit := 0; bit < 8*len(zipped); bit += testenv.Size(1, 5) {
			changed := bytes.Clone(zipped)
			changed[bit/8] ^= 1 << (bit % 8)
			if diff := c.differ(changed, bytes.NewReader(changed), 500); diff != "" {
				t.Errorf("level %d, bit %d: %s", level, bit, diff)
			}
		}
	}
}

// TestErrors: its errors are the library's.
func TestErrors(t *testing.T) {
	var c both
	zipped := zip(t, logOf(1000, 1), 6)
	change := func(at int) []byte {
		b := bytes.Clone(zipped)
		b[at] ^= 1
		return b
	}
	for name, tt := range map[string]struct {
		zipped []byte
		want   error
	}{
		"no gzip":          {change(0), gzip.ErrHeader},
		"another method":   {change(2), gzip.ErrHeader},
		"a wrong sum":      {change(len(zipped) - 8), gzip.ErrChecksum},
		"a wrong size":     {change(len(zipped) - 1), gzip.ErrChecksum},
		"cut off":          {zipped[:len(zipped)-9], io.ErrUnexpectedEOF},
		"without its sum":  {zipped[:len(zipped)-8], io.ErrUnexpectedEOF},
		"in its header":    {zipped[:5], io.ErrUnexpectedEOF},
		"its first alone":  {zipped[:1], io.ErrUnexpectedEOF},
		"a wrong block":    {slices.Concat(zipped[:10], []byte{7}), flate.CorruptInputError(11)},
		"a wrong length":   {slices.Concat(zipped[:10], []byte{1, 1, 0, 0, 0}), flate.CorruptInputError(11)},
		"a match too far":  {slices.Concat(zipped[:10], []byte{0x03, 0x02, 0x00, 0, 0, 0, 0, 0}), flate.CorruptInputError(11)},
		"the source fails": {nil, iotest.ErrTimeout},
	} {
		src := io.Reader(bytes.NewReader(tt.zipped))
		if errors.Is(tt.want, iotest.ErrTimeout) {
			src = io.MultiReader(bytes.NewReader(zipped[:50]), iotest.ErrReader(iotest.ErrTimeout))
		}
		_, err := c.read(src, 100)
		if _, corrupt := errors.AsType[flate.CorruptInputError](tt.want); corrupt {
			if at, ok := errors.AsType[flate.CorruptInputError](err); !ok || at < 10 || int(at) > len(tt.zipped) {
				t.Errorf("%s: %v, want %v", name, err, tt.want)
			}
			continue
		}
		if !errors.Is(err, tt.want) {
			t.Errorf("%s: %v, want %v", name, err, tt.want)
		}
	}
	if _, err := gunzip.NewReader(bytes.NewReader(nil)); !errors.Is(err, io.EOF) {
		t.Errorf("nothing: %v", err)
	}
	silent := io.MultiReader(bytes.NewReader(zipped[:50]), never{})
	if _, err := c.read(silent, 100); !errors.Is(err, io.ErrNoProgress) {
		t.Errorf("a source that returns nothing: %v", err)
	}
}

// never returns nothing, and no error.
type never struct{}

func (never) Read([]byte) (int, error) { return 0, nil }

// TestReset: a Reader goes on after any other file.
func TestReset(t *testing.T) {
	a, b := logOf(100<<10, 1), logOf(50<<10, 2)
	z, err := gunzip.NewReader(bytes.NewReader(zip(t, a, 6)))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := io.ReadFull(z, make([]byte, 40<<10)); err != nil { // and not the rest
		t.Fatal(err)
	}
	if err := z.Reset(strings.NewReader("no gzip at all")); !errors.Is(err, gzip.ErrHeader) {
		t.Errorf("no gzip: %v", err)
	}
	if n, err := z.Read(make([]byte, 10)); n != 0 || !errors.Is(err, gzip.ErrHeader) {
		t.Errorf("no gzip: %d, %v", n, err)
	}
	if err := z.Reset(bytes.NewReader(zip(t, b, 6))); err != nil {
		t.Fatal(err)
	}
	if got, err := io.ReadAll(z); err != nil || !bytes.Equal(got, b) {
		t.Errorf("%d bytes, %v", len(got), err)
	}
}

// TestReadsBeforeItWaits: what is complete is returned before more of a pipe is read.
func TestReadsBeforeItWaits(t *testing.T) {
	var all bytes.Buffer
	w := gzip.NewWriter(&all)
	var ends []int
	for i := range 3 {
		_, err := w.Write(logOf(1000+i, uint64(i)))
		if err = errors.Join(err, w.Flush()); err != nil {
			t.Fatal(err)
		}
		ends = append(ends, all.Len())
	}
	given := 0
	total, want := 0, 0
	z, err := gunzip.NewReader(readerFunc(func(p []byte) (int, error) {
		if total != want {
			t.Errorf("after %d parts it waits, and returned %d bytes of %d", given, total, want)
		}
		if given == len(ends) {
			return 0, io.EOF
		}
		start := 0
		if given > 0 {
			start = ends[given-1]
		}
		n := copy(p, all.Bytes()[start:ends[given]])
		want += 1000 + given
		given++
		if given == 1 { // the header is read first
			total, want = 0, 1000
		}
		return n, nil
	}))
	if err != nil {
		t.Fatal(err)
	}
	p := make([]byte, 300)
	for {
		n, err := z.Read(p)
		total += n
		if err != nil {
			if !errors.Is(err, io.ErrUnexpectedEOF) || total != 3003 {
				t.Errorf("%d bytes, %v", total, err)
			}
			return
		}
	}
}

type readerFunc func(p []byte) (int, error)

func (f readerFunc) Read(p []byte) (int, error) { return f(p) }

// TestAnyFile compares with compress/gzip over whatever content, in whatever pieces.
func TestAnyFile(t *testing.T) {
	t.Parallel()
	var c both
	testenv.Check(t, 200, func(rt *rapid.T) {
		var z bytes.Buffer
		for range rapid.IntRange(1, 3).Draw(rt, "members") {
			w, err := gzip.NewWriterLevel(&z, rapid.IntRange(gzip.HuffmanOnly, gzip.BestCompression).Draw(rt, "level"))
			if err != nil {
				rt.Fatal(err)
			}
			for range rapid.IntRange(0, 4).Draw(rt, "parts") {
				n, seed := rapid.SampledFrom([]int{0, 1, 2, 100, 3000, 32768, 33000, 70000}).Draw(rt, "bytes"), rapid.Uint64Range(0, 3).Draw(rt, "seed")
				of := rapid.SampledFrom([]func(int, uint64) []byte{logOf, noise, func(n int, seed uint64) []byte {
					return bytes.Repeat(noise(int(seed)*4+1, seed), n/(int(seed)*4+1))
				}}).Draw(rt, "content")
				_, err := w.Write(of(n, seed))
				if rapid.Bool().Draw(rt, "flush") {
					err = errors.Join(err, w.Flush())
				}
				if err != nil {
					rt.Fatal(err)
				}
			}
			if err := w.Close(); err != nil {
				rt.Fatal(err)
			}
		}
		zipped := z.Bytes()
		if rapid.Bool().Draw(rt, "broken") {
			at := rapid.IntRange(0, 8*len(zipped)-1).Draw(rt, "bit")
			zipped[at/8] ^= 1 << (at % 8)
		}
		sizes := rapid.SliceOfN(rapid.SampledFrom([]int{1, 2, 7, 15, 16, 17, 255, 65536}), 1, 5).Draw(rt, "pieces")
		next := 0
		src := bytes.NewReader(zipped)
		pieces := readerFunc(func(p []byte) (int, error) {
			n := min(len(p), sizes[next%len(sizes)])
			next++
			return src.Read(p[:n])
		})
		if diff := c.differ(zipped, pieces, rapid.SampledFrom([]int{3, 1000, 65536}).Draw(rt, "read")); diff != "" {
			rt.Error(diff)
		}
	})
}

// FuzzGunzip compares with compress/gzip over any bytes behind a right header.
func FuzzGunzip(f *testing.F) {
	for level := gzip.HuffmanOnly; level <= gzip.BestCompression; level++ {
		f.Add(zip(f, slices.Concat(logOf(2000, 1), noise(100, 1), logOf(500, 1)), level)[10:])
	}
	f.Add([]byte{0x05, 0x00}) // codes that are cut off
	header := zip(f, nil, 6)[:10]
	var c both // a worker runs one input at a time
	f.Fuzz(func(t *testing.T, body []byte) {
		zipped := slices.Concat(header, body)
		if diff := c.differ(zipped, bytes.NewReader(zipped), 4096); diff != "" {
			t.Error(diff)
		}
		if diff := c.differ(zipped, iotest.OneByteReader(bytes.NewReader(zipped)), 4096); diff != "" {
			t.Error("byte by byte: " + diff)
		}
	})
}
