package replay

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/klauspost/compress/gzip"

	"rootguard/internal/cloudtrail"
	"rootguard/internal/testenv"
)

// record is a record without a defect, with its name for its eventID.
func record(name, account string, at time.Time) string {
	return fmt.Sprintf(`{"eventVersion":"1.08","userIdentity":{"type":"IAMUser","arn":"arn:aws:iam::%s:user/u","accountId":%q},"eventTime":%q,"eventSource":"iam.amazonaws.com","eventName":%q,"eventID":%q}`,
		account, account, at.Format(time.RFC3339), name, name)
}

var day = time.Date(2024, 3, 1, 0, 0, 0, 0, time.UTC)

func plain(name string) string { return record(name, "111111111111", day) }

func logOf(records ...string) string { return `{"Records":[` + strings.Join(records, ",") + `]}` }

// tree writes files, by their paths, and returns their folder. Those that end in
// .gz are compressed.
func tree(tb testing.TB, files map[string]string) string {
	tb.Helper()
	root := tb.TempDir()
	for path, content := range files {
		path = filepath.Join(root, path)
		if err := os.MkdirAll(filepath.Dir(path), 0o750); err != nil {
			tb.Fatal(err)
		}
		if strings.HasSuffix(path, ".gz") {
			var out bytes.Buffer
			w := gzip.NewWriter(&out)
			if _, err := io.WriteString(w, content); err != nil {
				tb.Fatal(err)
			}
			if err := w.Close(); err != nil {
				tb.Fatal(err)
			}
			content = out.String()
		}
		if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
			tb.Fatal(err)
		}
	}
	return root
}

// run replays and returns the eventIDs in the order they were handled in, and the problems.
func run(tb testing.TB, opt Options) (ids []string, problems []Problem, sum Summary) {
	tb.Helper()
	opt.Problem = func(p Problem) { problems = append(problems, p) }
	sum, err := Run(tb.Context(), opt, func(_ context.Context, rec *cloudtrail.Record, _ Place) error {
		ids = append(ids, rec.EventID)
		return nil
	})
	if err != nil {
		tb.Fatalf("Run: %v", err)
	}
	return ids, problems, sum
}

const awsLogs = "AWSLogs/111111111111/CloudTrail/us-east-1/2024/03/01/"

func TestRun(t *testing.T) {
	t.Parallel()
	root := tree(t, map[string]string{
		awsLogs + "111111111111_CloudTrail_us-east-1_20240301T1005Z_aaaa.json.gz":                                                      logOf(plain("third"), plain("fourth")),
		awsLogs + "111111111111_CloudTrail_us-east-1_20240301T1000Z_zzzz.json.gz":                                                      logOf(plain("second")),
		awsLogs + "111111111111_CloudTrail_us-east-1_20240301T1010Z_aaaa.json.gz":                                                      logOf(),
		"AWSLogs/111111111111/CloudTrail/eu-west-1/2024/03/01/111111111111_CloudTrail_eu-west-1_20240301T1007Z_bbbb.json.gz":           logOf(plain("fifth")),
		"AWSLogs/222222222222/CloudTrail/us-east-1/2024/03/01/222222222222_CloudTrail_us-east-1_20240302T0000Z_bbbb.json.gz":           logOf(plain("sixth")),
		"AWSLogs/111111111111/CloudTrail-Digest/us-east-1/111111111111_CloudTrail-Digest_us-east-1_t_us-east-1_20240301T1000Z.json.gz": "{}",
		"AWSLogs/111111111111/CloudTrail-Insight/us-east-1/111111111111_CloudTrail-Insight_us-east-1_20240301T1000Z_cccc.json.gz":      "{}",
		"AWSLogs/111111111111/Config/111111111111_Config_us-east-1_ConfigHistory_20240301T100000Z.json.gz":                             "{}",
		"export.jsonl": plain("first") + "\n",
		".DS_Store":    "x",
		".git/config":  "x",
	})
	if err := os.Symlink(filepath.Join(root, "missing"), filepath.Join(root, "dangling.json")); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(filepath.Join(root, "AWSLogs"), filepath.Join(root, "linked")); err != nil {
		t.Fatal(err)
	}
	for _, workers := range []int{0, 1, 3, 64} {
		ids, problems, sum := run(t, Options{Paths: []string{root, filepath.Join(root, "export.jsonl"), root + "/"}, Workers: workers})
		if diff := cmp.Diff([]string{"first", "second", "third", "fourth", "fifth", "sixth"}, ids); diff != "" {
			t.Errorf("%d workers: order (-want +got):\n%s", workers, diff)
		}
		if len(problems) != 1 || problems[0].File != filepath.Join(root, "dangling.json") || problems[0].Index != -1 || problems[0].Reason != "cannot be read: no such file or directory" || !problems[0].Lost {
			t.Errorf("problems %+v, want one of the dangling link", problems)
		}
		if sum.SkippedFiles != 5 {
			t.Errorf("%d files skipped, want 5: digest, Insights, Config, a hidden file, a linked folder", sum.SkippedFiles)
		}
		if sum.Files != 6 || sum.FilesTotal != 6 || sum.Records != 6 || sum.Candidates != 6 || sum.Problems != 1 || sum.Bytes != sum.BytesTotal || sum.JSONBytes == 0 || sum.LostRecords != 0 {
			t.Errorf("%d workers: summary %+v", workers, sum)
		}
		if _, _, sum := run(t, Options{Paths: []string{filepath.Join(root, "linked")}}); sum.Files != 5 {
			t.Errorf("through a link: summary %+v", sum)
		}
		if !sum.First.Equal(day) || !sum.Last.Equal(day) {
			t.Errorf("from %v to %v", sum.First, sum.Last)
		}
	}
}

