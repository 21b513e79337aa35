package cli

import (
	"bytes"
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"rootguard/internal/accountcheck"
	"rootguard/internal/aws/dynamodb"
	"rootguard/internal/aws/dynamodb/dynamotest"
	"rootguard/internal/aws/eventhistory/eventhistorytest"
	"rootguard/internal/aws/iam/iamtest"
	"rootguard/internal/aws/organizations/organizationstest"
	"rootguard/internal/aws/s3/s3test"
	"rootguard/internal/aws/securityhub/securityhubtest"
	"rootguard/internal/aws/sns/snstest"
	"rootguard/internal/aws/sqs/sqstest"
	"rootguard/internal/bootstrap"
	"rootguard/internal/cli/story"
	"rootguard/internal/cloudtrail"
	"rootguard/internal/daytwo"
	"rootguard/internal/detect"
	"rootguard/internal/fake"
	"rootguard/internal/guard"
)

// topicARN is the topic of the deployed stack in these tests.
const topicARN = "arn:aws:sns:us-east-1:111122223333:rootguard-alerts"

// cloud is an AWS of loopback servers, with rootguard deployed in us-east-1.
type cloud struct {
	dynamo  *dynamotest.Server
	table   string
	sqs     *sqstest.Server
	sns     *snstest.Server
	history *eventhistorytest.Server
	hub     *securityhubtest.Server
	iam     *iamtest.Server
	org     *organizationstest.Server
	logs    *s3test.Server
	known   map[string]iamtest.Account // what iam knows
	api     *httptest.Server           // CloudFormation, Lambda and STS
	dayTwo  string                     // the steps of day two that are deployed, as in the environment

	quarantine quarantineFunction
}

func newCloud(t *testing.T) *cloud {
	t.Helper()
	c := &cloud{dynamo: dynamotest.New(t), sqs: sqstest.New(t), sns: snstest.New(t), history: eventhistorytest.New(t), hub: securityhubtest.New(t, "111122223333"),
		iam: iamtest.New(t, "111122223333"), org: organizationstest.New(t), logs: s3test.New(t, "logs"), known: map[string]iamtest.Account{}}
	c.table = dynamotest.Table(t, dynamotest.Client(c.dynamo.URL))
	c.sqs.Queue("rootguard-Undelivered-1")
	c.sqs.Queue("rootguard-Failed-1")
	c.sqs.Queue("rootguard-forward-undelivered")
	c.api = httptest.NewServer(c)
	t.Cleanup(c.api.Close)
	return c
}

// ServeHTTP answers DescribeStacks, GetFunctionConfiguration and GetCallerIdentity.
func (c *cloud) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	home := strings.Contains(r.Header.Get("Authorization"), "/us-east-1/")
	w.Header().Set("Content-Type", "text/xml")
	switch {
	case r.URL.Path == "/2015-03-31/functions/rootguard-rootactivity/configuration" && home:
		w.Header().Set("Content-Type", "application/json")
		_, _ = fmt.Fprintf(w, `{"FunctionName":"rootguard-rootactivity","Environment":{"Variables":{"ROOTGUARD_TABLE":%q,"ROOTGUARD_TOPIC_ARN":%q,"ROOTGUARD_LEASE":"45s","ROOTGUARD_GRACE":"300h","ROOTGUARD_QUIET_DAYS":"21","ROOTGUARD_DAY_TWO":%q,"ROOTGUARD_ACCOUNT_NAMES":"{\"111122223333\":\"acme\"}"}}}`, c.table, topicARN, c.dayTwo)
	case strings.HasPrefix(r.URL.Path, "/2015-03-31/functions/rootguard-quarantine/") && home && c.quarantine.deployed.Load():
		c.quarantine.serve(c, w, r)
	case strings.HasPrefix(r.URL.Path, "/2015-03-31/functions/"):
		w.Header().Set("Content-Type", "application/json")
		w.Header().Set("X-Amzn-Errortype", "ResourceNotFoundException")
		w.WriteHeader(http.StatusNotFound)
		_, _ = w.Write([]byte(`{"Type":"User","message":"Function not found"}`))
	case r.FormValue("Action") == "AssumeRole":
		c.iam.ServeHTTP(w, r)
	case r.FormValue("Action") == "GetCallerIdentity":
		_, _ = w.Write([]byte(`<GetCallerIdentityResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/"><GetCallerIdentityResult><Arn>arn:aws:iam::111122223333:user/admin</Arn><UserId>AIDA</UserId><Account>111122223333</Account></GetCallerIdentityResult></GetCallerIdentityResponse>`))
	case r.FormValue("Action") == "DescribeStacks" && r.FormValue("StackName") == "rootguard" && home:
		_, _ = w.Write([]byte(`<DescribeStacksResponse xmlns="http://cloudformation.amazonaws.com/doc/2010-05-15/"><DescribeStacksResult><Stacks><member><StackName>rootguard</StackName><CreationTime>2025-03-01T12:00:00Z</CreationTime><StackStatus>CREATE_COMPLETE</StackStatus><Outputs>`))
		for key, value := range map[string]string{
			"TableName": c.table, "TopicArn": topicARN,
			"UndeliveredQueueUrl": c.sqs.Queue("rootguard-Undelivered-1"), "FailedQueueUrl": c.sqs.Queue("rootguard-Failed-1"),
		} {
			_, _ = fmt.Fprintf(w, "<member><OutputKey>%s</OutputKey><OutputValue>%s</OutputValue></member>", key, value)
		}
		_, _ = w.Write([]byte(`</Outputs></member></Stacks></DescribeStacksResult></DescribeStacksResponse>`))
	default:
		w.WriteHeader(http.StatusBadRequest)
		_, _ = fmt.Fprintf(w, `<ErrorResponse><Error><Type>Sender</Type><Code>ValidationError</Code><Message>Stack with id %s does not exist</Message></Error><RequestId>r</RequestId></ErrorResponse>`, r.FormValue("StackName"))
	}
}

