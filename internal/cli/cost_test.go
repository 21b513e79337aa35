package cli

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"rootguard/internal/config"
	"rootguard/internal/health"
	"rootguard/internal/partition"
	"rootguard/internal/testenv"
)

// Prices in US dollars, of us-east-1, without what is free. AWS's price pages say
// what they are now.
const (
	alarmPrice = 0.10 // an alarm's metric, a month (Amazon CloudWatch pricing)

	metricReadPrice = 0.01 / 1000  // a metric of GetMetricData
	logPrice        = 0.50         // a GB taken in
	callPrice       = 0.20 / 1e6   // an invocation (AWS Lambda pricing)
	computePrice    = 0.0000133334 // a GB-second on arm64
	writePrice      = 0.625 / 1e6  // a write request unit on demand (Amazon DynamoDB pricing)
	readPrice       = 0.125 / 1e6  // a read request unit
	emailPrice      = 2.00 / 1e5   // an e-mail, of which 1,000 a month are free (Amazon SNS pricing)
	eventPrice      = 1.00 / 1e6   // an event sent to another account or Region, or of one's own (Amazon EventBridge pricing)
	requestPrice    = 0.50 / 1e6   // a request to Amazon SNS; one to SQS or KMS is less
	queuePrice      = 0.40 / 1e6   // a request to Amazon SQS
	freeEmails      = 1000
)

// What is assumed. The units are of the requests that the functions make: a
// scheduled call is 11 queries of an index, of half a unit each, and some rows. A check of an account is a third of a second with others beside it.
const (
	writesAnEvent  = 12  // request units
	readsAnEvent   = 6   // request units
	readsARound    = 12  // of the schedule, 5 of them about the guard itself
	writesARound   = 2   // the state of the checks, and a third of a heartbeat and its two receipts
	beatsEvery     = 15  // minutes, of the recorded heartbeats, each of which comes out at two functions
	asksRegion     = 2   // requests, for the queue of a further Region and for what is in it
	slowEvery      = 30  // minutes, of that
	checksARound   = 5   // billed requests by which the guard is checked: queues, topics, the queue that counts heartbeats
	checksAccount  = 750 // at root once an hour, at the users once a day
	writesACheck   = 3   // request units
	readsACheck    = 4   // request units
	gbSecondsCheck = 0.02
	daysMonth      = 30 // in which each account's steps of day two are checked once
	writesADay     = 4  // request units, of the row and its place in the index
	readsADay      = 50 // the row, and all of the account's facts
	gbSecondsDay   = 0.10
	digestsMonth   = 4  // weekly
	readsADigest   = 54 // all of an account's facts, its incidents, its announcements and how it is checked
	gbSecondsItem  = 0.01
	gbSecondsCall  = 0.05 // 256 MB for 200 ms
	logBytesCall   = 1500
	eventsAccount  = 125 // root used twice for 50 calls, and 25 changes of users, roles and the account
	readsAccount   = 600 // of root's console in these two uses
	writesARead    = 2   // its fact, which the reads of an hour share
	readsARead     = 4   // that, its key, and whether the session's sign-in is on record
	alertsAccount  = 12
	minutesMonth   = 30 * 24 * 60
)

// bill is what the templates make that costs money whether anything happens or not.
type bill struct {
	alarms, alarmMetrics int
	functions, scheduled int // scheduled: calls in 30 days
	keys                 int
	metrics              int // of the functions' own
}

var everyMinutes = regexp.MustCompile(`^rate\((\d+) minutes?\)$`)

// count adds a golden template, n times.
func (d *bill) count(t *testing.T, name string, n int) {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(testenv.Root(t), "infra", "stacks", "testdata", name+".golden.json"))
	if err != nil {
		t.Fatal(err)
	}
	var template struct {
		Resources map[string]struct {
			Type       string
			Properties struct {
				Metrics            []struct{ MetricStat any }
				ScheduleExpression string
				Environment        struct{ Variables map[string]any }
			}
		}
	}
	if err := json.Unmarshal(text, &template); err != nil {
		t.Fatal(err)
	}
	for _, r := range template.Resources {
		switch r.Type {
		case "AWS::CloudWatch::Alarm":
			metrics := 0
			for _, m := range r.Properties.Metrics {
				if m.MetricStat != nil {
					metrics++
				}
			}
			d.alarms, d.alarmMetrics = d.alarms+n, d.alarmMetrics+n*max(1, metrics)
		case "AWS::Lambda::Function":
			d.functions += n
			if r.Properties.Environment.Variables[config.EnvMetrics] != nil {
				d.metrics = customMetrics()
			}
		case "AWS::KMS::Key":
			d.keys += n
		case "AWS::Events::Rule":
			if rate := everyMinutes.FindStringSubmatch(r.Properties.ScheduleExpression); rate != nil {
				minutes, err := strconv.Atoi(rate[1])
				if err != nil {
					t.Fatal(err)
				}
				d.scheduled += n * minutesMonth / minutes
			} else if r.Properties.ScheduleExpression != "" {
				t.Fatalf("%s: how often is %s?", name, r.Properties.ScheduleExpression)
			}
		}
	}
}

