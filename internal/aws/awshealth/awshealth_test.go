package awshealth_test

import (
	"encoding/json"
	"slices"
	"testing"
	"time"

	"rootguard/internal/aws/awsenv"
	"rootguard/internal/aws/awshealth"
	"rootguard/internal/aws/awshealth/awshealthtest"
	"rootguard/internal/aws/dynamodb"
	"rootguard/internal/aws/dynamodb/dynamotest"
	"rootguard/internal/aws/iam/iamtest"
	"rootguard/internal/aws/sns/snstest"
	"rootguard/internal/aws/sqs/sqstest"
	"rootguard/internal/config"
	"rootguard/internal/eventrules"
	"rootguard/internal/health"
	"rootguard/internal/partition"
)

func further(id string) []string {
	p, _ := partition.Of(id)
	return p.Further()
}

// TestWell holds that every check is made with real clients, each of the right
// Region, and that a guard that is well is found so.
func TestWell(t *testing.T) {
	const topic, key = "arn:aws:sns:us-east-1:111122223333:rootguard-alerts", "arn:aws:kms:us-east-1:111122223333:key/k-1"
	tables, topics, queues := dynamotest.New(t), snstest.New(t), sqstest.New(t)
	client := dynamotest.Client(tables.URL)
	table := dynamotest.Table(t, client)
	store := dynamodb.New(client, table, time.Now)
	topics.Set(topic, snstest.Topic{Confirmed: 1, Key: key})
	topics.Text(false, "50")
	queues.Queue("rootguard-forward-undelivered")
	queues.Queue("undelivered")
	url := queues.Queue("failed")
	d := awshealthtest.Deployment{
		Account: "111122223333", Region: "us-east-1", Prefix: "rootguard", Topics: []string{topic}, Key: key, Undelivered: "undelivered",
		Failed: "failed", Regions: further("aws"), Quarantine: true,
		Alarms: []string{"failed"}, Receivers: config.Receivers{Alerts: []string{config.ReceiverID("email", "1@example.com")},
			Second: []string{config.ReceiverID("email", "1@example.com")}},
		Environment: map[string]string{config.EnvTable: table, config.EnvTopicARN: topic, config.EnvPrefix: "rootguard", config.EnvKeys: key},
	}
	put := 0
	users := iamtest.New(t, d.Account)
	users.Tagged = func(role, key, id string) {
		if role != "rootguard-sweep" || key != eventrules.HeartbeatTag {
			t.Errorf("the role %s gets the tag %s", role, key)
		}
		for _, name := range health.Probed() {
			if _, known, err := store.Received(t.Context(), id, name, time.Now()); err != nil || !known {
				t.Errorf("heartbeat %s: %v, %v", id, known, err)
			}
		}
	}
	server := awshealthtest.New(t, d)
	users.Roles = server
	server.Lock()
	server.Put = func(e awshealthtest.Event) {
		var detail struct{ Prefix string }
		put++
		if err := json.Unmarshal([]byte(e.Detail), &detail); err != nil || e.Source != eventrules.HeartbeatSource ||
			e.DetailType != eventrules.HeartbeatDetailType || detail.Prefix != "rootguard" {
			t.Errorf("%+v: %v", e, err)
		}
	}
	server.Unlock()
	env := map[string]string{
		"AWS_REGION": "us-east-1", "AWS_ACCESS_KEY_ID": "test", "AWS_SECRET_ACCESS_KEY": "test",
		"AWS_ENDPOINT_URL_DYNAMODB": tables.URL, "AWS_ENDPOINT_URL_SNS": topics.URL, "AWS_ENDPOINT_URL_SQS": queues.URL,
		"AWS_ENDPOINT_URL_IAM": users.URL,
	}
	for name, value := range server.Env() {
		env[name] = value
	}
	settings := d.Deployed(url[:len(url)-len("/failed")])
	for name, value := range d.Environment {
		settings[name] = value
	}
	settings[config.EnvQuarantine] = "on"
	cfg, err := config.Load(func(name string) string { return settings[name] })
	if err != nil {
		t.Fatal(err)
	}
	aws, err := awsenv.Config(func(name string) string { return env[name] })
	if err != nil {
		t.Fatal(err)
	}
	checks := awshealth.New(&cfg, aws, time.Now, nil)
	at := time.Now()
	for i := range 2 {
		if _, err := checks.Run(t.Context(), nil, at.Add(time.Duration(i)*5*time.Minute)); err != nil {
			t.Fatal(err)
		}
	}
	if put != 2 {
		t.Errorf("%d events were put on the bus in 2 runs", put)
	}
	results := checks.Inspect(t.Context(), at.Add(6*time.Minute))
	if len(results) < 50 {
		t.Errorf("only %d checks", len(results))
	}
	if !slices.ContainsFunc(results, func(r health.Result) bool { return r.ID == "function.quarantine" }) {
		t.Error("the function of quarantine is not checked")
	}
	for _, r := range results {
		if r.Outcome != health.OK {
			t.Errorf("%s: %s: %s", r.ID, r.Outcome, r.Why)
		}
	}
}
