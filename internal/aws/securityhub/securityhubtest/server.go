// Package securityhubtest is an AWS Security Hub for tests: BatchImportFindings,
// over HTTP, so that the real SDK client is what is tested. It follows the AWS
// Security Hub API Reference.
package securityhubtest

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
)

// Finding is one as it was imported last.
type Finding map[string]any

// Text is a field that is a text, "" where it is not there.
func (f Finding) Text(name string) string {
	s, _ := f[name].(string)
	return s
}

// Fault is how a request goes wrong.
type Fault struct {
	Status int    // of the answer; 0 drops the connection
	Code   string // such as "LimitExceededException"
	After  bool   // it is imported first: an answer that gets lost
}

// Server is a Security Hub that keeps what is imported.
type Server struct {
	URL string

	account  string
	mu       sync.Mutex
	findings []Finding // in the order in which they were made
	batches  []int     // findings in each request
	faults   []Fault
	refuse   map[string]string // finding ID to error code
	disabled bool
}

// New starts the Security Hub of an account, which ends with the test.
func New(tb testing.TB, account string) *Server {
	tb.Helper()
	s := &Server{account: account, refuse: map[string]string{}}
	web := httptest.NewServer(s)
	tb.Cleanup(web.Close)
	s.URL = web.URL
	return s
}

// Inject makes the next n requests go wrong.
func (s *Server) Inject(n int, f Fault) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.faults = append(s.faults, slices.Repeat([]Fault{f}, n)...)
}

// Refuse makes the import of one finding fail with a code, until the code is "".
func (s *Server) Refuse(id, code string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.refuse[id] = code
}

// Disable is Security Hub not being enabled in the account, until set to false.
func (s *Server) Disable(disabled bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.disabled = disabled
}

// Findings are those imported so far.
func (s *Server) Findings() []Finding {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.findings)
}

// Batches is how many findings came in each request.
func (s *Server) Batches() []int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.batches)
}

// ServeHTTP handles one request.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if r.Method != http.MethodPost || r.URL.Path != "/findings/import" {
		fail(w, http.StatusNotFound, "ResourceNotFoundException", r.Method+" "+r.URL.Path)
		return
	}
	var in struct{ Findings []Finding }
	if err := json.NewDecoder(r.Body).Decode(&in); err != nil {
		fail(w, http.StatusBadRequest, "InvalidInputException", err.Error())
		return
	}
	s.batches = append(s.batches, len(in.Findings))
	var fault Fault
	faulty := len(s.faults) > 0
	if faulty {
		fault, s.faults = s.faults[0], s.faults[1:]
	}
	switch {
	case s.disabled:
		fail(w, http.StatusForbidden, "InvalidAccessException", "Account "+s.account+" is not subscribed to AWS Security Hub")
		return
	case len(in.Findings) == 0 || len(in.Findings) > 100:
		fail(w, http.StatusBadRequest, "InvalidInputException", fmt.Sprintf("%d findings", len(in.Findings)))
		return
	}
	type failure struct{ Id, ErrorCode, ErrorMessage string }
	failed := []failure{}
	if !faulty || fault.After {
		for _, f := range in.Findings {
			if code := s.refuse[f.Text("Id")]; code != "" {
				failed = append(failed, failure{f.Text("Id"), code, "injected"})
			} else if problem := s.take(f); problem != "" {
				failed = append(failed, failure{f.Text("Id"), "InvalidInput", problem})
			}
		}
	}
	switch {
	case faulty && fault.Status == 0:
		panic(http.ErrAbortHandler)
	case faulty:
		fail(w, fault.Status, fault.Code, "injected")
	default:
		w.Header().Set("Content-Type", "application/json")
		_ = json.NewEncoder(w).Encode(map[string]any{"FailedCount": len(failed), "SuccessCount": len(in.Findings) - len(failed),
			"FailedFindings": failed})
	}
}

// required of every finding (API Reference, AwsSecurityFinding).
var required = []string{"SchemaVersion", "Id", "ProductArn", "GeneratorId", "AwsAccountId", "CreatedAt", "UpdatedAt", "Title",
	"Description", "Resources"}

// take keeps a finding, or says what is wrong with it. One whose Id is known is
// updated, but for the fields that are its owner's (API Reference,
// BatchImportFindings).
func (s *Server) take(f Finding) (problem string) {
	for _, name := range required {
		if f[name] == nil || f[name] == "" {
			return name + " is missing"
		}
	}
	if f.Text("AwsAccountId") != s.account || !strings.HasSuffix(f.Text("ProductArn"), ":"+s.account+":product/"+s.account+"/default") {
		return "the finding is not of the caller's account and its default product"
	}
	for _, have := range s.findings {
		if have.Text("Id") != f.Text("Id") {
			continue
		}
		if f.Text("UpdatedAt") < have.Text("UpdatedAt") {
			return "" // older than what is known
		}
		for name, value := range f {
			if name != "Workflow" && name != "Note" {
				have[name] = value
			}
		}
		return ""
	}
	s.findings = append(s.findings, f)
	return ""
}

func fail(w http.ResponseWriter, status int, code, message string) {
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("X-Amzn-Errortype", code)
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(map[string]string{"Code": code, "Message": message})
}
