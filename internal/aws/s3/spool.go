package s3

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"rootguard/internal/aws/sdkcall"

	sdk "github.com/aws/aws-sdk-go-v2/service/s3"
)

// GetObject is the operation of that name.
type GetObject = sdkcall.Call[sdk.GetObjectInput, sdk.GetObjectOutput, sdk.Options]

// API is what a copy needs of S3.
type API struct {
	List ListObjects
	Get  GetObject
}

// Of returns the API of a client.
func Of(client *sdk.Client) API { return API{client.ListObjectsV2, client.GetObject} }

// Spool is a folder that files are copied to. A file that is there whole is not
// copied again, so that an interrupted copy goes on where it was.
type Spool struct {
	dir    string
	source Source
}

// Open opens the spool of a source below a folder, and makes it where there is none.
func Open(dir string, source Source) (*Spool, error) {
	s := &Spool{dir: filepath.Join(dir, hash(source.String())), source: source}
	if err := os.MkdirAll(s.dir, 0o700); err != nil {
		return nil, fmt.Errorf("making the folder for %s: %w", source, err)
	}
	return s, nil
}

// Dir is the folder of the copies.
func (s *Spool) Dir() string { return s.dir }

// Remove removes the copies.
func (s *Spool) Remove() error {
	if err := os.RemoveAll(s.dir); err != nil {
		return fmt.Errorf("removing the copies of %s: %w", s.source, err)
	}
	return nil
}

// Name is the path in S3 of a copied file, and any other path as it is.
func (s *Spool) Name(file string) string {
	rel, ok := strings.CutPrefix(file, s.dir+string(filepath.Separator))
	if !ok {
		return file
	}
	return Scheme + s.source.Bucket + "/" + filepath.ToSlash(rel)
}

// Failure is a file that could not be copied.
type Failure struct {
	Key string
	Err error
}

// Progress is how far a copy is.
type Progress struct {
	Listing       // so far
	Copied  int64 // files, those there before included
}

// Options are for a copy.
type Options struct {
	Span    Span
	Workers int              // files copied at once; 0: 8
	Timeout time.Duration    // for one file; 0: 2 minutes
	Report  func(Progress)   // called now and then, by one goroutine at a time; may be nil
	Failed  func(f Failure)  // as above, for each file that could not be copied; may be nil
	Now     func() time.Time // for how often Report is called; nil: after each file
}

const (
	defaultWorkers = 8
	defaultTimeout = 2 * time.Minute
	reportEvery    = 200 * time.Millisecond
	// maxFailures in a row make it likely that the next would fail as well.
	maxFailures = 20
)

// ErrGaveUp is returned where file after file could not be copied.
var ErrGaveUp = errors.New("gave up")

// Fill copies the log files of the source. A file that cannot be copied is
// reported, and keeps back no other; Fill fails where the source cannot be listed,
// where ctx ends, and with ErrGaveUp. Memory does not grow with the number of files.
func (s *Spool) Fill(ctx context.Context, api API, opt Options) (Progress, error) {
	if opt.Workers <= 0 {
		opt.Workers = defaultWorkers
	}
	if opt.Timeout <= 0 {
		opt.Timeout = defaultTimeout
	}
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	f := &filling{spool: s, opt: &opt, stop: cancel}
	objects := make(chan Object)
	var wg sync.WaitGroup
	for range opt.Workers {
		wg.Go(func() {
			for o := range objects {
				f.copied(o, s.copy(ctx, api.Get, o, opt.Timeout))
			}
		})
	}
	listing, err := List(ctx, api.List, s.source, opt.Span, func(o Object) error {
		f.listed(o)
		select {
		case objects <- o:
			return nil
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	})
	close(objects)
	wg.Wait()
	f.progress.Listing = listing
	if cause := context.Cause(ctx); cause != nil && err == nil {
		err = fmt.Errorf("copying %s: %w", s.source, cause)
	}
	return f.progress, err
}

// filling is one Fill.
type filling struct {
	spool *Spool
	opt   *Options
	stop  context.CancelCauseFunc

	mu       sync.Mutex
	progress Progress
	failures int // in a row
	reported time.Time
}

func (f *filling) listed(o Object) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.progress.Objects++
	f.progress.Bytes += o.Size
}

// copied notes what became of a file.
func (f *filling) copied(o Object, err error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if err != nil {
		if errors.Is(err, context.Canceled) {
			return // by Fill's caller, or by too many failures
		}
		if f.opt.Failed != nil {
			f.opt.Failed(Failure{Key: o.Key, Err: err})
		}
		if f.failures++; f.failures >= maxFailures {
			f.stop(fmt.Errorf("%w after %d files in a row that could not be copied, the last: %w", ErrGaveUp, f.failures, err))
		}
		return
	}
	f.failures = 0
	f.progress.Copied++
	if f.opt.Report == nil {
		return
	}
	if f.opt.Now != nil {
		now := f.opt.Now()
		if now.Sub(f.reported) < reportEvery {
			return
		}
		f.reported = now
	}
	f.opt.Report(f.progress)
}

// copy copies one file, unless it is there. It has the file's name only when it is
// whole.
func (s *Spool) copy(ctx context.Context, get GetObject, o Object, timeout time.Duration) error {
	target := s.path(o.Key)
	if info, err := os.Stat(target); err == nil && info.Size() == o.Size {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	in := &sdk.GetObjectInput{Bucket: &s.source.Bucket, Key: &o.Key}
	if o.ETag != "" {
		in.IfMatch = &o.ETag // the size is of that content
	}
	out, err := get(ctx, in)
	if err != nil {
		return err
	}
	defer func() { _ = out.Body.Close() }()
	if err := os.MkdirAll(filepath.Dir(target), 0o700); err != nil {
		return err
	}
	part, err := os.CreateTemp(filepath.Dir(target), ".part-*") // hidden, so that no replay reads it
	if err != nil {
		return err
	}
	defer func() { _ = os.Remove(part.Name()) }() // where it was renamed there is none
	n, err := io.Copy(part, io.LimitReader(out.Body, o.Size+1))
	if closeErr := part.Close(); err == nil {
		err = closeErr
	}
	if err != nil {
		return err
	}
	if n != o.Size {
		return fmt.Errorf("S3 sent %d bytes of %d", n, o.Size)
	}
	return os.Rename(part.Name(), target)
}

// path is where the file of a key is copied to. A key is any text, and stays
// within the folder: a part that a file system could misread is replaced.
func (s *Spool) path(key string) string {
	parts := strings.Split(key, "/")
	for i, part := range parts {
		if !plain(part) {
			parts[i] = "key-" + hash(part) + extension(part)
		}
	}
	return filepath.Join(append([]string{s.dir}, parts...)...)
}

// plain reports whether part of a key can name a file everywhere.
func plain(part string) bool {
	if part == "" || len(part) > 200 || part[0] == '.' || strings.HasSuffix(part, ".") {
		return false
	}
	for i := range len(part) {
		switch c := part[i]; {
		case c >= 'a' && c <= 'z', c >= 'A' && c <= 'Z', c >= '0' && c <= '9', strings.IndexByte("-_.=+@", c) >= 0:
		default:
			return false
		}
	}
	return true
}

// extension is the name's ending where a replay goes by it.
func extension(part string) string {
	for _, ext := range []string{".json.gz", ".json", ".jsonl", ".ndjson", ".log", ".gz"} {
		if strings.HasSuffix(strings.ToLower(part), ext) {
			return ext
		}
	}
	return ""
}

func hash(text string) string {
	sum := sha256.Sum256([]byte(text))
	return hex.EncodeToString(sum[:8])
}