// TestAWSScripts runs the command as a user does who has rootguard deployed.
func TestAWSScripts(t *testing.T) {
	runScripts(t, testscript.Params{
		Dir: "testdata/aws",
		Setup: func(env *testscript.Env) error {
			c := newCloud(t)
			env.Values["cloud"] = c
			for name, value := range map[string]string{
				"AWS_ACCESS_KEY_ID": "test", "AWS_SECRET_ACCESS_KEY": "test", "AWS_REGION": "eu-west-1", "AWS_EC2_METADATA_DISABLED": "true",
				"AWS_ENDPOINT_URL_DYNAMODB": c.dynamo.URL, "AWS_ENDPOINT_URL_SQS": c.sqs.URL, "AWS_ENDPOINT_URL_SNS": c.sns.URL,
				"AWS_ENDPOINT_URL_CLOUDTRAIL": c.history.URL, "AWS_ENDPOINT_URL_CLOUDFORMATION": c.api.URL,
				"AWS_ENDPOINT_URL_SECURITYHUB": c.hub.URL, "AWS_ENDPOINT_URL_LAMBDA": c.api.URL, "AWS_ENDPOINT_URL_STS": c.api.URL,
				"AWS_ENDPOINT_URL_IAM": c.iam.URL, "AWS_ENDPOINT_URL_S3": c.logs.URL, "AWS_ENDPOINT_URL_ORGANIZATIONS": c.org.URL,
				"TABLE": c.table, "TOPIC": topicARN,
			} {
				env.Setenv(name, value)
			}
			return nil
		},
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"quarantine": quarantineCmd,

			"seed":    seedTable,
			"daytwo":  seedDayTwo,
			"queue":   sendFiles,
			"left":    leftOn,
			"alerts":  alertsSent,
			"says":    alertSays,
			"snsdown": snsDown,
			"hub":     inHub,
			"huboff":  hubOff,
			"history": addHistory,
			"bucket":  putObject,
			"s3asked": bucketAsked,
			"s3fault": bucketFault,
			"asked":   historyAsked,
			"fault":   historyFault,
			"root":    setRoot,
			"role":    setRole,
			"users":   setUsers,
			"member":  setMember,
			"iamdown": iamDown,
		},
	})
}

func cloudOf(ts *testscript.TestScript) *cloud { return ts.Value("cloud").(*cloud) }

// seedTable puts the bundled story through the guard into the table.
func seedTable(ts *testscript.TestScript, _ bool, _ []string) {
	c := cloudOf(ts)
	store := dynamodb.New(dynamotest.Client(c.dynamo.URL), c.table, time.Now)
	g := guard.New(guard.Deps{Detector: &detect.Detector{}, Claims: store, Facts: store, Publisher: &fake.Publisher{}, Now: time.Now}, guard.Settings{})
	var log bytes.Buffer
	ts.Check(story.Write(&log))
	for r := cloudtrail.NewReader(&log, detect.Candidate); ; {
		entry, err := r.Next()
		if err != nil {
			return
		}
		if entry.Record != nil {
			_, err := g.Handle(context.Background(), entry.Record)
			ts.Check(err)
		}
	}
}

