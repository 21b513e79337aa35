package replay

import (
	"archive/tar"
	"archive/zip"
	"bytes"
	"context"
	"fmt"
	"io"
	"maps"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"

	"rootguard/internal/cloudtrail"
	"rootguard/internal/testenv"
)

func zipOf(tb testing.TB, members map[string]string) string {
	tb.Helper()
	var b bytes.Buffer
	w := zip.NewWriter(&b)
	for _, name := range slices.Sorted(maps.Keys(members)) {
		f, err := w.Create(name)
		if err != nil {
			tb.Fatal(err)
		}
		if _, err := io.WriteString(f, members[name]); err != nil {
			tb.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		tb.Fatal(err)
	}
	return b.String()
}

func tarOf(tb testing.TB, members map[string]string) string {
	tb.Helper()
	var b bytes.Buffer
	w := tar.NewWriter(&b)
	for _, name := range slices.Sorted(maps.Keys(members)) {
		if err := w.WriteHeader(&tar.Header{Name: name, Mode: 0o600, Size: int64(len(members[name])), Typeflag: tar.TypeReg, Format: tar.FormatUSTAR}); err != nil {
			tb.Fatal(err)
		}
		if _, err := io.WriteString(w, members[name]); err != nil {
			tb.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		tb.Fatal(err)
	}
	return b.String()
}

func gzipOf(tb testing.TB, s string) string {
	tb.Helper()
	var b bytes.Buffer
	w := gzip.NewWriter(&b)
	if _, err := io.WriteString(w, s); err != nil {
		tb.Fatal(err)
	}
	if err := w.Close(); err != nil {
		tb.Fatal(err)
	}
	return b.String()
}

func zstdOf(tb testing.TB, s string) string {
	tb.Helper()
	w, err := zstd.NewWriter(nil)
	if err != nil {
		tb.Fatal(err)
	}
	return string(w.EncodeAll([]byte(s), nil))
}

// TestArchives holds that archives are read whatever their names, that each log
// in one has a name of its own, and that bombs end.
func TestArchives(t *testing.T) {
	t.Parallel()
	logs := map[string]string{
		"AWSLogs/111111111111/CloudTrail/a.json": plain("a"), "AWSLogs/111111111111/CloudTrail/b.json.gz": gzipOf(t, plain("b")),
		"AWSLogs/111111111111/elasticloadbalancing/x.log": "x", "__MACOSX/._a.json": "x", "README.md": "# x", "c.json.zst": zstdOf(t, plain("c")),
	}
	abc := []string{"a", "b", "c"}
	tests := []struct {
		name, file, text string
		ids              []string
		problem          string // of a member or the archive; "" is none
	}{
		{"zip", "logs.zip", zipOf(t, logs), abc, ""},
		{"zip by another name", "logs.json", zipOf(t, logs), abc, ""},
		{"tar", "logs.tar", tarOf(t, logs), abc, ""},
		{"tar.gz", "logs.tar.gz", gzipOf(t, tarOf(t, logs)), abc, ""},
		{"tar.zst", "logs.tar.zst", zstdOf(t, tarOf(t, logs)), abc, ""},
		{"zip in tar", "logs.tar", tarOf(t, map[string]string{"x.zip": zipOf(t, logs)}), abc, ""},
		{"tar.gz in zip", "logs.zip", zipOf(t, map[string]string{"x.tgz": gzipOf(t, tarOf(t, logs))}), abc, ""},
		{"gzipped zip", "logs.zip.gz", gzipOf(t, zipOf(t, logs)), abc, ""},
		{"broken member", "logs.zip", zipOf(t, map[string]string{"a.json": plain("a"), "b.json": `{"Records":[{"x":?`}), []string{"a"}, "logs.zip!b.json 0 invalid JSON"},
		{"cut tar", "logs.tar", tarOf(t, map[string]string{"a.json": plain("a"), "b.json": plain("b")})[:1600], []string{"a"}, "logs.tar"},
		{"cut zip", "logs.zip", zipOf(t, logs)[:200], nil, "logs.zip -1 reading zip archive"},
		{"too deep", "logs.tar", tarOf(t, map[string]string{"1.tar": tarOf(t, map[string]string{"2.tar": tarOf(t, map[string]string{"3.tar": tarOf(t, logs)})})}), nil, "archives are inside one another"},
		{"Office", "sheet.xlsx", zipOf(t, map[string]string{"[Content_Types].xml": "<x/>", "xl/workbook.xml": "<x/>"}), nil, ""},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			root := tree(t, map[string]string{test.file: test.text})
			for _, stdin := range []bool{false, true} {
				opt := Options{Paths: []string{filepath.Join(root, test.file)}}
				if stdin {
					opt.Paths, opt.Stdin = []string{"-"}, strings.NewReader(test.text)
				}
				var ids, problems []string
				var notes int
				opt.Problem = func(p Problem) {
					problems = append(problems, fmt.Sprintf("%s %d %s", p.File, p.Index, p.Reason))
				}
				opt.Note = func(Note) { notes++ }
				sum, err := Run(t.Context(), opt, func(_ context.Context, rec *cloudtrail.Record, at Place) error {
					ids = append(ids, rec.EventID)
					if !strings.Contains(at.File, "!") {
						t.Errorf("record %s is of %s", rec.EventID, at.File)
					}
					return nil
				})
				if err != nil {
					t.Fatal(err)
				}
				slices.Sort(ids)
				if diff := cmp.Diff(test.ids, ids); diff != "" {
					t.Errorf("stdin %v: records (-want +got):\n%s", stdin, diff)
				}
				want := test.problem
				if stdin {
					want = strings.Replace(want, test.file, "-", 1)
				}
				if (test.problem == "") != (len(problems) == 0) || len(problems) > 2 || len(problems) > 0 && !strings.Contains(problems[0], want) {
					t.Errorf("stdin %v: problems %q, want one of %q", stdin, problems, want)
				}
				if test.name == "Office" && (notes != 1 || !sum.NoLogs()) {
					t.Errorf("notes %d, summary %+v", notes, sum)
				}
			}
		})
	}
}

