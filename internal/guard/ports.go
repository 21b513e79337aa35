package guard

import (
	"context"
	"time"

	"rootguard/internal/alert"
	"rootguard/internal/bootstrap"
	"rootguard/internal/cloudtrail"
	"rootguard/internal/detect"
)

// Detector judges one record. assumed is not nil where the record's access key
// is known to come from sts:AssumeRoot.
type Detector interface {
	Detect(rec *cloudtrail.Record, assumed *detect.AssumedRoot) detect.Outcome
}

// Publisher sends an alert to people, but not to those in Alert.Took. An error
// means it may not have arrived. One that no retry can cure is marked with
// Permanent; one beside which some receivers have the alert is a *Partial.
type Publisher interface {
	Publish(ctx context.Context, a alert.Alert) error
}

// Limiter keeps the alerts of all instances together below the rate at which
// people's subscriptions take them.
type Limiter interface {
	// Wait takes a token and waits for its time, if that comes within a time, and
	// reports whether it did; otherwise it takes none, and returns at once. An
	// error says that no tokens can be taken now.
	Wait(ctx context.Context, within time.Duration) (bool, error)
}

// Ledger remembers which events were alerted, so that each is alerted once.
type Ledger interface {
	Claims
	Groups
}

// Claims keeps what became of each event, and of each finding in a session.
type Claims interface {
	// Update reads the claim and the series under their keys (zero values where
	// absent), calls decide and stores what it returns if none of that has changed,
	// in one transaction. decide is pure and may be called again after a conflict,
	// with copies of its own. A claim or series returned with an empty Key is not
	// stored, and what was there stays, or is what another call stores meanwhile.
	// seriesKey may be "".
	Update(ctx context.Context, claimKey, seriesKey string, decide func(Claim, Series) (Claim, Series)) error
	// Read returns the claims under keys, in their order, the zero value where there is none.
	Read(ctx context.Context, keys []string) ([]Claim, error)
}

// Groups keeps which events are reported together. The events of a group are
// counted in batches, 0 the first, each of which is one roll-up.
type Groups interface {
	// UpdateGroup reads the group under its key (the zero value where absent), calls
	// decide and stores what it returns, all in one transaction. decide is pure and
	// may be called again after a conflict. One returned with an empty Key is not
	// stored, and what was there stays.
	UpdateGroup(ctx context.Context, key string, decide func(Group) Group) error
	// Count puts the claim of an event into a batch, once, however often it is
	// called and by how many at the same time: it waits for no other call. It is
	// false where the batch is sealed and does not have it.
	Count(ctx context.Context, group string, batch int, claim string) (counted bool, err error)
	// Seal ends a batch and returns the claims in it, in order. It takes no more, so
	// that to seal it again returns the same.
	Seal(ctx context.Context, group string, batch int) (claims []string, err error)
	// Due returns at most limit groups that are Unsent and whose Until is not after
	// the given time, the earliest first. A Permanent error is about rows that
	// cannot be read; the others are returned beside it.
	Due(ctx context.Context, at time.Time, limit int) ([]Group, error)
}

