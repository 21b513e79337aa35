package daytwo

import (
	"time"

	"rootguard/internal/drill"
)

// Answers are what an account answered. A nil field was not asked, or not answered.
type Answers struct {
	At time.Time // of the check

	Contact   *Contact
	Policy    *Policy
	Root      *Root
	Central   *Central
	Trails    *Trails
	Budgets   *Budgets
	Analyzers *Analyzers
	S3        *S3
	EBS       *EBS
	Drill     *Drill

	// Unanswered says why a read got no answer: it was denied, or timed out.
	Unanswered map[Read]string
}

// Contact is the account's security contact (AWS Account Management Reference,
// GetAlternateContact).
type Contact struct {
	Set bool // false: ResourceNotFoundException
}

// Policy is the account's password policy for IAM users (IAM API Reference,
// GetAccountPasswordPolicy).
type Policy struct {
	Set       bool // false: NoSuchEntity
	Length    int  // of a password, at least
	Remembers int  // passwords that may not be used again, 0: none
}

// Root is what IAM says of the root user. A nil field was not answered.
type Root struct {
	Password     *bool // AccountPasswordPresent
	MFA          *bool // AccountMFAEnabled
	Certificates *int  // AccountSigningCertificatesPresent
	Virtual      *bool // whether an authenticator app is among its devices; only asked where there is MFA
}

// Central is whether the organization manages root access of its members (IAM API
// Reference, ListOrganizationsFeatures).
type Central struct {
	// Outside says why the account is not the one to ask: it is in no organization, or
	// neither its management account nor the delegated administrator. "": it is.
	Outside     string
	Credentials bool // RootCredentialsManagement
	Sessions    bool // RootSessions
}

// Trails are the account's trails (AWS CloudTrail API Reference).
type Trails struct {
	All []TrailState
}

// TrailState is how one trail is.
type TrailState struct {
	Name    string
	Regions bool   // it logs in all Regions
	Logging bool   // it is on
	Whole   bool   // it takes all management events
	Unknown string // why the two above are not known
}

// Budgets are the account's budgets (AWS Budgets API Reference).
type Budgets struct {
	Count     int
	Emails    int      // notifications to an e-mail address
	Confirmed int      // notifications to a topic that has a confirmed subscription
	Pending   int      // notifications to a topic that has none
	Unknown   []string // why it is not known of a topic
	More      bool     // there are more than were read
}

// Analyzers are those of IAM Access Analyzer for external access (IAM Access Analyzer
// API Reference, ListAnalyzers: types ACCOUNT and ORGANIZATION).
type Analyzers struct {
	Active   []string // names
	Inactive []string // with their status, "name (DISABLED)"
}

// S3 is the account's public access block (Amazon S3 API Reference,
// GetPublicAccessBlock); off where there is none.
type S3 struct {
	BlockPublicACLs, IgnorePublicACLs, BlockPublicPolicy, RestrictPublicBuckets bool
}

// EBS is whether new volumes are encrypted, in one Region (Amazon EC2 API Reference,
// GetEbsEncryptionByDefault).
type EBS struct {
	Region  string
	Default bool
}

// Drill is the last drill on record, and what is expected.
type Drill struct {
	Policy drill.Policy
	Last   drill.Last
}

// Missed notes that a read got no answer, and why.
func (a *Answers) Missed(r Read, why string) {
	if a.Unanswered == nil {
		a.Unanswered = map[Read]string{}
	}
	a.Unanswered[r] = why
}