func TestRunStdin(t *testing.T) {
	t.Parallel()
	ids, problems, sum := run(t, Options{Paths: []string{"-", "-"}, Stdin: strings.NewReader(plain("a") + "\n" + plain("b"))})
	if diff := cmp.Diff([]string{"a", "b"}, ids); diff != "" || len(problems) > 0 || sum.Files != 1 {
		t.Errorf("summary %+v, problems %v (-want +got):\n%s", sum, problems, diff)
	}
	if _, problems, _ := run(t, Options{Paths: []string{"-"}}); len(problems) != 1 || problems[0].File != "-" {
		t.Errorf("without standard input: problems %+v", problems)
	}
}

// TestRunStdinLive holds that what came through a pipe is handled before more comes.
func TestRunStdinLive(t *testing.T) {
	t.Parallel()
	in, out := io.Pipe()
	handled := make(chan string)
	done := make(chan error)
	go func() {
		_, err := Run(t.Context(), Options{Paths: []string{"-"}, Stdin: in}, func(_ context.Context, rec *cloudtrail.Record, _ Place) error {
			handled <- rec.EventID
			return nil
		})
		done <- err
	}()
	for _, id := range []string{"a", "b", "c"} {
		if _, err := io.WriteString(out, plain(id)+"\n"); err != nil {
			t.Fatal(err)
		}
		if got := <-handled; got != id {
			t.Errorf("handled %s, want %s", got, id)
		}
	}
	if err := out.Close(); err != nil {
		t.Fatal(err)
	}
	if err := <-done; err != nil {
		t.Errorf("Run: %v", err)
	}
}

func TestRunProblems(t *testing.T) {
	t.Parallel()
	root := tree(t, map[string]string{
		"a.json":    logOf(plain("1"), `{"eventName":}`, strings.Replace(plain("2"), `"eventVersion":"1.08"`, `"eventVersion":1.08`, 1), `7`),
		"b.json.gz": logOf(plain("3")),
		"c.json.gz": logOf(plain("4")),
		"d.json":    `{"messageType":"CONTROL_MESSAGE","logEvents":[{"message":"x"}]}`,
	})
	path := filepath.Join(root, "b.json.gz")
	whole, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, whole[:len(whole)-4], 0o600); err != nil {
		t.Fatal(err)
	}
	ids, problems, sum := run(t, Options{Paths: []string{root}})
	if diff := cmp.Diff([]string{"1", "2", "3", "4"}, ids); diff != "" {
		t.Errorf("handled (-want +got):\n%s", diff)
	}
	a := filepath.Join(root, "a.json")
	want := []Problem{
		{File: a, Index: 1, Reason: "invalid JSON: unexpected '}' at byte 13", Lost: true},
		{File: a, Index: 2, EventID: "2", Reason: "eventVersion: a number, not a string; read as its text"},
		{File: a, Index: 3, Reason: "record is a number, not an object", Lost: true},
		{File: path, Index: -1, Reason: "truncated after 1 records: unexpected EOF", Lost: true},
	}
	if diff := cmp.Diff(want, problems); diff != "" {
		t.Errorf("problems (-want +got):\n%s", diff)
	}
	if sum.Problems != 4 || sum.LostRecords != 2 || sum.Other != 1 {
		t.Errorf("summary %+v", sum)
	}
}

