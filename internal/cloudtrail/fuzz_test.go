package cloudtrail

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"errors"
	"io"
	"maps"
	"strings"
	"testing"
)

// reference reads a record with encoding/json alone, and knows nothing of the scanner.
type reference map[string]json.RawMessage

func (o reference) text(key string) string {
	raw := bytes.TrimSpace(o[key])
	var s string
	switch {
	case len(raw) == 0 || string(raw) == "null" || raw[0] == '{' || raw[0] == '[':
		return ""
	case raw[0] != '"':
		return string(raw)
	case json.Unmarshal(raw, &s) != nil:
		panic("not a string: " + string(raw))
	}
	return s
}

func (o reference) object(key string) reference {
	raw := bytes.TrimSpace(o[key])
	var s string
	if len(raw) > 0 && raw[0] == '"' && json.Unmarshal(raw, &s) == nil {
		raw = []byte(s)
	}
	var inner reference
	if json.Unmarshal(raw, &inner) != nil {
		return nil
	}
	return inner
}

func (o reference) carriesRecord() bool {
	for _, key := range []string{"eventVersion", "eventSource", "eventName", "userIdentity"} {
		if _, has := o[key]; has {
			return true
		}
	}
	return false
}

// recordSeeds are records, and what nearly is one, that a scanner could take for another.
func recordSeeds(tb testing.TB) []string {
	tb.Helper()
	return []string{
		signIn, session, " {} ", `{"eventName":"n"}`, pretty(session),
		with(tb, signIn, `"eventName"`, `"\u0065ventName"`),
		with(tb, signIn, `"ConsoleLogin"`, `"Console\u004cogin"`),
		with(tb, signIn, `"Root"`, `"\u0052oot"`),
		with(tb, signIn, `"type":"Root"`, `"type":"AWSService","type":"Root"`),
		with(tb, signIn, `"eventName":"ConsoleLogin"`, `"eventName":"ConsoleLogin","eventName":"x"`),
		with(tb, signIn, `"eventName":"ConsoleLogin"`, `"eventName":"x","\u0065ventName":"ConsoleLogin"`),
		with(tb, signIn, `"eventTime"`, `"userIdentity":{"arn":"x"},"eventTime"`),
		with(tb, signIn, `"eventTime"`, `"userIdentity":null,"eventTime"`),
		with(tb, signIn, `"eventTime"`, `"userIdentity":"{\"type\":\"Root\"}","eventTime"`),
		with(tb, signIn, `"requestParameters":null`, `"requestParameters":{"eventName":"x","userIdentity":{"type":"Root"},"a":[{"eventSource":"y"}]}`),
		with(tb, signIn, `"requestParameters":null`, `"requestParameters":"{\"eventName\":\"x\"}"`),
		with(tb, signIn, `Mozilla`, `\",\"eventName\":\"x\",\"`),
		with(tb, signIn, `Mozilla`, `\\`), with(tb, signIn, `Mozilla`, `\\\"`), with(tb, signIn, `Mozilla`, `\ud83d\ude00\ud83dx\udc00\u0000`),
		with(tb, signIn, `Mozilla`, "\xff\xe2\x82"), with(tb, signIn, `Mozilla`, "\x1f"), with(tb, signIn, `Mozilla`, "\x7f€😀"),
		with(tb, signIn, `"readOnly":false`, `"readOnly":"FALSE"`), with(tb, signIn, `"readOnly":false`, `"readOnly":-0.0e+1`),
		with(tb, signIn, `"readOnly":false`, `"readOnly":01`), with(tb, signIn, `"readOnly":false`, `"readOnly":{"a":[],"b":{}}`),
		with(tb, signIn, `"ConsoleLogin"`, `{"a":1}`), with(tb, signIn, `"ConsoleLogin"`, `12e5`), with(tb, signIn, `"ConsoleLogin"`, `null`),
		with(tb, signIn, `2024-03-01`, `2024-02-30`), with(tb, signIn, `"11111111-2222-3333-4444-555555555555"`, `""`),
		`{"eventName":"n","x":` + strings.Repeat("[", 70) + strings.Repeat("]", 70) + "}",
		`{"eventName":"n","x":` + strings.Repeat(`{"a":[`, 70) + strings.Repeat("]}", 70) + "}",
		`{"eventName":"n","x":` + strings.Repeat("[", MaxDepth) + strings.Repeat("]", MaxDepth) + "}",
		`{"eventName":"n","x":[}`, `{"eventName":"n",}`, `{"eventName":"n"`, `{"eventName":"n"}}`, `{"eventName":"n"} x`,
	}
}

func rootSignIn(h Header) bool {
	return string(h.EventSource) == "signin.amazonaws.com" || string(h.EventName) == "n" || string(h.IdentityType) == "Root"
}

