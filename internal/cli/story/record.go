package story

import (
	"crypto/sha256"
	"encoding/hex"
	"strconv"
	"time"
)

// record is a CloudTrail record with the fields in the order in which
// CloudTrail writes them.
type record struct {
	EventVersion        string         `json:"eventVersion"`
	UserIdentity        identity       `json:"userIdentity"`
	EventTime           time.Time      `json:"eventTime"`
	EventSource         string         `json:"eventSource"`
	EventName           string         `json:"eventName"`
	AWSRegion           string         `json:"awsRegion"`
	SourceIPAddress     string         `json:"sourceIPAddress"`
	UserAgent           string         `json:"userAgent"`
	ErrorCode           string         `json:"errorCode,omitempty"`
	ErrorMessage        string         `json:"errorMessage,omitempty"`
	RequestParameters   any            `json:"requestParameters"`
	ResponseElements    any            `json:"responseElements"`
	AdditionalEventData map[string]any `json:"additionalEventData,omitempty"`
	RequestID           string         `json:"requestID,omitempty"`
	EventID             string         `json:"eventID"`
	ReadOnly            bool           `json:"readOnly"`
	EventType           string         `json:"eventType"`
	ManagementEvent     bool           `json:"managementEvent"`
	RecipientAccountID  string         `json:"recipientAccountId"`
	ServiceEventDetails any            `json:"serviceEventDetails,omitempty"`
	EventCategory       string         `json:"eventCategory"`
	TLSDetails          *tlsDetails    `json:"tlsDetails,omitempty"`
	SessionFromConsole  string         `json:"sessionCredentialFromConsole,omitempty"`
}

type identity struct {
	Type           string   `json:"type"`
	PrincipalID    string   `json:"principalId,omitempty"`
	ARN            string   `json:"arn,omitempty"`
	AccountID      string   `json:"accountId,omitempty"`
	AccessKeyID    string   `json:"accessKeyId,omitempty"`
	UserName       string   `json:"userName,omitempty"`
	SessionContext *session `json:"sessionContext,omitempty"`
	InvokedBy      string   `json:"invokedBy,omitempty"`
}

type session struct {
	SessionIssuer *issuer           `json:"sessionIssuer,omitempty"`
	Attributes    sessionAttributes `json:"attributes"`
}

type issuer struct {
	Type        string `json:"type"`
	PrincipalID string `json:"principalId"`
	ARN         string `json:"arn"`
	AccountID   string `json:"accountId"`
	UserName    string `json:"userName"`
}

type sessionAttributes struct {
	CreationDate     time.Time `json:"creationDate"`
	MFAAuthenticated string    `json:"mfaAuthenticated"`
}

type tlsDetails struct {
	TLSVersion               string `json:"tlsVersion"`
	CipherSuite              string `json:"cipherSuite"`
	ClientProvidedHostHeader string `json:"clientProvidedHostHeader"`
}

// params are requestParameters or responseElements.
type params map[string]any

// uuid is a version 4 UUID that depends on its seeds alone, so that the story
// is the same on every run.
func uuid(kind string, n int) string {
	sum := sha256.Sum256([]byte("rootguard story " + kind + " " + strconv.Itoa(n)))
	sum[6] = sum[6]&0x0f | 0x40
	sum[8] = sum[8]&0x3f | 0x80
	h := hex.EncodeToString(sum[:16])
	return h[:8] + "-" + h[8:12] + "-" + h[12:16] + "-" + h[16:20] + "-" + h[20:]
}

// date is how IAM writes dates in responseElements.
func date(at time.Time) string { return at.Format("Jan 2, 2006 3:04:05 PM") }
