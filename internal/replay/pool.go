package replay

import (
	"context"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"sync"
	"sync/atomic"

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
	batches chan []cloudtrail.Entry
}

// pool is the workers that read files.
type pool struct {
	opt   *Options
	order chan *reading // every file, in order
	jobs  chan *reading // the same
	all   sync.WaitGroup

	bytes, jsonBytes, records, lost, other atomic.Int64
}

// start starts reading the files. It stops early where ctx ends. The order must
// be read to its end or ctx be ended before wait is called.
func start(ctx context.Context, opt *Options, files []file) *pool {
	ahead := opt.Workers * aheadPerWorker
	p := &pool{opt: opt, order: make(chan *reading, ahead), jobs: make(chan *reading, ahead)}
	p.all.Go(func() {
		defer close(p.order)
		defer close(p.jobs)
		for _, f := range files {
			r := &reading{file: f, batches: make(chan []cloudtrail.Entry, batchesAhead)}
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
			w := worker{pool: p, log: cloudtrail.NewReader(nil, opt.Filter)}
			for r := range p.jobs {
				w.read(ctx, r)
			}
		})
	}
	return p
}

// wait waits for the workers to end.
func (p *pool) wait() { p.all.Wait() }

// worker reads one file after the other.
type worker struct {
	pool    *pool
	log     *cloudtrail.Reader
	counted cloudtrail.Stats // what the pool knows of the log's counts
	batch   []cloudtrail.Entry
	size    int // of the batch, in bytes
}

// read reads one file.
func (w *worker) read(ctx context.Context, r *reading) {
	defer close(r.batches)
	src := w.pool.opt.Stdin
	if r.file.path != Stdin {
		f, err := os.Open(r.file.path)
		if err != nil {
			w.add(cloudtrail.Entry{Index: -1, Err: cannotRead(err), Lost: true})
			w.flush(ctx, r)
			return
		}
		defer func() { _ = f.Close() }()
		src = f
	} else if src == nil {
		src = strings.NewReader("")
	}
	w.counted = cloudtrail.Stats{}
	w.log.Reset(&source{ctx: ctx, src: src, worker: w, file: r})
	for ctx.Err() == nil {
		entry, err := w.log.Next()
		if err != nil { // io.EOF, the only one there is
			break
		}
		if entry.Record != nil && !w.pool.opt.within(entry.Record) {
			entry.Record = nil
			if entry.Err == nil && len(entry.Defects) == 0 {
				continue
			}
		}
		w.add(entry)
		if (len(w.batch) >= batchEntries || w.size >= batchBytes) && !w.flush(ctx, r) {
			return
		}
	}
	w.count()
	w.flush(ctx, r)
}

func (w *worker) add(entry cloudtrail.Entry) {
	w.batch = append(w.batch, entry)
	w.size += len(entry.EventID)
	if entry.Record != nil {
		w.size += len(entry.Record.Raw)
	}
}

// flush hands the batch to the sequencer; false where ctx ended first.
func (w *worker) flush(ctx context.Context, r *reading) bool {
	if len(w.batch) == 0 {
		return ctx.Err() == nil
	}
	batch := w.batch
	w.batch, w.size = nil, 0
	select {
	case r.batches <- batch:
		return true
	case <-ctx.Done():
		return false
	}
}

// count adds to the pool's counts what is new in the log's.
func (w *worker) count() {
	now := w.log.Stats()
	w.pool.jsonBytes.Add(now.Bytes - w.counted.Bytes)
	w.pool.records.Add(now.Records - w.counted.Records)
	w.pool.lost.Add(now.Malformed - w.counted.Malformed)
	w.pool.other.Add(now.Other - w.counted.Other)
	w.counted = now
}

// source is a file's bytes. It counts them as they are read, and ends with ctx.
type source struct {
	ctx    context.Context
	src    io.Reader
	worker *worker
	file   *reading
}

func (s *source) Read(b []byte) (int, error) {
	live := s.file.file.size == 0 // a pipe: what is found so far goes out before the read may wait
	if live && !s.worker.flush(s.ctx, s.file) || s.ctx.Err() != nil {
		return 0, fmt.Errorf("reading log: %w", s.ctx.Err())
	}
	n, err := s.src.Read(b)
	s.worker.pool.bytes.Add(int64(n))
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
