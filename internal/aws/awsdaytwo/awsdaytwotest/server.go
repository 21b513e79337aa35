// Package awsdaytwotest is the services that know whether steps of day two are done,
// over HTTP, so that the real clients are what is tested. IAM is in package iamtest.
package awsdaytwotest

import (
	"cmp"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
)

// Account is what the services know of one account.
type Account struct {
	SecurityContact bool
	Budgets         []Budget
	Analyzers       map[string]string // "TYPE STATUS" by name
	S3              map[string]bool   // the settings of the public access block; nil: there is none
	EBS             bool
}

// Budget is a budget of AWS Budgets with one notification.
type Budget struct {
	Name   string
	Emails []string
	Topics []string // ARNs
}

// Done is an account in which every step is done.
func Done() Account {
	return Account{
		SecurityContact: true, Budgets: []Budget{{Name: "monthly", Emails: []string{"ops@example.com"}}},
		Analyzers: map[string]string{"account": "ACCOUNT ACTIVE"}, EBS: true,
		S3: map[string]bool{"BlockPublicAcls": true, "IgnorePublicAcls": true, "BlockPublicPolicy": true, "RestrictPublicBuckets": true},
	}
}

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
	vars := map[string]string{}
	for _, service := range []string{"ACCOUNT", "BUDGETS", "ACCESSANALYZER", "S3_CONTROL", "EC2"} {
		vars["AWS_ENDPOINT_URL_"+service] = s.URL
	}
	return vars
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
	body, _ := io.ReadAll(r.Body)
	call := callOf(r, string(body))
	s.calls = append(s.calls, cmp.Or(call, r.Method+" "+r.URL.String())+" "+account)
	answer := fail
	switch call {
	case "GetEbsEncryptionByDefault", "GetPublicAccessBlock":
		answer = failXML
	}
	w.Header().Set("Content-Type", "application/json")
	if code := s.refuse[call]; code != "" {
		answer(w, http.StatusForbidden, code, "User: arn:aws:sts::"+account+":assumed-role/rootguard-sweep is not authorized to perform: "+call)
		return
	}
	is := s.accounts[account]
	switch {
	case call == "GetAlternateContact" && !is.SecurityContact:
		fail(w, http.StatusNotFound, "ResourceNotFoundException", "No contact of the inputted alternate contact type found.")
	case call == "GetAlternateContact":
		_, _ = fmt.Fprint(w,
			`{"AlternateContact":{"AlternateContactType":"SECURITY","EmailAddress":"security@example.com","Name":"n","PhoneNumber":"1","Title":"t"}}`)
	case call == "GetPublicAccessBlock" && (is.S3 == nil || r.Header.Get("X-Amz-Account-Id") != account):
		failXML(w, http.StatusNotFound, "NoSuchPublicAccessBlockConfiguration", "The public access block configuration was not found")
	case call == "GetPublicAccessBlock":
		var settings strings.Builder
		for _, name := range slices.Sorted(maps.Keys(is.S3)) {
			fmt.Fprintf(&settings, "<%[1]s>%[2]v</%[1]s>", name, is.S3[name])
		}
		_, _ = fmt.Fprintf(w,
			`<PublicAccessBlockConfiguration xmlns="http://awss3control.amazonaws.com/doc/2018-08-20/">%s</PublicAccessBlockConfiguration>`,
			&settings)
	case call == "GetEbsEncryptionByDefault":
		_, _ = fmt.Fprintf(w,
			`<GetEbsEncryptionByDefaultResponse xmlns="http://ec2.amazonaws.com/doc/2016-11-15/"><requestId>r</requestId><ebsEncryptionByDefault>%v</ebsEncryptionByDefault></GetEbsEncryptionByDefaultResponse>`, is.EBS)
	case call == "ListAnalyzers":
		analyzers := []map[string]string{}
		for _, name := range slices.Sorted(maps.Keys(is.Analyzers)) {
			kind, status, _ := strings.Cut(is.Analyzers[name], " ")
			analyzers = append(analyzers, map[string]string{"name": name, "type": kind, "status": status, "arn": "a",
				"createdAt": "2026-03-01T12:00:00Z"})
		}
		write(w, map[string]any{"analyzers": analyzers})
	case strings.HasPrefix(call, "Describe"):
		is.budgets(w, call, body)
	default:
		fail(w, http.StatusBadRequest, "UnknownOperationException", r.URL.Path)
	}
}

// callOf names the call of a request.
func callOf(r *http.Request, body string) string {
	switch {
	case r.URL.Path == "/getAlternateContact":
		return "GetAlternateContact"
	case r.URL.Path == "/v20180820/configuration/publicAccessBlock" && r.Method == http.MethodGet:
		return "GetPublicAccessBlock"
	case r.URL.Path == "/analyzer" && r.Method == http.MethodGet:
		return "ListAnalyzers"
	case strings.HasPrefix(body, "Action=GetEbsEncryptionByDefault&"):
		return "GetEbsEncryptionByDefault"
	default:
		_, call, _ := strings.Cut(r.Header.Get("X-Amz-Target"), "AWSBudgetServiceGateway.")
		return call
	}
}

// budgets answers the calls of AWS Budgets.
func (a *Account) budgets(w http.ResponseWriter, call string, body []byte) {
	var in struct{ BudgetName string }
	if err := json.Unmarshal(body, &in); err != nil {
		fail(w, http.StatusBadRequest, "SerializationException", err.Error())
		return
	}
	i := slices.IndexFunc(a.Budgets, func(b Budget) bool { return b.Name == in.BudgetName })
	switch {
	case call == "DescribeBudgets" && len(a.Budgets) == 0:
		fail(w, http.StatusBadRequest, "NotFoundException", "no budget")
	case call == "DescribeBudgets":
		var all []map[string]string
		for _, b := range a.Budgets {
			all = append(all, map[string]string{"BudgetName": b.Name, "BudgetType": "COST", "TimeUnit": "MONTHLY"})
		}
		write(w, map[string]any{"Budgets": all})
	case i < 0:
		fail(w, http.StatusBadRequest, "NotFoundException", "no such budget")
	case call == "DescribeNotificationsForBudget":
		write(w, map[string]any{"Notifications": []map[string]any{{"NotificationType": "ACTUAL", "ComparisonOperator": "GREATER_THAN",
			"Threshold": 80}}})
	default:
		var all []map[string]string
		for _, e := range a.Budgets[i].Emails {
			all = append(all, map[string]string{"SubscriptionType": "EMAIL", "Address": e})
		}
		for _, topic := range a.Budgets[i].Topics {
			all = append(all, map[string]string{"SubscriptionType": "SNS", "Address": topic})
		}
		write(w, map[string]any{"Subscribers": all})
	}
}

func write(w http.ResponseWriter, v any) {
	_ = json.NewEncoder(w).Encode(v) // the client notices what it does not get
}

func failXML(w http.ResponseWriter, status int, code, message string) {
	w.WriteHeader(status)
	//nolint:gosec // XML for a test's own client
	_, _ = fmt.Fprintf(w,
		`<ErrorResponse><Errors><Error><Code>%s</Code><Message>%s</Message></Error></Errors><RequestId>r</RequestId></ErrorResponse>`, code,
		message)
}

func fail(w http.ResponseWriter, status int, code, message string) {
	w.Header().Set("X-Amzn-Errortype", code)
	w.WriteHeader(status)
	_, _ = fmt.Fprintf(w, `{"__type":%q,"message":%q}`, code, message) //nolint:gosec // JSON for a test's own client
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
