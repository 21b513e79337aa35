package s3_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	sdk "github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/google/go-cmp/cmp"

	"rootguard/internal/aws/s3"
	"rootguard/internal/aws/s3/s3test"
)

const trail = "AWSLogs/111122223333/CloudTrail/"

func client(server *s3test.Server, change ...func(*sdk.Options)) *sdk.Client {
	return sdk.New(sdk.Options{
		BaseEndpoint: &server.URL, Region: "eu-west-1", UsePathStyle: true, Credentials: credentials.NewStaticCredentialsProvider("test", "test", ""),
		Retryer: aws.NopRetryer{},
	}, change...)
}

// key is that of a trail's file, as CloudTrail names it.
func key(region, day string, n int) string {
	return fmt.Sprintf("%s%s/%s/111122223333_CloudTrail_%s_%sT%02d00Z_x.json.gz", trail, region, day, region, strings.ReplaceAll(day, "/", ""), n)
}

func TestParse(t *testing.T) {
	for path, want := range map[string]s3.Source{
		"s3://b": {Bucket: "b"}, "s3://b/": {Bucket: "b"}, "s3://my-trail.logs/AWSLogs/1/": {Bucket: "my-trail.logs", Prefix: "AWSLogs/1/"},
	} {
		if got, err := s3.Parse(path); err != nil || got != want {
			t.Errorf("%s: got %+v, %v, want %+v", path, got, err, want)
		}
	}
	for _, path := range []string{"", "b/x", "s3:/b", "s3://", "s3:///x", "s3://a b/x", "https://b"} {
		if _, err := s3.Parse(path); err == nil || !strings.Contains(err.Error(), "give s3://BUCKET") {
			t.Errorf("%q: got %v, want an error with the form", path, err)
		}
	}
}

// listed are the keys that List finds.
func listed(t *testing.T, server *s3test.Server, prefix string, span s3.Span) ([]string, s3.Listing) {
	t.Helper()
	var keys []string
	listing, err := s3.List(t.Context(), client(server).ListObjectsV2, s3.Source{Bucket: "logs", Prefix: prefix}, span, func(o s3.Object) error {
		keys = append(keys, o.Key)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	slices.Sort(keys)
	return keys, listing
}

func TestList(t *testing.T) {
	server := s3test.New(t, "logs")
	server.MaxKeys = 2
	var want []string
	for _, region := range []string{"eu-west-1", "us-east-1"} {
		for _, day := range []string{"2025/12/31", "2026/01/01", "2026/01/02", "2026/01/03", "2026/01/04"} {
			for n := range 3 {
				server.Put(key(region, day, n), "x")
				want = append(want, key(region, day, n))
			}
		}
	}
	server.Put("AWSLogs/111122223333/elasticloadbalancing/eu-west-1/2026/01/01/x.log.gz", "x")
	server.Put("AWSLogs/111122223333/CloudTrail-Digest/eu-west-1/2026/01/01/x.json.gz", "x")
	server.Put(trail, "") // a folder's own mark
	frozen := key("us-east-1", "2026/01/01", 9)
	server.Put(frozen, "x")
	server.Freeze(frozen, "DEEP_ARCHIVE")

	for _, prefix := range []string{"", "AWSLogs", "AWSLogs/111122223333/", trail} {
		got, listing := listed(t, server, prefix, s3.Span{})
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("prefix %q (-want +got):\n%s", prefix, diff)
		}
		others := []string{"AWSLogs/111122223333/CloudTrail-Digest/", "AWSLogs/111122223333/elasticloadbalancing/"}
		if prefix == trail {
			others = nil
		}
		if !slices.Equal(listing.Others, others) || listing.Objects != 30 || listing.Bytes != 30 || listing.Frozen != 1 {
			t.Errorf("prefix %q: got %+v, want 30 files, 1 frozen, and others %q", prefix, listing, others)
		}
	}

	// Of a span, only its days are asked for, and the day after, for late files.
	before := len(server.Calls("ListObjectsV2"))
	got, _ := listed(t, server, trail+"us-east-1/", s3.Span{Since: time.Date(2026, 1, 2, 13, 0, 0, 0, time.UTC), Until: time.Date(2026, 1, 2, 20, 0, 0, 0, time.UTC)})
	var days []string
	for _, day := range []string{"2026/01/02", "2026/01/03"} {
		for n := range 3 {
			days = append(days, key("us-east-1", day, n))
		}
	}
	if diff := cmp.Diff(days, got); diff != "" {
		t.Errorf("of a span (-want +got):\n%s", diff)
	}
	if pages := len(server.Calls("ListObjectsV2")) - before; pages != 4 {
		t.Errorf("%d pages of 2 for 6 files and the end, want 4", pages)
	}
	if got, _ := listed(t, server, trail+"us-east-1/2026/01/04/", s3.Span{Until: time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)}); len(got) != 0 {
		t.Errorf("a folder outside of the span: got %q", got)
	}

	server.Put("exports/a/b.jsonl", "x")
	server.Put("exports/c.json", "x")
	if got, _ := listed(t, server, "exports/", s3.Span{Since: time.Now()}); !slices.Equal(got, []string{"exports/a/b.jsonl", "exports/c.json"}) {
		t.Errorf("files of other names: got %q", got)
	}
	server.Inject("ListObjectsV2", 1, s3test.Fault{Status: http.StatusForbidden, Code: "AccessDenied"})
	if _, err := s3.List(t.Context(), client(server).ListObjectsV2, s3.Source{Bucket: "logs"}, s3.Span{}, func(s3.Object) error { return nil }); err == nil || !strings.Contains(err.Error(), "AccessDenied") {
		t.Errorf("a listing that is denied: got %v", err)
	}
}

