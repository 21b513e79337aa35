// Package snstest is an Amazon SNS for tests: Publish, and what is said of topics,
// over HTTP, so that the real SDK client is what is tested. It follows the Amazon
// SNS API Reference.
package snstest

import (
	"cmp"
	"encoding/json"
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
)

// Attribute is a message attribute.
type Attribute struct{ Type, Value string }

// Message is what was published.
type Message struct {
	TopicARN   string
	Subject    string
	Body       string            // of a message without a structure
	Bodies     map[string]string // by protocol, of one with a structure
	Attributes map[string]Attribute
}

// Default is the body that a queue or an endpoint receives.
func (m *Message) Default() string {
	if m.Bodies != nil {
		return m.Bodies["default"]
	}
	return m.Body
}

// Fault is how a request goes wrong.
type Fault struct {
	Status int    // of the answer; 0 drops the connection
	Code   string // such as "Throttled"
	After  bool   // it is published first: an answer that gets lost
	Hang   bool   // there is no answer until the caller or the test gives up
}

// Server is an SNS that keeps what is published.
type Server struct {
	URL string

	mu       sync.Mutex
	messages []Message
	calls    int
	faults   map[string][]Fault
	down     bool
	topics   map[string]Topic
	sandbox  bool
	limit    string
	over     <-chan struct{}
}

// Topic is what is reported of a topic.
type Topic struct {
	Confirmed, Pending, Deleted int
	Waiting                     []string // endpoints of e-mail subscriptions that are not confirmed
	Key                         string
	Policy                      string // Deployed where it is ""
	DataProtection              string
	// Subscriptions are those confirmed; where there are none, of as many mails as
	// Confirmed says: to 1@example.com, 2@example.com, …
	Subscriptions []Subscription
}

// Subscription is a confirmed one.
type Subscription struct {
	Protocol, Endpoint string
	Filter             string
	ByLink             bool // it was confirmed by a link, by which it can be ended
}

// Deployed is the policy of a topic as it is deployed.
const Deployed = `{"Version":"2012-10-17","Statement":[{"Sid":"AllowPublishThroughSSLOnly","Effect":"Deny","Principal":"*","Action":"sns:Publish","Resource":"*","Condition":{"Bool":{"aws:SecureTransport":"false"}}},` +
	`{"Sid":"AlarmsPublish","Effect":"Allow","Principal":{"Service":"cloudwatch.amazonaws.com"},"Action":"sns:Publish","Resource":"*"},` +
	`{"Sid":"RulesPublish","Effect":"Allow","Principal":{"Service":"events.amazonaws.com"},"Action":"sns:Publish","Resource":"*"}]}`

// Set sets what is said of a topic from then on. Any other has one subscription.
func (s *Server) Set(topicARN string, t Topic) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.topics[topicARN] = t
}

// New starts a server that ends with the test.
func New(tb testing.TB) *Server {
	tb.Helper()
	s := &Server{faults: map[string][]Fault{}, topics: map[string]Topic{}}
	web := httptest.NewServer(s)
	tb.Cleanup(web.Close)
	over := make(chan struct{})
	tb.Cleanup(func() { close(over) }) // before the server waits for its requests
	s.over = over
	s.URL = web.URL
	return s
}

// Inject makes the next n requests for a topic go wrong.
func (s *Server) Inject(topicARN string, n int, f Fault) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.faults[topicARN] = append(s.faults[topicARN], slices.Repeat([]Fault{f}, n)...)
}

// Down makes every request fail with a server error until it is set to false.
func (s *Server) Down(down bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.down = down
}

// Calls is how many requests came, failed ones included.
func (s *Server) Calls() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.calls
}

// Messages returns what was published so far, in order.
func (s *Server) Messages() []Message {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.messages)
}

// On returns what was published to one topic.
func (s *Server) On(topicARN string) []Message {
	return slices.DeleteFunc(s.Messages(), func(m Message) bool { return m.TopicARN != topicARN })
}

