package alert

import (
	"encoding/json"
	"fmt"
	"maps"
	"net/netip"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"
	"unicode/utf16"
	"unicode/utf8"

	"rootguard/internal/cloudtrail"
	"rootguard/internal/detect"
)

var (
	hub       = Hub{Partition: "aws", Region: "us-east-1", Account: "999999999999"}
	published = at("2026-04-01T00:00:00Z")
)

// rules are what a document must keep, by path; "[]" is each item of a list.
type rules map[string]func(v any) string

// text is a safe text of 1 to most characters, with something to see.
func text(most int) func(any) string { return counted(most, utf8.RuneCountInString) }

// limited is a text with a limit of AWS's, however AWS may count.
func limited(most int) func(any) string {
	return counted(most, func(s string) int { return len(utf16.Encode([]rune(s))) })
}

func counted(most int, count func(string) int) func(any) string {
	return func(v any) string {
		s, ok := v.(string)
		if n := count(s); !ok || strings.TrimSpace(s) == "" || n > most || unsafeAt(s) >= 0 {
			return fmt.Sprintf("want a text of 1 to %d safe characters", most)
		}
		return ""
	}
}

func one(of ...any) func(any) string {
	return func(v any) string {
		if !slices.Contains(of, v) {
			return fmt.Sprintf("want one of %v", of)
		}
		return ""
	}
}

func matching(pattern string) func(any) string {
	exp := regexp.MustCompile("^(" + pattern + ")$")
	return func(v any) string {
		if s, ok := v.(string); !ok || !exp.MatchString(s) {
			return "want " + pattern
		}
		return ""
	}
}

func whole(least, most float64) func(any) string {
	return func(v any) string {
		if n, ok := v.(float64); !ok || n != float64(int64(n)) || n < least || n > most {
			return fmt.Sprintf("want a whole number from %v to %v", least, most)
		}
		return ""
	}
}

// object and items say how many there may be.
func object(least, most int) func(any) string {
	return func(v any) string {
		if m, ok := v.(map[string]any); !ok || len(m) < least || len(m) > most {
			return fmt.Sprintf("want an object of %d to %d", least, most)
		}
		return ""
	}
}

func items(least, most int) func(any) string {
	return func(v any) string {
		if l, ok := v.([]any); !ok || len(l) < least || len(l) > most {
			return fmt.Sprintf("want a list of %d to %d", least, most)
		}
		return ""
	}
}

var isoTime = matching(`[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}\.[0-9]{3}Z`)

func ip(four bool) func(any) string {
	return func(v any) string {
		s, _ := v.(string)
		if a, err := netip.ParseAddr(s); err != nil || a.Is4() != four {
			return "want an IP address"
		}
		return ""
	}
}

