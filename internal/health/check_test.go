package health_test

import (
	"errors"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"rootguard/internal/detect"
	"rootguard/internal/eventrules"
	"rootguard/internal/fake"
	"rootguard/internal/health"
)

// inspect makes every check in a world in which the sweep runs.
func (w *world) inspect(t *testing.T) map[string]health.Result {
	t.Helper()
	c := w.checker()
	if _, err := c.Run(t.Context(), nobody{}, w.clock.Now()); err != nil {
		t.Fatal(err)
	}
	w.clock.Advance(health.Timely)
	results := map[string]health.Result{}
	for _, r := range c.Inspect(t.Context(), w.clock.Now()) {
		if results[r.ID].ID != "" {
			t.Errorf("two checks have the ID %s", r.ID)
		}
		results[r.ID] = r
	}
	return results
}

// TestQuarantine holds that what quarantine is made of is checked where it is
// deployed, and missed nowhere else.
func TestQuarantine(t *testing.T) {
	for _, deployed := range []bool{true, false} {
		w := newWorldWith(t, deployed)
		w.want.Quarantine = true
		want := []string{}
		if !deployed {
			want = []string{
				"code.quarantine warning", "failures.quarantine failed", "forwarder.eu-north-1 failed", "function.quarantine failed", "permission.quarantine failed",
				"permission.rootactivity failed", "role.quarantine warning", "rule.guard-policy failed", "rule.schedule-quarantine failed",
				"target.guard-policy failed", "target.schedule-quarantine failed",
			}
		}
		if diff := cmp.Diff(want, failing(w.inspect(t))); diff != "" {
			t.Errorf("deployed %v (-want +got):\n%s", deployed, diff)
		}
	}
	if bad := failing(newWorldWith(t, true).inspect(t)); len(bad) > 0 {
		t.Errorf("switched off, before the function is gone: %v", bad)
	}
}

// failing are those that are not ok, as "id outcome".
func failing(results map[string]health.Result) []string {
	bad := []string{}
	for _, id := range slices.Sorted(maps.Keys(results)) {
		if r := results[id]; r.Outcome != health.OK {
			bad = append(bad, id+" "+string(r.Outcome))
		}
	}
	return bad
}

func TestWell(t *testing.T) {
	w := newWorld(t)
	results := w.inspect(t)
	if bad := failing(results); len(bad) > 0 {
		for _, r := range results {
			if r.Outcome != health.OK {
				t.Logf("%s: %s", r.ID, r.Why)
			}
		}
		t.Errorf("a guard that is well: %v", bad)
	}
	if len(results) < 53 {
		t.Errorf("only %d checks", len(results))
	}
	for id, r := range results {
		if r.Proves == "" || r.Group == "" || r.Region == "" || r.Severity == detect.Info || r.Why != "" || r.Fix != "" {
			t.Errorf("%s: %+v", id, r)
		}
	}
}

func TestLeast(t *testing.T) {
	w := newWorld(t)
	w.want.Escalation, w.want.Chat, w.want.Regions, w.want.Second, w.want.Partition = "", "", nil, "", "aws-eusc"
	for id, f := range w.functions {
		f.Policy = strings.ReplaceAll(f.Policy, "arn:aws:", "arn:aws-eusc:")
		f.OnFailure = strings.ReplaceAll(f.OnFailure, "arn:aws:", "arn:aws-eusc:")
		w.functions[id] = f
	}
	for _, targets := range w.targets {
		for i := range targets {
			if targets[i].ARN != alerts {
				targets[i].ARN = strings.ReplaceAll(targets[i].ARN, "arn:aws:", "arn:aws-eusc:")
			}
			targets[i].DeadLetters = strings.ReplaceAll(targets[i].DeadLetters, "arn:aws:", "arn:aws-eusc:")
		}
	}
	w.want.Further, w.want.OptIn = nil, false
	for _, name := range []string{"rootactivity", "iamuser", "sweep"} {
		w.role(name, func(r *health.Role) {
			r.Inline["Default"] = strings.ReplaceAll(rolePolicy, "arn:aws:dynamodb", "arn:aws-eusc:dynamodb")
			r.Inline["Default"] = strings.ReplaceAll(r.Inline["Default"], "arn:aws:sqs", "arn:aws-eusc:sqs")
		})
	}
	for _, name := range []string{"rootactivity", "iamuser", "sweep"} {
		w.function(name, func(f *health.Function) {
			f.Environment = maps.Clone(f.Environment)
			delete(f.Environment, "ROOTGUARD_ESCALATION_TOPIC_ARN")
			delete(f.Environment, "ROOTGUARD_CHAT_TOPIC_ARN")
		})
	}
	for _, r := range append(eventrules.Direct("rootguard"), eventrules.DirectKey(keyARN)) {
		w.targets[home+"/rootguard-"+r.Name] = w.targets[home+"/rootguard-"+r.Name][:1]
	}
	if bad := failing(w.inspect(t)); len(bad) > 0 {
		t.Errorf("a guard with one topic and Region: %v", bad)
	}
}

