package cloudtrail

import (
	"bytes"
	"encoding/base64"
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"testing"
	"testing/iotest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/klauspost/compress/zstd"

	"rootguard/internal/testenv"
)

func base64Of(s string) string { return base64.StdEncoding.EncodeToString([]byte(s)) }

func zstdOf(tb testing.TB, s string) string {
	tb.Helper()
	w, err := zstd.NewWriter(nil)
	if err != nil {
		tb.Fatal(err)
	}
	return string(w.EncodeAll([]byte(s), nil))
}

func csvOf(tb testing.TB, rows ...[]string) string {
	tb.Helper()
	var b bytes.Buffer
	w := csv.NewWriter(&b)
	if err := w.WriteAll(rows); err != nil {
		tb.Fatal(err)
	}
	return b.String()
}

// TestReaderWraps reads records from all that is known to wrap them, in forms
// that the tools' documents and users show.
func TestReaderWraps(t *testing.T) {
	t.Parallel()
	a, b, c := rec("A"), rec("B"), rec("C")
	qa, qb, qc := quote(a), quote(b), quote(c)
	list := func(format string, of ...string) string {
		var all []string
		for _, one := range of {
			all = append(all, strings.ReplaceAll(format, "%", one))
		}
		return strings.Join(all, ",")
	}
	lines := func(format string, of ...string) string {
		all := make([]string, len(of))
		for i, one := range of {
			all[i] = strings.ReplaceAll(format, "%", one) + "\n"
		}
		return strings.Join(all, "")
	}
	packed := func(s string) string { return quote(base64Of(zip(t, s))) }
	tests := map[string]string{
		"CloudWatch Logs, exported to S3":    lines("2026-05-04T09:00:00.000Z %", a, b, c),
		"CloudWatch Logs, exported, pretty":  lines("2026-05-04T09:00:00.000Z %", pretty(a), pretty(b), c),
		"aws logs tail":                      lines("2026-05-04T09:00:00.123000+00:00 111122223333_CloudTrail_us-east-1_3 %", a, b, c),
		"aws logs tail, short":               lines("2026-05-04T09:00:00 %", a, b, c),
		"syslog":                             lines("<134>May  4 09:00:00 host cloudtrail[17]: %", a, b, c),
		"Logs Insights":                      `{"results":[` + list(`[{"field":"@timestamp","value":"2026-05-04 09:00:00.000"},{"field":"@message","value":%},{"field":"@ptr","value":"x"}]`, qa, qb, qc) + `],"statistics":{"recordsMatched":3.0},"status":"Complete"}`,
		"Logs Insights, status first":        `{"status":"Complete","results":[` + list(`[{"field":"@message","value":%}]`, qa, qb, qc) + `]}`,
		"Logs Insights console":              `[` + list(`{"@timestamp":"2026-05-04 09:00:00.000","@message":%}`, a, qb, c) + `]`,
		"Logs Insights console, lines":       lines(`{"@ptr":"x","@message":%}`, a, qb, c),
		"Logs Insights with columns beside":  `[` + list(`{"eventName":"x","eventSource":"y","userIdentity.type":"Root","@message":%}`, qa, qb, qc) + `]`,
		"filter-log-events in text":          lines(`EVENTS	38	1777885200000	stream	1777885200000	2026-05-04T09:00:00 %`, a, b, c),
		"SNS":                                lines(`{"Type":"Notification","MessageId":"m","TopicArn":"t","Subject":"s","Message":%,"Timestamp":"2026-05-04T09:00:00Z","SignatureVersion":"1"}`, quote(bridge("AWS API Call via CloudTrail", a)), qb, quote(`{"Records":[`+c+`]}`)),
		"SNS to Lambda":                      `{"Records":[` + list(`{"EventSource":"aws:sns","EventVersion":"1.0","Sns":{"Type":"Notification","Message":%}}`, qa, qb, qc) + `]}`,
		"SQS receive-message":                `{"Messages":[` + list(`{"MessageId":"m","ReceiptHandle":"r","MD5OfBody":"x","Body":%}`, quote(bridge("AWS API Call via CloudTrail", a)), qb, quote(`{"Type":"Notification","Message":`+qc+`}`)) + `]}`,
		"SQS to Lambda":                      `{"Records":[` + list(`{"messageId":"m","body":%,"attributes":{},"eventSource":"aws:sqs","eventSourceARN":"arn:aws:sqs:us-east-1:111122223333:q","awsRegion":"us-east-1"}`, quote(bridge("AWS API Call via CloudTrail", a)), qb, qc) + `]}`,
		"Kinesis to Lambda":                  `{"Records":[` + list(`{"kinesis":{"partitionKey":"1","data":%},"eventSource":"aws:kinesis","eventVersion":"1.0","eventID":"shardId-0:1","eventName":"aws:kinesis:record","invokeIdentityArn":"r","awsRegion":"us-east-1"}`, packed(logs("DATA_MESSAGE", a)), quote(base64Of(b)), quote(base64Of(c))) + `]}`,
		"Kinesis get-records":                `{"Records":[` + list(`{"SequenceNumber":"1","ApproximateArrivalTimestamp":1.7e9,"Data":%,"PartitionKey":"p"}`, packed(logs("DATA_MESSAGE", a, b)), quote(base64Of(c))) + `],"NextShardIterator":"n","MillisBehindLatest":0}`,
		"Kafka to Lambda":                    `{"eventSource":"aws:kafka","eventSourceArn":"x","records":{"trail-0":[` + list(`{"topic":"trail","partition":0,"offset":1,"value":%}`, quote(base64Of(a)), quote(base64Of(b)), quote(base64Of(c))) + `]}}`,
		"Firehose transformation":            `{"invocationId":"i","deliveryStreamArn":"d","region":"us-east-1","records":[` + list(`{"recordId":"1","approximateArrivalTimestamp":1,"data":%}`, packed(logs("DATA_MESSAGE", a, b)), quote(base64Of(c))) + `]}`,
		"Firehose, gzipped twice":            zip(t, zip(t, logs("DATA_MESSAGE", a))+zip(t, logs("DATA_MESSAGE", b, c))),
		"Firehose with base64 error output":  lines(`{"attemptsMade":4,"arrivalTimestamp":1,"errorCode":"x","rawData":%}`, quote(base64Of(a)), quote(base64Of(b)), packed(c)),
		"EventBridge archive in lines":       lines("%", bridge("AWS API Call via CloudTrail", a), strings.Replace(bridge("AWS Console Sign In via CloudTrail", b), `"version"`, `"replay-name":"r","version"`, 1), bridge("AWS Service Event via CloudTrail", c)),
		"EventBridge, failed invocation":     lines(`{"version":"1.0","requestContext":{"condition":"RetriesExhausted"},"requestPayload":%,"responseContext":{}}`, bridge("AWS API Call via CloudTrail", a), bridge("AWS API Call via CloudTrail", b), bridge("AWS API Call via CloudTrail", c)),
		"Filebeat, message":                  lines(`{"@timestamp":"2026-05-04T09:00:00Z","agent":{"type":"filebeat"},"log":{"file":{"path":"x"}},"message":%}`, qa, qb, qc),
		"Elastic, event.original":            lines(`{"@timestamp":"2026-05-04T09:00:00Z","aws":{"cloudtrail":{"event_version":"1.08","user_identity":{"type":"Root"}}},"event":{"action":"x","original":%}}`, qa, qb, qc),
		"Elastic, flat":                      lines(`{"@timestamp":"2026-05-04T09:00:00Z","aws.cloudtrail.user_identity.type":"Root","event.original":%}`, qa, qb, qc),
		"Elastic, hits":                      `{"took":1,"timed_out":false,"_shards":{"total":1},"hits":{"total":{"value":3,"relation":"eq"},"max_score":1.0,"hits":[` + list(`{"_index":"i","_id":"1","_score":1,"_source":%}`, a, `{"message":`+qb+`}`, `{"event":{"original":`+qc+`}}`) + `]}}`,
		"elasticdump":                        lines(`{"_index":"i","_type":"_doc","_id":"1","_score":1,"_source":%}`, a, b, c),
		"Kibana, discover with fields":       `[` + list(`{"_index":"i","fields":{"event.original":[%],"@timestamp":["2026-05-04T09:00:00Z"]}}`, qa, qb, qc) + `]`,
		"Splunk, JSON export":                lines(`{"preview":false,"offset":0,"result":{"_time":"2026-05-04T09:00:00.000+00:00","eventName":"x","eventSource":"y","userIdentity.type":"Root","_raw":%}}`, qa, qb, qc),
		"Splunk, results":                    `{"preview":false,"init_offset":0,"messages":[{"type":"INFO","text":"x"}],"fields":[{"name":"_raw"}],"results":[` + list(`{"_raw":%,"eventVersion":"1.08"}`, qa, qb, qc) + `]}`,
		"Splunk, HEC":                        lines(`{"time":1777885200,"host":"h","sourcetype":"aws:cloudtrail","event":%}`, a, qb, c),
		"Splunk, HEC without lines":          `{"time":1,"event":` + a + `}{"time":1,"event":` + b + `}{"event":` + c + `}`,
		"Datadog, archive":                   lines(`{"_id":"x","date":"2026-05-04T09:00:00Z","source":"cloudtrail","attributes":%,"tags":["a:b"]}`, a, b, c),
		"Datadog, flat":                      lines(`%`, with(t, a, `"eventVersion"`, `"ddsource":"cloudtrail","ddtags":"a:b","_id":"x","eventVersion"`), b, c),
		"Datadog, API":                       `{"data":[` + list(`{"id":"x","type":"log","attributes":{"service":"cloudtrail","attributes":%,"tags":["a:b"]}}`, a, b, c) + `],"meta":{"page":{"after":"x"}}}`,
		"Datadog, content":                   `{"logs":[` + list(`{"id":"x","content":{"timestamp":"2026-05-04T09:00:00Z","tags":[],"attributes":%}}`, a, b, c) + `],"status":"done"}`,
		"Wazuh":                              lines(`{"timestamp":"2026-05-04T09:00:00.000+0000","rule":{"level":3},"agent":{"id":"000"},"data":{"integration":"aws","aws":%},"location":"Wazuh-AWS"}`, a, b, c),
		"Wazuh, full_log":                    lines(`{"timestamp":"2026-05-04T09:00:00.000+0000","rule":{"level":3},"full_log":%,"location":"x"}`, quote(`{"integration":"aws","aws":`+a+`}`), quote(`{"integration":"aws","aws":`+b+`}`), quote(`{"integration":"aws","aws":`+c+`}`)),
		"Panther":                            lines(`%`, with(t, a, `"eventVersion"`, `"p_log_type":"AWS.CloudTrail","p_any_ip_addresses":["192.0.2.1"],"eventVersion"`), b, c),
		"Sumo Logic":                         `[` + list(`{"map":{"_messageid":"1","_sourcecategory":"x","_raw":%}}`, qa, qb, qc) + `]`,
		"Sumo Logic, messages":               `{"fields":[{"name":"_raw"}],"messages":[` + list(`{"map":{"_raw":%}}`, qa, qb, qc) + `]}`,
		"Loki, push":                         `{"streams":[{"stream":{"job":"cloudtrail"},"values":[` + list(`["1777885200000000000",%]`, qa, qb) + `]},{"stream":{},"values":[["1",` + qc + `]]}]}`,
		"Loki, query":                        `{"status":"success","data":{"resultType":"streams","result":[{"stream":{"job":"cloudtrail"},"values":[` + list(`["1777885200000000000",%]`, qa, qb, qc) + `]}],"stats":{}}}`,
		"logcli, JSON lines":                 lines(`{"labels":{},"line":%,"timestamp":"2026-05-04T09:00:00Z"}`, qa, qb, qc),
		"Fluent Bit":                         lines(`{"date":1777885200.0,"log":%,"stream":"stdout"}`, quote(a+"\n"), qb, qc),
		"Graylog":                            lines(`{"message":{"_id":"x","full_message":%,"timestamp":"2026-05-04T09:00:00Z"}}`, qa, qb, qc),
		"CloudTrail Lake, eventJson":         `[` + list(`{"eventTime":"2026-05-04 09:00:00.000","eventName":"x","eventSource":"y","eventVersion":"1","eventJson":%}`, qa, qb, qc) + `]`,
		"CloudTrail Lake, get-query-results": `{"QueryStatus":"FINISHED","QueryStatistics":{"ResultsCount":3},"QueryResultRows":[` + list(`[{"eventTime":"2026-05-04 09:00:00.000"},{"eventName":"x"},{"eventJson":%}]`, qa, qb, qc) + `],"NextToken":"n"}`,
		"CloudTrail Lake, CSV":               csvOf(t, []string{"eventTime", "eventName", "eventJson"}, []string{"2026-05-04 09:00:00.000", "x", a}, []string{"t", "x", pretty(b)}, []string{"t", "", c}),
		"Athena, one column":                 csvOf(t, []string{"eventjson"}, []string{a}, []string{b}, []string{c}),
		"Athena, quoted header":              `"eventtime","record"` + "\n" + strings.ReplaceAll(csvOf(t, []string{"x", a}, []string{"x", b}, []string{"x", c}), "x,", `"x",`),
		"Athena, get-query-results":          `{"UpdateCount":0,"ResultSet":{"Rows":[{"Data":[{"VarCharValue":"eventjson"}]},` + list(`{"Data":[{"VarCharValue":%}]}`, qa, qb, qc) + `],"ResultSetMetadata":{"ColumnInfo":[{"Name":"eventjson"}]}}}`,
		"Splunk, CSV":                        csvOf(t, []string{"_time", "host", "_raw"}, []string{"x", "h", a}, []string{"x", "h", b}, []string{"x", "h", c}),
		"Excel's CSV":                        "\xef\xbb\xbf" + "Time;Message\r\n" + "x;" + `"` + strings.ReplaceAll(a, `"`, `""`) + "\"\r\nx;\"" + strings.ReplaceAll(b, `"`, `""`) + "\"\r\nx;\"" + strings.ReplaceAll(c, `"`, `""`) + "\"\r\n",
		"CloudTrailEvent, array of strings":  "[" + qa + ",\n" + qb + "," + qc + "]",
		"CloudTrailEvent, text output":       a + "\t" + b + "\t" + c,
		"CloudTrailEvent, strings in lines":  qa + "\n" + qb + "\n" + qc,
		"array of arrays":                    "[[" + a + "," + b + "],[" + c + "]]",
		"deep":                               `{"a":{"b":[{"c":{"d":[1,"x",null,{"e":` + a + `}]}}]},"f":[` + b + `],"g":` + qc + `}`,
		"zstd":                               zstdOf(t, a+b+c),
		"gzip in base64":                     base64Of(zip(t, a+b+c)) + "\n",
		"zstd in gzip":                       zip(t, zstdOf(t, a+b+c)),
		"gzip in zstd":                       zstdOf(t, zip(t, a+b+c)),
		"truncated wrapper of a list":        `{"hits":{"hits":[` + list(`{"_source":%}`, a, b, c) + `]}}`,
		"quoted three times":                 `{"Message":` + quote(`{"Message":`+quote(`{"Message":`+qa+`}`)+`}`) + `}` + b + c,
		"stringified log file":               lines(`{"body":%}`, quote(`{"Records":[`+a+","+b+`]}`), quote("["+c+"]")),
	}
	for name, log := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			for how, src := range map[string]io.Reader{"at once": strings.NewReader(log), "by byte": iotest.OneByteReader(strings.NewReader(log)), "gzipped": strings.NewReader(zip(t, log))} {
				got, stats := read(t, src, nil)
				if diff := cmp.Diff([]string{"0 A", "1 B", "2 C"}, got); diff != "" {
					t.Errorf("%s: entries (-want +got):\n%s", how, diff)
				}
				if stats.Records != 3 || stats.Passed != 3 || stats.Malformed != 0 {
					t.Errorf("%s: stats %+v", how, stats)
				}
			}
		})
	}
}

