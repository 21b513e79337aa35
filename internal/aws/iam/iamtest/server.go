// Package iamtest is an IAM and an STS for tests: the calls that rootguard
// makes, over HTTP, so that the real SDK clients are what is tested. It follows
// the IAM and AWS STS API References.
package iamtest

import (
	"cmp"
	"encoding/xml"
	"fmt"
	"maps"
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

// User is an IAM user.
type User struct {
	ID       string    // unique; "": made of the name
	Created  time.Time // zero: 2025-03-01T12:00:00Z
	Password bool
	Devices  []string // serial numbers
	Policies []string // ARNs of the policies attached
	Path     string   // "": "/"

	// What denies calls of the user, by action: "boundary", "organization" or
	// "policy". Bounded users have a permissions boundary, others none.
	Denied  map[string]string
	Bounded bool
}

// Virtual is a virtual MFA device.
type Virtual struct {
	Serial string
	User   string // ARN of the user it is assigned to; "": none
}

// Account is what IAM knows of an account.
type Account struct {
	Summary map[string]int
	Users   map[string]User
	Virtual []Virtual
	Root    Root // of the credential report
	Roles   map[string]Role
	Policy  *PasswordPolicy // nil: none is set

	// Features are the centralized root access features of the organization, where the
	// account is its management account; nil: it is in none.
	Features []string
}

// PasswordPolicy is a password policy.
type PasswordPolicy struct{ Length, Remembers int }

// Role is an IAM role's permissions.
type Role struct {
	Attached []string          // ARNs of managed policies
	Inline   map[string]string // documents, by name
}

// Server is IAM and STS. A caller belongs to the account that AssumeRole gave it
// credentials of, all others to Home.
type Server struct {
	URL  string
	Home string

	PageSize int // users or MFA devices in an answer; 0: all

	// Of credential reports: Now is the service's clock, and ReportTakes how long
	// it makes one. Set them before the first request.
	Now         func() time.Time
	ReportTakes time.Duration

	// Tagged is called for each tag that TagRole puts on a role, without the lock.
	// Set it before the first request.
	Tagged func(role, key, value string)
	// Roles answers what is asked of the policies of a role that no Account has. Set it
	// before the first request.
	Roles http.Handler

	mu       sync.Mutex
	accounts map[string]Account
	roles    map[string]bool // ARNs that may be assumed
	calls    []string        // "GetLoginProfile 111111111111 eve"
	faults   map[string][]string
	reports  map[string]report
}

// New starts a server that ends with the test.
func New(tb testing.TB, home string) *Server {
	tb.Helper()
	s := &Server{Home: home, accounts: map[string]Account{}, roles: map[string]bool{}, faults: map[string][]string{},
		reports: map[string]report{}, Now: time.Now}
	web := httptest.NewServer(s)
	tb.Cleanup(web.Close)
	s.URL = web.URL
	return s
}

// Set replaces what is known of an account.
func (s *Server) Set(account string, a Account) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.accounts[account] = a
}

// User is a user of an account as it is now.
func (s *Server) User(account, name string) User {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.accounts[account].Users[name]
}

// AllowRole lets a role be assumed.
func (s *Server) AllowRole(arn string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.roles[arn] = true
}

// Inject makes the next n calls of an action fail with a code, such as
// "Throttling".
func (s *Server) Inject(action string, n int, code string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.faults[action] = append(s.faults[action], slices.Repeat([]string{code}, n)...)
}

// Calls lists the calls so far, as "action account user".
func (s *Server) Calls() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.calls)
}

type apiError struct {
	status        int
	code, message string
}

