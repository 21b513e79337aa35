package e2e

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"encoding/xml"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httputil"
	"net/url"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/sns"

	"rootguard/internal/aws/cloudwatch/cloudwatchtest"
	"rootguard/internal/aws/iam/iamtest"
)

// call is a request to AWS.
type call struct {
	service   string // as requests are signed for: "dynamodb", "sns", "iam"
	action    string // "PutItem"; "" of a service whose requests do not name it
	region    string
	accessKey string
	method    string
	path      string
	body      []byte
	form      url.Values // of services with the query protocol

	by           string // the account of the caller, of a function or the operator
	organization string // the ID of that account's, "" of none
}

// fault is what becomes of calls of one kind.
type fault struct {
	service, action string
	times           int // how often; always is until the test ends, or recover
	status          int // with code, the answer. 0: the connection is dropped
	code            string
	after           bool                     // moto does it first: an answer that gets lost
	only            func(*call) bool         // nil: every call of the action
	edit            func(body []byte) []byte // instead of a fault, changes moto's answer
	reply           func(*call) any          // instead of a fault, answers with JSON in moto's stead
	done            func(*call)              // instead of a fault, is called when moto did it
	serve           http.Handler             // instead of a fault, answers in moto's stead
}

// always is more than any test calls.
const always = 1 << 30

// gate holds calls back.
type gate struct {
	service, action string
	arrived         chan struct{} // has a value for each call that is held
	open            chan struct{} // closed: all go on
	once            sync.Once
}

// release lets go of what is held, and of all that come.
func (g *gate) release() { g.once.Do(func() { close(g.open) }) }

// proxy is between what is tested and moto.
type proxy struct {
	url    string
	server *http.Server
	roles  *roles
	to     *httputil.ReverseProxy

	dynamodb sync.Mutex // held by the request under way: moto's writes are not atomic

	mu     sync.Mutex
	faults []*fault
	gates  []*gate
	calls  []*call
}

func startProxy(target string, r *roles) (*proxy, error) {
	to, err := url.Parse(target)
	if err != nil {
		return nil, fmt.Errorf("reading moto's address: %w", err)
	}
	listener, err := (&net.ListenConfig{}).Listen(context.Background(), "tcp", "localhost:0")
	if err != nil {
		return nil, fmt.Errorf("starting the proxy: %w", err)
	}
	p := &proxy{url: fmt.Sprintf("http://localhost:%d", listener.Addr().(*net.TCPAddr).Port), roles: r}
	p.to = &httputil.ReverseProxy{
		Rewrite: func(r *httputil.ProxyRequest) {
			r.SetURL(to)
			r.Out.Host = r.In.Host // it is signed
		},
		ModifyResponse: p.edited,
	}
	p.server = &http.Server{Handler: http.HandlerFunc(p.serve), ReadHeaderTimeout: time.Minute}
	go func() { _ = p.server.Serve(listener) }() // ends with stop
	return p, nil
}

func (p *proxy) stop() { _ = p.server.Close() }

// credential is in the Authorization header (AWS General Reference, "Signature
// Version 4 signing process"): key/date/region/service.
var credential = regexp.MustCompile(`Credential=([^/]+)/[0-9]+/([^/]+)/([^/]+)/`)

// paths are the actions of services whose requests do not name them.
var paths = map[string]string{
	"account/listRegions": "ListRegions", "account/getAlternateContact": "GetAlternateContact", "access-analyzer/analyzer": "ListAnalyzers",
	"s3/v20180820/configuration/publicAccessBlock": "GetAccountPublicAccessBlock",
}

