package guard

import (
	"context"
	"time"

	"rootguard/internal/alert"
	"rootguard/internal/bootstrap"
	"rootguard/internal/cloudtrail"
	"rootguard/internal/detect"
	"rootguard/internal/repeats"
)

// FactsHook schedules what facts call for.
type FactsHook interface {
	// Added is called with facts that are stored. To call it again changes nothing.
	Added(ctx context.Context, facts []bootstrap.Fact) error
}

// Announcements knows which root use was announced.
type Announcements interface {
	// Lower returns a finding as it is where root's use was announced for its time,
	// and otherwise as it was. An error is no announcement.
	Lower(ctx context.Context, f detect.Finding) (detect.Finding, error)
}

// Suppressions knows which findings are not to be alerted.
type Suppressions interface {
	// Covers returns the ID of the suppression that holds back a finding, "" where none
	// does. An error is none.
	Covers(ctx context.Context, f detect.Finding) (id string, err error)
}

// Sender publishes a notice, once. It is a Guard.
type Sender interface {
	Send(ctx context.Context, n Notice) (Result, error)
}

// Batches are the groups whose events are no repeats but notices, which are collected
// and sent together.
type Batches interface {
	// Has reports whether a group of this key is one of them.
	Has(group string) bool
	// Open returns such a group with a batch that may take an event's claim, where the
	// first of them are sealed, and reports whether that is a change.
	Open(gr Group, c *Claim, sealed int, now time.Time) (opened Group, changed bool)
	// SendBatch sends the next batch of one at a time and counts its alerts.
	SendBatch(ctx context.Context, via Sender, gr Group, at time.Time) (sent int, err error)
}

// RootSessions keeps when sessions of root began.
type RootSessions interface {
	// Note notes what a record shows of one. reported says that the record is a finding.
	Note(ctx context.Context, rec *cloudtrail.Record, reported bool) error
	// Began reports whether a session that began at a time is on record.
	Began(ctx context.Context, account string, at time.Time) (bool, error)
}

// Incidents are what operators acknowledge.
type Incidents interface {
	// Attach counts an alert in the incident that it belongs to, and returns what the
	// alert says of it, nil where it belongs to none. A summary's findings belong to one
	// each, which it then names. To do so again changes nothing.
	Attach(ctx context.Context, a *alert.Alert) (*alert.Incident, error)
}

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

// Claims remembers which events were alerted, so that each is alerted once.
type Claims interface {
	ClaimRows
	Groups
}

// ClaimRows keeps what became of each event, and of each finding in a session.
type ClaimRows interface {
	// Update reads the claim and the series under their keys (zero values where
	// absent), calls decide and stores what it returns if none of that has changed,
	// in one transaction. decide is pure and may be called again after a conflict,
	// with copies of its own. A claim or series returned with an empty Key is not
	// stored, and what was there stays, or is what another call stores meanwhile.
	// seriesKey may be "".
	Update(ctx context.Context, claimKey, seriesKey string, decide func(Claim, repeats.Series) (Claim, repeats.Series)) error
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
	// Counted looks for the claim of an event in the batches from a number up to, and not
	// including, another, which are all sealed. One that expired has none.
	Counted(ctx context.Context, group string, from, to int, claim string) (batch int, found bool, err error)
	// Seal ends a batch and returns the claims in it, in order. It takes no more, so
	// that to seal it again returns the same.
	Seal(ctx context.Context, group string, batch int) (claims []string, err error)
	// Due returns at most limit groups that are Unsent and whose Due is not after
	// the given time, the earliest first. A Permanent error is about rows that
	// cannot be read; the others are returned beside it.
	Due(ctx context.Context, at time.Time, limit int) ([]Group, error)
}

// Facts keeps the facts each account's status is made of.
type Facts interface {
	// Add stores facts under their account and ID and returns how many were new.
	// A fact that is already there is merged with bootstrap.Merge.
	Add(ctx context.Context, facts []bootstrap.Fact) (added int, err error)
	// Fact returns one fact; found is false where there is none.
	Fact(ctx context.Context, account, id string) (f bootstrap.Fact, found bool, err error)
	// Facts returns all facts of an account, in any order.
	Facts(ctx context.Context, account string) ([]bootstrap.Fact, error)
}

// ClaimState is how far an event has come.
type ClaimState string

// The states of a claim. The zero value is an event not seen before.
const (
	Leased   ClaimState = "leased"   // an invocation is publishing its alert
	Released ClaimState = "released" // publishing failed; the next attempt publishes at once
	Sent     ClaimState = "sent"     // its alert was published
	Folded   ClaimState = "folded"   // counted in a group, which will be published
	Withheld ClaimState = "withheld" // its alert is suppressed, and counts as a use of the suppression
)

// Claim is the row for one event, or for one roll-up of a group.
type Claim struct {
	Key         string          `json:"key"` // "account/eventID"; of a roll-up "group/…", see doc.go
	State       ClaimState      `json:"state"`
	LeaseUntil  time.Time       `json:"lease_until,omitzero"`
	Attempts    int             `json:"attempts"`          // leases taken
	Kind        alert.Kind      `json:"kind,omitempty"`    // of the alert that is the event's own
	Finding     *detect.Finding `json:"finding,omitempty"` // nil for a roll-up's claim
	AlertID     string          `json:"alert_id,omitempty"`
	Series      string          `json:"window,omitempty"` // key of its series; in rows of version 1, of the window that counts it
	DeliveredTo []string        `json:"took,omitempty"`   // receivers that have the alert though publishing failed

	// Group is the key of the group that counts a Folded event; "" for one that is in
	// no roll-up, or was counted by version 1.
	Group string `json:"group,omitempty"`
	// Throttled says that the event is Folded for lack of a rate limit token, and Soon
	// that nothing as severe was alerted near it.
	Throttled bool `json:"throttled,omitempty"`
	Soon      bool `json:"soon,omitempty"`
	// Deployment is what deployment of rootguard a Withheld event is part of, if any: "announced/"
	// and the announcement's ID, or a stack's name and the ID of the event it began with.
	Deployment string `json:"deployment,omitempty"`

	// Suppression is the ID of the suppression that a Withheld event is a use of.
	Suppression string `json:"suppression,omitempty"`
	// Incident is of a notice that is collected: the one that is sent again, and Cycle
	// the cycle of it, 0 in rows of version 2.
	Incident *alert.Incident `json:"incident,omitempty"`
	Cycle    int             `json:"cycle,omitempty"`
	// Cut is of a roll-up alone.
	Cut *Cut `json:"cut,omitempty"`

	// IncidentPending says that the alert was sent, and its incident could not be stored.
	IncidentPending bool `json:"unlisted,omitempty"`
}

// Cut is what was known of a group when its roll-up was first to be sent, so that
// every attempt reports the same.
type Cut struct {
	Severity detect.Severity `json:"severity"`       // the highest that was alerted in it
	Late     bool            `json:"late,omitempty"` // no event near it had been alerted

	Alerts int `json:"alerts,omitempty"` // of a collection: the most that it makes of one batch
}
