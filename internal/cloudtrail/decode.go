package cloudtrail

import (
	"encoding/json"
	"fmt"
	"time"
)

// Decode reads one record.
func Decode(raw []byte) (Record, []Defect, error) {
	var o object
	if err := json.Unmarshal(raw, &o); err != nil {
		return Record{}, nil, fmt.Errorf("decoding record: %w", err)
	}
	ui := fields(o["userIdentity"])
	sc := fields(ui["sessionContext"])
	at := fields(sc["attributes"])
	si := fields(sc["sessionIssuer"])
	r := Record{
		EventVersion: o.str("eventVersion"), EventID: o.str("eventID"), SharedEventID: o.str("sharedEventID"),
		EventSource: o.str("eventSource"), EventName: o.str("eventName"), EventType: o.str("eventType"),
		AWSRegion: o.str("awsRegion"), SourceIPAddress: o.str("sourceIPAddress"), UserAgent: o.str("userAgent"),
		ErrorCode: o.str("errorCode"), ErrorMessage: o.str("errorMessage"), ReadOnly: o.answer("readOnly"),
		RecipientAccountID: o.str("recipientAccountId"),
		UserIdentity: UserIdentity{Type: ui.str("type"), PrincipalID: ui.str("principalId"), ARN: ui.str("arn"),
			AccountID: ui.str("accountId"), AccessKeyID: ui.str("accessKeyId"), UserName: ui.str("userName"), InvokedBy: ui.str("invokedBy"),
			Session: SessionContext{MFAAuthenticated: at.answer("mfaAuthenticated"), AssumedRoot: sc.answer("assumedRoot"),
				IssuerType: si.str("type"), IssuerARN: si.str("arn"), IssuerUserName: si.str("userName")}},
		RequestParameters: o["requestParameters"], ResponseElements: o["responseElements"],
		AdditionalEventData: o["additionalEventData"], ServiceEventDetails: o["serviceEventDetails"],
		Raw: raw,
	}
	r.EventTime, _ = time.Parse(time.RFC3339, o.str("eventTime"))
	r.UserIdentity.Session.CreationDate, _ = time.Parse(time.RFC3339, at.str("creationDate"))
	return r, nil, nil
}
