package lambdahandler

import (
	"testing"

	"rootguard/internal/bootstrap"
	"rootguard/internal/cloudtrail"
	"rootguard/internal/detect"
)

// TestOtherCategories holds that events which are no calls are neither malformed
// nor judged where they come through EventBridge, and that the call beside is.
func TestOtherCategories(t *testing.T) {
	t.Parallel()
	const call = `"eventVersion":"1.11","eventID":"e","eventTime":"2026-05-04T09:00:00Z","userIdentity":{"type":"Root","principalId":"1","arn":"arn:aws:iam::111122223333:root","accountId":"111122223333"},"eventSource":"iam.amazonaws.com","eventName":"CreateUser","requestParameters":{"userName":"x"},"recipientAccountId":"111122223333"`
	for name, tt := range map[string]struct {
		event  string
		isCall bool
	}{
		"insight":          {`{"id":"1","detail-type":"AWS Insight via CloudTrail","source":"aws.cloudtrail","detail":{"eventVersion":"1.09","eventTime":"2026-05-04T09:00:00Z","eventID":"e","eventType":"AwsCloudTrailInsight","recipientAccountId":"111122223333","insightDetails":{"eventSource":"iam.amazonaws.com","eventName":"CreateUser"},"eventCategory":"Insight"}}`, false},
		"network activity": {`{"id":"1","detail-type":"AWS API Call via CloudTrail","source":"aws.iam","detail":{` + call + `,"eventType":"AwsVpceEvent","eventCategory":"NetworkActivity"}}`, false},
		"call":             {`{"id":"1","detail-type":"AWS API Call via CloudTrail","source":"aws.iam","detail":{` + call + `,"eventType":"AwsApiCall","eventCategory":"Management"}}`, true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			ev, err := Unwrap([]byte(tt.event))
			if err != nil {
				t.Fatal(err)
			}
			rec, defects, err := ev.Record()
			if err != nil || len(defects) > 0 {
				t.Fatalf("defects %v, error %v", defects, err)
			}
			kind, facts := new(detect.Detector).Detect(&rec, nil).Kind, bootstrap.FactsOf(&rec)
			if rec.Category.IsCall() != tt.isCall || (kind == detect.Matched) != tt.isCall || (len(facts) > 0) != tt.isCall {
				t.Errorf("category %v, outcome %v, %d facts", rec.Category, kind, len(facts))
			}
		})
	}
	if (cloudtrail.Category(0)) != cloudtrail.Management {
		t.Error("a record that does not say is not judged")
	}
}
