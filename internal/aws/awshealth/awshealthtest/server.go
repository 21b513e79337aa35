// Package awshealthtest is the AWS that a deployed rootguard is in, for tests of
// what watches it: CloudTrail's trails, EventBridge's rules and bus, Lambda's
// functions and KMS's keys, over HTTP, so that the real SDK clients are what is
// tested. Queues, topics and tables are in packages sqstest, snstest and dynamotest.
package awshealthtest

import (
	"cmp"
	"encoding/json"
	"encoding/xml"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"

	"rootguard/internal/aws/cloudwatch/cloudwatchtest"
	"rootguard/internal/config"
	"rootguard/internal/eventrules"
	"rootguard/internal/partition"
)

// Event is what was put on the bus.
type Event struct{ Source, DetailType, Detail string }

// Function is a function, its environment beside what Deployment says.
type Function struct {
	State       string
	Environment map[string]string
	Policy      string
	OnFailure   string
	Reserved    *int
	Code        string // what was deployed where it is ""
	Role        Role
}

// Role is the role of a function, the policy that Deployment says beside these.
type Role struct {
	Boundary string
	Attached []string
	Inline   map[string]string
}

// Rule is a rule.
type Rule struct {
	State, Pattern, Schedule string
	Targets                  []Target
}

// Target is a target of a rule.
type Target struct{ ARN, DeadLetters, Template string }

// Server is an AWS in which rootguard is deployed and well. Its fields may be
// changed while holding Lock, or before the first request.
type Server struct {
	sync.Mutex
	URL string

	Logging   bool             // of its one trail
	Rules     map[string]*Rule // by name; those of a further Region by "REGION/name"
	Functions map[string]*Function
	Key       string   // state of the key
	BusKey    string   // of the default bus
	BusPolicy string   // of the default event bus, JSON; "" for none
	Enabled   []string // the account's Regions, further ones than Deployment's
	Watch     *cloudwatchtest.Server
	Refuse    map[string]string // error code, by call: "PutEvents"
	Put       func(Event)       // called for each event, without the lock

	d Deployment
}

// Deployment says how rootguard is deployed.
type Deployment struct {
	Account, Region, Prefix string
	Topics                  []string          // ARNs
	Key                     string            // ARN of the topics' key, or ""
	Environment             map[string]string // of every function
	Undelivered, Failed     string            // names of queues
	Regions                 []string
	Quarantine              bool // with the function and the rule of quarantine
	Alarms                  []string
	Receivers               config.Receivers
}

// hashOf is the hash that Deployed notes of a function.
func hashOf(function string) string { return "hash of " + function }

// names are those of the functions.
func (d *Deployment) names() []string {
	names := []string{eventrules.RootActivity, eventrules.IAMUser, eventrules.Sweep}
	if d.Quarantine {
		names = append(names, eventrules.Quarantine)
	}
	return names
}

