package cloudtrail

import (
	"bytes"
	"slices"
	"strings"
)

// columnFields are the members of a record and of its userIdentity that Athena
// has as columns and as members of structs, all in lower case (AWS CloudTrail
// User Guide and Amazon Athena User Guide, "Query AWS CloudTrail logs").
var columnFields = lowered(
	"eventVersion", "userIdentity", "eventTime", "eventSource", "eventName", "awsRegion", "sourceIPAddress", "userAgent",
	"errorCode", "errorMessage", "requestParameters", "responseElements", "additionalEventData", "requestID", "eventID",
	"resources", "eventType", "apiVersion", "readOnly", "recipientAccountId", "serviceEventDetails", "sharedEventID",
	"vpcEndpointId", "eventCategory", "managementEvent", "sessionCredentialFromConsole", "addendum", "tlsDetails", "edgeDeviceDetails",
	"type", "principalId", "arn", "accountId", "accessKeyId", "userName", "invokedBy", "sessionContext", "assumedRoot",
	"attributes", "creationDate", "mfaAuthenticated", "sessionIssuer", "reason", "updatedFields", "originalRequestID", "originalEventID",
)

// openColumns are those whose content has names of the service's own, which
// Athena leaves as they are, as text.
var openColumns = []string{"requestParameters", "responseElements", "additionalEventData", "serviceEventDetails"}

func lowered(names ...string) map[string]string {
	m := make(map[string]string, len(names))
	for _, name := range names {
		m[strings.ToLower(name)] = name
	}
	return m
}

// fromColumns makes a record of an object of Athena's columns, as UNLOAD and
// other queries write it: lower-case names, and text where the record has an
// object. It is nil where the object is something else, or lacks a column
// without which a record cannot be judged.
func fromColumns(b []byte) []byte {
	if !bytes.Contains(b, []byte(`"eventname"`)) {
		return nil
	}
	o := fields(b)
	for _, must := range []string{"eventname", "eventsource", "eventtime", "useridentity", "requestparameters", "responseelements"} {
		if _, has := o[must]; !has {
			return nil
		}
	}
	identity := o["useridentity"]
	if len(fields(identity)) == 0 {
		return nil // a struct as text, {type=Root, principalid=…}
	}
	var out bytes.Buffer
	writeColumns(&out, o, 0)
	return out.Bytes()
}

func writeColumns(out *bytes.Buffer, o object, level int) {
	names := make([]string, 0, len(o))
	for name := range o {
		names = append(names, name)
	}
	slices.Sort(names)
	out.WriteByte('{')
	for i, name := range names {
		if i > 0 {
			out.WriteByte(',')
		}
		full, known := columnFields[name]
		if !known {
			full = name
		}
		writeString(out, full)
		out.WriteByte(':')
		writeColumn(out, full, o[name], level)
	}
	out.WriteByte('}')
}

// writeColumn writes one value. Where nothing is known of it, it stays as it is.
func writeColumn(out *bytes.Buffer, name string, value []byte, level int) {
	if text := bytes.TrimSpace(textOf(value)); text != nil {
		switch {
		case len(text) == 0 || string(text) == "null":
			value = []byte("null")
		case string(text) == "true" && name == "readOnly" || string(text) == "true" && name == "managementEvent",
			string(text) == "false" && name == "readOnly" || string(text) == "false" && name == "managementEvent":
			value = text
		case text[0] == '{' && (slices.Contains(openColumns, name) || level == 0):
			var s scanner
			if end := s.skipValue(text, 0, 0); end >= 0 && skipSpace(text, end) == len(text) {
				value = text
			}
		}
	}
	if value[0] == '{' && !slices.Contains(openColumns, name) && level < maxLevels {
		writeColumns(out, fields(value), level+1)
		return
	}
	out.Write(value)
}

// textOf is the text of a JSON string, nil for another value.
func textOf(value []byte) []byte {
	if value[0] != '"' {
		return nil
	}
	return append([]byte{}, unquote(value)...)
}