// asffRules are the AWS Security Hub API Reference's: AwsSecurityFinding and the types below it.
var asffRules = rules{
	"SchemaVersion": one("2018-10-08"), "Id": limited(512), "GeneratorId": limited(512), "AwsAccountId": matching("[0-9]{12}"),
	"ProductArn": matching(`arn:(aws|aws-cn|aws-us-gov):securityhub:[a-z0-9-]+:[0-9]{12}:product/[0-9]{12}/default`),
	"CreatedAt":  isoTime, "UpdatedAt": isoTime, "FirstObservedAt": isoTime, "LastObservedAt": isoTime,
	"Title": limited(256), "Description": limited(1024), "ProductName": limited(128), "CompanyName": limited(128),
	"Severity": object(3, 3), "Severity.Label": one("INFORMATIONAL", "LOW", "MEDIUM", "HIGH", "CRITICAL"), "Severity.Normalized": whole(0, 100), "Severity.Original": limited(64),
	"Types":                 items(1, 50),
	"Types[]":               matching(`(Software and Configuration Checks|TTPs|Effects|Unusual Behaviors|Sensitive Data Identifications)(/[^/]+){0,2}`),
	"FindingProviderFields": object(2, 2), "FindingProviderFields.Severity": object(2, 2), "FindingProviderFields.Severity.Label": one("INFORMATIONAL", "LOW", "MEDIUM", "HIGH", "CRITICAL"),
	"FindingProviderFields.Severity.Original": limited(64), "FindingProviderFields.Types": items(1, 50), "FindingProviderFields.Types[]": limited(256),
	"Resources": items(1, 32), "Resources[]": object(3, 5), "Resources[].Type": limited(256), "Resources[].Id": limited(512), "Resources[].Partition": one("aws", "aws-cn", "aws-us-gov"), "Resources[].Region": limited(16),
	"Resources[].Details": object(1, 1), "Resources[].Details.AwsIamUser": object(1, 2), "Resources[].Details.AwsIamUser.UserName": text(128), "Resources[].Details.AwsIamUser.UserId": text(128),
	"Remediation": object(1, 1), "Remediation.Recommendation": object(1, 1), "Remediation.Recommendation.Text": limited(512),
	"ProductFields": object(0, 50), "ProductFields{}": limited(2048),
	"Action": object(2, 2), "Action.ActionType": one("AWS_API_CALL"), "Action.AwsApiCallAction": object(1, 7),
	"Action.AwsApiCallAction.Api": limited(128), "Action.AwsApiCallAction.ServiceName": limited(128), "Action.AwsApiCallAction.CallerType": one("remoteIp", "domain"),
	"Action.AwsApiCallAction.RemoteIpDetails": object(1, 1), "Action.AwsApiCallAction.RemoteIpDetails.IpAddressV4": ip(true),
	"Action.AwsApiCallAction.DomainDetails": object(1, 1), "Action.AwsApiCallAction.DomainDetails.Domain": limited(128),
	"Action.AwsApiCallAction.FirstSeen": isoTime, "Action.AwsApiCallAction.LastSeen": isoTime,
	"Network": object(2, 2), "Network.Direction": one("IN"), "Network.SourceIpV4": ip(true), "Network.SourceIpV6": ip(false),
	"RecordState": one("ACTIVE", "ARCHIVED"), "Workflow": object(1, 1), "Workflow.Status": one("NEW", "RESOLVED"),
}

var asffRequired = []string{"SchemaVersion", "Id", "ProductArn", "GeneratorId", "AwsAccountId", "CreatedAt", "UpdatedAt", "Title", "Description", "Severity", "Types", "Resources",
	"Resources[].Type", "Resources[].Id", "FindingProviderFields", "RecordState", "Workflow"}

const anything = 1 << 20

