// Package eventbridgetest has a server that judges event patterns as Amazon
// EventBridge does, for tests.
package eventbridgetest

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"

	"rootguard/internal/eventpattern"
)

// Server answers TestEventPattern. Its fields are set before its first call, or by Set.
type Server struct {
	mu    sync.Mutex
	URL   string
	Limit int    // the highest complexity it takes; New sets 10
	Code  string // answered instead where it is not "", such as "AccessDeniedException"
}

// New starts a server that stops with the test.
func New(tb testing.TB) *Server {
	tb.Helper()
	s := &Server{Limit: 10}
	web := httptest.NewServer(s)
	tb.Cleanup(web.Close)
	s.URL = web.URL
	return s
}

// Set changes the server between calls.
func (s *Server) Set(change func(*Server)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	change(s)
}

// ServeHTTP answers one call.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	defer s.mu.Unlock()
	answer := func(status int, v any) {
		w.Header().Set("Content-Type", "application/x-amz-json-1.1")
		w.WriteHeader(status)
		_ = json.NewEncoder(w).Encode(v)
	}
	fail := func(code, message string) {
		answer(http.StatusBadRequest, map[string]string{"__type": code, "message": message})
	}
	var in struct{ EventPattern, Event string }
	switch err := json.NewDecoder(r.Body).Decode(&in); {
	case err != nil:
		fail("SerializationException", err.Error())
		return
	case r.Header.Get("X-Amz-Target") != "AWSEvents.TestEventPattern":
		fail("UnknownOperationException", r.Header.Get("X-Amz-Target"))
		return
	case s.Code != "":
		fail(s.Code, "no")
		return
	}
	const invalid = "InvalidEventPatternException"
	n, err := eventpattern.Complexity([]byte(in.EventPattern))
	if err != nil {
		fail(invalid, "Event pattern is not valid. Reason: "+err.Error())
		return
	}
	if n > s.Limit {
		fail(invalid, "Rule is too complex - try using fewer wildcard characters or fewer repeating character sequences after a wildcard character")
		return
	}
	var event map[string]any
	if json.Unmarshal([]byte(in.Event), &event) != nil {
		fail("ValidationException", "Parameter Event is not valid.")
		return
	}
	for _, name := range strings.Fields("id account source time region resources detail-type") {
		if event[name] == nil {
			fail("ValidationException", "Parameter Event is not valid. Reason: "+name+" is missing")
			return
		}
	}
	p, err := eventpattern.Compile([]byte(in.EventPattern))
	if err != nil {
		fail(invalid, err.Error())
		return
	}
	ok, err := p.Match([]byte(in.Event))
	if err != nil {
		fail("ValidationException", err.Error())
		return
	}
	answer(http.StatusOK, map[string]bool{"Result": ok})
}
