package cli

import (
	"bytes"
	"cmp"
	"crypto/rand"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	sdkdynamodb "github.com/aws/aws-sdk-go-v2/service/dynamodb"

	"rootguard/internal/aws/dynamodb"
	"rootguard/internal/aws/dynamodb/dynamotest"
	"rootguard/internal/aws/iam/iamtest"
	"rootguard/internal/cloudtrail"
	"rootguard/internal/config"
	"rootguard/internal/deploy"
	"rootguard/internal/detect"
	"rootguard/internal/fake"
	"rootguard/internal/quarantine"
	"rootguard/internal/wire"
)

var updateAccess = flag.Bool("update-access", false, "rewrite the policies of internal/docs/access.md")

// permit is one action on one resource.
type permit struct{ action, resource string }

// The resources of a policy, as access.md explains them.
const (
	aRegion  = "us-east-1:111122223333:"
	aTable   = "arn:aws:dynamodb:" + aRegion + "table/TABLE"
	aTopics  = "arn:aws:sns:" + aRegion + "rootguard-*"
	aQueues  = "arn:aws:sqs:*:111122223333:rootguard-*"
	aStack   = "arn:aws:cloudformation:" + aRegion + "stack/rootguard/*"
	aLambdas = "arn:aws:lambda:" + aRegion + "function:rootguard-*"
)

// permits are what IAM asks for a call (Service Authorization Reference, "Actions,
// resources, and condition keys"). It is nothing for what needs no permission.
func permits(service, operation string, input any) []permit {
	one := func(prefix, resource string) []permit { return []permit{{prefix + ":" + operation, resource}} }
	switch service {
	case "DynamoDB":
		switch in := input.(type) {
		case *sdkdynamodb.TransactWriteItemsInput:
			return []permit{{"dynamodb:PutItem", aTable}, {"dynamodb:ConditionCheckItem", aTable}}
		case *sdkdynamodb.QueryInput:
			if in.IndexName != nil {
				return one("dynamodb", aTable+"/index/"+aws.ToString(in.IndexName))
			}
		}
		return one("dynamodb", aTable)
	case "SNS":
		if strings.Contains(operation, "SMS") {
			return one("sns", "*")
		}
		return one("sns", aTopics)
	case "SQS":
		return one("sqs", aQueues)
	case "CloudFormation":
		return one("cloudformation", aStack)
	case "Lambda":
		if operation == "Invoke" {
			operation = "InvokeFunction"
		}
		return one("lambda", aLambdas)
	case "STS":
		if operation == "AssumeRole" {
			return one("sts", "arn:aws:iam::*:role/rootguard-member")
		}
		return nil // GetCallerIdentity needs none (AWS STS API Reference)
	case "S3":
		switch operation {
		case "ListObjectsV2", "HeadBucket":
			return []permit{{"s3:ListBucket", "arn:aws:s3:::BUCKET"}}
		}
		return one("s3", "arn:aws:s3:::BUCKET/*")
	case "EventBridge":
		return one("events", "*")
	}
	return one(strings.ToLower(strings.ReplaceAll(service, " ", "")), "*")
}

// accessOf are commands as access.md names them. extra is what they need besides, for
// what AWS itself does with the caller's permissions.
type accessOf struct {
	title string
	runs  [][]string
	extra []permit
	why   string
}

var topicKey = []permit{{"kms:Decrypt", "arn:aws:kms:" + aRegion + "key/KEY"}, {"kms:GenerateDataKey", "arn:aws:kms:" + aRegion + "key/KEY"}}

const topicKeyWhy = "The two actions of AWS KMS are for encrypted topics alone: Amazon SNS makes these calls for who publishes."

