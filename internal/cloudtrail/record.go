package cloudtrail

import (
	"encoding/json"
	"time"
)

// Record is one CloudTrail record: the fields rootguard decides on are typed,
// the rest stays raw. Field meanings: AWS CloudTrail User Guide, "CloudTrail
// record contents for management, data, and network activity events".
type Record struct {
	EventVersion       string
	EventID            string    // derived where the log has none, and the original's of a corrected copy, see Decode
	SharedEventID      string    // the same in every account that received a copy
	EventTime          time.Time // zero where it is not known
	EventSource        string
	EventName          string
	EventType          string // AwsApiCall, AwsConsoleSignIn, AwsServiceEvent, …
	Category           Category
	AWSRegion          string
	SourceIPAddress    string
	UserAgent          string
	ErrorCode          string
	ErrorMessage       string
	ReadOnly           Answer
	RecipientAccountID string
	UserIdentity       UserIdentity
	Addendum           Addendum

	// Raw JSON values, nil where absent or null.
	RequestParameters   json.RawMessage
	ResponseElements    json.RawMessage
	AdditionalEventData json.RawMessage
	ServiceEventDetails json.RawMessage

	// Raw is the whole record as it was in the log.
	Raw json.RawMessage
}

// UserIdentity says who made the request (AWS CloudTrail User Guide,
// "CloudTrail userIdentity element").
type UserIdentity struct {
	Type        string // Root, IAMUser, AssumedRole, FederatedUser, AWSService, …
	PrincipalID string // AIDA… of an IAM user, the account ID of root
	ARN         string // absent on failed sign-ins
	AccountID   string
	AccessKeyID string
	UserName    string // of root: the account alias, if there is one
	InvokedBy   string // the AWS service that made the request for the identity
	Session     SessionContext
}

// SessionContext is userIdentity.sessionContext.
type SessionContext struct {
	CreationDate     time.Time // zero where absent; names a console session together with the principal
	MFAAuthenticated Answer
	AssumedRoot      Answer // Yes: a short-term root session made by sts:AssumeRoot
	IssuerType       string // sessionIssuer.type
	IssuerARN        string
	IssuerUserName   string
}

// Addendum says that CloudTrail delivered a record late, or again with more in
// it (AWS CloudTrail User Guide, "CloudTrail record contents for management,
// data, and network activity events", addendum). No member says when it was
// delivered.
type Addendum struct {
	Reason            string // DELIVERY_DELAY, UPDATED_DATA or SERVICE_OUTAGE; "" where the record has no addendum
	UpdatedFields     string // of UPDATED_DATA: the names of the fields, separated by commas
	OriginalRequestID string // of UPDATED_DATA
	OriginalEventID   string // of UPDATED_DATA: the event that the record is a corrected copy of
	CopyID            string // the record's own eventID where it is such a copy
}

// Account is the account the record was delivered to, else the caller's own.
// The two differ for calls across accounts.
func (r *Record) Account() string {
	if r.RecipientAccountID != "" {
		return r.RecipientAccountID
	}
	return r.UserIdentity.AccountID
}

// RootAccount is the account whose root user made the call, of a record of root's.
func (r *Record) RootAccount() string {
	if r.UserIdentity.AccountID != "" {
		return r.UserIdentity.AccountID
	}
	return r.Account()
}

// Defect names a field that was not what CloudTrail documents. The record is
// still used: the field was coerced where that is safe, else left empty.
type Defect struct {
	Field  string `json:"field"`
	Reason string `json:"reason"`
}

// Header is the little of a record that says whether it can matter at all. Its
// fields are unescaped, and valid only until the callee returns.
type Header struct {
	EventSource  []byte
	EventName    []byte
	IdentityType []byte // userIdentity.type
	IssuerType   []byte // userIdentity.sessionContext.sessionIssuer.type
}

// Filter says whether a record with this header is worth decoding. A nil Filter
// lets all through.
type Filter func(Header) bool
