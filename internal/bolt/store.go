package bolt

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime/debug"
	"strconv"
	"sync"
	"time"

	bbolt "go.etcd.io/bbolt"
	berrors "go.etcd.io/bbolt/errors"

	"rootguard/internal/accountcheck"
	"rootguard/internal/guard"
)

var (
	_ guard.Claims          = (*Store)(nil)
	_ guard.Facts           = (*Store)(nil)
	_ accountcheck.FactRows = (*Store)(nil)
)

// schema is the version of the layout that doc.go describes.
const schema = 2

// lockTimeout is how long opening waits for another process.
const lockTimeout = 2 * time.Second

// Why a file could not be opened as a store. ErrNotStore is also of a call that
// met a damaged page.
var (
	ErrLocked   = errors.New("another process has the store open")
	ErrNotStore = errors.New("not a rootguard store, or damaged")
	ErrNewer    = errors.New("the store was written by a newer version of rootguard")
)

var (
	metaBucket          = []byte("meta")
	claimsBucket        = []byte("claims")
	claimsByTimeBucket  = []byte("claims_by_time")
	claimsByEventBucket = []byte("claims_by_event")
	windowsBucket       = []byte("windows")
	windowsDueBucket    = []byte("windows_due")
	factsBucket         = []byte("facts")
	seriesBucket        = []byte("series")  // since schema 2
	batchesBucket       = []byte("batches") // since schema 2
	regionsBucket       = []byte("regions") // made when something is stored; none is no damage

	schemaKey = []byte("schema")
)

// Store is a guard.Claims and a guard.Facts in a file. It is safe for
// concurrent use by one process.
type Store struct {
	db *bbolt.DB

	mu    sync.Mutex
	batch *batch // nil: each write is a transaction of its own
}

// Open opens a store for reading and writing, and makes it, with its folders,
// where there is none. It fails with ErrLocked, ErrNotStore or ErrNewer.
func Open(path string) (*Store, error) {
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return nil, fmt.Errorf("creating the store's folder: %w", err)
	}
	return open(path, false)
}

// OpenReadOnly opens a store that exists. Any number of processes may read one
// while none writes. It fails as Open does, and with fs.ErrNotExist.
func OpenReadOnly(path string) (*Store, error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, fmt.Errorf("opening store: %w", err)
	}
	if info.Size() == 0 {
		return nil, fmt.Errorf("opening store %s, which is empty: %w", path, ErrNotStore)
	}
	return open(path, true)
}

func open(path string, readOnly bool) (s *Store, err error) {
	var db *bbolt.DB
	// See guarded.
	defer debug.SetPanicOnFault(debug.SetPanicOnFault(true))
	defer func() {
		if p := recover(); p != nil {
			s, err = nil, fmt.Errorf("opening store %s: %w: %v", path, ErrNotStore, p)
		}
		if err != nil && db != nil {
			err = errors.Join(err, db.Close())
		}
	}()

	db, err = bbolt.Open(path, 0o600, &bbolt.Options{Timeout: lockTimeout, ReadOnly: readOnly, FreelistType: bbolt.FreelistMapType})
	var pathError *fs.PathError
	switch {
	case err == nil:
	case errors.Is(err, berrors.ErrTimeout):
		return nil, fmt.Errorf("opening store %s: %w", path, ErrLocked)
	case errors.As(err, &pathError):
		return nil, fmt.Errorf("opening store: %w", err)
	default:
		return nil, fmt.Errorf("opening store %s: %w: %w", path, ErrNotStore, err)
	}

	if err := checkSize(db, path); err != nil {
		return nil, fmt.Errorf("opening store %s: %w", path, err)
	}
	version := 0
	if err := db.View(func(tx *bbolt.Tx) (err error) { version, err = check(tx); return err }); err != nil {
		return nil, fmt.Errorf("opening store %s: %w", path, err)
	}
	switch {
	case version == 0 && readOnly:
		return nil, fmt.Errorf("opening store %s: %w", path, ErrNotStore)
	case version == 0:
		if err := db.Update(create); err != nil {
			return nil, fmt.Errorf("creating store %s: %w", path, err)
		}
	case version < schema && !readOnly:
		if err := db.Update(upgrade); err != nil {
			return nil, fmt.Errorf("upgrading store %s: %w", path, err)
		}
	}
	return &Store{db: db}, nil
}

// checkSize compares the file's size with what its header says.
func checkSize(db *bbolt.DB, path string) error {
	info, err := os.Stat(path)
	if err != nil {
		return err
	}
	return db.View(func(tx *bbolt.Tx) error {
		if info.Size() < tx.Size() {
			return fmt.Errorf("%w: %d bytes are missing at its end", ErrNotStore, tx.Size()-info.Size())
		}
		return nil
	})
}

// check returns the schema of the store, 0 where the database is empty, and fails
// where it is not a store that this version can read.
func check(tx *bbolt.Tx) (version int, err error) {
	meta := tx.Bucket(metaBucket)
	if meta == nil {
		if name, _ := tx.Cursor().First(); name != nil {
			return 0, ErrNotStore
		}
		return 0, nil
	}
	version, err = strconv.Atoi(string(meta.Get(schemaKey)))
	switch {
	case err != nil || version < 1:
		return 0, fmt.Errorf("%w: its schema is %q", ErrNotStore, meta.Get(schemaKey))
	case version > schema:
		return 0, fmt.Errorf("%w: its schema is %d, and this one knows %d", ErrNewer, version, schema)
	}
	for _, name := range dataBuckets(version) {
		if tx.Bucket(name) == nil {
			return 0, fmt.Errorf("%w: it has no %s", ErrNotStore, name)
		}
	}
	return version, nil
}

