package cloudtrail

import (
	"bytes"
	"errors"
	"slices"
)

// NotRead says of a log, or of something in it, that it is known to be something
// else than CloudTrail records that a Reader reads.
type NotRead struct {
	Form string // what it is
	Fix  string // how to get the records; "" where it has none

	weak bool // what else is known of the value says more
}

func (e *NotRead) Error() string {
	if e.Fix == "" {
		return "skipped: " + e.Form + ", not CloudTrail records"
	}
	return "not read: " + e.Form + "; " + e.Fix
}

// HoldsRecords reports whether there may be CloudTrail records in it all the same.
func (e *NotRead) HoldsRecords() bool { return e.Fix != "" }

// The archives. A Reader has one log in one stream: who has many opens them.
var (
	ErrTar = errors.New("it is a tar archive")
	ErrZip = errors.New("it is a zip archive")
)

const (
	toJSON    = "export the records as JSON, or CSV with the record in one column"
	getLake   = "select eventJson in the CloudTrail Lake query, or give the log files of the trail"
	getAthena = "select whole records with all columns of the table (SELECT *, UNLOAD … WITH (format = 'JSON')), or give the log files that the table is made of"
)

// markers are the members by which an object is known that is no record.
var markers = map[string]*NotRead{
	"s3":                 {Form: "S3 event notifications"},
	"s3ObjectKey":        {Form: "CloudTrail's notifications of log files"},
	"HostId":             {Form: "a test notification of S3"},
	"SchemaVersion":      {Form: "findings of GuardDuty or another service"},
	"digestStartTime":    {Form: "a CloudTrail digest"},
	"configurationItems": {Form: "AWS Config's items"}, "configurationItem": {Form: "AWS Config's items"},
	"configSnapshotId": {Form: "AWS Config's items"},
	"webaclId":         {Form: "AWS WAF's logs"},
	"query_name":       {Form: "Route 53 Resolver's query logs"},
	"firewall_name":    {Form: "AWS Network Firewall's logs"},
	"schemaVersion":    {Form: "findings of GuardDuty or another service"},
	"GeneratorId":      {Form: "findings of Security Hub"},
	"class_uid": {Form: "OCSF events, as Security Lake has them",
		Fix: "give the log files of the trail that Security Lake is fed from"},
	"cloudtrail": {Form: "fields of the Elastic Common Schema without event.original",
		Fix: "export event.original (preserve_original_event in the integration), or give the log files of the trail"},
	"aws.cloudtrail": {Form: "fields of the Elastic Common Schema without event.original",
		Fix: "export event.original (preserve_original_event in the integration), or give the log files of the trail"},
	"eventname":       {Form: "columns of an Athena query, not whole records", Fix: getAthena, weak: true},
	"useridentity":    {Form: "columns of an Athena query, not whole records", Fix: getAthena, weak: true},
	"VarCharValue":    {Form: "columns of an Athena query, not whole records", Fix: getAthena, weak: true},
	"QueryResultRows": {Form: "columns of a CloudTrail Lake query, not whole records", Fix: getLake, weak: true},
	"eventName":       {Form: "some columns of records, not whole records", Fix: getLake, weak: true},
	"userIdentity":    {Form: "some columns of records, not whole records", Fix: getLake, weak: true},
	"Event name": {Form: "columns of the console's Event history",
		Fix: "download the events as JSON, or use rootguard replay --aws-lookup"},
}

// otherMessages are what a service sends another one.
var otherMessages = &NotRead{Form: "messages of another AWS service"}

// note reports a form once a log.
func (r *Reader) note(of error) (Entry, bool) {
	r.stats.Other++
	form := of.Error()
	if slices.Contains(r.noted, form) {
		return Entry{}, false
	}
	r.noted = append(r.noted, form)
	return Entry{Index: -1, Err: of, Note: true}, true
}

// magics are how files begin that no Reader reads.
var magics = []struct {
	magic string
	what  NotRead
}{
	{"PAR1", NotRead{Form: "an Apache Parquet file, as CloudTrail Lake, Security Lake and Athena write it", Fix: toJSON}},
	{"Obj\x01", NotRead{Form: "an Apache Avro file", Fix: toJSON}},
	{"ORC", NotRead{Form: "an Apache ORC file", Fix: toJSON}},
	{"\xff\x06\x00\x00sNaPpY", NotRead{Form: "compressed with Snappy", Fix: "unpack it"}},
	{"\x04\x22\x4d\x18", NotRead{Form: "compressed with LZ4", Fix: "unpack it"}},
	{"\xfd7zXZ\x00", NotRead{Form: "compressed with xz", Fix: "unpack it"}},
	{"7z\xbc\xaf\x27\x1c", NotRead{Form: "a 7z archive", Fix: "unpack it"}},
	{"Rar!\x1a", NotRead{Form: "a RAR archive", Fix: "unpack it"}},
	{"%PDF", NotRead{Form: "a PDF document", Fix: toJSON}},
	{"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", NotRead{Form: "a Microsoft Office document", Fix: toJSON}},
	{"SQLite format 3", NotRead{Form: "a SQLite database", Fix: toJSON}},
	{"<?xml", NotRead{Form: "an XML document", Fix: "get the log itself: this may be an error that was saved in its stead"}},
	{"<!DOCTYPE", NotRead{Form: "an HTML page", Fix: "get the log itself: this may be an error that was saved in its stead"}},
	{"<html", NotRead{Form: "an HTML page", Fix: "get the log itself: this may be an error that was saved in its stead"}},
	{"#Version:", NotRead{Form: "CloudFront's or another web server's access log"}},
	{"version account-id interface-id", NotRead{Form: "VPC flow logs"}},
	{"\x89PNG", NotRead{Form: "a picture"}},
	{"\x00asm", NotRead{Form: "a program"}},
	{"\x7fELF", NotRead{Form: "a program"}},
}

// known is what a log is by its first bytes; nil where they do not say.
func known(b []byte) error {
	for i := range magics {
		if bytes.HasPrefix(b, []byte(magics[i].magic)) {
			return &magics[i].what
		}
	}
	line, _, _ := bytes.Cut(b, []byte("\n"))
	fields := bytes.Fields(line)
	switch {
	case bytes.HasPrefix(b, []byte("PK\x03\x04")), bytes.HasPrefix(b, []byte("PK\x05\x06")):
		return ErrZip
	case len(b) > 262 && string(b[257:262]) == "ustar":
		return ErrTar
	case len(fields) > 4 && isAccessLogTime(fields[2]):
		return &NotRead{Form: "an S3 server access log"}
	case len(fields) > 5 && string(fields[0]) == "2" && len(fields[1]) == 12 && bytes.HasPrefix(fields[2], []byte("eni-")):
		return &NotRead{Form: "VPC flow logs"}
	case len(fields) > 10 && (isLoadBalancer(fields[0]) && hasClock(fields[1]) || hasClock(fields[0]) && bytes.IndexByte(fields[2], ':') > 0 &&
		bytes.IndexByte(line, '{') < 0):
		return &NotRead{Form: "an access log of Elastic Load Balancing"}
	default:
		return nil
	}
}

// isAccessLogTime reports whether a word is how the time begins in an access
// log, [04/May/2026:00:00:00.
func isAccessLogTime(word []byte) bool {
	return len(word) == len("[04/May/2026:00:00:00") && word[0] == '[' && word[3] == '/' && word[7] == '/' && hasClock(word)
}

func isLoadBalancer(word []byte) bool {
	switch string(word) {
	case "http", "https", "h2", "grpcs", "ws", "wss", "tls":
		return true
	default:
		return false
	}
}
