package lambdahandler

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"rootguard/internal/cloudtrail"
	"rootguard/internal/eventrules"
)

// Event is what EventBridge delivered.
type Event struct {
	ID         string
	DetailType string
	Detail     json.RawMessage // the CloudTrail record; nil of a schedule
	Scheduled  bool            // a schedule's, which only asks what is due
	Time       time.Time       // of a schedule's: when it was due; zero where it does not say
	Heartbeat  string          // ID of a recorded heartbeat; "" of any other event
}

// envelope is an EventBridge event (EventBridge User Guide, "Events"). Where
// Lambda gave up on one, requestPayload has it (AWS Lambda Developer Guide,
// "Capturing records of Lambda asynchronous invocations").
type envelope struct {
	ID             string          `json:"id"`
	DetailType     string          `json:"detail-type"`
	Source         string          `json:"source"`
	Time           json.RawMessage `json:"time"`
	Detail         json.RawMessage `json:"detail"`
	RequestPayload json.RawMessage `json:"requestPayload"`
}

// Unwrap reads an event, also one in the record that Lambda makes of a failed
// invocation, so that what waits in a queue of failures can be handed back as
// it is. The error says what is wrong with it.
func Unwrap(payload []byte) (Event, error) {
	var e envelope
	if err := json.Unmarshal(payload, &e); err != nil {
		return Event{}, fmt.Errorf("reading event: it is no JSON object of EventBridge: %w", err)
	}
	if e.DetailType == "" && present(e.RequestPayload) {
		inner := e.RequestPayload
		e = envelope{}
		if err := json.Unmarshal(inner, &e); err != nil {
			return Event{}, fmt.Errorf("reading event in the record of a failed invocation: %w", err)
		}
	}
	ev := Event{ID: e.ID, DetailType: e.DetailType, Detail: e.Detail}
	switch {
	case e.DetailType == "":
		return Event{}, errors.New("reading event: it has no detail-type, so it is not from EventBridge")
	case e.DetailType == "Scheduled Event" && e.Source == "aws.events":
		ev.Scheduled, ev.Detail = true, nil
		if json.Unmarshal(e.Time, &ev.Time) != nil {
			ev.Time = time.Time{} // the clock will do
		}
	case !strings.HasSuffix(e.DetailType, " via CloudTrail"):
		return Event{}, fmt.Errorf("reading event %s: its detail-type is %.80q, which is no event of CloudTrail", e.ID, e.DetailType)
	case !present(e.Detail):
		return Event{}, fmt.Errorf("reading event %s: it has no detail, which would be the CloudTrail record", e.ID)
	case e.Source == "aws.iam":
		ev.Heartbeat = heartbeatIn(e.Detail)
	}
	return ev, nil
}

// maxHeartbeat is more than the ID of a heartbeat has.
const maxHeartbeat = 64

// heartbeatIn is the ID of a recorded heartbeat, "" where the record is none. It is
// one only of a role that tags itself, as eventrules.Heartbeats lets through, so
// that no call of root or of an operator is taken for one.
func heartbeatIn(detail []byte) string {
	var rec struct {
		EventSource, EventName, ErrorCode string
		UserIdentity                      struct {
			Type           string
			SessionContext struct{ SessionIssuer struct{ UserName string } }
		}
		RequestParameters struct {
			RoleName string
			Tags     []struct{ Key, Value string }
		}
	}
	if !bytes.Contains(detail, []byte("TagRole")) || json.Unmarshal(detail, &rec) != nil {
		return ""
	}
	self := rec.UserIdentity.Type == "AssumedRole" && rec.RequestParameters.RoleName != "" &&
		rec.UserIdentity.SessionContext.SessionIssuer.UserName == rec.RequestParameters.RoleName
	if rec.EventSource != "iam.amazonaws.com" || rec.EventName != "TagRole" || rec.ErrorCode != "" || !self {
		return ""
	}
	for _, tag := range rec.RequestParameters.Tags {
		if tag.Key == eventrules.HeartbeatTag && tag.Value != "" && len(tag.Value) <= maxHeartbeat {
			return tag.Value
		}
	}
	return ""
}

// Record reads the CloudTrail record of an event that is no schedule's and no heartbeat.
func (e *Event) Record() (cloudtrail.Record, []cloudtrail.Defect, error) {
	rec, defects, err := cloudtrail.Decode(e.Detail)
	if err == nil && rec.EventVersion == "" && rec.EventSource == "" && rec.EventName == "" &&
		rec.UserIdentity == (cloudtrail.UserIdentity{}) {
		err = cloudtrail.ErrNoRecord
	}
	if err != nil {
		return cloudtrail.Record{}, nil, fmt.Errorf("reading event %s (%s): %w", e.ID, e.DetailType, err)
	}
	return rec, defects, nil
}

func present(raw json.RawMessage) bool { return len(raw) > 0 && !bytes.Equal(raw, []byte("null")) }

// ScheduleEvent is the event of a schedule that is due at a time, for anyone who
// calls a function in its stead.
func ScheduleEvent(at time.Time) []byte {
	return fmt.Appendf(nil, `{"detail-type":"Scheduled Event","source":"aws.events","time":%q,"detail":{}}`, at.UTC().Format(time.RFC3339))
}
