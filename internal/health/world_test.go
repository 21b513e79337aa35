package health_test

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"rootguard/internal/config"
	"rootguard/internal/eventrules"
	"rootguard/internal/fake"
	"rootguard/internal/guard"
	"rootguard/internal/health"
)

const (
	account = "111122223333"
	home    = "us-east-1"
	alerts  = "arn:aws:sns:us-east-1:111122223333:rootguard-alerts"
	escal   = "arn:aws:sns:us-east-1:111122223333:rootguard-escalation"
	chat    = "arn:aws:sns:us-east-1:111122223333:rootguard-chat"
	keyARN  = "arn:aws:kms:us-east-1:111122223333:key/k-1"
	queues  = "https://sqs.us-east-1.amazonaws.com/111122223333/"
	further = "eu-north-1" // with the second way out
	second  = "arn:aws:sns:eu-north-1:111122223333:rootguard-second"
)

var t0 = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

// world is an AWS in which rootguard is deployed and well.
type world struct {
	mu        sync.Mutex
	trails    []health.Trail
	rules     map[string][]health.Rule   // by Region
	targets   map[string][]health.Target // by Region and rule
	functions map[string]health.Function
	queues    map[string]health.Queue
	malformed map[string]health.Malformed // by queue; where there is none, each message is an event
	topics    map[string]health.Topic
	keys      map[string]health.Key
	tables    map[string]health.Table
	protect   health.Protection
	roles     map[string]health.Role
	alarms    map[string]health.Alarm
	mutes     []health.Mute
	sums      map[string]float64 // by the value of a metric's dimension
	windows   [][2]time.Time     // of which metrics were read
	enabled   []string
	buses     map[string]health.EventBus // by Region
	policy    string                     // of the table
	receivers map[string]health.Receivers
	texting   health.Texting
	hangs     map[string]bool  // calls that do not return
	fails     map[string]error // by the name of a call
	calls     map[string]int
	deaf      map[string]bool // functions that heartbeats do not reach
	delay     time.Duration   // of heartbeats, from the call to the function
	unsent    []guard.Group

	store *fake.Health
	clock *fake.Clock
	want  health.Expected
}

// deployedRules are worked out once: that takes longer than most tests here.
var deployedRules = sync.OnceValues(func() ([]eventrules.Rule, error) { return eventrules.RulesFor("rootguard") })

func newWorld(t *testing.T) *world {
	t.Helper()
	return newWorldWith(t, false)
}

