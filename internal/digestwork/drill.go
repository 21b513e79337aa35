package digestwork

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"rootguard/internal/announcement"
	"rootguard/internal/bootstrap"
	"rootguard/internal/detect"
	"rootguard/internal/digest"
	"rootguard/internal/guard"
)

// Drill notes the accounts whose break-glass drill is overdue: root was not used under
// an announcement within a time.
type Drill struct {
	Within        time.Duration
	Announcements Announcements
}

var _ Noter = Drill{}

// Title is Noter's.
func (Drill) Title() (topic digest.Topic, title string) {
	return digest.Drill, "BREAK-GLASS DRILL OVERDUE"
}

// Notes is Noter's.
func (d Drill) Notes(ctx context.Context, status *bootstrap.Status, _ []bootstrap.Fact, at time.Time) ([]digest.Note, error) {
	if _, could := (digest.Drilled{}).Overdue(status, d.Within, at); !could {
		return nil, nil // nothing to try, or not for long enough: no drill need be looked for
	}
	last, err := d.last(ctx, status.Account, at)
	if err != nil {
		return nil, err
	}
	text, overdue := last.Overdue(status, d.Within, at)
	if !overdue {
		return nil, nil
	}
	return []digest.Note{{Topic: digest.Drill, Account: status.Account, Text: text, Since: last.At}}, nil
}

var errFound = errors.New("a use of root is found")

// last is the last use of root under an announcement that began within the time, or a
// little earlier.
func (d Drill) last(ctx context.Context, account string, at time.Time) (last digest.Drilled, err error) {
	entries, err := d.Announcements.Entries(ctx, account, at.Add(-d.Within-announcement.Max), at)
	if err != nil {
		return last, fmt.Errorf("reading announcements of account %s: %w", account, err)
	}
	for _, an := range slices.Backward(announcement.Of(entries)) {
		err := d.Announcements.ClaimsDuring(ctx, an.Opened.ID, func(c guard.Claim) error {
			if f := c.Finding; f != nil && detect.IsRootUse(f) && !f.EventTime.After(at) {
				last.At = f.EventTime
				return errFound
			}
			return nil
		})
		if errors.Is(err, errFound) {
			return last, nil
		}
		if err != nil {
			return last, fmt.Errorf("reading what root did under announcement %s: %w", an.Opened.ID, err)
		}
	}
	return last, nil
}
