package eventhistory

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

// Scope is what is to be downloaded.
type Scope struct {
	Account string        `json:"account"` // the caller's
	Span    time.Duration `json:"span"`
	Regions []string      `json:"regions"`
	Home    string        `json:"home"` // the Region of IAM's events
	Since   time.Time     `json:"since"`
	Until   time.Time     `json:"until"`
}

// same reports whether a download of o can go on as one of s: the times move on
// between two runs of the same command.
func (s *Scope) same(o *Scope) bool {
	return s.Account == o.Account && s.Span == o.Span && s.Home == o.Home && slices.Equal(s.Regions, o.Regions)
}

// Spool is a folder that downloaded events are kept in: a file for each day, as
// lines of JSON, and a cursor. Every page is noted in the cursor when its events
// are in their files, so that a page that was not is asked for again.
type Spool struct {
	dir    string
	cursor cursor
}

const cursorSchema = 1

type cursor struct {
	Schema int                 `json:"schema"`
	Scope  Scope               `json:"scope"`
	Sizes  map[string]int64    `json:"sizes"`  // by day: bytes that are noted
	Passes map[string]progress `json:"passes"` // by Region and question
	Events int                 `json:"events"`
}

type progress struct {
	Before time.Time `json:"before,omitzero"` // all events after it are noted
	Done   bool      `json:"done,omitempty"`
}

const (
	cursorName = "cursor.json"
	dayForm    = time.DateOnly
	extension  = ".jsonl"
	sortedDir  = "sorted"
	undated    = "0000-00-00" // the day of events without a time
)

// Open opens the spool in a folder, which is made where there is none. resumed
// says that an unfinished download of the same scope is there, whose times then
// hold. Any other is thrown away.
func Open(dir string, scope Scope) (s *Spool, resumed bool, err error) {
	if err := os.MkdirAll(filepath.Join(dir, sortedDir), 0o700); err != nil {
		return nil, false, fmt.Errorf("making the folder of the lookup: %w", err)
	}
	s = &Spool{dir: dir}
	raw, err := os.ReadFile(filepath.Join(dir, cursorName)) //nolint:gosec // the folder is the user's own
	switch {
	case errors.Is(err, fs.ErrNotExist):
	case err != nil:
		return nil, false, fmt.Errorf("reading the cursor of the lookup: %w", err)
	default:
		old := cursor{}
		if json.Unmarshal(raw, &old) == nil && old.Schema == cursorSchema && old.Scope.same(&scope) {
			s.cursor = old
			if ok, err := s.rewind(); ok || err != nil {
				return s, ok, err
			}
		}
	}
	if err := s.clear(); err != nil {
		return nil, false, err
	}
	s.cursor = cursor{Schema: cursorSchema, Scope: scope, Sizes: map[string]int64{}, Passes: map[string]progress{}}
	return s, false, s.save()
}

// rewind takes from the files what is not noted. ok is false where something
// that is noted is missing.
func (s *Spool) rewind() (ok bool, err error) {
	if s.cursor.Sizes == nil || s.cursor.Passes == nil {
		return false, nil
	}
	days, err := s.days(s.dir)
	if err != nil {
		return false, err
	}
	for day, size := range s.cursor.Sizes {
		info, err := os.Stat(s.path(day))
		if err != nil || info.Size() < size {
			return false, nil //nolint:nilerr // it is then downloaded again
		}
	}
	for _, day := range days {
		if err := os.Truncate(s.path(day), s.cursor.Sizes[day]); err != nil {
			return false, fmt.Errorf("going on with the lookup: %w", err)
		}
	}
	return true, nil
}

func (s *Spool) path(day string) string { return filepath.Join(s.dir, day+extension) }

// days are those that have a file in a folder, in order.
func (s *Spool) days(dir string) ([]string, error) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil, fmt.Errorf("reading the folder of the lookup: %w", err)
	}
	var days []string
	for _, e := range entries {
		day, ok := strings.CutSuffix(e.Name(), extension)
		if _, err := time.Parse(dayForm, day); ok && (err == nil || day == undated) {
			days = append(days, day)
		}
	}
	slices.Sort(days)
	return days, nil
}

// clear removes the files of the spool and nothing else.
func (s *Spool) clear() error {
	for _, dir := range []string{s.dir, filepath.Join(s.dir, sortedDir)} {
		days, err := s.days(dir)
		if err != nil {
			return err
		}
		for _, day := range days {
			if err := os.Remove(filepath.Join(dir, day+extension)); err != nil {
				return fmt.Errorf("clearing the folder of the lookup: %w", err)
			}
		}
	}
	return nil
}

// Remove removes the spool. The folder stays where something else is in it.
func (s *Spool) Remove() error {
	if err := s.clear(); err != nil {
		return err
	}
	if err := os.Remove(filepath.Join(s.dir, cursorName)); err != nil {
		return fmt.Errorf("clearing the folder of the lookup: %w", err)
	}
	_ = os.Remove(filepath.Join(s.dir, sortedDir))
	_ = os.Remove(s.dir)
	return nil
}

func (s *Spool) save() error {
	raw, err := json.Marshal(s.cursor)
	if err != nil {
		return fmt.Errorf("writing the cursor of the lookup: %w", err)
	}
	path := filepath.Join(s.dir, cursorName)
	if err := os.WriteFile(path+".new", raw, 0o600); err != nil {
		return fmt.Errorf("writing the cursor of the lookup: %w", err)
	}
	if err := os.Rename(path+".new", path); err != nil {
		return fmt.Errorf("writing the cursor of the lookup: %w", err)
	}
	return nil
}