// TestReaderNotes holds that what is something else than records is named once,
// is nothing malformed, and hides no record beside it.
func TestReaderNotes(t *testing.T) {
	t.Parallel()
	a := rec("A")
	s3 := `{"eventVersion":"2.1","eventSource":"aws:s3","awsRegion":"us-east-1","eventTime":"2026-05-04T09:00:00.000Z","eventName":"ObjectCreated:Put","userIdentity":{"principalId":"AWS:AIDA"},"s3":{"bucket":{"name":"b"},"object":{"key":"k"}}}`
	athena := `{"eventversion":"1.08","useridentity":"{type=Root, principalid=1}","eventtime":"2026-05-04T09:00:00Z","eventsource":"signin.amazonaws.com","eventname":"ConsoleLogin","requestparameters":"null","responseelements":"{}"}`
	ecs := `{"@timestamp":"2026-05-04T09:00:00Z","event":{"action":"ConsoleLogin"},"aws":{"cloudtrail":{"event_version":"1.08"}}}`
	tests := []struct {
		name, log, form string
		records         bool // there may be some in it
		want            []string
	}{
		{"S3 notification", `{"Records":[` + s3 + "," + s3 + "," + a + `]}`, "S3 event notifications", false, []string{"0 A"}},
		{"S3 notification through SQS", `{"Messages":[{"Body":` + quote(`{"Records":[`+s3+`]}`) + `}]}` + a, "S3 event notifications", false, []string{"0 A"}},
		{"CloudTrail's notification", `{"Type":"Notification","Message":` + quote(`{"s3Bucket":"b","s3ObjectKey":["AWSLogs/x"]}`) + `}` + `{"s3Bucket":"b","s3ObjectKey":["k"]}` + a, "CloudTrail's notifications of log files", false, []string{"0 A"}},
		{"messages of another service", `{"Records":[{"eventID":"1","eventName":"INSERT","eventVersion":"1.1","eventSource":"aws:dynamodb","dynamodb":{}},` + a + `]}`, "messages of another AWS service", false, []string{"0 A"}},
		{"columns of CloudTrail Lake", `[{"eventName":"ConsoleLogin","eventSource":"x","userIdentity":"{type=Root, arn=x}"},` + a + `]`, "some columns of records", true, []string{"0 A"}},
		{"digest", `{"awsAccountId":"1","digestStartTime":"2026-05-04T08:00:00Z","digestS3Bucket":"b","logFiles":[{"s3Bucket":"b"}]}` + a, "a CloudTrail digest", false, []string{"0 A"}},
		{"Config", `{"fileVersion":"1.0","configSnapshotId":"x","configurationItems":[{"relatedEvents":[],"resourceType":"AWS::IAM::User"}]}` + a, "AWS Config's items", false, []string{"0 A"}},
		{"Athena's structs", athena + "\n" + athena + "\n" + a, "columns of an Athena query", true, []string{"0 A"}},
		{"CloudTrail Lake's columns", `{"QueryResultRows":[[{"eventName":"ConsoleLogin"},{"eventTime":"x"}],[{"eventName":"ConsoleLogin"},{"eventTime":"x"}]]}`, "some columns of records", true, nil},
		{"Elastic's fields", ecs + "\n" + ecs + "\n" + a, "fields of the Elastic Common Schema", true, []string{"0 A"}},
		{"OCSF", `{"metadata":{"product":{"name":"CloudTrail"}},"class_uid":3002,"actor":{"user":{"type":"Root"}},"api":{"operation":"ConsoleLogin"}}` + a, "OCSF events", true, []string{"0 A"}},
		{"event history as CSV", "User name,Event time,Event source,Event name\nroot,2026-05-04T09:00:00Z,signin.amazonaws.com,ConsoleLogin\n", "CSV of the console's Event history", true, nil},
		{"other CSV", "severity,title,account,region\nHIGH,x,1,y\n", "CSV without whole records", true, nil},
		{"Athena's structs as CSV", csvOf(t, []string{"eventversion", "useridentity", "eventtime", "eventsource", "eventname", "requestparameters", "responseelements"}, []string{"1.08", "{type=Root}", "t", "s", "n", "", ""}), "columns of an Athena query", true, nil},
		{"Parquet", "PAR1\x15\x04PAR1", "Apache Parquet", true, nil},
		{"gzipped Parquet", zip(t, "PAR1\x15\x04PAR1"), "Apache Parquet", true, nil},
		{"Avro", "Obj\x01\x04\x14avro.codec", "Apache Avro", true, nil},
		{"PDF", "%PDF-1.7\n", "PDF", true, nil},
		{"UTF-32", "{\x00\x00\x00\"\x00\x00\x00", "UTF-32", true, nil},
		{"S3 access log", `79a59df900b949e5 logs [04/May/2026:00:00:00 +0000] 10.0.0.1 arn:aws:iam::444455556666:user/x REQ0 REST.GET.OBJECT key "GET /k HTTP/1.1" 200` + "\n", "an S3 server access log", false, nil},
		{"ALB", `https 2026-05-04T09:00:00.186641Z app/my-lb/50dc6c495c0c9188 192.0.2.1:2817 10.0.0.1:80 0.086 0.048 0.037 200 200 0 57 "GET https://x:443/ HTTP/1.1"` + "\n", "Elastic Load Balancing", false, nil},
		{"ELB", `2026-05-04T09:00:00.186641Z my-lb 192.0.2.1:2817 10.0.0.1:80 0.000073 0.001048 0.000057 200 200 0 29 "GET http://x:80/ HTTP/1.1" "curl" - -` + "\n", "Elastic Load Balancing", false, nil},
		{"VPC flow logs", "version account-id interface-id srcaddr\n2 1 eni-1 192.0.2.1\n", "VPC flow logs", false, nil},
		{"error page", `<?xml version="1.0" encoding="UTF-8"?><Error><Code>AccessDenied</Code></Error>`, "XML", true, nil},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			r := NewReader(strings.NewReader(test.log), nil)
			var got, notes []string
			for {
				entry, err := r.Next()
				if err != nil {
					break
				}
				of, isNote := errors.AsType[*NotRead](entry.Err)
				switch {
				case entry.Record != nil:
					got = append(got, strconv.Itoa(entry.Index)+" "+entry.Record.EventName)
				case !isNote || !entry.Note || entry.Lost || entry.Index != -1:
					t.Errorf("entry %+v", entry)
				default:
					notes = append(notes, of.Error())
					if of.HoldsRecords() != test.records {
						t.Errorf("holds records: %v", of.HoldsRecords())
					}
				}
			}
			if diff := cmp.Diff(test.want, got); diff != "" {
				t.Errorf("records (-want +got):\n%s", diff)
			}
			if len(notes) != 1 || !strings.Contains(notes[0], test.form) {
				t.Errorf("notes %q, want one of %q", notes, test.form)
			}
			if stats := r.Stats(); stats.Malformed > 0 {
				t.Errorf("stats %+v", stats)
			}
		})
	}
}