func TestRegion(t *testing.T) {
	server := s3test.New(t, "logs")
	for name, fault := range map[string]s3test.Fault{"": {}, "elsewhere": {Status: http.StatusMovedPermanently, Code: "PermanentRedirect"}, "denied": {Status: http.StatusForbidden, Code: "AccessDenied"}} {
		if fault.Status != 0 {
			server.Inject("HeadBucket", 1, fault)
		}
		if region, err := s3.Region(t.Context(), client(server).HeadBucket, "logs"); region != "eu-west-1" || err != nil {
			t.Errorf("%s: got %q, %v", name, region, err)
		}
	}
	if _, err := s3.Region(t.Context(), client(server).HeadBucket, "none"); err == nil || !strings.Contains(err.Error(), "there is no bucket of that name") {
		t.Errorf("no such bucket: got %v", err)
	}
}

// copies are the files below a spool's folder, with what they hold.
func copies(t *testing.T, s *s3.Spool) map[string]string {
	t.Helper()
	all := map[string]string{}
	err := filepath.WalkDir(s.Dir(), func(path string, entry os.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		data, err := os.ReadFile(path)
		all[s.Name(path)] = string(data)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return all
}

func TestFill(t *testing.T) {
	server := s3test.New(t, "logs")
	want := map[string]string{}
	for n := range 20 {
		k := key("us-east-1", "2026/01/02", n)
		server.Put(k, fmt.Sprint("content ", n))
		want["s3://logs/"+k] = fmt.Sprint("content ", n)
	}
	source := s3.Source{Bucket: "logs", Prefix: "AWSLogs/"}
	spool, err := s3.Open(t.TempDir(), source)
	if err != nil {
		t.Fatal(err)
	}
	// Some fail in each way that a request can; the others are copied.
	server.Inject("GetObject", 1, s3test.Fault{Status: http.StatusForbidden, Code: "AccessDenied"})
	server.Inject("GetObject", 1, s3test.Fault{Half: true})
	server.Inject("GetObject", 1, s3test.Fault{})
	var failed []string
	progress, err := spool.Fill(t.Context(), s3.Of(client(server)), s3.Options{Failed: func(f s3.Failure) { failed = append(failed, f.Key) }})
	if err != nil || len(failed) != 3 || progress.Copied != 17 || progress.Objects != 20 {
		t.Fatalf("got %+v, failed %q, %v", progress, failed, err)
	}
	for _, k := range failed {
		if _, there := copies(t, spool)["s3://logs/"+k]; there {
			t.Errorf("%s failed, and is there", k)
		}
	}
	// Again: only what is missing is asked for.
	before := len(server.Calls("GetObject"))
	reports := 0
	progress, err = spool.Fill(t.Context(), s3.Of(client(server)), s3.Options{Report: func(s3.Progress) { reports++ }})
	if err != nil || progress.Copied != 20 || len(server.Calls("GetObject"))-before != 3 || reports != 20 {
		t.Errorf("got %+v with %d requests, %d reports, %v", progress, len(server.Calls("GetObject"))-before, reports, err)
	}
	if diff := cmp.Diff(want, copies(t, spool)); diff != "" {
		t.Errorf("copies (-want +got):\n%s", diff)
	}
	if err := spool.Remove(); err != nil {
		t.Error(err)
	}
	if _, err := os.Stat(spool.Dir()); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the spool is still there: %v", err)
	}
}

// TestHostileKeys holds that no key leaves the spool's folder.
func TestHostileKeys(t *testing.T) {
	server := s3test.New(t, "logs")
	keys := []string{"../../etc/passwd.json", "a//b.json", "a/../b.json", "/abs.json", ".hidden.json", "a\\b.json", "a:b.json", "é.json.gz", strings.Repeat("x", 300) + ".json", "nul\x01.json", "a./b."}
	for _, k := range keys {
		server.Put(k, "x")
	}
	dir := t.TempDir()
	spool, err := s3.Open(filepath.Join(dir, "spool"), s3.Source{Bucket: "logs"})
	if err != nil {
		t.Fatal(err)
	}
	progress, err := spool.Fill(t.Context(), s3.Of(client(server)), s3.Options{Failed: func(f s3.Failure) { t.Errorf("%q: %v", f.Key, f.Err) }})
	if err != nil || progress.Copied != int64(len(keys)) || len(copies(t, spool)) != len(keys) {
		t.Errorf("got %+v, %v, %d files; want each of %d keys in a file of its own", progress, err, len(copies(t, spool)), len(keys))
	}
	if entries, err := os.ReadDir(dir); err != nil || len(entries) != 1 {
		t.Errorf("beside the spool there is %v, %v", entries, err)
	}
}

func TestFillGivesUp(t *testing.T) {
	server := s3test.New(t, "logs")
	for n := range 200 {
		server.Put(fmt.Sprintf("f%03d.json", n), "x")
	}
	server.Inject("GetObject", 200, s3test.Fault{Status: http.StatusForbidden, Code: "AccessDenied"})
	spool, err := s3.Open(t.TempDir(), s3.Source{Bucket: "logs"})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := spool.Fill(t.Context(), s3.Of(client(server)), s3.Options{Workers: 2}); !errors.Is(err, s3.ErrGaveUp) || !strings.Contains(err.Error(), "AccessDenied") {
		t.Errorf("got %v, want that it gave up", err)
	}
	if n := len(server.Calls("GetObject")); n > 30 {
		t.Errorf("%d files were asked for", n)
	}
	ctx, cancel := context.WithCancelCause(t.Context())
	enough := errors.New("interrupted")
	cancel(enough)
	if _, err := spool.Fill(ctx, s3.Of(client(server)), s3.Options{}); err == nil {
		t.Error("interrupted: want an error")
	}
}
