package accountcheck

import (
	"context"
	"time"

	"rootguard/internal/bootstrap"
)

// Roots asks IAM for the status of the root user of an account.
type Roots interface {
	AccountSummary(ctx context.Context, account string) (bootstrap.LiveFact, error)
}

// Forwarders reports the queues of an account in which events wait that could
// not be sent to the guard, one in each Region.
type Forwarders interface {
	// Undelivered returns what is wrong with them, nothing where all are empty,
	// and an error that names those that gave no answer.
	Undelivered(ctx context.Context, account string) ([]Undelivered, error)
}

// Undelivered is a queue that is not as it should be.
type Undelivered struct {
	Region string
	Queue  string // URL
	Events int    // about how many wait; 0: there is no queue, and such events are lost
}

// Users asks IAM about the users of an account. There are at most 5,000 (IAM
// User Guide, "IAM and AWS STS quotas").
type Users interface {
	// User is how a user of the account is now.
	User(ctx context.Context, account, name string) (bootstrap.LiveFact, error)
	// Users are all there are, in any order.
	Users(ctx context.Context, account string) ([]ListedUser, error)
}

// ListedUser is a user that IAM lists.
type ListedUser struct {
	Name, ID string
	Created  time.Time // to the second
}

// CredentialReports asks IAM for the credential report of an account.
type CredentialReports interface {
	// CredentialReport is the report that there is.
	CredentialReport(ctx context.Context, account string) (CredentialReport, error)
	// RequestCredentialReport has IAM make one, which takes seconds to minutes,
	// and returns what is there now. IAM makes none where the last is younger than
	// ReportAge: that one is ReportReady.
	RequestCredentialReport(ctx context.Context, account string) (ReportState, error)
}

// ReportState is how far a credential report is.
type ReportState string

// The states of a credential report.
const (
	ReportReady      ReportState = "ready"
	ReportInProgress ReportState = "in progress"
	ReportAbsent     ReportState = "absent" // never requested, or expired
)

// ReportAge is how long a credential report holds: until then IAM makes no new
// one (IAM User Guide, "Generate credential reports for your AWS account").
const ReportAge = 4 * time.Hour

// CredentialReport is a credential report, if State is ReportReady.
type CredentialReport struct {
	State     ReportState
	Generated time.Time
	CSV       []byte // see package credentialreport
}

// Organization lists the accounts of an organization.
type Organization interface {
	// Members is a page of accounts, and the token of the next page, "" after
	// the last. The first page has the token "".
	Members(ctx context.Context, token string) (page []Member, next string, err error)
}

// Member is an account of an organization.
type Member struct {
	Account string
	Active  bool // neither closed nor suspended, nor on the way there
}

// FactRows reads the facts of an account in parts, and takes away those that
// others make superfluous.
type FactRows interface {
	// Pages calls fn with the facts of an account whose IDs begin with prefix, some
	// at a time, in any order. An error of fn ends it and is returned.
	Pages(ctx context.Context, account, prefix string, fn func([]bootstrap.Fact) error) error
	// Remove takes away those facts that are still stored as given, and returns how
	// many those were. Where it fails, it may have removed some. A fact that was
	// removed may be added again.
	Remove(ctx context.Context, facts []bootstrap.Fact) (removed int, err error)
}