// TestReaderWrapsHostile holds that what is broken in a wrapper is reported, and
// that what is packed is bounded.
func TestReaderWrapsHostile(t *testing.T) {
	t.Parallel()
	a, b := rec("A"), rec("B")
	tests := []struct {
		name, log string
		want      []string
	}{
		{"nothing in lists", `{"results":[{"x":1},{"x":2}],"data":["y"]}`, []string{"0 " + ErrNoRecord.Error() + " LOST"}},
		{"a token is no log", `{"token":"` + base64Of(`{"alg":"HS256","typ":"JWT"}`) + `"}` + a, []string{"0 " + ErrNoRecord.Error() + " LOST", "1 A"}},
		{"cut in a list of hits", `{"hits":{"hits":[{"_source":` + a + `},{"_source":` + b[:50], []string{"0 A", "1 truncated: the log ends inside this record LOST"}},
		{"broken in a list of hits", `{"hits":{"hits":[{"_source":` + a + `},{"_source":{"x":?}},{"_source":` + b + `}]}}`, []string{"0 A", "1 invalid JSON: unexpected '?' LOST", "2 B"}},
		{"broken in a string", `{"Message":` + quote(`{"eventVersion":"1.08","eventName":?}`) + `}` + a, []string{"0 invalid JSON: unexpected '?' LOST", "1 A"}},
		{"wrapped too deep", strings.Repeat(`{"a":`, maxLevels+2) + a + strings.Repeat("}", maxLevels+2) + b, []string{"0 " + ErrNoRecord.Error() + " LOST", "1 B"}},
		{"lists open without end", strings.Repeat(`{"data":[`, 10_000), []string{"0 nested deeper than 10000 LOST"}},
		{"compressed too often", zip(t, zip(t, zip(t, zip(t, a)))), []string{"-1 no record can be read: compressed more than 3 times over LOST"}},
		{"broken zstd", zstdOf(t, a)[:40], []string{"-1 no record can be read: unexpected EOF LOST"}},
		{"broken CSV", "eventjson\n\"" + strings.ReplaceAll(a, `"`, `""`) + "\"\n", []string{"0 A"}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			got, stats := read(t, strings.NewReader(test.log), nil)
			for k := range got {
				got[k] = position.ReplaceAllString(got[k], "")
			}
			if diff := cmp.Diff(test.want, got); diff != "" {
				t.Errorf("entries (-want +got):\n%s", diff)
			}
			if stats.Records != stats.Passed+stats.Held+stats.Malformed {
				t.Errorf("counts do not add up: %+v", stats)
			}
		})
	}
}

