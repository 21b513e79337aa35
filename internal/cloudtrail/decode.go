package cloudtrail

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"strings"
	"time"
	"unicode/utf8"
)

// Decode reads one record. It takes what it can get: a field that is not what
// CloudTrail documents is a Defect and is coerced where its meaning is plain (a
// boolean or number for text, "true" for true, an object given as a JSON
// string), else left empty. A defect never drops the record, so a root sign-in
// with a mistyped field still reaches detection.
//
//   - Keys are compared exactly, after unescaping; of a repeated key the last
//     counts, and an object replaces the earlier one as a whole.
//   - A missing eventID is made up as "derived-" and a hash of the record's
//     bytes, so that a copy of the record gets the same one. It is a defect but
//     in eventVersion 1.0, which has none.
//   - A missing userIdentity, eventTime, eventSource or eventName is a defect,
//     and so is a missing arn of an identity that has one. Failed sign-ins and
//     the CheckMfa step have none. Events of other categories, which are no
//     calls, may lack any of these.
//   - A corrected copy (addendum.originalEventID) has the original's EventID: it
//     is the same event.
//   - Bytes that are not UTF-8 are a defect and read as U+FFFD.
//
// It is an error where raw is not exactly one JSON object, or where that nests
// deeper than MaxDepth.
// The Record's raw fields share memory with raw.
func Decode(raw []byte) (Record, []Defect, error) {
	b := raw[skipSpace(raw, 0):]
	if len(b) > math.MaxInt32 {
		return Record{}, nil, fmt.Errorf("decoding record: it has %d bytes, more than 2 GiB", len(b))
	}
	if len(b) == 0 {
		return Record{}, nil, errors.New("decoding record: there is none")
	}
	if b[0] != '{' {
		return Record{}, nil, fmt.Errorf("decoding record: it is %v, not an object", kindOf[b[0]])
	}
	var s scanner
	end := s.scan(b, false)
	switch {
	case end == incomplete:
		return Record{}, nil, fmt.Errorf("decoding record: it ends early, after %d bytes", len(b))
	case end < 0:
		return Record{}, nil, fmt.Errorf("decoding record: %w", s.fault(b, end))
	case skipSpace(b, end) != len(b):
		return Record{}, nil, fmt.Errorf("decoding record: more data follows it at byte %d", skipSpace(b, end))
	}
	rec, defects := s.record(b[:end])
	return rec, defects, nil
}

// fault describes what malformed(i) says of b.
func (s *scanner) fault(b []byte, n int) error {
	i := malformedAt(n)
	if s.tooDeep {
		return fmt.Errorf("nested deeper than %d at byte %d", MaxDepth, i)
	}
	return fmt.Errorf("invalid JSON: unexpected %q at byte %d", b[i], i)
}

// reading makes a Record of what a scanner found.
type reading struct {
	parts   []part // the record, and each object that was given as a string
	defects []Defect
}

// part is an object, and the fields it holds.
type part struct {
	first, last field
	text        []byte
	found       *scanner
}