// ocsfRules are the OCSF Schema's, version 1.3.0: class Detection Finding, profile cloud, and the objects in it.
var ocsfRules = rules{
	"activity_id": one(1.0, 2.0, 3.0), "activity_name": one("Create", "Update", "Close"), "category_uid": one(2.0), "category_name": one("Findings"),
	"class_uid": one(2004.0), "class_name": one("Detection Finding"), "type_uid": one(200401.0, 200402.0, 200403.0), "type_name": matching("Detection Finding: (Create|Update|Close)"),
	"severity_id": one(0.0, 1.0, 2.0, 3.0, 4.0, 5.0), "severity": one("Unknown", "Informational", "Low", "Medium", "High", "Critical"),
	"status_id": one(1.0, 4.0), "status": one("New", "Resolved"), "message": text(anything),
	"time": whole(-1e15, 1e15), "start_time": whole(-1e15, 1e15), "end_time": whole(-1e15, 1e15), "count": whole(1, 1<<62),
	"metadata": object(4, 5), "metadata.correlation_uid": text(64), "metadata.version": one("1.3.0"), "metadata.uid": nil, "metadata.product": object(2, 2), "metadata.product.name": one("rootguard"), "metadata.product.vendor_name": one("rootguard"),
	"metadata.profiles": items(1, 1), "metadata.profiles[]": one("cloud"),
	"finding_info": object(5, 10), "finding_info.uid": text(512), "finding_info.title": text(anything), "finding_info.desc": text(anything), "finding_info.types": items(1, 50), "finding_info.types[]": text(256),
	"finding_info.analytic": object(4, 4), "finding_info.analytic.type_id": one(1.0), "finding_info.analytic.type": one("Rule"), "finding_info.analytic.uid": nil, "finding_info.analytic.name": nil,
	"finding_info.created_time": whole(-1e15, 1e15), "finding_info.first_seen_time": whole(-1e15, 1e15), "finding_info.last_seen_time": whole(-1e15, 1e15),
	"finding_info.attacks": items(1, 10), "finding_info.attacks[]": object(1, 3), "finding_info.attacks[].technique": object(1, 2), "finding_info.attacks[].technique.uid": nil, "finding_info.attacks[].technique.name": text(100),
	"finding_info.attacks[].sub_technique": object(1, 2), "finding_info.attacks[].sub_technique.uid": text(40), "finding_info.attacks[].sub_technique.name": text(100),
	"finding_info.attacks[].tactic": object(2, 2), "finding_info.attacks[].tactic.uid": matching("TA[0-9]{4}"), "finding_info.attacks[].tactic.name": text(100),
	"finding_info.related_events": items(1, 1), "finding_info.related_events[]": object(2, 2), "finding_info.related_events[].uid": text(256), "finding_info.related_events[].type": one("CloudTrail"),
	"cloud": object(2, 3), "cloud.provider": one("AWS"), "cloud.region": text(64), "cloud.account": object(3, 4), "cloud.account.uid": text(20), "cloud.account.name": text(256), "cloud.account.type_id": one(10.0), "cloud.account.type": one("AWS Account"),
	"evidences": items(1, 1), "evidences[]": object(1, 4), "evidences[].actor": object(1, 2), "evidences[].actor.user": object(3, 7),
	"evidences[].actor.user.name": text(80), "evidences[].actor.user.uid": text(256), "evidences[].actor.user.uid_alt": text(768), "evidences[].actor.user.credential_uid": text(256),
	"evidences[].actor.user.type_id": one(0.0, 1.0, 2.0, 3.0), "evidences[].actor.user.type": one("Unknown", "User", "Admin", "System"),
	"evidences[].actor.user.account": object(3, 3), "evidences[].actor.user.account.uid": text(768), "evidences[].actor.user.account.type_id": one(10.0), "evidences[].actor.user.account.type": one("AWS Account"),
	"evidences[].actor.session": object(1, 2), "evidences[].actor.session.uid": text(768), "evidences[].actor.session.is_mfa": one(true, false),
	"evidences[].src_endpoint": object(1, 1), "evidences[].src_endpoint.ip": func(v any) string {
		if _, err := netip.ParseAddr(v.(string)); err != nil {
			return "want an IP address"
		}
		return ""
	}, "evidences[].src_endpoint.svc_name": text(128), "evidences[].data": object(1, 1), "evidences[].data.user_agent": text(1024),
	"resources": items(1, 3), "resources[]": object(3, 5), "resources[].uid": text(512), "resources[].name": text(256), "resources[].type": one("AWS::::Account", "AWS::IAM::User", "Other"),
	"resources[].region": text(64), "resources[].cloud_partition": one("aws", "aws-cn", "aws-us-gov"),
	"remediation": object(1, 1), "remediation.desc": text(anything),
	"observables": items(1, 10), "observables[]": object(4, 4), "observables[].name": text(100), "observables[].value": text(512), "observables[].type_id": one(2.0, 4.0, 10.0), "observables[].type": one("IP Address", "User Name", "Resource UID"),
	"unmapped": object(2, 10), "unmapped.announced_by": text(256), "unmapped.announced_reason": text(1536), "unmapped.kind": nil, "unmapped.mfa": one("yes", "no", "unknown"), "unmapped.also": items(1, 10), "unmapped.also[]": nil, "unmapped.cis": items(1, 10), "unmapped.cis[]": nil,
	"unmapped.deadline": nil, "unmapped.actions": items(1, 50), "unmapped.actions[]": object(2, 3), "unmapped.actions[].name": nil, "unmapped.actions[].target": text(256), "unmapped.actions[].count": nil, "unmapped.actions_omitted": nil, "unmapped.late": one(true),
}

