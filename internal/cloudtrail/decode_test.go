package cloudtrail

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// signIn is a root sign-in without a defect, in the form of the AWS CloudTrail
// User Guide, "AWS Management Console sign-in events".
const signIn = `{"eventVersion":"1.08","userIdentity":{"type":"Root","principalId":"123456789012","arn":"arn:aws:iam::123456789012:root","accountId":"123456789012","accessKeyId":""},` +
	`"eventTime":"2024-03-01T10:00:00Z","eventSource":"signin.amazonaws.com","eventName":"ConsoleLogin","awsRegion":"us-east-1","sourceIPAddress":"192.0.2.1","userAgent":"Mozilla/5.0",` +
	`"requestParameters":null,"responseElements":{"ConsoleLogin":"Success"},"additionalEventData":{"LoginTo":"https://console.aws.amazon.com/","MobileVersion":"No","MFAUsed":"No"},` +
	`"eventID":"11111111-2222-3333-4444-555555555555","readOnly":false,"eventType":"AwsConsoleSignIn","managementEvent":true,"recipientAccountId":"123456789012"}`

// session is the call of a role, with every field of a session.
const session = `{"eventVersion":"1.08","userIdentity":{"type":"AssumedRole","principalId":"AROAEXAMPLE:me","arn":"arn:aws:sts::123456789012:assumed-role/Admin/me","accountId":"123456789012","accessKeyId":"ASIAEXAMPLE",` +
	`"sessionContext":{"sessionIssuer":{"type":"Role","principalId":"AROAEXAMPLE","arn":"arn:aws:iam::123456789012:role/Admin","accountId":"123456789012","userName":"Admin"},"assumedRoot":"true",` +
	`"attributes":{"creationDate":"2024-03-31T09:00:00Z","mfaAuthenticated":"true"}},"invokedBy":"cloudformation.amazonaws.com"},` +
	`"eventTime":"2024-03-31T10:00:00Z","eventSource":"iam.amazonaws.com","eventName":"CreateUser","awsRegion":"us-east-1","sourceIPAddress":"192.0.2.1","userAgent":"a \"quoted\" \u00e9 é 😀 \ud83d\ude00 agent",` +
	`"errorCode":"AccessDenied","errorMessage":"no","requestParameters":{"userName":"alice"},"responseElements":null,"serviceEventDetails":{"a":[1,2,{}]},` +
	`"eventID":"e","sharedEventID":"s","readOnly":false,"eventType":"AwsApiCall","managementEvent":true,"recipientAccountId":"210987654321"}`

// with replaces a part of a record; the part must be there.
func with(tb testing.TB, record string, oldNew ...string) string {
	tb.Helper()
	for k := 0; k < len(oldNew); k += 2 {
		if !strings.Contains(record, oldNew[k]) {
			tb.Fatalf("the record has no %s", oldNew[k])
		}
		record = strings.Replace(record, oldNew[k], oldNew[k+1], 1)
	}
	return record
}

func TestDecode(t *testing.T) {
	t.Parallel()
	got, defects, err := Decode([]byte("\n " + session + "\t"))
	if err != nil || len(defects) > 0 {
		t.Fatalf("Decode: defects %v, error %v", defects, err)
	}
	want := Record{
		EventVersion: "1.08", EventID: "e", SharedEventID: "s",
		EventTime:   time.Date(2024, 3, 31, 10, 0, 0, 0, time.UTC),
		EventSource: "iam.amazonaws.com", EventName: "CreateUser", EventType: "AwsApiCall", AWSRegion: "us-east-1",
		SourceIPAddress: "192.0.2.1", UserAgent: `a "quoted" é é 😀 😀 agent`,
		ErrorCode: "AccessDenied", ErrorMessage: "no", ReadOnly: No, RecipientAccountID: "210987654321",
		UserIdentity: UserIdentity{
			Type: "AssumedRole", PrincipalID: "AROAEXAMPLE:me", ARN: "arn:aws:sts::123456789012:assumed-role/Admin/me",
			AccountID: "123456789012", AccessKeyID: "ASIAEXAMPLE", InvokedBy: "cloudformation.amazonaws.com",
			Session: SessionContext{
				CreationDate: time.Date(2024, 3, 31, 9, 0, 0, 0, time.UTC), MFAAuthenticated: Yes, AssumedRoot: Yes,
				IssuerType: "Role", IssuerARN: "arn:aws:iam::123456789012:role/Admin", IssuerUserName: "Admin",
			},
		},
		RequestParameters:   json.RawMessage(`{"userName":"alice"}`),
		ServiceEventDetails: json.RawMessage(`{"a":[1,2,{}]}`),
		Raw:                 json.RawMessage(session),
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("record (-want +got):\n%s", diff)
	}
}