// Scope is what the spool is for, with the times that hold.
func (s *Spool) Scope() Scope { return s.cursor.Scope }

// Asker answers questions, as Client does.
type Asker interface {
	Page(ctx context.Context, q Question, since, until time.Time, token string) (Page, error)
}

// Progress is how far a download has come.
type Progress struct {
	Region    string
	Question  Question
	Questions int // answered, of all Regions
	Total     int
	Events    int
	Reached   time.Time // of this question: events after it are there
}

// Fill downloads what is not yet there, Region by Region. report is called after
// each page.
func (s *Spool) Fill(ctx context.Context, regions map[string]Asker, report func(Progress)) error {
	type pass struct {
		region string
		q      Question
	}
	var passes []pass
	for _, region := range s.cursor.Scope.Regions {
		questions, err := Questions(region == s.cursor.Scope.Home)
		if err != nil {
			return err
		}
		for _, q := range questions {
			passes = append(passes, pass{region, q})
		}
	}
	at := Progress{Total: len(passes)}
	for _, p := range passes {
		at.Region, at.Question = p.region, p.q
		if err := s.pass(ctx, regions[p.region], &at, report); err != nil {
			return fmt.Errorf("reading the event history of %s: %w", p.region, err)
		}
	}
	return nil
}

// pass asks one question to its end.
func (s *Spool) pass(ctx context.Context, region Asker, at *Progress, report func(Progress)) error {
	name := at.Region + " " + at.Question.String()
	p := s.cursor.Passes[name]
	until, token := s.cursor.Scope.Until, ""
	if !p.Before.IsZero() {
		until = p.Before
	}
	for !p.Done {
		page, err := region.Page(ctx, at.Question, s.cursor.Scope.Since, until, token)
		if errors.Is(err, ErrToken) && token != "" && !p.Before.IsZero() && p.Before.Before(until) {
			until, token = p.Before, ""
			continue
		}
		if err != nil {
			return err
		}
		if err := s.add(page.Events); err != nil {
			return err
		}
		for _, e := range page.Events {
			if !e.Time.IsZero() && (p.Before.IsZero() || e.Time.Before(p.Before)) {
				p.Before = e.Time
			}
		}
		token = page.Next
		p.Done = token == ""
		s.cursor.Passes[name] = p
		s.cursor.Events += len(page.Events)
		if err := s.save(); err != nil {
			return err
		}
		at.Events, at.Reached = s.cursor.Events, p.Before
		report(*at)
	}
	at.Questions++
	at.Events = s.cursor.Events
	return nil
}

// add appends events to the files of their days.
func (s *Spool) add(events []Event) error {
	days := map[string][]byte{}
	for _, e := range events {
		day := undated
		if !e.Time.IsZero() {
			day = e.Time.UTC().Format(dayForm)
		}
		var line bytes.Buffer
		if json.Compact(&line, []byte(e.Record)) != nil {
			line.Reset()
			line.WriteString(strings.ReplaceAll(e.Record, "\n", " ")) // replay says what is wrong with it
		}
		days[day] = append(append(days[day], line.Bytes()...), '\n')
	}
	for day, lines := range days {
		if err := appendTo(s.path(day), lines); err != nil {
			return fmt.Errorf("keeping events of %s: %w", day, err)
		}
		s.cursor.Sizes[day] += int64(len(lines))
	}
	return nil
}

func appendTo(path string, lines []byte) (err error) {
	f, err := os.OpenFile(path, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600) //nolint:gosec // the folder is the user's own
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	_, err = f.Write(lines)
	return err
}

// Sort puts each day's events in the order of their times, each event once, and
// returns the folder of the files, whose names are in that order too.
func (s *Spool) Sort() (folder string, err error) {
	folder = filepath.Join(s.dir, sortedDir)
	days, err := s.days(s.dir)
	if err != nil {
		return "", err
	}
	for _, day := range days {
		raw, err := os.ReadFile(s.path(day))
		if err != nil {
			return "", fmt.Errorf("sorting events of %s: %w", day, err)
		}
		if err := os.WriteFile(filepath.Join(folder, day+extension), sorted(raw), 0o600); err != nil {
			return "", fmt.Errorf("sorting events of %s: %w", day, err)
		}
	}
	return folder, nil
}

// sorted are lines in the order of their eventTime, each eventID once.
func sorted(raw []byte) []byte {
	type line struct {
		text []byte
		EventTime,
		EventID string
	}
	var lines []line
	seen := map[string]bool{}
	for text := range bytes.Lines(raw) {
		l := line{text: text}
		_ = json.Unmarshal(text, &l) // what cannot be read comes first
		if l.EventID != "" && seen[l.EventID] {
			continue
		}
		seen[l.EventID] = true
		lines = append(lines, l)
	}
	slices.SortStableFunc(lines, func(a, b line) int {
		return cmp.Or(cmp.Compare(a.EventTime, b.EventTime), cmp.Compare(a.EventID, b.EventID))
	})
	out := make([]byte, 0, len(raw))
	for _, l := range lines {
		out = append(out, l.text...)
	}
	return out
}
