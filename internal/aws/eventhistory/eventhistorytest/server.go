// Package eventhistorytest is CloudTrail's LookupEvents for tests, over HTTP, so
// that the real SDK client is what is tested. It follows the AWS CloudTrail API
// Reference, LookupEvents.
package eventhistorytest

import (
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
	Code   string // such as "ThrottlingException"
}

// Server is the Event history of all Regions; the request's signature says
// which one is asked.
type Server struct {
	URL string
	// Page bounds the events of an answer further; 0 is 50.
	Page int
	// Before, where set, is called before each request, with its number from 1.
	Before func(n int)

	mu     sync.Mutex
	events map[string][]event // by Region
	faults []*Fault           // nil: that request goes well
	calls  []string           // "us-east-1 EventName=CreateUser"
}

type event struct {
	id, name, source, user string
	at                     time.Time
	record                 string
}

// New starts a server that ends with the test.
func New(tb testing.TB) *Server {
	tb.Helper()
	s := &Server{events: map[string][]event{}}
	web := httptest.NewServer(s)
	tb.Cleanup(web.Close)
	s.URL = web.URL
	return s
}

// Add puts CloudTrail records into the history of their Regions. It returns what
// is wrong with one.
func (s *Server) Add(records ...string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, record := range records {
		var r struct {
			EventID, EventName, EventSource, AWSRegion string
			EventTime                                  time.Time
			UserIdentity                               struct{ Type, UserName string }
		}
		if err := json.Unmarshal([]byte(record), &r); err != nil {
			return fmt.Errorf("reading record: %w", err)
		}
		user := r.UserIdentity.UserName
		if r.UserIdentity.Type == "Root" {
			user = "root"
		}
		s.events[r.AWSRegion] = append(s.events[r.AWSRegion], event{r.EventID, r.EventName, r.EventSource, user, r.EventTime, record})
	}
	return nil
}

// Inject makes the next n requests go wrong.
func (s *Server) Inject(n int, f Fault) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.faults = append(s.faults, slices.Repeat([]*Fault{&f}, n)...)
}

// Skip lets n requests go well before those that are injected from now on.
func (s *Server) Skip(n int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.faults = append(s.faults, make([]*Fault, n)...)
}

// Calls lists the requests so far, failed ones included, as "us-east-1 EventName=CreateUser".
func (s *Server) Calls() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.calls)
}

type request struct {
	LookupAttributes   []struct{ AttributeKey, AttributeValue string }
	StartTime, EndTime float64 // epoch seconds
	MaxResults         int
	NextToken          string
}

// ServeHTTP handles one request.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	var req request
	if err := json.NewDecoder(r.Body).Decode(&req); err != nil || !strings.HasSuffix(r.Header.Get("X-Amz-Target"), ".LookupEvents") {
		fail(w, http.StatusBadRequest, "SerializationException")
		return
	}
	// Credential=ID/DATE/REGION/cloudtrail/aws4_request
	region := "?"
	if scope := strings.Split(r.Header.Get("Authorization"), "/"); len(scope) > 2 {
		region = scope[2]
	}
	if len(req.LookupAttributes) != 1 { // it may be none; but then what comes back is everything
		fail(w, http.StatusBadRequest, "InvalidLookupAttributesException")
		return
	}
	asked := req.LookupAttributes[0]
	s.mu.Lock()
	s.calls = append(s.calls, region+" "+asked.AttributeKey+"="+asked.AttributeValue)
	n, before := len(s.calls), s.Before
	var fault *Fault
	if len(s.faults) > 0 {
		fault, s.faults = s.faults[0], s.faults[1:]
	}
	s.mu.Unlock()
	if before != nil {
		before(n)
	}
	switch {
	case fault != nil && fault.Status == 0:
		panic(http.ErrAbortHandler)
	case fault != nil:
		fail(w, fault.Status, fault.Code)
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	out, code := s.page(region, &req)
	if code != "" {
		fail(w, http.StatusBadRequest, code)
		return
	}
	w.Header().Set("Content-Type", "application/x-amz-json-1.1")
	_ = json.NewEncoder(w).Encode(out) // the client sees a broken answer
}

func (s *Server) page(region string, req *request) (out any, code string) {
	if req.MaxResults < 1 || req.MaxResults > 50 {
		return nil, "InvalidMaxResultsException"
	}
	if req.StartTime > req.EndTime {
		return nil, "InvalidTimeRangeException"
	}
	key, value := req.LookupAttributes[0].AttributeKey, req.LookupAttributes[0].AttributeValue
	var found []event
	for _, e := range s.events[region] {
		has, known := map[string]string{"EventName": e.name, "EventSource": e.source, "Username": e.user, "EventId": e.id}[key]
		if !known {
			return nil, "InvalidLookupAttributesException"
		}
		if t := float64(e.at.Unix()); has == value && t >= req.StartTime && t <= req.EndTime {
			found = append(found, e)
		}
	}
	slices.SortStableFunc(found, func(a, b event) int { return b.at.Compare(a.at) })
	// A token holds for the request it came from.
	query := fmt.Sprintf("%s %s=%s %.0f %.0f ", region, key, value, req.StartTime, req.EndTime)
	from := 0
	if req.NextToken != "" {
		at, ok := strings.CutPrefix(req.NextToken, query)
		var err error
		if from, err = strconv.Atoi(at); !ok || err != nil {
			return nil, "InvalidNextTokenException"
		}
	}
	size := req.MaxResults
	if s.Page > 0 {
		size = min(size, s.Page)
	}
	to := min(from+size, len(found))
	events := []map[string]any{}
	for _, e := range found[min(from, to):to] {
		events = append(events, map[string]any{"EventId": e.id, "EventName": e.name, "EventSource": e.source, "EventTime": e.at.Unix(),
			"Username": e.user, "CloudTrailEvent": e.record})
	}
	answer := map[string]any{"Events": events}
	if to < len(found) {
		answer["NextToken"] = query + strconv.Itoa(to)
	}
	return answer, ""
}

func fail(w http.ResponseWriter, status int, code string) {
	w.Header().Set("Content-Type", "application/x-amz-json-1.1")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(map[string]string{"__type": code, "message": "injected or invalid: " + code})
}