// New starts a server that ends with the test.
func New(tb testing.TB, d Deployment) *Server {
	tb.Helper()
	s := &Server{Logging: true, Rules: map[string]*Rule{}, Functions: map[string]*Function{}, Key: "Enabled", Refuse: map[string]string{},
		Watch: cloudwatchtest.New(tb), d: d}
	for _, name := range d.Alarms {
		s.Watch.Alarms[d.Prefix+"-"+name] = cloudwatchtest.Alarm{Actions: d.Topics}
	}
	arn := func(service, region, resource string) string {
		return "arn:aws:" + service + ":" + region + ":" + d.Account + ":" + resource
	}
	queue := func(name string) string { return arn("sqs", d.Region, name) }
	rules, err := eventrules.RulesFor(d.Prefix)
	if err != nil {
		tb.Fatal(err)
	}
	names := d.names()
	if d.Quarantine {
		rules = append(rules, eventrules.QuarantineRule(d.Prefix))
	}
	permitted := map[string][]string{}
	add := func(at, prefix string, r eventrules.Rule, schedule string, targets ...Target) {
		state := "ENABLED"
		if r.AllManagementEvents {
			state = "ENABLED_WITH_ALL_CLOUDTRAIL_MANAGEMENT_EVENTS"
		}
		s.Rules[at+prefix+r.Name] = &Rule{State: state, Pattern: r.Pattern, Schedule: schedule, Targets: targets}
	}
	to := func(r eventrules.Rule, schedule string) {
		add("", d.Prefix+"-", r, schedule, Target{ARN: arn("lambda", d.Region, "function:"+d.Prefix+"-"+r.Function),
			DeadLetters: queue(d.Undelivered)})
		permitted[r.Function] = append(permitted[r.Function],
			`{"Effect":"Allow","Principal":{"Service":"events.amazonaws.com"},"Action":"lambda:InvokeFunction","Condition":{"ArnLike":{"AWS:SourceArn":"`+
				arn("events", d.Region, "rule/"+d.Prefix+"-"+r.Name)+`"}}}`)
	}
	for _, r := range append(slices.Clone(rules), eventrules.Heartbeats(d.Prefix, d.Account)...) {
		to(r, "")
	}
	for _, name := range names {
		if name == eventrules.Sweep || name == eventrules.Quarantine {
			to(eventrules.Rule{Name: "schedule-" + name, Function: name}, eventrules.Schedule)
		}
		s.Functions[d.Prefix+"-"+name] = &Function{
			State: "Active", Environment: maps.Clone(d.Environment), Policy: `{"Statement":[` + strings.Join(permitted[name], ",") + `]}`,
			OnFailure: queue(d.Failed),
		}
	}
	topics := make([]Target, len(d.Topics))
	for i, topic := range d.Topics {
		topics[i] = Target{ARN: topic, DeadLetters: queue(d.Undelivered), Template: `"text"`}
	}
	direct := eventrules.Direct(d.Prefix)
	if d.Key != "" {
		direct = append(direct, eventrules.DirectKey(d.Key))
	}
	for _, r := range direct {
		add("", d.Prefix+"-", r, "", slices.Clone(topics)...)
	}
	commercial, _ := partition.Of("aws")
	second := commercial.SecondOf(d.Regions)
	alive := eventrules.Alive(d.Prefix, d.Account)
	if second == "" {
		add("", d.Prefix+"-", alive, "", Target{ARN: queue("heartbeats")})
	} else {
		bus, undelivered := arn("events", second, "event-bus/default"), arn("sqs", second, d.Prefix+"-forward-undelivered")
		sending, reporting := eventrules.Second(direct, d.Account, d.Region)
		for _, r := range sending {
			add("", d.Prefix+"-", r, "", Target{ARN: bus, DeadLetters: queue(d.Undelivered)})
		}
		for _, r := range reporting {
			add(second+"/", d.Prefix+"-", r, "", Target{ARN: arn("sns", second, config.SecondTopic(d.Prefix)), DeadLetters: undelivered,
				Template: `"text"`})
		}
		add("", d.Prefix+"-", alive, "", Target{ARN: bus})
		add(second+"/", config.SecondRule(d.Prefix), alive, "", Target{ARN: arn("sqs", second, "heartbeats")})
	}
	for _, region := range d.Regions {
		for _, r := range rules {
			if region == second {
				r = eventrules.Elsewhere(r, d.Region)
			}
			add(region+"/", d.Prefix+"-forward-", r, "", Target{ARN: arn("events", d.Region, "event-bus/default"), DeadLetters: arn("sqs", region,
				d.Prefix+"-forward-undelivered")})
		}
	}
	web := httptest.NewServer(s)
	tb.Cleanup(web.Close)
	s.URL = web.URL
	return s
}

// Env are the environment variables that make clients ask the server. Of IAM it
// knows the functions' roles alone: see package iamtest.
func (s *Server) Env() map[string]string {
	return map[string]string{
		"AWS_ENDPOINT_URL_CLOUDTRAIL": s.URL, "AWS_ENDPOINT_URL_EVENTBRIDGE": s.URL, "AWS_ENDPOINT_URL_LAMBDA": s.URL,
		"AWS_ENDPOINT_URL_KMS":     s.URL,
		"AWS_ENDPOINT_URL_ACCOUNT": s.URL, "AWS_ENDPOINT_URL_CLOUDWATCH": s.Watch.URL,
	}
}

// Deployed are the environment variables of the functions that are about health.
func (d *Deployment) Deployed(queues string) map[string]string {
	noted := config.Deployed{Code: map[string]string{}, Alarms: d.Alarms, Receivers: d.Receivers}
	for _, name := range d.names() {
		noted.Code[name] = hashOf(name)
	}
	text, err := json.Marshal(noted)
	if err != nil {
		panic(err) // texts always can be
	}
	return map[string]string{
		config.EnvDeployed: string(text),
		config.EnvPrefix:   d.Prefix, config.EnvUndeliveredQueue: queues + "/" + d.Undelivered, config.EnvFailedQueue: queues + "/" + d.Failed,
		config.EnvRegions: strings.Join(d.Regions, ","),
	}
}

