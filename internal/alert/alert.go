package alert

import (
	"time"

	"rootguard/internal/detect"
)

// Schema is the version of the JSON body. A field is only ever added to it; a
// change of meaning is a new version.
const Schema = "rootguard.alert/1"

// Kind says why an alert is sent.
type Kind string

// The kinds of alert.
const (
	First      Kind = "first"      // the first of its kind in its session
	RollUp     Kind = "roll_up"    // the repeats of a First within the window, in one
	Escalation Kind = "escalation" // repeats passed a threshold, sent at once
)

// Action is one kind of repeated call in a roll-up.
type Action struct {
	Name   string `json:"name"` // "iam:CreateUser"
	Target string `json:"target,omitempty"`
	Count  int    `json:"count"`
}

// Alert is what is published. The ID is derived from what it tells of, so that a
// receiver who gets the one extra copy a crash may cause can drop it.
type Alert struct {
	Schema      string         `json:"schema"`
	ID          string         `json:"id"`
	Kind        Kind           `json:"kind"`
	AccountName string         `json:"account_name,omitempty"`
	Finding     detect.Finding `json:"finding"`

	// Deadline is until when missing MFA is tolerated, for user.created and user.console_access.
	Deadline time.Time `json:"deadline,omitzero"`

	// Of a RollUp or Escalation: how many events, which calls, from when to when.
	Count          int       `json:"count,omitempty"`
	Actions        []Action  `json:"actions,omitempty"`
	ActionsOmitted int       `json:"actions_omitted,omitempty"` // events whose action is not listed for size
	FirstTime      time.Time `json:"first_time,omitzero"`
	LastTime       time.Time `json:"last_time,omitzero"`

	// Took names the receivers that have this alert from an attempt before, which
	// failed with others. It is between guard and Publisher, and not published.
	Took []string `json:"-"`
}

// Published is an alert as a receiver has it.
type Published struct {
	Alert Alert
	At    time.Time // when it was published; zero where that is not known
}
