package detect

import (
	"regexp"
	"strings"
	"time"
)

// Case is what a finding is one word about. One that a record tells of is a case
// of its own; one that rootguard makes has reminders and a closing note.
type Case struct {
	ID     string    // the EventID of the first finding about it
	Made   bool      // by rootguard itself, so that its EventID begins with the finding's ID
	Later  bool      // the finding is not the first about it
	Closed bool      // the finding says that it is over
	Began  time.Time // EventTime of the first finding, zero where ID does not say it
}

// later is what reminders and other later words add to the EventID of the first.
var later = regexp.MustCompile(`/(closed|ended|(reminder|day)-[0-9]+|worse-[a-z]+)$`)

// CaseOf is the case that a finding is about.
func CaseOf(f *Finding) Case {
	c := Case{ID: f.EventID}
	if c.Made = strings.HasPrefix(f.EventID, string(f.ID)+"/"); !c.Made {
		return c
	}
	if at := later.FindStringIndex(c.ID); at != nil {
		c.Closed = c.ID[at[0]:] == "/closed" || c.ID[at[0]:] == "/ended"
		c.ID, c.Later = c.ID[:at[0]], true
	}
	if began, err := time.Parse(time.RFC3339, c.ID[strings.LastIndexByte(c.ID, '/')+1:]); err == nil {
		c.Began = began
	}
	return c
}