// ServeHTTP handles one request.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if err := r.ParseForm(); err != nil {
		fail(w, http.StatusBadRequest, "MalformedQueryString", err.Error())
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if elsewhere(r) {
		fail(w, http.StatusBadRequest, "InvalidParameter", "Invalid parameter: TopicArn")
		return
	}
	if s.describe(w, r.PostForm) {
		return
	}
	s.calls++
	topic := r.PostForm.Get("TopicArn")
	fault, faulty := Fault{Status: http.StatusServiceUnavailable, Code: "ServiceUnavailable"}, s.down
	if queue := s.faults[topic]; !faulty && len(queue) > 0 {
		fault, faulty, s.faults[topic] = queue[0], true, queue[1:]
	}
	if !faulty || fault.After {
		m, err := publish(r.PostForm)
		if err != nil {
			fail(w, http.StatusBadRequest, "InvalidParameter", err.Error())
			return
		}
		s.messages = append(s.messages, m)
	}
	switch {
	case faulty && fault.Hang:
		s.mu.Unlock() // the other topics go on
		select {
		case <-r.Context().Done():
		case <-s.over:
		}
		s.mu.Lock()
		panic(http.ErrAbortHandler)
	case faulty && fault.Status == 0:
		panic(http.ErrAbortHandler)
	case faulty:
		fail(w, fault.Status, fault.Code, "injected")
	default:
		w.Header().Set("Content-Type", "text/xml")
		fmt.Fprintf(w, `<PublishResponse xmlns="http://sns.amazonaws.com/doc/2010-03-31/"><PublishResult><MessageId>%08d</MessageId></PublishResult><ResponseMetadata><RequestId>r</RequestId></ResponseMetadata></PublishResponse>`, len(s.messages))
	}
}

// elsewhere reports whether a request is signed for another Region than its topic's,
// which knows of no such topic.
func elsewhere(r *http.Request) bool {
	scope := strings.Split(r.Header.Get("Authorization"), "/")
	topic := strings.Split(r.PostForm.Get("TopicArn"), ":")
	return len(scope) > 2 && len(topic) > 3 && topic[3] != "" && scope[2] != topic[3]
}

// confirmed are the confirmed subscriptions of a topic.
func (t *Topic) confirmed() []Subscription {
	if len(t.Subscriptions) > 0 {
		return t.Subscriptions
	}
	all := make([]Subscription, t.Confirmed)
	for i := range all {
		all[i] = Subscription{Protocol: "email", Endpoint: strconv.Itoa(i+1) + "@example.com"}
	}
	return all
}

// Text is what is reported of the account's text messages.
func (s *Server) Text(sandbox bool, limit string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.sandbox, s.limit = sandbox, limit
}

// describe answers the calls that only read.
func (s *Server) describe(w http.ResponseWriter, form url.Values) bool {
	topic := cmp.Or(form.Get("TopicArn"), form.Get("ResourceArn"))
	number := -1
	if subscription := form.Get("SubscriptionArn"); subscription != "" {
		at := strings.LastIndexByte(subscription, ':')
		topic = subscription[:at]
		number, _ = strconv.Atoi(subscription[at+1:]) // as it was listed
	}
	t, ok := s.topics[topic]
	if !ok {
		t.Confirmed = 1
	}
	var b strings.Builder
	call := form.Get("Action")
	b.WriteString("<" + call + "Response><" + call + "Result>")
	text := func(v string) string {
		var escaped strings.Builder
		_ = xml.EscapeText(&escaped, []byte(v)) // a Builder takes all
		return escaped.String()
	}
	entries := func(name string, values map[string]string) {
		b.WriteString("<" + name + ">")
		for key, value := range values {
			if value != "" {
				fmt.Fprintf(&b, "<entry><key>%s</key><value>%s</value></entry>", key, text(value))
			}
		}
		b.WriteString("</" + name + ">")
	}
	switch call {
	case "GetTopicAttributes":
		entries("Attributes", map[string]string{
			"SubscriptionsConfirmed": strconv.Itoa(t.Confirmed), "SubscriptionsPending": strconv.Itoa(t.Pending),
			"SubscriptionsDeleted": strconv.Itoa(t.Deleted), "KmsMasterKeyId": t.Key, "Policy": cmp.Or(t.Policy, Deployed),
		})
	case "ListSubscriptionsByTopic":
		b.WriteString("<Subscriptions>")
		for i, one := range t.confirmed() {
			fmt.Fprintf(&b, "<member><SubscriptionArn>%s:%d</SubscriptionArn><Protocol>%s</Protocol><Endpoint>%s</Endpoint></member>", topic, i,
				one.Protocol, text(one.Endpoint))
		}
		for _, endpoint := range t.Waiting {
			fmt.Fprintf(&b, "<member><SubscriptionArn>PendingConfirmation</SubscriptionArn><Protocol>email</Protocol><Endpoint>%s</Endpoint></member>", endpoint)
		}
		b.WriteString("</Subscriptions>")
	case "GetSubscriptionAttributes":
		all := t.confirmed()
		if number < 0 || number >= len(all) {
			fail(w, http.StatusNotFound, "NotFound", "Subscription does not exist")
			return true
		}
		entries("Attributes", map[string]string{
			"FilterPolicy": all[number].Filter, "ConfirmationWasAuthenticated": strconv.FormatBool(!all[number].ByLink),
			"PendingConfirmation": "false",
		})
	case "GetDataProtectionPolicy":
		b.WriteString("<DataProtectionPolicy>" + text(t.DataProtection) + "</DataProtectionPolicy>")
	case "GetSMSSandboxAccountStatus":
		fmt.Fprintf(&b, "<IsInSandbox>%t</IsInSandbox>", s.sandbox)
	case "GetSMSAttributes":
		entries("attributes", map[string]string{"MonthlySpendLimit": s.limit})
	default:
		return false
	}
	b.WriteString("</" + call + "Result></" + call + "Response>")
	w.Header().Set("Content-Type", "text/xml")
	_, _ = w.Write([]byte(b.String())) // the client sees a broken answer
	return true
}