// TestAccess holds that the policies of access.md are just what the commands call:
// it fails where one grants too little, and where it grants what no command calls.
func TestAccess(t *testing.T) {
	const member = "444455556666"
	c := newCloud(t)
	bucketFile := `{"Records":[{"eventVersion":"1.08","eventID":"e-1","eventName":"CreateUser","eventSource":"iam.amazonaws.com","eventTime":"2026-03-02T08:00:00Z","userIdentity":{"type":"IAMUser","arn":"arn:aws:iam::111122223333:user/a"},"recipientAccountId":"111122223333"}]}`
	c.logs.Put("AWSLogs/111122223333/CloudTrail/us-east-1/2026/03/02/111122223333_CloudTrail_us-east-1_20260302T0905Z_a.json", bucketFile)
	for _, account := range []string{"111122223333", member} {
		c.iam.Set(account, iamtest.Account{Summary: map[string]int{"AccountMFAEnabled": 1}, Users: map[string]iamtest.User{
			"eve": {Password: true}, "sam": {Password: true, Devices: []string{"arn:aws:iam::" + account + ":mfa/sam"}},
		}})
	}
	c.org.Set(map[string]string{"111122223333": "acme", member: "billing"})
	c.org.SetState(member, "ACTIVE")
	c.iam.AllowRole("arn:aws:iam::" + member + ":role/rootguard-member")
	c.quarantine.deployed.Store(true)
	store := dynamodb.New(dynamotest.Client(c.dynamo.URL), c.table, time.Now)
	incidents := seedIncidents(t, store)
	h := newHospital(t)
	if err := errors.Join(c.inQuarantine(quarantine.Active, "eve"), h.begin(t.Context(), true)); err != nil {
		t.Fatal(err)
	}

	base := map[string]string{
		"HOME": t.TempDir(), "AWS_PROFILE": "", "AWS_CA_BUNDLE": "", "AWS_ACCESS_KEY_ID": "test", "AWS_SECRET_ACCESS_KEY": "test", "AWS_REGION": "us-east-1", "AWS_EC2_METADATA_DISABLED": "true",
		"AWS_ENDPOINT_URL_DYNAMODB": c.dynamo.URL, "AWS_ENDPOINT_URL_SQS": c.sqs.URL, "AWS_ENDPOINT_URL_SNS": c.sns.URL,
		"AWS_ENDPOINT_URL_CLOUDTRAIL": c.history.URL, "AWS_ENDPOINT_URL_CLOUDFORMATION": c.api.URL,
		"AWS_ENDPOINT_URL_SECURITYHUB": c.hub.URL, "AWS_ENDPOINT_URL_LAMBDA": c.api.URL, "AWS_ENDPOINT_URL_STS": c.api.URL,
		"AWS_ENDPOINT_URL_IAM": c.iam.URL, "AWS_ENDPOINT_URL_S3": c.logs.URL, "AWS_ENDPOINT_URL_ORGANIZATIONS": c.org.URL,
	}
	organization := map[string]string{
		config.EnvTable: c.table, config.EnvTopicARN: topicARN, config.EnvMemberRole: "rootguard-member", config.EnvOrganizationNames: "true",
	}
	all := []accessOf{
		{title: "Read: `status --aws`, `report --aws`, `digest --aws`, `explain --aws`, `incidents`, `announce list`", runs: [][]string{
			{"status", "--aws"}, {"digest", "--aws"}, {"report", "--aws", "-o", "-"}, {"explain", "--aws", "e-1"}, {"incidents"}, {"announce", "list", "--all"},
		}},
		{title: "On call: `ack`, `announce open`, `announce deploy`, `announce close`, and what reads", runs: [][]string{
			{"ack", incidents[0], "--note", "x"}, {"ack", incidents[1], incidents[2], "--note", "x"}, {"ack", "--all", "--snooze", "1h", "--note", "x"},
			{"announce", "open", "--account", "111122223333", "--for", "1h", "--owner", "alice", "--reason", "x"}, {"announce", "close", "--account", "111122223333"},
			{"announce", "deploy", "--for", "1h", "--owner", "alice", "--reason", "x"}, {"incidents"}, {"status", "--aws"},
		}, extra: topicKey, why: topicKeyWhy},
		{title: "Quarantine: `release`", runs: [][]string{{"release", "eve", "--account", "111122223333", "--reason", "x"}}, extra: topicKey, why: topicKeyWhy},
		{title: "Check the guard: `doctor`", runs: [][]string{{"doctor"}},
			extra: []permit{{"cloudwatch:GetAlarmMuteRule", "*"}, {"sns:GetSMSAttributes", "*"}, {"sns:GetSMSSandboxAccountStatus", "*"}},
			why:   "`cloudwatch:GetAlarmMuteRule` is for accounts that have alarm mute rules, the two about SMS for guards with SMS receivers. It changes nothing."},
		{title: "Deliver what waits: `redrive`", runs: [][]string{{"redrive", "--dry-run"}, {"redrive"}, {"redrive", "--forwarder", "us-east-1"}}, extra: append(slices.Clone(topicKey), permit{"securityhub:BatchImportFindings", "*"}),
			why: topicKeyWhy + " The action of Security Hub is for alerts that wait for it, where `securityHub` is set."},
		{title: "Onboard accounts: `enroll`, `enroll --organization`", runs: [][]string{{"enroll"}, {"enroll", "--organization"}}},
		{title: "Without a deployment: `replay --aws-lookup`", runs: [][]string{{"replay", "--aws-lookup", "1d", "--lookup-rate", "1000", "--region", "us-east-1", "--store", t.TempDir() + "/s.db"}}},
		{title: "Without a deployment: `replay s3://BUCKET/…`", runs: [][]string{{"replay", "--store", t.TempDir() + "/s.db", "s3://logs/AWSLogs/"}},
			extra: []permit{{"kms:Decrypt", "arn:aws:kms:" + aRegion + "key/KEY"}}, why: "`kms:Decrypt` is for a bucket whose files a key of yours encrypts: Amazon S3 makes this call for who reads."},
	}
	var doc strings.Builder
	for _, a := range all {
		found := map[permit]bool{}
		var mu sync.Mutex
		for _, args := range a.runs {
			env := maps.Clone(base)
			if args[0] == "doctor" {
				maps.Copy(env, h.env)
			}
			own := map[string]string{}
			if slices.Contains(args, "--organization") {
				own = organization
			}
			for name, value := range env {
				t.Setenv(name, value)
			}
			ctx := observed(t.Context(), func(service, operation string, input any) func() {
				mu.Lock()
				defer mu.Unlock()
				for _, p := range permits(service, operation, input) {
					found[p] = true
				}
				return func() {}
			})
			if args[0] == "redrive" {
				c.sqs.Send("rootguard-Failed-1", rootSignIn("e-redriven-"+rand.Text(), "111122223333", time.Now()))
			}
			var stdout, stderr bytes.Buffer
			code := run(ctx, args, system{stdin: strings.NewReader(""), stdout: &stdout, stderr: &stderr, getenv: func(name string) string { return cmp.Or(own[name], env[name]) }, now: time.Now})
			if code != exitOK {
				t.Errorf("%v: exit code %d\n%s%s", args, code, stdout.String(), stderr.String())
			}
		}
		for _, p := range a.extra {
			if found[p] {
				t.Errorf("%s: %v is called, and needs no reason of its own", a.title, p)
			}
			found[p] = true
		}
		doc.WriteString("\n## " + a.title + "\n\n")
		if a.why != "" {
			doc.WriteString(a.why + "\n\n")
		}
		doc.WriteString("```json\n" + policyOf(t, found) + "```\n")
	}

	// What deploying needs the release's tests hold to the calls that it makes.
	policy, err := deploy.FullPolicy(deploy.Manifest{Prefix: "rootguard", Partition: "aws"}, "111122223333")
	if err != nil {
		t.Fatal(err)
	}
	doc.WriteString("\n## Deploy: `deploy`, `upgrade`, `destroy`\n\nWhat `rootguard deploy --policy-of ACCOUNT` prints, for the account `111122223333`: what the command calls, and what CloudFormation calls for it. Beside that, `doctor` runs at the end, unless `--no-wait` is given. Who may make roles named `rootguard-*` can give them any permission: give it to a role that only a reviewed release can use.\n\n```json\n" + string(policy) + "```\n")

	const file, mark = "../docs/access.md", "<!-- From here on written by the test TestAccess -->\n"
	was, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	head, _, ok := strings.Cut(string(was), mark)
	if !ok {
		t.Fatalf("%s has no line %q", file, mark)
	}
	want := head + mark + doc.String()
	if *updateAccess {
		if err := os.WriteFile(file, []byte(want), 0o600); err != nil {
			t.Fatal(err)
		}
	} else if want != string(was) {
		t.Errorf("the commands call something else than %s grants; after a check: go test ./internal/cli -run TestAccess -update-access\n%s", file, doc.String())
	}
}