// FuzzScan holds that the fast path, the full decoder and encoding/json agree:
// on what is a record, where it ends, its header, and whether it is a candidate.
func FuzzScan(f *testing.F) {
	for _, seed := range recordSeeds(f) {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		start := skipSpace(data, 0)
		isObject := start < len(data) && data[start] == '{'
		want := isObject && json.Valid(data)

		rec, defects, err := Decode(data)
		if (err == nil) != want {
			t.Fatalf("Decode: %v; valid by encoding/json: %v", err, want)
		}
		if !isObject {
			return
		}

		var s scanner
		end := s.scan(data[start:], false)
		if valid := end >= 0 && json.Valid(data[start:start+end]); valid != (end >= 0) {
			t.Fatalf("scanned %d bytes that are not JSON", end)
		}
		// Whatever of it comes first, there is no verdict before the record's end.
		if want {
			for _, cut := range []int{1, end / 2, end - 1} {
				if got := s.scan(data[start:start+cut], false); got != incomplete {
					t.Fatalf("of %d bytes: %d", cut, got)
				}
			}
			s.scan(data[start:], false)
		}
		if !want {
			return
		}

		var ref reference
		if err := json.Unmarshal(data, &ref); err != nil {
			t.Fatal(err)
		}
		wantHeader := [3]string{ref.text("eventSource"), ref.text("eventName"), ref.object("userIdentity").text("type")}
		if got := [3]string{rec.EventSource, rec.EventName, rec.UserIdentity.Type}; got != wantHeader {
			t.Fatalf("Decode's header %q, want %q", got, wantHeader)
		}
		if s.carriesRecord() != ref.carriesRecord() {
			t.Fatalf("carries a record: %v", s.carriesRecord())
		}
		if !s.odd {
			h := s.header(data[start : start+end])
			if got := [3]string{string(h.EventSource), string(h.EventName), string(h.IdentityType)}; got != wantHeader {
				t.Fatalf("header %q, want %q", got, wantHeader)
			}
			if len(defects) > 0 {
				t.Fatalf("defects %v in a record that is not odd", defects)
			}
		}

		candidate := ref.carriesRecord() && rootSignIn(Header{EventSource: []byte(wantHeader[0]), EventName: []byte(wantHeader[1]), IdentityType: []byte(wantHeader[2])})
		r := NewReader(io.MultiReader(strings.NewReader(`{"Records":[`), bytes.NewReader(data), strings.NewReader(","+rec2+`]}`)), rootSignIn)
		var passed []string
		for {
			entry, err := r.Next()
			if errors.Is(err, io.EOF) {
				break
			}
			if entry.Record != nil {
				passed = append(passed, entry.Record.EventID)
			}
		}
		wantPassed := []string{"last"}
		if candidate {
			wantPassed = []string{rec.EventID, "last"}
		}
		if got := strings.Join(passed, "|"); got != strings.Join(wantPassed, "|") {
			t.Fatalf("passed %q, want %q", got, wantPassed)
		}
		if got := r.Stats().Records; got != 2 {
			t.Fatalf("%d records, want 2", got)
		}
	})
}

const rec2 = `{"eventID":"last","eventName":"n"}`

// FuzzDecode holds that Decode never panics, keeps the whole record, and that
// what it decodes agrees with encoding/json.
func FuzzDecode(f *testing.F) {
	for _, seed := range recordSeeds(f) {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		before := bytes.Clone(data)
		rec, defects, err := Decode(data)
		if !bytes.Equal(before, data) {
			t.Fatal("the input has changed")
		}
		if err != nil {
			return
		}
		var ref reference
		if err := json.Unmarshal(data, &ref); err != nil {
			t.Fatal(err)
		}
		if got := bytes.TrimSpace(data); !bytes.Equal(rec.Raw, bytes.Trim(data, " \t\r\n")) {
			t.Fatalf("raw %q, want %q", rec.Raw, got)
		}
		if rec.EventID == "" {
			t.Fatal("no event ID")
		}
		identity := ref.object("userIdentity")
		session := identity.object("sessionContext")
		for _, c := range [][2]string{
			{rec.EventVersion, ref.text("eventVersion")}, {rec.AWSRegion, ref.text("awsRegion")}, {rec.UserAgent, ref.text("userAgent")},
			{rec.SourceIPAddress, ref.text("sourceIPAddress")}, {rec.ErrorCode, ref.text("errorCode")}, {rec.ErrorMessage, ref.text("errorMessage")},
			{rec.RecipientAccountID, ref.text("recipientAccountId")}, {rec.EventType, ref.text("eventType")}, {rec.SharedEventID, ref.text("sharedEventID")},
			{rec.UserIdentity.ARN, identity.text("arn")}, {rec.UserIdentity.PrincipalID, identity.text("principalId")},
			{rec.UserIdentity.AccountID, identity.text("accountId")}, {rec.UserIdentity.AccessKeyID, identity.text("accessKeyId")},
			{rec.UserIdentity.UserName, identity.text("userName")}, {rec.UserIdentity.InvokedBy, identity.text("invokedBy")},
			{rec.UserIdentity.Session.IssuerARN, session.object("sessionIssuer").text("arn")},
			{rec.UserIdentity.Session.IssuerType, session.object("sessionIssuer").text("type")},
			{rec.UserIdentity.Session.IssuerUserName, session.object("sessionIssuer").text("userName")},
		} {
			if c[0] != c[1] {
				t.Fatalf("%q, want %q", c[0], c[1])
			}
		}
		for _, raw := range []json.RawMessage{rec.RequestParameters, rec.ResponseElements, rec.AdditionalEventData, rec.ServiceEventDetails} {
			if raw == nil {
				continue
			}
			var want object
			if err := json.Unmarshal(raw, &want); err != nil {
				t.Fatalf("%q is no object: %v", raw, err)
			}
			if got := fields(raw); !maps.EqualFunc(want, got, func(a, b json.RawMessage) bool { return bytes.Equal(a, b) }) {
				t.Fatalf("fields %q, want %q", got, want)
			}
		}
		for _, d := range defects {
			if d.Field == "" || d.Reason == "" {
				t.Fatalf("defect %+v", d)
			}
		}
	})
}