// record makes a Record of b, which s has scanned.
func (s *scanner) record(b []byte) (Record, []Defect) {
	in := reading{parts: []part{{first: noField, last: lastRecordField, text: b, found: s}}}
	if s.flags&notUTF8 != 0 {
		in.defect("record", notUTF8Reason(b))
	}
	rec := Record{
		EventVersion:       in.str(eventVersion),
		EventID:            in.str(eventID),
		SharedEventID:      in.str(sharedEventID),
		EventTime:          in.time(eventTime),
		EventSource:        in.str(eventSource),
		EventName:          in.str(eventName),
		EventType:          in.str(eventType),
		Category:           categoryOf(in.str(eventCategory), in.text(eventType)),
		AWSRegion:          in.str(awsRegion),
		SourceIPAddress:    in.str(sourceIPAddress),
		UserAgent:          in.str(userAgent),
		ErrorCode:          in.str(errorCode),
		ErrorMessage:       in.str(errorMessage),
		ReadOnly:           in.answer(readOnly),
		RecipientAccountID: in.str(recipientAccountID),

		RequestParameters:   in.object(requestParameters),
		ResponseElements:    in.object(responseElements),
		AdditionalEventData: in.object(additionalEventData),
		ServiceEventDetails: in.object(serviceEventDetails),

		Raw: b,
	}
	in.answer(managementEvent)
	in.part(addendum)
	rec.Addendum = Addendum{
		Reason:            in.str(addendumReason),
		UpdatedFields:     in.str(addendumUpdatedFields),
		OriginalRequestID: in.str(addendumRequestID),
		OriginalEventID:   in.str(addendumEventID),
	}
	identity := in.part(userIdentity)
	rec.UserIdentity = UserIdentity{
		Type:        in.str(identityType),
		PrincipalID: in.str(identityPrincipalID),
		ARN:         in.str(identityARN),
		AccountID:   in.str(identityAccountID),
		AccessKeyID: in.str(identityAccessKeyID),
		UserName:    in.str(identityUserName),
		InvokedBy:   in.str(identityInvokedBy),
	}
	in.part(sessionContext)
	in.part(sessionAttributes)
	in.part(sessionIssuer)
	rec.UserIdentity.Session = SessionContext{
		CreationDate:     in.time(creationDate),
		MFAAuthenticated: in.answer(mfaAuthenticated),
		AssumedRoot:      in.answer(assumedRoot),
		IssuerType:       in.str(issuerType),
		IssuerARN:        in.str(issuerARN),
		IssuerUserName:   in.str(issuerUserName),
	}
	if rec.Category.IsCall() {
		in.requireAll(&rec, identity)
	}
	if rec.EventID == "" {
		sum := sha256.Sum256(rec.Raw)
		rec.EventID = "derived-" + hex.EncodeToString(sum[:16])
	}
	if original := rec.Addendum.OriginalEventID; original != "" && original != rec.EventID {
		rec.EventID, rec.Addendum.CopyID = original, rec.EventID
	}
	return rec, in.defects
}

// requireAll notes what a call's record misses. eventID came with eventVersion
// 1.01, and what AWS does by itself has no identity (AWS CloudTrail User Guide,
// "CloudTrail record contents", "AWS service events").
func (in *reading) requireAll(rec *Record, identity []byte) {
	const missing = "missing or empty"
	for _, must := range []struct {
		field field
		value string
	}{{eventID, rec.EventID}, {eventSource, rec.EventSource}, {eventName, rec.EventName}} {
		if must.value == "" && (must.field != eventID || rec.EventVersion != "1.0" && rec.EventVersion != "1.00") {
			in.defect(specs[must.field].name, missing)
		}
	}
	if _, kind := in.value(eventTime); kind == 0 || kind == isNull {
		in.defect(specs[eventTime].name, missing)
	}
	switch ui := &rec.UserIdentity; {
	case rec.EventType == "AwsServiceEvent":
	case len(identity) == 0 || emptyObject(identity):
		in.defect(specs[userIdentity].name, missing)
	case ui.ARN == "" && needsARN(ui.Type) && !signInStep(rec):
		in.defect(specs[identityARN].name, missing)
	}
}

// signInStep reports whether the record reports a sign-in that did not come
// about, or not yet. Its identity has no ARN.
func signInStep(rec *Record) bool {
	return rec.EventSource == "signin.amazonaws.com" && (rec.EventName == "CheckMfa" || rec.Failed())
}

func (in *reading) defect(name, reason string) {
	in.defects = append(in.defects, Defect{Field: name, Reason: reason})
}

// value returns a field's bytes and type; 0 where it is absent.
func (in *reading) value(f field) ([]byte, kind) {
	for k := len(in.parts) - 1; k >= 0; k-- {
		if p := &in.parts[k]; p.first <= f && f <= p.last {
			if p.found.seen&(1<<f) == 0 {
				return nil, 0
			}
			return p.found.spans[f].of(p.text), p.found.is(p.text, f)
		}
	}
	return nil, 0
}