// TestReaderBombs holds that what unpacks to far more than it is is given up.
func TestReaderBombs(t *testing.T) {
	testenv.Soak(t)
	bomb := zip(t, `{"logEvents":[`+strings.Repeat(" ", maxUnzipped+firstBuffer)+`{"id":"1","message":`+quote(rec("A"))+"}]}")
	for _, test := range []struct {
		name, log string
		want      []string
	}{
		{"zstd", zstdOf(t, strings.Repeat(" ", maxUnpacked+(8<<20))), []string{"-1 no record can be read: it unpacks to more than 100 times its size LOST"}},
		{"in awslogs", awsLogs(bomb) + rec("B"), []string{"0 awslogs.data: no record can be read: it has more than 64 MiB LOST", "1 B"}},
	} {
		t.Run(test.name, func(t *testing.T) {
			wantEntries(t, test.log, test.want)
		})
	}
}

// TestSpan holds that the span of a log is that of all its records, and that
// none in the future moves it.
func TestSpan(t *testing.T) {
	t.Parallel()
	at := func(when string) string { return with(t, rec("B"), "2024-03-01T10:00:00Z", when) }
	none := func(Header) bool { return false }
	log := `{"Records":[` + at("2024-03-02T10:00:00Z") + "," + at("2024-03-01T10:00:00Z") + "," + at("2099-03-01T10:00:00Z") + `]}` +
		at("2024-03-05 10:00:00.000") + at("x") + `{"Message":` + quote(at("2024-03-07T10:00:00Z")) + "}" + with(t, at("2024-03-09T10:00:00Z"), `"eventType"`, `"eventCategory":"NetworkActivity","eventType"`)
	for _, filter := range []Filter{nil, none} {
		r := NewReader(strings.NewReader(log), filter)
		r.NoneAfter(time.Date(2024, 4, 1, 0, 0, 0, 0, time.UTC))
		for {
			if _, err := r.Next(); err != nil {
				break
			}
		}
		first, last, future, ahead := r.Span()
		got := []string{first.Format(time.DateOnly), last.Format(time.DateOnly), strconv.FormatInt(future, 10), ahead.Format(time.DateOnly)}
		if diff := cmp.Diff([]string{"2024-03-01", "2024-03-09", "1", "2099-03-01"}, got); diff != "" {
			t.Errorf("span (-want +got):\n%s", diff)
		}
		if diff := cmp.Diff([]string{"123456789012"}, r.Accounts()); diff != "" {
			t.Errorf("accounts (-want +got):\n%s", diff)
		}
		if diff := cmp.Diff(map[string][]string{"123456789012": {"us-east-1"}}, r.Regions()); diff != "" {
			t.Errorf("Regions (-want +got):\n%s", diff)
		}
		if stats := r.Stats(); stats.NetworkActivity != 1 || stats.Records != 7 {
			t.Errorf("stats %+v", stats)
		}
	}
}

