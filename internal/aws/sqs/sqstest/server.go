// Package sqstest is an Amazon SQS for tests: queues over HTTP, so that the real
// SDK client is what is tested. It follows the Amazon SQS API Reference.
package sqstest

import (
	"crypto/md5" //nolint:gosec // SQS sends it as a checksum
	"encoding/hex"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"
)

// Fault is how a request goes wrong.
type Fault struct {
	Status int    // of the answer; 0 drops the connection
	Code   string // such as "AccessDenied"
	After  bool   // it is done first: an answer that gets lost
}

// Server is an SQS. Its queues are made by the first message sent to them.
type Server struct {
	URL string
	Now func() time.Time // what hidden messages go by; nil: time.Now

	mu     sync.Mutex
	queues map[string][]*message
	calls  map[string]int
	faults map[string][]Fault
	last   int
}

type message struct {
	id, body, receipt string
	sent, visible     time.Time
	receives          int
}

// New starts a server that ends with the test.
func New(tb testing.TB) *Server {
	tb.Helper()
	s := &Server{queues: map[string][]*message{}, calls: map[string]int{}, faults: map[string][]Fault{}}
	web := httptest.NewServer(s)
	tb.Cleanup(web.Close)
	s.URL = web.URL
	return s
}

// Queue makes a queue where there is none of the name, and returns its URL.
func (s *Server) Queue(name string) string {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.queues[name] == nil {
		s.queues[name] = []*message{}
	}
	return s.URL + "/111111111111/" + name
}

// Send puts messages on a queue and returns its URL.
func (s *Server) Send(name string, bodies ...string) string {
	url := s.Queue(name)
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, body := range bodies {
		s.last++
		s.queues[name] = append(s.queues[name], &message{id: fmt.Sprintf("message-%d", s.last), body: body, sent: s.now()})
	}
	return url
}

// Bodies are those of all messages on a queue, hidden ones included, oldest first.
func (s *Server) Bodies(name string) []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	bodies := make([]string, len(s.queues[name]))
	for i, m := range s.queues[name] {
		bodies[i] = m.body
	}
	return bodies
}

// Hidden is how many messages of a queue cannot be received now.
func (s *Server) Hidden(name string) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	n := 0
	for _, m := range s.queues[name] {
		if m.visible.After(s.now()) {
			n++
		}
	}
	return n
}

// Inject makes the next n requests for an operation go wrong.
func (s *Server) Inject(op string, n int, f Fault) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.faults[op] = append(s.faults[op], slices.Repeat([]Fault{f}, n)...)
}

// Calls is how many requests for an operation came, failed ones included.
func (s *Server) Calls(op string) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.calls[op]
}

func (s *Server) now() time.Time {
	if s.Now != nil {
		return s.Now()
	}
	return time.Now()
}

type request struct {
	QueueURL            string `json:"QueueUrl"`
	QueueName           string
	ReceiptHandle       string
	MaxNumberOfMessages int
	VisibilityTimeout   *int
	WaitTimeSeconds     int
}

// ServeHTTP handles one request. One that may wait for messages does not.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	var req request
	if err := json.NewDecoder(r.Body).Decode(&req); err != nil {
		fail(w, http.StatusBadRequest, "SerializationException")
		return
	}
	op := strings.TrimPrefix(r.Header.Get("X-Amz-Target"), "AmazonSQS.")
	s.mu.Lock()
	defer s.mu.Unlock()
	s.calls[op]++
	var fault Fault
	queue := s.faults[op]
	faulty := len(queue) > 0
	if faulty {
		fault, s.faults[op] = queue[0], queue[1:]
	}
	if !faulty || fault.After {
		out, code := s.do(op, req)
		if code != "" {
			fail(w, http.StatusBadRequest, code)
			return
		}
		if !faulty {
			w.Header().Set("Content-Type", "application/x-amz-json-1.0")
			_ = json.NewEncoder(w).Encode(out) // the client sees a broken answer
			return
		}
	}
	if fault.Status == 0 {
		panic(http.ErrAbortHandler)
	}
	fail(w, fault.Status, fault.Code)
}

func fail(w http.ResponseWriter, status int, code string) {
	w.Header().Set("Content-Type", "application/x-amz-json-1.0")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(map[string]string{"__type": "com.amazonaws.sqs#" + code, "message": code})
}

const (
	noQueue    = "QueueDoesNotExist"
	badReceipt = "ReceiptHandleIsInvalid"
	badValue   = "InvalidParameterValue"
)

func (s *Server) do(op string, req request) (out any, code string) {
	name := req.QueueName
	if name == "" {
		name = req.QueueURL[strings.LastIndexByte(req.QueueURL, '/')+1:]
	}
	queue, ok := s.queues[name]
	if !ok {
		return nil, noQueue
	}
	switch op {
	case "GetQueueUrl":
		return map[string]string{"QueueUrl": s.URL + "/111111111111/" + name}, ""
	case "ReceiveMessage":
		return s.receive(queue, req)
	case "GetQueueAttributes":
		hidden := 0
		for _, m := range queue {
			if m.visible.After(s.now()) {
				hidden++
			}
		}
		return map[string]any{"Attributes": map[string]string{
			"ApproximateNumberOfMessages": strconv.Itoa(len(queue) - hidden), "ApproximateNumberOfMessagesNotVisible": strconv.Itoa(hidden),
		}}, ""
	}
	i := slices.IndexFunc(queue, func(m *message) bool { return m.receipt != "" && m.receipt == req.ReceiptHandle })
	if i < 0 {
		return nil, badReceipt
	}
	switch op {
	case "DeleteMessage":
		s.queues[name] = slices.Delete(queue, i, i+1)
	case "ChangeMessageVisibility":
		if req.VisibilityTimeout == nil {
			return nil, badValue
		}
		queue[i].visible = s.now().Add(time.Duration(*req.VisibilityTimeout) * time.Second)
	default:
		return nil, "InvalidAction"
	}
	return map[string]any{}, ""
}

func (s *Server) receive(queue []*message, req request) (out any, code string) {
	if req.MaxNumberOfMessages < 1 || req.MaxNumberOfMessages > 10 || req.WaitTimeSeconds > 20 {
		return nil, badValue
	}
	hide := 30
	if req.VisibilityTimeout != nil {
		hide = *req.VisibilityTimeout
	}
	var got []map[string]any
	for _, m := range queue {
		if len(got) == req.MaxNumberOfMessages || m.visible.After(s.now()) {
			continue
		}
		s.last++
		m.receives++
		m.receipt, m.visible = fmt.Sprintf("receipt-%d", s.last), s.now().Add(time.Duration(hide)*time.Second)
		sum := md5.Sum([]byte(m.body)) //nolint:gosec // SQS sends it as a checksum
		got = append(got, map[string]any{
			"MessageId": m.id, "Body": m.body, "ReceiptHandle": m.receipt, "MD5OfBody": hex.EncodeToString(sum[:]),
			"Attributes": map[string]string{"SentTimestamp": strconv.FormatInt(m.sent.UnixMilli(), 10),
				"ApproximateReceiveCount": strconv.Itoa(m.receives)},
		})
	}
	return map[string]any{"Messages": got}, ""
}
