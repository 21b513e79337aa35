package replay_test

import (
	"context"
	"fmt"
	"strings"

	"rootguard/internal/cloudtrail"
	"rootguard/internal/detect"
	"rootguard/internal/replay"
)

// Run hands the records that a filter wants to a function, one after the other and
// in order; the files are read at the same time.
func ExampleRun() {
	log := strings.NewReader(`{"Records": [
		{"eventSource": "ec2.amazonaws.com", "eventName": "DescribeInstances", "eventID": "e-1", "recipientAccountId": "111122223333"},
		{"eventSource": "iam.amazonaws.com", "eventName": "CreateUser", "eventID": "e-2", "recipientAccountId": "111122223333",
		 "userIdentity": {"type": "AssumedRole", "accountId": "111122223333"}, "requestParameters": {"userName": "bob"}}
	]}`)
	var judge detect.Detector
	options := replay.Options{Paths: []string{"-"}, Stdin: log, Filter: detect.Candidate}
	sum, err := replay.Run(context.Background(), options, func(_ context.Context, rec *cloudtrail.Record, _ replay.Place) error {
		if o := judge.Detect(rec, nil); o.Kind == detect.Matched {
			fmt.Println(o.Finding.Severity, o.Finding.ID, o.Finding.Title)
		}
		return nil
	})
	if err != nil {
		fmt.Println("replaying:", err)
		return
	}
	fmt.Println(sum.Records, "records of", sum.Accounts)
	// Output:
	// info user.created IAM user created: bob
	// 2 records of [111122223333]
}