// TestDefects pairs each mistyped field with what becomes of it.
func TestDefects(t *testing.T) {
	t.Parallel()
	str := func(get func(Record) string) func(Record) any { return func(r Record) any { return get(r) } }
	eventName := str(func(r Record) string { return r.EventName })
	arn := str(func(r Record) string { return r.UserIdentity.ARN })
	tests := []struct {
		name   string
		raw    string
		fields string // of the defects
		get    func(Record) any
		want   any
	}{
		{"no defect", signIn, "", eventName, "ConsoleLogin"},
		{"number for text", with(t, signIn, `"recipientAccountId":"123456789012"`, `"recipientAccountId":123456789012`), "recipientAccountId", func(r Record) any { return r.RecipientAccountID }, "123456789012"},
		{"boolean for text", with(t, signIn, `"ConsoleLogin"`, `true`), "eventName", eventName, "true"},
		{"array for text", with(t, signIn, `"userAgent":"Mozilla/5.0"`, `"userAgent":["Mozilla/5.0"]`), "userAgent", func(r Record) any { return r.UserAgent }, ""},
		{"object for text", with(t, signIn, `"us-east-1"`, `{"name":"us-east-1"}`), "awsRegion", func(r Record) any { return r.AWSRegion }, ""},
		{"null for text", with(t, signIn, `"userAgent":"Mozilla/5.0"`, `"userAgent":null`), "", func(r Record) any { return r.UserAgent }, ""},
		{"string for boolean", with(t, signIn, `"readOnly":false`, `"readOnly":"False"`), "readOnly", func(r Record) any { return r.ReadOnly }, No},
		{"other string for boolean", with(t, signIn, `"readOnly":false`, `"readOnly":"maybe"`), "readOnly", func(r Record) any { return r.ReadOnly }, Unknown},
		{"number for boolean", with(t, signIn, `"readOnly":false`, `"readOnly":0`), "readOnly", func(r Record) any { return r.ReadOnly }, Unknown},
		{"null for boolean", with(t, signIn, `"readOnly":false`, `"readOnly":null`), "", func(r Record) any { return r.ReadOnly }, Unknown},
		{"string for managementEvent", with(t, signIn, `"managementEvent":true`, `"managementEvent":"true"`), "managementEvent", eventName, "ConsoleLogin"},
		{"boolean mfaAuthenticated", with(t, session, `"mfaAuthenticated":"true"`, `"mfaAuthenticated":false`), "", func(r Record) any { return r.UserIdentity.Session.MFAAuthenticated }, No},
		{"boolean assumedRoot", with(t, session, `"assumedRoot":"true"`, `"assumedRoot":true`), "", func(r Record) any { return r.UserIdentity.Session.AssumedRoot }, Yes},
		{"number assumedRoot", with(t, session, `"assumedRoot":"true"`, `"assumedRoot":1`), "userIdentity.sessionContext.assumedRoot", func(r Record) any { return r.UserIdentity.Session.AssumedRoot }, Unknown},
		{"odd mfaAuthenticated", with(t, session, `"mfaAuthenticated":"true"`, `"mfaAuthenticated":"TRUE"`), "", func(r Record) any { return r.UserIdentity.Session.MFAAuthenticated }, Yes},

		{"null as a string", with(t, signIn, `"requestParameters":null`, `"requestParameters":"null"`), "requestParameters", func(r Record) any { return r.RequestParameters == nil }, true},
		{"object as a string", with(t, signIn, `{"ConsoleLogin":"Success"}`, `" {\"ConsoleLogin\":\"Success\"} "`), "responseElements", func(r Record) any { return r.Succeeded("ConsoleLogin") }, true},
		{"broken object as a string", with(t, signIn, `{"ConsoleLogin":"Success"}`, `"{\"ConsoleLogin\":"`), "responseElements", func(r Record) any { return r.ResponseElements == nil }, true},
		{"array for object", with(t, signIn, `{"ConsoleLogin":"Success"}`, `[{"ConsoleLogin":"Success"}]`), "responseElements", func(r Record) any { return r.ResponseElements == nil }, true},
		{"identity as a string", with(t, signIn, `{"type":"Root","principalId":"123456789012","arn":"arn:aws:iam::123456789012:root","accountId":"123456789012","accessKeyId":""}`, `"{\"type\":\"Root\",\"arn\":\"a\",\"accountId\":1}"`), "userIdentity userIdentity.accountId", func(r Record) any { return r.UserIdentity }, UserIdentity{Type: "Root", ARN: "a", AccountID: "1"}},
		{"nested objects as strings", `{"eventSource":"s","eventName":"n","eventID":"e","eventTime":"2024-03-01T10:00:00Z","userIdentity":"{\"sessionContext\":\"{\\\"attributes\\\":{\\\"mfaAuthenticated\\\":\\\"true\\\"}}\"}"}`, "userIdentity userIdentity.sessionContext", func(r Record) any { return r.UserIdentity.Session.MFAAuthenticated }, Yes},

		{"empty record", `{}`, "eventID eventSource eventName eventTime userIdentity", eventName, ""},
		{"no eventID", with(t, signIn, `"eventID":"11111111-2222-3333-4444-555555555555",`, ``), "eventID", func(r Record) any { return strings.HasPrefix(r.EventID, "derived-") && len(r.EventID) == 8+32 }, true},
		{"empty eventID", with(t, signIn, `11111111-2222-3333-4444-555555555555`, ``), "eventID", func(r Record) any { return strings.HasPrefix(r.EventID, "derived-") }, true},
		{"array eventID", with(t, signIn, `"11111111-2222-3333-4444-555555555555"`, `[]`), "eventID eventID", func(r Record) any { return strings.HasPrefix(r.EventID, "derived-") }, true},
		{"no eventTime", with(t, signIn, `"eventTime":"2024-03-01T10:00:00Z",`, ``), "eventTime", func(r Record) any { return r.EventTime.IsZero() }, true},
		{"bad eventTime", with(t, signIn, `2024-03-01T10:00:00Z`, `yesterday`), "eventTime", func(r Record) any { return r.EventTime.IsZero() }, true},
		{"number eventTime", with(t, signIn, `"2024-03-01T10:00:00Z"`, `1709287200`), "", func(r Record) any { return r.EventTime.UTC().String() }, "2024-03-01 10:00:00 +0000 UTC"},
		{"number eventTime that is none", with(t, signIn, `"2024-03-01T10:00:00Z"`, `17`), "eventTime", func(r Record) any { return r.EventTime.IsZero() }, true},
		{"boolean eventTime", with(t, signIn, `"2024-03-01T10:00:00Z"`, `true`), "eventTime", func(r Record) any { return r.EventTime.IsZero() }, true},
		{"year 1", with(t, signIn, `2024-03-01T10`, `0001-01-01T00`), "eventTime", func(r Record) any { return r.EventTime.IsZero() }, true},
		{"no eventID in version 1.0", with(t, signIn, `"eventID":"11111111-2222-3333-4444-555555555555"`, `"x":1`, `"eventVersion":"1.08"`, `"eventVersion":"1.00"`), "", func(r Record) any { return len(r.EventID) }, len("derived-") + 32},
		{"service event without an identity", with(t, signIn, `"eventType":"AwsConsoleSignIn"`, `"eventType":"AwsServiceEvent","userIdentity":null`), "", func(r Record) any { return r.UserIdentity }, UserIdentity{}},
		{"insight", `{"eventVersion":"1.09","eventTime":"2026-05-04T09:00:00Z","eventID":"e","eventType":"AwsCloudTrailInsight"}`, "", func(r Record) any { return r.Category }, Insight},
		{"network activity", with(t, signIn, `"eventTime"`, `"eventCategory":"NetworkActivity","eventTime"`), "", func(r Record) any { return r.Category.IsCall() }, false},
		{"unknown category", with(t, signIn, `"eventTime"`, `"eventCategory":"New","eventTime"`), "", func(r Record) any { return r.Category.IsCall() }, true},
		{"late", with(t, signIn, `"eventTime"`, `"addendum":{"reason":"DELIVERY_DELAY"},"eventTime"`), "", func(r Record) any { return r.Addendum }, Addendum{Reason: "DELIVERY_DELAY"}},
		{"corrected copy", with(t, signIn, `"eventTime"`, `"addendum":{"reason":"UPDATED_DATA","updatedFields":"a,b","originalRequestID":"q","originalEventID":"o"},"eventTime"`), "", func(r Record) any { return [2]any{r.EventID, r.Addendum} },
			[2]any{"o", Addendum{"UPDATED_DATA", "a,b", "q", "o", "11111111-2222-3333-4444-555555555555"}}},
		{"addendum is no object", with(t, signIn, `"eventTime"`, `"addendum":[],"eventTime"`), "addendum", func(r Record) any { return r.Addendum }, Addendum{}},
		{"30 February", with(t, signIn, `2024-03-01T10`, `2024-02-30T10`), "eventTime", func(r Record) any { return r.EventTime.IsZero() }, true},
		{"29 February", with(t, signIn, `2024-03-01T10`, `2024-02-29T10`), "", func(r Record) any { return r.EventTime.Day() }, 29},
		{"bad creationDate", with(t, session, `2024-03-31T09:00:00Z`, `x`), "userIdentity.sessionContext.attributes.creationDate", func(r Record) any { return r.UserIdentity.Session.CreationDate.IsZero() }, true},
		{"no eventName", with(t, signIn, `"eventName":"ConsoleLogin",`, ``), "eventName", eventName, ""},
		{"null eventSource", with(t, signIn, `"signin.amazonaws.com"`, `null`), "eventSource", eventName, "ConsoleLogin"},

		{"no userIdentity", `{"eventSource":"s","eventName":"n","eventID":"e","eventTime":"2024-03-01T10:00:00Z"}`, "userIdentity", eventName, "n"},
		{"empty userIdentity", `{"eventSource":"s","eventName":"n","eventID":"e","eventTime":"2024-03-01T10:00:00Z","userIdentity":{ }}`, "userIdentity", eventName, "n"},
		{"null userIdentity", `{"eventSource":"s","eventName":"n","eventID":"e","eventTime":"2024-03-01T10:00:00Z","userIdentity":null}`, "userIdentity", eventName, "n"},
		{"array userIdentity", `{"eventSource":"s","eventName":"n","eventID":"e","eventTime":"2024-03-01T10:00:00Z","userIdentity":[]}`, "userIdentity userIdentity", eventName, "n"},

		{"no arn", with(t, signIn, `"arn":"arn:aws:iam::123456789012:root",`, ``), "userIdentity.arn", arn, ""},
		{"empty arn", with(t, signIn, `arn:aws:iam::123456789012:root`, ``), "userIdentity.arn", arn, ""},
		{"no arn, failed sign-in", with(t, signIn, `"arn":"arn:aws:iam::123456789012:root",`, ``, `"Success"`, `"Failure"`), "", arn, ""},
		{"no arn, failed call", with(t, session, `"arn":"arn:aws:sts::123456789012:assumed-role/Admin/me",`, ``), "userIdentity.arn", arn, ""},
		{"no arn, CheckMfa", with(t, signIn, `"arn":"arn:aws:iam::123456789012:root",`, ``, `"eventName":"ConsoleLogin"`, `"eventName":"CheckMfa"`), "", arn, ""},
		{"no arn, service", with(t, signIn, `{"type":"Root","principalId":"123456789012","arn":"arn:aws:iam::123456789012:root","accountId":"123456789012","accessKeyId":""}`, `{"type":"AWSService","invokedBy":"ec2.amazonaws.com"}`), "", arn, ""},
		{"no arn, other account", with(t, signIn, `"type":"Root"`, `"type":"AWSAccount"`, `"arn":"arn:aws:iam::123456789012:root",`, ``), "", arn, ""},
		{"no arn, no type", with(t, signIn, `"type":"Root",`, ``, `"arn":"arn:aws:iam::123456789012:root",`, ``), "", arn, ""},

		{"escaped key", with(t, signIn, `"eventName"`, `"\u0065vent\u004eame"`), "", eventName, "ConsoleLogin"},
		{"other case of a key", with(t, signIn, `"eventName"`, `"EventName"`), "eventName", eventName, ""},
		{"last of two", with(t, signIn, `"eventName":"ConsoleLogin"`, `"eventName":"DescribeVolumes","eventName":"ConsoleLogin"`), "", eventName, "ConsoleLogin"},
		{"last of two is null", with(t, signIn, `"eventName":"ConsoleLogin"`, `"eventName":"ConsoleLogin","eventName":null`), "eventName", eventName, ""},
		{"mistyped first of two", with(t, signIn, `"eventName":"ConsoleLogin"`, `"eventName":[],"eventName":"ConsoleLogin"`), "", eventName, "ConsoleLogin"},
		{"second identity replaces the first", with(t, signIn, `"eventTime"`, `"userIdentity":{"type":"AWSService"},"eventTime"`), "", func(r Record) any { return r.UserIdentity }, UserIdentity{Type: "AWSService"}},
		{"not UTF-8", with(t, signIn, `Mozilla`, "Moz\xffilla"), "record", func(r Record) any { return r.UserAgent }, "Moz\ufffdilla/5.0"},
		{"not UTF-8 where no field is", with(t, signIn, `"LoginTo"`, "\"Login\xc3\""), "record", eventName, "ConsoleLogin"},
		{"half a surrogate pair", with(t, signIn, `Mozilla`, `\ud83d\u0041`), "", func(r Record) any { return r.UserAgent }, "\ufffdA/5.0"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			rec, defects, err := Decode([]byte(test.raw))
			if err != nil {
				t.Fatalf("Decode: %v", err)
			}
			var fields []string
			for _, d := range defects {
				fields = append(fields, d.Field)
				if d.Reason == "" {
					t.Errorf("defect of %s has no reason", d.Field)
				}
			}
			if got := strings.Join(fields, " "); got != test.fields {
				t.Errorf("defects %v, want of %q", defects, test.fields)
			}
			if diff := cmp.Diff(test.want, test.get(rec)); diff != "" {
				t.Errorf("value (-want +got):\n%s", diff)
			}
		})
	}
}