// seedDayTwo deploys steps of day two and stores what a check found of them, as
// "daytwo STEP=STATE…": done, pending, regressed, not_applicable, unknown. One that
// is only "STEP" is deployed and not checked yet, and "-STEP=STATE" was.
func seedDayTwo(ts *testscript.TestScript, _ bool, args []string) {
	c := cloudOf(ts)
	at := time.Date(2026, 3, 20, 4, 0, 0, 0, time.UTC)
	var results []daytwo.Result
	var deployed []string
	for _, arg := range args {
		step, state, checked := strings.Cut(arg, "=")
		name, former := strings.CutPrefix(step, "-")
		if !former {
			deployed = append(deployed, name)
		}
		if !checked {
			continue
		}
		r := daytwo.Result{Step: daytwo.Step(name), State: bootstrap.State(state), Since: at, Checked: at, What: "what shows " + state}
		if r.State == bootstrap.Unknown {
			r = daytwo.Result{Step: r.Step, State: r.State, Unknown: "AWS denies it"}
		}
		results = append(results, r)
	}
	c.dayTwo = strings.Join(deployed, ",")
	store := dynamodb.New(dynamotest.Client(c.dynamo.URL), c.table, time.Now)
	const account = "111122223333"
	key := accountcheck.DayTwoKey(account)
	ts.Check(store.Checks().Of(accountcheck.KindDayTwo).Update(context.Background(), key, func(r accountcheck.Check) accountcheck.Check {
		r.Key, r.Account, r.Kind, r.DayTwo.Results = key, account, accountcheck.KindDayTwo, results
		return r
	}))
}

// sendFiles puts each file on a queue: queue NAME FILE… NOW in it is this moment.
func sendFiles(ts *testscript.TestScript, _ bool, args []string) {
	for _, file := range args[1:] {
		cloudOf(ts).sqs.Send(args[0], strings.ReplaceAll(ts.ReadFile(file), "NOW", time.Now().UTC().Format(time.RFC3339)))
	}
}

// leftOn checks how many messages are on a queue, and that none is hidden: left NAME N.
func leftOn(ts *testscript.TestScript, _ bool, args []string) {
	c := cloudOf(ts)
	if n, hidden := len(c.sqs.Bodies(args[0])), c.sqs.Hidden(args[0]); strconv.Itoa(n) != args[1] || hidden != 0 {
		ts.Fatalf("%d messages are on %s, %d of them hidden; want %s, none", n, args[0], hidden, args[1])
	}
}

// alertsSent checks what was published: alerts N, with the subjects in a file.
func alertsSent(ts *testscript.TestScript, _ bool, args []string) {
	messages := cloudOf(ts).sns.On(topicARN)
	if strconv.Itoa(len(messages)) != args[0] {
		ts.Fatalf("%d alerts were published, want %s", len(messages), args[0])
	}
	for i, want := range args[1:] {
		if !strings.Contains(messages[i].Subject, want) {
			ts.Fatalf("alert %d is %q, want %q", i, messages[i].Subject, want)
		}
	}
}

// alertSays checks the e-mail of the latest alert: says REGEXP.
func alertSays(ts *testscript.TestScript, _ bool, args []string) {
	messages := cloudOf(ts).sns.On(topicARN)
	if last := messages[len(messages)-1]; !regexp.MustCompile(args[0]).MatchString(last.Bodies["email"]) {
		ts.Fatalf("the latest alert does not match %q:\n%s", args[0], last.Bodies["email"])
	}
}

func snsDown(ts *testscript.TestScript, neg bool, _ []string) { cloudOf(ts).sns.Down(!neg) }

// putObject puts a file into the bucket logs: bucket KEY FILE.
func putObject(ts *testscript.TestScript, _ bool, args []string) {
	cloudOf(ts).logs.Put(args[0], ts.ReadFile(args[1]))
}

// bucketAsked checks how many requests of an operation came so far: s3asked OPERATION N.
func bucketAsked(ts *testscript.TestScript, _ bool, args []string) {
	if n := len(cloudOf(ts).logs.Calls(args[0])); strconv.Itoa(n) != args[1] {
		ts.Fatalf("%d requests %s so far, want %s", n, args[0], args[1])
	}
}

// bucketFault makes requests go wrong: s3fault OPERATION N STATUS CODE.
func bucketFault(ts *testscript.TestScript, _ bool, args []string) {
	n, err := strconv.Atoi(args[1])
	ts.Check(err)
	status, err := strconv.Atoi(args[2])
	ts.Check(err)
	cloudOf(ts).logs.Inject(args[0], n, s3test.Fault{Status: status, Code: args[3]})
}

