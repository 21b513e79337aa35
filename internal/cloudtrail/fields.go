package cloudtrail

import "encoding/json"

// object is a JSON object whose values are still raw.
type object map[string]json.RawMessage

// fields reads an object, also one given as a JSON string; anything else has no
// fields. They share memory with raw.
func fields(raw json.RawMessage) object {
	b := raw[skipSpace(raw, 0):]
	if len(b) > 0 && b[0] == '"' {
		end, _ := skipString(b, 1)
		if end < 0 || skipSpace(b, end) != len(b) {
			return nil
		}
		b = unquote(b[:end])
		b = b[skipSpace(b, 0):]
	}
	var s scanner
	if len(b) == 0 || b[0] != '{' {
		return nil
	}
	if end := s.skipValue(b, 0, 0); end < 0 || skipSpace(b, end) != len(b) {
		return nil
	}
	o := object{}
	for i := skipSpace(b, 1); b[i] != '}'; {
		keyEnd, flags := skipString(b, i+1)
		key := b[i+1 : keyEnd-1]
		if flags != 0 {
			key = appendText(nil, key)
		}
		i = skipSpace(b, skipColon(b, keyEnd))
		end := s.skipValue(b, i, 1)
		o[string(key)] = b[i:end:end]
		if i = skipSpace(b, end); b[i] == ',' {
			i = skipSpace(b, i+1)
		}
	}
	return o
}

// str is a string field; "" where it is absent or not a string.
func (o object) str(name string) string {
	raw := o[name]
	if len(raw) == 0 || raw[0] != '"' {
		return ""
	}
	return unquoteString(raw)
}

// answer is a boolean field, also one given as a string in any case ("Yes", "true").
func (o object) answer(name string) Answer {
	raw := o[name]
	if len(raw) > 0 && kindOf[raw[0]] == isBool {
		return answerOf(string(raw))
	}
	return answerOf(o.str(name))
}

// Request is a string in requestParameters, "" where absent.
func (r *Record) Request(name string) string { return fields(r.RequestParameters).str(name) }

// MFAUsed is additionalEventData.MFAUsed of a sign-in. It means something only
// on a successful sign-in of root or of an IAM user.
func (r *Record) MFAUsed() Answer { return fields(r.AdditionalEventData).answer("MFAUsed") }

// response is a string in responseElements.
func (r *Record) response(name string) string { return fields(r.ResponseElements).str(name) }

// Succeeded reports whether responseElements says name was a Success, as
// sign-in records do ({"ConsoleLogin":"Success"}).
func (r *Record) Succeeded(name string) bool { return r.response(name) == "Success" }