// newWorldWith is one with the function and the rule of quarantine, or without.
func newWorldWith(t *testing.T, quarantine bool) *world {
	t.Helper()
	w := &world{
		trails: []health.Trail{{Name: "main", ARN: "arn:aws:cloudtrail:us-east-1:111122223333:trail/main", HomeRegion: home, MultiRegion: true,
			GlobalServiceEvents: true, Logging: true, Reads: true, Writes: true}},
		rules: map[string][]health.Rule{}, targets: map[string][]health.Target{}, functions: map[string]health.Function{},
		queues:    map[string]health.Queue{home + "/undelivered": {}, home + "/failed": {}, further + "/rootguard-forward-undelivered": {}},
		malformed: map[string]health.Malformed{},
		topics: map[string]health.Topic{
			alerts: {Confirmed: 1, Key: keyARN, Policy: topicPolicy}, escal: {Confirmed: 1, Key: keyARN, Policy: topicPolicy},
			chat: {Confirmed: 1, Key: keyARN, Policy: topicPolicy}, second: {Confirmed: 1},
		},
		receivers: map[string]health.Receivers{
			alerts: {List: []health.Receiver{
				{ARN: alerts + ":1", Protocol: "email", Endpoint: "ops@example.com", Authenticated: true},
				{ARN: alerts + ":2", Protocol: "sms", Endpoint: "+15555550100", Filter: `{"severity": ["high", "critical"]}`},
				{ARN: alerts + ":3", Protocol: "lambda", Endpoint: "arn:aws:lambda:us-east-1:111122223333:function:rootguard-securityhub",
					Filter: `{"severity":[{"exists":true}]}`},
			}},
			escal:  {List: []health.Receiver{{ARN: escal + ":1", Protocol: "https", Endpoint: "https://hooks.example.com/x", Authenticated: true}}},
			second: {List: []health.Receiver{{ARN: second + ":1", Protocol: "email", Endpoint: "ops@example.com", Authenticated: true}}},
			chat:   {List: []health.Receiver{{ARN: chat + ":1", Protocol: "https", Endpoint: "https://chatbot.example.com"}}},
		},
		texting: health.Texting{Limit: "50"}, enabled: []string{home, further}, buses: map[string]health.EventBus{}, sums: map[string]float64{},
		hangs: map[string]bool{},
		roles: map[string]health.Role{}, alarms: map[string]health.Alarm{
			"rootguard-failed": {Name: "rootguard-failed", Enabled: true, Actions: []string{alerts, escal, chat}},
			"rootguard-no-sign": {Name: "rootguard-no-sign", Enabled: true, Actions: []string{alerts, escal, chat,
				"arn:aws:sns:us-east-1:111122223333:more"}},
			"rootguard-by-another": {Name: "rootguard-by-another"},
		},
		keys:    map[string]health.Key{keyARN: {State: "Enabled"}},
		tables:  map[string]health.Table{"table": {Status: "ACTIVE", Indexes: map[string]string{"due": "ACTIVE"}, DeletionProtection: true}},
		protect: health.Protection{TTL: "expires", PointInTimeRecovery: true},
		fails:   map[string]error{}, calls: map[string]int{}, deaf: map[string]bool{}, delay: time.Second,
		store: &fake.Health{}, clock: fake.NewClock(t0),
		want: health.Expected{
			Partition: "aws", Region: home, Account: account, Prefix: "rootguard", Table: "table", Alerts: alerts, Escalation: escal, Chat: chat,
			Key: keyARN, Undelivered: queues + "undelivered", Failed: queues + "failed", Regions: []string{further}, Second: further,
			Deployed: true, Code: map[string]string{}, Alarms: []string{"rootguard-failed", "rootguard-no-sign"}, SMS: true,
			Further: []string{further}, OptIn: true, Digest: true,
			Receivers: map[string][]string{
				alerts: {config.ReceiverID("email", "ops@example.com"), config.ReceiverID("sms", "+15555550100")},
				escal:  {config.ReceiverID("https", "https://hooks.example.com/x")},
				second: {config.ReceiverID("email", "ops@example.com")},
			},
		},
	}
	rules, err := deployedRules()
	if err != nil {
		t.Fatal(err)
	}
	rules = slices.Clone(rules)
	names := []string{"rootactivity", "iamuser", "sweep"}
	if quarantine {
		rules, names = append(rules, eventrules.QuarantineRule("rootguard")), append(names, "quarantine")
	}
	const lambda, sqs = "arn:aws:lambda:us-east-1:111122223333:function:rootguard-", "arn:aws:sqs:us-east-1:111122223333:"
	policies := map[string][]string{}
	put := func(region, prefix string, r eventrules.Rule, schedule string, targets ...health.Target) {
		state := "ENABLED"
		if r.AllManagementEvents {
			state = "ENABLED_WITH_ALL_CLOUDTRAIL_MANAGEMENT_EVENTS"
		}
		name := prefix + r.Name
		w.rules[region] = append(w.rules[region], health.Rule{Name: name, ARN: "arn:aws:events:" + region + ":" + account + ":rule/" + name,
			State: state, Pattern: r.Pattern, Schedule: schedule})
		w.targets[region+"/"+name] = targets
	}
	permit := func(r eventrules.Rule) {
		policies[r.Function] = append(policies[r.Function], `{"Sid":"`+r.Name+
			`","Effect":"Allow","Principal":{"Service":"events.amazonaws.com"},"Action":"lambda:InvokeFunction","Resource":"`+lambda+r.Function+
			`","Condition":{"StringEquals":{"AWS:SourceAccount":"`+account+`"},"ArnLike":{"AWS:SourceArn":"arn:aws:events:us-east-1:`+account+
			`:rule/rootguard-`+r.Name+`"}}}`)
	}
	for _, r := range append(slices.Clone(rules), eventrules.Heartbeats("rootguard", account)...) {
		put(home, "rootguard-", r, "", health.Target{ARN: lambda + r.Function, DeadLetters: sqs + "undelivered"})
		permit(r)
	}
	direct := append(eventrules.Direct("rootguard"), eventrules.DirectKey(keyARN))
	const queue = "arn:aws:sqs:eu-north-1:111122223333:rootguard-forward-undelivered"
	sending, reporting := eventrules.Second(direct, account, home)
	for _, r := range sending {
		put(home, "rootguard-", r, "", health.Target{ARN: "arn:aws:events:eu-north-1:111122223333:event-bus/default",
			DeadLetters: sqs + "undelivered"})
	}
	for _, r := range reporting {
		put(further, "rootguard-", r, "", health.Target{ARN: second, DeadLetters: queue, Rewrites: true})
	}
	alive := eventrules.Alive("rootguard", account)
	put(home, "rootguard-", alive, "", health.Target{ARN: "arn:aws:events:eu-north-1:111122223333:event-bus/default"})
	put(further, "rootguard-second-", alive, "",
		health.Target{ARN: "arn:aws:sqs:eu-north-1:111122223333:rootguard-forward-eu-north-1-Heartbeats1234"})
	for _, r := range rules {
		r = eventrules.Elsewhere(r, home)
		put(further, "rootguard-forward-", r, "", health.Target{ARN: "arn:aws:events:us-east-1:111122223333:event-bus/default",
			DeadLetters: queue})
	}
	for _, r := range direct {
		put(home, "rootguard-", r, "", health.Target{ARN: alerts, DeadLetters: sqs + "undelivered", Rewrites: true},
			health.Target{ARN: escal, DeadLetters: sqs + "undelivered", Rewrites: true}, health.Target{ARN: chat, DeadLetters: sqs + "undelivered",
				Rewrites: true})
	}
	for _, name := range names {
		if name == "sweep" || name == "quarantine" {
			r := eventrules.Rule{Name: "schedule-" + name, Function: name}
			put(home, "rootguard-", r, "rate(5 minutes)", health.Target{ARN: lambda + name, DeadLetters: sqs + "undelivered"})
			permit(r)
		}
		w.functions["rootguard-"+name] = health.Function{
			Runtime: "provided.al2023", State: "Active", Update: "Successful", OnFailure: sqs + "failed",
			Code: "hash-" + name, Handler: "bootstrap", Role: roleARN(name), Timeout: 30 * time.Second, RuntimeUpdates: "Auto",
			Policy: `{"Version":"2012-10-17","Statement":[` + strings.Join(policies[name], ",") + `]}`,
			Environment: map[string]string{config.EnvTable: "table", config.EnvTopicARN: alerts, config.EnvEscalationTopicARN: escal,
				config.EnvChatTopicARN: chat, config.EnvPrefix: "rootguard", config.EnvKeys: keyARN},
		}
	}
	for _, name := range names {
		w.want.Code[name] = "hash-" + name
		w.roles["rootguard-"+name+"Role-x"] = health.Role{Trust: trust, Inline: map[string]string{"Default": rolePolicy}}
	}
	return w
}

