package replay

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"rootguard/internal/cloudtrail"
)

const (
	// aheadPerWorker is how many files a worker may be ahead of the sequencer.
	aheadPerWorker = 4
	// A batch goes to the sequencer when it has this many entries or bytes.
	batchEntries = 256
	batchBytes   = 256 << 10
	// batchesAhead is how many batches of a file may wait for the sequencer. A
	// worker with one more to send waits for all earlier files to end.
	batchesAhead = 4
)

// reading is a file being read. Its batches are closed at its end.
type reading struct {
	file    file
	batches chan batch
}

// batch is what was read, in order, of the file or of a member of that archive.
type batch struct {
	path    string
	entries []cloudtrail.Entry
}

// pool is the workers that read files.
type pool struct {
	opt   *Options
	order chan *reading // every file, in order
	jobs  chan *reading // the same
	all   sync.WaitGroup

	bytes, jsonBytes, records atomic.Int64
	counts                    counts
}

// counts are of the files that were read to their ends.
type counts struct {
	sync.Mutex

	stats       cloudtrail.Stats
	first, last time.Time
	regions     map[string]map[string]bool // by account
	passedOver  int                        // logs that are known to be something else, by their content
	skipped     int                        // members of archives that are, by their names
}

// farAhead is how far after now a record can be, by a clock that is not right.
const farAhead = 24 * time.Hour

// start starts reading the files. It stops early where ctx ends. The order must
// be read to its end or ctx be ended before wait is called.
func start(ctx context.Context, opt *Options, files []file) *pool {
	ahead := opt.Workers * aheadPerWorker
	p := &pool{opt: opt, order: make(chan *reading, ahead), jobs: make(chan *reading, ahead)}
	p.all.Go(func() {
		defer close(p.order)
		defer close(p.jobs)
		for _, f := range files {
			r := &reading{file: f, batches: make(chan batch, batchesAhead)}
			for _, queue := range []chan *reading{p.order, p.jobs} {
				select {
				case queue <- r:
				case <-ctx.Done():
					return
				}
			}
		}
	})
	for range min(opt.Workers, len(files)) {
		p.all.Go(func() {
			w := worker{pool: p, log: p.newLog()}
			for r := range p.jobs {
				w.read(ctx, r)
			}
		})
	}
	return p
}

// newLog is a reader of logs, one after the other.
func (p *pool) newLog() *cloudtrail.Reader {
	log := cloudtrail.NewReader(nil, p.opt.Filter)
	log.NoneAfter(p.opt.Now().Add(farAhead))
	return log
}

// wait waits for the workers to end.
func (p *pool) wait() { p.all.Wait() }

// worker reads one file after the other.
type worker struct {
	pool    *pool
	log     *cloudtrail.Reader
	counted cloudtrail.Stats // what the pool knows of the log's counts
	file    *reading
	path    string // of the batch
	batch   []cloudtrail.Entry
	size    int  // of the batch, in bytes
	noted   bool // something in the log is no record
	unread  bool // and may hold records all the same

	stored   int64 // bytes that were read of the file
	members  int   // of archives that were read
	unpacked int64 // bytes that came of its members, where it is an archive
}

// read reads one file.
func (w *worker) read(ctx context.Context, r *reading) {
	defer close(r.batches)
	w.file, w.path = r, r.file.path
	w.stored, w.unpacked = 0, 0
	src := w.pool.opt.Stdin
	if r.file.path != Stdin {
		f, err := os.Open(r.file.path)
		if err != nil {
			w.add(cloudtrail.Entry{Index: -1, Err: cannotRead(err), Lost: true})
			w.flush(ctx)
			return
		}
		defer func() { _ = f.Close() }()
		src = f
	} else if src == nil {
		src = strings.NewReader("")
	}
	w.readLog(ctx, w.path, &source{ctx: ctx, src: src, worker: w}, 0)
	w.flush(ctx)
}

