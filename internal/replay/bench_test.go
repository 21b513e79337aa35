package replay

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"runtime"
	"runtime/debug"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/klauspost/compress/gzip"

	"rootguard/internal/cloudtrail"
	"rootguard/internal/detect"
)

// benchMB is the variable that sets the load's size, in MB of compressed logs.
const benchMB = "ROOTGUARD_BENCH_MB"

// BenchmarkReplay replays a generated load and compares that with two other
// ways through the same files with the same number of goroutines: decompressing
// alone, by the fastest library, and decoding every record with encoding/json into
// the same fields. The ways take turns, and the best time of each counts: other work on the machine
// can only add to a time.
func BenchmarkReplay(b *testing.B) {
	mb := 48
	if s := os.Getenv(benchMB); s != "" {
		var err error
		if mb, err = strconv.Atoi(s); err != nil || mb <= 0 {
			b.Fatalf("%s=%q is no number of MB", benchMB, s)
		}
	}
	root := b.TempDir()
	paths := writeLoad(b, root, int64(mb)<<20)
	rounds := max(1, 240/mb)

	var sum Summary
	ways := []struct {
		name string
		run  func()
		best time.Duration
		peak int64
	}{
		{name: "replay", run: func() { sum = replayLoad(b, root, detect.Candidate) }},
		{name: "gunzip", run: func() { gunzipLoad(b, paths) }},
		{name: "encoding/json", run: func() { jsonLoad(b, paths) }},
	}
	for b.Loop() {
		for range rounds {
			for k := range ways {
				way := &ways[k]
				debug.FreeOSMemory()
				resetPeak()
				start := time.Now()
				way.run()
				if took := time.Since(start); way.best == 0 || took < way.best {
					way.best = took
				}
				way.peak = max(way.peak, peak(b))
			}
		}
	}
	replay, gunzip, reference := &ways[0], &ways[1], &ways[2]

	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	held := replayLoad(b, root, func(cloudtrail.Header) bool { return false })
	runtime.ReadMemStats(&after)

	perSecond := func(n int64, way time.Duration) float64 { return float64(n) / way.Seconds() }
	metrics := []struct {
		value float64
		unit  string
	}{
		{perSecond(sum.Records, replay.best), "records/s"},
		{perSecond(sum.JSONBytes, replay.best) / 1e6, "JSON-MB/s"},
		{float64(replay.peak) / (1 << 20), "peak-RSS-MB"},
		{float64(after.Mallocs-before.Mallocs) / float64(held.Records), "allocs/irrelevant"},
		{gunzip.best.Seconds() / replay.best.Seconds(), "x-gunzip"},
		{reference.best.Seconds() / replay.best.Seconds(), "x-encoding/json"},
	}
	for _, m := range metrics {
		b.ReportMetric(m.value, m.unit)
	}
	b.ReportMetric(0, "ns/op") // of all ways and rounds together: shows nothing

	b.Logf("%d files, %.0f MB compressed, %.0f MB of JSON, %d records of %d bytes, %.1f %% candidates, %d goroutines",
		sum.Files, float64(sum.Bytes)/1e6, float64(sum.JSONBytes)/1e6, sum.Records, sum.JSONBytes/sum.Records, 100*float64(sum.Candidates)/float64(sum.Records), runtime.GOMAXPROCS(0))
	for _, way := range ways {
		b.Logf("%-14s %8.3f s  %9.0f records/s  %6.0f MB/s of JSON  peak memory %4.0f MB",
			way.name, way.best.Seconds(), perSecond(sum.Records, way.best), perSecond(sum.JSONBytes, way.best)/1e6, float64(way.peak)/(1<<20))
	}
	b.Logf("replay runs at %.2f of gunzip alone (goal: 0.75 or more) and %.1f times encoding/json (goal: 6 or more)", metrics[4].value, metrics[5].value)
	b.Logf("%.3f allocations per irrelevant record (goal: below 1), peak memory %.0f MB (goal: below 150)", metrics[3].value, metrics[2].value)
}

func replayLoad(b *testing.B, root string, filter cloudtrail.Filter) Summary {
	b.Helper()
	sum, err := Run(b.Context(), Options{
		Paths: []string{root}, Filter: filter,
		Problem: func(p Problem) { b.Errorf("problem: %+v", p) },
	}, func(context.Context, *cloudtrail.Record, Place) error { return nil })
	if err != nil {
		b.Fatal(err)
	}
	return sum
}

