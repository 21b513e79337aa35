package cloudtrail

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"rootguard/internal/testenv"
)

// TestRealLog holds that a real log set has no defect, and reads the same with
// and without a filter.
func TestRealLog(t *testing.T) {
	t.Parallel()
	files, err := filepath.Glob(filepath.Join(testenv.Shared(t), "corpus", "invictus-ir", "*.json.gz"))
	testenv.Need(t, err == nil && len(files) > 0, "corpus/invictus-ir")
	var all, filtered Stats
	users := 0
	for _, file := range files {
		log, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		entries, stats := read(t, bytes.NewReader(log), nil)
		for _, entry := range entries {
			if strings.Count(entry, " ") != 1 {
				t.Errorf("%s: %s", filepath.Base(file), entry)
			}
		}
		all.Records += stats.Records
		r := NewReader(bytes.NewReader(log), func(h Header) bool {
			return string(h.EventSource) == IAMSource && string(h.EventName) == "CreateUser"
		})
		for {
			entry, err := r.Next()
			if errors.Is(err, io.EOF) {
				break
			}
			if entry.Record == nil || entry.Record.EventName != "CreateUser" || entry.Record.EventSource != IAMSource {
				t.Errorf("%s: entry %+v", filepath.Base(file), entry)
			}
		}
		filtered.Records += r.Stats().Records
		filtered.Passed += r.Stats().Passed
		for _, entry := range entries {
			if strings.HasSuffix(entry, " CreateUser") {
				users++
			}
		}
	}
	if all.Records != 2900 || filtered.Records != 2900 {
		t.Errorf("%d records, filtered %d, want 2900", all.Records, filtered.Records)
	}
	if users == 0 || int64(users) != filtered.Passed {
		t.Errorf("%d CreateUser, filtered %d", users, filtered.Passed)
	}
}

// TestCases reads each case of the corpus in the shape its source has it in.
func TestCases(t *testing.T) {
	t.Parallel()
	f, err := os.Open(filepath.Join(testenv.Shared(t), "corpus", "cases.jsonl"))
	testenv.Need(t, err == nil, "corpus/cases.jsonl")
	defer func() { _ = f.Close() }()
	lines := bufio.NewScanner(f)
	lines.Buffer(nil, 16<<20)
	shapes := map[string]int{}
	for lines.Scan() {
		var c struct {
			ID    string
			Shape string
			Event json.RawMessage
		}
		if err := json.Unmarshal(lines.Bytes(), &c); err != nil {
			t.Fatal(err)
		}
		inner := c.Event
		if c.Shape == "eventbridge" {
			var event struct{ Detail json.RawMessage }
			if err := json.Unmarshal(c.Event, &event); err != nil {
				t.Fatal(err)
			}
			if event.Detail != nil {
				inner = event.Detail
			}
		}
		want, wantDefects, err := Decode(inner)
		if err != nil {
			t.Errorf("%s: %v", c.ID, err)
			continue
		}
		log := c.Event
		switch c.Shape {
		case "records":
			log = json.RawMessage(`{"Records":[` + string(c.Event) + `]}`)
		case "lookup_events":
			log = json.RawMessage(lookup(string(c.Event)))
		case "cloudwatch_logs":
			log = json.RawMessage(logs("DATA_MESSAGE", string(c.Event)))
		}
		r := NewReader(bytes.NewReader(log), nil)
		entry, err := r.Next()
		switch {
		case err != nil:
			t.Errorf("%s, %s: %v", c.ID, c.Shape, err)
		case entry.Record == nil && entry.Err != nil && want.EventName == "" && want.EventSource == "":
		case entry.Record == nil:
			t.Errorf("%s, %s: lost: %v", c.ID, c.Shape, entry.Err)
		case entry.Record.EventName != want.EventName || len(entry.Defects) != len(wantDefects):
			t.Errorf("%s, %s: %s with defects %v, want %s with %v", c.ID, c.Shape, entry.Record.EventName, entry.Defects, want.EventName, wantDefects)
		}
		shapes[c.Shape]++
	}
	if err := lines.Err(); err != nil {
		t.Fatal(err)
	}
	for _, shape := range []string{"bare", "records", "eventbridge", "lookup_events", "cloudwatch_logs"} {
		if shapes[shape] == 0 {
			t.Errorf("no case of shape %s", shape)
		}
	}
}