func readCall(r *http.Request) (*call, error) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return nil, err
	}
	r.Body = io.NopCloser(bytes.NewReader(body))
	c := &call{method: r.Method, path: r.URL.Path, body: body}
	if m := credential.FindStringSubmatch(r.Header.Get("Authorization")); m != nil {
		c.accessKey, c.region, c.service = m[1], m[2], m[3]
	}
	_, action, targeted := strings.Cut(r.Header.Get("X-Amz-Target"), ".")
	switch {
	case targeted:
		c.action = action
	case strings.HasPrefix(r.Header.Get("Content-Type"), "application/x-www-form-urlencoded"):
		if c.form, err = url.ParseQuery(string(body)); err != nil {
			return nil, err
		}
		c.action = c.form.Get("Action")
	case cloudwatchtest.IsCall(r):
		c.action = c.path[strings.LastIndexByte(c.path, '/')+1:]
	case paths[c.service+c.path] != "":
		c.action = paths[c.service+c.path]
	}
	return c, nil
}

type editKey struct{}

func (p *proxy) serve(w http.ResponseWriter, r *http.Request) {
	c, err := readCall(r)
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	if action := p.roles.refused(c); action != "" {
		status, code := denial(c, action)
		refuse(w, c, status, code, "the role does not allow "+action)
		return
	}
	f, g := p.next(c)
	if g != nil {
		select {
		case g.arrived <- struct{}{}:
		case <-g.open:
		}
		select {
		case <-g.open:
		case <-r.Context().Done():
			return
		}
	}
	if c.service == "dynamodb" {
		p.dynamodb.Lock()
		defer p.dynamodb.Unlock()
	}
	switch {
	case f == nil:
		p.to.ServeHTTP(w, r)
	case f.edit != nil:
		r.Header.Del("Accept-Encoding")
		p.to.ServeHTTP(w, r.WithContext(context.WithValue(r.Context(), editKey{}, f.edit)))
	case f.done != nil:
		p.to.ServeHTTP(w, r)
		f.done(c)
	case f.serve != nil:
		f.serve.ServeHTTP(w, r)
	case f.reply != nil:
		w.Header().Set("Content-Type", "application/x-amz-json-1.1")
		_ = json.NewEncoder(w).Encode(f.reply(c)) // a caller that is gone does not read
	default:
		if f.after {
			p.to.ServeHTTP(&discard{header: http.Header{}}, r)
		}
		if f.status == 0 {
			panic(http.ErrAbortHandler)
		}
		refuse(w, c, f.status, f.code, "a fault that the test asked for")
	}
}

// next is what is to become of a call.
func (p *proxy) next(c *call) (*fault, *gate) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.calls = append(p.calls, c)
	var held *gate
	for _, g := range p.gates {
		if g.service == c.service && g.action == c.action {
			held = g
		}
	}
	for _, f := range p.faults {
		if f.times > 0 && f.service == c.service && f.action == c.action && (f.only == nil || f.only(c)) {
			f.times--
			return f, held
		}
	}
	return nil, held
}

// edited changes an answer as a fault asks for.
func (p *proxy) edited(res *http.Response) error {
	edit, ok := res.Request.Context().Value(editKey{}).(func([]byte) []byte)
	if !ok {
		return nil
	}
	body, err := io.ReadAll(res.Body)
	if err != nil {
		return err
	}
	body = edit(body)
	res.Body = io.NopCloser(bytes.NewReader(body))
	res.ContentLength = int64(len(body))
	res.Header.Set("Content-Length", strconv.Itoa(len(body)))
	return nil
}

// refuse answers with an error, in the form of the call's protocol.
func refuse(w http.ResponseWriter, c *call, status int, code, message string) {
	if c.form != nil {
		w.Header().Set("Content-Type", "text/xml")
		w.WriteHeader(status)
		fmt.Fprintf(w, "<ErrorResponse><Error><Type>Sender</Type><Code>%s</Code><Message>%s</Message></Error><RequestId>0</RequestId></ErrorResponse>", code, message)
		return
	}
	w.Header().Set("Content-Type", "application/x-amz-json-1.0")
	w.Header().Set("X-Amzn-Errortype", code)
	w.WriteHeader(status)
	body, _ := json.Marshal(map[string]string{"__type": code, "message": message}) // texts always can be
	_, _ = w.Write(body)                                                           // a caller that is gone does not read
}

