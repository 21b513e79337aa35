package replay

import (
	"archive/tar"
	"archive/zip"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path"
	"strings"

	"rootguard/internal/cloudtrail"
)

const (
	// maxArchives is how deep archives may be inside one another.
	maxArchives = 3
	// maxMembers is how many files an archive may have.
	maxMembers = 1_000_000
	// An archive may unpack to roomy bytes and to maxRatio times its size.
	roomy    = 256 << 20
	maxRatio = 200
	// maxInMemory is how many bytes a zip archive may have that is not a file of
	// its own: it is read from its end.
	maxInMemory = 128 << 20
)

var errTooMuch = fmt.Errorf("the archive unpacks to far more than its size: more than %d times, or %d files", maxRatio, maxMembers)

// readArchive reads the logs in an archive, of which the worker's log has read
// the start. Of each it is known as archive!member.
func (w *worker) readArchive(ctx context.Context, archive string, kind error, depth int) {
	rest := w.log.Rest()
	w.counted = cloudtrail.Stats{} // the members count, not what they are packed in
	if depth == maxArchives {
		w.add(cloudtrail.Entry{Index: -1, Err: fmt.Errorf("archives are inside one another more than %d times; unpack it", maxArchives),
			Lost: true})
		return
	}
	// A worker's log reads the members, so that the archive needs one of its own.
	outer := w.log
	w.log = w.pool.newLog()
	defer func() { w.log = outer }()
	before := w.members
	defer func() {
		if w.members == before {
			w.passOver() // nothing in it is a log
		}
	}()
	var err error
	if errors.Is(kind, cloudtrail.ErrTar) {
		err = w.readTar(ctx, archive, rest, depth)
	} else {
		err = w.readZip(ctx, archive, rest, depth)
	}
	if !w.flush(ctx) {
		return
	}
	w.path = archive
	if err != nil {
		w.add(cloudtrail.Entry{Index: -1, Err: err, Lost: true})
	}
}

// readTar reads the members of a tar archive.
func (w *worker) readTar(ctx context.Context, archive string, src io.Reader, depth int) error {
	members := tar.NewReader(src)
	for n := 0; ctx.Err() == nil; n++ {
		header, err := members.Next()
		switch {
		case errors.Is(err, io.EOF):
			return nil
		case err != nil:
			return fmt.Errorf("reading tar archive after %d files: %w", n, err)
		case n == maxMembers:
			return errTooMuch
		case header.Typeflag != tar.TypeReg:
			continue
		}
		w.readMember(ctx, archive, header.Name, members, depth)
	}
	return nil
}

// readZip reads the members of a zip archive.
func (w *worker) readZip(ctx context.Context, archive string, src io.Reader, depth int) error {
	at, size, closing, err := w.seekable(archive, src)
	if err != nil {
		return err
	}
	defer closing()
	members, err := zip.NewReader(at, size)
	if err != nil {
		return fmt.Errorf("reading zip archive: %w", err)
	}
	if len(members.File) > maxMembers {
		return errTooMuch
	}
	left := int64(roomy) + maxRatio*size
	for _, f := range members.File {
		if f.Name == "[Content_Types].xml" {
			w.add(cloudtrail.Entry{Index: -1, Err: &cloudtrail.NotRead{Form: "an Office document, such as an Excel workbook",
				Fix: "export the records as JSON, or CSV with the record in one column"}, Note: true})
			return nil
		}
	}
	for _, f := range members.File {
		if ctx.Err() != nil || !f.Mode().IsRegular() {
			continue
		}
		unpacked, err := f.Open()
		if err != nil {
			w.memberFails(ctx, archive+"!"+f.Name, err)
			continue
		}
		in := &counter{src: unpacked, left: left}
		w.readMember(ctx, archive, f.Name, in, depth)
		_ = unpacked.Close()
		if left = in.left; left < 0 {
			return errTooMuch
		}
	}
	return nil
}

// seekable is a zip archive as zip reads it: the file itself, or what came of it
// in memory.
func (w *worker) seekable(archive string, src io.Reader) (io.ReaderAt, int64, func(), error) {
	if archive == w.file.file.path && archive != Stdin {
		f, err := os.Open(archive) //nolint:gosec // it is a path that the user named
		if err != nil {
			return nil, 0, nil, cannotRead(err)
		}
		if info, err := f.Stat(); err == nil && info.Mode().IsRegular() {
			if start := make([]byte, 2); readAt(f, start) && string(start) == "PK" { // and not a compressed archive
				w.pool.bytes.Add(max(0, info.Size()-w.stored))
				return f, info.Size(), func() { _ = f.Close() }, nil
			}
		}
		_ = f.Close()
	}
	all, err := io.ReadAll(io.LimitReader(src, maxInMemory+1))
	switch {
	case err != nil:
		return nil, 0, nil, fmt.Errorf("reading zip archive: %w", err)
	case len(all) > maxInMemory:
		return nil, 0, nil, fmt.Errorf("a zip archive of more than %d MiB is read only as a file of its own; unpack it", maxInMemory>>20)
	}
	return bytes.NewReader(all), int64(len(all)), func() {}, nil
}

func readAt(f *os.File, b []byte) bool {
	n, _ := f.ReadAt(b, 0)
	return n == len(b)
}

// readMember reads one file of an archive, unless its name says that it is no log.
func (w *worker) readMember(ctx context.Context, archive, name string, src io.Reader, depth int) {
	base := path.Base(name)
	if strings.HasPrefix(base, ".") || strings.HasPrefix(name, "__MACOSX/") || !isLog(base) || otherService(name) != "" {
		w.pool.counts.Lock()
		defer w.pool.counts.Unlock()
		w.pool.counts.skipped++
		return
	}
	w.members++
	// Members are compressed themselves, mostly, so that a bomb may be in one.
	left := int64(roomy) + maxRatio*max(w.file.file.size, w.stored) - w.unpacked
	w.log.Limit(max(left, 1))
	w.readLog(ctx, archive+"!"+name, src, depth+1)
	w.unpacked += w.log.Stats().Bytes
}

func (w *worker) memberFails(ctx context.Context, path string, err error) {
	if w.flush(ctx) {
		w.path = path
		w.add(cloudtrail.Entry{Index: -1, Err: fmt.Errorf("cannot be read: %w", err), Lost: true})
	}
}

// counter counts down what may still come of an archive's members.
type counter struct {
	src  io.Reader
	left int64
}

func (c *counter) Read(b []byte) (int, error) {
	n, err := c.src.Read(b)
	if c.left -= int64(n); c.left < 0 && c.left+int64(n) > 0 {
		return n, errTooMuch
	}
	return n, err //nolint:wrapcheck // io.EOF must stay what it is
}

func isArchive(err error) bool {
	return errors.Is(err, cloudtrail.ErrTar) || errors.Is(err, cloudtrail.ErrZip)
}