// TestArchiveBomb holds that a member that unpacks to too much is given up, and named.
func TestArchiveBomb(t *testing.T) {
	testenv.Soak(t)
	root := tree(t, map[string]string{"logs.zip": zipOf(t, map[string]string{"a.json": plain("a"), "b.json.gz": gzipOf(t, strings.Repeat(" ", roomy+(16<<20)))})})
	var ids, problems []string
	_, err := Run(t.Context(), Options{
		Paths:   []string{filepath.Join(root, "logs.zip")},
		Problem: func(p Problem) { problems = append(problems, fmt.Sprintf("%s %d %s", p.File, p.Index, p.Reason)) },
	}, func(_ context.Context, rec *cloudtrail.Record, _ Place) error {
		ids = append(ids, rec.EventID)
		return nil
	})
	if err != nil || !slices.Equal(ids, []string{"a"}) {
		t.Errorf("records %q, %v", ids, err)
	}
	if len(problems) != 1 || !strings.Contains(problems[0], "logs.zip!b.json.gz -1 no record can be read: it has more than") {
		t.Errorf("problems %q", problems)
	}
}

// FuzzArchive holds that an archive ends, whatever is in it.
func FuzzArchive(f *testing.F) {
	logs := map[string]string{"a.json": plain("a"), "b.json.gz": gzipOf(f, plain("b"))}
	for _, seed := range []string{zipOf(f, logs), tarOf(f, logs), gzipOf(f, tarOf(f, logs)), tarOf(f, map[string]string{"x.zip": zipOf(f, logs)})} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		sum, err := Run(t.Context(), Options{Paths: []string{"-"}, Stdin: bytes.NewReader(data), Workers: 1}, func(context.Context, *cloudtrail.Record, Place) error { return nil })
		if err != nil || sum.LostRecords > sum.Records {
			t.Fatalf("summary %+v, error %v", sum, err)
		}
	})
}