func TestRunLimits(t *testing.T) {
	t.Parallel()
	at := func(h int) time.Time { return day.Add(time.Duration(h) * time.Hour) }
	log := logOf(
		record("0", "111111111111", at(0)), record("1", "111111111111", at(1)), record("2", "222222222222", at(2)), record("3", "333333333333", at(3)),
		strings.Replace(record("no time", "111111111111", at(0)), `"eventTime"`, `"x"`, 1),
		strings.Replace(record("no account", "111111111111", at(2)), `"accountId"`, `"x"`, 1),
	)
	tests := []struct {
		name     string
		opt      Options
		want     []string
		problems int
	}{
		{"none", Options{}, []string{"0", "1", "2", "3", "no time", "no account"}, 1},
		{"since", Options{Since: at(1)}, []string{"1", "2", "3", "no time", "no account"}, 1},
		{"until", Options{Until: at(2)}, []string{"0", "1", "no time"}, 1},
		{"both", Options{Since: at(1), Until: at(2)}, []string{"1", "no time"}, 1},
		{"accounts", Options{Accounts: []string{"222222222222", "333333333333"}}, []string{"2", "3", "no account"}, 1},
		{"filter", Options{Filter: func(h cloudtrail.Header) bool { return string(h.EventName) == "3" }}, []string{"3"}, 1},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			opt := test.opt
			opt.Paths, opt.Stdin = []string{"-"}, strings.NewReader(log)
			ids, problems, sum := run(t, opt)
			if diff := cmp.Diff(test.want, ids); diff != "" {
				t.Errorf("handled (-want +got):\n%s", diff)
			}
			if len(problems) != test.problems || sum.Records != 6 || sum.Candidates != int64(len(test.want)) {
				t.Errorf("problems %+v, summary %+v", problems, sum)
			}
		})
	}
}

// many writes n files of 300 records each.
func many(tb testing.TB, n int) (root string, want []string) {
	tb.Helper()
	files := map[string]string{}
	for f := range n {
		var records []string
		for k := range 300 {
			id := fmt.Sprintf("%d-%d", f, k)
			records = append(records, plain(id))
			want = append(want, id)
		}
		files[fmt.Sprintf("%04d.json.gz", f)] = logOf(records...)
	}
	return tree(tb, files), want
}

// TestRunOrder holds that the order does not depend on the workers.
func TestRunOrder(t *testing.T) {
	t.Parallel()
	root, want := many(t, 40)
	ids, _, _ := run(t, Options{Paths: []string{root}, Workers: 8})
	if diff := cmp.Diff(want, ids); diff != "" {
		t.Errorf("order (-want +got):\n%s", diff)
	}
}

func TestRunFails(t *testing.T) {
	t.Parallel()
	root, _ := many(t, 40)
	never := func(context.Context, *cloudtrail.Record, Place) error { return nil }

	_, err := Run(t.Context(), Options{Paths: []string{root, filepath.Join(root, "absent")}}, never)
	if err == nil || !strings.Contains(err.Error(), "absent does not exist; name a CloudTrail log file") {
		t.Errorf("error %v", err)
	}

	broken := errors.New("broken")
	handled := 0
	sum, err := Run(t.Context(), Options{Paths: []string{root}, Workers: 4}, func(_ context.Context, _ *cloudtrail.Record, at Place) error {
		if handled++; at.Index == 5 && filepath.Base(at.File) == "0003.json.gz" {
			return broken
		}
		return nil
	})
	if !errors.Is(err, broken) || !strings.Contains(err.Error(), "handling record 5 of ") || !strings.Contains(err.Error(), "0003.json.gz") {
		t.Errorf("error %v", err)
	}
	if handled != 906 || sum.Candidates != 906 {
		t.Errorf("%d handled, summary %+v", handled, sum)
	}

	ctx, cancel := context.WithCancel(t.Context())
	handled = 0
	_, err = Run(ctx, Options{Paths: []string{root}}, func(context.Context, *cloudtrail.Record, Place) error {
		handled++
		cancel()
		return nil
	})
	if !errors.Is(err, context.Canceled) || handled == 0 || handled == 40*300 {
		t.Errorf("error %v after %d", err, handled)
	}
	if _, err := Run(ctx, Options{}, never); !errors.Is(err, context.Canceled) {
		t.Errorf("error %v of an ended context without files", err)
	}

	// A read of standard input that never returns does not hold up the end.
	in, _ := io.Pipe()
	ctx, cancel = context.WithTimeout(t.Context(), 10*time.Millisecond)
	defer cancel()
	if _, err := Run(ctx, Options{Paths: []string{"-"}, Stdin: in}, never); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("error %v", err)
	}

	if sum, err := Run(t.Context(), Options{}, never); err != nil || sum.FilesTotal != 0 {
		t.Errorf("without paths: summary %+v, error %v", sum, err)
	}
}

