package cloudtrail

import (
	"encoding/json"
	"strings"
)

// object is a JSON object whose values are still raw.
type object map[string]json.RawMessage

// fields reads an object, also one given as a JSON string; anything else has no fields.
func fields(raw json.RawMessage) object {
	if len(raw) == 0 {
		return nil
	}
	var o object
	if json.Unmarshal(raw, &o) == nil {
		return o
	}
	var s string
	if json.Unmarshal(raw, &s) == nil && json.Unmarshal([]byte(s), &o) == nil {
		return o
	}
	return nil
}

// str is a string field; "" where it is absent or not a string.
func (o object) str(name string) string {
	var s string
	_ = json.Unmarshal(o[name], &s)
	return s
}

// answer is a boolean field, also one given as a string in any case ("Yes", "true").
func (o object) answer(name string) Answer {
	var b bool
	if json.Unmarshal(o[name], &b) == nil && len(o[name]) > 0 && string(o[name]) != "null" {
		if b {
			return Yes
		}
		return No
	}
	switch strings.ToLower(o.str(name)) {
	case "yes", "true":
		return Yes
	case "no", "false":
		return No
	default:
		return Unknown
	}
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