// TestOtherServices holds that other services' folders are skipped with one
// note each, and that those of CloudTrail are read.
func TestOtherServices(t *testing.T) {
	t.Parallel()
	root := tree(t, map[string]string{
		"AWSLogs/111111111111/CloudTrail/us-east-1/a.json":                             plain("a"),
		"AWSLogs/o-abc/111111111111/CloudTrail/us-east-1/b.json":                       plain("b"),
		"AWSLogs/111111111111/CloudTrail-Aggregated/c.json":                            plain("c"),
		"AWSLogs/111111111111/elasticloadbalancing/us-east-1/x.log":                    "x",
		"AWSLogs/111111111111/elasticloadbalancing/us-east-1/y.log":                    "y",
		"AWSLogs/111111111111/Config/ConfigWritabilityCheckFile":                       "",
		"AWSLogs/o-abc/111111111111/vpcflowlogs/us-east-1/x.log.gz":                    "x",
		"AWSLogs/111111111111/NewService/x.json":                                       "{}",
		"AWSLogs/111111111111/111111111111_CloudTrail_us-east-1_20240301T1000Z_d.json": plain("d"),
		"AWSLogs/aws-logs-write-test":                                                  "Permission Check Successful",
		"other/elasticloadbalancing/e.json":                                            plain("e"),
	})
	var notes []string
	ids, problems, sum := run(t, Options{Paths: []string{root}, Note: func(n Note) {
		rel, err := filepath.Rel(root, n.File)
		if err != nil {
			t.Fatal(err)
		}
		notes = append(notes, fmt.Sprintf("%s: %s (%d)", filepath.ToSlash(rel), n.Reason, n.Files))
	}})
	slices.Sort(ids)
	slices.Sort(notes)
	if diff := cmp.Diff([]string{"a", "b", "c", "d", "e"}, ids); diff != "" || len(problems) > 0 || sum.SkippedFiles != 6 {
		t.Errorf("problems %v, summary %+v (-want +got):\n%s", problems, sum, diff)
	}
	if diff := cmp.Diff([]string{
		"AWSLogs/111111111111/Config: skipped: AWS Config's items, not CloudTrail records (1)",
		"AWSLogs/111111111111/NewService: skipped: logs of NewService, not CloudTrail records (1)",
		"AWSLogs/111111111111/elasticloadbalancing: skipped: access logs of Elastic Load Balancing, not CloudTrail records (2)",
		"AWSLogs/o-abc/111111111111/vpcflowlogs: skipped: VPC flow logs, not CloudTrail records (1)",
	}, notes); diff != "" {
		t.Errorf("notes (-want +got):\n%s", diff)
	}
}

// TestLogEnd holds that the span of a replay is that of all records, and that
// one dated far after now is a problem and no end.
func TestLogEnd(t *testing.T) {
	t.Parallel()
	at := func(id, when string) string { return strings.ReplaceAll(plain(id), "2024-03-01T00:00:00Z", when) }
	root := tree(t, map[string]string{"a.json": at("a", "2024-03-01T10:00:00Z") + at("b", "2024-03-20T10:00:00Z"), "c.json": at("c", "2031-01-01T00:00:00Z")})
	now := func() time.Time { return time.Date(2024, 4, 1, 0, 0, 0, 0, time.UTC) }
	none := func(cloudtrail.Header) bool { return false }
	_, problems, sum := run(t, Options{Paths: []string{root}, Filter: none, Now: now})
	if got := sum.First.Format(time.DateOnly) + " " + sum.Last.Format(time.DateOnly); got != "2024-03-01 2024-03-20" {
		t.Errorf("span %s", got)
	}
	if len(problems) != 1 || problems[0].Lost || !strings.Contains(problems[0].Reason, "2031-01-01T00:00:00Z") {
		t.Errorf("problems %+v", problems)
	}
	_, _, sum = run(t, Options{Paths: []string{root}, Filter: none, Now: now, Since: time.Date(2024, 3, 5, 0, 0, 0, 0, time.UTC), Until: time.Date(2024, 3, 10, 0, 0, 0, 0, time.UTC)})
	if got := sum.First.Format(time.DateOnly) + " " + sum.Last.Format(time.DateOnly); got != "2024-03-05 2024-03-10" {
		t.Errorf("span %s", got)
	}
}
