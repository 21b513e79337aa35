// Package organizationstest is an AWS Organizations for tests: DescribeAccount,
// ListAccounts, ListParents, DescribeOrganizationalUnit and ListTagsForResource over HTTP,
// so that the real SDK client is what is tested. It follows the AWS Organizations API
// Reference.
package organizationstest

import (
	"cmp"
	"encoding/json"
	"maps"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
)

// Server is an organization.
type Server struct {
	URL string

	PageSize int // accounts in an answer; 0: all

	mu     sync.Mutex
	names  map[string]string   // account ID to name
	states map[string]string   // account ID to its state; ACTIVE where there is none
	units  map[string]unit     // by ID
	parent map[string]string   // of an account; Root where there is none
	tags   map[string][]string // of an account, as key and value in turn
	placed []string
	asked  []string
	refuse string
	stall  chan struct{}
}

// New starts a server that ends with the test.
func New(tb testing.TB) *Server {
	tb.Helper()
	s := &Server{names: map[string]string{}, states: map[string]string{}, units: map[string]unit{}, parent: map[string]string{},
		tags: map[string][]string{}}
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

// SetState changes the state of an account, such as "SUSPENDED"; "" removes it
// from the organization.
func (s *Server) SetState(account, state string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.states[account] = state; state == "" {
		delete(s.names, account)
	}
}

// Root is the ID of the organization's root.
const Root = "r-a1b2"

// unit is an organizational unit.
type unit struct{ name, parent string }

// SetUnit makes an organizational unit, or renames or moves it.
func (s *Server) SetUnit(id, name, parent string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.units[id] = unit{name, parent}
}

// Move puts an account into a unit, or the root.
func (s *Server) Move(account, parent string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.parent[account] = parent
}

// Tag gives an account its tags, as key and value in turn.
func (s *Server) Tag(account string, tags ...string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.tags[account] = tags
}

// Placed lists what was asked about where accounts are, as "ListParents ID".
func (s *Server) Placed() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.placed)
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
	var in struct{ AccountId, NextToken, ChildId, OrganizationalUnitId, ResourceId string }
	if err := json.NewDecoder(r.Body).Decode(&in); err != nil {
		return failed("SerializationException")
	}
	switch r.Header.Get("X-Amz-Target") {
	case "AWSOrganizationsV20161128.DescribeAccount":
	case "AWSOrganizationsV20161128.ListAccounts":
		return s.list(in.NextToken)
	case "AWSOrganizationsV20161128.ListParents":
		return s.place("ListParents", in.ChildId, in.NextToken)
	case "AWSOrganizationsV20161128.DescribeOrganizationalUnit":
		return s.place("DescribeOrganizationalUnit", in.OrganizationalUnitId, "")
	case "AWSOrganizationsV20161128.ListTagsForResource":
		return s.place("ListTagsForResource", in.ResourceId, in.NextToken)
	default:
		return failed("UnknownOperationException")
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
	return http.StatusOK, map[string]any{"Account": account(in.AccountId, name, "ACTIVE")}
}

func failed(code string) (int, map[string]any) {
	return http.StatusBadRequest, map[string]any{"__type": code, "Message": code}
}

func account(id, name, state string) map[string]any {
	return map[string]any{
		"Id": id, "Name": name, "Arn": "arn:aws:organizations::111111111111:account/o-a1b2c3d4e5/" + id,
		"Email": "root@example.com", "State": state, "JoinedMethod": "CREATED", "JoinedTimestamp": 1735689600.0,
	}
}

// list is a page of the accounts. A token is the account before it.
func (s *Server) list(token string) (int, map[string]any) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.refuse != "" {
		return failed(s.refuse)
	}
	page := []map[string]any{}
	for _, id := range slices.Sorted(maps.Keys(s.names)) {
		switch {
		case id <= token:
			continue
		case s.PageSize > 0 && len(page) == s.PageSize:
			return http.StatusOK, map[string]any{"Accounts": page, "NextToken": page[len(page)-1]["Id"]}
		}
		state := "ACTIVE"
		if is, other := s.states[id]; other {
			state = is
		}
		page = append(page, account(id, s.names[id], state))
	}
	return http.StatusOK, map[string]any{"Accounts": page}
}

// place answers about where an account or a unit is, and its tags. Lists begin with an
// empty page, as they may.
func (s *Server) place(call, id, token string) (int, map[string]any) {
	s.mu.Lock()
	s.placed = append(s.placed, call+" "+id)
	refuse, stall := s.refuse, s.stall
	_, member := s.names[id]
	is, known := s.units[id]
	parent, tags := cmp.Or(s.parent[id], Root), s.tags[id]
	s.mu.Unlock()
	if stall != nil {
		<-stall
	}
	switch {
	case refuse != "":
		return failed(refuse)
	case call == "DescribeOrganizationalUnit" && !known:
		return failed("OrganizationalUnitNotFoundException")
	case call == "DescribeOrganizationalUnit":
		return http.StatusOK, map[string]any{"OrganizationalUnit": map[string]any{"Id": id, "Name": is.name,
			"Arn": "arn:aws:organizations::111111111111:ou/o-a1b2c3d4e5/" + id}}
	case call == "ListParents" && !member && !known:
		return failed("ChildNotFoundException")
	case call == "ListTagsForResource" && !member:
		return failed("TargetNotFoundException")
	case token == "":
		return http.StatusOK, map[string]any{"Parents": []any{}, "Tags": []any{}, "NextToken": "more"}
	case call == "ListParents":
		if known {
			parent = is.parent
		}
		kind := "ORGANIZATIONAL_UNIT"
		if strings.HasPrefix(parent, "r-") {
			kind = "ROOT"
		}
		return http.StatusOK, map[string]any{"Parents": []any{map[string]any{"Id": parent, "Type": kind}}}
	}
	all := []any{}
	for pair := range slices.Chunk(tags, 2) {
		all = append(all, map[string]any{"Key": pair[0], "Value": pair[1]})
	}
	return http.StatusOK, map[string]any{"Tags": all}
}