// ServeHTTP answers one request.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.Header.Get("Content-Type") == "application/x-www-form-urlencoded" {
		s.iam(w, r)
		return
	}
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return
	}
	call := r.Header.Get("X-Amz-Target")
	call = call[strings.LastIndexByte(call, '.')+1:]
	if r.URL.Path == "/listRegions" {
		call = "ListRegions"
	}
	function := ""
	if parts := strings.Split(strings.Trim(r.URL.Path, "/"), "/"); call == "" && len(parts) == 4 {
		function, call = parts[2], parts[3]
	}
	region := ""
	if scope := strings.Split(r.Header.Get("Authorization"), "/"); len(scope) > 2 && scope[2] != s.d.Region {
		region = scope[2] + "/"
	}
	s.Lock()
	code := s.Refuse[call]
	var out any
	if code == "" {
		out, code = s.answer(call, function, region, body)
	}
	heard := s.Put
	s.Unlock()
	if events, put := out.([]Event); put {
		entries := make([]map[string]string, len(events))
		for i, e := range events {
			if heard != nil {
				heard(e)
			}
			entries[i] = map[string]string{"EventId": "e"}
		}
		out = map[string]any{"FailedEntryCount": 0, "Entries": entries}
	}
	w.Header().Set("Content-Type", "application/x-amz-json-1.1")
	if code != "" {
		w.Header().Set("X-Amzn-Errortype", code)
		status := http.StatusBadRequest
		if strings.Contains(code, "NotFound") {
			status = http.StatusNotFound
		}
		w.WriteHeader(status)
		out = map[string]string{"__type": code, "message": "refused: " + call}
	}
	_ = json.NewEncoder(w).Encode(out) // the client sees a broken answer
}

const notFound = "ResourceNotFoundException"

func (s *Server) answer(call, function, region string, body []byte) (out any, code string) {
	var in struct {
		NamePrefix, Rule string
		Entries          []Event
	}
	if len(body) > 0 && json.Unmarshal(body, &in) != nil {
		return nil, "SerializationException"
	}
	switch call {
	case "DescribeTrails":
		return map[string]any{"trailList": []map[string]any{{
			"Name": "main", "TrailARN": "arn:aws:cloudtrail:" + s.d.Region + ":" + s.d.Account + ":trail/main", "HomeRegion": s.d.Region,
			"IsMultiRegionTrail": true, "IncludeGlobalServiceEvents": true,
		}}}, ""
	case "GetTrailStatus":
		return map[string]bool{"IsLogging": s.Logging}, ""
	case "GetEventSelectors":
		return map[string]any{"EventSelectors": []map[string]any{{"ReadWriteType": "All", "IncludeManagementEvents": true}}}, ""
	case "ListRules":
		rules := []map[string]string{}
		for name, r := range s.Rules {
			if bare, ok := strings.CutPrefix(name, region); ok && strings.HasPrefix(bare, in.NamePrefix) {
				rules = append(rules, map[string]string{"Name": bare, "Arn": "arn:" + bare, "State": r.State, "EventPattern": r.Pattern,
					"ScheduleExpression": r.Schedule})
			}
		}
		return map[string]any{"Rules": rules}, ""
	case "ListTargetsByRule":
		r := s.Rules[region+in.Rule]
		if r == nil {
			return nil, notFound
		}
		targets := []map[string]any{}
		for _, t := range r.Targets {
			one := map[string]any{"Id": t.ARN, "Arn": t.ARN, "DeadLetterConfig": map[string]string{"Arn": t.DeadLetters}}
			if t.Template != "" {
				one["InputTransformer"] = map[string]string{"InputTemplate": t.Template}
			}
			targets = append(targets, one)
		}
		return map[string]any{"Targets": targets}, ""
	case "PutEvents":
		return in.Entries, ""
	case "ListRegions":
		regions := []map[string]string{}
		for _, region := range append(append([]string{s.d.Region}, s.d.Regions...), s.Enabled...) {
			regions = append(regions, map[string]string{"RegionName": region, "RegionOptStatus": "ENABLED"})
		}
		return map[string]any{"Regions": regions}, ""
	case "DescribeEventBus":
		return map[string]any{"Name": "default", "KmsKeyIdentifier": s.BusKey, "Policy": s.BusPolicy}, ""
	case "DescribeKey":
		return map[string]any{"KeyMetadata": map[string]string{"KeyId": "k", "KeyState": s.Key}}, ""
	}
	f := s.Functions[function]
	if f == nil {
		return nil, notFound
	}
	switch call {
	case "configuration":
		return map[string]any{
			"FunctionName": function, "Runtime": "provided.al2023", "State": f.State, "LastUpdateStatus": "Successful",
			"CodeSha256": cmp.Or(f.Code, hashOf(strings.TrimPrefix(function, s.d.Prefix+"-"))), "Handler": "bootstrap", "Timeout": 30,
			"Role":        "arn:aws:iam::" + s.d.Account + ":role/" + function,
			"Environment": map[string]any{"Variables": f.Environment},
		}, ""
	case "concurrency":
		return map[string]any{"ReservedConcurrentExecutions": f.Reserved}, ""
	case "event-invoke-config":
		return map[string]any{"DestinationConfig": map[string]any{"OnFailure": map[string]string{"Destination": f.OnFailure}}}, ""
	case "runtime-management-config":
		return map[string]any{"UpdateRuntimeOn": "Auto", "FunctionArn": function}, ""
	case "policy":
		return map[string]string{"Policy": f.Policy}, ""
	default:
		return nil, "UnknownOperationException"
	}
}