// TestChecks breaks one thing after the other: what it is noticed by, what that
// says, and what fixes it. A near-miss breaks nothing.
func TestChecks(t *testing.T) {
	t.Parallel()
	denied := errors.New("AccessDeniedException: not authorized to perform: x:Y")
	zero, one := 0, 1
	for name, tc := range map[string]struct {
		change   func(w *world)
		bad      []string
		severity detect.Severity // of the first
		why, fix string          // of the first
	}{
		"no trail": {func(w *world) { w.trails = nil }, []string{"trail failed"}, detect.Critical, "No trail logs", `"trail": true`},
		"the trail is stopped": {func(w *world) { w.trails[0].Logging = false }, []string{"trail failed"}, detect.Critical, "main does not log",
			"aws cloudtrail start-logging --name arn:aws:cloudtrail:us-east-1:111122223333:trail/main --region us-east-1"},
		"the trail logs reads alone":      {func(w *world) { w.trails[0].Writes = false }, []string{"trail failed"}, detect.Critical, "no management events that write", "put-event-selectors"},
		"the trail logs writes alone":     {func(w *world) { w.trails[0].Reads = false }, []string{"trail warning"}, detect.Critical, "only read", "put-event-selectors"},
		"a selector leaves some out":      {func(w *world) { w.trails[0].Partly = "eventSource" }, []string{"trail warning"}, detect.Critical, "eventSource", "put-event-selectors"},
		"the trail leaves IAM out":        {func(w *world) { w.trails[0].GlobalServiceEvents = false }, []string{"trail failed"}, detect.Critical, "IAM", "--include-global-service-events"},
		"the trail is of another Region":  {func(w *world) { w.trails[0].MultiRegion, w.trails[0].HomeRegion = false, "eu-west-1" }, []string{"trail failed"}, detect.Critical, "eu-west-1 alone", "--is-multi-region-trail"},
		"the trail is of the home Region": {func(w *world) { w.trails[0].MultiRegion = false }, []string{"trail warning"}, detect.Critical, "sign-ins elsewhere", "--is-multi-region-trail"},
		"the bucket is gone":              {func(w *world) { w.trails[0].DeliveryError = "NoSuchBucket" }, []string{"trail warning"}, detect.Critical, "NoSuchBucket", "bucket"},
		"the trail cannot be asked":       {func(w *world) { w.trails[0].Err = denied }, []string{"trail unknown"}, detect.Critical, "x:Y", "Allow"},
		"an organization's trail, whose selectors are its owner's": {func(w *world) {
			w.trails[0].Unseen, w.trails[0].Reads, w.trails[0].Writes = denied, false, false
		}, []string{"trail warning"}, detect.Critical, "cannot be seen from here", "In the account that owns it: aws cloudtrail get-event-selectors"},
		"a stopped trail, whose selectors are its owner's": {func(w *world) { w.trails[0].Unseen, w.trails[0].Logging = denied, false },
			[]string{"trail failed"}, detect.Critical, "does not log", "start-logging"},
		"a trail to be set again may log data events": {func(w *world) { w.trails[0].Writes = false }, []string{"trail failed"}, detect.Critical, "no management events that write",
			"See what it logs: aws cloudtrail get-event-selectors"},
		"trails cannot be listed": {func(w *world) { w.fails["Trails"] = denied }, []string{"trail unknown"}, detect.Critical, "x:Y", "Allow"},
		"a second trail that is stopped": {func(w *world) {
			w.trails = append(w.trails, health.Trail{Name: "old", HomeRegion: home, GlobalServiceEvents: true})
		}, nil, 0, "", ""},
		"a second trail that cannot be asked": {func(w *world) {
			w.trails = append(w.trails, health.Trail{Name: "org", MultiRegion: true, GlobalServiceEvents: true, Err: denied})
		}, nil, 0, "", ""},
		"the trail of the settings is stopped": {func(w *world) {
			w.want.Trails = []string{"old"}
			w.trails = append(w.trails, health.Trail{Name: "old", ARN: "arn:old", MultiRegion: true, HomeRegion: home, GlobalServiceEvents: true})
		}, []string{"trail warning"}, detect.Critical, "The trail old, which is set as one that feeds rootguard, does not log; main does instead", "start-logging --name arn:old"},

		"a rule is disabled": {func(w *world) { w.rule(home, "rootguard-root-sign-in").State = "DISABLED" }, []string{"rule.root-sign-in failed"}, detect.High,
			"The rule rootguard-root-sign-in is DISABLED", "aws events enable-rule --region us-east-1 --name rootguard-root-sign-in"},
		"a rule with all events is disabled": {func(w *world) { w.rule(home, "rootguard-assume-root").State = "DISABLED" }, []string{"rule.assume-root failed"}, detect.High,
			"DISABLED", "--state ENABLED_WITH_ALL_CLOUDTRAIL_MANAGEMENT_EVENTS --event-pattern '{"},
		"a rule gets no reads": {func(w *world) { w.rule(home, "rootguard-root-reads").State = "ENABLED" }, []string{"rule.root-reads failed"}, detect.High, "only read", "put-rule"},
		"a rule gets reads in vain": {func(w *world) {
			w.rule(home, "rootguard-user-change").State = "ENABLED_WITH_ALL_CLOUDTRAIL_MANAGEMENT_EVENTS"
		}, []string{"rule.user-change warning"}, detect.High, "more events", "put-rule"},
		"a rule is gone":             {func(w *world) { w.removeRule(home, "rootguard-user-sign-in") }, []string{"rule.user-sign-in failed", "target.user-sign-in failed"}, detect.High, "There is no rule rootguard-user-sign-in", "aws events put-rule"},
		"a rule has another pattern": {func(w *world) { w.rule(home, "rootguard-root-activity").Pattern = `{"source":["aws.none"]}` }, []string{"rule.root-activity failed"}, detect.High, "pattern", "--event-pattern '"},
		"a rule has no pattern":      {func(w *world) { w.rule(home, "rootguard-root-activity").Pattern = "" }, []string{"rule.root-activity failed"}, detect.High, "pattern", "--event-pattern '"},
		"the same pattern, rewritten": {func(w *world) {
			r := w.rule(home, "rootguard-guard-removed")
			r.Pattern = strings.Replace(r.Pattern, "{", "{ ", 1)
		}, nil, 0, "", ""},
		"a schedule is slower": {func(w *world) { w.rule(home, "rootguard-schedule-sweep").Schedule = "rate(1 day)" }, []string{"rule.schedule-sweep failed"}, detect.High, `"rate(1 day)"`, "--schedule-expression 'rate(5 minutes)'"},
		"another's rule": {func(w *world) {
			w.rules[home] = append(w.rules[home], health.Rule{Name: "rootguard-mine", State: "DISABLED"})
		}, nil, 0, "", ""},
		"a rule has no target": {func(w *world) { w.targets[home+"/rootguard-root-sign-in"] = nil }, []string{"target.root-sign-in failed"}, detect.High, "sends nothing to",
			`aws events put-targets --region us-east-1 --rule rootguard-root-sign-in --targets '[{"Arn":"arn:aws:lambda:us-east-1:111122223333:function:rootguard-rootactivity"`},
		"a schedule has no target": {func(w *world) { w.targets[home+"/rootguard-schedule-sweep"] = nil }, []string{"target.schedule-sweep failed"}, detect.High, "sends nothing to",
			`"RetryPolicy":{"MaximumEventAgeInSeconds":300,"MaximumRetryAttempts":10}`},
		"a rule has another target": {func(w *world) { w.targets[home+"/rootguard-root-sign-in"][0].ARN += "2" }, []string{"target.root-sign-in failed"}, detect.High, "sends nothing to", "put-targets"},
		"a target has no queue":     {func(w *world) { w.targets[home+"/rootguard-root-sign-in"][0].DeadLetters = "" }, []string{"target.root-sign-in failed"}, detect.Medium, "undelivered", "DeadLetterConfig"},
		"a target gets a constant":  {func(w *world) { w.targets[home+"/rootguard-root-sign-in"][0].Rewrites = true }, []string{"target.root-sign-in failed"}, detect.High, "something else", "put-targets"},
		"the last word has one topic fewer": {func(w *world) {
			w.targets[home+"/rootguard-guard-removed"] = w.targets[home+"/rootguard-guard-removed"][:2]
		},
			[]string{"target.guard-removed failed"}, detect.High, chat, "Deploy again"},
		"one target more": {func(w *world) {
			w.targets[home+"/rootguard-user-change"] = append(w.targets[home+"/rootguard-user-change"], health.Target{ARN: "arn:else"})
		}, []string{"target.user-change warning"}, detect.High, "2 targets", "list-targets-by-rule"},

		"a function is gone": {func(w *world) { delete(w.functions, "rootguard-iamuser") }, []string{"failures.iamuser failed", "function.iamuser failed", "permission.iamuser failed", "code.iamuser warning", "role.iamuser warning"},
			detect.High, "There is no function rootguard-iamuser", "make deploy"},
		"a function may not run": {func(w *world) { w.function("rootactivity", func(f *health.Function) { f.Reserved = &zero }) }, []string{"function.rootactivity failed"}, detect.Critical,
			"reserved concurrency is 0", "aws lambda delete-function-concurrency --region us-east-1 --function-name rootguard-rootactivity"},
		"a function may run once": {func(w *world) { w.function("rootactivity", func(f *health.Function) { f.Reserved = &one }) }, nil, 0, "", ""},
		"a function failed": {func(w *world) {
			w.function("sweep", func(f *health.Function) { f.State, f.Reason = "Failed", "no image" })
		}, []string{"function.sweep failed"}, detect.Critical, "no image", "make deploy"},
		"a function is idle":          {func(w *world) { w.function("sweep", func(f *health.Function) { f.State = "Inactive" }) }, nil, 0, "", ""},
		"a function is being changed": {func(w *world) { w.function("sweep", func(f *health.Function) { f.Update = "InProgress" }) }, nil, 0, "", ""},
		"a function's change failed": {func(w *world) {
			w.function("sweep", func(f *health.Function) { f.Update, f.UpdateWhy = "Failed", "KMS" })
		}, []string{"function.sweep failed"}, detect.Critical, "KMS", "make deploy"},
		"a function has another runtime": {func(w *world) { w.function("sweep", func(f *health.Function) { f.Runtime = "nodejs22.x" }) }, []string{"function.sweep failed"}, detect.Critical, "nodejs22.x", "--runtime provided.al2023"},
		"a function writes elsewhere": {func(w *world) {
			w.function("iamuser", func(f *health.Function) {
				f.Environment = maps.Clone(f.Environment)
				f.Environment["ROOTGUARD_TABLE"] = "other"
			})
		}, []string{"function.iamuser failed"}, detect.Critical, "ROOTGUARD_TABLE", "get-function-configuration"},
		"a permission is gone": {func(w *world) {
			w.function("rootactivity", func(f *health.Function) {
				f.Policy = strings.Replace(f.Policy, "rule/rootguard-root-sign-in", "rule/rootguard-x", 1)
			})
		}, []string{"permission.rootactivity failed"}, detect.High, "by the rules rootguard-root-sign-in", "aws lambda add-permission --region us-east-1 --function-name rootguard-rootactivity --statement-id rootguard-root-sign-in --action lambda:InvokeFunction --principal events.amazonaws.com --source-account 111122223333 --source-arn arn:aws:events:us-east-1:111122223333:rule/rootguard-root-sign-in"},
		"every permission is gone": {func(w *world) { w.function("rootactivity", func(f *health.Function) { f.Policy = "" }) }, []string{"permission.rootactivity failed"}, detect.High, "and 8 more", "add-permission"},
		"failures are lost":        {func(w *world) { w.function("iamuser", func(f *health.Function) { f.OnFailure = "" }) }, []string{"failures.iamuser failed"}, detect.High, "failed", "put-function-event-invoke-config"},
		"functions cannot be asked": {func(w *world) { w.fails["Function"] = denied }, []string{
			"code.iamuser unknown", "code.rootactivity unknown", "code.sweep unknown", "role.iamuser unknown", "role.rootactivity unknown", "role.sweep unknown",
			"failures.iamuser unknown", "failures.rootactivity unknown", "failures.sweep unknown", "function.iamuser unknown", "function.rootactivity unknown", "function.sweep unknown",
			"permission.iamuser unknown", "permission.rootactivity unknown", "permission.sweep unknown",
		}, detect.Critical, "x:Y", "Allow"},

		"events wait":             {func(w *world) { w.queues[home+"/undelivered"] = health.Queue{Visible: 3} }, []string{"queue.undelivered failed"}, detect.High, "About 3 events wait", "rootguard redrive"},
		"failed events wait":      {func(w *world) { w.queues[home+"/failed"] = health.Queue{Visible: 1, Hidden: 2} }, []string{"queue.failed failed"}, detect.High, "About 1 event waits in the queue failed; it is kept for 14 days", "rootguard redrive"},
		"events are redriven":     {func(w *world) { w.queues[home+"/failed"] = health.Queue{Hidden: 2} }, []string{"queue.failed warning"}, detect.High, "being redriven", "6 minutes"},
		"a queue is gone":         {func(w *world) { delete(w.queues, home+"/failed") }, []string{"queue.failed failed"}, detect.High, "There is no queue failed", "make deploy"},
		"a queue cannot be asked": {func(w *world) { w.fails["Queue"] = denied }, []string{"queue.eu-north-1 unknown", "queue.failed unknown", "queue.undelivered unknown"}, detect.High, "x:Y", "Allow"},
		"an older deployment":     {func(w *world) { w.want.Undelivered, w.want.Failed = "", "" }, []string{"failures.iamuser warning", "failures.rootactivity warning", "failures.sweep warning", "queue.failed warning", "queue.undelivered warning"}, detect.High, "older version", "make deploy"},

		"nobody is subscribed": {func(w *world) {
			w.topics[alerts] = health.Topic{Policy: topicPolicy, Key: keyARN}
			w.topics[chat] = health.Topic{Policy: topicPolicy, Key: keyARN}
		}, []string{"topic.alerts failed", "topic.chat failed"}, detect.Critical, "No one is subscribed", "aws sns subscribe --region us-east-1 --topic-arn " + alerts + " --protocol email --notification-endpoint ADDRESS, then confirm"},
		"a channel alone is": {func(w *world) { w.topics[alerts] = health.Topic{Policy: topicPolicy, Key: keyARN} }, nil, 0, "", ""},
		"nobody has confirmed": {func(w *world) {
			w.topics[alerts] = health.Topic{Policy: topicPolicy, Pending: 1, Waiting: []string{"email ops@example.com"}, Key: keyARN}
		}, []string{"topic.alerts failed"}, detect.Critical, "1 subscription of the topic rootguard-alerts is not confirmed: email ops@example.com",
			"aws sns subscribe --region us-east-1 --topic-arn " + alerts + " --protocol email --notification-endpoint ops@example.com"},
		"one of two has confirmed": {func(w *world) {
			w.topics[alerts] = health.Topic{Policy: topicPolicy, Confirmed: 1, Pending: 1, Key: keyARN}
		}, []string{"topic.alerts warning"}, detect.Critical, "not confirmed", "sns subscribe"},
		"the subscription was removed": {func(w *world) { w.topics[escal] = health.Topic{Policy: topicPolicy, Deleted: 1, Key: keyARN} }, []string{"topic.escalation failed"}, detect.High, "removed of late", "sns subscribe"},
		"one of two was removed": {func(w *world) {
			w.topics[escal] = health.Topic{Policy: topicPolicy, Confirmed: 1, Deleted: 1, Key: keyARN}
		}, nil, 0, "", ""},
		"the channel is gone": {func(w *world) { w.topics[chat] = health.Topic{Policy: topicPolicy, Key: keyARN} }, []string{"topic.chat failed"}, detect.High, "No chat channel", "Amazon Q"},
		"a topic is gone":     {func(w *world) { delete(w.topics, alerts) }, []string{"topic.alerts failed"}, detect.Critical, "There is no topic rootguard-alerts", `set "table": "table" in cdk.json`},
		"a topic has another key": {func(w *world) {
			w.topics[alerts] = health.Topic{Policy: topicPolicy, Confirmed: 1, Key: "alias/aws/sns"}
		}, []string{"topic.alerts failed"}, detect.High, "alias/aws/sns", "set-topic-attributes"},
		"a topic has no key":        {func(w *world) { w.topics[alerts] = health.Topic{Policy: topicPolicy, Confirmed: 1} }, []string{"topic.alerts warning"}, detect.Critical, "does not encrypt", "set-topic-attributes"},
		"a topic has the key by ID": {func(w *world) { w.topics[alerts] = health.Topic{Policy: topicPolicy, Confirmed: 1, Key: "k-1"} }, nil, 0, "", ""},
		"the key is disabled":       {func(w *world) { w.keys[keyARN] = health.Key{State: "Disabled"} }, []string{"key failed"}, detect.Critical, "Disabled", "aws kms enable-key --region us-east-1 --key-id " + keyARN},
		"the key is to be deleted":  {func(w *world) { w.keys[keyARN] = health.Key{State: "PendingDeletion", Deleted: t0} }, []string{"key failed"}, detect.Critical, "2026-03-01T12:00:00Z", "aws kms cancel-key-deletion"},
		"the key is gone":           {func(w *world) { delete(w.keys, keyARN) }, []string{"key failed"}, detect.Critical, "There is no key", "make deploy"},

		"the table is gone":       {func(w *world) { delete(w.tables, "table") }, []string{"table failed", "table.protection failed"}, detect.Critical, "There is no table", "restore-table-from-backup --region us-east-1 --target-table-name table"},
		"the table has no index":  {func(w *world) { w.tables["table"] = health.Table{Status: "ACTIVE", DeletionProtection: true} }, []string{"table failed"}, detect.Critical, "no index due", `--global-secondary-index-updates '[{"Create":{"IndexName":"due","KeySchema":[{"AttributeName":"`},
		"the index is being made": {func(w *world) { w.tables["table"].Indexes["due"] = "CREATING" }, []string{"table failed"}, detect.Critical, "CREATING", "Wait"},
		"the table is archived":   {func(w *world) { tb := w.tables["table"]; tb.Status = "ARCHIVED"; w.tables["table"] = tb }, []string{"table failed"}, detect.Critical, "ARCHIVED", "describe-table"},
		"the table may be deleted": {func(w *world) { tb := w.tables["table"]; tb.DeletionProtection = false; w.tables["table"] = tb }, []string{"table.protection failed"}, detect.Medium, "deleted by one call",
			"aws dynamodb update-table --region us-east-1 --table-name table --deletion-protection-enabled"},
		"no recovery":                {func(w *world) { w.protect.PointInTimeRecovery = false }, []string{"table.protection failed"}, detect.Medium, "point-in-time", "update-continuous-backups"},
		"rows stay":                  {func(w *world) { w.protect.TTL = "" }, []string{"table.protection failed"}, detect.Medium, "expired", "AttributeName=expires"},
		"protection cannot be asked": {func(w *world) { w.fails["Protection"] = denied }, []string{"table.protection unknown"}, detect.Medium, "x:Y", "Allow"},
		"nothing protects the table": {func(w *world) { w.protect = health.Protection{} }, []string{"table.protection failed"}, detect.Medium, "point-in-time recovery; The table table keeps rows", "update-continuous-backups"},
		"a function does not hear": {func(w *world) { w.deaf["iamuser"] = true }, []string{"heartbeat.iamuser failed"}, detect.High,
			"The heartbeat of 2026-03-01 12:00:00Z, the call iam:TagRole on the role rootguard-sweep, did not come out at the function rootguard-iamuser, though it did at another", "See the log of the function rootguard-iamuser"},
		"no function hears": {func(w *world) { w.deaf["iamuser"], w.deaf["rootactivity"] = true, true }, []string{"heartbeat.iamuser failed", "heartbeat.rootactivity failed"}, detect.High,
			"nor at any other. The trail, the rules and the functions are as deployed: CloudTrail or EventBridge does not deliver", "aws cloudtrail lookup-events --region us-east-1 --lookup-attributes AttributeKey=EventName,AttributeValue=TagRole"},
		"heartbeats are late":          {func(w *world) { w.delay = health.Timely + time.Minute }, []string{"heartbeat.iamuser warning", "heartbeat.rootactivity warning"}, detect.High, "took 11m0s", "AWS Health Dashboard"},
		"heartbeats are just in time":  {func(w *world) { w.delay = health.Timely }, nil, 0, "", ""},
		"no heartbeat can be recorded": {func(w *world) { w.fails["Record"] = denied }, []string{"heartbeat.iamuser unknown", "heartbeat.rootactivity unknown"}, detect.High, "No heartbeat was recorded yet", "doctor --wait"},

		"no second Region": {func(w *world) { w.want.Second = "" }, []string{"forwarder.eu-north-1 failed", "second warning"}, detect.High, "", ""},
		"the second Region does not report": {func(w *world) { w.rule(further, "rootguard-second-guard-removed").State = "DISABLED" }, []string{"second.rules failed"}, detect.High,
			"rootguard-second-guard-removed is DISABLED", "aws events enable-rule --region eu-north-1"},
		"the second Region counts no heartbeats": {func(w *world) { w.targets[further+"/rootguard-second-heartbeat"] = nil }, []string{"second.rules failed"}, detect.High, "nothing counts its events", "Deploy again"},
		"the second topic is muted":              {func(w *world) { w.topics[second] = health.Topic{Deleted: 2} }, []string{"second.topic failed"}, detect.High, "removed of late", "aws sns subscribe --region eu-north-1 --topic-arn " + second},
		"the second topic is not confirmed":      {func(w *world) { w.topics[second] = health.Topic{Pending: 1} }, []string{"second.topic failed"}, detect.High, "not confirmed", "--region eu-north-1"},
		"the second topic is gone":               {func(w *world) { delete(w.topics, second) }, []string{"second.topic failed"}, detect.High, "There is no topic rootguard-second in eu-north-1", "Deploy the stack rootguard-forward-eu-north-1"},
		"nothing is sent to the second Region":   {func(w *world) { w.rule(home, "rootguard-second-guard-removed").State = "DISABLED" }, []string{"rule.second-guard-removed failed"}, detect.High, "is DISABLED", "enable-rule --region us-east-1"},
		"heartbeats go elsewhere":                {func(w *world) { w.targets[home+"/rootguard-heartbeat"][0].ARN = "arn:else" }, []string{"target.heartbeat failed"}, detect.High, "event-bus/default", "Deploy again"},

		"a Region's rule is disabled":  {func(w *world) { w.rule(further, "rootguard-forward-user-sign-in").State = "DISABLED" }, []string{"forwarder.eu-north-1 failed"}, detect.High, "rootguard-forward-user-sign-in is DISABLED", "aws events enable-rule --region eu-north-1"},
		"a Region's target is another": {func(w *world) { w.targets[further+"/rootguard-forward-user-sign-in"][0].ARN = "arn:else" }, []string{"targets.eu-north-1 failed"}, detect.High, "event-bus/default", "rootguard-forward-eu-north-1"},
		"a Region has no stack":        {func(w *world) { w.rules[further] = nil }, []string{"forwarder.eu-north-1 failed", "second.rules failed"}, detect.High, "There is no rule rootguard-forward-", "Deploy the stack rootguard-forward-eu-north-1"},
		"events wait in a Region":      {func(w *world) { w.queues[further+"/rootguard-forward-undelivered"] = health.Queue{Visible: 2} }, []string{"queue.eu-north-1 failed"}, detect.High, "About 2", "rootguard redrive --forwarder eu-north-1"},
		"a function runs other code": {func(w *world) { w.function("rootactivity", func(f *health.Function) { f.Code = "other" }) }, []string{"code.rootactivity failed"}, detect.Critical,
			"rootguard-rootactivity runs other code", "get-function-configuration"},
		"a function's code is being changed": {func(w *world) {
			w.function("rootactivity", func(f *health.Function) { f.Code, f.Update = "other", "InProgress" })
		}, nil, 0, "", ""},
		"a function has a layer": {func(w *world) {
			w.function("sweep", func(f *health.Function) { f.Layers = []string{"arn:layer"} })
		}, []string{"code.sweep failed"}, detect.Critical, "arn:layer", "--layers []"},
		"a function keeps its runtime":   {func(w *world) { w.function("sweep", func(f *health.Function) { f.RuntimeUpdates = "Manual" }) }, []string{"code.sweep failed"}, detect.Critical, "Manual", "--update-runtime-on Auto"},
		"a function has another handler": {func(w *world) { w.function("sweep", func(f *health.Function) { f.Handler = "x" }) }, []string{"code.sweep failed"}, detect.Critical, "handler x", "--handler bootstrap"},
		"a function is in a VPC":         {func(w *world) { w.function("sweep", func(f *health.Function) { f.VPC = "vpc-1" }) }, []string{"function.sweep failed"}, detect.Critical, "vpc-1", "--vpc-config"},
		"a function has too little time": {func(w *world) { w.function("sweep", func(f *health.Function) { f.Timeout = time.Second }) }, []string{"function.sweep failed"}, detect.Critical, "after 1s", "--timeout 30"},
		"a function has more time":       {func(w *world) { w.function("sweep", func(f *health.Function) { f.Timeout = 4 * time.Minute }) }, nil, 0, "", ""},
		"nothing was noted": {func(w *world) { w.want.Deployed, w.want.Code, w.want.Alarms, w.want.Receivers = false, nil, nil, nil }, []string{
			"alarms warning", "code.iamuser warning", "code.rootactivity warning", "code.sweep warning", "receivers.alerts warning", "receivers.chat warning", "receivers.escalation warning", "receivers.second warning",
		}, detect.High, "older version", "make deploy"},

		"a role denies": {func(w *world) {
			w.role("iamuser", func(r *health.Role) {
				r.Inline["Default"] = strings.Replace(rolePolicy, `{"Sid":"Record"`, `{"Sid":"x","Effect":"Deny","Action":"*","Resource":"*"},{"Sid":"Record"`, 1)
			})
		}, []string{"role.iamuser failed"}, detect.Critical, `denies, in the statement "x"`, "make deploy"},
		"a role denies by a policy more": {func(w *world) {
			w.role("iamuser", func(r *health.Role) {
				r.Inline["a"] = `{"Statement":{"Effect":"Deny","NotAction":"iam:*","Resource":"*","Condition":{"DateGreaterThan":{"aws:CurrentTime":"2020-01-01"},"NumericLessThan":{"s3:max-keys":10}}}}`
			})
		}, []string{"role.iamuser failed"}, detect.Critical, "denies, in a statement without a name", "delete-role-policy --role-name rootguard-iamuserRole-x --policy-name a"},
		"a role allows more": {func(w *world) {
			w.role("iamuser", func(r *health.Role) {
				r.Inline["a"] = `{"Statement":{"Effect":"Allow","Action":"s3:*","Resource":"*"}}`
			})
		}, []string{"role.iamuser failed"}, detect.Critical, "has 2 policies", "delete-role-policy"},
		"a role lacks a permission": {func(w *world) {
			w.role("sweep", func(r *health.Role) {
				r.Inline["Default"] = strings.Replace(rolePolicy, `"sns:Publish"`, `"sns:Subscribe"`, 1)
			})
		}, []string{"role.sweep failed"}, detect.Critical, "does not allow sns:Publish on " + alerts + ", and 2 more", "make deploy"},
		"a role has a permission under a condition": {func(w *world) {
			w.role("sweep", func(r *health.Role) {
				r.Inline["Default"] = strings.Replace(rolePolicy, `"Action":"sns:Publish",`, `"Action":"sns:Publish","Condition":{"Bool":{"aws:ViaAWSService":true}},`, 1)
			})
		}, []string{"role.sweep failed"}, detect.Critical, "does not allow sns:Publish", "make deploy"},
		"a role allows by a wildcard": {func(w *world) {
			w.role("sweep", func(r *health.Role) {
				r.Inline["Default"] = strings.Replace(rolePolicy, `"sns:Publish"`, `"SNS:pub*"`, 1)
			})
		}, nil, 0, "", ""},
		"a role has no policy": {func(w *world) { w.role("sweep", func(r *health.Role) { r.Inline = nil }) }, []string{"role.sweep failed"}, detect.Critical, "does not allow dynamodb:Query", "make deploy"},
		"a role has a boundary": {func(w *world) {
			w.role("sweep", func(r *health.Role) { r.Boundary = "arn:aws:iam::111122223333:policy/b" })
		}, []string{"role.sweep failed"}, detect.Critical,
			"policy/b", "aws iam delete-role-permissions-boundary --role-name rootguard-sweepRole-x"},
		"every role has the boundary deployed": {func(w *world) {
			w.want.Boundary = "arn:b"
			for _, name := range []string{"iamuser", "rootactivity", "sweep"} {
				w.role(name, func(r *health.Role) { r.Boundary = "arn:b" })
			}
		}, nil, 0, "", ""},
		"a boundary is gone": {func(w *world) {
			w.want.Boundary = "arn:b"
			for _, name := range []string{"iamuser", "rootactivity"} {
				w.role(name, func(r *health.Role) { r.Boundary = "arn:b" })
			}
		}, []string{"role.sweep warning"}, detect.Critical, "no permissions boundary", "--permissions-boundary arn:b"},
		"a policy is attached to a role": {func(w *world) {
			w.role("sweep", func(r *health.Role) { r.Attached = []string{"arn:aws:iam::aws:policy/AWSDenyAll"} })
		}, []string{"role.sweep failed"}, detect.Critical, "AWSDenyAll", "detach-role-policy --role-name rootguard-sweepRole-x --policy-arn arn:aws:iam::aws:policy/AWSDenyAll"},
		"another may assume a role": {func(w *world) {
			w.role("sweep", func(r *health.Role) {
				r.Trust = strings.Replace(trust, `"Service":"lambda.amazonaws.com"`, `"AWS":"*"`, 1)
			})
		}, []string{"role.sweep failed"}, detect.Critical, "assumed by others", "update-assume-role-policy"},
		"Lambda may not assume a role": {func(w *world) { w.role("sweep", func(r *health.Role) { r.Trust = `{"Statement":[]}` }) }, []string{"role.sweep failed"}, detect.Critical, "may not assume", "update-assume-role-policy"},
		"a role's trust denies": {func(w *world) {
			w.role("sweep", func(r *health.Role) {
				r.Trust = strings.Replace(trust, `[{"Effect"`, `[{"Sid":"d","Effect":"Deny","Principal":"*","Action":"*"},{"Effect"`, 1)
			})
		}, []string{"role.sweep failed"}, detect.Critical, `denies, in the statement "d"`, "update-assume-role-policy"},
		"a role is gone": {func(w *world) { delete(w.roles, "rootguard-sweepRole-x") }, []string{"role.sweep failed"}, detect.Critical, "There is no role", "make deploy"},

		"the bus has a key": {func(w *world) { w.buses[home] = health.EventBus{Key: "arn:aws:kms:us-east-1:999988887777:key/k"} }, []string{"bus failed"}, detect.Critical,
			"encrypted by the key arn:aws:kms:us-east-1:999988887777:key/k", "aws events update-event-bus --region us-east-1 --name default --kms-key-identifier ''"},
		"the bus denies": {func(w *world) {
			w.buses[home] = health.EventBus{Policy: `{"Statement":[{"Sid":"d","Effect":"Deny","Principal":"*","Action":"events:PutEvents","Resource":"*"}]}`}
		}, []string{"bus failed"}, detect.Critical, "denies", "remove-permission --region us-east-1 --event-bus-name default --statement-id d"},
		"the bus lets in others": {func(w *world) {
			w.buses[home] = health.EventBus{Policy: `{"Statement":[{"Sid":"partner","Effect":"Allow","Principal":{"AWS":"arn:aws:iam::999988887777:root"},"Action":"events:PutEvents","Resource":"*"}]}`}
		}, nil, 0, "", ""},
		"the bus refuses members": {func(w *world) { w.want.Organization = true }, []string{"bus failed"}, detect.Critical, "no statement rootguard-members", "make deploy"},
		"the bus lets in members": {func(w *world) {
			w.want.Organization = true
			w.buses[home] = health.EventBus{Policy: `{"Statement":[{"Sid":"rootguard-members","Effect":"Allow","Principal":"*","Action":"events:PutEvents","Resource":"*","Condition":{"StringEquals":{"aws:PrincipalOrgID":"o-1"}}}]}`}
		}, nil, 0, "", ""},
		"a Region's bus has a key": {func(w *world) { w.buses[further] = health.EventBus{Key: "k"} }, []string{"targets.eu-north-1 failed"}, detect.High, "default event bus of eu-north-1", "--region eu-north-1"},
		"a bus cannot be read":     {func(w *world) { w.fails["DefaultBus"] = denied }, []string{"bus unknown", "targets.eu-north-1 unknown"}, detect.Critical, "x:Y", "Allow"},

		"the table's policy denies all": {func(w *world) {
			w.policy = `{"Statement":[{"Sid":"d","Effect":"Deny","Principal":"*","Action":"dynamodb:*","Resource":"*"}]}`
		}, []string{"table.policy failed"}, detect.Critical, "denies the role rootguard-rootactivityRole-x", "aws dynamodb delete-resource-policy --region us-east-1 --resource-arn " + tableARN},
		"the table's policy denies a role": {func(w *world) {
			w.policy = `{"Statement":[{"Effect":"Deny","Principal":{"AWS":["` + roleARN("sweep") + `"]},"Action":"dynamodb:*","Resource":"*"}]}`
		}, []string{"table.policy failed"}, detect.Critical, "rootguard-sweepRole-x", "delete-resource-policy"},
		"the table's policy denies the account": {func(w *world) {
			w.policy = `{"Statement":[{"Effect":"Deny","Principal":{"AWS":"arn:aws:iam::111122223333:root"},"Action":"dynamodb:PutItem","Resource":"*"}]}`
		}, []string{"table.policy failed"}, detect.Critical, "denies the role", "delete-resource-policy"},
		"the table's policy denies another": {func(w *world) {
			w.policy = `{"Statement":[{"Effect":"Deny","Principal":{"AWS":"arn:aws:iam::111122223333:role/other"},"Action":"dynamodb:*","Resource":"*"}]}`
		}, nil, 0, "", ""},
		"the table's policy lets in another": {func(w *world) {
			w.policy = `{"Statement":[{"Sid":"a","Effect":"Allow","Principal":{"AWS":"arn:aws:iam::999988887777:root"},"Action":"dynamodb:PutItem","Resource":"*"}]}`
		}, []string{"table.policy failed"}, detect.Critical, "lets in others", "delete-resource-policy"},
		"the table's policy denies others": {func(w *world) { w.policy = operatorsOnly("rootguard-*Role-x"); w.want.Operators = true }, nil, 0, "", ""},
		"the table's policy denies others, and a function": {func(w *world) { w.policy = operatorsOnly("rootguard-[is]*Role-x"); w.want.Operators = true }, []string{"table.policy failed"},
			detect.Critical, "denies the role", "make deploy"},
		"the table's policy is gone": {func(w *world) { w.want.Operators = true }, []string{"table.policy failed"}, detect.Critical, "does not keep others from writing", "make deploy"},
		"the table is on a limit":    {func(w *world) { w.table(func(t *health.Table) { t.WriteLimit = 1 }) }, []string{"table failed"}, detect.Critical, "0 reads and 1 writes", "--on-demand-throughput"},
		"the table is provisioned":   {func(w *world) { w.table(func(t *health.Table) { t.Provisioned = true }) }, []string{"table failed"}, detect.Critical, "provisioned", "PAY_PER_REQUEST"},
		"the table has another key": {func(w *world) {
			w.table(func(t *health.Table) { t.Key = "arn:aws:kms:us-east-1:111122223333:key/k-2" })
		}, []string{"table failed"}, detect.Critical, "key/k-2", "--sse-specification Enabled=false"},
		"a kept table has a key of the account": {func(w *world) {
			w.table(func(t *health.Table) { t.Key = "arn:aws:kms:us-east-1:111122223333:key/k-2" })
			w.want.Adopted = true
		}, nil, 0, "", ""},
		"a kept table lets in another": {func(w *world) {
			w.policy = `{"Statement":[{"Sid":"a","Effect":"Allow","Principal":{"AWS":"arn:aws:iam::999988887777:root"},"Action":"dynamodb:PutItem","Resource":"*"}]}`
			w.want.Adopted = true
		}, []string{"table.policy warning"}, detect.Critical, "lets in others", "delete-resource-policy"},
		"the table has another account's key": {func(w *world) { w.table(func(t *health.Table) { t.Key = "arn:aws:kms:us-east-1:999988887777:key/k" }) }, []string{"table failed"}, detect.Critical, "999988887777", "--sse-specification"},
		"the table's key is out of reach": {func(w *world) { w.table(func(t *health.Table) { t.Key, t.Inaccessible = keyARN, t0 }) }, []string{"table failed"}, detect.Critical,
			"cannot be used since 2026-03-01 12:00:00Z", "enable-key"},

		"a topic's policy denies": {func(w *world) {
			w.topic(alerts, func(t *health.Topic) {
				t.Policy = strings.Replace(topicPolicy, `"Condition":{"Bool":{"aws:SecureTransport":"false"}}`, `"Condition":{"Bool":{"aws:SecureTransport":"true"}}`, 1)
			})
		}, []string{"topic.alerts failed"}, detect.Critical, "denies", "get-topic-attributes"},
		"a topic's policy denies under no condition": {func(w *world) {
			w.topic(escal, func(t *health.Topic) {
				t.Policy = strings.Replace(topicPolicy, `,"Condition":{"Bool":{"aws:SecureTransport":"false"}}`, ``, 1)
			})
		}, []string{"topic.escalation failed"}, detect.High, "denies", "get-topic-attributes"},
		"rules may not publish": {func(w *world) {
			w.topic(alerts, func(t *health.Topic) { t.Policy = strings.Replace(topicPolicy, "events.", "s3.", 1) })
		}, []string{"topic.alerts failed"}, detect.Critical, "does not let rules publish", "Deploy again"},
		"alarms may not publish": {func(w *world) {
			w.topic(alerts, func(t *health.Topic) { t.Policy = strings.Replace(topicPolicy, "cloudwatch.", "s3.", 1) })
		}, []string{"topic.alerts failed"}, detect.Critical, "does not let alarms publish", "Deploy again"},
		"a topic has a delivery policy": {func(w *world) { w.topic(alerts, func(t *health.Topic) { t.DeliveryPolicy = `{"http":{}}` }) }, []string{"topic.alerts warning"}, detect.Critical,
			"delivery policy", "--attribute-name DeliveryPolicy"},

		"a receiver is filtered": {func(w *world) {
			w.receiver(alerts, 0, func(r *health.Receiver) { r.Filter = `{"severity":["never"]}` })
		}, []string{"receivers.alerts failed"}, detect.Critical,
			`email ops@example.com of the topic rootguard-alerts has the filter`, "aws sns set-subscription-attributes --region us-east-1 --subscription-arn " + alerts + ":1 --attribute-name FilterPolicy --attribute-value '{}'"},
		"text messages are filtered otherwise": {func(w *world) {
			w.receiver(alerts, 1, func(r *health.Receiver) { r.Filter = `{"severity":["critical"]}` })
		}, []string{"receivers.alerts failed"}, detect.Critical,
			"sms +15555550100", `--attribute-value '{"severity":["high","critical"]}'`},
		"text messages are filtered by the body": {func(w *world) { w.receiver(alerts, 1, func(r *health.Receiver) { r.FilterScope = "MessageBody" }) }, []string{"receivers.alerts failed"}, detect.Critical, "sms", "FilterPolicy"},
		"a route's receiver has its filter":      {func(w *world) { w.route(`{"severity": ["high"],"account": ["111122223333"]}`, "") }, nil, 0, "", ""},
		"a route's receiver has another filter": {func(w *world) { w.route(`{"account":["444455556666"]}`, "") }, []string{"receivers.alerts failed"}, detect.Critical,
			"email team@example.com of the topic rootguard-alerts has the filter", "--attribute-value FILTER, where FILTER is"},
		"a route's receiver has no filter":           {func(w *world) { w.route("", "") }, []string{"receivers.alerts failed"}, detect.Critical, "does not get the alerts of its route", "FILTER"},
		"a route's receiver is filtered by the body": {func(w *world) { w.route(routeFilter, "MessageBody") }, []string{"receivers.alerts failed"}, detect.Critical, "its route", "FILTER"},
		"a route's receiver is not confirmed": {func(w *world) {
			w.route("", "")
			w.receiver(alerts, 3, func(r *health.Receiver) { r.ARN, r.Pending = "", true })
			w.topic(alerts, func(t *health.Topic) { t.Pending, t.Waiting = 1, []string{"email team@example.com"} })
		}, []string{"topic.alerts warning"}, detect.Critical, "is not confirmed: email team@example.com", ""},
		"Security Hub gets less": {func(w *world) { w.receiver(alerts, 2, func(r *health.Receiver) { r.Filter = `{"severity":["low"]}` }) }, []string{"receivers.alerts failed"}, detect.Critical, "lambda", `{"exists":true}`},
		"a filter is not known":  {func(w *world) { w.receiver(alerts, 0, func(r *health.Receiver) { r.Unread = true }) }, nil, 0, "", ""},
		"a receiver was removed": {func(w *world) { w.receiver(alerts, 0, func(r *health.Receiver) { r.Deleted = true }) }, []string{"receivers.alerts failed"}, detect.High,
			"1 of 2 receivers of the topic rootguard-alerts are subscribed no more (email ops@example.com)", "aws sns subscribe --region us-east-1 --topic-arn " + alerts},
		"a receiver is gone":                          {func(w *world) { r := w.receivers[alerts]; r.List = r.List[1:]; w.receivers[alerts] = r }, []string{"receivers.alerts failed"}, detect.High, "left: sms +15555550100, lambda", "cdk.json"},
		"every receiver is gone":                      {func(w *world) { w.receivers[escal] = health.Receivers{} }, []string{"receivers.escalation failed"}, detect.High, "left: none", "cdk.json"},
		"a receiver of the second Region is filtered": {func(w *world) { w.receiver(second, 0, func(r *health.Receiver) { r.Filter = `{"x":["y"]}` }) }, []string{"receivers.second failed"}, detect.High, "rootguard-second", "--region eu-north-1"},
		"the second topic cannot be listed":           {func(w *world) { delete(w.receivers, second) }, []string{"receivers.second failed", "unsubscribe.second failed"}, detect.High, "There is no topic rootguard-second", "make"},
		"a receiver more": {func(w *world) {
			r := w.receivers[alerts]
			r.List = append(r.List, health.Receiver{ARN: "arn:x", Protocol: "email", Endpoint: "new@example.com", Filter: `{"x":["y"]}`, Authenticated: true})
			w.receivers[alerts] = r
		}, []string{"receivers.alerts warning"}, detect.Critical, "not in cdk.json: email new@example.com", "unsubscribe"},
		"more receivers than can be read": {func(w *world) { r := w.receivers[alerts]; r.More = 3; w.receivers[alerts] = r }, []string{"receivers.alerts warning"}, detect.Critical, "filters of 3 receivers", "get-subscription-attributes"},
		"a topic protects data": {func(w *world) { r := w.receivers[alerts]; r.DataProtection = `{"Name":"x"}`; w.receivers[alerts] = r }, []string{"receivers.alerts failed"}, detect.Critical,
			"data protection policy", "put-data-protection-policy"},
		"data protection cannot be read": {func(w *world) { r := w.receivers[alerts]; r.Unprotected = denied; w.receivers[alerts] = r }, []string{"receivers.alerts warning"}, detect.Critical, "x:Y", "Allow"},
		"a link unsubscribes": {func(w *world) { w.receiver(alerts, 0, func(r *health.Receiver) { r.Authenticated = false }) }, []string{"unsubscribe.alerts warning"}, detect.Low, "email ops@example.com",
			"aws sns unsubscribe --region us-east-1 --subscription-arn " + alerts + ":1 && aws sns subscribe --region us-east-1 --topic-arn " + alerts + " --protocol email --notification-endpoint ops@example.com, then: aws sns confirm-subscription --region us-east-1 --topic-arn " + alerts + " --authenticate-on-unsubscribe true --token TOKEN"},
		"a link will unsubscribe": {func(w *world) {
			w.receiver(alerts, 0, func(r *health.Receiver) { r.ARN, r.Authenticated, r.Pending = "", false, true })
		}, []string{"unsubscribe.alerts warning"}, detect.Low, "email ops@example.com", "aws sns confirm-subscription"},
		"a text message has no link": {func(w *world) { w.receiver(alerts, 1, func(r *health.Receiver) { r.Authenticated = false }) }, nil, 0, "", ""},
		"receivers cannot be read": {func(w *world) { w.fails["Receivers"] = denied }, []string{
			"receivers.alerts unknown", "receivers.chat unknown", "receivers.escalation unknown", "receivers.second unknown", "unsubscribe.alerts unknown", "unsubscribe.escalation unknown", "unsubscribe.second unknown",
		}, detect.Critical, "x:Y", "Allow"},
		"text messages may cost nothing":    {func(w *world) { w.texting.Limit = "0" }, []string{"sms failed"}, detect.High, "may spend nothing", "set-sms-attributes"},
		"text messages may cost one dollar": {func(w *world) { w.texting.Limit = "" }, []string{"sms warning"}, detect.High, "$1.00 a month", "set-sms-attributes"},
		"text messages go to a sandbox":     {func(w *world) { w.texting.Sandbox = true }, []string{"sms warning"}, detect.High, "verified numbers only", "create-sms-sandbox-phone-number"},
		"a limit is no number":              {func(w *world) { w.texting.Limit = "x" }, []string{"sms unknown"}, detect.High, "monthly limit", "doctor"},
		"no text messages":                  {func(w *world) { w.texting.Sandbox = true; w.want.SMS = false }, nil, 0, "", ""},

		"an alarm is gone":       {func(w *world) { delete(w.alarms, "rootguard-failed") }, []string{"alarms failed"}, detect.High, "no alarm rootguard-failed", "make deploy"},
		"an alarm is disabled":   {func(w *world) { w.alarm("rootguard-failed", func(a *health.Alarm) { a.Enabled = false }) }, []string{"alarms failed"}, detect.High, "rootguard-failed does not ring", "aws cloudwatch enable-alarm-actions --region us-east-1 --alarm-names rootguard-failed"},
		"an alarm rings nowhere": {func(w *world) { w.alarm("rootguard-failed", func(a *health.Alarm) { a.Actions = nil }) }, []string{"alarms failed"}, detect.High, "on the topic rootguard-alerts", "Deploy again"},
		"alarms cannot be read":  {func(w *world) { w.fails["Alarms"] = denied }, []string{"alarms unknown"}, detect.High, "x:Y", "Allow"},
		"an alarm is muted": {func(w *world) {
			w.mutes = []health.Mute{{Name: "night", Alarms: []string{"other", "rootguard-failed"}}}
		}, []string{"alarms.muted failed"}, detect.Critical,
			"alarm mute rule night", "aws cloudwatch delete-alarm-mute-rule --region us-east-1 --alarm-mute-rule-name night"},
		"every alarm is muted":   {func(w *world) { w.mutes = []health.Mute{{Name: "all"}} }, []string{"alarms.muted failed"}, detect.Critical, "mute rule all", "delete-alarm-mute-rule"},
		"another alarm is muted": {func(w *world) { w.mutes = []health.Mute{{Name: "night", Alarms: []string{"other", "rootguardian"}}} }, nil, 0, "", ""},
		"mutes cannot be read":   {func(w *world) { w.fails["Mutes"] = denied }, []string{"alarms.muted unknown"}, detect.Critical, "x:Y", "Allow"},

		"events of a rule were lost": {func(w *world) { w.sums["rootguard-root-sign-in"] = 2 }, []string{"lost.rules failed"}, detect.High,
			"between 2026-03-01 11:00:00Z and 2026-03-01 12:00:00Z: 2 of rootguard-root-sign-in", "rootguard replay"},
		"failed events were lost": {func(w *world) { w.sums["rootguard-iamuser"] = 1 }, []string{"lost.functions failed"}, detect.High, "1 of rootguard-iamuser", "rootguard replay"},
		"messages were lost":      {func(w *world) { w.sums["rootguard-escalation"] = 1 }, []string{"lost.topics failed"}, detect.High, "1 of rootguard-escalation", "rootguard"},
		"metrics cannot be read":  {func(w *world) { w.fails["Sums"] = denied }, []string{"lost.functions unknown", "lost.rules unknown", "lost.topics unknown"}, detect.High, "x:Y", "Allow"},

		"a Region is enabled": {func(w *world) { w.enabled = append(w.enabled, "me-south-1") }, []string{"regions warning"}, detect.Low, "from me-south-1", "Add me-south-1 to regions"},
		"a Region is left out": {func(w *world) {
			w.enabled = append(w.enabled, "eu-west-1")
			w.want.Further = append(w.want.Further, "eu-west-1")
		}, []string{"regions warning"}, detect.Low, "from eu-west-1", "Add eu-west-1"},
		"Regions cannot be read":          {func(w *world) { w.fails["Enabled"] = denied }, []string{"regions unknown"}, detect.Low, "x:Y", "Allow"},
		"a partition has all its Regions": {func(w *world) { w.fails["Enabled"] = denied; w.want.OptIn = false }, nil, 0, "", ""},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			tc.change(w)
			results := w.inspect(t)
			bad := failing(results)
			if diff := cmp.Diff(append([]string{}, slices.Sorted(slices.Values(tc.bad))...), bad); diff != "" {
				t.Fatalf("checks that are not ok (-want +got):\n%s", diff)
			}
			if len(bad) == 0 {
				return
			}
			id, _, _ := strings.Cut(tc.bad[0], " ")
			r := results[id]
			if r.Severity != tc.severity || !strings.Contains(r.Why, tc.why) || !strings.Contains(r.Fix, tc.fix) {
				t.Errorf("%+v\nwant %s, %q, %q", r, tc.severity, tc.why, tc.fix)
			}
			for _, one := range bad {
				id, _, _ := strings.Cut(one, " ")
				if r := results[id]; r.Why == "" || r.Fix == "" {
					t.Errorf("%s does not say why, or what fixes it: %+v", id, r)
				}
			}
		})
	}
}