// TestRegions holds that the Regions of a log are those of all its records by account,
// those that are held back and those in a log inside it included, and nothing else.
func TestRegions(t *testing.T) {
	t.Parallel()
	of := func(account, region string) string {
		return fmt.Sprintf(`{"eventSource":"ec2.amazonaws.com","eventName":"RunInstances","eventID":"e","recipientAccountId":%q,"awsRegion":%q}`, account, region)
	}
	log := `{"Records":[` + strings.Join([]string{
		of("111111111111", "us-east-1"), of("222222222222", "us-east-1"), of("111111111111", "eu-west-1"), of("111111111111", "us-gov-west-1"),
		of("111111111111", "us-isob-east-1"), of("111111111111", "us-east-1"), of("222222222222", "<b>-1"), of("222222222222", "us-east-1a"),
		of("222222222222", "-east-1"), of("222222222222", "a-very-long-region-1"), of("333333333333", ""), of("no account", "us-west-2"),
	}, ",") + `]}` + `{"Message":` + quote(of("222222222222", "sa-east-1")) + `}`
	r := NewReader(strings.NewReader(log), func(Header) bool { return false })
	for {
		if _, err := r.Next(); err != nil {
			break
		}
	}
	got := r.Regions()
	for _, regions := range got {
		slices.Sort(regions)
	}
	want := map[string][]string{
		"111111111111": {"eu-west-1", "us-east-1", "us-gov-west-1", "us-isob-east-1"}, "222222222222": {"sa-east-1", "us-east-1"}, "333333333333": nil,
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("Regions (-want +got):\n%s", diff)
	}

	var many strings.Builder
	for i := range 2 * maxRegions {
		many.WriteString(of("111111111111", fmt.Sprintf("x%c-%c-1", 'a'+i/26, 'a'+i%26)))
	}
	r.Reset(strings.NewReader(many.String()))
	for {
		if _, err := r.Next(); err != nil {
			break
		}
	}
	if n := len(r.Regions()["111111111111"]); n != maxRegions {
		t.Errorf("of many Regions %d are kept, want %d", n, maxRegions)
	}
}

