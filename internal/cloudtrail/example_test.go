package cloudtrail_test

import (
	"errors"
	"fmt"
	"io"
	"strings"

	"rootguard/internal/cloudtrail"
)

// A reader returns what its filter wants, record by record, and what it cannot read
// as an entry of its own: one record never stops the rest.
func ExampleReader() {
	log := strings.NewReader(`{"Records": [
		{"eventVersion": "1.11", "eventTime": "2026-01-02T03:04:05Z", "awsRegion": "us-east-1", "eventType": "AwsApiCall", "recipientAccountId": "111122223333",
		 "eventSource": "ec2.amazonaws.com", "eventName": "DescribeInstances", "eventID": "e-1", "userIdentity": {"type": "AWSService"}},
		{"eventVersion": "1.11", "eventTime": "2026-01-02T03:04:06Z", "awsRegion": "us-east-1", "eventType": "AwsConsoleSignIn", "recipientAccountId": "111122223333",
		 "eventSource": "signin.amazonaws.com", "eventName": "ConsoleLogin", "eventID": "e-2", "userIdentity": {"type": "Root", "accountId": "111122223333"},
		 "additionalEventData": {"MFAUsed": "No"}},
		"not a record"
	]}`)
	signIns := func(h cloudtrail.Header) bool { return string(h.EventName) == "ConsoleLogin" }
	r := cloudtrail.NewReader(log, signIns)
	for {
		entry, err := r.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			fmt.Println("reading the log:", err)
			return
		}
		if entry.Lost {
			fmt.Println("record", entry.Index, "could not be read")
			continue
		}
		fmt.Println(entry.Record.UserIdentity.Type, entry.Record.EventName, "MFA:", entry.Record.MFAUsed())
	}
	fmt.Println(r.Stats().Records, "records")
	// Output:
	// Root ConsoleLogin MFA: no
	// record 2 could not be read
	// 3 records
}