var ocsfRequired = []string{"activity_id", "category_uid", "class_uid", "type_uid", "severity_id", "status_id", "time", "message", "metadata", "metadata.version", "metadata.product", "metadata.product.vendor_name",
	"finding_info", "finding_info.title", "finding_info.uid", "finding_info.analytic.type_id", "cloud", "cloud.provider", "cloud.account", "resources"}

// ocsfCall are the rules of the object api, which is in two places.
func ocsfCall() rules {
	all := rules{}
	for _, path := range []string{"api", "evidences[].api"} {
		maps.Copy(all, rules{
			path: object(1, 4), path + ".operation": text(256), path + ".service": object(1, 1), path + ".service.name": text(256),
			path + ".request": object(1, 1), path + ".request.uid": text(256), path + ".response": object(1, 1), path + ".response.error": text(256),
		})
	}
	return all
}

// conforms holds a document against rules: everything in it has one, and what is required is there.
func conforms(tb testing.TB, body []byte, known rules, required []string) map[string]any {
	tb.Helper()
	const most = 240_000
	if len(body) > most || strings.Contains(string(body), "\n") {
		tb.Errorf("a document of %d bytes, want one line of at most %d", len(body), most)
	}
	var doc map[string]any
	if err := json.Unmarshal(body, &doc); err != nil {
		tb.Fatalf("reading the document: %v\n%s", err, body)
	}
	seen := map[string]bool{}
	var visit func(path string, v any)
	visit = func(path string, v any) {
		seen[path] = true
		rule, ok := known[path]
		if !ok {
			tb.Errorf("%s is no part of the format", path)
		} else if rule != nil {
			if problem := rule(v); problem != "" {
				tb.Errorf("%s is %.300v: %s", path, v, problem)
			}
		}
		switch v := v.(type) {
		case map[string]any:
			for key, value := range v {
				if known[path+"{}"] != nil {
					if len(key) > 128 || !strings.HasPrefix(key, "rootguard/") {
						tb.Errorf("%s has the key %q", path, key)
					}
					visit(path+"{}", value)
					continue
				}
				visit(path+"."+key, value)
			}
		case []any:
			for _, value := range v {
				visit(path+"[]", value)
			}
		}
	}
	for key, value := range doc {
		visit(key, value)
	}
	for _, path := range required {
		if !seen[path] {
			tb.Errorf("%s is missing in %.500s", path, body)
		}
	}
	return doc
}

func checkOCSF(tb testing.TB, a Alert) {
	tb.Helper()
	body, err := OCSF(a)
	if err != nil {
		tb.Fatalf("OCSF: %v", err)
	}
	all := ocsfCall()
	maps.Copy(all, ocsfRules)
	doc := conforms(tb, body, all, ocsfRequired)
	if doc["type_uid"] != doc["class_uid"].(float64)*100+doc["activity_id"].(float64) {
		tb.Errorf("type_uid is %v of activity %v", doc["type_uid"], doc["activity_id"])
	}
	if (doc["activity_id"] == 3.0) != (doc["status_id"] == 4.0) {
		tb.Errorf("activity %v with status %v", doc["activity_id"], doc["status_id"])
	}

	// By version 1.6 it has one attribute more, the access key is elsewhere, and it is
	// otherwise the same.
	if body, err = OCSF16(a); err != nil {
		tb.Fatalf("OCSF16: %v", err)
	}
	all["metadata.version"], all["is_alert"] = one("1.6.0"), one(true, false)
	const user = "evidences[].actor.user."
	delete(all, user+"credential_uid")
	maps.Copy(all, rules{user + "programmatic_credentials": items(1, 1), user + "programmatic_credentials[]": object(2, 2), user + "programmatic_credentials[].uid": text(256), user + "programmatic_credentials[].type": one("AWS Access Key")})
	later := conforms(tb, body, all, append(slices.Clone(ocsfRequired), "is_alert"))
	if later["is_alert"] != (later["activity_id"] != 3.0) {
		tb.Errorf("activity %v with is_alert %v", later["activity_id"], later["is_alert"])
	}
	delete(later, "is_alert")
	if seen, ok := later["evidences"].([]any); ok {
		for _, e := range seen {
			user := e.(map[string]any)["actor"].(map[string]any)["user"].(map[string]any)
			if keys, ok := user["programmatic_credentials"].([]any); ok {
				user["credential_uid"] = keys[0].(map[string]any)["uid"]
				delete(user, "programmatic_credentials")
			}
		}
	}
	later["metadata"].(map[string]any)["version"] = "1.3.0"
	if !reflect.DeepEqual(doc, later) {
		tb.Errorf("the two versions differ:\n%v\n%v", doc, later)
	}
}