// FuzzReader holds that a Reader comes to an end whatever it reads, that its
// counts add up, and that records it passes can be decoded.
func FuzzReader(f *testing.F) {
	a, b := rec("A"), session
	list := `{"Records":[` + a + "," + b + "]}"
	for _, seed := range []string{
		list, "\xef\xbb\xbf" + list, a + "\n" + b, "[" + a + "," + list + "]", lookup(a, b), bridge("AWS API Call via CloudTrail", a),
		bridge("x", a), bridge("x", "{}"), logs("DATA_MESSAGE", a, bridge("AWS API Call via CloudTrail", b)), logs("CONTROL_MESSAGE", "x"), awsLogs(logs("DATA_MESSAGE", a, "x")) + b, awsLogs(zip(f, logs("DATA_MESSAGE", a))[:90]), pretty(list), pretty(lookup(a)),
		list[:len(list)-1], list[:900], "{bad\n" + a, `{"Records":[` + a[1:] + "," + b, `{"Records":[1,"x",null,` + quote(a) + `,{}` + a + ",]}", `{"Records":[]"x"}` + a,
		zip(f, list), zip(f, a, b), zip(f, list)[:200], wide(binary.LittleEndian, list), wide(binary.BigEndian, a)[:99], "\x1f\x8b", "", " ", "[", "{", `"`, `{"Records":[`, strings.Repeat(`{"eventVersion":`, 300),
		`{"hits":{"hits":[{"_source":` + a + `},{"_source":{"message":` + quote(b) + `}}]}}`, `{"results":[[{"field":"@message","value":` + quote(a) + `}]]}`, `{"Message":` + quote(`{"Message":`+quote(a)+`}`) + `}`,
		`{"Records":[{"body":` + quote(a) + `,"eventSource":"aws:sqs"},{"kinesis":{"data":` + quote(base64Of(zip(f, a))) + `},"eventSource":"aws:kinesis"}]}`, "2026-05-04T09:00:00Z stream " + a + "\n2026-05-04T09:00:01Z x\n",
		`{"streams":[{"values":[["1",` + quote(a) + `]]}]}`, `{"QueryResultRows":[[{"eventName":"x"},{"eventJson":` + quote(a) + `}]]}`, "eventTime,eventJson\nx,\"" + strings.ReplaceAll(a, `"`, `""`) + "\"\n", "a,b,c\n1,2,3\n",
		zstdOf(f, list), zip(f, zstdOf(f, a)), "PAR1", "BZh9", "PK\x03\x04", strings.Repeat("\x00", 257) + "ustar", "{\x00\"\x00", `{"eventversion":"1","useridentity":{"type":"Root"},"eventtime":"x","eventsource":"s","eventname":"n","requestparameters":"{\"a\":1}","responseelements":null}`,
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		r := NewReader(bytes.NewReader(data), func(h Header) bool { return len(h.EventName) < 5 })
		entries, passed, lost, last := 0, int64(0), int64(0), -1
		for {
			entry, err := r.Next()
			if errors.Is(err, io.EOF) {
				break
			}
			// Every entry takes a byte of the log at least, besides how it ends.
			if entries++; int64(entries) > r.Stats().Bytes+2 {
				t.Fatalf("%d entries from %d bytes", entries, r.Stats().Bytes)
			}
			if entry.Record == nil && entry.Err == nil && len(entry.Defects) == 0 {
				t.Fatal("an entry that says nothing")
			}
			if entry.Index >= 0 {
				if entry.Index <= last || int64(entry.Index) >= r.Stats().Records {
					t.Fatalf("index %d after %d, of %d", entry.Index, last, r.Stats().Records)
				}
				last = entry.Index
				if entry.Lost {
					lost++
				}
			}
			if entry.Record != nil {
				passed++
				if _, _, err := Decode(entry.Record.Raw); err != nil {
					t.Fatalf("record %d: %v", entry.Index, err)
				}
			}
		}
		stats := r.Stats()
		if stats.Passed != passed || stats.Malformed != lost || stats.Records != stats.Passed+stats.Held+stats.Malformed {
			t.Fatalf("%d passed, %d lost, counted %+v", passed, lost, stats)
		}
		if stats.Records > stats.Bytes {
			t.Fatalf("%d records in %d bytes", stats.Records, stats.Bytes)
		}
	})
}
