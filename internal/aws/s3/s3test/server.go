// Package s3test is an Amazon S3 for tests: buckets over HTTP, so that the real
// SDK client is what is tested. It follows the Amazon S3 API Reference.
package s3test

import (
	"encoding/base64"
	"encoding/xml"
	"fmt"
	"hash/fnv"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
)

// Fault is how a request goes wrong.
type Fault struct {
	Status int    // of the answer; 0 drops the connection
	Code   string // such as "AccessDenied"
	Half   bool   // of GetObject: the connection drops in the middle of the file
}

// Server is an S3 with one bucket.
type Server struct {
	URL     string
	Bucket  string
	Region  string
	MaxKeys int // of a page; 0 is S3's own 1,000

	mu      sync.Mutex
	objects map[string][]byte
	classes map[string]string
	calls   map[string][]string // what was asked for, by operation
	faults  map[string][]Fault
}

// New starts a server that ends with the test.
func New(tb testing.TB, bucket string) *Server {
	tb.Helper()
	s := &Server{Bucket: bucket, Region: "eu-west-1", objects: map[string][]byte{}, classes: map[string]string{}, calls: map[string][]string{},
		faults: map[string][]Fault{}}
	web := httptest.NewServer(s)
	tb.Cleanup(web.Close)
	s.URL = web.URL
	return s
}

// Put puts an object into the bucket.
func (s *Server) Put(key, content string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.objects[key] = []byte(content)
}

// Freeze moves an object to a storage class, such as "DEEP_ARCHIVE".
func (s *Server) Freeze(key, class string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.classes[key] = class
}

// Inject makes the next n requests for an operation (HeadBucket, ListObjectsV2,
// GetObject) go wrong.
func (s *Server) Inject(op string, n int, f Fault) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.faults[op] = append(s.faults[op], slices.Repeat([]Fault{f}, n)...)
}

// Calls are the keys or prefixes that an operation was asked for, failed requests included.
func (s *Server) Calls(op string) []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.calls[op])
}

type listResult struct {
	XMLName               xml.Name `xml:"http://s3.amazonaws.com/doc/2006-03-01/ ListBucketResult"`
	Name, Prefix          string
	Delimiter             string `xml:",omitempty"`
	EncodingType          string
	KeyCount, MaxKeys     int
	IsTruncated           bool
	NextContinuationToken string `xml:",omitempty"`
	Contents              []content
	CommonPrefixes        []struct{ Prefix string }
}

type content struct {
	Key, ETag, StorageClass string
	Size                    int
}

// ServeHTTP handles one request, with the bucket in the path.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	defer s.mu.Unlock()
	bucket, key, _ := strings.Cut(strings.TrimPrefix(r.URL.Path, "/"), "/")
	query := r.URL.Query()
	op, about := "GetObject", key
	switch {
	case r.Method == http.MethodHead:
		op, about = "HeadBucket", bucket
	case query.Get("list-type") == "2":
		op, about = "ListObjectsV2", query.Get("prefix")
	}
	s.calls[op] = append(s.calls[op], about)
	if bucket != s.Bucket {
		fail(w, http.StatusNotFound, "NoSuchBucket")
		return
	}
	w.Header().Set("X-Amz-Bucket-Region", s.Region)
	var fault Fault
	if queue := s.faults[op]; len(queue) > 0 {
		fault, s.faults[op] = queue[0], queue[1:]
		if !fault.Half {
			if fault.Status == 0 {
				drop(w)
				return
			}
			fail(w, fault.Status, fault.Code)
			return
		}
	}
	switch op {
	case "HeadBucket":
	case "ListObjectsV2":
		if query.Get("encoding-type") != "url" { // keys that XML cannot hold would be lost
			fail(w, http.StatusNotImplemented, "NotImplemented")
			return
		}
		s.list(w, query.Get("prefix"), query.Get("delimiter"), query.Get("start-after"), query.Get("continuation-token"))
	default:
		data, ok := s.objects[key]
		switch {
		case !ok:
			fail(w, http.StatusNotFound, "NoSuchKey")
		case s.classes[key] != "":
			fail(w, http.StatusForbidden, "InvalidObjectState")
		case r.Header.Get("If-Match") != "" && r.Header.Get("If-Match") != etag(data):
			fail(w, http.StatusPreconditionFailed, "PreconditionFailed")
		default:
			w.Header().Set("Content-Length", strconv.Itoa(len(data)))
			w.Header().Set("ETag", etag(data))
			if fault.Half {
				_, _ = w.Write(data[:len(data)/2])
				_ = http.NewResponseController(w).Flush() // else none of it leaves, and net/http asks again
				panic(http.ErrAbortHandler)
			}
			_, _ = w.Write(data)
		}
	}
}

// drop ends the connection within the answer's first line. Ended before it, on a
// connection that served a request already, net/http asks again by itself, unseen.
func drop(w http.ResponseWriter) {
	conn, buf, err := w.(http.Hijacker).Hijack()
	if err != nil {
		panic(http.ErrAbortHandler)
	}
	_, _ = buf.WriteString("HTTP/1.1 ")
	_ = buf.Flush() // the client sees a broken answer in any case
	_ = conn.Close()
}

// list writes a page. A token is where the page before ended, and no key.
func (s *Server) list(w http.ResponseWriter, prefix, delimiter, startAfter, token string) {
	after := startAfter
	if token != "" {
		data, err := base64.StdEncoding.DecodeString(token)
		if err != nil {
			fail(w, http.StatusBadRequest, "InvalidArgument")
			return
		}
		after = string(data)
	}
	most := s.MaxKeys
	if most == 0 {
		most = 1000
	}
	out := listResult{Name: s.Bucket, Prefix: encoded(prefix), Delimiter: encoded(delimiter), EncodingType: "url", MaxKeys: most}
	var keys []string
	for key := range s.objects {
		keys = append(keys, key)
	}
	slices.Sort(keys)
	last := ""
	for _, key := range keys {
		rest, ok := strings.CutPrefix(key, prefix)
		if !ok || key <= after {
			continue
		}
		common := ""
		if i := strings.Index(rest, delimiter); delimiter != "" && i >= 0 {
			if common = prefix + rest[:i+1]; common == last || strings.HasPrefix(after, common) {
				continue
			}
		}
		if out.KeyCount == most {
			out.IsTruncated = true
			out.NextContinuationToken = base64.StdEncoding.EncodeToString([]byte(last))
			break
		}
		out.KeyCount++
		if common != "" {
			out.CommonPrefixes = append(out.CommonPrefixes, struct{ Prefix string }{encoded(common)})
			last = common
			continue
		}
		class := "STANDARD"
		if s.classes[key] != "" {
			class = s.classes[key]
		}
		out.Contents = append(out.Contents, content{Key: encoded(key), ETag: etag(s.objects[key]), StorageClass: class,
			Size: len(s.objects[key])})
		last = key
	}
	w.Header().Set("Content-Type", "application/xml")
	_ = xml.NewEncoder(w).Encode(out) // the client sees a broken answer
}

func encoded(text string) string { return strings.ReplaceAll(url.QueryEscape(text), "%2F", "/") }

func etag(data []byte) string {
	h := fnv.New64a()
	_, _ = h.Write(data)
	return fmt.Sprintf(`"%x"`, h.Sum64())
}

func fail(w http.ResponseWriter, status int, code string) {
	w.Header().Set("Content-Type", "application/xml")
	w.WriteHeader(status)
	_, _ = fmt.Fprintf(w, `<?xml version="1.0" encoding="UTF-8"?><Error><Code>%s</Code><Message>%s</Message></Error>`, code, code)
}
