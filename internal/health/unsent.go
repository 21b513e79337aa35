package health

import (
	"context"
	"errors"
	"fmt"
	"time"

	"rootguard/internal/detect"
	"rootguard/internal/guard"
)

// RollUps reports what waits to be published.
type RollUps interface {
	// Due returns at most limit groups of repeats whose roll-up is unsent and was
	// due by a time, the earliest first.
	Due(ctx context.Context, at time.Time, limit int) ([]guard.Group, error)
}

const (
	unsentID = "rollups"
	// unsentListed is how many roll-ups that are due are read. Those of old events are
	// due at once, and may be before one that has waited for long.
	unsentListed = 50
)

// errUnsent is an error of the run besides a finding: what keeps alerts from being
// published may keep this one too, and the function's alarm does not go that way.
var errUnsent = errors.New("alerts are not sent")

// unsent is the check that what was to be published was.
func (c *Checker) unsent(at time.Time) check {
	return check{
		id: unsentID, group: "alerts", region: c.want.Region, severity: detect.Critical,
		proves: fmt.Sprintf("No alert has waited for longer than %s to be sent", minutes(guard.UnsentAfter)),
		run: func(ctx context.Context) verdict {
			due, err := c.ports.RollUps.Due(ctx, at.Add(-guard.UnsentAfter), unsentListed)
			var oldest time.Time
			for i := range due {
				if since := due[i].UnsentSince(); at.Sub(since) > guard.UnsentAfter && (oldest.IsZero() || since.Before(oldest)) {
					oldest = since
				}
			}
			switch {
			case !oldest.IsZero():
				return surely("A roll-up of alerts has not been sent since "+stamp(oldest),
					"Read why in the log of the function "+c.function("sweep")+
						", fix the topics that rootguard doctor names, and see who else writes the table "+c.want.Table)
			case err != nil:
				return unanswered(err)
			}
			return well()
		},
	}
}

// unsentOf is an error where the check of unsent roll-ups failed.
func unsentOf(results []Result) error {
	for i := range results {
		if r := &results[i]; r.ID == unsentID && r.Outcome == Failed {
			return fmt.Errorf("%w: %s", errUnsent, r.Why)
		}
	}
	return nil
}
