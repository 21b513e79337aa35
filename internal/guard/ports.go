package guard

import (
	"context"
	"errors"
	"time"

	"rootguard/internal/alert"
	"rootguard/internal/bootstrap"
	"rootguard/internal/detect"
)

// Publisher sends an alert to people. An error means it may not have arrived.
type Publisher interface {
	Publish(ctx context.Context, a alert.Alert) error
}

// Ledger remembers which events were alerted, so that each is alerted once.
type Ledger interface {
	// Update reads the claim and the window under their keys (zero values where
	// absent), calls decide and stores what it returns, all in one transaction.
	// decide is pure and may be called again after a conflict. A window
	// returned with an empty Key is not stored. windowKey may be "".
	Update(ctx context.Context, claimKey, windowKey string, decide func(Claim, Window) (Claim, Window)) error

	// Due returns at most limit windows that hold something unsent and whose
	// Until is not after the given time, the earliest first.
	Due(ctx context.Context, at time.Time, limit int) ([]Window, error)
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

// ErrBusy is returned by Handle while another invocation holds the event's
// claim. It is retryable.
var ErrBusy = errors.New("event is being handled by another invocation")

// ClaimState is how far an event has come.
type ClaimState string

// The states of a claim. The zero value is an event not seen before.
const (
	Leased ClaimState = "leased" // an invocation is publishing its alert
	Sent   ClaimState = "sent"   // its alert was published
	Folded ClaimState = "folded" // counted in a window, which will be published
)

// Claim is the ledger's row for one event, or for one window's roll-up.
type Claim struct {
	Key        string          `json:"key"`
	State      ClaimState      `json:"state"`
	LeaseUntil time.Time       `json:"lease_until,omitzero"`
	Attempts   int             `json:"attempts"`
	Finding    *detect.Finding `json:"finding,omitempty"` // nil for a window's claim
	AlertID    string          `json:"alert_id,omitempty"`
	Window     string          `json:"window,omitempty"` // the window it was folded into
}

// Window collects the repeats of one finding in one session.
type Window struct {
	Key       string         `json:"key"`
	Opened    time.Time      `json:"opened"` // event time of the alert that opened it
	Until     time.Time      `json:"until"`
	Pending   int            `json:"pending"` // events folded in and not yet sent
	Total     int            `json:"total"`   // events since Opened, the opening one included
	Escalated bool           `json:"escalated,omitempty"`
	Actions   []alert.Action `json:"actions,omitempty"`
	Omitted   int            `json:"omitted,omitempty"`
	First     time.Time      `json:"first,omitzero"`
	Last      time.Time      `json:"last,omitzero"`
	Finding   detect.Finding `json:"finding"` // of the opening event, severity raised to the highest folded in
}