func fail(w http.ResponseWriter, status int, code, message string) {
	w.Header().Set("Content-Type", "text/xml")
	w.WriteHeader(status)
	var b strings.Builder
	_ = xml.EscapeText(&b, []byte(message)) // a Builder takes all
	fmt.Fprintf(w, `<ErrorResponse xmlns="http://sns.amazonaws.com/doc/2010-03-31/"><Error><Type>Sender</Type><Code>%s</Code><Message>%s</Message></Error><RequestId>r</RequestId></ErrorResponse>`, code, b.String())
}

// publish reads a request and holds it against the limits of the API Reference.
func publish(form url.Values) (Message, error) {
	m := Message{TopicARN: form.Get("TopicArn"), Subject: form.Get("Subject"), Body: form.Get("Message"), Attributes: map[string]Attribute{}}
	switch {
	case form.Get("Action") != "Publish":
		return m, fmt.Errorf("action %q", form.Get("Action"))
	case !strings.HasPrefix(m.TopicARN, "arn:"):
		return m, fmt.Errorf("invalid parameter: TopicArn %q", m.TopicARN)
	case m.Body == "":
		return m, fmt.Errorf("invalid parameter: empty message")
	case len(m.Subject) >= 100 || strings.ContainsFunc(m.Subject, func(r rune) bool { return r < ' ' || r > '~' }):
		return m, fmt.Errorf("invalid parameter: subject %q", m.Subject)
	}
	size := len(m.Body)
	for i := 1; ; i++ {
		at := "MessageAttributes.entry." + strconv.Itoa(i) + "."
		name := form.Get(at + "Name")
		if name == "" {
			break
		}
		a := Attribute{Type: form.Get(at + "Value.DataType"), Value: form.Get(at + "Value.StringValue")}
		if a.Value == "" {
			return m, fmt.Errorf("invalid parameter: the message attribute %q must contain non-empty value", name)
		}
		var list []any
		if a.Type == "String.Array" && json.Unmarshal([]byte(a.Value), &list) != nil {
			return m, fmt.Errorf("invalid parameter: the message attribute %q is no array", name)
		}
		size += len(name) + len(a.Type) + len(a.Value)
		m.Attributes[name] = a
	}
	if size > 256<<10 {
		return m, fmt.Errorf("invalid parameter: message too long")
	}
	if form.Get("MessageStructure") == "json" {
		if err := json.Unmarshal([]byte(m.Body), &m.Bodies); err != nil || m.Bodies["default"] == "" {
			return m, fmt.Errorf("invalid parameter: message structure: %w", err)
		}
		m.Body = ""
	}
	return m, nil
}
