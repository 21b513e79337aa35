package digestwork

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"rootguard/internal/accountcheck"
	"rootguard/internal/announcement"
	"rootguard/internal/bootstrap"
	"rootguard/internal/daytwo"
	"rootguard/internal/detect"
	"rootguard/internal/digest"
	"rootguard/internal/drill"
	"rootguard/internal/guard"
)

// Drill notes the accounts whose break-glass drill is overdue: neither root nor a user
// of the policy was used under an announcement within its time.
type Drill struct {
	Policy        drill.Policy
	Announcements Announcements
}

var (
	_ Noter                     = Drill{}
	_ accountcheck.DayTwoReader = DrillReader{}
)

// Title is Noter's.
func (Drill) Title() (topic digest.Topic, title string) {
	return digest.Drill, "BREAK-GLASS DRILL OVERDUE"
}

// Notes is Noter's.
func (d Drill) Notes(ctx context.Context, status *bootstrap.Status, facts []bootstrap.Fact, _, at time.Time) ([]digest.Note, error) {
	if state, _ := d.Policy.Judge(status, drill.Last{}, at); state != drill.Overdue {
		return nil, nil // nothing to try, or not for long enough: no drill need be looked for
	}
	last, err := d.last(ctx, status.Account, facts, at)
	if err != nil {
		return nil, err
	}
	state, what := d.Policy.Judge(status, last, at)
	if state != drill.Overdue {
		return nil, nil
	}
	return []digest.Note{{Topic: digest.Drill, Account: status.Account, Text: what, Since: last.At}}, nil
}

var errFound = errors.New("a use of root is found")

// last is the last use of root or of a user under an announcement that began within the
// time, or a little earlier. Of a user the first and the last sign-in are on record of
// those that are alike.
func (d Drill) last(ctx context.Context, account string, facts []bootstrap.Fact, at time.Time) (last drill.Last, err error) {
	entries, err := d.Announcements.Entries(ctx, account, at.Add(-d.Policy.Within-announcement.Max), at)
	if err != nil {
		return last, fmt.Errorf("reading announcements of account %s: %w", account, err)
	}
	all := announcement.Of(entries)
	for _, an := range slices.Backward(all) {
		err := d.Announcements.ClaimsDuring(ctx, an.Opened.ID, func(c guard.Claim) error {
			if f := c.Finding; f != nil && detect.IsRootUse(f) && !f.EventTime.After(at) {
				last = drill.Last{At: f.EventTime, By: "root"}
				return errFound
			}
			return nil
		})
		if errors.Is(err, errFound) {
			break
		}
		if err != nil {
			return last, fmt.Errorf("reading what root did under announcement %s: %w", an.Opened.ID, err)
		}
	}
	for i := range facts {
		f := &facts[i]
		if f.Kind != bootstrap.UserSignIn || !slices.Contains(d.Policy.Users, f.UserName) {
			continue
		}
		for _, used := range []time.Time{f.Time, f.Last} {
			announced := slices.ContainsFunc(all, func(an announcement.Announcement) bool { return an.Covers(used) })
			if announced && used.After(last.At) && !used.After(at) {
				last = drill.Last{At: used, By: f.UserName}
			}
		}
	}
	return last, nil
}

// DrillReader answers what is known of an account's drill, for the step of day two; all
// else another reader answers.
type DrillReader struct {
	Drill Drill
	Facts guard.Facts
	Rest  accountcheck.DayTwoReader
}

// Read is accountcheck.DayTwoReader's.
func (r DrillReader) Read(ctx context.Context, account string, what daytwo.Read, answers *daytwo.Answers) error {
	if what != daytwo.ReadDrill {
		return r.Rest.Read(ctx, account, what, answers) //nolint:wrapcheck // it says what was asked
	}
	if r.Drill.Policy.Within <= 0 {
		return errors.New("the setting drill is off")
	}
	facts, err := r.Facts.Facts(ctx, account)
	if err != nil {
		return fmt.Errorf("reading facts of account %s: %w", account, err)
	}
	last, err := r.Drill.last(ctx, account, facts, answers.At)
	if err != nil {
		return err
	}
	answers.Drill = &daytwo.Drill{Policy: r.Drill.Policy, Last: last}
	return nil
}