// discard takes an answer that gets lost.
type discard struct{ header http.Header }

func (d *discard) Header() http.Header         { return d.header }
func (d *discard) Write(b []byte) (int, error) { return len(b), nil }
func (d *discard) WriteHeader(int)             {}

// reset forgets faults and calls.
func (p *proxy) reset() {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, g := range p.gates {
		g.release()
	}
	p.faults, p.gates, p.calls = nil, nil, nil
}

// fault has calls go wrong. One that is to happen a number of times and does
// not fails the test, which would show nothing.
func (c *cloud) fault(f fault) *fault {
	c.t.Helper()
	if f.times == 0 {
		c.t.Fatal("a fault that happens no time")
	}
	p := c.world.proxy
	p.mu.Lock()
	defer p.mu.Unlock()
	p.faults = append([]*fault{&f}, p.faults...) // the latest counts
	if f.times < always {
		c.t.Cleanup(func() {
			if f.times > 0 {
				c.t.Errorf("the fault of %s:%s did not happen %d more times", f.service, f.action, f.times)
			}
		})
	}
	return &f
}

// repair ends a fault.
func (c *cloud) repair(f *fault) {
	c.world.proxy.mu.Lock()
	defer c.world.proxy.mu.Unlock()
	f.times = 0
}

// hold holds back calls until release.
func (c *cloud) hold(service, action string) *gate {
	g := &gate{service: service, action: action, arrived: make(chan struct{}), open: make(chan struct{})}
	c.t.Cleanup(g.release)
	p := c.world.proxy
	p.mu.Lock()
	defer p.mu.Unlock()
	p.gates = append(p.gates, g)
	return g
}

// wait waits for a call to be held.
func (g *gate) wait(t *testing.T) {
	t.Helper()
	select {
	case <-g.arrived:
	case <-time.After(time.Minute):
		t.Fatalf("no call of %s:%s came", g.service, g.action)
	}
}

// calls are the calls so far of an action, by functions and the command.
func (c *cloud) calls(service, action string) []*call {
	p := c.world.proxy
	p.mu.Lock()
	defer p.mu.Unlock()
	var of []*call
	for _, one := range p.calls {
		if one.service == service && one.action == action {
			of = append(of, one)
		}
	}
	return of
}

// root is what IAM says of the account's root user.
type root struct{ mfa, accessKeys, password bool }

// root has GetAccountSummary say so from now on.
func (c *cloud) root(is root) {
	number := func(b bool) string {
		if b {
			return "1"
		}
		return "0"
	}
	entries := map[string]string{
		"AccountMFAEnabled": number(is.mfa), "AccountAccessKeysPresent": number(is.accessKeys), "AccountPasswordPresent": number(is.password),
	}
	c.fault(fault{service: "iam", action: "GetAccountSummary", times: always, edit: func(body []byte) []byte {
		text := string(body)
		for name, value := range entries {
			was := regexp.MustCompile(`<key>` + name + `</key>\s*<value>[0-9]*</value>`)
			now := "<key>" + name + "</key><value>" + value + "</value>"
			if was.MatchString(text) {
				text = was.ReplaceAllString(text, now)
			} else {
				text = strings.Replace(text, "</SummaryMap>", "<entry>"+now+"</entry></SummaryMap>", 1)
			}
		}
		return []byte(text)
	}})
}

// credentialReport has the credential report say of root that it was never used,
// and that it was made just now.
func (c *cloud) credentialReport() {
	content := regexp.MustCompile(`<Content>([^<]*)</Content>`)
	generated := regexp.MustCompile(`<GeneratedTime>[^<]*</GeneratedTime>`)
	c.fault(fault{service: "iam", action: "GetCredentialReport", times: always, edit: func(body []byte) []byte {
		found := content.FindSubmatch(body)
		if found == nil {
			return body // there is no report
		}
		csv, err := base64.StdEncoding.DecodeString(string(found[1]))
		if err != nil {
			c.t.Errorf("reading moto's credential report: %v", err)
			return body
		}
		header, users, _ := strings.Cut(string(csv), "\n")
		root := "<root_account>" + strings.Repeat(",N/A", strings.Count(header, ","))
		csv = []byte(header + "\n" + root + "\n" + users)
		body = content.ReplaceAllLiteral(body, []byte("<Content>"+base64.StdEncoding.EncodeToString(csv)+"</Content>"))
		return generated.ReplaceAllLiteral(body, []byte("<GeneratedTime>"+time.Now().UTC().Format(time.RFC3339)+"</GeneratedTime>"))
	}})
}