func TestDecodeErrors(t *testing.T) {
	t.Parallel()
	nest := func(depth int) string {
		return `{"eventName":"n","x":` + strings.Repeat("[", depth-1) + strings.Repeat("]", depth-1) + `}`
	}
	tests := []struct{ name, raw, want string }{
		{"nothing", "", "there is none"},
		{"only space", " \n", "there is none"},
		{"number", "12", "a number, not an object"},
		{"string", `"{}"`, "a string, not an object"},
		{"boolean", `true`, "a boolean, not an object"},
		{"null", `null`, "null, not an object"},
		{"array", "[]", "an array, not an object"},
		{"garbage", "?", "no JSON value, not an object"},
		{"cut short", signIn[:len(signIn)-1], "ends early"},
		{"cut in a key", `{"eventName`, "ends early"},
		{"more after it", signIn + "x", "more data"},
		{"two", signIn + signIn, "more data"},
		{"one too deep", nest(MaxDepth + 1), "nested deeper than 10000"},
		{"far too deep", `{"eventName":"n","x":` + strings.Repeat("[", 5_000_000), "nested deeper than 10000"},
		{"comma before the end", `{"eventName":"n",}`, "unexpected '}' at byte 17"},
		{"no colon", `{"eventName" "n"}`, "unexpected '\"' at byte 13"},
		{"single quotes", `{'eventName':"n"}`, "unexpected '\\'' at byte 1"},
		{"control character", "{\"eventName\":\"n\n\"}", `unexpected '\n' at byte 15`},
		{"unknown escape", `{"eventName":"\x"}`, "unexpected 'x' at byte 15"},
		{"bad hex", `{"eventName":"\u00g0"}`, "unexpected 'g' at byte 18"},
		{"leading zero", `{"eventName":01}`, "unexpected '1' at byte 14"},
		{"bare point", `{"eventName":1.}`, "unexpected '}' at byte 15"},
		{"bare exponent", `{"eventName":1e}`, "unexpected '}' at byte 15"},
		{"bare minus", `{"eventName":-}`, "unexpected '}' at byte 14"},
		{"bad literal", `{"eventName":nul}`, "unexpected '}' at byte 16"},
		{"mismatched bracket", `{"eventName":[}`, "unexpected '}' at byte 14"},
		{"mismatched brace", `{"x":{"y":1],"eventName":1}`, "unexpected ']' at byte 11"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			if _, _, err := Decode([]byte(test.raw)); err == nil || !strings.Contains(err.Error(), test.want) {
				t.Errorf("error %v, want one with %q", err, test.want)
			}
		})
	}
	if _, _, err := Decode([]byte(nest(MaxDepth))); err != nil {
		t.Errorf("nested %d deep: %v", MaxDepth, err)
	}
}

