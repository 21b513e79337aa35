package cli

import (
	"context"
	"crypto/rand"
	"maps"
	"strings"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"rootguard/internal/aws/awshealth/awshealthtest"
	"rootguard/internal/aws/cloudwatch/cloudwatchtest"
	"rootguard/internal/aws/dynamodb"
	"rootguard/internal/aws/dynamodb/dynamotest"
	"rootguard/internal/aws/sns/snstest"
	"rootguard/internal/aws/sqs/sqstest"
	"rootguard/internal/config"
	"rootguard/internal/health"
)

// hospital is an AWS with rootguard deployed, of which parts can be broken.
type hospital struct {
	rest   *awshealthtest.Server
	topics *snstest.Server
	queues *sqstest.Server
	tables *dynamotest.Server
	store  *dynamodb.Store
	env    map[string]string
}

const doctorKey = "arn:aws:kms:us-east-1:111122223333:key/k-1"

func newHospital(t *testing.T) *hospital {
	t.Helper()
	h := &hospital{topics: snstest.New(t), queues: sqstest.New(t), tables: dynamotest.New(t)}
	client := dynamotest.Client(h.tables.URL)
	table := dynamotest.Table(t, client)
	h.store = dynamodb.New(client, table, time.Now)
	h.queues.Queue("failed")
	h.queues.Queue("rootguard-forward-undelivered")
	d := awshealthtest.Deployment{Account: "111122223333", Region: "us-east-1", Prefix: "rootguard", Topics: []string{topicARN}, Key: doctorKey, Undelivered: "undelivered", Failed: "failed", Regions: []string{"eu-north-1"}}
	d.Alarms, d.Receivers = []string{"failed"}, config.Receivers{Alerts: []string{config.ReceiverID("email", "1@example.com")}, Second: []string{config.ReceiverID("email", "1@example.com")}}
	d.Environment = d.Deployed(strings.TrimSuffix(h.queues.Queue("undelivered"), "/undelivered"))
	maps.Copy(d.Environment, map[string]string{config.EnvTable: table, config.EnvTopicARN: topicARN, config.EnvKeys: doctorKey, config.EnvVersion: "v1.4.0 (abc1234)"})
	h.topics.Set(topicARN, snstest.Topic{Confirmed: 1, Key: doctorKey})
	h.rest = awshealthtest.New(t, d)
	h.env = map[string]string{"AWS_ENDPOINT_URL_DYNAMODB": h.tables.URL, "AWS_ENDPOINT_URL_SNS": h.topics.URL, "AWS_ENDPOINT_URL_SQS": h.queues.URL}
	maps.Copy(h.env, h.rest.Env())
	h.env["AWS_ENDPOINT_URL_IAM"] = h.rest.URL
	return h
}

// swept puts a run of the sweep on record, with a heartbeat ten minutes before it.
func (h *hospital) swept(ts *testscript.TestScript, neg bool, _ []string) {
	ts.Check(h.begin(context.Background(), !neg))
}

// begin is swept. Where it is not whole, the function iamuser had no heartbeat.
func (h *hospital) begin(ctx context.Context, whole bool) error {
	at, id := time.Now().Add(-health.Timely), rand.Text()
	if err := h.store.AddHeartbeat(ctx, health.Heartbeat{ID: id, At: at, Put: at}); err != nil {
		return err
	}
	for _, name := range health.Probed() {
		if !whole && name == "iamuser" {
			continue
		}
		if _, _, err := h.store.Received(ctx, id, name, at.Add(time.Second)); err != nil {
			return err
		}
	}
	return h.store.UpdateHealth(ctx, func(s health.State) (health.State, bool) {
		s.At, s.Heartbeats = time.Now().Add(-5*time.Minute), []health.Outstanding{{ID: id, At: at}}
		return s, true
	})
}

// breaks breaks something, or fixes it: breaks PART.
func (h *hospital) breaks(ts *testscript.TestScript, fix bool, args []string) {
	h.rest.Lock()
	defer h.rest.Unlock()
	state := "DISABLED"
	if fix {
		state = "ENABLED"
	}
	switch args[0] {
	case "trail":
		h.rest.Logging = fix
	case "rule":
		h.rest.Rules["rootguard-root-sign-in"].State = state
	case "key":
		h.rest.Refuse["DescribeKey"] = "AccessDeniedException"
		if fix {
			delete(h.rest.Refuse, "DescribeKey")
		}
	case "subscription":
		h.topics.Set(topicARN, snstest.Topic{Confirmed: 1, Pending: 1, Waiting: []string{"late@example.com"}, Key: doctorKey})
		if fix {
			h.topics.Set(topicARN, snstest.Topic{Confirmed: 1, Key: doctorKey})
		}
	case "receivers":
		h.topics.Set(topicARN, snstest.Topic{Confirmed: 1, Key: doctorKey, Subscriptions: []snstest.Subscription{{Protocol: "email", Endpoint: "1@example.com", Filter: `{"severity":["never"]}`, ByLink: true}}})
		if fix {
			h.topics.Set(topicARN, snstest.Topic{Confirmed: 1, Key: doctorKey})
		}
	case "alarms":
		h.rest.Watch.Lock()
		h.rest.Watch.Mutes["night"] = cloudwatchtest.Mute{Alarms: []string{"rootguard-failed"}}
		h.rest.Watch.Data["FailedInvocations rootguard-root-sign-in"] = []cloudwatchtest.Datapoint{{At: time.Now().Add(-30 * time.Minute), Sum: 2}}
		h.rest.Watch.Unlock()
	case "code":
		h.rest.Functions["rootguard-iamuser"].Code = "other"
	case "role":
		h.rest.Functions["rootguard-iamuser"].Role.Inline = map[string]string{"quiet": `{"Statement":[{"Sid":"Quiet","Effect":"Deny","Action":"*","Resource":"*"}]}`}
	case "bus":
		h.rest.BusKey = "arn:aws:kms:us-east-1:999988887777:key/k"
	case "regions":
		h.rest.Enabled = []string{"me-south-1"}
	case "queue":
		h.queues.Send("failed", "x")
	case "sweep":
		delete(h.rest.Functions, "rootguard-sweep")
	case "functions":
		clear(h.rest.Functions)
	case "settings":
		for _, f := range h.rest.Functions {
			f.Environment[config.EnvGrace] = "soon"
		}
	default:
		ts.Fatalf("break what? %s", args[0])
	}
}

// TestDoctorScripts runs the doctor as a user does.
func TestDoctorScripts(t *testing.T) {
	at := func(ts *testscript.TestScript) *hospital { return ts.Value("hospital").(*hospital) }
	runScripts(t, testscript.Params{
		Dir: "testdata/doctor",
		Setup: func(env *testscript.Env) error {
			h := newHospital(t)
			env.Values["hospital"] = h
			for name, value := range map[string]string{
				"AWS_ACCESS_KEY_ID": "test", "AWS_SECRET_ACCESS_KEY": "test",
				"AWS_REGION": "eu-west-1", "AWS_EC2_METADATA_DISABLED": "true",
			} {
				env.Setenv(name, value)
			}
			for name, value := range h.env {
				env.Setenv(name, value)
			}
			return nil
		},
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"swept":  func(ts *testscript.TestScript, neg bool, args []string) { at(ts).swept(ts, neg, args) },
			"breaks": func(ts *testscript.TestScript, neg bool, args []string) { at(ts).breaks(ts, neg, args) },
		},
	})
}