// policyOf is a policy that allows just these.
func policyOf(t *testing.T, found map[permit]bool) string {
	t.Helper()
	type statement struct {
		Effect   string
		Action   []string
		Resource []string
	}
	actions := map[string][]string{} // by resource
	for p := range found {
		actions[p.resource] = append(actions[p.resource], p.action)
	}
	statements := []statement{}
	for _, resource := range slices.Sorted(maps.Keys(actions)) {
		slices.Sort(actions[resource])
		statements = append(statements, statement{"Allow", actions[resource], []string{resource}})
	}
	var out bytes.Buffer
	enc := json.NewEncoder(&out)
	enc.SetIndent("", "  ")
	if err := enc.Encode(struct {
		Version   string
		Statement []statement
	}{"2012-10-17", statements}); err != nil {
		t.Fatal(err)
	}
	return out.String()
}

// rootSignIn is an event of EventBridge.
func rootSignIn(id, account string, at time.Time) string {
	moment := at.UTC().Format(time.RFC3339)
	return fmt.Sprintf(`{"version":"0","id":"eb-%[1]s","detail-type":"AWS Console Sign In via CloudTrail","source":"aws.signin","account":%[2]q,"time":%[3]q,"region":"us-east-1","resources":[],"detail":%[4]s}`, id, account, moment, rootRecord(id, account, moment))
}