func roleARN(name string) string {
	return "arn:aws:iam::111122223333:role/rootguard-" + name + "Role-x"
}

const (
	trust       = `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"Service":"lambda.amazonaws.com"},"Action":"sts:AssumeRole"}]}`
	topicPolicy = `{"Statement":[{"Sid":"AllowPublishThroughSSLOnly","Effect":"Deny","Principal":"*","Action":"sns:Publish","Resource":"t","Condition":{"Bool":{"aws:SecureTransport":"false"}}},
		{"Effect":"Allow","Principal":{"Service":"cloudwatch.amazonaws.com"},"Action":"sns:Publish","Resource":"t","Condition":{"StringEquals":{"aws:SourceAccount":"111122223333"}}},
		{"Effect":"Allow","Principal":{"Service":"events.amazonaws.com"},"Action":"sns:Publish","Resource":"t"}]}`
	tableARN   = "arn:aws:dynamodb:us-east-1:111122223333:table/table"
	rolePolicy = `{"Statement":[
		{"Sid":"Record","Effect":"Allow","Action":["dynamodb:BatchGetItem","dynamodb:ConditionCheckItem","dynamodb:PutItem","dynamodb:Query","dynamodb:UpdateItem"],"Resource":"` + tableARN + `"},
		{"Sid":"FindDue","Effect":"Allow","Action":"dynamodb:Query","Resource":"` + tableARN + `/index/due"},
		{"Sid":"Publish","Effect":"Allow","Action":"sns:Publish","Resource":["` + alerts + `","` + escal + `","` + chat + `"]},
		{"Sid":"KeepFailed","Effect":"Allow","Action":"sqs:SendMessage","Resource":"arn:aws:sqs:us-east-1:111122223333:failed"},
		{"Sid":"Heartbeat","Effect":"Allow","Action":"events:PutEvents","Resource":"*","Condition":{"StringEquals":{"events:source":"rootguard"}}},
		{"Sid":"EncryptAlerts","Effect":"Allow","Action":["kms:Decrypt","kms:GenerateDataKey"],"Resource":"` + keyARN + `"}]}`
)