// ServeHTTP handles one request.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.ParseForm() == nil && s.Roles != nil && ofRoles[r.PostForm.Get("Action")] && !s.knowsRole(r) {
		s.Roles.ServeHTTP(w, r)
		return
	}
	w.Header().Set("Content-Type", "text/xml")
	s.mu.Lock()
	body, failed := s.do(r)
	s.mu.Unlock()
	if failed != nil {
		w.WriteHeader(failed.status)
		fmt.Fprintf(w, "<ErrorResponse><Error><Type>Sender</Type><Code>%s</Code><Message>%s</Message></Error><RequestId>r</RequestId></ErrorResponse>",
			failed.code, escape(failed.message))
		return
	}
	action := r.PostForm.Get("Action") // one that do knows
	if action == "TagRole" && s.Tagged != nil {
		s.Tagged(r.PostForm.Get("RoleName"), r.PostForm.Get("Tags.member.1.Key"), r.PostForm.Get("Tags.member.1.Value"))
	}
	//nolint:gosec // no browser reads it
	fmt.Fprintf(w, "<%[1]sResponse><%[1]sResult>%[2]s</%[1]sResult><ResponseMetadata><RequestId>r</RequestId></ResponseMetadata></%[1]sResponse>", action, body)
}

// knowsRole reports whether a request is about a role that Set gave its account.
func (s *Server) knowsRole(r *http.Request) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	_, known := s.accounts[s.caller(r)].Roles[r.PostForm.Get("RoleName")]
	return known
}

// ofRoles are the calls that Roles answers.
var ofRoles = map[string]bool{"GetRole": true, "GetRolePolicy": true, "ListAttachedRolePolicies": true, "ListRolePolicies": true}

func (s *Server) do(r *http.Request) (string, *apiError) {
	if err := r.ParseForm(); err != nil {
		return "", &apiError{http.StatusBadRequest, "MalformedQueryString", err.Error()}
	}
	account := s.caller(r)
	action, name := r.PostForm.Get("Action"), r.PostForm.Get("UserName")
	s.calls = append(s.calls, strings.TrimSpace(action+" "+account+" "+name))
	if queue := s.faults[action]; len(queue) > 0 {
		s.faults[action] = queue[1:]
		return "", &apiError{http.StatusBadRequest, queue[0], "injected"}
	}
	user, exists := s.accounts[account].Users[name]
	switch action {
	case "AssumeRole":
		return s.assumeRole(r.PostForm.Get("RoleArn"))
	case "TagRole":
		if role, key := r.PostForm.Get("RoleName"), r.PostForm.Get("Tags.member.1.Key"); role == "" || key == "" {
			return "", &apiError{http.StatusBadRequest, "ValidationError", "1 validation error detected"}
		}
		return "", nil
	case "GetAccountSummary":
		var b strings.Builder
		for key, value := range s.accounts[account].Summary {
			fmt.Fprintf(&b, "<entry><key>%s</key><value>%d</value></entry>", key, value)
		}
		return "<SummaryMap>" + b.String() + "</SummaryMap>", nil
	case "ListOrganizationsFeatures":
		features := s.accounts[account].Features
		if features == nil {
			return "", &apiError{http.StatusBadRequest, "OrganizationNotFound",
				"The request failed because your account is not a member of an organization."}
		}
		var members strings.Builder
		for _, f := range features {
			members.WriteString("<member>" + escape(f) + "</member>")
		}
		return "<OrganizationId>o-a1b2c3d4e5</OrganizationId><EnabledFeatures>" + members.String() + "</EnabledFeatures>", nil
	case "GetAccountPasswordPolicy":
		p := s.accounts[account].Policy
		if p == nil {
			return "", &apiError{http.StatusNotFound, "NoSuchEntity", "The Password Policy with domain name " + account + " cannot be found."}
		}
		remembers := ""
		if p.Remembers > 0 { // else the element is absent
			remembers = fmt.Sprintf("<PasswordReusePrevention>%d</PasswordReusePrevention>", p.Remembers)
		}
		return fmt.Sprintf("<PasswordPolicy><MinimumPasswordLength>%d</MinimumPasswordLength>%s<RequireSymbols>true</RequireSymbols><ExpirePasswords>false</ExpirePasswords></PasswordPolicy>", p.Length, remembers), nil
	case "GetLoginProfile":
		if !user.Password {
			return "", &apiError{http.StatusNotFound, "NoSuchEntity", "Login Profile for User " + name + " cannot be found."}
		}
		return "<LoginProfile><UserName>" + escape(name) + "</UserName><CreateDate>2025-03-01T12:00:00Z</CreateDate></LoginProfile>", nil
	case "GenerateCredentialReport":
		return s.generate(account)
	case "GetCredentialReport":
		return s.report(account)
	case "ListUsers":
		return s.users(account, r.PostForm.Get("Marker"))
	case "ListVirtualMFADevices":
		return s.virtual(s.accounts[account].Virtual, r.PostForm)
	case "ListMFADevices":
		if name == "" {
			return "<MFADevices/><IsTruncated>false</IsTruncated>", nil // of the caller
		}
		if !exists {
			return "", &apiError{http.StatusNotFound, "NoSuchEntity", "The user with name " + name + " cannot be found."}
		}
		return s.devices(name, user.Devices, r.PostForm.Get("Marker"))
	case "SimulatePrincipalPolicy":
		return s.simulate(account, r.PostForm)
	case "ListAttachedRolePolicies", "ListRolePolicies", "GetRolePolicy":
		return s.rolePolicies(action, account, r.PostForm)
	case "GetUser", "AttachUserPolicy", "DetachUserPolicy", "ListAttachedUserPolicies":
		if !exists {
			return "", &apiError{http.StatusNotFound, "NoSuchEntity", "The user with name " + name + " cannot be found."}
		}
		return s.policies(action, account, name, user, r.PostForm)
	default:
		return "", &apiError{http.StatusBadRequest, "InvalidAction", action}
	}
}