func checkASFF(tb testing.TB, a Alert) {
	tb.Helper()
	for _, h := range []Hub{hub, {}} {
		body, err := ASFF(a, h, published)
		if err != nil {
			tb.Fatalf("ASFF: %v", err)
		}
		doc := conforms(tb, body, asffRules, asffRequired)
		if want := ":" + doc["AwsAccountId"].(string) + ":product/" + doc["AwsAccountId"].(string) + "/"; !strings.Contains(doc["ProductArn"].(string), want) {
			tb.Errorf("account %v with the product %v", doc["AwsAccountId"], doc["ProductArn"])
		}
		if h != (Hub{}) && doc["AwsAccountId"] != h.Account {
			tb.Errorf("the finding is account %v's, not the hub's", doc["AwsAccountId"])
		}
		if at, _ := doc["CreatedAt"].(string); at > doc["UpdatedAt"].(string) {
			tb.Errorf("created at %v, updated at %v", doc["CreatedAt"], doc["UpdatedAt"])
		}
		if (doc["RecordState"] == "ARCHIVED") != (doc["Workflow"].(map[string]any)["Status"] == "RESOLVED") {
			tb.Errorf("%v with %v", doc["RecordState"], doc["Workflow"])
		}
	}
}

// TestConforms holds that the tests above would notice.
func TestConforms(t *testing.T) {
	body, err := ASFF(samples()["user_created"], hub, published)
	if err != nil {
		t.Fatal(err)
	}
	for _, change := range []struct{ name, from, to string }{
		{"a label that does not exist", `"Label":"INFORMATIONAL"`, `"Label":"INFO"`},
		{"a title too long", `"Title":"`, `"Title":"` + strings.Repeat("x", 250)},
		{"an unknown field", `"Title":`, `"Headline":"x","Title":`},
		{"a required field missing", `"GeneratorId":"rootguard/user.created",`, ``},
		{"a time of another form", `"CreatedAt":"2026-03-01T09:15:00.000Z"`, `"CreatedAt":"2026-03-01"`},
		{"no resource", `"Resources":[`, `"Resources":[],"_":[`},
		{"an empty text", `"SourceIpV4":"203.0.113.20"`, `"SourceIpV4":""`},
	} {
		bad := strings.Replace(string(body), change.from, change.to, 1)
		probe := &noticing{TB: t}
		if conforms(probe, []byte(bad), asffRules, asffRequired); bad == string(body) || !probe.failed {
			t.Errorf("%s goes unnoticed", change.name)
		}
	}
}

// noticing takes errors without failing.
type noticing struct {
	testing.TB
	failed bool
}

func (n *noticing) Errorf(string, ...any) { n.failed = true }

func document(t *testing.T, a Alert) (ocsf ocsfFinding, asff asffFinding) {
	t.Helper()
	for _, one := range []struct {
		to     any
		render func() ([]byte, error)
	}{{&ocsf, func() ([]byte, error) { return OCSF(a) }}, {&asff, func() ([]byte, error) { return ASFF(a, hub, published) }}} {
		body, err := one.render()
		if err != nil {
			t.Fatal(err)
		}
		if err := json.Unmarshal(body, one.to); err != nil {
			t.Fatal(err)
		}
	}
	checkOCSF(t, a)
	checkASFF(t, a)
	return ocsf, asff
}