func (w *world) checker() *health.Checker {
	return health.New(health.Ports{Trails: w, Rules: w, Functions: w, Queues: w, Messages: w, Topics: w, Keys: w, Tables: w, Roles: w,
		Alarms: (*bells)(w), Metrics: w, Regions: w, Bus: w, Recorder: w, RollUps: w, Store: w.store}, w.want, w.clock.Now)
}

// Due is health.RollUps'.
func (w *world) Due(_ context.Context, at time.Time, limit int) ([]guard.Group, error) {
	err := w.call("Due")
	var due []guard.Group
	for _, one := range w.unsent {
		if !one.Until.After(at) && len(due) < limit {
			due = append(due, one)
		}
	}
	return due, err
}

func (w *world) call(name string) error {
	if w.hangs[name] {
		time.Sleep(time.Hour) // in the time of a synctest bubble
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.calls[name]++
	return w.fails[name]
}

func found[K comparable, V any](w *world, call string, m map[K]V, key K) (V, error) {
	var none V
	if err := w.call(call); err != nil {
		return none, err
	}
	v, ok := m[key]
	if !ok {
		return none, fmt.Errorf("%s %v: %w", call, key, health.ErrAbsent)
	}
	return v, nil
}

func (w *world) Trails(context.Context) ([]health.Trail, error) {
	if err := w.call("Trails"); err != nil {
		return nil, err
	}
	return w.trails, nil
}

func (w *world) Rules(_ context.Context, region, prefix string) ([]health.Rule, error) {
	if err := w.call("Rules"); err != nil {
		return nil, err
	}
	if region == "" {
		region = home
	}
	return slices.DeleteFunc(slices.Clone(w.rules[region]), func(r health.Rule) bool { return !strings.HasPrefix(r.Name, prefix) }), nil
}

func (w *world) Targets(_ context.Context, region, rule string) ([]health.Target, error) {
	if region == "" {
		region = home
	}
	return found(w, "Targets", w.targets, region+"/"+rule)
}

func (w *world) Function(_ context.Context, name string) (health.Function, error) {
	return found(w, "Function", w.functions, name)
}

func (w *world) Queue(_ context.Context, region, queue string) (health.Queue, error) {
	if region == "" {
		region = home
	}
	return found(w, "Queue", w.queues, region+"/"+queue[strings.LastIndexByte(queue, '/')+1:])
}

// Malformed is health.Messages'.
func (w *world) Malformed(_ context.Context, url string) (health.Malformed, error) {
	return w.malformed[home+"/"+url[strings.LastIndexByte(url, '/')+1:]], w.call("Malformed")
}

func (w *world) Topic(_ context.Context, arn string) (health.Topic, error) {
	return found(w, "Topic", w.topics, arn)
}

func (w *world) Key(_ context.Context, id string) (health.Key, error) {
	return found(w, "Key", w.keys, id)
}

func (w *world) Table(_ context.Context, name string) (health.Table, error) {
	return found(w, "Table", w.tables, name)
}

func (w *world) Protection(context.Context, string) (health.Protection, error) {
	if err := w.call("Protection"); err != nil {
		return health.Protection{}, err
	}
	return w.protect, nil
}

func (w *world) TablePolicy(context.Context, string) (string, error) {
	return w.policy, w.call("TablePolicy")
}

func (w *world) DefaultBus(_ context.Context, region string) (health.EventBus, error) {
	if region == "" {
		region = home
	}
	return w.buses[region], w.call("DefaultBus")
}

func (w *world) Role(_ context.Context, name string) (health.Role, error) {
	return found(w, "Role", w.roles, name)
}

func (w *world) Receivers(_ context.Context, arn string) (health.Receivers, error) {
	return found(w, "Receivers", w.receivers, arn)
}

func (w *world) Texting(context.Context) (health.Texting, error) {
	return w.texting, w.call("Texting")
}

func (w *world) Enabled(context.Context) ([]string, error) { return w.enabled, w.call("Enabled") }

// Sums gives what was lost since it was last asked, as a metric's datapoints are in one window alone.
func (w *world) Sums(_ context.Context, of []health.Metric, from, to time.Time) ([]float64, error) {
	if err := w.call("Sums"); err != nil {
		return nil, err
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.windows = append(w.windows, [2]time.Time{from, to})
	sums := make([]float64, len(of))
	for i, m := range of {
		sums[i] = w.sums[m.Value]
	}
	return sums, nil
}

// bells is the CloudWatch of a world.
type bells world

func (b *bells) Alarms(_ context.Context, prefix string) ([]health.Alarm, error) {
	w := (*world)(b)
	if err := w.call("Alarms"); err != nil {
		return nil, err
	}
	var all []health.Alarm
	for name, a := range w.alarms {
		if strings.HasPrefix(name, prefix) {
			all = append(all, a)
		}
	}
	return all, nil
}

func (b *bells) Mutes(context.Context) ([]health.Mute, error) {
	return b.mutes, (*world)(b).call("Mutes")
}

// Put takes the event on the bus.
func (w *world) Put(context.Context, time.Time) error { return w.call("Put") }

// Record brings a heartbeat to the functions that hear, unless it takes for ever.
func (w *world) Record(ctx context.Context, id string) error {
	if err := w.call("Record"); err != nil {
		return err
	}
	for _, name := range health.Probed() {
		if !w.deaf[name] {
			if _, _, err := w.store.Received(ctx, id, name, w.clock.Now().Add(w.delay)); err != nil {
				return err
			}
		}
	}
	return nil
}

// rule is a deployed rule, to be changed.
func (w *world) rule(region, name string) *health.Rule {
	i := slices.IndexFunc(w.rules[region], func(r health.Rule) bool { return r.Name == name })
	return &w.rules[region][i]
}

func (w *world) removeRule(region, name string) {
	w.rules[region] = slices.DeleteFunc(w.rules[region], func(r health.Rule) bool { return r.Name == name })
	delete(w.targets, region+"/"+name)
}

func (w *world) function(name string, change func(*health.Function)) {
	f := w.functions["rootguard-"+name]
	change(&f)
	w.functions["rootguard-"+name] = f
}

func (w *world) role(name string, change func(*health.Role)) {
	r := w.roles["rootguard-"+name+"Role-x"]
	r.Inline = maps.Clone(r.Inline)
	change(&r)
	w.roles["rootguard-"+name+"Role-x"] = r
}

func (w *world) table(change func(*health.Table)) {
	t := w.tables["table"]
	change(&t)
	w.tables["table"] = t
}

func (w *world) topic(arn string, change func(*health.Topic)) {
	t := w.topics[arn]
	change(&t)
	w.topics[arn] = t
}

const routeFilter = `{"account":["111122223333"],"severity":["high"]}`

// route deploys a receiver of a route, which has a filter by now.
func (w *world) route(filter, scope string) {
	id := config.ReceiverID("email", "team@example.com")
	w.want.Routes = map[string]string{id: config.FilterID(routeFilter)}
	w.want.Receivers[alerts] = append(w.want.Receivers[alerts], id)
	r := w.receivers[alerts]
	r.List = append(r.List, health.Receiver{ARN: alerts + ":4", Protocol: "email", Endpoint: "team@example.com", Filter: filter,
		FilterScope: scope, Authenticated: true})
	w.receivers[alerts] = r
}

func (w *world) receiver(topic string, i int, change func(*health.Receiver)) {
	change(&w.receivers[topic].List[i])
}

func (w *world) alarm(name string, change func(*health.Alarm)) {
	a := w.alarms[name]
	change(&a)
	w.alarms[name] = a
}

// operatorsOnly is a policy of the table that keeps from writing all but the roles
// of a pattern.
func operatorsOnly(roles string) string {
	return `{"Statement":[{"Sid":"OperatorsOnly","Effect":"Deny","Principal":"*","Action":["dynamodb:PutItem","dynamodb:UpdateItem","dynamodb:DeleteItem"],"Resource":"` + tableARN +
		`","Condition":{"ArnNotLike":{"aws:PrincipalArn":["arn:aws:iam::111122223333:role/operator","arn:aws:iam::111122223333:role/` + roles +
		`"]}}}]}`
}
