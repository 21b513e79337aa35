// Package cloudformationtest is the part of CloudFormation that says what stacks did.
package cloudformationtest

import (
	"encoding/xml"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"
)

// Event is an event of a stack.
type Event struct {
	ID         string
	At         time.Time
	Type       string // of the resource; "" of the stack itself
	Physical   string // the resource's name or ARN
	Properties string // JSON
	Status     string
}

// pageSize is how many events an answer has, fewer than CloudFormation gives, so that
// few events are several pages.
const pageSize = 3

// Server answers DescribeStackEvents, latest first, a page at a time. It is safe for
// concurrent use.
type Server struct {
	URL string

	account string
	mu      sync.Mutex
	stacks  map[string][]Event // by Region and name
	asked   int
}

// New starts a server of an account's stacks.
func New(tb testing.TB, account string) *Server {
	tb.Helper()
	s := &Server{account: account, stacks: map[string][]Event{}}
	server := httptest.NewServer(s)
	tb.Cleanup(server.Close)
	s.URL = server.URL
	return s
}

// Add has a stack do something, in the order of the events' times.
func (s *Server) Add(region, stack string, events ...Event) {
	s.mu.Lock()
	defer s.mu.Unlock()
	all := slices.Concat(s.stacks[region+"/"+stack], events)
	slices.SortStableFunc(all, func(a, b Event) int { return b.At.Compare(a.At) })
	s.stacks[region+"/"+stack] = all
}

// Asked counts the questions so far.
func (s *Server) Asked() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.asked
}

func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.asked++
	w.Header().Set("Content-Type", "text/xml")
	name, region := r.FormValue("StackName"), ""
	if scope := strings.Split(r.Header.Get("Authorization"), "/"); len(scope) > 2 {
		region = scope[2]
	}
	events, ok := s.stacks[region+"/"+name]
	if !ok || r.FormValue("Action") != "DescribeStackEvents" {
		w.WriteHeader(http.StatusBadRequest)
		_, _ = fmt.Fprintf(w, "<ErrorResponse><Error><Type>Sender</Type><Code>ValidationError</Code><Message>Stack [%s] does not exist</Message></Error></ErrorResponse>", url.PathEscape(name))
		return
	}
	from, _ := strconv.Atoi(r.FormValue("NextToken")) // none is the first page
	end := min(from+pageSize, len(events))
	var b strings.Builder
	stackID := fmt.Sprintf("arn:aws:cloudformation:%s:%s:stack/%s/0f1e", region, s.account, name)
	for _, e := range events[from:end] {
		if e.Type == "" {
			e.Type, e.Physical = "AWS::CloudFormation::Stack", stackID
		}
		b.WriteString("<member>")
		for _, field := range [][2]string{
			{"StackId", stackID}, {"StackName", name}, {"EventId", e.ID}, {"Timestamp", e.At.UTC().Format(time.RFC3339Nano)},
			{"ResourceType", e.Type}, {"PhysicalResourceId", e.Physical}, {"ResourceProperties", e.Properties}, {"ResourceStatus", e.Status},
		} {
			b.WriteString("<" + field[0] + ">")
			_ = xml.EscapeText(&b, []byte(field[1])) // a builder fails never
			b.WriteString("</" + field[0] + ">")
		}
		b.WriteString("</member>")
	}
	next := ""
	if end < len(events) {
		next = fmt.Sprintf("<NextToken>%d</NextToken>", end)
	}
	_, _ = fmt.Fprintf(w, "<DescribeStackEventsResponse><DescribeStackEventsResult><StackEvents>%s</StackEvents>%s</DescribeStackEventsResult></DescribeStackEventsResponse>", b.String(), next)
}