// TestReaderWrapsMemory holds that what is live does not grow with a log, whatever
// wraps its records.
func TestReaderWrapsMemory(t *testing.T) {
	a := rec("A")
	pad := strings.Replace(a, `"eventVersion"`, `"x":"`+strings.Repeat("x", 2000)+`","eventVersion"`, 1)
	q := quote(pad)
	for name, form := range map[string][3]string{
		"SQS":               {`{"Messages":[`, `{"MessageId":"m","Body":` + q + `},`, `{"Body":` + q + `}]}`},
		"Logs Insights":     {`{"results":[`, `[{"field":"@message","value":` + q + `}],`, `[{"field":"@message","value":` + q + `}]]}`},
		"Elastic, hits":     {`{"took":1,"hits":{"hits":[`, `{"_source":{"event":{"original":` + q + `}}},`, `{"_source":` + pad + `}]}}`},
		"Elastic, lines":    {"", `{"message":` + q + "}\n", ""},
		"Loki":              {`{"streams":[{"values":[`, `["1",` + q + `],`, `["1",` + q + `]]}]}`},
		"CloudTrail Lake":   {`{"QueryResultRows":[`, `[{"eventJson":` + q + `}],`, `[{"eventJson":` + q + `}]]}`},
		"array of strings":  {"[", q + ",", q + "]"},
		"CSV":               {"eventid,eventjson\n", csvOf(t, []string{"e", pad}), ""},
		"exported lines":    {"", "2026-05-04T09:00:00.000Z " + pad + "\n", ""},
		"one line, no list": {"", pad, ""},
	} {
		t.Run(name, func(t *testing.T) {
			step := testenv.Size(1000, 250) // records, of more than 2,000 bytes each
			n := step * testenv.Size(6, 2)
			read := 0
			r := NewReader(repeated(form[0], form[1], n, form[2]), func(Header) bool { read++; return read%step == 0 })
			var first, m runtime.MemStats
			for seen := 0; ; seen++ {
				entry, err := r.Next()
				if errors.Is(err, io.EOF) {
					if seen < n/step {
						t.Errorf("%d records passed, want %d", seen, n/step)
					}
					return
				}
				if err != nil || entry.Record == nil {
					t.Fatalf("entry %+v, %v", entry, err)
				}
				runtime.GC()
				runtime.ReadMemStats(&m)
				if seen == 0 {
					first = m
				}
				if grown := int64(m.HeapAlloc) - int64(first.HeapAlloc); grown > int64(step)*2000 {
					t.Fatalf("%d bytes more are live after %d records than after %d", grown, read, step)
				}
			}
		})
	}
}