// simulated is IAM's simulator, which moto has not: no boundary, no organization
// and no policy of the user denies anything.
func simulated(w http.ResponseWriter, r *http.Request) {
	var results strings.Builder
	if err := r.ParseForm(); err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	for i := 1; r.PostForm.Has(fmt.Sprintf("ActionNames.member.%d", i)); i++ {
		results.WriteString("<member><EvalActionName>")
		_ = xml.EscapeText(&results, []byte(r.PostForm.Get(fmt.Sprintf("ActionNames.member.%d", i)))) // a builder fails never
		results.WriteString("</EvalActionName><EvalDecision>implicitDeny</EvalDecision></member>")
	}
	w.Header().Set("Content-Type", "text/xml")
	fmt.Fprintf(w, "<SimulatePrincipalPolicyResponse><SimulatePrincipalPolicyResult><EvaluationResults>%s</EvaluationResults><IsTruncated>false</IsTruncated>"+
		"</SimulatePrincipalPolicyResult></SimulatePrincipalPolicyResponse>", results.String())
}

// corrected has answers be as AWS gives them where moto's are not.
func (c *cloud) corrected() {
	c.root(root{mfa: true, password: true})
	c.credentialReport()
	c.fault(fault{service: "iam", action: "SimulatePrincipalPolicy", times: always, serve: http.HandlerFunc(simulated)})
	topic := regexp.MustCompile(`arn:aws:sns:[a-z0-9-]+:[0-9]+:[A-Za-z0-9_-]+`)
	confirmed := regexp.MustCompile(`(<key>SubscriptionsConfirmed</key>\s*<value>)[0-9]*(</value>)`)
	c.fault(fault{service: "sns", action: "GetTopicAttributes", times: always, edit: func(body []byte) []byte {
		arn := string(topic.Find(body))
		parts := strings.Split(arn, ":")
		cfg := c.d.in(parts[3])
		if parts[4] != c.d.account {
			cfg = c.world.as(c.t, parts[4])
		}
		subscribed, err := sns.NewFromConfig(cfg).ListSubscriptionsByTopic(c.ctx, &sns.ListSubscriptionsByTopicInput{TopicArn: &arn})
		if err != nil {
			c.t.Errorf("listing the subscriptions of %s: %v", arn, err)
			return body
		}
		return confirmed.ReplaceAll(body, []byte("${1}"+strconv.Itoa(len(subscribed.Subscriptions))+"${2}"))
	}})
	c.fault(fault{service: "kms", action: "DescribeKey", times: always, reply: func(asked *call) any {
		var in struct{ KeyId string }
		if err := json.Unmarshal(asked.body, &in); err != nil {
			c.t.Errorf("reading which key is asked about: %v", err)
		}
		return map[string]any{"KeyMetadata": map[string]any{"KeyId": in.KeyId, "KeyState": "Enabled", "Enabled": true}}
	}})
	c.fault(fault{service: "events", action: "PutEvents", times: always, reply: c.onBus})
	c.watched()
	c.fault(fault{service: "iam", action: "TagRole", times: always, done: c.onTagRole})
	c.fault(fault{service: "lambda", times: always, only: func(asked *call) bool { return invoked.MatchString(asked.path) }, reply: c.onInvoke})
}

