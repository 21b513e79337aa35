package eventpattern

import (
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	"rootguard/internal/cloudtrail"
)

// requestLimit is the size of requestParameters, in bytes, above which
// CloudTrail omits them from what it hands to EventBridge.
const requestLimit = 100 << 10

// Envelope is a record as EventBridge would deliver it to the default bus
// (EventBridge User Guide, "AWS service events delivered via AWS CloudTrail"):
// without eventContext, and without requestParameters over 100 KB. The event's
// own id is derived from the record; EventBridge makes a random one. It fails
// where the record has no eventSource or is not a JSON object.
func Envelope(rec *cloudtrail.Record) ([]byte, error) {
	if rec.EventSource == "" {
		return nil, errors.New("making an event: the record has no eventSource")
	}
	var detail map[string]json.RawMessage
	if err := json.Unmarshal(rec.Raw, &detail); err != nil {
		return nil, fmt.Errorf("making an event: %w", err)
	}
	delete(detail, "eventContext")
	if len(detail["requestParameters"]) > requestLimit {
		delete(detail, "requestParameters")
	}
	sum := sha256.Sum256(rec.Raw)
	event, err := json.Marshal(struct {
		Version    string                     `json:"version"`
		ID         string                     `json:"id"`
		DetailType string                     `json:"detail-type"`
		Source     string                     `json:"source"`
		Account    string                     `json:"account"`
		Time       string                     `json:"time"`
		Region     string                     `json:"region"`
		Resources  []string                   `json:"resources"`
		Detail     map[string]json.RawMessage `json:"detail"`
	}{
		Version:    "0",
		ID:         fmt.Sprintf("%x-%x-%x-%x-%x", sum[0:4], sum[4:6], sum[6:8], sum[8:10], sum[10:16]),
		DetailType: detailType(rec),
		Source:     source(rec.EventSource),
		Account:    rec.Account(),
		Time:       rec.EventTime.UTC().Format("2006-01-02T15:04:05Z"),
		Region:     rec.AWSRegion,
		Resources:  []string{},
		Detail:     detail,
	})
	if err != nil {
		return nil, fmt.Errorf("making an event: %w", err)
	}
	return event, nil
}

// The detail-types of events that come by way of CloudTrail. Sign-ins are
// spelled in two ways in AWS's own documents.
const (
	APICall       = "AWS API Call via CloudTrail"
	ConsoleSignIn = "AWS Console Sign In via CloudTrail"
	ConsoleSignin = "AWS Console Signin via CloudTrail"
	ConsoleAction = "AWS Console Action via CloudTrail"
	ServiceEvent  = "AWS Service Event via CloudTrail"
	insight       = "AWS Insight via CloudTrail"
)

// detailType follows from eventType. Records from before eventType existed are
// calls, but for sign-ins.
func detailType(rec *cloudtrail.Record) string {
	switch rec.EventType {
	case "AwsConsoleSignIn":
		return ConsoleSignIn
	case "AwsServiceEvent":
		return ServiceEvent
	case "AwsConsoleAction":
		return ConsoleAction
	case "AwsCloudTrailInsight":
		return insight
	}
	if rec.EventType == "" && rec.EventSource == cloudtrail.SigninSource {
		return ConsoleSignIn
	}
	return APICall
}

// source is "aws.iam" for "iam.amazonaws.com".
func source(eventSource string) string {
	for _, domain := range []string{".amazonaws.com", ".amazon.com", ".aws.internal"} {
		if name, ok := strings.CutSuffix(eventSource, domain); ok {
			return "aws." + name
		}
	}
	return "aws." + eventSource
}