func rootRecord(id, account, moment string) string {
	return fmt.Sprintf(`{"eventVersion":"1.08","userIdentity":{"type":"Root","principalId":%[2]q,"arn":"arn:aws:iam::%[2]s:root","accountId":%[2]q,"accessKeyId":""},"eventTime":%[3]q,"eventSource":"signin.amazonaws.com","eventName":"ConsoleLogin","awsRegion":"us-east-1","sourceIPAddress":"203.0.113.5","userAgent":"test","requestParameters":null,"responseElements":{"ConsoleLogin":"Success"},"additionalEventData":{"MFAUsed":"No"},"eventID":%[1]q,"readOnly":false,"eventType":"AwsConsoleSignIn","managementEvent":true,"recipientAccountId":%[2]q}`, id, account, moment)
}

// seedIncidents puts four root sign-ins into the table, and returns the IDs of their incidents.
func seedIncidents(t *testing.T, store *dynamodb.Store) []string {
	t.Helper()
	g := wire.New(wire.Deps{Detector: &detect.Detector{}, Claims: store, Facts: store, Publisher: &fake.Publisher{}, Now: time.Now, Incidents: store}, wire.Settings{}).Guard
	for i := range 4 {
		at := time.Now().Add(-time.Duration(i+1) * time.Hour).UTC().Format(time.RFC3339)
		rec, err := cloudtrail.NewReader(strings.NewReader(rootRecord(fmt.Sprintf("e-%d", i+1), "111122223333", at)), detect.Candidate).Next()
		if err != nil || rec.Record == nil {
			t.Fatal(err, rec.Err)
		}
		if _, err := g.Handle(t.Context(), rec.Record); err != nil {
			t.Fatal(err)
		}
	}
	all, err := store.Incidents(t.Context(), "")
	if err != nil || len(all) != 4 {
		t.Fatalf("%d incidents, %v", len(all), err)
	}
	ids := make([]string, len(all))
	for i := range all {
		ids[i] = all[i].ID
	}
	return ids
}
