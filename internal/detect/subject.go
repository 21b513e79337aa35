package detect

import (
	"encoding/json"
	"strings"
	"time"

	"rootguard/internal/lazyre"
)

// Phase is how far a subject has come by a finding about it.
type Phase string

// The phases. The value is stored and published.
const (
	PhaseOpened   Phase = ""         // the first finding about it
	PhaseUpdated  Phase = "updated"  // a reminder, or that it is worse
	PhaseResolved Phase = "resolved" // it is over
)

// Subject is what a finding that rootguard itself makes is about: the finding that
// opens it, its reminders and the note that it is over have the same ID. A finding
// of a record has none, since it is about that record alone.
type Subject struct {
	ID    string    `json:"id"` // EventID of the finding that opens it; not to be read apart
	Phase Phase     `json:"phase,omitempty"`
	Began time.Time `json:"began,omitzero"` // zero where it is not known
}

// Synthetic reports whether rootguard itself made the finding, and no record.
func (f *Finding) Synthetic() bool { return f.Subject.ID != "" }

// SubjectID is the ID of the finding's subject, of a record its EventID.
func (f *Finding) SubjectID() string { return orElse(f.Subject.ID, f.EventID) }

// opens makes the finding the one that opens a subject, which began at a time that
// may be zero.
func (f *Finding) opens(id string, began time.Time) {
	f.EventID, f.Subject = id, Subject{ID: id, Began: began.UTC()}
}

// OpenedAs makes an MFAMissing be about a subject that was opened before, when the user
// or the deadline was known by something else.
func (f *Finding) OpenedAs(id string, began time.Time) { f.opens(id, began) }

// follows makes the finding a later one about its subject. suffix distinguishes its EventID
// from that of the others.
func (f *Finding) follows(phase Phase, suffix string) {
	f.EventID += suffix
	f.Subject.Phase = phase
}

// UnmarshalJSON reads a finding as it is stored. One that was stored before Subject
// was a field has it in its EventID.
func (f *Finding) UnmarshalJSON(text []byte) error {
	type stored Finding // without this method
	if err := json.Unmarshal(text, (*stored)(f)); err != nil {
		return err
	}
	if !f.Synthetic() && (f.EventName == "" || f.ID == RootSessionUnseen) {
		f.Subject = formerSubject(f.ID, f.EventID)
	}
	return nil
}

// formerly is what a later finding added to the EventID of the one that opened its
// subject.
var formerly = lazyre.New(`/(closed|ended|(reminder|day)-[0-9]+|worse-[a-z]+)$`)

// formerSubject is the subject by an EventID of a finding that was stored without.
func formerSubject(id ID, eventID string) (s Subject) {
	if !strings.HasPrefix(eventID, string(id)+"/") {
		return s
	}
	s.ID = eventID
	if at := formerly().FindStringIndex(s.ID); at != nil {
		s.Phase = PhaseUpdated
		if suffix := s.ID[at[0]:]; suffix == "/closed" || suffix == "/ended" {
			s.Phase = PhaseResolved
		}
		s.ID = s.ID[:at[0]]
	}
	rest := strings.TrimPrefix(s.ID, string(id))
	if id == UserReleased {
		s.ID, s.Phase = string(UserQuarantined)+rest, PhaseResolved
	}
	if id == UserQuarantined {
		at := strings.LastIndexByte(s.ID, '/')
		if s.ID[at+1:] == string(QuarantineDone) {
			s.Phase = PhaseUpdated
		}
		s.ID = s.ID[:at]
	}
	s.Began = began(s.ID[strings.LastIndexByte(s.ID, '/')+1:])
	return s
}

// began is a time as it was written, zero for what is none.
func began(text string) time.Time {
	t, err := time.Parse(time.RFC3339, text)
	if err != nil {
		return time.Time{}
	}
	return t.UTC()
}
