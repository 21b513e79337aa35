package guard_test

import (
	"rootguard/internal/wiretest"

	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"rootguard/internal/cloudtrail"
	"rootguard/internal/detect"
	"rootguard/internal/fake"
	"rootguard/internal/wire"
)

// stacks is a guard.Deployments.
type stacks struct {
	stack string
	err   error
	asked int
}

func (s *stacks) Covers(_ context.Context, f detect.Finding) (string, bool, error) {
	s.asked++
	return s.stack, s.stack != "" && f.Target.Resource == "rootguard-rootactivity", s.err
}

// TestCloudFormationIsNoDiscount holds that a change by CloudFormation is critical
// unless CloudFormation says that a stack of rootguard's made it.
func TestCloudFormationIsNoDiscount(t *testing.T) {
	record := func(function, address, more string) string {
		return `{"eventVersion": "1.10", "eventTime": "2025-03-01T12:00:00Z", "eventSource": "lambda.amazonaws.com", "eventName": "UpdateFunctionCode20150331v2", "awsRegion": "us-east-1",
			"sourceIPAddress": "` + address + `", "requestParameters": {"functionName": "` + function + `"}, "eventID": "e-1", "eventType": "AwsApiCall", "recipientAccountId": "111122223333"` + more + `,
			"userIdentity": {"type": "AssumedRole", "principalId": "AROA:me", "arn": "arn:aws:sts::111122223333:assumed-role/Admin/me", "accountId": "111122223333"}}`
	}
	const own, cloudFormation = "rootguard-rootactivity", "cloudformation.amazonaws.com"
	for name, tc := range map[string]struct {
		record   string
		stacks   *stacks
		severity detect.Severity
		says     string
		asked    int
	}{
		"a deployment":              {record(own, cloudFormation, ""), &stacks{stack: "rootguard"}, detect.Medium, "rootguard was deployed by Admin/me: the stack rootguard made this change.", 1},
		"another's stack":           {record("rootguard-sweep", cloudFormation, ""), &stacks{stack: "rootguard"}, detect.Critical, "No stack of rootguard's made this change.", 1},
		"no answer":                 {record(own, cloudFormation, ""), &stacks{err: errors.New("denied")}, detect.Critical, "could not be checked", 1},
		"a person":                  {record(own, "198.51.100.7", ""), &stacks{stack: "rootguard"}, detect.Critical, "The function runs other code now.", 0},
		"a deployment that may not": {record(own, cloudFormation, `, "errorCode": "AccessDenied"`), &stacks{stack: "rootguard"}, detect.High, "denied", 0},
		"nobody to ask":             {record(own, cloudFormation, ""), nil, detect.Critical, "for a stack that the record does not name", 0},
	} {
		t.Run(name, func(t *testing.T) {
			clock := fake.NewClock(time.Date(2025, 3, 1, 12, 0, 5, 0, time.UTC))
			deps := wire.Deps{Detector: new(detect.Detector), Ledger: &fake.Ledger{}, Facts: &fake.Facts{}, Publisher: &fake.Publisher{}, Now: clock.Now}
			if tc.stacks != nil {
				deps.Deployments = tc.stacks
			}
			rec, _, err := cloudtrail.Decode([]byte(tc.record))
			if err != nil {
				t.Fatal(err)
			}
			res, err := wiretest.NewParts(deps, wire.Settings{}).Handle(t.Context(), &rec)
			if err != nil {
				t.Fatal(err)
			}
			f := res.Outcome.Finding
			if f.ID != detect.GuardTampered || f.Severity != tc.severity || !strings.Contains(f.Detail, tc.says) {
				t.Errorf("%s %s: %s", f.ID, f.Severity, f.Detail)
			}
			if tc.stacks != nil && tc.stacks.asked != tc.asked {
				t.Errorf("asked %d times, want %d", tc.stacks.asked, tc.asked)
			}
		})
	}
}

// TestDeploymentCutsOff holds that a deployment of rootguard's own stack which removes
// or disables what alerts come by stays critical, and one that replaces code does not.
func TestDeploymentCutsOff(t *testing.T) {
	const topic = "arn:aws:sns:us-east-1:111122223333:rootguard-Topic"
	for call, tc := range map[string]struct {
		parameters string
		severity   detect.Severity
	}{
		"events DisableRule":                 {`{"name": "rootguard-rootactivity"}`, detect.Critical},
		"events DeleteRule":                  {`{"name": "rootguard-rootactivity"}`, detect.Critical},
		"events RemoveTargets":               {`{"rule": "rootguard-rootactivity", "ids": ["1"]}`, detect.Critical},
		"events PutRule":                     {`{"name": "rootguard-rootactivity", "state": "DISABLED"}`, detect.Critical},
		"events PutTargets":                  {`{"rule": "rootguard-rootactivity"}`, detect.Medium},
		"sns Unsubscribe":                    {`{"subscriptionArn": "` + topic + `:1"}`, detect.Critical},
		"sns DeleteTopic":                    {`{"topicArn": "` + topic + `"}`, detect.Critical},
		"sns SetTopicAttributes":             {`{"topicArn": "` + topic + `"}`, detect.Medium},
		"lambda UpdateFunctionConfiguration": {`{"functionName": "rootguard-rootactivity"}`, detect.Medium},
		"lambda RemovePermission20150331v2":  {`{"functionName": "rootguard-rootactivity"}`, detect.Medium},
		"dynamodb DeleteTable":               {`{"tableName": "rootguard-Table"}`, detect.Critical},
		"cloudtrail StopLogging":             {`{"name": "rootguard-trail"}`, detect.Critical},
		"kms DeleteAlias":                    {`{"aliasName": "alias/rootguard-topics"}`, detect.Critical},
	} {
		t.Run(call, func(t *testing.T) {
			source, name, _ := strings.Cut(call, " ")
			rec, _, err := cloudtrail.Decode([]byte(`{"eventVersion": "1.10", "eventTime": "2025-03-01T12:00:00Z", "eventSource": "` + source + `.amazonaws.com", "eventName": "` + name + `",
				"awsRegion": "us-east-1", "sourceIPAddress": "cloudformation.amazonaws.com", "requestParameters": ` + tc.parameters + `, "eventID": "e-1", "eventType": "AwsApiCall",
				"recipientAccountId": "111122223333", "userIdentity": {"type": "AssumedRole", "principalId": "AROA:me", "arn": "arn:aws:sts::111122223333:assumed-role/Admin/me", "accountId": "111122223333"}}`))
			if err != nil {
				t.Fatal(err)
			}
			clock := fake.NewClock(time.Date(2025, 3, 1, 12, 0, 5, 0, time.UTC))
			deps := wire.Deps{Detector: new(detect.Detector), Ledger: &fake.Ledger{}, Facts: &fake.Facts{}, Publisher: &fake.Publisher{}, Now: clock.Now, Deployments: ownStack{}}
			res, err := wiretest.NewParts(deps, wire.Settings{}).Handle(t.Context(), &rec)
			if err != nil {
				t.Fatal(err)
			}
			f := res.Outcome.Finding
			if f.ID != detect.GuardTampered || f.Severity != tc.severity || !strings.Contains(f.Detail, "the stack rootguard") && !strings.Contains(f.Detail, "The stack rootguard") {
				t.Errorf("%s %s, want %s: %s", f.ID, f.Severity, tc.severity, f.Detail)
			}
		})
	}
}

// ownStack is a guard.Deployments whose stack made every change.
type ownStack struct{}

func (ownStack) Covers(context.Context, detect.Finding) (string, bool, error) {
	return "rootguard", true, nil
}