// addHistory puts the records of a file, one a line, into the Event history.
func addHistory(ts *testscript.TestScript, _ bool, args []string) {
	for line := range strings.Lines(ts.ReadFile(args[0])) {
		if strings.TrimSpace(line) == "" {
			continue
		}
		// AGO-d and so on stand for a time before now.
		for _, word := range []string{"1", "2", "3", "40"} {
			days, err := strconv.Atoi(word)
			ts.Check(err)
			line = strings.ReplaceAll(line, "DAYS-AGO-"+word, time.Now().UTC().Add(-time.Duration(days)*24*time.Hour).Format(time.RFC3339))
		}
		ts.Check(cloudOf(ts).history.Add(line))
	}
}

// historyAsked checks how many requests the Event history got at least and at most.
func historyAsked(ts *testscript.TestScript, _ bool, args []string) {
	least, err := strconv.Atoi(args[0])
	ts.Check(err)
	most, err := strconv.Atoi(args[1])
	ts.Check(err)
	if n := len(cloudOf(ts).history.Calls()); n < least || n > most {
		ts.Fatalf("%d requests so far, want %d to %d", n, least, most)
	}
}

// historyFault makes requests to the Event history go wrong: fault SKIP N STATUS CODE,
// where SKIP go well before.
func historyFault(ts *testscript.TestScript, _ bool, args []string) {
	var numbers [3]int
	for i := range numbers {
		n, err := strconv.Atoi(args[i])
		ts.Check(err)
		numbers[i] = n
	}
	c := cloudOf(ts)
	c.history.Skip(numbers[0])
	c.history.Inject(numbers[1], eventhistorytest.Fault{Status: numbers[2], Code: args[3]})
}

// inHub checks which findings are in Security Hub: hub [ID…].
func inHub(ts *testscript.TestScript, _ bool, args []string) {
	found := cloudOf(ts).hub.Findings()
	ids := make([]string, len(found))
	for i, f := range found {
		ids[i] = f.Text("Id")
	}
	if !slices.Equal(ids, args) {
		ts.Fatalf("Security Hub has %q, want %q", ids, args)
	}
}

// hubOff has Security Hub not enabled: [!] huboff.
func hubOff(ts *testscript.TestScript, neg bool, _ []string) { cloudOf(ts).hub.Disable(!neg) }

// setRoot sets the status of an account's root: root ACCOUNT MFA KEYS PASSWORD, each 0 or 1.
func setRoot(ts *testscript.TestScript, _ bool, args []string) {
	c := cloudOf(ts)
	a := c.known[args[0]]
	a.Summary = map[string]int{}
	for i, key := range []string{"AccountMFAEnabled", "AccountAccessKeysPresent", "AccountPasswordPresent"} {
		n, err := strconv.Atoi(args[i+1])
		ts.Check(err)
		a.Summary[key] = n
	}
	c.known[args[0]] = a
	c.iam.Set(args[0], a)
}

// setRole gives an account a role with a policy: role ACCOUNT NAME POLICY_ARN.
func setRole(ts *testscript.TestScript, _ bool, args []string) {
	c := cloudOf(ts)
	a := c.known[args[0]]
	a.Roles = map[string]iamtest.Role{args[1]: {Attached: args[2:]}}
	c.known[args[0]] = a
	c.iam.Set(args[0], a)
}

// setUsers says which users an account has: users ACCOUNT NAME[+password][+mfa]…
func setUsers(ts *testscript.TestScript, _ bool, args []string) {
	c := cloudOf(ts)
	a := c.known[args[0]]
	a.Users = map[string]iamtest.User{}
	for _, arg := range args[1:] {
		part := strings.Split(arg, "+")
		u := iamtest.User{Password: slices.Contains(part, "password")}
		if slices.Contains(part, "mfa") {
			u.Devices = []string{"arn:aws:iam::" + args[0] + ":mfa/" + part[0]}
		}
		a.Users[part[0]] = u
	}
	c.known[args[0]] = a
	c.iam.Set(args[0], a)
}

// setMember puts an account into the organization, and lets its role be assumed
// where it is ACTIVE: member ACCOUNT NAME STATE.
func setMember(ts *testscript.TestScript, _ bool, args []string) {
	c := cloudOf(ts)
	c.org.Set(map[string]string{args[0]: args[1]})
	c.org.SetState(args[0], args[2])
	if args[2] == "ACTIVE" {
		c.iam.AllowRole("arn:aws:iam::" + args[0] + ":role/rootguard-member")
	}
}

// iamDown makes the next calls of an action fail: iamdown ACTION N.
func iamDown(ts *testscript.TestScript, _ bool, args []string) {
	n, err := strconv.Atoi(args[1])
	ts.Check(err)
	cloudOf(ts).iam.Inject(args[0], n, "AccessDenied")
}
