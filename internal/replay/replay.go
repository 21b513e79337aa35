// Package replay drives a handler over CloudTrail log files: it finds them,
// decompresses and scans them in parallel, and hands over the records that pass
// a filter one at a time, in an order that does not depend on the machine.
package replay

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"runtime"
	"slices"
	"strings"
	"time"

	"rootguard/internal/cloudtrail"
)

// Options say what to replay and how. Only Paths is required.
type Options struct {
	Paths   []string  // files of any name, folders of log files, or "-" for Stdin
	Stdin   io.Reader // what "-" reads
	Workers int       // files scanned at the same time; 0: GOMAXPROCS

	Filter cloudtrail.Filter // which records are decoded and handled; nil: all

	// Since and Until bound eventTime (Until exclusive), Accounts the record's
	// account. Zero and empty are no limit. They apply to decoded candidates; a
	// record that does not report its time or account is within them.
	Since, Until time.Time
	Accounts     []string

	Progress func(Progress)   // at most every 100 ms, and once at the end; never concurrently
	Problem  func(Problem)    // as found; never concurrently with itself, Progress or handle
	Note     func(Note)       // the same, of what is skipped
	Now      func() time.Time // the clock that Progress goes by; nil: time.Now
}

// Problem is something in the logs that was not as it should be.
type Problem struct {
	File    string `json:"file"`
	Index   int    `json:"index"` // the record's index in its file; -1: the file itself
	EventID string `json:"event_id,omitempty"`
	Reason  string `json:"reason"`
	Lost    bool   `json:"lost"` // false: the record was still used
}

// Note says of a file or folder that it is something else than CloudTrail
// records, and was skipped.
type Note struct {
	File   string
	Reason string
	Files  int  // how many files it is about
	Unread bool // records may be in it all the same
}

// Progress is how far a replay has come.
type Progress struct {
	Files      int   `json:"files"`
	FilesTotal int   `json:"files_total"`
	Bytes      int64 `json:"bytes"`       // as stored, so compressed where the files are
	BytesTotal int64 `json:"bytes_total"` // without standard input
	JSONBytes  int64 `json:"json_bytes"`  // decompressed
	Records    int64 `json:"records"`     // those that could not be read included
	Candidates int64 `json:"candidates"`  // records that passed Filter, Since, Until and Accounts
	Problems   int64 `json:"problems"`
}

// Summary is what a replay came to.
type Summary struct {
	Progress
	SkippedFiles int   `json:"skipped_files"` // of other kinds: digests, Insights, other services' logs, and what has no log's extension
	UnreadFiles  int   `json:"unread_files"`  // of SkippedFiles, those that may have records in a form that is not read
	LostRecords  int64 `json:"lost_records"`  // could not be read
	// control messages, EventBridge events that are not CloudTrail's, and what else is known to be no record
	Other int64 `json:"other"`

	// Of Records, those of other categories than Management. The last three are no
	// calls and are not judged.
	Data            int64 `json:"data_events"`
	NetworkActivity int64 `json:"network_activity_events"`
	Insights        int64 `json:"insights_events"`
	Aggregated      int64 `json:"aggregated_events"`

	// eventTime of the earliest and latest record, relevant or not, within Since
	// and Until.
	First time.Time `json:"first,omitzero"`
	Last  time.Time `json:"last,omitzero"`

	// Accounts are those that the logs are of, also without a candidate.
	Accounts []string `json:"-"`

	// Regions are those of the records of each account, relevant or not, and also
	// outside of Since and Until. An account of which no record names one has none.
	Regions map[string][]string `json:"-"`

	passedOver int // of Files, those that are no logs by their content
}

// NoLogs reports whether not one file was a log, whatever was in it.
func (s *Summary) NoLogs() bool { return s.FilesTotal <= s.passedOver }

// Place is where a record is.
type Place struct {
	File  string
	Index int // in the file, from 0
}

// progressEvery is the least time between two calls of Options.Progress.
const progressEvery = 100 * time.Millisecond

// Run hands every candidate in the files to handle, file by file in the order of
// their delivery times, and in the order of each file. It fails where ctx ends,
// where a path does not exist, and where handle fails; all else that is wrong
// with the logs is a Problem.
func Run(ctx context.Context, opt Options, handle func(ctx context.Context, rec *cloudtrail.Record, at Place) error) (Summary, error) {
	if opt.Workers <= 0 {
		opt.Workers = runtime.GOMAXPROCS(0)
	}
	if opt.Now == nil {
		opt.Now = time.Now
	}
	found, err := list(opt.Paths)
	if err != nil {
		return Summary{}, err
	}

	workCtx, stop := context.WithCancel(ctx)
	p := start(workCtx, &opt, found.files)
	s := sequencer{opt: &opt, pool: p, handle: handle}
	s.skipped = found.skipped
	s.sum.FilesTotal = len(found.files)
	for _, f := range found.files {
		s.sum.BytesTotal += f.size
	}
	for _, problem := range found.problems {
		s.problem(problem)
	}
	for _, note := range found.notes {
		s.note(note)
	}
	err = s.run(ctx)
	stop()
	if err == nil || !found.live {
		p.wait() // else nothing can interrupt a worker that waits for a pipe
	}
	s.count()
	p.counts.Lock()
	s.sum.Accounts = slices.Sorted(maps.Keys(p.counts.regions))
	s.sum.Regions = map[string][]string{}
	for account, regions := range p.counts.regions {
		s.sum.Regions[account] = slices.Sorted(maps.Keys(regions))
	}
	p.counts.Unlock()
	if opt.Progress != nil {
		opt.Progress(s.sum.Progress)
	}
	return s.sum, err
}