// TestOneFinding holds that all reports of one finding have one ID, and those of
// another have another.
func TestOneFinding(t *testing.T) {
	deadline := at("2026-03-02T09:15:00Z")
	missing := detect.MFAMissing("210987654321", detect.Target{UserName: "bob", UserID: "AIDABOB"}, deadline.Add(-24*time.Hour), deadline, "")
	other := detect.MFAMissing("210987654321", detect.Target{UserName: "eve", UserID: "AIDAEVE"}, deadline.Add(-24*time.Hour), deadline, "")
	root := samples()["root_activity_roll_up"].Finding
	alert := func(id string, kind Kind, f detect.Finding) Alert {
		a := Alert{Schema: Schema, ID: id, Kind: kind, Finding: f}
		if kind == RollUp {
			a.Count, a.FirstTime, a.LastTime = 3, f.EventTime.Add(time.Minute), f.EventTime.Add(2*time.Minute)
		}
		return a
	}
	const cycle = "2026-03-05T09:20:00Z"
	marked := at(cycle)
	quarantined := func(stage detect.QuarantineStage, cycle string, after time.Duration) detect.Finding {
		return detect.Quarantined("210987654321", detect.Target{UserName: "bob", UserID: "AIDABOB"}, deadline, stage, cycle, marked.Add(after), marked.Add(24*time.Hour))
	}
	released := detect.Released("210987654321", detect.Target{UserName: "bob", UserID: "AIDABOB"}, cycle, true, cloudtrail.Yes, "", "The user has MFA", marked.Add(48*time.Hour))
	of := map[string]string{}
	for _, tt := range []struct {
		finding, activity, state string
		a                        Alert
	}{
		{"bob", "Create", "ACTIVE", alert("1", First, missing)},
		{"bob", "Update", "ACTIVE", alert("2", First, detect.MFAReminder(missing, 1, 3, deadline.Add(time.Hour)))},
		{"bob", "Update", "ACTIVE", alert("3", First, detect.MFAReminder(missing, 3, 3, deadline.Add(72*time.Hour)))},
		{"bob", "Close", "ARCHIVED", alert("4", First, detect.MFAClosed(missing, cloudtrail.Yes, "the user has MFA", deadline.Add(80*time.Hour)))},
		{"eve", "Create", "ACTIVE", alert("5", First, other)},
		{"reminders of several", "Create", "ACTIVE", alert("6", RollUp, detect.MFAReminder(missing, 1, 3, deadline.Add(time.Hour)))},
		{"closings of several", "Close", "ARCHIVED", alert("7", RollUp, detect.MFAClosed(missing, cloudtrail.Yes, "", deadline.Add(time.Hour)))},
		{"root", "Create", "ACTIVE", alert("8", First, root)},
		{"root", "Update", "ACTIVE", alert("9", RollUp, root)},
		{"root", "Update", "ACTIVE", alert("10", RollUp, root)},
		{"quarantine", "Create", "ACTIVE", alert("11", First, quarantined(detect.QuarantineAnnounced, cycle, 0))},
		{"quarantine", "Update", "ACTIVE", alert("12", First, quarantined(detect.QuarantineDone, cycle, 24*time.Hour))},
		{"quarantine", "Close", "ARCHIVED", alert("13", First, released)},
		{"another quarantine", "Create", "ACTIVE", alert("14", First, quarantined(detect.QuarantineAnnounced, "2026-04-05T09:20:00Z", 0))},
		{"quarantines of several", "Create", "ACTIVE", alert("15", RollUp, quarantined(detect.QuarantineDone, cycle, 24*time.Hour))},
	} {
		ocsf, asff := document(t, tt.a)
		if ocsf.FindingInfo.UID != asff.ID || ocsf.ActivityName != tt.activity || asff.RecordState != tt.state || ocsf.Metadata.UID != tt.a.ID {
			t.Errorf("alert %s: %s %s %s, %s", tt.a.ID, asff.ID, ocsf.ActivityName, asff.RecordState, ocsf.Metadata.UID)
		}
		if was, ok := of[tt.finding]; ok && was != asff.ID {
			t.Errorf("alert %s is about %s, not %s", tt.a.ID, asff.ID, was)
		}
		of[tt.finding] = asff.ID
		if tt.finding == "bob" && (asff.CreatedAt != "2026-03-02T09:15:00.000Z" || asff.FirstObservedAt != asff.CreatedAt) {
			t.Errorf("alert %s: created %s, first observed %s", tt.a.ID, asff.CreatedAt, asff.FirstObservedAt)
		}
	}
	ids := slices.Collect(maps.Values(of))
	slices.Sort(ids)
	if len(slices.Compact(ids)) != len(of) {
		t.Errorf("findings share an ID: %v", of)
	}
}