// customMetrics are those that the functions write.
func customMetrics() int {
	all := []string{config.MetricRecords, config.MetricPublishErrors, config.MetricFailures, config.MetricAlertLatency, config.MetricHeartbeat, config.MetricFindings}
	return len(all) + 5 // findings once more for each severity
}

// costs is the text about what the deployed guard costs, and the dollars a
// month of 1, 100 and 10,000 accounts. regions are the further ones. What asks IAM,
// as the credential report and the tag of the recorded heartbeat, costs nothing.
func costs(d bill, regions, metricReads int) (text string, dollars []float64) {
	const beats = 2.0 * minutesMonth / beatsEvery
	sizes := []float64{1, 100, 10_000}
	var b strings.Builder
	fmt.Fprintf(&b, "%d alarms over %d metrics, no metric of its own, no key, a dashboard, and %d functions of 256 MB, of which a schedule calls one %s times in 30 days and recorded heartbeats the others %s times.\n\n",
		d.alarms, d.alarmMetrics, d.functions, grouped(float64(d.scheduled)), grouped(beats))
	b.WriteString("| US dollars a month | 1 account | 100 | 10,000 |\n|---|---|---|---|\n")
	totals := make([]float64, len(sizes))
	row := func(what string, dollars func(n float64) float64) {
		b.WriteString("| " + what)
		for i, n := range sizes {
			totals[i] += dollars(n)
			fmt.Fprintf(&b, " | %.2f", dollars(n))
		}
		b.WriteString(" |\n")
	}
	fixed := func(dollars float64) func(float64) float64 { return func(float64) float64 { return dollars } }
	rounds := float64(d.scheduled)
	own := rounds + beats
	calls := func(n float64) float64 { return own + n*(eventsAccount+readsAccount) }
	row(fmt.Sprintf("Alarms: %d metrics × $0.10", d.alarmMetrics), fixed(float64(d.alarmMetrics)*alarmPrice))
	row(fmt.Sprintf("Lambda: (%s + N × (%d + %d)) calls × ($0.20 a million + %.2f GB-s × $0.0000133334)", grouped(own), eventsAccount, readsAccount, gbSecondsCall),
		func(n float64) float64 { return calls(n) * (callPrice + gbSecondsCall*computePrice) })
	row(fmt.Sprintf("Logs: as many × %d bytes × $0.50 a GB", logBytesCall), func(n float64) float64 { return calls(n) * logBytesCall / 1e9 * logPrice })
	row(fmt.Sprintf("DynamoDB writes: (%s × %d + N × (%d × %d + %d × %d)) units × $0.625 a million", grouped(rounds), writesARound, eventsAccount, writesAnEvent, readsAccount, writesARead),
		func(n float64) float64 {
			return (rounds*writesARound + n*(eventsAccount*writesAnEvent+readsAccount*writesARead)) * writePrice
		})
	row(fmt.Sprintf("DynamoDB reads: (%s × %d + N × (%d × %d + %d × %d)) units × $0.125 a million", grouped(rounds), readsARound, eventsAccount, readsAnEvent, readsAccount, readsARead),
		func(n float64) float64 {
			return (rounds*readsARound + n*(eventsAccount*readsAnEvent+readsAccount*readsARead)) * readPrice
		})
	row(fmt.Sprintf("Checks: N × %d × (%d writes, %d reads and %.2f GB-s)", checksAccount, writesACheck, readsACheck, gbSecondsCheck),
		func(n float64) float64 {
			return n * checksAccount * (writesACheck*writePrice + readsACheck*readPrice + gbSecondsCheck*computePrice)
		})
	row(fmt.Sprintf("Day two, with all steps: N × %d × (%d writes, %d reads and %.2f GB-s)", daysMonth, writesADay, readsADay, gbSecondsDay),
		func(n float64) float64 {
			return n * daysMonth * (writesADay*writePrice + readsADay*readPrice + gbSecondsDay*computePrice)
		})
	row(fmt.Sprintf("Digest, weekly: N × %d × (%d reads and %.2f GB-s)", digestsMonth, readsADigest, gbSecondsItem), func(n float64) float64 {
		return n * digestsMonth * (readsADigest*readPrice + gbSecondsItem*computePrice)
	})
	queuesAccount := regions + 1 // in which its events wait that could not be forwarded, one in each Region
	row(fmt.Sprintf("Queues of other accounts: (N − 1) × %d × %d × $0.40 a million", checksAccount, queuesAccount), func(n float64) float64 {
		return (n - 1) * checksAccount * float64(queuesAccount) * queuePrice
	})
	row(fmt.Sprintf("Queues of further Regions: %s × %d × %d × $0.40 a million", grouped(minutesMonth/slowEvery), regions, asksRegion),
		fixed(minutesMonth/slowEvery*float64(regions)*asksRegion*queuePrice))
	row(fmt.Sprintf("Heartbeats and checks: %s × (2 events × $1 + %d requests × $0.50) a million", grouped(rounds), checksARound),
		fixed(rounds*(2*eventPrice+checksARound*requestPrice)))
	row(fmt.Sprintf("Metrics read each hour, of lost events: %s × $0.01 a thousand", grouped(float64(metricReads))), fixed(float64(metricReads)*metricReadPrice))
	row(fmt.Sprintf("Events from other accounts and Regions: at most N × %d × $1 a million", eventsAccount+readsAccount), func(n float64) float64 { return n * (eventsAccount + readsAccount) * eventPrice })
	row(fmt.Sprintf("E-mail, a receiver: (N × %d, less 1,000) × $2 per 100,000", alertsAccount), func(n float64) float64 { return max(0, n*alertsAccount-freeEmails) * emailPrice })
	b.WriteString("| **Total**")
	for _, total := range totals {
		fmt.Fprintf(&b, " | **%.2f**", total)
	}
	b.WriteString(" |\n")
	return b.String(), totals
}