// TagRoleEvent is the EventBridge event of a call by which a role tagged itself, as
// CloudTrail records it.
func TagRoleEvent(account, role, key, value string) []byte {
	return fmt.Appendf(nil,
		`{"version":"0","id":"t","detail-type":"AWS API Call via CloudTrail","source":"aws.iam","account":%[1]q,"time":"2026-03-01T12:00:00Z","region":"us-east-1","resources":[],"detail":{`+
			`"eventVersion":"1.11","userIdentity":{"type":"AssumedRole","principalId":"AROASWEEP:%[2]s","arn":"arn:aws:sts::%[1]s:assumed-role/%[2]s/%[2]s","accountId":%[1]q,"accessKeyId":"ASIASWEEP",`+
			`"sessionContext":{"sessionIssuer":{"type":"Role","principalId":"AROASWEEP","arn":"arn:aws:iam::%[1]s:role/%[2]s","accountId":%[1]q,"userName":%[2]q},"attributes":{"creationDate":"2026-03-01T11:00:00Z","mfaAuthenticated":"false"}}},`+
			`"eventTime":"2026-03-01T12:00:00Z","eventSource":"iam.amazonaws.com","eventName":"TagRole","awsRegion":"us-east-1","sourceIPAddress":"192.0.2.1","userAgent":"aws-sdk-go-v2","requestParameters":{"roleName":%[2]q,"tags":[{"key":%[3]q,"value":%[4]q}]},`+
			`"responseElements":null,"requestID":"r","eventID":"tag-%[4]s","readOnly":false,"eventType":"AwsApiCall","managementEvent":true,"recipientAccountId":%[1]q,"eventCategory":"Management"}}`, account, role, key, value)
}

