package accountcheck

import (
	"context"
	"time"

	"rootguard/internal/bootstrap"
	"rootguard/internal/detect"
	"rootguard/internal/keys"
	"rootguard/internal/worker"
)

// Checks keeps when which account is to be checked.
type Checks interface {
	// Of are the checks of a kind. Those of KindDiscovery are never listed as due.
	Of(kind Kind) worker.Rows[Check]
	// Accounts returns every account on record, in order: those with a check are.
	Accounts(ctx context.Context) ([]string, error)
}

// RowKey is worker.Row's.
func (r Check) RowKey() string { return r.Key }

// RowDue is worker.Row's.
func (r Check) RowDue() time.Time { return r.Due }

func checkKey(account string, kind Kind) string {
	return keys.Account(account) + "/" + string(kind)
}

// Kind is what is done in a check.
type Kind string

// The kinds of check. KindDiscovery is one row, of the guard's own account, and
// is read by its key alone.
const (
	KindRoot      Kind = "posture"
	KindUsers     Kind = "reconcile"
	KindReport    Kind = "witness"
	KindFacts     Kind = "facts"
	KindDayTwo    Kind = "daytwo"
	KindRoutes    Kind = "routes"
	KindDiscovery Kind = "census"
)

// Check says when an account is to be checked, and how far that has come.
type Check struct {
	Key              string    `json:"key"` // "account/kind"
	Account          string    `json:"account"`
	Kind             Kind      `json:"kind"`
	Due              time.Time `json:"due,omitzero"`         // zero: the account is not checked
	Revision         int       `json:"revision"`             // of the row, which begins at 1
	UnansweredChecks int       `json:"unanswered,omitempty"` // checks in a row to which there was no answer
	Failures         int       `json:"failures,omitempty"`   // attempts in a row that failed otherwise
	Done             time.Time `json:"done,omitzero"`        // when it was last checked to the end

	// Cursor is how far a check that takes several runs has come, "" between two:
	// the key of the last user checked, of KindFacts the part, or of a discovery of accounts see there.
	Cursor string `json:"cursor,omitempty"`

	// Of KindRoot.
	Root          Root      `json:"root,omitzero"`
	QueueFailures int       `json:"unread,omitempty"` // checks in a row at which a queue of its forwarders was missing or gave no answer
	QueueError    string    `json:"unseen,omitempty"` // why, at the last of them
	Listed        time.Time `json:"listed,omitzero"`  // when the discovery of accounts began that found it in the organization
	Suspended     bool      `json:"closed,omitempty"` // closed, suspended or no longer in the organization

	// Of KindUsers: how often a credential report was waited for.
	Waited int `json:"waited,omitempty"`

	// Of KindReport.
	Witness Witness `json:"witness,omitzero"`

	// Of KindDayTwo.
	DayTwo DayTwo `json:"day_two,omitzero"`

	// Of KindRoutes.
	Routed Routed `json:"routed,omitzero"`

	// Of KindDiscovery.
	Discovery Discovery `json:"census,omitzero"`
}

// Root is what the checks know of an account's root user.
type Root struct {
	Known    *bootstrap.LiveFact `json:"known,omitempty"`   // the last answer
	Compared time.Time           `json:"compared,omitzero"` // when the facts were last seen to agree with the answer
	Problems []RootProblem       `json:"problems,omitempty"`
	Seen     RootSeen            `json:"seen,omitzero"`
	// when root's password was last accepted, until it is judged whether a sign-in followed
	Entered time.Time `json:"entered,omitzero"`
}

// RootSeen is when a check last saw root as it should be; zero where none did.
type RootSeen struct {
	MFA        time.Time `json:"mfa,omitzero"` // with MFA, or without a password
	NoKeys     time.Time `json:"no_keys,omitzero"`
	NoPassword time.Time `json:"no_password,omitzero"`
}

// RootProblem is something that IAM says of root and that no event reported.
type RootProblem struct {
	Finding detect.ID `json:"finding"`
	Since   time.Time `json:"since"` // when it was first seen
	Alerted bool      `json:"told,omitempty"`
	First   bool      `json:"first,omitempty"` // found by the first check of the account
}

// Witness is what the credential reports of an account have shown.
type Witness struct {
	Began     time.Time `json:"began,omitzero"`     // when the account was enrolled; earlier uses of root are not judged
	Next      time.Time `json:"next,omitzero"`      // when the next report is asked for
	Requested time.Time `json:"requested,omitzero"` // since when a report is being made; zero: none is
	Generated time.Time `json:"generated,omitzero"` // of the last report read
	Why       string    `json:"why,omitempty"`      // why there is no report
	Uses      []RootUse `json:"uses,omitempty"`
}

// UseState is how far a use of root has come.
type UseState string

// The states of a use.
const (
	UseWaiting   UseState = "waiting"   // its event may still arrive
	UseExplained UseState = "explained" // an event arrived
	UseAlerted   UseState = "alerted"
)

// RootUse is a use of root that a credential report showed.
type RootUse struct {
	detect.RootUse
	State   UseState  `json:"state"`
	Changed time.Time `json:"changed"` // when it came into that state
}

// Discovery is how far a discovery of accounts has come.
type Discovery struct {
	Began          time.Time `json:"began,omitzero"`
	Complete       bool      `json:"complete,omitempty"`   // the organization listed all of its accounts
	Refused        string    `json:"refused,omitempty"`    // why it did not
	Unreachable    int       `json:"silent,omitempty"`     // accounts that IAM does not answer about
	UnreachableIDs []string  `json:"silent_ids,omitempty"` // the first of them

	QueueFailures   int      `json:"unread,omitempty"` // accounts of whose forwarders a queue is missing or gives no answer
	QueueFailureIDs []string `json:"unread_ids,omitempty"`
	QueueError      string   `json:"unseen,omitempty"` // why, of one of them

	NoReport    int      `json:"no_report,omitempty"` // accounts whose credential report cannot be had
	NoReportIDs []string `json:"no_report_ids,omitempty"`
	NoReportWhy string   `json:"no_report_why,omitempty"` // of one of them

	Unplaced    int      `json:"unplaced,omitempty"` // accounts whose routes are not known for long
	UnplacedIDs []string `json:"unplaced_ids,omitempty"`
}
