package mfadeadline

import "time"

// Deadline says when a user is to be checked.
type Deadline struct {
	Key              string    `json:"key"` // "account/user"
	Account          string    `json:"account"`
	User             string    `json:"user"`                 // name; the unique ID where a record reported no name
	Due              time.Time `json:"due,omitzero"`         // zero: nothing is to be done
	Revision         int       `json:"revision"`             // of the row, which begins at 1
	UnansweredChecks int       `json:"unanswered,omitempty"` // live checks in a row to which IAM gave no answer
	Failures         int       `json:"failures,omitempty"`   // attempts in a row that failed otherwise
}

// RowKey is worker.Row's.
func (d Deadline) RowKey() string { return d.Key }

// RowDue is worker.Row's.
func (d Deadline) RowDue() time.Time { return d.Due }