// TestOtherFiles holds that what lies beside the logs in a folder is counted and
// no problem, and that a file that is named is read whatever its name.
func TestOtherFiles(t *testing.T) {
	t.Parallel()
	root := tree(t, map[string]string{"a.json": plain("a"), "b": plain("b"), "notes.md": "# Notes", "c.txt": plain("c"), "sheet.csv": "x,y"})
	ids, problems, sum := run(t, Options{Paths: []string{root}})
	if diff := cmp.Diff([]string{"a", "b"}, ids); diff != "" || len(problems) > 0 || sum.SkippedFiles != 3 || sum.Files != 3 {
		t.Errorf("summary %+v, problems %v (-want +got):\n%s", sum, problems, diff)
	}
	named := []string{filepath.Join(root, "c.txt"), filepath.Join(root, "notes.md")}
	for _, paths := range [][]string{append([]string{root}, named...), append(named, root)} {
		ids, problems, sum = run(t, Options{Paths: paths})
		if diff := cmp.Diff([]string{"a", "b", "c"}, ids); diff != "" || len(problems) != 1 || sum.SkippedFiles != 1 || sum.Files != 5 {
			t.Errorf("%v: summary %+v, problems %v (-want +got):\n%s", paths, sum, problems, diff)
		}
	}
}

// TestFileGone holds that a file that cannot be opened is a problem and no stop.
func TestFileGone(t *testing.T) {
	t.Parallel()
	root := tree(t, map[string]string{"b.json": plain("b")})
	gone := filepath.Join(root, "a.json")
	opt := Options{Workers: 1, Now: time.Now}
	p := start(t.Context(), &opt, []file{{path: gone}, {path: filepath.Join(root, "b.json")}})
	var ids []string
	s := sequencer{opt: &opt, pool: p, handle: func(_ context.Context, rec *cloudtrail.Record, _ Place) error {
		ids = append(ids, rec.EventID)
		return nil
	}}
	var problems []Problem
	opt.Problem = func(p Problem) { problems = append(problems, p) }
	if err := s.run(t.Context()); err != nil {
		t.Fatal(err)
	}
	p.wait()
	if len(problems) != 1 || problems[0].File != gone || problems[0].Index != -1 || problems[0].Reason != "cannot be read: no such file or directory" {
		t.Errorf("problems %+v", problems)
	}
	if diff := cmp.Diff([]string{"b"}, ids); diff != "" {
		t.Errorf("handled (-want +got):\n%s", diff)
	}
}

// TestBatchSize holds that what waits for the sequencer has a bound in bytes,
// also where it is only reported.
func TestBatchSize(t *testing.T) {
	t.Parallel()
	const long = 100 << 10
	odd := fmt.Sprintf(`{"eventName":"x","eventID":%q}`, strings.Repeat("x", long))
	path := filepath.Join(tree(t, map[string]string{"a.json": strings.Repeat(odd+"\n", 10)}), "a.json")
	opt := Options{Workers: 1, Now: time.Now, Filter: func(cloudtrail.Header) bool { return false }}
	p := start(t.Context(), &opt, []file{{path: path, size: 1}})
	entries := 0
	for r := range p.order {
		for batch := range r.batches {
			if entries += len(batch.entries); len(batch.entries)*long > batchBytes+long {
				t.Errorf("a batch of %d entries", len(batch.entries))
			}
		}
	}
	p.wait()
	if entries != 10 {
		t.Errorf("%d entries, want 10", entries)
	}
}

