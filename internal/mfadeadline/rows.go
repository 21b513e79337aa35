package mfadeadline

import (
	"slices"
	"time"

	"rootguard/internal/bootstrap"
)

// Deadline says when a user is to be checked.
type Deadline struct {
	Key              string    `json:"key"` // "account/user"
	Account          string    `json:"account"`
	User             string    `json:"user"`                 // name; the unique ID where a record reported no name
	Due              time.Time `json:"due,omitzero"`         // zero: nothing is to be done
	Revision         int       `json:"revision"`             // of the row, which begins at 1
	UnansweredChecks int       `json:"unanswered,omitempty"` // live checks in a row to which IAM gave no answer
	Failures         int       `json:"failures,omitempty"`   // attempts in a row that failed otherwise

	// Reports are what a run is about to report. It is stored before, so that the run
	// after one that died completes them as what they were, whatever was learned since.
	Reports []Report `json:"reports,omitempty"`
}

// Report is one thing that is reported of a user.
type Report struct {
	EventID string         `json:"event_id"` // of the finding, which its claim is named by
	Note    bootstrap.Fact `json:"note"`     // that it was reported, for the facts
}

// RowKey is worker.Row's.
func (d Deadline) RowKey() string { return d.Key }

// RowDue is worker.Row's.
func (d Deadline) RowDue() time.Time { return d.Due }

// as reports whether no other has changed the row since it was the given one.
func (d *Deadline) as(was *Deadline) bool {
	return d.Revision == was.Revision && slices.EqualFunc(d.Reports, was.Reports, func(a, b Report) bool { return a.EventID == b.EventID })
}

// pending is the report that opens the subject of a gap and may have been collected, though
// it is not noted; nil where there is none. All later ones are named by it.
func (d *Deadline) pending(u *bootstrap.UserStatus, gap bootstrap.MFAGap) *Report {
	i := slices.IndexFunc(d.Reports, func(r Report) bool { return r.Note.Stage == "" && covers(&r.Note, u, gap) })
	if i < 0 {
		return nil
	}
	return &d.Reports[i]
}