// TestDerivedID holds that copies of a record get the same ID and others do not.
func TestDerivedID(t *testing.T) {
	t.Parallel()
	id := func(raw string) string {
		rec, _, err := Decode([]byte(raw))
		if err != nil {
			t.Fatal(err)
		}
		return rec.EventID
	}
	if a, b := id(`{"eventName":"a"}`), id(` {"eventName":"a"}`+"\n"); a != b {
		t.Errorf("copies have the IDs %s and %s", a, b)
	}
	if a, b := id(`{"eventName":"a"}`), id(`{"eventName":"b"}`); a == b {
		t.Errorf("two records have the ID %s", a)
	}
}

// TestIsTime holds that isTime agrees with time.Parse on every day, and on what is nearly a time.
func TestIsTime(t *testing.T) {
	t.Parallel()
	var times []string
	for _, year := range []string{"1900", "2000", "2023", "2024", "2100"} {
		for month := range 14 {
			for day := range 33 {
				times = append(times, fmt.Sprintf("%s-%02d-%02dT10:00:00Z", year, month, day))
			}
		}
	}
	times = append(times, "2024-03-01T23:59:59Z", "2024-03-01T24:00:00Z", "2024-03-01T10:60:00Z", "2024-03-01T10:00:60Z", "2024-03-01t10:00:00Z", "2024-03-01T10:00:0xZ", "")
	for _, s := range times {
		if _, err := time.Parse(time.RFC3339, s); (err == nil) != isTime([]byte(s)) {
			t.Errorf("isTime(%q) is %v, time.Parse says %v", s, isTime([]byte(s)), err)
		}
	}
}

