// Package organizationstest is an AWS Organizations for tests: DescribeAccount
// over HTTP, so that the real SDK client is what is tested. It follows the AWS
// Organizations API Reference.
package organizationstest

import (
	"encoding/json"
	"maps"
	"net/http"
	"net/http/httptest"
	"slices"
	"sync"
	"testing"
)

// Server is an organization.
type Server struct {
	URL string

	mu     sync.Mutex
	names  map[string]string // account ID to name
	asked  []string
	refuse string
	stall  chan struct{}
}

// New starts a server that ends with the test.
func New(tb testing.TB) *Server {
	tb.Helper()
	s := &Server{names: map[string]string{}}
	web := httptest.NewServer(s)
	tb.Cleanup(web.Close)
	s.URL = web.URL
	return s
}

// Set makes accounts members, or gives them other names.
func (s *Server) Set(names map[string]string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	maps.Copy(s.names, names)
}

// Refuse fails every call with a code, such as "AccessDeniedException", until
// it is called with "".
func (s *Server) Refuse(code string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.refuse = code
}

// Stall leaves calls without an answer until release is called.
func (s *Server) Stall() (release func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	stall := make(chan struct{})
	s.stall = stall
	return func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		s.stall = nil
		close(stall)
	}
}

// Asked lists the accounts that were asked about, in order.
func (s *Server) Asked() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.asked)
}

// ServeHTTP handles one request.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	status, body := s.do(r)
	w.Header().Set("Content-Type", "application/x-amz-json-1.1")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(body) // a client that gave up reads nothing
}

func (s *Server) do(r *http.Request) (int, map[string]any) {
	failed := func(code string) (int, map[string]any) {
		return http.StatusBadRequest, map[string]any{"__type": code, "Message": code}
	}
	if target := r.Header.Get("X-Amz-Target"); target != "AWSOrganizationsV20161128.DescribeAccount" {
		return failed("UnknownOperationException")
	}
	var in struct{ AccountId string }
	if err := json.NewDecoder(r.Body).Decode(&in); err != nil {
		return failed("SerializationException")
	}
	s.mu.Lock()
	s.asked = append(s.asked, in.AccountId)
	name, member := s.names[in.AccountId]
	refuse, stall := s.refuse, s.stall
	s.mu.Unlock()
	if stall != nil {
		<-stall
	}
	switch {
	case refuse != "":
		return failed(refuse)
	case !member:
		return failed("AccountNotFoundException")
	}
	return http.StatusOK, map[string]any{"Account": map[string]any{
		"Id": in.AccountId, "Name": name, "Arn": "arn:aws:organizations::111111111111:account/o-a1b2c3d4e5/" + in.AccountId,
		"Email": "root@example.com", "State": "ACTIVE", "JoinedMethod": "CREATED", "JoinedTimestamp": 1735689600.0,
	}}
}
