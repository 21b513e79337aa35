// Package replay drives a handler over CloudTrail log files: it finds them,
// decompresses and scans them in parallel, and hands over the records that pass
// a filter one at a time, in an order that does not depend on the machine.
package replay

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/klauspost/compress/gzip"

	"rootguard/internal/cloudtrail"
)

// Options say what to replay and how. Only Paths is required.
type Options struct {
	Paths   []string  // files, directory trees, or "-" for Stdin
	Stdin   io.Reader // what "-" reads
	Workers int       // files scanned at the same time; 0: GOMAXPROCS

	Filter cloudtrail.Filter // which records are decoded and handled; nil: all

	// Since and Until bound eventTime (Until exclusive), Accounts the record's
	// account. Zero and empty are no limit. They apply to decoded candidates.
	Since, Until time.Time
	Accounts     []string

	Progress func(Progress) // at most every 100 ms, and once at the end; never concurrently
	Problem  func(Problem)  // as found; never concurrently with itself, Progress or handle
	Now      func() time.Time
}

// Problem is something in the logs that was not as it should be.
type Problem struct {
	File    string `json:"file"`
	Index   int    `json:"index"` // the record's index in its file; -1: the file itself
	EventID string `json:"event_id,omitempty"`
	Reason  string `json:"reason"`
	Lost    bool   `json:"lost"` // false: the record was still used
}

// Progress is how far a replay has come.
type Progress struct {
	Files      int   `json:"files"`
	FilesTotal int   `json:"files_total"`
	Bytes      int64 `json:"bytes"` // as stored, so compressed where the files are
	BytesTotal int64 `json:"bytes_total"`
	JSONBytes  int64 `json:"json_bytes"` // decompressed
	Records    int64 `json:"records"`
	Candidates int64 `json:"candidates"` // records that passed Filter, Since, Until and Accounts
	Problems   int64 `json:"problems"`
}

// Summary is what a replay came to.
type Summary struct {
	Progress
	SkippedFiles int       `json:"skipped_files"` // digest and Insights files
	First        time.Time `json:"first,omitzero"`
	Last         time.Time `json:"last,omitzero"` // eventTime of the earliest and latest candidate
}

// Place is where a record stands.
type Place struct {
	File  string
	Index int // in the file, from 0
}

// Run hands every candidate in the files to handle, file by file. It fails
// where ctx ends, where a path does not exist, and where handle fails; all else
// that is wrong with the logs is a Problem.
func Run(ctx context.Context, opt Options, handle func(ctx context.Context, rec *cloudtrail.Record, at Place) error) (Summary, error) {
	var sum Summary
	for _, root := range opt.Paths {
		err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
			if err != nil || d.IsDir() {
				return err
			}
			return runFile(ctx, opt, path, &sum, handle)
		})
		if err != nil {
			return sum, fmt.Errorf("replaying %s: %w", root, err)
		}
	}
	return sum, nil
}

func runFile(ctx context.Context, opt Options, path string, sum *Summary, handle func(ctx context.Context, rec *cloudtrail.Record, at Place) error) error {
	f, err := os.Open(path) //nolint:gosec // the user names the files
	if err != nil {
		return fmt.Errorf("opening log file: %w", err)
	}
	defer func() { _ = f.Close() }()
	var in io.Reader = f
	if strings.HasSuffix(path, ".gz") {
		if in, err = gzip.NewReader(f); err != nil {
			return fmt.Errorf("reading gzip header: %w", err)
		}
	}
	var log struct{ Records []json.RawMessage }
	if err := json.NewDecoder(in).Decode(&log); err != nil {
		return fmt.Errorf("decoding log file: %w", err)
	}
	sum.Files++
	for i, raw := range log.Records {
		rec, _, err := cloudtrail.Decode(raw)
		if err != nil {
			return err
		}
		sum.Records++
		if opt.Filter != nil && !opt.Filter(cloudtrail.Header{EventSource: []byte(rec.EventSource), EventName: []byte(rec.EventName), IdentityType: []byte(rec.UserIdentity.Type)}) {
			continue
		}
		sum.Candidates++
		if err := handle(ctx, &rec, Place{File: path, Index: i}); err != nil {
			return fmt.Errorf("handling record %d of %s: %w", i, path, err)
		}
	}
	return nil
}