func TestAnswer(t *testing.T) {
	t.Parallel()
	for answer, text := range map[Answer]string{Yes: "yes", No: "no", Unknown: "unknown"} {
		b, err := json.Marshal(answer)
		if err != nil || string(b) != quote(text) || answer.String() != text {
			t.Errorf("%v is %s, error %v", answer, b, err)
		}
		got := Answer(7)
		if err := json.Unmarshal(b, &got); err != nil || got != answer {
			t.Errorf("%s is read as %v, error %v", b, got, err)
		}
	}
}

func TestRecordSays(t *testing.T) {
	t.Parallel()
	decode := func(raw string) *Record {
		rec, _, err := Decode([]byte(raw))
		if err != nil {
			t.Fatal(err)
		}
		return &rec
	}
	if got := decode(signIn).MFAUsed(); got != No {
		t.Errorf("MFAUsed %v, want no", got)
	}
	if got := decode(with(t, signIn, `"MFAUsed":"No"`, `"x":"No"`)).MFAUsed(); got != Unknown {
		t.Errorf("MFAUsed %v, want unknown where absent", got)
	}
	if got := decode(session).Request("userName"); got != "alice" {
		t.Errorf("userName %q of the request", got)
	}
	if got := decode(signIn).Request("userName"); got != "" {
		t.Errorf("userName %q of a null request", got)
	}
	if got := decode(session).Account(); got != "210987654321" {
		t.Errorf("account %s, want the recipient's", got)
	}
	if got := decode(with(t, session, "recipientAccountId", "x")).Account(); got != "123456789012" {
		t.Errorf("account %s, want the caller's", got)
	}
}