func TestProgress(t *testing.T) {
	t.Parallel()
	root, want := many(t, 20)
	var now atomic.Int64
	var calls []Progress
	var at []int64
	busy := false
	enter := func(what string) func() {
		if busy {
			t.Errorf("%s is called while another callback runs", what)
		}
		busy = true
		return func() { busy = false }
	}
	sum, err := Run(t.Context(), Options{
		Paths: []string{root}, Workers: 4,
		Now: func() time.Time { return day.Add(time.Duration(now.Add(30)) * time.Millisecond) },
		Progress: func(p Progress) {
			defer enter("Progress")()
			calls, at = append(calls, p), append(at, now.Load())
		},
		Problem: func(Problem) { defer enter("Problem")() },
	}, func(context.Context, *cloudtrail.Record, Place) error {
		defer enter("handle")()
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if len(calls) < 5 {
		t.Fatalf("%d calls", len(calls))
	}
	for k := range len(calls) - 2 {
		if at[k+1]-at[k] < 100 {
			t.Errorf("call %d is %d ms after the one before", k+1, at[k+1]-at[k])
		}
		if calls[k+1].Records < calls[k].Records || calls[k+1].Files < calls[k].Files || calls[k+1].Bytes < calls[k].Bytes {
			t.Errorf("progress goes back from %+v to %+v", calls[k], calls[k+1])
		}
	}
	last := calls[len(calls)-1]
	if last != sum.Progress || last.Files != 20 || last.Records != int64(len(want)) || last.Bytes != last.BytesTotal {
		t.Errorf("last progress %+v, summary %+v", last, sum)
	}
}

func TestIsLog(t *testing.T) {
	t.Parallel()
	for name, want := range map[string]bool{
		"111111111111_CloudTrail_us-east-1_20240301T1000Z_aaaa.json.gz":                   true,
		"111111111111_CloudTrail-Digest_us-east-1_trail_us-east-1_20240301T1000Z.json.gz": false,
		"111111111111_CloudTrail-Insight_us-east-1_20240301T1000Z_aaaa.json.gz":           false,
		"111111111111_Config_us-east-1_ConfigSnapshot_20240301T1000Z_aaaa.json.gz":        false,
		"111111111111_vpcflowlogs_us-east-1_fl-1_20240301T1000Z_aaaa.log.gz":              false,
		"111111111111_backup.json":                      true,
		"my_CloudTrail-Digest.json":                     true,
		"11111111111x_Config_x":                         true,
		"events.jsonl":                                  true,
		"delivery-stream-1-2024-03-01-10-00-00-aaaa":    true,
		"delivery.stream-1-2024-03-01-10-00-00-aaaa.gz": true,
		"trail.2024.03.01":                              true,
		"events.log.1":                                  true,
		"EVENTS.JSON.GZ":                                true,
		"events.ndjson":                                 true,
		"events.log":                                    true,
		"notes.md":                                      false,
		"ConfigWritabilityCheckFile":                    false,
		"aws-logs-write-test":                           false,
		"findings.csv":                                  true,
		"findings.csv.gz":                               true,
		"logs.tar.gz":                                   true,
		"logs.tgz":                                      true,
		"logs.zip":                                      true,
		"screen.PNG":                                    false,
		"report.html":                                   false,
		"README.txt":                                    false,
		"events.parquet":                                true,
	} {
		if got := isLog(name); got != want {
			t.Errorf("isLog(%s) is %v", name, got)
		}
	}
}

// TestRealLog replays the real log set of the corpus.
func TestRealLog(t *testing.T) {
	t.Parallel()
	root := filepath.Join(testenv.Shared(t), "corpus", "invictus-ir")
	_, err := os.Stat(root)
	testenv.Need(t, err == nil, "corpus/invictus-ir")
	var last string
	sum, err := Run(t.Context(), Options{Paths: []string{root}}, func(_ context.Context, _ *cloudtrail.Record, at Place) error {
		minute := strings.Split(filepath.Base(at.File), "_")[3]
		if minute < last {
			return fmt.Errorf("a file of %s after one of %s", minute, last)
		}
		last = minute
		return nil
	})
	if err != nil || sum.Candidates != 2900 || sum.Problems != 0 || sum.SkippedFiles != 0 || sum.Files != 55 {
		t.Errorf("summary %+v, error %v", sum, err)
	}
}