// trust lets Lambda assume a role.
const trust = `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"Service":"lambda.amazonaws.com"},"Action":"sts:AssumeRole"}]}`

// allowed is the policy of a function's role.
func (d *Deployment) allowed() string {
	statement := func(resource string, actions ...string) map[string]any {
		return map[string]any{"Effect": "Allow", "Action": actions, "Resource": resource}
	}
	table := "arn:aws:dynamodb:" + d.Region + ":" + d.Account + ":table/" + d.Environment[config.EnvTable]
	statements := []any{
		statement(table, "dynamodb:BatchGetItem", "dynamodb:ConditionCheckItem", "dynamodb:PutItem", "dynamodb:Query", "dynamodb:UpdateItem"),
		statement(table+"/index/"+config.TableDueIndex, "dynamodb:Query"),
		statement(d.Environment[config.EnvKeys], "kms:Decrypt", "kms:GenerateDataKey"),
		statement("arn:aws:sns:"+d.Region+":"+d.Account+":*", "sns:Publish"),
		statement("arn:aws:sqs:"+d.Region+":"+d.Account+":"+d.Failed, "sqs:SendMessage"),
	}
	text, err := json.Marshal(map[string]any{"Version": "2012-10-17", "Statement": statements})
	if err != nil {
		panic(err) // texts always can be
	}
	return string(text)
}

// iam answers what is asked of a role, by the query protocol.
func (s *Server) iam(w http.ResponseWriter, r *http.Request) {
	if err := r.ParseForm(); err != nil {
		w.WriteHeader(http.StatusBadRequest)
		return
	}
	form := r.PostForm
	call, name := form.Get("Action"), form.Get("RoleName")
	s.Lock()
	defer s.Unlock()
	refuse := func(code string) {
		w.WriteHeader(http.StatusBadRequest)
		//nolint:gosec // XML for a test's own client
		fmt.Fprintf(w, "<ErrorResponse><Error><Type>Sender</Type><Code>%s</Code><Message>refused: %s</Message></Error></ErrorResponse>", code,
			call)
	}
	w.Header().Set("Content-Type", "text/xml")
	f := s.Functions[name]
	switch code := s.Refuse[call]; {
	case code != "":
		refuse(code)
		return
	case f == nil:
		refuse("NoSuchEntity")
		return
	}
	var b strings.Builder
	member := func(text string) {
		_ = xml.EscapeText(&b, []byte(text)) // a Builder takes all
	}
	switch call {
	case "GetRole":
		b.WriteString("<Role><RoleName>")
		member(name)
		b.WriteString("</RoleName><AssumeRolePolicyDocument>" + url.QueryEscape(trust) + "</AssumeRolePolicyDocument>")
		if f.Role.Boundary != "" {
			b.WriteString("<PermissionsBoundary><PermissionsBoundaryArn>")
			member(f.Role.Boundary)
			b.WriteString("</PermissionsBoundaryArn></PermissionsBoundary>")
		}
		b.WriteString("</Role>")
	case "ListAttachedRolePolicies":
		b.WriteString("<AttachedPolicies>")
		for _, arn := range f.Role.Attached {
			b.WriteString("<member><PolicyArn>")
			member(arn)
			b.WriteString("</PolicyArn></member>")
		}
		b.WriteString("</AttachedPolicies><IsTruncated>false</IsTruncated>")
	case "ListRolePolicies":
		b.WriteString("<PolicyNames><member>Default</member>")
		for _, policy := range slices.Sorted(maps.Keys(f.Role.Inline)) {
			b.WriteString("<member>")
			member(policy)
			b.WriteString("</member>")
		}
		b.WriteString("</PolicyNames><IsTruncated>false</IsTruncated>")
	case "GetRolePolicy":
		document, ok := f.Role.Inline[form.Get("PolicyName")]
		if !ok && form.Get("PolicyName") != "Default" {
			refuse("NoSuchEntity")
			return
		}
		b.WriteString("<PolicyDocument>" + url.QueryEscape(cmp.Or(document, s.d.allowed())) + "</PolicyDocument>")
	default:
		refuse("InvalidAction")
		return
	}
	//nolint:gosec // XML for a test's own client
	fmt.Fprintf(w, "<%[1]sResponse><%[1]sResult>%[2]s</%[1]sResult></%[1]sResponse>", call, b.String())
}