func TestSweepRuns(t *testing.T) {
	w := newWorld(t)
	c := w.checker()
	sweep := func(at time.Time) health.Result {
		for _, r := range c.Inspect(t.Context(), at) {
			if r.ID == "sweep" {
				return r
			}
		}
		t.Fatal("no check of the sweep")
		return health.Result{}
	}
	if r := sweep(t0); r.Outcome != health.Warning {
		t.Errorf("before the first run: %+v", r)
	}
	if _, err := c.Run(t.Context(), nobody{}, t0); err != nil {
		t.Fatal(err)
	}
	if r := sweep(t0.Add(15 * time.Minute)); r.Outcome != health.OK {
		t.Errorf("after 15 minutes: %+v", r)
	}
	if r := sweep(t0.Add(16 * time.Minute)); r.Outcome != health.Failed || r.Severity != detect.Critical || !strings.Contains(r.Why, "2026-03-01 12:00:00Z") {
		t.Errorf("after 16 minutes: %+v", r)
	}
	w.store.Script = &fake.Script{}
	w.store.Script.Inject(1, fake.FailBefore)
	if r := sweep(t0); r.Outcome != health.Unknown {
		t.Errorf("where the table cannot be read: %+v", r)
	}
}

// TestHeartbeatCause holds that a heartbeat that is missed names the first link on
// its way that is broken, with what fixes that.
func TestHeartbeatCause(t *testing.T) {
	for name, tc := range map[string]struct {
		change   func(w *world)
		why, fix string
	}{
		"the trail": {func(w *world) { w.trails[0].Logging = false }, "The reason is the check trail: ", "start-logging"},
		"the trail, though the rule is off too": {func(w *world) {
			w.trails[0].Logging, w.rule(home, "rootguard-heartbeat-iamuser").State = false, "DISABLED"
		}, "The reason is the check trail: ", "start-logging"},
		"the rule":       {func(w *world) { w.rule(home, "rootguard-heartbeat-iamuser").State = "DISABLED" }, "The reason is the check rule.heartbeat-iamuser: ", "enable-rule"},
		"the target":     {func(w *world) { w.targets[home+"/rootguard-heartbeat-iamuser"] = nil }, "The reason is the check target.heartbeat-iamuser: ", "put-targets"},
		"the permission": {func(w *world) { w.function("iamuser", func(f *health.Function) { f.Policy = "" }) }, "The reason is the check permission.iamuser: ", "add-permission"},
		"the function":   {func(w *world) { w.function("iamuser", func(f *health.Function) { f.State = "Failed" }) }, "The reason is the check function.iamuser: ", "make deploy"},
		"the other function's rule is not the reason": {func(w *world) { w.rule(home, "rootguard-heartbeat-rootactivity").State = "DISABLED" },
			"though it did at another", "See the log of the function rootguard-iamuser"},
	} {
		w := newWorld(t)
		w.deaf["iamuser"] = true
		tc.change(w)
		r := w.inspect(t)["heartbeat.iamuser"]
		if r.Outcome != health.Failed || !strings.Contains(r.Why, tc.why) || !strings.Contains(r.Fix, tc.fix) {
			t.Errorf("%s: %+v", name, r)
		}
	}
}