// Journal keeps the facts each account's status is made of.
type Journal interface {
	// Add stores facts under their account and ID and returns how many were new.
	// A fact that is already there is merged with bootstrap.Merge.
	Add(ctx context.Context, facts []bootstrap.Fact) (added int, err error)
	// Fact returns one fact; found is false where there is none.
	Fact(ctx context.Context, account, id string) (f bootstrap.Fact, found bool, err error)
	// Facts returns all facts of an account, in any order.
	Facts(ctx context.Context, account string) ([]bootstrap.Fact, error)
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

// Announcements keeps who announced the use of root, and that it was ended early.
type Announcements interface {
	// Enter stores an entry for ever, unless there is one under its key, and
	// returns the one that is there then.
	Enter(ctx context.Context, e Entry) (Entry, error)
	// Entries returns those of an account whose From lies between two times, both
	// included, by From.
	Entries(ctx context.Context, account string, from, to time.Time) ([]Entry, error)
	// Under calls fn with the claim of every event that was judged under an
	// announcement, by event time. An event of the last moments may be missing.
	Under(ctx context.Context, announcement string, fn func(Claim) error) error
}

// Incidents keeps what people are to look after.
type Incidents interface {
	// Amend calls decide with the incidents of an account whose Start lies
	// between two times, both included, by Start, and stores the one that it
	// returns under its key, in one transaction with what is under that key. decide
	// is pure and may be called again after a conflict. One returned with an empty
	// Key is not stored. An incident of a new key is findable by its ID from then on.
	Amend(ctx context.Context, account string, from, to time.Time, decide func([]Incident) Incident) error
	// Find returns the incident of an ID; found is false where there is none.
	Find(ctx context.Context, id string) (in Incident, found bool, err error)
	// Unsettled returns at most limit incidents whose Due is neither zero nor
	// after the given time, the earliest first. A Permanent error is about rows
	// that cannot be read; the others are returned beside it.
	Unsettled(ctx context.Context, at time.Time, limit int) ([]Incident, error)
}

// Live asks IAM how a user of an account stands.
type Live interface {
	User(ctx context.Context, account, name string) (bootstrap.LiveFact, error)
}

// Quarantines keeps how far the quarantine of each user has come.
type Quarantines interface {
	// ChangeQuarantine reads the row under its key (the zero value where absent),
	// calls decide and stores what it returns, all in one transaction. decide is
	// pure and may be called again after a conflict. One returned with an empty
	// Key is not stored, and what was there stays.
	ChangeQuarantine(ctx context.Context, key string, decide func(Quarantine) Quarantine) error
	// QuarantinesDue returns at most limit rows whose Due is neither zero nor after
	// the given time, the earliest first. A Permanent error is about rows that
	// cannot be read; the others are returned beside it.
	QuarantinesDue(ctx context.Context, at time.Time, limit int) ([]Quarantine, error)
}

// Policy puts the quarantine policy on users, and takes it off. All of it can be
// done again.
type Policy interface {
	Attach(ctx context.Context, account, user string) error
	// Detach reports whether the policy was attached; it is no error where it was
	// not, or where there is no such user.
	Detach(ctx context.Context, account, user string) (was bool, err error)
	Attached(ctx context.Context, account, user string) (bool, error)
}

// Deadline says when a user is to be looked at.
type Deadline struct {
	Key        string    `json:"key"` // "account/user"
	Account    string    `json:"account"`
	User       string    `json:"user"`                 // name; the unique ID where a record told no name
	Due        time.Time `json:"due,omitzero"`         // zero: nothing is to be done
	Revision   int       `json:"revision"`             // of the row, which begins at 1
	Unanswered int       `json:"unanswered,omitempty"` // live checks in a row to which IAM gave no answer
	Failures   int       `json:"failures,omitempty"`   // attempts in a row that failed otherwise
}

// Roots asks IAM how the root user of an account stands.
type Roots interface {
	AccountSummary(ctx context.Context, account string) (bootstrap.LiveFact, error)
}

// Forwarders tells of the queues of an account in which events wait that could
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
	Live
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

// RoundKind is what is done in a round.
type RoundKind string

// The kinds of round. CensusRound is one row, of the guard's own account, and
// is read by its key alone.
const (
	PostureRound   RoundKind = "posture"
	ReconcileRound RoundKind = "reconcile"
	WitnessRound   RoundKind = "witness"
	FactsRound     RoundKind = "facts"
	CensusRound    RoundKind = "census"
)

// Round says when an account is to be looked at, and how far that has come.
type Round struct {
	Key        string    `json:"key"` // "account/kind"
	Account    string    `json:"account"`
	Kind       RoundKind `json:"kind"`
	Due        time.Time `json:"due,omitzero"`         // zero: the account is not looked at
	Revision   int       `json:"revision"`             // of the row, which begins at 1
	Unanswered int       `json:"unanswered,omitempty"` // looks in a row to which there was no answer
	Failures   int       `json:"failures,omitempty"`   // attempts in a row that failed otherwise
	Done       time.Time `json:"done,omitzero"`        // when it was last looked at to the end

	// Cursor is how far a look that takes several runs has come, "" between two:
	// the key of the last user checked, of a FactsRound the part, or of a census see there.
	Cursor string `json:"cursor,omitempty"`

	// Of PostureRound.
	Root   Root      `json:"root,omitzero"`
	Unread int       `json:"unread,omitempty"` // looks in a row at which a queue of its forwarders was missing or gave no answer
	Unseen string    `json:"unseen,omitempty"` // why, at the last of them
	Listed time.Time `json:"listed,omitzero"`  // when the census began that found it in the organization
	Closed bool      `json:"closed,omitempty"` // closed, suspended or no longer in the organization

	// Of ReconcileRound: how often a credential report was waited for.
	Waited int `json:"waited,omitempty"`

	// Of WitnessRound.
	Witness Witness `json:"witness,omitzero"`

	// Of CensusRound.
	Census Census `json:"census,omitzero"`
}

// Root is what the rounds know of an account's root user.
type Root struct {
	Known    *bootstrap.LiveFact `json:"known,omitempty"`   // the last answer
	Compared time.Time           `json:"compared,omitzero"` // when the journal was last seen to agree with the answer
	Problems []RootProblem       `json:"problems,omitempty"`
	Seen     RootSeen            `json:"seen,omitzero"`
	Entered  time.Time           `json:"entered,omitzero"` // when root's password was last accepted, until it is judged whether a sign-in followed
}

// RootSeen is when a check last saw root as it should be; zero where none did.
type RootSeen struct {
	MFA        time.Time `json:"mfa,omitzero"` // with MFA, or without a password
	NoKeys     time.Time `json:"no_keys,omitzero"`
	NoPassword time.Time `json:"no_password,omitzero"`
}

// RootProblem is something that IAM says of root and that no event told.
type RootProblem struct {
	Finding detect.ID `json:"finding"`
	Since   time.Time `json:"since"` // when it was first seen
	Told    bool      `json:"told,omitempty"`
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

// Census is how far a census has come.
type Census struct {
	Began     time.Time `json:"began,omitzero"`
	Complete  bool      `json:"complete,omitempty"`   // the organization listed all of its accounts
	Refused   string    `json:"refused,omitempty"`    // why it did not
	Silent    int       `json:"silent,omitempty"`     // accounts that IAM does not answer about
	SilentIDs []string  `json:"silent_ids,omitempty"` // the first of them

	Unread    int      `json:"unread,omitempty"` // accounts of whose forwarders a queue is missing or gives no answer
	UnreadIDs []string `json:"unread_ids,omitempty"`
	Unseen    string   `json:"unseen,omitempty"` // why, of one of them

	NoReport    int      `json:"no_report,omitempty"` // accounts whose credential report cannot be had
	NoReportIDs []string `json:"no_report_ids,omitempty"`
	NoReportWhy string   `json:"no_report_why,omitempty"` // of one of them
}

// ClaimState is how far an event has come.
type ClaimState string

// The states of a claim. The zero value is an event not seen before.
const (
	Leased   ClaimState = "leased"   // an invocation is publishing its alert
	Released ClaimState = "released" // publishing failed; the next attempt publishes at once
	Sent     ClaimState = "sent"     // its alert was published
	Folded   ClaimState = "folded"   // counted in a group, which will be published
)

// Claim is the ledger's row for one event, or for one roll-up of a group.
type Claim struct {
	Key        string          `json:"key"` // "account/eventID"; of a roll-up "group/…", see doc.go
	State      ClaimState      `json:"state"`
	LeaseUntil time.Time       `json:"lease_until,omitzero"`
	Attempts   int             `json:"attempts"`          // leases taken
	Kind       alert.Kind      `json:"kind,omitempty"`    // of the alert that is the event's own
	Finding    *detect.Finding `json:"finding,omitempty"` // nil for a roll-up's claim
	AlertID    string          `json:"alert_id,omitempty"`
	Window     string          `json:"window,omitempty"` // key of its series; in rows of version 1, of the window that counts it
	Took       []string        `json:"took,omitempty"`   // receivers that have the alert though publishing failed

	// Group is the key of the group that counts a Folded event; "" for one that is in
	// no roll-up, or was counted by version 1.
	Group string `json:"group,omitempty"`
	// Throttled says that the event is Folded for lack of a rate limit token, and Soon
	// that nothing as severe was alerted near it.
	Throttled bool `json:"throttled,omitempty"`
	Soon      bool `json:"soon,omitempty"`
	// Cut is of a roll-up alone.
	Cut *Cut `json:"cut,omitempty"`

	// Unlisted says that the alert was sent, and its incident could not be stored.
	Unlisted bool `json:"unlisted,omitempty"`
}

// Cut is what was known of a group when its roll-up was first to be sent, so that
// every attempt reports the same.
type Cut struct {
	Severity detect.Severity `json:"severity"`       // the highest that was alerted in it
	Late     bool            `json:"late,omitempty"` // no event near it had been alerted
}