// rolePolicies are the calls about a role's policies. IAM returns documents
// percent-encoded (IAM API Reference, GetRolePolicy).
func (s *Server) rolePolicies(action, account string, form url.Values) (string, *apiError) {
	name := form.Get("RoleName")
	role, exists := s.accounts[account].Roles[name]
	if !exists {
		return "", &apiError{http.StatusNotFound, "NoSuchEntity", "The role with name " + name + " cannot be found."}
	}
	var members []string
	switch action {
	case "GetRolePolicy":
		policy := form.Get("PolicyName")
		document, exists := role.Inline[policy]
		if !exists {
			return "", &apiError{http.StatusNotFound, "NoSuchEntity", "The role policy with name " + policy + " cannot be found."}
		}
		return "<RoleName>" + escape(name) + "</RoleName><PolicyName>" + escape(policy) + "</PolicyName><PolicyDocument>" +
			url.PathEscape(document) + "</PolicyDocument>", nil
	case "ListRolePolicies":
		for _, policy := range slices.Sorted(maps.Keys(role.Inline)) {
			members = append(members, escape(policy))
		}
		return s.page("PolicyNames", members, form.Get("Marker"))
	default:
		for _, p := range role.Attached {
			members = append(members, "<PolicyName>"+escape(p[strings.LastIndex(p, "/")+1:])+"</PolicyName><PolicyArn>"+escape(p)+"</PolicyArn>")
		}
		return s.page("AttachedPolicies", members, form.Get("Marker"))
	}
}

// policies are the calls about a user and its policies.
func (s *Server) policies(action, account, name string, user User, form url.Values) (string, *apiError) {
	arn := form.Get("PolicyArn")
	switch action {
	case "GetUser":
		return "<User><Path>" + cmp.Or(user.Path, "/") + "</Path><UserName>" + escape(name) + "</UserName><UserId>" +
			cmp.Or(user.ID, UserID(name)) + "</UserId><Arn>" + user.arn(account, name) +
			"</Arn><CreateDate>2025-03-01T12:00:00Z</CreateDate></User>", nil
	case "AttachUserPolicy":
		if !slices.Contains(user.Policies, arn) {
			user.Policies = append(slices.Clone(user.Policies), arn)
		}
	case "DetachUserPolicy":
		if !slices.Contains(user.Policies, arn) {
			return "", &apiError{http.StatusNotFound, "NoSuchEntity", "Policy " + arn + " was not found."}
		}
		user.Policies = slices.DeleteFunc(slices.Clone(user.Policies), func(p string) bool { return p == arn })
	default:
		members := make([]string, 0, len(user.Policies))
		for _, p := range user.Policies {
			members = append(members, "<PolicyName>"+escape(p[strings.LastIndex(p, "/")+1:])+"</PolicyName><PolicyArn>"+escape(p)+"</PolicyArn>")
		}
		return s.page("AttachedPolicies", members, form.Get("Marker"))
	}
	s.accounts[account].Users[name] = user
	return "", nil
}

func (u *User) arn(account, name string) string {
	return "arn:aws:iam::" + account + ":user" + cmp.Or(u.Path, "/") + escape(name)
}

// simulate reports for each action what denies it. Every account is in an
// organization; the user's own policies allow nothing.
func (s *Server) simulate(account string, form url.Values) (string, *apiError) {
	for name, user := range s.accounts[account].Users {
		if user.arn(account, name) != form.Get("PolicySourceArn") {
			continue
		}
		var members []string
		for i := 1; form.Has(fmt.Sprintf("ActionNames.member.%d", i)); i++ {
			action := form.Get(fmt.Sprintf("ActionNames.member.%d", i))
			denied, decision := user.Denied[action], "implicitDeny"
			if denied == "policy" {
				decision = "explicitDeny"
			}
			boundary := ""
			if user.Bounded {
				boundary = fmt.Sprintf("<PermissionsBoundaryDecisionDetail><AllowedByPermissionsBoundary>%v</AllowedByPermissionsBoundary></PermissionsBoundaryDecisionDetail>", denied != "boundary")
			}
			members = append(members,
				fmt.Sprintf("<EvalActionName>%s</EvalActionName><EvalResourceName>%s</EvalResourceName><EvalDecision>%s</EvalDecision>%s"+
					"<OrganizationsDecisionDetail><AllowedByOrganizations>%v</AllowedByOrganizations></OrganizationsDecisionDetail>",
					escape(action), escape(form.Get("ResourceArns.member.1")), decision, boundary, denied != "organization"))
		}
		return s.page("EvaluationResults", members, form.Get("Marker"))
	}
	return "", &apiError{http.StatusNotFound, "NoSuchEntity", "The principal " + form.Get("PolicySourceArn") + " cannot be found."}
}