// TestHeartbeatProof holds that what is known says of when it is, and that a
// heartbeat under way is waited for no longer than it may take.
func TestHeartbeatProof(t *testing.T) {
	w := newWorld(t)
	c := w.checker()
	w.delay = 42 * time.Second
	at := func() health.Result {
		for _, r := range c.Inspect(t.Context(), w.clock.Now()) {
			if r.ID == "heartbeat.iamuser" {
				return r
			}
		}
		t.Fatal("no such check")
		return health.Result{}
	}
	if r := at(); r.Outcome != health.Unknown || !strings.Contains(r.Why, "No heartbeat was recorded yet") {
		t.Errorf("a new stack: %+v", r)
	}
	if _, err := c.Run(t.Context(), nobody{}, w.clock.Now()); err != nil {
		t.Fatal(err)
	}
	w.clock.Advance(3 * time.Minute)
	if r := at(); r.Outcome != health.OK || r.Proves != "The call of 2026-03-01 12:00:00Z, 3m0s ago, came out at the function after 42s" {
		t.Errorf("it came: %+v", r)
	}
	w.deaf["iamuser"] = true
	w.clock.Advance(12 * time.Minute)
	if _, err := c.Run(t.Context(), nobody{}, w.clock.Now()); err != nil {
		t.Fatal(err)
	}
	w.clock.Advance(health.Timely - time.Second)
	if r := at(); r.Outcome != health.OK || !strings.Contains(r.Proves, "12:00:00Z, 24m59s ago") {
		t.Errorf("the next is under way: %+v", r)
	}
	w.clock.Advance(time.Second)
	if r := at(); r.Outcome != health.Failed || !strings.Contains(r.Why, "12:15:00Z") {
		t.Errorf("the next is late: %+v", r)
	}
	w.clock.Advance(time.Hour)
	if r := at(); r.Outcome != health.Unknown || !strings.Contains(r.Why, "The last heartbeat was recorded at 2026-03-01 12:15:00Z") {
		t.Errorf("an hour later: %+v", r)
	}
}

// TestEveryFix holds that a check in which several things are wrong has the fix of each.
func TestEveryFix(t *testing.T) {
	w := newWorld(t)
	w.protect = health.Protection{}
	tb := w.tables["table"]
	tb.DeletionProtection = false
	w.tables["table"] = tb
	for _, r := range w.inspect(t) {
		if r.ID != "table.protection" {
			if len(r.More) > 0 {
				t.Errorf("%s: %v", r.ID, r.More)
			}
			continue
		}
		fixes := strings.Join(append([]string{r.Fix}, r.More...), "\n")
		for _, want := range []string{"--deletion-protection-enabled", "update-continuous-backups", "update-time-to-live"} {
			if strings.Count(fixes, want) != 1 {
				t.Errorf("the fixes do not have %q once:\n%s", want, fixes)
			}
		}
	}
}