// readLog reads a log, or the logs in it where it is an archive, itself inside
// depth others.
func (w *worker) readLog(ctx context.Context, path string, src io.Reader, depth int) {
	if w.path != path && !w.flush(ctx) {
		return
	}
	w.path = path
	w.counted, w.noted, w.unread = cloudtrail.Stats{}, false, false
	w.log.Reset(src)
	for ctx.Err() == nil {
		entry, err := w.log.Next()
		if err != nil { // io.EOF, the only one there is
			break
		}
		if isArchive(entry.Err) {
			w.readArchive(ctx, path, entry.Err, depth)
			return
		}
		if stats := w.log.Stats(); w.file.file.try && depth == 0 && entry.Lost && !isArchive(entry.Err) &&
			stats.Passed+stats.Held+stats.Other == 0 {
			w.add(cloudtrail.Entry{Index: -1, Err: errNoLog, Note: true})
			w.passOver()
			return
		}
		if of, ok := errors.AsType[*cloudtrail.NotRead](entry.Err); ok {
			w.noted, w.unread = true, w.unread || of.HoldsRecords()
		}
		if entry.Record != nil && !w.pool.opt.within(entry.Record) {
			entry.Record = nil
			if entry.Err == nil && len(entry.Defects) == 0 {
				continue
			}
		}
		w.add(entry)
		if (len(w.batch) >= batchEntries || w.size >= batchBytes) && !w.flush(ctx) {
			return
		}
	}
	w.finish()
}

func (w *worker) add(entry cloudtrail.Entry) {
	w.batch = append(w.batch, entry)
	w.size += len(entry.EventID)
	if entry.Record != nil {
		w.size += len(entry.Record.Raw)
	}
}

// flush hands the batch to the sequencer; false where ctx ended first.
func (w *worker) flush(ctx context.Context) bool {
	if len(w.batch) == 0 {
		return ctx.Err() == nil
	}
	b := batch{w.path, w.batch}
	w.batch, w.size = nil, 0
	select {
	case w.file.batches <- b:
		return true
	case <-ctx.Done():
		return false
	}
}

// count adds to the pool's counts of progress what is new in the log's.
func (w *worker) count() {
	now := w.log.Stats()
	w.pool.jsonBytes.Add(now.Bytes - w.counted.Bytes)
	w.pool.records.Add(now.Records - w.counted.Records)
	w.counted = now
}

// errNoLog is of a file in a folder that has neither a log's name nor records.
var errNoLog = &cloudtrail.NotRead{Form: "a file without a record at its start"}

// passOver ends a log that is none: what it was taken for does not count.
func (w *worker) passOver() {
	w.pool.records.Add(-w.counted.Records)
	c := &w.pool.counts
	c.Lock()
	defer c.Unlock()
	c.passedOver++
}

// finish adds to the pool's counts those of the log, which has ended.
func (w *worker) finish() {
	w.count()
	first, last, future, ahead := w.log.Span()
	if future > 0 {
		w.add(cloudtrail.Entry{Index: -1,
			Err: fmt.Errorf("records dated later than now: %d, the first %s; they do not count as the end of the logs", future,
				ahead.Format(time.RFC3339))})
	}
	c := &w.pool.counts
	c.Lock()
	defer c.Unlock()
	c.stats.Add(w.counted)
	if w.noted && w.counted.Records == 0 && (w.unread || w.counted.Other == 0) {
		c.passedOver++
	}
	if !first.IsZero() && (c.first.IsZero() || first.Before(c.first)) {
		c.first = first
	}
	if last.After(c.last) {
		c.last = last
	}
	if c.regions == nil {
		c.regions = map[string]map[string]bool{}
	}
	for account, regions := range w.log.Regions() {
		of := c.regions[account]
		if of == nil {
			of = map[string]bool{}
			c.regions[account] = of
		}
		for _, region := range regions {
			of[region] = true
		}
	}
}

// source is a file's bytes. It counts them as they are read, and ends with ctx.
type source struct {
	ctx    context.Context
	src    io.Reader
	worker *worker
}

func (s *source) Read(b []byte) (int, error) {
	live := s.worker.file.file.size == 0 // a pipe: what is found so far goes out before the read may wait
	if live && !s.worker.flush(s.ctx) || s.ctx.Err() != nil {
		return 0, fmt.Errorf("reading log: %w", s.ctx.Err())
	}
	n, err := s.src.Read(b)
	s.worker.pool.bytes.Add(int64(n))
	s.worker.stored += int64(n)
	s.worker.count()
	return n, err //nolint:wrapcheck // io.EOF must stay what it is
}

// within reports whether the record lies within Since, Until and Accounts.
func (opt *Options) within(rec *cloudtrail.Record) bool {
	if t := rec.EventTime; !t.IsZero() {
		if !opt.Since.IsZero() && t.Before(opt.Since) || !opt.Until.IsZero() && !t.Before(opt.Until) {
			return false
		}
	}
	account := rec.Account()
	return len(opt.Accounts) == 0 || account == "" || slices.Contains(opt.Accounts, account)
}