// caller is the account of the credentials a request is signed with.
func (s *Server) caller(r *http.Request) string {
	_, credential, _ := strings.Cut(r.Header.Get("Authorization"), "Credential=")
	key, _, _ := strings.Cut(credential, "/")
	if account, ok := strings.CutPrefix(key, "ASIATEST"); ok {
		return account
	}
	return s.Home
}

func (s *Server) assumeRole(arn string) (string, *apiError) {
	parts := strings.SplitN(arn, ":", 6)
	if !s.roles[arn] || len(parts) != 6 {
		return "", &apiError{http.StatusForbidden, "AccessDenied", "not authorized to perform: sts:AssumeRole on resource: " + arn}
	}
	return "<Credentials><AccessKeyId>ASIATEST" + parts[4] + "</AccessKeyId><SecretAccessKey>s</SecretAccessKey>" +
		"<SessionToken>t</SessionToken><Expiration>2099-01-01T00:00:00Z</Expiration></Credentials>", nil
}

func (s *Server) users(account, marker string) (string, *apiError) {
	all := s.accounts[account].Users
	members := make([]string, 0, len(all))
	for _, name := range slices.Sorted(maps.Keys(all)) {
		id := all[name].ID
		if id == "" {
			id = UserID(name)
		}
		members = append(members,
			fmt.Sprintf("<Path>/</Path><UserName>%s</UserName><UserId>%s</UserId><Arn>arn:aws:iam::%s:user/%s</Arn><CreateDate>%s</CreateDate>",
				escape(name), escape(id), account, escape(name), all[name].created().Format(time.RFC3339)))
	}
	return s.page("Users", members, marker)
}

// UserID is the unique ID of a user that was given none: AIDAEVE of eve.
func UserID(name string) string { return "AIDA" + strings.ToUpper(name) }

func (s *Server) devices(name string, serials []string, marker string) (string, *apiError) {
	members := make([]string, 0, len(serials))
	for _, serial := range serials {
		members = append(members,
			fmt.Sprintf("<UserName>%s</UserName><SerialNumber>%s</SerialNumber><EnableDate>2025-03-01T12:00:00Z</EnableDate>",
				escape(name), escape(serial)))
	}
	return s.page("MFADevices", members, marker)
}

func (s *Server) virtual(all []Virtual, form url.Values) (string, *apiError) {
	var members []string
	for _, v := range all {
		status := form.Get("AssignmentStatus")
		if status == "Assigned" && v.User == "" || status == "Unassigned" && v.User != "" {
			continue
		}
		text := "<SerialNumber>" + escape(v.Serial) + "</SerialNumber>"
		if v.User != "" {
			text += "<User><UserId>u</UserId><Arn>" + escape(v.User) +
				"</Arn><CreateDate>2025-03-01T12:00:00Z</CreateDate></User><EnableDate>2025-03-01T12:00:00Z</EnableDate>"
		}
		members = append(members, text)
	}
	return s.page("VirtualMFADevices", members, form.Get("Marker"))
}

func (s *Server) page(list string, members []string, marker string) (string, *apiError) {
	start := 0
	if marker != "" {
		var err error
		if start, err = strconv.Atoi(marker); err != nil || start > len(members) {
			return "", &apiError{http.StatusBadRequest, "InvalidInput", "marker"}
		}
	}
	end := len(members)
	if s.PageSize > 0 {
		end = min(end, start+s.PageSize)
	}
	var b strings.Builder
	fmt.Fprintf(&b, "<%s>", list)
	for _, m := range members[start:end] {
		b.WriteString("<member>" + m + "</member>")
	}
	fmt.Fprintf(&b, "</%s><IsTruncated>%v</IsTruncated>", list, end < len(members))
	if end < len(members) {
		fmt.Fprintf(&b, "<Marker>%d</Marker>", end)
	}
	return b.String(), nil
}

func escape(text string) string {
	var b strings.Builder
	_ = xml.EscapeText(&b, []byte(text)) // a Builder takes all
	return b.String()
}