// eachFile calls read for every file, in GOMAXPROCS goroutines.
func eachFile(b *testing.B, paths []string, read func(zipped *gzip.Reader) error) {
	b.Helper()
	var next atomic.Int64
	var all sync.WaitGroup
	for range runtime.GOMAXPROCS(0) {
		all.Go(func() {
			buffered := bufio.NewReaderSize(nil, 64<<10)
			var zipped gzip.Reader
			for {
				k := int(next.Add(1)) - 1
				if k >= len(paths) {
					return
				}
				if err := eachByte(paths[k], buffered, &zipped, read); err != nil {
					b.Errorf("%s: %v", paths[k], err)
				}
			}
		})
	}
	all.Wait()
}

func eachByte(path string, buffered *bufio.Reader, zipped *gzip.Reader, read func(zipped *gzip.Reader) error) error {
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	defer func() { _ = f.Close() }()
	buffered.Reset(f)
	if err := zipped.Reset(buffered); err != nil {
		return err
	}
	return read(zipped)
}

func gunzipLoad(b *testing.B, paths []string) {
	b.Helper()
	eachFile(b, paths, func(zipped *gzip.Reader) error {
		_, err := io.Copy(io.Discard, zipped)
		return err
	})
}

// tagged is what a cloudtrail.Record holds, for encoding/json.
type tagged struct {
	EventVersion       string    `json:"eventVersion"`
	EventID            string    `json:"eventID"`
	SharedEventID      string    `json:"sharedEventID"`
	EventTime          time.Time `json:"eventTime"`
	EventSource        string    `json:"eventSource"`
	EventName          string    `json:"eventName"`
	EventType          string    `json:"eventType"`
	AWSRegion          string    `json:"awsRegion"`
	SourceIPAddress    string    `json:"sourceIPAddress"`
	UserAgent          string    `json:"userAgent"`
	ErrorCode          string    `json:"errorCode"`
	ErrorMessage       string    `json:"errorMessage"`
	ReadOnly           *bool     `json:"readOnly"`
	RecipientAccountID string    `json:"recipientAccountId"`
	UserIdentity       struct {
		Type           string `json:"type"`
		PrincipalID    string `json:"principalId"`
		ARN            string `json:"arn"`
		AccountID      string `json:"accountId"`
		AccessKeyID    string `json:"accessKeyId"`
		UserName       string `json:"userName"`
		InvokedBy      string `json:"invokedBy"`
		SessionContext struct {
			AssumedRoot string `json:"assumedRoot"`
			Attributes  struct {
				CreationDate     time.Time `json:"creationDate"`
				MFAAuthenticated string    `json:"mfaAuthenticated"`
			} `json:"attributes"`
			SessionIssuer struct {
				Type     string `json:"type"`
				ARN      string `json:"arn"`
				UserName string `json:"userName"`
			} `json:"sessionIssuer"`
		} `json:"sessionContext"`
	} `json:"userIdentity"`
	RequestParameters   json.RawMessage `json:"requestParameters"`
	ResponseElements    json.RawMessage `json:"responseElements"`
	AdditionalEventData json.RawMessage `json:"additionalEventData"`
	ServiceEventDetails json.RawMessage `json:"serviceEventDetails"`
}

// jsonLoad decodes record after record, which is faster here than decoding a
// file at once, and keeps the same memory bounds as a replay.
func jsonLoad(b *testing.B, paths []string) {
	b.Helper()
	var candidates atomic.Int64
	eachFile(b, paths, func(zipped *gzip.Reader) error {
		in := json.NewDecoder(zipped)
		for range 3 { // the brace, "Records" and the bracket
			if _, err := in.Token(); err != nil {
				return err
			}
		}
		for in.More() {
			var rec tagged
			if err := in.Decode(&rec); err != nil {
				return err
			}
			if detect.Candidate(cloudtrail.Header{EventSource: []byte(rec.EventSource), EventName: []byte(rec.EventName), IdentityType: []byte(rec.UserIdentity.Type)}) {
				candidates.Add(1)
			}
		}
		return nil
	})
	if candidates.Load() == 0 {
		b.Error("encoding/json found no candidates")
	}
}

// resetPeak makes the kernel forget the most memory the process had, where it can.
func resetPeak() {
	_ = os.WriteFile("/proc/self/clear_refs", []byte("5"), 0)
}

// peak is the most memory in bytes the process had, 0 where the system does not
// report.
func peak(b *testing.B) int64 {
	b.Helper()
	status, err := os.ReadFile("/proc/self/status")
	if err != nil {
		return 0
	}
	_, rest, _ := bytes.Cut(status, []byte("VmHWM:"))
	line, _, _ := strings.Cut(string(rest), "\n")
	var kib int64
	if _, err := fmt.Sscanf(line, "%d", &kib); err != nil {
		b.Fatalf("reading VmHWM: %v", err)
	}
	return kib << 10
}
