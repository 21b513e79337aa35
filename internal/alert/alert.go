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
	Resend     Kind = "resend"     // of an incident that no one has acknowledged, once more
	Scheduled  Kind = "digest"     // the status of all accounts, at a fixed time
	Summarized Kind = "summary"    // several findings that are reported together
)

// Action is one kind of repeated call in a roll-up.
type Action struct {
	Name   string `json:"name"` // "iam:CreateUser"
	Target string `json:"target,omitempty"`
	Count  int    `json:"count"`
}

// Incident is what an alert belongs to: the alerts of one session.
type Incident struct {
	ID             string    `json:"id"`
	Events         int       `json:"events"`          // reported so far, those of this alert included
	Opened         time.Time `json:"opened,omitzero"` // when its first alert was made
	First          time.Time `json:"first,omitzero"`  // of its earliest event
	AcknowledgedBy string    `json:"acknowledged_by,omitempty"`
	AcknowledgedAt time.Time `json:"acknowledged_at,omitzero"`

	SnoozedBy    string    `json:"snoozed_by,omitempty"` // who put its resends off
	SnoozedUntil time.Time `json:"snoozed_until,omitzero"`

	Reopened *Reopened `json:"reopened,omitempty"` // it was acknowledged before, and is not now

	// AckFlags are what "rootguard ack" needs beside the ID to find the guard.
	AckFlags string `json:"ack_flags,omitempty"`

	// Repeat of Repeats is which of the resends this is, of a Resend.
	Repeat  int `json:"repeat,omitempty"`
	Repeats int `json:"repeats,omitempty"`
}

// Reopened says what opened an incident again, and who had acknowledged it.
type Reopened struct {
	Title          string    `json:"title"`       // of the alert that did
	At             time.Time `json:"at,omitzero"` // of its event
	AcknowledgedBy string    `json:"acknowledged_by"`
	AcknowledgedAt time.Time `json:"acknowledged_at,omitzero"`
}

// Alert is what is published. The ID is derived from what it reports, so that a
// receiver who gets the one extra copy a crash may cause can drop it.
type Alert struct {
	Schema      string         `json:"schema"`
	ID          string         `json:"id"`
	Kind        Kind           `json:"kind"`
	AccountName string         `json:"account_name,omitempty"`
	Finding     detect.Finding `json:"finding"`

	Incident *Incident `json:"incident,omitempty"` // what it belongs to

	// Deadline is until when missing MFA is tolerated, for user.created and user.console_access.
	Deadline time.Time `json:"deadline,omitzero"`

	// Of a RollUp or Escalation: how many events, which calls, from when to when.
	Count          int       `json:"count,omitempty"`
	Actions        []Action  `json:"actions,omitempty"`
	ActionsOmitted int       `json:"actions_omitted,omitempty"` // events whose action is not listed for size
	FirstTime      time.Time `json:"first_time,omitzero"`
	LastTime       time.Time `json:"last_time,omitzero"`

	// Late is of a RollUp of which no event was alerted when it came, since too
	// many alerts were due at once.
	Late bool `json:"late,omitempty"`

	// Digest is of a Scheduled alone.
	Digest *Digest `json:"digest,omitempty"`
	// Summary is of an alert that is about several findings, which it lists.
	Summary *Summary `json:"summary,omitempty"`

	// Version is that of the rootguard that sends it, "" where it does not know.
	Version string `json:"version,omitempty"`

	// DeliveredTo names the receivers that have this alert from an attempt before, which
	// failed with others. It is between guard and Publisher, and not published.
	DeliveredTo []string `json:"-"`
}

// Published is an alert as a receiver has it.
type Published struct {
	Alert Alert
	At    time.Time // when it was published; zero where that is not known
}

// Escalates reports whether an alert is for those too who get only the worst
// alone: a critical one, what says that one is less, root use being announced, alerts
// being suppressed or an incident being looked after, and whatever is reported about rootguard's own health,
// since the way to the other receivers may be what fails.
func Escalates(a Alert) bool {
	f := &a.Finding
	return f.Severity >= detect.Critical || (f.ID == detect.RootUseAnnounced || f.ID == detect.AlertsSuppressed) && f.Severity > detect.Info ||
		f.ID == detect.IncidentAcknowledged || f.ID == detect.GuardUnhealthy
}
