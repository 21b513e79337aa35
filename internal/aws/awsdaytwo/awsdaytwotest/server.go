// Package awsdaytwotest is the services that know whether steps of day two are done,
// over HTTP, so that the real clients are what is tested. IAM is in package iamtest.
package awsdaytwotest

import (
	"cmp"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
)

// Account is what the services know of one account.
type Account struct {
	SecurityContact bool
}

// Done is an account in which every step is done.
func Done() Account { return Account{SecurityContact: true} }

// Server is the services. A caller belongs to the account that iamtest's AssumeRole
// gave it credentials of, all others to the server's home.
type Server struct {
	URL string

	mu       sync.Mutex
	home     string
	accounts map[string]Account
	refuse   map[string]string // error code by call
	calls    []string          // "GetAlternateContact 111122223333"
}

// New starts a server that ends with the test.
func New(tb testing.TB, home string) *Server {
	tb.Helper()
	s := &Server{home: home, accounts: map[string]Account{}, refuse: map[string]string{}}
	web := httptest.NewServer(s)
	tb.Cleanup(web.Close)
	s.URL = web.URL
	return s
}

// Env are the variables by which the SDK's clients find the services.
func (s *Server) Env() map[string]string {
	return map[string]string{"AWS_ENDPOINT_URL_ACCOUNT": s.URL}
}

// Set replaces what is known of an account.
func (s *Server) Set(account string, a Account) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.accounts[account] = a
}

// Refuse makes a call fail with a code, "" for none, until another is given.
func (s *Server) Refuse(call, code string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.refuse[call] = code
}

// Calls lists the calls so far, as "call account".
func (s *Server) Calls() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]string{}, s.calls...)
}

// ServeHTTP handles one request.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	defer s.mu.Unlock()
	account := s.caller(r)
	call := map[string]string{"/getAlternateContact": "GetAlternateContact"}[r.URL.Path]
	s.calls = append(s.calls, cmp.Or(call, r.Method+" "+r.URL.String())+" "+account)
	w.Header().Set("Content-Type", "application/json")
	if code := s.refuse[call]; code != "" {
		fail(w, http.StatusForbidden, code, "User: arn:aws:sts::"+account+":assumed-role/rootguard-sweep is not authorized to perform: "+call)
		return
	}
	is := s.accounts[account]
	switch {
	case call == "GetAlternateContact" && !is.SecurityContact:
		fail(w, http.StatusNotFound, "ResourceNotFoundException", "No contact of the inputted alternate contact type found.")
	case call == "GetAlternateContact":
		_, _ = fmt.Fprint(w, `{"AlternateContact":{"AlternateContactType":"SECURITY","EmailAddress":"security@example.com","Name":"n","PhoneNumber":"1","Title":"t"}}`)
	default:
		fail(w, http.StatusBadRequest, "UnknownOperationException", r.URL.Path)
	}
}

func fail(w http.ResponseWriter, status int, code, message string) {
	w.Header().Set("X-Amzn-Errortype", code)
	w.WriteHeader(status)
	_, _ = fmt.Fprintf(w, `{"__type":%q,"message":%q}`, code, message)
}

// caller is the account of the credentials a request is signed with.
func (s *Server) caller(r *http.Request) string {
	_, credential, _ := strings.Cut(r.Header.Get("Authorization"), "Credential=")
	key, _, _ := strings.Cut(credential, "/")
	if account, ok := strings.CutPrefix(key, "ASIATEST"); ok {
		return account
	}
	return s.home
}
