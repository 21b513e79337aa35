package detect

import (
	"fmt"
	"time"

	"rootguard/internal/cloudtrail"
)

// ID names a kind of finding. IDs are part of the alert schema: never reused,
// never renamed. Each is with its row of the catalogue, beside the rules that
// make it: root.go, user.go, calls.go and guard.go.
type ID string

// Severity orders findings.
type Severity uint8

// The severities, lowest first.
const (
	Info Severity = iota
	Low
	Medium
	High
	Critical
)

var severityNames = [...]string{"info", "low", "medium", "high", "critical"}

func (s Severity) String() string {
	if int(s) < len(severityNames) {
		return severityNames[s]
	}
	return fmt.Sprintf("severity(%d)", uint8(s))
}

// MarshalText makes a Severity read "critical" in JSON.
func (s Severity) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

// UnmarshalText reads a severity's name.
func (s *Severity) UnmarshalText(text []byte) error {
	for i, name := range severityNames {
		if name == string(text) {
			*s = Severity(i)
			return nil
		}
	}
	return fmt.Errorf("unknown severity %q (info, low, medium, high, critical)", text)
}

// Actor is who did it.
type Actor struct {
	Type        string `json:"type"`           // userIdentity.type
	Name        string `json:"name,omitempty"` // user name, role session or service; "root" for root
	ARN         string `json:"arn,omitempty"`
	PrincipalID string `json:"principal_id,omitempty"`
	AccessKeyID string `json:"access_key_id,omitempty"`
}

// Target is the IAM user a user.* finding is about. Resource is what else was
// acted on: one of rootguard's own resources, a group ("group ops"), an MFA
// device's serial number, an access key, a member account ("account 123456789012").
type Target struct {
	UserName string `json:"user_name,omitempty"`
	UserID   string `json:"user_id,omitempty"` // AIDA…, where the record says it
	Resource string `json:"resource,omitempty"`
}

// MFADue says when a user without MFA was to have it, and how far that has come.
type MFADue struct {
	At        time.Time `json:"at"`                  // the deadline
	Reminder  int       `json:"reminder,omitempty"`  // which of the Reminders it is, of a reminder
	Reminders int       `json:"reminders,omitempty"` // the last of them is critical
}

// Finding is one thing a person must know. It is complete: an alert needs nothing else.
type Finding struct {
	ID       ID       `json:"id"`
	Severity Severity `json:"severity"`
	Title    string   `json:"title"` // of this occurrence, e.g. "Root sign-in WITHOUT MFA"; no account in it
	Detail   string   `json:"detail,omitempty"`

	// Also names the further findings that the same record matches; ID is the most specific.
	Also []ID `json:"also,omitempty"`

	// OfNewVersion is true of a call on a part of rootguard that CloudFormation makes for
	// a new version: it removes and disables nothing, and leaves the receivers as they are.
	// It is for the guard, and not published.
	OfNewVersion bool `json:"-"`

	Account     string    `json:"account"`
	Region      string    `json:"region,omitempty"`
	EventTime   time.Time `json:"event_time,omitzero"` // zero where it is not known
	EventID     string    `json:"event_id"`            // unique; where rootguard made it, nothing is to be read from it
	EventSource string    `json:"event_source,omitempty"`
	EventName   string    `json:"event_name,omitempty"`
	ErrorCode   string    `json:"error_code,omitempty"` // a denied or failed attempt
	SourceIP    string    `json:"source_ip,omitempty"`
	UserAgent   string    `json:"user_agent,omitempty"`

	Actor  Actor  `json:"actor"`
	Target Target `json:"target,omitzero"`

	// Subject is set where rootguard itself made the finding.
	Subject Subject `json:"subject,omitzero"`

	// MFADue is of what is about an IAM user without MFA.
	MFADue MFADue `json:"mfa_due,omitzero"`

	// MFA is whether MFA was used: of a sign-in by the sign-in, of a call by the
	// session that made it.
	MFA cloudtrail.Answer `json:"mfa"`

	// Session names the session the record belongs to (see SessionOf): repeats in it are rolled up.
	Session string `json:"session,omitempty"`

	// Announced is set where root was at work and someone had announced it.
	Announced *Announced `json:"announced,omitempty"`

	CIS      []string `json:"cis,omitempty"`    // CIS AWS Foundations Benchmark controls
	ATTACK   []string `json:"attack,omitempty"` // MITRE ATT&CK technique ids
	NextStep string   `json:"next_step"`        // one sentence of runbook
}

// Kind is what became of a record.
type Kind uint8

// The kinds of outcome.
const (
	Skipped    Kind = iota // not a record any rule checks
	NotMatched             // a rule checked and ignored it, Reason says why
	Matched                // Finding is set
)

func (k Kind) String() string {
	switch k {
	case Matched:
		return "matched"
	case NotMatched:
		return "not_matched"
	default:
		return "skipped"
	}
}

// Outcome is the verdict on one record.
type Outcome struct {
	Kind    Kind
	Finding Finding // of a Matched outcome
	Reason  string  // of a NotMatched or Skipped outcome: why, for people
}