// unquote is the text of a JSON string.
func unquote(quoted []byte) []byte { return appendText(nil, quoted[1:len(quoted)-1]) }

// unquoteString is unquote with one copy less where the text is written plainly.
func unquoteString(quoted []byte) string {
	plain := quoted[1 : len(quoted)-1]
	if bytes.IndexByte(plain, '\\') < 0 && utf8.Valid(plain) {
		return string(plain)
	}
	return string(unquote(quoted))
}

// str is a text field.
func (in *reading) str(f field) string {
	raw, kind := in.value(f)
	switch kind {
	case 0, isNull:
		return ""
	case isString:
		return unquoteString(raw)
	case isNumber, isBool:
		in.defect(specs[f].name, fmt.Sprintf("%v, not a string; read as its text", kind))
		return string(raw)
	default:
		in.defect(specs[f].name, fmt.Sprintf("%v, not a string; left empty", kind))
		return ""
	}
}

// answer is a field that is true or false.
func (in *reading) answer(f field) Answer {
	raw, kind := in.value(f)
	answer := Unknown
	switch kind {
	case 0, isNull:
		return Unknown
	case isBool:
		answer = answerOf(string(raw))
	case isString:
		answer = answerOf(unquoteString(raw))
	default: // neither
	}
	switch {
	case answer == Unknown:
		in.defect(specs[f].name, fmt.Sprintf("%v, neither true nor false; left unknown", kind))
	case kind&specs[f].kinds == 0:
		in.defect(specs[f].name, fmt.Sprintf("%v, not a boolean; read as %v", kind, answer))
	}
	return answer
}

// answerOf reads true, false, yes and no in any case.
func answerOf(s string) Answer {
	switch strings.ToLower(s) {
	case "yes", "true":
		return Yes
	case "no", "false":
		return No
	default:
		return Unknown
	}
}

// text is a text field unchanged, without a defect where it is none.
func (in *reading) text(f field) string {
	raw, kind := in.value(f)
	if kind != isString {
		return ""
	}
	return unquoteString(raw)
}

// time is a field with a time, in one of the forms of parseTime.
func (in *reading) time(f field) time.Time {
	raw, kind := in.value(f)
	s := string(raw)
	switch kind {
	case 0, isNull:
		return time.Time{}
	case isString:
		s = unquoteString(raw)
	default: // a number, or what is no time
	}
	t, ok := parseTime(s)
	if !ok {
		in.defect(specs[f].name, fmt.Sprintf("%.40q is no time that can be read; the time is unknown", s))
	}
	return t
}

// object is an object field, also one given as a JSON string; nil where absent.
func (in *reading) object(f field) json.RawMessage {
	raw, kind := in.value(f)
	switch kind {
	case 0, isNull:
		return nil
	case isObject:
		return raw
	case isString:
		inner := bytes.TrimSpace(unquote(raw))
		if len(inner) > 0 && inner[0] == '{' && json.Valid(inner) {
			in.defect(specs[f].name, "an object given as a JSON string")
			return inner
		}
	default: // no object
	}
	in.defect(specs[f].name, fmt.Sprintf("%v, not an object; left empty", kind))
	return nil
}

// part is an object field whose members are fields too.
func (in *reading) part(f field) []byte {
	_, kind := in.value(f)
	raw := in.object(f)
	if kind == isString && raw != nil {
		// Scanned as the only member of an object, it sets its members' spans.
		s := new(scanner)
		s.object(raw, 0, 0, f, false)
		in.parts = append(in.parts, part{first: f + 1, last: specs[f].last, text: raw, found: s})
	}
	return raw
}

// notUTF8Reason says where b stops being UTF-8, if that is in b itself and not
// in what b was taken from.
func notUTF8Reason(b []byte) string {
	for i := 0; i < len(b); {
		r, size := utf8.DecodeRune(b[i:])
		if r == utf8.RuneError && size == 1 {
			return fmt.Sprintf("not UTF-8 at byte %d; read as U+FFFD", i)
		}
		i += size
	}
	return "not UTF-8; read as U+FFFD"
}