// grouped is a whole number with commas.
func grouped(n float64) string {
	s := strconv.FormatFloat(n, 'f', 0, 64)
	for i := len(s) - 3; i > 0; i -= 3 {
		s = s[:i] + "," + s[i:]
	}
	return s
}

// TestDocCosts holds the table of costs to the templates.
func TestDocCosts(t *testing.T) {
	var d bill
	d.count(t, "guard", 1)
	commercial, _ := partition.Of("aws")
	d.count(t, "forward", len(commercial.Further())-1)
	d.count(t, "second", 1)
	if d.alarms != 5 || d.alarmMetrics != 6 || d.functions < 3 || d.scheduled != 8640 {
		t.Fatalf("the templates are read wrong: %+v", d)
	}
	if d.keys != 0 || d.metrics != 0 {
		t.Errorf("%d keys and %d metrics of its own, which the table knows nothing of", d.keys, d.metrics)
	}
	var full bill
	full.count(t, "guard-full", 1)
	if full.keys != 1 || full.metrics != customMetrics() {
		t.Errorf("with encrypt and metrics there are %d keys and %d metrics, want 1 and %d", full.keys, full.metrics, customMetrics())
	}
	reads, err := health.MetricReads(health.Expected{
		Partition: "aws", Region: "us-east-1", Account: "111122223333", Prefix: "rootguard", Regions: commercial.Further(),
		Second: commercial.Further()[0], Alerts: "arn:aws:sns:us-east-1:111122223333:rootguard-Topic",
	})
	if err != nil || reads == 0 {
		t.Fatalf("%d metrics are read, %v", reads, err)
	}
	text, dollars := costs(d, len(commercial.Further()), reads)
	if dollars[0] >= 1 || dollars[1] >= 10 {
		t.Errorf("1 account costs $%.2f a month and 100 cost $%.2f, want less than $1 and $10", dollars[0], dollars[1])
	}
	holdText(t, docs+"cost.md", "costs", text)
}

func TestGrouped(t *testing.T) {
	for n, want := range map[float64]string{0: "0", 999: "999", 1000: "1,000", 25_920: "25,920", 1_075_920: "1,075,920"} {
		if got := grouped(n); got != want {
			t.Errorf("%v: got %s, want %s", n, got, want)
		}
	}
}