// TestListedIsTheSameFinding holds that what a summary lists is about the same subject as
// the finding, also where that was opened when the user's ID was not known or the
// deadline was another, and that this takes no place in a summary else.
func TestListedIsTheSameFinding(t *testing.T) {
	const account = "123456789012"
	due, was := at("2026-03-02T12:00:00Z"), at("2026-03-02T14:00:00Z")
	missing := func(known bool) detect.Finding {
		f := detect.MFAMissing(account, detect.Target{UserName: "eve", UserID: "AIDAEVE"}, due.Add(-24*time.Hour), due, "")
		if known {
			f.OpenedAs("user.mfa.missing/"+account+"/eve/"+was.Format(time.RFC3339), was)
		}
		return f
	}
	for _, known := range []bool{true, false} {
		for name, f := range map[string]detect.Finding{
			"overdue": missing(known), "reminder": detect.MFAReminder(missing(known), 1, 3, due.Add(time.Hour)),
			"resolved": detect.MFAClosed(missing(known), cloudtrail.Yes, "the user has MFA", due.Add(time.Hour)),
		} {
			it := ItemOf(&f, nil)
			body, err := json.Marshal(it)
			if err != nil || strings.Contains(string(body), "subject") != known {
				t.Errorf("%s: %s, %v", name, body, err)
			}
			sum := Alert{ID: "s", Kind: Summarized, Finding: detect.Summed("x", []detect.Finding{f, f}),
				Summary: &Summary{AccountCount: 1, FindingCount: 1, Accounts: []SummaryAccount{{Account: account, Findings: []SummaryItem{it}}}}}
			if got := Each(sum)[0].Finding.Subject; got != f.Subject {
				t.Errorf("%s: about %+v, want %+v", name, got, f.Subject)
			}
		}
	}
}