// dataBuckets are those of a schema.
func dataBuckets(version int) [][]byte {
	all := [][]byte{claimsBucket, claimsByTimeBucket, claimsByEventBucket, windowsBucket, windowsDueBucket, factsBucket}
	if version > 1 {
		all = append(all, seriesBucket, batchesBucket)
	}
	return all
}

func create(tx *bbolt.Tx) error {
	for _, name := range dataBuckets(schema) {
		if _, err := tx.CreateBucket(name); err != nil {
			return fmt.Errorf("creating bucket %s: %w", name, err)
		}
	}
	meta, err := tx.CreateBucket(metaBucket)
	if err != nil {
		return fmt.Errorf("creating bucket %s: %w", metaBucket, err)
	}
	return meta.Put(schemaKey, []byte(strconv.Itoa(schema)))
}

// upgrade makes a store of schema 1 one of schema 2, whose windows are groups.
func upgrade(tx *bbolt.Tx) error {
	for _, name := range [][]byte{seriesBucket, batchesBucket} {
		if _, err := tx.CreateBucketIfNotExists(name); err != nil {
			return fmt.Errorf("creating bucket %s: %w", name, err)
		}
	}
	return tx.Bucket(metaBucket).Put(schemaKey, []byte(strconv.Itoa(schema)))
}

// Close commits an open batch and closes the file.
func (s *Store) Close() error {
	err := s.Commit()
	if closeErr := s.db.Close(); closeErr != nil {
		err = errors.Join(err, fmt.Errorf("closing store: %w", closeErr))
	}
	return err
}

// batch is a transaction that many writes share.
type batch struct {
	every  int
	before func() error

	tx     *bbolt.Tx // nil between a commit and the next call
	writes int       // in tx
	broken error     // what undid tx; the store takes no more calls
}

// Batch makes the writes from here on share transactions, each committed after
// a number of writes and by Commit and Close. A commit takes a few
// milliseconds, and an event three writes. A number near 1,000 is fastest:
// bbolt does not split a page before the commit, so that a larger one makes
// each write slower.
//
// Where the process dies, the writes since the last commit are lost, as if
// those records had never been handled: handling them again alerts again on
// what was already published. That is at most one extra alert for each of these
// events, and never a lost one, as long as what was published is out of this
// process's hands before a commit says it was. before is called ahead of every
// commit for that: it flushes the output. It may be nil, and must not use the
// store. An error of it, or of a commit, undoes the transaction, and every
// later call returns it.
func (s *Store) Batch(every int, before func() error) error {
	if err := s.Commit(); err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.batch = &batch{every: max(1, every), before: before}
	return nil
}

// Commit commits what a batch holds. Without a batch there is nothing to do.
func (s *Store) Commit() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.batch == nil {
		return nil
	}
	return s.batch.commit()
}

func (b *batch) commit() error {
	if b.broken != nil {
		return b.broken
	}
	if b.tx == nil {
		return nil
	}
	if b.writes > 0 && b.before != nil {
		if err := b.before(); err != nil {
			return b.fail(fmt.Errorf("flushing output before a commit: %w", err))
		}
	}
	tx := b.tx
	b.tx = nil
	if b.writes == 0 {
		return tx.Rollback()
	}
	b.writes = 0
	if err := guarded(tx.Commit); err != nil {
		_ = tx.Rollback() // frees the file's lock where a panic left it; else there is nothing to undo
		return b.fail(fmt.Errorf("committing: %w", err))
	}
	return nil
}

func (b *batch) fail(err error) error {
	b.broken = err
	if b.tx != nil {
		b.broken = errors.Join(err, b.tx.Rollback())
		b.tx = nil
	}
	return b.broken
}

// run runs do in the batch's transaction.
func (b *batch) run(db *bbolt.DB, write bool, do func(*bbolt.Tx) error) error {
	if b.broken != nil {
		return b.broken
	}
	if b.tx == nil {
		tx, err := db.Begin(true)
		if err != nil {
			return fmt.Errorf("beginning a transaction: %w", err)
		}
		b.tx = tx
	}
	if err := guarded(func() error { return do(b.tx) }); err != nil {
		if !write {
			return err
		}
		return b.fail(err) // it may have stored a part
	}
	if write {
		if b.writes++; b.writes >= b.every {
			return b.commit()
		}
	}
	return nil
}

func (s *Store) write(ctx context.Context, do func(*bbolt.Tx) error) error {
	return s.run(ctx, true, s.db.Update, do)
}

func (s *Store) read(ctx context.Context, do func(*bbolt.Tx) error) error {
	return s.run(ctx, false, s.db.View, do)
}

func (s *Store) run(ctx context.Context, write bool, alone func(func(*bbolt.Tx) error) error, do func(*bbolt.Tx) error) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	s.mu.Lock()
	if s.batch == nil {
		s.mu.Unlock()
		return guarded(func() error { return alone(do) })
	}
	defer s.mu.Unlock()
	return s.batch.run(s.db, write, do)
}

// guarded makes an ErrNotStore of a panic. bbolt reads pages from a memory map,
// so that a damaged one makes it panic, or fault where the file was cut off.
func guarded(do func() error) (err error) {
	defer debug.SetPanicOnFault(debug.SetPanicOnFault(true))
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("%w: %v", ErrNotStore, p)
		}
	}()
	return do()
}