// watched has what moto does not know, and the guard checks, be as deployed.
func (c *cloud) watched() {
	watch := cloudwatchtest.New(c.t)
	s := c.d.stacks[region]
	for id, r := range s.resources {
		if r.Type != "AWS::CloudWatch::Alarm" {
			continue
		}
		properties, err := s.resolve(c.d.account, map[string]any{"AlarmName": r.Properties["AlarmName"], "AlarmActions": r.Properties["AlarmActions"]})
		if err != nil {
			c.t.Fatalf("resolving %s: %v", id, err)
		}
		p := properties.(map[string]any)
		var a cloudwatchtest.Alarm
		actions, _ := p["AlarmActions"].([]any)
		for _, action := range actions {
			a.Actions = append(a.Actions, fmt.Sprint(action))
		}
		watch.Alarms[fmt.Sprint(p["AlarmName"])] = a
	}
	watch.Mutes["another"] = cloudwatchtest.Mute{Alarms: []string{"another"}}
	for _, action := range []string{"DescribeAlarms", "ListAlarmMuteRules", "GetAlarmMuteRule", "GetMetricData"} {
		c.fault(fault{service: "monitoring", action: action, times: always, serve: watch})
	}
	c.fault(fault{service: "account", action: "ListRegions", times: always, reply: func(*call) any {
		regions := []map[string]string{}
		for at := range c.d.stacks {
			regions = append(regions, map[string]string{"RegionName": at, "RegionOptStatus": "ENABLED_BY_DEFAULT"})
		}
		return map[string]any{"Regions": regions}
	}})
	c.fault(fault{service: "lambda", times: always, only: func(asked *call) bool { return strings.HasSuffix(asked.path, "/runtime-management-config") },
		reply: func(*call) any { return map[string]string{"UpdateRuntimeOn": "Auto"} }})
	c.fault(fault{service: "dynamodb", action: "GetResourcePolicy", times: always, status: http.StatusBadRequest, code: "PolicyNotFoundException"})
}

// invoked is the path of a call of a function (AWS Lambda API Reference, Invoke).
var invoked = regexp.MustCompile(`^/2015-03-31/functions/([^/]+)/invocations$`)

// onInvoke calls a function for the command, which waits for the answer.
func (c *cloud) onInvoke(asked *call) any {
	function := invoked.FindStringSubmatch(asked.path)[1]
	res := c.attempt(function, asked.body)
	if res.Error != nil {
		c.t.Errorf("function %s, called by the command, failed: %v", function, res.Error)
		return res.Error
	}
	return json.RawMessage(res.Response)
}

// onTagRole puts on the bus what CloudTrail records of the sweep's call; tick
// delivers it.
func (c *cloud) onTagRole(asked *call) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.bus = append(c.bus, iamtest.TagRoleEvent(c.d.account, asked.form.Get("RoleName"), asked.form.Get("Tags.member.1.Key"), asked.form.Get("Tags.member.1.Value")))
}

// onBus takes what is put on the bus; tick delivers it, since moto would call
// functions that it cannot run.
func (c *cloud) onBus(put *call) any {
	var in struct {
		Entries []struct {
			Source, DetailType, Detail string
			Time                       float64
		}
	}
	if err := json.Unmarshal(put.body, &in); err != nil {
		c.t.Errorf("reading what was put on the bus: %v", err)
	}
	made := make([]map[string]string, 0, len(in.Entries))
	for _, e := range in.Entries {
		id := c.id()
		event, err := json.Marshal(map[string]any{
			"version": "0", "id": id, "detail-type": e.DetailType, "source": e.Source, "account": c.d.account,
			"time": time.Unix(int64(e.Time), 0).UTC().Format(time.RFC3339), "region": region, "resources": []string{}, "detail": json.RawMessage(e.Detail),
		})
		if err != nil {
			c.t.Errorf("making an event of what was put on the bus: %v", err)
		}
		c.mu.Lock()
		c.bus = append(c.bus, event)
		c.mu.Unlock()
		made = append(made, map[string]string{"EventId": id})
	}
	return map[string]any{"FailedEntryCount": 0, "Entries": made}
}