// sequencer is the one goroutine that calls what Options and Run name.
type sequencer struct {
	opt      *Options
	pool     *pool
	handle   func(ctx context.Context, rec *cloudtrail.Record, at Place) error
	sum      Summary
	reported time.Time // when Progress was last called

	skipped int // files, by their names
}

func (s *sequencer) run(ctx context.Context) error {
	var tick <-chan time.Time
	if s.opt.Progress != nil {
		ticker := time.NewTicker(progressEvery)
		defer ticker.Stop()
		tick = ticker.C
		s.reported = s.opt.Now()
	}
	for reading := range s.pool.order {
		for open := true; open; {
			select {
			case <-ctx.Done():
				return fmt.Errorf("replaying: %w", context.Cause(ctx))
			case <-tick:
			case batch, more := <-reading.batches:
				if open = more; !more {
					s.sum.Files++
				}
				for _, entry := range batch.entries {
					if err := s.entry(ctx, batch.path, entry); err != nil {
						return err
					}
				}
			}
			s.progress()
		}
	}
	if err := context.Cause(ctx); err != nil {
		return fmt.Errorf("replaying: %w", err)
	}
	return nil
}

// entry hands on one entry of a file.
func (s *sequencer) entry(ctx context.Context, path string, entry cloudtrail.Entry) error {
	if of, ok := errors.AsType[*cloudtrail.NotRead](entry.Err); ok && entry.Note {
		s.note(Note{File: path, Reason: of.Error(), Files: 1, Unread: of.HoldsRecords()})
		return nil
	}
	if entry.Err != nil || len(entry.Defects) > 0 {
		s.problem(Problem{File: path, Index: entry.Index, EventID: entry.EventID, Reason: reason(entry), Lost: entry.Lost})
	}
	rec := entry.Record
	if rec == nil {
		return nil
	}
	s.sum.Candidates++
	if err := s.handle(ctx, rec, Place{File: path, Index: entry.Index}); err != nil {
		return fmt.Errorf("handling record %d of %s: %w", entry.Index, path, err)
	}
	return nil
}

// reason is all that is wrong with an entry.
func reason(entry cloudtrail.Entry) string {
	var all []string
	for _, d := range entry.Defects {
		all = append(all, d.Field+": "+d.Reason)
	}
	if entry.Err != nil {
		all = append(all, entry.Err.Error())
	}
	return strings.Join(all, "; ")
}

func (s *sequencer) note(n Note) {
	if n.Unread {
		s.sum.UnreadFiles += n.Files
	}
	if s.opt.Note != nil {
		s.opt.Note(n)
	}
}

func (s *sequencer) problem(p Problem) {
	s.sum.Problems++
	if s.opt.Problem != nil {
		s.opt.Problem(p)
	}
}

// count takes over what the workers counted so far.
func (s *sequencer) count() {
	s.sum.Bytes = s.pool.bytes.Load()
	s.sum.JSONBytes = s.pool.jsonBytes.Load()
	s.sum.Records = s.pool.records.Load()

	c := &s.pool.counts
	c.Lock()
	defer c.Unlock()
	s.sum.SkippedFiles, s.sum.passedOver = s.skipped+c.passedOver+c.skipped, c.passedOver
	s.sum.LostRecords, s.sum.Other = c.stats.Malformed, c.stats.Other
	s.sum.Data, s.sum.NetworkActivity = c.stats.Data, c.stats.NetworkActivity
	s.sum.Insights, s.sum.Aggregated = c.stats.Insights, c.stats.Aggregated
	s.sum.First, s.sum.Last = c.first, c.last
	if since := s.opt.Since; !since.IsZero() && s.sum.First.Before(since) {
		s.sum.First = since
	}
	if until := s.opt.Until; !until.IsZero() && s.sum.Last.After(until) {
		s.sum.Last = until
	}
	if s.sum.Last.Before(s.sum.First) {
		s.sum.First, s.sum.Last = time.Time{}, time.Time{}
	}
}

func (s *sequencer) progress() {
	if s.opt.Progress == nil {
		return
	}
	if now := s.opt.Now(); now.Sub(s.reported) >= progressEvery {
		s.reported = now
		s.count()
		s.opt.Progress(s.sum.Progress)
	}
}