func TestExportFields(t *testing.T) {
	base := samples()
	with := func(name string, change func(*Alert)) Alert {
		a := base[name]
		change(&a)
		return a
	}
	ocsf, asff := document(t, with("root_signin_no_mfa", func(a *Alert) { a.Finding.SourceIP = "2001:db8::1" }))
	if asff.Network == nil || asff.Network.SourceIPV6 != "2001:db8::1" || asff.Network.SourceIPV4 != "" || asff.Action.AwsAPICallAction.CallerType != "" {
		t.Errorf("IPv6: %+v %+v", asff.Network, asff.Action)
	}
	if ocsf.Evidences[0].Actor.User.Type != "Admin" || *ocsf.Evidences[0].Actor.Session.IsMFA || ocsf.SeverityID != 5 || asff.Severity.Label != "CRITICAL" || asff.Severity.Normalized != 90 {
		t.Errorf("root without MFA: %+v %+v", ocsf.Evidences[0].Actor, asff.Severity)
	}
	if a := ocsf.FindingInfo.Attacks[0]; a.Technique.UID != "T1078" || a.SubTechnique.UID != "T1078.004" || a.Tactic.UID != "TA0001" || !slices.Equal(asff.Types, []string{"TTPs/Initial Access"}) {
		t.Errorf("ATT&CK: %+v, %v", a, asff.Types)
	}
	ocsf, asff = document(t, with("user_created", func(a *Alert) { a.Finding.SourceIP = "cloudformation.amazonaws.com" }))
	if asff.Network != nil || asff.Action.AwsAPICallAction.DomainDetails.Domain != "cloudformation.amazonaws.com" || ocsf.Evidences[0].SrcEndpoint.SvcName == "" || ocsf.Evidences[0].SrcEndpoint.IP != "" {
		t.Errorf("a service: %+v %+v", asff.Action, ocsf.Evidences[0].SrcEndpoint)
	}
	if len(asff.Resources) != 2 || asff.Resources[1].ID != "arn:aws:iam::210987654321:user/bob" || asff.AWSAccountID != hub.Account || asff.Resources[0].ID != "AWS::::Account:210987654321" {
		t.Errorf("resources of another account: %+v", asff.Resources)
	}
	_, asff = document(t, with("user_created", func(a *Alert) { a.Finding.Region = "us-gov-west-1" }))
	if asff.Resources[1].ID != "arn:aws-us-gov:iam::210987654321:user/bob" || asff.Resources[1].Partition != "aws-us-gov" {
		t.Errorf("GovCloud: %+v", asff.Resources)
	}
	if _, asff = document(t, base["guard_tampered"]); asff.Resources[1].Type != "AwsCloudTrailTrail" {
		t.Errorf("a trail: %+v", asff.Resources)
	}
	if _, asff = document(t, base["user_mfa_missing"]); asff.Action != nil || asff.Network != nil || !slices.Equal(asff.Types, []string{bestPractices}) {
		t.Errorf("no call was made: %+v", asff)
	}
	_, asff = document(t, with("user_created", func(a *Alert) {
		a.Kind, a.Count = RollUp, 100
		for i := range 100 {
			a.Actions = append(a.Actions, Action{"iam:CreateUser", fmt.Sprintf("user-%d", i), 1})
		}
	}))
	if len(asff.Resources) != 32 || asff.Resources[31].ID != "arn:aws:iam::210987654321:user/user-29" {
		t.Errorf("%d resources, the last %+v", len(asff.Resources), asff.Resources[len(asff.Resources)-1])
	}
	_, asff = document(t, with("user_created", func(a *Alert) { a.Finding.EventTime = time.Time{} }))
	if asff.CreatedAt != asff.UpdatedAt {
		t.Errorf("without a time: created %s, updated %s", asff.CreatedAt, asff.UpdatedAt)
	}
	if body, err := ASFF(base["user_created"], Hub{}, published); err != nil || !strings.Contains(string(body), "arn:aws:securityhub:us-east-1:210987654321:product/210987654321/default") {
		t.Errorf("without a hub: %v %s", err, body)
	}
}

// TestTechniques holds that each of the catalogue's is known, with what it is part of.
func TestTechniques(t *testing.T) {
	for _, e := range detect.Catalogue() {
		for _, id := range e.ATTACK {
			base, _, _ := strings.Cut(id, ".")
			if techniques[id].name == "" || techniques[base].name == "" || tactics[techniques[id].tactic] == "" {
				t.Errorf("%s: name technique %s and its tactic", e.ID, id)
			}
		}
	}
}

func TestUnits(t *testing.T) {
	for _, tt := range []struct {
		in, want string
		limit    int
	}{
		{"abc", "abc", 3}, {"abcdef", "ab...", 5}, {"\U0001f525\U0001f525", "\U0001f525\U0001f525", 4},
		{"\U0001f525\U0001f525\U0001f525", "\U0001f525...", 5}, {"a b c d", "a...", 5}, {"", "", 0},
	} {
		if got := units(tt.in, tt.limit); got != tt.want {
			t.Errorf("units(%q, %d) = %q, want %q", tt.in, tt.limit, got, tt.want)
		}
	}
}

func FuzzOCSF(f *testing.F) {
	seed(f)
	f.Fuzz(func(t *testing.T, title, account, name, log string, severity uint8, count int, n, kind uint8) {
		checkOCSF(t, fuzzed(title, account, name, log, severity, count, n, kind))
	})
}

func FuzzASFF(f *testing.F) {
	seed(f)
	f.Fuzz(func(t *testing.T, title, account, name, log string, severity uint8, count int, n, kind uint8) {
		checkASFF(t, fuzzed(title, account, name, log, severity, count, n, kind))
	})
}
